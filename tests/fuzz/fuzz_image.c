/* Store images: a good image with edits from the tape. Whatever the store finds when it opens that, it does not crash,
   and an object it returns is the object that was appended. */
/* timeout: 90000 */
#include "tests/lib/test_zns.h"

#include "fuzz.h"

enum { OBJECTS = 60, EPOCHS = 4, ZONES = 8, ZONE = 65536, BLOCK = 4096 };

static const zslab_zns_geometry drive = {ZONE, ZONE, ZONES, BLOCK, 0, 0, 16384, 0};
static zslab_handle handles[OBJECTS];
static size_t sizes[OBJECTS];
static zslab_zns_epoch epochs[EPOCHS];
static unsigned char *image, *work;
static size_t image_bytes, data_at;
static char path[256];

/* The good image, once: an epoch was released, the rest is durable. */
static void build(void)
{
    zslab_zns *s;
    FILE *f;
    int i;
    (void)test_summary;
    snprintf(path, sizeof path, "%s", test_path("image"));
    MUST((s = zslab_zns_open_file(path, &drive, NULL)) != NULL);
    data_at = (size_t)((zs__zns_file *)s->dev.user)->data_at;
    for (i = 0; i < EPOCHS; i++) MUST((epochs[i] = zslab_zns_epoch_begin(s, NULL)) != 0);
    for (i = 0; i < OBJECTS; i++) {
        sizes[i] = i % 20 == 19 ? 9000 : 20 + (size_t)i * 17;
        MUST(object_put(s, epochs[i % EPOCHS], (uint64_t)i, sizes[i], &handles[i]) == ZSLAB_OK);
        if (i % 15 == 14) MUST(zslab_zns_sync(s, 0) == ZSLAB_OK);
    }
    MUST(zslab_zns_epoch_release(s, epochs[1]) == ZSLAB_OK && zslab_zns_close(s) == ZSLAB_OK);
    MUST((f = fopen(path, "rb")) != NULL && fseek(f, 0, SEEK_END) == 0);
    image_bytes = (size_t)ftell(f);
    rewind(f);
    image = (unsigned char *)malloc(image_bytes);
    work = (unsigned char *)malloc(image_bytes);
    MUST(image && work && fread(image, 1, image_bytes, f) == image_bytes);
    fclose(f);
}

static unsigned char *block(void) /* of the data */
{
    return work + data_at + tape_below((image_bytes - data_at) / BLOCK) * BLOCK;
}

/* One edit; a frame's header may get a crc that fits again. */
static void edit(void)
{
    unsigned char *p = block(), *from;
    size_t i, n, inline_bytes;
    switch (tape_byte() % 6) {
    case 0:
        p[tape_below(BLOCK)] ^= (unsigned char)(1u << tape_below(8));
        break;
    case 1:
        p[tape_below(160)] = (unsigned char)tape_byte();
        break;
    case 2: /* superblock and write pointers */
        work[tape_below(2) ? tape_below(64) : 4096 + tape_below(ZONES * 32)] = (unsigned char)tape_byte();
        break;
    case 3:
        from = block();
        memmove(p, from, BLOCK);
        break;
    case 4:
        n = tape_below(BLOCK);
        memset(p + n, tape_below(2) ? 255 : 0, BLOCK - n);
        break;
    default:
        for (i = 0; i < 1 + tape_below(3); i++) p[8 + tape_below(116)] = (unsigned char)tape_byte();
        inline_bytes = (size_t)zs__zns_get32(p + 68) * (zs__zns_get32(p + 12) == 1 ? 16 : 1);
        inline_bytes = inline_bytes > BLOCK - 128 ? BLOCK - 128 : inline_bytes;
        zs__zns_put32(p + 124, zs__zns_crc(zs__zns_crc(0, p, 124), p + 128, inline_bytes));
    }
}

static int visit(void *user, const zslab_zns_visit *v)
{
    uint64_t n = 0;
    (void)user;
    memcpy(&n, v->data, v->bytes < 8 ? v->bytes : 8);
    MUST(n < OBJECTS && v->bytes == sizes[n] && object_is((const unsigned char *)v->data, v->bytes, n));
    return 0;
}

static void examine(uint32_t flags)
{
    static unsigned char p[65536];
    zslab_zns_config c;
    zslab_zns_store_stats t;
    zslab_zns_epoch e;
    zslab_handle h;
    zslab_zns *s;
    char json[4096];
    int i;
    memset(&c, 0, sizeof c);
    c.flags = flags;
    if ((s = zslab_zns_open_file(path, NULL, &c)) == NULL) return;
    for (i = 0; i < OBJECTS; i++) {
        size_t n = 0;
        if (zslab_zns_read(s, handles[i], p, sizeof p, &n) == ZSLAB_OK)
            MUST(n == sizes[i] && object_is(p, n, (uint64_t)i));
        (void)zslab_zns_read(s, handles[i] ^ (uint64_t)1 << tape_below(64), p, sizeof p, &n);
    }
    (void)zslab_zns_iterate(s, 0, visit, NULL);
    zslab_zns_stats(s, &t);
    (void)zslab_zns_stats_json(s, json, sizeof json);
    if (!(flags & ZSLAB_ZNS_FLAG_READ_ONLY)) { /* it still works as a store, or says why not */
        e = zslab_zns_epoch_begin(s, NULL);
        if (e && object_put(s, e, 7, 5000, &h) == ZSLAB_OK) MUST(object_get(s, h, 7, 5000) == ZSLAB_OK);
        for (i = 0; i < EPOCHS; i++) (void)zslab_zns_epoch_release(s, epochs[i]);
    }
    (void)zslab_zns_close(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    FILE *f;
    size_t keep;
    if (!image) build();
    tape_start(data, bytes);
    memcpy(work, image, image_bytes);
    keep = tape_byte() ? image_bytes : (size_t)tape_number(3) % image_bytes; /* rarely: the file was cut short */
    while (!tape_over()) edit();
    MUST((f = fopen(path, "wb")) != NULL && fwrite(work, 1, keep, f) == keep && fclose(f) == 0);
    examine(ZSLAB_ZNS_FLAG_READ_ONLY);
    examine(0);
    return 0;
}
