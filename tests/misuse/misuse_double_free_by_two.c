/* expect: double free */
/* An object freed by its owner after another thread has freed it. */
#include "misuse.h"

static zslab *z;
static void *free_it(void *p)
{
    if (zslab_free(z, p) != ZSLAB_OK) exit(1);
    return NULL;
}

int main(void)
{
    void *p;
    z = misuse_allocator();
    p = zslab_malloc(z, 100);
    test_in_thread(free_it, p);
    zslab_free(z, p);
    return misuse_not_seen();
}
