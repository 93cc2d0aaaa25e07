/* A thread that frees others' objects as it allocates keeps a few for itself, of one chunk a class; all of it goes
   home in time, whatever ends first (>>remote, lemmas [LEND-1] to [LEND-4]). */
#include "tests/lib/test.h"
#include "tests/lib/child.h"

#define SIZE 256u
#define SLOTS (ZS__CHUNK_BYTES / SIZE)

static zslab *z;
static zslab_epoch e;
static zslab_heap *owner; /* of all in object[] */
static void *object[4 * SLOTS], *mine[2];
static size_t count; /* of object */

/* A second thread does one thing after another, each to its end. */
static void (*volatile order)(void);
static uint32_t begun, done;
static void *other(void *unused)
{
    uint32_t turn;
    for (turn = 1;; turn++) {
        while (__atomic_load_n(&begun, __ATOMIC_ACQUIRE) != turn) sched_yield();
        if (!order) break;
        order();
        __atomic_store_n(&done, turn, __ATOMIC_RELEASE);
    }
    __atomic_store_n(&done, turn, __ATOMIC_RELEASE);
    return unused;
}
static pthread_t thread;
static void tell(void (*what)(void))
{
    order = what;
    __atomic_store_n(&begun, begun + 1, __ATOMIC_RELEASE);
    while (__atomic_load_n(&done, __ATOMIC_ACQUIRE) != begun) sched_yield();
}

static uint32_t lent(void) /* chunks */
{
    uint32_t chunk, n = 0;
    for (chunk = 0; chunk < z->fresh_chunk; chunk++) n += z->cold[chunk].lent;
    return n;
}

static void begin(zslab_reclaim reclaim, size_t limit, size_t objects)
{
    zslab_config c = {0};
    c.reclaim = reclaim;
    c.limit_bytes = limit;
    c.cache_bytes = ZSLAB_CACHE_NONE;
    z = test_create(&c);
    MUST(e = zslab_epoch_open(z, NULL));
    for (count = 0; count < objects; count++) MUST(object[count] = zslab_malloc_epoch(z, SIZE, e));
    owner = zs__heap_peek(z);
    begun = done = 0;
    MUST(pthread_create(&thread, NULL, other, NULL) == 0);
}
static void end(void)
{
    zslab_global_stats g;
    tell(NULL);
    pthread_join(thread, NULL);
    CHECK(lent() == 0);
    zslab_trim(z);
    zslab_stats_global(z, &g);
    CHECK(g.live_objects == 0 && g.committed_bytes == 0); /* no slot is lost, or its chunk were not empty */
    CHECK_IS(zslab_check(z, NULL, NULL), ZSLAB_OK);
    test_destroy(z);
}

static void free_all(void)
{
    while (count) CHECK_IS(zslab_free(z, object[--count]), ZSLAB_OK);
}
static void borrow(void) /* its bin runs dry; then it frees all but one */
{
    MUST(mine[0] = zslab_malloc_epoch(z, SIZE, e));
    while (count > 1) CHECK_IS(zslab_free(z, object[--count]), ZSLAB_OK);
}
static void give_mine(void) { CHECK_IS(zslab_free(z, mine[0]), ZSLAB_OK); }
static void allocate_one(void) { mine[1] = zslab_malloc_epoch(z, SIZE, e); }
static void detach(void) { zslab_thread_detach(z); }
static void trim(void) { zslab_trim(z); }

static void who_only_frees_has_none(void)
{
    begin(ZSLAB_RECLAIM_LATENCY, 0, 4 * SLOTS);
    tell(free_all);
    CHECK(lent() == 0);
    end();
}

static zs__bin *bin_of_other(void)
{
    zs__row *row = zs__rows_first(&z->places[e & ZS__PLACE_MASK]);
    while (row && row->heap == owner) row = zs__row_beside(row);
    return row ? zs__bin_for(z, row, SIZE) : NULL;
}

/* The last it freed it gets first, and what it keeps is bounded; the owner has the rest. */
static size_t kept;
static void take_back(void)
{
    void *p;
    zs__bin *bin = bin_of_other();
    uint32_t chunk = (bin->lent & ~ZS__LENT_ANY) - 1;
    for (kept = 0; bin->top != bin->bottom; kept++) {
        MUST(p = zslab_malloc_epoch(z, SIZE, e));
        CHECK((size_t)((char *)p - z->base) / ZS__CHUNK_BYTES == chunk);
        object[count++] = p;
    }
}
static void who_allocates_keeps_a_few(void)
{
    zslab_global_stats g;
    begin(ZSLAB_RECLAIM_LATENCY, 0, 4 * SLOTS);
    tell(borrow);
    CHECK(lent() == 1);
    CHECK((size_t)(bin_of_other()->top - bin_of_other()->bottom) == ZS__LENT_MOST);
    zslab_stats_global(z, &g);
    CHECK(g.live_objects == 2);
    CHECK(ZSLAB_STATS == 0 || g.remote_frees == 4 * SLOTS - 1);
    CHECK_IS(zslab_check(z, NULL, NULL), ZSLAB_OK);
    tell(take_back);
    CHECK(kept == ZS__LENT_MOST);
    CHECK_IS(zslab_check(z, NULL, NULL), ZSLAB_OK);
    tell(free_all);
    tell(give_mine);
    end();
}

/* Each way home: afterwards nothing is lent, and the owner has every slot. */
static void goes_home_by(void (*way)(void), void (*way_of_owner)(void))
{
    begin(ZSLAB_RECLAIM_LATENCY, 0, SLOTS);
    tell(borrow);
    CHECK(lent() == 1);
    if (way) tell(way);
    if (way_of_owner) way_of_owner();
    CHECK(lent() == 0);
    tell(give_mine);
    free_all();
    end();
}
static void close_it(void) { CHECK_IS(zslab_epoch_close(z, e), ZSLAB_OK); }
static void pass_by(void) { CHECK_IS(zslab_free(z, zslab_malloc(z, 16)), ZSLAB_OK); }
static void close_and_pass_by(void)
{
    close_it();
    tell(pass_by);
}
static void release_and_pass_by(void)
{
    CHECK_IS(zslab_epoch_release(z, e), ZSLAB_OK);
    tell(pass_by);
    CHECK(lent() == 0);
}
static void every_way_home(void)
{
    goes_home_by(detach, NULL);
    goes_home_by(trim, NULL);
    goes_home_by(NULL, close_and_pass_by);
    begin(ZSLAB_RECLAIM_LATENCY, 0, SLOTS);
    tell(borrow);
    release_and_pass_by();
    end();
}

/* The borrower sleeps; its chunk's epoch ends again and again, and others need memory: none is refused, and what it
   pins is at most one chunk. */
static void a_sleeper_starves_nobody(zslab_reclaim reclaim, int how)
{
    zslab_global_stats g;
    size_t n, most = 8 * SLOTS;
    zslab_epoch next;
    test_at("policy %d, ending %d", (int)reclaim, how);
    begin(reclaim, 12 * ZS__CHUNK_BYTES, SLOTS);
    if (!z->fence_ready) { /* nothing is taken from sleepers */
        zslab_epoch_release(z, e);
        end();
        return;
    }
    tell(borrow);
    if (how == 0) CHECK_IS(zslab_epoch_release(z, e), ZSLAB_OK);
    if (how == 1) CHECK_IS(zslab_epoch_reset(z, e), ZSLAB_OK);
    if (how == 2) free_all();
    for (n = 0; n < 3; n++) {
        size_t i;
        MUST(next = zslab_epoch_open(z, NULL));
        for (i = 0; i < most; i++)
            if (!zslab_malloc_epoch(z, SIZE, next)) break;
        CHECK(i == most);
        zslab_stats_global(z, &g);
        CHECK(g.thread_held_bytes <= 2 * ZS__CHUNK_BYTES); /* one a thread */
        CHECK_IS(zslab_epoch_release(z, next), ZSLAB_OK);
    }
    if (how == 2) tell(give_mine);
    tell(allocate_one); /* refused, or in a new round: what it had is not its any more */
    if (mine[1]) CHECK_IS(zslab_free(z, mine[1]), ZSLAB_OK);
    trim(); /* the chunk of that one may be lent to this thread now */
    end();
}

/* Lent when its epoch ends, a chunk is nobody's in the pool: neither a class's nor a span's, until it is not lent. */
static void nobody_binds_it(size_t size)
{
    void *p;
    uint32_t chunk;
    test_at("objects of %d", (int)size);
    begin(ZSLAB_RECLAIM_LATENCY, 12 * ZS__CHUNK_BYTES, SLOTS);
    tell(borrow);
    chunk = (bin_of_other()->lent & ~ZS__LENT_ANY) - 1;
    CHECK_IS(zslab_epoch_release(z, e), ZSLAB_OK);
    zslab_thread_detach(z);
    while ((p = zslab_malloc(z, size)) != NULL)
        if (z->cold[chunk].lent) {
            size_t first = (size_t)((char *)p - z->base) / ZS__CHUNK_BYTES;
            CHECK(chunk < first || chunk > first + (size - 1) / ZS__CHUNK_BYTES);
        }
    CHECK_IS(zslab_epoch_release(z, zslab_epoch_current(z)), ZSLAB_OK);
    end();
}

/* A child has what it needs, whoever had borrowed. */
static void child_fills(int objects)
{
    for (; objects; objects--) CHECK(zslab_malloc_epoch(z, SIZE, e) != NULL);
    CHECK(lent() == 0);
    CHECK_IS(zslab_check(z, NULL, NULL), ZSLAB_OK);
}
static void a_child_has_all(void)
{
    begin(ZSLAB_RECLAIM_LATENCY, 0, 2 * SLOTS);
    tell(borrow);
    CHECK(lent() == 1);
    in_a_child(child_fills, 2 * (int)SLOTS);
    tell(give_mine);
    free_all();
    tell(trim);
    end();
}

/* A thread that detached has its own heap again when it frees: its own chunk is not lent to it. */
static void nothing_of_its_own(void)
{
    begin(ZSLAB_RECLAIM_LATENCY, 0, SLOTS + 1);
    zslab_thread_detach(z);
    while (count) {
        CHECK_IS(zslab_free(z, object[--count]), ZSLAB_OK);
        CHECK(lent() == 0);
    }
    end();
}

/* A bin that was refused a chunk has slots of another's only: a taker sends them home, and the bin forgets them. */
static void one_and_detach(void) /* the row stays, and a trim leaves it as new */
{
    CHECK_IS(zslab_free(z, zslab_malloc_epoch(z, SIZE, e)), ZSLAB_OK);
    zslab_thread_detach(z);
}
static zslab_epoch another;
static void turn(void) /* it pops from another row since [TAKE-5] */
{
    CHECK_IS(zslab_free(z, zslab_malloc_epoch(z, SIZE, another)), ZSLAB_OK);
}
static size_t stays; /* of object */
static void hold(void) { MUST(mine[0] = zslab_malloc_epoch(z, SIZE, another)); }
static void refused(void) { CHECK(zslab_malloc_epoch(z, SIZE, e) == NULL); }
static void free_most(void)
{
    while (count > stays) CHECK_IS(zslab_free(z, object[--count]), ZSLAB_OK);
    turn();
}
static void one_of_another_class(void) { CHECK_IS(zslab_free(z, zslab_malloc_epoch(z, 2 * SIZE, e)), ZSLAB_OK); }
static void begin_refused(size_t left) /* objects, when the other thread has freed the rest */
{
    stays = left;
    begin(ZSLAB_RECLAIM_LATENCY, 0, SLOTS);
    tell(one_and_detach);
    trim();
    MUST(another = zslab_epoch_open(z, NULL));
    tell(hold);
    CHECK_IS(zslab_set_limits(z, 0, 1), ZSLAB_OK);
    tell(refused);
    zslab_set_limits(z, 0, 0);
}
static void of_others_only(void)
{
    size_t objects = SLOTS;
    begin_refused(0);
    tell(free_most);
    CHECK(lent() == 1);
    if (!z->fence_ready) /* nothing is taken from sleepers */
        objects = 0;
    trim();
    for (; count < objects; count++) MUST(object[count] = zslab_malloc_epoch(z, SIZE, e));
    CHECK(objects == 0 || lent() == 0);
    zslab_set_limits(z, 0, 1);
    tell(allocate_one);
    CHECK(objects == 0 || mine[1] == NULL);
    zslab_set_limits(z, 0, 0);
    if (mine[1]) CHECK_IS(zslab_free(z, mine[1]), ZSLAB_OK);
    free_all();
    tell(give_mine);
    end();
}

/* The same while the chunk has an object, and so stays lent, in a row that has no chunk of its own any more: what is
   lent is not lost with its magazines [TAKE-6]. */
static void of_others_only_and_bare(void)
{
    begin_refused(1);
    tell(one_of_another_class);
    tell(free_most);
    CHECK(lent() == 1);
    trim();
    CHECK(lent() == 1);
    free_all();
    tell(give_mine);
    end();
}

/* A handle's slot is lent as any: its generation rises each time, and no old handle comes alive. */
static zslab_handle handle[2];
static void handles_of_other(void)
{
    void *p;
    MUST(mine[0] = zslab_malloc_epoch(z, SIZE, e));
    CHECK_IS(zslab_handle_free(z, handle[0]), ZSLAB_OK);
    MUST(handle[1] = zslab_handle_alloc(z, SIZE, e, &p));
}
static void handles(void)
{
    void *p;
    begin(ZSLAB_RECLAIM_LATENCY, 0, 1);
    MUST(handle[0] = zslab_handle_alloc(z, SIZE, e, &p));
    tell(handles_of_other);
    CHECK(zslab_handle_get(z, handle[1]) == p && zslab_handle_get(z, handle[0]) == NULL);
    CHECK(lent() == 1);
    CHECK_IS(zslab_check(z, NULL, NULL), ZSLAB_OK);
    CHECK_IS(zslab_handle_free(z, handle[1]), ZSLAB_OK);
    CHECK_IS(zslab_handle_free(z, handle[1]), ZSLAB_E_STALE);
    tell(give_mine);
    free_all();
    end();
}

int main(void)
{
    int how;
    who_only_frees_has_none();
    who_allocates_keeps_a_few();
    every_way_home();
    for (how = 0; how < 3; how++) {
        a_sleeper_starves_nobody(ZSLAB_RECLAIM_LATENCY, how);
        a_sleeper_starves_nobody(ZSLAB_RECLAIM_RSS, how);
    }
    nobody_binds_it(16);
    nobody_binds_it(4096);
    nobody_binds_it(ZS__CHUNK_BYTES);
    nobody_binds_it(3 * ZS__CHUNK_BYTES);
    test_at("%s", "");
    a_child_has_all();
    nothing_of_its_own();
    of_others_only();
    of_others_only_and_bare();
    handles();
    return test_summary("test_lend");
}
