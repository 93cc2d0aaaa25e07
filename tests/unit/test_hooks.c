/* ZSLAB_ON_ALLOC, _FREE and _EPOCH: every object heard of once when it is given out and once when it is taken
   back, by whatever call; whatever the threads, the two alternate for an address. [HOOK-1] */
#define _GNU_SOURCE
#include <stddef.h>
#include <stdint.h>
static void heard_alloc(const void *p, size_t size, uint64_t epoch);
static void heard_free(const void *p, uint64_t epoch, size_t usable);
static void heard_epoch(uint64_t epoch, int event);
#define ZSLAB_ON_ALLOC(z, p, size) heard_alloc((p), (size), zslab_epoch_of((z), (p)))
#define ZSLAB_ON_FREE(z, p) heard_free((p), zslab_epoch_of((z), (p)), zslab_usable_size((z), (p)))
#define ZSLAB_ON_EPOCH(z, epoch, event) heard_epoch((epoch), (int)(event))
#include "tests/lib/test.h"

enum { TABLE = 1 << 16 };
static struct {
    pthread_mutex_t lock; /* guards the rest */
    size_t allocs, frees, live, last_size;
    const void *at[TABLE]; /* what is out, by open addressing; a freed one leaves its place to be used again */
    int out[TABLE];
    uint64_t epoch[TABLE];
} heard = {PTHREAD_MUTEX_INITIALIZER, 0, 0, 0, 0, {0}, {0}, {0}};
static struct {
    size_t count;
    uint64_t epoch[64];
    int event[64];
} events;

static size_t place_of(const void *p)
{
    size_t i = (size_t)((uintptr_t)p >> 3) * (size_t)0x9E3779B97F4A7C15u >> 7;
    for (i %= TABLE; heard.at[i] && heard.at[i] != p; i = (i + 1) % TABLE)
        ;
    return i;
}

static void heard_alloc(const void *p, size_t size, uint64_t epoch)
{
    size_t i;
    pthread_mutex_lock(&heard.lock);
    heard.allocs++;
    heard.last_size = size;
    i = place_of(p);
    heard.live += !heard.out[i];
    CHECK(p && !heard.out[i]);
    zs__rank_none();
    heard.at[i] = p;
    heard.out[i] = 1;
    heard.epoch[i] = epoch;
    pthread_mutex_unlock(&heard.lock);
}

static void heard_free(const void *p, uint64_t epoch, size_t usable) /* it is there still, whatever frees it */
{
    size_t i;
    zs__rank_none();
    pthread_mutex_lock(&heard.lock);
    heard.frees++;
    i = place_of(p);
    heard.live -= heard.out[i] != 0;
    CHECK(heard.out[i] && epoch == heard.epoch[i] && usable);
    heard.out[i] = 0;
    pthread_mutex_unlock(&heard.lock);
}

static void heard_epoch(uint64_t epoch, int event)
{
    size_t i;
    pthread_mutex_lock(&heard.lock);
    for (i = 0; i < TABLE && (event == ZSLAB_EPOCH_EVENT_RESET || event == ZSLAB_EPOCH_EVENT_RELEASE); i++)
        if (heard.out[i] && heard.epoch[i] == epoch) {
            heard.out[i] = 0;
            heard.live--;
        }
    pthread_mutex_unlock(&heard.lock);
    if (events.count < 64) {
        events.epoch[events.count] = epoch;
        events.event[events.count++] = event;
    }
}

static void forget(void)
{
    heard.allocs = heard.frees = heard.live = 0;
    memset(heard.at, 0, sizeof heard.at);
    memset(heard.out, 0, sizeof heard.out);
    events.count = 0;
}

/* HEARD(allocs, frees) -- of so many since the last look. */
#define HEARD(a, f) heard_is((a), (f), __LINE__)
static void heard_is(size_t allocs, size_t frees, int line)
{
    char got[96];
    snprintf(got, sizeof got, "%zu and %zu, not %zu and %zu", heard.allocs, heard.frees, allocs, frees);
    test_count(heard.allocs == allocs && heard.frees == frees, __FILE__, line, "allocations and frees heard", got);
    heard.allocs = heard.frees = 0;
}

/* ---- a fallback that counts nothing: the hooks do ---- */
static void *fall_alloc(void *user, size_t size, size_t alignment)
{
    (void)user;
    return test_aligned_alloc(alignment, size);
}
static void fall_free(void *user, void *p)
{
    (void)user;
    test_aligned_free(p);
}
static size_t fall_usable(void *user, const void *p)
{
    (void)user, (void)p;
    return 100000;
}

static void *free_all(void *user)
{
    void **p = (void **)user;
    size_t i;
    for (i = 1; p[i]; i++) CHECK_IS(zslab_free((zslab *)p[0], p[i]), ZSLAB_OK);
    return NULL;
}

static void plain(zslab *z)
{
    static void *p[3002];
    size_t i;
    for (i = 1; i <= 3000; i++) /* fast and slow paths */
        MUST(p[i] = zslab_malloc(z, 1 + i % 500));
    HEARD(3000, 0);
    CHECK(heard.last_size == 1); /* as asked for, not as large as the class */
    for (i = 1; i <= 1500; i++) CHECK_IS(zslab_free(z, p[i]), ZSLAB_OK);
    HEARD(0, 1500);
    memmove(p + 1, p + 1501, 1500 * sizeof *p);
    p[0] = z;
    p[1501] = NULL;
    test_in_thread(free_all, p);
    HEARD(0, 1500);
    CHECK_IS(zslab_free(z, NULL), ZSLAB_OK);
    CHECK_IS(zslab_free(z, p[1]), ZSLAB_E_DOUBLE_FREE);
    CHECK_IS(zslab_free(z, (void *)&i), ZSLAB_E_FOREIGN);
    CHECK_FAILS(zslab_malloc(z, 0), ZSLAB_E_INVALID);
    CHECK_FAILS(zslab_malloc(z, z->range_bytes / 2 + 1), ZSLAB_E_TOO_BIG);
    HEARD(0, 0);
}

static void other_calls(zslab *z)
{
    void *p[100], *q;
    zslab_heap *heap = zslab_heap_create(z);
    MUST(q = zslab_calloc(z, 3, 50));
    HEARD(1, 0);
    CHECK(heard.last_size == 150);
    CHECK_IS(zslab_free_sized(z, q, 10), ZSLAB_E_INVALID);
    HEARD(0, 0);
    CHECK_IS(zslab_free_sized(z, q, 150), ZSLAB_OK);
    HEARD(0, 1);
    MUST(q = zslab_aligned_alloc(z, 64, 65));
    HEARD(1, 0);
    CHECK(heard.last_size == 65);
    CHECK(zslab_malloc_batch(z, 40, 99, p) == 99);
    HEARD(99, 0);
    p[99] = NULL;
    CHECK(zslab_free_batch(z, p, 100) == 99);
    CHECK(zslab_free_batch(z, p, 100) == 0);
    HEARD(0, 99);
    CHECK(zslab_realloc(z, q, 120) == q);
    HEARD(0, 0);
    MUST(q = zslab_realloc(z, q, 1000));
    HEARD(1, 1);
    CHECK(heard.last_size == 1000);
    CHECK_FAILS(zslab_realloc(z, q, 0), ZSLAB_E_INVALID);
    CHECK_FAILS(zslab_realloc(z, q, z->range_bytes / 2 + 1), ZSLAB_E_TOO_BIG);
    HEARD(0, 0);
    MUST(p[0] = zslab_realloc(z, NULL, 10));
    HEARD(1, 0);
    MUST(p[1] = zslab_heap_malloc(heap, 24));
    MUST(p[2] = zslab_heap_malloc_epoch(heap, 24, zslab_epoch_current(z)));
    CHECK_FAILS(zslab_heap_malloc_epoch(heap, 24, ZSLAB_EPOCH_NONE), ZSLAB_E_CLOSED);
    HEARD(2, 0);
    CHECK_IS(zslab_heap_free(heap, p[0]), ZSLAB_OK);
    CHECK_IS(zslab_heap_free(heap, p[1]), ZSLAB_OK);
    CHECK_IS(zslab_free(z, p[2]), ZSLAB_OK);
    CHECK_IS(zslab_free(z, q), ZSLAB_OK);
    HEARD(0, 4);
    zslab_heap_destroy(heap);
}

/* Larger than every class, plain and with a handle, freed here and by another thread, moved. */
static void larges(zslab *z)
{
    zslab_epoch e = zslab_epoch_current(z);
    zslab_handle h;
    void *p[4], *q;
    MUST(p[1] = zslab_malloc(z, 70000));
    MUST(p[2] = zslab_malloc(z, 70000));
    p[0] = z;
    p[3] = NULL;
    MUST(h = zslab_handle_alloc(z, 70000, e, &q));
    HEARD(3, 0);
    CHECK_IS(zslab_free(z, q), ZSLAB_OK);
    CHECK(zslab_usable_size(z, q) == 0 && zslab_epoch_of(z, q) == 0); /* its hook has returned */
    MUST(h = zslab_handle_alloc(z, 70000, e, &q));
    CHECK_IS(zslab_handle_free(z, h), ZSLAB_OK);
    HEARD(1, 2);
    MUST(p[1] = zslab_realloc(z, p[1], 200000));
    MUST(p[1] = zslab_realloc(z, p[1], 500));
    HEARD(heard.allocs, heard.allocs); /* in place, or moved */
    test_in_thread(free_all, p);
    HEARD(0, 2);
    CHECK(zslab_usable_size(z, p[2]) == 0);
    CHECK_IS(zslab_free(z, p[2]), ZSLAB_E_DOUBLE_FREE);
    HEARD(0, 0);
}

static void handles(zslab *z)
{
    zslab_heap *heap = zslab_heap_create(z);
    zslab_epoch e = zslab_epoch_current(z);
    zslab_handle h[3];
    void *p;
    uint32_t *word;
    MUST(h[0] = zslab_handle_alloc(z, 100, e, &p));
    MUST(h[1] = zslab_handle_alloc(z, 100, e, NULL));
    MUST(h[2] = zslab_heap_handle_alloc(heap, 100, e, NULL));
    HEARD(3, 0);
    CHECK_FAILS(zslab_handle_alloc(z, 0, e, NULL), ZSLAB_E_INVALID);
    CHECK_FAILS(zslab_realloc(z, p, 1000), ZSLAB_E_INVALID);
    CHECK_IS(zslab_free(z, p), ZSLAB_OK);
    HEARD(0, 1);
    CHECK_IS(zslab_handle_free(z, h[0]), ZSLAB_E_STALE);
    HEARD(0, 0);
    CHECK_IS(zslab_handle_free(z, h[1]), ZSLAB_OK);
    CHECK_IS(zslab_handle_free(z, h[2]), ZSLAB_OK);
    HEARD(0, 2);
    /* the last generation: the slot is never used again */
    MUST(h[0] = zslab_handle_alloc(z, 100, e, &p));
    word = zs__id_words(z, zs__id_index(z, h[0] >> 42)) + (h[0] >> 10 & 63);
    *word = (*word & 255) | (ZS__GENERATION_END - 1 - z->first_part) << 8;
    CHECK_IS(zslab_free(z, p), ZSLAB_OK);
    HEARD(1, 1);
    zslab_heap_destroy(heap);
}

static void with_fallback(const test_mode *m)
{
    zslab_config c = {0};
    void *p, *q;
    c.fallback.alloc = fall_alloc;
    c.fallback.free = fall_free;
    c.fallback.usable_size = fall_usable;
    c.large_bytes_max = ZSLAB_LARGE_NONE;
    zslab *z = test_open(m, &c);
    forget();
    MUST(p = zslab_malloc(z, 100000));
    MUST(q = zslab_aligned_alloc(z, 1 << 17, 100000));
    HEARD(2, 0);
    CHECK_IS(zslab_free(z, q), ZSLAB_OK);
    HEARD(0, 1);
    MUST(p = zslab_realloc(z, p, 100)); /* into a class */
    HEARD(1, 1);
    CHECK_IS(zslab_free(z, p), ZSLAB_OK);
    HEARD(0, 1);
    CHECK(heard.live == 0);
    test_destroy(z);
}

/* A closed epoch refuses, and takes back from owner and stranger. */
static void closing(zslab *z)
{
    zslab_epoch e = zslab_epoch_open(z, NULL);
    void *p[202];
    size_t i;
    p[0] = z;
    for (i = 1; i <= 200; i++) MUST(p[i] = zslab_malloc_epoch(z, 200, e));
    CHECK_IS(zslab_epoch_close(z, e), ZSLAB_OK);
    for (i = 0; i < 5; i++) CHECK_FAILS(zslab_malloc_epoch(z, 200, e), ZSLAB_E_CLOSED);
    HEARD(200, 0);
    for (i = 101; i <= 200; i++) CHECK_IS(zslab_free(z, p[i]), ZSLAB_OK);
    HEARD(0, 100);
    p[101] = NULL;
    test_in_thread(free_all, p);
    HEARD(0, 100);
}

/* ---- epochs ---- */

static void event_is(size_t i, uint64_t epoch, int event)
{
    test_at("event %zu of %zu", i, events.count);
    if (CHECK(i < events.count)) CHECK(events.epoch[i] == epoch && events.event[i] == event);
    test_at("%s", "");
}

static void epochs(const test_mode *m)
{
    forget();
    zslab *z = test_open(m, NULL);
    zslab_epoch first = zslab_epoch_current(z), e = zslab_epoch_open(z, NULL), next, own;
    void *p;
    event_is(0, first, ZSLAB_EPOCH_EVENT_OPEN);
    event_is(1, e, ZSLAB_EPOCH_EVENT_OPEN);
    MUST(p = zslab_malloc_epoch(z, 64, e));
    CHECK_IS(zslab_epoch_reset(z, e), ZSLAB_OK);
    event_is(2, e, ZSLAB_EPOCH_EVENT_RESET);
    MUST(p = zslab_malloc_epoch(z, 64, e));
    CHECK_IS(zslab_epoch_close(z, e), ZSLAB_OK);
    event_is(3, e, ZSLAB_EPOCH_EVENT_CLOSE);
    CHECK_IS(zslab_epoch_close(z, e), ZSLAB_OK);
    CHECK(events.count == 4);
    CHECK_IS(zslab_free(z, p), ZSLAB_OK);
    CHECK_IS(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSED ? ZSLAB_OK : ZSLAB_E_BUSY, ZSLAB_OK);
    event_is(4, e, ZSLAB_EPOCH_EVENT_DRAINED);
    CHECK_IS(zslab_epoch_release(z, e), ZSLAB_E_CLOSED);
    MUST(next = zslab_epoch_advance(z));
    event_is(5, next, ZSLAB_EPOCH_EVENT_OPEN);
    event_is(6, first, ZSLAB_EPOCH_EVENT_CLOSE);
    event_is(7, first, ZSLAB_EPOCH_EVENT_DRAINED); /* nothing was in it */
    zslab_domain *d = zslab_domain_create(z);
    MUST(d);
    own = zslab_domain_epoch(d);
    event_is(8, own, ZSLAB_EPOCH_EVENT_OPEN);
    MUST(zslab_domain_enter(d) == ZSLAB_OK && zslab_malloc_epoch(z, 64, own));
    CHECK_IS(zslab_domain_exit(d), ZSLAB_OK);
    event_is(9, own, ZSLAB_EPOCH_EVENT_RELEASE);
    CHECK_IS(zslab_domain_destroy(d), ZSLAB_OK);
    CHECK(events.count == 10 && heard.live == 0);
    test_destroy(z);
}

/* ---- threads ---- */

static struct {
    zslab *z;
    zslab_epoch epoch;
    int stop, given;
    void *swap[64]; /* objects that change threads */
} busy;

static void *churn_thread(void *user)
{
    uint64_t seed = (uint64_t)(uintptr_t)user;
    void *mine[100] = {0}, *p;
    size_t i;
    for (i = 0; i < (TEST_SLOWED ? 20000 : 100000); i++) {
        uint64_t r = test_random(&seed);
        void **at = &mine[r % 100];
        p = *at;
        if (p && r >> 40 & 1) p = __atomic_exchange_n(&busy.swap[r >> 20 & 63], p, __ATOMIC_ACQ_REL);
        if (p) CHECK_IS(zslab_free(busy.z, p), ZSLAB_OK);
        MUST(*at = zslab_malloc(busy.z, 1 + (size_t)((r >> 32) % 600)));
    }
    for (i = 0; i < 100; i++)
        if (mine[i]) CHECK_IS(zslab_free(busy.z, mine[i]), ZSLAB_OK);
    return NULL;
}

static void threads(const test_mode *m)
{
    pthread_t thread[2];
    size_t i;
    memset(&busy, 0, sizeof busy);
    forget();
    busy.z = test_open(m, NULL);
    for (i = 0; i < 2; i++) MUST(pthread_create(&thread[i], NULL, churn_thread, (void *)(uintptr_t)(i + 1)) == 0);
    for (i = 0; i < 2; i++) pthread_join(thread[i], NULL);
    for (i = 0; i < 64; i++)
        if (busy.swap[i]) CHECK_IS(zslab_free(busy.z, busy.swap[i]), ZSLAB_OK);
    CHECK(heard.allocs == heard.frees && heard.live == 0);
    test_destroy(busy.z);
}

static void *fill_thread(void *user)
{
    (void)user;
    while (busy.given < TABLE / 2 && zslab_malloc_epoch(busy.z, 48, busy.epoch)) busy.given++;
    return NULL;
}

/* Allocations that a close refuses, wherever they are by then, are never heard of. */
static void refused(const test_mode *m)
{
    pthread_t thread;
    int round;
    for (round = 0; round < (TEST_SLOWED ? 5 : 20); round++) {
        memset(&busy, 0, sizeof busy);
        forget();
        busy.z = test_open(m, NULL);
        busy.epoch = zslab_epoch_open(busy.z, NULL);
        MUST(pthread_create(&thread, NULL, fill_thread, NULL) == 0);
        for (;;) { /* not before it has begun */
            pthread_mutex_lock(&heard.lock);
            size_t begun = heard.allocs;
            pthread_mutex_unlock(&heard.lock);
            if (begun > 100) break;
            sched_yield();
        }
        CHECK_IS(zslab_epoch_close(busy.z, busy.epoch), ZSLAB_OK);
        pthread_join(thread, NULL);
        CHECK(heard.frees == 0 && heard.allocs == (size_t)busy.given);
        CHECK(test_live(busy.z) == heard.live);
        test_destroy(busy.z);
    }
}

/* The gate shuts after the slot was taken: what no test can time is made to happen. */
static void undone(void)
{
    zslab *z = test_create(NULL);
    void *p = zslab_malloc(z, 64), *q;
    MUST(p);
    zslab_heap *heap = zs__heap_peek(z);
    forget();
    zs__store_u64(&heap->attached->gate, 0);
    MUST(q = zslab_malloc(z, 64)); /* taken, undone, and taken again when the gate is found to have opened */
    HEARD(1, 0);
    CHECK(test_live(z) == 2);
    test_destroy(z);
}

int main(void)
{
    if (!ZSLAB_NO_TLS) undone();
    TEST_EACH_MODE(m)
    {
        zslab *z = test_open(m, NULL);
        forget();
        plain(z);
        other_calls(z);
        larges(z);
        handles(z);
        closing(z);
        zslab_destroy(z); /* a retired slot of a name that was changed by hand */
        with_fallback(m);
        epochs(m);
        threads(m);
        refused(m);
    }
    return test_summary("test_hooks");
}
