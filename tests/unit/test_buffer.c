/* A caller's buffer: nothing outside it is written, the documented minimum works at every alignment, a smaller one is
   refused. */
#include "tests/lib/test.h"

#define GUARD 4096
static unsigned char *block; /* guard, buffer, guard */

static unsigned char *buffer_of(size_t bytes, size_t shift) /* ends `shift` bytes before the back guard's end */
{
    free(block);
    MUST(block = (unsigned char *)malloc(2 * GUARD + bytes + 128));
    memset(block, 0x5a, 2 * GUARD + bytes + 128);
    return block + GUARD + shift;
}

static int guards_intact(size_t bytes, size_t shift)
{
    size_t i, all = 2 * GUARD + bytes + 128;
    for (i = 0; i < GUARD + shift; i++)
        if (block[i] != 0x5a) return 0;
    for (i = GUARD + shift + bytes; i < all; i++)
        if (block[i] != 0x5a) return 0;
    return 1;
}

static zslab *open_in(unsigned char *buffer, size_t bytes, const zslab_config *with)
{
    zslab_config c = {0};
    if (with) c = *with;
    c.memory = buffer;
    c.memory_bytes = bytes;
    return zslab_create(&c);
}

/* Everything it can do, until it is full and empty again; returns the most objects held at once. */
static size_t exercise(zslab *z)
{
    static struct {
        void *p;
        size_t bytes;
    } held[200000];
    size_t n = 0, most = 0, i, round;
    uint64_t seed = 6;
    for (round = 0; round < 3; round++) {
        zslab_epoch e;
        for (n = 0; n < 200000; n++) {
            held[n].bytes = 1 + (size_t)(test_random(&seed) % (round == 1 ? 16 : 700));
            if (!(held[n].p = zslab_malloc(z, held[n].bytes))) break;
            test_fill(held[n].p, held[n].bytes, n);
        }
        CHECK(n == 200000 || zslab_last_error() == ZSLAB_E_NOMEM || zslab_last_error() == ZSLAB_E_LIMIT);
        most = n > most ? n : most;
        CHECK(test_live(z) == n);
        for (i = 0; i < n; i++) {
            CHECK(test_filled(held[i].p, held[i].bytes, i));
            CHECK_IS(zslab_free(z, held[i].p), ZSLAB_OK);
        }
        zslab_trim(z);
        if ((e = zslab_epoch_open(z, "buffer")) != ZSLAB_EPOCH_NONE) {
            (void)zslab_malloc_epoch(z, 100, e);
            CHECK_IS(zslab_epoch_release(z, e), ZSLAB_OK);
        }
    }
    CHECK(test_live(z) == 0);
    return most;
}

static void *exercise_thread(void *z)
{
    exercise((zslab *)z);
    return NULL;
}

/* One MiB, as a program without an operating system would give it; two threads, one after the other. */
static void one_mebibyte(uint32_t flags)
{
    size_t bytes = (size_t)1 << (ZSLAB_CHUNK_SHIFT > 16 ? 25 : 20), shift;
    zslab_config c = {0};
    c.flags = flags;
    for (shift = 0; shift < 128; shift += TEST_SLOWED ? 61 : 13) {
        unsigned char *buffer = buffer_of(bytes, shift);
        zslab *z = open_in(buffer, bytes, &c);
        MUST(z);
        CHECK((unsigned char *)z >= buffer && z->base + z->range_bytes <= (char *)buffer + bytes);
        CHECK(exercise(z) > 500);
        test_in_thread(exercise_thread, z);
        CHECK_IS(zslab_free(z, buffer + bytes), ZSLAB_E_FOREIGN);
        CHECK_IS(zslab_free(z, buffer - 1), ZSLAB_E_FOREIGN);
        test_destroy(z);
        CHECK(guards_intact(bytes, shift));
    }
}

/* The documented minimum: enough for an object of every class, one after the other, and for one in a second epoch,
   wherever the buffer begins. */
static void the_minimum(const zslab_config *c)
{
    size_t least = zslab_buffer_bytes_min(c), shift, cls, size;
    CHECK(least > ZS__CHUNK_BYTES);
    for (shift = 0; shift < 128; shift += TEST_SLOWED ? 7 : 1) {
        zslab *z = open_in(buffer_of(least, shift), least, c);
        if (!CHECK(z != NULL)) continue;
        for (cls = 0; (size = zslab_size_class_bytes(z, cls)) != 0; cls++) {
            void *p = zslab_malloc(z, size);
            if (!CHECK(p != NULL)) break;
            memset(p, 0xee, size);
            CHECK_IS(zslab_free(z, p), ZSLAB_OK);
            zslab_trim(z);
        }
        for (size = 0; size < 3; size++) { /* and an epoch beside the current one */
            zslab_epoch e = zslab_epoch_open(z, NULL);
            CHECK(zslab_malloc_epoch(z, 8, e) != NULL);
            CHECK_IS(zslab_epoch_release(z, e), ZSLAB_OK);
        }
        test_destroy(z);
        CHECK(guards_intact(least, shift));
    }
}

/* Between refused and accepted there is one border, at most two chunks under the documented minimum. */
static void smaller_is_refused(const zslab_config *c)
{
    size_t least = zslab_buffer_bytes_min(c), low = 1, high = least;
    unsigned char *buffer = buffer_of(least, 0);
    zslab *z;
    while (low + 1 < high) {
        size_t middle = low + (high - low) / 2;
        if ((z = open_in(buffer, middle, c)) != NULL)
            high = middle;
        else
            low = middle;
        zslab_destroy(z);
    }
    CHECK(least - high <= 2 * ZS__CHUNK_BYTES);
    CHECK_FAILS(open_in(buffer, low, c), ZSLAB_E_INVALID);
    CHECK_FAILS(open_in(buffer, low / 2, c), ZSLAB_E_INVALID);
    CHECK_FAILS(open_in(buffer, 1, c), ZSLAB_E_INVALID);
    CHECK(guards_intact(least, 0));
    z = open_in(buffer, high, c); /* the smallest that is accepted works too */
    MUST(z);
    CHECK(zslab_malloc(z, 8) != NULL);
    test_destroy(z);
    CHECK(guards_intact(least, 0));
}

static void a_refused_buffer_is_untouched(void)
{
    size_t least = zslab_buffer_bytes_min(NULL), i, bytes = least / 3;
    unsigned char *buffer = buffer_of(bytes, 0);
    CHECK_FAILS(open_in(buffer, bytes, NULL), ZSLAB_E_INVALID);
    for (i = 0; i < bytes && buffer[i] == 0x5a; i++)
        ;
    CHECK(i == bytes);
}

/* Many threads, one after the other and at once: rows are made at the expense of chunks, or refused. */
static void *one_object(void *z)
{
    void *p = zslab_malloc((zslab *)z, 40);
    if (p)
        CHECK_IS(zslab_free((zslab *)z, p), ZSLAB_OK);
    else
        CHECK(zslab_last_error() == ZSLAB_E_NOMEM);
    return NULL;
}

static void *need_object(void *z)
{
    CHECK(zslab_malloc((zslab *)z, 40) != NULL);
    return NULL;
}

static void threads_in_a_small_buffer(void)
{
    size_t bytes = zslab_buffer_bytes_min(NULL) + 4 * ZS__CHUNK_BYTES;
    unsigned char *buffer = buffer_of(bytes, 5);
    zslab *z = open_in(buffer, bytes, NULL);
    void *mine;
    pthread_t thread[16];
    int i;
    MUST(z && (mine = zslab_malloc(z, 40)) != NULL); /* rows may take what is left */
    for (i = 0; i < 16; i++) MUST(pthread_create(&thread[i], NULL, one_object, z) == 0);
    for (i = 0; i < 16; i++) pthread_join(thread[i], NULL);
    CHECK_IS(zslab_free(z, mine), ZSLAB_OK);
    CHECK(zslab_malloc(z, 40) != NULL);
    test_destroy(z);
    CHECK(guards_intact(bytes, 5));
}

/* What large objects left serves those who come next: a handle, a domain, an explicit heap and a thread get their
   metadata and their first object out of it. */
static void after_large_objects(uint32_t flags)
{
    int how, who;
    for (how = 0; how < 3; how++) {
        for (who = 0; who < 4; who++) {
            zslab_config c = {0};
            zslab *z;
            zslab_epoch e;
            zslab_domain *d;
            zslab_heap *heap;
            pthread_t thread;
            void *p, *last = NULL;
            c.flags = flags;
            MUST((z = open_in(buffer_of(4 << 20, 0), 4 << 20, &c)) != NULL);
            e = zslab_epoch_open(z, NULL);
            while ((p = zslab_malloc_epoch(z, 20000, e)) != NULL) {
                *(void **)p = last;
                last = p;
            }
            while (how == 0 && last) {
                p = *(void **)last;
                CHECK_IS(zslab_free(z, last), ZSLAB_OK);
                last = p;
            }
            CHECK_IS(how == 2 ? zslab_epoch_reset(z, e) : zslab_epoch_release(z, e), ZSLAB_OK);
            e = how == 2 ? e : zslab_epoch_open(z, NULL);
            CHECK(zslab_malloc(z, 24) != NULL);
            if (who == 0) {
                CHECK(zslab_handle_alloc(z, 64, e, NULL) != 0);
            } else if (who == 1) {
                MUST((d = zslab_domain_create(z)) != NULL);
                CHECK(zslab_malloc_epoch(z, 64, zslab_domain_epoch(d)) != NULL);
            } else if (who == 2) {
                MUST((heap = zslab_heap_create(z)) != NULL);
                CHECK(zslab_heap_malloc(heap, 64) != NULL);
            } else {
                MUST(pthread_create(&thread, NULL, need_object, z) == 0);
                pthread_join(thread, NULL);
            }
            test_destroy(z);
        }
    }
}

/* A buffer is all there is without a system; one that a caller's hooks give is as good. */
static void without_a_system(void)
{
    zslab_config c = {0};
    zslab *z;
    char *p, *q;
    if (ZSLAB_NO_OS) {
        CHECK_FAILS(zslab_create(NULL), ZSLAB_E_INVALID);
        CHECK_FAILS(zslab_create(&c), ZSLAB_E_INVALID);
        CHECK(zslab_rss_bytes() == 0);
    }
    z = open_in(buffer_of(8 << 20, 0), 8 << 20, &c);
    MUST(z && (p = (char *)zslab_malloc(z, 100)) != NULL);
    test_fill(p, 100, 1);
    memcpy(block, p, 100); /* in the guard, where it stays */
    MUST(q = (char *)zslab_realloc(z, p, 4000));
    CHECK(q != p && memcmp(q, block, 100) == 0);
    CHECK_IS(zslab_free(z, q), ZSLAB_OK);
    CHECK(zslab_trim(z) == 0); /* a buffer is the caller's */
    test_destroy(z);
}

/* A limit within the buffer: what large objects of one size left counts no more, and objects of another size have
   it. */
static void a_limit_within(uint32_t flags)
{
    static const size_t sizes[] = {20000, 70000, 300000, 1000};
    size_t bytes = (size_t)24 << 20, a, b, got;
    zslab_config c = {0};
    if (ZSLAB_CHUNK_SHIFT > 16) /* the smallest of these takes a chunk */
        return;
    c.flags = flags;
    c.limit_bytes = (size_t)6 << 20;
    for (a = 0; a < 3; a++)
        for (b = 0; b < 4; b++) {
            zslab *z = open_in(buffer_of(bytes, 0), bytes, &c);
            zslab_global_stats s;
            MUST(z);
            test_at("%u bytes, then %u", (unsigned)sizes[a], (unsigned)sizes[b]);
            while (zslab_malloc(z, sizes[a]))
                ;
            CHECK_IS(zslab_epoch_reset(z, zslab_epoch_current(z)), ZSLAB_OK);
            for (got = 0; zslab_malloc(z, sizes[b]); got += sizes[b])
                ;
            zslab_stats_global(z, &s);
            CHECK(s.committed_bytes + s.metadata_bytes <= c.limit_bytes);
            CHECK(got + s.metadata_bytes > c.limit_bytes / 4 * 3);
            CHECK_IS(zslab_epoch_reset(z, zslab_epoch_current(z)), ZSLAB_OK);
            CHECK(zslab_trim(z) == 0); /* a buffer is the caller's */
            test_destroy(z);
        }
    test_at("%s", "");
}

/* What the manual says of four classes and two epochs; a refusal names the switch that lets a buffer be smaller. */
static void the_manuals_figures(void)
{
    static const uint32_t four[] = {16, 64, 256, 1024};
    const size_t said = (ZSLAB_CHUNK_SHIFT == 12 ? 33u : ZSLAB_CHUNK_SHIFT == 14 ? 62u : 176u) << 10;
    zslab_config c = {0};
    char text[200];
    zslab *z;
    c.class_bytes = four, c.class_count = 4, c.epoch_count = 2;
    CHECK(zslab_buffer_bytes_min(&c) <= said);
    MUST(z = open_in(buffer_of(said, 0), said, &c));
    zslab_destroy(z);
    CHECK(!open_in(buffer_of(said / 2, 0), said / 2, &c));
    CHECK(zslab_config_error(text, sizeof text) > 0);
    CHECK(strstr(text, "ZSLAB_CHUNK_SHIFT") != NULL);
}

int main(void)
{
    static const uint32_t two[] = {64, 256};
    zslab_config c = {0};
    one_mebibyte(0);
    one_mebibyte(ZSLAB_FLAG_SHARED);
    one_mebibyte(ZSLAB_FLAG_HARDENED);
    after_large_objects(0);
    after_large_objects(ZSLAB_FLAG_SHARED);
    a_limit_within(0);
    a_limit_within(ZSLAB_FLAG_SHARED);
    the_minimum(NULL);
    smaller_is_refused(NULL);
    c.flags = ZSLAB_FLAG_SHARED;
    the_minimum(&c);
    smaller_is_refused(&c);
    c.class_bytes = two, c.class_count = 2, c.epoch_count = 2, c.flags = 0;
    the_minimum(&c);
    smaller_is_refused(&c);
    c.epoch_count = 3;
    CHECK(zslab_buffer_bytes_min(&c) == 0);
    a_refused_buffer_is_untouched();
    the_manuals_figures();
    threads_in_a_small_buffer();
    without_a_system();
    free(block);
    return test_summary("test_buffer");
}
