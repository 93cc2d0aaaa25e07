/* msan: use-of-uninitialized-value */
/* memcheck: Conditional jump or move depends on uninitialised value(s) */
/* A slot that serves again: what its last object held does not count as set. */
#include "report.h"

static NOINLINE void wrong(const int *p)
{
    if (*p > 7) /* here */
        puts("read");
}

int main(void)
{
    zslab *z = report_open(0, ZSLAB_RECLAIM_DEFAULT);
    int *p = (int *)zslab_calloc(z, 1, 24), *q;
    MUST(p && zslab_free(z, p) == ZSLAB_OK && (q = (int *)zslab_malloc(z, 24)) == p);
    wrong(q);
    return 0;
}
