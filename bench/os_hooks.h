/* The operating system behind zslab_config.os, counted: what the allocator asks for, as seen from outside. */
#ifndef OS_HOOKS_H
#define OS_HOOKS_H

#include <stdint.h>
#include <sys/mman.h>

/* Written by whichever thread makes the call; relaxed throughout: totals, read for reports. */
static struct {
    uint64_t committed_bytes, purged_bytes, calls;
} os_asked;

static inline void os_note(uint64_t *total, uint64_t n)
{
    __atomic_fetch_add(total, n, __ATOMIC_RELAXED);
    __atomic_fetch_add(&os_asked.calls, 1, __ATOMIC_RELAXED);
}

static void *os_reserve(void *user, size_t bytes, size_t alignment)
{
    (void)user;
    os_note(&os_asked.committed_bytes, 0);
    char *p = (char *)mmap(NULL, bytes + alignment, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == (char *)MAP_FAILED) return NULL;
    size_t skip = (alignment - (uintptr_t)p % alignment) % alignment;
    if (skip) munmap(p, skip);
    munmap(p + skip + bytes, alignment - skip);
    return p + skip;
}

static int os_commit(void *user, void *p, size_t bytes)
{
    (void)user;
    os_note(&os_asked.committed_bytes, bytes);
    return mprotect(p, bytes, PROT_READ | PROT_WRITE);
}

static int os_purge(void *user, void *p, size_t bytes)
{
    (void)user;
    os_note(&os_asked.purged_bytes, bytes);
    return madvise(p, bytes, MADV_DONTNEED);
}

static void os_release(void *user, void *p, size_t bytes)
{
    (void)user;
    munmap(p, bytes);
}

static inline void os_hook(zslab_config *config)
{
    config->os.reserve = os_reserve;
    config->os.commit = os_commit;
    config->os.purge = os_purge;
    config->os.release = os_release;
}

#endif
