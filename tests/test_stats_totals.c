/* The tests of test_stats.c with totals of allocations and frees. */
#define ZSLAB_STATS 2
#include "tests/test_stats.c"
