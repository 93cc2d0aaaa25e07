/* A program written with the older names: ring numbers for epochs, domains that count who is inside. What it does is
   what such programs do; each answer is checked. */
#define ZSLAB_SHORT_NAMES 1
#include "tests/lib/test.h"

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

/* Every number is open from the start: programs name them without having advanced. Sizes end where they did. */
static void all_sixteen_serve_at_once(void)
{
    SlabAllocator *alloc = slab_allocator_create();
    void *p[EPOCH_COUNT];
    SlabHandle h = 0;
    MUST(alloc && EPOCH_COUNT == 16 && SLAB_PAGE_SIZE == 4096);
    for (EpochId e = 0; e < EPOCH_COUNT; e++) {
        MUST(p[e] = slab_malloc_epoch(alloc, 1 + e * 33, e)); /* up to 496 bytes */
        memset(p[e], (int)e, 1 + e * 33);
        for (EpochId other = 0; other < e; other++)
            CHECK(zslab_epoch_of(alloc->z, p[e]) != zslab_epoch_of(alloc->z, p[other]));
    }
    CHECK(slab_malloc_epoch(alloc, 504, 5) != NULL && slab_malloc_epoch(alloc, 505, 5) == NULL);
    CHECK(slab_malloc_epoch(alloc, 0, 5) == NULL && slab_malloc_epoch(alloc, SIZE_MAX / 2, 5) == NULL);
    CHECK(alloc_obj_epoch(alloc, 768, 5, &h) != NULL && free_obj(alloc, h));
    CHECK(alloc_obj_epoch(alloc, 769, 5, &h) == NULL && h == 0);
    CHECK(slab_malloc_epoch(alloc, 64, 16) == NULL && slab_malloc_epoch(alloc, 64, 1000000) == NULL);
    CHECK(slab_malloc_epoch(alloc, 64, (EpochId)-1) == NULL);
    for (EpochId e = 0; e < EPOCH_COUNT; e++) {
        CHECK(*(char *)p[e] == (char)e);
        slab_free(alloc, p[e]);
    }
    slab_allocator_free(alloc);
}

/* What a number was given before the ring came to it stays in it: an advance opens what is closed, and no more. */
static void an_advance_keeps_what_is_open(void)
{
    SlabAllocator *alloc = slab_allocator_create();
    SlabEpochStats s;
    MUST(alloc);
    void *early = slab_malloc_epoch(alloc, 100, 1);
    epoch_close(alloc, 2);
    slab_epoch_set_label(alloc, 1, "early");
    epoch_advance(alloc);
    void *late = slab_malloc_epoch(alloc, 100, 1);
    MUST(early && late);
    CHECK(zslab_epoch_of(alloc->z, early) == zslab_epoch_of(alloc->z, late));
    slab_stats_epoch(alloc, 2, 1, &s);
    CHECK(s.alloc_count == 2 && s.object_size == 128 && s.label[0] == 0 && s.epoch_era == 1 && s.epoch_id == 1);
    CHECK(slab_malloc_epoch(alloc, 8, 2) == NULL);
    epoch_advance(alloc); /* opens 2 again */
    CHECK(slab_malloc_epoch(alloc, 8, 2) != NULL && slab_malloc_epoch(alloc, 8, 1) == NULL);
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

/* The ring goes on when everything drains: what has no place of its own shares one, and a close still refuses. */
static void a_ring_that_only_drains_goes_on(void)
{
    SlabAllocator *alloc = slab_allocator_create();
    static void *kept[1000];
    MUST(alloc);
    for (int i = 0; i < 1000; i++) {
        EpochId e = epoch_current(alloc);
        CHECK(e == (EpochId)i % 16);
        MUST(kept[i] = slab_malloc_epoch(alloc, 32, e));
        slab_epoch_set_label(alloc, e, "leaky");
        if (i % 2) epoch_close(alloc, e);
        CHECK((slab_malloc_epoch(alloc, 32, e) == NULL) == i % 2);
        epoch_advance(alloc);
        CHECK(slab_malloc_epoch(alloc, 32, e) == NULL && epoch_state(alloc, e) == EPOCH_CLOSING);
    }
    CHECK(zslab_epoch_of(alloc->z, kept[999]) == zslab_epoch_of(alloc->z, kept[998]));
    for (int i = 0; i < 1000; i++) CHECK(zslab_free(alloc->z, kept[i]) == ZSLAB_OK);
    slab_allocator_free(alloc);
}

/* create wraps the number that is current and keeps it: nothing of the request goes by itself. */
static void a_request_is_a_domain_over_the_current_number(void)
{
    SlabAllocator *alloc = slab_allocator_create();
    MUST(alloc);
    for (int i = 0; i < 100; i++) {
        EpochId e = epoch_current(alloc);
        epoch_domain_t *request = epoch_domain_create(alloc);
        MUST(request && request->alloc == alloc && request->epoch_id == e && !request->auto_close);
        CHECK(request->epoch_era == (uint64_t)i && request->refcount == 0 && epoch_domain_current() == NULL);
        epoch_domain_enter(request);
        CHECK(epoch_domain_current() == request && epoch_domain_allocator() == alloc && request->refcount == 1);
        char *session = (char *)slab_malloc_epoch(alloc, 128, request->epoch_id);
        MUST(session);
        strcpy(session, "user_session");
        epoch_domain_exit(request);
        CHECK(epoch_domain_current() == NULL && epoch_domain_allocator() == NULL && request->refcount == 0);
        epoch_domain_destroy(request);
        CHECK(epoch_state(alloc, e) == EPOCH_ACTIVE && slab_malloc_epoch(alloc, 8, e) != NULL);
        CHECK(!strcmp(session, "user_session") && zslab_free(alloc->z, session) == ZSLAB_OK);
        epoch_advance(alloc);
    }
    CHECK(epoch_domain_create(NULL) == NULL && epoch_domain_wrap(NULL, 0, true) == NULL);
    slab_allocator_free(alloc);
}

static void auto_close_closes_at_the_last_exit_and_without_it_objects_stay(void)
{
    SlabAllocator *alloc = slab_allocator_create();
    MUST(alloc);
    epoch_advance(alloc);
    EpochId e = epoch_current(alloc);
    void *kept[3];
    epoch_domain_t *frame = epoch_domain_wrap(alloc, e, false);
    MUST(frame && frame->epoch_id == e && !frame->auto_close);
    for (int i = 0; i < 3; i++) {
        epoch_domain_enter(frame);
        CHECK((kept[i] = slab_malloc_epoch(alloc, 384, frame->epoch_id)) != NULL);
        epoch_domain_exit(frame);
        CHECK(epoch_state(alloc, e) == EPOCH_ACTIVE);
    }
    epoch_domain_t *first = epoch_domain_wrap(alloc, e, true), *last = epoch_domain_wrap(alloc, e, true);
    MUST(first && last);
    epoch_domain_enter(last);
    epoch_domain_enter(first);
    epoch_domain_enter(last); /* the same one inside another */
    CHECK(last->refcount == 2 && slab_epoch_get_refcount(alloc, e) == 2);
    epoch_domain_exit(first); /* not the innermost: nothing happens */
    CHECK(first->refcount == 1 && epoch_domain_current() == last);
    epoch_domain_exit(last);
    epoch_domain_exit(first);
    CHECK(epoch_state(alloc, e) == EPOCH_ACTIVE); /* last is still inside */
    epoch_domain_exit(last);
    CHECK(epoch_state(alloc, e) == EPOCH_CLOSING && slab_malloc_epoch(alloc, 8, e) == NULL);
    CHECK(slab_epoch_get_refcount(alloc, e) == 0);
    for (int i = 0; i < 3; i++) CHECK(zslab_free(alloc->z, kept[i]) == ZSLAB_OK); /* closed, not released */
    epoch_domain_destroy(frame), epoch_domain_destroy(first), epoch_domain_destroy(last);
    slab_allocator_free(alloc);
}

/* A domain whose number has moved on closes nothing; destroy closes what its exits would have. */
static void a_domain_knows_its_lap(void)
{
    SlabAllocator *alloc = slab_allocator_create();
    MUST(alloc);
    epoch_domain_t *lap = epoch_domain_wrap(alloc, 3, true), *unused = epoch_domain_wrap(alloc, 5, true);
    MUST(lap && unused && lap->epoch_era == 0);
    epoch_domain_enter(lap);
    for (int i = 0; i < 19; i++) epoch_advance(alloc); /* 3 again */
    CHECK(slab_epoch_get_refcount(alloc, 3) == 0);     /* an advance begins anew */
    epoch_domain_exit(lap);
    epoch_domain_force_close(lap);
    epoch_domain_destroy(lap);
    CHECK(epoch_current(alloc) == 3 && epoch_state(alloc, 3) == EPOCH_ACTIVE);
    epoch_domain_destroy(unused); /* of the lap before */
    unused = epoch_domain_wrap(alloc, 3, true);
    MUST(unused && unused->epoch_era == 19);
    epoch_domain_destroy(unused);
    CHECK(epoch_state(alloc, 3) == EPOCH_CLOSING);
    slab_allocator_free(alloc);
}

static void transactions_hold_queries(void)
{
    SlabAllocator *alloc = slab_allocator_create();
    MUST(alloc);
    epoch_domain_t *transaction = epoch_domain_create(alloc), *query = epoch_domain_wrap(alloc, 7, false);
    MUST(transaction && query);
    epoch_domain_enter(transaction);
    char *log = (char *)slab_malloc_epoch(alloc, 500, transaction->epoch_id);
    MUST(log);
    strcpy(log, "BEGIN");
    epoch_domain_enter(query);
    CHECK(slab_malloc_epoch(alloc, 256, query->epoch_id) != NULL);
    epoch_domain_destroy(query);     /* somebody is inside: nothing happens */
    epoch_domain_force_close(query); /* the same */
    CHECK(slab_malloc_epoch(alloc, 256, query->epoch_id) != NULL);
    epoch_domain_exit(query);
    epoch_domain_force_close(query);
    CHECK(slab_malloc_epoch(alloc, 256, 7) == NULL);
    epoch_domain_destroy(query);
    CHECK(!strcmp(log, "BEGIN") && slab_malloc_epoch(alloc, 256, transaction->epoch_id) != NULL);
    epoch_domain_enter(NULL), epoch_domain_exit(NULL);
    epoch_domain_force_close(NULL), epoch_domain_destroy(NULL);
    slab_allocator_free(alloc); /* while inside: the thread is inside nothing of it any more */
    CHECK(epoch_domain_current() == NULL);
}

/* An allocator in the caller's struct, and the counts and figures that such programs print. */
static void figures_have_the_older_names(void)
{
    static const uint32_t bytes[8] = {64, 96, 128, 192, 256, 384, 512, 768};
    static const uint32_t in_page[8] = {62, 41, 31, 20, 15, 10, 7, 5};
    SlabAllocator alloc;
    SlabHandle handles[10];
    SlabGlobalStats g;
    SlabClassStats c;
    SlabEpochStats e;
    PerfCounters perf;
    allocator_init(&alloc);
    MUST(alloc.z);
    slab_stats_epoch(&alloc, 0, 0, &e);
    CHECK(e.open_since_ns == 0 && e.label[0] == 0 && e.epoch_era == 0 && e.rss_before_close == 0);
    uint64_t before = now_ns();
    epoch_advance(&alloc);
    uint64_t after = now_ns();
    slab_stats_epoch(&alloc, 0, 1, &e);
    CHECK(before && e.open_since_ns >= before && e.open_since_ns <= after && e.state == EPOCH_ACTIVE);
    for (int i = 0; i < 10; i++) MUST(alloc_obj_epoch(&alloc, 64, 1, &handles[i]));
    for (int i = 0; i < 5; i++) CHECK(free_obj(&alloc, handles[i]));
    slab_stats_epoch(&alloc, 0, 1, &e);
    CHECK(e.alloc_count == 5 && e.partial_slab_count + e.full_slab_count > 0 && e.version == SLAB_STATS_VERSION);
    for (uint32_t i = 0; i < 8; i++) {
        slab_stats_class(&alloc, i, &c);
        CHECK(c.class_index == i && c.object_size == bytes[i] && slab_object_count(bytes[i]) == in_page[i]);
    }
    slab_stats_class(&alloc, 8, &c);
    CHECK(c.version == 0 && slab_object_count(4096) == 0 && slab_object_count(0) == 0);
    get_perf_counters(&alloc, 0, &perf);
    CHECK(perf.new_slab_count > 0 || ZSLAB_STATS == 0);
    slab_stats_global(&alloc, &g);
    CHECK(g.current_epoch == 1 && g.active_epoch_count == 15 && g.closing_epoch_count == 1);
    epoch_close(&alloc, 1);
    slab_stats_epoch(&alloc, 0, 1, &e);
    slab_stats_class(&alloc, 0, &c);
    CHECK(c.epoch_close_calls == 1 && c.live_bytes == 5 * 64 && e.state == EPOCH_CLOSING);
    CHECK((e.rss_before_close > 0 && e.rss_after_close > 0) || TEST_WASM); /* which cannot be asked */
    CHECK(slab_epoch_get_refcount(&alloc, 4) == 0);
    slab_epoch_dec_refcount(&alloc, 4);
    slab_epoch_inc_refcount(&alloc, 4), slab_epoch_inc_refcount(&alloc, 4), slab_epoch_dec_refcount(&alloc, 4);
    CHECK(slab_epoch_get_refcount(&alloc, 4) == 1 && slab_epoch_get_refcount(&alloc, 99) == 0);
    for (int i = 5; i < 10; i++) CHECK(free_obj(&alloc, handles[i]));
    allocator_destroy(&alloc);
}

/* A thread's domains are its own. */
static void *other_thread(void *arg)
{
    epoch_domain_t *d = epoch_domain_create((SlabAllocator *)arg);
    MUST(d);
    CHECK(epoch_domain_current() == NULL || ZSLAB_NO_TLS);
    epoch_domain_enter(d);
    CHECK(epoch_domain_current() == d && slab_epoch_get_refcount(d->alloc, d->epoch_id) == 2);
    epoch_domain_exit(d);
    epoch_domain_destroy(d);
    return NULL;
}

static void each_thread_has_its_own_domains(void)
{
    SlabAllocator *alloc = slab_allocator_create();
    pthread_t t;
    MUST(alloc);
    epoch_domain_t *mine = epoch_domain_create(alloc);
    epoch_domain_enter(mine);
    MUST(pthread_create(&t, NULL, other_thread, alloc) == 0);
    pthread_join(t, NULL);
    CHECK(epoch_domain_current() == mine && slab_epoch_get_refcount(alloc, 0) == 1);
    epoch_domain_exit(mine);
    epoch_domain_destroy(mine);
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
    CHECK(alloc_obj_epoch(alloc, 128, 0, &handles[0]) == NULL);                 /* closing */
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
    CHECK(e < 16 && p && epoch_state(alloc, e) == EPOCH_ACTIVE);
    slab_allocator_free(alloc);
}

int main(void)
{
    objects_live_in_the_epoch_of_their_number();
    all_sixteen_serve_at_once();
    the_ring_turns_and_lifetimes_never_mix();
    a_ring_that_only_drains_goes_on();
    an_advance_keeps_what_is_open();
    a_request_is_a_domain_over_the_current_number();
    auto_close_closes_at_the_last_exit_and_without_it_objects_stay();
    a_domain_knows_its_lap();
    transactions_hold_queries();
    figures_have_the_older_names();
    each_thread_has_its_own_domains();
    handles_say_when_they_are_stale();
    threads_share_it();
    return test_summary("test_short_names");
}
