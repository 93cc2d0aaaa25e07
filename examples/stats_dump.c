/* Who:   somebody on call: memory is high, or allocation is slow, and the program must not stop for an answer.
   Wants: the figures for a program to read on stdout, and the ones a person asks for first on stderr.
   Watch: requests come and go, a batch lingers in its epoch; the text says which epoch holds the memory, how much of
          it a close would give back, and how often the slow path was taken.
   Usage: stats_dump [--json | --no-json] [--text | --no-text] [--prometheus]      JSON and text without arguments
   Build: cc -O2 stats_dump.c */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define ZSLAB_STATIC 1
#define ZSLAB_IMPLEMENTATION
#include "zslab.h"

enum { REQUESTS = 200000, WINDOW = 3000, BATCH = 20000 };

/* A service's afternoon: requests come and go; a batch was loaded and mostly dropped; an epoch drains. */
static int demo(zslab *z, zslab_epoch *batch, zslab_epoch *previous)
{
    static void *request[WINDOW], *row[BATCH];
    uint64_t seed = 1;
    size_t i;
    *previous = zslab_epoch_open(z, "batch of 14:00");
    *batch = zslab_epoch_open(z, "batch of 15:00");
    for (i = 0; i < REQUESTS; i++) {
        size_t at = (size_t)((seed = seed * 6364136223846793005u + 1442695040888963407u) >> 40) % WINDOW;
        zslab_free(z, request[at]);
        if ((request[at] = zslab_malloc(z, 16 + (size_t)(seed >> 33) % 1000)) == NULL) return -1;
        memset(request[at], 1, 16);
    }
    for (i = 0; i < BATCH; i++) {
        if ((row[i] = zslab_malloc_epoch(z, 200, *batch)) == NULL) return -1;
        memset(row[i], 1, 200);
    }
    for (i = 0; i < BATCH; i++)
        if (i % 500) zslab_free(z, row[i]);
    if (!zslab_malloc_epoch(z, 64, *previous) || zslab_epoch_close(z, *previous) != ZSLAB_OK) return -1;
    zslab_malloc_epoch(z, 64, *previous); /* refused, and counted */
    return 0;
}

static double kib(uint64_t bytes) { return (double)bytes / 1024; }

static void epoch_line(const zslab *z, zslab_epoch e, size_t classes)
{
    static const char *const names[] = {"active", "closing", "closed"};
    zslab_epoch_stats sum, s;
    size_t cls;
    if (zslab_stats_epoch(z, 0, e, &sum) != ZSLAB_OK) return;
    for (cls = 1; cls < classes; cls++)
        if (zslab_stats_epoch(z, cls, e, &s) == ZSLAB_OK) {
            sum.live_objects += s.live_objects;
            sum.estimated_rss_bytes += s.estimated_rss_bytes;
            sum.reclaimable_bytes += s.reclaimable_bytes;
        }
    fprintf(stderr, "  %-20s %-8s %8llu objects %10.0f KiB resident %8.0f KiB reclaimable\n", sum.label,
            names[sum.state], (unsigned long long)sum.live_objects, kib(sum.estimated_rss_bytes),
            kib(sum.reclaimable_bytes));
}

static void text(const zslab *z, const zslab_epoch *epochs, size_t count)
{
    zslab_global_stats g;
    zslab_class_stats c;
    size_t i;
    zslab_stats_global(z, &g);
    fprintf(stderr, "%llu live objects, %.0f KiB; committed %.0f KiB, estimated resident %.0f KiB (process %.0f KiB)\n",
            (unsigned long long)g.live_objects, kib(g.live_bytes), kib(g.committed_bytes), kib(g.estimated_rss_bytes),
            kib(g.rss_bytes));
    fprintf(stderr, "slow paths %llu, refused for a closed epoch %llu, freed by other threads %llu, misuse %llu\n",
            (unsigned long long)g.slow_path_hits, (unsigned long long)g.slow_path_epoch_closed,
            (unsigned long long)g.remote_frees, (unsigned long long)g.misuse_count);
    fprintf(stderr, "epochs: %u active, %u closing\n", g.active_epoch_count, g.closing_epoch_count);
    for (i = 0; i < count; i++) epoch_line(z, epochs[i], g.class_count);
    fprintf(stderr, "classes:  bytes     live    slabs     full    empty  resident KiB   slow  recycled %%\n");
    for (i = 0; i < g.class_count; i++)
        if (zslab_stats_class(z, i, &c) == ZSLAB_OK && c.slabs)
            fprintf(stderr, "%15u %8llu %8llu %8llu %8llu %13.0f %6llu %11.1f\n", c.object_bytes,
                    (unsigned long long)c.live_objects, (unsigned long long)c.slabs, (unsigned long long)c.full_slabs,
                    (unsigned long long)c.empty_slabs, kib(c.estimated_rss_bytes),
                    (unsigned long long)c.perf.slow_path_hits, c.recycle_rate_pct);
}

/* The whole text of a snapshot; the next one may be longer, so ask again until it fits. */
static int dump(const zslab *z, size_t (*format)(const zslab *, char *, size_t))
{
    size_t cap = 1 << 16, need;
    char *buffer = (char *)malloc(cap);
    while (buffer && (need = format(z, buffer, cap)) >= cap) {
        free(buffer);
        buffer = (char *)malloc(cap = need + need / 4);
    }
    if (!buffer) return -1;
    fputs(buffer, stdout);
    free(buffer);
    return 0;
}

int main(int argc, char **argv)
{
    int json = 1, human = 1, prometheus = 0, i;
    for (i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--json")) json = 1;
        else if (!strcmp(argv[i], "--no-json")) json = 0;
        else if (!strcmp(argv[i], "--text")) human = 1;
        else if (!strcmp(argv[i], "--no-text")) human = 0;
        else if (!strcmp(argv[i], "--prometheus")) prometheus = 1, json = 0;
        else return fprintf(stderr, "stats_dump: unknown argument %s; see the head of stats_dump.c\n", argv[i]), 2;
    }
    zslab *z = zslab_create(NULL);
    zslab_epoch epochs[3] = {0};
    if (!z || demo(z, &epochs[1], &epochs[2]))
        return fprintf(stderr, "stats_dump: %s\n", zslab_result_name(zslab_last_error())), 1;
    epochs[0] = zslab_epoch_current(z);
    if (human) text(z, epochs, 3);
    if ((json && dump(z, zslab_stats_json)) || (prometheus && dump(z, zslab_stats_prometheus))) return 1;
    zslab_destroy(z);
    return 0;
}
