/* Getting and giving objects, in every mode: sizes, alignment, contents, batches, reserve, trim, explicit heaps. */
#include "tests/lib/test.h"

#define MANY 3000

static size_t alignment_of_class(size_t bytes)
{
    size_t a = bytes & (~bytes + 1);
    return a < 8 ? 8 : a;
}

/* Every size up to the largest class: enough bytes, aligned as promised, written whole, given back. */
static void every_size(zslab *z)
{
    size_t most = zslab_size_class_bytes(z, zslab_size_class_of(z, 1024)), size;
    for (size = 1; size <= most; size++) {
        char *p = (char *)zslab_malloc(z, size);
        size_t cls = zslab_size_class_of(z, size), bytes = zslab_size_class_bytes(z, cls);
        MUST(p);
        CHECK((uintptr_t)p % alignment_of_class(bytes) == 0 && ((uintptr_t)p % 16 == 0 || size < 16));
        CHECK(zslab_usable_size(z, p) == bytes && bytes >= size && zslab_owns(z, p) == 1);
        CHECK(zslab_epoch_of(z, p) == zslab_epoch_current(z));
        memset(p, 0xa5, bytes);
        CHECK_IS(zslab_free(z, p), ZSLAB_OK);
        CHECK(zslab_usable_size(z, p) == 0);
    }
}

/* Many objects of every class at once are apart from each other, and each keeps its bytes. */
static void many_at_once(zslab *z)
{
    static void *p[40][64];
    size_t cls, i, bytes;
    for (cls = 0; (bytes = zslab_size_class_bytes(z, cls)) != 0; cls++)
        for (i = 0; i < 64 && i < ZS__CHUNK_BYTES / bytes; i++) {
            MUST(p[cls][i] = zslab_malloc(z, bytes));
            test_fill(p[cls][i], bytes, i);
        }
    for (cls = 0; (bytes = zslab_size_class_bytes(z, cls)) != 0; cls++)
        for (i = 0; i < 64 && i < ZS__CHUNK_BYTES / bytes; i++) {
            CHECK(test_filled(p[cls][i], bytes, i));
            CHECK_IS(zslab_free_sized(z, p[cls][i], bytes), ZSLAB_OK);
        }
    CHECK(test_live(z) == 0);
}

static int by_address(const void *a, const void *b)
{
    uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;
    return x < y ? -1 : x > y;
}

/* Freed in any order, slots are handed out again and never twice. */
static void slots_serve_again(zslab *z)
{
    static void *p[MANY];
    uint64_t seed = 1;
    int round;
    size_t i, n;
    for (round = 0; round < 4; round++) {
        for (i = 0; i < MANY; i++) MUST(p[i] = zslab_malloc(z, 40));
        qsort(p, MANY, sizeof *p, by_address);
        for (i = 1; i < MANY; i++) CHECK((char *)p[i] - (char *)p[i - 1] >= 48);
        for (i = MANY; i; i--) {
            n = (size_t)(test_random(&seed) % i);
            CHECK_IS(zslab_free(z, p[n]), ZSLAB_OK);
            p[n] = p[i - 1];
        }
        CHECK(test_live(z) == 0);
    }
}

static void calloc_is_zero(zslab *z)
{
    volatile size_t huge = SIZE_MAX, root = (size_t)1 << sizeof(size_t) * 4; /* volatile: gcc knows what overflows */
    size_t i, at;
    for (i = 0; i < 300; i++) { /* slots that were full of something else */
        unsigned char *p = (unsigned char *)zslab_malloc(z, 200), *q;
        MUST(p);
        memset(p, 0xff, 200);
        zslab_free(z, p);
        MUST(q = (unsigned char *)zslab_calloc(z, 25, 8));
        for (at = 0; at < 200 && !q[at]; at++)
            ;
        CHECK(at == 200);
        zslab_free(z, q);
    }
    CHECK_FAILS(zslab_calloc(z, 0, 8), ZSLAB_E_INVALID);
    CHECK_FAILS(zslab_calloc(z, 8, 0), ZSLAB_E_INVALID);
    CHECK_FAILS(zslab_calloc(z, huge / 2 + 2, 2), ZSLAB_E_TOO_BIG);
    CHECK_FAILS(zslab_calloc(z, huge, huge), ZSLAB_E_TOO_BIG);
    CHECK_FAILS(zslab_calloc(z, huge / root, root + 2), ZSLAB_E_TOO_BIG);
}

static void aligned(zslab *z)
{
    size_t alignment, size;
    for (alignment = 1; alignment <= 4096 && alignment <= ZS__CHUNK_BYTES; alignment *= 2)
        for (size = 1; size <= 600; size += 37) {
            void *p = zslab_aligned_alloc(z, alignment, size);
            MUST(p);
            CHECK((uintptr_t)p % alignment == 0 && zslab_usable_size(z, p) >= size);
            CHECK_IS(zslab_free(z, p), ZSLAB_OK);
        }
    CHECK_FAILS(zslab_aligned_alloc(z, 0, 8), ZSLAB_E_INVALID);
    CHECK_FAILS(zslab_aligned_alloc(z, 3, 8), ZSLAB_E_INVALID);
    CHECK_FAILS(zslab_aligned_alloc(z, 24, 8), ZSLAB_E_INVALID);
    CHECK_FAILS(zslab_aligned_alloc(z, SIZE_MAX, 8), ZSLAB_E_INVALID);
    CHECK_FAILS(zslab_aligned_alloc(z, 16, 0), ZSLAB_E_INVALID);
    CHECK_FAILS(zslab_aligned_alloc(z, (size_t)1 << 31, 8), ZSLAB_E_TOO_BIG);
    CHECK_FAILS(zslab_aligned_alloc(z, 16, SIZE_MAX), ZSLAB_E_TOO_BIG);
}

static void batches(zslab *z)
{
    static void *p[MANY];
    size_t i;
    CHECK(zslab_malloc_batch(z, 100, MANY, p) == MANY);
    for (i = 0; i < MANY; i++) test_fill(p[i], 100, i);
    for (i = 0; i < MANY; i++) CHECK(test_filled(p[i], 100, i));
    CHECK(zslab_free_batch(z, p, MANY) == MANY);
    CHECK(zslab_free_batch(z, p, 10) == 0);
    CHECK(zslab_malloc_batch(z, 100, 0, p) == 0 && zslab_free_batch(z, p, 0) == 0);
    CHECK_FAILS(zslab_malloc_batch(z, 0, 3, p), ZSLAB_E_INVALID);
    CHECK_FAILS(zslab_malloc_batch(z, SIZE_MAX, 3, p), ZSLAB_E_TOO_BIG);
    CHECK(zslab_malloc_batch(z, 8, 3, p) == 3);
    p[3] = NULL, p[4] = &i;
    CHECK(zslab_free_batch(z, p, 5) == 3);
    CHECK(test_live(z) == 0);
}

static void reserve_and_trim(zslab *z)
{
    static void *p[MANY];
    size_t i, before;
    CHECK_IS(zslab_reserve(z, 64, MANY), ZSLAB_OK);
    before = z->committed_bytes;
    for (i = 0; i < MANY; i++) MUST(p[i] = zslab_malloc(z, 64));
    CHECK(z->committed_bytes == before); /* what was reserved is what is used */
    CHECK(zslab_free_batch(z, p, MANY) == MANY);
    CHECK_IS(zslab_reserve(z, 0, 1), ZSLAB_E_INVALID);
    CHECK_IS(zslab_reserve(z, SIZE_MAX, 1), ZSLAB_E_TOO_BIG);
    CHECK_IS(zslab_reserve(z, 64, 0), ZSLAB_OK);
    before = z->committed_bytes; /* more than there can be: nothing is touched */
    CHECK_IS(zslab_reserve(z, 64, SIZE_MAX), ZSLAB_E_NOMEM);
    if (z->config.large_bytes_max >= 2 * ZS__CHUNK_BYTES)
        CHECK_IS(zslab_reserve(z, 2 * ZS__CHUNK_BYTES, z->chunk_count), ZSLAB_E_NOMEM);
    CHECK(z->committed_bytes == before);
    zslab_trim(z);
    CHECK(test_live(z) == 0);
    MUST(p[0] = zslab_malloc(z, 64));
    CHECK_IS(zslab_free(z, p[0]), ZSLAB_OK);
}

/* The memory of one class serves another once it is empty. [SLAB-3] */
static void chunks_change_class(const test_mode *m)
{
    static void *p[2000];
    zslab_config c = {0};
    zslab_global_stats s;
    zslab *z;
    size_t i, n, cls, bytes;
    int round;
    c.reserve_bytes = m->in_buffer ? 0 : 48 * ZS__CHUNK_BYTES;
    c.cache_bytes = ZSLAB_CACHE_NONE;
    z = test_open(m, &c);
    MUST((p[0] = zslab_malloc(z, 8)) != NULL); /* now there is a row */
    zslab_stats_global(z, &s);
    CHECK_IS(zslab_set_limits(z, 0, s.metadata_bytes + 40 * ZS__CHUNK_BYTES), ZSLAB_OK);
    CHECK_IS(zslab_free(z, p[0]), ZSLAB_OK);
    for (round = 0; round < 2; round++)
        for (cls = 0; (bytes = zslab_size_class_bytes(z, cls)) != 0; cls++) {
            for (n = 0; n < 2000 && n * bytes < 30 * ZS__CHUNK_BYTES; n++)
                if (!(p[n] = zslab_malloc(z, bytes))) break;
            CHECK(n == 2000 || n * bytes >= 20 * ZS__CHUNK_BYTES);
            for (i = 0; i < n; i++) CHECK_IS(zslab_free(z, p[i]), ZSLAB_OK);
            zslab_trim(z);
        }
    CHECK(z->committed_bytes <= c.limit_bytes);
    CHECK(test_live(z) == 0);
    test_destroy(z);
}

static void explicit_heaps(zslab *z)
{
    zslab_heap *a = zslab_heap_create(z), *b = zslab_heap_create(z);
    void *p[300];
    size_t i;
    MUST(a && b);
    for (i = 0; i < 300; i++) {
        MUST(p[i] = zslab_heap_malloc(i % 2 ? a : b, 8 + i));
        test_fill(p[i], 8 + i, i);
        CHECK(zslab_epoch_of(z, p[i]) == zslab_epoch_current(z));
    }
    for (i = 0; i < 300; i++) { /* by its own heap, the other one, the thread's */
        CHECK(test_filled(p[i], 8 + i, i));
        CHECK_IS(i % 3 == 0   ? zslab_heap_free(a, p[i])
                 : i % 3 == 1 ? zslab_heap_free(b, p[i])
                              : zslab_free(z, p[i]),
                 ZSLAB_OK);
        CHECK_IS(zslab_heap_free(a, p[i]), ZSLAB_E_DOUBLE_FREE);
    }
    CHECK_FAILS(zslab_heap_malloc(a, 0), ZSLAB_E_INVALID);
    CHECK_FAILS(zslab_heap_malloc(a, SIZE_MAX), ZSLAB_E_TOO_BIG);
    CHECK_FAILS(zslab_heap_malloc_epoch(a, 8, ZSLAB_EPOCH_NONE), ZSLAB_E_CLOSED);
    CHECK_FAILS(zslab_heap_malloc_epoch(a, 0, ZSLAB_EPOCH_NONE), ZSLAB_E_INVALID);
    CHECK_IS(zslab_heap_free(a, &i), ZSLAB_E_FOREIGN);
    CHECK_IS(zslab_heap_free(a, NULL), ZSLAB_OK);
    MUST(p[0] = zslab_heap_malloc(a, 64));
    zslab_heap_destroy(a);
    zslab_heap_destroy(NULL);
    CHECK_IS(zslab_free(z, p[0]), ZSLAB_OK); /* outlives its heap */
    zslab_heap_destroy(b);
    CHECK(test_live(z) == 0);
}

/* All that a thread can do, an explicit heap can: its objects, in its memory, while this thread is in a domain. */
static void explicit_heaps_whole(zslab *z)
{
    zslab_heap *h = zslab_heap_create(z);
    zslab_domain *d = zslab_domain_create(z);
    zslab_epoch current = zslab_epoch_current(z);
    zslab_global_stats before, after;
    void *p[300], *q;
    size_t i, n, bytes;
    MUST(h && d);
    CHECK_IS(zslab_domain_enter(d), ZSLAB_OK);
    for (bytes = 1; bytes < 300000; bytes = bytes * 5 + 3) {
        MUST((p[0] = zslab_heap_calloc(h, bytes, 3)) != NULL);
        CHECK(zslab_epoch_of(z, p[0]) == current && zslab_usable_size(z, p[0]) >= 3 * bytes);
        for (i = 0; i < 3 * bytes && !((char *)p[0])[i]; i++)
            ;
        CHECK(i == 3 * bytes);
        for (i = 0; i < 3 * bytes; i++) ((unsigned char *)p[0])[i] = (unsigned char)(i * 7);
        MUST((q = zslab_heap_realloc(h, p[0], 9 * bytes)) != NULL);
        for (i = 0; i < 3 * bytes && ((unsigned char *)q)[i] == (unsigned char)(i * 7); i++)
            ;
        CHECK(i == 3 * bytes && zslab_epoch_of(z, q) == current);
        MUST((q = zslab_heap_realloc(h, q, bytes)) != NULL);
        for (i = 0; i < bytes && ((unsigned char *)q)[i] == (unsigned char)(i * 7); i++)
            ;
        CHECK(i == bytes);
        CHECK_IS(zslab_heap_free(h, q), ZSLAB_OK);
        CHECK_FAILS(zslab_heap_realloc(h, q, bytes), ZSLAB_E_DOUBLE_FREE);
        MUST((q = zslab_heap_aligned_alloc(h, 256, bytes)) != NULL);
        CHECK(((uintptr_t)q & 255) == 0 && zslab_epoch_of(z, q) == current);
        CHECK_IS(zslab_heap_free(h, q), ZSLAB_OK);
    }
    MUST((q = zslab_heap_realloc(h, NULL, 40)) != NULL);
    CHECK_FAILS(zslab_heap_realloc(h, q, 0), ZSLAB_E_INVALID);
    CHECK_FAILS(zslab_heap_calloc(h, SIZE_MAX / 2, 3), ZSLAB_E_TOO_BIG);
    CHECK_FAILS(zslab_heap_aligned_alloc(h, 3, 8), ZSLAB_E_INVALID);
    CHECK(zslab_heap_malloc_batch(h, 72, 300, p) == 300);
    for (i = 0; i < 300; i++) CHECK(zslab_usable_size(z, p[i]) >= 72 && zslab_epoch_of(z, p[i]) == current);
    p[7] = NULL, p[9] = q, p[11] = q;
    CHECK(zslab_heap_free_batch(h, p, 300) == 298); /* all but the NULL and the second q */
    zslab_trim(z);
    n = 2 * ZS__CHUNK_BYTES / 4096 + 100;
    zslab_stats_global(z, &before);
    CHECK_IS(zslab_heap_reserve(h, 4096, n), ZSLAB_OK);
    zslab_stats_global(z, &after);
    CHECK(after.committed_bytes - after.cached_bytes > before.committed_bytes - before.cached_bytes);
    for (i = 0; i < n; i++) /* from what was set aside: nothing more is committed */
        MUST(zslab_heap_malloc(h, 4096));
    zslab_stats_global(z, &before);
    CHECK(after.committed_bytes == before.committed_bytes);
    CHECK_IS(zslab_heap_reserve(h, 0, 1), ZSLAB_E_INVALID);
    CHECK_IS(zslab_heap_reserve(h, SIZE_MAX, 1), ZSLAB_E_TOO_BIG);
    CHECK_IS(zslab_domain_exit(d), ZSLAB_OK);
    CHECK_IS(zslab_domain_destroy(d), ZSLAB_OK);
    zslab_heap_destroy(h);
    CHECK(test_live(z) == n + 3); /* and those that p[7], p[9] and p[11] named */
    zslab_epoch_reset(z, current);
}

/* NULL and nothing: answers, not crashes. */
static void nothing_at_all(zslab *z)
{
    CHECK_IS(zslab_free(z, NULL), ZSLAB_OK);
    CHECK_IS(zslab_free_sized(z, NULL, 8), ZSLAB_OK);
    CHECK_FAILS(zslab_malloc(z, 0), ZSLAB_E_INVALID);
    CHECK_FAILS(zslab_malloc(z, SIZE_MAX), ZSLAB_E_TOO_BIG);
    CHECK_FAILS(zslab_malloc(z, z->range_bytes / 2 + 1), ZSLAB_E_TOO_BIG);
    CHECK_FAILS(zslab_malloc_epoch(z, 8, ZSLAB_EPOCH_NONE), ZSLAB_E_CLOSED);
    CHECK_FAILS(zslab_malloc_epoch(z, 0, ZSLAB_EPOCH_NONE), ZSLAB_E_INVALID);
    CHECK_FAILS(zslab_malloc_epoch(z, 8, ~(zslab_epoch)0), ZSLAB_E_CLOSED);
    CHECK(zslab_usable_size(z, NULL) == 0 && zslab_owns(z, NULL) == 0);
    CHECK_FAILS(zslab_epoch_of(z, NULL), ZSLAB_E_FOREIGN);
    zslab_destroy(NULL);
}

static void results_have_names(void)
{
    int r, s;
    for (r = ZSLAB_OK; r <= ZSLAB_E_NO_SPACE; r++)
        for (s = ZSLAB_OK; s <= r; s++)
            CHECK((strcmp(zslab_result_name((zslab_result)r), zslab_result_name((zslab_result)s)) == 0) == (r == s));
    CHECK(strcmp(zslab_result_name((zslab_result)-1), zslab_result_name((zslab_result)1000)) == 0);
    CHECK(zslab_rss_bytes() > 0 || TEST_WASM);
}

int main(void)
{
    TEST_EACH_MODE(m)
    {
        zslab *z = test_open(m, NULL);
        every_size(z);
        many_at_once(z);
        slots_serve_again(z);
        calloc_is_zero(z);
        aligned(z);
        batches(z);
        reserve_and_trim(z);
        explicit_heaps(z);
        explicit_heaps_whole(z);
        nothing_at_all(z);
        test_destroy(z);
        chunks_change_class(m);
    }
    results_have_names();
    return test_summary("test_alloc");
}
