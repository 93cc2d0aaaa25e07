/* Who:   somebody whose service gives every request an epoch, closed when the answer is out. Most drain; some never do,
          and their pages stay.
   Wants: the line of code that keeps them. One object in 4 KiB is sampled with the line that made it (or a stack of
          backtrace(), for google-pprof to show); the profile tells which of them live, and in which epoch.
   Watch: the line that puts the answer of one request in ten into a cache, named for each epoch that lingers.
   Build: cc -O2 -I.. lingering_epoch.c */
#include <stdio.h>
#include <string.h>
#define ZSLAB_STATIC 1
#define ZSLAB_IMPLEMENTATION
#include "zslab.h"

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
#define MADE_HERE (made_at = __FILE__ ":" TEXT(__LINE__))
static const char *made_at; /* of the thread that allocates: there is one */

static size_t capture(void *user, void **pcs, size_t max)
{
    (void)user;
    if (!max || !made_at) return 0;
    pcs[0] = (void *)(uintptr_t)made_at;
    return 1;
}

enum { REQUESTS = 100, CACHE = REQUESTS, LINES = 8 };
static void *cache[CACHE];

static void serve(zslab *z, int number)
{
    zslab_epoch e = zslab_epoch_open(z, "request");
    void *parts[200], *answer;
    int i;
    for (i = 0; i < 200; i++) {
        MADE_HERE;
        parts[i] = zslab_malloc_epoch(z, 500, e);
    }
    MADE_HERE;
    answer = zslab_malloc_epoch(z, 6000, e);
    if (answer) memset(answer, number, 6000);
    zslab_free_batch(z, parts, 200);
    if (number % 10 == 3)
        cache[number] = answer; /* the epoch lives as long as the cache wants */
    else
        zslab_free(z, answer);
    zslab_epoch_close(z, e);
}

/* ---- the profile, as it is written: lines of one epoch, summed by who made the objects ---- */

typedef struct search {
    zslab_epoch epoch;
    int here; /* the comment line before says that the next one is of that epoch */
    char line[2048];
    size_t length;
    const char *site[LINES];
    unsigned long long bytes[LINES];
} search;

static void a_line(search *s)
{
    unsigned long long epoch, bytes, at = 0;
    int i;
    if (sscanf(s->line, "# epoch %llu", &epoch) == 1) {
        s->here = epoch == s->epoch;
    } else if (s->here && sscanf(s->line, "%*u: %llu [%*u: %*u] @ %llx", &bytes, &at) == 2) {
        const char *site = (const char *)(uintptr_t)at;
        for (i = 0; i + 1 < LINES && s->site[i] && s->site[i] != site; i++)
            ;
        s->site[i] = site;
        s->bytes[i] += bytes;
    }
}

static int take(void *user, const char *text, size_t bytes)
{
    search *s = (search *)user;
    for (; bytes; bytes--, text++) {
        if (*text != '\n' && s->length + 1 < sizeof s->line) {
            s->line[s->length++] = *text;
            continue;
        }
        s->line[s->length] = 0;
        a_line(s);
        s->length = 0;
    }
    return 0;
}

int main(void)
{
    zslab_config c = {0};
    zslab_epoch e;
    zslab *z;
    int number, lingering = 0, i;
    c.sample_bytes = 4096;
    c.capture = capture;
    z = zslab_create(&c);
    if (!z) return 1;
    for (number = 0; number < REQUESTS; number++) serve(z, number);
    for (e = zslab_epoch_next(z, zslab_epoch_current(z)); e; e = zslab_epoch_next(z, e)) {
        search s;
        if (zslab_epoch_state_of(z, e) != ZSLAB_EPOCH_CLOSING) continue;
        memset(&s, 0, sizeof s);
        s.epoch = e;
        zslab_profile(z, take, &s);
        lingering++;
        for (i = 0; i < LINES && s.site[i]; i++)
            printf("epoch %llu lingers: about %llu bytes made at %s\n", (unsigned long long)(e >> 16), s.bytes[i],
                   s.site[i]);
    }
    printf("%d of %d requests linger\n", lingering, REQUESTS);
    zslab_destroy(z);
    return lingering != REQUESTS / 10;
}
