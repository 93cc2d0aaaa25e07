/* pool_check.h -- what the tests of pools and remotes share: a check that names its line, a seeded generator,
   shorthands. Include zslab.h with its implementation first. */
#ifndef POOL_CHECK_H
#define POOL_CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(x) ((x) ? (void)0 : check_failed(__FILE__, __LINE__, #x))
#define CHECK_EQ(a, b) check_equal(__FILE__, __LINE__, #a " == " #b, (unsigned long long)(a), (unsigned long long)(b))

static inline void check_failed(const char *file, int line, const char *what)
{
    printf("%s:%d: %s\n", file, line, what);
    fflush(stdout);
    exit(1);
}

static inline void check_equal(const char *file, int line, const char *what, unsigned long long a, unsigned long long b)
{
    if (a == b) return;
    printf("%s:%d: %s: %llu and %llu\n", file, line, what, a, b);
    fflush(stdout);
    exit(1);
}

static inline uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state * UINT64_C(0x2545f4914f6cdd1d) >> 16;
}

static inline zslab_pool_config pool_config(size_t slot_bytes, size_t slot_count)
{
    zslab_pool_config c;
    memset(&c, 0, sizeof c);
    c.slot_bytes = slot_bytes;
    c.slot_count = slot_count;
    return c;
}

static inline zslab_pool *pool_make(const zslab_pool_config *c)
{
    zslab_pool *p = zslab_pool_create(c);
    CHECK(p != NULL);
    return p;
}

static inline zslab_pool_stats pool_stats(const zslab_pool *p)
{
    zslab_pool_stats s;
    zslab_stats_pool(p, &s);
    return s;
}

/* Takes n slots; every one must come from the pool. */
static inline void pool_take(zslab_pool *p, void **out, size_t n)
{
    size_t i;
    for (i = 0; i < n; i++) {
        out[i] = zslab_pool_alloc(p);
        CHECK(zslab_pool_owns(p, out[i]));
    }
}

#endif
