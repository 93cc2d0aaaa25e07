/* build: -DZSLAB_CHUNK_SHIFT=12 */
/* test_exact.c with chunks of 4 KiB. */
#include "test_exact.c"
