/* timeout: 240 */
/* Four threads give one owner's slots back. Each slot carries a mark, set by whoever holds it, so that a slot
   lost, doubled or handed out twice shows at once.
     test_pool_threads [frees]      default 400,000 for each case */
#define ZSLAB_IMPLEMENTATION
#include "zslab.h"
#include "tests/lib/pool_check.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

enum { REMOTES = 4, BOX = 256, SLOTS = 3000 };

/* One owner puts, one thread takes. */
typedef struct box {
    _Alignas(128) atomic_size_t put;
    _Alignas(128) atomic_size_t taken;
    void *slot[BOX];
} box;

typedef struct run {
    zslab_pool *p;
    zslab_remote *r;
    char *base;
    box box[REMOTES];
    _Alignas(128) atomic_int mark[SLOTS]; /* 1: somebody holds it */
    _Alignas(128) atomic_int done, closing, closed_seen;
    atomic_size_t accepted;
    int use_try;
} run;

typedef struct worker {
    run *t;
    int number;
} worker;

static void mark(run *t, void *slot, int from)
{
    size_t idx = (size_t)((char *)slot - t->base) / 64;
    CHECK(idx < SLOTS && atomic_exchange(&t->mark[idx], !from) == from);
}

/* Until the slot is queued, or the pool is closed: then it stays here. Returns whether it is queued. */
static int give_back(run *t, void *slot)
{
    zslab_result r;
    uint64_t told;
    memcpy(&told, slot, sizeof told); /* the owner wrote it: ordered by the box */
    CHECK(told == (uint64_t)(uintptr_t)slot);
    memset(slot, 0x5a, 64);
    mark(t, slot, 1);
    do {
        r = t->use_try ? zslab_remote_try_free(t->r, slot) : zslab_remote_free(t->r, slot);
        if (r == ZSLAB_E_FULL) sched_yield();
    } while (r == ZSLAB_E_FULL);
    CHECK(r == ZSLAB_OK || r == ZSLAB_E_CLOSED);
    if (r == ZSLAB_OK) return 1;
    mark(t, slot, 0);
    atomic_store(&t->closed_seen, 1);
    return 0;
}

static void *work(void *arg)
{
    worker *w = (worker *)arg;
    run *t = w->t;
    box *b = &t->box[w->number];
    size_t taken = 0, accepted = 0;
    zslab_remote *mine = zslab_remote_clone(t->r);
    CHECK(mine != NULL);
    for (;;) {
        int last = atomic_load(&t->done);
        size_t put = atomic_load_explicit(&b->put, memory_order_acquire);
        for (; taken < put; taken++) {
            accepted += (size_t)give_back(t, b->slot[taken % BOX]);
            atomic_store_explicit(&b->taken, taken + 1, memory_order_release);
        }
        if (last) break;
        sched_yield();
    }
    atomic_fetch_add(&t->accepted, accepted);
    zslab_remote_drop(mine);
    return NULL;
}

/* The owner: allocates, writes, hands out in turn; some it frees itself. */
static size_t feed(run *t, size_t frees, uint64_t *rng)
{
    size_t fed = 0;
    while (fed < frees) {
        int n = (int)(random_next(rng) % REMOTES);
        box *b = &t->box[n];
        size_t put = atomic_load_explicit(&b->put, memory_order_relaxed);
        void *slot;
        uint64_t told;
        if (put - atomic_load_explicit(&b->taken, memory_order_acquire) == BOX ||
            (slot = zslab_pool_alloc(t->p)) == NULL) {
            zslab_pool_drain(t->p);
            sched_yield();
            continue;
        }
        mark(t, slot, 0);
        if (random_next(rng) % 8 == 0) {
            mark(t, slot, 1);
            CHECK_EQ(zslab_pool_free(t->p, slot), ZSLAB_OK);
            continue;
        }
        told = (uint64_t)(uintptr_t)slot;
        memcpy(slot, &told, sizeof told);
        b->slot[put % BOX] = slot;
        atomic_store_explicit(&b->put, put + 1, memory_order_release);
        fed++;
        /* now and then the owner is away */
        if (random_next(rng) % 4096 == 0) sched_yield();
    }
    return fed;
}

static int boxes_empty(run *t)
{
    int n;
    for (n = 0; n < REMOTES; n++)
        if (atomic_load(&t->box[n].put) != atomic_load(&t->box[n].taken)) return 0;
    return 1;
}

/* Every slot is home exactly once. */
static void all_home(run *t)
{
    size_t i;
    zslab_pool_drain(t->p);
    CHECK_EQ(pool_stats(t->p).live, 0);
    CHECK_EQ(pool_stats(t->p).queued, 0);
    CHECK_EQ(pool_stats(t->p).corruption_events, 0);
    for (i = 0; i < SLOTS; i++) mark(t, zslab_pool_alloc(t->p), 0);
    CHECK(zslab_pool_alloc(t->p) == NULL);
}

static void start(run *t, worker *w, pthread_t *thread, size_t queue, zslab_batch batch, int use_try)
{
    zslab_pool_config c = pool_config(64, SLOTS);
    int n;
    memset(t, 0, sizeof *t);
    c.queue_capacity = queue;
    c.batch = batch;
    t->p = pool_make(&c);
    t->r = zslab_pool_remote(t->p);
    t->base = (char *)pool_stats(t->p).base;
    t->use_try = use_try;
    for (n = 0; n < REMOTES; n++) {
        w[n].t = t, w[n].number = n;
        CHECK(pthread_create(&thread[n], NULL, work, &w[n]) == 0);
    }
}

static run shared;

static void test_nothing_lost(size_t frees, size_t queue, zslab_batch batch, int use_try)
{
    run *t = &shared;
    worker w[REMOTES];
    pthread_t thread[REMOTES];
    uint64_t rng = 7 + queue, begin = zs__os_now_ns();
    int n;
    start(t, w, thread, queue, batch, use_try);
    feed(t, frees, &rng);
    while (!boxes_empty(t)) {
        zslab_pool_drain(t->p);
        sched_yield();
    }
    atomic_store(&t->done, 1);
    for (n = 0; n < REMOTES; n++) CHECK(pthread_join(thread[n], NULL) == 0);
    CHECK_EQ(atomic_load(&t->accepted), frees);
    printf("queue %zu, %s, %s: %zu frees, %.0f ns each, %llu drains, %llu waits, nothing lost\n", queue,
           batch == ZSLAB_BATCH_FIXED ? "fixed" : "adaptive", use_try ? "try_free" : "free", frees,
           (double)(zs__os_now_ns() - begin) / (double)frees, (unsigned long long)pool_stats(t->p).drains,
           (unsigned long long)pool_stats(t->p).remote_full);
    all_home(t);
    zslab_pool_destroy(t->p);
    zslab_remote_drop(t->r);
}

/* The owner goes while others push: each push is counted in tail, or refused with the slot left behind. */
static void test_close_while_pushing(size_t rounds, size_t queue)
{
    run *t = &shared;
    worker w[REMOTES];
    pthread_t thread[REMOTES];
    size_t round, refused = 0;
    uint64_t rng = 99;
    int n;
    for (round = 0; round < rounds; round++) {
        uint64_t counted;
        start(t, w, thread, queue, ZSLAB_BATCH_ADAPTIVE, (int)(round & 1));
        feed(t, 200 + (size_t)(random_next(&rng) % 800), &rng);
        zslab_pool_destroy(t->p);
        atomic_store(&t->done, 1);
        for (n = 0; n < REMOTES; n++) CHECK(pthread_join(thread[n], NULL) == 0);
        /* the block is still there: t->r holds it */
        counted = zs__load_u64(&t->r->inbox.tail) & ~ZS__POOL_CLOSED;
        CHECK_EQ(counted, atomic_load(&t->accepted));
        CHECK_EQ(zs__load_u32(&t->r->inbox.refs), 1);
        refused += (size_t)atomic_load(&t->closed_seen);
        zslab_remote_drop(t->r);
    }
    printf("queue %zu: closed %zu times while remotes pushed, %zu times under their hands\n", queue, rounds, refused);
}

/* Many threads, one slot: one free wins. */
static atomic_int won, ready;
static void *one_free(void *arg)
{
    run *t = (run *)arg;
    zslab_result r;
    atomic_fetch_add(&ready, 1);
    while (atomic_load(&ready) < REMOTES) sched_yield();
    r = zslab_remote_try_free(t->r, t->base);
    CHECK(r == ZSLAB_OK || r == ZSLAB_E_DOUBLE_FREE);
    if (r == ZSLAB_OK) atomic_fetch_add(&won, 1);
    return NULL;
}

static void test_one_winner(void)
{
    zslab_pool_config c = pool_config(64, 1);
    run *t = &shared;
    pthread_t thread[REMOTES];
    int round, n;
    memset(t, 0, sizeof *t);
    t->p = pool_make(&c);
    t->r = zslab_pool_remote(t->p);
    for (round = 0; round < 200; round++) {
        t->base = (char *)zslab_pool_alloc(t->p);
        CHECK(t->base != NULL);
        atomic_store(&won, 0), atomic_store(&ready, 0);
        for (n = 0; n < REMOTES; n++) CHECK(pthread_create(&thread[n], NULL, one_free, t) == 0);
        for (n = 0; n < REMOTES; n++) CHECK(pthread_join(thread[n], NULL) == 0);
        CHECK_EQ(atomic_load(&won), 1);
    }
    CHECK_EQ(pool_stats(t->p).corruption_events, 0);
    zslab_pool_destroy(t->p);
    zslab_remote_drop(t->r);
}

/* The adaptive threshold moves both ways: down while the owner is away too long, up while it looks often. */
static void *push_all(void *arg)
{
    run *t = (run *)arg;
    size_t i;
    for (i = 0; i < 1000; i++) {
        CHECK_EQ(zslab_remote_free(t->r, t->base + i * 64), ZSLAB_OK);
        while (t->use_try && i % 10 == 9 && pool_stats(t->p).queued) sched_yield();
    }
    return NULL;
}

static void test_threshold_moves(void)
{
    zslab_pool_config c = pool_config(64, 1000);
    run *t = &shared;
    size_t round, least = 128, most = 0;
    pthread_t thread;
    memset(t, 0, sizeof *t);
    c.queue_capacity = 1024;
    c.batch = ZSLAB_BATCH_ADAPTIVE;
    t->p = pool_make(&c);
    t->r = zslab_pool_remote(t->p);
    t->base = (char *)pool_stats(t->p).base;
    for (round = 0; round < 230; round++) {
        size_t i, threshold;
        for (i = 0; i < 1000; i++) CHECK(zslab_pool_alloc(t->p) != NULL);
        t->use_try = round >= 200; /* here: push ten, wait until they are home */
        CHECK(pthread_create(&thread, NULL, push_all, t) == 0);
        if (round >= 200) /* an owner that looks all the time */
            while (pool_stats(t->p).queued + pool_stats(t->p).live > 0)
                if (zslab_pool_drain(t->p) == 0) sched_yield();
        CHECK(pthread_join(thread, NULL) == 0);
        zslab_pool_drain(t->p);
        threshold = pool_stats(t->p).drain_threshold;
        if (threshold < least) least = threshold;
        if (round >= 200 && threshold > most) most = threshold;
    }
    CHECK_EQ(least, 8);
    CHECK_EQ(most, 128);
    printf("the threshold went down to %zu, then up to %zu\n", least, most);
    zslab_pool_destroy(t->p);
    zslab_remote_drop(t->r);
}

int main(int argc, char **argv)
{
    size_t frees = argc > 1 ? (size_t)strtoull(argv[1], NULL, 0) : 400000;
    test_nothing_lost(frees, 0, ZSLAB_BATCH_FIXED, 0);
    test_nothing_lost(frees, 0, ZSLAB_BATCH_ADAPTIVE, 0);
    test_nothing_lost(frees / 8, 16, ZSLAB_BATCH_FIXED, 1);
    test_nothing_lost(frees / 8, 1, ZSLAB_BATCH_ADAPTIVE, 0);
    test_close_while_pushing(60, 1);
    test_close_while_pushing(60, 64);
    test_one_winner();
    test_threshold_moves();
    puts("remote threads: nothing lost, nothing doubled");
    return 0;
}
