/* Do threads get in each other's way?
     threads_<form> private|handover|all <threads> [slices] [milliseconds a slice]
       private    each thread has its own 1,000 objects of 16 to 511 bytes and replaces random ones
       handover   an even number of threads: each first of two makes what the second frees, through a bounded ring
       all        each puts an object into a random place of a table all share and frees what it takes out
   Good: as many times one thread's pace as private integer loops reach on the same processors at the same time;
   and no thread more lowers the total. Slices of integer loops and of pairs follow each other, by one thread and by
   all; each thread stays on one processor and counts its own processor time, so that whoever else uses the machine
   disturbs little: a total is what the threads would reach with the processors to themselves.
   Prints millions a second of pairs and of loop steps, by all and by one, and the pairs' share of the loops' gain. */
#define _GNU_SOURCE
#include <sched.h>
#include "bench/allocator.h"
#include "bench/measure.h"
#include "bench/pairs.h"

enum { THREADS_MAX = 256, OWN = 1000, PLACES = 4096, STEP = 32, SLICES_MAX = 101 };
enum kind { LOOPS, PAIRS, THE_END };

typedef struct ring { /* one thread puts, another takes */
    _Alignas(128) size_t put;
    _Alignas(128) size_t taken;
    _Alignas(128) void *slot[RING];
} ring;

typedef struct worker {
    _Alignas(128) uint64_t seed;
    double rate; /* millions a second in the last slice */
    pthread_t thread;
    int number, cpu;
    void *own[OWN];
    ring ring;
} worker;

typedef size_t shape_fn(worker *w); /* a few pairs; how many */

static worker *workers;
static a_state *allocator;
static int thread_count, cpu_count;
static shape_fn *shape;
static pthread_barrier_t begin, end; /* everybody and the main thread */
static enum kind kind;               /* written before `begin`, read after it; so is active */
static int active;
static int stop;        /* set by the main thread to end a slice */
static int started;     /* threads that are at work in this slice */
static double least_ns; /* processor time that each spends on it at the least */
static void *places[PLACES];

static inline uint32_t dice(worker *w, uint32_t bound)
{
    w->seed = w->seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(((w->seed >> 32) * bound) >> 32);
}

static inline void *make_any(worker *w)
{
    uint32_t r = dice(w, SIZE_COUNT);
    return pairs_make(allocator, pairs_sizes[r], r);
}

static size_t private_pairs(worker *w)
{
    for (int i = 0; i < STEP; i++) {
        void **at = &w->own[dice(w, OWN)];
        if (*at) pairs_drop(allocator, *at);
        *at = make_any(w);
    }
    return STEP;
}

static size_t take(ring *in)
{
    size_t taken = in->taken;
    /* acquire: the objects and their slots; pairs with the release in put. */
    size_t until = __atomic_load_n(&in->put, __ATOMIC_ACQUIRE), freed = until - taken;
    for (; taken != until; taken++) pairs_drop(allocator, in->slot[taken % RING]);
    /* release: the slots are read; pairs with the acquire in put. */
    __atomic_store_n(&in->taken, taken, __ATOMIC_RELEASE);
    return freed;
}

static int put(worker *w, ring *out) /* STEP objects; 0: no room */
{
    size_t made = out->put;
    /* acquire: the slots are read; pairs with the release in take. */
    if (__atomic_load_n(&out->taken, __ATOMIC_ACQUIRE) + RING - made < STEP) return 0;
    for (int i = 0; i < STEP; i++, made++) out->slot[made % RING] = make_any(w);
    /* release: objects and slots before the count; pairs with the acquire in take. */
    __atomic_store_n(&out->put, made, __ATOMIC_RELEASE);
    return 1;
}

static size_t handover_pairs(worker *w)
{
    int alone = active == 1, takes = w->number % 2;
    size_t freed = takes || alone ? take(&workers[w->number - takes].ring) : 0;
    int did = takes ? freed > 0 : put(w, &w->ring);
    if (!did && !alone) sched_yield();
    return freed;
}

static size_t all_pairs(worker *w)
{
    for (int i = 0; i < STEP; i++) {
        void *p = make_any(w);
        /* acq_rel: the object's words go with it; pairs with the same exchange by whoever takes it. */
        p = __atomic_exchange_n(&places[dice(w, PLACES)], p, __ATOMIC_ACQ_REL);
        if (p) pairs_drop(allocator, p);
    }
    return STEP;
}

static size_t integer_loop(worker *w)
{
    uint64_t x = w->seed;
    for (int i = 0; i < STEP * 16; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        PIN(x);
    }
    w->seed = x;
    return STEP;
}

static void *work(void *arg)
{
    worker *w = (worker *)arg;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)w->cpu, &set);
    sched_setaffinity(0, sizeof set, &set);
    for (;;) {
        pthread_barrier_wait(&begin);
        if (kind == THE_END) return NULL;
        if (w->number < active) {
            size_t done = 0;
            double from = clock_ns(CLOCK_THREAD_CPUTIME_ID), used = 0;
            /* relaxed: a count that the main thread waits for */
            __atomic_fetch_add(&started, 1, __ATOMIC_RELAXED);
            do {
                done += kind == LOOPS ? integer_loop(w) : shape(w);
                /* relaxed: a hint, the barrier orders the rest */
                if (__atomic_load_n(&stop, __ATOMIC_RELAXED)) used = clock_ns(CLOCK_THREAD_CPUTIME_ID) - from;
            } while (used < least_ns);
            w->rate = (double)done / used * 1e3;
        }
        pthread_barrier_wait(&end);
    }
}

/* What handovers left on the way: nobody works, and the next slice may have other partners. */
static void empty_rings(void)
{
    for (int i = 0; i < thread_count; i++) {
        ring *r = &workers[i].ring;
        for (; r->taken != r->put; r->taken++) pairs_drop(allocator, r->slot[r->taken % RING]);
    }
}

static double slice(enum kind what, int threads, double ms) /* millions a second, all together */
{
    double sum = 0;
    kind = what;
    active = threads;
    least_ns = ms * 5e5;
    __atomic_store_n(&stop, 0, __ATOMIC_RELAXED); /* relaxed: the barrier follows, also for the next line */
    __atomic_store_n(&started, 0, __ATOMIC_RELAXED);
    pthread_barrier_wait(&begin);
    while (__atomic_load_n(&started, __ATOMIC_RELAXED) < threads) sched_yield(); /* relaxed: only a count */
    nanosleep(&(struct timespec){0, (long)(ms * 1e6)}, NULL);
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED); /* relaxed: a hint */
    pthread_barrier_wait(&end);
    for (int i = 0; i < threads; i++) sum += workers[i].rate;
    empty_rings();
    return threads > cpu_count ? sum * cpu_count / threads : sum;
}

static void start(void)
{
    cpu_set_t allowed;
    int cpus[THREADS_MAX], count = 0;
    sched_getaffinity(0, sizeof allowed, &allowed);
    for (int c = 0; c < CPU_SETSIZE && count < THREADS_MAX; c++) {
        if (CPU_ISSET((size_t)c, &allowed)) cpus[count++] = c;
    }
    workers = aligned_alloc(128, (size_t)thread_count * sizeof *workers);
    if (!workers || !count) die("no memory or no processor");
    cpu_count = count;
    memset(workers, 0, (size_t)thread_count * sizeof *workers);
    pthread_barrier_init(&begin, NULL, (unsigned)thread_count + 1);
    pthread_barrier_init(&end, NULL, (unsigned)thread_count + 1);
    for (int i = 0; i < thread_count; i++) {
        workers[i].seed = (uint64_t)i * 7919 + 1;
        workers[i].number = i;
        workers[i].cpu = cpus[i % count];
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i])) die("pthread_create");
    }
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        shape_fn *fn;
    } shapes[] = {{"private", private_pairs}, {"handover", handover_pairs}, {"all", all_pairs}};
    static double share[SLICES_MAX], pairs_all[SLICES_MAX], pairs_one[SLICES_MAX], loops_all[SLICES_MAX],
        loops_one[SLICES_MAX];
    int slices = argc > 3 ? atoi(argv[3]) : 5;
    double ms = argc > 4 ? atof(argv[4]) : 8;
    if (argc == 2 && !strcmp(argv[1], "who")) {
        a_who();
        return 0;
    }
    for (size_t i = 0; argc > 2 && i < sizeof shapes / sizeof shapes[0]; i++) {
        if (!strcmp(argv[1], shapes[i].name)) shape = shapes[i].fn;
    }
    thread_count = argc > 2 ? atoi(argv[2]) : 0;
    if (!shape || thread_count < 1 || thread_count > THREADS_MAX || slices < 1 || slices > SLICES_MAX ||
        (shape == handover_pairs && thread_count % 2)) {
        fprintf(stderr, "usage: %s private|handover|all threads [slices] [ms]\n", argv[0]);
        return 2;
    }
    pairs_tables();
    allocator = a_open(0);
    start();
    slice(PAIRS, thread_count, ms); /* warm */
    for (int i = 0; i < slices; i++) {
        loops_one[i] = slice(LOOPS, 1, ms);
        pairs_one[i] = slice(PAIRS, 1, ms);
        loops_all[i] = slice(LOOPS, thread_count, ms);
        pairs_all[i] = slice(PAIRS, thread_count, ms);
        share[i] = pairs_all[i] / pairs_one[i] / (loops_all[i] / loops_one[i]);
    }
    kind = THE_END;
    pthread_barrier_wait(&begin);
    for (int i = 0; i < thread_count; i++) pthread_join(workers[i].thread, NULL);
    printf("pairs %.4f\nloops %.4f\n", spread_of(pairs_all, slices).median, spread_of(loops_all, slices).median);
    if (shape == handover_pairs) return 0; /* one thread hands nothing over: there is no gain to tell */
    printf("pairs_one %.4f\nloops_one %.4f\nshare %.4f\n", spread_of(pairs_one, slices).median,
           spread_of(loops_one, slices).median, spread_of(share, slices).median);
    return 0;
}
