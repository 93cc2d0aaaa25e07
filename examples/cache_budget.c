/* Who:   a cache in a service that shares its machine: it may have so much memory, and never a byte more.
   Wants: the oldest entries out when the budget is reached, without a list of entries or a thread that evicts.
   Watch: generations are epochs that may be discarded, in a group with a hard limit: the allocation that would pass
          it drops the oldest generation first and is served. Entries are known by handles, so a lookup of what went
          is a miss. A quiet hour later generations go by their age.
   Build: cc -O2 -I.. cache_budget.c */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#define ZSLAB_STATIC 1
#define ZSLAB_IMPLEMENTATION
#include "zslab.h"

enum { KEYS = 1 << 16, REQUESTS = 1000000, GENERATION = 2000, BUDGET = 8 << 20 };

typedef struct entry {
    uint64_t key;
    char data[];
} entry;

static zslab_handle table[KEYS]; /* an entry, or what was one */
static zslab_epoch generation;
static uint32_t generations, inserted;
static uint64_t seed = 42;

static uint64_t random_below(uint64_t n)
{
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return seed % n;
}

static size_t bytes_of(uint64_t key)
{
    return sizeof(entry) + 16 + (size_t)(key * 0x9E3779B97F4A7C15u >> 55); /* 16 to 527 */
}

static int next_generation(zslab *z, zslab_group *cache)
{
    zslab_epoch_config config = {0};
    config.label = "generation", config.group = cache, config.flags = ZSLAB_EPOCH_DISCARDABLE;
    generation = zslab_epoch_open_with(z, &config);
    generations++;
    return generation != ZSLAB_EPOCH_NONE;
}

static int insert(zslab *z, zslab_group *cache, uint64_t key)
{
    void *p;
    if (inserted++ % GENERATION == 0 && !next_generation(z, cache)) return 0;
    if (!(table[key] = zslab_handle_alloc(z, bytes_of(key), generation, &p))) return 0;
    ((entry *)p)->key = key;
    memset(((entry *)p)->data, (int)key, bytes_of(key) - sizeof(entry));
    return 1;
}

/* Some keys are asked for often, and which ones moves on. */
static uint64_t request(int i)
{
    uint64_t hot = random_below(8) ? random_below(4000) : random_below(KEYS);
    return (hot + (uint64_t)i / 100 * 5) % KEYS;
}

/* Generations that were opened longer ago go; how many. */
static int expire(zslab *z, uint64_t age_ns)
{
    zslab_epoch e, next;
    int gone = 0;
    for (e = zslab_epoch_next(z, 0); e; e = next) {
        zslab_epoch_stats s;
        next = zslab_epoch_next(z, e);
        if (zslab_stats_epoch(z, 0, e, &s) == ZSLAB_OK && !strcmp(s.label, "generation") && s.age_ns >= age_ns)
            gone += zslab_epoch_release(z, e) == ZSLAB_OK;
    }
    return gone;
}

int main(void)
{
    zslab *z = zslab_create(NULL);
    zslab_group_config config = {0};
    zslab_group *cache;
    zslab_group_stats s;
    uint64_t most = 0;
    int hits = 0, refused = 0, i;
    config.label = "cache", config.hard_bytes = BUDGET;
    if (!z || !(cache = zslab_group_create(z, &config))) return 1;
    printf("requests      hits  committed  live  generations  discarded\n");
    for (i = 1; i <= REQUESTS; i++) {
        uint64_t key = request(i);
        const entry *e = table[key] ? (const entry *)zslab_handle_get(z, table[key]) : NULL;
        if (e && e->key == key)
            hits++;
        else
            refused += !insert(z, cache, key);
        if (i % 1000) continue;
        zslab_stats_group(cache, &s);
        most = s.committed_bytes > most ? s.committed_bytes : most;
        if (i % 100000 == 0)
            printf("%8d  %6.1f %%  %6.2f MiB  %3.0f %%  %11u  %9llu\n", i, 100.0 * hits / i,
                   (double)s.committed_bytes / (1 << 20), 100.0 * (double)s.live_bytes / (double)s.committed_bytes,
                   generations, (unsigned long long)s.discarded_epochs);
    }
    printf("budget 8 MiB, at most %.2f MiB committed, %d requests refused\n", (double)most / (1 << 20), refused);
    i = expire(z, 0); /* the quiet hour: all are old enough */
    zslab_stats_group(cache, &s);
    printf("%d generations expired, %llu bytes left\n", i, (unsigned long long)s.committed_bytes);
    i = most > BUDGET || refused || s.committed_bytes || hits < REQUESTS / 2;
    zslab_destroy(z);
    return i;
}
