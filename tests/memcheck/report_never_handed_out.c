/* asan: use-after-poison */
/* memcheck: Invalid write of size 4 */
/* A write to a slot that was never handed out, far behind the only object. */
#include "report.h"

static NOINLINE void wrong(int *p) { *p = 7; /* here */ }

int main(void)
{
    zslab *z = report_open(0, ZSLAB_RECLAIM_DEFAULT);
    char *p = (char *)zslab_malloc(z, 64), *chunk = (char *)((uintptr_t)p & ~(uintptr_t)65535);
    MUST(p);
    wrong((int *)(void *)(chunk + (size_t)(p - chunk + 64 * 500) % 65536));
    return 0;
}
