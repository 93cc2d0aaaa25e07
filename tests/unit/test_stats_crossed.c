/* Statistics that others cross at a chosen step (crossed.h). cas_retries: claims of shared mode, the other comes
   between the look at the word and the exchange, and takes the very slot. A class's figures: a chunk changes epoch. */
#define ZS__ATOMICS_INCLUDE "tests/lib/crossed.h"
#include "tests/lib/test.h"

static struct {
    zslab *z;
    int left; /* claims still to be crossed */
    int inside;
    void *taken[100];
    size_t count;
} other;

static void crossed_by(void)
{
    if (!other.left || other.inside) return;
    other.left--;
    other.inside = 1;
    MUST(other.taken[other.count++] = zslab_malloc(other.z, 64));
    other.inside = 0;
}

/* ---- a chunk bound anew at the n-th load of a walk over it ---- */
enum { OBJECTS = 1000 };
static struct {
    zslab *z;
    zslab_epoch ends, next;
    const zs__chunk *chunk;
    uint64_t made;
    long at; /* loads until then; 0: no more */
} meanwhile;

static void looked_by(void)
{
    uint64_t stamp;
    if (!meanwhile.at || --meanwhile.at) return;
    stamp = meanwhile.chunk->stamp;
    CHECK_IS(zslab_epoch_release(meanwhile.z, meanwhile.ends), ZSLAB_OK);
    while (meanwhile.chunk->stamp == stamp || !meanwhile.chunk->stamp) {
        MUST(zslab_malloc_epoch(meanwhile.z, 64, meanwhile.next));
        meanwhile.made++;
    }
}

/* Live objects are those before the release, or some of those after it: a chunk counts as what it was or not at all.
   [STATS-1] */
static int bound_anew(uint32_t flags, long at)
{
    zslab_config c = {0};
    zslab_class_stats k;
    char *p = NULL;
    int i, crossed;
    c.flags = flags;
    zslab *z = meanwhile.z = test_create(&c);
    meanwhile.ends = zslab_epoch_open(z, "ends");
    meanwhile.next = zslab_epoch_open(z, "next");
    meanwhile.made = 0;
    for (i = 0; i < OBJECTS; i++) MUST(p = (char *)zslab_malloc_epoch(z, 64, meanwhile.ends));
    meanwhile.chunk = &z->chunks[(size_t)(p - z->base) >> ZSLAB_CHUNK_SHIFT];
    meanwhile.at = at;
    CHECK_IS(zslab_stats_class(z, zslab_size_class_of(z, 64), &k), ZSLAB_OK);
    crossed = !meanwhile.at;
    meanwhile.at = 0;
    CHECK(meanwhile.made < 64 && (k.live_objects == OBJECTS || k.live_objects <= meanwhile.made));
    test_destroy(z);
    return crossed;
}

static void retries_are_counted(void)
{
    zslab_config c = {0};
    zslab_global_stats g;
    zslab_class_stats k;
    int times;
    c.flags = ZSLAB_FLAG_SHARED;
    zslab *z = other.z = test_create(&c);
    void *p = zslab_malloc(z, 64);
    size_t cls = zslab_size_class_of(z, 64), expected = 0;
    MUST(p);
    for (times = 0; times < 5; times++) { /* one claim crossed so many times */
        void *q;
        other.left = times;
        MUST(q = zslab_malloc(z, 64));
        CHECK(other.left == 0);
        expected += (size_t)times;
        zslab_stats_global(z, &g);
        MUST(zslab_stats_class(z, cls, &k) == ZSLAB_OK);
        CHECK(g.cas_retries == expected && k.cas_retries == expected);
        CHECK(g.live_objects == 2 + (size_t)times + expected && other.count == expected);
    }
    CHECK(zslab_free_batch(z, other.taken, other.count) == other.count);
    test_destroy(z);
}

int main(void)
{
    long at = 1;
    retries_are_counted();
    while (bound_anew(0, at)) /* at each load of the walk */
        at++;
    CHECK(at > 64);
    for (at = 1; bound_anew(ZSLAB_FLAG_SHARED, at); at++)
        ;
    return test_summary("test_stats_crossed");
}
