/* timeout: 300 */
/* test_model.c where the kernel has no membarrier: under the RSS policy every owner fences for itself. */
#if defined(__linux__)
#include <sys/syscall.h>
#undef SYS_membarrier
#endif
#include "test_model.c"
