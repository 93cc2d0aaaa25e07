/* The latency policy in its steady state makes no system call: after a warm-up a seccomp filter kills the
   process for anything but write and exit, and then it allocates, frees, advances, closes, releases, resets,
   and enters and leaves domains, alone and with a second thread that frees what the first one made.
   usage: test_quiet [rounds; default 20,000] */
#include "tests/lib/test.h"
#include <signal.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static zslab *z;

/* ---- the filter ---- */

#define LETS(name) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static int only_write_and_exit(void) /* for every thread of the process; 0: not allowed here */
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        LETS(write),
        LETS(exit),
        LETS(exit_group),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) return 0;
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0;
}

/* ---- one round of everything ---- */

enum { ALIVE = 2000 };
static void *alive[ALIVE];
static uint64_t random_state = 1;

static int churn(void)
{
    for (int i = 0; i < 300; i++) {
        uint64_t r = test_random(&random_state);
        size_t at = (size_t)(r % ALIVE);
        if (alive[at] && zslab_free(z, alive[at]) != ZSLAB_OK) return 0;
        if (!(alive[at] = zslab_malloc(z, (size_t)(8 + (r >> 32) % 1500)))) return 0;
        memset(alive[at], (int)i, 8);
    }
    return 1;
}

static int fill(zslab_epoch e, int objects)
{
    for (int i = 0; i < objects; i++) {
        char *p = (char *)zslab_malloc_epoch(z, (size_t)(8 + i * 37 % 2000), e);
        if (!p) return 0;
        *p = (char)i;
    }
    return 1;
}

static int request(void)
{
    zslab_domain *d = zslab_domain_create(z);
    if (!d || zslab_domain_enter(d) != ZSLAB_OK || !fill(zslab_domain_epoch(d), 30)) return 0;
    return zslab_domain_exit(d) == ZSLAB_OK && zslab_domain_destroy(d) == ZSLAB_OK;
}

/* Two epochs that are closed with objects in them and drained a round later. */
static int generations(void)
{
    static void *old[50];
    static zslab_epoch old_epoch;
    zslab_epoch e = zslab_epoch_open(z, "generation");
    for (int i = 0; i < 50; i++)
        if (old[i] && zslab_free(z, old[i]) != ZSLAB_OK) return 0;
    if (old_epoch && zslab_epoch_state_of(z, old_epoch) != ZSLAB_EPOCH_CLOSED) return 0;
    for (int i = 0; i < 50; i++)
        if (!(old[i] = zslab_malloc_epoch(z, (size_t)(16 + i * 20), e))) return 0;
    old_epoch = e;
    return zslab_epoch_close(z, e) == ZSLAB_OK;
}

static int one_round(int i)
{
    static zslab_epoch frame;
    zslab_epoch e = zslab_epoch_open(z, "round");
    if (!frame) frame = zslab_epoch_open(z, "frame");
    if (!churn() || !request() || !generations()) return 0;
    if (!fill(e, 100) || zslab_epoch_release(z, e) != ZSLAB_OK) return 0;
    if (!fill(frame, 200) || zslab_epoch_reset(z, frame) != ZSLAB_OK) return 0;
    if (i % 16 == 0) { /* what lives moves on to the next current epoch */
        for (int k = 0; k < ALIVE; k++) {
            if (alive[k] && zslab_free(z, alive[k]) != ZSLAB_OK) return 0;
            alive[k] = NULL;
        }
        if (!zslab_epoch_advance(z)) return 0;
    }
    return 1;
}

/* ---- the other thread: frees what it is handed, never sleeps ---- */

static void *handed[64];

static void *other(void *arg)
{
    size_t at = 0;
    for (;;) {                                                                     /* until the process ends */
        void *p = __atomic_exchange_n(&handed[at++ % 64], NULL, __ATOMIC_ACQUIRE); /* pairs with hand() */
        if (p && zslab_free(z, p) != ZSLAB_OK) break;
        void *mine = zslab_malloc(z, 40 + at % 200);
        if (!mine || zslab_free(z, mine) != ZSLAB_OK) break;
    }
    __atomic_store_n((int *)arg, 1, __ATOMIC_RELAXED); /* something was refused; relaxed: alone */
    return NULL;
}

/* That many rounds, and more on a machine that gives the other thread no turn meanwhile. */
static int hand(int rounds, int *given)
{
    zslab_epoch current = zslab_epoch_current(z); /* not released or reset while the other one frees */
    int before = *given;
    for (int i = 0; i < rounds || *given < before + 65; i++) { /* more than there are places */
        void *p = zslab_malloc_epoch(z, 100, current);
        void *expected = NULL;
        if (!p) return 0;
        /* release: the object; pairs with the exchange in other(). relaxed: then nothing was handed over */
        if (__atomic_compare_exchange_n(&handed[i % 64], &expected, p, 0, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
            ++*given;
        else if (zslab_free(z, p) != ZSLAB_OK)
            return 0;
        if (i % 8 == 0 && (!request() || !generations())) return 0;
    }
    return 1;
}

/* ---- the stories, each in a process of its own ---- */

enum { QUIET = 0, NO_FILTER = 77, BROKEN = 1, FAULTS = 3 };

static long faults(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return u.ru_minflt;
}

static int alone(int rounds)
{
    for (int i = 0; i < 2000; i++)
        if (!one_round(i)) return BROKEN;
    long some = 17;
    for (int look = 0; look < 3 && some > 16; look++) { /* the system may move a page meanwhile, but not each time */
        some = -faults();
        for (int i = 0; i < 100; i++)
            if (!one_round(i)) return BROKEN;
        some += faults();
    }
    if (some > 16) return FAULTS; /* the random sizes may still find a page not touched before */
    if (!only_write_and_exit()) return NO_FILTER;
    for (int i = 0; i < rounds; i++)
        if (!one_round(i)) return BROKEN;
    return QUIET;
}

static int two(int rounds)
{
    pthread_t t;
    static int broken;
    int given = 0;
    if (pthread_create(&t, NULL, other, &broken)) return BROKEN;
    if (!hand(30000, &given)) return BROKEN;
    if (!only_write_and_exit()) return NO_FILTER;
    if (!hand(rounds * 4, &given)) return BROKEN;
    /* relaxed: a flag alone */
    return __atomic_load_n(&broken, __ATOMIC_RELAXED) ? BROKEN : QUIET;
}

static void tell(const char *name, const test_mode *mode, int (*story)(int), int rounds)
{
    int status = 0;
    /* Two threads: how much is in flight between them, and so how much memory the steady state needs, is up to the
       scheduler. A run in which one thread is kept off its processor longer than ever during the warm-up may need a
       chunk more, which is a commit: it is run again. A call made as a rule shows in every run. */
    for (int tries = story == alone ? 1 : 8; tries > 0; tries--) {
        fflush(stdout);
        pid_t child = fork();
        MUST(child >= 0);
        if (child == 0) {
            z = test_open(mode, NULL);
            syscall(SYS_exit_group, story(rounds));
        }
        MUST(waitpid(child, &status, 0) == child);
        if (WIFEXITED(status)) break;
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == NO_FILTER) {
        printf("%s, %s: no seccomp filter allowed here, not shown\n", name, mode->name);
        return;
    }
    if (!CHECK(WIFEXITED(status) && WEXITSTATUS(status) == QUIET))
        printf("%s, %s: %s %d\n", name, mode->name, WIFSIGNALED(status) ? "killed by signal" : "ended with",
               WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

/* The filter does kill: else the stories show nothing. */
static int loud(int rounds)
{
    (void)rounds;
    if (!only_write_and_exit()) return NO_FILTER;
    return (int)syscall(SYS_getppid) & 1;
}

static int the_filter_kills(void)
{
    int status = 0;
    pid_t child = fork();
    MUST(child >= 0);
    if (child == 0) syscall(SYS_exit_group, loud(0));
    MUST(waitpid(child, &status, 0) == child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 20000;
    if (TEST_SANITIZED) return test_skip("a sanitizer makes system calls of its own");
    if (!the_filter_kills()) return test_skip("no seccomp filter allowed here");
    TEST_EACH_MODE(mode)
    {
        if (mode->reclaim == ZSLAB_RECLAIM_RSS) continue;
        tell("alone", mode, alone, rounds / 4);
        tell("two threads", mode, two, rounds);
    }
    return test_summary("test_quiet");
}
