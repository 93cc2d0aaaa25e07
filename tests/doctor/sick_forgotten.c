/* The same trouble in an epoch that nobody closes: a few settings live in the one that served the start. */
/* cause: straggler epoch */
#include "sick.h"

static void start_and_work(zslab *z, int sick)
{
    zslab_epoch start = zslab_epoch_open(z, "start"), settings = zslab_epoch_open(z, "settings");
    int round;
    sick_make(z, start, 100, SICK_OBJECTS);
    SICK_MUST(zslab_malloc_epoch(z, 100, sick ? start : settings) != NULL);
    sick_drop(z, SICK_OBJECTS, sick ? 500 : 0);
    if (!sick) SICK_MUST(zslab_epoch_close(z, start) == ZSLAB_OK);
    for (round = 0; round < 5; round++) {
        sick_make(z, zslab_epoch_current(z), 100, 1000);
        SICK_MUST(zslab_epoch_advance(z) != ZSLAB_EPOCH_NONE);
        sick_drop(z, 1000, 0);
    }
}

int main(int argc, char **argv) { return sick_main(argc, argv, NULL, start_and_work); }
