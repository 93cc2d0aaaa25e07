/* Epochs: the table of states, every misuse, ids that never come back, labels, a ring that is full.
   usage: test_epoch [epochs opened and released in a row; default 300,000, fewer under a sanitizer] */
/* timeout: 300 */
#include "tests/lib/test.h"

static const test_mode *mode;

static zslab *make(uint32_t epoch_count)
{
    zslab_config c;
    memset(&c, 0, sizeof c);
    c.epoch_count = epoch_count;
    return test_open(mode, &c);
}

/* ---- the table ---- */

/* What each call answers in one state of the epoch. Each is tried on an epoch of its own. */
typedef struct row {
    const char *state;
    zslab_result malloc, close, release, reset, label, wrap;
    zslab_epoch_state seen;
} row;

#define NO ZSLAB_E_CLOSED
static const row table[] = {
    {"active", ZSLAB_OK, ZSLAB_OK, ZSLAB_OK, ZSLAB_OK, ZSLAB_OK, ZSLAB_OK, ZSLAB_EPOCH_ACTIVE},
    {"closing", NO, ZSLAB_OK, ZSLAB_OK, NO, ZSLAB_OK, NO, ZSLAB_EPOCH_CLOSING},
    {"drained", NO, ZSLAB_OK, NO, NO, NO, NO, ZSLAB_EPOCH_CLOSED}, /* closing twice is fine */
    {"released", NO, NO, NO, NO, NO, NO, ZSLAB_EPOCH_CLOSED},
    {"released while closing", NO, NO, NO, NO, NO, NO, ZSLAB_EPOCH_CLOSED},
};

/* An epoch in the row's state; *live is an object of it where the state has one. */
static zslab_epoch in_state(zslab *z, const row *r, void **live)
{
    zslab_epoch e = zslab_epoch_open(z, r->state);
    void *p = zslab_malloc_epoch(z, 100, e);
    MUST(e && p);
    *live = r->seen == ZSLAB_EPOCH_CLOSED ? NULL : p;
    memset(p, 7, 100);
    if (r == &table[1] || r == &table[2] || r == &table[4]) CHECK_IS(zslab_epoch_close(z, e), ZSLAB_OK);
    if (r == &table[2]) CHECK_IS(zslab_free(z, p), ZSLAB_OK);
    if (r == &table[3] || r == &table[4]) CHECK_IS(zslab_epoch_release(z, e), ZSLAB_OK);
    CHECK(zslab_epoch_state_of(z, e) == r->seen);
    return e;
}

static zslab_result malloc_answer(zslab *z, zslab_epoch e)
{
    void *p = zslab_malloc_epoch(z, 40, e);
    return !p ? zslab_last_error() : zslab_free(z, p);
}

static zslab_result wrap_answer(zslab *z, zslab_epoch e)
{
    zslab_domain *d = zslab_domain_wrap(z, e, ZSLAB_ON_EXIT_KEEP);
    return !d ? zslab_last_error() : zslab_domain_destroy(d);
}

static void states_answer_as_the_table_says(void)
{
    zslab *z = make(0);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const row *r = &table[i];
        void *p;
        CHECK_IS(malloc_answer(z, in_state(z, r, &p)), r->malloc);
        CHECK_IS(zslab_epoch_close(z, in_state(z, r, &p)), r->close);
        CHECK(!p || ((char *)p)[99] == 7); /* closing keeps what lives */
        CHECK_IS(zslab_epoch_release(z, in_state(z, r, &p)), r->release);
        if (p) CHECK_IS(zslab_free(z, p), ZSLAB_E_STALE);
        CHECK_IS(zslab_epoch_reset(z, in_state(z, r, &p)), r->reset);
        if (p) CHECK_IS(zslab_free(z, p), r->reset == ZSLAB_OK ? ZSLAB_E_STALE : ZSLAB_OK);
        CHECK_IS(zslab_epoch_set_label(z, in_state(z, r, &p), "other"), r->label);
        CHECK_IS(wrap_answer(z, in_state(z, r, &p)), r->wrap);
    }
    test_destroy(z);
}

/* ---- what each call does ---- */

static void a_reset_epoch_serves_again(void)
{
    zslab *z = make(0);
    zslab_epoch e = zslab_epoch_open(z, NULL);
    for (int round = 0; round < 50; round++) {
        void *first = zslab_malloc_epoch(z, 64, e), *p = first;
        for (int i = 0; i < 2000 && p; i++) p = zslab_malloc_epoch(z, (size_t)(8 + i % 500), e);
        CHECK(p && zslab_epoch_of(z, first) == e);
        CHECK_IS(zslab_epoch_reset(z, e), ZSLAB_OK);
        CHECK(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_ACTIVE);
        CHECK_IS(zslab_free(z, first), ZSLAB_E_STALE);
        CHECK_FAILS(zslab_epoch_of(z, p), ZSLAB_E_STALE);
    }
    test_destroy(z);
}

static void a_closing_epoch_ends_with_its_last_object(void)
{
    zslab *z = make(0);
    zslab_epoch e = zslab_epoch_open(z, NULL);
    enum { COUNT = 3000 };
    static char *p[COUNT];
    for (int i = 0; i < COUNT; i++) {
        MUST(p[i] = (char *)zslab_malloc_epoch(z, (size_t)(8 + i % 1000), e));
        memset(p[i], i, (size_t)(8 + i % 1000));
    }
    CHECK_IS(zslab_epoch_close(z, e), ZSLAB_OK);
    for (int i = 0; i < COUNT; i++) {
        CHECK(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSING);
        CHECK(p[i][0] == (char)i && p[i][7 + i % 1000] == (char)i && zslab_epoch_of(z, p[i]) == e);
        CHECK_IS(zslab_free(z, p[i]), ZSLAB_OK);
        if (i == COUNT / 2) CHECK_IS(zslab_epoch_close(z, e), ZSLAB_OK); /* closing twice purges again */
    }
    CHECK(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSED);
    test_destroy(z);
}

/* The owner of the memory sleeps; once the epoch is said to be closed, every call says so. */
static void allocate_one(void *arg)
{
    void **slot = (void **)arg; /* in: allocator, epoch; out: an object */
    slot[2] = zslab_malloc_epoch((zslab *)slot[0], 64, *(zslab_epoch *)slot[1]);
}

static void closed_is_final_though_the_owner_sleeps(void)
{
    zslab *z = make(0);
    zslab_epoch e = zslab_epoch_open(z, NULL);
    void *slot[3] = {z, &e, NULL};
    test_worker w;
    test_worker_start(&w);
    test_worker_do(&w, allocate_one, slot);
    MUST(slot[2]);
    CHECK_IS(zslab_epoch_close(z, e), ZSLAB_OK);
    CHECK(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSING);
    CHECK_IS(zslab_free(z, slot[2]), ZSLAB_OK);
    CHECK(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSED);
    CHECK_IS(zslab_epoch_set_label(z, e, "late"), ZSLAB_E_CLOSED);
    CHECK_IS(zslab_epoch_close(z, e), ZSLAB_OK); /* closing twice */
    CHECK_IS(zslab_epoch_release(z, e), ZSLAB_E_CLOSED);
    CHECK(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSED);
    test_worker_end(&w);
    test_destroy(z);
}

static void realloc_stays_in_the_epoch(void)
{
    zslab *z = make(0);
    zslab_epoch e = zslab_epoch_open(z, NULL);
    char *p = (char *)zslab_malloc_epoch(z, 24, e), *q;
    MUST(p);
    memcpy(p, "twenty-three characters", 24);
    MUST(q = (char *)zslab_realloc(z, p, 4000));
    CHECK(zslab_epoch_of(z, q) == e && q != p && !strcmp(q, "twenty-three characters"));
    CHECK_IS(zslab_epoch_close(z, e), ZSLAB_OK);
    CHECK(zslab_realloc(z, q, 3900) == q); /* in place: nothing new is asked of the epoch */
    CHECK_FAILS(zslab_realloc(z, q, 100), ZSLAB_E_CLOSED);
    CHECK(!strcmp(q, "twenty-three characters"));
    CHECK_IS(zslab_free(z, q), ZSLAB_OK);
    CHECK(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSED);
    test_destroy(z);
}

static void the_current_epoch_closed_refuses_until_advance(void)
{
    zslab *z = make(0);
    zslab_epoch first = zslab_epoch_current(z), next;
    void *p = zslab_malloc(z, 100), *q;
    CHECK(p && zslab_epoch_of(z, p) == first);
    CHECK_IS(zslab_epoch_close(z, first), ZSLAB_OK);
    CHECK_FAILS(zslab_malloc(z, 100), ZSLAB_E_CLOSED);
    CHECK_FAILS(zslab_calloc(z, 2, 50), ZSLAB_E_CLOSED);
    CHECK_IS(zslab_reserve(z, 100, 10), ZSLAB_E_CLOSED);
    CHECK(zslab_epoch_current(z) == first);
    next = zslab_epoch_advance(z);
    CHECK(next && next != first && zslab_epoch_current(z) == next);
    q = zslab_malloc(z, 100);
    CHECK(q && zslab_epoch_of(z, q) == next && zslab_epoch_of(z, p) == first);
    CHECK_IS(zslab_epoch_release(z, next), ZSLAB_OK);
    CHECK_FAILS(zslab_malloc(z, 100), ZSLAB_E_CLOSED);
    CHECK_IS(zslab_free(z, q), ZSLAB_E_STALE); /* its chunk serves nobody yet */
    CHECK(zslab_epoch_advance(z) != ZSLAB_EPOCH_NONE && zslab_malloc(z, 100) != NULL);
    CHECK_IS(zslab_free(z, p), ZSLAB_OK);
    CHECK(zslab_epoch_state_of(z, first) == ZSLAB_EPOCH_CLOSED);
    test_destroy(z);
}

static void advance_drains_the_old_epoch(void)
{
    zslab *z = make(0);
    void *kept[40];
    zslab_epoch e[40];
    for (int i = 0; i < 40; i++) {
        e[i] = zslab_epoch_current(z);
        MUST(kept[i] = zslab_malloc(z, (size_t)(16 * i + 8)));
        CHECK(zslab_epoch_of(z, kept[i]) == e[i]);
        CHECK(zslab_epoch_advance(z) == zslab_epoch_current(z));
        CHECK(zslab_epoch_state_of(z, e[i]) == ZSLAB_EPOCH_CLOSING);
    }
    for (int i = 0; i < 40; i++) {
        CHECK_IS(zslab_free(z, kept[i]), ZSLAB_OK);
        CHECK(zslab_epoch_state_of(z, e[i]) == ZSLAB_EPOCH_CLOSED);
    }
    test_destroy(z);
}

/* ---- wrong ids ---- */

static void refused_everywhere(zslab *z, zslab_epoch e)
{
    CHECK_FAILS(zslab_malloc_epoch(z, 64, e), ZSLAB_E_CLOSED);
    CHECK_IS(zslab_epoch_close(z, e), ZSLAB_E_CLOSED);
    CHECK_IS(zslab_epoch_release(z, e), ZSLAB_E_CLOSED);
    CHECK_IS(zslab_epoch_reset(z, e), ZSLAB_E_CLOSED);
    CHECK_IS(zslab_epoch_set_label(z, e, "x"), ZSLAB_E_CLOSED);
    CHECK_FAILS(zslab_domain_wrap(z, e, ZSLAB_ON_EXIT_RELEASE), ZSLAB_E_CLOSED);
    CHECK(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSED);
}

static void ids_that_never_were_are_refused(void)
{
    zslab *z = make(16), *other = test_create(NULL);
    zslab_epoch e = zslab_epoch_open(z, NULL), foreign = ZSLAB_EPOCH_NONE;
    void *p = zslab_malloc_epoch(z, 64, e);
    refused_everywhere(z, ZSLAB_EPOCH_NONE);
    refused_everywhere(z, e ^ 1);                           /* another place, the same era */
    refused_everywhere(z, e + ((zslab_epoch)1 << 16));      /* the same place, an era to come */
    refused_everywhere(z, e | 0x8000);                      /* a place past the ring */
    refused_everywhere(z, (e & ~(zslab_epoch)0xffff) | 16); /* the first place past it */
    refused_everywhere(z, ~(zslab_epoch)0);
    refused_everywhere(z, e & 0xffff); /* a place without an era */
    for (int i = 0; i < 9; i++) foreign = zslab_epoch_open(other, "another allocator's");
    refused_everywhere(z, foreign);
    CHECK(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_ACTIVE && zslab_epoch_of(z, p) == e);
    CHECK(zslab_epoch_state_of(other, foreign) == ZSLAB_EPOCH_ACTIVE);
    CHECK_IS(zslab_free(z, p), ZSLAB_OK);
    test_destroy(z);
    test_destroy(other);
}

/* The stale id's place is in use by another epoch, which must not notice. */
static void a_stale_id_leaves_the_place_s_next_epoch_alone(void)
{
    zslab *z = make(2);
    zslab_epoch stale = zslab_epoch_open(z, NULL), next;
    void *p;
    CHECK_IS(zslab_epoch_release(z, stale), ZSLAB_OK);
    next = zslab_epoch_open(z, NULL);
    CHECK(next && next != stale && (next & 0xffff) == (stale & 0xffff)); /* two places, one of them current */
    MUST(p = zslab_malloc_epoch(z, 64, next));
    memset(p, 3, 64);
    refused_everywhere(z, stale);
    CHECK(zslab_epoch_state_of(z, next) == ZSLAB_EPOCH_ACTIVE && zslab_epoch_of(z, p) == next);
    CHECK(((char *)p)[63] == 3);
    CHECK_IS(zslab_free(z, p), ZSLAB_OK);
    test_destroy(z);
}

static void an_object_of_no_epoch_has_none(void)
{
    zslab *z = make(0);
    int here = 0;
    char *p = (char *)zslab_malloc(z, 64);
    CHECK_FAILS(zslab_epoch_of(z, &here), ZSLAB_E_FOREIGN);
    CHECK_FAILS(zslab_epoch_of(z, NULL), ZSLAB_E_FOREIGN);
    CHECK_FAILS(zslab_epoch_of(z, p + 1), ZSLAB_E_MISALIGNED);
    CHECK_IS(zslab_free(z, p), ZSLAB_OK);
    CHECK_FAILS(zslab_epoch_of(z, p), ZSLAB_E_DOUBLE_FREE);
    test_destroy(z);
}

/* ---- the ring ---- */

static void a_full_ring_is_busy(void)
{
    enum { PLACES = 8 };
    zslab *z = make(PLACES);
    zslab_epoch e[PLACES], current = zslab_epoch_current(z);
    void *p[PLACES];
    for (int i = 1; i < PLACES; i++) {
        MUST(e[i] = zslab_epoch_open(z, NULL));
        MUST(p[i] = zslab_malloc_epoch(z, 100, e[i]));
    }
    CHECK_FAILS(zslab_epoch_open(z, NULL), ZSLAB_E_BUSY); /* all open */
    for (int i = 1; i < PLACES; i++) CHECK_IS(zslab_epoch_close(z, e[i]), ZSLAB_OK);
    CHECK_FAILS(zslab_epoch_open(z, NULL), ZSLAB_E_BUSY); /* all but one draining */
    CHECK_FAILS(zslab_epoch_advance(z), ZSLAB_E_BUSY);
    CHECK_FAILS(zslab_domain_create(z), ZSLAB_E_BUSY);
    CHECK(zslab_epoch_current(z) == current && zslab_epoch_state_of(z, current) == ZSLAB_EPOCH_ACTIVE);
    CHECK(zslab_malloc(z, 64) != NULL);
    CHECK_IS(zslab_free(z, p[3]), ZSLAB_OK);
    e[0] = zslab_epoch_open(z, "the drained one's place");
    CHECK(e[0] && e[0] != e[3] && (e[0] & 0xffff) == (e[3] & 0xffff));
    CHECK_FAILS(zslab_epoch_open(z, NULL), ZSLAB_E_BUSY);
    for (int i = 1; i < PLACES; i++)
        if (i != 3) CHECK_IS(zslab_free(z, p[i]), ZSLAB_OK);
    for (int i = 1; i < PLACES - 1; i++) CHECK(zslab_epoch_open(z, NULL) != ZSLAB_EPOCH_NONE);
    CHECK_FAILS(zslab_epoch_open(z, NULL), ZSLAB_E_BUSY);
    test_destroy(z);
}

/* Many times around the ring. Some ids are kept and tried at every thousandth epoch: none works. */
static void ids_never_come_back(long epochs)
{
    enum { KEPT = 64 };
    zslab *z = make(16);
    zslab_epoch kept[KEPT] = {0}, last = 0, e = 0;
    long objects = 0, wrong = 0;
    for (long i = 0; i < epochs; i++, last = e) {
        e = zslab_epoch_open(z, NULL);
        MUST(e >> 16 > last >> 16);
        void *p = i % 7 ? NULL : zslab_malloc_epoch(z, (size_t)(8 + i % 300), e);
        objects += p != NULL;
        if (i % 5) {
            wrong += zslab_epoch_release(z, e) != ZSLAB_OK;
        } else {
            wrong += zslab_epoch_close(z, e) != ZSLAB_OK || (p && zslab_free(z, p) != ZSLAB_OK);
            wrong += zslab_epoch_state_of(z, e) != ZSLAB_EPOCH_CLOSED;
        }
        wrong += zslab_malloc_epoch(z, 8, e) != NULL || (last && zslab_malloc_epoch(z, 8, last) != NULL);
        if (i % 1000) continue;
        for (int k = 0; k < KEPT; k++)
            wrong +=
                zslab_epoch_state_of(z, kept[k]) != ZSLAB_EPOCH_CLOSED || zslab_epoch_release(z, kept[k]) == ZSLAB_OK;
        kept[i / 1000 % KEPT] = e;
    }
    CHECK(wrong == 0 && objects == (epochs + 6) / 7);
    CHECK(e >> 16 >= (zslab_epoch)epochs); /* an era for each */
    test_destroy(z);
}

/* ---- labels ---- */

static void labels_are_copied_and_cut(void)
{
    zslab *z = make(16);
    char text[64];
    zslab_epoch e;
    memset(text, 'a', sizeof text);
    text[63] = 0;
    MUST(e = zslab_epoch_open(z, text));
    memset(text, 'b', 40);
    CHECK(strlen(z->places[e & 0xffff].label) == 31 && z->places[e & 0xffff].label[30] == 'a');
    CHECK_IS(zslab_epoch_set_label(z, e, "short"), ZSLAB_OK);
    CHECK(!strcmp(z->places[e & 0xffff].label, "short"));
    CHECK_IS(zslab_epoch_set_label(z, e, NULL), ZSLAB_OK);
    CHECK(!z->places[e & 0xffff].label[0]);
    CHECK_IS(zslab_epoch_set_label(z, e, "kept"), ZSLAB_OK);
    CHECK_IS(zslab_epoch_release(z, e), ZSLAB_OK);
    CHECK(!strcmp(z->places[e & 0xffff].label, "kept")); /* until the place serves again */
    test_destroy(z);
}

/* Chunks stocked beside the one that a small epoch used are not taken for its own when the row serves again. */
static void a_stocked_row_serves_again(void)
{
    zslab *z = make(8);
    void *p[200];
    int round, i;
    for (round = 0; round < 4; round++) {
        zslab_epoch e = zslab_epoch_current(z);
        CHECK(zslab_malloc(z, 1000) != NULL); /* one slab of one chunk: it would start again in place */
        CHECK_IS(zslab_reserve(z, 1000, 300), ZSLAB_OK);
        CHECK_IS(zslab_epoch_release(z, e), ZSLAB_OK);
        CHECK((e = zslab_epoch_advance(z)) != ZSLAB_EPOCH_NONE);
        for (i = 0; i < 200; i++) CHECK((p[i] = zslab_malloc(z, 1000)) != NULL && zslab_epoch_of(z, p[i]) == e);
        for (i = 0; i < 200; i++) CHECK_IS(zslab_free(z, p[i]), ZSLAB_OK);
    }
    test_destroy(z);
}

/* Where the system refuses the fence, places wait for owners to pass a slow path. Who asks for a place is passing one,
   also with rows that it took over from a thread that ended and has not come to yet. */
enum { ROWS = 40 };
typedef struct inherited {
    zslab *z;
    zslab_epoch e[ROWS];
    void *p[ROWS];
} inherited;

static void *allocates_in_each(void *user)
{
    inherited *h = (inherited *)user;
    for (int i = 0; i < ROWS; i++) CHECK((h->p[i] = zslab_malloc_epoch(h->z, 100, h->e[i])) != NULL);
    return NULL;
}

static void *frees_each(void *user)
{
    inherited *h = (inherited *)user;
    for (int i = 0; i < ROWS; i++) CHECK_IS(zslab_free(h->z, h->p[i]), ZSLAB_OK);
    return NULL;
}

static void own_rows_are_not_waited_for(void)
{
    inherited h;
    void *mine;
    int i;
    h.z = make(64);
    if (mode->reclaim != ZSLAB_RECLAIM_RSS) /* which chooses its way by the fence at create */
        h.z->fence_ready = 0;
    for (i = 0; i < ROWS; i++) MUST(h.e[i] = zslab_epoch_open(h.z, NULL));
    test_in_thread(allocates_in_each, &h);
    for (i = 0; i < ROWS; i++) CHECK_IS(zslab_epoch_close(h.z, h.e[i]), ZSLAB_OK);
    MUST(mine = zslab_malloc(h.z, 100)); /* the heap is this thread's from here on */
    test_in_thread(frees_each, &h);
    for (i = 0; i < 63; i++) CHECK(zslab_epoch_open(h.z, NULL) != ZSLAB_EPOCH_NONE);
    CHECK_IS(zslab_free(h.z, mine), ZSLAB_OK);
    test_destroy(h.z);
}

int main(int argc, char **argv)
{
    long epochs = argc > 1 ? atol(argv[1]) : TEST_SLOWED ? 20000 : 300000;
    TEST_EACH_MODE(each)
    {
        mode = each;
        states_answer_as_the_table_says();
        a_reset_epoch_serves_again();
        a_closing_epoch_ends_with_its_last_object();
        closed_is_final_though_the_owner_sleeps();
        realloc_stays_in_the_epoch();
        the_current_epoch_closed_refuses_until_advance();
        advance_drains_the_old_epoch();
        ids_that_never_were_are_refused();
        a_stale_id_leaves_the_place_s_next_epoch_alone();
        an_object_of_no_epoch_has_none();
        a_full_ring_is_busy();
        ids_never_come_back(each->reclaim == ZSLAB_RECLAIM_RSS || each->flags ? epochs / 20 : epochs);
        labels_are_copied_and_cut();
        a_stocked_row_serves_again();
        own_rows_are_not_waited_for();
    }
    return test_summary("test_epoch");
}
