/* The file that holds the implementation; alone, or with build_other.c beside it. */
#define ZSLAB_IMPLEMENTATION
#include "zslab.h"
#include "build_nouns.h"

#ifdef BUILD_WITH_OTHER
#ifdef __cplusplus
extern "C"
#endif
    int
    other_uses_every_noun(zslab *z, void *made_here);
#endif

int main(void)
{
    int wrong = use_every_noun(NULL);
#ifdef BUILD_WITH_OTHER
    zslab *z = zslab_create(NULL);
    void *p = z ? zslab_malloc(z, 64) : NULL;
    if (!wrong) wrong = p ? other_uses_every_noun(z, p) : 101;
    if (!wrong && zslab_free(z, p) != ZSLAB_E_DOUBLE_FREE) wrong = 102;
    if (z) zslab_destroy(z);
#endif
    return wrong;
}
