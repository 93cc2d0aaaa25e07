/* Who:   a cache in a service: entries arrive all the time, most die young, some are in use for long.
   Wants: memory of old entries back without walking the cache, and no waiting for the few still in use.
   Watch: a generation a tick: advance closes the old one. Its dead pages go at once, those of stragglers when
          their readers are done with them; an old generation ends by itself with its last straggler.
   Build: cc -O2 -I.. cache_generations.c */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#define ZSLAB_STATIC 1
#define ZSLAB_IMPLEMENTATION
#include "zslab.h"

enum { TICKS = 60, ARRIVALS = 40000, BUCKETS = 65536, IN_USE = 40, LAG = 5 };

typedef struct entry {
    uint64_t key;
    uint32_t tick, bytes;
    char data[]; /* bytes of it */
} entry;

static entry *bucket[BUCKETS];
static entry *in_use[LAG][IN_USE]; /* held by readers, a few of each of the last generations */

static uint64_t hash(uint64_t x)
{
    x ^= x >> 31;
    x *= 0x9E3779B97F4A7C15u;
    return x ^ x >> 29;
}

static entry *insert(zslab *z, uint64_t key, uint32_t tick)
{
    uint32_t bytes = (uint32_t)(16 + hash(key) % 700);
    entry *e = (entry *)zslab_malloc(z, sizeof *e + bytes); /* in the current generation */
    if (!e) return NULL;
    e->key = key, e->tick = tick, e->bytes = bytes;
    memset(e->data, (int)key, bytes);
    return e;
}

/* The tick's arrivals: each takes its bucket, the entry that was there dies unless a reader holds it. */
static int arrive(zslab *z, uint32_t tick)
{
    for (uint64_t i = 0; i < ARRIVALS; i++) {
        uint64_t key = (uint64_t)tick * ARRIVALS + i, at = hash(key) % BUCKETS;
        entry *e = insert(z, key, tick);
        if (!e) return 0;
        if (i % (ARRIVALS / IN_USE) == 7) {
            in_use[tick % LAG][i / (ARRIVALS / IN_USE)] = e;
            continue; /* read, not cached */
        }
        if (bucket[at] && zslab_free(z, bucket[at]) != ZSLAB_OK) return 0;
        bucket[at] = e;
    }
    return 1;
}

/* What is older than a tick leaves the cache. */
static int expire(zslab *z, uint32_t tick)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        if (!bucket[i] || bucket[i]->tick == tick) continue;
        if (zslab_free(z, bucket[i]) != ZSLAB_OK) return 0;
        bucket[i] = NULL;
    }
    return 1;
}

/* Readers of a generation LAG ticks old are done; each entry must be as it was. */
static int readers_done(zslab *z, uint32_t tick)
{
    for (int i = 0; i < IN_USE; i++) {
        entry *e = in_use[tick % LAG][i];
        if (!e) continue;
        for (uint32_t b = 0; b < e->bytes; b++)
            if (e->data[b] != (char)e->key) return 0;
        if (zslab_free(z, e) != ZSLAB_OK) return 0;
        in_use[tick % LAG][i] = NULL;
    }
    return 1;
}

int main(void)
{
    zslab_config config = {0};
    config.reclaim = ZSLAB_RECLAIM_RSS;
    zslab *z = zslab_create(&config);
    zslab_epoch generation[TICKS];
    uint64_t peak = 0, early = 0;
    int ended = 0, good = z != NULL;
    for (uint32_t tick = 0; good && tick < TICKS; tick++) {
        good = readers_done(z, tick) && arrive(z, tick) && expire(z, tick); /* readers of LAG ticks ago */
        generation[tick] = zslab_epoch_current(z);
        good = good && zslab_epoch_advance(z) != ZSLAB_EPOCH_NONE; /* never waits for a reader */
        if (tick) good = good && zslab_epoch_state_of(z, generation[tick - 1]) == ZSLAB_EPOCH_CLOSING;
        if (tick >= LAG) ended += zslab_epoch_state_of(z, generation[tick - LAG]) == ZSLAB_EPOCH_CLOSED;
        uint64_t now = zslab_rss_bytes();
        if (tick == 10) early = now;
        if (now > peak) peak = now;
    }
    if (!good) return 1;
    printf("%d generations, %d arrivals each; %d ended by themselves with their last straggler\n", TICKS, ARRIVALS,
           ended);
    uint64_t late = zslab_rss_bytes();
    printf("resident at tick 10: %llu KiB, at the end: %llu KiB", (unsigned long long)early / 1024,
           (unsigned long long)late / 1024);
    printf(", peak: %llu KiB\n", (unsigned long long)peak / 1024);
    zslab_destroy(z);
    return ended != TICKS - LAG || late > early + early / 4;
}
