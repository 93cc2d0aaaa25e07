/* wprestore -- give a drive whose zone state was lost with its process the write pointers its data imply.
   QEMU keeps zone state in memory: after a kill every zone is EMPTY and the bytes are still there. Each EMPTY
   zone is written again, block for block, up to its last block that is not all zero.
   usage: wprestore <device>...            prints one line per device */
#include "raw.h"

static int nonzero(const unsigned char *p, size_t n) { return p[0] || memcmp(p, p + 1, n - 1); }

/* Rewrites [start, start+used) at the write pointer; when the active slots are used up, the fullest is
   finished. */
static int rewrite_zone(raw_dev *d, const raw_zone *z, const unsigned char *data, size_t used, unsigned *finished)
{
    for (size_t at = 0; at < used;) {
        size_t n = used - at < d->append_bytes ? used - at : d->append_bytes;
        int rc = raw_write(d, z->start + at, data + at, n);
        if (rc == 0x1bd && at == 0) { /* too many active: the process had finished one of them */
            raw_zone *all = (raw_zone *)calloc(d->zone_count, sizeof *all);
            uint32_t best = d->zone_count;
            if (!all || raw_report(d, 0, d->zone_count, all)) return -EIO;
            for (uint32_t i = 0; i < d->zone_count; i++)
                if ((all[i].condition == RAW_IMPLICIT || all[i].condition == RAW_CLOSED) &&
                    (best == d->zone_count || all[i].wp - all[i].start > all[best].wp - all[best].start))
                    best = i;
            free(all);
            if (best == d->zone_count || raw_manage(d, best, RAW_FINISH)) return -EIO;
            ++*finished;
            continue;
        }
        if (rc) return rc;
        at += n;
    }
    return 0;
}

static int restore(const char *path)
{
    raw_dev d;
    int rc = raw_open(&d, path, O_RDWR);
    if (rc) return fprintf(stderr, "wprestore: %s: %s\n", path, strerror(-rc)), 1;
    int direct = open(path, O_RDONLY | O_DIRECT);
    raw_zone *zones = (raw_zone *)calloc(d.zone_count, sizeof *zones);
    unsigned char *data = (unsigned char *)raw_buffer(d.zone_bytes, 0);
    if (direct < 0 || !zones || raw_report(&d, 0, d.zone_count, zones)) return 1;
    unsigned restored = 0, finished = 0;
    uint64_t total = 0;
    for (uint32_t i = 0; i < d.zone_count; i++) {
        if (zones[i].condition != RAW_EMPTY) continue;
        size_t cap = zones[i].capacity, used = 0;
        if (pread(direct, data, cap, (off_t)zones[i].start) != (ssize_t)cap) return perror("wprestore: read"), 1;
        for (size_t at = cap; at && !used; at -= d.block_bytes)
            if (nonzero(data + at - d.block_bytes, d.block_bytes)) used = at;
        if (!used) continue;
        rc = rewrite_zone(&d, &zones[i], data, used, &finished);
        if (rc) return fprintf(stderr, "wprestore: %s zone %u: 0x%x\n", path, i, (unsigned)rc), 1;
        restored++;
        total += used;
    }
    printf("wprestore: %s: %u zones, %llu bytes, %u finished\n", path, restored, (unsigned long long)total, finished);
    free(zones);
    free(data);
    close(direct);
    return raw_flush(&d) ? 1 : (close(d.fd), 0);
}

int main(int argc, char **argv)
{
    int rc = argc < 2;
    for (int i = 1; i < argc && !rc; i++) rc = restore(argv[i]);
    return rc;
}
