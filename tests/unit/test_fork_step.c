/* A fork at any instruction of another thread's call: whatever that one was in the middle of, the child finds every
   object that was finished, loses no memory, and can go on using all of the allocator. [FORK-1] */
/* timeout: 300 */
#include "tests/lib/test.h"
#include "tests/lib/step.h"

#if STEP_HERE && !TEST_TSAN && !TEST_MSAN
#include "tests/lib/child.h"
#include <semaphore.h>

#define OURS 60  /* objects of the thread that forks */
#define MORE 40  /* made while the other one is stopped */
#define TOLD 120 /* of the one that is stepped */

typedef struct thing {
    void *volatile p; /* NULL: none that is finished */
    size_t bytes;
    zslab_handle h;
    zslab_epoch e;
    volatile int going; /* its free, or its epoch's end, has begun */
} thing;

static zslab *z;
static thing all[OURS + TOLD + MORE], *const ours = all, *const told = all + OURS, *const later = told + TOLD;
static zslab_epoch told_epochs[3];
static zslab_domain *volatile told_domain;
static volatile uint64_t calls, begin_at; /* of the story; the call whose instructions are steps */
static volatile uint64_t steps, stop_at;
static sem_t inside, go_on; /* the stepped thread waits for go_on once it has said that it is inside, or over */
static volatile int over;
static _Thread_local int telling;

static void on_trap(int signo, siginfo_t *info, void *context)
{
    (void)signo, (void)info;
    if (++steps != stop_at) return;
    sem_post(&inside); /* a signal handler may */
    while (sem_wait(&go_on))
        ;
    step_no_more(context);
}

static void next_call(void) /* the thread that forks does not count its own */
{
    if (telling && ++calls == begin_at) STEP_ON();
}
#define CALL(x) (next_call(), (x))

/* ---- the story ---- */
static void made(thing *t, void *p, size_t bytes, zslab_handle h, zslab_epoch e)
{
    bytes = bytes < 64 ? bytes : 64; /* enough to tell whose they are */
    if (p) test_fill(p, bytes, 5);
    t->bytes = bytes;
    t->h = h;
    t->e = e;
    t->p = p;
    t->going = 0;
}

static void drop(thing *t)
{
    if (!t->p) return;
    t->going = 1;
    if (t->h)
        CALL(zslab_handle_free(z, t->h));
    else
        CALL(zslab_free(z, t->p));
    t->p = NULL;
}

static void make(thing *t, size_t bytes, zslab_epoch e)
{
    drop(t);
    made(t, CALL(e ? zslab_malloc_epoch(z, bytes, e) : zslab_malloc(z, bytes)), bytes, 0, e);
}

static void make_with_handle(thing *t, size_t bytes, zslab_epoch e)
{
    void *p;
    zslab_handle h = CALL(zslab_handle_alloc(z, bytes, e, &p));
    made(t, p, bytes, h, e);
}

static void ending(zslab_epoch e) /* what an epoch still has goes with it */
{
    size_t i;
    for (i = 0; i < OURS + TOLD + MORE; i++)
        if (all[i].e == e) all[i].going = 1;
}

static void ended(zslab_epoch e)
{
    size_t i;
    for (i = 0; i < OURS + TOLD + MORE; i++)
        if (all[i].e == e) all[i].p = NULL;
}

static void objects_and_handles(zslab_epoch *e)
{
    size_t i;
    for (i = 0; i < TOLD / 2; i++) make(&told[i], 1 + i * 97 % 6000, i % 4 == 3 ? 0 : e[i % 4]);
    for (i = TOLD / 2; i < TOLD; i++) make_with_handle(&told[i], 1 + i * 61 % 900, e[i % 3]);
    for (i = 0; i < OURS / 2; i++) /* another thread's */
        drop(&ours[i]);
    for (i = 0; i < TOLD; i += 7) drop(&told[i]);
    for (i = 3; i < TOLD / 2; i += 4) {
        told[i].going = 1;
        made(&told[i], CALL(zslab_realloc(z, told[i].p, 900)), 900, 0, 0);
    }
}

static void a_domain(void)
{
    size_t i;
    zslab_epoch e;
    zslab_domain *d = told_domain = CALL(zslab_domain_create(z));
    if (!d || CALL(zslab_domain_enter(d)) != ZSLAB_OK) return;
    e = zslab_domain_epoch(d);
    for (i = 0; i < TOLD / 2; i += 7) make(&told[i], 1 + i * 40, e);
    ending(e);
    CALL(zslab_domain_exit(d));
    ended(e);
    told_domain = NULL;
    CALL(zslab_domain_destroy(d));
}

static void a_heap(void)
{
    zslab_heap *heap = CALL(zslab_heap_create(z));
    void *p = heap ? CALL(zslab_heap_malloc(heap, 300)) : NULL;
    if (p) CALL(zslab_heap_free(heap, p));
    CALL(zslab_heap_destroy(heap));
}

static zslab_epoch end_epochs[3];     /* a parent, its child, one that drains */
static int end_calls[6], end_sure[6]; /* by record: called, registered for sure */

static void end_told(void *user, zslab *in, zslab_epoch e, zslab_end why)
{
    (void)in, (void)e, (void)why;
    end_calls[(size_t)(uintptr_t)user]++;
}

static void endings(void)
{
    zslab_epoch_config c = {0};
    size_t i;
    if (!(end_epochs[0] = c.parent = CALL(zslab_epoch_open(z, NULL)))) return;
    if (!(end_epochs[1] = CALL(zslab_epoch_open_with(z, &c))) || !(end_epochs[2] = CALL(zslab_epoch_open(z, NULL))))
        return;
    for (i = 0; i < 6; i++)
        end_sure[i] = CALL(zslab_epoch_on_end(z, end_epochs[i % 3], end_told, (void *)(uintptr_t)i)) == ZSLAB_OK;
    CALL(zslab_epoch_close(z, end_epochs[2]));
    CALL(zslab_epoch_release(z, end_epochs[0]));
}

/* In the child, the allocator is gone: each was called once, but for one that was just being called. */
static void endings_were_called(void)
{
    int i, lost = 0;
    for (i = 0; i < 6; i++) {
        CHECK(end_calls[i] <= 1);
        lost += end_sure[i] && !end_calls[i];
    }
    CHECK(lost <= 1);
}

static void another_allocator(void)
{
    zslab_config small = {0};
    zslab *other;
    small.reserve_bytes = 64 * ZS__CHUNK_BYTES;
    other = CALL(zslab_create(&small));
    if (other) CALL(zslab_malloc(other, 10));
    CALL(zslab_destroy(other));
}

static void *tell(void *unused)
{
    zslab_epoch *e = told_epochs;
    size_t i;
    telling = 1;
    objects_and_handles(e);
    ending(e[0]);
    CALL(zslab_epoch_reset(z, e[0]));
    ended(e[0]);
    for (i = 0; i < TOLD / 2; i += 4) make(&told[i], 100, e[0]);
    CALL(zslab_epoch_close(z, e[1]));
    for (i = 1; i < TOLD / 2; i += 4) drop(&told[i]);
    CALL(zslab_trim(z));
    a_domain();
    a_heap();
    endings();
    ending(e[2]);
    CALL(zslab_epoch_release(z, e[2]));
    ended(e[2]);
    for (i = 2; i < TOLD / 2; i += 4) /* chunks that served handles serve other classes */
        make(&told[i], 1000 + i * 60, 0);
    CALL(zslab_reserve(z, 200, 100));
    another_allocator();
    for (i = 0; i < TOLD; i++) drop(&told[i]);
    CALL(zslab_epoch_close(z, e[0]));
    CALL(zslab_trim(z));
    CALL(zslab_thread_detach(z));
    STEP_OFF();
    over = 1;
    sem_post(&inside);
    return unused;
}

/* ---- the child ---- */

/* An object of before the fork goes, exactly once; one whose end had begun may be gone already. */
static void goes(thing *t)
{
    zslab_result r;
    if (!t->p) return;
    if (t->going) {
        r = t->h ? zslab_handle_free(z, t->h) : zslab_free(z, t->p);
        CHECK(r == ZSLAB_OK || r == ZSLAB_E_STALE || r == ZSLAB_E_DOUBLE_FREE || r == ZSLAB_E_FOREIGN);
        return;
    }
    CHECK(test_filled(t->p, t->bytes, 5));
    if (t->h) {
        CHECK(zslab_handle_get(z, t->h) == t->p && zslab_handle_of(z, t->p) == t->h);
        CHECK_IS(zslab_handle_free(z, t->h), ZSLAB_OK);
        CHECK_IS(zslab_handle_free(z, t->h), ZSLAB_E_STALE);
    } else {
        CHECK_IS(zslab_free(z, t->p), ZSLAB_OK);
        CHECK_IS(zslab_free(z, t->p), ZSLAB_E_DOUBLE_FREE);
    }
}

static void *malloc_and_free(void *unused)
{
    size_t i;
    for (i = 0; i < 20; i++) CHECK_IS(zslab_free(z, zslab_malloc(z, 1 + i * 200)), ZSLAB_OK);
    return unused;
}

/* Any call may be the child's first. */
static void first_call(unsigned which)
{
    zslab_global_stats g;
    zslab_class_stats k;
    zslab_handle h;
    zslab *other;
    switch (which) {
    case 0:
        break; /* zslab_check */
    case 1:
        malloc_and_free(NULL);
        break;
    case 2:
        CHECK(zslab_epoch_advance(z) != ZSLAB_EPOCH_NONE);
        break;
    case 3:
        zslab_trim(z);
        break;
    case 4:
        zslab_stats_global(z, &g);
        break;
    case 5:
        CHECK_IS(zslab_stats_class(z, 3, &k), ZSLAB_OK);
        break;
    case 6:
        CHECK((h = zslab_handle_alloc(z, 90, zslab_epoch_current(z), NULL)) != 0);
        CHECK_IS(zslab_handle_free(z, h), ZSLAB_OK);
        break;
    case 7:
        CHECK_IS(zslab_reserve(z, 50, 5000), ZSLAB_OK);
        break;
    case 8:
        zslab_thread_detach(z);
        break;
    case 9:
        goes(&ours[OURS - 4]), ours[OURS - 4].p = NULL;
        break;
    default:
        MUST((other = zslab_create(NULL)) != NULL && zslab_malloc(other, 10) != NULL);
        zslab_destroy(other);
    }
}

/* Epochs, objects, handles: all of it once more. */
static void use_all(void)
{
    static thing more[200];
    zslab_epoch e[5];
    size_t i;
    memset(more, 0, sizeof more);
    for (i = 0; i < 5; i++) /* new rows, new chunks */
        CHECK((e[i] = zslab_epoch_open(z, "child")) != ZSLAB_EPOCH_NONE);
    for (i = 0; i < 200; i++) {
        (i % 4 ? make : make_with_handle)(&more[i], 1 + i * 37 % 3000, e[i % 5]);
        CHECK(more[i].p != NULL);
    }
    CHECK_IS(zslab_epoch_close(z, e[2]), ZSLAB_OK);
    for (i = 2; i < 200; i += 5) goes(&more[i]);
    CHECK(zslab_epoch_state_of(z, e[2]) == ZSLAB_EPOCH_CLOSED);
    CHECK_IS(zslab_epoch_reset(z, e[1]), ZSLAB_OK);
    for (i = 0; i < 200; i++)
        if (i % 5 != 1 && i % 5 != 2) goes(&more[i]);
    for (i = 0; i < 5; i++) CHECK_IS(zslab_epoch_release(z, e[i]), i == 2 ? ZSLAB_E_CLOSED : ZSLAB_OK);
    zslab_trim(z);
}

static size_t strays(uint32_t chunk, int in_use, const zs__row *row, uint32_t cls) /* of a list, less those seen */
{
    size_t wrong = 0;
    for (; chunk; chunk = z->cold[chunk - 1].all_next) {
        const zs__chunk *c = &z->chunks[chunk - 1];
        wrong += z->cold[chunk - 1].mark++ != 0;
        wrong += in_use && (c->stamp != row->stamp || c->cls != cls);
        if (z->cold[chunk - 1].mark > 3) break; /* round and round */
    }
    return wrong;
}

/* Chunks that were ever used and are not in one list, or in a list where they do not belong. [ARENA-1] [FORK-2] */
static size_t lost_chunks(void)
{
    size_t wrong = strays(z->pool, 0, NULL, 0);
    const zslab_heap *heap;
    zs__row *row;
    uint32_t i;
    for (heap = z->heaps; heap; heap = heap->next)
        for (row = heap->made; row; row = row->made)
            for (i = 0; i < z->class_count; i++) {
                const zs__bin_cold *b = zs__cold_of(z, zs__bin_at(row, i));
                wrong += strays(b->all, row->epoch != 0, row, i) + strays(b->stale, 0, NULL, 0);
            }
    for (i = 0; i < zs__chunks_known(z); i++) {
        wrong += z->chunks[i].recip && !z->cold[i].mark;
        z->cold[i].mark = 0;
    }
    return wrong;
}

/* Slabs said to be in an inbox that are in none: what others free there would never come home. */
static size_t lost_hints(void)
{
    size_t n = 0;
    const zslab_heap *heap;
    uint32_t chunk, i;
    for (chunk = 0; !z->shared && chunk < zs__chunks_known(z); chunk++)
        for (i = 0; z->chunks[chunk].recip && i < zs__chunk_class(z, &z->chunks[chunk])->slabs; i++)
            n += z->hints[zs__chunk_slab(z, &z->chunks[chunk]) + i].queued != 0;
    for (heap = z->heaps; heap; heap = heap->next) {
        for (i = heap->inbox; i; i = z->hints[i - 1].next) n -= n != 0;
        for (i = heap->todo; i; i = z->hints[i - 1].next) n -= n != 0;
    }
    return n;
}

static size_t free_places(void)
{
    size_t n = z->epoch_count - z->place_count;
    uint32_t q;
    for (q = z->place_head; q; q = z->places[q - 1].next) n++;
    return n;
}

static void child(int number)
{
    size_t i, before, places;
    first_call((unsigned)number % 11);
    CHECK(test_live(z) != (size_t)-1);
    for (i = 0; i < 3; i++) { /* open or not, there is nothing in between */
        void *p = zslab_malloc_epoch(z, 30, told_epochs[i]);
        CHECK_IS(zslab_free(z, p), ZSLAB_OK);
    }
    for (i = 0; i < OURS + TOLD + MORE; i++) goes(&all[i]);
    CHECK(test_live(z) <= 2); /* what was being made, or copied */
    if (told_domain && !z->shared)
        CHECK_IS(zslab_domain_destroy(told_domain), ZSLAB_OK); /* nobody is inside any more */
    for (i = 0; i < 3; i++) zslab_epoch_close(z, told_epochs[i]);
    for (i = 0; i < 3; i++) zslab_epoch_release(z, end_epochs[i]);
    zslab_trim(z);
    before = test_live(z);
    use_all();
    CHECK(test_live(z) == before);
    test_in_thread(malloc_and_free, NULL); /* it takes over what the other thread had */
    use_all();
    CHECK(test_live(z) == before && lost_chunks() == 0 && lost_hints() == 0);
    places = free_places(); /* open: the current epoch, one whose id nobody has, one that an object holds */
    CHECK(places + 1 + (before ? 1 : 0) + 1 >= z->epoch_count);
    zslab_destroy(z);
    endings_were_called();
}

/* What the other thread is about to give away may be taken before the fork: chunks for objects, where no lock that it
   holds is in the way. */
static void takes_some(unsigned number)
{
    const zslab_heap *heap;
    const zs__row *row;
    size_t i;
    if (z->shared || z->arena_lock || z->epoch_lock || z->close_next != z->close_turn) return;
    for (i = 0; i < z->epoch_count; i++)
        if (z->places[i].rows_lock) return;
    for (heap = z->heaps; heap; heap = heap->next)
        for (row = heap->made; row; row = row->made)
            if (row->lock) return;
    for (i = 0; i < MORE; i++)
        if (number % 3 == 0)
            drop(&later[i]);
        else if (!later[i].p)
            make(&later[i], 1 + (number * 700 + i * 200) % 8000, 0);
}

static void fork_here(const test_mode *m, unsigned number)
{
    takes_some(number);
    test_at("%s, call %d, step %d", m->name, (int)calls, (int)steps);
    in_a_child(child, (int)number);
}

/* The next fork: in one of the next calls, or, where that is short, in those that follow. */
static void plan(uint64_t apart, uint64_t *seed)
{
    uint64_t most = (uint64_t)1 << test_random(seed) % 14;
    steps = 0;
    stop_at = 1 + test_random(seed) % most;
    begin_at = calls + 1 + test_random(seed) % (2 * apart - 1);
}

/* The story once, with a fork in one of `apart` calls, about; how many. */
static unsigned forks(const test_mode *m, uint64_t apart, uint64_t *seed)
{
    zslab_config c = {0};
    pthread_t thread;
    unsigned number = 0;
    size_t i;
    c.cache_bytes = ZSLAB_CACHE_NONE;
    z = test_open(m, &c);
    memset(all, 0, sizeof all);
    memset(end_calls, 0, sizeof end_calls);
    memset(end_sure, 0, sizeof end_sure);
    memset(end_epochs, 0, sizeof end_epochs);
    for (i = 0; i < 3; i++) MUST((told_epochs[i] = zslab_epoch_open(z, "told")) != ZSLAB_EPOCH_NONE);
    for (i = 0; i < OURS; i++) make(&ours[i], 1 + i * 90, i < OURS - 3 ? 0 : told_epochs[i - (OURS - 3)]);
    calls = 0, over = 0;
    MUST(sem_init(&inside, 0, 0) == 0 && sem_init(&go_on, 0, 0) == 0);
    plan(apart, seed);
    MUST(pthread_create(&thread, NULL, tell, NULL) == 0);
    while (sem_wait(&inside) == 0 && !over) {
        fork_here(m, number++);
        plan(apart, seed);
        sem_post(&go_on);
    }
    pthread_join(thread, NULL);
    for (i = 0; i < OURS + TOLD + MORE; i++) drop(&all[i]);
    CHECK(zslab_epoch_state_of(z, told_epochs[1]) == ZSLAB_EPOCH_CLOSED);
    CHECK(test_live(z) == 0 && lost_chunks() == 0);
    test_destroy(z);
    return number;
}

/* ---- an epoch of a group that has a guarantee ---- */
static zslab_group *the_group;
static uint64_t stride; /* steps between two forks */

static void on_stride(int signo, siginfo_t *info, void *context)
{
    (void)signo, (void)info, (void)context;
    if (++steps % stride) return;
    sem_post(&inside);
    while (sem_wait(&go_on))
        ;
}

static zslab_epoch open_in_group(void)
{
    zslab_epoch_config c = {0};
    c.group = the_group;
    return zslab_epoch_open_with(z, &c);
}

static void *group_story(void *unused)
{
    zslab_epoch e;
    STEPPED(e = open_in_group());
    zslab_malloc_epoch(z, 3000, e);
    STEPPED(zslab_epoch_reset(z, e));
    zslab_malloc_epoch(z, 300, e);
    STEPPED(zslab_epoch_release(z, e));
    over = 1;
    sem_post(&inside);
    return unused;
}

/* All that was charged is counted again, and the group goes on. */
static void group_child(int number)
{
    zslab_epoch e;
    (void)number;
    CHECK_IS(zslab_check(z, NULL, NULL), ZSLAB_OK);
    CHECK((e = open_in_group()) != ZSLAB_EPOCH_NONE && zslab_malloc_epoch(z, 3000, e));
    CHECK_IS(zslab_epoch_release(z, told_epochs[0]), ZSLAB_OK);
    CHECK_IS(zslab_epoch_release(z, e), ZSLAB_OK);
    CHECK_IS(zslab_check(z, NULL, NULL), ZSLAB_OK);
}

static void group_forks(const test_mode *m)
{
    zslab_group_config c = {0};
    pthread_t thread;
    c.guaranteed_bytes = 10 * ZS__CHUNK_BYTES;
    z = test_open(m, NULL);
    MUST((the_group = zslab_group_create(z, &c)) != NULL && (told_epochs[0] = open_in_group()) != ZSLAB_EPOCH_NONE);
    MUST(zslab_malloc_epoch(z, 1000, told_epochs[0]) && sem_init(&inside, 0, 0) == 0 && sem_init(&go_on, 0, 0) == 0);
    steps = 0, over = 0;
    MUST(pthread_create(&thread, NULL, group_story, NULL) == 0);
    while (sem_wait(&inside) == 0 && !over) {
        test_at("%s, group, step %d", m->name, (int)steps);
        in_a_child(group_child, 0);
        sem_post(&go_on);
    }
    pthread_join(thread, NULL);
    CHECK(steps > 10 * stride);
    test_destroy(z);
}

int main(int argc, char **argv)
{
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    unsigned rounds = argc > 1 ? (unsigned)atoi(argv[1]) : 1, i;
    step_handler(on_trap);
    STEPPED(calls++);
    if (!steps) return test_skip("no trap after an instruction here");
    TEST_EACH_MODE(m)
    {
        unsigned number = 0;
        for (i = 0; i < rounds; i++) number += forks(m, TEST_SLOWED ? 20 : 3, &seed);
        printf("%s: %u forks in %u calls\n", m->name, number, (unsigned)calls * rounds);
        CHECK(number >= 10 * rounds);
    }
    stride = 97;
    step_handler(on_stride);
    TEST_EACH_MODE(m)
    group_forks(m);
    return test_summary("test_fork_step");
}
#else
int main(void) { return test_skip("single steps are for x86-64 Linux, without TSan and MSan"); }
#endif
