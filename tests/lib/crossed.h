/* The atomics of zslab.h once more, interrupted as another thread might: crossed_by() runs between the look at a 64-bit
   word and its exchange, looked_by() before each load of one. Included in place of the header's own
   (ZS__ATOMICS_INCLUDE). */
static void crossed_by(void);
static void looked_by(void);

#define CROSSED_FUNCTIONS(T, N)                                                                                        \
    static inline T zs__load_##N(const T *p)                                                                           \
    {                                                                                                                  \
        if (sizeof(T) == 8) looked_by();                                                                               \
        return __atomic_load_n(p, __ATOMIC_RELAXED);                                                                   \
    }                                                                                                                  \
    static inline T zs__load_acq_##N(const T *p) { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }                      \
    static inline T zs__load_seq_##N(const T *p) { return __atomic_load_n(p, __ATOMIC_SEQ_CST); }                      \
    static inline void zs__store_##N(T *p, T v) { __atomic_store_n(p, v, __ATOMIC_RELAXED); }                          \
    static inline void zs__store_rel_##N(T *p, T v) { __atomic_store_n(p, v, __ATOMIC_RELEASE); }                      \
    static inline T zs__exchange_##N(T *p, T v) { return __atomic_exchange_n(p, v, __ATOMIC_ACQ_REL); }                \
    static inline T zs__add_##N(T *p, T v) { return __atomic_fetch_add(p, v, __ATOMIC_ACQ_REL); }                      \
    static inline T zs__sub_##N(T *p, T v) { return __atomic_fetch_sub(p, v, __ATOMIC_ACQ_REL); }                      \
    static inline T zs__or_##N(T *p, T v) { return __atomic_fetch_or(p, v, __ATOMIC_ACQ_REL); }                        \
    static inline T zs__and_##N(T *p, T v) { return __atomic_fetch_and(p, v, __ATOMIC_ACQ_REL); }                      \
    static inline int zs__cas_##N(T *p, T *expected, T v)                                                              \
    {                                                                                                                  \
        if (sizeof(T) == 8) crossed_by();                                                                              \
        return __atomic_compare_exchange_n(p, expected, v, 0, __ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE);                     \
    }
CROSSED_FUNCTIONS(uint8_t, u8)
CROSSED_FUNCTIONS(uint16_t, u16)
CROSSED_FUNCTIONS(uint32_t, u32)
CROSSED_FUNCTIONS(uint64_t, u64)
CROSSED_FUNCTIONS(uintptr_t, ptr)

static inline void zs__fence_seq(void) /* ThreadSanitizer knows exchanges, not fences */
{
    static uint32_t word;
    __atomic_fetch_add(&word, 0, __ATOMIC_SEQ_CST);
}
static inline void zs__compiler_barrier(void) { __atomic_signal_fence(__ATOMIC_SEQ_CST); }
