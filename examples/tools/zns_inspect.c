/* Who:   somebody with a store in their hands who asks what is in it.
   Wants: zones, epochs, live and dead bytes, as text, as JSON, or as a picture; and whether every crc holds.
   Watch: the store is opened read-only; nothing on it changes.
   usage: zns_inspect [--json] [--svg out.svg] [--verify] [--device] <file or zoned block device>
   Without a path it makes a small store in build/ and inspects that.
   With -DZSLAB_ZNS_USE_LIBZBD=1 and -lzbd, --device opens a zoned drive.
   Build: cc -O2 -pthread zns_inspect.c */
#define ZSLAB_IMPLEMENTATION
#include "../../zslab.h"
#define ZSLAB_ZNS_IMPLEMENTATION
#include "../../zslab_zns.h"
#include <stdio.h>

static const char *const conditions[] = {"empty", "open", "closed", "full", "read-only", "offline", "conventional"};
static const char *const kinds[] = {"-", "metadata", "objects", "foreign", "out of use"};

/* The letter of an epoch in the map and the colour in the picture: by its place among the live ones. */
static uint32_t place_of(zslab_zns *s, zslab_zns_epoch e)
{
    zslab_zns_epoch_stats t;
    zslab_zns_epoch id;
    uint32_t n = 0;
    for (id = zslab_zns_epoch_next(s, 0, &t); id && id != e; id = zslab_zns_epoch_next(s, id, &t)) n++;
    return n;
}
static char letter(uint32_t place)
{
    return place < 52 ? "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"[place] : '*';
}

/* The zones as text, a character each. */
static void zone_map(zslab_zns *s)
{
    zslab_zns_zone_stats z;
    zslab_zns_epoch_stats e;
    zslab_zns_epoch id;
    uint32_t i, n = 0;
    printf("\nmap: . empty, # metadata, + several epochs, ! out of use or foreign, else one epoch:\n");
    for (i = 0; zslab_zns_zone_at(s, i, &z) == ZSLAB_OK; i++) {
        if (i % 64 == 0) printf("%s%5u ", i ? "\n" : "", i);
        putchar(z.kind == 1      ? '#'
                : z.kind > 2     ? '!'
                : !z.first_epoch ? '.'
                : z.epochs > 1   ? '+'
                                 : letter(place_of(s, z.first_epoch)));
    }
    putchar('\n');
    for (id = zslab_zns_epoch_next(s, 0, &e); id && n < 53; id = zslab_zns_epoch_next(s, id, &e), n++)
        printf("%5c %s (%llu)\n", letter(n), n < 52 ? e.label : "and all later ones", (unsigned long long)id);
}

static void text(zslab_zns *s, const zslab_zns_store_stats *t)
{
    zslab_zns_zone_stats z;
    zslab_zns_epoch_stats e;
    zslab_zns_epoch id;
    uint32_t i, unused = 0;
    printf("%u zones: %u empty, %u active, %u full, %u read-only, %u offline\n", t->zones, t->zones_empty,
           t->zones_active, t->zones_full, t->zones_read_only, t->zones_offline);
    printf("%llu epochs, %llu objects, %llu bytes live, %llu dead, %llu free, space amplification %.3f; "
           "%u zones pinned\n\n",
           (unsigned long long)t->epochs, (unsigned long long)t->objects, (unsigned long long)t->live_bytes,
           (unsigned long long)t->dead_bytes, (unsigned long long)t->free_bytes, t->space_amplification,
           t->pinned_zones);
    printf("%20s %-20s %5s %6s %9s %12s %6s %12s %6s %12s %20s\n", "epoch", "label", "class", "sealed", "objects",
           "bytes", "zones", "pins bytes", "alone", "alone bytes", "expires, ns");
    for (id = zslab_zns_epoch_next(s, 0, &e); id; id = zslab_zns_epoch_next(s, id, &e))
        printf("%20llu %-20s %5u %6s %9llu %12llu %6u %12llu %6u %12llu %20llu\n", (unsigned long long)id, e.label,
               e.lifetime_class, e.sealed ? "yes" : "no", (unsigned long long)e.objects,
               (unsigned long long)e.user_bytes, e.zones, (unsigned long long)e.pinned_bytes, e.alone_zones,
               (unsigned long long)e.alone_bytes, (unsigned long long)e.expires_ns);
    printf("\n%5s %-12s %-10s %5s %10s %12s %12s %7s\n", "zone", "condition", "holds", "class", "sequence",
           "live bytes", "dead bytes", "epochs");
    for (i = 0; zslab_zns_zone_at(s, i, &z) == ZSLAB_OK; i++) {
        if (z.device.condition == ZSLAB_ZNS_EMPTY) {
            unused++;
            continue;
        }
        printf("%5u %-12s %-10s %5u %10llu %12llu %12llu %7u\n", i, conditions[z.device.condition], kinds[z.kind],
               z.lifetime_class, (unsigned long long)z.sequence, (unsigned long long)z.live_bytes,
               (unsigned long long)z.dead_bytes, z.epochs);
    }
    printf("and %u empty ones\n", unused);
    zone_map(s);
}

static int lost_one(void *user, zslab_zns_epoch e, uint64_t objects, uint64_t bytes)
{
    fprintf((FILE *)user, "epoch %llu has lost %llu objects, %llu bytes\n", (unsigned long long)e,
            (unsigned long long)objects, (unsigned long long)bytes);
    return 0;
}

/* What opening met, where that is worth a word: damage, and a tail that nothing vouches for. */
static void damage(zslab_zns *s, const zslab_zns_recovery_report *r, FILE *out)
{
    if (!r->result && !r->lost && !r->damaged_frames && !r->tail_unverified) return;
    fprintf(
        out, "found at open: %s; %llu objects lost, %llu frames and %llu bytes damaged, %llu unverified in the tail\n",
        zslab_result_name((zslab_result)r->result), (unsigned long long)r->lost, (unsigned long long)r->damaged_frames,
        (unsigned long long)r->damaged_bytes, (unsigned long long)r->tail_unverified);
    zslab_zns_lost(s, lost_one, out);
}

/* A square for each zone: the colour is the epoch's, filled as far as bytes live; shared ones framed. */
static int svg(zslab_zns *s, const zslab_zns_store_stats *t, const char *path)
{
    enum { LEGEND = 24 }; /* epochs that are named */
    uint32_t i, n = 0, across = 32, rows = (t->zones + across - 1) / across;
    uint32_t named = t->epochs < LEGEND ? (uint32_t)t->epochs : LEGEND;
    zslab_zns_zone_stats z;
    zslab_zns_epoch_stats e;
    zslab_zns_epoch id;
    FILE *f = fopen(path, "w");
    if (!f) return 0;
    fprintf(f,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%u\" height=\"%u\" font-family=\"sans-serif\" "
            "font-size=\"11\"><rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
            across * 22 + 20, rows * 22 + 40 + named * 16);
    for (i = 0; i < t->zones && zslab_zns_zone_at(s, i, &z) == ZSLAB_OK; i++) {
        uint32_t x = 10 + i % across * 22, y = 10 + i / across * 22;
        uint32_t hue = z.first_epoch ? place_of(s, z.first_epoch) * 47 % 360 : 0;
        double live = z.device.capacity ? (double)z.live_bytes / (double)z.device.capacity : 0;
        char colour[48];
        snprintf(colour, sizeof colour, z.kind == 1 ? "#444" : z.kind > 2 ? "#c22" : "hsl(%u,60%%,55%%)", hue);
        fprintf(f, "<g><rect x=\"%u\" y=\"%u\" width=\"20\" height=\"20\" fill=\"%s\" stroke=\"%s\"/>", x, y,
                z.device.condition == ZSLAB_ZNS_EMPTY ? "#eee" : "#ccc", z.epochs > 1 ? "#000" : "#bbb");
        if (z.device.condition != ZSLAB_ZNS_EMPTY)
            fprintf(f, "<rect x=\"%u\" y=\"%.1f\" width=\"20\" height=\"%.1f\" fill=\"%s\"/>", x,
                    y + 20 - 20 * (z.kind == 2 ? live : 1), 20 * (z.kind == 2 ? live : 1), colour);
        fprintf(f, "<title>zone %u: %s, %s, %u epochs, %llu bytes live</title></g>\n", i, kinds[z.kind],
                conditions[z.device.condition], z.epochs, (unsigned long long)z.live_bytes);
    }
    for (id = zslab_zns_epoch_next(s, 0, &e); id && n < named; id = zslab_zns_epoch_next(s, id, &e), n++) {
        const char *c = e.label;
        fprintf(f,
                "<rect x=\"10\" y=\"%u\" width=\"10\" height=\"10\" fill=\"hsl(%u,60%%,55%%)\"/>"
                "<text x=\"26\" y=\"%u\">",
                rows * 22 + 40 + n * 16, n * 47 % 360, rows * 22 + 49 + n * 16);
        for (; *c; c++)
            if (*c == '<' || *c == '&' || (unsigned char)*c < 32)
                fprintf(f, "&#%d;", *c < 32 ? ' ' : *c);
            else
                putc(*c, f);
        fprintf(f, " (%llu): %llu objects, %u zones%s</text>\n", (unsigned long long)id, (unsigned long long)e.objects,
                e.zones, n + 1 == named && named < t->epochs ? "; more epochs follow" : "");
    }
    fprintf(f,
            "<text x=\"10\" y=\"%u\">%u zones, %u empty; coloured by epoch, filled as far as bytes live, dark: "
            "metadata, black border: shared</text></svg>\n",
            rows * 22 + 28, t->zones, t->zones_empty);
    return fclose(f) == 0;
}

static int json(zslab_zns *s)
{
    size_t need = zslab_zns_stats_json(s, NULL, 0) + 1;
    char *buf = (char *)malloc(need);
    if (!buf) return 0;
    zslab_zns_stats_json(s, buf, need);
    puts(buf);
    free(buf);
    return 1;
}

static int count(void *user, const zslab_zns_visit *v)
{
    uint64_t *seen = (uint64_t *)user;
    seen[0]++;
    seen[1] += v->bytes;
    return 0;
}

static const char *sample(void)
{
    static const char path[] = "build/inspect.zns";
    static unsigned char data[200000];
    zslab_zns_epoch_config c = {"sample a", 0, 0, 0}, d = {"sample b", 2, 8u << 20, 0};
    zslab_zns *s;
    zslab_zns_epoch a, b;
    zslab_handle h;
    int i;
    remove(path);
    s = zslab_zns_open_file(path, NULL, NULL);
    if (!s) return path;
    a = zslab_zns_epoch_begin(s, &c);
    b = zslab_zns_epoch_begin(s, &d);
    for (i = 0; i < 60; i++) zslab_zns_append(s, i % 3 ? b : a, data, 1000 + (size_t)i * 3000, &h);
    zslab_zns_close(s);
    return path;
}

int main(int argc, char **argv)
{
    const char *path = NULL, *picture = NULL;
    int as_json = 0, verify = 0, device = 0, i;
    zslab_zns_config c;
    zslab_zns_store_stats t;
    zslab_zns_recovery_report r;
    zslab_zns *s = NULL;
    zslab_result whole = ZSLAB_OK;
    memset(&c, 0, sizeof c);
    for (i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--json"))
            as_json = 1;
        else if (!strcmp(argv[i], "--verify"))
            verify = 1;
        else if (!strcmp(argv[i], "--device"))
            device = 1;
        else if (!strcmp(argv[i], "--svg") && i + 1 < argc)
            picture = argv[++i];
        else if (argv[i][0] != '-')
            path = argv[i];
        else {
            printf("usage: zns_inspect [--json] [--svg out.svg] [--verify] [--device] <file or device>\n");
            return 2;
        }
    }
    if (!path) path = sample();
    c.flags = ZSLAB_ZNS_FLAG_READ_ONLY | (verify ? ZSLAB_ZNS_FLAG_VERIFY : 0);
    if (!device) s = zslab_zns_open_file(path, NULL, &c);
#if ZSLAB_ZNS_USE_LIBZBD
    else
        s = zslab_zns_open_device(path, &c);
#endif
    if (!s) {
        char why[300] = "built without libzbd: no devices";
        if (!device || ZSLAB_ZNS_USE_LIBZBD) zslab_zns_error(NULL, why, sizeof why);
        printf("%s: %s\n", path, why);
        return 1;
    }
    zslab_zns_stats(s, &t);
    zslab_zns_recovery(s, &r);
    if (as_json)
        json(s);
    else
        text(s, &t);
    damage(s, &r, as_json ? stderr : stdout);
    if (picture && !svg(s, &t, picture)) printf("%s cannot be written\n", picture);
    if (verify) {
        uint64_t seen[2] = {0, 0};
        whole = zslab_zns_iterate(s, 0, count, seen);
        fprintf(as_json ? stderr : stdout,
                "verified: %llu objects, %llu bytes, every crc checked: %s; %llu lost, "
                "%llu torn in recovery\n",
                (unsigned long long)seen[0], (unsigned long long)seen[1], zslab_result_name(whole),
                (unsigned long long)r.lost, (unsigned long long)r.torn);
    }
    zslab_zns_close(s);
    return whole != ZSLAB_OK || r.lost;
}
