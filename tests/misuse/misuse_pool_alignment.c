/* expect: alignment */
/* The newest free slot's address was overwritten: it points into a slot. */
#include "misuse_pool.h"

int main(void)
{
    misuse_set_up();
    pool->top += 8;
    zslab_pool_free(pool, slot[5]);
    return misuse_missed();
}
