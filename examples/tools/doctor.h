/* The doctor: what a snapshot says about a program that is slow or keeps memory, in plain words, each
   finding with its figures and a remedy. Every threshold is a ratio with a floor, so that a healthy
   program hears nothing. */
#ifndef DOCTOR_H
#define DOCTOR_H

#include "snapshot.h"
#include <stdarg.h>

#define DOCTOR_MIB 1048576.0
#define DOCTOR_CHUNK 65536.0    /* of the default ZSLAB_CHUNK_SHIFT */
#define DOCTOR_STRAGGLER_ERAS 3 /* an epoch is late when this many newer ones were opened */
#define DOCTOR_SPARSE 8         /* and sparse when it keeps this many times its live bytes */
#define DOCTOR_SHARE 8          /* memory below an eighth of all that is resident is not worth a word */
#define DOCTOR_RSS_FLOOR (64 * DOCTOR_MIB)
#define DOCTOR_TURNOVER 4            /* memory given back this many times over, */
#define DOCTOR_PURGES_PER_SECOND 100 /* so often, is a cache too small */
#define DOCTOR_WASTE_PCT 33          /* the default classes waste 20 % at most */
#define DOCTOR_SAMPLES 100
#define DOCTOR_SLOW_PCT 10 /* a slow path serves up to 64 allocations: 2 % is usual */
#define DOCTOR_SLOW_HITS 10000
#define DOCTOR_SLOW_PER_SECOND 100000
#define DOCTOR_POOL_FALLBACKS 1000
#define DOCTOR_POOL_PCT 1

typedef struct doctor {
    const json_t *snapshot, *global, *classes, *epochs;
    double seconds, resident;
    FILE *out;
    int findings;
} doctor;

/* "3.4 MiB"; the last eight texts stay valid. */
static inline const char *doctor_bytes(double n)
{
    static char text[8][24];
    static unsigned at;
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    unsigned unit = 0;
    while (n >= 1024 && unit < 4) n /= 1024, unit++;
    at = (at + 1) % 8;
    snprintf(text[at], sizeof text[at], unit ? "%.1f %s" : "%.0f %s", n, units[unit]);
    return text[at];
}

#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
static inline void
doctor_says(doctor *d, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vfprintf(d->out, format, list);
    va_end(list);
    d->findings++;
}

/* The class with the most of a counter; NULL when none has any. */
static inline const json_t *doctor_most(const json_t *classes, const char *key)
{
    const json_t *c, *most = NULL;
    size_t i;
    json_array_foreach (classes, i, c)
        if (snap(c, key) > (most ? snap(most, key) : 0)) most = c;
    return most;
}

static inline double doctor_object_bytes(const json_t *cls) { return cls ? snap(cls, "object_bytes") : 0; }

/* Tenants whose own limits refused something; how many allocations. */
static inline double doctor_groups(doctor *d)
{
    const json_t *g, *e, *oldest;
    double refused = 0;
    size_t i, j;
    json_array_foreach (json_object_get(d->snapshot, "groups"), i, g) {
        if (snap(g, "refused") < 1) continue;
        refused += snap(g, "refused");
        oldest = NULL;
        json_array_foreach (d->epochs, j, e)
            if (snap(e, "group") == snap(g, "group") && strcmp(snap_text(e, "state"), "closed") &&
                (!oldest || snap(e, "era") < snap(oldest, "era")))
                oldest = e;
        doctor_says(d,
                    "group at its limit: tenant %s was refused %.0f allocations; %s of its %s are committed, %s "
                    "live; its oldest epoch is %s, open for %.1f s.\n"
                    "  Remedy: zslab_group_set_limits, or end its epochs earlier (zslab_discard_oldest).\n",
                    snap_text(g, "label"), snap(g, "refused"), doctor_bytes(snap(g, "committed_bytes")),
                    doctor_bytes(snap(g, "hard_bytes")), doctor_bytes(snap(g, "live_bytes")),
                    oldest ? snap_text(oldest, "label") : "none",
                    oldest ? (snap(d->global, "taken_ns") - snap(oldest, "opened_ns")) / 1e9 : 0);
    }
    return refused;
}

static inline void doctor_limit(doctor *d)
{
    double refused = snap(d->global, "slow_path_limit") - doctor_groups(d);
    double committed = snap(d->global, "committed_bytes");
    double short_of = snap(d->global, "slow_path_no_memory");
    if (refused > 0)
        doctor_says(d,
                    "limit reached: %.0f allocations were refused, most of %.0f bytes; %s of the %s allowed are "
                    "committed, %s live.\n"
                    "  Remedy: raise zslab_config.limit_bytes, or close epochs earlier; zslab_trim gives back what "
                    "is empty.\n",
                    refused, doctor_object_bytes(doctor_most(d->classes, "slow_path_limit")), doctor_bytes(committed),
                    doctor_bytes(snap(d->global, "limit_bytes")), doctor_bytes(snap(d->global, "live_bytes")));
    if (short_of > 0)
        doctor_says(d,
                    "out of memory: %.0f allocations were refused, most of %.0f bytes; %s committed.\n"
                    "  Remedy: a larger zslab_config.reserve_bytes or memory; or the system has no more.\n",
                    short_of, doctor_object_bytes(doctor_most(d->classes, "slow_path_no_memory")),
                    doctor_bytes(committed));
}

static inline void doctor_misuse(doctor *d)
{
    const json_t *times;
    const char *kind, *comma = "";
    if (snap(d->global, "misuse_count") < 1) return;
    doctor_says(d, "misuse: %.0f wrong calls were answered (", snap(d->global, "misuse_count"));
    json_object_foreach (json_object_get(d->global, "misuse"), kind, times) {
        if (json_integer_value(times) < 1) continue;
        fprintf(d->out, "%s%s: %.0f", comma, kind, json_number_value(times));
        comma = ", ";
    }
    fprintf(d->out, "). Nothing was damaged, but a caller is wrong.\n"
                    "  Remedy: set zslab_config.on_misuse and stop there in a debugger: the stack says who.\n");
}

/* What else a closing epoch waits for. */
static inline void doctor_waits(doctor *d, const json_t *e)
{
    static const char *const waits[][2] = {
        {"children", "epochs below it"},
        {"visits", "visits of domains over it"},
        {"owners_late", "threads that have passed no slow path since the close (zslab_trim asks for them)"},
        {"purges", "purges under way"},
        {"endings", "calls of zslab_epoch_on_end that were not answered"}};
    size_t i;
    for (i = 0; i < sizeof waits / sizeof *waits; i++)
        if (snap(e, waits[i][0]) > 0) fprintf(d->out, "  It also has %.0f %s.\n", snap(e, waits[i][0]), waits[i][1]);
}

/* An epoch that few objects keep alive, while newer ones came and went. */
static inline void doctor_stragglers(doctor *d)
{
    const char *current = snap_text(d->global, "current_epoch");
    const json_t *e;
    double newest = snap(d->global, "newest_era");
    size_t i;
    json_array_foreach (d->epochs, i, e) {
        int closing = !strcmp(snap_text(e, "state"), "closing");
        double held = snap(e, "estimated_rss_bytes"), live = snap(e, "live_bytes"), later = newest - snap(e, "era");
        if (!strcmp(snap_text(e, "epoch"), current) || !strcmp(snap_text(e, "state"), "closed") ||
            later < DOCTOR_STRAGGLER_ERAS || held < (closing ? 1 : 4) * DOCTOR_MIB ||
            held * DOCTOR_SHARE < d->resident || live * DOCTOR_SPARSE > held)
            continue;
        doctor_says(d,
                    "straggler epoch: \"%s\" (%s, opened %.1f s ago, %.0f newer ones since) keeps %s resident for "
                    "%.0f objects of %s; %s of it has no live object.\n  Remedy: %s\n",
                    snap_text(e, "label"), snap_text(e, "state"),
                    (snap(d->global, "taken_ns") - snap(e, "opened_ns")) / 1e9, later, doctor_bytes(held),
                    snap(e, "live_objects"), doctor_bytes(live), doctor_bytes(snap(e, "reclaimable_bytes")),
                    closing
                        ? "zslab_epoch_visit shows the objects, class and tag; free them, keep what lives longer in "
                          "an epoch of its own, or zslab_epoch_release if they may go."
                        : "zslab_epoch_close it, under ZSLAB_RECLAIM_RSS for the pages to go back at once.");
        if (closing) doctor_waits(d, e);
    }
}

/* A closed epoch without an object of its own that still is not gone, and whose ending was not called. */
static inline void doctor_undrained(doctor *d)
{
    const json_t *e;
    double later;
    size_t i;
    json_array_foreach (d->epochs, i, e) {
        later = snap(d->global, "newest_era") - snap(e, "era");
        if (strcmp(snap_text(e, "state"), "closing") || later < DOCTOR_STRAGGLER_ERAS || snap(e, "live_objects") > 0)
            continue;
        doctor_says(d,
                    "epoch not drained: \"%s\" (opened %.1f s ago, %.0f newer ones since) is closed and has no "
                    "live object.\n",
                    snap_text(e, "label"), (snap(d->global, "taken_ns") - snap(e, "opened_ns")) / 1e9, later);
        doctor_waits(d, e);
        fprintf(d->out, "  Remedy: zslab_epoch_visit shows the objects below; zslab_epoch_release ends all of it.\n");
    }
}

/* Pools that send their users elsewhere. */
static inline void doctor_pools(doctor *d)
{
    const json_t *p;
    size_t i;
    json_array_foreach (json_object_get(d->snapshot, "pools"), i, p) {
        double slots = snap(p, "capacity_bytes") / snap(p, "slot_bytes");
        if (snap(p, "fallbacks") >= DOCTOR_POOL_FALLBACKS &&
            snap(p, "fallbacks") * 100 >= DOCTOR_POOL_PCT * snap(p, "allocs"))
            doctor_says(d,
                        "pool too small: %.0f of %.0f objects of pool \"%s\" came from its fallback; it has %.0f "
                        "slots of %.0f bytes.\n"
                        "  Remedy: a larger zslab_pool_config.slot_count; with grow_count it takes memory as needed.\n",
                        snap(p, "fallbacks"), snap(p, "allocs"), snap_text(p, "label"), slots, snap(p, "slot_bytes"));
    }
}

/* Much is resident, little of it live: what the policy keeps, and the epoch that keeps most of the rest. */
static inline void doctor_rss(doctor *d)
{
    double live = snap(d->global, "live_bytes"), empty = snap(d->global, "cached_bytes");
    const json_t *most = doctor_most(d->epochs, "reclaimable_bytes");
    if (d->resident < DOCTOR_RSS_FLOOR || live * DOCTOR_SPARSE > d->resident) return;
    doctor_says(d,
                "RSS high: %s resident for %s of live objects; %s of it in empty chunks, of which the cache may keep "
                "%s.\n",
                doctor_bytes(d->resident), doctor_bytes(live), doctor_bytes(empty),
                doctor_bytes(snap(d->global, "cache_limit_bytes")));
    if (most)
        fprintf(d->out, "  Epoch \"%s\" (%s) has %s without a live object.\n", snap_text(most, "label"),
                snap_text(most, "state"), doctor_bytes(snap(most, "reclaimable_bytes")));
    fprintf(d->out,
            "  Remedy: zslab_trim gives empty chunks back; ZSLAB_RECLAIM_RSS does so at each close and for what "
            "exceeds the cache; objects that die together in one epoch leave no half-empty chunks.\n");
}

/* Memory that goes back to the system and is taken again, over and over. */
static inline void doctor_cache(doctor *d)
{
    double given = 0, range = snap(d->global, "range_bytes"), calls = snap(d->global, "purge_calls");
    const json_t *c;
    size_t i;
    json_array_foreach (d->classes, i, c) {
        double slab = 64 * snap(c, "object_bytes");
        given +=
            snap(json_object_get(c, "perf"), "empty_slab_overflowed") * (slab < DOCTOR_CHUNK ? slab : DOCTOR_CHUNK);
    }
    if (given < DOCTOR_TURNOVER * range || snap(d->global, "purge_bytes") < given / 2 ||
        calls < DOCTOR_PURGES_PER_SECOND * d->seconds || calls < DOCTOR_PURGES_PER_SECOND)
        return;
    doctor_says(d,
                "cache too small: %s of empty memory went back to the system because the cache of %s was full, %.0f "
                "times as much as there is; %.0f purges a second, and a page fault for each page taken again.\n"
                "  Remedy: raise zslab_config.cache_bytes to what is empty between two bursts; %s would hold all.\n",
                doctor_bytes(given), doctor_bytes(snap(d->global, "cache_limit_bytes")), given / range,
                calls / (d->seconds > 0 ? d->seconds : 1), doctor_bytes(range - snap(d->global, "live_bytes")));
}

/* Objects that other threads freed and whose owner does not come by. */
static inline void doctor_remote(doctor *d)
{
    double waiting = 0, bytes, most_bytes = 0;
    const json_t *c, *most = NULL;
    size_t i;
    json_array_foreach (d->classes, i, c) {
        waiting += bytes = snap(c, "remote_waiting") * snap(c, "object_bytes");
        if (bytes > most_bytes) most_bytes = bytes, most = c;
    }
    if (waiting < DOCTOR_MIB || waiting * 4 < snap(d->global, "live_bytes") + waiting) return;
    doctor_says(d,
                "remote frees pile up: %.0f objects (%s, most of %.0f bytes) were freed by other threads and "
                "wait for the threads that made them, which took such frees home %.0f times.\n"
                "  Remedy: a thread takes them home when it allocates; zslab_trim takes them home for "
                "one that sleeps.\n",
                snap(d->global, "remote_waiting"), doctor_bytes(waiting), doctor_object_bytes(most),
                snap(d->global, "slow_path_inbox"));
}

/* Slots much larger than what is asked for, where another table would do better; from sampled requests. */
static inline void doctor_classes(doctor *d)
{
    const json_t *s = json_object_get(d->snapshot, "samples"), *bytes;
    double asked = snap(s, "request_bytes"), got = snap(s, "slot_bytes"), better = snap(s, "suggested_slot_bytes");
    size_t i;
    if (snap(s, "requests") < DOCTOR_SAMPLES || (got - asked) * 100 < DOCTOR_WASTE_PCT * got ||
        (got - better) * 2 < got - asked)
        return;
    doctor_says(d,
                "wrong class table: %.0f %% of the memory of objects is padding: %.0f bytes were asked for on "
                "average, "
                "%.0f given.\n  Remedy: zslab_config.class_bytes from zslab_suggest_classes, which leaves %.0f %%:",
                100 * (got - asked) / got, asked / snap(s, "requests"), got / snap(s, "requests"),
                better > 0 ? 100 * (better - asked) / better : 0);
    json_array_foreach (json_object_get(s, "suggested_class_bytes"), i, bytes)
        fprintf(d->out, "%s %.0f", i ? "," : "", json_number_value(bytes));
    fprintf(d->out, "\n");
}

/* Why a class's slow path was taken so often: the reason counted most. */
static inline const char *doctor_why(const json_t *cls)
{
    static const struct {
        const char *key, *why;
    } reasons[] = {
        {"slow_path_cache_miss",
         "a new chunk each time. Remedy: more objects to an epoch, or fewer threads and classes; "
         "zslab_reserve before the hot phase"},
        {"slow_path_rebind", "a chunk of an ended round each time. Remedy: more objects to an epoch or to a reset"},
        {"slow_path_inbox", "frees of other threads taken home. Remedy: free where the object was made, or in batches"},
        {"slow_path_epoch_closed", "refused, the epoch being closed. Remedy: open another before closing"}};
    const char *why = "slabs with few free slots. Remedy: put objects that die together into an epoch of their own";
    double most = snap(json_object_get(cls, "perf"), "slow_path_hits") / 2;
    size_t i;
    for (i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (snap(cls, reasons[i].key) > most) most = snap(cls, reasons[i].key), why = reasons[i].why;
    return why;
}

/* With totals (ZSLAB_STATS 2) the share of allocations is known; else the rate, if slabs bring little. */
static inline void doctor_slow(doctor *d)
{
    const json_t *c;
    size_t i;
    json_array_foreach (d->classes, i, c) {
        const json_t *perf = json_object_get(c, "perf");
        double hits = snap(perf, "slow_path_hits"), allocs = snap(c, "allocs"), pct;
        hits -= snap(c, "slow_path_limit") + snap(c, "slow_path_no_memory"); /* the others' findings */
        double slabs = snap(perf, "new_slab_count") + snap(perf, "empty_slab_recycled");
        double slots = DOCTOR_CHUNK / snap(c, "object_bytes"), per_slab = slots < 64 ? slots : 64;
        pct = allocs > 0 ? 100 * hits / allocs : 0;
        if (hits < DOCTOR_SLOW_HITS) continue;
        if (allocs > 0 ? pct < DOCTOR_SLOW_PCT || pct * per_slab < 200
                       : hits < DOCTOR_SLOW_PER_SECOND * d->seconds || hits < 4 * slabs)
            continue;
        doctor_says(d, "slow path hot: objects of %.0f bytes took it %.0f times, ", snap(c, "object_bytes"), hits);
        if (allocs > 0)
            fprintf(d->out, "%.0f %% of the allocations; ", pct);
        else
            fprintf(d->out, "%.0f times a second; ", d->seconds > 0 ? hits / d->seconds : hits);
        fprintf(d->out, "most for %s.\n", doctor_why(c));
    }
}

/* Findings on a snapshot, or on what snap_since made of two; how many. */
static inline int doctor_examine(const json_t *snapshot, FILE *out)
{
    doctor d = {0};
    d.snapshot = snapshot;
    d.global = json_object_get(snapshot, "global");
    d.classes = json_object_get(snapshot, "classes");
    d.epochs = json_object_get(snapshot, "epochs");
    d.seconds = (snap(d.global, "taken_ns") - snap(d.global, "created_ns")) / 1e9;
    d.resident = snap(d.global, "estimated_rss_bytes");
    d.out = out;
    doctor_misuse(&d);
    doctor_limit(&d);
    doctor_stragglers(&d);
    doctor_undrained(&d);
    doctor_pools(&d);
    doctor_remote(&d);
    doctor_rss(&d);
    doctor_cache(&d);
    doctor_classes(&d);
    doctor_slow(&d);
    return d.findings;
}
#endif
