/* build: -DZSLAB_CHUNK_SHIFT=12 */
/* test_buffer.c with chunks of 4 KiB. */
#include "test_buffer.c"
