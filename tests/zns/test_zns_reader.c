/* A reader opens the store again and again beside a writer that appends, syncs and releases: what it sees is what some
   sync covered, whole, not less than the last one that had ended before nor more than the last one that had begun. */
#define _GNU_SOURCE
#include "tests/lib/test_zns.h"
#include <signal.h>
#include <sys/wait.h>

enum { SYNCS = 1000, EACH = 7, TURN = 50, KEEP = 4, GENERATIONS = SYNCS / TURN, OPENS = SYNCS / 25 };
static const zslab_zns_geometry drive = {256u << 10, 0, 24, 4096, 0, 0, 32768, 0};

typedef struct shared {           /* in memory that both processes have */
    uint32_t begun, ended, opens; /* syncs; times the reader has opened the store */
    uint32_t released;            /* generations whose release has begun, of the oldest ones */
    zs__u64 epoch[GENERATIONS];
} shared;
static shared *told;

static size_t size_of(uint64_t i) { return i % 97 == 96 ? 70000 : 20 + (size_t)(i * 331 % 3000); }

/* Object i goes to its generation's epoch; after each EACH of them a sync. It waits for the reader, so that there are
   as many openings as syncs ask for, however busy the machine is. */
static void writer(const char *path)
{
    zslab_zns *s = zslab_zns_open_file(path, &drive, NULL);
    uint32_t sync, i, tries;
    if (!s) _exit(2);
    for (sync = 0; sync < SYNCS; sync++) {
        uint32_t g = sync / TURN;
        if (sync % TURN == 0) {
            if (g >= KEEP) {
                zs__store_rel_u32(&told->released, g - KEEP + 1); /* release, here and below: pairs with look */
                if (zslab_zns_epoch_release(s, told->epoch[g - KEEP]) != ZSLAB_OK) _exit(3);
            }
            zs__store_rel_u64(&told->epoch[g], zslab_zns_epoch_begin(s, NULL));
        }
        for (i = 0; i < EACH; i++) {
            uint64_t n = (uint64_t)sync * EACH + i;
            if (object_put(s, told->epoch[g], n, size_of(n), NULL) != ZSLAB_OK) _exit(4);
        }
        zs__store_rel_u32(&told->begun, sync + 1);
        if (zslab_zns_sync(s, sync % 2 ? told->epoch[g] : 0) != ZSLAB_OK) _exit(5);
        zs__store_rel_u32(&told->ended, sync + 1);
        for (tries = 0; zs__load_acq_u32(&told->opens) < sync / (SYNCS / OPENS); tries++) zs__zns_nap(tries);
    }
    _exit(zslab_zns_close(s) == ZSLAB_OK ? 0 : 6); /* acquire above: pairs with look */
}

typedef struct view {
    uint64_t low, high, seen, wrong; /* the numbers it shows; each once: as many as low to high */
} view;

static int visit(void *user, const zslab_zns_visit *v)
{
    view *w = (view *)user;
    uint64_t n = 0;
    memcpy(&n, v->data, 8);
    w->wrong += n >= SYNCS * EACH || v->bytes != size_of(n) ||
                !object_is((const unsigned char *)v->data, v->bytes, n) ||
                v->epoch != zs__load_acq_u64(&told->epoch[n / EACH / TURN]); /* acquire: pairs with writer */
    if (!w->seen || n < w->low) w->low = n;
    if (!w->seen || n > w->high) w->high = n;
    w->seen++;
    return 0;
}

static uint32_t overtaken, seen_anything;

static void look(const char *path)
{
    zslab_zns_config c = {0};
    uint32_t ended = zs__load_acq_u32(&told->ended), begun, released; /* acquire, here and below: pairs with writer */
    zslab_zns_recovery_report r;
    zslab_result walked;
    view w;
    zslab_zns *s;
    c.flags = ZSLAB_ZNS_FLAG_READ_ONLY;
    s = zslab_zns_open_file(path, NULL, &c);
    begun = zs__load_acq_u32(&told->begun);
    if (!s && ended == 0) return; /* not formatted yet */
    if (ended) zs__add_u32(&told->opens, 1);
    if (!s) { /* the writer was always faster */
        EXPECT(zslab_last_error() == ZSLAB_E_BUSY);
        overtaken++;
        return;
    }
    zslab_zns_recovery(s, &r);
    EXPECT(r.lost == 0 && (r.result == ZSLAB_OK || !ended)); /* before the first sync it may be half formatted */
    memset(&w, 0, sizeof w);
    walked = zslab_zns_iterate(s, 0, visit, &w);
    released = zs__load_acq_u32(&told->released);
    EXPECT(w.wrong == 0);
    if (walked != ZSLAB_OK) { /* what it shows was released, and the zone written anew */
        EXPECT(walked == ZSLAB_E_STALE && released > 0);
        overtaken++;
    } else if (w.seen) {
        EXPECT(w.seen == w.high - w.low + 1);
        EXPECT((w.high + 1) % EACH == 0 && w.low % (EACH * TURN) == 0); /* what a sync covered; whole epochs */
        EXPECT(w.high + 1 >= (uint64_t)ended * EACH && w.high < (uint64_t)begun * EACH);
        EXPECT(w.low <= (uint64_t)released * EACH * TURN);
        seen_anything++;
    } else {
        EXPECT(ended == 0);
    }
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
}

int main(void)
{
    char path[256];
    int status = 0;
    pid_t child;
    snprintf(path, sizeof path, "%s", test_path("reader"));
    told = (shared *)mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    EXPECT(told != MAP_FAILED);
    fflush(stdout);
    child = fork();
    if (!child) writer(path);
    while (waitpid(child, &status, WNOHANG) == 0 && failed < 20) look(path);
    EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    if (!WIFEXITED(status)) (void)kill(child, SIGKILL);
    look(path);
    printf("%d syncs; opened beside them %u times, a view in %u, overtaken %u times\n", SYNCS, told->opens,
           seen_anything, overtaken);
    EXPECT(told->ended == SYNCS && told->opens >= OPENS - 1 && seen_anything + overtaken >= told->opens);
    remove(path);
    return test_summary("test_zns_reader");
}
