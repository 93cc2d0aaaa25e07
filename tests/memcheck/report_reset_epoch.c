/* asan: use-after-poison */
/* memcheck: Invalid write of size 4 */
/* An object of the round before a reset is written to, while the epoch has new objects. [MEM-3] */
#include "report.h"

static NOINLINE void wrong(int *p) { *p = 7; /* here */ }

int main(void)
{
    zslab *z = report_open(0, ZSLAB_RECLAIM_DEFAULT);
    zslab_epoch e = zslab_epoch_open(z, "frame");
    int *first = (int *)zslab_malloc_epoch(z, 64, e), *old = (int *)zslab_malloc_epoch(z, 64, e), *now;
    MUST(first && old && zslab_epoch_reset(z, e) == ZSLAB_OK);
    MUST((now = (int *)zslab_malloc_epoch(z, 64, e)) != NULL && now != old);
    *now = 1;
    wrong(old);
    return 0;
}
