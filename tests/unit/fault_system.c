/* The system's own refusals: each call that zslab.h makes of it fails, and the allocator answers as documented. A
   refused allocation of address space, of a thread-exit hook or of locked pages is a refused create; a refused fence,
   huge page, node, purge or clock costs what it would have given, and nothing else. Nothing stays mapped. */
#define _GNU_SOURCE
#include <stdio.h>
#if !defined(__linux__)
int main(void) { return printf("stands between the allocator and Linux\n"), 77; }
#else
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- the system as the header sees it ---- */
enum {
    SYS_MAP,
    SYS_PROTECT,
    SYS_LOCK,
    SYS_KEY,
    SYS_ARM,
    SYS_STATM_OPEN,
    SYS_STATM_READ,
    SYS_CLOCK,
    SYS_PAGE,
    SYS_CALLS
};
static struct {
    unsigned refused; /* a bit for each of these */
    int skip;         /* mappings and protections that still succeed */
    size_t map_most;  /* a larger mapping is refused */
    size_t granted;   /* bytes of protections that succeed, SIZE_MAX: any */
    int advice;       /* this madvise is refused */
    long number;      /* and this system call */
    int policy;       /* of this thread's scheduling, so it is told */
    uint32_t naps;    /* atomic: short ones, of who has that policy */
    size_t mapped;    /* bytes that are not unmapped yet */
} sys_fake;

static int sys_says(int no) /* refusals leave a reason where the system does */
{
    if (no) errno = EPERM;
    return no;
}
static int sys_refuses(int call) { return sys_says((int)(sys_fake.refused >> call & 1)); }

static void *sys_mmap(void *at, size_t bytes, int prot, int flags, int fd, off_t offset)
{
    void *p;
    if (sys_says(bytes > sys_fake.map_most) || (sys_refuses(SYS_MAP) && sys_fake.skip-- <= 0)) return MAP_FAILED;
    p = mmap(at, bytes, prot, flags, fd, offset);
    sys_fake.mapped += p == MAP_FAILED ? 0 : bytes;
    return p;
}
static int sys_munmap(void *p, size_t bytes)
{
    sys_fake.mapped -= bytes;
    return munmap(p, bytes);
}
static int sys_mprotect(void *p, size_t bytes, int prot)
{
    if (sys_says(bytes > sys_fake.granted) || (sys_refuses(SYS_PROTECT) && sys_fake.skip-- <= 0)) return -1;
    sys_fake.granted -= sys_fake.granted == SIZE_MAX ? 0 : bytes;
    return mprotect(p, bytes, prot);
}
static int sys_madvise(void *p, size_t bytes, int advice)
{
    return sys_says(advice == sys_fake.advice) ? -1 : madvise(p, bytes, advice);
}
static int sys_mlock(const void *p, size_t bytes) { return sys_refuses(SYS_LOCK) ? -1 : mlock(p, bytes); }
static long sys_syscall(long number, ...)
{
    long a[6] = {0, 0, 0, 0, 0, 0};
    const int count = number == SYS_sched_getscheduler ? 1
                      : number == SYS_membarrier       ? 2
                      : number == SYS_getrandom        ? 3
                      : number == SYS_futex            ? 5
                                                       : 6;
    int i;
    va_list list;
    if (sys_says(number == sys_fake.number)) return -1;
    va_start(list, number);
    for (i = 0; i < count; i++) a[i] = va_arg(list, long);
    va_end(list);
    if (number == SYS_sched_getscheduler) return sys_fake.policy;
    if (number == SYS_futex && ((const long *)(intptr_t)a[3])[1] < 1000000)
        __atomic_fetch_add(&sys_fake.naps, 1, __ATOMIC_RELAXED);
    return syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
static int sys_key_create(pthread_key_t *key, void (*on_exit)(void *))
{
    return sys_refuses(SYS_KEY) ? -1 : pthread_key_create(key, on_exit);
}
static int sys_setspecific(pthread_key_t key, const void *value)
{
    return sys_refuses(SYS_ARM) ? ENOMEM : pthread_setspecific(key, value);
}
static int sys_open(const char *path, int flags, ...) { return sys_refuses(SYS_STATM_OPEN) ? -1 : open(path, flags); }
static ssize_t sys_read(int fd, void *to, size_t bytes)
{
    return sys_refuses(SYS_STATM_READ) ? -1 : read(fd, to, bytes);
}
static int sys_clock_gettime(clockid_t clock, struct timespec *out)
{
    return sys_refuses(SYS_CLOCK) ? -1 : clock_gettime(clock, out);
}
static long sys_sysconf(int name) { return sys_refuses(SYS_PAGE) ? -1 : sysconf(name); }

#undef mmap /* tests/lib/pages.h may stand between, too */
#undef munmap
#undef mprotect
#undef madvise
#undef open
#undef sysconf
#define mmap sys_mmap
#define munmap sys_munmap
#define mprotect sys_mprotect
#define madvise sys_madvise
#define mlock sys_mlock
#define syscall sys_syscall
#define pthread_key_create sys_key_create
#define pthread_setspecific sys_setspecific
#define open sys_open
#define read sys_read
#define clock_gettime sys_clock_gettime
#define sysconf sys_sysconf
#include "tests/lib/test.h"

static void refuse(unsigned calls, int skip)
{
    sys_fake.refused = calls;
    sys_fake.skip = skip;
    sys_fake.map_most = SIZE_MAX;
    sys_fake.granted = SIZE_MAX;
    sys_fake.advice = -1;
    sys_fake.number = -1;
}
static void nothing_refused(void) { refuse(0, 0); }

static size_t objects_serve(zslab *z) /* made, written, freed, freed again; how many */
{
    void *p[100];
    size_t i;
    for (i = 0; i < 100; i++) {
        MUST(p[i] = zslab_malloc(z, 1 + i * 40));
        test_fill(p[i], 1 + i * 40, i);
    }
    for (i = 0; i < 100; i++) {
        CHECK(test_filled(p[i], 1 + i * 40, i));
        CHECK_IS(zslab_free(z, p[i]), ZSLAB_OK);
        CHECK_IS(zslab_free(z, p[i]), ZSLAB_E_DOUBLE_FREE);
    }
    return i;
}

static void ends(zslab *z)
{
    test_destroy(z);
    CHECK(sys_fake.mapped == 0);
}

/* ---- refused for good: no allocator, and nothing left behind ---- */
static void no_address_space(void)
{
    int n;
    zslab *z;
    for (n = 0; n < 2; n++) { /* the metadata's, the range's */
        zslab_config c = {0};
        c.reserve_bytes = 64 * ZS__CHUNK_BYTES;
        refuse(1u << SYS_MAP, n);
        CHECK_FAILS(zslab_create(&c), ZSLAB_E_NOMEM);
        CHECK(sys_fake.mapped == 0);
    }
    refuse(1u << SYS_MAP, 0); /* not even the smallest */
    CHECK_FAILS(zslab_create(NULL), ZSLAB_E_NOMEM);
    CHECK(sys_fake.mapped == 0);
    nothing_refused();
    z = test_create(NULL);
    objects_serve(z);
    ends(z);
}

/* The default range is halved until it is granted; one that was asked for is not. */
static void less_address_space(void)
{
    zslab_config c = {0};
    zslab *z = test_create(NULL);
    size_t bytes = z->range_bytes;
    zslab_destroy(z);
    sys_fake.map_most = bytes / 3;
    z = test_create(NULL);
    CHECK(z->range_bytes < bytes / 3 && z->range_bytes >= bytes / 16); /* most of a small one's is metadata */
    objects_serve(z);
    ends(z);
    c.reserve_bytes = bytes;
    CHECK_FAILS(zslab_create(&c), ZSLAB_E_NOMEM);
    CHECK(sys_fake.mapped == 0);
    nothing_refused();
}

/* The system grants 32 MiB and no more. What one size took and gave back, each other size is served from. [ARENA-3] */
static void few_pages(uint32_t flags)
{
    static const size_t size[7] = {32, 1000, 64, 100000, 8192, 8, 300};
    zslab_config c = {0};
    size_t i, bytes;
    zslab *z;
    c.flags = flags;
    c.reserve_bytes = (size_t)1 << 30;
    sys_fake.granted = (size_t)32 << 20;
    z = test_create(&c);
    for (i = 0; i < 7; i++) {
        void **list = NULL, **p;
        for (bytes = 0; (p = (void **)zslab_malloc(z, size[i])) != NULL; bytes += size[i], list = p) *p = list;
        test_at("size %zu: %zu bytes", size[i], bytes);
        CHECK(zslab_last_error() == ZSLAB_E_NOMEM && bytes > (size_t)12 << 20);
        for (; list; list = p) {
            p = (void **)*list;
            CHECK_IS(zslab_free(z, list), ZSLAB_OK);
        }
    }
    test_at("%s", "");
    ends(z);
    nothing_refused();
}

/* What a range's records take is refused: a smaller range has fewer. */
static void few_records(void)
{
    zslab *z;
    void *p;
    sys_fake.granted = (size_t)16 << 20;
    z = test_create(NULL);
    MUST(p = zslab_malloc(z, 100));
    test_fill(p, 100, 1);
    CHECK(test_filled(p, 100, 1));
    CHECK_IS(zslab_free(z, p), ZSLAB_OK);
    ends(z);
    nothing_refused();
}

static void no_pages(uint32_t flags, uint32_t sample_every)
{
    int n, created = 0;
    for (n = 0; n < 40 && !created; n++) {
        zslab_config c = {0};
        zslab *z;
        c.flags = ZSLAB_FLAG_PREFAULT | flags;
        c.sample_every = sample_every;
        c.reserve_bytes = 64 * ZS__CHUNK_BYTES;
        refuse(1u << SYS_PROTECT, n);
        z = zslab_create(&c);
        created = z && sys_fake.skip >= 0; /* nothing was refused */
        if (!z) {
            CHECK(zslab_last_error() == ZSLAB_E_NOMEM);
        } else if (!created) { /* an allocation is refused, and the next one is not */
            nothing_refused();
            objects_serve(z);
        }
        nothing_refused();
        zslab_destroy(z);
        CHECK(sys_fake.mapped == 0);
    }
    CHECK(created && n > 2);
}

static void no_locked_pages(void)
{
    zslab_config c = {0};
    c.flags = ZSLAB_FLAG_LOCK_PAGES;
    c.reserve_bytes = 4 * ZS__CHUNK_BYTES;
    refuse(1u << SYS_LOCK, 0);
    CHECK_FAILS(zslab_create(&c), ZSLAB_E_NOMEM);
    CHECK(sys_fake.mapped == 0);
    nothing_refused();
}

static void no_thread_exit_hook(void)
{
    refuse(1u << SYS_KEY, 0);
    CHECK_FAILS(zslab_create(NULL), ZSLAB_E_LIMIT);
    CHECK(sys_fake.mapped == 0);
    nothing_refused();
    ends(test_create(NULL));
}

/* A thread whose exit hook is refused is served; it keeps no heap, and has none when it is gone. */
static void *works_unhooked(void *arg)
{
    zslab *z = (zslab *)arg;
    objects_serve(z);
#if !ZSLAB_NO_TLS
    CHECK(zs__tls()->thread == 0 && zs__tls()->z == 0);
#endif
    return NULL;
}

static void no_hook_of_a_thread(void)
{
    zslab *z = test_create(NULL);
    int i;
    refuse(1u << SYS_ARM, 0);
    for (i = 0; i < 10; i++) {
        pthread_t thread;
        MUST(pthread_create(&thread, NULL, works_unhooked, z) == 0);
        pthread_join(thread, NULL);
        CHECK(z->heap_count <= 1 && (ZSLAB_NO_TLS || z->parked == z->heaps));
    }
    nothing_refused();
    objects_serve(z);
    CHECK(z->heap_count == 1);
    ends(z);
}

static void no_pool(void)
{
    zslab_pool_config c;
    zslab_pool *pool;
    int n;
    memset(&c, 0, sizeof c);
    c.slot_count = 100;
    refuse(1u << SYS_MAP, 0);
    CHECK_FAILS(zslab_pool_create(&c), ZSLAB_E_NOMEM);
    for (n = 0; n < 2; n++) { /* before the guard page, and behind it */
        refuse(1u << SYS_PROTECT, n);
        CHECK_FAILS(zslab_pool_create(&c), ZSLAB_E_NOMEM);
        CHECK(sys_fake.mapped == 0);
    }
    nothing_refused();
    MUST(pool = zslab_pool_create(&c));
    CHECK(zslab_pool_free(pool, zslab_pool_alloc(pool)) == ZSLAB_OK);
    zslab_pool_destroy(pool);
    CHECK(sys_fake.mapped == 0);
}

/* ---- refused, and done without ---- */
static void no_huge_pages_nor_node(void)
{
    zslab_config c = {0};
    zslab *z;
    c.flags = ZSLAB_FLAG_HUGE_PAGES | ZSLAB_FLAG_NUMA_LOCAL;
    c.reserve_bytes = 64 * ZS__CHUNK_BYTES;
    sys_fake.advice = MADV_HUGEPAGE;
    sys_fake.number = SYS_mbind;
    z = test_create(&c);
    CHECK(!(zslab_flags_in_effect(z) & (ZSLAB_FLAG_HUGE_PAGES | ZSLAB_FLAG_NUMA_LOCAL)));
    objects_serve(z);
    ends(z);
    nothing_refused();
}

static void no_purge(void)
{
    zslab_config c = {0};
    zslab_global_stats stats;
    zslab_epoch e;
    zslab *z;
    int i;
    c.reclaim = ZSLAB_RECLAIM_RSS;
    z = test_create(&c);
    MUST(e = zslab_epoch_open(z, "kept"));
    for (i = 0; i < 1000; i++) MUST(zslab_malloc_epoch(z, 500, e));
    sys_fake.advice = MADV_DONTNEED;
    CHECK_IS(zslab_epoch_release(z, e), ZSLAB_OK);
    zslab_stats_global(z, &stats);
    CHECK(!ZSLAB_STATS || (stats.purge_calls > 0 && stats.purge_failures == stats.purge_calls));
    nothing_refused();
    objects_serve(z);
    ends(z);
}

/* Without membarrier the RSS policy's owners fence for themselves; what a release gives back is the same. */
static void no_fence(void)
{
    zslab_config c = {0};
    zslab_epoch e;
    zslab *z;
    void *p;
    c.reclaim = ZSLAB_RECLAIM_RSS;
    sys_fake.number = SYS_membarrier;
    z = test_create(&c);
    CHECK(z->no_membarrier || ZSLAB_NO_TLS);
    objects_serve(z);
    MUST(e = zslab_epoch_open(z, "short"));
    MUST(p = zslab_malloc_epoch(z, 700, e));
    CHECK_IS(zslab_epoch_close(z, e), ZSLAB_OK);
    CHECK_FAILS(zslab_malloc_epoch(z, 700, e), ZSLAB_E_CLOSED);
    CHECK_IS(zslab_free(z, p), ZSLAB_OK);
    CHECK(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSED);
    ends(z);
    nothing_refused();
}

static void no_clock_no_statm_no_random(void)
{
    zslab *z;
    CHECK(zslab_rss_bytes() > 0);
    refuse(1u << SYS_STATM_OPEN, 0);
    CHECK(zslab_rss_bytes() == 0);
    refuse(1u << SYS_STATM_READ, 0);
    CHECK(zslab_rss_bytes() == 0);
    refuse(1u << SYS_CLOCK, 0);
    sys_fake.number = SYS_getrandom;
    z = test_create(NULL);
    CHECK(z->created_ns == 0 && z->key != 0);
    objects_serve(z);
    nothing_refused();
    ends(z);
}

static void no_page_size(void) /* 4 KiB is what it is taken for */
{
    zslab *z;
    if (sysconf(_SC_PAGESIZE) != 4096) return;
    refuse(1u << SYS_PAGE, 0);
    z = test_create(NULL);
    CHECK(z->page_bytes == 4096);
    objects_serve(z);
    nothing_refused();
    ends(z);
}

/* No page that a fork wipes, or no memory for it: the process id tells the child what it is. */
static void no_fork_word(int map)
{
    zslab_config c = {0};
    zslab *z;
    void *p;
    pid_t child;
    int status = -1;
    c.reserve_bytes = 64 * ZS__CHUNK_BYTES;
    if (map)
        refuse(1u << SYS_MAP, 2);
    else
        sys_fake.advice = MADV_WIPEONFORK;
    z = test_create(&c);
    CHECK(!zs__global.fork_word);
    nothing_refused();
    MUST(p = zslab_malloc(z, 100));
    test_fill(p, 100, 1);
    if (!TEST_EMULATED && !TEST_TSAN) {
        child = fork();
        if (child == 0) {
            objects_serve(z);
            CHECK(test_filled(p, 100, 1) && zslab_free(z, p) == ZSLAB_OK);
            CHECK(zs__global.process_id == (uint64_t)getpid() && test_live(z) == 0);
            test_leave(test_failed != 0);
        }
        CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
    }
    CHECK_IS(zslab_free(z, p), ZSLAB_OK);
    ends(z);
}

/* A lock that its holder keeps for long: the waiter spins, yields, naps; and gets it. */
static zs__lock kept = {0};
static uint64_t had;
static void *waits(void *arg)
{
    (void)arg;
    zs__lock_take(&kept);
    had++;
    zs__lock_drop(&kept);
    return NULL;
}

static void a_lock_held_for_long(void)
{
    pthread_t thread;
    int turn;
    zs__lock_take(&kept);
    CHECK(!zs__lock_try(&kept));
    for (turn = ZS__LOCK_SPINS - 1; turn < ZS__LOCK_SPINS + 66; turn++)
        zs__wait_turn(&kept.word, 1, turn); /* each way of waiting comes to an end while it is held */
    MUST(pthread_create(&thread, NULL, waits, NULL) == 0);
    CHECK(had == 0);
    zs__lock_drop(&kept);
    pthread_join(thread, NULL);
    CHECK(had == 1 && zs__lock_try(&kept));
    zs__lock_drop(&kept);
}

/* Of a real-time policy a thread gives way to holders and owners of lower priority: it naps while it waits for a lock,
   and for room in a pool's queue. Of another it yields. */
static zslab_remote *full_queue;
static void *gives_back(void *slot)
{
    CHECK_IS(zslab_remote_free(full_queue, slot), ZSLAB_OK);
    return NULL;
}

static void a_real_time_waiter_naps(void)
{
    static const int policies[] = {0, 3, 1, 2, 6}; /* OTHER, BATCH; FIFO, RR, DEADLINE */
    zslab_pool_config c = {0};
    zslab_pool *pool;
    pthread_t thread;
    void *slot[2];
    size_t i;
    int turn;
    c.slot_count = 2, c.queue_capacity = 1;
    for (i = 0; i < sizeof policies / sizeof *policies; i++) {
        sys_fake.naps = 0;
        sys_fake.policy = policies[i];
        zs__lock_take(&kept);
        for (turn = 0; turn < 2 * ZS__SPINS_ALONE; turn++) zs__wait_turn(&kept.word, kept.word, turn);
        zs__lock_drop(&kept);
        CHECK(sys_fake.naps == (i > 1 ? 2 : 0));
    }
    sys_fake.policy = 1;
    sys_fake.naps = 0;
    MUST((pool = zslab_pool_create(&c)) && (full_queue = zslab_pool_remote(pool)));
    MUST((slot[0] = zslab_pool_alloc(pool)) && (slot[1] = zslab_pool_alloc(pool)));
    CHECK_IS(zslab_remote_free(full_queue, slot[0]), ZSLAB_OK);
    MUST(pthread_create(&thread, NULL, gives_back, slot[1]) == 0);
    while (!__atomic_load_n(&sys_fake.naps, __ATOMIC_RELAXED)) /* its owner would wait for the processor so long */
        ;
    while (zslab_pool_drain(pool) == 0)
        ;
    pthread_join(thread, NULL);
    zslab_remote_drop(full_queue);
    zslab_pool_destroy(pool);
    sys_fake.policy = 0;
}

/* ---- errno is the program's ---- */
#define KEPT 4242
#define KEEPS(call) (errno = KEPT, (call), CHECK(errno == KEPT) || printf("  by %s\n", #call))

static void *no_memory(void *user, size_t size, size_t alignment)
{
    (void)user, (void)size, (void)alignment;
    errno = ENOMEM;
    return NULL;
}
static void nobody(void *user, void *p) { (void)user, (void)p, errno = EINVAL; }
static int owns_none(void *user, const void *p) { return (void)user, (void)p, 0; }
static void told(void *user, zslab_result what, const void *p, zslab_handle h)
{
    (void)user, (void)what, (void)p, (void)h;
    errno = ERANGE;
}
static int shown(void *user, zslab_leak when, const zslab_visit *object)
{
    (void)user, (void)when, (void)object;
    errno = ERANGE;
    return 0;
}

static void *calls_of_a_thread(void *arg)
{
    zslab *z = (zslab *)arg;
    void *p = NULL;
    KEEPS(p = zslab_malloc(z, 64));
    KEEPS(zslab_free(z, p));
    KEEPS(zslab_thread_detach(z));
    return NULL;
}

/* Every call that may ask the system, or a hook, for something. */
static void calls(zslab *z)
{
    static void *p[3000];
    static char text[65536];
    zslab_epoch e = 0, f = 0;
    zslab_domain *d = NULL;
    zslab_heap *heap = NULL;
    zslab_handle h = 0;
    zslab_global_stats stats;
    pthread_t thread;
    size_t i;
    KEEPS(e = zslab_epoch_open(z, "e"));
    KEEPS(zslab_reserve(z, 100, 2000));
    for (i = 0; i < 3000; i++) KEEPS(p[i] = zslab_malloc_epoch(z, 100 + i % 9 * 64, e));
    for (i = 0; i < 3000; i += 2) KEEPS(zslab_free(z, p[i]));
    KEEPS(h = zslab_handle_alloc(z, 64, e, NULL));
    KEEPS(zslab_handle_get(z, h));
    KEEPS(zslab_handle_free(z, h));
    KEEPS(zslab_handle_free(z, h));
    KEEPS(zslab_epoch_close(z, e));
    for (i = 1; i < 3000; i += 2) KEEPS(zslab_free(z, p[i]));
    KEEPS(zslab_epoch_state_of(z, e));
    KEEPS(f = zslab_epoch_open(z, "f"));
    KEEPS(d = zslab_domain_wrap(z, f, ZSLAB_ON_EXIT_RELEASE));
    KEEPS(zslab_domain_enter(d));
    for (i = 0; i < 100; i++) KEEPS(p[i] = zslab_calloc(z, 10, 10));
    KEEPS(p[0] = zslab_realloc(z, p[0], 700));
    KEEPS(zslab_epoch_reset(z, f));
    KEEPS(zslab_free(z, p[0]));
    KEEPS(zslab_domain_exit(d));
    KEEPS(zslab_domain_destroy(d));
    KEEPS(zslab_malloc(z, (size_t)1 << 20));
    KEEPS(zslab_aligned_alloc(z, (size_t)1 << 20, 10));
    KEEPS(zslab_free(z, &stats));
    KEEPS(heap = zslab_heap_create(z));
    if (heap) {
        KEEPS(p[0] = zslab_heap_malloc(heap, 100));
        KEEPS(zslab_heap_free(heap, p[0]));
    }
    KEEPS(zslab_heap_destroy(heap));
    MUST(pthread_create(&thread, NULL, calls_of_a_thread, z) == 0);
    pthread_join(thread, NULL);
    KEEPS(zslab_malloc(z, 100)); /* for on_leak */
    KEEPS(zslab_epoch_advance(z));
    KEEPS(zslab_trim(z));
    KEEPS(zslab_stats_global(z, &stats));
    KEEPS(zslab_stats_json(z, text, sizeof text));
    KEEPS(zslab_rss_bytes());
    KEEPS(zslab_check(z, NULL, NULL));
    KEEPS(zslab_thread_detach(z));
}

static void calls_of_pools(void)
{
    zslab_pool_config c;
    zslab_pool *pool = NULL;
    zslab_remote *remote = NULL;
    memset(&c, 0, sizeof c);
    c.slot_count = 1;
    c.fallback.alloc = no_memory, c.fallback.free = nobody;
    KEEPS(pool = zslab_pool_create(&c));
    if (!pool) return;
    KEEPS(remote = zslab_pool_remote(pool));
    KEEPS(zslab_pool_alloc(pool));
    KEEPS(zslab_pool_alloc(pool));
    KEEPS(zslab_pool_free(pool, &c));
    KEEPS(zslab_remote_try_free(remote, &c));
    KEEPS(zslab_pool_destroy(pool));
    KEEPS(zslab_remote_drop(remote));
}

/* Whatever the system refuses, and whatever hooks do, no call changes errno. */
static void errno_stays(void)
{
    const int advices[] = {-1, MADV_DONTNEED, MADV_WIPEONFORK, MADV_HUGEPAGE};
    const long numbers[] = {-1, SYS_membarrier, SYS_getrandom, SYS_mbind};
    int refused, mode, i;
    for (refused = 0; refused < 4 * SYS_CALLS; refused++)
        for (mode = 0; mode < 6; mode++) {
            zslab_config c = {0};
            zslab *z = NULL;
            c.reclaim = mode & 1 ? ZSLAB_RECLAIM_RSS : ZSLAB_RECLAIM_LATENCY;
            c.flags = mode < 2 ? 0 : mode < 4 ? ZSLAB_FLAG_SHARED : ZSLAB_FLAG_HUGE_PAGES | ZSLAB_FLAG_NUMA_LOCAL;
            c.reserve_bytes = 256 * ZS__CHUNK_BYTES;
            c.cache_bytes = ZSLAB_CACHE_NONE;
            c.on_misuse = told, c.on_leak = shown;
            c.fallback.alloc = no_memory, c.fallback.free = nobody;
            c.fallback.owns = mode & 1 ? owns_none : NULL;
            for (i = 0; i < 2; i++) { /* refused from the start; from then on */
                test_at("refused %d, mode %d, %s", refused, mode, i ? "later" : "from the start");
                nothing_refused();
                if (i) MUST(z = zslab_create(&c));
                refuse(refused < SYS_CALLS ? 1u << refused : 0, 0);
                if (refused >= SYS_CALLS) {
                    sys_fake.advice = advices[refused % 4];
                    sys_fake.number = numbers[refused / 4 % 4];
                }
                if (!i) KEEPS(z = zslab_create(&c));
                if (z) calls(z);
                calls_of_pools();
                KEEPS(zslab_destroy(z));
            }
        }
    nothing_refused();
    test_at("%s", "");
}

int main(void)
{
    nothing_refused();
    no_address_space();
    less_address_space();
    few_pages(0);
    few_pages(ZSLAB_FLAG_SHARED);
    few_records();
    no_pages(0, 0);
    no_pages(0, 7);
    no_pages(ZSLAB_FLAG_SHARED, 7);
    no_locked_pages();
    no_thread_exit_hook();
    no_hook_of_a_thread();
    no_pool();
    no_huge_pages_nor_node();
    no_purge();
    no_fence();
    no_clock_no_statm_no_random();
    no_page_size();
    no_fork_word(0);
    no_fork_word(1);
    a_lock_held_for_long();
    a_real_time_waiter_naps();
    errno_stays();
    return test_summary("fault_system");
}
#endif
