/* The system's own refusals: each call that zslab.h makes of it fails, and the allocator answers as documented. A
   refused allocation of address space, of a thread-exit hook or of locked pages is a refused create; a refused fence,
   huge page, node, purge or clock costs what it would have given, and nothing else. Nothing stays mapped. */
#define _GNU_SOURCE
#include <stdio.h>
#if !defined(__linux__)
int main(void) { return printf("stands between the allocator and Linux\n"), 77; }
#else
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- the system as the header sees it ---- */
enum { SYS_MAP, SYS_PROTECT, SYS_LOCK, SYS_KEY, SYS_STATM_OPEN, SYS_STATM_READ, SYS_CLOCK, SYS_PAGE, SYS_CALLS };
static struct {
    unsigned refused; /* a bit for each of these */
    int skip;         /* mappings and protections that still succeed */
    size_t map_most;  /* a larger mapping is refused */
    int advice;       /* this madvise is refused */
    long number;      /* and this system call */
    size_t mapped;    /* bytes that are not unmapped yet */
} sys_fake;

static int sys_refuses(int call) { return (int)(sys_fake.refused >> call & 1); }

static void *sys_mmap(void *at, size_t bytes, int prot, int flags, int fd, off_t offset)
{
    void *p;
    if (bytes > sys_fake.map_most || (sys_refuses(SYS_MAP) && sys_fake.skip-- <= 0))
        return MAP_FAILED;
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
    return sys_refuses(SYS_PROTECT) && sys_fake.skip-- <= 0 ? -1 : mprotect(p, bytes, prot);
}
static int sys_madvise(void *p, size_t bytes, int advice)
{
    return advice == sys_fake.advice ? -1 : madvise(p, bytes, advice);
}
static int sys_mlock(const void *p, size_t bytes) { return sys_refuses(SYS_LOCK) ? -1 : mlock(p, bytes); }
static long sys_syscall(long number, ...)
{
    long a[6] = {0, 0, 0, 0, 0, 0};
    const int count = number == SYS_membarrier ? 2 : number == SYS_getrandom ? 3 : number == SYS_futex ? 5 : 6;
    int i;
    va_list list;
    if (number == sys_fake.number)
        return -1;
    va_start(list, number);
    for (i = 0; i < count; i++)
        a[i] = va_arg(list, long);
    va_end(list);
    return syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
static int sys_key_create(pthread_key_t *key, void (*on_exit)(void *))
{
    return sys_refuses(SYS_KEY) ? -1 : pthread_key_create(key, on_exit);
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

#undef mmap /* tests/pages.h may stand between, too */
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
#define open sys_open
#define read sys_read
#define clock_gettime sys_clock_gettime
#define sysconf sys_sysconf
#include "test.h"

static void refuse(unsigned calls, int skip)
{
    sys_fake.refused = calls;
    sys_fake.skip = skip;
    sys_fake.map_most = SIZE_MAX;
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
    for (i = 0; i < 1000; i++)
        MUST(zslab_malloc_epoch(z, 500, e));
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
    CHECK(z->own_fence || ZSLAB_NO_TLS);
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
    if (sysconf(_SC_PAGESIZE) != 4096)
        return;
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

int main(void)
{
    nothing_refused();
    no_address_space();
    less_address_space();
    no_pages(0, 0);
    no_pages(0, 7);
    no_pages(ZSLAB_FLAG_SHARED, 7);
    no_locked_pages();
    no_thread_exit_hook();
    no_pool();
    no_huge_pages_nor_node();
    no_purge();
    no_fence();
    no_clock_no_statm_no_random();
    no_page_size();
    no_fork_word(0);
    no_fork_word(1);
    a_lock_held_for_long();
    return test_summary("fault_system");
}
#endif
