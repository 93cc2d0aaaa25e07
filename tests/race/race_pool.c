/* build: -nodefaultlibs -lc -lgcc */
/* timeout: 600 */
/* A pool's owner and the remotes that give slots back: the queue, its close, the last reference (>>pool). */
#include "race_zslab.h"

#define SLOTS 3
static zslab_pool *pool;
static zslab_remote *remote;
static void *a, *b, *mine;
static uint32_t accepted, closed;

static char *usable_end; /* of the slots that were committed */
static int commit(void *user, void *p, size_t bytes)
{
    (void)user;
    usable_end = (char *)p + bytes;
    return zs__os_commit(NULL, p, bytes);
}

static void create_growing(size_t queue, size_t grow, size_t slot_bytes)
{
    zslab_pool_config config;
    memset(&config, 0, sizeof config);
    config.slot_bytes = slot_bytes;
    config.slot_count = SLOTS;
    config.grow_count = grow;
    config.queue_capacity = queue;
    config.batch_count = 1;
    config.os.reserve = zs__os_reserve, config.os.commit = commit;
    config.os.purge = zs__os_purge, config.os.release = zs__os_release;
    pool = zslab_pool_create(&config);
    il_check(pool != NULL);
    remote = zslab_pool_remote(pool);
    il_check(remote != NULL);
    il_watch(il_arena, IL_ARENA_BYTES);
    a = race_mine(zslab_pool_alloc(pool), 64);
    b = race_mine(zslab_pool_alloc(pool), 64);
    mine = NULL;
    accepted = closed = 0;
}
static void create(size_t queue) { create_growing(queue, 0, 64); }
static void queue_of_one(void) { create(1); }
static void queue_of_two(void) { create(2); }

/* Give a slot back from another thread; a refused one stays ours. */
static void push(void **slot, int wait)
{
    void *p = *slot;
    zslab_result r;
    race_look(p);
    il_disclaim(p);
    r = wait ? zslab_remote_free(remote, p) : zslab_remote_try_free(remote, p);
    if (r == ZSLAB_OK) {
        *slot = NULL;
        return;
    }
    il_check(r == ZSLAB_E_FULL || r == ZSLAB_E_CLOSED);
    il_claim(p, 64);
    race_look(p);
}
static void push_a(void) { push(&a, 0); }
static void push_b(void) { push(&b, 0); }
static void push_a_waiting(void)
{
    push(&a, 1);
    il_check(!a);
}
static void push_b_waiting(void)
{
    push(&b, 1);
    il_check(!b);
}

static void owner_takes(void)
{
    void *p = race_mine(zslab_pool_alloc(pool), 64);
    mine = race_mine(zslab_pool_alloc(pool), 64);
    if (p) {
        race_look(p);
        il_disclaim(p);
        il_check(zslab_pool_free(pool, p) == ZSLAB_OK);
    }
}
/* a and b are out, and all that had memory: what comes is one of them, or the third slot, which gets its memory now. */
static void two_that_grow(void)
{
    create_growing(2, 2, zs__os_page_bytes());
    il_check(usable_end == (char *)b + zs__os_page_bytes());
}
static void owner_grows(void)
{
    mine = race_mine(zslab_pool_alloc(pool), 64);
    il_check(mine && (char *)mine + zs__os_page_bytes() <= usable_end);
}
static void owner_drains_until_both(void)
{
    size_t home = 0;
    while (home < 2) {
        home += zslab_pool_drain(pool);
        if (home < 2) zs__os_yield();
    }
}

/* Every slot comes home; each is there once. [POOL-2] */
static void give_own(void **p)
{
    if (*p) {
        il_disclaim(*p);
        il_check(zslab_pool_free(pool, *p) == ZSLAB_OK);
        *p = NULL;
    }
}
static void finish(void)
{
    void *p[SLOTS];
    int i;
    give_own(&a);
    give_own(&b);
    give_own(&mine);
    zslab_pool_drain(pool);
    for (i = 0; i < SLOTS; i++) {
        p[i] = race_mine(zslab_pool_alloc(pool), 64);
        il_check(p[i] != NULL);
    }
    il_check(zslab_pool_alloc(pool) == NULL);
    zslab_pool_destroy(pool);
    zslab_remote_drop(remote);
}

/* The owner closes while others push; each push is counted by the close or refused. Whoever holds the last
   reference releases the memory, once, after the others' last touch. */
static void owner_closes(void)
{
    zslab_pool_destroy(pool);
    zs__store_rel_u32(&closed, 1);
}
static void push_and_drop(void)
{
    uint32_t late = zs__load_acq_u32(&closed);
    zslab_remote *own = zslab_remote_clone(remote);
    il_check(own != NULL);
    il_check(zslab_remote_try_free(own, a) == ZSLAB_E_CLOSED || !late);
    zslab_remote_drop(own);
}
static void push_b_and_drop_shared(void)
{
    il_check(zslab_remote_free(remote, b) != ZSLAB_E_FULL);
    zslab_remote_drop(remote);
}
static void closed_setup(void)
{
    create(1);
    il_disclaim(a);
    il_disclaim(b);
}
static void closed_finish(void)
{
    if (!il_released(pool)) zslab_remote_drop(remote);
    il_check(il_released(pool));
}
static void all_gone(void) { il_check(il_released(pool)); }

/* Two threads free one slot: one of them did. */
static void push_same(void)
{
    zslab_result r = zslab_remote_try_free(remote, a);
    il_check(r == ZSLAB_OK || r == ZSLAB_E_DOUBLE_FREE || r == ZSLAB_E_FULL);
    if (r == ZSLAB_OK) zs__add_u32(&accepted, 1);
}
static void same_setup(void)
{
    create(2);
    il_disclaim(a);
}
static void same_finish(void)
{
    il_check(accepted == 1);
    a = NULL;
    finish();
}

static const il_scenario scenarios[] = {
    {"push_vs_drain", queue_of_two, {owner_takes, push_a, push_b}, finish},
    {"full_queue", queue_of_one, {owner_takes, push_a, push_b}, finish},
    {"waiting_pushes", queue_of_one, {owner_drains_until_both, push_a_waiting, push_b_waiting}, finish},
    {"push_vs_growth", two_that_grow, {owner_grows, push_a, push_b}, finish},
    {"push_vs_close", closed_setup, {owner_closes, push_and_drop}, closed_finish},
    {"close_vs_last_drop", closed_setup, {owner_closes, push_b_and_drop_shared}, all_gone},
    {"same_slot_twice", same_setup, {push_same, push_same}, same_finish},
};

static const il_plant plants[] = {
    /* [POOL-3] */
    {"cell_relaxed", "push_vs_drain", "zs__pool_push", IL_STORE, "cells", 0, IL_RELAX, 0},
    {"cell_read_relaxed", "push_vs_drain", "zs__pool_drain_now", IL_LOAD, "cell", 0, IL_RELAX, 0},
    {"cell_not_emptied", "full_queue", "zs__pool_drain_now", IL_STORE, "cell", 0, IL_DROP, 0},
    {"head_relaxed", "full_queue", "zs__pool_drain_now", IL_STORE, "head", 0, IL_RELAX, 0},
    /* [POOL-7] */
    {"growth_forgotten", "push_vs_growth", "zs__pool_grow", IL_STORE, "grown", 0, IL_DROP, 0},
    /* [POOL-5] */
    {"close_unseen", "push_vs_close", "zslab_pool_destroy", IL_RMW, "tail", 0, IL_DROP, 0},
};

int main(int argc, char **argv)
{
    return il_main(argc, argv, scenarios, (int)(sizeof scenarios / sizeof *scenarios), plants,
                   (int)(sizeof plants / sizeof *plants));
}
