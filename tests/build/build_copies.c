/* Copies of the library in one program, one of each file that says ZSLAB_STATIC and one of the rest: a handle of one
   copy's allocator is none in another's, and no file serves what another one made, also not to a thread that has a heap
   in both. */
#if BUILD_COPY
#define ZSLAB_STATIC 1
#endif
#define ZSLAB_IMPLEMENTATION
#include "zslab.h"

#include <stdio.h>

typedef struct copy {
    zslab *(*make)(uint32_t flags);
    zslab_handle (*name)(zslab *z);
    int (*knows)(zslab *z, zslab_handle h);
    int (*refuses)(zslab *z); /* all allocations from it */
    void (*end)(zslab *z);
} copy;

static zslab *make(uint32_t flags)
{
    zslab_config c = {0};
    c.flags = flags;
    return zslab_create(&c);
}

static zslab_handle name(zslab *z) { return zslab_handle_alloc(z, 64, zslab_epoch_current(z), NULL); }

static int knows(zslab *z, zslab_handle h) { return zslab_handle_get(z, h) || zslab_handle_free(z, h) == ZSLAB_OK; }

static int foreign(const void *p)
{
    const zslab_handle_fields none = {0, 0, 256, 0, 0};
    zslab_result why = zslab_last_error();
    return !zslab_handle_pack(none) && !p && why == ZSLAB_E_FOREIGN; /* another reason stands there for the next one */
}

static int refuses(zslab *z)
{
    zslab_epoch e = zslab_epoch_current(z);
    return foreign(zslab_malloc(z, 64)) && foreign(zslab_malloc_epoch(z, 64, e)) && foreign(zslab_malloc(z, 100000)) &&
           foreign(zslab_calloc(z, 1, 64)) && foreign(zslab_aligned_alloc(z, 64, 64)) &&
           foreign((void *)(uintptr_t)zslab_handle_alloc(z, 64, e, NULL));
}

#define COPY(number) COPY_(number)
#define COPY_(number) copy_##number
extern const copy copy_0, copy_1, copy_2;
const copy COPY(BUILD_COPY) = {make, name, knows, refuses, zslab_destroy};

#if !BUILD_COPY
enum { COPIES = 3, EACH = 4, NAMES = 100 };

int main(void)
{
    const copy *const copies[COPIES] = {&copy_0, &copy_1, &copy_2};
    static zslab *z[COPIES][EACH];
    static zslab_handle names[COPIES][EACH][NAMES];
    int i, j, k, other, met = 0, served = 0, lost = 0;
    for (i = 0; i < COPIES; i++)
        for (j = 0; j < EACH; j++) {
            z[i][j] = copies[i]->make(j & 1 ? ZSLAB_FLAG_SHARED : 0);
            for (k = 0; z[i][j] && k < NAMES; k++) lost += !(names[i][j][k] = copies[i]->name(z[i][j]));
            if (!z[i][j]) return 1;
        }
    for (i = 0; i < COPIES; i++)
        for (other = 0; other < COPIES; other++)
            for (j = 0; j < EACH * EACH * NAMES; j++) /* also in one that copy i made beside it */
                met += (i != other || j / NAMES / EACH != j / NAMES % EACH) &&
                       copies[other]->knows(z[other][j / NAMES / EACH], names[i][j / NAMES % EACH][j % NAMES]);
#ifdef NDEBUG /* else it is asserted */
    for (i = 0; i < COPIES; i++)
        for (other = 0; other < COPIES; other++)
            for (j = 0; i != other && j < EACH; j++) served += !copies[i]->refuses(z[other][j]);
#endif
    for (i = 0; i < COPIES; i++)
        for (j = 0; j < EACH; j++) {
            for (k = 0; k < NAMES; k++) lost += !copies[i]->knows(z[i][j], names[i][j][k]);
            copies[i]->end(z[i][j]);
        }
    printf("build_copies: %d handles known, %d allocators served elsewhere, %d handles lost\n", met, served, lost);
    return met || served || lost;
}
#endif
