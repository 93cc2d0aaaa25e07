/* Two threads and everything at once: allocate, free, hand over, realloc, epochs, trim, detach, for some seconds in
   each mode.   test_stress [seconds in all] */
/* timeout: 300 */
#include "test.h"

#include <time.h>

#define LIVE 400
#define MAIL 128

static zslab *z;
static int stop;           /* atomic */
static void *mail[MAIL];   /* atomic: objects between the threads; their first 8 bytes say how long they are */

/* An object says how long it is and is filled from there on. */
static void *make(size_t bytes, zslab_epoch e)
{
    size_t *p = (size_t *)(e ? zslab_malloc_epoch(z, bytes, e) : zslab_malloc(z, bytes));
    if (!p)
        return NULL;
    *p = bytes;
    test_fill(p + 1, bytes - sizeof *p, bytes);
    return p;
}

static int intact(const void *p)
{
    const size_t *n = (const size_t *)p;
    return test_filled(n + 1, *n - sizeof *n, *n);
}

static void drop(void *p)
{
    if (p) {
        CHECK(intact(p));
        CHECK_IS(zslab_free(z, p), ZSLAB_OK);
    }
}

static void grow(void **p, size_t bytes)
{
    size_t was = *p ? *(size_t *)*p : 0;
    size_t *q;
    if (!was || (q = (size_t *)zslab_realloc(z, *p, bytes)) == NULL)
        return;
    CHECK(*q == was);
    *q = bytes;
    test_fill(q + 1, bytes - sizeof *q, bytes);
    *p = q;
}

/* A scope of one's own: filled, then closed with its objects freed, or released. */
static void an_epoch(uint64_t x)
{
    zslab_epoch e = zslab_epoch_open(z, "stress");
    void *p[20];
    size_t i;
    if (!e)
        return; /* the other thread's are still draining */
    for (i = 0; i < 20; i++)
        p[i] = make(16 + (size_t)((x >> 8) % 500) + i, e);
    if (x & 64) {
        CHECK_IS(zslab_epoch_close(z, e), ZSLAB_OK);
        for (i = 0; i < 20; i++)
            drop(p[i]);
    } else {
        CHECK_IS(zslab_epoch_release(z, e), ZSLAB_OK);
    }
}

static void *stress(void *arg)
{
    void *p[LIVE], *q;
    uint64_t seed = (uint64_t)(uintptr_t)arg, x, steps;
    size_t i;
    memset(p, 0, sizeof p);
    for (steps = 0; !__atomic_load_n(&stop, __ATOMIC_RELAXED); steps++) {
        x = test_random(&seed);
        i = (size_t)(x >> 40);
        if (x % 16 < 7) {
            drop(p[i % LIVE]);
            p[i % LIVE] = make(16 + (size_t)((x >> 20) % 900), 0);
        } else if (x % 16 < 14) {
            q = __atomic_exchange_n(&mail[i % MAIL], make(16 + (size_t)((x >> 20) % 900), 0), __ATOMIC_ACQ_REL);
            drop(q);
        } else if (x % 16 == 14) {
            grow(&p[i % LIVE], 16 + (size_t)((x >> 20) % 2000));
        } else if (x % 256 == 15) {
            an_epoch(x >> 8);
        } else if (x % 4096 == 31) {
            zslab_trim(z);
        } else if (x % 4096 == 47) {
            zslab_thread_detach(z);
        } else if (x % 8192 == 63) {
            (void)zslab_epoch_advance(z);
        }
    }
    for (i = 0; i < LIVE; i++)
        drop(p[i]);
    return NULL;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void two_threads(const test_mode *m, double seconds)
{
    pthread_t thread[2];
    struct timespec nap = {0, 10000000};
    double begin = now();
    size_t i;
    z = test_open(m, NULL);
    __atomic_store_n(&stop, 0, __ATOMIC_RELAXED);
    for (i = 0; i < 2; i++)
        MUST(pthread_create(&thread[i], NULL, stress, (void *)(i + 1)) == 0);
    while (now() - begin < seconds)
        nanosleep(&nap, NULL);
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    for (i = 0; i < MAIL; i++)
        drop(__atomic_exchange_n(&mail[i], NULL, __ATOMIC_ACQ_REL));
    CHECK(test_live(z) == 0);
    test_destroy(z);
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 3.5;
    TEST_EACH_MODE(m)
        two_threads(m, seconds / (ZSLAB_NO_TLS ? 4 : TEST_MODES));
    return test_summary("test_stress");
}
