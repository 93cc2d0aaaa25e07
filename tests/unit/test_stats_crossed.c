/* cas_retries: claims of shared mode that another one crosses, a known number of times. The other comes between the
   look at the word and the exchange (crossed.h), and takes the very slot. */
#define ZS__ATOMICS_INCLUDE "tests/lib/crossed.h"
#include "tests/lib/test.h"

static struct {
    zslab *z;
    int left;              /* claims still to be crossed */
    int inside;
    void *taken[100];
    size_t count;
} other;

static void crossed_by(void)
{
    if (!other.left || other.inside)
        return;
    other.left--;
    other.inside = 1;
    MUST(other.taken[other.count++] = zslab_malloc(other.z, 64));
    other.inside = 0;
}

int main(void)
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
    return test_summary("test_stats_crossed");
}
