/* Allocations, frees, resets, closes and releases of one epoch in every order up to a length, by one thread and by two,
   the second asleep or gone afterwards, in every mode. The ring has one place beside the current epoch's, so the next
   epoch opens only where the one before has ended.
   Use: test_orders [length] */
/* timeout: 300 */
#include "tests/lib/test.h"

typedef enum owner { ASLEEP, GONE } owner;
static const char steps[] = "ABFRCL"; /* allocate here, allocate elsewhere, free, reset, close, release */
enum { STEPS = 6, MOST = 8 };

typedef struct story {
    zslab *z;
    zslab_epoch e;
    void *p[MOST];
    int live;
    zslab_epoch_state state; /* what the epoch is, were there nothing to drain */
    void *got;
} story;

static void allocate(void *user)
{
    story *s = (story *)user;
    s->got = zslab_malloc_epoch(s->z, 64, s->e);
}

static void *allocate_and_exit(void *user)
{
    allocate(user);
    return NULL;
}

static zslab_epoch_state should_be(const story *s)
{
    return s->state == ZSLAB_EPOCH_CLOSING && !s->live ? ZSLAB_EPOCH_CLOSED : s->state;
}

static void elsewhere(story *s, owner who, test_worker *w)
{
    if (who == ASLEEP)
        test_worker_do(w, allocate, s);
    else
        test_in_thread(allocate_and_exit, s);
}

static void step(story *s, char what, owner who, test_worker *w)
{
    zslab_epoch_state was = should_be(s);
    zslab_result r = ZSLAB_OK;
    switch (what) {
    case 'A':
    case 'B':
        if (what == 'A')
            allocate(s);
        else
            elsewhere(s, who, w);
        if (CHECK(!s->got == (was != ZSLAB_EPOCH_ACTIVE)) && s->got) s->p[s->live++] = s->got;
        return;
    case 'F':
        if (s->live) CHECK_IS(zslab_free(s->z, s->p[--s->live]), ZSLAB_OK);
        return;
    case 'R':
        r = zslab_epoch_reset(s->z, s->e);
        CHECK_IS(r, was == ZSLAB_EPOCH_ACTIVE ? ZSLAB_OK : ZSLAB_E_CLOSED);
        break;
    case 'C': /* closing one that drained is fine; one that was released is gone */
        r = zslab_epoch_close(s->z, s->e);
        CHECK_IS(r, s->state == ZSLAB_EPOCH_CLOSED ? ZSLAB_E_CLOSED : ZSLAB_OK);
        if (r == ZSLAB_OK) s->state = ZSLAB_EPOCH_CLOSING;
        return;
    default:
        r = zslab_epoch_release(s->z, s->e);
        if (was != ZSLAB_EPOCH_CLOSED || s->state == was || r != ZSLAB_OK) /* nobody need have asked since it drained */
            CHECK_IS(r, was == ZSLAB_EPOCH_CLOSED ? ZSLAB_E_CLOSED : ZSLAB_OK);
        if (r == ZSLAB_OK) s->state = ZSLAB_EPOCH_CLOSED;
    }
    if (r == ZSLAB_OK) s->live = 0;
}

/* The number names the steps, base STEPS. */
static void tell(zslab *z, owner who, test_worker *w, unsigned number, int length, int ask)
{
    story s;
    zslab_global_stats stats;
    char text[MOST + 1];
    int i;
    memset(&s, 0, sizeof s);
    s.z = z;
    for (i = 0; i < length; i++, number /= STEPS) text[i] = steps[number % STEPS];
    text[i] = 0;
    s.e = zslab_epoch_open(z, text);
    if (!CHECK(s.e != ZSLAB_EPOCH_NONE)) MUST(s.e);
    for (i = 0; i < length; i++) {
        step(&s, text[i], who, w);
        if (ask && !CHECK(zslab_epoch_state_of(z, s.e) == should_be(&s))) printf("  %s, after %d of it\n", text, i + 1);
    }
    zslab_stats_global(z, &stats);
    if (!CHECK(zslab_epoch_state_of(z, s.e) == should_be(&s)) ||
        !CHECK(stats.closing_epoch_count == (should_be(&s) == ZSLAB_EPOCH_CLOSING)) ||
        !CHECK(stats.live_objects == (uint64_t)s.live))
        printf("  %s\n", text);
    for (i = 0; i < s.live; i++) CHECK_IS(zslab_free(z, s.p[i]), ZSLAB_OK);
    if (s.state == ZSLAB_EPOCH_ACTIVE) CHECK_IS(zslab_epoch_close(z, s.e), ZSLAB_OK);
    CHECK(zslab_epoch_state_of(z, s.e) == ZSLAB_EPOCH_CLOSED);
}

static void every_order(const test_mode *m, owner who, int length, int ask)
{
    zslab_config config;
    test_worker w;
    zslab *z;
    unsigned number, all = 1;
    int i;
    memset(&config, 0, sizeof config);
    config.epoch_count = 2;
    z = test_open(m, &config);
    test_worker_start(&w);
    for (i = 0; i < length; i++) all *= STEPS;
    for (number = 0; number < all && !test_failed; number++) tell(z, who, &w, number, length, ask);
    test_worker_end(&w);
    test_destroy(z);
}

int main(int argc, char **argv)
{
    int length = argc > 1 ? atoi(argv[1]) : TEST_SLOWED ? 3 : 4;
    MUST(length > 0 && length <= MOST);
    TEST_EACH_MODE(m)
    {
        for (int ask = 0; ask < 2; ask++) {
            every_order(m, ASLEEP, length, ask);
            every_order(m, GONE, length, ask);
        }
    }
    return test_summary("test_orders");
}
