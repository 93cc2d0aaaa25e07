/* zslab_epoch_visit and typed iteration: what lives throughout is shown once, while others go on. In every mode. */
#include "tests/lib/test.h"

typedef struct seen {
    const void *p;
    size_t times, bytes, cls;
    zslab_handle h;
} seen;

enum { KEPT = 3000, CHURN = 2, SLOTS = 400 };
static const test_mode *mode;
static seen kept[KEPT];       /* sorted by address */
static size_t shown, strange; /* in this walk: all of them; of another class or epoch than asked for */
static size_t want_class;
static zslab_epoch want_epoch;

static int by_address(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t)((const seen *)a)->p, y = (uintptr_t)((const seen *)b)->p;
    return x < y ? -1 : x > y;
}

static seen *find(const void *p)
{
    seen key;
    key.p = p;
    return (seen *)bsearch(&key, kept, KEPT, sizeof *kept, by_address);
}

static int look(void *user, const zslab_visit *v)
{
    seen *s = find(v->p);
    (void)user;
    shown++;
    strange += v->epoch != want_epoch || (want_class != ZSLAB_CLASS_ANY && v->class_idx != want_class);
    if (s) {
        s->times++;
        strange += s->bytes != v->usable_bytes || s->cls != v->class_idx || s->h != v->handle;
    }
    return 0;
}

static size_t large_kept; /* every so many of them is a large object */
static void keep_some(zslab *z, zslab_epoch e, size_t large)
{
    size_t i;
    uint64_t seed = 3;
    for (i = 0; i < KEPT; i++) {
        size_t bytes = large && i % large == 0 ? 100000 : 1 + (size_t)test_random(&seed) % 2000;
        void *p;
        bytes = i % 5 == 1 ? 17 + bytes % 16 : bytes; /* some more in the class of typed iteration */
        kept[i].h = i % 3 ? 0 : zslab_handle_alloc(z, bytes, e, &p);
        if (i % 3) p = zslab_malloc_epoch(z, bytes, e);
        MUST(p != NULL);
        kept[i].p = p;
        kept[i].bytes = zslab_usable_size(z, p);
        kept[i].cls = zslab_size_class_of(z, bytes);
    }
    large_kept = large;
    qsort(kept, KEPT, sizeof *kept, by_address);
}

/* Everything kept is shown once, and as it is; in the class asked for. */
static void walk_once(zslab *z, zslab_epoch e, size_t cls)
{
    size_t i, wrong = 0;
    for (i = 0; i < KEPT; i++) kept[i].times = 0;
    shown = strange = 0;
    want_class = cls;
    want_epoch = e;
    CHECK_IS(zslab_epoch_visit(z, e, cls, look, NULL), ZSLAB_OK);
    for (i = 0; i < KEPT; i++) wrong += kept[i].times != (cls == ZSLAB_CLASS_ANY || cls == kept[i].cls);
    CHECK(wrong == 0 && strange == 0);
}

typedef struct monster {
    float x, y, z, health;
    uint32_t id, pad[3];
} monster;
ZSLAB_HANDLE_DECLARE(monster);

static int look_typed(void *user, monster *m, ZSLAB_HANDLE_OF(monster) h)
{
    seen *s = find(m);
    if (s) {
        s->times++;
        strange += s->h != h.value || s->cls != *(size_t *)user;
    }
    return 0;
}

/* The same of typed iteration: what has a handle in its class. */
static void walk_typed(zslab *z, zslab_epoch e)
{
    size_t i, wrong = 0, cls = zslab_size_class_of(z, sizeof(monster));
    for (i = 0; i < KEPT; i++) kept[i].times = 0;
    strange = 0;
    CHECK_IS(ZSLAB_HANDLE_EACH(monster, z, e, look_typed, &cls), ZSLAB_OK);
    for (i = 0; i < KEPT; i++) wrong += kept[i].times != (kept[i].h && kept[i].cls == cls);
    CHECK(wrong == 0 && strange == 0);
}

static int count_to(void *user, const zslab_visit *v)
{
    (void)v;
    return --*(size_t *)user == 0;
}

static void answers(zslab *z, zslab_epoch e)
{
    zslab_global_stats g;
    zslab_epoch other;
    size_t cls, sum = 0, left = 5;
    void *p;
    zslab_stats_global(z, &g);
    walk_once(z, e, ZSLAB_CLASS_ANY);
    CHECK(shown == KEPT);
    for (cls = 0; cls < g.class_count; cls++) {
        walk_once(z, e, cls);
        sum += shown;
    }
    walk_once(z, e, ZSLAB_CLASS_LARGE);
    CHECK(sum + shown == KEPT && (shown != 0) == (large_kept != 0));
    CHECK_IS(zslab_epoch_visit(z, e, ZSLAB_CLASS_ANY, count_to, &left), ZSLAB_OK);
    CHECK(left == 0); /* it ended the walk */
    CHECK_IS(zslab_epoch_visit(z, e, g.class_count, look, NULL), ZSLAB_E_INVALID);
    CHECK_IS(zslab_epoch_visit(z, e, ZSLAB_CLASS_ANY, NULL, NULL), ZSLAB_E_INVALID);
    CHECK_IS(zslab_epoch_visit(z, ZSLAB_EPOCH_NONE, ZSLAB_CLASS_ANY, look, NULL), ZSLAB_E_CLOSED);
    MUST(other = zslab_epoch_open(z, NULL));
    MUST((p = zslab_malloc_epoch(z, 100, other)) != NULL);
    want_epoch = other, want_class = ZSLAB_CLASS_ANY, shown = strange = 0;
    CHECK_IS(zslab_epoch_visit(z, other, ZSLAB_CLASS_ANY, look, NULL), ZSLAB_OK);
    CHECK(shown == 1 && strange == 0);
    CHECK_IS(zslab_epoch_reset(z, other), ZSLAB_OK);
    CHECK_IS(zslab_epoch_visit(z, other, ZSLAB_CLASS_ANY, look, NULL), ZSLAB_OK);
    CHECK(shown == 1);
    CHECK_IS(zslab_epoch_release(z, other), ZSLAB_OK);
    CHECK_IS(zslab_epoch_visit(z, other, ZSLAB_CLASS_ANY, look, NULL), ZSLAB_E_CLOSED);
}

/* Two threads allocate and free in the epoch, each the other's objects too, a fixed amount of work. */
typedef struct churner {
    zslab *z;
    zslab_epoch e;
    uint64_t seed;
    long steps;
} churner;
static void *passed_on[SLOTS]; /* objects on their way between the threads; exchanged */
static int churning;           /* atomic: threads at it */

static void *churn(void *arg)
{
    churner *c = (churner *)arg;
    while (c->steps-- > 0) {
        uint64_t r = test_random(&c->seed);
        size_t bytes = r % 64 ? 1 + (size_t)(r >> 8) % 2000 : 70000;
        void *p = r & 1 << 7 ? zslab_malloc_epoch(c->z, bytes, c->e) : NULL, *was;
        if (!p) zslab_handle_alloc(c->z, bytes, c->e, &p);
        was = __atomic_exchange_n(&passed_on[(r >> 40) % SLOTS], p, __ATOMIC_ACQ_REL);
        if (was) CHECK_IS(zslab_free(c->z, was), ZSLAB_OK);
    }
    __atomic_fetch_sub(&churning, 1, __ATOMIC_RELEASE);
    return NULL;
}

/* [VISIT-1] */
static void shown_once_while_others_churn(zslab *z, zslab_epoch e, long steps)
{
    pthread_t thread[CHURN];
    churner c[CHURN];
    size_t i, walks = 0;
    churning = CHURN;
    for (i = 0; i < CHURN; i++) {
        c[i].z = z, c[i].e = e, c[i].seed = i + 7, c[i].steps = steps;
        MUST(!pthread_create(&thread[i], NULL, churn, &c[i]));
    }
    do {
        walk_once(z, e, walks % 4 == 3 ? ZSLAB_CLASS_LARGE : ZSLAB_CLASS_ANY);
        walk_typed(z, e);
        walks++;
    } while (__atomic_load_n(&churning, __ATOMIC_ACQUIRE) || walks < 8);
    for (i = 0; i < CHURN; i++) pthread_join(thread[i], NULL);
    for (i = 0; i < SLOTS; i++) {
        CHECK_IS(zslab_free(z, passed_on[i]), ZSLAB_OK);
        passed_on[i] = NULL;
    }
    walk_once(z, e, ZSLAB_CLASS_ANY);
    CHECK(shown == KEPT);
}

/* What is called frees every other object it is shown, allocates elsewhere, closes the epoch. */
static zslab_epoch visited;
static size_t freed;
static int free_and_close(void *user, const zslab_visit *v)
{
    zslab *z = (zslab *)user;
    if (++shown % 2) {
        CHECK_IS(v->handle ? zslab_handle_free(z, v->handle) : zslab_free(z, (void *)(uintptr_t)v->p), ZSLAB_OK);
        freed++;
    }
    if (shown == 100) CHECK_IS(zslab_epoch_close(z, visited), ZSLAB_OK);
    if (shown % 500 == 0) CHECK_IS(zslab_free(z, zslab_malloc(z, 300)), ZSLAB_OK);
    return 0;
}
static int free_all(void *user, const zslab_visit *v)
{
    CHECK_IS(zslab_free((zslab *)user, (void *)(uintptr_t)v->p), ZSLAB_OK);
    freed++;
    return 0;
}

static void callbacks_free_and_close(zslab *z, zslab_epoch e)
{
    visited = e;
    shown = freed = 0;
    CHECK_IS(zslab_epoch_visit(z, e, ZSLAB_CLASS_ANY, free_and_close, z), ZSLAB_OK);
    CHECK(shown == KEPT && freed == (KEPT + 1) / 2);
    CHECK(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSING);
    CHECK_IS(zslab_epoch_visit(z, e, ZSLAB_CLASS_ANY, free_all, z), ZSLAB_OK);
    CHECK(freed == KEPT && zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSED);
    CHECK(test_live(z) == 0);
}

/* ---- typed ---- */

typedef struct hunt {
    zslab *z;
    size_t count, wrong;
    uint64_t ids;
} hunt;

/* A visitor that ends all objects is shown none of them afterwards. */
static int end_all(void *user, const zslab_visit *v)
{
    zslab *z = (zslab *)user;
    (void)v;
    if (++freed == 3)
        CHECK_IS(visited == zslab_epoch_current(z) ? zslab_epoch_reset(z, visited) : zslab_epoch_release(z, visited),
                 ZSLAB_OK);
    return 0;
}

static void a_callback_ends_all(zslab *z)
{
    size_t i, turn;
    for (turn = 0; turn < 2; turn++) {
        MUST(visited = turn ? zslab_epoch_current(z) : zslab_epoch_open(z, NULL));
        for (i = 0; i < 200; i++) MUST(zslab_malloc_epoch(z, 24, visited));
        freed = 0;
        CHECK_IS(zslab_epoch_visit(z, visited, ZSLAB_CLASS_ANY, end_all, z), ZSLAB_OK);
        CHECK(freed == 3);
    }
}

static int meet(void *user, monster *m, ZSLAB_HANDLE_OF(monster) h)
{
    hunt *t = (hunt *)user;
    t->count++;
    t->ids += m->id;
    t->wrong += ZSLAB_HANDLE_GET(monster, t->z, h) != m;
    return 0;
}

/* Kills one that it may not have been shown yet: who is dead is shown no more. */
typedef struct feud {
    zslab *z;
    ZSLAB_HANDLE_OF(monster) * h;
    uint32_t count, met;
} feud;
static int kill_another(void *user, monster *m, ZSLAB_HANDLE_OF(monster) h)
{
    feud *f = (feud *)user;
    uint32_t other = (m->id * 7 + 3) % f->count;
    CHECK(h.value == f->h[m->id].value);
    if (f->h[other].value && other != m->id) {
        CHECK_IS(ZSLAB_HANDLE_FREE(monster, f->z, f->h[other]), ZSLAB_OK);
        f->h[other] = ZSLAB_HANDLE_NONE(monster);
    }
    return ++f->met == f->count;
}

static int end_at_once(void *user, monster *m, ZSLAB_HANDLE_OF(monster) h)
{
    (void)m, (void)h;
    ((feud *)user)->met++;
    return 1;
}

static int end_all_typed(void *user, monster *m, ZSLAB_HANDLE_OF(monster) h) /* and is shown none of them afterwards */
{
    feud *f = (feud *)user;
    (void)m, (void)h;
    if (++f->met == 3) CHECK_IS(zslab_epoch_reset(f->z, visited), ZSLAB_OK);
    return 0;
}

/* The first one shown frees all; their memory serves others, of another class; their words monsters of another epoch */
static int leave_to_others(void *user, monster *m, ZSLAB_HANDLE_OF(monster) h)
{
    feud *f = (feud *)user;
    uint32_t i;
    CHECK(ZSLAB_HANDLE_GET(monster, f->z, h) == m);
    for (i = 0; f->met == 0 && i < f->count; i++) CHECK_IS(ZSLAB_HANDLE_FREE(monster, f->z, f->h[i]), ZSLAB_OK);
    if (f->met++ == 0) {
        zslab_trim(f->z);
        for (i = 0; i < f->count; i++) MUST(zslab_handle_alloc(f->z, 160, visited, NULL));
        for (i = 0; i < f->count; i++) MUST(ZSLAB_HANDLE_NEW(monster, f->z, visited, NULL).value);
    }
    return 0;
}

static void slabs_that_leave(zslab *z)
{
    static ZSLAB_HANDLE_OF(monster) h[5000];
    feud f = {z, h, 5000, 0};
    zslab_epoch e = zslab_epoch_open(z, "level");
    uint32_t i;
    for (i = 0; i < f.count; i++) {
        h[i] = ZSLAB_HANDLE_NEW(monster, z, e, NULL);
        MUST(h[i].value);
    }
    visited = zslab_epoch_open(z, "other");
    MUST(visited);
    CHECK_IS(ZSLAB_HANDLE_EACH(monster, z, e, leave_to_others, &f), ZSLAB_OK);
    CHECK(f.met == 1);
    CHECK_IS(zslab_epoch_release(z, visited), ZSLAB_OK);
    CHECK_IS(zslab_epoch_release(z, e), ZSLAB_OK);
}

static void typed_iteration(zslab *z)
{
    enum { MONSTERS = 5000 };
    static ZSLAB_HANDLE_OF(monster) h[MONSTERS];
    zslab_epoch e = zslab_epoch_open(z, "level");
    hunt t = {z, 0, 0, 0};
    uint64_t ids = 0;
    uint32_t i;
    monster *m;
    MUST(e);
    for (i = 0; i < MONSTERS; i++) {
        h[i] = ZSLAB_HANDLE_NEW(monster, z, e, &m);
        MUST(m);
        m->id = i;
        ids += i;
        MUST(zslab_malloc_epoch(z, sizeof *m, e)); /* without a handle: no monster */
    }
    CHECK_IS(ZSLAB_HANDLE_EACH(monster, z, e, meet, &t), ZSLAB_OK);
    CHECK(t.count == MONSTERS && t.ids == ids && t.wrong == 0);
    for (i = 0; i < MONSTERS; i += 2) {
        CHECK_IS(ZSLAB_HANDLE_FREE(monster, z, h[i]), ZSLAB_OK);
        ids -= i;
    }
    t.count = 0, t.ids = 0;
    CHECK_IS(ZSLAB_HANDLE_EACH(monster, z, e, meet, &t), ZSLAB_OK);
    CHECK(t.count == MONSTERS / 2 && t.ids == ids && t.wrong == 0);
    for (i = 0; i < MONSTERS; i++) {
        if (i % 2 == 0) h[i] = ZSLAB_HANDLE_NEW(monster, z, e, &m);
        m = ZSLAB_HANDLE_GET(monster, z, h[i]);
        MUST(m);
        m->id = i;
    }
    {
        feud f = {z, h, MONSTERS, 0};
        CHECK_IS(ZSLAB_HANDLE_EACH(monster, z, e, kill_another, &f), ZSLAB_OK);
        CHECK(f.met > MONSTERS / 4 && f.met < MONSTERS);
        f.count = f.met = 1; /* the first one ends it */
        CHECK_IS(ZSLAB_HANDLE_EACH(monster, z, e, end_at_once, &f), ZSLAB_OK);
        CHECK(f.met == 2);
        f.met = 0, visited = e;
        CHECK_IS(ZSLAB_HANDLE_EACH(monster, z, e, end_all_typed, &f), ZSLAB_OK);
        CHECK(f.met == 3);
    }
    CHECK_IS(zslab_epoch_release(z, e), ZSLAB_OK);
    CHECK_IS(ZSLAB_HANDLE_EACH(monster, z, e, meet, &t), ZSLAB_E_CLOSED);
}

int main(int argc, char **argv)
{
    long steps = argc > 1 ? atol(argv[1]) : TEST_SLOWED ? 3000 : 20000;
    TEST_EACH_MODE(each)
    {
        zslab *z;
        zslab_epoch e;
        mode = each;
        z = test_open(mode, NULL);
        MUST(e = zslab_epoch_open(z, "walked"));
        keep_some(z, e, !strcmp(mode->name, "buffer") ? 0 : 500);
        answers(z, e);
        shown_once_while_others_churn(z, e, steps);
        callbacks_free_and_close(z, e);
        a_callback_ends_all(z);
        typed_iteration(z);
        slabs_that_leave(z);
        test_destroy(z);
    }
    return test_summary("test_walk");
}
