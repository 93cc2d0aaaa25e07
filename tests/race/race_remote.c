/* build: -nodefaultlibs -lc -lgcc */
/* timeout: 600 */
/* Frees from other threads: hints, inboxes, parked heaps, chunks that change class (>>remote, >>heap). */
#include "race_zslab.h"

#define CHUNKS 3
static void *a, *b, *c, *d;

static void remember_two(void)
{
    a = race_take(SMALL);
    b = race_take(SMALL);
}

static void two_objects(void)
{
    c = d = NULL;
    race_create(CHUNKS, ZSLAB_RECLAIM_LATENCY, 0);
    il_as(0, remember_two);
}

static void finish(void)
{
    race_give(c);
    race_give(d);
    race_all_home(CHUNKS, SMALL);
}

/* The owner uses up its chunk and folds its inbox in while others give slots of one slab back. */
static void owner_takes(void)
{
    void *p[4];
    int i;
    for (i = 0; i < 4; i++) p[i] = race_take(SMALL);
    for (i = 0; i < 3; i++) race_give(p[i]);
    c = p[3];
}
static void other_gives_a(void) { race_give(a); }
static void other_gives_b(void) { race_give(b); }

/* Hints about two slabs meet in the owner's inbox. */
static void remember_two_slabs(void)
{
    a = race_take(LARGE);
    c = race_take(LARGE);
    b = race_take(LARGE);
}
static void two_slabs(void)
{
    a = b = c = d = NULL;
    race_create(CHUNKS, ZSLAB_RECLAIM_LATENCY, 0);
    il_as(0, remember_two_slabs);
}
static void owner_takes_large(void)
{
    void *p = race_take(LARGE), *q = race_take(LARGE);
    race_give(p);
    d = q;
}

/* One thread frees both: the hint is gathered, and given when it leaves. */
static void other_gives_both(void)
{
    race_give(a);
    race_give(b);
    zslab_thread_detach(z);
}

/* The owner leaves, another thread takes the heap over, a third gives back. */
static void owner_leaves(void) { zslab_thread_detach(z); }
static void next_owner(void)
{
    c = race_take(SMALL);
    d = race_take(SMALL);
}

/* The chunk empties, goes to the pool and serves the other class while a hint about it is on its way. [OWN-1] */
static void gather_a(void) { race_give(a); /* remembered, not yet told */ }
static void reuse_setup(void)
{
    two_objects();
    il_as(1, gather_a);
}
static void owner_reuses(void)
{
    race_give(b);
    zslab_trim(z);
    c = race_take(LARGE);
    d = race_take(LARGE);
}
static void late_hint(void) { zslab_thread_detach(z); }
static void third_thread(void)
{
    void *p = race_take(LARGE);
    race_give(p);
}

/* Told of once more while its hint is folded in, with another's behind it: both come home. Who gives also leaves, so
   that the owner is told. */
static void *told, *stays[2];
static void remember_five(void)
{
    a = race_take(SMALL);
    b = race_take(SMALL);
    stays[0] = race_take(SMALL); /* these and d keep their chunks in the bin */
    stays[1] = race_take(SMALL);
    told = race_take(SMALL);
    d = race_take(SMALL);
}
static void told_leaves(void)
{
    race_give(told);
    zslab_thread_detach(z);
}
static void one_told(void)
{
    c = NULL;
    race_create(CHUNKS, ZSLAB_RECLAIM_LATENCY, 0);
    il_as(0, remember_five);
    il_as(3, told_leaves);
}
static void owner_folds(void)
{
    zslab_heap *heap = zs__heap_peek(z);
    uint32_t depth = zs__heap_enter(heap);
    while (zs__inbox_drain(heap, 4))
        ;
    zs__heap_exit(heap, depth);
}
static void a_leaves(void)
{
    race_give(a);
    zslab_thread_detach(z);
}
static void b_leaves(void)
{
    race_give(b);
    zslab_thread_detach(z);
}
static int is_home(const void *p)
{
    size_t offset = (size_t)((const char *)p - z->base);
    return ((uint8_t *)z->chunks[offset / CHUNK].states)[offset % CHUNK / SMALL] == ZS__FREE;
}
static void finish_told(void) /* no inbox has them, so they are home */
{
    zslab_heap *heap;
    for (heap = z->heaps; heap; heap = heap->next)
        while (zs__inbox_drain(heap, 4))
            ;
    il_check(is_home(a) && is_home(b) && is_home(told));
    race_give(stays[0]);
    race_give(stays[1]);
    finish();
}

static const il_scenario scenarios[] = {
    {"free_vs_fold", two_objects, {owner_takes, other_gives_a, other_gives_b}, finish},
    {"two_slabs_vs_fold", two_slabs, {owner_takes_large, other_gives_a, other_gives_b}, finish},
    {"gathered_vs_fold", two_objects, {owner_takes, other_gives_both}, finish},
    {"park_vs_takeover_vs_push", two_objects, {owner_leaves, next_owner, other_gives_both}, finish},
    {"reuse_vs_late_hint", reuse_setup, {owner_reuses, late_hint}, finish},
    {"reuse_elsewhere_vs_late_hint", reuse_setup, {owner_reuses, late_hint, third_thread}, finish},
    {"again_vs_fold", one_told, {owner_folds, a_leaves, b_leaves}, finish_told},
};

static const il_plant plants[] = {
    {"relaxed_give", "free_vs_fold", "zs__free_to_owner", IL_STORE, "state", 0, IL_RELAX, 0},
    {"relaxed_take", "free_vs_fold", "zs__take_remote", IL_LOAD, "states + j", 0, IL_RELAX, 0},
    /* [HINT-1] */
    {"state_not_asked", "gathered_vs_fold", "zs__take_remote", IL_LOAD, "states", 0, IL_LIE, 0x02020202},
    {"flag_not_cleared", "again_vs_fold", "zs__inbox_drain", IL_RMW, "queued", 0, IL_DROP, 0},
    {"flag_not_set", "free_vs_fold", "zs__inbox_push", IL_RMW, "queued", 0, IL_LIE, 0},
    {"next_after_push", "again_vs_fold", "zs__inbox_push", IL_STORE, "next", 0, IL_LATER, 0},
    {"next_after_flag", "again_vs_fold", "zs__inbox_drain", IL_LOAD, "next", 0, IL_LATER, offsetof(zs__hint, queued)},
    {"hint_lost", "again_vs_fold", "zs__inbox_push", IL_CAS, "inbox", 0, IL_DROP, 0},
};

int main(int argc, char **argv)
{
    return il_main(argc, argv, scenarios, (int)(sizeof scenarios / sizeof *scenarios), plants,
                   (int)(sizeof plants / sizeof *plants));
}
