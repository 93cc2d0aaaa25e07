/* Does memory stay flat when epochs come and go for a long time?
   Allocate/free cycles over rotating epochs: each epoch takes its share of objects of mixed sizes, most are
   freed one by one, some stay until the epoch goes; every few epochs one is closed with stragglers that are
   freed later. Resident bytes (the kernel's figure) and committed bytes (what the allocator asked for) are
   sampled; the exit status says whether they stayed within the tolerance of what they were after the warm-up,
   the first tenth, and whether the latency policy made no system call since. Good: flat lines, no call.
     churn [-n million cycles] [-p latency|rss] [-t tolerance %] [-o file.csv]      (100, latency, 1) */
#define _GNU_SOURCE
#define ZSLAB_STATIC 1
#define ZSLAB_IMPLEMENTATION
#include "zslab.h"
#include "bench/measure.h"
#include "bench/os_hooks.h"

enum { LIVE = 4096, PER_EPOCH = 50000, STRAGGLERS = 512, SAMPLES = 200 };

static uint64_t seed = 0x2545F4914F6CDD1D;
static void *live[LIVE];
static void *straggler[STRAGGLERS];
static double at[SAMPLES + 1], rss[SAMPLES + 1], committed[SAMPLES + 1];
static size_t samples;

static uint32_t random_below(uint32_t bound)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(((seed >> 32) * bound) >> 32);
}

static void must(zslab_result r, const char *what)
{
    if (r == ZSLAB_OK) return;
    fprintf(stderr, "churn: %s: %s\n", what, zslab_result_name(r));
    exit(1);
}

static void *make(zslab *z, zslab_epoch e, uint64_t i)
{
    uint64_t *p = (uint64_t *)zslab_malloc_epoch(z, 16u + random_below(16u << random_below(6)), e);
    if (!p) must(zslab_last_error(), "zslab_malloc_epoch");
    *p = i;
    return p;
}

static void sample(uint64_t cycles)
{
    at[samples] = (double)cycles / 1e6;
    rss[samples] = (double)zslab_rss_bytes() / (1 << 20);
    committed[samples++] = (double)os_asked.committed_bytes / (1 << 20);
}

/* One epoch: PER_EPOCH cycles over a standing population, which then goes with the epoch; every eighth is
   closed instead, and its last objects are freed while the next epoch is at work. */
static uint64_t one_epoch(zslab *z, uint64_t number, int *waiting)
{
    zslab_epoch e = zslab_epoch_open(z, "churn");
    if (e == ZSLAB_EPOCH_NONE) must(zslab_last_error(), "zslab_epoch_open");
    for (int i = 0; i < LIVE; i++) live[i] = make(z, e, number);
    for (uint32_t i = 0; i < PER_EPOCH; i++) {
        uint32_t k = random_below(LIVE);
        must(zslab_free(z, live[k]), "zslab_free");
        live[k] = make(z, e, i);
        if (*waiting && i % 64 == 0) must(zslab_free(z, straggler[--*waiting]), "free of a straggler");
    }
    if (number % 8) {
        must(zslab_epoch_release(z, e), "zslab_epoch_release");
        return PER_EPOCH;
    }
    for (int i = STRAGGLERS; i < LIVE; i++) must(zslab_free(z, live[i]), "zslab_free");
    must(zslab_epoch_close(z, e), "zslab_epoch_close");
    memcpy(straggler, live, sizeof straggler);
    *waiting = STRAGGLERS;
    return PER_EPOCH;
}

/* The highest after the warm-up over the level at its end, in %; 128 KiB more is no growth. */
static double growth(const double *v)
{
    size_t warm = samples / 10;
    double top = v[warm];
    for (size_t i = warm; i < samples; i++) top = v[i] > top ? v[i] : top;
    return top - v[warm] <= 0.125 ? 0 : (top / v[warm] - 1) * 100;
}

static void write_csv(const char *out, int argc, char **argv)
{
    char svg[512];
    FILE *f = fopen(out, "w");
    if (!f) die(out);
    provenance(f, argc, argv);
    fputs("\nmillion_cycles,rss_mib,committed_mib\n", f);
    for (size_t i = 0; i < samples; i++) fprintf(f, "%.3f,%.3f,%.3f\n", at[i], rss[i], committed[i]);
    if (fclose(f)) die(out);
    snprintf(svg, sizeof svg, "%.*s.svg", (int)(strlen(out) - 4), out);
    curve c[2] = {{"resident", "#0b6e99", at, rss, samples}, {"committed", "#d1602b", at, committed, samples}};
    if (strlen(out) > 4) write_curves(svg, "Churn over rotating epochs", "million cycles", "MiB", c, 2);
}

int main(int argc, char **argv)
{
    double millions = 100, tolerance = 1;
    const char *out = NULL;
    zslab_config config = {0};
    int o, waiting = 0;
    config.reclaim = ZSLAB_RECLAIM_LATENCY;
    while ((o = getopt(argc, argv, "n:p:t:o:")) != -1) {
        switch (o) {
        case 'n':
            millions = atof(optarg);
            break;
        case 'p':
            config.reclaim = strcmp(optarg, "rss") ? ZSLAB_RECLAIM_LATENCY : ZSLAB_RECLAIM_RSS;
            break;
        case 't':
            tolerance = atof(optarg);
            break;
        case 'o':
            out = optarg;
            break;
        default:
            return 2;
        }
    }
    uint64_t wanted = (uint64_t)(millions * 1e6), done = 0, next = 0, calls_warm = 0;
    os_hook(&config);
    zslab *z = zslab_create(&config);
    if (!z || wanted < 100 * PER_EPOCH) die("-n wants at least 5");
    double begin = clock_ns(CLOCK_MONOTONIC);
    for (uint64_t number = 1; done < wanted; number++) {
        done += one_epoch(z, number, &waiting);
        if (done >= next && samples < SAMPLES && number % 8 == 7) { /* always at the same point of the round */
            sample(done);
            if (samples == SAMPLES / 10) calls_warm = os_asked.calls;
            next += wanted / SAMPLES;
        }
    }
    double seconds = (clock_ns(CLOCK_MONOTONIC) - begin) / 1e9;
    must(zslab_check(z, NULL, NULL), "zslab_check");
    uint64_t calls = os_asked.calls - calls_warm;
    double rss_growth = growth(rss), committed_growth = growth(committed);
    printf("%.0f million cycles, %.1f ns each; after the warm-up resident %+.2f %%, committed %+.2f %% "
           "(now %.1f and %.1f MiB), %llu calls to the system\n",
           (double)done / 1e6, seconds * 1e9 / (double)done, rss_growth, committed_growth, rss[samples - 1],
           committed[samples - 1], (unsigned long long)calls);
    if (out) write_csv(out, argc, argv);
    zslab_destroy(z);
    int called = config.reclaim == ZSLAB_RECLAIM_LATENCY && calls;
    return rss_growth > tolerance || committed_growth > tolerance || called;
}
