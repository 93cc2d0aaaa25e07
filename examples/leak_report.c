/* Who:   somebody whose service grows by a little every hour, and who wants the line of code that forgets.
   Wants: at the close of a batch, and at the end, what is still live: how many, how old, made by which line.
   Watch: two planted leaks, one in the batch and one in the service's own epoch, each named with its line; what
          was freed in time, and what a release drops on purpose, is not told of.
   Build: cc -O2 -I.. leak_report.c */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define ZSLAB_TAGS 1 /* two bytes a slot */
#define ZSLAB_STATIC 1
#define ZSLAB_IMPLEMENTATION
#include "zslab.h"

/* A tag has 16 bits: the line number will do for one file; more files share a table of sites. */
#define NEW(z, size, epoch) made_at((z), zslab_malloc_epoch((z), (size), (epoch)), __LINE__)
static void *made_at(zslab *z, void *p, int line)
{
    if (!p) {
        fprintf(stderr, "leak_report: %s\n", zslab_result_name(zslab_last_error()));
        exit(1);
    }
    zslab_set_tag(z, p, (uint16_t)line);
    return p;
}

typedef struct site {
    size_t objects, bytes;
    uint64_t oldest; /* in epochs */
} site;
static site sites[2][200]; /* at a close, at the end; by line */

static int leaked(void *user, zslab_leak when, const zslab_visit *object)
{
    site *s = &sites[when][object->tag % 200];
    (void)user;
    s->objects++;
    s->bytes += object->usable_bytes;
    if (object->age_epochs > s->oldest) s->oldest = object->age_epochs;
    return 0;
}

static size_t report(zslab_leak when, const char *title)
{
    size_t line, objects = 0;
    printf("%s\n", title);
    for (line = 0; line < 200; line++)
        if (sites[when][line].objects) {
            const site *s = &sites[when][line];
            printf("  leak_report.c:%zu: %zu objects, %zu bytes, made up to %llu epochs ago\n", line, s->objects,
                   s->bytes, (unsigned long long)s->oldest);
            objects += s->objects;
        }
    return objects;
}

int main(void)
{
    zslab_config c = {0};
    c.on_leak = leaked;
    zslab *z = zslab_create(&c);
    if (!z) return 1;
    zslab_epoch service = zslab_epoch_current(z), batch = zslab_epoch_open(z, "batch");
    for (int request = 0; request < 1000; request++) {
        zslab_epoch scratch = zslab_epoch_open(z, "request");
        void *order = NEW(z, 120, batch);
        void *session = NEW(z, 300, service);
        for (int i = 0; i < 20; i++) memset(NEW(z, 64, scratch), 1, 64);
        if (request % 100 != 7) zslab_free(z, order); /* an early return forgets it */
        if (request % 250) zslab_free(z, session);
        zslab_epoch_release(z, scratch); /* drops its objects, as meant */
    }
    zslab_epoch_close(z, batch);
    size_t batches = report(ZSLAB_LEAK_AT_CLOSE, "still live when the batch was closed:");
    zslab_destroy(z);
    size_t all = report(ZSLAB_LEAK_AT_DESTROY, "still live at the end:");
    return batches != 10 || all != 14;
}
