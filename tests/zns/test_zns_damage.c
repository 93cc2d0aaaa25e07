/* Images with one to three flipped bits anywhere, cut short, or with blocks zeroed. Whatever is met: nothing corrupt
   is returned, nothing released comes back, what is not returned is counted, nothing changes before REPAIR, one flip
   costs at most a hundredth of the objects, and REPAIR keeps all that could be read before. [CRC-2] [ORD-1]
   usage: test_zns_damage [images] [seed]   default 240; the long run is 10000 */
#include "tests/lib/test_zns.h"

enum { EPOCHS = 12, EACH = 50, OBJECTS = EPOCHS * EACH, ZONES = 20, ZONE = 131072, STORIES = 4 };

typedef struct story {
    zslab_handle handle[OBJECTS];
    size_t bytes[OBJECTS];
    zslab_zns_epoch epoch[EPOCHS];
    int released[EPOCHS];
    unsigned char *image;
    size_t image_bytes;
} story;

typedef struct look {
    int opened, ok, corrupt, silent, wrong, revived, live;
    unsigned char readable[OBJECTS];
    zslab_zns_recovery_report report;
} look;

/* With blocks of 512 bytes a page that is gone takes several frames of the log with it. */
static const zslab_zns_geometry drive[2] = {{ZONE, ZONE, ZONES, 4096, 0, 0, 16384, 0},
                                            {ZONE, ZONE, ZONES, 512, 0, 0, 16384, 0}};
static uint64_t coin;
static char path[256];

static size_t below(size_t n) { return (size_t)(zs__zns_mix(&coin) % n); }

static void load(story *t)
{
    FILE *f = fopen(path, "rb");
    EXPECT(f != NULL && fseek(f, 0, SEEK_END) == 0);
    t->image_bytes = (size_t)ftell(f);
    t->image = (unsigned char *)malloc(t->image_bytes);
    rewind(f);
    EXPECT(fread(t->image, 1, t->image_bytes, f) == t->image_bytes);
    fclose(f);
}

static void save(const unsigned char *from, size_t bytes)
{
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(from, 1, bytes, f) != bytes) exit(2);
    fclose(f);
}

/* Epochs come, are synced and partly released; `closed` in order, or the file as a kill leaves it. */
static void tell(story *t, const zslab_zns_geometry *geometry, int closed)
{
    zslab_zns *s;
    int e, i;
    remove(path);
    s = zslab_zns_open_file(path, geometry, NULL);
    EXPECT(s != NULL);
    for (e = 0; e < EPOCHS; e++) {
        zslab_zns_epoch_config c;
        memset(&c, 0, sizeof c);
        c.label = "damage";
        c.lifetime_class = (uint32_t)e % 3;
        t->epoch[e] = zslab_zns_epoch_begin(s, &c);
        for (i = e * EACH; i < (e + 1) * EACH; i++) {
            t->bytes[i] = i % EACH == 7 ? 40000 : 100 + (size_t)(i * 37 % 1800);
            EXPECT_IS(object_put(s, t->epoch[e], (uint64_t)i, t->bytes[i], &t->handle[i]), ZSLAB_OK);
            if (i % 17 == 16) EXPECT_IS(zslab_zns_sync(s, 0), ZSLAB_OK);
        }
        if (e % 4 == 3) EXPECT_IS(zslab_zns_epoch_seal(s, t->epoch[e]), ZSLAB_OK);
        EXPECT_IS(zslab_zns_sync(s, 0), ZSLAB_OK);
        if (e % 3 == 2) {
            t->released[e - 1] = 1;
            EXPECT_IS(zslab_zns_epoch_release(s, t->epoch[e - 1]), ZSLAB_OK);
        }
    }
    if (!closed) load(t);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    if (closed) load(t);
}

static void examine(const story *t, uint32_t flags, look *l)
{
    zslab_zns_config c;
    zslab_zns *s;
    int i;
    memset(&c, 0, sizeof c);
    memset(l, 0, sizeof *l);
    c.flags = flags;
    s = zslab_zns_open_file(path, NULL, &c);
    for (i = 0; i < OBJECTS; i++) l->live += !t->released[i / EACH];
    if (!s) return;
    l->opened = 1;
    zslab_zns_recovery(s, &l->report);
    for (i = 0; i < OBJECTS; i++) {
        zslab_result r = object_get(s, t->handle[i], (uint64_t)i, t->bytes[i]);
        l->readable[i] = r == ZSLAB_OK;
        l->wrong += r == ZSLAB_E_FOREIGN;
        if (t->released[i / EACH]) {
            l->revived += r == ZSLAB_OK;
            continue;
        }
        l->ok += r == ZSLAB_OK;
        l->corrupt += r == ZSLAB_E_CORRUPT || r == ZSLAB_E_IO;
        l->silent += r != ZSLAB_OK && r != ZSLAB_E_CORRUPT && r != ZSLAB_E_IO;
    }
    (void)zslab_zns_close(s);
}

static int same_file(const unsigned char *want, size_t bytes)
{
    unsigned char *have = (unsigned char *)malloc(bytes + 1);
    FILE *f = fopen(path, "rb");
    int same = f && fread(have, 1, bytes + 1, f) == bytes && !memcmp(have, want, bytes);
    if (f) fclose(f);
    free(have);
    return same;
}

/* One harm; how many bits it flipped, 0: it was cut, -1: pages are gone, one by one or in a row. */
static int harm(unsigned char *work, size_t *bytes)
{
    size_t kind = below(10), n = 1 + below(3), i, at;
    if (kind < 6) {
        for (i = 0; i < n; i++) /* one in three where the little is that all depends on */
            work[below(3)   ? below(*bytes)
                 : below(3) ? below(*bytes / 4096) * 4096 + below(160)
                            : below(12288)] ^= (unsigned char)(1u << below(8));
        return (int)n;
    }
    if (kind < 8) {
        *bytes = below(*bytes);
        return 0;
    }
    for (i = 0, at = 0; i < n; i++) {
        at = i && kind == 9 ? at + 4096 : below(below(2) ? *bytes / 4096 : 64) * 4096;
        if (at + 4096 <= *bytes) memset(work + at, 0, 4096);
    }
    return -1;
}

static int refused, hands_off, told, lost_most;

static void damage(const story *t, unsigned char *work, int run)
{
    look before, repaired, after;
    size_t bytes = t->image_bytes;
    int flips, i, kept = 1, was = failed;
    uint64_t counted;
    memcpy(work, t->image, bytes);
    flips = harm(work, &bytes);
    save(work, bytes);
    examine(t, 0, &before);
    refused += !before.opened;
    told += before.opened && before.report.result == ZSLAB_E_CORRUPT;
    if (before.opened && before.live - before.ok > lost_most) lost_most = before.live - before.ok;
    EXPECT(before.wrong == 0);
    EXPECT(before.revived == 0);
    if (before.opened) {
        counted = before.report.lost + before.report.tail_unverified;
        EXPECT(!before.silent || counted || before.report.damaged_frames);
        if (flips > 0 || (flips < 0 && before.report.result)) EXPECT((uint64_t)before.silent <= counted);
    }
    if (flips == 1) EXPECT(before.opened && (before.live - before.ok) * 100 <= before.live);
    if (!before.opened || before.report.result == ZSLAB_E_CORRUPT) {
        hands_off++;
        EXPECT(same_file(work, bytes));
    }
    examine(t, ZSLAB_ZNS_FLAG_REPAIR, &repaired);
    EXPECT(repaired.opened == before.opened && repaired.wrong == 0 && repaired.revived == 0);
    for (i = 0; i < OBJECTS; i++) kept &= !before.readable[i] || repaired.readable[i];
    EXPECT(kept);
    examine(t, 0, &after);
    EXPECT(after.opened == before.opened && after.wrong == 0 && after.revived == 0);
    if (after.opened) EXPECT(after.report.result == ZSLAB_OK && after.ok >= repaired.ok);
    if (failed != was)
        printf("image %d, %d flips, %d of %d bytes: %s, %d of %d read, %d corrupt, %d silent, lost %d, tail %d, frames "
               "%d, result %u; repaired %d read, after %d read, result %u\n",
               run, flips, (int)bytes, (int)t->image_bytes, before.opened ? "opened" : "refused", before.ok,
               before.live, before.corrupt, before.silent, (int)before.report.lost, (int)before.report.tail_unverified,
               (int)before.report.damaged_frames, before.report.result, repaired.ok, after.ok, after.report.result);
}

static void put_page(size_t at, const void *page)
{
    FILE *f = fopen(path, "r+b");
    if (!f || fseek(f, (long)at, SEEK_SET) || fwrite(page, 1, 4096, f) != 4096) exit(2);
    fclose(f);
}

/* Each page gone by itself: the last frame of an epoch that nothing follows is among them. */
static void any_page_may_go(const story *t)
{
    static const unsigned char none[4096];
    size_t at;
    look l;
    save(t->image, t->image_bytes);
    for (at = 0; at + 4096 <= t->image_bytes; at += 4096) {
        if (!memcmp(t->image + at, none, 4096)) continue;
        put_page(at, none);
        examine(t, ZSLAB_ZNS_FLAG_READ_ONLY, &l);
        put_page(at, t->image + at);
        EXPECT(!l.wrong && !l.revived);
        if (!l.opened || (uint64_t)l.silent <= l.report.lost + l.report.tail_unverified) continue;
        failed++;
        printf("page %d gone: %d of %d read, %d silent, lost %d, tail %d\n", (int)(at / 4096), l.ok, l.live, l.silent,
               (int)l.report.lost, (int)l.report.tail_unverified);
    }
}

int main(int argc, char **argv)
{
    static story story_of[STORIES];
    int images = argc > 1 ? atoi(argv[1]) : TEST_EMULATED ? 40 : 240, run;
    unsigned char *work;
    size_t most = 0;
    look whole;
    coin = argc > 2 ? (uint64_t)atoll(argv[2]) : 1;
    snprintf(path, sizeof path, "%s", test_path("harm"));
    for (run = 0; run < STORIES; run++) {
        story *t = &story_of[run];
        tell(t, &drive[run / 2], run % 2);
        save(t->image, t->image_bytes);
        examine(t, 0, &whole);
        EXPECT(whole.ok == whole.live && whole.report.result == ZSLAB_OK && !whole.report.lost && !whole.revived);
        if (t->image_bytes > most) most = t->image_bytes;
        if (run == 2 || (!run && !TEST_EMULATED)) any_page_may_go(t); /* as a kill leaves it */
    }
    work = (unsigned char *)malloc(most);
    for (run = 0; run < images && failed < 200; run++) damage(&story_of[run % STORIES], work, run);
    remove(path);
    printf("%d images: %d refused, %d opened read-only with a report, %d left untouched; at most %d of %d lost\n", run,
           refused, told, hands_off, lost_most, whole.live);
    EXPECT(told > images / 8 && hands_off >= told);
    free(work);
    for (run = 0; run < STORIES; run++) free(story_of[run].image);
    return test_summary("test_zns_damage");
}
