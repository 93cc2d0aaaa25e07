/* One call of every noun, in the language C and C++ share. The build tests compile it every way there is;
   0 means that the calls also did what they should. */
#ifndef BUILD_NOUNS_H
#define BUILD_NOUNS_H

static int nouns_count(void *user, const zslab_visit *object)
{
    (void)object;
    ++*(int *)user;
    return 0;
}

static int nouns_objects(zslab *z)
{
    void *many[8], *p = zslab_calloc(z, 3, 7);
    void *aligned = zslab_aligned_alloc(z, 64, 64);
    int seen = 0;
    if (!p || !aligned || (uintptr_t)aligned % 64 || ((char *)p)[20]) return 1;
    p = zslab_realloc(z, p, 500);
    if (!p || zslab_usable_size(z, p) < 500 || !zslab_owns(z, p)) return 2;
    if (zslab_size_class_bytes(z, zslab_size_class_of(z, 500)) != zslab_usable_size(z, p)) return 3;
    if (zslab_malloc_batch(z, 40, 8, many) != 8 || zslab_free_batch(z, many, 8) != 8) return 4;
    if (zslab_check(z, nouns_count, &seen) != ZSLAB_OK || seen != 2) return 5;
    if (zslab_free(z, aligned) != ZSLAB_OK || zslab_free(z, aligned) != ZSLAB_E_DOUBLE_FREE) return 6;
    if (zslab_free_sized(z, p, 500) != ZSLAB_OK || zslab_malloc(z, 0) != NULL) return 7;
    if (zslab_last_error() != ZSLAB_E_INVALID || !zslab_result_name(ZSLAB_E_INVALID)[0]) return 8;
    return zslab_reserve(z, 64, 100) == ZSLAB_OK ? 0 : 9;
}

static int nouns_heap(zslab *z)
{
    zslab_heap *h = zslab_heap_create(z);
    void *p = h ? zslab_heap_malloc(h, 100) : NULL;
    if (!p || zslab_heap_free(h, p) != ZSLAB_OK) return 20;
    zslab_heap_destroy(h);
    zslab_thread_detach(z);
    (void)zslab_trim(z);
    (void)zslab_rss_bytes();
    return 0;
}

static int nouns_handle(zslab *z)
{
    void *p;
    zslab_handle h = zslab_handle_alloc(z, 100, zslab_epoch_current(z), &p);
    if (!h || zslab_handle_get(z, h) != p || zslab_handle_of(z, p) != h) return 30;
    if (zslab_handle_pack(zslab_handle_unpack(h)) != h || zslab_handle_free(z, h) != ZSLAB_OK) return 31;
    return zslab_handle_get(z, h) == NULL && zslab_handle_free(z, h) == ZSLAB_E_STALE ? 0 : 32;
}

/* config: NULL, or what a build without an operating system needs */
static int use_every_noun(const zslab_config *config)
{
    zslab *z = zslab_create(config);
    int wrong = z ? nouns_objects(z) : 100;
    if (!wrong) wrong = nouns_heap(z);
    if (!wrong) wrong = nouns_handle(z);
    if (z) zslab_destroy(z);
    return wrong;
}

#endif
