/* A signal at every instruction of every call, in shared mode: its handler frees an object each time; or it allocates,
   and has an object or ZSLAB_E_BUSY each time. [SHARED-5] */
/* timeout: 900 */
#include "tests/lib/test.h"
#include "tests/lib/step.h"

#if STEP_HERE && !TEST_SANITIZED
#define SUPPLY 600 /* objects for the handler */
#define ROUNDS 10

static zslab *z;
static void *supply[SUPPLY];
static volatile size_t next, wrong, steps, every;

/* What a handler may ask for: objects of all sizes, with and without a handle, of the current epoch and of one that the
   call is about, and large ones. */
static volatile size_t taking, taken, refused;
static zslab_epoch about;

static void allocate(void)
{
    size_t n = taking++, size = 8 + n % 50 * 24;
    zslab_handle h = 0;
    void *p = NULL;
    if (n % 5 == 4)
        h = zslab_handle_alloc(z, size, about, &p);
    else
        p = n % 5 == 3 ? zslab_malloc(z, (size_t)20000)
            : n % 2    ? zslab_malloc(z, size)
                       : zslab_malloc_epoch(z, size, about);
    if (p) {
        taken++;
        wrong += (h ? zslab_handle_free(z, h) : zslab_free(z, p)) != ZSLAB_OK;
    } else if (zslab_last_error() == ZSLAB_E_BUSY) {
        refused++;
    } else { /* the call ends or empties the epoch */
        wrong += zslab_last_error() != ZSLAB_E_CLOSED || (n % 5 != 4 && (n % 2 || n % 5 == 3));
    }
}

/* Another object in its turn, each of another class than the one before; the last one ends it. */
static void on_trap(int signo, siginfo_t *info, void *context)
{
    (void)signo, (void)info;
    if (++steps % every) return;
    if (taking) {
        allocate();
        return;
    }
    if (next < SUPPLY)
        wrong += zslab_free(z, supply[next++]) != ZSLAB_OK;
    else
        step_no_more(context);
}

static void supply_more(void)
{
    for (next = 0; next < SUPPLY; next++) MUST(supply[next] = zslab_malloc(z, 8 + next % 40 * 24));
    next = 0;
}

/* The objects that the handler did not come to. */
static void free_the_rest(void)
{
    for (; next < SUPPLY; next++) CHECK_IS(zslab_free(z, supply[next]), ZSLAB_OK);
    CHECK(wrong == 0);
}

enum { FREE, MALLOC, REALLOC, BATCH, HANDLE, TRIM, RESET, CLOSE, RELEASE, CALLS };
static const char *const call_name[] = {"free", "malloc", "realloc", "free_batch", "handle_free",
                                        "trim", "reset",  "close",   "release"};

static void one_call(int call, size_t round)
{
    size_t size = 8 + round % 40 * 24, i;
    zslab_epoch e = zslab_epoch_open(z, NULL);
    zslab_result r = ZSLAB_OK;
    void *p, *q = NULL, *some[10];
    zslab_handle h;
    about = e;
    MUST(e && (p = zslab_malloc(z, size)) != NULL);
    for (i = 0; i < 10; i++) MUST(some[i] = zslab_malloc_epoch(z, size, e));
    MUST((h = zslab_handle_alloc(z, size, e, NULL)) != 0);
    switch (call) {
    case FREE:
        STEPPED(r = zslab_free(z, p));
        p = NULL;
        break;
    case MALLOC:
        STEPPED(q = zslab_malloc(z, size));
        break;
    case REALLOC:
        STEPPED(q = zslab_realloc(z, p, size + 200));
        p = NULL;
        break;
    case BATCH:
        STEPPED(i = zslab_free_batch(z, some, 10));
        CHECK(i == 10);
        break;
    case HANDLE:
        STEPPED(r = zslab_handle_free(z, h));
        break;
    case TRIM:
        STEPPED(zslab_trim(z));
        break;
    case RESET:
        STEPPED(r = zslab_epoch_reset(z, e));
        break;
    case CLOSE:
        STEPPED(r = zslab_epoch_close(z, e));
        break;
    default:
        STEPPED(r = zslab_epoch_release(z, e));
    }
    CHECK(r == ZSLAB_OK && (q != NULL) == (call == MALLOC || call == REALLOC));
    CHECK_IS(zslab_free(z, p), ZSLAB_OK);
    CHECK_IS(zslab_free(z, q), ZSLAB_OK);
    r = zslab_epoch_release(z, e);
    CHECK(r == (call == RELEASE ? ZSLAB_E_CLOSED : ZSLAB_OK));
}

static void signals_at_every_instruction(const test_mode *m)
{
    int call;
    z = test_open(m, NULL);
    for (call = 0; call < CALLS; call++) {
        size_t round, signals = 0;
        test_at("%s, %s", m->name, call_name[call]);
        for (round = 0; round < ROUNDS; round++) {
            supply_more();
            steps = 0;
            every = call < TRIM ? 1 : 1 + round % 7; /* the long ones take more instructions than there are objects */
            one_call(call, round);
            signals += next;
            free_the_rest();
        }
        CHECK(signals > ROUNDS);
        CHECK(test_live(z) == 0);
        printf("%s, %s: %zu frees by signals\n", m->name, call_name[call], signals);
    }
    test_destroy(z);
}

/* Where a call holds a lock a refusal is right; whatever else is refused is not, and nothing waits for ever. */
static void allocations_at_every_instruction(const test_mode *m)
{
    int call;
    z = test_open(m, NULL);
    for (call = 0; call < CALLS; call++) {
        size_t round;
        test_at("%s, %s, allocating", m->name, call_name[call]);
        taken = refused = 0;
        for (round = 0; round < ROUNDS; round++) {
            next = SUPPLY, steps = 0;
            taking = 1;
            every = call < TRIM ? 1 : 29 + round % 13;
            one_call(call, round);
            taking = 0;
            CHECK(wrong == 0);
        }
        CHECK(taken > ROUNDS && test_live(z) == 0);
        printf("%s, %s: %zu objects, %zu refusals\n", m->name, call_name[call], taken, refused);
    }
    test_destroy(z);
}

/* A handler's allocation that the limit refuses searches for memory as any does: it never waits for the call that it
   interrupts, wherever in a trim or in another such search that is. */
static void on_trap_at_the_limit(int signo, siginfo_t *info, void *context)
{
    void *p;
    (void)signo, (void)info, (void)context;
    if (++steps % every) return;
    p = zslab_malloc(z, steps / every % 2 ? (size_t)200000 : 7000);
    taken += p != NULL;
    refused += !p;
    wrong += !p && zslab_last_error() != ZSLAB_E_BUSY && zslab_last_error() != ZSLAB_E_LIMIT;
    wrong += zslab_free(z, p) != ZSLAB_OK;
}

static void at_the_limit(const test_mode *m)
{
    zslab_config c = {0};
    size_t round;
    c.limit_bytes = 4 << 20;
    z = test_open(m, &c);
    while (zslab_malloc(z, 1000))
        ;
    step_handler(on_trap_at_the_limit);
    taken = refused = wrong = 0, every = 5;
    for (round = 0; round < 2 * every; round++) {
        void *p;
        steps = round;
        if (round % 2)
            STEPPED(zslab_trim(z));
        else
            STEPPED(p = zslab_malloc(z, (size_t)100000));
        CHECK(round % 2 || !p);
    }
    CHECK(wrong == 0 && refused > 100);
    printf("%s, at the limit: %zu objects, %zu refusals\n", m->name, taken, refused);
    step_handler(on_trap);
    test_destroy(z);
}

int main(void)
{
    step_handler(on_trap);
    every = ~(size_t)0;
    STEPPED(next = 0);
    if (!steps) return test_skip("no trap after an instruction here");
    TEST_EACH_MODE(m)
    if (!test_owned(m)) {
        signals_at_every_instruction(m);
        allocations_at_every_instruction(m);
        if (!m->in_buffer) at_the_limit(m);
    }
    return test_summary("test_signal");
}
#else
int main(void) { return test_skip("single steps are for x86-64 Linux, without sanitizers"); }
#endif
