/* build: -nodefaultlibs -lc -lgcc */
/* timeout: 600 */
/* Chunks taken from a heap whose owner has not passed by, while that owner, closers and others go on (>>take). Every
   scenario fills a range of few chunks, so that an allocation by another thread takes what thread 0 holds. */
#define ZS__RECLAIM_TRIES 3u
#include "tests/race_zslab.h"

static size_t chunks = 3;
static void *a, *b, *c, *kept; /* kept: an object of the epoch that ends, if it came after */
static zslab_epoch e;

static void fill(void) /* thread 0 has every chunk, and every object but one is free: in the magazine, or home */
{
    void *p[16];
    size_t n = 0;
    while (n < 16 && (p[n] = race_take_in(LARGE, e)) != NULL)
        n++;
    il_check(n == chunks * (CHUNK / LARGE));
    a = p[0];
    while (n-- > 1)
        race_give(p[n]);
}

static void create(zslab_reclaim reclaim)
{
    a = b = c = kept = NULL;
    race_create(chunks, reclaim, 0);
    e = zslab_epoch_open(z, NULL);
    il_check(e != ZSLAB_EPOCH_NONE);
    il_as(0, fill);
}
static void latency(void)
{
    create(ZSLAB_RECLAIM_LATENCY);
}
static void rss(void)
{
    create(ZSLAB_RECLAIM_RSS);
}
static void refused(void)
{
    il_refuse_fence(1);
    create(ZSLAB_RECLAIM_RSS);
}
static void fill_for_good(void) /* all objects live: a release ends them */
{
    void *p;
    while ((p = race_take_in(LARGE, e)) != NULL)
        race_lost(p);
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
        if (a)
            race_lost(a);
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
    if (kept)
        zslab_free(z, kept); /* live, or gone with its round */
    zslab_trim(z);
    il_check(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSED);
    il_check(zslab_check(z, NULL, NULL) == ZSLAB_OK);
    race_all_home(chunks, LARGE);
}

/* Another thread needs a chunk: of three at most two stay with thread 0, one with its object, one by its magazine. */
static void other_takes(void)
{
    b = race_take(SMALL);
}
static void other_takes_and_gives(void)
{
    race_give(race_take(SMALL));
}
static void owner_takes(void)
{
    c = race_take_in(LARGE, e);
}
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
static void owner_leaves(void)
{
    zslab_thread_detach(z);
}
static void owner_moves_on(void) /* its epoch may be over: refused, or an object of a round that a reset ends */
{
    kept = zslab_malloc_epoch(z, LARGE, e);
    if (!kept)
        il_check(zslab_last_error() == ZSLAB_E_CLOSED || zslab_last_error() == ZSLAB_E_NOMEM);
}
static void release(void)
{
    il_check(zslab_epoch_release(z, e) == ZSLAB_OK);
}
static void release_and_take(void)
{
    release();
    b = race_take(SMALL); /* refused where the owner stays in its slow path for all the tries there are */
    if (b)
        race_look(b);
}
static void reset_and_take(void)
{
    il_check(zslab_epoch_reset(z, e) == ZSLAB_OK);
    b = race_take(SMALL); /* refused where the owner stays in its slow path for all the tries there are */
    if (b)
        race_look(b);
}
static void trim(void)
{
    zslab_trim(z);
}
static void remote_gives(void)
{
    race_give(a);
    a = NULL;
    zslab_thread_detach(z);
}
static void close_it(void)
{
    il_check(zslab_epoch_close(z, e) == ZSLAB_OK);
}

static const il_scenario scenarios[] = {
    { "take_vs_alloc", latency, { owner_takes_two, other_takes }, finish },
    { "take_vs_free", latency, { owner_gives_and_takes, other_takes }, finish },
    { "take_vs_exit", latency, { owner_leaves, other_takes }, finish },
    { "take_vs_take", latency, { owner_takes, other_takes, other_takes_and_gives }, finish },
    { "take_vs_trim", latency, { owner_gives_and_takes, trim }, finish },
    { "take_vs_remote_free", latency, { owner_takes, other_takes, remote_gives }, finish },
    { "take_vs_close", rss, { owner_takes, other_takes, close_it }, finish },
    { "take_refused", refused, { owner_gives_and_takes, other_takes }, finish },
    { "release_take_vs_alloc", dead, { owner_moves_on, release_and_take }, finish },
    { "release_take_vs_pop", dead_magazine, { owner_moves_on, release_and_take }, finish },
    { "reset_take_vs_pop", dead_magazine, { owner_moves_on, reset_and_take }, finish },
    { "reset_take_vs_trim", dead_magazine, { owner_moves_on, reset_and_take, trim }, finish },
};

static const il_plant plants[] = {
    { "top_entry_taken", "release_take_vs_pop", "zs__bin_held", IL_LOAD, "top", 0, IL_LIE, 0 },
};

int main(int argc, char **argv)
{
    return il_main(argc, argv, scenarios, (int)(sizeof scenarios / sizeof *scenarios), plants,
                   (int)(sizeof plants / sizeof *plants));
}
