/* What the tests of zslab_zns.h share: checks that count, objects that know what they are, scratch files. */
#ifndef TEST_ZNS_H
#define TEST_ZNS_H

#define ZSLAB_IMPLEMENTATION
#include "zslab.h"
#define ZSLAB_ZNS_IMPLEMENTATION
#include "zslab_zns.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef TEST_EMULATED /* 1: all is slower */
#define TEST_EMULATED 0
#endif

static int passed, failed;

#define EXPECT(x)                                                                                                      \
    do {                                                                                                               \
        if (x) {                                                                                                       \
            passed++;                                                                                                  \
        } else {                                                                                                       \
            failed++;                                                                                                  \
            printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #x);                                                     \
        }                                                                                                              \
    } while (0)

#define EXPECT_IS(call, want)                                                                                          \
    do {                                                                                                               \
        zslab_result got_ = (call), want_ = (want);                                                                    \
        if (got_ == want_) {                                                                                           \
            passed++;                                                                                                  \
        } else {                                                                                                       \
            failed++;                                                                                                  \
            printf("%s:%d: %s is %s, not %s\n", __FILE__, __LINE__, #call, zslab_result_name(got_),                    \
                   zslab_result_name(want_));                                                                          \
        }                                                                                                              \
    } while (0)

/* The last line a runner reads; the exit status. */
static int test_summary(const char *name)
{
    printf("%s: %d passed, %d failed\n", name, passed, failed);
    return failed != 0;
}

/* A scratch file: in memory where the system has such a place, else in /tmp. */
static const char *test_path(const char *name)
{
    static char path[4][256];
    static int turn;
    char *p = path[turn = (turn + 1) % 4];
    FILE *f;
    snprintf(p, sizeof path[0], "/dev/shm/zns-%s-%d.img", name, (int)getpid());
    f = fopen(p, "ab");
    if (!f)
        snprintf(p, sizeof path[0], "/tmp/zns-%s-%d.img", name, (int)getpid());
    else
        fclose(f);
    remove(p);
    return p;
}

/* An object of `bytes` bytes that begins with `number` (when it has 8 bytes) and continues by it; the first 33 words
   again and again, which no block size is a multiple of. */
static void object_fill(unsigned char *p, size_t bytes, uint64_t number)
{
    uint64_t state = number * UINT64_C(0x9e3779b97f4a7c15) + bytes, word = number;
    size_t i, part;
    for (i = 0; i < bytes && i < 33 * 8; i += 8) {
        part = bytes - i < 8 ? bytes - i : 8;
        memcpy(p + i, &word, part);
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        word = state;
    }
    for (; i < bytes; i += part) { /* twice as much each time */
        part = bytes - i < i ? bytes - i : i;
        memcpy(p + i, p, part);
    }
}

static int object_is(const unsigned char *p, size_t bytes, uint64_t number)
{
    unsigned char *want = (unsigned char *)malloc(bytes);
    int same;
    object_fill(want, bytes, number);
    same = memcmp(p, want, bytes) == 0;
    free(want);
    return same;
}

/* Appends object `number`. */
static inline zslab_result object_put(zslab_zns *s, zslab_zns_epoch e, uint64_t number, size_t bytes, zslab_handle *h)
{
    unsigned char *p = (unsigned char *)malloc(bytes);
    zslab_result r;
    object_fill(p, bytes, number);
    r = zslab_zns_append(s, e, p, bytes, h);
    free(p);
    return r;
}

/* Reads it back; ZSLAB_E_FOREIGN when the bytes are another object's. */
static inline zslab_result object_get(zslab_zns *s, zslab_handle h, uint64_t number, size_t bytes)
{
    unsigned char *p = (unsigned char *)malloc(bytes + 1);
    size_t got = 0;
    zslab_result r = zslab_zns_read(s, h, p, bytes, &got);
    if (r == ZSLAB_E_INVALID && got) r = ZSLAB_E_FOREIGN; /* another size */
    if (r == ZSLAB_OK && (got != bytes || !object_is(p, bytes, number))) r = ZSLAB_E_FOREIGN;
    free(p);
    return r;
}

/* Opens a store whose process was killed: with io_uring the kernel lets go of the file a moment later. */
static inline zslab_zns *open_after_kill(const char *path)
{
    zslab_zns *s = NULL;
    int tries;
    for (tries = 0; tries < 100000 && !s; tries++) {
        s = zslab_zns_open_file(path, NULL, NULL);
        if (!s && zslab_last_error() != ZSLAB_E_BUSY) break;
        if (!s) zs__zns_nap(1000); /* 50 us or more */
    }
    if (!s) printf("%s: %s\n", path, zslab_result_name(zslab_last_error()));
    return s;
}

/* The file as it is now. */
static inline void copy_file(const char *from, const char *to)
{
    static unsigned char block[1 << 20];
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    size_t n;
    while (in && out && (n = fread(block, 1, sizeof block, in)) > 0) fwrite(block, 1, n, out);
    EXPECT(in && out);
    if (in) fclose(in);
    if (out) fclose(out);
}

static inline double seconds_argument(int argc, char **argv, double otherwise)
{
    return argc > 1 ? atof(argv[1]) : otherwise;
}

static inline double now_seconds(void) { return (double)zs__os_now_ns() / 1e9; }

#endif
