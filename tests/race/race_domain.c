/* build: -nodefaultlibs -lc -lgcc */
/* timeout: 600 */
/* Domains entered and left by several threads: the last exit anywhere applies the policy, once (>>domain). */
#include "race_zslab.h"

#define CHUNKS 4
static zslab_domain *d;
static zslab_epoch e;
static void *kept;
static uint32_t entered, over;

static void enter(void)
{
    il_check(zslab_domain_enter(d) == ZSLAB_OK);
    kept = race_take(LARGE);
    il_check(kept && zslab_epoch_of(z, kept) == e);
}

static void create(zslab_reclaim reclaim)
{
    kept = NULL;
    entered = over = 0;
    race_create(CHUNKS, reclaim, 0);
}
static void own_epoch(zslab_reclaim reclaim)
{
    create(reclaim);
    d = zslab_domain_create(z);
    il_check(d != NULL);
    e = zslab_domain_epoch(d);
}
static void latency(void)
{
    own_epoch(ZSLAB_RECLAIM_LATENCY);
    il_as(0, enter);
}
static void rss(void)
{
    own_epoch(ZSLAB_RECLAIM_RSS);
    il_as(0, enter);
}
static void latency_empty(void) { own_epoch(ZSLAB_RECLAIM_LATENCY); }
static void wrapped(void)
{
    create(ZSLAB_RECLAIM_LATENCY);
    e = zslab_epoch_open(z, NULL);
    d = zslab_domain_wrap(z, e, ZSLAB_ON_EXIT_RESET);
    il_check(d != NULL);
    il_as(0, enter);
}

/* The object is good until its thread leaves. */
static void leave(void)
{
    race_look(kept);
    race_lost(kept);
    il_check(zslab_domain_exit(d) == ZSLAB_OK);
}

/* Either inside before the last exit, and then everything made here lives until we leave, or refused. */
static void visit(void)
{
    zslab_result r = zslab_domain_enter(d);
    void *p;
    if (r != ZSLAB_OK) {
        il_check(r == ZSLAB_E_CLOSED);
        return;
    }
    p = race_take(LARGE);
    il_check(p && zslab_epoch_of(z, p) == e);
    race_look(p);
    race_lost(p);
    il_check(zslab_domain_exit(d) == ZSLAB_OK);
}
static void force(void)
{
    zslab_result r = zslab_domain_force_close(d);
    il_check(r == ZSLAB_OK || r == ZSLAB_E_BUSY);
    if (r == ZSLAB_OK) over = 1;
}

static void finish_over(void)
{
    il_check(zslab_domain_enter(d) == ZSLAB_E_CLOSED);
    il_check(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSED);
    il_check(zslab_domain_destroy(d) == ZSLAB_OK);
    race_all_home(CHUNKS, LARGE);
}
static void finish_wrapped(void)
{
    il_check(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_ACTIVE);
    il_check(zslab_domain_destroy(d) == ZSLAB_OK);
    il_check(zslab_epoch_release(z, e) == ZSLAB_OK);
    race_all_home(CHUNKS, LARGE);
}
static void finish_forced(void)
{
    if (!over) zslab_domain_force_close(d);
    finish_over();
}

static const il_scenario scenarios[] = {
    {"last_exit_vs_enter", latency, {leave, visit}, finish_over},
    {"last_exit_vs_enter_rss", rss, {leave, visit}, finish_over},
    {"three_visitors", latency, {leave, visit, visit}, finish_over},
    {"reset_vs_enter", wrapped, {leave, visit}, finish_wrapped},
    {"force_vs_enter", latency_empty, {visit, force}, finish_forced},
};

static const il_plant plants[] = {
    {"relaxed_unlock", "last_exit_vs_enter", "zs__lock_drop", IL_STORE, "", 0, IL_RELAX, 0},
    {"lock_not_taken", "last_exit_vs_enter", "", IL_CAS, "word", 0, IL_DROP, 0},
};

int main(int argc, char **argv)
{
    return il_main(argc, argv, scenarios, (int)(sizeof scenarios / sizeof *scenarios), plants,
                   (int)(sizeof plants / sizeof *plants));
}
