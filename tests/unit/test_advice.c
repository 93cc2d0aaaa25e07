/* Sizes asked for, remembered; the best table of size classes for them, against every other table and against a
   plainer computation; the same table put to use. */
#include "tests/lib/test.h"

enum { STEPS = 4097 }; /* what a class may end at: 8, 16, 32, 48 ... 65536 */
static uint64_t requests[STEPS];

static uint32_t top_of(uint32_t step) { return step ? 16 * step : 8; }

static zslab *sampling(uint32_t every, size_t largest)
{
    static uint32_t table[1];
    zslab_config c = {0};
    c.sample_every = every;
    table[0] = (uint32_t)largest;
    if (largest) {
        c.class_bytes = table;
        c.class_count = 1;
    }
    return test_create(&c);
}

/* As if so many requests of each step had been made. */
static void remember(zslab *z)
{
    uint32_t step;
    for (step = 0; step < z->samples->steps; step++) z->samples->count[step] = requests[step];
}

/* Bytes of the slots that a table gives the requests; no class for one of them: the largest number. */
static uint64_t bytes_with(const uint32_t *table, size_t count)
{
    uint64_t sum = 0;
    size_t cls = 0;
    uint32_t step;
    for (step = 0; step < STEPS; step++) {
        while (cls < count && table[cls] < top_of(step)) cls++;
        if (requests[step] && cls == count) return UINT64_MAX;
        sum += requests[step] ? requests[step] * table[cls] : 0;
    }
    return sum;
}

/* The least of all tables of at most `most` classes whose ends were asked for. */
static uint64_t brute(size_t most)
{
    uint32_t ends[20], table[20], step, sizes = 0, set, i;
    uint64_t least = UINT64_MAX, bytes;
    for (step = 0; step < STEPS; step++)
        if (requests[step]) ends[sizes++] = top_of(step);
    for (set = 1; set < 1u << sizes; set++) {
        size_t count = 0;
        for (i = 0; i < sizes; i++)
            if (set >> i & 1) table[count++] = ends[i];
        if (count <= most && (bytes = bytes_with(table, count)) < least) least = bytes;
    }
    return least;
}

/* The same for many sizes: row by row, every way to split, nothing clever. [ADVICE-1] [ADVICE-2] */
static uint64_t slow(size_t most)
{
    static uint64_t sum[STEPS + 1], least[2][STEPS + 1];
    static uint32_t ends[STEPS];
    uint32_t step, sizes = 0, i, j;
    size_t k;
    for (step = 0; step < STEPS; step++)
        if (requests[step]) {
            ends[sizes] = top_of(step);
            sum[sizes + 1] = sum[sizes] + requests[step];
            sizes++;
        }
    for (j = 1; j <= sizes; j++) least[0][j] = ends[j - 1] * sum[j];
    for (k = 2; k <= most; k++) {
        memcpy(least[1], least[0], sizeof least[0]); /* fewer classes may do */
        for (j = 1; j <= sizes; j++)
            for (i = 1; i < j; i++)
                if (least[1][i] + ends[j - 1] * (sum[j] - sum[i]) < least[0][j])
                    least[0][j] = least[1][i] + ends[j - 1] * (sum[j] - sum[i]);
    }
    return least[0][sizes];
}

static size_t suggested(const zslab *z, size_t most, uint32_t *table) /* checked to be a table */
{
    size_t count = zslab_suggest_classes(z, table, most), i;
    uint64_t told = 0;
    CHECK(count > 0 && count <= most && count <= 255);
    CHECK(!zs__class_table_refusal(table, count));
    CHECK(zs__advise(z, table, most, &told) == count && told == bytes_with(table, count));
    for (i = count; i < most; i++) CHECK(table[i] == 0xabababab);
    return count;
}

static void best_of_few(int rounds)
{
    zslab *z = sampling(1, 4096);
    uint64_t seed = 3;
    uint32_t table[16];
    while (rounds--) {
        size_t most = 1 + (size_t)(test_random(&seed) % 9), sizes = 1 + (size_t)(test_random(&seed) % 11), i, count;
        memset(requests, 0, sizeof requests);
        for (i = 0; i < sizes; i++) /* many alike, some frequent: ties and lopsided ones */
            requests[test_random(&seed) % (test_random(&seed) & 1 ? 20 : 257)] +=
                test_random(&seed) & 1 ? 1 : test_random(&seed) % 1000;
        requests[test_random(&seed) % 257] += 1;
        remember(z);
        memset(table, 0xab, sizeof table);
        count = suggested(z, most, table);
        test_at("round %d: %zu classes", rounds, most);
        CHECK(bytes_with(table, count) == brute(most));
        test_at("%s", "");
    }
    test_destroy(z);
}

static void best_of_many(uint32_t steps, size_t most)
{
    zslab *z = sampling(1, top_of(steps - 1));
    uint64_t seed = steps;
    uint32_t table[255], i;
    memset(requests, 0, sizeof requests);
    for (i = 0; i < steps; i++) requests[i] = test_random(&seed) % 3 ? test_random(&seed) % 1000 * (steps - i) : 0;
    requests[steps - 1] = 1;
    remember(z);
    memset(table, 0xab, sizeof table);
    size_t count = suggested(z, most, table);
    CHECK(count == most && bytes_with(table, count) == slow(most));
    test_destroy(z);
}

static void limits(void)
{
    zslab *z = sampling(1, 65536 < ZS__CHUNK_BYTES ? 65536 : ZS__CHUNK_BYTES);
    uint32_t table[300], i;
    CHECK(zslab_suggest_classes(z, table, 300) == 0); /* nothing was asked for */
    memset(requests, 0, sizeof requests);
    for (i = 0; i < z->samples->steps; i++) requests[i] = UINT64_C(1) << 33; /* sums stay below 2^64 */
    remember(z);
    CHECK(zslab_suggest_classes(z, table, 0) == 0);
    CHECK(zslab_suggest_classes(z, NULL, 10) == 0);
    memset(table, 0xab, sizeof table);
    CHECK(suggested(z, 300, table) == (z->samples->steps < 255 ? z->samples->steps : 255));
    memset(table, 0xab, sizeof table);
    CHECK(suggested(z, 1, table) == 1 && table[0] == top_of(z->samples->steps - 1));
    test_destroy(z);
    z = test_create(NULL); /* it is off by default */
    MUST(zslab_malloc(z, 100));
    CHECK(zslab_suggest_classes(z, table, 300) == 0);
    CHECK(ZSLAB_NO_TLS || !z->always_slow);
    test_destroy(z);
}

/* ---- what is remembered ---- */

static zslab_global_stats global(const zslab *z)
{
    zslab_global_stats g;
    zslab_stats_global(z, &g);
    return g;
}

static void *ask_elsewhere(void *z)
{
    CHECK(zslab_malloc((zslab *)z, 500) != NULL);
    return NULL;
}

/* Every way to ask, once; what is refused for its size, not. */
static void every_request(const test_mode *m)
{
    zslab_config c = {0};
    void *p[3], *q;
    c.sample_every = 1;
    zslab *z = test_open(m, &c);
    zslab_heap *heap = zslab_heap_create(z);
    zslab_epoch e = zslab_epoch_open(z, NULL);
    zslab_domain *d = zslab_domain_wrap(z, e, ZSLAB_ON_EXIT_KEEP);
    MUST((q = zslab_malloc(z, 1)) && zslab_malloc_epoch(z, 9, e) && zslab_calloc(z, 3, 7));
    MUST(zslab_malloc_batch(z, 33, 3, p) == 3);
    MUST(zslab_heap_malloc(heap, 100) && zslab_heap_malloc_epoch(heap, 101, e));
    MUST(zslab_handle_alloc(z, 200, e, NULL) && zslab_heap_handle_alloc(heap, 201, e, NULL));
    MUST(zslab_realloc(z, q, 300));
    test_in_thread(ask_elsewhere, z);
    MUST(d && zslab_domain_enter(d) == ZSLAB_OK && zslab_malloc(z, 600));
    CHECK_IS(zslab_domain_exit(d), ZSLAB_OK);
    MUST(zslab_domain_enter(d) == ZSLAB_OK && zslab_malloc(z, 700)); /* the row is there now */
    CHECK_IS(zslab_domain_exit(d), ZSLAB_OK);
    CHECK(!zslab_malloc(z, SIZE_MAX / 2) && !zslab_malloc(z, 0) && !zslab_handle_alloc(z, SIZE_MAX / 2, e, NULL));
    zslab_global_stats g = global(z);
    CHECK(g.sampled_requests == 14);
    CHECK(g.sampled_request_bytes == 1 + 9 + 21 + 3 * 33 + 100 + 101 + 200 + 201 + 300 + 500 + 600 + 700);
    CHECK(g.sampled_slot_bytes == 8 + 16 + 32 + 3 * 48 + 2 * 112 + 2 * 224 + 320 + 512 + 640 + 768);
    CHECK(z->samples->count[zs__sample_step(33)] == 3 && z->samples->count[zs__sample_step(48)] == 3);
    zslab_heap_destroy(heap);
    test_destroy(z);
}

/* One in so many: about that many, of each size alike, also when the program's period is the same. */
static void some_requests(void)
{
    zslab *z = sampling(10, 0);
    size_t i, one;
    for (i = 0; i < 100000; i++) /* always the same picks */
        CHECK_IS(zslab_free(z, zslab_malloc(z, 16 * (1 + i % 10))), ZSLAB_OK);
    CHECK(global(z).sampled_requests > 9500 && global(z).sampled_requests < 10500);
    for (i = 0; i < 10; i++) {
        one = (size_t)z->samples->count[zs__sample_step(16 * (1 + i))];
        CHECK(one > 850 && one < 1150);
    }
    test_destroy(z);
}

/* The advice followed: the same requests again with that table take what was said. */
static uint64_t ask(zslab *z)
{
    uint64_t seed = 21;
    int i;
    for (i = 0; i < 20000; i++) {
        uint64_t r = test_random(&seed);
        size_t size = (size_t)(r & 3 ? 40 + (r >> 8) % 30 : r & 4 ? 520 : 1 + (r >> 8) % 8000);
        MUST(zslab_malloc(z, size));
    }
    return global(z).sampled_slot_bytes;
}

static void followed(void)
{
    zslab *z = sampling(1, 0);
    zslab_config c = {0};
    uint32_t table[33];
    uint64_t told, before = ask(z);
    size_t count = zs__advise(z, table, z->class_count, &told), i, length;
    char text[40], json[1 << 16];
    CHECK(count == 33 && told < before);
    MUST(zslab_stats_json(z, json, sizeof json) < sizeof json);
    length = (size_t)snprintf(text, sizeof text, "\"suggested_class_bytes\": [%u, %u, ", table[0], table[1]);
    CHECK(strstr(json, text) != NULL && length < sizeof text);
    snprintf(text, sizeof text, "\"suggested_slot_bytes\": %llu,", (unsigned long long)told);
    CHECK(strstr(json, text) != NULL);
    snprintf(text, sizeof text, "\"samples\": {\"requests\": 20000,");
    CHECK(strstr(json, text) != NULL);
    test_destroy(z);
    c.sample_every = 1;
    c.class_bytes = table;
    c.class_count = count;
    z = test_create(&c);
    CHECK(ask(z) == told);
    for (i = 0; i < count; i++) CHECK(zslab_size_class_bytes(z, i) == table[i]);
    test_destroy(z);
    z = test_create(NULL); /* nothing of it without samples */
    MUST(zslab_stats_json(z, json, sizeof json) < sizeof json && zslab_malloc(z, 8));
    CHECK(!strstr(json, "\"samples\""));
    test_destroy(z);
}

int main(int argc, char **argv)
{
    best_of_few((int)test_amount(argc, argv, 1000));
    best_of_many(STEPS / 8 + 1, 33);
    if (ZS__CHUNK_BYTES >= 65536) best_of_many(TEST_SLOWED ? STEPS / 8 : STEPS, TEST_SLOWED ? 20 : 60);
    limits();
    TEST_EACH_MODE(m)
    every_request(m);
    some_requests();
    followed();
    return test_summary("test_advice");
}
