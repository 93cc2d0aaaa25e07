/* test_zns_kill with frames appended through io_uring. */
#define ZSLAB_ZNS_USE_URING 1
#include "test_zns_kill.c"
