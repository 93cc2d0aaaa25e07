/* Appends under way at once: what is promised does not change, and where the kernel refuses a ring the store says
   so and works without one. The cache's model of a queue needs no ring; the tests that want a real one say so
   when there is none. */
#define _GNU_SOURCE
#define ZSLAB_ZNS_USE_URING 1
#include "tests/lib/test_zns.h"
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

static const zslab_zns_geometry little = {262144, 196608, 24, 4096, 0, 0, 32768, 0};
static uint32_t ring_refused; /* the errno of this machine's kernel */

static zslab_zns *open_with(const char *path, const zslab_zns_geometry *g, uint32_t flags, uint32_t depth)
{
    zslab_zns_config c;
    zslab_zns *s;
    memset(&c, 0, sizeof c);
    c.flags = flags;
    c.queue_depth = depth;
    s = zslab_zns_open_file(path, g, &c);
    EXPECT(s != NULL);
    if (!s) exit(test_summary("test_zns_queue"));
    return s;
}

static zslab_zns *fresh(const char *path, uint32_t flags, uint32_t depth)
{
    remove(path);
    return open_with(path, &little, flags, depth);
}

static uint32_t depth_of(zslab_zns *s, uint32_t *refused)
{
    zslab_zns_store_stats t;
    char json[4096], want[64];
    zslab_zns_stats(s, &t);
    zslab_zns_stats_json(s, json, sizeof json);
    snprintf(want, sizeof want, "\"queue_depth\":%u,\"queue_refused\":%u,", t.queue_depth, t.queue_refused);
    EXPECT(strstr(json, want) != NULL);
    *refused = t.queue_refused;
    return t.queue_depth;
}

/* Buffers of the epoch whose append is under way. */
static int under_way(zslab_zns *s, zslab_zns_epoch e)
{
    zs__zns_ep *ep = zs__zns_ep_at(s, (uint32_t)(e % ZS__ZNS_EPOCHS_MAX));
    int i, n = 0;
    for (i = 0; i < ZSLAB_ZNS_LANES; i++)
        n += ep->lane[i] && zs__load_acq_u32(&ep->lane[i]->state) == ZS__ZNS_B_FLYING; /* acquire: a look */
    return n;
}

static void the_depth_is_told_and_one_means_none(void)
{
    const char *path = test_path("depth");
    uint32_t refused, depth;
    zslab_zns *s = fresh(path, 0, 0);
    depth = depth_of(s, &ring_refused);
    EXPECT((depth == 32) == (ring_refused == 0));
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    s = fresh(path, 0, 7);
    depth = depth_of(s, &refused);
    EXPECT(depth == (ring_refused ? 0u : 7u) && refused == ring_refused);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    s = fresh(path, 0, 1);
    depth = depth_of(s, &refused);
    EXPECT(depth == 0 && refused == 0);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    remove(path);
}

static void a_kernel_that_refuses_is_told_and_done_without(void)
{
    const char *path = test_path("refused");
    struct rlimit was, few;
    uint32_t refused, depth;
    zslab_handle h;
    zslab_zns_epoch e;
    zslab_zns *s;
    int next = dup(0);
    close(next);
    EXPECT(getrlimit(RLIMIT_NOFILE, &was) == 0);
    few = was;
    few.rlim_cur = (rlim_t)next + 1; /* the store's file, and nothing more */
    EXPECT(setrlimit(RLIMIT_NOFILE, &few) == 0);
    s = fresh(path, 0, 0);
    EXPECT(setrlimit(RLIMIT_NOFILE, &was) == 0);
    depth = depth_of(s, &refused);
    EXPECT(depth == 0 && refused != 0);
    EXPECT(ring_refused || refused == EMFILE);
    e = zslab_zns_epoch_begin(s, NULL);
    EXPECT_IS(object_put(s, e, 1, 200000, &h), ZSLAB_OK);
    EXPECT_IS(zslab_zns_sync(s, e), ZSLAB_OK);
    EXPECT_IS(object_get(s, h, 1, 200000), ZSLAB_OK);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    remove(path);
}

/* In the model nothing completes unless it is waited for: everything that promises more must do so. */
/* [BUF-3] */
static void frames_under_way_are_readable_synced_and_released(void)
{
    enum { N = 60 };
    const char *path = test_path("model");
    zslab_zns *s = fresh(path, ZSLAB_ZNS_FLAG_VOLATILE_CACHE, 0);
    zslab_zns_epoch e = zslab_zns_epoch_begin(s, NULL), f = zslab_zns_epoch_begin(s, NULL);
    zslab_handle h[N], other;
    zslab_zns_store_stats t;
    uint64_t i;
    for (i = 0; i < N; i++) EXPECT_IS(object_put(s, e, i, 5000, &h[i]), ZSLAB_OK);
    EXPECT_IS(object_put(s, f, 99, 5000, &other), ZSLAB_OK);
    EXPECT(under_way(s, e) >= 8);
    for (i = 0; i < N; i++) EXPECT_IS(object_get(s, h[i], i, 5000), ZSLAB_OK);
    EXPECT_IS(zslab_zns_sync(s, e), ZSLAB_OK);
    EXPECT(under_way(s, e) == 0);
    for (i = 0; i < N; i++) EXPECT_IS(object_get(s, h[i], i, 5000), ZSLAB_OK);
    for (i = 0; i < N; i++) EXPECT_IS(object_put(s, e, i, 5000, &h[i]), ZSLAB_OK);
    EXPECT(under_way(s, e) >= 8);
    EXPECT_IS(zslab_zns_epoch_release(s, e), ZSLAB_OK);
    for (i = 0; i < N; i++) EXPECT_IS(object_get(s, h[i], i, 5000), ZSLAB_E_STALE);
    EXPECT_IS(object_get(s, other, 99, 5000), ZSLAB_OK);
    EXPECT_IS(zslab_zns_epoch_release(s, f), ZSLAB_OK);
    zslab_zns_stats(s, &t);
    EXPECT(t.objects == 0 && t.zones_active <= 1 && t.dead_bytes == 0); /* the metadata's zone alone */
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    remove(path);
}

/* Epochs that nobody touches any more hold the only zones open: whoever needs one sees to their frames. */
static void idle_epochs_do_not_keep_active_zones(void)
{
    enum { EPOCHS = 6, EACH = 24 };
    const char *path = test_path("idle");
    zslab_zns_geometry g = little;
    zslab_zns_epoch e[EPOCHS];
    zslab_handle h[EPOCHS][EACH];
    zslab_zns *s;
    double began = now_seconds();
    uint32_t i, k;
    g.max_active = g.max_open = 2;
    remove(path);
    s = open_with(path, &g, ZSLAB_ZNS_FLAG_VOLATILE_CACHE, 0);
    for (i = 0; i < EPOCHS; i++) {
        zslab_zns_epoch_config c = {"idle", i, i % 2 ? 150000 : 0, 0};
        e[i] = zslab_zns_epoch_begin(s, &c);
        for (k = 0; k < EACH; k++)
            EXPECT_IS(object_put(s, e[i], i * EACH + k, k % 5 == 4 ? 90000 : 9000, &h[i][k]), ZSLAB_OK);
    }
    EXPECT_IS(zslab_zns_sync(s, 0), ZSLAB_OK);
    for (i = 0; i < EPOCHS; i++)
        for (k = 0; k < EACH; k++) EXPECT_IS(object_get(s, h[i][k], i * EACH + k, k % 5 == 4 ? 90000 : 9000), ZSLAB_OK);
    printf("six epochs on one active zone: %.2f s\n", now_seconds() - began);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    remove(path);
}

/* A child appends through the ring, syncs half of it, goes on, and is killed with frames under way. */
static void a_killed_process_loses_nothing_synced(void)
{
    enum { N = 400 };
    const char *path = test_path("killed");
    zslab_handle h[N];
    zslab_zns_recovery_report r;
    zslab_zns *s = fresh(path, 0, 0);
    int fds[2], status = 0, i;
    pid_t pid;
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    EXPECT(pipe(fds) == 0);
    pid = fork();
    if (pid == 0) {
        zslab_zns_epoch e;
        s = zslab_zns_open_file(path, NULL, NULL);
        e = zslab_zns_epoch_begin(s, NULL);
        for (i = 0; i < N; i++) {
            if (object_put(s, e, (uint64_t)i, 7000, &h[i]) != ZSLAB_OK) _exit(1);
            if (i == N / 2 && (zslab_zns_sync(s, e) != ZSLAB_OK ||
                               write(fds[1], h, sizeof h[0] * (N / 2)) != (ssize_t)sizeof h[0] * (N / 2)))
                _exit(2);
        }
        kill(getpid(), SIGKILL);
    }
    EXPECT(read(fds[0], h, sizeof h[0] * (N / 2)) == (ssize_t)sizeof h[0] * (N / 2));
    close(fds[0]);
    close(fds[1]);
    waitpid(pid, &status, 0);
    EXPECT(WIFSIGNALED(status));
    s = open_after_kill(path);
    EXPECT(s != NULL);
    if (!s) return;
    zslab_zns_recovery(s, &r);
    EXPECT(r.lost == 0 && r.objects >= N / 2);
    for (i = 0; i < N / 2; i++) EXPECT_IS(object_get(s, h[i], (uint64_t)i, 7000), ZSLAB_OK);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    remove(path);
}

/* More pieces than the ring takes, cut at the ends of zones, with the last of them named last. [IO-1] */
static void a_large_object_flies_in_pieces(void)
{
    const char *path = test_path("large");
    static const size_t sizes[] = {57344, 57345, 86016, 400000, 1000000, 1300007};
    enum { N = sizeof sizes / sizeof sizes[0] };
    uint32_t flags;
    for (flags = 0; flags <= ZSLAB_ZNS_FLAG_VOLATILE_CACHE; flags += ZSLAB_ZNS_FLAG_VOLATILE_CACHE) {
        zslab_zns *s = fresh(path, flags, 4);
        zslab_zns_epoch e = zslab_zns_epoch_begin(s, NULL);
        zslab_handle h[N];
        size_t i;
        for (i = 0; i < N; i++) EXPECT_IS(object_put(s, e, i, sizes[i], &h[i]), ZSLAB_OK);
        for (i = 0; i < N; i++) EXPECT_IS(object_get(s, h[i], i, sizes[i]), ZSLAB_OK);
        EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
        s = open_with(path, NULL, 0, 0);
        for (i = 0; i < N; i++) EXPECT_IS(object_get(s, h[i], i, sizes[i]), ZSLAB_OK);
        EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    }
    remove(path);
}

/* An append that is refused owns no blocks: the pointer that others' appends have moved stays where it is. [FILE-1] */
static void a_refused_append_takes_nothing_back(void)
{
    const char *path = test_path("refused");
    static unsigned char block[2 * 4096];
    zslab_zns_fault fault = {ZSLAB_ZNS_FAULT_ERROR, ZSLAB_ZNS_OP_APPEND, 2, 1, 0, 0, 0};
    zslab_zns_config c;
    zslab_zns_zone z;
    zs__zns_dev dev;
    zs__zns_io io;
    uint32_t i;
    memset(&c, 0, sizeof c);
    c.faults = &fault;
    c.fault_count = 1;
    c.flags = ZSLAB_ZNS_FLAG_VOLATILE_CACHE; /* the model of a queue: it needs no ring */
    remove(path);
    EXPECT_IS(zs__zns_file_open(path, &little, &c, &dev), ZSLAB_OK);
    for (i = 0; i < 2; i++) { /* the second is refused, and as long as the first */
        memset(&io, 0, sizeof io);
        io.zone = 3;
        io.iov_count = 1;
        io.iov[0].base = block;
        io.iov[0].bytes = sizeof block;
        dev.begin(dev.user, &io);
        EXPECT(dev.wait(dev.user, &io, 1) == 1);
        EXPECT(io.rc == (i ? -(int)ZSLAB_E_IO : 0));
        EXPECT(dev.ops.report(dev.user, 3, 1, &z) == 0 && z.write_pointer == z.start + sizeof block);
    }
    dev.ops.close(dev.user);
    remove(path);
}

int main(void)
{
    a_refused_append_takes_nothing_back();
    the_depth_is_told_and_one_means_none();
    a_kernel_that_refuses_is_told_and_done_without();
    frames_under_way_are_readable_synced_and_released();
    idle_epochs_do_not_keep_active_zones();
    a_killed_process_loses_nothing_synced();
    a_large_object_flies_in_pieces();
    if (ring_refused) printf("no ring on this machine (errno %u): the store was tried without\n", ring_refused);
    return test_summary("test_zns_queue");
}
