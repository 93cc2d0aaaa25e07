/* How long can a single allocation or free take?
     tails_<form> steady [thousand pairs]    10,000 alive, 16 to 511 bytes, a random one replaced; the call alone
     tails_<form> touched [thousand pairs]   the same, each allocation with the first write to the object
     tails_<form> growth [thousand objects]  nothing freed until all is made; each call with the first write to the
                                             object, so that a fresh page's fault counts; then all freed
     tails_<form> warm [thousand objects]    the same, the memory touched before: zslab_reserve; others by having
                                             made and freed as much
     tails_<form> nothing [thousand]         the timer around nothing: what the machine itself does
     tails_<form> quiet [thousand pairs]     page faults and system calls of `steady` once its memory is there
   Good: a p99.9 less than 100 ns above the median, no system call, no fault; median 100 ns, p99 200 ns, p99.9 1 us,
   longest 10 us. The timer's own time is subtracted; the thread stays on one processor. */
#define _GNU_SOURCE
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/mman.h>
#include <signal.h>
#if defined(__linux__)
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#endif
#include "bench/allocator.h"
#include "bench/pairs.h"
#include "bench/ticks.h"

enum { OBJECTS_MAX = 4000000, LIVE = 10000, NOT_SHOWN = 77 };

static tail_table allocate, freed;
static uint64_t own;
static void **made;

static inline __attribute__((always_inline)) void *timed_malloc(a_state *a, size_t size, uint64_t word, int with_write)
{
    uint64_t t = ticks_begin();
    uint64_t *p = (uint64_t *)A_MALLOC(a, size);
    PIN(p);
    if (with_write && p) *p = word;
    tail_note(&allocate, ticks_end() - t, own);
    if (!p) pairs_out_of_memory();
    *p = word;
    return p;
}

static inline void timed_free(a_state *a, void *p)
{
    uint64_t t = ticks_begin();
    A_FREE(a, p);
    tail_note(&freed, ticks_end() - t, own);
}

static inline __attribute__((always_inline)) void replace_random(a_state *a, size_t pairs, int with_write)
{
    for (size_t i = 0; i < pairs; i++) {
        uint32_t at = pairs_random(LIVE);
        timed_free(a, pairs_live[at]);
        pairs_live[at] = timed_malloc(a, pairs_sizes[i % SIZE_COUNT], i, with_write);
    }
}

static void steady(a_state *a, size_t pairs) { replace_random(a, pairs, 0); }

static void touched(a_state *a, size_t pairs) { replace_random(a, pairs, 1); }

static void growth(a_state *a, size_t objects)
{
    for (size_t i = 0; i < objects; i++) made[i] = timed_malloc(a, pairs_sizes[i % SIZE_COUNT], i, 1);
    for (size_t i = 0; i < objects; i++) timed_free(a, made[i]);
}

/* Memory for `objects` of the table's sizes, touched. `spare`: of each size that many times as much. */
static void prefault(a_state *a, size_t objects, size_t spare)
{
#if BENCH_ZSLAB
    size_t count[256] = {0}, bytes[256];
    for (size_t i = 0; i < objects; i++) {
        size_t c = zslab_size_class_of(a, pairs_sizes[i % SIZE_COUNT]);
        bytes[c] = pairs_sizes[i % SIZE_COUNT];
        count[c]++;
    }
    for (size_t c = 0; c < 256; c++) {
        if (count[c] && zslab_reserve(a, bytes[c], count[c] * spare) != ZSLAB_OK) pairs_out_of_memory();
    }
#else
    for (size_t i = 0; i < objects * spare; i++) {
        uint64_t *p = made[i] = A_MALLOC(a, pairs_sizes[i % SIZE_COUNT]);
        PIN(p);
        if (!p) pairs_out_of_memory();
        for (size_t at = 0; at < pairs_sizes[i % SIZE_COUNT]; at += 8) p[at / 8] = i;
    }
    for (size_t i = 0; i < objects * spare; i++) A_FREE(a, made[i]);
#endif
}

static void nothing(size_t times)
{
    for (size_t i = 0; i < times; i++) {
        uint64_t t = ticks_begin();
        tail_note(&allocate, ticks_end() - t, own);
    }
    freed = allocate;
}

static long faults(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return u.ru_minflt + u.ru_majflt;
}

/* From here on any system call but exit ends the process. */
static int no_more_calls(void)
{
#if defined(__linux__)
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    struct sock_fprog program = {sizeof code / sizeof code[0], code};
    return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) && !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
#else
    return 0;
#endif
}

/* In a process of its own. */
static int quiet(a_state *a, size_t pairs)
{
    prefault(a, LIVE, 2);
    pairs_fill(a, 0, 1, LIVE);
    memset(&allocate, 1, sizeof allocate); /* the bench's own first touches */
    memset(&freed, 1, sizeof freed);
    steady(a, 1000);
    long before = faults();
    steady(a, pairs / 2);
    printf("page_faults %ld\n", faults() - before);
    fflush(stdout);
    if (!no_more_calls()) return NOT_SHOWN;
    steady(a, pairs / 2);
    syscall(SYS_exit, 0);
    return 1;
}

static int quiet_watched(size_t pairs)
{
    int status = 0;
    pid_t child = fork();
    if (child < 0) die("fork");
    if (!child) _exit(quiet(a_open(0), pairs));
    if (waitpid(child, &status, 0) != child) die("waitpid");
    int killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
    if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_SHOWN) return 0; /* no filter allowed here */
    if (!killed && !(WIFEXITED(status) && WEXITSTATUS(status) == 0)) return 1;
    printf("system_calls %d\n", killed);
    return 0;
}

static void pin(void)
{
    cpu_set_t set;
    int cpu = sched_getcpu();
    if (cpu < 0) return;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    sched_setaffinity(0, sizeof set, &set);
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "";
    size_t count = (argc > 2 ? (size_t)atol(argv[2]) : 1000) * 1000;
    if (!strcmp(how, "who")) {
        a_who();
        return 0;
    }
    pin();
    pairs_tables();
    if (count > OBJECTS_MAX) count = OBJECTS_MAX;
    made = (void **)mmap(NULL, OBJECTS_MAX * sizeof *made, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (made == MAP_FAILED) die("mmap");
    own = ticks_own();
    if (!strcmp(how, "quiet")) return quiet_watched(count);
    a_state *a = a_open(0);
    if (!strcmp(how, "steady") || !strcmp(how, "touched")) {
        void (*row)(a_state *, size_t) = strcmp(how, "steady") ? touched : steady;
        pairs_fill(a, 0, 1, LIVE);
        row(a, count / 2); /* warm */
        memset(&allocate, 0, sizeof allocate);
        memset(&freed, 0, sizeof freed);
        row(a, count);
    } else if (!strcmp(how, "growth")) {
        growth(a, count);
    } else if (!strcmp(how, "warm")) {
        prefault(a, count, 1);
        growth(a, count);
    } else if (!strcmp(how, "nothing")) {
        nothing(count);
    } else {
        fprintf(stderr, "usage: %s steady|touched|growth|warm|nothing|quiet [thousands]\n", argv[0]);
        return 2;
    }
    double ns = ticks_ns(20);
    tail_print(&allocate, "allocate", ns);
    tail_print(&freed, "free", ns);
    return 0;
}
