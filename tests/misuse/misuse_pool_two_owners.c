/* expect: one owner at a time */
/* While one thread is in the owner's call (held there by the fallback), another comes. */
#include "misuse_pool.h"
#include <pthread.h>

static void *other_owner(void *arg)
{
    zslab_pool_free(pool, slot[0]);
    return arg;
}

static void *hold(void *user, size_t bytes, size_t alignment)
{
    pthread_t thread;
    (void)user, (void)bytes, (void)alignment;
    if (pthread_create(&thread, NULL, other_owner, NULL) == 0) pthread_join(thread, NULL);
    return NULL;
}

static void drop(void *user, void *p) { (void)user, (void)p; }

int main(void)
{
    zslab_pool_config c;
    memset(&c, 0, sizeof c);
    c.slot_count = 1;
    c.fallback.alloc = hold;
    c.fallback.free = drop;
    pool = zslab_pool_create(&c);
    if (!pool || !(slot[0] = zslab_pool_alloc(pool))) return 2;
    zslab_pool_alloc(pool);
    return misuse_missed();
}
