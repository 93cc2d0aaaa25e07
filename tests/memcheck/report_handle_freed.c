/* asan: use-after-poison */
/* msan: use-of-uninitialized-value */
/* memcheck: Invalid read of size 4 */
/* A pointer got from a handle is read after the handle was freed. */
#include "report.h"

static NOINLINE void wrong(const int *p)
{
    if (*p > 7) /* here */
        puts("read");
}

int main(void)
{
    zslab *z = report_open(0, ZSLAB_RECLAIM_DEFAULT);
    zslab_handle h = zslab_handle_alloc(z, 32, zslab_epoch_current(z), NULL);
    int *p = (int *)zslab_handle_get(z, h);
    MUST(p);
    *p = 8;
    MUST(zslab_handle_free(z, h) == ZSLAB_OK);
    wrong(p);
    return 0;
}
