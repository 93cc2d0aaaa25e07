/* Names that nobody gave out: 64 bits of anything, or a true name with bits flipped, as pointers, handles and epochs to
   every call that takes one. Only true names of what lives may work, and whatever happens the rest stays whole. */
/* timeout: 90000 */
#include "tests/lib/test.h"

#include "fuzz.h"

enum { OBJECTS = 48, EPOCHS = 4 };

static struct {
    zslab *z;
    zslab_pool *pool;
    zslab_remote *remote;
    struct {
        void *p; /* NULL: gone */
        size_t bytes;
        zslab_handle handle, was;
        void *stood; /* where it is or was */
        int epoch;
    } objects[OBJECTS];
    zslab_epoch epochs[EPOCHS];
    zslab_epoch_state states[EPOCHS];
    void *slots[4];
} g;

static void epoch_over(int e, int closed)
{
    int i;
    for (i = 0; i < OBJECTS; i++)
        if (g.objects[i].p && g.objects[i].epoch == e) g.objects[i].p = NULL;
    if (closed) g.states[e] = ZSLAB_EPOCH_CLOSED;
}

static void set_up(void)
{
    zslab_config c;
    zslab_pool_config pc;
    unsigned how = tape_byte();
    int i;
    memset(&g, 0, sizeof g);
    memset(&c, 0, sizeof c);
    memset(&pc, 0, sizeof pc);
    c.flags = how & (ZSLAB_FLAG_SHARED | ZSLAB_FLAG_HARDENED);
    c.reclaim = how & 4 ? ZSLAB_RECLAIM_RSS : ZSLAB_RECLAIM_LATENCY;
    c.reserve_bytes = (size_t)1 << 24;
    c.epoch_count = 8;
    g.z = test_create(&c);
    for (i = 0; i < EPOCHS; i++) g.epochs[i] = i ? zslab_epoch_open(g.z, NULL) : zslab_epoch_current(g.z);
    for (i = 0; i < OBJECTS; i++) {
        size_t size = (size_t)(i * 37 % 500 + 1);
        g.objects[i].epoch = i % EPOCHS;
        if (i % 3)
            g.objects[i].p = zslab_malloc_epoch(g.z, size, g.epochs[i % EPOCHS]);
        else
            g.objects[i].handle = zslab_handle_alloc(g.z, size, g.epochs[i % EPOCHS], &g.objects[i].p);
        MUST(g.objects[i].p);
        g.objects[i].stood = g.objects[i].p;
        g.objects[i].was = g.objects[i].handle;
        g.objects[i].bytes = zslab_usable_size(g.z, g.objects[i].p);
        test_fill(g.objects[i].p, g.objects[i].bytes, (uint64_t)i);
    }
    for (i = 0; i < OBJECTS; i += 5) {
        MUST(zslab_free(g.z, g.objects[i].p) == ZSLAB_OK);
        g.objects[i].p = NULL;
    }
    MUST(zslab_epoch_release(g.z, g.epochs[3]) == ZSLAB_OK);
    epoch_over(3, 1);
    pc.slot_bytes = 40;
    pc.slot_count = 4;
    MUST((g.pool = zslab_pool_create(&pc)) != NULL && (g.remote = zslab_pool_remote(g.pool)) != NULL);
    for (i = 0; i < 3; i++) MUST((g.slots[i] = zslab_pool_alloc(g.pool)) != NULL);
}

/* A true name, some bits of it turned over; or anything at all. */
static uint64_t name_like(uint64_t truth)
{
    unsigned how = tape_byte() % 6;
    if (how == 0) return tape_number(8);
    while (--how) truth ^= (uint64_t)1 << tape_below(64);
    return truth;
}

static void *pointer_like(const void *truth)
{
    uint64_t bits = (uint64_t)(uintptr_t)truth;
    return (void *)(uintptr_t)(tape_below(2) ? bits - 32768 + tape_number(2) : name_like(bits));
}

static int object_at(const void *p)
{
    int i;
    for (i = 0; i < OBJECTS; i++)
        if (p && g.objects[i].p == p) return i;
    return -1;
}

static int object_named(zslab_handle h)
{
    int i;
    for (i = 0; i < OBJECTS; i++)
        if (h && g.objects[i].p && g.objects[i].handle == h) return i;
    return -1;
}

static void try_pointer(void)
{
    void *p = pointer_like(g.objects[tape_below(OBJECTS)].stood), *q;
    int i = object_at(p);
    zslab_result r;
    MUST(zslab_usable_size(g.z, p) == (i < 0 ? 0 : g.objects[i].bytes));
    MUST(zslab_epoch_of(g.z, p) == (i < 0 ? ZSLAB_EPOCH_NONE : g.epochs[g.objects[i].epoch]));
    MUST(zslab_handle_of(g.z, p) == (i < 0 ? 0 : g.objects[i].handle));
    MUST(zslab_owns(g.z, p) || i < 0);
    switch (tape_below(5)) {
    case 0:
        q = p ? zslab_realloc(g.z, p, tape_size()) : NULL;
        MUST(!q || i >= 0);
        if (q && q != p) MUST(zslab_free(g.z, q) == ZSLAB_OK);
        if (q)
            r = q == p ? zslab_free(g.z, p) : ZSLAB_OK;
        else
            i = -1;
        break;
    case 1:
        r = zslab_free_sized(g.z, p, tape_size());
        MUST(r != ZSLAB_OK || i >= 0 || !p);
        i = r == ZSLAB_OK ? i : -1;
        break;
    case 2:
        MUST(zslab_free_batch(g.z, &p, 1) == (i >= 0));
        break;
    default:
        r = zslab_free(g.z, p);
        MUST((r == ZSLAB_OK) == (i >= 0 || !p));
    }
    if (i >= 0) g.objects[i].p = NULL;
}

static void try_handle(void)
{
    zslab_handle h = name_like(g.objects[tape_below(OBJECTS)].was);
    int i = object_named(h);
    zslab_result r;
    MUST(zslab_handle_get(g.z, h) == (i < 0 ? NULL : g.objects[i].p));
    MUST(zslab_handle_pack(zslab_handle_unpack(h)) == h);
    if (tape_below(2)) {
        r = zslab_handle_free(g.z, h);
        MUST(r == (i < 0 ? r : ZSLAB_OK) && (i >= 0 || r == ZSLAB_E_STALE || r == ZSLAB_E_INVALID));
        if (i >= 0) g.objects[i].p = NULL;
    }
}

static void try_fields(void)
{
    zslab_handle_fields f;
    zslab_handle h;
    f.slab_id = (uint32_t)tape_number(3);
    f.generation = (uint32_t)tape_number(4);
    f.slot = (uint32_t)tape_number(2);
    f.size_class = (uint32_t)tape_number(2);
    f.version = (uint32_t)tape_below(5);
    h = zslab_handle_pack(f);
    MUST(!h || !memcmp(&f, (zslab_handle_fields[]){zslab_handle_unpack(h)}, sizeof f));
    MUST(!zslab_handle_get(g.z, h) || object_named(h) >= 0);
}

static void try_epoch(void)
{
    zslab_epoch e = name_like(g.epochs[tape_below(EPOCHS)]);
    int i = 0, is;
    void *p = NULL;
    zslab_result r;
    zslab_epoch_stats s;
    while (i < EPOCHS && (g.epochs[i] != e || g.states[i] == ZSLAB_EPOCH_CLOSED)) i++;
    is = i < EPOCHS;
    switch (tape_below(8)) {
    case 0:
        p = zslab_malloc_epoch(g.z, 24, e);
        MUST(!p == !is && (!p || zslab_free(g.z, p) == ZSLAB_OK));
        break;
    case 1:
        MUST(!zslab_handle_alloc(g.z, 24, e, &p) == !is && (!p || zslab_free(g.z, p) == ZSLAB_OK));
        break;
    case 2:
        MUST(zslab_epoch_set_label(g.z, e, "x") == (is ? ZSLAB_OK : ZSLAB_E_CLOSED));
        break;
    case 3:
        MUST((zslab_epoch_state_of(g.z, e) == ZSLAB_EPOCH_ACTIVE) == is);
        break;
    case 4:
        r = zslab_stats_epoch(g.z, tape_byte(), e, &s);
        MUST(is || r != ZSLAB_OK || (s.state == ZSLAB_EPOCH_CLOSED && s.live_objects == 0));
        break;
    case 5:
        r = zslab_epoch_reset(g.z, e);
        MUST(r == (is ? ZSLAB_OK : ZSLAB_E_CLOSED));
        if (is) epoch_over(i, 0);
        break;
    case 6:
        MUST((zslab_domain_wrap(g.z, e, (zslab_on_exit)tape_below(6)) == NULL) == !is || is);
        break;
    default:
        r = zslab_epoch_release(g.z, e);
        MUST(r == (is ? ZSLAB_OK : ZSLAB_E_CLOSED));
        if (is) epoch_over(i, 1);
    }
}

static void try_slot(void)
{
    void *p = pointer_like(g.slots[tape_below(3)]);
    int i = 0;
    zslab_result r;
    while (i < 3 && (!p || g.slots[i] != p)) i++;
    MUST(zslab_pool_owns(g.pool, p) || i == 3);
    r = tape_below(2) ? zslab_pool_free(g.pool, p) : zslab_remote_try_free(g.remote, p);
    MUST((r == ZSLAB_OK) == (i < 3 || !p));
    if (i < 3) {
        zslab_pool_drain(g.pool);
        MUST((g.slots[i] = zslab_pool_alloc(g.pool)) != NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static void (*const tries[])(void) = {try_pointer, try_handle, try_handle, try_fields, try_epoch, try_slot};
    size_t live = 0;
    int i;
    tape_start(data, bytes);
    set_up();
    while (!tape_over()) tries[tape_below(sizeof tries / sizeof *tries)]();
    for (i = 0; i < OBJECTS; i++)
        if (g.objects[i].p) {
            MUST(test_filled(g.objects[i].p, g.objects[i].bytes, (uint64_t)i));
            live++;
        }
    MUST(test_live(g.z) == live);
    zslab_destroy(g.z);
    zslab_pool_destroy(g.pool);
    zslab_remote_drop(g.remote);
    return 0;
}
