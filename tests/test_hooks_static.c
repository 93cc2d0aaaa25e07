/* The tests of test_hooks.c with the fast paths inlined. */
#define ZSLAB_STATIC 1
#include "tests/test_hooks.c"
