/* Runs of pages for what is too large for a slab: one address range in units of 16 KiB, carved best fit, neighbours
   joined again. Runs that were freed keep their pages, up to a limit, in lists of their own, and are taken first;
   beyond that the pages go back to the system and the run reads as zeros. Growing is in place where the next run is
   free, else the system moves the pages.

   A record a unit, apart from the memory it describes, says what is there, so that a wrong pointer is told from a
   right one: [RUN-1] a record's state is RUN_INSIDE unless a run begins at its unit. [RUN-2] The last record of a
   run names its first. [RUN-3] Two free runs of one kind never touch.

   One lock guards all of it. A signal handler that interrupts its holder may free: the run waits in a list. */
#ifndef SHIM_LARGE_H
#define SHIM_LARGE_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

#define UNIT_BYTES ((size_t)1 << 14)
#define PAGE_BYTES ((size_t)4096)
#define RANGE_BYTES ((size_t)1 << 42)     /* address space, halved until it is granted */
#define COMMIT_BYTES ((size_t)1 << 22)    /* made usable at a time, at least */
#define KEEP_BYTES ((size_t)1 << 17)      /* freed and kept resident at first, and at most */
#define KEEP_BYTES_MAX ((size_t)32 << 20)
#define MOVE_BYTES ((size_t)1 << 18)      /* from here on moving pages beats copying bytes */
#define EXACT_BINS 64                     /* runs of 1 to 63 units have a bin each, then four a doubling */
#define BINS (EXACT_BINS + 4 * 24)

enum {
    RUN_INSIDE,
    RUN_DIRTY, /* free and resident */
    RUN_CLEAN, /* free, reads as zeros */
    RUN_LIVE,  /* an object */
    RUN_TAKEN  /* in somebody's hand */
};

typedef struct run {
    uint32_t units;
    uint32_t head;       /* [RUN-2] */
    uint32_t next, prev; /* free: 1 + unit, its bin's list */
    size_t bytes;        /* live: usable, in whole pages */
    uint32_t state;
} run;

static struct {
    char *base;
    run *runs;
    size_t range_units, top, committed; /* [0, top) is in runs, [0, committed) is usable; in units */
    size_t dirty, keep;                 /* units of RUN_DIRTY; how many of them may stay */
    size_t given, again;                /* units purged and not taken since; taken again since keep was doubled */
    uint32_t list[2][BINS];             /* 1 + unit; RUN_DIRTY, RUN_CLEAN */
    uint64_t filled[2][(BINS + 63) / 64];
    pthread_mutex_t lock;               /* guards everything above, but base and runs: constant */
    _Atomic uint32_t waiting;           /* 1 + unit: freed by signal handlers that interrupted the lock's holder */
} large = {.keep = KEEP_BYTES / UNIT_BYTES, .lock = PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP};

static __thread volatile int large_busy __attribute__((tls_model("initial-exec"))); /* this thread holds the lock */

static size_t units_of(size_t bytes)
{
    return (bytes + UNIT_BYTES - 1) / UNIT_BYTES;
}

static size_t run_bin(size_t units) /* rising with the units */
{
    unsigned log = 63u - (unsigned)__builtin_clzll((unsigned long long)units);
    size_t bin = units < EXACT_BINS ? units : EXACT_BINS + (log - 6) * 4 + (units >> (log - 2) & 3);
    return bin < BINS ? bin : BINS - 1;
}

static size_t run_aligned(size_t at, size_t step) /* the next unit whose address is a multiple of so many units */
{
    size_t first = (uintptr_t)large.base / UNIT_BYTES;
    return (first + at + step - 1) / step * step - first;
}

static void run_set(size_t at, size_t units, uint32_t state)
{
    large.runs[at].units = (uint32_t)units;
    large.runs[at].state = state;
    large.runs[at + units - 1].head = (uint32_t)at;
}

static void run_list(size_t at) /* free, of the kind its state says */
{
    run *r = &large.runs[at];
    uint32_t kind = r->state - RUN_DIRTY;
    size_t bin = run_bin(r->units);
    r->prev = 0;
    r->next = large.list[kind][bin];
    if (r->next)
        large.runs[r->next - 1].prev = (uint32_t)at + 1;
    large.list[kind][bin] = (uint32_t)at + 1;
    large.filled[kind][bin / 64] |= (uint64_t)1 << bin % 64;
    if (r->state == RUN_DIRTY)
        large.dirty += r->units;
}

static void run_unlist(size_t at)
{
    run *r = &large.runs[at];
    uint32_t kind = r->state - RUN_DIRTY;
    size_t bin = run_bin(r->units);
    if (r->prev)
        large.runs[r->prev - 1].next = r->next;
    else if (!(large.list[kind][bin] = r->next))
        large.filled[kind][bin / 64] &= ~((uint64_t)1 << bin % 64);
    if (r->next)
        large.runs[r->next - 1].prev = r->prev;
    if (r->state == RUN_DIRTY)
        large.dirty -= r->units;
    r->state = RUN_TAKEN;
}

static int run_is(size_t at, uint32_t state) /* does a run of this state begin at a unit? */
{
    return at < large.top && large.runs[at].state == state;
}

/* Back into the lists, joined with free neighbours of its kind. */
static void run_give(size_t at, size_t units, uint32_t kind)
{
    size_t before;
    if (run_is(at + units, kind)) {
        size_t more = large.runs[at + units].units;
        run_unlist(at + units);
        large.runs[at + units].state = RUN_INSIDE;
        units += more;
    }
    if (at && (before = large.runs[at - 1].head, run_is(before, kind)) && before + large.runs[before].units == at) {
        run_unlist(before);
        large.runs[at].state = RUN_INSIDE;
        units += at - before;
        at = before;
    }
    run_set(at, units, kind);
    run_list(at);
}

/* A run of at least so many units out of one bin's list: the first few are looked at. */
static uint32_t run_search(uint32_t kind, size_t bin, size_t units)
{
    uint32_t at = large.list[kind][bin];
    int tries;
    for (tries = 0; at && tries < 32; tries++, at = large.runs[at - 1].next)
        if (large.runs[at - 1].units >= units)
            return at;
    return 0;
}

static uint32_t run_find(uint32_t kind, size_t units) /* 1 + unit; 0: none */
{
    size_t bin = run_bin(units), word = bin / 64;
    uint64_t left = large.filled[kind][word] & ~(uint64_t)0 << bin % 64;
    for (;;) {
        for (; left; left &= left - 1) {
            uint32_t at = run_search(kind, word * 64 + (size_t)__builtin_ctzll(left), units);
            if (at)
                return at;
        }
        if (++word == sizeof large.filled[0] / sizeof large.filled[0][0])
            return 0;
        left = large.filled[kind][word];
    }
}

/* The range up to a unit becomes usable: its memory, and its records. */
static int run_commit(size_t upto)
{
    size_t more = large.committed + large.committed / 8, from, to;
    if (upto <= large.committed)
        return 0;
    if (upto > large.range_units)
        return -1;
    if (more < large.committed + COMMIT_BYTES / UNIT_BYTES)
        more = large.committed + COMMIT_BYTES / UNIT_BYTES;
    if (more > large.range_units)
        more = large.range_units;
    for (more = more > upto ? more : upto;; more = upto) { /* when the step is refused, what is needed may be granted */
        from = large.committed * sizeof(run) / PAGE_BYTES * PAGE_BYTES;
        to = (more * sizeof(run) + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
        if (!mprotect((char *)large.runs + from, to - from, PROT_READ | PROT_WRITE) &&
            !mprotect(large.base + large.committed * UNIT_BYTES, (more - large.committed) * UNIT_BYTES,
                      PROT_READ | PROT_WRITE))
            break;
        if (more == upto)
            return -1;
    }
    large.committed = more;
    return 0;
}

/* Units never used, at a multiple of step units; what is skipped is free. 1 + unit; 0: none. */
static uint32_t run_fresh(size_t units, size_t step)
{
    size_t at = run_aligned(large.top, step), skipped = large.top;
    if (units > large.range_units || at > large.range_units - units || run_commit(at + units))
        return 0;
    large.top = at + units;
    run_set(at, units, RUN_TAKEN);
    if (at > skipped)
        run_give(skipped, at - skipped, RUN_CLEAN);
    return (uint32_t)at + 1;
}

/* Pages given back and soon wanted again say that too few may stay. */
static void large_wanted(size_t units)
{
    size_t again = units < large.given ? units : large.given;
    large.given -= again;
    large.again += again;
    if (large.again > large.keep * 64 && large.keep < KEEP_BYTES_MAX / UNIT_BYTES) {
        large.keep *= 2;
        large.again = 0;
    }
}

/* A run in hand of exactly so many units, at a multiple of step: resident ones first (last, for who brings his own
   pages), then zero ones, then fresh ones. 1 + unit; 0: none. *zero: it reads as zeros. */
static uint32_t run_take(size_t units, size_t step, int clean_first, int *zero)
{
    size_t need = units + step - 1, at, skip, have;
    uint32_t kind = (uint32_t)clean_first, found = run_find(kind, need), state;
    if (!found)
        found = run_find(kind ^= 1, need);
    *zero = !found || kind == RUN_CLEAN - RUN_DIRTY;
    if (*zero && !clean_first)
        large_wanted(units);
    if (!found)
        return run_fresh(units, step);
    at = found - 1;
    have = large.runs[at].units;
    state = large.runs[at].state;
    skip = run_aligned(at, step) - at;
    run_unlist(at);
    if (skip) {
        run_set(at, skip, state);
        run_list(at);
    }
    at += skip;
    have -= skip;
    if (have > units) {
        run_set(at + units, have - units, state);
        run_list(at + units);
    }
    run_set(at, units, RUN_TAKEN);
    return (uint32_t)at + 1;
}

/* Pages go back; what the run is then. The system refuses with locked pages: they keep what they hold. */
static uint32_t run_purge(size_t at, size_t units)
{
    return madvise(large.base + at * UNIT_BYTES, units * UNIT_BYTES, MADV_DONTNEED) ? RUN_DIRTY : RUN_CLEAN;
}

/* Resident free runs, largest first, go back to the system until so many units stay. */
static size_t large_purge(size_t keep)
{
    size_t bin = BINS, given = 0;
    uint32_t kind = RUN_CLEAN;
    while (large.dirty > keep && kind == RUN_CLEAN) {
        size_t at, units;
        while (bin && !large.list[0][bin - 1])
            bin--;
        if (!bin)
            break;
        at = large.list[0][bin - 1] - 1;
        units = large.runs[at].units;
        run_unlist(at);
        kind = run_purge(at, units);
        run_give(at, units, kind);
        given += kind == RUN_CLEAN ? units : 0;
    }
    large.given += given;
    return given * UNIT_BYTES;
}

static void large_purge_some(void)
{
    if (large.dirty > large.keep)
        large_purge(large.keep / 4 * 3);
}

static void large_drop(void)
{
    atomic_signal_fence(memory_order_seq_cst);
    pthread_mutex_unlock(&large.lock);
    large_busy = 0;
}

/* 0: a signal handler interrupted the lock's holder, who is this thread. */
static int large_take(void)
{
    uint32_t at;
    if (large_busy)
        return 0;
    large_busy = 1;
    pthread_mutex_lock(&large.lock);
    at = atomic_load_explicit(&large.waiting, memory_order_relaxed); /* a hint: the next call looks again */
    if (at) /* acquire: the links. Pairs with large_wait */
        at = atomic_exchange_explicit(&large.waiting, 0, memory_order_acquire);
    while (at) {
        uint32_t next = large.runs[at - 1].next;
        run_give(at - 1, large.runs[at - 1].units, RUN_DIRTY);
        at = next;
    }
    return 1;
}

static void large_wait(size_t at) /* push-only, taken whole */
{
    uint32_t head = atomic_load_explicit(&large.waiting, memory_order_relaxed); /* the exchange confirms it */
    do
        large.runs[at].next = head;
    while (!atomic_compare_exchange_weak_explicit(&large.waiting, &head, (uint32_t)at + 1, memory_order_release,
                                                  memory_order_relaxed)); /* release: the link. Pairs with large_take */
}

static int large_owns(const void *p)
{
    return (size_t)((uintptr_t)p - (uintptr_t)large.base) < large.range_units * UNIT_BYTES;
}

/* What a pointer into the range is: OK, an object; FOREIGN, nothing was ever there. Lock held, or the object is. */
static zslab_result large_locate(const void *p, size_t *out_at)
{
    size_t offset = (size_t)((uintptr_t)p - (uintptr_t)large.base), at = offset / UNIT_BYTES, head = at;
    if (at >= large.top)
        return ZSLAB_E_FOREIGN;
    *out_at = at;
    if (offset % UNIT_BYTES == 0 && large.runs[at].state == RUN_LIVE)
        return ZSLAB_OK;
    while (large.runs[head].state == RUN_INSIDE)
        head--;
    if (offset % UNIT_BYTES || large.runs[head].state == RUN_LIVE)
        return ZSLAB_E_MISALIGNED;
    return ZSLAB_E_DOUBLE_FREE;
}

/* bytes at a multiple of a power of two; *zero: they read as zeros. NULL: none. */
static void *large_alloc(size_t bytes, size_t alignment, int *zero)
{
    size_t units = units_of(bytes), step = alignment > UNIT_BYTES ? alignment / UNIT_BYTES : 1;
    uint32_t at = 0;
    if (bytes > PTRDIFF_MAX || step > large.range_units || !large_take())
        return NULL;
    at = run_take(units ? units : 1, step, 0, zero);
    if (at) {
        large.runs[at - 1].bytes = (bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
        large.runs[at - 1].state = RUN_LIVE;
    }
    large_drop();
    return at ? large.base + (size_t)(at - 1) * UNIT_BYTES : NULL;
}

/* A run that may not stay resident at all is purged outside the lock. */
static zslab_result large_free(void *p)
{
    size_t at, units;
    zslab_result r;
    int saved = errno, locked = large_take();
    r = large_locate(p, &at);
    if (r == ZSLAB_OK) {
        units = large.runs[at].units;
        large.runs[at].state = RUN_TAKEN;
        if (!locked) {
            large_wait(at);
        } else if (units > large.keep) {
            uint32_t kind;
            large.given += units;
            large_drop();
            kind = run_purge(at, units);
            large_take();
            run_give(at, units, kind);
        } else {
            run_give(at, units, RUN_DIRTY);
            large_purge_some();
        }
    }
    if (locked)
        large_drop();
    errno = saved;
    return r;
}

/* The run at a unit grows to so many units where it stands; 0: it cannot. */
static int run_extend(size_t at, size_t units)
{
    size_t have = large.runs[at].units, next = at + have, more = units - have, rest;
    uint32_t kind;
    if (next == large.top) {
        if (more > large.range_units - large.top || run_commit(large.top + more))
            return 0;
        large.top += more;
    } else {
        kind = large.runs[next].state;
        rest = large.runs[next].units;
        if ((kind != RUN_DIRTY && kind != RUN_CLEAN) || rest < more)
            return 0;
        run_unlist(next);
        large.runs[next].state = RUN_INSIDE;
        if (rest > more) {
            run_set(next + more, rest - more, kind);
            run_list(next + more);
        }
    }
    run_set(at, units, RUN_LIVE);
    return 1;
}

/* The system moves pages. RUN_CLEAN: they are gone from `from`; RUN_DIRTY: it does not know how, and nothing changed;
   RUN_TAKEN: it refused, maybe after it had unmapped `to`, and somebody may have that place now. */
static uint32_t run_remap(char *to, char *from, size_t bytes)
{
    if (mremap(from, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, to) == (void *)to)
        return RUN_CLEAN;
    return errno == EINVAL ? RUN_DIRTY : RUN_TAKEN; /* EINVAL: before Linux 5.7; flags are looked at first */
}

/* Another run takes over the contents, by moving pages or by copying. 1 + unit; 0: none. Called with the lock held. */
static uint32_t run_move(size_t at, size_t units, int pages)
{
    size_t have = large.runs[at].units;
    char *from = large.base + at * UNIT_BYTES, *to;
    uint32_t found, kind = RUN_DIRTY;
    int zero;
    found = run_take(units, 1, pages, &zero);
    if (!found)
        return 0;
    to = large.base + (size_t)(found - 1) * UNIT_BYTES;
    large_drop();
    if (pages)
        kind = run_remap(to, from, have * UNIT_BYTES);
    if (kind == RUN_DIRTY)
        memcpy(to, from, large.runs[at].bytes);
    large_take();
    if (kind == RUN_TAKEN)
        return 0; /* that place serves no run again */
    run_give(at, have, kind);
    large.runs[found - 1].state = RUN_LIVE;
    large_purge_some();
    return found;
}

/* A run for an object that outgrew its own. Who grows once grows again: a large one gets half as much behind it. */
static uint32_t run_outgrown(size_t at, size_t units)
{
    uint32_t found = units * UNIT_BYTES < MOVE_BYTES ? 0 : run_move(at, units + units / 2, 1);
    return found ? found : run_move(at, units, 0);
}

/* An object of large_alloc changes its size, to one that stays large. NULL: it is as it was. */
static void *large_resize(void *p, size_t bytes)
{
    size_t at = (size_t)((char *)p - large.base) / UNIT_BYTES, units = units_of(bytes), have = large.runs[at].units;
    int grows = bytes > large.runs[at].bytes;
    uint32_t found = (uint32_t)at + 1;
    if (bytes > PTRDIFF_MAX)
        return NULL;
    if (grows ? units > have : units < have) {
        if (!large_take())
            return NULL;
        if (!grows) {
            run_set(at, units, RUN_LIVE);
            run_give(at + units, have - units, RUN_DIRTY);
            large_purge_some();
        } else if (!run_extend(at, units)) {
            found = run_outgrown(at, units);
        }
        large_drop();
    }
    if (!found)
        return NULL;
    large.runs[found - 1].bytes = (bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
    return large.base + (size_t)(found - 1) * UNIT_BYTES;
}

static size_t large_bytes(const void *p) /* of a live object */
{
    return large.runs[(size_t)((const char *)p - large.base) / UNIT_BYTES].bytes;
}

/* Reserve the range and its records; where the process may use little address space, an eighth of that. */
static int large_init(void)
{
    size_t range = RANGE_BYTES, records;
    struct rlimit most;
    void *base, *runs;
    if (getrlimit(RLIMIT_AS, &most) == 0)
        while (range > most.rlim_cur / 4)
            range /= 2;
    for (; range >= UNIT_BYTES * 1024; range /= 2) {
        records = range / UNIT_BYTES * sizeof(run);
        base = mmap(NULL, range + UNIT_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        runs = mmap(NULL, records, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (base != MAP_FAILED && runs != MAP_FAILED) {
            large.base = (char *)(((uintptr_t)base + UNIT_BYTES - 1) / UNIT_BYTES * UNIT_BYTES);
            large.runs = runs;
            large.range_units = range / UNIT_BYTES;
            return 0;
        }
        if (base != MAP_FAILED)
            munmap(base, range + UNIT_BYTES);
        if (runs != MAP_FAILED)
            munmap(runs, records);
    }
    return -1;
}
#endif
