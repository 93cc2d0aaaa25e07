/* Pools whose free slots are overwritten, as a release build meets it: counted, lost, never followed. */
#define ZSLAB_ASSERT(x) ((void)0)
#define ZSLAB_IMPLEMENTATION
#include "zslab.h"
#include "tests/lib/pool_check.h"

enum { SLOTS = 50 };

/* A stray store comes: memory checkers are not to report it, the pool is to live with it. */
static unsigned char *stray(void *slot, size_t bytes)
{
    zs__mem_show(slot, bytes);
    return (unsigned char *)slot;
}

/* Takes every slot there is: distinct, inside, whole. Returns how many. */
static size_t take_all(zslab_pool *p, void **out)
{
    const zslab_pool_stats s = pool_stats(p);
    char seen[SLOTS] = {0};
    size_t n = 0, idx;
    void *slot;
    while ((slot = zslab_pool_alloc(p)) != NULL) {
        idx = (size_t)((char *)slot - (char *)s.base) / s.slot_bytes;
        CHECK(zslab_pool_owns(p, slot) && idx < SLOTS && !seen[idx] && n < SLOTS);
        CHECK((char *)slot == (char *)s.base + idx * s.slot_bytes);
        seen[idx] = 1;
        out[n++] = slot;
    }
    return n;
}

/* A store through a dangling pointer costs that slot and no other, and no figure but its own. */
static void test_one_damaged(void)
{
    zslab_pool_config c = pool_config(64, SLOTS);
    zslab_pool *p = pool_make(&c);
    void *slot[SLOTS];
    size_t i;
    CHECK_EQ(take_all(p, slot), SLOTS);
    for (i = 0; i < SLOTS; i++) CHECK_EQ(zslab_pool_free(p, slot[i]), ZSLAB_OK);
    memset(stray(slot[20], 64), 0x41, 64);
    CHECK_EQ(take_all(p, slot), SLOTS - 1);
    CHECK_EQ(pool_stats(p).corruption_events, 1);
    CHECK_EQ(pool_stats(p).live, SLOTS - 1);
    CHECK_EQ(pool_stats(p).high_water, SLOTS);
    CHECK_EQ(zslab_pool_free(p, (char *)pool_stats(p).base + 20 * 64), ZSLAB_E_DOUBLE_FREE);
    CHECK_EQ(zslab_pool_free(p, slot[3]), ZSLAB_OK);
    CHECK(zslab_pool_alloc(p) == slot[3]);
    zslab_pool_destroy(p);
}

/* Every single bit of a link, and a link copied from another free slot. */
static void test_every_bit(void)
{
    int bit;
    for (bit = 0; bit < 65; bit++) {
        zslab_pool_config c = pool_config(8, SLOTS);
        zslab_pool *p = pool_make(&c);
        void *slot[SLOTS];
        size_t i;
        CHECK_EQ(take_all(p, slot), SLOTS);
        for (i = 0; i < SLOTS; i++) CHECK_EQ(zslab_pool_free(p, slot[i]), ZSLAB_OK);
        if (bit < 64)
            stray(slot[7], 8)[bit / 8] ^= (unsigned char)(1u << bit % 8);
        else
            memcpy(stray(slot[7], 8), stray(slot[8], 8), 8);
        CHECK_EQ(take_all(p, slot), SLOTS - 1);
        CHECK_EQ(pool_stats(p).corruption_events, 1);
        zslab_pool_destroy(p);
    }
}

/* Random damage in random places, again and again: what is lost is counted, the rest serves on. */
static void test_random_damage(uint64_t seed)
{
    uint64_t rng = seed;
    int round, hit;
    for (round = 0; round < 2000; round++) {
        zslab_pool_config c = pool_config(16, SLOTS);
        zslab_pool *p = pool_make(&c);
        void *slot[SLOTS];
        size_t n = take_all(p, slot), i, lost = 0;
        for (hit = 0; hit < 5; hit++) {
            for (i = 0; i < n; i++) CHECK_EQ(zslab_pool_free(p, slot[i]), ZSLAB_OK);
            for (i = random_next(&rng) % 8; i--;) {
                unsigned char *at = stray(slot[random_next(&rng) % n], 8);
                at[random_next(&rng) % 8] = (unsigned char)random_next(&rng);
            }
            n = take_all(p, slot);
            lost = SLOTS - n;
            CHECK_EQ(pool_stats(p).corruption_events, lost);
            CHECK_EQ(pool_stats(p).live, n);
        }
        zslab_pool_destroy(p);
    }
}

/* Damage met while remotes feed the pool. */
static void test_damage_and_queue(void)
{
    zslab_pool_config c = pool_config(64, SLOTS);
    zslab_pool *p = pool_make(&c);
    zslab_remote *r = zslab_pool_remote(p);
    void *slot[SLOTS];
    size_t i;
    CHECK_EQ(take_all(p, slot), SLOTS);
    for (i = 0; i < 10; i++) CHECK_EQ(zslab_pool_free(p, slot[i]), ZSLAB_OK);
    memset(stray(slot[5], 8), 0, 8);
    for (i = 10; i < 20; i++) CHECK_EQ(zslab_remote_try_free(r, slot[i]), ZSLAB_OK);
    CHECK_EQ(zslab_remote_try_free(r, slot[5]), ZSLAB_E_DOUBLE_FREE);
    CHECK_EQ(take_all(p, slot), 19);
    CHECK_EQ(pool_stats(p).corruption_events, 1);
    CHECK_EQ(pool_stats(p).live, SLOTS - 1);
    zslab_pool_destroy(p);
    zslab_remote_drop(r);
}

/* The pool's own words damaged: the list is made anew from the states. */
static void test_damaged_head(void)
{
    zslab_pool_config c = pool_config(64, SLOTS);
    zslab_pool *p = pool_make(&c);
    void *slot[SLOTS];
    size_t i;
    CHECK_EQ(take_all(p, slot), SLOTS);
    for (i = 0; i < 10; i++) CHECK_EQ(zslab_pool_free(p, slot[i]), ZSLAB_OK);
    p->head = 0x12345678;
    CHECK_EQ(take_all(p, slot), 10);
    CHECK_EQ(pool_stats(p).live, SLOTS);
    zslab_pool_destroy(p);
}

/* A queue cell that names nothing, or a slot that is not queued. */
static void test_damaged_cell(void)
{
    zslab_pool_config c = pool_config(64, SLOTS);
    zslab_pool *p = pool_make(&c);
    zslab_remote *r = zslab_pool_remote(p);
    void *slot[SLOTS];
    CHECK_EQ(take_all(p, slot), SLOTS);
    CHECK_EQ(zslab_remote_try_free(r, slot[0]), ZSLAB_OK);
    CHECK_EQ(zslab_remote_try_free(r, slot[1]), ZSLAB_OK);
    p->r.fixed.cells[0] = 0xfffffff0;
    p->r.fixed.cells[1] = 31;
    CHECK_EQ(zslab_pool_drain(p), 0);
    CHECK_EQ(pool_stats(p).corruption_events, 2);
    CHECK(zslab_pool_alloc(p) == NULL);
    zslab_pool_destroy(p);
    zslab_remote_drop(r);
}

int main(int argc, char **argv)
{
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 20261120;
    test_one_damaged();
    test_every_bit();
    printf("seed %llu\n", (unsigned long long)seed);
    test_random_damage(seed);
    test_damage_and_queue();
    test_damaged_head();
    test_damaged_cell();
    puts("damage: counted, lost, not followed");
    return 0;
}
