/* Who:   somebody chasing a heap corruption in a large program.
   Wants: the wrong free named when and where it happens, and the program still running afterwards.
   Watch: each wrong deed has its own answer; the hook hears of all of them; the neighbours stay intact and
          zslab_check walks the whole allocator without a complaint.
   Build: cc -O2 -I.. -pthread wrong_frees.c */
#include <stdio.h>
#include <string.h>
#define ZSLAB_STATIC 1
#define ZSLAB_IMPLEMENTATION
#include "zslab.h"

static void on_misuse(void *user, zslab_result what, const void *p, zslab_handle h)
{
    int *heard = user; /* a real program would log a backtrace, or abort */
    (void)what;
    (void)p;
    (void)h;
    ++*heard;
}

static void show(const char *deed, zslab_result answer) { printf("  %-44s %s\n", deed, zslab_result_name(answer)); }

int main(void)
{
    int heard = 0, on_stack = 0;
    zslab_config config = {0};
    config.on_misuse = on_misuse;
    config.misuse_user = &heard;
    zslab *z = zslab_create(&config), *other = zslab_create(NULL);
    if (!z || !other) return 1;

    char *name = (char *)zslab_malloc(z, 32), *neighbour = (char *)zslab_malloc(z, 32);
    void *elsewhere = zslab_malloc(other, 32);
    if (!name || !neighbour || !elsewhere) return 1;
    memcpy(neighbour, "still here", 11);

    puts("what was done, and what zslab_free answered:");
    show("free of an object", zslab_free(z, name));
    show("the same free again", zslab_free(z, name));
    show("free of a pointer into an object", zslab_free(z, neighbour + 8));
    show("free of a local variable", zslab_free(z, &on_stack));
    show("free of another allocator's object", zslab_free(z, elsewhere));
    show("free_sized with the wrong size", zslab_free_sized(z, neighbour, 500));
    show("free of NULL", zslab_free(z, NULL));

    int intact = !strcmp(neighbour, "still here") && zslab_check(z, NULL, NULL) == ZSLAB_OK;
    printf("the hook heard %d times; the neighbour is %s\n", heard, intact ? neighbour : "DAMAGED");
    intact &= zslab_free(z, neighbour) == ZSLAB_OK && zslab_free(other, elsewhere) == ZSLAB_OK;
    zslab_destroy(other);
    zslab_destroy(z);
    return !intact || heard < 4;
}
