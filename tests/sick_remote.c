/* build: -pthread */
/* One thread makes orders and goes to sleep, another frees them: nobody can use their memory. Whoever
   detaches before it sleeps lets the other one's trim take them home. */
/* cause: remote frees pile up */
#include "tests/sick.h"
#include <pthread.h>

static void *settle(void *user)
{
    sick_drop((zslab *)user, SICK_OBJECTS, 0);
    zslab_trim((zslab *)user);
    return NULL;
}

static void orders(zslab *z, int sick)
{
    pthread_t other;
    sick_make(z, zslab_epoch_current(z), 100, SICK_OBJECTS);
    if (!sick) zslab_thread_detach(z);
    SICK_MUST(pthread_create(&other, NULL, settle, z) == 0);
    pthread_join(other, NULL);
}

int main(int argc, char **argv)
{
    return sick_main(argc, argv, NULL, orders);
}
