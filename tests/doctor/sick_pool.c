/* A pool of sessions with room for a hundred of a thousand: the rest comes from the fallback. */
/* cause: pool too small */
#include "sick.h"

static void *spare(void *user, size_t bytes, size_t alignment)
{
    (void)user, (void)alignment;
    return malloc(bytes);
}

static void spare_free(void *user, void *p)
{
    (void)user;
    free(p);
}

static void sessions(zslab *z, int sick)
{
    static void *p[1000];
    zslab_pool_config config = {0};
    zslab_pool *pool;
    size_t round, i;
    (void)z;
    config.label = "sessions", config.slot_bytes = 200, config.slot_count = sick ? 100 : 1000;
    config.fallback.alloc = spare, config.fallback.free = spare_free;
    SICK_MUST((pool = zslab_pool_create(&config)) != NULL); /* never destroyed: it is in the snapshot */
    for (round = 0; round < 10; round++) {
        for (i = 0; i < 1000; i++) SICK_MUST((p[i] = zslab_pool_alloc(pool)) != NULL);
        for (i = 0; i < 1000; i++) SICK_MUST(zslab_pool_free(pool, p[i]) == ZSLAB_OK);
    }
}

int main(int argc, char **argv) { return sick_main(argc, argv, NULL, sessions); }
