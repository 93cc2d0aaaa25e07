/* Calls that have to wait for somebody: each wait ends with its cause, holds no lock that the cause needs, and lets
   everybody have a turn. The cause is a claim or a lock that this test holds itself: nothing is left to luck. */
#include "tests/lib/test.h"
#include <time.h>

static zs__allocator *z;
static zslab_epoch e;
static uint32_t begun, ended; /* atomic: threads of this test that are about to wait, that have returned */
static uint32_t order[4];

static void reached(uint32_t *word, uint32_t value)
{
    while (zs__load_acq_u32(word) < value) sched_yield();
}

static void open_two(const test_mode *m, uint32_t epochs)
{
    zslab_config c;
    memset(&c, 0, sizeof c);
    c.epoch_count = epochs;
    z = zs__own(test_open(m, &c));
    begun = ended = 0;
}

/* ---- the last place is claimed ---- */
static void *advances(void *unused)
{
    CHECK(zslab_epoch_advance(z) != ZSLAB_EPOCH_NONE);
    zs__add_u32(&ended, 1);
    return unused;
}

static void advance_waits_for_a_claim(const test_mode *m)
{
    pthread_t t;
    zs__place *place;
    open_two(m, 2);
    e = zslab_epoch_current(z);
    MUST(zslab_epoch_advance(z) != ZSLAB_EPOCH_NONE && zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSED);
    place = &z->places[z->place_head - 1];
    zs__purge_begin(place);
    MUST(pthread_create(&t, NULL, advances, NULL) == 0);
    reached(&place->wanted, 1);
    CHECK(ended == 0);
    zslab_trim(z); /* the epoch lock is free, and no trim claims a place that is waited for */
    CHECK(zs__load_u32(&place->purging) == 1);
    zs__purge_end(place);
    pthread_join(t, NULL);
    CHECK(place->wanted == 0 && ended == 1);
    test_destroy(z);
}

/* ---- an allocation meets a reset whose claims last ---- */
static double cpu_ms;
static void *allocates(void *unused)
{
    struct timespec a, b;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
    CHECK(zslab_malloc_epoch(z, 64, e) != NULL);
    zs__store_rel_u32(&begun, 1);
    reached(&begun, 2);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
    zs__add_u32(&begun, 1);
    CHECK(zslab_malloc_epoch(z, 64, e) != NULL);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
    cpu_ms = (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6;
    zs__add_u32(&ended, 1);
    return unused;
}

static void allocation_waits_for_claims(const test_mode *m)
{
    pthread_t t;
    zs__place *place;
    struct timespec hold = {0, 400000000};
    zslab_epoch next;
    open_two(m, 4);
    MUST(e = zslab_epoch_open(z, NULL));
    place = &z->places[e & ZS__PLACE_MASK];
    MUST(pthread_create(&t, NULL, allocates, NULL) == 0);
    reached(&begun, 1);
    zs__purge_begin(place); /* two resetters, say, one of them with the closers' turn */
    zs__purge_begin(place);
    CHECK_IS(zslab_epoch_reset(z, e), ZSLAB_OK);
    zs__store_u32(&zs__own(z)->close_here, 1);
    zs__store_rel_u32(&begun, 2);
    reached(&begun, 3);
    nanosleep(&hold, NULL);
    CHECK(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_ACTIVE); /* the epoch lock is not held by who waits */
    MUST(next = zslab_epoch_open(z, NULL));
    CHECK_IS(zslab_epoch_release(z, next), ZSLAB_OK);
    CHECK(ended == 0);
    zs__store_u32(&zs__own(z)->close_here, 0);
    zs__purge_end(place);
    zs__purge_end(place);
    pthread_join(t, NULL);
    CHECK(cpu_ms < 40); /* it slept while two claims stood, as with one */
    test_destroy(z);
}

/* ---- a parked heap's rows, more than one pass of its own looks at, and two of them claimed ---- */
enum { MANY_ROWS = 2 * ZS__DRAIN_MAX + ZS__DRAIN_MAX / 2 };
static zslab_epoch many[MANY_ROWS];

static void *allocates_and_exits(void *unused)
{
    int i;
    for (i = 0; i < MANY_ROWS; i++) CHECK(zslab_malloc_epoch(z, 64, many[i]) != NULL);
    return unused;
}

static void trim_passes_claimed_rows(const test_mode *m)
{
    zs__place *place[2];
    int i, at;
    for (at = 0; at < MANY_ROWS / 2; at += 5) {
        open_two(m, 128);
        for (i = 0; i < MANY_ROWS; i++) MUST(many[i] = zslab_epoch_open(z, NULL));
        test_in_thread(allocates_and_exits, NULL);
        for (i = 0; i < 2; i++) {
            e = many[at + i * MANY_ROWS / 2];
            place[i] = &z->places[e & ZS__PLACE_MASK];
            zs__purge_begin(place[i]);
            CHECK_IS(zslab_epoch_release(z, e), ZSLAB_OK);
            CHECK(place[i]->left && place[i]->rows);
        }
        zslab_trim(z); /* returns */
        zs__purge_end(place[0]);
        zs__purge_end(place[1]);
        zslab_trim(z);
        CHECK(!place[0]->rows && !place[1]->rows);
        test_destroy(z);
    }
}

/* ---- closers go in the order in which they came ---- */
static void *purges(void *number)
{
    zs__closing_take(z);
    order[zs__add_u32(&ended, 1)] = (uint32_t)(uintptr_t)number;
    zs__closing_drop(z);
    return NULL;
}

static void closers_take_turns(const test_mode *m)
{
    pthread_t t[4];
    uint32_t i;
    open_two(m, 2);
    zs__closing_take(z);
    for (i = 0; i < 4; i++) {
        MUST(pthread_create(&t[i], NULL, purges, (void *)(uintptr_t)i) == 0);
        reached(&z->close_next, i + 2);
    }
    zs__closing_drop(z);
    for (i = 0; i < 4; i++) pthread_join(t[i], NULL);
    for (i = 0; i < 4; i++) CHECK(order[i] == i);
    test_destroy(z);
}

/* ---- all free memory is with a trim ---- */
static uint64_t dry(void) /* allocations that found their slab used up */
{
    zslab_perf perf = {0};
    CHECK_IS(zslab_perf_counters(z, zslab_size_class_of(z, 1000), &perf), ZSLAB_OK);
    return perf.slow_path_hits;
}

static void *needs_memory(void *unused)
{
    CHECK(zslab_malloc_epoch(z, 1000, e) != NULL);
    zs__add_u32(&ended, 1);
    return unused;
}

static pthread_t needy;
static int holds_once;
static int slow_purge(void *user, void *p, size_t bytes)
{
    if (holds_once) { /* what the pool had is out: the other thread asks now, and this goes on when it waits */
        uint64_t before = dry();
        int i;
        holds_once = 0;
        MUST(pthread_create(&needy, NULL, needs_memory, NULL) == 0);
        while (dry() == before) sched_yield();
        for (i = 0; i < 2000 && !zs__load_acq_u32(&ended); i++) sched_yield();
    }
    return zs__os_purge(user, p, bytes);
}

static void allocation_waits_for_the_pool(const test_mode *m)
{
    enum { MOST = 4096 };
    static void *p[MOST];
    zslab_config c;
    int n = 0, i;
    if (m->in_buffer) return;
    memset(&c, 0, sizeof c);
    c.reserve_bytes = (size_t)16 << ZSLAB_CHUNK_SHIFT;
    c.cache_bytes = ZSLAB_CACHE_NONE;
    c.os.reserve = zs__os_reserve;
    c.os.commit = zs__os_commit;
    c.os.purge = slow_purge;
    c.os.release = zs__os_release;
    z = zs__own(test_open(m, &c));
    begun = ended = 0;
    holds_once = 0;
    MUST(e = zslab_epoch_open(z, NULL));
    while (n < MOST && (p[n] = zslab_malloc(z, 1000)) != NULL) n++; /* the whole range */
    CHECK(n > 8 && zslab_last_error() == ZSLAB_E_NOMEM);
    for (i = 0; i < n; i++) CHECK_IS(zslab_free(z, p[i]), ZSLAB_OK);
    holds_once = 1;
    zslab_trim(z);
    if (CHECK(!holds_once)) pthread_join(needy, NULL);
    CHECK(ended == 1 && !z->pool_out);
    test_destroy(z);
}

int main(void)
{
    TEST_EACH_MODE(m)
    {
        advance_waits_for_a_claim(m);
        allocation_waits_for_claims(m);
        trim_passes_claimed_rows(m);
        closers_take_turns(m);
        if (m->reclaim != ZSLAB_RECLAIM_RSS) /* which purges what it frees, one chunk at a time */
            allocation_waits_for_the_pool(m);
    }
    return test_summary("test_waits");
}
