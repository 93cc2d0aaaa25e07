/* expect: offset overflow */
/* The stride was overwritten: the slots' offsets leave the address space. */
#include "misuse_pool.h"

int main(void)
{
    misuse_set_up();
    zslab_pool_alloc(pool); /* top */
    pool->r.fixed.stride = SIZE_MAX;
    zslab_pool_alloc(pool); /* slot 2, from the list */
    return misuse_missed();
}
