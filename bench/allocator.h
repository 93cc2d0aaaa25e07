/* What an allocator is to the benches that compare them; each is built once in every form it can take:
     BENCH_LIBC   plain malloc and free, whoever provides them (LD_PRELOAD decides)
     BENCH_BUMP   a pointer that moves up: the floor of what making an object can cost
     neither      zslab.h: with ZSLAB_STATIC, with ZSLAB_INLINE, or called: the flags of the build say
   Each form gives
     a_state, a_open(A_OPEN_*)     what a caller holds (NULL with BENCH_LIBC)
     A_MALLOC(a, n)  A_FREE(a, p)  one object
     a_group, A_GROUP_OPEN(a, g), A_GROUP_MALLOC(a, g, n), A_GROUP_CLOSE(a, g)
                                   objects that go together; the caller keeps them in object[] and their number in
                                   count when A_GROUP_ONE_BY_ONE(g): then closing frees each
     A_SCOPE_OPEN(a, g), A_SCOPE_MALLOC(a, g, n), A_SCOPE_CLOSE(a, g)
                                   the same for the few objects of a request
     a_give_back(a)                asks for unused memory to go back to the system; 0: there is no such call
     a_who()                       prints the allocator's file or name and its version
   A bench's answer is lines "metric value" on standard output. */
#ifndef ALLOCATOR_H
#define ALLOCATOR_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define A_OPEN_RSS 1      /* empty pages go back when a group is dropped, where that is a choice */
#define A_OPEN_FALLBACK 2 /* zslab: what is larger than its largest class goes to malloc */

#if BENCH_LIBC

#include <dlfcn.h>
#include <gnu/libc-version.h>
#include <malloc.h>
typedef struct a_state a_state;
#define A_MALLOC(a, n) ((void)(a), malloc(n))
#define A_FREE(a, p) ((void)(a), free(p))
/* mimalloc drops a heap, jemalloc resets an arena; others free one by one. Asked for by name at the start. */
typedef struct a_group {
    void *heap;
    int flags;
    size_t count;
    void *object[100000];
} a_group;
static struct {
    void *(*mi_heap_new)(void), *(*mi_heap_malloc)(void *heap, size_t n), (*mi_heap_destroy)(void *heap);
    void (*mi_collect)(_Bool force);
    void *(*mallocx)(size_t n, int flags);
    int (*mallctl)(const char *name, void *old, size_t *old_bytes, void *new_value, size_t new_bytes);
    void (*tc_release)(void);
    char arena_reset[40];
    int arena_flags;
} peer;
#define A_GROUP_ONE_BY_ONE(g) (!peer.mi_heap_new && !peer.mallocx)

static void find_symbol(const char *name, void *function) /* writes a function pointer, NULL when there is none */
{
    void *f = dlsym(RTLD_DEFAULT, name);
    memcpy(function, &f, sizeof f);
}

static inline a_state *a_open(int options)
{
    (void)options;
    find_symbol("mi_heap_new", &peer.mi_heap_new);
    find_symbol("mi_heap_malloc", &peer.mi_heap_malloc);
    find_symbol("mi_heap_destroy", &peer.mi_heap_destroy);
    find_symbol("mi_collect", &peer.mi_collect);
    find_symbol("mallocx", &peer.mallocx);
    find_symbol("mallctl", &peer.mallctl);
    find_symbol("MallocExtension_ReleaseFreeMemory", &peer.tc_release);
    return NULL;
}

/* An arena of its own, for those that reset one. */
static inline void a_groups_ready(void)
{
    unsigned arena = 0;
    size_t bytes = sizeof arena;
    if (!peer.mallocx || !peer.mallctl || peer.mallctl("arenas.create", &arena, &bytes, NULL, 0)) {
        peer.mallocx = NULL;
        return;
    }
    snprintf(peer.arena_reset, sizeof peer.arena_reset, "arena.%u.reset", arena);
    peer.arena_flags = (int)((arena + 1) << 20 | 1 << 8); /* MALLOCX_ARENA(arena) | MALLOCX_TCACHE_NONE */
}

static inline void group_open(a_group *g)
{
    if (peer.mi_heap_new) g->heap = peer.mi_heap_new();
}

static inline void *group_malloc(a_group *g, size_t n)
{
    if (peer.mi_heap_new) return peer.mi_heap_malloc(g->heap, n);
    return peer.mallocx ? peer.mallocx(n, peer.arena_flags) : malloc(n);
}

static inline void free_each(a_group *g)
{
    for (size_t i = 0; i < g->count; i++) free(g->object[i]);
}

static inline void group_close(a_group *g)
{
    if (peer.mi_heap_new)
        peer.mi_heap_destroy(g->heap);
    else if (peer.mallocx)
        peer.mallctl(peer.arena_reset, NULL, NULL, NULL, 0);
    else
        free_each(g);
}
#define A_GROUP_OPEN(a, g) ((void)(a), group_open(g))
#define A_GROUP_MALLOC(a, g, n) ((void)(a), group_malloc(g, n))
#define A_GROUP_CLOSE(a, g) ((void)(a), group_close(g))
#define A_SCOPE_ONE_BY_ONE(g) 1
#define A_SCOPE_OPEN(a, g) ((void)(a), (void)(g))
#define A_SCOPE_MALLOC(a, g, n) ((void)(a), (void)(g), malloc(n))
#define A_SCOPE_CLOSE(a, g) ((void)(a), free_each(g))

static inline const char *a_file(void) /* the file that provides malloc */
{
    void *(*entry)(size_t) = malloc;
    void *address;
    Dl_info info;
    memcpy(&address, &entry, sizeof address);
    return dladdr(address, &info) && info.dli_fname ? info.dli_fname : "?";
}

static inline int a_is_libc(void) { return strstr(a_file(), "/libc.so") != NULL || strstr(a_file(), "/libc-") != NULL; }

static inline int a_give_back(a_state *a)
{
    (void)a;
    if (peer.mi_collect) return peer.mi_collect(1), 1;
    if (peer.mallctl) /* 4096: all arenas */
        return !peer.mallctl("thread.tcache.flush", NULL, NULL, NULL, 0) +
                   !peer.mallctl("arena.4096.purge", NULL, NULL, NULL, 0) >
               0;
    if (peer.tc_release) return peer.tc_release(), 1;
    return a_is_libc() ? malloc_trim(0), 1 : 0;
}

static inline void a_version(char *text, size_t cap)
{
    int (*mi_version)(void);
    const char *(*tc_version)(int *, int *, const char **);
    find_symbol("mi_version", &mi_version);
    find_symbol("tc_version", &tc_version);
    text[0] = 0;
    if (mi_version) {
        int v = mi_version();
        if (v < 1000)
            snprintf(text, cap, "%d.%d.%d", v / 100, v / 10 % 10, v % 10);
        else
            snprintf(text, cap, "%d.%d.%d", v / 10000, v / 100 % 100, v % 100);
    } else if (peer.mallctl) {
        const char *said = "";
        size_t bytes = sizeof said;
        peer.mallctl("version", &said, &bytes, NULL, 0);
        size_t digits = strncmp(said, "0.0.0", 5) ? strcspn(said, "-") : 0; /* 0.0.0: built without one */
        snprintf(text, cap, "%.*s", (int)digits, said);
    } else if (tc_version) {
        int major = 0, minor = 0;
        const char *patch = "";
        tc_version(&major, &minor, &patch);
        snprintf(text, cap, "%d.%d%s", major, minor, patch);
    } else if (a_is_libc()) {
        snprintf(text, cap, "%s", gnu_get_libc_version());
    }
}

static inline void a_who(void)
{
    char version[64];
    a_open(0);
    a_version(version, sizeof version);
    printf("%s %s\n", a_file(), version);
}

#elif BENCH_BUMP

typedef struct a_state {
    char *next, *base;
} a_state;
typedef struct a_group {
    size_t count;
    void *object[1];
} a_group;

static inline a_state *a_open(int options)
{
    static a_state floor;
    (void)options;
    if (!(floor.base = floor.next = (char *)malloc(64 << 20))) exit(1);
    return &floor;
}

static inline void *bump(a_state *a, size_t n)
{
    char *p = a->next;
    a->next += (n + 15) & ~(size_t)15;
    if (a->next > a->base + (64 << 20)) p = a->base, a->next = p + ((n + 15) & ~(size_t)15);
    return p;
}
#define A_MALLOC(a, n) bump(a, n)
#define A_FREE(a, p) ((void)(a), (void)(p))
#define A_GROUP_ONE_BY_ONE(g) 0
#define A_GROUP_OPEN(a, g) ((a)->next = (a)->base)
#define A_GROUP_MALLOC(a, g, n) bump(a, n)
#define A_GROUP_CLOSE(a, g) ((void)(a), (void)(g))
#define A_SCOPE_ONE_BY_ONE(g) 0
#define A_SCOPE_OPEN(a, g) A_GROUP_OPEN(a, g)
#define A_SCOPE_MALLOC(a, g, n) bump(a, n)
#define A_SCOPE_CLOSE(a, g) A_GROUP_CLOSE(a, g)
#define a_groups_ready() ((void)0)
#define a_who() puts("bump floor")

#else

#include <malloc.h>
#include "zslab.h"
#define BENCH_ZSLAB 1
typedef zslab a_state;
typedef struct a_group {
    zslab_epoch epoch;
    zslab_domain *domain;
    size_t count;
    void *object[1];
} a_group;

static void *fallback_alloc(void *user, size_t size, size_t alignment)
{
    (void)user;
    return alignment > 16 ? aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment) : malloc(size);
}

static void fallback_free(void *user, void *p)
{
    (void)user;
    free(p);
}

static size_t fallback_usable_size(void *user, const void *p)
{
    union {
        const void *in;
        void *out;
    } u = {p}; /* malloc_usable_size takes what it does not write */
    (void)user;
    return malloc_usable_size(u.out);
}

static inline a_state *a_open(int options)
{
    zslab_config config;
    memset(&config, 0, sizeof config);
    if (options & A_OPEN_RSS) config.reclaim = ZSLAB_RECLAIM_RSS;
    if (options & A_OPEN_FALLBACK) {
        config.fallback.alloc = fallback_alloc;
        config.fallback.free = fallback_free;
        config.fallback.usable_size = fallback_usable_size;
    }
    zslab *z = zslab_create(&config);
    if (!z) {
        fprintf(stderr, "zslab_create: %s\n", zslab_result_name(zslab_last_error()));
        exit(1);
    }
    return z;
}

static inline void scope_open(zslab *z, a_group *g)
{
    g->domain = zslab_domain_create(z);
    if (zslab_domain_enter(g->domain) != ZSLAB_OK) exit(1);
}

static inline void scope_close(a_group *g)
{
    (void)zslab_domain_exit(g->domain); /* the last exit releases the epoch */
    (void)zslab_domain_destroy(g->domain);
}
#define A_MALLOC(a, n) zslab_malloc(a, n)
#define A_FREE(a, p) (void)zslab_free(a, p)
#define A_GROUP_ONE_BY_ONE(g) 0
#define A_GROUP_OPEN(a, g) ((g)->epoch = zslab_epoch_open(a, NULL))
#define A_GROUP_MALLOC(a, g, n) zslab_malloc_epoch(a, n, (g)->epoch)
#define A_GROUP_CLOSE(a, g) (void)zslab_epoch_release(a, (g)->epoch)
#define A_SCOPE_ONE_BY_ONE(g) 0
#define A_SCOPE_OPEN(a, g) scope_open(a, g)
#define A_SCOPE_MALLOC(a, g, n) zslab_malloc(a, n)
#define A_SCOPE_CLOSE(a, g) ((void)(a), scope_close(g))
#define a_groups_ready() ((void)0)
static inline int a_give_back(zslab *z)
{
    zslab_trim(z);
    return 1;
}
#define a_who() printf("zslab %d.%d.%d\n", ZSLAB_VERSION_MAJOR, ZSLAB_VERSION_MINOR, ZSLAB_VERSION_PATCH)

#endif
#endif
