/* asan: nothing */
/* msan: nothing */
/* memcheck: nothing */
/* Right code all through: nothing is reported while slots come and go, and the buffers are plain memory afterwards. */
#include "report.h"

static char buffer[8 << 20], pool_buffer[64 << 10];

static void use(zslab *z, void *p, size_t bytes)
{
    MUST(p && zslab_usable_size(z, p) >= bytes);
    memset(p, 5, zslab_usable_size(z, p));
}

static void objects(zslab *z, zslab_epoch e)
{
    char *p[600];
    int i, turn;
    for (turn = 0; turn < 3; turn++) {
        for (i = 0; i < 600; i++) use(z, p[i] = (char *)zslab_malloc_epoch(z, (size_t)i * 3 + 1, e), (size_t)i * 3 + 1);
        for (i = 0; i < 600; i += 2) {
            p[i] = (char *)zslab_realloc(z, p[i], (size_t)i * 2 + 100);
            MUST(p[i] && p[i][0] == 5 && p[i][i < 100 ? i * 3 : 99] == 5);
            MUST(zslab_free(z, p[i]) == ZSLAB_OK && zslab_free(z, p[i]) == ZSLAB_E_DOUBLE_FREE);
        }
        MUST(zslab_check(z, NULL, NULL) == ZSLAB_OK);
    }
}

static void epochs(zslab *z)
{
    zslab_epoch e = zslab_epoch_open(z, "e"), kept = zslab_epoch_open(z, "kept");
    char *keep = (char *)zslab_malloc_epoch(z, 64, kept);
    zslab_handle h;
    void *p;
    int turn;
    for (turn = 0; turn < 4; turn++) {
        objects(z, e);
        h = zslab_handle_alloc(z, 50, e, &p);
        use(z, p, 50);
        MUST(h && zslab_handle_get(z, h) == p);
        memset(keep, turn, 64);
        MUST((turn & 1 ? zslab_handle_free(z, h) : zslab_epoch_reset(z, e)) == ZSLAB_OK);
        MUST(zslab_reserve(z, 256, 300) == ZSLAB_OK && keep[63] == turn);
        p = zslab_calloc(z, 10, 10);
        MUST(p && !((char *)p)[99] && zslab_free(z, p) == ZSLAB_OK);
    }
    MUST(zslab_epoch_release(z, e) == ZSLAB_OK && zslab_epoch_close(z, kept) == ZSLAB_OK && keep[0] == 3);
    MUST(zslab_free(z, keep) == ZSLAB_OK);
    zslab_trim(z);
    objects(z, zslab_epoch_current(z));
    zslab_destroy(z);
}

static void pools(void *memory, size_t bytes)
{
    zslab_pool_config c;
    zslab_pool *p;
    zslab_remote *r;
    char *slot[20];
    int i, turn;
    memset(&c, 0, sizeof c);
    c.memory = memory, c.memory_bytes = bytes;
    c.slot_bytes = 100, c.slot_count = 20, c.queue_capacity = 4;
    MUST((p = zslab_pool_create(&c)) != NULL && (r = zslab_pool_remote(p)) != NULL);
    for (turn = 0; turn < 3; turn++) {
        for (i = 0; i < 20; i++) MUST((slot[i] = (char *)zslab_pool_alloc(p)) != NULL && memset(slot[i], i, 100));
        for (i = 0; i < 20; i++)
            if (zslab_remote_try_free(r, slot[i]) != ZSLAB_OK) /* full after four: the slot is still ours */
                MUST(slot[i][99] == i && zslab_pool_free(p, slot[i]) == ZSLAB_OK);
    }
    zslab_pool_destroy(p);
    zslab_remote_drop(r);
}

int main(void)
{
    zslab_config c;
    uint32_t flags;
    for (flags = 0; flags <= (ZSLAB_FLAG_SHARED | ZSLAB_FLAG_HARDENED); flags++) {
        epochs(report_open(flags, ZSLAB_RECLAIM_LATENCY));
        epochs(report_open(flags, ZSLAB_RECLAIM_RSS));
    }
    memset(&c, 0, sizeof c);
    c.memory = buffer, c.memory_bytes = sizeof buffer;
    epochs(zslab_create(&c));
    memset(buffer, 1, sizeof buffer);
    pools(NULL, 0);
    pools(pool_buffer, sizeof pool_buffer);
    memset(pool_buffer, 1, sizeof pool_buffer);
    return 0;
}
