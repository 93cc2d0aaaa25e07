/* asan: use-after-poison */
/* msan: use-of-uninitialized-value */
/* memcheck: Invalid read of size 4 */
/* The old pointer is read after a realloc that moved the object. */
#include "report.h"

static NOINLINE void wrong(const int *p)
{
    if (*p > 7) /* here */
        puts("read");
}

int main(void)
{
    zslab *z = report_open(0, ZSLAB_RECLAIM_DEFAULT);
    int *p = (int *)zslab_calloc(z, 1, 32), *q;
    MUST(p && (q = (int *)zslab_realloc(z, p, 300)) != NULL && q != p && *q == 0);
    wrong(p);
    return 0;
}
