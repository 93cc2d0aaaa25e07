/* Batches come and go, an epoch each. Of the third, one object in 500 is never freed: its chunks stay. */
/* cause: straggler epoch */
#include "sick.h"

static void batches(zslab *z, int sick)
{
    int batch;
    for (batch = 0; batch < 10; batch++) {
        char label[32];
        snprintf(label, sizeof label, "batch %d", batch);
        zslab_epoch e = zslab_epoch_open(z, label);
        sick_make(z, e, 100, SICK_OBJECTS);
        SICK_MUST(zslab_epoch_close(z, e) == ZSLAB_OK);
        sick_drop(z, SICK_OBJECTS, sick && batch == 3 ? 500 : 0);
    }
}

int main(int argc, char **argv) { return sick_main(argc, argv, NULL, batches); }
