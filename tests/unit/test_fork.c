/* fork: the child goes on using the allocator, also when other threads were in the middle of it. */
/* timeout: 300 */
#include "tests/lib/test.h"
#include "tests/lib/child.h"

#define LIVE 400

static zslab *z;
static void *p[LIVE];
static size_t bytes[LIVE];

static void replace(size_t i, uint64_t random)
{
    if (p[i]) {
        CHECK(test_filled(p[i], bytes[i], 11));
        CHECK_IS(zslab_free(z, p[i]), ZSLAB_OK);
    }
    bytes[i] = 1 + (size_t)(random % 1500);
    MUST(p[i] = zslab_malloc(z, bytes[i]));
    test_fill(p[i], bytes[i], 11);
}

static void *a_thread(void *arg)
{
    size_t i;
    (void)arg;
    for (i = 0; i < LIVE; i += 3) replace(i, i);
    return NULL;
}

/* What a child does: everything, with the objects it has from before. */
static void use_it(int threads)
{
    zslab_epoch e;
    uint64_t seed = 4;
    size_t i;
    void *q;
    for (i = 0; i < 3000; i++) replace((size_t)(test_random(&seed) % LIVE), test_random(&seed));
    MUST((e = zslab_epoch_open(z, "child")) != ZSLAB_EPOCH_NONE);
    MUST((q = zslab_malloc_epoch(z, 100, e)) != NULL);
    CHECK_IS(zslab_epoch_release(z, e), ZSLAB_OK);
    CHECK_IS(zslab_free(z, q), ZSLAB_E_STALE);
    if (threads && !TEST_TSAN) test_in_thread(a_thread, NULL);
    zslab_trim(z);
    CHECK(test_live(z) != (size_t)-1);
    for (i = 0; i < LIVE; i++) {
        CHECK(test_filled(p[i], bytes[i], 11));
        CHECK_IS(zslab_free(z, p[i]), ZSLAB_OK);
        CHECK_IS(zslab_free(z, p[i]), ZSLAB_E_DOUBLE_FREE);
    }
    CHECK(zslab_epoch_advance(z) != ZSLAB_EPOCH_NONE);
}

static void quiet_parent(const test_mode *m)
{
    uint64_t seed = 9;
    size_t i;
    z = test_open(m, NULL);
    memset(p, 0, sizeof p);
    for (i = 0; i < 3 * LIVE; i++) replace(i % LIVE, test_random(&seed));
    for (i = 0; i < 5; i++) {
        in_a_child(use_it, 1);
        replace(i, 70); /* the parent's own objects are untouched */
    }
    CHECK(test_live(z) == LIVE);
    for (i = 0; i < LIVE; i++) CHECK_IS(zslab_free(z, p[i]), ZSLAB_OK);
    test_destroy(z);
}

static void grandchild(int depth)
{
    replace(1, 200);
    if (depth) in_a_child(grandchild, depth - 1);
    replace(2, 300);
    CHECK(test_live(z) == LIVE);
}

static void forks_of_forks(const test_mode *m)
{
    size_t i;
    z = test_open(m, NULL);
    memset(p, 0, sizeof p);
    for (i = 0; i < LIVE; i++) replace(i, i);
    in_a_child(grandchild, 4);
    test_destroy(z);
}

static void frees_all(int count)
{
    int i;
    for (i = 0; i < count; i++) CHECK_IS(zslab_free(z, p[i]), ZSLAB_OK);
}

/* A free that empties a chunk may be the child's first call, and another thread have held the arena at the fork. */
static void child_only_frees(const test_mode *m)
{
    zslab_config c = {0};
    int i;
    c.cache_bytes = ZSLAB_CACHE_NONE;
    z = test_open(m, &c);
    for (i = 0; i < LIVE; i++) MUST((p[i] = zslab_malloc(z, 4096)) != NULL);
    zs__arena_take(z);
    in_a_child(frees_all, LIVE);
    zs__arena_drop(z);
    frees_all(LIVE);
    test_destroy(z);
}

/* The child may end the allocator and make another. */
static void ends_it(int with_objects)
{
    zslab *other = zslab_create(NULL);
    MUST(other && zslab_malloc(other, 10));
    if (with_objects) replace(3, 33);
    zslab_destroy(z);
    CHECK(zslab_malloc(other, 10) != NULL && test_live(other) == 2);
    test_destroy(other);
}

static void child_ends_it(const test_mode *m)
{
    size_t i;
    z = test_open(m, NULL);
    memset(p, 0, sizeof p);
    for (i = 0; i < LIVE; i++) replace(i, i);
    in_a_child(ends_it, 0);
    in_a_child(ends_it, 1);
    CHECK(test_live(z) == LIVE);
    test_destroy(z);
}

/* A free may be the first call, of a thread that has no heap yet: the object goes home to its owner, once. */
static void makes_one(void *unused)
{
    (void)unused;
    MUST(p[0] = zslab_malloc(z, 100));
}

static void *makes_many(void *unused)
{
    size_t i;
    for (i = 0; i < LIVE; i++) {
        MUST(p[i] = zslab_malloc(z, 100));
        memset(p[i], (int)i, 100);
    }
    for (i = 0; i < LIVE; i++) CHECK(*(unsigned char *)p[i] == (unsigned char)i);
    for (i = 0; i < LIVE; i++) CHECK_IS(zslab_free(z, p[i]), ZSLAB_OK);
    return unused;
}

static void frees_anothers(int with_handle)
{
    CHECK_IS(with_handle ? zslab_handle_free(z, zslab_handle_of(z, p[1])) : zslab_free(z, p[0]), ZSLAB_OK);
    if (!TEST_TSAN) test_in_thread(makes_many, NULL);
    makes_many(NULL);
    CHECK(test_live(z) == 1);
}

static void makes_one_with_handle(void *unused)
{
    makes_one(unused);
    MUST(zslab_handle_alloc(z, 100, zslab_epoch_current(z), &p[1]) != 0);
}

static void child_frees_anothers(const test_mode *m)
{
    test_worker w;
    z = test_open(m, NULL);
    test_worker_start(&w);
    test_worker_do(&w, makes_one_with_handle, NULL);
    in_a_child(frees_anothers, 0);
    in_a_child(frees_anothers, 1);
    test_worker_end(&w);
    test_destroy(z);
}

/* Sizes are remembered, and another thread held the lock of those who ask for advice. */
static void asks_for_advice(int unused)
{
    uint32_t advice[4];
    (void)unused;
    CHECK(zslab_suggest_classes(z, advice, 4) == 1 && advice[0] == 112);
}

static void advice_in_the_child(const test_mode *m)
{
    zslab_config c = {0};
    c.sample_every = 1;
    z = test_open(m, &c);
    MUST((p[0] = zslab_malloc(z, 100)) != NULL);
    zs__lock_take(zs__as_lock(&z->samples->lock));
    in_a_child(asks_for_advice, 0);
    zs__lock_drop(zs__as_lock(&z->samples->lock));
    CHECK_IS(zslab_free(z, p[0]), ZSLAB_OK);
    test_destroy(z);
}

/* Of two threads inside a domain one is left in the child: its exit is the last. */
static zslab_domain *both_inside;
static void goes_inside(void *unused)
{
    (void)unused;
    CHECK_IS(zslab_domain_enter(both_inside), ZSLAB_OK);
    CHECK(zslab_malloc_epoch(z, 30, zslab_domain_epoch(both_inside)) != NULL);
}

static void goes_outside(void *unused)
{
    (void)unused;
    CHECK_IS(zslab_domain_exit(both_inside), ZSLAB_OK);
}

static void is_the_last(int unused)
{
    (void)unused;
    CHECK(test_live(z) == 3);
    goes_outside(NULL);
    CHECK(test_live(z) == 3); /* it went in twice */
    goes_outside(NULL);
    CHECK(zslab_epoch_state_of(z, zslab_domain_epoch(both_inside)) == ZSLAB_EPOCH_CLOSED);
    CHECK(test_live(z) == 0);
    CHECK_IS(zslab_domain_exit(both_inside), ZSLAB_E_INVALID);
}

static void last_inside(const test_mode *m)
{
    test_worker w;
    z = test_open(m, NULL);
    MUST((both_inside = zslab_domain_create(z)) != NULL);
    test_worker_start(&w);
    test_worker_do(&w, goes_inside, NULL);
    goes_inside(NULL);
    goes_inside(NULL);
    in_a_child(is_the_last, 0);
    CHECK(test_live(z) == 3);
    goes_outside(NULL);
    goes_outside(NULL);
    CHECK(test_live(z) == 3);
    test_worker_do(&w, goes_outside, NULL);
    CHECK(test_live(z) == 0);
    test_worker_end(&w);
    test_destroy(z);
}

/* ---- with other threads at work ---- */
static int stop;       /* atomic */
static char second[1]; /* argument of the second thread */
static struct {
    void *p[300];
    size_t bytes[300];
} work[2];
static void *mail[64]; /* atomic: objects on their way from one thread to the other */

static void *churn(void *arg)
{
    int me = arg != NULL;
    uint64_t seed = (uint64_t)me + 77;
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        uint64_t x = test_random(&seed);
        size_t i = (size_t)(x % 300);
        void *q;
        if (work[me].p[i]) zslab_free(z, work[me].p[i]);
        MUST(work[me].p[i] = zslab_malloc(z, 1 + (size_t)((x >> 20) % 1500)));
        MUST(q = zslab_malloc(z, 1 + (size_t)((x >> 32) % 300)));
        q = __atomic_exchange_n(&mail[x >> 40 & 63], q, __ATOMIC_ACQ_REL);
        if (q) zslab_free(z, q);
        if (x % 5000 == 0) zslab_trim(z);
        if (x % 7000 == 0) {
            zslab_epoch e = zslab_epoch_open(z, NULL);
            if (e) {
                (void)zslab_malloc_epoch(z, 50, e);
                zslab_epoch_release(z, e);
            }
        }
    }
    return NULL;
}

static void busy_parent(const test_mode *m, int forks)
{
    pthread_t thread[2];
    size_t i;
    int k;
    z = test_open(m, NULL);
    memset(p, 0, sizeof p);
    memset(work, 0, sizeof work);
    memset(mail, 0, sizeof mail);
    for (i = 0; i < LIVE; i++) replace(i, i * 7);
    stop = 0;
    for (k = 0; k < 2; k++) MUST(pthread_create(&thread[k], NULL, churn, k ? second : NULL) == 0);
    for (k = 0; k < forks; k++) {
        test_at("%s, fork %d", m->name, k);
        replace((size_t)k % LIVE, (uint64_t)k);
        in_a_child(use_it, k % 2);
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (k = 0; k < 2; k++) pthread_join(thread[k], NULL);
    for (i = 0; i < LIVE; i++) CHECK_IS(zslab_free(z, p[i]), ZSLAB_OK);
    test_destroy(z);
}

/* Shared mode: a claim that a thread of the parent had not finished, in an open epoch and in one that drains.
   [FORK-3] */
static zslab_epoch draining;
static void without_the_claims(int unused)
{
    void *q = zslab_malloc(z, 3000);
    (void)unused;
    CHECK(q && test_live(z) == 2); /* and it waits for nobody */
    CHECK_IS(zslab_free(z, p[0]), ZSLAB_E_DOUBLE_FREE);
    CHECK_IS(zslab_free(z, q), ZSLAB_OK);
    CHECK(zslab_epoch_state_of(z, draining) == ZSLAB_EPOCH_CLOSED);
    CHECK_IS(zslab_free(z, p[1]), ZSLAB_E_DOUBLE_FREE);
    CHECK_IS(zslab_free(z, p[2]), ZSLAB_OK);
    CHECK(test_live(z) == 0);
}

static void claims_under_way(const test_mode *m)
{
    uint8_t *state[2], was[2];
    int k;
    z = test_open(m, NULL);
    MUST((draining = zslab_epoch_open(z, "draining")) != ZSLAB_EPOCH_NONE);
    MUST((p[0] = zslab_malloc(z, 100)) != NULL && (p[1] = zslab_malloc_epoch(z, 200, draining)) != NULL);
    MUST((p[2] = zslab_malloc(z, 100)) != NULL);
    CHECK_IS(zslab_epoch_close(z, draining), ZSLAB_OK);
    for (k = 0; k < 2; k++) {
        state[k] = zs__slot_state(z, p[k]);
        was[k] = *state[k];
        *state[k] = ZS__CLAIMED;
    }
    in_a_child(without_the_claims, 0);
    for (k = 0; k < 2; k++) {
        *state[k] = was[k];
        CHECK_IS(zslab_free(z, p[k]), ZSLAB_OK);
    }
    CHECK_IS(zslab_free(z, p[2]), ZSLAB_OK);
    test_destroy(z);
}

/* Forks while another thread is inside a call of the system, with whatever locks it holds there: every call of a story
   in turn, waited for, so that each run forks at the same points. */
static struct {
    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t moved;
    uint64_t calls, stop_at;
    int inside, go_on, over;
} halt = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0, 0, 0, 0};
static pthread_t teller;
static int telling;

static void halt_here(void)
{
    if (!telling || !pthread_equal(pthread_self(), teller)) return;
    pthread_mutex_lock(&halt.lock);
    if (++halt.calls == halt.stop_at) {
        halt.inside = 1;
        pthread_cond_broadcast(&halt.moved);
        while (!halt.go_on) pthread_cond_wait(&halt.moved, &halt.lock);
    }
    pthread_mutex_unlock(&halt.lock);
}
static void *halt_reserve(void *user, size_t n, size_t alignment)
{
    halt_here();
    return zs__os_reserve(user, n, alignment);
}
static int halt_commit(void *user, void *at, size_t n)
{
    halt_here();
    return zs__os_commit(user, at, n);
}
static int halt_purge(void *user, void *at, size_t n)
{
    halt_here();
    return zs__os_purge(user, at, n);
}
static void halt_release(void *user, void *at, size_t n) { zs__os_release(user, at, n); }

static void *tell(void *unused)
{
    zslab_epoch e = zslab_epoch_open(z, "told");
    void *q[300];
    size_t i;
    (void)unused;
    pthread_mutex_lock(&halt.lock);
    teller = pthread_self();
    telling = 1;
    pthread_mutex_unlock(&halt.lock);
    for (i = 0; i < 300; i++) MUST(q[i] = i % 2 ? zslab_malloc_epoch(z, 1 + i * 27, e) : zslab_malloc(z, 1 + i * 27));
    MUST(zslab_handle_alloc(z, 500, e, NULL) != 0);
    for (i = 0; i < 300; i += 4) CHECK_IS(zslab_free(z, q[i]), ZSLAB_OK);
    CHECK_IS(zslab_epoch_close(z, e), ZSLAB_OK);
    for (i = 1; i < 300; i += 4) CHECK_IS(zslab_free(z, q[i]), ZSLAB_OK);
    zslab_trim(z);
    CHECK_IS(zslab_epoch_release(z, e), ZSLAB_OK);
    for (i = 2; i < 300; i += 4) CHECK_IS(zslab_free(z, q[i]), ZSLAB_OK);
    zslab_trim(z);
    pthread_mutex_lock(&halt.lock);
    halt.over = 1;
    telling = 0;
    pthread_cond_broadcast(&halt.moved);
    pthread_mutex_unlock(&halt.lock);
    return NULL;
}

/* 0: the story has fewer calls than that. */
static int forks_inside_call(const test_mode *m, uint64_t call)
{
    zslab_config c = {0};
    pthread_t thread;
    size_t i;
    int inside;
    c.os.reserve = halt_reserve, c.os.commit = halt_commit, c.os.purge = halt_purge, c.os.release = halt_release;
    c.cache_bytes = ZSLAB_CACHE_NONE;
    c.reserve_bytes = 4000 * ZS__CHUNK_BYTES;
    z = test_open(m, &c);
    memset(p, 0, sizeof p);
    for (i = 0; i < LIVE; i++) replace(i, i * 7);
    halt.calls = 0, halt.stop_at = call;
    halt.inside = halt.go_on = halt.over = 0;
    MUST(pthread_create(&thread, NULL, tell, NULL) == 0);
    pthread_mutex_lock(&halt.lock);
    while (!halt.inside && !halt.over) pthread_cond_wait(&halt.moved, &halt.lock);
    inside = halt.inside;
    pthread_mutex_unlock(&halt.lock);
    if (inside) in_a_child(use_it, (int)(call % 2));
    pthread_mutex_lock(&halt.lock);
    halt.go_on = 1;
    pthread_cond_broadcast(&halt.moved);
    pthread_mutex_unlock(&halt.lock);
    pthread_join(thread, NULL);
    for (i = 0; i < LIVE; i++) CHECK_IS(zslab_free(z, p[i]), ZSLAB_OK);
    CHECK(test_live(z) == 0);
    test_destroy(z);
    return inside;
}

static void forks_inside_every_call(const test_mode *m)
{
    uint64_t n = 1;
    do test_at("%s, inside call %d", m->name, (int)n);
    while (forks_inside_call(m, n++));
    printf("%s: forks inside %d calls of the system\n", m->name, (int)n - 2);
    CHECK(n > 10);
}

int main(int argc, char **argv)
{
    int forks = (int)test_amount(argc, argv, 60);
    if (TEST_MSAN) return test_skip("MemorySanitizer's own locks do not survive a fork while other threads run");
    TEST_EACH_MODE(m)
    {
        quiet_parent(m);
        forks_of_forks(m);
        child_ends_it(m);
        child_only_frees(m);
        child_frees_anothers(m);
        advice_in_the_child(m);
        if (test_owned(m)) last_inside(m);
        if (!test_owned(m) && !m->in_buffer) claims_under_way(m);
        if (TEST_TSAN)
            printf("%s: forks beside running threads are not for ThreadSanitizer\n", m->name);
        else
            busy_parent(m, forks);
        if (!TEST_TSAN && !m->in_buffer) forks_inside_every_call(m);
    }
    return test_summary("test_fork");
}
