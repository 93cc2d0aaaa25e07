/* Who:   an async runtime: one thread spawns tasks, a few others finish them.
   Wants: the spawn of a 1,024-byte task in a few nanoseconds, no heap in between, memory that cannot grow.
   Watch: 1,000,000 tasks live in 100,000 slots; slots come home from the threads that finished the task, and
          the owner hands them out again; a task that outlives the runtime keeps its memory, and is told.
   Build: cc -O2 -I.. -pthread task_arena.c */
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#define ZSLAB_STATIC 1
#define ZSLAB_IMPLEMENTATION
#include "zslab.h"

enum { TASKS = 1000000, WORKERS = 3, RING = 1 << 17 }; /* the ring has room for every slot */

typedef struct task {
    uint64_t (*step)(struct task *);
    uint64_t id, state[125];
} task;
typedef char task_fits[sizeof(task) <= 1024 ? 1 : -1];

/* What is ready to run: a ring of tasks under a lock. */
static struct {
    pthread_mutex_t lock;
    task *ring[RING];
    unsigned put, taken;
    int closed;
} ready = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void offer(task *const *t, unsigned count)
{
    pthread_mutex_lock(&ready.lock);
    for (unsigned i = 0; i < count; i++) ready.ring[ready.put++ % RING] = t[i];
    pthread_mutex_unlock(&ready.lock);
}

static unsigned collect(task **t, unsigned most, int *closed)
{
    unsigned n = 0;
    pthread_mutex_lock(&ready.lock);
    while (n < most && ready.taken != ready.put) t[n++] = ready.ring[ready.taken++ % RING];
    *closed = ready.closed;
    pthread_mutex_unlock(&ready.lock);
    return n;
}

static uint64_t mix(task *t)
{
    for (int i = 1; i < 16; i++) t->state[i] = t->state[i - 1] * UINT64_C(6364136223846793005) + t->id;
    return t->state[15];
}

typedef struct worker {
    pthread_t thread;
    zslab_remote *home; /* its own reference to the arena */
    uint64_t finished, sum;
    int wrong;
} worker;

static void *work(void *arg)
{
    worker *w = arg;
    task *t[64];
    int closed = 0;
    for (;;) {
        unsigned n = collect(t, 64, &closed);
        for (unsigned i = 0; i < n; i++) {
            w->sum += t[i]->step(t[i]);
            w->wrong += zslab_remote_free(w->home, t[i]) != ZSLAB_OK; /* waits while the queue is full */
            w->finished++;
        }
        if (!n && closed) return NULL;
        if (!n) sched_yield();
    }
}

/* A task from the arena. When all are on their way each try looks into the queue. */
static task *spawn(zslab_pool *arena, uint64_t id)
{
    task *t;
    while (!(t = zslab_pool_alloc(arena))) sched_yield();
    t->step = mix;
    t->id = id;
    t->state[0] = id;
    return t;
}

int main(void)
{
    zslab_pool_config config = {.slot_bytes = sizeof(task), .batch = ZSLAB_BATCH_ADAPTIVE};
    zslab_pool *arena = zslab_pool_create(&config);
    worker workers[WORKERS] = {0};
    uint64_t sum = 0, expected = 0, finished = 0;
    int wrong = 0;
    if (!arena) return printf("no arena: %s\n", zslab_result_name(zslab_last_error())), 1;
    zslab_remote *home = zslab_pool_remote(arena);
    for (int i = 0; i < WORKERS; i++) {
        workers[i].home = zslab_remote_clone(home);
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i])) return 1;
    }
    for (uint64_t id = 0; id < TASKS;) {
        task *batch[50];
        for (int i = 0; i < 50; i++) batch[i] = spawn(arena, id++);
        offer(batch, 50);
    }
    pthread_mutex_lock(&ready.lock);
    ready.closed = 1;
    pthread_mutex_unlock(&ready.lock);

    zslab_pool_stats s;
    do { /* until every task is home */
        zslab_pool_drain(arena);
        sched_yield();
        zslab_stats_pool(arena, &s);
    } while (s.live + s.queued > 0);
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(workers[i].thread, NULL);
        sum += workers[i].sum, finished += workers[i].finished, wrong += workers[i].wrong;
        zslab_remote_drop(workers[i].home);
    }
    for (uint64_t id = 0; id < TASKS; id++) {
        task t = {.id = id, .state = {id}};
        expected += mix(&t);
    }
    printf("%llu tasks finished on %d threads, results %s\n", (unsigned long long)finished, WORKERS,
           sum == expected ? "as expected" : "WRONG");
    printf("at most %zu of 100000 slots in use; %.0f %% of the tasks in a reused slot; hit rate %.0f %%\n",
           s.high_water, 100.0 * (double)s.reuses / (double)s.allocs, 100.0 * (double)s.hits / (double)s.allocs);
    printf("taken home in %llu drains, %llu corruption events\n", (unsigned long long)s.drains,
           (unsigned long long)s.corruption_events);

    task *late = spawn(arena, 7); /* still out when the runtime goes */
    zslab_pool_destroy(arena);
    zslab_result r = zslab_remote_free(home, late);
    printf("a task later than the runtime: state %llu readable, its free says %s\n", (unsigned long long)late->state[0],
           zslab_result_name(r));
    wrong += r != ZSLAB_E_CLOSED || late->state[0] != 7 || sum != expected || finished != TASKS;
    zslab_remote_drop(home); /* the last reference: now the memory goes */
    return wrong != 0;
}
