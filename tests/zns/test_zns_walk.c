/* Walks read frames and not objects; directories that do not fit are dropped and read again; a copy holds what
   lives under the same handles. */
#include "tests/lib/test_zns.h"

enum { N = 4000 };
static const zslab_zns_geometry g = {1u << 20, 0, 24, 4096, 0, 0, 64u << 10, 0};
static zslab_handle handle[N];

static int (*device_read)(void *user, uint64_t offset, void *buffer, size_t bytes);
static uint32_t reads;
static int counted_read(void *user, uint64_t offset, void *buffer, size_t bytes)
{
    zs__add_u32(&reads, 1);
    return device_read(user, offset, buffer, bytes);
}

static zslab_zns *open_counted(const char *path, uint64_t directory_bytes)
{
    zslab_zns_config c;
    zslab_zns *s;
    memset(&c, 0, sizeof c);
    c.directory_bytes = directory_bytes;
    s = zslab_zns_open_file(path, &g, &c);
    EXPECT(s != NULL);
    if (!s) exit(test_summary("test_zns_walk"));
    device_read = s->dev.ops.read;
    s->dev.ops.read = counted_read;
    return s;
}

static size_t size_of(uint64_t i) { return i % 500 == 499 ? 200000 : 8 + i * 37 % 1500; }

static zslab_zns_epoch fill(zslab_zns *s, uint64_t from, uint64_t to)
{
    zslab_zns_epoch_config c = {"walk", 2, 0, 77};
    zslab_zns_epoch e = zslab_zns_epoch_begin(s, &c);
    for (; from < to; from++) EXPECT_IS(object_put(s, e, from, size_of(from), &handle[from]), ZSLAB_OK);
    return e;
}

typedef struct walk {
    uint64_t seen, wrong, bytes, data;
} walk;
static int visit(void *user, const zslab_zns_visit *v)
{
    walk *w = (walk *)user;
    uint64_t i = w->seen++;
    w->bytes += v->bytes;
    w->wrong += i >= N || v->handle != handle[i] || v->bytes != size_of(i);
    if (v->data) w->wrong += !object_is((const unsigned char *)v->data, v->bytes, i);
    w->data += v->data != NULL;
    return 0;
}

static void a_walk_reads_each_frame_once_and_a_list_reads_none_again(void)
{
    const char *path = test_path("reads");
    zslab_zns *s = open_counted(path, 0);
    zslab_zns_store_stats t;
    walk w, l;
    uint64_t frames = 0;
    int round;
    fill(s, 0, N);
    for (round = 0; round < 3; round++) { /* with the last frames in buffers, on the device, after a restart */
        memset(&w, 0, sizeof w);
        memset(&l, 0, sizeof l);
        zslab_zns_stats(s, &t);
        if (round < 2) frames = t.appends;
        zs__store_rel_u32(&reads, 0);
        EXPECT_IS(zslab_zns_iterate(s, 0, visit, &w), ZSLAB_OK);
        EXPECT(w.seen == N && w.wrong == 0 && w.data == N);
        EXPECT(reads <= frames + 16); /* the objects of several frames, whose pieces lie further back */
        zs__store_rel_u32(&reads, 0);
        EXPECT_IS(zslab_zns_list(s, 0, visit, &l), ZSLAB_OK);
        EXPECT(l.seen == N && l.wrong == 0 && l.data == 0 && l.bytes == w.bytes);
        EXPECT(reads == 0);
        if (round == 0) EXPECT_IS(zslab_zns_sync(s, 0), ZSLAB_OK);
        if (round != 1) continue;
        EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
        s = open_counted(path, 0);
    }
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    remove(path);
}

/* [DIR-1] */
static void directories_that_do_not_fit_are_dropped_and_read_again(void)
{
    enum { ROOM = 8000 };
    const char *path = test_path("directories");
    zslab_zns *s = open_counted(path, ROOM);
    uint64_t random = 9, i;
    int round;
    walk w;
    fill(s, 0, N);
    for (round = 0; round < 2; round++) {
        EXPECT_IS(zslab_zns_sync(s, 0), ZSLAB_OK);
        EXPECT(s->dir_bytes <= ROOM || round); /* after a restart those of objects in pieces are there at first */
        for (i = 0; i < 3000; i++) {
            uint64_t k = zs__zns_mix(&random) % N;
            EXPECT_IS(object_get(s, handle[k], k, size_of(k)), ZSLAB_OK);
            EXPECT(s->dir_bytes <= ROOM);
        }
        memset(&w, 0, sizeof w);
        EXPECT_IS(zslab_zns_iterate(s, 0, visit, &w), ZSLAB_OK);
        EXPECT(w.seen == N && w.wrong == 0);
        EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
        s = open_counted(path, ROOM);
    }
    EXPECT_IS(zslab_zns_release_oldest(s, UINT64_MAX, 0, NULL), ZSLAB_OK);
    EXPECT(s->dir_bytes == 0);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    remove(path);
}

static void a_copy_holds_what_lives_under_the_same_handles(void)
{
    const char *path = test_path("whole"), *copy = test_path("copy");
    zslab_zns *s = open_counted(path, 0), *d;
    zslab_zns_epoch e[8], later;
    zslab_zns_epoch_stats t, u;
    zslab_zns_store_stats all;
    zslab_zns_recovery_report r;
    zslab_handle more;
    uint64_t i, k;
    for (i = 0; i < 8; i++) {
        e[i] = fill(s, i * N / 8, (i + 1) * N / 8);
        if (i % 2) EXPECT_IS(zslab_zns_epoch_seal(s, e[i]), ZSLAB_OK);
    }
    for (i = 0; i < 8; i += 3) EXPECT_IS(zslab_zns_epoch_release(s, e[i]), ZSLAB_OK);
    EXPECT_IS(zslab_zns_copy_out(s, copy), ZSLAB_OK);
    EXPECT_IS(zslab_zns_copy_out(s, copy), ZSLAB_E_FOREIGN); /* something is there */
    d = zslab_zns_open_file(copy, NULL, NULL);
    EXPECT(d != NULL);
    if (!d) return;
    zslab_zns_recovery(d, &r);
    zslab_zns_stats(d, &all);
    EXPECT(r.lost == 0 && r.torn == 0 && r.objects == N / 8 * 5 && r.epochs == 5);
    EXPECT(all.zones < g.zone_count && all.pinned_zones == 0 && all.dead_bytes < all.live_bytes / 4);
    for (i = 0; i < 8; i++)
        for (k = i * N / 8; k < (i + 1) * N / 8; k++)
            EXPECT_IS(object_get(d, handle[k], k, size_of(k)), i % 3 ? ZSLAB_OK : ZSLAB_E_STALE);
    for (i = 0, later = 0; (later = zslab_zns_epoch_next(d, later, &t)) != 0; i++) {
        EXPECT(zslab_zns_epoch_next(s, later - 1, &u) == later);
        EXPECT(t.sealed == u.sealed && t.objects == u.objects && t.expires_ns == 77 && t.lifetime_class == 2 &&
               !strcmp(t.label, u.label));
    }
    EXPECT(i == 5);
    EXPECT_IS(object_put(d, e[2], 5, 100, &more), ZSLAB_OK); /* an open one goes on */
    EXPECT_IS(object_put(d, e[1], 5, 100, &more), ZSLAB_E_CLOSED);
    later = zslab_zns_epoch_begin(d, NULL);
    EXPECT(later > e[7]);
    EXPECT_IS(zslab_zns_close(d), ZSLAB_OK);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    EXPECT_IS(zslab_zns_copy_out(NULL, copy), ZSLAB_E_INVALID);
    remove(copy);
    remove(path);
}

/* What is not shown of an epoch goes along, too, where the copy's log has begun anew on the way. */
static void a_copy_expects_what_the_store_does(void)
{
    static const zslab_zns_geometry small = {256u << 10, 0, 16, 4096, 0, 0, 32u << 10, 0};
    const char *path = test_path("from"), *copy = test_path("to");
    zslab_zns *s = zslab_zns_open_file(path, &small, NULL);
    zslab_zns_epoch_config c = {"label", 1, 0, 0};
    zslab_zns_epoch e[60];
    zslab_handle h;
    uint64_t i, wrong = 0;
    for (i = 0; i < 60; i++) {
        c.expected_bytes = i * 1000;
        EXPECT((e[i] = zslab_zns_epoch_begin(s, &c)) != 0);
        EXPECT_IS(object_put(s, e[i], i, 500, &h), ZSLAB_OK);
    }
    EXPECT_IS(zslab_zns_copy_out(s, copy), ZSLAB_OK);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    s = zslab_zns_open_file(copy, NULL, NULL);
    EXPECT(s != NULL);
    for (i = 0; s && i < 60; i++)
        wrong += zs__zns_ep_at(s, (uint32_t)(e[i] % ZS__ZNS_EPOCHS_MAX))->expected != i * 1000;
    EXPECT(wrong == 0);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    remove(copy);
    remove(path);
}

/* A frame's header went in a zone whose index spared the look at it: the rest is copied, and what was in that frame is
   damaged in the copy as it is in the store. */
static void a_copy_of_a_damaged_store_has_the_rest(void)
{
    static const zslab_zns_geometry large = {16u << 20, 0, 5, 4096, 0, 0, 128u << 10, 0};
    const char *path = test_path("damaged"), *copy = test_path("saved");
    zslab_zns *s = zslab_zns_open_file(path, &large, NULL), *d;
    const zslab_zns_epoch_config own = {"own", 0, 40u << 20, 0};
    zslab_zns_epoch e = zslab_zns_epoch_begin(s, &own);
    zslab_handle h[900];
    uint64_t at;
    int i, bad = 0;
    FILE *f;
    for (i = 0; i < 900; i++) EXPECT_IS(object_put(s, e, (uint64_t)i, 30000, &h[i]), ZSLAB_OK);
    EXPECT_IS(zslab_zns_epoch_seal(s, e), ZSLAB_OK);
    i = (int)zs__zns_frame_of(s, (uint32_t)(h[50] >> 38))->zone;
    at = zs__zns_file_place((zs__zns_file *)s->dev.user, (uint32_t)i,
                            zs__zns_frame_of(s, (uint32_t)(h[50] >> 38))->block);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    f = fopen(path, "r+b");
    EXPECT(f != NULL && !fseek(f, (long)at, SEEK_SET) && fwrite("nothing of a frame's header", 27, 1, f) == 1);
    if (f) fclose(f);
    s = zslab_zns_open_file(path, NULL, NULL);
    EXPECT(s != NULL);
    EXPECT_IS(zslab_zns_copy_out(s, copy), ZSLAB_OK);
    d = zslab_zns_open_file(copy, NULL, NULL);
    EXPECT(d != NULL);
    for (i = 0; d && i < 900; i++) {
        zslab_result r = object_get(s, h[i], (uint64_t)i, 30000);
        EXPECT_IS(object_get(d, h[i], (uint64_t)i, 30000), r);
        bad += r == ZSLAB_E_CORRUPT;
    }
    EXPECT(bad > 0 && bad < 9);
    EXPECT_IS(zslab_zns_close(d), ZSLAB_OK);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    remove(copy);
    remove(path);
}

int main(void)
{
    a_copy_of_a_damaged_store_has_the_rest();
    a_copy_expects_what_the_store_does();
    a_walk_reads_each_frame_once_and_a_list_reads_none_again();
    directories_that_do_not_fit_are_dropped_and_read_again();
    a_copy_holds_what_lives_under_the_same_handles();
    return test_summary("test_zns_walk");
}
