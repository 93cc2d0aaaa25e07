/* Who:   an engine's job system: work moves between threads in the middle, so thread-local state is no use.
   Wants: one heap for each worker slot, handed on with the job; frees from anywhere.
   Watch: explicit heaps move from thread to thread without a lock; objects made in one job are freed in
          another; at the end nothing is left alive.
   Build: cc -O2 -I.. -pthread job_heaps.c */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#define ZSLAB_STATIC 1
#define ZSLAB_IMPLEMENTATION
#include "zslab.h"

enum { SLOTS = 2, ROUNDS = 200, PARTICLES = 2000 };

typedef struct particle {
    struct particle *next;
    float position[3], speed[3];
} particle;

typedef struct slot {
    zslab_heap *heap;
    particle *made;    /* by this round's job in this slot */
    particle *expired; /* made in the other slot a round ago: freed here */
    size_t freed;
    int wrong;
} slot;

static void *job(void *arg)
{
    slot *s = arg;
    for (particle *p = s->expired, *next; p; p = next) {
        next = p->next;
        s->wrong |= zslab_heap_free(s->heap, p) != ZSLAB_OK;
        s->freed++;
    }
    s->expired = NULL;
    for (int i = 0; i < PARTICLES; i++) {
        particle *p = (particle *)zslab_heap_malloc(s->heap, sizeof *p);
        if (!p) {
            s->wrong = 1;
            break;
        }
        *p = (particle){s->made, {(float)i, 0, 0}, {0, 1, 0}};
        s->made = p;
    }
    return NULL;
}

static int count_live(void *user, const zslab_visit *object)
{
    (void)object;
    ++*(size_t *)user;
    return 0;
}

int main(void)
{
    zslab *z = zslab_create(NULL);
    slot slots[SLOTS] = {{0}};
    for (int i = 0; i < SLOTS; i++) {
        if (!z || !(slots[i].heap = zslab_heap_create(z))) return 1;
    }
    for (int round = 0; round <= ROUNDS; round++) {
        pthread_t worker[SLOTS]; /* new threads every round: a slot never keeps its thread */
        for (int i = 0; i < SLOTS; i++) {
            if (pthread_create(&worker[i], NULL, job, &slots[(i + round) % SLOTS])) return 1;
        }
        for (int i = 0; i < SLOTS; i++) pthread_join(worker[i], NULL);
        for (int i = 0; i < SLOTS; i++) {
            slots[(i + 1) % SLOTS].expired = slots[i].made;
            slots[i].made = NULL;
        }
    }
    size_t live = 0, freed = 0, wrong = 0;
    for (int i = 0; i < SLOTS; i++) {
        for (particle *p = slots[i].expired, *next; p; p = next) { /* the last round's */
            next = p->next;
            wrong += zslab_heap_free(slots[i].heap, p) != ZSLAB_OK;
        }
        freed += slots[i].freed;
        wrong += (size_t)slots[i].wrong;
    }
    for (int i = 0; i < SLOTS; i++) zslab_heap_destroy(slots[i].heap);
    zslab_result sound = zslab_check(z, count_live, &live);
    printf("%zu particles freed in another job than they were made in, %zu wrong, %zu alive, check: %s\n", freed, wrong,
           live, zslab_result_name(sound));
    zslab_destroy(z);
    return wrong || live || sound != ZSLAB_OK || freed != (size_t)SLOTS * PARTICLES * ROUNDS;
}
