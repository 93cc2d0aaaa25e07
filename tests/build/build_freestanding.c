/* ZSLAB_NO_OS with the headers a freestanding compiler has, and nothing else: the caller's buffer is all the
   memory there is. */
#define ZSLAB_NO_OS 1
#define ZSLAB_IMPLEMENTATION
#include "zslab.h"
#include "build_nouns.h"

static union {
    unsigned char byte[1 << 20];
    uint64_t word;
} buffer;

int main(void)
{
    zslab_config config = {0};
    config.memory = buffer.byte;
    config.memory_bytes = sizeof buffer.byte;
    return use_every_noun(&config);
}
