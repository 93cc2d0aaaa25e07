// What C++ gets: make, scopes, unique_handle, deleter, pool_owner and _remote, allocators and zslab_memory_resource, as
// C++11 and later, with libstdc++ and libc++, with exceptions and RTTI and without.
#if __cplusplus >= 201703L
#if __has_include(<memory_resource>)
#define ZSLAB_CPP_PMR 1
#endif
#endif
#ifndef BUILD_CPP_DECLARATIONS // the other half of the cell: a file without the implementation
#define ZSLAB_IMPLEMENTATION
#endif
#include <new>
#if defined(__clang__)
#pragma clang diagnostic ignored "-Wkeyword-macro"
#endif
#define new new (guest) // as who counts allocations has them
#define delete guest(), delete
#include "zslab.h"
#include "zslab.h" // again: nothing happens
#if !defined(new) || !defined(delete)
#error "the guest's macros are gone"
#endif
#undef new
#undef delete

#include <cstdio>
#include <cstring>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <type_traits>
#include <unordered_map>
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

struct alignas(16384) huge { // large: above the largest class, and at more than a class gives
    char bytes[20000];
};

static std::size_t objects_in(zslab *z)
{
    std::size_t n = 0;
    zslab_check(
        z, [](void *user, const zslab_visit *) -> int { return ++*static_cast<std::size_t *>(user), 0; }, &n);
    return n;
}

struct chained { // a list whose links own the next one; an own handle ends the object from inside
    zslab::unique_handle<chained> next, own;
    int value;
    explicit chained(int v) : value(v) { ++alive; }
    ~chained() { --alive; }
};

// What is assigned may lie in the object that goes by it, and so may what is assigned to.
static void lists(zslab *z)
{
    zslab_epoch e = zslab_epoch_open(z, nullptr);
    zslab::unique_handle<chained> list;
    for (int i = 0; i < 4; i++) {
        zslab::unique_handle<chained> more = zslab::unique_handle<chained>::make(z, e, i);
        more->next = std::move(list);
        list = std::move(more);
    }
    for (int i = 3; i >= 0; i--) {
        CHECK(list && list->value == i && alive == i + 1);
        if (list) list = std::move(list->next);
    }
    CHECK(!list && alive == 0);
    chained *self = nullptr;
    {
        zslab::unique_handle<chained> made = zslab::unique_handle<chained>::make(z, e, 1);
        self = made.get();
        self->own = std::move(made);
    }
    self->own = zslab::unique_handle<chained>();
    CHECK(alive == 0);
    alive = 0;
    CHECK(zslab_epoch_release(z, e) == ZSLAB_OK);
    using scope = zslab::epoch_scope;
    scope outer(z), *inner = zslab::make_epoch<scope>(z, outer.epoch(), z, "inner");
    zslab_end_fn *unmake = [](void *p, zslab *, zslab_epoch, zslab_end) { static_cast<scope *>(p)->~scope(); };
    CHECK(inner && zslab_epoch_on_end(z, outer.epoch(), unmake, inner) == ZSLAB_OK);
    e = inner->epoch();
    outer = std::move(*inner);
    CHECK(outer.epoch() == e && zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_ACTIVE);
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
        zslab::unique_handle<const counted> fixed = zslab::unique_handle<counted>::make(z, e, 8);
        CHECK(fixed->value == 8 && alive == 1);
        fixed.reset();
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
    zslab::unique_handle<huge> large = zslab::unique_handle<huge>::make(z, e), none;
    CHECK(large && reinterpret_cast<std::size_t>(large.get()) % alignof(huge) == 0 && !none);
    CHECK(zslab_usable_size(z, large.get()) >= sizeof(huge));
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

struct base {
    int one = 1;
    virtual ~base() { --alive; }
    base() { ++alive; }
    base(const base &) = delete;
    base &operator=(const base &) = delete;
};
struct other_base {
    int two = 2;
    virtual ~other_base() = default;
};
struct derived : other_base, base { // base stands inside: not at the object's address
    int three = 3;
};

static void bases(zslab *z)
{
    zslab_epoch e = zslab_epoch_current(z);
    {
        zslab::unique_handle<derived> d = zslab::unique_handle<derived>::make(z, e);
        base *inside = d.get();
        void *object = d.get();
        CHECK(static_cast<void *>(inside) != object);
        zslab::unique_handle<base> b(std::move(d)), moved;
        CHECK(!d && b.get() == inside && b->one == 1 && alive == 1);
        moved = std::move(b);
        CHECK(moved.get() == inside && zslab_handle_get(z, moved.handle()) == object);
        swap(moved, b);
        CHECK(!moved && b.get() == inside);
        zslab::unique_handle<base> nothing = zslab::unique_handle<derived>(); // as make gives when it is refused
        CHECK(!nothing && !nothing.handle());
    }
    CHECK(alive == 0);
    CHECK(!(std::is_convertible<zslab::unique_handle<base>, zslab::unique_handle<derived>>::value));
    {
        std::unique_ptr<base, zslab::deleter> p(zslab::make<derived>(z), zslab::deleter(z)), none;
        CHECK(p && p->one == 1 && alive == 1 && !none);
        none = std::move(p);
        CHECK(none && alive == 1);
    }
    CHECK(alive == 0);
}

static void makes(zslab *z)
{
    std::size_t before = objects_in(z);
    zslab_epoch e = zslab_epoch_open(z, nullptr);
    counted *a = zslab::make<counted>(z, 4), *b = zslab::make_epoch<counted>(z, e, 5);
    const wide *w = zslab::make_epoch<const wide>(z, e);
    CHECK(a && a->value == 4 && b && b->value == 5 && alive == 2 && objects_in(z) == before + 3);
    CHECK(zslab_epoch_of(z, b) == e && zslab_epoch_of(z, w) == e && reinterpret_cast<std::size_t>(w) % 64 == 0);
    CHECK(zslab::destroy(z, a) == ZSLAB_OK && zslab::destroy(z, b) == ZSLAB_OK && zslab::destroy(z, w) == ZSLAB_OK);
    CHECK(zslab::destroy(z, static_cast<counted *>(nullptr)) == ZSLAB_OK && alive == 0 && objects_in(z) == before);
    CHECK(zslab_epoch_release(z, e) == ZSLAB_OK);
    CHECK(!zslab::make_epoch<counted>(z, e, 1) && zslab_last_error() == ZSLAB_E_CLOSED && alive == 0);
    CHECK(!zslab::make_epoch<huge>(z, e) && zslab_last_error() == ZSLAB_E_CLOSED && objects_in(z) == before);
    wide *n = ZSLAB_NEW(z, wide);
    CHECK(n && reinterpret_cast<std::size_t>(n) % 64 == 0 && zslab_free(z, n) == ZSLAB_OK);
#if defined(__cpp_exceptions)
    int caught = 0;
    try {
        zslab::make<thrower>(z);
    } catch (int) {
        caught = 1;
    }
    CHECK(caught && objects_in(z) == before); // the memory went back
#endif
}

static void epoch_scopes(zslab *z)
{
    zslab_epoch first = ZSLAB_EPOCH_NONE, kept = ZSLAB_EPOCH_NONE;
    {
        zslab::epoch_scope frame(z, "frame"), other(z);
        first = frame.epoch();
        CHECK(frame && frame.resource() == z && zslab_epoch_state_of(z, first) == ZSLAB_EPOCH_ACTIVE);
        kept = other.detach();
        CHECK(!other && zslab::make_epoch<int>(z, first, 1));
        other = std::move(frame);
        CHECK(!frame && other.epoch() == first && zslab_epoch_state_of(z, first) == ZSLAB_EPOCH_ACTIVE);
    }
    CHECK(zslab_epoch_state_of(z, first) == ZSLAB_EPOCH_CLOSED && zslab_epoch_state_of(z, kept) == ZSLAB_EPOCH_ACTIVE);
    CHECK(zslab_epoch_release(z, kept) == ZSLAB_OK);
}

static void pools()
{
    zslab_pool_config c = {};
    c.slot_count = 2;
    zslab::pool_remote late;
    {
        zslab::pool_owner pool(c), none;
        void *a = pool.take(), *b = pool.take();
        zslab::pool_remote r = pool.remote(), more = r.clone();
        CHECK(pool && r && more && r.get() == more.get() && a && b && !pool.take() && !none);
        CHECK(more.put(a) == ZSLAB_OK && r.try_put(a) == ZSLAB_E_DOUBLE_FREE && pool.drain() == 1);
        CHECK(pool.put(b) == ZSLAB_OK && zslab_pool_owns(pool.get(), a));
        none = std::move(pool);
        CHECK(none && !pool);
        late = std::move(more);
        CHECK(late && !more);
        a = none.take();
        CHECK(late.put(a) == ZSLAB_OK);
    }
    char outside = 0;
    CHECK(late.try_put(&outside) != ZSLAB_OK); // the owner is gone
}

// What the standard asks of an allocator, and each kind of container on it.
template <class A> static void containers(zslab *z, const A &a)
{
    typedef std::allocator_traits<A> traits;
    typedef typename traits::template rebind_alloc<char> chars;
    static_assert(std::is_same<typename traits::value_type, int>::value && !traits::is_always_equal::value, "");
    static_assert(traits::propagate_on_container_swap::value && std::is_nothrow_copy_constructible<A>::value, "");
    static_assert(std::is_same<typename std::allocator_traits<chars>::template rebind_alloc<int>, A>::value, "");
    CHECK(a == A(chars(a)) && !(a != A(a)) && traits::select_on_container_copy_construction(a) == a);
    int *none = traits::allocate(const_cast<A &>(a), 0);
    CHECK(none);
    traits::deallocate(const_cast<A &>(a), none, 0);
    typedef std::basic_string<char, std::char_traits<char>, chars> text;
    typedef std::pair<const int, int> pair;
    typedef typename traits::template rebind_alloc<pair> pairs;
    typedef typename traits::template rebind_alloc<text> texts;
    typedef typename traits::template rebind_alloc<wide> wides;
    std::size_t before = objects_in(z);
    {
        std::vector<int, A> v(a);
        std::list<int, A> l(a), m(a);
        text t{chars(a)};
        std::map<int, int, std::less<int>, pairs> sorted((std::less<int>()), pairs(a));
        std::unordered_map<int, int, std::hash<int>, std::equal_to<int>, pairs> hashed(8, std::hash<int>(),
                                                                                       std::equal_to<int>(), pairs(a));
        std::vector<text, texts> many{texts(a)};
        std::vector<wide, wides> apart{wides(a)}; // grows past the largest class: in the same epoch, aligned
        for (int i = 0; i < 900; i++) {
            v.push_back(i);
            l.push_back(i);
            t.push_back(static_cast<char>('a' + i % 26));
            sorted[i] = -i;
            hashed[i % 400] = -(i % 400);
            if (i % 10 == 0) many.push_back(text(30, 'x', chars(a)));
            apart.push_back(wide());
            CHECK(reinterpret_cast<std::size_t>(apart.data()) % alignof(wide) == 0);
        }
        CHECK(zslab_epoch_of(z, apart.data()) == zslab_epoch_of(z, v.data()));
        m.splice(m.begin(), l);
        std::vector<int, A> moved(std::move(v)), copy(moved);
        v = copy;
        moved.swap(copy);
        CHECK(v == copy && m.size() == 900 && l.empty() && t.size() == 900 && sorted[500] == -500);
        CHECK(hashed.at(399) == -399 && many.size() == 90 && many[89] == text(30, 'x', chars(a)));
    }
    CHECK(objects_in(z) == before);
}

static void all_containers(zslab *z)
{
    zslab_epoch e = zslab_epoch_open(z, nullptr);
    zslab_heap *heap = zslab_heap_create(z);
    containers(z, zslab::allocator<int>(z));
    containers(z, zslab::allocator<int>(z, e));
    containers(z, zslab::heap_allocator<int>(heap));
    containers(z, zslab::heap_allocator<int>(heap, e));
    zslab_heap_destroy(heap);
    CHECK(zslab_epoch_release(z, e) == ZSLAB_OK);
}

#if ZSLAB_CPP_PMR
static void memory_resources(zslab *z)
{
    zslab_epoch e = zslab_epoch_open(z, nullptr);
    std::size_t before = objects_in(z);
    {
        zslab_memory_resource r(z), in_epoch(z, e), same(z, e);
        std::pmr::vector<std::pmr::string> v(&in_epoch);
        for (int i = 0; i < 100; i++) v.emplace_back(40, 'y');
        CHECK(v[99].size() == 40 && zslab_epoch_of(z, v[99].data()) == e && zslab_epoch_of(z, v.data()) == e);
        CHECK(r.is_equal(r) && in_epoch.is_equal(same) && !r.is_equal(in_epoch));
        CHECK(!r.is_equal(*std::pmr::new_delete_resource()) && !std::pmr::new_delete_resource()->is_equal(r));
        std::pmr::vector<std::pmr::string> current(&r);
        current = std::move(v); // another lifetime: the strings are made anew there
        CHECK(current.size() == 100 && zslab_epoch_of(z, current[99].data()) == zslab_epoch_current(z));
        std::pmr::unordered_map<int, std::pmr::string> names(&in_epoch);
        names[5] = "a name too long for the string itself, by far";
        CHECK(zslab_epoch_of(z, names[5].data()) == e);
        void *p = r.allocate(100, 64);
        CHECK(reinterpret_cast<std::size_t>(p) % 64 == 0);
        r.deallocate(p, 100, 64);
    }
    CHECK(objects_in(z) == before);
    CHECK(zslab_epoch_release(z, e) == ZSLAB_OK);
}
#define HAVE_PMR 1
#else
#define HAVE_PMR 0
#endif

static_assert(!std::is_destructible<zslab>::value, "std::unique_ptr<zslab> without zslab_destroy does not compile");

struct tree {
    int rings;
};
ZSLAB_HANDLE_DECLARE(tree); // the C macros work here too

int main()
{
    zslab *z = zslab_create(nullptr);
    if (!z) return 1;
    tree *t = nullptr;
    ZSLAB_HANDLE_OF(tree) h = ZSLAB_HANDLE_NEW(tree, z, zslab_epoch_current(z), &t);
    CHECK(t && ZSLAB_HANDLE_GET(tree, z, h) == t && ZSLAB_HANDLE_FREE(tree, z, h) == ZSLAB_OK);
    unique_handles(z);
    lists(z);
    domain_scopes(z);
    allocators(z);
    makes(z);
    bases(z);
    epoch_scopes(z);
    pools();
    all_containers(z);
#if HAVE_PMR
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
