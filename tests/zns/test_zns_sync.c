/* Group commit: who syncs first writes and flushes for all who wait; tickets; what a flush and a sync leave on the
   device; a sync beside a release that waits. The device's flush stops where the test wants it. */
#include "tests/lib/test_zns.h"
#include <pthread.h>
#include <signal.h>
#if !defined(__EMSCRIPTEN__)
#include <sys/wait.h>
#endif

enum { THREADS = 8 };
static const zslab_zns_geometry little = {262144, 196608, 24, 4096, 0, 0, 32768, 0},
                                usual = {4u << 20, 0, 5, 0, 0, 0, 0, 0};

static int (*device_flush)(void *user);
static uint32_t hold, held, flushes, fail_next, joined; /* hold: flushes wait until it is 0 */

static int held_flush(void *user)
{
    uint32_t tries = 0;
    zs__add_u32(&flushes, 1);
    zs__add_u32(&held, 1);
    while (zs__load_acq_u32(&hold)) zs__zns_nap(tries++); /* acquire: pairs with the test */
    zs__sub_u32(&held, 1);
    if (zs__exchange_u32(&fail_next, 0)) return -(int)ZSLAB_E_BUSY; /* an error that no zone is asked about */
    return device_flush(user);
}

static void wait_for(uint32_t *word, uint32_t value)
{
    uint32_t tries = 0;
    while (zs__load_acq_u32(word) != value) zs__zns_nap(tries++); /* acquire: pairs with who sets it */
}

/* A store whose flushes the test can hold. */
static zslab_zns *store_on(const char *path, const zslab_zns_geometry *g)
{
    zslab_zns_config c;
    zs__zns_dev dev;
    zslab_zns *s = NULL;
    memset(&c, 0, sizeof c);
    remove(path);
    if (zs__zns_file_open(path, g, &c, &dev) == ZSLAB_OK) {
        device_flush = dev.ops.flush;
        dev.ops.flush = held_flush;
        s = zs__zns_open("open_file", &dev, &c, 1);
    }
    EXPECT(s != NULL);
    if (!s) exit(test_summary("test_zns_sync"));
    return s;
}

typedef struct server {
    zslab_zns *s;
    zslab_zns_epoch e;
    uint64_t number;
    zslab_handle h;
    zslab_result r;
} server;

static void *append_and_sync(void *arg)
{
    server *w = (server *)arg;
    w->r = object_put(w->s, w->e, w->number, 1000, &w->h);
    if (w->r == ZSLAB_OK) { /* zslab_zns_sync in its two halves */
        uint64_t ticket = 0;
        w->r = zslab_zns_sync_begin(w->s, w->number % 2 ? 0 : w->e, &ticket);
        zs__add_u32(&joined, 1);
        if (w->r == ZSLAB_OK) w->r = zslab_zns_sync_wait(w->s, ticket, UINT64_MAX);
    }
    return NULL;
}

/* [SYNC-1] */
static void those_who_wait_share_one_frame_and_one_flush(void)
{
    const char *path = test_path("share");
    zslab_zns *s = store_on(path, &little);
    zslab_zns_epoch e = zslab_zns_epoch_begin(s, NULL);
    zslab_zns_store_stats before, after;
    pthread_t t[THREADS];
    server w[THREADS];
    uint32_t i;
    for (i = 0; i < THREADS; i++) {
        server one = {s, e, i, 0, ZSLAB_E_INVALID};
        w[i] = one;
    }
    zs__store_rel_u32(&hold, 1); /* release, here and below: pairs with held_flush */
    pthread_create(&t[0], NULL, append_and_sync, &w[0]);
    wait_for(&held, 1); /* the first one is at its flush */
    zslab_zns_stats(s, &before);
    zs__store_rel_u32(&flushes, 0);
    for (i = 1; i < THREADS; i++) pthread_create(&t[i], NULL, append_and_sync, &w[i]);
    wait_for(&joined, THREADS);
    zs__store_rel_u32(&hold, 0);
    for (i = 0; i < THREADS; i++) pthread_join(t[i], NULL);
    zslab_zns_stats(s, &after);
    for (i = 0; i < THREADS; i++) {
        EXPECT_IS(w[i].r, ZSLAB_OK);
        EXPECT_IS(object_get(s, w[i].h, i, 1000), ZSLAB_OK);
    }
    EXPECT(after.appends - before.appends == 1);
    EXPECT(flushes == 1);
    EXPECT(after.syncs == THREADS);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    remove(path);
}

static void a_ticket_blocks_nobody_and_can_be_asked_again(void)
{
    const char *path = test_path("ticket");
    zslab_zns *s = store_on(path, &little);
    zslab_zns_epoch e = zslab_zns_epoch_begin(s, NULL), f = zslab_zns_epoch_begin(s, NULL);
    uint64_t ticket[3], more = 1;
    pthread_t t;
    server w = {s, e, 2, 0, ZSLAB_E_INVALID};
    zslab_handle h;
    EXPECT_IS(object_put(s, e, 1, 100, &h), ZSLAB_OK);
    zs__store_rel_u32(&hold, 1);
    pthread_create(&t, NULL, append_and_sync, &w);
    wait_for(&held, 1);
    EXPECT_IS(object_put(s, f, 3, 100, &h), ZSLAB_OK);
    EXPECT_IS(zslab_zns_sync_begin(s, e, &ticket[0]), ZSLAB_OK); /* all while a flush is held */
    EXPECT_IS(zslab_zns_sync_begin(s, f, &ticket[1]), ZSLAB_OK);
    EXPECT_IS(zslab_zns_sync_begin(s, 0, &ticket[2]), ZSLAB_OK);
    EXPECT(ticket[0] && ticket[1] && ticket[2]);
    EXPECT_IS(zslab_zns_sync_wait(s, ticket[0], 0), ZSLAB_E_BUSY);
    EXPECT_IS(zslab_zns_sync_wait(s, ticket[1], 20000000), ZSLAB_E_BUSY);
    zs__store_rel_u32(&hold, 0);
    pthread_join(t, NULL);
    EXPECT_IS(w.r, ZSLAB_OK);
    zs__store_rel_u32(&flushes, 0);
    EXPECT_IS(zslab_zns_sync_wait(s, ticket[1], 0), ZSLAB_OK); /* nobody flushes: it does */
    EXPECT_IS(zslab_zns_sync_wait(s, ticket[2], UINT64_MAX), ZSLAB_OK);
    EXPECT_IS(zslab_zns_sync_wait(s, ticket[0], UINT64_MAX), ZSLAB_OK);
    EXPECT_IS(zslab_zns_sync_wait(s, ticket[0], 0), ZSLAB_OK);
    EXPECT(flushes == 1); /* one batch */
    EXPECT_IS(zslab_zns_sync_begin(s, f, &more), ZSLAB_OK);
    EXPECT_IS(zslab_zns_epoch_release(s, f), ZSLAB_OK);
    EXPECT_IS(zslab_zns_sync_wait(s, more, UINT64_MAX), ZSLAB_E_CLOSED); /* there is nothing left to sync */
    EXPECT_IS(zslab_zns_sync_begin(s, f, &more), ZSLAB_E_CLOSED);
    EXPECT(more == 0);
    EXPECT_IS(zslab_zns_sync_wait(s, 0, 0), ZSLAB_E_INVALID);
    EXPECT_IS(zslab_zns_sync_wait(s, UINT64_MAX, 0), ZSLAB_E_INVALID);
    EXPECT_IS(zslab_zns_sync_begin(s, e, NULL), ZSLAB_E_INVALID);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    remove(path);
}

static void a_failed_flush_is_told_to_its_batch_and_to_no_other(void)
{
    const char *path = test_path("fails");
    zslab_zns *s = store_on(path, &little);
    zslab_zns_epoch e = zslab_zns_epoch_begin(s, NULL);
    uint64_t first, second;
    zslab_handle h;
    EXPECT_IS(object_put(s, e, 1, 100, &h), ZSLAB_OK);
    EXPECT_IS(zslab_zns_sync(s, e), ZSLAB_OK);
    EXPECT_IS(object_put(s, e, 2, 100, &h), ZSLAB_OK);
    EXPECT_IS(zslab_zns_sync_begin(s, e, &first), ZSLAB_OK);
    zs__store_rel_u32(&fail_next, 1);
    EXPECT_IS(zslab_zns_sync_wait(s, first, UINT64_MAX), ZSLAB_E_BUSY);
    EXPECT_IS(zslab_zns_sync_begin(s, e, &second), ZSLAB_OK);
    EXPECT_IS(zslab_zns_sync_wait(s, second, UINT64_MAX), ZSLAB_OK);
    EXPECT_IS(zslab_zns_sync_wait(s, first, 0), ZSLAB_OK); /* the second covered it */
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    remove(path);
}

static void a_synced_kibibyte_costs_one_block(void)
{
    const char *path = test_path("small");
    zslab_zns *s = store_on(path, &usual);
    zslab_zns_epoch e = zslab_zns_epoch_begin(s, NULL);
    zslab_zns_store_stats t;
    zslab_zns_recovery_report r;
    zslab_handle h[600];
    uint64_t i;
    for (i = 0; i < 600; i++) {
        EXPECT_IS(object_put(s, e, i, 1024, &h[i]), ZSLAB_OK);
        EXPECT_IS(zslab_zns_sync(s, e), ZSLAB_OK);
    }
    zslab_zns_stats(s, &t);
    EXPECT(t.write_amplification <= 4.1);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    s = zslab_zns_open_file(path, NULL, NULL);
    zslab_zns_recovery(s, &r);
    EXPECT(r.objects == 600 && r.lost == 0 && r.torn == 0);
    for (i = 0; i < 600; i++) EXPECT_IS(object_get(s, h[i], i, 1024), ZSLAB_OK);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    remove(path);
}

/* Every size around the places where a payload just fits behind the entries, or does not any more. */
static void payloads_around_the_end_of_a_header_block_come_back(void)
{
    static const size_t around[] = {3952, 8048, 16240, 24432};
    enum { N = sizeof around / sizeof around[0], SPAN = 24 };
    const char *path = test_path("fits");
    zslab_zns *s = store_on(path, &little);
    zslab_zns_epoch e = zslab_zns_epoch_begin(s, NULL);
    zslab_handle h[N * SPAN * 2];
    uint64_t i, n = 0;
    size_t k;
    for (k = 0; k < N; k++)
        for (i = 0; i < SPAN; i++) {
            EXPECT_IS(object_put(s, e, n, around[k] - SPAN / 2 + i, &h[n]), ZSLAB_OK);
            n++;
            if (i % 3 == 0) EXPECT_IS(object_put(s, e, n, i + 1, &h[n]), ZSLAB_OK);
            n += i % 3 == 0;
            EXPECT_IS(zslab_zns_flush(s, e), ZSLAB_OK);
        }
    for (;;) {
        for (k = 0, i = 0; k < N; k++) {
            uint64_t j;
            for (j = 0; j < SPAN; j++) {
                EXPECT_IS(object_get(s, h[i], i, around[k] - SPAN / 2 + j), ZSLAB_OK);
                i++;
                if (j % 3 == 0) EXPECT_IS(object_get(s, h[i], i, j + 1), ZSLAB_OK);
                i += j % 3 == 0;
            }
        }
        if (device_flush == NULL) break;
        EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
        device_flush = NULL; /* once more after a restart */
        s = zslab_zns_open_file(path, NULL, NULL);
        EXPECT(s != NULL);
    }
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    remove(path);
}

#if !defined(__EMSCRIPTEN__)
static void a_flush_survives_a_kill_without_a_device_flush(void)
{
    const char *path = test_path("killed");
    zslab_handle h[2];
    zslab_zns *s;
    int pipe_of[2], status = 0;
    EXPECT(pipe(pipe_of) == 0);
    if (!fork()) {
        zslab_zns_epoch e;
        s = store_on(path, &little);
        e = zslab_zns_epoch_begin(s, NULL);
        zs__store_rel_u32(&flushes, 0);
        if (object_put(s, e, 1, 500, &h[0]) || zslab_zns_flush(s, e) || object_put(s, e, 2, 500, &h[1]) ||
            zslab_zns_flush(s, 0) || flushes > 1) /* one: the first zone is announced */
            _exit(1);
        if (write(pipe_of[1], h, sizeof h) != (ssize_t)sizeof h) _exit(1);
        raise(SIGKILL);
    }
    EXPECT(wait(&status) > 0 && WIFSIGNALED(status));
    EXPECT(read(pipe_of[0], h, sizeof h) == (ssize_t)sizeof h);
    s = open_after_kill(path);
    EXPECT_IS(object_get(s, h[0], 1, 500), ZSLAB_OK);
    EXPECT_IS(object_get(s, h[1], 2, 500), ZSLAB_OK);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    close(pipe_of[0]);
    close(pipe_of[1]);
    remove(path);
}
#endif

static void *release_it(void *arg)
{
    server *w = (server *)arg;
    w->r = zslab_zns_epoch_release(w->s, w->e);
    return NULL;
}

/* A release that waits for a reader has dropped nothing yet: sync(0) covers its epoch's objects, too. */
static void a_sync_covers_an_epoch_whose_release_waits(void)
{
    const char *path = test_path("waits");
    zslab_zns *s = store_on(path, &little);
    zslab_zns_epoch e = zslab_zns_epoch_begin(s, NULL);
    zs__zns_ep *ep = zs__zns_pin_id(s, e, 0); /* the reader */
    zslab_zns_store_stats before, after;
    server w = {s, e, 0, 0, ZSLAB_E_INVALID};
    pthread_t t;
    zslab_handle h;
    uint32_t tries = 0;
    EXPECT(ep != NULL);
    EXPECT_IS(object_put(s, e, 1, 100, &h), ZSLAB_OK);
    zslab_zns_stats(s, &before);
    pthread_create(&t, NULL, release_it, &w);
    while (ZS__ZNS_E_STATE(zs__load_acq_u64(&ep->word)) != ZS__ZNS_E_RELEASING) zs__zns_nap(tries++);
    EXPECT_IS(zslab_zns_sync(s, 0), ZSLAB_OK);
    zslab_zns_stats(s, &after);
    EXPECT(after.appends == before.appends + 1); /* its buffer is on the device */
    EXPECT_IS(object_put(s, e, 2, 100, &h), ZSLAB_E_CLOSED);
    zs__zns_unpin(ep, 0);
    pthread_join(t, NULL);
    EXPECT_IS(w.r, ZSLAB_OK);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    remove(path);
}

/* [BUF-2] */
static void a_sealed_epoch_gives_its_buffers_to_the_next(void)
{
    const char *path = test_path("pool");
    zslab_zns *s = store_on(path, &little);
    zslab_zns_epoch e[12];
    zslab_handle h[12];
    zs__zns_buffer *b;
    uint64_t i;
    int buffers = 0;
    for (i = 0; i < 12; i++) {
        e[i] = zslab_zns_epoch_begin(s, NULL);
        EXPECT_IS(object_put(s, e[i], i, 700, &h[i]), ZSLAB_OK);
        EXPECT_IS(zslab_zns_epoch_seal(s, e[i]), ZSLAB_OK);
        EXPECT(s->busy_count == 0);
        EXPECT_IS(object_get(s, h[i], i, 700), ZSLAB_OK);
    }
    for (b = s->pool; b; b = b->spare) buffers++;
    EXPECT(buffers == 1);
    EXPECT(sizeof(zs__zns_ep) <= 512);
    for (i = 0; i < 12; i++) EXPECT_IS(object_get(s, h[i], i, 700), ZSLAB_OK);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    remove(path);
}

int main(void)
{
    those_who_wait_share_one_frame_and_one_flush();
    a_ticket_blocks_nobody_and_can_be_asked_again();
    a_failed_flush_is_told_to_its_batch_and_to_no_other();
    a_synced_kibibyte_costs_one_block();
    payloads_around_the_end_of_a_header_block_come_back();
#if !defined(__EMSCRIPTEN__)
    a_flush_survives_a_kill_without_a_device_flush();
#endif
    a_sync_covers_an_epoch_whose_release_waits();
    a_sealed_epoch_gives_its_buffers_to_the_next();
    return test_summary("test_zns_sync");
}
