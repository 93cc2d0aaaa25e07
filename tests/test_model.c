/* Random operations against a plain shadow model: every answer compared, every object's bytes checked, the set of live
   objects compared with zslab_check's walk.   test_model [operations in total] [seed] [mode]
   A difference is replayed by the numbers printed with it. */
/* timeout: 600 */
#include "test.h"

#define OBJECTS 4096    /* most live at once */
#define EPOCHS 6        /* the current one and others */
#define GHOSTS 512      /* pointers that were objects */
#define HEAPS 3

typedef struct object {
    unsigned char *p;
    size_t asked, bytes;
    unsigned epoch;        /* index in model.epochs */
    uint64_t serial;       /* of its pattern */
} object;

typedef struct group {
    zslab_epoch id;
    zslab_epoch_state state;
    size_t live;
    int drained;           /* it ended by itself: closing it once more is fine */
} group;

static struct {
    zslab *z;
    const test_mode *mode;
    object live[OBJECTS];
    size_t count;
    group epochs[EPOCHS];  /* [0] is the current one */
    void *ghosts[GHOSTS];
    size_t ghost_count;
    zslab_heap *heaps[HEAPS];
    uint64_t seed, serial, step, refused;
    uint64_t by_code[ZSLAB_E_CORRUPT + 1], misuses;
    uint32_t table[OBJECTS * 4]; /* 1 + index of a live object, by address */
} model;

static void on_misuse(void *user, zslab_result what, const void *p, zslab_handle h)
{
    (void)user, (void)p, (void)h;
    model.misuses++;
    model.by_code[what]++;
}

static uint64_t draw(uint64_t below) { return test_random(&model.seed) % below; }

/* ---- the shadow: live objects by address ---- */
static size_t table_place(const void *p) /* where it is, or where it would go */
{
    size_t at = (size_t)((uintptr_t)p >> 3) * 2654435761u % (OBJECTS * 4);
    while (model.table[at] && model.live[model.table[at] - 1].p != p)
        at = (at + 1) % (OBJECTS * 4);
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
    model.ghosts[model.ghost_count++ % GHOSTS] = o->p;
    model.epochs[o->epoch].live--;
    table_remove(o->p);
    if (o != last) {
        model.table[table_place(last->p)] = (uint32_t)(o - model.live) + 1;
        *o = *last;
    }
    model.count--;
}

static void forget_epoch(unsigned e) /* all its objects went at once */
{
    size_t i;
    for (i = model.count; i-- > 0;)
        if (model.live[i].epoch == e)
            forget(&model.live[i]);
    CHECK(model.epochs[e].live == 0);
}

static size_t class_bytes(size_t size)
{
    return zslab_size_class_bytes(model.z, zslab_size_class_of(model.z, size));
}

static void check_bytes(const object *o)
{
    CHECK(test_filled(o->p, o->asked, o->serial));
}

/* A new object, or a refusal that the model expects: a buffer may be full. */
static object *remember(void *p, size_t size, size_t bytes, unsigned e)
{
    object *o = &model.live[model.count];
    if (!p) {
        model.refused++;
        CHECK(test_tight(model.mode) && zslab_last_error() == ZSLAB_E_NOMEM);
        return NULL;
    }
    CHECK(model.epochs[e].state == ZSLAB_EPOCH_ACTIVE && !find(p));
    o->p = (unsigned char *)p, o->asked = size, o->bytes = bytes;
    o->epoch = e, o->serial = ++model.serial;
    model.table[table_place(p)] = (uint32_t)++model.count;
    model.epochs[e].live++;
    CHECK(zslab_usable_size(model.z, p) == o->bytes && zslab_epoch_of(model.z, p) == model.epochs[e].id);
    test_fill(p, size, o->serial);
    return o;
}

/* ---- operations ---- */
static size_t some_size(void)
{
    size_t most = model.z->classes[model.z->class_count - 1].size;
    uint64_t x = draw(100);
    size_t size = x < 60 ? 1 + (size_t)draw(128) : x < 90 ? 1 + (size_t)draw(1024) : 1 + (size_t)draw(8192);
    return size > most ? most : size;
}

static object *some_object(void)
{
    return model.count ? &model.live[draw(model.count)] : NULL;
}

static void op_malloc(void)
{
    size_t size = some_size();
    void *p = NULL;
    if (model.count == OBJECTS)
        return;
    switch (draw(4)) {
    case 0: p = zslab_calloc(model.z, 1, size); break;
    case 1: p = zslab_heap_malloc(model.heaps[draw(HEAPS)], size); break;
    default: p = zslab_malloc(model.z, size);
    }
    remember(p, size, class_bytes(size), 0);
}

static void op_aligned(void)
{
    size_t alignment = (size_t)8 << draw(6), size = 1 + (size_t)draw(500);
    void *p = model.count < OBJECTS ? zslab_aligned_alloc(model.z, alignment, size) : NULL;
    object *o;
    if (model.count == OBJECTS)
        return;
    o = remember(p, size, zslab_usable_size(model.z, p), 0); /* its class may be larger than size's */
    CHECK(!o || (o->bytes >= size && (uintptr_t)p % alignment == 0));
}

static void op_malloc_epoch(void)
{
    unsigned e = (unsigned)draw(EPOCHS);
    size_t size = some_size();
    void *p;
    if (model.count == OBJECTS)
        return;
    p = draw(4) ? zslab_malloc_epoch(model.z, size, model.epochs[e].id)
                : zslab_heap_malloc_epoch(model.heaps[draw(HEAPS)], size, model.epochs[e].id);
    if (model.epochs[e].state == ZSLAB_EPOCH_ACTIVE)
        remember(p, size, class_bytes(size), e);
    else
        CHECK_FAILS(p, ZSLAB_E_CLOSED);
}

static void op_free(void)
{
    object *o = some_object();
    void *p;
    if (!o)
        return;
    check_bytes(o);
    p = o->p;
    switch (draw(5)) {
    case 0: CHECK_IS(zslab_free_sized(model.z, p, o->bytes), ZSLAB_OK); break;
    case 1: CHECK_IS(zslab_heap_free(model.heaps[draw(HEAPS)], p), ZSLAB_OK); break;
    case 2: CHECK(zslab_free_batch(model.z, &p, 1) == 1); break;
    default: CHECK_IS(zslab_free(model.z, p), ZSLAB_OK);
    }
    if (draw(16) == 0) { /* at once again: dead or, with its epoch over, stale */
        zslab_result r = zslab_free(model.z, p);
        CHECK(r == ZSLAB_E_DOUBLE_FREE || (model.epochs[o->epoch].state != ZSLAB_EPOCH_ACTIVE && r == ZSLAB_E_STALE));
    }
    forget(o);
}

static void op_realloc(void)
{
    static unsigned char saved[65536];
    object *o = some_object(), was;
    size_t size = some_size(), both;
    unsigned char *q;
    if (!o)
        return;
    check_bytes(o);
    was = *o;
    memcpy(saved, o->p, o->asked);
    both = size < was.asked ? size : was.asked;
    q = (unsigned char *)zslab_realloc(model.z, was.p, size);
    if (class_bytes(size) == zslab_usable_size(model.z, was.p) && q == was.p) { /* in place */
        o->asked = size;
        test_fill(q, size, o->serial);
        return;
    }
    if (model.epochs[was.epoch].state != ZSLAB_EPOCH_ACTIVE) {
        CHECK_FAILS(q, ZSLAB_E_CLOSED);
        return;
    }
    if (!q) {
        CHECK(test_tight(model.mode) && zslab_last_error() == ZSLAB_E_NOMEM);
        check_bytes(o);
        return;
    }
    CHECK(memcmp(q, saved, both) == 0);
    forget(o);
    remember(q, size, class_bytes(size), was.epoch);
}

/* Pointers that are wrong in some way; what they are is known from the shadow. */
static void op_misuse(void)
{
    object *o = some_object();
    uint64_t before = model.misuses;
    char here;
    switch (draw(6)) {
    case 0:
        CHECK_IS(zslab_free(model.z, &here), ZSLAB_E_FOREIGN);
        break;
    case 1:
        CHECK_IS(zslab_free(model.z, model.z->base + model.z->range_bytes + draw(100)), ZSLAB_E_FOREIGN);
        break;
    case 2:
        if (!o)
            return;
        CHECK_IS(zslab_free(model.z, o->p + 1 + draw(o->bytes - 1)), ZSLAB_E_MISALIGNED);
        break;
    case 3:
        if (!o)
            return;
        CHECK_IS(zslab_free_sized(model.z, o->p, o->bytes + 1), ZSLAB_E_INVALID);
        break;
    default: { /* an object of the past: whatever its memory is by now, it is not live */
        size_t known = model.ghost_count < GHOSTS ? model.ghost_count : GHOSTS;
        void *ghost = known ? model.ghosts[draw(known)] : NULL;
        zslab_result r;
        if (!ghost || find(ghost))
            return;
        CHECK(zslab_usable_size(model.z, ghost) == 0);
        r = zslab_free(model.z, ghost);
        CHECK(r == ZSLAB_E_DOUBLE_FREE || r == ZSLAB_E_STALE || r == ZSLAB_E_MISALIGNED || r == ZSLAB_E_FOREIGN);
    }
    }
    CHECK(model.misuses == before + 1);
}

static void check_state(unsigned e)
{
    group *g = &model.epochs[e];
    zslab_epoch_state state = zslab_epoch_state_of(model.z, g->id);
    if (g->state == ZSLAB_EPOCH_CLOSING && g->live == 0)
        CHECK(state == ZSLAB_EPOCH_CLOSING || state == ZSLAB_EPOCH_CLOSED); /* drained, found so or not yet */
    else
        CHECK(state == g->state);
}

/* An epoch other than the current one takes its next step. */
static void op_epoch(void)
{
    unsigned e = 1 + (unsigned)draw(EPOCHS - 1);
    group *g = &model.epochs[e];
    check_state(e);
    switch (g->state) {
    case ZSLAB_EPOCH_ACTIVE:
        if (draw(3) == 0) {
            CHECK_IS(zslab_epoch_reset(model.z, g->id), ZSLAB_OK);
            forget_epoch(e);
        } else if (draw(2)) {
            CHECK_IS(zslab_epoch_close(model.z, g->id), ZSLAB_OK);
            g->state = ZSLAB_EPOCH_CLOSING;
        } else {
            CHECK_IS(zslab_epoch_release(model.z, g->id), ZSLAB_OK);
            forget_epoch(e);
            g->state = ZSLAB_EPOCH_CLOSED;
        }
        break;
    case ZSLAB_EPOCH_CLOSING:
        if (g->live) {
            CHECK_IS(zslab_epoch_close(model.z, g->id), ZSLAB_OK);
            CHECK_IS(zslab_epoch_reset(model.z, g->id), ZSLAB_E_CLOSED);
            CHECK_IS(zslab_epoch_release(model.z, g->id), ZSLAB_OK);
            forget_epoch(e);
        } else {
            zslab_epoch_release(model.z, g->id); /* OK, or CLOSED when it was found drained */
            g->drained = 1;
        }
        g->state = ZSLAB_EPOCH_CLOSED;
        break;
    default:
        if (!g->drained)
            CHECK_IS(zslab_epoch_close(model.z, g->id), ZSLAB_E_CLOSED);
        CHECK_IS(zslab_epoch_release(model.z, g->id), ZSLAB_E_CLOSED);
        g->drained = 0;
        CHECK((g->id = zslab_epoch_open(model.z, "model")) != ZSLAB_EPOCH_NONE);
        g->state = ZSLAB_EPOCH_ACTIVE;
    }
    check_state(e);
}

/* The current epoch moves on: what was current drains in the place of one that is over. */
static void op_advance(void)
{
    unsigned e;
    size_t i;
    for (e = 1; e < EPOCHS && model.epochs[e].state != ZSLAB_EPOCH_CLOSED; e++)
        ;
    if (e == EPOCHS)
        return;
    model.epochs[e] = model.epochs[0];
    model.epochs[e].state = ZSLAB_EPOCH_CLOSING;
    for (i = 0; i < model.count; i++)
        if (model.live[i].epoch == 0)
            model.live[i].epoch = e;
    model.epochs[0].live = 0;
    CHECK((model.epochs[0].id = zslab_epoch_advance(model.z)) != ZSLAB_EPOCH_NONE);
    CHECK(zslab_epoch_current(model.z) == model.epochs[0].id && model.epochs[0].id != model.epochs[e].id);
    check_state(e);
}

static void op_batch(void)
{
    void *p[40];
    size_t n = (size_t)draw(40), i, got, size = some_size();
    if (model.count + n > OBJECTS)
        return;
    got = zslab_malloc_batch(model.z, size, n, p);
    CHECK(got == n || test_tight(model.mode));
    for (i = 0; i < got; i++)
        remember(p[i], size, class_bytes(size), 0);
}

static int visit(void *user, const zslab_visit *v)
{
    const object *o = find(v->p);
    ++*(size_t *)user;
    CHECK(o && o->bytes == v->usable_bytes && model.epochs[o->epoch].id == v->epoch && v->handle == 0);
    return 0;
}

static void op_check(void)
{
    size_t seen = 0;
    CHECK_IS(zslab_check(model.z, visit, &seen), ZSLAB_OK);
    CHECK(seen == model.count);
}

static void op_other(void)
{
    size_t i;
    switch (draw(6)) {
    case 0: zslab_trim(model.z); break;
    case 1: zslab_thread_detach(model.z); break;
    case 2:
        i = (size_t)draw(HEAPS);
        zslab_heap_destroy(model.heaps[i]);
        MUST((model.heaps[i] = zslab_heap_create(model.z)) != NULL);
        break;
    case 3:
        if (!model.mode->in_buffer)
            CHECK(zslab_reserve(model.z, some_size(), (size_t)draw(100)) == ZSLAB_OK || test_tight(model.mode));
        break;
    case 4: CHECK_FAILS(zslab_malloc(model.z, 0), ZSLAB_E_INVALID); break;
    default: op_check();
    }
}

static void operate(void)
{
    uint64_t x = draw(1000), fill = model.step / 4096 % 4; /* the number of objects rises and falls */
    if (x < (fill < 2 ? 440u : 300u))
        op_malloc();
    else if (x < 480)
        op_malloc_epoch();
    else if (x < 500)
        op_aligned();
    else if (x < 900)
        op_free();
    else if (x < 960)
        op_realloc();
    else if (x < 990)
        op_misuse();
    else if (x < 994)
        op_batch();
    else if (x < 996)
        op_epoch();
    else if (x < 997)
        op_advance();
    else if (x < 998 || draw(20) == 0)
        op_other();
}

static void begin(const test_mode *m, uint64_t seed)
{
    zslab_config c = {0};
    unsigned e;
    memset(&model, 0, sizeof model);
    model.mode = m;
    model.seed = seed;
    c.on_misuse = on_misuse;
    c.epoch_count = 16;
    c.cache_bytes = seed % 2 ? ZSLAB_CACHE_NONE : 0;
    model.z = test_open(m, &c);
    model.epochs[0].id = zslab_epoch_current(model.z);
    for (e = 1; e < EPOCHS; e++)
        MUST((model.epochs[e].id = zslab_epoch_open(model.z, NULL)) != ZSLAB_EPOCH_NONE);
    for (e = 0; e < HEAPS; e++)
        MUST((model.heaps[e] = zslab_heap_create(model.z)) != NULL);
}

static void play(const test_mode *m, uint64_t operations, uint64_t seed)
{
    int failed = test_failed;
    begin(m, seed);
    test_at("replay: test_model %llu %llu %d", (unsigned long long)operations, (unsigned long long)seed,
            (int)(m - test_modes));
    for (model.step = 0; model.step < operations && test_failed == failed; model.step++)
        operate();
    op_check();
    while (model.count && test_failed == failed)
        op_free();
    op_check();
    CHECK(model.by_code[ZSLAB_E_CORRUPT] == 0);
    printf("%s: seed %llu, %llu operations, %llu objects, %llu refused, %llu misuses answered%s\n", m->name,
           (unsigned long long)seed, (unsigned long long)model.step, (unsigned long long)model.serial,
           (unsigned long long)model.refused, (unsigned long long)model.misuses,
           test_failed == failed ? "" : ": DIFFERENT");
    test_destroy(model.z);
}

int main(int argc, char **argv)
{
    uint64_t total = test_amount(argc, argv, 1400000), seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 0, modes = 0;
    if (argc > 3) {
        play(&test_modes[strtoull(argv[3], NULL, 0) % TEST_MODES], total, seed);
        return test_summary("test_model");
    }
    if (!seed) /* another one every time; it is printed */
        seed = (uint64_t)zs__os_random() % 1000000 + 1;
    TEST_EACH_MODE(m)
        modes++;
    TEST_EACH_MODE(m) {
        play(m, total / modes / 2, seed);
        play(m, total / modes / 2, seed + 1);
    }
    return test_summary("test_model");
}
