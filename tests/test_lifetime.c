/* Whole lifetimes: epochs opened with more to say, walked oldest first, aged. In every mode. */
#include "test.h"

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

/* The epochs that live, each once, oldest first, whatever opens and ends meanwhile: against a list of our own. */
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
            if (at >= count || !CHECK(e == alive[at]))
                break;
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

int main(void)
{
    TEST_EACH_MODE (each) {
        mode = each;
        epochs_and_domains_open_with_a_configuration();
        epochs_are_walked_oldest_first();
        a_closing_epoch_is_walked_until_it_has_drained();
        ages_and_last_uses();
    }
    return test_summary("test_lifetime");
}
