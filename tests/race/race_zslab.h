/* race_zslab.h -- what the races on zslab.h share: a tiny allocator, and objects that notice when somebody
   else has them too. */
#ifndef RACE_ZSLAB_H
#define RACE_ZSLAB_H

/* Edges come often: chunks of 4 KiB and 4 pages hold 4 or 2 objects, a magazine holds one. */
#define IL_PAGE_BYTES 1024
#define ZSLAB_CHUNK_SHIFT 12
#define ZS__MAGAZINE 1u
#define ZS__DRAIN_MAX 2
#define ZSLAB_ASSERT(x) il_check(x)
#define ZSLAB_STATIC 1
#define ZS__LOCK_ORDER 1
#define ZSLAB_IMPLEMENTATION
#include "tests/lib/interleave.h"
#include "zslab.h"

#define SMALL 1024u
#define LARGE 2048u
#define CHUNK 4096u

static zslab *z;
static uint32_t race_epochs = 4; /* places of the ring; a setup may want fewer */
static size_t race_cache = ZSLAB_CACHE_NONE;
static size_t race_sample; /* bytes a sample: a profile is taken */
static const uint32_t race_classes[] = {SMALL, LARGE};

/* An allocator of so many chunks. */
static inline void race_create(size_t chunks, zslab_reclaim reclaim, uint32_t flags)
{
    zslab_config config;
    memset(&config, 0, sizeof config);
    config.reserve_bytes = chunks * CHUNK;
    config.class_bytes = race_classes;
    config.class_count = 2;
    config.epoch_count = race_epochs;
    config.reclaim = reclaim;
    config.cache_bytes = race_cache;
    config.flags = flags;
    config.sample_bytes = race_sample;
    z = zslab_create(&config);
    il_check(z != NULL);
    il_watch(il_arena, IL_ARENA_BYTES);
    il_cut(z->states, chunks * 2 * 64); /* a line per chunk and class */
    il_name(z->states, chunks * 2 * 64, "states");
    il_name(z->words, chunks * 2 * sizeof *z->words, "words");
    il_name(z->hints, chunks * 2 * sizeof *z->hints, "hints");
    il_name(z->chunks, chunks * sizeof *z->chunks, "chunks");
    il_name(z->cold, chunks * sizeof *z->cold, "cold");
    il_name(z, sizeof *z, "z");
}

static inline uint64_t race_value(const void *p) { return (uint64_t)(uintptr_t)p ^ 0x5a5a; }

/* An object just allocated: nobody else's, and written to; others may run while it is held. NULL passes. */
static inline void *race_mine(void *p, size_t size)
{
    if (p) {
        il_claim(p, size);
        il_write(p, race_value(p));
        il_point("use");
    }
    return p;
}

static inline void *race_take(size_t size) { return race_mine(zslab_malloc(z, size), size); }

static inline void *race_take_in(size_t size, zslab_epoch e) { return race_mine(zslab_malloc_epoch(z, size, e), size); }

/* Still intact? */
static inline void race_look(const void *p) { il_check(il_read(p) == race_value(p)); }

static inline void race_give(void *p)
{
    if (!p) return;
    race_look(p);
    il_disclaim(p);
    il_check(zslab_free(z, p) == ZSLAB_OK);
}

/* The object's epoch ends with the object in it. */
static inline void race_lost(const void *p)
{
    if (p) il_disclaim(p);
}

/* Every thread is gone and every object given back: one thread must be able to allocate the whole range, as
   one class; then the allocator goes. */
static inline void race_all_home(size_t chunks, size_t size)
{
    size_t n, i, all = chunks * (CHUNK / size);
    void *p[64];
    zslab_trim(z);
    for (n = 0; n < 64 && (p[n] = race_take(size)) != NULL; n++)
        ;
    if (n != all) il_fail("%lu of %lu objects found a place", (unsigned long)n, (unsigned long)all);
    for (i = 0; i < n; i++) race_give(p[i]);
    zslab_destroy(z);
}

#endif
