/* Live objects as zslab_check and on_leak show them: class, epoch, age, handle, tag; who is told of at a close
   and at the end. */
#ifndef ZSLAB_TAGS
#define ZSLAB_TAGS 1
#endif
#include "tests/lib/test.h"

#define TAGGED(n) ((uint16_t)(ZSLAB_TAGS ? (n) : 0)) /* what a tag says that was set to n */

enum { SEEN = 20000 };
typedef struct seen {
    size_t count, most; /* stop at so many; 0: never */
    zslab_leak when[SEEN];
    zslab_visit object[SEEN];
    zslab *free_in; /* give back what is shown */
} seen;
static seen now;

static int see(void *user, const zslab_visit *object)
{
    seen *s = (seen *)user;
    MUST(s->count < SEEN);
    s->object[s->count++] = *object;
    return s->most && s->count == s->most;
}

static int see_leak(void *user, zslab_leak when, const zslab_visit *object)
{
    seen *s = (seen *)user;
    int stop;
    s->when[s->count] = when;
    stop = see(user, object);
    if (s->free_in) CHECK_IS(zslab_free(s->free_in, (void *)(uintptr_t)object->p), ZSLAB_OK);
    return stop;
}

static void look_again(void)
{
    now.count = now.most = 0;
    now.free_in = NULL;
}

static const zslab_visit *seen_of(const void *p) /* NULL: not seen, or twice */
{
    const zslab_visit *found = NULL;
    size_t i, times = 0;
    for (i = 0; i < now.count; i++)
        if (now.object[i].p == p) {
            found = &now.object[i];
            times++;
        }
    return times == 1 ? found : NULL;
}

static void walk(const zslab *z)
{
    look_again();
    CHECK_IS(zslab_check(z, see, &now), ZSLAB_OK);
}

static zslab *open_telling(const test_mode *m)
{
    zslab_config c = {0};
    c.on_leak = see_leak;
    c.leak_user = &now;
    look_again();
    return test_open(m, &c);
}

/* ---- what is shown of an object ---- */

static void fields(const test_mode *m)
{
    zslab *z = test_open(m, NULL);
    zslab_epoch e = zslab_epoch_open(z, NULL), later = zslab_epoch_open(z, NULL);
    void *p = zslab_malloc_epoch(z, 100, e), *q, *r = zslab_malloc_epoch(z, 5000, later);
    zslab_handle h = zslab_handle_alloc(z, 24, e, &q);
    const zslab_visit *v;
    MUST(p && h && r);
    zslab_set_tag(z, p, 7);
    zslab_set_tag(z, q, 65535);
    walk(z);
    CHECK(now.count == 3);
    MUST((v = seen_of(p)) != NULL);
    CHECK(v->usable_bytes == zslab_usable_size(z, p) && v->class_idx == zslab_size_class_of(z, 100));
    CHECK(v->epoch == e && v->handle == 0 && v->age_epochs == 1 && v->tag == TAGGED(7));
    MUST((v = seen_of(q)) != NULL);
    CHECK(v->usable_bytes == zslab_usable_size(z, q) && v->class_idx == zslab_size_class_of(z, 24));
    CHECK(v->epoch == e && v->handle == h && v->age_epochs == 1 && v->tag == TAGGED(65535));
    MUST((v = seen_of(r)) != NULL);
    CHECK(v->epoch == later && v->age_epochs == 0 && v->tag == 0);
    MUST(zslab_epoch_advance(z) && zslab_epoch_advance(z));
    CHECK_IS(zslab_epoch_close(z, e), ZSLAB_OK); /* it drains: shown as before, older */
    walk(z);
    CHECK(now.count == 3);
    MUST((v = seen_of(q)) != NULL);
    CHECK(v->epoch == e && v->handle == h && v->age_epochs == 3);
    CHECK_IS(zslab_epoch_reset(z, later), ZSLAB_OK);
    walk(z);
    CHECK(now.count == 2 && !seen_of(r));
    now.count = 0;
    now.most = 1;
    CHECK_IS(zslab_check(z, see, &now), ZSLAB_OK);
    CHECK(now.count == 1);
    test_destroy(z);
}

static void no_object(const test_mode *m)
{
    zslab *z = test_open(m, NULL);
    char *p = (char *)zslab_malloc(z, 64), *q = (char *)zslab_malloc(z, 64);
    zslab_global_stats g;
    MUST(p && q);
    CHECK_IS(zslab_free(z, q), ZSLAB_OK);
    zslab_set_tag(z, NULL, 1);
    zslab_set_tag(z, p + 8, 1);
    zslab_set_tag(z, q, 1);
    zslab_set_tag(z, &g, 1);
    zslab_stats_global(z, &g);
    CHECK(g.misuse_count == TAGGED(3) && g.misuse[ZSLAB_E_MISALIGNED] == TAGGED(1));
    CHECK(g.misuse[ZSLAB_E_DOUBLE_FREE] == TAGGED(1) && g.misuse[ZSLAB_E_FOREIGN] == TAGGED(1));
    walk(z);
    CHECK(now.count == 1 && now.object[0].p == p && now.object[0].tag == 0);
    test_destroy(z);
}

/* Whatever happened to its slot before, an object has the tag it was given; a new one has none. */
enum { LIVE = 3000 };
static struct {
    void *p;
    uint16_t tag;
} live[LIVE];

static void tags(const test_mode *m, uint64_t turns)
{
    zslab *z = test_open(m, NULL);
    uint64_t seed = 11, turn;
    size_t i, held;
    memset(live, 0, sizeof live);
    for (turn = 0; turn < turns; turn++) {
        uint64_t r = test_random(&seed);
        size_t at = (size_t)(r % LIVE), size = 1 + (size_t)(r >> 40) % 900;
        if (!live[at].p) {
            zslab_handle h = 0;
            if (r >> 20 & 1)
                live[at].p = zslab_malloc(z, size);
            else
                h = zslab_handle_alloc(z, size, zslab_epoch_current(z), &live[at].p);
            MUST(live[at].p && (h || r >> 20 & 1));
            live[at].tag = 0;
        } else if (r >> 21 & 1) {
            zslab_set_tag(z, live[at].p, live[at].tag = (uint16_t)(r >> 24));
        } else if (r >> 22 & 1 && !zslab_handle_of(z, live[at].p)) {
            MUST(live[at].p = zslab_realloc(z, live[at].p, size));
        } else {
            CHECK_IS(zslab_free(z, live[at].p), ZSLAB_OK);
            live[at].p = NULL;
        }
        if (r % (turns / 4) == 0) { /* a new round for all */
            CHECK_IS(zslab_epoch_reset(z, zslab_epoch_current(z)), ZSLAB_OK);
            memset(live, 0, sizeof live);
            zslab_trim(z);
        }
    }
    walk(z);
    for (i = held = 0; i < LIVE; i++)
        if (live[i].p) {
            const zslab_visit *v = seen_of(live[i].p);
            held++;
            CHECK(v && v->tag == TAGGED(live[i].tag));
        }
    CHECK(held > 100 && now.count == held);
    test_destroy(z);
}

/* ---- leaks ---- */

static void at_close(const test_mode *m)
{
    zslab *z = open_telling(m);
    zslab_epoch e = zslab_epoch_open(z, NULL), other = zslab_epoch_open(z, NULL);
    void *p[300];
    zslab_handle h;
    size_t i;
    for (i = 0; i < 299; i++) MUST(p[i] = zslab_malloc_epoch(z, 1 + i * 3, i % 3 ? e : other));
    MUST(h = zslab_handle_alloc(z, 1000, e, &p[299]));
    for (i = 0; i < 300; i++) {
        zslab_set_tag(z, p[i], (uint16_t)i);
        if (i % 3 == 1) /* of e: 100 freed, 99 and the one with a handle stay */
            CHECK_IS(zslab_free(z, p[i]), ZSLAB_OK);
    }
    MUST(zslab_epoch_open(z, NULL));
    CHECK_IS(zslab_epoch_close(z, e), ZSLAB_OK);
    CHECK(now.count == 100);
    for (i = 2; i < 299; i += 3) {
        const zslab_visit *v = seen_of(p[i]);
        if (CHECK(v != NULL))
            CHECK(v->tag == TAGGED(i) && v->epoch == e && v->age_epochs == 2 &&
                  v->usable_bytes == zslab_usable_size(z, p[i]) && v->handle == 0);
    }
    MUST(seen_of(p[299]) != NULL);
    CHECK(seen_of(p[299])->handle == h && now.when[0] == ZSLAB_LEAK_AT_CLOSE);
    look_again();
    CHECK_IS(zslab_epoch_close(z, e), ZSLAB_OK); /* it was told already */
    CHECK_IS(zslab_epoch_release(z, other), ZSLAB_OK);
    CHECK(now.count == 0);
    zslab_destroy(z);
    CHECK(now.count == 100 && now.when[0] == ZSLAB_LEAK_AT_DESTROY && now.object[0].epoch == e);
}

/* Whoever closes: an advance, a domain. The hook may free what it is shown, and may have heard enough. */
static void whoever_closes(const test_mode *m)
{
    zslab *z = open_telling(m);
    zslab_epoch first = zslab_epoch_current(z), e = zslab_epoch_open(z, NULL), many = zslab_epoch_open(z, NULL);
    zslab_domain *d = zslab_domain_wrap(z, e, ZSLAB_ON_EXIT_CLOSE);
    void *p = zslab_malloc(z, 64), *q = zslab_malloc_epoch(z, 64, e);
    int i;
    MUST(p && q && d);
    for (i = 0; i < 500; i++) MUST(zslab_malloc_epoch(z, 200, many));
    MUST(zslab_epoch_advance(z));
    CHECK(now.count == 1 && now.object[0].p == p && now.object[0].epoch == first);
    look_again();
    CHECK_IS(zslab_domain_enter(d), ZSLAB_OK);
    CHECK_IS(zslab_domain_exit(d), ZSLAB_OK);
    CHECK(now.count == 1 && now.object[0].p == q && now.object[0].epoch == e);
    look_again();
    now.most = 5;
    CHECK_IS(zslab_epoch_close(z, many), ZSLAB_OK);
    CHECK(now.count == 5);
    CHECK_IS(zslab_domain_destroy(d), ZSLAB_OK);
    look_again();
    now.free_in = z;
    zslab_destroy(z);
    CHECK(now.count == 502);
    z = open_telling(m);
    e = zslab_epoch_open(z, NULL);
    for (i = 0; i < 500; i++) MUST(zslab_malloc_epoch(z, 300, e));
    now.free_in = z;
    CHECK_IS(zslab_epoch_close(z, e), ZSLAB_OK);
    CHECK(now.count == 500 && zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSED);
    test_destroy(z);
}

/* ---- a close while another thread allocates and frees ---- */
enum { HELD = 4000 };
static struct {
    zslab *z;
    zslab_epoch epoch;
    size_t held, allocs;
    void *p[HELD];
} busy;

static void *hold_some(void *user)
{
    uint64_t seed = (uint64_t)(uintptr_t)user;
    void *p;
    while (busy.held < HELD &&
           (p = zslab_malloc_epoch(busy.z, 1 + (size_t)(test_random(&seed) % 300), busy.epoch)) != NULL) {
        __atomic_store_n(&busy.allocs, busy.allocs + 1, __ATOMIC_RELAXED);
        if (test_random(&seed) & 7)
            CHECK_IS(zslab_free(busy.z, p), ZSLAB_OK);
        else
            busy.p[busy.held++] = p;
    }
    return NULL;
}

/* What the close found live and nobody frees is told of, each once; some freed at that moment may be too. */
static void others_go_on(const test_mode *m, uint64_t rounds)
{
    pthread_t thread;
    size_t i;
    while (rounds--) {
        memset(&busy, 0, sizeof busy);
        busy.z = open_telling(m);
        busy.epoch = zslab_epoch_open(busy.z, NULL);
        MUST(pthread_create(&thread, NULL, hold_some, (void *)(uintptr_t)(rounds + 1)) == 0);
        while (__atomic_load_n(&busy.allocs, __ATOMIC_RELAXED) < 500) sched_yield();
        CHECK_IS(zslab_epoch_close(busy.z, busy.epoch), ZSLAB_OK);
        pthread_join(thread, NULL);
        for (i = 0; i < busy.held && busy.z->fence_ready; i++) /* else a store may show late */
            CHECK(seen_of(busy.p[i]) != NULL);
        for (i = 0; i < now.count; i++) CHECK(now.when[i] == ZSLAB_LEAK_AT_CLOSE && now.object[i].epoch == busy.epoch);
        look_again();
        zslab_destroy(busy.z);
        CHECK(now.count == busy.held);
    }
}

int main(int argc, char **argv)
{
    TEST_EACH_MODE(m)
    {
        fields(m);
        no_object(m);
        tags(m, test_amount(argc, argv, 40000));
        at_close(m);
        whoever_closes(m);
        others_go_on(m, test_amount(argc, argv, 40000) / 4000);
    }
    return test_summary("test_visit");
}
