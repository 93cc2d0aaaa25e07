/* Many tenants, a cache twice its limit and deep trees of epochs, as `make test` has time for.
     test_tenants [factor]      1; 20: ten thousand groups and ten million requests, and the figures they give */
#include "tests/lib/test.h"
#include <time.h>

#define C ZS__CHUNK_BYTES

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static zslab_epoch open_in(zslab *z, zslab_group *g, uint32_t flags, zslab_epoch parent)
{
    zslab_epoch_config c = {0};
    c.group = g, c.flags = flags, c.parent = parent;
    return zslab_epoch_open_with(z, &c);
}

/* ---- one greedy group among many ---- */

enum { GROUPS = 10000, THREADS = 2, SIZES = 5, ROUNDS = 6, BUCKETS = 4096 };
static const size_t sizes[SIZES] = {24, 64, 150, 400, 1000};

typedef struct worker {
    pthread_t thread;
    uint64_t seed, refused, greedy_refused;
    uint32_t took[2][ROUNDS][BUCKETS]; /* without and with the greedy one: allocations by their time in 10 ns */
    void *kept[GROUPS];
} worker;
static worker workers[THREADS];
static zslab *z;
static zslab_epoch epochs[GROUPS + 1];
static size_t groups;
static pthread_barrier_t together;

/* Each tenant takes an object of each size and gives one back, visit by visit; the greedy one takes what it gets. */
static void visit(worker *w, size_t g, uint32_t *took)
{
    size_t i;
    for (i = 0; i < SIZES; i++) {
        double began = now_ns(), ns;
        void *p = zslab_malloc_epoch(z, sizes[i], epochs[g]);
        ns = now_ns() - began;
        w->refused += p == NULL;
        if (took) took[ns < 10 * (BUCKETS - 1) ? (size_t)(ns / 10) : BUCKETS - 1]++;
        if (i == 2) {
            if (w->kept[g]) CHECK_IS(zslab_free(z, w->kept[g]), ZSLAB_OK);
            w->kept[g] = p;
        } else {
            CHECK_IS(zslab_free(z, p), ZSLAB_OK);
        }
    }
}

static void *tenants(void *arg)
{
    worker *w = (worker *)arg;
    size_t g, round, turn, n;
    for (g = 0; g < groups; g++) visit(w, g, NULL); /* chunks and rows are there */
    for (round = 0; round < ROUNDS; round++)
        for (turn = 0; turn < 2; turn++) {
            pthread_barrier_wait(&together);
            for (n = 0; n < 2 * groups; n++) {
                visit(w, (size_t)test_random(&w->seed) % groups, w->took[turn][round]);
                for (size_t i = 0; turn && n % 16 == 0 && i < 20; i++)
                    w->greedy_refused += zslab_malloc_epoch(z, 700, epochs[groups]) == NULL;
            }
        }
    return NULL;
}

/* The least of the rounds' p99.9. */
static double p999(int turn)
{
    double least = 1e9;
    int round, i;
    for (round = 0; round < ROUNDS; round++) {
        uint64_t all = 0, seen = 0;
        for (i = 0; i < BUCKETS; i++) all += workers[0].took[turn][round][i] + workers[1].took[turn][round][i];
        for (i = 0; i < BUCKETS &&
                    (seen += workers[0].took[turn][round][i] + workers[1].took[turn][round][i]) * 1000 < all * 999;
             i++)
            ;
        least = 10.0 * i < least ? 10.0 * i : least;
    }
    return least;
}

static void one_greedy_group_among_many(size_t count)
{
    zslab_config c = {0};
    size_t i;
    c.epoch_count = 16384;
    z = test_create(&c);
    groups = count;
    for (i = 0; i <= groups; i++) {
        zslab_group_config config = {0};
        zslab_group *g;
        config.label = i < groups ? "modest" : "greedy";
        config.hard_bytes = 2 * SIZES * C; /* a chunk a class and thread */
        MUST((g = zslab_group_create(z, &config)) != NULL);
        MUST((epochs[i] = open_in(z, g, 0, 0)) != 0);
    }
    MUST(!pthread_barrier_init(&together, NULL, THREADS));
    for (i = 0; i < THREADS; i++) {
        memset(&workers[i], 0, sizeof workers[i]);
        workers[i].seed = i + 1;
        MUST(!pthread_create(&workers[i].thread, NULL, tenants, &workers[i]));
    }
    for (i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        CHECK(workers[i].refused == 0);
    }
    CHECK(workers[0].greedy_refused + workers[1].greedy_refused > 0);
    CHECK_IS(zslab_check(z, NULL, NULL), ZSLAB_OK); /* the sums add up */
    printf("%zu groups: p99.9 of allocate %.0f ns, %.0f beside a greedy one\n", groups, p999(0), p999(1));
    pthread_barrier_destroy(&together);
    test_destroy(z);
}

/* ---- a cache twice its limit ---- */

enum { KEYS = 1 << 16, VALUE = 256, PER_GENERATION = 1024, GENERATIONS = 1 << 14 };
static zslab_group *cache;
static uint64_t handles[KEYS];               /* atomic */
static zslab_epoch generations[GENERATIONS]; /* under the lock, as the next three */
static size_t generation_count, oldest, gone;
static uint64_t taken_in; /* atomic: values put into the newest one */
static pthread_mutex_t turning = PTHREAD_MUTEX_INITIALIZER;
static size_t requests;
enum { LIMIT_CHUNKS = KEYS * VALUE / 2 / C };

/* Those that are gone are the oldest, but for one that a client was allocating in: that takes the next. */
static void look(void)
{
    size_t i, stayed = 0, gone_last = 0;
    while (oldest < generation_count && zslab_epoch_state_of(z, generations[oldest]) == ZSLAB_EPOCH_CLOSED) oldest++;
    for (i = gone = oldest; i < generation_count; i++)
        if (zslab_epoch_state_of(z, generations[i]) == ZSLAB_EPOCH_CLOSED) gone++, gone_last = i;
    for (i = oldest; i < gone_last; i++) stayed += zslab_epoch_state_of(z, generations[i]) == ZSLAB_EPOCH_ACTIVE;
    CHECK(stayed <= THREADS);
}

static void turn(void) /* to the next generation */
{
    pthread_mutex_lock(&turning);
    if (__atomic_load_n(&taken_in, __ATOMIC_RELAXED) >= PER_GENERATION || !generation_count) {
        MUST(generation_count < GENERATIONS);
        MUST((generations[generation_count] = open_in(z, cache, ZSLAB_EPOCH_DISCARDABLE, 0)) != 0);
        __atomic_store_n(&taken_in, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&generation_count, generation_count + 1, __ATOMIC_RELEASE);
        look();
    }
    pthread_mutex_unlock(&turning);
}

typedef struct client {
    pthread_t thread;
    uint64_t seed, hits, refused, above;
} client;

static void *ask(void *arg)
{
    client *me = (client *)arg;
    size_t n;
    for (n = 0; n < requests; n++) {
        uint64_t *key = &handles[test_random(&me->seed) % KEYS], h = __atomic_load_n(key, __ATOMIC_ACQUIRE);
        if (h && zslab_handle_get(z, h)) {
            me->hits++;
            continue;
        }
        if (__atomic_add_fetch(&taken_in, 1, __ATOMIC_RELAXED) >= PER_GENERATION) turn();
        do { /* the other client may have come so far that this generation is gone */
            size_t newest = __atomic_load_n(&generation_count, __ATOMIC_ACQUIRE) - 1;
            h = zslab_handle_alloc(z, VALUE, generations[newest], NULL);
        } while (!h && zslab_last_error() == ZSLAB_E_CLOSED);
        me->refused += !h;
        __atomic_store_n(key, h, __ATOMIC_RELEASE);
        if (n % 64 == 0) me->above += zs__load_ptr(&cache->charged) > (size_t)LIMIT_CHUNKS * C;
    }
    return NULL;
}

static void a_cache_twice_its_limit(size_t count)
{
    zslab_config c = {0};
    zslab_group_config config = {0};
    client clients[THREADS];
    zslab_group_stats s;
    double began, each = 0;
    size_t i;
    z = test_create(&c);
    config.label = "cache", config.hard_bytes = (size_t)LIMIT_CHUNKS * C;
    MUST((cache = zslab_group_create(z, &config)) != NULL);
    memset(handles, 0, sizeof handles);
    generation_count = oldest = 0;
    requests = count / THREADS;
    turn();
    for (i = 0; i < THREADS; i++) {
        client me = {0};
        clients[i] = me;
        clients[i].seed = 17 + i;
        MUST(!pthread_create(&clients[i].thread, NULL, ask, &clients[i]));
    }
    for (i = 0; i < THREADS; i++) {
        pthread_join(clients[i].thread, NULL);
        CHECK(clients[i].refused == 0 && clients[i].above == 0);
    }
    look();
    zslab_stats_group(cache, &s);
    CHECK(s.refused == 0 && s.discarded_epochs > 0 && s.discarded_epochs == gone);
    CHECK_IS(zslab_check(z, NULL, NULL), ZSLAB_OK);
    for (i = 0; i < 8; i++) { /* what one costs, alone */
        began = now_ns();
        CHECK(zslab_discard_oldest(z, cache, 1) > 0);
        each += (now_ns() - began) / 8;
    }
    printf("%zu requests of a cache: %.0f %% hits, %llu of %zu generations discarded, %.1f us each\n",
           requests * THREADS, 100.0 * (double)(clients[0].hits + clients[1].hits) / (double)(requests * THREADS),
           (unsigned long long)s.discarded_epochs, generation_count, each / 1000);
    test_destroy(z);
}

/* ---- trees to depth 64 ---- */

enum { DEPTH = 64 };
static struct {
    size_t depth;
    zslab_end why;
} ended[4 * DEPTH];
static size_t ended_count;
static void on_end(void *user, zslab *of, zslab_epoch e, zslab_end why)
{
    (void)of, (void)e;
    MUST(ended_count < 4 * DEPTH);
    ended[ended_count].depth = (size_t)(uintptr_t)user;
    ended[ended_count++].why = why;
}

/* Every ending of a chain of epochs calls for each of them once, twice where two were asked for, the deepest first. */
static void a_deep_chain_ends(zslab_end how, const test_mode *m)
{
    zslab_epoch e[DEPTH + 1];
    void *p[DEPTH + 1];
    zslab_end below = how == ZSLAB_END_DRAINED || how == ZSLAB_END_DESTROY ? how : ZSLAB_END_PARENT;
    size_t i;
    z = test_open(m, NULL);
    ended_count = 0;
    for (i = 0; i <= DEPTH; i++) {
        MUST((e[i] = open_in(z, NULL, i ? 0 : ZSLAB_EPOCH_DISCARDABLE, i ? e[i - 1] : 0)) != 0);
        MUST((p[i] = zslab_malloc_epoch(z, 100, e[i])) != NULL);
        CHECK_IS(zslab_epoch_on_end(z, e[i], on_end, (void *)(uintptr_t)i), ZSLAB_OK);
        if (i % 2) CHECK_IS(zslab_epoch_on_end(z, e[i], on_end, (void *)(uintptr_t)(i + 1000)), ZSLAB_OK);
    }
    if (how == ZSLAB_END_RELEASE) CHECK_IS(zslab_epoch_release(z, e[0]), ZSLAB_OK);
    if (how == ZSLAB_END_RESET) CHECK_IS(zslab_epoch_reset(z, e[0]), ZSLAB_OK);
    if (how == ZSLAB_END_DISCARDED) CHECK(zslab_discard_oldest(z, NULL, 1) > 0);
    if (how == ZSLAB_END_DRAINED) {
        CHECK_IS(zslab_epoch_close(z, e[0]), ZSLAB_OK);
        CHECK(ended_count == 0);
        for (i = 0; i <= DEPTH; i++) CHECK_IS(zslab_free(z, p[i]), ZSLAB_OK);
        zslab_trim(z);
    }
    if (how == ZSLAB_END_DESTROY) {
        test_destroy(z);
    } else {
        for (i = 0; i <= DEPTH; i++) {
            zslab_epoch_state want = how == ZSLAB_END_RESET && !i ? ZSLAB_EPOCH_ACTIVE : ZSLAB_EPOCH_CLOSED;
            CHECK(zslab_epoch_state_of(z, e[i]) == want && zslab_free(z, p[i]) != ZSLAB_OK);
        }
        CHECK(test_live(z) == 0);
        test_destroy(z);
    }
    CHECK(ended_count == DEPTH + 1 + DEPTH / 2);
    for (i = 1; i < ended_count; i++) /* the one asked for last comes first */
        CHECK(ended[i].depth % 1000 < ended[i - 1].depth % 1000 ||
              (ended[i].depth + 1000 == ended[i - 1].depth && ended[i].depth % 2));
    for (i = 0; i < ended_count; i++) CHECK(ended[i].why == (ended[i].depth ? below : how));
}

int main(int argc, char **argv)
{
    size_t factor = argc > 1 ? (size_t)atol(argv[1]) : 1;
    int how;
    TEST_EACH_MODE(m)
    for (how = 0; how <= ZSLAB_END_DESTROY; how++)
        if (how != ZSLAB_END_PARENT) a_deep_chain_ends((zslab_end)how, m); /* that is what those below hear */
    one_greedy_group_among_many(sizeof(void *) < 8 || TEST_SLOWED ? 40 : GROUPS / 20 * (factor < 20 ? factor : 20));
    a_cache_twice_its_limit((TEST_SLOWED ? 50000 : 500000) * factor);
    return test_summary("test_tenants");
}
