/* Does it hold for hours? Threads allocate, hand over, free, open, close, release and reset without end, each
   object carrying a checksum; a watcher stops the world every few seconds, checks every invariant and logs
   memory and what was asked of the system. Good: sound at every check, and a flat line.
     soak [-s seconds] [-j threads] [-p latency|rss] [-c check every s] [-o file.csv]     (60, 2, rss, 5) */
#define _GNU_SOURCE
#include <pthread.h>
#define ZSLAB_STATIC 1
#define ZSLAB_IMPLEMENTATION
#include "zslab.h"
#include "bench/measure.h"
#include "bench/os_hooks.h"

enum { THREADS_MAX = 32, LIVE = 2000, MAIL = 64, SAMPLES = 4096 };

typedef struct object { /* its words and its last byte prove that nobody else wrote here */
    uint64_t bytes, check;
} object;

static zslab *z;
static pthread_barrier_t stop, go;  /* the watcher's world stop */
static int halt_wanted, end_wanted; /* written by the watcher, read by workers */
static object *mail[MAIL];          /* objects handed to whoever comes by: exchanged atomically */

typedef struct worker {
    pthread_t thread;
    uint64_t seed, operations;
    object *live[LIVE];
} worker;

static worker workers[THREADS_MAX];
static double at[SAMPLES], rss[SAMPLES], committed[SAMPLES];
static size_t samples;

static void must(int right, const char *what)
{
    if (right) return;
    fprintf(stderr, "soak: %s (%s)\n", what, zslab_result_name(zslab_last_error()));
    abort();
}

static uint32_t random_below(worker *w, uint32_t bound)
{
    w->seed = w->seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(((w->seed >> 32) * bound) >> 32);
}

static uint64_t check_of(const object *p) { return ((uint64_t)(uintptr_t)p ^ p->bytes) * 0x9E3779B97F4A7C15u; }

static object *make(worker *w, zslab_epoch e)
{
    size_t bytes = sizeof(object) + random_below(w, 8u << random_below(w, 10));
    object *p = (object *)(e ? zslab_malloc_epoch(z, bytes, e) : zslab_malloc(z, bytes));
    must(p != NULL, "allocation refused");
    p->bytes = bytes;
    p->check = check_of(p);
    if (bytes > sizeof *p) ((unsigned char *)p)[bytes - 1] = (unsigned char)bytes;
    return p;
}

static void drop(object *p)
{
    if (!p) return;
    must(p->check == check_of(p), "an object was overwritten");
    must(p->bytes == sizeof *p || ((unsigned char *)p)[p->bytes - 1] == (unsigned char)p->bytes, "an object's end");
    must(zslab_free(z, p) == ZSLAB_OK, "a good free was refused");
}

/* An epoch of this thread's own: filled, partly freed, then released, or reset and released, or closed. */
static void short_epoch(worker *w)
{
    enum { N = 200 };
    object *own[N];
    zslab_epoch e = zslab_epoch_open(z, "soak");
    if (e == ZSLAB_EPOCH_NONE) {
        must(zslab_last_error() == ZSLAB_E_BUSY, "zslab_epoch_open");
        return;
    }
    for (int i = 0; i < N; i++) own[i] = make(w, e);
    for (int i = 0; i < N; i += 3) drop(own[i]), own[i] = NULL;
    switch (random_below(w, 3)) {
    case 0: /* drained by hand: close refuses new objects, the old ones stay good */
        must(zslab_epoch_close(z, e) == ZSLAB_OK, "zslab_epoch_close");
        must(zslab_malloc_epoch(z, 32, e) == NULL, "a closed epoch took an object");
        for (int i = 0; i < N; i++) drop(own[i]);
        return;
    case 1:
        must(zslab_epoch_reset(z, e) == ZSLAB_OK, "zslab_epoch_reset");
        must(zslab_free(z, own[1]) != ZSLAB_OK, "an object of a reset epoch was freed");
        for (int i = 0; i < N; i++) (void)make(w, e);
        break;
    default:
        break;
    }
    must(zslab_epoch_release(z, e) == ZSLAB_OK, "zslab_epoch_release");
    must(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSED, "a released epoch is not closed");
}

static void *work(void *arg)
{
    worker *w = arg;
    /* relaxed: a hint, the barriers order the rest */
    while (!__atomic_load_n(&end_wanted, __ATOMIC_RELAXED)) {
        for (int i = 0; i < 1000; i++, w->operations++) {
            object **slot = &w->live[random_below(w, LIVE)];
            drop(*slot);
            *slot = make(w, ZSLAB_EPOCH_NONE);
            if (i % 4 == 0) /* acq_rel: the object's words go with it; pairs with the same exchange elsewhere */
                *slot = __atomic_exchange_n(&mail[random_below(w, MAIL)], *slot, __ATOMIC_ACQ_REL);
        }
        short_epoch(w);
        if (random_below(w, 200) == 0) zslab_thread_detach(z);
        if (__atomic_load_n(&halt_wanted, __ATOMIC_RELAXED)) { /* relaxed: as above */
            pthread_barrier_wait(&stop);
            pthread_barrier_wait(&go);
        }
    }
    for (int i = 0; i < LIVE; i++) drop(w->live[i]);
    return NULL;
}

static int count_live(void *user, const zslab_visit *seen)
{
    (void)seen;
    ++*(uint64_t *)user;
    return 0;
}

static void sample(double seconds, uint64_t operations, uint64_t live, FILE *csv)
{
    uint64_t resident = zslab_rss_bytes();
    if (samples < SAMPLES) {
        at[samples] = seconds;
        rss[samples] = (double)resident / (1 << 20);
        committed[samples++] = (double)os_asked.committed_bytes / (1 << 20);
    }
    if (!csv) return;
    fprintf(csv, "%.1f,%llu,%llu,%llu,%llu,%llu,%llu\n", seconds, (unsigned long long)operations,
            (unsigned long long)resident, (unsigned long long)live, (unsigned long long)os_asked.committed_bytes,
            (unsigned long long)os_asked.purged_bytes, (unsigned long long)os_asked.calls);
    fflush(csv);
}

static uint64_t operations_of(int threads)
{
    uint64_t sum = 0;
    for (int i = 0; i < threads; i++) sum += workers[i].operations;
    return sum;
}

/* Everybody waits while every invariant is checked. */
static void stop_and_check(int threads, double seconds, FILE *csv)
{
    __atomic_store_n(&halt_wanted, 1, __ATOMIC_RELAXED); /* relaxed: the barrier follows */
    pthread_barrier_wait(&stop);
    uint64_t live = 0;
    must(zslab_check(z, count_live, &live) == ZSLAB_OK, "zslab_check");
    sample(seconds, operations_of(threads), live, csv);
    __atomic_store_n(&halt_wanted, 0, __ATOMIC_RELAXED); /* relaxed: the barrier follows */
    pthread_barrier_wait(&go);
}

int main(int argc, char **argv)
{
    double length = 60, every = 5;
    int threads = 2, o;
    const char *out = NULL;
    zslab_config config = {0};
    config.reclaim = ZSLAB_RECLAIM_RSS;
    while ((o = getopt(argc, argv, "s:j:p:c:o:")) != -1) {
        switch (o) {
        case 's':
            length = atof(optarg);
            break;
        case 'j':
            threads = atoi(optarg);
            break;
        case 'p':
            config.reclaim = strcmp(optarg, "rss") ? ZSLAB_RECLAIM_LATENCY : ZSLAB_RECLAIM_RSS;
            break;
        case 'c':
            every = atof(optarg);
            break;
        case 'o':
            out = optarg;
            break;
        default:
            return 2;
        }
    }
    if (threads < 1 || threads > THREADS_MAX || !(length > 0) || !(every > 0)) {
        fprintf(stderr, "soak: threads 1 to %d, times above 0\n", THREADS_MAX);
        return 2;
    }
    FILE *csv = out ? fopen(out, "w") : NULL;
    if (out && !csv) die(out);
    if (csv) {
        provenance(csv, argc, argv);
        fputs("\nseconds,operations,rss_bytes,live_objects,committed_bytes,purged_bytes,system_calls\n", csv);
    }
    os_hook(&config);
    must((z = zslab_create(&config)) != NULL, "zslab_create");
    pthread_barrier_init(&stop, NULL, (unsigned)threads + 1);
    pthread_barrier_init(&go, NULL, (unsigned)threads + 1);
    double begin = clock_ns(CLOCK_MONOTONIC), now = 0;
    printf("seed 1 to %d\n", threads);
    for (int i = 0; i < threads; i++) {
        workers[i].seed = (uint64_t)i + 1;
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i])) die("pthread_create");
    }
    while (now < length) {
        double wait = length - now < every ? length - now : every;
        nanosleep(&(struct timespec){(time_t)wait, (long)((wait - (double)(time_t)wait) * 1e9)}, NULL);
        now = (clock_ns(CLOCK_MONOTONIC) - begin) / 1e9;
        stop_and_check(threads, now, csv);
    }
    __atomic_store_n(&end_wanted, 1, __ATOMIC_RELAXED); /* relaxed: joined below */
    for (int i = 0; i < threads; i++) pthread_join(workers[i].thread, NULL);
    for (int i = 0; i < MAIL; i++) drop(mail[i]);
    uint64_t left = 0;
    must(zslab_check(z, count_live, &left) == ZSLAB_OK && left == 0, "objects left after everything was freed");
    printf("%.0f s, %d threads, %.1f million operations, %zu checks: sound; resident %.1f MiB at the end\n", now,
           threads, (double)operations_of(threads) / 1e6, samples, rss[samples - 1]);
    if (csv && fclose(csv)) die(out);
    if (out && strlen(out) > 4) {
        char svg[512];
        snprintf(svg, sizeof svg, "%.*s.svg", (int)(strlen(out) - 4), out);
        curve c[2] = {{"resident", "#0b6e99", at, rss, samples}, {"committed", "#d1602b", at, committed, samples}};
        write_curves(svg, "Soak", "seconds", "MiB", c, 2);
    }
    zslab_destroy(z);
    return 0;
}
