/* zslab_profile: what lives, by site and epoch, as sampled; in every mode. The text is read back as pprof reads it. */
#define ZSLAB_TAGS 1
#include "tests/lib/test.h"

enum { SITES = 4, DEPTH = 3 };
static const test_mode *mode;
static size_t site_now; /* who allocates: the capture's stack */
static size_t captures;

static size_t capture(void *user, void **pcs, size_t max)
{
    size_t i;
    CHECK(user == &site_now && max >= DEPTH);
    captures++;
    for (i = 0; i < DEPTH; i++) pcs[i] = (void *)(uintptr_t)(0x100000 * (site_now + 1) + i);
    return DEPTH;
}

static zslab *make(size_t sample_bytes, int stacks)
{
    zslab_config c = {0};
    c.sample_bytes = sample_bytes;
    c.capture = stacks ? capture : NULL;
    c.capture_user = &site_now;
    return test_open(mode, &c);
}

/* ---- the text, read back ---- */

static char *text;
static size_t length, room;
static int keep_text(void *user, const char *piece, size_t bytes)
{
    if (user && length + bytes > *(size_t *)user) return 1;
    if (length + bytes + 1 > room) {
        room = 2 * (length + bytes + 1);
        MUST((text = (char *)realloc(text, room)) != NULL);
    }
    memcpy(text + length, piece, bytes);
    text[length += bytes] = 0;
    return 0;
}

typedef struct sums {
    double objects, bytes, site[SITES], epoch[8], tag[SITES];
    size_t lines;
} sums;
static zslab_epoch epochs[8];

static sums read_profile(zslab *z)
{
    unsigned long long n, b, n2, b2, total_n = 0, total_b = 0, epoch = 0, age, size, tag = 0;
    sums s;
    char *line, *next, *at;
    size_t i;
    memset(&s, 0, sizeof s);
    length = 0;
    CHECK_IS(zslab_profile(z, keep_text, NULL), ZSLAB_OK);
    MUST(length && !strncmp(text, "heap profile: ", 14));
    CHECK(sscanf(text, "heap profile: %llu: %llu [%llu: %llu] @ heapprofile", &total_n, &total_b, &n2, &b2) == 4);
    CHECK(n2 == total_n && b2 == total_b && strstr(text, "\nMAPPED_LIBRARIES:\n"));
    for (line = strchr(text, '\n') + 1; *line && *line != '\n'; line = next) {
        next = strchr(line, '\n') + 1;
        if (*line == '#') {
            CHECK(sscanf(line, "# epoch %llu age_ns %llu size %llu tag %llu\n", &epoch, &age, &size, &tag) == 4);
            CHECK(age < 1000000000ull * 3600 && size > 0);
            continue;
        }
        MUST(sscanf(line, "%llu: %llu [%llu: %llu] @", &n, &b, &n2, &b2) == 4 && n == n2 && b == b2 && n);
        at = strchr(line, '@') + 1;
        i = (size_t)strtoull(at, &at, 16);
        if (i >> 20) {
            i = (i >> 20) - 1;
            MUST(i < SITES);
            CHECK(strtoull(at, &at, 16) == 0x100000 * (i + 1) + 1 && strtoull(at, &at, 16) == 0x100000 * (i + 1) + 2);
            s.site[i] += (double)b;
        } else if (i < SITES) {
            CHECK(i == tag);
            s.tag[i] += (double)b;
        }
        CHECK(*at == '\n');
        s.objects += (double)n, s.bytes += (double)b, s.lines++;
        for (i = 0; i < 8; i++) s.epoch[i] += epochs[i] == epoch ? (double)b : 0;
    }
    CHECK(s.objects == (double)total_n && s.bytes == (double)total_b);
    return s;
}

static int near(double got, double want, double part) { return got >= want * (1 - part) && got <= want * (1 + part); }

/* ---- exact, at one byte a sample ---- */

/* Every way to make an object and every way it goes: the profile's bytes are those that live. [PROFILE-1] */
static void exact_at_one_byte(void)
{
    zslab *z = make(1, 1);
    zslab_heap *heap = zslab_heap_create(z);
    const size_t page = z->page_bytes;
    void *p[9];
    zslab_handle h, large;
    size_t i;
    sums s;
    memset(epochs, 0, sizeof epochs);
    MUST(heap && (epochs[0] = zslab_epoch_current(z)) && (epochs[1] = zslab_epoch_open(z, "one")));
    site_now = 0, captures = 0;
    MUST((p[0] = zslab_malloc(z, 100)) != NULL);
    MUST((p[1] = zslab_calloc(z, 10, 20)) != NULL);
    MUST((p[2] = zslab_malloc_epoch(z, 300, epochs[1])) != NULL);
    site_now = 1;
    MUST((h = zslab_handle_alloc(z, 400, epochs[1], NULL)) != 0);
    MUST((p[3] = zslab_aligned_alloc(z, 64, 512)) != NULL);
    MUST((p[4] = zslab_heap_malloc(heap, 600)) != NULL);
    site_now = 2;
    CHECK(zslab_malloc_batch(z, 50, 3, p + 5) == 3);
    MUST((p[8] = zslab_malloc(z, 16 * page)) != NULL);
    MUST((large = zslab_handle_alloc(z, 32 * page, epochs[1], NULL)) != 0);
    s = read_profile(z);
    CHECK(captures == 11 && s.lines == 11 && s.objects == 11);
    CHECK(s.site[0] == 600 && s.site[1] == 1512 && s.site[2] == 150 + 48.0 * (double)page && s.site[3] == 0);
    CHECK(s.epoch[1] == 700 + 32.0 * (double)page && s.epoch[0] == s.bytes - s.epoch[1]);
    site_now = 3;
    MUST((p[0] = zslab_realloc(z, p[0], 1000)) != NULL); /* moves: made here */
    CHECK_IS(zslab_free(z, p[1]), ZSLAB_OK);
    CHECK_IS(zslab_free(z, p[1]), ZSLAB_E_DOUBLE_FREE);
    CHECK_IS(zslab_handle_free(z, h), ZSLAB_OK);
    CHECK_IS(zslab_handle_free(z, large), ZSLAB_OK);
    CHECK_IS(zslab_heap_free(heap, p[4]), ZSLAB_OK);
    CHECK_IS(zslab_free(z, p[8]), ZSLAB_OK);
    CHECK(zslab_free_batch(z, p + 5, 2) == 2);
    s = read_profile(z);
    CHECK(s.site[0] == 300 && s.site[1] == 512 && s.site[2] == 50 && s.site[3] == 1000 && s.lines == 4);
    CHECK(s.epoch[1] == 300);
    CHECK_IS(zslab_epoch_release(z, epochs[1]), ZSLAB_OK); /* all of it at once */
    s = read_profile(z);
    CHECK(s.epoch[1] == 0 && s.lines == 3);
    for (i = 0; i < 2000; i++) { /* records serve again */
        CHECK_IS(zslab_free(z, zslab_malloc(z, 100)), ZSLAB_OK);
        MUST(zslab_malloc(z, 24));
        if (i % 100 == 99) CHECK_IS(zslab_epoch_reset(z, epochs[0]), ZSLAB_OK);
    }
    s = read_profile(z);
    CHECK(s.lines == 0 && s.bytes == 0);
    length = 0, i = 30;
    CHECK_IS(zslab_profile(z, keep_text, &i), ZSLAB_E_FULL);
    CHECK_IS(zslab_profile(z, NULL, NULL), ZSLAB_E_INVALID);
    zslab_heap_destroy(heap);
    test_destroy(z);
}

/* Without a capture the tag is the site; without sample_bytes there is nothing to tell. */
static void tags_are_sites(void)
{
    zslab *z = make(1, 0);
    void *p;
    sums s;
    MUST((p = zslab_malloc(z, 200)) != NULL);
    zslab_set_tag(z, p, 2);
    MUST((p = zslab_malloc(z, 100000)) != NULL);
    zslab_set_tag(z, p, 1);
    s = read_profile(z);
    CHECK(s.tag[2] == 200 && s.tag[1] == 100000 && s.lines == 2);
    test_destroy(z);
    z = make(0, 1);
    captures = 0;
    MUST(zslab_malloc(z, 200));
    CHECK_IS(zslab_profile(z, keep_text, NULL), ZSLAB_E_INVALID);
    CHECK(captures == 0 && !z->always_slow == !z->guarded);
    test_destroy(z);
}

/* ---- estimates ---- */

/* 1 GiB of requests at 512 KiB a sample, an eighth of the amounts where it is slow; most of it freed again: each site's
   live bytes within 5 % of what a shadow says. The seed is fixed, and so is every figure. */
static void estimates_are_near(void)
{
    enum { HELD = 65536 };
    static struct {
        void *p;
        size_t bytes, site;
    } held[HELD];
    const uint64_t amount = TEST_SLOWED ? (uint64_t)1 << 27 : (uint64_t)1 << 28;
    zslab *z = make((size_t)amount >> 11, 1); /* 2,048 samples */
    double live[SITES] = {0}, all = 0;
    uint64_t seed = 12, asked = 0;
    size_t i, n;
    sums s;
    memset(held, 0, sizeof held);
    captures = 0;
    while (asked < amount) {
        uint64_t r = test_random(&seed);
        n = (size_t)(r >> 8) % HELD;
        if (held[n].p) {
            CHECK_IS(zslab_free(z, held[n].p), ZSLAB_OK);
            live[held[n].site] -= (double)held[n].bytes;
        }
        site_now = held[n].site = (size_t)r % SITES;
        held[n].bytes = (size_t)16 << (r >> 40) % 8 << (site_now == 3);
        MUST((held[n].p = zslab_malloc(z, held[n].bytes)) != NULL);
        live[site_now] += (double)held[n].bytes;
        asked += held[n].bytes;
    }
    for (i = 0; i < SITES; i++) all += live[i];
    s = read_profile(z);
    CHECK(near((double)captures, 2048, 0.1));
    CHECK(near(s.bytes, all, 0.15));
    test_destroy(z);
}

/* Two sites by turns, pairs of 64 and of 192 bytes, whichever call makes them; between them another allocator, or
   nothing: samples are as many as the bytes ask for, a quarter and three quarters of them. */
enum { PLAIN, NAMED, SCOPED, IN_TURN, MANY, OWN_HEAP, WAYS };
static size_t sampled_at[SITES];
static size_t capture_site(void *user, void **pcs, size_t max)
{
    (void)max;
    sampled_at[site_now]++;
    return capture(user, pcs, DEPTH);
}

static void pairs_are_counted(int way)
{
    enum { PAIRS = TEST_SLOWED ? 30000 : 90000, MEAN = 1000 };
    zslab_config c = {0};
    zslab *z, *other = test_create(NULL);
    zslab_domain *d = NULL;
    zslab_heap *heap = NULL;
    zslab_epoch e;
    const double samples = PAIRS * 128.0 / MEAN;
    void *p[3];
    size_t i, n;
    c.sample_bytes = MEAN;
    c.capture = capture_site;
    c.capture_user = &site_now;
    MUST((z = test_open(mode, &c)) != NULL && (e = zslab_epoch_open(z, "named")) != 0);
    if (way == SCOPED) MUST((d = zslab_domain_create(z)) != NULL && zslab_domain_enter(d) == ZSLAB_OK);
    if (way == OWN_HEAP) MUST((heap = zslab_heap_create(z)) != NULL);
    memset(sampled_at, 0, sizeof sampled_at);
    for (i = 0; i < PAIRS; i++) {
        const size_t size = i & 1 ? 192 : 64, most = way == MANY ? 3 : 1;
        site_now = i & 1;
        if (way == MANY && i % 3 != 1) continue; /* three at once instead */
        if (way == MANY)
            CHECK(zslab_malloc_batch(z, size, most, p) == most);
        else
            p[0] = way == NAMED ? zslab_malloc_epoch(z, size, e)
                   : heap       ? zslab_heap_malloc(heap, size)
                                : zslab_malloc(z, size);
        if (way == IN_TURN) CHECK_IS(zslab_free(other, zslab_malloc(other, 64)), ZSLAB_OK);
        for (n = 0; n < most; n++) {
            MUST(p[n] != NULL);
            CHECK_IS(heap ? zslab_heap_free(heap, p[n]) : zslab_free(z, p[n]), ZSLAB_OK);
        }
    }
    CHECK(near((double)(sampled_at[0] + sampled_at[1]), samples, 0.03));
    CHECK(near((double)sampled_at[0], samples / 4, 0.05) && near((double)sampled_at[1], samples * 3 / 4, 0.03));
    CHECK(read_profile(z).lines == 0);
    if (d) CHECK(zslab_domain_exit(d) == ZSLAB_OK && zslab_domain_destroy(d) == ZSLAB_OK);
    if (heap) zslab_heap_destroy(heap);
    test_destroy(z);
    test_destroy(other);
}

/* A thread's countdown is its own, and what it lent itself ends with it. */
static void *pairs_of_a_thread(void *arg)
{
    zslab *z = (zslab *)arg;
    size_t i;
    for (i = 0; i < 40000; i++) CHECK_IS(zslab_free(z, zslab_malloc(z, 64)), ZSLAB_OK);
    return NULL;
}

static void threads_are_counted(void)
{
    zslab_config c = {0};
    pthread_t thread;
    size_t i;
    zslab *z;
    c.sample_bytes = 1000;
    c.capture = capture;
    c.capture_user = &site_now;
    MUST((z = test_open(mode, &c)) != NULL);
    captures = 0, site_now = 0;
    for (i = 0; i < 2; i++) { /* one after the other: the capture is not theirs alone */
        MUST(pthread_create(&thread, NULL, pairs_of_a_thread, z) == 0);
        MUST(pthread_join(thread, NULL) == 0);
    }
    CHECK(near((double)captures, 5120, 0.03));
    test_destroy(z);
}

int main(void)
{
    int way;
    TEST_EACH_MODE(each)
    {
        mode = each;
        exact_at_one_byte();
        tags_are_sites();
        if (strcmp(mode->name, "buffer") != 0) estimates_are_near();
        for (way = 0; way < WAYS; way++) pairs_are_counted(way);
        threads_are_counted();
    }
    free(text);
    return test_summary("test_profile");
}
