/* The interleaving checker on programs whose outcomes are known: each right version must pass, each planted
   bug must be found and its schedule must replay. The last part is the close protocol of zslab.h (>>epoch) as
   a model of a few words. */
#include "tests/lib/interleave.h"

/* ---- two words, a few threads ---------------------------------------------- */
static uint32_t x, y, z;
static uint32_t seen[4];
static uint64_t object[4];

static void clear_words(void)
{
    x = y = z = 0;
    memset(seen, 0, sizeof seen);
    memset(object, 0, sizeof object);
    il_name(&x, sizeof x, "x");
    il_name(&y, sizeof y, "y");
    il_name(&z, sizeof z, "z");
}

/* Store buffering: with full fences one of the two sees the other's store. */
static void sb_left(void)
{
    zs__store_u32(&x, 1);
    zs__fence_seq();
    seen[0] = zs__load_u32(&y);
}
static void sb_right(void)
{
    zs__store_u32(&y, 1);
    zs__fence_seq();
    seen[1] = zs__load_u32(&x);
}
static void sb_finish(void) { il_check(seen[0] || seen[1]); }

/* The same with the asymmetric fence on the right and none on the left. */
static void asym_left(void)
{
    zs__store_u32(&x, 1);
    zs__compiler_barrier();
    seen[0] = zs__load_u32(&y);
}
static void asym_right(void)
{
    zs__store_u32(&y, 1);
    zs__os_fence();
    seen[1] = zs__load_u32(&x);
}

/* Message passing: an object, then its flag. */
static void mp_send(void)
{
    il_write(&object[0], 42);
    zs__store_rel_u32(&x, 1);
}
static void mp_receive(void)
{
    if (zs__load_acq_u32(&x)) il_check(il_read(&object[0]) == 42);
}

/* Relaxed stores to different words become visible in any order; release keeps the order for an acquirer. */
static void two_stores(void)
{
    zs__store_u32(&x, 1);
    zs__store_rel_u32(&y, 1);
}
static void two_loads(void)
{
    seen[0] = zs__load_acq_u32(&y);
    seen[1] = zs__load_u32(&x);
}
static void two_finish(void) { il_check(!seen[0] || seen[1]); }

/* The store to x may still be in the buffer when another thread's read-modify-write acts on x. */
static void buffered_rmw(void)
{
    if (zs__load_acq_u32(&y)) il_check(zs__add_u32(&x, 1) == 1);
}

/* Coherence: no thread sees one word go backwards, whatever the order of its loads says. */
static void coherent_store(void)
{
    zs__store_u32(&x, 1);
    zs__store_u32(&x, 2);
}
static void coherent_load(void)
{
    uint32_t first = zs__load_u32(&x);
    il_check(zs__load_u32(&x) >= first);
}

/* Independent readers agree on the order of two stores when all four are sequentially consistent. */
static void iriw_store_x(void) { zs__exchange_u32(&x, 1); }
static void iriw_store_y(void) { zs__exchange_u32(&y, 1); }
static void iriw_read_xy(void)
{
    seen[0] = zs__load_seq_u32(&x);
    seen[1] = zs__load_seq_u32(&y);
}
static void iriw_read_yx(void)
{
    seen[2] = zs__load_seq_u32(&y);
    seen[3] = zs__load_seq_u32(&x);
}
static void iriw_finish(void) { il_check(!(seen[0] && !seen[1] && seen[2] && !seen[3])); }

/* A release goes on through another thread's read-modify-write. */
static void sequence_middle(void)
{
    uint32_t was = 1;
    zs__cas_u32(&x, &was, 2);
}
static void sequence_last(void)
{
    if (zs__load_acq_u32(&x) == 2) il_check(il_read(&object[0]) == 42);
}

/* ---- locks ----------------------------------------------------------------- */
static void spin_section(void)
{
    while (zs__exchange_u32(&x, 1)) zs__pause();
    il_write(&object[0], il_read(&object[0]) + 1);
    zs__store_rel_u32(&x, 0);
}
static void spin_finish(void) { il_check(object[0] == 2); }

/* A futex lock (Drepper, "Futexes Are Tricky", mutex 2). */
static void futex_take(void)
{
    uint32_t was = 0;
    if (zs__cas_u32(&x, &was, 1)) return;
    while (zs__exchange_u32(&x, 2) != 0) il_futex_wait(&x, 2);
}
static void futex_drop(void)
{
    if (zs__exchange_u32(&x, 0) == 2) il_futex_wake(&x);
}
static void futex_section(void)
{
    futex_take();
    il_write(&object[0], il_read(&object[0]) + 1);
    futex_drop();
}
static void futex_finish(void) { il_check(object[0] == 3); }

/* ---- stacks ---------------------------------------------------------------- */
static uint32_t head, next[4], tag_unit;
static uint32_t taken[4];

static void clear_stack(void)
{
    clear_words();
    head = 0;
    memset(next, 0, sizeof next);
    memset(taken, 0, sizeof taken);
    il_name(&head, sizeof head, "head");
    il_name(next, sizeof next, "next");
}

/* Push-only stack, taken whole. Nodes are 1 ... 3. */
static void stack_push(uint32_t node)
{
    uint32_t top = zs__load_u32(&head);
    il_write(&object[node], node);
    do zs__store_u32(&next[node], top);
    while (!zs__cas_u32(&head, &top, node));
}
static void stack_take(void)
{
    uint32_t node = zs__exchange_u32(&head, 0);
    while (node) {
        uint32_t after = zs__load_u32(&next[node]);
        il_check(!taken[node]++);
        il_check(il_read(&object[node]) == node);
        node = after;
    }
}
static void push_one(void) { stack_push(1); }
static void push_two_three(void)
{
    stack_push(2);
    stack_push(3);
}
static void take_twice(void)
{
    stack_take();
    stack_take();
}
static void take_finish(void)
{
    stack_take();
    il_check(taken[1] == 1 && taken[2] == 1 && taken[3] == 1);
}

/* Pop one by one: the head's upper half counts pops, else the stack suffers from ABA. */
static uint32_t tagged_pop(void)
{
    uint32_t top = zs__load_acq_u32(&head), after, unit = zs__load_u32(&tag_unit);
    do {
        if (!(top & 0xffff)) return 0;
        after = zs__load_u32(&next[top & 0xffff]);
    } while (!zs__cas_u32(&head, &top, ((top & ~0xffffu) + unit) | after));
    return top & 0xffff;
}
static void tagged_push(uint32_t node)
{
    uint32_t top = zs__load_u32(&head);
    do zs__store_u32(&next[node], top & 0xffff);
    while (!zs__cas_u32(&head, &top, (top & ~0xffffu) | node));
}
static void tagged_setup(void)
{
    clear_stack();
    tag_unit = 0x10000;
    next[1] = 2, next[2] = 3;
    head = 1;
}
static void own(uint32_t node)
{
    if (node) il_check(!taken[node]++);
}
static void pop_one(void) { own(tagged_pop()); }
static void pop_pop_push(void)
{
    uint32_t first = tagged_pop();
    own(first);
    own(tagged_pop());
    if (first) {
        taken[first]--;
        tagged_push(first);
    }
}
static void pop_finish(void)
{
    uint32_t node;
    while ((node = tagged_pop()) != 0) own(node);
    il_check(taken[1] == 1 && taken[2] == 1 && taken[3] == 1);
}

/* ---- closing an epoch without stopping anybody ------------------------------ */
/* One page with two slots in one chunk. The owner marks a slot live, then reads the gate; the closer shuts
   the gate, fences everybody, takes the row's chunk list, turns the chunk's bin to "draining", fences again
   and scans. Whoever finds the page empty purges it. */
enum { GATE_OPEN = 1, GATE_SHUT = 2, GATE_SLOW = 3, BIN_OWN = 1, BIN_DRAINING = 2 };
enum { FREE = 0, LIVE = 1, AWAY = 2, ACTIVE = 0, CLOSING = 1 };
static struct {
    uint64_t gate, chunk_listed, bin, row_listed;
    uint32_t epoch_state, empty;
    uint8_t state[2];
    uint32_t purges;
    uint64_t page[2];
} m;

static void gate_setup(void)
{
    memset(&m, 0, sizeof m);
    m.gate = GATE_OPEN;
    m.bin = BIN_OWN;
    m.row_listed = 1;
    il_name(&m.gate, sizeof m.gate, "gate");
    il_name(&m.chunk_listed, sizeof m.chunk_listed, "chunk list");
    il_name(&m.bin, sizeof m.bin, "bin");
    il_name(&m.row_listed, sizeof m.row_listed, "row list");
    il_name(&m.epoch_state, sizeof m.epoch_state, "epoch state");
    il_name(&m.empty, sizeof m.empty, "empty");
    il_name(m.state, sizeof m.state, "slot state");
}

static void page_purge_if_empty(void)
{
    int i;
    for (i = 0; i < 2; i++)
        if (zs__load_u8(&m.state[i]) == LIVE) return;
    if (zs__exchange_u32(&m.empty, 1)) return;
    il_point("purge");
    il_check(!il_claimed(m.page, sizeof m.page));
    m.purges++;
}

static void drained_free(int slot)
{
    zs__store_u8(&m.state[slot], AWAY);
    zs__fence_seq();
    page_purge_if_empty();
}

static int model_alloc(int slot)
{
    zs__store_u64(&m.chunk_listed, 1);
    zs__store_u8(&m.state[slot], LIVE);
    zs__compiler_barrier();
    if (zs__load_u64(&m.gate) == GATE_OPEN) {
        il_claim(&m.page[slot], 8);
        return 1;
    }
    drained_free(slot);
    return 0;
}

static void model_free(int slot)
{
    il_disclaim(&m.page[slot]);
    zs__store_u8(&m.state[slot], FREE);
    zs__compiler_barrier();
    if (zs__load_u64(&m.bin) != BIN_OWN) drained_free(slot);
}

static void model_close(void)
{
    zs__store_u32(&m.epoch_state, CLOSING);
    zs__fence_seq();
    if (!zs__load_acq_u64(&m.row_listed)) return;
    zs__store_u64(&m.gate, GATE_SHUT);
    zs__os_fence();
    if (!zs__load_u64(&m.chunk_listed)) return;
    zs__store_u64(&m.bin, BIN_DRAINING);
    zs__os_fence();
    page_purge_if_empty();
}

static void gate_owner(void)
{
    if (!model_alloc(0)) return;
    il_point("use");
    model_free(0);
}

/* Whatever the order: the chunk was purged, unless its only object had come and gone before the close. */
static void gate_finish(void) { il_check(m.purges == 1 || !m.chunk_listed); }

/* The last two frees of a page meet the close. */
static void page_setup(void)
{
    gate_setup();
    m.chunk_listed = 1;
    m.state[0] = m.state[1] = LIVE;
    il_claim(&m.page[0], 8);
    il_claim(&m.page[1], 8);
}
static void page_owner(void) { model_free(0); }
static void page_other(void) { model_free(1); }

/* Where the asymmetric fence is refused the gate reads "slow" for ever and the owner fences. */
static void slow_owner(void)
{
    zs__store_u64(&m.chunk_listed, 1);
    zs__store_u8(&m.state[0], LIVE);
    zs__fence_seq();
    if (zs__load_u32(&m.epoch_state) != ACTIVE) {
        drained_free(0);
        return;
    }
    il_claim(&m.page[0], 8);
    il_point("use");
    il_disclaim(&m.page[0]);
    drained_free(0);
}
static void slow_close(void)
{
    zs__store_u32(&m.epoch_state, CLOSING);
    zs__fence_seq();
    if (zs__load_u64(&m.chunk_listed)) page_purge_if_empty();
}

/* A row made while its epoch closes: published, fenced, then the epoch's state is looked at again. */
static void row_owner(void)
{
    zs__store_rel_u64(&m.row_listed, 1);
    zs__fence_seq();
    if (zs__load_u32(&m.epoch_state) != ACTIVE) return;
    gate_owner();
}
static void row_setup(void)
{
    gate_setup();
    m.row_listed = 0;
}

static const il_scenario scenarios[] = {
    {"store_buffering", clear_words, {sb_left, sb_right}, sb_finish},
    {"asymmetric_fence", clear_words, {asym_left, asym_right}, sb_finish},
    {"message_passing", clear_words, {mp_send, mp_receive}, NULL},
    {"two_stores", clear_words, {two_stores, two_loads}, two_finish},
    {"buffered_rmw", clear_words, {two_stores, buffered_rmw}, NULL},
    {"coherence", clear_words, {coherent_store, coherent_load, coherent_load}, NULL},
    {"iriw", clear_words, {iriw_store_x, iriw_store_y, iriw_read_xy, iriw_read_yx}, iriw_finish},
    {"release_sequence", clear_words, {mp_send, sequence_middle, sequence_last}, NULL},
    {"spin_lock", clear_words, {spin_section, spin_section}, spin_finish},
    {"futex_lock", clear_words, {futex_section, futex_section, futex_section}, futex_finish},
    {"push_take_all", clear_stack, {push_one, push_two_three, take_twice}, take_finish},
    {"tagged_pop", tagged_setup, {pop_one, pop_pop_push}, pop_finish},
    {"gate", gate_setup, {gate_owner, model_close}, gate_finish},
    {"gate_last_frees", page_setup, {page_owner, model_close, page_other}, gate_finish},
    {"gate_slow", gate_setup, {slow_owner, slow_close}, gate_finish},
    {"gate_new_row", row_setup, {row_owner, model_close}, gate_finish},
};

static const il_plant plants[] = {
    {"no_fence_left", "store_buffering", "sb_left", IL_FENCE, "", 0, IL_DROP, 0},
    {"no_fence_right", "store_buffering", "sb_right", IL_FENCE, "", 0, IL_DROP, 0},
    {"no_asymmetric_fence", "asymmetric_fence", "", IL_ASYM, "", 0, IL_DROP, 0},
    {"late_store", "asymmetric_fence", "asym_left", IL_STORE, "x", 0, IL_LATER, 0},
    {"relaxed_send", "message_passing", "mp_send", IL_STORE, "x", 0, IL_RELAX, 0},
    {"relaxed_receive", "message_passing", "mp_receive", IL_LOAD, "x", 0, IL_RELAX, 0},
    {"stores_in_any_order", "two_stores", "two_stores", IL_STORE, "y", 0, IL_RELAX, 0},
    {"loads_in_any_order", "two_stores", "two_loads", IL_LOAD, "y", 0, IL_RELAX, 0},
    {"store_still_buffered", "buffered_rmw", "two_stores", IL_STORE, "y", 0, IL_RELAX, 0},
    {"readers_disagree", "iriw", "iriw_read_yx", IL_LOAD, "x", 0, IL_RELAX, 0},
    {"sequence_begun_relaxed", "release_sequence", "mp_send", IL_STORE, "x", 0, IL_RELAX, 0},
    {"no_lock", "spin_lock", "spin_section", IL_RMW, "x", 0, IL_LIE, 0},
    {"relaxed_unlock", "spin_lock", "spin_section", IL_STORE, "x", 0, IL_RELAX, 0},
    {"relaxed_lock", "spin_lock", "spin_section", IL_RMW, "x", 0, IL_RELAX, 0},
    {"no_wake", "futex_lock", "futex_drop", IL_WAKE, "", 0, IL_DROP, 0},
    {"waiters_forgotten", "futex_lock", "futex_drop", IL_RMW, "x", 0, IL_LIE, 1},
    {"relaxed_push", "push_take_all", "stack_push", IL_CAS, "head", 0, IL_RELAX, 0},
    {"relaxed_take", "push_take_all", "stack_take", IL_RMW, "head", 0, IL_RELAX, 0},
    {"late_link", "push_take_all", "stack_push", IL_STORE, "next", 0, IL_LATER, 0},
    {"no_tag", "tagged_pop", "tagged_pop", IL_LOAD, "tag_unit", 0, IL_LIE, 0},
    {"no_first_fence", "gate", "model_close", IL_ASYM, "", 1, IL_DROP, 0},
    {"no_second_fence", "gate", "model_close", IL_ASYM, "", 2, IL_DROP, 0},
    {"gate_not_shut", "gate", "model_close", IL_STORE, "gate", 0, IL_DROP, 0},
    {"gate_before_live", "gate", "model_alloc", IL_STORE, "state", 0, IL_LATER, 0},
    {"gate_not_read", "gate", "model_alloc", IL_LOAD, "gate", 0, IL_LIE, GATE_OPEN},
    {"bin_before_free", "gate", "model_free", IL_STORE, "state", 0, IL_LATER, 0},
    {"no_second_fence", "gate_last_frees", "model_close", IL_ASYM, "", 2, IL_DROP, 0},
    {"no_fence_in_free", "gate_last_frees", "drained_free", IL_FENCE, "", 0, IL_DROP, 0},
    {"purge_twice", "gate_last_frees", "page_purge_if_empty", IL_RMW, "empty", 0, IL_LIE, 0},
    {"no_fence_in_alloc", "gate_slow", "slow_owner", IL_FENCE, "", 0, IL_DROP, 0},
    {"no_fence_in_close", "gate_slow", "slow_close", IL_FENCE, "", 0, IL_DROP, 0},
    {"no_second_look", "gate_new_row", "row_owner", IL_LOAD, "epoch_state", 0, IL_LIE, ACTIVE},
    {"row_not_fenced", "gate_new_row", "row_owner", IL_FENCE, "", 0, IL_DROP, 0},
};

int main(int argc, char **argv)
{
    return il_main(argc, argv, scenarios, (int)(sizeof scenarios / sizeof *scenarios), plants,
                   (int)(sizeof plants / sizeof *plants));
}
