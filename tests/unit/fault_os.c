/* Every call of every OS hook, and of the fallback that serves large objects, fails once, for every n; then
   every call from the n-th on fails until the system recovers. No crash, nothing leaked, no object harmed, the
   same answers afterwards as if nothing had happened.
   usage: fault_os [calls of each hook that fail once; default all] */
/* timeout: 300 */
#include "tests/lib/test.h"

/* ---- a system that fails on demand, and remembers what it lent ---- */
enum { HOOK_RESERVE, HOOK_COMMIT, HOOK_PURGE, HOOK_LARGE, HOOKS };
static const char *const hook_name[] = {"reserve", "commit", "purge", "fallback"};
#define LARGE 32 /* of the fallback's objects at once */

static struct {
    uint64_t calls[HOOKS];
    int hook;          /* which one fails */
    uint64_t from, to; /* calls [from, to) of it, counted from 1 */
    uint64_t failed;
    size_t lent; /* bytes reserved and not released */
    int ranges;
    struct {
        void *p;
        size_t bytes;
    } large[LARGE];
    int larges;
} sys;

static int fails(int hook)
{
    uint64_t n = ++sys.calls[hook];
    if (hook != sys.hook || n < sys.from || n >= sys.to) return 0;
    sys.failed++;
    return 1;
}

static void *sys_reserve(void *user, size_t bytes, size_t alignment)
{
    void *p = fails(HOOK_RESERVE) ? NULL : zs__os_reserve(NULL, bytes, alignment);
    (void)user;
    sys.lent += p ? bytes : 0;
    sys.ranges += p != NULL;
    return p;
}
static int sys_commit(void *user, void *p, size_t bytes)
{
    (void)user;
    return fails(HOOK_COMMIT) ? -1 : zs__os_commit(NULL, p, bytes);
}
static int sys_purge(void *user, void *p, size_t bytes)
{
    (void)user;
    return fails(HOOK_PURGE) ? -1 : zs__os_purge(NULL, p, bytes);
}
static void sys_release(void *user, void *p, size_t bytes)
{
    (void)user;
    sys.lent -= bytes;
    sys.ranges--;
    zs__os_release(NULL, p, bytes);
}

static void *large_alloc(void *user, size_t size, size_t alignment)
{
    void *p = fails(HOOK_LARGE) ? NULL : test_aligned_alloc(alignment, size);
    int i;
    (void)user;
    if (!p) return NULL;
    for (i = 0; sys.large[i].p; i++) MUST(i < LARGE - 1);
    sys.large[i].p = p;
    sys.large[i].bytes = size;
    sys.larges++;
    return p;
}
static int large_at(const void *p) /* its place; -1: none of the fallback's */
{
    int i;
    for (i = 0; i < LARGE; i++)
        if (p && sys.large[i].p == p) return i;
    return -1;
}
static void large_free(void *user, void *p)
{
    int i = large_at(p);
    (void)user;
    if (!CHECK(i >= 0)) /* freed once, and nothing else comes here */
        return;
    sys.large[i].p = NULL;
    sys.larges--;
    test_aligned_free(p);
}
static size_t large_size(void *user, const void *p)
{
    int i = large_at(p);
    return (void)user, i < 0 ? 0 : sys.large[i].bytes;
}
static int large_owns(void *user, const void *p) { return (void)user, large_at(p) >= 0; }
static const zslab_fallback large = {large_alloc, large_free, large_size, large_owns, NULL};

/* ---- a story that asks for everything: chunks of many classes, epochs, heaps, rows, trim ---- */
#define OBJECTS 300
typedef struct story {
    zslab *z;
    void *p[OBJECTS];
    size_t bytes[OBJECTS];
    uint64_t refused;
} story;

/* What an allocation gave: it may be refused for want of memory, and for nothing else. */
static void *asked(story *s, void *p)
{
    if (!p) {
        CHECK(zslab_last_error() == ZSLAB_E_NOMEM);
        s->refused++;
    }
    return p;
}

static void *ask(story *s, size_t bytes, zslab_epoch e)
{
    return asked(s, e ? zslab_malloc_epoch(s->z, bytes, e) : zslab_malloc(s->z, bytes));
}

static void take_all(story *s, zslab_epoch e, size_t most)
{
    size_t i;
    for (i = 0; i < OBJECTS; i++) {
        s->bytes[i] = 1 + i * 131 % most;
        if ((s->p[i] = ask(s, s->bytes[i], e)) != NULL) test_fill(s->p[i], s->bytes[i], i);
    }
}

static void give_all(story *s, size_t step)
{
    size_t i;
    for (i = 0; i < OBJECTS; i += step)
        if (s->p[i]) {
            CHECK(test_filled(s->p[i], s->bytes[i], i));
            CHECK_IS(zslab_free(s->z, s->p[i]), ZSLAB_OK);
            s->p[i] = NULL;
        }
}

static void grow_all(story *s)
{
    size_t i;
    for (i = 0; i < OBJECTS; i += 5) {
        void *q = s->p[i] ? zslab_realloc(s->z, s->p[i], s->bytes[i] * 2) : NULL;
        if (q) {
            s->p[i] = q;
            s->bytes[i] *= 2;
            test_fill(q, s->bytes[i], i);
        } else if (s->p[i]) {
            CHECK(zslab_last_error() == ZSLAB_E_NOMEM && test_filled(s->p[i], s->bytes[i], i));
            s->refused++;
        }
    }
}

static size_t held(const story *s)
{
    size_t i, n = 0;
    for (i = 0; i < OBJECTS; i++) n += s->p[i] != NULL;
    return n;
}

static void *in_another_thread(void *arg)
{
    story *s = (story *)arg;
    take_all(s, 0, 300);
    return NULL;
}

static void *ask_large(story *s, zslab_heap *heap, size_t bytes, int way)
{
    void *p = NULL;
    switch (way) {
    case 0:
        return asked(s, zslab_malloc(s->z, bytes));
    case 1:
        return asked(s, zslab_malloc_epoch(s->z, bytes, zslab_epoch_current(s->z)));
    case 2:
        return asked(s, zslab_heap_malloc(heap, bytes));
    case 3:
        return asked(s, zslab_malloc_batch(s->z, bytes, 1, &p) ? p : NULL);
    case 4:
        p = asked(s, zslab_aligned_alloc(s->z, 16384, bytes));
        CHECK((uintptr_t)p % 16384 == 0);
        return p;
    default:
        p = asked(s, zslab_calloc(s->z, bytes, 1));
        CHECK(!p || (*(char *)p == 0 && !memcmp(p, (char *)p + 1, bytes - 1)));
        return p;
    }
}

/* A new size for an object; refused, it is as it was. */
static void resize(story *s, void **p, size_t *bytes, size_t to, uint64_t seed)
{
    void *q = *p ? asked(s, zslab_realloc(s->z, *p, to)) : NULL;
    if (!q) {
        CHECK(!*p || test_filled(*p, *bytes, seed));
        return;
    }
    *p = q;
    *bytes = to;
    test_fill(q, to, seed);
}

/* Objects of the fallback by every call that asks it, and across the border both ways. */
static void tell_large(story *s)
{
    void *p[12];
    size_t bytes[12], i;
    zslab_heap *heap = zslab_heap_create(s->z);
    if (!asked(s, heap)) return;
    for (i = 0; i < 12; i++) {
        bytes[i] = 9000 + 1000 * i;
        if ((p[i] = ask_large(s, heap, bytes[i], (int)(i % 6))) != NULL) test_fill(p[i], bytes[i], i);
    }
    for (i = 0; i < 12; i += 2) resize(s, &p[i], &bytes[i], i % 4 ? 100 : 50000, i);
    for (i = 0; i < 12; i += 4) resize(s, &p[i + 2], &bytes[i + 2], 20000, i + 2);
    for (i = 0; i < 12; i++) {
        if (!p[i]) continue;
        CHECK(zslab_owns(s->z, p[i]) && zslab_usable_size(s->z, p[i]) >= bytes[i]);
        CHECK(test_filled(p[i], bytes[i], i));
        switch (i % 4) {
        case 0:
            CHECK_IS(zslab_free(s->z, p[i]), ZSLAB_OK);
            break;
        case 1:
            CHECK_IS(zslab_heap_free(heap, p[i]), ZSLAB_OK);
            break;
        case 2:
            CHECK_IS(zslab_free_sized(s->z, p[i], bytes[i]), ZSLAB_OK);
            break;
        default:
            CHECK(zslab_free_batch(s->z, &p[i], 1) == 1);
        }
    }
    CHECK(sys.larges == 0);
    zslab_heap_destroy(heap);
}

static void tell_handles(story *s)
{
    zslab_handle h[40];
    void *p[40];
    size_t i;
    for (i = 0; i < 40; i++) {
        h[i] = zslab_handle_alloc(s->z, 8 + i * 60, zslab_epoch_current(s->z), &p[i]);
        CHECK((h[i] != 0) == (p[i] != NULL));
        if (asked(s, p[i])) test_fill(p[i], 8 + i * 60, i);
    }
    for (i = 0; i < 40; i++) {
        if (!h[i]) continue;
        CHECK(zslab_handle_get(s->z, h[i]) == p[i] && test_filled(p[i], 8 + i * 60, i));
        CHECK_IS(zslab_handle_free(s->z, h[i]), ZSLAB_OK);
        CHECK_FAILS(zslab_handle_get(s->z, h[i]), ZSLAB_E_STALE);
    }
}

/* A full pool asks its fallback. */
static void tell_pool(story *s)
{
    static uint64_t memory[512];
    zslab_pool_config c;
    zslab_pool_stats stats;
    zslab_pool *pool;
    void *p[6];
    size_t i, n = 0;
    memset(&c, 0, sizeof c);
    c.slot_bytes = 64;
    c.slot_count = 3;
    c.queue_capacity = 4;
    c.memory = memory;
    c.memory_bytes = sizeof memory;
    c.fallback = large;
    MUST(pool = zslab_pool_create(&c));
    for (i = 0; i < 6; i++) n += (p[i] = asked(s, zslab_pool_alloc(pool))) != NULL && i >= 3;
    zslab_stats_pool(pool, &stats);
    CHECK(stats.hits == 3 && stats.fallbacks == n && stats.allocs == 3 + n && (size_t)sys.larges == n);
    for (i = 0; i < 6; i++) CHECK_IS(zslab_pool_free(pool, p[i]), ZSLAB_OK);
    CHECK(sys.larges == 0);
    zslab_pool_destroy(pool);
}

static void tell(story *s)
{
    zslab_epoch e = zslab_epoch_open(s->z, "story");
    zslab_heap *heap;
    take_all(s, 0, 4000);
    grow_all(s);
    CHECK(test_live(s->z) == held(s));
    give_all(s, 2);
    give_all(s, 1);
    take_all(s, e, 2000);
    CHECK_IS(zslab_epoch_close(s->z, e), ZSLAB_OK); /* purges, under the RSS policy */
    CHECK(test_live(s->z) == held(s));
    give_all(s, 3);
    give_all(s, 1);
    zslab_trim(s->z);
    e = zslab_epoch_open(s->z, "another");
    take_all(s, e, 100);
    CHECK_IS(zslab_epoch_release(s->z, e), ZSLAB_OK);
    memset(s->p, 0, sizeof s->p);
    if (asked(s, heap = zslab_heap_create(s->z)) != NULL) {
        void *p = zslab_heap_malloc(heap, 50);
        if (p) CHECK_IS(zslab_heap_free(heap, p), ZSLAB_OK);
        zslab_heap_destroy(heap);
    }
    tell_large(s);
    tell_pool(s);
    tell_handles(s);
    test_in_thread(in_another_thread, s);
    CHECK(test_live(s->z) == held(s));
    give_all(s, 1);
    zslab_trim(s->z);
    CHECK(test_live(s->z) == 0);
}

static zslab *open_on_sys(const test_mode *m)
{
    zslab_config c = {0};
    c.flags = m->flags;
    c.reclaim = m->reclaim;
    c.cache_bytes = ZSLAB_CACHE_NONE;
    c.reserve_bytes = 2000 * ZS__CHUNK_BYTES;
    c.os.reserve = sys_reserve;
    c.os.commit = sys_commit;
    c.os.purge = sys_purge;
    c.os.release = sys_release;
    c.fallback = large;
    return zslab_create(&c);
}

static void sys_reset(int hook, uint64_t from, uint64_t to)
{
    memset(&sys, 0, sizeof sys);
    sys.hook = hook;
    sys.from = from;
    sys.to = to;
}

/* The story with failures; then, the system well again, once more without any. 0: nothing failed any more. */
static int survives(const test_mode *m, int hook, uint64_t from, uint64_t to, size_t committed)
{
    static story s;
    memset(&s, 0, sizeof s);
    test_at("%s, %s %llu to %llu", m->name, hook_name[hook], (unsigned long long)from, (unsigned long long)to);
    sys_reset(hook, from, to);
    s.z = open_on_sys(m);
    if (!s.z) {
        CHECK(zslab_last_error() == ZSLAB_E_NOMEM && sys.failed && hook != HOOK_PURGE && hook != HOOK_LARGE);
        CHECK(sys.lent == 0 && sys.ranges == 0);
        return 1;
    }
    tell(&s);
    if (hook == HOOK_PURGE) CHECK(s.refused == 0); /* what cannot be given back is kept */
    sys.to = 0;
    s.refused = 0;
    tell(&s);
    tell(&s);
    CHECK(s.refused == 0);
    if (!CHECK(s.z->committed_bytes == committed))
        printf("%zu bytes, not %zu\n", (size_t)s.z->committed_bytes, committed);
    test_destroy(s.z);
    CHECK(sys.lent == 0 && sys.ranges == 0 && sys.larges == 0);
    return sys.failed != 0;
}

static void every_call_fails(const test_mode *m, uint64_t most)
{
    static story s;
    uint64_t n, total = 0;
    size_t committed;
    int hook;
    memset(&s, 0, sizeof s);
    sys_reset(HOOKS, 0, 0); /* once without failures: what is left committed when all is freed */
    s.z = open_on_sys(m);
    MUST(s.z);
    tell(&s), tell(&s), tell(&s);
    CHECK(s.refused == 0);
    committed = s.z->committed_bytes;
    test_destroy(s.z);
    CHECK(sys.lent == 0 && sys.ranges == 0);
    for (hook = 0; hook < HOOKS; hook++) {
        for (n = 1; n <= most && survives(m, hook, n, n + 1, committed); n++)
            ;
        total += n - 1;
        for (n = 1; survives(m, hook, n, ~(uint64_t)0, committed) && n < 2000 && n / 8 < most; n += 1 + n / 4)
            ;
    }
    printf("%s: %llu calls of hooks, each failed in turn\n", m->name, (unsigned long long)total);
}

int main(int argc, char **argv)
{
    uint64_t most = argc > 1 ? test_amount(argc, argv, 0) : UINT64_MAX;
    TEST_EACH_MODE(m)
    if (!m->in_buffer) every_call_fails(m, most);
    return test_summary("fault_os");
}
