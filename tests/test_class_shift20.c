/* build: -DZSLAB_CHUNK_SHIFT=20 */
/* timeout: 300 */
/* test_class.c with chunks of 1 MiB, whose reciprocals have 40 bits. */
#include "test_class.c"
