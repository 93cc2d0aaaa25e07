/* Strict -std=c11, with the system's headers seen first, without any feature macro: what the header needs of
   the system it must bring itself. */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#define ZSLAB_IMPLEMENTATION
#include "zslab.h"
#include "build_nouns.h"

int main(void) { return use_every_noun(NULL); }
