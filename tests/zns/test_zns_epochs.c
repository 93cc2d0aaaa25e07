/* Many epochs: walks, places and generations that are used again, retention by size and by age, zones that epochs
   of different lives do not pin for each other. */
#include "tests/lib/test_zns.h"

static zslab_zns *fresh(const char *path, const zslab_zns_geometry *g)
{
    zslab_zns *s;
    remove(path);
    s = zslab_zns_open_file(path, g, NULL);
    EXPECT(s != NULL);
    if (!s) exit(test_summary("test_zns_epochs"));
    return s;
}

static zslab_zns *again(zslab_zns *s, const char *path)
{
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    s = zslab_zns_open_file(path, NULL, NULL);
    EXPECT(s != NULL);
    if (!s) exit(test_summary("test_zns_epochs"));
    return s;
}

static zslab_zns_epoch begin(zslab_zns *s, uint64_t expires_ns)
{
    zslab_zns_epoch_config c = {"many", 0, 0, expires_ns};
    zslab_zns_epoch e = zslab_zns_epoch_begin(s, &c);
    EXPECT(e != 0);
    return e;
}

/* Epochs come and go at random; a walk shows the living, in order, with another release after each step. */
static void a_walk_shows_the_living_in_order_whatever_is_released_meanwhile(void)
{
    enum { N = 3000 };
    static const zslab_zns_geometry g = {1u << 20, 0, 24, 0, 0, 0, 0, 0};
    static zslab_zns_epoch all[N];
    static int gone[N];
    const char *path = test_path("walk");
    zslab_zns *s = fresh(path, &g);
    zslab_zns_epoch_stats t;
    zslab_zns_epoch e, before = 0;
    uint64_t random = 5;
    int i, k, round, seen, live = 0, wrong = 0;
    for (i = 0; i < N; i++) all[i] = 0;
    for (i = 0; i < N; i++) {
        all[i] = begin(s, 0);
        live++;
        if (i % 3 == 2) {
            k = (int)(zs__zns_mix(&random) % (uint64_t)i);
            if (!gone[k]) EXPECT_IS(zslab_zns_epoch_release(s, all[k]), ZSLAB_OK);
            live -= !gone[k];
            gone[k] = 1;
        }
    }
    for (round = 0; round < 2; round++) {
        for (seen = 0, before = 0, i = 0; (e = zslab_zns_epoch_next(s, before, &t)) != 0; before = e, seen++) {
            while (i < N && gone[i]) i++;
            wrong += i == N || all[i] != e || t.epoch != e;
            i++;
        }
        EXPECT(seen == live && wrong == 0);
        s = again(s, path);
    }
    for (before = 0, seen = 0; (e = zslab_zns_epoch_next(s, before, &t)) != 0; before = e, seen++)
        EXPECT_IS(zslab_zns_epoch_release(s, e), ZSLAB_OK); /* the walk goes on behind one that is gone */
    EXPECT(seen == live);
    EXPECT(s->order_room < 2 * N && s->epoch_count == 0);
    for (i = 0; i < 100; i++) EXPECT(begin(s, 0) > before); /* old places, new ids */
    EXPECT(s->epoch_top <= N);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    remove(path);
}

static void a_clean_close_keeps_the_exact_sequence(void)
{
    static const zslab_zns_geometry g = {256u << 10, 0, 8, 0, 0, 0, 0, 0};
    const char *path = test_path("sequence");
    zslab_zns *s = fresh(path, &g);
    zslab_handle h, first = 0;
    uint64_t seq;
    int i;
    for (i = 0; i < 60; i++) {
        zslab_zns_epoch e = begin(s, 0);
        EXPECT_IS(object_put(s, e, (uint64_t)i, 100, &h), ZSLAB_OK);
        if (!i) first = h;
        if (i) EXPECT_IS(object_get(s, first, 0, 100), ZSLAB_E_STALE);
        EXPECT_IS(zslab_zns_epoch_release(s, e), ZSLAB_OK);
        seq = s->seq;
        s = again(s, path);
        EXPECT(s->seq >= seq && s->seq <= seq + 2); /* a metadata zone may have been begun */
    }
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    remove(path);
}

static void retention_drops_the_oldest_by_size_and_the_expired_by_age(void)
{
    enum { GENERATIONS = 10000, KEPT = 40 };
    static const zslab_zns_geometry g = {1u << 20, 0, 16, 0, 0, 0, 0, 0};
    static zslab_zns_epoch e[GENERATIONS];
    static zslab_handle h[GENERATIONS];
    const char *path = test_path("retention");
    zslab_zns *s = fresh(path, &g);
    zslab_zns_epoch_stats t;
    zslab_zns_store_stats all;
    size_t count = 0, dropped = 0, aged = 0;
    int i, k, wrong = 0;
    for (i = 0; i < GENERATIONS; i++) {
        /* every third one ends by age, when the clock has gone on by five */
        e[i] = begin(s, i % 3 ? 0 : (uint64_t)i + 5);
        wrong += object_put(s, e[i], (uint64_t)i, 3000, &h[i]) != ZSLAB_OK;
        wrong += zslab_zns_epoch_seal(s, e[i]) != ZSLAB_OK;
        EXPECT_IS(zslab_zns_release_oldest(s, 0, (uint64_t)i, &count), ZSLAB_OK);
        aged += count;
        zslab_zns_stats(s, &all);
        if (all.epochs > KEPT) {
            EXPECT_IS(zslab_zns_release_oldest(s, 1, 0, &count), ZSLAB_OK);
            EXPECT(count == 1);
            dropped += count;
        }
        if (i % 997) continue;
        for (k = 0; k <= i; k++) { /* by age within five, by size the oldest */
            zslab_result r = zslab_zns_read(s, h[k], NULL, 0, &count);
            if (!(k % 3) && k + 5 <= i) wrong += r != ZSLAB_E_STALE;
            if (k + 5 > i) wrong += r != ZSLAB_OK;
            if (k + 2 * KEPT < i) wrong += r != ZSLAB_E_STALE;
        }
    }
    EXPECT(wrong == 0 && aged == (GENERATIONS - 6) / 3 + 1);
    zslab_zns_stats(s, &all);
    EXPECT(all.epochs + dropped + aged == GENERATIONS && all.epochs == KEPT);
    s = again(s, path);
    EXPECT(zslab_zns_epoch_next(s, 0, &t) != 0);
    EXPECT_IS(zslab_zns_release_oldest(s, 3 * t.device_bytes, 0, &count), ZSLAB_OK); /* of equal ones three */
    EXPECT(count == 3);
    EXPECT_IS(zslab_zns_release_oldest(s, 0, UINT64_MAX, &count), ZSLAB_OK); /* expiry came back from the log */
    EXPECT(count == 2);
    EXPECT_IS(zslab_zns_release_oldest(s, UINT64_MAX, 0, NULL), ZSLAB_OK);
    zslab_zns_stats(s, &all);
    EXPECT(all.epochs == 0 && all.objects == 0 && all.live_bytes == 0 && all.pinned_zones == 0);
    EXPECT_IS(zslab_zns_release_oldest(s, 1, 1, &count), ZSLAB_OK);
    EXPECT(count == 0);
    EXPECT_IS(zslab_zns_release_oldest(NULL, 1, 1, &count), ZSLAB_E_INVALID);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    remove(path);
}

/* One epoch lives on while short ones of the same class, size unknown, come and go beside it. */
static void a_long_life_pins_no_more_than_the_zone_it_began_in(void)
{
    static const zslab_zns_geometry g = {256u << 10, 0, 40, 0, 0, 0, 32u << 10, 0};
    const char *path = test_path("lives");
    zslab_zns *s = fresh(path, &g);
    zslab_zns_epoch lasting = begin(s, 0), brief;
    zslab_zns_store_stats t;
    zslab_zns_epoch_stats l;
    zslab_handle h;
    int i, k;
    for (i = 0; i < 60; i++) {
        brief = begin(s, 0);
        for (k = 0; k < 10; k++) {
            EXPECT_IS(object_put(s, brief, 1, 20000, &h), ZSLAB_OK);
            if (k % 5 == 0) EXPECT_IS(object_put(s, lasting, 2, 1000, &h), ZSLAB_OK);
        }
        EXPECT_IS(zslab_zns_sync(s, 0), ZSLAB_OK);
        EXPECT_IS(zslab_zns_epoch_release(s, brief), ZSLAB_OK);
    }
    zslab_zns_stats(s, &t);
    EXPECT(t.pinned_zones <= 2);
    EXPECT(zslab_zns_epoch_next(s, 0, &l) == lasting);
    EXPECT(l.exclusive && l.alone_zones == l.zones && l.alone_bytes == l.pinned_bytes);
    EXPECT(l.zones <= 4); /* 120 KB and the zone that was shared */
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    remove(path);
}

static void a_zone_mostly_empty_goes_to_its_class_when_its_epoch_is_sealed(void)
{
    static const zslab_zns_geometry g = {1u << 20, 0, 12, 0, 0, 0, 0, 0};
    const char *path = test_path("handed");
    zslab_zns *s = fresh(path, &g);
    zslab_zns_store_stats t, u;
    zslab_handle h;
    int i;
    zslab_zns_stats(s, &t);
    for (i = 0; i < 8; i++) {
        zslab_zns_epoch_config c = {"handed", 3, 1u << 20, 0};
        zslab_zns_epoch e = zslab_zns_epoch_begin(s, &c), f;
        EXPECT_IS(object_put(s, e, 1, 50000, &h), ZSLAB_OK);
        EXPECT_IS(zslab_zns_epoch_seal(s, e), ZSLAB_OK);
        c.expected_bytes = 1;
        f = zslab_zns_epoch_begin(s, &c); /* a small one of the class goes where the large one was */
        EXPECT_IS(object_put(s, f, 2, 2000, &h), ZSLAB_OK);
        EXPECT_IS(zslab_zns_epoch_seal(s, f), ZSLAB_OK);
        if (i == 0) {
            zslab_zns_stats(s, &u);
            EXPECT(u.zones_empty == t.zones_empty - 1);
            EXPECT(u.free_bytes < t.free_bytes && u.free_bytes > t.free_bytes - 80000);
        }
    }
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    remove(path);
}

int main(void)
{
    a_walk_shows_the_living_in_order_whatever_is_released_meanwhile();
    a_clean_close_keeps_the_exact_sequence();
    retention_drops_the_oldest_by_size_and_the_expired_by_age();
    a_long_life_pins_no_more_than_the_zone_it_began_in();
    a_zone_mostly_empty_goes_to_its_class_when_its_epoch_is_sealed();
    return test_summary("test_zns_epochs");
}
