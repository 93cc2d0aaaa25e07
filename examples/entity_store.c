/* A game programmer has wolves that hunt deer. Each wolf remembers its prey by handle, never by pointer: deer die in
   the middle of a frame, under the wolves' feet, and their slots are soon some other deer's.
   They want every lookup of the dead to say so, also when the slot lives again, and a level to go in one call.
   Watch: lookups whose slot holds another deer by now, where a pointer would have bitten the wrong one, are counted;
   none of them reached it. The handles of the first level are all stale in the second.
     build/examples/entity_store [frames]
   Build: cc -O2 -I.. -pthread entity_store.c */
#define ZSLAB_IMPLEMENTATION
#include "zslab.h"

#include <stdio.h>
#include <stdlib.h>

enum { DEER = 20000, WOLVES = 20000, LEVELS = 2 };

typedef struct deer {
    uint32_t serial; /* which deer this is: slots are used again, serials are not */
    int health;
} deer;
ZSLAB_HANDLE_DECLARE(deer); /* from here on a handle of anything else does not compile */

typedef struct wolf {
    ZSLAB_HANDLE_OF(deer) prey; /* may be dead at any time */
    const deer *seen_at;        /* what a pointer would have remembered: never followed, only compared */
    uint32_t prey_serial;
} wolf;

typedef struct world {
    zslab *z;
    zslab_epoch level;
    ZSLAB_HANDLE_OF(deer) herd[DEER];
    wolf *pack[WOLVES];
    uint32_t serials;
    uint64_t random, lookups, bites, stale, taken_over, wrong;
} world;

static void *must(void *p)
{
    if (p) return p;
    fprintf(stderr, "nothing there: %s\n", zslab_result_name(zslab_last_error()));
    exit(1);
}

static uint32_t dice(world *w, uint32_t sides)
{
    w->random = w->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(w->random >> 33) % sides;
}

static void calve(world *w, uint32_t i)
{
    deer *d = NULL;
    w->herd[i] = ZSLAB_HANDLE_NEW(deer, w->z, w->level, &d);
    must(d);
    d->serial = ++w->serials;
    d->health = 10;
}

/* The prey lives: bite it. It does not: look for another. */
static void hunt(world *w, wolf *me)
{
    deer *prey = ZSLAB_HANDLE_GET(deer, w->z, me->prey);
    w->lookups += me->prey.value != 0;
    if (prey) {
        w->bites++;
        w->wrong += prey->serial != me->prey_serial;
        prey->health -= 4;
        return;
    }
    if (me->prey.value) {
        w->stale++;
        w->taken_over += zslab_handle_of(w->z, me->seen_at) != 0; /* that slot holds another deer by now */
    }
    me->prey = w->herd[dice(w, DEER)];
    prey = ZSLAB_HANDLE_GET(deer, w->z, me->prey);
    me->seen_at = must(prey);
    me->prey_serial = prey->serial;
}

/* Who has no health left dies; a calf comes, often in the very same slot. */
static void bury(world *w, uint32_t i)
{
    deer *d = must(ZSLAB_HANDLE_GET(deer, w->z, w->herd[i]));
    if (d->health > 0) return;
    if (ZSLAB_HANDLE_FREE(deer, w->z, w->herd[i]) != ZSLAB_OK) exit(1);
    calve(w, i);
}

static void play(world *w, int frames)
{
    for (uint32_t i = 0; i < DEER; i++) calve(w, i);
    for (uint32_t i = 0; i < WOLVES; i++) {
        w->pack[i] = must(zslab_malloc_epoch(w->z, sizeof(wolf), w->level)); /* wolves are nobody's prey: no handle */
        *w->pack[i] = (wolf){ZSLAB_HANDLE_NONE(deer), NULL, 0};
    }
    for (int f = 0; f < frames; f++) {
        for (uint32_t i = 0; i < WOLVES; i++) hunt(w, w->pack[i]);
        for (uint32_t i = 0; i < DEER; i++) bury(w, i);
    }
}

int main(int argc, char **argv)
{
    static world w;
    static ZSLAB_HANDLE_OF(deer) last_level[DEER];
    int frames = argc > 1 ? atoi(argv[1]) : 60;
    size_t ghosts = 0;
    w.z = must(zslab_create(NULL));
    for (int level = 0; level < LEVELS; level++) {
        w.level = zslab_epoch_open(w.z, "level");
        play(&w, frames);
        for (uint32_t i = 0; i < DEER; i++) {
            ghosts += ZSLAB_HANDLE_GET(deer, w.z, last_level[i]) != NULL;
            last_level[i] = w.herd[i];
        }
        if (zslab_epoch_release(w.z, w.level) != ZSLAB_OK) return 1; /* deer and wolves, in one call */
    }
    printf("%u deer lived, %d at a time\n", w.serials, DEER);
    printf("%llu lookups: %llu alive, %llu dead and known to be\n", (unsigned long long)w.lookups,
           (unsigned long long)w.bites, (unsigned long long)w.stale);
    printf("of the dead, slots where another deer stood by then: %llu; wrong deer bitten: %llu\n",
           (unsigned long long)w.taken_over, (unsigned long long)w.wrong);
    printf("handles of the first level that resolve in the second: %zu\n", ghosts);
    zslab_destroy(w.z);
    return w.wrong || ghosts || !w.taken_over || w.lookups != w.bites + w.stale;
}
