/* asan: use-after-poison */
/* msan: use-of-uninitialized-value */
/* memcheck: Invalid read of size 4 */
/* Another thread freed the object. [MEM-2] */
#include "report.h"

static NOINLINE void wrong(const int *p)
{
    if (*p > 7) /* here */
        puts("read");
}

static zslab *z;

static void *other(void *p)
{
    MUST(zslab_free(z, p) == ZSLAB_OK);
    return NULL;
}

int main(void)
{
    pthread_t thread;
    int *p;
    z = report_open(0, ZSLAB_RECLAIM_DEFAULT);
    MUST((p = (int *)zslab_calloc(z, 10, sizeof *p)) != NULL);
    MUST(pthread_create(&thread, NULL, other, p) == 0 && pthread_join(thread, NULL) == 0);
    wrong(p);
    return 0;
}
