/* close, release and reset against threads that allocate and free all the time. Every allocation is intact
   until its owner frees it, or is refused; what was allocated is what was freed; each closed epoch ends.
   usage: test_close_stress [seconds for each kind of allocator, default 1] */
/* timeout: 900 */
#include "tests/lib/test.h"
#include <time.h>

enum { WORKERS = 3, HELD = 512, PARCEL = 64 };

typedef struct object {
    void *p;
    uint32_t bytes, seed;
} object;

typedef struct mailbox {  /* objects on their way to another thread, which frees them */
    pthread_mutex_t lock; /* guards count and object */
    size_t count;
    object object[PARCEL];
} mailbox;

static zslab *z;
static zslab_epoch shared_epoch; /* where everybody allocates; the closer replaces it. Atomic */
static int stop;                 /* atomic */
static int some_refused;         /* atomic: an allocation came too late */
static int small;                /* the draining epochs may hold all the memory there is */
static mailbox mail[WORKERS] = {
    {PTHREAD_MUTEX_INITIALIZER, 0, {{NULL, 0, 0}}},
    {PTHREAD_MUTEX_INITIALIZER, 0, {{NULL, 0, 0}}},
    {PTHREAD_MUTEX_INITIALIZER, 0, {{NULL, 0, 0}}},
}; /* all empty whenever no worker runs */

typedef struct worker {
    unsigned me;
    uint64_t random, allocated, refused, freed, wrong;
    object held[HELD];
    size_t held_count;
} worker;

static void let_go(worker *w, object o)
{
    if (!CHECK(test_filled(o.p, o.bytes, o.seed)) || !CHECK_IS(zslab_free(z, o.p), ZSLAB_OK))
        w->wrong++;
    else
        w->freed++;
}

static void post(worker *w, mailbox *box, object o)
{
    int sent = 0;
    pthread_mutex_lock(&box->lock);
    if (box->count < PARCEL) {
        box->object[box->count++] = o;
        sent = 1;
    }
    pthread_mutex_unlock(&box->lock);
    if (!sent) let_go(w, o);
}

static void empty_mail(worker *w, mailbox *box)
{
    object o[PARCEL];
    size_t n;
    pthread_mutex_lock(&box->lock);
    n = box->count;
    memcpy(o, box->object, n * sizeof *o);
    box->count = 0;
    pthread_mutex_unlock(&box->lock);
    while (n) let_go(w, o[--n]);
}

static void try_one(worker *w)
{
    zslab_epoch e = __atomic_load_n(&shared_epoch, __ATOMIC_RELAXED); /* only a number: any value will do */
    uint64_t r = test_random(&w->random);
    object o = {NULL, (uint32_t)(8 + r % 64 * (r >> 8 & 7)), (uint32_t)(r >> 32)};
    o.p = zslab_malloc_epoch(z, o.bytes, e);
    if (!o.p) {
        if (!small || zslab_last_error() != ZSLAB_E_NOMEM) w->wrong += !CHECK_IS(zslab_last_error(), ZSLAB_E_CLOSED);
        w->refused++;
        __atomic_store_n(&some_refused, 1, __ATOMIC_RELAXED); /* relaxed: when is of no account */
        return;
    }
    test_fill(o.p, o.bytes, o.seed);
    w->allocated++;
    w->held[w->held_count++] = o;
}

static void *work(void *arg)
{
    worker *w = (worker *)arg;
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) { /* relaxed: late is early enough */
        for (int i = 0; i < 40 && w->held_count < HELD; i++) try_one(w);
        for (int i = 0; i < 40 && w->held_count; i++) {
            size_t at = (size_t)(test_random(&w->random) % w->held_count);
            object o = w->held[at];
            w->held[at] = w->held[--w->held_count];
            if (i % 3)
                let_go(w, o);
            else
                post(w, &mail[(w->me + 1) % WORKERS], o);
        }
        empty_mail(w, &mail[w->me]);
    }
    while (w->held_count) let_go(w, w->held[--w->held_count]);
    return NULL;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void pause_ns(long ns)
{
    struct timespec t = {0, ns};
    nanosleep(&t, NULL);
}

/* The closer opens the next epoch, then closes the last one while the others are at it: for so long, and until both
   have really met. */
static uint64_t close_for(double seconds, zslab_epoch *open, uint64_t *busy)
{
    uint64_t closed = 0, random = 1;
    for (double end = now() + seconds;
         now() < end || closed <= 10 || !__atomic_load_n(&some_refused, __ATOMIC_RELAXED);) {
        zslab_epoch e = zslab_epoch_open(z, NULL), old = *open;
        if (!e) {
            CHECK_IS(zslab_last_error(), ZSLAB_E_BUSY);
            ++*busy;
            pause_ns(10000);
            continue;
        }
        /* relaxed: the id alone; zslab orders the rest */
        if (test_random(&random) % 2) __atomic_store_n(&shared_epoch, e, __ATOMIC_RELAXED);
        CHECK_IS(zslab_epoch_close(z, old), ZSLAB_OK);
        __atomic_store_n(&shared_epoch, e, __ATOMIC_RELAXED);
        *open = e;
        closed++;
        if (test_random(&random) % 4 == 0) zslab_trim(z);
        pause_ns((long)(test_random(&random) % 200000));
    }
    return closed;
}

static void closing_races_with_everything(const test_mode *mode, double seconds)
{
    zslab_config c;
    pthread_t thread[WORKERS];
    static worker w[WORKERS];
    uint64_t allocated = 0, freed = 0, refused = 0, busy = 0, closed;
    zslab_epoch open;
    memset(&c, 0, sizeof c);
    c.epoch_count = 32;
    z = test_open(mode, &c);
    memset(w, 0, sizeof w);
    shared_epoch = open = zslab_epoch_open(z, NULL);
    stop = some_refused = 0;
    for (unsigned i = 0; i < WORKERS; i++) {
        w[i].me = i;
        w[i].random = i + 1;
        MUST(pthread_create(&thread[i], NULL, work, &w[i]) == 0);
    }
    closed = close_for(seconds, &open, &busy);
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < WORKERS; i++) pthread_join(thread[i], NULL);
    for (int i = 0; i < WORKERS; i++) {
        empty_mail(&w[i], &mail[i]); /* what came after its owner left */
        CHECK(w[i].wrong == 0);
        allocated += w[i].allocated, freed += w[i].freed, refused += w[i].refused;
    }
    CHECK(allocated == freed && allocated > 0 && refused > 0 && closed > 10);
    CHECK_IS(zslab_epoch_close(z, open), ZSLAB_OK);
    CHECK(zslab_epoch_state_of(z, open) == ZSLAB_EPOCH_CLOSED);
    CHECK(test_live(z) == 0);
    for (int i = 0; i < 31; i++) CHECK(zslab_epoch_open(z, NULL) != ZSLAB_EPOCH_NONE); /* no place is lost */
    printf("%-15s %8llu allocated, %8llu refused, %6llu closes, %llu times no place free\n", mode->name,
           (unsigned long long)allocated, (unsigned long long)refused, (unsigned long long)closed,
           (unsigned long long)busy);
    test_destroy(z);
}

/* ---- advance: a plain allocation lands in one of the two and never fails for it ---- */

static void *allocate_plainly(void *arg)
{
    worker *w = (worker *)arg;
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) { /* relaxed: as above */
        uint64_t r = test_random(&w->random);
        object o = {NULL, (uint32_t)(8 + r % 300), (uint32_t)(r >> 32)};
        o.p = zslab_malloc(z, o.bytes);
        if (!o.p) {
            w->wrong += !small || zslab_last_error() != ZSLAB_E_NOMEM;
            continue;
        }
        w->wrong += zslab_epoch_of(z, o.p) == ZSLAB_EPOCH_NONE;
        test_fill(o.p, o.bytes, o.seed);
        w->allocated++;
        if (w->held_count == HELD) let_go(w, w->held[--w->held_count]);
        w->held[w->held_count++] = o;
        if (r >> 20 & 1) let_go(w, w->held[--w->held_count]);
    }
    while (w->held_count) let_go(w, w->held[--w->held_count]);
    return NULL;
}

static void advance_never_refuses(const test_mode *mode, double seconds)
{
    pthread_t thread[2];
    static worker w[2];
    uint64_t advances = 0;
    z = test_open(mode, NULL);
    memset(w, 0, sizeof w);
    stop = 0;
    for (unsigned i = 0; i < 2; i++) {
        w[i].random = i + 7;
        MUST(pthread_create(&thread[i], NULL, allocate_plainly, &w[i]) == 0);
    }
    for (double end = now() + seconds; advances <= 10 || now() < end; pause_ns(20000))
        advances += zslab_epoch_advance(z) != ZSLAB_EPOCH_NONE;
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < 2; i++) pthread_join(thread[i], NULL);
    CHECK(w[0].wrong == 0 && w[1].wrong == 0 && advances > 10);
    CHECK(w[0].allocated == w[0].freed && w[1].allocated == w[1].freed);
    CHECK(test_live(z) == 0);
    test_destroy(z);
}

/* ---- release and reset, with the users of the epoch outside, the rest of the allocator busy ---- */

static void releases_beside_a_busy_allocator(const test_mode *mode, double seconds)
{
    pthread_t thread[WORKERS];
    static worker w[WORKERS];
    uint64_t rounds = 0, wrong = 0;
    z = test_open(mode, NULL);
    memset(w, 0, sizeof w);
    stop = 0;
    shared_epoch = zslab_epoch_open(z, NULL);
    for (unsigned i = 0; i < WORKERS; i++) {
        w[i].me = i;
        w[i].random = i + 99;
        MUST(pthread_create(&thread[i], NULL, work, &w[i]) == 0);
    }
    zslab_epoch e = zslab_epoch_open(z, NULL);
    for (double end = now() + seconds; rounds <= 10 || now() < end; rounds++) {
        void *p[200];
        for (int i = 0; i < 200; i++) {
            p[i] = zslab_malloc_epoch(z, (size_t)(8 + i * 3), e);
            if (p[i]) test_fill(p[i], (size_t)(8 + i * 3), rounds);
        }
        for (int i = 0; i < 200; i++) wrong += !p[i] || !test_filled(p[i], (size_t)(8 + i * 3), rounds);
        if (rounds % 3) {
            wrong += zslab_epoch_reset(z, e) != ZSLAB_OK;
        } else {
            wrong += zslab_epoch_release(z, e) != ZSLAB_OK;
            MUST(e = zslab_epoch_open(z, NULL));
        }
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < WORKERS; i++) pthread_join(thread[i], NULL);
    for (int i = 0; i < WORKERS; i++) empty_mail(&w[i], &mail[i]);
    for (int i = 0; i < WORKERS; i++) CHECK(w[i].wrong == 0);
    CHECK(wrong == 0 && rounds > 10);
    CHECK(test_live(z) == 0);
    test_destroy(z);
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 1;
    TEST_EACH_MODE(mode)
    {
        small = test_tight(mode);
        closing_races_with_everything(mode, seconds);
        advance_never_refuses(mode, seconds / 4);
        releases_beside_a_busy_allocator(mode, seconds / 4);
    }
    return test_summary("test_close_stress");
}
