/* expect: list head */
/* The list's head was overwritten. */
#include "misuse_pool.h"

int main(void)
{
    misuse_set_up();
    pool->head = 1000;
    zslab_pool_alloc(pool); /* top */
    zslab_pool_alloc(pool);
    return misuse_missed();
}
