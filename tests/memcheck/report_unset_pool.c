/* msan: use-of-uninitialized-value */
/* memcheck: Conditional jump or move depends on uninitialised value(s) */
/* A pool's slot that serves again is read, where its link was. */
#include "report.h"

static NOINLINE void wrong(const int *p)
{
    if (*p > 7) /* here */
        puts("read");
}

int main(void)
{
    zslab_pool *pool = zslab_pool_create(NULL);
    int *p = (int *)zslab_pool_alloc(pool), *second = (int *)zslab_pool_alloc(pool);
    MUST(zslab_pool_free(pool, p) == ZSLAB_OK && zslab_pool_free(pool, second) == ZSLAB_OK);
    MUST((int *)zslab_pool_alloc(pool) == second && (int *)zslab_pool_alloc(pool) == p);
    wrong(p);
    return 0;
}
