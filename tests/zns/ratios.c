/* ratios -- what the store costs over the bare device; each figure is the median of five, taken in turns.
   usage: ratios <zoned NVMe node> <most write amplification>
   Under emulation only the ratios mean anything. */
#include "guest.h"
#include "raw.h"

enum { ROUNDS = 5, TOTAL = 12 << 20 };

static const char *device;
static unsigned char *payload;

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

/* Bytes per second of a bare loop of appends of that size, zone after zone. */
static double raw_speed(size_t append_bytes)
{
    raw_dev d;
    raw_zone z;
    must(!raw_open(&d, device, O_RDWR) && !raw_reset_all(&d) && !raw_report(&d, 0, 1, &z),
         "opening the drive");
    double t = seconds();
    uint64_t in_zone = 0, done = 0;
    for (uint32_t zone = 0; done < TOTAL; done += append_bytes, in_zone += append_bytes) {
        if (in_zone + append_bytes > z.capacity) zone++, in_zone = 0;
        must(!raw_append(&d, zone, payload, append_bytes, NULL), "a bare append");
    }
    must(!raw_flush(&d), "flush");
    t = seconds() - t;
    close(d.fd);
    return (double)done / t;
}

typedef struct figures {
    double append_speed, recover_seconds, read_seconds, amplification, witness_amplification;
} figures;

static double drive_read_seconds(uint64_t *out_bytes)
{
    raw_dev d;
    static raw_zone z[64];
    must(!raw_open(&d, device, O_RDONLY | O_DIRECT) && !raw_report(&d, 0, 64, z), "opening the drive");
    unsigned char *buf = (unsigned char *)raw_buffer(1 << 20, 0);
    double t = seconds();
    *out_bytes = 0;
    for (int i = 0; i < 64; i++) {
        uint64_t used = z[i].condition == RAW_FULL ? z[i].capacity : z[i].wp - z[i].start;
        for (uint64_t at = 0; z[i].condition != RAW_EMPTY && at < used; at += 1 << 20) {
            size_t n = used - at < 1 << 20 ? (size_t)(used - at) : 1 << 20;
            must(pread(d.fd, buf, n, (off_t)(z[i].start + at)) == (ssize_t)n, "a plain read");
            *out_bytes += n;
        }
    }
    t = seconds() - t;
    free(buf);
    close(d.fd);
    return t;
}

/* One run of the store: append, sync, count, then recovery as after a crash with every crc read. */
static figures store_run(size_t object)
{
    figures f;
    zslab_handle h;
    zslab_zns_store_stats t;
    zslab_zns_recovery_report r;
    witness_view before, after;
    zslab_zns *s = store_open(device, ZSLAB_ZNS_FLAG_FORCE);
    must(s != NULL, "opening");
    zslab_zns_epoch e = epoch_begin(s, 0, TOTAL);
    must(e && zslab_zns_append(s, e, payload, object, &h) == ZSLAB_OK && zslab_zns_sync(s, e) == ZSLAB_OK,
         "the first append");
    must(!witness_look(device, &before), "zbd report");
    double start = seconds();
    uint64_t done = 0;
    for (; done < TOTAL; done += object)
        must(zslab_zns_append(s, e, payload, object, &h) == ZSLAB_OK, "append");
    must(zslab_zns_sync(s, e) == ZSLAB_OK, "sync");
    f.append_speed = (double)done / (seconds() - start);
    must(!witness_look(device, &after), "zbd report");
    f.witness_amplification = (double)(after.written_bytes - before.written_bytes) / (double)done;
    zslab_zns_stats(s, &t);
    f.amplification = t.write_amplification;
    must(zslab_zns_close(s) == ZSLAB_OK, "close");
    uint64_t bytes = 0;
    f.read_seconds = drive_read_seconds(&bytes) / (double)bytes;
    start = seconds();
    s = store_open(device, ZSLAB_ZNS_FLAG_VERIFY);
    must(s != NULL, "recovery");
    zslab_zns_recovery(s, &r);
    f.recover_seconds = (seconds() - start) / (double)(r.bytes_read ? r.bytes_read : 1);
    must(r.bytes_read > TOTAL, "recovery reading every frame");
    must(zslab_zns_close(s) == ZSLAB_OK, "close");
    return f;
}

static int line(const char *what, double value, const char *relation, double aim, int fine)
{
    printf("  %-58s %7.3f  aim %s %.2f  %s\n", what, value, relation, aim, fine ? "reached" : "missed");
    return fine;
}

int main(int argc, char **argv)
{
    static const size_t sizes[] = {64 << 10, 124 << 10, 1000 << 10};
    if (argc < 3) return fprintf(stderr, "usage: ratios <node> <most write amplification>\n"), 2;
    device = argv[1];
    double most = atof(argv[2]), amplification = 0, worst = 0;
    int firm = 1, aims = 0, reached = 0;
    payload = (unsigned char *)raw_buffer(1 << 20, 0);
    object_make(payload, 1 << 20, 1, 1);
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
        double raw[ROUNDS], ours[ROUNDS], recover[ROUNDS], quotient[ROUNDS];
        char text[96];
        for (int i = 0; i < ROUNDS; i++) {
            raw[i] = raw_speed(sizes[k] < 128 << 10 && sizes[k] >= 64 << 10 ? sizes[k] : 128 << 10);
            figures f = store_run(sizes[k]);
            ours[i] = f.append_speed;
            recover[i] = f.recover_seconds / f.read_seconds;
            quotient[i] = ours[i] / raw[i];
            amplification = f.witness_amplification;
            if (f.witness_amplification > f.amplification + 0.02) firm = 0;
        }
        snprintf(text, sizeof text, "store append over bare append, objects of %zu KiB", sizes[k] >> 10);
        aims++, reached += line(text, median(quotient), ">=", 0.95, quotient[ROUNDS / 2] >= 0.95);
        snprintf(text, sizeof text, "full-crc recovery over plain read, objects of %zu KiB", sizes[k] >> 10);
        aims++, reached += line(text, median(recover), "<=", 2.2, recover[ROUNDS / 2] <= 2.2);
        snprintf(text, sizeof text, "write amplification by zbd's write pointers, %zu KiB", sizes[k] >> 10);
        worst = amplification;
        aims++, reached += line(text, amplification, "<=", most, amplification <= most);
    }
    printf("ratios: %d of %d aims reached%s\n", reached, aims,
           firm ? "" : "; the store counts fewer bytes than zbd");
    return firm && worst <= most ? 0 : 1; /* speeds inform, amplification binds */
}
