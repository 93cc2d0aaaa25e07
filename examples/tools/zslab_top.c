/* Who:   somebody who watches a service and wants to see its epochs and classes live, as top shows processes.
   Wants: the program to do no more than write a snapshot file now and then (record_snapshot).
   Watch: what is resident and who holds it, rates between two looks, and at the foot what the doctor says.
   Usage: zslab_top [--once] [-n seconds] [-s resident|live|slow|age] [snapshot.json]
          Without a file a small service of its own writes one. --once, or output to no terminal: one look.
   Keys:  q quits, s sorts by the next column, any other key looks at once
   Build: cc -O2 -I../.. zslab_top.c -lncursesw -ljansson */
/* build: -lncursesw -ljansson */
#define _POSIX_C_SOURCE 200809L
#define ZSLAB_STATIC 1
#define ZSLAB_IMPLEMENTATION
#include "zslab.h"

#include "doctor.h"
#include "record.h"
#include <curses.h>
#include <getopt.h>
#include <locale.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct top {
    const char *path;
    json_t *now, *then; /* the last look and the one before; NULL: none yet */
    zslab *service;     /* our own, when no file was named */
    void *request[4000];
    uint64_t seed;
} top;

/* What s goes through: a field of epochs, one of classes, whose perf holds the slow paths. */
static const struct {
    const char *name, *epoch, *cls;
} columns[] = {{"resident", "estimated_rss_bytes", "estimated_rss_bytes"},
               {"live", "live_bytes", "live_objects"},
               {"slow", "reclaimable_bytes", "slow_path_hits"},
               {"age", "era", "class_idx"}};
enum { COLUMNS = sizeof columns / sizeof *columns };
static size_t sorted_by;

/* The service without a file: requests come and go, a new epoch at each look. */
static int serve(top *t)
{
    zslab_epoch e = zslab_epoch_advance(t->service);
    char label[32];
    int i;
    if (!e) return -1;
    snprintf(label, sizeof label, "requests %llu", (unsigned long long)(e >> 16 & 0xffff));
    zslab_epoch_set_label(t->service, e, label);
    for (i = 0; i < 3000; i++) {
        size_t at = (size_t)((t->seed = t->seed * 6364136223846793005u + 1442695040888963407u) >> 40) % 4000;
        zslab_free(t->service, t->request[at]);
        t->request[at] = zslab_malloc(t->service, 16 + (size_t)(t->seed >> 33) % 1000);
        if (!t->request[at]) return -1;
        memset(t->request[at], 1, 16);
    }
    return record_snapshot(t->service, t->path);
}

static double taken(const json_t *snapshot) { return snap(json_object_get(snapshot, "global"), "taken_ns"); }

/* The next snapshot, if there is one; what cannot be read leaves the last one in place. -1: none so far. */
static int look(top *t)
{
    json_error_t error;
    json_t *next;
    if (t->service && serve(t)) return -1;
    next = json_load_file(t->path, 0, &error);
    if (json_object_get(next, "global") && (!t->now || taken(next) != taken(t->now))) {
        json_decref(t->then);
        t->then = t->now;
        t->now = next;
    } else {
        json_decref(next);
    }
    return t->now ? 0 : -1;
}

static double by(const json_t *row)
{
    const json_t *perf = json_object_get(row, "perf");
    const char *key = perf ? columns[sorted_by].cls : columns[sorted_by].epoch;
    return json_object_get(row, key) ? snap(row, key) : snap(perf, key);
}

static int larger_first(const void *a, const void *b)
{
    double x = by(*(json_t *const *)a), y = by(*(json_t *const *)b);
    return (x < y) - (x > y);
}

/* Rows of a table in the order asked for, to a callback. */
static void rows(const json_t *table, void (*show)(FILE *, const json_t *, const json_t *), const json_t *global,
                 FILE *out)
{
    size_t count = json_array_size(table), i;
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): the elements are pointers */
    json_t **row = (json_t **)malloc((count + 1) * sizeof *row);
    for (i = 0; row && i < count; i++) row[i] = json_array_get(table, i);
    if (row) qsort(row, count, sizeof *row, larger_first); /* NOLINT(bugprone-sizeof-expression): as above */
    for (i = 0; row && i < count; i++) show(out, row[i], global);
    free(row);
}

static void show_epoch(FILE *out, const json_t *e, const json_t *global)
{
    if (!strcmp(snap_text(e, "state"), "closed")) return;
    fprintf(out, "%-24.24s %-8s %8.1f s %10.0f %11s %11s %11s\n", snap_text(e, "label"), snap_text(e, "state"),
            (snap(global, "taken_ns") - snap(e, "opened_ns")) / 1e9, snap(e, "live_objects"),
            doctor_bytes(snap(e, "live_bytes")), doctor_bytes(snap(e, "estimated_rss_bytes")),
            doctor_bytes(snap(e, "reclaimable_bytes")));
}

static void show_group(FILE *out, const json_t *g, const json_t *global)
{
    (void)global;
    fprintf(out, "%-24.24s %8.0f %12s %11s %11s %11s %9.0f %9.0f\n", snap_text(g, "label"), snap(g, "epochs"),
            doctor_bytes(snap(g, "committed_bytes")), doctor_bytes(snap(g, "live_bytes")),
            doctor_bytes(snap(g, "hard_bytes")), doctor_bytes(snap(g, "guaranteed_bytes")), snap(g, "refused"),
            snap(g, "discarded_epochs"));
}

static void show_pool(FILE *out, const json_t *p, const json_t *global)
{
    double slots = snap(p, "usable_bytes") / snap(p, "slot_bytes");
    (void)global;
    fprintf(out, "%-24.24s %8.0f %9.0f %8.0f %5.0f %% %9.0f %9.0f %9.0f %9.0f\n", snap_text(p, "label"),
            snap(p, "slot_bytes"), slots, snap(p, "live"), slots > 0 ? 100 * snap(p, "high_water") / slots : 0,
            snap(p, "queued"), snap(p, "allocs"), snap(p, "fallbacks"), snap(p, "remote_full"));
}

static void show_class(FILE *out, const json_t *c, const json_t *global)
{
    double slots = snap(c, "total_objects");
    (void)global;
    fprintf(out, "%13.0f %10.0f %10.0f %5.0f %% %9.0f %10.0f %11s\n", snap(c, "object_bytes"), snap(c, "live_objects"),
            snap(c, "slabs"), slots > 0 ? 100 * snap(c, "live_objects") / slots : 0,
            snap(json_object_get(c, "perf"), "slow_path_hits"), snap(c, "remote_waiting"),
            doctor_bytes(snap(c, "estimated_rss_bytes")));
}

static void rate(FILE *out, const char *name, const json_t *global, const char *key, double seconds)
{
    fprintf(out, "  %s %.0f", name, seconds > 0 ? snap(global, key) / seconds : 0);
}

/* One look as text: since the look before, or since the program began. */
static void frame(const top *t, FILE *out)
{
    json_t *since = json_deep_copy(t->now);
    const json_t *g = json_object_get(since, "global");
    double seconds;
    if (t->then) snap_since(since, t->then);
    seconds = (snap(g, "taken_ns") - snap(g, "created_ns")) / 1e9;
    fprintf(out, "%s   sorted by %s (s: next, q: quit)\n", t->path, columns[sorted_by].name);
    fprintf(out, "%.0f objects, %s live; committed %s, resident %s; %s kept empty; process %s\n",
            snap(g, "live_objects"), doctor_bytes(snap(g, "live_bytes")), doctor_bytes(snap(g, "committed_bytes")),
            doctor_bytes(snap(g, "estimated_rss_bytes")), doctor_bytes(snap(g, "cached_bytes")),
            doctor_bytes(snap(g, "rss_bytes")));
    fprintf(out, "a second:");
    rate(out, "slow paths", g, "slow_path_hits", seconds);
    rate(out, "cache misses", g, "slow_path_cache_miss", seconds);
    rate(out, "remote frees", g, "remote_frees", seconds);
    rate(out, "purges", g, "purge_calls", seconds);
    rate(out, "refused", g, "slow_path_limit", seconds);
    rate(out, "misuse", g, "misuse_count", seconds);
    fprintf(out, "\n\n%-24s %-8s %10s %10s %11s %11s %11s\n", "EPOCH", "STATE", "OPEN", "OBJECTS", "LIVE", "RESIDENT",
            "RECLAIMABLE");
    rows(json_object_get(since, "epochs"), show_epoch, g, out);
    if (json_array_size(json_object_get(since, "groups"))) {
        fprintf(out, "\n%-24s %8s %12s %11s %11s %11s %9s %9s\n", "GROUP", "EPOCHS", "COMMITTED", "LIVE", "LIMIT",
                "GUARANTEE", "REFUSED", "DISCARDED");
        rows(json_object_get(since, "groups"), show_group, g, out);
    }
    if (json_array_size(json_object_get(since, "pools"))) {
        fprintf(out, "\n%-24s %8s %9s %8s %7s %9s %9s %9s %9s\n", "POOL", "BYTES", "SLOTS", "OUT", "PEAK", "QUEUED",
                "ALLOCS", "FALLBACK", "NO ROOM");
        rows(json_object_get(since, "pools"), show_pool, g, out);
    }
    fprintf(out, "\n%13s %10s %10s %7s %9s %10s %11s\n", "CLASS (bytes)", "OBJECTS", "SLABS", "FULL", "SLOW", "WAITING",
            "RESIDENT");
    rows(json_object_get(since, "classes"), show_class, g, out);
    fputc('\n', out);
    doctor_examine(since, out);
    json_decref(since);
}

/* The frame on the screen as far as it fits; long lines go on below. */
static int paint(const top *t)
{
    char *text = NULL, *line;
    size_t length = 0, part;
    FILE *out = open_memstream(&text, &length);
    int y;
    if (!out) return -1;
    frame(t, out);
    if (fclose(out)) return free(text), -1;
    erase();
    for (line = text, y = 0; *line && y < LINES; line += part, line += *line == '\n', y++) {
        part = strcspn(line, "\n");
        if (part > (size_t)COLS) part = (size_t)COLS;
        if (!strncmp(line, "EPOCH", 5) || !strncmp(line, "CLASS", 5)) attron(A_REVERSE);
        mvaddnstr(y, 0, line, (int)part);
        attroff(A_REVERSE);
    }
    refresh();
    free(text);
    return 0;
}

static int live(top *t, double seconds)
{
    int key = 0, bad;
    setlocale(LC_CTYPE, "");
    initscr();
    cbreak();
    noecho();
    curs_set(0);
    typeahead(-1); /* whole frames, also while keys wait */
    timeout((int)(seconds * 1000));
    for (bad = 0; !bad && key != 'q'; key = getch()) {
        if (key == 's') sorted_by = (sorted_by + 1) % COLUMNS;
        bad = look(t) || paint(t);
    }
    endwin();
    return bad;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"once", no_argument, NULL, 'o'}, {NULL, 0, NULL, 0}};
    static top t;
    double seconds = 1;
    int o, once = !isatty(1), bad = 0;
    while ((o = getopt_long(argc, argv, "n:s:", options, NULL)) != -1) {
        if (o == 'o')
            once = 1;
        else if (o == 'n')
            bad |= (seconds = atof(optarg)) <= 0;
        else if (o != 's')
            bad = 1;
        else {
            for (sorted_by = 0; sorted_by < COLUMNS && strcmp(optarg, columns[sorted_by].name); sorted_by++) continue;
            bad |= sorted_by == COLUMNS;
        }
    }
    if (bad || argc > optind + 1) return fprintf(stderr, "zslab_top: see the head of zslab_top.c\n"), 2;
    t.path = argc > optind ? argv[optind] : "build/zslab_top.json";
    if (argc == optind) {
        mkdir("build", 0777);
        t.seed = 1;
        if ((t.service = zslab_create(NULL)) == NULL) return 1;
    }
    bad = once ? look(&t) : live(&t, seconds);
    if (!bad && once) frame(&t, stdout);
    if (bad) fprintf(stderr, "zslab_top: no snapshot in %s\n", t.path);
    if (t.service) zslab_destroy(t.service);
    json_decref(t.now), json_decref(t.then);
    return bad ? 1 : 0;
}
