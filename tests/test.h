/* What the tests of zslab.h share: the implementation, checks that count, a seeded random, the way out.
   Include it first. A test file's main calls its tests and returns test_summary("name"). */
#ifndef TEST_H
#define TEST_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#define ZSLAB_IMPLEMENTATION
#include "zslab.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int test_passed, test_failed; /* counted with atomics: checks may stand in any thread */

static inline int test_count(int holds, const char *file, int line, const char *what, const char *got)
{
    if (holds) {
        __atomic_fetch_add(&test_passed, 1, __ATOMIC_RELAXED);
    } else if (__atomic_fetch_add(&test_failed, 1, __ATOMIC_RELAXED) < 20) {
        printf("%s:%d: not so: %s%s%s\n", file, line, what, got ? ", but " : "", got ? got : "");
    }
    return holds;
}

/* CHECK(x) -- x holds; the value says whether. */
#define CHECK(x) test_count(!!(x), __FILE__, __LINE__, #x, NULL)

/* CHECK_IS(call, code) -- call answers this zslab_result. */
#define CHECK_IS(call, code) test_result((call), (code), __FILE__, __LINE__, #call " is " #code)

/* CHECK_FAILS(call, code) -- call returns NULL or 0 and leaves this reason. */
#define CHECK_FAILS(call, code)                                                                          \
    (CHECK(!(call)) && test_result(zslab_last_error(), (code), __FILE__, __LINE__, #call " fails with " #code))

static inline int test_result(zslab_result got, zslab_result want, const char *file, int line, const char *what)
{
    return test_count(got == want, file, line, what, zslab_result_name(got));
}

/* For what a test cannot go on without. */
#define MUST(x)                                                                                          \
    do {                                                                                                 \
        if (!(x)) {                                                                                      \
            printf("%s:%d: cannot go on without: %s (%s)\n", __FILE__, __LINE__, #x,                     \
                   zslab_result_name(zslab_last_error()));                                               \
            fflush(stdout);                                                                              \
            exit(1);                                                                                     \
        }                                                                                                \
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

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define TEST_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define TEST_SANITIZED 1
#endif
#endif
#ifndef TEST_SANITIZED
#define TEST_SANITIZED 0
#endif

#endif
