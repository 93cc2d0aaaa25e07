/* Who:   a small HTTP-like server: each request parses headers, looks things up, builds an answer.
   Wants: no free() in any handler, whatever way it returns, and no request's memory in the next one's.
   Watch: each request is a domain of its own. The handlers only allocate; leaving the block drops everything,
          also after an error. Memory stands still however many requests come.
   Build: cc -O2 -I.. request_server.c */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#define ZSLAB_STATIC 1
#define ZSLAB_IMPLEMENTATION
#include "zslab.h"

enum { REQUESTS = 200000 };

typedef struct header {
    struct header *next;
    char *name, *value;
} header;

typedef struct request {
    zslab *z;
    header *headers;
    char *path, *answer;
} request;

/* Plain allocations: they go to the domain this thread is in, and nobody gives them back. */
static char *copy(zslab *z, const char *from, size_t n)
{
    char *s = (char *)zslab_malloc(z, n + 1);
    if (!s) return NULL;
    memcpy(s, from, n);
    s[n] = 0;
    return s;
}

static int parse(request *r, const char *text)
{
    const char *end = strchr(text, '\n');
    if (!end || strncmp(text, "GET ", 4) != 0) return 0; /* what was made so far goes with the domain */
    if (!(r->path = copy(r->z, text + 4, (size_t)(end - text) - 4))) return 0;
    for (text = end + 1; *text; text = end + 1) {
        const char *colon = strchr(text, ':');
        end = strchr(text, '\n');
        header *h = (header *)zslab_malloc(r->z, sizeof *h);
        if (!end || !colon || colon > end || !h) return 0;
        h->name = copy(r->z, text, (size_t)(colon - text));
        h->value = copy(r->z, colon + 1, (size_t)(end - colon) - 1);
        h->next = r->headers;
        r->headers = h;
        if (!h->name || !h->value) return 0;
    }
    return 1;
}

static int answer(request *r)
{
    size_t size = 64, used = 0;
    char *body = (char *)zslab_malloc(r->z, size);
    for (header *h = r->headers; h && body; h = h->next) {
        size_t need = strlen(h->name) + strlen(h->value) + 3;
        while (body && used + need >= size) body = (char *)zslab_realloc(r->z, body, size *= 2);
        if (body) used += (size_t)snprintf(body + used, size - used, "%s=%s;", h->name, h->value);
    }
    r->answer = body;
    return body != NULL;
}

/* Bytes answered; 0: refused. */
static size_t serve(zslab *z, const char *text)
{
    zslab_domain *d = zslab_domain_create(z);
    size_t bytes = 0;
    if (!d) return 0;
    {
        ZSLAB_DOMAIN_SCOPE(d); /* left at every way out of the block: the domain's objects go at once */
        request r = {z, NULL, NULL, NULL};
        if (parse(&r, text) && answer(&r)) bytes = strlen(r.answer) + strlen(r.path);
    }
    zslab_domain_destroy(d);
    return bytes;
}

static int count_live(void *user, const zslab_visit *object)
{
    (void)object;
    ++*(size_t *)user;
    return 0;
}

int main(void)
{
    zslab *z = zslab_create(NULL);
    size_t good = 0, bad = 0, bytes = 0, live = 0;
    uint64_t early = 0;
    char text[512];
    if (!z) return 1;
    for (int i = 0; i < REQUESTS; i++) {
        int n = snprintf(text, sizeof text, "GET /item/%d\nhost: shop\naccept: %0*d\nuser: %d\n", i, 1 + i % 200, 7,
                         i % 999);
        if (i % 10 == 9) text[n - 5] = 0; /* cut off in the middle */
        size_t answered = serve(z, text);
        bytes += answered;
        if (answered)
            good++;
        else
            bad++;
        if (i == REQUESTS / 100) early = zslab_rss_bytes();
    }
    uint64_t late = zslab_rss_bytes();
    zslab_result sound = zslab_check(z, count_live, &live);
    printf("%zu requests answered with %zu bytes, %zu refused half-way, %zu objects left\n", good, bytes, bad, live);
    printf("resident after 1 %% of them: %llu KiB, at the end: %llu KiB\n", (unsigned long long)early / 1024,
           (unsigned long long)late / 1024);
    zslab_destroy(z);
    return live || sound != ZSLAB_OK || good != REQUESTS - REQUESTS / 10 || late > early + (1 << 20);
}
