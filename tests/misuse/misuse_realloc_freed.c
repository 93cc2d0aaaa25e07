/* expect: double free */
/* A freed object made larger. */
#include "misuse.h"

int main(void)
{
    zslab *z = misuse_allocator();
    void *p = zslab_malloc(z, 100);
    zslab_free(z, p);
    zslab_realloc(z, p, 1000);
    return misuse_not_seen();
}
