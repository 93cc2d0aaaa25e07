/* What trace_record.so writes and replay reads: every allocation call of one process.
   A file is TRACE_MAGIC, then blocks: a trace_block and `bytes` bytes of records of one thread, in the order in which
   the thread made them. A record is
       the call (1 byte), its number (a varint: how much higher than the thread's last one), then by call
       MALLOC, CALLOC   bytes, the address          REALLOC  bytes, the old address, the new one
       ALIGNED          bytes, alignment, address   FREE     the address
   with sizes as varints and addresses as zigzag varints: how far from the thread's last one, in units of 8 bytes.
   Numbers rise over the whole process: a free takes its number before the call, an allocation after it, so that who
   gets a freed address again has the higher one. Realloc has one number, taken after it: somebody else's allocation at
   the old address may stand before it. */
#ifndef TRACE_H
#define TRACE_H

#include <stdint.h>

#define TRACE_MAGIC "zslabtr1"
enum trace_call { TRACE_MALLOC = 1, TRACE_CALLOC, TRACE_REALLOC, TRACE_ALIGNED, TRACE_FREE };

typedef struct trace_block {
    uint32_t thread, bytes;
    uint64_t number, address; /* what the first record's differences are from */
} trace_block;

static inline unsigned char *trace_put(unsigned char *at, uint64_t v) /* at most 10 bytes */
{
    for (; v >= 0x80; v >>= 7) *at++ = (unsigned char)(v | 0x80);
    *at++ = (unsigned char)v;
    return at;
}

static inline const unsigned char *trace_get(const unsigned char *at, const unsigned char *end, uint64_t *v)
{
    *v = 0;
    for (unsigned shift = 0; at < end && shift < 64; shift += 7) {
        *v |= (uint64_t)(*at & 0x7F) << shift;
        if (!(*at++ & 0x80)) return at;
    }
    return NULL; /* cut off */
}

static inline uint64_t trace_zigzag(int64_t d) { return (uint64_t)d << 1 ^ (uint64_t)(d >> 63); }

static inline int64_t trace_unzigzag(uint64_t v) { return (int64_t)(v >> 1) ^ -(int64_t)(v & 1); }

#endif
