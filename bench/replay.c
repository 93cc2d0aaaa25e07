/* What would a program have paid with another allocator? Replays what trace_record.so wrote.
     replay_<form> trace             as many threads as the program had, each makes its own calls in its own order, and
                                     waits where another thread's call on the same object came first
     replay_<form> trace epochs      zslab: objects go by the lifetimes that the trace shows. It is cut into parts
                                     of 50,000 calls, from 2 to 64; what outlives the part of its birth goes into the
                                     epoch of the part of its death, which is released at that part's end, and is not
                                     freed one by one. One thread, all calls in their order.
   Good: less processor time and a lower peak than any general-purpose allocator. Prints ns a call, tails of single
   calls (from a second run that times each), peak of resident MiB above what the replay itself needs. The first byte of
   each page of an object is written. Objects that zslab does not serve (over 8 KiB) go to libc's malloc. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "bench/allocator.h"
#include "bench/ticks.h"
#include "bench/trace.h"

enum { PARTS_MAX = 64, PART = 50000, THREADS_MAX = 512 };
enum group { GROUP_NONE = 0, GROUP_FOR_EVER = PARTS_MAX + 1 }; /* else 1 + the part it dies in */

typedef struct event { /* one call, as it is replayed */
    uint64_t number, bytes;
    uint64_t address, old; /* while reading; then unused */
    uint32_t object, step; /* which object, and how many calls it has had before */
    uint32_t thread;
    uint8_t call, alignment_bits;
} event;

typedef struct object {
    void *p;
    uint32_t step;              /* calls done on it: the next one waits for its turn */
    uint32_t born, died, calls; /* events */
    uint64_t largest;
    uint32_t group;
} object;

static event *events;
static size_t event_count;
static object *objects;
static uint32_t object_count, thread_count, unknown_frees, parts;
static uint32_t *order[THREADS_MAX]; /* each thread's events */
static size_t order_count[THREADS_MAX];
static int by_epoch, timed;

static void *table(size_t bytes) /* the replay's own memory: never the allocator's, and touched */
{
    void *p = mmap(NULL, bytes + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (p == MAP_FAILED) die("mmap");
    return p;
}

static void bad_trace(const char *why)
{
    fprintf(stderr, "replay: not a trace of trace_record.so: %s\n", why);
    exit(1);
}

/* ---- reading ---- */

typedef struct reader {
    const unsigned char *at, *end;
    uint64_t number, address;
} reader;

static uint64_t next_varint(reader *r)
{
    uint64_t v;
    if (!(r->at = trace_get(r->at, r->end, &v))) bad_trace("a record is cut off");
    return v;
}

static uint64_t next_address(reader *r) { return r->address += (uint64_t)trace_unzigzag(next_varint(r)); }

static void read_record(reader *r, uint32_t thread, event *e)
{
    memset(e, 0, sizeof *e);
    e->call = *r->at++;
    if (e->call < TRACE_MALLOC || e->call > TRACE_FREE) bad_trace("an unknown call");
    e->thread = thread;
    e->number = r->number += next_varint(r);
    if (e->call != TRACE_FREE) e->bytes = next_varint(r);
    if (e->call == TRACE_ALIGNED) {
        uint64_t alignment = next_varint(r);
        while (e->alignment_bits < 63 && (uint64_t)1 << e->alignment_bits < alignment) e->alignment_bits++;
    }
    if (e->call == TRACE_REALLOC) e->old = next_address(r);
    e->address = next_address(r);
}

/* Counts the records, or reads them when there is room for them. */
static size_t read_blocks(const unsigned char *at, const unsigned char *end, event *into)
{
    size_t n = 0;
    event scratch;
    while (at < end) {
        trace_block b;
        if ((size_t)(end - at) < sizeof b) bad_trace("a block is cut off");
        memcpy(&b, at, sizeof b);
        at += sizeof b;
        if ((size_t)(end - at) < b.bytes) bad_trace("a block is cut off");
        reader r = {at, at + b.bytes, b.number, b.address};
        for (; r.at < r.end; n++) read_record(&r, b.thread, into ? &into[n] : &scratch);
        at += b.bytes;
    }
    return n;
}

/* By number: each is there once and few are missing, so that a table sorts them (qsort would ask the allocator). */
static void in_order(const event *read)
{
    uint64_t most = 0, kept = 0;
    for (size_t i = 0; i < event_count; i++) most = read[i].number > most ? read[i].number : most;
    if (most > event_count * 8 + 1000000) bad_trace("numbers out of range");
    uint32_t *at = (uint32_t *)table((most + 1) * sizeof *at);
    for (size_t i = 0; i < event_count; i++) {
        if (at[read[i].number]) bad_trace("a number twice");
        at[read[i].number] = (uint32_t)i + 1;
    }
    for (uint64_t n = 0; n <= most; n++) {
        if (at[n]) events[kept++] = read[at[n] - 1];
    }
    munmap(at, (most + 1) * sizeof *at + 1);
}

static void read_trace(const char *path)
{
    int fd = open(path, O_RDONLY);
    struct stat s;
    if (fd < 0 || fstat(fd, &s)) die(path);
    if (s.st_size < 8) bad_trace("too short");
    size_t bytes = (size_t)s.st_size;
    unsigned char *file = (unsigned char *)mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    if (file == MAP_FAILED) die(path);
    if (memcmp(file, TRACE_MAGIC, 8)) bad_trace("another beginning");
    event_count = read_blocks(file + 8, file + bytes, NULL);
    if (!event_count || event_count > UINT32_MAX / 2) bad_trace("no calls, or too many");
    event *read = (event *)table(event_count * sizeof *read);
    events = (event *)table(event_count * sizeof *events);
    read_blocks(file + 8, file + bytes, read);
    munmap(file, bytes);
    close(fd);
    in_order(read);
    munmap(read, event_count * sizeof *read + 1);
}

/* ---- from addresses to objects ---- */

typedef struct place { /* open addressing; an address stays once it was there */
    uint64_t address;
    uint32_t object, displaced; /* 1 + index, 0: none. displaced: its realloc is still to come, see trace.h */
} place;

static place *places;
static size_t place_mask;

static place *place_of(uint64_t address)
{
    size_t i = (size_t)(address * 0x9E3779B97F4A7C15u >> 20) & place_mask;
    while (places[i].address && places[i].address != address) i = (i + 1) & place_mask;
    places[i].address = address;
    return &places[i];
}

static void enter(uint32_t at, uint32_t o)
{
    place *p = place_of(events[at].address);
    if (p->object) p->displaced = p->object;
    p->object = o + 1;
}

static uint32_t leave(uint64_t address) /* 1 + index of the object that leaves this address */
{
    place *p = place_of(address);
    uint32_t *from = p->displaced ? &p->displaced : &p->object, o = *from;
    *from = 0;
    return o;
}

static void follow_objects(void)
{
    size_t kept = 0;
    for (place_mask = 1; place_mask < event_count * 2; place_mask *= 2) continue;
    places = (place *)table(place_mask * sizeof *places);
    place_mask--;
    objects = (object *)table(event_count * sizeof *objects);
    for (size_t i = 0; i < event_count; i++) {
        event e = events[i];
        uint32_t o = e.call == TRACE_FREE ? leave(e.address) : e.call == TRACE_REALLOC ? leave(e.old) : ++object_count;
        if (!o && e.call == TRACE_FREE) { /* made before the recording began */
            unknown_frees++;
            continue;
        }
        if (!o) e.call = TRACE_MALLOC, o = ++object_count;
        object *of = &objects[--o];
        e.object = o;
        e.step = of->calls++;
        if (!e.step) of->born = (uint32_t)kept, of->died = UINT32_MAX;
        if (e.call == TRACE_FREE) of->died = (uint32_t)kept;
        if (e.bytes > of->largest) of->largest = e.bytes;
        events[kept] = e;
        if (e.call != TRACE_FREE) enter((uint32_t)kept, o);
        kept++;
    }
    event_count = kept;
    munmap(places, (place_mask + 1) * sizeof *places + 1);
}

static void share_out(void) /* each thread its events; threads are numbered again without gaps */
{
    uint32_t *name = (uint32_t *)table((event_count + 1) * sizeof *name); /* recorded numbers are few and small */
    for (size_t i = 0; i < event_count; i++) {
        uint32_t *t = &name[events[i].thread < event_count ? events[i].thread : 0];
        if (!*t) *t = ++thread_count;
        events[i].thread = by_epoch ? 0 : (*t - 1) % THREADS_MAX;
        order_count[events[i].thread]++;
    }
    thread_count = by_epoch ? 1 : thread_count < THREADS_MAX ? thread_count : THREADS_MAX;
    for (uint32_t t = 0; t < thread_count; t++) {
        order[t] = (uint32_t *)table(order_count[t] * sizeof *order[t]);
        order_count[t] = 0;
    }
    for (size_t i = 0; i < event_count; i++) {
        uint32_t t = events[i].thread;
        order[t][order_count[t]++] = (uint32_t)i;
    }
}

static uint32_t part_of(uint32_t at) { return (uint32_t)((uint64_t)at * parts / event_count); }

/* ---- the calls ---- */

static a_state *allocator;
static tail_table *allocate, *freed; /* of each thread */
static uint64_t own;

#if BENCH_ZSLAB
static zslab_epoch epoch[PARTS_MAX + 2];
static inline void *make(const event *e, uint32_t group)
{
    if (group) return zslab_malloc_epoch(allocator, e->bytes ? e->bytes : 1, epoch[group]);
    size_t bytes = e->bytes ? e->bytes : 1;
    if (e->call == TRACE_CALLOC) return zslab_calloc(allocator, 1, bytes);
    if (e->call == TRACE_ALIGNED) return zslab_aligned_alloc(allocator, (size_t)1 << e->alignment_bits, bytes);
    return zslab_malloc(allocator, bytes);
}

static inline void *remake(void *p, const event *e) { return zslab_realloc(allocator, p, e->bytes); }

static void find_groups(uint64_t largest_class)
{
    for (uint32_t o = 0; o < object_count; o++) {
        object *of = &objects[o];
        if (of->largest > largest_class) continue; /* not in an epoch's chunks */
        if (of->died == UINT32_MAX)
            of->group = GROUP_FOR_EVER;
        else if (part_of(of->born) != part_of(of->died))
            of->group = 1 + part_of(of->died);
    }
}

static void open_epochs(void)
{
    size_t wanted = event_count / PART;
    parts = wanted < 2 ? 2 : wanted < PARTS_MAX ? (uint32_t)wanted : PARTS_MAX;
    for (int i = 1; i < PARTS_MAX + 2; i++) {
        if (!(epoch[i] = zslab_epoch_open(allocator, NULL))) die(zslab_result_name(zslab_last_error()));
    }
    find_groups(zslab_size_class_bytes(allocator, zslab_size_class_of(allocator, 8192)));
}

static void end_part(uint32_t part)
{
    if (zslab_epoch_release(allocator, epoch[1 + part]) != ZSLAB_OK) die("release");
}
#else
static inline void *make(const event *e, uint32_t group)
{
    (void)group;
    if (e->call == TRACE_CALLOC) return calloc(1, e->bytes);
    if (e->call == TRACE_ALIGNED) return memalign((size_t)1 << e->alignment_bits, e->bytes);
    return malloc(e->bytes);
}

static inline void *remake(void *p, const event *e) { return realloc(p, e->bytes); }

static void open_epochs(void)
{
    fputs("replay: epochs are zslab's\n", stderr);
    exit(2);
}

static void end_part(uint32_t part) { (void)part; }
#endif

static void touch(void *p, uint64_t bytes)
{
    for (uint64_t at = 0; at < bytes; at += 4096) ((volatile char *)p)[at] = 1;
}

static void wait_turn(const object *o, uint32_t step)
{
    /* acquire: the object's pointer and words, by whoever did the call before; pairs with the release in replay_one. */
    for (unsigned spins = 0; __atomic_load_n(&o->step, __ATOMIC_ACQUIRE) != step; spins++) {
        if (spins > 100) sched_yield();
    }
}

static void replay_one(const event *e, tail_table *made, tail_table *gone)
{
    object *o = &objects[e->object];
    wait_turn(o, e->step);
    uint64_t begin = timed ? ticks_begin() : 0;
    void *p = o->p;
    if (e->call == TRACE_FREE) {
        if (!o->group) A_FREE(allocator, p);
    } else {
        p = e->call == TRACE_REALLOC ? remake(p, e) : make(e, o->group);
    }
    if (timed) tail_note(e->call == TRACE_FREE ? gone : made, ticks_end() - begin, own);
    if (e->call != TRACE_FREE) {
        if (!p) die("out of memory");
        touch(p, e->bytes);
        o->p = p;
    }
    /* release: the pointer and the object's words before the count; pairs with the acquire in wait_turn. */
    __atomic_store_n(&o->step, e->step + 1, __ATOMIC_RELEASE);
}

static void *replay_thread(void *arg)
{
    size_t t = (size_t)(uintptr_t)arg;
    uint32_t part = 0;
    for (size_t i = 0; i < order_count[t]; i++) {
        uint32_t at = order[t][i];
        for (; by_epoch && part < part_of(at); part++) end_part(part);
        replay_one(&events[at], &allocate[t], &freed[t]);
    }
    return NULL;
}

static void merge(tail_table *into, const tail_table *from)
{
    if (!from->count) return;
    if (!into->count || from->least < into->least) into->least = from->least;
    if (from->most > into->most) into->most = from->most;
    into->count += from->count;
    for (size_t i = 0; i < TAIL_PLACES; i++) into->calls[i] += from->calls[i];
}

static int replay_all(void)
{
    pthread_t thread[THREADS_MAX];
    allocator = a_open(A_OPEN_FALLBACK);
    if (by_epoch) open_epochs();
    own = ticks_own();
    for (uint32_t o = 0; o < object_count; o++) objects[o].step = 0; /* this process's own pages from here on */
    memset(allocate, 0, thread_count * sizeof *allocate);
    memset(freed, 0, thread_count * sizeof *freed);
    double base = peak_reset(), begin = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    for (size_t t = 1; t < thread_count; t++) {
        if (pthread_create(&thread[t], NULL, replay_thread, (void *)t)) die("pthread_create");
    }
    replay_thread(NULL);
    for (size_t t = 1; t < thread_count; t++) pthread_join(thread[t], NULL);
    double ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - begin;
    if (!timed) {
        printf("ns %.2f\npeak_mib %.2f\n", ns / (double)event_count, (peak_kib() - base) / 1024);
    } else {
        double tick = ticks_ns(10);
        for (size_t t = 1; t < thread_count; t++) merge(&allocate[0], &allocate[t]), merge(&freed[0], &freed[t]);
        tail_print(&allocate[0], "allocate", tick);
        tail_print(&freed[0], "free", tick);
    }
    return fflush(stdout) != 0;
}

static int in_a_child(int with_times)
{
    int status = 1;
    fflush(stdout);
    pid_t child = fork();
    if (child < 0) die("fork");
    if (!child) {
        timed = with_times;
        _exit(replay_all());
    }
    if (waitpid(child, &status, 0) != child || status) return fputs("replay: failed\n", stderr), 1;
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && !strcmp(argv[1], "who")) {
        a_who();
        return 0;
    }
    by_epoch = argc == 3 && !strcmp(argv[2], "epochs");
    if (argc != 2 + by_epoch) {
        fprintf(stderr, "usage: %s trace [epochs]\n", argv[0]);
        return 2;
    }
    read_trace(argv[1]);
    follow_objects();
    share_out();
    allocate = (tail_table *)table(thread_count * sizeof *allocate);
    freed = (tail_table *)table(thread_count * sizeof *freed);
    printf("calls %zu\nobjects %u\nthreads %u\n", event_count, object_count, thread_count);
    if (unknown_frees) printf("unknown_frees %u\n", unknown_frees);
    return in_a_child(0) || in_a_child(1);
}
