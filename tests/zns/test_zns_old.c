/* A store written in format 1 (tests/zns/old_image.h, as its code wrote it) opens: what lived is there under its
   handles, what was released is not; it takes new epochs and objects, and is found again. A newer format is refused. */
#include "tests/lib/test_zns.h"
#include "old_image.h"

static unsigned nibble(char c) { return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10); }

static unsigned char image[OLD_BYTES];
static void write_image(const char *path)
{
    FILE *f = fopen(path, "wb");
    size_t i, k;
    memset(image, 0, sizeof image);
    for (i = 0; i < sizeof old_run / sizeof old_run[0]; i++)
        for (k = 0; old_run[i].hex[2 * k]; k++)
            image[(size_t)old_run[i].at + k] =
                (unsigned char)(nibble(old_run[i].hex[2 * k]) << 4 | nibble(old_run[i].hex[2 * k + 1]));
    EXPECT(f != NULL && fwrite(image, 1, sizeof image, f) == sizeof image && fclose(f) == 0);
}

/* As the generator made them: from byte k * 100 on of 3,000 in which every hundredth is set. */
static int is_object(const unsigned char *p, size_t bytes, size_t k)
{
    size_t i, wrong = bytes != (k == 2 ? 2800 : 100 + k);
    for (i = 0; i < bytes; i++) wrong += p[i] != ((k * 100 + i) % 100 ? 0 : (unsigned char)((k * 100 + i) / 100 + 1));
    return !wrong;
}

static void check_old(zslab_zns *s)
{
    unsigned char p[3000];
    size_t i, k, bytes;
    for (i = 0; i < 3; i++)
        for (k = 0; k < 3; k++) {
            EXPECT_IS(zslab_zns_read(s, old_handle[i][k], p, sizeof p, &bytes), i < 2 ? ZSLAB_OK : ZSLAB_E_STALE);
            if (i < 2) EXPECT(is_object(p, bytes, k));
        }
}

static int count_visit(void *user, const zslab_zns_visit *v)
{
    (void)v;
    ++*(int *)user;
    return 0;
}

static void an_old_store_opens_and_goes_on(uint32_t flags)
{
    const char *path = test_path("old");
    zslab_zns_config c = {0};
    zslab_zns_epoch_stats t;
    zslab_zns_recovery_report r;
    zslab_zns_epoch e = 0;
    zslab_handle h[40];
    zslab_zns *s;
    uint64_t i;
    int round, seen;
    write_image(path);
    c.flags = flags;
    for (round = 0; round < 3; round++) {
        s = zslab_zns_open_file(path, NULL, &c);
        EXPECT(s != NULL);
        if (!s) return;
        zslab_zns_recovery(s, &r);
        EXPECT(r.lost == 0 && r.torn == 0 && r.result == ZSLAB_OK && r.tail_unverified == 0);
        EXPECT(r.epochs == (uint64_t)(round ? 3 : 2) && r.objects == (uint64_t)(round ? 46 : 6));
        check_old(s);
        EXPECT(zslab_zns_epoch_next(s, 0, &t) == old_epoch[0] && !t.sealed && t.lifetime_class == 3 &&
               !strcmp(t.label, "old"));
        EXPECT(zslab_zns_epoch_next(s, old_epoch[0], &t) == old_epoch[1] && t.sealed);
        EXPECT_IS(zslab_zns_iterate(s, old_epoch[1], count_visit, &(int){0}), ZSLAB_OK);
        seen = 0;
        EXPECT_IS(zslab_zns_iterate(s, 0, count_visit, &seen), ZSLAB_OK);
        EXPECT(seen == (round ? 46 : 6));
        EXPECT_IS(object_put(s, old_epoch[1], 1, 100, NULL), ZSLAB_E_CLOSED);
        if (!round) e = zslab_zns_epoch_begin(s, NULL);
        EXPECT(e > old_epoch[2]);
        for (i = 0; i < 40; i++) /* half of them in the old epoch that is open */
            if (!round)
                EXPECT_IS(object_put(s, i % 2 ? e : old_epoch[0], i, 50 + (size_t)i * 20, &h[i]), ZSLAB_OK);
            else
                EXPECT_IS(object_get(s, h[i], i, 50 + (size_t)i * 20), ZSLAB_OK);
        check_old(s);
        EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    }
    s = zslab_zns_open_file(path, NULL, NULL);
    for (i = 0; s && i < 2; i++) EXPECT_IS(zslab_zns_epoch_release(s, old_epoch[i]), ZSLAB_OK);
    EXPECT_IS(zslab_zns_read(s, old_handle[0][0], NULL, 0, &(size_t){0}), ZSLAB_E_STALE);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    remove(path);
}

/* A reader changes nothing, and needs no more than is there. */
static void an_old_store_can_be_read_only(void)
{
    const char *path = test_path("old");
    zslab_zns_config c = {0};
    static unsigned char after[OLD_BYTES];
    zslab_zns *s;
    FILE *f;
    write_image(path);
    c.flags = ZSLAB_ZNS_FLAG_READ_ONLY;
    s = zslab_zns_open_file(path, NULL, &c);
    EXPECT(s != NULL);
    check_old(s);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    f = fopen(path, "rb");
    EXPECT(f != NULL && fread(after, 1, sizeof after, f) == sizeof after && !memcmp(after, image, sizeof after));
    if (f) fclose(f);
    remove(path);
}

static void a_newer_format_is_refused(void)
{
    const char *path = test_path("newer");
    zslab_zns *s = zslab_zns_open_file(path, NULL, NULL);
    FILE *f;
    EXPECT(s != NULL);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    f = fopen(path, "r+b");
    EXPECT(f != NULL && fseek(f, 0, SEEK_SET) == 0);
    if (f) {
        unsigned char super[64];
        EXPECT(fread(super, 1, 64, f) == 64);
        zs__zns_put32(super + 8, ZS__ZNS_FILE_VERSION + 1);
        zs__zns_put32(super + 60, zs__zns_crc(0, super, 60));
        EXPECT(fseek(f, 0, SEEK_SET) == 0 && fwrite(super, 1, 64, f) == 64 && fclose(f) == 0);
    }
    EXPECT(zslab_zns_open_file(path, NULL, NULL) == NULL && zslab_last_error() == ZSLAB_E_GEOMETRY);
    remove(path);
}

int main(void)
{
    const uint32_t one = 1;
    unsigned char first;
    memcpy(&first, &one, 1);
    if (!first) { /* the zone table is in host order: a file from elsewhere is refused */
        const char *path = test_path("order");
        write_image(path);
        EXPECT(zslab_zns_open_file(path, NULL, NULL) == NULL && zslab_last_error() == ZSLAB_E_GEOMETRY);
        remove(path);
        return test_summary("test_zns_old");
    }
    an_old_store_opens_and_goes_on(0);
    an_old_store_opens_and_goes_on(ZSLAB_ZNS_FLAG_VERIFY);
    an_old_store_can_be_read_only();
    a_newer_format_is_refused();
    return test_summary("test_zns_old");
}
