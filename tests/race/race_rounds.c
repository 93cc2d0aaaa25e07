/* build: -nodefaultlibs -lc -lgcc */
/* timeout: 600 */
/* Rounds and endings: first allocations and renewed rows against resets, questions about an epoch against stores that
   nobody has acknowledged, resets and closes beside allocations in shared mode (>>epoch, >>row). */
#include "race_zslab.h"

#define CHUNKS 4
static void *kept;
static zslab_epoch e;
static uint32_t said_closed;

static void open_epoch(zslab_reclaim reclaim, uint32_t flags)
{
    kept = NULL;
    said_closed = 0;
    race_create(CHUNKS, reclaim, flags);
    e = zslab_epoch_open(z, NULL);
    il_check(e != ZSLAB_EPOCH_NONE);
}
static void latency(void) { open_epoch(ZSLAB_RECLAIM_LATENCY, 0); }
static void rss(void) { open_epoch(ZSLAB_RECLAIM_RSS, 0); }
static void shared_rss(void) { open_epoch(ZSLAB_RECLAIM_RSS, ZSLAB_FLAG_SHARED); }

static void use(void) { race_give(race_take_in(SMALL, e)); }
static void latency_used(void)
{
    latency();
    il_as(0, use);
}
static void rss_used(void)
{
    rss();
    il_as(0, use);
}

static void reset(void)
{
    zslab_result r = zslab_epoch_reset(z, e);
    il_check(r == ZSLAB_OK || r == ZSLAB_E_CLOSED);
}
static void close_it(void) { il_check(zslab_epoch_close(z, e) == ZSLAB_OK); }

/* May go with a reset beside it. */
static void take_some(void)
{
    void *p = zslab_malloc_epoch(z, SMALL, e);
    zslab_result r = p ? zslab_free(z, p) : ZSLAB_OK;
    il_check(r == ZSLAB_OK || r == ZSLAB_E_STALE);
}

/* The resets are over: what the same thread makes now is of the round that lives. */
static void make_one(void)
{
    zslab_handle h = zslab_handle_alloc(z, SMALL, e, NULL);
    void *p = race_take_in(SMALL, e);
    il_check(p && zslab_epoch_of(z, p) == e && h && zslab_handle_get(z, h));
    zslab_trim(z); /* purges rounds that are past */
    race_give(p);
    il_check(zslab_handle_free(z, h) == ZSLAB_OK);
}
static void finish_open(void)
{
    il_as(0, make_one);
    il_check(zslab_epoch_close(z, e) == ZSLAB_OK);
    il_check(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSED);
    zslab_destroy(z);
}

/* CLOSED is said of an epoch where nothing lives, whatever its owner has in its store buffer. */
static void keep_one(void) { kept = zslab_malloc_epoch(z, SMALL, e); }
static void close_and_ask(void)
{
    close_it();
    said_closed = zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSED;
}
static void ask_by_opening(void) /* the last places are taken: the closing one serves only when it is empty */
{
    close_it();
    while (zslab_epoch_open(z, NULL) != ZSLAB_EPOCH_NONE)
        ;
    said_closed = zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSED;
}
static void finish_said(void)
{
    il_check(!(said_closed && kept));
    if (kept) il_check(zslab_free(z, kept) == ZSLAB_OK);
    il_check(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSED);
    zslab_destroy(z);
}

/* In any order: the epoch is over, without an object. */
static void finish_ended(void)
{
    il_check(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSED);
    race_all_home(CHUNKS, SMALL);
}
static void take_or_not(void)
{
    void *p = zslab_malloc_epoch(z, SMALL, e);
    if (p) {
        zslab_result r = zslab_free(z, p); /* beside a reset: its object, or nobody's */
        il_check(r == ZSLAB_OK || r == ZSLAB_E_STALE || r == ZSLAB_E_DOUBLE_FREE);
    } else {
        il_check(zslab_last_error() == ZSLAB_E_CLOSED);
    }
}

/* Two slabs a chunk: both are looked at before a chunk counts as empty. */
static void two_slabs(void)
{
    static const uint32_t classes[] = {32};
    zslab_config config;
    kept = NULL;
    said_closed = 0;
    memset(&config, 0, sizeof config);
    config.reserve_bytes = CHUNKS * CHUNK;
    config.class_bytes = classes;
    config.class_count = 1;
    config.epoch_count = 4;
    config.reclaim = ZSLAB_RECLAIM_RSS;
    config.cache_bytes = ZSLAB_CACHE_NONE;
    z = zslab_create(&config);
    il_check(z != NULL);
    il_watch(il_arena, IL_ARENA_BYTES);
    e = zslab_epoch_open(z, NULL);
}
static void *many[70];
static void fill(void)
{
    int i;
    for (i = 0; i < 70; i++) il_check((many[i] = zslab_malloc_epoch(z, 32, e)) != NULL);
    for (i = 1; i < 69; i++) il_check(zslab_free(z, many[i]) == ZSLAB_OK);
}
static void two_slabs_filled(void)
{
    two_slabs();
    il_as(0, fill);
}
static void free_first(void) { il_check(zslab_free(z, many[0]) == ZSLAB_OK); }
static void free_last(void) { il_check(zslab_free(z, many[69]) == ZSLAB_OK); }
static void finish_slabs(void)
{
    il_check(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSED);
    zslab_destroy(z);
}

static const il_scenario scenarios[] = {
    {"first_attach_vs_reset", latency, {take_some, reset}, finish_open},
    {"first_attach_vs_reset_rss", rss, {take_some, reset}, finish_open},
    {"renew_vs_two_resets", latency_used, {take_some, reset, reset}, finish_open},
    {"renew_vs_two_resets_rss", rss_used, {take_some, reset, reset}, finish_open},
    {"ask_vs_store", latency_used, {keep_one, close_and_ask}, finish_said},
    {"ask_vs_first_store", latency, {keep_one, close_and_ask}, finish_said},
    {"open_vs_store", latency_used, {keep_one, ask_by_opening}, finish_said},
    {"reset_close_take", latency_used, {take_or_not, reset, close_it}, finish_ended},
    {"reset_close_take_rss", rss_used, {take_or_not, reset, close_it}, finish_ended},
    {"reset_close_take_shared", shared_rss, {take_or_not, reset, close_it}, finish_ended},
    {"two_slabs_close_vs_frees", two_slabs_filled, {free_first, close_it, free_last}, finish_slabs},
};

static const il_plant plants[] = {
    /* [EPOCH-6] */
    {"owner_not_asked", "ask_vs_store", "zs__place_late", IL_LOAD, "acked", 0, IL_LIE, 1},
    {"asked_without_fence", "ask_vs_store", "zs__fence_all", IL_ASYM, "", 0, IL_DROP, 0},
    /* [EPOCH-2] */
    {"round_not_read", "renew_vs_two_resets", "zs__row_serve", IL_LOAD, "word", 1, IL_LIE, 3u << 22 | 1u << 6},
    {"round_not_read", "first_attach_vs_reset", "zs__row_serve", IL_LOAD, "word", 1, IL_LIE, 2u << 22 | 1u << 6},
    /* [STAMP-1] */
    {"dead_drains", "reset_close_take_rss", "zs__chunk_drains", IL_LOAD, "stamp", 0, IL_LIE, 3u << 22 | 1u << 6},
};

int main(int argc, char **argv)
{
    return il_main(argc, argv, scenarios, (int)(sizeof scenarios / sizeof *scenarios), plants,
                   (int)(sizeof plants / sizeof *plants));
}
