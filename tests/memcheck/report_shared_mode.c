/* asan: use-after-poison */
/* msan: use-of-uninitialized-value */
/* memcheck: Invalid read of size 4 */
/* An object freed in shared mode. */
#include "report.h"

static NOINLINE void wrong(const int *p)
{
    if (*p > 7) /* here */
        puts("read");
}

int main(void)
{
    zslab *z = report_open(ZSLAB_FLAG_SHARED, ZSLAB_RECLAIM_DEFAULT);
    int *p;
    MUST((p = (int *)zslab_calloc(z, 1, 100)) != NULL && zslab_free(z, p) == ZSLAB_OK);
    wrong(p);
    return 0;
}
