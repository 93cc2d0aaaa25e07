/* Threads keep handles of discardable generations and free each other's, while any allocation at the group's limit may
   discard the generation that a handle is of: each free frees its object or finds it stale, and nothing else is hurt.
   [ID-7] */
static void pause_now_and_then(void);
#define ZSLAB_ON_FREE(z, p) ((void)(z), (void)(p), pause_now_and_then())
#ifndef ZSLAB_CHUNK_SHIFT
#define ZSLAB_CHUNK_SHIFT 12
#endif
#include "tests/lib/test.h"

#include <pthread.h>
#include <sched.h>

#define THREADS 4
#define HELD 256

static zslab *z;
static zslab_group *group;
static zslab_handle held[HELD];              /* atomic: exchanged by all */
static uint64_t served, gone, stale, unlike; /* atomic */
static unsigned steps;

static void pause_now_and_then(void) /* in the middle of a free: its word says freed, its slot does not yet */
{
    static unsigned frees; /* atomic */
    if (__atomic_fetch_add(&frees, 1, __ATOMIC_RELAXED) % 16 == 0) sched_yield();
}

static zslab_epoch next_generation(void)
{
    zslab_epoch_config c = {0};
    c.group = group;
    c.flags = ZSLAB_EPOCH_DISCARDABLE;
    return zslab_epoch_open_with(z, &c);
}

static void let_go(zslab_handle h)
{
    zslab_result r = h ? zslab_handle_free(z, h) : ZSLAB_E_STALE;
    if (!h) return;
    __atomic_fetch_add(r == ZSLAB_OK ? &gone : r == ZSLAB_E_STALE ? &stale : &unlike, 1, __ATOMIC_RELAXED);
}

static void *work(void *seed)
{
    uint64_t random = (uintptr_t)seed;
    zslab_epoch e = next_generation();
    for (unsigned i = 0; i < steps; i++) {
        uint64_t r = test_random(&random);
        zslab_handle h = zslab_handle_alloc(z, r % 8 ? 16 + r % 2000 : 9000 + r % 30000, e, NULL);
        if (h) __atomic_fetch_add(&served, 1, __ATOMIC_RELAXED);
        if (r >> 32 & 1) /* its owner frees it, at once */
            let_go(h);
        else
            let_go(__atomic_exchange_n(&held[r >> 33 & (HELD - 1)], h, __ATOMIC_ACQ_REL));
        if (!h || (r >> 41) % 100 == 0) {
            zslab_epoch n = next_generation();
            e = n ? n : e;
        }
    }
    return NULL;
}

static void discards_beside_frees(uint32_t flags, zslab_reclaim reclaim)
{
    zslab_config c = {0};
    zslab_group_config g = {0};
    zslab_global_stats s;
    pthread_t thread[THREADS];
    c.flags = flags;
    c.reclaim = reclaim;
    z = test_create(&c);
    g.hard_bytes = 64 * ZS__CHUNK_BYTES;
    MUST(group = zslab_group_create(z, &g));
    memset(held, 0, sizeof held);
    served = gone = stale = unlike = 0;
    for (size_t i = 0; i < THREADS; i++) MUST(!pthread_create(&thread[i], NULL, work, (void *)(i + 1)));
    for (size_t i = 0; i < THREADS; i++) pthread_join(thread[i], NULL);
    CHECK(served > steps && gone > 0 && stale > 0 && !unlike);
    CHECK_IS(zslab_check(z, NULL, NULL), ZSLAB_OK);
    for (size_t i = 0; i < HELD; i++) let_go(held[i]);
    CHECK(!unlike);
    for (zslab_epoch e = 0; (e = zslab_epoch_next(z, e)) != 0;)
        if (e != zslab_epoch_current(z)) CHECK_IS(zslab_epoch_release(z, e), ZSLAB_OK);
    zslab_stats_global(z, &s);
    CHECK(s.live_objects == 0 && s.large_objects == 0);
    CHECK_IS(zslab_check(z, NULL, NULL), ZSLAB_OK);
    CHECK_IS(zslab_group_destroy(group), ZSLAB_OK);
    test_destroy(z);
}

int main(int argc, char **argv)
{
    steps = (unsigned)test_amount(argc, argv, TEST_SLOWED ? 1000 : 6000);
    for (uint32_t m = 0; m < 4; m++) {
        const uint32_t flags = (m & 1 ? ZSLAB_FLAG_SHARED : 0) | (m & 2 ? ZSLAB_FLAG_HARDENED : 0);
        discards_beside_frees(flags, ZSLAB_RECLAIM_LATENCY);
        discards_beside_frees(flags, ZSLAB_RECLAIM_RSS);
    }
    return test_summary("test_discard");
}
