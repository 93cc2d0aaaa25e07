/* No callback runs under a lock or a claim: whichever call leads to it, the callback finds every lock free, and what it
   may call (the table in >>front) answers. [HOOK-2] */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdint.h>
struct zslab;
static void heard(struct zslab *z, uint64_t epoch, int event);
#define ZSLAB_ON_EPOCH(z, epoch, event) heard((z), (epoch), (int)(event))
#include "tests/lib/test.h"

static zslab *z, *other;
static size_t events[5], leaks, misuses;
static int deep; /* inside a callback */

/* Nobody else runs: a word that is not 0 is the caller's. */
static int nothing_held(void)
{
    zs__allocator *own = zs__own(z);
    uint32_t q, held = zs__global.setup.word + zs__global.lock.word + own->epoch_lock + own->arena_lock +
                       (own->close_next != own->close_turn);
    zslab_heap *heap;
    zs__row *row;
    for (q = 0; q < own->epoch_count; q++) held += own->places[q].rows_lock + own->places[q].purging;
    for (heap = own->heaps; heap; heap = heap->next)
        for (row = heap->made; row; row = row->made) held += row->lock;
    return !held;
}

static void *first_use_of_other(void *unused) /* a thread that other does not know: takes the global lock */
{
    CHECK_IS(zslab_free(other, zslab_malloc(other, 100)), ZSLAB_OK);
    return unused;
}

static void calls(void)
{
    CHECK(nothing_held());
    if (deep++ == 0) {
        zslab_global_stats stats;
        test_in_thread(first_use_of_other, NULL);
        zslab_stats_global(z, &stats);
        zslab_trim(other);
    }
    deep--;
}

static void heard(struct zslab *which, uint64_t epoch, int event)
{
    if (which != z || !z) return;
    events[event]++;
    calls();
    zslab_epoch_state state = zslab_epoch_state_of(z, epoch);
    if (event == ZSLAB_EPOCH_EVENT_OPEN || event == ZSLAB_EPOCH_EVENT_RESET)
        CHECK(state == ZSLAB_EPOCH_ACTIVE);
    else
        CHECK(event == ZSLAB_EPOCH_EVENT_CLOSE ? state != ZSLAB_EPOCH_ACTIVE : state == ZSLAB_EPOCH_CLOSED);
}

static int shown(void *user, zslab_leak when, const zslab_visit *object)
{
    (void)user;
    leaks++;
    calls();
    if (when == ZSLAB_LEAK_AT_CLOSE) CHECK_IS(zslab_free(z, (void *)(uintptr_t)object->p), ZSLAB_OK);
    return 0;
}

static void told(void *user, zslab_result what, const void *p, zslab_handle h)
{
    (void)user, (void)what, (void)p, (void)h;
    misuses++;
    calls();
}

static void *exits_inside(void *domain)
{
    CHECK_IS(zslab_domain_enter((zslab_domain *)domain), ZSLAB_OK);
    CHECK(zslab_malloc_epoch(z, 64, zslab_domain_epoch((zslab_domain *)domain)) != NULL);
    return NULL;
}

/* Every call that an event or a leak can come from. */
static void every_way(const test_mode *m)
{
    zslab_config c;
    zslab_domain *d;
    zslab_epoch e;
    void *p;
    memset(&c, 0, sizeof c);
    memset(events, 0, sizeof events);
    leaks = misuses = 0;
    c.epoch_count = 4;
    c.on_leak = shown;
    c.on_misuse = told;
    other = test_create(NULL);
    z = NULL;
    z = test_open(m, &c);
    MUST(e = zslab_epoch_open(z, NULL));
    CHECK(zslab_malloc_epoch(z, 64, e) != NULL);
    CHECK_IS(zslab_epoch_reset(z, e), ZSLAB_OK);
    MUST(p = zslab_malloc_epoch(z, 64, e));
    CHECK_IS(zslab_epoch_close(z, e), ZSLAB_OK); /* shown, which frees it */
    CHECK(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSED);
    CHECK(zslab_free(z, p) != ZSLAB_OK);
    MUST(e = zslab_epoch_open(z, NULL));
    CHECK(zslab_malloc_epoch(z, 64, e) != NULL);
    CHECK_IS(zslab_epoch_release(z, e), ZSLAB_OK);
    CHECK(zslab_malloc(z, 64) != NULL);
    MUST(zslab_epoch_advance(z));
    MUST(d = zslab_domain_create(z));
    CHECK_IS(zslab_domain_enter(d), ZSLAB_OK);
    CHECK_IS(zslab_domain_exit(d), ZSLAB_OK);
    CHECK_IS(zslab_domain_destroy(d), ZSLAB_OK);
    if (test_owned(m)) {
        MUST(d = zslab_domain_wrap(z, zslab_epoch_open(z, NULL), ZSLAB_ON_EXIT_CLOSE));
        test_in_thread(exits_inside, d);
        CHECK_IS(zslab_domain_destroy(d), ZSLAB_OK);
    }
    zslab_trim(z);
    CHECK_IS(zslab_free(z, (char *)z + 1), ZSLAB_E_FOREIGN);
    CHECK(zslab_malloc(z, 64) != NULL); /* shown at the end */
    zslab_destroy(z);
    z = NULL;
    CHECK(events[ZSLAB_EPOCH_EVENT_OPEN] == (test_owned(m) ? 5u : 4u) && events[ZSLAB_EPOCH_EVENT_CLOSE] >= 2 &&
          events[ZSLAB_EPOCH_EVENT_RELEASE] == 2 && events[ZSLAB_EPOCH_EVENT_RESET] == 1 &&
          events[ZSLAB_EPOCH_EVENT_DRAINED] >= 2 && leaks >= 3 && misuses >= 1);
    zslab_destroy(other);
}

int main(void)
{
    TEST_EACH_MODE(m) every_way(m);
    return test_summary("test_callbacks");
}
