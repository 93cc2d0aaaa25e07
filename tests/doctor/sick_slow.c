/* build: -DZSLAB_STATS=2 */
/* Of those that were made together, single ones are replaced: each slow path finds a slab with one free
   slot. Without the cause, neighbours are replaced together. */
/* cause: slow path hot */
#include "sick.h"

static void replace(zslab *z, int sick)
{
    size_t round, i, some = SICK_OBJECTS / 64;
    sick_make(z, zslab_epoch_current(z), 100, SICK_OBJECTS);
    for (round = 0; round < 60; round++) {
        for (i = 0; i < some; i++)
            SICK_MUST(zslab_free(z, sick_objects[sick ? i * 64 + round : round * some + i]) == ZSLAB_OK);
        for (i = 0; i < some; i++) {
            void *p = zslab_malloc(z, 100);
            SICK_MUST(p != NULL);
            sick_objects[sick ? i * 64 + round : round * some + i] = p;
        }
    }
}

int main(int argc, char **argv) { return sick_main(argc, argv, NULL, replace); }
