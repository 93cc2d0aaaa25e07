/* build: -nodefaultlibs -lc -lgcc */
/* timeout: 600 */
/* Ending epochs while others allocate and free: the gate, the two fences, the purge claim (>>epoch). Each
   scenario also runs with the asymmetric fence refused, where owners fence for themselves. */
#include "race_zslab.h"

static void *a, *b, *c;
static zslab_epoch e;
static size_t chunks = 4;
static size_t kept_bytes; /* chunks of other epochs, and one that was never handed out */

static void remember_one(void) { a = race_take_in(LARGE, e); }

static void remember_page(void)
{
    a = race_take_in(LARGE, e);
    b = race_take_in(LARGE, e);
}

static void open_epoch(zslab_reclaim reclaim)
{
    a = b = c = NULL;
    kept_bytes = CHUNK;
    race_create(chunks, reclaim, 0);
    e = zslab_epoch_open(z, NULL);
    il_check(e != ZSLAB_EPOCH_NONE);
}

/* After the threads: what is left is given back. Under the RSS policy that returns the last page, without the
   owner's help; then the epoch must be over. */
static void finish(void)
{
    race_give(a);
    race_give(b);
    race_give(c);
    if (z->rss_policy && z->committed_bytes > kept_bytes)
        il_fail("%lu bytes stay committed", (unsigned long)z->committed_bytes);
    zslab_trim(z);
    il_check(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSED);
    race_all_home(chunks, LARGE);
}

/* As above, and an epoch with a live object was not over. */
static void finish_kept(void)
{
    il_check(!c || zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSING);
    finish();
}

static void closer(void) { il_check(zslab_epoch_close(z, e) == ZSLAB_OK); }

/* Each allocation either came before, and its object is intact, or is refused. */
static void owner_takes(void)
{
    void *p = race_take_in(LARGE, e);
    if (p) {
        il_check(zslab_epoch_state_of(z, e) != ZSLAB_EPOCH_CLOSED);
        race_give(p);
    } else
        il_check(zslab_last_error() == ZSLAB_E_CLOSED);
}
static void owner_keeps(void) { c = race_take_in(LARGE, e); }
static void owner_gives_a(void)
{
    race_give(a);
    a = NULL;
}
static void owner_takes_and_gives(void)
{
    owner_takes();
    owner_gives_a();
}
static void other_gives_b(void)
{
    race_give(b);
    b = NULL;
}

static void rss_new(void) { open_epoch(ZSLAB_RECLAIM_RSS); }
static void rss_one(void)
{
    rss_new();
    il_as(0, remember_one);
}
static void rss_page(void)
{
    rss_new();
    il_as(0, remember_page);
}
/* The row is there, but a chunk of the class is not. */
static void touch_small(void) { race_give(race_take_in(SMALL, e)); }
static void rss_small(void)
{
    rss_new();
    il_as(0, touch_small);
}
/* The epoch drains already; its last two objects go at once. */
static void rss_draining(void)
{
    rss_page();
    closer();
}
static void refused_draining(void)
{
    il_refuse_fence(1);
    rss_draining();
}
static void latency_one(void)
{
    open_epoch(ZSLAB_RECLAIM_LATENCY);
    il_as(0, remember_one);
}
static void refused_new(void)
{
    il_refuse_fence(1);
    rss_new();
}
static void refused_one(void)
{
    il_refuse_fence(1);
    rss_one();
}
static void refused_page(void)
{
    il_refuse_fence(1);
    rss_page();
}

/* Two chunks and no spare place: while a free from another thread is under way, its epoch is closed, found
   over, its place serves again and so does the chunk. */
static void scarce_one(void)
{
    chunks = 2;
    race_epochs = 2;
    rss_one();
}
static void scarce_latency_one(void)
{
    chunks = 2;
    race_epochs = 2;
    latency_one();
}
static void close_and_reuse(void)
{
    zslab_epoch next;
    void *p[4];
    int i;
    closer();
    next = zslab_epoch_open(z, NULL);
    if (next == ZSLAB_EPOCH_NONE) return;
    for (i = 0; i < 4; i++) p[i] = race_take_in(LARGE, next);
    for (i = 0; i < 4; i++) race_give(p[i]);
    il_check(zslab_epoch_close(z, next) == ZSLAB_OK);
}
static void other_gives_a(void)
{
    race_give(a);
    a = NULL;
}

/* The current epoch moves on: a plain allocation never fails for it. */
static void advance(void) { il_check(zslab_epoch_advance(z) != ZSLAB_EPOCH_NONE); }
static void plain_take(void)
{
    c = race_take(LARGE);
    il_check(c != NULL);
    race_look(c);
    il_check(zslab_epoch_of(z, c) != ZSLAB_EPOCH_NONE);
}
static void advance_setup(void)
{
    open_epoch(ZSLAB_RECLAIM_RSS);
    il_as(0, plain_take);
    b = c;
    c = NULL;
}
static void advance_finish(void)
{
    il_check(zslab_epoch_close(z, e) == ZSLAB_OK);
    finish();
}

static const il_scenario scenarios[] = {
    {"close_vs_alloc", rss_one, {owner_takes, closer}, finish},
    {"close_vs_new_chunk", rss_small, {owner_keeps, closer}, finish_kept},
    {"close_vs_alloc_free", rss_one, {owner_takes_and_gives, closer}, finish},
    {"close_vs_last_frees", rss_page, {owner_gives_a, closer, other_gives_b}, finish},
    {"close_vs_new_row", rss_new, {owner_takes, closer}, finish},
    {"last_two_frees", rss_draining, {owner_gives_a, other_gives_b}, finish},
    {"close_twice", rss_page, {owner_gives_a, closer, closer}, finish},
    {"close_keeping_pages", latency_one, {owner_takes_and_gives, closer}, finish},
    {"advance_vs_alloc", advance_setup, {plain_take, advance}, advance_finish},
    {"free_vs_reuse", scarce_one, {close_and_reuse, other_gives_a}, finish},
    {"free_vs_reuse_keeping_pages", scarce_latency_one, {close_and_reuse, other_gives_a}, finish},
    {"refused_close_vs_alloc", refused_one, {owner_takes_and_gives, closer}, finish},
    {"refused_close_vs_frees", refused_page, {owner_gives_a, closer, other_gives_b}, finish},
    {"refused_close_vs_new_row", refused_new, {owner_keeps, closer}, finish_kept},
    {"refused_last_two_frees", refused_draining, {owner_gives_a, other_gives_b}, finish},
};

static const il_plant plants[] = {
    /* [EPOCH-1] [GATE-1] */
    {"no_first_fence", "close_vs_new_chunk", "zs__fence_all", IL_ASYM, "", 1, IL_DROP, 0},
    {"gate_not_read", "close_vs_new_chunk", "zs__row_alloc", IL_LOAD, "gate", 0, IL_LIE, 1},
    {"gate_not_shut", "close_vs_new_chunk", "zs__gates_shut", IL_STORE, "gate", 0, IL_DROP, 0},
    /* [EPOCH-3] */
    {"no_second_fence", "close_vs_last_frees", "zs__fence_all", IL_ASYM, "", 2, IL_DROP, 0},
    {"counted_twice", "last_two_frees", "zs__chunk_drained", IL_RMW, "drained", 0, IL_LIE, 0},
    /* [EPOCH-2] */
    {"state_not_read", "close_vs_new_row", "zs__row_serve", IL_LOAD, "place->state", 1, IL_LIE, 0},
    /* [EPOCH-1] */
    {"free_without_fence", "refused_close_vs_frees", "zs__free_to_owner", IL_FENCE, "", 0, IL_DROP, 0},
    {"no_own_fence", "refused_close_vs_new_row", "zs__row_alloc", IL_FENCE, "", 0, IL_DROP, 0},
};

int main(int argc, char **argv)
{
    return il_main(argc, argv, scenarios, (int)(sizeof scenarios / sizeof *scenarios), plants,
                   (int)(sizeof plants / sizeof *plants));
}
