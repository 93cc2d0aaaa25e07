/* build: -nodefaultlibs -lc -lgcc */
/* timeout: 600 */
/* Freeing an epoch's objects at once: rounds, stale pointers, hints of dead epochs, pages purged while their
   chunks are bound again (>>epoch, >>remote). */
#include "race_zslab.h"

#define CHUNKS 4
static void *a, *b, *c, *stale;
static zslab_epoch e;
static uint32_t released;

static void remember_two(void)
{
    a = race_take_in(SMALL, e);
    b = race_take_in(SMALL, e);
    stale = b;
}

static void open_epoch(zslab_reclaim reclaim)
{
    a = b = c = stale = NULL;
    released = 0;
    race_create(CHUNKS, reclaim, 0);
    e = zslab_epoch_open(z, NULL);
    il_check(e != ZSLAB_EPOCH_NONE);
    il_as(0, remember_two);
    race_lost(a);
    race_lost(b);
}

static void latency(void) { open_epoch(ZSLAB_RECLAIM_LATENCY); }
static void rss(void) { open_epoch(ZSLAB_RECLAIM_RSS); }
static void refused(void)
{
    il_refuse_fence(1);
    open_epoch(ZSLAB_RECLAIM_RSS);
}

static void finish(void)
{
    race_give(c);
    zslab_epoch_release(z, e);
    il_check(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSED);
    race_all_home(CHUNKS, SMALL);
}

static void gather_a(void) { il_check(zslab_free(z, a) == ZSLAB_OK); }
static void gathered(void)
{
    latency();
    il_as(1, gather_a);
}
static void gathered_rss(void)
{
    rss();
    il_as(1, gather_a);
}

/* The hint of a dead round arrives while the slots serve again: only states bring slots home. [HINT-1] */
static void reset_and_take(void)
{
    void *p, *q;
    il_check(zslab_epoch_reset(z, e) == ZSLAB_OK);
    p = race_take_in(SMALL, e);
    q = race_take_in(SMALL, e);
    c = race_take(SMALL);
    race_give(p);
    race_give(q);
}
static void leave(void) { zslab_thread_detach(z); }

/* A stale pointer is refused, and frees nobody's object, also while its chunk becomes another class's. [STAMP-1] */
static void release_and_reuse(void)
{
    void *p, *q;
    il_check(zslab_epoch_release(z, e) == ZSLAB_OK);
    zs__store_rel_u32(&released, 1);
    zslab_trim(z); /* its chunk goes to the pool */
    p = race_take(LARGE);
    q = race_take(LARGE);
    race_give(p);
    race_give(q);
}
/* The same class again; the stale slot itself is not handed out a second time. */
static void release_and_bind(void)
{
    zslab_epoch next;
    void *p;
    il_check(zslab_epoch_release(z, e) == ZSLAB_OK);
    zs__store_rel_u32(&released, 1);
    next = zslab_epoch_open(z, NULL);
    p = race_take_in(SMALL, next);
    il_check(p != stale);
    race_give(p);
    il_check(zslab_epoch_release(z, next) == ZSLAB_OK);
}
static void stale_free(void)
{
    if (zs__load_acq_u32(&released)) {
        zslab_result r = zslab_free(z, stale);
        il_check(r == ZSLAB_E_STALE || r == ZSLAB_E_MISALIGNED || r == ZSLAB_E_DOUBLE_FREE);
    }
}

/* Freed before, and freed again while its chunk, of an epoch that goes on, becomes another class's. */
static void remember_freed(void)
{
    void *p = race_take(SMALL);
    stale = race_take(SMALL);
    race_give(p);
    race_give(stale);
}
static void freed(void)
{
    latency();
    released = 1;
    il_as(0, remember_freed);
}
static void reuse_large(void)
{
    void *p, *q;
    zslab_trim(z);
    p = race_take(LARGE);
    q = race_take(LARGE);
    race_give(p);
    race_give(q);
}

/* The inbox holds slabs of an epoch that another thread releases meanwhile. */
static void give_and_release(void)
{
    il_check(zslab_free(z, a) == ZSLAB_OK);
    zslab_thread_detach(z);
    il_check(zslab_epoch_release(z, e) == ZSLAB_OK);
}
static void take_elsewhere(void)
{
    c = race_take(SMALL);
    race_give(race_take(LARGE));
}

/* Pages of a released epoch are purged, by who released it or by a trim, while their owner binds the chunks
   again. [EPOCH-5] */
static void release(void) { il_check(zslab_epoch_release(z, e) == ZSLAB_OK); }
static void take_in_next(void)
{
    zslab_epoch next = zslab_epoch_open(z, NULL);
    void *p = race_take_in(SMALL, next);
    il_check(p != NULL);
    race_look(p);
    race_give(p);
    il_check(zslab_epoch_release(z, next) == ZSLAB_OK);
}
static void trim(void) { zslab_trim(z); }
static void latency_released(void)
{
    latency();
    release();
}
static void rss_released(void)
{
    rss();
    release();
}

/* An object made while its epoch is reset is gone with it, or belongs to the new round. */
static void reset(void) { il_check(zslab_epoch_reset(z, e) == ZSLAB_OK); }
static void take_and_free(void)
{
    void *p = zslab_malloc_epoch(z, SMALL, e);
    zslab_result r = p ? zslab_free(z, p) : ZSLAB_OK;
    il_check(r == ZSLAB_OK || r == ZSLAB_E_STALE);
}

static const il_scenario scenarios[] = {
    {"reset_vs_gathered", gathered, {reset_and_take, leave}, finish},
    {"reset_vs_gathered_rss", gathered_rss, {reset_and_take, leave}, finish},
    {"release_vs_stale_free", latency, {release_and_reuse, stale_free}, finish},
    {"release_vs_stale_free_rss", rss, {release_and_reuse, stale_free}, finish},
    {"binding_vs_stale_free", latency, {release_and_bind, stale_free}, finish},
    {"reuse_vs_double_free", freed, {reuse_large, stale_free}, finish},
    {"release_vs_fold", latency, {take_elsewhere, give_and_release}, finish},
    {"purge_vs_rebind", rss, {take_in_next, release}, finish},
    {"refused_purge_vs_rebind", refused, {take_in_next, release}, finish},
    {"trim_vs_rebind", latency_released, {take_in_next, trim}, finish},
    {"trim_vs_rebind_rss", rss_released, {take_in_next, trim}, finish},
    {"reset_vs_alloc", latency, {take_and_free, reset}, finish},
    {"reset_vs_alloc_rss", rss, {take_and_free, reset}, finish},
};

static const il_plant plants[] = {
    /* [EPOCH-4] */
    {"claim_not_read", "purge_vs_rebind", "", IL_LOAD, "purging", 0, IL_LIE, 0},
};

int main(int argc, char **argv)
{
    return il_main(argc, argv, scenarios, (int)(sizeof scenarios / sizeof *scenarios), plants,
                   (int)(sizeof plants / sizeof *plants));
}
