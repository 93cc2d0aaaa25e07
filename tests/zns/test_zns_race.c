/* Threads against each other on one store: appends to shared epochs, reads, syncs, iterations, and releases
   of epochs that others are appending to. No object of a released epoch is readable, no acknowledged object
   of a live one is wrong, and no append lands in a zone after its reset: the first block is its header.
   [EP-1] [EP-2] [BUF-1] [ZONE-1] [REL-1]
   usage: test_zns_race [seconds]   default 3 */
#include "tests/lib/test_zns.h"

enum { THREADS = 4, SHARED = 6 };

static const zslab_zns_geometry drive = {262144, 229376, 64, 4096, 8, 10, 32768, 0};

typedef struct shared {
    zslab_zns *s;
    zs__u64 epoch[SHARED];    /* current ids; exchanged before the release */
    zs__u64 released[SHARED]; /* the last one whose release returned */
    uint32_t stop;
    zs__u64 number, appended, refused, released_count, read_back, stale, full;
    zs__u64 wrong, ghosts, late, errors;
} shared;

typedef struct worker {
    shared *w;
    zs__u64 random;
    int id;
} worker;

static zslab_zns_epoch fresh_epoch(shared *w, int i)
{
    zslab_zns_epoch_config c = {"race", (uint32_t)i % 3, i % 3 == 2 ? 200000u : 0u, 0};
    return zslab_zns_epoch_begin(w->s, &c);
}

/* Release one shared epoch while the others append to it, then ask for its objects. */
static void release_one(shared *w, int i, const zslab_handle *mine, const uint64_t *epoch_of, int count)
{
    zslab_zns_epoch next = fresh_epoch(w, i), old;
    zslab_result r;
    int k;
    if (!next) return;
    old = zs__exchange_u64(&w->epoch[i], next);
    r = zslab_zns_epoch_release(w->s, old);
    if (r != ZSLAB_OK) {
        printf("release: %s\n", zslab_result_name(r));
        zs__add_u64(&w->errors, 1);
        return;
    }
    zs__add_u64(&w->released_count, 1);
    zs__store_rel_u64(&w->released[i], old); /* release: the release came before. Pairs with the check in read */
    for (k = 0; k < count; k++)
        if (mine[k] && epoch_of[k] == old && zslab_zns_read(w->s, mine[k], NULL, 0, NULL) != ZSLAB_E_STALE)
            zs__add_u64(&w->ghosts, 1);
}

static int count_visit(void *user, const zslab_zns_visit *v)
{
    shared *w = (shared *)user;
    uint64_t n = 0;
    memcpy(&n, v->data, 8);
    if (!object_is((const unsigned char *)v->data, v->bytes, n)) zs__add_u64(&w->wrong, 1);
    return 0;
}

static void *work(void *arg)
{
    enum { KEEP = 64 };
    worker *me = (worker *)arg;
    shared *w = me->w;
    zslab_handle mine[KEEP] = {0};
    uint64_t number[KEEP], epoch_of[KEEP];
    size_t bytes[KEEP];
    int at = 0, rounds = 0;
    while (!zs__load_acq_u32(&w->stop)) { /* acquire: pairs with main */
        int i = (int)(zs__zns_mix(&me->random) % SHARED), k = (int)(zs__zns_mix(&me->random) % KEEP);
        uint64_t dice = zs__zns_mix(&me->random) % 1000, n = zs__add_u64(&w->number, 1);
        zslab_zns_epoch e = zs__load_acq_u64(&w->epoch[i]); /* acquire: pairs with the exchange in release_one */
        size_t size = (size_t)(dice % 37 == 0 ? 50000 + dice * 10 : 8 + n % 5000);
        zslab_result r = object_put(w->s, e, n, size, &mine[at]);
        if (r == ZSLAB_OK) {
            number[at] = n;
            bytes[at] = size;
            epoch_of[at] = e;
            at = (at + 1) % KEEP;
            zs__add_u64(&w->appended, 1);
        } else {
            mine[at] = 0;
            if (r == ZSLAB_E_CLOSED)
                zs__add_u64(&w->refused, 1);
            else if (r == ZSLAB_E_NO_SPACE)
                zs__add_u64(&w->full, 1);
            else {
                printf("append: %s\n", zslab_result_name(r));
                zs__add_u64(&w->errors, 1);
            }
        }
        if (mine[k]) {
            uint64_t gone = zs__load_acq_u64(&w->released[k % SHARED]);
            (void)gone;
            r = object_get(w->s, mine[k], number[k], bytes[k]);
            zs__add_u64(r == ZSLAB_OK ? &w->read_back : &w->stale, 1);
            if (r == ZSLAB_OK) {
                int q; /* the release of its epoch had not returned before this read began */
                for (q = 0; q < SHARED; q++)
                    if (gone && gone == epoch_of[k] && q == k % SHARED) zs__add_u64(&w->ghosts, 1);
            } else if (r != ZSLAB_E_STALE) {
                printf("read: %s\n", zslab_result_name(r));
                zs__add_u64(&w->wrong, 1);
            }
        }
        if (dice < 12 || r == ZSLAB_E_NO_SPACE) release_one(w, i, mine, epoch_of, KEEP);
        if (dice > 985 && zslab_zns_sync(w->s, dice % 2 ? e : 0) == ZSLAB_E_IO) zs__add_u64(&w->errors, 1);
        if (dice == 500) (void)zslab_zns_iterate(w->s, e, count_visit, w);
        if (dice == 501) (void)zslab_zns_epoch_seal(w->s, e);
        if (++rounds % 200 == 0) {
            char json[4096];
            zslab_zns_stats_json(w->s, json, sizeof json);
        }
    }
    return NULL;
}

/* On a machine that crawls the threads get more time: what is expected below is work, not speed. */
static int enough(shared *w)
{ /* acquire, all of them: figures that only rise */
    return zs__load_acq_u64(&w->appended) > 100 && zs__load_acq_u64(&w->released_count) > 3 &&
           zs__load_acq_u64(&w->read_back) > 100;
}

/* With everybody gone: the first block of each zone in use is that zone's own header. */
static void headers_come_first(shared *w)
{
    unsigned char p[4096] __attribute__((aligned(4096)));
    uint32_t i;
    for (i = 0; i < drive.zone_count; i++) {
        zslab_zns_zone_stats z;
        EXPECT_IS(zslab_zns_zone_at(w->s, i, &z), ZSLAB_OK);
        if (z.device.condition == ZSLAB_ZNS_EMPTY) continue;
        EXPECT(w->s->dev.ops.read(w->s->dev.user, z.device.start, p, sizeof p) == 0);
        if (memcmp(p, "ZSLBZONE", 8) || zs__zns_get64(p + 40) != z.sequence || zs__zns_get32(p + 32) != i) w->late++;
    }
}

/* ---- to the brim ---- */
enum { BRIM_THREADS = 8, BRIM_OBJECTS = 6000, BRIM_REFUSED = 20 };

typedef struct brim {
    zslab_zns *s;
    zslab_zns_epoch epoch;
    zslab_handle handle[BRIM_OBJECTS];
    size_t bytes[BRIM_OBJECTS];
    int count, errors, large;
    zs__u64 number; /* of its first object */
} brim;

static void *fill_up(void *arg)
{
    brim *b = (brim *)arg;
    uint64_t random = b->number + 1;
    int refused = 0;
    while (refused < BRIM_REFUSED && b->count < BRIM_OBJECTS) {
        size_t bytes = 100 + (size_t)(zs__zns_mix(&random) % 6000);
        zslab_result r;
        if (b->large && zs__zns_mix(&random) % 40 == 0) bytes = 100000;
        r = object_put(b->s, b->epoch, b->number + (uint64_t)b->count, bytes, &b->handle[b->count]);
        b->bytes[b->count] = bytes;
        b->count += r == ZSLAB_OK;
        refused += r != ZSLAB_OK;
        b->errors += r != ZSLAB_OK && r != ZSLAB_E_NO_SPACE;
    }
    return NULL;
}

/* Threads fill a store until each is refused: what append took can be synced, and is all there afterwards. [BUF-5] */
static void what_threads_at_the_brim_append_is_kept(uint32_t slots, int large)
{
    static brim work[BRIM_THREADS];
    const zslab_zns_geometry g = {524288, 0, 20, 4096, slots, slots, 131072, 0};
    const char *path = test_path("brim");
    pthread_t thread[BRIM_THREADS];
    zslab_zns *s;
    zslab_zns_store_stats t;
    uint64_t taken = 0;
    int i, k, gone = 0;
    remove(path);
    s = zslab_zns_open_file(path, &g, NULL);
    EXPECT(s != NULL);
    memset(work, 0, sizeof work);
    for (i = 0; i < BRIM_THREADS; i++) {
        work[i].s = s;
        work[i].epoch = large && i % 2 ? work[i - 1].epoch : zslab_zns_epoch_begin(s, NULL);
        work[i].large = large;
        work[i].number = (uint64_t)i * BRIM_OBJECTS;
    }
    for (i = 0; i < BRIM_THREADS; i++) pthread_create(&thread[i], NULL, fill_up, &work[i]);
    for (i = 0; i < BRIM_THREADS; i++) pthread_join(thread[i], NULL);
    EXPECT_IS(zslab_zns_sync(s, 0), ZSLAB_OK);
    zslab_zns_stats(s, &t);
    EXPECT(t.free_bytes < 20u * g.zone_bytes / 4); /* it is full */
    for (i = 0; i < BRIM_THREADS; i++)
        for (k = 0; k < work[i].count; k++) taken += work[i].bytes[k];
    EXPECT(t.user_bytes == taken); /* nothing of what was refused */
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    s = zslab_zns_open_file(path, NULL, NULL);
    EXPECT(s != NULL);
    for (i = 0; i < BRIM_THREADS; i++) {
        EXPECT(work[i].errors == 0);
        for (k = 0; k < work[i].count; k++)
            gone += object_get(s, work[i].handle[k], work[i].number + (uint64_t)k, work[i].bytes[k]) != ZSLAB_OK;
    }
    EXPECT(gone == 0);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    remove(path);
}

int main(int argc, char **argv)
{
    static shared w;
    double seconds = seconds_argument(argc, argv, 3), began = now_seconds();
    const char *path = test_path("race");
    pthread_t thread[THREADS];
    worker me[THREADS];
    zslab_zns_fault shuffle;
    zslab_zns_config c;
    zslab_zns_recovery_report report;
    zslab_zns_store_stats t;
    int i;
    memset(&shuffle, 0, sizeof shuffle);
    memset(&c, 0, sizeof c);
    shuffle.kind = ZSLAB_ZNS_FAULT_REORDER;
    shuffle.count = UINT64_MAX;
    c.faults = &shuffle;
    c.fault_count = 1;
    remove(path);
    w.s = zslab_zns_open_file(path, &drive, &c);
    EXPECT(w.s != NULL);
    if (!w.s) return test_summary("test_zns_race");
    for (i = 0; i < SHARED; i++) w.epoch[i] = fresh_epoch(&w, i);
    for (i = 0; i < THREADS; i++) {
        me[i].w = &w;
        me[i].id = i;
        me[i].random = (uint64_t)i * 77 + 1;
        pthread_create(&thread[i], NULL, work, &me[i]);
    }
    while (now_seconds() - began < seconds || !enough(&w)) zs__zns_nap(1000);
    zs__store_rel_u32(&w.stop, 1); /* release: pairs with the loads in work */
    for (i = 0; i < THREADS; i++) pthread_join(thread[i], NULL);
    headers_come_first(&w);
    zslab_zns_stats(w.s, &t);
    printf("%llu appends, %llu refused, %llu full, %llu releases, %llu read back, %llu stale, %llu resets\n",
           (unsigned long long)w.appended, (unsigned long long)w.refused, (unsigned long long)w.full,
           (unsigned long long)w.released_count, (unsigned long long)w.read_back, (unsigned long long)w.stale,
           (unsigned long long)t.resets);
    EXPECT(w.appended > 100 && w.released_count > 3 && w.read_back > 100);
    EXPECT(w.wrong == 0);
    EXPECT(w.ghosts == 0);
    EXPECT(w.late == 0);
    EXPECT(w.errors == 0);
    (void)zslab_zns_close(w.s);
    w.s = zslab_zns_open_file(path, NULL, NULL);
    EXPECT(w.s != NULL);
    if (w.s) {
        zslab_zns_recovery(w.s, &report);
        printf("recovery: %llu objects, %llu lost, %llu torn, %llu possibly unacknowledged\n",
               (unsigned long long)report.objects, (unsigned long long)report.lost, (unsigned long long)report.torn,
               (unsigned long long)report.unacknowledged_possible);
        EXPECT(report.lost == 0 && report.torn == 0);
        EXPECT_IS(zslab_zns_iterate(w.s, 0, count_visit, &w), ZSLAB_OK);
        EXPECT(w.wrong == 0);
        EXPECT_IS(zslab_zns_close(w.s), ZSLAB_OK);
    }
    remove(path);
    for (i = 0; i < 4; i++) what_threads_at_the_brim_append_is_kept(i % 2 ? 8 : 0, i / 2);
    return test_summary("test_zns_race");
}
