/* A tenant may have 4 MiB and wants 6 MB. */
/* cause: limit reached */
#include "sick.h"

static void tenant(zslab *z, int sick)
{
    size_t i, refused = 0;
    for (i = 0; i < SICK_OBJECTS; i++) refused += zslab_malloc(z, 100) == NULL;
    SICK_MUST((refused != 0) == sick);
}

int main(int argc, char **argv)
{
    zslab_config config = {0};
    config.limit_bytes = argc > 1 && !strcmp(argv[1], "sick") ? (size_t)4 << 20 : (size_t)16 << 20;
    return sick_main(argc, argv, &config, tenant);
}
