/* build: -nodefaultlibs -lc -lgcc */
/* timeout: 600 */
/* Chunks taken from a heap whose owner has not passed by, while that owner, closers and others go on (>>take). Every
   scenario fills a range of few chunks, so that an allocation by another thread takes what thread 0 holds. */
#define ZS__RECLAIM_TRIES 3u
#include "race_zslab.h"

static size_t chunks = 3;
static void *a, *b, *c, *kept; /* kept: an object of the epoch that ends, if it came after */
static zslab_epoch e;

/* Thread 0 has every chunk. Its magazine names a slot of the third; the second is current, one slot at home and one not
   yet handed out: it holds nothing, and yet only a taker brings it to the pool. */
static void *first[6];
static void fill_apart(void)
{
    size_t n;
    void *p;
    for (n = 0; n < 6; n++) first[n] = race_take_in(LARGE, e);
    il_check(first[5] != NULL);
    race_give(first[4]); /* to the magazine; the next two make the second chunk empty, and it goes */
    race_give(first[2]);
    race_give(first[3]);
    first[4] = race_take_in(LARGE, e);
    p = race_take_in(LARGE, e); /* it comes back */
    race_give(first[4]);
    race_give(p);
}
static void fill(void) /* and every object but one is free */
{
    fill_apart();
    race_give(first[1]);
    race_give(first[5]);
    a = first[0];
}

static void create(zslab_reclaim reclaim)
{
    a = b = c = kept = NULL;
    race_create(chunks, reclaim, 0);
    e = zslab_epoch_open(z, NULL);
    il_check(e != ZSLAB_EPOCH_NONE);
    il_as(0, fill);
}
static void latency(void) { create(ZSLAB_RECLAIM_LATENCY); }
static void rss(void) { create(ZSLAB_RECLAIM_RSS); }
static void refused(void)
{
    il_refuse_fence(1);
    create(ZSLAB_RECLAIM_RSS);
}
static void fill_for_good(void) /* all objects live: a release ends them */
{
    void *p;
    while ((p = race_take_in(LARGE, e)) != NULL) race_lost(p);
    a = NULL;
}
static void dead(void) /* the epoch is over, its owner has not passed by */
{
    a = b = c = kept = NULL;
    race_create(chunks, ZSLAB_RECLAIM_LATENCY, 0);
    e = zslab_epoch_open(z, NULL);
    il_as(0, fill_for_good);
}
static void magazine(void) /* and its magazine names a slot of it */
{
    void *p;
    while ((p = race_take_in(LARGE, e)) != NULL) {
        if (a) race_lost(a);
        a = p;
    }
    race_give(a);
    a = NULL;
}
static void dead_magazine(void)
{
    a = b = c = kept = NULL;
    race_create(chunks, ZSLAB_RECLAIM_LATENCY, 0);
    e = zslab_epoch_open(z, NULL);
    il_as(0, magazine);
}

static void finish(void)
{
    race_give(a);
    race_give(b);
    race_give(c);
    zslab_epoch_close(z, e);
    if (kept) zslab_free(z, kept); /* live, or gone with its round */
    zslab_trim(z);
    il_check(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSED);
    il_check(zslab_check(z, NULL, NULL) == ZSLAB_OK);
    race_all_home(chunks, LARGE);
}

/* Another thread needs a chunk: of three at most two stay with thread 0, one with its object, one by its magazine.
   [TAKE-3] */
static void other_takes(void) { b = race_take(SMALL); }
static void other_takes_and_gives(void) { race_give(race_take(SMALL)); }
static void owner_takes(void) { c = race_take_in(LARGE, e); }
static void owner_takes_two(void)
{
    void *p = race_take_in(LARGE, e), *q = race_take_in(LARGE, e);
    race_give(p);
    c = q;
}
static void owner_gives(void)
{
    race_give(a);
    a = NULL;
}
static void owner_gives_and_takes(void)
{
    owner_gives();
    owner_takes();
}
static void owner_leaves(void) { zslab_thread_detach(z); }
static void owner_moves_on(void) /* its epoch may be over: refused, or an object of a round that a reset ends */
{
    kept = zslab_malloc_epoch(z, LARGE, e);
    if (!kept) il_check(zslab_last_error() == ZSLAB_E_CLOSED || zslab_last_error() == ZSLAB_E_NOMEM);
}
static void release(void) { il_check(zslab_epoch_release(z, e) == ZSLAB_OK); }
static void release_and_take(void)
{
    release();
    b = race_take(SMALL); /* refused where the owner stays in its slow path for all the tries there are */
    if (b) race_look(b);
}
static void reset_and_take(void)
{
    il_check(zslab_epoch_reset(z, e) == ZSLAB_OK);
    b = race_take(SMALL); /* refused where the owner stays in its slow path for all the tries there are */
    if (b) race_look(b);
}
static void trim(void) { zslab_trim(z); }
static void remote_gives(void)
{
    race_give(a);
    a = NULL;
    zslab_thread_detach(z);
}
static void close_it(void) { il_check(zslab_epoch_close(z, e) == ZSLAB_OK); }

/* Between the owner and two slots, one of them of the second chunk, stands its gate alone. */
static void *held[8], *given[8];
static size_t held_count, given_count;
static void hold(void *p)
{
    if (p) held[held_count++] = p;
}
static void apart(void)
{
    held_count = 0;
    a = b = c = kept = NULL;
    race_create(chunks, ZSLAB_RECLAIM_LATENCY, 0);
    e = zslab_epoch_open(z, NULL);
    il_as(0, fill_apart);
    hold(first[0]);
    hold(first[1]);
    hold(first[5]);
}
static void owner_pops_two(void)
{
    c = race_take_in(LARGE, e);
    a = race_take_in(LARGE, e);
}
static void other_takes_two(void)
{
    b = race_take(LARGE);
    kept = race_take(LARGE);
}
static void finish_apart(void)
{
    while (held_count) race_give(held[--held_count]);
    race_give(kept);
    kept = NULL;
    finish();
}

/* A slot on its way out when its epoch is released: of a chunk that serves another epoch since, as the same class. */
static zslab_epoch f;
static void dead_magazine_and_next(void)
{
    held_count = given_count = 0;
    dead_magazine();
    f = zslab_epoch_open(z, NULL);
}
static void profiled(void) /* and a profile is taken, whose allocations pop as the fast paths do */
{
    race_sample = (size_t)1 << 20;
    dead_magazine_and_next();
    race_sample = 0;
}
static void release_and_take_all(void)
{
    void *p;
    release();
    while ((p = race_take_in(LARGE, f)) != NULL) hold(p);
}
static void release_take_and_give(void) /* one of each chunk stays */
{
    size_t i, left = 0;
    release_and_take_all();
    for (i = 0; i < held_count; i++)
        if (((char *)held[i] - z->base) % CHUNK) {
            race_give(held[i]);
            given[given_count++] = held[i];
        } else {
            held[left++] = held[i];
        }
    held_count = left;
}
static void finish_next(void) /* every object of f can be freed once, and none is left */
{
    while (given_count) il_check(zslab_free(z, given[--given_count]) == ZSLAB_E_DOUBLE_FREE);
    while (held_count) race_give(held[--held_count]);
    il_check(zslab_epoch_close(z, f) == ZSLAB_OK);
    zslab_trim(z);
    il_check(zslab_epoch_state_of(z, f) == ZSLAB_EPOCH_CLOSED);
    il_check(zslab_check(z, NULL, NULL) == ZSLAB_OK);
    race_all_home(chunks, LARGE);
}

/* The owner has named another epoch since; now it turns back to the one that is released. [TAKE-5] */
static zslab_epoch g;
static void fill_and_turn(void)
{
    void *p;
    hold(race_take_in(LARGE, g));
    magazine();
    p = race_take_in(LARGE, g);
    race_give(p);
}
static void three_epochs(void (*owner)(void))
{
    held_count = given_count = 0;
    a = b = c = kept = NULL;
    race_create(chunks, ZSLAB_RECLAIM_LATENCY, 0);
    e = zslab_epoch_open(z, NULL);
    f = zslab_epoch_open(z, NULL);
    g = zslab_epoch_open(z, NULL);
    il_as(0, owner);
}
static void turned(void) { three_epochs(fill_and_turn); }
static void finish_turned(void)
{
    il_check(zslab_epoch_close(z, g) == ZSLAB_OK);
    finish_next();
}

/* The row of an epoch that the owner has turned away from has no chunk left: its magazine goes back. [TAKE-6] */
static void and_bare(void (*owner)(void)) /* a magazine is whole pages */
{
    three_epochs(owner);
    z->page_bytes = sizeof(zs__entry);
}
static void turned_and_bare(void) { and_bare(fill_and_turn); }
static void fill_and_leave(void) /* an object lives, one slot is in the magazine */
{
    hold(race_take_in(LARGE, g));
    a = race_take_in(LARGE, e);
    race_give(race_take_in(LARGE, e));
    race_give(race_take_in(LARGE, g));
}
static void left_and_bare(void) { and_bare(fill_and_leave); }
static void magazine_left(void) /* kept: of the epoch that will end */
{
    hold(race_take_in(LARGE, g));
    kept = race_take_in(LARGE, e);
    race_lost(kept);
    race_give(race_take_in(LARGE, e));
    race_give(race_take_in(LARGE, g));
}
static void ends_and_bare(void) { and_bare(magazine_left); }
static void owner_frees_late(void)
{
    zslab_result r = zslab_free(z, kept);
    kept = NULL;
    il_check(r == ZSLAB_OK || r == ZSLAB_E_STALE);
    owner_moves_on();
}
static void release_and_trim(void)
{
    release();
    zslab_trim(z);
    f = zslab_epoch_open(z, NULL); /* in the place of the first, perhaps */
    b = race_take_in(SMALL, f);
}
static void finish_bare(void) /* every magazine is counted once */
{
    race_give(a);
    race_give(b);
    race_give(c);
    if (kept) zslab_free(z, kept);
    a = b = c = kept = NULL;
    while (held_count) race_give(held[--held_count]);
    il_check(zslab_check(z, NULL, NULL) == ZSLAB_OK);
    il_as(0, owner_leaves);
    zslab_trim(z);
    il_check(zslab_check(z, NULL, NULL) == ZSLAB_OK);
    race_all_home(chunks, LARGE);
}

/* Two threads need a chunk each where the limit has one left: what is counted is what they got. */
static void at_limit(void)
{
    a = b = kept = NULL;
    race_create(chunks, ZSLAB_RECLAIM_RSS, 0);
    c = race_take(LARGE);
    kept = race_take(LARGE);
    zslab_set_limits(z, 0,
                     z->charged_bytes + 2 * (z->heap_bytes + z->magazine_offset + zs__magazine_bytes(z, 1)) + CHUNK +
                         ZS__RECORD_BYTES + zs__lines_bytes(z, z->classes[1].region));
}
static void needs_one(void) { a = race_take(LARGE); }
static void needs_one_too(void) { b = race_take(LARGE); }
static size_t chunk_at(const void *p) { return (size_t)((const char *)p - z->base) / CHUNK; }
static void finish_limit(void)
{
    size_t count = 1;
    il_check(a || b);
    il_check(chunk_at(c) == chunk_at(kept));
    count += a != NULL;
    count += b && (!a || chunk_at(a) != chunk_at(b));
    if (z->committed_bytes != count * CHUNK)
        il_fail("%lu bytes count as committed for %lu chunks", (unsigned long)z->committed_bytes, (unsigned long)count);
    race_give(a);
    race_give(b);
    race_give(c);
    race_give(kept);
    race_all_home(2, LARGE);
}

/* A chunk of the pool, its stamp the round's, goes to a row that is made while a taker glances at it. */
static void keep(void) { kept = race_take(LARGE); }
static void pool_one(void)
{
    a = race_take(LARGE);
    b = race_take(LARGE);
    race_give(a);
    race_give(b);
    zslab_trim(z);
}
static void pooled(void)
{
    a = b = c = NULL;
    race_create(chunks, ZSLAB_RECLAIM_LATENCY, 0);
    il_as(2, keep);
    il_as(0, pool_one);
}
static void makes_a_row(void) { c = race_take(LARGE); }
static void finish_pooled(void)
{
    il_check(c != NULL);
    race_give(c);
    race_give(kept);
    il_check(zslab_check(z, NULL, NULL) == ZSLAB_OK);
    zslab_destroy(z);
}

static const il_scenario scenarios[] = {
    {"take_vs_alloc", latency, {owner_takes_two, other_takes}, finish},
    {"take_vs_free", latency, {owner_gives_and_takes, other_takes}, finish},
    {"take_vs_exit", latency, {owner_leaves, other_takes}, finish},
    {"take_vs_take", latency, {owner_takes, other_takes, other_takes_and_gives}, finish},
    {"take_vs_trim", latency, {owner_gives_and_takes, trim}, finish},
    {"take_vs_remote_free", latency, {owner_takes, other_takes, remote_gives}, finish},
    {"take_vs_close", rss, {owner_takes, other_takes, close_it}, finish},
    {"take_refused", refused, {owner_gives_and_takes, other_takes}, finish},
    {"release_take_vs_alloc", dead, {owner_moves_on, release_and_take}, finish},
    {"release_take_vs_pop", dead_magazine, {owner_moves_on, release_and_take}, finish},
    {"reset_take_vs_pop", dead_magazine, {owner_moves_on, reset_and_take}, finish},
    {"reset_take_vs_trim", dead_magazine, {owner_moves_on, reset_and_take, trim}, finish},
    {"take_vs_pops", apart, {owner_pops_two, other_takes_two}, finish_apart},
    {"release_take_vs_pop_kept", dead_magazine_and_next, {owner_moves_on, release_and_take_all}, finish_next},
    {"release_take_vs_pop_given", dead_magazine_and_next, {owner_moves_on, release_take_and_give}, finish_next},
    {"release_take_vs_pop_profiled", profiled, {owner_moves_on, release_take_and_give}, finish_next},
    {"release_take_vs_turn", turned, {owner_moves_on, release_take_and_give}, finish_turned},
    {"bare_vs_turn", turned_and_bare, {owner_moves_on, release_and_trim}, finish_bare},
    {"bare_vs_late_free", ends_and_bare, {owner_frees_late, release_and_trim}, finish_bare},
    {"bare_vs_owner", left_and_bare, {owner_gives_and_takes, trim}, finish_bare},
    {"limit_vs_limit", at_limit, {needs_one, needs_one_too}, finish_limit},
    {"glance_vs_new_row", pooled, {trim, makes_a_row}, finish_pooled},
};

static const il_plant plants[] = {
    /* [TAKE-1] */
    {"busy_not_read", "take_vs_free", "zs__heaps_take", IL_LOAD, "busy", 0, IL_LIE, 0},
    {"taker_not_waited_for", "take_vs_free", "zs__taker_wait", IL_LOAD, "taker", 0, IL_LIE, 0},
    /* [TAKE-4] */
    {"taken_not_dropped", "take_vs_pops", "zs__heap_sift", IL_LOAD, "taker", 0, IL_LIE, 0},
    /* [TAKE-1] */
    {"no_fence", "take_vs_free", "zs__fence_all", IL_ASYM, "", 0, IL_DROP, 0},
    {"gate_not_shut", "take_vs_pops", "zs__row_worth", IL_CAS, "gate", 0, IL_DROP, 0},
    {"gate_not_shut", "take_vs_pops", "zs__row_give", IL_LOAD, "gate", 0, IL_LIE, 0},
    /* [TAKE-4] */
    {"undo_when_dead", "release_take_vs_pop_kept", "zs__undo", IL_LOAD, "c->stamp", 0, IL_LIE, 2u << 22 | 1u << 6},
    /* [TAKE-2] */
    {"live_after_top", "release_take_vs_pop_given", "zs__bin_pop_as", IL_STORE, "state", 0, IL_LATER, 0},
    /* [TAKE-5] */
    {"row_not_named", "release_take_vs_turn", "zs__row_named", IL_STORE, "pops", 0, IL_DROP, 0},
    /* [TAKE-6] */
    {"class_not_forgotten", "bare_vs_owner", "zs__row_dress", IL_STORE, "used", 0, IL_DROP, 0},
    /* [BUDGET-1] */
    {"count_kept", "limit_vs_limit", "zs__count_within", IL_CAS, "count", 0, IL_KEPT, 0},
    /* [STATS-1] */
    {"row_not_acquired", "glance_vs_new_row", "zs__rows_worth", IL_LOAD, "row", 0, IL_RELAX, 0},
    /* [TAKE-2] */
    {"top_entry_taken", "release_take_vs_pop_given", "zs__bin_held", IL_LOAD, "top[-1].p", 0, IL_LIE, 0},
    {"top_entry_taken", "release_take_vs_pop_profiled", "zs__bin_held", IL_LOAD, "top[-1].p", 0, IL_LIE, 0},
};

int main(int argc, char **argv)
{
    return il_main(argc, argv, scenarios, (int)(sizeof scenarios / sizeof *scenarios), plants,
                   (int)(sizeof plants / sizeof *plants));
}
