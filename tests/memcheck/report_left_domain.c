/* asan: use-after-poison */
/* msan: use-of-uninitialized-value */
/* memcheck: Invalid read of size 4 */
/* An object is read after the last exit of its domain, under the RSS policy. */
#include "report.h"

static NOINLINE void wrong(const int *p)
{
    if (*p > 7) /* here */
        puts("read");
}

int main(void)
{
    zslab *z = report_open(0, ZSLAB_RECLAIM_RSS);
    zslab_domain *d;
    int *p;
    MUST((d = zslab_domain_create(z)) != NULL && zslab_domain_enter(d) == ZSLAB_OK);
    MUST((p = (int *)zslab_calloc(z, 1, 200)) != NULL && zslab_domain_exit(d) == ZSLAB_OK);
    wrong(p);
    return 0;
}
