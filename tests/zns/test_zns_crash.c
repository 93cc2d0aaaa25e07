/* The power fails at every device operation of a scripted run, with many seeds of what the drive's volatile
   cache had kept. After each: everything acknowledged by a sync is there, nothing read is anything but what
   was appended, nothing of a released epoch comes back, and handles of what was lost name nothing else. [META-1]
   usage: test_zns_crash [seconds]   default: every operation with as many seeds as fit in 3 s, at least one;
   "test_zns_crash 0 20" makes it 20 seeds however long that takes */
#include "tests/lib/test_zns.h"

enum { OBJECTS = 400, EPOCHS = 24 };

typedef struct object {
    zslab_handle handle;
    int epoch, synced;
    size_t bytes;
} object;

typedef struct story {
    zslab_zns *store;
    object object[OBJECTS];
    int objects;
    zslab_zns_epoch epoch[EPOCHS];
    int epochs, synced_epochs;
    int release_begun[EPOCHS], release_done[EPOCHS], begin_synced[EPOCHS];
    uint64_t random;
} story;

static const zslab_zns_geometry small_drive = {32768, 28672, 14, 512, 4, 4, 4096, 0xff};

static uint32_t roll(story *t, uint32_t below) { return (uint32_t)(zs__zns_mix(&t->random) % below); }

static zslab_zns *drive_open(const char *path, const zslab_zns_fault *fault)
{
    zslab_zns_config c;
    memset(&c, 0, sizeof c);
    c.flags = ZSLAB_ZNS_FLAG_VOLATILE_CACHE;
    c.wait_timeout_ns = 1000000;
    c.faults = fault;
    c.fault_count = fault != NULL;
    return zslab_zns_open_file(path, &small_drive, &c);
}

static int story_begin(story *t, uint32_t lifetime, uint64_t expected)
{
    zslab_zns_epoch_config c = {"story", lifetime, expected, 0};
    zslab_zns_epoch e = t->epochs < EPOCHS ? zslab_zns_epoch_begin(t->store, &c) : 0;
    if (!e) return 0;
    t->epoch[t->epochs++] = e;
    return 1;
}

static int story_append(story *t, int epoch, size_t bytes)
{
    object *o = &t->object[t->objects];
    if (t->objects == OBJECTS) return 0;
    o->epoch = epoch;
    o->bytes = bytes;
    o->synced = 0;
    if (object_put(t->store, t->epoch[epoch], (uint64_t)t->objects, bytes, &o->handle) != ZSLAB_OK) return 0;
    t->objects++;
    return 1;
}

static int story_sync(story *t)
{
    int i, objects = t->objects;
    if (zslab_zns_sync(t->store, 0) != ZSLAB_OK) return 0;
    for (i = 0; i < objects; i++) t->object[i].synced = 1;
    return 1;
}

static int story_release(story *t, int epoch)
{
    t->release_begun[epoch] = 1;
    if (zslab_zns_epoch_release(t->store, t->epoch[epoch]) != ZSLAB_OK) return 0;
    t->release_done[epoch] = 1;
    return 1;
}

/* Three epochs at a time, small and large objects, syncs, seals, releases, until the store says no. */
static void story_run(story *t)
{
    int round, i, first;
    for (round = 0; round < 5; round++) {
        first = t->epochs;
        if (!story_begin(t, 0, 0) || !story_begin(t, 3, 0) || !story_begin(t, 5, 20000)) return;
        for (i = 0; i < 8; i++)
            if (!story_append(t, first + i % 3, 20 + roll(t, 700))) return;
        if (!story_append(t, first + 2, 9000 + roll(t, 9000))) return;
        if (!story_sync(t)) return;
        for (i = 0; i < 5; i++)
            if (!story_append(t, first + i % 2, 20 + roll(t, 3000))) return;
        if (round % 2 && zslab_zns_epoch_seal(t->store, t->epoch[first]) != ZSLAB_OK) return;
        if (!story_append(t, first + 1, 50)) return;
        if (round && !story_release(t, first - 3 + (int)roll(t, 3))) return;
    }
}

static const object *named(const story *t, const zslab_zns_visit *v)
{
    int i;
    for (i = 0; i < t->objects; i++)
        if (t->object[i].handle == v->handle) return &t->object[i];
    return NULL;
}

static int strange; /* objects shown that nobody appended, or of a released epoch */
static int check_visit(void *user, const zslab_zns_visit *v)
{
    const story *t = (const story *)user;
    const object *o = named(t, v);
    uint64_t number = 0;
    int i;
    memcpy(&number, v->data, v->bytes < 8 ? v->bytes : 8);
    for (i = 0; i < t->epochs; i++)
        if (t->epoch[i] == v->epoch) break;
    if (i == t->epochs || t->release_done[i] || number >= OBJECTS ||
        !object_is((const unsigned char *)v->data, v->bytes, number))
        strange++;
    else if (o && (o->bytes != v->bytes || o->epoch != i))
        strange++;
    return 0;
}

static int lost, wrong, ghosts, halves, recovered;

/* The invariants on a store opened again. */
static void story_check(story *t)
{
    int i, e;
    int seen[EPOCHS] = {0}, gone[EPOCHS] = {0};
    for (i = 0; i < t->objects; i++) {
        const object *o = &t->object[i];
        zslab_result r = object_get(t->store, o->handle, (uint64_t)i, o->bytes);
        wrong += r == ZSLAB_E_FOREIGN;
        recovered += r == ZSLAB_OK;
        ghosts += r == ZSLAB_OK && t->release_done[o->epoch];
        lost += r != ZSLAB_OK && o->synced && !t->release_begun[o->epoch];
        if (o->synced) {
            seen[o->epoch] += r == ZSLAB_OK;
            gone[o->epoch] += r != ZSLAB_OK;
        }
    }
    for (e = 0; e < t->epochs; e++) halves += seen[e] && gone[e]; /* a release is all or nothing */
}

static uint64_t number_later(int again, int i) { return 1000 + (uint64_t)again * 10 + (uint64_t)i; }

/* One run: power cut at operation `at`, recovery, a few appends, recovery again. */
static void crash_at(const char *path, uint64_t at, uint64_t seed, uint64_t *out_ops)
{
    static story t;
    zslab_zns_fault fault;
    zslab_handle later[3][6];
    zslab_zns_epoch e[3];
    zslab_zns_recovery_report report;
    int i, again, before = failed;
    memset(&t, 0, sizeof t);
    memset(&fault, 0, sizeof fault);
    fault.kind = ZSLAB_ZNS_FAULT_CRASH;
    fault.at = at;
    fault.seed = seed * 1000003 + at;
    t.random = 42;
    lost = wrong = ghosts = halves = strange = 0;
    remove(path);
    t.store = drive_open(path, &fault);
    if (t.store) {
        story_run(&t);
        *out_ops = ((zs__zns_file *)t.store->dev.user)->op_count + 3; /* and those of closing */
        zslab_zns_close(t.store);
    }
    for (again = 0; again < 3; again++) {
        t.store = drive_open(path, NULL);
        if (!t.store) {
            printf("op %d seed %d: does not open: %s\n", (int)at, (int)seed, zslab_result_name(zslab_last_error()));
            failed++;
            return;
        }
        zslab_zns_recovery(t.store, &report);
        EXPECT(report.lost == 0); /* the drive tore what was not synced, nothing else */
        if (again == 0) zslab_zns_iterate(t.store, 0, check_visit, &t);
        story_check(&t);
        e[again] = zslab_zns_epoch_begin(t.store, NULL);
        for (i = 0; i < 6; i++)
            EXPECT_IS(object_put(t.store, e[again], number_later(again, i), 900, &later[again][i]), ZSLAB_OK);
        EXPECT_IS(zslab_zns_sync(t.store, e[again]), ZSLAB_OK);
        story_check(&t);          /* old handles again: new objects must not answer to them */
        for (i = 0; i < 6; i++) { /* appended behind whatever the crash left torn */
            EXPECT_IS(object_get(t.store, later[again][i], number_later(again, i), 900), ZSLAB_OK);
            if (again > 0)
                EXPECT_IS(object_get(t.store, later[again - 1][i], number_later(again - 1, i), 900), ZSLAB_OK);
            if (again > 1) EXPECT_IS(object_get(t.store, later[0][i], number_later(0, i), 900), ZSLAB_E_STALE);
        }
        if (again > 0) EXPECT_IS(zslab_zns_epoch_release(t.store, e[again - 1]), ZSLAB_OK);
        EXPECT_IS(zslab_zns_close(t.store), ZSLAB_OK);
    }
    EXPECT(lost == 0);
    EXPECT(wrong == 0);
    EXPECT(ghosts == 0);
    EXPECT(halves == 0);
    EXPECT(strange == 0);
    if (failed != before)
        printf("op %d seed %d: lost %d, wrong %d, from released epochs %d, half released %d, strange %d\n", (int)at,
               (int)seed, lost, wrong, ghosts, halves, strange);
}

int main(int argc, char **argv)
{
    double limit = seconds_argument(argc, argv, 3), began = now_seconds();
    uint64_t seeds = argc > 2 ? (uint64_t)atoi(argv[2]) : 20, seed, at, ops = 0, runs = 0, whole = 0;
    const char *path = test_path("crash");
    char keep[256];
    snprintf(keep, sizeof keep, "%s", path);
    crash_at(keep, UINT64_MAX, 0, &ops); /* no crash: how many operations there are */
    for (seed = 1; seed <= seeds && failed < 20; seed++) {
        for (at = 1; at <= ops && failed < 20; at++, runs++) {
            uint64_t reached = 0;
            crash_at(keep, at, seed, &reached);
            if (seed > 1 && limit > 0 && now_seconds() - began > limit) break;
        }
        if (at > ops) whole = seed;
        if (limit > 0 && now_seconds() - began > limit) break;
    }
    remove(keep);
    printf("%d operations, every one with %d seeds, %d runs; %d objects found again\n", (int)ops, (int)whole, (int)runs,
           recovered);
    EXPECT(whole >= 1 && ops > 100);
    return test_summary("test_zns_crash");
}
