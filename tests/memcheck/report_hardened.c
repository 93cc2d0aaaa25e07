/* asan: use-after-poison */
/* msan: use-of-uninitialized-value */
/* memcheck: Invalid read of size 4 */
/* An object freed in a hardened allocator, which wrote zeros over it before. */
#include "report.h"

static NOINLINE void wrong(const int *p)
{
    if (*p > 7) /* here */
        puts("read");
}

int main(void)
{
    zslab *z = report_open(ZSLAB_FLAG_HARDENED, ZSLAB_RECLAIM_DEFAULT);
    int *p;
    MUST((p = (int *)zslab_malloc(z, 100)) != NULL && zslab_free(z, p) == ZSLAB_OK);
    wrong(p);
    return 0;
}
