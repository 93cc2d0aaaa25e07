/* What do objects larger than every class cost?
     large_<form> pair <bytes> <0|1> <threads> <milliseconds>   100 alive, a random one replaced
     large_<form> double|steps <milliseconds>   realloc: 1 KiB to 256 MiB by doubling, by 64 KiB to 64 MiB
   pair: 1: the first byte of each page of a new object is written, 0: only its first word. Two threads share the live
   objects, so that each frees what the other made. realloc: the last byte is written each time; a run has one object.
   Prints ns per pair or run, the middle of eight pieces after a warm-up, and the peak of resident memory.
   Good: at most what the best general-purpose allocator takes in the same run, and its memory. */
#define _GNU_SOURCE
#include <pthread.h>
#include "bench/allocator.h"
#include "bench/measure.h"

#if BENCH_ZSLAB
#define A_REALLOC(a, p, n) zslab_realloc(a, p, n)
#else
#define A_REALLOC(a, p, n) ((void)(a), realloc(p, n))
#endif

enum { LIVE = 100, PIECES = 8, THREADS_MAX = 64 };
static void *live[LIVE];
static a_state *allocator;
static size_t object_bytes, pairs_each;
static int each_page;
static pthread_barrier_t barrier;

static void *make(size_t bytes)
{
    char *p = (char *)A_MALLOC(allocator, bytes);
    if (!p) die("out of memory");
    *(volatile uint64_t *)(void *)p = bytes;
    for (size_t at = 4096; each_page && at < bytes; at += 4096) *(volatile char *)(p + at) = 1;
    return p;
}

static void replace(size_t pairs, uint64_t *seed)
{
    for (size_t i = 0; i < pairs; i++) {
        *seed = *seed * 6364136223846793005u + 1442695040888963407u;
        void *p = make(object_bytes);
        /* acq_rel: the object's words, between its maker and who frees it; pairs with itself */
        p = __atomic_exchange_n(&live[(*seed >> 33) % LIVE], p, __ATOMIC_ACQ_REL);
        A_FREE(allocator, p);
    }
}

static void *partner(void *seed)
{
    for (uint64_t s = (uint64_t)(uintptr_t)seed;;) {
        pthread_barrier_wait(&barrier);
        if (!pairs_each) return NULL;
        replace(pairs_each, &s);
        pthread_barrier_wait(&barrier);
    }
}

static double piece(size_t pairs, int threads, uint64_t *seed)
{
    double begin = clock_ns(threads > 1 ? CLOCK_MONOTONIC : CLOCK_THREAD_CPUTIME_ID);
    pairs_each = pairs;
    if (threads > 1) pthread_barrier_wait(&barrier);
    replace(pairs, seed);
    if (threads > 1) pthread_barrier_wait(&barrier);
    return clock_ns(threads > 1 ? CLOCK_MONOTONIC : CLOCK_THREAD_CPUTIME_ID) - begin;
}

static double pair(int threads, double ms)
{
    pthread_t others[THREADS_MAX];
    uint64_t seed = 1;
    size_t pairs = 2;
    double took, ns[PIECES];
    pthread_barrier_init(&barrier, NULL, (unsigned)threads);
    for (int i = 0; i < LIVE; i++) live[i] = make(object_bytes);
    for (intptr_t t = 1; t < threads; t++)
        if (pthread_create(&others[t], NULL, partner, (void *)(t + 1))) die("pthread_create");
    while ((took = piece(pairs, threads, &seed)) < ms * 1e6 / PIECES) pairs *= 2;
    for (int i = 0; i < PIECES; i++) ns[i] = piece(pairs, threads, &seed) / (double)pairs / threads;
    pairs_each = 0;
    if (threads > 1) pthread_barrier_wait(&barrier);
    for (int t = 1; t < threads; t++) pthread_join(others[t], NULL);
    qsort(ns, PIECES, sizeof ns[0], ascending);
    return (ns[PIECES / 2 - 1] + ns[PIECES / 2]) / 2;
}

static void grow(int doubling)
{
    const size_t most = doubling ? (size_t)256 << 20 : (size_t)64 << 20;
    char *p = NULL;
    for (size_t bytes = doubling ? 1024 : 65536; bytes <= most; bytes += doubling ? bytes : 65536) {
        p = (char *)A_REALLOC(allocator, p, bytes);
        if (!p) die("out of memory");
        *(volatile char *)(p + bytes - 1) = 1;
    }
    A_FREE(allocator, p);
}

static double runs(int doubling, double ms)
{
    double ns[PIECES], took = 0;
    size_t count = 0;
    for (; took < ms * 1e6 / PIECES; count++) {
        double begin = clock_ns(CLOCK_THREAD_CPUTIME_ID);
        grow(doubling);
        took += clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin;
    }
    for (int i = 0; i < PIECES; i++) {
        double begin = clock_ns(CLOCK_THREAD_CPUTIME_ID);
        for (size_t k = 0; k < count; k++) grow(doubling);
        ns[i] = (clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin) / (double)count;
    }
    qsort(ns, PIECES, sizeof ns[0], ascending);
    return (ns[PIECES / 2 - 1] + ns[PIECES / 2]) / 2;
}

int main(int argc, char **argv)
{
    double least, ns;
    if (argc < 3 || (argc != 6 && argc != 3)) {
        fprintf(stderr, "usage: %s pair bytes 0|1 threads milliseconds | double|steps milliseconds\n", argv[0]);
        return 2;
    }
    allocator = a_open(0);
    least = peak_reset();
    if (argc == 6) {
        int threads = atoi(argv[4]);
        object_bytes = (size_t)strtoull(argv[2], NULL, 10);
        each_page = atoi(argv[3]);
        ns = pair(threads < 1 ? 1 : threads > THREADS_MAX ? THREADS_MAX : threads, atof(argv[5]));
    } else {
        ns = runs(!strcmp(argv[1], "double"), atof(argv[2]));
    }
    printf("ns %.1f\npeak_mib %.2f\n", ns, (peak_kib() - least) / 1024);
    return 0;
}
