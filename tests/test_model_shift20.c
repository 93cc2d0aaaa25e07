/* build: -DZSLAB_CHUNK_SHIFT=20 */
/* timeout: 600 */
/* test_model.c with chunks of 1 MiB. */
#include "test_model.c"
