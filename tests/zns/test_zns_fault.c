/* One thing goes wrong at the n-th device operation, for every n and every kind of failure, with exact and
   with generic status. The store goes on elsewhere: a caller sees an error only where there is no other way,
   nothing acknowledged is lost unless its zone is dead, and a later opening finds the same.
   usage: test_zns_fault [seconds]   default 3; 0: no limit */
#include "tests/lib/test_zns.h"

enum { OBJECTS = 96, EPOCHS = 9 };

static const zslab_zns_geometry drive = {131072, 98304, 16, 4096, 4, 4, 32768, 0};

typedef struct tale {
    zslab_zns *s;
    zslab_zns_epoch epoch[EPOCHS];
    zslab_handle handle[OBJECTS];
    int owner[OBJECTS], epochs, objects;
    int live[EPOCHS];
    int errors; /* calls that failed; each is tried once more */
    zslab_result first;
} tale;

static void note(tale *t, zslab_result r)
{
    if (r == ZSLAB_OK) return;
    if (!t->errors++) t->first = r;
}

static size_t size_of(int i) { return i % 11 == 10 ? 60000 : 100 + (size_t)(i * 331 % 9000); }

static void put(tale *t, int e)
{
    int i = t->objects++;
    zslab_result r = object_put(t->s, t->epoch[e], (uint64_t)i, size_of(i), &t->handle[i]);
    note(t, r);
    if (r != ZSLAB_OK) note(t, object_put(t->s, t->epoch[e], (uint64_t)i, size_of(i), &t->handle[i]));
    t->owner[i] = e;
}

static void epoch(tale *t, uint32_t lifetime, uint64_t expected)
{
    zslab_zns_epoch_config c = {"tale", lifetime, expected, 0};
    zslab_zns_epoch e = zslab_zns_epoch_begin(t->s, &c);
    if (!e) {
        note(t, zslab_last_error());
        e = zslab_zns_epoch_begin(t->s, &c);
    }
    t->live[t->epochs] = e != 0;
    t->epoch[t->epochs++] = e;
}

/* Three rounds of three epochs; the middle one of each round is released. */
static void tell(tale *t)
{
    int round, i, first;
    for (round = 0; round < 3; round++) {
        first = t->epochs;
        epoch(t, 0, 0);
        epoch(t, 4, 0);
        epoch(t, 9, 50000);
        for (i = 0; i < 30; i++) put(t, first + i % 3);
        zslab_result r = zslab_zns_sync(t->s, 0);
        note(t, r);
        if (r != ZSLAB_OK) note(t, zslab_zns_sync(t->s, 0));
        r = zslab_zns_epoch_seal(t->s, t->epoch[first]);
        note(t, r);
        if (r != ZSLAB_OK) note(t, zslab_zns_epoch_seal(t->s, t->epoch[first]));
        r = zslab_zns_epoch_release(t->s, t->epoch[first + 1]);
        note(t, r);
        if (r != ZSLAB_OK) note(t, zslab_zns_epoch_release(t->s, t->epoch[first + 1]));
        t->live[first + 1] = 0;
    }
}

/* How many acknowledged objects of live epochs are not there; *offline: of these in dead zones. */
static int missing(tale *t, int *offline)
{
    int i, n = 0;
    *offline = 0;
    for (i = 0; i < t->objects; i++) {
        zslab_result r;
        if (!t->live[t->owner[i]] || !t->handle[i]) continue;
        r = object_get(t->s, t->handle[i], (uint64_t)i, size_of(i));
        n += r != ZSLAB_OK;
        *offline += r == ZSLAB_E_OFFLINE;
    }
    return n;
}

static const char *const kinds[] = {"", "error", "hole", "read-only", "offline", "limit", "reorder", "gone", "crash"};

/* One tale with one fault. Returns how many operations it took. */
static uint64_t tell_with(const char *path, uint32_t kind, uint32_t ops, uint64_t at, uint32_t flags)
{
    static tale t;
    zslab_zns_fault fault;
    zslab_zns_config c;
    uint64_t taken = 0;
    int lost, dead, before = failed, may_lose = kind == ZSLAB_ZNS_FAULT_OFFLINE;
    memset(&t, 0, sizeof t);
    memset(&fault, 0, sizeof fault);
    memset(&c, 0, sizeof c);
    fault.kind = kind;
    fault.ops = ops;
    fault.at = at;
    c.faults = &fault;
    c.fault_count = 1;
    c.flags = flags;
    remove(path);
    t.s = zslab_zns_open_file(path, &drive, &c);
    if (!t.s) return 0; /* the fault struck the format: nothing was promised yet */
    tell(&t);
    taken = ((zs__zns_file *)t.s->dev.user)->struck[0];
    if (kind == ZSLAB_ZNS_FAULT_GONE) {
        if (at <= taken) {
            EXPECT(t.errors > 0 && t.first == ZSLAB_E_GONE);
            EXPECT(zslab_zns_epoch_begin(t.s, NULL) == 0 && zslab_last_error() == ZSLAB_E_GONE);
        }
        zslab_zns_close(t.s);
        t.s = zslab_zns_open_file(path, NULL, NULL); /* plugged in again */
        EXPECT(t.s != NULL);
        if (t.s) zslab_zns_close(t.s);
        return taken;
    }
    if (ops != ZSLAB_ZNS_OP_FLUSH && ops != ZSLAB_ZNS_OP_REPORT) EXPECT(t.errors == 0);
    EXPECT(t.errors <= 1); /* a flush that fails is told once; asked again it works */
    lost = missing(&t, &dead);
    EXPECT(lost == 0 || (may_lose && lost == dead));
    if (zslab_zns_close(t.s) != ZSLAB_OK) EXPECT(ops == ZSLAB_ZNS_OP_FLUSH && !t.errors);
    t.s = zslab_zns_open_file(path, NULL, NULL);
    EXPECT(t.s != NULL);
    if (t.s) {
        int later = missing(&t, &dead);
        EXPECT(later == lost || may_lose);
        for (int i = 0; i < t.objects; i++)
            if (!t.live[t.owner[i]]) EXPECT_IS(object_get(t.s, t.handle[i], (uint64_t)i, size_of(i)), ZSLAB_E_STALE);
        for (int i = 0; i < t.epochs; i++)
            if (t.live[i]) EXPECT_IS(zslab_zns_epoch_release(t.s, t.epoch[i]), ZSLAB_OK);
        EXPECT_IS(zslab_zns_close(t.s), ZSLAB_OK);
    }
    if (failed != before)
        printf("%s at operation %d (mask %u%s): %d errors, first %s, %d objects missing, %d in dead zones\n",
               kinds[kind], (int)at, ops, flags ? ", generic status" : "", t.errors, zslab_result_name(t.first), lost,
               dead);
    return taken;
}

/* A fault that goes on: after the first the device keeps failing that way. */
static void a_device_that_fails_every_append_is_told(const char *path)
{
    zslab_zns_fault fault;
    zslab_zns_config c;
    zslab_zns *s;
    zslab_zns_epoch e;
    zslab_handle h = 0, kept = 0;
    zslab_result r;
    memset(&fault, 0, sizeof fault);
    memset(&c, 0, sizeof c);
    fault.kind = ZSLAB_ZNS_FAULT_ERROR;
    fault.ops = ZSLAB_ZNS_OP_APPEND;
    fault.at = 12;
    fault.count = UINT64_MAX;
    c.faults = &fault;
    c.fault_count = 1;
    remove(path);
    s = zslab_zns_open_file(path, &drive, &c);
    EXPECT(s != NULL);
    e = zslab_zns_epoch_begin(s, NULL);
    EXPECT_IS(object_put(s, e, 1, 100, &kept), ZSLAB_OK);
    EXPECT_IS(zslab_zns_sync(s, e), ZSLAB_OK);
    for (r = ZSLAB_OK; r == ZSLAB_OK;) r = object_put(s, e, 2, 28672, &h);
    EXPECT(r == ZSLAB_E_IO || r == ZSLAB_E_NO_SPACE);
    EXPECT_IS(object_get(s, kept, 1, 100), ZSLAB_OK);
    EXPECT_IS(object_put(s, e, 3, 100, &h), ZSLAB_OK); /* there is room in the buffer */
    EXPECT(zslab_zns_sync(s, e) != ZSLAB_OK);          /* but not behind it */
    EXPECT_IS(object_get(s, h, 3, 100), ZSLAB_OK);     /* still in memory */
    EXPECT(zslab_zns_close(s) != ZSLAB_OK);
    s = zslab_zns_open_file(path, NULL, NULL);
    EXPECT(s != NULL);
    EXPECT_IS(object_get(s, kept, 1, 100), ZSLAB_OK);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
}

/* A frame finds no place, a later one of its epoch does and another epoch is synced; then the process ends. What was
   in the first was never acknowledged: it is no damage, and with it written by the next sync all is there. [BUF-4] */
static void what_failed_and_was_not_synced_is_not_lost(const char *path, int again)
{
    zslab_zns_fault fault = {ZSLAB_ZNS_FAULT_ERROR, ZSLAB_ZNS_OP_APPEND, UINT64_MAX, UINT64_MAX, 0, 0, 0};
    zslab_zns_config c = {0, 0, 0, 0, &fault, 1, 0, 0};
    zslab_zns_recovery_report report;
    zslab_zns *s;
    zs__zns_file *f;
    zslab_zns_epoch e, other;
    zslab_handle first, late, large, kept;
    char copy[300];
    snprintf(copy, sizeof copy, "%s.copy", path);
    remove(path);
    s = zslab_zns_open_file(path, &drive, &c);
    EXPECT(s != NULL);
    f = (zs__zns_file *)s->dev.user;
    e = zslab_zns_epoch_begin(s, NULL);
    other = zslab_zns_epoch_begin(s, NULL);
    EXPECT_IS(object_put(s, e, 1, 100, &first), ZSLAB_OK);
    EXPECT_IS(zslab_zns_sync(s, 0), ZSLAB_OK);
    EXPECT_IS(object_put(s, e, 2, 100, &late), ZSLAB_OK);
    f->faults[0].at = 1;
    EXPECT_IS(zslab_zns_sync(s, e), ZSLAB_E_IO);
    f->faults[0].at = UINT64_MAX;
    EXPECT_IS(object_put(s, e, 3, 20480, &large), ZSLAB_OK); /* a frame of its own */
    EXPECT_IS(object_put(s, other, 4, 100, &kept), ZSLAB_OK);
    EXPECT_IS(zslab_zns_sync(s, other), ZSLAB_OK);
    if (again) EXPECT_IS(zslab_zns_sync(s, e), ZSLAB_OK);
    EXPECT_IS(object_put(s, other, 5, 100, NULL), ZSLAB_OK);
    EXPECT_IS(zslab_zns_sync(s, other), ZSLAB_OK);
    copy_file(path, copy); /* as a kill leaves it */
    EXPECT_IS(zslab_zns_epoch_release(s, e), ZSLAB_OK);
    EXPECT_IS(object_put(s, other, 6, 100, NULL), ZSLAB_OK);
    EXPECT_IS(zslab_zns_sync(s, other), ZSLAB_OK);
    EXPECT(s->synced + 2 > s->frame_seq); /* nothing holds back any more what recovery knows of */
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    s = zslab_zns_open_file(copy, NULL, NULL);
    EXPECT(s != NULL);
    zslab_zns_recovery(s, &report);
    EXPECT(report.result == ZSLAB_OK && !report.lost && !report.damaged_frames);
    EXPECT_IS(object_get(s, first, 1, 100), ZSLAB_OK);
    EXPECT_IS(object_get(s, late, 2, 100), again ? ZSLAB_OK : ZSLAB_E_STALE);
    EXPECT_IS(object_get(s, large, 3, 20480), ZSLAB_OK);
    EXPECT_IS(object_get(s, kept, 4, 100), ZSLAB_OK);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    remove(copy);
}

/* Filled to the brim by objects of one size, by small ones behind large ones, with and without slots: what append took
   can be synced, and is all there afterwards. [BUF-5] */
static void a_full_store_keeps_all_that_it_took(const char *path, uint32_t slots, size_t large, size_t small)
{
    static zslab_handle handle[8192];
    static size_t bytes[8192];
    zslab_zns_geometry g = drive;
    zslab_zns_epoch e[3];
    zslab_zns_store_stats t;
    zslab_zns *s;
    int n = 0, i, full = 0;
    g.max_active = g.max_open = slots;
    remove(path);
    s = zslab_zns_open_file(path, &g, NULL);
    EXPECT(s != NULL);
    for (i = 0; i < 3; i++) e[i] = zslab_zns_epoch_begin(s, NULL);
    for (i = 0; full < 3 && n < 8192; i++) {
        zslab_result r = object_put(s, e[i % 3], (uint64_t)n, bytes[n] = full ? small : large, &handle[n]);
        n += r == ZSLAB_OK;
        full += r != ZSLAB_OK;
        if (r != ZSLAB_OK) EXPECT_IS(r, ZSLAB_E_NO_SPACE);
    }
    EXPECT(full == 3);
    EXPECT_IS(zslab_zns_sync(s, 0), ZSLAB_OK);
    zslab_zns_stats(s, &t);
    EXPECT(t.free_bytes < 16u * (g.zone_capacity_bytes / 8)); /* seven eighths are taken */
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    s = zslab_zns_open_file(path, NULL, NULL);
    EXPECT(s != NULL);
    for (i = 0; i < n; i++) EXPECT_IS(object_get(s, handle[i], (uint64_t)i, bytes[i]), ZSLAB_OK);
    for (i = 0; i < 3; i++) EXPECT_IS(zslab_zns_epoch_release(s, e[i]), ZSLAB_OK);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
}

/* Objects of any size, epochs that go and come, little drives: what is refused for lack of space has left nothing, and
   what was taken can be written. `buffer` blocks: the packing buffer, 0: a frame. [BUF-5] */
static void a_refused_object_leaves_nothing(const char *path, uint32_t block, uint32_t slots, uint32_t buffer)
{
    static const uint32_t most[] = {3000, 20000, 150000};
    zslab_zns_geometry g = {0, 0, 14, 0, 0, 0, 0, 0};
    zslab_zns_config c;
    zslab_zns_store_stats t;
    zslab_zns_epoch e[4];
    zslab_zns *s;
    uint64_t taken = 0, dice = block + slots + buffer, n;
    int refused = 0, i, was = failed;
    memset(&c, 0, sizeof c);
    g.block_bytes = block;
    g.zone_bytes = 64 * block;
    g.max_append_bytes = 16 * block;
    g.max_active = g.max_open = slots;
    c.buffer_bytes = (size_t)buffer * block;
    remove(path);
    s = zslab_zns_open_file(path, &g, &c);
    EXPECT(s != NULL);
    for (i = 0; i < 4; i++) e[i] = zslab_zns_epoch_begin(s, NULL);
    for (n = 0; n < 6000 && failed < was + 4; n++) {
        size_t bytes = 1 + (size_t)(zs__zns_mix(&dice) % (most[zs__zns_mix(&dice) % 16 / 7] * block / 4096));
        zslab_result r = object_put(s, e[i = (int)(zs__zns_mix(&dice) % 4)], n, bytes, NULL);
        if (r == ZSLAB_OK) taken += bytes;
        if (r == ZSLAB_OK) continue;
        EXPECT_IS(r, ZSLAB_E_NO_SPACE);
        EXPECT_IS(zslab_zns_sync(s, 0), ZSLAB_OK);
        zslab_zns_stats(s, &t);
        EXPECT(t.user_bytes == taken);
        if (refused++ % 5 != 4) continue;
        EXPECT_IS(zslab_zns_epoch_release(s, e[i]), ZSLAB_OK);
        e[i] = zslab_zns_epoch_begin(s, NULL);
    }
    EXPECT(refused > 20);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
}

/* The only room left is in the zone of an epoch that is sealed: what is promised to others keeps it open. [BUF-5] */
static void a_seal_takes_no_room_from_others(const char *path)
{
    static const zslab_zns_geometry g = {262144, 0, 12, 4096, 0, 0, 65536, 0};
    zslab_zns_epoch_config c = {"alone", 0, 262144, 0};
    zslab_zns *s;
    zslab_zns_epoch own, other;
    uint32_t most;
    remove(path);
    s = zslab_zns_open_file(path, &g, NULL);
    EXPECT(s != NULL);
    own = zslab_zns_epoch_begin(s, &c);
    other = zslab_zns_epoch_begin(s, NULL);
    EXPECT_IS(object_put(s, own, 1, 40 * 4096, NULL), ZSLAB_OK);
    EXPECT_IS(zslab_zns_sync(s, own), ZSLAB_OK);
    while (zs__zns_room(s, 17, 16, &most)) EXPECT_IS(object_put(s, other, 2, 15 * 4096, NULL), ZSLAB_OK);
    EXPECT(most >= 16 && most < 31); /* of the sealed one's zone, less than half */
    EXPECT_IS(object_put(s, other, 3, 30000, NULL), ZSLAB_OK);
    EXPECT_IS(zslab_zns_epoch_seal(s, own), ZSLAB_OK);
    EXPECT_IS(zslab_zns_sync(s, other), ZSLAB_OK);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
}

/* What the store takes until it is full, in frames written whole. */
static uint64_t filled(zslab_zns *s, zslab_zns_epoch e)
{
    uint64_t n = 0;
    zslab_handle h;
    while (object_put(s, e, n, 20480, &h) == ZSLAB_OK) n++;
    return n;
}

/* Epochs come and go, objects are synced, while one kind of operation fails `count` times from the `at`-th on, or
   for all that time; then the cause is gone. How many frames the store takes from then on; *out_holes: of as much,
   taken by writes that failed and moved the pointer. */
static uint64_t filled_after(const char *path, uint32_t kind, uint32_t ops, uint64_t at, uint64_t count,
                             uint64_t *out_holes)
{
    zslab_zns_fault fault;
    zslab_zns_config c;
    zslab_zns *s;
    zs__zns_file *f;
    zslab_zns_epoch e, kept;
    zslab_handle h, kept_object = 0;
    uint64_t n, at_first;
    int i, round;
    memset(&fault, 0, sizeof fault);
    memset(&c, 0, sizeof c);
    fault.kind = kind;
    fault.ops = ops;
    fault.at = UINT64_MAX;
    c.faults = &fault;
    c.fault_count = 1;
    c.wait_timeout_ns = 1000000;
    remove(path);
    s = zslab_zns_open_file(path, &drive, &c);
    EXPECT(s != NULL);
    if (!s) return 0;
    f = (zs__zns_file *)s->dev.user;
    kept = zslab_zns_epoch_begin(s, NULL);
    EXPECT_IS(object_put(s, kept, 5, 3000, &kept_object), ZSLAB_OK);
    EXPECT_IS(zslab_zns_sync(s, kept), ZSLAB_OK);
    at_first = f->struck[0];
    f->faults[0].at = at ? at_first + at : UINT64_MAX;
    f->faults[0].count = count;
    for (round = 0; round < 6; round++) { /* whatever is refused is the caller's to try again: it does not */
        e = zslab_zns_epoch_begin(s, NULL);
        for (i = 0; i < 12 && e; i++) (void)object_put(s, e, 1, i % 3 ? 20480 : 3000, &h);
        (void)zslab_zns_sync(s, 0);
        if (e && zslab_zns_epoch_release(s, e) != ZSLAB_OK) (void)zslab_zns_epoch_release(s, e);
    }
    *out_holes = kind == ZSLAB_ZNS_FAULT_HOLE && f->struck[0] > at_first + at ? f->struck[0] - at_first - at : 0;
    f->faults[0].at = UINT64_MAX; /* the cause is gone */
    while ((e = zslab_zns_epoch_next(s, kept, &(zslab_zns_epoch_stats){0})) != 0)
        EXPECT_IS(zslab_zns_epoch_release(s, e), ZSLAB_OK);
    EXPECT_IS(zslab_zns_sync(s, 0), ZSLAB_OK);
    EXPECT_IS(object_get(s, kept_object, 5, 3000), ZSLAB_OK);
    n = filled(s, kept);
    EXPECT(zslab_zns_epoch_release(s, kept) == ZSLAB_OK || (ops & ZSLAB_ZNS_OP_FLUSH));
    EXPECT(zslab_zns_close(s) == ZSLAB_OK || (ops & ZSLAB_ZNS_OP_FLUSH)); /* a failed flush is not tried again */
    return n;
}

/* At every operation, for one time, for a storm and for all of the time. */
static void what_failed_once_works_again(const char *path, double limit, double began)
{
    static const uint32_t cases[][2] = {
        {ZSLAB_ZNS_FAULT_ERROR, ZSLAB_ZNS_OP_APPEND}, {ZSLAB_ZNS_FAULT_HOLE, ZSLAB_ZNS_OP_APPEND},
        {ZSLAB_ZNS_FAULT_LIMIT, ZSLAB_ZNS_OP_APPEND}, {ZSLAB_ZNS_FAULT_ERROR, ZSLAB_ZNS_OP_RESET},
        {ZSLAB_ZNS_FAULT_ERROR, ZSLAB_ZNS_OP_FINISH}, {ZSLAB_ZNS_FAULT_ERROR, ZSLAB_ZNS_OP_FLUSH}};
    static const uint64_t counts[] = {1, 7, 60, UINT64_MAX};
    uint64_t holes, fresh = filled_after(path, ZSLAB_ZNS_FAULT_ERROR, ZSLAB_ZNS_OP_APPEND, 0, 1, &holes), at, got;
    uint64_t worst = fresh, runs = 0;
    size_t i, k;
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (k = 0; k < sizeof counts / sizeof counts[0]; k++)
            for (at = 1; at<(k == 3 ? 3u : 60u); at += limit> 0 ? 7 : 1) {
                if (limit > 0 && runs > 40 && now_seconds() - began > limit) return;
                got = filled_after(path, cases[i][0], cases[i][1], at, counts[k], &holes);
                runs++;
                if (got + holes < worst) worst = got + holes;
                if ((got + holes) * 100 >= fresh * 95) continue;
                failed++;
                printf("kind %u, mask %u, %d times from operation %d on: then %d frames, %d in a fresh store\n",
                       cases[i][0], cases[i][1], (int)counts[k], (int)at, (int)got, (int)fresh);
            }
    printf("%d spells of failure; the store that takes least afterwards takes %d frames of %d\n", (int)runs, (int)worst,
           (int)fresh);
    EXPECT(fresh > 30);
}

int main(int argc, char **argv)
{
    static const struct {
        uint32_t kind, ops;
    } cases[] = {{ZSLAB_ZNS_FAULT_ERROR, ZSLAB_ZNS_OP_APPEND},
                 {ZSLAB_ZNS_FAULT_HOLE, ZSLAB_ZNS_OP_APPEND},
                 {ZSLAB_ZNS_FAULT_READ_ONLY, ZSLAB_ZNS_OP_APPEND},
                 {ZSLAB_ZNS_FAULT_OFFLINE, ZSLAB_ZNS_OP_APPEND},
                 {ZSLAB_ZNS_FAULT_LIMIT, ZSLAB_ZNS_OP_APPEND},
                 {ZSLAB_ZNS_FAULT_GONE, 0},
                 {ZSLAB_ZNS_FAULT_ERROR, ZSLAB_ZNS_OP_RESET},
                 {ZSLAB_ZNS_FAULT_READ_ONLY, ZSLAB_ZNS_OP_RESET},
                 {ZSLAB_ZNS_FAULT_OFFLINE, ZSLAB_ZNS_OP_RESET},
                 {ZSLAB_ZNS_FAULT_ERROR, ZSLAB_ZNS_OP_FINISH},
                 {ZSLAB_ZNS_FAULT_READ_ONLY, ZSLAB_ZNS_OP_FINISH},
                 {ZSLAB_ZNS_FAULT_ERROR, ZSLAB_ZNS_OP_FLUSH},
                 {ZSLAB_ZNS_FAULT_REORDER, 0}};
    static const size_t large[] = {300, 3000, 14000, 20480, 50000};
    double limit = seconds_argument(argc, argv, 3), began = now_seconds();
    const char *path = test_path("fault");
    size_t i, done = 0, all = sizeof cases / sizeof cases[0] * 2;
    uint64_t at, taken, runs = 0;
    uint32_t generic;
    uint64_t step = limit > 0 ? 3 : 1; /* within a time limit every third operation */
    a_device_that_fails_every_append_is_told(path);
    for (i = 0; i < 10; i++) a_full_store_keeps_all_that_it_took(path, i % 2 ? 4 : 0, large[i / 2], 700);
    for (i = 0; i < 12; i++)
        a_refused_object_leaves_nothing(path, i % 2 ? 4096 : 512, i % 4 / 2 ? 4 : 0, i / 4 == 2 ? 2u : i / 4 ? 5u : 0u);
    a_seal_takes_no_room_from_others(path);
    what_failed_and_was_not_synced_is_not_lost(path, 0);
    what_failed_and_was_not_synced_is_not_lost(path, 1);
    what_failed_once_works_again(path, limit, began);
    began = now_seconds();
    for (generic = 0; generic < 2; generic++)
        for (i = 0; i < all / 2 && failed < 30; i++, done++) {
            if (limit > 0 && now_seconds() - began > limit && done > 2) break;
            taken = 1;
            for (at = 1 + done % step; at <= taken || at < 8; at += step, runs++) {
                uint64_t n =
                    tell_with(path, cases[i].kind, cases[i].ops, at, generic ? ZSLAB_ZNS_FLAG_GENERIC_STATUS : 0);
                if (n > taken) taken = n;
                if (cases[i].kind == ZSLAB_ZNS_FAULT_REORDER && at > 6) break;
            }
        }
    remove(path);
    printf("%d of %d kinds, %d runs\n", (int)done, (int)all, (int)runs);
    EXPECT(runs > 30);
    return test_summary("test_zns_fault");
}
