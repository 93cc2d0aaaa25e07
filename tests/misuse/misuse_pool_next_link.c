/* expect: next link */
/* A free slot was written to through a dangling pointer. */
#include "misuse_pool.h"

int main(void)
{
    misuse_set_up();
    zs__mem_show(slot[1], 64); /* a memory checker would name this line; here the pool is to find it */
    memset(slot[1], 0x41, 64);
    zslab_pool_alloc(pool); /* top */
    zslab_pool_alloc(pool); /* slot 2, whose link is whole */
    zslab_pool_alloc(pool); /* slot 1 */
    return misuse_missed();
}
