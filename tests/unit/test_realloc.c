/* realloc in every mode: contents kept, in place within a class, in the object's own epoch, untouched when refused. */
#include "tests/lib/test.h"

/* From every class to every class, up and down: the bytes both have are the same. */
static void every_class_to_every_class(zslab *z)
{
    size_t from, to, a, b;
    for (from = 0; (a = zslab_size_class_bytes(z, from)) != 0; from++)
        for (to = 0; (b = zslab_size_class_bytes(z, to)) != 0; to++) {
            unsigned char *p = (unsigned char *)zslab_malloc(z, a), *q;
            size_t i, both = a < b ? a : b;
            MUST(p);
            for (i = 0; i < a; i++) p[i] = (unsigned char)(i * 7 + from);
            MUST(q = (unsigned char *)zslab_realloc(z, p, b));
            CHECK((q == p) == (from == to) && zslab_usable_size(z, q) == b);
            CHECK(q == p || zslab_usable_size(z, p) == 0);
            for (i = 0; i < both && q[i] == (unsigned char)(i * 7 + from); i++)
                ;
            CHECK(i == both);
            CHECK_IS(zslab_free(z, q), ZSLAB_OK);
        }
    CHECK(test_live(z) == 0);
}

static void same_class_stays_in_place(zslab *z)
{
    size_t size;
    void *p = zslab_malloc(z, 81);
    MUST(p);
    for (size = 81; size <= 96; size++) CHECK(zslab_realloc(z, p, size) == p);
    CHECK_IS(zslab_free(z, p), ZSLAB_OK);
}

static void null_allocates(zslab *z)
{
    void *p = zslab_realloc(z, NULL, 100);
    CHECK(p && zslab_usable_size(z, p) == 112);
    CHECK_IS(zslab_free(z, p), ZSLAB_OK);
    CHECK_FAILS(zslab_realloc(z, NULL, 0), ZSLAB_E_INVALID);
    CHECK_FAILS(zslab_realloc(z, NULL, SIZE_MAX), ZSLAB_E_TOO_BIG);
}

/* Size 0, too big, a wrong pointer: NULL with the reason, and the object is what it was. */
static void refused_leaves_it_alone(zslab *z)
{
    char *p = (char *)zslab_malloc(z, 128), *q = (char *)zslab_malloc(z, 128), here;
    MUST(p && q);
    test_fill(p, 128, 1);
    CHECK_FAILS(zslab_realloc(z, p, 0), ZSLAB_E_INVALID);
    CHECK_FAILS(zslab_realloc(z, p, SIZE_MAX), ZSLAB_E_TOO_BIG);
    CHECK_FAILS(zslab_realloc(z, p, z->range_bytes / 2 + 1), ZSLAB_E_TOO_BIG);
    CHECK_FAILS(zslab_realloc(z, p + 8, 300), ZSLAB_E_MISALIGNED);
    CHECK_FAILS(zslab_realloc(z, &here, 300), ZSLAB_E_FOREIGN);
    CHECK_IS(zslab_free(z, q), ZSLAB_OK);
    CHECK_FAILS(zslab_realloc(z, q, 300), ZSLAB_E_DOUBLE_FREE);
    CHECK_FAILS(zslab_realloc(z, q, 128), ZSLAB_E_DOUBLE_FREE);
    CHECK(test_filled(p, 128, 1) && zslab_usable_size(z, p) == 128);
    CHECK(test_live(z) == 1);
    CHECK_IS(zslab_free(z, p), ZSLAB_OK);
}

/* An object stays in its epoch; when that is closing it may stay in place but not move. */
static void stays_in_its_epoch(zslab *z)
{
    zslab_epoch e = zslab_epoch_open(z, "own");
    char *p, *q;
    MUST(e);
    MUST((p = (char *)zslab_malloc_epoch(z, 40, e)) != NULL);
    MUST((q = (char *)zslab_realloc(z, p, 400)) != NULL);
    CHECK(zslab_epoch_of(z, q) == e && e != zslab_epoch_current(z));
    test_fill(q, 400, 2);
    CHECK_IS(zslab_epoch_close(z, e), ZSLAB_OK);
    CHECK(zslab_realloc(z, q, 390) == q);
    CHECK_FAILS(zslab_realloc(z, q, 4000), ZSLAB_E_CLOSED);
    CHECK_FAILS(zslab_realloc(z, q, 40), ZSLAB_E_CLOSED);
    CHECK(test_filled(q, 400, 2) && zslab_epoch_of(z, q) == e);
    CHECK_IS(zslab_free(z, q), ZSLAB_OK);
    CHECK(!zslab_realloc(z, q, 4000));
    CHECK(zslab_last_error() == ZSLAB_E_DOUBLE_FREE || zslab_last_error() == ZSLAB_E_STALE); /* closed by now or not */
}

/* No room for the larger copy: NULL, nothing lost. */
static void no_room(const test_mode *m)
{
    static void *p[1 << 12];
    zslab_config c = {0};
    zslab *z;
    size_t n = 0, i, bytes;
    c.limit_bytes = 4 * ZS__CHUNK_BYTES;
    z = test_open(m, &c);
    bytes = ZS__CHUNK_BYTES / 64 < 512 ? ZS__CHUNK_BYTES / 64 : 512;
    while (n < sizeof p / sizeof *p && (p[n] = zslab_malloc(z, bytes)) != NULL) test_fill(p[n], bytes, n), n++;
    if (n < sizeof p / sizeof *p) {
        CHECK(zslab_last_error() == ZSLAB_E_LIMIT);
        for (i = 0; i < n; i += 7) CHECK_FAILS(zslab_realloc(z, p[i], 2 * bytes), ZSLAB_E_LIMIT);
    }
    CHECK(test_live(z) == n && n >= 64);
    for (i = 0; i < n; i++) {
        CHECK(test_filled(p[i], bytes, i));
        CHECK_IS(zslab_free(z, p[i]), ZSLAB_OK);
    }
    test_destroy(z);
}

/* ---- with a fallback ---- */
static size_t fallback_live;
static void *fallback_alloc(void *user, size_t size, size_t alignment)
{
    char *block = (char *)malloc(size + 128), *p = (char *)(((uintptr_t)block + 127) & ~(uintptr_t)63);
    (void)user;
    if (!block || alignment > 64) return NULL;
    memcpy(p - 16, &size, sizeof size);
    memcpy(p - 32, &block, sizeof block);
    fallback_live++;
    return p;
}
static void fallback_free(void *user, void *p)
{
    (void)user;
    char *block;
    fallback_live--;
    memcpy(&block, (char *)p - 32, sizeof block);
    free(block);
}
static size_t fallback_usable(void *user, const void *p)
{
    (void)user;
    size_t size;
    memcpy(&size, (const char *)p - 16, sizeof size);
    return size;
}

/* In, out and within the fallback; without usable_size nobody knows how much to copy. */
static void through_the_fallback(const test_mode *m, int knows_sizes)
{
    zslab_config c = {0};
    unsigned char *p, *q;
    zslab *z;
    size_t i;
    c.fallback.alloc = fallback_alloc;
    c.fallback.free = fallback_free;
    c.fallback.usable_size = knows_sizes ? fallback_usable : NULL;
    c.large_bytes_max = ZSLAB_LARGE_NONE;
    z = test_open(m, &c);
    MUST((p = (unsigned char *)zslab_malloc(z, 1000)) != NULL);
    for (i = 0; i < 1000; i++) p[i] = (unsigned char)i;
    CHECK_FAILS(zslab_realloc(z, p, 100000), ZSLAB_E_TOO_BIG); /* it stays in its epoch */
    MUST((q = (unsigned char *)zslab_malloc(z, 100000)) != NULL);
    memcpy(q, p, 1000);
    CHECK_IS(zslab_free(z, p), ZSLAB_OK);
    CHECK(fallback_live == 1 && zslab_usable_size(z, p) == 0);
    for (i = 0; i < 1000 && q[i] == (unsigned char)i; i++)
        ;
    CHECK(i == 1000);
    CHECK_FAILS(zslab_realloc(z, q, 0), ZSLAB_E_INVALID);
    if (knows_sizes) {
        MUST((q = (unsigned char *)zslab_realloc(z, q, 200000)) != NULL);
        CHECK(fallback_live == 1 && zslab_usable_size(z, q) == 200000);
        MUST((q = (unsigned char *)zslab_realloc(z, q, 500)) != NULL);
        for (i = 0; i < 500 && q[i] == (unsigned char)i; i++)
            ;
        CHECK(i == 500 && fallback_live == 0 && zslab_usable_size(z, q) == 512);
    } else {
        CHECK_FAILS(zslab_realloc(z, q, 200000), ZSLAB_E_INVALID);
        CHECK(fallback_live == 1);
    }
    CHECK_IS(zslab_free(z, q), ZSLAB_OK);
    CHECK(fallback_live == 0 && test_live(z) == 0);
    test_destroy(z);
}

int main(void)
{
    TEST_EACH_MODE(m)
    {
        zslab *z = test_open(m, NULL);
        every_class_to_every_class(z);
        same_class_stays_in_place(z);
        null_allocates(z);
        refused_leaves_it_alone(z);
        stays_in_its_epoch(z);
        test_destroy(z);
        no_room(m);
        through_the_fallback(m, 1);
        through_the_fallback(m, 0);
    }
    return test_summary("test_realloc");
}
