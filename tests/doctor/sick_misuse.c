/* Every hundredth message is freed by its reader and by its writer. */
/* cause: misuse */
#include "sick.h"

static void messages(zslab *z, int sick)
{
    size_t i;
    sick_make(z, zslab_epoch_current(z), 100, SICK_OBJECTS);
    for (i = 0; i < SICK_OBJECTS; i++) {
        SICK_MUST(zslab_free(z, sick_objects[i]) == ZSLAB_OK);
        if (sick && i % 100 == 0) SICK_MUST(zslab_free(z, sick_objects[i]) == ZSLAB_E_DOUBLE_FREE);
    }
}

int main(int argc, char **argv) { return sick_main(argc, argv, NULL, messages); }
