/* Statistics: every counter and figure against a story that moves it a known number of times; the two text formats,
   read by somebody else's parser; snapshots while others allocate. */
#include "tests/lib/test.h"

#define COUNTED(n) ((uint64_t)(ZSLAB_STATS ? (n) : 0))      /* what a counter says of n events */
#define TOTALLED(n) ((uint64_t)(ZSLAB_STATS > 1 ? (n) : 0)) /* and a total */
#define IS(got, want) is_u64((got), (want), __LINE__, #got " is " #want)

static int is_u64(uint64_t got, uint64_t want, int line, const char *what)
{
    char text[64];
    if (got == want) return test_count(1, __FILE__, line, what, NULL);
    snprintf(text, sizeof text, "%llu, not %llu", (unsigned long long)got, (unsigned long long)want);
    return test_count(0, __FILE__, line, what, text);
}

/* Two classes that are easy to count: a chunk holds 16 slabs of 64 bytes, or one slab of 1024. */
enum { SMALL, LARGE, SLOTS = 64 };
static const uint32_t two_classes[] = {64, 1024};

static zslab *two(zslab_config c)
{
    c.class_bytes = two_classes;
    c.class_count = 2;
    return test_create(&c);
}

static zslab_global_stats global(const zslab *z)
{
    zslab_global_stats g;
    zslab_stats_global(z, &g);
    return g;
}

static zslab_class_stats class_of(const zslab *z, size_t cls)
{
    zslab_class_stats c;
    MUST(zslab_stats_class(z, cls, &c) == ZSLAB_OK);
    return c;
}

static zslab_perf perf(const zslab *z, size_t cls)
{
    zslab_perf p;
    MUST(zslab_perf_counters(z, cls, &p) == ZSLAB_OK);
    return p;
}

static zslab_epoch_stats epoch(const zslab *z, size_t cls, zslab_epoch e)
{
    zslab_epoch_stats s;
    MUST(zslab_stats_epoch(z, cls, e, &s) == ZSLAB_OK);
    return s;
}

static void take(zslab *z, size_t size, size_t count, void **out)
{
    MUST(zslab_malloc_batch(z, size, count, out) == count);
}

static void give(zslab *z, size_t count, void **p) { CHECK(zslab_free_batch(z, p, count) == count); }

/* ---- slow paths, owned heaps ---- */

static void slow_paths(void)
{
    zslab_config c = {0};
    zslab *z = two(c);
    void *p[20 * SLOTS];
    take(z, 64, 20 * SLOTS, p); /* 16 slabs of one chunk, 4 of another */
    zslab_perf n = perf(z, SMALL);
    IS(n.slow_path_hits, COUNTED(20));
    IS(n.current_partial_null, COUNTED(1));
    IS(n.current_partial_full, COUNTED(19));
    IS(n.new_slab_count, COUNTED(20));
    IS(n.empty_slab_recycled, 0);
    IS(n.list_move_partial_to_full + n.list_move_full_to_partial, 0);
    zslab_class_stats k = class_of(z, SMALL);
    IS(k.slow_path_cache_miss, COUNTED(2));
    CHECK(memcmp(&k.perf, &n, sizeof n) == 0);
    IS(perf(z, LARGE).slow_path_hits, 0);
    zslab_global_stats g = global(z);
    IS(g.slow_path_hits, COUNTED(20));
    IS(g.slow_path_cache_miss, COUNTED(2));
    IS(g.slabs_allocated, COUNTED(20));
    IS(g.allocs, TOTALLED(20 * SLOTS));
    CHECK(ZSLAB_STATS > 1 ? k.fast_path_pct > 98.43 && k.fast_path_pct < 98.44 : k.fast_path_pct == 0);
    give(z, 20 * SLOTS, p);
    IS(class_of(z, SMALL).frees, TOTALLED(20 * SLOTS));
    test_destroy(z);
}

/* One chunk fills the magazine, two more come home through their words. */
static void recycled(void)
{
    zslab_config c = {0};
    zslab *z = two(c);
    void *p[3 * SLOTS];
    take(z, 1024, 3 * SLOTS, p);
    give(z, 3 * SLOTS, p);
    IS(perf(z, LARGE).list_move_full_to_partial, COUNTED(2));
    IS(perf(z, LARGE).list_move_partial_to_full, 0);
    IS(global(z).cached_bytes, 2 * ZS__CHUNK_BYTES);
    take(z, 1024, 3 * SLOTS, p);
    IS(perf(z, LARGE).empty_slab_recycled, COUNTED(2));
    IS(perf(z, LARGE).list_move_partial_to_full, COUNTED(2));
    IS(perf(z, LARGE).new_slab_count, COUNTED(3));
    IS(perf(z, LARGE).slow_path_hits, COUNTED(5));
    IS(global(z).slabs_recycled, COUNTED(2));
    CHECK(class_of(z, LARGE).recycle_rate_pct == (ZSLAB_STATS ? 40 : 0));
    IS(global(z).cached_bytes, 0);
    give(z, 3 * SLOTS, p);
    test_destroy(z);
}

static int refuse_purge(void *user, void *p, size_t bytes)
{
    (void)p, (void)bytes;
    ++*(int *)user;
    return -1;
}

/* Without a cache the two that came home go to the pool, and under the RSS policy to the system, or try to.
   [STATS-2] */
static void overflows(int refused)
{
    zslab_config c = {0};
    int refusals = 0;
    c.cache_bytes = ZSLAB_CACHE_NONE;
    c.reclaim = ZSLAB_RECLAIM_RSS;
    if (refused) {
        c.os.reserve = zs__os_reserve;
        c.os.commit = zs__os_commit;
        c.os.purge = refuse_purge;
        c.os.release = zs__os_release;
        c.os.user = &refusals;
    }
    zslab *z = two(c);
    void *p[3 * SLOTS];
    take(z, 1024, 3 * SLOTS, p);
    give(z, 3 * SLOTS, p);
    zslab_class_stats k = class_of(z, LARGE);
    zslab_global_stats g = global(z);
    IS(k.perf.empty_slab_overflowed, COUNTED(2));
    IS(g.cache_overflows, COUNTED(2));
    IS(k.purge_calls, COUNTED(2));
    IS(k.purge_failures, COUNTED(refused ? 2 : 0));
    IS(k.purge_bytes, COUNTED(refused ? 0 : 2 * ZS__CHUNK_BYTES));
    IS(g.purge_calls, 2);
    IS(g.purge_failures, refused ? 2 : 0);
    IS(g.purge_bytes, refused ? 0 : 2 * ZS__CHUNK_BYTES);
    IS((uint64_t)refusals, refused ? 2 : 0);
    IS(g.committed_bytes, (refused ? 3 : 1) * ZS__CHUNK_BYTES);
    IS(k.slabs, 1); /* what is in the pool is nobody's */
    IS(k.committed_bytes, ZS__CHUNK_BYTES);
    CHECK(zslab_malloc(z, 64) != NULL); /* another class takes one of them */
    IS(class_of(z, SMALL).slow_path_cache_miss, COUNTED(1));
    test_destroy(z);
}

/* A reset epoch's chunks serve it again. */
static void rebound(void)
{
    zslab_config c = {0};
    zslab *z = two(c);
    void *p[3 * SLOTS];
    take(z, 1024, 3 * SLOTS, p);
    CHECK_IS(zslab_epoch_reset(z, zslab_epoch_current(z)), ZSLAB_OK);
    IS(global(z).live_objects, 0);
    take(z, 1024, 3 * SLOTS, p);
    IS(class_of(z, LARGE).slow_path_rebind, COUNTED(3));
    IS(class_of(z, LARGE).slow_path_cache_miss, COUNTED(3));
    IS(global(z).slow_path_rebind, COUNTED(3));
    IS(global(z).committed_bytes, 3 * ZS__CHUNK_BYTES);
    test_destroy(z);
}

typedef struct remote_job {
    zslab *z;
    void **p;
    size_t count;
} remote_job;

static void *free_elsewhere(void *user)
{
    remote_job *job = (remote_job *)user;
    give(job->z, job->count, job->p);
    return NULL;
}

/* Two slabs freed by another thread: a flush when it turns to the second, a flush when it exits. */
static void remote_frees(void)
{
    zslab_config c = {0};
    zslab *z = two(c);
    void *p[2 * SLOTS];
    remote_job job = {z, p, 2 * SLOTS};
    take(z, 1024, 2 * SLOTS, p);
    test_in_thread(free_elsewhere, &job);
    zslab_class_stats k = class_of(z, LARGE);
    IS(k.remote_frees, COUNTED(2 * SLOTS));
    IS(k.remote_flushes, COUNTED(2));
    IS(k.remote_waiting, 2 * SLOTS);
    IS(global(z).remote_waiting, 2 * SLOTS);
    IS(k.slow_path_inbox, 0);
    IS(k.live_objects, 0);
    IS(k.frees, TOTALLED(2 * SLOTS));
    IS(global(z).heap_count, 2);
    take(z, 1024, 2 * SLOTS, p);
    k = class_of(z, LARGE);
    IS(k.slow_path_inbox, COUNTED(1)); /* both slabs came home at once */
    IS(global(z).slow_path_inbox, COUNTED(1));
    IS(global(z).remote_frees, COUNTED(2 * SLOTS));
    IS(global(z).remote_flushes, COUNTED(2));
    IS(k.remote_waiting, 0);
    IS(k.slabs, 2);
    test_destroy(z);
}

/* ---- refusals, every mode ---- */

static void refused(void)
{
    TEST_EACH_MODE(m)
    {
        zslab *z = test_open(m, NULL);
        zslab_epoch e = zslab_epoch_open(z, NULL), current = zslab_epoch_current(z);
        size_t cls = zslab_size_class_of(z, 100);
        int i;
        CHECK(zslab_malloc_epoch(z, 100, e) != NULL);
        CHECK_IS(zslab_epoch_close(z, e), ZSLAB_OK);
        for (i = 0; i < 5; i++) CHECK_FAILS(zslab_malloc_epoch(z, 100, e), ZSLAB_E_CLOSED);
        IS(class_of(z, cls).slow_path_epoch_closed, COUNTED(5));
        for (i = 0; i < 2; i++) CHECK_FAILS(zslab_handle_alloc(z, 100, e, NULL), ZSLAB_E_CLOSED);
        IS(class_of(z, cls).slow_path_epoch_closed, COUNTED(7));
        CHECK(zslab_malloc(z, 100) != NULL);
        CHECK_IS(zslab_epoch_close(z, current), ZSLAB_OK);
        for (i = 0; i < 3; i++) CHECK_FAILS(zslab_malloc(z, 100), ZSLAB_E_CLOSED);
        IS(class_of(z, cls).slow_path_epoch_closed, COUNTED(10));
        IS(global(z).slow_path_epoch_closed, COUNTED(10));
        IS(global(z).closing_epoch_count, 2);
        IS(global(z).active_epoch_count, 0);
        IS(global(z).live_objects, 2);
        test_destroy(z);
    }
}

static void limited(void)
{
    zslab_config c = {0};
#if ZSLAB_NO_TLS
    c.flags = ZSLAB_FLAG_SHARED;
#endif
    zslab *z = two(c);
    test_limit_chunks(z, 2);
    void *p[2 * SLOTS];
    int i;
    take(z, 1024, 2 * SLOTS, p);
    for (i = 0; i < 4; i++) CHECK_FAILS(zslab_malloc(z, 1024), ZSLAB_E_LIMIT);
    IS(class_of(z, LARGE).slow_path_limit, COUNTED(4));
    IS(global(z).slow_path_limit, COUNTED(4));
    IS(global(z).slow_path_no_memory, 0);
    test_destroy(z);
    memset(&c, 0, sizeof c);
    c.reserve_bytes = 2 * ZS__CHUNK_BYTES;
    z = two(c);
    take(z, 1024, 2 * SLOTS, p);
    for (i = 0; i < 3; i++) CHECK_FAILS(zslab_malloc(z, 1024), ZSLAB_E_NOMEM);
    IS(class_of(z, LARGE).slow_path_no_memory, COUNTED(3));
    IS(global(z).slow_path_no_memory, COUNTED(3));
    IS(global(z).slow_path_limit, 0);
    test_destroy(z);
}

static void misuse(void)
{
    zslab *z = test_create(NULL);
    char *p = (char *)zslab_malloc(z, 64), *q = (char *)zslab_malloc(z, 64);
    zslab_epoch e = zslab_epoch_open(z, NULL);
    void *old = zslab_malloc_epoch(z, 64, e);
    int here, i;
    CHECK_IS(zslab_free(z, p), ZSLAB_OK);
    for (i = 0; i < 2; i++) CHECK_IS(zslab_free(z, p), ZSLAB_E_DOUBLE_FREE);
    for (i = 0; i < 3; i++) CHECK_IS(zslab_free(z, q + 8), ZSLAB_E_MISALIGNED);
    for (i = 0; i < 4; i++) CHECK_IS(zslab_free(z, &here), ZSLAB_E_FOREIGN);
    CHECK_IS(zslab_free_sized(z, q, 1000), ZSLAB_E_INVALID);
    CHECK_IS(zslab_epoch_release(z, e), ZSLAB_OK);
    for (i = 0; i < 5; i++) CHECK_IS(zslab_free(z, old), ZSLAB_E_STALE);
    zslab_global_stats g = global(z);
    IS(g.misuse[ZSLAB_E_DOUBLE_FREE], 2);
    IS(g.misuse[ZSLAB_E_MISALIGNED], 3);
    IS(g.misuse[ZSLAB_E_FOREIGN], 4);
    IS(g.misuse[ZSLAB_E_INVALID], 1);
    IS(g.misuse[ZSLAB_E_STALE], 5);
    IS(g.misuse_count, 15);
    test_destroy(z);
}

/* Handles that are old or never were, and damage that is found: its class's invariants do not hold. */
static void misuse_of_handles(void)
{
    zslab *z = test_create(NULL);
    void *p, *q = zslab_malloc(z, 64);
    zslab_handle h = zslab_handle_alloc(z, 64, zslab_epoch_current(z), &p);
    uint8_t *state;
    int i;
    MUST(h && q);
    CHECK_IS(zslab_handle_free(z, h), ZSLAB_OK);
    for (i = 0; i < 3; i++) CHECK_IS(zslab_handle_free(z, h), ZSLAB_E_STALE);
    for (i = 0; i < 2; i++) CHECK_IS(zslab_handle_free(z, ~(zslab_handle)0), ZSLAB_E_INVALID);
    CHECK_FAILS(zslab_handle_get(z, h), ZSLAB_E_STALE); /* asking is no misuse */
    state = zs__slot_state(z, q);
    *state = 99;
    for (i = 0; i < 4; i++) CHECK_IS(zslab_check(z, NULL, NULL), ZSLAB_E_CORRUPT);
    *state = z->guarded ? ZS__GUARDED : ZS__LIVE;
    zslab_global_stats g = global(z);
    IS(g.misuse[ZSLAB_E_STALE], 3);
    IS(g.misuse[ZSLAB_E_INVALID], 2);
    IS(g.misuse[ZSLAB_E_CORRUPT], 4);
    IS(g.misuse_count, 9);
    test_destroy(z);
}

/* A slot whose last generation was used. */
static void retired(void)
{
    zslab *z = test_create(NULL);
    void *p;
    zslab_handle h = zslab_handle_alloc(z, 64, zslab_epoch_current(z), &p);
    MUST(h);
    zs__id_words(z, zs__id_index(z, h >> 42))[h >> 10 & 63] |= (ZS__GENERATION_END - 1 - z->first_part) << 8;
    IS(global(z).retired_slots, 0);
    IS(global(z).live_objects, 1);
    CHECK_IS(zslab_handle_free(z, zslab_handle_of(z, p)), ZSLAB_OK);
    IS(global(z).retired_slots, 1);
    IS(global(z).live_objects, 0);
    IS(global(z).frees, TOTALLED(1));
    zslab_destroy(z);
}

/* ---- figures ---- */

static void figures(void)
{
    TEST_EACH_MODE(m)
    {
        zslab_config c = {0};
        c.class_bytes = two_classes;
        c.class_count = 2;
        zslab *z = test_open(m, &c);
        zslab_epoch e = zslab_epoch_open(z, "beside");
        void *p[3 * SLOTS], *q[10];
        size_t i;
        int fresh = test_owned(m); /* shared mode takes all slabs of a chunk at once */
        take(z, 64, 3 * SLOTS, p);
        for (i = 0; i < 10; i++) MUST(q[i] = zslab_malloc_epoch(z, 1000, e));
        give(z, SLOTS, p);                           /* a whole slab */
        CHECK_IS(zslab_free(z, p[SLOTS]), ZSLAB_OK); /* one of the next */
        zslab_class_stats k = class_of(z, SMALL);
        IS(k.version, ZSLAB_STATS_VERSION);
        IS(k.class_idx, SMALL);
        IS(k.object_bytes, 64);
        IS(k.live_objects, 2 * SLOTS - 1);
        IS(k.slabs, fresh ? 3 : 16);
        if (!(m->flags & ZSLAB_FLAG_HARDENED)) {
            IS(k.full_slabs, 1);
            IS(k.partial_slabs, 1);
        }
        IS(k.partial_slabs + k.full_slabs + k.empty_slabs, k.slabs);
        IS(k.net_slabs, k.slabs - k.empty_slabs);
        IS(k.total_objects, k.slabs * SLOTS);
        IS(k.committed_bytes, ZS__CHUNK_BYTES);
        zslab_global_stats g = global(z);
        IS(g.version, ZSLAB_STATS_VERSION);
        IS(g.class_count, 2);
        IS(g.live_objects, 2 * SLOTS + 9);
        IS(g.live_bytes, (2 * SLOTS - 1) * 64 + 10 * 1024);
        IS(g.net_slabs, k.net_slabs + 1);
        IS(g.committed_bytes, 2 * ZS__CHUNK_BYTES);
        IS(g.active_epoch_count, 2);
        IS(g.closing_epoch_count, 0);
        IS(g.current_epoch, zslab_epoch_current(z));
        IS(g.flags_in_effect, zslab_flags_in_effect(z));
        IS(g.heap_count, 1);
        IS(g.allocs - g.frees, TOTALLED(g.live_objects));
        IS(epoch(z, LARGE, e).live_objects, 10);
        IS(epoch(z, LARGE, e).live_bytes, 10 * 1024);
        IS(epoch(z, SMALL, e).live_objects, 0);
        IS(epoch(z, SMALL, g.current_epoch).live_objects, k.live_objects);
        CHECK_IS(zslab_epoch_release(z, e), ZSLAB_OK);
        IS(global(z).live_objects, 2 * SLOTS - 1);
        IS(global(z).active_epoch_count, 1);
        IS(class_of(z, LARGE).slabs, 0);
        give(z, 2 * SLOTS - 1, p + SLOTS + 1);
        IS(global(z).live_bytes, 0);
        IS(class_of(z, SMALL).empty_slabs, class_of(z, SMALL).slabs);
        test_destroy(z);
    }
}

/* What a draining chunk's frees leave in their slots waits for nobody. */
static void remote_draining(void)
{
    zslab_config c = {0};
    c.reclaim = ZSLAB_RECLAIM_RSS;
    zslab *z = two(c);
    void *p[SLOTS];
    remote_job job = {z, p, SLOTS - 1};
    take(z, 64, SLOTS, p);
    CHECK_IS(zslab_epoch_close(z, zslab_epoch_current(z)), ZSLAB_OK);
    test_in_thread(free_elsewhere, &job);
    IS(class_of(z, SMALL).live_objects, 1);
    IS(class_of(z, SMALL).remote_waiting, 0);
    test_destroy(z);
}

/* The snapshot says when it was taken, what was configured, and how much of the range was ever in use. */
static void configured(void)
{
    zslab_config c = {0};
    void *p[3 * SLOTS];
    uint64_t before = zs__os_now_ns();
    zslab *z = two(c);
    zslab_global_stats g = global(z), later;
    CHECK(g.created_ns >= before && g.taken_ns >= g.created_ns && g.taken_ns <= zs__os_now_ns());
    IS(g.limit_bytes, 0);
    IS(g.cache_limit_bytes, (size_t)1 << 20);
    IS(g.range_bytes, 0);
    take(z, 1024, 3 * SLOTS, p);
    later = global(z);
    IS(later.created_ns, g.created_ns);
    CHECK(later.taken_ns >= g.taken_ns);
    IS(later.range_bytes, 3 * ZS__CHUNK_BYTES);
    give(z, 3 * SLOTS, p);
    IS(zslab_epoch_release(z, zslab_epoch_current(z)), ZSLAB_OK);
    IS(global(z).range_bytes, later.range_bytes); /* it only rises */
    test_destroy(z);
    c.reserve_bytes = (size_t)1 << 26;
    c.limit_bytes = (size_t)1 << 24;
    c.cache_bytes = ZSLAB_CACHE_NONE;
    z = two(c);
    IS(global(z).limit_bytes, (size_t)1 << 24);
    IS(global(z).cache_limit_bytes, 0);
    test_destroy(z);
    c.limit_bytes = (size_t)-1;
    c.cache_bytes = (size_t)1 << 30;
    z = two(c);
    IS(global(z).limit_bytes, 0);
    IS(global(z).cache_limit_bytes, (size_t)1 << 26);
    test_destroy(z);
}

/* Whole pages without a live object are reclaimable, and the estimate knows which pages were touched. */
static void pages(void)
{
    zslab_config c = {0};
    zslab *z = two(c);
    void *p[SLOTS + 1];
    size_t page = z->page_bytes < ZS__CHUNK_BYTES ? z->page_bytes : ZS__CHUNK_BYTES, i;
    zslab_epoch e = zslab_epoch_current(z);
    take(z, 1024, 10, p);
    IS(epoch(z, LARGE, e).estimated_rss_bytes, zs__round_up(10 * 1024, page));
    take(z, 1024, SLOTS + 1 - 10, p + 10); /* one of the next chunk too */
    IS(epoch(z, LARGE, e).estimated_rss_bytes, ZS__CHUNK_BYTES + page);
    IS(epoch(z, LARGE, e).reclaimable_bytes, 0);
    IS(class_of(z, LARGE).estimated_rss_bytes, ZS__CHUNK_BYTES + page);
    for (i = 0; i < SLOTS; i++) /* all but one in the middle of the chunk */
        if (i != SLOTS / 2) CHECK_IS(zslab_free(z, p[i]), ZSLAB_OK);
    zslab_epoch_stats s = epoch(z, LARGE, e);
    IS(s.live_objects, 2);
    IS(s.reclaimable_bytes, ZS__CHUNK_BYTES - page);
    IS(s.reclaimable_slabs, 0);
    CHECK_IS(zslab_free(z, p[SLOTS / 2]), ZSLAB_OK);
    s = epoch(z, LARGE, e);
    IS(s.reclaimable_slabs, 1);
    IS(s.reclaimable_bytes, ZS__CHUNK_BYTES);
    test_destroy(z);
}

static void epochs(void)
{
    zslab_config c = {0};
    zslab_epoch_stats s;
    c.epoch_count = 4;
    c.reclaim = ZSLAB_RECLAIM_RSS;
    zslab *z = two(c);
    zslab_epoch first = zslab_epoch_current(z), e = zslab_epoch_open(z, "a label of more than thirty-one bytes");
    void *p = zslab_malloc_epoch(z, 1024, e);
    zslab_domain *d = zslab_domain_wrap(z, e, ZSLAB_ON_EXIT_KEEP);
    int i;
    MUST(p && d);
    s = epoch(z, LARGE, e);
    IS(s.version, ZSLAB_STATS_VERSION);
    IS(s.class_idx, LARGE);
    IS(s.object_bytes, 1024);
    IS(s.epoch, e);
    IS(s.state, ZSLAB_EPOCH_ACTIVE);
    CHECK(strcmp(s.label, "a label of more than thirty-one") == 0);
    IS(s.era, epoch(z, LARGE, first).era + 1);
    IS(global(z).newest_era, s.era);
    CHECK(s.opened_ns >= epoch(z, LARGE, first).opened_ns && s.opened_ns <= zs__os_now_ns());
    IS(s.domain_count, 1);
    IS(s.slabs, 1);
    IS(s.rss_before_close, 0);
    CHECK_IS(zslab_domain_destroy(d), ZSLAB_OK);
    IS(epoch(z, LARGE, e).domain_count, 0);
    CHECK_IS(zslab_epoch_close(z, e), ZSLAB_OK);
    s = epoch(z, LARGE, e);
    IS(s.state, ZSLAB_EPOCH_CLOSING);
    IS(s.live_objects, 1);
    CHECK(!zslab_rss_bytes() || (s.rss_before_close && s.rss_after_close));
    CHECK_IS(zslab_free(z, p), ZSLAB_OK);
    s = epoch(z, LARGE, e);
    IS(s.state, ZSLAB_EPOCH_CLOSED);
    IS(s.live_objects + s.slabs + s.estimated_rss_bytes + s.reclaimable_bytes, 0);
    CHECK(strcmp(s.label, "a label of more than thirty-one") == 0);
    IS(s.epoch, e);
    for (i = 0; i < 4; i++) /* once around the ring */
        CHECK_IS(zslab_epoch_release(z, zslab_epoch_open(z, NULL)), ZSLAB_OK);
    CHECK_IS(zslab_stats_epoch(z, LARGE, e, &s), ZSLAB_E_CLOSED);
    CHECK_IS(zslab_stats_epoch(z, LARGE, ZSLAB_EPOCH_NONE, &s), ZSLAB_E_CLOSED);
    CHECK_IS(zslab_stats_epoch(z, LARGE, ~(zslab_epoch)0, &s), ZSLAB_E_CLOSED);
    test_destroy(z);
}

static void refused_arguments(void)
{
    zslab *z = test_create(NULL);
    zslab_class_stats k;
    zslab_epoch_stats s;
    zslab_perf n;
    size_t past = global(z).class_count;
    CHECK_IS(zslab_stats_class(z, past, &k), ZSLAB_E_INVALID);
    CHECK_IS(zslab_stats_class(z, (size_t)-1, &k), ZSLAB_E_INVALID);
    CHECK_IS(zslab_stats_class(z, 0, NULL), ZSLAB_E_INVALID);
    CHECK_IS(zslab_perf_counters(z, past, &n), ZSLAB_E_INVALID);
    CHECK_IS(zslab_perf_counters(z, 0, NULL), ZSLAB_E_INVALID);
    CHECK_IS(zslab_stats_epoch(z, past, zslab_epoch_current(z), &s), ZSLAB_E_INVALID);
    CHECK_IS(zslab_stats_epoch(z, 0, zslab_epoch_current(z), NULL), ZSLAB_E_INVALID);
    CHECK_IS(zslab_stats_class(z, past - 1, &k), ZSLAB_OK);
    test_destroy(z);
}

/* Every kind of allocation and free is in the totals: here, elsewhere, by handle, in a draining chunk, of explicit
   heaps. */
static void totals(void)
{
    TEST_EACH_MODE(m)
    {
        zslab *z = test_open(m, NULL);
        zslab_epoch e = zslab_epoch_open(z, NULL);
        zslab_heap *heap = zslab_heap_create(z);
        zslab_handle h[10];
        void *p[300];
        remote_job job = {z, p, 100};
        size_t i;
        for (i = 0; i < 300; i++) MUST(p[i] = i % 3 ? zslab_malloc(z, 200) : zslab_malloc_epoch(z, 200, e));
        test_in_thread(free_elsewhere, &job);
        give(z, 50, p + 100);
        CHECK_IS(zslab_epoch_close(z, e), ZSLAB_OK);
        give(z, 50, p + 150);
        job.p = p + 200;
        job.count = 50;
        test_in_thread(free_elsewhere, &job);
        for (i = 0; i < 10; i++) MUST(h[i] = zslab_handle_alloc(z, 200, zslab_epoch_current(z), NULL));
        for (i = 0; i < 7; i++) CHECK_IS(zslab_handle_free(z, h[i]), ZSLAB_OK);
        p[0] = zslab_heap_malloc(heap, 200);
        p[1] = zslab_heap_malloc(heap, 200);
        CHECK_IS(zslab_heap_free(heap, p[0]), ZSLAB_OK);
        CHECK_IS(zslab_free(z, p[1]), ZSLAB_OK);
        IS(global(z).allocs, TOTALLED(312));
        IS(global(z).frees, TOTALLED(259));
        IS(global(z).live_objects, 53);
        zslab_heap_destroy(heap);
        test_destroy(z);
    }
}

/* ---- waiting for each other ---- */

static void *open_one(void *z)
{
    CHECK(zslab_epoch_open((zslab *)z, NULL) != ZSLAB_EPOCH_NONE);
    return NULL;
}

static void lock_waits(void)
{
    zslab *z = test_create(NULL);
    pthread_t thread;
    int i;
    for (i = 0; i < 3; i++) {
        uint64_t before = __atomic_load_n(&z->lock_waits, __ATOMIC_RELAXED);
        zs__epochs_take(z);
        MUST(pthread_create(&thread, NULL, open_one, z) == 0);
        while (ZSLAB_STATS && __atomic_load_n(&z->lock_waits, __ATOMIC_RELAXED) == before) sched_yield();
        zs__epochs_drop(z);
        pthread_join(thread, NULL);
    }
    IS(global(z).lock_waits, COUNTED(3));
    test_destroy(z);
}

typedef struct crossing {
    zslab *z;
    int stop;
} crossing;

static void *cross(void *user)
{
    crossing *x = (crossing *)user;
    void *p[8];
    size_t i;
    while (!__atomic_load_n(&x->stop, __ATOMIC_RELAXED)) {
        for (i = 0; i < 8; i++) MUST(p[i] = zslab_malloc(x->z, 64));
        give(x->z, 8, p);
    }
    return NULL;
}

/* One thread alone never tries twice; two in one slab do, sooner or later. */
static void cas_retries(void)
{
    zslab_config c = {0};
    crossing x = {NULL, 0};
    pthread_t thread;
    void *p[8];
    int i, seen = 0;
    c.flags = ZSLAB_FLAG_SHARED;
    x.z = two(c);
    for (i = 0; i < 1000; i++) {
        take(x.z, 64, 8, p);
        give(x.z, 8, p);
    }
    IS(global(x.z).cas_retries, 0);
    MUST(pthread_create(&thread, NULL, cross, &x) == 0);
    for (i = 0; i < 100000 && ZSLAB_STATS != 0 && !seen; i++) {
        int turn;
        for (turn = 0; turn < 1000; turn++) {
            take(x.z, 64, 8, p);
            give(x.z, 8, p);
        }
        seen = perf(x.z, SMALL).slow_path_hits && class_of(x.z, SMALL).cas_retries > 0;
    }
    __atomic_store_n(&x.stop, 1, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
    CHECK(!ZSLAB_STATS || seen);
    IS(global(x.z).cas_retries, class_of(x.z, SMALL).cas_retries);
    IS(global(x.z).live_objects, 0);
    IS(global(x.z).allocs, global(x.z).frees);
    test_destroy(x.z);
}

/* ---- shared mode's slow paths ---- */

static void shared_paths(void)
{
    zslab_config c = {0};
    c.flags = ZSLAB_FLAG_SHARED;
    zslab *z = two(c);
    void *p[2 * SLOTS];
    take(z, 1024, 2 * SLOTS, p);
    zslab_perf n = perf(z, LARGE);
    IS(n.slow_path_hits, COUNTED(2));
    IS(n.current_partial_null, COUNTED(1));
    IS(n.current_partial_full, COUNTED(1));
    IS(n.new_slab_count, COUNTED(2));
    IS(class_of(z, LARGE).slow_path_cache_miss, COUNTED(2));
    IS(n.list_move_partial_to_full, COUNTED(1)); /* the first chunk, found used up */
    IS(n.list_move_full_to_partial, 0);
    give(z, 2 * SLOTS, p);
    take(z, 1024, 2 * SLOTS, p); /* found without a slow path */
    IS(perf(z, LARGE).slow_path_hits, COUNTED(2));
    MUST(zslab_malloc(z, 1024)); /* that slow path finds both chunks used up again */
    IS(perf(z, LARGE).slow_path_hits, COUNTED(3));
    IS(perf(z, LARGE).list_move_full_to_partial, COUNTED(1)); /* the first one; the second had not left the list */
    IS(perf(z, LARGE).list_move_partial_to_full, COUNTED(1 + 2));
    IS(perf(z, LARGE).empty_slab_recycled, 0);
    give(z, SLOTS, p);
    CHECK_IS(zslab_epoch_close(z, zslab_epoch_current(z)), ZSLAB_OK);
    test_destroy(z);
}

/* Twenty chunks are given a slot back and lose it again: listed, without room. The first of them is then emptied; a
   slow path, which looks at sixteen of the list before it takes the lock, finds it there with every slot free. */
static void shared_recycled(void)
{
    enum { CHUNKS = 20 };
    static void *p[CHUNKS * SLOTS];
    zslab_config c = {0};
    size_t i;
    c.flags = ZSLAB_FLAG_SHARED;
    zslab *z = two(c);
    take(z, 1024, CHUNKS * SLOTS, p);
    for (i = 0; i < CHUNKS; i++) {
        CHECK_IS(zslab_free(z, p[i * SLOTS]), ZSLAB_OK);
        CHECK(zslab_malloc(z, 1024) == p[i * SLOTS]);
    }
    IS(perf(z, LARGE).slow_path_hits, COUNTED(CHUNKS));
    give(z, SLOTS, p);
    MUST(zslab_malloc(z, 1024));
    IS(perf(z, LARGE).slow_path_hits, COUNTED(CHUNKS + 1));
    IS(perf(z, LARGE).empty_slab_recycled, COUNTED(1));
    IS(perf(z, LARGE).list_move_full_to_partial, COUNTED(CHUNKS - 1)); /* the last had not left the list */
    IS(class_of(z, LARGE).slow_path_cache_miss, COUNTED(CHUNKS));
    IS(global(z).slabs_recycled, COUNTED(1));
    test_destroy(z);
}

/* ---- text ---- */

#define TEXT_BYTES (1u << 20)

static const char *json_of(const zslab *z)
{
    static char text[TEXT_BYTES];
    size_t length = zslab_stats_json(z, text, sizeof text);
    MUST(length < sizeof text && length == strlen(text));
    return text;
}

/* What jq makes of a JSON text: "path value" lines. */
static const char *parsed(const char *json)
{
    static char lines[TEXT_BYTES];
    char path[] = "/tmp/test_stats_"
                  "XX"
                  "XX"
                  "XX",
         command[160];
    int fd = mkstemp(path);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
    size_t length;
    MUST(f && fputs(json, f) >= 0 && fclose(f) == 0);
    snprintf(command, sizeof command,
             "jq -r 'paths(scalars) as $p | ($p | map(tostring) | join(\".\")) + \" \" + (getpath($p) | tostring)' %s",
             path);
    f = popen(command, "r");
    MUST(f);
    length = fread(lines, 1, sizeof lines - 1, f);
    lines[length] = 0;
    CHECK(pclose(f) == 0); /* jq is in `make deps`; not 0 as well for what is not JSON */
    unlink(path);
    return lines;
}

static const char *json_value(const char *lines, const char *key) /* the rest of its line; NULL: no such key */
{
    static char value[128];
    size_t length = strlen(key), end;
    for (; *lines; lines += strcspn(lines, "\n") + 1)
        if (!strncmp(lines, key, length) && lines[length] == ' ') {
            end = strcspn(lines + length + 1, "\n");
            snprintf(value, sizeof value, "%.*s", (int)end, lines + length + 1);
            return value;
        }
    return NULL;
}

static void json_is(const char *lines, const char *key, uint64_t want)
{
    const char *value = json_value(lines, key);
    test_at("%s", key);
    CHECK(value && *value >= '0' && *value <= '9');
    if (value && strcmp(key, "global.rss_bytes") && strcmp(key, "global.taken_ns") && !strstr(key, ".age_ns"))
        /* those move while the test reads */
        IS(strtoull(value, NULL, 10), want);
    test_at("%s", "");
}

#define TABLE(fields) (fields), sizeof(fields) / sizeof *(fields)
static void json_fields(const char *lines, const char *prefix, const zs__field *fields, size_t count, const void *base)
{
    char key[128];
    size_t i;
    for (i = 0; i < count; i++) {
        const char *at = (const char *)base + fields[i].offset;
        uint64_t want = 0;
        uint32_t small;
        double pct;
        if (fields[i].kind == ZS__U64) {
            memcpy(&want, at, sizeof want);
        } else if (fields[i].kind == ZS__U32) {
            memcpy(&small, at, sizeof small);
            want = small;
        } else {
            memcpy(&pct, at, sizeof pct);
            want = (uint64_t)pct;
        }
        snprintf(key, sizeof key, "%s.%s", prefix, fields[i].name);
        json_is(lines, key, want);
    }
}

/* The fields of a struct and those of its table: what a struct gains must gain a row. */
struct misaligned {
    char byte;
    uint64_t word;
};
static void tables(void)
{
    IS(sizeof zs__perf_fields / sizeof *zs__perf_fields * 8, sizeof(zslab_perf));
    if (offsetof(struct misaligned, word) == 8) { /* else there is no padding to count with */
        /* global: version, current_epoch and misuse are written apart; 6 of 4 bytes, one alone with its padding */
        IS(sizeof zs__global_fields / sizeof *zs__global_fields,
           (sizeof(zslab_global_stats) - sizeof(((zslab_global_stats *)0)->misuse) - 8 - 6 * 4 - 8) / 8 + 5);
        IS(sizeof zs__class_fields / sizeof *zs__class_fields,
           (sizeof(zslab_class_stats) - sizeof(zslab_perf) - 16) / 8 + 2);
    }
    IS(sizeof zs__epoch_fields / sizeof *zs__epoch_fields, 18);
}

static void json(void)
{
    zslab_config c = {0};
    zslab *z = two(c);
    zslab_epoch e = zslab_epoch_open(z, "quote\" back\\slash\nline\ttab \xc3\xa9 \xff");
    zslab_class_stats k;
    zslab_global_stats g;
    zslab_epoch_stats s;
    void *p[3 * SLOTS];
    char id[32];
    const char *lines;
    take(z, 1024, 3 * SLOTS, p);
    give(z, 100, p);
    MUST(zslab_malloc_epoch(z, 1024, e));
    CHECK_IS(zslab_free(z, p[0]), ZSLAB_E_DOUBLE_FREE);
    lines = parsed(json_of(z));
    g = global(z);
    k = class_of(z, LARGE);
    s = epoch(z, LARGE, e);
    json_is(lines, "version", ZSLAB_STATS_VERSION);
    json_fields(lines, "global", TABLE(zs__global_fields), &g);
    json_is(lines, "global.misuse.double free", 1);
    CHECK(json_value(lines, "global.misuse.stale") == NULL);
    json_fields(lines, "classes.0", TABLE(zs__class_fields), &k);
    json_fields(lines, "classes.0.perf", TABLE(zs__perf_fields), &k.perf);
    CHECK(json_value(lines, "classes.1.class_idx") == NULL); /* the other class was never used */
    json_fields(lines, "epochs.1", TABLE(zs__epoch_fields), &s);
    snprintf(id, sizeof id, "%llu", (unsigned long long)e);
    CHECK(json_value(lines, "epochs.1.epoch") && !strcmp(json_value(lines, "epochs.1.epoch"), id));
    CHECK(json_value(lines, "epochs.1.state") && !strcmp(json_value(lines, "epochs.1.state"), "active"));
    CHECK(json_value(lines, "epochs.1.label") && !strcmp(json_value(lines, "epochs.1.label"), "quote\" back\\slash"));
    CHECK(strstr(lines, "\nline\ttab \xc3\xa9 \xef\xbf\xbd\n") != NULL);
    CHECK(json_value(lines, "epochs.2.epoch") == NULL);
    test_destroy(z);
}

/* Labels of random bytes: whatever they are, the text stays JSON. */
static void json_labels(void)
{
    zslab *z = test_create(NULL);
    uint64_t seed = 1;
    int i;
    for (i = 0; i < 100; i++) {
        char label[32];
        size_t at;
        for (at = 0; at < 31; at++) {
            uint64_t r = test_random(&seed);
            label[at] = (char)(r & 1 ? 0xc0 + (r >> 8 & 63) : r & 2 ? 0x80 + (r >> 8 & 63) : 1 + (r >> 8) % 127);
        }
        label[31] = 0;
        MUST(zslab_epoch_open(z, label));
    }
    CHECK(json_value(parsed(json_of(z)), "epochs.100.era") != NULL);
    test_destroy(z);
}

/* What is UTF-8 stays, each byte of what is not is replaced: overlong, a surrogate, past the last one, cut short. */
static void labels_in_utf8(void)
{
    static const char *const good[] = {"\xc2\x80", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xf0\x90\x80\x80",
                                       "\xf4\x8f\xbf\xbf"};
    static const char *const bad[] = {"\xc1\xbf",         "\xe0\x9f\xbf",     "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82",     "\xbf"};
    char want[64];
    size_t i, j;
    for (i = 0; i < ZS__COUNT_OF(good) + ZS__COUNT_OF(bad); i++) {
        const char *label = i < ZS__COUNT_OF(good) ? good[i] : bad[i - ZS__COUNT_OF(good)];
        zslab *z = test_create(NULL);
        MUST(zslab_epoch_open(z, label));
        strcpy(want, "\"");
        for (j = 0; label[j] && i >= ZS__COUNT_OF(good); j++) strcat(want, "\xef\xbf\xbd");
        strcat(want, i < ZS__COUNT_OF(good) ? label : "");
        strcat(want, "\"");
        CHECK(strstr(json_of(z), want) != NULL);
        test_destroy(z);
    }
}

/* Too long a label is cut between characters, wherever its thirty-second byte lies: of epochs, groups and pools. */
static void labels_cut_in_utf8(void)
{
    static const char *const tail[] = {"\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\x80\x80"};
    size_t i, at, whole;
    for (i = 0; i < ZS__COUNT_OF(tail); i++)
        for (at = 27; at < 32; at++) {
            zslab *z = test_create(NULL);
            zslab_pool_config pool = {0};
            zslab_group_config group = {0};
            zslab_group_stats g;
            zslab_pool_stats ps;
            zslab_epoch_stats e;
            zslab_pool *p;
            char label[48], want[48];
            memset(label, 'x', at);
            strcpy(label + at, tail[i]);
            strcat(label, "yyyyy");
            whole = at + strlen(tail[i]) <= 31 || i == 3 ? 31 : at; /* the last is no UTF-8: bytes as they come */
            memcpy(want, label, whole);
            want[whole] = 0;
            group.label = pool.label = label;
            pool.slot_count = 1;
            MUST(p = zslab_pool_create(&pool));
            zslab_stats_pool(p, &ps);
            zslab_stats_group(zslab_group_create(z, &group), &g);
            CHECK_IS(zslab_stats_epoch(z, 0, zslab_epoch_open(z, label), &e), ZSLAB_OK);
            CHECK(!strcmp(e.label, want) && !strcmp(g.label, want) && !strcmp(ps.label, want));
            CHECK(i == 3 || !strstr(json_of(z), "\xef\xbf\xbd"));
            zslab_pool_destroy(p);
            test_destroy(z);
        }
}

/* Cut anywhere, the text is a prefix with a NUL, and the whole length is told. */
static void cut(size_t (*format)(const zslab *, char *, size_t))
{
    static char whole[TEXT_BYTES], part[TEXT_BYTES];
    zslab *z = test_create(NULL);
    size_t length, cap;
    MUST(zslab_malloc(z, 100));
    length = format(z, whole, sizeof whole);
    IS(strlen(whole), length);
    CHECK(format(z, NULL, 0) >= length && format(z, NULL, 100) >= length); /* an age may have one digit more by now */
    for (cap = 0; cap < length + 2; cap += cap < 40 || cap > length - 40 ? 1 : 97) {
        size_t now;
        memset(part, '#', cap + 8);
        now = format(z, part, cap);
        CHECK(now >= length);
        CHECK(!cap || strlen(part) == (cap <= now ? cap - 1 : now));
        CHECK(memcmp(part, whole, cap > 60 ? 60 : cap ? cap - 1 : 0) == 0);
        CHECK(part[cap] == '#');
    }
    test_destroy(z);
}

/* One line of the text exposition format, by its grammar; counts what must be unique. 0: wrong. */
typedef struct prom {
    char metric[128];   /* of the last TYPE */
    char seen[256][96]; /* every metric so far */
    int metrics, is_counter, samples;
} prom;

static int prom_name(const char **s)
{
    const char *from = *s;
    if (!(**s == '_' || **s == ':' || (**s >= 'a' && **s <= 'z') || (**s >= 'A' && **s <= 'Z'))) return 0;
    while (**s == '_' || **s == ':' || (**s >= 'a' && **s <= 'z') || (**s >= 'A' && **s <= 'Z') ||
           (**s >= '0' && **s <= '9'))
        ++*s;
    return (int)(*s - from);
}

static int prom_labels(const char **s)
{
    for (++*s; **s != '}';) {
        if (!prom_name(s) || *(*s)++ != '=' || *(*s)++ != '"') return 0;
        for (; **s != '"'; ++*s) {
            if (!**s || **s == '\n') return 0;
            if (**s == '\\' && *++*s != '\\' && **s != '"' && **s != 'n') return 0;
        }
        ++*s;
        if (**s == ',')
            ++*s;
        else if (**s != '}')
            return 0;
    }
    ++*s;
    return 1;
}

static int prom_line(prom *x, const char *s)
{
    char name[128], type[16];
    int i, n;
    if (sscanf(s, "# HELP %127s %n", name, &n) == 1) return s[n] && s[n] != '\n';
    if (sscanf(s, "# TYPE %127s %15s", name, type) == 2) {
        size_t length = strlen(name);
        for (i = 0; i < x->metrics; i++)
            if (!strcmp(x->seen[i], name)) return 0;
        if (x->metrics == 256 || length > 95) return 0;
        strcpy(x->seen[x->metrics++], name);
        strcpy(x->metric, name);
        x->is_counter = !strcmp(type, "counter");
        return (x->is_counter || !strcmp(type, "gauge")) && !strncmp(name, "zslab_", 6) &&
               x->is_counter == !strcmp(name + length - 6, "_total") && !strstr(name, "_count");
    }
    n = prom_name(&s);
    if (!n || (size_t)n != strlen(x->metric) || strncmp(s - n, x->metric, (size_t)n))
        return 0; /* samples stand below their TYPE */
    if (*s == '{' && !prom_labels(&s)) return 0;
    x->samples++;
    return *s == ' ' && s[1] >= '0' && s[1] <= '9' && s[1 + strspn(s + 1, "0123456789.")] == '\n';
}

static void prometheus(void)
{
    static char text[TEXT_BYTES], sample[160];
    zslab *z = test_create(NULL);
    zslab_epoch e = zslab_epoch_open(z, "a\"b\\c\nd\xff");
    prom x;
    const char *s;
    void *p = zslab_malloc(z, 64);
    memset(&x, 0, sizeof x);
    MUST(zslab_malloc_epoch(z, 64, e) && zslab_malloc(z, 500));
    CHECK_IS(zslab_free(z, (char *)p + 8), ZSLAB_E_MISALIGNED);
    MUST(zslab_stats_prometheus(z, text, sizeof text) < sizeof text);
    for (s = text; *s; s += strcspn(s, "\n") + 1) {
        test_at("%.60s", s);
        if (!CHECK(prom_line(&x, s))) break;
    }
    test_at("%s", "");
    CHECK(x.metrics > 60 && x.samples > x.metrics);
    CHECK(strstr(text, "\nzslab_live_objects 3\n") != NULL);
    CHECK(strstr(text, "\nzslab_active_epochs 2\n") != NULL);
    CHECK(strstr(text, "\nzslab_misuse_total{kind=\"misaligned pointer\"} 1\n") != NULL);
    snprintf(sample, sizeof sample, "\nzslab_class_live_objects{class=\"%u\",bytes=\"64\"} 2\n",
             (unsigned)zslab_size_class_of(z, 64));
    CHECK(strstr(text, sample) != NULL);
    snprintf(sample, sizeof sample, "\nzslab_epoch_live_objects{epoch=\"%llu\",label=\"%s\"} 1\n",
             (unsigned long long)e, "a\\\"b\\\\c\\nd\xef\xbf\xbd");
    CHECK(strstr(text, sample) != NULL);
    snprintf(sample, sizeof sample, "\nzslab_epoch_info{epoch=\"%llu\",label=\"first\",state=\"active\"} 1\n",
             (unsigned long long)zslab_epoch_current(z));
    CHECK(strstr(text, sample) != NULL);
    test_destroy(z);
}

/* Prometheus lists an epoch while it takes objects or drains, and not when it is over. */
static void epochs_that_are_listed(void)
{
    static char text[TEXT_BYTES], active[120], closing[120];
    zslab *z = test_create(NULL);
    zslab_epoch e = zslab_epoch_open(z, "listed");
    void *p = zslab_malloc_epoch(z, 64, e);
    snprintf(active, sizeof active, "\nzslab_epoch_info{epoch=\"%llu\",label=\"listed\",state=\"active\"} 1\n",
             (unsigned long long)e);
    snprintf(closing, sizeof closing, "\nzslab_epoch_info{epoch=\"%llu\",label=\"listed\",state=\"closing\"} 1\n",
             (unsigned long long)e);
    MUST(p && zslab_stats_prometheus(z, text, sizeof text) < sizeof text);
    CHECK(strstr(text, active) && !strstr(text, closing));
    CHECK_IS(zslab_epoch_close(z, e), ZSLAB_OK);
    MUST(zslab_stats_prometheus(z, text, sizeof text) < sizeof text);
    CHECK(!strstr(text, active) && strstr(text, closing));
    CHECK_IS(zslab_free(z, p), ZSLAB_OK);
    CHECK(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSED);
    MUST(zslab_stats_prometheus(z, text, sizeof text) < sizeof text);
    CHECK(!strstr(text, "\"listed\""));
    test_destroy(z);
}

/* ---- while others allocate ---- */

static struct {
    zslab *z;
    int stop;
    void *swap[64]; /* objects that change threads */
} busy;

static void *churn_thread(void *user)
{
    uint64_t seed = (uint64_t)(uintptr_t)user;
    void *mine[300] = {0};
    size_t i;
    while (!__atomic_load_n(&busy.stop, __ATOMIC_RELAXED)) {
        uint64_t r = test_random(&seed);
        void **at = &mine[r % 300], *p = *at;
        if (p && r >> 40 & 1) p = __atomic_exchange_n(&busy.swap[r >> 20 & 63], p, __ATOMIC_ACQ_REL);
        if (p) CHECK_IS(zslab_free(busy.z, p), ZSLAB_OK);
        MUST(*at = zslab_malloc(busy.z, 1 + (size_t)((r >> 32) % 2000)));
        if (r % 2003 == 0) {
            zslab_epoch e = zslab_epoch_open(busy.z, "short");
            for (i = 0; e && i < 50; i++) CHECK(zslab_malloc_epoch(busy.z, 1 + i * 7, e) != NULL);
            if (e && r >> 50 & 1) CHECK_IS(zslab_epoch_reset(busy.z, e), ZSLAB_OK);
            if (e) CHECK_IS(zslab_epoch_release(busy.z, e), ZSLAB_OK);
        }
        if (r % 20011 == 0) zslab_trim(busy.z);
    }
    for (i = 0; i < 300; i++)
        if (mine[i]) CHECK_IS(zslab_free(busy.z, mine[i]), ZSLAB_OK);
    return NULL;
}

/* Figures stay possible while two threads work, and are exact when they are gone. */
static void while_others_allocate(int rounds)
{
    TEST_EACH_MODE(m)
    {
        pthread_t thread[2];
        uint64_t slow = 0;
        size_t i;
        int turn;
        memset(&busy, 0, sizeof busy);
        busy.z = test_open(m, NULL);
        for (i = 0; i < 2; i++) MUST(pthread_create(&thread[i], NULL, churn_thread, (void *)(uintptr_t)(i + 1)) == 0);
        for (turn = 0; turn < rounds; turn++) {
            zslab_global_stats g = global(busy.z);
            zslab_class_stats k = class_of(busy.z, (size_t)turn % g.class_count);
            /* 2 * 300 + 64 + 2 * 51 at most at a time; the classes are counted one after the other */
            CHECK(g.live_objects <= 2000 && g.slow_path_hits >= slow);
            CHECK(k.live_objects <= k.total_objects && k.slabs == k.partial_slabs + k.full_slabs + k.empty_slabs);
            CHECK(k.estimated_rss_bytes <= k.committed_bytes);
            CHECK(g.active_epoch_count >= 1 && g.active_epoch_count <= 3);
            slow = g.slow_path_hits;
            CHECK(json_of(busy.z)[0] == '{');
            CHECK(zslab_stats_prometheus(busy.z, NULL, 0) > 1000);
        }
        __atomic_store_n(&busy.stop, 1, __ATOMIC_RELAXED);
        for (i = 0; i < 2; i++) pthread_join(thread[i], NULL);
        for (i = 0; i < 64; i++)
            if (busy.swap[i]) CHECK_IS(zslab_free(busy.z, busy.swap[i]), ZSLAB_OK);
        IS(global(busy.z).live_objects, 0);
        IS(test_live(busy.z), 0);
        test_destroy(busy.z);
    }
}

/* ---- the estimate against the kernel ---- */

enum { OBJECTS = 100000 };
static void *live_object[OBJECTS];

/* Replace random ones of the objects; those from `most` on go and stay away. */
static void churn(zslab *z, size_t most, int turns, uint64_t *seed)
{
    while (turns--) {
        uint64_t r = test_random(seed);
        size_t at = (size_t)(r % OBJECTS), size = 8 + (size_t)(r >> 40) % 600;
        if (live_object[at]) CHECK_IS(zslab_free(z, live_object[at]), ZSLAB_OK);
        live_object[at] = NULL;
        if (at < most) {
            MUST(live_object[at] = zslab_malloc(z, size));
            memset(live_object[at], 1, size);
        }
    }
}

/* What the kernel finds when it walks the pages; its running count may lag some dozens of them for each CPU. */
static uint64_t resident(void)
{
    unsigned long long kib = 0;
    char line[256];
    FILE *f = fopen("/proc/self/smaps_rollup", "r");
    while (f && !kib && fgets(line, sizeof line, f)) (void)sscanf(line, "Rss: %llu kB", &kib);
    if (f) fclose(f);
    return kib ? kib * 1024 : zslab_rss_bytes();
}

/* Grown; most of it freed; twice. What stays then is little, and metadata a larger part of it. */
static void estimate(uint32_t flags)
{
    uint64_t seed = 7, before, kernel, told;
    zslab_config c = {0};
    int phase;
    c.flags = flags;
    zslab *z = test_create(&c);
    memset(live_object, 1, sizeof live_object); /* the program's own pages come first */
    memset(live_object, 0, sizeof live_object);
    churn(z, 100, 100000, &seed);
    zslab_trim(z);
    IS(global(z).live_objects, test_live(z));
    test_destroy(z);
    memset(live_object, 0, sizeof live_object);
    before = resident();
    if (!before || TEST_SANITIZED || TEST_EMULATED) return;
    z = test_create(&c);
    for (phase = 0; phase < 4; phase++) {
        churn(z, phase & 1 ? OBJECTS / 10 : OBJECTS, TEST_BRIEF ? 250000 : 1000000, &seed);
        if (phase & 1) zslab_trim(z);
        kernel = resident() - before;
        told = global(z).estimated_rss_bytes;
        CHECK(global(z).rss_bytes - zslab_rss_bytes() + (1 << 20) < 2 << 20); /* the same, a moment apart */
        test_at("flags %u, phase %d: kernel %llu, estimate %llu", (unsigned)flags, phase, (unsigned long long)kernel,
                (unsigned long long)told);
        CHECK(told > kernel - kernel / 20 && told < kernel + kernel / 20);
        test_at("%s", "");
    }
    test_destroy(z);
}

int main(int argc, char **argv)
{
    estimate(0);
    estimate(ZSLAB_FLAG_HARDENED);
    estimate(ZSLAB_FLAG_SHARED);
    if (!ZSLAB_NO_TLS) {
        slow_paths();
        recycled();
        if (!TEST_WASM) overflows(0); /* every purge is refused there */
        overflows(1);
        rebound();
        remote_frees();
        remote_draining();
        pages();
        epochs();
    }
    shared_paths();
    shared_recycled();
    refused();
    limited();
    misuse();
    misuse_of_handles();
    retired();
    figures();
    configured();
    refused_arguments();
    totals();
    lock_waits();
    cas_retries();
    tables();
    if (TEST_UNIX) { /* jq reads it */
        json();
        json_labels();
    }
    labels_in_utf8();
    labels_cut_in_utf8();
    cut(zslab_stats_json);
    cut(zslab_stats_prometheus);
    prometheus();
    epochs_that_are_listed();
    while_others_allocate((int)test_amount(argc, argv, 60));
    return test_summary("test_stats");
}
