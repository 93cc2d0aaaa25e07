/* Random operations of the whole API against a plain shadow model, by three threads in recorded order (who is not at
   it sleeps): every answer compared, every object's bytes checked, the set of live objects compared with zslab_check's
   walk, the statistics with the shadow's own counts; what may be refused, and that nothing is with nothing live.
     test_model [operations in total] [seed]
     test_model -r 'MODE VARIANT: TAPE'     plays a tape as it was printed
   A tape that fails is cut down to the shortest that does (tape.h) and printed. MODEL_PLANTED 1 breaks the library on
   purpose, for test_model_shrink.c. */
/* timeout: 600 */
#include "tests/lib/tape.h"

#ifndef MODEL_PLANTED
#define MODEL_PLANTED 0
#endif

#define OBJECTS 4096 /* most live at once */
#define OPENED 6     /* the current epoch and others opened by hand */
#define DOMAINS 4
#define EPOCHS (OPENED + DOMAINS) /* a domain may have one of its own */
#define OUTSIDE EPOCHS            /* where objects of the fallback are: in none */
#define GHOSTS 512                /* pointers and handles that were objects */
#define HEAPS 3
#define THREADS 3
#define DEPTH 6  /* of domains inside domains */
#define SLOTS 24 /* of the pool */
#define QUEUE 8
#define BIG 32 /* objects of the fallback at once */
#ifndef MODEL_LARGE
#define MODEL_LARGE (3 * ZS__CHUNK_BYTES + 10000) /* the largest one of an epoch is so much larger than its classes */
#endif
#ifndef MODEL_LARGE_ONE_IN
#define MODEL_LARGE_ONE_IN 64
#endif
#define LARGE_MOST (MODEL_LARGE + 70000) /* large_bytes_max */

typedef struct object {
    unsigned char *p;
    size_t asked, bytes;
    int epoch;       /* index in model.epochs */
    uint64_t serial; /* of its pattern */
    zslab_handle handle;
} object;

typedef struct group {
    zslab_epoch id;
    zslab_epoch_state state;
    size_t live;
    int drained; /* it ended by itself: closing it once more is fine */
} group;

typedef struct scope { /* a domain, and the model's idea of it */
    zslab_domain *d;
    zslab_epoch id;
    zslab_on_exit policy;
    int own, ended;
    unsigned inside;
} scope;

typedef struct visit { /* of one thread in a domain */
    scope *s;
    unsigned entered;
} visit;

/* What a play is made of beside its tape. */
typedef enum variant { PLAIN, FAULTS, LIMITED, TIGHT, VARIANTS } variant; /* TIGHT: few classes in a small range */
static const char *const variant_name[] = {"plain", "faults", "limited", "tight"};
#define TIGHT_CHUNKS 60
static const uint32_t tight_classes[] = {64, 512, 4096};

static struct {
    zslab *z;
    const test_mode *mode;
    variant variant;
    object live[OBJECTS];
    size_t count, outside; /* objects; of these, the fallback's */
    group epochs[EPOCHS + 1];
    scope domains[DOMAINS];
    visit stack[THREADS][DEPTH];
    int depth[THREADS], thread;
    void *ghosts[GHOSTS];
    zslab_handle dead[GHOSTS];
    size_t ghost_count, dead_count;
    zslab_heap *heaps[HEAPS];
    zslab_pool *pool;
    zslab_remote *remote;
    char *slots[SLOTS];
    size_t slot_count;
    void *big[BIG];
    uint64_t random, serial, refused, misuses, failures_seen;
    uint64_t by_code[ZSLAB_E_CORRUPT + 1];
    uint32_t table[OBJECTS * 4]; /* 1 + index of a live object, by address */
} model;
static int planted = MODEL_PLANTED;

static uint64_t draw(uint64_t below) { return test_random(&model.random) % below; }

static void on_misuse(void *user, zslab_result what, const void *p, zslab_handle h)
{
    (void)user, (void)p, (void)h;
    model.misuses++;
    model.by_code[what]++;
}

/* ---- a system and a fallback that fail when the tape says so ---- */
enum { HOOK_RESERVE, HOOK_COMMIT, HOOK_PURGE, HOOK_FALLBACK, HOOKS };
static struct {
    unsigned in[HOOKS], more[HOOKS]; /* calls until one fails, and how many more do; 0: none */
    uint64_t failed;
} sys;

static int fails(int hook)
{
    if (sys.in[hook] == 0 || --sys.in[hook]) return 0;
    if (sys.more[hook]) {
        sys.more[hook]--;
        sys.in[hook] = 1;
    }
    sys.failed++;
    return 1;
}
static void *sys_reserve(void *user, size_t bytes, size_t alignment)
{
    return fails(HOOK_RESERVE) ? NULL : zs__os_reserve(user, bytes, alignment);
}
static int sys_commit(void *user, void *p, size_t bytes)
{
    return fails(HOOK_COMMIT) ? -1 : zs__os_commit(user, p, bytes);
}
static int sys_purge(void *user, void *p, size_t bytes)
{
    return fails(HOOK_PURGE) ? -1 : zs__os_purge(user, p, bytes);
}
static void sys_release(void *user, void *p, size_t bytes) { zs__os_release(user, p, bytes); }

static void **big_place(const void *p)
{
    size_t i;
    for (i = 0; i < BIG && model.big[i] != p; i++)
        ;
    return i < BIG ? &model.big[i] : NULL;
}
static void *big_alloc(void *user, size_t size, size_t alignment)
{
    void **at = big_place(NULL);
    size_t *p = at && alignment <= 64 && !fails(HOOK_FALLBACK) ? (size_t *)malloc(size + 64) : NULL;
    (void)user;
    if (!p) return NULL;
    p[0] = size;
    *at = (char *)p + 64 - (size_t)p % 64; /* malloc's own is a multiple of 16: 16 bytes or more are in front */
    ((size_t *)*at)[-1] = size, ((void **)*at)[-2] = p;
    return *at;
}
static void big_free(void *user, void *p)
{
    void **at = big_place(p);
    (void)user;
    if (!CHECK(at != NULL)) return;
    *at = NULL;
    free(((void **)p)[-2]);
}
static size_t big_size(void *user, const void *p)
{
    (void)user;
    return ((const size_t *)p)[-1];
}
static int big_owns(void *user, const void *p)
{
    (void)user;
    return p && big_place(p) != NULL;
}

/* Is there room for so many chunks whatever else there is? At worst every live object has a chunk for itself, and every
   heap, threads' and explicit ones, keeps one of each class. */
static int room_left(size_t chunks)
{
    return model.count - model.outside + (THREADS + HEAPS) * model.z->class_count + 1 + chunks < TIGHT_CHUNKS;
}

/* May an operation that needs so many chunks be refused for want of memory? */
static int may_refuse_chunks(zslab_result why, size_t chunks)
{
    if (sys.failed != model.failures_seen && why == ZSLAB_E_NOMEM) return 1;
    if (model.variant == TIGHT && room_left(chunks)) return 0;
    if (model.variant == LIMITED && why == ZSLAB_E_LIMIT) return 1;
    return why == ZSLAB_E_NOMEM && (test_tight(model.mode) || model.variant == TIGHT);
}

static int may_refuse(zslab_result why) { return may_refuse_chunks(why, 1); }

/* ---- the shadow: live objects by address ---- */
static size_t table_place(const void *p) /* where it is, or where it would go */
{
    size_t at = (size_t)((uintptr_t)p >> 3) * 2654435761u % (OBJECTS * 4);
    while (model.table[at] && model.live[model.table[at] - 1].p != p) at = (at + 1) % (OBJECTS * 4);
    return at;
}

static object *find(const void *p)
{
    size_t at = table_place(p);
    return model.table[at] ? &model.live[model.table[at] - 1] : NULL;
}

static void table_remove(const void *p) /* and move up what the gap would hide */
{
    size_t gap = table_place(p), at = gap;
    model.table[gap] = 0;
    for (at = (at + 1) % (OBJECTS * 4); model.table[at]; at = (at + 1) % (OBJECTS * 4)) {
        uint32_t moved = model.table[at];
        model.table[at] = 0;
        model.table[table_place(model.live[moved - 1].p)] = moved;
    }
}

static void forget(object *o)
{
    object *last = &model.live[model.count - 1];
    if (o->epoch == OUTSIDE)
        model.outside--;
    else
        model.ghosts[model.ghost_count++ % GHOSTS] = o->p;
    if (o->handle) model.dead[model.dead_count++ % GHOSTS] = o->handle;
    model.epochs[o->epoch].live--;
    table_remove(o->p);
    if (o != last) {
        model.table[table_place(last->p)] = (uint32_t)(o - model.live) + 1;
        *o = *last;
    }
    model.count--;
}

static void forget_epoch(int e) /* all its objects went at once */
{
    size_t i;
    for (i = model.count; i-- > 0;)
        if (model.live[i].epoch == e) forget(&model.live[i]);
    CHECK(model.epochs[e].live == 0);
}

static size_t class_bytes(size_t size) /* what an object of this size may use; 0: only the fallback has such */
{
    size_t page = model.z->page_bytes, chunks = (size + ZS__CHUNK_BYTES - 1) / ZS__CHUNK_BYTES * ZS__CHUNK_BYTES;
    if (zslab_size_class_of(model.z, size) != ZSLAB_CLASS_LARGE)
        return zslab_size_class_bytes(model.z, zslab_size_class_of(model.z, size));
    return (size + page - 1) / page * page < chunks ? (size + page - 1) / page * page : chunks;
}

static int is_large(size_t bytes) { return bytes > model.z->classes[model.z->class_count - 1].size; }

static void check_bytes(const object *o) { CHECK(test_filled(o->p, o->asked, o->serial)); }

static int group_of(zslab_epoch id) /* -1: closed, and its place in the model is another's */
{
    int e;
    for (e = 0; e < EPOCHS; e++)
        if (model.epochs[e].id == id) return e;
    return -1;
}

/* Where plain allocations of this thread go. */
static int here(void)
{
    int depth = model.depth[model.thread];
    return depth ? group_of(model.stack[model.thread][depth - 1].s->id) : 0;
}

static int is_open(int e) { return e >= 0 && model.epochs[e].state == ZSLAB_EPOCH_ACTIVE; }

static void adopt(void *p, size_t size, size_t bytes, int e, zslab_handle h)
{
    object *o = &model.live[model.count];
    CHECK(!find(p));
    o->p = (unsigned char *)p, o->asked = size, o->bytes = bytes;
    o->epoch = e, o->serial = ++model.serial, o->handle = h;
    model.table[table_place(p)] = (uint32_t)++model.count;
    model.epochs[e].live++;
    model.outside += e == OUTSIDE;
    CHECK(zslab_usable_size(model.z, p) == o->bytes && zslab_epoch_of(model.z, p) == model.epochs[e].id);
    CHECK(zslab_owns(model.z, p) == 1);
    test_fill(p, size, o->serial);
}

/* An allocation's answer: a new object, or the refusal that the model expects. */
static void given(void *p, size_t size, int e)
{
    size_t bytes = class_bytes(size);
    if (!p && !is_open(e)) {
        CHECK(zslab_last_error() == ZSLAB_E_CLOSED || may_refuse(zslab_last_error()));
    } else if (!p) {
        model.refused++;
        CHECK(may_refuse(zslab_last_error()));
    } else if (CHECK(is_open(e))) {
        adopt(p, size, bytes, e, 0);
    }
}

/* ---- operations: objects ---- */
static size_t some_size(void)
{
    size_t most = model.z->classes[model.z->class_count - 1].size;
    uint64_t x = draw(100);
    size_t size = x < 60 ? 1 + (size_t)draw(128) : x < 90 ? 1 + (size_t)draw(1024) : 1 + (size_t)draw(8192);
    return size > most ? most : size;
}

static size_t any_size(void) /* now and then one larger than every class */
{
    size_t size = some_size();
    if (model.variant == TIGHT) return size;
    if (draw(MODEL_LARGE_ONE_IN)) return size;
    return model.z->classes[model.z->class_count - 1].size + 1 + (size_t)draw(MODEL_LARGE);
}

/* Larger than large_bytes_max: from the fallback, outside of domains, unless the epoch is closed. */
static void beyond(void)
{
    size_t size = LARGE_MOST + some_size();
    void *p = zslab_malloc(model.z, size);
    const int inside = test_owned(model.mode) && model.depth[model.thread] != 0;
    if (p) {
        if (CHECK(is_open(here()) && !inside)) adopt(p, size, size, OUTSIDE, 0);
    } else {
        CHECK(zslab_last_error() == (!is_open(here()) ? ZSLAB_E_CLOSED
                                     : inside         ? ZSLAB_E_TOO_BIG
                                                      : ZSLAB_E_NOMEM) ||
              may_refuse(zslab_last_error()));
    }
}

static object *some_object(void) { return model.count ? &model.live[draw(model.count)] : NULL; }

static zslab_heap *some_heap(void) { return model.heaps[draw(HEAPS)]; }

static void op_malloc(void)
{
    size_t size = any_size();
    if (model.count == OBJECTS) return;
    if (draw(64) == 0) {
        beyond();
        return;
    }
    switch (draw(4)) {
    case 0:
        given(zslab_calloc(model.z, 1, size), size, here());
        break;
    case 1:
        given(zslab_heap_malloc(some_heap(), size), size, 0);
        break;
    default:
        given(zslab_malloc(model.z, size), size, here());
    }
}

static void op_malloc_epoch(void)
{
    int e = (int)draw(EPOCHS);
    size_t size = any_size();
    zslab_epoch id = model.epochs[e].id;
    if (model.count == OBJECTS) return;
    given(draw(4) ? zslab_malloc_epoch(model.z, size, id) : zslab_heap_malloc_epoch(some_heap(), size, id), size, e);
}

static void op_aligned(void)
{
    size_t alignment = (size_t)8 << draw(6), size = 1 + (size_t)draw(500);
    void *p;
    if (model.count == OBJECTS) return;
    p = zslab_aligned_alloc(model.z, alignment, size);
    CHECK((uintptr_t)p % alignment == 0);
    if (p) { /* its class may be larger than size's */
        CHECK(zslab_usable_size(model.z, p) >= size);
        size = zslab_usable_size(model.z, p);
    }
    given(p, size, here());
}

static void op_batch(void)
{
    void *p[40];
    size_t n = (size_t)draw(40), i, got, size = some_size();
    if (model.count + n > OBJECTS) return;
    got = zslab_malloc_batch(model.z, size, n, p);
    for (i = 0; i < got; i++) given(p[i], size, here());
    if (got < n) given(NULL, size, here());
}

/* One way of giving an object back. */
static zslab_result give_back(object *o)
{
    void *p = o->p;
    int domain = model.depth[model.thread] != 0 || !test_owned(model.mode);
    if (planted && domain && model.thread == 1 && o->bytes == 64)
        return ZSLAB_OK; /* the planted bug: inside a domain the second thread's frees of one class are lost */
    switch (draw(5)) {
    case 0:
        return zslab_free_sized(model.z, p, o->bytes);
    case 1:
        return zslab_heap_free(some_heap(), p);
    case 2:
        return zslab_free_batch(model.z, &p, 1) == 1 ? ZSLAB_OK : ZSLAB_E_INVALID;
    default:
        return zslab_free(model.z, p);
    }
}

static void op_free(void)
{
    object *o = some_object();
    if (!o) return;
    check_bytes(o);
    CHECK_IS(give_back(o), ZSLAB_OK);
    if (draw(16) == 0) { /* at once again: dead or, with its epoch over, stale; the fallback's are not there any more */
        zslab_result r = zslab_free(model.z, o->p);
        CHECK(o->epoch == OUTSIDE ? r == ZSLAB_E_FOREIGN
                                  : r == ZSLAB_E_DOUBLE_FREE || (!is_open(o->epoch) && r == ZSLAB_E_STALE));
    }
    forget(o);
}

static void op_free_batch(void) /* some good ones, a NULL, one of them twice */
{
    void *p[12];
    object *o[10];
    size_t n = 0, i, tries = (size_t)draw(10);
    uint64_t before = model.misuses;
    for (; tries; tries--) {
        object *one = some_object();
        for (i = 0; one && i < n && o[i] != one; i++)
            ;
        if (one && one->epoch != OUTSIDE && i == n) p[n] = one->p, o[n++] = one;
    }
    if (!n) return;
    p[n] = NULL;
    p[n + 1] = p[0];
    CHECK(zslab_free_batch(model.z, p, n + 2) == n && model.misuses == before + 1);
    for (i = 0; i < n; i++) forget(find(p[i]));
}

static void op_realloc(void)
{
    static unsigned char saved[LARGE_MOST + 70000];
    object *o = some_object(), was;
    size_t size = any_size(), both;
    unsigned char *q;
    int to;
    if (!o) return;
    check_bytes(o);
    was = *o;
    memcpy(saved, o->p, o->asked);
    both = size < was.asked ? size : was.asked;
    q = (unsigned char *)zslab_realloc(model.z, was.p, size);
    if (was.epoch != OUTSIDE && (class_bytes(size) == was.bytes ||
                                 (q == was.p && is_large(class_bytes(size)) && is_large(was.bytes)))) { /* in place */
        if (CHECK(q == was.p)) {
            CHECK(memcmp(q, saved, both) == 0);
            o->asked = size;
            o->bytes = class_bytes(size);
            test_fill(q, size, o->serial);
        }
        return;
    }
    if (was.handle) { /* it would have to move */
        CHECK_FAILS(q, ZSLAB_E_INVALID);
        check_bytes(o);
        return;
    }
    to = was.epoch == OUTSIDE ? here() : was.epoch;
    if (q) {
        CHECK(memcmp(q, saved, both) == 0);
        forget(o);
    } else {
        check_bytes(o);
    }
    given(q, size, to);
}

/* Pointers that are wrong in some way; what they are is known from the shadow. */
static void op_misuse(void)
{
    object *o = some_object();
    uint64_t before = model.misuses;
    size_t known = model.ghost_count < GHOSTS ? model.ghost_count : GHOSTS;
    char outside_of_all;
    if (o && o->epoch == OUTSIDE) o = NULL;
    switch (draw(6)) {
    case 0:
        CHECK_IS(zslab_free(model.z, &outside_of_all), ZSLAB_E_FOREIGN);
        break;
    case 1:
        CHECK_IS(zslab_free(model.z, model.z->base + model.z->range_bytes + draw(100)), ZSLAB_E_FOREIGN);
        break;
    case 2:
        if (!o) return;
        CHECK_IS(zslab_free(model.z, o->p + 1 + draw(o->bytes - 1)), ZSLAB_E_MISALIGNED);
        break;
    case 3:
        if (!o) return;
        CHECK_IS(zslab_free_sized(model.z, o->p, o->bytes + 1), ZSLAB_E_INVALID);
        break;
    default: { /* an object of the past: whatever its memory is by now, it is not live */
        void *ghost = known ? model.ghosts[draw(known)] : NULL;
        zslab_result r;
        if (!ghost || find(ghost)) return;
        CHECK(zslab_usable_size(model.z, ghost) == 0);
        r = zslab_free(model.z, ghost);
        CHECK(r == ZSLAB_E_DOUBLE_FREE || r == ZSLAB_E_STALE || r == ZSLAB_E_MISALIGNED || r == ZSLAB_E_FOREIGN);
    }
    }
    CHECK(model.misuses == before + 1);
}

/* ---- operations: handles ---- */
static void op_handle_alloc(void)
{
    int e = (int)draw(EPOCHS);
    size_t size = any_size();
    void *p = &e;
    zslab_handle h;
    if (model.count == OBJECTS) return;
    h = draw(3) ? zslab_handle_alloc(model.z, size, model.epochs[e].id, &p)
                : zslab_heap_handle_alloc(some_heap(), size, model.epochs[e].id, &p);
    if (!h) {
        CHECK(p == NULL);
        if (!test_tight(model.mode) || zslab_last_error() != ZSLAB_E_LIMIT) /* a buffer has few ids */
            given(NULL, size, e);
        return;
    }
    if (!CHECK(is_open(e))) return;
    adopt(p, size, class_bytes(size), e, h);
    CHECK(zslab_handle_get(model.z, h) == p && zslab_handle_of(model.z, p) == h);
    CHECK(zslab_handle_pack(zslab_handle_unpack(h)) == h);
}

static void op_handle_get(void)
{
    const object *o = some_object();
    if (!o) return;
    if (o->handle)
        CHECK(zslab_handle_get(model.z, o->handle) == o->p && zslab_handle_of(model.z, o->p) == o->handle);
    else
        CHECK_FAILS(zslab_handle_of(model.z, o->p), o->epoch == OUTSIDE ? ZSLAB_E_FOREIGN : ZSLAB_E_INVALID);
}

static void op_handle_free(void)
{
    object *o = NULL;
    int tries;
    zslab_handle h;
    for (tries = 0; tries < 20 && (!o || !o->handle); tries++) o = some_object();
    if (!o || !o->handle) return;
    check_bytes(o);
    h = o->handle;
    CHECK_IS(zslab_handle_free(model.z, h), ZSLAB_OK);
    forget(o);
    CHECK_FAILS(zslab_handle_get(model.z, h), ZSLAB_E_STALE);
}

/* Handles of objects that are gone, and bits that never were one. */
static void op_handle_misuse(void)
{
    size_t known = model.dead_count < GHOSTS ? model.dead_count : GHOSTS, i;
    uint64_t before = model.misuses;
    zslab_handle h = known && draw(4) ? model.dead[draw(known)] : test_random(&model.random);
    zslab_result r;
    for (i = 0; i < model.count; i++)
        if (model.live[i].handle == h) return;
    CHECK(zslab_handle_get(model.z, h) == NULL);
    r = zslab_last_error();
    CHECK(r == ZSLAB_E_STALE || r == ZSLAB_E_INVALID);
    CHECK_IS(zslab_handle_free(model.z, h), r);
    CHECK(model.misuses == before + 1);
    for (i = 0; i < known; i++)
        if (model.dead[i] == h) CHECK(r == ZSLAB_E_STALE);
}

/* ---- operations: epochs ---- */
static void check_state(int e)
{
    const group *g = &model.epochs[e];
    zslab_epoch_state state = zslab_epoch_state_of(model.z, g->id);
    if (g->state != ZSLAB_EPOCH_CLOSING || g->live)
        CHECK(state == g->state);
    else /* with nothing left it is found so by this question; without a fence when all threads have passed */
        CHECK(state == ZSLAB_EPOCH_CLOSED || (!model.z->fence_ready && state == ZSLAB_EPOCH_CLOSING));
}

static void epoch_end(int e, int how) /* the model's side of 0: reset, 1: close, 2: release, of one not CLOSED */
{
    group *g = &model.epochs[e];
    g->drained |= g->state == ZSLAB_EPOCH_CLOSING && g->live == 0;
    if (how != 1 && (how == 2 || g->state == ZSLAB_EPOCH_ACTIVE)) forget_epoch(e);
    if (how) g->state = how == 2 ? ZSLAB_EPOCH_CLOSED : ZSLAB_EPOCH_CLOSING;
}

/* An epoch other than the current one takes its next step. */
static void op_epoch(void)
{
    int e = 1 + (int)draw(EPOCHS - 1);
    group *g = &model.epochs[e];
    if (!g->id) return;
    check_state(e);
    switch (g->state) {
    case ZSLAB_EPOCH_ACTIVE: {
        int how = (int)draw(3);
        CHECK_IS(how == 0   ? zslab_epoch_reset(model.z, g->id)
                 : how == 1 ? zslab_epoch_close(model.z, g->id)
                            : zslab_epoch_release(model.z, g->id),
                 ZSLAB_OK);
        epoch_end(e, how);
        break;
    }
    case ZSLAB_EPOCH_CLOSING:
        if (g->live) {
            CHECK_IS(zslab_epoch_close(model.z, g->id), ZSLAB_OK);
            CHECK_IS(zslab_epoch_reset(model.z, g->id), ZSLAB_E_CLOSED);
            if (draw(2)) break; /* it goes on draining */
            CHECK_IS(zslab_epoch_release(model.z, g->id), ZSLAB_OK);
            forget_epoch(e);
        } else {
            zslab_result r = zslab_epoch_release(model.z, g->id);
            CHECK(r == ZSLAB_E_CLOSED || (!model.z->fence_ready && r == ZSLAB_OK)); /* it was found drained */
            g->drained = 1;
        }
        g->state = ZSLAB_EPOCH_CLOSED;
        break;
    default:
        if (!g->drained) CHECK_IS(zslab_epoch_close(model.z, g->id), ZSLAB_E_CLOSED);
        CHECK_IS(zslab_epoch_release(model.z, g->id), ZSLAB_E_CLOSED);
        if (e >= OPENED) break;
        g->drained = 0;
        if (CHECK((g->id = zslab_epoch_open(model.z, "model")) != ZSLAB_EPOCH_NONE)) g->state = ZSLAB_EPOCH_ACTIVE;
    }
    check_state(e);
}

/* The current epoch moves on: what was current drains in the place of one that is over. */
static void op_advance(void)
{
    int e;
    size_t i;
    for (e = 1; e < OPENED && model.epochs[e].state != ZSLAB_EPOCH_CLOSED; e++)
        ;
    if (e == OPENED) return;
    model.epochs[e] = model.epochs[0];
    if (model.epochs[e].state == ZSLAB_EPOCH_ACTIVE) model.epochs[e].state = ZSLAB_EPOCH_CLOSING;
    for (i = 0; i < model.count; i++)
        if (model.live[i].epoch == 0) model.live[i].epoch = e;
    memset(&model.epochs[0], 0, sizeof model.epochs[0]);
    CHECK((model.epochs[0].id = zslab_epoch_advance(model.z)) != ZSLAB_EPOCH_NONE);
    CHECK(zslab_epoch_current(model.z) == model.epochs[0].id && model.epochs[0].id != model.epochs[e].id);
    check_state(e);
}

/* ---- operations: domains ---- */
static scope *some_domain(void) { return &model.domains[draw(DOMAINS)]; }

static void op_domain_make(void)
{
    scope *s = some_domain();
    int own = OPENED + (int)(s - model.domains), e = (int)draw(OPENED);
    zslab_on_exit policy = (zslab_on_exit)draw(4);
    if (s->d) return;
    memset(s, 0, sizeof *s);
    if (draw(2)) {
        s->d = zslab_domain_create(model.z);
        s->own = 1;
        s->policy = ZSLAB_ON_EXIT_RELEASE;
    } else {
        s->d = zslab_domain_wrap(model.z, model.epochs[e].id, policy);
        s->policy = policy;
        if (!is_open(e)) {
            CHECK_FAILS(s->d, ZSLAB_E_CLOSED);
            return;
        }
    }
    if (!s->d) {
        CHECK(may_refuse(zslab_last_error()));
        return;
    }
    s->id = zslab_domain_epoch(s->d);
    if (s->own) {
        CHECK(model.epochs[own].state == ZSLAB_EPOCH_CLOSED && model.epochs[own].live == 0);
        model.epochs[own].id = s->id;
        model.epochs[own].state = ZSLAB_EPOCH_ACTIVE;
        model.epochs[own].drained = 0;
        check_state(own);
    } else {
        CHECK(s->id == model.epochs[e].id);
    }
}

static void domain_end(scope *s, zslab_on_exit policy) /* the model's side */
{
    int e = group_of(s->id);
    s->ended |= s->own;
    if (policy == ZSLAB_ON_EXIT_KEEP || e < 0 || model.epochs[e].state == ZSLAB_EPOCH_CLOSED) return;
    epoch_end(e, policy == ZSLAB_ON_EXIT_RESET ? 0 : policy == ZSLAB_ON_EXIT_CLOSE ? 1 : 2);
}

static void domain_left(scope *s)
{
    if (--s->inside == 0) domain_end(s, s->policy);
}

static void thread_left(int thread) /* a thread that ends leaves its domains, the last entered first */
{
    for (; model.depth[thread]; model.depth[thread]--) {
        visit *v = &model.stack[thread][model.depth[thread] - 1];
        for (; v->entered; v->entered--) domain_left(v->s);
    }
}

static void op_domain_enter(void)
{
    scope *s = some_domain();
    int *depth = &model.depth[model.thread];
    visit *top = *depth ? &model.stack[model.thread][*depth - 1] : NULL;
    zslab_result r;
    if (!s->d || (*depth == DEPTH && top->s != s)) return;
    r = zslab_domain_enter(s->d);
    if (s->ended || !is_open(group_of(s->id))) {
        CHECK(r == ZSLAB_E_CLOSED || may_refuse(r));
        return;
    }
    if (r != ZSLAB_OK) {
        CHECK(may_refuse(r));
        return;
    }
    s->inside++;
    CHECK(zslab_domain_current(model.z) == s->d);
    if (!test_owned(model.mode)) return; /* no thread is inside: the epoch is named at each call */
    if (top && top->s == s) {
        top->entered++;
        return;
    }
    model.stack[model.thread][*depth].s = s;
    model.stack[model.thread][(*depth)++].entered = 1;
}

static void op_domain_exit(void)
{
    scope *s = some_domain();
    int *depth = &model.depth[model.thread], shared = !test_owned(model.mode);
    visit *top = *depth ? &model.stack[model.thread][*depth - 1] : NULL;
    if (top && draw(4)) s = top->s;
    if (!s->d) return;
    if (shared ? !s->inside : !top || top->s != s) {
        CHECK_IS(zslab_domain_exit(s->d), ZSLAB_E_INVALID);
        return;
    }
    CHECK_IS(zslab_domain_exit(s->d), ZSLAB_OK);
    domain_left(s);
    if (!shared && --top->entered == 0) --*depth;
    if (!shared) CHECK(zslab_domain_current(model.z) == (*depth ? model.stack[model.thread][*depth - 1].s->d : NULL));
}

static void op_domain_end(void) /* by force, or for good */
{
    scope *s = some_domain();
    int for_good = draw(3) != 0;
    zslab_result r;
    if (!s->d) return;
    r = for_good ? zslab_domain_destroy(s->d) : zslab_domain_force_close(s->d);
    if (s->inside) {
        CHECK(r == ZSLAB_E_BUSY);
        return;
    }
    CHECK(r == ZSLAB_OK);
    if (!for_good) {
        domain_end(s, s->policy == ZSLAB_ON_EXIT_KEEP ? ZSLAB_ON_EXIT_CLOSE : s->policy);
        s->ended = 1;
    } else {
        if (s->own && !s->ended) domain_end(s, ZSLAB_ON_EXIT_RELEASE);
        memset(s, 0, sizeof *s);
    }
}

/* ---- operations: a pool and its remotes ---- */
static void op_pool_alloc(void)
{
    zslab_pool_stats before;
    char *p;
    zslab_stats_pool(model.pool, &before);
    CHECK(before.live == model.slot_count && before.queued <= QUEUE && before.corruption_events == 0);
    p = (char *)zslab_pool_alloc(model.pool);
    if (!p) {
        CHECK(zslab_last_error() == ZSLAB_E_FULL && model.slot_count == SLOTS);
        return;
    }
    if (!CHECK(model.slot_count < SLOTS && zslab_pool_owns(model.pool, p))) return;
    test_fill(p, zslab_pool_usable_size(model.pool), 7);
    model.slots[model.slot_count++] = p;
}

static void op_pool_free(void) /* by the owner, or queued for it; a second time it is refused */
{
    size_t i = model.slot_count ? (size_t)draw(model.slot_count) : 0;
    int remotely = draw(2) != 0;
    zslab_pool_stats before;
    zslab_result r;
    char *p = model.slots[i];
    if (!model.slot_count) return;
    CHECK(test_filled(p, zslab_pool_usable_size(model.pool), 7));
    zslab_stats_pool(model.pool, &before);
    r = remotely ? zslab_remote_try_free(model.remote, p) : zslab_pool_free(model.pool, p);
    if (remotely && before.queued == QUEUE) {
        CHECK(r == ZSLAB_E_FULL);
        return;
    }
    CHECK(r == ZSLAB_OK);
    model.slots[i] = model.slots[--model.slot_count];
    CHECK_IS(zslab_pool_free(model.pool, p), ZSLAB_E_DOUBLE_FREE);
    CHECK_IS(zslab_pool_free(model.pool, p + 8), ZSLAB_E_MISALIGNED);
    CHECK_IS(zslab_remote_try_free(model.remote, &before), ZSLAB_E_FOREIGN);
}

static void op_pool_other(void)
{
    zslab_pool_stats s;
    zslab_remote *r;
    zslab_stats_pool(model.pool, &s);
    CHECK(zslab_pool_drain(model.pool) == s.queued);
    zslab_stats_pool(model.pool, &s);
    CHECK(s.queued == 0 && s.live == model.slot_count && s.allocs == s.hits && s.corruption_events == 0);
    r = zslab_remote_clone(model.remote);
    if (CHECK(r != NULL)) {
        zslab_remote_drop(model.remote);
        model.remote = r;
    }
}

/* ---- operations: the whole ---- */
static int visited(void *user, const zslab_visit *v)
{
    const object *o = find(v->p);
    ++*(size_t *)user;
    CHECK(o && o->bytes == v->usable_bytes && model.epochs[o->epoch].id == v->epoch && v->handle == o->handle);
    return 0;
}

static void op_check(void)
{
    size_t seen = 0;
    CHECK_IS(zslab_check(model.z, visited, &seen), ZSLAB_OK);
    CHECK(seen == model.count - model.outside);
}

/* What the statistics say against the shadow's own counts: of everything, of a class, of a class in an epoch. */
static void op_stats(void)
{
    zslab_global_stats g;
    zslab_class_stats c;
    zslab_epoch_stats s;
    size_t cls = (size_t)draw(model.z->class_count + 1), bytes, i;
    uint64_t live_bytes = 0, of_class = 0, of_both = 0, active = 0, closing = 0, domains = 0;
    int e = (int)draw(EPOCHS);
    cls = cls == model.z->class_count ? ZSLAB_CLASS_LARGE : cls;
    bytes = zslab_size_class_bytes(model.z, cls);
    for (i = 0; i < model.count; i++) {
        const object *o = &model.live[i];
        int of = bytes ? o->bytes == bytes : is_large(o->bytes);
        live_bytes += o->epoch == OUTSIDE ? 0 : o->bytes;
        of_class += o->epoch != OUTSIDE && of;
        of_both += o->epoch == e && of;
    }
    for (i = 0; i < EPOCHS; i++) {
        active += model.epochs[i].id && model.epochs[i].state == ZSLAB_EPOCH_ACTIVE;
        closing += model.epochs[i].state == ZSLAB_EPOCH_CLOSING && model.epochs[i].live != 0;
    }
    for (i = 0; i < DOMAINS; i++) domains += model.domains[i].d && model.domains[i].id == model.epochs[e].id;
    zslab_stats_global(model.z, &g);
    CHECK(g.live_objects == model.count - model.outside && g.live_bytes == live_bytes);
    CHECK(g.misuse_count == model.misuses && g.current_epoch == model.epochs[0].id);
    CHECK(g.active_epoch_count == active && g.closing_epoch_count >= closing);
    CHECK(zslab_stats_class(model.z, cls, &c) == ZSLAB_OK && c.live_objects == of_class && c.object_bytes == bytes);
    if (is_open(e)) {
        CHECK(zslab_stats_epoch(model.z, cls, model.epochs[e].id, &s) == ZSLAB_OK && s.live_objects == of_both);
        CHECK(s.state == ZSLAB_EPOCH_ACTIVE && s.domain_count == domains);
    }
}

/* Everything goes, epoch by epoch or object by object; then with nothing live nothing is refused. */
static void op_empty(void)
{
    size_t cls, size;
    int e, failed = test_failed;
    for (e = 1; e < EPOCHS; e++)
        if (is_open(e) && draw(2)) {
            CHECK_IS(zslab_epoch_reset(model.z, model.epochs[e].id), ZSLAB_OK);
            forget_epoch(e);
        }
    while (model.count && test_failed == failed) op_free();
    for (e = 0; e < EPOCHS; e++)
        if (model.epochs[e].id) check_state(e);
    for (cls = 0; cls < model.z->class_count && test_failed == failed; cls += 1 + (size_t)draw(4)) {
        size = zslab_size_class_bytes(model.z, cls);
        given(zslab_malloc(model.z, size), size, here());
        e = (int)draw(EPOCHS);
        given(zslab_malloc_epoch(model.z, size, model.epochs[e].id), size, e);
    }
}

static void op_trim(void) { zslab_trim(model.z); }

static void op_detach(void) { zslab_thread_detach(model.z); }

static void op_heap(void)
{
    zslab_heap **heap = &model.heaps[draw(HEAPS)];
    int tries = 0;
    zslab_heap_destroy(*heap);
    while ((*heap = zslab_heap_create(model.z)) == NULL && tries++ < 8) CHECK(may_refuse(zslab_last_error()));
    MUST(*heap);
}

static void op_reserve(void)
{
    size_t size = some_size(), count = (size_t)draw(100), slots = ZS__CHUNK_BYTES / class_bytes(size);
    zslab_result r = zslab_reserve(model.z, size, count);
    if (r != ZSLAB_OK)
        CHECK(may_refuse_chunks(r, (count + slots - 1) / slots) || (r == ZSLAB_E_CLOSED && !is_open(here())));
    CHECK_FAILS(zslab_malloc(model.z, 0), ZSLAB_E_INVALID);
}

static void op_fault(void) /* some call of a hook fails, and perhaps more after it */
{
    int hook = (int)draw(HOOKS);
    if (model.variant != FAULTS) return;
    sys.in[hook] = 1 + (unsigned)draw(3);
    sys.more[hook] = (unsigned)draw(4) * (unsigned)draw(2);
}

static void op_thread(void) {} /* a thread ends and another takes its place: see play */

/* ---- a play ---- */
static const struct operation {
    const char *name;
    void (*run)(void);
    unsigned weight; /* of 10,000 */
} operations[] = {
    {"malloc", op_malloc, 3000},
    {"malloc_epoch", op_malloc_epoch, 500},
    {"aligned", op_aligned, 200},
    {"batch", op_batch, 40},
    {"free", op_free, 3400},
    {"free_batch", op_free_batch, 60},
    {"realloc", op_realloc, 500},
    {"misuse", op_misuse, 300},
    {"handle_alloc", op_handle_alloc, 500},
    {"handle_get", op_handle_get, 300},
    {"handle_free", op_handle_free, 200},
    {"handle_misuse", op_handle_misuse, 100},
    {"domain_make", op_domain_make, 50},
    {"domain_enter", op_domain_enter, 120},
    {"domain_exit", op_domain_exit, 150},
    {"domain_end", op_domain_end, 40},
    {"epoch", op_epoch, 60},
    {"advance", op_advance, 20},
    {"pool_alloc", op_pool_alloc, 150},
    {"pool_free", op_pool_free, 140},
    {"pool_other", op_pool_other, 10},
    {"stats", op_stats, 40},
    {"check", op_check, 4},
    {"trim", op_trim, 10},
    {"detach", op_detach, 10},
    {"heap", op_heap, 20},
    {"reserve", op_reserve, 10},
    {"fault", op_fault, 60},
    {"empty", op_empty, 5},
    {"thread", op_thread, 6},
};
#define OPERATIONS (sizeof operations / sizeof *operations)
#define OP_MALLOC 0
#define OP_FREE 4

static const char *operation_name(uint16_t kind) { return operations[kind].name; }

static tape tape_random(uint64_t seed, size_t count)
{
    tape t;
    size_t i;
    unsigned total = 0, k;
    uint8_t thread = 0;
    for (k = 0; k < OPERATIONS; k++) total += operations[k].weight;
    t.op = (tape_op *)malloc((count + 1) * sizeof *t.op);
    MUST(t.op);
    t.count = count;
    for (i = 0; i < count; i++) {
        unsigned x = (unsigned)(test_random(&seed) % total);
        for (k = 0; x >= operations[k].weight; k++) x -= operations[k].weight;
        if (k == OP_FREE && i / 4096 % 4 < 2 && test_random(&seed) % 4 == 0) /* the number of objects rises and falls */
            k = OP_MALLOC;
        if (test_random(&seed) % 16 == 0) /* a thread does several in a row: handing over costs more than they do */
            thread = (uint8_t)(test_random(&seed) % THREADS);
        t.op[i].kind = (uint16_t)k;
        t.op[i].thread = thread;
        t.op[i].number = (uint32_t)test_random(&seed);
    }
    return t;
}

typedef struct player {
    const test_mode *mode;
    variant variant;
    const tape *t;
    size_t *step, until;
    int failed; /* test_failed at the begin */
} player;

static void run_some(void *user) /* operations of one thread, as many as come in a row */
{
    player *by = (player *)user;
    for (; *by->step < by->until && test_failed == by->failed; ++*by->step) {
        const tape_op *op = &by->t->op[*by->step];
        model.random = op->number;
        model.failures_seen = sys.failed;
        operations[op->kind].run();
    }
}

static void begin(const player *by)
{
    zslab_config c;
    zslab_pool_config pool;
    int e;
    memset(&c, 0, sizeof c);
    memset(&pool, 0, sizeof pool);
    memset(&model, 0, sizeof model);
    memset(&sys, 0, sizeof sys);
    model.mode = by->mode;
    model.variant = by->variant;
    c.on_misuse = on_misuse;
    c.epoch_count = 32;
    c.cache_bytes = by->variant == FAULTS ? ZSLAB_CACHE_NONE : 0;
    c.fallback.alloc = big_alloc, c.fallback.free = big_free;
    c.fallback.usable_size = big_size, c.fallback.owns = big_owns;
    c.large_bytes_max = LARGE_MOST;
    if (by->variant == FAULTS && !by->mode->in_buffer) {
        c.reserve_bytes = 4000 * ZS__CHUNK_BYTES;
        c.os.reserve = sys_reserve, c.os.commit = sys_commit;
        c.os.purge = sys_purge, c.os.release = sys_release;
    }
    if (by->variant == LIMITED) c.limit_bytes = 60 * ZS__CHUNK_BYTES;
    if (by->variant == TIGHT) {
        c.class_bytes = tight_classes;
        c.class_count = sizeof tight_classes / sizeof *tight_classes;
        c.reserve_bytes = by->mode->in_buffer ? 0 : TIGHT_CHUNKS * ZS__CHUNK_BYTES;
    }
    model.z = test_open(by->mode, &c);
    for (e = 0; e < EPOCHS; e++) model.epochs[e].state = ZSLAB_EPOCH_CLOSED;
    model.epochs[OUTSIDE].id = ZSLAB_EPOCH_NONE;
    model.epochs[0].id = zslab_epoch_current(model.z);
    model.epochs[0].state = ZSLAB_EPOCH_ACTIVE;
    for (e = 1; e < OPENED; e++) {
        MUST((model.epochs[e].id = zslab_epoch_open(model.z, NULL)) != ZSLAB_EPOCH_NONE);
        model.epochs[e].state = ZSLAB_EPOCH_ACTIVE;
    }
    for (e = 0; e < HEAPS; e++) MUST((model.heaps[e] = zslab_heap_create(model.z)) != NULL);
    pool.slot_bytes = 48, pool.slot_count = SLOTS, pool.queue_capacity = QUEUE, pool.batch_count = 5;
    MUST((model.pool = zslab_pool_create(&pool)) != NULL);
    MUST((model.remote = zslab_pool_remote(model.pool)) != NULL);
}

static void finish(const player *by)
{
    char *slot;
    model.thread = 0;
    memset(sys.in, 0, sizeof sys.in);
    op_check();
    while (model.count && test_failed == by->failed) op_free();
    op_check();
    op_stats();
    CHECK(model.by_code[ZSLAB_E_CORRUPT] == 0);
    slot = model.slot_count ? model.slots[0] : (char *)zslab_pool_alloc(model.pool);
    zslab_pool_destroy(model.pool);
    CHECK_IS(zslab_remote_try_free(model.remote, slot), ZSLAB_E_CLOSED);
    zslab_remote_drop(model.remote);
    test_destroy(model.z);
}

static void play(void *user, const tape *t, size_t *step)
{
    player by = *(const player *)user;
    test_worker other[THREADS]; /* but for the first */
    int i;
    by.t = t;
    by.step = step;
    by.failed = test_failed;
    begin(&by);
    for (i = 1; i < THREADS; i++) test_worker_start(&other[i]);
    while (*step < t->count && test_failed == by.failed) {
        model.thread = t->op[*step].thread % THREADS;
        if (t->op[*step].kind == OPERATIONS - 1) {
            i = model.thread ? model.thread : 1;
            test_worker_end(&other[i]);
            thread_left(i);
            test_worker_start(&other[i]);
            ++*step;
            continue;
        }
        for (by.until = *step + 1; by.until < t->count && t->op[by.until].thread == t->op[*step].thread &&
                                   t->op[by.until].kind != OPERATIONS - 1;)
            by.until++;
        if (model.thread)
            test_worker_do(&other[model.thread], run_some, &by);
        else
            run_some(&by);
    }
    for (i = 1; i < THREADS; i++) {
        test_worker_end(&other[i]);
        thread_left(i);
    }
    finish(&by);
}

#define PLAYER(p)                                                                                                      \
    {                                                                                                                  \
        operation_name, (uint16_t)OPERATIONS, play, (p)                                                                \
    }

#if !MODEL_PLANTED
/* Cut it down and say how it is played again. */
static void report(player *by, tape *t, size_t failed_at)
{
    tape_player p = PLAYER(by);
    printf("cutting down a tape of %zu operations that fails...\n", t->count);
    fflush(stdout);
    if (TAPE_FORKS) tape_shrink(&p, t, failed_at);
    printf("replay: test_model -r '%s %s: ", by->mode->name, variant_name[by->variant]);
    tape_print(stdout, &p, t);
    printf("'\n");
}

static void one_play(const test_mode *m, variant v, size_t count, uint64_t seed)
{
    player by = {m, v, NULL, NULL, 0, 0};
    tape_player p = PLAYER(&by);
    tape_result r;
    tape t = tape_random(seed, count);
    int holds;
    test_at("%s, %s, seed %llu", m->name, variant_name[v], (unsigned long long)seed);
    holds = tape_holds(&p, &t, 1, &r);
    printf("%s, %s: seed %llu, %zu operations%s\n", m->name, variant_name[v], (unsigned long long)seed, r.step,
           holds ? "" : ": DIFFERENT");
    if (!CHECK(holds)) report(&by, &t, r.finished ? r.step + 1 : 0);
    free(t.op);
}

static int replay(const char *text)
{
    char mode[32], how[16];
    int used = 0, v;
    const char *colon = strchr(text, ':'), *gap = NULL, *at;
    for (at = text; colon && at < colon; at++)
        if (*at == ' ') gap = at;
    MUST(gap && gap - text < 32 && colon - gap < 16);
    memcpy(mode, text, (size_t)(gap - text));
    mode[gap - text] = 0;
    used = (int)(colon - gap) - 1;
    memcpy(how, gap + 1, (size_t)used);
    how[used] = 0;
    for (v = 0; v < VARIANTS; v++) TEST_EACH_MODE(m)
    if (strcmp(m->name, mode) == 0 && strcmp(variant_name[v], how) == 0) {
        player by = {m, (variant)v, NULL, NULL, 0, 0};
        tape_player p = PLAYER(&by);
        tape t = tape_read(&p, colon + 1);
        size_t step = 0;
        MUST(t.count);
        play(&by, &t, &step); /* in place, for a debugger */
        printf("%zu of %zu operations\n", step, t.count);
        free(t.op);
        return test_summary("test_model");
    }
    return test_skip("no such mode here");
}

int main(int argc, char **argv)
{
    uint64_t total, seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1, plays = 0;
    int v;
    if (argc > 2 && strcmp(argv[1], "-r") == 0) return replay(argv[2]);
    total = test_amount(argc, argv, 1400000);
    TEST_EACH_MODE(m)
    plays += VARIANTS;
    TEST_EACH_MODE(m)
    for (v = 0; v < VARIANTS; v++) one_play(m, (variant)v, (size_t)(total / plays), seed + (uint64_t)v);
    return test_summary("test_model");
}
#endif
