/* Who:   a game's frame loop with two job threads.
   Wants: scratch memory for a frame, from every thread, gone when the frame is shown; no lock in the jobs.
   Watch: one domain for the whole run, reset at its last exit. Jobs and loop are inside together, so the
          frame's memory goes when the last of them leaves, never under somebody's feet, and serves again.
   Build: cc -O2 -I.. -pthread frame_loop.c */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#define ZSLAB_STATIC 1
#define ZSLAB_IMPLEMENTATION
#include "zslab.h"

enum { FRAMES = 600, JOBS = 2, SPRITES = 3000 };

typedef struct command { /* what a job wants drawn */
    struct command *next;
    float x, y, depth;
    uint32_t texture;
} command;

typedef struct job {
    zslab *z;
    zslab_domain *frame;
    pthread_barrier_t *begin, *end;
    unsigned number;
    command *list; /* this frame's */
    int refused;
} job;

static void build(job *j, unsigned frame)
{
    j->list = NULL;
    for (unsigned i = 0; i < SPRITES + frame % 500; i++) {
        command *c = (command *)zslab_malloc(j->z, sizeof *c); /* the frame's: this thread is inside */
        if (!c) {
            j->refused++;
            return;
        }
        *c = (command){j->list, (float)i, (float)frame, (float)(i % 7), j->number};
        j->list = c;
    }
}

static void *job_main(void *arg)
{
    job *j = (job *)arg;
    for (unsigned frame = 0; frame < FRAMES; frame++) {
        pthread_barrier_wait(j->begin); /* the loop is inside: the frame has begun */
        {
            ZSLAB_DOMAIN_SCOPE(j->frame);
            build(j, frame);
        } /* outside again; the loop keeps the frame alive until it is drawn */
        pthread_barrier_wait(j->end);
    }
    return NULL;
}

/* The lists of both jobs in one, as a renderer would sort them; how many there are. */
static size_t draw(zslab *z, job *jobs)
{
    size_t count = 0;
    for (int k = 0; k < JOBS; k++)
        for (command *c = jobs[k].list; c; c = c->next) count++;
    command **sorted = (command **)zslab_malloc(z, 8192); /* scratch, gone with the frame too */
    if (!sorted) return 0;
    sorted[0] = jobs[0].list;
    return count;
}

int main(void)
{
    zslab *z = zslab_create(NULL);
    zslab_epoch epoch = z ? zslab_epoch_open(z, "frame") : ZSLAB_EPOCH_NONE;
    zslab_domain *frame = z ? zslab_domain_wrap(z, epoch, ZSLAB_ON_EXIT_RESET) : NULL;
    pthread_barrier_t begin, end;
    pthread_t thread[JOBS];
    job jobs[JOBS];
    size_t drawn = 0, expected = 0;
    uint64_t early = 0;
    int refused = 0, stale = 0;
    if (!frame) return 1;
    pthread_barrier_init(&begin, NULL, JOBS + 1);
    pthread_barrier_init(&end, NULL, JOBS + 1);
    for (unsigned k = 0; k < JOBS; k++) {
        jobs[k] = (job){z, frame, &begin, &end, k, NULL, 0};
        if (pthread_create(&thread[k], NULL, job_main, &jobs[k])) return 1;
    }
    for (unsigned f = 0; f < FRAMES; f++) {
        zslab_domain_enter(frame);
        pthread_barrier_wait(&begin);
        pthread_barrier_wait(&end); /* both lists are there */
        drawn += draw(z, jobs);
        expected += (size_t)JOBS * (SPRITES + f % 500);
        zslab_domain_exit(frame); /* the last one out: everything of this frame is gone */
        if (f == 100) early = zslab_rss_bytes();
    }
    for (int k = 0; k < JOBS; k++) pthread_join(thread[k], NULL);
    for (int k = 0; k < JOBS; k++) {
        refused += jobs[k].refused;
        stale += zslab_free(z, jobs[k].list) == ZSLAB_E_STALE; /* gone, and it says so */
    }
    uint64_t late = zslab_rss_bytes();
    printf("%d frames, %zu commands drawn of %zu, %d refused, %d stale pointers caught\n", FRAMES, drawn, expected,
           refused, stale);
    printf("resident after 100 frames: %llu KiB, at the end: %llu KiB\n", (unsigned long long)early / 1024,
           (unsigned long long)late / 1024);
    zslab_domain_destroy(frame);
    zslab_destroy(z);
    return refused || drawn != expected || stale != JOBS || late > early + (2 << 20);
}
