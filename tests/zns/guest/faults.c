/* faults -- a drive that fails while the store uses it.
   usage: faults media <node> [pwrite|queue]     a drive with injected write and read errors
          faults zones <node> <null_blk dir>     zones that become read-only and offline, set through configfs
          faults gone <node> <file> <command> [queue]     writing to the file removes the drive, the command
                                                          brings it back
          faults plain <node>                    a block device without zones
          faults refused <node> <reason>         a node that the store does not take */
#include "guest.h"

enum { BYTES = 20 << 10, MOST = 4096 };

static const char *device;
static uint32_t flags; /* ZSLAB_ZNS_FLAG_NO_APPEND or none */
static unsigned char data[OBJECT_MAX];
static struct item {
    zslab_handle h;
    zslab_zns_epoch e;
    uint64_t number;
    int gone; /* on an offline zone or under a read error */
} items[MOST];
static size_t item_count;

/* Appends n objects; each must be accepted. */
static void put_many(zslab_zns *s, zslab_zns_epoch e, size_t n)
{
    for (size_t i = 0; i < n && item_count < MOST; i++) {
        struct item *it = &items[item_count];
        *it = (struct item){0, e, item_count, 0};
        object_make(data, BYTES, it->number, e);
        EXPECT_IS(zslab_zns_append(s, e, data, BYTES, &it->h), ZSLAB_OK);
        item_count++;
    }
    EXPECT_IS(zslab_zns_sync(s, e), ZSLAB_OK);
}

static zslab_result get(zslab_zns *s, const struct item *it)
{
    size_t got = 0;
    zslab_result r = zslab_zns_read(s, it->h, data, sizeof data, &got);
    if (r == ZSLAB_OK && (got != BYTES || !object_good(data, got) || object_number(data) != it->number)) {
        t_fail(__FILE__, __LINE__, "what was appended");
        return ZSLAB_E_CORRUPT;
    }
    return r;
}

/* Everything not known to be gone reads back. With learn, what answers so is noted as gone; returns how
   many. */
static size_t read_all(zslab_zns *s, zslab_result excuse, int learn)
{
    size_t gone = 0;
    for (size_t i = 0; i < item_count; i++) {
        zslab_result r = get(s, &items[i]);
        if (r != ZSLAB_OK && learn && r == excuse) items[i].gone = 1;
        if (items[i].gone)
            gone++, EXPECT(r != ZSLAB_OK);
        else
            EXPECT_IS(r, ZSLAB_OK);
    }
    return gone;
}

static zslab_zns *reopen(zslab_zns *s)
{
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    s = store_open(device, flags);
    if (!s) {
        printf("faults: reopening: %s\n", zslab_result_name(zslab_last_error()));
        exit(1);
    }
    return s;
}

static int media(void)
{
    zslab_zns_store_stats t;
    zslab_zns_epoch e[3];
    zslab_zns *s = store_open(device, flags | ZSLAB_ZNS_FLAG_FORCE);
    if (!s) return printf("faults: open: %s\n", zslab_result_name(zslab_last_error())), 1;
    for (uint32_t i = 0; i < 3; i++) EXPECT((e[i] = epoch_begin(s, i, 0)) != 0);
    for (int round = 0; round < 12 && !t_failed; round++) put_many(s, e[round % 3], 100);
    zslab_zns_stats(s, &t);
    EXPECT(t.retries > 0 && t.uses_append == !flags);
    size_t unreadable = read_all(s, ZSLAB_E_IO, 1);
    printf("    %zu objects through %" PRIu64 " retried appends; %zu under read errors\n", item_count, t.retries,
           unreadable);
    EXPECT(unreadable > 0 && unreadable < 40);
    witness_agrees(s, device);
    s = reopen(s);
    read_all(s, ZSLAB_OK, 0);
    EXPECT_IS(zslab_zns_epoch_release(s, e[0]), ZSLAB_OK);
    for (size_t i = 0; i < item_count; i++)
        if (items[i].e == e[0]) items[i].gone = 1;
    put_many(s, e[1], 100);
    s = reopen(s);
    read_all(s, ZSLAB_OK, 0);
    witness_agrees(s, device);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    printf("faults media: %s: %s\n",
           flags         ? "pwrite"
           : queue_depth ? "append"
                         : "queue",
           t_failed ? "FAILED" : "no object lost to a failed write, failed reads named");
    return t_failed != 0;
}

/* ---- zones that change under the store ------------------------------------------------ */

static const char *knobs; /* the null_blk's configfs directory */

static void set_zone(const char *knob, uint32_t zone)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", knobs, knob);
    FILE *f = fopen(path, "w");
    int bad = !f || fprintf(f, "%llu\n", (unsigned long long)zone * ((4u << 20) / 512)) < 0;
    if (f && fclose(f)) bad = 1;
    if (bad) t_fail(__FILE__, __LINE__, "the drive to take the zone's new condition");
}

/* A zone the store uses so: kind 1 metadata, 2 objects, 0 none; the first of that condition, or -1. */
static int find_zone(zslab_zns *s, uint32_t kind, uint32_t condition)
{
    for (uint32_t i = 0; i < 64; i++) {
        zslab_zns_zone_stats z;
        memset(&z, 0, sizeof z);
        if (zslab_zns_zone_at(s, i, &z) == ZSLAB_OK && z.kind == kind && z.device.condition == condition) return (int)i;
    }
    t_fail(__FILE__, __LINE__, "a zone of that kind and condition");
    return -1;
}

static void step(const char *what)
{
    static int failed_before;
    printf("    %-4s %s\n", t_failed > failed_before ? "FAIL" : "ok", what);
    failed_before = t_failed;
}

static int zones(void)
{
    zslab_zns_store_stats t;
    zslab_zns_recovery_report r;
    zslab_zns *s = store_open(device, flags | ZSLAB_ZNS_FLAG_FORCE);
    if (!s) return printf("faults: open: %s\n", zslab_result_name(zslab_last_error())), 1;
    zslab_zns_stats(s, &t);
    EXPECT(t.uses_append == 1);
    zslab_zns_epoch a = epoch_begin(s, 0, 0), b = epoch_begin(s, 1, 0);
    put_many(s, a, 100);
    put_many(s, b, 100);

    set_zone("zone_readonly", (uint32_t)find_zone(s, 2, ZSLAB_ZNS_OPEN));
    put_many(s, a, 60);
    put_many(s, b, 60);
    read_all(s, ZSLAB_OK, 0);
    zslab_zns_stats(s, &t);
    EXPECT(t.zones_read_only == 1);
    witness_agrees(s, device);
    step("a zone turns read-only under appends: they go elsewhere, everything is readable");

    for (int i = 0; i < 3; i++)
        set_zone(i % 2 ? "zone_offline" : "zone_readonly", (uint32_t)find_zone(s, 0, ZSLAB_ZNS_EMPTY));
    put_many(s, a, 200);
    put_many(s, b, 200);
    read_all(s, ZSLAB_OK, 0);
    witness_agrees(s, device);
    step("unused zones turn read-only and offline: the store goes round them");

    set_zone("zone_offline", (uint32_t)find_zone(s, 2, ZSLAB_ZNS_FULL));
    size_t gone = read_all(s, ZSLAB_E_OFFLINE, 1);
    EXPECT(gone > 0 && gone < 200);
    put_many(s, a, 60);
    zslab_zns_stats(s, &t);
    EXPECT(t.zones_offline == 2);
    witness_agrees(s, device);
    step("a zone full of objects goes offline: they alone are lost, and say so");

    s = reopen(s);
    zslab_zns_recovery(s, &r);
    EXPECT(r.zones_skipped >= 2);
    for (size_t i = 0; i < item_count; i++) {
        zslab_result got = get(s, &items[i]);
        EXPECT(items[i].gone ? got != ZSLAB_OK : got == ZSLAB_OK);
    }
    witness_agrees(s, device);
    step("opening meets all of them: offline is skipped, read-only is read");

    EXPECT_IS(zslab_zns_epoch_release(s, a), ZSLAB_OK);
    for (size_t i = 0; i < item_count; i++)
        if (items[i].e == a) items[i].gone = 1;
    read_all(s, ZSLAB_OK, 0);
    s = reopen(s);
    read_all(s, ZSLAB_OK, 0);
    witness_agrees(s, device);
    step("a release that cannot reset such zones still holds, after a reopening too");

    set_zone("zone_readonly", (uint32_t)find_zone(s, 1, ZSLAB_ZNS_OPEN));
    zslab_zns_epoch c = epoch_begin(s, 2, 0);
    EXPECT(c != 0);
    if (c) put_many(s, c, 100);
    read_all(s, ZSLAB_OK, 0);
    s = reopen(s);
    read_all(s, ZSLAB_OK, 0);
    witness_agrees(s, device);
    step("the metadata zone turns read-only: the log moves on and is found again");
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    printf("faults zones: %s, %zu objects\n", t_failed ? "FAILED" : "as documented", item_count);
    return t_failed != 0;
}

/* ---- a drive that is taken away ---------------------------------------------------------- */

static int gone(const char *delete_file, const char *bring_back)
{
    zslab_handle h = 0;
    zslab_result r = ZSLAB_OK;
    size_t got = 0;
    zslab_zns *s = store_open(device, ZSLAB_ZNS_FLAG_FORCE);
    if (!s) return printf("faults: open: %s\n", zslab_result_name(zslab_last_error())), 1;
    zslab_zns_epoch e = epoch_begin(s, 0, 0);
    put_many(s, e, 200);
    FILE *f = fopen(delete_file, "w");
    int bad = !f || fputs("1\n", f) < 0;
    if (f && fclose(f)) bad = 1;
    if (bad) return printf("faults: cannot remove the controller\n"), 1;
    for (int i = 0; i < 400 && r == ZSLAB_OK; i++) { /* the first ones still fit the packing buffers */
        object_make(data, BYTES, 5000, e);
        r = zslab_zns_append(s, e, data, BYTES, &h);
    }
    EXPECT_IS(r, ZSLAB_E_GONE);
    EXPECT_IS(zslab_zns_sync(s, e), ZSLAB_E_GONE);
    EXPECT_IS(zslab_zns_read(s, items[0].h, data, sizeof data, &got), ZSLAB_E_GONE);
    EXPECT(epoch_begin(s, 0, 0) == 0);
    EXPECT_IS(zslab_last_error(), ZSLAB_E_GONE);
    EXPECT_IS(zslab_zns_epoch_release(s, e), ZSLAB_E_GONE);
    EXPECT(zslab_zns_close(s) != ZSLAB_OK);
    step("the controller is removed: every call says so");
    EXPECT(system(bring_back) == 0);
    s = store_open(device, 0);
    for (int i = 0; i < 300 && !s; i++) { /* the old node may go, and the new one come, a little later */
        usleep(200000);
        s = store_open(device, 0);
    }
    EXPECT(s != NULL);
    if (s) {
        read_all(s, ZSLAB_OK, 0);
        put_many(s, e, 50);
        read_all(s, ZSLAB_OK, 0);
        witness_agrees(s, device);
        EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    }
    step("it comes back: everything synced is there, the epoch goes on");
    printf("faults gone: %s\n", t_failed ? "FAILED" : "told, and nothing synced was lost");
    return t_failed != 0;
}

/* A block device without zones, by the file device: taken when told to, held alone, found again. */
static int plain(void)
{
    zslab_zns_config force;
    memset(&force, 0, sizeof force);
    force.flags = ZSLAB_ZNS_FLAG_FORCE;
    EXPECT(!zslab_zns_open_file(device, NULL, NULL) && zslab_last_error() == ZSLAB_E_FOREIGN);
    EXPECT(!zslab_zns_open_file(device, NULL, &force) && zslab_last_error() == ZSLAB_E_NO_SPACE);
    zslab_zns_geometry g;
    memset(&g, 0, sizeof g);
    g.zone_count = 32;
    zslab_zns *s = zslab_zns_open_file(device, &g, &force);
    if (!s) return printf("faults: open: %s\n", zslab_result_name(zslab_last_error())), 1;
    zslab_zns_epoch e = epoch_begin(s, 0, 0);
    put_many(s, e, 100);
    EXPECT(!zslab_zns_open_file(device, NULL, NULL) && zslab_last_error() == ZSLAB_E_BUSY);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    s = zslab_zns_open_file(device, NULL, NULL);
    EXPECT(s != NULL);
    if (s) {
        read_all(s, ZSLAB_OK, 0);
        EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    }
    printf("faults plain: %s: %s\n", device, t_failed ? "FAILED" : "100 objects found again");
    return t_failed != 0;
}

static int refused(const char *what)
{
    zslab_result want = !strcmp(what, "geometry")     ? ZSLAB_E_GEOMETRY
                        : !strcmp(what, "permission") ? ZSLAB_E_PERMISSION
                                                      : ZSLAB_E_INVALID;
    zslab_zns_config c;
    memset(&c, 0, sizeof c);
    if (want == ZSLAB_E_PERMISSION && setuid(1000)) return perror("faults: changing user"), 1;
    zslab_zns *s = zslab_zns_open_device(device, &c);
    EXPECT(s == NULL);
    if (!s)
        EXPECT_IS(zslab_last_error(), want);
    else
        zslab_zns_close(s);
    printf("faults refused: %s: %s\n", device, t_failed ? "FAILED" : zslab_result_name(want));
    return t_failed != 0;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    device = argc > 2 ? argv[2] : "";
    knobs = argc > 3 ? argv[3] : "";
    if (!strcmp(knobs, "pwrite")) flags = ZSLAB_ZNS_FLAG_NO_APPEND;
    if (!strcmp(argc > 5 ? argv[5] : knobs, "queue")) queue_depth = 0;
    if (argc > 2 && !strcmp(argv[1], "media")) return media();
    if (argc > 3 && !strcmp(argv[1], "zones")) return zones();
    if (argc > 4 && !strcmp(argv[1], "gone")) return gone(argv[3], argv[4]);
    if (argc > 3 && !strcmp(argv[1], "refused")) return refused(argv[3]);
    if (argc > 2 && !strcmp(argv[1], "plain")) return plain();
    fprintf(stderr, "usage: faults media|zones|gone|refused <node> [more]\n");
    return 2;
}
