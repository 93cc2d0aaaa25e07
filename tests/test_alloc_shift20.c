/* build: -DZSLAB_CHUNK_SHIFT=20 */
/* test_alloc.c with chunks of 1 MiB: thousands of slabs in one. */
#include "test_alloc.c"
