/* Many epochs and many objects: what opening, a walk, statistics and closing cost does not grow faster than their
   number, a sealed epoch keeps little memory, and with a cap on directories so does an object.
   usage: test_zns_scale [epochs] [objects] [file]   default 4000 and 400000, in memory; the long run is 32000 and
   10000000, in a file on a disk: 1.3 GiB */
/* timeout: 300 */
#include "tests/lib/test_zns.h"
#if defined(__GLIBC__)
#include <malloc.h>
#endif

/* Bytes that malloc has given out; 0: this library does not say. */
static size_t held(void)
{
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 33) && !defined(__SANITIZE_ADDRESS__)
    struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
#else
    return 0;
#endif
}

static zslab_zns *opened(const char *path, const zslab_zns_geometry *g, uint64_t directory_bytes)
{
    zslab_zns_config c;
    zslab_zns *s;
    memset(&c, 0, sizeof c);
    c.directory_bytes = directory_bytes;
    s = zslab_zns_open_file(path, g, &c);
    EXPECT(s != NULL);
    if (!s) exit(test_summary("test_zns_scale"));
    return s;
}

static void many_epochs(const char *path, uint32_t count)
{
    zslab_handle *h = (zslab_handle *)malloc(count * sizeof *h);
    zslab_zns *s;
    zslab_zns_epoch e = 0, before;
    zslab_zns_epoch_stats t;
    zslab_zns_store_stats all;
    size_t at_first, json, each;
    uint32_t i, seen = 0, wrong = 0;
    double began = now_seconds(), made, walked, told, closed, again, reclosed;
    char *text;
    remove(path);
    s = opened(path, NULL, 0);
    at_first = held();
    for (i = 0; i < count; i++) {
        e = zslab_zns_epoch_begin(s, NULL);
        wrong += object_put(s, e, i, 100, &h[i]) != ZSLAB_OK;
        wrong += zslab_zns_epoch_seal(s, e) != ZSLAB_OK;
    }
    made = now_seconds();
    each = (held() - at_first) / count;
    for (before = 0; (e = zslab_zns_epoch_next(s, before, &t)) != 0; before = e, seen++)
        wrong += t.objects != 1 || !t.sealed;
    EXPECT(seen == count && wrong == 0);
    walked = now_seconds();
    zslab_zns_stats(s, &all);
    EXPECT(all.epochs == count && all.objects == count);
    json = zslab_zns_stats_json(s, NULL, 0);
    text = (char *)malloc(json + 1);
    EXPECT(zslab_zns_stats_json(s, text, json + 1) == json && text[json - 1] == '}');
    free(text);
    told = now_seconds();
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    closed = now_seconds();
    s = opened(path, NULL, 0);
    again = now_seconds();
    for (i = 0; i < count; i += 97) EXPECT_IS(object_get(s, h[i], i, 100), ZSLAB_OK);
    zslab_zns_stats(s, &all);
    EXPECT(all.epochs == count && all.objects == count);
    again -= closed;
    reclosed = now_seconds();
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    reclosed = now_seconds() - reclosed;
    printf("%u epochs: made in %.3f s, walked in %.3f, statistics in %.3f, closed in %.3f, opened in %.3f, closed in "
           "%.3f; %zu bytes of memory each\n",
           count, made - began, walked - made, told - walked, closed - told, again, reclosed, each);
    /* the record of an epoch and its list of zones; a frame's record and its directory of one object come to these */
    EXPECT(sizeof(zs__zns_ep) + 8 * sizeof(uint32_t) <= 512);
    EXPECT(each <= 512 + sizeof(zs__zns_frame) + 2 * ZS__ZNS_ENTRY_BYTES + 4 * 16);
    free(h);
    remove(path);
}

static void many_objects(const char *path, uint32_t count)
{
    enum { CAP = 256 << 10 };
    zslab_zns_geometry g = {4u << 20, 0, 0, 4096, 0, 0, 128u << 10, 0};
    zslab_handle *some = (zslab_handle *)malloc((count / 1000 + 1) * sizeof *some), h;
    zslab_zns_recovery_report r;
    zslab_zns_epoch e = 0;
    zslab_zns *s;
    size_t at_first = held(), after, reopened;
    uint32_t i, wrong = 0;
    double began;
    g.zone_count = 8 + count / 28000;
    remove(path);
    s = opened(path, &g, CAP);
    for (i = 0; i < count; i++) {
        if (i % 100000 == 0 && e) wrong += zslab_zns_epoch_seal(s, e) != ZSLAB_OK;
        if (i % 100000 == 0) e = zslab_zns_epoch_begin(s, NULL);
        wrong += object_put(s, e, i, 100, &h) != ZSLAB_OK;
        if (i % 1000 == 0) some[i / 1000] = h;
    }
    EXPECT_IS(zslab_zns_sync(s, 0), ZSLAB_OK);
    EXPECT(wrong == 0 && s->dir_bytes <= CAP);
    after = held() - at_first;
    for (i = 0; i < count; i += 1000) EXPECT_IS(object_get(s, some[i / 1000], i, 100), ZSLAB_OK);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    began = now_seconds();
    s = opened(path, NULL, CAP);
    zslab_zns_recovery(s, &r);
    reopened = held() - at_first;
    printf("%u objects of 100 bytes: %.2f bytes of memory each, %.2f when opened again, in %.3f s, %.1f MB read\n",
           count, (double)after / count, (double)reopened / count, now_seconds() - began, (double)r.bytes_read / 1e6);
    EXPECT(r.objects == count && r.lost == 0);
    EXPECT(after <= 4 * (size_t)count && reopened <= 4 * (size_t)count);
    for (i = 0; i < count; i += 1000) EXPECT_IS(object_get(s, some[i / 1000], i, 100), ZSLAB_OK);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    free(some);
    remove(path);
}

int main(int argc, char **argv)
{
    char path[512];
    snprintf(path, sizeof path, "%s", argc > 3 ? argv[3] : test_path("scale"));
    many_epochs(path, argc > 1 ? (uint32_t)atoi(argv[1]) : 4000);
    many_objects(path, argc > 2 ? (uint32_t)atoi(argv[2]) : 400000);
    return test_summary("test_zns_scale");
}
