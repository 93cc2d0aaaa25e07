/* Who:   an import job: reads records in batches, keeps a few of them, throws the rest away.
   Wants: to say itself when a batch's memory ends, and to see it back with the system at that moment.
   Watch: one epoch per batch, opened and released by name. Under the RSS policy resident memory after each
          release is where it was before the batch; what was kept was copied to a longer-lived epoch first.
   Build: cc -O2 -I.. batch_lifetime.c */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#define ZSLAB_STATIC 1
#define ZSLAB_IMPLEMENTATION
#include "zslab.h"

enum { BATCHES = 8, RECORDS = 100000 };

typedef struct record {
    struct record *next;
    uint64_t id, total;
    char *note;
} record;

/* Records with notes of 1 to 300 characters, all in the batch's epoch. */
static record *import(zslab *z, zslab_epoch batch, unsigned number)
{
    record *list = NULL;
    for (unsigned i = 0; i < RECORDS; i++) {
        size_t length = 1 + (i * 7919u + number) % 300;
        record *r = (record *)zslab_malloc_epoch(z, sizeof *r, batch);
        char *note = (char *)zslab_malloc_epoch(z, length + 1, batch);
        if (!r || !note) return NULL;
        memset(note, 'a' + (int)(i % 26), length);
        note[length] = 0;
        *r = (record){list, (uint64_t)number * RECORDS + i, (uint64_t)i * 100, note};
        list = r;
    }
    return list;
}

/* One in a thousand outlives its batch. */
static record *keep_some(zslab *z, zslab_epoch kept, record *list, record *so_far)
{
    for (; list; list = list->next) {
        if (list->id % 1000) continue;
        record *r = (record *)zslab_malloc_epoch(z, sizeof *r, kept);
        size_t length = strlen(list->note) + 1;
        char *note = (char *)zslab_malloc_epoch(z, length, kept);
        if (!r || !note) return NULL;
        memcpy(note, list->note, length);
        *r = (record){so_far, list->id, list->total, note};
        so_far = r;
    }
    return so_far;
}

static unsigned long kib(uint64_t bytes) { return (unsigned long)(bytes / 1024); }

int main(void)
{
    zslab_config config = {0};
    config.reclaim = ZSLAB_RECLAIM_RSS;
    zslab *z = zslab_create(&config);
    if (!z) return 1;
    zslab_epoch kept = zslab_epoch_open(z, "kept");
    record *results = NULL;
    uint64_t began = zslab_rss_bytes(), worst = 0;
    int wrong = 0;
    for (unsigned b = 0; b < BATCHES; b++) {
        zslab_epoch batch = zslab_epoch_open(z, "batch");
        record *list = import(z, batch, b);
        if (!list) return 1;
        results = keep_some(z, kept, list, results);
        uint64_t full = zslab_rss_bytes();
        wrong += zslab_epoch_release(z, batch) != ZSLAB_OK; /* 200,000 objects, one call */
        uint64_t after = zslab_rss_bytes();
        if (after > worst) worst = after;
        wrong += zslab_free(z, list) != ZSLAB_E_STALE;     /* a pointer kept by mistake is an answer */
        wrong += zslab_malloc_epoch(z, 64, batch) != NULL; /* the name never works again */
        printf("batch %u: %6lu KiB while it ran, %5lu KiB after its release\n", b, kib(full), kib(after));
    }
    size_t count = 0;
    for (record *r = results; r; r = r->next, count++) wrong += r->note[0] != 'a' + (char)(r->id % RECORDS % 26);
    printf("%zu records kept, %d wrong; began at %lu KiB, never above %lu KiB after a release\n", count, wrong,
           kib(began), kib(worst));
    zslab_destroy(z);
    return wrong || count != BATCHES * RECORDS / 1000 || worst > began + (3 << 20);
}
