/* What the guest's programs share: the store itself, objects that know themselves, the acknowledgement log,
   and
   zbd as the witness of what the drive looks like. Every program takes a zoned NVMe node or a plain file,
   which
   becomes the store's file device, so all of them also run outside the guest. */
#ifndef ZSLAB_TESTS_GUEST_H
#define ZSLAB_TESTS_GUEST_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#define ZSLAB_STATIC 1 /* what a program does not call is not compiled: a minute of processor time for all five */
#define ZSLAB_IMPLEMENTATION
#include "../../../zslab.h"
#ifndef ZSLAB_ZNS_USE_LIBZBD
#define ZSLAB_ZNS_USE_LIBZBD 1
#endif
#define ZSLAB_ZNS_USE_URING 1
#define ZSLAB_ZNS_IMPLEMENTATION
#include "../../../zslab_zns.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ---- results ---------------------------------------------------------------- */

static int t_failed; /* written by the main thread and, under t_lock, by workers */
static pthread_mutex_t t_lock = PTHREAD_MUTEX_INITIALIZER;

static inline void t_fail(const char *file, int line, const char *what)
{
    pthread_mutex_lock(&t_lock);
    if (t_failed++ < 20)
        printf("    %s:%d: expected %s (last error %s)\n", file, line, what, zslab_result_name(zslab_last_error()));
    pthread_mutex_unlock(&t_lock);
}

#define EXPECT(x) ((x) ? (void)0 : t_fail(__FILE__, __LINE__, #x))
#define EXPECT_IS(call, want)                                                                                          \
    do {                                                                                                               \
        zslab_result t_got = (call);                                                                                   \
        char t_text[256];                                                                                              \
        snprintf(t_text, sizeof t_text, "%s == %s, got %s", #call, #want, zslab_result_name(t_got));                   \
        if (t_got != (want)) t_fail(__FILE__, __LINE__, t_text);                                                       \
    } while (0)

static inline double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- the store --------------------------------------------------------------- */

static inline int is_node(const char *path)
{
    struct stat st;
    return !stat(path, &st) && (S_ISBLK(st.st_mode) || S_ISCHR(st.st_mode));
}

/* For drives whose limits the kernel does not pass on (multipath heads): what the store may use at most. */
static uint32_t active_cap;

/* How the store appends: 1: one command at a time; 0: its default queue. */
static uint32_t queue_depth = 1;
static size_t frame_bytes; /* of the packing buffers; 0: as large as the drive takes */

/* A node, or a file with the guest drive's geometry. */
static inline zslab_zns *store_open(const char *path, uint32_t flags)
{
    zslab_zns_config c;
    memset(&c, 0, sizeof c);
    c.flags = flags;
    c.max_active = active_cap;
    c.queue_depth = queue_depth;
    c.buffer_bytes = frame_bytes;
    if (is_node(path)) return zslab_zns_open_device(path, &c);
    zslab_zns_geometry g;
    memset(&g, 0, sizeof g);
    g.zone_bytes = 4u << 20;
    g.zone_capacity_bytes = 3u << 20;
    g.zone_count = 64;
    g.max_open = 4;
    g.max_active = 6;
    return zslab_zns_open_file(path, &g, &c);
}

static inline zslab_zns_epoch epoch_begin(zslab_zns *s, uint32_t lifetime_class, uint64_t expected_bytes)
{
    zslab_zns_epoch_config c;
    memset(&c, 0, sizeof c);
    c.label = "guest";
    c.lifetime_class = lifetime_class;
    c.expected_bytes = expected_bytes;
    return zslab_zns_epoch_begin(s, &c);
}

/* ---- objects that know themselves -------------------------------------------- */

typedef struct object_head {
    uint32_t magic, bytes;
    uint64_t number, epoch, key;
} object_head;

enum { OBJECT_MAGIC = 0x4a424f5a, OBJECT_MIN = sizeof(object_head), OBJECT_MAX = 400 << 10 };

static inline uint64_t mix(uint64_t x)
{
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9u;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/* Mostly small, some of many blocks, now and then one larger than any append. */
static inline size_t object_bytes(uint64_t number)
{
    uint64_t r = mix(number + 0x9e3779b97f4a7c15u), kind = r % 100, x = r >> 8;
    if (kind < 60) return OBJECT_MIN + x % 2000;
    if (kind < 90) return 2048 + x % (22u << 10);
    if (kind < 99) return (24u << 10) + x % (76u << 10);
    return (130u << 10) + x % (170u << 10);
}

static inline void object_make(unsigned char *p, size_t bytes, uint64_t number, uint64_t epoch)
{
    object_head h = {OBJECT_MAGIC, (uint32_t)bytes, number, epoch, mix(number ^ mix(epoch) ^ bytes)};
    memcpy(p, &h, sizeof h);
    uint64_t x = h.key | 1;
    for (size_t i = sizeof h; i < bytes; i++) {
        if (i % 8 == 0) x = x * 6364136223846793005u + 1442695040888963407u;
        p[i] = (unsigned char)(x >> 56 | 1); /* never zero: a drive's last block always shows */
    }
}

/* 1 when these bytes are exactly what object_make wrote under that number, epoch and size. */
static inline int object_good(const void *data, size_t bytes)
{
    const unsigned char *p = (const unsigned char *)data;
    object_head h;
    if (bytes < sizeof h) return 0;
    memcpy(&h, p, sizeof h);
    if (h.magic != OBJECT_MAGIC || h.bytes != bytes || h.key != mix(h.number ^ mix(h.epoch) ^ bytes)) return 0;
    uint64_t x = h.key | 1;
    for (size_t i = sizeof h; i < bytes; i++) {
        if (i % 8 == 0) x = x * 6364136223846793005u + 1442695040888963407u;
        if (p[i] != (unsigned char)(x >> 56 | 1)) return 0;
    }
    return 1;
}

static inline uint64_t object_number(const void *data)
{
    object_head h;
    memcpy(&h, data, sizeof h);
    return h.number;
}

static inline uint64_t object_epoch(const void *data)
{
    object_head h;
    memcpy(&h, data, sizeof h);
    return h.epoch;
}

/* ---- the acknowledgement log --------------------------------------------------- */

enum { ACK_BEGIN = 1, ACK_WRITTEN, ACK_SYNCED, ACK_SEALED, ACK_RELEASING, ACK_RELEASED };

typedef struct ack {
    uint64_t epoch, handle, number;
    uint32_t bytes, kind;
} ack;

enum { ACKS_PER_BLOCK = 127, ACK_BLOCK = 4096 };

typedef struct ack_block {
    uint64_t magic, seq, count, check;
    ack acks[ACKS_PER_BLOCK];
} ack_block;

_Static_assert(sizeof(ack_block) == ACK_BLOCK, "one block");

#define ACK_MAGIC 0x6b636173624c415aull

typedef struct ack_log {
    int fd;
    uint64_t seq;
    ack_block *block; /* aligned for O_DIRECT; guarded by lock */
    pthread_mutex_t lock;
} ack_log;

static inline uint64_t ack_check(const ack_block *b)
{
    uint64_t sum = mix(b->seq + b->count);
    for (uint64_t i = 0; i < b->count && i < ACKS_PER_BLOCK; i++)
        sum = mix(sum ^ b->acks[i].handle) + b->acks[i].number * 31 + b->acks[i].epoch * 7 + b->acks[i].kind +
              b->acks[i].bytes;
    return sum;
}

/* mode 0: to read; 1: to write anew; 2: to write on. */
static inline void ack_open(ack_log *l, const char *path, int mode)
{
    static const int flags[] = {O_RDONLY, O_RDWR | O_CREAT | O_TRUNC, O_RDWR};
    memset(l, 0, sizeof *l);
    pthread_mutex_init(&l->lock, NULL);
    l->fd = open(path, mode && is_node(path) ? O_RDWR | O_DIRECT : flags[mode], 0666);
    void *p = NULL;
    if (l->fd < 0 || posix_memalign(&p, 4096, ACK_BLOCK)) {
        fprintf(stderr, "acknowledgement log %s: %s\n", path, strerror(errno));
        exit(1);
    }
    l->block = (ack_block *)p;
}

/* Records that these things are so. Returns once the block has left this machine. */
static inline void ack_put(ack_log *l, uint32_t kind, const ack *list, size_t n)
{
    pthread_mutex_lock(&l->lock);
    while (n) {
        size_t m = n < ACKS_PER_BLOCK ? n : ACKS_PER_BLOCK;
        memset(l->block, 0, ACK_BLOCK);
        memcpy(l->block->acks, list, m * sizeof *list);
        for (size_t i = 0; i < m; i++) l->block->acks[i].kind = kind;
        l->block->magic = ACK_MAGIC;
        l->block->seq = l->seq;
        l->block->count = m;
        l->block->check = ack_check(l->block);
        if (pwrite(l->fd, l->block, ACK_BLOCK, (off_t)(l->seq * ACK_BLOCK)) != ACK_BLOCK) {
            perror("acknowledgement log");
            exit(1);
        }
        l->seq++;
        list += m;
        n -= m;
    }
    pthread_mutex_unlock(&l->lock);
}

static inline void ack_epoch(ack_log *l, uint32_t kind, uint64_t epoch)
{
    ack a = {epoch, 0, 0, 0, 0};
    ack_put(l, kind, &a, 1);
}

/* All records, oldest first, up to the first block that was never written. */
static inline ack *ack_load(ack_log *l, size_t *out_count)
{
    ack *all = NULL;
    size_t count = 0;
    for (l->seq = 0; pread(l->fd, l->block, ACK_BLOCK, (off_t)(l->seq * ACK_BLOCK)) == ACK_BLOCK; l->seq++) {
        const ack_block *b = l->block;
        if (b->magic != ACK_MAGIC || b->seq != l->seq || b->count > ACKS_PER_BLOCK || b->check != ack_check(b)) break;
        all = (ack *)realloc(all, (count + b->count + 1) * sizeof *all);
        if (!all) abort();
        memcpy(all + count, b->acks, b->count * sizeof *all);
        count += b->count;
    }
    *out_count = count;
    return all;
}

/* ---- the witness ----------------------------------------------------------------- */

typedef struct witness_view {
    uint32_t zones, empty, active, full, read_only, offline;
    uint64_t written_bytes; /* what the write pointers say; a full zone counts its capacity */
} witness_view;

/* What `zbd report` says of the node, in its own process. 0 on success. */
static inline int witness_look(const char *path, witness_view *v)
{
    char command[512], line[512];
    memset(v, 0, sizeof *v);
    snprintf(command, sizeof command, "zbd report %s", path);
    FILE *f = popen(command, "r");
    if (!f) return -1;
    while (fgets(line, sizeof line, f)) {
        unsigned long long ofst, len, cap, wp = 0;
        unsigned number;
        char cond[8] = "";
        if (sscanf(line, "Zone %u: swr, ofst %llu, len %llu, cap %llu, wp %llu, %2s", &number, &ofst, &len, &cap, &wp,
                   cond) != 6 &&
            sscanf(line, "Zone %u: swr, ofst %llu, len %llu, cap %llu, %2s", &number, &ofst, &len, &cap, cond) != 5)
            continue;
        v->zones++;
        if (!strcmp(cond, "em"))
            v->empty++;
        else if (!strcmp(cond, "fu"))
            v->full++, v->written_bytes += cap;
        else if (!strcmp(cond, "ro"))
            v->read_only++;
        else if (!strcmp(cond, "ol"))
            v->offline++;
        else
            v->active++, v->written_bytes += wp - ofst;
    }
    return pclose(f) == 0 && v->zones ? 0 : -1;
}

/* The drive as zbd reports it and as the store says it is: the same, or a failure that shows both. */
static inline void witness_agrees(zslab_zns *s, const char *path)
{
    witness_view v;
    zslab_zns_store_stats t;
    if (!is_node(path)) return;
    zslab_zns_stats(s, &t);
    if (witness_look(path, &v)) {
        t_fail(__FILE__, __LINE__, "zbd report runs");
        return;
    }
    int same = t.zones == v.zones && t.zones_empty == v.empty && t.zones_active == v.active && t.zones_full == v.full &&
               t.zones_read_only == v.read_only && t.zones_offline == v.offline;
    printf("    witness: zbd %u zones: %u empty %u active %u full %u read-only %u offline; %s\n", v.zones, v.empty,
           v.active, v.full, v.read_only, v.offline, same ? "the store says the same" : "the store differs:");
    if (same) return;
    printf("    store:       %u zones: %u empty %u active %u full %u read-only %u offline\n", t.zones, t.zones_empty,
           t.zones_active, t.zones_full, t.zones_read_only, t.zones_offline);
    t_fail(__FILE__, __LINE__, "the store's view to be zbd's");
}

#endif
