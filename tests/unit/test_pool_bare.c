/* A pool without an operating system: everything lives in a static buffer. */
#define ZSLAB_NO_OS 1
#define ZSLAB_IMPLEMENTATION
#include "zslab.h"
#include "tests/lib/pool_check.h"

static char memory[16384];

int main(void)
{
    zslab_pool_config c = pool_config(100, 50);
    zslab_pool *p;
    zslab_remote *r;
    void *slot[50];
    size_t i;
    CHECK(zslab_pool_create(&c) == NULL);
    CHECK_EQ(zslab_last_error(), ZSLAB_E_NOMEM);
    c.queue_capacity = 10;
    CHECK(zslab_pool_bytes(&c) <= sizeof memory);
    c.memory = memory;
    c.memory_bytes = sizeof memory;
    p = pool_make(&c);
    r = zslab_pool_remote(p);
    pool_take(p, slot, 50);
    CHECK(zslab_pool_alloc(p) == NULL);
    for (i = 0; i < 10; i++) CHECK_EQ(zslab_remote_free(r, slot[i]), ZSLAB_OK);
    CHECK_EQ(zslab_remote_try_free(r, slot[10]), ZSLAB_E_FULL);
    CHECK_EQ(zslab_pool_free(p, slot[11]), ZSLAB_OK);
    CHECK_EQ(pool_stats(p).queued, 0);
    for (i = 0; i < 11; i++) CHECK(zslab_pool_alloc(p) != NULL);
    CHECK(zslab_pool_alloc(p) == NULL);
    CHECK_EQ(pool_stats(p).corruption_events, 0);
    zslab_pool_destroy(p);
    CHECK_EQ(zslab_remote_try_free(r, slot[20]), ZSLAB_E_CLOSED);
    zslab_remote_drop(r);
    puts("a pool in a buffer: as any other");
    return 0;
}
