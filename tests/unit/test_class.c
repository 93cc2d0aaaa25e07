/* The size-class table and the one multiplication that divides by a class: every size, every offset of a chunk.
   usage: test_class [sizes of the 8,192 whose every offset is tried] */
/* timeout: 300 */
#include "tests/lib/test.h"

/* The reciprocal of one size gives slot and remainder for every offset below the chunk's bytes. */
static int divides(uint32_t size)
{
    zs__class k;
    uint64_t t = 0, recip;
    size_t slot, in, at = 0;
    zs__class_fill(&k, size);
    recip = k.recip;
    for (slot = 0; at < ZS__CHUNK_BYTES; slot++)
        for (in = 0; in < size && at < ZS__CHUNK_BYTES; in++, at++, t += recip)
            if ((t >> ZS__RECIP_BITS) != slot || ((t & ZS__RECIP_MASK) < recip) != (in == 0)) return 0;
    return recip <= ZS__RECIP_MASK;
}

static void every_size_divides_every_offset(uint32_t sizes)
{
    uint32_t size, step = sizes && sizes < 8192 ? 65536 / sizes / 8 * 8 : 8;
    for (size = 8; size <= 65536 && size <= ZS__CHUNK_BYTES; size += size < 16 ? 8 : step) {
        test_at("size %u", size);
        CHECK(divides(size));
    }
    test_at("%s", "");
}

/* Slots, slabs and metadata lines of every size fit together. */
static void every_size_fits_its_chunk(void)
{
    uint32_t size;
    for (size = 8; size <= 65536 && size <= ZS__CHUNK_BYTES; size += 8) {
        zs__class k;
        uint32_t last;
        zs__class_fill(&k, size);
        last = k.slots - (k.slabs - 1) * 64;
        test_at("size %u", size);
        CHECK(k.size == size && k.slots >= 1 && (size_t)k.slots * size <= ZS__CHUNK_BYTES);
        CHECK((size_t)(k.slots + 1) * size > ZS__CHUNK_BYTES);
        CHECK(last >= 1 && last <= 64 && k.last_full == (last == 64 ? ~(uint64_t)0 : ((uint64_t)1 << last) - 1));
        /* the last byte of the chunk has a state to look at */
        CHECK((ZS__CHUNK_BYTES - 1) / size < (size_t)k.lines * 64 && zs__region_lines(k.lines) >= k.lines);
    }
    test_at("%s", "");
}

static void default_table_is_as_documented(void)
{
    size_t i, base, bytes[40], n = 0;
    zslab *z = test_create(NULL);
    bytes[n++] = 8;
    for (i = 16; i <= 128; i += 16) bytes[n++] = i;
    for (base = 128; base < 8192; base *= 2)
        for (i = 1; i <= 4; i++) bytes[n++] = base + base / 4 * i;
    CHECK(n == 33);
    for (i = 0; i < n && bytes[i] <= ZS__CHUNK_BYTES; i++) CHECK(zslab_size_class_bytes(z, i) == bytes[i]);
    CHECK(zslab_size_class_bytes(z, i) == 0 && zslab_size_class_of(z, bytes[i - 1] + 1) == ZSLAB_CLASS_LARGE);
    test_destroy(z);
}

/* Every size goes to the smallest class that holds it, for tables of all kinds. */
static void smallest_class_serves(const uint32_t *table, size_t count)
{
    zslab_config c = {0};
    size_t size, cls = 0;
    zslab *z;
    c.class_bytes = table;
    c.class_count = count;
    z = test_create(&c);
    CHECK(zslab_size_class_of(z, 0) == count);
    for (size = 1; size <= table[count - 1]; size++) {
        if (size > table[cls]) cls++;
        if (zslab_size_class_of(z, size) != cls) break;
    }
    CHECK(size == (size_t)table[count - 1] + 1);
    CHECK(zslab_size_class_of(z, size) == ZSLAB_CLASS_LARGE && zslab_size_class_of(z, SIZE_MAX) == count);
    test_destroy(z);
}

static void tables_of_all_kinds(void)
{
    static const uint32_t classic[] = {64, 96, 128, 192, 256, 384, 512, 768}, one[] = {4096}, eight[] = {8};
    uint32_t widest[255], i;
    smallest_class_serves(classic, 8);
    smallest_class_serves(one, 1);
    smallest_class_serves(eight, 1);
    for (i = 0; i < 255; i++) widest[i] = i < 2 ? 8 * (i + 1) : 16 * i;
    smallest_class_serves(widest, ZS__CHUNK_BYTES < 4096 * 2 ? 200 : 255);
    if (ZS__CHUNK_BYTES >= 65536) {
        static const uint32_t large[] = {16, 32768, 65520, 65536};
        smallest_class_serves(large, 4);
    }
}

int main(int argc, char **argv)
{
    every_size_divides_every_offset((uint32_t)test_amount(argc, argv, 8192));
    every_size_fits_its_chunk();
    default_table_is_as_documented();
    tables_of_all_kinds();
    return test_summary("test_class");
}
