/* asan: use-after-poison */
/* msan: use-of-uninitialized-value */
/* memcheck: Invalid read of size 4 */
/* A pool's slot is read after it was freed, where the pool keeps its link. */
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
    MUST(p && second);
    *p = *second = 8;
    MUST(zslab_pool_free(pool, p) == ZSLAB_OK && zslab_pool_free(pool, second) == ZSLAB_OK);
    wrong(p);
    return 0;
}
