/* build: -nodefaultlibs -lc -lgcc */
/* timeout: 600 */
/* Epochs with records and children, ended by several calls at once: once each, newest first, before the objects go,
   children first (>>ending). */
#include "race_zslab.h"

#define CHUNKS 4
enum { ONE, TWO, THREE, RECORDS };
static zslab_epoch e, child;
static void *kept;
static uint32_t done[RECORDS], entered[RECORDS], registered;
static uint32_t ends; /* calls that ended e */

static uint32_t name_of(const void *user) { return (uint32_t)((const uint32_t *)user - done); }

static void note(void *user, zslab *in, zslab_epoch of, zslab_end why)
{
    uint32_t name = name_of(user);
    il_check(in == (zslab *)z && (of == e || of == child) && why <= ZSLAB_END_DESTROY);
    il_check(entered[name]++ == 0);
    if (kept && of == e && why != ZSLAB_END_DRAINED) {
        il_check(zslab_epoch_of(in, kept) == e); /* it lives to the end of the call */
        il_point("use");
        race_look(kept);
        if (name == ONE) { /* the last one: it may go from here on */
            race_lost(kept);
            kept = NULL;
        }
    }
    done[name]++;
}

static void put(zslab_epoch of, uint32_t name) { il_check(zslab_epoch_on_end(z, of, note, &done[name]) == ZSLAB_OK); }

static void create(zslab_reclaim reclaim)
{
    uint32_t i;
    for (i = 0; i < RECORDS; i++) done[i] = entered[i] = 0;
    kept = NULL;
    child = ZSLAB_EPOCH_NONE;
    registered = ends = 0;
    race_create(CHUNKS, reclaim, 0);
    e = zslab_epoch_open(z, NULL);
    il_check(e != ZSLAB_EPOCH_NONE);
}
static void with_object(void)
{
    kept = race_take_in(LARGE, e);
    il_check(kept != NULL);
}
static void two(void)
{
    create(ZSLAB_RECLAIM_LATENCY);
    put(e, ONE);
    put(e, TWO);
    with_object();
}
static void two_rss(void)
{
    create(ZSLAB_RECLAIM_RSS);
    put(e, ONE);
    with_object();
}
static void none(void) { create(ZSLAB_RECLAIM_LATENCY); }
static void family(void)
{
    zslab_epoch_config c;
    create(ZSLAB_RECLAIM_LATENCY);
    memset(&c, 0, sizeof c);
    c.parent = e;
    child = zslab_epoch_open_with(z, &c);
    il_check(child != ZSLAB_EPOCH_NONE);
    put(e, ONE);
    put(child, TWO);
}

static void release(void)
{
    zslab_result r = zslab_epoch_release(z, e);
    il_check(r == ZSLAB_OK || r == ZSLAB_E_CLOSED);
    ends += r == ZSLAB_OK;
}
static void shut(void)
{
    zslab_result r = zslab_epoch_close(z, e);
    il_check(r == ZSLAB_OK || r == ZSLAB_E_CLOSED);
}
static void empty(void)
{
    zslab_result r = zslab_epoch_reset(z, e);
    il_check(r == ZSLAB_OK || r == ZSLAB_E_CLOSED || r == ZSLAB_E_BUSY);
}
static void release_child(void)
{
    zslab_result r = zslab_epoch_release(z, child);
    il_check(r == ZSLAB_OK || r == ZSLAB_E_CLOSED);
}
static void add(void)
{
    zslab_result r = zslab_epoch_on_end(z, e, note, &done[THREE]);
    il_check(r == ZSLAB_OK || r == ZSLAB_E_CLOSED);
    registered = r == ZSLAB_OK;
}
static void open_another(void) { il_check(zslab_epoch_open(z, NULL) != ZSLAB_EPOCH_NONE); }

/* Ended by whoever came first, and by nobody twice. */
static void finish(void)
{
    uint32_t i, was[RECORDS];
    if (zslab_epoch_state_of(z, e) != ZSLAB_EPOCH_CLOSED) il_check(zslab_epoch_release(z, e) == ZSLAB_OK);
    zslab_trim(z);
    for (i = 0; i < RECORDS; i++) {
        was[i] = done[i];
        il_check(entered[i] == done[i]);
    }
    il_check(!kept && was[THREE] == registered);
    il_check(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSED);
    race_all_home(CHUNKS, LARGE);
    for (i = 0; i < RECORDS; i++) il_check(done[i] == was[i]);
}
static void finish_two(void)
{
    il_check(ends <= 1);
    finish();
    il_check(done[ONE] == 1 && done[TWO] == 1);
}
static void finish_one(void)
{
    finish();
    il_check(done[ONE] == 1);
}
static void finish_family(void)
{
    il_check(done[ONE] == 1 && done[TWO] == 1); /* both calls are over */
    il_check(zslab_epoch_state_of(z, child) == ZSLAB_EPOCH_CLOSED);
    finish();
}

static const il_scenario scenarios[] = {
    {"release_vs_release", two, {release, release}, finish_two},
    /* [END-2] */
    {"release_vs_reset", two, {release, empty}, finish_two},
    {"release_vs_close_rss", two_rss, {release, shut}, finish_one},
    /* [END-1] */
    {"parent_vs_child", family, {release, release_child}, finish_family},
    /* [END-2] */
    {"on_end_vs_release", none, {add, release}, finish},
    {"on_end_vs_close", none, {add, shut}, finish},
    /* [END-3] */
    {"drained_vs_open", none, {add, shut, open_another}, finish},
};

static const il_plant plants[] = {
    {"relaxed_unlock", "release_vs_release", "zs__lock_drop", IL_STORE, "", 0, IL_RELAX, 0},
    {"lock_not_taken", "on_end_vs_release", "", IL_CAS, "word", 0, IL_DROP, 0},
    {"record_not_counted", "on_end_vs_close", "zslab_epoch_on_end", IL_STORE, "", 0, IL_DROP, 0},
};

int main(int argc, char **argv)
{
    return il_main(argc, argv, scenarios, (int)(sizeof scenarios / sizeof *scenarios), plants,
                   (int)(sizeof plants / sizeof *plants));
}
