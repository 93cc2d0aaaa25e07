/* build: -nodefaultlibs -lc -lgcc */
/* timeout: 600 */
/* Shared mode: slots claimed and given back by everybody, the current slab published, empty chunks unbound
   (>>shared). */
#include "race_zslab.h"

#define CHUNKS 3
static void *a, *b, *c;
static zslab_epoch e;
static uint32_t freed;

static void create(zslab_reclaim reclaim)
{
    a = b = c = NULL;
    freed = 0;
    race_create(CHUNKS, reclaim, ZSLAB_FLAG_SHARED);
    e = zslab_epoch_open(z, NULL);
    il_check(e != ZSLAB_EPOCH_NONE);
}
static void latency(void) { create(ZSLAB_RECLAIM_LATENCY); }
static void rss(void) { create(ZSLAB_RECLAIM_RSS); }
static void latency_two(void)
{
    latency();
    a = race_take(LARGE);
    b = race_take(LARGE);
}
static void finish(void)
{
    race_give(a);
    race_give(b);
    race_give(c);
    zslab_epoch_close(z, e);
    zslab_trim(z);
    il_check(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSED);
    race_all_home(CHUNKS, LARGE);
}

static void take_and_give(void)
{
    void *p = race_take(LARGE);
    il_check(p != NULL);
    race_give(p);
}
static void take_two(void)
{
    void *p = race_take(LARGE), *q = race_take(LARGE);
    il_check(p && q);
    race_give(p);
    race_give(q);
}
static void give_a(void)
{
    race_give(a);
    a = NULL;
}
static void give_b(void)
{
    race_give(b);
    b = NULL;
}

/* Two threads free one object: exactly one is told it did. */
static void free_a(void)
{
    if (zslab_free(z, a) == ZSLAB_OK) zs__add_u32(&freed, 1);
}
static void double_setup(void)
{
    latency_two();
    race_lost(a);
}
static void double_finish(void)
{
    il_check(freed == 1);
    a = NULL;
    finish();
}

/* Empty chunks change class while others claim. */
static void take_small(void)
{
    void *p = race_take(SMALL);
    il_check(p != NULL);
    race_give(p);
    zslab_trim(z);
}

static void take_in_epoch(void)
{
    void *p = race_take_in(LARGE, e);
    if (p) {
        il_check(zslab_epoch_state_of(z, e) != ZSLAB_EPOCH_CLOSED);
        race_give(p);
    } else
        il_check(zslab_last_error() == ZSLAB_E_CLOSED);
}
static void close_epoch(void) { il_check(zslab_epoch_close(z, e) == ZSLAB_OK); }

/* Two slabs a chunk, the second current: who unbinds the chunk has taken the first when a claim meets it there. */
#define ALL 256u /* two chunks' objects: those of the first live on */
static void *all[ALL];
static void take_all(size_t from)
{
    size_t n = from;
    while (n < ALL && (all[n] = zslab_malloc(z, 32)) != NULL) n++;
    if (n != ALL) il_fail("%lu of %u objects found a place", (unsigned long)n, ALL);
}
static void give_all(size_t from)
{
    size_t n;
    for (n = from; n < ALL; n++) il_check(zslab_free(z, all[n]) == ZSLAB_OK);
}
static void two_slabs(void)
{
    static const uint32_t classes[] = {32};
    zslab_config config;
    a = NULL;
    memset(&config, 0, sizeof config);
    config.reserve_bytes = 2 * CHUNK;
    config.class_bytes = classes;
    config.class_count = 1;
    config.epoch_count = 4;
    config.cache_bytes = ZSLAB_CACHE_NONE;
    config.flags = ZSLAB_FLAG_SHARED;
    z = zslab_create(&config);
    il_check(z != NULL);
    il_watch(il_arena, IL_ARENA_BYTES);
    take_all(0);
    give_all(ALL / 2);
}
static void take_one_of_all(void)
{
    a = zslab_malloc(z, 32);
    il_check(a != NULL);
}
static void trim(void) { zslab_trim(z); }
static void finish_all(void)
{
    il_check(zslab_free(z, a) == ZSLAB_OK);
    take_all(ALL / 2);
    give_all(0);
    zslab_destroy(z);
}

static const il_scenario scenarios[] = {
    {"claim_vs_claim", latency, {take_and_give, take_and_give}, finish},
    {"claim_vs_publish", latency_two, {take_two, give_a, give_b}, finish},
    {"free_twice", double_setup, {free_a, free_a}, double_finish},
    {"unbind_vs_claim", latency, {take_small, take_and_give}, finish},
    {"close_vs_claim", latency, {take_in_epoch, close_epoch}, finish},
    {"close_vs_claim_rss", rss, {take_in_epoch, close_epoch}, finish},
    {"unbind_two_slabs", two_slabs, {take_one_of_all, trim}, finish_all},
};

static const il_plant plants[] = {
    /* [SHARED-1] */
    {"claim_not_atomic", "claim_vs_claim", "zs__shared_claim", IL_CAS, "words", 0, IL_DROP, 0},
    /* [SHARED-2] */
    {"not_listed", "claim_vs_publish", "zs__shared_list", IL_CAS, "listed", 0, IL_DROP, 0},
    /* [SHARED-3] */
    {"gate_not_read", "close_vs_claim_rss", "zs__shared_claim", IL_LOAD, "gate", 0, IL_LIE, 0x20001},
    {"not_put_back", "unbind_two_slabs", "zs__shared_put", IL_RMW, "words", 0, IL_DROP, 0},
    /* [SHARED-2] */
    {"flag_not_cleared", "claim_vs_publish", "zs__shared_collect", IL_RMW, "queued", 0, IL_DROP, 0},
};

int main(int argc, char **argv)
{
    return il_main(argc, argv, scenarios, (int)(sizeof scenarios / sizeof *scenarios), plants,
                   (int)(sizeof plants / sizeof *plants));
}
