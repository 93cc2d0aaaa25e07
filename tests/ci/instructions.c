/* For tests/ci/instructions.sh: a free and an allocation, argv[1] times, over a thousand live objects; nothing else
   grows with the argument but the loop. */
#define ZSLAB_STATIC 1
#define ZSLAB_IMPLEMENTATION
#include "zslab.h"
#include <stdlib.h>

int main(int argc, char **argv)
{
    static void *live[1000];
    zslab *z = zslab_create(NULL);
    uint64_t seed = 1;
    long i, pairs = argc > 1 ? strtol(argv[1], NULL, 10) : 0;
    if (!z) return 1;
    for (i = 0; i < 1000; i++)
        if ((live[i] = zslab_malloc(z, 64)) == NULL) return 1;
    for (i = 0; i < pairs; i++) {
        void **at = &live[(seed >> 40) % 1000];
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        zslab_free(z, *at);
        *at = zslab_malloc(z, 64);
    }
    return 0;
}
