/* Budgets: the limits count what the process pays, object memory and metadata; they change at run time, exactly also
   for two threads at the edge; a soft limit's crossings and first refusals are told once each. */
#include "tests/lib/test.h"

#define C ZS__CHUNK_BYTES

static zslab_global_stats stats(zslab *z)
{
    zslab_global_stats s;
    zslab_stats_global(z, &s);
    return s;
}

static size_t charged(zslab *z)
{
    zslab_global_stats s = stats(z);
    return (size_t)(s.committed_bytes + s.metadata_bytes);
}

/* ---- the limit ---- */

/* Objects of all classes, large ones and handles fill an allocator to its limit in several epochs: at no step is more
   counted, and at the end nothing is lost. */
static void never_more_than_the_limit(const test_mode *m)
{
    static void *p[1 << 14];
    zslab_config c = {0};
    zslab *z;
    uint64_t r = 7;
    size_t n, refused = 0, limit = 40 * C + 200000;
    int round;
    c.limit_bytes = limit;
    z = test_open(m, &c);
    for (round = 0; round < 6; round++) {
        zslab_epoch e = zslab_epoch_open(z, NULL);
        for (n = 0; n < sizeof p / sizeof *p && refused < 50; n++) {
            size_t size = (size_t)(test_random(&r) % 40 ? test_random(&r) % 4000 : test_random(&r) % (3 * C)) + 1;
            p[n] = test_random(&r) % 5 ? zslab_malloc_epoch(z, size, e) : NULL;
            if (!p[n] && !zslab_handle_alloc(z, size, e, &p[n]))
                refused += zslab_last_error() == ZSLAB_E_LIMIT || m->in_buffer;
            if (n % 64 == 0) CHECK(charged(z) <= limit);
        }
        CHECK(charged(z) <= limit);
        CHECK(refused >= 50);
        refused = 0;
        CHECK_IS(round & 1 ? zslab_epoch_release(z, e) : zslab_epoch_reset(z, e), ZSLAB_OK);
        zslab_epoch_release(z, e);
        CHECK_IS(zslab_check(z, NULL, NULL), ZSLAB_OK); /* counts all of it again [BUDGET-1] */
    }
    test_destroy(z);
}

/* What is counted is what a process grows by. [ARENA-2] */
static void what_the_process_pays(void)
{
#if defined(__linux__) && !TEST_EMULATED && !TEST_SANITIZED
    zslab *z = test_create(NULL);
    uint64_t before = zslab_rss_bytes();
    size_t counted = charged(z), grown, i;
    for (i = 0; i < 200000; i++) memset(zslab_malloc(z, 16 + i % 200), 1, 16);
    grown = (size_t)(zslab_rss_bytes() - before);
    counted = charged(z) - counted;
    CHECK(grown <= counted + counted / 10 && counted <= grown + grown / 10);
    test_destroy(z);
#endif
}

enum { ROWS_THREADS = 8, ROWS_EPOCHS = 10, ROWS_CLASSES = 5 };
static zslab *rows_z;
static zslab_epoch rows_e[ROWS_EPOCHS];
static pthread_barrier_t rows_turn;
static int rows_asleep;
static void *a_little_everywhere(void *unused)
{
    size_t i, cls;
    for (i = 0; i < ROWS_EPOCHS; i++)
        for (cls = 0; cls < ROWS_CLASSES; cls++)
            CHECK_IS(zslab_free(rows_z, zslab_malloc_epoch(rows_z, (size_t)64 << cls, rows_e[i])), ZSLAB_OK);
    pthread_barrier_wait(&rows_turn);
    if (rows_asleep) pthread_barrier_wait(&rows_turn);
    return unused;
}

/* Each thread was in each epoch with each class; all of that is over, while they sleep or after they ended: what is
   left of the limit is all but heaps, rows without their magazines, and what sleeping threads may hold; of a range,
   which has no metadata in it, more. */
static void ended_epochs_leave_room(int asleep, zslab_reclaim reclaim, int range)
{
    enum { LIMIT = 16 << 20, HEAP = 16 << 10, ROW = 4 << 10, MAGAZINES = ROWS_CLASSES << 14 };
    static void *p[LIMIT / 4096];
    zslab_config c = {0};
    pthread_t thread[ROWS_THREADS];
    size_t i, n, left = LIMIT - (ROWS_THREADS + 1) * HEAP - (ROWS_THREADS + 1) * ROWS_EPOCHS * ROW - 6 * C;
    zslab_epoch e;
    rows_asleep = asleep;
    *(range ? &c.reserve_bytes : &c.limit_bytes) = LIMIT;
    c.reclaim = reclaim;
    rows_z = test_create(&c);
    MUST(pthread_barrier_init(&rows_turn, NULL, ROWS_THREADS + 1) == 0);
    for (i = 0; i < ROWS_EPOCHS; i++) MUST(rows_e[i] = zslab_epoch_open(rows_z, NULL));
    for (i = 0; i < ROWS_THREADS; i++) MUST(pthread_create(&thread[i], NULL, a_little_everywhere, NULL) == 0);
    pthread_barrier_wait(&rows_turn);
    for (i = 0; !asleep && i < ROWS_THREADS; i++) pthread_join(thread[i], NULL);
    for (i = 0; i < ROWS_EPOCHS; i++) CHECK_IS(zslab_epoch_close(rows_z, rows_e[i]), ZSLAB_OK);
    e = zslab_epoch_open(rows_z, NULL);
    for (n = 0; n < sizeof p / sizeof *p && (p[n] = zslab_malloc_epoch(rows_z, 4096, e)) != NULL; n++)
        ;
    if (asleep) /* a chunk a class, and the magazines of the two rows that the owner may be in [TAKE-6] */
        left -= (size_t)ROWS_THREADS * (ROWS_CLASSES * C + 2 * (size_t)MAGAZINES);
    if (!CHECK(n * 4096 >= left)) printf("  %zu bytes of %zu\n", n * 4096, left);
    CHECK_IS(zslab_check(rows_z, NULL, NULL), ZSLAB_OK); /* counts all of it again [BUDGET-1] */
    while (n) CHECK_IS(zslab_free(rows_z, p[--n]), ZSLAB_OK);
    if (asleep) pthread_barrier_wait(&rows_turn);
    for (i = 0; asleep && i < ROWS_THREADS; i++) pthread_join(thread[i], NULL);
    pthread_barrier_destroy(&rows_turn);
    test_destroy(rows_z);
}

/* ---- at run time ---- */
static void limits_at_run_time(const test_mode *m)
{
    static void *p[1 << 12];
    zslab *z = test_open(m, NULL);
    size_t n, more;
    for (n = 0; n < 6 * C / 1024; n++) MUST(p[n] = zslab_malloc(z, 1024));
    CHECK_IS(zslab_set_limits(z, 0, charged(z)), ZSLAB_OK);
    for (; n < 7 * C / 1024 && (p[n] = zslab_malloc(z, 1024)) != NULL; n++)
        ; /* what the chunks at hand have */
    CHECK_FAILS(zslab_malloc(z, 1024), ZSLAB_E_LIMIT);
    CHECK_IS(zslab_set_limits(z, 0, 1), ZSLAB_OK);
    CHECK(stats(z).limit_bytes == 1);
    CHECK_IS(zslab_free(z, p[--n]), ZSLAB_OK);
    MUST(p[n] = zslab_malloc(z, 1024)); /* needs no memory that is not there */
    n++;
    CHECK_FAILS(zslab_malloc(z, C + 1), ZSLAB_E_LIMIT);
    while (n > 64) CHECK_IS(zslab_free(z, p[--n]), ZSLAB_OK);
    CHECK_IS(zslab_set_limits(z, 0, charged(z) + 4 * C), ZSLAB_OK);
    for (more = n; (p[more] = zslab_malloc(z, 1024)) != NULL && more < 40 * C / 1024; more++)
        ;
    CHECK(more >= n + 4 * (C / 1024) && more <= n + 16 * (C / 1024));
    CHECK_IS(zslab_set_limits(z, 0, 0), ZSLAB_OK);
    CHECK(stats(z).limit_bytes == 0);
    CHECK(m->in_buffer || zslab_malloc(z, 1024) != NULL);
    test_destroy(z);
}

/* Two threads take and give at the edge while a third moves the limit: counted bytes are never beyond the higher one,
   and what was counted goes again. */
#define LOW (20 * C + 300000)
#define HIGH (30 * C + 300000)
static uint32_t edge_stop;
static void *at_the_edge(void *arg)
{
    zslab *z = (zslab *)arg;
    void *p[60];
    int n, round;
    for (round = 0; round < 400; round++) {
        for (n = 0; n < 60 && (p[n] = zslab_malloc(z, C / 2 + 1)) != NULL; n++)
            CHECK(zs__load_ptr(&zs__own(z)->charged_bytes) <= HIGH);
        while (n) CHECK_IS(zslab_free(z, p[--n]), ZSLAB_OK);
    }
    zs__add_u32(&edge_stop, 1);
    return NULL;
}

static void two_at_the_edge(void)
{
    zslab_config c = {0};
    pthread_t t[2];
    zslab *z;
    int i;
    c.limit_bytes = HIGH;
    c.reclaim = ZSLAB_RECLAIM_RSS;
    z = test_create(&c);
    edge_stop = 0;
    for (i = 0; i < 2; i++) pthread_create(&t[i], NULL, at_the_edge, z);
    for (i = 0; zs__load_u32(&edge_stop) < 2; i++) {
        zslab_set_limits(z, 0, i & 1 ? HIGH : LOW);
        sched_yield();
    }
    for (i = 0; i < 2; i++) pthread_join(t[i], NULL);
    zslab_trim(z);
    CHECK_IS(zslab_check(z, NULL, NULL), ZSLAB_OK);
    test_destroy(z);
}

/* ---- a buffer's room ---- */
enum { ROOM_THREADS = 3, ROOM_EPOCHS = 8, ROOM_HANDLES = 5000 };
static zslab *room_z;
static zslab_epoch room_e[ROOM_EPOCHS];
static pthread_barrier_t room_turn;
static void *in_every_epoch(void *unused)
{
    int i;
    for (i = 0; i < ROOM_EPOCHS; i++) CHECK(zslab_malloc_epoch(room_z, 64, room_e[i]) != NULL);
    pthread_barrier_wait(&room_turn); /* all of them are there at once */
    return unused;
}

/* As many threads in as many epochs, and as many handles, as the configuration says: beside them the smallest buffer
   needs the chunks that objects take, no more. */
static void a_buffer_keeps_room(uint32_t flags)
{
    zslab_config c = {0};
    const size_t each = 100, chunks = (ROOM_THREADS + 1) * ROOM_EPOCHS + ROOM_HANDLES / (C / 112) + 2;
    zslab_config less = c;
    pthread_t t[ROOM_THREADS];
    void *buffer;
    int i;
    c.epoch_count = ROOM_EPOCHS;
    c.flags = flags;
    less = c;
    c.thread_count = ROOM_THREADS + 1;
    c.handle_count = ROOM_HANDLES;
    CHECK(zslab_buffer_bytes_min(&c) > zslab_buffer_bytes_min(&less));
    c.memory_bytes = zslab_buffer_bytes_min(&c) + chunks * (C + C / 5); /* a chunk has metadata of its own */
    MUST(buffer = c.memory = malloc(c.memory_bytes));
    room_z = test_create(&c);
    room_e[0] = zslab_epoch_current(room_z);
    for (i = 1; i < ROOM_EPOCHS; i++) MUST(room_e[i] = zslab_epoch_open(room_z, NULL));
    for (i = 0; i < ROOM_HANDLES; i++) CHECK(zslab_handle_alloc(room_z, each, room_e[0], NULL) != 0);
    pthread_barrier_init(&room_turn, NULL, ROOM_THREADS);
    for (i = 0; i < ROOM_THREADS; i++) pthread_create(&t[i], NULL, in_every_epoch, NULL);
    for (i = 0; i < ROOM_THREADS; i++) pthread_join(t[i], NULL);
    for (i = 0; i < ROOM_EPOCHS; i++) CHECK(zslab_malloc_epoch(room_z, 64, room_e[i]) != NULL);
    CHECK_IS(zslab_check(room_z, NULL, NULL), ZSLAB_OK);
    test_destroy(room_z);
    free(buffer);
    c.thread_count = 65534;
    CHECK(zslab_buffer_bytes_min(&c) == 0);
    c.thread_count = 1, c.handle_count = (1u << 28) + 1;
    CHECK(zslab_buffer_bytes_min(&c) == 0);
}

/* ---- on_pressure ---- */
static zslab *told_z;
static int told, told_free;
static size_t told_bytes, told_limit;
static void pressure(void *user, zslab *z, zslab_group *group, size_t bytes, size_t limit)
{
    CHECK(user == &told && z == told_z && !group && bytes > limit);
    told++;
    told_bytes = bytes;
    told_limit = limit;
    if (told_free) { /* no lock is held: any call may be made */
        void *p = zslab_malloc(z, 100);
        CHECK(p && zslab_free(z, p) == ZSLAB_OK);
        CHECK_IS(zslab_epoch_release(z, zslab_epoch_open(z, "pressed")), ZSLAB_OK);
        zslab_trim(z);
    }
}

/* Up and down over the soft limit: each time up is told once, by every kind of call, and a time down never.
   [BUDGET-2] */
static void each_crossing_once(const test_mode *m)
{
    static const char *const ways[] = {"malloc", "calloc", "realloc", "aligned", "handle", "epoch", "heap", "reserve"};
    zslab_config c = {0};
    zslab_heap *heap;
    int way, i, before;
    c.on_pressure = pressure;
    c.pressure_user = &told;
    c.cache_bytes = ZSLAB_CACHE_NONE;
    told_z = test_open(m, &c);
    MUST(heap = zslab_heap_create(told_z));
    told = 0;
    for (way = 0; way < 8; way++)
        for (i = 0; i < 20; i++) {
            zslab_epoch e = zslab_epoch_open(told_z, NULL);
            void *p = NULL, *q = zslab_malloc_epoch(told_z, C + 1, e);
            zslab_handle h;
            test_at("%s, %d", ways[way], i);
            MUST(q);
            zslab_heap_free(heap, zslab_heap_malloc(heap, 64));
            CHECK_IS(zslab_set_limits(told_z, charged(told_z) + C / 2, 0), ZSLAB_OK);
            told_free = i & 1;
            before = told;
            switch (way) {
            case 0:
                p = zslab_malloc(told_z, 3 * C);
                break;
            case 1:
                p = zslab_calloc(told_z, 3, C);
                break;
            case 2:
                p = zslab_realloc(told_z, q, 5 * C);
                break;
            case 3:
                p = zslab_aligned_alloc(told_z, 2 * C, 3 * C);
                break;
            case 4:
                h = zslab_handle_alloc(told_z, 3 * C, e, &p);
                CHECK(h);
                break;
            case 5:
                p = zslab_malloc_epoch(told_z, 3 * C, e);
                break;
            case 6:
                p = zslab_heap_malloc_epoch(heap, 3 * C, e);
                break;
            default:
                CHECK_IS(zslab_reserve(told_z, 3 * C, 1), ZSLAB_OK);
            }
            CHECK(way == 7 || p != NULL);
            CHECK(told == before + 1 || m->in_buffer); /* a buffer's free space stays counted */
            if (told != before) CHECK(told_limit == stats(told_z).soft_limit_bytes && told_bytes > told_limit);
            if (way < 2 || way == 3) CHECK_IS(zslab_free(told_z, p), ZSLAB_OK);
            CHECK_IS(zslab_epoch_release(told_z, e), ZSLAB_OK);
            before = told;
            zslab_trim(told_z);
            CHECK(told == before);
        }
    test_at("%s", "");
    CHECK(stats(told_z).soft_crossings >= (uint64_t)told);
    zslab_heap_destroy(heap);
    test_destroy(told_z);
}

/* ---- on_dry ---- */
static int dry_count;
static zslab_result dry_what;
static size_t dry_size;
static zslab_epoch dry_epoch;
static void dry(void *user, zslab *z, size_t size, zslab_epoch e, zslab_result what)
{
    CHECK(user == &dry_count);
    CHECK_FAILS(zslab_malloc(z, 0), ZSLAB_E_INVALID); /* the caller's reason stays */
    dry_count++;
    dry_what = what;
    dry_size = size;
    dry_epoch = e;
}

static void first_refusal_once(const test_mode *m)
{
    static void *p[1 << 14];
    zslab_config c = {0};
    zslab *z;
    zslab_epoch e;
    size_t n;
    int round;
    c.on_dry = dry;
    c.dry_user = &dry_count;
    z = test_open(m, &c);
    MUST(e = zslab_epoch_open(z, NULL));
    test_limit_chunks(z, 4);
    dry_count = 0;
    for (round = 0; round < 5; round++) {
        for (n = 0; n < 1 << 14 && (p[n] = zslab_malloc_epoch(z, 500, e)) != NULL; n++)
            ;
        CHECK(zslab_last_error() == ZSLAB_E_LIMIT || m->in_buffer);
        CHECK(dry_count == 2 * round + 1 && dry_what == zslab_last_error() && dry_size == 500 && dry_epoch == e);
        CHECK(!zslab_malloc_epoch(z, 500, e) && !zslab_malloc_epoch(z, 501, e) && !zslab_malloc(z, 3 * C));
        CHECK(!zslab_handle_alloc(z, 500, e, NULL));
        CHECK(dry_count == 2 * round + 1);
        CHECK_IS(zslab_free(z, p[--n]), ZSLAB_OK);
        MUST((p[n++] = zslab_malloc_epoch(z, 500, e)) != NULL); /* a success, by whatever path */
        CHECK(!zslab_malloc_epoch(z, 500, e) && dry_count == 2 * round + 2);
        CHECK(!zslab_malloc_epoch(z, 0, e) && dry_count == 2 * round + 2);
        while (n) CHECK_IS(zslab_free(z, p[--n]), ZSLAB_OK);
        MUST((p[0] = zslab_malloc_epoch(z, 500, e)) != NULL);
        CHECK_IS(zslab_free(z, p[0]), ZSLAB_OK);
    }
    test_destroy(z);
}

static void each(void (*test)(const test_mode *))
{
    TEST_EACH_MODE(m)
    test(m);
}

int main(void)
{
    int how;
    what_the_process_pays();
    each(never_more_than_the_limit);
    for (how = 0; how < 8; how++)
        ended_epochs_leave_room(how & 1, how & 2 ? ZSLAB_RECLAIM_RSS : ZSLAB_RECLAIM_LATENCY, how >> 2);
    each(limits_at_run_time);
    two_at_the_edge();
    a_buffer_keeps_room(0);
    a_buffer_keeps_room(ZSLAB_FLAG_SHARED);
    each(each_crossing_once);
    each(first_refusal_once);
    return test_summary("test_budget");
}
