/* asan: use-after-poison */
/* memcheck: Invalid write of size 4 */
/* A write runs over the end of an object, into a slot that is free. */
#include "report.h"

static NOINLINE void wrong(int *p) { *p = 7; /* here */ }

int main(void)
{
    zslab *z = report_open(0, ZSLAB_RECLAIM_DEFAULT);
    char *p[8];
    int i;
    for (i = 0; i < 8; i++) MUST((p[i] = (char *)zslab_malloc(z, 48)) != NULL);
    for (i = 1; i < 8 && p[i] != p[0] + 48; i++)
        ;
    MUST(i < 8 && zslab_free(z, p[i]) == ZSLAB_OK);
    memset(p[0], 1, zslab_usable_size(z, p[0]));
    wrong((int *)(void *)(p[0] + 48));
    return 0;
}
