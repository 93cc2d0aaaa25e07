/* Bursts of 6 MB in one long epoch, under the RSS policy with a cache of one chunk: what a burst leaves
   empty goes back to the system, and the next burst faults it in again. */
/* cause: cache too small */
#include "sick.h"

static void bursts(zslab *z, int sick)
{
    int burst;
    (void)sick;
    for (burst = 0; burst < 30; burst++) {
        sick_make(z, zslab_epoch_current(z), 100, SICK_OBJECTS);
        sick_drop(z, SICK_OBJECTS, 0);
    }
}

int main(int argc, char **argv)
{
    zslab_config config = {0};
    config.reclaim = ZSLAB_RECLAIM_RSS;
    config.cache_bytes = argc > 1 && !strcmp(argv[1], "sick") ? (size_t)1 << 16 : (size_t)16 << 20;
    return sick_main(argc, argv, &config, bursts);
}
