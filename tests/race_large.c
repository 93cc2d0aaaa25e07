/* build: -nodefaultlibs -lc -lgcc */
/* timeout: 600 */
/* Objects larger than every class: who frees one against who ends its epoch, growing in place against the neighbour's
   free, a close against an allocation (>>large). */
#include "tests/race_zslab.h"

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

static void finish(void) /* nothing lives: the whole range is one object's */
{
    char *p;
    if (c)
        il_check(zslab_free(z, c) == ZSLAB_OK);
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
    if (c)
        il_check(zslab_usable_size(z, c) == BIG);
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
static uint32_t freed; /* of two frees of one object, those that were right */
static void free_once(void)
{
    zslab_result r = zslab_free(z, a);
    il_check(r == ZSLAB_OK || r == ZSLAB_E_DOUBLE_FREE);
    if (r == ZSLAB_OK)
        zs__add_u32(&freed, 1);
}
static void two_frees(void)
{
    freed = 0;
    latency();
}
static void one_was_right(void)
{
    il_check(freed == 1);
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
};

static const il_plant plants[] = {
    {"state_not_exchanged", "two_frees", "", IL_CAS, "at->state", 0, IL_LIE, ZS__GUARDED},
};

int main(int argc, char **argv)
{
    return il_main(argc, argv, scenarios, (int)(sizeof scenarios / sizeof *scenarios), plants,
                   (int)(sizeof plants / sizeof *plants));
}
