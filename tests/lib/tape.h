/* Tapes: operations in the order in which they happen, each with the thread that does it and a number from which it
   draws what else it needs. A tape is played in a child process, so that a crash and a hang are answers too; one that
   fails is cut down to the shortest that still does, and printed as a text that plays again. */
#ifndef TAPE_H
#define TAPE_H

#include "tests/lib/test.h"

#if TEST_UNIX && !TEST_TSAN && !TEST_EMULATED
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#define TAPE_FORKS 1
#else /* played in place, and not cut down */
#define TAPE_FORKS 0
#endif

typedef struct tape_op {
    uint16_t kind;
    uint8_t thread;
    uint32_t number;
} tape_op;

typedef struct tape {
    tape_op *op;
    size_t count;
} tape;

/* What a play tells: written by the child, read by its parent. */
typedef struct tape_result {
    size_t step; /* operations begun */
    int passed, failed;
    int finished;
} tape_result;

/* The names of operations, their number, and how a tape is played: checks count, *step follows. */
typedef struct tape_player {
    const char *(*name)(uint16_t kind);
    uint16_t kinds;
    void (*play)(void *user, const tape *t, size_t *step);
    void *user;
} tape_player;

static inline tape tape_copy(const tape *t)
{
    tape copy;
    copy.op = (tape_op *)malloc((t->count + 1) * sizeof *copy.op);
    MUST(copy.op);
    copy.count = t->count;
    memcpy(copy.op, t->op, t->count * sizeof *copy.op);
    return copy;
}

/* "malloc@0:17 free@1:3": what tape_read takes. */
static inline void tape_print(FILE *f, const tape_player *by, const tape *t)
{
    size_t i;
    for (i = 0; i < t->count; i++)
        fprintf(f, "%s%s@%u:%u", i ? " " : "", by->name(t->op[i].kind), (unsigned)t->op[i].thread,
                (unsigned)t->op[i].number);
}

/* The tape of a text; count 0 when it is none. */
static inline tape tape_read(const tape_player *by, const char *text)
{
    tape t = {NULL, 0};
    char name[32];
    unsigned thread, number;
    int used;
    t.op = (tape_op *)malloc((strlen(text) / 4 + 1) * sizeof *t.op);
    MUST(t.op);
    for (; sscanf(text, " %31[^@]@%u:%u%n", name, &thread, &number, &used) == 3; text += used) {
        uint16_t kind = 0;
        while (kind < by->kinds && strcmp(by->name(kind), name) != 0) kind++;
        if (kind == by->kinds || thread > 255) {
            t.count = 0;
            return t;
        }
        t.op[t.count].kind = kind;
        t.op[t.count].thread = (uint8_t)thread;
        t.op[t.count++].number = number;
    }
    return t;
}

/* Plays a tape; does everything in it hold? With `counted`, its checks are counted here, and its output is shown. */
static inline int tape_holds(const tape_player *by, const tape *t, int counted, tape_result *out)
{
#if TAPE_FORKS
    tape_result *r = (tape_result *)mmap(NULL, sizeof *r, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status = 0;
    pid_t child;
    MUST(r != MAP_FAILED);
    fflush(stdout);
    child = fork();
    MUST(child >= 0);
    if (child == 0) {
        test_passed = test_failed = 0;
        if (!counted) {
            MUST(freopen("/dev/null", "w", stdout) && freopen("/dev/null", "w", stderr));
            alarm(20); /* a hang, when it is cut down; else the runner's limit stands */
        }
        by->play(by->user, t, &r->step);
        r->passed = test_passed;
        r->failed = test_failed;
        r->finished = 1;
        fflush(stdout);
        exit(test_failed != 0);
    }
    MUST(waitpid(child, &status, 0) == child);
    *out = *r;
    munmap(r, sizeof *r);
    if (counted) {
        test_passed += out->passed;
        test_failed += out->failed;
    }
    return out->finished && out->failed == 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
#else
    int passed = test_passed, failed = test_failed;
    memset(out, 0, sizeof *out);
    by->play(by->user, t, &out->step);
    out->passed = test_passed - passed;
    out->failed = test_failed - failed;
    out->finished = 1;
    if (!counted) test_passed = passed, test_failed = failed;
    return out->failed == 0;
#endif
}

/* Does the tape still fail when [from, to) is left out? Then it is left out. */
static inline int tape_cut(const tape_player *by, tape *t, size_t from, size_t to, tape_result *r)
{
    tape shorter;
    int fails;
    if (from >= to || to > t->count) return 0;
    shorter = tape_copy(t);
    memmove(shorter.op + from, shorter.op + to, (t->count - to) * sizeof *shorter.op);
    shorter.count -= to - from;
    fails = !tape_holds(by, &shorter, 0, r);
    if (fails) {
        free(t->op);
        *t = shorter;
        if (r->step && r->step < t->count) t->count = r->step; /* what comes after the failure did not cause it */
    } else {
        free(shorter.op);
    }
    return fails;
}

/* Smaller numbers and the first thread, where they fail as well. */
static inline void tape_simplify(const tape_player *by, tape *t, tape_result *r)
{
    size_t i;
    uint32_t n;
    for (i = 0; i < t->count; i++) {
        tape_op was = t->op[i];
        if (was.thread) {
            t->op[i].thread = 0;
            if (tape_holds(by, t, 0, r)) t->op[i].thread = was.thread;
        }
        for (n = 0; n < 16 && n < was.number; n++) {
            t->op[i].number = n;
            if (!tape_holds(by, t, 0, r)) break;
            t->op[i].number = was.number;
        }
    }
}

/* Pieces of half the tape, of a quarter, ..., of one operation, until none can go. */
static inline void tape_cut_all(const tape_player *by, tape *t, tape_result *r)
{
    size_t piece, at;
    int again = 1;
    while (again) {
        again = 0;
        for (piece = (t->count + 1) / 2; piece; piece /= 2)
            for (at = 0; at < t->count;)
                if (tape_cut(by, t, at, at + piece < t->count ? at + piece : t->count, r))
                    again = 1;
                else
                    at += piece;
    }
}

/* One operation less, with another number for the last: what it chose among is not the same without it. */
static inline int tape_cut_and_choose(const tape_player *by, tape *t, tape_result *r)
{
    size_t at;
    uint32_t n;
    for (at = 0; t->count < 100 && at + 1 < t->count; at++)
        for (n = 0; n < 64; n++) {
            tape other = tape_copy(t);
            other.op[other.count - 1].number = n;
            if (tape_cut(by, &other, at, at + 1, r)) {
                free(t->op);
                *t = other;
                return 1;
            }
            free(other.op);
        }
    return 0;
}

/* Delta debugging: cuts down a tape that fails, the first time at operation failed_at (0: not known). */
static inline void tape_shrink(const tape_player *by, tape *t, size_t failed_at)
{
    tape_result r;
    memset(&r, 0, sizeof r);
    if (failed_at && failed_at < t->count) tape_cut(by, t, failed_at, t->count, &r);
    do tape_cut_all(by, t, &r);
    while (tape_cut_and_choose(by, t, &r));
    tape_simplify(by, t, &r);
}

#endif
