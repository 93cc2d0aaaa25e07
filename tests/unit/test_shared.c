/* Shared mode: one heap for everybody, no thread-local state. Two threads churning claim at least 97 % of their
   allocations without the lock; free works in a signal handler; fibers on one thread need nothing of their own. */
/* timeout: 300 */
#include "tests/lib/test.h"

#include <errno.h>
#include <signal.h>
#if TEST_UNIX
#include <sys/time.h>
#endif

#define LIVE 2000

typedef struct churner {
    zslab *z;
    uint64_t seed, rounds;
    size_t most; /* bytes */
    int mine;    /* which byte its objects hold */
} churner;

/* Replace one of many live objects at random, again and again. */
static void *churn(void *arg)
{
    static const zslab_result ok = ZSLAB_OK;
    churner *c = (churner *)arg;
    unsigned char **p = (unsigned char **)calloc(LIVE, sizeof *p);
    uint64_t i;
    size_t n;
    MUST(p);
    for (i = 0; i < c->rounds; i++) {
        uint64_t x = test_random(&c->seed);
        n = (size_t)(x % LIVE);
        if (p[n] && (*p[n] != c->mine || zslab_free(c->z, p[n]) != ok)) CHECK(0 && "an object changed hands");
        MUST(p[n] = (unsigned char *)zslab_malloc(c->z, 1 + (size_t)((x >> 32) % c->most)));
        *p[n] = (unsigned char)c->mine;
    }
    for (n = 0; n < LIVE; n++) CHECK_IS(zslab_free(c->z, p[n]), ok);
    free(p);
    return NULL;
}

static uint64_t slow_calls(const zslab *z)
{
    uint64_t n = 0;
    size_t cls;
    for (cls = 0; cls < z->class_count; cls++) n += z->shared_heap->counters[cls].slow;
    return n;
}

static void churns_without_the_lock(uint32_t flags, zslab_reclaim reclaim, uint64_t rounds, size_t most)
{
    zslab_config config = {0};
    churner c[2];
    pthread_t thread[2];
    zslab *z;
    int i;
    double locked;
    config.flags = ZSLAB_FLAG_SHARED | flags;
    config.reclaim = reclaim;
    z = test_create(&config);
    for (i = 0; i < 2; i++) {
        c[i].z = z, c[i].seed = (uint64_t)i + 1, c[i].rounds = rounds, c[i].most = most, c[i].mine = i + 1;
        MUST(pthread_create(&thread[i], NULL, churn, &c[i]) == 0);
    }
    for (i = 0; i < 2; i++) pthread_join(thread[i], NULL);
    locked = 100.0 * (double)slow_calls(z) / (2.0 * (double)rounds);
    printf("sizes to %zu, flags %u, policy %d: %.2f %% of allocations took the lock\n", most, flags, (int)reclaim,
           locked);
    if (ZSLAB_STATS) CHECK(locked > 0 && locked <= 3.0);
    CHECK(test_live(z) == 0);
    test_destroy(z);
}

/* ---- signal handler ---- */
#if TEST_UNIX
static zslab *signal_z;
static void *volatile signal_mailbox[64];
static volatile int signal_frees;

static void on_timer(int number)
{
    int i, saved = errno;
    (void)number;
    for (i = 0; i < 64; i++) {
        void *p = __atomic_exchange_n(&signal_mailbox[i], NULL, __ATOMIC_ACQ_REL);
        if (p && zslab_free(signal_z, p) == ZSLAB_OK) signal_frees = signal_frees + 1;
    }
    errno = saved;
}

/* A handler frees what it interrupts the allocation of. */
static void frees_in_a_signal_handler(void)
{
    struct itimerval every;
    zslab_config config = {0};
    uint64_t i, seed = 3;
    config.flags = ZSLAB_FLAG_SHARED;
    signal_z = test_create(&config);
    memset(&every, 0, sizeof every);
    every.it_value.tv_usec = every.it_interval.tv_usec = 200;
    signal(SIGALRM, on_timer);
    setitimer(ITIMER_REAL, &every, NULL);
    for (i = 0; signal_frees < 20000 && i < 40000000; i++) {
        void *p = zslab_malloc(signal_z, 8 + (size_t)(test_random(&seed) % 500));
        MUST(p);
        p = __atomic_exchange_n(&signal_mailbox[i % 64], p, __ATOMIC_ACQ_REL);
        if (p) CHECK_IS(zslab_free(signal_z, p), ZSLAB_OK);
    }
    memset(&every, 0, sizeof every);
    setitimer(ITIMER_REAL, &every, NULL);
    signal(SIGALRM, SIG_DFL);
    on_timer(0);
    CHECK(signal_frees > 64);
    CHECK(test_live(signal_z) == 0);
    test_destroy(signal_z);
}
#else
static void frees_in_a_signal_handler(void) { printf("no signals from a timer here\n"); }
#endif

/* Last error and domain are the allocator's or the caller's, heaps are all one. */
static void one_heap_for_all(void)
{
    zslab_config config = {0};
    zslab *z;
    zslab_heap *a, *b;
    void *p;
    config.flags = ZSLAB_FLAG_SHARED;
    z = test_create(&config);
    MUST((a = zslab_heap_create(z)) != NULL && (b = zslab_heap_create(z)) != NULL);
    MUST((p = zslab_heap_malloc(a, 100)) != NULL);
    CHECK(z->heap_count == 1);
    CHECK_IS(zslab_heap_free(b, p), ZSLAB_OK);
    CHECK_IS(zslab_heap_free(a, p), ZSLAB_E_DOUBLE_FREE);
    zslab_heap_destroy(a);
    MUST((p = zslab_heap_malloc(b, 100)) != NULL);
    zslab_thread_detach(z);
    CHECK_IS(zslab_free(z, p), ZSLAB_OK);
    zslab_heap_destroy(b);
    test_destroy(z);
}

/* A claim that comes too late for its epoch is in transit while the close sweeps its chunk: what the sweep took of the
   chunk it gives back, and the epoch ends with the claim. [SHARED-4] */
static void late_claim_beside_a_sweep(void)
{
    zslab_config config = {0};
    zslab *z;
    zslab_epoch e;
    zs__sweep sweep;
    zs__chunk *c;
    uint32_t chunk, slab;
    uint64_t full;
    void *p;
    config.flags = ZSLAB_FLAG_SHARED;
    config.reclaim = ZSLAB_RECLAIM_RSS;
    z = test_create(&config);
    MUST((e = zslab_epoch_open(z, NULL)) != ZSLAB_EPOCH_NONE && (p = zslab_malloc_epoch(z, 100, e)) != NULL);
    chunk = (uint32_t)(((uintptr_t)p - (uintptr_t)z->base) >> ZSLAB_CHUNK_SHIFT);
    c = &z->chunks[chunk];
    slab = (uint32_t)((size_t)(zs__slot_state(z, p) - z->states) / 64);
    CHECK_IS(zslab_epoch_close(z, e), ZSLAB_OK); /* drains: p lives */
    *zs__slot_state(z, p) = ZS__CLAIMED;         /* and now it is a claim that has not looked at the gate */
    memset(&sweep, 0, sizeof sweep);
    sweep.place = &z->places[e & ZS__PLACE_MASK];
    sweep.stamp = c->stamp;
    zs__sweep_metadata(z, &sweep, chunk);
    CHECK(z->cold[chunk].carved != 0);
    *zs__slot_state(z, p) = ZS__GUARDED; /* as if it had come in time after all, to end it by a free */
    CHECK(test_live(z) == 1);
    full = zs__slab_full(&z->classes[c->cls], slab - zs__chunk_slab(z, c));
    CHECK(zs__popcount(z->words[slab]) + 1 == zs__popcount(full));
    CHECK_IS(zslab_free(z, p), ZSLAB_OK);
    CHECK(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSED);
    test_destroy(z);
}

/* A free has put its slot's bit back and not listed the slab yet, when a trim gives the empty chunk to the pool: the
   listing that comes late leaves it there, whether another bin has the chunk by then or none. */
static void a_listing_that_comes_late(void)
{
    zslab_config config = {0};
    int taken;
    config.flags = ZSLAB_FLAG_SHARED;
    for (taken = 0; taken < 2; taken++) {
        zslab *z = test_create(&config);
        void *p, *other = NULL;
        zs__row *row;
        zs__bin *bin;
        uint32_t chunk, slab;
        MUST((p = zslab_malloc(z, 1000)) != NULL);
        chunk = (uint32_t)(((uintptr_t)p - (uintptr_t)z->base) >> ZSLAB_CHUNK_SHIFT);
        slab = (uint32_t)((size_t)(zs__slot_state(z, p) - z->states) / 64);
        row = zs__row_at(z->shared_heap, (uint32_t)(z->current & ZS__PLACE_MASK));
        bin = zs__bin_at(row, z->chunks[chunk].cls);
        CHECK_IS(zslab_free(z, p), ZSLAB_OK);
        CHECK(zs__shared_give(z, row, ~(uint32_t)0) == 1 && z->pool == chunk + 1);
        if (taken) MUST((other = zslab_malloc(z, 3000)) != NULL);
        zs__shared_list(z, bin, slab); /* the free goes on */
        zs__count_lock(z, &zs__cold_of(z, bin)->lock, ZS__LOCK_BIN);
        zs__shared_collect(z, bin);
        zs__ranked_drop(zs__as_lock(&zs__cold_of(z, bin)->lock), ZS__LOCK_BIN);
        CHECK(!zs__cold_of(z, bin)->partial && (taken || !(z->cold[chunk].flags & ZS__CHUNK_LISTED)));
        CHECK_IS(zslab_check(z, NULL, NULL), ZSLAB_OK);
        MUST((p = zslab_malloc(z, 1000)) != NULL);
        CHECK_IS(zslab_free(z, p), ZSLAB_OK);
        CHECK_IS(zslab_free(z, other), ZSLAB_OK);
        CHECK_IS(zslab_check(z, NULL, NULL), ZSLAB_OK);
        test_destroy(z);
    }
}

/* A chunk whose epoch has drained, wanted again by its row, and refused by the limit: what was freed stays freed. */
static void a_chunk_that_could_not_be_bound(void)
{
    zslab_config config = {0};
    zslab *z;
    zslab_epoch e;
    void *gone;
    size_t live = 1;
    config.flags = ZSLAB_FLAG_SHARED;
    config.reclaim = ZSLAB_RECLAIM_RSS;
    z = test_create(&config);
    test_limit_chunks(z, 3);
    e = zslab_epoch_open(z, "drained");
    MUST((gone = zslab_malloc_epoch(z, 32, e)) != NULL);
    CHECK_IS(zslab_epoch_close(z, e), ZSLAB_OK);
    CHECK_IS(zslab_free(z, gone), ZSLAB_OK); /* drained: its pages go */
    MUST((e = zslab_epoch_open(z, "next")) != ZSLAB_EPOCH_NONE);
    MUST(zslab_malloc_epoch(z, 64, e)); /* takes the row, with the chunk in it */
    while (zslab_malloc(z, 1024)) live++;
    CHECK(zslab_last_error() == ZSLAB_E_LIMIT && live == 1 + 2 * (ZS__CHUNK_BYTES / 1024));
    CHECK_FAILS(zslab_malloc_epoch(z, 32, e), ZSLAB_E_LIMIT);
    CHECK(test_live(z) == live);
    CHECK_IS(zslab_free(z, gone), ZSLAB_E_DOUBLE_FREE);
    test_destroy(z);
}

/* Handles made while another ends or empties their epoch, slots and large ones: each has its chunk until it is there,
   or is refused. */
typedef struct maker {
    zslab *z;
    uint64_t epoch; /* atomic */
    uint32_t done;  /* atomic */
} maker;

static void *makes_handles(void *arg)
{
    maker *m = (maker *)arg;
    size_t n;
    for (n = 0; !zs__load_acq_u32(&m->done); n++) {
        size_t size = n % 40 ? 16 + n * 97 % 5000 : 20000;
        zslab_handle h = zslab_handle_alloc(m->z, size, zs__load_acq_u64(&m->epoch), NULL);
        CHECK(h || zslab_last_error() == ZSLAB_E_CLOSED || zslab_last_error() == ZSLAB_E_BUSY);
    }
    return NULL;
}

static void handles_beside_ends(zslab_reclaim reclaim)
{
    zslab_config c = {0};
    maker m = {NULL, 0, 0};
    pthread_t t[2];
    int i;
    c.flags = ZSLAB_FLAG_SHARED;
    c.reclaim = reclaim;
    m.z = test_create(&c);
    m.epoch = zslab_epoch_open(m.z, NULL);
    for (i = 0; i < 2; i++) MUST(pthread_create(&t[i], NULL, makes_handles, &m) == 0);
    for (i = 0; i < 1000; i++) {
        zslab_epoch was = m.epoch, e = i % 3 ? ZSLAB_EPOCH_NONE : zslab_epoch_open(m.z, NULL);
        if (e) zs__store_rel_u64(&m.epoch, e);
        CHECK_IS(e ? zslab_epoch_release(m.z, was) : zslab_epoch_reset(m.z, was), ZSLAB_OK);
    }
    zs__store_rel_u32(&m.done, 1);
    for (i = 0; i < 2; i++) pthread_join(t[i], NULL);
    CHECK_IS(zslab_check(m.z, NULL, NULL), ZSLAB_OK);
    CHECK_IS(zslab_epoch_release(m.z, m.epoch), ZSLAB_OK);
    CHECK(test_live(m.z) == 0);
    test_destroy(m.z);
}

int main(int argc, char **argv)
{
    uint64_t rounds = test_amount(argc, argv, 1000000);
    churns_without_the_lock(0, ZSLAB_RECLAIM_LATENCY, rounds, 64);
    churns_without_the_lock(0, ZSLAB_RECLAIM_LATENCY, rounds, 1000);
    churns_without_the_lock(0, ZSLAB_RECLAIM_RSS, rounds, 1000);
    churns_without_the_lock(ZSLAB_FLAG_HARDENED, ZSLAB_RECLAIM_LATENCY, rounds, 1000);
    frees_in_a_signal_handler();
    one_heap_for_all();
    late_claim_beside_a_sweep();
    a_chunk_that_could_not_be_bound();
    a_listing_that_comes_late();
    handles_beside_ends(ZSLAB_RECLAIM_LATENCY);
    handles_beside_ends(ZSLAB_RECLAIM_RSS);
    return test_summary("test_shared");
}
