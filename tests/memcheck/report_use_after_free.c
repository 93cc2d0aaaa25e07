/* asan: use-after-poison */
/* msan: use-of-uninitialized-value */
/* memcheck: Invalid read of size 4 */
/* An object is read after it was freed. [MEM-1] */
#include "report.h"

static NOINLINE void wrong(const int *p)
{
    if (*p > 7) /* here */
        puts("read");
}

int main(void)
{
    zslab *z = report_open(0, ZSLAB_RECLAIM_DEFAULT);
    int *p = (int *)zslab_calloc(z, 16, sizeof *p);
    MUST(p && zslab_free(z, p) == ZSLAB_OK);
    wrong(p + 3);
    return 0;
}
