/* build: -lbenchmark */
// What do containers cost over zslab?
// The same work by std::pmr containers over zslab_memory_resource and over std::pmr::unsynchronized_pool_resource, and
// by plain ones over zslab::allocator and std::allocator (glibc). Blocks reach 8 KiB, which the pool resource is told
// to pool; its own memory comes from new_delete_resource, as by default.
// Good: zslab_memory_resource ahead of the pool resource in every row of one run.
//   bench_containers [--benchmark_repetitions=N ...]   Google Benchmark's options; `make bench-containers` interleaves
#define ZSLAB_IMPLEMENTATION
#define ZSLAB_CPP_PMR 1
#define ZSLAB_INLINE 1
#include "zslab.h"

#include <benchmark/benchmark.h>

#include <list>
#include <map>
#include <memory_resource>
#include <string>
#include <unordered_map>
#include <vector>

namespace {

constexpr int count = 1000;

// Keys and lengths are the same for all contestants.
std::uint32_t dice(std::uint32_t &state)
{
    state = state * 1664525u + 1013904223u;
    return state >> 8;
}

zslab *allocator()
{
    static zslab *z = zslab_create(nullptr);
    return z;
}

// A contestant: what a container of T is given.
struct zslab_pmr {
    template <class T> using of = std::pmr::polymorphic_allocator<T>;
    zslab_memory_resource resource{allocator()};
    std::pmr::memory_resource *get() { return &resource; }
};
struct pool_pmr {
    template <class T> using of = std::pmr::polymorphic_allocator<T>;
    std::pmr::unsynchronized_pool_resource resource{std::pmr::pool_options{0, 8192}};
    std::pmr::memory_resource *get() { return &resource; }
};
struct zslab_plain {
    template <class T> using of = zslab::allocator<T>;
    zslab *get() { return allocator(); }
};
struct std_plain {
    template <class T> using of = std::allocator<T>;
    std::allocator<char> get() { return {}; }
};

// Two vectors grown by turns to 8 KiB, as push_back does.
template <class With> void vector(benchmark::State &state)
{
    With with;
    for (auto _ : state) {
        std::vector<int, typename With::template of<int>> a(with.get()), b(with.get());
        for (int i = 0; i < 2048; i++) {
            a.push_back(i);
            b.push_back(i);
        }
        benchmark::DoNotOptimize(a.data());
        benchmark::DoNotOptimize(b.data());
    }
    state.SetItemsProcessed(state.iterations() * 2 * 2048);
}

// A thousand strings of 16 to 271 characters, each replaced at random.
template <class With> void string(benchmark::State &state)
{
    With with;
    using text = std::basic_string<char, std::char_traits<char>, typename With::template of<char>>;
    std::vector<text> live;
    live.reserve(count);
    for (int i = 0; i < count; i++) live.emplace_back(with.get());
    std::uint32_t seed = 1;
    for (auto _ : state) {
        for (int i = 0; i < count; i++) {
            text next(16 + dice(seed) % 256, 'x', with.get());
            live[dice(seed) % count].swap(next);
        }
        benchmark::DoNotOptimize(live.data());
    }
    state.SetItemsProcessed(state.iterations() * count);
}

// A map of a thousand keys in which one goes and one comes, at random.
template <class Map> void turn_over(benchmark::State &state, Map &map)
{
    std::uint32_t seed = 1, gone = 1;
    for (int i = 0; i < count; i++) map.emplace(dice(seed), i);
    for (auto _ : state) {
        for (int i = 0; i < count; i++) {
            map.erase(dice(gone));
            map.emplace(dice(seed), i);
        }
    }
    state.SetItemsProcessed(state.iterations() * count);
}

template <class With> void unordered_map(benchmark::State &state)
{
    With with;
    using pair = std::pair<const std::uint32_t, int>;
    std::unordered_map<std::uint32_t, int, std::hash<std::uint32_t>, std::equal_to<std::uint32_t>,
                       typename With::template of<pair>>
        map(0, std::hash<std::uint32_t>(), std::equal_to<std::uint32_t>(), with.get());
    turn_over(state, map);
}

template <class With> void map(benchmark::State &state)
{
    With with;
    using pair = std::pair<const std::uint32_t, int>;
    std::map<std::uint32_t, int, std::less<std::uint32_t>, typename With::template of<pair>> map(
        std::less<std::uint32_t>(), with.get());
    turn_over(state, map);
}

// A queue of a thousand nodes: one leaves in front, one joins at the end; then a whole list made and dropped.
template <class With> void list(benchmark::State &state)
{
    With with;
    std::list<std::uint64_t, typename With::template of<std::uint64_t>> queue(count, 0, with.get());
    for (auto _ : state) {
        for (int i = 0; i < count; i++) {
            queue.pop_front();
            queue.push_back(static_cast<std::uint64_t>(i));
        }
        std::list<std::uint64_t, typename With::template of<std::uint64_t>> whole(count, 1, with.get());
        benchmark::DoNotOptimize(whole.front());
    }
    state.SetItemsProcessed(state.iterations() * 2 * count);
}

#define ROW(container)                                                                                                 \
    BENCHMARK_TEMPLATE(container, zslab_pmr);                                                                          \
    BENCHMARK_TEMPLATE(container, pool_pmr);                                                                           \
    BENCHMARK_TEMPLATE(container, zslab_plain);                                                                        \
    BENCHMARK_TEMPLATE(container, std_plain)
ROW(vector);
ROW(string);
ROW(unordered_map);
ROW(map);
ROW(list);

} // namespace

BENCHMARK_MAIN();
