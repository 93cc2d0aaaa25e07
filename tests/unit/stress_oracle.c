/* The whole public interface at once, by threads that come, sleep and go, against an oracle that knows nothing of the
   inside: what every thread holds, how many objects each epoch has, how many epochs there are.
     stress_oracle [-n worlds | -s seconds] [-v] [-p] [first seed]     worlds of consecutive seeds; -p: all with plenty
                                                                       of memory
     stress_oracle -w seed [times]                                one world, as often as it takes
   A world is an allocator of one configuration, drawn from its seed. It has phases; between them all threads stand
   still (some sleep through several phases, some exit) and every answer is exact. The rules:
     - an object keeps its bytes from its allocation to its free, its epoch's reset or release; no other overlaps it;
     - a close, reset or release may cross any allocation: it is intact, or refused, or gone with the reset;
     - CLOSED is never said while an object lives; an epoch with nothing left is CLOSED by the next question;
     - an epoch opens whenever fewer than epoch_count are open or draining;
     - an allocation is served whenever what lives leaves room beside two chunks a class and heap, one of plain
       allocations and one of an epoch that it names: LIMIT and NOMEM are answers of full worlds only, and with nothing
       live every thread, class, epoch, domain, heap and handle is served;
     - a handle of an object that is gone never resolves; errno is unchanged by every call.                          */
/* timeout: 300 */
#include "tests/lib/test.h"

#include <errno.h>
#include <time.h>
#if TEST_UNIX
#include <signal.h>
#include <unistd.h>
#endif
#if defined(__linux__)
#include <sys/syscall.h>
#endif

#ifndef ORACLE_PLENTY /* 1: without arguments as with -p */
#define ORACLE_PLENTY 0
#endif

enum { THREADS = 5, HELD = 192, BOXES = 48, ERAS = 4096, PLACES = 6, CORPSES = 256, POOL_SLOTS = 24, PHASES = 5 };

/* An epoch, from its opening to the end of the world. */
typedef enum era_kind {
    DRAINS, /* only ever closed: its objects are used without any lock of ours */
    GOES,   /* also reset and released, while allocations cross */
    CURRENT /* where plain allocations go: looked at when all stand still */
} era_kind;
typedef struct era {
    zslab_epoch id;
    era_kind kind;
    uint64_t count;       /* atomic: objects, and allocations under way times 2^32 */
    uint32_t closing;     /* atomic: a close or release has begun, */
    uint32_t closed;      /*         has returned; */
    uint32_t released;    /*         it is, or was, a release */
    uint32_t ended;       /* atomic: found without objects: its place is free */
    uint32_t begun, done; /* atomic: resets and releases; they differ while one is under way */
    uint32_t unknown;     /* atomic: allocations that crossed a reset and may have survived it */
    pthread_rwlock_t use; /* GOES: held to use its objects; alone to reset and release them */
} era;
#define UNDER_WAY ((uint64_t)1 << 32)

typedef struct object {
    unsigned char *p;
    size_t bytes;
    uint64_t serial;
    era *of;
    uint32_t round; /* of->begun when it was made */
    zslab_handle handle;
} object;

typedef struct box {
    pthread_mutex_t lock; /* guards what */
    object what;
} box;

/* How much memory there is. */
typedef enum budget {
    PLENTY,
    ENOUGH, /* what may live at once is bounded so that it always fits */
    FULL    /* threads allocate until they are refused */
} budget;
typedef enum memory { SYSTEM, RANGE, LIMIT, BUFFER } memory;
static const char *const budget_name[] = {"plenty", "enough", "full"};
static const char *const memory_name[] = {"system", "range", "limit", "buffer"};

typedef struct worker {
    int number, exists, awake, leaves; /* leaves: this phase is its last */
    pthread_t thread;
    uint64_t random;
    unsigned steps;
    object held[HELD];
    size_t count;
    zslab_domain *left_inside; /* entered, and not left before the thread ended */
    zslab_heap *heap;
} worker;

static struct {
    uint64_t seed;
    zslab *z;
    zslab_config config;
    char *buffer;
    budget budget;
    memory memory;
    size_t chunks; /* of the range or limit */
    uint32_t shared, rss, owned, exact;
    uint32_t room;   /* atomic: objects that may still be made, BOUNDED budgets */
    uint32_t places; /* atomic: epochs that may still be opened */
    era eras[ERAS];
    uint32_t era_count;    /* atomic */
    uint32_t ended_before; /* eras below it have ended */
    era *place[PLACES];    /* atomic: epochs that everybody uses */
    era *current;          /* atomic; changed under advancing */
    pthread_mutex_t advancing;
    era *common_era;
    zslab_domain *common; /* resets its epoch at the last exit */
    zslab_heap *wanderer;
    pthread_mutex_t wandering; /* guards wanderer */
    box box[BOXES];
    zslab_handle corpse[CORPSES]; /* atomic: handles of objects that are gone */
    uint32_t corpses;             /* atomic */
    zslab_pool *pool;
    zslab_remote *remote;
    void *slot[BOXES]; /* atomic */
    int pool_owner;
    uint64_t serial;      /* atomic */
    uint64_t wrong, told; /* atomic: wrong calls made, and reported */
    uint64_t leaks;       /* atomic */
    size_t class_count, largest;
    uint32_t table[4];
    worker worker[THREADS];
    pthread_mutex_t gate; /* guards phase, running and the workers' fields above their thread */
    pthread_cond_t turn;
    unsigned phase, running, alive;
} w_;
#define Z (w_.z)
static int verbose, plenty;
static char world_text[200];
static uint64_t worlds, steps_made, refusals;

#define GET(x) __atomic_load_n(&(x), __ATOMIC_SEQ_CST)
#define SET(x, v) __atomic_store_n(&(x), (v), __ATOMIC_SEQ_CST)
#define ADD(x, v) __atomic_add_fetch(&(x), (v), __ATOMIC_SEQ_CST)
#define SUB(x, v) __atomic_sub_fetch(&(x), (v), __ATOMIC_SEQ_CST)
#define SWAP(x, v) __atomic_exchange_n(&(x), (v), __ATOMIC_SEQ_CST)

static uint64_t draw(uint64_t *random, uint64_t below) { return (test_random(random) >> 11) % below; }

/* ---- tokens: epochs and objects that there may be ---- */
static int token_take(uint32_t *tokens, uint32_t n)
{
    uint32_t had = GET(*tokens);
    while (had >= n)
        if (__atomic_compare_exchange_n(tokens, &had, had - n, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) return 1;
    return 0;
}
static int room_take(uint32_t n) { return w_.budget != ENOUGH || token_take(&w_.room, n); }
static void room_give(uint32_t n)
{
    if (w_.budget == ENOUGH) ADD(w_.room, n);
}

/* Why this thread's last call failed; without thread-local storage another thread may have written it since. */
static zslab_result reason(void) { return ZSLAB_NO_TLS ? ZSLAB_E_NOMEM : zslab_last_error(); }

/* May a call be refused for want of memory? Only where threads fill it up, and for the reason that holds there. */
static int may_refuse(zslab_result why)
{
    int may = w_.budget == FULL && (why == ZSLAB_E_NOMEM || (why == ZSLAB_E_LIMIT && w_.memory != RANGE));
    ADD(refusals, 1);
    if (!may) printf("refused: %s\n", zslab_result_name(why));
    return may;
}

/* ---- epochs ---- */
static void era_ended(era *e) /* closed, and without objects: the next question says so */
{
    zslab_epoch_state state;
    if (SWAP(e->ended, 1)) return;
    state = zslab_epoch_state_of(Z, e->id);
    CHECK(state == ZSLAB_EPOCH_CLOSED || (!w_.exact && state == ZSLAB_EPOCH_CLOSING));
    ADD(w_.places, 1);
}

static void era_less(era *e, uint64_t what) /* an object, or an allocation under way, less */
{
    if (SUB(e->count, what) == 0 && GET(e->closed) && !GET(e->unknown) && e->kind != CURRENT) era_ended(e);
}

static era *era_new(zslab_epoch id, era_kind kind) /* NULL: this world has had enough */
{
    uint32_t i = __atomic_fetch_add(&w_.era_count, 1, __ATOMIC_SEQ_CST);
    era *e = &w_.eras[i];
    if (i >= ERAS) {
        SUB(w_.era_count, 1);
        return NULL;
    }
    e->kind = kind;
    SET(e->id, id);
    return e;
}

static era *era_open(uint64_t *random, era_kind kind)
{
    era *e;
    zslab_epoch id;
    if (GET(w_.era_count) > ERAS - 64 || !token_take(&w_.places, 1)) return NULL;
    id = zslab_epoch_open(Z, draw(random, 4) ? "oracle" : NULL);
    if (!CHECK(id != ZSLAB_EPOCH_NONE)) return NULL;
    MUST((e = era_new(id, kind)) != NULL);
    return e;
}

static void era_close(era *e)
{
    zslab_result r;
    if (SWAP(e->closing, 1)) return;
    r = zslab_epoch_close(Z, e->id);
    CHECK(r == ZSLAB_OK || (r == ZSLAB_E_CLOSED && GET(e->released)));
    SET(e->closed, 1);
    if (GET(e->count) == 0 && !GET(e->unknown)) era_ended(e);
}

static void gone(era *e) /* all its objects at once; e->use is held alone */
{
    uint64_t objects = GET(e->count) & (UNDER_WAY - 1);
    SUB(e->count, objects);
    room_give((uint32_t)objects + SWAP(e->unknown, 0));
}

static void era_reset(era *e)
{
    zslab_result r;
    pthread_rwlock_wrlock(&e->use);
    if (!GET(e->released)) {
        int late = GET(e->closing) != 0;
        ADD(e->begun, 1);
        r = zslab_epoch_reset(Z, e->id);
        if (r == ZSLAB_OK) {
            CHECK(!late || !GET(e->closed));
            gone(e);
            ADD(e->done, 1);
        } else {
            CHECK(r == ZSLAB_E_CLOSED && GET(e->closing));
            SUB(e->begun, 1);
        }
        if (GET(e->count) == 0 && GET(e->closed) && !GET(e->unknown)) era_ended(e);
    }
    pthread_rwlock_unlock(&e->use);
}

static void era_release(era *e)
{
    zslab_result r;
    int closing;
    pthread_rwlock_wrlock(&e->use);
    closing = SWAP(e->closing, 1) != 0;
    if (!SWAP(e->released, 1)) {
        ADD(e->begun, 1);
        r = zslab_epoch_release(Z, e->id);
        CHECK(r == ZSLAB_OK || (r == ZSLAB_E_CLOSED && closing));
        gone(e);
        ADD(e->done, 1);
        SET(e->closed, 1);
        era_ended(e);
    }
    pthread_rwlock_unlock(&e->use);
}

/* Everybody's epoch number i, open, if one may be opened. */
static era *some_era(worker *w)
{
    size_t i = (size_t)draw(&w->random, PLACES);
    era *e = GET(w_.place[i]), *fresh;
    if (e && (!GET(e->closing) || draw(&w->random, 8) == 0)) return GET(e->ended) ? NULL : e;
    fresh = era_open(&w->random, draw(&w->random, 3) ? GOES : DRAINS);
    if (fresh && !__atomic_compare_exchange_n(&w_.place[i], &e, fresh, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        era_close(fresh); /* somebody else was quicker */
    return fresh;
}

static era *era_of(zslab_epoch id) /* that is, or was, current */
{
    era *e = GET(w_.current);
    uint32_t i;
    if (GET(e->id) == id) return e;
    pthread_mutex_lock(&w_.advancing); /* then every advance has registered what it opened */
    for (i = GET(w_.era_count), e = NULL; i-- > 0 && !e;)
        if (GET(w_.eras[i].id) == id) e = &w_.eras[i];
    pthread_mutex_unlock(&w_.advancing);
    return e;
}

/* ---- objects ---- */
static int use_begin(const object *o) /* 0: gone with its epoch's objects */
{
    if (o->of->kind != GOES) return 1;
    pthread_rwlock_rdlock(&o->of->use);
    if (GET(o->of->begun) == o->round) return 1;
    pthread_rwlock_unlock(&o->of->use);
    return 0;
}
static void use_end(const object *o)
{
    if (o->of->kind == GOES) pthread_rwlock_unlock(&o->of->use);
}

static void dead(zslab_handle h)
{
    if (!h) return;
    CHECK(zslab_handle_get(Z, h) == NULL);
    SET(w_.corpse[ADD(w_.corpses, 1) % CORPSES], h);
}

static void fill(object *o)
{
    o->serial = ADD(w_.serial, 1);
    test_fill(o->p, o->bytes, o->serial);
}
static void look(const object *o) { CHECK(test_filled(o->p, o->bytes, o->serial)); }

static size_t some_size(uint64_t *random)
{
    size_t largest = zslab_size_class_bytes(Z, (size_t)draw(random, w_.class_count));
    if (w_.budget == PLENTY && draw(random, 200) == 0)
        return w_.largest + (size_t)draw(random, 100000); /* larger than the classes */
    return 1 + (size_t)draw(random, largest);
}

/* Refused: for a reason that holds. */
static void refused(const era *e, size_t size, zslab_result why)
{
    if (ZSLAB_NO_TLS && (e->kind == CURRENT || GET(e->closing) || size > w_.largest)) return;
    if (why == ZSLAB_E_CLOSED)
        CHECK(e->kind == CURRENT || GET(e->closing));
    else if (why == ZSLAB_E_TOO_BIG)
        CHECK(size > w_.largest);
    else
        CHECK(may_refuse(why));
}

/* An object of an epoch, in one of the ways there are. NULL handles are without one. */
static void *make_in(worker *w, era *e, size_t size, zslab_handle *h)
{
    void *p = NULL;
    *h = 0;
    switch (draw(&w->random, 6)) {
    case 0:
        if (size > w_.largest) break;
        if ((*h = zslab_handle_alloc(Z, size, e->id, &p)) != 0) CHECK(p != NULL);
        return p;
    case 1:
        if (size > w_.largest) break;
        *h = zslab_heap_handle_alloc(w->heap, size, e->id, &p);
        return p;
    case 2:
        return zslab_heap_malloc_epoch(w->heap, size, e->id);
    case 3:
        pthread_mutex_lock(&w_.wandering);
        p = zslab_heap_malloc_epoch(w_.wanderer, size, e->id);
        pthread_mutex_unlock(&w_.wandering);
        return p;
    default:
        break;
    }
    return zslab_malloc_epoch(Z, size, e->id);
}

/* An allocation that a reset or release crossed: with a handle it says whether it lives. o->of->use is held. */
static int survived(const object *o)
{
    if (o->handle && !GET(o->of->released) && zslab_handle_get(Z, o->handle) == o->p) return 1;
    if (o->handle || GET(o->of->released)) {
        room_give(1);
    } else {
        ADD(o->of->unknown, 1); /* its room comes back with the next reset */
    }
    return 0;
}

static void era_make(worker *w, era *e)
{
    object o;
    uint32_t done;
    if (w->count == HELD || !room_take(1)) return;
    ADD(e->count, UNDER_WAY);
    if (GET(e->closed)) {
        room_give(1);
        era_less(e, UNDER_WAY);
        return;
    }
    done = GET(e->done);
    o.of = e;
    o.bytes = some_size(&w->random);
    o.p = (unsigned char *)make_in(w, e, o.bytes, &o.handle);
    if (!o.p) {
        refused(e, o.bytes, reason());
        room_give(1);
        era_less(e, UNDER_WAY);
        return;
    }
    if (e->kind == GOES) {
        pthread_rwlock_rdlock(&e->use);
        if (GET(e->begun) != done && !survived(&o)) {
            pthread_rwlock_unlock(&e->use);
            era_less(e, UNDER_WAY);
            return;
        }
        done = GET(e->begun);
    }
    o.round = done;
    ADD(e->count, 1);
    SUB(e->count, UNDER_WAY);
    if (draw(&w->random, 4) == 0) CHECK(zslab_epoch_state_of(Z, e->id) != ZSLAB_EPOCH_CLOSED);
    CHECK(zslab_epoch_of(Z, o.p) == e->id && zslab_usable_size(Z, o.p) >= o.bytes);
    if (o.handle) CHECK(zslab_handle_get(Z, o.handle) == o.p && zslab_handle_of(Z, o.p) == o.handle);
    fill(&o);
    use_end(&o);
    w->held[w->count++] = o;
}

static int all_zero(const unsigned char *p, size_t bytes) { return p[0] == 0 && memcmp(p, p + 1, bytes - 1) == 0; }

/* One of the current epoch's, whichever that is by then. */
static void current_make(worker *w)
{
    object o;
    memset(&o, 0, sizeof o);
    if (w->count == HELD || !room_take(1)) return;
    o.bytes = some_size(&w->random);
    switch (draw(&w->random, 6)) {
    case 0:
        o.p = (unsigned char *)zslab_calloc(Z, 1, o.bytes);
        CHECK(!o.p || all_zero(o.p, o.bytes));
        break;
    case 1:
        o.bytes = 64;
        o.p = (unsigned char *)zslab_aligned_alloc(Z, 32, 64);
        CHECK((uintptr_t)o.p % 32 == 0);
        break;
    case 2:
        o.p = (unsigned char *)zslab_heap_malloc(w->heap, o.bytes);
        break;
    case 3:
        o.p = (unsigned char *)zslab_realloc(Z, NULL, o.bytes);
        break;
    default:
        o.p = (unsigned char *)zslab_malloc(Z, o.bytes);
    }
    if (!o.p) {
        refused(GET(w_.current), o.bytes, reason());
        room_give(1);
        return;
    }
    o.of = era_of(zslab_epoch_of(Z, o.p));
    if (!CHECK(o.of && o.of->kind == CURRENT)) return;
    ADD(o.of->count, 1);
    fill(&o);
    if (draw(&w->random, 8) == 0) CHECK(zslab_epoch_state_of(Z, o.of->id) != ZSLAB_EPOCH_CLOSED);
    w->held[w->count++] = o;
}

/* Given back in one of the ways there are. */
static void give_back(worker *w, object *o, uint64_t how)
{
    zslab_result r;
    void *p = o->p;
    if (!use_begin(o)) {
        dead(o->handle);
        return;
    }
    look(o);
    switch (how % 8) {
    case 0:
        r = zslab_free_sized(Z, p, o->bytes);
        break;
    case 1:
        r = w ? zslab_heap_free(w->heap, p) : zslab_free(Z, p);
        break;
    case 2:
        r = zslab_free_batch(Z, &p, 1) == 1 ? ZSLAB_OK : ZSLAB_E_INVALID;
        break;
    case 3:
    case 4:
        r = o->handle ? zslab_handle_free(Z, o->handle) : zslab_free(Z, p);
        break;
    default:
        r = zslab_free(Z, p);
    }
    CHECK_IS(r, ZSLAB_OK);
    dead(o->handle);
    era_less(o->of, 1);
    use_end(o);
    room_give(1);
}

static void free_one(worker *w, size_t i)
{
    object o = w->held[i];
    w->held[i] = w->held[--w->count];
    give_back(w, &o, draw(&w->random, 8));
}

/* ---- steps ---- */
static void a_mail(worker *w)
{
    box *b = &w_.box[draw(&w->random, BOXES)];
    object theirs, mine;
    memset(&mine, 0, sizeof mine);
    if (w->count && draw(&w->random, 4)) mine = w->held[--w->count];
    pthread_mutex_lock(&b->lock);
    theirs = b->what;
    b->what = mine;
    pthread_mutex_unlock(&b->lock);
    if (!theirs.p) return;
    if (w->count < HELD && draw(&w->random, 2))
        w->held[w->count++] = theirs;
    else
        give_back(w, &theirs, draw(&w->random, 8));
}

/* Looks at an object of its own, and asks about it. */
static void a_look(worker *w)
{
    object *o;
    if (!w->count) return;
    o = &w->held[draw(&w->random, w->count)];
    if (!use_begin(o)) return;
    look(o);
    CHECK(zslab_owns(Z, o->p) == 1 && zslab_usable_size(Z, o->p) >= o->bytes && zslab_epoch_of(Z, o->p) == o->of->id);
    CHECK(zslab_epoch_state_of(Z, o->of->id) != ZSLAB_EPOCH_CLOSED);
    if (o->handle) CHECK(zslab_handle_get(Z, o->handle) == o->p && zslab_handle_of(Z, o->p) == o->handle);
    use_end(o);
}

static void a_realloc(worker *w)
{
    object *o;
    unsigned char *q;
    size_t bytes = some_size(&w->random), both;
    unsigned char was[64];
    if (!w->count || !room_take(1)) return;
    o = &w->held[draw(&w->random, w->count)];
    if (use_begin(o)) {
        look(o);
        both = bytes < o->bytes ? bytes : o->bytes;
        both = both < sizeof was ? both : sizeof was;
        memcpy(was, o->p, both);
        q = (unsigned char *)zslab_realloc(Z, o->p, bytes);
        if (q) {
            CHECK(memcmp(q, was, both) == 0 && zslab_epoch_of(Z, q) == o->of->id && (q == o->p || !o->handle));
            o->p = q;
            o->bytes = bytes;
            fill(o);
        } else {
            if (reason() == ZSLAB_E_INVALID || (ZSLAB_NO_TLS && o->handle))
                CHECK(o->handle != 0);
            else
                refused(o->of, bytes, reason());
            look(o);
        }
        use_end(o);
    }
    room_give(1);
}

/* Wrong calls: told, counted, without any effect. */
static void a_wrong(worker *w)
{
    int here = 0;
    const object *o;
    CHECK_IS(zslab_free(Z, &here), ZSLAB_E_FOREIGN);
    ADD(w_.wrong, 1);
    if (!w->count) return;
    o = &w->held[draw(&w->random, w->count)];
    if (!use_begin(o)) return;
    CHECK_IS(zslab_free(Z, o->p + 1), ZSLAB_E_MISALIGNED);
    CHECK_IS(zslab_free_sized(Z, o->p, zslab_usable_size(Z, o->p) + 1), ZSLAB_E_INVALID);
    ADD(w_.wrong, 2);
    look(o);
    use_end(o);
}

static void a_corpse(worker *w)
{
    zslab_handle h = GET(w_.corpse[draw(&w->random, CORPSES)]);
    if (!h) return;
    CHECK(zslab_handle_get(Z, h) == NULL && (ZSLAB_NO_TLS || zslab_last_error() == ZSLAB_E_STALE));
    CHECK_IS(zslab_handle_free(Z, h), ZSLAB_E_STALE);
    ADD(w_.wrong, 1);
}

static void a_batch(worker *w)
{
    void *p[24];
    size_t size = 1 + (size_t)draw(&w->random, w_.largest < 500 ? w_.largest : 500), i, n;
    if (!room_take(24)) return;
    n = zslab_malloc_batch(Z, size, 24, p);
    if (n < 24) refused(GET(w_.current), size, reason());
    for (i = 0; i < n; i++) test_fill(p[i], size, i);
    for (i = 0; i < n; i++) CHECK(test_filled(p[i], size, i));
    CHECK(zslab_free_batch(Z, p, n) == n);
    room_give(24);
}

/* Many objects of one size in an epoch, freed in another order; in a full world until there is no more. */
static void a_burst(worker *w, era *e)
{
    enum { MOST = 4000 };
    void **p;
    size_t size = some_size(&w->random), n = 0, i, most = 50 + (size_t)draw(&w->random, 300);
    if (e->kind != DRAINS || size > w_.largest || w_.budget == ENOUGH) return;
    if (w_.budget == FULL && draw(&w->random, 2)) most = MOST;
    p = (void **)malloc(most * sizeof *p);
    MUST(p);
    ADD(e->count, UNDER_WAY);
    while (!GET(e->closed) && n < most && (p[n] = zslab_malloc_epoch(Z, size, e->id)) != NULL)
        test_fill(p[n], size < 32 ? size : 32, n), n++;
    if (n < most && !GET(e->closed)) refused(e, size, reason());
    if (n) CHECK(zslab_epoch_state_of(Z, e->id) != ZSLAB_EPOCH_CLOSED);
    while (n) {
        i = (size_t)draw(&w->random, n);
        CHECK_IS(zslab_free(Z, p[i]), ZSLAB_OK);
        p[i] = p[--n];
    }
    era_less(e, UNDER_WAY);
    free(p);
}

/* Made, filled, left and forgotten; its objects go at the last exit. */
static void a_domain(worker *w)
{
    zslab_domain *d, *in = NULL;
    zslab_epoch e;
    zslab_handle h = 0;
    void *p[4] = {NULL, NULL, NULL, NULL}, *q = NULL;
    size_t i;
    if (!token_take(&w_.places, 1)) return;
    if (!room_take(5)) {
        ADD(w_.places, 1);
        return;
    }
    if ((d = zslab_domain_create(Z)) == NULL) {
        CHECK(may_refuse(reason()));
        room_give(5);
        ADD(w_.places, 1);
        return;
    }
    e = zslab_domain_epoch(d);
    CHECK(zslab_epoch_state_of(Z, e) == ZSLAB_EPOCH_ACTIVE);
    if (zslab_domain_enter(d) == ZSLAB_OK) {
        CHECK(zslab_domain_current(Z) == d || w_.shared);
        if (draw(&w->random, 3) == 0 && zslab_domain_enter(d) == ZSLAB_OK) in = d;
        for (i = 0; i < 4; i++) {
            size_t size = 1 + (size_t)draw(&w->random, w_.largest);
            p[i] = w_.owned ? zslab_malloc(Z, size) : zslab_malloc_epoch(Z, size, e);
            if (!p[i]) {
                CHECK(may_refuse(reason()));
                continue;
            }
            CHECK(zslab_epoch_of(Z, p[i]) == e);
            test_fill(p[i], size < 100 ? size : 100, i);
            CHECK(test_filled(p[i], size < 100 ? size : 100, i));
        }
        h = zslab_handle_alloc(Z, 24, e, &q);
        CHECK(h ? zslab_handle_get(Z, h) == q : may_refuse(reason()));
        if (in) CHECK_IS(zslab_domain_exit(in), ZSLAB_OK);
        if (p[0] && draw(&w->random, 2)) CHECK_IS(zslab_free(Z, p[0]), ZSLAB_OK);
        CHECK_IS(zslab_domain_force_close(d), ZSLAB_E_BUSY);
        CHECK_IS(zslab_domain_exit(d), ZSLAB_OK);
        CHECK_IS(zslab_domain_enter(d), ZSLAB_E_CLOSED);
    } else {
        CHECK(may_refuse(reason()));
    }
    CHECK_IS(zslab_domain_destroy(d), ZSLAB_OK);
    CHECK(zslab_epoch_state_of(Z, e) == ZSLAB_EPOCH_CLOSED);
    dead(h);
    room_give(5);
    ADD(w_.places, 1);
}

/* In and out of the domain that everybody enters. */
static void a_common(worker *w)
{
    void *p;
    zslab_epoch e = w_.common_era->id;
    if (!w_.common || !room_take(1)) return;
    if (zslab_domain_enter(w_.common) == ZSLAB_OK) {
        p = w_.owned ? zslab_malloc(Z, 40) : zslab_malloc_epoch(Z, 40, e);
        CHECK(p || may_refuse(reason()));
        if (p) {
            CHECK(zslab_epoch_of(Z, p) == e);
            test_fill(p, 40, 3);
            CHECK(test_filled(p, 40, 3));
        }
        if (w_.budget == ENOUGH || draw(&w->random, 2)) CHECK_IS(zslab_free(Z, p), ZSLAB_OK);
        CHECK_IS(zslab_domain_exit(w_.common), ZSLAB_OK);
    } else {
        CHECK(may_refuse(reason()));
    }
    room_give(1);
}

static void an_advance(worker *w)
{
    era *e, *was;
    zslab_epoch id;
    (void)w;
    if (GET(w_.era_count) > ERAS - 64 || !token_take(&w_.places, 1)) return;
    pthread_mutex_lock(&w_.advancing);
    was = w_.current;
    id = zslab_epoch_advance(Z);
    if (CHECK(id != ZSLAB_EPOCH_NONE)) {
        MUST((e = era_new(id, CURRENT)) != NULL);
        SET(w_.current, e);
        SET(was->closing, 1);
        SET(was->closed, 1);
    }
    pthread_mutex_unlock(&w_.advancing);
}

static void a_wanderer(worker *w)
{
    zslab_heap *h;
    (void)w;
    pthread_mutex_lock(&w_.wandering);
    zslab_heap_destroy(w_.wanderer);
    while ((h = zslab_heap_create(Z)) == NULL && CHECK(may_refuse(reason())))
        sched_yield(); /* the others free something */
    MUST(h);
    w_.wanderer = h;
    pthread_mutex_unlock(&w_.wandering);
}

static void a_slot(worker *w)
{
    size_t i = (size_t)draw(&w->random, BOXES);
    int owner = w_.pool_owner == w->number;
    void *nothing = NULL, *p = owner ? zslab_pool_alloc(w_.pool) : NULL;
    zslab_result r;
    if (owner && !p) CHECK(ZSLAB_NO_TLS || zslab_last_error() == ZSLAB_E_FULL);
    if (p) test_fill(p, 48, 5);
    p = SWAP(w_.slot[i], p);
    if (!p) return;
    CHECK(test_filled(p, 48, 5) && zslab_pool_owns(w_.pool, p));
    r = owner ? zslab_pool_free(w_.pool, p) : zslab_remote_try_free(w_.remote, p);
    CHECK(r == ZSLAB_OK || (!owner && r == ZSLAB_E_FULL));
    while (r != ZSLAB_OK &&
           !__atomic_compare_exchange_n(&w_.slot[i], &nothing, p, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
        nothing = NULL;
        i = (i + 1) % BOXES;
    }
}

static void a_figure(worker *w)
{
    static __thread char text[4096];
    zslab_global_stats g;
    zslab_epoch_stats s;
    zslab_result r;
    era *e = some_era(w);
    zslab_stats_global(Z, &g);
    CHECK(g.misuse[ZSLAB_E_CORRUPT] == 0 && g.current_epoch != 0);
    CHECK(zslab_stats_json(Z, text, sizeof text) > 0 && zslab_stats_prometheus(Z, text, sizeof text) > 0);
    if (!e) return;
    r = zslab_stats_epoch(Z, (size_t)draw(&w->random, w_.class_count), e->id, &s);
    CHECK(r == ZSLAB_OK || (r == ZSLAB_E_CLOSED && GET(e->closing)));
}

static void an_end(worker *w, uint64_t how) /* of an epoch that everybody uses */
{
    era *e = GET(w_.place[draw(&w->random, PLACES)]);
    if (!e || GET(e->ended)) return;
    if (how == 0 || e->kind == DRAINS)
        era_close(e);
    else if (how == 1)
        era_release(e);
    else
        era_reset(e);
}

static void one_step(worker *w)
{
    uint64_t kind = draw(&w->random, 1000);
    era *e;
    if (kind < 300) {
        if ((e = some_era(w)) != NULL) era_make(w, e);
    } else if (kind < 430) {
        current_make(w);
    } else if (kind < 730) {
        if (w->count) free_one(w, (size_t)draw(&w->random, w->count));
    } else if (kind < 800) {
        a_mail(w);
    } else if (kind < 840) {
        a_look(w);
    } else if (kind < 870) {
        a_realloc(w);
    } else if (kind < 880) {
        if ((e = some_era(w)) != NULL) a_burst(w, e);
    } else if (kind < 890) {
        a_wrong(w);
    } else if (kind < 900) {
        a_corpse(w);
    } else if (kind < 910) {
        a_batch(w);
    } else if (kind < 920) {
        a_domain(w);
    } else if (kind < 935) {
        a_common(w);
    } else if (kind < 965) {
        an_end(w, kind % 3);
    } else if (kind < 980) {
        a_slot(w);
    } else if (kind < 984) {
        zslab_trim(Z);
    } else if (kind < 988) {
        zslab_thread_detach(Z);
    } else if (kind < 992) {
        an_advance(w);
    } else if (kind < 995) {
        a_wanderer(w);
    } else if (kind < 997) {
        a_figure(w);
    } else if ((e = some_era(w)) != NULL) {
        zslab_result r = zslab_epoch_set_label(Z, e->id, "named");
        CHECK(r == ZSLAB_OK || (r == ZSLAB_E_CLOSED && GET(e->closing)));
    }
}

static void run_steps(worker *w)
{
    unsigned i;
    for (i = 0; i < w->steps; i++) {
        errno = 4711;
        one_step(w);
        CHECK(errno == 4711);
    }
    ADD(steps_made, w->steps);
}

/* ---- threads: run when a phase says so, else they sleep ---- */
static void *work(void *arg)
{
    worker *w = (worker *)arg;
    unsigned seen = 0;
    int leaves;
    for (;;) {
        pthread_mutex_lock(&w_.gate);
        while (w_.phase == seen || !w->awake) {
            seen = w_.phase;
            pthread_cond_wait(&w_.turn, &w_.gate);
        }
        seen = w_.phase;
        leaves = w->leaves;
        pthread_mutex_unlock(&w_.gate);
        run_steps(w);
        if (leaves && w->left_inside && zslab_domain_enter(w->left_inside) == ZSLAB_OK && w_.owned && room_take(1)) {
            CHECK(zslab_malloc(Z, 16) || may_refuse(reason())); /* goes with the thread */
            room_give(1);
        }
        pthread_mutex_lock(&w_.gate);
        w_.running--;
        pthread_cond_broadcast(&w_.turn);
        pthread_mutex_unlock(&w_.gate);
        if (leaves) return NULL;
    }
}

/* One that leaves may be inside of a domain when it ends. */
static void leave_inside(worker *w)
{
    w->left_inside = NULL;
    if (!w_.owned || draw(&w->random, 2) || !token_take(&w_.places, 1)) return;
    if ((w->left_inside = zslab_domain_create(Z)) == NULL) {
        CHECK(may_refuse(reason()));
        ADD(w_.places, 1);
    }
}

static void was_inside(worker *w)
{
    zslab_epoch e;
    if (!w->left_inside) return;
    e = zslab_domain_epoch(w->left_inside);
    CHECK_IS(zslab_domain_destroy(w->left_inside), ZSLAB_OK);
    CHECK(zslab_epoch_state_of(Z, e) == ZSLAB_EPOCH_CLOSED);
    ADD(w_.places, 1);
    w->left_inside = NULL;
}

static void run_phase(uint64_t *random, int last)
{
    unsigned i, awake = 0;
    pthread_mutex_lock(&w_.gate);
    w_.pool_owner = -1;
    for (i = 0; i < THREADS; i++) {
        worker *w = &w_.worker[i];
        w->awake = last || draw(random, 4) != 0;
        w->leaves = last || (w->awake && draw(random, 3) == 0);
        if (!w->awake) continue;
        w->steps = last ? 1 : 20 + (unsigned)draw(random, TEST_SLOWED ? 100 : 400);
        if (w->leaves) leave_inside(w);
        if (w_.pool_owner < 0) w_.pool_owner = w->number;
        awake++;
        if (!w->exists) MUST(pthread_create(&w->thread, NULL, work, w) == 0);
        w->exists = 1;
    }
    w_.phase++;
    w_.running = awake;
    pthread_cond_broadcast(&w_.turn);
    while (w_.running) pthread_cond_wait(&w_.turn, &w_.gate);
    pthread_mutex_unlock(&w_.gate);
    for (i = 0; i < THREADS; i++)
        if (w_.worker[i].awake && w_.worker[i].leaves) {
            pthread_join(w_.worker[i].thread, NULL);
            w_.worker[i].exists = 0;
            was_inside(&w_.worker[i]);
        }
}

/* ---- all stand still: every answer is exact ---- */
static void look_at_eras(void)
{
    uint32_t i;
    for (i = w_.ended_before; i < w_.era_count; i++) {
        era *e = &w_.eras[i];
        zslab_epoch_state state;
        CHECK(e->count < UNDER_WAY);
        if (i == w_.ended_before && e->ended && e != w_.current) w_.ended_before++;
        state = zslab_epoch_state_of(Z, e->id);
        if (e->ended)
            CHECK(state == ZSLAB_EPOCH_CLOSED || (!w_.exact && state == ZSLAB_EPOCH_CLOSING));
        else if (!e->closing)
            CHECK(state == ZSLAB_EPOCH_ACTIVE);
        else if (e->count)
            CHECK(state == ZSLAB_EPOCH_CLOSING);
        else if (!e->unknown)
            era_ended(e); /* asks, too */
        else
            CHECK(state != ZSLAB_EPOCH_ACTIVE);
    }
}

static int seen(void *user, const zslab_visit *v)
{
    ++*(size_t *)user;
    CHECK(zslab_usable_size(Z, v->p) == v->usable_bytes && zslab_epoch_of(Z, v->p) == v->epoch);
    return 0;
}

static void look_at_all(void)
{
    zslab_global_stats g;
    size_t objects = 0, found = 0;
    uint32_t i, unknown = 0;
    for (i = 0; i < w_.era_count; i++) {
        objects += (size_t)w_.eras[i].count;
        unknown += w_.eras[i].unknown;
    }
    CHECK_IS(zslab_check(Z, seen, &found), ZSLAB_OK);
    zslab_stats_global(Z, &g);
    CHECK(found >= objects && found <= objects + unknown);
    CHECK(g.live_objects == found);
    CHECK(g.misuse_count == w_.wrong && w_.told == w_.wrong && g.misuse[ZSLAB_E_CORRUPT] == 0);
    if (!CHECK(g.cached_bytes <= g.committed_bytes))
        printf("  %llu bytes are cached, %llu committed\n", (unsigned long long)g.cached_bytes,
               (unsigned long long)g.committed_bytes);
    if (w_.memory == LIMIT) CHECK(g.committed_bytes <= w_.config.limit_bytes);
    look_at_eras();
}

/* Everything that anybody has is given back, by this thread; what is unknown goes with its epoch. */
static void free_all(uint64_t *random)
{
    uint32_t i;
    for (i = 0; i < THREADS; i++)
        while (w_.worker[i].count) free_one(&w_.worker[i], (size_t)draw(random, w_.worker[i].count));
    for (i = 0; i < BOXES; i++)
        if (w_.box[i].what.p) {
            give_back(NULL, &w_.box[i].what, draw(random, 8));
            memset(&w_.box[i].what, 0, sizeof w_.box[i].what);
        }
    for (i = w_.ended_before; i < w_.era_count; i++) {
        era *e = &w_.eras[i];
        if (!e->ended && e->unknown) draw(random, 2) || e->closing ? era_release(e) : era_reset(e);
        CHECK(e->count == 0);
    }
    look_at_all();
}

/* Objects of one size until there are no more; at least what others do not hold is there. */
static void fill_up(uint64_t *random, zslab_epoch e)
{
    size_t cls = (size_t)draw(random, w_.class_count), size = zslab_size_class_bytes(Z, cls), n = 0, want;
    size_t slots = ((size_t)1 << ZSLAB_CHUNK_SHIFT) / size, pinned = 0, i;
    static void *p[80000];
    if ((w_.memory != LIMIT && w_.memory != RANGE) || slots * w_.chunks > sizeof p / sizeof *p) return;
    if (w_.owned)
        for (i = 0, pinned = 2; i < THREADS; i++) /* the wanderer's, the main thread's; of each sleeper two */
            pinned += (unsigned)w_.worker[i].exists + 1;
    pinned *= 2;
    want = w_.chunks > pinned * w_.class_count ? (w_.chunks - pinned * w_.class_count) * slots : 0;
    while (n < w_.chunks * slots && (p[n] = zslab_malloc_epoch(Z, size, e)) != NULL) n++;
    if (n < w_.chunks * slots) CHECK_IS(zslab_last_error(), w_.memory == LIMIT ? ZSLAB_E_LIMIT : ZSLAB_E_NOMEM);
    if (!CHECK(n >= want))
        printf("  %zu objects of %zu bytes, %zu chunks of %zu slots, %zu heaps of others, %zu classes\n", n, size,
               w_.chunks, slots, pinned, w_.class_count);
    while (n) CHECK_IS(zslab_free(Z, p[--n]), ZSLAB_OK);
}

/* With nothing live nothing is refused. */
static void serve_one(zslab_epoch e, size_t size)
{
    zslab_handle h;
    void *p = zslab_malloc_epoch(Z, size, e);
    if (!CHECK(p)) printf("  %zu bytes: %s\n", size, zslab_result_name(zslab_last_error()));
    CHECK_IS(zslab_free(Z, p), ZSLAB_OK);
    h = zslab_handle_alloc(Z, size, e, &p);
    if (!CHECK(h))
        printf("  handle of %zu bytes: %s\n", size, zslab_result_name(zslab_last_error()));
    else
        CHECK_IS(zslab_handle_free(Z, h), ZSLAB_OK);
}

static void *serve_all(void *arg)
{
    uint64_t random = *(uint64_t *)arg;
    size_t i, cls;
    zslab_heap *heap;
    zslab_domain *d;
    uint32_t free_places = w_.places;
    era *e;
    for (cls = 0; cls < w_.class_count; cls++) {
        void *p = zslab_malloc(Z, zslab_size_class_bytes(Z, cls));
        CHECK(p);
        CHECK_IS(zslab_free(Z, p), ZSLAB_OK);
    }
    for (i = w_.ended_before; i < w_.era_count; i++)
        if (!w_.eras[i].closing)
            serve_one(w_.eras[i].id, zslab_size_class_bytes(Z, (size_t)draw(&random, w_.class_count)));
    for (i = 0; i < free_places && i < 9; i++)
        if ((e = era_open(&random, DRAINS)) != NULL) {
            serve_one(e->id, zslab_size_class_bytes(Z, (size_t)draw(&random, w_.class_count)));
            fill_up(&random, e->id);
            era_close(e);
        }
    if (w_.places) {
        CHECK((d = zslab_domain_create(Z)) != NULL);
        if (d) {
            CHECK_IS(zslab_domain_enter(d), ZSLAB_OK);
            serve_one(zslab_domain_epoch(d), 16);
            CHECK_IS(zslab_domain_exit(d), ZSLAB_OK);
            CHECK_IS(zslab_domain_destroy(d), ZSLAB_OK);
        }
    }
    CHECK((heap = zslab_heap_create(Z)) != NULL);
    if (heap) {
        void *p = zslab_heap_malloc(heap, 16);
        CHECK(p);
        CHECK_IS(zslab_heap_free(heap, p), ZSLAB_OK);
        zslab_heap_destroy(heap);
    }
    return NULL;
}

/* The current epoch closed, or released: nothing goes there until the next one. */
static void end_current(uint64_t *random)
{
    era *e = w_.current, *next;
    zslab_epoch id;
    size_t i;
    if (!w_.places) return;
    if (draw(random, 2)) {
        CHECK_IS(zslab_epoch_close(Z, e->id), ZSLAB_OK);
    } else {
        for (i = 0; i < THREADS; i++)
            if (w_.worker[i].count) return;
        for (i = 0; i < BOXES; i++)
            if (w_.box[i].what.p) return;
        CHECK_IS(zslab_epoch_release(Z, e->id), ZSLAB_OK);
    }
    e->closing = e->closed = 1;
    CHECK_FAILS(zslab_malloc(Z, 8), ZSLAB_E_CLOSED);
    w_.places--;
    id = zslab_epoch_advance(Z);
    if (!CHECK(id)) return;
    MUST((next = era_new(id, CURRENT)) != NULL);
    w_.current = next;
}

static void between_phases(uint64_t *random, int last)
{
    errno = 4711;
    look_at_all();
    if (!last && draw(random, 3) == 0) end_current(random);
    if (last || draw(random, 2) == 0) {
        free_all(random);
        if (draw(random, 2)) test_in_thread(serve_all, random);
        serve_all(random);
    }
    look_at_all();
    CHECK(errno == 4711);
}

/* ---- a world ---- */
static void told(void *user, zslab_result what, const void *p, zslab_handle h)
{
    (void)user, (void)p, (void)h;
    CHECK(what != ZSLAB_E_CORRUPT);
    ADD(w_.told, 1);
}

static int leaked(void *user, zslab_leak when, const zslab_visit *v)
{
    (void)user, (void)when;
    ADD(w_.leaks, v->p != NULL);
    return 0;
}

/* Does an asymmetric fence let a question be decided about threads that sleep? */
static int has_fence(void)
{
#if defined(_WIN32)
    return 1;
#elif defined(__linux__) && defined(__NR_membarrier) && !TEST_EMULATED
    return (syscall(__NR_membarrier, 0, 0, 0) & 8) != 0; /* private expedited */
#else
    return 0;
#endif
}

static void draw_config(uint64_t *random)
{
    static const uint32_t tables[][4] = {{32, 256, 1024, 0}, {16, 64, 0, 0}, {8, 48, 512, 4096}, {64, 0, 0, 0}};
    static const uint32_t counts[] = {2, 4, 8, 32, 128};
    zslab_config *c = &w_.config;
    size_t t = (size_t)draw(random, 4);
    c->flags = (draw(random, 3) == 0 || ZSLAB_NO_TLS ? ZSLAB_FLAG_SHARED : 0u) |
               (draw(random, 4) == 0 ? ZSLAB_FLAG_HARDENED : 0u);
    c->reclaim = draw(random, 2) ? ZSLAB_RECLAIM_RSS : ZSLAB_RECLAIM_LATENCY;
    c->epoch_count = counts[draw(random, 5)];
    c->cache_bytes = draw(random, 2) ? ZSLAB_CACHE_NONE : 0;
    w_.budget = (budget)draw(random, 3);
    if (plenty) w_.budget = PLENTY;
    w_.memory = w_.budget == PLENTY ? SYSTEM : (memory)(1 + draw(random, 3));
    if (w_.budget != PLENTY || draw(random, 2)) {
        memcpy(w_.table, tables[t], sizeof w_.table);
        c->class_bytes = w_.table;
        for (c->class_count = 0; c->class_count < 4 && w_.table[c->class_count]; c->class_count++)
            ;
    }
    if (draw(random, 4) == 0) c->on_leak = leaked;
    c->on_misuse = told;
    w_.shared = (c->flags & ZSLAB_FLAG_SHARED) != 0;
    w_.owned = !w_.shared;
    w_.rss = c->reclaim == ZSLAB_RECLAIM_RSS;
    w_.exact = w_.shared || has_fence();
    w_.room = 24;
    /* what lives, two chunks a class and heap of others, and what this thread has itself */
    w_.chunks = w_.room + 2 * (2 * THREADS + 3) * (c->class_count ? c->class_count : 1);
}

static void draw_memory(void)
{
    zslab_config *c = &w_.config;
    size_t chunk = (size_t)1 << ZSLAB_CHUNK_SHIFT;
    if (w_.memory == RANGE) c->reserve_bytes = w_.chunks * chunk;
    if (w_.memory == LIMIT) { /* and heaps and rows, of which two have magazines: what LIMITS in the header says */
        size_t magazine = 16 * (chunk / 8 < 1023 ? chunk / 8 : 1023);
        c->limit_bytes =
            w_.chunks * chunk + (2 * THREADS + 4) * (9216 + (PLACES + 6) * 3686 + 2 * c->class_count * magazine);
    }
    if (w_.memory == BUFFER) { /* and rows: the metadata of each thread and epoch */
        size_t row = 4096 + c->class_count * ((chunk / 8 < 1023 ? chunk / 8 : 1023) * 16 + 256);
        c->memory_bytes = zslab_buffer_bytes_min(c) + w_.chunks * chunk;
        c->memory_bytes += (2 * THREADS + 4) * (PLACES + 6) * row + ((size_t)1 << 20);
        MUST((w_.buffer = (char *)malloc(c->memory_bytes)) != NULL);
        c->memory = w_.buffer;
    }
}

static void name_world(void)
{
    const zslab_config *c = &w_.config;
    snprintf(world_text, sizeof world_text, "-w %llu: %s%s%s, %u epochs, %s of %s, cache %s, %zu classes%s",
             (unsigned long long)w_.seed, w_.rss ? "rss" : "latency", w_.shared ? " shared" : "",
             c->flags & ZSLAB_FLAG_HARDENED ? " hardened" : "", (unsigned)c->epoch_count, budget_name[w_.budget],
             memory_name[w_.memory], c->cache_bytes ? "none" : "1 MiB", c->class_count, c->on_leak ? ", leaks" : "");
    test_at("%s", world_text);
    if (verbose) {
        printf("%s\n", world_text);
        fflush(stdout);
    }
}

static void begin(uint64_t seed, uint64_t *random)
{
    zslab_pool_config pool;
    uint32_t i;
    memset(&w_, 0, sizeof w_);
    memset(&pool, 0, sizeof pool);
    w_.seed = seed;
    draw_config(random);
    draw_memory();
    name_world();
    for (i = 0; i < ERAS; i++) pthread_rwlock_init(&w_.eras[i].use, NULL);
    for (i = 0; i < BOXES; i++) pthread_mutex_init(&w_.box[i].lock, NULL);
    pthread_mutex_init(&w_.advancing, NULL);
    pthread_mutex_init(&w_.wandering, NULL);
    pthread_mutex_init(&w_.gate, NULL);
    pthread_cond_init(&w_.turn, NULL);
    Z = test_create(&w_.config);
    for (w_.class_count = 0; zslab_size_class_bytes(Z, w_.class_count); w_.class_count++)
        w_.largest = zslab_size_class_bytes(Z, w_.class_count);
    w_.places = w_.config.epoch_count - 1;
    w_.current = era_new(zslab_epoch_current(Z), CURRENT);
    MUST((w_.common_era = w_.places > 3 ? era_open(random, CURRENT) : w_.current) != NULL);
    if (w_.places > 3) MUST((w_.common = zslab_domain_wrap(Z, w_.common_era->id, ZSLAB_ON_EXIT_RESET)) != NULL);
    MUST((w_.wanderer = zslab_heap_create(Z)) != NULL);
    pool.slot_bytes = 48, pool.slot_count = POOL_SLOTS, pool.queue_capacity = 1 + (size_t)draw(random, 8);
    pool.batch_count = 3;
    MUST((w_.pool = zslab_pool_create(&pool)) != NULL && (w_.remote = zslab_pool_remote(w_.pool)) != NULL);
    for (i = 0; i < THREADS; i++) {
        w_.worker[i].number = (int)i;
        w_.worker[i].random = test_random(random);
        MUST((w_.worker[i].heap = zslab_heap_create(Z)) != NULL);
    }
}

/* All threads have gone: what was committed is given back, then the allocator goes. */
static void end(uint64_t *random)
{
    zslab_pool_stats s;
    zslab_global_stats g;
    uint32_t i;
    for (i = 0; i < BOXES; i++)
        if (w_.slot[i]) CHECK_IS(zslab_pool_free(w_.pool, w_.slot[i]), ZSLAB_OK);
    zslab_pool_drain(w_.pool);
    zslab_stats_pool(w_.pool, &s);
    CHECK(s.live == 0 && s.queued == 0 && s.corruption_events == 0);
    zslab_pool_destroy(w_.pool);
    zslab_remote_drop(w_.remote);
    if (w_.common) CHECK_IS(zslab_domain_destroy(w_.common), ZSLAB_OK);
    zslab_heap_destroy(w_.wanderer);
    for (i = 0; i < THREADS; i++) zslab_heap_destroy(w_.worker[i].heap);
    if (draw(random, 2)) zslab_thread_detach(Z);
    zslab_trim(Z);
    zslab_stats_global(Z, &g);
    CHECK(g.live_objects == 0);
    if (!CHECK(g.committed_bytes <= g.cache_limit_bytes))
        printf("  %llu bytes are committed, the cache is of %llu\n", (unsigned long long)g.committed_bytes,
               (unsigned long long)g.cache_limit_bytes);
    test_destroy(Z);
    for (i = 0; i < ERAS; i++) pthread_rwlock_destroy(&w_.eras[i].use);
    for (i = 0; i < BOXES; i++) pthread_mutex_destroy(&w_.box[i].lock);
    pthread_mutex_destroy(&w_.advancing);
    pthread_mutex_destroy(&w_.wandering);
    pthread_mutex_destroy(&w_.gate);
    pthread_cond_destroy(&w_.turn);
    free(w_.buffer);
}

static void one_world(uint64_t seed)
{
    uint64_t random = seed * 0x9E3779B97F4A7C15u + 1;
    int phase;
#if TEST_UNIX
    alarm(TEST_SLOWED ? 240 : 60); /* a world takes a tenth of a second: this one does not end */
#endif
    begin(seed, &random);
    for (phase = 0; phase < PHASES; phase++) {
        run_phase(&random, phase == PHASES - 1);
        between_phases(&random, phase == PHASES - 1);
    }
    end(&random);
#if TEST_UNIX
    alarm(0);
#endif
    worlds++;
}

#if TEST_UNIX
static void died(int sig) /* says in which world, then ends as it would have */
{
    static const char what[] = "\nended by a signal, or without end, in world ";
    ssize_t n = write(1, what, sizeof what - 1);
    n = write(1, world_text, strlen(world_text));
    n = write(1, "\n", 1);
    (void)n;
    signal(sig, SIG_DFL);
    raise(sig);
}
#endif

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

int main(int argc, char **argv)
{
    uint64_t seed = 1, count = TEST_SLOWED ? 20 : 60, i; /* without arguments: worlds of `make test` */
    double seconds = 0, start = now();
    int at = 1, same = 0;
    plenty = argc == 1 && ORACLE_PLENTY;
    if (argc > at + 1 && (strcmp(argv[at], "-n") == 0 || strcmp(argv[at], "-s") == 0)) {
        seconds = argv[at][1] == 's' ? atof(argv[at + 1]) : 0;
        count = argv[at][1] == 's' ? UINT64_MAX : strtoull(argv[at + 1], NULL, 0);
        at += 2;
    } else if (argc > at + 1 && strcmp(argv[at], "-w") == 0) {
        seed = strtoull(argv[at + 1], NULL, 0);
        count = argc > at + 2 ? strtoull(argv[at + 2], NULL, 0) : 1;
        same = verbose = 1;
        at = argc;
    }
    if (argc > at && strcmp(argv[at], "-v") == 0) verbose = 1, at++;
    if (argc > at && strcmp(argv[at], "-p") == 0) plenty = 1, at++;
    if (argc > at) seed = strtoull(argv[at], NULL, 0);
#if TEST_UNIX
    signal(SIGALRM, died);
    if (!TEST_SANITIZED) {
        signal(SIGSEGV, died);
        signal(SIGBUS, died);
        signal(SIGABRT, died);
    }
#endif
    for (i = 0; i < count && (!seconds || now() - start < seconds) && test_failed < 20; i++)
        one_world(same ? seed : seed + i);
    test_where[0] = 0;
    printf("%llu worlds from seed %llu, %llu steps, %llu refused\n", (unsigned long long)worlds,
           (unsigned long long)seed, (unsigned long long)steps_made, (unsigned long long)refusals);
    return test_summary(ORACLE_PLENTY ? "test_oracle" : "stress_oracle");
}
