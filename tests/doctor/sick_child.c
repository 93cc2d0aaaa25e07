/* Requests have an epoch below them for what they look up. One look-up keeps an object, and the request never ends. */
/* cause: epoch not drained */
#include "sick.h"

static void requests(zslab *z, int sick)
{
    int request;
    for (request = 0; request < 10; request++) {
        zslab_epoch_config below = {0};
        void *found;
        below.label = "look-up";
        SICK_MUST((below.parent = zslab_epoch_open(z, "request")) != 0);
        SICK_MUST((found = zslab_malloc_epoch(z, 100, zslab_epoch_open_with(z, &below))) != NULL);
        sick_make(z, below.parent, 100, 1000);
        sick_drop(z, 1000, 0);
        if (!sick || request != 3) SICK_MUST(zslab_free(z, found) == ZSLAB_OK);
        SICK_MUST(zslab_epoch_close(z, below.parent) == ZSLAB_OK);
    }
}

int main(int argc, char **argv) { return sick_main(argc, argv, NULL, requests); }
