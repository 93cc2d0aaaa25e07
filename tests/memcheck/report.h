/* What the report_*.c share. In each of them user code does one wrong thing, in a function called wrong and at the
   line that says "here"; its leading comments name what each memory checker that can know calls it, or "nothing".
   tests/ci/report.sh compares. */
#ifndef REPORT_H
#define REPORT_H
#include "zslab.h" /* the implementation is linked to it: tests/ci/wide.mk */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the story needs to come to its wrong line. */
#define MUST(x) ((x) ? (void)0 : report_lost(__LINE__, #x))

static inline void report_lost(int line, const char *what)
{
    printf("line %d: not so: %s\n", line, what);
    exit(2);
}

static inline zslab *report_open(uint32_t flags, zslab_reclaim reclaim)
{
    zslab_config c;
    zslab *z;
    memset(&c, 0, sizeof c);
    c.flags = flags;
    c.reclaim = reclaim;
    MUST((z = zslab_create(&c)) != NULL);
    return z;
}

#if defined(__clang__)
#define NOINLINE __attribute__((noinline))
#else
#define NOINLINE __attribute__((noipa)) /* nor a part of it moved to the caller */
#endif
#endif
