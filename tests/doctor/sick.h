/* A sick program has one cause of trouble, named in its `cause:` line; `sick_x well` is the same program
   without it. It prints the snapshot at its end, and writes the one at its beginning to a file.
   tests/ci/doctor.sh asks the doctor. */
#ifndef SICK_H
#define SICK_H

#define ZSLAB_STATIC 1
#define ZSLAB_IMPLEMENTATION
#include "zslab.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SICK_OBJECTS = 60000 };
static void *sick_objects[SICK_OBJECTS];

#define SICK_MUST(x) ((x) ? (void)0 : (fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x), exit(1)))

static inline void sick_snapshot(const zslab *z, FILE *out)
{
    static char text[1 << 18];
    SICK_MUST(out && zslab_stats_json(z, text, sizeof text) < sizeof text && fputs(text, out) >= 0);
}

/* All objects, in one epoch; touched, as a program does. */
static inline void sick_make(zslab *z, zslab_epoch e, size_t bytes, size_t count)
{
    size_t i;
    for (i = 0; i < count; i++) {
        SICK_MUST((sick_objects[i] = zslab_malloc_epoch(z, bytes, e)) != NULL);
        memset(sick_objects[i], 1, bytes);
    }
}

/* All of them but every `keep`-th; 0: all. */
static inline void sick_drop(zslab *z, size_t count, size_t keep)
{
    size_t i;
    for (i = 0; i < count; i++)
        if (!keep || i % keep) SICK_MUST(zslab_free(z, sick_objects[i]) == ZSLAB_OK);
}

static inline int sick_main(int argc, char **argv, const zslab_config *config, void (*live)(zslab *z, int sick))
{
    zslab *z = zslab_create(config);
    FILE *first;
    SICK_MUST(z && argc == 3);
    SICK_MUST((first = fopen(argv[2], "w")) != NULL);
    sick_snapshot(z, first);
    fclose(first);
    live(z, !strcmp(argv[1], "sick"));
    sick_snapshot(z, stdout);
    zslab_destroy(z);
    return 0;
}
#endif
