/* A burst of 90 MB is over; under the latency policy its memory stays with the allocator until somebody trims. */
/* cause: RSS high */
#include "sick.h"

static void burst(zslab *z, int sick)
{
    sick_make(z, zslab_epoch_current(z), 1500, SICK_OBJECTS);
    sick_drop(z, SICK_OBJECTS, 100000); /* but one */
    if (!sick) zslab_trim(z);
}

int main(int argc, char **argv) { return sick_main(argc, argv, NULL, burst); }
