/* An allocation is refused only where live objects leave no room: what others' heaps hold empty is found, whether
   their owners sleep, have exited or never come back, under a limit, in a buffer and in a bounded range (>>take). */
#include "tests/lib/test.h"

#define BYTES ((size_t)8 << 20)
#define SIZE 256u
#define SLEEPERS 6

typedef enum ending { RELEASED, RESET, FREED, CLOSED, ENDINGS } ending;
static const char *const ending_name[] = {"released", "reset", "freed one by one", "freed and closed"};

typedef struct worker {
    zslab *z;
    zslab_epoch e;
    pthread_t thread;
    uint64_t seed;
    ending how;
    uint32_t loaded, asleep, wake; /* atomic */
    int sleeps;
} worker;

static void wait_for(uint32_t *word)
{
    while (!__atomic_load_n(word, __ATOMIC_ACQUIRE)) sched_yield();
}

/* Fill the epoch with a share of all there is; where objects go one by one, in an order that fills the magazine with
   slots of every chunk. */
static void *work(void *arg)
{
    enum { MOST = 20000 };
    worker *w = (worker *)arg;
    void **p = (void **)calloc(MOST, sizeof *p);
    size_t n = 0, i, most = BYTES / 2 / SIZE;
    MUST(p && most <= MOST);
    while (n < most && (p[n] = zslab_malloc_epoch(w->z, SIZE, w->e)) != NULL) n++;
    w->loaded = (uint32_t)n;
    for (i = n; i > 1 && w->how >= FREED; i--) {
        size_t other = (size_t)(test_random(&w->seed) % i);
        void *q = p[other];
        p[other] = p[i - 1];
        p[i - 1] = q;
    }
    for (i = 0; i < n && w->how >= FREED; i++) CHECK_IS(zslab_free(w->z, p[i]), ZSLAB_OK);
    free(p);
    __atomic_store_n(&w->asleep, 1, __ATOMIC_RELEASE);
    if (w->sleeps) wait_for(&w->wake);
    if (w->sleeps && w->how == FREED) { /* it goes on where it was: what it still has is its own */
        void *q = zslab_malloc_epoch(w->z, SIZE, w->e);
        CHECK(q != NULL);
        if (q) CHECK_IS(zslab_free(w->z, q), ZSLAB_OK);
    }
    return NULL;
}

static zslab *create(int place, zslab_reclaim reclaim, uint32_t flags, void *memory)
{
    zslab_config c = {0};
    c.reclaim = reclaim;
    c.flags = flags;
    c.epoch_count = 16;
    if (place == 0) c.limit_bytes = BYTES;
    if (place == 1) {
        c.memory = memory;
        c.memory_bytes = 2 * BYTES; /* rows of so many threads and epochs are in it too */
    }
    if (place == 2) c.reserve_bytes = BYTES;
    return test_create(&c);
}

/* Worker after worker fills half of what there is, each after the one before has ended its objects and sleeps, or is
   gone: none is refused. */
static void one_after_the_other(zslab *z, ending how, int sleeps)
{
    static worker w[SLEEPERS];
    zslab_global_stats g;
    size_t i, other;
    memset(w, 0, sizeof w);
    for (i = 0; i < SLEEPERS; i++) {
        w[i].z = z;
        w[i].how = how;
        w[i].seed = 20261130 + i;
        w[i].sleeps = sleeps;
        MUST(w[i].e = zslab_epoch_open(z, NULL));
        MUST(pthread_create(&w[i].thread, NULL, work, &w[i]) == 0);
        wait_for(&w[i].asleep);
        if (!sleeps) pthread_join(w[i].thread, NULL);
        CHECK(w[i].loaded == BYTES / 2 / SIZE);
        if (how == RELEASED) CHECK_IS(zslab_epoch_release(z, w[i].e), ZSLAB_OK);
        if (how == RESET) CHECK_IS(zslab_epoch_reset(z, w[i].e), ZSLAB_OK);
        if (how == CLOSED) CHECK_IS(zslab_epoch_close(z, w[i].e), ZSLAB_OK);
    }
    for (other = 16; other <= 4096; other *= 4) { /* every other class has what it had */
        void *p = zslab_malloc(z, other);
        CHECK(p != NULL);
        CHECK_IS(zslab_free(z, p), ZSLAB_OK);
    }
    zslab_stats_global(z, &g);
    CHECK(g.thread_held_bytes <= (size_t)(sleeps ? SLEEPERS + 1 : 1) * ZS__CHUNK_BYTES * 8);
    zslab_trim(z);
    zslab_stats_global(z, &g);
    CHECK(g.live_objects == 0 && g.cached_bytes <= g.committed_bytes);
    for (i = 0; sleeps && i < SLEEPERS; i++) {
        __atomic_store_n(&w[i].wake, 1, __ATOMIC_RELEASE);
        pthread_join(w[i].thread, NULL);
    }
    CHECK_IS(zslab_check(z, NULL, NULL), ZSLAB_OK);
}

static void every_way(void)
{
    static const zslab_reclaim policies[2] = {ZSLAB_RECLAIM_LATENCY, ZSLAB_RECLAIM_RSS};
    static const char *const places[] = {"limit", "buffer", "range"};
    void *memory;
    int place, policy, how, sleeps, shared;
    MUST(memory = malloc(2 * BYTES));
    for (shared = ZSLAB_NO_TLS; shared < 2; shared++)
        for (place = 0; place < 3; place++)
            for (policy = 0; policy < 2; policy++)
                for (how = 0; how < ENDINGS; how++)
                    for (sleeps = 0; sleeps < 2; sleeps++) {
                        zslab *z = create(place, policies[policy], shared ? ZSLAB_FLAG_SHARED : 0, memory);
                        test_at("%s, %s, policy %d, %s, %s", shared ? "shared" : "heaps", places[place], policy,
                                ending_name[how], sleeps ? "asleep" : "exited");
                        if (z->shared || z->fence_ready || !sleeps) /* without it only passing owners' chunks */
                            one_after_the_other(z, (ending)how, sleeps);
                        test_destroy(z);
                    }
    test_at("%s", "");
    free(memory);
}

/* However many epochs a sleeping thread, or an explicit heap, has been in, it keeps a chunk a class: of the epoch that
   it named last. */
enum { EPOCHS = 30, RANGE = 70 };
typedef struct visitor {
    zslab *z;
    zslab_heap *heap; /* NULL: the thread's own */
    zslab_epoch e[EPOCHS];
    uint32_t asleep, wake;
} visitor;

static void *visit_all(void *arg)
{
    visitor *v = (visitor *)arg;
    void *p[2];
    int i;
    for (i = 0; i < EPOCHS; i++) {
        p[0] = v->heap ? zslab_heap_malloc_epoch(v->heap, 1024, v->e[i]) : zslab_malloc_epoch(v->z, 1024, v->e[i]);
        p[1] = v->heap ? zslab_heap_malloc_epoch(v->heap, 64, v->e[i]) : zslab_malloc_epoch(v->z, 64, v->e[i]);
        CHECK_IS(v->heap ? zslab_heap_free(v->heap, p[0]) : zslab_free(v->z, p[0]), ZSLAB_OK);
        CHECK_IS(v->heap ? zslab_heap_free(v->heap, p[1]) : zslab_free(v->z, p[1]), ZSLAB_OK);
    }
    __atomic_store_n(&v->asleep, 1, __ATOMIC_RELEASE);
    wait_for(&v->wake);
    for (i = 0; i < EPOCHS; i++) { /* it finds nothing of what was taken */
        p[0] = v->heap ? zslab_heap_malloc_epoch(v->heap, 64, v->e[i]) : zslab_malloc_epoch(v->z, 64, v->e[i]);
        CHECK_IS(zslab_free(v->z, p[0]), ZSLAB_OK);
    }
    return NULL;
}

static void a_visitor_of_many_epochs(zslab_reclaim reclaim, int explicit_heap)
{
    static const uint32_t classes[] = {64, 1024};
    zslab_config c = {0};
    zslab_global_stats g;
    visitor v = {0};
    pthread_t thread;
    void *last = NULL, *p;
    size_t n = 0, i;
    c.class_bytes = classes, c.class_count = 2;
    c.reserve_bytes = RANGE * ZS__CHUNK_BYTES;
    c.reclaim = reclaim;
    v.z = test_create(&c);
    v.heap = explicit_heap ? zslab_heap_create(v.z) : NULL;
    for (i = 0; i < EPOCHS; i++) MUST(v.e[i] = zslab_epoch_open(v.z, NULL));
    MUST(pthread_create(&thread, NULL, visit_all, &v) == 0);
    wait_for(&v.asleep);
    if (v.z->fence_ready && !v.z->shared) {
        for (; (p = zslab_malloc(v.z, 1024)) != NULL; last = p, n++) *(void **)p = last;
        CHECK(n >= (RANGE - 2) * (ZS__CHUNK_BYTES / 1024));
        zslab_stats_global(v.z, &g);
        CHECK(g.thread_held_bytes <= 2 * ZS__CHUNK_BYTES);
    }
    for (; last; last = p) {
        p = *(void **)last;
        CHECK_IS(zslab_free(v.z, last), ZSLAB_OK);
    }
    __atomic_store_n(&v.wake, 1, __ATOMIC_RELEASE);
    pthread_join(thread, NULL);
    zslab_heap_destroy(v.heap);
    for (i = 0; i < EPOCHS; i++) {
        CHECK_IS(zslab_epoch_close(v.z, v.e[i]), ZSLAB_OK);
        CHECK(zslab_epoch_state_of(v.z, v.e[i]) == ZSLAB_EPOCH_CLOSED || !v.z->fence_ready);
    }
    test_destroy(v.z);
}

/* Of two that meet at the limit, one's refused count is not held against the other. */
static void a_refusal_counts_for_nobody(void)
{
    zslab_config c = {0};
    zslab *z;
    z = test_create(&c);
    CHECK_IS(zslab_set_limits(z, 0, z->charged_bytes + 4 * ZS__CHUNK_BYTES), ZSLAB_OK);
    CHECK(zs__budget_take(z, NULL, 0, 4 * ZS__CHUNK_BYTES, 0) == 0);
    CHECK(zs__budget_take(z, NULL, 0, 1, 0) != 0 && zs__load_ptr(&z->committed_bytes) == 4 * ZS__CHUNK_BYTES);
    CHECK(zs__budget_take(z, NULL, 0, 0, 1) != 0 && zs__load_ptr(&z->charged_bytes) == zs__load_ptr(&z->hard_limit));
    zs__budget_give(z, 4 * ZS__CHUNK_BYTES, 0);
    test_destroy(z);
}

static void *advance(void *z)
{
    MUST(zslab_epoch_advance((zslab *)z));
    return NULL;
}

/* A chunk of an epoch that drains goes in a trim: its owner, whose fast path still stands there, does not hand out of
   it what another epoch has by then. */
static void what_goes_while_draining(void)
{
    zslab_config c = {0};
    zslab *z;
    zslab_global_stats g;
    void *live[4], *p;
    size_t i;
    c.reclaim = ZSLAB_RECLAIM_RSS;
    z = test_create(&c);
    MUST((p = zslab_malloc(z, 96)) != NULL && (live[0] = zslab_malloc(z, 16)) != NULL);
    test_in_thread(advance, z);
    CHECK_IS(zslab_free(z, p), ZSLAB_OK);
    zslab_trim(z);
    MUST((live[1] = zslab_malloc_epoch(z, 96, zslab_epoch_open(z, NULL))) != NULL);
    MUST((live[2] = zslab_malloc(z, 96)) != NULL && (live[3] = zslab_malloc(z, 112)) != NULL);
    zslab_stats_global(z, &g);
    CHECK(g.live_objects == 4);
    for (i = 0; i < 4; i++) CHECK_IS(zslab_free(z, live[i]), ZSLAB_OK);
    CHECK(test_live(z) == 0);
    test_destroy(z);
}

/* An epoch that drains keeps the chunks that objects live in; the others serve, also those that lost their objects
   before the close and were purged by it. */
static void what_drained_serves(zslab_reclaim reclaim, uint32_t flags)
{
    enum { CHUNKS = 8, SLOTS = ZS__CHUNK_BYTES / 4096 };
    static const uint32_t classes[] = {64, 4096};
    void *p[CHUNKS * SLOTS], *q;
    zslab_config c = {0};
    zslab_epoch e;
    zslab *z;
    size_t n = 0, i;
    c.class_bytes = classes, c.class_count = 2;
    c.reserve_bytes = CHUNKS * ZS__CHUNK_BYTES;
    c.reclaim = reclaim, c.flags = flags;
    z = test_create(&c);
    e = zslab_epoch_open(z, NULL);
    while (n < CHUNKS * SLOTS && (p[n] = zslab_malloc_epoch(z, 4096, e)) != NULL) n++;
    CHECK(n == CHUNKS * SLOTS);
    for (i = 1; i < n / 2; i++) CHECK_IS(zslab_free(z, p[i]), ZSLAB_OK);
    CHECK_IS(zslab_epoch_close(z, e), ZSLAB_OK);
    for (i = n / 2; i < n; i++) CHECK_IS(zslab_free(z, p[i]), ZSLAB_OK);
    for (i = 0; (q = zslab_malloc(z, 64)) != NULL;) i++;
    CHECK(i >= (CHUNKS - 1) * (ZS__CHUNK_BYTES / 64));
    CHECK_IS(zslab_free(z, p[0]), ZSLAB_OK);
    CHECK(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSED);
    CHECK_IS(zslab_check(z, NULL, NULL), ZSLAB_OK);
    zslab_destroy(z);
}

int main(void)
{
    int mode;
    for (mode = 0; mode < 4; mode++)
        what_drained_serves(mode & 1 ? ZSLAB_RECLAIM_RSS : ZSLAB_RECLAIM_LATENCY,
                            ZSLAB_NO_TLS || mode & 2 ? ZSLAB_FLAG_SHARED : 0);
    for (mode = 0; mode < 4; mode++)
        a_visitor_of_many_epochs(mode & 1 ? ZSLAB_RECLAIM_RSS : ZSLAB_RECLAIM_LATENCY, mode & 2);
    every_way();
    what_goes_while_draining();
    a_refusal_counts_for_nobody();
    return test_summary("test_take");
}
