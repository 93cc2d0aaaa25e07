/* Every field of zslab_config, each way: refused out of range, obeyed in range. */
#include "tests/lib/test.h"

#include <errno.h>
#if TEST_UNIX
#include <sys/mman.h>
#endif

#define CHUNK ZS__CHUNK_BYTES

static zslab_config plain(void)
{
    zslab_config c;
    memset(&c, 0, sizeof c);
    return c;
}

static void refused(zslab_config c) { CHECK_FAILS(zslab_create(&c), ZSLAB_E_INVALID); }

/* It works: an object of each class comes and goes. */
static void works(zslab *z)
{
    size_t i, bytes;
    for (i = 0; (bytes = zslab_size_class_bytes(z, i)) != 0; i++) {
        void *p = zslab_malloc(z, bytes);
        CHECK(p != NULL);
        CHECK_IS(zslab_free(z, p), ZSLAB_OK);
    }
}

static void accepted(zslab_config c)
{
    zslab *z = test_create(&c);
    works(z);
    test_destroy(z);
}

static void no_configuration_at_all(void)
{
    zslab *z = test_create(NULL);
    CHECK(z->epoch_count == ZSLAB_EPOCH_COUNT && z->class_count > 0 && !z->rss_policy);
    CHECK(sizeof(void *) < 8 || z->range_bytes == ZS__RESERVE_BYTES || z->range_bytes == CHUNK << 24);
    CHECK(zslab_flags_in_effect(z) == (ZSLAB_NO_TLS ? ZSLAB_FLAG_SHARED : 0));
    works(z);
    test_destroy(z);
}

static void reserve_bytes(void)
{
    zslab_config c = plain();
    zslab *z;
    c.reserve_bytes = 1, refused(c);
    c.reserve_bytes = 2 * CHUNK - 1, refused(c);
    if (sizeof(size_t) > 4) c.reserve_bytes = (CHUNK << 24) + CHUNK, refused(c);
    c.reserve_bytes = SIZE_MAX, refused(c);
    c.reserve_bytes = 2 * CHUNK;
    z = test_create(&c);
    CHECK(z->range_bytes >= 2 * CHUNK);
    while (zslab_malloc(z, CHUNK < 8192 ? CHUNK : 8192)) /* to the end of the range */
        ;
    CHECK(zslab_last_error() == ZSLAB_E_NOMEM);
    CHECK(test_live(z) >= (CHUNK < 8192 ? 2 : 2 * CHUNK / 8192));
    test_destroy(z);
    c.reserve_bytes = 2 * CHUNK + 1, z = test_create(&c);
    CHECK(z->range_bytes >= 2 * CHUNK + 1);
    test_destroy(z);
}

static void memory_and_bytes(void)
{
    static char buffer[(CHUNK * 40 > 2 << 20) ? CHUNK * 40 : 2 << 20];
    zslab_config c = plain();
    c.memory_bytes = sizeof buffer, refused(c);
    c.memory = buffer, c.memory_bytes = 0, refused(c);
    c.memory_bytes = 1, refused(c);
    c.memory_bytes = 4096, refused(c);
    c.memory_bytes = sizeof buffer, c.reserve_bytes = 2 * CHUNK, refused(c);
    c.reserve_bytes = 0, c.flags = ZSLAB_FLAG_HUGE_PAGES, refused(c);
    c.flags = ZSLAB_FLAG_LOCK_PAGES, refused(c);
    c.flags = ZSLAB_FLAG_NUMA_LOCAL, refused(c);
    c.flags = ZSLAB_FLAG_PREFAULT, accepted(c);
    c.flags = 0, c.os.reserve = zs__os_reserve, c.os.commit = zs__os_commit;
    c.os.purge = zs__os_purge, c.os.release = zs__os_release, refused(c);
    memset(&c.os, 0, sizeof c.os), accepted(c);
}

static void class_bytes(void)
{
    static const uint32_t zero[] = {0}, four[] = {4}, odd[] = {8, 20}, by_eight[] = {8, 24}, equal[] = {16, 16},
                          down[] = {32, 16}, one[] = {8}, many[] = {8, 16, 32, 96};
    static uint32_t table[256], too_large[2];
    zslab_config c = plain();
    uint32_t i;
    c.class_count = 1, refused(c);
    c.class_bytes = one, c.class_count = 0, refused(c);
    c.class_bytes = zero, c.class_count = 1, refused(c);
    c.class_bytes = four, refused(c);
    c.class_bytes = odd, c.class_count = 2, refused(c);
    c.class_bytes = by_eight, refused(c); /* 24 would not be 16-aligned */
    c.class_bytes = equal, refused(c);
    c.class_bytes = down, refused(c);
    too_large[0] = 16, too_large[1] = (uint32_t)(CHUNK < 65536 ? CHUNK : 65536) + 16;
    c.class_bytes = too_large, refused(c);
    too_large[1] -= 16, accepted(c); /* an object as large as a chunk, or as classes get */
    for (i = 0; i < 256; i++) table[i] = 16 * (i + 1);
    c.class_bytes = table, c.class_count = 256, refused(c);
    c.class_count = 255, accepted(c);
    c.class_bytes = one, c.class_count = 1, accepted(c);
    c.class_bytes = many, c.class_count = 4, accepted(c);
}

static void epoch_count(void)
{
    static const uint32_t wrong[] = {1, 3, 6, 100, 65535, 65537, 131072, 0x80000000u, 0xffffffffu};
    static const uint32_t right[] = {2, 4, 128, 4096, 65536};
    zslab_config c = plain();
    size_t i, n;
    for (i = 0; i < sizeof wrong / sizeof *wrong; i++) c.epoch_count = wrong[i], refused(c);
    for (i = 0; i < sizeof right / sizeof *right; i++) {
        zslab *z;
        c.epoch_count = right[i];
        z = test_create(&c);
        for (n = 1; zslab_epoch_open(z, NULL); n++) /* one is the current epoch */
            ;
        CHECK(n == right[i] && zslab_last_error() == ZSLAB_E_BUSY);
        CHECK_FAILS(zslab_epoch_advance(z), ZSLAB_E_BUSY);
        works(z);
        test_destroy(z);
    }
}

/* One thread may have objects in all the epochs there are, also where the range is small. */
static void every_epoch_in_a_small_range(void)
{
    zslab_config c = plain();
    int i;
    c.reserve_bytes = (size_t)256 << 20;
    zslab *z = test_create(&c);
    CHECK(zslab_malloc(z, 64) != NULL);
    for (i = 1; i < ZSLAB_EPOCH_COUNT; i++) {
        zslab_epoch e = zslab_epoch_open(z, NULL);
        CHECK(e != ZSLAB_EPOCH_NONE && zslab_malloc_epoch(z, 64, e) != NULL);
    }
    CHECK(test_live(z) == ZSLAB_EPOCH_COUNT);
    test_destroy(z);
}

static void reclaim_policy(void)
{
    zslab_config c = plain();
    c.reclaim = (zslab_reclaim)3, refused(c);
    c.reclaim = (zslab_reclaim)-1, refused(c);
    c.reclaim = ZSLAB_RECLAIM_LATENCY, accepted(c);
    c.reclaim = ZSLAB_RECLAIM_RSS, accepted(c);
}

static void limit_bytes(void)
{
    zslab_config c = plain();
    size_t n = 0;
    void *p = NULL, *last = NULL;
    zslab *z;
    c.limit_bytes = 1, refused(c);
    c.limit_bytes = CHUNK - 1, refused(c);
    c.limit_bytes = 3 * CHUNK;
    z = test_create(&c);
    test_limit_chunks(z, 3);
    for (; (p = zslab_malloc(z, 1024)) != NULL; n++) last = p;
    CHECK(zslab_last_error() == ZSLAB_E_LIMIT && n == 3 * (CHUNK / 1024));
    CHECK_FAILS(zslab_malloc(z, 8), ZSLAB_E_LIMIT);
    CHECK_IS(zslab_reserve(z, 1024, 1), ZSLAB_E_LIMIT);
    CHECK_IS(zslab_free(z, last), ZSLAB_OK);
    CHECK(zslab_malloc(z, 1024) == last);
    test_destroy(z);
}

/* What trim leaves resident is at most cache_bytes. */
static void cache_bytes(void)
{
    static const size_t keep[] = {0, 1, 3 * CHUNK, ZSLAB_CACHE_NONE};
    static void *p[40 * CHUNK / 1024];
    size_t i, n = sizeof p / sizeof *p;
    for (i = 0; i < 4; i++) {
        zslab_config c = plain();
        size_t most = keep[i] == ZSLAB_CACHE_NONE ? 0 : keep[i] ? keep[i] : (size_t)1 << 20;
        zslab *z;
        c.cache_bytes = keep[i];
        z = test_create(&c);
        CHECK(zslab_malloc_batch(z, 1024, n, p) == n);
        CHECK(zslab_free_batch(z, p, n) == n);
        zslab_trim(z);
        CHECK(z->committed_bytes <= most || CHUNK < z->page_bytes);
        works(z);
        test_destroy(z);
    }
}

static int resident(const zslab *z) /* every page of the committed range; believed where nobody can be asked */
{
#if !TEST_UNIX
    return z != NULL;
#else
    size_t pages = z->range_committed / z->page_bytes, i, n = 0;
    unsigned char *map = (unsigned char *)malloc(pages);
    MUST(map && mincore(z->base, z->range_committed, map) == 0);
    for (i = 0; i < pages; i++) n += map[i] & 1;
    free(map);
    return pages && n == pages;
#endif
}

static void flags(void)
{
    zslab_config c = plain();
    uint32_t bit;
    zslab *z;
    for (bit = 64; bit; bit <<= 1) c.flags = bit, refused(c);
    c.flags = ZSLAB_FLAG_SHARED, accepted(c);
    c.flags = ZSLAB_FLAG_HARDENED, accepted(c);
    c.flags = ZSLAB_FLAG_SHARED | ZSLAB_FLAG_HARDENED | ZSLAB_FLAG_PREFAULT;
    z = test_create(&c);
    CHECK(zslab_flags_in_effect(z) == c.flags && resident(z));
    works(z);
    CHECK(resident(z));
    test_destroy(z);
    c.flags = ZSLAB_FLAG_HUGE_PAGES | ZSLAB_FLAG_NUMA_LOCAL; /* in effect or not, as the system likes */
    z = test_create(&c);
    CHECK(!(zslab_flags_in_effect(z) & ~(c.flags | ZSLAB_FLAG_SHARED)));
    works(z);
    test_destroy(z);
}

/* May this process keep 8 MiB in RAM? */
static int may_lock(void)
{
#if TEST_UNIX
    void *probe = mmap(NULL, 8 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int may = probe != MAP_FAILED && mlock(probe, 8 << 20) == 0;
    munmap(probe, 8 << 20);
    return may;
#elif defined(_WIN32)
    void *probe = VirtualAlloc(NULL, 8 << 20, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    int may = probe && VirtualLock(probe, 8 << 20);
    VirtualFree(probe, 0, MEM_RELEASE);
    return may;
#else
    return 0;
#endif
}

static void locked_pages(void)
{
    zslab_config c = plain();
    zslab *z;
    c.flags = ZSLAB_FLAG_LOCK_PAGES;
    c.reserve_bytes = 64 * CHUNK;
    c.reclaim = ZSLAB_RECLAIM_RSS, refused(c); /* locked pages cannot be given back */
    c.reclaim = ZSLAB_RECLAIM_DEFAULT;
    if (may_lock()) {
        z = test_create(&c);
        CHECK(zslab_flags_in_effect(z) & ZSLAB_FLAG_LOCK_PAGES);
        CHECK(TEST_SANITIZED || resident(z)); /* the sanitizers make mlock do nothing */
        works(z);
        test_destroy(z);
    } else {
        CHECK_FAILS(zslab_create(&c), ZSLAB_E_NOMEM);
    }
}

/* ---- fallback ---- */
static int fallback_calls[4];
static char fallback_object[100000];
static void *fallback_alloc(void *user, size_t size, size_t alignment)
{
    CHECK(user == fallback_calls && size > 0 && alignment >= sizeof(void *));
    fallback_calls[0]++;
    return size > 1 << 20 ? NULL : fallback_object;
}
static void fallback_free(void *user, void *p)
{
    CHECK(user == fallback_calls && p != NULL);
    fallback_calls[1]++;
}
static size_t fallback_usable(void *user, const void *p)
{
    CHECK(user == fallback_calls && p != NULL);
    fallback_calls[2]++;
    return 12345;
}
static int fallback_owns(void *user, const void *p)
{
    CHECK(user == fallback_calls);
    fallback_calls[3]++;
    return p == fallback_object;
}

static void fallback(void)
{
    zslab_config c = plain();
    char other;
    zslab *z;
    c.fallback.alloc = fallback_alloc, refused(c);
    c.fallback.alloc = NULL, c.fallback.free = fallback_free, refused(c);
    c.fallback.free = NULL, c.fallback.owns = fallback_owns, refused(c);
    c.fallback.owns = NULL, c.fallback.usable_size = fallback_usable, refused(c);
    c.fallback.alloc = fallback_alloc, c.fallback.free = fallback_free, c.fallback.owns = fallback_owns;
    c.fallback.user = fallback_calls;
    c.large_bytes_max = ZSLAB_LARGE_NONE;
    z = test_create(&c);
    CHECK(zslab_malloc(z, 100000) == fallback_object && fallback_calls[0] == 1);
    CHECK(zslab_calloc(z, 2, 50000) == fallback_object && fallback_calls[0] == 2);
    CHECK(zslab_aligned_alloc(z, 16, 100000) == fallback_object && fallback_calls[0] == 3);
    CHECK_FAILS(zslab_malloc(z, 2 << 20), ZSLAB_E_NOMEM);
    CHECK(zslab_usable_size(z, fallback_object) == 12345 && zslab_owns(z, fallback_object) == 1);
    CHECK_IS(zslab_free(z, fallback_object), ZSLAB_OK);
    CHECK_IS(zslab_free_sized(z, fallback_object, 100000), ZSLAB_OK);
    CHECK(fallback_calls[1] == 2);
    CHECK_IS(zslab_free(z, &other), ZSLAB_E_FOREIGN);          /* owns says no */
    CHECK_IS(zslab_free(z, z->base + CHUNK), ZSLAB_E_FOREIGN); /* inside the range nobody asks */
    works(z);
    test_destroy(z);
}

static void fallback_without_owns(void)
{
    zslab_config c = plain();
    char other;
    zslab *z;
    c.fallback.alloc = fallback_alloc, c.fallback.free = fallback_free, c.fallback.user = fallback_calls;
    z = test_create(&c);
    fallback_calls[1] = 0;
    CHECK_IS(zslab_free(z, &other), ZSLAB_OK); /* everything outside the range is the fallback's */
    CHECK(fallback_calls[1] == 1 && zslab_usable_size(z, &other) == 0 && zslab_owns(z, &other) == 0);
    CHECK_IS(zslab_free(z, z->base + CHUNK), ZSLAB_E_FOREIGN);
    CHECK(fallback_calls[1] == 1);
    test_destroy(z);
}

/* ---- the system, replaced ---- */
static size_t os_reserved, os_calls;
static void *os_reserve(void *user, size_t bytes, size_t alignment)
{
    void *p = user == &os_reserved ? zs__os_reserve(NULL, bytes, alignment) : NULL;
    CHECK(user == &os_reserved && (alignment & (alignment - 1)) == 0);
    os_reserved += p ? bytes : 0;
    os_calls++;
    return p;
}
static int os_commit(void *user, void *p, size_t bytes)
{
    CHECK(user == &os_reserved && bytes > 0);
    os_calls++;
    return zs__os_commit(NULL, p, bytes);
}
static int os_purge(void *user, void *p, size_t bytes)
{
    CHECK(user == &os_reserved && bytes > 0);
    os_calls++;
    return zs__os_purge(NULL, p, bytes);
}
static void os_release(void *user, void *p, size_t bytes)
{
    CHECK(user == &os_reserved);
    os_reserved -= bytes;
    zs__os_release(NULL, p, bytes);
}

static void os_hooks(void)
{
    unsigned set;
    for (set = 1; set <= 15; set++) { /* together or not at all */
        zslab_config c = plain();
        c.os.user = &os_reserved;
        c.os.reserve = set & 1 ? os_reserve : NULL;
        c.os.commit = set & 2 ? os_commit : NULL;
        c.os.purge = set & 4 ? os_purge : NULL;
        c.os.release = set & 8 ? os_release : NULL;
        if (set == 15)
            accepted(c);
        else
            refused(c);
    }
    CHECK(os_reserved == 0 && os_calls > 2);
}

/* The first object asks the system few times: the first chunks' metadata is made usable as one, of every class. */
static void first_object_commits_little(size_t reserve_bytes)
{
    zslab_config c = plain();
    size_t before;
    zslab *z;
    c.reserve_bytes = reserve_bytes;
    c.os.user = &os_reserved;
    c.os.reserve = os_reserve, c.os.commit = os_commit, c.os.purge = os_purge, c.os.release = os_release;
    z = test_create(&c);
    before = os_calls;
    CHECK(zslab_malloc(z, 64) != NULL);
    CHECK(os_calls - before <= 8); /* heap, cold records, range; hints, words, states, and tags */
    test_destroy(z);
}

static int told;
static void on_misuse(void *user, zslab_result what, const void *p, zslab_handle h)
{
    CHECK(user == &told && what == ZSLAB_E_FOREIGN && p == &told && h == 0);
    told++;
}

static void misuse_hook(void)
{
    zslab_config c = plain();
    zslab *z = test_create(&c);
    CHECK_IS(zslab_free(z, &told), ZSLAB_E_FOREIGN); /* nobody to tell */
    test_destroy(z);
    c.on_misuse = on_misuse;
    c.misuse_user = &told;
    z = test_create(&c);
    CHECK_IS(zslab_free(z, &told), ZSLAB_E_FOREIGN);
    CHECK(told == 1);
    test_destroy(z);
}

int main(void)
{
    no_configuration_at_all();
    reserve_bytes();
    memory_and_bytes();
    class_bytes();
    epoch_count();
    every_epoch_in_a_small_range();
    reclaim_policy();
    limit_bytes();
    cache_bytes();
    flags();
    locked_pages();
    fallback();
    fallback_without_owns();
    os_hooks();
    first_object_commits_little((size_t)1 << 20);
    first_object_commits_little((size_t)1 << 30);
    misuse_hook();
    return test_summary("test_config");
}
