/* Handles resolve exactly while their object lives: through frees, reuse, resets, changes of class, on any thread.
   usage: test_handle [generations that the longest story begins before the last one] */
/* timeout: 300 */
#include "tests/lib/test.h"

#include <pthread.h>
#if TEST_UNIX
#include <sys/wait.h>
#endif
#include <unistd.h>

/* ---- helpers ---- */

static uint64_t misuses; /* calls of the hook, atomic: threads misuse too */

static void on_misuse(void *user, zslab_result what, const void *p, zslab_handle h)
{
    (void)user, (void)what, (void)p, (void)h;
    __atomic_fetch_add(&misuses, 1, __ATOMIC_RELAXED);
}

static zslab *make(uint32_t flags, zslab_reclaim reclaim)
{
    zslab_config c = {0};
    c.flags = flags;
    c.reclaim = reclaim;
    c.on_misuse = on_misuse;
    return test_create(&c);
}

static const uint32_t modes[] = {0, ZSLAB_FLAG_HARDENED, ZSLAB_FLAG_SHARED, ZSLAB_FLAG_SHARED | ZSLAB_FLAG_HARDENED};
#define EACH_MODE(m) for (size_t m = 0; m < sizeof modes / sizeof *modes; m++)

/* Make a handle that must succeed; the object is filled, so that overlap would show. */
static zslab_handle give(zslab *z, size_t size, zslab_epoch e, void **out)
{
    void *p = NULL;
    zslab_handle h = zslab_handle_alloc(z, size, e, &p);
    MUST(h && p);
    memset(p, 0xA5, size);
    if (out) *out = p;
    return h;
}

/* The shadow: every live handle and its object. */
enum { SHADOW_MAX = 1 << 16 };
typedef struct shadow {
    zslab_handle h[SHADOW_MAX];
    void *p[SHADOW_MAX];
    size_t slot[2 * SHADOW_MAX]; /* hash: 1 + index */
    size_t count;
} shadow;

static size_t shadow_at(const shadow *s, zslab_handle h)
{
    size_t i = (size_t)((h ^ h >> 31) * 0x9E3779B97F4A7C15u >> 40) % (2 * SHADOW_MAX);
    while (s->slot[i] && s->h[s->slot[i] - 1] != h) i = (i + 1) % (2 * SHADOW_MAX);
    return i;
}

static void shadow_add(shadow *s, zslab_handle h, void *p)
{
    s->h[s->count] = h;
    s->p[s->count++] = p;
    s->slot[shadow_at(s, h)] = s->count;
}

static void *shadow_find(const shadow *s, zslab_handle h)
{
    size_t i = s->slot[shadow_at(s, h)];
    return i ? s->p[i - 1] : NULL;
}

/* What the manual says of 64 bits that are no live handle, from the public side alone. */
static zslab_result reason(const zslab *z, zslab_handle h, uint32_t ids)
{
    zslab_handle_fields f = zslab_handle_unpack(h);
    size_t bytes = zslab_size_class_bytes(z, f.size_class), slots = bytes ? ZS__CHUNK_BYTES / bytes : 0;
    if (f.size_class == ZSLAB_CLASS_LARGE) bytes = slots = 1;
    if (f.version != 1 || !bytes || f.slot >= (slots < 64 ? slots : 64) || zs__id_index(z, f.slab_id) >= ids)
        return ZSLAB_E_INVALID;
    return ZSLAB_E_STALE;
}

/* 64 bits against the shadow: get answers exactly what is live; free refuses everything else. */
static int agrees(zslab *z, const shadow *s, zslab_handle h)
{
    void *want = shadow_find(s, h);
    if (zslab_handle_get(z, h) != want) return 0;
    if (want) return 1;
    return zslab_last_error() == reason(z, h, z->id_count) && zslab_handle_free(z, h) == reason(z, h, z->id_count);
}

/* ---- format ---- */

static void golden_values(void)
{
    static const struct {
        zslab_handle_fields f;
        zslab_handle h;
    } golden[] = {
        {{0, 0, 0, 0, 1}, 1},
        {{1, 0, 0, 0, 1}, 0x0000040000000001u},
        {{0, 1, 0, 0, 1}, 0x0000000000040001u},
        {{0, 0, 1, 0, 1}, 0x0000000000000401u},
        {{0, 0, 0, 1, 1}, 0x0000000000000005u},
        {{0x3fffff, 0xffffff, 255, 255, 3}, 0xffffffffffffffffu},
        {{0x3fffff, 0, 0, 0, 0}, 0xfffffc0000000000u},
        {{0, 0xffffff, 0, 0, 0}, 0x000003fffffc0000u},
        {{0, 0, 255, 0, 0}, 0x000000000003fc00u},
        {{0, 0, 0, 255, 0}, 0x00000000000003fcu},
        {{0x2abcde, 0x123456, 63, 32, 1}, 0xaaf37848d158fc81u},
        {{0x155555, 0xaaaaaa, 42, 7, 2}, 0x555556aaaaa8a81eu},
    };
    for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) {
        zslab_handle_fields f = zslab_handle_unpack(golden[i].h);
        CHECK(zslab_handle_pack(golden[i].f) == golden[i].h);
        CHECK(f.slab_id == golden[i].f.slab_id && f.generation == golden[i].f.generation);
        CHECK(f.slot == golden[i].f.slot && f.size_class == golden[i].f.size_class && f.version == golden[i].f.version);
    }
}

static void fields_that_do_not_fit(void)
{
    const zslab_handle_fields f[] = {
        {1u << 22, 0, 0, 0, 1}, {0, 1u << 24, 0, 0, 1}, {0, 0, 256, 0, 1}, {0, 0, 0, 256, 1}, {0, 0, 0, 0, 4}};
    for (size_t i = 0; i < sizeof f / sizeof *f; i++) CHECK_FAILS(zslab_handle_pack(f[i]), ZSLAB_E_INVALID);
}

static void pack_undoes_unpack(void)
{
    uint64_t seed = 1;
    int same = 1;
    for (int i = 0; i < 100000; i++) {
        zslab_handle h = test_random(&seed);
        same &= zslab_handle_pack(zslab_handle_unpack(h)) == h;
    }
    CHECK(same);
}

/* ---- one object ---- */

static void a_handle_from_birth_to_death(uint32_t flags)
{
    zslab *z = make(flags, ZSLAB_RECLAIM_DEFAULT);
    zslab_epoch e = zslab_epoch_current(z);
    void *p, *q;
    zslab_handle h = give(z, 100, e, &p);
    zslab_handle_fields f = zslab_handle_unpack(h);
    CHECK(f.version == 1 && f.size_class == zslab_size_class_of(z, 100) && f.generation == z->first_part);
    CHECK(zslab_handle_get(z, h) == p && zslab_handle_of(z, p) == h && zslab_epoch_of(z, p) == e);
    CHECK(zslab_usable_size(z, p) == 112 && zslab_realloc(z, p, 110) == p);
    CHECK_FAILS(zslab_realloc(z, p, 200), ZSLAB_E_INVALID);
    CHECK(zslab_handle_get(z, h) == p);
    CHECK_IS(zslab_handle_free(z, h), ZSLAB_OK);
    CHECK_FAILS(zslab_handle_get(z, h), ZSLAB_E_STALE);
    misuses = 0;
    CHECK_IS(zslab_handle_free(z, h), ZSLAB_E_STALE);
    CHECK_IS(zslab_free(z, p), ZSLAB_E_DOUBLE_FREE);
    CHECK(misuses == 2);
    CHECK_FAILS(zslab_handle_of(z, p), ZSLAB_E_DOUBLE_FREE);
    q = zslab_malloc(z, 100);
    CHECK_FAILS(zslab_handle_of(z, q), ZSLAB_E_INVALID);
    CHECK_FAILS(zslab_handle_of(z, &f), ZSLAB_E_FOREIGN);
    CHECK_FAILS(zslab_handle_of(z, (char *)q + 1), ZSLAB_E_MISALIGNED);
    CHECK_IS(zslab_free(z, q), ZSLAB_OK);
    test_destroy(z);
}

static void plain_frees_of_handle_objects(uint32_t flags)
{
    zslab *z = make(flags, ZSLAB_RECLAIM_DEFAULT);
    zslab_epoch e = zslab_epoch_current(z);
    void *p[4];
    zslab_handle h[4];
    for (int i = 0; i < 4; i++) h[i] = give(z, 48, e, &p[i]);
    CHECK_IS(zslab_free(z, p[0]), ZSLAB_OK);
    CHECK_IS(zslab_free_sized(z, p[1], 48), ZSLAB_OK);
    CHECK(zslab_free_batch(z, p, 4) == 2);
    for (int i = 0; i < 4; i++) CHECK_FAILS(zslab_handle_get(z, h[i]), ZSLAB_E_STALE);
    for (int i = 0; i < 4; i++) {
        zslab_handle again = give(z, 48, e, &p[0]);
        for (int k = 0; k < 4; k++) CHECK(again != h[k] && zslab_handle_get(z, h[k]) == NULL);
    }
    test_destroy(z);
}

static void refusals(uint32_t flags)
{
    zslab *z = make(flags, ZSLAB_RECLAIM_DEFAULT);
    zslab_epoch e = zslab_epoch_open(z, NULL);
    void *p = z;
    CHECK_FAILS(zslab_handle_get(z, 0), ZSLAB_E_INVALID);
    CHECK_FAILS(zslab_handle_get(z, ~(uint64_t)0), ZSLAB_E_INVALID);
    CHECK_IS(zslab_handle_free(z, 0), ZSLAB_E_INVALID);
    CHECK_IS(zslab_handle_free(z, 1), ZSLAB_E_INVALID);
    CHECK_FAILS(zslab_handle_alloc(z, 0, e, &p), ZSLAB_E_INVALID);
    CHECK(p == NULL);
    CHECK_FAILS(zslab_handle_alloc(z, z->range_bytes / 2 + 1, e, NULL), ZSLAB_E_TOO_BIG);
    CHECK_FAILS(zslab_handle_alloc(z, SIZE_MAX, e, NULL), ZSLAB_E_TOO_BIG);
    CHECK_FAILS(zslab_handle_alloc(z, 8, ZSLAB_EPOCH_NONE, NULL), ZSLAB_E_CLOSED);
    CHECK_FAILS(zslab_handle_alloc(z, 8, e + 0x10000, NULL), ZSLAB_E_CLOSED);
    CHECK_IS(zslab_epoch_close(z, e), ZSLAB_OK);
    CHECK_FAILS(zslab_handle_alloc(z, 8, e, NULL), ZSLAB_E_CLOSED);
    CHECK(z->id_count == 0); /* nothing was touched */
    test_destroy(z);
}

/* ---- exactness ---- */

static int random_patterns(zslab *z, const shadow *s, uint64_t *seed, int count)
{
    int right = 1;
    for (int i = 0; i < count; i++) {
        uint64_t r = test_random(seed);
        zslab_handle_fields f = zslab_handle_unpack(r);
        right &= agrees(z, s, r);
        f.version = 1; /* near misses: what exists, but for the generation or the slot */
        f.slab_id = (uint32_t)(z->id_start / 32 + f.slab_id % (z->id_count + 1)) & ZS__ID_FIELD;
        f.size_class %= 33;
        f.generation = z->first_part + f.generation % 8;
        right &= agrees(z, s, zslab_handle_pack(f));
        f.slot %= 64;
        right &= agrees(z, s, zslab_handle_pack(f));
    }
    return right;
}

static int field_edges(zslab *z, const shadow *s, zslab_handle h)
{
    int right = 1;
    for (int k = 0; k < 12; k++) {
        zslab_handle_fields f = zslab_handle_unpack(h);
        if (k == 0) f.slab_id = 0;
        if (k == 1) f.slab_id = (f.slab_id + 1) & 0x3fffff;
        if (k == 2) f.slab_id = 0x3fffff;
        if (k == 3) f.generation = (f.generation + 1) & 0xffffff;
        if (k == 4) f.generation = (f.generation - 1) & 0xffffff;
        if (k == 5) f.generation = 0xffffff;
        if (k == 6) f.slot = (f.slot + 1) & 255;
        if (k == 7) f.slot = f.slot | 64;
        if (k == 8) f.slot = f.slot | 128;
        if (k == 9) f.size_class = (f.size_class + 1) & 255;
        if (k == 10) f.size_class = 255;
        if (k == 11) f.version = 2;
        right &= agrees(z, s, zslab_handle_pack(f));
    }
    return right;
}

/* Slabs full, every second slot free, or one object each; then flips, edges and random bits of all that ever lived. */
static void every_bit_counts(uint32_t flags, size_t size, size_t keep_each, uint64_t seed)
{
    enum { N = TEST_SLOWED ? 300 : 2000 };
    static zslab_handle all[N];
    zslab *z = make(flags, ZSLAB_RECLAIM_DEFAULT);
    zslab_epoch e = zslab_epoch_open(z, NULL);
    shadow *live = (shadow *)calloc(1, sizeof *live);
    int flips = 1, edges = 1;
    MUST(live);
    for (size_t i = 0; i < N; i++) all[i] = give(z, size, e, NULL);
    for (size_t i = 0; i < N; i++) {
        if (i % keep_each)
            CHECK_IS(zslab_handle_free(z, all[i]), ZSLAB_OK);
        else
            shadow_add(live, all[i], zslab_handle_get(z, all[i]));
    }
    for (size_t i = 0; i < N; i++) {
        for (int bit = 0; bit < 64; bit++) flips &= agrees(z, live, all[i] ^ (uint64_t)1 << bit);
        edges &= agrees(z, live, all[i]) && field_edges(z, live, all[i]);
    }
    CHECK(flips);
    CHECK(edges);
    CHECK(random_patterns(z, live, &seed, TEST_SLOWED ? 10000 : 100000));
    CHECK_IS(zslab_check(z, NULL, NULL), ZSLAB_OK);
    CHECK_IS(zslab_epoch_release(z, e), ZSLAB_OK);
    memset(live, 0, sizeof *live);
    for (size_t i = 0; i < N; i++) flips &= agrees(z, live, all[i]);
    CHECK(flips);
    free(live);
    test_destroy(z);
}

static void bits_that_match_nothing(void)
{
    static const size_t sizes[] = {8, 24, 64, 1000, 8192};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        every_bit_counts(0, sizes[i], 1, i);
        every_bit_counts(0, sizes[i], 2, i);
        every_bit_counts(0, sizes[i], 64, i);
    }
    every_bit_counts(ZSLAB_FLAG_HARDENED, 64, 3, 7);
    every_bit_counts(ZSLAB_FLAG_SHARED, 64, 3, 8);
}

/* A handle of one allocator means nothing in another. [ID-6] */
static void handles_of_others(void)
{
    zslab *a = make(0, ZSLAB_RECLAIM_DEFAULT), *b = make(0, ZSLAB_RECLAIM_DEFAULT);
    void *p, *q;
    zslab_handle h = give(a, 64, zslab_epoch_current(a), &p), g;
    CHECK_FAILS(zslab_handle_get(b, h), ZSLAB_E_INVALID);
    g = give(b, 64, zslab_epoch_current(b), &q);
    CHECK_FAILS(zslab_handle_get(b, h), ZSLAB_E_INVALID);
    CHECK(zslab_handle_get(b, g) == q);
    CHECK_IS(zslab_handle_free(b, g), ZSLAB_OK);
    CHECK(zslab_handle_get(a, h) == p);
    test_destroy(a);
    test_destroy(b);
}

/* ---- used-up generations ---- */

/* The slot that was freed last comes next: one slot, allocated and freed until its generations are used up. */
static uint32_t stride = 1; /* of the generations that are asked for again */
static void aba_until_a_slot_is_used_up(uint32_t flags, uint32_t begin_at)
{
    zslab *z = make(flags, ZSLAB_RECLAIM_DEFAULT);
    zslab_epoch e = zslab_epoch_current(z);
    void *p, *first;
    zslab_handle h = give(z, 64, e, &first), one = h, last = 0, old;
    zslab_handle_fields f = zslab_handle_unpack(h);
    uint32_t rounds = (1u << 24) - 1 - (begin_at ? begin_at : z->first_part), i, wrong = 0;
    CHECK_IS(zslab_handle_free(z, h), ZSLAB_OK);
    if (begin_at) { /* as if that many had been freed */
        zs__id_words(z, zs__id_index(z, f.slab_id))[f.slot] += (begin_at - 1 - z->first_part) << 8;
        rounds++;
    }
    for (i = 0; i < rounds; i++) {
        last = zslab_handle_alloc(z, 64, e, &p);
        wrong += p != first || last == h || zslab_handle_get(z, last) != p || zslab_handle_get(z, h) != NULL;
        h = last;
        wrong += zslab_handle_free(z, h) != ZSLAB_OK;
    }
    CHECK(wrong == 0);
    f = zslab_handle_unpack(last);
    CHECK(f.generation == 0xffffff && f.slab_id == zslab_handle_unpack(one).slab_id);
    CHECK(z->retired_slots == 1);
    CHECK_FAILS(zslab_handle_get(z, last), ZSLAB_E_STALE);
    CHECK_IS(zslab_free(z, first), ZSLAB_E_DOUBLE_FREE);
    for (i = 0; i < 3000000 - (begin_at ? 2990000 : 0); i++) { /* 20 million in all */
        h = zslab_handle_alloc(z, 64, e, &p);
        wrong += p == first || zslab_handle_get(z, h) != p || zslab_handle_free(z, h) != ZSLAB_OK;
    }
    CHECK(wrong == 0);
    for (f.generation = 0; f.generation < 1u << 24; f.generation += stride) { /* none ever issued resolves or frees */
        old = zslab_handle_pack(f);
        wrong += zslab_handle_get(z, old) != NULL;
        wrong += f.generation / stride % 4096 == 0 && zslab_handle_free(z, old) == ZSLAB_OK;
    }
    CHECK(wrong == 0);
    CHECK_IS(zslab_check(z, NULL, NULL), ZSLAB_OK);

    /* the memory is not lost: a new round gives the slab another id */
    CHECK(z->retired_ids == 0);
    CHECK_IS(zslab_epoch_reset(z, e), ZSLAB_OK);
    for (i = 0, p = NULL; i < 5000 && p != first; i++) h = give(z, 64, e, &p);
    CHECK(p == first && zslab_handle_unpack(h).slab_id != zslab_handle_unpack(one).slab_id);
    CHECK(z->retired_ids == 1 && zslab_handle_get(z, one) == NULL && zslab_handle_get(z, last) == NULL);
    test_destroy(z);
}

/* A retired slot never comes home, and neither drains nor releases wait for it. [ID-4] */
static void retired_slots_and_closing(uint32_t flags, zslab_reclaim reclaim)
{
    zslab *z = make(flags, reclaim);
    for (int round = 0; round < 20; round++) {
        zslab_epoch e = zslab_epoch_open(z, NULL);
        zslab_handle h[100];
        for (int i = 0; i < 100; i++) {
            h[i] = give(z, 200, e, NULL);
            if (i % 3 == 0) { /* its next free is the last */
                zslab_handle_fields f = zslab_handle_unpack(h[i]);
                zs__id_words(z, zs__id_index(z, f.slab_id))[f.slot] += (0xffffffu - f.generation) << 8;
                f.generation = 0xffffff;
                h[i] = zslab_handle_pack(f);
            }
        }
        for (int i = 0; i < 50; i++) CHECK_IS(zslab_handle_free(z, h[i]), ZSLAB_OK);
        CHECK_IS(zslab_check(z, NULL, NULL), ZSLAB_OK);
        CHECK_IS(zslab_epoch_close(z, e), ZSLAB_OK);
        CHECK(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSING);
        for (int i = 50; i < 100; i++) CHECK_IS(zslab_handle_free(z, h[i]), ZSLAB_OK);
        CHECK(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSED);
        CHECK(z->retired_slots == 34u * ((unsigned)round + 1));
        for (int i = 0; i < 100; i++) CHECK(zslab_handle_get(z, h[i]) == NULL);
        zslab_trim(z);
        CHECK_IS(zslab_check(z, NULL, NULL), ZSLAB_OK);
    }
    test_destroy(z);
}

/* ---- epochs ---- */

static void ends_of_epochs(uint32_t flags, zslab_reclaim reclaim)
{
    enum { N = 3000 };
    static zslab_handle old[6][N];
    zslab *z = make(flags, reclaim);
    zslab_epoch e = zslab_epoch_open(z, NULL), other = zslab_epoch_open(z, NULL);
    zslab_handle keep = give(z, 64, other, NULL);
    void *kept = zslab_handle_get(z, keep);
    int wrong = 0;
    for (int round = 0; round < 6; round++) {
        for (int i = 0; i < N; i++) old[round][i] = give(z, i % 2 ? 64 : 500, e, NULL);
        for (int i = 0; i < N; i += 5) wrong += zslab_handle_free(z, old[round][i]) != ZSLAB_OK;
        for (int i = 0; i < N; i++) wrong += (zslab_handle_get(z, old[round][i]) != NULL) != (i % 5 != 0);
        if (round % 2) {
            CHECK_IS(zslab_epoch_release(z, e), ZSLAB_OK);
            e = zslab_epoch_open(z, NULL);
        } else {
            CHECK_IS(zslab_epoch_reset(z, e), ZSLAB_OK);
        }
        for (int r = 0; r <= round; r++) {
            for (int i = 0; i < N; i++) wrong += zslab_handle_get(z, old[r][i]) != NULL;
            wrong += zslab_handle_free(z, old[r][1]) != ZSLAB_E_STALE;
        }
        CHECK_IS(zslab_check(z, NULL, NULL), ZSLAB_OK);
    }
    CHECK(wrong == 0);
    CHECK(zslab_handle_get(z, keep) == kept);
    CHECK_IS(zslab_epoch_close(z, other), ZSLAB_OK);
    CHECK(zslab_handle_get(z, keep) == kept); /* a closing epoch keeps its objects */
    CHECK_IS(zslab_handle_free(z, keep), ZSLAB_OK);
    CHECK(zslab_epoch_state_of(z, other) == ZSLAB_EPOCH_CLOSED);
    test_destroy(z);
}

/* Generations rise when a slab serves handles again in a new round, not with every reset: of a slot that was free by
   one, of one with an object by two, as if it had been freed first. */
static void resets_without_handles_use_nothing_up(void)
{
    zslab *z = make(0, ZSLAB_RECLAIM_LATENCY);
    zslab_epoch e = zslab_epoch_open(z, NULL);
    zslab_handle_fields was = zslab_handle_unpack(give(z, 8192, e, NULL)), now;
    for (int i = 0; i < 100; i++) {
        CHECK(zslab_malloc_epoch(z, 8192, e) != NULL);
        CHECK_IS(zslab_epoch_reset(z, e), ZSLAB_OK);
    }
    now = zslab_handle_unpack(give(z, 8192, e, NULL));
    CHECK(now.slab_id == was.slab_id && now.slot == was.slot && now.generation == was.generation + 2);
    CHECK(z->id_count == 1);
    test_destroy(z);
}

/* When a slot's generations are used up, the id retires; the memory serves on under another. */
static void an_id_is_used_up_by_resets(void)
{
    zslab *z = make(0, ZSLAB_RECLAIM_LATENCY);
    zslab_epoch e = zslab_epoch_open(z, NULL);
    void *p, *q;
    zslab_handle h = give(z, 8192, e, &p), g;
    uint32_t freed = 0xfffffd - z->first_part;
    zs__id_words(z, 0)[zslab_handle_unpack(h).slot] += freed << 8; /* as if it had been that often */
    h += (uint64_t)freed << 18;
    CHECK(zslab_handle_get(z, h) == p);
    CHECK_IS(zslab_epoch_reset(z, e), ZSLAB_OK);
    g = give(z, 8192, e, &q);
    CHECK(q == p && zslab_handle_unpack(g).generation == 0xffffff && !zs__id_index(z, zslab_handle_unpack(g).slab_id));
    CHECK(zslab_handle_get(z, h) == NULL);
    CHECK_IS(zslab_epoch_reset(z, e), ZSLAB_OK);
    h = give(z, 8192, e, &q);
    CHECK(q == p && zslab_handle_unpack(h).generation == z->first_part);
    CHECK(zs__id_index(z, zslab_handle_unpack(h).slab_id) == 1);
    CHECK(zslab_handle_get(z, g) == NULL && z->retired_ids == 1);
    test_destroy(z);
}

/* ---- the registry ---- */

/* Two chunks that move between classes: an id stays with its class, and is used again by it. [ID-2] */
static void ids_return_to_their_class(void)
{
    zslab_config c = {0};
    zslab *z;
    zslab_epoch e;
    static uint32_t class_of_id[1 << 16];
    zslab_handle old[64], h;
    uint64_t seed = 5;
    uint32_t most = 0;
    int wrong = 0, olds = 0;
    c.reserve_bytes = 4 * ZS__CHUNK_BYTES;
    c.cache_bytes = ZSLAB_CACHE_NONE;
    z = test_create(&c);
    e = zslab_epoch_current(z);
    memset(class_of_id, 0xff, sizeof class_of_id);
    for (int round = 0; round < 2000; round++) {
        size_t size = 512u << test_random(&seed) % 5, made = 0;
        zslab_handle mine[256];
        while (made < 256 && (h = zslab_handle_alloc(z, size, e, NULL)) != 0) {
            zslab_handle_fields f = zslab_handle_unpack(h);
            f.slab_id = (uint32_t)zs__id_index(z, f.slab_id);
            wrong += class_of_id[f.slab_id] != f.size_class && class_of_id[f.slab_id] != 0xffffffff;
            class_of_id[f.slab_id] = f.size_class;
            most = f.slab_id > most ? f.slab_id : most;
            mine[made++] = h;
        }
        wrong += made == 0;
        if (olds < 64) old[olds++] = mine[0];
        while (made) wrong += zslab_handle_free(z, mine[--made]) != ZSLAB_OK;
        for (int i = 0; i < olds; i++) wrong += zslab_handle_get(z, old[i]) != NULL;
        zslab_trim(z); /* chunks go to the pool, for any class */
    }
    CHECK(wrong == 0);
    CHECK(most < 2 * 4 * (2 + 1 + 1 + 1 + 1)); /* 128 slots a chunk are two slabs; five classes, four chunks */
    test_destroy(z);
}

/* Entries whose handles have all gone lose their memory; no old handle resolves under those that come after. [ID-5] */
static void handles_of_entries_whose_memory_went(uint32_t flags)
{
    enum { MANY = 20000, ROUNDS = 4 };
    static zslab_handle h[ROUNDS][MANY];
    zslab *z = make(flags, ZSLAB_RECLAIM_RSS);
    int round, before, i, wrong = 0;
    for (round = 0; round < ROUNDS; round++) {
        zslab_epoch e = zslab_epoch_open(z, NULL);
        for (i = 0; i < MANY; i++) h[round][i] = give(z, 16, e, NULL);
        for (before = 0; before < round; before++)
            for (i = 0; i < MANY; i++)
                wrong += zslab_handle_get(z, h[before][i]) != NULL || zslab_handle_free(z, h[before][i]) == ZSLAB_OK;
        CHECK_IS(zslab_epoch_release(z, e), ZSLAB_OK);
        zslab_trim(z);
        CHECK(z->blank_pages != 0 && z->blank_ids != 0);
    }
    CHECK(wrong == 0);
    test_destroy(z);
}

static void the_registry_is_used_up(uint32_t flags)
{
    zslab *z = make(flags, ZSLAB_RECLAIM_LATENCY);
    zslab_epoch e = zslab_epoch_open(z, NULL);
    zslab_handle h[200];
    void *p, *plain;
    int made = 0;
    z->id_limit = 8; /* the seam: room for eight slabs, a power of two */
    for (; made < 200 && (h[made] = zslab_handle_alloc(z, 8192, e, &p)) != 0; made++)
        CHECK(zslab_handle_get(z, h[made]) == p);
    CHECK(made == 64); /* eight slots a slab */
    CHECK(p == NULL && zslab_last_error() == ZSLAB_E_LIMIT);
    plain = zslab_malloc_epoch(z, 8192, e);
    CHECK(plain != NULL); /* objects without handles need no id */
    CHECK_FAILS(zslab_handle_alloc(z, 64, e, NULL), ZSLAB_E_LIMIT);
    CHECK_IS(zslab_check(z, NULL, NULL), ZSLAB_OK);
    for (int i = 0; i < made; i++) CHECK(zslab_handle_get(z, h[i]) != NULL);
    CHECK_IS(zslab_handle_free(z, h[0]), ZSLAB_OK);
    if (!z->guarded) CHECK(zslab_handle_alloc(z, 8192, e, NULL) != 0); /* the slot freed last */
    CHECK_IS(zslab_epoch_release(z, e), ZSLAB_OK);
    e = zslab_epoch_open(z, NULL); /* chunks in other hands still hold the ids: they are found */
    for (made = 0; made < 64 && zslab_handle_alloc(z, 8192, e, NULL); made++) {
    }
    CHECK(made == 64);
    test_destroy(z);
}

/* Ids that empty chunks in the pool still hold are found before a handle is refused. */
static void ids_come_back_from_the_pool(void)
{
    zslab_config c = {0};
    zslab *z;
    zslab_epoch e;
    void *p[128];
    uint32_t held = 0, n = 0;
    c.cache_bytes = ZSLAB_CACHE_NONE;
    z = test_create(&c);
    e = zslab_epoch_current(z);
    z->id_limit = 8;
    for (; n < 64; n++) give(z, 8192, e, &p[n]);
    for (; n < 128; n++) p[n] = zslab_malloc(z, 7168);
    for (n = 0; n < 64; n++) CHECK_IS(zslab_free(z, p[n]), ZSLAB_OK);
    zslab_thread_detach(z);
    for (; n < 128; n++) CHECK_IS(zslab_free(z, p[n]), ZSLAB_OK);
    zslab_thread_detach(z); /* chunks without ids are the pool's uppermost now */
    for (n = z->pool; n; n = z->cold[n - 1].all_next) held += z->cold[n - 1].ids;
    CHECK(held == 8 && z->class_ids[zslab_size_class_of(z, 8192)] == 0 && z->cold[z->pool - 1].ids == 0);
    for (n = 0; n < 64; n++) give(z, 8192, e, &p[n]);
    CHECK(z->id_count == 8);
    test_destroy(z);
}

/* ---- threads ---- */

typedef struct duel {
    zslab *z;
    pthread_barrier_t at;
    zslab_handle h;
    void *p;
    int rounds, by_pointer;
    zslab_result got[2];
    uint64_t wrong;
} duel;

static void *duel_second(void *arg)
{
    duel *d = (duel *)arg;
    for (int i = 0; i < d->rounds; i++) {
        pthread_barrier_wait(&d->at);
        d->got[1] = d->by_pointer && i % 2 ? zslab_free(d->z, d->p) : zslab_handle_free(d->z, d->h);
        pthread_barrier_wait(&d->at);
    }
    return NULL;
}

/* Two threads free one object at the same time, by handle or by pointer: one wins, and the slot comes home once. */
static void two_frees_at_once(uint32_t flags, int by_pointer)
{
    duel d = {0};
    pthread_t t;
    int wins[2] = {0, 0}, wrong = 0;
    d.z = make(flags, ZSLAB_RECLAIM_DEFAULT);
    d.rounds = TEST_SLOWED ? 500 : 3000;
    d.by_pointer = by_pointer;
    pthread_barrier_init(&d.at, NULL, 2);
    MUST(pthread_create(&t, NULL, duel_second, &d) == 0);
    for (int i = 0; i < d.rounds; i++) {
        d.h = zslab_handle_alloc(d.z, 64, zslab_epoch_current(d.z), &d.p);
        pthread_barrier_wait(&d.at);
        d.got[0] = zslab_handle_free(d.z, d.h);
        pthread_barrier_wait(&d.at);
        wins[0] += d.got[0] == ZSLAB_OK;
        wins[1] += d.got[1] == ZSLAB_OK;
        wrong += (d.got[0] == ZSLAB_OK) == (d.got[1] == ZSLAB_OK);
        wrong += zslab_handle_get(d.z, d.h) != NULL;
    }
    pthread_join(t, NULL);
    pthread_barrier_destroy(&d.at);
    CHECK(wrong == 0 && wins[0] + wins[1] == d.rounds);
    test_destroy(d.z);
}

enum { BOARD = 256 };
typedef struct board { /* entities that some threads replace while others look them up */
    zslab *z;
    zs__u64 cell[BOARD]; /* zslab_handle, atomic */
    int stop;
    uint64_t seen, wrong;
} board;

static void *board_reader(void *arg)
{
    board *b = (board *)arg;
    uint64_t seed = (uintptr_t)&seed, seen = 0, wrong = 0;
    for (int i = 0; i < 10000 || !__atomic_load_n(&b->stop, __ATOMIC_RELAXED); i += i < 10000) { /* some at the end */
        zslab_handle h = __atomic_load_n(&b->cell[test_random(&seed) % BOARD], __ATOMIC_ACQUIRE);
        char *p = (char *)zslab_handle_get(b->z, h);
        if (p) wrong += (size_t)(p - b->z->base) % 64 != 0 || (size_t)(p - b->z->base) >= b->z->range_bytes;
        seen += p != NULL;
    }
    __atomic_fetch_add(&b->seen, seen, __ATOMIC_RELAXED);
    __atomic_fetch_add(&b->wrong, wrong, __ATOMIC_RELAXED);
    return NULL;
}

static void *board_writer(void *arg)
{
    board *b = (board *)arg;
    uint64_t seed = (uintptr_t)&seed, wrong = 0;
    zslab_epoch e = zslab_epoch_current(b->z);
    for (int i = 0; i < (TEST_SLOWED ? 10000 : 300000); i++) {
        void *p;
        zslab_handle h = zslab_handle_alloc(b->z, 64, e, &p), old;
        wrong += zslab_handle_get(b->z, h) != p;
        old = __atomic_exchange_n(&b->cell[test_random(&seed) % BOARD], h, __ATOMIC_ACQ_REL);
        if (old) wrong += zslab_handle_free(b->z, old) != ZSLAB_OK || zslab_handle_get(b->z, old) != NULL;
    }
    __atomic_fetch_add(&b->wrong, wrong, __ATOMIC_RELAXED);
    return NULL;
}

static void lookups_while_entities_change(uint32_t flags)
{
    board b;
    pthread_t t[4];
    size_t live = 0;
    memset(&b, 0, sizeof b);
    b.z = make(flags, ZSLAB_RECLAIM_DEFAULT);
    for (int i = 0; i < 4; i++) MUST(pthread_create(&t[i], NULL, i < 2 ? board_writer : board_reader, &b) == 0);
    for (int i = 0; i < 2; i++) pthread_join(t[i], NULL);
    __atomic_store_n(&b.stop, 1, __ATOMIC_RELAXED);
    for (int i = 2; i < 4; i++) pthread_join(t[i], NULL);
    CHECK(b.wrong == 0);
    CHECK(b.seen > 0);
    for (int i = 0; i < BOARD; i++) live += zslab_handle_get(b.z, b.cell[i]) != NULL;
    for (int i = 0; i < BOARD; i++) b.wrong += b.cell[i] && zslab_handle_free(b.z, b.cell[i]) != ZSLAB_OK;
    CHECK(b.wrong == 0 && live > BOARD / 2);
    test_destroy(b.z);
}

enum { ISSUED = 10000 }; /* by each of two threads: over 300 slabs, so that the registry grows while the other issues */
typedef struct issuer {
    zslab *z;
    uint64_t wrong;
    zslab_handle h[ISSUED];
    void *p[ISSUED];
} issuer;

static void *issue(void *arg)
{
    issuer *s = (issuer *)arg;
    for (int i = 0; i < ISSUED; i++) {
        s->h[i] = zslab_handle_alloc(s->z, 16, zslab_epoch_current(s->z), &s->p[i]);
        s->wrong += zslab_handle_of(s->z, s->p[i]) != s->h[i];
    }
    for (int i = 0; i < ISSUED; i++) s->wrong += !s->h[i] || zslab_handle_get(s->z, s->h[i]) != s->p[i];
    return NULL;
}

static void the_registry_grows_meanwhile(uint32_t flags)
{
    static issuer s[2];
    pthread_t t[2];
    memset(s, 0, sizeof s);
    s[0].z = s[1].z = make(flags, ZSLAB_RECLAIM_DEFAULT);
    for (int i = 0; i < 2; i++) MUST(pthread_create(&t[i], NULL, issue, &s[i]) == 0);
    for (int i = 0; i < 2; i++) pthread_join(t[i], NULL);
    CHECK(s[0].wrong == 0 && s[1].wrong == 0);
    CHECK(s[0].z->id_count > 256);
    for (int i = 0; i < ISSUED; i++) CHECK_IS(zslab_handle_free(s[0].z, s[i & 1].h[i]), ZSLAB_OK);
    test_destroy(s[0].z);
}

/* ---- heaps, buffers, failures, forks ---- */

static void handles_from_explicit_heaps(uint32_t flags)
{
    zslab *z = make(flags, ZSLAB_RECLAIM_DEFAULT);
    zslab_heap *heap = zslab_heap_create(z);
    zslab_epoch e = zslab_epoch_open(z, NULL);
    void *p, *q;
    zslab_handle h = zslab_heap_handle_alloc(heap, 64, e, &p), g = zslab_heap_handle_alloc(heap, 64, e, &q);
    CHECK(h && g && h != g && zslab_handle_get(z, h) == p && zslab_handle_of(z, q) == g);
    CHECK_IS(zslab_heap_free(heap, p), ZSLAB_OK);
    CHECK_IS(zslab_handle_free(z, h), ZSLAB_E_STALE);
    CHECK_IS(zslab_handle_free(z, g), ZSLAB_OK);
    CHECK_FAILS(zslab_heap_handle_alloc(heap, 0, e, &p), ZSLAB_E_INVALID);
    CHECK_IS(zslab_epoch_release(z, e), ZSLAB_OK);
    CHECK_FAILS(zslab_heap_handle_alloc(heap, 64, e, &p), ZSLAB_E_CLOSED);
    zslab_heap_destroy(heap);
    test_destroy(z);
}

static void handles_in_a_buffer(uint32_t flags)
{
    enum { BYTES = 1 << 20 };
    zslab_config c = {0};
    char *memory = (char *)malloc(BYTES);
    zslab *z;
    zslab_handle h[1000];
    size_t made = 0, again = 0;
    MUST(memory);
    c.memory = memory;
    c.memory_bytes = BYTES;
    c.flags = flags;
    c.reclaim = ZSLAB_RECLAIM_LATENCY;
    z = test_create(&c);
    for (; made < 1000 && (h[made] = zslab_handle_alloc(z, 1024, zslab_epoch_current(z), NULL)) != 0; made++) {
        char *p = (char *)zslab_handle_get(z, h[made]);
        CHECK(p >= memory && p + 1024 <= memory + BYTES);
        memset(p, 0xff, 1024); /* nothing of the registry lies in objects */
    }
    CHECK(made > 300);
    for (size_t i = 0; i < made; i += 2) CHECK_IS(zslab_handle_free(z, h[i]), ZSLAB_OK);
    for (size_t i = 0; i < made; i++) CHECK((zslab_handle_get(z, h[i]) != NULL) == (i % 2 != 0));
    while (again < made && zslab_handle_alloc(z, 1024, zslab_epoch_current(z), NULL)) again++;
    CHECK(again == (made + 1) / 2);
    test_destroy(z);
    free(memory);
}

static int commits_left;
static int commit_some(void *user, void *p, size_t bytes)
{
    (void)user;
    return commits_left-- > 0 ? zs__os_commit(NULL, p, bytes) : -1;
}
static void *hook_reserve(void *user, size_t bytes, size_t alignment) { return zs__os_reserve(user, bytes, alignment); }
static int hook_purge(void *user, void *p, size_t bytes) { return zs__os_purge(user, p, bytes); }
static void hook_release(void *user, void *p, size_t bytes) { zs__os_release(user, p, bytes); }

/* The first handle at every point where memory runs out: refused with a reason, nothing lost, and later it works. */
static void memory_runs_out(uint32_t flags)
{
    enum { COMMITS = 400 }; /* more than a first handle asks for */
    int refused = 0;
    for (int n = 0; n < COMMITS; n++) {
        zslab_config c = {0};
        zslab *z;
        zslab_handle h;
        void *p;
        c.flags = flags;
        c.os.reserve = hook_reserve, c.os.commit = commit_some, c.os.purge = hook_purge, c.os.release = hook_release;
        commits_left = 1 << 20;
        z = test_create(&c);
        commits_left = n;
        h = zslab_handle_alloc(z, 64, zslab_epoch_current(z), &p);
        if (!h) {
            CHECK(p == NULL && zslab_last_error() == ZSLAB_E_NOMEM);
            refused++;
        }
        commits_left = 1 << 20;
        CHECK_IS(zslab_check(z, NULL, NULL), ZSLAB_OK);
        if (!h) h = give(z, 64, zslab_epoch_current(z), &p);
        CHECK(zslab_handle_get(z, h) == p);
        CHECK_IS(zslab_handle_free(z, h), ZSLAB_OK);
        test_destroy(z);
    }
    CHECK(refused > 2 && refused < COMMITS);
}

static void in_a_forked_child(uint32_t flags)
{
#if TEST_UNIX
    zslab *z = make(flags, ZSLAB_RECLAIM_DEFAULT);
    void *p, *q;
    zslab_handle h = give(z, 64, zslab_epoch_current(z), &p), g;
    int status = 1;
    pid_t child = fork();
    if (!child) {
        int bad = zslab_handle_get(z, h) != p || zslab_handle_free(z, h) != ZSLAB_OK || zslab_handle_get(z, h) != NULL;
        g = zslab_handle_alloc(z, 64, zslab_epoch_current(z), &q);
        bad |= !g || zslab_handle_get(z, g) != q || zslab_check(z, NULL, NULL) != ZSLAB_OK;
        test_leave(bad);
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
    CHECK(zslab_handle_get(z, h) == p);
    test_destroy(z);
#else
    (void)flags;
#endif
}

static int visit_handle(void *user, const zslab_visit *v)
{
    zslab *z = *(zslab **)user;
    CHECK(v->handle ? zslab_handle_get(z, v->handle) == v->p : zslab_handle_of(z, v->p) == 0);
    ((size_t *)user)[1 + (v->handle != 0)]++;
    return 0;
}

static void check_shows_handles(uint32_t flags)
{
    struct {
        zslab *z;
        size_t plain, handles;
    } seen = {make(flags, ZSLAB_RECLAIM_DEFAULT), 0, 0};
    for (int i = 0; i < 200; i++) {
        if (i % 4)
            give(seen.z, 40, zslab_epoch_current(seen.z), NULL);
        else
            CHECK(zslab_malloc(seen.z, 40) != NULL); /* side by side in one slab */
    }
    CHECK_IS(zslab_check(seen.z, visit_handle, &seen), ZSLAB_OK);
    CHECK(seen.plain == 50 && seen.handles == 150);
    *zs__id_words(seen.z, 0) ^= 1; /* a word that lies about its slot is found */
    CHECK_IS(zslab_check(seen.z, NULL, NULL), ZSLAB_E_CORRUPT);
    *zs__id_words(seen.z, 0) ^= 1;
    test_destroy(seen.z);
}

/* ---- allocators beside and after each other ---- */

/* The first handles of many allocators: none is another's, whichever lives and wherever it stands. */
static void handles_of_other_allocators(uint32_t flags)
{
    enum { AFTER = 300, EACH = 400 };
    static zslab_handle h[AFTER][EACH];
    zslab *z, *beside = make(flags, ZSLAB_RECLAIM_DEFAULT);
    zslab_handle own[EACH];
    int round, i, wrong = 0;
    for (i = 0; i < EACH; i++) own[i] = give(beside, 64, zslab_epoch_current(beside), NULL);
    for (round = 0; round < AFTER; round++) {
        int before;
        z = make(flags, ZSLAB_RECLAIM_DEFAULT);
        for (i = 0; i < EACH; i++) h[round][i] = give(z, 64, zslab_epoch_current(z), NULL);
        for (before = round - 1; before >= 0 && before >= round - 20; before--)
            for (i = 0; i < EACH; i++) {
                wrong += zslab_handle_get(z, h[before][i]) != NULL;
                wrong += zslab_handle_free(z, h[before][i]) == ZSLAB_OK;
            }
        for (i = 0; i < EACH; i++) {
            wrong += zslab_handle_get(z, own[i]) != NULL || zslab_handle_get(beside, h[round][i]) != NULL;
            wrong += zslab_handle_free(z, own[i]) == ZSLAB_OK || zslab_handle_free(beside, h[round][i]) == ZSLAB_OK;
        }
        CHECK(test_live(z) == EACH);
        test_destroy(z);
    }
    CHECK(wrong == 0 && test_live(beside) == EACH);
    test_destroy(beside);
}

/* Objects, handles, epochs and classes at random against the shadow of what lives. */
static void a_random_life(uint32_t flags, zslab_reclaim reclaim, uint64_t seed)
{
    enum { LIVE = 3000, EPOCHS = 4 };
    static struct {
        zslab_handle h;
        void *p;
        int in;
    } live[LIVE];
    static zslab_handle dead[LIVE];
    zslab *z = make(flags, reclaim);
    zslab_epoch e[EPOCHS];
    int wrong = 0;
    memset(live, 0, sizeof live);
    memset(dead, 0, sizeof dead);
    for (int i = 0; i < EPOCHS; i++) e[i] = zslab_epoch_open(z, NULL);
    for (int step = 0; step < (TEST_SLOWED ? 10000 : 200000); step++) {
        uint64_t r = test_random(&seed);
        size_t i = (size_t)(r % LIVE);
        int k = (int)((r >> 20) % EPOCHS);
        if (r >> 30 & 0xfff) {
            if (live[i].p) {
                wrong += live[i].h && zslab_handle_get(z, live[i].h) != live[i].p;
                int by_handle = live[i].h && r >> 50 & 1;
                wrong += (by_handle ? zslab_handle_free(z, live[i].h) : zslab_free(z, live[i].p)) != ZSLAB_OK;
                dead[i] = live[i].h;
                live[i].p = NULL;
            } else {
                size_t size = 1 + (size_t)((r >> 44) % 700);
                live[i].in = k;
                live[i].h = r >> 60 ? zslab_handle_alloc(z, size, e[k], &live[i].p) : 0;
                if (!live[i].h) live[i].p = zslab_malloc_epoch(z, size, e[k]);
                wrong += !live[i].p;
            }
            wrong += dead[i] && zslab_handle_get(z, dead[i]) != NULL;
        } else {
            for (i = 0; i < LIVE; i++)
                if (live[i].p && live[i].in == k) {
                    dead[i] = live[i].h;
                    live[i].p = NULL;
                }
            if (r >> 50 & 1) {
                wrong += zslab_epoch_release(z, e[k]) != ZSLAB_OK;
                e[k] = zslab_epoch_open(z, NULL);
            } else {
                wrong += zslab_epoch_reset(z, e[k]) != ZSLAB_OK;
            }
            for (i = 0; i < LIVE; i++) {
                wrong += dead[i] && zslab_handle_get(z, dead[i]) != NULL;
                wrong += live[i].p && live[i].h && zslab_handle_get(z, live[i].h) != live[i].p;
            }
            wrong += zslab_check(z, NULL, NULL) != ZSLAB_OK;
        }
    }
    CHECK(wrong == 0);
    test_destroy(z);
}

int main(int argc, char **argv)
{
    uint64_t generations = test_amount(argc, argv, 0x1000000);
    stride = generations < 0x1000000 ? TEST_SLOWED ? 1021 : 61 : 1;
    golden_values();
    fields_that_do_not_fit();
    pack_undoes_unpack();
    EACH_MODE(m)
    {
        a_handle_from_birth_to_death(modes[m]);
        plain_frees_of_handle_objects(modes[m]);
        refusals(modes[m]);
        retired_slots_and_closing(modes[m], ZSLAB_RECLAIM_LATENCY);
        retired_slots_and_closing(modes[m], ZSLAB_RECLAIM_RSS);
        ends_of_epochs(modes[m], ZSLAB_RECLAIM_LATENCY);
        ends_of_epochs(modes[m], ZSLAB_RECLAIM_RSS);
        handles_of_entries_whose_memory_went(modes[m]);
        the_registry_is_used_up(modes[m]);
        two_frees_at_once(modes[m], 0);
        two_frees_at_once(modes[m], 1);
        lookups_while_entities_change(modes[m]);
        the_registry_grows_meanwhile(modes[m]);
        handles_from_explicit_heaps(modes[m]);
        handles_in_a_buffer(modes[m]);
        memory_runs_out(modes[m]);
        if (!TEST_SANITIZED) in_a_forked_child(modes[m]);
        check_shows_handles(modes[m]);
        a_random_life(modes[m], ZSLAB_RECLAIM_LATENCY, m);
        a_random_life(modes[m], ZSLAB_RECLAIM_RSS, m + 10);
    }
    bits_that_match_nothing();
    handles_of_others();
    resets_without_handles_use_nothing_up();
    an_id_is_used_up_by_resets();
    ids_return_to_their_class();
    if (!ZSLAB_NO_TLS) ids_come_back_from_the_pool();
    EACH_MODE(m)
    {
        if (!(modes[m] & ZSLAB_FLAG_HARDENED) || modes[m] & ZSLAB_FLAG_SHARED) /* owned hardened heaps shuffle */
            aba_until_a_slot_is_used_up(modes[m], 0xfff000);
    }
    handles_of_other_allocators(0);
    handles_of_other_allocators(ZSLAB_FLAG_SHARED);
    if (!TEST_SANITIZED) aba_until_a_slot_is_used_up(0, (uint32_t)(0x1000000 - generations));
    return test_summary("test_handle");
}
