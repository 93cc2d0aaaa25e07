/* A second file: declarations, or with ZSLAB_INLINE the fast paths; the slow ones are in build_main.c. */
#include "zslab.h"
#include "build_nouns.h"

#ifdef __cplusplus
extern "C"
#endif
    int
    other_uses_every_noun(zslab *z, void *made_here);

int other_uses_every_noun(zslab *z, void *made_here)
{
    int wrong = use_every_noun(NULL);
    return wrong ? wrong : zslab_free(z, made_here) == ZSLAB_OK ? 0 : 103;
}
