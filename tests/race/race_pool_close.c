/* build: -nodefaultlibs -lc -lgcc */
/* A pool in the caller's memory: what the close counts and what it refuses, waiters it finds, pushes against
   an owner that frees, references that go in any order (>>pool). In race_pool.c the memory is the system's. */
#define ZSLAB_ASSERT(x) il_check(x)
#define ZSLAB_STATIC 1
#define ZSLAB_IMPLEMENTATION
#include "tests/lib/interleave.h"
#include "zslab.h"

enum { SLOTS = 3 };

static _Alignas(128) char memory[4096];
static zslab_pool *pool;
static zslab_remote *remote;
static void *slot[SLOTS];
static uint32_t accepted, refused; /* frees, as the threads were answered */

static uint64_t value(const void *p) { return (uint64_t)(uintptr_t)p ^ 0x5a5a; }

/* A slot just allocated: nobody else's. Its second word is written, the first is the free list's. */
static void *mine(void *p)
{
    if (p) {
        il_claim(p, 64);
        il_write((char *)p + 8, value(p));
    }
    return p;
}

static void *take(void) { return mine(zslab_pool_alloc(pool)); }

static void look(const void *p) { il_check(il_read((const char *)p + 8) == value(p)); }

/* Slots all taken, by thread 0; the queue has so many places, and the owner drains at the first. */
static void set_up(size_t queue, size_t pushed)
{
    zslab_pool_config c;
    size_t i;
    memset(&c, 0, sizeof c);
    memset(memory, 0, sizeof memory);
    accepted = refused = 0;
    c.slot_bytes = 64;
    c.slot_count = SLOTS;
    c.memory = memory;
    c.memory_bytes = sizeof memory;
    c.queue_capacity = queue;
    c.batch_count = 1;
    pool = zslab_pool_create(&c);
    il_check(pool != NULL);
    il_watch(memory, sizeof memory);
    remote = zslab_pool_remote(pool);
    for (i = 0; i < SLOTS; i++) slot[i] = take();
    for (i = 0; i < pushed; i++) {
        look(slot[i]);
        il_disclaim(slot[i]);
        il_check(zslab_remote_try_free(remote, slot[i]) == ZSLAB_OK);
    }
}
static void one_place(void) { set_up(1, 0); }
static void two_places(void) { set_up(2, 0); }
static void one_place_full(void) { set_up(1, 1); }

static void give(void *p, int wait)
{
    zslab_result r;
    look(p);
    il_disclaim(p);
    r = wait ? zslab_remote_free(remote, p) : zslab_remote_try_free(remote, p);
    if (r == ZSLAB_OK) {
        zs__add_u32(&accepted, 1);
        return;
    }
    il_check(r == ZSLAB_E_CLOSED || (r == ZSLAB_E_FULL && !wait));
    zs__add_u32(&refused, 1);
    il_claim(p, 64); /* still its caller's */
    look(p);
}

static void give_0(void) { give(slot[0], 0); }
static void give_1(void) { give(slot[1], 0); }
static void give_both(void)
{
    give(slot[0], 0);
    give(slot[1], 0);
}
static void wait_1(void) { give(slot[1], 1); }
static void wait_2(void) { give(slot[2], 1); }

static void owner_drains_twice(void)
{
    zslab_pool_drain(pool);
    zslab_pool_drain(pool);
}
static void owner_frees_and_takes(void)
{
    look(slot[2]);
    il_disclaim(slot[2]);
    il_check(zslab_pool_free(pool, slot[2]) == ZSLAB_OK);
    il_check(take() != NULL);
}
static void owner_destroys(void) { zslab_pool_destroy(pool); }

/* Every slot is held by somebody, refused ones included, or comes out of the pool once. */
static void all_there(void)
{
    zslab_pool_stats s;
    size_t live, out = 0;
    zslab_stats_pool(pool, &s);
    zslab_pool_drain(pool);
    zslab_stats_pool(pool, &s);
    il_check(s.queued == 0 && s.corruption_events == 0);
    live = s.live;
    while (take()) out++;
    il_check(live + out == SLOTS);
    zslab_pool_destroy(pool);
    zslab_remote_drop(remote);
}

/* The pool is gone: tail counts the accepted pushes and no other; a refused slot is LIVE. [POOL-1] */
static void all_counted(void)
{
    const uint64_t tail = zs__load_u64(&remote->inbox.tail);
    size_t i, live = 0;
    il_check(tail == (ZS__POOL_CLOSED | accepted));
    for (i = 0; i < SLOTS; i++) live += zs__load_u8(&remote->fixed.states[i]) == ZS__POOL_LIVE;
    il_check(live == SLOTS - accepted);
    zslab_remote_drop(remote);
    il_check(zs__load_u32(&remote->inbox.refs) == 0);
}

/* One was queued before the start. */
static void all_counted_and_one(void)
{
    accepted++;
    all_counted();
}

/* Two threads free one slot: one is told it did. */
static void give_same(void)
{
    zslab_result r = zslab_remote_try_free(remote, slot[0]);
    il_check(r == ZSLAB_OK || r == ZSLAB_E_DOUBLE_FREE);
    if (r == ZSLAB_OK) zs__add_u32(&accepted, 1);
}
static void same_slot(void)
{
    set_up(2, 0);
    il_disclaim(slot[0]);
}
static void one_won(void)
{
    il_check(accepted == 1);
    all_there();
}

/* References go in any order, the owner's among them. [POOL-6] */
static void clone_and_drop(void)
{
    zslab_remote *r = zslab_remote_clone(remote);
    zslab_remote_drop(remote);
    zslab_remote_drop(r);
}
static void with_another(void)
{
    set_up(2, 0);
    zslab_remote_clone(remote);
}
static void no_reference(void) { il_check(zs__load_u32(&remote->inbox.refs) == 0); }

static const il_scenario scenarios[] = {
    {"push_vs_owner_free", one_place, {owner_frees_and_takes, give_both}, all_there},
    {"push_vs_push", one_place, {owner_drains_twice, give_0, give_1}, all_there},
    {"push_vs_close", two_places, {owner_destroys, give_0, give_1}, all_counted},
    {"wait_vs_close", one_place_full, {owner_destroys, wait_1, wait_2}, all_counted_and_one},
    {"free_twice", same_slot, {owner_drains_twice, give_same, give_same}, one_won},
    {"references", with_another, {owner_destroys, clone_and_drop, clone_and_drop}, no_reference},
};

static const il_plant plants[] = {
    /* [POOL-3] */
    {"room_before_empty", "push_vs_owner_free", "zs__pool_drain_now", IL_STORE, "head", 0, IL_RELAX, 0},
    {"place_not_taken", "push_vs_push", "zs__pool_push", IL_CAS, "tail", 0, IL_LIE, 1},
    /* [POOL-5] */
    {"close_forgotten", "push_vs_close", "zslab_pool_destroy", IL_RMW, "tail", 0, IL_DROP, 0},
    /* [POOL-4] */
    {"two_winners", "free_twice", "zs__pool_remote_free", IL_CAS, "states", 0, IL_LIE, 1},
};

int main(int argc, char **argv)
{
    return il_main(argc, argv, scenarios, (int)(sizeof scenarios / sizeof *scenarios), plants,
                   (int)(sizeof plants / sizeof *plants));
}
