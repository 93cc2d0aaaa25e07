/* expect: freed slot in bounds */
/* A slot comes home from where no slot was handed out yet. */
#include "misuse_pool.h"

int main(void)
{
    misuse_set_up();
    pool->fresh = 5;
    zslab_pool_free(pool, slot[6]);
    zslab_pool_free(pool, slot[7]);
    return misuse_missed();
}
