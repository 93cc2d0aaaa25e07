/* build: -DZSLAB_NO_OS=1 */
/* test_buffer.c without an operating system under the allocator: shared mode, no libc in the header. */
#include "test_buffer.c"
