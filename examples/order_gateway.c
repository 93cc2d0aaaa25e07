/* Who:   an order gateway: one thread takes orders in, another sends them out and frees them.
   Wants: no system call and no page fault while the market is open.
   Watch: zslab_reserve before the bell; then 4 million orders cross from thread to thread, and the kernel's
          count of page faults stands still.
   Build: cc -O2 -I.. -pthread order_gateway.c */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#define ZSLAB_STATIC 1
#define ZSLAB_IMPLEMENTATION
#include "zslab.h"

enum { ORDERS = 4000000, RING = 1024, RESERVED = 64 * 1024, OPENING = 100000 };

typedef struct order {
    uint64_t id;
    int64_t price;
    uint32_t quantity;
    char symbol[12];
    char text[80];
} order;

static order *ring[RING];
static uint32_t ring_head, ring_tail; /* written by the gate, by the sender */

static struct { /* the sender's books, read after it is joined */
    int64_t value;
    long faults;
    int wrong;
} sent;

static long page_faults(void) /* of this thread */
{
    struct rusage u;
    getrusage(RUSAGE_THREAD, &u);
    return u.ru_minflt + u.ru_majflt;
}

static void *sender(void *arg)
{
    zslab *z = (zslab *)arg;
    for (uint32_t tail = 0; tail != ORDERS; tail++) {
        if (tail == OPENING) sent.faults = -page_faults();
        /* acquire: the order's fields; pairs with the release in main. */
        while (__atomic_load_n(&ring_head, __ATOMIC_ACQUIRE) == tail) sched_yield();
        order *o = ring[tail % RING];
        sent.value += o->price * o->quantity;
        sent.wrong |= zslab_free(z, o) != ZSLAB_OK;
        /* release: the slot was read; pairs with the acquire in main. */
        __atomic_store_n(&ring_tail, tail + 1, __ATOMIC_RELEASE);
    }
    sent.faults += page_faults();
    return NULL;
}

int main(void)
{
    zslab *z = zslab_create(NULL);
    pthread_t thread;
    if (!z || zslab_reserve(z, sizeof(order), RESERVED) != ZSLAB_OK) return 1;
    if (pthread_create(&thread, NULL, sender, z)) return 1;

    int64_t taken = 0;
    long faults = 0;
    for (uint32_t head = 0; head != ORDERS; head++) {
        if (head == OPENING) faults = -page_faults(); /* both threads are at work: the bell */
        /* acquire: the slot was read; pairs with the sender's release. */
        while (head - __atomic_load_n(&ring_tail, __ATOMIC_ACQUIRE) == RING) sched_yield();
        order *o = (order *)zslab_malloc(z, sizeof *o);
        if (!o) return 1;
        *o = (order){head, 10000 + head % 97, 1 + head % 10, "ZSLB", "limit, day"};
        taken += o->price * o->quantity;
        ring[head % RING] = o;
        /* release: the order before its announcement; pairs with the sender's acquire. */
        __atomic_store_n(&ring_head, head + 1, __ATOMIC_RELEASE);
    }
    faults += page_faults();
    pthread_join(thread, NULL);
    int balanced = !sent.wrong && sent.value == taken;
    printf("%d orders crossed threads, books %s, %ld page faults after the bell\n", ORDERS,
           balanced ? "balance" : "DO NOT BALANCE", faults + sent.faults);
    zslab_destroy(z);
    return !balanced;
}
