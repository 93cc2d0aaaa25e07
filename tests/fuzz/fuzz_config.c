/* Configurations of anything: each is refused with a reason, or makes an allocator, or a pool, that works in every
   class to the last byte, within its buffer and its limit, and goes without a trace. */
/* timeout: 90000 */
#include "tests/lib/test.h"

#include "fuzz.h"

static char buffer[(size_t)6 << 20];

/* A number that is likely to matter: small, around a power of two, or anything. */
static uint64_t number(void)
{
    switch (tape_byte() % 4) {
    case 0:
        return 0;
    case 1:
        return tape_byte();
    case 2:
        return ((uint64_t)1 << tape_below(64)) + (uint64_t)tape_byte() % 3 - 1;
    default:
        return tape_number(8);
    }
}

static void *hook_alloc(void *user, size_t size, size_t alignment)
{
    ++*(int *)user;
    return aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}
static void hook_free(void *user, void *p)
{
    --*(int *)user;
    free(p);
}
static size_t hook_usable(void *user, const void *p) { return (void)user, p ? 1u : 0u; }
static int hook_owns(void *user, const void *p) { return (void)user, p != NULL; }

static zslab_fallback some_fallback(int *count)
{
    zslab_fallback f;
    unsigned set = tape_byte();
    memset(&f, 0, sizeof f);
    f.user = count;
    if (set > 200) { /* any of them, or a whole one */
        f.alloc = set & 1 ? hook_alloc : NULL;
        f.free = set & 2 ? hook_free : NULL;
        f.usable_size = set & 4 ? hook_usable : NULL;
        f.owns = set & 8 ? hook_owns : NULL;
    } else if (set > 150) {
        f.alloc = hook_alloc;
        f.free = hook_free;
    }
    return f;
}

/* Every class, first and last byte; a burst of one class; epochs until they run out. */
static void use(zslab *z, const zslab_config *c)
{
    zslab_global_stats s;
    zslab_epoch e = 0, last = 0;
    size_t i, live = 0;
    char *p;
    for (i = 0; zslab_size_class_bytes(z, i); i++) {
        size_t bytes = zslab_size_class_bytes(z, i);
        p = (char *)zslab_malloc(z, bytes);
        MUST(p || zslab_last_error() == ZSLAB_E_NOMEM || zslab_last_error() == ZSLAB_E_LIMIT);
        if (!p) continue;
        MUST(zslab_usable_size(z, p) == bytes && zslab_size_class_of(z, bytes) == i);
        MUST(!c->memory || (p >= buffer && p + bytes <= buffer + sizeof buffer));
        memset(p, 1, bytes);
        live++;
    }
    for (i = 0; i < 200; i++) {
        p = (char *)zslab_malloc(z, 8 + i);
        if (p && zslab_size_class_of(z, 8 + i) < zslab_size_class_of(z, ~(size_t)0))
            live++;
        else if (p) /* the fallback's */
            MUST(zslab_free(z, p) == ZSLAB_OK);
    }
    for (i = 0; i < 20 && (e = zslab_epoch_open(z, "e")) != 0; i++) {
        p = (char *)zslab_malloc_epoch(z, 8, e);
        if (p) *p = 1, live++;
        last = e;
    }
    MUST(i + 1 >= (c->epoch_count && c->epoch_count < 20 ? c->epoch_count : 20));
    MUST(test_live(z) <= live);
    zslab_stats_global(z, &s);
    MUST(!c->limit_bytes || s.committed_bytes <= c->limit_bytes);
    MUST(!last || zslab_epoch_release(z, last) == ZSLAB_OK);
    MUST(zslab_check(z, NULL, NULL) == ZSLAB_OK);
}

static void allocator(void)
{
    static uint32_t table[260];
    zslab_config c;
    zslab *z;
    int large = 0;
    size_t i, least;
    memset(&c, 0, sizeof c);
    c.reserve_bytes = tape_below(4) ? (size_t)tape_below(100) << 17 : (size_t)number();
    if (tape_below(3) == 0) {
        size_t at = tape_below(5000);
        c.reserve_bytes = tape_below(8) ? 0 : c.reserve_bytes;
        c.memory = buffer + at;
        c.memory_bytes = (size_t)tape_number(3) % (sizeof buffer - at + 1);
    }
    if (tape_below(3) == 0) {
        c.class_count = tape_below(261);
        c.class_bytes = tape_below(16) ? table : NULL;
        for (i = 0; i < 260; i++)
            table[i] = (i ? table[i - 1] : 0) + 8 * (tape_over() ? 2 : (uint32_t)tape_below(3) + (tape_byte() == 0));
        if (tape_below(4) == 0) table[tape_below(260)] = (uint32_t)number();
    }
    c.epoch_count = tape_below(2) ? 1u << tape_below(10) : (uint32_t)number() & 0xffff;
    c.reclaim = (zslab_reclaim)tape_below(4);
    c.limit_bytes = tape_below(2) ? 0 : (size_t)number();
    c.cache_bytes = (size_t)number();
    c.flags = tape_byte() & 127 & ~(uint32_t)ZSLAB_FLAG_LOCK_PAGES; /* whose refusal depends on the machine */
    if (tape_byte()) c.flags &= 63;
    c.fallback = some_fallback(&large);
    z = zslab_create(&c);
    least = zslab_buffer_bytes_min(&c);
    if (!z) {
        zslab_result why = zslab_last_error();
        MUST(why == ZSLAB_E_INVALID || why == ZSLAB_E_NOMEM || why == ZSLAB_E_LIMIT);
        MUST(!c.memory || !least || c.memory_bytes < least || c.reserve_bytes ||
             (c.flags & (ZSLAB_FLAG_HUGE_PAGES | ZSLAB_FLAG_NUMA_LOCAL)));
    } else {
        use(z, &c);
        zslab_destroy(z);
        if (c.memory) memset(c.memory, 0, c.memory_bytes); /* all of it is plain memory again */
    }
}

static void pool(void)
{
    zslab_pool_config c;
    zslab_pool *p;
    size_t i, need, made = 0;
    int outside = 0;
    void *slots[40];
    memset(&c, 0, sizeof c);
    c.slot_bytes = tape_below(2) ? tape_below(3000) : (size_t)number();
    c.slot_count = tape_below(2) ? tape_below(60) : (size_t)number();
    c.queue_capacity = tape_below(2) ? tape_below(100) : (size_t)number();
    c.batch = (zslab_batch)tape_below(3);
    c.batch_count = (size_t)number();
    c.fallback = some_fallback(&outside);
    if (c.slot_count > 10000 && c.slot_count < 0xffffffff) /* metadata of gigabytes proves nothing more */
        c.slot_count %= 10000;
    if (c.queue_capacity > 10000 && c.queue_capacity < 0xffffffff) c.queue_capacity %= 10000;
    need = zslab_pool_bytes(&c);
    if (tape_below(2)) {
        size_t at = tape_below(300);
        c.memory = buffer + at;
        c.memory_bytes = tape_below(2) && need <= sizeof buffer - at ? need : tape_below(65536);
    } else if (need > (size_t)1 << 28) {
        return;
    }
    p = zslab_pool_create(&c);
    MUST(p || zslab_last_error() == ZSLAB_E_INVALID || zslab_last_error() == ZSLAB_E_NOMEM);
    MUST(p || !c.memory || !need || c.memory_bytes < need);
    if (!p) return;
    for (made = 0; made < 40 && (slots[made] = zslab_pool_alloc(p)) != NULL; made++)
        if (zslab_pool_owns(p, slots[made])) {
            MUST(!c.memory || (char *)slots[made] + zslab_pool_usable_size(p) <= (char *)c.memory + c.memory_bytes);
            memset(slots[made], 2, zslab_pool_usable_size(p));
        }
    for (i = 0; i < made; i++)
        MUST(zslab_pool_free(p, slots[i]) == ZSLAB_OK || (c.fallback.owns && !zslab_pool_owns(p, slots[i])));
    zslab_pool_destroy(p);
    if (c.memory) memset(c.memory, 0, c.memory_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    tape_start(data, bytes);
    while (!tape_over()) (tape_below(2) ? allocator : pool)();
    return 0;
}
