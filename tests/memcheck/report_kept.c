/* asan: nothing */
/* memcheck: nothing */
/* At exit an object of zslab and one of a pool are all that points to blocks of malloc: those have not leaked. */
#include "report.h"

static void **object, **slot;

int main(void)
{
    zslab *z = report_open(0, ZSLAB_RECLAIM_DEFAULT);
    object = (void **)zslab_malloc(z, 64);
    slot = (void **)zslab_pool_alloc(zslab_pool_create(NULL));
    MUST(object && slot);
    object[3] = malloc(1000);
    slot[7] = malloc(1000);
    MUST(object[3] && slot[7]);
    return 0;
}
