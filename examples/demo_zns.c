/* Who:   anybody who wonders whether the store keeps its word, on a machine without a zoned drive.
   Wants: to see a process killed in the middle of writing, and everything it was told is safe still there.
   Watch: "0 missing", the amplification, and the zone map: released epochs leave whole empty zones behind.
   A child writes 1 GiB in epochs to a file that acts as a zoned drive and releases some; it is killed with
   SIGKILL midway; the parent recovers the store, verifies every acknowledged object, and lets a second child
   finish the work.        usage: demo_zns [file] [MiB]
   Build: cc -O2 -pthread demo_zns.c */
#define ZSLAB_IMPLEMENTATION
#include "../zslab.h"
#define ZSLAB_ZNS_IMPLEMENTATION
#include "../zslab_zns.h"
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#if !defined(__cplusplus)
extern int kill(pid_t pid, int sig);
#endif

enum { EPOCH_MIB = 32, EPOCHS = 1024, MAX_OBJECTS = 200000 };

typedef struct note { /* from child to parent: an object that a sync covered, or a release that returned */
    zslab_handle handle;
    zslab_zns_epoch epoch;
    uint64_t number;
    uint32_t bytes, released;
} note;

static note told[MAX_OBJECTS];
static int told_count;

static void fill(unsigned char *p, size_t bytes, uint64_t number)
{
    uint64_t x = number * UINT64_C(0x9e3779b97f4a7c15) + 1;
    size_t i;
    for (i = 0; i < bytes; i++) {
        if (i % 8 == 0) x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        p[i] = (unsigned char)(x >> i % 8 * 8);
    }
}

static size_t size_of(uint64_t number) { return 1000 + (size_t)(number * 7919 % 120000); }

static void must(zslab_result r, const char *what)
{
    if (r == ZSLAB_OK) return;
    printf("%s: %s\n", what, zslab_result_name(r));
    exit(1);
}

/* Writes epochs up to `mib` in all; keeps the last twelve and of the older ones every fourth. */
static void write_epochs(const char *path, uint64_t from, uint64_t mib, int out)
{
    static unsigned char data[130000];
    static note batch[4000];
    zslab_zns *s = zslab_zns_open_file(path, NULL, NULL);
    zslab_zns_epoch past[EPOCHS] = {0};
    uint64_t number = from * 100000, done;
    int k = 0, n, i;
    if (!s) must(zslab_last_error(), "open");
    for (done = 0; done < mib << 20; k++) {
        zslab_zns_epoch_config c = {"demo", (uint32_t)k % 3, (uint64_t)EPOCH_MIB << 20, 0};
        zslab_zns_epoch e = zslab_zns_epoch_begin(s, &c);
        uint64_t epoch_bytes = 0;
        if (!e) must(zslab_last_error(), "begin");
        for (n = 0; epoch_bytes < (uint64_t)EPOCH_MIB << 20; n++, number++) {
            note a = {0, e, number, (uint32_t)size_of(number), 0};
            fill(data, a.bytes, number);
            must(zslab_zns_append(s, e, data, a.bytes, &a.handle), "append");
            batch[n] = a;
            epoch_bytes += a.bytes;
            if (n % 100 == 99) must(zslab_zns_sync(s, e), "sync");
            if (n % 100 == 99) /* only now: the parent may hold us to it */
                for (i = n - 99; i <= n; i++)
                    if (write(out, &batch[i], sizeof batch[i]) < 0) exit(1);
        }
        done += epoch_bytes;
        past[k] = e;
        if (k >= 12 && (k - 12) % 4) {
            note gone = {0, past[k - 12], 0, 0, 1};
            must(zslab_zns_epoch_release(s, past[k - 12]), "release");
            if (write(out, &gone, sizeof gone) < 0) exit(1);
        }
    }
    must(zslab_zns_close(s), "close");
}

/* Runs a child; listens until it ends, or kills it after `limit` notes. */
static void run_child(const char *path, uint64_t from, uint64_t mib, int limit)
{
    int fds[2], status = 0, heard = 0;
    note a;
    pid_t pid;
    if (pipe(fds)) exit(1);
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        close(fds[0]);
        write_epochs(path, from, mib, fds[1]);
        exit(0);
    }
    close(fds[1]);
    while (read(fds[0], &a, sizeof a) == (ssize_t)sizeof a && told_count < MAX_OBJECTS) {
        told[told_count++] = a;
        if (++heard == limit) kill(pid, SIGKILL);
    }
    close(fds[0]);
    waitpid(pid, &status, 0);
    printf("child %s after telling of %d objects\n", WIFSIGNALED(status) ? "killed with SIGKILL" : "done", heard);
    if (!WIFSIGNALED(status) && WEXITSTATUS(status)) exit(1);
}

static int compare(const void *a, const void *b)
{
    zslab_zns_epoch x = *(const zslab_zns_epoch *)a, y = *(const zslab_zns_epoch *)b;
    return x < y ? -1 : x > y;
}

static int verify(zslab_zns *s)
{
    static unsigned char want[130000], got[130000];
    zslab_zns_epoch gone[EPOCHS] = {0};
    int i, releases = 0, good = 0, missing = 0, wrong = 0, ghosts = 0;
    for (i = 0; i < told_count; i++)
        if (told[i].released) gone[releases++] = told[i].epoch;
    qsort(gone, (size_t)releases, sizeof gone[0], compare);
    for (i = 0; i < told_count; i++) {
        size_t n = 0;
        zslab_result r;
        int dead = bsearch(&told[i].epoch, gone, (size_t)releases, sizeof gone[0], compare) != NULL;
        if (told[i].released) continue;
        r = zslab_zns_read(s, told[i].handle, got, sizeof got, &n);
        fill(want, told[i].bytes, told[i].number);
        if (r == ZSLAB_OK && (n != told[i].bytes || memcmp(got, want, n) != 0))
            wrong++;
        else if (r == ZSLAB_OK && dead)
            ghosts++;
        else if (r != ZSLAB_OK && !dead)
            missing++;
        else
            good += r == ZSLAB_OK;
    }
    printf("verified: %d acknowledged objects good, %d missing, %d wrong; %d releases, %d objects of theirs "
           "back\n",
           good, missing, wrong, releases, ghosts);
    return missing + wrong + ghosts;
}

static void map(zslab_zns *s)
{
    zslab_zns_store_stats t;
    zslab_zns_zone_stats z;
    uint32_t i;
    zslab_zns_stats(s, &t);
    printf("zones (M metadata, . empty, a letter for each epoch, + shared):\n  ");
    for (i = 0; i < t.zones; i++) {
        char c = '.';
        if (zslab_zns_zone_at(s, i, &z) == ZSLAB_OK && z.device.condition != ZSLAB_ZNS_EMPTY)
            c = (char)(z.kind == 1 ? 'M' : z.epochs > 1 ? '+' : 'a' + (int)(z.first_epoch / 1048576 % 26));
        printf("%c%s", c, i % 80 == 79 && i + 1 < t.zones ? "\n  " : "");
    }
    printf("\n%u zones: %u empty, %u full, %u active; %llu MiB live, %llu MiB dead, space amplification %.2f\n",
           t.zones, t.zones_empty, t.zones_full, t.zones_active, (unsigned long long)(t.live_bytes >> 20),
           (unsigned long long)(t.dead_bytes >> 20), t.space_amplification);
}

int main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : "build/demo/zns.img";
    uint64_t mib = argc > 2 ? (uint64_t)atoll(argv[2]) : 1024, read_mib;
    zslab_zns_geometry g;
    zslab_zns_recovery_report r;
    zslab_zns_store_stats t;
    zslab_zns *s;
    double seconds;
    int bad;
    memset(&g, 0, sizeof g);
    g.zone_bytes = 8u << 20;
    g.zone_count = (uint32_t)(mib * 5 / 4 / 8 + 24);
    g.max_active = 14; /* as real drives have */
    g.max_append_bytes = 512u << 10;
    remove(path);
    s = zslab_zns_open_file(path, &g, NULL);
    if (!s) must(zslab_last_error(), path);
    must(zslab_zns_close(s), "close");
    printf("%s: %u zones of 8 MiB, 14 active at most, appends of 512 KiB\n", path, g.zone_count);
    run_child(path, 1, mib / 2 + EPOCH_MIB, (int)(mib * 8));
    s = zslab_zns_open_file(path, NULL, NULL);
    if (!s) must(zslab_last_error(), "recovery");
    zslab_zns_recovery(s, &r);
    seconds = (double)r.duration_ns / 1e9;
    read_mib = r.bytes_read >> 20;
    printf("recovered in %.3f s: %llu objects in %llu epochs, %u zones, %llu MiB read (%.2f s for each GiB)\n", seconds,
           (unsigned long long)r.objects, (unsigned long long)r.epochs, r.zones_scanned, (unsigned long long)read_mib,
           read_mib ? seconds * 1024 / (double)read_mib : 0);
    bad = verify(s);
    must(zslab_zns_close(s), "close");
    run_child(path, 2, mib - mib / 2, 0);
    s = zslab_zns_open_file(path, NULL, NULL);
    if (!s) must(zslab_last_error(), "second recovery");
    bad += verify(s);
    map(s);
    { /* what a write costs, measured on this very store */
        static unsigned char data[130000];
        zslab_zns_epoch e = zslab_zns_epoch_begin(s, NULL);
        zslab_handle h;
        uint64_t n;
        for (n = 0; n < 500; n++) must(zslab_zns_append(s, e, data, size_of(n), &h), "append");
        must(zslab_zns_epoch_seal(s, e), "seal");
        must(zslab_zns_epoch_release(s, e), "release");
        zslab_zns_stats(s, &t);
        printf("write amplification %.4f(500 objects, one epoch); nothing is ever copied\n", t.write_amplification);
    }
    must(zslab_zns_close(s), "close");
    remove(path);
    printf("%s\n", bad ? "FAILED" : "everything acknowledged is there");
    return bad != 0;
}
