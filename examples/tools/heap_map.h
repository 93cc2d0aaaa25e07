/* The heap map: which epoch holds which slab of which chunk, and how full it is; from record_map's file. */
#ifndef HEAP_MAP_H
#define HEAP_MAP_H

#include "svg.h"

enum { MAP_COLUMNS = 24, MAP_CELL = 36, MAP_HEIGHT = 22, MAP_TOP = 104 };

static inline const json_t *map_epoch(const json_t *snapshot, const char *id)
{
    const json_t *e;
    size_t i;
    json_array_foreach (json_object_get(snapshot, "epochs"), i, e)
        if (!strcmp(snap_text(e, "epoch"), id)) return e;
    return NULL;
}

/* A slab: a stripe at its place in the chunk, the more solid the fuller. */
static inline void map_slab(FILE *f, const json_t *slab, double chunk_bytes)
{
    double part = snap(slab, "object_bytes") * 64 / chunk_bytes, inner = MAP_CELL - 3;
    double x = snap(slab, "slab") * part * inner, wide = snap(slab, "slots") * snap(slab, "object_bytes") / chunk_bytes;
    fprintf(f, "<rect x='%.1f' width='%.1f' height='%d' opacity='%.2f'><title>%.0f of %.0f slots of %.0f bytes", x,
            wide * inner - .4, MAP_HEIGHT - 3, 0.3 + 0.7 * snap(slab, "live") / snap(slab, "slots"), snap(slab, "live"),
            snap(slab, "slots"), snap(slab, "object_bytes"));
    if (snap(slab, "tag") > 0) fprintf(f, ", most of tag %.0f", snap(slab, "tag"));
    fprintf(f, " in ");
}

static inline void map_legend(FILE *f, const json_t *snapshot)
{
    const json_t *e;
    double x = SVG_MARGIN;
    size_t i;
    int step;
    json_array_foreach (json_object_get(snapshot, "epochs"), i, e) {
        if (snap(e, "live_objects") < 1) continue;
        fprintf(f, "<rect x='%.0f' y='58' width='12' height='12' fill='%s'/><text x='%.0f' y='69' class='name'>", x,
                svg_color(e), x + 17);
        svg_epoch_name(f, e);
        fprintf(f, "</text>\n");
        x += 40 + 7.2 * (double)(strlen(snap_text(e, "label")) + (strcmp(snap_text(e, "state"), "active") ? 12 : 2));
    }
    for (step = 0; step <= 4; step++)
        fprintf(f, "<rect x='%d' y='80' width='18' height='12' fill='#444' opacity='%.2f'/>", SVG_MARGIN + 19 * step,
                0.3 + 0.175 * step);
    fprintf(f,
            "<text x='%d' y='90'>few of a slab's slots hold an object ... all; an empty frame: a chunk without "
            "any</text>\n",
            SVG_MARGIN + 19 * 5 + 6);
}

/* The file of record_map as SVG. -1: it is none. */
static inline int heap_map_draw(const json_t *walk, FILE *f)
{
    const json_t *snapshot = json_object_get(walk, "snapshot"), *slabs = json_object_get(walk, "slabs"), *slab, *e;
    const json_t *global = json_object_get(snapshot, "global");
    size_t count = json_array_size(slabs), i;
    long chunk, at = -1, chunks = 1 + (long)snap(json_array_get(slabs, count ? count - 1 : 0), "chunk");
    char under[160];
    if (!global || !json_is_array(slabs)) return -1;
    snprintf(under, sizeof under,
             "%ld chunks of %.0f KiB in the order of their addresses, a stripe for each slab; "
             "%.1f MiB live, %.1f MiB resident",
             chunks, snap(walk, "chunk_bytes") / 1024, snap(global, "live_bytes") / 1048576,
             snap(global, "estimated_rss_bytes") / 1048576);
    svg_begin(f, MAP_TOP + (int)((chunks + MAP_COLUMNS - 1) / MAP_COLUMNS) * MAP_HEIGHT + SVG_MARGIN,
              "Who holds the memory", under);
    map_legend(f, snapshot);
    for (chunk = 0; chunk < chunks; chunk++)
        fprintf(f, "<rect x='%ld' y='%ld' width='%d' height='%d' fill='none' stroke='#bbb' stroke-width='.6'/>\n",
                SVG_MARGIN + chunk % MAP_COLUMNS * MAP_CELL, MAP_TOP + chunk / MAP_COLUMNS * MAP_HEIGHT, MAP_CELL - 2,
                MAP_HEIGHT - 2);
    json_array_foreach (slabs, i, slab) {
        e = map_epoch(snapshot, snap_text(slab, "epoch"));
        if ((chunk = (long)snap(slab, "chunk")) != at)
            fprintf(f, "%s<g transform='translate(%.1f %.1f)' fill='%s'>\n", at < 0 ? "" : "</g>\n",
                    (double)(SVG_MARGIN + chunk % MAP_COLUMNS * MAP_CELL) + .5,
                    /* NOLINTNEXTLINE(bugprone-integer-division): whole rows */
                    (double)(MAP_TOP + chunk / MAP_COLUMNS * MAP_HEIGHT) + .5, e ? svg_color(e) : "#444");
        at = chunk;
        map_slab(f, slab, snap(walk, "chunk_bytes"));
        if (e) svg_epoch_name(f, e);
        fprintf(f, "; chunk %ld</title></rect>\n", chunk);
    }
    fprintf(f, "%s</svg>\n", at < 0 ? "" : "</g>\n");
    return ferror(f) ? -1 : 0;
}
#endif
