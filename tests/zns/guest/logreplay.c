/* logreplay -- what a power cut leaves of a drive whose every write QEMU's blklogwrites recorded.
   usage: logreplay <log> <out dir> <cuts> <seed> <drive bytes> <zone bytes>

   The logged node holds the zoned drive first and, behind <drive bytes>, the writer's acknowledgement log,
   so one
   log orders both. For each cut a point of the log is chosen by seed. Everything up to the last flush
   before it is
   durable; each later write of the drive is kept, dropped or torn at 4 KiB blocks; a zone reset (zeroes
   over one
   whole zone) is kept or dropped whole, and what was written into a zone after a lost reset is lost too. The
   acknowledgement log is kept up to the cut. Writes cut-<n>.img and cut-<n>.acks and prints one line for
   each. */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FLAG_FLUSH = 1, FLAG_FUA = 2, FLAG_DISCARD = 4, BLOCK = 4096 };

typedef struct entry {
    uint64_t offset, bytes, flags;
    const unsigned char *data;
} entry;

static entry *entries;
static size_t entry_count;
static uint64_t drive_bytes, zone_bytes;

static uint64_t next_random(uint64_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s * 2685821657736338717u;
}

static void die(const char *what, uint64_t n)
{
    fprintf(stderr, "logreplay: %s (%" PRIu64 ")\n", what, n);
    exit(1);
}

/* Superblock: magic, version, entries (u64 each), sector size (u32). Then per entry one sector: sector,
   sectors,
   flags, data length (u64 each); then the data, whole sectors. The count in the superblock lags: read to
   the end. */
static void load(const char *path)
{
    int fd = open(path, O_RDONLY);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) || st.st_size < 512) die("cannot read the log", 0);
    const unsigned char *m = (const unsigned char *)mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (m == MAP_FAILED) die("cannot map the log", 0);
    uint64_t super[3];
    uint32_t sector;
    memcpy(super, m, sizeof super);
    memcpy(&sector, m + sizeof super, sizeof sector);
    if (super[0] != 0x6a736677736872u || super[1] != 1 || sector < 512 || (sector & (sector - 1)))
        die("not a write log", super[0]);
    size_t cap = 0;
    uint64_t end = (uint64_t)st.st_size;
    for (uint64_t at = sector; at + sector <= end;) {
        uint64_t h[4];
        memcpy(h, m + at, sizeof h);
        if (!h[0] && !h[1] && !h[2] && !h[3]) break;
        entry e = {h[0] * sector, h[1] * sector, h[2], m + at + sector};
        uint64_t stored = (e.flags & FLAG_DISCARD) ? 0 : e.bytes;
        if (e.flags > 15 || stored > (64u << 20)) die("damaged log at byte", at);
        if (at + sector + stored > end) break;
        if (entry_count == cap) entries = (entry *)realloc(entries, (cap = cap ? cap * 2 : 4096) * sizeof *entries);
        if (!entries) die("out of memory", cap);
        entries[entry_count++] = e;
        at += sector + stored;
    }
    if (entry_count < super[2]) die("fewer entries than the superblock counts", super[2]);
}

static void put(int fd, const void *data, uint64_t bytes, uint64_t offset)
{
    if (pwrite(fd, data, bytes, (off_t)offset) != (ssize_t)bytes) die("cannot write the image", offset);
}

static void put_zero(int fd, uint64_t bytes, uint64_t offset)
{
    if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)bytes)) {
        static const unsigned char zero[1 << 16];
        for (uint64_t at = 0; at < bytes; at += sizeof zero)
            put(fd, zero, bytes - at < sizeof zero ? bytes - at : sizeof zero, offset + at);
    }
}

static int is_reset(const entry *e)
{
    return (e->flags & FLAG_DISCARD) || (e->bytes == zone_bytes && e->offset % zone_bytes == 0);
}

static void apply(int img, const entry *e)
{
    if (!e->bytes) return;
    if (is_reset(e))
        put_zero(img, e->bytes, e->offset);
    else
        put(img, e->data, e->bytes, e->offset);
}

/* Keeps a subset of the write's blocks: a prefix, or each by a coin. */
static void tear(int img, const entry *e, uint64_t *seed)
{
    uint64_t blocks = e->bytes / BLOCK, prefix = next_random(seed) % 2 ? next_random(seed) % blocks : blocks;
    for (uint64_t b = 0; b < prefix; b++)
        if (prefix < blocks || next_random(seed) % 2) put(img, e->data + b * BLOCK, BLOCK, e->offset + b * BLOCK);
}

static void cut(const char *dir, unsigned number, size_t at, uint64_t seed)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/cut-%u.img", dir, number);
    int img = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
    snprintf(path, sizeof path, "%s/cut-%u.acks", dir, number);
    int acks = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
    if (img < 0 || acks < 0 || ftruncate(img, (off_t)drive_bytes)) die("cannot create the image", number);
    size_t durable = 0, kept = 0, dropped = 0, torn = 0, resets_lost = 0;
    for (size_t i = 0; i < at; i++)
        if (entries[i].flags & FLAG_FLUSH) durable = i + 1;
    unsigned char *lost_zone = (unsigned char *)calloc(1, drive_bytes / zone_bytes);
    if (!lost_zone) die("out of memory", number);
    for (size_t i = 0; i < at; i++) {
        const entry *e = &entries[i];
        if (e->offset >= drive_bytes) {
            if (e->bytes) put(acks, e->data, e->bytes, e->offset - drive_bytes);
            continue;
        }
        if (i < durable || (e->flags & FLAG_FUA) || !e->bytes) {
            apply(img, e);
            continue;
        }
        uint64_t coin = next_random(&seed) % 10;
        unsigned char *lost = &lost_zone[e->offset / zone_bytes];
        if (is_reset(e) && !*lost && coin < 5)
            *lost = 1, resets_lost++;
        else if (*lost || coin < 4)
            dropped++;
        else if (coin < 7 && !is_reset(e) && e->bytes > BLOCK)
            tear(img, e, &seed), torn++;
        else
            apply(img, e), kept++;
    }
    printf("cut %u: at write %zu of %zu, durable %zu, then kept %zu dropped %zu torn %zu resets lost %zu\n", number, at,
           entry_count, durable, kept, dropped, torn, resets_lost);
    free(lost_zone);
    close(img);
    close(acks);
}

static size_t unflushed(size_t at)
{
    size_t n = 0;
    while (n < at && !(entries[at - 1 - n].flags & FLAG_FLUSH)) n++;
    return n;
}

/* Of four points of the stretch by seed, the one with the most writes behind the last flush; every other time
   a point right behind a zone reset, where there is one. */
static size_t bad_moment(size_t from, size_t stretch, int at_reset, uint64_t *seed)
{
    size_t best = from + next_random(seed) % stretch;
    for (int i = 0; i < 3; i++) {
        size_t at = from + next_random(seed) % stretch;
        if (unflushed(at) > unflushed(best)) best = at;
    }
    for (size_t at = from; at_reset && at < from + stretch; at++)
        if (entries[at].bytes && is_reset(&entries[at])) return at + 1;
    return best;
}

int main(int argc, char **argv)
{
    if (argc != 7)
        return fprintf(stderr, "usage: logreplay <log> <out dir> <cuts> <seed> <drive bytes> <zone bytes>\n"), 2;
    unsigned cuts = (unsigned)strtoul(argv[3], NULL, 0);
    uint64_t seed = strtoull(argv[4], NULL, 0) * 0x9e3779b97f4a7c15u + 1;
    drive_bytes = strtoull(argv[5], NULL, 0);
    zone_bytes = strtoull(argv[6], NULL, 0);
    load(argv[1]);
    if (entry_count < 100) die("too few writes to cut", entry_count);
    /* One cut in each of <cuts> equal stretches, the last at the very end. */
    for (unsigned i = 0; i < cuts; i++) {
        size_t stretch = entry_count / cuts, at = bad_moment(i * stretch, stretch, i & 1, &seed);
        cut(argv[2], i, i + 1 == cuts ? entry_count : at, next_random(&seed));
    }
    return 0;
}
