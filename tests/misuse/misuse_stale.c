/* expect: stale */
/* An object freed after its epoch was released. */
#include "misuse.h"

int main(void)
{
    zslab *z = misuse_allocator();
    zslab_epoch e = zslab_epoch_open(z, "request");
    void *p = zslab_malloc_epoch(z, 100, e);
    zslab_epoch_release(z, e);
    zslab_free(z, p);
    return misuse_not_seen();
}
