/* What the compiler makes of the inlined fast paths: `make asm` disassembles these. */
#define ZSLAB_INLINE 1
#include "zslab.h"

void *fast_malloc_64(zslab *z);
void *fast_malloc(zslab *z, size_t size);
zslab_result fast_free(zslab *z, void *p);

void *fast_malloc_64(zslab *z) { return zslab_malloc(z, 64); }

void *fast_malloc(zslab *z, size_t size) { return zslab_malloc(z, size); }

zslab_result fast_free(zslab *z, void *p) { return zslab_free(z, p); }
