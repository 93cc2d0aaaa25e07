/* The host loses its power at hundreds of moments of a run that syncs one object, or a few, at a time: on the disk is
   what a flush covered, and of what was written since any page or none. After each: every object that a sync
   acknowledged is there and is what was appended, none of a released epoch is, nothing is called lost. [FILE-4]
   What the disk has is kept by counting the store's own calls: pwrite, pwritev, fdatasync, msync of a range. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

ssize_t power_pwrite(int fd, const void *p, size_t bytes, off_t at);
ssize_t power_pwritev(int fd, const struct iovec *piece, int count, off_t at);
int power_fdatasync(int fd);
int power_msync(void *from, size_t bytes, int flags);
void *power_mmap(void *at, size_t bytes, int may, int flags, int fd, off_t from);
#define pwrite power_pwrite
#define pwritev power_pwritev
#define fdatasync power_fdatasync
#define msync power_msync
#define mmap power_mmap
#include "tests/lib/test_zns.h"
#undef pwrite
#undef pwritev
#undef fdatasync
#undef msync
#undef mmap

enum { ZONES = 10, ZONE = 1 << 20, EPOCHS = 40, EACH = 60, KEEP = 3, PAGE = 4096, CUT_EVERY = 31 };
enum { PAGES = ZONES * ZONE / PAGE + 300 };
static const zslab_zns_geometry drive = {ZONE, 0, ZONES, PAGE, 0, 0, 32768, 0};

/* ---- the disk ---- */
static struct {
    int fd;
    char *map;
    unsigned char on[PAGES][PAGE], dirty[PAGES];
    uint64_t events, whole, ranges, coin;
} disk;

static void event(void);

static void wrote(int fd, uint64_t at, uint64_t bytes)
{
    uint64_t i;
    if (fd != disk.fd) return;
    for (i = at / PAGE; i * PAGE < at + bytes; i++) disk.dirty[i] = 1;
    event();
}

static void flushed(uint64_t from, uint64_t to)
{
    uint64_t i;
    event();
    for (i = from / PAGE; i < to / PAGE && i < PAGES; i++) {
        if (!disk.dirty[i]) continue;
        if (pread(disk.fd, disk.on[i], PAGE, (off_t)(i * PAGE)) != PAGE) abort();
        disk.dirty[i] = 0;
    }
}

ssize_t power_pwrite(int fd, const void *p, size_t bytes, off_t at)
{
    ssize_t did = pwrite(fd, p, bytes, at);
    wrote(fd, (uint64_t)at, bytes);
    return did;
}
ssize_t power_pwritev(int fd, const struct iovec *piece, int count, off_t at)
{
    ssize_t did = pwritev(fd, piece, count, at);
    wrote(fd, (uint64_t)at, did > 0 ? (uint64_t)did : 0);
    return did;
}
int power_fdatasync(int fd)
{
    if (fd == disk.fd) {
        flushed(0, (uint64_t)PAGES * PAGE);
        disk.whole++;
    }
    return 0;
}
int power_msync(void *from, size_t bytes, int flags)
{
    uintptr_t at = (uintptr_t)from - (uintptr_t)disk.map;
    if (!disk.map || at >= (uintptr_t)PAGES * PAGE) return msync(from, bytes, flags); /* of a store behind a cut */
    flushed(at, at + bytes);
    disk.ranges++;
    return 0;
}
void *power_mmap(void *at, size_t bytes, int may, int flags, int fd, off_t from)
{
    void *p = mmap(at, bytes, may, flags, fd, from);
    if (fd == disk.fd && fd >= 0) disk.map = (char *)p;
    return p;
}

/* ---- the run ---- */
typedef struct object {
    zslab_handle handle;
    int epoch, synced;
} object;
static object made[EPOCHS * EACH];
static int made_count, released, released_done; /* epochs whose release has begun, has ended */
static char after[256];
static uint64_t cuts, missing, revived, wrong, called_lost, refused;

static size_t size_of(int i) { return i % 23 == 22 ? 20000 + (size_t)(i * 37 % 9000) : 40 + (size_t)(i * 331 % 6000); }

static void verify(zslab_zns *s)
{
    static unsigned char buffer[40000];
    zslab_zns_recovery_report r;
    int i;
    zslab_zns_recovery(s, &r);
    called_lost += r.lost + (r.result != ZSLAB_OK);
    for (i = 0; i < made_count; i++) {
        size_t n = 0;
        int there = zslab_zns_read(s, made[i].handle, buffer, sizeof buffer, &n) == ZSLAB_OK;
        if (there && (n != size_of(i) || !object_is(buffer, n, (uint64_t)i))) wrong++;
        if (there && made[i].epoch < released_done) revived++;
        if (!there && made[i].synced && made[i].epoch >= released) missing++;
    }
}

/* What the disk has, and by a coin a page what it was told to write, as a file; a store opens it. */
static void cut(void)
{
    unsigned char page[PAGE];
    zslab_zns *s;
    zslab_handle h;
    int i, fd = open(after, O_RDWR | O_CREAT | O_TRUNC, 0644), half = (int)(zs__zns_mix(&disk.coin) % 3);
    for (i = 0; i < PAGES; i++) {
        const unsigned char *p = disk.on[i];
        if (disk.dirty[i] && half && (half == 2 || (zs__zns_mix(&disk.coin) & 1)) &&
            pread(disk.fd, page, PAGE, (off_t)i * PAGE) == PAGE)
            p = page;
        if (pwrite(fd, p, PAGE, (off_t)i * PAGE) != PAGE) abort();
    }
    close(fd);
    cuts++;
    s = zslab_zns_open_file(after, NULL, NULL);
    if (!s) {
        refused++;
        return;
    }
    verify(s);
    if (cuts % 4 == 0) { /* what is appended behind the cut takes nothing away */
        zslab_zns_epoch e = zslab_zns_epoch_begin(s, NULL);
        for (i = 0; i < 30; i++)
            if (object_put(s, e, (uint64_t)i, 3000, &h) || zslab_zns_sync(s, e)) wrong++;
        zslab_zns_close(s);
        s = zslab_zns_open_file(after, NULL, NULL);
        if (s) verify(s);
        refused += !s;
    }
    if (s) zslab_zns_close(s);
}

static void event(void)
{
    int fd = disk.fd;
    if (fd < 0 || !disk.map || ++disk.events % CUT_EVERY) return;
    cut();
}

/* The descriptor of the file, before the store opens it: the first one free. */
static int next_fd(void)
{
    int fd = dup(0);
    close(fd);
    return fd;
}

int main(void)
{
    const char *path = test_path("power");
    uint64_t coin = 7;
    zslab_zns_epoch epoch[EPOCHS];
    zslab_zns *s;
    int g, i, k;
    snprintf(after, sizeof after, "%s.after", path);
    remove(path);
    disk.coin = 11;
    disk.fd = next_fd();
    s = zslab_zns_open_file(path, &drive, NULL);
    EXPECT(s != NULL && disk.map != NULL);
    if (!s) return test_summary("test_zns_power");
    for (g = 0; g < EPOCHS; g++) {
        epoch[g] = zslab_zns_epoch_begin(s, NULL);
        for (i = 0; i < EACH; i++) {
            EXPECT_IS(object_put(s, epoch[g], (uint64_t)made_count, size_of(made_count), &made[made_count].handle),
                      ZSLAB_OK);
            made[made_count++].epoch = g;
            if (zs__zns_mix(&coin) % 3) continue;
            EXPECT_IS(zslab_zns_sync(s, zs__zns_mix(&coin) % 2 ? epoch[g] : 0), ZSLAB_OK);
            for (k = 0; k < made_count; k++) made[k].synced |= made[k].epoch == g;
        }
        EXPECT_IS(zslab_zns_sync(s, 0), ZSLAB_OK);
        for (k = 0; k < made_count; k++) made[k].synced = 1;
        if (g % 5 == 2) EXPECT_IS(zslab_zns_epoch_seal(s, epoch[g]), ZSLAB_OK);
        if (g < KEEP) continue;
        released = g - KEEP + 1;
        EXPECT_IS(zslab_zns_epoch_release(s, epoch[g - KEEP]), ZSLAB_OK);
        released_done = released;
    }
    cut();
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    EXPECT(disk.ranges > disk.whole); /* most commits wrote one place */
    EXPECT(cuts > 100);
    EXPECT(missing == 0);
    EXPECT(revived == 0);
    EXPECT(wrong == 0);
    EXPECT(called_lost == 0);
    EXPECT(refused == 0);
    printf("%d objects, %d cuts, flushes: %d of a range, %d of all\n", made_count, (int)cuts, (int)disk.ranges,
           (int)disk.whole);
    remove(path);
    remove(after);
    return test_summary("test_zns_power");
}
