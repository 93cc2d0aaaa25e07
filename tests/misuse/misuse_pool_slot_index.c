/* expect: slot index */
/* A queue cell was overwritten with the index behind the last slot. */
#include "misuse_pool.h"

int main(void)
{
    misuse_set_up();
    pool->fresh = 100; /* or the drain would refuse it before */
    pool->r.fixed.states[8] = ZS__POOL_QUEUED;
    pool->r.fixed.cells[0] = 8 + 1;
    pool->r.inbox.tail = 1;
    zslab_pool_drain(pool);
    return misuse_missed();
}
