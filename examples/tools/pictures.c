/* Who:   somebody whose service's memory does not fall, and who would rather see than read figures.
   Wants: a map of the heap (who holds which slab, how full) and a timeline of the epochs.
   Watch: a log service keeps each hour's entries in an epoch, which closes when the hour is over and drains
          as entries expire; of the third hour those of the audit never do. The map shows its chunks, pale
          and in the way, and under the mouse whose objects keep them: tag 3.
   Usage: pictures [folder]                     records that service and draws it (build/pictures)
          pictures map file.json >map.svg       draws what record_map recorded
          pictures timeline file.json >line.svg draws snapshots written one behind the other
   Build: cc -O2 -I../.. pictures.c -ljansson */
/* build: -ljansson */
#define _POSIX_C_SOURCE 200809L
#define ZSLAB_STATIC 1
#define ZSLAB_TAGS 1
#define ZSLAB_IMPLEMENTATION
#include "zslab.h"

#include "heap_map.h"
#include "record.h"
#include "timeline.h"
#include <sys/stat.h>
#include <time.h>

enum { HOURS = 7, STEPS = 40, PER_STEP = 250, TTL = 30, SESSIONS = 3000, KEPT_HOUR = 2 };
enum { TAG_SESSION = 1, TAG_ENTRY, TAG_AUDIT, AUDITED = 50 }; /* every fiftieth entry is the audit's */

typedef struct service {
    zslab *z;
    void *entries[HOURS * STEPS][PER_STEP], *session[SESSIONS];
    uint64_t seed;
    FILE *record;
} service;

static unsigned pick(service *s, unsigned n)
{
    s->seed = s->seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(s->seed >> 33) % n;
}

static void *make(service *s, unsigned size, zslab_epoch e, uint16_t tag)
{
    void *p = zslab_malloc_epoch(s->z, size, e);
    if (!p) return NULL;
    zslab_set_tag(s->z, p, tag);
    return memset(p, 1, size);
}

/* Entries of one step in the hour's epoch; those of an earlier step expire; sessions come and go. */
static int step(service *s, int at, zslab_epoch hour)
{
    static const unsigned bytes[] = {128, 256, 512, 1024};
    int i, old = at - TTL;
    for (i = 0; i < PER_STEP; i++) {
        int audited = i % AUDITED == 0;
        s->entries[at][i] = make(s, bytes[pick(s, 4)], hour, audited ? TAG_AUDIT : TAG_ENTRY);
        if (!s->entries[at][i]) return -1;
        if (old >= 0 && !(audited && old / STEPS == KEPT_HOUR)) zslab_free(s->z, s->entries[old][i]);
    }
    for (i = 0; i < SESSIONS / 20; i++) {
        unsigned who = pick(s, SESSIONS);
        zslab_free(s->z, s->session[who]);
        s->session[who] = make(s, 512, zslab_epoch_current(s->z), TAG_SESSION);
        if (!s->session[who]) return -1;
    }
    return 0;
}

static int tick(service *s)
{
    const struct timespec nap = {0, 5000000}; /* a step takes a while: 5 ms */
    nanosleep(&nap, NULL);
    return record_append(s->z, s->record);
}

/* Until the last hour is half over; then the map is taken. */
static int serve(service *s)
{
    zslab_epoch hour = ZSLAB_EPOCH_NONE;
    char label[16];
    int at;
    for (at = 0; at < HOURS * STEPS - STEPS / 2; at++) {
        if (at % STEPS == 0) {
            if (hour && zslab_epoch_close(s->z, hour) != ZSLAB_OK) return -1;
            snprintf(label, sizeof label, "%02d:00", 9 + at / STEPS);
            if ((hour = zslab_epoch_open(s->z, label)) == ZSLAB_EPOCH_NONE) return -1;
        }
        if (step(s, at, hour) || tick(s)) return -1;
    }
    return 0;
}

/* From a file to a file; -1 with a message. */
static int draw(const char *kind, const char *from, FILE *to)
{
    int line = !strcmp(kind, "timeline"), r;
    json_error_t error = {0};
    json_t *data = line ? line_read(from) : json_load_file(from, 0, &error);
    r = !data ? -1 : line ? timeline_draw(data, to) : heap_map_draw(data, to);
    json_decref(data);
    if (r) fprintf(stderr, "pictures: no %s to be had from %s %s\n", kind, from, error.text);
    return r;
}

static int draw_to(const char *kind, const char *from, const char *to)
{
    FILE *f = fopen(to, "w");
    int r = f ? draw(kind, from, f) : -1;
    if (!f || fclose(f)) perror(to), r = -1;
    if (!r) printf("%s\n", to);
    return r;
}

int main(int argc, char **argv)
{
    static service s;
    const char *folder = argc > 1 ? argv[1] : "build/pictures";
    char run[512], map[512], svg[512];
    zslab_config config = {0};
    if (argc == 3 && (!strcmp(argv[1], "map") || !strcmp(argv[1], "timeline")))
        return draw(argv[1], argv[2], stdout) ? 1 : 0;
    if (argc > 2) return fprintf(stderr, "pictures: see the head of pictures.c\n"), 2;
    mkdir("build", 0777), mkdir(folder, 0777);
    snprintf(run, sizeof run, "%s/run.json", folder);
    snprintf(map, sizeof map, "%s/map.json", folder);
    config.reclaim = ZSLAB_RECLAIM_RSS;
    s.seed = 1;
    s.z = zslab_create(&config);
    if (!s.z || (s.record = fopen(run, "w")) == NULL) return perror(run), 1;
    zslab_epoch_set_label(s.z, zslab_epoch_current(s.z), "sessions");
    if (serve(&s) || record_map(s.z, map) || fclose(s.record)) return perror("pictures"), 1;
    zslab_destroy(s.z);
    snprintf(svg, sizeof svg, "%s/timeline.svg", folder);
    if (draw_to("timeline", run, svg)) return 1;
    snprintf(svg, sizeof svg, "%s/heap_map.svg", folder);
    return draw_to("map", map, svg) ? 1 : 0;
}
