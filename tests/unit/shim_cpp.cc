// C++ under the shim: every form of new and delete, refusals by exception, by NULL, by a new-handler; containers.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <vector>

static int failed;

static void check(bool holds, const char *what)
{
    if (!holds) {
        std::printf("shim_cpp: not so: %s\n", what);
        failed++;
    }
}
#define CHECK(x) check((x), #x)

static volatile std::size_t huge = static_cast<std::size_t>(1) << 62;
static int handler_calls;

static void handler()
{
    if (++handler_calls == 3) std::set_new_handler(nullptr);
}

template <class F> static bool throws(F f)
{
    try {
        void *volatile p = f();
        (void)p;
    } catch (const std::bad_alloc &) {
        return true;
    }
    return false;
}

static bool at(const void *p, std::size_t alignment)
{
    return p && reinterpret_cast<std::uintptr_t>(p) % alignment == 0;
}

struct alignas(128) wide {
    char c[200];
};

static void forms()
{
    for (std::size_t n : {1u, 24u, 100u, 5000u, 40000u, 300000u}) {
        ::operator delete(::operator new(n));
        ::operator delete(::operator new(n), n);
        ::operator delete[](::operator new[](n));
        ::operator delete[](::operator new[](n), n);
        ::operator delete(::operator new(n, std::nothrow), std::nothrow);
        ::operator delete[](::operator new[](n, std::nothrow), std::nothrow);
        for (std::size_t a = 16; a <= 65536; a *= 2) {
            std::align_val_t to{a};
            void *p = ::operator new(n, to), *q = ::operator new[](n, to), *r = ::operator new(n, to, std::nothrow),
                 *s = ::operator new[](n, to, std::nothrow), *t = ::operator new(n, to), *u = ::operator new[](n, to);
            CHECK(at(p, a) && at(q, a) && at(r, a) && at(s, a) && at(t, a) && at(u, a));
            ::operator delete(p, to);
            ::operator delete[](q, to);
            ::operator delete(r, to, std::nothrow);
            ::operator delete[](s, to, std::nothrow);
            ::operator delete(t, n, to);
            ::operator delete[](u, n, to);
        }
    }
    void *p = ::operator new(0), *q = ::operator new(0);
    CHECK(p && q && p != q);
    ::operator delete(p);
    ::operator delete(q);
    ::operator delete(nullptr);
    auto w = std::make_unique<wide[]>(7);
    CHECK(at(w.get(), 128));
}

static void refusals()
{
    CHECK(throws([] { return ::operator new(huge); }));
    CHECK(throws([] { return ::operator new[](huge); }));
    CHECK(throws([] { return ::operator new (huge, std::align_val_t{64}); }));
    CHECK(throws([] { return ::operator new[](huge, std::align_val_t{64}); }));
    CHECK(::operator new(huge, std::nothrow) == nullptr);
    CHECK(::operator new[](huge, std::nothrow) == nullptr);
    CHECK(::operator new (huge, std::align_val_t{64}, std::nothrow) == nullptr);
    CHECK(::operator new[](huge, std::align_val_t{64}, std::nothrow) == nullptr);
    std::set_new_handler(handler);
    CHECK(throws([] { return ::operator new(huge); }));
    CHECK(handler_calls == 3);
}

struct in_thread {
    std::vector<std::string> words;
    ~in_thread() { words.push_back(std::string(500, 'x')); } // allocates while its thread ends
};
static thread_local in_thread last_words;

int main()
{
    std::map<std::string, std::vector<std::string>> table;
    forms();
    refusals();
    for (int i = 0; i < 200; i++)
        std::thread([i] { last_words.words.assign(static_cast<std::size_t>(i), std::string(40, 'y')); }).join();
    for (int i = 0; i < 20000; i++)
        table["key " + std::to_string(i * 7919 % 3001)].push_back(std::string(static_cast<std::size_t>(i % 100), 'z'));
    std::size_t total = 0;
    for (auto &row : table)
        for (auto &s : row.second) total += s.size();
    CHECK(total == 990000);
    std::printf("shim_cpp: %d failed\n", failed);
    return failed != 0;
}
