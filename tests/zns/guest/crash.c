/* crash -- write until the power goes; afterwards account for every object that was acknowledged.
   usage: crash write  <node or file> <acknowledgement log> [pwrite|queue|objects]  prints how far it is
          crash verify <node or file> <acknowledgement log> [least]      fails with fewer acknowledged objects
          crash plant  loss|damage|return <acknowledgement log>     a false promise that verify has to notice

   The writer: two threads append to one epoch, each syncs it every 16 or 48 objects and only then
   acknowledges them; meanwhile the oldest epochs are released. Every promise is logged outside the drive
   after the store gave it. */
#include "guest.h"

enum { OBJECTS_PER_EPOCH = 96, PER_SYNC = 16, PER_SYNC_LARGE = 48, LIVE_EPOCHS = 4, WRITERS = 2 };

typedef struct writer {
    zslab_zns *store;
    ack_log *log;
    zslab_zns_epoch epoch;
    uint64_t first, step, end;
    int large;
} writer;

static void write_group(writer *w, uint64_t *number, unsigned char *data)
{
    ack group[PER_SYNC_LARGE];
    size_t n = 0, most = w->large ? PER_SYNC_LARGE : PER_SYNC;
    for (; n < most && *number < w->end; n++, *number += w->step) {
        size_t bytes = w->large ? (40u << 10) + *number % (24u << 10) : object_bytes(*number);
        object_make(data, bytes, *number, w->epoch);
        group[n] = (ack){w->epoch, 0, *number, (uint32_t)bytes, 0};
        zslab_handle h = 0;
        EXPECT_IS(zslab_zns_append(w->store, w->epoch, data, bytes, &h), ZSLAB_OK);
        group[n].handle = h;
    }
    ack_put(w->log, ACK_WRITTEN, group, n);
    EXPECT_IS(zslab_zns_sync(w->store, w->epoch), ZSLAB_OK);
    if (t_failed) exit(1);
    ack_put(w->log, ACK_SYNCED, group, n);
}

static void *write_share(void *arg)
{
    writer *w = (writer *)arg;
    unsigned char *data = (unsigned char *)malloc(OBJECT_MAX);
    if (!data) abort();
    for (uint64_t number = w->first; number < w->end;) write_group(w, &number, data);
    free(data);
    return NULL;
}

static void release_oldest(zslab_zns *store, ack_log *log, zslab_zns_epoch *live, unsigned *count)
{
    zslab_zns_epoch e = live[0];
    ack_epoch(log, ACK_RELEASING, e);
    EXPECT_IS(zslab_zns_epoch_release(store, e), ZSLAB_OK);
    ack_epoch(log, ACK_RELEASED, e);
    memmove(live, live + 1, --*count * sizeof *live);
}

static int run_write(const char *path, const char *log_path, uint32_t flags, uint64_t objects)
{
    ack_log log;
    zslab_zns_epoch live[LIVE_EPOCHS + 1];
    unsigned count = 0, round = 0;
    ack_open(&log, log_path, 1);
    zslab_zns *store = store_open(path, flags);
    if (!store) return fprintf(stderr, "crash: %s: %s\n", path, zslab_result_name(zslab_last_error())), 1;
    for (uint64_t number = 0; number < objects && !t_failed; number += OBJECTS_PER_EPOCH, round++) {
        pthread_t threads[WRITERS];
        writer w[WRITERS];
        int large = round % 4 == 2; /* every fourth epoch fills zones of its own */
        zslab_zns_epoch e = epoch_begin(store, round % 3, large ? 5u << 20 : 0);
        EXPECT(e != 0);
        live[count++] = e;
        ack_epoch(&log, ACK_BEGIN, e);
        for (unsigned i = 0; i < WRITERS; i++) {
            w[i] = (writer){store, &log, e, number + i, WRITERS, number + OBJECTS_PER_EPOCH, large};
            if (pthread_create(&threads[i], NULL, write_share, &w[i])) abort();
        }
        if (count > LIVE_EPOCHS) release_oldest(store, &log, live, &count);
        for (unsigned i = 0; i < WRITERS; i++) pthread_join(threads[i], NULL);
        EXPECT_IS(zslab_zns_epoch_seal(store, e), ZSLAB_OK);
        ack_epoch(&log, ACK_SEALED, e);
        printf("acknowledged %" PRIu64 "\n", number + OBJECTS_PER_EPOCH);
        fflush(stdout);
    }
    EXPECT_IS(zslab_zns_close(store), ZSLAB_OK);
    return t_failed != 0;
}

/* ---- afterwards ------------------------------------------------------------------ */

typedef struct account {
    ack *acks;
    size_t count, missing, corrupt, released_back, synced, unsynced, unsynced_lost, visited;
    uint64_t *releasing, *released;
    size_t releasing_count, released_count;
    unsigned char *seen; /* per record of kind SYNCED: how often the iteration met it */
} account;

static int among(const uint64_t *list, size_t n, uint64_t e)
{
    for (size_t i = 0; i < n; i++)
        if (list[i] == e) return 1;
    return 0;
}

static void account_load(account *a, const char *log_path)
{
    ack_log log;
    memset(a, 0, sizeof *a);
    ack_open(&log, log_path, 0);
    a->acks = ack_load(&log, &a->count);
    a->releasing = (uint64_t *)calloc(a->count + 1, sizeof(uint64_t));
    a->released = (uint64_t *)calloc(a->count + 1, sizeof(uint64_t));
    a->seen = (unsigned char *)calloc(a->count + 1, 1);
    if (!a->releasing || !a->released || !a->seen) abort();
    for (size_t i = 0; i < a->count; i++) {
        if (a->acks[i].kind == ACK_RELEASING) a->releasing[a->releasing_count++] = a->acks[i].epoch;
        if (a->acks[i].kind == ACK_RELEASED) a->released[a->released_count++] = a->acks[i].epoch;
    }
}

/* Reads one logged object. An epoch whose release had begun may be there or gone; one released must be
   gone. */
static void check_one(account *a, zslab_zns *store, const ack *k, unsigned char *buf)
{
    size_t got = 0;
    zslab_result r = zslab_zns_read(store, k->handle, buf, OBJECT_MAX, &got);
    int back = r == ZSLAB_OK, good = back && got == k->bytes && object_good(buf, got) &&
                                     object_number(buf) == k->number && object_epoch(buf) == k->epoch;
    int released = among(a->released, a->released_count, k->epoch);
    if (k->kind == ACK_SYNCED) a->synced++;
    if (released) {
        if (back && good) a->released_back++;
        if (back && !good) a->corrupt++;
    } else if (k->kind == ACK_WRITTEN) {
        if (!back)
            a->unsynced_lost++;
        else if (!good)
            a->corrupt++;
    } else {
        int may_be_gone = among(a->releasing, a->releasing_count, k->epoch);
        if (back && !good) a->corrupt++;
        if (!back && !may_be_gone) {
            if (a->missing++ < 5)
                printf("    missing: object %" PRIu64 " of epoch %" PRIu64 ": %s\n", k->number, k->epoch,
                       zslab_result_name(r));
        }
    }
}

static int visit(void *user, const zslab_zns_visit *v)
{
    account *a = (account *)user;
    a->visited++;
    if (!v->data || !object_good(v->data, v->bytes) || object_epoch(v->data) != v->epoch) {
        a->corrupt++;
        return 0;
    }
    if (among(a->released, a->released_count, v->epoch)) a->released_back++;
    for (size_t i = 0; i < a->count; i++)
        if (a->acks[i].kind == ACK_SYNCED && a->acks[i].handle == v->handle && a->acks[i].epoch == v->epoch) {
            if (a->acks[i].number != object_number(v->data)) a->corrupt++;
            a->seen[i]++;
        }
    return 0;
}

static void check_all(account *a, zslab_zns *store)
{
    unsigned char *buf = (unsigned char *)malloc(OBJECT_MAX);
    if (!buf) abort();
    for (size_t i = 0; i < a->count; i++) {
        const ack *k = &a->acks[i];
        int synced_too = 0;
        if (k->kind != ACK_WRITTEN && k->kind != ACK_SYNCED) continue;
        if (k->kind == ACK_WRITTEN) { /* its SYNCED record, if any, follows within the next few blocks */
            for (size_t j = i + 1; j < a->count && j < i + 64 * PER_SYNC && !synced_too; j++)
                synced_too = a->acks[j].kind == ACK_SYNCED && a->acks[j].number == k->number;
            if (synced_too) continue;
            a->unsynced++;
        }
        check_one(a, store, k, buf);
    }
    free(buf);
    EXPECT_IS(zslab_zns_iterate(store, 0, visit, a), ZSLAB_OK);
    for (size_t i = 0; i < a->count; i++) {
        const ack *k = &a->acks[i];
        if (k->kind != ACK_SYNCED || among(a->releasing, a->releasing_count, k->epoch)) continue;
        if (a->seen[i] != 1) t_fail(__FILE__, __LINE__, "the iteration to meet each acknowledged object once");
    }
}

/* The recovered store goes on working: another epoch, a reopening, everything still there. */
static zslab_zns *go_on(zslab_zns *store, const char *path)
{
    enum { MORE = 48 };
    zslab_handle h[MORE];
    static unsigned char data[OBJECT_MAX];
    zslab_zns_epoch e = epoch_begin(store, 0, 0);
    EXPECT(e != 0);
    for (uint64_t i = 0; i < MORE; i++) {
        object_make(data, object_bytes(i), i, e);
        EXPECT_IS(zslab_zns_append(store, e, data, object_bytes(i), &h[i]), ZSLAB_OK);
    }
    EXPECT_IS(zslab_zns_sync(store, e), ZSLAB_OK);
    witness_agrees(store, path);
    EXPECT_IS(zslab_zns_close(store), ZSLAB_OK);
    store = store_open(path, 0);
    EXPECT(store != NULL);
    for (uint64_t i = 0; store && i < MORE; i++) {
        size_t got = 0;
        EXPECT_IS(zslab_zns_read(store, h[i], data, sizeof data, &got), ZSLAB_OK);
        EXPECT(got == object_bytes(i) && object_good(data, got));
    }
    if (store) EXPECT_IS(zslab_zns_epoch_release(store, e), ZSLAB_OK);
    return store;
}

static int run_verify(const char *path, const char *log_path, size_t least)
{
    account a;
    zslab_zns_recovery_report r;
    account_load(&a, log_path);
    double t = seconds();
    zslab_zns *store = store_open(path, 0);
    t = seconds() - t;
    if (!store) return printf("verify: FAILED to open %s: %s\n", path, zslab_result_name(zslab_last_error())), 1;
    zslab_zns_recovery(store, &r);
    check_all(&a, store);
    witness_agrees(store, path);
    store = go_on(store, path);
    if (store) {
        a.visited = 0;
        memset(a.seen, 0, a.count);
        EXPECT_IS(zslab_zns_iterate(store, 0, visit, &a), ZSLAB_OK);
        EXPECT_IS(zslab_zns_close(store), ZSLAB_OK);
    }
    int bad = t_failed || a.missing || a.corrupt || a.released_back || a.synced < least;
    printf("    recovery: %.0f ms, %u zones, %" PRIu64 " objects, %" PRIu64 " torn, %" PRIu64 " lost, %" PRIu64
           " releases finished, %" PRIu64 " possibly unacknowledged\n",
           t * 1e3, r.zones_scanned, r.objects, r.torn, r.lost, r.releases_finished, r.unacknowledged_possible);
    printf("verify: %zu acknowledged, %zu missing, %zu corrupt, %zu from %zu released epochs; "
           "%zu written without a sync, %zu of them gone%s\n",
           a.synced, a.missing, a.corrupt, a.released_back, a.released_count, a.unsynced, a.unsynced_lost,
           bad ? " FAILED" : "");
    return bad;
}

/* ---- does the verification notice? ------------------------------------------------ */

/* Adds one untrue record: an object never written, one with other contents, a release that never was. */
static int run_plant(const char *what, const char *log_path)
{
    ack_log log, more;
    size_t count = 0;
    ack_open(&log, log_path, 0);
    ack *all = ack_load(&log, &count), last = {0, 0, 0, 0, 0};
    for (size_t i = 0; i < count; i++)
        if (all[i].kind == ACK_SYNCED) last = all[i];
    ack_open(&more, log_path, 2);
    more.seq = log.seq;
    if (!strcmp(what, "loss")) last.handle ^= 0x2a00000000000u, last.number += 1000000;
    if (!strcmp(what, "damage")) last.number += 1000000;
    ack_put(&more, strcmp(what, "return") ? ACK_SYNCED : ACK_RELEASED, &last, 1);
    free(all);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 3 && !strcmp(argv[1], "plant")) return run_plant(argv[2], argv[3]);
    int by_pwrite = argc > 4 && !strcmp(argv[4], "pwrite");
    if (argc > 4 && !strcmp(argv[4], "queue")) queue_depth = 0;
    uint64_t n = argc > 4 ? strtoull(argv[4], NULL, 0) : 0;
    if (argc > 3 && !strcmp(argv[1], "write"))
        return run_write(argv[2], argv[3], by_pwrite ? ZSLAB_ZNS_FLAG_NO_APPEND : 0, n ? n : 100000);
    if (argc > 3 && !strcmp(argv[1], "verify")) return run_verify(argv[2], argv[3], n);
    fprintf(stderr, "usage: crash write|verify|plant <node, file or deed> <acknowledgement log> [number]\n");
    return 2;
}
