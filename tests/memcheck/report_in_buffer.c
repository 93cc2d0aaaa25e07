/* asan: use-after-poison */
/* msan: use-of-uninitialized-value */
/* memcheck: Invalid read of size 4 */
/* An object freed in an allocator that lives in a static buffer. */
#include "report.h"

static NOINLINE void wrong(const int *p)
{
    if (*p > 7) /* here */
        puts("read");
}

int main(void)
{
    static char buffer[4 << 20];
    zslab_config c;
    zslab *z;
    int *p;
    memset(&c, 0, sizeof c);
    c.memory = buffer;
    c.memory_bytes = sizeof buffer;
    MUST((z = zslab_create(&c)) != NULL);
    MUST((p = (int *)zslab_calloc(z, 1, 100)) != NULL && zslab_free(z, p) == ZSLAB_OK);
    wrong(p);
    return 0;
}
