/* Snapshots as zslab_stats_json writes them, read with jansson; for stats_dump, zslab_top and pictures. */
#ifndef SNAPSHOT_H
#define SNAPSHOT_H

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A field as a number; 0 when there is no such field, so that older snapshots can be read. */
static inline double snap(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static inline const char *snap_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* The fields of a snapshot or of a class that count upwards; all others say how things stand. */
static inline int snap_counts(const char *key)
{
    static const char *const counters[] = {"slabs_allocated", "slabs_recycled", "cache_overflows", "cas_retries",
                                           "remote_frees",    "remote_flushes", "lock_waits",      "allocs",
                                           "frees",           "refused",        "soft_crossings",  "fallbacks",
                                           "reuses",          "drains",         "remote_full",     "growths"};
    size_t i;
    for (i = 0; i < sizeof counters / sizeof *counters; i++)
        if (!strcmp(key, counters[i])) return 1;
    return !strncmp(key, "slow_path_", 10) || !strncmp(key, "discarded_", 10) || !strncmp(key, "purge_", 6) ||
           !strncmp(key, "misuse", 6);
}

/* Counters of `now` become what was counted since `then`. All fields of an object of counters are. */
static inline void snap_subtract(json_t *now, const json_t *then, int all)
{
    const char *key;
    json_t *value;
    json_object_foreach (now, key, value) {
        if (json_is_object(value))
            snap_subtract(value, json_object_get(then, key), 1);
        else if (json_is_integer(value) && (all || snap_counts(key)))
            json_integer_set(value, json_integer_value(value) - json_integer_value(json_object_get(then, key)));
    }
}

/* The percentages of a class follow from its counters. */
static inline void snap_percentages(json_t *cls)
{
    const json_t *perf = json_object_get(cls, "perf");
    double recycled = snap(perf, "empty_slab_recycled"), used = recycled + snap(perf, "new_slab_count");
    double allocs = snap(cls, "allocs"), slow = snap(perf, "slow_path_hits");
    json_object_set_new(cls, "recycle_rate_pct", json_real(used > 0 ? 100 * recycled / used : 0));
    json_object_set_new(cls, "fast_path_pct", json_real(allocs > slow ? 100 * (allocs - slow) / allocs : 0));
}

/* What happened between two snapshots of one run: counters as differences, created_ns the older one's
   time. -1: not one run, or in the wrong order. */
static inline int snap_since(json_t *now, const json_t *then)
{
    json_t *global = json_object_get(now, "global"), *earlier = json_object_get(then, "global"), *c, *was;
    size_t i, j;
    if (snap(global, "created_ns") != snap(earlier, "created_ns") ||
        snap(global, "taken_ns") < snap(earlier, "taken_ns"))
        return -1;
    snap_subtract(global, earlier, 0);
    json_object_set(global, "created_ns", json_object_get(earlier, "taken_ns"));
    json_array_foreach (json_object_get(now, "classes"), i, c) {
        json_array_foreach (json_object_get(then, "classes"), j, was)
            if (snap(c, "class_idx") == snap(was, "class_idx")) snap_subtract(c, was, 0);
        snap_percentages(c);
    }
    json_array_foreach (json_object_get(now, "groups"), i, c)
        json_array_foreach (json_object_get(then, "groups"), j, was)
            if (snap(c, "group") == snap(was, "group")) snap_subtract(c, was, 0);
    json_array_foreach (json_object_get(now, "pools"), i, c)
        json_array_foreach (json_object_get(then, "pools"), j, was)
            if (snap(c, "pool") == snap(was, "pool")) snap_subtract(c, was, 0);
    return 0;
}

static inline json_t *snap_checked(json_t *snapshot, const char *from, const char *why)
{
    if (snapshot && !json_is_object(json_object_get(snapshot, "global")))
        why = "not a snapshot of zslab_stats_json";
    else if (snapshot)
        return snapshot;
    fprintf(stderr, "%s: %s\n", from, why);
    json_decref(snapshot);
    return NULL;
}

/* A snapshot file ("-": standard input); NULL with a message when it is none. */
static inline json_t *snap_read(const char *path)
{
    json_error_t error;
    json_t *snapshot = strcmp(path, "-") ? json_load_file(path, 0, &error) : json_loadf(stdin, 0, &error);
    return snap_checked(snapshot, path, error.text);
}

#endif
