/* A zoned NVMe namespace without the store and without libzbd: report, append, write, manage.
   The tests' second opinion. Statuses: 0 fine, > 0 an NVMe status (0x7ff), < 0 -errno. */
#ifndef ZSLAB_TESTS_RAW_H
#define ZSLAB_TESTS_RAW_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <linux/blkzoned.h>
#include <linux/fs.h>
#include <linux/nvme_ioctl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { RAW_CLOSE = 1, RAW_FINISH = 2, RAW_OPEN = 3, RAW_RESET = 4, RAW_SET_OFFLINE = 5 };
enum {
    RAW_EMPTY = 1,
    RAW_IMPLICIT = 2,
    RAW_EXPLICIT = 3,
    RAW_CLOSED = 4,
    RAW_READ_ONLY = 13,
    RAW_FULL = 14,
    RAW_OFFLINE = 15
};

typedef struct raw_dev {
    int fd;
    uint32_t nsid, block_bytes, zone_count, append_bytes;
    uint64_t zone_bytes;
} raw_dev;

typedef struct raw_zone {
    uint64_t start, capacity, wp; /* bytes */
    int condition;
} raw_zone;

static inline int raw_report(const raw_dev *d, uint32_t first, uint32_t count, raw_zone *out)
{
    size_t bytes = sizeof(struct blk_zone_report) + (size_t)count * sizeof(struct blk_zone);
    struct blk_zone_report *r = (struct blk_zone_report *)calloc(1, bytes);
    if (!r) return -ENOMEM;
    r->sector = (uint64_t)first * d->zone_bytes >> 9;
    r->nr_zones = count;
    int rc = ioctl(d->fd, BLKREPORTZONE, r) ? -errno : (r->nr_zones == count ? 0 : -EIO);
    for (uint32_t i = 0; !rc && i < count; i++) {
        const struct blk_zone *z = &r->zones[i];
        out[i].start = z->start << 9;
        out[i].capacity = ((r->flags & BLK_ZONE_REP_CAPACITY) ? z->capacity : z->len) << 9;
        out[i].wp = z->wp << 9;
        out[i].condition = z->cond;
    }
    free(r);
    return rc;
}

static inline int raw_open(raw_dev *d, const char *path, int flags)
{
    memset(d, 0, sizeof *d);
    d->fd = open(path, flags | O_CLOEXEC);
    if (d->fd < 0) return -errno;
    uint32_t sectors = 0;
    int block = 0, nsid = ioctl(d->fd, NVME_IOCTL_ID);
    if (ioctl(d->fd, BLKGETZONESZ, &sectors) || ioctl(d->fd, BLKGETNRZONES, &d->zone_count) ||
        ioctl(d->fd, BLKSSZGET, &block)) {
        int rc = -errno;
        close(d->fd);
        return rc;
    }
    d->nsid = nsid > 0 ? (uint32_t)nsid : 1;
    d->zone_bytes = (uint64_t)sectors << 9;
    d->block_bytes = (uint32_t)block;
    d->append_bytes = 128u << 10;
    return 0;
}

static inline int raw_command(const raw_dev *d, struct nvme_passthru_cmd64 *c)
{
    int rc = ioctl(d->fd, NVME_IOCTL_IO64_CMD, c);
    return rc < 0 ? -errno : rc & 0x7ff;
}

/* Zone append; *out_offset is where the device put it, in bytes, set only on success. */
static inline int raw_append(const raw_dev *d, uint32_t zone, const void *data, size_t bytes, uint64_t *out_offset)
{
    struct nvme_passthru_cmd64 c;
    memset(&c, 0, sizeof c);
    uint64_t lba = zone * d->zone_bytes / d->block_bytes;
    c.opcode = 0x7d;
    c.nsid = d->nsid;
    c.addr = (uint64_t)(uintptr_t)data;
    c.data_len = (uint32_t)bytes;
    c.cdw10 = (uint32_t)lba;
    c.cdw11 = (uint32_t)(lba >> 32);
    c.cdw12 = (uint32_t)(bytes / d->block_bytes - 1);
    int rc = raw_command(d, &c);
    if (!rc && out_offset) *out_offset = c.result * d->block_bytes;
    return rc;
}

/* NVMe Write at a byte offset: the status the block layer would have hidden. */
static inline int raw_write(const raw_dev *d, uint64_t offset, const void *data, size_t bytes)
{
    struct nvme_passthru_cmd64 c;
    memset(&c, 0, sizeof c);
    uint64_t lba = offset / d->block_bytes;
    c.opcode = 0x01;
    c.nsid = d->nsid;
    c.addr = (uint64_t)(uintptr_t)data;
    c.data_len = (uint32_t)bytes;
    c.cdw10 = (uint32_t)lba;
    c.cdw11 = (uint32_t)(lba >> 32);
    c.cdw12 = (uint32_t)(bytes / d->block_bytes - 1);
    return raw_command(d, &c);
}

static inline int raw_manage(const raw_dev *d, uint32_t zone, int action)
{
    struct nvme_passthru_cmd64 c;
    memset(&c, 0, sizeof c);
    uint64_t lba = zone * d->zone_bytes / d->block_bytes;
    c.opcode = 0x79;
    c.nsid = d->nsid;
    c.cdw10 = (uint32_t)lba;
    c.cdw11 = (uint32_t)(lba >> 32);
    c.cdw13 = (uint32_t)action;
    return raw_command(d, &c);
}

static inline int raw_flush(const raw_dev *d)
{
    struct nvme_passthru_cmd64 c;
    memset(&c, 0, sizeof c);
    c.nsid = d->nsid;
    return raw_command(d, &c);
}

static inline int raw_reset_all(const raw_dev *d)
{
    struct nvme_passthru_cmd64 c;
    memset(&c, 0, sizeof c);
    c.opcode = 0x79;
    c.nsid = d->nsid;
    c.cdw13 = RAW_RESET | 1u << 8;
    return raw_command(d, &c);
}

static inline void *raw_buffer(size_t bytes, int fill)
{
    void *p = NULL;
    if (posix_memalign(&p, 4096, bytes)) abort();
    memset(p, fill, bytes);
    return p;
}

static inline const char *raw_condition_name(int condition)
{
    switch (condition) {
    case RAW_EMPTY:
        return "empty";
    case RAW_IMPLICIT:
        return "open";
    case RAW_EXPLICIT:
        return "explicit";
    case RAW_CLOSED:
        return "closed";
    case RAW_READ_ONLY:
        return "read-only";
    case RAW_FULL:
        return "full";
    case RAW_OFFLINE:
        return "offline";
    default:
        return "?";
    }
}

#endif
