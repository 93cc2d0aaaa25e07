/* Who:   anybody with a program that cannot be changed.
   Wants: its malloc to be zslab, wrong frees named, by LD_PRELOAD=build/libzslab_malloc.so program
   Watch: how little it takes: one zslab with one epoch, which serves every size.
   A wrong pointer ends the program with one line on stderr; with ZSLAB_SHIM=report it goes on, nothing freed.
   Build: cc -O2 -fPIC -shared -fvisibility=hidden -fno-builtin zslab_malloc.c -o libzslab_malloc.so -pthread -ldl */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The system itself, and not what the program may have put before it: a profiler's mprotect may allocate. */
static void *shim_mmap(void *p, size_t bytes, int protection, int flags, int fd, off_t at)
{
    return (void *)syscall(SYS_mmap, p, bytes, protection, flags, fd, at);
}
static int shim_munmap(void *p, size_t bytes) { return (int)syscall(SYS_munmap, p, bytes); }
static int shim_mprotect(void *p, size_t bytes, int protection)
{
    return (int)syscall(SYS_mprotect, p, bytes, protection);
}
int shim_madvise(void *p, size_t bytes, int advice) { return (int)syscall(SYS_madvise, p, bytes, advice); }
#define mmap shim_mmap
#define munmap shim_munmap
#define mprotect shim_mprotect
#define madvise shim_madvise
#define ZSLAB_STATIC 1
#define ZSLAB_IMPLEMENTATION
#define ZSLAB_STATS 0
#define ZSLAB_CHUNK_SHIFT 14 /* of 12 to 20 tried: the least memory pinned by few objects, no slower */
#define ZS__IDS_MAX 64u      /* no handles here: no address space for them */
#include "../../zslab.h"

#define EXPORT __attribute__((visibility("default")))
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define PAGE_BYTES ((size_t)4096)
#define KEEP_BYTES ((size_t)1 << 17) /* of freed large objects kept resident at first, and at most */
#define KEEP_BYTES_MAX ((size_t)32 << 20)

/* Every class is a multiple of 16, the alignment malloc owes. From 1 KiB on a chunk is cut into 16, 15, 13, 11, 9, 8,
   7, 6, 5, 4, 3, 2 and 1, so that little is left over; 15 also because sizes a little over a power of two are
   common. */
static const uint32_t class_bytes[] = {
    16,  32,  48,  64,   80,   96,   112,  128,  160,  192,  224,  256,  320,  384,  448,  512,
    640, 768, 896, 1024, 1088, 1248, 1488, 1808, 2048, 2336, 2720, 3264, 4096, 5456, 8192, 16384,
};
#define SMALL_BYTES ((size_t)16384) /* the last one */
#define CLASSES (sizeof class_bytes / sizeof *class_bytes)

static zslab *shim;
static size_t shim_small;                          /* sizes up to here are of a class: 0 until there is a zslab */
static size_t shim_keep = KEEP_BYTES, shim_purged; /* under the arena lock, or a little wrong */
static _Atomic int shim_state;                     /* 0 nothing yet, 1 being made, 2 ready, 3 refused */
static __thread int shim_making __attribute__((tls_model("initial-exec")));

/* One line, without malloc; then the end, unless the user wants to see them all. */
static void shim_misuse(void *user, zslab_result what, const void *p, zslab_handle h)
{
    const char *name = zslab_result_name(what), *mode = getenv("ZSLAB_SHIM");
    char line[96] = "zslab: ";
    size_t n = strlen(line), digits;
    uintptr_t left = (uintptr_t)p;
    (void)user, (void)h;
    while (*name) line[n++] = *name++;
    memcpy(line + n, ": 0x", 4);
    for (digits = 1; digits < 16 && left >> 4 * digits; digits++)
        ;
    for (n += 4; digits-- > 0;) line[n++] = "0123456789abcdef"[left >> 4 * digits & 15];
    line[n++] = '\n';
    if (write(2, line, n) < 0 || !mode || strcmp(mode, "report")) abort();
}

/* Address space that a limit leaves. */
static size_t shim_address_left(void)
{
    struct rlimit most;
    char text[64] = "";
    long fd = syscall(SYS_openat, AT_FDCWD, "/proc/self/statm", O_RDONLY | O_CLOEXEC);
    size_t used;
    if (fd >= 0) {
        if (syscall(SYS_read, fd, text, sizeof text - 1) < 0) text[0] = 0;
        syscall(SYS_close, fd);
    }
    used = strtoul(text, NULL, 10) * PAGE_BYTES;
    if (getrlimit(RLIMIT_AS, &most) || most.rlim_cur == RLIM_INFINITY) return SIZE_MAX;
    return most.rlim_cur > used ? most.rlim_cur - used : 0;
}

/* The range is what memory and limits allow. What is known of each chunk has its address space from the start: for the
   smallest classes that is a fifth of the range, which an address limit has no room for; they share the class of 64
   bytes then. Under a data limit the records of a much larger range would use it up; twice the limit is room for what
   counts for nothing, the unused ends of large objects; what would fill a chunk alone is one of them there. */
static void shim_make(void)
{
    static uint32_t coarse[CLASSES];
    zslab_config c;
    struct rlimit data;
    size_t memory = (size_t)sysconf(_SC_PHYS_PAGES) * PAGE_BYTES, left = shim_address_left(), i, classes = CLASSES;
    memset(&c, 0, sizeof c);
    c.class_bytes = class_bytes;
    c.epoch_count = 2;
    c.cache_bytes = ZSLAB_CACHE_NONE; /* an empty chunk is any class's */
    c.large_bytes_max = SIZE_MAX / 2; /* all of the range */
    c.on_misuse = shim_misuse;
    c.reserve_bytes = memory > (size_t)1 << 35 ? (size_t)1 << 38 : (size_t)1 << 36; /* 2^24 chunks at most */
    if (getrlimit(RLIMIT_DATA, &data) == 0 && c.reserve_bytes / 2 > data.rlim_cur) {
        c.reserve_bytes = 2 * data.rlim_cur & ~(((size_t)1 << 20) - 1);
        classes--;
    }
    c.class_count = classes;
    if (c.reserve_bytes > left / 4) {
        c.reserve_bytes = left / 100 * 92 & ~(((size_t)1 << 20) - 1); /* 6 go to records; the rest is for stacks */
        c.class_bytes = coarse;
        for (c.class_count = i = 0; i < classes; i++)
            if (class_bytes[i] == 64 || class_bytes[i] >= 128) coarse[c.class_count++] = class_bytes[i];
    }
    while (!(shim = zslab_create(&c)) && c.reserve_bytes > (size_t)1 << 24) c.reserve_bytes -= c.reserve_bytes / 32;
    if (shim) shim_small = class_bytes[classes - 1];
}

/* The first call makes the allocator, before any constructor has run. 0: there is none, or this thread is making
   it just now. */
static __attribute__((noinline)) int shim_ready(void)
{
    int none = 0;
    if (shim_making) return 0;
    if (atomic_compare_exchange_strong(&shim_state, &none, 1)) { /* acq_rel: pairs with itself */
        shim_making = 1;
        shim_make();
        shim_making = 0;
        atomic_store_explicit(&shim_state, shim ? 2 : 3, memory_order_release); /* pairs with the load below */
    }
    while (atomic_load_explicit(&shim_state, memory_order_acquire) == 1) sched_yield();
    return shim != NULL;
}

static void *refused(void)
{
    errno = ENOMEM;
    return NULL;
}

/* Size 0, large sizes, and the first call. */
static __attribute__((noinline)) void *shim_malloc_other(size_t size)
{
    void *p;
    if (!shim && !shim_ready()) return refused();
    p = zslab_malloc(shim, size ? size : 1);
    return p ? p : refused();
}

static inline __attribute__((always_inline)) void *shim_malloc(size_t size)
{
    if (LIKELY(size - 1 < shim_small)) {
        void *p;
        if (size > SMALL_BYTES) __builtin_unreachable();
        p = zslab_malloc(shim, size);
        return LIKELY(p != NULL) ? p : refused();
    }
    return shim_malloc_other(size);
}

/* After the free of what may have been a large object: pages beyond what is kept go back. More is kept the more often
   pages had to go. */
static __attribute__((noinline)) void shim_settle(void)
{
    int saved = errno;
    if (shim->span_idle > shim_keep) {
        shim_purged += zs__large_trim(shim, shim_keep / 4 * 3);
        if (shim_purged > shim_keep * 64 && shim_keep < KEEP_BYTES_MAX) {
            shim_keep *= 2;
            shim_purged = 0;
        }
    }
    errno = saved;
}

static __attribute__((noinline)) void shim_free_first(void *p)
{
    if (p && shim_ready()) zslab_free(shim, p);
}

static inline __attribute__((always_inline)) void shim_free(void *p)
{
    if (LIKELY(p != NULL && shim != NULL)) {
        zslab_free(shim, p);
        if (__builtin_expect(((uintptr_t)p & ZS__CHUNK_MASK) == 0 && shim->span_idle > shim_keep, 0)) shim_settle();
    } else {
        shim_free_first(p);
    }
}

/* Usable bytes of an object; a wrong pointer is named, and then there are none. */
static size_t shim_usable(const void *p)
{
    size_t have;
    if (!shim && !shim_ready()) return 0;
    have = zslab_usable_size(shim, p);
    if (!have) {
        zs__spot at;
        zslab_result r = zs__locate(shim, p, &at);
        if (r != ZSLAB_OK) zs__misuse(shim, r, p, 0);
    }
    return have;
}

/* A free that knows the size: it is the object's, or what a realloc in place made of it. */
static void shim_free_sized(void *p, size_t size)
{
    size_t have = p ? shim_usable(p) : 0;
    if (!have) return;
    if (size <= have &&
        (size > have / 2 || zslab_size_class_of(shim, size ? size : 1) == zslab_size_class_of(shim, have)))
        shim_free(p);
    else
        shim_misuse(NULL, ZSLAB_E_INVALID, p, 0);
}

/* ---- C ---- */

EXPORT void *malloc(size_t size) { return shim_malloc(size); }

EXPORT void free(void *p) { shim_free(p); }

EXPORT void *calloc(size_t count, size_t size)
{
    size_t bytes;
    void *p;
    if (__builtin_mul_overflow(count, size, &bytes)) return refused();
    if (bytes <= SMALL_BYTES) {
        p = shim_malloc(bytes);
        return p ? memset(p, 0, bytes) : NULL;
    }
    if (!shim && !shim_ready()) return refused();
    p = zslab_calloc(shim, 1, bytes);
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
    if (!p) return shim_malloc(size);
    if (!size) { /* as glibc's: the object goes */
        shim_free(p);
        return NULL;
    }
    have = shim_usable(p);
    if (have == 0) /* no object of ours */
        return refused();
    if (have > SMALL_BYTES && size > SMALL_BYTES) {
        void *q = zslab_realloc(shim, p, size);
        shim_settle();
        return q ? q : refused();
    }
    if (size <= have && size > have / 2) return p;
    return shim_move(p, have, size);
}

EXPORT void *reallocarray(void *p, size_t count, size_t size)
{
    size_t bytes;
    return __builtin_mul_overflow(count, size, &bytes) ? refused() : realloc(p, bytes);
}

/* ---- aligned ---- */

static int is_power_of_two(size_t n) { return n && (n & (n - 1)) == 0; }

static void *shim_aligned(size_t alignment, size_t size) /* a power of two; errno is the caller's */
{
    if (alignment <= 16) return shim_malloc(size);
    if (!shim && !shim_ready()) return NULL;
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
    if (!is_power_of_two(alignment) || alignment % sizeof(void *)) return EINVAL;
    p = shim_aligned(alignment, size);
    errno = saved;
    if (!p) return ENOMEM;
    *out = p;
    return 0;
}

EXPORT void *aligned_alloc(size_t alignment, size_t size) { return shim_memalign(alignment, size); }

EXPORT void *memalign(size_t alignment, size_t size) { return shim_memalign(alignment, size); }

EXPORT void *valloc(size_t size) { return shim_memalign(PAGE_BYTES, size); }

EXPORT void *pvalloc(size_t size)
{
    size_t bytes;
    if (__builtin_add_overflow(size, PAGE_BYTES - 1, &bytes)) return refused();
    return shim_memalign(PAGE_BYTES, size ? bytes / PAGE_BYTES * PAGE_BYTES : PAGE_BYTES);
}

/* ---- asking ---- */

EXPORT size_t malloc_usable_size(void *p) { return p ? shim_usable(p) : 0; }

EXPORT int malloc_trim(size_t keep) { return shim && zslab_trim(shim) + zs__large_trim(shim, keep) != 0; }

/* C23 */
EXPORT void free_sized(void *p, size_t size);
EXPORT void free_sized(void *p, size_t size) { shim_free_sized(p, size); }

EXPORT void free_aligned_sized(void *p, size_t alignment, size_t size);
EXPORT void free_aligned_sized(void *p, size_t alignment, size_t size)
{
    if (p && (!is_power_of_two(alignment) || (uintptr_t)p % alignment || size > shim_usable(p)))
        shim_misuse(NULL, ZSLAB_E_INVALID, p, 0);
    else
        shim_free(p);
}

/* ---- limits: a program that limits its own address space finds the range shrunk to what the limit can bear ---- */

static void unmap(char *base, size_t from, size_t to) /* whole pages of an array's end */
{
    uintptr_t at = ((uintptr_t)base + from + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
    uintptr_t end = ((uintptr_t)base + to) & ~(PAGE_BYTES - 1);
    if (end > at) shim_munmap((void *)at, end - at);
}

static void shim_shrink(size_t most)
{
    zslab *z = shim;
    uint32_t keep, all, r;
    size_t room;
    if (!z) return;
    zs__arena_take(z);
    all = z->chunk_limit;
    keep = (uint32_t)(most / 4 / ZS__CHUNK_BYTES);
    if (keep < z->range_committed / ZS__CHUNK_BYTES + 1024) /* no fresh chunk is beyond what is committed */
        keep = (uint32_t)(z->range_committed / ZS__CHUNK_BYTES) + 1024;
    if (keep < all && z->range_bytes + z->reserved_meta_bytes > most / 2) {
        z->chunk_limit = keep;
        z->range_bytes = (size_t)keep * ZS__CHUNK_BYTES;
        unmap(z->base, z->range_bytes, (size_t)all * ZS__CHUNK_BYTES);
        unmap((char *)z->chunks, keep * sizeof *z->chunks, all * sizeof *z->chunks);
        unmap((char *)z->cold, keep * sizeof *z->cold, all * sizeof *z->cold);
        for (r = 0; r < z->region_count; r++) {
            size_t first = z->regions[r].first, lines = z->regions[r].lines, from = first + keep * lines;
            size_t to = first + z->chunk_count * lines;
            unmap((char *)z->states, from * 64, to * 64);
            unmap((char *)z->words, from * sizeof *z->words, to * sizeof *z->words);
            unmap((char *)z->hints, from * sizeof *z->hints, to * sizeof *z->hints);
            if (z->regions[r].committed > keep) z->regions[r].committed = keep;
        }
        z->chunk_count = keep;
        room = (size_t)(z->meta_committed - z->meta) + (most / 64 & ~(PAGE_BYTES - 1)); /* of rows and heaps */
        if (room < (size_t)(z->meta_end - z->meta)) {
            unmap(z->meta, room, (size_t)(z->meta_end - z->meta));
            z->meta_end = z->meta + room;
        }
    }
    zs__arena_drop(z);
}

EXPORT int prlimit(pid_t pid, enum __rlimit_resource what, const struct rlimit *now, struct rlimit *was)
{
    if (what == RLIMIT_AS && now && now->rlim_cur != RLIM_INFINITY && (!pid || pid == getpid()))
        shim_shrink(now->rlim_cur);
    return (int)syscall(SYS_prlimit64, pid, what, now, was);
}

EXPORT int prlimit64(pid_t pid, enum __rlimit_resource what, const struct rlimit64 *now, struct rlimit64 *was)
{
    return prlimit(pid, what, (const struct rlimit *)now, (struct rlimit *)was); /* the same on 64 bits */
}

EXPORT int setrlimit(enum __rlimit_resource what, const struct rlimit *now) { return prlimit(0, what, now, NULL); }

EXPORT int setrlimit64(enum __rlimit_resource what, const struct rlimit64 *now)
{
    return prlimit64(0, what, now, NULL);
}

/* ---- C++: the mangled names, so that a program without C++ needs no C++ library ---- */

/* Refused: the C++ library's own operator asks us again, calls the new-handler, throws. */
static __attribute__((noinline)) void *new_refused(const char *name, size_t size, size_t second, size_t third)
{
    void *library, *symbol = dlsym(RTLD_NEXT, name);
    void *(*next)(size_t, size_t, size_t);
    if (!symbol && (library = dlopen("libstdc++.so.6", RTLD_LAZY | RTLD_NOLOAD)) != NULL) /* loaded by a plugin */
        symbol = dlsym(library, name);
    if (!symbol) abort();
    memcpy(&next, &symbol, sizeof next);
    return next(size, second, third);
}

static void *shim_new(size_t size, size_t alignment)
{
    return is_power_of_two(alignment) ? shim_aligned(alignment, size) : NULL;
}

/* The forms of new: what they are given, where the object comes from, what is passed on after the size. */
#define OPERATOR_NEW(name, given, object, second, third)                                                               \
    EXPORT void *name given;                                                                                           \
    EXPORT void *name given                                                                                            \
    {                                                                                                                  \
        void *p = object;                                                                                              \
        return LIKELY(p != NULL) ? p : new_refused(#name, size, second, third);                                        \
    }
#define OPERATORS_NEW(name)                                                                                            \
    OPERATOR_NEW(name, (size_t size), shim_malloc(size), 0, 0)                                                         \
    OPERATOR_NEW(name##RKSt9nothrow_t, (size_t size, size_t tag), shim_malloc(size), tag, 0)                           \
    OPERATOR_NEW(name##St11align_val_t, (size_t size, size_t align), shim_new(size, align), align, 0)                  \
    OPERATOR_NEW(name##St11align_val_tRKSt9nothrow_t, (size_t size, size_t align, size_t tag), shim_new(size, align),  \
                 align, tag)
#define OPERATOR_DELETE(name, given, freed)                                                                            \
    EXPORT void name given;                                                                                            \
    EXPORT void name given { freed; }
#define OPERATORS_DELETE(name)                                                                                         \
    OPERATOR_DELETE(name, (void *p), shim_free(p))                                                                     \
    OPERATOR_DELETE(name##m, (void *p, size_t size), shim_free_sized(p, size))                                         \
    OPERATOR_DELETE(name##RKSt9nothrow_t, (void *p), shim_free(p))                                                     \
    OPERATOR_DELETE(name##St11align_val_t, (void *p), shim_free(p))                                                    \
    OPERATOR_DELETE(name##mSt11align_val_t, (void *p, size_t size, size_t align), free_aligned_sized(p, align, size))  \
    OPERATOR_DELETE(name##St11align_val_tRKSt9nothrow_t, (void *p), shim_free(p))
OPERATORS_NEW(_Znwm)
OPERATORS_NEW(_Znam)
OPERATORS_DELETE(_ZdlPv)
OPERATORS_DELETE(_ZdaPv)
