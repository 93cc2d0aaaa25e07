/* Who:   somebody who watches the heap in a profiler such as Tracy, whose memory pools are our epochs.
   Wants: every object on its timeline, from whatever call and thread; a frame's gone when the frame goes.
   Watch: the profile's own count of live objects and bytes is zslab's, frame for frame; at a release nothing is
          freed one by one, the pool is discarded.
   With Tracy: cc -DTRACY_ENABLE -Itracy/public alloc_profile.c TracyClient.o -lstdc++; here a page of C records.
   Build: cc -O2 -I.. -pthread alloc_profile.c */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>

typedef struct pool { /* of one epoch: what Tracy calls a memory pool, known by its name's address */
    uint64_t epoch, live, allocs, frees, discarded;
    int64_t bytes;
    char name[24];
} pool;
static void profile_alloc(uint64_t epoch, const void *p, size_t size, size_t usable);
static void profile_free(uint64_t epoch, const void *p, size_t usable);
static void profile_epoch(uint64_t epoch, int event);

#define ZSLAB_ON_ALLOC(z, p, size) profile_alloc(zslab_epoch_of((z), (p)), (p), (size), zslab_usable_size((z), (p)))
#define ZSLAB_ON_FREE(z, p) profile_free(zslab_epoch_of((z), (p)), (p), zslab_usable_size((z), (p)))
#define ZSLAB_ON_EPOCH(z, epoch, event) profile_epoch((epoch), (event))
#define ZSLAB_STATIC 1
#define ZSLAB_IMPLEMENTATION
#include "zslab.h"

#ifdef TRACY_ENABLE
#include <tracy/TracyC.h>
#else
#define TracyCAllocN(p, size, name) ((void)(p), (void)(size), (void)(name))
#define TracyCFreeN(p, name) ((void)(p), (void)(name))
#define TracyCMemoryDiscard(name) ((void)(name))
#endif

enum { POOLS = 64, FRAMES = 6 };
static struct {
    pthread_mutex_t lock; /* guards the pools */
    pool at[POOLS];
    int count;
} profile = {PTHREAD_MUTEX_INITIALIZER, {{0, 0, 0, 0, 0, 0, {0}}}, 0};

static pool *pool_of(uint64_t epoch) /* lock held */
{
    int i;
    for (i = 0; i < profile.count; i++)
        if (profile.at[i].epoch == epoch) return &profile.at[i];
    if (profile.count == POOLS) return &profile.at[POOLS - 1];
    snprintf(profile.at[i].name, sizeof profile.at[i].name, "epoch %d", i);
    profile.at[i].epoch = epoch;
    profile.count++;
    return &profile.at[i];
}

static void profile_alloc(uint64_t epoch, const void *p, size_t size, size_t usable)
{
    pthread_mutex_lock(&profile.lock);
    pool *to = pool_of(epoch);
    to->allocs++;
    to->live++;
    to->bytes += (int64_t)usable;
    TracyCAllocN(p, size, to->name);
    pthread_mutex_unlock(&profile.lock);
}

static void profile_free(uint64_t epoch, const void *p, size_t usable) /* p is live yet */
{
    pthread_mutex_lock(&profile.lock);
    pool *from = pool_of(epoch);
    from->frees++;
    from->live--;
    from->bytes -= (int64_t)usable;
    TracyCFreeN(p, from->name);
    pthread_mutex_unlock(&profile.lock);
}

static void profile_epoch(uint64_t epoch, int event)
{
    pthread_mutex_lock(&profile.lock);
    pool *of = pool_of(epoch);
    if (event == ZSLAB_EPOCH_EVENT_RELEASE || event == ZSLAB_EPOCH_EVENT_RESET) {
        of->discarded += of->live;
        of->live = 0;
        of->bytes = 0;
        TracyCMemoryDiscard(of->name);
    }
    pthread_mutex_unlock(&profile.lock);
}

/* ---- the program: frames of scratch objects, a world that outlives them, a loader thread ---- */

static zslab *z;
static void *world[3000];

static void *loader(void *unused)
{
    (void)unused;
    for (size_t i = 0; i < 3000; i++) /* frees what the main thread made */
        if (i % 3 == 0) {
            zslab_free(z, world[i]);
            world[i] = zslab_calloc(z, 3, 50);
        }
    return NULL;
}

static int agree(int frame) /* the profile's figures against zslab's */
{
    zslab_global_stats g;
    uint64_t live = 0;
    int64_t bytes = 0;
    zslab_stats_global(z, &g);
    for (int i = 0; i < profile.count; i++) live += profile.at[i].live, bytes += profile.at[i].bytes;
    printf("frame %d: profile %6llu objects %8lld bytes, zslab %6llu objects %8llu bytes\n", frame,
           (unsigned long long)live, (long long)bytes, (unsigned long long)g.live_objects,
           (unsigned long long)g.live_bytes);
    return live == g.live_objects && (uint64_t)bytes == g.live_bytes;
}

int main(void)
{
    int good = (z = zslab_create(NULL)) != NULL;
    for (int frame = 0; good && frame < FRAMES; frame++) {
        zslab_epoch scratch = zslab_epoch_open(z, "frame");
        pthread_t thread;
        for (size_t i = 0; i < 3000; i++) {
            world[i] = zslab_realloc(z, world[i], 20 + (i * 7 + (size_t)frame * 50) % 400); /* some move */
            good = world[i] && zslab_malloc_epoch(z, 16 + i % 200, scratch) && good;
        }
        if (pthread_create(&thread, NULL, loader, NULL)) return 1;
        pthread_join(thread, NULL);
        zslab_free(z, (char *)world[0] + 8); /* refused: the profile hears nothing */
        good = agree(frame) && good;
        zslab_epoch_release(z, scratch);
        good = agree(frame) && good;
    }
    for (int i = 0; i < profile.count; i++)
        printf("%-8s %6llu allocated, %6llu freed, %6llu discarded\n", profile.at[i].name,
               (unsigned long long)profile.at[i].allocs, (unsigned long long)profile.at[i].frees,
               (unsigned long long)profile.at[i].discarded);
    zslab_destroy(z);
    puts(good ? "every object was heard of once" : "PROFILE AND ALLOCATOR DISAGREE");
    return !good;
}
