/* What is used up is an answer, and all that exists goes on: thread numbers, a buffer's metadata, places for epochs;
   and damage of each kind is what zslab_check finds. */
#include "tests/lib/test.h"
#if defined(__linux__) && !TEST_SANITIZED && !TEST_EMULATED
#include <sys/resource.h>
#include "tests/lib/child.h"

/* A small machine, of its address space or of its data: the range is smaller, and most of what is left of the limit
   serves objects of any size, again and again. */
static void small_machine(int mebibytes) /* negative: of data */
{
    size_t most = (size_t)(mebibytes < 0 ? -mebibytes : mebibytes) << 20, round, bytes = 0;
    struct rlimit limit = {0, 0};
    zslab_global_stats s;
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    zslab *z;
    MUST(f && fscanf(f, "%lu", &pages) == 1 && fclose(f) == 0);
    limit.rlim_cur = limit.rlim_max = (rlim_t)(mebibytes < 0 ? most : most + pages * (size_t)sysconf(_SC_PAGESIZE));
    MUST(setrlimit(mebibytes < 0 ? RLIMIT_DATA : RLIMIT_AS, &limit) == 0);
    MUST((z = zslab_create(NULL)) != NULL);
    zslab_stats_global(z, &s);
    CHECK(mebibytes < 0 || s.range_reserved_bytes <= most / 2);
    for (round = 0; round < 3; round++) {
        void *list = NULL, *p;
        for (bytes = 0; (p = zslab_malloc(z, 100 + round * 900)) != NULL; bytes += 100 + round * 900) {
            *(void **)p = list;
            list = p;
        }
        CHECK(zslab_last_error() == ZSLAB_E_NOMEM && bytes > most * 3 / 10);
        for (; list; list = p) {
            p = *(void **)list;
            CHECK_IS(zslab_free(z, list), ZSLAB_OK);
        }
    }
    test_destroy(z);
}

/* Objects of so many bytes until one is refused; each names the one before at its begin, and ends in a mark. */
static void *fill(zslab *z, size_t size, size_t *bytes)
{
    char *list = NULL, *p;
    for (*bytes = 0; (p = (char *)zslab_malloc(z, size)) != NULL; *bytes += size) {
        *(char **)(void *)p = list;
        p[size - 1] = 'e';
        list = p;
    }
    CHECK_IS(zslab_last_error(), ZSLAB_E_NOMEM);
    return list;
}

static void *free_some(zslab *z, void *list, size_t size, unsigned of) /* one in `of`; what is left, and intact */
{
    void *left = NULL, *p;
    unsigned i;
    for (i = 0; list; list = p, i++) {
        p = *(void **)list;
        CHECK(((char *)list)[size - 1] == 'e');
        if (i % of) {
            *(void **)list = left;
            left = list;
        } else {
            CHECK_IS(zslab_free(z, list), ZSLAB_OK);
        }
    }
    return left;
}

/* Under a data limit the pages behind large objects, which no object has, serve others; and their own chunks again.
   [SPAN-5] */
static void small_data(int mebibytes)
{
    const size_t most = (size_t)mebibytes << 20, five = ZS__CHUNK_BYTES / 4 * 5 - 100, eight = ZS__CHUNK_BYTES * 2;
    const struct rlimit limit = {most, most};
    zslab_config c = {0};
    size_t had, bytes, round;
    void *list, *longer;
    zslab *z;
    if (sysconf(_SC_PAGESIZE) * 4 > (long)ZS__CHUNK_BYTES) return;
    MUST(setrlimit(RLIMIT_DATA, &limit) == 0);
    c.reserve_bytes = 2 * most;
    MUST((z = zslab_create(&c)) != NULL);
    for (round = 0; round < 2; round++) {
        list = fill(z, five, &had); /* pages of two chunks' eight */
        CHECK(had > most / 100 * 48);
        CHECK_IS(zslab_check(z, NULL, NULL), ZSLAB_OK);
        list = free_some(z, list, five, 2);
        longer = fill(z, eight, &bytes); /* the same chunks, all of their pages */
        CHECK(bytes > had / 100 * 40);
        if (round) { /* a child has what it finds */
            int status = 0;
            pid_t child = fork();
            if (child == 0) {
                free_some(z, longer, eight, 1);
                free_some(z, list, five, 1);
                free_some(z, fill(z, 1000, &bytes), 1000, 1);
                CHECK(bytes > most / 100 * 30 && zslab_check(z, NULL, NULL) == ZSLAB_OK);
                _exit(test_failed != 0);
            }
            MUST(child > 0 && waitpid(child, &status, 0) == child);
            CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        }
        free_some(z, longer, eight, 1);
        free_some(z, list, five, 1);
        CHECK_IS(zslab_check(z, NULL, NULL), ZSLAB_OK);
        free_some(z, fill(z, 1000, &bytes), 1000, 1);
        CHECK(bytes > had / 100 * 80);
    }
    test_destroy(z);
}

static void small_machines(void)
{
    int mebibytes;
    in_a_child(small_data, 96);
    for (mebibytes = 24; mebibytes <= 384; mebibytes *= 4) {
        in_a_child(small_machine, mebibytes);
        in_a_child(small_machine, -mebibytes / 2);
    }
}
#else
static void small_machines(void) {}
#endif

static uint64_t numbers[ZS__THREADS_MAX / 64];

static void take_all_numbers(void)
{
    zs__lock_take(&zs__global.lock);
    memcpy(numbers, zs__global.threads, sizeof numbers);
    memset(zs__global.threads, 0xff, sizeof numbers);
    zs__lock_drop(&zs__global.lock);
}

static void give_back_numbers(void)
{
    zs__lock_take(&zs__global.lock);
    memcpy(zs__global.threads, numbers, sizeof numbers);
    zs__lock_drop(&zs__global.lock);
}

typedef struct refused {
    zslab *z;
    zslab_domain *d;
    zslab_heap *heap;
    void *p, *with_handle, *of_heap;
    zslab_handle h;
} refused;

/* A thread without a number allocates nothing, and frees what others made; an explicit heap needs none. */
static void *without_a_number(void *arg)
{
    refused *r = (refused *)arg;
    void *out = r;
    CHECK_FAILS(zslab_malloc(r->z, 100), ZSLAB_E_LIMIT);
    CHECK_FAILS(zslab_calloc(r->z, 10, 10), ZSLAB_E_LIMIT);
    CHECK_FAILS(zslab_malloc_epoch(r->z, 100, zslab_epoch_current(r->z)), ZSLAB_E_LIMIT);
    CHECK_FAILS(zslab_realloc(r->z, r->p, 5000), ZSLAB_E_LIMIT);
    CHECK(test_filled(r->p, 100, 1));
    CHECK_FAILS(zslab_handle_alloc(r->z, 100, zslab_epoch_current(r->z), &out), ZSLAB_E_LIMIT);
    CHECK(out == NULL);
    CHECK_FAILS(zslab_handle_alloc(r->z, 100, zslab_epoch_current(r->z), NULL), ZSLAB_E_LIMIT);
    CHECK_IS(zslab_reserve(r->z, 100, 1000), ZSLAB_E_LIMIT);
    CHECK_IS(zslab_domain_enter(r->d), ZSLAB_E_LIMIT);
    CHECK(zslab_domain_current(r->z) == NULL);
    CHECK((r->of_heap = zslab_heap_malloc(r->heap, 64)) != NULL);
    CHECK_IS(zslab_free(r->z, r->p), ZSLAB_OK);
    CHECK_IS(zslab_free(r->z, r->p), ZSLAB_E_DOUBLE_FREE);
    CHECK_IS(zslab_handle_free(r->z, r->h), ZSLAB_OK);
    zslab_trim(r->z);
    zslab_thread_detach(r->z);
    return NULL;
}

static void no_thread_number(const test_mode *m)
{
    refused r;
    int i;
    r.z = test_open(m, NULL);
    MUST(r.heap = zslab_heap_create(r.z));
    MUST(r.d = zslab_domain_create(r.z));
    for (i = 0; i < 2; i++) {
        MUST(r.p = zslab_malloc(r.z, 100));
        test_fill(r.p, 100, 1);
        MUST(r.h = zslab_handle_alloc(r.z, 100, zslab_epoch_current(r.z), &r.with_handle));
        take_all_numbers();
        test_in_thread(without_a_number, &r);
        give_back_numbers();
        CHECK(test_live(r.z) == 1);
        CHECK_IS(zslab_heap_free(r.heap, r.of_heap), ZSLAB_OK);
    }
    zslab_heap_destroy(r.heap);
    CHECK_IS(zslab_domain_destroy(r.d), ZSLAB_OK);
    CHECK(test_live(r.z) == 0);
    test_destroy(r.z);
}

/* A buffer's table of threads is short: one with a number past its end has its heap looked for, and found. */
static void *past_the_table(void *arg)
{
    zslab **z = (zslab **)arg;
    int i;
    for (i = 0; i < 200; i++) {
        void *p = zslab_malloc(z[i % 2], 64), *q = zslab_malloc(z[(i + 1) % 2], 64);
        CHECK(p && q);
        CHECK_IS(zslab_free(z[i % 2], p), ZSLAB_OK);
        CHECK_IS(zslab_free(z[i % 2], q), ZSLAB_E_FOREIGN);
        CHECK_IS(zslab_free(z[(i + 1) % 2], q), ZSLAB_OK);
    }
#if !ZSLAB_NO_TLS
    CHECK(zs__tls()->thread >= z[0]->heap_of_count);
#endif
    return NULL;
}

static void a_high_thread_number(const test_mode *m)
{
    zslab_config c = {0};
    zslab *z[2];
    int i;
    z[0] = test_open(m, NULL);
    c.memory_bytes = TEST_BUFFER_BYTES;
    MUST(c.memory = malloc(c.memory_bytes));
    z[1] = test_create(&c);
    CHECK(z[0]->heap_of_count == 64);
    zs__lock_take(&zs__global.lock);
    numbers[0] = zs__global.threads[0];
    zs__global.threads[0] = ~(uint64_t)0;
    zs__lock_drop(&zs__global.lock);
    for (i = 0; i < 3; i++) {
        test_in_thread(past_the_table, z);
        CHECK(z[0]->heap_count == 1 && z[1]->heap_count == 1); /* the next one takes over what the last one left */
    }
    zs__lock_take(&zs__global.lock);
    zs__global.threads[0] = numbers[0];
    zs__lock_drop(&zs__global.lock);
    test_destroy(z[0]);
    test_destroy(z[1]);
    free(c.memory);
}

/* Heaps and domains until a buffer has no more room for them: what is there goes on. */
static void no_metadata(const test_mode *m)
{
    enum { MOST = 5000 };
    static zslab_heap *heap[MOST];
    static zslab_domain *domain[MOST];
    zslab_config c = {0};
    size_t heaps = 0, domains = 0, i, bytes;
    void *memory, *p;
    zslab *z;
    c.flags = m->flags;
    c.epoch_count = 4;
    bytes = zslab_buffer_bytes_min(&c) + 3 * ZS__CHUNK_BYTES;
    MUST(memory = malloc(bytes));
    c.memory = memory;
    c.memory_bytes = bytes;
    z = test_create(&c);
    MUST(p = zslab_malloc(z, 100));
    while (!z->shared && heaps < MOST && (heap[heaps] = zslab_heap_create(z)) != NULL) heaps++;
    CHECK(heaps < MOST && (z->shared || (heaps > 0 && zslab_last_error() == ZSLAB_E_NOMEM)));
    while (domains < MOST && (domain[domains] = zslab_domain_wrap(z, zslab_epoch_current(z), ZSLAB_ON_EXIT_KEEP)))
        domains++;
    CHECK(domains > 0 && domains < MOST && zslab_last_error() == ZSLAB_E_NOMEM);
    CHECK_FAILS(zslab_domain_create(z), ZSLAB_E_NOMEM);
    CHECK_IS(zslab_free(z, p), ZSLAB_OK);
    MUST(p = zslab_malloc(z, 100));
    for (i = 0; i < domains; i++) CHECK_IS(zslab_domain_destroy(domain[i]), ZSLAB_OK);
    MUST(domain[0] = zslab_domain_create(z)); /* in place of one that went */
    CHECK_IS(zslab_domain_destroy(domain[0]), ZSLAB_OK);
    for (i = 0; i < heaps; i++) zslab_heap_destroy(heap[i]);
    CHECK(test_live(z) == 1);
    test_destroy(z);
    free(memory);
}

static uint64_t metadata_bytes(const zslab *z)
{
    zslab_global_stats s;
    zslab_stats_global(z, &s);
    return s.metadata_bytes;
}

/* A heap takes what an epoch costs it when it uses the first of some hundred, not for all that there may be. */
static void a_heap_in_many_epochs(const test_mode *m)
{
    enum { OPEN = 1100 };
    static zslab_epoch e[OPEN];
    static void *p[OPEN];
    zslab_config c = {0};
    zslab_heap *heap;
    uint64_t before;
    size_t i, round;
    zslab *z;
    c.epoch_count = 16384;
    z = test_open(m, &c);
    MUST(zslab_malloc(z, 1)); /* this thread's own is there */
    before = metadata_bytes(z);
    if (test_owned(m)) {
        MUST(heap = zslab_heap_create(z));
        CHECK(metadata_bytes(z) - before <= 16384);
        CHECK(zslab_heap_malloc(heap, 100) != NULL);
        CHECK_IS(zslab_check(z, NULL, NULL), ZSLAB_OK);
        zslab_heap_destroy(heap);
    }
    for (i = 0; i < OPEN; i++) MUST(e[i] = zslab_epoch_open(z, NULL));
    for (round = 0; round < 2; round++) {
        for (i = 0; i < OPEN; i++) MUST(p[i] = zslab_malloc_epoch(z, 100, e[i * 701 % OPEN]));
        for (i = 0; i < OPEN; i++) CHECK(zslab_epoch_of(z, p[i]) == e[i * 701 % OPEN]);
        CHECK_IS(zslab_check(z, NULL, NULL), ZSLAB_OK);
        for (i = 0; i < OPEN; i++) CHECK_IS(round ? zslab_epoch_release(z, e[i]) : zslab_free(z, p[i]), ZSLAB_OK);
    }
    CHECK_IS(zslab_check(z, NULL, NULL), ZSLAB_OK);
    test_destroy(z);
}

/* Sealed, a thread that was announced uses any place: what names its rows is there. */
static void a_sealed_heap_in_many_epochs(const test_mode *m)
{
    enum { OPEN = 65534, APART = 512 };
    static zslab_epoch e[OPEN];
    zslab_config c = {0};
    size_t i;
    zslab *z;
    c.epoch_count = 65536;
    z = test_open(m, &c);
    CHECK_IS(zslab_thread_attach(z), ZSLAB_OK);
    MUST(e[0] = zslab_epoch_open(z, NULL));
    CHECK(zslab_malloc(z, 100) && zslab_malloc_epoch(z, 100, e[0]));
    CHECK_IS(zslab_epoch_release(z, e[0]), ZSLAB_OK); /* a row and a chunk are left */
    CHECK_IS(zslab_seal(z, 1), ZSLAB_OK);
    for (i = 0; i < OPEN; i++) MUST(e[i] = zslab_epoch_open(z, NULL));
    for (i = 0; i < OPEN; i += APART) {
        CHECK(zslab_malloc_epoch(z, 100, e[i]) != NULL);
        CHECK_IS(zslab_epoch_release(z, e[i]), ZSLAB_OK); /* for the next */
    }
    test_destroy(z);
}

static void no_place(const test_mode *m)
{
    zslab_config c = {0};
    zslab_epoch e[4];
    zslab *z;
    int n;
    c.epoch_count = 4;
    z = test_open(m, &c);
    for (n = 0; n < 4 && (e[n] = zslab_epoch_open(z, "held")) != ZSLAB_EPOCH_NONE; n++)
        MUST(zslab_malloc_epoch(z, 100, e[n]));
    CHECK(n == 3);
    CHECK_FAILS(zslab_epoch_open(z, NULL), ZSLAB_E_BUSY);
    CHECK_FAILS(zslab_epoch_advance(z), ZSLAB_E_BUSY);
    CHECK_FAILS(zslab_domain_create(z), ZSLAB_E_BUSY);
    CHECK(test_live(z) == 3);
    CHECK_IS(zslab_epoch_release(z, e[1]), ZSLAB_OK);
    CHECK(zslab_epoch_open(z, NULL) != ZSLAB_EPOCH_NONE);
    test_destroy(z);
}

/* ---- damage, one kind at a time; each mended again [SLAB-1] [SLAB-2] ---- */
static int misused;
static void on_misuse(void *user, zslab_result what, const void *p, zslab_handle h)
{
    (void)user, (void)p, (void)h;
    misused += what == ZSLAB_E_CORRUPT;
}

static void found(zslab *z)
{
    int before = misused;
    CHECK_IS(zslab_check(z, NULL, NULL), ZSLAB_E_CORRUPT);
    CHECK(misused == before + 1);
}

static void damage(const test_mode *m)
{
    zslab_config c = {0};
    zs__chunk_cold *cold;
    zs__chunk *chunk;
    uint64_t *word;
    uint32_t was, number;
    uint8_t *state, live;
    zslab *z;
    void *p;
    c.on_misuse = on_misuse;
    z = test_open(m, &c);
    MUST(p = zslab_malloc(z, 600)); /* fewer than 64 slots in some slab of its class */
    chunk = &z->chunks[(size_t)((char *)p - z->base) >> ZSLAB_CHUNK_SHIFT];
    cold = &z->cold[chunk - z->chunks];
    state = zs__slot_state(z, p);
    word = &z->words[(size_t)(state - z->states) / 64];
    number = (uint32_t)((size_t)(state - (uint8_t *)chunk->states) / 64);
    CHECK_IS(zslab_check(z, NULL, NULL), ZSLAB_OK);

    live = *state, *state = 99, found(z), *state = live;
    was = chunk->cls, chunk->cls = (uint16_t)z->class_count, found(z), chunk->cls = (uint16_t)was;
    chunk->recip++, found(z), chunk->recip--;
    was = cold->carved, cold->carved = z->classes[chunk->cls].slabs + 1, found(z), cold->carved = was;
    *word ^= (uint64_t)1 << ((size_t)(state - z->states) & 63), found(z); /* free and live */
    *word ^= (uint64_t)1 << ((size_t)(state - z->states) & 63);
    if (!z->shared) {
        cold->mask[number >> 6] ^= (uint64_t)1 << (number & 63), found(z);
        cold->mask[number >> 6] ^= (uint64_t)1 << (number & 63);
        cold->home++, found(z), cold->home--;
    }
    CHECK_IS(zslab_free(z, p), ZSLAB_OK);
    CHECK(test_live(z) == 0);
    test_destroy(z);
}

/* One object of a class, then the whole range in another: a trim looks at metadata that was committed, no more. */
static void metadata_of_a_run(const test_mode *m)
{
    static const uint32_t classes[] = {16, 64};
    static void *p[200000];
    size_t small, n;
    zslab_config c;
    memset(&c, 0, sizeof c);
    c.class_bytes = classes;
    c.class_count = 2;
    c.cache_bytes = ZSLAB_CACHE_NONE;
    for (c.reserve_bytes = 8 * ZS__CHUNK_BYTES; c.reserve_bytes < 48 * ZS__CHUNK_BYTES; c.reserve_bytes *= 2)
        for (small = 0; small < 2; small++) {
            zslab *z = test_open(m, &c);
            CHECK_IS(zslab_free(z, zslab_malloc(z, classes[!small])), ZSLAB_OK);
            for (n = 0; n < sizeof p / sizeof *p && (p[n] = zslab_malloc(z, classes[small])) != NULL;) n++;
            while (n) CHECK_IS(zslab_free(z, p[--n]), ZSLAB_OK);
            zslab_trim(z);
            test_destroy(z);
        }
}

/* A thread that has no heap, nor room for one, frees without looking for memory, and no error is left behind. */
static void *frees_without_a_heap(void *arg)
{
    void **p = (void **)arg;
    zslab *z = (zslab *)p[0];
    uint32_t pooled = z->pool_count;
    CHECK(!zslab_pool_alloc(NULL) && zslab_last_error() == ZSLAB_E_INVALID);
    CHECK_IS(zslab_free(z, p[1]), ZSLAB_OK);
    CHECK_IS(zslab_free_sized(z, p[2], 64), ZSLAB_OK);
    CHECK_IS(zslab_last_error(), ZSLAB_E_INVALID);
    CHECK(z->pool_count == pooled); /* what others keep stayed with them */
    return NULL;
}

static void a_free_needs_no_heap(const test_mode *m)
{
    zslab *z = test_open(m, NULL);
    zslab_global_stats g;
    static void *p[4 * ZS__CHUNK_BYTES / 1024];
    void *given[3];
    size_t i, n = sizeof p / sizeof *p;
    for (i = 0; i < n; i++) MUST(p[i] = zslab_malloc(z, 1024));
    for (given[0] = z, i = 1; i < 3; i++) MUST(given[i] = zslab_malloc(z, 64));
    for (i = 0; i < n; i++) /* empty chunks stay with this thread */
        CHECK_IS(zslab_free(z, p[i]), ZSLAB_OK);
    zslab_stats_global(z, &g);
    CHECK_IS(zslab_set_limits(z, 0, (size_t)(g.committed_bytes + g.metadata_bytes)), ZSLAB_OK);
    test_in_thread(frees_without_a_heap, given);
    CHECK(test_live(z) == 0);
    test_destroy(z);
}

int main(void)
{
    small_machines();
    TEST_EACH_MODE(m)
    {
        if (!m->in_buffer) metadata_of_a_run(m);
        if (test_owned(m) && !m->in_buffer) no_thread_number(m);
        if (m->reclaim != ZSLAB_RECLAIM_RSS && !m->in_buffer) no_metadata(m);
        if (test_owned(m)) a_free_needs_no_heap(m);
        if (test_owned(m) && m->in_buffer) a_high_thread_number(m);
        if (!m->in_buffer) {
            a_heap_in_many_epochs(m);
            if (m->reclaim != ZSLAB_RECLAIM_RSS) /* what was left has gone back */
                a_sealed_heap_in_many_epochs(m);
        }
        no_place(m);
        damage(m);
    }
    return test_summary("test_limits");
}
