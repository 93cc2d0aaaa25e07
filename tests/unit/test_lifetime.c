/* Whole lifetimes: epochs opened with more to say, walked oldest first, aged; what is called when they end; children.
   In every mode. */
#include "tests/lib/test.h"
#if TEST_UNIX
#include "tests/lib/child.h"
#endif

static const test_mode *mode;

static zslab *make(uint32_t epochs)
{
    zslab_config c = {0};
    c.epoch_count = epochs;
    return test_open(mode, &c);
}

/* ---- configurations, the walk over epochs, ages ---- */

static void epochs_and_domains_open_with_a_configuration(void)
{
    zslab *z = make(8);
    zslab_epoch_config c = {0};
    zslab_epoch_stats s;
    zslab_domain *d;
    zslab_epoch e;
    char label[] = "generation";
    c.label = label;
    c.flags = ZSLAB_EPOCH_DISCARDABLE;
    MUST(e = zslab_epoch_open_with(z, &c));
    label[0] = 'G';
    CHECK_IS(zslab_stats_epoch(z, 0, e, &s), ZSLAB_OK);
    CHECK(!strcmp(s.label, "generation") && s.state == ZSLAB_EPOCH_ACTIVE);
    CHECK((z->places[e & ZS__PLACE_MASK].flags & ZSLAB_EPOCH_DISCARDABLE) != 0);
    MUST((d = zslab_domain_create_with(z, &c)) != NULL);
    CHECK_IS(zslab_stats_epoch(z, 0, zslab_domain_epoch(d), &s), ZSLAB_OK);
    CHECK(!strcmp(s.label, "Generation") && s.domain_count == 1);
    CHECK_IS(zslab_domain_destroy(d), ZSLAB_OK);
    MUST(e = zslab_epoch_open_with(z, NULL));
    CHECK_IS(zslab_stats_epoch(z, 0, e, &s), ZSLAB_OK);
    CHECK(!s.label[0] && !z->places[e & ZS__PLACE_MASK].flags);
    c.flags = 1u << 31;
    CHECK_FAILS(zslab_epoch_open_with(z, &c), ZSLAB_E_INVALID);
    CHECK_FAILS(zslab_domain_create_with(z, &c), ZSLAB_E_INVALID);
    c.flags = 0;
    while (zslab_epoch_open_with(z, &c))
        ;
    CHECK(zslab_last_error() == ZSLAB_E_BUSY);
    CHECK_FAILS(zslab_domain_create_with(z, &c), ZSLAB_E_BUSY);
    test_destroy(z);
}

/* The epochs that live, each once, oldest first, whatever opens and ends meanwhile: against a list of our own.
   [FORK-4] */
static void epochs_are_walked_oldest_first(void)
{
    enum { PLACES = 16, STEPS = 3000 };
    zslab *z = make(PLACES);
    zslab_epoch alive[PLACES], e;
    size_t count = 1, at, step;
    uint64_t seed = 18;
    alive[0] = zslab_epoch_current(z);
    for (step = 0; step < STEPS; step++) {
        if (count < PLACES && (count < 2 || test_random(&seed) % 2)) {
            MUST(e = zslab_epoch_open(z, NULL));
            alive[count++] = e;
        } else {
            at = 1 + (size_t)test_random(&seed) % (count - 1);
            e = alive[at];
            CHECK_IS(test_random(&seed) % 2 ? zslab_epoch_release(z, e) : zslab_epoch_close(z, e), ZSLAB_OK);
            memmove(alive + at, alive + at + 1, (--count - at) * sizeof *alive);
            while (zslab_epoch_state_of(z, e) != ZSLAB_EPOCH_CLOSED)
                ;
            /* from one that has ended, what was opened after it comes next */
            CHECK(zslab_epoch_next(z, e) == (at < count ? alive[at] : ZSLAB_EPOCH_NONE));
        }
        for (e = ZSLAB_EPOCH_NONE, at = 0; (e = zslab_epoch_next(z, e)) != ZSLAB_EPOCH_NONE; at++)
            if (at >= count || !CHECK(e == alive[at])) break;
        CHECK(at == count);
    }
    CHECK(zslab_epoch_next(z, ~UINT64_C(0)) == ZSLAB_EPOCH_NONE);
    CHECK(zslab_epoch_next(z, alive[0] + 1) == (count > 1 ? alive[1] : ZSLAB_EPOCH_NONE)); /* never was one */
    test_destroy(z);
}

static void a_closing_epoch_is_walked_until_it_has_drained(void)
{
    zslab *z = make(4);
    zslab_epoch e;
    void *p;
    MUST(e = zslab_epoch_open(z, NULL));
    MUST((p = zslab_malloc_epoch(z, 100, e)) != NULL);
    CHECK_IS(zslab_epoch_close(z, e), ZSLAB_OK);
    CHECK(zslab_epoch_next(z, zslab_epoch_current(z)) == e && zslab_epoch_next(z, e) == ZSLAB_EPOCH_NONE);
    CHECK_IS(zslab_free(z, p), ZSLAB_OK);
    CHECK(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSED);
    CHECK(zslab_epoch_next(z, zslab_epoch_current(z)) == ZSLAB_EPOCH_NONE);
    test_destroy(z);
}

static zslab_epoch_stats stats_of(zslab *z, zslab_epoch e)
{
    zslab_epoch_stats s;
    CHECK_IS(zslab_stats_epoch(z, 0, e, &s), ZSLAB_OK);
    return s;
}

static void let_the_clock_move(void) /* it may be coarse */
{
    uint64_t now = zs__os_now_ns();
    while (zs__os_now_ns() == now)
        ;
}

/* Ages and last uses only rise; memory taken for the epoch and a visit of a domain are uses, a free is none. */
static void ages_and_last_uses(void)
{
    zslab *z = make(8);
    zslab_domain *d;
    zslab_epoch_stats s, t;
    zslab_epoch e;
    void *p;
    MUST(e = zslab_epoch_open(z, NULL));
    s = stats_of(z, e);
    CHECK(s.last_used_ns == s.opened_ns);
    let_the_clock_move();
    t = stats_of(z, e);
    CHECK(t.age_ns > s.age_ns && t.last_used_ns == s.last_used_ns);
    MUST((p = zslab_malloc_epoch(z, ZS__CHUNK_BYTES + 1, e)) != NULL);
    t = stats_of(z, e);
    CHECK(t.last_used_ns > s.last_used_ns);
    let_the_clock_move();
    CHECK_IS(zslab_free(z, p), ZSLAB_OK);
    s = stats_of(z, e);
    CHECK(s.last_used_ns == t.last_used_ns);
    MUST((d = zslab_domain_wrap(z, e, ZSLAB_ON_EXIT_KEEP)) != NULL);
    CHECK_IS(zslab_domain_enter(d), ZSLAB_OK);
    t = stats_of(z, e);
    CHECK(t.last_used_ns > s.last_used_ns);
    let_the_clock_move();
    CHECK_IS(zslab_domain_exit(d), ZSLAB_OK);
    s = stats_of(z, e);
    CHECK(s.last_used_ns > t.last_used_ns);
    for (t = s; t.last_used_ns == s.last_used_ns; t = stats_of(z, e))
        MUST(zslab_malloc_epoch(z, 1024, e)); /* a chunk more, some time: 64 MiB are not enough to miss it */
    test_destroy(z);
}

/* ---- endings ---- */

typedef struct call { /* one that was made */
    size_t name;
    zslab_epoch e;
    zslab_end why;
} call;
static call calls[20000];
static size_t call_count;

static void note(void *user, zslab *z, zslab_epoch e, zslab_end why)
{
    CHECK(zslab_epoch_current(z) != 0 && call_count < sizeof calls / sizeof *calls);
    calls[call_count].name = (size_t)(uintptr_t)user;
    calls[call_count].e = e;
    calls[call_count++].why = why;
}

static void on_end(zslab *z, zslab_epoch e, size_t name)
{
    CHECK_IS(zslab_epoch_on_end(z, e, note, (void *)(uintptr_t)name), ZSLAB_OK);
}

static int called(size_t at, size_t name, zslab_epoch e, zslab_end why)
{
    return at < call_count && calls[at].name == name && calls[at].e == e && calls[at].why == why;
}

static zslab_epoch child_of(zslab *z, zslab_epoch parent)
{
    zslab_epoch_config c = {0};
    zslab_epoch e;
    c.parent = parent;
    MUST(e = zslab_epoch_open_with(z, &c));
    return e;
}

static void *looked_at;
static void note_living(void *user, zslab *z, zslab_epoch e, zslab_end why)
{
    zslab_result r = why == ZSLAB_END_RESET ? ZSLAB_E_BUSY : ZSLAB_E_CLOSED;
    note(user, z, e, why);
    CHECK(zslab_usable_size(z, looked_at) == 112 && zslab_epoch_of(z, looked_at) == e);
    CHECK_IS(zslab_epoch_reset(z, e), r);
    if (why == ZSLAB_END_RESET) return;
    CHECK_FAILS(zslab_malloc_epoch(z, 8, e), ZSLAB_E_CLOSED);
    CHECK_IS(zslab_epoch_release(z, e), ZSLAB_E_CLOSED);
    CHECK_IS(zslab_epoch_on_end(z, e, note, NULL), ZSLAB_E_CLOSED);
    CHECK(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSING);
}

static void endings_come_before_the_objects_go(void)
{
    zslab *z = make(8);
    zslab_epoch e;
    call_count = 0;
    MUST(e = zslab_epoch_open(z, NULL));
    MUST((looked_at = zslab_malloc_epoch(z, 100, e)) != NULL);
    on_end(z, e, 1);
    CHECK_IS(zslab_epoch_on_end(z, e, note_living, (void *)(uintptr_t)2), ZSLAB_OK);
    on_end(z, e, 3);
    CHECK_IS(zslab_epoch_reset(z, e), ZSLAB_OK);
    CHECK(call_count == 3 && called(0, 3, e, ZSLAB_END_RESET) && called(1, 2, e, ZSLAB_END_RESET) &&
          called(2, 1, e, ZSLAB_END_RESET));
    CHECK_IS(zslab_free(z, looked_at), ZSLAB_E_STALE);
    CHECK_IS(zslab_epoch_reset(z, e), ZSLAB_OK); /* once each */
    CHECK(call_count == 3);
    MUST((looked_at = zslab_malloc_epoch(z, 100, e)) != NULL);
    on_end(z, e, 4);
    CHECK_IS(zslab_epoch_on_end(z, e, note_living, (void *)(uintptr_t)5), ZSLAB_OK);
    CHECK_IS(zslab_epoch_release(z, e), ZSLAB_OK);
    CHECK(call_count == 5 && called(3, 5, e, ZSLAB_END_RELEASE) && called(4, 4, e, ZSLAB_END_RELEASE));
    CHECK_IS(zslab_free(z, looked_at), ZSLAB_E_STALE);
    CHECK(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSED);
    CHECK_IS(zslab_epoch_on_end(z, e, note, NULL), ZSLAB_E_CLOSED);
    CHECK_IS(zslab_epoch_on_end(z, ZSLAB_EPOCH_NONE, note, NULL), ZSLAB_E_CLOSED);
    CHECK_IS(zslab_epoch_on_end(z, zslab_epoch_current(z), NULL, NULL), ZSLAB_E_INVALID);
    test_destroy(z);
    CHECK(call_count == 5);
}

/* A closed epoch's come with a later call of those that may call them; no free and no query does. */
static void endings_of_a_drained_epoch(int by)
{
    zslab *z = make(16);
    zslab_epoch e, other;
    zslab_domain *d;
    void *p;
    call_count = 0;
    MUST(e = zslab_epoch_open(z, NULL));
    MUST(other = zslab_epoch_open(z, NULL));
    MUST((p = zslab_malloc_epoch(z, 100, e)) != NULL);
    on_end(z, e, 1);
    CHECK_IS(zslab_epoch_close(z, e), ZSLAB_OK);
    on_end(z, e, 2); /* it lives */
    zslab_trim(z);
    CHECK(call_count == 0);
    CHECK_IS(zslab_free(z, p), ZSLAB_OK);
    if (by & 1) CHECK(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSED && !zslab_epoch_next(z, other));
    CHECK(call_count == 0);
    switch (by / 2) {
    case 0:
        MUST(zslab_epoch_open(z, NULL));
        break;
    case 1:
        MUST(zslab_epoch_advance(z));
        break;
    case 2:
        CHECK_IS(zslab_epoch_close(z, other), ZSLAB_OK);
        break;
    case 3:
        CHECK_IS(zslab_epoch_release(z, other), ZSLAB_OK);
        break;
    case 4:
        CHECK_IS(zslab_epoch_reset(z, other), ZSLAB_OK);
        break;
    case 5:
        zslab_trim(z);
        break;
    default:
        MUST((d = zslab_domain_create(z)) != NULL);
        CHECK_IS(zslab_domain_destroy(d), ZSLAB_OK);
    }
    CHECK(call_count == 2 && called(0, 2, e, ZSLAB_END_DRAINED) && called(1, 1, e, ZSLAB_END_DRAINED));
    MUST(e = zslab_epoch_open(z, NULL));
    on_end(z, e, 3);
    CHECK_IS(zslab_epoch_close(z, e), ZSLAB_OK); /* empty: drained at once */
    CHECK(call_count == 3 && called(2, 3, e, ZSLAB_END_DRAINED));
    MUST(e = zslab_epoch_open(z, NULL));
    MUST(zslab_malloc_epoch(z, 100, e));
    on_end(z, e, 4);
    CHECK_IS(zslab_epoch_close(z, e), ZSLAB_OK);
    CHECK_IS(zslab_epoch_release(z, e), ZSLAB_OK); /* while it drains */
    CHECK(call_count == 4 && called(3, 4, e, ZSLAB_END_RELEASE));
    test_destroy(z);
    CHECK(call_count == 4);
}

static void leave_inside(void *arg) { CHECK_IS(zslab_domain_enter((zslab_domain *)arg), ZSLAB_OK); }
static void *leave_inside_thread(void *arg)
{
    leave_inside(arg);
    return NULL;
}

static void endings_at_domains_and_thread_exit(void)
{
    zslab *z = make(8);
    zslab_domain *d;
    zslab_epoch e;
    call_count = 0;
    MUST((d = zslab_domain_create(z)) != NULL);
    on_end(z, e = zslab_domain_epoch(d), 1);
    CHECK_IS(zslab_domain_enter(d), ZSLAB_OK);
    CHECK_IS(zslab_domain_exit(d), ZSLAB_OK);
    CHECK(call_count == 1 && called(0, 1, e, ZSLAB_END_RELEASE));
    CHECK_IS(zslab_domain_destroy(d), ZSLAB_OK);
    MUST((d = zslab_domain_create(z)) != NULL);
    on_end(z, e = zslab_domain_epoch(d), 2);
    CHECK_IS(zslab_domain_destroy(d), ZSLAB_OK);
    CHECK(call_count == 2 && called(1, 2, e, ZSLAB_END_RELEASE));
    MUST(e = zslab_epoch_open(z, NULL));
    MUST((d = zslab_domain_wrap(z, e, ZSLAB_ON_EXIT_RESET)) != NULL);
    on_end(z, e, 3);
    CHECK_IS(zslab_domain_enter(d), ZSLAB_OK);
    CHECK_IS(zslab_domain_exit(d), ZSLAB_OK);
    CHECK(call_count == 3 && called(2, 3, e, ZSLAB_END_RESET));
    on_end(z, e, 4);
    CHECK_IS(zslab_domain_force_close(d), ZSLAB_OK);
    CHECK(call_count == 4 && called(3, 4, e, ZSLAB_END_RESET));
    if (!z->shared) { /* there a thread is in no domain of its own */
        MUST((d = zslab_domain_create(z)) != NULL);
        on_end(z, e = zslab_domain_epoch(d), 5);
        test_in_thread(leave_inside_thread, d);
        CHECK(call_count == 5 && called(4, 5, e, ZSLAB_END_RELEASE));
    }
    test_destroy(z);
}

static void endings_at_destroy(void)
{
    zslab *z = make(8);
    zslab_epoch e, child, due;
    void *p;
    call_count = 0;
    MUST(e = zslab_epoch_open(z, NULL));
    MUST(due = zslab_epoch_open(z, NULL));
    child = child_of(z, e);
    MUST((looked_at = zslab_malloc_epoch(z, 100, e)) != NULL);
    MUST((p = zslab_malloc_epoch(z, 100, due)) != NULL);
    CHECK_IS(zslab_epoch_on_end(z, e, note, (void *)(uintptr_t)1), ZSLAB_OK);
    on_end(z, child, 2);
    on_end(z, child, 3);
    on_end(z, due, 4);
    CHECK_IS(zslab_epoch_on_end(z, e, note_living, (void *)(uintptr_t)5), ZSLAB_OK);
    CHECK_IS(zslab_epoch_close(z, due), ZSLAB_OK);
    CHECK_IS(zslab_free(z, p), ZSLAB_OK);
    zslab_destroy(z);
    CHECK(call_count == 5 && called(0, 4, due, ZSLAB_END_DRAINED) && called(1, 3, child, ZSLAB_END_DESTROY) &&
          called(2, 2, child, ZSLAB_END_DESTROY) && called(3, 5, e, ZSLAB_END_DESTROY) &&
          called(4, 1, e, ZSLAB_END_DESTROY));
}

/* Every call there is, from one that is called. */
static zslab_epoch elsewhere;
static void make_every_call(void *user, zslab *z, zslab_epoch e, zslab_end why)
{
    char text[64];
    zslab_global_stats g;
    zslab_heap *h = zslab_heap_create(z);
    zslab_domain *d = zslab_domain_create(z);
    zslab_epoch_config c = {0};
    zslab_epoch new_one = zslab_epoch_open(z, NULL);
    void *p;
    note(user, z, e, why);
    MUST(h && d && new_one);
    CHECK_IS(zslab_domain_enter(d), ZSLAB_OK);
    MUST((p = zslab_malloc(z, 100)) != NULL);
    CHECK_IS(zslab_free(z, p), ZSLAB_OK);
    CHECK_IS(zslab_domain_exit(d), ZSLAB_OK);
    CHECK_IS(zslab_domain_destroy(d), ZSLAB_OK);
    MUST((p = zslab_heap_malloc(h, 300)) != NULL);
    CHECK_IS(zslab_heap_free(h, p), ZSLAB_OK);
    zslab_heap_destroy(h);
    c.parent = e;
    CHECK_FAILS(zslab_epoch_open_with(z, &c), why == ZSLAB_END_RESET ? ZSLAB_E_BUSY : ZSLAB_E_CLOSED);
    on_end(z, new_one, 77);
    CHECK_IS(zslab_epoch_reset(z, new_one), ZSLAB_OK);
    CHECK_IS(zslab_epoch_release(z, new_one), ZSLAB_OK);
    if (why == ZSLAB_END_RESET)
        CHECK_IS(zslab_epoch_on_end(z, e, make_every_call, user), ZSLAB_OK); /* for the next end */
    if (elsewhere) CHECK_IS(zslab_epoch_release(z, elsewhere), ZSLAB_OK);
    elsewhere = ZSLAB_EPOCH_NONE;
    zslab_trim(z);
    MUST(zslab_epoch_advance(z));
    zslab_stats_global(z, &g);
    CHECK(g.active_epoch_count && zslab_stats_json(z, text, sizeof text) > sizeof text);
    zslab_thread_detach(z);
}

static void endings_may_make_every_call(void)
{
    zslab *z = make(16);
    zslab_epoch e, drained;
    call_count = 0;
    MUST(e = zslab_epoch_open(z, NULL));
    MUST(drained = zslab_epoch_open(z, NULL));
    MUST(elsewhere = zslab_epoch_open(z, NULL));
    on_end(z, elsewhere, 9);
    CHECK_IS(zslab_epoch_on_end(z, e, make_every_call, (void *)(uintptr_t)1), ZSLAB_OK);
    CHECK_IS(zslab_epoch_on_end(z, drained, make_every_call, (void *)(uintptr_t)2), ZSLAB_OK);
    CHECK_IS(zslab_epoch_reset(z, e), ZSLAB_OK);
    CHECK(call_count == 3 && called(0, 1, e, ZSLAB_END_RESET) && calls[1].name == 77 && calls[2].name == 9);
    CHECK_IS(zslab_epoch_release(z, e), ZSLAB_OK);
    CHECK(call_count == 5 && called(3, 1, e, ZSLAB_END_RELEASE));
    CHECK_IS(zslab_epoch_close(z, drained), ZSLAB_OK);
    CHECK(call_count == 7 && called(5, 2, drained, ZSLAB_END_DRAINED));
    test_destroy(z);
}

/* ---- children ---- */

static void children_end_before_their_parent(void)
{
    zslab *z = make(128);
    zslab_epoch chain[66], one, two, low;
    zslab_epoch_config c = {0};
    size_t i;
    void *p;
    call_count = 0;
    MUST(chain[0] = zslab_epoch_open(z, NULL));
    for (i = 1; i <= 64; i++) {
        chain[i] = child_of(z, chain[i - 1]);
        on_end(z, chain[i], i);
    }
    c.parent = chain[64];
    CHECK_FAILS(zslab_epoch_open_with(z, &c), ZSLAB_E_LIMIT);
    c.parent = 12345;
    CHECK_FAILS(zslab_epoch_open_with(z, &c), ZSLAB_E_CLOSED);
    MUST((p = zslab_malloc_epoch(z, 100, chain[40])) != NULL);
    CHECK_IS(zslab_epoch_close(z, chain[0]), ZSLAB_OK); /* closes all, the deepest have drained first */
    for (i = 0; i <= 64; i++) {
        CHECK(zslab_epoch_state_of(z, chain[i]) == (i > 40 ? ZSLAB_EPOCH_CLOSED : ZSLAB_EPOCH_CLOSING));
        CHECK_FAILS(zslab_malloc_epoch(z, 8, chain[i]), ZSLAB_E_CLOSED);
    }
    c.parent = chain[3];
    CHECK_FAILS(zslab_epoch_open_with(z, &c), ZSLAB_E_CLOSED);
    CHECK_IS(zslab_free(z, p), ZSLAB_OK);
    for (i = 64; i-- > 0;) CHECK(zslab_epoch_state_of(z, chain[i]) == ZSLAB_EPOCH_CLOSED || i > 40);
    zslab_trim(z);
    CHECK(call_count == 64);
    for (i = 0; i < 64; i++) CHECK(called(i, 64 - i, chain[64 - i], ZSLAB_END_DRAINED));
    call_count = 0;
    MUST(chain[0] = zslab_epoch_open(z, NULL));
    one = child_of(z, chain[0]), two = child_of(z, chain[0]), low = child_of(z, one);
    on_end(z, chain[0], 1), on_end(z, one, 2), on_end(z, two, 3), on_end(z, low, 4), on_end(z, low, 5);
    MUST((p = zslab_malloc_epoch(z, 100, low)) != NULL);
    CHECK_IS(zslab_epoch_close(z, one), ZSLAB_OK);
    CHECK_IS(zslab_epoch_reset(z, chain[0]), ZSLAB_OK);
    CHECK(call_count == 5 && called(4, 1, chain[0], ZSLAB_END_RESET));
    for (i = 0; i < 4; i++)
        CHECK(calls[i].why == ZSLAB_END_PARENT && (calls[i].e != one || (calls[0].e != one && calls[i - 1].e == low)));
    CHECK_IS(zslab_free(z, p), ZSLAB_E_STALE);
    CHECK(zslab_epoch_state_of(z, one) == ZSLAB_EPOCH_CLOSED && zslab_epoch_state_of(z, two) == ZSLAB_EPOCH_CLOSED);
    CHECK(zslab_epoch_state_of(z, chain[0]) == ZSLAB_EPOCH_ACTIVE);
    one = child_of(z, chain[0]);
    on_end(z, one, 6);
    MUST(zslab_malloc_epoch(z, 100, one));
    CHECK_IS(zslab_epoch_release(z, chain[0]), ZSLAB_OK);
    CHECK(call_count == 6 && called(5, 6, one, ZSLAB_END_PARENT));
    CHECK(zslab_epoch_state_of(z, chain[0]) == ZSLAB_EPOCH_CLOSED && test_live(z) == 0);
    test_destroy(z);
}

/* What is called ends the epoch above, or below, or resets it, closes it: each ends once, children first. */
static zslab_epoch above;
static void release_above(void *user, zslab *z, zslab_epoch e, zslab_end why)
{
    note(user, z, e, why);
    CHECK_IS(zslab_epoch_reset(z, above), ZSLAB_E_BUSY); /* it cannot wait for this one */
    CHECK_IS(zslab_epoch_release(z, above), ZSLAB_OK);
    CHECK(zslab_epoch_state_of(z, above) == ZSLAB_EPOCH_CLOSING); /* later: this one first */
    CHECK_FAILS(zslab_malloc_epoch(z, 8, above), ZSLAB_E_CLOSED);
}
static void close_itself(void *user, zslab *z, zslab_epoch e, zslab_end why)
{
    note(user, z, e, why);
    CHECK_IS(zslab_epoch_close(z, e), ZSLAB_OK);
}
static void release_itself(void *user, zslab *z, zslab_epoch e, zslab_end why)
{
    note(user, z, e, why);
    CHECK_IS(zslab_epoch_on_end(z, e, note, (void *)(uintptr_t)99), ZSLAB_OK);
    CHECK_IS(zslab_epoch_release(z, e), ZSLAB_OK);
}

static void endings_within_endings(void)
{
    zslab *z = make(16);
    zslab_epoch e, child, other;
    call_count = 0;
    MUST(above = zslab_epoch_open(z, NULL));
    child = child_of(z, above), other = child_of(z, above);
    on_end(z, above, 1), on_end(z, other, 2), on_end(z, child, 3);
    CHECK_IS(zslab_epoch_on_end(z, child, release_above, (void *)(uintptr_t)4), ZSLAB_OK);
    CHECK_IS(zslab_epoch_release(z, child), ZSLAB_OK);
    CHECK(call_count == 4 && called(0, 4, child, ZSLAB_END_RELEASE) && called(1, 2, other, ZSLAB_END_PARENT) &&
          called(2, 3, child, ZSLAB_END_RELEASE) && called(3, 1, above, ZSLAB_END_RELEASE));
    CHECK(zslab_epoch_state_of(z, above) == ZSLAB_EPOCH_CLOSED && zslab_epoch_state_of(z, child) == ZSLAB_EPOCH_CLOSED);
    MUST(e = zslab_epoch_open(z, NULL));
    on_end(z, e, 5);
    CHECK_IS(zslab_epoch_on_end(z, e, close_itself, (void *)(uintptr_t)6), ZSLAB_OK);
    CHECK_IS(zslab_epoch_reset(z, e), ZSLAB_OK); /* what was told goes, and the epoch with it */
    CHECK(call_count == 6 && called(4, 6, e, ZSLAB_END_RESET) && calls[5].name == 5);
    CHECK(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSED);
    MUST(e = zslab_epoch_open(z, NULL));
    CHECK_IS(zslab_epoch_on_end(z, e, release_itself, (void *)(uintptr_t)7), ZSLAB_OK);
    CHECK_IS(zslab_epoch_reset(z, e), ZSLAB_OK);
    CHECK(call_count == 8 && called(6, 7, e, ZSLAB_END_RESET) && called(7, 99, e, ZSLAB_END_RELEASE));
    CHECK(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSED);
    test_destroy(z);
}

/* Trees at random: every record is called once, newest first, for a reason that fits, a child's before its parent's. */
enum { TREES = 64, RECORDS = 16000 };
static struct tree {
    zslab_epoch e;
    size_t parent, records[16], count; /* parent: TREES, none */
    int closed;
} trees[TREES];
static uint8_t record_called[RECORDS];

static void note_in_tree(void *user, zslab *z, zslab_epoch e, zslab_end why)
{
    size_t name = (size_t)(uintptr_t)user, i, at;
    (void)z;
    CHECK(!record_called[name]++);
    for (at = 0; at < TREES && trees[at].e != e; at++)
        ;
    if (!CHECK(at < TREES && trees[at].count && trees[at].records[trees[at].count - 1] == name)) return;
    trees[at].count--;
    for (i = 0; i < TREES; i++)
        if (trees[i].e && trees[i].parent == at) CHECK(trees[i].count == 0);
    CHECK(why != ZSLAB_END_DRAINED || trees[at].closed);
}

static int below_tree(size_t i, size_t root)
{
    for (; i < TREES; i = trees[i].parent)
        if (i == root) return 1;
    return 0;
}

static void trees_at_random(long steps)
{
    zslab *z = make(TREES);
    uint64_t seed = 45;
    size_t i, at, records = 0;
    void *p;
    memset(trees, 0, sizeof trees);
    memset(record_called, 0, sizeof record_called);
    while (steps-- > 0) {
        at = (size_t)test_random(&seed) % TREES;
        switch (test_random(&seed) % 8) {
        case 0:
        case 1: { /* a new one, below another or not */
            zslab_epoch_config c = {0};
            size_t parent = (size_t)test_random(&seed) % TREES;
            if (trees[at].e) break;
            trees[at].parent = trees[parent].e && !trees[parent].closed ? parent : TREES;
            c.parent = trees[at].parent < TREES ? trees[parent].e : ZSLAB_EPOCH_NONE;
            trees[at].closed = 0;
            trees[at].e = zslab_epoch_open_with(z, &c);
            CHECK(trees[at].e || zslab_last_error() == ZSLAB_E_BUSY || zslab_last_error() == ZSLAB_E_LIMIT);
            break;
        }
        case 2:
        case 3:
        case 4:
            if (!trees[at].e || trees[at].closed) break;
            if (trees[at].count < 16 && records < RECORDS) {
                trees[at].records[trees[at].count++] = records;
                CHECK_IS(zslab_epoch_on_end(z, trees[at].e, note_in_tree, (void *)(uintptr_t)records++), ZSLAB_OK);
            }
            p = zslab_malloc_epoch(z, 40, trees[at].e);
            if (CHECK(p != NULL) && test_random(&seed) % 2) CHECK_IS(zslab_free(z, p), ZSLAB_OK);
            break;
        case 5:
            if (!trees[at].e || trees[at].closed) break;
            for (i = 0; i < TREES; i++) trees[i].closed |= trees[i].e && below_tree(i, at);
            CHECK_IS(zslab_epoch_close(z, trees[at].e), ZSLAB_OK);
            break;
        case 6:
            if (!trees[at].e) break;
            CHECK_IS(zslab_epoch_reset(z, trees[at].e), trees[at].closed ? ZSLAB_E_CLOSED : ZSLAB_OK);
            for (i = 0; i < TREES && !trees[at].closed; i++)
                if (trees[i].e && below_tree(i, at)) {
                    CHECK(trees[i].count == 0);
                    if (i != at) trees[i].e = 0;
                }
            break;
        default:
            if (!trees[at].e) break;
            zslab_epoch_release(z, trees[at].e); /* ZSLAB_E_CLOSED: drained */
            zslab_trim(z);
            for (i = 0; i < TREES; i++)
                if (trees[i].e && below_tree(i, at)) {
                    CHECK(trees[i].count == 0 && zslab_epoch_state_of(z, trees[i].e) == ZSLAB_EPOCH_CLOSED);
                    trees[i].closed |= 2;
                }
            for (i = 0; i < TREES; i++)
                if (trees[i].closed & 2) trees[i].e = 0, trees[i].closed = 0;
        }
    }
    CHECK(records > 100);
    zslab_destroy(z);
    for (i = 0; i < records; i++) CHECK(record_called[i] == 1);
}

/* ---- why an epoch does not end ---- */

static zslab_epoch late_epoch;
static int late_used, late_go; /* atomic */
static void *use_and_sleep(void *arg)
{
    MUST(zslab_malloc_epoch((zslab *)arg, 100, late_epoch));
    __atomic_store_n(&late_used, 1, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&late_go, __ATOMIC_ACQUIRE)) sched_yield();
    return NULL;
}

static void what_an_epoch_waits_for(void)
{
    zslab *z = make(8);
    pthread_t t;
    zslab_domain *d;
    zslab_epoch_stats s;
    zslab_epoch e, child;
    void *p;
    MUST(e = late_epoch = zslab_epoch_open(z, NULL));
    s = stats_of(z, e);
    CHECK(!s.children && !s.visits && !s.owners_late && !s.purges && !s.endings);
    child = child_of(z, e);
    MUST((p = zslab_malloc_epoch(z, 100, child_of(z, child))) != NULL);
    on_end(z, e, 1), on_end(z, e, 2);
    MUST((d = zslab_domain_wrap(z, e, ZSLAB_ON_EXIT_KEEP)) != NULL);
    CHECK_IS(zslab_domain_enter(d), ZSLAB_OK);
    CHECK_IS(zslab_domain_enter(d), ZSLAB_OK);
    late_used = late_go = 0;
    MUST(!pthread_create(&t, NULL, use_and_sleep, z));
    while (!__atomic_load_n(&late_used, __ATOMIC_ACQUIRE)) sched_yield();
    CHECK_IS(zslab_epoch_close(z, e), ZSLAB_OK);
    s = stats_of(z, e);
    CHECK(s.state == ZSLAB_EPOCH_CLOSING && s.children == 1 && s.visits == 2 && s.endings == 2);
    CHECK(s.owners_late == (z->shared || z->rss_policy ? 0 : 1));
    CHECK_IS(zslab_domain_exit(d), ZSLAB_OK);
    CHECK_IS(zslab_domain_exit(d), ZSLAB_OK);
    CHECK_IS(zslab_free(z, p), ZSLAB_OK);
    CHECK(zslab_epoch_state_of(z, child) == ZSLAB_EPOCH_CLOSED);
    CHECK(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSING); /* asked: the object is what is left */
    s = stats_of(z, e);
    CHECK(!s.children && !s.visits && !s.owners_late && s.endings == 2);
    __atomic_store_n(&late_go, 1, __ATOMIC_RELEASE);
    pthread_join(t, NULL);
    CHECK_IS(zslab_epoch_release(z, e), ZSLAB_OK);
    s = stats_of(z, e);
    CHECK(s.state == ZSLAB_EPOCH_CLOSED && !s.endings);
    test_destroy(z);
}

#if TEST_UNIX
/* ---- forks ---- */

static zslab *forked_z;
static zslab_epoch forked_epoch;
static zslab_heap *a_heap_of_mine; /* so that the child's call finds one */

static void child_ends_its_own(int arg)
{
    size_t before = call_count + (size_t)arg;
    CHECK_IS(zslab_epoch_release(forked_z, forked_epoch), ZSLAB_OK);
    CHECK(call_count == before + 2 && called(before, 2, forked_epoch, ZSLAB_END_RELEASE) &&
          called(before + 1, 1, forked_epoch, ZSLAB_END_RELEASE));
    zslab_destroy(forked_z);
    CHECK(call_count == before + 2);
}

static int in_callback, go_on; /* atomic */
static void wait_inside(void *user, zslab *z, zslab_epoch e, zslab_end why)
{
    note(user, z, e, why);
    __atomic_store_n(&in_callback, 1, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&go_on, __ATOMIC_ACQUIRE)) sched_yield();
}

static void *release_it(void *arg)
{
    (void)arg;
    CHECK_IS(zslab_epoch_release(forked_z, forked_epoch), ZSLAB_OK);
    return NULL;
}

/* [END-4] */
static void child_finishes_a_release(int arg)
{
    zslab_epoch e;
    (void)arg;
    call_count = 0;
    MUST(e = zslab_epoch_open(forked_z, NULL)); /* the thread that had begun is not here */
    CHECK(call_count == 1 && called(0, 1, forked_epoch, ZSLAB_END_RELEASE));
    CHECK(zslab_epoch_state_of(forked_z, forked_epoch) == ZSLAB_EPOCH_CLOSED);
    CHECK(zslab_check(forked_z, NULL, NULL) == ZSLAB_OK);
}

static pid_t fork_was;
static void fork_inside(void *user, zslab *z, zslab_epoch e, zslab_end why)
{
    note(user, z, e, why);
    fflush(stdout);
    MUST((fork_was = fork()) >= 0);
    if (!fork_was) /* this thread goes on with what it was ending */
        MUST(zslab_epoch_open(z, NULL));
}

static void forks(void)
{
    pthread_t t;
    int status = -1;
    zslab *z = forked_z = make(8);
    MUST((a_heap_of_mine = zslab_heap_create(z)) != NULL);
    call_count = 0;
    MUST(forked_epoch = zslab_epoch_open(z, NULL));
    on_end(z, forked_epoch, 1);
    on_end(z, forked_epoch, 2);
    in_a_child(child_ends_its_own, 0);
    CHECK(call_count == 0);
    CHECK_IS(zslab_epoch_release(z, forked_epoch), ZSLAB_OK);
    CHECK(call_count == 2);
    MUST(forked_epoch = zslab_epoch_open(z, NULL));
    on_end(z, forked_epoch, 1);
    CHECK_IS(zslab_epoch_on_end(z, forked_epoch, wait_inside, (void *)(uintptr_t)2), ZSLAB_OK);
    in_callback = go_on = 0;
    MUST(!pthread_create(&t, NULL, release_it, NULL));
    while (!__atomic_load_n(&in_callback, __ATOMIC_ACQUIRE)) sched_yield();
    in_a_child(child_finishes_a_release, 0);
    __atomic_store_n(&go_on, 1, __ATOMIC_RELEASE);
    pthread_join(t, NULL);
    CHECK(call_count == 4);
    call_count = 0;
    MUST(forked_epoch = zslab_epoch_open(z, NULL));
    on_end(z, forked_epoch, 1);
    CHECK_IS(zslab_epoch_on_end(z, forked_epoch, fork_inside, (void *)(uintptr_t)2), ZSLAB_OK);
    on_end(z, child_of(z, forked_epoch), 3);
    CHECK_IS(zslab_epoch_release(z, forked_epoch), ZSLAB_OK);
    CHECK(call_count == 3 && calls[0].name == 3 && calls[1].name == 2 && calls[2].name == 1);
    CHECK(zslab_epoch_state_of(z, forked_epoch) == ZSLAB_EPOCH_CLOSED);
    test_destroy(z);
    if (!fork_was) test_leave(test_failed ? 1 : 0);
    MUST(waitpid(fork_was, &status, 0) == fork_was);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
#endif

int main(void)
{
    int by;
    TEST_EACH_MODE(each)
    {
        mode = each;
        epochs_and_domains_open_with_a_configuration();
        epochs_are_walked_oldest_first();
        a_closing_epoch_is_walked_until_it_has_drained();
        ages_and_last_uses();
        endings_come_before_the_objects_go();
        for (by = 0; by < 14; by++) endings_of_a_drained_epoch(by);
        endings_at_domains_and_thread_exit();
        endings_at_destroy();
        endings_may_make_every_call();
        children_end_before_their_parent();
        endings_within_endings();
        trees_at_random(10000);
        what_an_epoch_waits_for();
#if TEST_UNIX
        if (!TEST_TSAN) forks();
#endif
    }
    return test_summary("test_lifetime");
}
