/* Domains: policies, counting, nesting, leaving in the wrong order, threads, force_close, destroy, the block
   macro, where a plain allocation goes, a thread that exits inside. */
#include "tests/lib/test.h"

static const test_mode *mode;

static zslab *make(void) { return test_open(mode, NULL); }

/* In shared mode a thread has no domain of its own: plain allocations go to the current epoch. */
static int implicit(void) { return test_owned(mode); }

static void *in_domain(zslab *z, zslab_domain *d, size_t size)
{
    return zslab_malloc_epoch(z, size, zslab_domain_epoch(d));
}

static void a_created_domain_releases_at_the_last_exit(void)
{
    zslab *z = make();
    zslab_domain *d = zslab_domain_create(z);
    zslab_epoch e = zslab_domain_epoch(d);
    MUST(d && e && e != zslab_epoch_current(z));
    CHECK(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_ACTIVE);
    CHECK_IS(zslab_domain_enter(d), ZSLAB_OK);
    void *p = in_domain(z, d, 100);
    CHECK(p && zslab_epoch_of(z, p) == e);
    CHECK_IS(zslab_domain_exit(d), ZSLAB_OK);
    CHECK(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSED);
    CHECK_IS(zslab_free(z, p), ZSLAB_E_STALE);
    CHECK_IS(zslab_domain_enter(d), ZSLAB_E_CLOSED); /* it had its last exit */
    CHECK_IS(zslab_domain_exit(d), ZSLAB_E_INVALID);
    CHECK_IS(zslab_domain_force_close(d), ZSLAB_OK);
    CHECK_IS(zslab_domain_destroy(d), ZSLAB_OK);
    test_destroy(z);
}

/* What is left of an epoch and its object after the last exit, for each policy; twice, where it goes on. */
static void each_policy_does_what_it_says(void)
{
    zslab *z = make();
    for (int policy = ZSLAB_ON_EXIT_KEEP; policy <= ZSLAB_ON_EXIT_RELEASE; policy++) {
        zslab_epoch e = zslab_epoch_open(z, NULL);
        zslab_domain *d = zslab_domain_wrap(z, e, (zslab_on_exit)policy);
        int goes_on = policy == ZSLAB_ON_EXIT_KEEP || policy == ZSLAB_ON_EXIT_RESET;
        MUST(d && zslab_domain_epoch(d) == e);
        for (int round = 0; round < 2; round++) {
            if (round && !goes_on) {
                CHECK_IS(zslab_domain_enter(d), ZSLAB_E_CLOSED);
                break;
            }
            CHECK_IS(zslab_domain_enter(d), ZSLAB_OK);
            void *p = in_domain(z, d, 64);
            MUST(p);
            CHECK_IS(zslab_domain_exit(d), ZSLAB_OK);
            CHECK(zslab_epoch_state_of(z, e) == (goes_on                         ? ZSLAB_EPOCH_ACTIVE
                                                 : policy == ZSLAB_ON_EXIT_CLOSE ? ZSLAB_EPOCH_CLOSING
                                                                                 : ZSLAB_EPOCH_CLOSED));
            int lives = policy == ZSLAB_ON_EXIT_KEEP || policy == ZSLAB_ON_EXIT_CLOSE;
            CHECK_IS(zslab_free(z, p), lives ? ZSLAB_OK : ZSLAB_E_STALE);
        }
        CHECK_IS(zslab_domain_destroy(d), ZSLAB_OK);
        CHECK(zslab_epoch_state_of(z, e) == (goes_on ? ZSLAB_EPOCH_ACTIVE : ZSLAB_EPOCH_CLOSED));
        CHECK_IS(zslab_epoch_release(z, e), goes_on ? ZSLAB_OK : ZSLAB_E_CLOSED);
    }
    CHECK_FAILS(zslab_domain_wrap(z, zslab_epoch_current(z), (zslab_on_exit)4), ZSLAB_E_INVALID);
    CHECK_FAILS(zslab_domain_wrap(z, zslab_epoch_current(z), (zslab_on_exit)-1), ZSLAB_E_INVALID);
    CHECK_FAILS(zslab_domain_wrap(z, ZSLAB_EPOCH_NONE, ZSLAB_ON_EXIT_KEEP), ZSLAB_E_CLOSED);
    test_destroy(z);
}

static void entering_again_counts(void)
{
    zslab *z = make();
    zslab_domain *d = zslab_domain_create(z);
    void *p = NULL;
    for (int i = 0; i < 200; i++) CHECK_IS(zslab_domain_enter(d), ZSLAB_OK);
    CHECK((p = in_domain(z, d, 32)) != NULL);
    for (int i = 0; i < 199; i++) CHECK_IS(zslab_domain_exit(d), ZSLAB_OK);
    CHECK(zslab_epoch_of(z, p) == zslab_domain_epoch(d));
    CHECK_IS(zslab_domain_destroy(d), ZSLAB_E_BUSY);
    CHECK_IS(zslab_domain_force_close(d), ZSLAB_E_BUSY);
    CHECK(zslab_epoch_of(z, p) == zslab_domain_epoch(d));
    CHECK_IS(zslab_domain_exit(d), ZSLAB_OK);
    CHECK_IS(zslab_free(z, p), ZSLAB_E_STALE);
    CHECK_IS(zslab_domain_exit(d), ZSLAB_E_INVALID); /* once too often */
    CHECK_IS(zslab_domain_destroy(d), ZSLAB_OK);
    test_destroy(z);
}

/* ---- nesting ---- */

static void the_innermost_domain_gets_plain_allocations(void)
{
    zslab *z = make();
    zslab_epoch current = zslab_epoch_current(z), e[5] = {current};
    zslab_domain *d[5] = {NULL};
    void *p;
    for (int i = 1; i < 5; i++) {
        MUST(d[i] = zslab_domain_create(z));
        e[i] = zslab_domain_epoch(d[i]);
        CHECK_IS(zslab_domain_enter(d[i]), ZSLAB_OK);
        CHECK(zslab_domain_current(z) == d[i]);
        CHECK((p = zslab_malloc(z, 64)) != NULL && zslab_epoch_of(z, p) == (implicit() ? e[i] : current));
        CHECK((p = zslab_calloc(z, 3, 50)) != NULL && zslab_epoch_of(z, p) == (implicit() ? e[i] : current));
        MUST(p = zslab_aligned_alloc(z, 64, 64));
        CHECK(zslab_epoch_of(z, p) == (implicit() ? e[i] : current));
        CHECK(zslab_malloc_batch(z, 48, 1, &p) == 1 && zslab_epoch_of(z, p) == (implicit() ? e[i] : current));
    }
    for (int i = 4; i > 0; i--) {
        CHECK_IS(zslab_domain_exit(d[i]), ZSLAB_OK);
        CHECK_IS(zslab_domain_destroy(d[i]), ZSLAB_OK);
        CHECK((p = zslab_malloc(z, 64)) != NULL && zslab_epoch_of(z, p) == (implicit() ? e[i - 1] : current));
        if (implicit()) CHECK(zslab_domain_current(z) == d[i - 1]);
    }
    CHECK(zslab_domain_current(z) == NULL);
    test_destroy(z);
}

/* realloc stays with its object, advance and explicit epochs do not care about the scope. */
static void a_domain_binds_plain_allocations_only(void)
{
    zslab *z = make();
    zslab_domain *d = zslab_domain_create(z);
    zslab_epoch beside = zslab_epoch_open(z, NULL), old = zslab_epoch_current(z);
    char *outside = (char *)zslab_malloc(z, 20), *p;
    CHECK_IS(zslab_domain_enter(d), ZSLAB_OK);
    MUST(outside = (char *)zslab_realloc(z, outside, 2000));
    CHECK(zslab_epoch_of(z, outside) == old);
    CHECK((p = (char *)zslab_malloc_epoch(z, 20, beside)) != NULL && zslab_epoch_of(z, p) == beside);
    CHECK(zslab_epoch_advance(z) != ZSLAB_EPOCH_NONE);
    p = (char *)zslab_malloc(z, 20);
    CHECK(p && zslab_epoch_of(z, p) == (implicit() ? zslab_domain_epoch(d) : zslab_epoch_current(z)));
    zslab_heap *heap = zslab_heap_create(z);
    p = (char *)zslab_heap_malloc(heap, 20);
    CHECK(p && zslab_epoch_of(z, p) == zslab_epoch_current(z)); /* never a domain's */
    CHECK_IS(zslab_heap_free(heap, p), ZSLAB_OK);
    zslab_heap_destroy(heap);
    CHECK_IS(zslab_domain_exit(d), ZSLAB_OK);
    CHECK_IS(zslab_free(z, outside), ZSLAB_OK);
    CHECK_IS(zslab_domain_destroy(d), ZSLAB_OK);
    test_destroy(z);
}

/* In shared mode nobody knows which thread entered what, so there only the count can be wrong. */
static void leaving_out_of_order_changes_nothing(void)
{
    zslab *z = make();
    zslab_domain *outer = zslab_domain_create(z), *inner = zslab_domain_create(z);
    zslab_domain *never = zslab_domain_create(z);
    CHECK_IS(zslab_domain_exit(outer), ZSLAB_E_INVALID); /* not inside at all */
    CHECK_IS(zslab_domain_enter(outer), ZSLAB_OK);
    CHECK_IS(zslab_domain_enter(inner), ZSLAB_OK);
    void *o = in_domain(z, outer, 64), *i = in_domain(z, inner, 64);
    if (implicit()) CHECK_IS(zslab_domain_exit(outer), ZSLAB_E_INVALID);
    CHECK_IS(zslab_domain_exit(never), ZSLAB_E_INVALID);
    CHECK_IS(zslab_domain_exit(NULL), ZSLAB_E_INVALID);
    CHECK(zslab_domain_current(z) == inner);
    CHECK(zslab_epoch_of(z, o) == zslab_domain_epoch(outer));
    CHECK(zslab_epoch_of(z, i) == zslab_domain_epoch(inner));
    CHECK_IS(zslab_domain_exit(inner), ZSLAB_OK);
    CHECK_IS(zslab_free(z, i), ZSLAB_E_STALE);
    CHECK(zslab_epoch_of(z, o) == zslab_domain_epoch(outer));
    CHECK_IS(zslab_domain_exit(outer), ZSLAB_OK);
    CHECK_IS(zslab_free(z, o), ZSLAB_E_STALE);
    CHECK_IS(zslab_domain_destroy(outer), ZSLAB_OK);
    CHECK_IS(zslab_domain_destroy(inner), ZSLAB_OK);
    CHECK_IS(zslab_domain_destroy(never), ZSLAB_OK);
    test_destroy(z);
}

/* outer, inner, outer again: three scopes; the epoch of outer goes with its second exit. */
static void a_domain_may_stand_in_the_stack_twice(void)
{
    zslab *z = make();
    zslab_domain *outer = zslab_domain_create(z), *inner = zslab_domain_create(z);
    CHECK_IS(zslab_domain_enter(outer), ZSLAB_OK);
    CHECK_IS(zslab_domain_enter(inner), ZSLAB_OK);
    CHECK_IS(zslab_domain_enter(outer), ZSLAB_OK);
    void *p = in_domain(z, outer, 64);
    if (implicit()) CHECK_IS(zslab_domain_exit(inner), ZSLAB_E_INVALID);
    CHECK_IS(zslab_domain_exit(outer), ZSLAB_OK);
    CHECK(zslab_epoch_of(z, p) == zslab_domain_epoch(outer));
    CHECK_IS(zslab_domain_exit(inner), ZSLAB_OK);
    CHECK(zslab_epoch_of(z, p) == zslab_domain_epoch(outer));
    CHECK_IS(zslab_domain_exit(outer), ZSLAB_OK);
    CHECK_IS(zslab_free(z, p), ZSLAB_E_STALE);
    CHECK_IS(zslab_domain_destroy(inner), ZSLAB_OK);
    CHECK_IS(zslab_domain_destroy(outer), ZSLAB_OK);
    test_destroy(z);
}

static void too_deep_is_a_limit(void)
{
    enum { DEEP = 64 };
    zslab_config c;
    zslab_domain *d[DEEP + 1];
    memset(&c, 0, sizeof c);
    c.epoch_count = 128;
    zslab *z = test_open(mode, &c);
    if (!implicit()) { /* no stack there */
        test_destroy(z);
        return;
    }
    for (int i = 0; i <= DEEP; i++) {
        MUST(d[i] = zslab_domain_create(z));
        CHECK_IS(zslab_domain_enter(d[i]), i < DEEP ? ZSLAB_OK : ZSLAB_E_LIMIT);
    }
    CHECK_IS(zslab_domain_enter(d[DEEP - 1]), ZSLAB_OK); /* the same one counts, it needs no room */
    CHECK_IS(zslab_domain_exit(d[DEEP - 1]), ZSLAB_OK);
    for (int i = DEEP - 1; i >= 0; i--) CHECK_IS(zslab_domain_exit(d[i]), ZSLAB_OK);
    for (int i = 0; i <= DEEP; i++) CHECK_IS(zslab_domain_destroy(d[i]), ZSLAB_OK);
    test_destroy(z);
}

/* ---- ends ---- */

static void force_close_ends_it_as_the_last_exit_would(void)
{
    zslab *z = make();
    static const zslab_epoch_state after[] = {ZSLAB_EPOCH_CLOSING, ZSLAB_EPOCH_ACTIVE, ZSLAB_EPOCH_CLOSING,
                                              ZSLAB_EPOCH_CLOSED};
    for (int policy = ZSLAB_ON_EXIT_KEEP; policy <= ZSLAB_ON_EXIT_RELEASE; policy++) {
        zslab_epoch e = zslab_epoch_open(z, NULL);
        zslab_domain *d = zslab_domain_wrap(z, e, (zslab_on_exit)policy);
        void *p = zslab_malloc_epoch(z, 64, e);
        CHECK_IS(zslab_domain_enter(d), ZSLAB_OK);
        CHECK_IS(zslab_domain_force_close(d), ZSLAB_E_BUSY);
        CHECK(zslab_epoch_of(z, p) == e);
        if (policy != ZSLAB_ON_EXIT_KEEP) { /* leaving applies the policy: take one never entered */
            zslab_epoch_close(z, e);
            CHECK_IS(zslab_domain_exit(d), ZSLAB_OK); /* ended beside it: nothing to apply */
            CHECK_IS(zslab_domain_destroy(d), ZSLAB_OK);
            MUST(e = zslab_epoch_open(z, NULL));
            MUST(d = zslab_domain_wrap(z, e, (zslab_on_exit)policy));
            MUST(p = zslab_malloc_epoch(z, 64, e));
        } else {
            CHECK_IS(zslab_domain_exit(d), ZSLAB_OK);
        }
        CHECK_IS(zslab_domain_force_close(d), ZSLAB_OK);
        CHECK(zslab_epoch_state_of(z, e) == after[policy]);
        CHECK_IS(zslab_domain_enter(d), ZSLAB_E_CLOSED);
        CHECK_IS(zslab_free(z, p), after[policy] == ZSLAB_EPOCH_CLOSING ? ZSLAB_OK : ZSLAB_E_STALE);
        CHECK_IS(zslab_domain_destroy(d), ZSLAB_OK);
    }
    CHECK_IS(zslab_domain_force_close(NULL), ZSLAB_E_INVALID);
    test_destroy(z);
}

static void destroy_gives_up_what_the_domain_owns(void)
{
    zslab *z = make();
    zslab_domain *own = zslab_domain_create(z);
    zslab_epoch e = zslab_epoch_open(z, NULL);
    zslab_domain *wrap = zslab_domain_wrap(z, e, ZSLAB_ON_EXIT_RELEASE);
    zslab_epoch owned = zslab_domain_epoch(own);
    void *p = in_domain(z, own, 64), *q = in_domain(z, wrap, 64);
    CHECK_IS(zslab_domain_destroy(own), ZSLAB_OK); /* never entered */
    CHECK_IS(zslab_free(z, p), ZSLAB_E_STALE);
    CHECK(zslab_epoch_state_of(z, owned) == ZSLAB_EPOCH_CLOSED);
    CHECK_IS(zslab_domain_destroy(wrap), ZSLAB_OK);
    CHECK(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_ACTIVE); /* no exit, no policy */
    CHECK_IS(zslab_free(z, q), ZSLAB_OK);
    CHECK_IS(zslab_domain_destroy(wrap), ZSLAB_E_INVALID);
    CHECK_IS(zslab_domain_enter(wrap), ZSLAB_E_INVALID);
    CHECK_IS(zslab_domain_exit(wrap), ZSLAB_E_INVALID);
    CHECK_IS(zslab_domain_force_close(wrap), ZSLAB_E_INVALID);
    CHECK(zslab_domain_epoch(wrap) == ZSLAB_EPOCH_NONE && zslab_domain_epoch(NULL) == ZSLAB_EPOCH_NONE);
    CHECK_IS(zslab_domain_destroy(NULL), ZSLAB_E_INVALID);
    CHECK_IS(zslab_domain_enter(NULL), ZSLAB_E_INVALID);
    test_destroy(z);
}

/* Somebody releases the epoch of a domain that a thread is inside of. */
static void an_epoch_released_under_a_domain_refuses(void)
{
    zslab *z = make();
    zslab_domain *d = zslab_domain_create(z);
    zslab_epoch e = zslab_domain_epoch(d);
    CHECK_IS(zslab_domain_enter(d), ZSLAB_OK);
    CHECK(in_domain(z, d, 64) != NULL);
    CHECK_IS(zslab_epoch_release(z, e), ZSLAB_OK);
    CHECK_FAILS(in_domain(z, d, 64), ZSLAB_E_CLOSED);
    if (implicit()) CHECK_FAILS(zslab_malloc(z, 64), ZSLAB_E_CLOSED); /* not silently somewhere else */
    CHECK_IS(zslab_domain_enter(d), ZSLAB_E_CLOSED);
    CHECK_IS(zslab_domain_exit(d), ZSLAB_OK);
    CHECK(zslab_malloc(z, 64) != NULL);
    CHECK_IS(zslab_domain_destroy(d), ZSLAB_OK);
    test_destroy(z);
}

/* ---- the block ---- */

static int leaves_early(zslab *z, zslab_domain *d, void **p)
{
    ZSLAB_DOMAIN_SCOPE(d);
    *p = in_domain(z, d, 64);
    if (*p) return zslab_domain_current(z) == d;
    return 0;
}

static void the_block_macro_leaves_at_every_way_out(void)
{
    zslab *z = make();
    zslab_domain *outer = zslab_domain_create(z), *inner = zslab_domain_create(z);
    void *p, *q = NULL;
    {
        ZSLAB_DOMAIN_SCOPE(outer);
        p = in_domain(z, outer, 64);
        for (int i = 0; i < 3; i++) {
            ZSLAB_DOMAIN_SCOPE(outer);
            if (i == 1) continue;
            CHECK(zslab_domain_current(z) == outer);
        }
        CHECK(leaves_early(z, inner, &q));
        CHECK_IS(zslab_free(z, q), ZSLAB_E_STALE);
        if (implicit()) CHECK(zslab_domain_current(z) == outer);
        {
            ZSLAB_DOMAIN_SCOPE(inner); /* ended: the block does not enter it and does not leave it */
            if (implicit()) CHECK(zslab_domain_current(z) == outer);
        }
        CHECK(zslab_epoch_of(z, p) == zslab_domain_epoch(outer));
    }
    CHECK_IS(zslab_free(z, p), ZSLAB_E_STALE);
    CHECK(zslab_domain_current(z) == NULL);
    CHECK_IS(zslab_domain_destroy(inner), ZSLAB_OK);
    CHECK_IS(zslab_domain_destroy(outer), ZSLAB_OK);
    test_destroy(z);
}

/* ---- threads ---- */

typedef struct visit {
    zslab *z;
    zslab_domain *d;
    zslab_result answer;
    void *p;
    size_t wrong;
} visit;

static void enter_and_allocate(void *arg)
{
    visit *v = (visit *)arg;
    v->answer = zslab_domain_enter(v->d);
    v->p = in_domain(v->z, v->d, 64);
    v->wrong += !v->p || zslab_epoch_of(v->z, v->p) != zslab_domain_epoch(v->d);
    v->wrong += implicit() && zslab_epoch_of(v->z, zslab_malloc(v->z, 8)) != zslab_domain_epoch(v->d);
}

static void just_exit(void *arg)
{
    visit *v = (visit *)arg;
    v->answer = zslab_domain_exit(v->d);
}

static void the_last_exit_anywhere_applies_the_policy(void)
{
    zslab *z = make();
    zslab_domain *d = zslab_domain_create(z);
    zslab_epoch e = zslab_domain_epoch(d);
    test_worker w[3];
    visit v[3];
    for (int i = 0; i < 3; i++) {
        v[i] = (visit){z, d, ZSLAB_OK, NULL, 0};
        test_worker_start(&w[i]);
        test_worker_do(&w[i], enter_and_allocate, &v[i]);
        CHECK_IS(v[i].answer, ZSLAB_OK);
    }
    if (implicit()) CHECK(zslab_domain_current(z) == NULL); /* this thread is outside */
    if (implicit()) CHECK_IS(zslab_domain_exit(d), ZSLAB_E_INVALID);
    for (int i = 0; i < 3; i++) {
        CHECK(zslab_epoch_of(z, v[0].p) == e && v[i].wrong == 0);
        CHECK_IS(zslab_domain_destroy(d), ZSLAB_E_BUSY);
        test_worker_do(&w[i], just_exit, &v[i]);
        CHECK_IS(v[i].answer, ZSLAB_OK);
    }
    CHECK(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSED);
    for (int i = 0; i < 3; i++) CHECK_IS(zslab_free(z, v[i].p), ZSLAB_E_STALE);
    for (int i = 0; i < 3; i++) test_worker_end(&w[i]);
    CHECK_IS(zslab_domain_destroy(d), ZSLAB_OK);
    test_destroy(z);
}

static void *enter_and_vanish(void *arg)
{
    enter_and_allocate(arg);
    return NULL;
}

/* A thread that exits leaves its domains first; in shared mode nobody knows whose visit it was. */
static void a_thread_that_exits_inside_leaves(void)
{
    zslab *z = make();
    if (implicit()) {
        zslab_domain *outer = zslab_domain_create(z), *d = zslab_domain_create(z);
        visit v = {z, d, ZSLAB_OK, NULL, 0}, o = {z, outer, ZSLAB_OK, NULL, 0};
        CHECK_IS(zslab_domain_enter(outer), ZSLAB_OK);
        test_in_thread(enter_and_vanish, &v);
        CHECK(v.answer == ZSLAB_OK && v.wrong == 0);
        CHECK(zslab_epoch_state_of(z, zslab_domain_epoch(d)) == ZSLAB_EPOCH_CLOSED);
        CHECK_IS(zslab_free(z, v.p), ZSLAB_E_STALE);
        test_in_thread(enter_and_vanish, &o);
        CHECK(zslab_epoch_of(z, o.p) == zslab_domain_epoch(outer)); /* this thread is still inside */
        CHECK_IS(zslab_domain_exit(outer), ZSLAB_OK);
        CHECK_IS(zslab_free(z, o.p), ZSLAB_E_STALE);
        CHECK_IS(zslab_domain_destroy(d), ZSLAB_OK);
        CHECK_IS(zslab_domain_destroy(outer), ZSLAB_OK);
    }
    test_destroy(z);
}

typedef struct crowd {
    zslab *z;
    zslab_domain *d;
    unsigned rounds, seed;
    size_t wrong, done;
} crowd;

/* Threads come and go through one domain; whoever is inside finds its objects intact. */
static uint64_t domains_of(zslab *z, zslab_epoch e)
{
    zslab_epoch_stats s;
    CHECK_IS(zslab_stats_epoch(z, 0, e, &s), ZSLAB_OK);
    return s.domain_count;
}

/* A domain may be left behind by its epoch: the next one in that place is not its. */
static void an_epoch_in_a_used_place_has_no_domains(void)
{
    zslab_config c = {0};
    c.epoch_count = 2;
    zslab *z = test_open(mode, &c);
    zslab_epoch e = zslab_epoch_open(z, "first");
    zslab_domain *behind = zslab_domain_wrap(z, e, ZSLAB_ON_EXIT_KEEP);
    MUST(behind);
    CHECK(domains_of(z, e) == 1);
    CHECK_IS(zslab_epoch_release(z, e), ZSLAB_OK);
    MUST(e = zslab_epoch_open(z, "second"));
    CHECK(domains_of(z, e) == 0);
    zslab_domain *d = zslab_domain_wrap(z, e, ZSLAB_ON_EXIT_KEEP);
    CHECK(d && domains_of(z, e) == 1);
    CHECK_IS(zslab_domain_destroy(behind), ZSLAB_OK);
    CHECK(domains_of(z, e) == 1);
    CHECK_IS(zslab_domain_destroy(d), ZSLAB_OK);
    CHECK(domains_of(z, e) == 0);
    test_destroy(z);
}

static void *visitor(void *arg)
{
    crowd *c = (crowd *)arg;
    uint64_t random = c->seed;
    for (unsigned i = 0; i < c->rounds; i++) {
        void *p[8];
        if (zslab_domain_enter(c->d) != ZSLAB_OK) {
            c->wrong++;
            continue;
        }
        for (int k = 0; k < 8; k++) {
            p[k] = in_domain(c->z, c->d, 16 + (size_t)k * 40);
            if (p[k]) test_fill(p[k], 16 + (size_t)k * 40, i);
        }
        if (test_random(&random) % 4 == 0) sched_yield();
        for (int k = 0; k < 8; k++) c->wrong += !p[k] || !test_filled(p[k], 16 + (size_t)k * 40, i);
        c->wrong += zslab_domain_exit(c->d) != ZSLAB_OK;
        c->done++;
    }
    return NULL;
}

static void many_threads_share_a_reset_domain(void)
{
    enum { THREADS = 3 };
    zslab *z = make();
    zslab_epoch e = zslab_epoch_open(z, "shared");
    zslab_domain *d = zslab_domain_wrap(z, e, ZSLAB_ON_EXIT_RESET);
    crowd c[THREADS];
    pthread_t t[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        c[i] = (crowd){z, d, TEST_SLOWED ? 200 : 1000, i, 0, 0};
        MUST(pthread_create(&t[i], NULL, visitor, &c[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(t[i], NULL);
        CHECK(c[i].wrong == 0 && c[i].done == c[i].rounds);
    }
    CHECK_IS(zslab_domain_destroy(d), ZSLAB_OK);
    CHECK(test_live(z) == 0); /* the last exit reset it */
    CHECK_IS(zslab_epoch_release(z, e), ZSLAB_OK);
    test_destroy(z);
}

/* The records of destroyed domains serve again; nothing grows. */
static void domains_by_the_thousand(void)
{
    zslab *z = make();
    long wrong = 0;
    for (int i = 0; i < (TEST_SLOWED ? 2000 : 20000); i++) {
        zslab_domain *d = zslab_domain_create(z);
        MUST(d);
        wrong += zslab_domain_enter(d) != ZSLAB_OK;
        for (int k = 0; k < 5; k++) wrong += !in_domain(z, d, 16 + (size_t)((i * 7 + k * 100) % 2000));
        wrong += zslab_domain_exit(d) != ZSLAB_OK || zslab_domain_destroy(d) != ZSLAB_OK;
    }
    CHECK(wrong == 0 && test_live(z) == 0);
    test_destroy(z);
}

/* A fiber's heap carries its request from thread to thread, whatever domains these are in themselves. */
typedef struct fiber {
    zslab_domain *request;
    zslab_heap *heap;
    char *object;
} fiber;

static void *fiber_goes_on(void *arg)
{
    fiber *f = (fiber *)arg;
    zslab *z = f->heap->z;
    zslab_domain *mine = zslab_domain_create(z);
    MUST(mine != NULL);
    CHECK_IS(zslab_domain_enter(mine), ZSLAB_OK);
    CHECK(*f->object == 'f');
    MUST((f->object = (char *)zslab_heap_malloc(f->heap, 200)) != NULL);
    CHECK(zslab_epoch_of(z, f->object) == zslab_domain_epoch(f->request) || f->heap->z->shared);
    CHECK_IS(zslab_domain_exit_heap(mine, f->heap), f->heap->z->shared ? ZSLAB_OK : ZSLAB_E_INVALID);
    if (!f->heap->z->shared) {
        CHECK_IS(zslab_domain_exit(f->request), ZSLAB_E_INVALID); /* the thread did not enter it */
        CHECK_IS(zslab_domain_exit(mine), ZSLAB_OK);
    }
    *f->object = 'g';
    return NULL;
}

static void heaps_carry_domains(const test_mode *m)
{
    zslab *z = test_open(m, NULL), *another = zslab_create(NULL);
    zslab_heap *foreign = zslab_heap_create(another);
    zslab_domain *d = zslab_domain_create(z), *inner = zslab_domain_create(z);
    fiber f;
    zslab_epoch e;
    char *first, *plain;
    int shared = ((zs__allocator *)z)->shared != 0;
    MUST(foreign && d && inner && (f.heap = zslab_heap_create(z)) != NULL);
    f.request = d;
    e = zslab_domain_epoch(d);
    CHECK_IS(zslab_domain_enter_heap(d, NULL), ZSLAB_E_INVALID);
    CHECK_IS(zslab_domain_enter_heap(NULL, f.heap), ZSLAB_E_INVALID);
    CHECK_IS(zslab_domain_enter_heap(d, foreign), ZSLAB_E_INVALID);
    CHECK_IS(zslab_domain_exit_heap(d, foreign), ZSLAB_E_INVALID);
    CHECK_IS(zslab_domain_exit_heap(d, f.heap), ZSLAB_E_INVALID);
    CHECK_IS(zslab_domain_enter_heap(d, f.heap), ZSLAB_OK);
    MUST((first = f.object = (char *)zslab_heap_malloc(f.heap, 100)) != NULL);
    MUST((plain = (char *)zslab_malloc(z, 100)) != NULL);
    *first = 'f';
    CHECK(shared || (zslab_epoch_of(z, first) == e && zslab_epoch_of(z, plain) == zslab_epoch_current(z)));
    CHECK(shared || !zslab_domain_current(z));
    test_in_thread(fiber_goes_on, &f);
    CHECK(*f.object == 'g' && *first == 'f');
    if (!shared) {
        CHECK_IS(zslab_domain_enter_heap(inner, f.heap), ZSLAB_OK);
        CHECK_IS(zslab_domain_enter_heap(inner, f.heap), ZSLAB_OK);
        MUST((plain = (char *)zslab_heap_calloc(f.heap, 1, 100000)) != NULL);
        CHECK(zslab_epoch_of(z, plain) == zslab_domain_epoch(inner));
        CHECK_IS(zslab_domain_exit_heap(d, f.heap), ZSLAB_E_INVALID); /* not the last */
        CHECK_IS(zslab_domain_exit(inner), ZSLAB_E_INVALID);
        CHECK_IS(zslab_domain_exit_heap(inner, f.heap), ZSLAB_OK);
        CHECK_IS(zslab_domain_exit_heap(inner, f.heap), ZSLAB_OK);
        CHECK_IS(zslab_free(z, plain), ZSLAB_E_STALE);
        MUST((plain = (char *)zslab_heap_malloc(f.heap, 100)) != NULL);
        CHECK(zslab_epoch_of(z, plain) == e);
        CHECK_IS(zslab_domain_destroy(d), ZSLAB_E_BUSY);
        CHECK_IS(zslab_domain_exit_heap(d, f.heap), ZSLAB_OK);
        CHECK_IS(zslab_free(z, first), ZSLAB_E_STALE);
        MUST((plain = (char *)zslab_heap_malloc(f.heap, 100)) != NULL);
        CHECK(zslab_epoch_of(z, plain) == zslab_epoch_current(z));
        MUST((d = zslab_domain_create(z)) != NULL);
        CHECK_IS(zslab_domain_enter_heap(d, f.heap), ZSLAB_OK);
        MUST((first = (char *)zslab_heap_malloc(f.heap, 100)) != NULL);
        zslab_heap_destroy(f.heap); /* leaves it */
        CHECK_IS(zslab_free(z, first), ZSLAB_E_STALE);
        CHECK_IS(zslab_domain_enter_heap(d, f.heap), ZSLAB_E_INVALID);
        CHECK_IS(zslab_domain_destroy(d), ZSLAB_OK);
    }
    zslab_heap_destroy(foreign);
    zslab_destroy(another);
    test_destroy(z);
}

int main(void)
{
    TEST_EACH_MODE(each)
    {
        mode = each;
        a_created_domain_releases_at_the_last_exit();
        each_policy_does_what_it_says();
        entering_again_counts();
        the_innermost_domain_gets_plain_allocations();
        a_domain_binds_plain_allocations_only();
        leaving_out_of_order_changes_nothing();
        a_domain_may_stand_in_the_stack_twice();
        too_deep_is_a_limit();
        force_close_ends_it_as_the_last_exit_would();
        destroy_gives_up_what_the_domain_owns();
        an_epoch_released_under_a_domain_refuses();
        the_block_macro_leaves_at_every_way_out();
        the_last_exit_anywhere_applies_the_policy();
        a_thread_that_exits_inside_leaves();
        heaps_carry_domains(each);
        an_epoch_in_a_used_place_has_no_domains();
        many_threads_share_a_reset_domain();
        domains_by_the_thousand();
    }
    return test_summary("test_domain");
}
