/* Zones and devices that are found dead, or die under an operation: each outcome is the documented one, and
   nothing acknowledged is lost but what lies in an offline zone. */
#include "tests/lib/test_zns.h"

enum { EPOCHS = 3, EACH = 20, BYTES = 9000 };
static const zslab_zns_geometry drive = {131072, 98304, 24, 4096, 5, 6, 32768, 0xff};

typedef struct store_file {
    const char *path;
    zslab_zns_epoch epoch[EPOCHS];
    zslab_handle handle[EPOCHS][EACH];
    uint32_t zone_of[EPOCHS]; /* one zone of each epoch, no two the same */
    uint32_t meta, empty;     /* the metadata's zone, one that nothing uses */
} store_file;

static zslab_zns *opened(const char *path, uint32_t flags)
{
    zslab_zns_config c;
    zslab_zns *s;
    memset(&c, 0, sizeof c);
    c.flags = flags;
    s = zslab_zns_open_file(path, &drive, &c);
    EXPECT(s != NULL);
    if (!s) exit(test_summary("test_zns_dead"));
    return s;
}

/* Three epochs with zones of their own, synced and closed. */
static void filled(store_file *t, const char *path)
{
    zslab_zns *s;
    uint32_t i, k;
    t->path = path;
    remove(path);
    s = opened(path, 0);
    for (i = 0; i < EPOCHS; i++) {
        zslab_zns_epoch_config c = {"dead", i, 190000, 0};
        t->epoch[i] = zslab_zns_epoch_begin(s, &c);
        for (k = 0; k < EACH; k++)
            EXPECT_IS(object_put(s, t->epoch[i], i * EACH + k, BYTES, &t->handle[i][k]), ZSLAB_OK);
    }
    EXPECT_IS(zslab_zns_sync(s, 0), ZSLAB_OK);
    t->meta = t->empty = drive.zone_count;
    for (k = 0; k < drive.zone_count; k++) {
        zslab_zns_zone_stats z;
        EXPECT_IS(zslab_zns_zone_at(s, k, &z), ZSLAB_OK);
        if (z.kind == 1) t->meta = k;
        if (z.kind == 0) t->empty = k;
        for (i = 0; i < EPOCHS; i++)
            if (z.kind == 2 && z.epochs == 1 && z.first_epoch == t->epoch[i]) t->zone_of[i] = k;
    }
    EXPECT(t->meta < drive.zone_count && t->empty < drive.zone_count);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
}

/* While nobody has the store open its drive changes a zone. */
static void turn(const store_file *t, uint32_t zone, uint32_t condition)
{
    zslab_zns_config c;
    zs__zns_dev dev;
    zs__zns_file *f;
    memset(&c, 0, sizeof c);
    EXPECT_IS(zs__zns_file_open(t->path, NULL, &c, &dev), ZSLAB_OK);
    f = (zs__zns_file *)dev.user;
    zs__lock_take(&f->lock);
    zs__zns_file_turn(f, zone, condition);
    zs__lock_drop(&f->lock);
    dev.ops.close(dev.user);
}

/* How many objects of epoch i answer that way. */
static uint32_t answer(zslab_zns *s, const store_file *t, uint32_t i, zslab_result want)
{
    uint32_t k, n = 0;
    for (k = 0; k < EACH; k++) n += object_get(s, t->handle[i][k], i * EACH + k, BYTES) == want;
    return n;
}

static void the_store_goes_on(zslab_zns *s)
{
    zslab_zns_epoch e = zslab_zns_epoch_begin(s, NULL);
    zslab_handle h[EACH];
    uint32_t k;
    EXPECT(e != 0);
    for (k = 0; k < EACH; k++) EXPECT_IS(object_put(s, e, 1000 + k, BYTES, &h[k]), ZSLAB_OK);
    EXPECT_IS(zslab_zns_sync(s, e), ZSLAB_OK);
    for (k = 0; k < EACH; k++) EXPECT_IS(object_get(s, h[k], 1000 + k, BYTES), ZSLAB_OK);
    EXPECT_IS(zslab_zns_epoch_release(s, e), ZSLAB_OK);
}

static void zones_found_read_only_are_read_and_never_written(void)
{
    store_file t;
    zslab_zns_store_stats stats;
    zslab_zns *s;
    uint32_t i, pass;
    filled(&t, test_path("ro"));
    turn(&t, t.zone_of[0], ZSLAB_ZNS_READ_ONLY);
    turn(&t, t.empty, ZSLAB_ZNS_READ_ONLY);
    turn(&t, t.meta, ZSLAB_ZNS_READ_ONLY); /* the log moves to a fresh zone */
    for (pass = 0; pass < 2; pass++) {
        s = opened(t.path, 0);
        for (i = 0; i < EPOCHS; i++) EXPECT(answer(s, &t, i, ZSLAB_OK) == EACH);
        the_store_goes_on(s);
        zslab_zns_stats(s, &stats);
        EXPECT(stats.zones_read_only == 3 && stats.zones_offline == 0);
        EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    }
    s = opened(t.path, 0); /* its zone cannot be reset: the release holds all the same */
    EXPECT_IS(zslab_zns_epoch_release(s, t.epoch[0]), ZSLAB_OK);
    EXPECT(answer(s, &t, 0, ZSLAB_E_STALE) == EACH);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    s = opened(t.path, 0);
    EXPECT(answer(s, &t, 0, ZSLAB_E_STALE) == EACH && answer(s, &t, 1, ZSLAB_OK) == EACH);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    remove(t.path);
}

static void zones_found_offline_are_skipped_and_told(void)
{
    store_file t;
    zslab_zns_recovery_report r;
    zslab_zns *s;
    uint32_t there, gone, cut;
    filled(&t, test_path("off"));
    turn(&t, t.zone_of[0], ZSLAB_ZNS_OFFLINE);
    turn(&t, t.empty, ZSLAB_ZNS_OFFLINE);
    s = opened(t.path, 0);
    zslab_zns_recovery(s, &r);
    EXPECT(r.zones_skipped == 2);
    there = answer(s, &t, 0, ZSLAB_OK);
    gone = answer(s, &t, 0, ZSLAB_E_STALE);
    cut = answer(s, &t, 0, ZSLAB_E_CORRUPT); /* a piece of it is elsewhere */
    EXPECT(there + gone + cut == EACH && gone > 0);
    EXPECT(r.lost == cut + gone && r.result == ZSLAB_OK); /* the drive has said so itself */
    EXPECT(answer(s, &t, 1, ZSLAB_OK) == EACH && answer(s, &t, 2, ZSLAB_OK) == EACH);
    the_store_goes_on(s);
    EXPECT_IS(zslab_zns_epoch_release(s, t.epoch[0]), ZSLAB_OK);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    remove(t.path);
}

static zslab_result opening(const char *path, uint32_t flags)
{
    zslab_zns_config c;
    zslab_zns *s;
    memset(&c, 0, sizeof c);
    c.flags = flags;
    s = zslab_zns_open_file(path, NULL, &c);
    return s ? zslab_zns_close(s) : zslab_last_error();
}

static void without_its_metadata_a_store_is_corrupt_and_left_alone(void)
{
    store_file t;
    filled(&t, test_path("meta"));
    turn(&t, t.meta, ZSLAB_ZNS_OFFLINE);
    EXPECT_IS(opening(t.path, 0), ZSLAB_E_CORRUPT);
    EXPECT_IS(opening(t.path, ZSLAB_ZNS_FLAG_READ_ONLY), ZSLAB_E_CORRUPT);
    EXPECT_IS(opening(t.path, ZSLAB_ZNS_FLAG_NO_FORMAT), ZSLAB_E_CORRUPT);
    EXPECT_IS(opening(t.path, ZSLAB_ZNS_FLAG_FORCE), ZSLAB_OK); /* over everything, as asked for */
    EXPECT_IS(opening(t.path, 0), ZSLAB_OK);
    remove(t.path);
}

/* One operation of a kind fails in some way: the answers stand in >>front. */
static zslab_zns *with_fault(const char *path, zslab_zns_fault *fault, uint32_t kind, uint32_t ops)
{
    zslab_zns_config c;
    memset(&c, 0, sizeof c);
    memset(fault, 0, sizeof *fault);
    fault->kind = kind;
    fault->ops = ops;
    fault->at = UINT64_MAX; /* not yet: strike_now */
    c.faults = fault;
    c.fault_count = 1;
    return zslab_zns_open_file(path, NULL, &c);
}

static void strike_now(zslab_zns *s, uint64_t count)
{
    zs__zns_file *f = (zs__zns_file *)s->dev.user;
    f->faults[0].at = f->struck[0] + 1;
    f->faults[0].count = count;
}

static void reads_that_fail_say_how(void)
{
    store_file t;
    zslab_zns_fault fault;
    zslab_zns *s;
    filled(&t, test_path("read"));
    s = with_fault(t.path, &fault, ZSLAB_ZNS_FAULT_ERROR, ZSLAB_ZNS_OP_READ);
    strike_now(s, 1);
    EXPECT_IS(object_get(s, t.handle[0][0], 0, BYTES), ZSLAB_E_IO);
    EXPECT_IS(object_get(s, t.handle[0][0], 0, BYTES), ZSLAB_OK); /* it was that one time */
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    s = with_fault(t.path, &fault, ZSLAB_ZNS_FAULT_OFFLINE, ZSLAB_ZNS_OP_READ);
    strike_now(s, 1);
    EXPECT_IS(object_get(s, t.handle[0][0], 0, BYTES), ZSLAB_E_OFFLINE);
    EXPECT_IS(object_get(s, t.handle[0][0], 0, BYTES), ZSLAB_E_OFFLINE);
    EXPECT(answer(s, &t, 1, ZSLAB_OK) == EACH);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    remove(t.path);
}

static void a_removed_device_is_told_by_every_call(void)
{
    store_file t;
    zslab_zns_fault fault;
    zslab_zns_zone_stats z;
    zslab_zns_store_stats stats;
    zslab_handle h;
    zslab_zns *s;
    filled(&t, test_path("gone"));
    s = with_fault(t.path, &fault, ZSLAB_ZNS_FAULT_GONE, 0);
    strike_now(s, UINT64_MAX);
    EXPECT_IS(zslab_zns_sync(s, 0), ZSLAB_E_GONE);
    EXPECT_IS(object_put(s, t.epoch[0], 1, BYTES, &h), ZSLAB_E_GONE);
    EXPECT_IS(object_get(s, t.handle[0][0], 0, BYTES), ZSLAB_E_GONE);
    EXPECT(zslab_zns_epoch_begin(s, NULL) == 0 && zslab_last_error() == ZSLAB_E_GONE);
    EXPECT_IS(zslab_zns_epoch_seal(s, t.epoch[0]), ZSLAB_E_GONE);
    EXPECT_IS(zslab_zns_epoch_release(s, t.epoch[0]), ZSLAB_E_GONE);
    EXPECT_IS(zslab_zns_zone_at(s, 0, &z), ZSLAB_E_GONE);
    zslab_zns_stats(s, &stats); /* what the store itself knows */
    EXPECT(stats.objects == EPOCHS * EACH && stats.zones == drive.zone_count);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_E_GONE);
    s = opened(t.path, 0); /* plugged in again */
    EXPECT(answer(s, &t, 0, ZSLAB_OK) == EACH && answer(s, &t, 2, ZSLAB_OK) == EACH);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    remove(t.path);
}

/* Reports that fail at open, and a file cut short or grown: answers, and nothing is written over. */
static void an_opening_that_fails_changes_nothing(void)
{
    store_file t;
    zslab_zns_config c;
    zslab_zns_fault fault;
    zslab_zns *s;
    FILE *f;
    unsigned char byte = 0;
    filled(&t, test_path("failed"));
    memset(&c, 0, sizeof c);
    memset(&fault, 0, sizeof fault);
    fault.kind = ZSLAB_ZNS_FAULT_ERROR;
    fault.ops = ZSLAB_ZNS_OP_REPORT;
    fault.at = 5;
    c.faults = &fault;
    c.fault_count = 1;
    EXPECT(zslab_zns_open_file(t.path, NULL, &c) == NULL && zslab_last_error() == ZSLAB_E_IO);
    fault.kind = ZSLAB_ZNS_FAULT_GONE;
    EXPECT(zslab_zns_open_file(t.path, NULL, &c) == NULL && zslab_last_error() == ZSLAB_E_GONE);
    f = fopen(t.path, "r+b"); /* a superblock with a flipped bit */
    fseek(f, 20, SEEK_SET);
    EXPECT(fread(&byte, 1, 1, f) == 1);
    byte ^= 4;
    fseek(f, 20, SEEK_SET);
    fwrite(&byte, 1, 1, f);
    fclose(f);
    EXPECT_IS(opening(t.path, 0), ZSLAB_OK); /* its crc says which */
    s = opened(t.path, 0);
    EXPECT(answer(s, &t, 0, ZSLAB_OK) == EACH && answer(s, &t, 1, ZSLAB_OK) == EACH);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    EXPECT_IS(opening("/", 0), ZSLAB_E_INVALID);         /* a directory */
    EXPECT_IS(opening("/dev/null", 0), ZSLAB_E_INVALID); /* no regular file */
    remove(t.path);
}

/* A host that could not write may say so only once: the store remembers. */
static void a_file_that_could_not_be_synced_stays_unsynced(void)
{
    store_file t;
    zslab_handle h;
    zslab_zns *s;
    zs__zns_file *f;
    int keep, ends[2];
    filled(&t, test_path("unsynced"));
    s = opened(t.path, 0);
    f = (zs__zns_file *)s->dev.user;
    EXPECT_IS(object_put(s, t.epoch[0], 7, BYTES, &h), ZSLAB_OK);
    EXPECT_IS(zslab_zns_sync(s, 0), ZSLAB_OK);
    keep = dup(f->fd);
    EXPECT(pipe(ends) == 0 && dup2(ends[0], f->fd) >= 0); /* no fsync on a pipe */
    EXPECT_IS(zslab_zns_sync(s, 0), ZSLAB_E_IO);
    EXPECT(dup2(keep, f->fd) >= 0);
    EXPECT_IS(zslab_zns_sync(s, 0), ZSLAB_E_IO);
    EXPECT_IS(object_get(s, h, 7, BYTES), ZSLAB_OK);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_E_IO);
    close(keep);
    close(ends[0]);
    close(ends[1]);
    s = opened(t.path, 0);
    EXPECT_IS(object_get(s, h, 7, BYTES), ZSLAB_OK);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    remove(t.path);
}

int main(void)
{
    a_file_that_could_not_be_synced_stays_unsynced();
    zones_found_read_only_are_read_and_never_written();
    zones_found_offline_are_skipped_and_told();
    without_its_metadata_a_store_is_corrupt_and_left_alone();
    reads_that_fail_say_how();
    a_removed_device_is_told_by_every_call();
    an_opening_that_fails_changes_nothing();
    return test_summary("test_zns_dead");
}
