/* build: -nodefaultlibs -lc -lgcc */
/* timeout: 600 */
/* A chunk of thread 0 is lent to a bin of thread 1, whose magazine has a slot of it, while its epoch ends, its owner
   leaves or binds it again, and others take chunks: lemmas [LEND-1] to [LEND-4] (>>remote). */
#include "race_zslab.h"

static size_t chunks = 4;
static void *a, *b, *c, *d, *own, *kept;
static zslab_epoch e, f;
static void *held[8], *given[8];
static size_t held_count, given_count, most; /* most: that an owner takes, whose epoch has ended */

static void owner_fills(void)
{
    a = race_take_in(LARGE, e);
    b = race_take_in(LARGE, e);
}
static zs__bin *bin_of(zslab_heap *heap)
{
    return zs__bin_for(z, zs__row_at(heap, (uint32_t)(e & ZS__PLACE_MASK)), LARGE);
}
static int filler; /* the owner's chunk of the class is not its only one */
static void owner_fills_more(void)
{
    owner_fills();
    if (filler) race_lost(race_take_in(LARGE, e));
}
static void other_borrows(void) /* its bin has run dry, so it allocates: what it frees next may stay */
{
    own = race_take_in(LARGE, e);
    race_give(a);
    il_check(bin_of(zs__heap_peek(z))->lent == 1 + (uint32_t)((size_t)((char *)a - z->base) / CHUNK));
    a = NULL;
}
static void create(zslab_reclaim reclaim)
{
    a = b = c = d = own = kept = NULL;
    held_count = given_count = 0;
    most = 8;
    race_create(chunks, reclaim, 0);
    e = zslab_epoch_open(z, NULL);
    il_check(e != ZSLAB_EPOCH_NONE);
    il_as(0, owner_fills_more);
    il_as(1, other_borrows);
}
static void latency(void) { create(ZSLAB_RECLAIM_LATENCY); }
static void rss(void) { create(ZSLAB_RECLAIM_RSS); }
static void owner_lets_go(void) /* of the other slot: all that is left of the chunk is lent */
{
    race_give(b);
    b = NULL;
}
static void latency_lent(void)
{
    latency();
    il_as(0, owner_lets_go);
}
static void other_pops(void) { c = race_take_in(LARGE, e); }
static void owner_frees_that(void)
{
    race_give(c);
    c = NULL;
}
static void latency_returned(void) /* what was lent is home, and the chunk is lent still */
{
    latency_lent();
    il_as(1, other_pops);
    il_as(0, owner_frees_that);
}
static void turns(void) /* to another epoch: what is in the first one's magazine is in no pop's reach [TAKE-5] */
{
    race_give(race_take_in(LARGE, f));
}
static void latency_turned(void) /* the chunk is thread 2's, who sleeps; there is no other to be had */
{
    a = b = c = d = own = kept = NULL;
    held_count = given_count = 0;
    race_create(4, ZSLAB_RECLAIM_LATENCY, 0);
    e = zslab_epoch_open(z, NULL);
    f = zslab_epoch_open(z, NULL);
    il_as(2, owner_fills);
    il_as(1, other_borrows);
    il_as(2, owner_lets_go);
    il_as(2, turns);
    il_as(1, turns);
}
static void ends(void) /* what lives goes with the epoch, or with its round */
{
    race_lost(b);
    race_lost(own);
    b = own = NULL;
    f = zslab_epoch_open(z, NULL);
}
static void latency_ends(void)
{
    latency();
    ends();
}
static void roomy_ends(void) /* nothing is taken from a heap while there is room */
{
    chunks = 8;
    latency_ends();
    chunks = 4;
    most = 4;
}
static void rss_ends(void)
{
    rss();
    ends();
}

static void roomy_more_ends(void) /* and the owner has a second chunk */
{
    filler = 1;
    roomy_ends();
    filler = 0;
}
static void roomy_rss_ends(void)
{
    chunks = 8;
    rss_ends();
    chunks = 4;
    most = 4;
}

static void finish(void)
{
    race_give(a);
    race_give(b);
    race_give(c);
    race_give(d);
    race_give(own);
    zslab_epoch_close(z, e);
    if (kept) zslab_free(z, kept); /* live, or gone with its round */
    zslab_trim(z);
    il_check(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSED);
    il_check(zslab_check(z, NULL, NULL) == ZSLAB_OK);
    race_all_home(z->chunk_count, LARGE);
}

static void finish_drained(void) /* nothing lives, so it is over, without the help of a trim */
{
    il_check(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSED);
    finish();
}

static void other_takes(void) { c = race_take_in(LARGE, e); }
static void other_takes_two(void)
{
    c = race_take_in(LARGE, e);
    d = race_take_in(LARGE, e);
}
static void other_gives_and_takes(void)
{
    race_give(race_take_in(LARGE, e));
    c = race_take_in(LARGE, e);
}
static void other_frees_its_own(void) /* a push, which asks nobody */
{
    race_give(own);
    own = NULL;
}
static void other_moves_on(void) /* the epoch may be over: refused, or an object of a round that ends */
{
    kept = zslab_malloc_epoch(z, LARGE, e);
    il_check(kept || zslab_last_error() == ZSLAB_E_CLOSED || zslab_last_error() == ZSLAB_E_NOMEM);
}
static void other_goes_on(void) /* an object of its own making it also frees, whatever a reset does meanwhile */
{
    void *p = zslab_malloc_epoch(z, LARGE, e);
    zslab_result r = p ? zslab_free(z, p) : ZSLAB_OK;
    il_check(r == ZSLAB_OK || r == ZSLAB_E_STALE);
}
static void other_gives_b(void)
{
    race_give(b);
    b = NULL;
}
static void leaves(void) { zslab_thread_detach(z); }
static void owner_gives_b_and_takes(void)
{
    owner_lets_go();
    a = race_take_in(LARGE, e);
    b = race_take_in(LARGE, e);
}
/* of another class: what is empty anywhere has to do */
static void takes_small(void) { race_give(race_take(SMALL)); }
static void takes_the_rest(void)
{
    void *p;
    while ((p = race_take(SMALL)) != NULL) {
        race_look(p);
        held[held_count++ % 8] = p;
        if (held_count == 8) break;
    }
}
static void finish_rest(void)
{
    while (held_count) race_give(held[--held_count]);
    finish();
}
static void finish_turned(void) /* the sleeper is asked no more, and has nothing left */
{
    il_as(2, leaves);
    finish_rest();
}
static void sleeps(void) {}
static void close_it(void) { il_check(zslab_epoch_close(z, e) == ZSLAB_OK); }
static void trim(void) { zslab_trim(z); }

/* The last object of a closing epoch is one of the lent chunk. */
static void other_has_all(void)
{
    race_give(own);
    own = NULL;
    c = race_take_in(LARGE, e); /* the lent one */
    d = race_take_in(LARGE, e);
}
static void rss_last(void)
{
    rss();
    il_as(0, owner_lets_go);
    il_as(1, other_has_all);
}
static void other_gives_last(void)
{
    race_give(c);
    race_give(d);
    c = d = NULL;
}

/* The owner ends the epoch and binds all its chunks again: no store of the other's comes late. */
static void takes_all_of_f(void)
{
    void *p;
    size_t i, left = 0;
    while (held_count < most && (p = race_take_in(LARGE, f)) != NULL) held[held_count++] = p;
    for (i = 0; i < held_count; i++)
        if (((char *)held[i] - z->base) % CHUNK) { /* one of each chunk stays */
            race_give(held[i]);
            given[given_count++] = held[i];
        } else {
            held[left++] = held[i];
        }
    held_count = left;
}
static void release_and_bind(void)
{
    il_check(zslab_epoch_release(z, e) == ZSLAB_OK);
    takes_all_of_f();
}
static void release_and_leave(void)
{
    il_check(zslab_epoch_release(z, e) == ZSLAB_OK);
    zslab_thread_detach(z);
}
static void other_moves_on_and_leaves(void)
{
    other_moves_on();
    zslab_thread_detach(z);
}
static void reset_and_bind(void)
{
    il_check(zslab_epoch_reset(z, e) == ZSLAB_OK);
    f = e;
    takes_all_of_f();
}
static void finish_next(void) /* each object can be freed once, and none is left */
{
    while (given_count) {
        zslab_result r = zslab_free(z, given[--given_count]);
        il_check(r == ZSLAB_E_DOUBLE_FREE);
    }
    while (held_count) race_give(held[--held_count]);
    if (kept) zslab_free(z, kept); /* of the new round, or nothing */
    il_check(zslab_epoch_close(z, f) == ZSLAB_OK);
    zslab_trim(z);
    il_check(zslab_epoch_state_of(z, f) == ZSLAB_EPOCH_CLOSED);
    il_check(zslab_check(z, NULL, NULL) == ZSLAB_OK);
    race_all_home(z->chunk_count, LARGE);
}

static const il_scenario scenarios[] = {
    {"lent_vs_owner", latency, {owner_gives_b_and_takes, other_gives_and_takes}, finish},
    {"lent_vs_exit", latency, {leaves, other_gives_and_takes}, finish},
    {"owner_vs_return", latency_lent, {takes_small, leaves}, finish},
    {"owner_vs_return_and_next", latency_lent, {owner_gives_b_and_takes, leaves, takes_small}, finish},
    {"lent_vs_close", latency, {close_it, other_moves_on}, finish},
    {"lent_vs_close_rss", rss, {close_it, other_moves_on, other_gives_b}, finish},
    {"lent_vs_drain", rss_last, {close_it, other_gives_last}, finish_drained},
    {"lent_vs_take", latency_lent, {takes_small, other_takes_two, takes_the_rest}, finish_rest},
    {"lent_vs_trim", latency_lent, {trim, other_gives_and_takes}, finish},
    {"lent_vs_push", latency_returned, {trim, other_frees_its_own}, finish},
    {"lent_turned_vs_take", latency_turned, {takes_the_rest, other_takes_two}, finish_turned},
    {"lent_asleep_vs_take", latency_lent, {sleeps, other_takes, takes_the_rest}, finish_rest},
    {"release_vs_lent", roomy_ends, {release_and_bind, other_moves_on}, finish_next},
    {"release_vs_lent_rss", roomy_rss_ends, {release_and_bind, other_moves_on}, finish_next},
    {"release_vs_lent_twice", roomy_ends, {release_and_bind, other_goes_on}, finish_next},
    {"release_vs_return", roomy_ends, {release_and_bind, other_moves_on_and_leaves}, finish_next},
    {"release_take_vs_lent", latency_ends, {release_and_bind, other_moves_on}, finish_next},
    {"pool_vs_lent", roomy_ends, {release_and_leave, other_moves_on, takes_all_of_f}, finish_next},
    {"reset_vs_lent", roomy_ends, {reset_and_bind, other_goes_on}, finish_next},
    {"reset_vs_lent_more", roomy_more_ends, {reset_and_bind, other_moves_on}, finish_next},
    {"reset_vs_lent_rss", roomy_rss_ends, {reset_and_bind, other_goes_on}, finish_next},
};

static const il_plant plants[] = {
    {"lent_not_asked_plain", "release_vs_lent", "zs__chunk_at_rest", IL_LOAD, "lent", 0, IL_LIE, 0},
    {"lender_not_told", "release_vs_lent", "zs__row_wake", IL_LOAD, "swept", 0, IL_LIE, 0},
    {"lent_not_asked_stale", "reset_vs_lent_more", "zs__take_stale", IL_LOAD, "lent", 0, IL_LIE, 0},
    {"lent_not_asked_stale", "reset_vs_lent_more", "zs__chunk_bind", IL_LOAD, "lent", 0, IL_LIE, 0},
    {"lent_not_asked_stale", "reset_vs_lent_more", "zs__chunk_at_rest", IL_LOAD, "lent", 0, IL_LIE, 0},
    {"lent_not_asked_pool", "pool_vs_lent", "zs__chunk_get", IL_LOAD, "lent", 0, IL_LIE, 0},
    {"lent_not_asked_pool", "pool_vs_lent", "zs__chunk_bind", IL_LOAD, "lent", 0, IL_LIE, 0},
    {"lent_not_asked_pool", "pool_vs_lent", "zs__chunk_at_rest", IL_LOAD, "lent", 0, IL_LIE, 0},
    {"lent_not_asked_take", "release_take_vs_lent", "zs__bin_held", IL_LOAD, "top[-1].p", 0, IL_LIE, 0},
    {"busy_not_read", "lent_vs_take", "zs__heap_recall", IL_LOAD, "busy", 0, IL_LIE, 0},
    {"free_after_look", "lent_vs_drain", "zs__free_lent", IL_STORE, "state", 0, IL_LATER, 0},
    {"relaxed_return", "release_vs_return", "zs__bin_unlend", IL_RMW, "lent", 0, IL_RELAX, 0},
};

int main(int argc, char **argv)
{
    return il_main(argc, argv, scenarios, (int)(sizeof scenarios / sizeof *scenarios), plants,
                   (int)(sizeof plants / sizeof *plants));
}
