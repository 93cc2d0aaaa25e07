/* build: -pthread */
/* One thread makes orders and goes to sleep, another frees them: until the first one allocates again no
   thread can use their memory. Without the cause, the other one trims: it takes them home for the sleeper. */
/* cause: remote frees pile up */
#include "sick.h"
#include <pthread.h>

static void *drop_all(void *user)
{
    sick_drop((zslab *)user, SICK_OBJECTS, 0);
    return NULL;
}

static void *drop_and_trim(void *user)
{
    drop_all(user);
    zslab_trim((zslab *)user);
    return NULL;
}

static void orders(zslab *z, int sick)
{
    pthread_t other;
    sick_make(z, zslab_epoch_current(z), 100, SICK_OBJECTS);
    SICK_MUST(pthread_create(&other, NULL, sick ? drop_all : drop_and_trim, z) == 0);
    pthread_join(other, NULL);
}

int main(int argc, char **argv) { return sick_main(argc, argv, NULL, orders); }
