/* build: -DZSLAB_CHUNK_SHIFT=20 */
/* test_exact.c with chunks of 1 MiB. */
#include "test_exact.c"
