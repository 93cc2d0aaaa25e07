/* The hardened flag: one of two simultaneous frees is let through, exactly one; freed objects are zeros; slots come in
   an order that nobody can guess.   test_hardened [rounds] */
/* timeout: 600 */
#include "tests/lib/test.h"

#define BATCH 256

/* Two threads free the same objects in lock-step, each waiting for the other before every one. */
typedef struct duel {
    zslab *z;
    void *p[BATCH];
    zslab_result answer[2][BATCH];
    uint32_t at[2]; /* atomic: objects freed by each, over all batches */
    uint32_t batch; /* atomic: batches given out */
    uint32_t stop;
} duel;

static void wait_for(const uint32_t *word, uint32_t value) /* until *word has reached value */
{
    unsigned spins;
    for (spins = 0; (int32_t)(__atomic_load_n(word, __ATOMIC_ACQUIRE) - value) < 0; spins++)
        if (spins % 1000 == 999) sched_yield();
}

/* Who comes late sees the other at once, who waits sees him a cache miss later: a random delay evens that out. */
static void free_batch(duel *d, int me, uint32_t begin)
{
    uint64_t random = begin * 2u + (uint32_t)me, delay;
    uint32_t i;
    for (i = 0; i < BATCH; i++) {
        __atomic_store_n(&d->at[me], begin + i + 1, __ATOMIC_RELEASE); /* here I am */
        wait_for(&d->at[!me], begin + i + 1);
        for (delay = test_random(&random) % 512; delay; delay--) __asm__ __volatile__("");
        d->answer[me][i] = zslab_free(d->z, d->p[i]);
    }
    __atomic_store_n(&d->at[me], begin + BATCH + 1, __ATOMIC_RELEASE);
    wait_for(&d->at[!me], begin + BATCH + 1);
}

static void *second(void *arg)
{
    duel *d = (duel *)arg;
    uint32_t batch;
    test_pin(1);
    for (batch = 1;; batch++) {
        wait_for(&d->batch, batch);
        if (__atomic_load_n(&d->stop, __ATOMIC_ACQUIRE)) return NULL;
        free_batch(d, 1, (batch - 1) * (BATCH + 1));
    }
}

static uint64_t one_batch(duel *d, uint32_t batch, uint64_t *first_won, uint64_t *both)
{
    uint64_t exact = 0;
    uint32_t i;
    for (i = 0; i < BATCH; i++) MUST(d->p[i] = zslab_malloc(d->z, 8 + (i * 97 + batch) % 1000));
    __atomic_store_n(&d->batch, batch, __ATOMIC_RELEASE);
    free_batch(d, 0, (batch - 1) * (BATCH + 1));
    for (i = 0; i < BATCH; i++) {
        zslab_result a = d->answer[0][i], b = d->answer[1][i];
        exact += (a == ZSLAB_OK && b == ZSLAB_E_DOUBLE_FREE) || (b == ZSLAB_OK && a == ZSLAB_E_DOUBLE_FREE);
        *first_won += a == ZSLAB_OK;
        *both += a == ZSLAB_OK && b == ZSLAB_OK;
    }
    return exact;
}

typedef struct frees {
    uint32_t flags;
    uint64_t rounds;
} frees;

static void *free_simultaneously(void *user)
{
    static duel d;
    uint32_t flags = ((frees *)user)->flags;
    zslab_config c = {0};
    pthread_t thread;
    uint64_t batches = ((frees *)user)->rounds / BATCH + 1, exact = 0, first_won = 0, both = 0;
    uint32_t batch;
    memset(&d, 0, sizeof d);
    c.flags = flags;
    d.z = test_create(&c);
    MUST(pthread_create(&thread, NULL, second, &d) == 0);
    test_pin(0);
    for (batch = 1; batch <= batches; batch++) exact += one_batch(&d, batch, &first_won, &both);
    __atomic_store_n(&d.stop, 1, __ATOMIC_RELEASE);
    __atomic_store_n(&d.batch, batch, __ATOMIC_RELEASE);
    pthread_join(thread, NULL);
    printf("flags %u: %llu objects freed by two at once; %llu times the first thread's free counted, %llu times both\n",
           flags, (unsigned long long)(batches * BATCH), (unsigned long long)first_won, (unsigned long long)both);
    if (flags || ZSLAB_NO_TLS) {
        CHECK(exact == batches * BATCH);
        CHECK(test_live(d.z) == 0 && d.z->misuse[ZSLAB_E_DOUBLE_FREE] == batches * BATCH);
    }
    zslab_destroy(d.z);
    return NULL;
}

/* In a thread of its own, since it pins itself. */
static void simultaneous_frees(uint32_t flags, uint64_t rounds)
{
    frees f = {flags, rounds};
    test_in_thread(free_simultaneously, &f);
}

static int all_zero(const unsigned char *p, size_t bytes)
{
    size_t i;
    zs__mem_show(p, bytes); /* freed: a memory checker is not to report the look */
    for (i = 0; i < bytes && !p[i]; i++)
        ;
    return i == bytes;
}

static void zeroed_on_free(uint32_t flags)
{
    zslab_config c = {0};
    size_t cls, bytes;
    zslab *z;
    c.flags = flags;
    z = test_create(&c);
    for (cls = 0; (bytes = zslab_size_class_bytes(z, cls)) != 0; cls++) {
        unsigned char *p = (unsigned char *)zslab_malloc(z, bytes), *q = (unsigned char *)zslab_malloc(z, bytes);
        MUST(p && q);
        memset(p, 0xcc, bytes);
        memset(q, 0xcc, bytes);
        CHECK_IS(zslab_free(z, p), ZSLAB_OK);
        CHECK(all_zero(p, bytes) && q[0] == 0xcc && q[bytes - 1] == 0xcc); /* memory stays readable */
        CHECK_IS(zslab_free_sized(z, q, bytes), ZSLAB_OK);
        CHECK(all_zero(q, bytes));
    }
    test_destroy(z);
}

/* Also in a domain entered once more, whose row is there already: no object is one of the fast paths. */
static void in_a_domain(uint32_t flags)
{
    zslab_config c = {0};
    zslab *z;
    zslab_domain *d;
    unsigned char *p;
    int turn;
    c.flags = flags;
    z = test_create(&c);
    d = zslab_domain_wrap(z, zslab_epoch_open(z, NULL), ZSLAB_ON_EXIT_KEEP);
    MUST(d);
    for (turn = 0; turn < 4; turn++) {
        MUST(zslab_domain_enter(d) == ZSLAB_OK && (p = (unsigned char *)zslab_malloc(z, 64)) != NULL);
        memset(p, 0xcc, 64);
        CHECK(*zs__slot_state(z, p) == ZS__GUARDED);
        CHECK_IS(zslab_free(z, p), ZSLAB_OK);
        CHECK(all_zero(p, 64));
        CHECK_IS(zslab_domain_exit(d), ZSLAB_OK);
    }
    test_destroy(z);
}

/* Fresh slots: how many of 64 follow the one before them, and does another allocator repeat the order? */
static void shuffled(uint32_t flags)
{
    uintptr_t offset[2][64];
    zslab_config c = {0};
    zslab *z;
    int i, k, neighbours = 0, same = 0;
    c.flags = flags;
    for (k = 0; k < 2; k++) {
        z = test_create(&c);
        for (i = 0; i < 64; i++) {
            char *p = (char *)zslab_malloc(z, 64);
            MUST(p);
            offset[k][i] = (uintptr_t)p & ZS__CHUNK_MASK;
            neighbours += i && offset[k][i] == offset[k][i - 1] + 64;
        }
        test_destroy(z);
    }
    for (i = 0; i < 64; i++) same += offset[0][i] == offset[1][i];
    printf("flags %u: %d of 126 slots follow the one before, %d of 64 are the same in another allocator\n", flags,
           neighbours, same);
    CHECK(neighbours < 20); /* of 126; in order it would be 126, by chance about 2: 20 comes once in 10^12 runs */
    CHECK(same < 16);       /* of 64; in order all, by chance about 1: 16 comes once in 10^14 runs */
}

int main(int argc, char **argv)
{
    uint64_t rounds = test_amount(argc, argv, 50000);
    if (!TEST_TSAN) simultaneous_frees(0, rounds / 10); /* may accept both: shows how often two really meet */
    simultaneous_frees(ZSLAB_FLAG_HARDENED, rounds);
    simultaneous_frees(ZSLAB_FLAG_HARDENED | ZSLAB_FLAG_SHARED, rounds / 10);
    simultaneous_frees(ZSLAB_FLAG_SHARED, rounds / 10); /* decides them too: the bit's old value */
    zeroed_on_free(ZSLAB_FLAG_HARDENED);
    zeroed_on_free(ZSLAB_FLAG_HARDENED | ZSLAB_FLAG_SHARED);
    in_a_domain(ZSLAB_FLAG_HARDENED);
    in_a_domain(ZSLAB_FLAG_HARDENED | ZSLAB_FLAG_SHARED);
    shuffled(ZSLAB_FLAG_HARDENED);
    shuffled(ZSLAB_FLAG_HARDENED | ZSLAB_FLAG_SHARED);
    return test_summary("test_hardened");
}
