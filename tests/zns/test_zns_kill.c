/* A writer of several threads that append, sync and release is stopped at any moment, its file is copied as it is
   then, and in the end it is killed: in every copy everything acknowledged by a sync is there, whole, nothing of a
   released epoch is, and nothing counts as lost. [FILE-3]
   usage: test_zns_kill [rounds]   default 6, each with 4 copies and a kill */
#define _GNU_SOURCE /* kill, WUNTRACED */
#include "tests/lib/test_zns.h"
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

enum { THREADS = 3, NOTES = 60000, COPIES = 4 };
static const zslab_zns_geometry drive = {256u << 10, 0, 40, 4096, 0, 0, 32768, 0};

/* What the parent knows: in memory that both share. */
typedef struct note {
    zslab_handle handle;
    zs__u64 number;
    uint32_t bytes, epoch; /* epoch: place in shared->release */
} note;
typedef struct shared {
    uint32_t count, epochs, next; /* notes that are whole: those before count; acknowledged all of them */
    zs__lock lock;
    uint32_t release[NOTES]; /* 1 begun, 2 done */
    note note[NOTES];
} shared;

static zslab_zns *store;
static shared *told;

static void *serve(void *arg)
{
    uint64_t random = (uint64_t)(size_t)arg;
    note mine[32];
    for (;;) {
        zslab_zns_epoch e = zslab_zns_epoch_begin(store, NULL);
        uint32_t place = zs__add_u32(&told->epochs, 1), i, k, n = 0, rounds = 2 + (uint32_t)(zs__zns_mix(&random) % 5);
        if (!e || place >= NOTES) _exit(3);
        for (k = 0; k < rounds; k++) {
            n = 1 + (uint32_t)(zs__zns_mix(&random) % 4);
            for (i = 0; i < n; i++) {
                uint64_t size = zs__zns_mix(&random) % 20 ? 200 + zs__zns_mix(&random) % 2000 : 50000;
                mine[i].number = zs__add_u32(&told->next, 1);
                mine[i].bytes = (uint32_t)size;
                mine[i].epoch = place;
                if (object_put(store, e, mine[i].number, (size_t)size, &mine[i].handle) != ZSLAB_OK) _exit(4);
            }
            if (zslab_zns_sync(store, k % 2 ? e : 0) != ZSLAB_OK) _exit(5);
            zs__lock_take(&told->lock);
            if (told->count + n > NOTES) _exit(6);
            memcpy(&told->note[told->count], mine, n * sizeof *mine);
            zs__store_rel_u32(&told->count, told->count + n); /* release: the notes. Pairs with the parent's load */
            zs__lock_drop(&told->lock);
        }
        if (rounds == 4 && zslab_zns_epoch_seal(store, e) != ZSLAB_OK) _exit(7);
        zs__store_rel_u32(&told->release[place], 1); /* release, here and below: pairs with the parent's loads */
        if (zslab_zns_epoch_release(store, e) != ZSLAB_OK) _exit(8);
        zs__store_rel_u32(&told->release[place], 2);
    }
}

static void writer(const char *path, uint64_t seed)
{
    pthread_t t;
    size_t i;
    store = zslab_zns_open_file(path, &drive, NULL);
    if (!store) _exit(2);
    for (i = 1; i < THREADS; i++) pthread_create(&t, NULL, serve, (void *)(size_t)(seed * 16 + i));
    serve((void *)(size_t)(seed * 16));
}

/* `count` notes were acknowledged when the image was as it is; releases are those begun and done by then. */
static void check(const char *path, uint32_t count, const uint32_t *release)
{
    zslab_zns *s = open_after_kill(path);
    zslab_zns_recovery_report r;
    uint32_t i, missing = 0, ghosts = 0;
    EXPECT(s != NULL);
    if (!s) return;
    zslab_zns_recovery(s, &r);
    EXPECT(r.lost == 0);
    for (i = 0; i < count; i++) {
        const note *n = &told->note[i];
        zslab_result got = object_get(s, n->handle, n->number, n->bytes);
        missing += release[n->epoch] == 0 && got != ZSLAB_OK;
        ghosts += release[n->epoch] == 2 && got != ZSLAB_E_STALE;
        missing += release[n->epoch] == 1 && got != ZSLAB_OK && got != ZSLAB_E_STALE;
    }
    if (missing || ghosts)
        printf("of %u acknowledged %u missing, %u of released epochs there\n", count, missing, ghosts);
    EXPECT(missing == 0 && ghosts == 0);
    (void)zslab_zns_close(s);
}

/* One writer, stopped and copied, then killed. */
static void story(const char *path, const char *copy, uint64_t seed)
{
    static uint32_t release[NOTES];
    uint64_t random = seed;
    int status = 0, k;
    pid_t child;
    memset(told, 0, sizeof *told);
    remove(path);
    fflush(stdout);
    child = fork();
    if (!child) {
        writer(path, seed);
        _exit(1);
    }
    for (k = 0; k <= COPIES; k++) {
        uint32_t want = zs__load_acq_u32(&told->count) + 20 + (uint32_t)(zs__zns_mix(&random) % 60), tries = 0, n;
        while (zs__load_acq_u32(&told->count) < want && waitpid(child, &status, WNOHANG) == 0) zs__zns_nap(tries++);
        (void)kill(child, k == COPIES ? SIGKILL : SIGSTOP); /* acquire above: the notes. Pairs with serve */
        EXPECT(waitpid(child, &status, WUNTRACED) == child);
        EXPECT(k == COPIES ? WIFSIGNALED(status) : WIFSTOPPED(status));
        if (k < COPIES && !WIFSTOPPED(status)) {
            printf("the writer ended with %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : -1);
            return;
        }
        n = zs__load_acq_u32(&told->count);
        memcpy(release, told->release, sizeof release);
        if (k < COPIES) copy_file(path, copy);
        if (k < COPIES) (void)kill(child, SIGCONT);
        check(k < COPIES ? copy : path, n, release);
    }
}

/* A child that has closed its descriptors and lives on keeps nobody out: it has no other hold on the file. */
static void child_lives_on(const char *path)
{
    zslab_zns *s;
    pid_t child;
    int i, status;
    remove(path);
    s = zslab_zns_open_file(path, &drive, NULL);
    EXPECT(s != NULL);
    child = fork();
    if (!child) {
        for (i = 3; i < 256; i++) (void)close(i);
        (void)raise(SIGSTOP);
        _exit(0);
    }
    EXPECT(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    s = zslab_zns_open_file(path, &drive, NULL);
    EXPECT(s != NULL);
    if (s) EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    (void)kill(child, SIGKILL);
    EXPECT(waitpid(child, &status, 0) == child);
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 6, i;
    char path[256], copy[256];
    snprintf(path, sizeof path, "%s", test_path("kill"));
    snprintf(copy, sizeof copy, "%s", test_path("killed-copy"));
    told = (shared *)mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    EXPECT(told != MAP_FAILED);
    child_lives_on(path);
    for (i = 0; i < rounds && failed < 20; i++) story(path, copy, (uint64_t)i + 1);
    remove(path);
    remove(copy);
    printf("%d kills and %d copies of a stopped writer's file\n", rounds, rounds * COPIES);
    return test_summary("test_zns_kill");
}
