/* A program written with the older names: ring numbers for epochs, domains that close by themselves. What it
   does is what such programs do; each answer is checked. */
#define ZSLAB_SHORT_NAMES 1
#include "tests/test.h"

static void objects_live_in_the_epoch_of_their_number(void)
{
    SlabAllocator *alloc = slab_allocator_create();
    MUST(alloc);
    EpochId e0 = epoch_current(alloc);
    CHECK(e0 == 0);
    char *first = (char *)slab_malloc_epoch(alloc, 128, e0);
    epoch_advance(alloc);
    EpochId e1 = epoch_current(alloc);
    CHECK(e1 == 1);
    char *second = (char *)slab_malloc_epoch(alloc, 128, e1);
    MUST(first && second);
    memset(first, 0xAA, 128);
    memset(second, 0xBB, 128);
    CHECK(slab_malloc_epoch(alloc, 128, e0) == NULL); /* closing */
    CHECK(epoch_state(alloc, e0) == EPOCH_CLOSING && epoch_state(alloc, e1) == EPOCH_ACTIVE);
    CHECK((unsigned char)first[127] == 0xAA && (unsigned char)second[0] == 0xBB);
    slab_free(alloc, first);
    slab_free(alloc, first); /* twice: nothing happens */
    slab_free(alloc, NULL);
    slab_free(alloc, second);
    epoch_close(alloc, e1);
    CHECK(slab_malloc_epoch(alloc, 16, e1) == NULL);
    slab_allocator_free(alloc);
    slab_allocator_free(NULL);
}

/* Every number is open from the start: programs name them without having advanced. */
static void all_sixteen_serve_at_once(void)
{
    SlabAllocator *alloc = slab_allocator_create();
    void *p[16];
    for (EpochId e = 0; e < 16; e++) {
        MUST(p[e] = slab_malloc_epoch(alloc, 1 + e * 500, e)); /* up to 7,501 bytes: no header inside */
        memset(p[e], (int)e, 1 + e * 500);
        for (EpochId other = 0; other < e; other++)
            CHECK(zslab_epoch_of(alloc->z, p[e]) != zslab_epoch_of(alloc->z, p[other]));
    }
    CHECK(slab_malloc_epoch(alloc, 8192, 5) != NULL && slab_malloc_epoch(alloc, SIZE_MAX / 2, 5) == NULL);
    CHECK(slab_malloc_epoch(alloc, 64, 16) == NULL && slab_malloc_epoch(alloc, 64, 1000000) == NULL);
    CHECK(slab_malloc_epoch(alloc, 64, (EpochId)-1) == NULL);
    for (EpochId e = 0; e < 16; e++) {
        CHECK(*(char *)p[e] == (char)e);
        slab_free(alloc, p[e]);
    }
    slab_allocator_free(alloc);
}

static void the_ring_turns_and_lifetimes_never_mix(void)
{
    SlabAllocator *alloc = slab_allocator_create();
    char *kept[100];
    for (int i = 0; i < 100; i++) {
        EpochId e = epoch_current(alloc);
        CHECK(e == (EpochId)i % 16);
        MUST(kept[i] = (char *)slab_malloc_epoch(alloc, 200, e));
        kept[i][199] = (char)i;
        slab_epoch_set_label(alloc, e, "lap");
        epoch_advance(alloc);
        CHECK(slab_malloc_epoch(alloc, 8, e) == NULL);
        if (i >= 16) CHECK(zslab_epoch_of(alloc->z, kept[i]) != zslab_epoch_of(alloc->z, kept[i - 16]));
    }
    for (int i = 0; i < 100; i++) {
        CHECK(kept[i][199] == (char)i);
        slab_free(alloc, kept[i]);
    }
    CHECK(slab_malloc_epoch(alloc, 8, epoch_current(alloc)) != NULL);
    slab_allocator_free(alloc);
}

/* The ring cannot move on when everything drains: the current epoch stays, no lifetimes mix. */
static void a_ring_that_only_drains_stands_still(void)
{
    SlabAllocator *alloc = slab_allocator_create();
    static void *kept[1000];
    int moved = 0;
    for (int i = 0; i < 1000; i++) {
        EpochId before = epoch_current(alloc);
        MUST(kept[i] = slab_malloc_epoch(alloc, 32, before));
        epoch_advance(alloc);
        moved += epoch_current(alloc) != before;
    }
    CHECK(moved > 200 && moved < 1000);
    for (int i = 0; i < 1000; i++) slab_free(alloc, kept[i]);
    EpochId before = epoch_current(alloc);
    epoch_advance(alloc);
    CHECK(epoch_current(alloc) == (before + 1) % 16);
    slab_allocator_free(alloc);
}

static void a_request_is_a_domain(void)
{
    SlabAllocator *alloc = slab_allocator_create();
    for (int i = 0; i < 1000; i++) {
        epoch_domain_t *request = epoch_domain_create(alloc);
        MUST(request && request->alloc == alloc && request->auto_close);
        epoch_domain_enter(request);
        char *session = (char *)slab_malloc_epoch(alloc, 128, request->epoch_id);
        char *response = (char *)slab_malloc_epoch(alloc, 504, request->epoch_id);
        MUST(session && response);
        strcpy(session, "user_session");
        epoch_domain_exit(request); /* everything of the request is gone */
        CHECK(slab_malloc_epoch(alloc, 8, request->epoch_id) == NULL);
        CHECK(zslab_free(alloc->z, session) != ZSLAB_OK);
        epoch_domain_destroy(request);
    }
    slab_allocator_free(alloc);
}

static void auto_close_releases_and_without_it_the_exit_resets(void)
{
    SlabAllocator *alloc = slab_allocator_create();
    epoch_advance(alloc);
    EpochId e = epoch_current(alloc);
    epoch_domain_t *frame = epoch_domain_wrap(alloc, e, false);
    MUST(frame && frame->epoch_id == e && !frame->auto_close);
    for (int i = 0; i < 3; i++) {
        epoch_domain_enter(frame);
        void *p = slab_malloc_epoch(alloc, 384, frame->epoch_id);
        CHECK(p != NULL);
        epoch_domain_exit(frame);
        CHECK(zslab_free(alloc->z, p) != ZSLAB_OK && epoch_state(alloc, e) == EPOCH_ACTIVE);
    }
    epoch_domain_destroy(frame);
    epoch_domain_t *last = epoch_domain_wrap(alloc, e, true);
    epoch_domain_enter(last);
    CHECK(slab_malloc_epoch(alloc, 384, e) != NULL);
    epoch_domain_exit(last);
    CHECK(epoch_state(alloc, e) == EPOCH_CLOSING && slab_malloc_epoch(alloc, 8, e) == NULL);
    CHECK(epoch_domain_wrap(alloc, e, true) == NULL && epoch_domain_wrap(alloc, 99, true) == NULL);
    epoch_domain_destroy(last);
    slab_allocator_free(alloc);
}

static void transactions_hold_queries(void)
{
    SlabAllocator *alloc = slab_allocator_create();
    epoch_domain_t *transaction = epoch_domain_create(alloc), *query = epoch_domain_create(alloc);
    MUST(transaction && query && transaction->epoch_id != query->epoch_id);
    epoch_domain_enter(transaction);
    char *log = (char *)slab_malloc_epoch(alloc, 512, transaction->epoch_id);
    strcpy(log, "BEGIN");
    epoch_domain_enter(query);
    CHECK(slab_malloc_epoch(alloc, 256, query->epoch_id) != NULL);
    epoch_domain_destroy(query);     /* somebody is inside: nothing happens */
    epoch_domain_force_close(query); /* the same */
    CHECK(slab_malloc_epoch(alloc, 256, query->epoch_id) != NULL);
    epoch_domain_exit(query);
    epoch_domain_destroy(query);
    CHECK(!strcmp(log, "BEGIN") && slab_malloc_epoch(alloc, 256, transaction->epoch_id) != NULL);
    epoch_domain_exit(transaction);
    epoch_domain_destroy(transaction);
    epoch_domain_t *batch = epoch_domain_create(alloc);
    char *p = (char *)slab_malloc_epoch(alloc, 64, batch->epoch_id);
    epoch_domain_force_close(batch);
    CHECK(p && zslab_free(alloc->z, p) != ZSLAB_OK);
    epoch_domain_destroy(batch);
    epoch_domain_enter(NULL), epoch_domain_exit(NULL);
    epoch_domain_force_close(NULL), epoch_domain_destroy(NULL);
    slab_allocator_free(alloc);
}

/* Objects by handle: false for one that is stale, twice freed or nonsense. */
static void handles_say_when_they_are_stale(void)
{
    SlabAllocator *alloc = slab_allocator_create();
    enum { COUNT = 1000 };
    static SlabHandle handles[COUNT];
    for (int i = 0; i < COUNT; i++) {
        char *p = (char *)alloc_obj_epoch(alloc, 128, 0, &handles[i]);
        MUST(p && handles[i]);
        memset(p, i, 128);
    }
    for (int i = 0; i < COUNT / 2; i++) CHECK(free_obj(alloc, handles[i]));
    for (int i = 0; i < COUNT / 2; i++) CHECK(!free_obj(alloc, handles[i]));
    CHECK(!free_obj(alloc, 0) && !free_obj(alloc, ~(SlabHandle)0));
    CHECK(alloc_obj_epoch(alloc, 0, 0, &handles[0]) == NULL && handles[0] == 0);
    epoch_advance(alloc);
    CHECK(alloc_obj_epoch(alloc, 128, 0, &handles[0]) == NULL); /* closing */
    for (int i = COUNT / 2; i < COUNT; i++) CHECK(free_obj(alloc, handles[i])); /* what lives drains */
    slab_allocator_free(alloc);
}

/* Workers allocate in the current epoch while another thread advances. */
static void *worker(void *arg)
{
    SlabAllocator *alloc = (SlabAllocator *)arg;
    for (int i = 0; i < 50000; i++) {
        EpochId e = epoch_current(alloc);
        char *p = (char *)slab_malloc_epoch(alloc, 16 + (size_t)i % 500, e);
        if (!p) continue; /* it closed meanwhile */
        *p = (char)i;
        CHECK(*p == (char)i);
        slab_free(alloc, p);
    }
    return NULL;
}

static void *advancer(void *arg)
{
    for (int i = 0; i < 2000; i++) epoch_advance((SlabAllocator *)arg);
    return NULL;
}

static void threads_share_it(void)
{
    SlabAllocator *alloc = slab_allocator_create();
    void *(*const body[])(void *) = {worker, worker, advancer, advancer};
    pthread_t t[4];
    uint64_t rss = read_rss_bytes_linux();
    CHECK(rss > 0 || TEST_WASM); /* which cannot be asked */
    for (int i = 0; i < 4; i++) MUST(pthread_create(&t[i], NULL, body[i], alloc) == 0);
    for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
    EpochId e = epoch_current(alloc);
    void *p = slab_malloc_epoch(alloc, 64, e);
    CHECK(e < 16 && p && zslab_epoch_of(alloc->z, p) == zslab_epoch_current(alloc->z));
    slab_allocator_free(alloc);
}

int main(void)
{
    objects_live_in_the_epoch_of_their_number();
    all_sixteen_serve_at_once();
    the_ring_turns_and_lifetimes_never_mix();
    a_ring_that_only_drains_stands_still();
    a_request_is_a_domain();
    auto_close_releases_and_without_it_the_exit_resets();
    transactions_hold_queries();
    handles_say_when_they_are_stale();
    threads_share_it();
    return test_summary("test_short_names");
}
