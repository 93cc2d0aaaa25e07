/* conform -- what a zoned device answers, row by row: the guest's drive by bare NVMe commands, the same
   drive through
   the store's seam, and the store's file device.
   usage: conform <zoned NVMe node> <file>     the node is reset, the file is created anew
          conform <node> <file> media          zones 9 and 10 fail one write at 200 KiB
          conform <node> <file> spoilt <dir>   zones 40 to 43 are made read-only and offline through
                                               a null_blk's directory in configfs
   A row fails when a device answers otherwise than documented for it. Rows in which the file device answers
   other
   than the drive does through the same seam are marked and counted; they are fine when documented. */
#include "guest.h"
#include "raw.h"

enum { BLOCK = 4096, APPEND = 128 << 10, NOT_OFFERED = 9999 };

/* A device as the rows see it. Answers are its own: NVMe status or -errno; through the seam a negated
   zslab_result. */
typedef struct face {
    const char *name;
    int seam; /* 0: raw and direct, 1: dev */
    raw_dev raw;
    int direct;
    zs__zns_dev dev;
    uint64_t zone_bytes, capacity;
    uint32_t max_open, max_active;
} face;

static unsigned char *payload;

static int f_append(face *f, uint32_t zone, size_t bytes, uint64_t *off)
{
    uint64_t ignored = 0;
    zslab_zns_iov iov = {payload, bytes};
    if (!f->seam) return raw_append(&f->raw, zone, payload, bytes, off);
    return f->dev.ops.append(f->dev.user, zone, &iov, 1, off ? off : &ignored);
}

static int f_write(face *f, uint32_t zone, uint64_t at, size_t bytes)
{
    return f->seam ? NOT_OFFERED : raw_write(&f->raw, zone * f->zone_bytes + at, payload, bytes);
}

static int f_pwrite(face *f, uint32_t zone, uint64_t at, size_t bytes)
{
    if (f->seam) return NOT_OFFERED;
    return pwrite(f->direct, payload, bytes, (off_t)(zone * f->zone_bytes + at)) == (ssize_t)bytes ? 0 : -errno;
}

static int f_manage(face *f, uint32_t zone, int action)
{
    if (!f->seam) return raw_manage(&f->raw, zone, action);
    if (action == RAW_RESET) return f->dev.ops.reset(f->dev.user, zone);
    if (action == RAW_FINISH) return f->dev.ops.finish(f->dev.user, zone);
    return NOT_OFFERED;
}

static int f_read(face *f, uint64_t at, size_t bytes)
{
    unsigned char *buf = (unsigned char *)raw_buffer(bytes, 1);
    int rc;
    if (f->seam)
        rc = f->dev.ops.read(f->dev.user, at, buf, bytes);
    else
        rc = pread(f->direct, buf, bytes, (off_t)at) == (ssize_t)bytes ? 0 : -errno;
    free(buf);
    return rc;
}

static int seam_condition(uint32_t c)
{
    static const int of[] = {RAW_EMPTY, RAW_IMPLICIT, RAW_CLOSED, RAW_FULL, RAW_READ_ONLY, RAW_OFFLINE};
    return c < sizeof of / sizeof of[0] ? of[c] : -1;
}

static raw_zone f_zone(face *f, uint32_t zone)
{
    raw_zone z;
    zslab_zns_zone s;
    memset(&z, 0, sizeof z);
    memset(&s, 0, sizeof s);
    if (!f->seam) {
        if (raw_report(&f->raw, zone, 1, &z)) z.condition = -1;
        return z;
    }
    z.condition = f->dev.ops.report(f->dev.user, zone, 1, &s) ? -1 : seam_condition(s.condition);
    z.start = s.start;
    z.capacity = s.capacity;
    z.wp = s.write_pointer;
    return z;
}

static void f_reset_all(face *f)
{
    for (uint32_t i = 0; i < 16; i++) f_manage(f, i, RAW_RESET);
}

/* Appends until the zone holds that many bytes. */
static int fill(face *f, uint32_t zone, uint64_t bytes)
{
    int rc = 0;
    for (uint64_t at = 0; !rc && at < bytes;) {
        size_t n = bytes - at < APPEND ? (size_t)(bytes - at) : APPEND;
        rc = f_append(f, zone, n, NULL);
        at += n;
    }
    return rc;
}

typedef struct answer {
    int code;      /* the device's own */
    int condition; /* of the row's zone afterwards */
    uint64_t wp;   /* relative to the zone start; of a full zone its capacity */
} answer;

static answer after(face *f, uint32_t zone, int code)
{
    raw_zone z = f_zone(f, zone);
    answer a = {code, z.condition, z.condition == RAW_FULL ? f->capacity : z.wp - z.start};
    if (z.condition == RAW_READ_ONLY || z.condition == RAW_OFFLINE) a.wp = 0; /* it means nothing there */
    return a;
}

/* ---- the rows: each begins with all zones empty ---------------------------- */

static answer row_append_empty(face *f)
{
    uint64_t off = ~0ull;
    int rc = f_append(f, 2, BLOCK, &off);
    return after(f, 2, rc ? rc : (off == 2 * f->zone_bytes ? 0 : -ERANGE));
}

static answer row_append_place(face *f)
{
    uint64_t off = ~0ull;
    int rc = fill(f, 1, BLOCK);
    if (!rc) rc = f_append(f, 1, APPEND, &off);
    return after(f, 1, rc ? rc : (off == f->zone_bytes + BLOCK ? 0 : -ERANGE));
}

static answer row_append_too_large(face *f) { return after(f, 1, f_append(f, 1, APPEND + BLOCK, NULL)); }

static answer row_append_no_room(face *f)
{
    int rc = fill(f, 1, f->capacity - BLOCK);
    return after(f, 1, rc ? rc : f_append(f, 1, 2 * BLOCK, NULL));
}

static answer row_append_last(face *f) { return after(f, 1, fill(f, 1, f->capacity)); }

static answer row_append_full(face *f)
{
    int rc = fill(f, 1, f->capacity);
    return after(f, 1, rc ? rc : f_append(f, 1, BLOCK, NULL));
}

static answer row_write_full(face *f)
{
    int rc = fill(f, 1, f->capacity);
    return after(f, 1, rc ? rc : f_write(f, 1, 0, BLOCK));
}

static answer row_pwrite_full(face *f)
{
    int rc = fill(f, 1, f->capacity);
    return after(f, 1, rc ? rc : f_pwrite(f, 1, 0, BLOCK));
}

static answer row_write_elsewhere(face *f)
{
    int rc = fill(f, 1, 2 * BLOCK);
    return after(f, 1, rc ? rc : f_write(f, 1, 0, BLOCK));
}

static answer row_pwrite_elsewhere(face *f)
{
    int rc = fill(f, 1, 2 * BLOCK);
    return after(f, 1, rc ? rc : f_pwrite(f, 1, 0, BLOCK));
}

static answer row_pwrite_at_wp(face *f)
{
    int rc = fill(f, 1, 2 * BLOCK);
    return after(f, 1, rc ? rc : f_pwrite(f, 1, 2 * BLOCK, BLOCK));
}

static int touch(face *f, uint32_t count)
{
    int rc = 0;
    for (uint32_t i = 0; i < count && !rc; i++) rc = f_append(f, i, BLOCK, NULL);
    return rc;
}

static answer row_implicit_beyond_open(face *f) /* the device closes another one */
{
    int rc = touch(f, f->max_open + 1);
    return after(f, f->max_open, rc);
}

static answer row_beyond_active(face *f)
{
    int rc = touch(f, f->max_active);
    return after(f, 8, rc ? rc : f_append(f, 8, BLOCK, NULL));
}

static answer row_pwrite_beyond_active(face *f)
{
    int rc = touch(f, f->max_active);
    return after(f, 8, rc ? rc : f_pwrite(f, 8, 0, BLOCK));
}

static answer row_finish_frees(face *f)
{
    int rc = touch(f, f->max_active);
    if (!rc) rc = f_manage(f, 0, RAW_FINISH);
    return after(f, 8, rc ? rc : f_append(f, 8, BLOCK, NULL));
}

static answer row_reset_frees(face *f)
{
    int rc = touch(f, f->max_active);
    if (!rc) rc = f_manage(f, 0, RAW_RESET);
    return after(f, 8, rc ? rc : f_append(f, 8, BLOCK, NULL));
}

static int open_explicitly(face *f, uint32_t count)
{
    int rc = 0;
    for (uint32_t i = 0; i < count && !rc; i++) rc = f_manage(f, i, RAW_OPEN);
    return rc;
}

static answer row_beyond_open(face *f)
{
    int rc = open_explicitly(f, f->max_open);
    return after(f, 8, rc ? rc : f_append(f, 8, BLOCK, NULL));
}

static answer row_pwrite_beyond_open(face *f)
{
    int rc = open_explicitly(f, f->max_open);
    return after(f, 8, rc ? rc : f_pwrite(f, 8, 0, BLOCK));
}

static answer row_close_stays_active(face *f)
{
    int rc = touch(f, f->max_active);
    for (uint32_t i = 0; i < f->max_active && !rc; i++) {
        raw_zone z = f_zone(f, i);
        if (z.condition == RAW_IMPLICIT) rc = f_manage(f, i, RAW_CLOSE);
    }
    return after(f, 8, rc ? rc : f_append(f, 8, BLOCK, NULL));
}

static answer row_open_full(face *f)
{
    int rc = f_manage(f, 1, RAW_FINISH);
    return after(f, 1, rc ? rc : f_manage(f, 1, RAW_OPEN));
}

static answer row_close_empty(face *f) { return after(f, 1, f_manage(f, 1, RAW_CLOSE)); }
static answer row_finish_empty(face *f) { return after(f, 1, f_manage(f, 1, RAW_FINISH)); }

static answer row_finish_part(face *f)
{
    int rc = fill(f, 1, APPEND);
    return after(f, 1, rc ? rc : f_manage(f, 1, RAW_FINISH));
}

static answer row_reset_empty(face *f) { return after(f, 1, f_manage(f, 1, RAW_RESET)); }

static answer row_reset_full(face *f)
{
    int rc = f_manage(f, 1, RAW_FINISH);
    return after(f, 1, rc ? rc : f_manage(f, 1, RAW_RESET));
}

static answer row_append_after_reset(face *f)
{
    uint64_t off = ~0ull;
    int rc = fill(f, 1, 3 * APPEND);
    if (!rc) rc = f_manage(f, 1, RAW_RESET);
    if (!rc) rc = f_append(f, 1, BLOCK, &off);
    return after(f, 1, rc ? rc : (off == f->zone_bytes ? 0 : -ERANGE));
}

static answer row_read_beyond_wp(face *f)
{
    int rc = fill(f, 1, BLOCK);
    return after(f, 1, rc ? rc : f_read(f, f->zone_bytes + 64 * BLOCK, BLOCK));
}

/* A write that fails on the medium, on a zone of its own for each face. */
static uint32_t bad_place(const face *f) { return f->seam ? 10 : 9; }

static answer row_media_error(face *f)
{
    int rc = fill(f, bad_place(f), APPEND);
    return after(f, bad_place(f), rc ? rc : f_append(f, bad_place(f), APPEND, NULL));
}

static answer row_behind_media_error(face *f) /* after the row above */
{
    uint64_t off = ~0ull, want = bad_place(f) * f->zone_bytes + 2 * APPEND;
    int rc = f_append(f, bad_place(f), APPEND, &off);
    return after(f, bad_place(f), rc ? rc : (off == want ? 0 : -ERANGE));
}

/* Zones 40 and 42 hold 128 KiB, 41 and 43 nothing; 40 and 41 are read-only, 42 and 43 offline. */
static answer row_ro_append(face *f) { return after(f, 40, f_append(f, 40, BLOCK, NULL)); }
static answer row_ro_append_empty(face *f) { return after(f, 41, f_append(f, 41, BLOCK, NULL)); }
static answer row_ro_read(face *f) { return after(f, 40, f_read(f, 40 * f->zone_bytes, BLOCK)); }
static answer row_ro_reset(face *f) { return after(f, 40, f_manage(f, 40, RAW_RESET)); }
static answer row_ro_finish(face *f) { return after(f, 40, f_manage(f, 40, RAW_FINISH)); }
static answer row_off_append(face *f) { return after(f, 42, f_append(f, 42, BLOCK, NULL)); }
static answer row_off_append_empty(face *f) { return after(f, 43, f_append(f, 43, BLOCK, NULL)); }
static answer row_off_read(face *f) { return after(f, 42, f_read(f, 42 * f->zone_bytes, BLOCK)); }
static answer row_off_reset(face *f) { return after(f, 42, f_manage(f, 42, RAW_RESET)); }

enum { E = RAW_EMPTY, O = RAW_IMPLICIT, U = RAW_FULL };
#define CAP (~0ull) /* the write pointer of a full zone */

#define S(name) (-(int)ZSLAB_E_##name)

typedef struct row {
    const char *name;
    answer (*play)(face *f);
    answer raw, drive, file; /* as documented: bare commands, the drive's seam, the file device's seam */
} row;

static const row rows[] = {
    {"append to an empty zone", row_append_empty, {0, O, BLOCK}, {0, O, BLOCK}, {0, O, BLOCK}},
    {"append lands at the write pointer",
     row_append_place,
     {0, O, BLOCK + APPEND},
     {0, O, BLOCK + APPEND},
     {0, O, BLOCK + APPEND}},
    {"append beyond the largest", row_append_too_large, {0x002, E, 0}, {S(INVALID), E, 0}, {S(INVALID), E, 0}},
    {"append larger than what is left",
     row_append_no_room,
     {0x1b8, O, CAP - BLOCK},
     {S(NO_SPACE), O, CAP - BLOCK},
     {S(NO_SPACE), O, CAP - BLOCK}},
    {"append of the last blocks", row_append_last, {0, U, CAP}, {0, U, CAP}, {0, U, CAP}},
    {"append to a full zone", row_append_full, {0x1b9, U, CAP}, {S(NO_SPACE), U, CAP}, {S(NO_SPACE), U, CAP}},
    {"write to a full zone", row_write_full, {0x1b9, U, CAP}, {NOT_OFFERED, U, CAP}, {NOT_OFFERED, U, CAP}},
    {"pwrite to a full zone", row_pwrite_full, {-EIO, U, CAP}, {NOT_OFFERED, U, CAP}, {NOT_OFFERED, U, CAP}},
    {"write not at the write pointer",
     row_write_elsewhere,
     {0x1bc, O, 2 * BLOCK},
     {NOT_OFFERED, O, 2 * BLOCK},
     {NOT_OFFERED, O, 2 * BLOCK}},
    {"pwrite not at the write pointer",
     row_pwrite_elsewhere,
     {-EIO, O, 2 * BLOCK},
     {NOT_OFFERED, O, 2 * BLOCK},
     {NOT_OFFERED, O, 2 * BLOCK}},
    {"pwrite at the write pointer",
     row_pwrite_at_wp,
     {0, O, 3 * BLOCK},
     {NOT_OFFERED, O, 2 * BLOCK},
     {NOT_OFFERED, O, 2 * BLOCK}},
    {"append beyond max_open: one is closed", row_implicit_beyond_open, {0, O, BLOCK}, {0, O, BLOCK}, {0, O, BLOCK}},
    {"append beyond max_active",
     row_beyond_active,
     {0x1bd, E, 0},
     {S(NO_ACTIVE_ZONE), E, 0},
     {S(NO_ACTIVE_ZONE), E, 0}},
    {"pwrite beyond max_active",
     row_pwrite_beyond_active,
     {-EOVERFLOW, E, 0},
     {NOT_OFFERED, E, 0},
     {NOT_OFFERED, E, 0}},
    {"finish frees an active slot", row_finish_frees, {0, O, BLOCK}, {0, O, BLOCK}, {0, O, BLOCK}},
    {"reset frees an active slot", row_reset_frees, {0, O, BLOCK}, {0, O, BLOCK}, {0, O, BLOCK}},
    {"append beyond explicit opens", row_beyond_open, {0x1be, E, 0}, {NOT_OFFERED, E, 0}, {NOT_OFFERED, E, 0}},
    {"pwrite beyond explicit opens",
     row_pwrite_beyond_open,
     {-ETOOMANYREFS, E, 0},
     {NOT_OFFERED, E, 0},
     {NOT_OFFERED, E, 0}},
    {"closed zones stay active", row_close_stays_active, {0x1bd, E, 0}, {NOT_OFFERED, E, 0}, {NOT_OFFERED, E, 0}},
    {"open a full zone", row_open_full, {0x1bf, U, CAP}, {NOT_OFFERED, U, CAP}, {NOT_OFFERED, U, CAP}},
    {"close an empty zone", row_close_empty, {0x1bf, E, 0}, {NOT_OFFERED, E, 0}, {NOT_OFFERED, E, 0}},
    {"finish an empty zone", row_finish_empty, {0, U, CAP}, {0, U, CAP}, {0, U, CAP}},
    {"finish a part-filled zone", row_finish_part, {0, U, CAP}, {0, U, CAP}, {0, U, CAP}},
    {"reset an empty zone", row_reset_empty, {0, E, 0}, {0, E, 0}, {0, E, 0}},
    {"reset a full zone", row_reset_full, {0, E, 0}, {0, E, 0}, {0, E, 0}},
    {"append after a reset", row_append_after_reset, {0, O, BLOCK}, {0, O, BLOCK}, {0, O, BLOCK}},
    {"read beyond the write pointer", row_read_beyond_wp, {0, O, BLOCK}, {0, O, BLOCK}, {0, O, BLOCK}},
};

static const row media_rows[] = {
    {"append over a bad place",
     row_media_error,
     {0x280, O, 2 * APPEND},
     {S(IO), O, 2 * APPEND},
     {S(IO), O, 2 * APPEND}},
    {"append behind it", row_behind_media_error, {0, O, 3 * APPEND}, {0, O, 3 * APPEND}, {0, O, 3 * APPEND}},
};

/* The kernel's NVMe target answers an append with 0x006, internal error, whatever it was. */
enum { R = RAW_READ_ONLY, X = RAW_OFFLINE };
static const row spoilt_rows[] = {
    {"append to a read-only zone", row_ro_append, {0x006, R, 0}, {S(IO), R, 0}, {S(READ_ONLY), R, 0}},
    {"append to an empty read-only zone", row_ro_append_empty, {0x006, R, 0}, {S(IO), R, 0}, {S(READ_ONLY), R, 0}},
    {"read a read-only zone", row_ro_read, {0, R, 0}, {0, R, 0}, {0, R, 0}},
    {"reset a read-only zone", row_ro_reset, {0x1bf, R, 0}, {S(IO), R, 0}, {S(READ_ONLY), R, 0}},
    {"finish a read-only zone", row_ro_finish, {0x1bf, R, 0}, {S(IO), R, 0}, {S(READ_ONLY), R, 0}},
    {"append to an offline zone", row_off_append, {0x006, X, 0}, {S(IO), X, 0}, {S(OFFLINE), X, 0}},
    {"append to an empty offline zone", row_off_append_empty, {0x006, X, 0}, {S(IO), X, 0}, {S(OFFLINE), X, 0}},
    {"read an offline zone", row_off_read, {-EIO, X, 0}, {S(IO), X, 0}, {S(OFFLINE), X, 0}},
    {"reset an offline zone", row_off_reset, {0x1bf, X, 0}, {S(IO), X, 0}, {S(OFFLINE), X, 0}},
};

static const char *code_name(const face *f, int code, char *buf, size_t n)
{
    if (code == NOT_OFFERED) return "-";
    if (!code) return "ok";
    if (f->seam) return zslab_result_name((zslab_result)-code);
    if (code > 0)
        snprintf(buf, n, "0x%x", (unsigned)code);
    else
        snprintf(buf, n, "%s",
                 code == -EIO            ? "EIO"
                 : code == -EOVERFLOW    ? "EOVERFLOW"
                 : code == -ETOOMANYREFS ? "ETOOMANYREFS"
                                         : strerror(-code));
    return buf;
}

static void show(const face *f, answer a)
{
    char code[32], text[64];
    if (a.code == NOT_OFFERED)
        snprintf(text, sizeof text, "-");
    else
        snprintf(text, sizeof text, "%s, %s at %llu", code_name(f, a.code, code, sizeof code),
                 raw_condition_name(a.condition), (unsigned long long)(a.wp / BLOCK));
    printf(" %-28s", text);
}

static int matches(const face *f, answer got, answer want)
{
    if (want.wp > CAP / 2) want.wp = f->capacity - (CAP - want.wp);
    return got.code == want.code && (got.code == NOT_OFFERED || (got.condition == want.condition && got.wp == want.wp));
}

static int open_raw(face *f, const char *path)
{
    raw_zone z;
    memset(f, 0, sizeof *f);
    f->name = "drive, bare commands";
    int rc = raw_open(&f->raw, path, O_RDWR);
    if (rc) return rc;
    f->direct = open(path, O_RDWR | O_DIRECT);
    if (f->direct < 0 || raw_report(&f->raw, 0, 1, &z)) return -EIO;
    f->zone_bytes = f->raw.zone_bytes;
    f->capacity = z.capacity;
    f->max_open = 4;
    f->max_active = 6;
    return raw_reset_all(&f->raw);
}

static int open_seam(face *f, const face *like, const char *path, int file)
{
    static const zslab_zns_fault hole = {ZSLAB_ZNS_FAULT_HOLE, ZSLAB_ZNS_OP_APPEND, 2, 1, 0, 10, 1};
    zslab_zns_config c;
    zslab_zns_geometry g;
    memset(&c, 0, sizeof c);
    memset(&g, 0, sizeof g);
    *f = *like;
    f->seam = 1;
    f->name = file ? "file device, seam" : "drive, seam";
    if (!file) return -(int)zs__zns_nvme_open(path, &c, &f->dev);
    unlink(path);
    c.faults = &hole; /* the file device's bad place */
    c.fault_count = 1;
    g.zone_bytes = like->zone_bytes;
    g.zone_capacity_bytes = like->capacity;
    g.zone_count = 64;
    g.max_open = like->max_open;
    g.max_active = like->max_active;
    g.max_append_bytes = APPEND;
    return -(int)zs__zns_file_open(path, &g, &c, &f->dev);
}

/* Zones 40 to 43 of both devices: see the rows. */
static int spoil(face *drive, face *file, const char *knobs)
{
    int rc = fill(drive, 40, 2 * BLOCK);
    if (!rc) rc = fill(drive, 42, 2 * BLOCK);
    if (!rc) rc = fill(file, 40, 2 * BLOCK);
    if (!rc) rc = fill(file, 42, 2 * BLOCK);
    for (uint32_t zone = 40; zone < 44 && !rc; zone++) {
        zs__zns_file *d = (zs__zns_file *)file->dev.user;
        char path[512];
        snprintf(path, sizeof path, "%s/%s", knobs, zone < 42 ? "zone_readonly" : "zone_offline");
        FILE *knob = fopen(path, "w");
        if (!knob || fprintf(knob, "%llu\n", (unsigned long long)(zone * drive->zone_bytes / 512)) < 0) rc = -EIO;
        if (knob && fclose(knob)) rc = -EIO;
        zs__lock_take(&d->lock);
        zs__zns_file_turn(d, zone, zone < 42 ? ZSLAB_ZNS_READ_ONLY : ZSLAB_ZNS_OFFLINE);
        zs__lock_drop(&d->lock);
    }
    return rc;
}

/* Plays a table on all three; prints each row. *out_wrong counts the answers that are not as documented. */
static void play(const row *table, unsigned count, face *f[3], int keep, unsigned *out_wrong)
{
    unsigned same = 0, absent = 0, differ = 0;
    printf("%-40s %-28s %-28s %-28s\n", "row (answer, condition at block)", f[0]->name, f[1]->name, f[2]->name);
    for (unsigned i = 0; i < count; i++) {
        answer got[3];
        for (int k = 0; k < 3; k++) {
            if (!keep) f_reset_all(f[k]);
            got[k] = table[i].play(f[k]);
        }
        int fine = matches(f[0], got[0], table[i].raw) && matches(f[1], got[1], table[i].drive) &&
                   matches(f[2], got[2], table[i].file);
        int equal = matches(f[2], got[2], got[1]), none = got[2].code == NOT_OFFERED;
        printf("%-40s", table[i].name);
        for (int k = 0; k < 3; k++) show(f[k], got[k]);
        printf("%s%s\n", none ? "not offered" : equal ? "" : "differs", fine ? "" : " UNDOCUMENTED");
        *out_wrong += !fine;
        absent += none;
        same += equal && !none;
        differ += !equal;
    }
    printf("conform: %u rows, %u not as documented; file device: %u the same, %u differ, %u not offered\n", count,
           *out_wrong, same, differ, absent);
}

int main(int argc, char **argv)
{
    face raw, drive, file, *all[3] = {&raw, &drive, &file};
    unsigned wrong = 0;
    if (argc < 3) return fprintf(stderr, "usage: conform <zoned NVMe node> <file> [media | spoilt <dir>]\n"), 2;
    const char *which = argc > 3 ? argv[3] : "";
    payload = (unsigned char *)raw_buffer(2 * APPEND, 0x5a);
    int rc = open_raw(&raw, argv[1]);
    if (rc) return fprintf(stderr, "conform: %s: %s\n", argv[1], strerror(rc < 0 ? -rc : EIO)), 1;
    if (!rc) rc = open_seam(&drive, &raw, argv[1], 0);
    if (!rc) rc = open_seam(&file, &raw, argv[2], 1);
    if (rc) return fprintf(stderr, "conform: seam: %s\n", zslab_result_name((zslab_result)-rc)), 1;
    if (!strcmp(which, "media")) {
        play(media_rows, sizeof media_rows / sizeof media_rows[0], all, 1, &wrong);
    } else if (!strcmp(which, "spoilt") && argc > 4) {
        rc = spoil(&raw, &file, argv[4]);
        if (rc) return fprintf(stderr, "conform: cannot spoil the zones: %d\n", rc), 1;
        play(spoilt_rows, sizeof spoilt_rows / sizeof spoilt_rows[0], all, 1, &wrong);
    } else {
        play(rows, sizeof rows / sizeof rows[0], all, 0, &wrong);
    }
    drive.dev.ops.close(drive.dev.user);
    file.dev.ops.close(file.dev.user);
    raw_reset_all(&raw.raw);
    return wrong ? 1 : 0;
}
