/* What does it cost to drop every object of an epoch at once?
   For 1,000 to 1,000,000 objects of 64 bytes: the release call alone, the reset call alone, and allocate +
   release per object against a bump arena that does the same writes; with the latency policy, which keeps the
   pages. Rounds are interleaved; figures are medians with 5 and 95 %. Last, the release of 100,000 objects and
   10,000 that are larger than every class.
   Good: a release under 1 us for 100,000 objects, under 2 us with the large ones, an object at most 1.2 of the arena's.
     bench_epochs [-r rounds] [-o file.csv] */
#define _GNU_SOURCE
#define ZSLAB_STATIC 1
#define ZSLAB_IMPLEMENTATION
#include "zslab.h"
#include "bench/measure.h"

enum { SIZE = 64, COUNTS = 4, ROUNDS_MAX = 501, GRAIN = 100000, LARGE = 10000 };
static const size_t counts[COUNTS] = {1000, 10000, 100000, 1000000};

typedef struct figures { /* one number a round */
    double release_ns[ROUNDS_MAX], reset_ns[ROUNDS_MAX], epoch_ns[ROUNDS_MAX], bump_ns[ROUNDS_MAX];
} figures;

static figures all[COUNTS];
static char *arena;

/* for the one call */
static double now(void) { return clock_ns(CLOCK_MONOTONIC); }

static double worked(void) /* for loops: processor time of this thread, so that a busy machine disturbs less */
{
    return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

static void make(zslab *z, zslab_epoch e, size_t bytes, uint64_t word)
{
    uint64_t *p = (uint64_t *)zslab_malloc_epoch(z, bytes, e);
    if (!p) die(zslab_result_name(zslab_last_error()));
    *p = word;
}

static void fill(zslab *z, zslab_epoch e, size_t n)
{
    for (size_t i = 0; i < n; i++) make(z, e, SIZE, i);
}

static void bump(size_t n)
{
    char *next = arena;
    for (size_t i = 0; i < n; i++, next += SIZE) {
        __asm__ volatile("" : "+r"(next)); /* the pointer is real, or the loop becomes vector stores */
        *(uint64_t *)(void *)next = i;
    }
}

static zslab_epoch open_epoch(zslab *z)
{
    zslab_epoch e = zslab_epoch_open(z, NULL);
    if (e == ZSLAB_EPOCH_NONE) die(zslab_result_name(zslab_last_error()));
    return e;
}

static double end_epoch(zslab *z, zslab_epoch e, zslab_result (*end)(zslab *, zslab_epoch)) /* ns of the call */
{
    double begin = now();
    zslab_result r = end(z, e);
    double took = now() - begin;
    if (r != ZSLAB_OK) die(zslab_result_name(r));
    return took;
}

/* Few objects are done again and again until GRAIN objects were made, so that the clocks do not count. */
static void round_of(zslab *z, size_t n, figures *f, int round)
{
    size_t times = n < GRAIN ? GRAIN / n : 1;
    double begin = worked(), released = 0, reset = 0;
    for (size_t i = 0; i < times; i++) bump(n);
    f->bump_ns[round] = (worked() - begin) / (double)(times * n);

    begin = worked();
    for (size_t i = 0; i < times; i++) {
        zslab_epoch e = open_epoch(z);
        fill(z, e, n);
        released += end_epoch(z, e, zslab_epoch_release);
    }
    f->epoch_ns[round] = (worked() - begin) / (double)(times * n);
    f->release_ns[round] = released / (double)times;

    zslab_epoch e = open_epoch(z);
    for (size_t i = 0; i < times; i++) {
        fill(z, e, n);
        reset += end_epoch(z, e, zslab_epoch_reset);
    }
    f->reset_ns[round] = reset / (double)times;
    end_epoch(z, e, zslab_epoch_release);
}

static void with_large(zslab *z, int rounds)
{
    double ns[ROUNDS_MAX];
    for (int round = -1; round < rounds; round++) { /* -1: warm */
        zslab_epoch e = open_epoch(z);
        for (size_t i = 0; i < LARGE; i++) {
            fill(z, e, GRAIN / LARGE);
            make(z, e, 9000 + i % 50 * 1000, i);
        }
        ns[round < 0 ? 0 : round] = end_epoch(z, e, zslab_epoch_release);
    }
    spread release = spread_of(ns, rounds);
    printf("%8d  %7.0f (%.0f-%.0f)  and %d large ones, 9,000 to 58,000 bytes\n", GRAIN, release.median, release.low,
           release.high, LARGE);
}

static void report(FILE *csv, size_t n, const figures *f, int rounds)
{
    double ratio[ROUNDS_MAX];
    for (int i = 0; i < rounds; i++) ratio[i] = f->epoch_ns[i] / f->bump_ns[i];
    spread release = spread_of(f->release_ns, rounds), reset = spread_of(f->reset_ns, rounds);
    spread epoch = spread_of(f->epoch_ns, rounds), bump = spread_of(f->bump_ns, rounds), q = spread_of(ratio, rounds);
    printf("%8zu  %7.0f (%.0f-%.0f)  %7.0f (%.0f-%.0f)  %6.2f  %6.2f  %5.2f (%.2f-%.2f)\n", n, release.median,
           release.low, release.high, reset.median, reset.low, reset.high, epoch.median, bump.median, q.median, q.low,
           q.high);
    if (!csv) return;
    fprintf(csv, "%zu,%.0f,%.0f,%.0f,%.0f,%.0f,%.0f,%.3f,%.3f,%.3f\n", n, release.median, release.low, release.high,
            reset.median, reset.low, reset.high, epoch.median, bump.median, q.median);
}

int main(int argc, char **argv)
{
    int rounds = 21, o;
    const char *out = NULL;
    while ((o = getopt(argc, argv, "r:o:")) != -1) {
        if (o == 'r') rounds = atoi(optarg);
        if (o == 'o') out = optarg;
        if (o == '?') return 2;
    }
    if (rounds < 1 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "bench_epochs: rounds 1 to %d\n", ROUNDS_MAX);
        return 2;
    }
    zslab_config config = {0};
    config.reclaim = ZSLAB_RECLAIM_LATENCY;
    zslab *z = zslab_create(&config);
    arena = malloc(counts[COUNTS - 1] * SIZE);
    if (!z || !arena) die("no memory");
    for (int c = 0; c < COUNTS; c++) round_of(z, counts[c], &all[c], 0); /* warm: pages touched, chunks made */
    for (int i = 0; i < rounds; i++) {
        for (int c = 0; c < COUNTS; c++) round_of(z, counts[c], &all[c], i);
    }
    FILE *csv = out ? fopen(out, "w") : NULL;
    if (out && !csv) die(out);
    provenance(stdout, argc, argv);
    puts("\n objects  release call, ns        reset call, ns         ns/object  bump  of bump");
    if (csv) {
        provenance(csv, argc, argv);
        fputs("\nobjects,release_ns,release_p5,release_p95,reset_ns,reset_p5,reset_p95,epoch_ns_per_object,"
              "bump_ns_per_object,of_bump\n",
              csv);
    }
    for (int c = 0; c < COUNTS; c++) report(csv, counts[c], &all[c], rounds);
    with_large(z, rounds);
    if (csv && fclose(csv)) die(out);
    zslab_destroy(z);
    free(arena);
    return 0;
}
