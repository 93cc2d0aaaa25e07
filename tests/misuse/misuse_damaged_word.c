/* expect: corrupt */
/* A live object's slot also marked as home: zslab_check says so. [WORD-1] */
#include "misuse.h"

int main(void)
{
    zslab *z = misuse_allocator();
    char *p = zslab_malloc(z, 100);
    zs__chunk *c = &z->chunks[(size_t)(p - z->base) / ZS__CHUNK_BYTES];
    size_t slot = (size_t)(p - z->base) % ZS__CHUNK_BYTES / zslab_usable_size(z, p);
    uint64_t *word = z->words + (((uint8_t *)c->states - z->states) >> 6) + (slot >> 6);
    if (zslab_check(z, NULL, NULL) != ZSLAB_OK) return 1;
    *word |= (uint64_t)1 << (slot & 63);
    zslab_check(z, NULL, NULL);
    return misuse_not_seen();
}
