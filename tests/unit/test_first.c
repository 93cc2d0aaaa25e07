/* What a newcomer meets first: which field of a configuration was refused and why, a NULL allocator named by an assert,
   an allocator that another ZSLAB_STATIC file made, the version, memory for a type, 16 KiB of stack. */
#define _GNU_SOURCE
#include <setjmp.h>
static jmp_buf back;
static const char *asserted;
static int test_asserted(const char *what)
{
    asserted = what;
    longjmp(back, 1);
    return 0;
}
#define ZSLAB_ASSERT(x) ((x) ? (void)0 : (void)test_asserted(#x))
#define ZSLAB_STATIC
#include "tests/lib/test.h"

/* What the assert of this call says, which does not return then; NULL: it holds. */
#define ASSERTED(call) (asserted = NULL, setjmp(back) ? (void)0 : (void)(call), asserted)

/* The text is of the last failing call; a failure of another kind takes it away. */
static int refused(const zslab_config *c, zslab_result why, const char *field)
{
    char text[200], short_text[6];
    size_t length;
    if (zslab_create(c) || zslab_last_error() != why) return 0;
    length = zslab_config_error(text, sizeof text);
    if (length != strlen(text) || zslab_config_error(NULL, 0) != length || strncmp(text, field, strlen(field)) != 0)
        return 0;
    if (zslab_config_error(short_text, sizeof short_text) != length || strlen(short_text) != sizeof short_text - 1)
        return 0;
    return text[strlen(field)] == ':' || text[strlen(field)] == ',';
}

static void test_config_error_names_the_field(void)
{
    static char memory[1 << 10];
    static const uint32_t sizes[] = {16, 24, 40}, order[] = {32, 16};
    zslab_config c = {0};
    zslab_pool_config p = {0};
    char text[100];
    c.epoch_count = 3;
    CHECK(refused(&c, ZSLAB_E_INVALID, "epoch_count"));
    c.epoch_count = 0;
    c.class_bytes = sizes;
    c.class_count = 3;
    CHECK(refused(&c, ZSLAB_E_INVALID, "class_bytes"));
    c.class_bytes = order;
    c.class_count = 2;
    CHECK(refused(&c, ZSLAB_E_INVALID, "class_bytes"));
    c.class_bytes = NULL;
    CHECK(refused(&c, ZSLAB_E_INVALID, "class_bytes"));
    c.class_count = 0;
    c.memory = memory;
    CHECK(refused(&c, ZSLAB_E_INVALID, "memory_bytes"));
    c.memory_bytes = sizeof memory;
    CHECK(refused(&c, ZSLAB_E_INVALID, "memory_bytes"));
    c.reserve_bytes = (size_t)1 << 30;
    CHECK(refused(&c, ZSLAB_E_INVALID, "memory"));
    c.memory = NULL;
    c.memory_bytes = 0;
    c.reserve_bytes = 100;
    CHECK(refused(&c, ZSLAB_E_INVALID, "reserve_bytes"));
    c.reserve_bytes = 0;
    c.flags = 1u << 30;
    CHECK(refused(&c, ZSLAB_E_INVALID, "flags"));
    c.flags = ZSLAB_FLAG_LOCK_PAGES;
    c.reclaim = ZSLAB_RECLAIM_RSS;
    CHECK(refused(&c, ZSLAB_E_INVALID, "flags"));
    c.flags = 0;
    c.reclaim = (zslab_reclaim)9;
    CHECK(refused(&c, ZSLAB_E_INVALID, "reclaim"));
    c.reclaim = ZSLAB_RECLAIM_DEFAULT;
    c.limit_bytes = 1;
    CHECK(refused(&c, ZSLAB_E_INVALID, "limit_bytes"));
    CHECK(zslab_buffer_bytes_min(&c) == 0 && zslab_config_error(text, sizeof text));
    CHECK(!strncmp(text, "limit_bytes:", 12));
    c.limit_bytes = 0;
    p.queue_capacity = (size_t)1 << 30;
    CHECK(!zslab_pool_create(&p) && zslab_config_error(text, sizeof text) && !strncmp(text, "queue_capacity:", 15));
    CHECK(zslab_pool_bytes(&p) == 0 && zslab_config_error(text, sizeof text) && !strncmp(text, "queue_capacity:", 15));
    {
        zslab *z = zslab_create(&c);
        CHECK(z && zslab_config_error(NULL, 0)); /* a success leaves the reason of the last failure */
        CHECK(!zslab_malloc(z, 0) && zslab_last_error() == ZSLAB_E_INVALID && !zslab_config_error(text, sizeof text));
        CHECK(text[0] == 0);
        zslab_destroy(z);
    }
}

static void test_null_and_other_files_allocators_are_named(void)
{
    static const char elsewhere = 0;
    zslab *z = zslab_create(NULL);
    CHECK(ASSERTED(zslab_malloc(NULL, 8)) && strstr(asserted, "NULL"));
    CHECK(ASSERTED(zslab_free(NULL, z)) && ASSERTED(zslab_epoch_open(NULL, "")) && ASSERTED(zslab_calloc(NULL, 1, 1)));
    CHECK(ASSERTED(zslab_handle_get(NULL, 1)) && ASSERTED(zslab_owns(NULL, z)) && ASSERTED(zslab_epoch_current(NULL)));
    CHECK(!ASSERTED(zslab_destroy(NULL)) && !ASSERTED(zslab_epoch_current(z)));
    zs__own(z)->home = &elsewhere; /* as if another file had made it */
    CHECK(ASSERTED(zslab_malloc(z, 8)) && strstr(asserted, "ZSLAB_STATIC"));
#if !ZSLAB_NO_TLS
    CHECK(!zs__malloc_fast(z, 8) && zslab_last_error() == ZSLAB_E_FOREIGN); /* a build without asserts */
#endif
    z->home = ZS__HOME;
    CHECK(!ASSERTED(zslab_free(z, zslab_malloc(z, 8))));
    zslab_destroy(z);
}

struct thing {
    char bytes[96];
    _Alignas(32) int aligned;
};

static void test_version_and_memory_for_a_type(void)
{
    zslab *z = zslab_create(NULL);
    zslab_epoch e = zslab_epoch_open(z, NULL);
    struct thing *a = ZSLAB_NEW(z, struct thing), *b = ZSLAB_NEW_EPOCH(z, struct thing, e);
    int *i = ZSLAB_NEW(z, int);
    CHECK(zslab_version() == 10000u * ZSLAB_VERSION_MAJOR + 100u * ZSLAB_VERSION_MINOR + ZSLAB_VERSION_PATCH);
    CHECK(a && b && i && ((uintptr_t)a & 31) == 0 && ((uintptr_t)b & 31) == 0 && zslab_epoch_of(z, b) == e);
    zslab_epoch_release(z, e);
    CHECK(!ZSLAB_NEW_EPOCH(z, struct thing, e) && zslab_last_error() == ZSLAB_E_CLOSED);
    zslab_destroy(z);
}

/* Every kind of call on a thread with 16 KiB of stack. */
static void *small_stack(void *out)
{
    char text[64];
    zslab_global_stats g;
    zslab *z = zslab_create(NULL);
    zslab_epoch e = zslab_epoch_open(z, "small");
    void *p = zslab_malloc_epoch(z, 64, e), *q = zslab_calloc(z, 4, 8);
    zslab_handle h = zslab_handle_alloc(z, 32, e, NULL);
    q = zslab_realloc(z, q, 500);
    zslab_stats_global(z, &g);
    *(int *)out = p && q && zslab_handle_get(z, h) && g.live_objects == 3 &&
                  zslab_stats_json(z, text, sizeof text) > 64 && zslab_stats_prometheus(z, text, sizeof text) > 64 &&
                  zslab_free(z, p) == ZSLAB_OK && zslab_epoch_close(z, e) == ZSLAB_OK &&
                  zslab_epoch_release(z, e) == ZSLAB_OK && zslab_check(z, NULL, NULL) == ZSLAB_OK;
    zslab_trim(z);
    zslab_destroy(z);
    return NULL;
}

static void test_a_small_stack_is_enough(void)
{
    pthread_t thread;
    pthread_attr_t attributes;
    int done = 0;
    pthread_attr_init(&attributes);
    if (pthread_attr_setstacksize(&attributes, 16 << 10)) return; /* this system's threads need more themselves */
    CHECK(!pthread_create(&thread, &attributes, small_stack, &done));
    pthread_join(thread, NULL);
    CHECK(done);
}

int main(void)
{
    test_config_error_names_the_field();
    test_null_and_other_files_allocators_are_named();
    test_version_and_memory_for_a_type();
    test_a_small_stack_is_enough();
    return test_summary("test_first");
}
