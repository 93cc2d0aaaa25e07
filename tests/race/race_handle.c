/* build: -nodefaultlibs -lc -lgcc */
/* timeout: 600 */
/* Handles used by several threads: one free wins, and what is stale never resolves (>>handle). */
#include "race_zslab.h"

#define CHUNKS 3
static zslab_handle h, other;
static void *p, *q;
static zslab_epoch e;
static uint32_t gone, freed;

static void make(void)
{
    h = zslab_handle_alloc(z, LARGE, e, &p);
    il_check(h && race_mine(p, LARGE));
}
static void create(zslab_reclaim reclaim)
{
    h = other = 0;
    p = q = NULL;
    gone = freed = 0;
    race_create(CHUNKS, reclaim, 0);
    e = zslab_epoch_open(z, NULL);
    il_check(e != ZSLAB_EPOCH_NONE);
    il_as(0, make);
}
static void latency(void) { create(ZSLAB_RECLAIM_LATENCY); }
static void rss(void) { create(ZSLAB_RECLAIM_RSS); }
static void latency_unclaimed(void)
{
    latency();
    il_disclaim(p);
}
static void rss_unclaimed(void)
{
    rss();
    il_disclaim(p);
}
static void pass(void) /* the owner uses another chunk: a taker may have the first [TAKE-2]. The magazine is full */
{
    void *last;
    il_check(zslab_malloc_epoch(z, LARGE, e) && zslab_malloc_epoch(z, LARGE, e));
    last = zslab_malloc_epoch(z, LARGE, e);
    il_check(last && zslab_free(z, last) == ZSLAB_OK);
}
static void latency_passed(void)
{
    latency_unclaimed();
    il_as(0, pass);
}
static void rss_passed(void)
{
    rss_unclaimed();
    il_as(0, pass);
}
static void finish(void)
{
    if (other) il_check(zslab_handle_get(z, other) == q && zslab_handle_free(z, other) == ZSLAB_OK);
    if (q) il_disclaim(q);
    il_check(!zslab_handle_get(z, h));
    il_check(zslab_handle_free(z, h) == ZSLAB_E_STALE);
    zslab_epoch_release(z, e);
    race_all_home(CHUNKS, LARGE);
}

/* Frees at the same instant, by handle or by pointer: one wins, the other is told. */
static void free_by_handle(void)
{
    zslab_result r = zslab_handle_free(z, h);
    il_check(r == ZSLAB_OK || r == ZSLAB_E_STALE);
    if (r == ZSLAB_OK) zs__add_u32(&freed, 1);
}
static void free_by_pointer(void)
{
    zslab_result r = zslab_free(z, p);
    il_check(r == ZSLAB_OK || r == ZSLAB_E_DOUBLE_FREE);
    if (r == ZSLAB_OK) zs__add_u32(&freed, 1);
}
static void finish_one(void)
{
    il_check(freed == 1);
    finish();
}

/* The owner frees and makes another object, most likely in the same slot. */
static void free_and_make(void)
{
    void *again;
    race_look(p);
    il_disclaim(p);
    il_check(zslab_handle_free(z, h) == ZSLAB_OK);
    zs__store_rel_u32(&gone, 1);
    other = zslab_handle_alloc(z, LARGE, e, &again);
    il_check(other && other != h);
    q = race_mine(again, LARGE);
}
static void lose(void) /* the object; its end may meet a free, which then has disclaimed it */
{
    if (il_claimed(p, LARGE)) il_disclaim(p);
}
static void release_and_make(void)
{
    zslab_epoch next;
    void *again;
    lose();
    il_check(zslab_epoch_release(z, e) == ZSLAB_OK);
    zs__store_rel_u32(&gone, 1);
    next = zslab_epoch_open(z, NULL);
    other = zslab_handle_alloc(z, LARGE, next, &again);
    il_check(other && other != h);
    e = next;
    q = race_mine(again, LARGE);
}
static void reset_and_make(void)
{
    void *again;
    lose();
    il_check(zslab_epoch_reset(z, e) == ZSLAB_OK);
    zs__store_rel_u32(&gone, 1);
    other = zslab_handle_alloc(z, LARGE, e, &again);
    il_check(other && other != h);
    q = race_mine(again, LARGE);
}

/* A get finds the object or nothing; once the end happened before it, nothing; a stale free frees nothing. */
static void get(void)
{
    int late = zs__load_acq_u32(&gone) != 0;
    void *found = zslab_handle_get(z, h);
    il_check(!found || (found == p && !late));
}
static void stale_free(void)
{
    if (zs__load_acq_u32(&gone)) il_check(zslab_handle_free(z, h) == ZSLAB_E_STALE);
}

/* A free that was begun while its epoch lived, and an end by another thread, as an allocation discards: it frees
   that object or none, never one that its slot serves since. By another thread, or by the slot's owner while another
   takes what the row holds. [ID-7] */
static void free_somehow(void)
{
    zslab_result r = zslab_handle_free(z, h);
    il_check(r == ZSLAB_OK || r == ZSLAB_E_STALE);
}
static void take_all_and_make(void) /* every chunk, that of the slot among them, for new objects with handles */
{
    zslab_epoch next;
    void *again;
    lose();
    il_check(zslab_epoch_release(z, e) == ZSLAB_OK);
    zslab_trim(z);
    next = zslab_epoch_open(z, NULL);
    e = next;
    while ((other = zslab_handle_alloc(z, LARGE, next, &again)) != 0) {
        q = race_mine(again, LARGE);
        il_check(zslab_handle_get(z, other) == q);
        if (q == p) break;
        il_disclaim(q);
        q = NULL;
    }
}
static void finish_all(void)
{
    zslab_trim(z); /* the chunk of a live object is no empty one */
    if (q) race_look(q);
    finish();
}

static const il_scenario scenarios[] = {
    {"free_vs_release", latency_unclaimed, {release_and_make, free_somehow}, finish_all},
    {"free_vs_release_rss", rss_unclaimed, {release_and_make, free_somehow}, finish_all},
    {"free_vs_reset", latency_unclaimed, {reset_and_make, free_somehow}, finish_all},
    {"own_free_vs_take", latency_passed, {free_somehow, take_all_and_make}, finish_all},
    {"own_free_vs_take_rss", rss_passed, {free_somehow, take_all_and_make}, finish_all},
    {"handle_vs_handle", latency_unclaimed, {free_by_handle, free_by_handle}, finish_one},
    {"handle_vs_pointer", latency_unclaimed, {free_by_handle, free_by_pointer}, finish_one},
    {"pointer_vs_handle", latency_unclaimed, {free_by_pointer, free_by_handle}, finish_one},
    {"free_vs_get", latency, {free_and_make, get, get}, finish},
    {"free_vs_stale_free", latency, {free_and_make, stale_free}, finish},
    {"release_vs_get", latency, {release_and_make, get}, finish},
    {"release_vs_stale_free", rss, {release_and_make, stale_free}, finish},
    {"reset_vs_get", latency, {reset_and_make, get}, finish},
    {"reset_vs_stale_free", rss, {reset_and_make, stale_free}, finish},
};

static const il_plant plants[] = {
    /* [ID-3] */
    {"both_win", "handle_vs_handle", "", IL_CAS, "word", 0, IL_DROP, 0},
    /* [ID-1] */
    {"generation_kept", "release_vs_get", "zs__id_raise", IL_STORE, "words", 0, IL_DROP, 0},
    /* [ID-7] */
    {"raised_by_one", "free_vs_reset", "zs__id_raise", IL_LOAD, "words", 0, IL_LIE, 0x41},
    {"round_not_read", "free_vs_reset", "zs__word_drop", IL_LOAD, "word", 0, IL_LIE, 2u << 22 | 1u << 6},
    {"not_looked_at", "free_vs_reset", "zs__slab_at_rest", IL_LOAD, "words", 0, IL_LIE, 0x40},
    {"look_not_fenced", "free_vs_reset", "zs__chunk_at_rest", IL_FENCE, "", 0, IL_DROP, 0},
    {"stamp_not_acquired", "free_vs_reset", "zslab_handle_free", IL_LOAD, "stamp", 0, IL_RELAX, 0},
    {"owner_not_busy", "own_free_vs_take", "zs__heap_enter", IL_STORE, "busy", 0, IL_DROP, 0},
    {"round_kept", "reset_vs_get", "zs__large_end", IL_STORE, "word", 0, IL_DROP, 0},
};

int main(int argc, char **argv)
{
    return il_main(argc, argv, scenarios, (int)(sizeof scenarios / sizeof *scenarios), plants,
                   (int)(sizeof plants / sizeof *plants));
}
