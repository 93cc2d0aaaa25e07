/* A kernel without membarrier: gcc -include tests/lib/no_fence.h. */
#if defined(__linux__)
#include <sys/syscall.h>
#undef SYS_membarrier
#endif
