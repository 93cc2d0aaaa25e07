/* Damaged images: flipped bits, truncated and overwritten zones, frames copied to where they do not belong,
   and objects whose contents imitate frames. Whatever the store finds, it does not crash, and an object it
   returns is the object that was appended.
   usage: test_zns_fuzz [seconds] [seed]   default 3 s */
#include "tests/lib/test_zns.h"
#include <sys/stat.h>

enum { OBJECTS = 300, EPOCHS = 6 };

static const zslab_zns_geometry drive = {65536, 65536, 16, 4096, 0, 0, 16384, 0};

static zslab_handle handle[OBJECTS];
static size_t sizes[OBJECTS];
static zslab_zns_epoch epochs[EPOCHS], released;
static unsigned char *image, *work;
static size_t image_bytes, data_at;
static uint64_t coin;
static int returned, refused, wrong;

static size_t below(size_t n) { return (size_t)(zs__zns_mix(&coin) % n); }

/* Object i: one in five is a piece of the image itself, with live frame headers in it. */
static void make(zslab_zns *s, int i, int e)
{
    unsigned char *p = (unsigned char *)malloc(sizes[i]);
    object_fill(p, sizes[i], (uint64_t)i);
    EXPECT_IS(zslab_zns_append(s, epochs[e], p, sizes[i], &handle[i]), ZSLAB_OK);
    free(p);
}

static void load(const char *path)
{
    struct stat info;
    FILE *f = fopen(path, "rb");
    if (!f || stat(path, &info)) exit(2);
    image_bytes = (size_t)info.st_size;
    image = (unsigned char *)realloc(image, image_bytes);
    work = (unsigned char *)realloc(work, image_bytes);
    if (fread(image, 1, image_bytes, f) != image_bytes) exit(2);
    fclose(f);
}

static void save(const char *path, const unsigned char *from, size_t bytes)
{
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(from, 1, bytes, f) != bytes) exit(2);
    fclose(f);
}

static void build(const char *path)
{
    zslab_zns *s;
    int i;
    remove(path);
    s = zslab_zns_open_file(path, &drive, NULL);
    EXPECT(s != NULL);
    data_at = (size_t)((zs__zns_file *)s->dev.user)->data_at;
    for (i = 0; i < EPOCHS; i++) epochs[i] = zslab_zns_epoch_begin(s, NULL);
    for (i = 0; i < OBJECTS; i++) {
        sizes[i] = i % 50 == 49 ? 30000 : 20 + below(1500);
        make(s, i, i % EPOCHS);
        if (i % 60 == 59) EXPECT_IS(zslab_zns_sync(s, 0), ZSLAB_OK);
    }
    released = epochs[1];
    EXPECT_IS(zslab_zns_epoch_release(s, released), ZSLAB_OK);
    EXPECT_IS(zslab_zns_sync(s, 0), ZSLAB_OK);
    zslab_zns_close(s);
    load(path);
}

static int look(void *user, const zslab_zns_visit *v)
{
    uint64_t n = 0;
    memcpy(&n, v->data, v->bytes < 8 ? v->bytes : 8);
    wrong += n >= OBJECTS || v->bytes != sizes[n] || !object_is((const unsigned char *)v->data, v->bytes, n);
    (void)user;
    return 0;
}

/* Opens what is in the file and asks for everything. */
static void examine(const char *path, uint32_t flags)
{
    zslab_zns_config c;
    zslab_zns_store_stats t;
    zslab_zns_epoch e;
    zslab_handle h;
    zslab_zns *s;
    char json[8192];
    int i;
    memset(&c, 0, sizeof c);
    c.flags = flags;
    s = zslab_zns_open_file(path, NULL, &c);
    if (!s) {
        refused++;
        return;
    }
    for (i = 0; i < OBJECTS; i++) {
        static unsigned char p[65536];
        size_t n = 0;
        if (zslab_zns_read(s, handle[i], p, sizeof p, &n) != ZSLAB_OK) continue;
        returned++;
        wrong += n != sizes[i] || !object_is(p, n, (uint64_t)i);
    }
    (void)zslab_zns_iterate(s, 0, look, NULL);
    zslab_zns_stats(s, &t);
    (void)zslab_zns_stats_json(s, json, sizeof json);
    if (!(flags & ZSLAB_ZNS_FLAG_READ_ONLY)) { /* it still works as a store, or says why not */
        e = zslab_zns_epoch_begin(s, NULL);
        if (e && object_put(s, e, 7, 5000, &h) == ZSLAB_OK) EXPECT_IS(object_get(s, h, 7, 5000), ZSLAB_OK);
        for (i = 0; i < EPOCHS; i++) (void)zslab_zns_epoch_release(s, epochs[i]);
    }
    (void)zslab_zns_close(s);
}

static void flip_bits(void)
{
    size_t n = 1 + below(40);
    while (n--) work[data_at + below(image_bytes - data_at)] ^= (unsigned char)(1u << below(8));
}

static void flip_header_bits(void) /* where it hurts: the first bytes of blocks that are frames or zone headers */
{
    size_t n = 1 + below(60), blocks = (image_bytes - data_at) / 4096;
    while (n--) work[data_at + below(blocks) * 4096 + below(256)] ^= (unsigned char)(1u << below(8));
}

static void flip_table_bits(void) /* superblock and write pointers */
{
    size_t n = 1 + below(4);
    while (n--) work[below(2) ? below(64) : 4096 + below(16 * 32)] ^= (unsigned char)(1u << below(8));
}

static void copy_blocks(void) /* spliced frames: within a zone, across zones, over headers */
{
    size_t blocks = (image_bytes - data_at) / 4096, n = 1 + below(8);
    size_t from = below(blocks - n), to = below(blocks - n);
    memmove(work + data_at + to * 4096, work + data_at + from * 4096, n * 4096);
}

static void wipe_zone(void)
{
    size_t zone = below(16), from = below(16) * 4096;
    memset(work + data_at + zone * 65536 + from, below(2) ? 0xff : 0, 65536 - from);
}

static void random_lengths(void) /* insane lengths under a crc that was made to fit */
{
    static const size_t fields[] = {36, 37, 38, 39, 68, 69, 70, 71, 88, 89, 90, 91, 92, 93, 94, 95, 96, 97};
    size_t blocks = (image_bytes - data_at) / 4096, i, tries;
    for (tries = 0; tries < 200; tries++) {
        unsigned char *p = work + data_at + below(blocks) * 4096;
        size_t inline_bytes;
        if (memcmp(p, "ZSLBFRAM", 8)) continue;
        for (i = 0; i < 1 + below(3); i++)
            p[fields[below(sizeof fields / sizeof fields[0])]] = (unsigned char)below(256);
        inline_bytes = (size_t)zs__zns_get32(p + 68) * (zs__zns_get32(p + 12) == 1 ? 16 : 1);
        if (inline_bytes > 4096 - 128) inline_bytes = 4096 - 128;
        if (inline_bytes && below(2))
            p[128 + below(inline_bytes) / 16 * 16 + below(3)] ^= (unsigned char)(1u << below(8));
        zs__zns_put32(p + 124, zs__zns_crc(zs__zns_crc(0, p, 124), p + 128, inline_bytes));
        return;
    }
}

/* Objects that are the store's own blocks: only a resynchronising walk could take them for frames. */
static void contents_that_imitate_frames_are_contents(const char *path)
{
    zslab_zns *s;
    zslab_zns_epoch keep, gone;
    zslab_handle h[40], old;
    zslab_zns_recovery_report r;
    unsigned char *p = (unsigned char *)malloc(65536);
    int i, pass;
    uint64_t at;
    FILE *f;
    remove(path);
    s = zslab_zns_open_file(path, &drive, NULL);
    gone = zslab_zns_epoch_begin(s, NULL);
    keep = zslab_zns_epoch_begin(s, NULL);
    EXPECT_IS(object_put(s, gone, 1, 3000, &old), ZSLAB_OK);
    EXPECT_IS(zslab_zns_sync(s, 0), ZSLAB_OK);
    for (i = 0; i < 40; i++) { /* the first blocks of the very zone they go to */
        uint32_t zone = zs__zns_frame_at(s, (uint32_t)(old >> 38))->zone;
        EXPECT(s->dev.ops.read(s->dev.user, zone * drive.zone_bytes, p, 12288) == 0);
        EXPECT_IS(zslab_zns_append(s, keep, p, 12288, &h[i]), ZSLAB_OK);
    }
    EXPECT_IS(zslab_zns_sync(s, 0), ZSLAB_OK);
    EXPECT_IS(zslab_zns_epoch_release(s, gone), ZSLAB_OK);
    at = zs__zns_file_place((zs__zns_file *)s->dev.user, zs__zns_frame_at(s, (uint32_t)(h[0] >> 38))->zone,
                            zs__zns_frame_at(s, (uint32_t)(h[0] >> 38))->block);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    for (pass = 0; pass < 2; pass++) { /* as written; then with a frame header broken, so that the walk looks inside */
        s = zslab_zns_open_file(path, NULL, NULL);
        EXPECT(s != NULL);
        zslab_zns_recovery(s, &r);
        EXPECT(r.objects == (pass ? 39u : 40u));
        EXPECT_IS(object_get(s, old, 1, 3000), ZSLAB_E_STALE);
        for (i = 0; i < 40; i++) {
            size_t n = 0;
            zslab_result got = zslab_zns_read(s, h[i], p, 65536, &n);
            EXPECT(got == ZSLAB_OK ? n == 12288 && !memcmp(p, "ZSLBZONE", 8) : pass && i == 0);
        }
        EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
        f = fopen(path, "r+b");
        fseek(f, (long)at, SEEK_SET);
        fputc(0, f);
        fclose(f);
    }
    free(p);
}

int main(int argc, char **argv)
{
    static void (*const harm[])(void) = {flip_bits, flip_header_bits, copy_blocks,
                                         wipe_zone, random_lengths,   flip_table_bits};
    double limit = seconds_argument(argc, argv, 3), began = now_seconds();
    char path[256];
    int runs = 0, n;
    coin = argc > 2 ? (uint64_t)atoll(argv[2]) : 1;
    snprintf(path, sizeof path, "%s", test_path("fuzz"));
    contents_that_imitate_frames_are_contents(path);
    build(path);
    examine(path, ZSLAB_ZNS_FLAG_READ_ONLY);
    EXPECT(returned == OBJECTS - OBJECTS / EPOCHS && refused == 0);
    for (; now_seconds() - began < limit || runs < 30; runs++) { /* some also on a machine that crawls */
        memcpy(work, image, image_bytes);
        for (n = 1 + (int)below(3); n; n--) harm[below(sizeof harm / sizeof harm[0])]();
        if (below(20) == 0) /* the file itself cut short */
            save(path, work, below(image_bytes));
        else
            save(path, work, image_bytes);
        examine(path, runs % 3 == 0 ? ZSLAB_ZNS_FLAG_READ_ONLY : runs % 3 == 1 ? 0 : ZSLAB_ZNS_FLAG_VERIFY);
        if (wrong) {
            printf("run %d: %d wrong\n", runs, wrong);
            break;
        }
    }
    remove(path);
    printf("%d damaged images, %d refused, %d objects returned from the others\n", runs, refused, returned);
    EXPECT(wrong == 0);
    EXPECT(runs > 20 && returned > runs);
    free(image);
    free(work);
    return test_summary("test_zns_fuzz");
}
