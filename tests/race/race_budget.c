/* build: -nodefaultlibs -lc -lgcc */
/* timeout: 600 */
/* Limits and guarantees at the edge (>>budget): takes, ends and a limit set meanwhile, by the words they decide by. */
#include "race_zslab.h"

static zslab_group *g;
static size_t base, limit, got, others, seen;

/* Three chunks are left, two of them the group's own. */
static void create(void)
{
    zslab_group_config c;
    memset(&c, 0, sizeof c);
    c.guaranteed_bytes = 2 * CHUNK;
    race_create(4, ZSLAB_RECLAIM_LATENCY, 0);
    g = zslab_group_create(z, &c);
    il_check(g != NULL);
    base = z->used_bytes;
    limit = base + 3 * CHUNK;
    got = others = seen = 0;
    zslab_set_limits(z, 0, limit);
    il_check(z->charged_bytes == base + 2 * CHUNK);
}
static int take(zslab_group *of)
{
    int done = zs__budget_take(z, of, of ? CHUNK : 0, CHUNK, 0) == 0;
    il_check(zs__load_ptr(&z->used_bytes) <= limit);
    return done;
}
static void give(zslab_group *of)
{
    zs__group_give(z, of, CHUNK, 0);
    zs__budget_give(z, CHUNK, 0);
}
static void create_held(void)
{
    create();
    il_check(take(g) && take(g));
}
static void group_takes(void)
{
    got += (size_t)take(g);
    got += (size_t)take(g);
}
static void group_takes_one(void) { il_check(take(g)); }
static void group_ends_and_takes(void)
{
    give(g);
    give(g);
    group_takes();
}
static void others_take(void)
{
    others += (size_t)take(NULL);
    others += (size_t)take(NULL);
}
static void others_take_and_give(void)
{
    if (take(NULL)) give(NULL);
    others += (size_t)take(NULL);
}
static void finish(void)
{
    if (got != 2) il_fail("%lu of the group's two chunks", (unsigned long)got);
    if (others > 1) il_fail("%lu chunks beside the guarantee", (unsigned long)others);
    il_check(z->used_bytes == base + (got + others) * CHUNK && z->charged_bytes == z->used_bytes);
    il_check(g->charged == 2 * CHUNK && g->covered == 2 * CHUNK);
}

/* Two of the group's takes and one by others, which may be refused. */
static void finish_two(void)
{
    got = 2;
    finish();
}

/* Metadata of two threads is taken from what is left of the guarantee, or not at all; others have the rest. */
static void create_last(void)
{
    create();
    il_check(take(g) && zs__budget_take(z, g, CHUNK, CHUNK, CHUNK - 64) == 0 && take(NULL) == 0);
}
static void group_takes_metadata(void) { got += zs__budget_take(z, g, 0, 0, 64) == 0; }
static void others_take_metadata(void) { others += zs__budget_take(z, NULL, 0, 0, 64) == 0; }
static void finish_last(void)
{
    il_check(got + others == 1 && z->used_bytes == limit && z->charged_bytes == limit);
    il_check(g->charged == 2 * CHUNK && g->covered == 3 * CHUNK - 64 + got * 64);
}

/* A round ends while metadata comes into use for it: it is the round's no more, and the guarantee's again. */
static zs__place *place;
static uint64_t round_word;
static void create_round(void)
{
    zslab_epoch_config c;
    zslab_epoch e;
    memset(&c, 0, sizeof c);
    create();
    c.group = g;
    e = zslab_epoch_open_with(z, &c);
    il_check(e != 0);
    place = &z->places[e & ZS__PLACE_MASK];
    round_word = zs__round_of(z, e)->word;
    base = z->used_bytes;
    zslab_set_limits(z, 0, limit + 3 * CHUNK); /* for who comes after the end: the group's no more */
}
static void takes_for_round(void) { il_check(zs__charge_take(z, round_word, CHUNK, CHUNK, 64) == 0); }
static void gives_and_ends(void)
{
    zs__aside_give(z, round_word, 16);
    zs__charge_end(z, place, zs__charge_mark(round_word + ZS__ROUND_STEP));
}
static void finish_round(void)
{
    il_check(g->charged == 0 && g->covered == 0 && z->used_bytes == base + CHUNK + 64);
    il_check(z->charged_bytes == z->used_bytes + 2 * CHUNK);
    il_check(zs__round_at(z, round_word)->aside == place->charge && !(place->charge & ZS__CHARGE_BYTES));
}

/* A limit is set while somebody takes: who comes after it is refused. */
static void create_limit(void)
{
    create();
    zslab_group_destroy(g);
}
static void sets_limit(void)
{
    zslab_set_limits(z, 0, base);
    seen = zs__add_ptr(&z->charged_bytes, 0); /* whatever is counted later comes after it */
}
static void takes_one(void) { others += zs__budget_take(z, NULL, 0, CHUNK, 0) == 0; }
static void finish_limit(void)
{
    if (others && seen == base) il_fail("a chunk beyond the limit that was set before");
    il_check(z->used_bytes == base + others * CHUNK && z->charged_bytes == z->used_bytes);
}

static const il_scenario scenarios[] = {
    {"guarantee_vs_others", create, {group_takes, others_take}, finish},
    {"guarantee_twice_vs_others", create, {group_takes_one, group_takes_one, takes_one}, finish_two},
    {"end_vs_others", create_held, {group_ends_and_takes, others_take_and_give}, finish},
    {"metadata_twice_vs_others", create_last, {group_takes_metadata, others_take_metadata}, finish_last},
    {"metadata_vs_end", create_round, {takes_for_round, gives_and_ends}, finish_round},
    {"set_limits_vs_take", create_limit, {sets_limit, takes_one}, finish_limit},
};

static const il_plant plants[] = {
    /* [BUDGET-1] */
    {"count_kept", "guarantee_vs_others", "zs__count_within", IL_CAS, "count", 0, IL_KEPT, 0},
    /* [BUDGET-4] */
    {"charge_kept", "guarantee_twice_vs_others", "zs__group_take", IL_CAS, "covered", 0, IL_KEPT, 0},
    {"not_promised_first", "end_vs_others", "zs__group_give", IL_RMW, "charged_bytes", 0, IL_DROP, 0},
    /* [BUDGET-5] */
    {"aside_kept", "metadata_vs_end", "zs__charge_end", IL_RMW, "aside", 0, IL_DROP, 0},
    /* [BUDGET-1] */
    {"limit_not_read_again", "set_limits_vs_take", "zs__count_within", IL_LOAD, "limit", 2, IL_LIE, ~0ull},
};

int main(int argc, char **argv)
{
    return il_main(argc, argv, scenarios, (int)(sizeof scenarios / sizeof *scenarios), plants,
                   (int)(sizeof plants / sizeof *plants));
}
