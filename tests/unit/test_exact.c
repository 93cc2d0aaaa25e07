/* Every misuse of every size class is answered with its own code, in every mode; live objects are untouched and the
   allocator is clean afterwards. */
#include "tests/lib/test.h"

#define LIVE 70 /* objects beside the misused ones: more than a magazine or a slab holds */

/* What is under test: one class of one allocator, with live objects of it around. */
typedef struct scene {
    zslab *z;
    size_t cls, bytes, live;
    char *beside[LIVE];
    char *p;             /* the object misused */
    zslab_result answer; /* of the worker's last free */
    test_worker other;
    zslab_heap *heap;
} scene;

static struct {
    uint64_t calls;
    zslab_result what;
    const void *p;
} told; /* by the misuse hook */

static void on_misuse(void *user, zslab_result what, const void *p, zslab_handle h)
{
    CHECK(user == &told && h == 0);
    told.calls++;
    told.what = what;
    told.p = p;
}

/* A free that must be refused: its code, one call of the hook, one count, and nothing else. */
static void refused(scene *s, void *p, zslab_result want)
{
    uint64_t calls = told.calls, counted = s->z->misuse[want];
    CHECK_IS(zslab_free(s->z, p), want);
    CHECK(told.calls == calls + 1 && told.what == want && told.p == p);
    CHECK(s->z->misuse[want] == counted + 1);
    CHECK(zslab_usable_size(s->z, p) == 0);
}

/* The other entries answer the same about a pointer that is not a live object. */
static void refused_by_all(scene *s, void *p, zslab_result want)
{
    refused(s, p, want);
    CHECK_IS(zslab_free_sized(s->z, p, s->bytes), want);
    CHECK_IS(zslab_heap_free(s->heap, p), want);
    CHECK(zslab_free_batch(s->z, &p, 1) == 0);
    CHECK(told.what == want && told.p == p);
    CHECK_FAILS(zslab_realloc(s->z, p, s->bytes / 2 + 1), want);
    CHECK_FAILS(zslab_realloc(s->z, p, s->bytes * 2), want);
    CHECK(zslab_realloc(s->z, p, 0) == NULL);
    CHECK_FAILS(zslab_epoch_of(s->z, p), want);
}

static void *take(scene *s)
{
    void *p = zslab_malloc(s->z, s->bytes);
    MUST(p);
    test_fill(p, s->bytes, 7);
    return p;
}

static void give(scene *s, void *p)
{
    CHECK(test_filled(p, s->bytes, 7));
    CHECK_IS(zslab_free(s->z, p), ZSLAB_OK);
}

static void unused_chunk(scene *s, uint32_t chunk)
{
    char *base = s->z->base + (size_t)chunk * ZS__CHUNK_BYTES;
    refused_by_all(s, base, ZSLAB_E_FOREIGN);
    refused(s, base + ZS__CHUNK_BYTES - 1, ZSLAB_E_FOREIGN);
    refused(s, base + s->bytes / 2, ZSLAB_E_FOREIGN);
    CHECK(!zslab_owns(s->z, base));
}

/* Chunks that nobody used are in the range and not ours: the last ones, the next one, one set aside. */
static void unused_chunks(scene *s)
{
    uint32_t chunk;
    unused_chunk(s, s->z->chunk_limit - 1);
    unused_chunk(s, s->z->chunk_limit / 2);
    unused_chunk(s, s->z->fresh_chunk);
    for (chunk = 0; chunk < s->z->fresh_chunk && s->z->chunks[chunk].recip; chunk++)
        ;
    unused_chunk(s, chunk);
}

static void foreign(scene *s)
{
    char here, *chunk = (char *)((uintptr_t)s->p & ~(uintptr_t)ZS__CHUNK_MASK), *elsewhere = (char *)malloc(64);
    size_t used = ZS__CHUNK_BYTES / s->bytes * s->bytes, at;
    refused_by_all(s, s->z->base - 1, ZSLAB_E_FOREIGN); /* one byte before the range, one after */
    refused_by_all(s, s->z->base + s->z->range_bytes, ZSLAB_E_FOREIGN);
    refused_by_all(s, &here, ZSLAB_E_FOREIGN);
    refused_by_all(s, elsewhere, ZSLAB_E_FOREIGN);
    refused_by_all(s, s->z, ZSLAB_E_FOREIGN); /* its own metadata */
    refused(s, (void *)(uintptr_t)1, ZSLAB_E_FOREIGN);
    refused(s, (void *)~(uintptr_t)0, ZSLAB_E_FOREIGN);
    CHECK(!zslab_owns(s->z, &here) && !zslab_owns(s->z, s->z->base - 1));
    unused_chunks(s);
    for (at = used; at < ZS__CHUNK_BYTES; at += at == used || at + 1 == ZS__CHUNK_BYTES ? 1 : ZS__CHUNK_BYTES - 1 - at)
        refused_by_all(s, chunk + at, ZSLAB_E_FOREIGN); /* the tail: first byte, second, last */
    free(elsewhere);
}

/* Every byte of an object but its first, and of a free slot. */
static void misaligned(scene *s)
{
    size_t at;
    char *free_slot = (char *)take(s);
    give(s, free_slot);
    for (at = 1; at < s->bytes; at += s->bytes < 300 || at < 20 || at + 20 > s->bytes ? 1 : 13) {
        refused(s, s->p + at, ZSLAB_E_MISALIGNED);
        refused(s, free_slot + at, ZSLAB_E_MISALIGNED);
    }
    refused_by_all(s, s->p + 1, ZSLAB_E_MISALIGNED);
    refused_by_all(s, s->p + s->bytes - 1, ZSLAB_E_MISALIGNED);
    CHECK(zslab_owns(s->z, s->p + 1));
    CHECK(test_filled(s->p, s->bytes, 7));
}

/* Every slot of the object's chunk that holds nothing: freed before, or never handed out. [META-1] */
static void slots_without_an_object(scene *s)
{
    char *chunk = (char *)((uintptr_t)s->p & ~(uintptr_t)ZS__CHUNK_MASK), *slot;
    size_t i, slots = ZS__CHUNK_BYTES / s->bytes, live = 0;
    for (i = 0; i<slots; i += slots> 3000 ? 7 : 1) {
        slot = chunk + i * s->bytes;
        if (zslab_usable_size(s->z, slot))
            live++;
        else
            refused(s, slot, ZSLAB_E_DOUBLE_FREE);
    }
    CHECK(live >= 1 || slots > 3000);
}

/* Twice by the same thread: out of the magazine, out of the slab's word, once and again. */
static void double_free(scene *s)
{
    static char *many[200];
    size_t i, n = s->bytes <= 2048 ? 200 : 20;
    for (i = 0; i < n; i++) many[i] = (char *)take(s);
    for (i = 0; i < n; i++) {
        give(s, many[i]);
        refused(s, many[i], ZSLAB_E_DOUBLE_FREE);
    }
    for (i = 0; i < n; i++) refused(s, many[i], ZSLAB_E_DOUBLE_FREE);
    refused_by_all(s, many[0], ZSLAB_E_DOUBLE_FREE);
    CHECK(zslab_owns(s->z, many[0]));
}

static void free_there(void *arg)
{
    scene *s = (scene *)arg;
    s->answer = zslab_free(s->z, s->p);
}

static zslab_result elsewhere(scene *s)
{
    test_worker_do(&s->other, free_there, s);
    return s->answer;
}

/* Twice, with another thread: in either order, gathered there and not yet home, home again. */
static void double_free_by_two(scene *s)
{
    char *keep = s->p, *q;
    s->p = (char *)take(s);
    CHECK_IS(elsewhere(s), ZSLAB_OK);
    refused(s, s->p, ZSLAB_E_DOUBLE_FREE); /* gathered by the other thread */
    CHECK_IS(elsewhere(s), ZSLAB_E_DOUBLE_FREE);
    q = s->p;
    s->p = (char *)take(s);
    give(s, s->p);
    if (s->p != q) {
        CHECK_IS(elsewhere(s), ZSLAB_E_DOUBLE_FREE); /* ours first, then theirs */
        refused(s, s->p, ZSLAB_E_DOUBLE_FREE);
        refused(s, q, ZSLAB_E_DOUBLE_FREE);
    }
    zslab_trim(s->z); /* brings gathered slots home */
    refused(s, q, ZSLAB_E_DOUBLE_FREE);
    s->p = q;
    CHECK_IS(elsewhere(s), ZSLAB_E_DOUBLE_FREE);
    s->p = keep;
}

static void wrong_size(scene *s)
{
    uint64_t calls = told.calls;
    CHECK_IS(zslab_free_sized(s->z, s->p, 0), ZSLAB_E_INVALID);
    CHECK_IS(zslab_free_sized(s->z, s->p, s->bytes + 1), ZSLAB_E_INVALID);
    CHECK_IS(zslab_free_sized(s->z, s->p, SIZE_MAX), ZSLAB_E_INVALID);
    CHECK(told.calls == calls + 3 && told.what == ZSLAB_E_INVALID);
    if (s->cls) {
        CHECK_IS(zslab_free_sized(s->z, s->p, zslab_size_class_bytes(s->z, s->cls - 1)), ZSLAB_E_INVALID);
        CHECK_IS(zslab_free_sized(s->z, s->p, zslab_size_class_bytes(s->z, s->cls - 1) + 1), ZSLAB_OK);
        s->p = (char *)take(s);
    }
    CHECK(zslab_usable_size(s->z, s->p) == s->bytes);
    CHECK(zslab_realloc(s->z, s->p, 0) == NULL && zslab_last_error() == ZSLAB_E_INVALID);
    CHECK(zslab_realloc(s->z, s->p, s->bytes) == s->p && test_filled(s->p, s->bytes, 7));
}

/* A batch frees what is right and skips what is wrong. */
static void batch_with_wrong_ones(scene *s)
{
    char *a = (char *)take(s), *b = (char *)take(s);
    void *batch[6];
    uint64_t calls = told.calls;
    batch[0] = a, batch[1] = a, batch[2] = NULL, batch[3] = &batch, batch[4] = b + 1, batch[5] = b;
    CHECK(zslab_free_batch(s->z, batch, 6) == 2);
    CHECK(told.calls == calls + 3);
    refused(s, a, ZSLAB_E_DOUBLE_FREE);
    refused(s, b, ZSLAB_E_DOUBLE_FREE);
}

/* Objects that went with their epoch, and pointers that never were any of its objects. */
static void stale(scene *s)
{
    zslab_epoch e = zslab_epoch_open(s->z, "short");
    char *p, *q;
    MUST(e && (p = (char *)zslab_malloc_epoch(s->z, s->bytes, e)) != NULL);
    CHECK_IS(zslab_epoch_reset(s->z, e), ZSLAB_OK);
    refused_by_all(s, p, ZSLAB_E_STALE);
    MUST((q = (char *)zslab_malloc_epoch(s->z, s->bytes, e)) != NULL);
    CHECK_IS(zslab_free(s->z, q), ZSLAB_OK);
    refused(s, q, ZSLAB_E_DOUBLE_FREE);
    MUST((q = (char *)zslab_malloc_epoch(s->z, s->bytes, e)) != NULL);
    CHECK_IS(zslab_epoch_release(s->z, e), ZSLAB_OK);
    refused_by_all(s, q, ZSLAB_E_STALE);
    if (s->bytes > 8) refused(s, q + 8, ZSLAB_E_MISALIGNED);
    CHECK_FAILS(zslab_malloc_epoch(s->z, s->bytes, e), ZSLAB_E_CLOSED);
}

static void bad_requests(scene *s)
{
    volatile size_t most = SIZE_MAX;
    uint64_t calls = told.calls;
    CHECK_FAILS(zslab_malloc(s->z, 0), ZSLAB_E_INVALID);
    CHECK_FAILS(zslab_malloc(s->z, s->z->range_bytes / 2 + 1), ZSLAB_E_TOO_BIG);
    CHECK_FAILS(zslab_malloc(s->z, most), ZSLAB_E_TOO_BIG);
    CHECK_FAILS(zslab_realloc(s->z, s->p, most), ZSLAB_E_TOO_BIG);
    CHECK_FAILS(zslab_calloc(s->z, most / s->bytes + 2, s->bytes), ZSLAB_E_TOO_BIG);
    CHECK_FAILS(zslab_calloc(s->z, s->bytes, 0), ZSLAB_E_INVALID);
    CHECK_FAILS(zslab_aligned_alloc(s->z, s->bytes + 1, s->bytes), ZSLAB_E_INVALID); /* odd: no power of two */
    CHECK_FAILS(zslab_aligned_alloc(s->z, 0, s->bytes), ZSLAB_E_INVALID);
    CHECK_IS(zslab_free(s->z, NULL), ZSLAB_OK);
    CHECK(told.calls == calls); /* refusals, no misuse */
}

static void scene_open(scene *s, zslab *z, size_t cls)
{
    size_t i;
    s->z = z;
    s->cls = cls;
    s->bytes = zslab_size_class_bytes(z, cls);
    s->live = s->bytes <= 1024 ? LIVE : 3;
    MUST(s->heap = zslab_heap_create(z));
    for (i = 0; i < s->live; i++) s->beside[i] = (char *)take(s);
    s->p = (char *)take(s);
}

static void scene_close(scene *s)
{
    size_t i;
    CHECK(test_live(s->z) == s->live + 1);
    for (i = 0; i < s->live; i++) give(s, s->beside[i]);
    give(s, s->p);
    zslab_heap_destroy(s->heap);
    CHECK(test_live(s->z) == 0);
}

static void every_misuse(const test_mode *m)
{
    static void (*const deeds[])(scene *) = {foreign,
                                             misaligned,
                                             slots_without_an_object,
                                             double_free,
                                             double_free_by_two,
                                             wrong_size,
                                             batch_with_wrong_ones,
                                             stale,
                                             bad_requests};
    zslab_config c = {0};
    scene s;
    zslab *z;
    size_t cls, i;
    c.on_misuse = on_misuse;
    c.misuse_user = &told;
    z = test_open(m, &c);
    memset(&s, 0, sizeof s);
    test_worker_start(&s.other);
    for (cls = 0; zslab_size_class_bytes(z, cls); cls++) {
        scene_open(&s, z, cls);
        for (i = 0; i < sizeof deeds / sizeof *deeds; i++) {
            test_at("%s, class %zu of %zu bytes, deed %zu", m->name, cls, s.bytes, i);
            deeds[i](&s);
            CHECK(test_live(z) == s.live + 1); /* clean, and nothing lost or found */
        }
        scene_close(&s);
    }
    test_worker_end(&s.other);
    test_destroy(z);
}

/* A table of unusual sizes: chunks with long tails, one slot, two slots. */
static void unusual_classes(void)
{
    static const uint32_t bytes[] = {8, 80, 1360, 2752};
    zslab_config c = {0};
    scene s;
    c.class_bytes = bytes;
    c.class_count = 4;
    c.on_misuse = on_misuse;
    c.misuse_user = &told;
    memset(&s, 0, sizeof s);
    test_at("%s", "unusual classes");
    s.z = test_create(&c);
    for (s.cls = 0; s.cls < 4; s.cls++) {
        scene_open(&s, s.z, s.cls);
        foreign(&s);
        misaligned(&s);
        slots_without_an_object(&s);
        double_free(&s);
        scene_close(&s);
    }
    test_destroy(s.z);
}

int main(void)
{
    TEST_EACH_MODE(m)
    every_misuse(m);
    unusual_classes();
    return test_summary("test_exact");
}
