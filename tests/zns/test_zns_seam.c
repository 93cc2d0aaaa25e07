/* Every command at the seam is recorded and judged: appends land at the write pointer, resets and finishes
   take whole zones, there is nothing else. Over 100 generations no byte is written twice: no garbage
   collection, in the host or in the device. And what that costs: write amplification from write pointers. */
#include "tests/lib/test_zns.h"

enum { ZONES = 32 };

typedef struct recorder {
    zs__zns_dev inner;
    uint64_t pointer[ZONES]; /* bytes, relative */
    uint64_t appends, resets, finishes, appended_bytes, wrong, reads_ahead;
    uint32_t zone_written[ZONES];
    int overwrite_at; /* plant: this append goes one block back */
} recorder;

static zslab_zns_geometry drive = {4u << 20, 4u << 20, ZONES, 4096, 0, 0, 128u << 10, 0};

static int rec_report(void *user, uint32_t first, uint32_t count, zslab_zns_zone *out)
{
    recorder *r = (recorder *)user;
    return r->inner.ops.report(r->inner.user, first, count, out);
}

/* The judge: an append must begin exactly where the zone's write pointer stands. */
static void judge_append(recorder *r, uint32_t zone, uint64_t at, size_t bytes)
{
    uint64_t from = at - zone * drive.zone_bytes;
    r->appends++;
    r->appended_bytes += bytes;
    if (at / drive.zone_bytes != zone || from != r->pointer[zone] || from + bytes > drive.zone_capacity_bytes)
        r->wrong++;
    r->pointer[zone] = from + bytes;
}

static int rec_append(void *user, uint32_t zone, const zslab_zns_iov *iov, size_t iov_count, uint64_t *out)
{
    recorder *r = (recorder *)user;
    int rc = r->inner.ops.append(r->inner.user, zone, iov, iov_count, out);
    uint64_t at = *out;
    if (rc) return rc;
    if (r->overwrite_at && (int)r->appends + 1 == r->overwrite_at) at -= drive.block_bytes;
    judge_append(r, zone, at, zs__zns_iov_bytes(iov, iov_count));
    return 0;
}

static int rec_read(void *user, uint64_t offset, void *buffer, size_t bytes)
{
    recorder *r = (recorder *)user;
    uint32_t zone = (uint32_t)(offset / drive.zone_bytes);
    r->reads_ahead += offset % drive.zone_bytes + bytes > r->pointer[zone];
    return r->inner.ops.read(r->inner.user, offset, buffer, bytes);
}

static int rec_reset(void *user, uint32_t zone)
{
    recorder *r = (recorder *)user;
    r->resets++;
    r->pointer[zone] = 0;
    return r->inner.ops.reset(r->inner.user, zone);
}

static int rec_finish(void *user, uint32_t zone)
{
    recorder *r = (recorder *)user;
    r->finishes++;
    r->pointer[zone] = drive.zone_capacity_bytes;
    return r->inner.ops.finish(r->inner.user, zone);
}

static int rec_flush(void *user)
{
    recorder *r = (recorder *)user;
    return r->inner.ops.flush(r->inner.user);
}

static void rec_close(void *user)
{
    recorder *r = (recorder *)user;
    r->inner.ops.close(r->inner.user);
}

static zslab_zns *record(recorder *r, const char *path)
{
    zslab_zns_config c;
    zslab_zns_ops ops = {rec_report, rec_append, rec_read, rec_reset, rec_finish, rec_flush, rec_close, drive};
    memset(&c, 0, sizeof c);
    memset(r, 0, sizeof *r);
    remove(path);
    if (zs__zns_file_open(path, &drive, &c, &r->inner) != ZSLAB_OK) return NULL;
    return zslab_zns_open_ops(&ops, r, NULL);
}

static void a_hundred_generations_are_appends_and_whole_resets(void)
{
    const char *path = test_path("seam");
    static recorder r;
    zslab_zns_store_stats t;
    zslab_zns_epoch live[4] = {0, 0, 0, 0};
    zslab_handle h;
    zslab_zns *s = record(&r, path);
    int generation, i;
    EXPECT(s != NULL);
    for (generation = 0; generation < 100; generation++) { /* four live at a time, the oldest goes */
        zslab_zns_epoch_config c = {"generation", (uint32_t)generation % 3, generation % 2 ? 8u << 20 : 0, 0};
        zslab_zns_epoch *e = &live[generation % 4];
        if (*e) EXPECT_IS(zslab_zns_epoch_release(s, *e), ZSLAB_OK);
        *e = zslab_zns_epoch_begin(s, &c);
        for (i = 0; i < 40; i++)
            EXPECT_IS(object_put(s, *e, (uint64_t)i, i % 4 ? 3000 : TEST_EMULATED ? 100000 : 300000, &h), ZSLAB_OK);
        EXPECT_IS(zslab_zns_sync(s, *e), ZSLAB_OK);
    }
    zslab_zns_stats(s, &t);
    EXPECT(r.wrong == 0);
    EXPECT(r.reads_ahead == 0);
    EXPECT(r.appends > 1000 && r.resets > 40);
    EXPECT(t.device_bytes == r.appended_bytes);
    printf("100 generations: %llu appends, %llu resets, %llu finishes, nothing else; amplification %.4f\n",
           (unsigned long long)r.appends, (unsigned long long)r.resets, (unsigned long long)r.finishes,
           t.write_amplification);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    remove(path);
}

static void a_planted_overwrite_is_caught(void)
{
    const char *path = test_path("plant");
    static recorder r;
    zslab_zns *s = record(&r, path);
    zslab_handle h;
    zslab_zns_epoch e;
    EXPECT(s != NULL);
    r.overwrite_at = (int)r.appends + 5;
    e = zslab_zns_epoch_begin(s, NULL);
    for (int i = 0; i < 10; i++) (void)object_put(s, e, 1, 200000, &h);
    EXPECT(r.wrong >= 1);
    (void)zslab_zns_close(s);
    remove(path);
}

/* Everything that write pointers moved for `total` bytes of objects, each `object` bytes long. */
static double amplification(uint32_t append, size_t object, size_t total)
{
    const char *path = test_path("amp");
    static recorder r;
    zslab_zns_epoch_config c = {"amplification", 0, total, 0};
    unsigned char *p = (unsigned char *)malloc(object);
    zslab_zns *s;
    zslab_zns_epoch e;
    zslab_handle h;
    size_t n;
    uint64_t before;
    drive.max_append_bytes = append;
    s = record(&r, path);
    EXPECT(s != NULL);
    before = r.appended_bytes;
    object_fill(p, object, 1);
    e = zslab_zns_epoch_begin(s, &c);
    for (n = 0; n + object <= total; n += object) EXPECT_IS(zslab_zns_append(s, e, p, object, &h), ZSLAB_OK);
    EXPECT_IS(zslab_zns_sync(s, e), ZSLAB_OK);
    before = r.appended_bytes - before;
    EXPECT(r.wrong == 0);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    free(p);
    remove(path);
    return (double)before / (double)n;
}

static void write_amplification_is_small(void)
{
    static const struct {
        uint32_t append;
        size_t object;
        double most;
    } rows[] = {{128u << 10, 128u << 10, 1.04}, {128u << 10, 124u << 10, 1.04}, {128u << 10, 64u << 10, 1.04},
                {128u << 10, 1u << 20, 1.04},   {128u << 10, 20000, 1.04},      {128u << 10, 4096, 1.04},
                {512u << 10, 512u << 10, 1.01}, {512u << 10, 508u << 10, 1.01}, {512u << 10, 1000u << 10, 1.01},
                {512u << 10, 1u << 20, 1.01},   {512u << 10, 124u << 10, 1.01}, {512u << 10, 20000, 1.01}};
    size_t i;
    for (i = 0; i < sizeof rows / sizeof rows[0]; i += TEST_EMULATED ? 3 : 1) {
        double a = amplification(rows[i].append, rows[i].object, 96u << 20);
        printf("appends of %3u KiB, objects of %7zu bytes: write amplification %.4f\n",
               (unsigned)(rows[i].append >> 10), rows[i].object, a);
        EXPECT(a >= 1 && a <= rows[i].most);
    }
}

int main(void)
{
    a_hundred_generations_are_appends_and_whole_resets();
    a_planted_overwrite_is_caught();
    write_amplification_is_small();
    return test_summary("test_zns_seam");
}
