/* build: -lm */
/* A day's worth of mixed large sizes: 60 % of a range live, a random one goes for each that comes, and each is served,
   in at most 1.55 of the address space that what lives takes; under a limit, in at most 1.05 of its memory. Half of the
   bytes that live are in some 40 objects: wherever spans are taken from (best fit, first fit, from both ends, sizes
   rounded), the worst moment of a day asks for 1.4 to 1.5 of the space. Chunks add 0.01 to that.
     test_fragment [replacements]   the day: 10000000 */
#include "tests/lib/test.h"
#include <math.h>

enum { LIVE_MOST = 1 << 14 };
static struct {
    void *p;
    size_t bytes;
} live[LIVE_MOST];

/* Log-normal, 8 KiB to 32 MiB, 512 KiB in the middle. The sum of twelve is near normal, and everywhere the same. */
static size_t some_size(uint64_t *seed)
{
    double normal = -6;
    size_t bytes;
    int i;
    for (i = 0; i < 12; i++) normal += (double)(test_random(seed) >> 11) / 9007199254740992.0;
    bytes = (size_t)(524288 * exp(1.386 * normal)); /* three of them are a factor of 64 */
    return bytes < 8192 ? 8192 : bytes > (size_t)32 << 20 ? (size_t)32 << 20 : bytes;
}

static size_t pages_of(size_t bytes) { return (bytes + 4095) & ~(size_t)4095; }

static void day(uint64_t replacements, size_t hundredths) /* of what lives: a limit; 0: there is none */
{
    const size_t range = (size_t)1 << 30, most = range / 10 * 6;
    zslab_config c = {0};
    zslab_global_stats s;
    zslab *z;
    uint64_t seed = 1, done, refused = 0;
    size_t count = 0, bytes = 0, peak = 0, high;
    c.reserve_bytes = range;
    c.limit_bytes = most / 100 * hundredths;
    MUST((z = zslab_create(&c)) != NULL);
    for (done = 0; done < replacements; done++) {
        size_t size = some_size(&seed), k;
        while (count && (bytes + pages_of(size) > most || count == LIVE_MOST)) {
            k = (size_t)(test_random(&seed) % count);
            CHECK_IS(zslab_free(z, live[k].p), ZSLAB_OK);
            bytes -= pages_of(live[k].bytes);
            live[k] = live[--count];
        }
        live[count].p = zslab_malloc(z, size);
        live[count].bytes = size;
        refused += !live[count].p;
        if (!live[count].p) continue;
        bytes += pages_of(size);
        peak = bytes > peak ? bytes : peak;
        count++;
    }
    high = (size_t)zs__own(z)->fresh_chunk * ZS__CHUNK_BYTES;
    zslab_stats_global(z, &s);
    printf("%llu replacements, %llu refused; high water %.3f, memory %.3f of %.1f MiB live\n",
           (unsigned long long)replacements, (unsigned long long)refused, (double)high / (double)peak,
           (double)(s.committed_bytes + s.metadata_bytes) / (double)peak, (double)peak / (1 << 20));
    CHECK(refused == 0);
    CHECK(high <= peak / 20 * 31);
    CHECK(!hundredths || s.committed_bytes + s.metadata_bytes <= c.limit_bytes);
    CHECK_IS(zslab_check(z, NULL, NULL), ZSLAB_OK);
    while (count--) CHECK_IS(zslab_free(z, live[count].p), ZSLAB_OK);
    zslab_destroy(z);
}

int main(int argc, char **argv)
{
    const uint64_t replacements = test_amount(argc, argv, 60000);
    if (sizeof(void *) < 8 || TEST_EMULATED) return test_skip("a range of 1 GiB");
    day(replacements, 0);
    day(replacements, 105);
    return test_summary("test_fragment");
}
