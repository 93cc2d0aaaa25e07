/* The timeline of a recorded run: when each epoch was opened, closed and gone, and the memory each kept
   resident. A run is a file of snapshots, one behind the other. */
#ifndef TIMELINE_H
#define TIMELINE_H

#include "svg.h"

enum { LINE_LEFT = 64, LINE_RIGHT = 884, LINE_TOP = 62, LINE_ROW = 24, LINE_CHART = 190, LINE_EPOCHS = 64 };

/* What the run says of one epoch: indices of snapshots. */
typedef struct line_epoch {
    const json_t *first;
    size_t opened, closing, gone; /* first snapshots that show it, show it closing, do not show it any more */
    double most;
} line_epoch;

typedef struct timeline {
    json_t *run; /* array of snapshots */
    line_epoch epochs[LINE_EPOCHS];
    size_t count, snapshots;
    double begin, end, most; /* nanoseconds; bytes */
    FILE *out;
} timeline;

static inline json_t *line_read(const char *path)
{
    FILE *f = fopen(path, "r");
    json_t *run = json_array(), *snapshot;
    json_error_t error;
    if (!f) return perror(path), json_decref(run), NULL;
    while ((snapshot = json_loadf(f, JSON_DISABLE_EOF_CHECK, &error)) != NULL) json_array_append_new(run, snapshot);
    if (json_error_code(&error) != json_error_premature_end_of_input) /* between two snapshots that is the end */
        fprintf(stderr, "%s: snapshot %zu: %s\n", path, json_array_size(run), error.text);
    fclose(f);
    return run;
}

static inline double line_ns(const timeline *t, size_t snapshot)
{
    return snap(json_object_get(json_array_get(t->run, snapshot), "global"), "taken_ns");
}

static inline const json_t *line_find(const timeline *t, size_t snapshot, const char *id)
{
    const json_t *e;
    size_t i;
    json_array_foreach (json_object_get(json_array_get(t->run, snapshot), "epochs"), i, e)
        if (!strcmp(snap_text(e, "epoch"), id) && strcmp(snap_text(e, "state"), "closed")) return e;
    return NULL;
}

static inline double line_bytes(const timeline *t, size_t snapshot, size_t epoch)
{
    const line_epoch *e = &t->epochs[epoch];
    if (snapshot < e->opened || snapshot >= e->gone) return 0;
    return snap(line_find(t, snapshot, snap_text(e->first, "epoch")), "estimated_rss_bytes");
}

static inline void line_follow(timeline *t, const json_t *first, size_t at) /* an epoch from where it is first seen */
{
    line_epoch *e = &t->epochs[t->count++];
    const json_t *now;
    e->first = first;
    e->opened = at;
    e->closing = 0;
    e->most = 0;
    for (e->gone = at; (now = line_find(t, e->gone, snap_text(first, "epoch"))) != NULL; e->gone++) {
        if (!e->closing && !strcmp(snap_text(now, "state"), "closing")) e->closing = e->gone;
        if (snap(now, "estimated_rss_bytes") > e->most) e->most = snap(now, "estimated_rss_bytes");
    }
    if (!e->closing) e->closing = e->gone;
}

static inline void line_collect(timeline *t)
{
    size_t at, i, known;
    const json_t *e;
    for (at = 0; at < t->snapshots; at++) {
        double sum = 0;
        json_array_foreach (json_object_get(json_array_get(t->run, at), "epochs"), i, e) {
            for (known = 0; known < t->count; known++)
                if (!strcmp(snap_text(t->epochs[known].first, "epoch"), snap_text(e, "epoch"))) break;
            if (known == t->count && t->count < LINE_EPOCHS && strcmp(snap_text(e, "state"), "closed"))
                line_follow(t, e, at);
            sum += snap(e, "estimated_rss_bytes");
        }
        if (sum > t->most) t->most = sum;
    }
}

static inline double line_x(const timeline *t, size_t snapshot)
{
    double ns = line_ns(t, snapshot < t->snapshots ? snapshot : t->snapshots - 1);
    return LINE_LEFT + (ns - t->begin) / (t->end - t->begin) * (LINE_RIGHT - LINE_LEFT);
}

static inline double line_seconds(const timeline *t, size_t snapshot)
{
    return (line_ns(t, snapshot < t->snapshots ? snapshot : t->snapshots - 1) - t->begin) / 1e9;
}

static inline void line_bar(const timeline *t, size_t number, const char *state, size_t from, size_t to)
{
    const line_epoch *e = &t->epochs[number];
    int closing = from == e->closing, y = LINE_TOP + (int)number * LINE_ROW;
    if (from == to) return;
    fprintf(t->out, "<rect x='%.1f' y='%d' width='%.1f' height='16' fill='%s' opacity='%s' stroke='%s'><title>",
            line_x(t, from), y, line_x(t, to) - line_x(t, from), svg_color(e->first), closing ? ".35" : "1",
            svg_color(e->first));
    svg_text(t->out, snap_text(e->first, "label"));
    fprintf(t->out, ": %s from %.2f s to %.2f s%s; at most %.1f MiB resident</title></rect>\n", state,
            line_seconds(t, from), line_seconds(t, to), to < t->snapshots ? "" : ", the end of the record",
            e->most / 1048576);
}

static inline void line_bars(const timeline *t)
{
    size_t i;
    for (i = 0; i < t->count; i++) {
        const line_epoch *e = &t->epochs[i];
        double x = line_x(t, e->opened), y = LINE_TOP + (double)i * LINE_ROW;
        line_bar(t, i, "active", e->opened, e->closing);
        line_bar(t, i, "closing", e->closing, e->gone);
        if (e->gone < t->snapshots)
            fprintf(t->out, "<path d='M%.1f %.1fv16' stroke='#222' stroke-width='2.5'/>", line_x(t, e->gone), y);
        fprintf(t->out, "<text x='%.1f' y='%.1f' class='name' stroke='white' stroke-width='3' paint-order='stroke'>",
                x + 4, y + 12.5);
        svg_text(t->out, snap_text(e->first, "label"));
        fprintf(t->out, "</text>\n");
    }
}

/* One epoch's layer on those below it. */
static inline void line_layer(const timeline *t, size_t number, double *below, double base)
{
    const line_epoch *e = &t->epochs[number];
    double scale = LINE_CHART / t->most;
    size_t at;
    fprintf(t->out, "<path fill='%s' d='M%.1f %.1f", svg_color(e->first), line_x(t, e->opened),
            base - below[e->opened] * scale);
    for (at = e->opened; at < e->gone; at++)
        fprintf(t->out, "L%.1f %.1f", line_x(t, at), base - (below[at] + line_bytes(t, at, number)) * scale);
    for (at = e->gone; at-- > e->opened;) {
        fprintf(t->out, "L%.1f %.1f", line_x(t, at), base - below[at] * scale);
        below[at] += line_bytes(t, at, number);
    }
    fprintf(t->out, "z'><title>");
    svg_text(t->out, snap_text(e->first, "label"));
    fprintf(t->out, ": at most %.1f MiB resident, %.1f MiB when last seen</title></path>\n", e->most / 1048576,
            line_bytes(t, e->gone - 1, number) / 1048576);
}

static inline int line_chart(const timeline *t, double base)
{
    double *below = (double *)calloc(t->snapshots + 1, sizeof *below), mib = t->most / 1048576, step = 1, at;
    size_t i;
    if (!below) return -1;
    while (mib / step > 5) step *= 2;
    for (i = 0; (at = (double)i * step) <= mib; i++)
        fprintf(t->out, "<path d='M%d %.1fH%d' class='grid'/><text x='%d' y='%.1f' text-anchor='end'>%.0f MiB</text>\n",
                LINE_LEFT, base - at / mib * LINE_CHART, LINE_RIGHT, LINE_LEFT - 6, base - at / mib * LINE_CHART + 4,
                at);
    for (i = 0; i < t->count; i++) line_layer(t, i, below, base);
    for (i = 0; i <= 4; i++)
        fprintf(t->out, "<text x='%.1f' y='%.1f' text-anchor='%s'>%.1f s</text>\n",
                LINE_LEFT + (double)i / 4 * (LINE_RIGHT - LINE_LEFT), base + 18, i == 4 ? "end" : "middle",
                (t->end - t->begin) / 1e9 * (double)i / 4);
    free(below);
    return 0;
}

/* A run as SVG. -1: fewer than two snapshots, or no memory. */
static inline int timeline_draw(json_t *run, FILE *f)
{
    timeline *t = (timeline *)calloc(1, sizeof *t);
    double base;
    int r = -1;
    if (!t) return -1;
    t->run = run;
    t->out = f;
    t->snapshots = json_array_size(run);
    t->begin = line_ns(t, 0);
    t->end = t->snapshots ? line_ns(t, t->snapshots - 1) : 0;
    line_collect(t);
    if (t->end > t->begin && t->most > 0) {
        base = LINE_TOP + (double)t->count * LINE_ROW + 14 + LINE_CHART;
        svg_begin(f, (int)base + 34, "Epochs and the memory they keep",
                  "solid: takes objects; pale: closing, its last objects drain; black end: closed. Below: resident "
                  "bytes by epoch");
        line_bars(t);
        r = line_chart(t, base);
        fprintf(f, "</svg>\n");
    }
    free(t);
    return ferror(f) ? -1 : r;
}
#endif
