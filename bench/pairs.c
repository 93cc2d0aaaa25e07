/* One figure of bench_pairs.
     pairs_<form> <row> <milliseconds> <const|var>   prints ns per allocate+free pair
     pairs_<form> tails <million pairs>     prints p50 p99 p99.9 p99.99 of allocate and of free
     pairs_<form> --who                              prints which allocator answers and its version
   The form is how it was built:
     PAIRS_LIBC        plain malloc and free, whoever provides them (LD_PRELOAD decides)
     PAIRS_BUMP        a pointer that moves up: the floor
     else zslab.h      with ZSLAB_STATIC, with ZSLAB_INLINE, or called: the flags of the build say
   Rows of one thread are timed in processor time of that thread, so that a busy machine disturbs them less;
   rows of two threads in wall time. A figure is the median of eight equal pieces after a warm-up. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>
#include <time.h>
#include <stdint.h>
#include <stdlib.h>
#if PAIRS_LIBC
#include <gnu/libc-version.h>
typedef struct a_state a_state;
#define A_MALLOC(a, n) ((void)(a), malloc(n))
#define A_FREE(a, p)   ((void)(a), free(p))
/* mimalloc drops a heap, jemalloc resets an arena; others free one by one. Asked for by name at the start. */
typedef struct a_group {
    void *heap;
    int flags;
    size_t count;
    void *object[100000];
} a_group;
static struct {
    void *(*mi_heap_new)(void), *(*mi_heap_malloc)(void *heap, size_t n), (*mi_heap_destroy)(void *heap);
    void *(*mallocx)(size_t n, int flags);
    int (*mallctl)(const char *name, void *old, size_t *old_bytes, void *new_value, size_t new_bytes);
    char arena_reset[40];
    int arena_flags;
} peer;
#define A_GROUP_ONE_BY_ONE(g) (!peer.mi_heap_new && !peer.mallocx)
static void group_open(a_group *g)
{
    if (peer.mi_heap_new) g->heap = peer.mi_heap_new();
}
static inline void *group_malloc(a_group *g, size_t n)
{
    if (peer.mi_heap_new) return peer.mi_heap_malloc(g->heap, n);
    return peer.mallocx ? peer.mallocx(n, peer.arena_flags) : malloc(n);
}
static void free_each(a_group *g)
{
    for (size_t i = 0; i < g->count; i++) free(g->object[i]);
}
static void group_close(a_group *g)
{
    if (peer.mi_heap_new)
        peer.mi_heap_destroy(g->heap);
    else if (peer.mallocx)
        peer.mallctl(peer.arena_reset, NULL, NULL, NULL, 0);
    else
        free_each(g);
}
#define A_GROUP_OPEN(a, g)      ((void)(a), group_open(g))
#define A_GROUP_MALLOC(a, g, n) ((void)(a), group_malloc(g, n))
#define A_GROUP_CLOSE(a, g)     ((void)(a), group_close(g))
#define A_SCOPE_ONE_BY_ONE(g)   1
#define A_SCOPE_OPEN(a, g)      ((void)(a), (void)(g))
#define A_SCOPE_MALLOC(a, g, n) ((void)(a), (void)(g), malloc(n))
#define A_SCOPE_CLOSE(a, g)     ((void)(a), free_each(g))
#elif PAIRS_BUMP
/* The floor: a pointer that moves up, and starts again when the group is dropped. */
typedef struct a_state {
    char *next, *base;
} a_state;
typedef struct a_group {
    size_t count;
    void *object[1];
} a_group;
static inline void *bump(a_state *a, size_t n)
{
    char *p = a->next;
    a->next += (n + 15) & ~(size_t)15;
    if (a->next > a->base + (64 << 20)) p = a->base, a->next = p + ((n + 15) & ~(size_t)15);
    return p;
}
#define A_MALLOC(a, n)          bump(a, n)
#define A_FREE(a, p)            ((void)(a), (void)(p))
#define A_GROUP_ONE_BY_ONE(g)   0
#define A_GROUP_OPEN(a, g)      ((a)->next = (a)->base)
#define A_GROUP_MALLOC(a, g, n) bump(a, n)
#define A_GROUP_CLOSE(a, g)     ((void)(a), (void)(g))
#define A_SCOPE_ONE_BY_ONE(g)   0
#define A_SCOPE_OPEN(a, g)      A_GROUP_OPEN(a, g)
#define A_SCOPE_MALLOC(a, g, n) bump(a, n)
#define A_SCOPE_CLOSE(a, g)     A_GROUP_CLOSE(a, g)
#else
#include "zslab.h"
typedef zslab a_state;
typedef struct a_group {
    zslab_epoch epoch;
    zslab_domain *domain;
    size_t count;
    void *object[1];
} a_group;
#define A_MALLOC(a, n)          zslab_malloc(a, n)
#define A_FREE(a, p)            (void)zslab_free(a, p)
#define A_GROUP_ONE_BY_ONE(g)   0
#define A_GROUP_OPEN(a, g)      ((g)->epoch = zslab_epoch_open(a, NULL))
#define A_GROUP_MALLOC(a, g, n) zslab_malloc_epoch(a, n, (g)->epoch)
#define A_GROUP_CLOSE(a, g)     (void)zslab_epoch_release(a, (g)->epoch)
#define A_SCOPE_ONE_BY_ONE(g)   0
#define A_SCOPE_MALLOC(a, g, n) zslab_malloc(a, n)
#define A_SCOPE_OPEN(a, g)      scope_open(a, g)
#define A_SCOPE_CLOSE(a, g)     scope_close(a, g)
#define PAIRS_ZSLAB             1
static inline void scope_open(zslab *z, a_group *g)
{
    g->domain = zslab_domain_create(z);
    if (zslab_domain_enter(g->domain) != ZSLAB_OK) exit(1);
}
static inline void scope_close(zslab *z, a_group *g)
{
    (void)z;
    (void)zslab_domain_exit(g->domain); /* the last exit releases the epoch */
    (void)zslab_domain_destroy(g->domain);
}
#endif
#include "bench/pairs.h"

#if PAIRS_ZSLAB
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
INSTANCES(row_epoch)
INSTANCES(row_request)
#if PAIRS_ZSLAB
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
#if PAIRS_ZSLAB
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

/* ---- tails: row mixed, each call timed, the timer's own time subtracted ---- */

static uint32_t tail_allocate[1 << 20],
    tail_free[1 << 20]; /* calls by ticks; the last place holds all longer ones */

static inline uint64_t ticks_begin(void)
{
#if defined(__x86_64__)
    uint64_t t;
    __asm__ volatile("lfence\n\trdtsc\n\tshl $32, %%rdx\n\tor %%rdx, %0\n\tlfence"
                     : "=a"(t)
                     :
                     : "rdx", "memory");
    return t;
#else
    return (uint64_t)now(2);
#endif
}

static inline uint64_t ticks_end(void)
{
#if defined(__x86_64__)
    uint64_t t;
    __asm__ volatile("rdtscp\n\tshl $32, %%rdx\n\tor %%rdx, %0\n\tlfence"
                     : "=a"(t)
                     :
                     : "rcx", "rdx", "memory");
    return t;
#else
    return (uint64_t)now(2);
#endif
}

static void tail_note(uint32_t *table, uint64_t ticks, uint64_t own)
{
    uint64_t t = ticks > own ? ticks - own : 0;
    table[t < (1 << 20) - 1 ? t : (1 << 20) - 1]++;
}

static double tail_quantile(const uint32_t *table, double total, double q)
{
    double sum = 0;
    size_t t = 0;
    while (t < (1 << 20) - 1 && (sum += table[t]) <= total * q) t++;
    return (double)t;
}

static void tails(a_state *a, double millions)
{
    static const double q[] = {0.5, 0.99, 0.999, 0.9999};
    size_t pairs = (size_t)(millions * 1e6);
    uint64_t own = ~(uint64_t)0;
    pairs_fill(a, 0, 1, 10000);
    sink += row_mixed_const(a, 0, 1000000); /* warm */
    double begin = now(2);
    uint64_t first = ticks_begin();
    for (int i = 0; i < 100000; i++) {
        uint64_t t = ticks_begin(), u = ticks_end();
        if (u - t < own) own = u - t;
    }
    for (size_t i = 0; i < pairs; i++) {
        uint32_t at = pairs_random(10000);
        void *p = pairs_live[at];
        uint64_t t = ticks_begin();
        A_FREE(a, p);
        uint64_t u = ticks_end();
        tail_note(tail_free, u - t, own);
        size_t size = pairs_sizes[i % SIZE_COUNT];
        t = ticks_begin();
        p = A_MALLOC(a, size);
        PIN(p);
        u = ticks_end();
        tail_note(tail_allocate, u - t, own);
        if (!p) pairs_out_of_memory();
        *(uint64_t *)p = i;
        pairs_live[at] = p;
    }
    double ns = (now(2) - begin) / (double)(ticks_end() - first);
    for (int i = 0; i < 8; i++) {
        printf("%.1f ", tail_quantile(i < 4 ? tail_allocate : tail_free, (double)pairs, q[i % 4]) * ns);
    }
    puts("");
}

#if PAIRS_LIBC
static void find(const char *name, void *function) /* writes a function pointer, NULL when there is none */
{
    void *f = dlsym(RTLD_DEFAULT, name);
    memcpy(function, &f, sizeof f);
}

static void find_peer(void)
{
    unsigned arena = 0;
    size_t bytes = sizeof arena;
    find("mi_heap_new", &peer.mi_heap_new);
    find("mi_heap_malloc", &peer.mi_heap_malloc);
    find("mi_heap_destroy", &peer.mi_heap_destroy);
    find("mallocx", &peer.mallocx);
    find("mallctl", &peer.mallctl);
    if (!peer.mallocx || !peer.mallctl || peer.mallctl("arenas.create", &arena, &bytes, NULL, 0)) {
        peer.mallocx = NULL;
        return;
    }
    snprintf(peer.arena_reset, sizeof peer.arena_reset, "arena.%u.reset", arena);
    peer.arena_flags = (int)((arena + 1) << 20 | 1 << 8); /* MALLOCX_ARENA(arena) | MALLOCX_TCACHE_NONE */
}

static void version_of(const char *file, char *text, size_t cap)
{
    int (*mi_version)(void);
    const char *(*tc_version)(int *, int *, const char **);
    find("mi_version", &mi_version);
    find("tc_version", &tc_version);
    text[0] = 0;
    if (mi_version) {
        int v = mi_version();
        if (v < 1000)
            snprintf(text, cap, "%d.%d.%d", v / 100, v / 10 % 10, v % 10);
        else
            snprintf(text, cap, "%d.%d.%d", v / 10000, v / 100 % 100, v % 100);
    } else if (peer.mallctl) {
        const char *said = "";
        size_t bytes = sizeof said;
        peer.mallctl("version", &said, &bytes, NULL, 0);
        size_t digits = strncmp(said, "0.0.0", 5) ? strcspn(said, "-") : 0; /* 0.0.0: built without one */
        snprintf(text, cap, "%.*s", (int)digits, said);
    } else if (tc_version) {
        int major = 0, minor = 0;
        const char *patch = "";
        tc_version(&major, &minor, &patch);
        snprintf(text, cap, "%d.%d%s", major, minor, patch);
    } else if (strstr(file, "/libc.so") || strstr(file, "/libc-")) {
        snprintf(text, cap, "%s", gnu_get_libc_version());
    }
}
#endif

/* Which file provides malloc, and the version if it says. */
static void who(void)
{
#if PAIRS_LIBC
    void *(*entry)(size_t) = malloc;
    void *address;
    char version[64];
    Dl_info info;
    memcpy(&address, &entry, sizeof address);
    const char *file = dladdr(address, &info) && info.dli_fname ? info.dli_fname : "?";
    version_of(file, version, sizeof version);
    printf("%s %s\n", file, version);
#elif PAIRS_BUMP
    puts("bump floor");
#else
    printf("zslab %d.%d.%d\n", ZSLAB_VERSION_MAJOR, ZSLAB_VERSION_MINOR, ZSLAB_VERSION_PATCH);
#endif
}

int main(int argc, char **argv)
{
#if PAIRS_LIBC
    find_peer();
#endif
    if (argc == 2 && !strcmp(argv[1], "--who")) {
        who();
        return 0;
    }
    pairs_tables();
#if PAIRS_LIBC
    a_state *a = NULL;
#elif PAIRS_BUMP
    a_state floor, *a = &floor;
    if (!(floor.base = floor.next = malloc(64 << 20))) return 1;
#else
    a_state *a = zslab_create(NULL);
    if (!a || !(pairs_second = zslab_create(NULL))) {
        fprintf(stderr, "zslab_create: %s\n", zslab_result_name(zslab_last_error()));
        return 1;
    }
#endif
    if (argc == 3 && !strcmp(argv[1], "tails")) {
        tails(a, atof(argv[2]));
        return 0;
    }
    for (size_t i = 0; argc == 4 && i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(argv[1], rows[i].name)) continue;
        printf("%.4f\n", measure(a, i, !strcmp(argv[3], "var"), atof(argv[2])));
        return 0;
    }
    fprintf(stderr, "usage: %s row milliseconds const|var; rows:", argv[0]);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) fprintf(stderr, " %s", rows[i].name);
    fputs("\n", stderr);
    return 2;
}
