/* asan: use-after-poison */
/* msan: use-of-uninitialized-value */
/* memcheck: Invalid read of size 4 */
/* A pool's slot is read after a remote gave it back, before the owner takes it home. */
#include "report.h"

static NOINLINE void wrong(const int *p)
{
    if (*p > 7) /* here */
        puts("read");
}

int main(void)
{
    zslab_pool *pool = zslab_pool_create(NULL);
    zslab_remote *remote = zslab_pool_remote(pool);
    int *p = (int *)zslab_pool_alloc(pool);
    MUST(p && remote);
    *p = 8;
    MUST(zslab_remote_free(remote, p) == ZSLAB_OK);
    wrong(p);
    return 0;
}
