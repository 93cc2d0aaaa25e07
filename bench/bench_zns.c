/* What does the store cost over writing the same bytes oneself?
   On one file, rounds interleaved, medians: appends of several sizes by one thread and by two against a bare
   loop of pwrite + crc32c of the same bytes into a preallocated file; appends and a sync with io_uring against
   one append at a time; threads that sync every record against a bare group commit; recovery that checks every crc
   against reading the same bytes in order; recovery from indexes; write and space amplification over generations of
   mixed lifetimes (CSV, and as SVG with -s).
     bench_zns [-r rounds] [-m MiB a round] [-f scratch file] [-o file.csv] [-s file.svg] */
#define _GNU_SOURCE
#define ZSLAB_IMPLEMENTATION
#include "zslab.h"
#define ZSLAB_ZNS_IMPLEMENTATION
#if defined(__linux__)
#define ZSLAB_ZNS_USE_URING 1
#endif
#include "zslab_zns.h"
#include <pthread.h>
#include <stdio.h>

enum { ROUNDS_MAX = 99, GENERATIONS = 240 };

static const char *scratch = "build/bench_zns.img";
static int rounds = 5;
static size_t mib = 256;
static FILE *csv;
static unsigned char *data;

static void die(const char *what)
{
    printf("%s: %s\n", what, zslab_result_name(zslab_last_error()));
    exit(1);
}

static double now(void) { return (double)zs__os_now_ns() / 1e9; }

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(double *v, int n)
{
    qsort(v, (size_t)n, sizeof *v, by_value);
    return v[n / 2];
}

static zslab_zns *store_at(const char *path, uint32_t append, uint32_t depth)
{
    zslab_zns_geometry g;
    zslab_zns_config c;
    zslab_zns *s;
    memset(&g, 0, sizeof g);
    memset(&c, 0, sizeof c);
    c.queue_depth = depth;
    g.zone_bytes = 16u << 20;
    g.zone_count = (uint32_t)(mib / 16 + mib / 64 + 8);
    g.max_append_bytes = append;
    remove(path);
    s = zslab_zns_open_file(path, &g, &c);
    if (!s) die(path);
    return s;
}

/* one append at a time */
static zslab_zns *store_fresh(uint32_t append) { return store_at(scratch, append, 1); }

/* ---- appends ---- */

typedef struct job {
    zslab_zns *s;
    zslab_zns_epoch e;
    int fd;
    size_t object, bytes;
    uint64_t *at; /* pwrite: the next place, shared */
} job;

static void *append_job(void *arg)
{
    job *j = (job *)arg;
    zslab_handle h;
    size_t n;
    for (n = 0; n < j->bytes; n += j->object)
        if (zslab_zns_append(j->s, j->e, data, j->object, &h) != ZSLAB_OK) die("append");
    return NULL;
}

static uint32_t sink;
static void *pwrite_job(void *arg)
{
    job *j = (job *)arg;
    size_t n;
    uint32_t crc = 0;
    for (n = 0; n < j->bytes; n += j->object) {
        uint64_t at = zs__add_u64(j->at, j->object);
        crc ^= zs__zns_crc(0, data, j->object);
        if (pwrite(j->fd, data, j->object, (off_t)at) != (ssize_t)j->object) die("pwrite");
    }
    zs__add_u32(&sink, crc);
    return NULL;
}

static double worked(void) /* processor time of all threads: a busy machine disturbs it less */
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double run_jobs(void *(*work)(void *), job *j, int threads)
{
    pthread_t t[8];
    job each[8];
    double began = worked();
    int i;
    for (i = 0; i < threads; i++) {
        each[i] = *j;
        each[i].bytes = j->bytes / (size_t)threads;
        pthread_create(&t[i], NULL, work, &each[i]);
    }
    for (i = 0; i < threads; i++) pthread_join(t[i], NULL);
    return worked() - began;
}

/* One warmed file each, both written over and over: first touches of the page cache are not the question. */
static void appends(size_t object, uint32_t append, int threads)
{
    double store[ROUNDS_MAX], bare[ROUNDS_MAX], ratio[ROUNDS_MAX];
    zslab_zns *s = store_fresh(append);
    char other[512];
    uint64_t at;
    job j;
    int i;
    memset(&j, 0, sizeof j);
    snprintf(other, sizeof other, "%s.bare", scratch);
    remove(other);
    j.s = s;
    j.fd = open(other, O_RDWR | O_CREAT, 0644);
    if (j.fd < 0 || posix_fallocate(j.fd, 0, (off_t)(mib << 20))) die(other);
    j.object = object;
    j.bytes = (mib << 20) / object / 8 * 8 * object;
    j.at = &at;
    for (i = -3; i < rounds; i++) { /* the first rounds warm both: the store goes round its zones */
        zslab_zns_epoch_config c = {"bench", 0, j.bytes, 0};
        double a, b;
        at = 0;
        j.e = zslab_zns_epoch_begin(s, &c);
        a = run_jobs(append_job, &j, threads);
        if (zslab_zns_epoch_release(s, j.e) != ZSLAB_OK) die("release");
        if (fdatasync(j.fd)) die(other); /* as the release did: both write over pages that are clean */
        b = run_jobs(pwrite_job, &j, threads);
        if (i < 0) continue;
        store[i] = a;
        bare[i] = b;
        ratio[i] = b / a;
    }
    fprintf(csv, "append,%zu,%u,%d,%.1f,%.1f,%.3f\n", object, append, threads,
            (double)j.bytes / 1e6 / median(store, rounds), (double)j.bytes / 1e6 / median(bare, rounds),
            median(ratio, rounds));
    fflush(csv);
    if (zslab_zns_close(s) != ZSLAB_OK) die("close");
    close(j.fd);
    remove(other);
    remove(scratch);
}

/* ---- io_uring ---- */

/* Elapsed, not worked: a queue is there for time spent waiting. The sync at the end belongs to it. */
static double written_in(zslab_zns *s, size_t object, int threads)
{
    zslab_zns_epoch_config c = {"queue", 0, 0, 0};
    job j;
    double began;
    memset(&j, 0, sizeof j);
    j.s = s;
    j.e = zslab_zns_epoch_begin(s, &c);
    j.object = object;
    j.bytes = (mib << 20) / object / 8 * 8 * object;
    began = now();
    run_jobs(append_job, &j, threads);
    if (zslab_zns_sync(s, j.e) != ZSLAB_OK) die("sync");
    began = now() - began;
    if (zslab_zns_epoch_release(s, j.e) != ZSLAB_OK) die("release");
    return (double)j.bytes / 1e6 / began;
}

static void queued(size_t object, uint32_t append, int threads)
{
    double with[ROUNDS_MAX], without[ROUNDS_MAX], ratio[ROUNDS_MAX];
    char other[512];
    zslab_zns_store_stats t;
    zslab_zns *q, *s = store_fresh(append);
    int i;
    snprintf(other, sizeof other, "%s.queue", scratch);
    q = store_at(other, append, 0);
    zslab_zns_stats(q, &t);
    for (i = -1; i < rounds; i++) {
        double a = written_in(q, object, threads), b = written_in(s, object, threads);
        if (i < 0) continue;
        with[i] = a;
        without[i] = b;
        ratio[i] = a / b;
    }
    fprintf(csv, "append and sync of %d MiB in a queue of %u,%zu,%u,%d,%.1f,%.1f,%.3f\n", (int)mib, t.queue_depth,
            object, append, threads, median(with, rounds), median(without, rounds), median(ratio, rounds));
    fflush(csv);
    if (zslab_zns_close(s) != ZSLAB_OK || zslab_zns_close(q) != ZSLAB_OK) die("close");
    remove(other);
    remove(scratch);
}

/* ---- group commit ---- */

/* What a program would write itself: records gathered in memory; whoever finds nobody writing writes what has
   gathered, with a crc, in one pwrite behind the last, syncs, wakes the others. */
typedef struct bare_log {
    pthread_mutex_t lock;
    pthread_cond_t done;
    unsigned char *pending, *writing;
    size_t bytes, record;
    uint64_t gathering, durable, at;
    int fd, busy, records;
} bare_log;

enum { LOG_BYTES = 64 << 20, PENDING = 1 << 20 };

static void bare_commit(bare_log *l)
{
    uint64_t mine;
    pthread_mutex_lock(&l->lock);
    memcpy(l->pending + l->bytes, data, l->record);
    l->bytes += l->record;
    mine = l->gathering;
    while (l->durable < mine) {
        if (l->busy) {
            pthread_cond_wait(&l->done, &l->lock);
        } else {
            unsigned char *out = l->pending;
            size_t bytes = l->bytes;
            uint64_t at = l->at;
            uint32_t crc;
            l->pending = l->writing;
            l->writing = out;
            l->bytes = 0;
            l->at = (at + bytes) % (LOG_BYTES - PENDING);
            l->gathering++;
            l->busy = 1;
            pthread_mutex_unlock(&l->lock);
            crc = zs__zns_crc(0, out, bytes);
            memcpy(out, &crc, sizeof crc);
            if (pwrite(l->fd, out, bytes, (off_t)at) != (ssize_t)bytes || fdatasync(l->fd)) die("pwrite");
            pthread_mutex_lock(&l->lock);
            l->busy = 0;
            l->durable = mine;
            pthread_cond_broadcast(&l->done);
        }
    }
    pthread_mutex_unlock(&l->lock);
}

static void *bare_server(void *arg)
{
    bare_log *l = (bare_log *)arg;
    int i;
    for (i = 0; i < l->records; i++) bare_commit(l);
    return NULL;
}

static void *store_server(void *arg)
{
    job *j = (job *)arg;
    size_t i;
    for (i = 0; i < j->bytes; i++)
        if (zslab_zns_append(j->s, j->e, data, j->object, NULL) || zslab_zns_sync(j->s, j->e)) die("sync");
    return NULL;
}

static double served(void *(*work)(void *), void *arg, int threads)
{
    pthread_t t[64];
    double began = now();
    int i;
    for (i = 0; i < threads; i++) pthread_create(&t[i], NULL, work, arg);
    for (i = 0; i < threads; i++) pthread_join(t[i], NULL);
    return now() - began;
}

/* Every block of both files has been written once: a block that was only preallocated costs the file system a commit
   of its own journal, whose share depends on how many records go into a block. */
static void write_all(zslab_zns *s, bare_log *l)
{
    zslab_zns_epoch e = zslab_zns_epoch_begin(s, NULL);
    size_t n;
    while (zslab_zns_append(s, e, data, 1u << 20, NULL) == ZSLAB_OK) {
    }
    if (zslab_zns_sync(s, e) != ZSLAB_OK || zslab_zns_epoch_release(s, e) != ZSLAB_OK) die("release");
    for (n = 0; n < LOG_BYTES; n += 1u << 20)
        if (pwrite(l->fd, data, 1u << 20, (off_t)n) != 1 << 20) die("pwrite");
    if (fsync(l->fd)) die("fsync");
}

/* Threads of a server append a record and sync it before they answer; `again`: in blocks written before. */
static void syncs(size_t object, int threads, int again)
{
    double store[ROUNDS_MAX], bare[ROUNDS_MAX], ratio[ROUNDS_MAX];
    zslab_zns *s = store_at(scratch, 128u << 10, 1);
    zslab_zns_store_stats before, after;
    char other[512];
    bare_log l;
    job j;
    int i, each = threads == 1 ? 400 : 1600 / threads;
    memset(&l, 0, sizeof l);
    memset(&j, 0, sizeof j);
    snprintf(other, sizeof other, "%s.bare", scratch);
    remove(other);
    pthread_mutex_init(&l.lock, NULL);
    pthread_cond_init(&l.done, NULL);
    l.pending = (unsigned char *)malloc(PENDING);
    l.writing = (unsigned char *)malloc(PENDING);
    l.fd = open(other, O_RDWR | O_CREAT, 0644);
    if (l.fd < 0 || posix_fallocate(l.fd, 0, LOG_BYTES)) die(other);
    if (again) write_all(s, &l);
    l.record = object;
    l.gathering = 1;
    l.records = each;
    j.s = s;
    j.object = object;
    j.bytes = (size_t)each;
    j.e = zslab_zns_epoch_begin(s, NULL);
    zslab_zns_stats(s, &before);
    for (i = -1; i < rounds; i++) {
        double b = served(bare_server, &l, threads), a = served(store_server, &j, threads);
        if (i < 0) continue;
        store[i] = each * threads / a;
        bare[i] = each * threads / b;
        ratio[i] = store[i] / bare[i];
    }
    zslab_zns_stats(s, &after);
    fprintf(csv, "append and sync%s,%zu,%.3f,%d,%.0f,%.0f,%.3f\n", again ? " in blocks written before" : "", object,
            (double)(after.device_bytes - before.device_bytes) / (double)(after.user_bytes - before.user_bytes),
            threads, median(store, rounds), median(bare, rounds), median(ratio, rounds));
    fflush(csv);
    if (zslab_zns_close(s) != ZSLAB_OK) die("close");
    close(l.fd);
    free(l.pending);
    free(l.writing);
    remove(other);
    remove(scratch);
}

/* ---- recovery ---- */

static double read_all(size_t *out_bytes)
{
    size_t piece = 1u << 20, sum = 0;
    unsigned char *p = (unsigned char *)malloc(piece);
    double began = now();
    int fd = open(scratch, O_RDONLY);
    ssize_t n;
    while ((n = read(fd, p, piece)) > 0 && sum < (mib << 20)) sum += (size_t)n;
    close(fd);
    free(p);
    *out_bytes = sum;
    return now() - began;
}

static double recover(uint32_t flags, uint64_t *out_bytes)
{
    zslab_zns_config c;
    zslab_zns_recovery_report r;
    zslab_zns *s;
    memset(&c, 0, sizeof c);
    c.flags = ZSLAB_ZNS_FLAG_READ_ONLY | flags;
    s = zslab_zns_open_file(scratch, NULL, &c);
    if (!s) die("recovery");
    zslab_zns_recovery(s, &r);
    zslab_zns_close(s);
    *out_bytes = r.bytes_read;
    return (double)r.duration_ns / 1e9;
}

static void recovery(size_t object)
{
    double whole[ROUNDS_MAX], quick[ROUNDS_MAX], plain[ROUNDS_MAX], ratio[ROUNDS_MAX];
    zslab_zns *s = store_fresh(512u << 10);
    zslab_zns_epoch_config c = {"bench", 0, mib << 20, 0};
    zslab_zns_epoch e = zslab_zns_epoch_begin(s, &c);
    zslab_handle h;
    uint64_t scanned = 0, indexed = 0;
    size_t n, bytes = 0;
    int i;
    for (n = 0; n < mib << 20; n += object)
        if (zslab_zns_append(s, e, data, object, &h) != ZSLAB_OK) die("append");
    if (zslab_zns_epoch_seal(s, e) != ZSLAB_OK || zslab_zns_close(s) != ZSLAB_OK) die("seal");
    for (i = 0; i < rounds; i++) {
        plain[i] = read_all(&bytes);
        whole[i] = recover(ZSLAB_ZNS_FLAG_VERIFY, &scanned);
        quick[i] = recover(0, &indexed);
        ratio[i] = whole[i] / (double)scanned / (plain[i] / (double)bytes);
    }
    fprintf(csv, "recovery,%zu,,,%.3f,%.3f,%.2f\n", object, median(whole, rounds) * 1073741824 / (double)scanned,
            median(plain, rounds) * 1073741824 / (double)bytes, median(ratio, rounds));
    fprintf(csv, "recovery from indexes,%zu,,,%.5f,%.1f,\n", object,
            median(quick, rounds) * 1073741824 / (double)(mib << 20), (double)indexed / 1024);
    remove(scratch);
}

/* ---- amplification over generations ---- */

static double curve[2][GENERATIONS];

static void generations(void)
{
    static const int lifetime[3] = {2, 8, 30};
    zslab_zns *s = store_fresh(128u << 10);
    zslab_zns_epoch live[3][64];
    int g, c, i;
    memset(live, 0, sizeof live);
    for (g = 0; g < GENERATIONS; g++) {
        zslab_zns_store_stats t;
        for (c = 0; c < 3; c++) { /* a shorter life means more bytes: about as many live in each class */
            zslab_zns_epoch_config k = {"generation", (uint32_t)c, 0, 0};
            zslab_zns_epoch *e = &live[c][g % lifetime[c]];
            zslab_handle h;
            if (*e && zslab_zns_epoch_release(s, *e) != ZSLAB_OK) die("release");
            *e = zslab_zns_epoch_begin(s, &k);
            for (i = 0; i < 240 / lifetime[c]; i++)
                if (zslab_zns_append(s, *e, data, 20000 + (size_t)(i * 7919 % 80000), &h) != ZSLAB_OK) die("append");
        }
        zslab_zns_stats(s, &t);
        curve[0][g] = t.write_amplification;
        curve[1][g] = t.space_amplification;
        if (g % 20 == 19)
            fprintf(csv, "generation %d,,,,%.4f,%.3f,\n", g + 1, t.write_amplification, t.space_amplification);
    }
    zslab_zns_close(s);
    remove(scratch);
}

static void draw(const char *path)
{
    static const char *const name[2] = {"write amplification", "space amplification"};
    static const char *const colour[2] = {"#1f6f8b", "#c8553d"};
    double most = 1;
    FILE *f = fopen(path, "w");
    int k, g;
    if (!f) die(path);
    for (g = 0; g < GENERATIONS; g++)
        if (curve[1][g] > most) most = curve[1][g];
    fprintf(f, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"640\" height=\"300\" font-family=\"sans-serif\" "
               "font-size=\"12\"><rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n");
    for (k = 0; k <= (int)most; k++)
        fprintf(f,
                "<line x1=\"40\" x2=\"620\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/><text x=\"24\" "
                "y=\"%.1f\">%d</text>\n",
                260 - k * 220 / most, 260 - k * 220 / most, 264 - k * 220 / most, k);
    for (k = 0; k < 2; k++) {
        fprintf(f, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2\" points=\"", colour[k]);
        for (g = 0; g < GENERATIONS; g++)
            fprintf(f, "%.1f,%.1f ", 40 + g * 580.0 / GENERATIONS, 260 - curve[k][g] * 220 / most);
        fprintf(f, "\"/><text x=\"%d\" y=\"20\" fill=\"%s\">%s</text>\n", 60 + 180 * k, colour[k], name[k]);
    }
    fprintf(f, "<text x=\"420\" y=\"20\">after the start: %.3f written, %.2f space</text>\n", curve[0][GENERATIONS - 1],
            curve[1][GENERATIONS - 1]);
    fprintf(f, "<text x=\"250\" y=\"290\">generations of three lifetime classes</text></svg>\n");
    fclose(f);
}

static void line_of(const char *command, char *out, size_t cap)
{
    FILE *p = popen(command, "r");
    out[0] = 0;
    if (p) {
        if (!fgets(out, (int)cap, p)) out[0] = 0;
        pclose(p);
    }
    out[strcspn(out, "\n")] = 0;
}

int main(int argc, char **argv)
{
    static const size_t sizes[] = {4096, 16384, 65536, 126976, 131072, 520192, 1048576};
    const char *svg = NULL;
    char commit[128], machine[256];
    size_t i;
    int k;
    csv = stdout;
    for (k = 1; k + 1 < argc; k += 2) {
        if (!strcmp(argv[k], "-r"))
            rounds = atoi(argv[k + 1]);
        else if (!strcmp(argv[k], "-m"))
            mib = (size_t)atoi(argv[k + 1]);
        else if (!strcmp(argv[k], "-f"))
            scratch = argv[k + 1];
        else if (!strcmp(argv[k], "-s"))
            svg = argv[k + 1];
        else if (!strcmp(argv[k], "-o") && (csv = fopen(argv[k + 1], "w")) == NULL)
            die(argv[k + 1]);
    }
    if (rounds < 1 || rounds > ROUNDS_MAX || mib < 64) die("1 to 99 rounds of at least 64 MiB");
    data = (unsigned char *)malloc(1u << 20);
    for (i = 0; i < 1u << 20; i++) data[i] = (unsigned char)(i * i >> 7);
    line_of("git describe --always --dirty 2>/dev/null", commit, sizeof commit);
    line_of("sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1", machine, sizeof machine);
    fprintf(csv, "# bench_zns -r %d -m %d, %s, commit %s\n", rounds, (int)mib, machine, commit);
    fprintf(csv, "what,object bytes,append bytes,threads,store MB per CPU s,pwrite+crc MB per CPU s,ratio\n");
    for (i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        appends(sizes[i], sizes[i] > 200000 ? 512u << 10 : 128u << 10, 1);
    for (i = 2; i < sizeof sizes / sizeof sizes[0]; i += 2) appends(sizes[i], 512u << 10, 2);
    fprintf(csv, "what,object bytes,append bytes,threads,MB per s with io_uring,MB per s one at a time,ratio\n");
    queued(16384, 128u << 10, 1);
    queued(1u << 20, 128u << 10, 1);
    queued(65536, 512u << 10, 2);
    fprintf(csv, "what,object bytes,write amplification,threads,syncs per s,bare group commit,ratio\n");
    for (k = 0; k < 6; k++) syncs(1024, k / 2 == 0 ? 1 : k / 2 == 1 ? 4 : 16, k % 2);
    fprintf(csv, "what,object bytes,,,s per GiB: recovery,s per GiB: plain read (indexes: KiB read),ratio\n");
    recovery(100000);
    recovery(4096);
    fprintf(csv, "what,,,,write amplification,space amplification,\n");
    generations();
    if (svg) draw(svg);
    if (csv != stdout) fclose(csv);
    return 0;
}
