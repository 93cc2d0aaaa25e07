/* The store's contract on the file device: each test is a sentence. */
#include "tests/lib/test_zns.h"
#if !defined(__EMSCRIPTEN__)
#include <sys/wait.h>
#endif

static const zslab_zns_geometry little = {262144, 196608, 24, 4096, 0, 0, 32768, 0};

static zslab_zns *fresh(const char *path, const zslab_zns_geometry *g, const zslab_zns_config *c)
{
    zslab_zns *s;
    remove(path);
    s = zslab_zns_open_file(path, g, c);
    if (!s) {
        printf("%s does not open: %s\n", path, zslab_result_name(zslab_last_error()));
        failed++;
        exit(test_summary("test_zns"));
    }
    return s;
}

static zslab_zns *again(zslab_zns *s, const char *path)
{
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    s = zslab_zns_open_file(path, NULL, NULL);
    EXPECT(s != NULL);
    if (!s) exit(test_summary("test_zns"));
    return s;
}

static zslab_zns_epoch begin(zslab_zns *s, uint32_t lifetime, uint64_t expected)
{
    zslab_zns_epoch_config c = {"test", lifetime, expected, 0};
    zslab_zns_epoch e = zslab_zns_epoch_begin(s, &c);
    EXPECT(e != 0);
    return e;
}

static zslab_result open_error(const char *path, const zslab_zns_geometry *g, uint32_t flags)
{
    zslab_zns_config c;
    zslab_zns *s;
    memset(&c, 0, sizeof c);
    c.flags = flags;
    s = zslab_zns_open_file(path, g, &c);
    if (!s) return zslab_last_error();
    zslab_zns_close(s);
    return ZSLAB_OK;
}

/* ---- objects --------------------------------------------------------------------- */

static void objects_of_any_size_come_back_before_and_after_a_restart(void)
{
    static const size_t sizes[] = {1,     7,     8,     9,     100,   4095,   4096,   4097,   28671,
                                   28672, 28673, 32768, 57344, 60000, 100000, 393216, 500001, 1000000};
    enum { N = sizeof sizes / sizeof sizes[0] };
    const char *path = test_path("sizes");
    zslab_zns *s = fresh(path, &little, NULL);
    zslab_zns_epoch e = begin(s, 0, 0);
    zslab_handle h[N];
    size_t i, pass;
    for (i = 0; i < N; i++) EXPECT_IS(object_put(s, e, i, sizes[i], &h[i]), ZSLAB_OK);
    for (pass = 0; pass < 3; pass++) { /* from buffers and zones; from zones; after a restart */
        for (i = 0; i < N; i++) EXPECT_IS(object_get(s, h[i], i, sizes[i]), ZSLAB_OK);
        if (pass == 0) EXPECT_IS(zslab_zns_sync(s, e), ZSLAB_OK);
        if (pass == 1) s = again(s, path);
    }
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    remove(path);
}

static void a_read_says_the_size_and_refuses_a_small_buffer(void)
{
    const char *path = test_path("small");
    zslab_zns *s = fresh(path, &little, NULL);
    zslab_handle h;
    unsigned char b[100];
    size_t n = 0;
    EXPECT_IS(object_put(s, begin(s, 0, 0), 5, 100, &h), ZSLAB_OK);
    EXPECT_IS(zslab_zns_read(s, h, b, 99, &n), ZSLAB_E_INVALID);
    EXPECT(n == 100);
    EXPECT_IS(zslab_zns_read(s, h, NULL, 0, &n), ZSLAB_OK);
    EXPECT(n == 100);
    EXPECT_IS(zslab_zns_read(s, h, b, 100, NULL), ZSLAB_OK);
    EXPECT(object_is(b, 100, 5));
    EXPECT_IS(zslab_zns_read(s, 0, b, 100, &n), ZSLAB_E_INVALID);
    EXPECT_IS(zslab_zns_read(s, h ^ 3, b, 100, &n), ZSLAB_E_INVALID); /* version 01: an allocator's handle */
    EXPECT_IS(zslab_zns_read(s, h ^ 1u << 5, b, 100, &n), ZSLAB_E_STALE);
    EXPECT_IS(zslab_zns_read(s, h | UINT64_C(1) << 63, b, 100, &n), ZSLAB_E_STALE);
    EXPECT_IS(zslab_zns_read(s, h + (UINT64_C(1) << 26), b, 100, &n), ZSLAB_E_STALE);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    remove(path);
}

static void bad_arguments_are_answers(void)
{
    const char *path = test_path("args");
    zslab_zns *s = fresh(path, &little, NULL);
    zslab_zns_epoch_config c = {NULL, 16, 0, 0};
    zslab_zns_epoch e = begin(s, 0, 0);
    zslab_handle h = 1;
    EXPECT_IS(zslab_zns_append(s, e, "x", 0, &h), ZSLAB_E_INVALID);
    EXPECT(h == 0);
    EXPECT_IS(zslab_zns_append(s, e, NULL, 1, &h), ZSLAB_E_INVALID);
    EXPECT_IS(zslab_zns_append(s, e, "x", 1, NULL), ZSLAB_OK); /* found by iterate alone */
    EXPECT_IS(zslab_zns_append(s, 0, "x", 1, &h), ZSLAB_E_CLOSED);
    EXPECT_IS(zslab_zns_append(s, e + (1u << 20), "x", 1, &h), ZSLAB_E_CLOSED);
    EXPECT(zslab_last_error() == ZSLAB_E_CLOSED);
    EXPECT(zslab_zns_epoch_begin(s, &c) == 0 && zslab_last_error() == ZSLAB_E_INVALID);
    EXPECT_IS(zslab_zns_sync(s, e + 1), ZSLAB_E_CLOSED);
    EXPECT_IS(zslab_zns_iterate(s, e, NULL, NULL), ZSLAB_E_INVALID);
    EXPECT(zslab_zns_open_file(NULL, NULL, NULL) == NULL && zslab_last_error() == ZSLAB_E_INVALID);
    EXPECT(zslab_zns_open_ops(NULL, NULL, NULL) == NULL && zslab_last_error() == ZSLAB_E_INVALID);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    EXPECT_IS(zslab_zns_close(NULL), ZSLAB_E_INVALID);
    remove(path);
}

/* ---- epochs ---------------------------------------------------------------------- */

static void a_sealed_epoch_takes_nothing_and_stays_readable(void)
{
    const char *path = test_path("seal");
    zslab_zns *s = fresh(path, &little, NULL);
    zslab_zns_epoch e = begin(s, 0, 150000);
    zslab_zns_epoch_stats t;
    zslab_handle h, no;
    EXPECT_IS(object_put(s, e, 1, 5000, &h), ZSLAB_OK);
    EXPECT_IS(zslab_zns_epoch_seal(s, e), ZSLAB_OK);
    EXPECT_IS(zslab_zns_epoch_seal(s, e), ZSLAB_OK);
    EXPECT_IS(object_put(s, e, 2, 10, &no), ZSLAB_E_CLOSED);
    EXPECT_IS(object_get(s, h, 1, 5000), ZSLAB_OK);
    s = again(s, path);
    EXPECT(zslab_zns_epoch_next(s, 0, &t) == e && t.sealed && t.objects == 1);
    EXPECT_IS(object_put(s, e, 2, 10, &no), ZSLAB_E_CLOSED);
    EXPECT_IS(object_get(s, h, 1, 5000), ZSLAB_OK);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    remove(path);
}

/* [GEN-1] */
static void a_released_epoch_is_gone_for_ever(void)
{
    const char *path = test_path("release");
    zslab_zns *s = fresh(path, &little, NULL);
    zslab_zns_epoch e = begin(s, 0, 0), other;
    zslab_zns_store_stats before, after;
    zslab_handle h, buffered, later;
    int i;
    zslab_zns_stats(s, &before);
    EXPECT_IS(object_put(s, e, 1, 300000, &h), ZSLAB_OK);
    EXPECT_IS(object_put(s, e, 2, 10, &buffered), ZSLAB_OK);
    EXPECT_IS(zslab_zns_epoch_release(s, e), ZSLAB_OK);
    zslab_zns_stats(s, &after);
    EXPECT(after.zones_empty == before.zones_empty && after.resets > before.resets && after.objects == 0);
    EXPECT_IS(object_get(s, h, 1, 300000), ZSLAB_E_STALE);
    EXPECT_IS(object_get(s, buffered, 2, 10), ZSLAB_E_STALE);
    EXPECT_IS(zslab_zns_epoch_release(s, e), ZSLAB_E_CLOSED);
    EXPECT_IS(zslab_zns_append(s, e, "x", 1, &later), ZSLAB_E_CLOSED);
    for (i = 0; i < 50; i++) { /* frame ids and epoch places are used again: old handles never fit */
        other = begin(s, 0, 0);
        EXPECT(other != e);
        EXPECT_IS(object_put(s, other, 1, 10, &later), ZSLAB_OK);
        EXPECT_IS(object_get(s, h, 1, 300000), ZSLAB_E_STALE);
        EXPECT_IS(object_get(s, buffered, 2, 10), ZSLAB_E_STALE);
        EXPECT_IS(zslab_zns_epoch_release(s, other), ZSLAB_OK);
    }
    s = again(s, path);
    EXPECT_IS(object_get(s, h, 1, 300000), ZSLAB_E_STALE);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    remove(path);
}

/* [ZONE-2] */
static void shared_zones_go_with_their_last_epoch(void)
{
    const char *path = test_path("share");
    zslab_zns *s = fresh(path, &little, NULL);
    zslab_zns_epoch a = begin(s, 2, 0), b = begin(s, 2, 0);
    zslab_zns_store_stats t;
    zslab_zns_zone_stats z;
    zslab_handle ha, hb;
    uint32_t i, shared = 0;
    EXPECT_IS(object_put(s, a, 1, 20000, &ha), ZSLAB_OK);
    EXPECT_IS(object_put(s, b, 2, 20000, &hb), ZSLAB_OK);
    EXPECT_IS(zslab_zns_sync(s, 0), ZSLAB_OK);
    for (i = 0; i < little.zone_count; i++) {
        EXPECT_IS(zslab_zns_zone_at(s, i, &z), ZSLAB_OK);
        shared += z.epochs == 2 && z.lifetime_class == 2;
    }
    EXPECT(shared == 1);
    EXPECT_IS(zslab_zns_epoch_release(s, a), ZSLAB_OK);
    zslab_zns_stats(s, &t);
    EXPECT(t.dead_bytes >= 20000 && t.resets == 0);
    EXPECT_IS(object_get(s, hb, 2, 20000), ZSLAB_OK);
    EXPECT_IS(zslab_zns_epoch_release(s, b), ZSLAB_OK);
    zslab_zns_stats(s, &t);
    EXPECT(t.dead_bytes == 0 && t.resets == 1);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    remove(path);
}

static void epochs_are_found_by_label_after_a_restart(void)
{
    const char *path = test_path("label");
    zslab_zns *s = fresh(path, &little, NULL);
    zslab_zns_epoch_config c = {"a label that is longer than th\xc3\xadrty-one bytes", 7, 0, 0}; /* cut before it */
    zslab_zns_epoch e = zslab_zns_epoch_begin(s, &c), f = begin(s, 1, 1000000);
    zslab_zns_epoch_stats t;
    zslab_handle h;
    char json[4096];
    EXPECT_IS(object_put(s, e, 1, 10, &h), ZSLAB_OK);
    EXPECT_IS(object_put(s, f, 1, 100000, &h), ZSLAB_OK);
    s = again(s, path);
    EXPECT(zslab_zns_epoch_next(s, 0, &t) == e && t.lifetime_class == 7 && t.objects == 1);
    EXPECT(strcmp(t.label, "a label that is longer than th") == 0);
    EXPECT(zslab_zns_epoch_next(s, e, &t) == f && t.user_bytes == 100000);
    EXPECT(zslab_zns_epoch_next(s, f, &t) == 0);
    EXPECT(zslab_zns_stats_json(s, json, sizeof json) == strlen(json));
    EXPECT(zslab_zns_stats_json(s, NULL, 0) == strlen(json));
    EXPECT(strstr(json, "\"label\":\"a label that is longer than th\"") != NULL);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    remove(path);
}

/* Read from a frame, or from the index of a full zone, which does not tell how long each object is. */
static void the_figures_of_an_epoch_are_the_same_after_a_restart(void)
{
    const char *path = test_path("figures");
    zslab_zns_geometry g = {0, 0, 6, 0, 0, 0, 0, 0}; /* zones that are large enough for an index */
    zslab_zns *s = fresh(path, &g, NULL);
    zslab_zns_epoch e = zslab_zns_epoch_begin(s, NULL);
    zslab_zns_epoch_stats before, after;
    uint64_t i;
    for (i = 0; i < 3000; i++) EXPECT_IS(object_put(s, e, i, 1 + (size_t)i, NULL), ZSLAB_OK);
    EXPECT_IS(object_put(s, e, i, 300001, NULL), ZSLAB_OK); /* in pieces */
    EXPECT_IS(zslab_zns_sync(s, e), ZSLAB_OK);
    EXPECT(zslab_zns_epoch_next(s, 0, &before) == e);
    for (i = 0; i < 2; i++) {
        s = again(s, path);
        EXPECT(zslab_zns_epoch_next(s, 0, &after) == e);
        EXPECT(after.user_bytes == before.user_bytes && after.objects == 3001 && before.objects == 3001);
        EXPECT(after.device_bytes == before.device_bytes && after.zones == before.zones && before.zones > 1);
    }
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    remove(path);
}

typedef struct walk {
    uint64_t next, seen, wrong, stop_at;
} walk;
static int walk_in_order(void *user, const zslab_zns_visit *v)
{
    walk *w = (walk *)user;
    uint64_t n = 0;
    memcpy(&n, v->data, 8);
    w->wrong += n != w->next || !object_is((const unsigned char *)v->data, v->bytes, n);
    w->next = n + 1;
    return ++w->seen == w->stop_at;
}

static void iterate_shows_everything_in_order_and_stops_when_told(void)
{
    const char *path = test_path("iterate");
    zslab_zns *s = fresh(path, &little, NULL);
    zslab_zns_epoch e = begin(s, 0, 0);
    zslab_handle h;
    uint64_t i;
    int pass;
    for (i = 0; i < 3000; i++) EXPECT_IS(object_put(s, e, i, (size_t)(8 + i % 200), &h), ZSLAB_OK);
    for (pass = 0; pass < 2; pass++) {
        walk w = {0, 0, 0, 0}, stop = {0, 0, 0, 10};
        EXPECT_IS(zslab_zns_iterate(s, e, walk_in_order, &w), ZSLAB_OK);
        EXPECT(w.seen == 3000 && w.wrong == 0);
        EXPECT_IS(zslab_zns_iterate(s, 0, walk_in_order, &stop), ZSLAB_OK);
        EXPECT(stop.seen == 10);
        s = again(s, path);
    }
    EXPECT_IS(zslab_zns_iterate(s, e + 1, walk_in_order, NULL), ZSLAB_E_CLOSED);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    remove(path);
}

/* ---- opening --------------------------------------------------------------------- */

static void opening_says_what_is_wrong(void)
{
    const char *path = test_path("open");
    zslab_zns_geometry g = little;
    zslab_zns *s = fresh(path, &little, NULL);
    FILE *f;
#if !defined(__EMSCRIPTEN__) /* no locks on files there */
    EXPECT_IS(open_error(path, NULL, 0), ZSLAB_E_BUSY);
#endif
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    EXPECT_IS(open_error(path, &little, 0), ZSLAB_OK);
    g.zone_bytes *= 2;
    EXPECT_IS(open_error(path, &g, 0), ZSLAB_E_GEOMETRY);
    remove(path);
    g = little;
    g.block_bytes = 1000;
    EXPECT_IS(open_error(path, &g, 0), ZSLAB_E_GEOMETRY);
    g = little;
    g.max_active = 1;
    EXPECT_IS(open_error(path, &g, 0), ZSLAB_E_GEOMETRY);
    remove(path);
    EXPECT_IS(open_error(path, &little, ZSLAB_ZNS_FLAG_NO_FORMAT), ZSLAB_E_INVALID); /* no such file */
    EXPECT(fopen(path, "rb") == NULL); /* and no refused open has made one */
    f = fopen(path, "wb");
    fprintf(f, "this is somebody's letter, and it is longer than a superblock is, which matters here\n");
    fclose(f);
    EXPECT_IS(open_error(path, &little, 0), ZSLAB_E_FOREIGN);
    EXPECT_IS(open_error(path, &little, ZSLAB_ZNS_FLAG_READ_ONLY), ZSLAB_E_FOREIGN);
    EXPECT_IS(open_error(path, &little, ZSLAB_ZNS_FLAG_FORCE), ZSLAB_OK);
    EXPECT_IS(open_error(path, NULL, 0), ZSLAB_OK);
    remove(path);
    EXPECT_IS(open_error("/nonexistent/place/file", NULL, 0), ZSLAB_E_INVALID);
}

static void a_newer_format_is_refused(void)
{
    const char *path = test_path("newer");
    zslab_zns *s = fresh(path, &little, NULL);
    zs__zns_file *d = (zs__zns_file *)s->dev.user;
    uint64_t at = zs__zns_file_place(d, s->meta_zone, 0);
    unsigned char p[128];
    FILE *f;
    zslab_zns_close(s);
    f = fopen(path, "r+b");
    fseek(f, (long)at, SEEK_SET);
    EXPECT(fread(p, 1, 128, f) == 128);
    zs__zns_put32(p + 8, ZSLAB_ZNS_FORMAT_VERSION + 1);
    zs__zns_put32(p + 124, zs__zns_crc(0, p, 124));
    fseek(f, (long)at, SEEK_SET);
    fwrite(p, 1, 128, f);
    fclose(f);
    EXPECT_IS(open_error(path, NULL, 0), ZSLAB_E_GEOMETRY);
    remove(path);
}

static void a_read_only_store_reads_and_refuses_the_rest(void)
{
    const char *path = test_path("ro");
    zslab_zns *s = fresh(path, &little, NULL);
    zslab_zns_epoch e = begin(s, 0, 0);
    zslab_zns_config c;
    zslab_handle h, no;
    memset(&c, 0, sizeof c);
    c.flags = ZSLAB_ZNS_FLAG_READ_ONLY;
    EXPECT_IS(object_put(s, e, 1, 70000, &h), ZSLAB_OK);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    s = zslab_zns_open_file(path, NULL, &c);
    EXPECT(s != NULL);
    EXPECT_IS(object_get(s, h, 1, 70000), ZSLAB_OK);
    EXPECT_IS(object_put(s, e, 2, 10, &no), ZSLAB_E_READ_ONLY);
    EXPECT(zslab_zns_epoch_begin(s, NULL) == 0 && zslab_last_error() == ZSLAB_E_READ_ONLY);
    EXPECT_IS(zslab_zns_epoch_release(s, e), ZSLAB_E_READ_ONLY);
    EXPECT_IS(zslab_zns_epoch_seal(s, e), ZSLAB_E_READ_ONLY);
    EXPECT_IS(zslab_zns_sync(s, 0), ZSLAB_E_READ_ONLY);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    remove(path);
}

/* A zone that somebody else wrote is not touched: a caller's device is not ours alone. */
static void foreign_zones_stay_untouched(void)
{
    const char *path = test_path("foreign");
    zslab_zns_config c;
    zs__zns_dev dev;
    zslab_zns_recovery_report r;
    zslab_zns_store_stats t;
    zslab_zns *s;
    zslab_zns_epoch e;
    zslab_handle h;
    uint64_t at = 0;
    unsigned char block[4096], look[4096];
    zslab_zns_iov iov = {block, sizeof block};
    int i;
    memset(&c, 0, sizeof c);
    remove(path);
    EXPECT_IS(zs__zns_file_open(path, &little, &c, &dev), ZSLAB_OK);
    s = zslab_zns_open_ops(&dev.ops, dev.user, NULL);
    EXPECT(s != NULL);
    free(*dev.made); /* what zslab_zns_open_file does when it has succeeded */
    *dev.made = NULL;
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    EXPECT_IS(zs__zns_file_open(path, NULL, &c, &dev), ZSLAB_OK);
    memset(block, 0x5a, sizeof block);
    EXPECT(dev.ops.append(dev.user, 23, &iov, 1, &at) == 0);
    s = zslab_zns_open_ops(&dev.ops, dev.user, NULL);
    EXPECT(s != NULL);
    zslab_zns_recovery(s, &r);
    EXPECT(r.zones_foreign == 1);
    e = begin(s, 0, 0);
    for (i = 0; i < 200; i++) (void)object_put(s, e, 1, 100000, &h); /* more than fits */
    EXPECT_IS(object_put(s, e, 1, 100000, &h), ZSLAB_E_NO_SPACE);
    EXPECT_IS(zslab_zns_epoch_release(s, e), ZSLAB_OK);
    zslab_zns_stats(s, &t);
    EXPECT(t.zones_empty == 22);
    EXPECT(dev.ops.read(dev.user, 23 * little.zone_bytes, look, sizeof look) == 0 && !memcmp(look, block, sizeof look));
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    remove(path);
}

/* ---- limits ---------------------------------------------------------------------- */

static void a_full_store_says_so_and_a_release_makes_room(void)
{
    const char *path = test_path("full");
    zslab_zns *s = fresh(path, &little, NULL);
    zslab_zns_epoch e[3];
    zslab_handle h[400], no;
    size_t sizes = 20000;
    int n = 0, i, round;
    zslab_result r = ZSLAB_OK;
    for (i = 0; i < 3; i++) e[i] = begin(s, 0, 0);
    while (n < 400 && r == ZSLAB_OK) {
        r = object_put(s, e[n % 3], (uint64_t)n, sizes, &h[n]);
        n += r == ZSLAB_OK;
    }
    EXPECT_IS(r, ZSLAB_E_NO_SPACE);
    EXPECT(n > 150); /* of 23 zones of 192 KiB, one kept for metadata */
    for (i = 0; i < n; i++) EXPECT_IS(object_get(s, h[i], (uint64_t)i, sizes), ZSLAB_OK);
    r = zslab_zns_sync(s, 0); /* what was packed last may not find room; it stays readable */
    EXPECT(r == ZSLAB_OK || r == ZSLAB_E_NO_SPACE);
    for (i = 0; i < n; i++) EXPECT_IS(object_get(s, h[i], (uint64_t)i, sizes), ZSLAB_OK);
    for (i = 0; i < 3; i++) EXPECT_IS(zslab_zns_epoch_release(s, e[i]), ZSLAB_OK);
    for (round = 0; round < 4; round++) { /* everything is usable again, again and again */
        zslab_zns_epoch f = begin(s, 0, 0);
        for (i = 0; i < 150; i++) EXPECT_IS(object_put(s, f, (uint64_t)i, sizes, &no), ZSLAB_OK);
        EXPECT_IS(zslab_zns_sync(s, f), ZSLAB_OK);
        EXPECT_IS(zslab_zns_epoch_release(s, f), ZSLAB_OK);
    }
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    remove(path);
}

/* [FILE-2] */
static void few_active_zones_are_shared_and_never_an_error(void)
{
    const char *path = test_path("active");
    zslab_zns_geometry g = little;
    zslab_zns *s;
    zslab_zns_epoch e[16];
    zslab_handle h[16][8];
    uint32_t active, i, k;
    for (active = 2; active <= 6; active++) {
        g.max_active = active;
        g.max_open = active;
        s = fresh(path, &g, NULL);
        for (i = 0; i < 16; i++) e[i] = begin(s, i, i % 4 == 3 ? 150000 : 0);
        for (k = 0; k < 8; k++)
            for (i = 0; i < 16; i++) EXPECT_IS(object_put(s, e[i], i * 8 + k, 9000, &h[i][k]), ZSLAB_OK);
        EXPECT_IS(zslab_zns_sync(s, 0), ZSLAB_OK);
        s = again(s, path);
        for (k = 0; k < 8; k++)
            for (i = 0; i < 16; i++) EXPECT_IS(object_get(s, h[i][k], i * 8 + k, 9000), ZSLAB_OK);
        for (i = 0; i < 16; i++) EXPECT_IS(zslab_zns_epoch_release(s, e[i]), ZSLAB_OK);
        EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    }
    remove(path);
}

static void any_block_size_and_shape_works(void)
{
    static const zslab_zns_geometry shapes[] = {{65536, 40960, 8, 512, 0, 0, 1024, 0xff},
                                                {65536, 65536, 6, 512, 3, 3, 65536, 0},
                                                {1048576, 999424, 5, 4096, 2, 2, 1048576, 0xff},
                                                {2097152, 1310720, 5, 65536, 0, 2, 131072, 0}};
    const char *path = test_path("shape");
    size_t i, k;
    for (i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        zslab_zns *s = fresh(path, &shapes[i], NULL);
        zslab_zns_epoch e = begin(s, 0, 0);
        zslab_handle h[20];
        for (k = 0; k < 20; k++) EXPECT_IS(object_put(s, e, k, 1 + k * k * 17, &h[k]), ZSLAB_OK);
        s = again(s, path);
        for (k = 0; k < 20; k++) EXPECT_IS(object_get(s, h[k], k, 1 + k * k * 17), ZSLAB_OK);
        EXPECT_IS(zslab_zns_epoch_release(s, e), ZSLAB_OK);
        EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    }
    remove(path);
}

/* [ZONE-3] */
static void the_metadata_log_rolls_over_and_over(void)
{
    const char *path = test_path("roll");
    zslab_zns *s = fresh(path, &little, NULL);
    zslab_zns_epoch keep = begin(s, 0, 0), e = 0;
    zslab_zns_store_stats t;
    zslab_handle h, no;
    int i;
    EXPECT_IS(object_put(s, keep, 9, 3000, &h), ZSLAB_OK);
    for (i = 0; i < 300; i++) { /* 47 records fit in the zone */
        e = begin(s, 0, 0);
        EXPECT_IS(object_put(s, e, 1, 10, &no), ZSLAB_OK);
        EXPECT_IS(zslab_zns_epoch_release(s, e), ZSLAB_OK);
        if (i % 100 == 50) s = again(s, path);
    }
    EXPECT_IS(object_get(s, h, 9, 3000), ZSLAB_OK);
    s = again(s, path);
    zslab_zns_stats(s, &t);
    EXPECT(t.epochs == 1 && t.objects == 1);
    EXPECT_IS(object_get(s, h, 9, 3000), ZSLAB_OK);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    remove(path);
}

static void more_epochs_than_a_snapshot_holds_are_refused(void)
{
    const char *path = test_path("many");
    zslab_zns_geometry g = {65536, 65536, 8, 512, 0, 0, 4096, 0};
    zslab_zns *s = fresh(path, &g, NULL);
    zslab_zns_epoch e[1024];
    uint32_t n = 0, i, found = 0;
    zslab_zns_epoch id = 0;
    zslab_zns_epoch_stats t;
    while (n < 1024 && (e[n] = zslab_zns_epoch_begin(s, NULL)) != 0) n++;
    EXPECT(n == s->epoch_limit && zslab_last_error() == ZSLAB_E_LIMIT);
    s = again(s, path); /* many metadata zones later */
    while ((id = zslab_zns_epoch_next(s, id, &t)) != 0) found++;
    EXPECT(found == n);
    EXPECT_IS(zslab_zns_epoch_release(s, e[0]), ZSLAB_OK);
    EXPECT(zslab_zns_epoch_begin(s, NULL) != 0);
    for (i = 1; i < n; i++) EXPECT_IS(zslab_zns_epoch_release(s, e[i]), ZSLAB_OK);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    remove(path);
}

/* ---- recovery -------------------------------------------------------------------- */

#if !defined(__EMSCRIPTEN__) /* there is no fork */
static void a_killed_process_keeps_what_left_the_buffers(void)
{
    const char *path = test_path("kill");
    zslab_zns *s = fresh(path, &little, NULL);
    zslab_zns_recovery_report r;
    zslab_zns_epoch_stats t;
    zslab_handle h[30];
    int i, fds[2], status;
    pid_t pid;
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    EXPECT(pipe(fds) == 0);
    pid = fork();
    if (pid == 0) {
        s = zslab_zns_open_file(path, NULL, NULL);
        for (i = 0; i < 30; i++)
            if (object_put(s, i ? zslab_zns_epoch_next(s, 0, &t) : begin(s, 0, 0), (uint64_t)i, 28672, &h[i])) _exit(1);
        if (zslab_zns_epoch_seal(s, zslab_zns_epoch_next(s, 0, &t))) _exit(2); /* buffers only */
        _exit(write(fds[1], h, sizeof h) != (ssize_t)sizeof h);                /* no sync, no close */
    }
    EXPECT(read(fds[0], h, sizeof h) == (ssize_t)sizeof h);
    close(fds[0]);
    close(fds[1]);
    waitpid(pid, &status, 0);
    EXPECT(status == 0);
    s = open_after_kill(path);
    EXPECT(s != NULL);
    zslab_zns_recovery(s, &r);
    EXPECT(r.objects == 30 && r.unacknowledged_possible == 30 && r.epochs == 1 && r.lost == 0);
    for (i = 0; i < 30; i++) EXPECT_IS(object_get(s, h[i], (uint64_t)i, 28672), ZSLAB_OK);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    remove(path);
}
#endif

static uint64_t reopened_bytes(const char *path, uint32_t flags, zslab_zns_recovery_report *r)
{
    zslab_zns_config c;
    zslab_zns *s;
    memset(&c, 0, sizeof c);
    c.flags = flags;
    s = zslab_zns_open_file(path, NULL, &c);
    EXPECT(s != NULL);
    zslab_zns_recovery(s, r);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    return r->bytes_read;
}

static void sealed_zones_are_recovered_from_their_index(void)
{
    const char *path = test_path("index");
    zslab_zns_geometry g = {16u << 20, 16u << 20, 8, 4096, 0, 0, 128u << 10, 0};
    zslab_zns *s = fresh(path, &g, NULL);
    zslab_zns_epoch e = begin(s, 0, 60u << 20);
    zslab_zns_recovery_report quick, whole;
    zslab_handle h[470];
    int i;
    for (i = 0; i < 470; i++) EXPECT_IS(object_put(s, e, (uint64_t)i, 100000, &h[i]), ZSLAB_OK);
    EXPECT_IS(zslab_zns_epoch_seal(s, e), ZSLAB_OK);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    EXPECT(reopened_bytes(path, 0, &quick) < 1u << 20);
    EXPECT(reopened_bytes(path, ZSLAB_ZNS_FLAG_VERIFY, &whole) > 44u << 20);
    EXPECT(quick.objects == 470 && whole.objects == 470 && whole.lost == 0);
    s = zslab_zns_open_file(path, NULL, NULL);
    for (i = 0; i < 470; i++) EXPECT_IS(object_get(s, h[i], (uint64_t)i, 100000), ZSLAB_OK);
    EXPECT_IS(zslab_zns_epoch_release(s, e), ZSLAB_OK);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    remove(path);
}

static void damage_is_told_and_never_returned(void)
{
    const char *path = test_path("damage");
    zslab_zns *s = fresh(path, &little, NULL);
    zslab_zns_epoch e = begin(s, 0, 0);
    zslab_zns_recovery_report r;
    zslab_zns_store_stats t;
    zslab_handle h[3];
    zs__zns_frame *frame;
    walk w = {0, 0, 0, 0};
    uint64_t at;
    int i;
    FILE *f;
    for (i = 0; i < 3; i++) EXPECT_IS(object_put(s, e, (uint64_t)i, 3000, &h[i]), ZSLAB_OK);
    EXPECT_IS(zslab_zns_sync(s, e), ZSLAB_OK);
    frame = zs__zns_frame_at(s, (uint32_t)(h[1] >> 38));
    at = zs__zns_file_place((zs__zns_file *)s->dev.user, frame->zone, frame->block + frame->payload_at / 4096) + 3500;
    f = fopen(path, "r+b");
    fseek(f, (long)at, SEEK_SET);
    fputc(0x77, f); /* in the middle of the second object */
    fclose(f);
    EXPECT_IS(object_get(s, h[0], 0, 3000), ZSLAB_OK);
    EXPECT_IS(object_get(s, h[1], 1, 3000), ZSLAB_E_CORRUPT);
    EXPECT_IS(object_get(s, h[2], 2, 3000), ZSLAB_OK);
    EXPECT_IS(zslab_zns_iterate(s, e, walk_in_order, &w), ZSLAB_E_CORRUPT);
    EXPECT(w.seen == 2);
    zslab_zns_stats(s, &t);
    EXPECT(t.lost_objects == 1);
    s = again(s, path);
    zslab_zns_recovery(s, &r);
    EXPECT(r.lost == 1 && r.objects == 2);
    EXPECT_IS(object_get(s, h[1], 1, 3000), ZSLAB_E_CORRUPT);
    EXPECT_IS(object_get(s, h[2], 2, 3000), ZSLAB_OK);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    remove(path);
}

static void crc32c_is_crc32c(void)
{
    static unsigned char zeros[32], odd[20000], copy[20000];
    size_t i, n;
    /* [CRC-1] */
    EXPECT(zs__zns_crc(0, "123456789", 9) == 0xe3069283u);
    EXPECT(zs__zns_crc(0, zeros, 32) == 0x8a9136aau);
    object_fill(odd, sizeof odd, 3);
    for (i = 0; i < 1700; i += TEST_EMULATED ? 7 : 1) { /* tables, instructions, long ones side by side */
        n = i < 1000 ? i : i < 1350 ? 6144 - 1175 + i : 12288 + 768 - 1525 + i;
        EXPECT(zs__zns_crc_soft(0, odd + i % 9, n) == zs__zns_crc(0, odd + i % 9, n));
        EXPECT(zs__zns_crc(zs__zns_crc(0, odd, i), odd + i, n) == zs__zns_crc(0, odd, i + n));
        EXPECT(zs__zns_crc_copy(copy, odd + i % 5, n) == zs__zns_crc(0, odd + i % 5, n) &&
               !memcmp(copy, odd + i % 5, n));
    }
}

/* A release whose flush failed has not happened: the epoch goes on, and what it syncs afterwards is there when the
   store is found as it is at that moment. [REL-2] */
static void a_release_that_failed_at_its_flush_did_not_happen(void)
{
    char path[256], copy[256];
    zslab_zns_fault fault = {ZSLAB_ZNS_FAULT_ERROR, ZSLAB_ZNS_OP_FLUSH, UINT64_MAX, 1, 0, 0, 0};
    zslab_zns_epoch_config ec = {"kept", 2, 0, 5};
    zslab_zns_epoch_stats t;
    zslab_zns_config c;
    zslab_zns *s, *d;
    zslab_zns_epoch e;
    zslab_handle h[2];
    zslab_zns_recovery_report r;
    int i;
    memset(&c, 0, sizeof c);
    c.faults = &fault;
    c.fault_count = 1;
    snprintf(path, sizeof path, "%s", test_path("release"));
    snprintf(copy, sizeof copy, "%s", test_path("released"));
    s = zslab_zns_open_file(path, &little, &c);
    EXPECT(s != NULL);
    e = zslab_zns_epoch_begin(s, &ec);
    EXPECT_IS(object_put(s, e, 0, 100, &h[0]), ZSLAB_OK);
    EXPECT_IS(zslab_zns_sync(s, e), ZSLAB_OK);
    ((zs__zns_file *)s->dev.user)->faults[0].at = ((zs__zns_file *)s->dev.user)->struck[0] + 1;
    EXPECT_IS(zslab_zns_epoch_release(s, e), ZSLAB_E_IO);
    EXPECT_IS(object_put(s, e, 1, 100, &h[1]), ZSLAB_OK);
    EXPECT_IS(zslab_zns_sync(s, e), ZSLAB_OK);
    copy_file(path, copy);
    d = zslab_zns_open_file(copy, NULL, NULL);
    EXPECT(d != NULL);
    zslab_zns_recovery(d, &r);
    EXPECT(r.lost == 0 && r.objects == 2 && r.result == ZSLAB_OK);
    for (i = 0; i < 2; i++) EXPECT_IS(object_get(d, h[i], (uint64_t)i, 100), ZSLAB_OK);
    EXPECT(zslab_zns_epoch_next(d, 0, &t) == e && !strcmp(t.label, "kept") && t.expires_ns == 5);
    EXPECT_IS(zslab_zns_close(d), ZSLAB_OK);
    EXPECT_IS(zslab_zns_epoch_release(s, e), ZSLAB_OK);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    remove(path);
    remove(copy);
}

int main(void)
{
    a_release_that_failed_at_its_flush_did_not_happen();
    crc32c_is_crc32c();
    objects_of_any_size_come_back_before_and_after_a_restart();
    a_read_says_the_size_and_refuses_a_small_buffer();
    bad_arguments_are_answers();
    a_sealed_epoch_takes_nothing_and_stays_readable();
    a_released_epoch_is_gone_for_ever();
    shared_zones_go_with_their_last_epoch();
    epochs_are_found_by_label_after_a_restart();
    the_figures_of_an_epoch_are_the_same_after_a_restart();
    iterate_shows_everything_in_order_and_stops_when_told();
    opening_says_what_is_wrong();
    a_newer_format_is_refused();
    a_read_only_store_reads_and_refuses_the_rest();
    foreign_zones_stay_untouched();
    a_full_store_says_so_and_a_release_makes_room();
    few_active_zones_are_shared_and_never_an_error();
    any_block_size_and_shape_works();
    the_metadata_log_rolls_over_and_over();
    more_epochs_than_a_snapshot_holds_are_refused();
#if !defined(__EMSCRIPTEN__)
    a_killed_process_keeps_what_left_the_buffers();
#endif
    sealed_zones_are_recovered_from_their_index();
    damage_is_told_and_never_returned();
    return test_summary("test_zns");
}
