/* expect: offset in capacity */
/* The stride was overwritten: a slot would end behind the last one. */
#include "misuse_pool.h"

int main(void)
{
    misuse_set_up();
    pool->r.fixed.stride = 400;
    zslab_pool_alloc(pool); /* top */
    zslab_pool_alloc(pool); /* slot 2, from the list */
    return misuse_missed();
}
