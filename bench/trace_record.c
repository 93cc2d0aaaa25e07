/* build: -shared -fPIC */
/* Records every allocation call of a program (glibc):
     ZSLAB_TRACE=/tmp/run.%p LD_PRELOAD=build/bench/trace_record.so program ...
   writes one file a process, %p being its number; a process that execs another starts again in that one's file, one
   that ends by _exit loses the last records of its threads. Each thread fills a buffer of its own; the only thing they
   share on the way is a counter, which gives the calls an order across threads. trace.h says what is written. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "bench/trace.h"

#define EXPORT __attribute__((visibility("default")))

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *p);

enum { BUFFER = 1 << 16, RECORD_MAX = 48 };

typedef struct buffer {
    struct buffer *next; /* all of them, pushed once, never taken off */
    int in_use;          /* by a thread; exchanged */
    uint32_t thread;
    trace_block head;
    uint64_t number, address; /* of the last record */
    unsigned char *at, bytes[BUFFER];
} buffer;

static buffer *buffers;
static uint64_t numbers;
static uint32_t threads;
static int file = -1;
static int state;                                             /* 0: not looked yet, 1: recording, 2: not */
static pthread_mutex_t file_lock = PTHREAD_MUTEX_INITIALIZER; /* guards file, and one block's writes */
static pthread_key_t thread_end;
static __thread buffer *mine __attribute__((tls_model("initial-exec")));
static __thread int busy __attribute__((tls_model("initial-exec"))); /* our own calls are not recorded */

static void open_file(void)
{
    const char *name = getenv("ZSLAB_TRACE"), *mark = name ? strstr(name, "%p") : NULL;
    char path[4096];
    if (!name) return;
    if (mark)
        snprintf(path, sizeof path, "%.*s%ld%s", (int)(mark - name), name, (long)getpid(), mark + 2);
    else
        snprintf(path, sizeof path, "%s", name);
    file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (file >= 0 && write(file, TRACE_MAGIC, 8) != 8) close(file), file = -1;
}

static void write_all(const void *p, size_t n)
{
    const char *at = p;
    while (file >= 0 && n) {
        ssize_t done = write(file, at, n);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) {
            close(file);
            file = -1;
            return;
        }
        at += done, n -= (size_t)done;
    }
}

static void flush(buffer *b)
{
    int was = errno;
    b->head.thread = b->thread;
    b->head.bytes = (uint32_t)(b->at - b->bytes);
    pthread_mutex_lock(&file_lock);
    if (b->head.bytes) {
        write_all(&b->head, sizeof b->head);
        write_all(b->bytes, b->head.bytes);
    }
    pthread_mutex_unlock(&file_lock);
    b->head.number = b->number;
    b->head.address = b->address;
    b->at = b->bytes;
    errno = was;
}

/* A thread's end: its buffer is for the next one. Calls in later destructors take a buffer again. */
static void leave(void *p)
{
    buffer *b = p;
    busy++;
    flush(b);
    mine = NULL;
    /* release: the buffer's words; pairs with the exchange in buffer_of_thread. */
    __atomic_store_n(&b->in_use, 0, __ATOMIC_RELEASE);
    busy--;
}

static void after_fork(void) /* the child has what the parent had written down too: it starts with nothing */
{
    for (buffer *b = buffers; b; b = b->next) {
        b->at = b->bytes;
        b->head.number = b->number, b->head.address = b->address;
        if (b != mine) b->in_use = 0;
    }
    pthread_mutex_init(&file_lock, NULL);
    if (file >= 0) close(file);
    file = -1;
    open_file();
}

static int recording(void)
{
    /* relaxed: decided once by the first call of the process, before it has threads. */
    int s = __atomic_load_n(&state, __ATOMIC_RELAXED);
    if (s) return s == 1;
    busy++;
    open_file();
    if (file >= 0 && (pthread_key_create(&thread_end, leave) || pthread_atfork(NULL, NULL, after_fork))) file = -1;
    __atomic_store_n(&state, file >= 0 ? 1 : 2, __ATOMIC_RELAXED); /* relaxed: as above */
    busy--;
    return file >= 0;
}

static buffer *buffer_of_thread(void)
{
    buffer *b;
    if (mine) return mine;
    /* acquire: the list's links; pairs with the compare-exchange below. */
    for (b = __atomic_load_n(&buffers, __ATOMIC_ACQUIRE); b; b = b->next) {
        /* acquire: what its last thread left; pairs with the release in leave. */
        if (!__atomic_exchange_n(&b->in_use, 1, __ATOMIC_ACQUIRE)) break;
    }
    if (!b) {
        b = mmap(NULL, sizeof *b, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (b == MAP_FAILED) return NULL;
        b->in_use = 1;
        b->at = b->bytes;
        b->next = __atomic_load_n(&buffers, __ATOMIC_RELAXED); /* relaxed: the exchange below checks it */
        /* release: the new buffer's words; pairs with the acquire above. */
        while (!__atomic_compare_exchange_n(&buffers, &b->next, b, 0, __ATOMIC_RELEASE, __ATOMIC_RELAXED)) continue;
    }
    b->thread = __atomic_add_fetch(&threads, 1, __ATOMIC_RELAXED); /* relaxed: only a name */
    mine = b;
    busy++;
    pthread_setspecific(thread_end, b);
    busy--;
    return b;
}

/* acq_rel: numbers follow the order in which an address passes from hand to hand; pairs with itself. */
static uint64_t next_number(void) { return __atomic_fetch_add(&numbers, 1, __ATOMIC_ACQ_REL); }

static unsigned char *put_address(buffer *b, unsigned char *at, const void *p)
{
    uint64_t units = (uint64_t)(uintptr_t)p / 8;
    at = trace_put(at, trace_zigzag((int64_t)(units - b->address)));
    b->address = units;
    return at;
}

/* One record: sizes first (n of them), then addresses. */
static void note(enum trace_call call, uint64_t number, const size_t *sizes, int n, const void *old, const void *p)
{
    buffer *b = buffer_of_thread();
    if (!b) return;
    if (b->at + RECORD_MAX > b->bytes + BUFFER) flush(b);
    unsigned char *at = b->at;
    *at++ = (unsigned char)call;
    at = trace_put(at, number - b->number);
    b->number = number;
    for (int i = 0; i < n; i++) at = trace_put(at, sizes[i]);
    if (call == TRACE_REALLOC) at = put_address(b, at, old);
    b->at = put_address(b, at, p);
}

static int wanted(void) { return !busy && recording(); }

static void *noted(enum trace_call call, void *p, size_t bytes, size_t alignment)
{
    size_t sizes[2] = {bytes, alignment};
    if (p && wanted()) note(call, next_number(), sizes, call == TRACE_ALIGNED ? 2 : 1, NULL, p);
    return p;
}

EXPORT void *malloc(size_t size) { return noted(TRACE_MALLOC, __libc_malloc(size), size, 0); }

EXPORT void *calloc(size_t count, size_t size)
{
    return noted(TRACE_CALLOC, __libc_calloc(count, size), count * size, 0);
}

EXPORT void free(void *p)
{
    if (p && wanted()) note(TRACE_FREE, next_number(), NULL, 0, NULL, p);
    __libc_free(p);
}

EXPORT void *realloc(void *old, size_t size)
{
    if (!old) return malloc(size);
    if (!size) return free(old), NULL;
    if (!wanted()) return __libc_realloc(old, size);
    void *p = __libc_realloc(old, size);
    if (p) note(TRACE_REALLOC, next_number(), &size, 1, old, p);
    return p;
}

EXPORT void *memalign(size_t alignment, size_t size)
{
    return noted(TRACE_ALIGNED, __libc_memalign(alignment, size), size, alignment);
}

EXPORT void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

EXPORT int posix_memalign(void **out, size_t alignment, size_t size)
{
    if (alignment % sizeof(void *) || (alignment & (alignment - 1)) || !alignment) return EINVAL;
    int was = errno;
    void *p = memalign(alignment, size);
    errno = was;
    if (!p) return ENOMEM;
    *out = p;
    return 0;
}

__attribute__((destructor)) static void the_end(void)
{
    busy++;
    /* acquire: pairs with the compare-exchange in buffer_of_thread; threads still at work are not waited for. */
    for (buffer *b = __atomic_load_n(&buffers, __ATOMIC_ACQUIRE); b; b = b->next) flush(b);
    busy--;
}
