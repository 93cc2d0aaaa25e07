/* ratios -- what the store costs over the bare device; each figure is the median of five, taken in turns.
   usage: ratios <zoned NVMe node> <KiB of an append> <most write amplification>
   Under emulation only the ratios mean anything. */
#include "guest.h"
#include "raw.h"

enum { ROUNDS = 5, TOTAL = 32 << 20 };

static const char *device;
static unsigned char *payload;
static volatile uint32_t sum;

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v)
{
    qsort(v, ROUNDS, sizeof *v, by_value);
    return v[ROUNDS / 2];
}

static void must(int fine, const char *what)
{
    if (fine) return;
    printf("ratios: %s failed: %s\n", what, zslab_result_name(zslab_last_error()));
    exit(1);
}

/* Bytes per second of a bare loop of appends of that size, zone after zone; with_crc also copies and sums
   what it writes, which no store that checks its data can spare. */
static double raw_speed(size_t append_bytes, int with_crc)
{
    raw_dev d;
    raw_zone z;
    static unsigned char copy[512 << 10];
    must(!raw_open(&d, device, O_RDWR) && !raw_reset_all(&d) && !raw_report(&d, 0, 1, &z), "opening the drive");
    double t = seconds();
    uint64_t in_zone = 0, done = 0;
    for (uint32_t zone = 0; done < TOTAL; done += append_bytes, in_zone += append_bytes) {
        if (in_zone + append_bytes > z.capacity) zone++, in_zone = 0;
        if (with_crc) memcpy(copy, payload, append_bytes), sum += zs__zns_crc(0, copy, append_bytes);
        must(!raw_append(&d, zone, with_crc ? copy : payload, append_bytes, NULL), "a bare append");
    }
    t = seconds() - t;
    must(!raw_flush(&d), "flush");
    close(d.fd);
    return (double)done / t;
}

/* Seconds per byte of reading all that was written in plain order, as it is or with its crc. */
static double read_time(int with_crc)
{
    raw_dev d;
    must(!raw_open(&d, device, O_RDONLY | O_DIRECT), "opening the drive");
    raw_zone *z = (raw_zone *)calloc(d.zone_count, sizeof *z);
    unsigned char *buf = (unsigned char *)raw_buffer(1 << 20, 0);
    must(z && !raw_report(&d, 0, d.zone_count, z), "zone report");
    double t = seconds();
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < d.zone_count; i++) {
        uint64_t used = z[i].condition == RAW_FULL ? z[i].capacity : z[i].wp - z[i].start;
        for (uint64_t at = 0; z[i].condition != RAW_EMPTY && at < used; at += 1 << 20) {
            size_t n = used - at < 1 << 20 ? (size_t)(used - at) : 1 << 20;
            must(pread(d.fd, buf, n, (off_t)(z[i].start + at)) == (ssize_t)n, "a plain read");
            if (with_crc) sum += zs__zns_crc(0, buf, n);
            bytes += n;
        }
    }
    t = seconds() - t;
    free(buf);
    free(z);
    close(d.fd);
    return t / (double)bytes;
}

/* Bytes per second of appends; the store is left closed, its data on the drive. */
static double store_speed(size_t object, uint32_t flags)
{
    zslab_handle h;
    zslab_zns *s = store_open(device, ZSLAB_ZNS_FLAG_FORCE | flags);
    must(s != NULL, "opening");
    zslab_zns_epoch e = epoch_begin(s, 0, TOTAL);
    must(e && zslab_zns_append(s, e, payload, object, &h) == ZSLAB_OK && zslab_zns_sync(s, e) == ZSLAB_OK,
         "the first append");
    double t = seconds();
    uint64_t done = 0;
    for (; done < TOTAL; done += object) must(zslab_zns_append(s, e, payload, object, &h) == ZSLAB_OK, "append");
    t = seconds() - t;
    must(zslab_zns_sync(s, e) == ZSLAB_OK, "sync");
    must(zslab_zns_close(s) == ZSLAB_OK, "close");
    return (double)done / t;
}

/* Seconds per byte of a recovery that reads every frame. */
static double recovery_time(void)
{
    zslab_zns_recovery_report r;
    double t = seconds();
    zslab_zns *s = store_open(device, ZSLAB_ZNS_FLAG_VERIFY);
    t = seconds() - t;
    must(s != NULL, "recovery");
    zslab_zns_recovery(s, &r);
    must(r.bytes_read >= TOTAL, "recovery reading every frame");
    must(zslab_zns_close(s) == ZSLAB_OK, "close");
    return t / (double)r.bytes_read;
}

/* Write-pointer bytes by zbd over user bytes, in an epoch of that many objects. */
static double amplification(size_t object, uint64_t total)
{
    zslab_handle h;
    zslab_zns_store_stats t;
    witness_view before, after;
    uint64_t done = 0;
    raw_dev d;
    must(!raw_open(&d, device, O_RDWR) && !raw_reset_all(&d), "resetting the drive");
    close(d.fd);
    zslab_zns *s = store_open(device, ZSLAB_ZNS_FLAG_FORCE);
    must(s && !witness_look(device, &before), "zbd report");
    zslab_zns_epoch e = epoch_begin(s, 0, total);
    for (; done < total; done += object) must(zslab_zns_append(s, e, payload, object, &h) == ZSLAB_OK, "append");
    must(zslab_zns_sync(s, e) == ZSLAB_OK && !witness_look(device, &after), "zbd report");
    zslab_zns_stats(s, &t);
    must(zslab_zns_close(s) == ZSLAB_OK, "close");
    double ours = (double)(after.written_bytes - before.written_bytes) / (double)done;
    printf("  objects of %zu KiB, %" PRIu64 " MiB: the store says %.4f, %" PRIu64 " zones finished early\n",
           object >> 10, done >> 20, t.write_amplification, t.finishes);
    return ours;
}

static int line(const char *what, double value, const char *relation, double aim)
{
    int fine = *relation == '<' ? value <= aim : value >= aim;
    printf("  %-58s %7.4f  aim %s %.2f  %s\n", what, value, relation, aim, fine ? "reached" : "missed");
    return fine;
}

static int speeds(size_t object, size_t append_bytes)
{
    double bare[ROUNDS], with_crc[ROUNDS], recover[ROUNDS], recover_crc[ROUNDS], rate[ROUNDS];
    int n = 0;
    for (int i = 0; i < ROUNDS; i++) {
        bare[i] = raw_speed(append_bytes, 0);
        with_crc[i] = raw_speed(append_bytes, 1);
        rate[i] = store_speed(object, 0);
        bare[i] = rate[i] / bare[i];
        with_crc[i] = rate[i] / with_crc[i];
        double r = recovery_time();
        recover[i] = r / read_time(0);
        recover_crc[i] = r / read_time(1);
    }
    printf("  objects of %zu KiB: store append %.0f MB/s\n", object >> 10, median(rate) * 1e-6);
    n += line("store append over bare append", median(bare), ">=", 0.95);
    n += line("store append over bare append with copy and crc", median(with_crc), ">=", 0.95);
    n += line("full-crc recovery over plain read", median(recover), "<=", 2.2);
    n += line("full-crc recovery over plain read with crc", median(recover_crc), "<=", 2.2);
    return n;
}

/* A drive that answers nothing for ten minutes (init) is reset by the kernel, its commands cancelled: a starved
   emulator may bring that about. A store writes such a frame again; here it is noted and spoils one of five rounds. */
static void queued_end(zs__zns_dev *d, zs__zns_io *io)
{
    must(d->wait(d->user, io, 1), "waiting for a queued append");
    if (io->rc) printf("  a queued append was cancelled: %d\n", io->res);
}

/* Bytes per second of bare commands through the store's seam: one pwrite after the other, or 32 appends queued. */
static double seam_speed(size_t bytes, int queued)
{
    enum { DEPTH = 32 };
    zslab_zns_config c;
    zs__zns_dev d;
    zs__zns_io io[DEPTH];
    raw_dev raw;
    uint64_t done = 0, n, in_zone = 0;
    uint32_t zone = 0;
    must(!raw_open(&raw, device, O_RDWR) && !raw_reset_all(&raw), "resetting the drive");
    close(raw.fd);
    memset(&c, 0, sizeof c);
    c.flags = queued ? 0 : ZSLAB_ZNS_FLAG_NO_APPEND;
    c.queue_depth = queued ? DEPTH : 1;
    must(zs__zns_nvme_open(device, &c, &d) == ZSLAB_OK && !d.begin == !queued, "opening the seam");
    double t = seconds();
    for (n = 0; done < TOTAL / 4; n++, done += bytes, in_zone += bytes) {
        zs__zns_io *one = &io[n % DEPTH];
        if (in_zone + bytes > d.ops.geometry.zone_capacity_bytes) zone++, in_zone = 0;
        if (queued && n >= DEPTH) queued_end(&d, one);
        memset(one, 0, sizeof *one);
        one->zone = zone;
        one->iov_count = 1;
        one->iov[0].base = payload;
        one->iov[0].bytes = bytes;
        if (queued)
            d.begin(d.user, one);
        else
            must(!d.ops.append(d.user, zone, one->iov, 1, &one->at), "a pwrite");
    }
    for (uint64_t k = n > DEPTH ? n - DEPTH : 0; queued && k < n; k++) queued_end(&d, &io[k % DEPTH]);
    t = seconds() - t;
    d.ops.close(d.user);
    return (double)done / t;
}

/* What a queue is worth: bare commands of 16 KiB, and the store with frames of that size. */
static int queues(void)
{
    double bare[ROUNDS], store[ROUNDS];
    int n = 0;
    for (int i = 0; i < ROUNDS; i++) {
        bare[i] = seam_speed(16 << 10, 1) / seam_speed(16 << 10, 0);
        frame_bytes = 16 << 10;
        store[i] = 1 / store_speed(3 << 10, ZSLAB_ZNS_FLAG_NO_APPEND);
        queue_depth = 0;
        store[i] *= store_speed(3 << 10, 0);
        queue_depth = 1;
        frame_bytes = 0;
    }
    n += line("bare appends of 16 KiB, 32 queued, over pwrite one by one", median(bare), ">=", 2);
    n += line("store in frames of 16 KiB, queued, over pwrite", median(store), ">=", 2);
    return n;
}

int main(int argc, char **argv)
{
    if (argc < 4) return fprintf(stderr, "usage: ratios <node> <KiB of an append> <most write amplification>\n"), 2;
    device = argv[1];
    size_t append_bytes = (size_t)atoi(argv[2]) << 10;
    double most = atof(argv[3]), worst = 0;
    static const size_t objects[] = {64 << 10, 1000 << 10};
    int reached = 0;
    payload = (unsigned char *)raw_buffer(1 << 20, 0);
    object_make(payload, 1 << 20, 1, 1);
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int k = 0; k < 2; k++) reached += speeds(objects[k], append_bytes);
    for (int k = 0; k < 2; k++) {
        double a = amplification(objects[k], 72 << 20);
        reached += line("write amplification by zbd's write pointers", a, "<=", most);
        if (a > worst) worst = a;
    }
    reached += queues();
    printf("ratios: appends of %zu KiB: write amplification %.4f, %d of 12 aims reached\n", append_bytes >> 10, worst,
           reached);
    return worst > most; /* the emulator's speeds inform; amplification binds */
}
