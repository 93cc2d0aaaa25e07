/* build: -DZSLAB_CHUNK_SHIFT=12 */
/* timeout: 300 */
/* test_class.c with chunks of 4 KiB, whose reciprocals have 32 bits. */
#include "test_class.c"
