/* misuse_pool.h -- the misuse_pool_* tests damage a pool's own state, or break its contract, one way each; the
   assert that stands guard there says its name, which is the test's last line, and ends the test. */
#ifndef MISUSE_POOL_H
#define MISUSE_POOL_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Prints the words in the assert's text and ends well: this is what the test is for. */
static inline int misuse_met(const char *text)
{
    const char *from = strchr(text, '"'), *to = strrchr(text, '"');
    if (from && to > from) text = from + 1;
    printf("%.*s\n", from && to > from ? (int)(to - text) : (int)strlen(text), text);
    fflush(stdout);
    exit(0);
}

#define ZSLAB_ASSERT(x) ((x) ? 0 : misuse_met(#x))
#define ZSLAB_IMPLEMENTATION
#include "zslab.h"

static zslab_pool *pool;
static void *slot[8];

/* Eight slots of 64 bytes, all taken, then the first four freed in order. */
static inline void misuse_set_up(void)
{
    zslab_pool_config c;
    int i;
    memset(&c, 0, sizeof c);
    c.slot_bytes = 64;
    c.slot_count = 8;
    pool = zslab_pool_create(&c);
    if (!pool) exit(2);
    for (i = 0; i < 8; i++)
        if (!(slot[i] = zslab_pool_alloc(pool))) exit(2);
    for (i = 0; i < 4; i++)
        if (zslab_pool_free(pool, slot[i]) != ZSLAB_OK) exit(2);
}

/* Nothing stood guard. */
static inline int misuse_missed(void)
{
    puts("not noticed");
    return 1;
}

#endif
