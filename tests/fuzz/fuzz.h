/* What the fuzz_*.c share, included behind test.h or test_zns.h: an input read as a tape of numbers. A tape that is
   over reads as zeros. MUST ends the run and says where; libFuzzer then keeps the input. */
#ifndef FUZZ_H
#define FUZZ_H

#ifndef MUST
#define MUST(x) ((x) ? (void)0 : (printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #x), fflush(stdout), abort()))
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static struct {
    const uint8_t *at, *end;
} tape;

static inline void tape_start(const uint8_t *data, size_t bytes)
{
    tape.at = data;
    tape.end = data + bytes;
}

static inline int tape_over(void) { return tape.at == tape.end; }

static inline unsigned tape_byte(void) { return tape.at < tape.end ? *tape.at++ : 0; }

static inline uint64_t tape_number(unsigned bytes) /* little-endian */
{
    uint64_t n = 0;
    unsigned i;
    for (i = 0; i < bytes; i++) n |= (uint64_t)tape_byte() << 8 * i;
    return n;
}

static inline size_t tape_below(size_t n) /* n: 1 to 65,536 */
{
    return (n <= 256 ? tape_byte() : (size_t)tape_number(2)) % n;
}

static inline __attribute__((unused)) size_t tape_size(void) /* of an object: mostly small */
{
    unsigned how = tape_byte();
    return how < 128   ? how + 1u
           : how < 224 ? (how - 127u) * 17
           : how < 250 ? (size_t)tape_number(2) % 8192 + 1
                       : (size_t)tape_number(2) * (how < 253 ? 1 : 3);
}
#endif
