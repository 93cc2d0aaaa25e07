/* Times of single calls, by the processor's own counter where there is one, and tables of them. */
#ifndef TICKS_H
#define TICKS_H

#include <stdint.h>
#include <stdio.h>
#include "bench/measure.h"

#if defined(__x86_64__)
static inline uint64_t ticks_begin(void)
{
    uint64_t t;
    __asm__ volatile("lfence\n\trdtsc\n\tshl $32, %%rdx\n\tor %%rdx, %0\n\tlfence" : "=a"(t) : : "rdx", "memory");
    return t;
}

static inline uint64_t ticks_end(void)
{
    uint64_t t;
    __asm__ volatile("rdtscp\n\tshl $32, %%rdx\n\tor %%rdx, %0\n\tlfence" : "=a"(t) : : "rcx", "rdx", "memory");
    return t;
}
#else
static inline uint64_t ticks_begin(void) { return (uint64_t)clock_ns(CLOCK_MONOTONIC); }
#define ticks_end ticks_begin
#endif

/* What two readings with nothing between them are apart, at the least. */
static inline uint64_t ticks_own(void)
{
    uint64_t own = ~(uint64_t)0;
    for (int i = 0; i < 100000; i++) {
        uint64_t t = ticks_begin(), u = ticks_end();
        if (u - t < own) own = u - t;
    }
    return own;
}

/* Nanoseconds of a tick: two clocks read `ms` apart. */
static inline double ticks_ns(double ms)
{
    double begin = clock_ns(CLOCK_MONOTONIC), now;
    uint64_t first = ticks_begin(), last;
    do {
        now = clock_ns(CLOCK_MONOTONIC);
        last = ticks_end();
    } while (now - begin < ms * 1e6);
    return (now - begin) / (double)(last - first);
}

enum { TAIL_TICKS = 1 << 18 }; /* single ticks up to here, beyond in steps of 1/64 of the value */
enum { TAIL_STEPS = 64, TAIL_DOUBLINGS = 24, TAIL_PLACES = TAIL_TICKS + TAIL_STEPS * TAIL_DOUBLINGS };
typedef struct tail_table {
    uint64_t count, least, most;
    uint32_t calls[TAIL_PLACES];
} tail_table;

static inline size_t tail_place(uint64_t ticks)
{
    if (ticks < TAIL_TICKS) return (size_t)ticks;
    int doubling = 0;
    while (ticks >> doubling >= 2 * (uint64_t)TAIL_TICKS) doubling++;
    if (doubling >= TAIL_DOUBLINGS) return TAIL_PLACES - 1;
    return (size_t)(TAIL_TICKS + doubling * TAIL_STEPS) +
           (size_t)((ticks >> doubling) - TAIL_TICKS) / (TAIL_TICKS / TAIL_STEPS);
}

static inline double tail_value(size_t place)
{
    if (place < TAIL_TICKS) return (double)place;
    size_t doubling = (place - TAIL_TICKS) / TAIL_STEPS, step = (place - TAIL_TICKS) % TAIL_STEPS;
    return (double)((uint64_t)(TAIL_TICKS + step * (TAIL_TICKS / TAIL_STEPS)) << doubling);
}

static inline void tail_note(tail_table *t, uint64_t ticks, uint64_t own)
{
    uint64_t net = ticks > own ? ticks - own : 0;
    t->calls[tail_place(net)]++;
    if (!t->count++ || net < t->least) t->least = net;
    if (net > t->most) t->most = net;
}

static inline double tail_quantile(const tail_table *t, double q)
{
    double sum = 0;
    for (size_t i = 0; i < TAIL_PLACES; i++) {
        if ((sum += t->calls[i]) > (double)t->count * q) return tail_value(i);
    }
    return (double)t->most;
}

/* Lines "<what>_<quantile> <ns>". */
static inline void tail_print(const tail_table *t, const char *what, double ns)
{
    static const struct {
        const char *name;
        double q;
    } at[] = {{"p50", .5}, {"p90", .9}, {"p99", .99}, {"p99.9", .999}, {"p99.99", .9999}, {"p99.999", .99999}};
    printf("%s_min %.1f\n", what, (double)t->least * ns);
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++)
        printf("%s_%s %.1f\n", what, at[i].name, tail_quantile(t, at[i].q) * ns);
    printf("%s_max %.1f\n", what, (double)t->most * ns);
}

#endif
