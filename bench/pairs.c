/* How many nanoseconds does an allocate+free pair take?
     pairs_<form> <row> <milliseconds> <const|var>   prints ns per pair
     pairs_<form> who                                prints which allocator answers and its version
   Good: fewer than any general-purpose allocator. The form (allocator.h) is how it was built.
   Rows of one thread are timed in processor time of that thread, so that a busy machine disturbs them less;
   rows of two threads in wall time. A figure is the median of eight equal pieces after a warm-up. */
#define _GNU_SOURCE
#include "bench/allocator.h"
#include "bench/measure.h"
#include "bench/pairs.h"

#if BENCH_ZSLAB
/* The price of changing allocators: one pair on this, one on that, in turn. Two pairs count as two. */
static zslab *pairs_second;
ROW row_alternate(a_state *a, size_t size, size_t pairs)
{
    zslab *b = pairs_second;
    uint64_t sum = 0;
    for (size_t i = 0; i < pairs; i += 2) {
        sum += pairs_drop(a, pairs_make(a, size, i));
        sum += pairs_drop(b, pairs_make(b, size, i));
    }
    return sum;
}
#endif

typedef uint64_t row_fn(a_state *a, size_t size, size_t pairs);
static volatile size_t opaque_size = 64;
/* Two instances of each row: the size a constant, the size a variable. */
#define INSTANCES(row)                                                                                                 \
    static __attribute__((noinline)) uint64_t row##_const(a_state *a, size_t size, size_t pairs)                       \
    {                                                                                                                  \
        (void)size;                                                                                                    \
        return row(a, 64, pairs);                                                                                      \
    }                                                                                                                  \
    static __attribute__((noinline)) uint64_t row##_var(a_state *a, size_t size, size_t pairs)                         \
    {                                                                                                                  \
        PIN(size);                                                                                                     \
        return row(a, size, pairs);                                                                                    \
    }
INSTANCES(row_hot)
INSTANCES(row_batch)
INSTANCES(row_lifo)
INSTANCES(row_random)
INSTANCES(row_churn10k)
INSTANCES(row_mixed)
INSTANCES(row_churn100k)
INSTANCES(row_cross)
INSTANCES(row_epoch)
INSTANCES(row_request)
#if BENCH_ZSLAB
INSTANCES(row_alternate)
#endif

static const struct {
    const char *name;
    row_fn *fn[2]; /* constant size, variable size */
    size_t live;
    int mixed, threads;
} rows[] = {
    {"hot", {row_hot_const, row_hot_var}, 0, 0, 1},
    {"batch", {row_batch_const, row_batch_var}, 0, 0, 1},
    {"lifo", {row_lifo_const, row_lifo_var}, 0, 0, 1},
    {"random", {row_random_const, row_random_var}, 0, 0, 1},
    {"churn10k", {row_churn10k_const, row_churn10k_var}, 10000, 0, 1},
    {"mixed", {row_mixed_const, row_mixed_var}, 10000, 1, 1},
    {"churn100k", {row_churn100k_const, row_churn100k_var}, LIVE_MAX, 0, 1},
    {"cross", {row_cross_const, row_cross_var}, 0, 0, 2},
    {"epoch", {row_epoch_const, row_epoch_var}, 0, 0, 1},
    {"request", {row_request_const, row_request_var}, 0, 0, 1},
#if BENCH_ZSLAB
    {"alternate", {row_alternate_const, row_alternate_var}, 0, 0, 1},
#endif
};

static double now(int threads) { return clock_ns(threads > 1 ? CLOCK_MONOTONIC : CLOCK_THREAD_CPUTIME_ID); }

static volatile uint64_t sink;

static double measure(a_state *a, size_t row, int variable, double ms)
{
    enum { PIECES = 8, GRAIN = 3 * GROUP }; /* a multiple of BATCH, GROUP and REQUEST */
    row_fn *fn = rows[row].fn[variable];
    size_t pairs = GRAIN, size = opaque_size;
    double took = 0, ns[PIECES], piece = ms * 1e6 / PIECES;
    if (rows[row].live) pairs_fill(a, size, rows[row].mixed, rows[row].live);
    if (rows[row].threads > 1) pairs_cross_start(a);
    while (took < piece / 2) { /* warm-up, and how many pairs fit a piece */
        double begin = now(rows[row].threads);
        sink += fn(a, size, pairs);
        took = now(rows[row].threads) - begin;
        if (took < piece / 2) pairs *= 2;
    }
    pairs = ((size_t)((double)pairs * piece / took) / GRAIN + 1) * GRAIN;
    for (int i = 0; i < PIECES; i++) {
        double begin = now(rows[row].threads);
        sink += fn(a, size, pairs);
        ns[i] = (now(rows[row].threads) - begin) / (double)pairs;
    }
    pairs_cross_stop();
    qsort(ns, PIECES, sizeof ns[0], ascending);
    return (ns[PIECES / 2 - 1] + ns[PIECES / 2]) / 2;
}

int main(int argc, char **argv)
{
    if (argc == 2 && !strcmp(argv[1], "who")) {
        a_who();
        return 0;
    }
    pairs_tables();
    a_state *a = a_open(0);
    a_groups_ready();
#if BENCH_ZSLAB
    pairs_second = a_open(0);
#endif
    for (size_t i = 0; argc == 4 && i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(argv[1], rows[i].name)) continue;
        printf("ns %.4f\n", measure(a, i, !strcmp(argv[3], "var"), atof(argv[2])));
        return 0;
    }
    fprintf(stderr, "usage: %s row milliseconds const|var; rows:", argv[0]);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) fprintf(stderr, " %s", rows[i].name);
    fputs("\n", stderr);
    return 2;
}
