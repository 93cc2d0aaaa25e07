/* One figure of bench_pairs.
     pairs_<form> <row> <milliseconds> <const|var>   prints ns per allocate+free pair
     pairs_<form> --who                              prints which allocator answers and its version
   The form is how it was built:
     PAIRS_LIBC        plain malloc and free, whoever provides them (LD_PRELOAD decides)
     else zslab.h      with ZSLAB_STATIC, with ZSLAB_INLINE, or called: the flags of the build say
   Rows of one thread are timed in processor time of that thread, so that a busy machine disturbs them less;
   rows of two threads in wall time. A figure is the median of eight equal pieces after a warm-up. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>
#include <time.h>
#if PAIRS_LIBC
#include <gnu/libc-version.h>
#include <stdlib.h>
typedef struct a_state a_state;
#define A_MALLOC(a, n)  ((void)(a), malloc(n))
#define A_FREE(a, p)    ((void)(a), free(p))
#define A_THREAD_END(a) (void)(a)
#else
#include "zslab.h"
typedef zslab a_state;
#define A_MALLOC(a, n)  zslab_malloc(a, n)
#define A_FREE(a, p)    (void)zslab_free(a, p)
#define A_THREAD_END(a) (void)(a)
#endif
#include "bench/pairs.h"

#if !PAIRS_LIBC
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
#define INSTANCES(row)                                                                                       \
    static __attribute__((noinline)) uint64_t row##_const(a_state *a, size_t size, size_t pairs)             \
    {                                                                                                        \
        (void)size;                                                                                          \
        return row(a, 64, pairs);                                                                            \
    }                                                                                                        \
    static __attribute__((noinline)) uint64_t row##_var(a_state *a, size_t size, size_t pairs)               \
    {                                                                                                        \
        PIN(size);                                                                                           \
        return row(a, size, pairs);                                                                          \
    }
INSTANCES(row_hot)
INSTANCES(row_batch)
INSTANCES(row_lifo)
INSTANCES(row_random)
INSTANCES(row_churn10k)
INSTANCES(row_mixed)
INSTANCES(row_churn100k)
INSTANCES(row_cross)
#if !PAIRS_LIBC
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
#if !PAIRS_LIBC
    {"alternate", {row_alternate_const, row_alternate_var}, 0, 0, 1},
#endif
};

static double now(int threads)
{
    struct timespec t;
    clock_gettime(threads > 1 ? CLOCK_MONOTONIC : CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int ascending(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

static volatile uint64_t sink;

static double measure(a_state *a, size_t row, int variable, double ms)
{
    enum { PIECES = 8 };
    row_fn *fn = rows[row].fn[variable];
    size_t pairs = 4 * BATCH, size = opaque_size;
    double took = 0, ns[PIECES], piece = ms * 1e6 / PIECES;
    if (rows[row].live) pairs_fill(a, size, rows[row].mixed, rows[row].live);
    if (rows[row].threads > 1) pairs_cross_start(a);
    while (took < piece / 2) { /* warm-up, and how many pairs fit a piece */
        double begin = now(rows[row].threads);
        sink += fn(a, size, pairs);
        took = now(rows[row].threads) - begin;
        if (took < piece / 2) pairs *= 2;
    }
    pairs = ((size_t)((double)pairs * piece / took) / BATCH + 1) * BATCH;
    for (int i = 0; i < PIECES; i++) {
        double begin = now(rows[row].threads);
        sink += fn(a, size, pairs);
        ns[i] = (now(rows[row].threads) - begin) / (double)pairs;
    }
    pairs_cross_stop();
    qsort(ns, PIECES, sizeof ns[0], ascending);
    return (ns[PIECES / 2 - 1] + ns[PIECES / 2]) / 2;
}

/* Which file provides malloc, and the version if it says. */
static void who(void)
{
#if PAIRS_LIBC
    void *(*entry)(size_t) = malloc;
    void *address;
    memcpy(&address, &entry, sizeof address);
    Dl_info info;
    const char *file = dladdr(address, &info) && info.dli_fname ? info.dli_fname : "?";
    char version[64] = "";
    int (*mi)(void), (*je)(const char *, void *, size_t *, void *, size_t);
    const char *(*tc)(int *, int *, const char **);
    void *f;
    if ((f = dlsym(RTLD_DEFAULT, "mi_version"))) {
        memcpy(&mi, &f, sizeof mi);
        int v = mi();
        if (v < 1000)
            snprintf(version, sizeof version, "%d.%d.%d", v / 100, v / 10 % 10, v % 10);
        else
            snprintf(version, sizeof version, "%d.%d.%d", v / 10000, v / 100 % 100, v % 100);
    } else if ((f = dlsym(RTLD_DEFAULT, "mallctl"))) {
        const char *text = "";
        size_t n = sizeof text;
        memcpy(&je, &f, sizeof je);
        je("version", &text, &n, NULL, 0);
        size_t digits = strncmp(text, "0.0.0", 5) ? strcspn(text, "-") : 0; /* 0.0.0: built without one */
        snprintf(version, sizeof version, "%.*s", (int)digits, text);
    } else if ((f = dlsym(RTLD_DEFAULT, "tc_version"))) {
        int major = 0, minor = 0;
        const char *patch = "";
        memcpy(&tc, &f, sizeof tc);
        tc(&major, &minor, &patch);
        snprintf(version, sizeof version, "%d.%d%s", major, minor, patch);
    } else if (strstr(file, "/libc.so") || strstr(file, "/libc-")) {
        snprintf(version, sizeof version, "%s", gnu_get_libc_version());
    }
    printf("%s %s\n", file, version);
#else
    printf("zslab %d.%d.%d\n", ZSLAB_VERSION_MAJOR, ZSLAB_VERSION_MINOR, ZSLAB_VERSION_PATCH);
#endif
}

int main(int argc, char **argv)
{
    if (argc == 2 && !strcmp(argv[1], "--who")) {
        who();
        return 0;
    }
    for (size_t i = 0; argc == 4 && i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(argv[1], rows[i].name)) continue;
        pairs_tables();
#if PAIRS_LIBC
        a_state *a = NULL;
#else
        a_state *a = zslab_create(NULL);
        if (!a || !(pairs_second = zslab_create(NULL))) {
            fprintf(stderr, "zslab_create: %s\n", zslab_result_name(zslab_last_error()));
            return 1;
        }
#endif
        printf("%.4f\n", measure(a, i, !strcmp(argv[3], "var"), atof(argv[2])));
        return 0;
    }
    fprintf(stderr, "usage: %s row milliseconds const|var; rows:", argv[0]);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) fprintf(stderr, " %s", rows[i].name);
    fputs("\n", stderr);
    return 2;
}
