/* What does a walk over entities by ZSLAB_HANDLE_EACH cost, against an array of the same bytes with a flag for holes?
     bench_walk [rounds]
   Good: at most twice the array, with all and with half of the slots in use. Prints a line for each size and filling:
   nanoseconds per living entity of both, and the ratio of the least. */
#define _GNU_SOURCE
#define ZSLAB_IMPLEMENTATION
#include "zslab.h"
#include "bench/measure.h"

enum { ENTITIES = 100000 };

#define ENTITY(T, pad_count)                                                                                           \
    typedef struct T {                                                                                                 \
        float x, y, vx, vy;                                                                                            \
        uint32_t alive, pad[pad_count];                                                                                \
    } T;                                                                                                               \
    ZSLAB_HANDLE_DECLARE(T);                                                                                           \
    static int move_##T(void *user, T *e, ZSLAB_HANDLE_OF(T) h)                                                        \
    {                                                                                                                  \
        (void)user, (void)h;                                                                                           \
        e->x += e->vx;                                                                                                 \
        e->y += e->vy;                                                                                                 \
        return 0;                                                                                                      \
    }                                                                                                                  \
    static void run_##T(size_t slots, int rounds)                                                                      \
    {                                                                                                                  \
        static ZSLAB_HANDLE_OF(T) h[2 * ENTITIES];                                                                     \
        static T array[2 * ENTITIES];                                                                                  \
        zslab *z = zslab_create(NULL);                                                                                 \
        zslab_epoch epoch = z ? zslab_epoch_open(z, "level") : 0;                                                      \
        double each = 1e18, plain = 1e18;                                                                              \
        uint32_t seed = 1;                                                                                             \
        size_t i, left = ENTITIES;                                                                                     \
        for (i = 0; i < slots; i++) {                                                                                  \
            T *e = NULL;                                                                                               \
            h[i] = ZSLAB_HANDLE_NEW(T, z, epoch, &e);                                                                  \
            if (!e) die("no memory");                                                                                  \
            e->x = e->y = 0, e->vx = e->vy = 1;                                                                        \
            array[i] = *e;                                                                                             \
        }                                                                                                              \
        for (i = 0; i < slots; i++) { /* which of them live: each choice as likely */                                  \
            seed = seed * 1664525u + 1013904223u;                                                                      \
            array[i].alive = (seed >> 8) % (slots - i) < left;                                                         \
            left -= array[i].alive;                                                                                    \
            if (!array[i].alive) ZSLAB_HANDLE_FREE(T, z, h[i]);                                                        \
        }                                                                                                              \
        while (rounds--) {                                                                                             \
            double began = clock_ns(CLOCK_MONOTONIC), between, ended;                                                  \
            ZSLAB_HANDLE_EACH(T, z, epoch, move_##T, NULL);                                                            \
            between = clock_ns(CLOCK_MONOTONIC);                                                                       \
            for (i = 0; i < slots; i++)                                                                                \
                if (array[i].alive) move_##T(NULL, &array[i], ZSLAB_HANDLE_NONE(T));                                   \
            ended = clock_ns(CLOCK_MONOTONIC);                                                                         \
            if (between - began < each) each = between - began;                                                        \
            if (ended - between < plain) plain = ended - between;                                                      \
        }                                                                                                              \
        printf("%zu bytes, %zu %% of the slots: %.2f ns, the array %.2f, %.2f\n", sizeof(T),                           \
               100 * (size_t)ENTITIES / slots, each / ENTITIES, plain / ENTITIES, each / plain);                       \
        zslab_destroy(z);                                                                                              \
    }

ENTITY(small, 3)
ENTITY(usual, 11)

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 200;
    run_small(ENTITIES, rounds);
    run_small(2 * ENTITIES, rounds);
    run_usual(ENTITIES, rounds);
    run_usual(2 * ENTITIES, rounds);
    return 0;
}
