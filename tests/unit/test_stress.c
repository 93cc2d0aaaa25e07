/* Two threads and the whole API at once, for some seconds in each mode: objects made in every way, handed over and
   given back in every way; handles that both free; epochs, domains of one's own and one that both enter; heaps that
   wander, a pool and its remote; statistics, trims and detaches in between; wrong frees.
     test_stress [seconds in all] */
/* timeout: 300 */
#include "tests/lib/test.h"

#include <time.h>

#define LIVE 400
#define MAIL 128
#define NAMES 64
#define GROUP 20
#define SLOTS 48 /* of the pool: fewer than MAIL, so that a slot always finds room there */

static zslab *z;
static int owned;                                        /* is malloc inside a domain the domain's? */
static int stop;                                         /* atomic */
static void *mail[MAIL];                                 /* atomic: objects between the threads */
static void *slots[MAIL];                                /* atomic: slots of the pool on their way to the remote */
static zslab_domain *common;                             /* both go in and out; the last exit resets its epoch */
static zslab_pool *pool;                                 /* of the first thread */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards names and wanderer */
static zslab_handle names[NAMES];                        /* anybody frees them at any time, also both at once */
static zslab_heap *wanderer;                             /* used by one at a time */
static size_t named, unnamed; /* atomic: objects named, and frees by name that were the one that counts */

typedef struct object { /* the bytes behind it are filled */
    size_t bytes;
    zslab_handle handle;
} object;

typedef struct worker {
    int first;
    uint64_t seed, steps;
    zslab_heap *heap;
    zslab_remote *remote;
    object *p[LIVE];
} worker;

static int intact(const object *p) { return test_filled(p + 1, p->bytes - sizeof *p, p->bytes); }

static object *filled(void *p, size_t bytes, zslab_handle handle)
{
    object *o = (object *)p;
    if (!o) return NULL;
    CHECK(zslab_usable_size(z, o) >= bytes);
    o->bytes = bytes;
    o->handle = handle;
    test_fill(o + 1, bytes - sizeof *o, bytes);
    return o;
}

static int all_zero(const void *p, size_t bytes)
{
    const char *c = (const char *)p;
    return c[0] == 0 && memcmp(c, c + 1, bytes - 1) == 0;
}

/* An object made in one of the ways there are; NULL when it was refused. */
static object *make(worker *w, uint64_t x, zslab_epoch e)
{
    size_t bytes = sizeof(object) + 1 + (size_t)((x >> 20) % 900);
    zslab_handle h = 0;
    void *p;
    if (e) return filled(zslab_malloc_epoch(z, bytes, e), bytes, 0);
    switch ((x >> 8) % 8) {
    case 0:
        p = zslab_calloc(z, 1, bytes);
        CHECK(!p || all_zero(p, bytes));
        break;
    case 1:
        p = zslab_aligned_alloc(z, 128, bytes);
        CHECK((uintptr_t)p % 128 == 0);
        break;
    case 2:
        h = zslab_handle_alloc(z, bytes, zslab_epoch_current(z), &p);
        break;
    case 3:
        p = zslab_heap_malloc(w->heap, bytes);
        break;
    case 4:
        h = zslab_heap_handle_alloc(w->heap, bytes, zslab_epoch_current(z), &p);
        break;
    default:
        p = zslab_malloc(z, bytes);
    }
    return filled(p, bytes, h);
}

/* Whoever has it gives it back, in one of the ways there are. */
static void drop(worker *w, object *p, uint64_t x)
{
    zslab_handle h;
    if (!p || !CHECK(intact(p))) return;
    h = p->handle;
    if (h && x & 1) {
        CHECK(zslab_handle_of(z, p) == h && zslab_handle_get(z, h) == p);
        CHECK_IS(zslab_handle_free(z, h), ZSLAB_OK);
        CHECK(zslab_handle_get(z, h) == NULL);
        CHECK_IS(zslab_handle_free(z, h), ZSLAB_E_STALE);
    } else if (x & 2) {
        CHECK_IS(zslab_free_sized(z, p, zslab_usable_size(z, p)), ZSLAB_OK);
    } else if (x & 4) {
        CHECK_IS(zslab_heap_free(w->heap, p), ZSLAB_OK);
    } else {
        CHECK_IS(zslab_free(z, p), ZSLAB_OK);
    }
}

static void grow(object **p, size_t bytes)
{
    object *q;
    size_t was = *p ? (*p)->bytes : 0;
    if (!was || (q = (object *)zslab_realloc(z, *p, bytes)) == NULL) return;
    CHECK(q->bytes == was);
    *p = filled(q, bytes, q->handle);
}

static void a_batch(uint64_t x)
{
    size_t bytes = sizeof(object) + 1 + (size_t)((x >> 20) % 300);
    void *p[GROUP];
    size_t i, n = zslab_malloc_batch(z, bytes, GROUP, p);
    for (i = 0; i < n; i++) filled(p[i], bytes, 0);
    for (i = 0; i < n; i++) CHECK(intact((object *)p[i]));
    CHECK(zslab_free_batch(z, p, n) == n);
}

/* What was wrong is told, whatever the other thread does, and nothing changes. */
static void wrong(object *p)
{
    int here = 0;
    CHECK_IS(zslab_free(z, &here), ZSLAB_E_FOREIGN);
    if (!p) return;
    CHECK_IS(zslab_free(z, (char *)p + 8), ZSLAB_E_MISALIGNED);
    CHECK_IS(zslab_free_sized(z, p, 4000), ZSLAB_E_INVALID);
    CHECK(intact(p));
}

/* Frees by name what is there, while the other thread may do the same; puts a new one there. */
static void a_name(uint64_t x)
{
    zslab_handle h, made;
    size_t i = (size_t)(x >> 20) % NAMES;
    zslab_result r;
    pthread_mutex_lock(&lock);
    h = names[i];
    pthread_mutex_unlock(&lock);
    if (h) {
        (void)zslab_handle_get(z, h);
        r = zslab_handle_free(z, h);
        CHECK(r == ZSLAB_OK || r == ZSLAB_E_STALE);
        __atomic_fetch_add(&unnamed, r == ZSLAB_OK, __ATOMIC_RELAXED);
    }
    made = zslab_handle_alloc(z, 48, zslab_epoch_current(z), NULL);
    __atomic_fetch_add(&named, made != 0, __ATOMIC_RELAXED);
    pthread_mutex_lock(&lock);
    h = names[i]; /* another's by now, perhaps: that one goes */
    names[i] = made;
    pthread_mutex_unlock(&lock);
    if (h) __atomic_fetch_add(&unnamed, zslab_handle_free(z, h) == ZSLAB_OK, __ATOMIC_RELAXED);
}

/* Objects of an epoch or of the domain this thread is inside of: all stay what they are. */
static void group_made(worker *w, object **p, uint64_t x, zslab_epoch e)
{
    size_t i;
    for (i = 0; i < GROUP; i++) {
        p[i] = make(w, x + (i << 20), e);
        CHECK(!p[i] || zslab_epoch_of(z, p[i]) == e);
    }
    for (i = 0; i < GROUP; i++) CHECK(!p[i] || intact(p[i]));
}

/* Opened, filled, and ended in one of the ways there are. */
static void an_epoch(worker *w, uint64_t x)
{
    zslab_epoch e = zslab_epoch_open(z, "stress");
    object *p[GROUP];
    size_t i;
    if (!e) return; /* the other thread's are still draining */
    group_made(w, p, x, e);
    if (x >> 60 & 1) {
        CHECK_IS(zslab_epoch_reset(z, e), ZSLAB_OK);
        group_made(w, p, x, e);
    }
    CHECK_IS(zslab_epoch_set_label(z, e, "full"), ZSLAB_OK);
    if (x >> 61 & 1) {
        CHECK_IS(zslab_epoch_close(z, e), ZSLAB_OK);
        CHECK(zslab_malloc_epoch(z, 32, e) == NULL);
        for (i = 0; i < GROUP; i++) drop(w, p[i], x >> i);
    } else {
        CHECK_IS(zslab_epoch_release(z, e), ZSLAB_OK);
        CHECK(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSED);
    }
}

/* A domain entered, filled and left: the common one, or one of this thread's. */
static void a_domain(worker *w, uint64_t x)
{
    zslab_domain *d = x >> 60 & 1 ? common : zslab_domain_create(z);
    object *p[GROUP], *q;
    if (!d) return; /* no epoch is left */
    CHECK_IS(zslab_domain_enter(d), ZSLAB_OK);
    group_made(w, p, x, zslab_domain_epoch(d));
    if (owned && (q = filled(zslab_malloc(z, 64), 64, 0)) != NULL)
        CHECK(zslab_epoch_of(z, q) == zslab_domain_epoch(d) && intact(q));
    CHECK_IS(zslab_domain_exit(d), ZSLAB_OK);
    if (d != common) {
        CHECK_IS(zslab_domain_enter(d), ZSLAB_E_CLOSED);
        CHECK_IS(zslab_domain_destroy(d), ZSLAB_OK);
    }
}

/* The heap that belongs to nobody does something for this thread, and may be another afterwards. */
static void a_wanderer(uint64_t x)
{
    object *p;
    pthread_mutex_lock(&lock);
    p = wanderer ? filled(zslab_heap_malloc(wanderer, 200), 200, 0) : NULL;
    if (p) {
        p = (object *)__atomic_exchange_n(&mail[(x >> 20) % MAIL], p, __ATOMIC_ACQ_REL);
        CHECK(!p || intact(p));
        if (p) CHECK_IS(zslab_heap_free(wanderer, p), ZSLAB_OK);
    }
    if (x >> 60 == 0) {
        zslab_heap_destroy(wanderer);
        wanderer = zslab_heap_create(z);
    }
    pthread_mutex_unlock(&lock);
}

/* The pool's owner sends slots, the remote gives them back, or puts them where they were when the queue is full. */
static void a_slot(worker *w, uint64_t x)
{
    size_t i = (size_t)(x >> 20) % MAIL;
    void *nothing = NULL, *p = w->first ? zslab_pool_alloc(pool) : NULL;
    zslab_result r;
    if (p) test_fill(p, 64, 7);
    p = __atomic_exchange_n(&slots[i], p, __ATOMIC_ACQ_REL);
    if (!p) return;
    CHECK(test_filled(p, 64, 7) && zslab_pool_owns(pool, p));
    r = w->first ? zslab_pool_free(pool, p) : zslab_remote_try_free(w->remote, p);
    CHECK(r == ZSLAB_OK || (!w->first && r == ZSLAB_E_FULL));
    while (r != ZSLAB_OK &&
           !__atomic_compare_exchange_n(&slots[i], &nothing, p, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
        nothing = NULL;
        i = (i + 1) % MAIL;
    }
}

/* Figures while everything moves. */
static void a_look(const object *p)
{
    char text[8192];
    zslab_global_stats g;
    zslab_pool_stats s;
    zslab_perf perf;
    zslab_stats_global(z, &g);
    zslab_stats_pool(pool, &s);
    CHECK(zslab_stats_json(z, text, sizeof text) > 0 && zslab_stats_prometheus(z, text, sizeof text) > 0);
    CHECK_IS(zslab_perf_counters(z, zslab_size_class_of(z, 64), &perf), ZSLAB_OK);
    CHECK(zslab_epoch_state_of(z, zslab_epoch_current(z)) <= ZSLAB_EPOCH_CLOSED);
    CHECK(!p || zslab_owns(z, p));
}

static void one_step(worker *w, uint64_t x)
{
    object **p = &w->p[(x >> 40) % LIVE];
    unsigned kind = (unsigned)x & 255; /* the bits above choose within it */
    if (kind < 110) {
        drop(w, *p, x >> 32);
        *p = make(w, x, 0);
    } else if (kind < 200) {
        drop(w, (object *)__atomic_exchange_n(&mail[(x >> 40) % MAIL], make(w, x, 0), __ATOMIC_ACQ_REL), x >> 32);
    } else if (kind < 215) {
        grow(p, sizeof(object) + 1 + (size_t)((x >> 20) % 2000));
    } else if (kind < 225) {
        a_slot(w, x);
    } else if (kind < 235) {
        a_name(x);
    } else if (kind < 240) {
        a_batch(x);
    } else if (kind < 243) {
        wrong(*p);
    } else if (kind < 246) {
        a_wanderer(x);
    } else if (kind == 246) {
        an_epoch(w, x);
    } else if (kind == 247) {
        a_domain(w, x);
    } else if (kind == 248 && x >> 60 == 0) {
        zslab_trim(z);
    } else if (kind == 249 && x >> 60 == 0) {
        zslab_thread_detach(z);
    } else if (kind == 250 && x >> 59 == 0) {
        (void)zslab_epoch_advance(z);
    } else if (kind == 251 && x >> 58 == 0) {
        a_look(*p);
    } else if (kind == 252 && x >> 58 == 0) {
        (void)zslab_reserve(z, 64, 32);
    }
}

static void *stress(void *arg)
{
    worker *w = (worker *)arg;
    size_t i;
    for (; !__atomic_load_n(&stop, __ATOMIC_RELAXED); w->steps++) one_step(w, test_random(&w->seed));
    for (i = 0; i < LIVE; i++) drop(w, w->p[i], i);
    return NULL;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* What both share is made before they begin... */
static void arrange(const test_mode *m, worker *w)
{
    zslab_pool_config c;
    memset(&c, 0, sizeof c);
    c.slot_bytes = 64;
    c.slot_count = SLOTS;
    c.queue_capacity = 8;
    c.batch_count = 4;
    z = test_open(m, NULL);
    owned = test_owned(m) || (m->in_buffer && !ZSLAB_NO_TLS);
    MUST((common = zslab_domain_wrap(z, zslab_epoch_open(z, "common"), ZSLAB_ON_EXIT_RESET)) != NULL);
    MUST((pool = zslab_pool_create(&c)) != NULL && (w[1].remote = zslab_pool_remote(pool)) != NULL);
    MUST((wanderer = zslab_heap_create(z)) != NULL);
    MUST((w[0].heap = zslab_heap_create(z)) != NULL && (w[1].heap = zslab_heap_create(z)) != NULL);
    w[0].first = 1;
    w[0].seed = 1;
    w[1].seed = 2;
}

/* ...and nothing is left of it. */
static void clear_up(worker *w)
{
    zslab_pool_stats s;
    size_t i;
    for (i = 0; i < MAIL; i++) {
        drop(&w[0], (object *)mail[i], i);
        if (slots[i]) CHECK_IS(zslab_pool_free(pool, slots[i]), ZSLAB_OK);
        mail[i] = slots[i] = NULL;
    }
    for (i = 0; i < NAMES; i++) {
        unnamed += names[i] && zslab_handle_free(z, names[i]) == ZSLAB_OK;
        names[i] = 0;
    }
    CHECK(named == unnamed); /* each of them was freed once */
    zslab_pool_drain(pool);
    zslab_stats_pool(pool, &s);
    CHECK(s.live == 0 && s.queued == 0 && s.corruption_events == 0);
    zslab_pool_destroy(pool);
    zslab_remote_drop(w[1].remote);
    zslab_heap_destroy(w[0].heap);
    zslab_heap_destroy(w[1].heap);
    zslab_heap_destroy(wanderer);
    CHECK(test_live(z) == 0);
    CHECK_IS(zslab_domain_destroy(common), ZSLAB_OK);
    test_destroy(z);
}

static uint64_t two_threads(const test_mode *m, double seconds)
{
    static worker w[2];
    pthread_t thread[2];
    struct timespec nap = {0, 10000000};
    double begin = now();
    size_t i;
    memset(w, 0, sizeof w);
    arrange(m, w);
    __atomic_store_n(&stop, 0, __ATOMIC_RELAXED);
    for (i = 0; i < 2; i++) MUST(pthread_create(&thread[i], NULL, stress, &w[i]) == 0);
    while (now() - begin < seconds) nanosleep(&nap, NULL);
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (i = 0; i < 2; i++) pthread_join(thread[i], NULL);
    clear_up(w);
    return w[0].steps + w[1].steps;
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 3.5;
    uint64_t steps = 0;
    TEST_EACH_MODE(m)
    steps += two_threads(m, seconds / (ZSLAB_NO_TLS ? 4 : TEST_MODES));
    printf("%.0f s, two threads, %.1f million steps\n", seconds, (double)steps / 1e6);
    return test_summary("test_stress");
}
