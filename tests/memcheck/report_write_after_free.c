/* asan: use-after-poison */
/* memcheck: Invalid write of size 4 */
/* An object is written to after it was freed, the last bytes of its slot. */
#include "report.h"

static NOINLINE void wrong(int *p) { *p = 7; /* here */ }

int main(void)
{
    zslab *z = report_open(0, ZSLAB_RECLAIM_DEFAULT);
    int *p = (int *)zslab_malloc(z, 64);
    MUST(p && zslab_free_sized(z, p, 64) == ZSLAB_OK);
    wrong(p + 15);
    return 0;
}
