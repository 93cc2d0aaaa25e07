/* interleave.h -- runs small concurrent scenarios under every schedule, and every weak-memory outcome, up to
   a bound.

   Use: include this file first, then zslab.h with its implementation (its atomics and platform rooms then
   come from here), write threads as plain functions, list them in il_scenario tables and call il_main.
   Threads are fibers of one OS thread; a scheduler decides at every atomic operation, fence, wait and hook
   who goes on and what a load sees. All decisions are numbered; those that differ from the default ("the
   same thread goes on; the newest value") are the schedule's name, and --replay with that name repeats it.

   The search, per scenario: some random schedules (they learn which words are shared), then depth first with
   at most P preemptions and W weak outcomes for growing (P, W), each level complete before the next; a state
   seen before with no less of both left is not explored again; then random priority schedules (PCT,
   Burckhardt et al., ASPLOS 2010) until the operations are used. A state is named by a hash of every thread's
   history (operations and the stores they read from), every word's order of stores and the order of fences.

   The memory model: C11 with views (Kang et al., "A promising semantics", POPL 2017, without promises).
     Each word has an order of stores, newest last. Each thread has a view: per word, the oldest store it may
     still read. A load may return any store from there on; reading one moves the view to it. An acquire load
     takes over the view that a release store published; a relaxed load keeps it for the next fence.
     A store goes last, or before newer stores its thread has not seen, unless that would part a
     read-modify-write from what it read: so relaxed stores to different words become visible in any order,
     as out of per-word buffers, and a release store is seen after all earlier ones by who acquires it.
     A read-modify-write acts on the newest store, or past stores still "in the buffer" in the same sense.
     A sequentially consistent fence takes over and publishes one common view (it drains the own buffer and
     refreshes the own reads). A sequentially consistent operation does so for its one word only: weaker than
     x86's locked instructions, as AArch64's are.
     The asymmetric fence is such a fence of the caller, then of every other thread in turn, in any order and
     with anything in between, then of the caller again.
     After a wait turn (pause, yield) a thread sees the newest store of the words it read old values of: every
     store becomes visible some day. It then runs again when another thread has stored something, or, some
     times, when no thread could run otherwise.
   Outside the model: loads that are ordered after later stores of their own thread (load buffering), spurious
   failures, and plain accesses of the library: they act on the newest value; a plain store to a word known
   here is taken as a relaxed one by the thread that ran. Data races on objects are found when a scenario
   touches them with il_write and il_read, which fail unless ordered after each other (views again). */
#ifndef IL_INTERLEAVE_H
#define IL_INTERLEAVE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#ifndef TEST_COVERAGE
#define TEST_COVERAGE 0
#endif
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#if !defined(__x86_64__)
#include <ucontext.h>
#endif
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the checker takes words apart and expects a little-endian host"
#endif

/* With -fsanitize=thread, and without that sanitizer's runtime library, the compiler calls us at every plain
   access; those of the checker itself are left out. */
#if defined(__SANITIZE_THREAD__)
#define IL_PLAIN_SEEN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define IL_PLAIN_SEEN 1
#endif
#endif
#ifdef IL_PLAIN_SEEN
#define IL_FN static inline __attribute__((no_sanitize("thread")))
#define IL_HOOK __attribute__((no_sanitize("thread")))
#else
#define IL_FN static inline
#endif

/* ---- what a test writes ---------------------------------------------------- */
#define IL_THREADS 4 /* most threads of a scenario */

/* setup and finish run alone, before and after the threads; finish checks and tears down. */
typedef struct il_scenario {
    const char *name;
    void (*setup)(void);
    void (*thread[IL_THREADS])(void);
    void (*finish)(void);
} il_scenario;

/* Operations, as plants and traces name them. */
typedef enum il_op {
    IL_NONE,
    IL_LOAD,
    IL_STORE,
    IL_RMW,
    IL_CAS,
    IL_FENCE,
    IL_ASYM,
    IL_WAIT,
    IL_WAKE,
    IL_YIELD,
    IL_POINT,
    IL_PLAIN
} il_op;

/* A planted bug: what happens to an operation instead. */
typedef enum il_deed {
    IL_KEEP,
    IL_DROP,  /* not done: a fence or store is missing; a read-modify-write or CAS only reads */
    IL_RELAX, /* done with relaxed order */
    IL_LATER, /* a store done after its thread's next operation instead: the two swapped; a load done after the byte
                 `value` bytes on is cleared, which is what its thread's next read-modify-write there would do */
    IL_LIE,   /* a load, read-modify-write or CAS is done and answers `value` */
    IL_KEPT   /* a CAS that is refused adds what it wanted to add all the same */
} il_deed;

/* The operation is `op` on an argument whose source text contains `text` ("" matches all) inside function
   `func` ("" matches all); nth: 0 every one, n only the n-th of its thread in a run. A plant that matches
   nothing is reported as an error. Entries of one name and scenario in a row are one bug. */
typedef struct il_plant {
    const char *name;
    const char *scenario;
    const char *func;
    il_op op;
    const char *text;
    int nth;
    il_deed deed;
    uint64_t value;
} il_plant;

IL_FN void il_fail(const char *format, ...); /* the scenario went wrong */
#define il_check(x) ((x) ? (void)0 : il_fail("%s:%d: %s", __FILE__, __LINE__, #x))
IL_FN int il_thread(void);                        /* 0 ..., -1 outside the threads */
IL_FN void il_as(int thread, void (*work)(void)); /* in setup: a thread's work, beforehand */
IL_FN void il_write(void *p, uint64_t value);     /* touch an object: 8 bytes */
IL_FN uint64_t il_read(const void *p);
IL_FN void il_claim(void *p, size_t bytes);                        /* "this object is mine": nobody else's */
IL_FN void il_disclaim(const void *p);                             /* just before giving it back */
IL_FN int il_claimed(const void *p, size_t bytes);                 /* does a claimed object lie in there? */
IL_FN void il_point(const char *name);                             /* a place where others may run */
IL_FN void il_watch(const void *p, size_t bytes);                  /* plain accesses there count */
IL_FN void il_cut(const void *p, size_t bytes);                    /* words of one byte, however accessed */
IL_FN int il_released(const void *p);                              /* did zs__os_release end it? */
IL_FN void il_name(const void *p, size_t bytes, const char *name); /* names words in traces */
IL_FN int il_main(int argc, char **argv, const il_scenario *scenarios, int scenario_count, const il_plant *plants,
                  int plant_count);
IL_FN void il_refuse_fence(int on); /* in setup: no asymmetric fence from here on */

/* ---- limits ---------------------------------------------------------------- */
#define IL_OPERATIONS 5000000 /* of a scenario's search; by the clock, each run would try other schedules */
#define IL_WORDS 2048         /* words of one run */
#define IL_STORES 30000       /* stores of one run */
#define IL_STEPS 20000        /* operations of one run: more is "no end" */
#define IL_VIEW_POOL (1u << 24)
#define IL_TABLE (1u << 14) /* 8-byte granules ever touched */
#define IL_STACK_BYTES (256u << 10)
#define IL_DEPTH 4096      /* open decisions of a depth-first run */
#define IL_SEEN (1u << 21) /* states remembered */
#define IL_FUTILE 100      /* turns a wait loop gets when nothing changes any more */
#define IL_CLAIMS 256
#define IL_NAMES 64
#define IL_CHOICES 1024

#define IL_ACQ 1
#define IL_REL 2
#define IL_SC 4

enum { IL_MODE_RANDOM, IL_MODE_DFS, IL_MODE_REPLAY };
enum { IL_COST_NONE, IL_COST_PREEMPT, IL_COST_WEAK };
enum { IL_SET, IL_ADD, IL_SUB, IL_OR, IL_AND };
enum { IL_READY, IL_SPINNING, IL_NAPPING, IL_BLOCKED, IL_DONE };

typedef struct il_store_rec {
    uint64_t value, hash;
    uint32_t view; /* what an acquire of it takes over: offset into the view pool, 0 none */
    uint16_t word, pos;
    int8_t thread;
    uint8_t rmw; /* inseparable from its predecessor */
} il_store_rec;

typedef struct il_word {
    uintptr_t address; /* 0: no memory behind it */
    int size, count, room;
    uint16_t *stores; /* in order, newest last */
    uint64_t newest, hash;
} il_word;

typedef struct il_granule {
    uintptr_t key;                            /* address / 8, plus one */
    uint32_t run;                             /* the fields to the blank line are this run's */
    uint8_t plain;                            /* touched plainly */
    uint16_t word[8];                         /* per byte: the word it belongs to, plus one */
    uint32_t written[8], read[8][IL_THREADS]; /* per byte: times of the last plain write and reads, 0 none */
    int8_t writer[8];
    const void *written_at, *read_at;

    uint8_t readers[8], writers[8]; /* per byte offset: threads, over all runs */
} il_granule;

typedef struct il_fiber {
#if defined(__x86_64__)
    void *sp;
#else
    ucontext_t context;
#endif
    char *stack;
    int state, stale_count, later, futile; /* futile: wait turns with nothing new and nobody to run */
    uint16_t stale[64];
    uint64_t hash, others_at_yield, stores;
    uint32_t *wait_word, wait_value;
    uint32_t release_view;
    uint32_t clock[IL_THREADS], pending_clock[IL_THREADS]; /* what of each thread happened before: its time */
    uint32_t priority;
    int plant_hits;
    uintptr_t cleared; /* the byte that a load put off found cleared already: its read-modify-write only reads */
    uintptr_t later_address;
    uint64_t later_value;
    int later_size;
    uint16_t view[IL_WORDS], pending[IL_WORDS]; /* pending: read relaxed, taken over at the next fence */
} il_fiber;

typedef struct il_event {
    const char *func, *text;
    int line, thread, word, old;
    il_op op;
    uint64_t value, wrote;
    const char *note;
} il_event;

typedef struct il_choice {
    uint32_t tick;
    int taken;
} il_choice;

typedef struct il_open {
    uint8_t count, taken, cost;
} il_open;

/* What setup may change of the checker itself. */
typedef struct il_world {
    struct {
        const void *p;
        size_t bytes;
        int thread;
    } claim[IL_CLAIMS];
    struct {
        uintptr_t from, bytes;
        const char *name;
    } name[IL_NAMES];
    int claim_count, name_count, fence_refused;
    int as; /* in setup and finish: whose thread-local block it is */
    int armed[IL_THREADS];
    uintptr_t watch_from, watch_to;
    uintptr_t cut_from, cut_to;
    uintptr_t gone_from, gone_to; /* the piece released last: nobody may touch it */
    void (*exit_hook)(void);
    uint64_t tls[IL_THREADS + 1][64]; /* the last block belongs to setup and finish */
} il_world;

typedef struct il_state {
    const il_scenario *scenario;
    const il_plant *plant;
    int plant_parts; /* entries that are this bug */
    uint64_t lie;    /* of the operation planted last */
    int mode, running, current, cut, failed, restart, thread_count;
    unsigned plant_matched; /* a bit per entry */
    uint32_t run, tick;
    uint64_t schedules, operations, random_runs, rng, watched;
    char message[512], text[2][IL_CHOICES * 16];
    long race_at[2]; /* offsets in the program of a data race's two sides */
    jmp_buf escape;
#if defined(__x86_64__)
    void *main_sp;
#else
    ucontext_t main_context;
#endif
    il_fiber fiber[IL_THREADS];
    int word_count;
    il_word word[IL_WORDS];
    uint32_t store_count, view_used;
    il_store_rec store[IL_STORES];
    uint16_t *views;
    uint16_t sc_view[IL_WORDS];
    uint32_t sc_clock[IL_THREADS];
    uint64_t sc_hash, words_hash;
    il_granule table[IL_TABLE];
    int event_count;
    il_event event[IL_STEPS];
    int choice_count;
    il_choice choice[IL_CHOICES]; /* taken in this run and not the default */
    int wanted_count;
    il_choice wanted[IL_CHOICES]; /* to be repeated */
    int open_count, depth, level, preempt_left, weak_left;
    int bounded; /* some outcome was beyond the level */
    il_open open[IL_DEPTH];
    uint64_t *seen_key, last_key;
    uint32_t *seen_left; /* level, preemptions, weak outcomes: a byte each */
    uint32_t seen_count;
    uint32_t change_tick[8], length, weak_odds, low_priority;
    int change_count;
    il_world world, world_saved;
    char *image[2]; /* of the arena and of the program's data, after setup */
    size_t arena_image_bytes;
} il_state;
static il_state il;

IL_FN void il_refuse_fence(int on) { il.world.fence_refused = on; }

IL_FN int il_thread(void) { return il.running ? il.current : -1; }

IL_FN uint64_t il_mix(uint64_t h, uint64_t x)
{
    h ^= x + UINT64_C(0x9e3779b97f4a7c15) + (h << 6) + (h >> 2);
    h *= UINT64_C(0xff51afd7ed558ccd);
    return h ^ (h >> 32);
}

IL_FN uint64_t il_random(void)
{
    il.rng ^= il.rng << 13;
    il.rng ^= il.rng >> 7;
    il.rng ^= il.rng << 17;
    return il.rng * UINT64_C(0x2545f4914f6cdd1d) >> 16;
}

/* ---- fibers ---------------------------------------------------------------- */
IL_FN void il_fiber_main(void);

#if defined(__x86_64__)
void il_switch_stack(void **save, void *to);
__asm__(".text\n"
        ".globl il_switch_stack\n"
        ".type il_switch_stack, @function\n"
        "il_switch_stack:\n"
        "    pushq %rbp\n    pushq %rbx\n    pushq %r12\n    pushq %r13\n    pushq %r14\n    pushq %r15\n"
        "    movq %rsp, (%rdi)\n    movq %rsi, %rsp\n"
        "    popq %r15\n    popq %r14\n    popq %r13\n    popq %r12\n    popq %rbx\n    popq %rbp\n"
        "    ret\n"
        ".size il_switch_stack, . - il_switch_stack\n");

IL_FN void il_fiber_init(il_fiber *f)
{
    uintptr_t *top = (uintptr_t *)(void *)(f->stack + IL_STACK_BYTES);
    int i;
    *--top = 0; /* a function starts with its stack 8 off a multiple of 16 */
    *--top = (uintptr_t)il_fiber_main;
    for (i = 0; i < 6; i++) *--top = 0;
    f->sp = top;
}
IL_FN void il_enter(int thread) { il_switch_stack(&il.main_sp, il.fiber[thread].sp); }
IL_FN void il_leave(int thread) { il_switch_stack(&il.fiber[thread].sp, il.main_sp); }
IL_FN void il_pass(int from, int to) { il_switch_stack(&il.fiber[from].sp, il.fiber[to].sp); }
#else
IL_FN void il_fiber_init(il_fiber *f)
{
    getcontext(&f->context);
    f->context.uc_stack.ss_sp = f->stack;
    f->context.uc_stack.ss_size = IL_STACK_BYTES;
    f->context.uc_link = NULL;
    makecontext(&f->context, il_fiber_main, 0);
}
IL_FN void il_enter(int thread) { swapcontext(&il.main_context, &il.fiber[thread].context); }
IL_FN void il_leave(int thread) { swapcontext(&il.fiber[thread].context, &il.main_context); }
IL_FN void il_pass(int from, int to) { swapcontext(&il.fiber[from].context, &il.fiber[to].context); }
#endif

/* Ends the run: back to il_run, from a fiber or from setup and finish. */
IL_FN void il_give_up(void)
{
    il.failed = 1;
    if (!il.running) longjmp(il.escape, 1);
    il_leave(il.current);
    abort();
}

IL_FN void il_fail(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(il.message, sizeof il.message, format, list);
    va_end(list);
    il_give_up();
}

/* ---- decisions ------------------------------------------------------------- */
IL_FN uint32_t il_seen_slot(uint64_t key)
{
    uint32_t i = (uint32_t)(key >> 20) & (IL_SEEN - 1);
    while (il.seen_key[i] && il.seen_key[i] != key) i = (i + 1) & (IL_SEEN - 1);
    return i;
}

IL_FN int il_enabled(const il_fiber *f);

IL_FN uint64_t il_state_hash(void)
{
    uint64_t h = il_mix(il.words_hash, il.sc_hash);
    int t;
    for (t = 0; t < il.thread_count; t++)
        h = il_mix(h, il.fiber[t].hash + (uint64_t)(il.fiber[t].state * 2 + il_enabled(&il.fiber[t])));
    h = il_mix(h, (uint64_t)il.current);
    return h ? h : 1;
}

/* Was this state explored with no less left to spend? Remembers it if not. An earlier level may have cut that
   exploration short, so then this level is not the whole either. */
IL_FN int il_seen_before(void)
{
    uint64_t key = il_state_hash();
    uint32_t i = il_seen_slot(key), left = il.seen_left[i];
    int preempt = il.preempt_left, weak = il.weak_left, p = (int)(left >> 8 & 255), w = (int)(left & 255);
    if (key == il.last_key) /* this run was here a moment ago: nothing has happened since */
        return 0;
    il.last_key = key;
    if (il.seen_key[i] && p >= preempt && w >= weak) {
        il.bounded |= (int)(left >> 16) != il.level;
        return 1;
    }
    if (!il.seen_key[i] && il.seen_count > IL_SEEN / 4 * 3) return 0;
    if (!il.seen_key[i]) il.seen_count++;
    if (!il.seen_key[i] || preempt + weak >= p + w) il.seen_left[i] = (uint32_t)(il.level << 16 | preempt << 8 | weak);
    il.seen_key[i] = key;
    return 0;
}

IL_FN int il_choose_dfs(int cost, int count)
{
    il_open *o;
    if ((cost == IL_COST_PREEMPT && !il.preempt_left) || (cost == IL_COST_WEAK && !il.weak_left)) {
        il.bounded = 1;
        return 0;
    }
    if (il.depth < il.open_count) {
        o = &il.open[il.depth++];
        if (o->count != count)
            il_fail("the scenario is not deterministic: %d choices where there were %d", count, o->count);
        return o->taken;
    }
    if (il.open_count == IL_DEPTH) {
        il.bounded = 1;
        return 0;
    }
    o = &il.open[il.open_count++];
    o->count = (uint8_t)count;
    o->taken = 0;
    o->cost = (uint8_t)cost;
    il.depth++;
    return 0;
}

IL_FN int il_choose_replay(void)
{
    int i;
    for (i = 0; i < il.wanted_count; i++)
        if (il.wanted[i].tick == il.tick) return il.wanted[i].taken;
    return 0;
}

/* One numbered decision among `count` outcomes, 0 the default. live: worth exploring. random: what a random
   schedule takes. */
IL_FN int il_choose(int cost, int count, int live, int random)
{
    int taken = 0;
    il.tick++;
    if (count <= 1) return 0;
    if (il.mode == IL_MODE_REPLAY)
        taken = il_choose_replay();
    else if (live)
        taken = il.mode == IL_MODE_DFS ? il_choose_dfs(cost, count) : random;
    if (taken >= count) taken = 0;
    if (!taken) return 0;
    if (cost == IL_COST_PREEMPT) il.preempt_left--;
    if (cost == IL_COST_WEAK) il.weak_left--;
    if (il.choice_count == IL_CHOICES) il_fail("more than %d decisions", IL_CHOICES);
    il.choice[il.choice_count].tick = il.tick;
    il.choice[il.choice_count++].taken = taken;
    return taken;
}

IL_FN int il_choose_weak(int count, int live)
{
    int random = 0;
    if (count > 1 && il.mode == IL_MODE_RANDOM && il.weak_odds && il_random() % il.weak_odds == 0)
        random = (int)(il_random() % (uint64_t)count);
    return il_choose(IL_COST_WEAK, count, live, random);
}

/* ---- words, stores, views -------------------------------------------------- */
IL_FN uint64_t il_peek(const void *p, int size)
{
    uint64_t v = 0;
    memcpy(&v, p, (size_t)size);
    return v;
}

IL_FN void il_poke(void *p, int size, uint64_t v) { memcpy(p, &v, (size_t)size); }

IL_FN int il_pos(uint16_t store)
{
    return il.store[store].pos; /* store 0 means none: position 0, as a word's initial store */
}

IL_FN void il_see(uint16_t *view, int word, uint16_t store)
{
    if (store && (!view[word] || il_pos(store) > il_pos(view[word]))) view[word] = store;
}

IL_FN void il_clock_join(uint32_t *clock, const uint32_t *from)
{
    int t;
    for (t = 0; t < IL_THREADS; t++)
        if (from[t] > clock[t]) clock[t] = from[t];
}

/* Views in the pool: times of all threads, a length, then that many stores. */
#define IL_CLOCK_UNITS ((uint32_t)(IL_THREADS * sizeof(uint32_t) / sizeof(uint16_t)))
IL_FN void il_join(uint16_t *view, uint32_t *clock, uint32_t from)
{
    const uint16_t *v = il.views + from + IL_CLOCK_UNITS;
    uint32_t times[IL_THREADS];
    int i, n;
    if (!from) return;
    memcpy(times, il.views + from, sizeof times);
    il_clock_join(clock, times);
    for (i = 0, n = v[0]; i < n; i++)
        if (v[i + 1] != view[i]) il_see(view, i, v[i + 1]);
}

IL_FN uint32_t il_publish(const uint16_t *view, const uint32_t *clock)
{
    uint32_t at = il.view_used, bytes = (uint32_t)(IL_THREADS * sizeof *clock);
    uint16_t *v = il.views + at + IL_CLOCK_UNITS;
    if (at + IL_CLOCK_UNITS + (uint32_t)il.word_count + 1 > IL_VIEW_POOL)
        il_fail("the run is too long: view pool used up");
    il.view_used += IL_CLOCK_UNITS + (uint32_t)il.word_count + 1;
    memcpy(il.views + at, clock, bytes);
    v[0] = (uint16_t)il.word_count;
    memcpy(v + 1, view, (size_t)il.word_count * sizeof *view);
    return at;
}

/* The view a thread publishes; what it does after that is later. */
IL_FN uint32_t il_publish_own(il_fiber *f)
{
    uint32_t at = il_publish(f->view, f->clock);
    f->clock[f - il.fiber]++;
    return at;
}

IL_FN void il_rehash(il_word *w)
{
    uint64_t h = (uint64_t)w->address;
    int i;
    for (i = 0; i < w->count; i++) h = il_mix(h, il.store[w->stores[i]].hash);
    w->hash = h;
}

/* Puts a store at place `at` of the word's order; the last place is also the memory's content. */
IL_FN uint16_t il_insert(int word, int at, uint64_t value, int rmw, uint32_t view, int thread, uint64_t hash)
{
    il_word *w = &il.word[word];
    uint32_t id = ++il.store_count;
    il_store_rec *s = &il.store[id];
    int i;
    if (id >= IL_STORES - 1) il_fail("the run is too long: %d stores", IL_STORES);
    if (w->count == w->room) {
        w->room = w->room ? w->room * 2 : 8;
        w->stores = (uint16_t *)realloc(w->stores, (size_t)w->room * sizeof *w->stores);
        if (!w->stores) abort();
    }
    for (i = w->count; i > at; i--) {
        w->stores[i] = w->stores[i - 1];
        il.store[w->stores[i]].pos = (uint16_t)i;
    }
    w->stores[at] = (uint16_t)id;
    w->count++;
    s->value = value;
    s->hash = hash;
    s->view = view;
    s->word = (uint16_t)word;
    s->pos = (uint16_t)at;
    s->thread = (int8_t)thread;
    s->rmw = (uint8_t)rmw;
    if (at == w->count - 1) {
        w->newest = value;
        if (w->address) il_poke((void *)w->address, w->size, value); /* NOLINT: addresses are words of the scenario */
    }
    il.words_hash -= w->hash;
    if (at == w->count - 1)
        w->hash = il_mix(w->hash, hash);
    else
        il_rehash(w);
    il.words_hash += w->hash;
    if (thread >= 0) il.fiber[thread].stores++;
    return (uint16_t)id;
}

IL_FN int il_new_word(uintptr_t address, int size)
{
    int word = il.word_count++;
    il_word *w = &il.word[word];
    if (word >= IL_WORDS - 1) il_fail("more than %d words", IL_WORDS);
    w->address = address;
    w->size = size;
    w->count = 0;
    w->hash = (uint64_t)address;
    il.words_hash += w->hash;
    il_insert(word, 0, address ? il_peek((void *)address, size) : 0, 0, 0, -1, 7);
    return word;
}

IL_FN il_granule *il_find(uintptr_t key)
{
    uint32_t i = (uint32_t)(key * 0x9e3779b1u >> 7) & (IL_TABLE - 1), turns = 0;
    il_granule *g;
    while (il.table[i].key && il.table[i].key != key) {
        i = (i + 1) & (IL_TABLE - 1);
        if (++turns == IL_TABLE / 2) il_fail("more than %u granules", IL_TABLE / 2);
    }
    g = &il.table[i];
    g->key = key;
    if (g->run != il.run) {
        g->run = il.run;
        g->plain = 0;
        memset(g->word, 0, sizeof g->word);
        memset(g->written, 0, sizeof g->written);
        memset(g->read, 0, sizeof g->read);
    }
    return g;
}

/* The word a byte belongs to, in this run; none yet: of at most `want` bytes, as large as fits there. Words
   are what first touched them, but for bytes marked by il_cut. */
IL_FN int il_word_at(il_granule *g, uintptr_t address, int want)
{
    int at = (int)(address & 7), size = 1, i, clear = 1;
    if (g->word[at]) return g->word[at] - 1;
    if (address < il.world.cut_from || address >= il.world.cut_to)
        while (clear && size * 2 <= want && at % (size * 2) == 0) {
            for (i = at + size; i < at + size * 2; i++) clear &= !g->word[i];
            if (clear) size *= 2;
        }
    i = il_new_word(address, size);
    for (at += size; size--;) g->word[--at] = (uint16_t)(i + 1);
    return i;
}

/* The part of an access from its byte i on that lies in one word: how many bytes; *skip: the word's bytes
   before it. */
IL_FN int il_part(int word, uintptr_t address, int left, int *skip)
{
    const il_word *w = &il.word[word];
    *skip = (int)(address - w->address);
    return w->size - *skip < left ? w->size - *skip : left;
}

IL_FN int il_released(const void *p) { return (uintptr_t)p >= il.world.gone_from && (uintptr_t)p < il.world.gone_to; }

/* An atomic access may not meet a plain one that is not ordered before it. */
IL_FN void il_race(const void *p, const char *what, const void *at, const char *other, int thread, const void *there);
IL_FN void il_meet_plain(const il_granule *g, uintptr_t a, int size, int write)
{
    const uint32_t *clock = il.fiber[il.current].clock;
    int i, t;
    if (!g->plain) return;
    for (i = (int)(a & 7); i < (int)(a & 7) + size; i++) {
        if (g->written[i] && g->written[i] > clock[g->writer[i]])
            il_race((const void *)a, "accesses", NULL, "plain write", g->writer[i], g->written_at);
        for (t = 0; write && t < il.thread_count; t++)
            if (g->read[i][t] > clock[t]) il_race((const void *)a, "stores to", NULL, "plain read", t, g->read_at);
    }
}

/* Notes who touches the bytes; 1 when another thread's accesses matter to this one. */
IL_FN int il_shared(const void *p, int size, int write)
{
    uintptr_t a = (uintptr_t)p;
    il_granule *g = il_find((a >> 3) + 1);
    uint8_t me = (uint8_t)(1u << il.current);
    int i, shared = 0;
    if (il_released(p)) il_fail("T%d touches released memory at %p", il.current, p);
    for (i = 0; i < size; i++) {
        uint8_t *r = &g->readers[(a & 7) + (unsigned)i], *w = &g->writers[(a & 7) + (unsigned)i];
        int before = *w && ((*r | *w) & ((*r | *w) - 1));
        if (write)
            *w |= me;
        else
            *r |= me;
        if (*w && ((*r | *w) & ((*r | *w) - 1))) {
            shared = 1;
            if (!before) il.restart = 1;
        }
    }
    return shared;
}

/* Plain stores of the running thread since the last look, as relaxed ones. */
IL_FN void il_scan(void)
{
    il_fiber *f = &il.fiber[il.current];
    int i;
    for (i = 0; i < il.word_count; i++) {
        il_word *w = &il.word[i];
        uint64_t v;
        if (!w->address) continue;
        v = il_peek((void *)w->address, w->size);
        if (v != w->newest) {
            f->hash = il_mix(f->hash, v + (uint64_t)w->address);
            f->view[i] = il_insert(i, w->count, v, 0, f->release_view, il.current, f->hash);
        }
    }
}

IL_FN void il_later_now(void);

/* ---- the scheduler --------------------------------------------------------- */
IL_FN uint64_t il_stores_of_others(int thread)
{
    uint64_t n = 0;
    int t;
    for (t = 0; t < il.thread_count; t++)
        if (t != thread) n += il.fiber[t].stores;
    return n;
}

IL_FN int il_enabled(const il_fiber *f)
{
    return f->state == IL_READY || (f->state == IL_NAPPING && *f->wait_word != f->wait_value) ||
           (f->state == IL_SPINNING && il_stores_of_others((int)(f - il.fiber)) != f->others_at_yield);
}

IL_FN void il_no_way_on(void)
{
    static const char *const words[] = {"ready", "spinning", "waiting", "blocked", "done"};
    char text[200] = "";
    int t;
    for (t = 0; t < il.thread_count; t++)
        snprintf(text + strlen(text), sizeof text - strlen(text), " T%d %s", t, words[il.fiber[t].state]);
    il_fail("no thread can go on:%s", text);
}

/* A random schedule's pick: the highest priority; lowered at change points. */
IL_FN int il_pick_random(const int *list, int n, int self)
{
    int i, best = 0;
    for (i = 0; i < il.change_count; i++)
        if (il.change_tick[i] == il.tick && self >= 0) il.fiber[self].priority = --il.low_priority;
    for (i = 1; i < n; i++)
        if (il.fiber[list[i]].priority > il.fiber[list[best]].priority) best = i;
    return best;
}

/* Who goes on? Returns in the thread chosen. self: -1 before the first. */
IL_FN void il_schedule(int self, int live)
{
    int list[IL_THREADS], n = 0, t, able = self >= 0 && il_enabled(&il.fiber[self]), all_done = 1, next;
    if (able) list[n++] = self;
    for (t = 0; t < il.thread_count; t++) {
        if (t != self && il_enabled(&il.fiber[t])) list[n++] = t;
        all_done &= il.fiber[t].state == IL_DONE;
    }
    for (t = 0; !n && t < il.thread_count; t++) /* nobody else is left: a bounded wait may go on by itself */
        if (il.fiber[t].state == IL_SPINNING && il.fiber[t].futile++ < IL_FUTILE) list[n++] = t;
    if (!n) {
        if (!all_done) il_no_way_on();
        il_leave(self);
        abort();
    }
    if (live && il.mode == IL_MODE_DFS && il.depth == il.open_count && self >= 0 && il_seen_before()) {
        il.cut = 1;
        il_leave(self);
        abort();
    }
    next = list[il_choose(able ? IL_COST_PREEMPT : IL_COST_NONE, n, live,
                          il.mode == IL_MODE_RANDOM ? il_pick_random(list, n, self) : 0)];
    if (next == self) return;
    if (self >= 0) il_scan();
    il.current = next;
    il.fiber[next].state = IL_READY;
    if (self < 0)
        il_enter(next);
    else
        il_pass(self, next);
}

IL_FN void il_fiber_main(void)
{
    il_fiber *f = &il.fiber[il.current];
    il.scenario->thread[il.current]();
    il_later_now();
    if (il.world.armed[il.current] && il.world.exit_hook) il.world.exit_hook();
    f->state = IL_DONE;
    f->hash = il_mix(f->hash, 99);
    f->stores++; /* ending is news to those that spin */
    il_schedule(il.current, 1);
    abort();
}

/* ---- operations ------------------------------------------------------------ */
#define IL_SITE const char *func, int line, const char *text
#define IL_PASS func, line, text

IL_FN il_event *il_record(IL_SITE, il_op op)
{
    il_event *e = &il.event[il.event_count];
    if (++il.event_count >= IL_STEPS) il_fail("no end after %d operations", IL_STEPS);
    e->func = func;
    e->line = line;
    e->text = text;
    e->thread = il.current;
    e->op = op;
    e->word = -1;
    e->old = 0;
    e->value = e->wrote = 0;
    e->note = "";
    il.fiber[il.current].hash = il_mix(il.fiber[il.current].hash, (uint64_t)line * 16 + (uint64_t)op);
    return e;
}

IL_FN void il_hash_op(il_op op, uint64_t a, uint64_t b)
{
    il_fiber *f = &il.fiber[il.current];
    f->hash = il_mix(il_mix(f->hash, (uint64_t)op + a * 16), b);
}

IL_FN il_deed il_planted(il_op op, IL_SITE)
{
    int i;
    (void)line;
    for (i = 0; i < il.plant_parts; i++) {
        const il_plant *p = il.plant + i;
        if (p->op != op || (p->func[0] && strcmp(p->func, func)) || !strstr(text, p->text)) continue;
        il.plant_matched |= 1u << i;
        if (p->nth && ++il.fiber[il.current].plant_hits != p->nth) return IL_KEEP;
        il.lie = p->value;
        return p->deed;
    }
    return IL_KEEP;
}

IL_FN void il_store_word(int word, uint64_t value, int order, int live, il_event *e)
{
    il_fiber *f = &il.fiber[il.current];
    il_word *w = &il.word[word];
    int places[16], n = 0, i, floor = il_pos(f->view[word]), taken;
    places[n++] = w->count;
    for (i = w->count - 1; i > floor && n < 16; i--)
        if (!il.store[w->stores[i]].rmw) places[n++] = i;
    taken = il_choose_weak(n, live);
    e->old = w->count - places[taken];
    e->word = word;
    if (order & IL_REL) il_scan();
    il_hash_op(IL_STORE, (uint64_t)w->address, value + (uint64_t)e->old * 1024);
    {
        uint32_t view = order & IL_REL ? il_publish_own(f) : f->release_view;
        f->view[word] = il_insert(word, places[taken], value, 0, view, il.current, f->hash);
    }
    if (order & IL_SC) il_see(il.sc_view, word, f->view[word]);
}

IL_FN uint16_t il_read_store(int word, int pos, int order)
{
    il_fiber *f = &il.fiber[il.current];
    uint16_t s = il.word[word].stores[pos];
    f->view[word] = s;
    if (order & IL_ACQ)
        il_join(f->view, f->clock, il.store[s].view);
    else
        il_join(f->pending, f->pending_clock, il.store[s].view);
    if (order & IL_SC) il_see(il.sc_view, word, s);
    return s;
}

IL_FN uint64_t il_load_word(int word, int order, int live, il_event *e)
{
    il_fiber *f = &il.fiber[il.current];
    il_word *w = &il.word[word];
    int floor = il_pos(f->view[word]), n, back;
    uint16_t s;
    if ((order & IL_SC) && il_pos(il.sc_view[word]) > floor) floor = il_pos(il.sc_view[word]);
    n = w->count - floor;
    if (n > 16) {
        n = 16;
        il.bounded = 1;
    }
    back = il_choose_weak(n, live);
    if (back && f->stale_count < 64) f->stale[f->stale_count++] = (uint16_t)word;
    s = il_read_store(word, w->count - 1 - back, order);
    il_hash_op(IL_LOAD, (uint64_t)w->address, il.store[s].hash);
    e->old = back;
    e->word = word;
    return il.store[s].value;
}

/* The part common to all operations: others may run first. */
IL_FN il_event *il_before(IL_SITE, il_op op, int live)
{
    il_schedule(il.current, live);
    return il_record(IL_PASS, op);
}

IL_FN uint64_t il_mask(int size) { return size == 8 ? ~UINT64_C(0) : (UINT64_C(1) << (size * 8)) - 1; }

IL_FN uint64_t il_rmw(IL_SITE, void *p, int size, int how, uint64_t v, const uint64_t *expected, int order);
IL_FN uint64_t il_load(IL_SITE, const void *p, int size, int order)
{
    uintptr_t a = (uintptr_t)p;
    uint64_t value = 0, lie;
    il_granule *g;
    il_event *e;
    il_deed deed;
    int live, i, word, bytes, skip;
    if (!il.running) return il_peek(p, size);
    deed = il_planted(IL_LOAD, IL_PASS);
    lie = il.lie;
    if (deed == IL_LATER) {
        il_rmw(func, line, "what the load is put off for", (void *)(a + lie), 1, IL_SET, 0, NULL, IL_ACQ | IL_REL);
        il.fiber[il.current].cleared = a + lie;
    }
    live = il_shared(p, size, 0);
    e = il_before(IL_PASS, IL_LOAD, live);
    if (deed == IL_RELAX) order = 0;
    g = il_find((a >> 3) + 1);
    il_meet_plain(g, a, size, 0);
    for (i = 0; i < size; i += bytes) {
        word = il_word_at(g, a + (unsigned)i, size - i);
        bytes = il_part(word, a + (unsigned)i, size - i, &skip);
        value |= (il_load_word(word, order, live, e) >> skip * 8 & il_mask(bytes)) << i * 8;
    }
    if (deed == IL_LIE) value = lie;
    e->value = value;
    il_later_now();
    return value;
}

/* Over words of other sizes: whole words one by one; part of a word goes on top of its newest value. */
IL_FN void il_store_parts(uintptr_t a, int size, uint64_t value, int order, int live, il_event *e)
{
    il_granule *g = il_find((a >> 3) + 1);
    int i, word, bytes, skip;
    for (i = 0; i < size; i += bytes) {
        uint64_t part, rest;
        word = il_word_at(g, a + (unsigned)i, size - i);
        bytes = il_part(word, a + (unsigned)i, size - i, &skip);
        part = (value >> i * 8 & il_mask(bytes)) << skip * 8;
        rest = il.word[word].newest & ~(il_mask(bytes) << skip * 8);
        il_store_word(word, rest | part, order, live && bytes == il.word[word].size, e);
    }
}

IL_FN void il_store(IL_SITE, void *p, int size, uint64_t value, int order)
{
    uintptr_t a = (uintptr_t)p;
    il_event *e;
    il_deed deed;
    int live;
    if (!il.running) {
        il_poke(p, size, value);
        return;
    }
    deed = il_planted(IL_STORE, IL_PASS);
    live = il_shared(p, size, 1);
    e = il_before(IL_PASS, IL_STORE, live);
    e->wrote = value;
    if (deed == IL_DROP) {
        e->note = " (dropped)";
        return;
    }
    if (deed == IL_LATER) {
        il_fiber *f = &il.fiber[il.current];
        e->note = " (put off)";
        f->later = 1;
        f->later_address = a;
        f->later_size = size;
        f->later_value = value;
        return;
    }
    if (deed == IL_RELAX) order = 0;
    il_meet_plain(il_find((a >> 3) + 1), a, size, 1);
    il_store_parts(a, size, value, order, live, e);
    il_later_now();
}

IL_FN void il_later_now(void)
{
    il_fiber *f = &il.fiber[il.current];
    if (!f->later) return;
    f->later = 0;
    {
        il_event *e = il_before("", 0, "the store put off", IL_STORE, 1);
        e->wrote = f->later_value;
        il_store_parts(f->later_address, f->later_size, f->later_value, 0, 0, e);
    }
}

IL_FN uint64_t il_apply(int how, uint64_t was, uint64_t v)
{
    switch (how) {
    case IL_SET:
        return v;
    case IL_ADD:
        return was + v;
    case IL_SUB:
        return was - v;
    case IL_OR:
        return was | v;
    default:
        return was & v;
    }
}

/* A read-modify-write; expected: NULL, or compare with it first. Returns what was found. */
IL_FN uint64_t il_rmw(IL_SITE, void *p, int size, int how, uint64_t v, const uint64_t *expected, int order)
{
    uintptr_t a = (uintptr_t)p;
    il_op op = expected ? IL_CAS : IL_RMW;
    int live, word, places[16], n = 0, i, floor, taken, shift;
    uint64_t was, whole, next, lie;
    il_granule *g;
    il_event *e;
    il_fiber *f;
    il_word *w;
    il_deed deed;
    uint16_t from;
    if (!il.running) {
        was = il_peek(p, size);
        if (!expected || was == *expected) il_poke(p, size, il_apply(how, was, v));
        return was;
    }
    f = &il.fiber[il.current];
    deed = il_planted(op, IL_PASS);
    lie = il.lie;
    if (op == IL_RMW && f->cleared == a) deed = IL_DROP;
    f->cleared = 0;
    live = il_shared(p, size, 1);
    il_shared(p, size, 0);
    e = il_before(IL_PASS, op, live);
    if (deed == IL_RELAX) order = 0;
    g = il_find((a >> 3) + 1);
    il_meet_plain(g, a, size, 1);
    word = il_word_at(g, a, size);
    w = &il.word[word];
    if (il_part(word, a, size, &shift) < size) il_fail("%s:%d: a read-modify-write over smaller words", func, line);
    shift *= 8;
    floor = il_pos(f->view[word]);
    if ((order & IL_SC) && il_pos(il.sc_view[word]) > floor) floor = il_pos(il.sc_view[word]);
    for (i = w->count - 1; i >= floor && n < 16; i--)
        if (i == w->count - 1 || (!il.store[w->stores[i + 1]].rmw && w->size == size)) places[n++] = i;
    taken = il_choose_weak(n, live);
    e->old = w->count - 1 - places[taken];
    e->word = word;
    if (e->old && f->stale_count < 64) f->stale[f->stale_count++] = (uint16_t)word;
    from = il_read_store(word, places[taken], order);
    whole = il.store[from].value;
    was = whole >> shift & il_mask(size);
    e->value = was;
    il_hash_op(op, (uint64_t)w->address, il.store[from].hash);
    if (expected && was != *expected && deed == IL_KEPT) {
        how = IL_ADD;
        v -= *expected;
    } else if ((expected && was != *expected) || deed == IL_DROP) {
        e->note = deed == IL_DROP ? " (dropped)" : " (refused)";
        il_later_now();
        return deed == IL_LIE ? lie : was;
    }
    next = (whole & ~(il_mask(size) << shift)) | (il_apply(how, was, v) & il_mask(size)) << shift;
    e->wrote = next >> shift & il_mask(size);
    if (order & IL_REL) il_scan();
    {
        /* a release sequence goes on through a read-modify-write: the view read is in the view published */
        uint16_t joined[IL_WORDS];
        uint32_t view, clock[IL_THREADS] = {0};
        memset(joined, 0, (size_t)il.word_count * sizeof *joined);
        if (order & IL_REL) {
            memcpy(joined, f->view, (size_t)il.word_count * sizeof *joined);
            il_clock_join(clock, f->clock);
            f->clock[il.current]++;
        } else
            il_join(joined, clock, f->release_view);
        il_join(joined, clock, il.store[from].view);
        view = il_publish(joined, clock);
        f->view[word] = il_insert(word, places[taken] + 1, next, 1, view, il.current, f->hash);
    }
    if (order & IL_SC) il_see(il.sc_view, word, f->view[word]);
    il_later_now();
    return deed == IL_LIE ? lie : was;
}

IL_FN int il_cas(IL_SITE, void *p, int size, uint64_t *expected, uint64_t v, int order)
{
    uint64_t was = il_rmw(IL_PASS, p, size, IL_SET, v, expected, order);
    int done = was == *expected;
    *expected = was;
    return done;
}

IL_FN void il_fence_of(int thread)
{
    il_fiber *f = &il.fiber[thread];
    int i;
    for (i = 0; i < il.word_count; i++) {
        il_see(f->view, i, f->pending[i]);
        il_see(f->view, i, il.sc_view[i]);
        il.sc_view[i] = f->view[i];
    }
    il_clock_join(f->clock, f->pending_clock);
    il_clock_join(f->clock, il.sc_clock);
    il_clock_join(il.sc_clock, f->clock);
    f->release_view = il_publish_own(f);
    f->hash = il_mix(f->hash, il.sc_hash);
    il.sc_hash = il_mix(il.sc_hash, f->hash);
}

IL_FN void il_fence(IL_SITE)
{
    il_event *e;
    il_deed deed;
    if (!il.running) return;
    deed = il_planted(IL_FENCE, IL_PASS);
    e = il_before(IL_PASS, IL_FENCE, 1);
    if (deed == IL_DROP) {
        e->note = " (dropped)";
        return;
    }
    il_scan();
    il_fence_of(il.current);
    il_hash_op(IL_FENCE, 0, 0);
    il_later_now();
}

IL_FN void il_asymmetric_fence(IL_SITE)
{
    int left[IL_THREADS], n = 0, t, taken;
    il_event *e;
    il_deed deed;
    if (!il.running) return;
    deed = il_planted(IL_ASYM, IL_PASS);
    e = il_before(IL_PASS, IL_ASYM, 1);
    if (il.world.fence_refused) {
        e->note = " (refused)";
        return;
    }
    if (deed == IL_DROP) {
        e->note = " (dropped)";
        return;
    }
    il_scan();
    il_fence_of(il.current);
    for (t = 0; t < il.thread_count; t++)
        if (il.fiber[t].state == IL_DONE)
            il_fence_of(t); /* leaving the processor was a fence: its stores are out */
        else if (t != il.current)
            left[n++] = t;
    while (n) {
        e = il_before(func, line, "reaches a thread", IL_ASYM, 1);
        taken = il_choose_weak(n, 1);
        e->value = (uint64_t)left[taken];
        il_fence_of(left[taken]);
        left[taken] = left[--n];
        il_hash_op(IL_ASYM, 0, (uint64_t)taken);
    }
    il_fence_of(il.current);
}

IL_FN void il_point_at(IL_SITE)
{
    if (!il.running) return;
    il_before(IL_PASS, IL_POINT, 1);
    il_hash_op(IL_POINT, 0, 0);
}

IL_FN void il_as(int thread, void (*work)(void))
{
    il.world.as = thread;
    work();
    il.world.as = IL_THREADS;
}

IL_FN void il_point(const char *name) { il_point_at("", 0, name); }

/* A turn of a wait loop: what was read old is fresh now; else others have to store something first. */
IL_FN void il_wait_turn(IL_SITE)
{
    il_fiber *f;
    int i;
    if (!il.running) return;
    f = &il.fiber[il.current];
    il_record(IL_PASS, IL_YIELD);
    il_hash_op(IL_YIELD, 0, 0);
    if (!f->stale_count) {
        f->state = IL_SPINNING;
        if (f->others_at_yield != il_stores_of_others(il.current)) f->futile = 0;
        f->others_at_yield = il_stores_of_others(il.current);
    }
    for (i = 0; i < f->stale_count; i++) {
        il_word *w = &il.word[f->stale[i]];
        il_see(f->view, f->stale[i], w->stores[w->count - 1]);
    }
    f->stale_count = 0;
    f->priority = --il.low_priority;
    il_schedule(il.current, 1);
    f->state = IL_READY;
}

/* Sleeps until the word's newest value is another. */
IL_FN void il_nap(IL_SITE, uint32_t *word, uint32_t value)
{
    il_fiber *f;
    il_event *e;
    if (!il.running) il_fail("a wait outside the threads: nobody would end it");
    f = &il.fiber[il.current];
    e = il_before(IL_PASS, IL_WAIT, 1);
    e->value = *word;
    if (*word != value) return;
    f->state = IL_NAPPING;
    f->wait_word = word;
    f->wait_value = value;
    il_schedule(il.current, 1);
}

/* A futex: sleeps while the word's newest value is `value`, until woken. */
IL_FN void il_wait(IL_SITE, uint32_t *word, uint32_t value)
{
    il_fiber *f;
    il_event *e;
    if (!il.running) il_fail("a wait outside the threads: nobody would wake it");
    f = &il.fiber[il.current];
    e = il_before(IL_PASS, IL_WAIT, 1);
    e->value = *word;
    il_hash_op(IL_WAIT, (uint64_t)(uintptr_t)word, *word);
    if (*word != value) return;
    f->state = IL_BLOCKED;
    f->wait_word = word;
    il_schedule(il.current, 1);
}

IL_FN void il_wake(IL_SITE, uint32_t *word)
{
    int t;
    il_event *e;
    if (!il.running) return;
    e = il_before(IL_PASS, IL_WAKE, 1);
    il_hash_op(IL_WAKE, (uint64_t)(uintptr_t)word, 0);
    if (il_planted(IL_WAKE, IL_PASS) == IL_DROP) {
        e->note = " (dropped)";
        return;
    }
    for (t = 0; t < il.thread_count; t++)
        if (il.fiber[t].state == IL_BLOCKED && il.fiber[t].wait_word == word) {
            il.fiber[t].state = IL_READY;
            il.fiber[t].hash = il_mix(il.fiber[t].hash, il.fiber[il.current].hash);
            e->value = (uint64_t)t;
            return;
        }
    e->note = " (nobody)";
}

/* ---- objects --------------------------------------------------------------- */
/* Plain accesses, by happens-before: FastTrack (Flanagan and Freund, PLDI 2009) per byte, without its
   compression. at: where in the code, NULL: see the trace. */
IL_FN void il_race(const void *p, const char *what, const void *at, const char *other, int thread, const void *there)
{
    extern char __executable_start[];
    il.race_at[0] = at ? (long)((const char *)at - __executable_start) : 0;
    il.race_at[1] = there ? (long)((const char *)there - __executable_start) : 0;
    il_fail("data race: T%d %s %p, not ordered after T%d's %s", il.current, what, p, thread, other);
}

IL_FN void il_plain(const void *p, int size, int write, const void *at)
{
    const uint32_t *clock = il.fiber[il.current].clock;
    uintptr_t a = (uintptr_t)p;
    il_granule *g = il_find((a >> 3) + 1);
    int i, t;
    if (il_released(p)) il_fail("T%d touches released memory at %p", il.current, p);
    g->plain = 1;
    for (i = (int)(a & 7); i < (int)(a & 7) + size; i++) {
        int word = g->word[i] - 1;
        if (word >= 0) {
            uint16_t newest = il.word[word].stores[il.word[word].count - 1];
            if (il.store[newest].thread >= 0 && il.fiber[il.current].view[word] != newest)
                il_race(p, write ? "writes" : "reads", at, "atomic store", il.store[newest].thread, NULL);
        }
        if (g->written[i] && g->written[i] > clock[g->writer[i]])
            il_race(p, write ? "writes" : "reads", at, "write", g->writer[i], g->written_at);
        for (t = 0; write && t < il.thread_count; t++)
            if (g->read[i][t] > clock[t]) il_race(p, "writes", at, "read", t, g->read_at);
        if (write) {
            g->written[i] = clock[il.current];
            g->writer[i] = (int8_t)il.current;
        } else
            g->read[i][il.current] = clock[il.current];
    }
    if (write)
        g->written_at = at;
    else
        g->read_at = at;
}

IL_FN void il_write(void *p, uint64_t value)
{
    if (il.running) {
        il_event *e = il_record("il_write", 0, "object", IL_PLAIN);
        e->wrote = value;
        il_plain(p, 8, 1, NULL);
        il_hash_op(IL_PLAIN, (uint64_t)(uintptr_t)p, value);
    }
    il_poke(p, 8, value);
}

IL_FN uint64_t il_read(const void *p)
{
    uint64_t value = il_peek(p, 8);
    if (il.running) {
        il_event *e = il_record("il_read", 0, "object", IL_PLAIN);
        e->value = value;
        il_plain(p, 8, 0, NULL);
        il_hash_op(IL_PLAIN, (uint64_t)(uintptr_t)p, value);
    }
    return value;
}

IL_FN int il_claimed(const void *p, size_t bytes)
{
    const char *from = (const char *)p;
    int i;
    for (i = 0; i < il.world.claim_count; i++) {
        const char *q = (const char *)il.world.claim[i].p;
        if (q < from + bytes && from < q + il.world.claim[i].bytes) return 1;
    }
    return 0;
}

IL_FN void il_claim(void *p, size_t bytes)
{
    if (il_claimed(p, bytes)) il_fail("%p was handed out twice", p);
    if (il.world.claim_count == IL_CLAIMS) il_fail("more than %d objects", IL_CLAIMS);
    il.world.claim[il.world.claim_count].p = p;
    il.world.claim[il.world.claim_count].bytes = bytes;
    il.world.claim[il.world.claim_count++].thread = il.current;
}

IL_FN void il_disclaim(const void *p)
{
    int i;
    for (i = 0; i < il.world.claim_count; i++)
        if (il.world.claim[i].p == p) {
            il.world.claim[i] = il.world.claim[--il.world.claim_count];
            return;
        }
    il_fail("%p was not claimed", p);
}

IL_FN void il_watch(const void *p, size_t bytes)
{
    il.world.watch_from = (uintptr_t)p;
    il.world.watch_to = (uintptr_t)p + bytes;
}

IL_FN void il_cut(const void *p, size_t bytes)
{
    il.world.cut_from = (uintptr_t)p;
    il.world.cut_to = (uintptr_t)p + bytes;
}

IL_FN void il_name(const void *p, size_t bytes, const char *name)
{
    if (il.world.name_count == IL_NAMES) return;
    il.world.name[il.world.name_count].from = (uintptr_t)p;
    il.world.name[il.world.name_count].bytes = bytes;
    il.world.name[il.world.name_count++].name = name;
}

#ifdef IL_PLAIN_SEEN
/* What the compiler calls before a plain access. */
IL_FN void il_plain_range(const void *p, size_t bytes, int write, const void *at)
{
    uintptr_t a = (uintptr_t)p, to = a + bytes;
    if (!il.running || a < il.world.watch_from || a >= il.world.watch_to) return;
    while (a < to) {
        size_t n = 8 - (a & 7);
        if (n > to - a) n = to - a;
        il_plain((const void *)a, (int)n, write, at);
        a += n;
    }
}
#define IL_HOOKS(N)                                                                                                    \
    IL_HOOK void __tsan_read##N(void *p) { il_plain_range(p, N, 0, __builtin_return_address(0)); }                     \
    IL_HOOK void __tsan_write##N(void *p) { il_plain_range(p, N, 1, __builtin_return_address(0)); }                    \
    IL_HOOK void __tsan_unaligned_read##N(void *p) { il_plain_range(p, N, 0, __builtin_return_address(0)); }           \
    IL_HOOK void __tsan_unaligned_write##N(void *p) { il_plain_range(p, N, 1, __builtin_return_address(0)); }
#define IL_HOOKS_DECLARED(N)                                                                                           \
    void __tsan_read##N(void *p);                                                                                      \
    void __tsan_write##N(void *p);                                                                                     \
    void __tsan_unaligned_read##N(void *p);                                                                            \
    void __tsan_unaligned_write##N(void *p);
IL_HOOKS_DECLARED(1)
IL_HOOKS_DECLARED(2)
IL_HOOKS_DECLARED(4)
IL_HOOKS_DECLARED(8)
IL_HOOKS_DECLARED(16)
IL_HOOKS(1)
IL_HOOKS(2)
IL_HOOKS(4)
IL_HOOKS(8)
IL_HOOKS(16)
void __tsan_init(void);
void __tsan_func_entry(void *p);
void __tsan_func_exit(void *p);
void __tsan_read_range(void *p, unsigned long bytes);
void __tsan_write_range(void *p, unsigned long bytes);
IL_HOOK void __tsan_init(void) {}
IL_HOOK void __tsan_func_entry(void *p) { (void)p; }
IL_HOOK void __tsan_func_exit(void *p) { (void)p; }
IL_HOOK void __tsan_read_range(void *p, unsigned long bytes)
{
    il_plain_range(p, bytes, 0, __builtin_return_address(0));
}
IL_HOOK void __tsan_write_range(void *p, unsigned long bytes)
{
    il_plain_range(p, bytes, 1, __builtin_return_address(0));
}
IL_FN void *il_memset(void *p, int value, size_t bytes)
{
    il_plain_range(p, bytes, 1, __builtin_return_address(0));
    return memset(p, value, bytes);
}
IL_FN void *il_memcpy(void *to, const void *from, size_t bytes)
{
    il_plain_range(from, bytes, 0, __builtin_return_address(0));
    il_plain_range(to, bytes, 1, __builtin_return_address(0));
    return memcpy(to, from, bytes);
}
#endif

/* ---- the arena ------------------------------------------------------------- */
/* Address space: a fixed range, handed out upwards and free again when the last piece is released. */
#define IL_ARENA_BYTES ((size_t)1 << 30)
static char *il_arena;
static size_t il_arena_used, il_arena_high; /* high: bytes up to the last one committed */
static int il_arena_pieces;

IL_FN void *il_reserve(size_t bytes, size_t alignment)
{
    size_t at;
    if (!il_arena) {
        void *p = mmap((void *)0x200000000000, IL_ARENA_BYTES, PROT_READ | PROT_WRITE, /* NOLINT */
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p == MAP_FAILED) return NULL;
        il_arena = (char *)p;
    }
    at = (il_arena_used + alignment - 1) & ~(alignment - 1);
    if (bytes > IL_ARENA_BYTES || at > IL_ARENA_BYTES - bytes) return NULL;
    il_arena_used = at + bytes;
    il_arena_pieces++;
    return il_arena + at;
}

IL_FN void il_wipe(void *p, size_t bytes) /* the system does it: no thread's access */ { memset(p, 0, bytes); }

IL_FN void il_commit(char *p, size_t bytes)
{
    if ((size_t)(p - il_arena) + bytes > il_arena_high) il_arena_high = (size_t)(p - il_arena) + bytes;
    il_wipe(p, bytes);
}

IL_FN void il_release(const void *p, size_t bytes)
{
    il_point("release");
    if (il_released(p)) il_fail("released twice: %p", p);
    il.world.gone_from = (uintptr_t)p;
    il.world.gone_to = (uintptr_t)p + bytes;
    if (--il_arena_pieces == 0) il_arena_used = 0;
}

/* ---- one run --------------------------------------------------------------- */
IL_FN void il_reset(void)
{
    int t, i;
    il.run++;
    il.tick = 0;
    il.cut = il.failed = il.running = 0;
    il.current = 0;
    il.choice_count = il.event_count = 0;
    il.view_used = 1;
    il.store_count = 0;
    il.words_hash = il.sc_hash = il.last_key = 0;
    memset(il.sc_clock, 0, sizeof il.sc_clock);
    memset(il.sc_view, 0, sizeof il.sc_view);
    for (t = 0; t < IL_THREADS; t++) {
        il_fiber *f = &il.fiber[t];
        int used = il.word_count < IL_WORDS ? il.word_count : IL_WORDS;
        memset(f->view, 0, (size_t)used * sizeof *f->view);
        memset(f->pending, 0, (size_t)used * sizeof *f->pending);
        f->state = IL_READY;
        f->stale_count = f->later = f->futile = f->plant_hits = 0;
        f->cleared = 0;
        f->hash = (uint64_t)t + 1;
        f->stores = f->others_at_yield = 0;
        f->release_view = 0;
        memset(f->clock, 0, sizeof f->clock);
        memset(f->pending_clock, 0, sizeof f->pending_clock);
        f->clock[t] = 1;
        f->wait_word = NULL;
        f->priority = 0;
    }
    il.word_count = 0;
    if (il.mode == IL_MODE_RANDOM) {
        static const uint32_t odds[4] = {0, 12, 4, 2};
        il.weak_odds = odds[il_random() & 3];
        il.low_priority = 1u << 30;
        for (t = 0; t < IL_THREADS; t++) il.fiber[t].priority = (1u << 30) + (uint32_t)(il_random() & 0xffffff);
        il.change_count = (int)(il_random() % 6);
        for (i = 0; i < il.change_count; i++)
            il.change_tick[i] = 1 + (uint32_t)(il_random() % (il.length ? il.length : 100));
        il.preempt_left = il.weak_left = 255;
    }
    for (il.thread_count = 0; il.thread_count < IL_THREADS && il.scenario->thread[il.thread_count];)
        il_fiber_init(&il.fiber[il.thread_count++]);
}

/* Setup runs once; what it left behind is put back before every run: the arena up to the highest byte
   committed, the program's own data, and il.world. */
extern char __data_start[], _end[];
IL_FN void il_data_copy(char *image, int save)
{
    char *from = __data_start, *self = (char *)&il, *after = (char *)(&il + 1);
    size_t before = (size_t)(self - from), rest = (size_t)(_end - after);
    memcpy(save ? image : from, save ? from : image, before);
    memcpy(save ? image + before : after, save ? after : image + before, rest);
}

IL_FN int il_prepare(void)
{
    il_reset();
    memset(&il.world, 0, sizeof il.world);
    il.world.as = IL_THREADS;
    if (setjmp(il.escape)) return 1;
    if (il.scenario->setup) il.scenario->setup();
    il.world_saved = il.world;
    il.arena_image_bytes = il_arena_high;
    il.image[0] = (char *)malloc(il.arena_image_bytes + 1);
    il.image[1] = (char *)malloc((size_t)(_end - __data_start));
    if (!il.image[0] || !il.image[1]) abort();
    if (il_arena) memcpy(il.image[0], il_arena, il.arena_image_bytes);
    il_data_copy(il.image[1], 1);
    return 0;
}

/* Returns 0, or 1 when the scenario failed; il.message says how. */
IL_FN int il_run(void)
{
    il_reset();
    il.schedules++;
    il_data_copy(il.image[1], 0);
    if (il_arena) memcpy(il_arena, il.image[0], il.arena_image_bytes);
    il.world = il.world_saved;
    if (setjmp(il.escape)) return 1;
    il.running = 1;
    il_schedule(-1, 1);
    il.running = 0;
    il.operations += il.tick;
    if (il.tick > il.length) il.length = il.tick;
    if (!il.failed && !il.cut && il.scenario->finish) il.scenario->finish();
    return il.failed;
}

/* ---- reports --------------------------------------------------------------- */
IL_FN void il_print_choices(FILE *to)
{
    int i;
    for (i = 0; i < il.choice_count; i++) fprintf(to, "%s%u:%d", i ? "," : "", il.choice[i].tick, il.choice[i].taken);
    if (!il.choice_count) fprintf(to, "0:0");
}

IL_FN void il_print_word(FILE *to, int word)
{
    uintptr_t a = il.word[word].address;
    int i;
    for (i = 0; i < il.world.name_count; i++)
        if (a >= il.world.name[i].from && a < il.world.name[i].from + il.world.name[i].bytes) {
            fprintf(to, " %s+%lu", il.world.name[i].name, (unsigned long)(a - il.world.name[i].from));
            return;
        }
    fprintf(to, " %#lx", (unsigned long)a);
}

IL_FN void il_print_trace(FILE *to)
{
    static const char *const names[] = {"",     "load", "store",     "rmw",   "cas",   "fence", "asymmetric fence",
                                        "wait", "wake", "wait turn", "point", "object"};
    int i;
    for (i = 0; i < il.event_count && i < IL_STEPS; i++) {
        const il_event *e = &il.event[i];
        fprintf(to, "%5d  %*sT%d %s", i + 1, e->thread * 2, "", e->thread, names[e->op]);
        if (e->word >= 0) il_print_word(to, e->word);
        if (e->op == IL_LOAD || e->op == IL_RMW || e->op == IL_CAS || e->op == IL_WAIT || e->op == IL_WAKE)
            fprintf(to, " = %#llx", (unsigned long long)e->value);
        else if (e->op == IL_PLAIN || e->op == IL_ASYM)
            fprintf(to, " %llu", (unsigned long long)e->value);
        if ((e->op == IL_STORE || e->op == IL_RMW || e->op == IL_CAS || e->op == IL_PLAIN) && !e->note[0])
            fprintf(to, " <- %#llx", (unsigned long long)e->wrote);
        if (e->old) fprintf(to, " [%d newer]", e->old);
        fprintf(to, "%s   %s:%d %s\n", e->note, e->func, e->line, e->text);
    }
}

IL_FN void il_print_place(long offset) /* of a plain access in the program; needs addr2line */
{
    char command[200], self[4000];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    pid_t pid;
    if (!offset || n <= 0) return;
    self[n] = 0;
    snprintf(command, sizeof command, "%#lx", offset);
    printf("    at %s: ", command);
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        execlp("addr2line", "addr2line", "-fipse", self, command, (char *)NULL);
        _exit(1);
    }
    waitpid(pid, NULL, 0);
}

static int il_report_to = -1; /* where the child tells its parent how to replay a failure */
static int il_want_trace;

IL_FN void il_report_failure(void)
{
    FILE *to = il_report_to >= 0 ? fdopen(il_report_to, "w") : NULL;
    if (to) {
        fprintf(to, "%llu ", (unsigned long long)il.schedules);
        il_print_choices(to);
        fprintf(to, " %s\n", il.message);
        fclose(to);
    }
    if (il_want_trace) {
        il_print_trace(stdout);
        printf("  fails: %s\n", il.message);
        fflush(stdout);
        il_print_place(il.race_at[0]);
        il_print_place(il.race_at[1]);
    }
    fflush(stdout);
}

IL_FN void il_on_signal(int number)
{
    snprintf(il.message, sizeof il.message, "signal %d", number);
    il_report_failure();
    _exit(1);
}

/* Every 5 seconds of processor time: a run that lasted all of them has no end. */
IL_FN void il_on_watch(int number)
{
    (void)number;
    if (il.watched != il.schedules) {
        il.watched = il.schedules;
        return;
    }
    snprintf(il.message, sizeof il.message, "no end within 5 seconds");
    il_report_failure();
    _exit(1);
}

IL_FN void il_catch_signals(void)
{
    static char stack[64 << 10];
    static const int numbers[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    struct sigaction action;
    struct itimerval every = {{5, 0}, {5, 0}};
    stack_t alternate;
    size_t i;
    memset(&alternate, 0, sizeof alternate);
    alternate.ss_sp = stack;
    alternate.ss_size = sizeof stack;
    sigaltstack(&alternate, NULL);
    memset(&action, 0, sizeof action);
    action.sa_handler = il_on_signal;
    action.sa_flags = SA_ONSTACK;
    for (i = 0; i < sizeof numbers / sizeof *numbers; i++) sigaction(numbers[i], &action, NULL);
    action.sa_handler = il_on_watch;
    action.sa_flags |= SA_RESTART;
    sigaction(SIGVTALRM, &action, NULL);
    setitimer(ITIMER_VIRTUAL, &every, NULL);
}

/* ---- the search ------------------------------------------------------------ */
/* The next depth-first run: the last open decision with an outcome left takes it. 0: none is left. */
IL_FN int il_backtrack(void)
{
    while (il.open_count) {
        il_open *o = &il.open[il.open_count - 1];
        if (o->taken + 1 < o->count) {
            o->taken++;
            return 1;
        }
        il.open_count--;
    }
    return 0;
}

static const uint8_t il_levels[][2] = {{0, 0}, {1, 0}, {1, 1}, {2, 0}, {2, 1}, {2, 2}, {3, 1},   {3, 2},  {3, 3},
                                       {4, 2}, {4, 3}, {5, 3}, {5, 4}, {6, 5}, {8, 8}, {12, 12}, {20, 20}};
#define IL_LEVELS ((int)(sizeof il_levels / sizeof *il_levels))

/* All schedules of one level. 1: failed, 0: complete, -1: out of operations, -2: a word turned out to be shared. */
IL_FN int il_search_level(int level, uint64_t until)
{
    il.open_count = il.bounded = 0;
    il.level = level;
    do {
        il.depth = 0;
        il.restart = 0;
        il.preempt_left = il_levels[level][0];
        il.weak_left = il_levels[level][1];
        if (il_run()) return 1;
        if (il.restart) return -2;
        if (il.operations > until) return -1;
    } while (il_backtrack());
    return 0;
}

IL_FN void il_forget_states(void)
{
    memset(il.seen_key, 0, IL_SEEN * sizeof *il.seen_key);
    il.seen_count = 0;
}

IL_FN void il_allocate(void)
{
    int t;
    il.views = (uint16_t *)malloc(IL_VIEW_POOL * sizeof *il.views);
    il.seen_key = (uint64_t *)calloc(IL_SEEN, sizeof *il.seen_key);
    il.seen_left = (uint32_t *)calloc(IL_SEEN, sizeof *il.seen_left);
    if (!il.views || !il.seen_key || !il.seen_left) abort();
    for (t = 0; t < IL_THREADS; t++) {
        void *p = mmap(NULL, IL_STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED) abort();
        il.fiber[t].stack = (char *)p;
    }
}

/* In the child: exit status 0 nothing found, 1 failed, 2 the plant matched nothing. */
IL_FN int il_explore(uint64_t operations)
{
    uint64_t dfs_until = operations / 20 * 13;
    int level, done = -1, i;
    il.mode = IL_MODE_RANDOM;
    for (i = 0; i < 200; i++)
        if (il_run()) return 1;
    il.mode = IL_MODE_DFS;
    for (level = 0; level < IL_LEVELS;) {
        int r = il_search_level(level, dfs_until);
        if (r > 0) return 1;
        if (r == -1) break;
        if (r == -2) {
            il_forget_states();
            level = 0;
            done = -1;
            continue;
        }
        done = level++;
        if (!il.bounded) break;
    }
    il.mode = IL_MODE_RANDOM;
    il.random_runs = il.schedules;
    while ((done < 0 || il.bounded) && il.operations < operations)
        if (il_run()) return 1;
    il.random_runs = il.schedules - il.random_runs;
    if (il.plant && il.plant_matched != (1u << il.plant_parts) - 1) return 2;
    printf("%llu schedules, ", (unsigned long long)il.schedules);
    if (done >= 0 && !il.bounded)
        printf("complete, ");
    else if (done >= 0)
        printf("complete to %d preemptions with %d weak outcomes, ", il_levels[done][0], il_levels[done][1]);
    printf("%u states, %llu random, %llu operations\n", il.seen_count, (unsigned long long)il.random_runs,
           (unsigned long long)il.operations);
    return 0;
}

IL_FN int il_parse_choices(const char *text)
{
    il.wanted_count = 0;
    while (*text && il.wanted_count < IL_CHOICES) {
        char *end;
        il.wanted[il.wanted_count].tick = (uint32_t)strtoul(text, &end, 10);
        if (end == text || *end != ':') return -1;
        il.wanted[il.wanted_count++].taken = (int)strtol(end + 1, &end, 10);
        text = *end == ',' ? end + 1 : end;
        if (*end && *end != ',') return -1;
    }
    return 0;
}

/* A scenario in a process of its own: a crash is a finding too, and no state is left behind. replay: NULL, or
   the schedule to run. out: what the child reported. */
#if TEST_COVERAGE
void __gcov_dump(void);
#endif
IL_FN int il_in_child(const il_scenario *s, const il_plant *plant, uint64_t operations, uint64_t seed,
                      const char *replay, char *out, size_t room)
{
    int ends[2], status = 0;
    size_t used = 0;
    pid_t pid;
    fflush(stdout);
    if (pipe(ends) || (pid = fork()) < 0) {
        perror("il_in_child");
        exit(2);
    }
    if (pid == 0) {
        int r;
        close(ends[0]);
        il_report_to = ends[1];
        il.scenario = s;
        il.plant = plant;
        il.run = 0;
        il.rng = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
        il_allocate();
        il_catch_signals();
        if (il_prepare())
            r = 1;
        else if (replay) {
            il.mode = IL_MODE_REPLAY;
            r = il_parse_choices(replay) ? 2 : il_run();
            if (!r && il_want_trace) il_print_trace(stdout);
        } else
            r = il_explore(operations);
        if (r == 1) il_report_failure();
        fflush(stdout);
#if TEST_COVERAGE
        if (!plant) /* what a planted bug runs does not count */
            __gcov_dump();
#endif
        _exit(r);
    }
    close(ends[1]);
    for (;;) {
        ssize_t n = read(ends[0], out + used, room - 1 - used);
        if (n <= 0) break;
        used += (size_t)n;
    }
    out[used] = 0;
    if (used && out[used - 1] == '\n') out[used - 1] = 0;
    close(ends[0]);
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 3;
}

/* Splits "schedules choices message"; returns the choices, ends them with 0. */
IL_FN char *il_split_report(char *report, char **message)
{
    char *choices = strchr(report, ' '), *end;
    if (!choices) return NULL;
    *choices++ = 0;
    end = strchr(choices, ' ');
    if (!end) return NULL;
    *end = 0;
    *message = end + 1;
    return choices;
}

/* Explores one scenario, with or without a plant. Returns 0 when the outcome is the one wanted. */
IL_FN int il_judge(const il_scenario *s, const il_plant *plant, uint64_t operations, uint64_t seed)
{
    char *report = il.text[0], *again = il.text[1], *choices, *message = NULL, *message_again = NULL;
    int r, trace = il_want_trace;
    printf("%s%s%s: ", s->name, plant ? " with planted " : "", plant ? plant->name : "");
    il_want_trace = 0;
    r = il_in_child(s, plant, operations, seed, NULL, report, sizeof il.text[0]);
    il_want_trace = trace;
    if (r == 0 && !plant) return 0;
    if (r == 0) {
        printf("  NOT FOUND: the planted bug stayed hidden\n");
        return 1;
    }
    if (r == 2) {
        printf("ERROR: the plant matches no operation of the scenario\n");
        return 1;
    }
    choices = il_split_report(report, &message);
    if (!choices) {
        printf("ERROR: the child ended with status %d without a report\n", r);
        return 1;
    }
    il_want_trace = trace || !plant;
    r = il_in_child(s, plant, 0, seed, choices, again, sizeof il.text[1]);
    il_want_trace = trace;
    if (r != 1 || !il_split_report(again, &message_again) || strcmp(message, message_again)) {
        printf("ERROR: schedule %s failed (%s) and does not replay (%s)\n", choices, message,
               message_again ? message_again : "no failure");
        return 1;
    }
    printf("%s after %s schedules: %s\n    --scenario %s %s%s --replay %s\n", plant ? "found" : "FAILED", report,
           message, s->name, plant ? "--plant " : "", plant ? plant->name : "", choices);
    return plant ? 0 : 1;
}

IL_FN int il_usage(const char *program)
{
    fprintf(stderr,
            "usage: %s [--scenario NAME] [--plant NAME] [--operations N] [--seed N] [--trace]\n"
            "       [--replay TICK:CHOICE,...]\n"
            "  without arguments: every scenario, then every planted bug, which must be found\n"
            "  --plant NAME with --scenario: that bug alone\n"
            "  --operations: per scenario (default %d; at most thirty times that per planted bug)\n"
            "  --replay: one schedule, printed as a numbered trace\n",
            program, IL_OPERATIONS);
    return 2;
}

IL_FN int il_main(int argc, char **argv, const il_scenario *scenarios, int scenario_count, const il_plant *plants,
                  int plant_count)
{
    const char *only = NULL, *only_plant = NULL, *replay = NULL;
    uint64_t seed = 1, operations = IL_OPERATIONS;
    int i, j, bad = 0, found = 0, clean = 0;
    for (i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (!strcmp(argv[i], "--trace")) {
            il_want_trace = 1;
            continue;
        }
        if (!value) return il_usage(argv[0]);
        if (!strcmp(argv[i], "--scenario"))
            only = value;
        else if (!strcmp(argv[i], "--plant"))
            only_plant = value;
        else if (!strcmp(argv[i], "--operations"))
            operations = strtoull(value, NULL, 10);
        else if (!strcmp(argv[i], "--seed"))
            seed = strtoull(value, NULL, 10);
        else if (!strcmp(argv[i], "--replay"))
            replay = value;
        else
            return il_usage(argv[0]);
        i++;
    }
    for (i = 0; i < scenario_count && !only_plant; i++) {
        if (only && strcmp(only, scenarios[i].name)) continue;
        if (replay) {
            il_want_trace = 1;
            return il_in_child(&scenarios[i], NULL, 0, seed, replay, il.text[0], sizeof il.text[0]);
        }
        clean++;
        bad += il_judge(&scenarios[i], NULL, operations, seed);
    }
    for (j = 0; j < plant_count && (only_plant || !only); j += il.plant_parts) {
        const il_plant *first = &plants[j];
        for (il.plant_parts = 1; j + il.plant_parts < plant_count; il.plant_parts++)
            if (strcmp(first->name, first[il.plant_parts].name) ||
                strcmp(first->scenario, first[il.plant_parts].scenario))
                break;
        for (i = 0; i < scenario_count; i++) {
            if (strcmp(plants[j].scenario, scenarios[i].name)) continue;
            if ((only && strcmp(only, scenarios[i].name)) || (only_plant && strcmp(only_plant, plants[j].name)))
                continue;
            if (replay) {
                il_want_trace = 1;
                return il_in_child(&scenarios[i], &plants[j], 0, seed, replay, il.text[0], sizeof il.text[0]);
            }
            found++;
            bad += il_judge(&scenarios[i], &plants[j], operations * 30, seed);
        }
    }
    if (!clean && !found) {
        fprintf(stderr, "no such scenario or plant\n");
        return 2;
    }
    printf("%d scenarios, %d planted bugs, %d wrong\n", clean, found, bad);
    return bad ? 1 : 0;
}

/* ---- the atomics room ------------------------------------------------------ */
#define IL_FUNCTIONS(T, N)                                                                                             \
    IL_FN T il_load_##N(IL_SITE, const T *p, int order) { return (T)il_load(IL_PASS, p, (int)sizeof(T), order); }      \
    IL_FN void il_store_##N(IL_SITE, T *p, T v, int order) { il_store(IL_PASS, p, (int)sizeof(T), v, order); }         \
    IL_FN T il_rmw_##N(IL_SITE, T *p, T v, int how)                                                                    \
    {                                                                                                                  \
        return (T)il_rmw(IL_PASS, p, (int)sizeof(T), how, v, NULL, IL_ACQ | IL_REL);                                   \
    }                                                                                                                  \
    IL_FN int il_cas_##N(IL_SITE, T *p, T *expected, T v)                                                              \
    {                                                                                                                  \
        uint64_t wide = *expected;                                                                                     \
        int done = il_cas(IL_PASS, p, (int)sizeof(T), &wide, v, IL_ACQ | IL_REL | IL_SC);                              \
        *expected = (T)wide;                                                                                           \
        return done;                                                                                                   \
    }
IL_FUNCTIONS(uint8_t, u8)
IL_FUNCTIONS(uint16_t, u16)
IL_FUNCTIONS(uint32_t, u32)
IL_FUNCTIONS(uint64_t, u64)
IL_FUNCTIONS(uintptr_t, ptr)

#define IL_AT(text) __func__, __LINE__, text
#define zs__load_u8(p) il_load_u8(IL_AT(#p), p, 0)
#define zs__load_u16(p) il_load_u16(IL_AT(#p), p, 0)
#define zs__load_u32(p) il_load_u32(IL_AT(#p), p, 0)
#define zs__load_u64(p) il_load_u64(IL_AT(#p), p, 0)
#define zs__load_ptr(p) il_load_ptr(IL_AT(#p), p, 0)
#define zs__load_acq_u8(p) il_load_u8(IL_AT(#p), p, IL_ACQ)
#define zs__load_acq_u32(p) il_load_u32(IL_AT(#p), p, IL_ACQ)
#define zs__load_acq_u64(p) il_load_u64(IL_AT(#p), p, IL_ACQ)
#define zs__load_acq_ptr(p) il_load_ptr(IL_AT(#p), p, IL_ACQ)
#define zs__load_seq_u8(p) il_load_u8(IL_AT(#p), p, IL_ACQ | IL_SC)
#define zs__load_seq_u32(p) il_load_u32(IL_AT(#p), p, IL_ACQ | IL_SC)
#define zs__load_seq_u64(p) il_load_u64(IL_AT(#p), p, IL_ACQ | IL_SC)
#define zs__load_seq_ptr(p) il_load_ptr(IL_AT(#p), p, IL_ACQ | IL_SC)
#define zs__store_u8(p, v) il_store_u8(IL_AT(#p), p, v, 0)
#define zs__store_u16(p, v) il_store_u16(IL_AT(#p), p, v, 0)
#define zs__store_u32(p, v) il_store_u32(IL_AT(#p), p, v, 0)
#define zs__store_u64(p, v) il_store_u64(IL_AT(#p), p, v, 0)
#define zs__store_ptr(p, v) il_store_ptr(IL_AT(#p), p, v, 0)
#define zs__store_rel_u8(p, v) il_store_u8(IL_AT(#p), p, v, IL_REL)
#define zs__store_rel_u32(p, v) il_store_u32(IL_AT(#p), p, v, IL_REL)
#define zs__store_rel_u64(p, v) il_store_u64(IL_AT(#p), p, v, IL_REL)
#define zs__store_rel_ptr(p, v) il_store_ptr(IL_AT(#p), p, v, IL_REL)
#define zs__exchange_u8(p, v) il_rmw_u8(IL_AT(#p), p, v, IL_SET)
#define zs__exchange_u32(p, v) il_rmw_u32(IL_AT(#p), p, v, IL_SET)
#define zs__exchange_u64(p, v) il_rmw_u64(IL_AT(#p), p, v, IL_SET)
#define zs__exchange_ptr(p, v) il_rmw_ptr(IL_AT(#p), p, v, IL_SET)
#define zs__add_u8(p, v) il_rmw_u8(IL_AT(#p), p, v, IL_ADD)
#define zs__add_u32(p, v) il_rmw_u32(IL_AT(#p), p, v, IL_ADD)
#define zs__add_u64(p, v) il_rmw_u64(IL_AT(#p), p, v, IL_ADD)
#define zs__add_ptr(p, v) il_rmw_ptr(IL_AT(#p), p, v, IL_ADD)
#define zs__sub_u8(p, v) il_rmw_u8(IL_AT(#p), p, v, IL_SUB)
#define zs__sub_u32(p, v) il_rmw_u32(IL_AT(#p), p, v, IL_SUB)
#define zs__sub_u64(p, v) il_rmw_u64(IL_AT(#p), p, v, IL_SUB)
#define zs__sub_ptr(p, v) il_rmw_ptr(IL_AT(#p), p, v, IL_SUB)
#define zs__or_u8(p, v) il_rmw_u8(IL_AT(#p), p, v, IL_OR)
#define zs__or_u32(p, v) il_rmw_u32(IL_AT(#p), p, v, IL_OR)
#define zs__or_u64(p, v) il_rmw_u64(IL_AT(#p), p, v, IL_OR)
#define zs__or_ptr(p, v) il_rmw_ptr(IL_AT(#p), p, v, IL_OR)
#define zs__and_u8(p, v) il_rmw_u8(IL_AT(#p), p, v, IL_AND)
#define zs__and_u32(p, v) il_rmw_u32(IL_AT(#p), p, v, IL_AND)
#define zs__and_u64(p, v) il_rmw_u64(IL_AT(#p), p, v, IL_AND)
#define zs__and_ptr(p, v) il_rmw_ptr(IL_AT(#p), p, v, IL_AND)
#define zs__cas_u8(p, expected, v) il_cas_u8(IL_AT(#p), p, expected, v)
#define zs__cas_u32(p, expected, v) il_cas_u32(IL_AT(#p), p, expected, v)
#define zs__cas_u64(p, expected, v) il_cas_u64(IL_AT(#p), p, expected, v)
#define zs__cas_ptr(p, expected, v) il_cas_ptr(IL_AT(#p), p, expected, v)
#define zs__fence_seq() il_fence(IL_AT(""))
#define zs__compiler_barrier() ((void)0) /* the checker runs in program order */
#define ZS__ATOMICS_INCLUDE "tests/lib/interleave.h"
#define ZS__PLATFORM_INCLUDE "tests/lib/interleave.h"
#define ZS__LOCK_SPINS (-64) /* a lock's waiter goes to zs__os_wait at once */
#ifndef IL_PAGE_BYTES
#define IL_PAGE_BYTES 4096
#endif

IL_FN void *il_tls(size_t bytes)
{
    if (bytes > sizeof il.world.tls[0]) abort();
    return il.world.tls[il.running ? il.current : il.world.as];
}
#define ZS__TLS_INCLUDE "tests/lib/interleave.h"

/* ---- the platform room ----------------------------------------------------- */
#ifdef IL_PLAIN_SEEN
#define memset(p, value, bytes) il_memset(p, value, bytes)
#define memcpy(to, from, bytes) il_memcpy(to, from, bytes)
#endif
#define zs__os_fence() il_asymmetric_fence(IL_AT(""))
#define il_futex_wait(word, value) il_wait(IL_AT(#word), word, value)
#define il_futex_wake(word) il_wake(IL_AT(#word), word)
#define zs__os_wait(word, value) il_nap(IL_AT(#word), word, value)
#define zs__os_yield() il_wait_turn(IL_AT(""))
#define zs__pause() il_wait_turn(IL_AT(""))

#endif /* IL_INTERLEAVE_H */

/* Second inclusion, by zslab.h where its thread-local words stand. */
#if defined(ZS__PRIVATE_ONCE) && defined(ZS__CHUNK_BYTES) && !defined(IL_TLS_ONCE)
#define IL_TLS_ONCE
IL_FN zs__tls_block *zs__tls(void) { return (zs__tls_block *)il_tls(sizeof(zs__tls_block)); }
IL_FN uint32_t *zs__held(void) /* the locks' ranks that the simulated thread holds, behind its block */
{
    return (uint32_t *)(void *)((char *)il_tls(sizeof(zs__tls_block) + 8) + sizeof(zs__tls_block));
}
#endif

/* Third inclusion, by zslab.h's platform room. */
#if defined(ZS__PRIVATE_ONCE) && defined(ZS__IMPLEMENTED) && !defined(IL_PLATFORM_ONCE)
#define IL_PLATFORM_ONCE
IL_FN size_t zs__os_page_bytes(void) { return IL_PAGE_BYTES; }
IL_FN void *zs__os_reserve(void *user, size_t bytes, size_t alignment)
{
    (void)user;
    return il_reserve(bytes, alignment);
}
IL_FN int zs__os_commit(void *user, void *p, size_t bytes)
{
    (void)user;
    il_point("commit");
    il_commit((char *)p, bytes);
    return 0;
}
/* Contents go at once, and nobody may own an object there. */
IL_FN int zs__os_purge(void *user, void *p, size_t bytes)
{
    (void)user;
    il_point("purge");
    if (il_claimed(p, bytes)) il_fail("purge under a live object");
    il_wipe(p, bytes);
    return 0;
}
IL_FN int zs__os_uncommit(void *p, size_t bytes) { return (void)p, (void)bytes, -1; }
IL_FN void zs__os_release(void *user, void *p, size_t bytes)
{
    (void)user;
    il_release(p, bytes);
}
IL_FN int zs__os_huge(void *p, size_t bytes) { return (void)p, (void)bytes, -1; }
IL_FN int zs__os_numa_local(void *p, size_t bytes) { return (void)p, (void)bytes, -1; }
IL_FN int zs__os_lock(void *p, size_t bytes) { return (void)p, (void)bytes, -1; }
IL_FN int zs__os_fence_ready(void) { return il.world.fence_refused ? -1 : 0; }
IL_FN int zs__os_on_thread_exit(int on)
{
    il.world.exit_hook = on ? zs__thread_exited : NULL;
    return 0;
}
IL_FN int zs__os_arm_thread_exit(void)
{
    int thread = il.running ? il.current : il.world.as;
    if (thread < IL_THREADS) il.world.armed[thread] = 1;
    return 0;
}
IL_FN uint32_t *zs__os_fork_word(int on) { return (void)on, (uint32_t *)NULL; }
IL_FN uint64_t zs__os_process_id(void) { return 1; }
IL_FN uint64_t zs__os_now_ns(void) { return il.tick; }
IL_FN uint64_t zs__os_rss(void) { return 0; }
IL_FN uint64_t zs__os_random(void) { return UINT64_C(0x9e3779b97f4a7c15); }
#endif
