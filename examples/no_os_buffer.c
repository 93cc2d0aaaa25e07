/* Who:   firmware, a kernel module, a sandbox: no operating system to ask for memory.
   Wants: an allocator inside one buffer, that says "no" when it is full and never touches anything else.
   Watch: messages are taken until the buffer is full, then the oldest goes for each new one; bytes on both
          sides of the buffer stay as they were.
   Build: cc -O2 -I.. no_os_buffer.c */
#define ZSLAB_NO_OS 1
#define ZSLAB_STATIC 1
#define ZSLAB_IMPLEMENTATION
#include "zslab.h"
#include <stdio.h>
#include <string.h>

enum { BUFFER = 1 << 20, GUARD = 4096, MESSAGES = 200000, QUEUE = 1 << 16 };

static struct {
    _Alignas(65536) unsigned char before[65536]; /* the last GUARD bytes are watched */
    unsigned char memory[BUFFER];
    unsigned char after[GUARD];
} ram;
static char *queue[QUEUE];

static int untouched(const unsigned char *p, size_t n)
{
    while (n && p[n - 1] == 0xA5) n--;
    return n == 0;
}

int main(void)
{
    memset(&ram, 0xA5, sizeof ram);
    zslab_config config = {0};
    config.memory = ram.memory;
    config.memory_bytes = sizeof ram.memory;
    zslab *z = zslab_create(&config);
    if (!z) {
        printf("refused: %s\n", zslab_result_name(zslab_last_error()));
        return 1;
    }
    uint32_t head = 0, tail = 0, full = 0, wrong = 0, most = 0;
    for (uint32_t i = 0; i < MESSAGES; i++) {
        size_t bytes = 24 + i * 7 % 200;
        char *m;
        while (!(m = (char *)zslab_malloc(z, bytes)) && tail != head) {
            full++;
            wrong += zslab_free(z, queue[tail++ % QUEUE]) != ZSLAB_OK;
        }
        if (!m || head - tail == QUEUE) return 1;
        memset(m, (int)i, bytes);
        queue[head++ % QUEUE] = m;
        if (head - tail > most) most = head - tail;
    }
    while (tail != head) wrong += zslab_free(z, queue[tail++ % QUEUE]) != ZSLAB_OK;
    zslab_result sound = zslab_check(z, NULL, NULL);
    zslab_destroy(z);
    int intact = untouched(ram.before + sizeof ram.before - GUARD, GUARD) && untouched(ram.after, GUARD);
    printf("%d messages through a buffer of %d KiB, up to %u at once, %u times full, %u wrong frees, check: "
           "%s\n",
           MESSAGES, BUFFER / 1024, most, full, wrong, zslab_result_name(sound));
    printf("around the buffer: %s\n", intact ? "untouched" : "DAMAGED");
    return wrong || !full || sound != ZSLAB_OK || !intact;
}
