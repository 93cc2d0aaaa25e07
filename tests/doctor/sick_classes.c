/* Records of 200, 250 and 300 bytes, in a table of one class of 1024. Without the cause, in the table of three
   classes that was suggested for them. */
/* cause: wrong class table */
#include "sick.h"

static const uint32_t coarse[] = {1024};

static void records(zslab *z, int sick)
{
    size_t i;
    (void)sick;
    for (i = 0; i < SICK_OBJECTS; i++) SICK_MUST(zslab_malloc(z, 200 + 50 * (i % 3)) != NULL);
}

int main(int argc, char **argv)
{
    static uint32_t suggested[3];
    zslab_config config = {0};
    config.class_bytes = coarse;
    config.class_count = 1;
    config.sample_every = 16;
    if (argc > 1 && strcmp(argv[1], "sick")) {
        zslab *z = zslab_create(&config);
        SICK_MUST(z != NULL);
        records(z, 1);
        config.class_count = zslab_suggest_classes(z, suggested, 3);
        config.class_bytes = suggested;
        zslab_destroy(z);
    }
    return sick_main(argc, argv, &config, records);
}
