/* build: -nodefaultlibs -lc -lgcc */
/* timeout: 600 */
/* Objects larger than every class: who frees one against who ends its epoch, growing in place against the neighbour's
   free, a close against an allocation, spans kept against who takes them (>>large). */
#define ZS__KEPT_OF 1u
#include "race_zslab.h"

#define CHUNKS 8
#define BIG (2 * CHUNK)
static char *a, *b, *c;
static zslab_epoch e;

static void begin(zslab_reclaim reclaim, uint32_t flags)
{
    a = b = c = NULL;
    race_create(CHUNKS, reclaim, flags);
    e = zslab_epoch_open(z, NULL);
    il_check(e != ZSLAB_EPOCH_NONE);
    a = zslab_malloc_epoch(z, BIG, e);
    b = zslab_malloc_epoch(z, CHUNK + 1, e);
    il_check(a && b);
}
static void latency(void) { begin(ZSLAB_RECLAIM_LATENCY, 0); }
static void rss(void) { begin(ZSLAB_RECLAIM_RSS, 0); }
static void shared(void) { begin(ZSLAB_RECLAIM_LATENCY, ZSLAB_FLAG_SHARED); }
static void attach(void) { il_check(zslab_thread_attach(z) == ZSLAB_OK); }
static void keeps(void) /* heaps are there, and keep what they free */
{
    latency();
    il_as(0, attach);
    il_as(1, attach);
}
static zslab_heap *heap; /* it lets go of nothing when its thread ends */
static void rss_keeps(void)
{
    race_cache = CHUNKS * CHUNK;
    begin(ZSLAB_RECLAIM_RSS, 0);
    race_cache = ZSLAB_CACHE_NONE;
    il_as(0, attach);
    il_check((heap = zslab_heap_create(z)) != NULL);
}

static void finish(void) /* nothing lives: the whole range is one object's */
{
    char *p;
    if (c) il_check(zslab_free(z, c) == ZSLAB_OK);
    zslab_epoch_release(z, e);
    il_check(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSED);
    il_check(zslab_check(z, NULL, NULL) == ZSLAB_OK);
    p = zslab_malloc(z, CHUNKS / 2 * CHUNK);
    il_check(p && zslab_free(z, p) == ZSLAB_OK);
    race_all_home(CHUNKS, SMALL);
}

static void release(void) { il_check(zslab_epoch_release(z, e) == ZSLAB_OK); }
static void reset_and_take(void)
{
    il_check(zslab_epoch_reset(z, e) == ZSLAB_OK);
    c = zslab_malloc(z, BIG);
    if (c) il_check(zslab_usable_size(z, c) == BIG);
}
static void free_a(void) /* before the end, or too late */
{
    zslab_result r = zslab_free(z, a);
    il_check(r == ZSLAB_OK || r == ZSLAB_E_STALE);
}
static void free_b(void)
{
    zslab_result r = zslab_free(z, b);
    il_check(r == ZSLAB_OK || r == ZSLAB_E_STALE);
}
static void grow_a(void)
{
    char *p = zslab_realloc(z, a, BIG + CHUNK);
    il_check(p && zslab_usable_size(z, p) == BIG + CHUNK && zslab_epoch_of(z, p) == e);
}
static void close_e(void)
{
    il_check(zslab_epoch_close(z, e) == ZSLAB_OK);
    il_check(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSING); /* a lives */
}
static void take_in(void) /* an object that lives on, or a refusal */
{
    char *p = zslab_malloc_epoch(z, BIG, e);
    il_check(p ? zslab_epoch_of(z, p) == e : zslab_last_error() == ZSLAB_E_CLOSED);
}
/* Spans that are kept [LARGE-6]. */
static void free_and_take(void) /* once more, and once more */
{
    int i;
    free_a();
    for (i = 0; i < 2; i++)
        if ((c = race_take_in(BIG, e)) != NULL && i == 0) {
            race_give(c);
            c = NULL;
        }
}
static void free_and_take_of_the_dead(void) /* the epoch ends meanwhile */
{
    int i;
    free_a();
    for (i = 0; i < 2; i++) {
        char *p = (char *)zslab_malloc_epoch(z, BIG, e);
        zslab_result r = p ? zslab_free(z, p) : zslab_last_error();
        il_check(p ? r == ZSLAB_OK || r == ZSLAB_E_STALE : r == ZSLAB_E_CLOSED);
    }
}
static void reset(void) { il_check(zslab_epoch_reset(z, e) == ZSLAB_OK); }
static void free_by_heap(void) { il_check(zslab_heap_free(heap, a) == ZSLAB_OK); }
static void close_now(void) { il_check(zslab_epoch_close(z, e) == ZSLAB_OK); }
static void drained(void) /* what lives goes: then nothing is left, whoever kept what */
{
    void *last = c;
    c = NULL;
    il_check(zslab_free(z, b) == ZSLAB_OK);
    il_check(!last || zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSING);
    if (last) race_give(last);
    il_check(!zs__own(z)->rss_policy || zs__own(z)->places[e & ZS__PLACE_MASK].state == ZSLAB_EPOCH_CLOSED);
    finish();
}
static uint32_t given; /* a is free, and its span may be kept */
static void free_and_tell(void)
{
    free_a();
    zs__store_rel_u32(&given, 1); /* release: pairs with take_all */
}
static char *all[2];
static void take_all(void) /* what is kept is in nobody's way */
{
    uint32_t have;
    all[0] = (char *)race_take_in(BIG, zslab_epoch_current(z));
    have = zs__load_acq_u32(&given); /* acquire: pairs with free_and_tell */
    all[1] = (char *)race_take_in(BIG, zslab_epoch_current(z));
    il_check(all[0] && (all[1] || !have));
}
static char *rest;
static void nearly_full(void) /* of 8 chunks 2 are left */
{
    given = 0;
    keeps();
    rest = (char *)zslab_malloc(z, BIG);
    il_check(rest != NULL);
}
static void all_given(void)
{
    race_give(all[0]);
    race_give(all[1]);
    il_check(zslab_free(z, rest) == ZSLAB_OK);
    finish();
}
static void trim(void) { zslab_trim(z); }
static void shorter(void) /* as above; b ends before what its span held first */
{
    il_check(zslab_free(z, b) == ZSLAB_OK);
    b = (char *)zslab_malloc_epoch(z, BIG, e);
    il_check(b && zslab_free(z, b) == ZSLAB_OK);
    b = (char *)zslab_malloc_epoch(z, CHUNK + 1, e);
    il_check(b != NULL);
}
static void keeps_shorter(void)
{
    keeps();
    il_as(0, shorter);
}
static void free_and_fill(void) /* the whole span is the next object's */
{
    il_check(zslab_free(z, b) == ZSLAB_OK);
    b = NULL;
    c = (char *)race_take_in(BIG, e);
}
static void finish_claimed(void)
{
    race_give(c);
    c = NULL;
    finish();
}

static uint32_t freed; /* of two frees of one object, those that were right */
static void free_once(void)
{
    zslab_result r = zslab_free(z, a);
    il_check(r == ZSLAB_OK || r == ZSLAB_E_DOUBLE_FREE);
    if (r == ZSLAB_OK) zs__add_u32(&freed, 1);
}
static void two_frees(void)
{
    freed = 0;
    rss();
}
static void two_frees_kept(void)
{
    freed = 0;
    keeps();
}
static void one_was_right(void)
{
    il_check(freed == 1);
    finish();
}

/* Where there is room for one object with a handle, one at a time has it: whoever is interrupted between the two. */
static zslab_handle named[2];
static void *named_at[2];
static void room_for_one(void)
{
    race_create(CHUNKS, ZSLAB_RECLAIM_LATENCY, 0);
    il_check((e = zslab_epoch_open(z, NULL)) != ZSLAB_EPOCH_NONE);
    rest = (char *)zslab_malloc(z, CHUNKS / 2 * CHUNK);
    c = (char *)zslab_malloc(z, BIG);
    il_check(rest && c);
    named[0] = named[1] = 0;
}
static void name_one(int i)
{
    named[i] = zslab_handle_alloc(z, BIG, e, &named_at[i]);
    il_check(named[i] || zslab_last_error() == ZSLAB_E_NOMEM);
    if (named[i] && i) il_check(zslab_handle_get(z, named[i]) == named_at[i] && zslab_epoch_of(z, named_at[i]) == e);
}
static void name_first(void) { name_one(0); }
static void reset_and_name(void)
{
    reset();
    name_one(1);
}
static void one_is_named(void)
{
    int i, live = 0;
    il_check(zslab_check(z, NULL, NULL) == ZSLAB_OK);
    for (i = 0; i < 2; i++)
        if (named[i] && zslab_handle_get(z, named[i])) {
            live++;
            il_check(zslab_handle_free(z, named[i]) == ZSLAB_OK);
        }
    il_check(live == 1 && zslab_free(z, rest) == ZSLAB_OK);
    finish();
}

/* A walk meets a chunk of a large object's that a class has by now: what it read is no object's, and is not shown. */
static void full(uint32_t flags)
{
    begin(ZSLAB_RECLAIM_LATENCY, flags);
    il_check((rest = (char *)zslab_malloc(z, CHUNKS / 2 * CHUNK)) != NULL);
}
static void full_latency(void) { full(0); }
static void full_shared(void) { full(ZSLAB_FLAG_SHARED); }
static int shown(void *user, const zslab_visit *v)
{
    (void)user;
    il_check(v->epoch == e && (v->p == a ? v->usable_bytes == BIG : v->p == b && v->usable_bytes > CHUNK));
    return 0;
}
static void walk(void)
{
    zslab_result r = zslab_epoch_visit(z, e, ZSLAB_CLASS_LARGE, shown, NULL);
    il_check(r == ZSLAB_OK || r == ZSLAB_E_CLOSED);
}
static void release_and_use(void) /* two chunks, every slab of them */
{
    void *p[2 * CHUNK / SMALL];
    size_t i, n = sizeof p / sizeof *p;
    release();
    for (i = 0; i < n; i++) il_check((p[i] = race_take(SMALL)) != NULL);
    for (i = 0; i < n; i++) race_give(p[i]);
}
static void finish_full(void)
{
    il_check(zslab_free(z, rest) == ZSLAB_OK);
    finish();
}

static const il_scenario scenarios[] = {
    {"release_vs_free", latency, {release, free_a}, finish},
    {"release_vs_free_rss", rss, {release, free_a}, finish},
    {"release_vs_free_shared", shared, {release, free_a}, finish},
    {"reset_vs_free", latency, {reset_and_take, free_b}, finish},
    {"grow_vs_free", latency, {grow_a, free_b}, finish},
    {"grow_vs_free_rss", rss, {grow_a, free_b}, finish},
    {"close_vs_alloc", latency, {close_e, take_in}, finish},
    {"close_vs_alloc_rss", rss, {close_e, take_in}, finish},
    {"two_frees", two_frees, {free_once, free_once}, one_was_right},
    {"two_frees_kept", two_frees_kept, {free_once, free_once}, one_was_right},
    {"keep_vs_release", keeps, {free_and_take_of_the_dead, release}, finish},
    {"keep_vs_reset", keeps, {free_and_take_of_the_dead, reset}, finish},
    {"keep_vs_close", keeps, {free_and_take, close_now}, drained},
    {"keep_vs_close_rss", rss_keeps, {free_and_take, close_now}, drained},
    {"keep_vs_close_heap", rss_keeps, {free_by_heap, close_now}, drained},
    {"keep_vs_take", nearly_full, {free_and_tell, take_all}, all_given},
    {"keep_vs_trim", keeps, {free_and_take, trim}, finish_claimed},
    {"refill_vs_trim", keeps_shorter, {free_and_fill, trim}, finish_claimed},
    {"name_vs_reset", room_for_one, {name_first, reset_and_name}, one_is_named},
    {"walk_vs_release", full_latency, {walk, release_and_use}, finish_full},
    {"walk_vs_release_shared", full_shared, {walk, release_and_use}, finish_full},
};

static const il_plant plants[] = {
    /* [LARGE-1] */
    {"state_not_exchanged", "two_frees", "", IL_CAS, "at->state", 0, IL_LIE, ZS__GUARDED},
    /* [LARGE-6] */
    {"kept_not_exchanged", "two_frees_kept", "zs__large_keep", IL_CAS, "state", 0, IL_LIE, ZS__GUARDED},
    {"place_not_seen", "keep_vs_close_heap", "zs__large_keep", IL_LOAD, "place->state", 0, IL_LIE, ZSLAB_EPOCH_ACTIVE},
    {"tail_not_seen", "refill_vs_trim", "zs__large_reuse", IL_LOAD, "purged_bytes", 0, IL_LIE, 0},
    {"tail_unfenced", "refill_vs_trim", "zs__fence_all", IL_ASYM, "", 0, IL_DROP, 0},
    {"length_not_seen", "refill_vs_trim", "zs__large_reuse", IL_STORE, "mask[0]", 0, IL_LATER, 0},
    {"taken_unexchanged", "keep_vs_trim", "zs__large_unkeep_at", IL_CAS, "state", 0, IL_LIE, ZS__KEPT},
};

int main(int argc, char **argv)
{
    return il_main(argc, argv, scenarios, (int)(sizeof scenarios / sizeof *scenarios), plants,
                   (int)(sizeof plants / sizeof *plants));
}
