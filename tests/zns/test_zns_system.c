/* Each call that the store makes of the system fails once, or for a while, by every errno that a disk knows; then all
   is well. A refused open leaves no file and says why, what was acknowledged is there, and the store goes on. What a
   signal cuts short is done again, and what a forked child still holds keeps nobody out. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

ssize_t sys_pwrite(int fd, const void *p, size_t bytes, off_t at);
ssize_t sys_pwritev(int fd, const struct iovec *piece, int count, off_t at);
ssize_t sys_pread(int fd, void *p, size_t bytes, off_t at);
int sys_fdatasync(int fd);
int sys_msync(void *from, size_t bytes, int flags);
int sys_fallocate(int fd, off_t at, off_t bytes);
#define pwrite sys_pwrite
#define pwritev sys_pwritev
#define pread sys_pread
#define fdatasync sys_fdatasync
#define msync sys_msync
#define posix_fallocate sys_fallocate
#include "tests/lib/test_zns.h"
#undef pwrite
#undef pwritev
#undef pread
#undef fdatasync
#undef msync
#undef posix_fallocate
#include <sys/wait.h>

static const zslab_zns_geometry drive = {256u << 10, 0, 24, 4096, 0, 0, 32u << 10, 0};

enum { PWRITE, PWRITEV, PREAD, FDATASYNC, MSYNC, FALLOCATE, CALLS };
static struct {
    int call, from, count, error, half; /* half: the first part is done, which is no failure */
    int seen[CALLS];
} fault;

/* Does it strike now? */
static int strikes(int call)
{
    int n = ++fault.seen[call];
    if (call != fault.call || n < fault.from || n >= fault.from + fault.count) return 0;
    errno = fault.error;
    return 1;
}
ssize_t sys_pwrite(int fd, const void *p, size_t bytes, off_t at)
{
    if (!strikes(PWRITE)) return pwrite(fd, p, bytes, at);
    return fault.half && bytes > 1 ? pwrite(fd, p, bytes / 2, at) : -1;
}
ssize_t sys_pwritev(int fd, const struct iovec *piece, int count, off_t at)
{
    if (!strikes(PWRITEV)) return pwritev(fd, piece, count, at);
    return fault.half ? pwritev(fd, piece, 1, at) : -1;
}
ssize_t sys_pread(int fd, void *p, size_t bytes, off_t at)
{
    if (!strikes(PREAD)) return pread(fd, p, bytes, at);
    return fault.half && bytes > 1 ? pread(fd, p, bytes / 2, at) : -1;
}
int sys_fdatasync(int fd) { return strikes(FDATASYNC) ? -1 : fdatasync(fd); }
int sys_msync(void *from, size_t bytes, int flags) { return strikes(MSYNC) ? -1 : msync(from, bytes, flags); }
int sys_fallocate(int fd, off_t at, off_t bytes)
{
    return strikes(FALLOCATE) ? fault.error : posix_fallocate(fd, at, bytes);
}
static void fault_set(int call, int from, int count, int error, int half)
{
    memset(&fault, 0, sizeof fault);
    fault.call = call;
    fault.from = from;
    fault.count = count;
    fault.error = error;
    fault.half = half;
}

enum { EPOCHS = 4, EACH = 40, OBJECTS = EPOCHS * EACH };
static struct {
    zslab_handle handle;
    size_t bytes;
    int epoch, taken, synced;
} object[OBJECTS];

/* Appends, syncs, seals and releases, each tried again a few times; 1: a flush failed, which is told for good. */
static int storm(zslab_zns *s, int *out_released)
{
    zslab_zns_epoch e[EPOCHS] = {0, 0, 0, 0};
    int i, k, flushes_fail = 0;
    zslab_result r = ZSLAB_E_IO;
    for (i = 0; i < OBJECTS; i++) {
        object[i].epoch = i / EACH;
        object[i].bytes = i % 17 == 5 ? 60000 : 50 + (size_t)i * 20;
        object[i].synced = 0;
        for (k = 0; k < 8 && !e[i / EACH]; k++) e[i / EACH] = zslab_zns_epoch_begin(s, NULL);
        for (r = ZSLAB_E_IO, k = 0; k < 8 && r != ZSLAB_OK; k++)
            r = object_put(s, e[i / EACH], (uint64_t)i, object[i].bytes, &object[i].handle);
        object[i].taken = r == ZSLAB_OK;
        EXPECT(r == ZSLAB_OK || flushes_fail);
        if (i % 5 == 4) {
            r = zslab_zns_sync(s, 0);
            for (k = 0; k <= i; k++) object[k].synced |= r == ZSLAB_OK && object[k].taken;
            flushes_fail |= r != ZSLAB_OK && fault.call >= FDATASYNC;
        }
        if (i == 2 * EACH + 20) {
            for (r = ZSLAB_E_IO, k = 0; k < 8 && r != ZSLAB_OK; k++) r = zslab_zns_epoch_release(s, e[0]);
            flushes_fail |= r != ZSLAB_OK && fault.call >= FDATASYNC;
            EXPECT(r == ZSLAB_OK || flushes_fail);
            *out_released = r == ZSLAB_OK;
        }
        if (i == 3 * EACH) (void)zslab_zns_epoch_seal(s, e[1]);
    }
    fault.call = -1; /* well again */
    r = zslab_zns_sync(s, 0);
    EXPECT(r == ZSLAB_OK || flushes_fail);
    for (k = 0; k < OBJECTS; k++) object[k].synced |= r == ZSLAB_OK && object[k].taken;
    return flushes_fail;
}

/* Those that were taken, after a restart those that were synced; of the released epoch none. */
static void all_is_there(zslab_zns *s, int restarted, int released)
{
    int i;
    for (i = 0; i < OBJECTS; i++) {
        zslab_result r;
        if (restarted ? !object[i].synced : !object[i].taken) continue;
        r = object_get(s, object[i].handle, (uint64_t)i, object[i].bytes);
        if (object[i].epoch)
            EXPECT_IS(r, ZSLAB_OK);
        else if (released)
            EXPECT_IS(r, ZSLAB_E_STALE);
        else /* a release that failed at its flush: whole, or gone whole */
            EXPECT(r == ZSLAB_OK || r == ZSLAB_E_STALE);
    }
}

/* 1: there are calls left that have not failed yet. */
static int a_call_fails(const char *path, int call, int from, int count, int error, int half)
{
    zslab_zns_recovery_report report;
    zslab_zns *s;
    int flushes_fail, released = 0, more;
    remove(path);
    fault_set(call, from, count, error, half);
    s = zslab_zns_open_file(path, &drive, NULL);
    if (!s) {
        EXPECT(zslab_zns_error(NULL, NULL, 0) > 0);
        EXPECT(access(path, F_OK) != 0);
        fault.call = -1;
        s = zslab_zns_open_file(path, &drive, NULL);
        EXPECT(s != NULL);
        EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
        return fault.seen[call] >= from;
    }
    flushes_fail = storm(s, &released);
    more = fault.seen[call] >= from;
    all_is_there(s, 0, released);
    EXPECT(zslab_zns_close(s) == ZSLAB_OK || flushes_fail);
    s = zslab_zns_open_file(path, NULL, NULL);
    EXPECT(s != NULL);
    if (!s) return 0;
    zslab_zns_recovery(s, &report);
    EXPECT(report.result == ZSLAB_OK && !report.lost && !report.damaged_frames);
    all_is_there(s, 1, released);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    return more;
}

static void whatever_fails_passes(const char *path)
{
    static const int errors[] = {EIO, ENOSPC, EDQUOT, EINTR};
    int call, i, from, half;
    for (call = 0; call < CALLS; call++)
        for (i = 0; i < 4; i++)
            for (half = 0; half < (i == 0 && call < FDATASYNC ? 2 : 1) && failed < 20; half++) {
                for (from = 1; from < 14 && a_call_fails(path, call, from, 1, errors[i], half); from++)
                    ;
                for (from = 1; a_call_fails(path, call, from, 6, errors[i], half); from += 29)
                    ;
            }
}

static void what_a_signal_cuts_short_is_done_again(const char *path)
{
    static const int calls[] = {FALLOCATE, FDATASYNC, PWRITE, MSYNC};
    zslab_zns *s;
    zslab_zns_epoch e;
    zslab_handle h;
    int i, round;
    for (i = 0; i < 4; i++) {
        remove(path);
        fault_set(calls[i], 1, 3, EINTR, 0);
        s = zslab_zns_open_file(path, &drive, NULL);
        EXPECT(s != NULL);
        e = zslab_zns_epoch_begin(s, NULL);
        for (round = 0; round < 3; round++) { /* the first flush is of the whole file, the next ones of a range */
            EXPECT_IS(object_put(s, e, 1, 1000, &h), ZSLAB_OK);
            EXPECT_IS(zslab_zns_sync(s, e), ZSLAB_OK);
        }
        EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
        EXPECT(fault.seen[calls[i]] > 3);
    }
    fault.call = -1;
    remove(path);
}

static void a_quota_that_is_full_is_told_as_such(const char *path)
{
    fault_set(FALLOCATE, 1, 1, EDQUOT, 0);
    EXPECT(zslab_zns_open_file(path, &drive, NULL) == NULL);
    EXPECT_IS(zslab_last_error(), ZSLAB_E_NO_SPACE);
    EXPECT(access(path, F_OK) != 0);
}

/* A child has the descriptors of its parent for as long as it lives. */
static void a_child_keeps_nobody_out(const char *path)
{
    zslab_zns *s = zslab_zns_open_file(path, &drive, NULL);
    int line[2];
    pid_t child;
    char end;
    EXPECT(s != NULL && pipe(line) == 0);
    child = fork();
    if (!child) {
        close(line[1]);
        _exit(read(line[0], &end, 1) != 0); /* until the parent has closed its end */
    }
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    s = zslab_zns_open_file(path, NULL, NULL);
    EXPECT(s != NULL);
    EXPECT(zslab_zns_open_file(path, NULL, NULL) == NULL);
    EXPECT_IS(zslab_last_error(), ZSLAB_E_BUSY);
    if (s) EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    close(line[0]);
    close(line[1]);
    waitpid(child, NULL, 0);
    remove(path);
}

static void a_link_to_nothing_is_not_busy(const char *path)
{
    remove(path);
    EXPECT(symlink("/there/is/no/such/place", path) == 0);
    EXPECT(zslab_zns_open_file(path, &drive, NULL) == NULL);
    EXPECT_IS(zslab_last_error(), ZSLAB_E_INVALID);
    remove(path);
}

int main(void)
{
    const char *path = test_path("system");
    a_child_keeps_nobody_out(path);
    a_link_to_nothing_is_not_busy(path);
    a_quota_that_is_full_is_told_as_such(path);
    what_a_signal_cuts_short_is_done_again(path);
    whatever_fails_passes(path);
    remove(path);
    return test_summary("test_zns_system");
}
