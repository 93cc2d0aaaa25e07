/* Who:   somebody who spills sessions to flash: most die in a minute, some live an hour, few a day.
   Wants: to keep the drive from copying long-lived sessions about because short-lived ones lie beside them.
   Watch: the same sessions, once all in one lifetime class and once in three. Nothing is ever copied in
   either case; what mixing lifetimes costs is space: zones that one old epoch keeps from being reset.
   Build: cc -O2 -pthread zns_session_cache.c */
#define ZSLAB_IMPLEMENTATION
#include "../zslab.h"
#define ZSLAB_ZNS_IMPLEMENTATION
#include "../zslab_zns.h"
#include <stdio.h>

enum { MINUTES = 400, CLASSES = 3, LIVE = 64 };

static const int lifetime[CLASSES] = {1, 20, 150}; /* minutes until an epoch is released */
static const int period[CLASSES] = {1, 5, 30};     /* minutes an epoch takes sessions for */
static const int sessions[CLASSES] = {60, 6, 2};   /* new ones a minute */
static const char *const names[CLASSES] = {"minute", "hour", "day"};

typedef struct generation {
    zslab_zns_epoch epoch;
    int dies;
} generation;

static void must(int ok, const char *what)
{
    if (ok) return;
    printf("%s: %s\n", what, zslab_result_name(zslab_last_error()));
    exit(1);
}

static double run(const char *path, int separate, double *out_write)
{
    static unsigned char session[24000];
    generation live[CLASSES][LIVE];
    zslab_zns_epoch open[CLASSES] = {0, 0, 0};
    zslab_zns_geometry g;
    zslab_zns_store_stats t;
    zslab_zns *s;
    zslab_handle h;
    double space = 0;
    int minute, c, i, samples = 0;
    uint32_t most_zones = 0;
    memset(&g, 0, sizeof g);
    memset(live, 0, sizeof live);
    g.zone_bytes = 1u << 20;
    g.zone_count = 256;
    g.max_active = 14;
    remove(path);
    s = zslab_zns_open_file(path, &g, NULL);
    must(s != NULL, path);
    for (minute = 0; minute < MINUTES; minute++) {
        for (c = 0; c < CLASSES; c++) {
            for (i = 0; i < LIVE; i++)
                if (live[c][i].epoch && live[c][i].dies <= minute) {
                    must(zslab_zns_epoch_release(s, live[c][i].epoch) == ZSLAB_OK, "release");
                    live[c][i].epoch = 0;
                }
            if (minute % period[c] == 0) {
                zslab_zns_epoch_config config = {names[c], separate ? (uint32_t)c : 0, 0, 0};
                open[c] = zslab_zns_epoch_begin(s, &config);
                must(open[c] != 0, "begin");
                for (i = 0; live[c][i].epoch; i++)
                    ;
                live[c][i].epoch = open[c];
                live[c][i].dies = minute + period[c] + lifetime[c];
            }
        }
        for (i = 0; i < sessions[0]; i++) /* sessions of all kinds arrive mixed */
            for (c = 0; c < CLASSES; c++)
                if (i % (sessions[0] / sessions[c]) == 0)
                    must(zslab_zns_append(s, open[c], session, 2000 + (size_t)(i * 7919 % 22000), &h) == ZSLAB_OK,
                         "append");
        if (minute % 20 == 19) must(zslab_zns_sync(s, 0) == ZSLAB_OK, "sync");
        if (minute < MINUTES / 2) continue;
        zslab_zns_stats(s, &t);
        space += t.space_amplification;
        samples++;
        if (t.zones - t.zones_empty > most_zones) most_zones = t.zones - t.zones_empty;
    }
    zslab_zns_stats(s, &t);
    *out_write = t.write_amplification;
    printf("%-28s %11.3f %15.2f %12u %8llu\n", separate ? "three lifetime classes" : "all in one class",
           t.write_amplification, space / samples, most_zones, (unsigned long long)t.resets);
    must(zslab_zns_close(s) == ZSLAB_OK, "close");
    remove(path);
    return space / samples;
}

int main(void)
{
    double write_one, write_three, one, three;
    printf("%-28s %11s %15s %12s %8s\n", "", "write ampl.", "space ampl. avg", "zones, most", "resets");
    one = run("build/session_cache.zns", 0, &write_one);
    three = run("build/session_cache.zns", 1, &write_three);
    printf("mixing lifetimes takes %.1f times the space of keeping them apart\n", one / three);
    return !(three < one && write_three < 1.2);
}
