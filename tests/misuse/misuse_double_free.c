/* expect: double free */
/* An object freed twice. */
#include "misuse.h"

int main(void)
{
    zslab *z = misuse_allocator();
    void *p = zslab_malloc(z, 100);
    zslab_free(z, p);
    zslab_free(z, p);
    return misuse_not_seen();
}
