/* Who:   somebody on call: memory is high, or allocation slow, and the program must not stop for an answer.
   Wants: figures for a program on stdout, the ones a person asks for first on stderr, and a second opinion.
   Watch: requests come and go, a batch lingers in its epoch; the text says which epoch holds the memory and
          how much of it a close would give back; --doctor says what to do about it.
   Usage: stats_dump [--[no-]json] [--[no-]text] [--prometheus] [--doctor]
                     [snapshot.json | --diff old.json new.json]
          A demo workload without a file ("-" is standard input); JSON and text unless chosen otherwise. With
          --doctor findings alone, unless --text or --json ask for more; any makes the exit status 3.
   Build: cc -O2 -I../.. stats_dump.c -ljansson */
/* build: -ljansson */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define ZSLAB_STATIC 1
#define ZSLAB_IMPLEMENTATION
#include "zslab.h"

#include "doctor.h"
#include "record.h"
#include <getopt.h>

enum { REQUESTS = 200000, WINDOW = 3000, BATCH = 20000 };

/* A service's afternoon: requests come and go; a batch was loaded and mostly dropped; an epoch drains. */
static int demo(zslab *z)
{
    static void *request[WINDOW], *row[BATCH];
    uint64_t seed = 1;
    size_t i;
    zslab_epoch previous = zslab_epoch_open(z, "batch of 14:00"), batch = zslab_epoch_open(z, "batch of 15:00");
    for (i = 0; i < REQUESTS; i++) {
        size_t at = (size_t)((seed = seed * 6364136223846793005u + 1442695040888963407u) >> 40) % WINDOW;
        zslab_free(z, request[at]);
        if ((request[at] = zslab_malloc(z, 16 + (size_t)(seed >> 33) % 1000)) == NULL) return -1;
        memset(request[at], 1, 16);
    }
    for (i = 0; i < BATCH; i++) {
        if ((row[i] = zslab_malloc_epoch(z, 200, batch)) == NULL) return -1;
        memset(row[i], 1, 200);
    }
    for (i = 0; i < BATCH; i++)
        if (i % 500) zslab_free(z, row[i]);
    if (!zslab_malloc_epoch(z, 64, previous) || zslab_epoch_close(z, previous) != ZSLAB_OK) return -1;
    zslab_malloc_epoch(z, 64, previous); /* refused, and counted */
    return 0;
}

static double kib(double bytes) { return bytes / 1024; }

static void text(const json_t *snapshot)
{
    const json_t *g = json_object_get(snapshot, "global"), *row;
    double seconds = (snap(g, "taken_ns") - snap(g, "created_ns")) / 1e9;
    size_t i;
    fprintf(stderr, "%.0f live objects, %.0f KiB; committed %.0f KiB, estimated resident %.0f KiB (process %.0f KiB)\n",
            snap(g, "live_objects"), kib(snap(g, "live_bytes")), kib(snap(g, "committed_bytes")),
            kib(snap(g, "estimated_rss_bytes")), kib(snap(g, "rss_bytes")));
    fprintf(stderr,
            "in %.3f s: slow paths %.0f, refused for a closed epoch %.0f, freed by other threads %.0f, "
            "misuse %.0f\n",
            seconds, snap(g, "slow_path_hits"), snap(g, "slow_path_epoch_closed"), snap(g, "remote_frees"),
            snap(g, "misuse_count"));
    fprintf(stderr, "epochs: %.0f active, %.0f closing\n", snap(g, "active_epoch_count"),
            snap(g, "closing_epoch_count"));
    json_array_foreach (json_object_get(snapshot, "epochs"), i, row)
        fprintf(stderr, "  %-20s %-8s %8.0f objects %10.0f KiB resident %8.0f KiB reclaimable\n",
                snap_text(row, "label"), snap_text(row, "state"), snap(row, "live_objects"),
                kib(snap(row, "estimated_rss_bytes")), kib(snap(row, "reclaimable_bytes")));
    fprintf(stderr, "classes:  bytes     live    slabs     full    empty  resident KiB   slow  recycled %%\n");
    json_array_foreach (json_object_get(snapshot, "classes"), i, row)
        fprintf(stderr, "%15.0f %8.0f %8.0f %8.0f %8.0f %13.0f %6.0f %11.1f\n", snap(row, "object_bytes"),
                snap(row, "live_objects"), snap(row, "slabs"), snap(row, "full_slabs"), snap(row, "empty_slabs"),
                kib(snap(row, "estimated_rss_bytes")), snap(json_object_get(row, "perf"), "slow_path_hits"),
                snap(row, "recycle_rate_pct"));
}

static json_t *taken(const zslab *z)
{
    json_error_t error = {0};
    char *text = record_text(z, zslab_stats_json);
    json_t *snapshot = text ? json_loads(text, 0, &error) : NULL;
    free(text);
    return snap_checked(snapshot, "zslab_stats_json", error.text);
}

/* What is looked at: a file, two files' difference, or the demo; its Prometheus text goes out on the way. */
static json_t *look(char **files, int count, int diff, int prometheus)
{
    json_t *snapshot, *then;
    if (diff) {
        then = snap_read(files[0]), snapshot = then ? snap_read(files[1]) : NULL;
        if (snapshot && snap_since(snapshot, then)) {
            fprintf(stderr, "stats_dump: %s is not a later snapshot of the run of %s\n", files[1], files[0]);
            json_decref(snapshot), snapshot = NULL;
        }
        json_decref(then);
        return snapshot;
    }
    if (count) return snap_read(files[0]);
    zslab *z = zslab_create(NULL);
    if (!z || demo(z)) return fprintf(stderr, "stats_dump: %s\n", zslab_result_name(zslab_last_error())), NULL;
    snapshot = taken(z);
    if (prometheus) {
        char *out = record_text(z, zslab_stats_prometheus);
        if (out) fputs(out, stdout);
        free(out);
    }
    zslab_destroy(z);
    return snapshot;
}

int main(int argc, char **argv)
{
    enum { NO = 0, YES = 1, UNSAID = 2 };
    static int json = UNSAID, human = UNSAID, prometheus, findings, diff;
    static const struct option options[] = {{"json", no_argument, &json, YES},
                                            {"no-json", no_argument, &json, NO},
                                            {"text", no_argument, &human, YES},
                                            {"no-text", no_argument, &human, NO},
                                            {"prometheus", no_argument, &prometheus, YES},
                                            {"doctor", no_argument, &findings, YES},
                                            {"diff", no_argument, &diff, YES},
                                            {NULL, 0, NULL, 0}};
    int o, files, found = 0;
    while ((o = getopt_long(argc, argv, "", options, NULL)) == 0) continue;
    files = argc - optind;
    if (o != -1 || files != (diff ? 2 : files > 0) || (prometheus && files))
        return fprintf(stderr, "stats_dump: see the head of stats_dump.c for its arguments; Prometheus text is made "
                               "by the program itself, so --prometheus takes no file\n"),
               2;
    json_t *snapshot = look(argv + optind, files, diff, prometheus);
    if (!snapshot) return 1;
    if (human == YES || (human == UNSAID && !findings)) text(snapshot);
    if (json == YES || (json == UNSAID && !findings && !prometheus)) {
        json_dumpf(snapshot, stdout, JSON_REAL_PRECISION(6));
        putchar('\n');
    }
    if (findings) found = doctor_examine(snapshot, stdout);
    if (findings && !found) puts("no findings");
    json_decref(snapshot);
    return found ? 3 : 0;
}
