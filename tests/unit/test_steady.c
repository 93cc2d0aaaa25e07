/* Steady state: after zslab_reserve, ten million operations under a seccomp filter that kills on any system call but
   write and exit, and not one page fault.   test_steady [operations] */
#include "tests/lib/test.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIVE 8192
static const size_t sizes[] = {8, 24, 48, 64, 100, 128, 200, 256, 500, 1000, 2000};
#define SIZES (sizeof sizes / sizeof *sizes)

static zslab *z;
static void *p[LIVE];

/* What the working set needs: LIVE objects, any of them of any size. */
static void reserve_all(size_t most)
{
    size_t i;
    for (i = 0; i < LIVE; i++) *(void *volatile *)&p[i] = NULL;
    for (i = 0; i < SIZES; i++) CHECK_IS(zslab_reserve(z, sizes[i], most), ZSLAB_OK);
}

static uint64_t operate(uint64_t operations, uint64_t seed) /* how many answers were wrong */
{
    uint64_t i, wrong = 0;
    for (i = 0; i < operations; i += 2) {
        uint64_t x = test_random(&seed);
        size_t n = x % LIVE;
        if (p[n]) wrong += zslab_free(z, p[n]) != ZSLAB_OK;
        p[n] = zslab_malloc(z, sizes[(x >> 32) % SIZES]);
        wrong += p[n] == NULL;
        if (p[n]) *(volatile char *)p[n] = 1;
    }
    return wrong;
}

static void free_all(void)
{
    size_t i;
    for (i = 0; i < LIVE; i++) {
        if (p[i]) CHECK_IS(zslab_free(z, p[i]), ZSLAB_OK);
        p[i] = NULL;
    }
}

static long faults(void)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return use.ru_minflt + use.ru_majflt;
}

static long page_faults(const test_mode *m, uint64_t operations)
{
    long before;
    z = test_open(m, NULL);
    reserve_all(LIVE);
    before = faults();
    before = faults(); /* now getrusage itself has run */
    CHECK(operate(operations, 1) == 0);
    before = faults() - before;
    printf("%llu operations, %ld page faults\n", (unsigned long long)operations, before);
    free_all();
    test_destroy(z);
    return before;
}

/* A page that was not reserved for faults in each run; one that the system moved or took in one. */
static void no_page_fault(const test_mode *m, uint64_t operations)
{
    int run;
    for (run = 0; run < 2; run++)
        if (page_faults(m, operations) == 0) return;
    CHECK(page_faults(m, operations) == 0);
}

/* The faults after a reserve of so many objects: before it the epoch had none, used a chunk in part, or follows others
   whose chunks serve again; the reserve comes in two parts. */
static long faults_of_reserved(const test_mode *m, size_t size)
{
    const size_t n = ((size_t)1 << 20) / size < LIVE ? ((size_t)1 << 20) / size : LIVE;
    size_t i, k, before;
    long sum = 0;
    z = test_open(m, NULL);
    for (before = 0; before < 3; before++) {
        zslab_epoch e = zslab_epoch_open(z, NULL);
        if (before == 1)
            for (i = 0; i < 100; i++) MUST(zslab_malloc_epoch(z, size < ZS__CHUNK_BYTES ? size : 20000, e));
        CHECK_IS(zslab_reserve_for(z, NULL, e, size, n / 2), ZSLAB_OK);
        CHECK_IS(zslab_reserve_for(z, NULL, e, size, n - n / 2), ZSLAB_OK);
        sum -= faults();
        for (k = 0; k < 2; k++) {
            for (i = 0; i < n; i++) {
                MUST(p[i] = zslab_malloc_epoch(z, size, e));
                memset(p[i], 1, size);
            }
            for (i = 0; i < n; i++) CHECK_IS(zslab_free(z, p[i]), ZSLAB_OK);
        }
        sum += faults();
        CHECK_IS(before ? zslab_epoch_close(z, e) : zslab_epoch_release(z, e), ZSLAB_OK);
    }
    test_destroy(z);
    return sum;
}

static void no_fault_of_reserved(const test_mode *m)
{
    static const size_t each[] = {8, 64, 400, 1000, 8192, 20000, ZS__CHUNK_BYTES, 3 * ZS__CHUNK_BYTES - 100};
    size_t s, i;
    int run;
    for (i = 0; i < LIVE; i++) *(void *volatile *)&p[i] = NULL;
    for (s = 0; s < sizeof each / sizeof *each; s++) {
        for (run = 0; run < 2 && faults_of_reserved(m, each[s]) != 0; run++)
            ; /* as above */
        CHECK(run < 2 || faults_of_reserved(m, each[s]) == 0);
    }
}

#define FILTER_STATEMENT(code, k)                                                                                      \
    {                                                                                                                  \
        (unsigned short)(code), 0, 0, (unsigned)(k)                                                                    \
    }
#define FILTER_JUMP(k, yes, no)                                                                                        \
    {                                                                                                                  \
        (unsigned short)(BPF_JMP | BPF_JEQ | BPF_K), yes, no, (unsigned)(k)                                            \
    }
static int only_write_and_exit(void)
{
    struct sock_filter rules[] = {
        FILTER_STATEMENT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        FILTER_JUMP(SYS_write, 3, 0),
        FILTER_JUMP(SYS_exit, 2, 0),
        FILTER_JUMP(SYS_exit_group, 1, 0),
        FILTER_STATEMENT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        FILTER_STATEMENT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof rules / sizeof *rules, rules};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
}

/* In a child: exit status 0 when all went well, 2 when this system has no such filter; a system call kills it. */
static int in_a_filtered_child(int (*body)(uint64_t), uint64_t operations)
{
    int status = 0;
    pid_t child;
    fflush(stdout);
    if ((child = fork()) == 0) _exit(body(operations));
    MUST(child > 0 && waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int one_thread(uint64_t operations)
{
    reserve_all(LIVE);
    if (only_write_and_exit()) return 2;
    return operate(operations, 2) != 0;
}

static int makes_a_system_call(uint64_t operations)
{
    (void)operations;
    if (only_write_and_exit()) return 2;
    return (int)syscall(SYS_getppid) < 0;
}

/* Another thread gives back what this one allocates; both under the filter. */
#define RING 1024
static struct {
    void *p[RING];      /* atomic: NULL when taken */
    uint32_t ready, go; /* atomic */
    uint64_t wrong;
} ring;

static void *give_back(void *arg)
{
    uint32_t at = 0;
    (void)zslab_free(z, arg); /* so that this thread has its heap */
    if (only_write_and_exit()) _exit(2);
    __atomic_store_n(&ring.ready, 1, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&ring.go, __ATOMIC_ACQUIRE))
        ;
    for (;;) {
        void *q = __atomic_exchange_n(&ring.p[at], NULL, __ATOMIC_ACQ_REL);
        if (!q) continue;
        if (zslab_free(z, q) != ZSLAB_OK) __atomic_fetch_add(&ring.wrong, 1, __ATOMIC_RELAXED);
        at = (at + 1) % RING;
    }
}

static int two_threads(uint64_t operations)
{
    uint64_t i, seed = 3, wrong = 0;
    pthread_t thread;
    void *first;
    reserve_all(LIVE);
    first = zslab_malloc(z, 64);
    if (pthread_create(&thread, NULL, give_back, first)) return 3;
    while (!__atomic_load_n(&ring.ready, __ATOMIC_ACQUIRE))
        ;
    if (only_write_and_exit()) return 2;
    __atomic_store_n(&ring.go, 1, __ATOMIC_RELEASE);
    for (i = 0; i < operations / 2; i++) {
        void *q = zslab_malloc(z, sizes[test_random(&seed) % SIZES]);
        uint32_t at = (uint32_t)(i % RING);
        wrong += q == NULL;
        while (q && __atomic_load_n(&ring.p[at], __ATOMIC_ACQUIRE))
            ;
        if (q) __atomic_store_n(&ring.p[at], q, __ATOMIC_RELEASE);
    }
    return wrong + __atomic_load_n(&ring.wrong, __ATOMIC_RELAXED) != 0;
}

static void under_the_filter(const char *what, int (*body)(uint64_t), uint64_t operations)
{
    int status = in_a_filtered_child(body, operations);
    if (status == 2)
        printf("%s: this system has no seccomp filters\n", what);
    else if (!CHECK(status == 0))
        printf("%s: %s %d\n", what, status < 0 ? "killed by signal" : "status", status < 0 ? -status : status);
}

static void steady(const test_mode *m, uint64_t operations)
{
    no_page_fault(m, operations);
    z = test_open(m, NULL);
    under_the_filter("one thread", one_thread, operations);
    under_the_filter("two threads", two_threads, operations / 4);
    test_destroy(z);
}

int main(int argc, char **argv)
{
    uint64_t operations = test_amount(argc, argv, 10000000);
    int status;
    if (TEST_SANITIZED) return test_skip("a sanitizer makes system calls and page faults of its own");
    status = in_a_filtered_child(makes_a_system_call, 0);
    CHECK(status == 2 || status == -SIGSYS); /* SIGSYS: the filter does kill */
    TEST_EACH_MODE(m)
    if (!m->in_buffer) no_fault_of_reserved(m);
    TEST_EACH_MODE(m)
    if (!m->in_buffer && m->reclaim == ZSLAB_RECLAIM_LATENCY) {
        steady(m, m->flags ? operations / 10 : operations);
        printf("%s: steady\n", m->name);
    }
    return test_summary("test_steady");
}
