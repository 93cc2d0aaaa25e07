/* build: -DZSLAB_CHUNK_SHIFT=12 */
/* test_alloc.c with chunks of 4 KiB: classes larger than a quarter of them, and none above. */
#include "test_alloc.c"
