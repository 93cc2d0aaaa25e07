/* What the tests of zslab.h share: the implementation, checks that count, a seeded random, the way out.
   Include it first. A test file's main calls its tests and returns test_summary("name"). */
#ifndef TEST_H
#define TEST_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#define ZS__LOCK_ORDER 1
#define ZSLAB_IMPLEMENTATION
#include "zslab.h"

#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Not everywhere: fork, signals from a timer. */
#if defined(_WIN32) || defined(__EMSCRIPTEN__)
#define TEST_UNIX 0
#else
#define TEST_UNIX 1
#endif
#if defined(__EMSCRIPTEN__)
#define TEST_WASM 1
#else
#define TEST_WASM 0
#endif
#ifndef TEST_EMULATED /* 1: all is slower, and the resident size has the emulator's own in it */
#define TEST_EMULATED 0
#endif
#if defined(__MINGW32__) && !defined(__clang__) /* with __USE_MINGW_ANSI_STDIO, which tests/ci/matrix.txt defines */
#define TEST_PRINTF gnu_printf
#else
#define TEST_PRINTF printf
#endif

static int test_passed, test_failed; /* counted with atomics: checks may stand in any thread */
static char test_where[96];          /* shown with a check that does not hold; set by the main thread alone */

/* test_at("mode %s, class %d", ...) -- where a loop over cases is; test_at("") ends it. */
__attribute__((format(TEST_PRINTF, 1, 2))) static inline void test_at(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(test_where, sizeof test_where, format, list);
    va_end(list);
}

static inline int test_count(int holds, const char *file, int line, const char *what, const char *got)
{
    if (holds) {
        __atomic_fetch_add(&test_passed, 1, __ATOMIC_RELAXED);
    } else if (__atomic_fetch_add(&test_failed, 1, __ATOMIC_RELAXED) < 20) {
        printf("%s:%d: not so: %s%s%s%s%s%s\n", file, line, what, got ? ": " : "", got ? got : "",
               *test_where ? " (" : "", test_where, *test_where ? ")" : "");
        fflush(stdout);
    }
    return holds;
}

/* test_limit_chunks(z, n) -- n chunks of objects, and what their metadata takes, are the limit from here on. */
static inline void test_limit_chunks(zslab *z, size_t chunks)
{
    zslab_global_stats s;
    zslab_stats_global(z, &s);
    zslab_set_limits(z, 0, (size_t)s.metadata_bytes + chunks * ZS__CHUNK_BYTES + ZS__CHUNK_BYTES / 2);
}

/* CHECK(x) -- x holds; the value says whether. */
#define CHECK(x) test_count(!!(x), __FILE__, __LINE__, #x, NULL)

/* CHECK_IS(call, code) -- call answers this zslab_result. */
#define CHECK_IS(call, code) test_result((call), (code), __FILE__, __LINE__, #call " is " #code)

/* CHECK_FAILS(call, code) -- call returns NULL or 0 and leaves this reason. */
#define CHECK_FAILS(call, code) test_fails(!(call), (code), __FILE__, __LINE__, #call " fails with " #code)

static inline int test_result(zslab_result got, zslab_result want, const char *file, int line, const char *what)
{
    char names[96];
    if (got == want) return test_count(1, file, line, what, NULL);
    snprintf(names, sizeof names, "%s, not %s", zslab_result_name(got), zslab_result_name(want));
    return test_count(0, file, line, what, names);
}

static inline int test_fails(int failed, zslab_result want, const char *file, int line, const char *what)
{
    zslab_result got = failed ? zslab_last_error() : ZSLAB_OK;
    return test_count(failed && got == want, file, line, what, zslab_result_name(got));
}

/* For what a test cannot go on without. */
#define MUST(x)                                                                                                        \
    do {                                                                                                               \
        if (!(x)) {                                                                                                    \
            printf("%s:%d: cannot go on without: %s (%s)\n", __FILE__, __LINE__, #x,                                   \
                   zslab_result_name(zslab_last_error()));                                                             \
            fflush(stdout);                                                                                            \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

/* The whole program cannot run here: the runner shows the reason. */
static inline int test_skip(const char *reason)
{
    printf("%s\n", reason);
    return 77;
}

/* The last line a runner reads; the exit status. */
static inline int test_summary(const char *name)
{
    printf("%s: %d passed, %d failed\n", name, test_passed, test_failed);
    return test_failed != 0 || test_passed == 0;
}

/* splitmix64: the state is the seed. */
static inline uint64_t test_random(uint64_t *state)
{
    uint64_t x = *state += 0x9E3779B97F4A7C15u;
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
    x = (x ^ x >> 27) * 0x94D049BB133111EBu;
    return x ^ x >> 31;
}

/* Aligned memory of the system's. */
static inline void *test_aligned_alloc(size_t alignment, size_t bytes)
{
#if defined(_WIN32)
    return _aligned_malloc(bytes, alignment);
#else
    return aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
#endif
}

static inline void test_aligned_free(void *p)
{
#if defined(_WIN32)
    _aligned_free(p);
#else
    free(p);
#endif
}

/* An allocator with these settings; zero in config means its default. */
static inline zslab *test_create(const zslab_config *config)
{
    zslab *z = zslab_create(config);
    MUST(z);
    return z;
}

/* Every allocator a test ends is checked first. */
static inline void test_destroy(zslab *z)
{
    CHECK_IS(zslab_check(z, NULL, NULL), ZSLAB_OK);
    zslab_destroy(z);
}

#if defined(__SANITIZE_THREAD__)
#define TEST_TSAN 1
#elif defined(__SANITIZE_ADDRESS__)
#define TEST_ASAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TEST_TSAN 1
#elif __has_feature(address_sanitizer)
#define TEST_ASAN 1
#elif __has_feature(memory_sanitizer)
#define TEST_MSAN 1
#endif
#endif
#ifndef TEST_TSAN
#define TEST_TSAN 0
#endif
#ifndef TEST_ASAN
#define TEST_ASAN 0
#endif
#ifndef TEST_MSAN
#define TEST_MSAN 0
#endif
#define TEST_SANITIZED (TEST_TSAN || TEST_ASAN || TEST_MSAN)
#ifndef TEST_COVERAGE
#define TEST_COVERAGE 0
#endif
#ifndef TEST_BRIEF /* 1: less of everything, for who runs it very often (mutate.py) */
#define TEST_BRIEF 0
#endif
/* Built so that it runs several times slower, or is to do less? */
#define TEST_SLOWED (TEST_SANITIZED || TEST_COVERAGE || TEST_EMULATED || TEST_BRIEF)

/* A forked child ends here, at once; coverage keeps what it ran. */
#if TEST_COVERAGE
void __gcov_dump(void);
#endif
static inline void test_leave(int status)
{
#if TEST_COVERAGE
    __gcov_dump();
#endif
    _Exit(status);
}

/* How much a test does: the first argument, else `usual`, a tenth of it where it is slow. */
static inline uint64_t test_amount(int argc, char **argv, uint64_t usual)
{
    return argc > 1 ? strtoull(argv[1], NULL, 0) : TEST_SLOWED ? usual / 10 : usual;
}

/* ---- kinds of allocator: what holds for one must hold for each ---- */
typedef struct test_mode {
    const char *name;
    uint32_t flags;
    zslab_reclaim reclaim;
    int in_buffer;
} test_mode;

static const test_mode test_modes[] = {
    {"default", 0, ZSLAB_RECLAIM_LATENCY, 0},
    {"rss", 0, ZSLAB_RECLAIM_RSS, 0},
    {"hardened", ZSLAB_FLAG_HARDENED, ZSLAB_RECLAIM_LATENCY, 0},
    {"buffer", 0, ZSLAB_RECLAIM_LATENCY, 1},
    {"shared", ZSLAB_FLAG_SHARED, ZSLAB_RECLAIM_LATENCY, 0},
    {"shared rss", ZSLAB_FLAG_SHARED, ZSLAB_RECLAIM_RSS, 0},
    {"shared hardened", ZSLAB_FLAG_SHARED | ZSLAB_FLAG_HARDENED, ZSLAB_RECLAIM_LATENCY, 0},
};
#define TEST_MODES (sizeof test_modes / sizeof *test_modes)

/* Every mode in turn; without thread-local storage the owned ones would only repeat the shared ones. */
static inline const test_mode *test_next_mode(const test_mode *m)
{
    for (m = m ? m + 1 : test_modes; m < test_modes + TEST_MODES; m++)
        if (!ZSLAB_NO_TLS || (m->flags & ZSLAB_FLAG_SHARED) || m->in_buffer) return m;
    return NULL;
}
#define TEST_EACH_MODE(m)                                                                                              \
    for (const test_mode *m = test_next_mode(NULL); m && (test_at("%s", m->name), 1); m = test_next_mode(m))

#ifndef TEST_BUFFER_BYTES /* 72 chunks: every class and some more, in the largest chunks too */
#define TEST_BUFFER_BYTES (((size_t)72 << ZSLAB_CHUNK_SHIFT) + ((size_t)16 << 20))
#endif

/* May a working set of hundreds of MiB be refused? */
static inline int test_tight(const test_mode *m) { return m->in_buffer || SIZE_MAX <= 0xffffffffu; }

/* An allocator of this mode; other fields of config as given, NULL: their defaults. */
static inline zslab *test_open(const test_mode *m, const zslab_config *config)
{
    static char *buffer;
    zslab_config c;
    memset(&c, 0, sizeof c);
    if (config) c = *config;
    c.flags |= m->flags;
    c.reclaim = m->reclaim;
    if (m->in_buffer) {
        if (!buffer) buffer = (char *)malloc(TEST_BUFFER_BYTES);
        c.memory = buffer;
        c.memory_bytes = TEST_BUFFER_BYTES;
    }
    return test_create(&c);
}

/* Is the allocator one of heaps that threads own? */
static inline int test_owned(const test_mode *m) { return !ZSLAB_NO_TLS && !(m->flags & ZSLAB_FLAG_SHARED); }

/* ---- objects that know what they are: a pattern made of address, size and seed, again every 32 bytes ---- */
static inline uint64_t test_pattern(const void *p, size_t bytes, uint64_t seed)
{
    return seed * 0x9E3779B97F4A7C15u ^ (uint64_t)(uintptr_t)p ^ bytes;
}

static inline void test_fill(void *p, size_t bytes, uint64_t seed)
{
    uint64_t x = test_pattern(p, bytes, seed);
    unsigned char *at = (unsigned char *)p;
    size_t i, n = bytes < 32 ? bytes : 32;
    for (i = 0; i + 8 <= n; i += 8, x += 0x0101010101010101u) memcpy(at + i, &x, 8);
    for (; i < n; i++, x >>= 8) at[i] = (unsigned char)x;
    for (; i < bytes; i += n) { /* twice as much each time */
        n = bytes - i < i ? bytes - i : i;
        memcpy(at + i, at, n);
    }
}

static inline int test_filled(const void *p, size_t bytes, uint64_t seed)
{
    uint64_t x = test_pattern(p, bytes, seed);
    const unsigned char *at = (const unsigned char *)p;
    size_t i, n = bytes < 32 ? bytes : 32;
    for (i = 0; i + 8 <= n; i += 8, x += 0x0101010101010101u)
        if (memcmp(at + i, &x, 8)) return 0;
    for (; i < n; i++, x >>= 8)
        if (at[i] != (unsigned char)x) return 0;
    return !memcmp(at, at + n, bytes - n);
}

/* Live objects as zslab_check sees them; (size_t)-1 when it finds damage. */
static inline int test_count_visit(void *user, const zslab_visit *object)
{
    (void)object;
    ++*(size_t *)user;
    return 0;
}
static inline size_t test_live(const zslab *z)
{
    size_t n = 0;
    return zslab_check(z, test_count_visit, &n) == ZSLAB_OK ? n : (size_t)-1;
}

/* ---- another thread that does one thing at a time, when told ---- */
typedef void test_job(void *arg);
typedef struct test_worker {
    pthread_t thread;
    pthread_mutex_t lock; /* guards the fields below */
    pthread_cond_t turn;
    test_job *job;
    void *arg;
    int stop;
} test_worker;

static inline void *test_worker_main(void *user)
{
    test_worker *w = (test_worker *)user;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        while (!w->job && !w->stop) pthread_cond_wait(&w->turn, &w->lock);
        if (!w->job) break;
        w->job(w->arg);
        w->job = NULL;
        pthread_cond_broadcast(&w->turn);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

static inline void test_worker_start(test_worker *w)
{
    memset(w, 0, sizeof *w);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->turn, NULL);
    MUST(pthread_create(&w->thread, NULL, test_worker_main, w) == 0);
}

static inline void test_worker_do(test_worker *w, test_job *job, void *arg) /* returns when it is done */
{
    pthread_mutex_lock(&w->lock);
    w->job = job;
    w->arg = arg;
    pthread_cond_broadcast(&w->turn);
    while (w->job) pthread_cond_wait(&w->turn, &w->lock);
    pthread_mutex_unlock(&w->lock);
}

static inline void test_worker_end(test_worker *w)
{
    pthread_mutex_lock(&w->lock);
    w->stop = 1;
    pthread_cond_broadcast(&w->turn);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->turn);
}

/* Keep the calling thread on the n-th processor it may use (modulo their number), so that two threads really meet. */
static inline void test_pin(int n)
{
#if defined(__linux__)
    cpu_set_t all, one;
    size_t cpu;
    if (sched_getaffinity(0, sizeof all, &all) || CPU_COUNT(&all) < 1) return;
    n %= CPU_COUNT(&all);
    for (cpu = 0; !CPU_ISSET(cpu, &all) || n-- > 0; cpu++)
        ;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    sched_setaffinity(0, sizeof one, &one);
#else
    (void)n;
#endif
}

/* In a thread of its own, from start to end. */
static inline void test_in_thread(void *(*body)(void *), void *arg)
{
    pthread_t thread;
    MUST(pthread_create(&thread, NULL, body, arg) == 0);
    pthread_join(thread, NULL);
}

#endif
