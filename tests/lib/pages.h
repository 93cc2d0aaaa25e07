/* A kernel with pages of PAGES bytes, acted over one with smaller ones: gcc -include tests/lib/pages.h -DPAGES=65536.
   Calls on memory that is not aligned to a page fail as they would there, lengths are rounded up to whole pages, and
   fresh mappings are aligned to one page and never to two. */
#ifndef PAGES_H
#define PAGES_H
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGES_FN static __attribute__((unused))

PAGES_FN size_t pages_round(size_t bytes) { return (bytes + PAGES - 1) & ~(size_t)(PAGES - 1); }

PAGES_FN int pages_misaligned(const void *p)
{
    if (((size_t)p & (PAGES - 1)) == 0) return 0;
    errno = EINVAL;
    return 1;
}

PAGES_FN long pages_sysconf(int name) { return name == _SC_PAGESIZE ? PAGES : sysconf(name); }

PAGES_FN void *pages_mmap(void *wish, size_t bytes, int protection, int flags, int fd, off_t at)
{
    const int anonymous = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    size_t length = pages_round(bytes);
    char *p, *fit;
    if (wish) return mmap(wish, bytes, protection, flags, fd, at);
    p = (char *)mmap(NULL, length + 3 * PAGES, fd < 0 ? protection : PROT_NONE, fd < 0 ? flags : anonymous, -1, 0);
    if ((void *)p == MAP_FAILED) return p;
    fit = (char *)pages_round((size_t)p);
    if (((size_t)fit & PAGES) == 0) fit += PAGES;
    if (fit > p) munmap(p, (size_t)(fit - p));
    if (fit + length < p + length + 3 * PAGES) munmap(fit + length, (size_t)(p + 3 * PAGES - fit));
    return fd < 0 ? fit : mmap(fit, bytes, protection, flags | MAP_FIXED, fd, at);
}

PAGES_FN int pages_munmap(void *p, size_t bytes) { return pages_misaligned(p) ? -1 : munmap(p, pages_round(bytes)); }

PAGES_FN int pages_mprotect(void *p, size_t bytes, int protection)
{
    return pages_misaligned(p) ? -1 : mprotect(p, pages_round(bytes), protection);
}

PAGES_FN int pages_madvise(void *p, size_t bytes, int advice)
{
    return pages_misaligned(p) ? -1 : madvise(p, pages_round(bytes), advice);
}

/* A large page is resident when one of the small ones in it is. */
PAGES_FN int pages_mincore(void *p, size_t bytes, unsigned char *map)
{
    size_t small = (size_t)sysconf(_SC_PAGESIZE), in = PAGES / small, n = pages_round(bytes) / PAGES, i;
    unsigned char *all = (unsigned char *)malloc(n * in);
    int failed = pages_misaligned(p) || !all || mincore(p, n * PAGES, all);
    for (i = 0; !failed && i < n; i++) map[i] = memchr(all + i * in, 1, in) != NULL;
    free(all);
    return failed ? -1 : 0;
}

/* The resident size is told in pages. */
PAGES_FN int pages_open(const char *path, int flags, ...)
{
    unsigned long total = 0, rss = 0, in = PAGES / (unsigned long)sysconf(_SC_PAGESIZE);
    int fd, told, mode = 0;
    char text[128];
    va_list list;
    ssize_t n;
    va_start(list, flags);
    if (flags & O_CREAT) mode = va_arg(list, int);
    va_end(list);
    fd = open(path, flags, mode);
    if (fd < 0 || strcmp(path, "/proc/self/statm")) return fd;
    n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = 0;
    told = memfd_create("statm", MFD_CLOEXEC);
    if (told < 0 || sscanf(text, "%lu %lu", &total, &rss) != 2) return -1;
    dprintf(told, "%lu %lu 0 0 0 0 0\n", total / in, (rss + in - 1) / in);
    lseek(told, 0, SEEK_SET);
    return told;
}

#define sysconf pages_sysconf
#define mmap pages_mmap
#define munmap pages_munmap
#define mprotect pages_mprotect
#define madvise pages_madvise
#define mincore pages_mincore
#define open pages_open
#endif
