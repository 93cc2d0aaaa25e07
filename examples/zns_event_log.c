/* Who:   a service that writes an event log and must keep the last days of it, no more.
   Wants: to drop the oldest day at once, without a compaction that competes with the writers.
   Watch: resets rise with every day dropped, write amplification stays where it was, and a restart replays
   the days that are kept, in order.
   Build: cc -O2 -pthread zns_event_log.c */
#define ZSLAB_IMPLEMENTATION
#include "../zslab.h"
#define ZSLAB_ZNS_IMPLEMENTATION
#include "../zslab_zns.h"
#include <stdio.h>

enum { KEEP_DAYS = 7, DAYS = 30, EVENTS_A_DAY = 20000 };

static void must(int ok, const char *what)
{
    if (ok) return;
    printf("%s: %s\n", what, zslab_result_name(zslab_last_error()));
    exit(1);
}

/* One day: its events, a sync each five thousand, then sealed: nobody adds to yesterday. */
static void write_day(zslab_zns *log, int day)
{
    zslab_zns_epoch_config c = {NULL, 0, (uint64_t)EVENTS_A_DAY * 150, 0};
    zslab_zns_epoch e;
    char label[32], event[256];
    zslab_handle h;
    int i;
    snprintf(label, sizeof label, "day %d", day);
    c.label = label;
    e = zslab_zns_epoch_begin(log, &c);
    must(e != 0, "begin");
    for (i = 0; i < EVENTS_A_DAY; i++) {
        int n = snprintf(event, sizeof event, "%d.%05d user=%d path=/item/%d status=%d %0*d", day, i, i * 7919 % 1000,
                         i * 104729 % 5000, i % 50 ? 200 : 500, 40 + i % 80, i);
        must(zslab_zns_append(log, e, event, (size_t)n + 1, &h) == ZSLAB_OK, "append");
        if (i % 5000 == 4999) must(zslab_zns_sync(log, e) == ZSLAB_OK, "sync");
    }
    must(zslab_zns_epoch_seal(log, e) == ZSLAB_OK, "seal");
}

typedef struct replay {
    int day, next, days, errors, status500;
} replay;

static int replay_event(void *user, const zslab_zns_visit *v)
{
    replay *r = (replay *)user;
    int day = 0, i = 0;
    if (sscanf((const char *)v->data, "%d.%d", &day, &i) != 2) r->errors++;
    if (day != r->day) {
        r->errors += r->next && r->next != EVENTS_A_DAY; /* the day before was not whole */
        r->day = day;
        r->next = 0;
        r->days++;
    }
    r->errors += i != r->next++;
    r->status500 += strstr((const char *)v->data, "status=500") != NULL;
    return 0;
}

int main(void)
{
    const char *path = "build/event_log.zns";
    zslab_zns_geometry g;
    zslab_zns_store_stats t;
    zslab_zns_recovery_report rec;
    zslab_zns_epoch_stats e;
    zslab_zns *log;
    replay r = {0, 0, 0, 0, 0};
    int day;
    memset(&g, 0, sizeof g);
    g.zone_bytes = 2u << 20;
    g.zone_count = 32;
    remove(path);
    log = zslab_zns_open_file(path, &g, NULL);
    must(log != NULL, path);
    printf("day  zones used  dead bytes  resets  write amplification\n");
    for (day = 1; day <= DAYS; day++) {
        write_day(log, day);
        if (day > KEEP_DAYS) /* epochs come in order: the first is the oldest */
            must(zslab_zns_epoch_release(log, zslab_zns_epoch_next(log, 0, &e)) == ZSLAB_OK, "release");
        zslab_zns_stats(log, &t);
        if (day % 5 == 0)
            printf("%3d  %10u  %10llu  %6llu  %.3f\n", day, t.zones - t.zones_empty, (unsigned long long)t.dead_bytes,
                   (unsigned long long)t.resets, t.write_amplification);
    }
    must(zslab_zns_close(log) == ZSLAB_OK, "close");
    log = zslab_zns_open_file(path, NULL, NULL);
    must(log != NULL, "reopen");
    zslab_zns_recovery(log, &rec);
    must(zslab_zns_iterate(log, 0, replay_event, &r) == ZSLAB_OK, "replay");
    printf("after a restart: %llu events of %d days replayed in order from day %d on, %d errors, %d with "
           "status 500\n",
           (unsigned long long)rec.objects, r.days, r.day - r.days + 1, r.errors, r.status500);
    must(zslab_zns_close(log) == ZSLAB_OK, "close");
    remove(path);
    return r.errors || r.days != KEEP_DAYS || rec.objects != (uint64_t)KEEP_DAYS * EVENTS_A_DAY;
}
