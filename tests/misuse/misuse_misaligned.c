/* expect: misaligned pointer */
/* A pointer to a member instead of the object. */
#include "misuse.h"

int main(void)
{
    zslab *z = misuse_allocator();
    struct {
        int count;
        char name[60];
    } *p = zslab_malloc(z, sizeof *p);
    zslab_free(z, p->name);
    return misuse_not_seen();
}
