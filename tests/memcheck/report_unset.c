/* msan: use-of-uninitialized-value */
/* memcheck: Conditional jump or move depends on uninitialised value(s) */
/* A new object is read before anything was written to it. */
#include "report.h"

static NOINLINE void wrong(const int *p)
{
    if (*p > 7) /* here */
        puts("read");
}

int main(void)
{
    zslab *z = report_open(0, ZSLAB_RECLAIM_DEFAULT);
    int *p = (int *)zslab_malloc(z, 24);
    MUST(p);
    p[0] = 1;
    wrong(p + 1);
    return 0;
}
