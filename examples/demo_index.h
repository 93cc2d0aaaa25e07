/* The demo's work: an index of text, built by two threads. Included once per allocator, after
       IX(name)           a prefix for every name here
       IX_MALLOC(z, n), IX_FREE(z, p), IX_TRIM(z)
       IX_TIMED           1: each allocate and free goes into the thread's histogram
   The reader cuts files into tokens and sends them in batches; the indexer files them under their terms and
   frees them. The other way round, the indexer writes a summary of each file, and the reader frees it. When
   all is read, the reader frees the index that the indexer built. Every object is at most 1 KiB. */

typedef struct IX(token) {
    struct IX(token) * next;
    uint32_t line;
    uint16_t length;
    char text[]; /* not terminated */
} IX(token);

typedef struct IX(batch) { /* from the reader, freed by the indexer */
    struct IX(batch) * next;
    IX(token) * first;
    uint32_t file;
    int ends_file, ends_all;
} IX(batch);

typedef struct IX(lines) { /* where a term stands in a file; replaced by a larger one as it fills */
    struct IX(lines) * older;
    uint32_t used, room;
    uint32_t line[];
} IX(lines);

typedef struct IX(posting) {
    struct IX(posting) * older;
    IX(lines) * lines;
    uint32_t file, count;
} IX(posting);

typedef struct IX(term) {
    struct IX(term) * next;
    IX(posting) * newest;
    uint32_t count;
    uint16_t length;
    char text[];
} IX(term);

typedef struct IX(summary) { /* from the indexer, freed by the reader */
    struct IX(summary) * next;
    uint32_t file, tokens, new_terms;
    uint16_t longest_length;
    char longest[];
} IX(summary);

typedef struct IX(seen) { /* the reader's scratch: the distinct words of one file */
    struct IX(seen) * next;
    uint16_t length;
    char text[];
} IX(seen);

typedef struct IX(state) {
    void *z;
    pthread_mutex_t lock; /* guards queue, queue_end, queued, summaries */
    pthread_cond_t moved;
    IX(batch) * queue, **queue_end;
    int queued;
    IX(summary) * summaries;
    IX(term) * terms[IX_BUCKETS]; /* the indexer's until it is joined, then the reader's */
    IX(seen) * seen[IX_SEEN];     /* the reader's */
    ix_totals totals;
    ix_times reader_times, indexer_times;
} IX(state);

static void *IX(make)(IX(state) * s, ix_times *t, size_t bytes)
{
#if IX_TIMED
    uint64_t begin = ix_ticks();
    void *p = IX_MALLOC(s->z, bytes);
    ix_record(&t->allocate, ix_ticks() - begin);
#else
    void *p = IX_MALLOC(s->z, bytes);
    (void)t;
#endif
    if (!p) ix_die("out of memory");
    return p;
}

static void IX(drop)(IX(state) * s, ix_times *t, void *p)
{
#if IX_TIMED
    uint64_t begin = ix_ticks();
    IX_FREE(s->z, p);
    ix_record(&t->release, ix_ticks() - begin);
#else
    IX_FREE(s->z, p);
    (void)t;
#endif
}

/* ---- the indexer ---- */

static IX(term) * IX(term_of)(IX(state) * s, const IX(token) * k)
{
    IX(term) **at = &s->terms[ix_hash(k->text, k->length) % IX_BUCKETS];
    for (IX(term) *m = *at; m; m = m->next) {
        if (m->length == k->length && !memcmp(m->text, k->text, k->length)) return m;
    }
    IX(term) *m = IX(make)(s, &s->indexer_times, sizeof *m + k->length);
    m->next = *at;
    m->newest = NULL;
    m->count = 0;
    m->length = k->length;
    memcpy(m->text, k->text, k->length);
    s->totals.terms++;
    return *at = m;
}

static IX(lines) * IX(lines_with_room)(IX(state) * s, IX(lines) * old)
{
    uint32_t room = !old ? 2 : old->room < IX_LINES_MAX ? old->room * 2 : IX_LINES_MAX;
    IX(lines) *n = IX(make)(s, &s->indexer_times, sizeof *n + room * sizeof n->line[0]);
    n->room = room;
    n->used = 0;
    n->older = old;
    if (old && old->room < room) { /* grown: the old block's lines move, the block goes */
        memcpy(n->line, old->line, old->used * sizeof n->line[0]);
        n->used = old->used;
        n->older = old->older;
        IX(drop)(s, &s->indexer_times, old);
    }
    return n;
}

static void IX(file_token)(IX(state) * s, const IX(token) * k, uint32_t file)
{
    IX(term) *m = IX(term_of)(s, k);
    IX(posting) *p = m->newest;
    m->count++;
    if (!p || p->file != file) {
        p = IX(make)(s, &s->indexer_times, sizeof *p);
        p->older = m->newest;
        p->lines = NULL;
        p->file = file;
        p->count = 0;
        m->newest = p;
        s->totals.postings++;
    }
    if (!p->lines || p->lines->used == p->lines->room) p->lines = IX(lines_with_room)(s, p->lines);
    p->lines->line[p->lines->used++] = k->line;
    p->count++;
    s->totals.tokens++;
}

static IX(batch) * IX(receive)(IX(state) * s)
{
    pthread_mutex_lock(&s->lock);
    while (!s->queue) pthread_cond_wait(&s->moved, &s->lock);
    IX(batch) *b = s->queue;
    s->queue = b->next;
    if (!s->queue) s->queue_end = &s->queue;
    if (s->queued-- == IX_QUEUE) pthread_cond_broadcast(&s->moved);
    pthread_mutex_unlock(&s->lock);
    return b;
}

static void IX(summarise)(IX(state) * s, uint32_t file, uint32_t tokens, uint32_t terms, const char *longest, size_t n)
{
    IX(summary) *y = IX(make)(s, &s->indexer_times, sizeof *y + n);
    y->file = file;
    y->tokens = tokens;
    y->new_terms = terms;
    y->longest_length = (uint16_t)n;
    memcpy(y->longest, longest, n);
    pthread_mutex_lock(&s->lock);
    y->next = s->summaries;
    s->summaries = y;
    pthread_mutex_unlock(&s->lock);
}

static void *IX(indexer)(void *state)
{
    IX(state) *s = state;
    uint64_t tokens = 0, terms = 0;
    char longest[IX_WORD_MAX];
    size_t longest_length = 0;
    for (int end = 0; !end;) {
        IX(batch) *b = IX(receive)(s);
        for (IX(token) *k = b->first, *next; k; k = next) {
            next = k->next;
            IX(file_token)(s, k, b->file);
            if (k->length > longest_length) memcpy(longest, k->text, longest_length = k->length);
            IX(drop)(s, &s->indexer_times, k);
        }
        if (b->ends_file) {
            IX(summarise)
            (s, b->file, (uint32_t)(s->totals.tokens - tokens), (uint32_t)(s->totals.terms - terms), longest,
             longest_length);
            tokens = s->totals.tokens;
            terms = s->totals.terms;
            longest_length = 0;
        }
        end = b->ends_all;
        IX(drop)(s, &s->indexer_times, b);
    }
    return NULL;
}

/* ---- the reader ---- */

static void IX(send)(IX(state) * s, IX(token) * first, uint32_t file, int ends_file, int ends_all)
{
    IX(batch) *b = IX(make)(s, &s->reader_times, sizeof *b);
    *b = (IX(batch)){NULL, first, file, ends_file, ends_all};
    pthread_mutex_lock(&s->lock);
    while (s->queued == IX_QUEUE) pthread_cond_wait(&s->moved, &s->lock);
    *s->queue_end = b;
    s->queue_end = &b->next;
    if (s->queued++ == 0) pthread_cond_broadcast(&s->moved);
    pthread_mutex_unlock(&s->lock);
}

static void IX(note_seen)(IX(state) * s, const char *word, size_t length)
{
    IX(seen) **at = &s->seen[ix_hash(word, length) % IX_SEEN];
    for (IX(seen) *w = *at; w; w = w->next) {
        if (w->length == length && !memcmp(w->text, word, length)) return;
    }
    IX(seen) *w = IX(make)(s, &s->reader_times, sizeof *w + length);
    w->next = *at;
    w->length = (uint16_t)length;
    memcpy(w->text, word, length);
    *at = w;
    s->totals.distinct_in_files++;
}

static void IX(forget_seen)(IX(state) * s)
{
    for (size_t i = 0; i < IX_SEEN; i++) {
        for (IX(seen) *w = s->seen[i], *next; w; w = next) {
            next = w->next;
            IX(drop)(s, &s->reader_times, w);
        }
        s->seen[i] = NULL;
    }
}

static void IX(read_summaries)(IX(state) * s)
{
    pthread_mutex_lock(&s->lock);
    IX(summary) *y = s->summaries;
    s->summaries = NULL;
    pthread_mutex_unlock(&s->lock);
    for (IX(summary) * next; y; y = next) {
        next = y->next;
        /* a sum, so that the order of arrival does not matter */
        s->totals.summary_hash +=
            ix_hash(y->longest, y->longest_length) * (y->file + 1u) + (uint64_t)y->tokens * 31 + y->new_terms;
        IX(drop)(s, &s->reader_times, y);
    }
}

static void IX(read_text)(IX(state) * s, const char *text, size_t bytes, uint32_t file)
{
    IX(token) *first = NULL, **end = &first;
    uint32_t line = 1;
    int in_batch = 0;
    for (size_t i = 0; i < bytes;) {
        size_t from = i;
        while (i < bytes && ix_is_word(text[i]) && i - from < IX_WORD_MAX) i++;
        if (i == from) {
            line += text[i++] == '\n';
            continue;
        }
        IX(note_seen)(s, text + from, i - from);
        IX(token) *k = IX(make)(s, &s->reader_times, sizeof *k + (i - from));
        k->next = NULL;
        k->line = line;
        k->length = (uint16_t)(i - from);
        memcpy(k->text, text + from, i - from);
        *end = k;
        end = &k->next;
        if (++in_batch == IX_BATCH) {
            IX(send)(s, first, file, 0, 0);
            first = NULL, end = &first, in_batch = 0;
        }
    }
    IX(send)(s, first, file, 1, 0);
    IX(forget_seen)(s);
    IX(read_summaries)(s);
}

/* ---- the result ---- */

static uint64_t IX(hash_term)(const IX(term) * m)
{
    uint64_t h = ix_hash(m->text, m->length) + m->count;
    for (const IX(posting) *p = m->newest; p; p = p->older) {
        h = h * 1099511628211u + (uint64_t)p->file * 2654435761u + p->count;
        for (const IX(lines) *l = p->lines; l; l = l->older) {
            for (uint32_t i = 0; i < l->used; i++) h = h * 1099511628211u + l->line[i];
        }
    }
    return h;
}

static void IX(answer)(IX(state) * s)
{
    for (size_t i = 0; i < IX_BUCKETS; i++) {
        for (const IX(term) *m = s->terms[i]; m; m = m->next) {
            s->totals.index_hash += IX(hash_term)(m);
            ix_keep_top(&s->totals, m->text, m->length, m->count);
        }
    }
}

static void IX(free_index)(IX(state) * s)
{
    for (size_t i = 0; i < IX_BUCKETS; i++) {
        for (IX(term) *m = s->terms[i], *after; m; m = after) {
            after = m->next;
            for (IX(posting) *p = m->newest, *older; p; p = older) {
                older = p->older;
                for (IX(lines) *l = p->lines, *before; l; l = before) {
                    before = l->older;
                    IX(drop)(s, &s->reader_times, l);
                }
                IX(drop)(s, &s->reader_times, p);
            }
            IX(drop)(s, &s->reader_times, m);
        }
        s->terms[i] = NULL;
    }
}

static void IX(run)(void *z, ix_result *out)
{
    static IX(state) s; /* a process runs one of these, once */
    pthread_t indexer;
    s.z = z;
    pthread_mutex_init(&s.lock, NULL);
    pthread_cond_init(&s.moved, NULL);
    s.queue_end = &s.queue;
    double begin = ix_seconds();
    ix_mark(out, IX_BUILDING);
    if (pthread_create(&indexer, NULL, IX(indexer), &s)) ix_die("pthread_create");
    for (uint32_t f = 0; f < ix_corpus.count; f++) {
        size_t bytes = ix_read_file(ix_corpus.path[f]);
        IX(read_text)(&s, ix_text, bytes, f);
    }
    IX(send)(&s, NULL, 0, 0, 1);
    pthread_join(indexer, NULL);
    IX(read_summaries)(&s);
    ix_mark(out, IX_BUILT);
    IX(answer)(&s);
    IX(free_index)(&s);
    out->seconds = ix_seconds() - begin;
    ix_mark(out, IX_FREED);
    ix_pause();
    begin = ix_seconds();
    IX_TRIM(z);
    out->trim_seconds = ix_seconds() - begin;
    ix_mark(out, IX_TRIMMED);
    ix_pause();
    out->totals = s.totals;
    ix_merge(&s.reader_times, &s.indexer_times, out);
}

#undef IX
#undef IX_MALLOC
#undef IX_FREE
#undef IX_TRIM
#undef IX_TIMED
