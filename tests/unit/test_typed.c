/* Typed handles in C: one handle type per object type. What must not compile: tests/build/build_typed.c. */
#include "tests/lib/test.h"

typedef struct monster {
    double position[3];
    int health;
} monster;
typedef struct item {
    char name[20];
} item;
ZSLAB_HANDLE_DECLARE(monster);
ZSLAB_HANDLE_DECLARE(item);

typedef struct chest { /* handles are plain values: they stand in other objects, and go through functions */
    ZSLAB_HANDLE_OF(monster) guard;
    ZSLAB_HANDLE_OF(item) content;
} chest;

static int health_of(const zslab *z, ZSLAB_HANDLE_OF(monster) h)
{
    monster *m = ZSLAB_HANDLE_GET(monster, z, h);
    return m ? m->health : -1;
}

static void a_typed_life(void)
{
    zslab *z = test_create(NULL);
    zslab_epoch e = zslab_epoch_open(z, "level");
    monster *m = NULL;
    item *i = NULL;
    chest c;
    CHECK(sizeof c == 16);
    c.guard = ZSLAB_HANDLE_NEW(monster, z, e, &m);
    c.content = ZSLAB_HANDLE_NEW(item, z, e, &i);
    MUST(m && i);
    m->health = 7;
    CHECK(health_of(z, c.guard) == 7);
    CHECK(ZSLAB_HANDLE_FROM(monster, z, m).value == c.guard.value && c.guard.value == zslab_handle_of(z, m));
    CHECK(ZSLAB_HANDLE_GET(item, z, c.content) == i);
    CHECK(zslab_usable_size(z, m) >= sizeof *m && zslab_usable_size(z, i) >= sizeof *i);
    CHECK_IS(ZSLAB_HANDLE_FREE(monster, z, c.guard), ZSLAB_OK);
    CHECK(health_of(z, c.guard) == -1);
    CHECK_IS(ZSLAB_HANDLE_FREE(monster, z, c.guard), ZSLAB_E_STALE);
    CHECK(ZSLAB_HANDLE_NEW(monster, z, e, NULL).value != 0); /* without asking for the object */
    CHECK_IS(zslab_epoch_release(z, e), ZSLAB_OK);
    CHECK(ZSLAB_HANDLE_GET(item, z, c.content) == NULL);
    test_destroy(z);
}

static void none_and_failure(void)
{
    zslab *z = test_create(NULL);
    monster here, *m = &here;
    ZSLAB_HANDLE_OF(monster) none = ZSLAB_HANDLE_NONE(monster);
    CHECK(none.value == 0 && health_of(z, none) == -1);
    CHECK(ZSLAB_HANDLE_NEW(monster, z, ZSLAB_EPOCH_NONE, &m).value == 0);
    CHECK(m == NULL && zslab_last_error() == ZSLAB_E_CLOSED);
    CHECK_IS(ZSLAB_HANDLE_FREE(monster, z, none), ZSLAB_E_INVALID);
    test_destroy(z);
}

int main(void)
{
    a_typed_life();
    none_and_failure();
    return test_summary("test_typed");
}
