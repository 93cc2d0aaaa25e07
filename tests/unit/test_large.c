/* Objects larger than every class: spans of chunks that belong to their epoch, exact about misuse, in every mode. */
/* timeout: 300 */
#include "tests/lib/test.h"
#if TEST_UNIX && !TEST_WASM
#include <sys/wait.h>
#include <unistd.h>
#endif

#define C ZS__CHUNK_BYTES

static size_t above(const zslab *z) /* the smallest size that is in no class */
{
    return zslab_size_class_bytes(z, zs__own_const(z)->class_count - 1) + 1;
}

static zslab_global_stats stats(const zslab *z)
{
    zslab_global_stats g;
    zslab_stats_global(z, &g);
    return g;
}

/* Sizes around each multiple of a chunk: whole pages usable, all of them; each wrong pointer has its own answer.
   [LARGE-5] */
static void sizes_and_wrong_frees(zslab *z)
{
    size_t sizes[] = {above(z), C - 1, C, C + 1, 2 * C, 3 * C - 1, 5 * C + 100}, i, bytes, at;
    for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char *p;
        if (sizes[i] < above(z)) continue;
        MUST((p = (char *)zslab_malloc(z, sizes[i])) != NULL);
        bytes = zslab_usable_size(z, p);
        CHECK(bytes >= sizes[i] && bytes - sizes[i] < (zs__own(z)->page_bytes < C ? zs__own(z)->page_bytes : C));
        CHECK(zslab_owns(z, p) && zslab_owns(z, p + bytes - 1) && zslab_epoch_of(z, p) == zslab_epoch_current(z));
        CHECK(zslab_size_class_of(z, sizes[i]) == ZSLAB_CLASS_LARGE);
        test_fill(p, bytes, i);
        for (at = 1; at < bytes; at += at < 64 ? 1 : C / 4 + 1) {
            CHECK_IS(zslab_free(z, p + at), ZSLAB_E_MISALIGNED);
            CHECK(zslab_usable_size(z, p + at) == 0);
        }
        if (bytes % C) CHECK_IS(zslab_free(z, p + bytes), ZSLAB_E_FOREIGN);
        CHECK_IS(zslab_free_sized(z, p, 8), ZSLAB_E_INVALID);
        CHECK_IS(zslab_free_sized(z, p, bytes + 1), ZSLAB_E_INVALID);
        CHECK_FAILS(zslab_realloc(z, p + 16, 2 * C), ZSLAB_E_MISALIGNED);
        CHECK_FAILS(zslab_handle_of(z, p), ZSLAB_E_INVALID);
        CHECK(test_filled(p, bytes, i) && test_live(z) == 1);
        CHECK_IS(zslab_free_sized(z, p, sizes[i]), ZSLAB_OK);
        CHECK_IS(zslab_free(z, p), ZSLAB_E_DOUBLE_FREE);
        CHECK_IS(zslab_free(z, p + 8), ZSLAB_E_MISALIGNED);
        CHECK_FAILS(zslab_realloc(z, p, 2 * C), ZSLAB_E_DOUBLE_FREE);
        CHECK(zslab_usable_size(z, p) == 0 && zslab_epoch_of(z, p) == ZSLAB_EPOCH_NONE && test_live(z) == 0);
    }
}

static void released_and_reset(zslab *z)
{
    int round;
    for (round = 0; round < 6; round++) {
        zslab_epoch e = zslab_epoch_open(z, NULL);
        char *p, *q, *small;
        MUST((p = (char *)zslab_malloc_epoch(z, 3 * C, e)) != NULL);
        MUST((q = (char *)zslab_malloc_epoch(z, above(z), e)) != NULL);
        MUST((small = (char *)zslab_malloc_epoch(z, 40, e)) != NULL);
        CHECK_IS(zslab_free(z, q), ZSLAB_OK);
        if (round & 1)
            CHECK_IS(zslab_epoch_reset(z, e), ZSLAB_OK);
        else
            CHECK_IS(zslab_epoch_release(z, e), ZSLAB_OK);
        CHECK_IS(zslab_free(z, p), ZSLAB_E_STALE);
        CHECK_IS(zslab_free(z, p + 2 * C), ZSLAB_E_STALE);
        CHECK_IS(zslab_free(z, q), ZSLAB_E_STALE);
        CHECK_FAILS(zslab_realloc(z, p, 4 * C), ZSLAB_E_STALE);
        CHECK(zslab_usable_size(z, p) == 0 && test_live(z) == 0 && stats(z).large_objects == 0);
        if (round & 1) {
            MUST((p = (char *)zslab_malloc_epoch(z, 3 * C, e)) != NULL);
            CHECK(zslab_epoch_of(z, p) == e && test_live(z) == 1);
            CHECK_IS(zslab_epoch_release(z, e), ZSLAB_OK);
            CHECK_IS(zslab_free(z, p), ZSLAB_E_STALE);
        }
        CHECK_FAILS(zslab_malloc_epoch(z, 3 * C, e), ZSLAB_E_CLOSED);
    }
}

/* A closed epoch refuses at once and lasts until its last object goes, wherever that one is. [LARGE-2] */
static void closed(zslab *z)
{
    int by;
    for (by = 0; by < 2; by++) {
        zslab_epoch e = zslab_epoch_open(z, NULL);
        char *p = (char *)zslab_malloc_epoch(z, 2 * C, e), *q;
        void *out;
        zslab_handle h = zslab_handle_alloc(z, C + 5, e, &out);
        MUST(p && h);
        test_fill(p, 2 * C, 1);
        CHECK_IS(zslab_epoch_close(z, e), ZSLAB_OK);
        CHECK_FAILS(zslab_malloc_epoch(z, 2 * C, e), ZSLAB_E_CLOSED);
        CHECK_FAILS(zslab_handle_alloc(z, 2 * C, e, NULL), ZSLAB_E_CLOSED);
        CHECK(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSING && test_filled(p, 2 * C, 1));
        q = (char *)zslab_realloc(z, p, 2 * C - 1); /* in place */
        CHECK(q == p);
        CHECK_FAILS(zslab_realloc(z, p, 16), ZSLAB_E_CLOSED);
        CHECK_IS(zslab_handle_free(z, h), ZSLAB_OK);
        CHECK(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSING);
        if (by) {
            CHECK_IS(zslab_epoch_release(z, e), ZSLAB_OK);
            CHECK_IS(zslab_free(z, p), ZSLAB_E_STALE);
        } else {
            CHECK_IS(zslab_free(z, p), ZSLAB_OK);
        }
        CHECK(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSED && test_live(z) == 0);
    }
}

static void aligned(zslab *z, size_t most)
{
    size_t a;
    for (a = 8; a <= most; a *= 2) {
        char *p[3];
        size_t i;
        for (i = 0; i < 3; i++) {
            MUST((p[i] = (char *)zslab_aligned_alloc(z, a, i * C + 100)) != NULL);
            CHECK((uintptr_t)p[i] % a == 0 && zslab_usable_size(z, p[i]) >= i * C + 100);
            test_fill(p[i], i * C + 100, a);
        }
        for (i = 0; i < 3; i++) {
            CHECK(test_filled(p[i], i * C + 100, a));
            CHECK_IS(zslab_free(z, p[i]), ZSLAB_OK);
        }
    }
    CHECK_FAILS(zslab_aligned_alloc(z, (size_t)3 << 20, C), ZSLAB_E_INVALID);
    CHECK(test_live(z) == 0);
}

/* In an epoch that is named, from a thread's heap and from an explicit one: of a class and large, gone with it. */
static void aligned_in_epoch(zslab *z)
{
    zslab_heap *heap = zslab_heap_create(z);
    zslab_epoch e = zslab_epoch_open(z, NULL);
    size_t a;
    for (a = 8; a <= 4 * C; a *= 2) {
        void *p = zslab_aligned_alloc_epoch(z, a, 100, e), *q = zslab_heap_aligned_alloc_epoch(heap, a, C + 100, e);
        CHECK(p && (uintptr_t)p % a == 0 && zslab_epoch_of(z, p) == e);
        CHECK(q && (uintptr_t)q % a == 0 && zslab_epoch_of(z, q) == e);
    }
    CHECK_FAILS(zslab_aligned_alloc_epoch(z, 24, 8, e), ZSLAB_E_INVALID);
    CHECK_FAILS(zslab_aligned_alloc_epoch(z, 16, 8, ZSLAB_EPOCH_NONE), ZSLAB_E_CLOSED);
    CHECK_IS(zslab_epoch_release(z, e), ZSLAB_OK);
    CHECK_FAILS(zslab_aligned_alloc_epoch(z, 64, 100, e), ZSLAB_E_CLOSED);
    CHECK_FAILS(zslab_heap_aligned_alloc_epoch(heap, 64, C + 100, e), ZSLAB_E_CLOSED);
    CHECK(test_live(z) == 0);
    zslab_heap_destroy(heap);
}

static void zeros(zslab *z)
{
    int round;
    size_t i, bytes = 3 * C + 123;
    for (round = 0; round < 4; round++) {
        unsigned char *p = (unsigned char *)zslab_calloc(z, 1, bytes), *q;
        MUST(p);
        for (i = 0; i < bytes && !p[i]; i++)
            ;
        CHECK(i == bytes);
        memset(p, 1, bytes);
        CHECK_IS(zslab_free(z, p), ZSLAB_OK);
        if (round == 1) zslab_trim(z);
        if (round == 2) { /* part of it used, part of it fresh */
            MUST((q = (unsigned char *)zslab_malloc(z, C + 1)) != NULL);
            memset(q, 2, C + 1);
            CHECK_IS(zslab_free(z, q), ZSLAB_OK);
            bytes *= 2;
        }
    }
    CHECK_FAILS(zslab_calloc(z, SIZE_MAX / 2 + 2, 2), ZSLAB_E_TOO_BIG);
}

/* Up, down, in place and by moving; small to large and back. The bytes that both have stay. */
static void resized(zslab *z)
{
    size_t sizes[] = {100, above(z), 2 * C, 7 * C, 7 * C + 1, 9 * C, 3 * C, C, above(z), 300, 4 * C, 8}, i, both, was;
    char *p = (char *)zslab_malloc(z, sizes[0]), *barrier[4];
    MUST(p);
    for (i = 1; i < sizeof sizes / sizeof *sizes; i++) {
        char *q;
        was = sizes[i - 1];
        both = was < sizes[i] ? was : sizes[i];
        memset(p, (int)i, was);
        p[both - 1] = (char)(i + 100);
        MUST((q = (char *)zslab_realloc(z, p, sizes[i])) != NULL);
        CHECK(q[0] == (char)i || both == 1);
        CHECK(q[both - 1] == (char)(i + 100) && (both < 3 || q[both / 2] == (char)i));
        CHECK(zslab_usable_size(z, q) >= sizes[i] && test_live(z) == 1);
        p = q;
    }
    CHECK_IS(zslab_free(z, p), ZSLAB_OK);
    /* shrinking and growing again is in place: what was given back is still behind it */
    MUST((p = (char *)zslab_malloc(z, 6 * C)) != NULL);
    CHECK(zslab_realloc(z, p, 2 * C) == p);
    CHECK(zslab_realloc(z, p, 6 * C) == p);
    CHECK(zslab_realloc(z, p, 2 * C) == p);
    for (i = 0; i < 4; i++) MUST((barrier[i] = (char *)zslab_malloc(z, C)) != NULL);
    memset(p, 7, 2 * C);
    MUST((p = (char *)zslab_realloc(z, p, 12 * C)) != NULL);
    CHECK(p[0] == 7 && p[2 * C - 1] == 7);
    for (i = 0; i < 4; i++) CHECK_IS(zslab_free(z, barrier[i]), ZSLAB_OK);
    CHECK_IS(zslab_free(z, p), ZSLAB_OK);
}

static void handles(zslab *z)
{
    zslab_epoch e = zslab_epoch_open(z, NULL);
    void *out;
    char *p;
    zslab_handle h = zslab_handle_alloc(z, 2 * C, e, &out), again;
    MUST(h);
    p = (char *)out;
    CHECK(zslab_handle_get(z, h) == p && zslab_handle_of(z, p) == h && zslab_handle_unpack(h).size_class == 255);
    CHECK(zslab_handle_unpack(h).slot == 0 && zslab_handle_unpack(h).version == ZSLAB_HANDLE_VERSION);
    CHECK(zslab_realloc(z, p, 2 * C - 1) == p && zslab_handle_get(z, h) == p);
    CHECK_FAILS(zslab_realloc(z, p, 100), ZSLAB_E_INVALID);
    CHECK_IS(zslab_handle_free(z, h), ZSLAB_OK);
    CHECK_FAILS(zslab_handle_get(z, h), ZSLAB_E_STALE);
    CHECK_IS(zslab_handle_free(z, h), ZSLAB_E_STALE);
    CHECK_IS(zslab_free(z, p), ZSLAB_E_DOUBLE_FREE);
    MUST((again = zslab_handle_alloc(z, 2 * C, e, &out)) != 0);
    CHECK(again != h && zslab_handle_get(z, again) == out);
    CHECK_FAILS(zslab_handle_get(z, h), ZSLAB_E_STALE);
    CHECK_IS(zslab_free(z, out), ZSLAB_OK); /* by its pointer */
    CHECK_FAILS(zslab_handle_get(z, again), ZSLAB_E_STALE);
    MUST((h = zslab_handle_alloc(z, 3 * C, e, &out)) != 0);
    CHECK_IS(zslab_epoch_release(z, e), ZSLAB_OK);
    CHECK_FAILS(zslab_handle_get(z, h), ZSLAB_E_STALE);
    CHECK_FAILS(zslab_handle_get(z, h ^ (uint64_t)1 << 10), ZSLAB_E_INVALID); /* there is no slot 1 */
    CHECK(test_live(z) == 0);
}

static void counted(zslab *z)
{
    zslab_epoch e = zslab_epoch_open(z, NULL);
    zslab_global_stats before = stats(z), g;
    zslab_class_stats c;
    zslab_epoch_stats es;
    size_t bytes, i, live = 0;
    char *p = (char *)zslab_malloc_epoch(z, 2 * C + 1, e), *q = (char *)zslab_malloc_epoch(z, 32, e);
    MUST(p && q);
    bytes = zslab_usable_size(z, p);
    g = stats(z);
    CHECK(g.large_objects == 1 && g.large_bytes == bytes && g.live_objects == before.live_objects + 2);
    CHECK(g.live_bytes == before.live_bytes + bytes + 32);
    CHECK_IS(zslab_stats_class(z, ZSLAB_CLASS_LARGE, &c), ZSLAB_OK);
    CHECK(c.class_idx == ZSLAB_CLASS_LARGE && c.live_objects == 1 && c.slabs == c.full_slabs);
    CHECK(c.committed_bytes >= bytes);
    CHECK_IS(zslab_stats_epoch(z, ZSLAB_CLASS_LARGE, e, &es), ZSLAB_OK);
    CHECK(es.live_objects == 1 && es.live_bytes == bytes && es.epoch == e);
    CHECK_IS(zslab_stats_epoch(z, ZSLAB_CLASS_LARGE, zslab_epoch_current(z), &es), ZSLAB_OK);
    CHECK(es.live_objects == 0);
    CHECK_IS(zslab_stats_class(z, 254, &c), ZSLAB_E_INVALID);
    for (i = 0; i < g.class_count; i++)
        if (zslab_stats_class(z, i, &c) == ZSLAB_OK) live += c.live_objects;
    CHECK(live + 1 == g.live_objects);
    zslab_epoch_release(z, e);
    g = stats(z);
    CHECK(g.large_objects == 0 && g.large_bytes == 0 && g.live_objects == before.live_objects);
}

static void batches_and_reserve(zslab *z)
{
    void *p[5];
    size_t n = zslab_malloc_batch(z, C + 10, 5, p);
    CHECK(n == 5 && test_live(z) == 5);
    p[0] = (char *)p[0] + 8;
    CHECK(zslab_free_batch(z, p, 5) == 4);
    CHECK_IS(zslab_free(z, (char *)p[0] - 8), ZSLAB_OK);
    CHECK_IS(zslab_reserve(z, 2 * C, 4), ZSLAB_OK);
    CHECK(test_live(z) == 0);
    CHECK(zslab_malloc_batch(z, 2 * C, 4, p) == 4 && zslab_free_batch(z, p, 4) == 4);
}

/* An explicit heap, a domain. */
static void elsewhere(zslab *z)
{
    zslab_heap *h = zslab_heap_create(z);
    zslab_domain *d = zslab_domain_create(z);
    char *p, *q;
    MUST(h && d);
    MUST((p = (char *)zslab_heap_malloc(h, 2 * C)) != NULL);
    CHECK(zslab_epoch_of(z, p) == zslab_epoch_current(z));
    CHECK_IS(zslab_heap_free(h, p), ZSLAB_OK);
    CHECK_IS(zslab_heap_free(h, p), ZSLAB_E_DOUBLE_FREE);
    CHECK_IS(zslab_domain_enter(d), ZSLAB_OK);
    MUST((q = (char *)zslab_malloc(z, 2 * C)) != NULL);
    CHECK(zs__own(z)->shared || zslab_epoch_of(z, q) == zslab_domain_epoch(d));
    CHECK_IS(zslab_domain_exit(d), ZSLAB_OK);
    if (zs__own(z)->shared)
        CHECK_IS(zslab_free(z, q), ZSLAB_OK);
    else
        CHECK_IS(zslab_free(z, q), ZSLAB_E_STALE);
    zslab_domain_destroy(d);
    zslab_heap_destroy(h);
}

/* Against a plain list of what should be there: sizes, contents, answers, counts. */
static void against_a_model(zslab *z, uint64_t steps, size_t most)
{
    enum { SLOTS = 24, EPOCHS = 3 };
    static struct {
        char *p;
        size_t bytes;
        int epoch;
        zslab_handle h;
    } slot[SLOTS];
    zslab_epoch e[EPOCHS];
    uint64_t seed = 7, step;
    int i;
    memset(slot, 0, sizeof slot);
    for (i = 0; i < EPOCHS; i++) MUST(e[i] = zslab_epoch_open(z, NULL));
    for (step = 0; step < steps; step++) {
        int k = (int)(test_random(&seed) % SLOTS), what = (int)(test_random(&seed) % 40);
        size_t bytes = (size_t)(test_random(&seed) % most) + 1;
        if (test_random(&seed) % 2) bytes = bytes % 4000 + 1;
        if (what == 0) {
            int ended = (int)(test_random(&seed) % EPOCHS);
            if (test_random(&seed) % 2) {
                CHECK_IS(zslab_epoch_release(z, e[ended]), ZSLAB_OK);
                MUST(e[ended] = zslab_epoch_open(z, NULL));
            } else {
                CHECK_IS(zslab_epoch_reset(z, e[ended]), ZSLAB_OK);
            }
            for (i = 0; i < SLOTS; i++)
                if (slot[i].p && slot[i].epoch == ended) {
                    CHECK_IS(zslab_free(z, slot[i].p), ZSLAB_E_STALE);
                    CHECK(!slot[i].h || !zslab_handle_get(z, slot[i].h));
                    slot[i].p = NULL;
                }
        } else if (slot[k].p && what < 12) {
            char *q = (char *)zslab_realloc(z, slot[k].p, bytes);
            if (q) {
                CHECK(!slot[k].h || q == slot[k].p);
                CHECK(q[0] == (char)k && (bytes < slot[k].bytes || q[slot[k].bytes - 1] == (char)k));
                slot[k].p = q, slot[k].bytes = bytes;
                q[0] = q[bytes - 1] = (char)k;
            } else {
                CHECK(slot[k].h || zslab_last_error() == ZSLAB_E_NOMEM);
            }
        } else if (slot[k].p) {
            CHECK(slot[k].p[0] == (char)k && slot[k].p[slot[k].bytes - 1] == (char)k);
            CHECK(zslab_epoch_of(z, slot[k].p) == e[slot[k].epoch]);
            CHECK(!slot[k].h || zslab_handle_get(z, slot[k].h) == slot[k].p);
            if (what & 1)
                CHECK_IS(zslab_free(z, slot[k].p), ZSLAB_OK);
            else if (slot[k].h)
                CHECK_IS(zslab_handle_free(z, slot[k].h), ZSLAB_OK);
            else
                CHECK_IS(zslab_free_sized(z, slot[k].p, slot[k].bytes), ZSLAB_OK);
            CHECK_IS(zslab_free(z, slot[k].p), ZSLAB_E_DOUBLE_FREE);
            slot[k].p = NULL;
        } else {
            void *out = NULL;
            slot[k].epoch = (int)(test_random(&seed) % EPOCHS);
            slot[k].h = what % 3 ? 0 : zslab_handle_alloc(z, bytes, e[slot[k].epoch], &out);
            slot[k].p = what % 3 ? (char *)zslab_malloc_epoch(z, bytes, e[slot[k].epoch]) : (char *)out;
            slot[k].bytes = bytes;
            if (CHECK(slot[k].p != NULL)) slot[k].p[0] = slot[k].p[bytes - 1] = (char)k;
        }
        if (step % 64 == 0) {
            size_t live = 0;
            for (i = 0; i < SLOTS; i++) live += slot[i].p != NULL;
            CHECK(test_live(z) == live);
        }
    }
    for (i = 0; i < EPOCHS; i++) CHECK_IS(zslab_epoch_release(z, e[i]), ZSLAB_OK);
    CHECK(test_live(z) == 0);
}

/* ---- limits ---- */

/* With nothing live nothing is refused: what small objects, dead epochs and smaller spans left is joined.
   [SPAN-1] to [SPAN-3] */
static void full_and_again(const test_mode *m)
{
    static void *p[1 << 12];
    zslab_config c = {0};
    zslab *z;
    size_t n[3], i, round, sizes[3];
    if (!m->in_buffer) c.reserve_bytes = 64 * C;
    c.large_bytes_max = 60 * C;
    z = test_open(m, &c);
    sizes[0] = C, sizes[1] = 16 * C, sizes[2] = 5 * C;
    for (round = 0; round < 9; round++) {
        size_t bytes = sizes[round % 3];
        for (i = 0; i < sizeof p / sizeof *p && (p[i] = zslab_malloc(z, bytes)) != NULL; i++) test_fill(p[i], bytes, i);
        CHECK(i > 0 && zslab_last_error() == ZSLAB_E_NOMEM);
        if (round < 3)
            n[round] = i;
        else
            CHECK(i + !test_owned(m) >= n[round % 3]); /* shared: a chunk that a class kept may be in the way of one */
        while (i--) {
            CHECK(test_filled(p[i], bytes, i));
            CHECK_IS(zslab_free(z, p[i]), ZSLAB_OK);
        }
        for (i = 0; i < sizeof p / sizeof *p && (p[i] = zslab_malloc(z, 3000)) != NULL; i++)
            ; /* the same chunks as slabs */
        CHECK(i * 3000 > n[0] * C / 2 || i == sizeof p / sizeof *p);
        while (i--) CHECK_IS(zslab_free(z, p[i]), ZSLAB_OK);
        if (round % 2) {
            zslab_epoch e = zslab_epoch_open(z, NULL);
            while (zslab_malloc_epoch(z, 5 * C, e))
                ;
            CHECK_IS(zslab_epoch_release(z, e), ZSLAB_OK);
        }
    }
    test_destroy(z);
}

static void within_a_limit(const test_mode *m)
{
    zslab_config c = {0};
    zslab *z;
    char *p, *q;
    int i;
    z = test_open(m, &c);
    test_limit_chunks(z, 10);
    for (i = 0; i < 20; i++) {
        MUST((p = (char *)zslab_malloc(z, 6 * C)) != NULL);
        CHECK_FAILS(zslab_malloc(z, 6 * C), ZSLAB_E_LIMIT);
        CHECK(stats(z).committed_bytes <= 10 * C);
        MUST((q = (char *)zslab_malloc(z, 3 * C)) != NULL);
        CHECK_FAILS(zslab_realloc(z, p, 9 * C), ZSLAB_E_LIMIT);
        CHECK_IS(zslab_free(z, p), ZSLAB_OK);
        CHECK_IS(zslab_free(z, q), ZSLAB_OK);
    }
    if (zs__own(z)->page_bytes < C) { /* of the last chunk the pages used count, and no others */
        size_t before;
        zslab_trim(z);
        before = (size_t)stats(z).committed_bytes;
        MUST((p = (char *)zslab_aligned_alloc(z, 2 * C, above(z))) != NULL);
        CHECK(m->in_buffer || stats(z).committed_bytes - before <= above(z) + 2 * zs__own(z)->page_bytes ||
              stats(z).cached_bytes > 0);
        CHECK_IS(zslab_free(z, p), ZSLAB_OK);
    }
    test_destroy(z);
}

/* Objects of a bit more than a class reach a limit, of each chunk the first pages; once they are gone, small ones do
   too. */
static void small_after_large(const test_mode *m)
{
    zslab_config c = {0};
    int how;
    c.limit_bytes = 20 * C;
    for (how = 0; how < 2; how++) {
        zslab *z = test_open(m, &c);
        zslab_epoch e = zslab_epoch_open(z, NULL);
        size_t n = 0;
        while (zslab_malloc_epoch(z, above(z), e))
            ;
        CHECK_IS(how ? zslab_epoch_release(z, e) : zslab_epoch_reset(z, e), ZSLAB_OK);
        e = zslab_epoch_open(z, NULL);
        while (zslab_malloc_epoch(z, 64, e)) n++;
        CHECK(m->in_buffer || n >= 12 * C / 64);
        test_destroy(z);
    }
}

/* ---- the fallback ---- */
static int asked, given_back;
static char outside[1 << 16];
static void *outside_alloc(void *user, size_t size, size_t alignment)
{
    (void)user, (void)alignment;
    asked++;
    return size <= sizeof outside ? outside : NULL;
}
static void outside_free(void *user, void *p)
{
    (void)user, (void)p;
    given_back++;
}
static int outside_owns(void *user, const void *p)
{
    (void)user;
    return p == outside;
}

/* Only what is larger than large_bytes_max, from plain calls outside domains, and never from a closed epoch. */
static void beside_a_fallback(const test_mode *m)
{
    zslab_config c = {0};
    zslab *z;
    zslab_epoch e;
    zslab_domain *d;
    int none;
    for (none = 0; none < 2; none++) {
        size_t bytes;
        c.fallback.alloc = outside_alloc, c.fallback.free = outside_free, c.fallback.owns = outside_owns;
        c.large_bytes_max = none ? ZSLAB_LARGE_NONE : 2 * C;
        z = test_open(m, &c);
        bytes = none ? above(z) : 2 * C + 1;
        asked = given_back = 0;
        MUST((e = zslab_epoch_open(z, NULL)) != 0 && (d = zslab_domain_wrap(z, e, ZSLAB_ON_EXIT_KEEP)) != NULL);
        CHECK((zslab_malloc(z, bytes) == outside) == (bytes <= sizeof outside) && asked == 1);
        CHECK_FAILS(zslab_malloc_epoch(z, bytes, e), ZSLAB_E_TOO_BIG);
        CHECK_FAILS(zslab_handle_alloc(z, bytes, e, NULL), ZSLAB_E_TOO_BIG);
        CHECK(zslab_size_class_of(z, bytes) == zs__own(z)->class_count);
        CHECK_IS(zslab_domain_enter(d), ZSLAB_OK);
        if (!zs__own(z)->shared) CHECK_FAILS(zslab_malloc(z, bytes), ZSLAB_E_TOO_BIG);
        CHECK_IS(zslab_domain_exit(d), ZSLAB_OK);
        CHECK(asked == 1);
        CHECK_IS(zslab_free(z, outside), ZSLAB_OK);
        CHECK(given_back == 1);
        CHECK_IS(zslab_epoch_close(z, zslab_epoch_current(z)), ZSLAB_OK);
        CHECK_FAILS(zslab_malloc(z, bytes), ZSLAB_E_CLOSED);
        CHECK_FAILS(zslab_malloc(z, above(z)), ZSLAB_E_CLOSED);
        CHECK_FAILS(zslab_calloc(z, 1, bytes), ZSLAB_E_CLOSED);
        CHECK_FAILS(zslab_aligned_alloc(z, 16, bytes), ZSLAB_E_CLOSED);
        CHECK(asked == 1);
        zslab_destroy(z);
    }
}

/* ---- spans that are kept ---- */
static int is_kept(const zslab *z, const char *p)
{
    return *zs__large_state(zs__own_const(z), (uint32_t)((size_t)(p - zs__own_const(z)->base) / C)) == ZS__KEPT;
}

/* A freed object's span may wait for the next as long in its epoch. It is no object, counts as cached, and is in
   nobody's way: not in that of a close, a trim, a limit. */
static void kept(const test_mode *m)
{
    const int may = !ZS__MEMCHECK && !ZS__HOOKS && !ZSLAB_PROBES && !ZSLAB_NO_TLS && !m->in_buffer && !m->flags &&
                    C <= 65536 && 2 * C <= ZS__RESERVE_BYTES / ZS__KEPT_OF,
              keeps = may && 8 * C <= ZS__RESERVE_BYTES / ZS__KEPT_OF; /* all of them at once */
    zslab *z = test_open(m, NULL);
    zslab_epoch e = zslab_epoch_current(z), f = zslab_epoch_open(z, NULL);
    char *p, *q, *r;
    size_t before, i, cached;
    int how;
    MUST((p = (char *)zslab_malloc_epoch(z, 2 * C, e)) != NULL);
    MUST((q = (char *)zslab_malloc_epoch(z, 3 * C, e)) != NULL);
    before = (size_t)stats(z).committed_bytes, cached = (size_t)stats(z).cached_bytes;
    test_fill(p, 2 * C, 7);
    CHECK_IS(zslab_free(z, p), ZSLAB_OK);
    CHECK(is_kept(z, p) == may);
    CHECK_IS(zslab_free(z, p), ZSLAB_E_DOUBLE_FREE);
    CHECK_IS(zslab_free(z, p + 8), ZSLAB_E_MISALIGNED);
    CHECK(!zslab_usable_size(z, p) && !zslab_epoch_of(z, p) && stats(z).large_objects == 1);
    CHECK(!keeps || (stats(z).committed_bytes == before && stats(z).cached_bytes == cached + 2 * C));
    MUST((r = (char *)zslab_malloc_epoch(z, 2 * C, f)) != NULL); /* of another epoch, before new memory is used */
    CHECK(!keeps || (r == p && zslab_epoch_of(z, r) == f && stats(z).committed_bytes == before));
    MUST((p = (char *)zslab_malloc_epoch(z, 2 * C, e)) != NULL);
    CHECK_IS(zslab_free(z, p), ZSLAB_OK);
    CHECK_IS(zslab_free(z, r), ZSLAB_OK);
    for (how = 0; how < 4; how++) {
        size_t bytes = how & 1 ? 2 * C : C + 100; /* the last pages were never this object's */
        r = (char *)(how < 2 ? zslab_malloc_epoch(z, bytes, e) : zslab_calloc(z, 1, bytes));
        MUST(r);
        CHECK(!keeps || r == p);
        CHECK(zslab_usable_size(z, r) >= bytes && zslab_epoch_of(z, r) == e && stats(z).large_objects == 2);
        for (i = 0; how >= 2 && i < bytes; i++)
            if (r[i]) break;
        CHECK(how < 2 || i == bytes);
        test_fill(r, bytes, (uint64_t)how);
        CHECK_IS(zslab_free(z, r), ZSLAB_OK);
    }
    CHECK_IS(zslab_check(z, NULL, NULL), ZSLAB_OK);
    CHECK_IS(zslab_epoch_close(z, e), ZSLAB_OK); /* q lives */
    CHECK(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSING);
    CHECK(m->reclaim != ZSLAB_RECLAIM_RSS || !is_kept(z, p));
    CHECK_FAILS(zslab_malloc_epoch(z, 2 * C, e), ZSLAB_E_CLOSED);
    CHECK_IS(zslab_free(z, q), ZSLAB_OK);
    CHECK(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSED && !is_kept(z, p));
    MUST((p = (char *)zslab_malloc_epoch(z, 2 * C, f)) != NULL);
    CHECK_IS(zslab_free(z, p), ZSLAB_OK);
    zslab_trim(z);
    CHECK(!is_kept(z, p) && zslab_check(z, NULL, NULL) == ZSLAB_OK);
    for (i = 0; i < 3 * ZS__KEPT_MOST; i++) { /* more lengths than a heap keeps */
        MUST((p = (char *)zslab_malloc_epoch(z, (i % 5 + 1) * C, f)) != NULL);
        if (i % 3) CHECK_IS(zslab_free(z, p), ZSLAB_OK);
    }
    CHECK(stats(z).large_objects == ZS__KEPT_MOST && zslab_check(z, NULL, NULL) == ZSLAB_OK);
    CHECK_IS(zslab_epoch_release(z, f), ZSLAB_OK);
    CHECK_IS(zslab_free(z, p), ZSLAB_E_STALE);
    CHECK(stats(z).large_objects == 0);
    test_destroy(z);
}

/* ---- threads ---- */
static struct {
    zslab *z;
    zslab_epoch e;
    char *p;
    size_t bytes;
} job;

static void job_alloc(void *arg)
{
    (void)arg;
    job.p = (char *)zslab_malloc_epoch(job.z, job.bytes, job.e);
}

/* A thread that sleeps after it allocated holds nothing: others free, close, release, and all of it is theirs. */
static void from_a_sleeper(const test_mode *m)
{
    zslab_config c = {0};
    test_worker w;
    int i;
    if (!m->in_buffer) c.reserve_bytes = 64 * C;
    job.z = test_open(m, &c);
    job.bytes = 20 * C;
    test_worker_start(&w);
    for (i = 0; i < 6; i++) {
        MUST(job.e = zslab_epoch_open(job.z, NULL));
        test_worker_do(&w, job_alloc, NULL);
        MUST(job.p);
        if (i % 3 == 0) CHECK_IS(zslab_free(job.z, job.p), ZSLAB_OK);
        if (i % 3 == 1)
            CHECK_IS(zslab_epoch_release(job.z, job.e), ZSLAB_OK);
        else
            CHECK_IS(zslab_epoch_close(job.z, job.e), ZSLAB_OK);
        if (i % 3 == 2) CHECK_IS(zslab_free(job.z, job.p), ZSLAB_OK);
        CHECK(stats(job.z).large_objects == 0);
    }
    test_worker_end(&w);
    test_destroy(job.z);
}

static void job_free(void *arg)
{
    (void)arg;
    CHECK_IS(zslab_free(job.z, job.p), ZSLAB_OK);
}

/* What a sleeper keeps is no reason to refuse another length, a small object, or a sealed allocator's. */
static void kept_by_a_sleeper(const test_mode *m)
{
    zslab_config c = {0};
    test_worker w;
    size_t limit;
    char *p;
    int i;
    if (m->in_buffer) return;
    job.z = test_open(m, &c);
    test_worker_start(&w);
    MUST((p = (char *)zslab_malloc(job.z, 64)) != NULL);
    CHECK_IS(zslab_free(job.z, p), ZSLAB_OK);
    job.e = zslab_epoch_current(job.z);
    job.bytes = 4 * C;
    for (i = 0; i < 3; i++) {
        test_worker_do(&w, job_alloc, NULL);
        MUST(job.p);
        test_worker_do(&w, job_free, NULL);
        limit = (size_t)(stats(job.z).committed_bytes + stats(job.z).metadata_bytes);
        CHECK_IS(zslab_set_limits(job.z, 0, limit), ZSLAB_OK); /* nothing fits beside it */
        if (i == 2) CHECK_IS(zslab_seal(job.z, 1), ZSLAB_OK);
        MUST((p = (char *)zslab_malloc(job.z, i == 1 ? 64 : i ? 2 * C : 3 * C)) != NULL);
        CHECK_IS(zslab_seal(job.z, 0), ZSLAB_OK);
        CHECK_IS(zslab_free(job.z, p), ZSLAB_OK);
        CHECK_IS(zslab_set_limits(job.z, 0, 0), ZSLAB_OK);
        zslab_trim(job.z);
    }
    test_worker_end(&w);
    test_destroy(job.z);
}

static struct {
    zslab *z;
    void *shared[64];
    int errors;
} storm;

static void *storm_main(void *arg)
{
    uint64_t seed = (uint64_t)(uintptr_t)arg;
    int i;
    for (i = 0; i < 4000; i++) {
        size_t k = (size_t)(test_random(&seed) % 64), bytes = (size_t)(test_random(&seed) % (6 * C)) + 1;
        char *p = (char *)zslab_malloc(storm.z, bytes), *was;
        if (p) {
            memcpy(p, &bytes, bytes < sizeof bytes ? 1 : sizeof bytes);
            p[bytes - 1] = 1;
        }
        was = (char *)__atomic_exchange_n(&storm.shared[k], p, __ATOMIC_ACQ_REL);
        if (was && zslab_free(storm.z, was) != ZSLAB_OK) __atomic_fetch_add(&storm.errors, 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

/* Threads that free each other's objects. [LARGE-4] */
static void storm_of_threads(const test_mode *m)
{
    pthread_t t[3];
    uintptr_t i;
    memset(&storm, 0, sizeof storm);
    storm.z = test_open(m, NULL);
    for (i = 0; i < 3; i++) MUST(!pthread_create(&t[i], NULL, storm_main, (void *)(i + 1)));
    for (i = 0; i < 3; i++) pthread_join(t[i], NULL);
    CHECK(storm.errors == 0);
    for (i = 0; i < 64; i++)
        if (storm.shared[i]) CHECK_IS(zslab_free(storm.z, storm.shared[i]), ZSLAB_OK);
    CHECK(test_live(storm.z) == 0);
    test_destroy(storm.z);
}

#if TEST_UNIX && !TEST_WASM
/* A child goes on with the objects its parent has. */
static void in_a_child(const test_mode *m)
{
    zslab *z = test_open(m, NULL);
    char *p = (char *)zslab_malloc(z, 3 * C), *freed = (char *)zslab_malloc(z, 2 * C);
    zslab_epoch e = zslab_epoch_open(z, NULL);
    char *q = (char *)zslab_malloc_epoch(z, 2 * C, e);
    void *out;
    zslab_handle h = zslab_handle_alloc(z, C + 1, e, &out);
    int status = 0;
    pid_t pid;
    MUST(p && q && h && freed);
    memset(p, 5, 3 * C);
    CHECK_IS(zslab_free(z, freed), ZSLAB_OK);
    fflush(stdout);
    pid = fork();
    if (!pid) {
        int bad = 0, i;
        bad |= zslab_free(z, p + 3 * C - 8) != ZSLAB_E_MISALIGNED;
        for (i = 0; i < 50; i++) {
            char *r = (char *)zslab_malloc(z, (size_t)i * C / 7 + 1);
            bad |= !r || (r >= p && r < p + 3 * C) || (r >= q && r < q + 2 * C);
        }
        bad |= p[0] != 5 || p[3 * C - 1] != 5 || zslab_handle_get(z, h) != out;
        bad |= zslab_free(z, p) != ZSLAB_OK || zslab_free(z, p) != ZSLAB_E_DOUBLE_FREE;
        bad |= zslab_epoch_release(z, e) != ZSLAB_OK || zslab_free(z, q) != ZSLAB_E_STALE;
        bad |= zslab_check(z, NULL, NULL) != ZSLAB_OK;
        test_leave(bad);
    }
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    CHECK_IS(zslab_free(z, p), ZSLAB_OK);
    CHECK_IS(zslab_epoch_release(z, e), ZSLAB_OK);
    test_destroy(z);
}
#endif

/* RSS policy: what an epoch held is back with the system when the call returns, its large objects' pages too.
   [LARGE-3] */
static void back_with_the_system(const test_mode *m)
{
    zslab *z = test_open(m, NULL);
    zslab_epoch e;
    char *p;
    int i, how;
    if (m->reclaim != ZSLAB_RECLAIM_RSS || m->in_buffer) {
        test_destroy(z);
        return;
    }
    for (how = 0; how < 3; how++) {
        size_t before = (size_t)stats(z).committed_bytes;
        MUST(e = zslab_epoch_open(z, NULL));
        for (i = 0; i < 10; i++) {
            MUST((p = (char *)zslab_malloc_epoch(z, 20 * C, e)) != NULL);
            memset(p, 1, 20 * C);
            if (how == 2) CHECK_IS(zslab_free(z, p), ZSLAB_OK);
        }
        CHECK(how == 2 || stats(z).committed_bytes >= before + 200 * C);
        if (how == 0)
            CHECK_IS(zslab_epoch_release(z, e), ZSLAB_OK);
        else if (how == 1)
            CHECK_IS(zslab_epoch_reset(z, e), ZSLAB_OK);
        if (how) CHECK_IS(zslab_epoch_close(z, e), ZSLAB_OK);
        CHECK(stats(z).committed_bytes <= before && stats(z).cached_bytes == 0);
    }
    test_destroy(z);
}

/* What others committed does not count for ever: large objects reach a limit with as many as where nobody was before,
   also a group's limit, whichever size came first. */
static size_t reaches(const test_mode *m, size_t before, size_t size, int grouped)
{
    zslab_group_config gc = {0};
    zslab_epoch_config ec = {0};
    zslab_config c = {0};
    size_t count;
    zslab_epoch e;
    zslab *z;
    c.limit_bytes = grouped ? 0 : 8 << 20;
    z = test_open(m, &c);
    gc.hard_bytes = 8 << 20;
    ec.group = grouped ? zslab_group_create(z, &gc) : NULL;
    MUST((e = zslab_epoch_open_with(z, &ec)) != ZSLAB_EPOCH_NONE);
    while (before && zslab_malloc_epoch(z, before, e))
        ;
    CHECK_IS(zslab_epoch_reset(z, e), ZSLAB_OK);
    for (count = 0; zslab_malloc_epoch(z, size, e); count++)
        ;
    CHECK_IS(zslab_check(z, NULL, NULL), ZSLAB_OK);
    test_destroy(z);
    return count;
}

static void limits_forget(const test_mode *m)
{
    static const size_t sizes[] = {1000, 12000, 66000, 300000};
    size_t i, j, fresh;
    int grouped;
    for (grouped = 0; grouped < 2; grouped++)
        for (j = 1; j < 4; j++) {
            fresh = reaches(m, 0, sizes[j], grouped);
            for (i = 0; i < 4; i++) CHECK(reaches(m, sizes[i], sizes[j], grouped) >= fresh - fresh / 20 - 1);
        }
}

int main(int argc, char **argv)
{
    uint64_t steps = test_amount(argc, argv, 20000);
    TEST_EACH_MODE(m)
    {
        zslab *z = test_open(m, NULL);
        sizes_and_wrong_frees(z);
        released_and_reset(z);
        closed(z);
        aligned(z, m->in_buffer ? 8 * C : (size_t)1 << (SIZE_MAX > 0xffffffffu ? 30 : 24));
        aligned_in_epoch(z);
        if (!m->in_buffer) limits_forget(m);
        zeros(z);
        resized(z);
        handles(z);
        counted(z);
        batches_and_reserve(z);
        elsewhere(z);
        against_a_model(z, steps, m->in_buffer ? 2 * C : 8 * C);
        test_destroy(z);
        full_and_again(m);
        within_a_limit(m);
        small_after_large(m);
        beside_a_fallback(m);
        kept(m);
        kept_by_a_sleeper(m);
        from_a_sleeper(m);
        storm_of_threads(m);
#if TEST_UNIX && !TEST_WASM
        in_a_child(m);
#endif
        back_with_the_system(m);
    }
    return test_summary("test_large");
}
