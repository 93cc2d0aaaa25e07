/* Requests by the thousand: 4,096 domains open at once, each with 30 objects of mixed sizes, made by turns;
   then they end in any order. Prints the resident bytes of a live small epoch, as the kernel counts them.
   usage: test_small_epochs [domains; default 4,096, 512 under a sanitizer] */
#include "tests/lib/test.h"
#if defined(__linux__)
#include <fcntl.h>
#include <unistd.h>
#endif

enum { OBJECTS = 30 };

typedef struct request {
    zslab_domain *domain;
    void *object[OBJECTS];
} request;

static size_t size_of(size_t number, int object) /* 16 to 600 bytes, as a request's strings and nodes are */
{
    return 16 + (number * 31 + (size_t)object * 97) % 585;
}

static size_t resident(void)
{
#if defined(__linux__)
    char text[128];
    unsigned long total = 0, rss = 0;
    int fd = open("/proc/self/statm", O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0) close(fd);
    if (n <= 0) return 0;
    text[n] = 0;
    return sscanf(text, "%lu %lu", &total, &rss) == 2 ? rss * (size_t)sysconf(_SC_PAGESIZE) : 0;
#else
    return (size_t)zslab_rss_bytes();
#endif
}

static void open_all(zslab *z, request *r, size_t count)
{
    for (size_t i = 0; i < count; i++) MUST(r[i].domain = zslab_domain_create(z));
    for (int k = 0; k < OBJECTS; k++)
        for (size_t i = 0; i < count; i++) {
            MUST(r[i].object[k] = zslab_malloc_epoch(z, size_of(i, k), zslab_domain_epoch(r[i].domain)));
            test_fill(r[i].object[k], size_of(i, k), i);
        }
}

static size_t wrong_in(zslab *z, const request *r, size_t i)
{
    size_t wrong = 0;
    for (int k = 0; k < OBJECTS; k++)
        wrong += !test_filled(r[i].object[k], size_of(i, k), i) ||
                 zslab_epoch_of(z, r[i].object[k]) != zslab_domain_epoch(r[i].domain);
    return wrong;
}

/* One ends, and only its objects are gone. */
static size_t end_one(zslab *z, request *r, size_t i)
{
    size_t wrong = zslab_domain_enter(r[i].domain) != ZSLAB_OK || zslab_domain_exit(r[i].domain) != ZSLAB_OK;
    for (int k = 0; k < OBJECTS; k++) wrong += zslab_free(z, r[i].object[k]) == ZSLAB_OK;
    wrong += zslab_domain_destroy(r[i].domain) != ZSLAB_OK;
    r[i].domain = NULL;
    return wrong;
}

static void thousands_at_once(const test_mode *mode, size_t count)
{
    zslab_config c;
    memset(&c, 0, sizeof c);
    c.epoch_count = 8192;
    zslab *z = test_open(mode, &c);
    request *r = (request *)calloc(count, sizeof *r);
    uint64_t random = 1;
    size_t wrong = 0, ended = 0, before, after;
    MUST(r);
    memset((void *)r, 0, count * sizeof *r);
    before = resident();
    open_all(z, r, count);
    after = resident();
    CHECK(test_live(z) == count * OBJECTS);
    for (size_t i = 0; i < count; i++) wrong += wrong_in(z, r, i);
    for (size_t turn = 0; turn < count; turn++) { /* in any order, each once */
        size_t i = (size_t)(test_random(&random) % count);
        while (!r[i].domain) i = (i + 1) % count;
        wrong += wrong_in(z, r, i) + end_one(z, r, i);
        ended++;
    }
    CHECK(wrong == 0 && ended == count && test_live(z) == 0);
    printf("%-15s %zu small epochs at once, %zu resident bytes each (objects: %d of %d bytes on average)\n", mode->name,
           count, (after - before) / count, OBJECTS, 16 + 584 / 2);
    for (size_t i = 0; i < 8191; i++) /* no place is lost */
        wrong += zslab_epoch_open(z, NULL) == ZSLAB_EPOCH_NONE;
    CHECK(wrong == 0);
    CHECK_FAILS(zslab_epoch_open(z, NULL), ZSLAB_E_BUSY);
    test_destroy(z);
    free(r);
}

int main(int argc, char **argv)
{
    size_t count = argc > 1 ? (size_t)atol(argv[1]) : TEST_SLOWED ? 512 : 4096;
    TEST_EACH_MODE(mode)
    {
        if (!mode->in_buffer) thousands_at_once(mode, count);
    }
    return test_summary("test_small_epochs");
}
