/* What does it cost to look? Microseconds of each zslab_stats_* call with 10,000 and with 1,000,000 objects alive.
     bench_stats [calls]
   Good: a snapshot of a big heap in less than a millisecond, so that it can be taken every second; a pool's in
   nanoseconds. Prints lines "<call>_<objects> <us>": the median of the calls. */
#define _GNU_SOURCE
#define ZSLAB_STATIC 1
#define ZSLAB_IMPLEMENTATION
#include "zslab.h"
#include "bench/measure.h"

enum { CALLS_MAX = 1000, TEXT = 1 << 20 };

static zslab *z;
static zslab_pool *pool;
static zslab_epoch epoch;
static size_t a_class;
static char text[TEXT];

static void global(void)
{
    zslab_global_stats s;
    zslab_stats_global(z, &s);
}

static void one_class(void)
{
    zslab_class_stats s;
    (void)zslab_stats_class(z, a_class, &s);
}

static void one_epoch(void)
{
    zslab_epoch_stats s;
    (void)zslab_stats_epoch(z, a_class, epoch, &s);
}

static void perf(void)
{
    zslab_perf p;
    (void)zslab_perf_counters(z, a_class, &p);
}

static void json(void) { (void)zslab_stats_json(z, text, sizeof text); }

static void prometheus(void) { (void)zslab_stats_prometheus(z, text, sizeof text); }

static void of_pool(void)
{
    zslab_pool_stats s;
    zslab_stats_pool(pool, &s);
}

static const struct {
    const char *name;
    void (*call)(void);
} calls[] = {{"global", global}, {"class", one_class},       {"epoch", one_epoch}, {"perf", perf},
             {"json", json},     {"prometheus", prometheus}, {"pool", of_pool}};

static void measure(const char *objects, int times)
{
    static double us[CALLS_MAX];
    for (size_t c = 0; c < sizeof calls / sizeof calls[0]; c++) {
        for (int i = -1; i < times; i++) { /* the first one warms up */
            double begin = clock_ns(CLOCK_THREAD_CPUTIME_ID);
            for (int k = 0; k < 8; k++) calls[c].call();
            us[i < 0 ? 0 : i] = (clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin) / 8000;
        }
        printf("%s_%s %.3f\n", calls[c].name, objects, spread_of(us, times).median);
    }
}

static void fill(size_t objects)
{
    for (size_t i = 0; i < objects; i++) {
        if (!zslab_malloc_epoch(z, 16 + i * 37 % 496, epoch)) die(zslab_result_name(zslab_last_error()));
    }
}

int main(int argc, char **argv)
{
    int times = argc > 1 ? atoi(argv[1]) : 20;
    if (times < 1 || times > CALLS_MAX) {
        fprintf(stderr, "usage: %s [calls, 1 to %d]\n", argv[0], CALLS_MAX);
        return 2;
    }
    z = zslab_create(NULL);
    pool = zslab_pool_create(NULL);
    if (!z || !pool) die(zslab_result_name(zslab_last_error()));
    epoch = zslab_epoch_open(z, "stats");
    a_class = zslab_size_class_of(z, 64);
    fill(10000);
    measure("10k", times);
    fill(990000);
    measure("1m", times);
    zslab_pool_destroy(pool);
    zslab_destroy(z);
    return 0;
}
