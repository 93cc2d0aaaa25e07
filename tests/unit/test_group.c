/* Groups: what their epochs hold is counted by the chunk and adds up; a limit refuses its group alone; a guarantee
   holds, also where two threads meet at the edge; epochs that may be discarded go oldest first. */
#include "tests/lib/test.h"

#define C ZS__CHUNK_BYTES

static zslab_group_stats of(const zslab_group *g)
{
    zslab_group_stats s;
    zslab_stats_group(g, &s);
    return s;
}

static zslab_global_stats global(zslab *z)
{
    zslab_global_stats s;
    zslab_stats_global(z, &s);
    return s;
}

static zslab_group *group(zslab *z, const char *label, size_t soft, size_t hard, size_t guaranteed)
{
    zslab_group_config c = {0};
    c.label = label, c.soft_bytes = soft, c.hard_bytes = hard, c.guaranteed_bytes = guaranteed;
    return zslab_group_create(z, &c);
}

static zslab_epoch open_in(zslab *z, zslab_group *g, uint32_t flags, zslab_epoch parent)
{
    zslab_epoch_config c = {0};
    c.group = g, c.flags = flags, c.parent = parent;
    return zslab_epoch_open_with(z, &c);
}

static size_t fill(zslab *z, zslab_epoch e, size_t size, size_t most)
{
    size_t n = 0;
    while (n < most && zslab_malloc_epoch(z, size, e)) n++;
    return n;
}

/* ---- records ---- */
static void made_and_ended(const test_mode *m)
{
    zslab *z = test_open(m, NULL), *other = test_create(NULL);
    zslab_group_config c = {0};
    zslab_group *g, *h;
    zslab_epoch e;
    c.label = "tenant with a name of more than 31 bytes", c.epoch_count = 2;
    MUST(g = zslab_group_create(z, &c));
    MUST(h = zslab_group_create(z, NULL));
    CHECK(!strcmp(of(g).label, "tenant with a name of more than") && of(h).label[0] == 0);
    CHECK(of(g).hard_bytes == 0 && of(g).soft_bytes == 0 && of(g).guaranteed_bytes == 0 && of(g).epochs == 0);
    CHECK_FAILS(open_in(other, g, 0, 0), ZSLAB_E_INVALID);
    MUST(e = open_in(z, g, 0, 0));
    MUST(open_in(z, NULL, 0, e)); /* a child is its parent's group's */
    CHECK(of(g).epochs == 2);
    CHECK_FAILS(open_in(z, g, 0, 0), ZSLAB_E_LIMIT);
    CHECK_IS(zslab_group_destroy(g), ZSLAB_E_BUSY);
    CHECK(zslab_malloc_epoch(z, 100, e) != NULL && of(g).committed_bytes == C && of(g).live_bytes == 112);
    CHECK_IS(zslab_epoch_release(z, e), ZSLAB_OK);
    CHECK(of(g).epochs == 0 && of(g).committed_bytes == 0 && of(g).live_bytes == 0);
    CHECK_IS(zslab_group_destroy(g), ZSLAB_OK);
    CHECK_IS(zslab_group_destroy(g), ZSLAB_E_INVALID);
    CHECK_IS(zslab_group_destroy(NULL), ZSLAB_E_INVALID);
    CHECK_FAILS(open_in(z, g, 0, 0), ZSLAB_E_INVALID);
    CHECK(zslab_group_create(z, NULL) == g); /* its record serves again */
    c.hard_bytes = 10, c.guaranteed_bytes = 11;
    CHECK_FAILS(zslab_group_create(z, &c), ZSLAB_E_INVALID);
    CHECK_IS(zslab_group_set_limits(h, 5, 6), ZSLAB_OK);
    CHECK(of(h).soft_bytes == 5 && of(h).hard_bytes == 6);
    CHECK_IS(zslab_check(z, NULL, NULL), ZSLAB_OK);
    test_destroy(z);
    test_destroy(other);
}

static void ten_thousand(void)
{
    static zslab_group *g[10000];
    zslab *z = test_create(NULL);
    size_t before = (size_t)global(z).metadata_bytes, i;
    zslab_epoch e;
    char text[400];
    for (i = 0; i < 10000; i++) MUST(g[i] = group(z, "t\"\\\n", 0, 0, 0));
    CHECK(global(z).metadata_bytes - before <= 10000 * 1024);
    MUST(e = open_in(z, g[7], 0, 0));
    MUST(zslab_malloc_epoch(z, 64, e));
    for (i = 0; i < 10000; i++) CHECK(of(g[i]).committed_bytes == (i == 7 ? C : 0));
    for (i = 0; i < 10000; i++)
        if (i != 7 && i != 9) CHECK_IS(zslab_group_destroy(g[i]), ZSLAB_OK);
    CHECK(zslab_stats_json(z, text, sizeof text) > sizeof text);
    {
        size_t n = zslab_stats_json(z, NULL, 0) + 1000, k = zslab_stats_prometheus(z, NULL, 0) + 1000;
        char *json = (char *)malloc(n), *prom = (char *)malloc(k);
        zslab_stats_json(z, json, n);
        zslab_stats_prometheus(z, prom, k);
        CHECK(strstr(json, "\"groups\": [\n  {\"label\": \"t\\\"\\\\\\n\", \"group\": 10") != NULL);
        CHECK(strstr(json, "\"committed_bytes\": 65536, \"live_bytes\": 64, \"soft_bytes\": 0") != NULL);
        CHECK(strstr(prom, "zslab_group_committed_bytes{group=\"8\",label=\"t\\\"\\\\\\n\"} 65536\n") != NULL);
        CHECK(strstr(prom, "zslab_group_refused_total{group=\"10\"") != NULL);
        free(json);
        free(prom);
    }
    test_destroy(z);
}

/* Both texts say of each of many groups what zslab_stats_group says of it, large objects and what was freed included,
   by the one walk that serves them all. */
static void live_bytes_in_the_texts(const test_mode *m)
{
    enum { GROUPS = 60 };
    static char json[200000], prom[400000];
    char line[160];
    zslab *z = test_open(m, NULL);
    zslab_group *g[GROUPS];
    size_t i, n;
    for (i = 0; i < GROUPS; i++) {
        MUST(g[i] = group(z, "g", 0, 0, 0));
        zslab_epoch e = i % 7 ? open_in(z, g[i], 0, 0) : 0;
        for (n = 0; e && n < i * 3; n++) {
            void *p = zslab_malloc_epoch(z, n % 20 ? 40 : i % 4 ? 500 : 3 * C, e);
            MUST(p);
            if (n % 3 == 0) CHECK_IS(zslab_free(z, p), ZSLAB_OK);
        }
    }
    MUST(zslab_stats_json(z, json, sizeof json) < sizeof json);
    MUST(zslab_stats_prometheus(z, prom, sizeof prom) < sizeof prom);
    for (i = 0; i < GROUPS; i++) {
        zslab_group_stats s = of(g[i]);
        CHECK((s.live_bytes != 0) == (i % 7 != 0));
        snprintf(line, sizeof line, "\"group\": %u, \"epochs\": %d, \"committed_bytes\": %llu, \"live_bytes\": %llu,",
                 (unsigned)i + 1, i % 7 != 0, (unsigned long long)s.committed_bytes, (unsigned long long)s.live_bytes);
        CHECK(strstr(json, line) != NULL);
        snprintf(line, sizeof line, "zslab_group_live_bytes{group=\"%u\",label=\"g\"} %llu\n", (unsigned)i + 1,
                 (unsigned long long)s.live_bytes);
        CHECK(strstr(prom, line) != NULL);
    }
    test_destroy(z);
}

/* ---- sums ---- */

/* Epochs of four groups and of none take, free, are closed, reset and released, objects of all sizes among them: what
   the groups hold adds up to what is committed and assigned, at every step, by zslab_check. */
static void sums_add_up(const test_mode *m)
{
    enum { EPOCHS = 10, OBJECTS = 3000 };
    static void *p[OBJECTS];
    zslab *z = test_open(m, NULL);
    zslab_group *g[4];
    zslab_epoch e[EPOCHS] = {0};
    uint64_t r = 11;
    int i, step;
    memset(p, 0, sizeof p);
    for (i = 0; i < 4; i++) MUST(g[i] = group(z, "g", 0, 0, i == 3 ? 8 * C : 0));
    for (step = 0; step < 1200; step++) {
        size_t k = (size_t)test_random(&r) % EPOCHS, n;
        if (!e[k]) e[k] = open_in(z, test_random(&r) % 5 ? g[k & 3] : NULL, test_random(&r) & 1, 0);
        for (n = 0; n < 60; n++) {
            size_t at = (size_t)test_random(&r) % OBJECTS;
            size_t size = (size_t)(test_random(&r) % 30 ? test_random(&r) % 3000 : test_random(&r) % (3 * C)) + 1;
            if (p[at]) zslab_free(z, p[at]); /* its epoch may have ended: stale, or another's by now */
            p[at] = NULL;
            if (test_random(&r) & 1)
                p[at] = zslab_malloc_epoch(z, size, e[k]);
            else if (p[(at + 1) % OBJECTS] && zslab_epoch_of(z, p[(at + 1) % OBJECTS]) &&
                     (p[at] = zslab_realloc(z, p[(at + 1) % OBJECTS], size)) != NULL)
                p[(at + 1) % OBJECTS] = NULL;
        }
        switch (test_random(&r) % 12) {
        case 0:
            zslab_epoch_release(z, e[k]), e[k] = 0;
            break;
        case 1:
            zslab_epoch_close(z, e[k]), e[k] = 0;
            break;
        case 2:
            zslab_epoch_reset(z, e[k]);
            break;
        case 3:
            zslab_trim(z);
            break;
        default:
            break;
        }
        CHECK_IS(zslab_check(z, NULL, NULL), ZSLAB_OK); /* [BUDGET-1] to [BUDGET-4] from the records */
        for (i = 0, n = 0; i < 4; i++) n += (size_t)of(g[i]).committed_bytes;
        CHECK(n <= global(z).committed_bytes);
    }
    test_destroy(z);
}

/* ---- limits ---- */
static int told;
static zslab_group *told_group;
static void pressure(void *user, zslab *z, zslab_group *g, size_t bytes, size_t limit)
{
    (void)user, (void)z;
    CHECK(bytes > limit);
    told++;
    told_group = g;
}

static void one_group_is_refused(const test_mode *m)
{
    zslab_config c = {0};
    zslab *z;
    zslab_group *a, *b;
    zslab_epoch ea, eb;
    size_t n;
    c.on_pressure = pressure;
    z = test_open(m, &c);
    MUST(a = group(z, "greedy", 4 * C, 8 * C, 0));
    MUST(b = group(z, "modest", 0, 4 * C, 0));
    MUST(ea = open_in(z, a, 0, 0));
    MUST(eb = open_in(z, b, 0, 0));
    told = 0;
    n = fill(z, ea, 1000, 100000);
    CHECK(zslab_last_error() == ZSLAB_E_LIMIT && n >= 7 * (C / 1024) && of(a).committed_bytes <= 8 * C);
    CHECK(told == 1 && told_group == a && of(a).refused == 1);
    CHECK_FAILS(zslab_malloc_epoch(z, 3 * C, ea), ZSLAB_E_LIMIT);
    CHECK_FAILS(zslab_handle_alloc(z, 3 * C, ea, NULL), ZSLAB_E_LIMIT);
    CHECK(of(a).refused == 3);
    CHECK(zslab_malloc_epoch(z, 1000, eb) && zslab_malloc_epoch(z, 2 * C, eb) && zslab_malloc(z, 1000));
    CHECK_IS(zslab_group_set_limits(a, 0, 12 * C), ZSLAB_OK);
    CHECK(fill(z, ea, 1000, 100000) >= 3 * (C / 1024) && of(a).committed_bytes <= 12 * C);
    CHECK_IS(zslab_epoch_reset(z, ea), ZSLAB_OK);
    CHECK(of(a).committed_bytes == 0);
    CHECK(fill(z, ea, 1000, 100000) >= 11 * (C / 1024) && of(a).committed_bytes <= 12 * C);
    CHECK_IS(zslab_check(z, NULL, NULL), ZSLAB_OK);
    test_destroy(z);
}

static void count_end(void *user, zslab *z, zslab_epoch e, zslab_end why)
{
    (void)z, (void)e, (void)why;
    ++*(int *)user;
}

/* A limit below what is committed: what takes none of it is served, bookkeeping of domains, handles and endings too. */
static void less_than_it_has(const test_mode *m)
{
    static int ends;
    zslab *z = test_open(m, NULL);
    zslab_epoch_config c = {0};
    zslab_domain *d;
    zslab_epoch e;
    MUST(c.group = group(z, "shrunk", 0, 0, 0));
    MUST((e = open_in(z, c.group, 0, 0)) && zslab_malloc_epoch(z, 1000, e) && zslab_malloc_epoch(z, 3 * C, e));
    CHECK_IS(zslab_group_set_limits(c.group, 0, C), ZSLAB_OK);
    CHECK_FAILS(zslab_malloc_epoch(z, 3 * C, e), ZSLAB_E_LIMIT);
    CHECK(zslab_handle_alloc(z, 1000, e, NULL) != 0);
    CHECK_IS(zslab_epoch_on_end(z, e, count_end, &ends), ZSLAB_OK);
    MUST((d = zslab_domain_create_with(z, &c)) != NULL);
    CHECK_IS(zslab_domain_enter(d), ZSLAB_OK);
    CHECK_FAILS(zslab_malloc_epoch(z, 100, zslab_domain_epoch(d)), ZSLAB_E_LIMIT);
    CHECK_IS(zslab_domain_exit(d), ZSLAB_OK);
    CHECK_IS(zslab_domain_destroy(d), ZSLAB_OK);
    CHECK_IS(zslab_epoch_release(z, e), ZSLAB_OK);
    CHECK(ends == 1 && of(c.group).committed_bytes == 0);
    ends = 0;
    test_destroy(z);
}

/* A thread sleeps with empty chunks of two groups. The refusal of one takes that group's and leaves the other's. */
static zslab_epoch sleep_in[2];
static uint32_t sleep_now, sleep_over;
static void *use_both_and_sleep(void *arg)
{
    static void *p[2][4 * C / 1024];
    zslab *z = (zslab *)arg;
    size_t i, n;
    for (i = 0; i < 2; i++) {
        for (n = 0; n < sizeof p[i] / sizeof p[i][0]; n++) MUST(p[i][n] = zslab_malloc_epoch(z, 1000, sleep_in[i]));
        for (n = 0; n < sizeof p[i] / sizeof p[i][0]; n++) CHECK_IS(zslab_free(z, p[i][n]), ZSLAB_OK);
    }
    zs__store_rel_u32(&sleep_now, 1);
    while (!zs__load_acq_u32(&sleep_over)) zs__os_yield();
    return NULL;
}

static void a_refusal_leaves_others_alone(void)
{
    zslab *z = test_create(NULL);
    zslab_group *greedy = group(z, "greedy", 0, 8 * C, 0), *modest = group(z, "modest", 0, 8 * C, 0);
    size_t held, n;
    pthread_t t;
    MUST(greedy && modest);
    MUST(sleep_in[0] = open_in(z, modest, 0, 0));
    MUST(sleep_in[1] = open_in(z, greedy, 0, 0));
    sleep_now = sleep_over = 0;
    MUST(!pthread_create(&t, NULL, use_both_and_sleep, z));
    while (!zs__load_acq_u32(&sleep_now)) zs__os_yield();
    held = (size_t)of(modest).committed_bytes;
    n = fill(z, sleep_in[1], 2000, 100000);
    CHECK(held >= 2 * C && of(greedy).refused == 1);
    CHECK(n >= 7 * (C / 2048));               /* all but a chunk that the sleeper may keep */
    CHECK(of(modest).committed_bytes < held); /* there was a chunk to take, and so all were asked */
    held = (size_t)of(modest).committed_bytes;
    for (n = 0; n < 100; n++) CHECK_FAILS(zslab_malloc_epoch(z, 2000, sleep_in[1]), ZSLAB_E_LIMIT);
    CHECK(of(modest).committed_bytes == held);
    zs__store_rel_u32(&sleep_over, 1);
    pthread_join(t, NULL);
    test_destroy(z);
}

/* ---- guarantees ---- */
static void a_guarantee_is_kept(const test_mode *m)
{
    zslab *z = test_open(m, NULL);
    zslab_group *a;
    zslab_epoch e;
    size_t limit, round;
    MUST(zslab_malloc(z, 64));
    limit = (size_t)(global(z).committed_bytes + global(z).metadata_bytes) + 40 * C;
    CHECK_IS(zslab_set_limits(z, 0, limit), ZSLAB_OK);
    CHECK_FAILS(group(z, "too much", 0, 0, 50 * C), ZSLAB_E_LIMIT);
    MUST(a = group(z, "guaranteed", 0, 0, 20 * C));
    CHECK_FAILS(group(z, "too much beside it", 0, 0, 30 * C), ZSLAB_E_LIMIT);
    for (round = 0; round < 3; round++) {
        zslab_epoch others = zslab_epoch_open(z, NULL);
        size_t n = fill(z, others, C - 100, 1000);
        CHECK(zslab_last_error() == ZSLAB_E_LIMIT || m->in_buffer);
        CHECK(n <= 20);
        MUST(e = open_in(z, a, 0, 0));
        n = fill(z, e, C - 100, 20);
        CHECK(n >= 19); /* but for what metadata takes */
        CHECK(global(z).committed_bytes + global(z).metadata_bytes <= limit);
        CHECK_IS(zslab_check(z, NULL, NULL), ZSLAB_OK);
        CHECK_IS(zslab_epoch_release(z, e), ZSLAB_OK);
        CHECK_IS(zslab_epoch_release(z, others), ZSLAB_OK);
    }
    CHECK_IS(zslab_group_destroy(a), ZSLAB_OK);
    CHECK(fill(z, zslab_epoch_open(z, NULL), C - 100, 1000) > 30);
    test_destroy(z);
}

/* Others have filled the rest: the group still gets all of it, from its first object on, in any class and by a thread
   without a heap; its own metadata comes out of the guarantee. */
typedef struct tenant_run {
    zslab *z;
    zslab_epoch e;
    size_t bytes;
    uint32_t how; /* which call is the thread's first */
    uint32_t refused;
} tenant_run;

static void *tenant(void *user)
{
    static const size_t size[] = {16, 100, 500, 2000, 8192, 20000, 24};
    tenant_run *t = (tenant_run *)user;
    size_t i, got = 0;
    zslab_domain *d = NULL;
    if (t->how == 1) {
        CHECK((d = zslab_domain_wrap(t->z, t->e, ZSLAB_ON_EXIT_KEEP)) != NULL);
        t->refused += !d || zslab_domain_enter(d) != ZSLAB_OK;
    } else if (t->how == 2) {
        t->refused += zslab_reserve_for(t->z, NULL, t->e, 100, 10) != ZSLAB_OK;
    }
    for (i = 0; got < t->bytes && !t->refused; i++) {
        void *p = NULL;
        if (i % 7 == 6)
            zslab_handle_alloc(t->z, size[6], t->e, &p);
        else
            p = d && !zs__own(t->z)->shared ? zslab_malloc(t->z, size[i % 7])
                                            : zslab_malloc_epoch(t->z, size[i % 7], t->e);
        t->refused += !p;
        got += size[i % 7];
    }
    if (d) {
        CHECK_IS(zslab_domain_exit(d), ZSLAB_OK);
        CHECK_IS(zslab_domain_destroy(d), ZSLAB_OK);
    }
    return NULL;
}

static void from_the_first_object_on(const test_mode *m)
{
    zslab *z = test_open(m, NULL);
    zslab_group *g;
    uint32_t round;
    size_t limit;
    MUST(zslab_malloc(z, 64));
    limit = (size_t)(global(z).committed_bytes + global(z).metadata_bytes) + 80 * C;
    CHECK_IS(zslab_set_limits(z, 0, limit), ZSLAB_OK);
    MUST(g = group(z, "guaranteed", 0, 0, 40 * C));
    for (round = 0; round < 6; round++) {
        zslab_epoch others = zslab_epoch_open(z, NULL);
        tenant_run t = {z, ZSLAB_EPOCH_NONE, 30 * C, round % 3, 0};
        pthread_t thread;
        fill(z, others, round < 3 ? 1000 : 30000, 100000);
        fill(z, others, 16, 100000);
        CHECK(zslab_last_error() == ZSLAB_E_LIMIT || m->in_buffer);
        MUST(t.e = open_in(z, g, 0, 0));
        pthread_create(&thread, NULL, tenant, &t);
        pthread_join(thread, NULL);
        CHECK(!t.refused && of(g).refused == 0);
        CHECK(global(z).committed_bytes + global(z).metadata_bytes <= limit);
        CHECK_IS(zslab_check(z, NULL, NULL), ZSLAB_OK);
        CHECK_IS(zslab_epoch_release(z, t.e), ZSLAB_OK);
        CHECK_IS(zslab_epoch_release(z, others), ZSLAB_OK);
        CHECK_IS(zslab_check(z, NULL, NULL), ZSLAB_OK);
    }
    CHECK_IS(zslab_group_destroy(g), ZSLAB_OK);
    test_destroy(z);
}

/* Metadata that goes back while the epoch lives is in the guarantee again, however often. */
static void metadata_comes_back_to_it(const test_mode *m)
{
    enum { MANY = 40000 };
    static zslab_handle h[MANY];
    zslab_config c = {0};
    zslab *z;
    zslab_group *g;
    zslab_epoch e;
    size_t i, round, covered = 0;
    c.cache_bytes = ZSLAB_CACHE_NONE;
    z = test_open(m, &c);
    MUST(g = group(z, "guaranteed", 0, 0, 64 * C));
    MUST(e = open_in(z, g, 0, 0));
    for (round = 0; round < 10; round++) {
        for (i = 0; i < MANY; i++) MUST(h[i] = zslab_handle_alloc(z, round & 1 ? 16 : 48, e, NULL));
        covered = round < 4 && zs__load_ptr(&g->covered) > covered ? zs__load_ptr(&g->covered) : covered;
        CHECK(zs__load_ptr(&g->covered) <= covered + C);
        for (i = 0; i < MANY; i++) CHECK_IS(zslab_handle_free(z, h[i]), ZSLAB_OK);
        zslab_trim(z);
    }
    CHECK_IS(zslab_check(z, NULL, NULL), ZSLAB_OK);
    CHECK_IS(zslab_epoch_reset(z, e), ZSLAB_OK);
    CHECK(g->covered == 0);
    CHECK_IS(zslab_epoch_release(z, e), ZSLAB_OK);
    CHECK_IS(zslab_check(z, NULL, NULL), ZSLAB_OK);
    test_destroy(z);
}

/* Two threads at the edge, one in a group within its guarantee, one that takes all it can get: the first is never
   refused, and never is more counted than the limit. */
enum { EDGE = 8 };
static zslab *edge_z;
static zslab_group *edge_g;
static size_t edge_limit;
static uint32_t edge_over;
static void *greedy(void *unused)
{
    while (!zs__load_u32(&edge_over)) {
        zslab_epoch e = zslab_epoch_open(edge_z, NULL);
        size_t n = fill(edge_z, e, C + 100, 1000);
        CHECK(n <= 44); /* a chunk and a page each */
        CHECK(zs__load_ptr(&zs__own(edge_z)->used_bytes) <= edge_limit);
        CHECK_IS(zslab_epoch_release(edge_z, e), ZSLAB_OK);
        zslab_trim(edge_z);
    }
    return unused;
}

static void two_at_the_edge(int rounds)
{
    zslab_config c = {0};
    pthread_t t;
    int round;
    c.reclaim = ZSLAB_RECLAIM_RSS;
    edge_z = test_create(&c);
    edge_over = 0;
    zslab_free(edge_z, zslab_malloc(edge_z, C + 100));
    edge_limit = (size_t)global(edge_z).metadata_bytes + 60 * C;
    CHECK_IS(zslab_set_limits(edge_z, 0, edge_limit), ZSLAB_OK);
    MUST(edge_g = group(edge_z, "edge", 0, 0, 2 * EDGE * C));
    pthread_create(&t, NULL, greedy, NULL);
    for (round = 0; round < rounds; round++) {
        zslab_epoch e = open_in(edge_z, edge_g, 0, 0);
        CHECK(fill(edge_z, e, C + 100, EDGE) == EDGE);
        CHECK_IS(zslab_epoch_release(edge_z, e), ZSLAB_OK);
    }
    zs__store_u32(&edge_over, 1);
    pthread_join(t, NULL);
    CHECK_IS(zslab_check(edge_z, NULL, NULL), ZSLAB_OK);
    CHECK(of(edge_g).refused == 0);
    test_destroy(edge_z);
}

/* ---- discarding ---- */
static int ended;
static zslab_epoch ended_epoch;
static void on_end(void *user, zslab *z, zslab_epoch e, zslab_end why)
{
    (void)user, (void)z;
    CHECK(why == ZSLAB_END_DISCARDED || why == ZSLAB_END_DESTROY);
    ended += why == ZSLAB_END_DISCARDED;
    ended_epoch = e;
}

static void the_oldest_goes(const test_mode *m)
{
    zslab *z = test_open(m, NULL);
    zslab_group *g, *other;
    zslab_epoch e[6], apart, child;
    zslab_domain *d;
    size_t i, charge;
    void *p;
    zslab_handle h[6];
    MUST(g = group(z, "cache", 0, 0, 0));
    MUST(other = group(z, "other", 0, 0, 0));
    MUST(apart = open_in(z, other, ZSLAB_EPOCH_DISCARDABLE, 0));
    MUST(zslab_malloc_epoch(z, 1000, apart));
    for (i = 0; i < 6; i++) {
        MUST(e[i] = open_in(z, g, i == 1 ? 0 : ZSLAB_EPOCH_DISCARDABLE, 0));
        MUST(h[i] = zslab_handle_alloc(z, 1000, e[i], &p));
        CHECK_IS(zslab_epoch_on_end(z, e[i], on_end, NULL), ZSLAB_OK);
    }
    charge = (size_t)of(g).committed_bytes;
    CHECK(charge == 6 * C);
    ended = 0;
    CHECK(zslab_discard_oldest(z, g, 1) == C && ended == 1 && ended_epoch == e[0]);
    CHECK(!zslab_handle_get(z, h[0]) && zslab_handle_get(z, h[1]) && of(g).committed_bytes == 5 * C);
    MUST(d = zslab_domain_wrap(z, e[2], ZSLAB_ON_EXIT_KEEP));
    CHECK_IS(zslab_domain_enter(d), ZSLAB_OK);
    MUST(child = open_in(z, NULL, 0, e[3]));
    MUST(zslab_malloc_epoch(z, 3 * C, child));
    /* e[1] may not, e[2] is entered */
    CHECK(zslab_discard_oldest(z, g, 1) == 4 * C && ended == 2 && ended_epoch == e[3]);
    CHECK(zslab_epoch_state_of(z, child) == ZSLAB_EPOCH_CLOSED);
    CHECK(zslab_discard_oldest(z, g, 100 * C) == 2 * C && ended == 4 && ended_epoch == e[5]);
    CHECK(zslab_discard_oldest(z, g, 1) == 0);
    CHECK_IS(zslab_domain_exit(d), ZSLAB_OK);
    CHECK(zslab_discard_oldest(z, NULL, 1) == C && zslab_epoch_state_of(z, apart) == ZSLAB_EPOCH_CLOSED);
    CHECK(zslab_discard_oldest(z, NULL, 1) == C && ended == 5 && ended_epoch == e[2]); /* a domain nobody is in */
    CHECK_IS(zslab_domain_destroy(d), ZSLAB_OK);
    CHECK(of(g).discarded_epochs == 5 && of(g).discarded_bytes == 8 * C && of(other).discarded_epochs == 1);
    CHECK_IS(zslab_check(z, NULL, NULL), ZSLAB_OK);
    test_destroy(z);
}

/* A cache of generations twice its limit: never a refusal, never more than the limit, the oldest goes first. By a
   group's limit and by the allocator's. */
static void a_cache_within_its_limit(const test_mode *m)
{
    enum { GENERATIONS = 40 };
    int by_group, step;
    for (by_group = 0; by_group < 2; by_group++) {
        zslab *z = test_open(m, NULL);
        zslab_group *g = group(z, "cache", 0, by_group ? 16 * C : 0, 0);
        zslab_epoch generation[GENERATIONS], current = zslab_epoch_open(z, "kept");
        uint64_t r = 5;
        int oldest = 0;
        zslab_handle kept = zslab_handle_alloc(z, 100, current, NULL);
        if (!by_group) test_limit_chunks(z, 17);
        for (step = 0; step < GENERATIONS; step++) {
            size_t n;
            MUST(generation[step] = open_in(z, by_group ? g : NULL, ZSLAB_EPOCH_DISCARDABLE, 0));
            for (n = 0; n < 2 * C / 512; n++) {
                size_t size = n % 200 ? (size_t)(test_random(&r) % 3) * 400 + 50 : 2 * C + 1;
                CHECK(zslab_handle_alloc(z, size, generation[step], NULL) != 0);
            }
            CHECK(!by_group || of(g).committed_bytes <= 16 * C);
            while (oldest < step && zslab_epoch_state_of(z, generation[oldest]) == ZSLAB_EPOCH_CLOSED) oldest++;
            for (n = (size_t)oldest; n <= (size_t)step; n++)
                CHECK(zslab_epoch_state_of(z, generation[n]) == ZSLAB_EPOCH_ACTIVE);
        }
        CHECK(oldest > 10 && zslab_handle_get(z, kept) != NULL);
        CHECK(!by_group || (of(g).discarded_epochs == (uint64_t)oldest && of(g).refused == 0));
        CHECK_IS(zslab_check(z, NULL, NULL), ZSLAB_OK);
        test_destroy(z);
    }
}

/* In the child of a fork, made while others take and free, all of it is counted again. */
#if TEST_UNIX && !TEST_TSAN
#include <sys/wait.h>
#include <unistd.h>
static void *busy(void *over)
{
    while (!zs__load_u32((uint32_t *)over)) {
        zslab_epoch e = open_in(edge_z, edge_g, 0, 0);
        fill(edge_z, e, 3000, 200);
        zslab_epoch_release(edge_z, e);
    }
    return NULL;
}

static void a_child_counts_again(const test_mode *m)
{
    pthread_t t;
    uint32_t over = 0;
    int i, status;
    zslab_epoch e;
    edge_z = test_open(m, NULL);
    MUST(edge_g = group(edge_z, "forked", 0, 0, 10 * C));
    MUST(e = open_in(edge_z, edge_g, 0, 0));
    fill(edge_z, e, 1000, 100);
    pthread_create(&t, NULL, busy, &over);
    for (i = 0; i < 10; i++) {
        pid_t child = fork();
        if (!child) {
            int right = zslab_check(edge_z, NULL, NULL) == ZSLAB_OK && zslab_malloc_epoch(edge_z, 1000, e) &&
                        of(edge_g).committed_bytes >= C && zslab_epoch_release(edge_z, e) == ZSLAB_OK &&
                        zslab_check(edge_z, NULL, NULL) == ZSLAB_OK;
            _exit(right ? 0 : 1);
        }
        MUST(child > 0 && waitpid(child, &status, 0) == child);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    zs__store_u32(&over, 1);
    pthread_join(t, NULL);
    test_destroy(edge_z);
}
#else
static void a_child_counts_again(const test_mode *m) { (void)m; }
#endif

/* What a refusal goes by at a glance is what each state says. */
static void a_glance_is_right(const test_mode *m)
{
    zslab *z = test_open(m, NULL);
    size_t slab = (size_t)(zs__slot_state(zs__own(z), zslab_malloc(z, 64)) - zs__own(z)->states) / 64;
    uint8_t *states = zs__own(z)->states + slab * 64, was[64];
    uint64_t seed = 1;
    uint32_t i, turn;
    memcpy(was, states, sizeof was);
    for (turn = 0; turn < 200; turn++) {
        for (i = 0; i < 64; i++) states[i] = (uint8_t)(test_random(&seed) % 8);
        CHECK(zs__slab_seems_live(zs__own(z), (uint32_t)slab, ~(uint64_t)0) ==
              zs__slab_live(zs__own(z), (uint32_t)slab, ~(uint64_t)0));
    }
    memcpy(states, was, sizeof was);
    test_destroy(z);
}

int main(int argc, char **argv)
{
    two_at_the_edge(argc > 1 ? atoi(argv[1]) : 300);
    if (argc > 1) /* that alone */
        return test_summary("test_group");
    ten_thousand();
    a_refusal_leaves_others_alone();
    TEST_EACH_MODE(m)
    {
        made_and_ended(m);
        live_bytes_in_the_texts(m);
        sums_add_up(m);
        one_group_is_refused(m);
        a_glance_is_right(m);
        less_than_it_has(m);
        if (!m->in_buffer) {
            a_guarantee_is_kept(m);
            from_the_first_object_on(m);
        }
        metadata_comes_back_to_it(m);
        the_oldest_goes(m);
        a_child_counts_again(m);
        a_cache_within_its_limit(m);
    }
    return test_summary("test_group");
}
