/* expect: invalid argument */
/* A sized free with the size of another class. */
#include "misuse.h"

int main(void)
{
    zslab *z = misuse_allocator();
    zslab_free_sized(z, zslab_malloc(z, 100), 200);
    return misuse_not_seen();
}
