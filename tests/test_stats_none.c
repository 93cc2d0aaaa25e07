/* The tests of test_stats.c without counters: live figures stay. */
#define ZSLAB_STATS 0
#include "tests/test_stats.c"
