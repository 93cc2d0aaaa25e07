/* The tests of test_visit.c without tags. */
#define ZSLAB_TAGS 0
#include "tests/test_visit.c"
