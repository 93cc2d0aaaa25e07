/* Pools whose memory is the program's, or comes in pieces; and every pool of the process in the texts of statistics. */
#define ZSLAB_IMPLEMENTATION
#include "zslab.h"
#include "tests/lib/pool_check.h"
#include <pthread.h>

/* ---- the program's hooks ---- */
static struct {
    int left; /* calls until one is refused; negative: none is */
    int reserves, commits, releases;
    size_t committed;
    char *block;
} os;

static void *os_reserve(void *user, size_t bytes, size_t alignment)
{
    CHECK(user == &os);
    if (os.left-- == 0) return NULL;
    os.reserves++;
    return os.block = (char *)zs__os_reserve(NULL, bytes, alignment);
}

static int os_commit(void *user, void *p, size_t bytes)
{
    CHECK(user == &os && bytes % zs__os_page_bytes() == 0);
    if (os.left-- == 0) return -1;
    os.commits++;
    os.committed += bytes;
    return zs__os_commit(NULL, p, bytes);
}

static int os_purge(void *user, void *p, size_t bytes)
{
    (void)user, (void)p, (void)bytes;
    CHECK(!"a pool purges nothing");
    return -1;
}

static void os_release(void *user, void *p, size_t bytes)
{
    CHECK(user == &os && p == os.block);
    os.releases++;
    zs__os_release(NULL, p, bytes);
}

static zslab_pool_config hooked(size_t slot_bytes, size_t slot_count, size_t grow_count)
{
    zslab_pool_config c = pool_config(slot_bytes, slot_count);
    memset(&os, 0, sizeof os);
    os.left = -1;
    c.grow_count = grow_count;
    c.os.reserve = os_reserve, c.os.commit = os_commit, c.os.purge = os_purge, c.os.release = os_release;
    c.os.user = &os;
    return c;
}

static void *drop(void *remote)
{
    zslab_remote_drop((zslab_remote *)remote);
    return NULL;
}

/* The block comes and goes by the hooks; it goes when the last remote does, on that one's thread. */
static void memory_by_hooks(void)
{
    zslab_pool_config c = hooked(64, 100, 0);
    zslab_pool *p = pool_make(&c);
    zslab_remote *r = zslab_pool_remote(p);
    pthread_t t;
    void *slot[100];
    CHECK(os.reserves == 1 && os.commits == 2 && os.releases == 0);
    pool_take(p, slot, 100);
    CHECK(zslab_pool_alloc(p) == NULL && zslab_last_error() == ZSLAB_E_FULL);
    CHECK(pool_stats(p).usable_bytes == pool_stats(p).capacity_bytes && pool_stats(p).growths == 0);
    CHECK_EQ(zslab_remote_free(r, slot[5]), ZSLAB_OK);
    zslab_pool_destroy(p);
    CHECK_EQ(os.releases, 0);
    CHECK_EQ(zslab_remote_try_free(r, slot[6]), ZSLAB_E_CLOSED);
    CHECK(pthread_create(&t, NULL, drop, r) == 0 && pthread_join(t, NULL) == 0);
    CHECK(os.releases == 1 && os.commits == 2);
}

/* Each call refused in turn: no pool, and what was reserved is released. */
static void hooks_refuse(void)
{
    int n;
    for (n = 0; n < 3; n++) {
        zslab_pool_config c = hooked(64, 100, 0);
        os.left = n;
        CHECK(zslab_pool_create(&c) == NULL && zslab_last_error() == ZSLAB_E_NOMEM);
        CHECK(os.reserves == os.releases && os.reserves == (n > 0));
    }
}

static void wrong_configurations(void)
{
    static char buffer[20000];
    char why[100];
    zslab_pool_config c = hooked(64, 100, 0);
    c.os.purge = NULL;
    CHECK(zslab_pool_create(&c) == NULL && zslab_last_error() == ZSLAB_E_INVALID);
    zslab_config_error(why, sizeof why);
    CHECK(!strncmp(why, "os:", 3));
    c = hooked(64, 100, 0);
    c.memory = buffer, c.memory_bytes = sizeof buffer;
    CHECK(zslab_pool_create(&c) == NULL && zslab_last_error() == ZSLAB_E_INVALID);
    CHECK(zslab_pool_bytes(&c) != 0); /* it looks at neither */
    memset(&c.os, 0, sizeof c.os);
    c.grow_count = 10;
    CHECK(zslab_pool_create(&c) == NULL && zslab_last_error() == ZSLAB_E_INVALID);
    zslab_config_error(why, sizeof why);
    CHECK(!strncmp(why, "memory:", 7));
    c.grow_count = 0;
    zslab_pool_destroy(pool_make(&c));
}

/* ---- growth ---- */

/* Slots get memory by the piece and keep their places; a piece that is refused is asked for again. */
static void grows_by_pieces(size_t slot_bytes, size_t count, size_t grow)
{
    const size_t page = zs__os_page_bytes();
    zslab_pool_config c = hooked(slot_bytes, count, grow);
    zslab_pool *p = pool_make(&c);
    char **slot = (char **)calloc(count, sizeof *slot), *base = (char *)pool_stats(p).base;
    size_t i, metadata = os.committed - (grow * slot_bytes + page - 1) / page * page;
    uint64_t growths = 0;
    CHECK(slot != NULL);
    for (i = 0; i < count; i++) {
        if (i && i % grow == 0) {
            size_t before = os.committed;
            os.left = 0; /* refused, if there is a page more to it */
            slot[i] = (char *)zslab_pool_alloc(p);
            CHECK(slot[i] || (zslab_last_error() == ZSLAB_E_NOMEM && os.committed == before));
            CHECK_EQ(zslab_pool_free(p, base + i * slot_bytes), slot[i] ? ZSLAB_OK : ZSLAB_E_DOUBLE_FREE);
            os.left = -1;
            growths++;
        }
        slot[i] = (char *)zslab_pool_alloc(p);
        CHECK(slot[i] == base + i * slot_bytes);
        memset(slot[i], (int)i, slot_bytes);
        CHECK_EQ(pool_stats(p).growths, growths);
        CHECK_EQ(pool_stats(p).usable_bytes,
                 (i / grow + 1) * grow < count ? (i / grow + 1) * grow * slot_bytes : count * slot_bytes);
        CHECK_EQ(os.committed - metadata, (pool_stats(p).usable_bytes + page - 1) / page * page);
    }
    CHECK(zslab_pool_alloc(p) == NULL && zslab_last_error() == ZSLAB_E_FULL);
    for (i = 0; i < count; i++) {
        CHECK(*slot[i] == (char)i && slot[i][slot_bytes - 1] == (char)i);
        CHECK_EQ(zslab_pool_free(p, slot[i]), ZSLAB_OK);
        CHECK_EQ(zslab_pool_free(p, slot[i]), ZSLAB_E_DOUBLE_FREE);
    }
    for (i = 0; i < count; i++)
        CHECK(zslab_pool_alloc(p) == slot[count - 1 - i]); /* the newest first, and no memory more */
    CHECK_EQ(pool_stats(p).growths, growths);
    CHECK_EQ(pool_stats(p).high_water, count);
    zslab_pool_destroy(p);
    CHECK(os.reserves == 1 && os.releases == 1);
    free(slot);
}

/* A pool that may not grow serves from its fallback meanwhile. */
static void *other_alloc(void *user, size_t bytes, size_t alignment)
{
    (void)user, (void)alignment;
    return malloc(bytes);
}
static void other_free(void *user, void *p)
{
    (void)user;
    free(p);
}
static void fallback_while_refused(void)
{
    zslab_pool_config c = hooked(4096, 64, 16);
    zslab_pool *p;
    void *slot[16], *other, *more;
    c.fallback.alloc = other_alloc, c.fallback.free = other_free;
    p = pool_make(&c);
    pool_take(p, slot, 16);
    os.left = 0;
    other = zslab_pool_alloc(p);
    CHECK(other && !zslab_pool_owns(p, other));
    os.left = -1;
    more = zslab_pool_alloc(p);
    CHECK(zslab_pool_owns(p, more) && pool_stats(p).fallbacks == 1 && pool_stats(p).growths == 1);
    CHECK_EQ(zslab_pool_free(p, other), ZSLAB_OK);
    zslab_pool_destroy(p);
}

/* Two threads give slots back while the owner grows and takes: none is lost, none is out twice. */
enum { SHARED_SLOTS = 4000, PASSED = 64, ROUNDS = 60000 };
static void *passed[PASSED]; /* exchanged */
static int passing;          /* atomic */
static void *give_back(void *remote)
{
    uint64_t seed = 77;
    size_t refused = 0;
    while (__atomic_load_n(&passing, __ATOMIC_ACQUIRE)) {
        void *slot = __atomic_exchange_n(&passed[random_next(&seed) % PASSED], NULL, __ATOMIC_ACQ_REL);
        if (!slot) {
            zs__os_yield();
            continue;
        }
        CHECK(*(void **)slot == slot);
        *(void **)slot = NULL;
        if (zslab_remote_try_free((zslab_remote *)remote, slot) == ZSLAB_OK) continue;
        refused++;
        *(void **)slot = slot;
        CHECK_EQ(zslab_remote_free((zslab_remote *)remote, slot), ZSLAB_OK);
    }
    zslab_remote_drop((zslab_remote *)remote);
    return NULL;
}

static void grows_while_remotes_give_back(void)
{
    zslab_pool_config c = hooked(1024, SHARED_SLOTS, 32);
    zslab_pool *p;
    pthread_t t[2];
    uint64_t seed = 5;
    size_t i, kept = 0;
    c.queue_capacity = 16;
    p = pool_make(&c);
    passing = 1;
    for (i = 0; i < 2; i++) CHECK(pthread_create(&t[i], NULL, give_back, zslab_pool_remote(p)) == 0);
    for (i = 0; i < ROUNDS; i++) {
        void **slot = (void **)zslab_pool_alloc(p), *was;
        CHECK(slot != NULL);
        *slot = slot;
        if (kept < SHARED_SLOTS - PASSED - 100 && i % 16 == 0) {
            kept++; /* for good: the pool has to grow */
            continue;
        }
        was = __atomic_exchange_n(&passed[random_next(&seed) % PASSED], slot, __ATOMIC_ACQ_REL);
        if (was) CHECK_EQ(zslab_pool_free(p, was), ZSLAB_OK);
    }
    __atomic_store_n(&passing, 0, __ATOMIC_RELEASE);
    zslab_pool_drain(p);
    for (i = 0; i < 2; i++) {
        while (zslab_pool_drain(p)) {
        }
        pthread_join(t[i], NULL);
    }
    zslab_pool_drain(p);
    for (i = 0; i < PASSED; i++) {
        CHECK_EQ(zslab_pool_free(p, passed[i]), ZSLAB_OK);
        passed[i] = NULL;
    }
    CHECK_EQ(pool_stats(p).live, kept);
    CHECK(pool_stats(p).growths >= (kept - 1) / 32 && pool_stats(p).corruption_events == 0);
    CHECK_EQ(pool_stats(p).growths, (uint64_t)os.commits - 2);
    zslab_pool_destroy(p);
    CHECK_EQ(os.releases, 1);
}

/* ---- texts ---- */
static char text[400000];

static const char *json(const zslab *z)
{
    CHECK(zslab_stats_json(z, text, sizeof text) < sizeof text);
    return text;
}

static void every_pool_is_in_the_texts(void)
{
    zslab *z = zslab_create(NULL);
    zslab_pool_config c = pool_config(256, 1000);
    zslab_pool *p, *q;
    char line[300];
    unsigned first;
    void *slot[3];
    CHECK(z != NULL && strstr(json(z), "\"pools\"") == NULL);
    CHECK(zslab_stats_prometheus(z, text, sizeof text) < sizeof text && strstr(text, "zslab_pool_") == NULL);
    c.label = "a label of more than thirty-one bytes";
    p = pool_make(&c);
    c.label = "sessions \"x\"\\";
    c.grow_count = 100;
    q = pool_make(&c);
    first = p->number;
    pool_take(q, slot, 3);
    CHECK_EQ(zslab_pool_free(q, slot[1]), ZSLAB_OK);
    CHECK(!strcmp(pool_stats(p).label, "a label of more than thirty-one"));
    json(z);
    snprintf(line, sizeof line,
             ",\n \"pools\": [\n  {\"label\": \"sessions \\\"x\\\"\\\\\", \"pool\": %u, \"slot_bytes\": 256, "
             "\"capacity_bytes\": 256000, \"usable_bytes\": 25600, \"live\": 2, \"high_water\": 3,",
             first + 1);
    CHECK(strstr(text, line) != NULL);
    snprintf(line, sizeof line, "},\n  {\"label\": \"a label of more than thirty-one\", \"pool\": %u, ", first);
    CHECK(strstr(text, line) != NULL && !strcmp(strstr(text, "\"growths\": 0}]}"), "\"growths\": 0}]}\n"));
    CHECK(zslab_stats_prometheus(z, text, sizeof text) < sizeof text);
    snprintf(line, sizeof line, "\nzslab_pool_live{pool=\"%u\",label=\"sessions \\\"x\\\"\\\\\"} 2\n", first + 1);
    CHECK(strstr(text, line) != NULL && strstr(text, "# TYPE zslab_pool_allocs_total counter\n") != NULL);
    zslab_pool_destroy(p); /* the older one: in the middle, at the end, the last */
    snprintf(line, sizeof line, "\"pool\": %u,", first);
    CHECK(strstr(json(z), line) == NULL && strstr(text, "sessions") != NULL);
    p = pool_make(NULL);
    zslab_pool_destroy(q);
    CHECK(strstr(json(z), "sessions") == NULL && strstr(text, "\"pool\":") != NULL);
    zslab_pool_destroy(p);
    CHECK(strstr(json(z), "\"pools\"") == NULL);
    zslab_destroy(z);
}

/* Texts are taken while pools come and go. */
static void *comes_and_goes(void *unused)
{
    zslab_pool_config c = pool_config(64, 50);
    int i;
    (void)unused;
    for (i = 0; i < 2000; i++) {
        zslab_pool *p = pool_make(&c);
        CHECK(zslab_pool_free(p, zslab_pool_alloc(p)) == ZSLAB_OK);
        zslab_pool_destroy(p);
    }
    __atomic_fetch_sub(&passing, 1, __ATOMIC_RELEASE);
    return NULL;
}

static void texts_while_pools_come_and_go(void)
{
    zslab *z = zslab_create(NULL);
    pthread_t t[2];
    int i;
    passing = 2;
    for (i = 0; i < 2; i++) CHECK(pthread_create(&t[i], NULL, comes_and_goes, NULL) == 0);
    while (__atomic_load_n(&passing, __ATOMIC_ACQUIRE)) {
        json(z);
        CHECK(zslab_stats_prometheus(z, text, sizeof text) < sizeof text);
    }
    for (i = 0; i < 2; i++) pthread_join(t[i], NULL);
    CHECK(strstr(json(z), "\"pools\"") == NULL);
    zslab_destroy(z);
}

int main(void)
{
    memory_by_hooks();
    hooks_refuse();
    wrong_configurations();
    grows_by_pieces(4096, 100, 16);
    grows_by_pieces(64, 1000, 1);
    grows_by_pieces(272, 1000, 7);
    grows_by_pieces(8192, 33, 32);
    fallback_while_refused();
    grows_while_remotes_give_back();
    every_pool_is_in_the_texts();
    texts_while_pools_come_and_go();
    puts("pools: by the program's memory, piece by piece, in every text");
    return 0;
}
