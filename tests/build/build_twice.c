/* Included for its declarations, then for its implementation, then again both ways. */
#include "zslab.h"
#include "zslab.h"
#define ZSLAB_IMPLEMENTATION
#include "zslab.h"
#include "zslab.h"
#undef ZSLAB_IMPLEMENTATION
#include "zslab.h"
#include "build_nouns.h"

int main(void) { return use_every_noun(NULL); }
