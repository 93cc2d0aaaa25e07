/* expect: foreign pointer */
/* libc's object given to zslab. */
#include "misuse.h"

int main(void)
{
    zslab *z = misuse_allocator();
    void *p = malloc(100);
    zslab_free(z, zslab_malloc(z, 100));
    zslab_free(z, p);
    free(p);
    return misuse_not_seen();
}
