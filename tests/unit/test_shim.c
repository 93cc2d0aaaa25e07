/* The malloc family of examples/shim, preloaded: what POSIX and C ask of it, threads, forks, and every misuse named. */
/* build: -fno-builtin -ldl */
/* timeout: 300 */
#include "tests/lib/test.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static const size_t some_sizes[] = {1,     15,    16,    24,    100,    1000,   4096,    8192,    9000,    20000,
                                    32768, 32769, 50000, 70000, 262144, 300000, 1 << 20, 5 << 20, 40 << 20};
#define SIZES (sizeof some_sizes / sizeof *some_sizes)

static volatile size_t hidden; /* 0: what the compiler must not see through */

static size_t opaque(size_t n) { return n + hidden; }

static int aligned(const void *p, size_t to) { return (uintptr_t)p % to == 0; }

static int all_zero(const unsigned char *p, size_t n)
{
    while (n && !*p) p++, n--;
    return n == 0;
}

static void sizes_and_alignment(void)
{
    enum { N = 40 };
    void *p[N];
    size_t i, at;
    for (at = 0; at < SIZES; at++) {
        for (i = 0; i < N; i++) {
            MUST(p[i] = malloc(opaque(some_sizes[at] + i)));
            CHECK(aligned(p[i], 16) && malloc_usable_size(p[i]) >= some_sizes[at] + i);
            test_fill(p[i], some_sizes[at] < 20000 ? some_sizes[at] : 20000, 3);
        }
        for (i = 0; i < N; i++) {
            CHECK(test_filled(p[i], some_sizes[at] < 20000 ? some_sizes[at] : 20000, 3));
            free(p[i]);
        }
    }
}

static void zeroed(void)
{
    size_t at, n;
    for (at = 0; at < SIZES; at++) {
        n = some_sizes[at];
        for (int again = 0; again < 3; again++) {
            unsigned char *p = calloc(opaque(n), 1);
            MUST(p);
            CHECK(all_zero(p, n));
            memset(p, 0xa5, n);
            free(p);
        }
    }
}

static void realloc_every_way(void)
{
    size_t from, to;
    for (from = 0; from < SIZES; from++)
        for (to = 0; to < SIZES; to++) {
            size_t a = some_sizes[from], b = some_sizes[to], both = a < b ? a : b, i, wrong = 0;
            unsigned char *p = malloc(opaque(a)), *q;
            MUST(p);
            for (i = 0; i < a; i += 1 + a / 5000) p[i] = (unsigned char)(i * 7);
            MUST(q = realloc(p, opaque(b)));
            for (i = 0; i < both; i += 1 + a / 5000) wrong += q[i] != (unsigned char)(i * 7);
            test_at("from %zu to %zu", a, b);
            CHECK(wrong == 0 && malloc_usable_size(q) >= b && aligned(q, 16));
            q[b - 1] = 1;
            free(q);
        }
    test_at("%s", "");
}

static void growth_step_by_step(void) /* past the place of others, so that runs move and join */
{
    unsigned char *p[3] = {NULL, NULL, NULL};
    size_t n = 0, i, at, wrong = 0;
    for (at = 0; at < 600; at++) {
        n += 20000;
        for (i = 0; i < 3; i++) {
            MUST(p[i] = realloc(p[i], opaque(n)));
            memset(p[i] + n - 20000, (int)(at + i), 20000);
        }
    }
    for (at = 0; at < 600; at++)
        for (i = 0; i < 3; i++)
            wrong +=
                p[i][at * 20000 + 7] != (unsigned char)(at + i) || p[i][at * 20000 + 19999] != (unsigned char)(at + i);
    CHECK(wrong == 0);
    for (i = 0; i < 3; i++) free(p[i]);
}

static void empty_and_null(void)
{
    void *p = malloc(opaque(0)), *q = malloc(opaque(0)), *r = NULL;
    CHECK(p && q && p != q);
    free(p);
    free(q);
    free(NULL);
    CHECK((p = calloc(opaque(0), 8)) != NULL);
    free(p);
    CHECK((p = realloc(NULL, opaque(40))) != NULL && realloc(p, opaque(0)) == NULL); /* frees, as in glibc */
    CHECK(posix_memalign(&r, 64, opaque(0)) == 0 && r && aligned(r, 64));
    free(r);
    CHECK(malloc_usable_size(NULL) == 0);
}

/* NULL, ENOMEM, nothing else changed. */
#define CHECK_NOMEM(call) (errno = 0, CHECK((call) == NULL && errno == ENOMEM))

static void refusals(void)
{
    static const size_t huge[] = {SIZE_MAX,    SIZE_MAX - 15,   SIZE_MAX - 4096, (size_t)PTRDIFF_MAX + 1,
                                  PTRDIFF_MAX, (size_t)1 << 62, (size_t)1 << 47};
    char *volatile p = malloc(100), *volatile q = malloc(100000);
    void *out = p;
    size_t i;
    MUST(p && q);
    strcpy(p, "untouched");
    strcpy(q, "untouched");
    for (i = 0; i < sizeof huge / sizeof *huge; i++) {
        size_t n = opaque(huge[i]);
        test_at("%zx bytes", n);
        CHECK_NOMEM(malloc(n));
        CHECK_NOMEM(calloc(n, 1));
        CHECK_NOMEM(realloc(p, n));
        CHECK_NOMEM(realloc(q, n));
        CHECK_NOMEM(aligned_alloc(4096, n));
        CHECK_NOMEM(memalign(1 << 20, n));
        CHECK_NOMEM(valloc(n));
        CHECK_NOMEM(pvalloc(n));
        errno = 7;
        CHECK(posix_memalign(&out, 64, n) == ENOMEM && out == p && errno == 7);
    }
    test_at("%s", "");
    CHECK_NOMEM(calloc(opaque((size_t)1 << 33), (size_t)1 << 33));
    CHECK_NOMEM(calloc(opaque(SIZE_MAX / 2 + 1), 2));
    CHECK_NOMEM(reallocarray(p, opaque(SIZE_MAX / 2 + 1), 2));
    CHECK_NOMEM(reallocarray(q, opaque((size_t)1 << 33), (size_t)1 << 33));
    CHECK(!strcmp(p, "untouched") && !strcmp(q, "untouched"));
    MUST(p = reallocarray(p, opaque(1000), 100));
    CHECK(!strcmp(p, "untouched") && malloc_usable_size(p) >= 100000);
    free(p);
    free(q);
}

static void every_alignment(void)
{
    size_t to, at, page = (size_t)sysconf(_SC_PAGESIZE), i;
    void *kept[64];
    for (to = 1; to <= (size_t)16 << 20; to *= 2)
        for (at = 0; at < SIZES; at++) {
            size_t n = opaque(some_sizes[at]);
            void *p = aligned_alloc(to, n), *q = memalign(to, n), *r = NULL;
            test_at("%zu bytes at %zu", n, to);
            CHECK(p && aligned(p, to) && malloc_usable_size(p) >= n);
            CHECK(q && aligned(q, to) && q != p);
            CHECK(posix_memalign(&r, to, n) == (to < sizeof(void *) ? EINVAL : 0) && aligned(r, to));
            memset(p, 1, n < 70000 ? n : 70000);
            memset(q, 2, n < 70000 ? n : 70000);
            CHECK(*(char *)p == 1);
            free(p);
            free(q);
            free(r);
        }
    test_at("%s", "");
    for (i = 0; i < 64; i++) /* what alignment skips is used by others */
        MUST(kept[i] = i & 1 ? malloc(opaque(40000 + i * 999)) : aligned_alloc((size_t)1 << (14 + i % 6), 50000));
    for (i = 0; i < 64; i++) {
        CHECK(i & 1 || aligned(kept[i], (size_t)1 << (14 + i % 6)));
        memset(kept[i], (int)i, 40000);
    }
    for (i = 0; i < 64; i++) {
        CHECK(*(unsigned char *)kept[i] == i);
        free(kept[i]);
    }
    for (at = 0; at < SIZES; at++) {
        void *p = valloc(opaque(some_sizes[at])), *q = pvalloc(opaque(some_sizes[at]));
        CHECK(aligned(p, page) && aligned(q, page) && malloc_usable_size(q) >= page);
        free(p);
        free(q);
    }
}

static void wrong_alignments(void)
{
    static const size_t wrong[] = {0, 3, 24, 48, 4097, SIZE_MAX};
    void *p = &p;
    size_t i;
    for (i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        size_t to = opaque(wrong[i]);
        CHECK(posix_memalign(&p, to, 100) == EINVAL && p == (void *)&p);
        errno = 0;
        CHECK(aligned_alloc(to, 100) == NULL && errno == EINVAL);
        errno = 0;
        CHECK(memalign(to, 100) == NULL && errno == EINVAL);
    }
    CHECK(posix_memalign(&p, opaque(4), 100) == EINVAL && posix_memalign(&p, opaque(2), 100) == EINVAL);
}

static void errno_stays(void)
{
    size_t at;
    for (at = 0; at < SIZES; at++) {
        void *p = malloc(opaque(some_sizes[at]));
        errno = 4242;
        free(p);
        CHECK(errno == 4242);
    }
}

static void many_gigabytes(void) /* address space; only the ends are touched */
{
    char *p = malloc(opaque((size_t)1 << 30)), *q;
    size_t n;
    MUST(p);
    p[0] = 'a', p[((size_t)1 << 30) - 1] = 'b';
    for (n = (size_t)2 << 30; n <= (size_t)8 << 30; n *= 2) {
        if (!(q = realloc(p, opaque(n)))) break; /* a machine that small may refuse */
        p = q;
        p[n - 1] = 'c';
    }
    CHECK(p[0] == 'a' && p[((size_t)1 << 30) - 1] == 'b');
    MUST(p = realloc(p, opaque(100000)));
    CHECK(p[0] == 'a');
    free(p);
}

static uint64_t resident(void) { return zslab_rss_bytes(); }

static void memory_returns(void)
{
    enum { N = 300 };
    static void *p[N];
    uint64_t before = resident(), most;
    for (int i = 0; i < N; i++) {
        MUST(p[i] = malloc(opaque(1 << 20)));
        memset(p[i], 1, 1 << 20);
    }
    most = resident();
    for (int i = 0; i < N; i++) free(p[i]);
    CHECK(most > before + ((uint64_t)N << 20) * 9 / 10);
    CHECK(resident() < before + ((uint64_t)40 << 20));
    malloc_trim(0);
    CHECK(resident() < before + ((uint64_t)8 << 20));
}

/* ---- threads ---- */

static void *filled_object(uint64_t *seed, size_t *n)
{
    uint64_t x = test_random(seed);
    void *p;
    *n = x % 50 == 0 ? 1 + x / 64 % 400000 : 1 + x / 64 % 3000;
    p = malloc(*n);
    if (p) memset(p, (int)(*n & 255), *n < 64 ? *n : 64);
    return p;
}

typedef struct swap_place {
    unsigned char *p;
    size_t n;
} swap_place;
static swap_place places[256];
static pthread_mutex_t places_lock = PTHREAD_MUTEX_INITIALIZER;
static volatile int stop;

static void *swapper(void *arg) /* each object is freed by whoever takes it out */
{
    uint64_t seed = (uint64_t)(uintptr_t)arg;
    for (int i = 0; i < 20000 && !stop; i++) {
        swap_place mine, theirs;
        mine.p = filled_object(&seed, &mine.n);
        if (!mine.p) return (void *)1;
        pthread_mutex_lock(&places_lock);
        theirs = places[seed % 256];
        places[seed % 256] = mine;
        pthread_mutex_unlock(&places_lock);
        if (theirs.p &&
            (theirs.p[0] != (theirs.n & 255) || theirs.p[(theirs.n < 64 ? theirs.n : 64) - 1] != (theirs.n & 255)))
            return (void *)1;
        free(theirs.p);
    }
    return NULL;
}

static void passed_between_threads(void)
{
    pthread_t t[4];
    void *wrong;
    for (size_t i = 0; i < 4; i++) MUST(!pthread_create(&t[i], NULL, swapper, (void *)(i + 1)));
    for (size_t i = 0; i < 4; i++) CHECK(!pthread_join(t[i], &wrong) && !wrong);
    for (size_t i = 0; i < 256; i++) {
        free(places[i].p);
        places[i].p = NULL;
    }
}

static pthread_key_t keys[40];
static void late(void *p) /* in the thread's last moments: before, between and after the allocator's own hook */
{
    void *q = malloc(200), *r = malloc(100000);
    free(p);
    free(q);
    free(r);
}

static void *ends_late(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < 40; i++) pthread_setspecific(keys[i], malloc(64 + i));
    return NULL;
}

static void threads_that_end(void)
{
    pthread_t t;
    uint64_t after_first = 0;
    for (size_t i = 0; i < 40; i++) MUST(!pthread_key_create(&keys[i], late));
    for (int i = 0; i < 2000; i++) {
        MUST(!pthread_create(&t, NULL, ends_late, NULL));
        MUST(!pthread_join(t, NULL));
        if (i == 200) after_first = resident();
    }
    CHECK(resident() < after_first + (4 << 20)); /* heaps of ended threads serve again */
    for (size_t i = 0; i < 40; i++) pthread_key_delete(keys[i]);
}

/* ---- fork, signals, plugins ---- */

static int ends_well(pid_t child)
{
    int status = -1;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void *thread_in_child(void *arg) { return swapper(arg); }

static void forks_beside_threads(void)
{
    pthread_t t[2];
    void *wrong;
    stop = 0;
    for (int round = 0; round < 25; round++) {
        for (size_t i = 0; i < 2; i++) MUST(!pthread_create(&t[i], NULL, swapper, (void *)(i + 7)));
        for (int n = 0; n < 2; n++) {
            pid_t child = fork();
            if (child == 0) {
                uint64_t seed = 5;
                size_t bytes;
                alarm(250);
                for (int i = 0; i < 2000; i++) {
                    unsigned char *p = filled_object(&seed, &bytes), *q = realloc(p, bytes * 2);
                    if (!p || !q || q[0] != (bytes & 255)) _exit(1);
                    free(q);
                }
                pthread_mutex_init(&places_lock, NULL);
                memset(places, 0, sizeof places);
                if (pthread_create(&t[0], NULL, thread_in_child, (void *)9) || pthread_join(t[0], &wrong) || wrong)
                    _exit(2);
                _exit(0);
            }
            CHECK(child > 0 && ends_well(child));
        }
        for (size_t i = 0; i < 2; i++) CHECK(!pthread_join(t[i], &wrong) && !wrong);
    }
}

static void *volatile for_handler[64];
static volatile sig_atomic_t handled;
static void handler(int sig)
{
    (void)sig;
    for (int i = 0; i < 64; i++)
        if (for_handler[i]) {
            void *p = for_handler[i];
            for_handler[i] = NULL;
            free(p);
            handled++;
            return;
        }
}

static void frees_in_a_handler(void) /* large ones, whose lock the handler may have interrupted */
{
    struct itimerval every = {{0, 200}, {0, 200}}, never = {{0, 0}, {0, 0}};
    struct sigaction action, before;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    sigaction(SIGALRM, &action, &before);
    setitimer(ITIMER_REAL, &every, NULL);
    for (int i = 0; handled < 100; i++) {
        void *p = malloc(opaque(40000)), *q = malloc(opaque(70000));
        if (!for_handler[i % 64])
            for_handler[i % 64] = q;
        else
            free(q);
        free(p);
    }
    setitimer(ITIMER_REAL, &never, NULL);
    sigaction(SIGALRM, &before, NULL);
    for (int i = 0; i < 64; i++) {
        free(for_handler[i]);
        for_handler[i] = NULL;
    }
    CHECK(handled >= 100);
}

static int with_little_address_space(void) /* the work of a child that may map 300 MB in all */
{
    void *p[100];
    int wrong = 0;
    for (size_t i = 0; i < 100; i++) wrong += !(p[i] = malloc(opaque(i * 500)));
    wrong += malloc(opaque((size_t)1 << 30)) != NULL || errno != ENOMEM;
    for (size_t i = 0; i < 100; i++) free(p[i]);
    return wrong;
}

static int with_little_data(void) /* one of 100 MB: a little over half a chunk costs three pages of its four */
{
    size_t bytes = 0;
    void **p;
    for (; (p = malloc(opaque(9000))) != NULL; bytes += 9000) *p = p;
    return errno != ENOMEM || bytes < 50000000;
}

static void under_a_limit(char *program, int what, size_t bytes, const char *work)
{
    char *again[] = {program, NULL};
    pid_t child = fork();
    if (child == 0) {
        struct rlimit most = {bytes, bytes};
        setrlimit((enum __rlimit_resource)what, &most);
        setenv(work, "1", 1);
        execv(program, again);
        _exit(9);
    }
    CHECK(child > 0 && ends_well(child));
}

static void plugins(void)
{
    uint64_t before = 0;
    for (int i = 0; i < 300; i++) {
        void *plugin = dlopen("libresolv.so.2", RTLD_NOW | RTLD_LOCAL);
        MUST(plugin);
        CHECK(dlsym(plugin, "no such symbol") == NULL && dlerror() != NULL);
        dlclose(plugin);
        if (i == 50) before = resident();
    }
    CHECK(resident() < before + (2 << 20));
}

/* ---- misuse: each deed in a child, its line read back ---- */

static void *free_it(void *p)
{
    free(p);
    return NULL;
}

static char fixed_memory[400000];

typedef struct deed {
    const char *name, *says;
    void *(*prepare)(size_t size);
    void (*commit)(void *p, size_t size);
} deed;

static void *freed(size_t size)
{
    void *p = malloc(opaque(size));
    free(p);
    return p;
}
static void *freed_by_another(size_t size)
{
    void *p = malloc(opaque(size));
    test_in_thread(free_it, p);
    return p;
}
static void *freed_among_others(size_t size) /* with neighbours free on both sides */
{
    void *before = malloc(opaque(size)), *p = malloc(opaque(size)), *after = malloc(opaque(size));
    free(after);
    free(before);
    free(p);
    return p;
}
static void *inside(size_t size) { return (char *)malloc(opaque(size)) + 16; }
static void *middle(size_t size) { return (char *)malloc(opaque(size)) + size / 2 / 16 * 16; }
static void *foreign(size_t size) { return fixed_memory + size / 2; }
static void *wild(size_t size) { return (void *)(uintptr_t)(0x123450000000u + size); }
static void do_free(void *p, size_t size) { (void)size, free(p); }
static void do_free_elsewhere(void *p, size_t size) { (void)size, test_in_thread(free_it, p); }
static void do_realloc(void *p, size_t size) { p = realloc(p, opaque(size * 3)); }

static const deed deeds[] = {
    {"twice", "double free", freed, do_free},
    {"twice, first by another thread", "double free", freed_by_another, do_free},
    {"twice, then by another thread", "double free", freed, do_free_elsewhere},
    {"twice, neighbours free", "double free", freed_among_others, do_free},
    {"inside", "misaligned pointer", inside, do_free},
    {"in the middle", "misaligned pointer", middle, do_free},
    {"inside, another thread", "misaligned pointer", inside, do_free_elsewhere},
    {"foreign", "foreign pointer", foreign, do_free},
    {"wild", "foreign pointer", wild, do_free},
    {"realloc of a freed object", "double free", freed, do_realloc},
    {"realloc inside", "misaligned pointer", inside, do_realloc},
    {"realloc of a foreign pointer", "foreign pointer", foreign, do_realloc},
};

/* What a child that does the deed says on stderr; and how it ends. */
static int deed_done(const deed *d, size_t size, const char *mode, char *said, size_t cap, void **p)
{
    int ends[2], status = 0;
    size_t n = 0;
    ssize_t got;
    pid_t child;
    MUST(!pipe(ends));
    child = fork();
    if (child == 0) {
        struct rlimit none = {0, 0};
        void *wrong;
        setrlimit(RLIMIT_CORE, &none);
        alarm(250);
        setenv("ZSLAB_SHIM", mode, 1);
        wrong = d->prepare(size);
        if (write(ends[1], &wrong, sizeof wrong) != sizeof wrong) _exit(9);
        dup2(ends[1], 2);
        d->commit(wrong, size);
        for (int i = 0; i < 100; i++) /* and life goes on */
            free(malloc(opaque(size)));
        _exit(0);
    }
    close(ends[1]);
    MUST(read(ends[0], p, sizeof *p) == sizeof *p);
    while (n < cap - 1 && (got = read(ends[0], said + n, cap - 1 - n)) > 0) n += (size_t)got;
    said[n] = 0;
    close(ends[0]);
    waitpid(child, &status, 0);
    return status;
}

static void misuse_named(void)
{
    static const size_t sizes[] = {32, 256, 4096, 300000};
    char said[300], line[100];
    for (size_t i = 0; i < sizeof deeds / sizeof *deeds; i++)
        for (size_t s = 0; s < 4; s++) {
            void *p;
            int status = deed_done(&deeds[i], sizes[s], "abort", said, sizeof said, &p);
            snprintf(line, sizeof line, "zslab: %s: %p\n", deeds[i].says, p);
            test_at("%s, %zu bytes: %.60s", deeds[i].name, sizes[s], said);
            CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT && !strcmp(said, line));
            status = deed_done(&deeds[i], sizes[s], "report", said, sizeof said, &p);
            snprintf(line, sizeof line, "zslab: %s: %p\n", deeds[i].says, p);
            CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0 && !strcmp(said, line));
        }
    test_at("%s", "");
}

/* ---- buffers that grow by turns, a size that is given back with, a limit set while the program runs ---- */
static int mappings(void)
{
    FILE *f = fopen("/proc/self/maps", "r");
    int lines = 0, c;
    MUST(f);
    while ((c = fgetc(f)) != EOF) lines += c == '\n';
    fclose(f);
    return lines;
}

static void growth_by_turns(void)
{
    enum { N = 40 };
    char *p[N] = {NULL};
    int before = mappings(), i;
    size_t bytes;
    for (bytes = 17000; bytes < 700000; bytes += 45000)
        for (i = 0; i < N; i++) {
            MUST(p[i] = realloc(p[i], opaque(bytes)));
            CHECK(bytes == 17000 || (p[i][0] == i && p[i][bytes - 45001] == i));
            p[i][0] = p[i][bytes - 1] = (char)i;
        }
    CHECK(mappings() <= before + 8);
    for (i = 0; i < N; i++) free(p[i]);
}

static void freed_with_their_size(void)
{
    void (*sized)(void *, size_t), (*aligned_sized)(void *, size_t, size_t);
    void *at = dlsym(RTLD_DEFAULT, "free_sized"), *at_aligned = dlsym(RTLD_DEFAULT, "free_aligned_sized");
    size_t i;
    MUST(at && at_aligned);
    memcpy(&sized, &at, sizeof at);
    memcpy(&aligned_sized, &at_aligned, sizeof at_aligned);
    for (i = 0; i < SIZES; i++) {
        void *p = malloc(opaque(some_sizes[i])), *q = aligned_alloc(256, opaque((some_sizes[i] + 255) / 256 * 256));
        MUST(p && q);
        MUST(p = realloc(p, opaque(some_sizes[i] / 4 * 3 + 1)));
        sized(p, some_sizes[i] / 4 * 3 + 1);
        aligned_sized(q, 256, (some_sizes[i] + 255) / 256 * 256);
    }
    sized(NULL, 5);
}

static void limit_set_later(void) /* in a child: limits stay */
{
    pid_t child = fork();
    if (!child) {
        struct rlimit most = {(rlim_t)4 << 30, (rlim_t)4 << 30}; /* more than the tests before have made use of */
        int bad = setrlimit(RLIMIT_AS, &most) != 0;
        char *p = malloc(opaque((size_t)200 << 20));
        pthread_t t;
        bad |= !p || pthread_create(&t, NULL, free_it, p) || pthread_join(t, NULL);
        bad |= (p = malloc(opaque((size_t)4 << 30))) != NULL;
        for (size_t i = 0; i < SIZES; i++) bad |= !malloc(opaque(some_sizes[i]));
        test_leave(bad);
    }
    CHECK(ends_well(child));
}

int main(int argc, char **argv)
{
    static const char library[] = "build/libzslab_malloc.so";
    char command[4096], *slash;
    (void)argc;
    if (TEST_SANITIZED || sizeof(void *) != 8)
        return test_skip("the shim is preloaded into a program of 64 bits without a sanitizer");
    if (!getenv("LD_PRELOAD")) {
        char path[4096];
        MUST(realpath(library, path));
        setenv("LD_PRELOAD", path, 1);
        execv(argv[0], argv);
        return test_skip(strerror(errno));
    }
    MUST(dlsym(RTLD_DEFAULT, "_ZnwmSt11align_val_t")); /* the library is there */
    if (getenv("TEST_SHIM_LITTLE")) return with_little_address_space();
    if (getenv("TEST_SHIM_DATA")) return with_little_data();
    limit_set_later();
    sizes_and_alignment();
    zeroed();
    realloc_every_way();
    growth_step_by_step();
    growth_by_turns();
    freed_with_their_size();
    empty_and_null();
    refusals();
    every_alignment();
    wrong_alignments();
    errno_stays();
    many_gigabytes();
    memory_returns();
    passed_between_threads();
    threads_that_end();
    forks_beside_threads();
    frees_in_a_handler();
    under_a_limit(argv[0], RLIMIT_AS, 300000000, "TEST_SHIM_LITTLE");
    under_a_limit(argv[0], RLIMIT_DATA, 100000000, "TEST_SHIM_DATA");
    plugins();
    misuse_named();
    snprintf(command, sizeof command, "%s", argv[0]); /* the C++ half is a program of its own beside this one */
    slash = strrchr(command, '/');
    snprintf(slash ? slash + 1 : command, 32, "shim_cpp");
    CHECK(system(command) == 0);
    return test_summary("shim");
}
