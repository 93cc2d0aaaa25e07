/* Memory back at close and release under the RSS policy, read from the kernel: two threads fill an epoch and
   then sleep for ever or exit; a third ends it, and within the call the resident set falls to at most 2 % of
   the epoch, or 32 pages, above where it began: objects, and all that was needed to know them, handles and frees from
   elsewhere included, also where the system gives huge pages to whoever has room for one (2.5 % with handles of 8 bytes
   or of 33 classes: pages of the registry that ids still in use share). With live objects left exactly the other pages
   are gone, page by page.
   usage: test_reclaim [MiB of the epoch, default 64; 4 under a sanitizer] [v: print every figure] */
/* timeout: 600 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

/* transparent_hugepage set to "always", for the allocator's mappings */
static int huge_always;
static void *mmap_huge(void *at, size_t bytes, int prot, int flags, int fd, off_t offset)
{
    void *p = mmap(at, bytes, prot, flags, fd, offset);
#if defined(MADV_HUGEPAGE)
    if (huge_always && p != MAP_FAILED) madvise(p, bytes, MADV_HUGEPAGE);
#endif
    return p;
}
#define mmap mmap_huge
#include "tests/lib/test.h"

static const test_mode *mode;
static int verbose;
static size_t page_bytes;

/* The kernel's count; its per-CPU parts may lag some dozens of pages behind. */
static size_t resident(void)
{
    char text[128];
    unsigned long total = 0, rss = 0;
    int fd = open("/proc/self/statm", O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0) close(fd);
    MUST(n > 0);
    text[n] = 0;
    MUST(sscanf(text, "%lu %lu", &total, &rss) == 2);
    return rss * page_bytes;
}

/* ---- the story of two threads ---- */

typedef enum { BY_OWNERS, BY_THE_THIRD, EVERY_SECOND_BY_THE_OTHER, NOT_AT_ALL } freed;
typedef struct story {
    const char *name;
    freed by;
    int exits, release, late; /* late: closed before they are freed, judged at the next open */
} story;

static const story stories[] = {
    {"release, threads asleep", NOT_AT_ALL, 0, 1, 0},
    {"release, threads gone", NOT_AT_ALL, 1, 1, 0},
    {"close, freed by the owners, asleep", BY_OWNERS, 0, 0, 0},
    {"close, freed by the owners, gone", BY_OWNERS, 1, 0, 0},
    {"close, freed by the third, asleep", BY_THE_THIRD, 0, 0, 0},
    {"close, every second freed by the other, asleep", EVERY_SECOND_BY_THE_OTHER, 0, 0, 0},
    {"close, every second freed by the other, gone", EVERY_SECOND_BY_THE_OTHER, 1, 0, 0},
    {"release, every second freed by the other, asleep", EVERY_SECOND_BY_THE_OTHER, 0, 1, 0},
    {"close, then freed by the third, asleep, open", BY_THE_THIRD, 0, 0, 1},
    {"close, then every second freed by the other, open", EVERY_SECOND_BY_THE_OTHER, 0, 0, 1},
};

typedef struct node { /* objects are their own list: nothing beside them is touched */
    struct node *next;
} node;

typedef struct half { /* what one thread allocates */
    zslab *z;
    zslab_epoch e;
    size_t bytes, first_class, classes;
    node *list[2]; /* alternating */
    size_t wrong, freed;
    int which; /* of the lists below: [mine, the other's] */
    int in_turn, handles;
    struct half *other;
} half;

static void allocate_some(half *h, size_t size, size_t bytes)
{
    for (size_t left = bytes, i = 0; left >= size; left -= size, i++) {
        void *p = NULL;
        if (h->handles) zslab_handle_alloc(h->z, size, h->e, &p);
        node *n = (node *)(h->handles ? p : zslab_malloc_epoch(h->z, size, h->e));
        MUST(n);
        memset((void *)n, 0x5a, size);
        n->next = h->list[i & 1];
        h->list[i & 1] = n;
    }
}

static void allocate_half(void *arg) /* class after class, or 16 KiB of each in turn: their chunks then lie in turn */
{
    half *h = (half *)arg;
    size_t share = h->bytes / h->classes, step = h->in_turn ? 16 << 10 : share;
    for (size_t done = 0; done < share; done += step)
        for (size_t c = h->first_class; c < h->first_class + h->classes; c++)
            allocate_some(h, zslab_size_class_bytes(h->z, c), share - done < step ? share - done : step);
}

static void free_list(half *h, node **list)
{
    for (node *n = *list, *next; n; n = next, h->freed++) {
        next = n->next;
        h->wrong += zslab_free(h->z, n) != ZSLAB_OK;
    }
    *list = NULL;
}

static void free_mine(void *arg)
{
    half *h = (half *)arg;
    free_list(h, &h->list[0]);
    free_list(h, &h->list[1]);
}

static void free_across(void *arg)
{
    half *h = (half *)arg;
    free_list(h, &h->list[0]);
    free_list(h, &h->other->list[1]);
}

static zslab_epoch fill(zslab *z, half h[2], test_worker w[2], size_t bytes, size_t first_class, size_t classes,
                        int in_turn, int handles)
{
    zslab_epoch e = zslab_epoch_open(z, "two halves");
    MUST(e);
    for (int i = 0; i < 2; i++) {
        h[i] = (half){z, e, bytes / 2, first_class, classes, {NULL, NULL}, 0, 0, i, in_turn, handles, &h[1 - i]};
        test_worker_do(&w[i], allocate_half, &h[i]);
    }
    return e;
}

static void empty(const story *s, half h[2], test_worker w[2])
{
    for (int i = 0; i < 2; i++) {
        if (s->by == BY_OWNERS) test_worker_do(&w[i], free_mine, &h[i]);
        if (s->by == EVERY_SECOND_BY_THE_OTHER) test_worker_do(&w[i], free_across, &h[i]);
        if (s->by == BY_THE_THIRD) free_mine(&h[i]);
    }
    CHECK(h[0].wrong == 0 && h[1].wrong == 0);
}

static void judge(const char *name, const char *of, size_t began, size_t peak, size_t after, size_t bytes, size_t part)
{
    size_t left = after > began ? after - began : 0;
    size_t allowed = bytes / part > 32 * page_bytes ? bytes / part : 32 * page_bytes;
    if (verbose || (!TEST_SANITIZED && left > allowed))
        printf("%-10s %-50s %-10s +%7zu KiB at the peak, +%5zu KiB after (%.2f %%)\n", mode->name, name, of,
               (peak - began) / 1024, left / 1024, 100 * (double)left / (double)bytes);
    if (TEST_SANITIZED) return; /* the sanitizer's shadow of the epoch stays resident */
    CHECK(peak - began >= bytes - bytes / 16);
    CHECK(left <= allowed);
}

static void tell(const story *s, size_t bytes, size_t first_class, size_t classes, int in_turn, int handles)
{
    zslab *z = test_open(mode, NULL);
    test_worker w[2];
    half h[2];
    char of[24];
    snprintf(of, sizeof of,
             in_turn       ? "in turn%s%s"
             : classes > 1 ? "all%s%s"
                           : "%s%s%zu",
             handles ? " handles" : "", huge_always ? " huge" : "", zslab_size_class_bytes(z, first_class));
    for (int i = 0; i < 2; i++) test_worker_start(&w[i]);
    size_t began = resident();
    zslab_epoch e = fill(z, h, w, bytes, first_class, classes, in_turn, handles);
    size_t peak = resident();
    if (s->late) CHECK_IS(zslab_epoch_close(z, e), ZSLAB_OK);
    empty(s, h, w);
    if (s->late) CHECK(zslab_epoch_open(z, NULL) != ZSLAB_EPOCH_NONE);
    if (s->exits)
        for (int i = 0; i < 2; i++) test_worker_end(&w[i]);
    if (!s->late) CHECK_IS(s->release ? zslab_epoch_release(z, e) : zslab_epoch_close(z, e), ZSLAB_OK);
    judge(s->name, of, began, peak, resident(), bytes, handles ? 40 : 50);
    CHECK(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSED);
    if (!s->exits) { /* the sleepers wake: what went is there again */
        e = fill(z, h, w, bytes / 8, first_class, classes, in_turn, handles);
        empty(&stories[5], h, w);
        CHECK_IS(zslab_epoch_close(z, e), ZSLAB_OK);
        for (int i = 0; i < 2; i++) test_worker_end(&w[i]);
    }
    test_destroy(z);
}

/* Large objects of a closed epoch, freed later: back at the next epoch call at the latest. */
static void large_ones_late(size_t bytes)
{
    zslab *z = test_open(mode, NULL);
    zslab_epoch e = zslab_epoch_open(z, NULL);
    size_t size = 20000, count = bytes / size, began = resident(), peak, i;
    void **p = (void **)malloc(count * sizeof *p);
    MUST(p);
    for (i = 0; i < count; i++) {
        MUST((p[i] = zslab_malloc_epoch(z, size, e)) != NULL);
        memset(p[i], 0x5a, size);
    }
    peak = resident();
    CHECK_IS(zslab_epoch_close(z, e), ZSLAB_OK);
    for (i = 0; i < count; i++) CHECK_IS(zslab_free(z, p[i]), ZSLAB_OK);
    CHECK(zslab_epoch_open(z, NULL) != ZSLAB_EPOCH_NONE);
    judge("large: close, freed, open", "20000", began, peak, resident(), bytes, 50);
    CHECK(zslab_epoch_state_of(z, e) == ZSLAB_EPOCH_CLOSED);
    free(p);
    test_destroy(z);
}

/* ---- live objects left: page by page ---- */

typedef struct object {
    char *p;
    size_t size;
} object;

typedef struct field { /* every page of the chunks that the epoch took */
    zslab *z;
    zslab_epoch e;
    object *live;
    size_t live_count, pages;
    char *base;
    uint32_t *live_on;   /* live objects that touch the page */
    unsigned char *seen; /* the page is of a chunk of the epoch */
} field;

static void on_pages(const field *f, const object *o, uint32_t change)
{
    size_t at = (size_t)(o->p - f->base), first = at / page_bytes, last = (at + o->size - 1) / page_bytes;
    MUST(last < f->pages);
    for (; first <= last; first++) f->live_on[first] += change;
}

/* Pages of which the kernel says otherwise than the live objects do. */
static size_t pages_wrong(const field *f)
{
    unsigned char *in = (unsigned char *)malloc(f->pages);
    size_t wrong = 0;
    MUST(in && mincore(f->base, f->pages * page_bytes, in) == 0);
    for (size_t i = 0; i < f->pages; i++) wrong += f->seen[i] && (in[i] & 1) != (f->live_on[i] != 0);
    free(in);
    return wrong;
}

static void allocate_field(void *arg)
{
    field *f = (field *)arg;
    size_t per_chunk = ((size_t)1 << ZSLAB_CHUNK_SHIFT) / page_bytes;
    uint64_t random = f->live_count + 1;
    for (size_t c = 0; zslab_size_class_bytes(f->z, c); c++) {
        size_t size = zslab_size_class_bytes(f->z, c), keep = size < 200 ? 3000 / size : 8;
        for (size_t left = f->pages * page_bytes / 160; left >= size; left -= size) {
            object o = {(char *)zslab_malloc_epoch(f->z, size, f->e), size};
            MUST(o.p);
            test_fill(o.p, size, c);
            size_t page = (size_t)(o.p - f->base) / page_bytes;
            memset(f->seen + page / per_chunk * per_chunk, 1, per_chunk);
            if (test_random(&random) % keep == 0) { /* lives on; the others go, some at once, some later */
                on_pages(f, &o, 1);
                f->live[f->live_count++] = o;
            } else {
                CHECK_IS(zslab_free(f->z, o.p), ZSLAB_OK);
            }
        }
    }
}

static void free_live(void *arg) /* half of what is left, each page checked when its last object goes */
{
    field *f = (field *)arg;
    for (size_t n = (f->live_count + 1) / 2; n; n--) {
        object o = f->live[--f->live_count];
        unsigned char in[64];
        char *first = (char *)((uintptr_t)o.p & ~(uintptr_t)(page_bytes - 1));
        CHECK(test_filled(o.p, o.size, zslab_size_class_of(f->z, o.size)));
        CHECK_IS(zslab_free(f->z, o.p), ZSLAB_OK);
        on_pages(f, &o, (uint32_t)-1);
        MUST(mincore(first, (size_t)(o.p + o.size - first), in) == 0);
        CHECK((in[0] & 1) == (f->live_on[(size_t)(first - f->base) / page_bytes] != 0));
    }
}

static void closing_keeps_exactly_the_live_pages(size_t bytes)
{
    zslab *z = test_open(mode, NULL);
    field f = {z, zslab_epoch_open(z, "field"), NULL, 0, 0, NULL, NULL, NULL};
    test_worker w[2];
    f.base = zs__chunk_base(z, 0);
    f.pages = 2 * bytes / page_bytes;
    f.live = (object *)malloc(bytes / 8 * sizeof *f.live);
    f.live_on = (uint32_t *)calloc(f.pages, sizeof *f.live_on);
    f.seen = (unsigned char *)calloc(f.pages, 1);
    MUST(f.live && f.live_on && f.seen);
    for (int i = 0; i < 2; i++) {
        test_worker_start(&w[i]);
        test_worker_do(&w[i], allocate_field, &f);
    }
    CHECK_IS(zslab_epoch_close(z, f.e), ZSLAB_OK);
    CHECK(pages_wrong(&f) == 0);
    size_t gone = 0, stay = 0;
    for (size_t i = 0; i < f.pages; i++) (f.live_on[i] ? &stay : &gone)[0] += f.seen[i];
    if (verbose) printf("%-10s close with %zu live: %zu pages stay, %zu gone\n", mode->name, f.live_count, stay, gone);
    CHECK(page_bytes > 4096 ? gone && stay : gone > 100 && stay > 100);
    for (size_t i = 0; i < f.live_count; i++)
        CHECK(test_filled(f.live[i].p, f.live[i].size, zslab_size_class_of(z, f.live[i].size)));
    for (int turn = 0; f.live_count; turn++) { /* frees by the third, by an owner, by the other owner */
        CHECK(zslab_epoch_state_of(z, f.e) == ZSLAB_EPOCH_CLOSING);
        if (turn % 3)
            test_worker_do(&w[turn % 3 - 1], free_live, &f);
        else
            free_live(&f);
        CHECK(pages_wrong(&f) == 0);
    }
    CHECK(zslab_epoch_state_of(z, f.e) == ZSLAB_EPOCH_CLOSED);
    for (int i = 0; i < 2; i++) test_worker_end(&w[i]);
    test_destroy(z);
    free(f.live), free(f.live_on), free(f.seen);
}

/* ---- the other policy ---- */

static void the_latency_policy_keeps_pages_until_trim(size_t bytes)
{
    zslab_config c;
    test_worker w[2];
    half h[2];
    memset(&c, 0, sizeof c);
    c.cache_bytes = ZSLAB_CACHE_NONE;
    c.flags = mode->flags;
    zslab *z = test_create(&c);
    for (int i = 0; i < 2; i++) test_worker_start(&w[i]);
    size_t began = resident();
    zslab_epoch e = fill(z, h, w, bytes, 0, 33, 1, 0);
    size_t peak = resident();
    CHECK_IS(zslab_epoch_release(z, e), ZSLAB_OK);
    if (!TEST_SANITIZED) CHECK(resident() > began + bytes - bytes / 16);
    for (int i = 0; i < 2; i++) test_worker_end(&w[i]);
    CHECK(zslab_trim(z) >= bytes - bytes / 16);
    judge("latency: release, threads gone, trim", "in turn", began, peak, resident(), bytes, 50);
    test_destroy(z);
}

/* A free that is still purging keeps a drained epoch's place, and in shared mode its end, which a trim finds. */
static void ended_by_trim(const test_mode *m)
{
    zslab *z = test_open(m, NULL);
    zslab_epoch e = zslab_epoch_open(z, NULL);
    zs__place *place = &z->places[e & ZS__PLACE_MASK];
    void *p = zslab_malloc_epoch(z, 500, e);
    MUST(p);
    CHECK_IS(zslab_free(z, p), ZSLAB_OK);
    zs__purge_begin(place);
    CHECK_IS(zslab_epoch_close(z, e), ZSLAB_OK);
    CHECK(place->state == (test_owned(m) ? ZSLAB_EPOCH_CLOSED : ZSLAB_EPOCH_CLOSING));
    zs__purge_end(place);
    zslab_trim(z);
    CHECK(place->state == ZSLAB_EPOCH_CLOSED && !z->closing_head);
    test_destroy(z);
}

/* ---- what a first object touches ---- */
static size_t metadata_pages(const zs__allocator *z)
{
    size_t n = z->reserved_meta_bytes / page_bytes, in_core = 0;
    unsigned char *in = (unsigned char *)malloc(n);
    MUST(in && mincore(z->reserved_meta, z->reserved_meta_bytes, in) == 0);
    for (size_t i = 0; i < n; i++) in_core += in[i] & 1;
    free(in);
    return in_core;
}

static void makes_one(void *z) { CHECK(zslab_malloc((zslab *)z, 64) != NULL); }

/* A thread's first: the heap's page, the row's and its states', 16 KiB with its own. The process's first also the two
   records of its chunk and the one of the thread's number. */
static void a_first_object_touches_few_pages(const test_mode *m)
{
    zs__allocator *z = zs__own(test_open(m, NULL));
    size_t row = (z->magazine_offset + page_bytes - 1) / page_bytes, created = metadata_pages(z), one;
    test_worker w;
    CHECK(created <= (sizeof *z > 16384 ? 3 : 2) + 2);
    makes_one(z);
    one = metadata_pages(z);
    CHECK(one <= created + 4 + row + ZSLAB_TAGS);
    test_worker_start(&w);
    test_worker_do(&w, makes_one, z);
    CHECK(metadata_pages(z) <= one + 2 + row + ZSLAB_TAGS);
    test_worker_end(&w);
    test_destroy(z);
}

int main(int argc, char **argv)
{
    size_t bytes = (argc > 1 ? (size_t)atol(argv[1]) : TEST_SANITIZED ? 4 : 64) << 20;
    verbose = argc > 2;
    page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    MUST(zslab_rss_bytes() > 0);
    TEST_EACH_MODE(each)
    {
        ended_by_trim(each);
        if (page_bytes == 4096 && test_owned(each)) a_first_object_touches_few_pages(each);
        if (each->reclaim != ZSLAB_RECLAIM_RSS) continue;
        mode = each;
        for (size_t s = 0; s < 2 * sizeof stories / sizeof *stories; s++) tell(&stories[s / 2], bytes, 0, 33, s % 2, 0);
        for (size_t c = 0; c < 33; c += TEST_BRIEF ? 11 : 1) {
            size_t some = c < 4 ? bytes : bytes / 4; /* small objects need the most metadata */
            tell(&stories[0], some, c, 1, 0, 0);
            tell(&stories[2], some, c, 1, 0, 0);
            tell(&stories[5], some, c, 1, 0, 0);
        }
        for (size_t s = 0; s < sizeof stories / sizeof *stories; s++) {
            for (size_t c = 0; c < 7; c += TEST_BRIEF ? 3 : 1) tell(&stories[s], bytes / 4, c, 1, 0, 1);
            tell(&stories[s], bytes, 0, 33, 1, 1);
        }
        large_ones_late(bytes);
        huge_always = !TEST_SANITIZED;
        for (size_t s = 0; huge_always && s < sizeof stories / sizeof *stories; s++) {
            tell(&stories[s], bytes, 1, 1, 0, 0);
            tell(&stories[s], bytes, 4, 1, 0, 1);
        }
        huge_always = 0;
        closing_keeps_exactly_the_live_pages(bytes < (32u << 20) ? 32u << 20 : bytes / 2);
        the_latency_policy_keeps_pages_until_trim(bytes);
    }
    return test_summary("test_reclaim");
}
