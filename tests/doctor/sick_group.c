/* Of two tenants one may have 2 MiB and wants 6 MB. */
/* cause: group at its limit */
#include "sick.h"

static void tenants(zslab *z, int sick)
{
    static const char *const labels[] = {"greedy", "modest"};
    size_t i, n, refused = 0;
    for (i = 0; i < 2; i++) {
        zslab_group_config group = {0};
        zslab_epoch_config epoch = {0};
        zslab_epoch e;
        group.label = labels[i], group.hard_bytes = (size_t)(sick ? 2 : 16) << 20;
        epoch.label = "requests", epoch.group = zslab_group_create(z, &group);
        SICK_MUST(epoch.group && (e = zslab_epoch_open_with(z, &epoch)) != 0);
        for (n = 0; n < SICK_OBJECTS / (i ? 10 : 1); n++) refused += zslab_malloc_epoch(z, 100, e) == NULL;
    }
    SICK_MUST((refused != 0) == sick);
}

int main(int argc, char **argv) { return sick_main(argc, argv, NULL, tenants); }
