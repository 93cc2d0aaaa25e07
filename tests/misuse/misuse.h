/* What the misuse_*.c share: an allocator whose hook names the deed and ends the program. Reaching the end of main
   is a failure. */
#ifndef MISUSE_H
#define MISUSE_H
#include "tests/lib/test.h"

static void misuse_seen(void *user, zslab_result what, const void *p, zslab_handle h)
{
    (void)user, (void)p, (void)h;
    printf("%s\n", zslab_result_name(what));
    exit(0);
}

static zslab *misuse_allocator(void)
{
    zslab_config c;
    memset(&c, 0, sizeof c);
    c.on_misuse = misuse_seen;
    return test_create(&c);
}

static int misuse_not_seen(void)
{
    printf("nobody noticed\n");
    return 1;
}
#endif
