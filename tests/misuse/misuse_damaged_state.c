/* expect: corrupt */
/* A wild write into the allocator's own states, found by zslab_check. [STATE-1] */
#include "misuse.h"

int main(void)
{
    zslab *z = misuse_allocator();
    char *p = zslab_malloc(z, 100);
    zs__chunk *c = &z->chunks[(size_t)(p - z->base) / ZS__CHUNK_BYTES];
    size_t slot = (size_t)(p - z->base) % ZS__CHUNK_BYTES / zslab_usable_size(z, p);
    if (zslab_check(z, NULL, NULL) != ZSLAB_OK) return 1;
    ((uint8_t *)c->states)[slot] = 0xee;
    zslab_check(z, NULL, NULL);
    return misuse_not_seen();
}
