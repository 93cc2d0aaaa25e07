/* What a program adds to be looked at by stats_dump, zslab_top and pictures: it records, they read. Wants
   nothing but the C library; include zslab.h first. */
#ifndef RECORD_H
#define RECORD_H

#include <stdio.h>
#include <stdlib.h>

/* The whole text of a snapshot, for free(); the next one may be longer, so ask again until it fits. */
static inline char *record_text(const zslab *z, size_t (*format)(const zslab *, char *, size_t))
{
    size_t cap = 1 << 16, need;
    char *text = (char *)malloc(cap);
    while (text && (need = format(z, text, cap)) >= cap) {
        free(text);
        text = (char *)malloc(cap = need + need / 4);
    }
    return text;
}

/* Into a file that readers see whole, the old one or the new one. -1: errno says why not. */
static inline int record_snapshot(const zslab *z, const char *path)
{
    char beside[4096], *text = record_text(z, zslab_stats_json);
    FILE *f = NULL;
    int bad = snprintf(beside, sizeof beside, "%s.new", path) >= (int)sizeof beside;
    if (!bad && text && (f = fopen(beside, "w")) != NULL) bad = fputs(text, f) < 0;
    if (!f || fclose(f)) bad = 1;
    free(text);
    return bad ? -1 : rename(beside, path);
}

/* Behind the ones that are there: a run. -1: not written. */
static inline int record_append(const zslab *z, FILE *run)
{
    char *text = record_text(z, zslab_stats_json);
    int bad = !text || fputs(text, run) < 0;
    free(text);
    return bad ? -1 : 0;
}

typedef struct record_walk {
    FILE *out;
    uintptr_t first_chunk, chunk;
    size_t slab, object_bytes, live, votes, slabs;
    zslab_epoch epoch;
    unsigned tag;
} record_walk;

static inline void record_slab(record_walk *w) /* the slab that ends */
{
    size_t slots = ((size_t)1 << ZSLAB_CHUNK_SHIFT) / w->object_bytes - 64 * w->slab;
    fprintf(w->out,
            "%s\n  {\"chunk\": %llu, \"slab\": %zu, \"object_bytes\": %zu, \"slots\": %zu, \"live\": %zu, "
            "\"epoch\": \"%llu\", \"tag\": %u}",
            w->slabs++ ? "," : "", (unsigned long long)(w->chunk - w->first_chunk), w->slab, w->object_bytes,
            slots < 64 ? slots : 64, w->live, (unsigned long long)w->epoch, w->tag);
}

static inline int record_object(void *user, const zslab_visit *object)
{
    record_walk *w = (record_walk *)user;
    uintptr_t at = (uintptr_t)object->p, chunk = at >> ZSLAB_CHUNK_SHIFT;
    size_t slab = (size_t)(at - (chunk << ZSLAB_CHUNK_SHIFT)) / (64 * object->usable_bytes);
    if (w->live && (chunk != w->chunk || slab != w->slab)) {
        record_slab(w);
        w->live = w->votes = 0;
    }
    if (!w->first_chunk) w->first_chunk = chunk;
    if (object->class_idx == ZSLAB_CLASS_LARGE) { /* all of the chunks that it has, a full slab each */
        size_t left = object->usable_bytes, bytes = (size_t)1 << ZSLAB_CHUNK_SHIFT;
        for (w->chunk = chunk; left; w->chunk++, left -= left < bytes ? left : bytes) {
            w->slab = 0, w->live = 1, w->object_bytes = bytes;
            w->epoch = object->epoch, w->tag = object->tag;
            record_slab(w);
        }
        w->live = w->votes = 0;
        return 0;
    }
    w->chunk = chunk;
    w->slab = slab;
    w->object_bytes = object->usable_bytes;
    w->epoch = object->epoch;
    w->live++;
    if (!w->votes) w->tag = object->tag; /* majority: each other tag takes a vote away */
    w->votes = object->tag == w->tag ? w->votes + 1 : w->votes - 1;
    return 0;
}

/* The map: every slab with a live object, walked by zslab_check, so nobody may use z meanwhile. -1: not
   written.
     { "chunk_bytes": n, "snapshot": {zslab_stats_json}, "slabs": [{"chunk", "slab", "object_bytes",
       "slots", "live", "epoch", "tag"}, ...] }
   chunk counts from the first one with a live object (chunks are aligned to their size); tag is the one most
   of the slab's objects carry, 0 for none. A large object is a slab of one slot in each of its chunks. */
static inline int record_map(const zslab *z, const char *path)
{
    record_walk w = {0};
    char *snapshot = record_text(z, zslab_stats_json);
    zslab_result r;
    w.out = snapshot ? fopen(path, "w") : NULL;
    if (!w.out) return free(snapshot), -1;
    fprintf(w.out, "{\"chunk_bytes\": %zu, \"snapshot\":\n%s, \"slabs\": [", (size_t)1 << ZSLAB_CHUNK_SHIFT, snapshot);
    r = zslab_check(z, record_object, &w);
    if (w.live) record_slab(&w);
    fprintf(w.out, "]}\n");
    free(snapshot);
    return fclose(w.out) || r != ZSLAB_OK ? -1 : 0;
}
#endif
