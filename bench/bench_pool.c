/* build: -fno-builtin-malloc -fno-builtin-free */
/* What does a 1,024-byte slot cost, from a pool and from libc malloc, and how does the drain threshold move?
   One thread: spawn + free of one; spawn + complete (64 bytes of task written, run, freed); 50,000 recycles
   (of 50,000 live, in random order, one freed and one taken); 1,000 at a time. Several: the owner spawns, 1
   or 4 threads free, through remotes under both policies. Rounds are interleaved with libc's; shown are the
   best and the median with 5 and 95 %, and how many times faster the best is. Asserts are on unless CFLAGS
   has -DNDEBUG; the file's first line says which.
   Good: a fraction of libc's time, also across threads.
     bench_pool [-r rounds] [-o file.csv]      beside the file: the thresholds over time, as SVG */
#define _GNU_SOURCE
#define ZSLAB_IMPLEMENTATION
#include "zslab.h"
#include "bench/measure.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

enum { SIZE = 1024, LIVE = 50000, BATCH = 1000, ROUNDS_MAX = 101, BOX = 1024, REMOTES_MAX = 4 };
enum { PAIRS = 2000000, BATCHES = 200, REMOTE_FREES = 400000 };

static zslab_pool *pool;

/* ---- where slots come from: the pool, or libc ---- */

static double worked(void) /* processor time of this thread, so that a busy machine disturbs less */
{
    return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

static void *need(void *p)
{
    if (!p) die("out of slots");
    return p;
}

typedef struct task {
    void (*run)(struct task *);
    uint64_t args[7];
} task;

static uint64_t sum;
static void add_up(task *t) { sum += t->args[0] + t->args[6]; }

/* A row is written once and compiled for both. */
#define ROW_FUNCTIONS(NAME, ALLOC, FREE)                                                                               \
    static double NAME##_pair(void)                                                                                    \
    {                                                                                                                  \
        double begin = worked();                                                                                       \
        for (int i = 0; i < PAIRS; i++) {                                                                              \
            char *p = (char *)ALLOC;                                                                                   \
            *(volatile char *)p = 1;                                                                                   \
            FREE(p);                                                                                                   \
        }                                                                                                              \
        return (worked() - begin) / PAIRS;                                                                             \
    }                                                                                                                  \
    static double NAME##_complete(void)                                                                                \
    {                                                                                                                  \
        double begin = worked();                                                                                       \
        for (uint64_t i = 0; i < PAIRS; i++) {                                                                         \
            task *t = (task *)ALLOC;                                                                                   \
            *t = (task){add_up, {i, i, i, i, i, i, i}};                                                                \
            __asm__ volatile("" : : "r"(t) : "memory");                                                                \
            t->run(t);                                                                                                 \
            FREE(t);                                                                                                   \
        }                                                                                                              \
        return (worked() - begin) / PAIRS;                                                                             \
    }                                                                                                                  \
    static double NAME##_recycle(void)                                                                                 \
    {                                                                                                                  \
        for (int i = 0; i < LIVE; i++) *(volatile char *)(held[i] = ALLOC) = 1;                                        \
        double begin = worked();                                                                                       \
        for (int i = 0; i < LIVE; i++) {                                                                               \
            FREE(held[order[i]]);                                                                                      \
            *(volatile char *)(held[order[i]] = ALLOC) = 1;                                                            \
        }                                                                                                              \
        double ns = (worked() - begin) / LIVE;                                                                         \
        for (int i = 0; i < LIVE; i++) FREE(held[i]);                                                                  \
        return ns;                                                                                                     \
    }                                                                                                                  \
    static double NAME##_batch(void)                                                                                   \
    {                                                                                                                  \
        double begin = worked();                                                                                       \
        for (int k = 0; k < BATCHES; k++) {                                                                            \
            for (int i = 0; i < BATCH; i++) *(volatile char *)(held[i] = ALLOC) = 1;                                   \
            for (int i = 0; i < BATCH; i++) FREE(held[i]);                                                             \
        }                                                                                                              \
        return (worked() - begin) / BATCHES / BATCH;                                                                   \
    }

static void *held[LIVE];
static int order[LIVE];

static void pool_free(void *p)
{
    if (zslab_pool_free(pool, p) != ZSLAB_OK) die("free");
}

ROW_FUNCTIONS(pool, need(zslab_pool_alloc(pool)), pool_free)
ROW_FUNCTIONS(libc, need(malloc(SIZE)), free)

/* ---- from other threads ---- */

typedef struct box { /* one owner puts, one thread takes */
    _Alignas(128) atomic_size_t put;
    _Alignas(128) atomic_size_t taken;
    void *slot[BOX];
} box;

static box boxes[REMOTES_MAX];
static zslab_remote *remote; /* NULL: libc */
static size_t share;

static void *other(void *arg)
{
    box *b = (box *)arg;
    size_t taken = 0;
    while (taken < share) {
        size_t put = atomic_load_explicit(&b->put, memory_order_acquire);
        if (put == taken) sched_yield();
        for (; taken < put; taken++) {
            void *p = b->slot[taken % BOX];
            if (!remote)
                free(p);
            else if (zslab_remote_free(remote, p) != ZSLAB_OK)
                die("remote free");
            if (taken % 32 == 31) atomic_store_explicit(&b->taken, taken + 1, memory_order_release);
        }
        atomic_store_explicit(&b->taken, taken, memory_order_release);
    }
    return NULL;
}

static void put(box *b, size_t at, void *p)
{
    *(volatile char *)p = 1;
    b->slot[at % BOX] = p;
    if (at % 32 == 31 || at + 1 == share) atomic_store_explicit(&b->put, at + 1, memory_order_release);
}

/* Wall time per object: spawned here, freed there, all back. */
static double across(int threads)
{
    pthread_t thread[REMOTES_MAX];
    share = REMOTE_FREES / (size_t)threads;
    for (int n = 0; n < threads; n++) {
        atomic_store(&boxes[n].put, 0), atomic_store(&boxes[n].taken, 0);
        if (pthread_create(&thread[n], NULL, other, &boxes[n])) die("pthread_create");
    }
    double begin = clock_ns(CLOCK_MONOTONIC);
    for (size_t i = 0; i < share; i++) {
        for (int n = 0; n < threads; n++) {
            while (i - atomic_load_explicit(&boxes[n].taken, memory_order_acquire) >= BOX) {
                if (remote) zslab_pool_drain(pool); /* a remote may wait for room, and we for it */
                sched_yield();
            }
            put(&boxes[n], i, need(remote ? zslab_pool_alloc(pool) : malloc(SIZE)));
        }
    }
    for (int n = 0; n < threads; n++) {
        while (atomic_load(&boxes[n].taken) < share) {
            if (remote) zslab_pool_drain(pool);
            sched_yield();
        }
    }
    double ns = (clock_ns(CLOCK_MONOTONIC) - begin) / (double)(share * (size_t)threads);
    for (int n = 0; n < threads; n++) pthread_join(thread[n], NULL);
    return ns;
}

static zslab_pool *make(zslab_batch batch, size_t queue)
{
    zslab_pool_config c = {0};
    c.batch = batch;
    c.queue_capacity = queue;
    return (zslab_pool *)need(zslab_pool_create(&c));
}

static zslab_pool *pools[2]; /* by policy */
static double across_pool(zslab_batch batch, int threads)
{
    zslab_pool *was = pool;
    pool = pools[batch];
    remote = zslab_pool_remote(pool);
    double ns = across(threads);
    zslab_remote_drop(remote);
    remote = NULL;
    pool = was;
    return ns;
}

static double pool_fixed_1(void) { return across_pool(ZSLAB_BATCH_FIXED, 1); }
static double pool_fixed_4(void) { return across_pool(ZSLAB_BATCH_FIXED, 4); }
static double pool_adaptive_1(void) { return across_pool(ZSLAB_BATCH_ADAPTIVE, 1); }
static double pool_adaptive_4(void) { return across_pool(ZSLAB_BATCH_ADAPTIVE, 4); }
static double libc_1(void) { return across(1); }
static double libc_4(void) { return across(4); }

/* ---- thresholds over time ---- */

enum { SAMPLES = 4000, PHASES = 6, PHASE_MS = 60, SCOPE_QUEUE = 256 };
typedef struct trace {
    double ms[SAMPLES], threshold[SAMPLES], queued[SAMPLES];
    size_t count;
} trace;
static trace seen;
static atomic_int stop;

/* Pushes whatever it is handed, at its own pace: about one slot a microsecond. */
static void *steady(void *arg)
{
    box *b = (box *)arg;
    size_t taken = 0;
    while (!atomic_load(&stop)) {
        size_t until = atomic_load_explicit(&b->put, memory_order_acquire);
        double next = clock_ns(CLOCK_MONOTONIC);
        for (; taken < until; taken++) {
            while (clock_ns(CLOCK_MONOTONIC) < next)
                ;
            next += 1000;
            if (zslab_remote_free(remote, b->slot[taken % BOX]) != ZSLAB_OK) die("remote free");
            atomic_store_explicit(&b->taken, taken + 1, memory_order_release);
        }
        sched_yield();
    }
    return NULL;
}

/* The owner's phases alternate: few slots on the way and all its time for them; bursts, away after each. */
static void scope(void)
{
    pthread_t thread;
    box *b = &boxes[0];
    size_t at = 0;
    pool = make(ZSLAB_BATCH_ADAPTIVE, SCOPE_QUEUE);
    remote = zslab_pool_remote(pool);
    atomic_store(&b->put, 0), atomic_store(&b->taken, 0), atomic_store(&stop, 0);
    if (pthread_create(&thread, NULL, steady, b)) die("pthread_create");
    double begin = clock_ns(CLOCK_MONOTONIC), ms = 0;
    while (ms < PHASES * PHASE_MS) {
        zslab_pool_stats s;
        zslab_stats_pool(pool, &s);
        if (seen.count < SAMPLES && (!seen.count || ms - seen.ms[seen.count - 1] > 0.1)) {
            seen.ms[seen.count] = ms;
            seen.threshold[seen.count] = (double)s.drain_threshold;
            seen.queued[seen.count++] = (double)s.queued;
        }
        int bursts = (int)(ms / PHASE_MS) % 2;
        size_t most = bursts ? SCOPE_QUEUE - 6 : 16;
        for (; at - atomic_load_explicit(&b->taken, memory_order_acquire) < most; at++) {
            b->slot[at % BOX] = need(zslab_pool_alloc(pool));
            atomic_store_explicit(&b->put, at + 1, memory_order_release);
        }
        if (bursts)
            nanosleep(&(struct timespec){0, 500000}, NULL);
        else
            sched_yield();
        ms = (clock_ns(CLOCK_MONOTONIC) - begin) / 1e6;
    }
    atomic_store(&stop, 1);
    while (pthread_tryjoin_np(thread, NULL)) { /* it may be waiting for room */
        zslab_pool_drain(pool);
        sched_yield();
    }
    zslab_pool_destroy(pool);
    zslab_remote_drop(remote);
}

static void draw(const char *out)
{
    char svg[512];
    curve c[2] = {{"queued", "#b8c4d6", seen.ms, seen.queued, seen.count},
                  {"threshold", "#c0392b", seen.ms, seen.threshold, seen.count}};
    double least = 1e9, most = 0;
    for (size_t i = 0; i < seen.count; i++) {
        if (seen.threshold[i] < least) least = seen.threshold[i];
        if (seen.threshold[i] > most) most = seen.threshold[i];
    }
    printf("adaptive threshold over %d ms: from %.0f to %.0f, %zu samples\n", PHASES * PHASE_MS, least, most,
           seen.count);
    if (!out) return;
    snprintf(svg, sizeof svg, "%.*s.svg", (int)(strlen(out) - 4), out);
    write_curves(svg, "Adaptive drain threshold: 60 ms with 16 slots on the way, 60 ms of bursts of 250 ...",
                 "milliseconds", "slots (the queue holds 256)", c, 2);
}

/* ---- all rows, interleaved ---- */

typedef struct row {
    const char *name;
    double (*ours)(void), (*libc)(void);
    double ns[2][ROUNDS_MAX];
} row;

#define ROW(NAME, OURS, LIBC)                                                                                          \
    {                                                                                                                  \
        NAME, OURS, LIBC,                                                                                              \
        {                                                                                                              \
            {0}, { 0 }                                                                                                 \
        }                                                                                                              \
    }
static row rows[] = {
    ROW("spawn_free", pool_pair, libc_pair),          ROW("spawn_complete", pool_complete, libc_complete),
    ROW("recycle_50000", pool_recycle, libc_recycle), ROW("batch_1000", pool_batch, libc_batch),
    ROW("remote_1_fixed", pool_fixed_1, libc_1),      ROW("remote_1_adaptive", pool_adaptive_1, libc_1),
    ROW("remote_4_fixed", pool_fixed_4, libc_4),      ROW("remote_4_adaptive", pool_adaptive_4, libc_4),
};
enum { ROWS = sizeof rows / sizeof rows[0] };

static void report(FILE *csv, int rounds)
{
    printf("%-18s %8s %8s %16s %8s %8s %16s %8s\n", "ns", "pool", "median", "5-95 %", "libc", "median", "5-95 %",
           "libc/pool");
    for (int i = 0; i < ROWS; i++) {
        spread a = spread_of(rows[i].ns[0], rounds), b = spread_of(rows[i].ns[1], rounds);
        printf("%-18s %8.2f %8.2f %8.2f-%7.2f %8.2f %8.2f %8.2f-%7.2f %8.2f\n", rows[i].name, a.best, a.median, a.low,
               a.high, b.best, b.median, b.low, b.high, b.best / a.best);
        if (csv) {
            fprintf(csv, "%s,pool,%.3f,%.3f,%.3f,%.3f,%d\n%s,libc,%.3f,%.3f,%.3f,%.3f,%d\n", rows[i].name, a.median,
                    a.best, a.low, a.high, rounds, rows[i].name, b.median, b.best, b.low, b.high, rounds);
        }
    }
}

int main(int argc, char **argv)
{
    int rounds = 15, option;
    const char *out = NULL;
    FILE *csv = NULL;
    while ((option = getopt(argc, argv, "r:o:")) != -1) {
        if (option == 'r')
            rounds = atoi(optarg);
        else if (option == 'o')
            out = optarg;
        else
            return 2;
    }
    if (rounds < 1 || rounds > ROUNDS_MAX) rounds = ROUNDS_MAX;
    if (out && strlen(out) < 5) die("-o wants name.csv");
    if (out && !(csv = fopen(out, "w"))) die(out);
    pools[0] = make(ZSLAB_BATCH_FIXED, 0);
    pools[1] = make(ZSLAB_BATCH_ADAPTIVE, 0);
    pool = make(ZSLAB_BATCH_FIXED, 0);
    for (int i = 0; i < LIVE; i++) { /* a fixed shuffle */
        int k = (int)((uint64_t)i * 48271 % (uint64_t)(i + 1));
        order[i] = order[k];
        order[k] = i;
    }
    for (int r = -1; r < rounds; r++) { /* the first warms up */
        for (int i = 0; i < ROWS; i++) {
            rows[i].ns[0][r < 0 ? 0 : r] = rows[i].ours();
            rows[i].ns[1][r < 0 ? 0 : r] = rows[i].libc();
        }
    }
    if (csv) {
        provenance(csv, argc, argv);
#ifdef NDEBUG
        fprintf(csv, "; asserts off\nrow,allocator,median_ns,best_ns,p5_ns,p95_ns,rounds\n");
#else
        fprintf(csv, "; asserts on\nrow,allocator,median_ns,best_ns,p5_ns,p95_ns,rounds\n");
#endif
    }
    report(csv, rounds);
    zslab_pool_stats s;
    zslab_stats_pool(pool, &s);
    printf("hit rate %.1f %%, %llu corruption events\n", 100.0 * (double)s.hits / (double)s.allocs,
           (unsigned long long)s.corruption_events);
    for (int i = 0; i < 2; i++) zslab_pool_destroy(pools[i]);
    zslab_pool_destroy(pool);
    scope();
    draw(out);
    if (csv && fclose(csv)) die(out);
    return 0;
}
