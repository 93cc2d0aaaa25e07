/* Tapes of operations: every noun of zslab.h in any order, by one thread and a worker, against a shadow of what lives.
   The first bytes choose the configuration. */
/* timeout: 90000 */
#include "tests/lib/test.h"

#include "fuzz.h"
#include <malloc.h>

enum { OBJECTS = 160, EPOCHS = 10, DOMAINS = 4, DEPTH = 6, HEAPS = 2, DEAD = 32, SLOTS = 12, NONE = -1, FALLBACK = -2 };
#define LARGE_MOST ((size_t)120000)

typedef struct object {
    void *p;      /* NULL: a free entry */
    size_t bytes; /* usable, all of it filled */
    int epoch;    /* index, or FALLBACK */
    zslab_handle handle;
} object;

static struct {
    zslab *z;
    int shared, roomy; /* roomy: no allocation may fail for want of memory */
    object objects[OBJECTS];
    struct {
        zslab_epoch id;
        zslab_epoch_state state;
    } epochs[EPOCHS];
    int current;
    struct {
        zslab_domain *d;
        int epoch, inside, owned;
        zslab_on_exit policy;
    } domains[DOMAINS];
    int scopes[DEPTH], depth; /* domains this thread is inside of */
    zslab_heap *heaps[HEAPS];
    void *dead[DEAD];
    zslab_handle dead_handle[DEAD];
    unsigned deaths;
    zslab_pool *pool;
    zslab_remote *remote;
    void *slots[SLOTS];
} g;

static test_worker worker;

/* ---- the shadow ---- */
static object *some_object(void)
{
    object *o = &g.objects[tape_below(OBJECTS)];
    int i;
    for (i = 0; i < OBJECTS && !o->p; i++) o = o + 1 == g.objects + OBJECTS ? g.objects : o + 1;
    return o->p ? o : NULL;
}

static object *lives_at(const void *p)
{
    int i;
    for (i = 0; i < OBJECTS; i++)
        if (g.objects[i].p == p) return &g.objects[i];
    return NULL;
}

static uint64_t mark(const object *o) { return (uint64_t)(o - g.objects) + 1; }

static void died(object *o)
{
    if (o->epoch != FALLBACK) {
        g.dead[g.deaths % DEAD] = o->p;
        g.dead_handle[g.deaths++ % DEAD] = o->handle;
    }
    o->p = NULL;
}

static void epoch_emptied(int e)
{
    int i;
    for (i = 0; i < OBJECTS; i++)
        if (g.objects[i].p && g.objects[i].epoch == e) died(&g.objects[i]);
}

static void epoch_ended(int e, zslab_on_exit how)
{
    if (how == ZSLAB_ON_EXIT_RELEASE || (how == ZSLAB_ON_EXIT_RESET && g.epochs[e].state == ZSLAB_EPOCH_ACTIVE))
        epoch_emptied(e);
    if (how == ZSLAB_ON_EXIT_RELEASE)
        g.epochs[e].state = ZSLAB_EPOCH_CLOSED;
    else if (how == ZSLAB_ON_EXIT_CLOSE && g.epochs[e].state == ZSLAB_EPOCH_ACTIVE)
        g.epochs[e].state = ZSLAB_EPOCH_CLOSING;
}

static int epoch_holds(int e)
{
    int i, n = 0;
    for (i = 0; i < OBJECTS; i++) n += g.objects[i].p && g.objects[i].epoch == e;
    return n;
}

static int epoch_entry(void) /* one whose epoch is over; NONE */
{
    int e;
    for (e = 0; e < EPOCHS; e++) {
        int d, used = e == g.current || g.epochs[e].state == ZSLAB_EPOCH_ACTIVE || epoch_holds(e);
        for (d = 0; d < DOMAINS; d++) used |= g.domains[d].d && g.domains[d].epoch == e;
        if (!used) return e;
    }
    return NONE;
}

static int plain_epoch(void) /* where zslab_malloc goes */
{
    return g.depth && !g.shared ? g.domains[g.scopes[g.depth - 1]].epoch : g.current;
}

static void made(void *p, size_t size, int e, zslab_handle h)
{
    object *o = g.objects;
    if (!p) {
        zslab_result why = zslab_last_error();
        if (!size)
            MUST(why == ZSLAB_E_INVALID);
        else if (size > LARGE_MOST && why == ZSLAB_E_TOO_BIG)
            ;
        else if (g.epochs[e].state != ZSLAB_EPOCH_ACTIVE)
            MUST(why == ZSLAB_E_CLOSED);
        else
            MUST(!g.roomy && (why == ZSLAB_E_NOMEM || why == ZSLAB_E_LIMIT));
        return;
    }
    MUST(size && !lives_at(p));
    while (o->p && ++o != g.objects + OBJECTS)
        ;
    if (!zslab_owns(g.z, p) || (char *)p < g.z->base || (char *)p >= g.z->base + g.z->range_bytes)
        e = FALLBACK;
    else
        MUST(g.epochs[e].state == ZSLAB_EPOCH_ACTIVE && zslab_epoch_of(g.z, p) == g.epochs[e].id);
    if (o == g.objects + OBJECTS) {
        MUST(zslab_free(g.z, p) == ZSLAB_OK);
        return;
    }
    o->p = p, o->epoch = e, o->handle = h;
    o->bytes = zslab_usable_size(g.z, p);
    MUST(o->bytes >= size && (uintptr_t)p % (o->bytes >= 16 ? 16 : 8) == 0);
    test_fill(p, o->bytes, mark(o));
}

/* ---- what the worker does ---- */
typedef struct errand {
    int frees;
    void *p;
    size_t size;
    zslab_result r;
} errand;

static void run_errand(void *user)
{
    errand *job = (errand *)user;
    if (job->frees)
        job->r = zslab_free(g.z, job->p);
    else
        job->p = zslab_malloc(g.z, job->size);
    job->r = job->p ? job->r : zslab_last_error();
}

/* ---- operations ---- */
static void op_malloc(void)
{
    size_t size = tape_size(), alignment = (size_t)1 << tape_below(8), i;
    int e = (int)tape_below(EPOCHS);
    void *p, *batch[5];
    zslab_handle h = 0;
    zslab_heap *heap = g.heaps[tape_below(HEAPS)];
    errand job = {0, NULL, size, ZSLAB_OK};
    switch (tape_below(9)) {
    case 0:
        p = zslab_calloc(g.z, 1, size);
        for (i = 0; p && i < size; i++) MUST(!((char *)p)[i]);
        made(p, size, plain_epoch(), 0);
        break;
    case 1:
        p = zslab_aligned_alloc(g.z, alignment, size);
        MUST((uintptr_t)p % alignment == 0);
        if (p || size + alignment <= 4096) /* else the class it needs may not exist */
            made(p, size, plain_epoch(), 0);
        break;
    case 2:
        made(zslab_malloc_epoch(g.z, size, g.epochs[e].id), size, e, 0);
        break;
    case 3:
        h = zslab_handle_alloc(g.z, size, g.epochs[e].id, &p);
        MUST(!h == !p && (!h || (zslab_handle_get(g.z, h) == p && zslab_handle_of(g.z, p) == h)));
        made(p, size, e, h);
        break;
    case 4:
        if (heap) made(zslab_heap_malloc_epoch(heap, size, g.epochs[e].id), size, e, 0);
        break;
    case 5:
        if (heap) made(zslab_heap_malloc(heap, size), size, g.current, 0);
        break;
    case 6:
        test_worker_do(&worker, run_errand, &job);
        if (job.p) made(job.p, size, g.current, 0);
        break;
    case 7:
        e = plain_epoch();
        for (i = 0, alignment = zslab_malloc_batch(g.z, size, 5, batch); i < alignment; i++) made(batch[i], size, e, 0);
        break;
    default:
        made(zslab_malloc(g.z, size), size, plain_epoch(), 0);
    }
}

static void op_free(void)
{
    object *o = some_object();
    zslab_heap *heap = g.heaps[tape_below(HEAPS)];
    errand job = {1, NULL, 0, ZSLAB_OK};
    void *batch[3];
    if (!o) return;
    MUST(zslab_usable_size(g.z, o->p) == o->bytes && test_filled(o->p, o->bytes, mark(o)));
    job.p = batch[0] = batch[2] = o->p;
    batch[1] = NULL;
    switch (tape_below(6)) {
    case 0:
        MUST((heap ? zslab_heap_free(heap, o->p) : zslab_free(g.z, o->p)) == ZSLAB_OK);
        break;
    case 1:
        test_worker_do(&worker, run_errand, &job);
        MUST(job.r == ZSLAB_OK);
        break;
    case 2:
        if (o->epoch != FALLBACK)
            MUST(zslab_free_sized(g.z, o->p, o->bytes / 2 + 5000) == ZSLAB_E_INVALID); /* never its class */
        MUST(zslab_free_sized(g.z, o->p, o->bytes) == ZSLAB_OK);
        break;
    case 3:
        MUST(zslab_free_batch(g.z, batch, o->epoch == FALLBACK ? 1 : 3) == 1);
        break;
    case 4:
        MUST((o->handle ? zslab_handle_free(g.z, o->handle) : zslab_free(g.z, o->p)) == ZSLAB_OK);
        break;
    default:
        MUST(zslab_free(g.z, o->p) == ZSLAB_OK);
    }
    died(o);
}

static void op_realloc(void)
{
    object *o = some_object(), was;
    size_t size = tape_size(), keep;
    void *p;
    if (!o) return;
    was = *o;
    keep = size < was.bytes ? size : was.bytes;
    p = zslab_realloc(g.z, was.p, size);
    if (p == was.p) { /* a large object may have changed where it is */
        o->bytes = zslab_usable_size(g.z, p);
        test_fill(p, o->bytes, mark(o));
    }
    if (!p || p == was.p) return;
    MUST(!was.handle);
    if (keep >= 8) { /* the pattern knows its old address: compare its first word with that */
        uint64_t first = mark(o) * 0x9E3779B97F4A7C15u ^ (uint64_t)(uintptr_t)was.p ^ was.bytes;
        MUST(!memcmp(p, &first, 8));
    }
    died(o);
    made(p, size, was.epoch == FALLBACK ? plain_epoch() : was.epoch, 0);
}

/* Pointers and handles of objects that are gone: never OK, unless the slot serves again. */
static void op_stale(void)
{
    unsigned i = (unsigned)tape_below(DEAD);
    void *p = g.dead[i];
    zslab_handle h = g.dead_handle[i];
    if (p && !lives_at(p)) {
        zslab_result r = zslab_free(g.z, p);
        MUST(r == ZSLAB_E_DOUBLE_FREE || r == ZSLAB_E_STALE || r == ZSLAB_E_MISALIGNED || r == ZSLAB_E_FOREIGN);
        MUST(zslab_usable_size(g.z, p) == 0 && !zslab_epoch_of(g.z, p) && !zslab_realloc(g.z, p, 100));
        MUST(zslab_free(g.z, (char *)p + 4) != ZSLAB_OK);
    }
    if (h) MUST(!zslab_handle_get(g.z, h) && zslab_handle_free(g.z, h) == ZSLAB_E_STALE);
}

static void op_handle(void)
{
    object *o = some_object();
    if (!o || o->epoch == FALLBACK) return;
    MUST(zslab_handle_of(g.z, o->p) == o->handle);
    if (o->handle)
        MUST(zslab_handle_get(g.z, o->handle) == o->p &&
             zslab_handle_pack(zslab_handle_unpack(o->handle)) == o->handle);
}

static void op_epoch(void)
{
    int e = (int)tape_below(EPOCHS), entry = epoch_entry(), over = g.epochs[e].state == ZSLAB_EPOCH_CLOSED;
    int drained = g.epochs[e].state == ZSLAB_EPOCH_CLOSING && !epoch_holds(e); /* it may have ended by itself */
    zslab_epoch id = g.epochs[e].id;
    zslab_result r = ZSLAB_OK;
    switch (tape_below(7)) {
    case 0:
        r = zslab_epoch_close(g.z, id);
        MUST(r == ZSLAB_OK || over || drained);
        epoch_ended(e, ZSLAB_ON_EXIT_CLOSE);
        break;
    case 1:
        r = zslab_epoch_release(g.z, id);
        MUST(r == (over ? ZSLAB_E_CLOSED : ZSLAB_OK) || (drained && r == ZSLAB_E_CLOSED));
        epoch_ended(e, ZSLAB_ON_EXIT_RELEASE);
        break;
    case 2:
        r = zslab_epoch_reset(g.z, id);
        MUST(r == (g.epochs[e].state == ZSLAB_EPOCH_ACTIVE ? ZSLAB_OK : ZSLAB_E_CLOSED));
        epoch_ended(e, ZSLAB_ON_EXIT_RESET);
        break;
    case 3:
        if (entry != NONE && (id = zslab_epoch_advance(g.z)) != 0) {
            epoch_ended(g.current, ZSLAB_ON_EXIT_CLOSE);
            g.current = entry;
            g.epochs[entry].id = id;
            g.epochs[entry].state = ZSLAB_EPOCH_ACTIVE;
        }
        break;
    case 4:
        MUST(zslab_epoch_set_label(g.z, id, "a label that is longer than thirty-one bytes") == ZSLAB_OK || over ||
             drained);
        break;
    case 5:
        MUST(zslab_epoch_state_of(g.z, id) == g.epochs[e].state || drained);
        MUST(zslab_epoch_current(g.z) == g.epochs[g.current].id);
        break;
    default:
        if (entry != NONE && (id = zslab_epoch_open(g.z, "opened")) != 0) {
            g.epochs[entry].id = id;
            g.epochs[entry].state = ZSLAB_EPOCH_ACTIVE;
        }
    }
}

static void domain_left(int d, zslab_on_exit how) { epoch_ended(g.domains[d].epoch, how); }

static void op_domain(void)
{
    int d = (int)tape_below(DOMAINS), e = (int)tape_below(EPOCHS), entry = epoch_entry(), last;
    zslab_on_exit policy = (zslab_on_exit)tape_below(4);
    zslab_result r;
    if (!g.domains[d].d) {
        int own = tape_below(2) && entry != NONE;
        g.domains[d].d = own ? zslab_domain_create(g.z) : zslab_domain_wrap(g.z, g.epochs[e].id, policy);
        if (!g.domains[d].d) return;
        g.domains[d].inside = 0;
        g.domains[d].owned = own;
        g.domains[d].epoch = own ? entry : e;
        g.domains[d].policy = own ? ZSLAB_ON_EXIT_RELEASE : policy;
        if (own) {
            g.epochs[entry].id = zslab_domain_epoch(g.domains[d].d);
            g.epochs[entry].state = ZSLAB_EPOCH_ACTIVE;
        }
        return;
    }
    e = g.domains[d].epoch;
    switch (tape_below(5)) {
    case 0:
        r = zslab_domain_force_close(g.domains[d].d);
        MUST((r == ZSLAB_E_BUSY) == (g.domains[d].inside != 0));
        if (r != ZSLAB_E_BUSY) domain_left(d, g.domains[d].policy ? g.domains[d].policy : ZSLAB_ON_EXIT_CLOSE);
        break;
    case 1:
        r = zslab_domain_destroy(g.domains[d].d);
        MUST((r == ZSLAB_E_BUSY) == (g.domains[d].inside != 0));
        if (r == ZSLAB_OK) {
            if (g.domains[d].owned) domain_left(d, ZSLAB_ON_EXIT_RELEASE);
            g.domains[d].d = NULL;
        }
        break;
    case 2:
        r = zslab_domain_exit(g.domains[d].d);
        last = g.depth && g.scopes[g.depth - 1] == d;
        MUST((r == ZSLAB_OK) == last);
        if (last) {
            g.depth--;
            if (!--g.domains[d].inside) domain_left(d, g.domains[d].policy);
        }
        break;
    default:
        if (g.depth == DEPTH) return;
        r = zslab_domain_enter(g.domains[d].d);
        MUST(r != ZSLAB_OK || g.epochs[e].state == ZSLAB_EPOCH_ACTIVE);
        if (r == ZSLAB_OK) {
            g.scopes[g.depth++] = d;
            g.domains[d].inside++;
            MUST(zslab_domain_current(g.z) == g.domains[d].d);
        }
    }
}

static void op_heap(void)
{
    zslab_heap **heap = &g.heaps[tape_below(HEAPS)];
    char text[512];
    switch (tape_below(6)) {
    case 0:
        zslab_thread_detach(g.z);
        break;
    case 1:
        zslab_trim(g.z);
        break;
    case 2:
        (void)zslab_reserve(g.z, tape_size(), tape_below(300));
        break;
    case 3:
        MUST(zslab_stats_json(g.z, text, sizeof text) > 100 && zslab_stats_prometheus(g.z, NULL, 0) > 100);
        break;
    default:
        if (*heap) {
            zslab_heap_destroy(*heap);
            *heap = NULL;
        } else {
            *heap = zslab_heap_create(g.z);
        }
    }
}

static void op_pool(void)
{
    int i = (int)tape_below(SLOTS), n, live = 0;
    zslab_result r = ZSLAB_OK;
    for (n = 0; n < SLOTS; n++) live += g.slots[n] != NULL;
    if (g.slots[i]) {
        MUST(test_filled(g.slots[i], zslab_pool_usable_size(g.pool), (uint64_t)i));
        MUST(zslab_pool_free(g.pool, (char *)g.slots[i] + 1) == ZSLAB_E_MISALIGNED);
        if (tape_below(2))
            r = zslab_remote_try_free(g.remote, g.slots[i]);
        else
            MUST(zslab_pool_free(g.pool, g.slots[i]) == ZSLAB_OK);
        MUST(r == ZSLAB_OK || r == ZSLAB_E_FULL);
        if (r != ZSLAB_OK) return;
        MUST(zslab_pool_free(g.pool, g.slots[i]) == ZSLAB_E_DOUBLE_FREE);
        g.slots[i] = NULL;
    } else {
        g.slots[i] = zslab_pool_alloc(g.pool);
        MUST(!g.slots[i] == (live == SLOTS));
        if (g.slots[i]) test_fill(g.slots[i], zslab_pool_usable_size(g.pool), (uint64_t)i);
    }
    if (tape_below(8) == 0) zslab_pool_drain(g.pool);
}

/* ---- one tape ---- */
static void *fallback_alloc(void *user, size_t size, size_t alignment)
{
    (void)user;
    return aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}
static void fallback_free(void *user, void *p)
{
    (void)user;
    free(p);
}
static size_t fallback_usable(void *user, const void *p)
{
    (void)user;
    return malloc_usable_size((void *)(uintptr_t)p);
}

static void open_all(void)
{
    static char buffer[3 << 20];
    zslab_config c;
    zslab_pool_config pc;
    unsigned how = tape_byte();
    memset(&g, 0, sizeof g);
    memset(&c, 0, sizeof c);
    memset(&pc, 0, sizeof pc);
    c.flags = how & (ZSLAB_FLAG_SHARED | ZSLAB_FLAG_HARDENED);
    c.reclaim = how & 4 ? ZSLAB_RECLAIM_RSS : ZSLAB_RECLAIM_LATENCY;
    c.epoch_count = how & 8 ? 16 : 4;
    if (how & 16) {
        c.fallback.alloc = fallback_alloc;
        c.fallback.free = fallback_free;
        c.fallback.usable_size = fallback_usable;
    }
    c.reserve_bytes = (size_t)1 << 28;
    c.large_bytes_max = LARGE_MOST;
    switch (how >> 5) {
    case 1:
        c.memory = buffer, c.memory_bytes = sizeof buffer, c.reserve_bytes = 0;
        break;
    case 2:
        c.limit_bytes = 3 * ZS__CHUNK_BYTES;
        break;
    case 3:
        c.cache_bytes = ZSLAB_CACHE_NONE;
        g.roomy = 1;
        break;
    case 4:
        c.reserve_bytes = 8 * ZS__CHUNK_BYTES;
        break;
    default:
        g.roomy = 1;
    }
    g.z = test_create(&c);
    g.shared = (c.flags & ZSLAB_FLAG_SHARED) != 0;
    g.epochs[0].id = zslab_epoch_current(g.z);
    for (int e = 1; e < EPOCHS; e++) g.epochs[e].state = ZSLAB_EPOCH_CLOSED;
    pc.slot_bytes = 8 + tape_below(64) * 4;
    pc.slot_count = SLOTS;
    pc.queue_capacity = 1 + tape_below(8);
    pc.batch_count = 1 + tape_below(4);
    MUST((g.pool = zslab_pool_create(&pc)) != NULL && (g.remote = zslab_pool_remote(g.pool)) != NULL);
    if (!worker.thread) test_worker_start(&worker);
}

static void close_all(void)
{
    size_t live = 0, i;
    while (g.depth) {
        int d = g.scopes[--g.depth];
        MUST(zslab_domain_exit(g.domains[d].d) == ZSLAB_OK);
        if (!--g.domains[d].inside) domain_left(d, g.domains[d].policy);
    }
    for (i = 0; i < OBJECTS; i++)
        if (g.objects[i].p) {
            object *o = &g.objects[i];
            MUST(test_filled(o->p, o->bytes, mark(o)));
            live += o->epoch != FALLBACK;
            if (o->epoch == FALLBACK) MUST(zslab_free(g.z, o->p) == ZSLAB_OK);
        }
    MUST(test_live(g.z) == live);
    zslab_destroy(g.z);
    zslab_pool_destroy(g.pool);
    zslab_remote_drop(g.remote);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static void (*const ops[])(void) = {op_malloc, op_malloc, op_malloc, op_free,   op_free, op_realloc,
                                        op_stale,  op_handle, op_epoch,  op_domain, op_heap, op_pool};
    tape_start(data, bytes);
    open_all();
    while (!tape_over()) ops[tape_below(sizeof ops / sizeof *ops)]();
    close_all();
    return 0;
}
