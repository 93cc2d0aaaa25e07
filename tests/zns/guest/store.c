/* store -- the whole contract of the store on one device, each test a sentence.
   usage: store <node or file> [append|queue|pwrite] [user id]     which way the store is expected to write;
   run as that user
   The device is formatted anew. */
#include "guest.h"
#include <grp.h>
#include <sys/wait.h>

static const char *device;
static int expect_append = -1; /* -1: do not care */
static unsigned char *data_in, *data_out;

static zslab_zns *fresh(void)
{
    zslab_zns *s = store_open(device, ZSLAB_ZNS_FLAG_FORCE);
    if (!s) {
        printf("store: %s: %s\n", device, zslab_result_name(zslab_last_error()));
        exit(1);
    }
    return s;
}

/* An empty store: whatever an earlier test left is released. */
static int collect_epoch(void *user, const zslab_zns_visit *v)
{
    zslab_zns_epoch *list = (zslab_zns_epoch *)user;
    for (size_t i = 1; i <= list[0]; i++)
        if (list[i] == v->epoch) return 0;
    if (list[0] < 255) list[++list[0]] = v->epoch;
    return 0;
}

static zslab_zns *empty_store(void)
{
    zslab_zns_epoch list[256] = {0};
    zslab_zns *s = fresh();
    EXPECT_IS(zslab_zns_iterate(s, 0, collect_epoch, list), ZSLAB_OK);
    for (size_t i = 1; i <= list[0]; i++) EXPECT_IS(zslab_zns_epoch_release(s, list[i]), ZSLAB_OK);
    return s;
}

static zslab_handle put(zslab_zns *s, zslab_zns_epoch e, uint64_t number, size_t bytes)
{
    zslab_handle h = 0;
    object_make(data_in, bytes, number, e);
    EXPECT_IS(zslab_zns_append(s, e, data_in, bytes, &h), ZSLAB_OK);
    return h;
}

static int holds(zslab_zns *s, zslab_handle h, zslab_zns_epoch e, uint64_t number, size_t bytes)
{
    size_t got = 0;
    zslab_result r = zslab_zns_read(s, h, data_out, 8u << 20, &got);
    return r == ZSLAB_OK && got == bytes && object_good(data_out, got) && object_number(data_out) == number &&
           object_epoch(data_out) == e;
}

static zslab_result read_result(zslab_zns *s, zslab_handle h)
{
    size_t got = 0;
    return zslab_zns_read(s, h, data_out, 8u << 20, &got);
}

static zslab_zns *again(zslab_zns *s)
{
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    s = store_open(device, 0);
    if (!s) {
        printf("store: reopening %s: %s\n", device, zslab_result_name(zslab_last_error()));
        exit(1);
    }
    return s;
}

/* ---- the tests ------------------------------------------------------------------- */

static void writes_the_expected_way(void)
{
    zslab_zns_store_stats t;
    zslab_zns *s = empty_store();
    zslab_zns_epoch e = epoch_begin(s, 0, 0);
    put(s, e, 1, 100);
    EXPECT_IS(zslab_zns_sync(s, e), ZSLAB_OK);
    zslab_zns_stats(s, &t);
    if (expect_append >= 0) EXPECT((int)t.uses_append == expect_append);
    if (queue_depth == 0) EXPECT(t.queue_depth == 32 && t.queue_refused == 0);
    EXPECT(t.zones == 64);
    witness_agrees(s, device);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
}

static void every_size_survives_a_reopening(void)
{
    static const size_t sizes[] = {40,   41,    511,   512,    513,    4055,   4056,   4057,   4095,   4096,   4097,
                                   8192, 65535, 65536, 122880, 126976, 131071, 131072, 131073, 262144, 1000003};
    enum { N = sizeof sizes / sizeof sizes[0] };
    zslab_handle h[N];
    zslab_zns *s = empty_store();
    zslab_zns_epoch e = epoch_begin(s, 0, 0);
    EXPECT(e != 0);
    for (size_t i = 0; i < N; i++) h[i] = put(s, e, i, sizes[i]);
    for (size_t i = 0; i < N; i++) EXPECT(holds(s, h[i], e, i, sizes[i])); /* before any sync too */
    EXPECT_IS(zslab_zns_sync(s, 0), ZSLAB_OK);
    s = again(s);
    for (size_t i = 0; i < N; i++) EXPECT(holds(s, h[i], e, i, sizes[i]));
    witness_agrees(s, device);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
}

static void one_byte_and_wrong_arguments(void)
{
    zslab_handle h = 0;
    size_t got = 0;
    char c = 0;
    zslab_zns *s = empty_store();
    zslab_zns_epoch e = epoch_begin(s, 0, 0);
    EXPECT_IS(zslab_zns_append(s, e, "x", 1, &h), ZSLAB_OK);
    EXPECT_IS(zslab_zns_read(s, h, &c, 1, &got), ZSLAB_OK);
    EXPECT(got == 1 && c == 'x');
    EXPECT_IS(zslab_zns_append(s, e, "x", 0, &h), ZSLAB_E_INVALID);
    EXPECT_IS(zslab_zns_append(s, e, NULL, 5, &h), ZSLAB_E_INVALID);
    EXPECT_IS(zslab_zns_append(s, 0, "x", 1, &h), ZSLAB_E_CLOSED);
    EXPECT_IS(zslab_zns_append(s, e + 1000, "x", 1, &h), ZSLAB_E_CLOSED);
    EXPECT_IS(zslab_zns_read(s, 0, &c, 1, &got), ZSLAB_E_INVALID);
    EXPECT(zslab_zns_close(s) == ZSLAB_OK);
}

static void a_small_buffer_is_told_the_size(void)
{
    size_t got = 0;
    zslab_zns *s = empty_store();
    zslab_zns_epoch e = epoch_begin(s, 0, 0);
    zslab_handle h = put(s, e, 7, 5000), big = put(s, e, 8, 300000);
    EXPECT_IS(zslab_zns_read(s, h, data_out, 4999, &got), ZSLAB_E_INVALID);
    EXPECT(got == 5000);
    EXPECT_IS(zslab_zns_sync(s, e), ZSLAB_OK);
    EXPECT_IS(zslab_zns_read(s, big, data_out, 10, &got), ZSLAB_E_INVALID);
    EXPECT(got == 300000 && holds(s, big, e, 8, 300000));
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
}

static void sealed_epochs_take_no_more(void)
{
    zslab_handle h = 0;
    zslab_zns *s = empty_store();
    zslab_zns_epoch e = epoch_begin(s, 0, 0);
    zslab_handle kept = put(s, e, 1, 3000);
    EXPECT_IS(zslab_zns_epoch_seal(s, e), ZSLAB_OK);
    EXPECT_IS(zslab_zns_append(s, e, "x", 1, &h), ZSLAB_E_CLOSED);
    s = again(s);
    EXPECT_IS(zslab_zns_append(s, e, "x", 1, &h), ZSLAB_E_CLOSED);
    EXPECT(holds(s, kept, e, 1, 3000));
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
}

static void a_released_epoch_is_gone_for_ever(void)
{
    enum { N = 60 };
    zslab_handle old[N], h = 0;
    zslab_zns *s = empty_store();
    zslab_zns_epoch e = epoch_begin(s, 0, 3u << 20), other = epoch_begin(s, 1, 0);
    for (uint64_t i = 0; i < N; i++) old[i] = put(s, e, i, 50000);
    zslab_handle kept = put(s, other, 99, 7777);
    EXPECT_IS(zslab_zns_sync(s, 0), ZSLAB_OK);
    EXPECT_IS(zslab_zns_epoch_release(s, e), ZSLAB_OK);
    EXPECT_IS(zslab_zns_append(s, e, "x", 1, &h), ZSLAB_E_CLOSED);
    for (int i = 0; i < N; i++) EXPECT_IS(read_result(s, old[i]), ZSLAB_E_STALE);
    zslab_zns_epoch next = epoch_begin(s, 0, 3u << 20); /* the zones serve again */
    EXPECT(next > e);
    for (uint64_t i = 0; i < 4 * N; i++) put(s, next, 1000 + i, 50000);
    for (int i = 0; i < N; i++) EXPECT_IS(read_result(s, old[i]), ZSLAB_E_STALE);
    s = again(s);
    for (int i = 0; i < N; i++) EXPECT_IS(read_result(s, old[i]), ZSLAB_E_STALE);
    EXPECT(holds(s, kept, other, 99, 7777));
    EXPECT(zslab_zns_epoch_release(s, e) != ZSLAB_OK);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
}

typedef struct tally {
    size_t visits, wrong, stop_after;
    uint64_t numbers;
    zslab_zns_epoch epoch;
} tally;

static int count_visit(void *user, const zslab_zns_visit *v)
{
    tally *t = (tally *)user;
    t->visits++;
    if (!v->data || !object_good(v->data, v->bytes) || object_epoch(v->data) != v->epoch)
        t->wrong++;
    else
        t->numbers += object_number(v->data);
    if (t->epoch && v->epoch != t->epoch) t->wrong++;
    return t->stop_after && t->visits == t->stop_after;
}

static void iterating_meets_each_object_once(void)
{
    enum { N = 150 };
    tally all = {0, 0, 0, 0, 0}, one = {0, 0, 0, 0, 0};
    zslab_zns *s = empty_store();
    zslab_zns_epoch a = epoch_begin(s, 0, 0), b = epoch_begin(s, 0, 0);
    for (uint64_t i = 1; i <= N; i++) put(s, i % 3 ? a : b, i, object_bytes(i));
    EXPECT_IS(zslab_zns_sync(s, 0), ZSLAB_OK);
    for (int round = 0; round < 2; round++) {
        memset(&all, 0, sizeof all);
        memset(&one, 0, sizeof one);
        one.epoch = b;
        EXPECT_IS(zslab_zns_iterate(s, 0, count_visit, &all), ZSLAB_OK);
        EXPECT_IS(zslab_zns_iterate(s, b, count_visit, &one), ZSLAB_OK);
        EXPECT(all.visits == N && !all.wrong && all.numbers == N * (N + 1) / 2);
        EXPECT(one.visits == N / 3 && !one.wrong);
        s = again(s);
    }
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
}

static void a_second_opener_is_refused(void)
{
    zslab_zns *s = empty_store();
    EXPECT(store_open(device, 0) == NULL);
    EXPECT_IS(zslab_last_error(), ZSLAB_E_BUSY);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) _exit(store_open(device, 0) ? 1 : zslab_last_error() == ZSLAB_E_BUSY ? 0 : 2);
    int status = -1;
    waitpid(child, &status, 0);
    EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
}

static void a_read_only_store_reads(void)
{
    zslab_handle h = 0;
    zslab_zns *s = empty_store();
    zslab_zns_epoch e = epoch_begin(s, 0, 0);
    zslab_handle kept = put(s, e, 5, 20000);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    s = store_open(device, ZSLAB_ZNS_FLAG_READ_ONLY);
    EXPECT(s != NULL);
    if (!s) return;
    EXPECT(holds(s, kept, e, 5, 20000));
    EXPECT_IS(zslab_zns_append(s, e, "x", 1, &h), ZSLAB_E_READ_ONLY);
    EXPECT(epoch_begin(s, 0, 0) == 0);
    EXPECT_IS(zslab_last_error(), ZSLAB_E_READ_ONLY);
    EXPECT_IS(zslab_zns_epoch_release(s, e), ZSLAB_E_READ_ONLY);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
}

/* Epochs by the dozen on a drive of six active zones: small ones share, large ones take turns. */
static void more_epochs_than_active_zones(uint64_t expected)
{
    enum { EPOCHS = 16, ROUNDS = 12 };
    zslab_zns_epoch e[EPOCHS];
    zslab_handle h[EPOCHS][ROUNDS];
    zslab_zns *s = empty_store();
    for (uint32_t i = 0; i < EPOCHS; i++) EXPECT((e[i] = epoch_begin(s, i % 16, expected)) != 0);
    for (uint64_t r = 0; r < ROUNDS; r++)
        for (uint64_t i = 0; i < EPOCHS; i++) h[i][r] = put(s, e[i], r * EPOCHS + i, 30000);
    EXPECT_IS(zslab_zns_sync(s, 0), ZSLAB_OK);
    for (int i = 0; i < EPOCHS; i += 2) EXPECT_IS(zslab_zns_epoch_release(s, e[i]), ZSLAB_OK);
    s = again(s);
    for (uint64_t r = 0; r < ROUNDS; r++)
        for (uint64_t i = 0; i < EPOCHS; i++) {
            if (i % 2)
                EXPECT(holds(s, h[i][r], e[i], r * EPOCHS + i, 30000));
            else
                EXPECT_IS(read_result(s, h[i][r]), ZSLAB_E_STALE);
        }
    witness_agrees(s, device);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
}

static void many_small_epochs_share(void) { more_epochs_than_active_zones(0); }
static void many_large_epochs_take_turns(void) { more_epochs_than_active_zones(2u << 20); }

static void a_full_device_says_so_and_recovers(void)
{
    enum { EPOCHS = 3, BYTES = 900000 };
    zslab_zns_epoch e[EPOCHS];
    zslab_handle h[400];
    uint64_t n = 0;
    zslab_result r = ZSLAB_OK;
    zslab_zns *s = empty_store();
    for (uint32_t i = 0; i < EPOCHS; i++) e[i] = epoch_begin(s, i, 60u << 20);
    while (n < 400) {
        object_make(data_in, BYTES, n, e[n % EPOCHS]);
        r = zslab_zns_append(s, e[n % EPOCHS], data_in, BYTES, &h[n]);
        if (r != ZSLAB_OK) break;
        n++;
    }
    EXPECT_IS(r, ZSLAB_E_NO_SPACE);
    EXPECT(n > 150); /* 62 zones of 3 MiB hold about 200 */
    zslab_zns_sync(s, 0);
    witness_agrees(s, device);
    for (uint64_t i = 0; i < n; i += 7) EXPECT(holds(s, h[i], e[i % EPOCHS], i, BYTES));
    EXPECT_IS(zslab_zns_epoch_release(s, e[1]), ZSLAB_OK);
    EXPECT_IS(zslab_zns_append(s, e[0], data_in, BYTES, &h[399]), ZSLAB_OK);
    s = again(s);
    for (uint64_t i = 0; i < n; i += 5) {
        if (i % EPOCHS == 1)
            EXPECT_IS(read_result(s, h[i]), ZSLAB_E_STALE);
        else
            EXPECT(holds(s, h[i], e[i % EPOCHS], i, BYTES));
    }
    EXPECT_IS(zslab_zns_epoch_release(s, e[0]), ZSLAB_OK);
    EXPECT_IS(zslab_zns_epoch_release(s, e[2]), ZSLAB_OK);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
}

enum { THREADS = 4, PER_THREAD = 200 };

typedef struct worker {
    zslab_zns *s;
    zslab_zns_epoch e;
    uint64_t first;
    zslab_handle h[PER_THREAD];
    size_t accepted;
    zslab_result last;
} worker;

static void *work(void *arg)
{
    worker *w = (worker *)arg;
    unsigned char *p = (unsigned char *)malloc(OBJECT_MAX);
    if (!p) abort();
    w->last = ZSLAB_OK;
    for (w->accepted = 0; w->accepted < PER_THREAD && w->last == ZSLAB_OK;) {
        uint64_t number = w->first + w->accepted;
        object_make(p, object_bytes(number), number, w->e);
        w->last = zslab_zns_append(w->s, w->e, p, object_bytes(number), &w->h[w->accepted]);
        if (w->last == ZSLAB_OK) w->accepted++;
        if (w->accepted % 64 == 63) zslab_zns_sync(w->s, w->e);
    }
    free(p);
    return NULL;
}

static void four_threads_fill_one_epoch(void)
{
    static worker w[THREADS];
    pthread_t t[THREADS];
    zslab_zns *s = empty_store();
    zslab_zns_epoch e = epoch_begin(s, 0, 0);
    for (int i = 0; i < THREADS; i++) {
        w[i].s = s, w[i].e = e, w[i].first = (uint64_t)i * 1000;
        if (pthread_create(&t[i], NULL, work, &w[i])) abort();
    }
    for (int i = 0; i < THREADS; i++) pthread_join(t[i], NULL);
    EXPECT_IS(zslab_zns_sync(s, e), ZSLAB_OK);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < THREADS; i++) {
            EXPECT_IS(w[i].last, ZSLAB_OK);
            for (size_t k = 0; k < w[i].accepted; k++)
                EXPECT(holds(s, w[i].h[k], e, w[i].first + k, object_bytes(w[i].first + k)));
        }
        s = again(s);
    }
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
}

static void a_release_meets_appends_in_flight(void)
{
    static worker w[THREADS];
    pthread_t t[THREADS];
    zslab_zns *s = empty_store();
    zslab_zns_epoch keep = epoch_begin(s, 1, 0);
    zslab_handle kept = put(s, keep, 4711, 60000);
    for (int round = 0; round < 6; round++) {
        zslab_zns_epoch e = epoch_begin(s, 0, round % 2 ? 3u << 20 : 0);
        for (int i = 0; i < THREADS; i++) {
            w[i].s = s, w[i].e = e, w[i].first = (uint64_t)i * 1000;
            if (pthread_create(&t[i], NULL, work, &w[i])) abort();
        }
        usleep(20000u * (unsigned)round);
        EXPECT_IS(zslab_zns_epoch_release(s, e), ZSLAB_OK);
        for (int i = 0; i < THREADS; i++) {
            pthread_join(t[i], NULL);
            EXPECT(w[i].last == ZSLAB_OK || w[i].last == ZSLAB_E_CLOSED);
            for (size_t k = 0; k < w[i].accepted; k++) EXPECT_IS(read_result(s, w[i].h[k]), ZSLAB_E_STALE);
        }
    }
    s = again(s);
    tally all = {0, 0, 0, 0, 0};
    EXPECT_IS(zslab_zns_iterate(s, 0, count_visit, &all), ZSLAB_OK);
    EXPECT(all.visits == 1 && !all.wrong && holds(s, kept, keep, 4711, 60000));
    witness_agrees(s, device);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
}

static void a_hundred_generations_reset_whole_zones(void)
{
    enum { GENERATIONS = 100, KEEP = 3, N = 14 };
    zslab_zns_epoch live[GENERATIONS];
    zslab_zns_store_stats t;
    zslab_handle h = 0;
    zslab_zns *s = empty_store();
    for (uint32_t g = 0; g < GENERATIONS; g++) {
        EXPECT((live[g] = epoch_begin(s, g % 2, 700000)) != 0);
        for (uint64_t i = 0; i < N; i++) h = put(s, live[g], g * 100 + i, 50000);
        EXPECT_IS(zslab_zns_epoch_seal(s, live[g]), ZSLAB_OK);
        if (g >= KEEP) EXPECT_IS(zslab_zns_epoch_release(s, live[g - KEEP]), ZSLAB_OK);
    }
    EXPECT(holds(s, h, live[GENERATIONS - 1], (GENERATIONS - 1) * 100 + N - 1, 50000));
    zslab_zns_stats(s, &t);
    EXPECT(t.resets > 0 && t.zones_full + t.zones_active < 16);
    witness_agrees(s, device);
    printf("    %" PRIu64 " resets, %" PRIu64 " finishes, write amplification %.4f\n", t.resets, t.finishes,
           t.write_amplification);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
}

static void a_device_with_other_data_is_refused(void)
{
    if (!is_node(device)) return;
    zslab_zns *s = empty_store();
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    /* every zone reset, then somebody else's bytes at the start of each of the first six */
    char command[256];
    snprintf(command, sizeof command, "zbd reset %s", device);
    EXPECT(system(command) == 0);
    int fd = open(device, O_RDWR | O_DIRECT);
    memset(data_in, 0x42, 4096);
    for (int z = 0; z < 6 && fd >= 0; z++) EXPECT(pwrite(fd, data_in, 4096, (off_t)z * (4 << 20)) == 4096);
    if (fd >= 0) close(fd);
    EXPECT(store_open(device, 0) == NULL);
    EXPECT_IS(zslab_last_error(), ZSLAB_E_FOREIGN);
    witness_view v;
    EXPECT(witness_look(device, &v) == 0 && v.active == 6 && v.written_bytes == 6 * 4096); /* untouched */
    s = store_open(device, ZSLAB_ZNS_FLAG_FORCE);
    EXPECT(s != NULL);
    if (s) EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
}

static void an_empty_device_is_not_formatted_unasked(void)
{
    char command[256];
    if (!is_node(device)) return;
    snprintf(command, sizeof command, "zbd reset %s", device);
    EXPECT(system(command) == 0);
    EXPECT(store_open(device, ZSLAB_ZNS_FLAG_NO_FORMAT) == NULL);
    witness_view v;
    EXPECT(witness_look(device, &v) == 0 && v.empty == v.zones);
    zslab_zns *s = store_open(device, 0);
    EXPECT(s != NULL);
    if (s) EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
}

#define T(f)                                                                                                           \
    {                                                                                                                  \
#f, f                                                                                                          \
    }
static const struct test {
    const char *name;
    void (*run)(void);
} tests[] = {
    T(writes_the_expected_way),
    T(every_size_survives_a_reopening),
    T(one_byte_and_wrong_arguments),
    T(a_small_buffer_is_told_the_size),
    T(sealed_epochs_take_no_more),
    T(a_released_epoch_is_gone_for_ever),
    T(iterating_meets_each_object_once),
    T(a_second_opener_is_refused),
    T(a_read_only_store_reads),
    T(many_small_epochs_share),
    T(many_large_epochs_take_turns),
    T(a_full_device_says_so_and_recovers),
    T(four_threads_fill_one_epoch),
    T(a_release_meets_appends_in_flight),
    T(a_hundred_generations_reset_whole_zones),
    T(a_device_with_other_data_is_refused),
    T(an_empty_device_is_not_formatted_unasked),
};

static void become(const char *user)
{
    gid_t id = (gid_t)atoi(user);
    if (setgroups(0, NULL) || setgid(id) || setuid((uid_t)id)) {
        perror("store: changing user");
        exit(1);
    }
}

int main(int argc, char **argv)
{
    unsigned passed = 0, count = sizeof tests / sizeof tests[0];
    if (argc < 2) return fprintf(stderr, "usage: store <node or file> [append|queue|pwrite] [user id]\n"), 2;
    device = argv[1];
    if (argc > 2) expect_append = strcmp(argv[2], "pwrite") != 0;
    if (argc > 2 && !strcmp(argv[2], "queue")) queue_depth = 0;
    if (argc > 3) become(argv[3]);
    data_in = (unsigned char *)malloc(8u << 20);
    data_out = (unsigned char *)malloc(8u << 20);
    if (!data_in || !data_out) return 1;
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (unsigned i = 0; i < count; i++) {
        double t = seconds();
        t_failed = 0;
        tests[i].run();
        printf("  %-4s %-44s %6.2f s\n", t_failed ? "FAIL" : "ok", tests[i].name, seconds() - t);
        passed += !t_failed;
    }
    printf("store: %u passed, %u failed\n", passed, count - passed);
    return passed == count ? 0 : 1;
}
