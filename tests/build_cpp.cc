// What C++ gets: domain_scope, unique_handle, allocator and memory_resource, as C++11 and later.
#ifndef BUILD_CPP_DECLARATIONS // the other half of the cell: a file without the implementation
#define ZSLAB_IMPLEMENTATION
#endif
#include "zslab.h"
#include "zslab.h" // again: nothing happens

#include <cstdio>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#ifdef BUILD_CPP_DECLARATIONS
std::size_t elsewhere(zslab *z);
std::size_t elsewhere(zslab *z)
{
    zslab::allocator<int> a(z);
    std::vector<int, zslab::allocator<int>> v(100, 7, a);
    return v.size();
}
#else
static int failed, passed;
#define CHECK(x) ((x) ? (void)++passed : (void)(++failed, std::printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #x)))

#ifdef BUILD_CPP_TWO
std::size_t elsewhere(zslab *z);
#endif

static int alive;
struct counted {
    int value;
    explicit counted(int v) : value(v) { ++alive; }
    ~counted() { --alive; }
    counted(const counted &) = delete;
};

#if defined(__cpp_exceptions)
struct thrower {
    char bytes[40];
    thrower() { throw 1; }
};
#endif
struct alignas(64) wide {
    char bytes[64];
};

static std::size_t objects_in(zslab *z)
{
    std::size_t n = 0;
    zslab_check(z, [](void *user, const zslab_visit *) -> int { return ++*static_cast<std::size_t *>(user), 0; }, &n);
    return n;
}

static void unique_handles(zslab *z)
{
    zslab_epoch e = zslab_epoch_open(z, nullptr);
    {
        zslab::unique_handle<counted> a = zslab::unique_handle<counted>::make(z, e, 5), empty;
        CHECK(a && a->value == 5 && (*a).value == 5 && alive == 1 && a.allocator() == z);
        CHECK(zslab_handle_get(z, a.handle()) == a.get());
        zslab::unique_handle<counted> b(std::move(a));
        CHECK(!a && b && alive == 1);
        empty = std::move(b);
        CHECK(empty && !b && empty.get()->value == 5);
        swap(empty, b);
        CHECK(b && !empty);
        b = zslab::unique_handle<counted>::make(z, e, 6);
        CHECK(b->value == 6 && alive == 1);
        zslab::unique_handle<counted> taken(z, b.release());
        CHECK(!b && taken->value == 6);
        taken.reset();
        CHECK(!taken && alive == 0);
        a = zslab::unique_handle<counted>::make(z, e, 7);
        CHECK(zslab_epoch_release(z, e) == ZSLAB_OK); // the object goes with its epoch, undestroyed
        CHECK(!a && a.get() == nullptr);
        alive = 0;
    }
    CHECK(alive == 0);
    CHECK(!zslab::unique_handle<counted>::make(z, e, 1) && zslab_last_error() == ZSLAB_E_CLOSED && alive == 0);
    e = zslab_epoch_current(z);
    zslab::unique_handle<wide> w = zslab::unique_handle<wide>::make(z, e);
    CHECK(reinterpret_cast<std::size_t>(w.get()) % 64 == 0);
    zslab::unique_handle<const std::string> s = zslab::unique_handle<const std::string>::make(z, e, 100u, 'x');
    CHECK(s && s->size() == 100);
#if defined(__cpp_exceptions)
    std::size_t before = objects_in(z);
    int caught = 0;
    try {
        zslab::unique_handle<thrower>::make(z, e);
    } catch (int) {
        caught = 1;
    }
    CHECK(caught && objects_in(z) == before); // the slot went back
#endif
}

static void domain_scopes(zslab *z)
{
    zslab_domain *d = zslab_domain_create(z);
    {
        zslab::domain_scope inside(d);
        CHECK(inside && inside.result() == ZSLAB_OK);
        zslab::domain_scope again(d);
        CHECK(zslab_domain_force_close(d) == ZSLAB_E_BUSY);
    }
    zslab::domain_scope late(d); // it had its last exit
    CHECK(!late && late.result() == ZSLAB_E_CLOSED);
    CHECK(zslab_domain_destroy(d) == ZSLAB_OK);
}

static void allocators(zslab *z)
{
    zslab_epoch e = zslab_epoch_open(z, nullptr);
    typedef zslab::allocator<std::pair<const int, int>> pairs;
    std::size_t before = objects_in(z);
    {
        zslab::allocator<int> a(z), in_epoch(z, e);
        std::vector<int, zslab::allocator<int>> v(a), w(in_epoch);
        std::map<int, int, std::less<int>, pairs> m((std::less<int>()), pairs(in_epoch)); // rebinds
        for (int i = 0; i < 1000; i++) {
            v.push_back(i);
            w.push_back(i);
            m[i] = -i;
        }
        CHECK(v == w);
        CHECK(m[500] == -500 && m.size() == 1000);
        CHECK(zslab_epoch_of(z, &w[0]) == e && zslab_epoch_of(z, &v[0]) == zslab_epoch_current(z));
        std::vector<int, zslab::allocator<int>> moved(std::move(v)), copy(moved);
        CHECK(moved.size() == 1000 && copy[999] == 999 && copy.get_allocator() == a && a == in_epoch);
        std::vector<wide, zslab::allocator<wide>> wides(3, wide(), zslab::allocator<wide>(z, e));
        CHECK(reinterpret_cast<std::size_t>(wides.data()) % 64 == 0);
#if defined(__cpp_exceptions)
        int refused = 0;
        try {
            (void)a.allocate(static_cast<std::size_t>(-1) / 2);
        } catch (const std::bad_alloc &) {
            refused = 1;
        }
        CHECK(refused);
#endif
    }
    CHECK(objects_in(z) == before);
    CHECK(zslab_epoch_release(z, e) == ZSLAB_OK);
}

#if __cplusplus >= 201703L
static void memory_resources(zslab *z)
{
    zslab_epoch e = zslab_epoch_open(z, nullptr);
    std::size_t before = objects_in(z);
    {
        zslab::memory_resource r(z), in_epoch(z, e);
        std::pmr::vector<std::pmr::string> v(&in_epoch);
        for (int i = 0; i < 100; i++) v.emplace_back(40, 'y');
        CHECK(v[99].size() == 40 && zslab_epoch_of(z, v[99].data()) == e && zslab_epoch_of(z, v.data()) == e);
        CHECK(r.is_equal(r) && !r.is_equal(*std::pmr::new_delete_resource()));
        void *p = r.allocate(100, 64);
        CHECK(reinterpret_cast<std::size_t>(p) % 64 == 0);
        r.deallocate(p, 100, 64);
    }
    CHECK(objects_in(z) == before);
    CHECK(zslab_epoch_release(z, e) == ZSLAB_OK);
}
#endif

struct tree { int rings; };
ZSLAB_HANDLE_DECLARE(tree); // the C macros work here too

int main()
{
    zslab *z = zslab_create(nullptr);
    if (!z) return 1;
    tree *t = nullptr;
    ZSLAB_HANDLE_OF(tree) h = ZSLAB_HANDLE_NEW(tree, z, zslab_epoch_current(z), &t);
    CHECK(t && ZSLAB_HANDLE_GET(tree, z, h) == t && ZSLAB_HANDLE_FREE(tree, z, h) == ZSLAB_OK);
    unique_handles(z);
    domain_scopes(z);
    allocators(z);
#if __cplusplus >= 201703L
    memory_resources(z);
#endif
#ifdef BUILD_CPP_TWO
    CHECK(elsewhere(z) == 100);
#endif
    CHECK(zslab_check(z, nullptr, nullptr) == ZSLAB_OK && objects_in(z) == 0);
    zslab_destroy(z);
    std::printf("build_cpp: %d passed, %d failed\n", passed, failed);
    return failed != 0;
}
#endif
