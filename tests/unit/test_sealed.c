/* A sealed allocator calls no system, whatever is asked of it: on Linux a filter ends the process at the first call.
   All calls of the API, in every mode, by threads that announced themselves before, contended ones too; what it has not
   is refused at once, and everything goes on when it is open again. */
#include "tests/lib/test.h"

#define C ZS__CHUNK_BYTES
#define COUNT 500

static int dry_told;
static void dry(void *user, zslab *z, size_t size, zslab_epoch e, zslab_result what)
{
    (void)user, (void)z, (void)size, (void)e;
    CHECK(what == ZSLAB_E_LIMIT);
    zs__add_u32((uint32_t *)&dry_told, 1);
}

static int served(const void *p) /* or refused for want of memory, or because somebody kept a lock */
{
    return p || zslab_last_error() == ZSLAB_E_LIMIT || zslab_last_error() == ZSLAB_E_BUSY;
}

static int done_or_busy(zslab_result r) { return r == ZSLAB_OK || r == ZSLAB_E_BUSY; }

/* Before: this thread's heap, rows for a few epochs, memory for what it will do. */
static void announce(zslab *z, zslab_epoch e)
{
    int i;
    CHECK_IS(zslab_thread_attach(z), ZSLAB_OK);
    CHECK_IS(zslab_thread_attach(z), ZSLAB_OK);
    for (i = 0; i < 3; i++) {
        zslab_epoch other = zslab_epoch_open(z, NULL);
        CHECK(zslab_malloc_epoch(z, 64, other) != NULL);
        CHECK_IS(zslab_epoch_release(z, other), ZSLAB_OK);
    }
    CHECK_IS(zslab_reserve_for(z, NULL, e, 64, COUNT), ZSLAB_OK);
    CHECK_IS(zslab_reserve_for(z, NULL, e, 100, COUNT), ZSLAB_OK);
    CHECK_IS(zslab_reserve_for(z, NULL, 0, 64, COUNT), ZSLAB_OK);
    CHECK_IS(zslab_reserve_for(z, NULL, e, C + 1, 4), ZSLAB_OK);
    CHECK_IS(zslab_reserve_for(z, NULL, ZSLAB_EPOCH_NONE, 0, 1), ZSLAB_E_INVALID);
}

/* What several threads may do at once. */
static void calls_of_many(zslab *z, zslab_epoch e, zslab_heap *heap)
{
    void *p[COUNT], *q;
    zslab_handle h;
    zslab_epoch other;
    zslab_domain *d;
    size_t i, n;
    for (n = 0; n < COUNT && (p[n] = zslab_malloc_epoch(z, 64, e)) != NULL; n++) memset(p[n], 1, 64);
    CHECK(n == COUNT || z->shared); /* one reserve for all there, and no order */
    CHECK(zslab_free_batch(z, p, n) == n);
    n = zslab_malloc_batch(z, 64, COUNT, p);
    CHECK(n == COUNT || z->shared);
    for (i = 0; i < n; i++) CHECK_IS(zslab_free_sized(z, p[i], 64), ZSLAB_OK);
    CHECK(served(q = zslab_calloc(z, 10, 10)) && served(q = zslab_realloc(z, q, 1000)));
    CHECK_IS(zslab_free(z, q), ZSLAB_OK);
    CHECK(served(q = zslab_aligned_alloc(z, 64, 64)));
    CHECK_IS(zslab_free(z, q), ZSLAB_OK);
    CHECK(served(q = zslab_malloc_epoch(z, C + 1, e)));
    CHECK(!q || (zslab_usable_size(z, q) > C && zslab_owns(z, q) && zslab_epoch_of(z, q) == e));
    CHECK_IS(zslab_free(z, q), ZSLAB_OK);
    h = zslab_handle_alloc(z, 100, e, &q);
    CHECK(served(q));
    CHECK(!q || (zslab_handle_get(z, h) == q && zslab_handle_of(z, q) == h && zslab_handle_free(z, h) == ZSLAB_OK));
    CHECK(zslab_malloc(z, 0) == NULL && zslab_free(z, &q) == ZSLAB_E_FOREIGN);
    if (heap) {
        CHECK(served(q = zslab_heap_malloc_epoch(heap, 64, e)) && zslab_heap_free(heap, q) == ZSLAB_OK);
        CHECK(served(q = zslab_heap_malloc(heap, C + 1)) && zslab_heap_free(heap, q) == ZSLAB_OK);
    }
    if ((other = zslab_epoch_open(z, "sealed")) != 0) {
        zslab_result r;
        CHECK(served(zslab_malloc_epoch(z, 64, other)));
        CHECK(done_or_busy(zslab_epoch_set_label(z, other, "x")));
        CHECK(done_or_busy(zslab_epoch_reset(z, other)));
        CHECK(served(q = zslab_malloc_epoch(z, 64, other)));
        while ((r = zslab_epoch_close(z, other)) == ZSLAB_E_BUSY)
            ;
        CHECK_IS(r, ZSLAB_OK);
        CHECK(!q || zslab_epoch_state_of(z, other) == ZSLAB_EPOCH_CLOSING);
        CHECK_IS(zslab_free(z, q), ZSLAB_OK);
        zslab_epoch_state_of(z, other);
        while (zslab_epoch_release(z, other) == ZSLAB_E_BUSY)
            ;
    } else {
        CHECK(served(NULL));
    }
    if ((d = zslab_domain_create(z)) != NULL) {
        if (done_or_busy(zslab_domain_enter(d)) && zslab_domain_current(z) == d) {
            CHECK(served(zslab_malloc(z, 64)));
            while (zslab_domain_exit(d) == ZSLAB_E_BUSY)
                ;
        }
        while (zslab_domain_destroy(d) == ZSLAB_E_BUSY)
            ;
    }
    CHECK(zslab_trim(z) == 0);
}

/* And what one may ask when the others are still. */
static char text[1 << 18];
static void calls_of_one(zslab *z, zslab_epoch e)
{
    static void *p[1 << 19];
    zslab_global_stats g;
    zslab_class_stats k;
    zslab_epoch_stats s;
    zslab_perf perf;
    size_t n = 0;
    int told = dry_told;
    CHECK_IS(zslab_check(z, NULL, NULL), ZSLAB_OK);
    zslab_stats_global(z, &g);
    CHECK(g.rss_bytes == 0);
    CHECK_IS(zslab_stats_class(z, 0, &k), ZSLAB_OK);
    CHECK_IS(zslab_stats_epoch(z, 0, e, &s), ZSLAB_OK);
    CHECK_IS(zslab_perf_counters(z, 0, &perf), ZSLAB_OK);
    CHECK(zslab_stats_json(z, text, sizeof text) < sizeof text);
    CHECK(zslab_stats_prometheus(z, text, sizeof text) < sizeof text);
    CHECK(zslab_suggest_classes(z, NULL, 0) == 0);
    while (n < 1 << 19 && (p[n] = zslab_malloc_epoch(z, 64, e)) != NULL) n++;
    CHECK(n < 1 << 19 && zslab_last_error() == ZSLAB_E_LIMIT && dry_told == told + 1);
    while (n) CHECK_IS(zslab_free(z, p[--n]), ZSLAB_OK);
    while (zslab_malloc(z, 64 * C))
        ;
    CHECK(zslab_last_error() == ZSLAB_E_LIMIT);
    CHECK_IS(zslab_reserve(z, 64, 1 << 20), ZSLAB_E_LIMIT);
    CHECK(zslab_epoch_advance(z) != ZSLAB_EPOCH_NONE);
    CHECK_IS(zslab_set_limits(z, 0, 0), ZSLAB_OK);
    CHECK_IS(zslab_epoch_release(z, e), ZSLAB_OK);
    CHECK_IS(zslab_check(z, NULL, NULL), ZSLAB_OK);
}

#if defined(__linux__) && !TEST_EMULATED && !TEST_SANITIZED
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* From here on write and exit alone are allowed, for all threads. */
static int no_system(void)
{
    struct sock_filter code[] = {
        {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr)},
        {BPF_JMP | BPF_JEQ | BPF_K, 3, 0, SYS_write},
        {BPF_JMP | BPF_JEQ | BPF_K, 2, 0, SYS_exit_group},
        {BPF_JMP | BPF_JEQ | BPF_K, 1, 0, SYS_exit},
        {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_KILL_PROCESS},
        {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
           syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) != 0;
}

enum { THREADS = 2 };
static zslab *zs[TEST_MODES];
static zslab_epoch es[TEST_MODES];
static zslab_heap *heaps[TEST_MODES];
static void *passed[TEST_MODES][THREADS][100];
static uint32_t step, arrived;

static void wait_for_step(uint32_t s) /* no call of the system */
{
    while (zs__load_acq_u32(&step) < s) zs__pause();
}

static void *worker(void *number)
{
    size_t me = (size_t)number, m, i;
    for (m = 0; m < TEST_MODES; m++) {
        announce(zs[m], es[m]);
        for (i = 0; i < 100; i++) passed[m][me][i] = zslab_malloc_epoch(zs[m], 100, es[m]);
    }
    zs__add_u32(&arrived, 1);
    wait_for_step(1); /* the filter is there */
    for (m = 0; m < TEST_MODES; m++) {
        for (i = 0; i < 100; i++) /* the other thread's */
            CHECK_IS(zslab_free(zs[m], passed[m][1 - me][i]), ZSLAB_OK);
        calls_of_many(zs[m], es[m], NULL);
    }
    zs__add_u32(&arrived, 1);
    wait_for_step(2); /* contended: the main thread keeps the locks */
    for (m = 0; m < TEST_MODES && me == 0; m++) {
        CHECK_FAILS(zslab_epoch_open(zs[m], NULL), ZSLAB_E_BUSY);
        CHECK_FAILS(zslab_domain_create(zs[m]), ZSLAB_E_BUSY);
        CHECK_IS(zslab_epoch_reset(zs[m], es[m]), ZSLAB_E_BUSY);
        CHECK(zslab_epoch_state_of(zs[m], es[m]) == ZSLAB_EPOCH_ACTIVE);
        CHECK(zslab_malloc_epoch(zs[m], C + 1, es[m]) || zslab_last_error() == ZSLAB_E_BUSY); /* kept: under no lock */
    }
    zs__add_u32(&arrived, 1);
    wait_for_step(99);
    return NULL;
}

static void wait_for_all(uint32_t n)
{
    while (zs__load_acq_u32(&arrived) < n) zs__pause();
}

static void sealed_child(void)
{
    pthread_t t;
    size_t m, i;
    printf("sealed:\n"); /* what it needs it has from here on */
    for (m = 0; m < TEST_MODES; m++) {
        zslab_config c = {0};
        c.on_dry = dry;
        if (test_modes[m].in_buffer) {
            static char buffer[24 << 20];
            c.memory = buffer, c.memory_bytes = sizeof buffer;
        }
        c.flags = test_modes[m].flags;
        c.reclaim = test_modes[m].reclaim;
        zs[m] = test_create(&c);
        es[m] = zslab_epoch_open(zs[m], "kept");
        heaps[m] = zslab_heap_create(zs[m]);
        announce(zs[m], es[m]);
        CHECK_IS(zslab_reserve_for(zs[m], heaps[m], es[m], 64, 10), ZSLAB_OK);
    }
    for (i = 0; i < THREADS; i++) pthread_create(&t, NULL, worker, (void *)i);
    wait_for_all(THREADS);
    for (m = 0; m < TEST_MODES; m++) CHECK_IS(zslab_seal(zs[m], 1), ZSLAB_OK);
    if (no_system()) _exit(77);
    zs__store_rel_u32(&step, 1);
    for (m = 0; m < TEST_MODES; m++) calls_of_many(zs[m], es[m], heaps[m]);
    wait_for_all(2 * THREADS);
    for (m = 0; m < TEST_MODES; m++)
        zs__lock_take(zs__as_lock(&zs[m]->epoch_lock)), zs__lock_take(zs__as_lock(&zs[m]->arena_lock));
    zs__store_rel_u32(&step, 2);
    wait_for_all(3 * THREADS);
    for (m = 0; m < TEST_MODES; m++)
        zs__lock_drop(zs__as_lock(&zs[m]->arena_lock)), zs__lock_drop(zs__as_lock(&zs[m]->epoch_lock));
    for (m = 0; m < TEST_MODES; m++) {
        test_at("%s", test_modes[m].name);
        calls_of_one(zs[m], es[m]);
        zslab_thread_detach(zs[m]);
        if (!zs[m]->shared) CHECK_FAILS(zslab_malloc(zs[m], 64), ZSLAB_E_LIMIT); /* announced no more */
    }
    _exit(test_failed != 0);
}

static void no_call_of_the_system(void)
{
    int status = 0;
    pid_t child;
    fflush(stdout);
    MUST((child = fork()) >= 0);
    if (!child) sealed_child();
    waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        printf("no seccomp here\n");
    else
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    if (WIFSIGNALED(status)) printf("the child ended by signal %d\n", WTERMSIG(status));
}
#else
static void no_call_of_the_system(void)
{
    TEST_EACH_MODE(m)
    {
        zslab_config c = {0};
        zslab *z;
        zslab_epoch e;
        c.on_dry = dry;
        z = test_open(m, &c);
        e = zslab_epoch_open(z, "kept");
        announce(z, e);
        CHECK_IS(zslab_seal(z, 1), ZSLAB_OK);
        calls_of_many(z, e, NULL);
        if (!m->in_buffer) calls_of_one(z, e);
        test_destroy(z);
    }
}
#endif

/* Open again, it goes on: what was closed while it was sealed drains and gives its memory back. */
static void open_again(const test_mode *m)
{
    zslab *z = test_open(m, NULL);
    zslab_epoch e = zslab_epoch_open(z, NULL);
    static void *p[3000];
    size_t i;
    for (i = 0; i < 3000; i++) MUST(p[i] = zslab_malloc_epoch(z, 200, e));
    CHECK_IS(zslab_seal(z, 1), ZSLAB_OK);
    CHECK_IS(zslab_seal(z, 1), ZSLAB_OK);
    CHECK_IS(zslab_epoch_close(z, e), ZSLAB_OK);
    for (i = 0; i < 2000; i++) CHECK_IS(zslab_free(z, p[i]), ZSLAB_OK);
    CHECK(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSING);
    CHECK_IS(zslab_seal(z, 0), ZSLAB_OK);
    CHECK(zs__load_u32(&zs__sealed_count) == 0);
    for (; i < 3000; i++) {
        CHECK(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSING);
        CHECK_IS(zslab_free(z, p[i]), ZSLAB_OK);
    }
    CHECK(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSED);
    MUST(zslab_malloc(z, 10 * C) != NULL);
    zslab_trim(z);
    CHECK_IS(zslab_check(z, NULL, NULL), ZSLAB_OK);
    test_destroy(z);
}

/* A reserve holds in an epoch and a heap that are named, inside a domain and outside. */
static int calls;
static void *sys_reserve(void *user, size_t bytes, size_t alignment) { return zs__os_reserve(user, bytes, alignment); }
static int sys_commit(void *user, void *p, size_t bytes) { return calls++, zs__os_commit(user, p, bytes); }
static int sys_purge(void *user, void *p, size_t bytes) { return calls++, zs__os_purge(user, p, bytes); }
static void sys_release(void *user, void *p, size_t bytes) { zs__os_release(user, p, bytes); }

static void reserved(const test_mode *m)
{
    static const size_t sizes[] = {8, 64, 1000, 8192, C + 1, 10 * C};
    static void *p[4096];
    size_t i, n, s;
    int round;
    for (s = 0; s < sizeof sizes / sizeof *sizes && !m->in_buffer; s++) {
        zslab_config c = {0};
        zslab *z;
        zslab_heap *heap;
        c.os.reserve = sys_reserve, c.os.commit = sys_commit, c.os.purge = sys_purge, c.os.release = sys_release;
        z = test_open(m, &c);
        heap = zslab_heap_create(z);
        for (round = 0; round < 6; round++) {
            zslab_epoch e = zslab_epoch_open(z, NULL);
            zslab_domain *d = zslab_domain_wrap(z, e, ZSLAB_ON_EXIT_KEEP);
            int inside = round & 1, explicit_heap = round & 2 && !(m->flags & ZSLAB_FLAG_SHARED), before;
            n = ((size_t)1 << 20) / sizes[s] < 4096 ? ((size_t)1 << 20) / sizes[s] : 4096;
            if (inside) CHECK_IS(zslab_domain_enter(d), ZSLAB_OK);
            CHECK_IS(zslab_reserve_for(z, explicit_heap ? heap : NULL, e, sizes[s], n), ZSLAB_OK);
            if (round & 4 && inside) CHECK_IS(zslab_domain_exit(d), ZSLAB_OK), inside = 0;
            before = calls;
            for (i = 0; i < n; i++)
                MUST(p[i] = explicit_heap ? zslab_heap_malloc_epoch(heap, sizes[s], e)
                                          : zslab_malloc_epoch(z, sizes[s], e));
            for (i = 0; i < n; i++)
                CHECK_IS(explicit_heap ? zslab_heap_free(heap, p[i]) : zslab_free(z, p[i]), ZSLAB_OK);
            CHECK(calls == before);
            if (inside) CHECK_IS(zslab_domain_exit(d), ZSLAB_OK);
            CHECK_IS(zslab_domain_destroy(d), ZSLAB_OK);
            CHECK_IS(zslab_epoch_release(z, e), ZSLAB_OK);
            CHECK_IS(zslab_reserve_for(z, NULL, e, sizes[s], n), ZSLAB_E_CLOSED);
        }
        test_destroy(z);
    }
}

/* What was reserved one after the other is served all of it, also when others took all they could get before.
   [SPAN-4] */
typedef struct ask {
    size_t size, count;
} ask;

static void each_its_own(const test_mode *m)
{
    static const ask asks[][3] = {
        {{20000, 20}, {C + 30000, 10}, {0, 0}},
        {{20000, 20}, {64, 3000}, {0, 0}},
        {{64, 3000}, {20000, 20}, {0, 0}},
        {{C + 5000, 12}, {2 * C - 100, 6}, {20000, 9}},
        {{2 * C - 100, 6}, {C + 5000, 12}, {5000, 30}},
        {{3 * C, 5}, {3 * C, 5}, {40 * C, 1}},
    };
    static void *p[4096];
    size_t a, i, k, n, round;
    for (a = 0; a < sizeof asks / sizeof *asks; a++) {
        zslab *z = test_open(m, NULL);
        zslab_epoch e = zslab_epoch_open(z, NULL), other = zslab_epoch_open(z, NULL);
        CHECK_IS(zslab_reserve_for(z, NULL, other, 64, 10), ZSLAB_OK); /* a row */
        for (k = 0; k < 3 && asks[a][k].count; k++)
            CHECK_IS(zslab_reserve_for(z, NULL, e, asks[a][k].size, asks[a][k].count), ZSLAB_OK);
        CHECK_IS(zslab_check(z, NULL, NULL), ZSLAB_OK);
        CHECK_IS(zslab_seal(z, 1), ZSLAB_OK);
        for (i = 0; i < 30 && !m->in_buffer; i++) { /* not theirs */
            zslab_malloc_epoch(z, 20000, other);
            zslab_malloc_epoch(z, C + 30000, other);
            zslab_malloc_epoch(z, 5000, other);
        }
        for (round = 0; round < 4; round++) { /* a frame each: a reset keeps what was reserved */
            for (n = 0, k = 3; k-- > 0;)
                for (i = 0; i < asks[a][k].count; i++)
                    CHECK((p[n++] = zslab_malloc_epoch(z, asks[a][k].size, e)) != NULL);
            CHECK(m->in_buffer || (!zslab_malloc_epoch(z, 50 * C, e) && zslab_last_error() == ZSLAB_E_LIMIT));
            if (round & 1)
                CHECK_IS(zslab_epoch_reset(z, e), ZSLAB_OK);
            else
                CHECK(zslab_free_batch(z, p, n) == n);
        }
        CHECK_IS(zslab_seal(z, 0), ZSLAB_OK);
        CHECK_IS(zslab_check(z, NULL, NULL), ZSLAB_OK);
        CHECK_IS(a & 1 ? zslab_epoch_close(z, e) : zslab_epoch_release(z, e), ZSLAB_OK);
        CHECK(zs__own(z)->places[e & ZS__PLACE_MASK].large == 0 && zs__round_of(zs__own(z), e)->reserved == 0);
        CHECK_IS(zslab_check(z, NULL, NULL), ZSLAB_OK);
        test_destroy(z);
    }
}

/* A sealed allocator serves from the free space that is touched, also where some was never used, or went back. */
static void touched_before_others(const test_mode *m)
{
    zslab *z = test_open(m, NULL);
    zslab_epoch e = zslab_epoch_open(z, NULL), other = zslab_epoch_open(z, NULL);
    static void *p[40];
    size_t i, round;
    if (!m->in_buffer) {
        MUST(zslab_malloc_epoch(z, 64, e)); /* a row */
        for (i = 0; i < 40; i++) MUST(p[i] = zslab_malloc_epoch(z, 2 * C, other));
        for (i = 0; i < 20; i++) CHECK_IS(zslab_free(z, p[i]), ZSLAB_OK);
        zslab_trim(z);
        while (zslab_trim(z)) /* whatever the cache keeps */
            ;
        CHECK_IS(zslab_seal(z, 1), ZSLAB_OK);
        for (round = 0; round < 2; round++) {
            while (zslab_malloc_epoch(z, 5 * C, e)) /* dry */
                ;
            for (i = 20 + 10 * round; i < 30 + 10 * round; i++) CHECK_IS(zslab_free(z, p[i]), ZSLAB_OK);
            for (i = 0; i < (round ? 10 : 5); i++) CHECK(zslab_malloc_epoch(z, round ? 6000 : 2 * C, e) != NULL);
        }
    }
    test_destroy(z);
    CHECK(zs__load_u32(&zs__sealed_count) == 0); /* it was sealed to its end */
}

/* What is reserved may have handles, each of it, and a thread that was announced a first one: of a sealed allocator,
   and where the system grants no more. */
static int sys_grants = 1;
static int sys_commit_granted(void *user, void *p, size_t bytes)
{
    return sys_grants ? sys_commit(user, p, bytes) : (calls++, -1);
}

static void handles_of_what_is_reserved(const test_mode *m)
{
    static const size_t sizes[] = {8, 64, 1000, C + 1};
    size_t s, i, n;
    int sealed, half;
    for (s = 0; s < sizeof sizes / sizeof *sizes && !m->in_buffer; s++)
        for (sealed = 0; sealed < 2; sealed++) {
            zslab_config c = {0};
            zslab_os os = {sys_reserve, sys_commit_granted, sys_purge, sys_release, NULL};
            zslab_epoch e;
            zslab *z;
            c.flags = m->flags, c.reclaim = m->reclaim, c.os = os;
            z = test_create(&c);
            CHECK_IS(zslab_thread_attach(z), ZSLAB_OK);
            MUST(zslab_malloc(z, 500) && (e = zslab_epoch_open(z, NULL)) != 0);
            sys_grants = 0;
            CHECK(zslab_handle_alloc(z, 500, zslab_epoch_current(z), NULL) != 0);
            sys_grants = 1;
            n = sizes[s] > C ? 100 : 20000;
            for (half = 0; half < 2; half++) CHECK_IS(zslab_reserve_for(z, NULL, e, sizes[s], n / 2), ZSLAB_OK);
            zslab_seal(z, sealed);
            sys_grants = calls = 0;
            for (i = 0; i < n && zslab_handle_alloc(z, sizes[s], e, NULL); i++)
                ;
            CHECK(i == n && calls == 0);
            sys_grants = 1;
            test_destroy(z);
        }
}

/* That memory is for what is reserved, not for all that lives without handles; over and over, for no more than chunks
   have slabs. */
static void registry_of_what_is_reserved(const test_mode *m)
{
    zslab *z = test_open(m, NULL);
    zslab_epoch e;
    size_t i;
    for (i = 0; i < 20000; i++) MUST(zslab_malloc(z, 8));
    for (i = 0; i < 200 && !m->in_buffer; i++) {
        MUST(e = zslab_epoch_open(z, NULL));
        CHECK_IS(zslab_reserve_for(z, NULL, e, 64, 10), ZSLAB_OK);
        CHECK(i || z->id_mask / sizeof(zs__id) < 64 + 4 * (C / 64 / 64));
        CHECK_IS(zslab_epoch_release(z, e), ZSLAB_OK);
    }
    CHECK(z->id_ready <= z->fresh_chunk * (C / 8 / 64));
    test_destroy(z);
}

/* Where the alternative is a refusal, what is set aside serves. */
static void nothing_is_refused_for_it(const test_mode *m)
{
    zslab *z = test_open(m, NULL);
    zslab_epoch e = zslab_epoch_open(z, NULL), other = zslab_epoch_open(z, NULL);
    static const ask wanted[] = {{1000, 3000}, {3 * C, 16}, {C - 100, 50}};
    zslab_global_stats g;
    size_t n, turn;
    MUST(zslab_malloc_epoch(z, 64, other));
    zslab_stats_global(z, &g);
    if (!m->in_buffer)
        CHECK_IS(zslab_set_limits(z, 0, (size_t)(g.committed_bytes + g.metadata_bytes) + 66 * C), ZSLAB_OK);
    for (turn = 0; turn < 3; turn++) {
        CHECK_IS(zslab_reserve_for(z, NULL, e, 2 * C, 30), ZSLAB_OK);
        for (n = 0; n < wanted[turn].count && zslab_malloc_epoch(z, wanted[turn].size, other); n++)
            ;
        CHECK(n == wanted[turn].count);
        CHECK_IS(zslab_check(z, NULL, NULL), ZSLAB_OK);
        CHECK_IS(zslab_epoch_release(z, other), ZSLAB_OK);
        MUST(other = zslab_epoch_open(z, NULL));
    }
    test_destroy(z);
}

int main(void)
{
    no_call_of_the_system();
    TEST_EACH_MODE(m)
    {
        open_again(m);
        reserved(m);
        each_its_own(m);
        touched_before_others(m);
        handles_of_what_is_reserved(m);
        registry_of_what_is_reserved(m);
        nothing_is_refused_for_it(m);
    }
    return test_summary("test_sealed");
}
