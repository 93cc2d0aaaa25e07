/* Pools: one owner, no other thread. */
#define ZSLAB_IMPLEMENTATION
#include "zslab.h"
#include "tests/lib/pool_check.h"

static void test_defaults(void)
{
    zslab_pool *p = pool_make(NULL);
    zslab_pool_stats s = pool_stats(p);
    void *slot = zslab_pool_alloc(p);
    CHECK_EQ(zslab_pool_usable_size(p), 1024);
    CHECK_EQ(s.slot_bytes, 1024);
    CHECK_EQ(s.capacity_bytes, 102400000);
    CHECK_EQ(s.live + s.high_water + s.queued + s.drain_threshold + s.allocs + s.hits + s.fallbacks, 0);
    CHECK_EQ(s.reuses + s.drains + s.remote_full + s.corruption_events, 0);
    CHECK(slot == s.base);
    CHECK_EQ(zslab_pool_free(p, slot), ZSLAB_OK);
    zslab_pool_destroy(p);
}

/* Every byte of every slot belongs to its holder; strides and alignments are as promised. */
static void test_slot_sizes(void)
{
    static const struct {
        size_t bytes, stride;
    } cases[] = {{1, 8},
                 {8, 8},
                 {9, 16},
                 {15, 16},
                 {16, 16},
                 {17, 32},
                 {40, 48},
                 {64, 64},
                 {100, 112},
                 {1000, 1008},
                 {1024, 1024},
                 {3000, 3008},
                 {4097, 4112},
                 {65536, 65536},
                 {1 << 20, 1 << 20},
                 {(1 << 20) + 1, (1 << 20) + 16}};
    size_t i, k, b;
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        zslab_pool_config c = pool_config(cases[i].bytes, 5);
        zslab_pool *p = pool_make(&c);
        unsigned char *slot[5];
        CHECK_EQ(zslab_pool_usable_size(p), cases[i].stride);
        for (k = 0; k < 5; k++) {
            slot[k] = (unsigned char *)zslab_pool_alloc(p);
            CHECK(slot[k] != NULL);
            CHECK_EQ((uintptr_t)slot[k] % (cases[i].stride >= 16 ? 16 : 8), 0);
            memset(slot[k], (int)k + 1, cases[i].stride);
        }
        for (k = 0; k < 5; k++)
            for (b = 0; b < cases[i].stride; b++) CHECK(slot[k][b] == k + 1);
        for (k = 0; k < 5; k++) CHECK_EQ(zslab_pool_free(p, slot[k]), ZSLAB_OK);
        for (k = 5; k-- > 0;) CHECK(zslab_pool_alloc(p) == slot[k]);
        zslab_pool_destroy(p);
    }
}

static void test_newest_first_and_counted(void)
{
    zslab_pool_config c = pool_config(64, 100);
    zslab_pool *p = pool_make(&c);
    void *slot[100];
    zslab_pool_stats s;
    size_t i;
    pool_take(p, slot, 60);
    for (i = 0; i < 20; i++) CHECK_EQ(zslab_pool_free(p, slot[i]), ZSLAB_OK);
    s = pool_stats(p);
    CHECK_EQ(s.live, 40);
    CHECK_EQ(s.high_water, 60);
    CHECK_EQ(s.reuses, 0);
    for (i = 20; i-- > 0;) CHECK(zslab_pool_alloc(p) == slot[i]);
    for (i = 60; i < 100; i++) CHECK(zslab_pool_alloc(p) != NULL);
    s = pool_stats(p);
    CHECK_EQ(s.live, 100);
    CHECK_EQ(s.high_water, 100);
    CHECK_EQ(s.reuses, 20);
    CHECK_EQ(s.hits, 120);
    CHECK_EQ(s.allocs, 120);
    CHECK_EQ(s.fallbacks, 0);
    zslab_pool_destroy(p);
}

/* A refused allocation says why and leaves every figure as it was. */
static void test_full(void)
{
    zslab_pool_config c = pool_config(32, 3);
    zslab_pool *p = pool_make(&c);
    void *slot[3];
    zslab_pool_stats before, after;
    pool_take(p, slot, 3);
    before = pool_stats(p);
    CHECK(zslab_pool_alloc(p) == NULL);
    CHECK_EQ(zslab_last_error(), ZSLAB_E_FULL);
    after = pool_stats(p);
    CHECK(memcmp(&before, &after, sizeof before) == 0);
    CHECK_EQ(zslab_pool_free(p, slot[1]), ZSLAB_OK);
    CHECK(zslab_pool_alloc(p) == slot[1]);
    CHECK(zslab_pool_alloc(p) == NULL);
    zslab_pool_destroy(p);
}

static void test_one_slot(void)
{
    zslab_pool_config c = pool_config(1, 1);
    zslab_pool *p = pool_make(&c);
    void *slot = zslab_pool_alloc(p);
    int i;
    for (i = 0; i < 1000; i++) {
        CHECK(slot != NULL && zslab_pool_alloc(p) == NULL);
        CHECK_EQ(zslab_pool_free(p, slot), ZSLAB_OK);
        CHECK_EQ(zslab_pool_free(p, slot), ZSLAB_E_DOUBLE_FREE);
        CHECK(zslab_pool_alloc(p) == slot);
    }
    CHECK_EQ(pool_stats(p).high_water, 1);
    CHECK_EQ(pool_stats(p).reuses, 1000);
    zslab_pool_destroy(p);
}

/* Every wrong pointer has its answer, and the pool is as before. */
static void test_wrong_frees(void)
{
    zslab_pool_config c = pool_config(48, 10);
    zslab_pool *p = pool_make(&c);
    char *base = (char *)pool_stats(p).base, elsewhere;
    void *slot[4];
    zslab_pool_stats before, after;
    size_t i;
    pool_take(p, slot, 4);
    CHECK_EQ(zslab_pool_free(p, slot[3]), ZSLAB_OK);
    before = pool_stats(p);
    CHECK_EQ(zslab_pool_free(p, slot[3]), ZSLAB_E_DOUBLE_FREE);
    CHECK_EQ(zslab_pool_free(p, base + 7 * 48), ZSLAB_E_DOUBLE_FREE); /* never handed out */
    for (i = 1; i < 480; i++)
        if (i % 48) CHECK_EQ(zslab_pool_free(p, base + i), ZSLAB_E_MISALIGNED);
    CHECK_EQ(zslab_pool_free(p, base - 1), ZSLAB_E_FOREIGN);
    CHECK_EQ(zslab_pool_free(p, base - 48), ZSLAB_E_FOREIGN);
    CHECK_EQ(zslab_pool_free(p, base + 480), ZSLAB_E_FOREIGN);
    CHECK_EQ(zslab_pool_free(p, base + 960), ZSLAB_E_FOREIGN);
    CHECK_EQ(zslab_pool_free(p, &elsewhere), ZSLAB_E_FOREIGN);
    CHECK_EQ(zslab_pool_free(p, (void *)UINTPTR_MAX), ZSLAB_E_FOREIGN);
    CHECK_EQ(zslab_pool_free(p, NULL), ZSLAB_OK);
    after = pool_stats(p);
    CHECK(memcmp(&before, &after, sizeof before) == 0);
    CHECK(zslab_pool_owns(p, base) && zslab_pool_owns(p, base + 479));
    CHECK(!zslab_pool_owns(p, base - 1) && !zslab_pool_owns(p, base + 480) && !zslab_pool_owns(p, NULL));
    zslab_pool_destroy(p);
}

static void test_null_everywhere(void)
{
    zslab_pool_stats s;
    memset(&s, 1, sizeof s);
    CHECK(zslab_pool_alloc(NULL) == NULL);
    CHECK_EQ(zslab_last_error(), ZSLAB_E_INVALID);
    CHECK_EQ(zslab_pool_free(NULL, &s), ZSLAB_E_INVALID);
    CHECK_EQ(zslab_pool_free(NULL, NULL), ZSLAB_E_INVALID);
    CHECK_EQ(zslab_pool_drain(NULL), 0);
    CHECK_EQ(zslab_pool_usable_size(NULL), 0);
    CHECK(!zslab_pool_owns(NULL, &s));
    zslab_stats_pool(NULL, &s);
    CHECK_EQ(s.capacity_bytes + s.allocs, 0);
    zslab_stats_pool(NULL, NULL);
    zslab_pool_destroy(NULL);
}

static void *half_alloc(void *user, size_t bytes, size_t alignment)
{
    return (void)user, (void)bytes, (void)alignment, (void *)NULL;
}

static int half_owns(void *user, const void *p) { return (void)user, (void)p, 0; }

static void test_wrong_configurations(void)
{
    char buffer[64];
    zslab_pool_config c[10];
    size_t i;
    for (i = 0; i < 10; i++) c[i] = pool_config(64, 4);
    c[0].slot_bytes = SIZE_MAX;
    c[1].slot_count = (size_t)UINT32_MAX;
    c[2].slot_bytes = SIZE_MAX / 8, c[2].slot_count = 100;
    c[3].memory = buffer;
    c[4].memory_bytes = 1 << 20;
    c[5].memory = buffer, c[5].memory_bytes = sizeof buffer;
    c[6].queue_capacity = ((size_t)1 << 24) + 1;
    c[7].batch = (zslab_batch)2;
    c[8].fallback.alloc = half_alloc;
    c[9].fallback.owns = half_owns;
    for (i = 0; i < 10; i++) {
        CHECK(zslab_pool_create(&c[i]) == NULL);
        CHECK_EQ(zslab_last_error(), ZSLAB_E_INVALID);
    }
    CHECK_EQ(zslab_pool_bytes(&c[0]), 0);
    CHECK_EQ(zslab_pool_bytes(&c[2]), 0);
    CHECK(zslab_pool_bytes(&c[5]) > 4 * 64);
}

#if SIZE_MAX > 0xffffffffu
/* More than the address space has: refused by the system, and said so. */
static void test_no_memory(void)
{
    zslab_pool_config c = pool_config((size_t)1 << 28, UINT32_C(0xfffffffe));
    CHECK(zslab_pool_create(&c) == NULL);
    CHECK_EQ(zslab_last_error(), ZSLAB_E_NOMEM);
}
#endif

/* A buffer that begins anywhere, of exactly the bytes asked for: what lies around it stays untouched. */
static void test_callers_memory(void)
{
    static const size_t sizes[] = {1, 24, 64, 1000, 4096};
    static const size_t queues[] = {0, 1, 5, ZSLAB_POOL_NO_QUEUE};
    size_t i, q, shift, k;
    for (i = 0; i < 5; i++) {
        for (q = 0; q < 4; q++) {
            zslab_pool_config c = pool_config(sizes[i], 9);
            size_t need;
            c.queue_capacity = queues[q];
            need = zslab_pool_bytes(&c);
            for (shift = 0; shift < 200; shift += 13) {
                unsigned char *room = (unsigned char *)malloc(need + 400);
                zslab_pool *p;
                void *slot;
                CHECK(room != NULL);
                memset(room, 0xa5, need + 400);
                c.memory = room + shift;
                c.memory_bytes = need;
                p = pool_make(&c);
                for (k = 0; k < 9; k++) {
                    slot = zslab_pool_alloc(p);
                    CHECK((unsigned char *)slot >= room + shift && zslab_pool_owns(p, slot));
                    memset(slot, 0xff, zslab_pool_usable_size(p));
                }
                CHECK(zslab_pool_alloc(p) == NULL);
                zslab_pool_destroy(p);
                for (k = 0; k < shift; k++) CHECK(room[k] == 0xa5);
                for (k = shift + need; k < need + 400; k++) CHECK(room[k] == 0xa5);
                free(room);
            }
        }
    }
}

/* A fallback that counts, and refuses when told to. */
typedef struct counting {
    size_t live, calls, bytes, alignment;
    int refuse, know;
    void *known[64];
} counting;

static void *counting_alloc(void *user, size_t bytes, size_t alignment)
{
    counting *c = (counting *)user;
    void *p = c->refuse ? NULL : malloc(bytes);
    c->calls++;
    c->bytes = bytes, c->alignment = alignment;
    if (p) c->known[c->live++] = p;
    return p;
}

static size_t counting_find(const counting *c, const void *p)
{
    size_t i;
    for (i = 0; i < c->live && c->known[i] != p; i++)
        ;
    return i;
}

static void counting_free(void *user, void *p)
{
    counting *c = (counting *)user;
    size_t i = counting_find(c, p);
    CHECK(i < c->live);
    c->known[i] = c->known[--c->live];
    free(p);
}

static int counting_owns(void *user, const void *p)
{
    return counting_find((counting *)user, p) < ((counting *)user)->live;
}

/* The fallback serves what the pool cannot, and both come back through one call. */
static void test_fallback(void)
{
    counting heap;
    zslab_pool_config c = pool_config(100, 8);
    zslab_pool *p;
    zslab_pool_stats s, after;
    void *object[20];
    size_t i;
    memset(&heap, 0, sizeof heap);
    c.fallback.alloc = counting_alloc;
    c.fallback.free = counting_free;
    c.fallback.owns = counting_owns;
    c.fallback.user = &heap;
    p = pool_make(&c);
    for (i = 0; i < 20; i++) {
        object[i] = zslab_pool_alloc(p);
        CHECK(object[i] != NULL && zslab_pool_owns(p, object[i]) == (i < 8));
        memset(object[i], 1, zslab_pool_usable_size(p));
    }
    CHECK(heap.bytes == 112 && heap.alignment == 16 && heap.live == 12);
    s = pool_stats(p);
    CHECK(s.live == 8 && s.hits == 8 && s.fallbacks == 12 && s.allocs == 20);
    heap.refuse = 1;
    CHECK(zslab_pool_alloc(p) == NULL);
    CHECK_EQ(zslab_last_error(), ZSLAB_E_NOMEM);
    after = pool_stats(p);
    CHECK(memcmp(&s, &after, sizeof s) == 0);
    CHECK_EQ(zslab_pool_free(p, &heap), ZSLAB_E_FOREIGN);
    for (i = 0; i < 20; i++) CHECK_EQ(zslab_pool_free(p, object[i]), ZSLAB_OK);
    CHECK(heap.live == 0 && pool_stats(p).live == 0);
    heap.calls = 0;
    for (i = 0; i < 8; i++) CHECK(zslab_pool_owns(p, zslab_pool_alloc(p)));
    CHECK_EQ(heap.calls, 0);
    zslab_pool_destroy(p);
}

/* Without owns, every address outside the pool goes to the fallback. */
static void test_fallback_without_owns(void)
{
    counting heap;
    zslab_pool_config c = pool_config(8, 1);
    zslab_pool *p;
    void *slot, *object;
    memset(&heap, 0, sizeof heap);
    c.fallback.alloc = counting_alloc;
    c.fallback.free = counting_free;
    c.fallback.user = &heap;
    p = pool_make(&c);
    slot = zslab_pool_alloc(p);
    object = zslab_pool_alloc(p);
    CHECK(heap.live == 1 && heap.bytes == 8 && heap.alignment == 8);
    CHECK_EQ(zslab_pool_free(p, (char *)slot + 1), ZSLAB_E_MISALIGNED);
    CHECK_EQ(zslab_pool_free(p, object), ZSLAB_OK);
    CHECK_EQ(heap.live, 0);
    zslab_pool_destroy(p);
}

/* Random operations against a plain model: every pointer, code and figure. */
enum { MODEL_SLOTS = 37, MODEL_STEPS = 200000 };
static void test_model(uint64_t seed)
{
    zslab_pool_config c = pool_config(24, MODEL_SLOTS);
    zslab_pool *p = pool_make(&c);
    char *base = (char *)pool_stats(p).base;
    size_t stack[MODEL_SLOTS], free_count = 0, fresh = 0, live = 0, high = 0, step;
    uint64_t hits = 0, reuses = 0, rng = seed;
    int held[MODEL_SLOTS] = {0};
    for (step = 0; step < MODEL_STEPS; step++) {
        uint64_t r = random_next(&rng);
        size_t idx = (size_t)(r >> 8) % MODEL_SLOTS;
        if (r % 16 < 8 + (step >> 12) % 3) {
            char *got = (char *)zslab_pool_alloc(p);
            if (free_count) {
                idx = stack[--free_count];
                reuses++;
            } else if (fresh < MODEL_SLOTS) {
                idx = fresh++;
            } else {
                CHECK(got == NULL);
                continue;
            }
            CHECK(got == base + idx * 32);
            memset(got, (int)r, 32);
            held[idx] = 1;
            hits++;
            if (++live > high) high = live;
        } else if (r % 16 == 15) {
            CHECK_EQ(zslab_pool_free(p, base + idx * 32 + 1 + (r >> 32) % 31), ZSLAB_E_MISALIGNED);
        } else if (held[idx]) {
            CHECK_EQ(zslab_pool_free(p, base + idx * 32), ZSLAB_OK);
            held[idx] = 0;
            stack[free_count++] = idx;
            live--;
        } else {
            CHECK_EQ(zslab_pool_free(p, base + idx * 32), ZSLAB_E_DOUBLE_FREE);
        }
        if (step % 64 == 0) {
            zslab_pool_stats s = pool_stats(p);
            CHECK(s.live == live && s.high_water == high && s.hits == hits && s.reuses == reuses);
            CHECK(s.corruption_events == 0 && s.allocs == hits);
        }
    }
    zslab_pool_destroy(p);
}

/* The index of every offset, slot or not, of strides that share nothing but the pool. */
static void test_index_arithmetic(void)
{
    size_t stride, off;
    for (stride = 8; stride <= 2048; stride += stride < 16 ? 8 : 16) {
        zslab_pool_config c = pool_config(stride, 20);
        zslab_pool *p = pool_make(&c);
        const zs__pool_fixed *f = &p->r.fixed;
        for (off = 0; off < 21 * stride; off++) {
            uintptr_t idx = zs__pool_index_of(f, f->base + off);
            if (off % stride == 0 && off < 20 * stride)
                CHECK_EQ(idx, off / stride);
            else
                CHECK(idx >= 20);
        }
        zslab_pool_destroy(p);
    }
}

int main(int argc, char **argv)
{
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 20261120;
    test_defaults();
    test_slot_sizes();
    test_newest_first_and_counted();
    test_full();
    test_one_slot();
    test_wrong_frees();
    test_null_everywhere();
    test_wrong_configurations();
#if SIZE_MAX > 0xffffffffu
    test_no_memory();
#endif
    test_callers_memory();
    test_fallback();
    test_fallback_without_owns();
    printf("seed %llu\n", (unsigned long long)seed);
    test_model(seed);
    test_index_arithmetic();
    puts("pools: all as told");
    return 0;
}
