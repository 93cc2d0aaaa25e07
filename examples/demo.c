/* Who:   anybody who wonders what zslab would do to a real program.
   Wants: the same work with libc malloc and with zslab, measured the same way, on this machine, on own files.
   Watch: the result is the same; time and tails; how much memory is held at the peak and after the work;
          that wrong frees are answered instead of corrupting the heap.
     demo [-o rss.svg] [-r runs] [-m MiB] [file or folder]...       (default: /usr/include)
   Two threads index the text: what one allocates the other frees, both ways (demo_index.h). Every run is a
   process of its own, so its memory is its own; this process watches from outside.
   Build: cc -O2 -I.. -pthread demo.c */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#define ZSLAB_STATIC 1
#define ZSLAB_IMPLEMENTATION
#include "zslab.h"

enum {
    IX_BUCKETS = 1 << 17,
    IX_SEEN = 1 << 12,
    IX_QUEUE = 64,
    IX_BATCH = 256,
    IX_LINES_MAX = 240,
    IX_WORD_MAX = 200,
    IX_TEXT_MAX = 4 << 20,
    IX_TOP = 8,
    IX_SAMPLES = 1 << 15
};
enum { IX_BUILDING, IX_BUILT, IX_FREED, IX_TRIMMED, IX_MARKS };

typedef struct ix_totals {
    uint64_t tokens, terms, postings, distinct_in_files, summary_hash, index_hash;
    struct {
        uint32_t count;
        char text[24];
    } top[IX_TOP];
} ix_totals;

/* 32 steps to each doubling: 3 % exact */
typedef struct ix_histogram {
    uint64_t count, longest, bucket[64 * 32];
} ix_histogram;
typedef struct ix_times {
    ix_histogram allocate, release;
} ix_times;

typedef struct ix_result { /* shared with the watching process */
    double seconds, trim_seconds;
    double mark_at[IX_MARKS];
    uint64_t mark_rss[IX_MARKS];
    ix_totals totals;
    ix_times times;
    int misuse_wrong, misuse_count;
    char misuse[12][80];
    uint64_t requests, request_bytes, slot_bytes;        /* when sizes are sampled: asked for, and taken by slots */
    uint32_t class_bytes[256], class_count, table_count; /* the best table of as many classes as the run had */
    int done;
} ix_result;

typedef struct ix_curve {
    int count;
    double at[IX_SAMPLES];
    uint64_t rss[IX_SAMPLES];
} ix_curve;

typedef struct ix_side { /* one allocator's best run, and its timed run */
    ix_result best, timed;
    ix_curve curve;
    uint64_t peak_rss;
    double start;
} ix_side;

static struct {
    char **path;
    uint32_t count, room;
    uint64_t bytes, left_out;
} ix_corpus;
static zslab_config ix_config; /* all defaults but where size classes are looked at */
static char ix_text[IX_TEXT_MAX];
static double ix_ns_per_tick;
static uint64_t ix_tick_overhead;

static void ix_die(const char *what)
{
    fprintf(stderr, "demo: %s\n", what);
    exit(1);
}

/* ---- time ---- */

static double ix_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static inline uint64_t ix_ticks(void)
{
#if defined(__x86_64__) || defined(__i386__)
    return __builtin_ia32_rdtsc();
#else
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
#endif
}

static inline void ix_record(ix_histogram *h, uint64_t ticks)
{
    uint64_t v = ticks > ix_tick_overhead ? ticks - ix_tick_overhead : 0;
    unsigned at = (unsigned)v;
    if (v >= 32) {
        unsigned e = 63u - (unsigned)__builtin_clzll(v);
        at = (e - 4) * 32 + (unsigned)(v >> (e - 5)) - 32;
    }
    h->bucket[at]++;
    h->count++;
    if (v > h->longest) h->longest = v;
}

static double ix_quantile(const ix_histogram *h, double q)
{
    uint64_t wanted = (uint64_t)((double)h->count * q), sum = 0;
    for (unsigned i = 0; i < sizeof h->bucket / sizeof h->bucket[0]; i++) {
        if ((sum += h->bucket[i]) <= wanted) continue;
        double ticks = i < 32 ? i : (double)(32 + i % 32) * (double)(1ull << (i / 32 - 1));
        return ticks * ix_ns_per_tick;
    }
    return 0;
}

static void ix_merge(const ix_times *a, const ix_times *b, ix_result *out)
{
    const ix_histogram *from[2][2] = {{&a->allocate, &b->allocate}, {&a->release, &b->release}};
    ix_histogram *to[2] = {&out->times.allocate, &out->times.release};
    for (int i = 0; i < 4; i++) {
        const ix_histogram *f = from[i / 2][i % 2];
        ix_histogram *t = to[i / 2];
        t->count += f->count;
        if (f->longest > t->longest) t->longest = f->longest;
        for (unsigned k = 0; k < sizeof f->bucket / sizeof f->bucket[0]; k++) t->bucket[k] += f->bucket[k];
    }
}

static void ix_calibrate(void)
{
    double begin = ix_seconds();
    uint64_t first = ix_ticks(), least = ~(uint64_t)0;
    while (ix_seconds() - begin < 0.02) {
        uint64_t t = ix_ticks(), u = ix_ticks();
        if (u - t < least) least = u - t;
    }
    ix_ns_per_tick = (ix_seconds() - begin) * 1e9 / (double)(ix_ticks() - first);
    ix_tick_overhead = least;
}

/* ---- memory, seen from the kernel ---- */

static uint64_t ix_rss(pid_t pid)
{
    char path[40], text[128];
    unsigned long total = 0, resident = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    int fd = open(path, O_RDONLY);
    if (fd < 0) return 0;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = 0;
    if (sscanf(text, "%lu %lu", &total, &resident) != 2) return 0;
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void ix_mark(ix_result *out, int mark)
{
    out->mark_rss[mark] = ix_rss(getpid());
    out->mark_at[mark] = ix_seconds();
}

/* so that the curve shows the level */
static void ix_pause(void) { nanosleep(&(struct timespec){0, 60000000}, NULL); }

/* ---- text ---- */

static uint64_t ix_hash(const char *p, size_t n)
{
    uint64_t h = 14695981039346656037u;
    while (n--) h = (h ^ (unsigned char)*p++) * 1099511628211u;
    return h ^ h >> 29;
}

static int ix_is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static void ix_keep_top(ix_totals *t, const char *text, uint16_t length, uint32_t count)
{
    char word[sizeof t->top[0].text];
    int at = IX_TOP;
    snprintf(word, sizeof word, "%.*s", (int)length, text);
    while (at > 0 &&
           (count > t->top[at - 1].count || (count == t->top[at - 1].count && strcmp(word, t->top[at - 1].text) < 0))) {
        at--;
    }
    if (at == IX_TOP) return;
    memmove(&t->top[at + 1], &t->top[at], (size_t)(IX_TOP - 1 - at) * sizeof t->top[0]);
    t->top[at].count = count;
    memcpy(t->top[at].text, word, sizeof word);
}

static size_t ix_read_file(const char *path)
{
    int fd = open(path, O_RDONLY);
    size_t used = 0;
    if (fd < 0) return 0;
    for (ssize_t n; used < IX_TEXT_MAX && (n = read(fd, ix_text + used, IX_TEXT_MAX - used)) > 0;) used += (size_t)n;
    close(fd);
    return used;
}

#if defined(__GNUC__) && !defined(__clang__) /* its analyzer loses sight of what a reallocated array points to */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif
static void ix_add_file(const char *path, uint64_t limit)
{
    size_t bytes = ix_read_file(path); /* also warms the page cache for everyone */
    if (bytes == 0 || memchr(ix_text, 0, bytes < 4096 ? bytes : 4096)) return; /* empty, unreadable or not text */
    if (ix_corpus.bytes + bytes > limit) {
        ix_corpus.left_out++;
        return;
    }
    if (ix_corpus.count == ix_corpus.room) {
        ix_corpus.room = ix_corpus.room ? ix_corpus.room * 2 : 1024;
        ix_corpus.path = realloc(ix_corpus.path, ix_corpus.room * sizeof *ix_corpus.path);
        if (!ix_corpus.path) ix_die("out of memory");
    }
    char *own = strdup(path);
    if (!own) ix_die("out of memory");
    ix_corpus.path[ix_corpus.count++] = own;
    ix_corpus.bytes += bytes;
}
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

static void ix_add(const char *path, uint64_t limit, int named)
{
    struct stat st;
    if (lstat(path, &st) || (named && S_ISLNK(st.st_mode) && stat(path, &st))) {
        if (!named) return;
        fprintf(stderr, "demo: %s: %s\n", path, strerror(errno));
        exit(1);
    }
    if (S_ISREG(st.st_mode)) ix_add_file(path, limit);
    if (!S_ISDIR(st.st_mode)) return;
    struct dirent **entry;
    int n = scandir(path, &entry, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        char below[4096];
        if (entry[i]->d_name[0] != '.' &&
            snprintf(below, sizeof below, "%s/%s", path, entry[i]->d_name) < (int)sizeof below) {
            ix_add(below, limit, 0);
        }
        free(entry[i]);
    }
    if (n >= 0) free(entry);
}

/* ---- the same work, four times: each allocator, plain and with every call timed ---- */

#ifdef __GLIBC__
#define LIBC_TRIM(z) ((void)(z), malloc_trim(0))
#else
#define LIBC_TRIM(z) ((void)(z))
#endif
#define LIBC_MALLOC(z, n) ((void)(z), malloc(n))
#define LIBC_FREE(z, p) ((void)(z), free(p))

#define IX(name) libc_plain_##name
#define IX_MALLOC(z, n) LIBC_MALLOC(z, n)
#define IX_FREE(z, p) LIBC_FREE(z, p)
#define IX_TRIM(z) LIBC_TRIM(z)
#define IX_TIMED 0
#include "demo_index.h"
#define IX(name) libc_timed_##name
#define IX_MALLOC(z, n) LIBC_MALLOC(z, n)
#define IX_FREE(z, p) LIBC_FREE(z, p)
#define IX_TRIM(z) LIBC_TRIM(z)
#define IX_TIMED 1
#include "demo_index.h"
#define IX(name) with_zslab_##name
#define IX_MALLOC(z, n) zslab_malloc((zslab *)(z), n)
#define IX_FREE(z, p) (void)zslab_free((zslab *)(z), p)
#define IX_TRIM(z) zslab_trim((zslab *)(z))
#define IX_TIMED 0
#include "demo_index.h"
#define IX(name) with_zslab_timed_##name
#define IX_MALLOC(z, n) zslab_malloc((zslab *)(z), n)
#define IX_FREE(z, p) (void)zslab_free((zslab *)(z), p)
#define IX_TRIM(z) zslab_trim((zslab *)(z))
#define IX_TIMED 1
#include "demo_index.h"

/* ---- wrong deeds, and what zslab answers ---- */

typedef struct ix_freer {
    zslab *z;
    void *p;
    zslab_result answer;
} ix_freer;

static void *ix_free_elsewhere(void *arg)
{
    ix_freer *f = arg;
    f->answer = zslab_free(f->z, f->p);
    return NULL;
}

static void ix_expect(ix_result *out, const char *deed, zslab_result wanted, zslab_result got)
{
    snprintf(out->misuse[out->misuse_count++], sizeof out->misuse[0], "%-47s %s%s", deed, zslab_result_name(got),
             got == wanted ? "" : "  WRONG");
    out->misuse_wrong += got != wanted;
}

static zslab_result ix_refused(const void *p) { return p ? ZSLAB_OK : zslab_last_error(); }

static void ix_misuse(zslab *z, ix_result *out)
{
    int on_stack = 0;
    pthread_t other;
    char *live = zslab_malloc(z, 100), *twice = zslab_malloc(z, 100), *crossed = zslab_malloc(z, 100);
    ix_freer f = {z, crossed, ZSLAB_OK};
    if (!live || !twice || !crossed) ix_die("out of memory");
    memset(live, 'z', 100);
    ix_expect(out, "free of a variable on the stack", ZSLAB_E_FOREIGN, zslab_free(z, &on_stack));
    ix_expect(out, "free of a pointer into the middle of an object", ZSLAB_E_MISALIGNED, zslab_free(z, live + 8));
    ix_expect(out, "free", ZSLAB_OK, zslab_free(z, twice));
    ix_expect(out, "the same free again", ZSLAB_E_DOUBLE_FREE, zslab_free(z, twice));
    if (pthread_create(&other, NULL, ix_free_elsewhere, &f)) ix_die("pthread_create");
    pthread_join(other, NULL);
    ix_expect(out, "free by another thread", ZSLAB_OK, f.answer);
    ix_expect(out, "the same free again, here", ZSLAB_E_DOUBLE_FREE, zslab_free(z, crossed));
    ix_expect(out, "allocation of 0 bytes", ZSLAB_E_INVALID, ix_refused(zslab_malloc(z, 0)));
    ix_expect(out, "allocation of more than the range", ZSLAB_E_TOO_BIG, ix_refused(zslab_malloc(z, SIZE_MAX / 2)));
    for (int i = 0; i < 100; i++) out->misuse_wrong += live[i] != 'z';
    ix_expect(out, "a neighbour of all this is intact; its free", ZSLAB_OK, zslab_free(z, live));
    ix_expect(out, "zslab_check over the whole allocator", ZSLAB_OK, zslab_check(z, NULL, NULL));
}

/* ---- sizes asked for ---- */

static void ix_sizes(zslab *z, ix_result *out)
{
    zslab_global_stats g;
    zslab_stats_global(z, &g);
    out->requests = g.sampled_requests;
    out->request_bytes = g.sampled_request_bytes;
    out->slot_bytes = g.sampled_slot_bytes;
    out->table_count = g.class_count;
    out->class_count = (uint32_t)zslab_suggest_classes(z, out->class_bytes, g.class_count);
}

/* ---- a run: a child works, this process watches its memory ---- */

static void ix_child(int is_zslab, int timed, ix_result *out)
{
    if (!is_zslab) {
        (timed ? libc_timed_run : libc_plain_run)(NULL, out);
    } else {
        zslab *z = zslab_create(&ix_config);
        if (!z) ix_die(zslab_result_name(zslab_last_error()));
        (timed ? with_zslab_timed_run : with_zslab_run)(z, out);
        ix_sizes(z, out);
        if (timed) ix_misuse(z, out);
        zslab_destroy(z);
    }
    out->done = 1;
    _exit(0);
}

/* Fills `out` and `curve`; returns the peak the kernel saw. */
static uint64_t ix_run(int is_zslab, int timed, ix_result *out, ix_curve *curve)
{
    ix_result *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct rusage usage;
    int status = 0;
    if (shared == MAP_FAILED) ix_die("mmap");
    fflush(stdout);
    pid_t pid = fork();
    if (pid < 0) ix_die("fork");
    if (pid == 0) ix_child(is_zslab, timed, shared);
    curve->count = 0;
    while (wait4(pid, &status, WNOHANG, &usage) == 0) {
        uint64_t rss = ix_rss(pid);
        if (rss && curve->count < IX_SAMPLES) {
            curve->at[curve->count] = ix_seconds();
            curve->rss[curve->count++] = rss;
        }
        nanosleep(&(struct timespec){0, 2000000}, NULL);
    }
    *out = *shared;
    munmap(shared, sizeof *shared);
    if (!WIFEXITED(status) || WEXITSTATUS(status) || !out->done) ix_die("a run failed");
    return (uint64_t)usage.ru_maxrss * 1024;
}

/* ---- what comes out ---- */

static double mib(uint64_t bytes) { return (double)bytes / (1 << 20); }

static void ix_table(const ix_side *libc, const ix_side *zs, int runs)
{
    static const struct {
        const char *name;
        double q;
    } rows[] = {{"p50", 0.5}, {"p99", 0.99}, {"p99.9", 0.999}};
    printf("%-40s %14s %14s\n", "", "libc malloc", "zslab");
    printf("index, answer, free (best of %d)%-8s %12.3f s %12.3f s\n", runs, "", libc->best.seconds, zs->best.seconds);
    for (int f = 0; f < 2; f++) {
        const ix_histogram *a = f ? &libc->timed.times.release : &libc->timed.times.allocate;
        const ix_histogram *b = f ? &zs->timed.times.release : &zs->timed.times.allocate;
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            printf("%-9s %-30s %11.0f ns %11.0f ns\n",
                   i   ? ""
                   : f ? "free"
                       : "allocate",
                   rows[i].name, ix_quantile(a, rows[i].q), ix_quantile(b, rows[i].q));
        }
        printf("%-9s %-30s %11.0f us %11.0f us\n", "", "max (with the scheduler's pauses)",
               (double)a->longest * ix_ns_per_tick / 1e3, (double)b->longest * ix_ns_per_tick / 1e3);
    }
    printf("%-40s %10.1f MiB %10.1f MiB\n", "resident: peak", mib(libc->peak_rss), mib(zs->peak_rss));
    printf("%-40s %10.1f MiB %10.1f MiB\n", "resident: all freed", mib(libc->best.mark_rss[IX_FREED]),
           mib(zs->best.mark_rss[IX_FREED]));
    printf("%-40s %10.1f MiB %10.1f MiB\n", "resident: after malloc_trim / zslab_trim",
           mib(libc->best.mark_rss[IX_TRIMMED]), mib(zs->best.mark_rss[IX_TRIMMED]));
    printf("%-40s %11.1f ms %11.1f ms\n", "the trim took", libc->best.trim_seconds * 1e3, zs->best.trim_seconds * 1e3);
    printf("\nmisuse, with zslab (libc: undefined behaviour, not tried):\n");
    for (int i = 0; i < zs->timed.misuse_count; i++) printf("  %s\n", zs->timed.misuse[i]);
}

enum { SVG_W = 900, SVG_H = 420, SVG_L = 64, SVG_R = 130, SVG_T = 64, SVG_B = 48 };

typedef struct ix_plot {
    FILE *f;
    double seconds, top; /* the axes' ends; top in MiB */
} ix_plot;

static double plot_x(const ix_plot *p, double s) { return SVG_L + s / p->seconds * (SVG_W - SVG_L - SVG_R); }

static double plot_y(const ix_plot *p, double m) { return SVG_H - SVG_B - m / p->top * (SVG_H - SVG_T - SVG_B); }

static double step_for(double range, int steps) /* 1, 2 or 5 times a power of ten */
{
    double s = 0.001;
    while (range / s > steps)
        s *= range / s / 10 > steps ? 10 : range / s / 2 <= steps ? 2 : range / s / 5 <= steps ? 5 : 10;
    return s;
}

static void plot_axes(const ix_plot *p)
{
    double dy = step_for(p->top, 6), dx = step_for(p->seconds, 8);
    for (int i = 0; i * dy <= p->top + 1e-9; i++) {
        double m = i * dy;
        fprintf(p->f,
                "<path d='M%d %.1fH%d' class='grid'/><text x='%d' y='%.1f' class='tick' "
                "text-anchor='end'>%g</text>\n",
                SVG_L, plot_y(p, m), SVG_W - SVG_R, SVG_L - 8, plot_y(p, m) + 4, m);
    }
    for (int i = 0; i * dx <= p->seconds + 1e-9; i++) {
        double s = i * dx;
        fprintf(p->f, "<text x='%.1f' y='%d' class='tick' text-anchor='middle'>%.3g</text>\n", plot_x(p, s),
                SVG_H - SVG_B + 18, s);
    }
    fprintf(p->f, "<text x='%d' y='%d' class='tick' text-anchor='middle'>seconds</text>\n", (SVG_L + SVG_W - SVG_R) / 2,
            SVG_H - 10);
    fprintf(p->f, "<text x='%d' y='%d' class='tick'>MiB resident</text>\n", 16, SVG_T - 14);
}

static void plot_side(const ix_plot *p, const ix_side *s, const char *name, const char *color, int label_shift)
{
    double last_x = 0, last_y = 0;
    fprintf(p->f, "<path fill='none' stroke='%s' stroke-width='2' stroke-linejoin='round' d='", color);
    for (int i = 0; i < s->curve.count; i++) {
        last_x = plot_x(p, s->curve.at[i] - s->start);
        last_y = plot_y(p, mib(s->curve.rss[i]));
        fprintf(p->f, "%c%.1f %.1f", i ? 'L' : 'M', last_x, last_y);
    }
    fprintf(p->f, "'/>\n");
    for (int m = IX_BUILT; m < IX_MARKS; m++) {
        fprintf(p->f, "<circle cx='%.1f' cy='%.1f' r='4' fill='%s' stroke='white' stroke-width='1.5'/>\n",
                plot_x(p, s->best.mark_at[m] - s->start), plot_y(p, mib(s->best.mark_rss[m])), color);
    }
    fprintf(p->f, "<text x='%.1f' y='%.1f' class='name' fill='%s'>%s</text>\n", last_x + 8, last_y + 4 + label_shift,
            color, name);
    fprintf(p->f, "<text x='%.1f' y='%.1f' class='tick'>%.1f MiB left</text>\n", last_x + 8, last_y + 19 + label_shift,
            mib(s->best.mark_rss[IX_TRIMMED]));
}

static double length_of(const ix_side *s) { return s->curve.count ? s->curve.at[s->curve.count - 1] - s->start : 0; }

static void ix_svg(const char *file, const ix_side *libc, const ix_side *zs)
{
    FILE *f = fopen(file, "w");
    double longer = length_of(libc) > length_of(zs) ? length_of(libc) : length_of(zs);
    uint64_t higher = libc->peak_rss > zs->peak_rss ? libc->peak_rss : zs->peak_rss;
    ix_plot p = {f, longer * 1.02, mib(higher) * 1.08};
    if (!f) ix_die(strerror(errno));
    fprintf(f,
            "<svg xmlns='http://www.w3.org/2000/svg' width='%d' height='%d' viewBox='0 0 %d %d'>\n"
            "<style>text{font-family:system-ui,sans-serif}.title{font-size:16px;font-weight:600;fill:#222}"
            ".tick{font-size:12px;fill:#555}.name{font-size:13px;font-weight:600}.grid{stroke:#e3e3e3}</style>\n"
            "<rect width='100%%' height='100%%' fill='white'/>\n"
            "<text x='16' y='26' class='title'>Memory while indexing %u files, %.1f MiB of text</text>\n"
            "<text x='%d' y='26' class='tick' text-anchor='end'>dots: index built, all freed, trimmed</text>\n",
            SVG_W, SVG_H, SVG_W, SVG_H, ix_corpus.count, mib(ix_corpus.bytes), SVG_W - 16);
    plot_axes(&p);
    double gap = plot_y(&p, mib(libc->best.mark_rss[IX_TRIMMED])) - plot_y(&p, mib(zs->best.mark_rss[IX_TRIMMED]));
    double apart = (length_of(libc) - length_of(zs)) / p.seconds * (SVG_W - SVG_L - SVG_R);
    int near = gap < 34 && gap > -34 && apart < 100 && apart > -100; /* the labels would touch */
    plot_side(&p, libc, "libc malloc", "#b35900", near && gap < 0 ? -34 : 0);
    plot_side(&p, zs, "zslab", "#0b6e99", near && gap >= 0 ? -34 : 0);
    fprintf(f, "</svg>\n");
    if (fclose(f)) ix_die(strerror(errno));
    printf("\nmemory over time: %s\n", file);
}

static void ix_report_work(const ix_totals *t)
{
    printf("indexed %u files, %.1f MiB: %llu tokens, %llu terms, %llu postings\n", ix_corpus.count,
           mib(ix_corpus.bytes), (unsigned long long)t->tokens, (unsigned long long)t->terms,
           (unsigned long long)t->postings);
    if (ix_corpus.left_out)
        printf("(%llu files left out: -m raises the limit)\n", (unsigned long long)ix_corpus.left_out);
    printf("most frequent:");
    for (int i = 0; i < IX_TOP; i++) printf(" %s %u", t->top[i].text, t->top[i].count);
    printf("\n\n");
}

/* What the default size classes waste on this text, and what the best table of as many would: two runs more. */
static int ix_advise(ix_result *r, ix_curve *curve)
{
    static uint32_t table[256]; /* the configuration keeps pointing at it */
    uint32_t i;
    uint64_t before, asked;
    size_t classes;
    ix_config.sample_every = 1;
    ix_run(1, 0, r, curve);
    before = r->slot_bytes;
    asked = r->request_bytes;
    classes = r->table_count;
    memcpy(table, r->class_bytes, sizeof table);
    ix_config.class_bytes = table;
    ix_config.class_count = r->class_count;
    ix_run(1, 0, r, curve);
    printf("\nsize classes: %llu requests for %.1f MiB; slots of the default table take %.1f MiB more (%.1f %%),\n"
           "those of the best table of at most %zu, used in one more run, %.1f MiB (%.1f %%). It is, ready to paste:\n",
           (unsigned long long)r->requests, mib(asked), mib(before - asked),
           100 * (double)(before - asked) / (double)before, classes, mib(r->slot_bytes - asked),
           100 * (double)(r->slot_bytes - asked) / (double)r->slot_bytes);
    printf("    static const uint32_t class_bytes[%zu] = {", ix_config.class_count);
    for (i = 0; i < ix_config.class_count; i++)
        printf("%s%u%s", i % 14 ? " " : "\n        ", table[i], i + 1 < ix_config.class_count ? "," : "};\n");
    return r->request_bytes == asked && r->slot_bytes <= before;
}

int main(int argc, char **argv)
{
    static ix_side side[2]; /* libc malloc, zslab */
    static ix_result result;
    static ix_curve curve;
    const char *svg = NULL;
    int runs = 3, o;
    double limit = 32;
    while ((o = getopt(argc, argv, "o:r:m:")) != -1) {
        if (o == 'o') svg = optarg;
        if (o == 'r') runs = atoi(optarg);
        if (o == 'm') limit = atof(optarg);
        if (o == '?') return 2;
    }
    if (runs < 1 || !(limit > 0)) ix_die("-r and -m want a number above 0");
    if (optind == argc) ix_add("/usr/include", (uint64_t)(limit * (1 << 20)), 1);
    for (int i = optind; i < argc; i++) ix_add(argv[i], (uint64_t)(limit * (1 << 20)), 1);
    if (!ix_corpus.count) ix_die("no text there");
    ix_calibrate();
    int same = 1;
    for (int i = 0; i < 2 * (runs + 1); i++) { /* in turn; the last two are timed call by call */
        int which = i % 2, timed = i / 2 == runs;
        ix_side *s = &side[which];
        uint64_t peak = ix_run(which, timed, &result, &curve);
        if (timed) {
            s->timed = result;
        } else if (i / 2 == 0 || result.seconds < s->best.seconds) {
            s->best = result;
            s->curve = curve;
            s->peak_rss = peak;
            s->start = result.mark_at[IX_BUILDING];
        }
        if (i == 0) ix_report_work(&result.totals);
        same &= !memcmp(&result.totals, &side[0].best.totals, sizeof result.totals);
    }
    ix_table(&side[0], &side[1], runs);
    if (svg) ix_svg(svg, &side[0], &side[1]);
    if (!ix_advise(&result, &curve)) ix_die("the suggested size classes waste more");
    same &= !memcmp(&result.totals, &side[0].best.totals, sizeof result.totals);
    printf("same index from both, every run: %s (%016llx)\n", same ? "yes" : "NO",
           (unsigned long long)side[0].best.totals.index_hash);
    if (side[1].timed.misuse_wrong) printf("%d misuse answers WRONG\n", side[1].timed.misuse_wrong);
    return !same || side[1].timed.misuse_wrong;
}
