/* Who:   anybody with a program that cannot be changed.
   Wants: its malloc to be zslab, wrong frees named, by LD_PRELOAD=build/libzslab_malloc.so program
   Watch: how little it takes. Small sizes go to one zslab in one epoch; its fallback (large.h, runs of pages) takes
          the rest, and says by `owns` which pointers are its own, so that a wild one is told apart.
   A wrong pointer ends the program with one line on stderr; with ZSLAB_SHIM=report it goes on, nothing freed.
   Build: cc -O2 -fPIC -shared -fvisibility=hidden -fno-builtin zslab_malloc.c -o libzslab_malloc.so -pthread -ldl */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/single_threaded.h>
#include <unistd.h>
#define ZSLAB_STATIC 1
#define ZSLAB_IMPLEMENTATION
#define ZSLAB_STATS 0
#define ZSLAB_CHUNK_SHIFT 14 /* of 12 to 20 tried: the least memory pinned by few objects, no slower */
#include "../../zslab.h"
#include "large.h"

#define EXPORT __attribute__((visibility("default")))
#define LIKELY(x) __builtin_expect(!!(x), 1)

/* Every class is a multiple of 16, the alignment malloc owes. From 1 KiB on a chunk is cut into 16, 15, 13, 11, 9, 8,
   7, 6, 5, 4, 3 and 2, so that little is left over; 15 also because sizes a little over a power of two are common. */
static const uint32_t class_bytes[] = {
    16,  32,  48,  64,  80,  96,   112,  128,  160,  192,  224,  256,  320,  384,  448,  512,
    640, 768, 896, 1024, 1088, 1248, 1488, 1808, 2048, 2336, 2720, 3264, 4096, 5456, 8192,
};
#define SMALL_BYTES ((size_t)8192) /* the last one */

static zslab *shim;
static size_t shim_small;     /* sizes up to here are the zslab's: 0 until there is one */
static _Atomic int shim_state; /* 0 nothing yet, 1 being made, 2 ready, 3 refused */
static __thread int shim_making __attribute__((tls_model("initial-exec")));

/* One line, without malloc; then the end, unless the user wants to see them all. */
static void shim_misuse(void *user, zslab_result what, const void *p, zslab_handle h)
{
    const char *name = zslab_result_name(what), *mode = getenv("ZSLAB_SHIM");
    char line[96] = "zslab: ";
    size_t n = strlen(line), digits;
    uintptr_t left = (uintptr_t)p;
    (void)user, (void)h;
    while (*name)
        line[n++] = *name++;
    memcpy(line + n, ": 0x", 4);
    for (digits = 1; digits < 16 && left >> 4 * digits; digits++)
        ;
    for (n += 4; digits-- > 0;)
        line[n++] = "0123456789abcdef"[left >> 4 * digits & 15];
    line[n++] = '\n';
    if (write(2, line, n) < 0 || !mode || strcmp(mode, "report"))
        abort();
}

static void *fallback_alloc(void *user, size_t size, size_t alignment)
{
    int zero;
    (void)user;
    return large_alloc(size, alignment, &zero);
}

static void fallback_free(void *user, void *p)
{
    zslab_result r = large_free(p);
    if (r != ZSLAB_OK)
        shim_misuse(user, r, p, 0);
}

static size_t fallback_usable_size(void *user, const void *p)
{
    size_t at;
    (void)user;
    return large_locate(p, &at) == ZSLAB_OK ? large_bytes(p) : 0;
}

static int fallback_owns(void *user, const void *p)
{
    (void)user;
    return large_owns(p);
}

/* Around fork: no lock may stay with a thread that the child does not have, and what those threads were in the middle
   of is mended before the child goes on. */
static int fork_locked, fork_threads;
static void fork_prepare(void)
{
    fork_threads = !__libc_single_threaded;
    fork_locked = large_take(); /* 0: in a signal handler that interrupted us; the lock is this thread's anyhow */
}
static void fork_parent(void)
{
    if (fork_locked)
        large_drop();
}
static void fork_child(void)
{
    fork_parent();
    if (fork_threads)
        zslab_epoch_set_label(shim, zslab_epoch_current(shim), "malloc"); /* any call that takes a lock will do */
}

static void shim_make(void)
{
    zslab_config c;
    struct rlimit most;
    size_t memory = (size_t)sysconf(_SC_PHYS_PAGES) * PAGE_BYTES;
    memset(&c, 0, sizeof c);
    c.class_bytes = class_bytes;
    c.class_count = sizeof class_bytes / sizeof *class_bytes;
    c.epoch_count = 2;
    c.cache_bytes = ZSLAB_CACHE_NONE; /* an empty chunk is any class's */
    c.fallback.alloc = fallback_alloc;
    c.fallback.free = fallback_free;
    c.fallback.usable_size = fallback_usable_size;
    c.fallback.owns = fallback_owns;
    c.on_misuse = shim_misuse;
    c.reserve_bytes = memory > (size_t)1 << 35 ? (size_t)1 << 38 : (size_t)1 << 36; /* 2^24 chunks at most */
    if (getrlimit(RLIMIT_AS, &most) == 0)
        while (c.reserve_bytes > most.rlim_cur / 4)
            c.reserve_bytes /= 2;
    if (large_init())
        return;
    while (!(shim = zslab_create(&c)) && c.reserve_bytes > (size_t)1 << 24)
        c.reserve_bytes /= 2;
    if (shim) {
        shim_small = SMALL_BYTES;
        pthread_atfork(fork_prepare, fork_parent, fork_child);
    }
}

/* The first call makes the allocator, before any constructor has run. 0: there is none, or this thread is making
   it just now. */
static __attribute__((noinline)) int shim_ready(void)
{
    int none = 0;
    if (shim_making)
        return 0;
    if (atomic_compare_exchange_strong(&shim_state, &none, 1)) { /* acq_rel: pairs with itself */
        shim_making = 1;
        shim_make();
        shim_making = 0;
        atomic_store_explicit(&shim_state, shim ? 2 : 3, memory_order_release); /* pairs with the load below */
    }
    while (atomic_load_explicit(&shim_state, memory_order_acquire) == 1)
        sched_yield();
    return shim != NULL;
}

static void *refused(void)
{
    errno = ENOMEM;
    return NULL;
}

/* Size 0, sizes for the fallback, and the first call. */
static __attribute__((noinline)) void *shim_malloc_other(size_t size)
{
    void *p;
    int zero;
    if (!shim && !shim_ready())
        return refused();
    p = size > SMALL_BYTES ? large_alloc(size, 16, &zero) : zslab_malloc(shim, size ? size : 1);
    return p ? p : refused();
}

static inline __attribute__((always_inline)) void *shim_malloc(size_t size)
{
    if (LIKELY(size - 1 < shim_small)) {
        void *p;
        if (size > SMALL_BYTES)
            __builtin_unreachable();
        p = zslab_malloc(shim, size);
        return LIKELY(p != NULL) ? p : refused();
    }
    return shim_malloc_other(size);
}

static inline __attribute__((always_inline)) void shim_free(void *p)
{
    if (LIKELY(p != NULL))
        zslab_free(shim, p);
}

/* ---- C ---- */

EXPORT void *malloc(size_t size)
{
    return shim_malloc(size);
}

EXPORT void free(void *p)
{
    shim_free(p);
}

EXPORT void *calloc(size_t count, size_t size)
{
    size_t bytes;
    int zero = 0;
    void *p;
    if (__builtin_mul_overflow(count, size, &bytes))
        return refused();
    if (bytes <= SMALL_BYTES) {
        p = shim_malloc(bytes);
        return p ? memset(p, 0, bytes) : NULL;
    }
    if (!shim && !shim_ready())
        return refused();
    p = large_alloc(bytes, 16, &zero);
    if (p && !zero)
        memset(p, 0, bytes);
    return p ? p : refused();
}

/* The object moves: what both sizes have is copied. */
static __attribute__((noinline)) void *shim_move(void *p, size_t have, size_t size)
{
    void *q = shim_malloc(size);
    if (q) {
        memcpy(q, p, have < size ? have : size);
        shim_free(p);
    }
    return q;
}

EXPORT void *realloc(void *p, size_t size)
{
    size_t have;
    if (!p)
        return shim_malloc(size);
    if (!size) { /* as glibc's: the object goes */
        shim_free(p);
        return NULL;
    }
    have = zslab_usable_size(shim, p);
    if (have == 0) { /* no object of ours */
        shim_free(p);
        return refused();
    }
    if (large_owns(p) && size > SMALL_BYTES) {
        void *q = large_resize(p, size);
        return q ? q : refused();
    }
    if (size <= have && size > have / 2)
        return p;
    return shim_move(p, have, size);
}

EXPORT void *reallocarray(void *p, size_t count, size_t size)
{
    size_t bytes;
    return __builtin_mul_overflow(count, size, &bytes) ? refused() : realloc(p, bytes);
}

/* ---- aligned ---- */

static int is_power_of_two(size_t n)
{
    return n && (n & (n - 1)) == 0;
}

static void *shim_aligned(size_t alignment, size_t size) /* a power of two; errno is the caller's */
{
    if (alignment <= 16)
        return shim_malloc(size);
    if (!shim && !shim_ready())
        return NULL;
    return zslab_aligned_alloc(shim, alignment, size ? size : 1);
}

static void *shim_memalign(size_t alignment, size_t size)
{
    void *p;
    if (!is_power_of_two(alignment)) {
        errno = EINVAL;
        return NULL;
    }
    p = shim_aligned(alignment, size);
    return p ? p : refused();
}

EXPORT int posix_memalign(void **out, size_t alignment, size_t size)
{
    int saved = errno;
    void *p;
    if (!is_power_of_two(alignment) || alignment % sizeof(void *))
        return EINVAL;
    p = shim_aligned(alignment, size);
    errno = saved;
    if (!p)
        return ENOMEM;
    *out = p;
    return 0;
}

EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
    return shim_memalign(alignment, size);
}

EXPORT void *memalign(size_t alignment, size_t size)
{
    return shim_memalign(alignment, size);
}

EXPORT void *valloc(size_t size)
{
    return shim_memalign(PAGE_BYTES, size);
}

EXPORT void *pvalloc(size_t size)
{
    size_t bytes;
    if (__builtin_add_overflow(size, PAGE_BYTES - 1, &bytes))
        return refused();
    return shim_memalign(PAGE_BYTES, size ? bytes / PAGE_BYTES * PAGE_BYTES : PAGE_BYTES);
}

/* ---- asking ---- */

EXPORT size_t malloc_usable_size(void *p)
{
    return p && shim ? zslab_usable_size(shim, p) : 0;
}

EXPORT int malloc_trim(size_t keep)
{
    size_t given;
    if (!shim)
        return 0;
    given = zslab_trim(shim);
    if (large_take()) {
        given += large_purge(keep / UNIT_BYTES);
        large_drop();
    }
    return given != 0;
}

/* ---- C++: the mangled names, so that a program without C++ needs no C++ library ---- */

/* Refused: the C++ library's own operator asks us again, calls the new-handler, throws. */
static __attribute__((noinline)) void *new_refused(const char *name, size_t size, size_t second, size_t third)
{
    void *library, *symbol = dlsym(RTLD_NEXT, name);
    void *(*next)(size_t, size_t, size_t);
    if (!symbol && (library = dlopen("libstdc++.so.6", RTLD_LAZY | RTLD_NOLOAD)) != NULL) /* loaded by a plugin */
        symbol = dlsym(library, name);
    if (!symbol)
        abort();
    memcpy(&next, &symbol, sizeof next);
    return next(size, second, third);
}

static void *shim_new(size_t size, size_t alignment)
{
    return is_power_of_two(alignment) ? shim_aligned(alignment, size) : NULL;
}

/* The forms of new: what they are given, where the object comes from, what is passed on after the size. */
#define OPERATOR_NEW(name, given, object, second, third)                        \
    EXPORT void *name given;                                                    \
    EXPORT void *name given                                                     \
    {                                                                           \
        void *p = object;                                                       \
        return LIKELY(p != NULL) ? p : new_refused(#name, size, second, third); \
    }
#define OPERATORS_NEW(name)                                                                             \
    OPERATOR_NEW(name, (size_t size), shim_malloc(size), 0, 0)                                          \
    OPERATOR_NEW(name##RKSt9nothrow_t, (size_t size, size_t tag), shim_malloc(size), tag, 0)            \
    OPERATOR_NEW(name##St11align_val_t, (size_t size, size_t align), shim_new(size, align), align, 0)   \
    OPERATOR_NEW(name##St11align_val_tRKSt9nothrow_t, (size_t size, size_t align, size_t tag),          \
                 shim_new(size, align), align, tag)
#define OPERATOR_DELETE(name) /* what else a form is given, the allocator knows */ \
    EXPORT void name(void *p);                                                     \
    EXPORT void name(void *p) { shim_free(p); }
#define OPERATORS_DELETE(name)                          \
    OPERATOR_DELETE(name)                               \
    OPERATOR_DELETE(name##m)                            \
    OPERATOR_DELETE(name##RKSt9nothrow_t)               \
    OPERATOR_DELETE(name##St11align_val_t)              \
    OPERATOR_DELETE(name##mSt11align_val_t)             \
    OPERATOR_DELETE(name##St11align_val_tRKSt9nothrow_t)
OPERATORS_NEW(_Znwm)
OPERATORS_NEW(_Znam)
OPERATORS_DELETE(_ZdlPv)
OPERATORS_DELETE(_ZdaPv)
