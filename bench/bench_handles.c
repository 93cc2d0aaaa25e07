/* What does a handle cost over a raw pointer when it is followed?
   10,000 and 10,000,000 objects of 64 bytes, visited in random order: by pointer, by zslab_handle_get (inlined), and by
   the key of a plain generational slot map (one array of {generation, object}, no epochs, no growth, no other checks).
   Independent lookups (an array of names in random order) and a dependent chain (each object names the next). Then what
   it costs to make and free an object with and without a handle. Good: at most 1.5 ns a lookup over the pointer, random
   over 10,000. Rounds are interleaved; medians with 5 and 95 %.
     bench_handles [-r rounds] [-n objects of the large set] [-o file.csv] */
#define _GNU_SOURCE
#define ZSLAB_STATIC 1
#define ZSLAB_IMPLEMENTATION
#include "zslab.h"
#include "bench/measure.h"

enum { SMALL = 10000, ROUNDS_MAX = 101, LOOKUPS = 2000000, PAIRS = 200000, WAYS = 3, SHAPES = 2 };
static const char *const way_name[WAYS] = {"pointer", "handle", "slot map"};
static const char *const shape_name[SHAPES] = {"independent", "chain"};

typedef struct object { /* 64 bytes */
    struct object *next;
    zslab_handle next_handle;
    uint64_t next_key, value, rest[4];
} object;

typedef struct map_slot {
    uint32_t generation, next_free;
    object o;
} map_slot;

typedef struct set {
    size_t count;
    zslab *z;
    zslab_epoch epoch;
    object **pointer;
    zslab_handle *handle;
    uint64_t *key; /* generation << 32 | index */
    map_slot *map;
    double ns[SHAPES][WAYS][ROUNDS_MAX];
} set;

static uint64_t sink;

static double worked(void) /* processor time of this thread, so that a busy machine disturbs less */
{
    return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

static uint64_t dice(uint64_t *state)
{
    *state ^= *state << 13, *state ^= *state >> 7, *state ^= *state << 17;
    return *state;
}

static void *need(size_t bytes)
{
    void *p = malloc(bytes);
    if (!p) die("no memory");
    return p;
}

static inline object *map_get(const set *s, uint64_t key)
{
    map_slot *slot = &s->map[(uint32_t)key];
    if ((uint32_t)key < s->count && slot->generation == (uint32_t)(key >> 32)) return &slot->o;
    return NULL;
}

/* The same random cycle through both kinds of objects. */
static void link_all(set *s)
{
    for (size_t i = 0; i < s->count; i++) {
        size_t n = i + 1 == s->count ? 0 : i + 1;
        object *o = s->pointer[i], *m = map_get(s, s->key[i]);
        o->next = s->pointer[n];
        o->next_handle = s->handle[n];
        m->next_key = s->key[n];
        o->value = m->value = i;
    }
}

static void set_up(set *s, size_t count)
{
    uint64_t random = 88172645463325252u;
    s->count = count;
    s->z = zslab_create(NULL);
    if (!s->z) die(zslab_result_name(zslab_last_error()));
    s->epoch = zslab_epoch_open(s->z, NULL);
    s->pointer = need(count * sizeof *s->pointer);
    s->handle = need(count * sizeof *s->handle);
    s->key = need(count * sizeof *s->key);
    s->map = need(count * sizeof *s->map);
    for (size_t i = 0; i < count; i++) {
        void *p;
        s->handle[i] = zslab_handle_alloc(s->z, sizeof(object), s->epoch, &p);
        if (!s->handle[i]) die(zslab_result_name(zslab_last_error()));
        s->pointer[i] = p;
        s->map[i].generation = (uint32_t)(i * 7 % 5);
        s->key[i] = (uint64_t)s->map[i].generation << 32 | i;
    }
    for (size_t i = count - 1; i > 0; i--) { /* one order for all three */
        size_t j = dice(&random) % (i + 1);
        object *p = s->pointer[i];
        zslab_handle h = s->handle[i];
        uint64_t k = s->key[i];
        s->pointer[i] = s->pointer[j], s->pointer[j] = p;
        s->handle[i] = s->handle[j], s->handle[j] = h;
        s->key[i] = s->key[j], s->key[j] = k;
    }
    link_all(s);
}

/* Both loops stop where the object is missing, as a program would have to look. */
#define INDEPENDENT(object_of_i)                                                                                       \
    for (size_t n = LOOKUPS; n > 0;) {                                                                                 \
        size_t part = n < s->count ? n : s->count;                                                                     \
        n -= part;                                                                                                     \
        for (size_t i = 0; i < part; i++) {                                                                            \
            o = object_of_i;                                                                                           \
            if (!o) die("an object is missing");                                                                       \
            sum += o->value;                                                                                           \
        }                                                                                                              \
    }
#define CHAIN(next_object)                                                                                             \
    for (size_t n = LOOKUPS; n > 0; n--) {                                                                             \
        o = next_object;                                                                                               \
        if (!o) die("an object is missing");                                                                           \
    }

static double lookups(const set *s, int shape, int way)
{
    const object *o = way == 2 ? map_get(s, s->key[0]) : s->pointer[0];
    object *const *pointer = s->pointer;
    const zslab_handle *handle = s->handle;
    const uint64_t *key = s->key;
    const zslab *z = s->z;
    uint64_t sum = 0;
    double begin = worked();
    if (shape == 0) {
        if (way == 0) INDEPENDENT(pointer[i])
        if (way == 1) INDEPENDENT((const object *)zslab_handle_get(z, handle[i]))
        if (way == 2) INDEPENDENT(map_get(s, key[i]))
    } else {
        if (way == 0) CHAIN(o->next)
        if (way == 1) CHAIN((const object *)zslab_handle_get(z, o->next_handle))
        if (way == 2) CHAIN(map_get(s, o->next_key))
    }
    begin = worked() - begin;
    sink += sum + o->value;
    return begin / LOOKUPS;
}

static double pairs(const set *s, int with_handles) /* 64 live at a time, in their order */
{
    void *p[64];
    zslab_handle h[64];
    double begin = worked();
    for (int n = 0; n < PAIRS / 64; n++) {
        for (int i = 0; i < 64; i++) {
            if (with_handles)
                h[i] = zslab_handle_alloc(s->z, sizeof(object), s->epoch, &p[i]);
            else
                p[i] = zslab_malloc_epoch(s->z, sizeof(object), s->epoch);
        }
        for (int i = 0; i < 64; i++) {
            if ((with_handles ? zslab_handle_free(s->z, h[i]) : zslab_free(s->z, p[i])) != ZSLAB_OK) die("free");
        }
    }
    return (worked() - begin) / (PAIRS / 64 * 64);
}

static void report(FILE *csv, const set *s, int rounds)
{
    for (int shape = 0; shape < SHAPES; shape++) {
        spread raw = spread_of(s->ns[shape][0], rounds);
        for (int way = 0; way < WAYS; way++) {
            double over[ROUNDS_MAX];
            for (int i = 0; i < rounds; i++) over[i] = s->ns[shape][way][i] - s->ns[shape][0][i];
            spread ns = spread_of(s->ns[shape][way], rounds), more = spread_of(over, rounds);
            printf("%9zu  %-11s  %-8s  %7.2f (%.2f-%.2f)  %+6.2f  %5.2f x\n", s->count, shape_name[shape],
                   way_name[way], ns.median, ns.low, ns.high, more.median, ns.median / raw.median);
            if (csv)
                fprintf(csv, "%zu,%s,%s,%.3f,%.3f,%.3f,%.3f,%.3f,%.3f\n", s->count, shape_name[shape], way_name[way],
                        ns.median, ns.best, ns.low, ns.high, more.median, ns.median / raw.median);
        }
    }
}

int main(int argc, char **argv)
{
    static set sets[2];
    static double pair_ns[2][ROUNDS_MAX];
    int rounds = 21, o;
    long large = 10000000;
    const char *out = NULL;
    while ((o = getopt(argc, argv, "r:n:o:")) != -1) {
        if (o == 'r') rounds = atoi(optarg);
        if (o == 'n') large = atol(optarg);
        if (o == 'o') out = optarg;
        if (o == '?') return 2;
    }
    if (rounds < 1 || rounds > ROUNDS_MAX || large < 2) {
        fprintf(stderr, "bench_handles: rounds 1 to %d, objects from 2\n", ROUNDS_MAX);
        return 2;
    }
    set_up(&sets[0], SMALL);
    set_up(&sets[1], (size_t)large);
    for (int round = -1; round < rounds; round++) { /* the first one warms up */
        int at = round < 0 ? 0 : round;
        for (int k = 0; k < 2; k++) {
            for (int shape = 0; shape < SHAPES; shape++) {
                for (int way = 0; way < WAYS; way++) sets[k].ns[shape][way][at] = lookups(&sets[k], shape, way);
            }
        }
        for (int k = 0; k < 2; k++) pair_ns[k][at] = pairs(&sets[0], k);
    }
    FILE *csv = out ? fopen(out, "w") : NULL;
    if (out && !csv) die(out);
    provenance(stdout, argc, argv);
    puts("\n  objects  lookups      by            ns each            over the pointer");
    if (csv) {
        provenance(csv, argc, argv);
        fputs("\nobjects,lookups,by,ns,best,p5,p95,ns_over_pointer,of_pointer\n", csv);
    }
    for (int k = 0; k < 2; k++) report(csv, &sets[k], rounds);
    spread plain = spread_of(pair_ns[0], rounds), handle = spread_of(pair_ns[1], rounds);
    printf("allocate + free, ns: %.2f (%.2f-%.2f), with a handle %.2f (%.2f-%.2f), %.2f x\n", plain.median, plain.low,
           plain.high, handle.median, handle.low, handle.high, handle.median / plain.median);
    if (csv) {
        fprintf(csv, "%d,allocate+free,pointer,%.3f,%.3f,%.3f,%.3f,0,1\n", SMALL, plain.median, plain.best, plain.low,
                plain.high);
        fprintf(csv, "%d,allocate+free,handle,%.3f,%.3f,%.3f,%.3f,%.3f,%.3f\n", SMALL, handle.median, handle.best,
                handle.low, handle.high, handle.median - plain.median, handle.median / plain.median);
        if (fclose(csv)) die(out);
    }
    return sink == 42; /* the sums are used */
}
