/* asan: use-after-poison */
/* msan: use-of-uninitialized-value */
/* memcheck: Invalid read of size 4 */
/* An object of a released epoch is read. [MEM-3] */
#include "report.h"

static NOINLINE void wrong(const int *p)
{
    if (*p > 7) /* here */
        puts("read");
}

int main(void)
{
    zslab *z = report_open(0, ZSLAB_RECLAIM_DEFAULT);
    zslab_epoch e = zslab_epoch_open(z, "request");
    int *p = (int *)zslab_malloc_epoch(z, 40, e), *other = (int *)zslab_malloc(z, 40);
    MUST(p && other);
    *p = *other = 8;
    MUST(zslab_epoch_release(z, e) == ZSLAB_OK && *other == 8);
    wrong(p);
    return 0;
}
