/* build: -DZSLAB_CHUNK_SHIFT=12 */
/* timeout: 600 */
/* test_model.c with chunks of 4 KiB. */
#include "test_model.c"
