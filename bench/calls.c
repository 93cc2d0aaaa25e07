/* How many nanoseconds do the calls beside malloc and free take?
     calls_<form> <row> <milliseconds>     prints ns per call, pair, run or object, as the row says
     calls_<form> rows                     prints the rows that this form has
   calloc64, calloc1024   calloc of so many bytes, and free
   steps                  realloc from 16 to 176 bytes by 8, then free: a run of 21 calls
   grow                   realloc from 16 to 5,832 bytes by half again, the last byte written each time: a run
   aligned                aligned_alloc of 192 bytes at 64, and free
   sized                  malloc of 64 and a free that is told the size, where there is one
   zslab only: batch (malloc_batch and free_batch of 1,000, an object), heap (an explicit heap's pair), turns
   (malloc_epoch in two epochs by turns, a pair), one (the same in one epoch), and a domain over an epoch: keep (enter
   and exit), reset, created (create, enter, exit, destroy).
   Good: at most what the best general-purpose allocator takes for the same call. Timed in processor time of the
   thread; a figure is the median of eight equal pieces after a warm-up. */
#define _GNU_SOURCE
#include "bench/allocator.h"
#include "bench/measure.h"

#if BENCH_ZSLAB
#define A_CALLOC(a, n) zslab_calloc(a, 1, n)
#define A_REALLOC(a, p, n) zslab_realloc(a, p, n)
#define A_ALIGNED(a, at, n) zslab_aligned_alloc(a, at, n)
#define A_FREE_SIZED(a, p, n) (void)zslab_free_sized(a, p, n)
#else
#define A_CALLOC(a, n) ((void)(a), calloc(1, n))
#define A_REALLOC(a, p, n) ((void)(a), realloc(p, n))
#define A_ALIGNED(a, at, n) ((void)(a), aligned_alloc(at, n))
#define A_FREE_SIZED(a, p, n) ((void)(n), A_FREE(a, p))
#endif
#define PIN(x) __asm__ volatile("" : "+r"(x))
#define ROW static __attribute__((noinline)) void

ROW calloc_row(a_state *a, size_t bytes, size_t runs)
{
    for (size_t i = 0; i < runs; i++) {
        void *p = A_CALLOC(a, bytes);
        PIN(p);
        A_FREE(a, p);
    }
}

ROW row_calloc64(a_state *a, size_t runs) { calloc_row(a, 64, runs); }
ROW row_calloc1024(a_state *a, size_t runs) { calloc_row(a, 1024, runs); }

ROW row_steps(a_state *a, size_t runs)
{
    for (size_t i = 0; i < runs; i++) {
        char *p = (char *)A_MALLOC(a, 16);
        for (size_t bytes = 24; bytes <= 176; bytes += 8) {
            p = (char *)A_REALLOC(a, p, bytes);
            PIN(p);
        }
        A_FREE(a, p);
    }
}

ROW row_grow(a_state *a, size_t runs)
{
    for (size_t i = 0; i < runs; i++) {
        char *p = NULL;
        for (size_t bytes = 16; bytes <= 5832; bytes += bytes / 2) {
            p = (char *)A_REALLOC(a, p, bytes);
            PIN(p);
            p[bytes - 1] = 1;
        }
        A_FREE(a, p);
    }
}

ROW row_aligned(a_state *a, size_t runs)
{
    for (size_t i = 0; i < runs; i++) {
        void *p = A_ALIGNED(a, 64, 192);
        PIN(p);
        A_FREE(a, p);
    }
}

ROW row_sized(a_state *a, size_t runs)
{
    for (size_t i = 0; i < runs; i++) {
        void *p = A_MALLOC(a, 64);
        PIN(p);
        A_FREE_SIZED(a, p, 64);
    }
}

#if BENCH_ZSLAB
enum { BATCH_OF = 1000 };

ROW row_batch(zslab *z, size_t runs)
{
    static void *p[BATCH_OF];
    for (size_t i = 0; i < runs; i++) {
        if (zslab_malloc_batch(z, 64, BATCH_OF, p) != BATCH_OF) exit(1);
        zslab_free_batch(z, p, BATCH_OF);
    }
}

ROW row_heap(zslab *z, size_t runs)
{
    static zslab_heap *heap;
    if (!heap && (heap = zslab_heap_create(z)) == NULL) exit(1);
    for (size_t i = 0; i < runs; i++) {
        void *p = zslab_heap_malloc(heap, 64);
        PIN(p);
        (void)zslab_heap_free(heap, p);
    }
}

ROW in_epochs(zslab *z, const zslab_epoch *e, size_t runs)
{
    for (size_t i = 0; i < runs; i++) {
        void *p = zslab_malloc_epoch(z, 64, e[i & 1]);
        PIN(p);
        (void)zslab_free(z, p);
    }
}

ROW row_turns(zslab *z, size_t runs)
{
    static zslab_epoch e[2];
    for (int i = 0; i < 2; i++)
        if (!e[i] && (e[i] = zslab_epoch_open(z, NULL)) == 0) exit(1);
    in_epochs(z, e, runs);
}

ROW row_one(zslab *z, size_t runs)
{
    static zslab_epoch e[2];
    if (!e[0] && (e[0] = e[1] = zslab_epoch_open(z, NULL)) == 0) exit(1);
    in_epochs(z, e, runs);
}

static zslab_domain *wrapped(zslab *z, zslab_on_exit policy)
{
    zslab_epoch e = zslab_epoch_open(z, NULL);
    zslab_domain *d = e ? zslab_domain_wrap(z, e, policy) : NULL;
    if (!d) exit(1);
    return d;
}

ROW row_keep(zslab *z, size_t runs)
{
    static zslab_domain *d;
    if (!d) d = wrapped(z, ZSLAB_ON_EXIT_KEEP);
    for (size_t i = 0; i < runs; i++) {
        if (zslab_domain_enter(d) != ZSLAB_OK) exit(1);
        (void)zslab_domain_exit(d);
    }
}

ROW row_reset(zslab *z, size_t runs)
{
    static zslab_domain *d;
    if (!d) d = wrapped(z, ZSLAB_ON_EXIT_RESET);
    for (size_t i = 0; i < runs; i++) {
        if (zslab_domain_enter(d) != ZSLAB_OK) exit(1);
        (void)zslab_domain_exit(d);
    }
}

ROW row_created(zslab *z, size_t runs)
{
    for (size_t i = 0; i < runs; i++) {
        zslab_domain *d = zslab_domain_create(z);
        if (zslab_domain_enter(d) != ZSLAB_OK) exit(1);
        (void)zslab_domain_exit(d);
        (void)zslab_domain_destroy(d);
    }
}
#endif

static const struct {
    const char *name;
    void (*fn)(a_state *a, size_t runs);
    size_t units; /* what a run's time is divided by */
} rows[] = {
    {"calloc64", row_calloc64, 1},  {"calloc1024", row_calloc1024, 1},
    {"steps", row_steps, 1},        {"grow", row_grow, 1},
    {"aligned", row_aligned, 1},    {"sized", row_sized, 1},
#if BENCH_ZSLAB
    {"batch", row_batch, BATCH_OF}, {"heap", row_heap, 1},
    {"turns", row_turns, 1},        {"one", row_one, 1},
    {"keep", row_keep, 1},          {"reset", row_reset, 1},
    {"created", row_created, 1},
#endif
};
enum { ROWS = sizeof rows / sizeof rows[0], PIECES = 8 };

static double measure(a_state *a, size_t row, double ms)
{
    double took = 0, ns[PIECES], piece = ms * 1e6 / PIECES;
    size_t runs = 1;
    while (took < piece / 2) { /* warm-up, and how many runs fit a piece */
        double begin = clock_ns(CLOCK_THREAD_CPUTIME_ID);
        rows[row].fn(a, runs);
        took = clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin;
        if (took < piece / 2) runs *= 2;
    }
    runs = (size_t)((double)runs * piece / took) + 1;
    for (int i = 0; i < PIECES; i++) {
        double begin = clock_ns(CLOCK_THREAD_CPUTIME_ID);
        rows[row].fn(a, runs);
        ns[i] = (clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin) / (double)(runs * rows[row].units);
    }
    qsort(ns, PIECES, sizeof ns[0], ascending);
    return (ns[PIECES / 2 - 1] + ns[PIECES / 2]) / 2;
}

int main(int argc, char **argv)
{
    if (argc == 2 && !strcmp(argv[1], "rows")) {
        for (size_t i = 0; i < ROWS; i++) puts(rows[i].name);
        return 0;
    }
    a_state *a = a_open(0);
    for (size_t i = 0; argc == 3 && i < ROWS; i++) {
        if (strcmp(argv[1], rows[i].name)) continue;
        printf("ns %.4f\n", measure(a, i, atof(argv[2])));
        return 0;
    }
    fprintf(stderr, "usage: %s row milliseconds | rows\n", argv[0]);
    return 2;
}
