/* How much memory does an allocator hold for what its program holds, and when does it come back?
     memory_<form> short|mixed|shift [lifetimes]  1.5 million objects that live for a while; the table below
     memory_<form> growth                     1,000,000 objects of 16 to 511 bytes, none freed
     memory_<form> equal <bytes>              64 MiB of objects of one size: what each costs beyond its bytes
     memory_<form> startup                    the first allocation of a process
     memory_<form> threads                    32 threads that hold eight small objects each; threads that come and go
     memory_<form> return                     64 MiB dropped at once: when is it back with the system?
     memory_<form> return_close               zslab: each object freed, then the epoch closed
   Good: a peak no higher than the leanest peer's; nothing, or at most 2 %, left after a release under the RSS policy.
   Bytes are the kernel's count of resident pages above what the process had before its first allocation; `lifetimes`
   (zslab) gives each of the three lifetimes an epoch. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/mman.h>
#include "bench/allocator.h"
#include "bench/measure.h"
#include "bench/pairs.h"

enum { OBJECTS = 1500000, HORIZON = 1 << 20, SAMPLES = 32, LIFETIMES = 3, DROPPED = 400000, THREADS = 32 };
enum { NEVER = 0 };

static double resident_kib(void) /* without the pages of files: code met for the first time is not memory held */
{
    return kib_of("RssAnon:");
}

static void *table(size_t bytes) /* the bench's own, touched before anything is measured */
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (p == MAP_FAILED) die("mmap");
    return p;
}

/* ---- lifetimes ---- */

typedef struct object {
    void *p;
    uint32_t next, bytes; /* the next one that dies at the same time */
} object;

static object *objects;
static uint32_t *dies_at; /* by time modulo HORIZON: first object, 0: none */
static uint64_t live_bytes;
static struct {
    const char *name;
    uint32_t percent[LIFETIMES], longest[LIFETIMES]; /* in allocations; NEVER: stays to the end */
    int shifts;                                      /* 0: 16 to 1,023 bytes throughout; 1: as floor_of says */
} mixes[] = {
    {"short", {100, 0, 0}, {40000, 1, 1}, 0},
    {"mixed", {90, 9, 1}, {20000, 1000000, NEVER}, 0},
    {"shift", {80, 15, 5}, {20000, 300000, NEVER}, 1},
};
static const uint16_t floor_of[] = {256, 32, 512, 64, 128, 16, 512, 32}; /* sizes from here to twice as much, in turn */

static uint32_t size_in_phase(size_t mix, uint32_t i)
{
    uint32_t phases = sizeof floor_of / sizeof floor_of[0];
    uint32_t floor = mixes[mix].shifts ? floor_of[(uint64_t)i * phases / OBJECTS] : 16u << pairs_random(6);
    return floor + pairs_random(floor);
}

static void *make_object(a_state *a, const uint64_t *epoch, int lifetime, uint32_t bytes)
{
#if BENCH_ZSLAB
    void *p = epoch ? zslab_malloc_epoch(a, bytes, epoch[lifetime]) : A_MALLOC(a, bytes);
#else
    void *p = A_MALLOC(a, bytes);
    (void)epoch, (void)lifetime;
#endif
    if (!p) pairs_out_of_memory();
    memset(p, 1, bytes);
    return p;
}

static void die_now(a_state *a, uint32_t first)
{
    for (uint32_t k = first; k; k = objects[k].next) {
        A_FREE(a, objects[k].p);
        live_bytes -= objects[k].bytes;
    }
}

static void lifetimes(a_state *a, size_t mix, const uint64_t *epoch)
{
    double base = resident_kib(), sample[SAMPLES + 2], least = peak_reset();
    double begin = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    for (uint32_t i = 1; i <= OBJECTS; i++) {
        uint32_t *due = &dies_at[i % HORIZON], first = *due, roll = pairs_random(100);
        int l = roll < mixes[mix].percent[0] ? 0 : roll < mixes[mix].percent[0] + mixes[mix].percent[1] ? 1 : 2;
        *due = 0;
        die_now(a, first);
        objects[i].bytes = size_in_phase(mix, i - 1);
        objects[i].p = make_object(a, epoch, l, objects[i].bytes);
        live_bytes += objects[i].bytes;
        if (mixes[mix].longest[l] != NEVER) {
            uint32_t *list = &dies_at[(i + 1 + pairs_random(mixes[mix].longest[l])) % HORIZON];
            objects[i].next = *list;
            *list = i;
        }
        if (i % (OBJECTS / SAMPLES) == 0 && i / (OBJECTS / SAMPLES) <= SAMPLES)
            sample[i / (OBJECTS / SAMPLES) - 1] = resident_kib();
    }
    double ns = (clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin) / OBJECTS;
    printf("peak_mib %.2f\nns %.1f\n", (peak_kib() - least) / 1024, ns);
    printf("live_mib %.2f\n", (double)live_bytes / (1 << 20));
    for (uint32_t t = 0; t < HORIZON; t++) die_now(a, dies_at[t]); /* only those that never die stay */
    printf("left_mib %.2f\n", (double)live_bytes / (1 << 20));
    sample[SAMPLES] = resident_kib();
    a_give_back(a);
    sample[SAMPLES + 1] = resident_kib();
    printf("end_mib %.2f\nasked_mib %.2f\n", (sample[SAMPLES] - base) / 1024, (sample[SAMPLES + 1] - base) / 1024);
    for (int i = 0; i < SAMPLES + 2; i++) printf("at_%02d %.2f\n", i, (sample[i] - base) / 1024);
}

static int lifetimes_of(a_state *a, const char *name, int by_epoch)
{
    static uint64_t epoch[LIFETIMES];
    objects = (object *)table((OBJECTS + 1) * sizeof *objects);
    dies_at = (uint32_t *)table(HORIZON * sizeof *dies_at);
#if BENCH_ZSLAB
    for (int i = 0; i < LIFETIMES; i++) epoch[i] = zslab_epoch_open(a, NULL);
#endif
    for (size_t i = 0; i < sizeof mixes / sizeof mixes[0]; i++) {
        if (!strcmp(name, mixes[i].name)) return lifetimes(a, i, by_epoch ? epoch : NULL), 0;
    }
    return 2;
}

/* ---- growth, and objects of one size ---- */

static void grow(a_state *a, size_t count, uint32_t bytes) /* 0: sizes from the table */
{
    uint64_t asked = 0;
    double base = resident_kib(), least = peak_reset();
    for (size_t i = 0; i < count; i++) {
        uint32_t size = bytes ? bytes : pairs_sizes[i % SIZE_COUNT];
        asked += size;
        memset(pairs_make(a, size, i), 1, size);
    }
    double over = (resident_kib() - base) * 1024 - (double)asked;
    printf("peak_mib %.2f\nasked_mib %.2f\nover_bytes %.2f\n", (peak_kib() - least) / 1024, (double)asked / (1 << 20),
           over / (double)count);
    /* zslab's limit: 1.5 bytes a slot and 1 % */
    if (bytes) printf("over_limit %.3f\n", over / (1.5 * (double)count + 0.01 * (double)asked));
}

/* ---- startup and threads ---- */

static void startup(double base)
{
    double begin = clock_ns(CLOCK_MONOTONIC);
    a_state *a = a_open(0);
    pairs_drop(a, pairs_make(a, 64, 1));
    double ns = clock_ns(CLOCK_MONOTONIC) - begin;
    printf("first_us %.2f\nfirst_kib %.0f\nprocess_kib %.0f\n", ns / 1000, resident_kib() - base, kib_of("VmRSS:"));
}

static pthread_barrier_t here, go;
static void hold_some(a_state *a, void **p)
{
    for (uint32_t i = 0; i < 8; i++) p[i] = pairs_make(a, 16u << i, i);
}

static void *holder(void *a)
{
    void *p[8];
    pthread_barrier_wait(&here); /* its stack is there */
    pthread_barrier_wait(&go);
    hold_some((a_state *)a, p);
    pthread_barrier_wait(&here);
    pthread_barrier_wait(&go);
    for (int i = 0; i < 8; i++) pairs_drop((a_state *)a, p[i]);
    return NULL;
}

static void *visitor(void *a)
{
    if (a) pairs_drop((a_state *)a, pairs_make((a_state *)a, 64, 1));
    return NULL;
}

static void *visitor_of_libc(void *unused)
{
    (void)unused;
    pairs_drop(NULL, pairs_make(NULL, 64, 1));
    return NULL;
}

static double come_and_go(void *(*what)(void *), void *arg) /* us a thread */
{
    enum { TIMES = 200 };
    double begin = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < TIMES; i++) {
        pthread_t t;
        if (pthread_create(&t, NULL, what, arg)) die("pthread_create");
        pthread_join(t, NULL);
    }
    return (clock_ns(CLOCK_PROCESS_CPUTIME_ID) - begin) / 1000 / TIMES;
}

static void threads(a_state *a)
{
    pthread_t t[THREADS];
    void *first[8];
    hold_some(a, first); /* what the first user pays is not the question */
    pthread_barrier_init(&here, NULL, THREADS + 1);
    pthread_barrier_init(&go, NULL, THREADS + 1);
    for (int i = 0; i < THREADS; i++) {
        if (pthread_create(&t[i], NULL, holder, a)) die("pthread_create");
    }
    pthread_barrier_wait(&here);
    double base = resident_kib();
    pthread_barrier_wait(&go);
    pthread_barrier_wait(&here);
    printf("thread_kib %.2f\n", (resident_kib() - base) / THREADS);
    pthread_barrier_wait(&go);
    for (int i = 0; i < THREADS; i++) pthread_join(t[i], NULL);
    come_and_go(visitor, NULL); /* warm */
    double bare = come_and_go(visitor, NULL), with = come_and_go(a ? visitor : visitor_of_libc, a);
    printf("come_and_go_us %.2f\n", with - bare);
}

/* ---- the way back ---- */

static void give_back(a_state *a, int freed_first)
{
    static a_group g;
    void **p = (void **)table(DROPPED * sizeof *p);
    a_groups_ready();
    double base = resident_kib();
    A_GROUP_OPEN(a, &g);
    for (size_t i = 0; i < DROPPED; i++) {
        p[i] = A_GROUP_MALLOC(a, &g, pairs_sizes[i % SIZE_COUNT]);
        if (!p[i]) pairs_out_of_memory();
        memset(p[i], 1, pairs_sizes[i % SIZE_COUNT]);
    }
    double full = resident_kib() - base, begin = clock_ns(CLOCK_MONOTONIC);
    if (freed_first || A_GROUP_ONE_BY_ONE(&g)) {
        for (size_t i = 0; i < DROPPED; i++) A_FREE(a, p[i]);
    }
    g.count = 0;
#if BENCH_ZSLAB
    if (freed_first && zslab_epoch_close(a, g.epoch) != ZSLAB_OK) exit(1);
#endif
    if (!freed_first) A_GROUP_CLOSE(a, &g);
    double dropped = clock_ns(CLOCK_MONOTONIC) - begin;
    double stays = resident_kib() - base;
    nanosleep(&(struct timespec){0, 100000000}, NULL);
    double later = resident_kib() - base;
    begin = clock_ns(CLOCK_MONOTONIC);
    int can = a_give_back(a);
    double asked = clock_ns(CLOCK_MONOTONIC) - begin;
    double back = (resident_kib() - base) / full * 100;
    printf("full_mib %.2f\ndrop_ms %.3f\nstays_pct %.2f\nstays_kib %.0f\nlater_pct %.2f\n", full / 1024, dropped / 1e6,
           stays / full * 100, stays, later / full * 100);
    if (can) printf("asked_ms %.3f\nasked_pct %.2f\n", asked / 1e6, back);
    if (stays < 0.05 * full)
        printf("back_ms %.3f\n", dropped / 1e6);
    else if (back < 5)
        printf("back_ms %.3f\n", (dropped + asked) / 1e6);
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "";
    if (!strcmp(how, "who")) {
        a_who();
        return 0;
    }
    resident_kib(); /* the stack it wants */
    pairs_tables();
    memset(pairs_live, 1, sizeof pairs_live);
    double base = resident_kib();
    if (!strcmp(how, "startup")) return startup(base), 0;
    a_state *a = a_open(!strncmp(how, "return", 6) ? A_OPEN_RSS : 0);
    if (!strcmp(how, "growth")) return grow(a, 1000000, 0), 0;
    if (!strcmp(how, "equal") && argc > 2 && atoi(argv[2]) > 7)
        return grow(a, (64u << 20) / (uint32_t)atoi(argv[2]), (uint32_t)atoi(argv[2])), 0;
    if (!strcmp(how, "threads")) return threads(a), 0;
    if (!strcmp(how, "return")) return give_back(a, 0), 0;
    if (!strcmp(how, "return_close")) return give_back(a, 1), 0;
    if (!lifetimes_of(a, how, argc > 2 && !strcmp(argv[2], "lifetimes"))) return 0;
    fprintf(stderr, "usage: %s short|mixed|shift [lifetimes]|growth|equal bytes|startup|threads|return|return_close\n",
            argv[0]);
    return 2;
}
