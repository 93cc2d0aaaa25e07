/* Remotes, one step at a time: the queue's edges, thresholds, refusals, closing, references. */
#define ZSLAB_IMPLEMENTATION
#include "zslab.h"
#include "tests/lib/pool_check.h"

static zslab_pool_config queue_config(size_t slots, size_t queue, zslab_batch batch)
{
    zslab_pool_config c = pool_config(64, slots);
    c.queue_capacity = queue;
    c.batch = batch;
    return c;
}

/* A pool, a remote of it, and all its slots taken. */
typedef struct setting {
    zslab_pool *p;
    zslab_remote *r;
    void *slot[2048];
} setting;

static void set_up(setting *t, const zslab_pool_config *c)
{
    t->p = pool_make(c);
    t->r = zslab_pool_remote(t->p);
    CHECK(t->r != NULL);
    pool_take(t->p, t->slot, c->slot_count);
}

static void tear_down(setting *t)
{
    CHECK_EQ(pool_stats(t->p).corruption_events, 0);
    zslab_pool_destroy(t->p);
    zslab_remote_drop(t->r);
}

static void push(setting *t, size_t from, size_t to)
{
    for (; from < to; from++) CHECK_EQ(zslab_remote_try_free(t->r, t->slot[from]), ZSLAB_OK);
}

/* A slot given to a remote is taken home by the allocation that needs it. */
static void test_comes_home_when_needed(void)
{
    zslab_pool_config c = queue_config(1, 0, ZSLAB_BATCH_FIXED);
    setting t;
    int i;
    set_up(&t, &c);
    for (i = 0; i < 100; i++) {
        CHECK(zslab_pool_alloc(t.p) == NULL);
        push(&t, 0, 1);
        CHECK_EQ(pool_stats(t.p).queued, 1);
        CHECK_EQ(pool_stats(t.p).live, 0);
        CHECK(zslab_pool_alloc(t.p) == t.slot[0]);
    }
    CHECK_EQ(pool_stats(t.p).drains, 100);
    CHECK_EQ(pool_stats(t.p).reuses, 100);
    CHECK_EQ(pool_stats(t.p).high_water, 1);
    tear_down(&t);
}

/* Queues of no, one, two and sixteen places, under both policies, with an owner that only allocates or only
   frees: exactly so many fit, the next is refused and stays with its caller, one owner's call makes room. */
static void test_queue_edges(void)
{
    static const size_t sizes[] = {ZSLAB_POOL_NO_QUEUE, 1, 2, 16};
    size_t i, room, n;
    int batch, frees;
    for (i = 0; i < 16; i++) {
        zslab_pool_config c = queue_config(100, sizes[i / 4], (zslab_batch)(i & 1));
        setting t;
        batch = (int)(i & 1), frees = (int)(i >> 1 & 1);
        room = sizes[i / 4] == ZSLAB_POOL_NO_QUEUE ? 0 : sizes[i / 4];
        set_up(&t, &c);
        CHECK_EQ(zslab_pool_free(t.p, t.slot[99]), ZSLAB_OK); /* the owner has something to allocate */
        CHECK_EQ(zslab_pool_free(t.p, t.slot[98]), ZSLAB_OK);
        CHECK_EQ(zslab_pool_free(t.p, t.slot[97]), ZSLAB_OK);
        for (n = 0; n < 3; n++) {
            size_t used = n * room;
            push(&t, used, used + room);
            CHECK_EQ(zslab_remote_try_free(t.r, t.slot[used + room]), ZSLAB_E_FULL);
            CHECK_EQ(pool_stats(t.p).queued, room);
            CHECK_EQ(pool_stats(t.p).remote_full, n + 1);
            if (frees)
                CHECK_EQ(zslab_pool_free(t.p, t.slot[90 + n]), ZSLAB_OK);
            else
                CHECK(zslab_pool_alloc(t.p) != NULL);
            CHECK_EQ(pool_stats(t.p).queued, 0);
            CHECK_EQ(pool_stats(t.p).drains, room ? n + 1 : 0);
        }
        CHECK_EQ(zslab_pool_free(t.p, t.slot[3 * room]), ZSLAB_OK); /* the refused one is the caller's */
        CHECK_EQ(pool_stats(t.p).drain_threshold != 0, batch == ZSLAB_BATCH_ADAPTIVE && room);
        if (!room) CHECK_EQ(zslab_remote_free(t.r, t.slot[50]), ZSLAB_E_FULL); /* it does not wait for ever */
        tear_down(&t);
    }
}

/* The owner passes by until the threshold is reached, by allocations and by frees. */
static void test_fixed_threshold(void)
{
    static const size_t batches[] = {0, 1, 7, 64, 1024, 5000};
    static const size_t queues[] = {0, 100, 1024};
    size_t b, q, i;
    for (b = 0; b < 6; b++) {
        for (q = 0; q < 3; q++) {
            zslab_pool_config c = queue_config(2000, queues[q], ZSLAB_BATCH_FIXED);
            size_t room = queues[q] ? queues[q] : 1024, wait = batches[b] ? batches[b] : 64;
            setting t;
            c.batch_count = batches[b];
            if (wait > room) wait = room;
            set_up(&t, &c);
            CHECK_EQ(zslab_pool_free(t.p, t.slot[1999]), ZSLAB_OK);
            for (i = 0; i + 1 < wait; i++) {
                push(&t, i, i + 1);
                CHECK(zslab_pool_alloc(t.p) == t.slot[1999]);
                CHECK_EQ(zslab_pool_free(t.p, t.slot[1999]), ZSLAB_OK);
            }
            CHECK_EQ(pool_stats(t.p).queued, wait - 1);
            CHECK_EQ(pool_stats(t.p).drains, 0);
            push(&t, i, i + 1);
            if (b & 1)
                CHECK(zslab_pool_alloc(t.p) == t.slot[i]);
            else
                CHECK_EQ(zslab_pool_free(t.p, t.slot[1998]), ZSLAB_OK);
            CHECK_EQ(pool_stats(t.p).queued, 0);
            CHECK_EQ(pool_stats(t.p).drains, 1);
            CHECK_EQ(pool_stats(t.p).drain_threshold, 0);
            tear_down(&t);
        }
    }
}

/* The adaptive policy against the rule as it is written down, drain by drain. */
static void test_adaptive_rule(size_t room, uint64_t seed)
{
    zslab_pool_config c = queue_config(1100, room, ZSLAB_BATCH_ADAPTIVE);
    size_t threshold = 64, cooldown = 0, step, i, ups = 0, downs = 0;
    uint64_t rng = seed;
    setting t;
    set_up(&t, &c);
    CHECK_EQ(pool_stats(t.p).drain_threshold, threshold < room ? threshold : room);
    for (step = 0; step < 2000; step++) {
        size_t phase = step / 200 % 3;
        size_t filled = phase == 0 ? room : phase == 1 ? 1 : 1 + (size_t)(random_next(&rng) % room);
        push(&t, 0, filled);
        CHECK_EQ(zslab_pool_drain(t.p), filled);
        for (i = filled; i-- > 0;) CHECK(zslab_pool_alloc(t.p) != NULL);
        if (cooldown) {
            cooldown--;
        } else if (filled * 100 > room * 75 && threshold > 8) {
            threshold /= 2, cooldown = 16, downs++;
        } else if (filled * 100 < room * 25 && threshold < 128) {
            threshold *= 2, cooldown = 16, ups++;
        }
        CHECK_EQ(pool_stats(t.p).drain_threshold, threshold < room ? threshold : room);
    }
    CHECK(downs >= 3);
    CHECK(room < 8 || (ups >= 4 && downs >= 4));
    tear_down(&t);
}

/* What a remote refuses on the spot, and that it changes nothing. */
static void test_refusals(void)
{
    zslab_pool_config c = queue_config(10, 0, ZSLAB_BATCH_FIXED);
    zslab_pool_stats before, after;
    setting t;
    char *base;
    set_up(&t, &c);
    base = (char *)pool_stats(t.p).base;
    CHECK_EQ(zslab_pool_free(t.p, t.slot[0]), ZSLAB_OK);
    push(&t, 1, 2);
    before = pool_stats(t.p);
    CHECK_EQ(zslab_remote_try_free(t.r, t.slot[0]), ZSLAB_E_DOUBLE_FREE);
    CHECK_EQ(zslab_remote_try_free(t.r, t.slot[1]), ZSLAB_E_DOUBLE_FREE);
    CHECK_EQ(zslab_remote_free(t.r, t.slot[1]), ZSLAB_E_DOUBLE_FREE);
    CHECK_EQ(zslab_pool_free(t.p, t.slot[1]), ZSLAB_E_DOUBLE_FREE);
    CHECK_EQ(zslab_remote_try_free(t.r, base + 5), ZSLAB_E_MISALIGNED);
    CHECK_EQ(zslab_remote_free(t.r, base + 639), ZSLAB_E_MISALIGNED);
    CHECK_EQ(zslab_remote_try_free(t.r, base + 640), ZSLAB_E_FOREIGN);
    CHECK_EQ(zslab_remote_try_free(t.r, base - 64), ZSLAB_E_FOREIGN);
    CHECK_EQ(zslab_remote_free(t.r, &t), ZSLAB_E_FOREIGN);
    CHECK_EQ(zslab_remote_try_free(t.r, NULL), ZSLAB_OK);
    CHECK_EQ(zslab_remote_free(t.r, NULL), ZSLAB_OK);
    after = pool_stats(t.p);
    CHECK(memcmp(&before, &after, sizeof before) == 0);
    tear_down(&t);
}

static void test_null_everywhere(void)
{
    CHECK(zslab_pool_remote(NULL) == NULL);
    CHECK_EQ(zslab_last_error(), ZSLAB_E_INVALID);
    CHECK(zslab_remote_clone(NULL) == NULL);
    CHECK_EQ(zslab_remote_try_free(NULL, NULL), ZSLAB_E_INVALID);
    CHECK_EQ(zslab_remote_free(NULL, NULL), ZSLAB_E_INVALID);
    zslab_remote_drop(NULL);
}

/* After the owner is gone: slots readable, every free refused with the slot left to its caller. */
static void test_outlives_its_owner(void)
{
    zslab_pool_config c = queue_config(20, 4, ZSLAB_BATCH_FIXED);
    zslab_remote *second;
    setting t;
    size_t i;
    set_up(&t, &c);
    second = zslab_remote_clone(t.r);
    CHECK(second != NULL);
    for (i = 0; i < 20; i++) memset(t.slot[i], (int)i, 64);
    push(&t, 0, 4);
    zslab_pool_destroy(t.p);
    for (i = 4; i < 20; i++) {
        CHECK_EQ(zslab_remote_try_free(t.r, t.slot[i]), ZSLAB_E_CLOSED);
        CHECK_EQ(zslab_remote_free(second, t.slot[i]), ZSLAB_E_CLOSED);
        CHECK(((unsigned char *)t.slot[i])[63] == i);
    }
    zslab_remote_drop(t.r);
    CHECK_EQ(zslab_remote_try_free(second, t.slot[4]), ZSLAB_E_CLOSED);
    zslab_remote_drop(second);
}

/* Closed comes before full: nobody waits for an owner that is gone. */
static void test_full_then_closed(void)
{
    size_t queue;
    for (queue = 1; queue <= 16; queue *= 4) {
        zslab_pool_config c = queue_config(40, queue, ZSLAB_BATCH_ADAPTIVE);
        setting t;
        set_up(&t, &c);
        push(&t, 0, queue);
        CHECK_EQ(zslab_remote_try_free(t.r, t.slot[queue]), ZSLAB_E_FULL);
        zslab_pool_destroy(t.p);
        CHECK_EQ(zslab_remote_free(t.r, t.slot[queue]), ZSLAB_E_CLOSED);
        zslab_remote_drop(t.r);
    }
}

/* The block leaves with the last reference, whichever it is, and not before. */
static int mapped(const void *at)
{
#if defined(__linux__)
    char line[256];
    unsigned long long from, to;
    FILE *f = fopen("/proc/self/maps", "r");
    int found = 0;
    CHECK(f != NULL);
    while (!found && fgets(line, sizeof line, f))
        found = sscanf(line, "%llx-%llx", &from, &to) == 2 && (uintptr_t)at >= from && (uintptr_t)at < to;
    fclose(f);
    return found;
#else
    return (void)at, -1;
#endif
}

static void test_last_reference(void)
{
    zslab_pool_config c = pool_config(4096, 1000);
    zslab_pool *p = pool_make(&c);
    zslab_remote *r = zslab_pool_remote(p), *s = zslab_remote_clone(r);
    char *base = (char *)pool_stats(p).base;
    const int before = mapped(base);
    zslab_remote_drop(r);
    zslab_pool_destroy(p);
    CHECK(mapped(base) == before);
    zslab_remote_drop(s);
    CHECK(mapped(base) != 1);
    p = pool_make(&c);
    r = zslab_pool_remote(p);
    base = (char *)pool_stats(p).base;
    zslab_remote_drop(r);
    CHECK(mapped(base) == before);
    zslab_pool_destroy(p);
    CHECK(mapped(base) != 1);
}

static void test_too_many_references(void)
{
    zslab_pool_config c = pool_config(8, 1);
    zslab_pool *p = pool_make(&c);
    zslab_remote *r = zslab_pool_remote(p);
    p->r.inbox.refs = UINT32_C(0x80000000);
    CHECK(zslab_remote_clone(r) == NULL);
    CHECK_EQ(zslab_last_error(), ZSLAB_E_LIMIT);
    CHECK_EQ(p->r.inbox.refs, UINT32_C(0x80000000));
    p->r.inbox.refs = 2;
    zslab_pool_destroy(p);
    zslab_remote_drop(r);
}

static size_t heap_live;
static void *heap_alloc(void *user, size_t bytes, size_t alignment)
{
    (void)user, (void)alignment;
    heap_live++;
    return malloc(bytes);
}
static void heap_free(void *user, void *p)
{
    (void)user;
    heap_live--;
    free(p);
}

/* A remote need not know where an object came from; the fallback's need no owner to go back. */
static void test_fallback_objects(void)
{
    zslab_pool_config c = queue_config(2, 1, ZSLAB_BATCH_FIXED);
    zslab_pool *p;
    zslab_remote *r;
    void *slot[2], *object[3];
    int i;
    c.fallback.alloc = heap_alloc;
    c.fallback.free = heap_free;
    p = pool_make(&c);
    r = zslab_pool_remote(p);
    pool_take(p, slot, 2);
    for (i = 0; i < 3; i++) CHECK((object[i] = zslab_pool_alloc(p)) != NULL);
    CHECK_EQ(heap_live, 3);
    CHECK_EQ(zslab_remote_try_free(r, object[0]), ZSLAB_OK);
    CHECK_EQ(zslab_remote_free(r, object[1]), ZSLAB_OK);
    CHECK_EQ(zslab_remote_try_free(r, slot[0]), ZSLAB_OK);
    CHECK_EQ(zslab_remote_try_free(r, slot[1]), ZSLAB_E_FULL);
    CHECK(zslab_pool_alloc(p) == slot[0]);
    zslab_pool_destroy(p);
    CHECK_EQ(zslab_remote_try_free(r, object[2]), ZSLAB_OK);
    CHECK_EQ(heap_live, 0);
    zslab_remote_drop(r);
}

/* In the caller's memory the whole story lives in the buffer. */
static void test_callers_memory(void)
{
    zslab_pool_config c = queue_config(10, 3, ZSLAB_BATCH_FIXED);
    void *memory;
    setting t;
    c.memory_bytes = zslab_pool_bytes(&c);
    c.memory = memory = malloc(c.memory_bytes);
    CHECK(memory != NULL);
    set_up(&t, &c);
    push(&t, 0, 3);
    CHECK_EQ(zslab_remote_try_free(t.r, t.slot[3]), ZSLAB_E_FULL);
    CHECK_EQ(zslab_pool_drain(t.p), 3);
    CHECK_EQ(zslab_pool_drain(t.p), 0);
    push(&t, 3, 6);
    tear_down(&t);
    free(memory);
}

/* Counters far up: positions are 64 bits wide, and the cells go round. */
static void test_many_rounds(void)
{
    zslab_pool_config c = queue_config(8, 3, ZSLAB_BATCH_FIXED);
    setting t;
    int i;
    set_up(&t, &c);
    t.p->r.head = t.p->r.inbox.tail = (UINT64_C(1) << 32) - 50;
    t.p->drain_at = t.p->r.head + 3;
    for (i = 0; i < 100; i++) {
        push(&t, 0, 3);
        CHECK_EQ(zslab_remote_try_free(t.r, t.slot[3]), ZSLAB_E_FULL);
        CHECK_EQ(zslab_pool_drain(t.p), 3);
        pool_take(t.p, t.slot, 3);
    }
    tear_down(&t);
}

int main(void)
{
    test_comes_home_when_needed();
    test_queue_edges();
    test_fixed_threshold();
    test_adaptive_rule(1024, 1);
    test_adaptive_rule(100, 2);
    test_adaptive_rule(16, 3);
    test_adaptive_rule(1, 4);
    test_refusals();
    test_null_everywhere();
    test_outlives_its_owner();
    test_full_then_closed();
    test_last_reference();
    test_too_many_references();
    test_fallback_objects();
    test_callers_memory();
    test_many_rounds();
    puts("remotes: all as told");
    return 0;
}
