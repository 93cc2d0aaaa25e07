/* What a program does with an allocator, and nothing else: the rows of pairs.c, and what other benches share with
   them. Included after bench/allocator.h. A row does `pairs` allocate+free pairs, writes the first word of each
   object and reads it back before the free. `size` is a constant in one instance of each row and unknown to the
   compiler in another. */
#ifndef PAIRS_H
#define PAIRS_H

#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define ROW static inline __attribute__((always_inline)) uint64_t
/* The compiler must believe that p leaves and may come back as anything: no pair can be folded away. */
#define PIN(p) __asm__ volatile("" : "+r"(p))

enum { BATCH = 1000, LIVE_MAX = 100000, GROUP = 100000, REQUEST = 30, SIZE_COUNT = 8192, RING = 4096, RING_STEP = 32 };

static void *pairs_live[LIVE_MAX];
static uint16_t pairs_order[BATCH];
static uint16_t pairs_sizes[SIZE_COUNT];
static uint64_t pairs_seed = 0x9E3779B97F4A7C15u;

static inline uint32_t pairs_random(uint32_t bound)
{
    pairs_seed = pairs_seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(((pairs_seed >> 32) * bound) >> 32);
}

static inline void pairs_out_of_memory(void)
{
    fputs("out of memory\n", stderr);
    exit(1);
}

static inline __attribute__((always_inline)) void *pairs_make(a_state *a, size_t size, uint64_t word)
{
    uint64_t *p = (uint64_t *)A_MALLOC(a, size);
    PIN(p);
    if (!p) pairs_out_of_memory();
    *p = word;
    return p;
}

static inline __attribute__((always_inline)) uint64_t pairs_drop(a_state *a, void *q)
{
    uint64_t *p = (uint64_t *)q;
    PIN(p);
    uint64_t word = *p;
    A_FREE(a, p);
    return word;
}

ROW row_hot(a_state *a, size_t size, size_t pairs)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < pairs; i++) {
        sum += pairs_drop(a, pairs_make(a, size, i));
    }
    return sum;
}

/* Allocates BATCH, frees them in the order of `pick(i)`. */
#define ROW_OF_BATCHES(name, pick)                                                                                     \
    ROW name(a_state *a, size_t size, size_t pairs)                                                                    \
    {                                                                                                                  \
        uint64_t sum = 0;                                                                                              \
        for (size_t done = 0; done < pairs; done += BATCH) {                                                           \
            for (size_t i = 0; i < BATCH; i++) pairs_live[i] = pairs_make(a, size, i);                                 \
            for (size_t i = 0; i < BATCH; i++) sum += pairs_drop(a, pairs_live[pick(i)]);                              \
        }                                                                                                              \
        return sum;                                                                                                    \
    }
#define PICK_FIFO(i) (i)
#define PICK_LIFO(i) (BATCH - 1 - (i))
#define PICK_RANDOM(i) (pairs_order[i])
ROW_OF_BATCHES(row_batch, PICK_FIFO)
ROW_OF_BATCHES(row_lifo, PICK_LIFO)
ROW_OF_BATCHES(row_random, PICK_RANDOM)

/* A standing population; a random member is replaced each time. */
ROW pairs_churn(a_state *a, size_t size, size_t pairs, uint32_t live)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < pairs; i++) {
        uint32_t at = pairs_random(live);
        sum += pairs_drop(a, pairs_live[at]);
        pairs_live[at] = pairs_make(a, size, i);
    }
    return sum;
}

ROW row_churn10k(a_state *a, size_t size, size_t pairs) { return pairs_churn(a, size, pairs, 10000); }

ROW row_churn100k(a_state *a, size_t size, size_t pairs) { return pairs_churn(a, size, pairs, LIVE_MAX); }

ROW row_mixed(a_state *a, size_t size, size_t pairs)
{
    uint64_t sum = size; /* the sizes come from the table */
    for (size_t i = 0; i < pairs; i++) {
        uint32_t at = pairs_random(10000);
        sum += pairs_drop(a, pairs_live[at]);
        pairs_live[at] = pairs_make(a, pairs_sizes[i % SIZE_COUNT], i);
    }
    return sum;
}

/* GROUP objects with one lifetime: made, then dropped together by whatever the allocator has for it. */
ROW row_epoch(a_state *a, size_t size, size_t pairs)
{
    static a_group g;
    uint64_t sum = 0;
    for (size_t done = 0; done < pairs; done += GROUP) {
        A_GROUP_OPEN(a, &g);
        for (size_t i = 0; i < GROUP; i++) {
            uint64_t *p = (uint64_t *)A_GROUP_MALLOC(a, &g, size);
            PIN(p);
            if (!p) pairs_out_of_memory();
            *p = i;
            if (A_GROUP_ONE_BY_ONE(&g)) g.object[i] = p;
        }
        g.count = GROUP;
        sum += g.count;
        A_GROUP_CLOSE(a, &g);
    }
    return sum;
}

/* A request: REQUEST objects of mixed sizes, all dropped at its end. */
ROW row_request(a_state *a, size_t size, size_t pairs)
{
    static a_group g;
    uint64_t sum = size;
    size_t at = 0;
    for (size_t done = 0; done < pairs; done += REQUEST) {
        A_SCOPE_OPEN(a, &g);
        for (size_t i = 0; i < REQUEST; i++) {
            uint64_t *p = (uint64_t *)A_SCOPE_MALLOC(a, &g, pairs_sizes[at++ % SIZE_COUNT]);
            PIN(p);
            if (!p) pairs_out_of_memory();
            *p = i;
            if (A_SCOPE_ONE_BY_ONE(&g)) g.object[i] = p;
        }
        g.count = REQUEST;
        sum += g.count;
        A_SCOPE_CLOSE(a, &g);
    }
    return sum;
}

/* One thread allocates, another frees; between them a bounded ring, published RING_STEP at a time. */
static struct {
    _Alignas(128) size_t head; /* written by the producer */
    _Alignas(128) size_t tail; /* written by the consumer */
    _Alignas(128) size_t goal; /* how many the consumer shall take; SIZE_MAX ends it */
    a_state *allocator;
    pthread_t consumer;
    int running;
    _Alignas(128) void *slot[RING];
} pairs_ring;

static inline void pairs_wait(unsigned *spins)
{
    if (++*spins < 256) {
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#endif
    } else {
        sched_yield();
    }
}

static void *pairs_consumer(void *unused)
{
    a_state *a = pairs_ring.allocator;
    uint64_t sum = 0;
    size_t tail = 0;
    unsigned spins = 0;
    (void)unused;
    for (;;) {
        /* acquire: the objects' words and the ring slots; pairs with the release in row_cross. */
        size_t head = __atomic_load_n(&pairs_ring.head, __ATOMIC_ACQUIRE);
        if (head == tail) {
            /* acquire: pairs with the release in pairs_cross_stop. */
            if (__atomic_load_n(&pairs_ring.goal, __ATOMIC_ACQUIRE) == SIZE_MAX) break;
            pairs_wait(&spins);
            continue;
        }
        for (spins = 0; tail != head; tail++) sum += pairs_drop(a, pairs_ring.slot[tail % RING]);
        /* release: the slots are read; pairs with the acquire in row_cross. */
        __atomic_store_n(&pairs_ring.tail, tail, __ATOMIC_RELEASE);
    }
    return (void *)(uintptr_t)sum;
}

static inline void pairs_cross_start(a_state *a)
{
    pairs_ring.allocator = a;
    if (pthread_create(&pairs_ring.consumer, NULL, pairs_consumer, NULL)) exit(1);
    pairs_ring.running = 1;
}

static inline void pairs_cross_stop(void)
{
    if (!pairs_ring.running) return;
    /* release: pairs with the acquire in pairs_consumer. */
    __atomic_store_n(&pairs_ring.goal, SIZE_MAX, __ATOMIC_RELEASE);
    pthread_join(pairs_ring.consumer, NULL);
}

ROW row_cross(a_state *a, size_t size, size_t pairs)
{
    size_t head = pairs_ring.head, end = head + pairs, room = pairs_ring.tail + RING;
    unsigned spins = 0;
    while (head != end) {
        while (room - head < RING_STEP) {
            /* acquire: the consumer has read those slots; pairs with its release. */
            room = __atomic_load_n(&pairs_ring.tail, __ATOMIC_ACQUIRE) + RING;
            if (room - head < RING_STEP) pairs_wait(&spins);
        }
        spins = 0;
        for (size_t i = 0; i < RING_STEP && head != end; i++, head++) {
            pairs_ring.slot[head % RING] = pairs_make(a, size, head);
        }
        /* release: objects and slots before the count; pairs with the acquire in pairs_consumer. */
        __atomic_store_n(&pairs_ring.head, head, __ATOMIC_RELEASE);
    }
    /* acquire: pairs with the consumer's release; the row ends when the last object is freed. */
    while (__atomic_load_n(&pairs_ring.tail, __ATOMIC_ACQUIRE) != end) pairs_wait(&spins);
    return head;
}

static inline void pairs_fill(a_state *a, size_t size, int mixed, size_t live)
{
    for (size_t i = 0; i < live; i++) {
        pairs_live[i] = pairs_make(a, mixed ? pairs_sizes[i % SIZE_COUNT] : size, i);
    }
}

static inline void pairs_tables(void)
{
    for (uint32_t i = 0; i < BATCH; i++) pairs_order[i] = (uint16_t)i;
    for (uint32_t i = BATCH - 1; i > 0; i--) {
        uint32_t j = pairs_random(i + 1);
        uint16_t t = pairs_order[i];
        pairs_order[i] = pairs_order[j];
        pairs_order[j] = t;
    }
    for (uint32_t i = 0; i < SIZE_COUNT; i++) { /* 16 to 511, as many in each doubling */
        uint32_t floor = 16u << pairs_random(5);
        pairs_sizes[i] = (uint16_t)(floor + pairs_random(floor));
    }
}

#endif
