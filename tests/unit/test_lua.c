/* build: -ldl */
/* A Lua state of 64 MiB lives in an epoch, its tables and long strings as large objects; no fallback is configured and
   the state is never closed: one release drops it, and every byte goes back. */
#include "tests/lib/test.h"
#if defined(__linux__) && !TEST_SANITIZED && !TEST_EMULATED
#include <dlfcn.h>
#include <stddef.h>

typedef struct lua_State lua_State;
typedef void *lua_alloc_fn(void *user, void *p, size_t was, size_t size);
static lua_State *(*lua_new)(lua_alloc_fn *alloc, void *user);
static void (*lua_libs)(lua_State *l);
static int (*lua_load)(lua_State *l, const char *text);
static int (*lua_call)(lua_State *l, int arguments, int results, int handler, ptrdiff_t context, void *k);
static double (*lua_number)(lua_State *l, int at, int *is_one);
static zslab *z;
static zslab_epoch e;
static size_t largest;

static int found(void *library, const char *name, void *out)
{
    void *symbol = dlsym(library, name);
    memcpy(out, &symbol, sizeof symbol);
    return symbol != NULL;
}

static void *lua_memory(void *user, void *p, size_t was, size_t size)
{
    (void)user;
    largest = size > largest ? size : largest;
    if (size) return p ? zslab_realloc(z, p, size) : zslab_malloc_epoch(z, size, e);
    if (p) CHECK_IS(zslab_free_sized(z, p, was), ZSLAB_OK);
    return NULL;
}

static size_t committed(void)
{
    zslab_global_stats g;
    zslab_stats_global(z, &g);
    return (size_t)g.committed_bytes;
}

static void one_release(const char *script)
{
    size_t before = committed(), full, pages;
    lua_State *l;
    int is_one = 0;
    double kib;
    MUST(e = zslab_epoch_open(z, "lua"));
    MUST((l = lua_new(lua_memory, NULL)) != NULL);
    lua_libs(l);
    MUST(lua_load(l, script) == 0);
    MUST(lua_call(l, 0, 1, 0, 0, NULL) == 0);
    kib = lua_number(l, -1, &is_one);
    CHECK(is_one && kib > 65536 && largest > (size_t)4 << 20);
    full = committed();
    pages = (size_t)zslab_rss_bytes();
    CHECK(full - before > (size_t)64 << 20 && test_live(z) > 10000);
    CHECK_IS(zslab_epoch_release(z, e), ZSLAB_OK);
    CHECK(test_live(z) == 0 && committed() <= before);
    pages -= (size_t)zslab_rss_bytes();
    CHECK(pages >= (full - before) / 100 * 90); /* what was never touched was not there */
    printf("%.1f MiB of Lua: %.1f MiB of pages were given back\n", kib / 1024, (double)pages / (1 << 20));
    CHECK_IS(zslab_check(z, NULL, NULL), ZSLAB_OK);
}

int main(void)
{
    static const char script[] = "local t, s = {}, {} "
                                 "for i = 1, 400000 do t[i] = {i, i * 2} end "
                                 "for i = 1, 24 do s[i] = string.rep('line ' .. i .. '\\n', 100000) end "
                                 "local all = table.concat(s) "
                                 "assert(#all == 18300000 and t[399999][2] == 799998) "
                                 "kept = {t, s, all} return collectgarbage('count')";
    void *lua = dlopen("liblua5.4.so.0", RTLD_NOW | RTLD_LOCAL);
    zslab_config c = {0};
    int i;
    if (!lua || !found(lua, "lua_newstate", &lua_new) || !found(lua, "luaL_openlibs", &lua_libs) ||
        !found(lua, "luaL_loadstring", &lua_load) || !found(lua, "lua_pcallk", &lua_call) ||
        !found(lua, "lua_tonumberx", &lua_number))
        return test_skip("liblua5.4 is not installed");
    c.reclaim = ZSLAB_RECLAIM_RSS;
    c.cache_bytes = ZSLAB_CACHE_NONE;
    MUST((z = zslab_create(&c)) != NULL);
    for (i = 0; i < 2; i++) one_release(script);
    test_destroy(z);
    return test_summary("test_lua");
}
#else
int main(void) { return test_skip("a shared library, and figures of the process"); }
#endif
