/* Another type's handle does not compile: with BUILD_WRONG 1 to 6 neither does this file; with 0 it does. */
#include "zslab.h"

typedef struct door {
    int open;
} door;
typedef struct key {
    int cut;
} key;
ZSLAB_HANDLE_DECLARE(door);
ZSLAB_HANDLE_DECLARE(key);

zslab_result typed(zslab *z, zslab_epoch e);
zslab_result typed(zslab *z, zslab_epoch e)
{
    door *d;
    ZSLAB_HANDLE_OF(door) h = ZSLAB_HANDLE_NEW(door, z, e, &d);
    ZSLAB_HANDLE_OF(key) k = ZSLAB_HANDLE_NEW(key, z, e, NULL);
#if BUILD_WRONG == 1
    h = k;
#elif BUILD_WRONG == 2
    d = ZSLAB_HANDLE_GET(door, z, k);
#elif BUILD_WRONG == 3
    ZSLAB_HANDLE_FREE(door, z, k);
#elif BUILD_WRONG == 4
    h = ZSLAB_HANDLE_NEW(key, z, e, NULL);
#elif BUILD_WRONG == 5
    zslab_handle_free(z, h);
#elif BUILD_WRONG == 6
    h = 1;
#else
    d = ZSLAB_HANDLE_GET(door, z, h);
    (void)ZSLAB_HANDLE_FREE(key, z, k);
#endif
    if (d) d->open = 1;
    return ZSLAB_HANDLE_FREE(door, z, h);
}
