/* Threads: frees from elsewhere, heaps that outlive their threads, frees after a thread's teardown, allocators that go
   while threads stay, storms of threads. */
#include "tests/lib/test.h"
#if defined(__linux__) && !ZSLAB_NO_TLS && !TEST_SANITIZED && !TEST_EMULATED
#define STACKS_GO 1 /* the kernel says who lives; a stack of the test's own takes the thread-local words along */
#include <sys/mman.h>
#else
#define STACKS_GO 0
#endif

#define MANY 2000

static size_t turns(size_t n) { return TEST_SLOWED ? n / 5 : n; }

/* ---- frees from another thread ---- */
typedef struct handover {
    zslab *z;
    void *p[MANY];
    size_t bytes[MANY];
    size_t n;
} handover;

static void fill(handover *h, size_t n, int mixed)
{
    for (h->n = 0; h->n < n; h->n++) {
        h->bytes[h->n] = mixed ? 8 + h->n * 37 % 2000 : 64;
        MUST(h->p[h->n] = zslab_malloc(h->z, h->bytes[h->n]));
        test_fill(h->p[h->n], h->bytes[h->n], 3);
    }
}

static void drain(handover *h)
{
    size_t i;
    for (i = 0; i < h->n; i++) {
        CHECK(test_filled(h->p[i], h->bytes[i], 3));
        CHECK_IS(zslab_free(h->z, h->p[i]), ZSLAB_OK);
    }
}

static void drain_job(void *h) { drain((handover *)h); }
static void fill_job(void *h) { fill((handover *)h, MANY, 1); }
static void *drain_thread(void *h) { return drain((handover *)h), NULL; }
static void *fill_thread(void *h) { return fill((handover *)h, MANY, 1), NULL; }

/* What one thread allocates another frees, both ways, and the slots serve again. */
static void freed_elsewhere(const test_mode *m)
{
    static handover h;
    test_worker w;
    size_t once, round;
    h.z = test_open(m, NULL);
    test_worker_start(&w);
    fill(&h, MANY, 1);
    test_worker_do(&w, drain_job, &h);
    once = h.z->committed_bytes;
    for (round = 0; round < turns(20); round++) {
        fill(&h, MANY, 1);
        test_worker_do(&w, drain_job, &h);
        test_worker_do(&w, fill_job, &h);
        drain(&h);
    }
    CHECK(h.z->committed_bytes <= 4 * once); /* two threads' worth, and what is on its way */
    test_worker_end(&w);
    CHECK(test_live(h.z) == 0);
    test_destroy(h.z);
}

/* A thread that only frees: memory does not grow, however long it goes on. */
static void only_frees(const test_mode *m)
{
    static handover h;
    test_worker w;
    size_t round, peak = 0, at_first = 0;
    h.z = test_open(m, NULL);
    test_worker_start(&w);
    for (round = 0; round < turns(500); round++) {
        fill(&h, 1 + round % 50 * 39, round % 2 == 0);
        if (h.z->committed_bytes > peak) peak = h.z->committed_bytes;
        if (round == 60) at_first = peak;
        test_worker_do(&w, drain_job, &h);
    }
    CHECK(at_first && peak <= at_first + at_first / 4); /* it wavers, it does not grow */
    test_worker_end(&w);
    CHECK(test_live(h.z) == 0);
    test_destroy(h.z);
}

/* ---- threads that end ---- */

/* Objects stay when their thread goes; whoever comes next takes its heap over, and its memory. */
static void heap_outlives_its_thread(const test_mode *m)
{
    static handover h;
    size_t round, once;
    h.z = test_open(m, NULL);
    test_in_thread(fill_thread, &h);
    drain(&h);
    once = h.z->committed_bytes;
    for (round = 0; round < turns(30); round++) {
        test_in_thread(fill_thread, &h);
        if (round % 2)
            test_in_thread(drain_thread, &h);
        else
            drain(&h);
    }
    CHECK(h.z->heap_count <= 2);
    CHECK(h.z->committed_bytes <= 3 * once);
    CHECK(test_live(h.z) == 0);
    test_destroy(h.z);
}

typedef struct short_life {
    zslab *z;
    void *kept;
    int i;
} short_life;

static void *live_shortly(void *arg)
{
    short_life *s = (short_life *)arg;
    void *p = zslab_malloc(s->z, (size_t)(8 + s->i % 500));
    CHECK(p != NULL);
    CHECK_IS(zslab_free(s->z, p), ZSLAB_OK);
    if (s->kept) /* an object of a thread that has gone */
        CHECK_IS(zslab_free(s->z, s->kept), ZSLAB_OK);
    CHECK((s->kept = zslab_malloc(s->z, (size_t)(8 + s->i % 3000))) != NULL);
    return NULL;
}

/* Ten thousand threads, four at a time, leave at most as many heaps as ever ran at once. */
static void many_short_threads(const test_mode *m, uint64_t threads)
{
    short_life life[4];
    pthread_t thread[4];
    uint64_t n, i;
    zslab *z = test_open(m, NULL);
    memset(life, 0, sizeof life);
    for (n = 0; n < threads; n += 4) {
        for (i = 0; i < 4; i++) {
            life[i].z = z;
            life[i].i = (int)(n + i);
            MUST(pthread_create(&thread[i], NULL, live_shortly, &life[i]) == 0);
        }
        for (i = 0; i < 4; i++) pthread_join(thread[i], NULL);
    }
    CHECK(z->heap_count <= (test_owned(m) ? 4u : 1u));
    CHECK(test_live(z) == 4);
    for (i = 0; i < 4; i++) CHECK_IS(zslab_free(z, life[i].kept), ZSLAB_OK);
    CHECK(test_live(z) == 0);
    test_destroy(z);
}

/* Detach parks at once; the objects stay and the thread goes on. */
static void detach(const test_mode *m)
{
    static handover h;
    test_worker w;
    h.z = test_open(m, NULL);
    zslab_thread_detach(h.z); /* nothing to park yet */
    fill(&h, MANY, 1);
    zslab_thread_detach(h.z);
    test_worker_start(&w);
    test_worker_do(&w, drain_job, &h); /* takes the parked heap over, so these are its own */
    CHECK(h.z->heap_count == 1);
    test_worker_do(&w, fill_job, &h);
    drain(&h);
    zslab_thread_detach(h.z);
    zslab_thread_detach(h.z);
    test_worker_end(&w);
    CHECK(h.z->heap_count <= 2 && test_live(h.z) == 0);
    test_destroy(h.z);
}

/* ---- after the teardown: keys made before and after the allocator's run before and after its own ---- */
static struct {
    zslab *z;
    void *own[50], *main_thread[50];
    int calls;
    zslab_result late_reason;
    void *late;
} gone;

static void at_thread_end(void *value)
{
    int i;
    (void)value;
    for (i = gone.calls * 10; i < gone.calls * 10 + 10; i++) {
        CHECK_IS(zslab_free(gone.z, gone.own[i]), ZSLAB_OK);
        CHECK_IS(zslab_free(gone.z, gone.own[i]), ZSLAB_E_DOUBLE_FREE);
        CHECK_IS(zslab_free(gone.z, gone.main_thread[i]), ZSLAB_OK);
        CHECK_IS(zslab_free(gone.z, gone.main_thread[i]), ZSLAB_E_DOUBLE_FREE);
        CHECK_IS(zslab_free(gone.z, (char *)gone.own[i] + 1), ZSLAB_E_MISALIGNED);
    }
    (void)zslab_malloc(gone.z, 0); /* so that the reason below is this call's */
    gone.late = zslab_malloc(gone.z, 64);
    gone.late_reason = zslab_last_error();
    if (gone.late) CHECK_IS(zslab_free(gone.z, gone.late), ZSLAB_OK);
    gone.calls++;
}

static pthread_key_t gone_keys[2];
static void *use_and_end(void *arg)
{
    int i;
    (void)arg;
    for (i = 0; i < 50; i++) MUST(gone.own[i] = zslab_malloc(gone.z, 100));
    pthread_setspecific(gone_keys[0], &gone);
    pthread_setspecific(gone_keys[1], &gone);
    return NULL;
}

static void frees_after_the_teardown(const test_mode *m)
{
    size_t round;
    int i;
    memset(&gone, 0, sizeof gone);
    MUST(pthread_key_create(&gone_keys[0], at_thread_end) == 0);
    gone.z = test_open(m, NULL);
    MUST(pthread_key_create(&gone_keys[1], at_thread_end) == 0);
    for (round = 0; round < turns(20); round++) {
        gone.calls = 0;
        for (i = 0; i < 50; i++) MUST(gone.main_thread[i] = zslab_malloc(gone.z, 200));
        test_in_thread(use_and_end, NULL);
        CHECK(gone.calls == 2);
        CHECK(gone.late || (gone.late_reason != ZSLAB_OK && gone.late_reason != ZSLAB_E_INVALID));
        for (i = 20; i < 50; i++) {
            CHECK_IS(zslab_free(gone.z, gone.own[i]), ZSLAB_OK);
            CHECK_IS(zslab_free(gone.z, gone.main_thread[i]), ZSLAB_OK);
        }
        zslab_trim(gone.z);
    }
    CHECK(gone.z->heap_count <= 2); /* late frees take no heap */
    CHECK(test_live(gone.z) == 0);
    pthread_key_delete(gone_keys[0]);
    pthread_key_delete(gone_keys[1]);
    test_destroy(gone.z);
}

/* ---- allocators that go ---- */

/* Parked heaps, live objects and a waiting thread that used it: destroy ends them all, and the thread goes on. */
static void destroy_with_parked_heaps(const test_mode *m)
{
    static handover h;
    test_worker w;
    size_t round;
    test_worker_start(&w);
    for (round = 0; round < turns(20); round++) {
        h.z = test_open(m, NULL);
        test_in_thread(fill_thread, &h);
        test_in_thread(fill_thread, &h);
        test_worker_do(&w, fill_job, &h); /* still attached when z goes */
        test_destroy(h.z);
    }
    test_worker_end(&w);
}

/* Threads meet another allocator at the address of one they used. */
static void recreated_at_the_same_address(const test_mode *m)
{
    static handover h;
    test_worker w;
    zslab *first = NULL;
    size_t round;
    int same = 0;
    test_worker_start(&w);
    for (round = 0; round < turns(30); round++) {
        h.z = test_open(m, NULL);
        same += h.z == first;
        first = h.z;
        fill(&h, 500, 1);
        test_worker_do(&w, drain_job, &h);
        test_worker_do(&w, fill_job, &h);
        drain(&h);
        CHECK(test_live(h.z) == 0 && h.z->heap_count <= 2);
        test_destroy(h.z);
    }
    test_worker_end(&w);
    CHECK(same > 0 || TEST_EMULATED); /* else nothing was shown: QEMU maps where it likes */
}

/* Several allocators in one thread: each knows its own objects, and counts as one thread in each. */
static void several_allocators(const test_mode *m)
{
    zslab *z[5];
    void *p[5][40];
    zslab_config small = {0}; /* a range of the default's size for each is more than WebAssembly has */
    uint64_t seed = 5;
    size_t i, k, n, from;
    small.reserve_bytes = (size_t)64 << 20;
    for (k = 0; k < 5; k++) z[k] = !m->in_buffer ? test_open(m, &small) : k ? test_create(&small) : test_open(m, NULL);
    for (n = 0; n < 40; n++)
        for (k = 0; k < 5; k++) MUST(p[k][n] = zslab_malloc(z[k], 8 + (size_t)(test_random(&seed) % 1000)));
    for (i = 0; i < 2000; i++) {
        k = (size_t)(test_random(&seed) % 5), n = (size_t)(test_random(&seed) % 40);
        from = (size_t)(test_random(&seed) % 5);
        CHECK_IS(zslab_free(z[from], p[k][n]), from == k ? ZSLAB_OK : ZSLAB_E_FOREIGN);
        if (from == k) MUST(p[k][n] = zslab_malloc(z[k], 8 + (size_t)(test_random(&seed) % 1000)));
    }
    for (k = 0; k < 5; k++) { /* the first ones go while the others are used */
        CHECK(test_live(z[k]) == 40 && z[k]->heap_count == 1);
        for (i = k; i < 5; i++) {
            CHECK_IS(zslab_free(z[i], p[i][k]), ZSLAB_OK);
            MUST(p[i][k] = zslab_malloc(z[i], 24));
        }
        test_destroy(z[k]);
    }
}

/* Explicit heaps wander between threads, one at a time. */
typedef struct wandering {
    zslab *z;
    zslab_heap *heap;
    void *p[200];
} wandering;

static void wander(void *arg)
{
    wandering *w = (wandering *)arg;
    int i;
    for (i = 0; i < 600; i++) {
        void **p = &w->p[i % 200];
        if (*p) {
            CHECK(test_filled(*p, 40, 9));
            CHECK_IS(i % 2 ? zslab_heap_free(w->heap, *p) : zslab_free(w->z, *p), ZSLAB_OK);
        }
        MUST(*p = zslab_heap_malloc(w->heap, 40));
        test_fill(*p, 40, 9);
    }
}

static void explicit_heaps_wander(const test_mode *m)
{
    static wandering state;
    test_worker a, b;
    size_t i;
    memset(&state, 0, sizeof state);
    state.z = test_open(m, NULL);
    MUST(state.heap = zslab_heap_create(state.z));
    test_worker_start(&a);
    test_worker_start(&b);
    for (i = 0; i < 30; i++) {
        test_worker_do(&a, wander, &state);
        test_worker_do(&b, wander, &state);
        wander(&state);
    }
    test_worker_end(&a);
    test_worker_end(&b);
    zslab_heap_destroy(state.heap);
    CHECK(test_live(state.z) == 200);
    for (i = 0; i < 200; i++) CHECK_IS(zslab_free(state.z, state.p[i]), ZSLAB_OK);
    CHECK(test_live(state.z) == 0);
    test_destroy(state.z);
}

/* A thread that is done may be ending while the last allocator goes: nobody waits for ever, and the number it had is
   not taken from the thread that has it next. [THREAD-1] */
typedef struct leaver {
    zslab *z;
    uint32_t done;
} leaver;

static void *uses_and_leaves(void *user)
{
    leaver *l = (leaver *)user;
    void *p = zslab_malloc(l->z, 100);
    CHECK(p && zslab_free(l->z, p) == ZSLAB_OK);
    zs__store_rel_u32(&l->done, 1); /* release: it no longer uses the allocator. Pairs with the load below */
    return NULL;
}

static void leaves_while_the_last_one_goes(const test_mode *m, uint64_t rounds)
{
    while (rounds--) {
        leaver l = {test_open(m, NULL), 0};
        pthread_t thread;
        void *p = NULL;
        MUST(pthread_create(&thread, NULL, uses_and_leaves, &l) == 0);
        while (!zs__load_acq_u32(&l.done)) /* acquire: pairs with the store of uses_and_leaves */
            sched_yield();
        zslab_destroy(l.z);
        l.z = test_open(m, NULL);
        CHECK((p = zslab_malloc(l.z, 100)) != NULL);
        pthread_join(thread, NULL);
#if !ZSLAB_NO_TLS
        CHECK(!test_owned(m) || *zs__heap_entry(l.z, zs__tls()->thread) == (uintptr_t)l.z->heaps);
#endif
        CHECK_IS(zslab_free(l.z, p), ZSLAB_OK);
        zslab_destroy(l.z);
    }
}

/* ---- threads whose words are gone when the allocator goes ---- */
#if STACKS_GO
#define OWN_STACK ((size_t)1 << 20)

typedef struct vanishing {
    void *(*work)(void *);
    void *arg;
    uint64_t os_thread;
} vanishing;

static void *works_and_vanishes(void *arg)
{
    vanishing *v = (vanishing *)arg;
    v->os_thread = zs__os_thread();
    return v->work(v->arg);
}

/* A join returns while the kernel still ends the thread: its name goes a moment later, and that is waited for. */
static void in_a_thread_that_vanishes(void *(*work)(void *), void *arg)
{
    vanishing v = {work, arg, 0};
    pthread_attr_t attributes;
    pthread_t thread;
    void *stack = mmap(NULL, OWN_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    MUST(stack != MAP_FAILED && pthread_attr_init(&attributes) == 0);
    MUST(pthread_attr_setstack(&attributes, stack, OWN_STACK) == 0);
    MUST(pthread_create(&thread, &attributes, works_and_vanishes, &v) == 0);
    pthread_join(thread, NULL);
    while (zs__os_thread_lives(v.os_thread)) sched_yield();
    pthread_attr_destroy(&attributes);
    munmap(stack, OWN_STACK);
}

static unsigned numbers_in_use(void)
{
    unsigned w, n = 0;
    for (w = 0; w < ZS__THREADS_MAX / 64; w++) n += zs__popcount(zs__global.threads[w]);
    return n;
}

/* Detached from an allocator that is destroyed, a thread uses the next one: that one's exit hook runs for it. */
static struct {
    const test_mode *m;
    zslab *z;
} over;

static void *detaches_and_goes_on(void *arg)
{
    int round;
    (void)arg;
    for (round = 0; round < 3; round++) { /* each time the first and last allocator of the process */
        over.z = test_open(over.m, NULL);
        CHECK_IS(zslab_free(over.z, zslab_malloc(over.z, 64)), ZSLAB_OK);
        if (round == 2) break;
        zslab_thread_detach(over.z);
        CHECK(!test_owned(over.m) || zs__tls()->thread == 0);
        zslab_destroy(over.z);
    }
    return NULL;
}

static void detached_before_the_destroy(const test_mode *m)
{
    unsigned numbers = numbers_in_use(), round;
    for (round = 0; round < 50; round++) {
        over.m = m;
        in_a_thread_that_vanishes(detaches_and_goes_on, NULL);
        CHECK(over.z->heap_count == 1);
        CHECK(!test_owned(m) || over.z->parked == over.z->heaps);
        zslab_destroy(over.z);
    }
    CHECK(numbers_in_use() == numbers);
}

/* Destructors that allocate up to the last round of them, before and after the exit hook's, and inside a domain; or
   only there, as the thread's first use. [THREAD-2] */
static struct {
    zslab *z, *beside;
    zslab_domain *domain;
    pthread_key_t key;
    int early, rounds; /* the thread itself uses z */
    int enters_in;
} last;

static void last_rounds(void *value)
{
    void *p;
    if (++last.rounds < PTHREAD_DESTRUCTOR_ITERATIONS) pthread_setspecific(last.key, value);
    if (!last.early && last.rounds < PTHREAD_DESTRUCTOR_ITERATIONS) return;
    CHECK((p = zslab_malloc(last.z, 100)) != NULL);
    CHECK((p = zslab_realloc(last.z, p, 1000)) != NULL);
    CHECK_IS(zslab_free(last.z, p), ZSLAB_OK);
    CHECK_IS(zslab_handle_free(last.z, zslab_handle_alloc(last.z, 64, zslab_epoch_current(last.z), NULL)), ZSLAB_OK);
    CHECK_IS(zslab_domain_enter(last.domain), ZSLAB_OK);
    CHECK(zslab_epoch_of(last.z, zslab_malloc(last.z, 24)) == zslab_domain_epoch(last.domain));
    CHECK_IS(zslab_free(last.beside, zslab_malloc(last.beside, 64)), ZSLAB_OK);
    CHECK_IS(zslab_domain_exit(last.domain), ZSLAB_OK);
}

static void *ends_in_rounds(void *arg)
{
    if (last.early) CHECK_IS(zslab_free(last.z, zslab_malloc(last.z, 64)), ZSLAB_OK);
    last.rounds = 0;
    pthread_setspecific(last.key, arg);
    return NULL;
}

static void allocates_in_the_last_destructors(const test_mode *m, int early, int first)
{
    unsigned numbers = numbers_in_use(), round;
    if (!test_owned(m)) /* domains are not the thread's there */
        return;
    if (first) MUST(pthread_key_create(&last.key, last_rounds) == 0);
    last.early = early;
    last.z = test_open(m, NULL);
    last.beside = test_create(NULL);
    if (!first) MUST(pthread_key_create(&last.key, last_rounds) == 0);
    MUST(last.domain = zslab_domain_wrap(last.z, zslab_epoch_open(last.z, NULL), ZSLAB_ON_EXIT_RESET));
    for (round = 0; round < 100; round++) {
        in_a_thread_that_vanishes(ends_in_rounds, &last);
        CHECK(last.rounds == PTHREAD_DESTRUCTOR_ITERATIONS);
    }
    CHECK(last.z->heap_count <= 4 && last.beside->heap_count <= 4);
    CHECK(test_live(last.z) == 0);
    test_destroy(last.z);
    test_destroy(last.beside);
    pthread_key_delete(last.key);
    CHECK(numbers_in_use() <= numbers);
}

/* A destructor that enters a domain and stays: the thread leaves it before it is gone, or the next call for the domain
   finds that it is gone. [THREAD-3] */
static void enters_for_good(void *value)
{
    if (++last.rounds < last.enters_in) {
        pthread_setspecific(last.key, value);
        return;
    }
    CHECK_IS(zslab_domain_enter(last.domain), ZSLAB_OK);
    CHECK_IS(zslab_domain_enter(last.domain), ZSLAB_OK);
    CHECK(zslab_malloc(last.z, 24) != NULL);
}

static void *allocates_once(void *arg)
{
    void *p = zslab_malloc(last.z, 100);
    CHECK(p && zslab_domain_current(last.z) == NULL && zslab_epoch_of(last.z, p) == zslab_epoch_current(last.z));
    CHECK_IS(zslab_free(last.z, p), ZSLAB_OK);
    return arg;
}

static void stays_inside(const test_mode *m, int how, int in)
{
    const int first = how & 1, taken_over = how & 2;
    last.early = how >> 2 & 1;
    last.enters_in = in;
    if (first) MUST(pthread_key_create(&last.key, enters_for_good) == 0);
    last.z = test_open(m, NULL);
    if (!first) MUST(pthread_key_create(&last.key, enters_for_good) == 0);
    MUST(last.domain = zslab_domain_wrap(last.z, zslab_epoch_open(last.z, NULL), ZSLAB_ON_EXIT_RESET));
    in_a_thread_that_vanishes(ends_in_rounds, &last);
    CHECK(last.rounds == in);
    if (in < PTHREAD_DESTRUCTOR_ITERATIONS) CHECK(last.domain->inside == 0 && test_live(last.z) == 0);
    if (taken_over) {
        in_a_thread_that_vanishes(allocates_once, NULL);
        CHECK(last.domain->inside == 0);
        CHECK_IS(zslab_domain_enter(last.domain), ZSLAB_OK);
        CHECK(last.domain->inside == 1 && test_live(last.z) == 0);
        CHECK_IS(zslab_domain_exit(last.domain), ZSLAB_OK);
    }
    CHECK_IS(zslab_domain_destroy(last.domain), ZSLAB_OK);
    CHECK(test_live(last.z) == 0 && last.z->heap_count == 1);
    test_destroy(last.z);
    pthread_key_delete(last.key);
}

static void enters_in_a_destructor(const test_mode *m)
{
    int how, in;
    for (how = 0; test_owned(m) && how < 8; how++) /* domains are not the thread's in shared mode */
        for (in = 1; in <= PTHREAD_DESTRUCTOR_ITERATIONS; in++) stays_inside(m, how, in);
}
#endif

/* ---- a storm: many threads alive at once, which free each other's objects and end in any order ---- */
#define STORM_MOST 300
#define STORM_EACH 24
static struct {
    zslab *z;
    zslab_epoch epoch;
    int threads;
    pthread_mutex_t lock; /* guards what follows; p[i] belongs to one thread at a time */
    pthread_cond_t turn;
    int arrived;
    int phase;                    /* 1: all have their first objects, 2: all their second ones */
    unsigned char go[STORM_MOST]; /* may end */
    pthread_t thread[STORM_MOST];
    void *p[STORM_MOST][STORM_EACH];
} storm;

static size_t storm_bytes(int j) { return j % 3 ? 24 + (size_t)j : 1000; }

static void storm_take(int row, uint64_t seed)
{
    int j;
    for (j = 0; j < STORM_EACH; j++) {
        zslab_epoch e = j % 4 ? zslab_epoch_current(storm.z) : storm.epoch;
        MUST(storm.p[row][j] = zslab_malloc_epoch(storm.z, storm_bytes(j), e));
        test_fill(storm.p[row][j], storm_bytes(j), seed);
    }
}

static void storm_give(int row, int from, int step, uint64_t seed)
{
    int j;
    for (j = from; j < STORM_EACH; j += step) {
        CHECK(test_filled(storm.p[row][j], storm_bytes(j), seed));
        CHECK_IS(zslab_free(storm.z, storm.p[row][j]), ZSLAB_OK);
    }
}

static void storm_wait(int phase) /* for all to arrive there */
{
    pthread_mutex_lock(&storm.lock);
    if (++storm.arrived == phase * storm.threads) {
        storm.phase = phase;
        pthread_cond_broadcast(&storm.turn);
    }
    while (storm.phase < phase) pthread_cond_wait(&storm.turn, &storm.lock);
    pthread_mutex_unlock(&storm.lock);
}

static void *storm_thread(void *arg)
{
    int me = (int)(uintptr_t)arg, other = (me + 1 + storm.threads / 3) % storm.threads;
    storm_take(me, 1);
    storm_wait(1);
    storm_give(other, 0, 1, 1); /* made by a thread that lives */
    storm_take(other, 2);
    storm_wait(2);
    pthread_mutex_lock(&storm.lock);
    while (!storm.go[me]) pthread_cond_wait(&storm.turn, &storm.lock);
    pthread_mutex_unlock(&storm.lock);
    storm_give(me, 0, 2, 2); /* made by a thread that may be gone */
    return NULL;
}

static void storm_blows(uint64_t *seed)
{
    pthread_attr_t attr;
    int order[STORM_MOST], i, k;
    storm.arrived = storm.phase = 0;
    memset(storm.go, 0, sizeof storm.go);
    MUST(storm.epoch = zslab_epoch_open(storm.z, "storm"));
    MUST(pthread_attr_init(&attr) == 0 && pthread_attr_setstacksize(&attr, (size_t)256 << 10) == 0);
    for (i = 0; i < storm.threads; i++) {
        k = (int)(test_random(seed) % (uint64_t)(i + 1)); /* a random order, grown by one: Fisher and Yates */
        order[i] = order[k];
        order[k] = i;
        MUST(pthread_create(&storm.thread[i], &attr, storm_thread, (void *)(uintptr_t)i) == 0);
    }
    pthread_attr_destroy(&attr);
    for (i = 0; i < storm.threads; i++) {
        pthread_mutex_lock(&storm.lock);
        while (storm.phase < 2) pthread_cond_wait(&storm.turn, &storm.lock);
        storm.go[order[i]] = 1;
        if (i % 16 == 15 || i == storm.threads - 1) pthread_cond_broadcast(&storm.turn);
        pthread_mutex_unlock(&storm.lock);
        if (i == storm.threads / 2) CHECK_IS(zslab_epoch_close(storm.z, storm.epoch), ZSLAB_OK);
    }
    for (i = 0; i < storm.threads; i++) pthread_join(storm.thread[i], NULL);
    CHECK(test_live(storm.z) == (size_t)(storm.threads * STORM_EACH / 2));
    CHECK(zslab_epoch_state_of(storm.z, storm.epoch) == ZSLAB_EPOCH_CLOSED); /* its objects were at even places */
    for (i = 0; i < storm.threads; i++) storm_give(i, 1, 2, 2);
    CHECK(test_live(storm.z) == 0);
}

/* As many heaps as threads lived at once; those who come after them take the same ones over. */
static void storms(const test_mode *m)
{
    uint64_t seed = 11;
    int round;
    storm.z = test_open(m, NULL);
    storm.threads = TEST_WASM ? 8 : TEST_SLOWED || test_tight(m) ? STORM_MOST / 5 : STORM_MOST;
    pthread_mutex_init(&storm.lock, NULL);
    pthread_cond_init(&storm.turn, NULL);
    for (round = 0; round < 2; round++) {
        storm_blows(&seed);
        if (test_owned(m)) /* and one for this thread, if it came late */
            CHECK(storm.z->heap_count - (uint32_t)storm.threads <= 1);
        else
            CHECK(storm.z->heap_count == 1);
    }
    pthread_mutex_destroy(&storm.lock);
    pthread_cond_destroy(&storm.turn);
    test_destroy(storm.z);
}

int main(int argc, char **argv)
{
    uint64_t threads = test_amount(argc, argv, 10000);
    TEST_EACH_MODE(m)
    {
        freed_elsewhere(m);
        only_frees(m);
        heap_outlives_its_thread(m);
        many_short_threads(m, m->flags || m->reclaim != ZSLAB_RECLAIM_LATENCY ? threads / 10 : threads);
        detach(m);
        frees_after_the_teardown(m);
        destroy_with_parked_heaps(m);
        recreated_at_the_same_address(m);
        several_allocators(m);
        explicit_heaps_wander(m);
        leaves_while_the_last_one_goes(m, threads / 50);
#if STACKS_GO
        detached_before_the_destroy(m);
        allocates_in_the_last_destructors(m, 1, 0);
        allocates_in_the_last_destructors(m, 1, 1);
        allocates_in_the_last_destructors(m, 0, 0);
        allocates_in_the_last_destructors(m, 0, 1);
        enters_in_a_destructor(m);
#endif
        if (!m->in_buffer) storms(m);
    }
    return test_summary("test_threads");
}
