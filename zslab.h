/* zslab.h -- a lifetime-aware slab allocator in one header.
   SPDX-License-Identifier: MIT OR Unlicense

   1. WHAT IT IS
     - Frees are checked, always: a foreign pointer, a pointer inside an object, an object freed
       before are answers (a result code and a count), and the allocator is unchanged.
     - Objects are grouped by size (class) and by lifetime (epoch). An epoch's objects go together,
       in one call whose time does not depend on how many there are, and their memory returns to
       the system when you say so.
     - Fast paths are a handful of instructions on memory that one thread owns. No background
       threads, no atexit, no signal handlers, no environment variables, no printing.

   2. USE IT IN TWO MINUTES
   QUICKSTART in C (one file defines ZSLAB_IMPLEMENTATION before the include; link with -pthread)

       #define ZSLAB_IMPLEMENTATION
       #include "zslab.h"

       int main(void)
       {
           zslab *z = zslab_create(NULL); // all defaults
           zslab_epoch frame = z ? zslab_epoch_open(z, "frame") : ZSLAB_EPOCH_NONE;
           int *n = frame ? (int *)zslab_malloc_epoch(z, sizeof *n, frame) : NULL;
           int stale;
           if (!n) // zslab_last_error() says why; zslab_config_error() which field, if one was refused
               return 1;
           *n = 42;
           zslab_epoch_release(z, frame); // every object of the epoch, gone at once
           stale = zslab_free(z, n) == ZSLAB_E_STALE; // a wrong free is an answer
           zslab_destroy(z);
           return !stale;
       }

   QUICKSTART in C++ (C++11 and later)

       #define ZSLAB_IMPLEMENTATION
       #include "zslab.h"
       #include <vector>

       int main()
       {
           zslab *z = zslab_create(nullptr);
           if (!z)
               return 1;
           {
               zslab::epoch_scope request(z, "request"); // its objects go at the end of the block
               std::vector<int, zslab::allocator<int>> ids(3, 7, zslab::allocator<int>(z, request.epoch()));
               int *one = zslab::make_epoch<int>(z, request.epoch(), 1);
               if (!one || ids[2] + *one != 8)
                   return 1;
           }
           zslab_destroy(z);
           return 0;
       }

   3. WHICH NOUN DO I WANT?
     allocator   one address range with its size classes, epochs and heaps. One per program is usual; a second one
                 for a plugin that must go away whole, or for a caller's buffer (zslab_config.memory).
     epoch       objects that end together: a frame, a request, a generation of a cache. Open one beside the current
                 one (zslab_epoch_open), or advance the current one. Not for a single object: freeing it is cheaper.
                 An epoch may lie within another (zslab_epoch_open_with) and end with it; zslab_epoch_on_end calls
                 what has to be closed with its objects: files, sockets, counts.
     domain      a scope over an epoch: while a thread is inside, its plain zslab_malloc goes to that epoch, and the
                 last thread out applies the policy. For code that calls zslab_malloc and knows nothing of epochs,
                 and for work that several threads share. Not needed where you pass the epoch yourself.
     group       a tenant: a limit, a guarantee and figures over its epochs. Tenants of one allocator share what is
                 empty; an allocator for each does not.
     heap        the private memory of one user. Threads have theirs without asking; make one (zslab_heap_create)
                 for a fiber or a job that moves between threads.
     handle      64 bits that name an object and know when it is stale, for ever. For references that others keep.
                 Not for an object that one owner holds: a pointer is a load cheaper.
     pool        equal slots with one owner thread; remotes give slots back from other threads through a queue. For
                 messages and orders of one type. Objects of an epoch from several threads need no pool.

   4. THREE RECIPES
     A frame. Objects live until the end of the next frame; two epochs take turns.

       static zslab_epoch frames[2];

       static void frame(zslab *z, unsigned number)
       {
           zslab_epoch now = frames[number & 1];
           float *path;
           if (zslab_epoch_reset(z, now) != ZSLAB_OK) // what frame number - 2 made is gone, in one step
               return;                                // ZSLAB_E_CLOSED: the epoch was closed elsewhere
           path = (float *)zslab_malloc_epoch(z, 64 * sizeof *path, now);
           if (!path)                                 // zslab_last_error() says why: draw this frame without it
               return;
           path[0] = 1.0f;
       }

     A request. Library code below calls zslab_malloc and need not know whose memory it is.

       static int serve(zslab *z)
       {
           int status = 503;
           zslab_domain *request = zslab_domain_create(z);
           if (!request)                 // ZSLAB_E_BUSY: as many requests as zslab_config.epoch_count are open
               return status;
           if (zslab_domain_enter(request) == ZSLAB_OK) {
               char *body = (char *)zslab_malloc(z, 4000);
               if (body) {
                   body[0] = 0;
                   status = 200;
               }
               zslab_domain_exit(request); // the last one out: every object of the request is gone
           }
           zslab_domain_destroy(request);
           return status;
       }

     A gateway. One thread makes orders, another ends them; nothing may take a microsecond.

       typedef struct order { uint64_t id, price; } order;

       static int before_the_market_opens(zslab *z)
       {
           return zslab_reserve(z, sizeof(order), 100000) == ZSLAB_OK; // commits and touches, on the making thread
       }

       static zslab_handle make(zslab *z, uint64_t id)
       {
           void *p;
           zslab_handle h = zslab_handle_alloc(z, sizeof(order), zslab_epoch_current(z), &p);
           if (h)                        // 0: refused, and nothing has changed
               ((order *)p)->id = id;
           return h;
       }

       static int end(zslab *z, zslab_handle h) // any thread; the second one to end it is told ZSLAB_E_STALE
       {
           return zslab_handle_free(z, h) == ZSLAB_OK;
       }

   5. CONFIGURATION: every field of zslab_config. 0 in a field means its default, NULL for all of it too.
     reserve_bytes    address range, not memory: how much the allocator can ever hold. Raise it for more than 64 GiB;
                      lower it where address space is counted (RLIMIT_AS, 32 bits)
     memory, memory_bytes  a buffer of yours instead of the system's memory: consoles, kernels, shared tests.
                      zslab_buffer_bytes_min says how small it may be. Four classes and two epochs: 33 KiB where
                      ZSLAB_CHUNK_SHIFT is 12, 62 KiB where it is 14, 176 KiB at its default of 16
     class_bytes, class_count  your own sizes: zslab_suggest_classes computes the table that wastes least
     epoch_count      epochs open or draining at once; as many as requests in flight, and some
     reclaim          _LATENCY keeps pages for the next use, _RSS gives them back inside close, release and reset
     limit_bytes      a ceiling over object memory and metadata in use, what the process pays; beyond it allocations
                      are ZSLAB_E_LIMIT. zslab_set_limits changes it while the program runs
     soft_limit_bytes, on_pressure  told when more than these come to count: drop a cache before it is too late
     thread_count, handle_count  with a buffer of yours: what its metadata shall suffice for
     on_dry           told of the first refusal for want of memory: the moment to look at what holds it
     cache_bytes      empty memory that frees and zslab_trim keep resident, so that a burst does not pay again
     flags            SHARED: one lock-free heap for all threads, for fibers and signal handlers. HARDENED: racing
                      frees decided, objects zeroed, order shuffled. PREFAULT, LOCK_PAGES: no page fault later.
                      HUGE_PAGES, NUMA_LOCAL: asked for; what was refused is missing in zslab_flags_in_effect
     fallback         where objects go that are too large for the allocator
     os               your own reserve, commit, purge, release: a console's memory, a test that refuses
     on_misuse        told of every wrong call: log it, or stop the program there
     on_leak          told of what still lives at a close and at destroy
     sample_every     remember sizes for zslab_suggest_classes
     sample_bytes, capture  remember who made one object in so many bytes, for zslab_profile
     large_bytes_max  the largest object of an epoch; ZSLAB_LARGE_NONE: the largest class is

   6. ERRORS. A call that failed has changed nothing. Where it gives a pointer or an id: NULL or 0, and the reason is in
   zslab_last_error().
     E_INVALID      an argument is wrong: size 0, an alignment that is no power of two, malformed handle, a
                    configuration (zslab_config_error says which field). Mend the call
     E_NOMEM        the system or the range has no more. Release an epoch, zslab_trim, a larger reserve_bytes
     E_LIMIT        limit_bytes or a group's limit is reached, or a number has run out (threads, handles). As above, or
                    raise it
     E_CLOSED       the epoch was closed, released or never opened. Open another; do not retry
     E_BUSY         every epoch place is open or draining: later, or a larger epoch_count; a thread is inside the
                    domain; in a signal handler, the interrupted call is in the way; sealed, another thread keeps a lock
     E_TOO_BIG      larger than the allocator serves, and no fallback
     E_STALE        the object went with its epoch, or the handle's object was freed. Drop the reference
     E_DOUBLE_FREE  the slot holds no live object: it was freed before. A bug of the program: on_misuse finds it
     E_MISALIGNED   a pointer into an object. A bug of the program
     E_FOREIGN      a pointer from elsewhere. A bug of the program, or a wrong allocator
     E_FULL         a pool or its queue is full. The owner drains at its next call
     E_CORRUPT      something overwrote the allocator's own memory. Debug builds assert; others retire the slab

   7. THREADS, SIGNALS, FORKS, HOOKS
     call                                            from
     zslab_create, zslab_destroy                     one thread; nobody uses the allocator meanwhile
     zslab_malloc ... zslab_free_batch, _reserve     any thread
     zslab_epoch_*, zslab_domain_*, zslab_trim       any thread
     zslab_heap_*                                    one thread at a time for each heap
     zslab_handle_*                                  any thread; two frees of one handle: one wins
     zslab_pool_alloc, _free, _drain                 the pool's owner, one thread at a time
     zslab_remote_*                                  any thread
     zslab_stats_*, zslab_check, zslab_owns          any thread; zslab_check wants a quiet allocator
     from a signal handler                           with ZSLAB_FLAG_SHARED or ZSLAB_NO_TLS only, see that flag
     after a fork                                    the child goes on with its allocators; the first call
                                                     there comes from the thread that forked. Not with a pool
                                                     that other threads' remotes, or a domain of shared mode
                                                     that other threads were using

     Hooks (on_misuse, on_leak, on_pressure, on_dry, fallback, endings, ZSLAB_ON_*) run under no lock, on the thread of
     the call that caused them; >>api-debug has the table of what each may call. Those of config.os may run under a lock
     and call nothing here.

     Plugins: destroy every allocator before dlclose: threads that used it then exit without harm. dlclose without
     zslab_destroy leaves a thread-exit hook that points into unloaded code. An allocator made in a file with
     ZSLAB_STATIC serves that file alone: another one's zslab_malloc is NULL, ZSLAB_E_FOREIGN.

   8. PLATFORMS
     Tested by `make matrix`: Linux x86-64 with gcc 12, clang 14 and 19, glibc and musl; 32-bit x86 and ARM, AArch64,
     s390x (big-endian), RISC-V by qemu-user; Windows by mingw-w64 and Wine; WebAssembly by Node.js. Not run: macOS,
     BSD, and MSVC itself.
     membarrier      Linux 4.14 and Windows have the asymmetric fence that closes rest on. Where it is refused each
                     allocation takes a slow path with a fence of its own: right, and slower
     thread-local    40 bytes, initial-exec: a library that dlopen loads gets them from the 1.6 KiB that glibc keeps for
     storage         all such. Where it says "cannot allocate memory in static TLS block", set ZSLAB_TLS_MODEL to
                     "global-dynamic", 5 ns a call. Without thread-local storage: ZSLAB_NO_TLS, shared mode
     WebAssembly     without memory growth zslab_create(NULL) takes half of what the memory has left, 6 of 16 MiB;
                     -sALLOW_MEMORY_GROWTH=1 gives it 64 MiB and metadata
     huge pages      metadata asks for small pages, objects for 2 MiB ones only with the flag
     stack           at most 2 KiB in any call: fibers of 16 KiB work

   9. LIMITS AND COSTS
     Objects up to the largest class (8192 bytes by default, a chunk at most) are slots of slabs; larger ones,
     up to zslab_config.large_bytes_max, spans of chunks whose pages count as they are used; still larger
     ones go to zslab_config.fallback. At most 2^24 chunks, 255 classes, 65,536 epochs open or draining at
     once, 65,533 threads with a heap of their own at once (one more is ZSLAB_E_LIMIT).
     2^22 slabs that serve handles; a slot is retired after 2^24 handles, at most a sixteenth sooner.
     Bytes of metadata: a chunk 112, a slot 1.5 at most, an epoch place 256, a domain 48, a handle's slot 4 and its
     slab 32; a heap (a thread that allocates) 1,720, 192 a class and 8 an epoch, 512 of them at once: 8.9 KiB;
     a row (a heap that uses an epoch) 3.6 KiB, and its magazines 16 for each slot of a chunk, at most 1,023 slots a
     class: 160 KiB of addresses, resident as they fill; zslab_trim, and an allocation before it is ZSLAB_E_LIMIT,
     give those of rows without an object back. A sleeping thread keeps at most a chunk of each class it used, two
     where it allocates plainly and in epochs that it names: thread_held_bytes.

  10. SWITCHES (define before the include; the layout ones must agree in every file, or the
  program does not link). Empty means 1, or the default where it is a number; a word other than 0 and 1 is an
  #error.
     ZSLAB_IMPLEMENTATION          this file holds the code (0: it does not)
     ZSLAB_STATIC           0      everything static: one file, private to it, fastest
     ZSLAB_INLINE           0      inline fast paths in this file; the slow ones stay in the one
                                   implementation (layout)
     ZSLAB_CHUNK_SHIFT      16     chunk size, 12 to 20 (layout)
     ZSLAB_EPOCH_COUNT      128    default for zslab_config.epoch_count
     ZSLAB_ENABLE_RSS_RECLAMATION  1: ZSLAB_RECLAIM_DEFAULT means _RSS
     ZSLAB_HARDENED         0      1: every allocator has ZSLAB_FLAG_HARDENED
     ZSLAB_VALGRIND         0      1: tell memcheck which slots hold objects; wants valgrind/memcheck.h
                                   (layout). AddressSanitizer and MemorySanitizer are told without a switch
     ZSLAB_STATS            1      0 none, 1 slow-path counters, 2 also totals (layout)
     ZSLAB_TAGS             0      1: a 16-bit tag for every object, see zslab_set_tag (layout)
     ZSLAB_ON_ALLOC(z, p, size), ZSLAB_ON_FREE(z, p), ZSLAB_ON_EPOCH(z, epoch, event)
                                   statements of yours, see >>api-debug (layout: some or none)
     ZSLAB_PROBES           0      1: probes for tracers by <sys/sdt.h>, see >>api-debug (layout)
     ZSLAB_NO_TLS           0      no thread-local storage: shared mode only (layout); 1 with gcc for
                                   Windows, which only emulates it (clang and MSVC have it)
     ZSLAB_NO_OS            0      no operating system: caller's buffers only, no libc; the
                                   compiler may still emit memset and memcpy
     ZSLAB_TLS_MODEL               initial-exec; global-dynamic for plugins that need it
     ZSLAB_SHORT_NAMES      0      also declare the older style's names
     ZSLAB_CPP              1      in C++: what zslab::unique_handle and its like stand for; 0 leaves it out
     ZSLAB_CPP_PMR          0      1: zslab_memory_resource for std::pmr containers, by <memory_resource> (C++17)
     ZSLAB_ASSERT(x)               assert from <assert.h> unless NDEBUG
     ZSLAB_API                     linkage of public functions

   WORDS
     class      a size that objects come in; a request gets the smallest that fits
     slot       the place of one object; slab: up to 64 slots of one class; chunk: 64 KiB of slabs, of one heap, one
                epoch and one class at a time; span: neighbouring chunks that hold one large object
     magazine   free slots that a thread takes from and gives to without any check but its own
     live       handed out and not freed. stale: went with its epoch. retired: never used again
     drain      a closing epoch drains until its last object is freed; then it is CLOSED
     purge      give pages back to the system; their addresses stay
     park       a heap waits for its next thread; detach parks it at once
     place      an entry of the epoch table, used by one epoch after another; round: its generation, a reset begins
                the next one; stamp: a chunk's copy of it. row: what a heap has in one epoch; gate: open while that
                row may hand out objects. home: free, and known as such to its owner

   THE MAP (grep -n -e '-- >>' zslab.h)
     >>front >>config >>types >>api-allocator >>api-alloc >>api-epoch >>api-group >>api-domain
     >>api-handle >>api-heap >>api-pool >>api-stats >>api-debug >>api-short >>api-typed
     >>atomics >>bits >>layout >>memcheck >>hooks >>fast >>platform >>lock >>guard >>count >>class >>budget
     >>arena >>span >>slab >>bind >>handle >>epoch >>place >>row >>purge >>sweep >>remote >>take >>heap >>large
     >>large-take >>alloc >>shared >>visit >>ending >>profile >>group >>domain >>pool >>pool-create >>tally
     >>stats >>advice >>text >>json >>prometheus >>pprof >>free >>public >>public-handle >>reserve >>public-epoch
     >>public-heap >>config-check >>plan >>create >>fork >>check >>licence    */

/* ---- >>front ---------------------------------------------------------------
   The text above. From here to >>atomics stands all that a user reads.            */
#if defined(__cplusplus) ? __cplusplus < 201103L && !defined(_MSC_VER)                                                 \
                         : !defined(_MSC_VER) && (!defined(__STDC_VERSION__) || __STDC_VERSION__ < 199901L)
#error "zslab.h needs C11 or C++11: -std=c11, -std=c++11 or later"
#define ZS__TOO_OLD
#else                                 /* to the end of the file */

/* ---- >>config --------------------------------------------------------------
   Every switch with its default and its allowed values. Defined empty, a switch means 1 and a number its default.
   ZS__EMPTY(x): x is empty; ZS__SWITCH(x): x is the word 0 or 1.                       */
#define ZS__EMPTY(x) (1 - x - 1 == 2) /* NOLINT(bugprone-macro-parentheses): x may be no token at all */
#define ZS__SWITCH(x) ZS__SWITCH_(x)
#define ZS__SWITCH_(x) ZS__SWITCH_##x
#define ZS__SWITCH_0 1
#define ZS__SWITCH_1 1

#ifdef ZSLAB_IMPLEMENTATION /* looked at whenever the file is included */
#if ZS__EMPTY(ZSLAB_IMPLEMENTATION)
#undef ZSLAB_IMPLEMENTATION
#define ZSLAB_IMPLEMENTATION 1
#elif !ZS__SWITCH(ZSLAB_IMPLEMENTATION)
#error "ZSLAB_IMPLEMENTATION is 0 or 1; empty means 1"
#elif !ZSLAB_IMPLEMENTATION
#undef ZSLAB_IMPLEMENTATION
#endif
#endif

#ifndef ZSLAB_H
#define ZSLAB_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#define ZSLAB_VERSION_MAJOR 0
#define ZSLAB_VERSION_MINOR 1
#define ZSLAB_VERSION_PATCH 0
#define ZSLAB_VERSION (ZSLAB_VERSION_MAJOR * 10000 + ZSLAB_VERSION_MINOR * 100 + ZSLAB_VERSION_PATCH)
#define ZSLAB_STATS_VERSION 1

#ifndef ZSLAB_STATIC
#define ZSLAB_STATIC 0
#elif ZS__EMPTY(ZSLAB_STATIC)
#undef ZSLAB_STATIC
#define ZSLAB_STATIC 1
#elif !ZS__SWITCH(ZSLAB_STATIC)
#error "ZSLAB_STATIC is 0 or 1; empty means 1"
#endif
#ifndef ZSLAB_INLINE
#define ZSLAB_INLINE 0
#elif ZS__EMPTY(ZSLAB_INLINE)
#undef ZSLAB_INLINE
#define ZSLAB_INLINE 1
#elif !ZS__SWITCH(ZSLAB_INLINE)
#error "ZSLAB_INLINE is 0 or 1; empty means 1"
#endif
#ifndef ZSLAB_NO_OS
#define ZSLAB_NO_OS 0
#elif ZS__EMPTY(ZSLAB_NO_OS)
#undef ZSLAB_NO_OS
#define ZSLAB_NO_OS 1
#elif !ZS__SWITCH(ZSLAB_NO_OS)
#error "ZSLAB_NO_OS is 0 or 1; empty means 1"
#endif
#ifdef ZSLAB_NO_TLS
#if ZS__EMPTY(ZSLAB_NO_TLS)
#undef ZSLAB_NO_TLS
#define ZSLAB_NO_TLS 1
#elif !ZS__SWITCH(ZSLAB_NO_TLS)
#error "ZSLAB_NO_TLS is 0 or 1; empty means 1"
#endif
#elif defined(_WIN32) && defined(__GNUC__) && !defined(__clang__)
/* This compiler emulates thread-local storage and frees it before the thread-exit hook runs. */
#define ZSLAB_NO_TLS 1
#undef ZSLAB_INLINE
#define ZSLAB_INLINE 0
#else
#define ZSLAB_NO_TLS ZSLAB_NO_OS
#endif
#ifndef ZSLAB_SHORT_NAMES
#define ZSLAB_SHORT_NAMES 0
#elif ZS__EMPTY(ZSLAB_SHORT_NAMES)
#undef ZSLAB_SHORT_NAMES
#define ZSLAB_SHORT_NAMES 1
#elif !ZS__SWITCH(ZSLAB_SHORT_NAMES)
#error "ZSLAB_SHORT_NAMES is 0 or 1; empty means 1"
#endif
#ifndef ZSLAB_CPP
#if ZSLAB_NO_OS
#define ZSLAB_CPP 0
#else
#define ZSLAB_CPP 1
#endif
#elif ZS__EMPTY(ZSLAB_CPP)
#undef ZSLAB_CPP
#define ZSLAB_CPP 1
#elif !ZS__SWITCH(ZSLAB_CPP)
#error "ZSLAB_CPP is 0 or 1; empty means 1"
#endif
#ifndef ZSLAB_CPP_PMR
#define ZSLAB_CPP_PMR 0
#elif ZS__EMPTY(ZSLAB_CPP_PMR)
#undef ZSLAB_CPP_PMR
#define ZSLAB_CPP_PMR 1
#elif !ZS__SWITCH(ZSLAB_CPP_PMR)
#error "ZSLAB_CPP_PMR is 0 or 1; empty means 1"
#endif
#if !defined(ZSLAB_CHUNK_SHIFT) || ZS__EMPTY(ZSLAB_CHUNK_SHIFT)
#undef ZSLAB_CHUNK_SHIFT
#define ZSLAB_CHUNK_SHIFT 16
#endif
#if ZSLAB_CHUNK_SHIFT < 12 || ZSLAB_CHUNK_SHIFT > 20
#error "ZSLAB_CHUNK_SHIFT must be 12 to 20: chunks of 4 KiB to 1 MiB"
#endif
#if !defined(ZSLAB_EPOCH_COUNT) || ZS__EMPTY(ZSLAB_EPOCH_COUNT)
#undef ZSLAB_EPOCH_COUNT
#define ZSLAB_EPOCH_COUNT 128
#endif
#if ZSLAB_EPOCH_COUNT < 2 || ZSLAB_EPOCH_COUNT > 65536 || (ZSLAB_EPOCH_COUNT & (ZSLAB_EPOCH_COUNT - 1))
#error "ZSLAB_EPOCH_COUNT must be a power of two from 2 to 65536"
#endif
#ifndef ZSLAB_ENABLE_RSS_RECLAMATION
#define ZSLAB_ENABLE_RSS_RECLAMATION 0
#elif ZS__EMPTY(ZSLAB_ENABLE_RSS_RECLAMATION)
#undef ZSLAB_ENABLE_RSS_RECLAMATION
#define ZSLAB_ENABLE_RSS_RECLAMATION 1
#elif !ZS__SWITCH(ZSLAB_ENABLE_RSS_RECLAMATION)
#error "ZSLAB_ENABLE_RSS_RECLAMATION is 0 or 1; empty means 1"
#endif
#ifndef ZSLAB_HARDENED
#define ZSLAB_HARDENED 0
#elif ZS__EMPTY(ZSLAB_HARDENED)
#undef ZSLAB_HARDENED
#define ZSLAB_HARDENED 1
#elif !ZS__SWITCH(ZSLAB_HARDENED)
#error "ZSLAB_HARDENED is 0 or 1; empty means 1"
#endif
#ifndef ZSLAB_VALGRIND
#define ZSLAB_VALGRIND 0
#elif ZS__EMPTY(ZSLAB_VALGRIND)
#undef ZSLAB_VALGRIND
#define ZSLAB_VALGRIND 1
#elif !ZS__SWITCH(ZSLAB_VALGRIND)
#error "ZSLAB_VALGRIND is 0 or 1; empty means 1"
#endif
#if !defined(ZSLAB_STATS) || ZS__EMPTY(ZSLAB_STATS)
#undef ZSLAB_STATS
#define ZSLAB_STATS 1
#elif ZSLAB_STATS != 2 && !ZS__SWITCH(ZSLAB_STATS)
#error "ZSLAB_STATS must be 0 (none), 1 (slow paths) or 2 (also totals)"
#endif
#ifndef ZSLAB_TAGS
#define ZSLAB_TAGS 0
#elif ZS__EMPTY(ZSLAB_TAGS)
#undef ZSLAB_TAGS
#define ZSLAB_TAGS 1
#elif !ZS__SWITCH(ZSLAB_TAGS)
#error "ZSLAB_TAGS is 0 or 1; empty means 1"
#endif
#ifndef ZSLAB_PROBES
#define ZSLAB_PROBES 0
#elif ZS__EMPTY(ZSLAB_PROBES)
#undef ZSLAB_PROBES
#define ZSLAB_PROBES 1
#elif !ZS__SWITCH(ZSLAB_PROBES)
#error "ZSLAB_PROBES is 0 or 1; empty means 1"
#endif
#if ZSLAB_PROBES && defined(__has_include)
#if !__has_include(<sys/sdt.h>)
#error "ZSLAB_PROBES needs <sys/sdt.h>: Debian has it in systemtap-sdt-dev"
#endif
#endif
#if defined(ZSLAB_ON_ALLOC) || defined(ZSLAB_ON_FREE) || defined(ZSLAB_ON_EPOCH)
#define ZS__HOOKS 1
#else
#define ZS__HOOKS 0
#endif
#ifndef ZSLAB_ON_ALLOC
#define ZSLAB_ON_ALLOC(z, p, size) ((void)0)
#endif
#ifndef ZSLAB_ON_FREE
#define ZSLAB_ON_FREE(z, p) ((void)0)
#endif
#ifndef ZSLAB_ON_EPOCH
#define ZSLAB_ON_EPOCH(z, epoch, event) ((void)0)
#endif
/* A string; empty: the default. ZS__PROBE is followed by a parenthesis only when x is empty. */
#ifndef ZSLAB_TLS_MODEL
#define ZSLAB_TLS_MODEL
#endif
#define ZS__TLS_MODEL(x) ZS__SECOND(ZS__PROBE x(), x, 0)
#define ZS__PROBE() 0, "initial-exec"
#define ZS__SECOND(...) ZS__SECOND_(__VA_ARGS__)
#define ZS__SECOND_(a, b, ...) b
#ifndef ZSLAB_ASSERT
#if defined(NDEBUG) || ZSLAB_NO_OS
#define ZSLAB_ASSERT(x) ((void)0)
#else
#define ZS__ASSERT_INCLUDE 1 /* by the private half: who only includes the header keeps an assert of his own */
#define ZSLAB_ASSERT(x) assert(x)
#endif
#endif
#ifndef ZSLAB_API
#if ZSLAB_STATIC && defined(__GNUC__)
#define ZSLAB_API static __attribute__((__unused__))
#elif ZSLAB_STATIC
#define ZSLAB_API static
#elif defined(__cplusplus)
#define ZSLAB_API extern "C"
#else
#define ZSLAB_API extern
#endif
#endif

/* What a program's own flags say of the private halves, which are C in either language: casts as C has them, also to
   what the layout aligns and what a const pointer of the interface leads to. */
#if defined(__clang__) && defined(__cplusplus)
#define ZS__QUIET ZS__QUIET_CASTS ZS__QUIET_("-Wold-style-cast") ZS__QUIET_("-Wzero-as-null-pointer-constant")
#elif defined(__GNUC__) && defined(__cplusplus)
#define ZS__QUIET ZS__QUIET_CASTS ZS__QUIET_("-Wold-style-cast") ZS__QUIET_("-Wuseless-cast") ZS__QUIET_("-Winline")
#elif defined(__clang__)
#define ZS__QUIET ZS__QUIET_CASTS ZS__QUIET_("-Wbad-function-cast")
#elif defined(__GNUC__)
#define ZS__QUIET ZS__QUIET_CASTS ZS__QUIET_("-Wbad-function-cast") ZS__QUIET_("-Winline")
#endif
#if defined(__GNUC__) || defined(__clang__)
#define ZS__QUIET_CASTS _Pragma("GCC diagnostic push") ZS__QUIET_("-Wcast-align") ZS__QUIET_("-Wcast-qual")
#define ZS__QUIET_(flag) ZS__PRAGMA(GCC diagnostic ignored flag)
#define ZS__PRAGMA(x) _Pragma(#x)
#define ZS__QUIET_END _Pragma("GCC diagnostic pop")
#else
#define ZS__QUIET
#define ZS__QUIET_END
#endif

/* ---- >>types ---------------------------------------------------------------
   Results, ids, configurations and the structs a program may look into.           */
/* Casts and null pointers of macros and inline functions, quiet in either language. */
#ifdef __cplusplus
#define ZS__CAST(T, x) (static_cast<T>(x))
#define ZS__NULL nullptr
#else
#define ZS__CAST(T, x) ((T)(x))
#define ZS__NULL NULL
#endif
#if defined(__GNUC__) || defined(__clang__)
#define ZS__MAYBE_UNUSED __attribute__((__unused__))
#else
#define ZS__MAYBE_UNUSED
#endif

typedef struct zslab zslab;               /* an allocator: one address range, its classes, its epochs */
typedef struct zslab_heap zslab_heap;     /* private state of one user: a thread's, or an explicit one */
typedef struct zslab_domain zslab_domain; /* a scope over an epoch */
typedef struct zslab_group zslab_group;   /* a tenant: a budget over epochs of one allocator */
typedef uint64_t zslab_handle;            /* 64-bit name of an object; 0 is never a handle */
typedef uint64_t zslab_epoch;             /* ring place and 48-bit era; never reused */
#define ZSLAB_EPOCH_NONE UINT64_C(0)

/* What a call answers. 0 is success; the numbers never change. */
typedef enum zslab_result {
    ZSLAB_OK = 0,
    ZSLAB_E_INVALID = 1,         /* bad argument: size 0, bad alignment, bad configuration, malformed handle */
    ZSLAB_E_NOMEM = 2,           /* the system, or the range, has no memory left */
    ZSLAB_E_LIMIT = 3,           /* a configured limit was reached */
    ZSLAB_E_CLOSED = 4,          /* the epoch is closing, closed or unknown */
    ZSLAB_E_STALE = 5,           /* the object went with its epoch, or the handle's object was freed */
    ZSLAB_E_DOUBLE_FREE = 6,     /* the slot holds no live object */
    ZSLAB_E_MISALIGNED = 7,      /* a pointer inside an object */
    ZSLAB_E_FOREIGN = 8,         /* not from here */
    ZSLAB_E_FULL = 9,            /* a queue or a pool is full */
    ZSLAB_E_BUSY = 10,           /* in use; or no epoch place is free */
    ZSLAB_E_SPILLED = 11,        /* the object is on a zoned device at the moment */
    ZSLAB_E_TOO_BIG = 12,        /* larger than large_bytes_max, and no fallback serves it */
    ZSLAB_E_CORRUPT = 13,        /* the allocator's own state was damaged */
    ZSLAB_E_IO = 14,             /* the rest are answers of zslab_zns.h: the device failed a command */
    ZSLAB_E_READ_ONLY = 15,      /* store or zone can be read only */
    ZSLAB_E_OFFLINE = 16,        /* the zone is dead */
    ZSLAB_E_PERMISSION = 17,     /* the system refused access to the device */
    ZSLAB_E_GONE = 18,           /* the device was removed */
    ZSLAB_E_GEOMETRY = 19,       /* zones, blocks or format other than expected */
    ZSLAB_E_NO_ACTIVE_ZONE = 20, /* the device's limit of active zones held until the timeout */
    ZSLAB_E_NO_SPACE = 21        /* no empty zone left */
} zslab_result;

/* When empty pages go back to the system. */
typedef enum zslab_reclaim {
    ZSLAB_RECLAIM_DEFAULT = 0, /* the compile-time choice, ZSLAB_ENABLE_RSS_RECLAMATION */
    ZSLAB_RECLAIM_LATENCY = 1, /* keep them hot; zslab_trim gives them back */
    ZSLAB_RECLAIM_RSS = 2      /* inside zslab_epoch_close, _release and _reset */
} zslab_reclaim;

typedef enum zslab_epoch_state {
    ZSLAB_EPOCH_ACTIVE = 0,  /* takes new objects */
    ZSLAB_EPOCH_CLOSING = 1, /* takes none; the live ones stay valid */
    ZSLAB_EPOCH_CLOSED = 2   /* nothing of it is left */
} zslab_epoch_state;

/* A flag of an epoch: it may be released when memory is short, see zslab_discard_oldest; its objects are known by
   handles only. */
#define ZSLAB_EPOCH_DISCARDABLE 1u

/* How an epoch is opened; zero in a field means its default. */
typedef struct zslab_epoch_config {
    const char *label;  /* up to 31 bytes, copied: none */
    zslab_group *group; /* of the same allocator, for as long as it lives: its parent's, or none */
    zslab_epoch parent; /* an ACTIVE epoch, 64 deep at most: it ends after its children. A close of it closes
                           them, a release or a reset releases them: none */
    uint32_t flags;     /* ZSLAB_EPOCH_* */
} zslab_epoch_config;

/* Why an epoch ends, or is emptied. */
typedef enum zslab_end {
    ZSLAB_END_RELEASE = 0,   /* its objects are about to go; of zslab_epoch_release, or a domain */
    ZSLAB_END_RESET = 1,     /* the same; the epoch stays open */
    ZSLAB_END_DRAINED = 2,   /* it was closed and its objects are gone, one by one */
    ZSLAB_END_DISCARDED = 3, /* its objects are about to go; memory was short */
    ZSLAB_END_PARENT = 4,    /* the same; of a release, reset or discard of an epoch above it */
    ZSLAB_END_DESTROY = 5    /* the allocator is about to go */
} zslab_end;

/* What zslab_epoch_on_end calls. Under no lock, on the thread of the call that ended the epoch. */
typedef void zslab_end_fn(void *user, zslab *z, zslab_epoch e, zslab_end why);

/* What the last exit of a domain does with its epoch. */
typedef enum zslab_on_exit {
    ZSLAB_ON_EXIT_KEEP = 0,
    ZSLAB_ON_EXIT_RESET = 1,
    ZSLAB_ON_EXIT_CLOSE = 2,
    ZSLAB_ON_EXIT_RELEASE = 3
} zslab_on_exit;

/* zslab_config.flags */
/* SHARED: one heap for all threads: fibers, signal handlers; about 7 times slower. A handler may call what >>api-alloc
   and >>api-handle have but zslab_reserve, and zslab_epoch_current: frees always work, an allocation answers
   ZSLAB_E_BUSY when the call that was interrupted is in the way. */
#define ZSLAB_FLAG_SHARED 1u
#define ZSLAB_FLAG_HARDENED 2u    /* simultaneous frees decided, objects zeroed on free, slot order shuffled */
#define ZSLAB_FLAG_PREFAULT 4u    /* touch memory when it is committed; refused: create fails */
#define ZSLAB_FLAG_HUGE_PAGES 8u  /* ask for 2 MiB pages; refused: see zslab_flags_in_effect */
#define ZSLAB_FLAG_LOCK_PAGES 16u /* lock committed memory in RAM; refused: create fails; not with _RSS */
#define ZSLAB_FLAG_NUMA_LOCAL 32u /* prefer the node of the thread that touches first; refused: see above */

/* Where objects larger than large_bytes_max go, outside every epoch: from calls that name no epoch and are in no
   domain. alloc and free are set together or not at all; owns and usable_size may be NULL: without owns every pointer
   outside the range goes to fallback.free. Called without any lock held. */
typedef struct zslab_fallback {
    void *(*alloc)(void *user, size_t size, size_t alignment);
    void (*free)(void *user, void *p);
    size_t (*usable_size)(void *user, const void *p);
    int (*owns)(void *user, const void *p);
    void *user;
} zslab_fallback;

/* The operating system, replaced: all four or none. 0 = done. reserve returns address space aligned to
   `alignment` or NULL; commit makes it usable, reading zeros when fresh; purge drops contents, and the memory
   stays readable; release undoes reserve. */
typedef struct zslab_os {
    void *(*reserve)(void *user, size_t bytes, size_t alignment);
    int (*commit)(void *user, void *p, size_t bytes);
    int (*purge)(void *user, void *p, size_t bytes);
    void (*release)(void *user, void *p, size_t bytes);
    void *user;
} zslab_os;

/* Told of every misuse: what it was, the pointer or the handle. Called without any lock held. */
typedef void zslab_misuse_fn(void *user, zslab_result what, const void *p, zslab_handle h);

/* A live object, as zslab_epoch_visit, zslab_check and on_leak show it. */
typedef struct zslab_visit {
    const void *p;
    size_t usable_bytes, class_idx;
    zslab_epoch epoch;
    zslab_handle handle; /* 0: made without one */
    uint64_t age_epochs; /* epochs opened since its own */
    uint16_t tag;        /* zslab_set_tag's; 0: none, or ZSLAB_TAGS is 0 */
} zslab_visit;
typedef int zslab_visit_fn(void *user, const zslab_visit *object); /* non-zero stops the walk */

/* Told of every object that is still live when its epoch is closed (by zslab_epoch_close, _advance, a domain; they
   may yet be freed) and when the allocator is destroyed; never of those that a release or a reset drops. Called
   without any lock held. At a close others may go on meanwhile: an object was live when it was looked at. Free
   objects from here if you like, but make no other call that changes the allocator. Non-zero ends this report. */
typedef enum zslab_leak { ZSLAB_LEAK_AT_CLOSE = 0, ZSLAB_LEAK_AT_DESTROY = 1 } zslab_leak;
typedef int zslab_leak_fn(void *user, zslab_leak when, const zslab_visit *object);

/* What happened to an epoch, for ZSLAB_ON_EPOCH. */
typedef enum zslab_epoch_event {
    ZSLAB_EPOCH_EVENT_OPEN = 0,
    ZSLAB_EPOCH_EVENT_CLOSE = 1,   /* takes no objects any more; the first time only */
    ZSLAB_EPOCH_EVENT_RELEASE = 2, /* its objects are gone, all at once, without ZSLAB_ON_FREE */
    ZSLAB_EPOCH_EVENT_RESET = 3,   /* the same; it stays open */
    ZSLAB_EPOCH_EVENT_DRAINED = 4  /* closed, and found to be without objects */
} zslab_epoch_event;

/* Told once each time the bytes that count for a limit come to be more than a soft limit, on the thread whose call did
   it: z's (group NULL) or a group's, how many they were, the limit. And of the first allocation that a heap refuses for
   want of memory (what: ZSLAB_E_LIMIT or ZSLAB_E_NOMEM) since its last success; the call then returns what. Called
   without any lock held. */
typedef void zslab_pressure_fn(void *user, zslab *z, zslab_group *group, size_t committed_bytes, size_t limit_bytes);
typedef void zslab_dry_fn(void *user, zslab *z, size_t size, zslab_epoch epoch, zslab_result what);

/* The program counters of the calling stack, innermost first, at most `max`: such as backtrace() of <execinfo.h>. */
typedef size_t zslab_capture_fn(void *user, void **pcs, size_t max);

/* Takes a piece of text; non-zero: no more of it. */
typedef int zslab_write_fn(void *user, const char *text, size_t bytes);

#define ZSLAB_CACHE_NONE SIZE_MAX
#define ZSLAB_LARGE_NONE SIZE_MAX
#define ZSLAB_CLASS_LARGE 255 /* the class of objects larger than the largest class */
#define ZSLAB_CLASS_ANY 256   /* for zslab_epoch_visit: all of them */

/* An allocator's configuration; zero in a field means its default. */
typedef struct zslab_config {
    size_t reserve_bytes;        /* address range: 64 GiB on 64-bit, 256 MiB on 32-bit, 64 MiB on WebAssembly, halved
                                    until granted; 2 chunks to 2^24 chunks */
    void *memory;                /* use this buffer instead of the system; the buffer outlives the allocator */
    size_t memory_bytes;         /* its length; too small is ZSLAB_E_INVALID, see zslab_buffer_bytes_min */
    const uint32_t *class_bytes; /* size classes: ascending, multiples of 8 from 8 (of 16 above 16), at most a
                                    chunk and 65,536; default 33 classes, 8 to 8192 */
    size_t class_count;          /* 1 to 255; set together with class_bytes */
    uint32_t epoch_count;        /* epochs open or draining at once, a power of two, 2 to 65,536: 128 */
    zslab_reclaim reclaim;
    size_t limit_bytes; /* most bytes of committed_bytes and metadata_bytes (zslab_global_stats) together, at
                           least one chunk: no limit. See zslab_set_limits */
    size_t cache_bytes; /* empty memory kept resident by frees in active epochs (RSS policy) and by
                           trim: 1 MiB; ZSLAB_CACHE_NONE keeps none */
    uint32_t flags;     /* ZSLAB_FLAG_* */
    zslab_fallback fallback;
    zslab_os os; /* not together with memory */
    zslab_misuse_fn *on_misuse;
    void *misuse_user;
    zslab_leak_fn *on_leak; /* with it a close looks at every object of the epoch: O(chunks in use) */
    void *leak_user;
    uint32_t sample_every;   /* remember the size of one request in so many, picked at random, 1: of all, for
                                zslab_suggest_classes; allocations then all take a slow path, several times
                                slower: 0, none */
    size_t large_bytes_max;  /* objects larger than the largest class, up to so many bytes, belong to their epoch
                                like all others: half of the range; ZSLAB_LARGE_NONE: there are none */
    size_t soft_limit_bytes; /* on_pressure is told when more bytes than these count for limit_bytes: none */
    zslab_pressure_fn *on_pressure;
    void *pressure_user;
    zslab_dry_fn *on_dry;
    void *dry_user;
    size_t sample_bytes;       /* for zslab_profile: mean bytes of requests from one sampled object to the next; 1:
                                  every object. With 512 KiB an allocation then costs 10 to 20 instructions more,
                                  beside the samples (with FLAG_SHARED, FLAG_HARDENED or sample_every, and for
                                  handles, explicit heaps and large objects, several times as much): none */
    zslab_capture_fn *capture; /* with sample_bytes: the stack of who allocates. Without, the tag is the site */
    void *capture_user;
    uint32_t thread_count; /* with memory: room is kept for the metadata of so many threads, each in epoch_count
                              epochs, up to 65,533: of one thread in two */
    uint32_t handle_count; /* with memory: room is kept for the registry of so many handles, up to 2^28 (what
                              served a class stays with it): as they come, at the expense of chunks */
} zslab_config;

/* What a handle says, bit for bit, format 1: the same on every architecture. */
typedef struct zslab_handle_fields {
    uint32_t slab_id;    /* bits 63 to 42: which registry entry */
    uint32_t generation; /* bits 41 to 18: the slot's, only rising */
    uint32_t slot;       /* bits 17 to 10: 0 to 63 */
    uint32_t size_class; /* bits 9 to 2 */
    uint32_t version;    /* bits 1 to 0: 1 here, 2 in zslab_zns.h */
} zslab_handle_fields;
#define ZSLAB_HANDLE_VERSION 1

typedef struct zslab_pool zslab_pool;     /* slots of one size, one owner */
typedef struct zslab_remote zslab_remote; /* gives a pool's slots back from any thread; reference-counted */

/* How many slots wait in a pool's queue before the owner takes them home. Never more than the queue holds. */
typedef enum zslab_batch {
    ZSLAB_BATCH_FIXED = 0,   /* batch_count */
    ZSLAB_BATCH_ADAPTIVE = 1 /* 8, 16, 32, 64 or 128, from 64: down when a drain finds more than 75 % of the
                                queue filled, up below 25 %; after a step 16 drains pass without one */
} zslab_batch;

#define ZSLAB_POOL_NO_QUEUE SIZE_MAX

/* A pool's configuration; zero in a field means its default. */
typedef struct zslab_pool_config {
    size_t slot_bytes;       /* one slot; rounded up to 8, from 16 up to 16: 1024 */
    size_t slot_count;       /* slots, 1 to 2^32 - 2: 100,000 */
    void *memory;            /* use this buffer instead of the system, any alignment; the buffer outlives the
                                pool and its remotes */
    size_t memory_bytes;     /* its length; too small is ZSLAB_E_INVALID; zslab_pool_bytes suffices anywhere */
    size_t queue_capacity;   /* remote frees waiting, 1 to 2^24: 1024; ZSLAB_POOL_NO_QUEUE: none, every remote
                                free is refused */
    zslab_batch batch;       /* when the owner takes waiting slots home: ZSLAB_BATCH_FIXED */
    size_t batch_count;      /* with ZSLAB_BATCH_FIXED: slots waiting, from 1; ignored otherwise: 64 */
    zslab_fallback fallback; /* serves what the full pool cannot: none. Remotes call its free and owns too,
                                from their threads, until the last one is dropped */
    size_t grow_count;       /* not with memory: slots that have memory at create; so many more get it each time all
                                are in use, up to slot_count, whose addresses are kept from the start: all at once */
    zslab_os os;             /* not with memory; where the pool's comes from, until the last remote is dropped: the
                                system. purge is not called */
    const char *label;       /* up to 31 bytes, copied; statistics show it: none */
} zslab_pool_config;

/* A pool's figures. Each is right by itself; taken while the owner works they may differ by a call or two. */
typedef struct zslab_pool_stats {
    void *base;                 /* first slot */
    size_t capacity_bytes;      /* all slots together */
    size_t slot_bytes;          /* one slot, rounded: the usable size */
    size_t live;                /* slots handed out, without the queued ones */
    size_t high_water;          /* most slots out at once, queued ones included */
    size_t queued;              /* slots waiting to be taken home */
    size_t drain_threshold;     /* ZSLAB_BATCH_ADAPTIVE: queued slots that make the owner drain; 0: fixed */
    uint64_t allocs;            /* objects handed out: hits + fallbacks */
    uint64_t hits;              /* of these, slots */
    uint64_t fallbacks;         /* of these, from the fallback */
    uint64_t reuses;            /* of the hits, slots that had been used before */
    uint64_t drains;            /* times the owner took waiting slots home */
    uint64_t remote_full;       /* remote frees refused, or made to wait, for want of room */
    uint64_t corruption_events; /* damaged free slots (each is lost); queue entries naming no queued slot */
    size_t usable_bytes;        /* of capacity_bytes, those that have memory: all, but with grow_count */
    uint64_t growths;           /* times that more got it */
    char label[32];             /* "" for none */
} zslab_pool_stats;

/* Statistics. Fields may be added at the end; version says which (ZSLAB_STATS_VERSION). A counter rises from the
   allocator's creation; a figure says how things stand at the call. Each is right by itself; taken while others
   allocate, two of them may be moments apart. With ZSLAB_STATS 0 the counters marked * stay 0. */

/* What slow paths did, a class over all threads. Counts of slabs, chunks or allocations. In shared mode allocations
   find slabs that came back without a slow path: the moves and recycled slabs counted are those that one saw. */
typedef struct zslab_perf {
    uint64_t slow_path_hits;            /* * allocations that found their slab used up, or had none */
    uint64_t new_slab_count;            /* * slabs taken into use for the first time since their chunk was bound */
    uint64_t list_move_partial_to_full; /* * chunks that left the list of those with free slots */
    uint64_t list_move_full_to_partial; /* * chunks that came back to it */
    uint64_t current_partial_null;      /* * slow paths that found no current slab */
    uint64_t current_partial_full;      /* * slow paths that found it used up */
    uint64_t empty_slab_recycled;       /* * slabs taken into use again with every slot free */
    uint64_t empty_slab_overflowed;     /* * slabs of empty chunks given to the pool, the cache being full */
} zslab_perf;

/* A group's budget; zero in a field: none, no limit. */
typedef struct zslab_group_config {
    const char *label;       /* up to 31 bytes, copied */
    size_t soft_bytes;       /* on_pressure is told when more are committed in its epochs */
    size_t hard_bytes;       /* most committed bytes of its epochs; a chunk a class and thread is the least that is
                                of use */
    size_t guaranteed_bytes; /* so many are its own, for its epochs' chunks and metadata: others' allocations are
                                refused before they touch them */
    uint32_t epoch_count;    /* most epochs of it at once */
} zslab_group_config;

/* A group's figures. */
typedef struct zslab_group_stats {
    uint32_t version;         /* ZSLAB_STATS_VERSION */
    char label[32];           /* "" for none */
    uint64_t epochs;          /* its epochs that take objects or drain */
    uint64_t committed_bytes; /* bytes of zslab_global_stats.committed_bytes that its epochs hold */
    uint64_t live_bytes;      /* bytes of live objects in them, each as large as its class */
    uint64_t soft_bytes;      /* bytes: its limits and its guarantee; 0: none */
    uint64_t hard_bytes;
    uint64_t guaranteed_bytes;
    uint64_t refused;          /* allocations refused with ZSLAB_E_LIMIT */
    uint64_t discarded_epochs; /* epochs that were discarded */
    uint64_t discarded_bytes;  /* committed bytes that these held */
} zslab_group_stats;

/* A whole allocator. */
typedef struct zslab_global_stats {
    uint32_t version;                     /* ZSLAB_STATS_VERSION */
    uint32_t class_count;                 /* size classes */
    uint32_t heap_count;                  /* heaps ever made: of threads, explicit, parked ones too */
    uint32_t active_epoch_count;          /* epochs that take objects */
    uint32_t closing_epoch_count;         /* epochs that drain */
    zslab_epoch current_epoch;            /* where plain allocations go */
    uint64_t slabs_allocated;             /* * new_slab_count, all classes */
    uint64_t slabs_recycled;              /* * empty_slab_recycled, all classes */
    uint64_t net_slabs;                   /* slabs that hold live objects now */
    uint64_t live_objects;                /* objects allocated and neither freed nor released */
    uint64_t live_bytes;                  /* bytes: the same, each as large as its class */
    uint64_t committed_bytes;             /* bytes of object memory taken from the system and not purged since */
    uint64_t estimated_rss_bytes;         /* bytes: object pages touched and not purged since, and the metadata */
    uint64_t rss_bytes;                   /* bytes: zslab_rss_bytes(), the whole process; 0 where unknown */
    uint64_t slow_path_hits;              /* * all classes, as the next ones */
    uint64_t slow_path_cache_miss;        /* * slow paths that took a chunk from the pool or the range */
    uint64_t slow_path_epoch_closed;      /* * allocations refused: their epoch was closing or closed */
    uint64_t cache_overflows;             /* * empty_slab_overflowed */
    uint64_t purge_calls;                 /* times memory was given back to the system, objects' and metadata's */
    uint64_t purge_bytes;                 /* bytes given back by them */
    uint64_t purge_failures;              /* of the calls, those refused */
    uint64_t remote_frees;                /* * objects freed by a heap other than their owner's */
    uint64_t remote_flushes;              /* * slabs whose owner was told of such frees */
    uint64_t misuse_count;                /* wrong calls answered and counted, all kinds */
    uint64_t retired_slots;               /* slots never used again: their generations are used up */
    uint32_t flags_in_effect;             /* zslab_flags_in_effect() */
    uint64_t slow_path_inbox;             /* * slow paths that first took home what other threads freed */
    uint64_t slow_path_rebind;            /* * slow paths that took a chunk of an ended round of their own */
    uint64_t slow_path_limit;             /* * allocations refused: limit_bytes */
    uint64_t slow_path_no_memory;         /* * allocations refused: no memory, no place for a row */
    uint64_t cas_retries;                 /* * shared mode: claims that another thread's crossed */
    uint64_t lock_waits;                  /* * takes of an internal lock that found it held */
    uint64_t cached_bytes;                /* bytes of empty chunks, and of spans for large objects, kept resident */
    uint64_t allocs;                      /* ZSLAB_STATS 2, else 0: objects handed out */
    uint64_t frees;                       /* ZSLAB_STATS 2, else 0: objects freed one by one */
    uint64_t misuse[ZSLAB_E_CORRUPT + 1]; /* wrong calls by kind, the index a zslab_result */
    uint64_t created_ns;            /* nanoseconds of the system's monotonic clock, at create; 0 where there is none */
    uint64_t taken_ns;              /* the same clock, now */
    uint64_t limit_bytes;           /* bytes: the limit in force; 0: none, or all of the range */
    uint64_t cache_limit_bytes;     /* bytes: cache_bytes in effect; 0: nothing is kept */
    uint64_t range_bytes;           /* bytes of the range ever taken into use; only rises */
    uint64_t remote_waiting;        /* objects freed by other threads that their owners have not taken home */
    uint64_t newest_era;            /* zslab_epoch_stats.era of the epoch opened last */
    uint64_t sampled_requests;      /* with zslab_config.sample_every, else 0: requests whose size was remembered */
    uint64_t sampled_request_bytes; /* bytes these asked for */
    uint64_t sampled_slot_bytes;    /* bytes they got, each as large as its class; the difference is wasted */
    uint64_t large_objects;         /* of live_objects, those of ZSLAB_CLASS_LARGE */
    uint64_t large_bytes;           /* of live_bytes, theirs, each in whole pages */
    uint64_t range_reserved_bytes;  /* bytes of address space there are for objects */
    uint64_t metadata_bytes;        /* bytes of the allocator's own in use; with committed_bytes, what limits count */
    uint64_t thread_held_bytes;     /* bytes of chunks without an object that stay with threads that have not passed a
                                       slow path: one a class and thread, two where it allocates plainly and in
                                       an epoch that it names; zslab_thread_detach returns them */
    uint64_t soft_limit_bytes;      /* bytes: the soft limit; 0: none, or all of the range */
    uint64_t soft_crossings;        /* times that more than these came to count */
} zslab_global_stats;

/* One size class, all epochs and threads. */
typedef struct zslab_class_stats {
    uint32_t version;      /* ZSLAB_STATS_VERSION */
    uint32_t class_idx;    /* this class */
    uint32_t object_bytes; /* bytes of its objects */
    zslab_perf perf;
    uint64_t slow_path_cache_miss;   /* * as in zslab_global_stats, as the next ones */
    uint64_t slow_path_epoch_closed; /* * */
    uint64_t slow_path_inbox;        /* * */
    uint64_t slow_path_rebind;       /* * */
    uint64_t purge_calls;            /* * purges of pages of this class */
    uint64_t purge_bytes;            /* * bytes given back by them */
    uint64_t purge_failures;         /* * of the calls, those refused */
    uint64_t slabs;                  /* slabs in use or waiting in their epoch: partial + full + empty */
    uint64_t partial_slabs;          /* slabs with a live object and room for another */
    uint64_t full_slabs;             /* slabs without room */
    uint64_t empty_slabs;            /* slabs without a live object */
    uint64_t live_objects;           /* objects */
    uint64_t total_objects;          /* objects the slabs have room for; 1 - live / total is fragmentation */
    uint64_t committed_bytes;        /* bytes of the class's chunks, less what was purged of them */
    uint64_t estimated_rss_bytes;    /* bytes of their pages touched and not purged since */
    uint64_t net_slabs;              /* slabs that hold live objects: partial + full */
    uint64_t allocs;                 /* ZSLAB_STATS 2, else 0: objects handed out; a refused one counts as freed */
    uint64_t frees;                  /* ZSLAB_STATS 2, else 0: objects freed one by one */
    double recycle_rate_pct;         /* * percent: of the slabs taken into use, those used before; 0 for none */
    double fast_path_pct;            /* percent: of the allocations, those without a slow path. ZSLAB_STATS 2, else 0 */
    uint64_t slow_path_limit;        /* * as in zslab_global_stats, as the next ones */
    uint64_t slow_path_no_memory;    /* * */
    uint64_t cas_retries;            /* * */
    uint64_t remote_frees;           /* * */
    uint64_t remote_flushes;         /* * */
    uint64_t remote_waiting;         /* objects, as in zslab_global_stats */
} zslab_class_stats;

/* One size class in one epoch. */
typedef struct zslab_epoch_stats {
    uint32_t version;             /* ZSLAB_STATS_VERSION */
    uint32_t class_idx;           /* this class */
    uint32_t object_bytes;        /* bytes of its objects */
    zslab_epoch epoch;            /* the epoch */
    zslab_epoch_state state;      /* as zslab_epoch_state_of() */
    char label[32];               /* "" for none */
    uint64_t era;                 /* epochs are numbered as they open */
    uint64_t opened_ns;           /* nanoseconds of the system's monotonic clock; 0 where there is none */
    uint64_t domain_count;        /* domains over it */
    uint64_t live_objects;        /* objects of the class in the epoch */
    uint64_t slabs;               /* slabs that hold or held them */
    uint64_t reclaimable_slabs;   /* of these, slabs without a live object */
    uint64_t reclaimable_bytes;   /* bytes of resident pages without a live object: what a close may give back */
    uint64_t estimated_rss_bytes; /* bytes of pages touched and not purged since */
    uint64_t rss_before_close;    /* bytes, whole process, when close, release or reset began to purge; 0: none */
    uint64_t rss_after_close;     /* bytes, whole process, when it was done; 0: none */
    uint64_t live_bytes;          /* bytes of live objects, each as large as its class */
    uint64_t age_ns;              /* nanoseconds since it was opened */
    uint64_t last_used_ns;        /* nanoseconds of the clock of opened_ns: a thread took memory for it (its first,
                                     a chunk, a large object) last, or left a domain that did not release it; now,
                                     while one is inside */
    /* Why it is not CLOSED yet, beside live_objects (zslab_epoch_visit shows them, class and tag): */
    uint64_t children;    /* epochs right below it that live */
    uint64_t visits;      /* entries into domains over it that were not left */
    uint64_t owners_late; /* closing: threads that used it and have passed no slow path since; it ends when
                             they do, or zslab_epoch_state_of or zslab_trim asks */
    uint64_t purges;      /* calls that give memory of it back at this moment */
    uint64_t endings;     /* calls of zslab_epoch_on_end for it that were not answered yet */
} zslab_epoch_stats;

/* ---- >>api-allocator -------------------------------------------------------
   Making, ending and asking an allocator. Functions that return a pointer or an id return NULL or 0 on failure and
   leave the reason in zslab_last_error().                                         */

/* zslab_create -- an allocator of its own range, classes, epochs and heaps; one epoch is open.
   in       config   NULL: all defaults; copied, but its buffer and class table outlive the allocator
   returns  the allocator; NULL: ZSLAB_E_INVALID (a field out of range, a buffer too small), ZSLAB_E_NOMEM (refused
            by the system, also a refused lock or prefault), ZSLAB_E_LIMIT (no thread-exit hook left)
   threads  any thread
   cost     a few system calls; nothing is touched but the metadata of the first chunk
   source   >>public, >>arena                                                       */
ZSLAB_API zslab *zslab_create(const zslab_config *config);

/* zslab_destroy -- give everything back to the system; every pointer, epoch, domain, heap and handle of z ends.
   in       z        NULL is accepted and ignored
   threads  one thread; nobody uses z and no thread that used it exits meanwhile
   cost     two system calls, O(heaps)                                              */
ZSLAB_API void zslab_destroy(zslab *z);

/* zslab_buffer_bytes_min -- the smallest zslab_config.memory_bytes a configuration works with, whatever the
   buffer's alignment; 0 when the configuration is invalid. One chunk of objects fits, and metadata as thread_count and
   handle_count say; beyond them it grows at the expense of chunks. Each thread needs a chunk a class and epoch.
   in       config   memory and memory_bytes are ignored
   threads  any thread
   cost     O(classes)                                                              */
ZSLAB_API size_t zslab_buffer_bytes_min(const zslab_config *config);

/* zslab_trim -- give empty memory back to the system, down to zslab_config.cache_bytes: this thread's empty chunks,
   those of parked heaps, what ended epochs left with sleeping threads, the pool.
   returns  bytes given back; of a caller's buffer none are
   threads  any thread
   cost     O(chunks), a system call per run of neighbours and per row that is empty */
ZSLAB_API size_t zslab_trim(zslab *z);

/* zslab_set_limits -- other limits than the configuration's, from here on: an allocation that would make
   committed_bytes and metadata_bytes more than hard_bytes is ZSLAB_E_LIMIT. What is in use already stays; what needs
   no new memory is served meanwhile.
   in       soft_bytes, hard_bytes   0: none
   returns  ZSLAB_OK
   threads  any thread
   cost     O(1)
   source   >>budget                                                                */
ZSLAB_API zslab_result zslab_set_limits(zslab *z, size_t soft_bytes, size_t hard_bytes);

/* zslab_thread_attach -- this thread's heap, its exit hook and memory for a first handle, now and not at its first
   allocation; a sealed allocator makes none.
   returns  ZSLAB_OK, also when it has them; ZSLAB_E_NOMEM, ZSLAB_E_LIMIT
   threads  any thread; in shared mode for the handle alone
   cost     a lock; the first time a heap's metadata                                */
ZSLAB_API zslab_result zslab_thread_attach(zslab *z);

/* zslab_seal -- from here on (sealed 1) until the same with 0: no memory is asked for or given back and the system is
   not called, by whatever call but zslab_destroy, zslab_rss_bytes and the hooks of the program. Calls of other threads
   that are at work end as they began. An allocation that would need memory, or a thread that has no heap yet, is
   ZSLAB_E_LIMIT at once and on_dry hears of it; a call that finds a lock held spins a bounded while and answers
   ZSLAB_E_BUSY; an epoch that others' threads used may be CLOSING longer; statistics have no rss_bytes. What ended
   meanwhile goes back by zslab_trim afterwards. Before: zslab_thread_attach and zslab_reserve_for on each thread.
   returns  ZSLAB_OK
   threads  any thread
   cost     O(1)
   source   >>budget                                                                */
ZSLAB_API zslab_result zslab_seal(zslab *z, int sealed);

/* zslab_flags_in_effect -- the ZSLAB_FLAG_* that hold for z; refused huge pages or NUMA locality are missing.
   threads  any thread
   cost     O(1) */
ZSLAB_API uint32_t zslab_flags_in_effect(const zslab *z);

/* zslab_last_error -- why this thread's last failing call that gives a pointer or an id failed; written on failure
   only. What answers a result says it there, and may leave it here, too.
   threads  any thread: each has its own; with ZSLAB_NO_TLS one word for all threads
   cost     O(1) */
ZSLAB_API zslab_result zslab_last_error(void);

/* zslab_config_error -- which field was refused and why, when this thread's last failing call was zslab_create,
   zslab_buffer_bytes_min, zslab_pool_create or zslab_pool_bytes; else the empty text. "epoch_count: not a power of two
   from 2 to 65,536", for example.
   in       buf, cap filled with at most cap - 1 bytes and a NUL; buf may be NULL when cap is 0
   returns  the length of the whole text without its NUL, like snprintf; 0: no configuration was refused
   threads  any thread; with ZSLAB_NO_TLS one word for all threads, as zslab_last_error
   cost     O(cap)                                                                  */
ZSLAB_API size_t zslab_config_error(char *buf, size_t cap);

/* zslab_version -- ZSLAB_VERSION of the implementation that was linked: major * 10000 + minor * 100 + patch.
   threads  any thread
   cost     O(1)                                                                    */
ZSLAB_API uint32_t zslab_version(void);

/* zslab_result_name -- a short English name, static storage.
   threads  any thread, also a signal handler
   cost     O(1)                                                                    */
ZSLAB_API const char *zslab_result_name(zslab_result r);

/* zslab_rss_bytes -- resident bytes of this process as the system counts them; 0 where unknown.
   threads  any thread
   cost     one file read on Linux */
ZSLAB_API uint64_t zslab_rss_bytes(void);

/* zslab_now_ns -- nanoseconds of the clock of created_ns and opened_ns, exact where those are milliseconds coarse.
   returns  0 where there is none
   threads  any thread; lock-free
   cost     one reading of the system's monotonic clock   */
ZSLAB_API uint64_t zslab_now_ns(void);

/* zslab_thread_slot -- a pointer of this thread's own, NULL at first, for who wraps this header: the short names keep
   their domains in it.
   threads  any thread: each has its own; with ZSLAB_NO_TLS one for all threads
   cost     O(1)   */
ZSLAB_API void **zslab_thread_slot(void);

/* ---- >>api-alloc -----------------------------------------------------------
   Objects. They go to the epoch of the innermost domain this thread has entered, else to the current epoch. */

/* zslab_malloc -- an object of at least size bytes, uninitialised, aligned to the largest power of two that divides
   its class (8 at least, 16 from 16 bytes on).
   in       size     from 1; above the largest class an object is a span of chunks, aligned to a chunk, and above
                     zslab_config.large_bytes_max the fallback's
   returns  the object; NULL: ZSLAB_E_INVALID (size 0), ZSLAB_E_TOO_BIG, ZSLAB_E_NOMEM, ZSLAB_E_LIMIT,
            ZSLAB_E_CLOSED (the domain's or the current epoch was closed)
   threads  any thread
   cost     O(1): about 20 instructions from the thread's magazine; a new slab each 64 objects, a new chunk each
            64 KiB. Above the largest class a lock and O(chunks of the object) that were not in use
   source   >>fast, >>heap, >>large                                                 */
ZSLAB_API void *zslab_malloc(zslab *z, size_t size);

/* zslab_malloc_epoch -- zslab_malloc in a given epoch.
   returns  also ZSLAB_E_CLOSED for an epoch closing, closed or never opened
   threads  any thread
   cost     as zslab_malloc, and finding the thread's row of the epoch: two loads   */
ZSLAB_API void *zslab_malloc_epoch(zslab *z, size_t size, zslab_epoch epoch);

/* zslab_calloc -- count * size bytes of zeros; a product that overflows is ZSLAB_E_TOO_BIG or the fallback's
   refusal. Large objects: chunks that are fresh from the system, or that it has had back and gives as zeros (Linux,
   without zslab_config.os), are not written.
   threads  any thread
   cost     as zslab_malloc, and the bytes set to zero */
ZSLAB_API void *zslab_calloc(zslab *z, size_t count, size_t size);

/* zslab_realloc -- change an object's size, within its epoch.
   in       p        NULL allocates
            size     0 is ZSLAB_E_INVALID and p stays
   returns  p when the class stays the same, and for a large object that shrinks or has free space behind it; else a
            new object with the bytes both have, p freed; NULL: p is untouched, and the reason is zslab_malloc's,
            zslab_free's, or ZSLAB_E_INVALID (an object with a handle would move; a fallback without usable_size)
   threads  any thread
   cost     O(1) while the class stays; else as zslab_malloc and zslab_free, and the copy */
ZSLAB_API void *zslab_realloc(zslab *z, void *p, size_t size);

/* zslab_aligned_alloc -- an object at a multiple of alignment, a power of two up to 1 GiB: of the smallest class that
   has it, else a large one; ZSLAB_E_INVALID for another alignment, a larger power of two is as a size too large.
   threads  any thread
   cost     as zslab_malloc */
ZSLAB_API void *zslab_aligned_alloc(zslab *z, size_t alignment, size_t size);

/* zslab_aligned_alloc_epoch -- zslab_aligned_alloc in a given epoch.
   returns  also ZSLAB_E_CLOSED for an epoch closing, closed or never opened
   threads  any thread
   cost     as zslab_malloc_epoch */
ZSLAB_API void *zslab_aligned_alloc_epoch(zslab *z, size_t alignment, size_t size, zslab_epoch epoch);

/* zslab_free -- give an object back; a wrong pointer is an answer, not a crash.
   in       p        NULL is accepted and ignored
   returns  ZSLAB_OK, ZSLAB_E_DOUBLE_FREE (no live object in that slot), ZSLAB_E_MISALIGNED (inside an object),
            ZSLAB_E_FOREIGN (not ours, a chunk never used, behind the last slot of a chunk), ZSLAB_E_STALE (its
            epoch was released or reset)
   threads  any thread, also one that never allocated; lock-free. From a signal handler in shared mode only
   cost     O(1): about 30 instructions; from another thread a store, and one push per slab
   source   >>fast, >>remote; invariants [STATE-1] [STAMP-1]                         */
ZSLAB_API zslab_result zslab_free(zslab *z, void *p);

/* zslab_free_sized -- zslab_free that also checks the size: another class than p's, of a large object another number of
   pages, is ZSLAB_E_INVALID, nothing freed.
   threads  any thread
   cost     as zslab_free, and the look-up of the class */
ZSLAB_API zslab_result zslab_free_sized(zslab *z, void *p, size_t size);

/* zslab_malloc_batch -- up to count objects of one size into out; returns how many, the reason for fewer in
   zslab_last_error().
   threads  any thread
   cost     as zslab_malloc, count times */
ZSLAB_API size_t zslab_malloc_batch(zslab *z, size_t size, size_t count, void **out);

/* zslab_free_batch -- free count pointers; skips NULL and wrong ones (each reported as zslab_free would), returns
   how many were freed.
   threads  any thread
   cost     as zslab_free, count times */
ZSLAB_API size_t zslab_free_batch(zslab *z, void *const *p, size_t count);

/* zslab_usable_size -- bytes that a live object may use: its class, a large one whole pages; 0 for anything else.
   threads  any thread, while nobody frees p
   cost     O(1) */
ZSLAB_API size_t zslab_usable_size(const zslab *z, const void *p);

/* zslab_owns -- 1 when p points into a slot of a chunk in use, live or not, or is the fallback's; else 0.
   threads  any thread
   cost     O(1), without a fallback */
ZSLAB_API int zslab_owns(const zslab *z, const void *p);

/* zslab_size_class_of -- index of the class that serves size, ZSLAB_CLASS_LARGE for a large object's, the number of
   classes when there is none.
   threads  any thread
   cost     O(1) */
ZSLAB_API size_t zslab_size_class_of(const zslab *z, size_t size);

/* zslab_size_class_bytes -- bytes of a class, 0 past the last.
   threads  any thread
   cost     O(1) */
ZSLAB_API size_t zslab_size_class_bytes(const zslab *z, size_t index);

/* zslab_reserve -- commit and touch memory for count more objects of a size in the current epoch, for this thread:
   until they are used up its allocations and frees make no system call and no page fault. Large objects' memory is any
   thread's. Handles are included, with 4.5 bytes a slot that count as they serve: under the RSS policy but for a page
   fault in a thousand; in a caller's buffer as zslab_config.handle_count says.
   returns  ZSLAB_OK, ZSLAB_E_INVALID, ZSLAB_E_TOO_BIG, ZSLAB_E_NOMEM, ZSLAB_E_LIMIT, ZSLAB_E_CLOSED; on failure what
            was reserved stays reserved. Where the range has fewer chunks than that takes, nothing is reserved
   threads  any thread
   cost     O(bytes)                                                                */
ZSLAB_API zslab_result zslab_reserve(zslab *z, size_t size, size_t count);

/* zslab_reserve_for -- zslab_reserve for a given heap and epoch: that many allocations there, inside a domain or not,
   make no system call and no page fault, nor do their frees.
   in       heap     an explicit one; NULL: this thread's
            epoch    0: zslab_reserve's
   returns  as zslab_reserve
   threads  any thread; of an explicit heap its user
   cost     O(bytes), and a look at the class's slots in the epoch                  */
ZSLAB_API zslab_result zslab_reserve_for(zslab *z, zslab_heap *heap, zslab_epoch epoch, size_t size, size_t count);

/* ---- >>api-epoch -----------------------------------------------------------
   Epochs: groups of objects with one lifetime. An id is never reused. ACTIVE takes objects; close lets the live
   ones drain (CLOSING, then CLOSED); release and reset drop them all at once. release and reset ask that no other
   thread uses the epoch's objects meanwhile.                                              */

/* zslab_epoch_current -- the epoch that plain allocations go to outside domains; it may be closed.
   threads  any thread
   cost     O(1) */
ZSLAB_API zslab_epoch zslab_epoch_current(const zslab *z);

/* zslab_epoch_advance -- open a new current epoch and close the old one.
   returns  the new epoch; ZSLAB_EPOCH_NONE: ZSLAB_E_BUSY, every place is open or draining, and the old stays
            current
   threads  any thread; a zslab_malloc racing with it lands in one of the two
   cost     as zslab_epoch_open and zslab_epoch_close */
ZSLAB_API zslab_epoch zslab_epoch_advance(zslab *z);

/* zslab_epoch_open -- an epoch beside the current one.
   in       label    up to 31 bytes, copied; NULL: none
   returns  the epoch; ZSLAB_EPOCH_NONE with ZSLAB_E_BUSY
   threads  any thread
   cost     O(1), one lock; under the RSS policy also the purge of what drained since the last such call */
ZSLAB_API zslab_epoch zslab_epoch_open(zslab *z, const char *label);

/* zslab_epoch_open_with -- zslab_epoch_open with more to say: a group, a parent, flags.
   in       c        NULL: all defaults
   returns  the epoch; ZSLAB_EPOCH_NONE: also ZSLAB_E_INVALID (unknown flags), ZSLAB_E_LIMIT (too deep), ZSLAB_E_CLOSED
            (the parent is not ACTIVE), ZSLAB_E_BUSY (the parent is being reset)
   threads  any thread
   cost     as zslab_epoch_open */
ZSLAB_API zslab_epoch zslab_epoch_open_with(zslab *z, const zslab_epoch_config *c);

/* zslab_epoch_next -- go through the epochs that take objects or drain, oldest first.
   in       after    the epoch to go on from, ended by now or not; ZSLAB_EPOCH_NONE begins
   returns  the next one that was opened later; ZSLAB_EPOCH_NONE after the newest
   threads  any thread; what others open meanwhile comes at the end
   cost     one lock, O(1); O(epoch_count) when after has ended */
ZSLAB_API zslab_epoch zslab_epoch_next(const zslab *z, zslab_epoch after);

/* zslab_epoch_on_end -- call fn when the epoch ends or is emptied: once, and of several the newest first. At a release,
   a reset or a discard before its objects go: allocations are ZSLAB_E_CLOSED by then (not at a reset). For a close once
   the epoch has drained: at the next open, advance, close, release, reset or trim that finds it so, never in a free or
   a query. What is still to be called at zslab_destroy is called there. A forked child calls its own.
   in       fn       may make every call but zslab_destroy; to be called again after a reset it registers again
   returns  ZSLAB_OK; ZSLAB_E_CLOSED (ended, or ending), ZSLAB_E_NOMEM, ZSLAB_E_LIMIT, ZSLAB_E_INVALID (fn is NULL)
   threads  any thread
   cost     one lock; 32 bytes of metadata, used again
   source   >>ending; invariants [END-1] to [END-4]                                 */
ZSLAB_API zslab_result zslab_epoch_on_end(zslab *z, zslab_epoch e, zslab_end_fn *fn, void *user);

/* zslab_epoch_close -- refuse new objects, keep the live ones until they are freed. With the RSS policy every page
   without a live object is back with the system when this returns, also of threads that sleep or have exited; later
   pages go with their last object.
   returns  ZSLAB_OK, also when it was closing already; ZSLAB_E_CLOSED
   threads  any thread, racing with allocations and frees: each allocation is intact or refused
   cost     latency policy: O(threads); RSS policy: two fences, O(slabs of the epoch), a system call per run of
            pages; the same for each child
   source   >>epoch, lemmas [EPOCH-1] to [EPOCH-6]                                  */
ZSLAB_API zslab_result zslab_epoch_close(zslab *z, zslab_epoch e);

/* zslab_epoch_release -- drop all objects of the epoch at once and close it: pointers and handles become stale.
   Children first. Where another call is ending a child, or is calling what zslab_epoch_on_end registered here, this
   epoch ends when that one is done.
   returns  ZSLAB_OK, ZSLAB_E_CLOSED (also: a release has begun)
   threads  any thread, while no other uses the epoch's objects
   cost     latency policy: O(threads x classes), independent of the number of objects; RSS policy: and the purge; the
            same for each child, and what zslab_epoch_on_end calls */
ZSLAB_API zslab_result zslab_epoch_release(zslab *z, zslab_epoch e);

/* zslab_epoch_reset -- drop all objects of an ACTIVE epoch at once; it stays open. Its children are released.
   returns  ZSLAB_OK, ZSLAB_E_CLOSED, ZSLAB_E_BUSY (another call is resetting it, or ending a child)
   threads  as zslab_epoch_release
   cost     as zslab_epoch_release */
ZSLAB_API zslab_result zslab_epoch_reset(zslab *z, zslab_epoch e);

/* zslab_epoch_state_of -- ACTIVE, CLOSING or CLOSED (also for what never was an epoch of z).
   threads  any thread
   cost     one lock; for a closing epoch, and each below it, a look at slabs that were live when last looked at */
ZSLAB_API zslab_epoch_state zslab_epoch_state_of(const zslab *z, zslab_epoch e);

/* zslab_epoch_set_label -- name an epoch in statistics; 31 bytes, copied. ZSLAB_OK, ZSLAB_E_CLOSED.
   threads  any thread
   cost     one lock */
ZSLAB_API zslab_result zslab_epoch_set_label(zslab *z, zslab_epoch e, const char *label);

/* zslab_epoch_visit -- show the live objects of an epoch, chunk by chunk: each that lives throughout the call once,
   also while others allocate and free; of those made or freed meanwhile some.
   in       class_idx  of that class only, ZSLAB_CLASS_LARGE among them; ZSLAB_CLASS_ANY
            visit    may make every call but zslab_destroy: free what it is shown, close the epoch; non-zero ends the
                     walk. An object that another thread may free is the program's to guard
   returns  ZSLAB_OK; ZSLAB_E_CLOSED (unknown, or ended), ZSLAB_E_INVALID (no such class, visit is NULL)
   threads  any thread; what ends the epoch's objects meanwhile ends the walk
   cost     O(chunks in use) and a byte read per slot of those of the epoch; no lock but for a moment
   source   >>visit                                                                 */
ZSLAB_API zslab_result zslab_epoch_visit(zslab *z, zslab_epoch e, size_t class_idx, zslab_visit_fn *visit, void *user);

/* zslab_epoch_of -- the epoch of a live object; ZSLAB_EPOCH_NONE with zslab_free's reason otherwise.
   threads  any thread, while nobody frees p
   cost     O(1) */
ZSLAB_API zslab_epoch zslab_epoch_of(const zslab *z, const void *p);

/* ---- >>api-group -----------------------------------------------------------
   Groups: tenants of one allocator. An epoch opened with zslab_epoch_config.group is charged to it, by the chunk, until
   it ends; its children too, when they name no other. Memory that no epoch holds (what was freed and is kept for later,
   what ended epochs left with sleeping threads) is nobody's.                             */

/* zslab_group_create -- a budget over epochs of z; c may be NULL.
   returns  the group; NULL: ZSLAB_E_INVALID (a guarantee beyond hard_bytes), ZSLAB_E_LIMIT (guarantees and what is in
            use beyond z's hard limit), ZSLAB_E_NOMEM
   threads  any thread
   cost     one lock, and memory for the group
   source   >>budget                                                                */
ZSLAB_API zslab_group *zslab_group_create(zslab *z, const zslab_group_config *c);

/* zslab_group_destroy -- end it, and its guarantee.
   returns  ZSLAB_OK; ZSLAB_E_BUSY while an epoch of it takes objects or drains; ZSLAB_E_INVALID for NULL
   threads  any thread; nobody uses g meanwhile
   cost     one lock */
ZSLAB_API zslab_result zslab_group_destroy(zslab_group *g);

/* zslab_group_set_limits -- other limits, as zslab_set_limits; 0: none.
   returns  ZSLAB_OK; ZSLAB_E_INVALID (a hard limit below the guarantee)
   threads  any thread
   cost     O(1) */
ZSLAB_API zslab_result zslab_group_set_limits(zslab_group *g, size_t soft_bytes, size_t hard_bytes);

/* zslab_discard_oldest -- release epochs that were opened with ZSLAB_EPOCH_DISCARDABLE, oldest first, until so many
   bytes are charged no longer; never one with a domain inside. An allocation that its group's hard limit or z's refuses
   does so by itself, with epochs of its own group (of none, when it has none), but for the one it allocates in and
   those above. Who uses such epochs keeps handles: pointers end without a word.
   in       group    NULL: epochs of all
   returns  how many bytes were charged to what was released
   threads  any thread; the epochs' callbacks are told ZSLAB_END_DISCARDED
   cost     as zslab_epoch_release for each                                         */
ZSLAB_API size_t zslab_discard_oldest(zslab *z, zslab_group *group, size_t bytes);

/* zslab_stats_group -- figures of one group.
   threads  any thread, not a signal handler
   cost     O(chunks in use) and a byte read per slot in the group's epochs         */
ZSLAB_API void zslab_stats_group(const zslab_group *g, zslab_group_stats *out);

/* ---- >>api-domain ----------------------------------------------------------
   Domains: scopes over an epoch. Threads enter and leave; the last exit anywhere applies the policy. While a
   thread is inside, its zslab_malloc goes to the domain's epoch (not in shared mode: there pass zslab_domain_epoch
   to zslab_malloc_epoch). Domains nest, last entered first left.                      */

/* zslab_domain_create -- a domain with an epoch of its own, released at the last exit; after that it cannot be
   entered again. NULL: ZSLAB_E_BUSY (no epoch place), ZSLAB_E_NOMEM.
   threads  any thread
   cost     as zslab_epoch_open, and memory for the domain */
ZSLAB_API zslab_domain *zslab_domain_create(zslab *z);

/* zslab_domain_create_with -- the same; its epoch as zslab_epoch_open_with opens one.
   threads  any thread
   cost     as zslab_domain_create */
ZSLAB_API zslab_domain *zslab_domain_create_with(zslab *z, const zslab_epoch_config *c);

/* zslab_domain_wrap -- a domain over an epoch that is open already.
   in       policy   what the last exit does: ZSLAB_ON_EXIT_KEEP, _RESET, _CLOSE, _RELEASE
   returns  the domain; NULL: ZSLAB_E_CLOSED, ZSLAB_E_INVALID (policy), ZSLAB_E_NOMEM
   threads  any thread
   cost     one lock, and memory for the domain */
ZSLAB_API zslab_domain *zslab_domain_wrap(zslab *z, zslab_epoch e, zslab_on_exit policy);

/* zslab_domain_enter -- go inside; entering again while inside counts.
   returns  ZSLAB_OK, ZSLAB_E_CLOSED (ended, or its epoch was), ZSLAB_E_LIMIT (64 domains deep), ZSLAB_E_INVALID
            (NULL or destroyed), ZSLAB_E_NOMEM, ZSLAB_E_BUSY (its epoch is being reset)
   threads  any thread
   cost     one lock */
ZSLAB_API zslab_result zslab_domain_enter(zslab_domain *d);

/* zslab_domain_exit -- leave the domain this thread entered last. Another one: ZSLAB_E_INVALID, nothing changes. A
   thread that exits leaves its domains first; those that it enters in its last round of destructors, when the
   domain is entered, forced to close or destroyed next.
   threads  the thread that entered it
   cost     one lock; at the last exit as the policy: zslab_epoch_release, _reset or _close */
ZSLAB_API zslab_result zslab_domain_exit(zslab_domain *d);

/* zslab_domain_enter_heap, zslab_domain_exit_heap -- zslab_domain_enter and _exit for an explicit heap: it carries the
   scope, from thread to thread, and what it allocates without naming an epoch goes to the domain's. Scopes of heaps and
   of threads stand apart. zslab_heap_destroy leaves what the heap is inside of. In shared mode as zslab_domain_enter.
   returns  as those; ZSLAB_E_INVALID also for a heap of another allocator, and for an exit from what this heap did not
            enter last
   threads  one at a time for each heap
   cost     as zslab_domain_enter, zslab_domain_exit */
ZSLAB_API zslab_result zslab_domain_enter_heap(zslab_domain *d, zslab_heap *heap);
ZSLAB_API zslab_result zslab_domain_exit_heap(zslab_domain *d, zslab_heap *heap);

/* zslab_domain_force_close -- end it now as its last exit would (KEEP: close the epoch); ZSLAB_E_BUSY while
   a thread is inside.
   threads  any thread
   cost     as the policy: zslab_epoch_release, _reset or _close */
ZSLAB_API zslab_result zslab_domain_force_close(zslab_domain *d);

/* zslab_domain_destroy -- forget the domain; an owned epoch still open is released. ZSLAB_E_BUSY while a thread is
   inside, ZSLAB_E_INVALID for NULL.
   threads  any thread; nobody uses d meanwhile
   cost     one lock; as zslab_epoch_release for an owned epoch */
ZSLAB_API zslab_result zslab_domain_destroy(zslab_domain *d);

/* zslab_domain_current -- the innermost domain this thread is inside of, NULL outside; shared mode: the one
   entered last by anybody.
   threads  any thread
   cost     O(1) */
ZSLAB_API zslab_domain *zslab_domain_current(const zslab *z);

/* zslab_domain_epoch -- its epoch.
   threads  any thread
   cost     O(1) */
ZSLAB_API zslab_epoch zslab_domain_epoch(const zslab_domain *d);

/* ZSLAB_DOMAIN_SCOPE(d) -- enter d here, leave it at the end of the block (compilers with the cleanup attribute). */
#if defined(__GNUC__) || defined(__clang__)
static inline ZS__MAYBE_UNUSED void zs__scope_leave(zslab_domain **d)
{
    if (*d) zslab_domain_exit(*d);
}
static inline ZS__MAYBE_UNUSED zslab_domain *zs__scope_enter(zslab_domain *d)
{
    return zslab_domain_enter(d) == ZSLAB_OK ? d : ZS__NULL;
}
#define ZS__SCOPE_NAME_(line) zs__scope_##line
#define ZS__SCOPE_NAME(line) ZS__SCOPE_NAME_(line)
#define ZSLAB_DOMAIN_SCOPE(d)                                                                                          \
    zslab_domain *ZS__SCOPE_NAME(__LINE__) __attribute__((__cleanup__(zs__scope_leave), __unused__)) =                 \
        zs__scope_enter(d)
#endif

/* ---- >>api-handle ----------------------------------------------------------
   Handles: names of objects that know when they are stale. A handle never resolves again once its object was freed
   or its epoch released or reset, however often the slot is used anew. Each allocator of a process begins its ids and
   generations elsewhere, also where an earlier one was destroyed: of n allocators two may have a handle in common when
   one has used about 2^41 / n slabs and generations of a slot, multiplied.             */

/* zslab_handle_alloc -- an object with a handle, in an epoch.
   in       size     1 to zslab_config.large_bytes_max; the fallback has no handles
            e        an ACTIVE epoch
   out      out_p    the object; NULL on failure; may be NULL
   returns  the handle; 0: zslab_malloc_epoch's reasons, ZSLAB_E_LIMIT (no registry id is left)
   threads  any thread
   cost     as zslab_malloc_epoch, two loads and a store more; a new slab's first handle takes one lock
   source   >>handle; invariants [ID-1] to [ID-4]                                    */
ZSLAB_API zslab_handle zslab_handle_alloc(zslab *z, size_t size, zslab_epoch e, void **out_p);

/* zslab_handle_get -- the object of a handle.
   returns  the object, good until it is freed or its epoch ends; NULL: ZSLAB_E_STALE, or ZSLAB_E_INVALID for what
            was never a handle (version, class, slot or id out of range). A get that races with a free may return the
            object freed meanwhile; it reads no object memory
   threads  any thread; lock-free, async-signal-safe
   cost     O(1): 11 loads, 2 branches
   source   >>fast, >>handle; invariants [ID-1] to [ID-4]                            */
ZSLAB_API void *zslab_handle_get(const zslab *z, zslab_handle h);

/* zslab_handle_free -- free the object of a handle. Of frees at the same instant, by handle or by pointer, one wins.
   returns  ZSLAB_OK; ZSLAB_E_STALE or ZSLAB_E_INVALID as zslab_handle_get, counted as misuse
   threads  any thread
   cost     O(1): one compare-and-exchange more than zslab_free                      */
ZSLAB_API zslab_result zslab_handle_free(zslab *z, zslab_handle h);

/* zslab_handle_of -- the handle of a live object made with one.
   returns  the handle; 0: ZSLAB_E_INVALID (made without a handle), else zslab_free's reason
   threads  any thread
   cost     O(1)                                                                    */
ZSLAB_API zslab_handle zslab_handle_of(const zslab *z, const void *p);

/* zslab_handle_pack -- the 64 bits of these fields, version included; 0 with ZSLAB_E_INVALID when one has more bits
   than its place. Says nothing about liveness.
   threads  any thread
   cost     O(1) */
ZSLAB_API zslab_handle zslab_handle_pack(zslab_handle_fields f);

/* zslab_handle_unpack -- the fields of 64 bits, any bits.
   threads  any thread
   cost     O(1) */
ZSLAB_API zslab_handle_fields zslab_handle_unpack(zslab_handle h);

/* ---- >>api-heap ------------------------------------------------------------
   Explicit heaps: no thread-local storage; for fibers, job systems, plugins. A heap may move between threads, one
   at a time. In shared mode they all are the one heap.                                   */

/* zslab_heap_create -- NULL: ZSLAB_E_NOMEM.
   threads  any thread; then one thread at a time uses the heap
   cost     one lock, and memory for the heap, unless one is parked */
ZSLAB_API zslab_heap *zslab_heap_create(zslab *z);

/* zslab_heap_destroy -- its live objects stay valid; the next heap or thread takes over its memory. NULL is
   ignored.
   threads  one thread; nobody uses the heap meanwhile
   cost     O(rows) */
ZSLAB_API void zslab_heap_destroy(zslab_heap *heap);

/* zslab_heap_malloc, _calloc, _realloc, _aligned_alloc, _malloc_batch -- zslab_malloc and its like from this heap, in
   the epoch of the domain that it entered last, else the allocator's current one; never in a domain's of the thread.
   threads  one at a time for each heap
   cost     as zslab_malloc_epoch; else as zslab_calloc, zslab_realloc, zslab_aligned_alloc, zslab_malloc_batch */
ZSLAB_API void *zslab_heap_malloc(zslab_heap *heap, size_t size);
ZSLAB_API void *zslab_heap_calloc(zslab_heap *heap, size_t count, size_t size);
ZSLAB_API void *zslab_heap_realloc(zslab_heap *heap, void *p, size_t size);
ZSLAB_API void *zslab_heap_aligned_alloc(zslab_heap *heap, size_t alignment, size_t size);
ZSLAB_API size_t zslab_heap_malloc_batch(zslab_heap *heap, size_t size, size_t count, void **out);

/* zslab_heap_malloc_epoch, _aligned_alloc_epoch -- zslab_malloc_epoch and zslab_aligned_alloc_epoch from this heap.
   threads  one at a time for each heap
   cost     as zslab_malloc_epoch */
ZSLAB_API void *zslab_heap_malloc_epoch(zslab_heap *heap, size_t size, zslab_epoch e);
ZSLAB_API void *zslab_heap_aligned_alloc_epoch(zslab_heap *heap, size_t alignment, size_t size, zslab_epoch e);

/* zslab_heap_handle_alloc -- zslab_handle_alloc from this heap.
   threads  one at a time for each heap
   cost     as zslab_handle_alloc */
ZSLAB_API zslab_handle zslab_heap_handle_alloc(zslab_heap *heap, size_t size, zslab_epoch e, void **out_p);

/* zslab_heap_free, _free_batch -- zslab_free and zslab_free_batch by this heap: its own objects go back to its
   magazines, others to their owners.
   threads  one at a time for each heap
   cost     as zslab_free, with every check on the cold path */
ZSLAB_API zslab_result zslab_heap_free(zslab_heap *heap, void *p);
ZSLAB_API size_t zslab_heap_free_batch(zslab_heap *heap, void *const *p, size_t count);

/* zslab_heap_reserve -- zslab_reserve for this heap.
   threads  one at a time for each heap
   cost     as zslab_reserve */
ZSLAB_API zslab_result zslab_heap_reserve(zslab_heap *heap, size_t size, size_t count);

/* zslab_thread_detach -- park this thread's heap now, as its exit would; the next call of this thread takes one
   again. Does nothing inside a domain.
   threads  any thread, for itself
   cost     O(rows of this thread), one lock */
ZSLAB_API void zslab_thread_detach(zslab *z);

/* ---- >>api-pool ------------------------------------------------------------
   Fixed-slot pools with one owner, and remotes that give slots back from other
   threads. A remote is a counted reference: clone it per thread, drop each once.   */

/* zslab_pool_create -- make a pool of equal slots.
   in       c        NULL or a field of 0: the default
   returns  the pool; NULL: zslab_last_error() is ZSLAB_E_INVALID or ZSLAB_E_NOMEM
   threads  any thread; the caller is the owner, the role may be handed on
   cost     O(slot_count) bytes set with the caller's buffer, else O(1); one lock, since the texts of statistics list
            all pools
   source   >>pool                                                               */
ZSLAB_API zslab_pool *zslab_pool_create(const zslab_pool_config *c);

/* zslab_pool_destroy -- drain and close a pool; remotes answer ZSLAB_E_CLOSED from now on.
   in       p        NULL is accepted and ignored
   after    slots stay readable until the last remote is dropped, then the memory is released
   threads  the owner
   cost     O(queued slots)
   source   >>pool; invariants [POOL-5] [POOL-6]                                 */
ZSLAB_API void zslab_pool_destroy(zslab_pool *p);

/* zslab_pool_alloc -- take a slot, the most recently freed first.
   returns  the slot, its contents undefined; with no slot left an object of the fallback; else NULL, and
            zslab_last_error() is ZSLAB_E_FULL, ZSLAB_E_NOMEM (by the fallback, or a pool that cannot grow) or
            ZSLAB_E_INVALID (no pool)
   threads  the owner
   cost     O(1); plus O(queued slots) when the threshold is reached or the list is empty, plus one call of the system
            each grow_count slots that were never used before
   source   >>pool; invariants [POOL-1] [POOL-2]                                 */
ZSLAB_API void *zslab_pool_alloc(zslab_pool *p);

/* zslab_pool_free -- give back what zslab_pool_alloc returned, slot or fallback object.
   in       slot     NULL is accepted and ignored
   returns  ZSLAB_OK, ZSLAB_E_DOUBLE_FREE (free, or waiting in the queue), ZSLAB_E_MISALIGNED,
            ZSLAB_E_FOREIGN, ZSLAB_E_INVALID (no pool)
   threads  the owner
   cost     O(1); plus O(queued slots) when the threshold is reached
   source   >>pool; invariants [POOL-1] [POOL-2]                                 */
ZSLAB_API zslab_result zslab_pool_free(zslab_pool *p, void *slot);

/* zslab_pool_drain -- take home now what remotes have queued.
   returns  how many slots came home
   threads  the owner
   cost     O(queued slots)
   source   >>pool; invariants [POOL-3] [POOL-4]                                 */
ZSLAB_API size_t zslab_pool_drain(zslab_pool *p);

/* zslab_pool_remote -- a reference through which any thread gives slots back.
   returns  the remote; NULL: zslab_last_error() is ZSLAB_E_INVALID or ZSLAB_E_LIMIT (2^31 references)
   threads  any thread, while the pool exists
   cost     one atomic addition
   source   >>pool; invariant [POOL-6]                                           */
ZSLAB_API zslab_remote *zslab_pool_remote(zslab_pool *p);

/* zslab_remote_clone -- one more reference, for one more thread; each is dropped once.
   returns  the remote (the same address); NULL: as zslab_pool_remote
   threads  any thread
   cost     one atomic addition
   source   >>pool; invariant [POOL-6]                                           */
ZSLAB_API zslab_remote *zslab_remote_clone(zslab_remote *r);

/* zslab_remote_drop -- end one reference; the last one, after the pool, releases the memory.
   in       r        NULL is accepted and ignored
   threads  any thread
   cost     one atomic subtraction
   source   >>pool; invariant [POOL-6]                                           */
ZSLAB_API void zslab_remote_drop(zslab_remote *r);

/* zslab_remote_try_free -- queue a slot for the owner, or say why not; then the caller keeps it.
   in       slot     from zslab_pool_alloc, a fallback object too; NULL is accepted and ignored
   returns  ZSLAB_OK, ZSLAB_E_FULL, ZSLAB_E_CLOSED (the owner is gone), ZSLAB_E_DOUBLE_FREE,
            ZSLAB_E_MISALIGNED, ZSLAB_E_FOREIGN, ZSLAB_E_INVALID (no remote)
   threads  any thread; lock-free
   cost     O(1): two atomic compare-and-exchanges
   source   >>pool; invariants [POOL-3] [POOL-4] [POOL-5]                        */
ZSLAB_API zslab_result zslab_remote_try_free(zslab_remote *r, void *slot);

/* zslab_remote_free -- the same, but waits for room, yielding; a close ends the wait.
   returns  as zslab_remote_try_free; ZSLAB_E_FULL only with ZSLAB_POOL_NO_QUEUE
   threads  any thread but the owner, whose own wait nobody would end
   cost     as zslab_remote_try_free, plus the wait for the owner's next call
   source   >>pool; invariants [POOL-3] [POOL-4] [POOL-5]                        */
ZSLAB_API zslab_result zslab_remote_free(zslab_remote *r, void *slot);

/* zslab_pool_usable_size -- bytes of one slot; 0 when p is NULL.
   threads  any thread
   cost     O(1)
   source   >>pool */
ZSLAB_API size_t zslab_pool_usable_size(const zslab_pool *p);

/* zslab_pool_owns -- does the address lie in one of the pool's slots? A fallback object's does not.
   threads  any thread
   cost     O(1)
   source   >>pool */
ZSLAB_API int zslab_pool_owns(const zslab_pool *p, const void *slot);

/* zslab_pool_bytes -- length of the buffer a configuration needs, wherever the buffer begins.
   in       c        NULL: the defaults; memory and memory_bytes are not looked at
   returns  bytes; 0: zslab_last_error() is ZSLAB_E_INVALID
   threads  any thread
   cost     O(1)
   source   >>pool */
ZSLAB_API size_t zslab_pool_bytes(const zslab_pool_config *c);

/* zslab_stats_pool -- a pool's figures; all 0 when p is NULL.
   out      out      see zslab_pool_stats
   threads  any thread
   cost     O(1)
   source   >>pool                                                               */
ZSLAB_API void zslab_stats_pool(const zslab_pool *p, zslab_pool_stats *out);

/* ---- >>api-stats -----------------------------------------------------------
   Seeing inside while others go on. A snapshot reads the states of the slabs it counts and adds up what each thread
   counted for itself: no allocation or free waits for it, and none is made by it.   */

/* zslab_stats_global -- figures and counters of the whole allocator.
   out      out      filled
   threads  any thread, not a signal handler
   cost     O(chunks in use) and a byte read per slot in them; one file read on Linux for rss_bytes
   source   >>stats                                                                 */
ZSLAB_API void zslab_stats_global(const zslab *z, zslab_global_stats *out);

/* zslab_stats_class -- figures and counters of one size class.
   returns  ZSLAB_OK, ZSLAB_E_INVALID (no such class, out is NULL)
   threads  any thread, not a signal handler
   cost     O(chunks in use) and a byte read per slot of the class                  */
ZSLAB_API zslab_result zslab_stats_class(const zslab *z, size_t class_idx, zslab_class_stats *out);

/* zslab_stats_epoch -- figures of one size class in one epoch. An epoch that ended is still answered for, without
   objects, until its place in the ring serves another.
   returns  ZSLAB_OK, ZSLAB_E_INVALID (no such class, out is NULL), ZSLAB_E_CLOSED (unknown, or ended and forgotten)
   threads  any thread, not a signal handler
   cost     O(chunks in use) and a byte read per slot of the class in the epoch     */
ZSLAB_API zslab_result zslab_stats_epoch(const zslab *z, size_t class_idx, zslab_epoch e, zslab_epoch_stats *out);

/* zslab_perf_counters -- what the slow paths of one size class did.
   returns  ZSLAB_OK, ZSLAB_E_INVALID (no such class, out is NULL)
   threads  any thread
   cost     O(heaps)                                                                */
ZSLAB_API zslab_result zslab_perf_counters(const zslab *z, size_t class_idx, zslab_perf *out);

/* zslab_stats_json -- a snapshot as one JSON object:
     { "version": n, "global": {...}, "classes": [{...}, ...], "epochs": [{...}, ...] }
   Keys are the fields of zslab_global_stats, zslab_class_stats (perf is an object in it) and zslab_epoch_stats, in
   their units, all numbers but for: epoch ids are strings of decimal digits (they exceed 2^53), "state" is "active",
   "closing" or "closed", "label" is a string (a byte that is not UTF-8 becomes U+FFFD), "misuse" an object keyed by
   zslab_result_name. classes lists those ever used; epochs lists the ones that take objects or drain, and ended ones
   with figures of their close; an epoch's figures are sums over classes, without class_idx and object_bytes.
   With groups there is also "groups": [{...}, ...], newest first, the fields of zslab_group_stats and "group", a number
   that its epochs have too. With pools, of whatever part of the process, "pools": [{...}, ...] likewise, the fields of
   zslab_pool_stats but base and hits, and "pool", a number. With samples (zslab_config.sample_every) there is also
   "samples", an object: "requests", "request_bytes" and "slot_bytes" as the sampled_ fields of global,
   "suggested_class_bytes" an array, what zslab_suggest_classes makes of them for as many classes as there are now, and
   "suggested_slot_bytes", what that table would have taken.
   in       buf, cap filled with at most cap - 1 bytes and a NUL; buf may be NULL when cap is 0
   returns  the length of the whole text without its NUL, like snprintf: cap or more means that it was cut. The next
            snapshot may be longer
   threads  any thread, not a signal handler
   cost     as zslab_stats_global three times, and the text; with samples, zslab_suggest_classes
   source   >>json                                                                  */
ZSLAB_API size_t zslab_stats_json(const zslab *z, char *buf, size_t cap);

/* zslab_stats_prometheus -- the same figures in Prometheus's text exposition format, version 0.0.4: zslab_* for the
   allocator, zslab_class_* labelled class and bytes, zslab_epoch_* labelled epoch and label (and state, for
   zslab_epoch_info), zslab_group_* labelled group (a number) and label, zslab_pool_* labelled pool (a number) and
   label. Counters end in _total. Arguments and result as
   zslab_stats_json.
   threads  as zslab_stats_json
   cost     as zslab_stats_json; a walk more for each figure where more than six classes or epochs are in use */
ZSLAB_API size_t zslab_stats_prometheus(const zslab *z, char *buf, size_t cap);

/* zslab_suggest_classes -- the table of at most max_classes size classes that wastes least for the requests remembered
   so far (zslab_config.sample_every): no other table of as many has smaller slots in all. It is advice for the next
   start, to be pasted into zslab_config.class_bytes: it ends with the largest size seen, so append what may come
   besides. Requests that no class serves are not remembered.
   out      out_class_bytes   ascending; room for max_classes
   returns  how many classes there are in it, 255 at most; 0: nothing was remembered
   threads  any thread, one at a time, others wait
   cost     O(classes x sizes x log sizes), sizes being the different multiples of 16 asked for: milliseconds
   source   >>advice                                                                */
ZSLAB_API size_t zslab_suggest_classes(const zslab *z, uint32_t *out_class_bytes, size_t max_classes);

/* zslab_profile -- which sites the live bytes come from, by the samples of zslab_config.sample_bytes: the text that
   pprof (Debian's google-pprof, --inuse_space) reads. Of every sampled object that lives a comment line,
     # epoch N age_ns N size N tag N
   then its estimate, "objects: bytes [objects: bytes] @ program counters": what it stands for among its like. Sums by
   site, by epoch or by age of epoch are sums of these lines.
   in       write    gets the text piece by piece, under no lock
   returns  ZSLAB_OK; ZSLAB_E_INVALID (write is NULL, or sample_bytes was 0), ZSLAB_E_FULL (write wanted no more)
   threads  any thread, not a signal handler; objects made or freed meanwhile may be missing
   cost     O(samples), and on Linux the process's map of libraries; a sampled object is 64 bytes, beside its site
   source   >>profile                                                               */
ZSLAB_API zslab_result zslab_profile(zslab *z, zslab_write_fn *write, void *user);

/* ---- >>api-debug -----------------------------------------------------------
   Looking for who did it: a walk over live objects, tags that say who made them, hooks and probes. Leaks are reported
   to zslab_config.on_leak.

   ZSLAB_ON_ALLOC(z, p, size)         an object was given out; size as it was asked for
   ZSLAB_ON_FREE(z, p)                it is taken back: all checks are passed, the slot is not free yet
   ZSLAB_ON_EPOCH(z, epoch, event)    a zslab_epoch_event happened to an epoch; told by the call that made it happen,
                                      at its end, under no lock

   Each of them is a statement, defined before the include wherever the implementation or ZSLAB_INLINE is; what is
   not defined costs nothing. Every object is told of once, however it was allocated or freed, the fallback's too; a
   zslab_realloc that moves frees the old one and gives out a new one; a pool's slots are not told of.
   ZSLAB_ON_ALLOC and _FREE run in the thread of the call and may ask about p (zslab_epoch_of, zslab_usable_size,
   zslab_set_tag), but allocate and free nothing of z. In ZSLAB_ON_FREE its handle is stale already, and a hardened
   allocator has zeroed it. For one address the two alternate; at a release or a reset the epoch's event stands for all
   of its objects.

   Which calls a callback may make. None runs under a lock, but for those of config.os. On other allocators: all.
     on_misuse          on z: all but zslab_destroy and zslab_check. It runs before the call that was wrong returns
     on_leak            on z: frees, queries, statistics, epoch and domain calls. At destroy: frees and queries
     on_pressure, on_dry  on z: all but zslab_destroy and zslab_thread_detach, and but ending the epoch of the call that
                        tells: what it is about to return is in there. In shared mode maybe in a signal handler
     ZSLAB_ON_ALLOC, _FREE  on z: zslab_epoch_of, _usable_size, _owns, _handle_of and _set_tag of p, and no other
     ZSLAB_ON_EPOCH     on z: all but zslab_destroy. Events of calls that overlap may be told in either order
     zslab_epoch_on_end on z: all but zslab_destroy; of an ending epoch allocations and another end are ZSLAB_E_CLOSED.
                        At destroy: frees and queries
     fallback           none of z
     capture            none of z. It runs in the allocating call
     zslab_profile's write  on z: all but zslab_destroy
     config.os          none of z; they may run under a lock
     zslab_check's visitor  on z: queries
     zslab_epoch_visit's    on z: all but zslab_destroy

   ZSLAB_PROBES puts a probe (a nop and a note, USDT) at the same places, provider zslab: alloc(z, p, size),
   free(z, p), epoch(z, epoch, event). Sizes counted: bpftrace -e 'usdt:./program:zslab:alloc { @[arg2] = count(); }' */

/* zslab_check -- visit every live object and verify the allocator's invariants.
   in       visit    NULL: verify only; non-zero from it stops the walk
   returns  ZSLAB_OK; ZSLAB_E_CORRUPT, reported to the misuse hook
   threads  no other thread may use z meanwhile
   cost     O(slots of every chunk in use)                                          */
ZSLAB_API zslab_result zslab_check(const zslab *z, zslab_visit_fn *visit, void *user);

/* zslab_set_tag -- mark a live object with a number of yours, such as the place that made it; zslab_check and
   on_leak show it. A new object has tag 0; zslab_realloc takes it along. Without ZSLAB_TAGS nothing happens.
   in       p        NULL and the fallback's are ignored; what is no live object is misuse, counted and reported
   threads  any thread, while nobody frees p
   cost     O(1). ZSLAB_TAGS itself: two bytes a slot, and a store at each allocation   */
ZSLAB_API void zslab_set_tag(zslab *z, void *p, uint16_t tag);

/* ---- >>api-short -----------------------------------------------------------
   The older style's names, argument orders and result types over the calls above, behaving as that style's code and
   tests have it. An EpochId is one of sixteen numbers, all open from the start; epoch_advance walks them in a ring and
   opens again what it comes to. What a number still drains from the lap before never mixes with its new objects.
   Domains do not allocate: they count who is inside, and close or keep. Nothing is stored inside objects.        */
#if ZSLAB_SHORT_NAMES
#if !defined(__cplusplus)
#include <stdbool.h>
#endif
#include <time.h> /* programs of that style have it, and threads, from their header */
#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

#if defined(__GNUC__) || defined(__clang__)
#define ZS__SHORT_API static inline __attribute__((__unused__))
/* relaxed: an id or a count alone; what it names is ordered by the call it is passed to */
#define ZS__SHORT_LOAD(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define ZS__SHORT_STORE(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define ZS__SHORT_CAS(p, was, v) __atomic_compare_exchange_n((p), (was), (v), 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED)
#else
#define ZS__SHORT_API static inline
/* one load, one store on 64-bit targets; epoch_advance from one thread at a time */
#define ZS__SHORT_LOAD(p) (*(const volatile uint64_t *)(p))
#define ZS__SHORT_STORE(p, v) ((void)(*(volatile uint64_t *)(p) = (v)))
#define ZS__SHORT_CAS(p, was, v)                                                                                       \
    (*(volatile uint64_t *)(p) == *(was) ? (*(volatile uint64_t *)(p) = (v), 1)                                        \
                                         : (*(was) = *(volatile uint64_t *)(p), 0))
#endif

#define SLAB_PAGE_SIZE 4096u
#define EPOCH_COUNT 16u
#define SLAB_STATS_VERSION 2
enum { ZS__SHORT_PLACES = 256, ZS__SHORT_CLASSES = 8, ZS__SHORT_BYTES = 768, ZS__SHORT_MALLOC_BYTES = 504 };

typedef uint32_t EpochId;
typedef enum EpochLifecycleState { EPOCH_ACTIVE = 0, EPOCH_CLOSING = 1 } EpochLifecycleState;

typedef struct zs__short_number {
    uint64_t epoch;                 /* zslab_epoch: what the number means now */
    uint64_t opened_ns;             /* epoch_advance came to it; 0: never */
    uint64_t inside;                /* its refcount */
    uint64_t rss_before, rss_after; /* zslab_rss_bytes around its last epoch_close */
} zs__short_number;

typedef struct SlabAllocator {
    uint64_t advances; /* so far; the current number is this modulo EPOCH_COUNT */
    uint64_t closes;   /* epoch_close calls, and their time */
    uint64_t closes_ns;
    zs__short_number numbers[EPOCH_COUNT];
    zslab_epoch records; /* holds the domains, this table, and the objects of numbers for which no place was free */
    zslab *z;            /* the allocator itself, for every other call of this header */
} SlabAllocator;

typedef struct epoch_domain {
    SlabAllocator *alloc;
    EpochId epoch_id;   /* for alloc_obj_epoch and slab_malloc_epoch */
    uint64_t epoch_era; /* the number's at create; when it has moved on, the domain closes nothing */
    uint32_t refcount;  /* how often its thread is inside */
    bool auto_close;
} epoch_domain_t;

typedef struct zs__short_scope { /* one entry into a domain, innermost first */
    epoch_domain_t *domain;
    struct zs__short_scope *below;
} zs__short_scope;

ZS__SHORT_API zslab_epoch zs__short_epoch(const SlabAllocator *a, EpochId id)
{
    return id < EPOCH_COUNT ? ZS__SHORT_LOAD(&a->numbers[id].epoch) : ZSLAB_EPOCH_NONE;
}

/* The advance that a number was opened by; 0: it is open from the start. */
ZS__SHORT_API uint64_t zs__short_era(const SlabAllocator *a, EpochId id)
{
    uint64_t advances = ZS__SHORT_LOAD(&a->advances), ago = (advances - id) % EPOCH_COUNT;
    return ago < advances ? advances - ago : 0;
}

ZS__SHORT_API void zs__short_zero(void *p, size_t bytes)
{
    unsigned char *byte = ZS__CAST(unsigned char *, p);
    for (; bytes; bytes--) *byte++ = 0;
}

/* now_ns -- zslab_now_ns. */
ZS__SHORT_API uint64_t now_ns(void) { return zslab_now_ns(); }

/* slab_object_count -- how many objects the older style puts into a page of SLAB_PAGE_SIZE: its header takes 64 bytes,
   each 32 objects 4 more. Here a chunk takes as many as fit. */
ZS__SHORT_API uint32_t slab_object_count(uint32_t obj_size)
{
    const uint32_t room = SLAB_PAGE_SIZE - 64;
    uint32_t n = obj_size ? room / obj_size : 0;
    while (n && n * obj_size + (n + 31) / 32 * 4 > room) n--;
    return n;
}

/* allocator_init -- an allocator of eight classes, 64 to 768 bytes, in the caller's struct. When it cannot be made,
   a->z is NULL and every call of it refuses. */
ZS__SHORT_API void allocator_init(SlabAllocator *a)
{
    static const uint32_t classes[ZS__SHORT_CLASSES] = {64, 96, 128, 192, 256, 384, 512, ZS__SHORT_BYTES};
    zslab_config config;
    size_t i;
    zs__short_zero(&config, sizeof config);
    zs__short_zero(a, sizeof *a);
    config.class_bytes = classes;
    config.class_count = ZS__SHORT_CLASSES;
    config.epoch_count = ZS__SHORT_PLACES;
    config.large_bytes_max = ZSLAB_LARGE_NONE;
    a->z = zslab_create(&config);
    a->records = a->z ? zslab_epoch_open(a->z, "short names") : ZSLAB_EPOCH_NONE;
    for (i = 0; a->z && i < EPOCH_COUNT; i++)
        a->numbers[i].epoch = i ? zslab_epoch_open(a->z, ZS__NULL) : zslab_epoch_current(a->z);
    if (a->z) (void)zslab_epoch_set_label(a->z, a->numbers[0].epoch, "");
}

/* allocator_destroy -- zslab_destroy; this thread is inside none of its domains any more. */
ZS__SHORT_API void allocator_destroy(SlabAllocator *a)
{
    zs__short_scope *scope = ZS__CAST(zs__short_scope *, *zslab_thread_slot());
    zslab *z = a->z;
    while (scope && scope->domain->alloc == a) scope = scope->below;
    *zslab_thread_slot() = scope;
    a->z = ZS__NULL;
    zslab_destroy(z);
}

/* slab_allocator_create -- allocator_init with the struct in it; NULL as zslab_create. */
ZS__SHORT_API SlabAllocator *slab_allocator_create(void)
{
    SlabAllocator made, *a;
    allocator_init(&made);
    if (!made.z) return ZS__NULL;
    a = ZS__CAST(SlabAllocator *, zslab_malloc_epoch(made.z, sizeof *a, made.records));
    if (a)
        *a = made;
    else
        zslab_destroy(made.z);
    return a;
}

/* slab_allocator_free -- allocator_destroy; NULL is ignored. */
ZS__SHORT_API void slab_allocator_free(SlabAllocator *a)
{
    if (a) allocator_destroy(a);
}

/* slab_malloc_epoch -- an object of 1 to 504 bytes in the epoch of that number; NULL for other sizes, and for a number
   that is closing or never was. */
ZS__SHORT_API void *slab_malloc_epoch(SlabAllocator *a, size_t size, EpochId epoch)
{
    zslab_epoch e = zs__short_epoch(a, epoch);
    return e && size <= ZS__SHORT_MALLOC_BYTES ? zslab_malloc_epoch(a->z, size, e) : ZS__NULL;
}

/* slab_free -- zslab_free; a wrong pointer changes nothing. */
ZS__SHORT_API void slab_free(SlabAllocator *a, void *p) { (void)zslab_free(a->z, p); }

/* epoch_current -- the number that epoch_advance has reached. */
ZS__SHORT_API EpochId epoch_current(SlabAllocator *a)
{
    return ZS__CAST(EpochId, ZS__SHORT_LOAD(&a->advances) % EPOCH_COUNT);
}

/* epoch_state -- of the epoch that the number means now; CLOSING also when it has drained. */
ZS__SHORT_API EpochLifecycleState epoch_state(SlabAllocator *a, EpochId epoch)
{
    zslab_epoch e = zs__short_epoch(a, epoch);
    return e && zslab_epoch_state_of(a->z, e) == ZSLAB_EPOCH_ACTIVE ? EPOCH_ACTIVE : EPOCH_CLOSING;
}

/* Shut a number: its epoch closes, but for the one that all share when every place drains. */
ZS__SHORT_API void zs__short_shut(SlabAllocator *a, EpochId id)
{
    zslab_epoch e = zs__short_epoch(a, id), was = e;
    if (e != a->records)
        (void)zslab_epoch_close(a->z, e);
    else
        (void)ZS__SHORT_CAS(&a->numbers[id].epoch, &was, ZSLAB_EPOCH_NONE);
}

/* slab_epoch_set_label -- zslab_epoch_set_label. */
ZS__SHORT_API void slab_epoch_set_label(SlabAllocator *a, EpochId epoch, const char *label)
{
    zslab_epoch e = zs__short_epoch(a, epoch);
    if (e && e != a->records && label) (void)zslab_epoch_set_label(a->z, e, label);
}

/* epoch_advance -- close the current number, go to the next: that is open afterwards, without label and refcount. When
   it was closed it means a new epoch, and what it held drains on under no number. With some 240 draining, numbers share
   an epoch. Two threads at once: one step or two. */
ZS__SHORT_API void epoch_advance(SlabAllocator *a)
{
    uint64_t at = ZS__SHORT_LOAD(&a->advances), was, e;
    EpochId id = ZS__CAST(EpochId, (at + 1) % EPOCH_COUNT);
    zs__short_number *next = &a->numbers[id];
    e = was = zs__short_epoch(a, id);
    if (a->z && epoch_state(a, id) != EPOCH_ACTIVE && (e = zslab_epoch_open(a->z, ZS__NULL)) == ZSLAB_EPOCH_NONE)
        e = a->records;
    if (e != was && !ZS__SHORT_CAS(&next->epoch, &was, e) && e != a->records)
        (void)zslab_epoch_close(a->z, e); /* another thread has opened it */
    if (!ZS__SHORT_CAS(&a->advances, &at, at + 1)) return;
    ZS__SHORT_STORE(&next->opened_ns, zslab_now_ns());
    ZS__SHORT_STORE(&next->inside, 0);
    slab_epoch_set_label(a, id, "");
    zs__short_shut(a, ZS__CAST(EpochId, at % EPOCH_COUNT));
}

ZS__SHORT_API void zs__short_add(uint64_t *count, uint64_t more)
{
    uint64_t was = ZS__SHORT_LOAD(count);
    while (!ZS__SHORT_CAS(count, &was, was + more))
        ;
}

/* epoch_close -- zslab_epoch_close, timed: new objects are refused, live ones drain. */
ZS__SHORT_API void epoch_close(SlabAllocator *a, EpochId epoch)
{
    uint64_t began = zslab_now_ns();
    if (!zs__short_epoch(a, epoch)) return;
    ZS__SHORT_STORE(&a->numbers[epoch].rss_before, zslab_rss_bytes());
    zs__short_shut(a, epoch);
    ZS__SHORT_STORE(&a->numbers[epoch].rss_after, zslab_rss_bytes());
    zs__short_add(&a->closes_ns, zslab_now_ns() - began);
    zs__short_add(&a->closes, 1);
}

/* slab_epoch_inc_refcount, _dec_refcount, _get_refcount -- the domains that are inside the number, one each, and
   whatever the program counts with it; never below 0. */
ZS__SHORT_API void slab_epoch_inc_refcount(SlabAllocator *a, EpochId epoch)
{
    if (epoch < EPOCH_COUNT) zs__short_add(&a->numbers[epoch].inside, 1);
}
ZS__SHORT_API uint64_t slab_epoch_get_refcount(SlabAllocator *a, EpochId epoch)
{
    return epoch < EPOCH_COUNT ? ZS__SHORT_LOAD(&a->numbers[epoch].inside) : 0;
}
ZS__SHORT_API void slab_epoch_dec_refcount(SlabAllocator *a, EpochId epoch)
{
    uint64_t was = slab_epoch_get_refcount(a, epoch);
    while (was && !ZS__SHORT_CAS(&a->numbers[epoch].inside, &was, was - 1))
        ;
}

/* epoch_domain_wrap -- a domain over a number, for one thread; auto_close true: the exit of the last domain inside
   closes it, and so does destroy; false: nothing does. NULL: no memory. */
ZS__SHORT_API epoch_domain_t *epoch_domain_wrap(SlabAllocator *a, EpochId epoch, bool auto_close)
{
    epoch_domain_t *d = ZS__NULL;
    if (a && a->records && epoch < EPOCH_COUNT)
        d = ZS__CAST(epoch_domain_t *, zslab_malloc_epoch(a->z, sizeof *d, a->records));
    if (!d) return ZS__NULL;
    zs__short_zero(d, sizeof *d);
    d->alloc = a;
    d->epoch_id = epoch;
    d->epoch_era = zs__short_era(a, epoch);
    d->auto_close = auto_close;
    return d;
}

/* epoch_domain_create -- epoch_domain_wrap of the current number, which it keeps. */
ZS__SHORT_API epoch_domain_t *epoch_domain_create(SlabAllocator *a)
{
    return a ? epoch_domain_wrap(a, epoch_current(a), false) : ZS__NULL;
}

/* epoch_domain_force_close -- epoch_close, while its thread is not inside and the number has not moved on. */
ZS__SHORT_API void epoch_domain_force_close(epoch_domain_t *d)
{
    if (d && !d->refcount && zs__short_era(d->alloc, d->epoch_id) == d->epoch_era) epoch_close(d->alloc, d->epoch_id);
}

/* epoch_domain_current, epoch_domain_allocator -- the innermost domain this thread is inside, of any allocator. */
ZS__SHORT_API epoch_domain_t *epoch_domain_current(void)
{
    zs__short_scope *scope = ZS__CAST(zs__short_scope *, *zslab_thread_slot());
    return scope ? scope->domain : ZS__NULL;
}
ZS__SHORT_API SlabAllocator *epoch_domain_allocator(void)
{
    epoch_domain_t *d = epoch_domain_current();
    return d ? d->alloc : ZS__NULL;
}

/* epoch_domain_enter, epoch_domain_exit -- any depth; NULL, and an exit that is not the innermost's, change nothing. */
ZS__SHORT_API void epoch_domain_enter(epoch_domain_t *d)
{
    zs__short_scope *scope = ZS__NULL;
    if (d) scope = ZS__CAST(zs__short_scope *, zslab_malloc_epoch(d->alloc->z, sizeof *scope, d->alloc->records));
    if (!scope) return;
    scope->domain = d;
    scope->below = ZS__CAST(zs__short_scope *, *zslab_thread_slot());
    *zslab_thread_slot() = scope;
    if (!d->refcount++) slab_epoch_inc_refcount(d->alloc, d->epoch_id);
}
ZS__SHORT_API void epoch_domain_exit(epoch_domain_t *d)
{
    zs__short_scope *scope = ZS__CAST(zs__short_scope *, *zslab_thread_slot());
    if (!d || !scope || scope->domain != d) return;
    *zslab_thread_slot() = scope->below;
    (void)zslab_free(d->alloc->z, scope);
    if (--d->refcount) return;
    slab_epoch_dec_refcount(d->alloc, d->epoch_id);
    if (d->auto_close && !slab_epoch_get_refcount(d->alloc, d->epoch_id)) epoch_domain_force_close(d);
}

/* epoch_domain_destroy -- forget it, closing first what it closes at exits; while its thread is inside nothing
   happens. */
ZS__SHORT_API void epoch_domain_destroy(epoch_domain_t *d)
{
    if (!d || d->refcount) return;
    if (d->auto_close) epoch_domain_force_close(d);
    (void)zslab_free(d->alloc->z, d);
}

/* read_rss_bytes_linux -- zslab_rss_bytes. */
ZS__SHORT_API uint64_t read_rss_bytes_linux(void) { return zslab_rss_bytes(); }

typedef zslab_handle SlabHandle;

/* alloc_obj_epoch -- an object of 1 to 768 bytes and its handle; NULL as slab_malloc_epoch. */
ZS__SHORT_API void *alloc_obj_epoch(SlabAllocator *a, uint32_t size, EpochId epoch, SlabHandle *out)
{
    void *p = ZS__NULL;
    zslab_epoch e = zs__short_epoch(a, epoch);
    SlabHandle h = e && size <= ZS__SHORT_BYTES ? zslab_handle_alloc(a->z, size, e, &p) : 0;
    if (out) *out = h;
    return h ? p : ZS__NULL;
}

/* free_obj -- false for a handle that is stale or malformed. */
ZS__SHORT_API bool free_obj(SlabAllocator *a, SlabHandle h) { return zslab_handle_free(a->z, h) == ZSLAB_OK; }

typedef zslab_perf PerfCounters; /* the same fields */

/* The older fields, all of them; what nothing here corresponds to stays 0. */
typedef struct SlabGlobalStats {
    uint32_t version, current_epoch, active_epoch_count, closing_epoch_count; /* current_epoch: advances so far */
    uint64_t total_slabs_allocated, total_slabs_recycled, net_slabs, rss_bytes_current;
    uint64_t estimated_slab_rss_bytes;
    uint64_t total_slow_path_hits, total_cache_overflows, total_slow_cache_miss, total_slow_epoch_closed;
    uint64_t total_madvise_calls, total_madvise_bytes, total_madvise_failures;
    uint64_t total_bitmap_alloc_cas_retries, total_bitmap_free_cas_retries, total_current_partial_cas_failures;
    uint64_t total_bitmap_alloc_attempts, total_bitmap_free_attempts, total_current_partial_cas_attempts;
} SlabGlobalStats;
typedef struct SlabClassStats {
    uint32_t version, class_index, object_size;
    uint64_t slow_path_hits, new_slab_count, list_move_partial_to_full, list_move_full_to_partial;
    uint64_t current_partial_null, current_partial_full, empty_slab_recycled, empty_slab_overflowed;
    uint64_t slow_path_cache_miss, slow_path_epoch_closed, madvise_calls, madvise_bytes, madvise_failures;
    uint64_t epoch_close_calls, epoch_close_scanned_slabs, epoch_close_recycled_slabs, epoch_close_total_ns;
    uint64_t bitmap_alloc_cas_retries, bitmap_free_cas_retries, current_partial_cas_failures;
    uint64_t bitmap_alloc_attempts, bitmap_free_attempts, current_partial_cas_attempts;
    uint64_t lock_fast_acquire, lock_contended;
    uint32_t scan_adapt_checks, scan_adapt_switches, scan_mode;
    uint64_t committed_bytes, live_bytes, empty_slabs_count;
    double avg_alloc_cas_retries_per_attempt, avg_free_cas_retries_per_attempt, current_partial_cas_failure_rate;
    double lock_contention_rate;
    uint32_t cache_size, cache_capacity, cache_overflow_len;
    uint32_t total_partial_slabs, total_full_slabs;
    double recycle_rate_pct;
    uint64_t net_slabs, estimated_rss_bytes;
} SlabClassStats;
typedef struct SlabEpochStats {
    uint32_t version, class_index, object_size;
    EpochId epoch_id;
    uint64_t epoch_era;
    EpochLifecycleState state;
    uint64_t open_since_ns, alloc_count; /* alloc_count: live objects of the class */
    char label[32];
    uint64_t rss_before_close, rss_after_close;
    uint32_t partial_slab_count, full_slab_count; /* all slabs are counted as partial */
    uint64_t estimated_rss_bytes;
    uint32_t reclaimable_slab_count;
    uint64_t reclaimable_bytes;
} SlabEpochStats;

/* get_perf_counters -- zslab_perf_counters; zeros for a class that does not exist. */
ZS__SHORT_API void get_perf_counters(SlabAllocator *a, uint32_t size_class, PerfCounters *out)
{
    if (zslab_perf_counters(a->z, size_class, out) != ZSLAB_OK) zs__short_zero(out, sizeof *out);
}

/* slab_stats_global -- zslab_stats_global under the older field names; the epochs are the sixteen numbers. */
ZS__SHORT_API void slab_stats_global(SlabAllocator *a, SlabGlobalStats *out)
{
    zslab_global_stats s;
    EpochId id;
    zslab_stats_global(a->z, &s);
    zs__short_zero(out, sizeof *out);
    out->version = SLAB_STATS_VERSION;
    out->current_epoch = ZS__CAST(uint32_t, ZS__SHORT_LOAD(&a->advances));
    for (id = 0; id < EPOCH_COUNT; id++) out->active_epoch_count += epoch_state(a, id) == EPOCH_ACTIVE;
    out->closing_epoch_count = EPOCH_COUNT - out->active_epoch_count;
    out->total_slabs_allocated = s.slabs_allocated;
    out->total_slabs_recycled = s.slabs_recycled;
    out->net_slabs = s.net_slabs;
    out->rss_bytes_current = s.rss_bytes;
    out->estimated_slab_rss_bytes = s.estimated_rss_bytes;
    out->total_slow_path_hits = s.slow_path_hits;
    out->total_cache_overflows = s.cache_overflows;
    out->total_slow_cache_miss = s.slow_path_cache_miss;
    out->total_slow_epoch_closed = s.slow_path_epoch_closed;
    out->total_madvise_calls = s.purge_calls;
    out->total_madvise_bytes = s.purge_bytes;
    out->total_madvise_failures = s.purge_failures;
    out->total_bitmap_alloc_cas_retries = s.cas_retries;
    out->total_bitmap_alloc_attempts = s.allocs;
    out->total_bitmap_free_attempts = s.frees;
}

/* slab_stats_class -- zslab_stats_class under the older field names; zeros for no such class. */
ZS__SHORT_API void slab_stats_class(SlabAllocator *a, uint32_t size_class, SlabClassStats *out)
{
    zslab_class_stats s;
    zs__short_zero(out, sizeof *out);
    if (size_class >= ZS__SHORT_CLASSES || zslab_stats_class(a->z, size_class, &s) != ZSLAB_OK) return;
    out->version = SLAB_STATS_VERSION;
    out->class_index = s.class_idx;
    out->object_size = s.object_bytes;
    out->slow_path_hits = s.perf.slow_path_hits;
    out->new_slab_count = s.perf.new_slab_count;
    out->list_move_partial_to_full = s.perf.list_move_partial_to_full;
    out->list_move_full_to_partial = s.perf.list_move_full_to_partial;
    out->current_partial_null = s.perf.current_partial_null;
    out->current_partial_full = s.perf.current_partial_full;
    out->empty_slab_recycled = s.perf.empty_slab_recycled;
    out->empty_slab_overflowed = s.perf.empty_slab_overflowed;
    out->slow_path_cache_miss = s.slow_path_cache_miss;
    out->slow_path_epoch_closed = s.slow_path_epoch_closed;
    out->madvise_calls = s.purge_calls;
    out->madvise_bytes = s.purge_bytes;
    out->madvise_failures = s.purge_failures;
    out->epoch_close_calls = ZS__SHORT_LOAD(&a->closes);
    out->epoch_close_total_ns = ZS__SHORT_LOAD(&a->closes_ns);
    out->bitmap_alloc_cas_retries = s.cas_retries;
    out->bitmap_alloc_attempts = s.allocs;
    out->bitmap_free_attempts = s.frees;
    out->committed_bytes = s.committed_bytes;
    out->live_bytes = s.live_objects * s.object_bytes;
    out->empty_slabs_count = s.empty_slabs;
    out->total_partial_slabs = ZS__CAST(uint32_t, s.partial_slabs);
    out->total_full_slabs = ZS__CAST(uint32_t, s.full_slabs);
    out->recycle_rate_pct = s.recycle_rate_pct;
    out->net_slabs = s.net_slabs;
    out->estimated_rss_bytes = s.estimated_rss_bytes;
}

/* slab_stats_epoch -- zslab_stats_epoch under the older field names; zeros for what does not exist. A number whose
   epoch has drained keeps what names it. */
ZS__SHORT_API void slab_stats_epoch(SlabAllocator *a, uint32_t size_class, EpochId epoch, SlabEpochStats *out)
{
    zslab_epoch_stats s;
    const uint64_t object_bytes = a->z ? zslab_size_class_bytes(a->z, size_class) : 0;
    size_t i;
    zs__short_zero(out, sizeof *out);
    if (!a->z || size_class >= ZS__SHORT_CLASSES || epoch >= EPOCH_COUNT) return;
    out->version = SLAB_STATS_VERSION;
    out->class_index = size_class;
    out->object_size = ZS__CAST(uint32_t, object_bytes);
    out->epoch_id = epoch;
    out->epoch_era = zs__short_era(a, epoch);
    out->state = epoch_state(a, epoch);
    out->open_since_ns = ZS__SHORT_LOAD(&a->numbers[epoch].opened_ns);
    out->rss_before_close = ZS__SHORT_LOAD(&a->numbers[epoch].rss_before);
    out->rss_after_close = ZS__SHORT_LOAD(&a->numbers[epoch].rss_after);
    if (zslab_stats_epoch(a->z, size_class, zs__short_epoch(a, epoch), &s) != ZSLAB_OK) return;
    out->alloc_count = s.live_objects;
    for (i = 0; i < sizeof out->label; i++) out->label[i] = s.label[i];
    out->partial_slab_count = ZS__CAST(uint32_t, s.slabs);
    out->estimated_rss_bytes = s.estimated_rss_bytes;
    out->reclaimable_slab_count = ZS__CAST(uint32_t, s.reclaimable_slabs);
    out->reclaimable_bytes = s.reclaimable_bytes;
}
#endif /* ZSLAB_SHORT_NAMES */

/* ---- >>api-typed -----------------------------------------------------------
   Handles of one type, in C by macros and in C++ by classes, and what else C++ may want: scopes, an allocator for
   containers, a memory resource.                                                   */

/* ZSLAB_NEW(z, T), ZSLAB_NEW_EPOCH(z, T, epoch) -- memory for a T, aligned for it: a T *, uninitialised (zslab::make
   constructs one in C++); NULL as zslab_malloc and zslab_malloc_epoch. */
#define ZSLAB_NEW(z, T) ZSLAB_NEW_EPOCH(z, T, ZSLAB_EPOCH_NONE)
/* NOLINTNEXTLINE(bugprone-macro-parentheses): T is a type, which takes none */
#define ZSLAB_NEW_EPOCH(z, T, epoch) ZS__CAST(T *, zs__new((z), (epoch), sizeof(T), ZS__ALIGNOF(T)))
#if defined(__cplusplus)
#define ZS__ALIGNOF(T) alignof(T)
#elif !defined(_MSC_VER) && __STDC_VERSION__ < 201112L
/* clang-format off */
#define ZS__ALIGNOF(T) offsetof(struct { char c; T t; }, t)
/* clang-format on */
#else
#define ZS__ALIGNOF(T) _Alignof(T)
#endif

/* bytes at a multiple of alignment; epoch ZSLAB_EPOCH_NONE: where zslab_malloc puts it. NULL: zslab_last_error(). */
static inline ZS__MAYBE_UNUSED void *zs__new(zslab *z, zslab_epoch epoch, size_t bytes, size_t alignment)
{
    if (alignment > 16 || bytes < alignment)
        return epoch ? zslab_aligned_alloc_epoch(z, alignment, bytes, epoch) : zslab_aligned_alloc(z, alignment, bytes);
    return epoch ? zslab_malloc_epoch(z, bytes, epoch) : zslab_malloc(z, bytes);
}

/* What the iteration of typed handles walks by: slabs, each of up to 64 slots. */
typedef struct zslab_slab_view {
    char *base; /* slot i is at base + i * size */
    size_t size;
    const uint32_t *words; /* their generations, which change as objects are freed */
    uint64_t name;         /* the part of a handle that they share */
    const uint64_t *round; /* atomic: stamp, until all of them end */
    const uint64_t *binds; /* atomic: bound, while no words have gone to another slab, or to another round */
    uint64_t bound;
    const uint64_t *serves; /* atomic, both: stamp and start, while the words are of this slab, in this round */
    const uintptr_t *slots;
    uintptr_t start; /* base */
    const zslab *z;  /* where the walk is */
    uint64_t stamp;
    uint32_t cls, chunk, chunks, number, count; /* count: of its slots */
} zslab_slab_view;

/* zslab_slab_first -- begin a walk over the slabs of an epoch; ZSLAB_HANDLE_EACH is what users call.
   returns  as zslab_epoch_visit, whose rules hold up to the last zslab_slab_next
   threads  as zslab_epoch_visit
   cost     one lock   */
ZSLAB_API zslab_result zslab_slab_first(zslab *z, zslab_epoch e, size_t class_idx, zslab_slab_view *at);

/* zslab_slab_next -- go to the next slab that may have an object with a handle.
   returns  0: there is none
   threads  as zslab_epoch_visit
   cost     O(chunks in use) over the whole walk   */
ZSLAB_API int zslab_slab_next(zslab_slab_view *at);

/* The generation of a slot; that its lowest bit is the slot's tells that an object with a handle lives there. */
static inline ZS__MAYBE_UNUSED uint32_t zs__view_word(const zslab_slab_view *at, unsigned slot)
{
#if defined(__GNUC__) || defined(__clang__)
    return __atomic_load_n(at->words + slot, __ATOMIC_ACQUIRE); /* acquire: pairs with zs__handle_word */
#else
    return *ZS__CAST(const volatile uint32_t *, at->words + slot);
#endif
}

/* Has what the word said ended, or is it another slab's? Whoever makes a handle has seen these stored before. */
static inline ZS__MAYBE_UNUSED int zs__view_over(const zslab_slab_view *at)
{
#if defined(__GNUC__) || defined(__clang__)
    return __atomic_load_n(at->round, __ATOMIC_RELAXED) != at->stamp ||
           (__builtin_expect(__atomic_load_n(at->binds, __ATOMIC_RELAXED) != at->bound, 0) &&
            (__atomic_load_n(at->serves, __ATOMIC_RELAXED) != at->stamp ||
             __atomic_load_n(at->slots, __ATOMIC_RELAXED) != at->start));
#else
    return *ZS__CAST(const volatile uint64_t *, at->round) != at->stamp ||
           (*ZS__CAST(const volatile uint64_t *, at->binds) != at->bound &&
            (*ZS__CAST(const volatile uint64_t *, at->serves) != at->stamp ||
             *ZS__CAST(const volatile uintptr_t *, at->slots) != at->start));
#endif
}

static inline ZS__MAYBE_UNUSED void zs__view_ahead(const char *p) /* the processor's own guess ends at holes */
{
#if defined(__GNUC__) || defined(__clang__)
    __builtin_prefetch(p, 1);
#else
    (void)p;
#endif
}

/* Typed handles in C (and C++). `entity` is a one-word type name; another type's handle does not compile.

       ZSLAB_HANDLE_DECLARE(entity);                           once, at file scope; a typedef struct whose body
                                                               follows will do, so it may hold handles of its kind
       ZSLAB_HANDLE_OF(entity) h;                              the handle type, one word of 64 bits
       h = ZSLAB_HANDLE_NEW(entity, z, epoch, &e);             e: entity *; h.value 0 on failure
       e = ZSLAB_HANDLE_GET(entity, z, h);                     entity *, NULL when stale
       ZSLAB_HANDLE_FREE(entity, z, h);                        as zslab_handle_free
       h = ZSLAB_HANDLE_FROM(entity, z, e);                    as zslab_handle_of
       h = ZSLAB_HANDLE_NONE(entity);                          value 0: no object's
       ZSLAB_HANDLE_EACH(entity, z, epoch, fn, user);          as zslab_epoch_visit: int fn(void *user, entity *e,
                                                               ZSLAB_HANDLE_OF(entity) h) for each object with a
                                                               handle in the class of an entity: keep other types of
                                                               that class in epochs of their own                  */
/* NOLINTBEGIN(bugprone-macro-parentheses): T is a type, which takes none */
#define ZSLAB_HANDLE_OF(T) struct zs__handle_of_##T
#define ZSLAB_HANDLE_NEW(T, z, e, out_p) zs__handle_new_##T((z), (e), sizeof(T), (out_p))
#define ZSLAB_HANDLE_GET(T, z, h) ZS__CAST(T *, zslab_handle_get((z), zs__handle_bits_##T(h)))
#define ZSLAB_HANDLE_FREE(T, z, h) zslab_handle_free((z), zs__handle_bits_##T(h))
#define ZSLAB_HANDLE_FROM(T, z, p) zs__handle_from_##T((z), (p))
#define ZSLAB_HANDLE_NONE(T) zs__handle_as_##T(0)
#define ZSLAB_HANDLE_EACH(T, z, e, fn, user) zs__handle_each_##T((z), (e), sizeof(T), (fn), (user))
#define ZSLAB_HANDLE_DECLARE(T)                                                                                        \
    struct zs__handle_of_##T {                                                                                         \
        zslab_handle value;                                                                                            \
    };                                                                                                                 \
    static inline ZS__MAYBE_UNUSED ZSLAB_HANDLE_OF(T) zs__handle_as_##T(zslab_handle bits)                             \
    {                                                                                                                  \
        ZSLAB_HANDLE_OF(T) h;                                                                                          \
        h.value = bits;                                                                                                \
        return h;                                                                                                      \
    }                                                                                                                  \
    static inline ZS__MAYBE_UNUSED zslab_handle zs__handle_bits_##T(ZSLAB_HANDLE_OF(T) h) { return h.value; }          \
    static inline ZS__MAYBE_UNUSED ZSLAB_HANDLE_OF(T)                                                                  \
        zs__handle_new_##T(zslab *z, zslab_epoch e, size_t bytes, T **out_p)                                           \
    {                                                                                                                  \
        void *p = ZS__NULL;                                                                                            \
        ZSLAB_HANDLE_OF(T) h = zs__handle_as_##T(zslab_handle_alloc(z, bytes, e, &p));                                 \
        if (out_p) *out_p = ZS__CAST(T *, p);                                                                          \
        return h;                                                                                                      \
    }                                                                                                                  \
    static inline ZS__MAYBE_UNUSED ZSLAB_HANDLE_OF(T) zs__handle_from_##T(const zslab *z, const T *p)                  \
    {                                                                                                                  \
        return zs__handle_as_##T(zslab_handle_of(z, p));                                                               \
    }                                                                                                                  \
    static inline ZS__MAYBE_UNUSED zslab_result zs__handle_each_##T(                                                   \
        zslab *z, zslab_epoch e, size_t bytes, int (*fn)(void *user, T *object, ZSLAB_HANDLE_OF(T) h), void *user)     \
    {                                                                                                                  \
        zslab_slab_view at;                                                                                            \
        zslab_result result = zslab_slab_first(z, e, zslab_size_class_of(z, bytes), &at);                              \
        while (result == ZSLAB_OK && zslab_slab_next(&at)) {                                                           \
            const zslab_slab_view slab = at;                                                                           \
            char *p = slab.base;                                                                                       \
            unsigned slot;                                                                                             \
            for (slot = 0; slot < slab.count; slot++, p += slab.size) {                                                \
                uint32_t word = zs__view_word(&slab, slot);                                                            \
                const uint32_t dead = (word ^ slot) & 1;                                                               \
                if (bytes > 32 || dead) zs__view_ahead(p + 32 * slab.size);                                            \
                if (!dead && !zs__view_over(&slab) &&                                                                  \
                    fn(user, ZS__CAST(T *, ZS__CAST(void *, p)),                                                       \
                       zs__handle_as_##T(slab.name + (ZS__CAST(uint64_t, word) << 10))))                               \
                    return ZSLAB_OK;                                                                                   \
            }                                                                                                          \
        }                                                                                                              \
        return result;                                                                                                 \
    }                                                                                                                  \
    struct zs__handle_of_##T /* the semicolon is the user's */
/* NOLINTEND(bugprone-macro-parentheses) */

/* zslab as C++ sees it: a class of names, one and the same in every file, whatever its switches. No object of it is
   made; the struct behind an allocator (>>layout) derives from it. What the names stand for needs ZSLAB_CPP. */
#if defined(__cplusplus)
#pragma push_macro("new") /* of who counts allocations by macros */
#pragma push_macro("delete")
#undef new
#undef delete
namespace zs__cpp {
class domain_scope;
class epoch_scope;
class pool_owner;
class pool_remote;
struct deleter;
template <class T> class unique_handle;
template <class T> class allocator;
template <class T> class heap_allocator;
} /* namespace zs__cpp */

struct zslab {
    zslab() = delete;
    ~zslab() = delete; /* zslab_destroy; a std::unique_ptr<zslab> without it does not compile */
    zslab(const zslab &) = delete;
    zslab &operator=(const zslab &) = delete;

    using domain_scope = zs__cpp::domain_scope; /* inside a domain to the end of the block */
    using epoch_scope = zs__cpp::epoch_scope;   /* an epoch of its own, released at the end of the block */
    using pool_owner = zs__cpp::pool_owner;     /* a pool; moves, does not copy */
    using pool_remote = zs__cpp::pool_remote;   /* gives its slots back from any thread; moves, does not copy */
    using deleter = zs__cpp::deleter;           /* for std::unique_ptr<T, zslab::deleter> */
    template <class T> using unique_handle = zs__cpp::unique_handle<T>;   /* owns an object by its handle */
    template <class T> using allocator = zs__cpp::allocator<T>;           /* for containers */
    template <class T> using heap_allocator = zs__cpp::heap_allocator<T>; /* the same, from an explicit heap */

    /* A T made of args, where zslab_malloc puts it, or in an epoch; nullptr, the reason in zslab_last_error().
       What T's constructor throws passes, and nothing stays allocated. */
    template <class T, class... Args> static T *make(zslab *z, Args &&...args);
    template <class T, class... Args> static T *make_epoch(zslab *z, zslab_epoch epoch, Args &&...args);
    /* Destroys what make made and frees it; nullptr is ignored. p may be of a base class with a virtual destructor. */
    template <class T> static zslab_result destroy(zslab *z, T *p);
};
#endif

#if defined(__cplusplus) && ZSLAB_CPP
#include <new>
#include <type_traits>
#if ZSLAB_CPP_PMR && !(__cplusplus >= 201703L || (defined(_MSVC_LANG) && _MSVC_LANG >= 201703L))
#error "ZSLAB_CPP_PMR needs C++17 and its <memory_resource>"
#elif ZSLAB_CPP_PMR
#include <memory_resource>
#endif
#if !defined(__cpp_exceptions) && !defined(_CPPUNWIND) && !defined(__EXCEPTIONS)
#include <exception>
#endif

namespace zs__cpp {

/* std::forward, without <utility> and its thousands of lines. */
template <class T> inline T &&pass(typename std::remove_reference<T>::type &x) noexcept { return static_cast<T &&>(x); }

/* What standard containers expect of a refusal. */
[[noreturn]] inline void refused()
{
#if defined(__cpp_exceptions) || defined(_CPPUNWIND) || defined(__EXCEPTIONS)
    throw std::bad_alloc();
#else
    std::terminate();
#endif
}

template <class T> inline void trade(T &a, T &b) noexcept
{
    T was = a;
    a = b;
    b = was;
}

/* The address that was allocated for an object known by a base class. */
template <class T> inline void *whole(T *p, std::true_type /* polymorphic */) noexcept
{
    return const_cast<void *>(dynamic_cast<const volatile void *>(p));
}
template <class T> inline void *whole(T *p, std::false_type) noexcept
{
    return const_cast<void *>(static_cast<const volatile void *>(p));
}

/* Gives memory back when a constructor throws. */
struct storage {
    zslab *z;
    void *p;
    ~storage()
    {
        if (p) zslab_free(z, p);
    }
};

struct deleter {
    zslab *z;
    deleter() noexcept : z(nullptr) {}
    explicit deleter(zslab *from) noexcept : z(from) {}
    template <class T> void operator()(T *p) const noexcept { zslab::destroy(z, p); }
};

class domain_scope {
public:
    explicit domain_scope(zslab_domain *d) noexcept : domain_(d), result_(zslab_domain_enter(d)) {}
    ~domain_scope()
    {
        if (result_ == ZSLAB_OK) zslab_domain_exit(domain_);
    }
    domain_scope(const domain_scope &) = delete;
    domain_scope &operator=(const domain_scope &) = delete;
    explicit operator bool() const noexcept { return result_ == ZSLAB_OK; } /* entered? */
    zslab_result result() const noexcept { return result_; }                /* zslab_domain_enter's answer */

private:
    zslab_domain *domain_;
    zslab_result result_;
};

class epoch_scope {
public:
    explicit epoch_scope(zslab *z, const char *label = nullptr) noexcept : z_(z), epoch_(zslab_epoch_open(z, label)) {}
    epoch_scope(epoch_scope &&other) noexcept : z_(other.z_), epoch_(other.detach()) {}
    epoch_scope &operator=(epoch_scope &&other) noexcept
    {
        epoch_scope taken(pass<epoch_scope>(other)); /* first: other may go with the epoch that is here */
        zs__cpp::trade(z_, taken.z_);
        zs__cpp::trade(epoch_, taken.epoch_);
        return *this;
    }
    ~epoch_scope()
    {
        if (epoch_ != ZSLAB_EPOCH_NONE) zslab_epoch_release(z_, epoch_);
    }
    epoch_scope(const epoch_scope &) = delete;
    epoch_scope &operator=(const epoch_scope &) = delete;
    explicit operator bool() const noexcept { return epoch_ != ZSLAB_EPOCH_NONE; } /* opened? */
    zslab_epoch epoch() const noexcept { return epoch_; }
    zslab *resource() const noexcept { return z_; }
    zslab_epoch detach() noexcept /* it stays open: the caller ends it */
    {
        zslab_epoch e = epoch_;
        epoch_ = ZSLAB_EPOCH_NONE;
        return e;
    }

private:
    zslab *z_;
    zslab_epoch epoch_;
};

/* Owns one object through its handle: destroyed and freed with it, unless the object went before, by its epoch or by
   another hand. Moves, does not copy; one of a derived class becomes one of its base, whose destructor is virtual. */
template <class T> class unique_handle {
public:
    unique_handle() noexcept = default;
    unique_handle(zslab *z, zslab_handle h) noexcept : z_(z), h_(h) {} /* takes over a handle of a live T */
    unique_handle(unique_handle &&other) noexcept : z_(other.z_), offset_(other.offset_), h_(other.release()) {}
    template <class U, class = typename std::enable_if<std::is_convertible<U *, T *>::value>::type>
    unique_handle(unique_handle<U> &&other) noexcept : z_(other.allocator())
    {
        static_assert(std::is_same<typename std::remove_cv<T>::type, typename std::remove_cv<U>::type>::value ||
                          std::has_virtual_destructor<T>::value,
                      "unique_handle<Base>: Base has a virtual destructor");
        U *object = other.get(); /* nullptr also where nothing was ever taken over */
        const char *from = object ? static_cast<char *>(zslab_handle_get(z_, other.handle())) : nullptr;
        const volatile void *to = static_cast<T *>(object);
        offset_ = from ? static_cast<const volatile char *>(to) - from : 0;
        h_ = other.release();
    }
    unique_handle &operator=(unique_handle &&other) noexcept
    {
        unique_handle taken(pass<unique_handle>(other)); /* first: other may lie in the object that is here */
        swap(taken);
        return *this;
    }
    unique_handle(const unique_handle &) = delete;
    unique_handle &operator=(const unique_handle &) = delete;
    ~unique_handle() { reset(); }

    /* A T made in an epoch; empty on failure, the reason in zslab_last_error(). What T's constructor throws passes. */
    template <class... Args> static unique_handle make(zslab *z, zslab_epoch epoch, Args &&...args)
    {
        void *p = nullptr;
        const zslab_handle h = zslab_handle_alloc(z, bytes_for(z), epoch, &p);
        storage made = {z, p};
        if (!p) return unique_handle();
        ::new (p) T(pass<Args>(args)...);
        made.p = nullptr;
        return unique_handle(z, h);
    }

    T *get() const noexcept /* nullptr: stale */
    {
        char *p = h_ ? static_cast<char *>(zslab_handle_get(z_, h_)) : nullptr;
        return p ? static_cast<T *>(static_cast<void *>(p + offset_)) : nullptr;
    }
    T *operator->() const noexcept { return get(); }
    typename std::add_lvalue_reference<T>::type operator*() const noexcept { return *get(); }
    explicit operator bool() const noexcept { return get() != nullptr; }
    zslab_handle handle() const noexcept { return h_; }
    zslab *allocator() const noexcept { return z_; }
    zslab_handle release() noexcept /* the object stays */
    {
        zslab_handle h = h_;
        h_ = 0;
        return h;
    }
    void reset() noexcept
    {
        T *p = get();
        zslab *z = z_; /* this may lie in the object */
        zslab_handle h = release();
        if (p) {
            p->~T();
            zslab_handle_free(z, h);
        }
    }
    void swap(unique_handle &other) noexcept
    {
        zs__cpp::trade(z_, other.z_);
        zs__cpp::trade(offset_, other.offset_);
        zs__cpp::trade(h_, other.h_);
    }

private:
    /* What to ask for so that a T is aligned: bytes of a class, else a large object's, which begins a chunk. */
    static std::size_t bytes_for(const zslab *z) noexcept
    {
        std::size_t idx = zslab_size_class_of(z, sizeof(T)), least = sizeof(T), have;
        for (; (have = zslab_size_class_bytes(z, idx)) != 0; idx++) {
            if ((have & (~have + 1)) >= alignof(T)) return have;
            least = have + 1;
        }
        return alignof(T) <= std::size_t(1) << ZSLAB_CHUNK_SHIFT ? least : SIZE_MAX;
    }
    zslab *z_ = nullptr;
    std::ptrdiff_t offset_ = 0; /* of the T in its object */
    zslab_handle h_ = 0;
};
template <class T> inline void swap(unique_handle<T> &a, unique_handle<T> &b) noexcept { a.swap(b); }

/* Without an epoch objects go where zslab_malloc puts them; with one they go there, and the container must not be used
   after its release. Equal allocators free each other's objects: the epoch does not matter for that. */
template <class T> class allocator {
public:
    typedef T value_type;
    typedef std::true_type propagate_on_container_move_assignment;
    typedef std::true_type propagate_on_container_swap;
    typedef std::false_type is_always_equal;

    allocator(zslab *z, zslab_epoch epoch = ZSLAB_EPOCH_NONE) noexcept : z_(z), epoch_(epoch) {}
    template <class U> allocator(const allocator<U> &other) noexcept : z_(other.resource()), epoch_(other.epoch()) {}

    T *allocate(std::size_t count)
    {
        void *p = nullptr;
        if (count <= SIZE_MAX / sizeof(T)) p = zs__new(z_, epoch_, count ? count * sizeof(T) : 1, alignof(T));
        if (!p) refused();
        return static_cast<T *>(p);
    }
    void deallocate(T *p, std::size_t) noexcept { zslab_free(z_, p); }
    zslab *resource() const noexcept { return z_; }
    zslab_epoch epoch() const noexcept { return epoch_; }

private:
    zslab *z_;
    zslab_epoch epoch_;
};
template <class T, class U> inline bool operator==(const allocator<T> &a, const allocator<U> &b) noexcept
{
    return a.resource() == b.resource();
}
template <class T, class U> inline bool operator!=(const allocator<T> &a, const allocator<U> &b) noexcept
{
    return !(a == b);
}

/* The same from an explicit heap, used by one thread at a time: zslab_heap_malloc, or _malloc_epoch with an epoch. */
template <class T> class heap_allocator {
public:
    typedef T value_type;
    typedef std::true_type propagate_on_container_move_assignment;
    typedef std::true_type propagate_on_container_swap;
    typedef std::false_type is_always_equal;

    heap_allocator(zslab_heap *heap, zslab_epoch epoch = ZSLAB_EPOCH_NONE) noexcept : heap_(heap), epoch_(epoch) {}
    template <class U>
    heap_allocator(const heap_allocator<U> &other) noexcept : heap_(other.resource()), epoch_(other.epoch())
    {
    }

    T *allocate(std::size_t count)
    {
        const std::size_t bytes = count ? count * sizeof(T) : alignof(T);
        void *p = nullptr;
        if (count > SIZE_MAX / sizeof(T))
            ; /* refused */
        else if (epoch_ == ZSLAB_EPOCH_NONE)
            p = alignof(T) > 16 ? zslab_heap_aligned_alloc(heap_, alignof(T), bytes) : zslab_heap_malloc(heap_, bytes);
        else
            p = alignof(T) > 16 ? zslab_heap_aligned_alloc_epoch(heap_, alignof(T), bytes, epoch_)
                                : zslab_heap_malloc_epoch(heap_, bytes, epoch_);
        if (!p) refused();
        return static_cast<T *>(p);
    }
    void deallocate(T *p, std::size_t) noexcept { zslab_heap_free(heap_, p); }
    zslab_heap *resource() const noexcept { return heap_; }
    zslab_epoch epoch() const noexcept { return epoch_; }

private:
    zslab_heap *heap_;
    zslab_epoch epoch_;
};
template <class T, class U> inline bool operator==(const heap_allocator<T> &a, const heap_allocator<U> &b) noexcept
{
    return a.resource() == b.resource();
}
template <class T, class U> inline bool operator!=(const heap_allocator<T> &a, const heap_allocator<U> &b) noexcept
{
    return !(a == b);
}

/* A reference through which any thread gives a pool's slots back; one for each thread, by clone. */
class pool_remote {
public:
    pool_remote() noexcept = default;
    explicit pool_remote(zslab_remote *r) noexcept : r_(r) {} /* takes over */
    pool_remote(pool_remote &&other) noexcept : r_(other.r_) { other.r_ = nullptr; }
    pool_remote &operator=(pool_remote &&other) noexcept
    {
        zslab_remote *r = other.r_;
        other.r_ = nullptr;
        zslab_remote_drop(r_);
        r_ = r;
        return *this;
    }
    ~pool_remote() { zslab_remote_drop(r_); }
    pool_remote(const pool_remote &) = delete;
    pool_remote &operator=(const pool_remote &) = delete;
    explicit operator bool() const noexcept { return r_ != nullptr; }
    zslab_remote *get() const noexcept { return r_; }
    pool_remote clone() const noexcept { return pool_remote(r_ ? zslab_remote_clone(r_) : nullptr); }
    zslab_result try_put(void *slot) const noexcept { return zslab_remote_try_free(r_, slot); }
    zslab_result put(void *slot) const noexcept { return zslab_remote_free(r_, slot); } /* waits for room */

private:
    zslab_remote *r_ = nullptr;
};

class pool_owner {
public:
    pool_owner() noexcept = default;
    explicit pool_owner(const zslab_pool_config &c) noexcept : p_(zslab_pool_create(&c)) {}
    explicit pool_owner(zslab_pool *p) noexcept : p_(p) {} /* takes over */
    pool_owner(pool_owner &&other) noexcept : p_(other.p_) { other.p_ = nullptr; }
    pool_owner &operator=(pool_owner &&other) noexcept
    {
        zslab_pool *p = other.p_;
        other.p_ = nullptr;
        zslab_pool_destroy(p_);
        p_ = p;
        return *this;
    }
    ~pool_owner() { zslab_pool_destroy(p_); }
    pool_owner(const pool_owner &) = delete;
    pool_owner &operator=(const pool_owner &) = delete;
    explicit operator bool() const noexcept { return p_ != nullptr; }
    zslab_pool *get() const noexcept { return p_; }
    void *take() noexcept { return zslab_pool_alloc(p_); } /* nullptr: full */
    zslab_result put(void *slot) noexcept { return zslab_pool_free(p_, slot); }
    std::size_t drain() noexcept { return zslab_pool_drain(p_); }
    pool_remote remote() const noexcept { return pool_remote(zslab_pool_remote(p_)); }

private:
    zslab_pool *p_ = nullptr;
};

} /* namespace zs__cpp */

template <class T, class... Args> inline T *zslab::make_epoch(zslab *z, zslab_epoch epoch, Args &&...args)
{
    zs__cpp::storage made = {z, zs__new(z, epoch, sizeof(T), alignof(T))};
    T *object = made.p ? ::new (made.p) T(zs__cpp::pass<Args>(args)...) : nullptr;
    made.p = nullptr;
    return object;
}
template <class T, class... Args> inline T *zslab::make(zslab *z, Args &&...args)
{
    return make_epoch<T>(z, ZSLAB_EPOCH_NONE, zs__cpp::pass<Args>(args)...);
}
template <class T> inline zslab_result zslab::destroy(zslab *z, T *p)
{
    void *allocated;
    if (!p) return ZSLAB_OK;
    allocated = zs__cpp::whole(p, std::integral_constant<bool, std::is_polymorphic<T>::value>());
    p->~T();
    return zslab_free(z, allocated);
}

#if ZSLAB_CPP_PMR
/* zslab_memory_resource -- zslab::allocator's like for std::pmr containers. Equal are those of one allocator and epoch,
   so that a container assigned from another moves its objects into its own lifetime. Whether another resource is of
   this class is told by its table of virtual functions: no RTTI is needed. */
class zslab_memory_resource : public std::pmr::memory_resource {
public:
    explicit zslab_memory_resource(zslab *z, zslab_epoch epoch = ZSLAB_EPOCH_NONE) noexcept : z_(z), epoch_(epoch) {}
    zslab_memory_resource(const zslab_memory_resource &) noexcept = default;
    zslab_memory_resource &operator=(const zslab_memory_resource &) noexcept = default;
    zslab *resource() const noexcept { return z_; }
    zslab_epoch epoch() const noexcept { return epoch_; }

private:
    void *do_allocate(std::size_t bytes, std::size_t alignment) override
    {
        void *p = zs__new(z_, epoch_, bytes ? bytes : 1, alignment);
        if (!p) zs__cpp::refused();
        return p;
    }
    void do_deallocate(void *p, std::size_t, std::size_t) override { zslab_free(z_, p); }
    bool do_is_equal(const std::pmr::memory_resource &other) const noexcept override
    {
        return this == &other ||
               (table(*this) == table(other) && same(static_cast<const zslab_memory_resource &>(other)));
    }
    bool same(const zslab_memory_resource &o) const noexcept { return o.z_ == z_ && o.epoch_ == epoch_; }
    static const void *table(const std::pmr::memory_resource &r) noexcept
    {
        return *static_cast<const void *const *>(static_cast<const void *>(&r));
    }
    zslab *z_;
    zslab_epoch epoch_;
};
#endif
#endif /* C++ and ZSLAB_CPP */
#if defined(__cplusplus)
#pragma pop_macro("new")
#pragma pop_macro("delete")
#endif

#endif /* ZSLAB_H */

/* ======== the private half begins: nothing below is for users to read or name ======== */
#if defined(ZSLAB_IMPLEMENTATION) || ZSLAB_INLINE
ZS__QUIET
#ifndef ZS__PRIVATE_ONCE
#define ZS__PRIVATE_ONCE

#if defined(ZS__ASSERT_INCLUDE) && !defined(assert)
#include <assert.h>
#endif

#if ZSLAB_NO_TLS && ZSLAB_INLINE
#error "ZSLAB_INLINE has nothing to inline with ZSLAB_NO_TLS: drop one of the two"
#endif

#if defined(__SANITIZE_THREAD__)
#define ZS__TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ZS__TSAN 1
#endif
#endif
#ifndef ZS__TSAN
#define ZS__TSAN 0
#endif

/* Which memory checker is told about slots (>>memcheck): 0 none, 1 AddressSanitizer, 2 MemorySanitizer, 3 memcheck. */
#if defined(__SANITIZE_ADDRESS__)
#define ZS__MEMCHECK 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ZS__MEMCHECK 1
#elif __has_feature(memory_sanitizer)
#define ZS__MEMCHECK 2
#endif
#endif
#ifndef ZS__MEMCHECK
#if ZSLAB_VALGRIND
#define ZS__MEMCHECK 3
#else
#define ZS__MEMCHECK 0
#endif
#endif

/* ---- >>atomics -------------------------------------------------------------
   One function per operation and order, for uint8_t, uint32_t, uint64_t and pointers kept as
   uintptr_t (tags: uint16_t); suffixes _u8 _u16 _u32 _u64 _ptr. Plain name: relaxed. Read-modify-writes are acq_rel, or
   seq_cst where named so. ZS__ATOMICS_INCLUDE names a file that defines the same functions, for the
   interleaving checker. Fields of 8 bytes are zs__u64: 32-bit x86 aligns uint64_t to 4 in a struct, and across two
   cache lines a load is two, a read-modify-write takes the bus.                    */
#if defined(__GNUC__) || defined(__clang__)
typedef uint64_t zs__u64 __attribute__((__aligned__(8)));
#else
typedef uint64_t zs__u64; /* aligned so on all of MSVC's machines */
#endif

#define ZS__ATOMIC static inline ZS__MAYBE_UNUSED /* no build uses all of them */
#if defined(ZS__ATOMICS_INCLUDE)
#include ZS__ATOMICS_INCLUDE
#elif defined(__GNUC__) || defined(__clang__)

/* NOLINTBEGIN(bugprone-macro-parentheses): T is a type, which takes none */
#define ZS__AT(N, p) ((zs__at_##N *)(void *)(p)) /* a whole word: clang for i386 would call a library for 8 bytes */
#define ZS__ATOMIC_FUNCTIONS(T, N)                                                                                     \
    typedef T zs__at_##N __attribute__((aligned(sizeof(T))));                                                          \
    ZS__ATOMIC T zs__load_##N(const T *p) { return __atomic_load_n(ZS__AT(N, p), __ATOMIC_RELAXED); }                  \
    ZS__ATOMIC T zs__load_acq_##N(const T *p) { return __atomic_load_n(ZS__AT(N, p), __ATOMIC_ACQUIRE); }              \
    ZS__ATOMIC T zs__load_seq_##N(const T *p) { return __atomic_load_n(ZS__AT(N, p), __ATOMIC_SEQ_CST); }              \
    ZS__ATOMIC void zs__store_##N(T *p, T v) { __atomic_store_n(ZS__AT(N, p), v, __ATOMIC_RELAXED); }                  \
    ZS__ATOMIC void zs__store_rel_##N(T *p, T v) { __atomic_store_n(ZS__AT(N, p), v, __ATOMIC_RELEASE); }              \
    ZS__ATOMIC T zs__exchange_##N(T *p, T v) { return __atomic_exchange_n(ZS__AT(N, p), v, __ATOMIC_ACQ_REL); }        \
    ZS__ATOMIC T zs__add_##N(T *p, T v) { return __atomic_fetch_add(ZS__AT(N, p), v, __ATOMIC_ACQ_REL); }              \
    ZS__ATOMIC T zs__sub_##N(T *p, T v) { return __atomic_fetch_sub(ZS__AT(N, p), v, __ATOMIC_ACQ_REL); }              \
    ZS__ATOMIC T zs__or_##N(T *p, T v) { return __atomic_fetch_or(ZS__AT(N, p), v, __ATOMIC_ACQ_REL); }                \
    ZS__ATOMIC T zs__and_##N(T *p, T v) { return __atomic_fetch_and(ZS__AT(N, p), v, __ATOMIC_ACQ_REL); }              \
    /* on failure *expected holds what was found */                                                                    \
    ZS__ATOMIC int zs__cas_##N(T *p, T *expected, T v)                                                                 \
    {                                                                                                                  \
        return __atomic_compare_exchange_n(ZS__AT(N, p), expected, v, 0, __ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE);          \
    }
/* NOLINTEND(bugprone-macro-parentheses) */
static inline void zs__fence_seq(void)
{
#if ZS__TSAN /* which knows read-modify-writes, not fences */
    static uint32_t word;
    __atomic_fetch_add(&word, 0, __ATOMIC_SEQ_CST);
#else
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}
static inline void zs__compiler_barrier(void) { __atomic_signal_fence(__ATOMIC_SEQ_CST); }

#elif defined(_MSC_VER)

#include <intrin.h>
/* /volatile:iso leaves ordering to us: a full barrier on each side is right everywhere and cheap enough off
   the fast path; on x86 the compiler barrier suffices for all but seq_cst. */
#if defined(_M_IX86) || defined(_M_X64)
#define ZS__MSVC_ORDER() _ReadWriteBarrier()
#else
#define ZS__MSVC_ORDER() __dmb(0xb)
#endif
#define ZS__ATOMIC_FUNCTIONS_MSVC(T, N, S, SUFFIX)                                                                     \
    ZS__ATOMIC T zs__load_##N(const T *p) { return *(const volatile T *)p; }                                           \
    ZS__ATOMIC T zs__load_acq_##N(const T *p)                                                                          \
    {                                                                                                                  \
        T v = *(const volatile T *)p;                                                                                  \
        ZS__MSVC_ORDER();                                                                                              \
        return v;                                                                                                      \
    }                                                                                                                  \
    ZS__ATOMIC void zs__store_##N(T *p, T v) { *(volatile T *)p = v; }                                                 \
    ZS__ATOMIC void zs__store_rel_##N(T *p, T v)                                                                       \
    {                                                                                                                  \
        ZS__MSVC_ORDER();                                                                                              \
        *(volatile T *)p = v;                                                                                          \
    }                                                                                                                  \
    ZS__ATOMIC T zs__exchange_##N(T *p, T v) { return (T)_InterlockedExchange##SUFFIX((volatile S *)p, (S)v); }        \
    ZS__ATOMIC int zs__cas_##N(T *p, T *expected, T v)                                                                 \
    {                                                                                                                  \
        T was = (T)_InterlockedCompareExchange##SUFFIX((volatile S *)p, (S)v, (S)*expected);                           \
        int done = was == *expected;                                                                                   \
        *expected = was;                                                                                               \
        return done;                                                                                                   \
    }                                                                                                                  \
    ZS__ATOMIC T zs__load_seq_##N(const T *p)                                                                          \
    {                                                                                                                  \
        return (T)_InterlockedCompareExchange##SUFFIX((volatile S *)p, 0, 0);                                          \
    }                                                                                                                  \
    ZS__ATOMIC T zs__add_##N(T *p, T v)                                                                                \
    {                                                                                                                  \
        T was = zs__load_##N(p);                                                                                       \
        while (!zs__cas_##N(p, &was, (T)(was + v)))                                                                    \
            ;                                                                                                          \
        return was;                                                                                                    \
    }                                                                                                                  \
    ZS__ATOMIC T zs__sub_##N(T *p, T v) { return zs__add_##N(p, (T)((T)0 - v)); }                                      \
    ZS__ATOMIC T zs__or_##N(T *p, T v)                                                                                 \
    {                                                                                                                  \
        T was = zs__load_##N(p);                                                                                       \
        while (!zs__cas_##N(p, &was, (T)(was | v)))                                                                    \
            ;                                                                                                          \
        return was;                                                                                                    \
    }                                                                                                                  \
    ZS__ATOMIC T zs__and_##N(T *p, T v)                                                                                \
    {                                                                                                                  \
        T was = zs__load_##N(p);                                                                                       \
        while (!zs__cas_##N(p, &was, (T)(was & v)))                                                                    \
            ;                                                                                                          \
        return was;                                                                                                    \
    }
#define ZS__ATOMIC_FUNCTIONS(T, N) ZS__ATOMIC_FUNCTIONS_##N
#define ZS__ATOMIC_FUNCTIONS_u8 ZS__ATOMIC_FUNCTIONS_MSVC(uint8_t, u8, char, 8)
#define ZS__ATOMIC_FUNCTIONS_u16 ZS__ATOMIC_FUNCTIONS_MSVC(uint16_t, u16, short, 16)
#define ZS__ATOMIC_FUNCTIONS_u32 ZS__ATOMIC_FUNCTIONS_MSVC(uint32_t, u32, long, )
#define ZS__ATOMIC_FUNCTIONS_u64 ZS__ATOMIC_FUNCTIONS_MSVC(uint64_t, u64, __int64, 64)
#if UINTPTR_MAX > 0xffffffffu
#define ZS__ATOMIC_FUNCTIONS_ptr ZS__ATOMIC_FUNCTIONS_MSVC(uintptr_t, ptr, __int64, 64)
#else
#define ZS__ATOMIC_FUNCTIONS_ptr ZS__ATOMIC_FUNCTIONS_MSVC(uintptr_t, ptr, long, )
#endif
static inline void zs__fence_seq(void)
{
    static volatile long word;
    _InterlockedExchange(&word, 0);
}
static inline void zs__compiler_barrier(void) { _ReadWriteBarrier(); }

#else
#error "zslab needs GCC, clang or MSVC atomics: add a block here for this compiler"
#endif

#ifndef ZS__ATOMICS_INCLUDE
ZS__ATOMIC_FUNCTIONS(uint8_t, u8)
ZS__ATOMIC_FUNCTIONS(uint16_t, u16)
ZS__ATOMIC_FUNCTIONS(uint32_t, u32)
ZS__ATOMIC_FUNCTIONS(uint64_t, u64)
ZS__ATOMIC_FUNCTIONS(uintptr_t, ptr)
#endif

/* ---- >>bits ----------------------------------------------------------------
   Counting bits, alignment, checked multiplication, branch hints.                  */
#if defined(__GNUC__) || defined(__clang__)
#define ZS__LIKELY(x) __builtin_expect(!!(x), 1)
#define ZS__UNLIKELY(x) __builtin_expect(!!(x), 0)
#define ZS__NOINLINE __attribute__((__noinline__))
#define ZS__COLD __attribute__((__noinline__, __cold__))
#define ZS__ASSUME(x) ((x) ? (void)0 : __builtin_unreachable())
#define ZS__ALWAYS_INLINE inline __attribute__((__always_inline__))
#define ZS__UNUSED __attribute__((__unused__))
#if defined(__x86_64__) /* the builtin fetches for reading there: one more transfer where another core has the line */
#define ZS__PREFETCH_WRITE(p) __asm__ volatile("prefetchw %0" : : "m"(*(const char *)(p)))
#else
#define ZS__PREFETCH_WRITE(p) __builtin_prefetch((p), 1)
#endif
#elif defined(_MSC_VER)
#define ZS__LIKELY(x) (x)
#define ZS__UNLIKELY(x) (x)
#define ZS__NOINLINE __declspec(noinline)
#define ZS__COLD __declspec(noinline)
#define ZS__ASSUME(x) __assume(x)
#define ZS__ALWAYS_INLINE __forceinline
#define ZS__UNUSED
#define ZS__PREFETCH_WRITE(p) ((void)(p))
#endif
#define ZS__STATIC_ASSERT(name, x) typedef char zs__assert_##name[(x) ? 1 : -1] ZS__UNUSED

static inline unsigned zs__ctz(uint64_t x) /* x != 0 */
{
#if defined(__GNUC__) || defined(__clang__)
    return (unsigned)__builtin_ctzll(x);
#else
    unsigned n = 0;
    while (!(x & 1)) {
        x >>= 1;
        n++;
    }
    return n;
#endif
}

static inline unsigned zs__top_bit(uint64_t x) /* x != 0 */
{
#if defined(__GNUC__) || defined(__clang__)
    return 63 - (unsigned)__builtin_clzll(x);
#else
    unsigned n = 0;
    while (x >>= 1) n++;
    return n;
#endif
}

static inline unsigned zs__popcount(uint64_t x)
{
#if defined(__GNUC__) || defined(__clang__)
    return (unsigned)__builtin_popcountll(x);
#else
    unsigned n = 0;
    for (; x; x &= x - 1) n++;
    return n;
#endif
}

/* The place of one of the bits set in x (x != 0), each as likely as the others; of `random` the upper half counts. */
static inline unsigned zs__any_bit(uint64_t x, uint64_t random)
{
    unsigned skip;
    for (skip = (unsigned)((random >> 32) * zs__popcount(x) >> 32); skip; skip--) x &= x - 1;
    return zs__ctz(x);
}

/* to: a power of two */
static inline size_t zs__round_up(size_t n, size_t to) { return (n + to - 1) & ~(to - 1); }

static inline int zs__is_pow2(size_t n) { return n && !(n & (n - 1)); }

/* The product, or SIZE_MAX when it does not fit (no object is that large). */
static inline size_t zs__mul_clamp(size_t a, size_t b) { return b && a > SIZE_MAX / b ? SIZE_MAX : a * b; }

/* ---- >>layout --------------------------------------------------------------
   Every struct the fast paths touch, and who may write each field. The rest of the allocator's state is
   in >>layout too, so that one place shows it all.

   [STATE-1] One byte per slot says what the slot is; it is the truth, every other record is a cache of it.
   [WORD-1]  A bit set in a slab's word: the slot is home, state FREE, in no magazine. Only the chunk's owner
             writes words (shared mode: anybody, by compare-and-swap).
   [STAMP-1] A chunk's objects exist iff its stamp equals the round of its ring place. Rounds only rise.
   [OWN-1]   A chunk changes class, epoch or owner only when all its slots are home, or its stamp is dead; and it is
             lent to nobody [LEND-1].
   [GATE-1]  Who hands out a slot marks it live first and reads the row's gate after it; who shuts the gate
             passes the asymmetric fence before it looks at states (>>epoch).
   [HINT-1]  A queued slab is a hint: only a state of ZS__REMOTE brings a slot home, each once (>>remote).
   [META-1]  States of slots that no binding of the chunk has carved yet are zero, in every region.
   [LARGE-1] An object larger than every class is a span of whole chunks: a head, whose record has one slot of state
             GUARDED or HANDLE, and tails, whose record has none and whose stamp is 0. Who takes the head's state from
             live to FREEING, by compare-and-swap, gives the span back; no other thread does.

   [ID-1]    A handle is live iff its registry entry's stamp equals the round of its place, and the entry's name and the
             slot's word add up to it: id, class and version from the name, the slot from the word, the generation from
             both. The word of a slot that is no live object with a handle names its neighbour (slot ^ 1), whose word no
             handle of that slot is ever compared with. Generations only rise. A word of 0, as memory given back to the
             system reads, names no slot at all.
   [ID-2]    A slab's hint names its registry entry, the entry's slots the slab: both, or the entry is another's. Ids
             move under the arena lock, when no slot of the slab is live. An id has one class until it is blank [ID-5].
   [ID-3]    The thread that takes a word from live to free, by compare-and-swap, frees the object; no other touches its
             state. Where it finds the round over after that, it takes the exchange back and has freed nothing [ID-7].
   [ID-4]    A slot whose generations are used up is ZS__RETIRED and never comes home: its slab is never full and its
             chunk never empty, until the round ends. Then the slab takes another id; the slot serves again.
   [ID-5]    When all ids of a page of entries are spare, their memory may go (blank ids): the highest generation of
             their words stays in the page's record, and they begin beyond it when they serve again.
   [ID-6]    Handles of two allocators: number n of a process counts its ids from n * 0.7549 * 2^22 and its generations
             from n * 0.5698 * 2^20, both modulo the same (the R2 sequence, Roberts 2018: points that keep their
             distance). Two can have a handle in common only when one has used so many ids and generations as lie
             between. Each copy of this code in the process, a ZSLAB_STATIC file's or a plugin's, counts n from a number
             that the address of its own state makes.
   [ID-7]    A slot of a dead round is in transit while its state is HANDLE and its word is not live: a thread frees it
             and saw the round alive, or its owner makes the handle. Its chunk is not bound or cleared (>>handle). */

/* The struct behind a zslab. In C they are one type. In C++ zslab is a class of names that the struct derives from
   (>>api-typed): a zs__allocator * is a zslab *, and a public entry goes the other way by zs__own. */
#ifdef __cplusplus
struct zs__allocator;
#else
typedef struct zslab zs__allocator;
#endif

/* Slot states. */
#define ZS__FREE 0    /* home, in a magazine, or in the middle of a free */
#define ZS__LIVE 1    /* plain object of an owned heap: the only state the fast path frees */
#define ZS__REMOTE 2  /* freed by a thread other than the owner, not yet home; shared mode: see zs__dead_settled */
#define ZS__HANDLE 3  /* live, made with a handle */
#define ZS__GUARDED 4 /* live; shared or hardened allocator: frees go through the cold path */
#define ZS__FREEING 5 /* being zeroed by a hardened free: still counts as live */
#define ZS__CLAIMED 6 /* shared mode: taken, its checks not done yet [SHARED-4] */
#define ZS__RETIRED 7 /* never used again: its generation is used up */
#define ZS__KEPT 8    /* freed, of a large object: its span waits for the next one as long [LARGE-6] */

#define ZS__CHUNK_BYTES ((size_t)1 << ZSLAB_CHUNK_SHIFT)
#define ZS__CHUNK_MASK (ZS__CHUNK_BYTES - 1)
#define ZS__CLASS_BYTES_MAX (ZSLAB_CHUNK_SHIFT < 16 ? ZS__CHUNK_BYTES : (size_t)65536)
#define ZS__CLASS_MAX 255 /* classes 0 to 254; ZSLAB_CLASS_LARGE stands in the table behind them */
#define ZS__MASK_WORDS (ZSLAB_CHUNK_SHIFT <= 15 ? 1 : 1 << (ZSLAB_CHUNK_SHIFT - 15))
#ifndef ZS__MAGAZINE
#define ZS__MAGAZINE 1023u /* most entries of a magazine; a chunk's worth of slots at most */
#endif
#define ZS__PLACE_MASK 0xffffu             /* ring place in an epoch id */
#define ZS__ROUND_SHIFT 6                  /* a round's low bits: its place times 64, the offset of its line */
#define ZS__ROUND_STEP ((uint64_t)1 << 22) /* from one round of a place to the next: 2^42 of them */
#define ZS__NOBODY 0xffffffffu             /* bin owner: parked, explicit or draining */
#ifndef ZS__DRAIN_MAX
#define ZS__DRAIN_MAX 16 /* slabs drained, flushed or rebound by one call */
#endif

/* Fractions for the one multiplication that divides by the slot size: 32 bits are exact for offsets below
   2^16 and sizes to 65,536, 40 bits for offsets below 2^20 (tests/unit/test_class.c walks all of them). */
#if ZSLAB_CHUNK_SHIFT <= 16
#define ZS__RECIP_BITS 32
typedef uint32_t zs__recip;
#define zs__load_recip zs__load_u32
#define zs__store_recip zs__store_u32
#else
#define ZS__RECIP_BITS 40
typedef uint64_t zs__recip;
#define zs__load_recip zs__load_u64
#define zs__store_recip zs__store_u64
#endif
#define ZS__RECIP_MASK (((uint64_t)1 << ZS__RECIP_BITS) - 1)

/* A free slot in a magazine: 16 bytes, walked by a pointer, so that a word stored and soon reloaded is
   addressed base + constant (the CPU forwards that for nothing). */
typedef struct zs__entry {
    void *p;
    uint8_t *state;
#if UINTPTR_MAX <= 0xffffffffu
    uint32_t pad[2];
#endif
} zs__entry;

/* One class of one row: one cache line. Owner only, but for current. */
typedef struct zs__bin {
    zs__entry *top; /* next free place of the magazine: bottom when empty, limit when full */
    zs__entry *limit, *bottom;
    zs__u64 avail;   /* free slots of the current slab, taken out of its word */
    char *slots;     /* slot 0 of the current slab */
    uint8_t *states; /* its state */
    uint32_t cls;
    uint32_t size;
    uint32_t current;      /* 1 + index of the current slab; 0: none. Shared mode: read by all */
    uint32_t lent;         /* 1 + the chunk that another bin has lent to it, ZS__LENT_ANY; 0: it asks for none */
#if ZSLAB_STATS > 1
    zs__u64 allocs, frees; /* by the owner */
    zs__u64 pad[6];
#endif
} zs__bin;

#define ZS__LENT_ANY 0x80000000u /* in lent: the bin has run dry since; it asks for a chunk, or for another one */
#define ZS__LENT_MOST 32u        /* slots of a lent chunk in a magazine, which are the lowest there [LEND-3] */

/* A heap's bins for one epoch. Header, then bins[1 + class_count] (the first one stays empty and stands for sizes
   without a class), then zs__bin_cold[class_count], then the magazines. */
typedef struct zs__row {
    zs__u64 gate;  /* atomic: the epoch's id while the owner may allocate, else 0. [EPOCH-2] */
    zs__u64 epoch; /* id this row serves, 0: idle. Written by the owner under lock */
    zs__u64 stamp; /* atomic: round its chunks are bound with; owner */
    zs__allocator *z;
    zslab_heap *heap;
    uint32_t owner; /* atomic: the owner's thread number, or ZS__NOBODY. Every free reads it: it stands on this
                       line, which changes seldom, and on no bin's, whose top changes with each call */
    uint32_t place;
    struct zs__row *next, *prev; /* the heap's attached or idle rows */
#if UINTPTR_MAX <= 0xffffffffu
    uint32_t fill[4];
#endif
    uint32_t lock;    /* guards the chunk lists against closers; see >>epoch */
    uint32_t swept;   /* atomic: a sweep may have purged or drained its chunks; under a claim. Or a chunk was lent,
                         or serves handles: plain bins have to look before they start again */
    zs__u64 used[4];  /* classes with chunks, a bit each; owner */
    zs__u64 plain[4]; /* of those, whose bins used one slab of one chunk, none of it home; see >>row. Owner */
    uint32_t cursor_cls, cursor_chunk; /* how far the search for live slots got; under the epoch lock */
    struct zs__row *made;              /* the row its heap made before */
    uintptr_t beside;            /* zs__row *, atomic: the next one of its place; rows_lock, or a claim [EPOCH-5] */
    struct zs__row *beside_prev; /* rows_lock */
    uint32_t acked;              /* atomic: the owner has passed a slow path since the gate was shut */
    uint32_t taken;              /* chunks were taken from it: its magazines still name their slots [TAKE-4] */
    uint32_t worth;              /* a taker found chunks without live slots in it; under the epoch lock */
    uint32_t borrows;            /* atomic: a bin of it has a chunk lent; owner */
    uint32_t bare;               /* atomic: its magazines went back, and count for nothing [TAKE-6] */
    uint32_t pad[UINTPTR_MAX <= 0xffffffffu ? 4 : 1];
} zs__row;
ZS__STATIC_ASSERT(row_lines, sizeof(zs__row) % 64 == 0 && offsetof(zs__row, lock) == 64);

/* A chunk, as frees see it: read-mostly, one 32-byte record. Written at binding, row also by closers. */
typedef struct zs__chunk {
    zs__u64 stamp;        /* round of its place when bound; 0: being rebound */
    uintptr_t states;     /* uint8_t *: state of slot 0 */
    uintptr_t row;        /* zs__row * that has its bin, or the draining row */
    zs__recip recip;      /* 2^ZS__RECIP_BITS / size, rounded up; 0: never bound */
    uint16_t bin_at, cls; /* bytes from the row to the bin; class */
} zs__chunk;

/* One thread's 40 bytes. */
typedef struct zs__tls_block {
    uintptr_t z;      /* allocator whose row stands here, + 1 if it is `counted`: zs__malloc_slow serves that;
                         cleared by its zslab_destroy */
    zs__row *row;     /* this thread's current row in it */
    zs__row *given;   /* and the row of the epoch it named last */
    uint32_t thread;  /* this thread's number; 0: it has no heap [THREAD-1] */
    uint32_t error;   /* zslab_last_error */
    uint32_t passing; /* no exit hook will run: a heap is for one call, or while inside domains [THREAD-2] */
    void *slot;       /* zslab_thread_slot */
} zs__tls_block;

/* round[place], a cache line each: a release writes one and disturbs no reader of another. */
typedef struct zs__round {
    zs__u64 word;             /* round << 22 | place << 6: equal to the stamps of live chunks */
    uintptr_t reserved_bytes; /* atomic: what zslab_reserve set aside in the place's epoch */
    zs__u64 aside;     /* atomic: metadata that came into use for the place's epoch, below a mark of its round; 0:
                          no guarantee covers it [BUDGET-5] */
    zs__u64 opened;    /* atomic: word when the place's epoch was opened; before it is ACTIVE */
    uint32_t reserved; /* 1 + first chunk: spans set aside for the epoch's large objects [SPAN-4]. Arena lock */
    uint32_t visits;   /* shared mode: entries not yet left into domains over the place's epoch; epoch lock */
    zs__u64 pad[3];
} zs__round;

typedef struct zs__class {
    uint32_t size, slots, slabs, lines; /* lines: state lines, one more than slabs when the tail needs one */
    zs__recip recip;
    uint32_t region;
    zs__u64 last_full;
} zs__class;

/* Slab metadata is laid out per region, one region for each number of lines in use: chunk i has its lines at
   first + i * lines, at head + i * lines if it is one of the head, so the place is fixed for ever and needs no
   allocation. The head of each region comes first, then what is behind the heads. */
typedef struct zs__region {
    uint32_t lines;       /* per chunk */
    uint32_t head, first; /* index of chunk 0's first slab; where it would be if all chunks were behind the head */
    uint32_t group_next, group_end; /* fresh chunks set aside, so that neighbours fill metadata pages */
    size_t committed;               /* chunks whose lines are committed */
} zs__region;
#define ZS__REGIONS_MAX 48
#define ZS__HEAD_CHUNKS 32u /* the first chunks' lines lie together, of all regions: usable by one call each kind */
#define ZS__KEPT_MOST 16u   /* spans that a heap keeps, and their bytes; more where much is committed */
#define ZS__KEPT_BYTES ((size_t)1 << 20)
#ifndef ZS__KEPT_OF
#define ZS__KEPT_OF 1024u /* of the range: at most that part of it */
#endif
#define ZS__SPAN_BINS 140u /* free spans of 1 to 63 chunks have a list for each size, then four a doubling */
#define ZS__TAG_BYTES ((size_t)ZSLAB_TAGS * 64 * sizeof(uint16_t)) /* of a slab */

typedef struct zs__hint {
    uint32_t next;  /* 1 + next slab of the inbox; the thread that set queued writes it before the push */
    uint8_t queued; /* set by exchange: the slab is in an inbox, or about to be */
    uint8_t id[3];  /* 1 + registry id of the slab, 0: it has none. [ID-2] */
} zs__hint;

typedef struct zs__chunk_cold {
    uint32_t next, prev;         /* 1 + chunk: the bin's list of chunks with free slots; owner */
    uint32_t all_next, all_prev; /* the bin's list of all its chunks; the pool. Row lock, pool lock */
    uint32_t carved, start;      /* slabs [start, start + carved) mod slabs were ever used by this binding; owner */
    uint32_t home;               /* carved slabs all of whose slots are home; owner */
    uint32_t purged_bytes;       /* atomic: given back to the system, not counted as committed */
    uint32_t flags;              /* ZS__CHUNK_*; owner */
    uint8_t mark;                /* a closer is about to look at it; under the close lock */
    uint8_t touched; /* atomic: 64ths of it that bindings before this one touched; ZS__CHUNK_LOOSE. Statistics */
    uint8_t swept;   /* atomic: its slabs' metadata was given back, but for pages others use, or ZS__SWEPT_WHOLE.
                        Statistics */
    uint8_t cached;  /* atomic: empty, and counted in z->cached_bytes */
    uint8_t drained; /* atomic: draining, found without live slots and counted */
    uint16_t held;   /* its slots in a magazine, counted by who takes chunks */
    uint8_t pooled;  /* of the pool, while that is searched; arena lock */
    uint32_t ids;    /* atomic: slabs that have a registry id; arena lock */
    uint32_t lent;   /* atomic: bins of other heaps that it is lent to: not bound again meanwhile [LEND-1] */
    zs__u64 regions; /* atomic: regions whose lines for this chunk may be resident, a bit each */
    zs__u64 mask[ZS__MASK_WORDS]; /* slabs with a word other than 0; owner */
} zs__chunk_cold;
/* In spans (>>span, >>large; arena lock): next, prev link free spans of a size, and a place's objects. all_next of the
   first chunk: how many there are; all_prev of a free span's last: 1 + first. mask[0] of a head: atomic, bytes of its
   object; home: the next on z->large_freed; held, with ZS__CHUNK_RESERVED: touched bytes of its last chunk, in 64s. */
#define ZS__CHUNK_LISTED 1u                                        /* in its bin's list of chunks with free slots */
#define ZS__CHUNK_ZERO 4u      /* in spans: its bytes that are not counted as committed read as zeros */
#define ZS__CHUNK_TAKEN 8u     /* of a head: in no list of objects; who freed it gives it back */
#define ZS__CHUNK_RESERVED 16u /* counted in its place's reserved_bytes; of a head: set aside for its place [SPAN-4] */
#define ZS__CHUNK_BARE 64u     /* in spans: no page of it has access [SPAN-5] */
#define ZS__CHUNK_LENT 32u     /* memory of heaps, rows and the like: never again an object's */
#define ZS__SWEPT_WHOLE 2      /* in swept: no page with words of its class stayed */
#define ZS__CHUNK_LOOSE 0x80u  /* in touched: the chunk left its bin for the pool, empty, while its epoch lives */

typedef struct zs__bin_cold {
    uint32_t partial;                        /* 1 + chunk: list of chunks with free slots, last in first out */
    uint32_t all, all_tail, all_count;       /* every chunk bound for this row */
    uint32_t stale, stale_tail, stale_count; /* chunks of dead rounds, to be bound again */
    uint32_t fresh;                          /* 1 + chunk that still has slabs never carved; 0: none */
    uint32_t listed; /* shared mode: 1 + head of slabs given slots back, push-only, taken whole */
    uint32_t lock;   /* shared mode: guards this struct and the chunks' cold records */
} zs__bin_cold;

/* One registry entry: a slab that serves handles, as zslab_handle_get sees it. Written under the arena lock in the
   order name, words, round, slots, stamp; read in the order size, slots, stamp, the rest. The words stand apart, 64 of
   each id: generation << 8 | ZS__WORD | slot, slot ^ 1 while it holds no object with a handle. They are raised when the
   id is bound again. */
typedef struct zs__id {
    zs__u64 stamp;   /* of the slab's chunk when it first served a handle; ZS__ID_SPARE: no slab's */
    uintptr_t slots; /* char *: slot 0 of its slab */
#if UINTPTR_MAX <= 0xffffffffu
    uint32_t pad;
#endif
    zs__u64 name;   /* handle less slot, its generation and ZS__WORD: id, first part, class, version */
    uint32_t size;  /* of its class */
    uint32_t round; /* of the stamp's place: bytes behind the first round */
} zs__id;           /* 32 bytes, see zs__handle_get_fast */
ZS__STATIC_ASSERT(id_bytes, sizeof(zs__id) == 32); /* z->id_mask; an eighth of an id's words */
#ifndef ZS__IDS_MAX
#define ZS__IDS_MAX ((uint32_t)1 << 22) /* a power of two, 64 at least */
#endif
#define ZS__ID_SPARE ((uint64_t)1 << 63)       /* or 1 + next spare id << 22: a round never reached */
#define ZS__WORD ((uint32_t)64)                /* above the slots: a word that was never written is no slot's */
#define ZS__ID_BYTES (sizeof(zs__id) + 256)    /* an id and its words */
#define ZS__ID_FIELD (((uint32_t)1 << 22) - 1) /* ids as handles have them */
#define ZS__GENERATION_END ((uint32_t)1 << 24) /* first part + a word's generation from here on: used up */

/* What happened to epochs and ZSLAB_ON_EPOCH has not been told. */
#define ZS__NEWS_MAX 8
typedef struct zs__news {
    uint32_t count;
#if ZS__HOOKS
    zslab_epoch_event event[ZS__NEWS_MAX];
    zslab_epoch epoch[ZS__NEWS_MAX];
#endif
} zs__news;

/* A soft limit crossed, or a refusal, that its thread has not told of yet. */
typedef struct zs__word_due {
    uint32_t here;     /* atomic: the thread that shall tell; 0: free. The rest is that thread's */
    zslab_result what; /* on_dry is told; ZSLAB_OK: on_pressure is */
    zslab_group *group;
    size_t bytes, limit;
    zslab_epoch epoch;
} zs__word_due;
#define ZS__WORDS_DUE 8
#define ZS__CLOSERS 8 /* that draw a number in the line of the close lock; more wait for a place in it */

/* A page of registry entries, with the words of its ids. Arena lock. [ID-5] */
typedef struct zs__id_page {
    uint32_t word;  /* blank: the highest generation of its words */
    uint32_t spare; /* ids of it that no slab has */
    uint32_t next;  /* 1 + page: of those to be given back, or of blank ones */
    uint32_t state; /* ZS__PAGE_* */
} zs__id_page;
enum { ZS__PAGE_USED, ZS__PAGE_SPARE /* to be given back */, ZS__PAGE_BLANK };

#ifdef __cplusplus
struct zs__allocator : zslab {
#else
struct zslab {
#endif
    char *base; /* objects: chunk i at base + i * chunk */
    size_t range_bytes;
    zs__chunk *chunks;
    uint8_t *states;              /* one byte per slot, 64 per slab, by slab index */
    uint64_t *words;              /* one per slab */
#if ZSLAB_TAGS
    uint16_t *tags;               /* atomic: one per slot, by the index of its state */
#endif
    uint32_t shared, always_slow; /* always_slow: no thread-local row is ever set, states may be ZS__GUARDED */
    uint32_t counted;             /* so it is, but for the sake of a profile alone: one is set, see zs__tls_is */
    uint32_t guarded;
    uint32_t id_count;      /* atomic: registry ids given out so far */
    zs__u64 id_binds;       /* atomic: how often an id was given to a slab; the arena lock guards it */
    uintptr_t id_mask, ids; /* atomic: (ids there is memory for - 1) * 32; zs__id *, at first &no_id */
    uintptr_t generations;  /* atomic: uint32_t *, 64 words of each id */
    uintptr_t id_start;     /* id 0 as handles have it, times 32 [ID-6]; constant */

    zs__chunk_cold *cold;
    zs__hint *hints;
    uint32_t chunk_count, class_count, epoch_count, region_count;
    uint32_t mask_words;                 /* of a row that has a bit per class, those in use */
    uint32_t head_slabs;                 /* indices below are of the first ZS__HEAD_CHUNKS chunks */
    const void *home;                    /* ZS__HOME of the file that made it */
    size_t row_bytes, heap_bytes;        /* of a row, a heap */
    size_t cold_offset, magazine_offset; /* in a row: cold bins, magazines */
    zslab_config config;                 /* defaults filled in */
    uint32_t flags_in_effect, owns_memory, rss_policy, fence_ready;
    uint32_t no_membarrier; /* no asymmetric fence: gates stay shut, every allocation fences for itself */
    size_t page_bytes;
    zs__u64 key; /* hardened: slot order */

    /* the meta arena and fresh chunks; guarded by arena_lock */
    uint32_t arena_lock;
    char *meta, *meta_end, *meta_top, *meta_committed; /* bump: heaps, rows, domains */
    char *reserved_meta;                               /* the reservation that holds this struct, and its length */
    size_t reserved_meta_bytes, record_committed, range_committed;
    uint32_t fresh_chunk, chunk_limit; /* first chunk never grouped; chunks usable (a buffer lends its top ones) */
    uint32_t pool, pool_count;         /* 1 + chunk: empty chunks for any class and heap */
    uint64_t *span_free;               /* a bit for each chunk, as the next four: in a free span */
    uint64_t *span_kind;               /* its record is a span's: [LARGE-1] */
    uint64_t *span_short;              /* in spans: purged_bytes is not 0 */
    uint64_t *span_bare;               /* of those: the pages that are not counted may be without access [SPAN-5] */
    uint64_t *span_head; /* atomic: its record is a large object's, live, freed or dead; others in spans are tails */
    uint32_t span_list[ZS__SPAN_BINS];              /* 1 + first chunk */
    zs__u64 span_filled[(ZS__SPAN_BINS + 63) / 64]; /* lists that are not empty */
    size_t span_idle;                               /* bytes of free spans that count as committed */
    uint32_t span_hands;                            /* atomic: spans on their way back from a purge */
    uint32_t stripped;                              /* there are bits in span_bare, or were */
    uint32_t large_dead;                            /* 1 + head: objects of ended rounds, to be given back */
    uint32_t large_freed; /* atomic: 1 + head: objects freed and not yet given back; push-only, taken whole */
    uint32_t pool_out;    /* atomic: a trim has the pool's chunks while it purges them */
    struct zslab_domain *domains_spare;
    uint32_t class_ids[ZS__CLASS_MAX + 1];    /* 1 + id: a class's ids that no slab has */
    uint32_t id_limit, retired_ids, id_ready; /* the last: entries that zslab_reserve saw to */
    char *id_area, *generation_area;          /* where a reservation has the registry */
    zs__id_page *id_pages; /* and what it knows of pages of entries; NULL: a buffer, nothing is given back */
    uint32_t spare_pages, blank_pages; /* 1 + page */
    uint32_t blank_ids;                /* atomic: of blank pages, those serving at the moment not among them */
    uint32_t blank_next;               /* 1 + id: the next of the blank page that serves at the moment; 0: none does */
    uint32_t first_part;               /* of every generation [ID-6] */
    zs__id no_id;                      /* what 64 bits of anything lead to before there is a registry */
    zs__u64 retired_slots;             /* atomic: slots whose generations are used up */
    uintptr_t reserved_bytes;          /* atomic: sum of the places': stays with its class while frees empty it */
    uintptr_t committed_bytes, cached_bytes; /* atomic; object memory that may be resident, empty part of it */
    uintptr_t metadata_bytes, used_bytes;    /* atomic; metadata in use; both, what the limits count */
    uintptr_t charged_bytes; /* atomic: used_bytes, and what groups may yet have of their guarantees [BUDGET-1] */
    zslab_group *groups, *groups_spare; /* epoch lock */
    uint32_t discardable;               /* atomic: an epoch was opened so */
    uint32_t late; /* atomic: 1 + place whose epoch drained after its close, to be swept; ~0: several */
    uint32_t group_count, group_number; /* there are, there were */
    uintptr_t metadata_fixed; /* atomic: of metadata_bytes, what is no heap's, row's, chunk's or id's. Epoch lock */
    uintptr_t soft_limit, hard_limit; /* atomic; SIZE_MAX: none */
    uint32_t sealed;                  /* atomic: zslab_seal */
    uint32_t word_count;              /* atomic: entries of words_due that are taken */
    zs__word_due words_due[ZS__WORDS_DUE];
    zs__u64 soft_crossings; /* atomic */

    /* epochs, heaps; guarded by epoch_lock */
    uint32_t epoch_lock;
    uint32_t groups_lock;
    uint32_t events;         /* atomic: rises when an epoch closes, is released, reset or found drained */
    zs__u64 current;         /* atomic: id of the current epoch */
    zs__u64 era;             /* of the last epoch opened */
    uint32_t oldest, newest; /* 1 + place: epochs that live, in the order in which they were opened */
    struct zs__ending *due, *due_last, *endings_spare; /* of drained epochs, next to be called first [END-3] */
    uint32_t endings;   /* atomic: records that were not called yet; 0: no call looks further */
    uint32_t due_by;    /* zs__here() of who calls what is due; 0: nobody */
    uint32_t ends_left; /* in a forked child: places that a thread that is gone was ending */
    struct zs__place *places;
    uint32_t place_count;                /* atomic: those that ever had an epoch; no page of others was written */
    uint32_t place_head, place_tail;     /* free ones of them, first in first out; 1 + place */
    uint32_t closing_head, closing_tail; /* places that drain, longest not looked at first; 1 + place */
#if ZS__HOOKS
    zs__news news;
#endif
    uint32_t close_next, close_turn;  /* a lock, first come first served: one closer or trim purges; guards marks */
    uint32_t close_here;              /* atomic: who has it, as in other locks [SHARED-5] */
    uint32_t close_line[ZS__CLOSERS]; /* atomic: who stands in its line or has it; 0: free */
    uint32_t heap_count;              /* atomic */
    zslab_heap *heaps;                /* every heap ever made, push-only; atomic head */
    zslab_heap *parked;
    zslab_heap *looked_at; /* the last heap whose owner was looked for, see zs__heap_forsaken */
    zslab_heap **heap_of;  /* by thread number below heap_of_count, downwards from here; atomic entries */
    uint32_t heap_of_count;
    zslab_heap *shared_heap;                          /* shared mode: the heap of everybody */
    uintptr_t shared_domain;                          /* atomic: zslab_domain *, the one entered last; epoch lock */
    struct zs__samples *samples;                      /* sizes asked for; NULL: not remembered */
    struct zs__profile *profile;                      /* sampled objects; NULL: none are */
    zs__row drain_row;                                /* row of every chunk that drains: nobody's, without bins */
    zs__u64 misuse[ZSLAB_E_CORRUPT + 1];              /* atomic, by kind */
    zs__u64 purge_calls, purge_bytes, purge_failures; /* atomic */
    zs__u64 created_ns;
    zs__u64 lock_waits;            /* atomic: takes of the arena, epoch and shared bins' locks that found them held */
    zs__allocator *next_allocator; /* every allocator of this implementation; under the global lock */

    /* last, since few pages of it are ever touched */
    zs__region regions[ZS__REGIONS_MAX];
    zs__class classes[ZS__CLASS_MAX + 1];
    uint16_t bin_of[ZS__CLASS_BYTES_MAX / 8]; /* of (size - 1) / 8: its bin, in bytes behind the empty one; 0: it */
};

/* What zslab_epoch_on_end was told. Epoch lock. */
typedef struct zs__ending {
    struct zs__ending *next; /* older; of the oldest in a ring: the newest */
    zslab_end_fn *fn;
    void *user;
    zslab_epoch epoch;
} zs__ending;
#define ZS__DEPTH_MAX 64u

/* A ring place: the epoch that has it, or had it last. Guarded by epoch_lock but for the atomic fields. */
typedef struct zs__place {
    zs__u64 id;            /* atomic: era << 16 | place; stays after the end, for the statistics */
    uint32_t state;        /* atomic: zslab_epoch_state */
    uint32_t next;         /* 1 + next free place, first in first out; see ending */
    uint32_t purging;      /* atomic: closers, frees and trims that may be purging pages of it */
    uint32_t draining;     /* atomic: chunks of a closing epoch not yet found empty (RSS policy) */
    uint8_t drained;       /* its last epoch was closed and lost its objects one by one: closing it again is fine; 2:
                              its pages are to be swept, too (RSS policy) */
    uint8_t seen;          /* closing: what owners did before the gates shut is visible [EPOCH-6] */
    uint8_t left;          /* a claim kept a row without an owner from being retired */
    uint8_t latent;        /* closing: as the latency policy does it, since the allocator was sealed */
    uint32_t domains;      /* domains over it */
    uint32_t next_closing; /* 1 + next place that drains */
    uint32_t rows_lock;    /* guards rows; gates open and shut under it [EPOCH-2] */
    zs__u64 opened_ns, rss_before_close, rss_after_close;
    char label[32];
    uintptr_t rows;       /* zs__row *, atomic: every row attached to the place, newest epoch first */
    zs__row *look;        /* closing: the search for live objects has found none in the rows before it */
    uint32_t wanted;      /* callers that wait for the last claim to end; no trim begins one meanwhile */
    uint32_t large;       /* 1 + head: its large objects, a ring. Arena lock [LARGE-2] */
    zs__u64 last_used_ns; /* atomic: a figure */
    zslab_group *group;   /* it is charged to; NULL: none */
    zs__u64 charge;       /* atomic: committed bytes of its chunks, 48 bits, below a mark of its round; 0: not counted
                             [BUDGET-3] */
    uint32_t older, younger; /* 1 + place: neighbours among the living; younger is right at every instant [FORK-4] */
    uint32_t parent;         /* 1 + place, as the next four; it outlives this one [END-1] */
    uint8_t flags;           /* ZSLAB_EPOCH_* */
    uint8_t depth;           /* epochs above it */
    uint8_t ending;          /* 1 + zslab_end: a call ends it, thread `next`; it links what it ends by next_closing */
    uint8_t later;           /* and has left it to the thread that ends its last child */
    struct zs__ending *ends, *calling; /* rings, by the oldest: to be called when it ends; being called [END-2] */
    uint32_t child, sibling; /* first child: those that are ACTIVE come first; next child of the same parent */
    uint32_t sibling_prev;   /* the first one's is the last */
    uint32_t prev_closing;
#if UINTPTR_MAX <= 0xffffffffu
    uint32_t pad[4];
#endif
} zs__place;
ZS__STATIC_ASSERT(place_bytes, sizeof(zs__place) == 192);

/* What the slow paths count for one class of one heap. */
typedef struct zs__counters {
    zs__u64 slow, new_slab, partial_to_full, full_to_partial, partial_null, current_full, recycled, overflowed;
    zs__u64 cache_miss, epoch_closed, inbox, rebind, remote_frees, remote_flushes, allocs, frees;
    zs__u64 limit, no_memory;
    zs__u64 cas_retries, purge_calls, purge_bytes, purge_failures, stray_frees; /* atomic: any thread adds */
} zs__counters;

/* Sizes asked for, in steps that a class may end at: 8, 16, 32, 48 ... the largest class. */
typedef struct zs__samples {
    zs__u64 bytes;   /* atomic: sum of the sizes */
    uint64_t *count; /* [steps] atomic: requests */
    uint32_t steps;
    uint32_t lock; /* guards the arrays below, where >>advice works: [steps + 1] each */
    uint64_t *sum, *cost, *next;
    uint32_t *top;
    uint16_t *mid, *mid_next;
} zs__samples;

/* A stack that sampled objects were made by. Epoch lock; never freed. */
typedef struct zs__site {
    struct zs__site *next;
    size_t depth;
    uintptr_t pc[1]; /* [depth] */
} zs__site;

/* A sampled object, or a record for the next one. Written under the epoch lock, read by all [PROFILE-1]. */
typedef struct zs__sampled {
    struct zs__sampled *next; /* in the bucket, for ever */
    uintptr_t p;              /* atomic: the object; 0: none. Who frees it takes it out by compare-and-swap */
    zs__u64 stamp, epoch, bytes, size, opened_ns; /* its round; what it stands for, its own size; its epoch's opening */
    uintptr_t site;                               /* zs__site *; NULL: its tag */
} zs__sampled;
#define ZS__SITE_DEPTH 32u
typedef struct zs__profile {
    uintptr_t sampled[4096]; /* zs__sampled *, atomic heads, by address */
    zs__site *sites[256];
} zs__profile;

typedef struct zs__gather {
    uint32_t slab, chunk; /* 1 + slab that this heap gave slots back to, not yet told its owner; its chunk */
} zs__gather;

typedef struct zs__scope {
    zslab_domain *domain;
    uint32_t entered; /* times in a row */
} zs__scope;
#define ZS__SCOPES_MAX 64
#define ZS__ROW_BLOCK 512u /* places whose rows a heap names side by side */
#define ZS__TAKER_AT_WORK 1u
#define ZS__TAKER_WAS_HERE 2u /* magazines name slots that are not the heap's any more */

/* Private state of one thread, or of one explicit heap. Owner only, but for the fields said to be atomic. */
struct zslab_heap {
    zs__allocator *z;
    zs__row *row;                   /* of the epoch that a plain allocation uses; NULL: look it up */
    uint32_t thread;                /* atomic: the owner's number; ZS__NOBODY when parked or explicit */
    uint32_t is_explicit;           /* made by zslab_heap_create */
    uint32_t is_parked;             /* atomic: nobody owns it; epoch lock */
    uintptr_t tls;                  /* zs__tls_block * of the owner */
    uint64_t os_thread;             /* and its name at the system, see zs__os_thread_lives */
    zslab_heap *next, *next_parked; /* every heap; parked ones */
    zs__row *attached, *idle;
    zs__row *next_unseen;
    uint32_t attached_count, idle_count, seen_events, rows_unseen;
    uint32_t todo;     /* atomic: 1 + slab: what is left of an inbox taken whole; zs__hints_drop takes it, too */
    uint32_t busy;     /* atomic: how deep its owner is in slow paths [TAKE-1] */
    uint32_t taker;    /* atomic: ZS__TAKER_*: what a taker does, or did [TAKE-1] */
    uintptr_t pops[2]; /* zs__row *, atomic: rows that fast paths pop from: current, named last [TAKE-5] */
    uint32_t scope_count;
    uint32_t dry;        /* results that on_dry was told of since the last success, a bit each; shared mode: atomic */
    zs__u64 gathered[4]; /* classes with an entry in gather */
    zs__u64 random;      /* hardened: which free slot next */
    zs__u64 requests;    /* with samples: asked for so far; shared mode: atomic */
    zs__u64 sample_left; /* bytes to the next sampled object, beside `lent`; not in shared mode */
    size_t lent;         /* of those, what zs__row_counted may hand out before it asks again */
    zs__gather *gather;  /* [class_count] */
    zs__counters *counters; /* [class_count + 1] */
    uintptr_t *row_blocks;  /* uintptr_t * by place / ZS__ROW_BLOCK, atomic: zs__row * by place, atomic: zs__row_name */
    zs__row *made;          /* every row it ever made, push-only; atomic head */
    zs__scope scopes[ZS__SCOPES_MAX];
    zs__u64 kept[ZS__KEPT_MOST]; /* spans that it kept, oldest first: chunks << 32 | head; hints [LARGE-6]. Owner */
    size_t kept_bytes;           /* of those */
    uint32_t kept_count;
    zs__u64 pad[8]; /* what others write stands on a line of its own */
    uint32_t inbox; /* atomic: 1 + head of the slabs others gave slots back to */
    uint32_t pad2[15];
};

#define ZS__GROUP_PLACES 16
struct zslab_group {
    zs__allocator *z;           /* NULL: it was destroyed; the record serves again, and stays a group's */
    zslab_group *next, *before; /* all of z's, or spare ones. Epoch lock */
    uintptr_t charged;          /* atomic: the sum of its epochs' charges [BUDGET-4] */
    uintptr_t covered;          /* atomic: that and their metadata, with a guarantee; else 0 [BUDGET-5] */
    uintptr_t soft, hard;       /* atomic; SIZE_MAX: none */
    size_t guaranteed;
    uint32_t epochs, epoch_count;      /* there are, there may be. Epoch lock */
    uint32_t number;                   /* not 0, what statistics tell it by */
    uint32_t places[ZS__GROUP_PLACES]; /* 1 + place of its epochs that live, as many as fit; 0. Epoch lock */
    char label[32];
    zs__u64 refused, discarded_epochs, discarded_bytes; /* atomic */
    zs__u64 counting, live_bytes; /* of zs__groups_walk: under groups_lock; what the last one found, atomic */
};

struct zslab_domain {
    zs__allocator *z;
    zslab_epoch epoch;
    zslab_on_exit policy;
    uint32_t owns_epoch; /* made by zslab_domain_create */
    uint32_t inside;     /* entries not yet left, all threads; epoch_lock */
    uint32_t ended;      /* an owned epoch was released: no entering again */
    uint32_t forsaken;   /* the last inside was a thread that is gone: the policy is to be applied */
    struct zslab_domain *next;
};

static ZS__ALWAYS_INLINE zs__round *zs__round_at(const zs__allocator *z, uint64_t stamp)
{
    return (zs__round *)((uintptr_t)z + ((sizeof(zs__allocator) + 63) & ~(size_t)63) +
                         (uintptr_t)(stamp & (ZS__PLACE_MASK << ZS__ROUND_SHIFT)));
}

static inline uint32_t zs__stamp_place(uint64_t stamp) { return (uint32_t)(stamp >> ZS__ROUND_SHIFT & ZS__PLACE_MASK); }

static inline uint32_t zs__places_known(const zs__allocator *z)
{
    return zs__load_acq_u32(&z->place_count); /* acquire: their records. Pairs with zs__place_first */
}

static inline uintptr_t *zs__heap_entry(const zs__allocator *z, uint32_t thread) /* downwards, see zs__plan_for */
{
    return (uintptr_t *)(void *)(z->heap_of - thread);
}

static inline zs__round *zs__round_of(const zs__allocator *z, uint64_t epoch) /* of an epoch's place, or a place */
{
    return zs__round_at(z, (epoch & ZS__PLACE_MASK) << ZS__ROUND_SHIFT);
}

#if ZSLAB_STATIC
static const char zs__home = 0; /* its address names this file's implementation */
#define ZS__HOME (&zs__home)
#else
#define ZS__HOME NULL
#endif
static ZS__ALWAYS_INLINE zs__allocator *zs__own(zslab *z)
{
    ZSLAB_ASSERT(z && "zslab: the allocator is NULL: what did zslab_create return?");
    ZSLAB_ASSERT(((zs__allocator *)z)->home == ZS__HOME && "zslab: another ZSLAB_STATIC file made it");
    return (zs__allocator *)z;
}
static ZS__ALWAYS_INLINE const zs__allocator *zs__own_const(const zslab *z)
{
    ZSLAB_ASSERT(z && "zslab: the allocator is NULL: what did zslab_create return?");
    return (const zs__allocator *)z;
}

static ZS__ALWAYS_INLINE zs__bin *zs__bin_at(zs__row *row, size_t cls)
{
    return (zs__bin *)((char *)row + sizeof(zs__row)) + 1 + cls;
}

static ZS__ALWAYS_INLINE zs__bin *zs__bin_for(const zs__allocator *z, zs__row *row, size_t size) /* 1 to the largest */
{
    return (zs__bin *)((char *)row + sizeof(zs__row) + z->bin_of[(size - 1) >> 3]);
}

static inline uint8_t *zs__slot_state(const zs__allocator *z, const void *p) /* of the object at p */
{
    size_t offset = (size_t)((const char *)p - z->base);
    const zs__chunk *c = &z->chunks[offset >> ZSLAB_CHUNK_SHIFT];
    uint64_t t = (uint64_t)(offset & ZS__CHUNK_MASK) * zs__load_recip(&c->recip);
    return (uint8_t *)zs__load_ptr(&c->states) + (uintptr_t)(t >> ZS__RECIP_BITS);
}

/* What ZSLAB_STATS 2 adds to an allocation and to a free by the owner: one writer, readers want a recent value. */
static ZS__ALWAYS_INLINE void zs__total_alloc(zs__bin *bin)
{
#if ZSLAB_STATS > 1
    zs__store_u64(&bin->allocs, zs__load_u64(&bin->allocs) + 1);
#else
    (void)bin;
#endif
}

static ZS__ALWAYS_INLINE void zs__total_free(zs__bin *bin)
{
#if ZSLAB_STATS > 1
    zs__store_u64(&bin->frees, zs__load_u64(&bin->frees) + 1);
#else
    (void)bin;
#endif
}

/* ---- >>memcheck ----------------------------------------------------------------
   What a memory checker is told: AddressSanitizer, MemorySanitizer or, with ZSLAB_VALGRIND, memcheck. Where there is
   none these functions are empty. A set is what the objects of one chunk, or of one pool, are known by together.

   [MEM-1] Of memory that holds slots only live objects may be touched, each to the end of its slot; the bytes of
           a new one are unset. The allocator itself writes there between show and hide.
   [MEM-2] The thread that holds a slot tells of it: taken before its pointer is out, freed before its state says so.
   [MEM-3] A release tells of every chunk while a claim keeps them in place (zs__epoch_tell), and a chunk that is
           bound starts as an empty set, whatever it was before.                          */
#if ZS__MEMCHECK == 1
#include <sanitizer/asan_interface.h>
#if defined(__linux__)
#include <sanitizer/lsan_interface.h>
#endif
static inline void zs__mem_hide(const void *p, size_t bytes) { __asan_poison_memory_region(p, bytes); }
static inline void zs__mem_show(const void *p, size_t bytes) { __asan_unpoison_memory_region(p, bytes); }
static inline void zs__mem_alloc(const void *set, const void *p, size_t bytes)
{
    (void)set;
    __asan_unpoison_memory_region(p, bytes);
}
static inline void zs__mem_free(const void *set, const void *p, size_t bytes)
{
    (void)set;
    __asan_poison_memory_region(p, bytes);
}
static inline void zs__mem_clear(const void *set, const void *p, size_t bytes) { zs__mem_free(set, p, bytes); }
static inline void zs__mem_forget(const void *set) { (void)set; }
/* The leak check looks for pointers in objects too. */
static inline void zs__mem_roots(const void *p, size_t bytes, int on)
{
#if defined(__linux__)
    if (on)
        __lsan_register_root_region(p, bytes);
    else
        __lsan_unregister_root_region(p, bytes);
#else
    (void)p, (void)bytes, (void)on;
#endif
}
#elif ZS__MEMCHECK == 2
#include <sanitizer/msan_interface.h>
static inline void zs__mem_hide(const void *p, size_t bytes) { __msan_poison(p, bytes); }
static inline void zs__mem_show(const void *p, size_t bytes) { __msan_unpoison(p, bytes); }
static inline void zs__mem_alloc(const void *set, const void *p, size_t bytes)
{
    (void)set;
    __msan_allocated_memory(p, bytes);
}
static inline void zs__mem_free(const void *set, const void *p, size_t bytes)
{
    (void)set;
    __msan_poison(p, bytes);
}
static inline void zs__mem_clear(const void *set, const void *p, size_t bytes) { zs__mem_free(set, p, bytes); }
static inline void zs__mem_forget(const void *set) { (void)set; }
static inline void zs__mem_roots(const void *p, size_t bytes, int on) { (void)p, (void)bytes, (void)on; }
#elif ZS__MEMCHECK == 3
#include <valgrind/memcheck.h>
static inline void zs__mem_hide(const void *p, size_t bytes) { (void)VALGRIND_MAKE_MEM_NOACCESS(p, bytes); }
static inline void zs__mem_show(const void *p, size_t bytes) { (void)VALGRIND_MAKE_MEM_DEFINED(p, bytes); }
static inline void zs__mem_alloc(const void *set, const void *p, size_t bytes)
{
    VALGRIND_MEMPOOL_ALLOC(set, p, bytes);
}
static inline void zs__mem_free(const void *set, const void *p, size_t bytes)
{
    (void)bytes;
    VALGRIND_MEMPOOL_FREE(set, p);
}
static inline void zs__mem_forget(const void *set)
{
    if (VALGRIND_MEMPOOL_EXISTS(set)) VALGRIND_DESTROY_MEMPOOL(set);
}
static inline void zs__mem_clear(const void *set, const void *p, size_t bytes)
{
    zs__mem_forget(set);
    VALGRIND_CREATE_MEMPOOL(set, 0, 0);
    zs__mem_hide(p, bytes);
}
static inline void zs__mem_roots(const void *p, size_t bytes, int on) { (void)p, (void)bytes, (void)on; }
#else
static inline void zs__mem_hide(const void *p, size_t bytes) { (void)p, (void)bytes; }
static inline void zs__mem_show(const void *p, size_t bytes) { (void)p, (void)bytes; }
static inline void zs__mem_alloc(const void *set, const void *p, size_t bytes) { (void)set, (void)p, (void)bytes; }
static inline void zs__mem_free(const void *set, const void *p, size_t bytes) { (void)set, (void)p, (void)bytes; }
static inline void zs__mem_clear(const void *set, const void *p, size_t bytes) { (void)set, (void)p, (void)bytes; }
static inline void zs__mem_forget(const void *set) { (void)set; }
static inline void zs__mem_roots(const void *p, size_t bytes, int on) { (void)p, (void)bytes, (void)on; }
#endif

/* An object of an allocator: its set is its chunk. */
static ZS__ALWAYS_INLINE void zs__mem_alloc_object(const void *p, size_t bytes)
{
    zs__mem_alloc((const void *)((uintptr_t)p & ~(uintptr_t)ZS__CHUNK_MASK), p, bytes);
}

static ZS__ALWAYS_INLINE void zs__mem_free_object(const void *p, size_t bytes)
{
    zs__mem_free((const void *)((uintptr_t)p & ~(uintptr_t)ZS__CHUNK_MASK), p, bytes);
}

/* ---- >>hooks ---------------------------------------------------------------
   What a build may want to hear of: the hooks ZSLAB_ON_*, probes for tracers, tags of slots. Empty bodies when
   switched off.

   [HOOK-1] An object is given once: after the last check of its allocation, before anybody else has its address.
            It is taken once: after the last check of its free, before a word or a state says so. An allocation
            that is undone is neither. So what is heard of one address alternates, in any order of threads.
   [HOOK-2] No hook runs under a lock or a claim. An epoch's events are told by the call that made them happen, after
            its last lock; those of calls that overlap may be told in either order.                               */
#if ZSLAB_PROBES
#include <sys/sdt.h>
#if defined(__clang__) /* its macros take `...` and are given nothing for it */
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wgnu-zero-variadic-macro-arguments"
#endif
#define ZS__PROBE2(name, a, b) DTRACE_PROBE2(zslab, name, a, b)
#define ZS__PROBE3(name, a, b, c) DTRACE_PROBE3(zslab, name, a, b, c)
#else
#define ZS__PROBE2(name, a, b) ((void)0)
#define ZS__PROBE3(name, a, b, c) ((void)0)
#endif

static inline void zs__tag_set(zs__allocator *z, const void *p, uint16_t tag) /* p: the allocator's or the fallback's */
{
#if ZSLAB_TAGS
    if ((size_t)((uintptr_t)p - (uintptr_t)z->base) < z->range_bytes)
        zs__store_u16(&z->tags[zs__slot_state(z, p) - z->states], tag); /* relaxed: its own, ordered with nothing */
#else
    (void)z, (void)p, (void)tag;
#endif
}

static inline uint16_t zs__tag_at(const zs__allocator *z, const uint8_t *state) /* of the slot with this state */
{
#if ZSLAB_TAGS
    return zs__load_u16(&z->tags[state - z->states]); /* relaxed: as above */
#else
    (void)z, (void)state;
    return 0;
#endif
}

static ZS__ALWAYS_INLINE void *zs__hook_alloc(zs__allocator *z, void *p, size_t size) /* NULL: none was; returns p */
{
    if ((ZSLAB_TAGS || ZSLAB_PROBES || ZS__HOOKS) && p) {
        zs__tag_set(z, p, 0);
        ZS__PROBE3(alloc, z, p, size);
        ZSLAB_ON_ALLOC(z, p, size);
    }
    (void)z, (void)size;
    return p;
}

static ZS__ALWAYS_INLINE void zs__hook_free(zs__allocator *z, void *p)
{
    ZS__PROBE2(free, z, p);
    ZSLAB_ON_FREE(z, p);
    (void)z, (void)p;
}

/* An event is noted under the epoch lock and told by the thread that drops that, after. [HOOK-2] */
static inline void zs__happens(zs__allocator *z, zslab_epoch e, zslab_epoch_event event)
{
    ZS__PROBE3(epoch, z, e, (int)event);
#if ZS__HOOKS
    ZSLAB_ASSERT(z->news.count < ZS__NEWS_MAX);
    z->news.epoch[z->news.count] = e;
    z->news.event[z->news.count++] = event;
#endif
    (void)z, (void)e, (void)event;
}

static inline int zs__news_room(const zs__allocator *z) /* for the few that a call makes beside those of a loop */
{
#if ZS__HOOKS
    return z->news.count + 4 <= ZS__NEWS_MAX;
#else
    return (void)z, 1;
#endif
}
#if ZSLAB_PROBES && defined(__clang__)
#pragma clang diagnostic pop
#endif

/* ---- >>fast ----------------------------------------------------------------
   The two hot functions, inline where ZSLAB_INLINE or ZSLAB_STATIC asks for it. Their slow paths are the only
   other names the library exports; the names carry the switches that change the layout, so that files compiled
   with different ones do not link.                                                 */
#define ZS__PASTE_(name, c, s, n, t, h, p, m) zslab_impl_##name##_c##c##_s##s##_n##n##_t##t##_h##h##_p##p##_m##m
#define ZS__PASTE(name, c, s, n, t, h, p, m) ZS__PASTE_(name, c, s, n, t, h, p, m)
#define ZS__ABI(name)                                                                                                  \
    ZS__PASTE(name, ZSLAB_CHUNK_SHIFT, ZSLAB_STATS, ZSLAB_NO_TLS, ZSLAB_TAGS, ZS__HOOKS, ZSLAB_PROBES, ZS__MEMCHECK)
#define zs__malloc_slow ZS__ABI(malloc_slow)
#define zs__malloc_epoch_slow ZS__ABI(malloc_epoch_slow)
#define zs__malloc_undo ZS__ABI(malloc_undo)
#define zs__free_cold ZS__ABI(free_cold)
#define zs__free_remote ZS__ABI(free_remote)
#define zs__free_drained ZS__ABI(free_drained)
#define zs__free_listed ZS__ABI(free_listed)
#define zs__handle_miss ZS__ABI(handle_miss)
#define zs__tls_words ZS__ABI(tls)

#if !ZSLAB_NO_TLS
ZSLAB_API ZS__NOINLINE void *zs__malloc_slow(zs__allocator *z, size_t size);
ZSLAB_API ZS__NOINLINE void *zs__malloc_epoch_slow(zs__allocator *z, size_t size, zslab_epoch e);
ZSLAB_API ZS__NOINLINE void *zs__malloc_undo(zs__allocator *z, size_t size, zslab_epoch e, void *p);
ZSLAB_API ZS__NOINLINE zslab_result zs__free_cold(zs__allocator *z, zslab_heap *heap, void *p);
ZSLAB_API ZS__NOINLINE zslab_result zs__free_remote(zs__allocator *z, zslab_heap *heap, zs__chunk *c, uint8_t *state,
                                                    uint64_t stamp);
ZSLAB_API ZS__NOINLINE zslab_result zs__free_drained(zs__allocator *z, zslab_heap *heap, zs__chunk *c, uint8_t *state,
                                                     uint64_t stamp);
ZSLAB_API ZS__NOINLINE zslab_result zs__free_listed(zs__allocator *z, zs__bin *bin, void *p, uint64_t was);

#if defined(ZS__TLS_INCLUDE) /* the interleaving checker: one block per simulated thread */
#include ZS__TLS_INCLUDE
#else
#if defined(_MSC_VER)
#define ZS__THREAD __declspec(thread)
#else
#define ZS__THREAD __thread
#endif
#if defined(__GNUC__) && defined(__ELF__)
#define ZS__TLS_ATTRIBUTE __attribute__((__tls_model__(ZS__TLS_MODEL(ZSLAB_TLS_MODEL))))
#else
#define ZS__TLS_ATTRIBUTE
#endif
#if ZSLAB_STATIC
static ZS__THREAD zs__tls_block zs__tls_words ZS__TLS_ATTRIBUTE;
#else
#ifdef __cplusplus
extern "C" {
#endif
extern ZS__THREAD zs__tls_block zs__tls_words ZS__TLS_ATTRIBUTE;
#ifdef __cplusplus
}
#endif
#endif
static ZS__ALWAYS_INLINE zs__tls_block *zs__tls(void) { return &zs__tls_words; }
#endif /* ZS__TLS_INCLUDE */
#endif

/* The magazine's top moves after what it stands for is stored: a slot that is out is marked, one that is in is there.
   release: pairs with the loads of zs__take_bin and zs__bin_held. [TAKE-2] */
static ZS__ALWAYS_INLINE void zs__bin_top(zs__bin *bin, zs__entry *top)
{
    zs__store_rel_ptr((uintptr_t *)(void *)&bin->top, (uintptr_t)top);
}

/* The next slot of a bin, marked `as`; NULL: neither the magazine nor the current slab has one. */
static ZS__ALWAYS_INLINE void *zs__bin_pop_as(zs__bin *bin, uint8_t as, uint8_t **state)
{
    zs__entry *top = bin->top;
    void *p;
    if (ZS__LIKELY(top != bin->bottom)) {
        --top;
        p = top->p;
        *state = top->state;
        zs__store_rel_u8(*state, as); /* release: the record. Pairs with the acquire in zs__free_fast */
        zs__bin_top(bin, top);
    } else {
        uint64_t avail = bin->avail;
        uint8_t *states = bin->states;
        size_t bytes = bin->size, slot;
        if (ZS__UNLIKELY(!avail)) return NULL;
        slot = zs__ctz(avail);
        p = bin->slots + slot * bytes;
        ZS__PREFETCH_WRITE((char *)p + bytes);
        *state = states + slot;
        zs__store_rel_u8(states + slot, as);                 /* release: as above */
        zs__store_rel_u64(&bin->avail, avail & (avail - 1)); /* release: as zs__bin_top */
    }
    ZS__ASSUME(p != NULL);
    zs__total_alloc(bin);
    zs__mem_alloc_object(p, bin->size);
    zs__compiler_barrier(); /* [GATE-1] live first, gate after: pairs with the fence of a close */
    return p;
}

static ZS__ALWAYS_INLINE void *zs__bin_pop(zs__bin *bin)
{
    uint8_t *state;
    return zs__bin_pop_as(bin, ZS__LIVE, &state);
}

#if !ZSLAB_NO_TLS
/* Push-or-list, for the owner: the magazine, or the slab's word when that is full. */
static ZS__ALWAYS_INLINE zslab_result zs__free_own(zs__allocator *z, zs__bin *bin, void *p, uint8_t *state)
{
    zs__entry *top = bin->top;
    zs__total_free(bin);
    if (ZS__LIKELY(top != bin->limit)) {
        zs__store_ptr((uintptr_t *)(void *)&top->p, (uintptr_t)p); /* relaxed, both: read by who takes chunks */
        zs__store_ptr((uintptr_t *)(void *)&top->state, (uintptr_t)state);
        zs__bin_top(bin, top + 1);
        return ZSLAB_OK;
    } else {
        size_t at = (size_t)(state - z->states), slab = at >> 6;
        uint64_t was = z->words[slab], now = was | (uint64_t)1 << (at & 63);
        zs__store_u64(&z->words[slab], now); /* relaxed: who takes chunks leaves this one [TAKE-3] */
        if (ZS__LIKELY(was != 0 && now != ~(uint64_t)0 && now != z->classes[bin->cls].last_full)) return ZSLAB_OK;
        return zs__free_listed(z, bin, p, was);
    }
}

/* free: 11 loads, 4 stores, 7 branches. Another's slot keeps its state until it is stored once, as REMOTE. Our own
   goes FREE first and the row is looked at again after: a closer that points chunks at the draining row and then
   fences has either seen the state, or we see the row. [EPOCH-3] heap: an explicit one; NULL: the thread's. */
static ZS__ALWAYS_INLINE zslab_result zs__free_fast(zs__allocator *z, zslab_heap *heap, void *p)
{
    size_t offset = (size_t)((uintptr_t)p - (uintptr_t)z->base);
    if (ZS__LIKELY(offset < z->range_bytes)) {
        zs__chunk *c = z->chunks + (offset >> ZSLAB_CHUNK_SHIFT);
        uint64_t stamp = zs__load_acq_u64(&c->stamp); /* acquire: the record it stands for. Pairs with zs__chunk_bind */
        zs__recip recip = zs__load_recip(&c->recip);
        uint64_t t = (uint64_t)(offset & ZS__CHUNK_MASK) * recip;
        uint8_t *state = (uint8_t *)(zs__load_ptr(&c->states) + (uintptr_t)(t >> ZS__RECIP_BITS));
        if (ZS__LIKELY((zs__recip)(t & ZS__RECIP_MASK) < recip && zs__load_acq_u8(state) == ZS__LIVE)) {
            if (ZS__LIKELY(stamp == zs__load_u64(&zs__round_at(z, stamp)->word))) {
                zs__row *row = (zs__row *)zs__load_ptr(&c->row);
                if (ZS__UNLIKELY(heap ? row->heap != heap
                                      : zs__load_u32(&row->owner) != zs__load_u32(&zs__tls()->thread))) {
                    /* its owner may have bound the chunk to another class in the same round, if this is a double
                       free: a live state is then of the new binding, and the record behind it is the new one */
                    if (ZS__UNLIKELY(zs__load_recip(&c->recip) != recip)) return zs__free_cold(z, heap, p);
                    zs__hook_free(z, p);
                    return zs__free_remote(z, heap, c, state, stamp);
                }
                zs__hook_free(z, p);
                if (ZS__MEMCHECK) zs__mem_free_object(p, z->classes[zs__load_u16(&c->cls)].size);
                zs__store_u8(state, ZS__FREE);
                zs__compiler_barrier(); /* [EPOCH-3] pairs with the second fence of a close */
                if (ZS__LIKELY(zs__load_ptr(&c->row) == (uintptr_t)row)) /* ours: no other thread changes its class */
                    return zs__free_own(z, (zs__bin *)((char *)row + zs__load_u16(&c->bin_at)), p, state);
                return zs__free_drained(z, heap, c, state, stamp);
            }
        }
    }
    return zs__free_cold(z, heap, p);
}

/* From an open row: 7 loads, 2 stores, 3 branches when the magazine has a slot. e: the epoch asked for, 0: the
   row's, whichever it is. */
static ZS__ALWAYS_INLINE void *zs__row_malloc(zs__allocator *z, zs__row *row, size_t size, zslab_epoch e)
{
    void *p = zs__bin_pop(zs__bin_for(z, row, size));
    uint64_t gate;
    if (ZS__UNLIKELY(!p)) return e ? zs__malloc_epoch_slow(z, size, e) : zs__malloc_slow(z, size);
    gate = zs__load_u64(&row->gate);
    if (ZS__LIKELY(e ? gate == e : gate != 0)) return p;
    return zs__malloc_undo(z, size, e, p);
}

static ZS__ALWAYS_INLINE void *zs__malloc_fast(zs__allocator *z, size_t size)
{
    zs__tls_block *tls = zs__tls();
    if (ZS__LIKELY(zs__load_ptr(&tls->z) == (uintptr_t)z && size - 1 < ZS__CLASS_BYTES_MAX))
        return zs__row_malloc(z, tls->row, size, ZSLAB_EPOCH_NONE);
    return zs__malloc_slow(z, size);
}

/* The gate is read twice: before, or a slot of another epoch would flash live; after, as every allocation does. */
static ZS__ALWAYS_INLINE void *zs__malloc_epoch_fast(zs__allocator *z, size_t size, zslab_epoch e)
{
    zs__tls_block *tls = zs__tls();
    if (ZS__LIKELY(zs__load_ptr(&tls->z) == (uintptr_t)z && size - 1 < ZS__CLASS_BYTES_MAX && e &&
                   zs__load_u64(&tls->given->gate) == e))
        return zs__row_malloc(z, tls->given, size, e);
    return zs__malloc_epoch_slow(z, size, e);
}

static ZS__ALWAYS_INLINE void *zs__malloc_public(zs__allocator *z, size_t size)
{
    return zs__hook_alloc(z, zs__malloc_fast(z, size), size);
}

static ZS__ALWAYS_INLINE void *zs__malloc_epoch_public(zs__allocator *z, size_t size, zslab_epoch e)
{
    return zs__hook_alloc(z, zs__malloc_epoch_fast(z, size, e), size);
}
#endif /* !ZSLAB_NO_TLS */

/* [ID-1] Is a handle live that leads to entry e and words w? Read after the entry's slots. A handle that was stale
   at the call never passes: an entry shows a new slab only with higher words; else its word or its round has risen. */
static ZS__ALWAYS_INLINE int zs__handle_live(const zs__allocator *z, zslab_handle h, const zs__id *e, const uint32_t *w)
{
    uint64_t stamp = zs__load_acq_u64(&e->stamp); /* acquire: the rest before it. Pairs with zs__id_bind */
    uintptr_t round = (uintptr_t)zs__round_at(z, 0) + zs__load_u32(&e->round);
    if (ZS__UNLIKELY(stamp != zs__load_u64(&((const zs__round *)round)->word))) /* relaxed: the rest only rises */
        return 0;
    return zs__load_u64(&e->name) + ((uint64_t)zs__load_u32(w + ((size_t)(h >> 10) & 63)) << 10) == h;
}

ZSLAB_API ZS__COLD void *zs__handle_miss(const zs__allocator *z, zslab_handle h);

/* get: 11 loads, 2 branches. The mask keeps any 64 bits inside the registry; another id's name tells them apart. */
static ZS__ALWAYS_INLINE void *zs__handle_get_fast(const zs__allocator *z, zslab_handle h)
{
    /* acquire: pairs with zs__registry_grow */
    size_t at = ((size_t)(h >> 37) - z->id_start) & zs__load_acq_ptr(&z->id_mask);
    const zs__id *e = (const zs__id *)(zs__load_acq_ptr(&z->ids) + at); /* acquire: the same */
    const uint32_t *w = (const uint32_t *)(zs__load_ptr(&z->generations) + at * 8);
    size_t size = zs__load_acq_u32(&e->size); /* acquire, both: older than the stamp. Pair with zs__id_bind */
    char *slots = (char *)zs__load_acq_ptr(&e->slots);
    if (ZS__LIKELY(zs__handle_live(z, h, e, w))) {
        char *p = slots + ((size_t)(h >> 10) & 63) * size;
        ZS__ASSUME(p != NULL); /* who asks need not be told again */
        return p;
    }
    return zs__handle_miss(z, h);
}

#if (ZSLAB_INLINE || ZSLAB_STATIC) && !ZSLAB_NO_TLS
/* The names stay functions for code that takes their address. */
#define zslab_malloc(z, size) zs__malloc_public(zs__own(z), (size))
#define zslab_malloc_epoch(z, size, epoch) zs__malloc_epoch_public(zs__own(z), (size), (epoch))
#define zslab_free(z, p) zs__free_fast(zs__own(z), NULL, (p))
#endif
#if ZSLAB_INLINE || ZSLAB_STATIC
#define zslab_handle_get(z, h) zs__handle_get_fast(zs__own_const(z), (h))
#endif

#endif /* ZS__PRIVATE_ONCE */
#endif /* ZSLAB_IMPLEMENTATION || ZSLAB_INLINE */

/* ======== the implementation: in one file of the program ======== */
#if defined(ZSLAB_IMPLEMENTATION) && !defined(ZS__IMPLEMENTED)
#define ZS__IMPLEMENTED

/* ---- >>platform ------------------------------------------------------------
   What the rooms below ask of a system, then one block each for POSIX, Windows and none:
     zs__os_page_bytes()                   page size
     zs__os_reserve/commit/purge/release   the four hooks of zslab_os; user is ignored
     zs__os_uncommit(p, bytes)             pages without contents lose their access, and count for no limit of data
                                           until they are committed again; 0 = done
     zs__os_huge, _numa_local, _lock       ask for 2 MiB pages, for the toucher's node, for residence in
                                           RAM; 0 = done
     zs__os_small                          ask for small pages only
     zs__os_fence_ready, zs__os_fence      the asymmetric fence: every thread of the process passes a full
                                           barrier before it returns; ready: 0 = usable
     zs__os_on_thread_exit(on)             arrange (1) or end (0) calls of zs__thread_exited; 0 = done
     zs__os_arm_thread_exit()              this thread wants that call; 0 = it will come, unless the thread's exit
                                           calls all have run
     zs__os_thread(), zs__os_thread_lives(thread)   this thread; 0: it is gone for certain
     zs__os_fork_word()                    a word that reads 0 in a forked child once set to 1; NULL: none,
                                           then zs__os_process_id() changes there
     zs__os_now_ns(), _rss(), _random()
     zs__os_yield()                        let others run, those of lower priority too (Linux)
     zs__os_wait(word, value)              sleep a millisecond or so, or not at all when *word is not value
   Locks are words of our own (0 free, else who holds it): no initialiser, trylock, a release that is one store, and
   a forked child can reset them; a signal handler can tell that it interrupted the holder. Holds are short, so a
   waiter spins, yields, then naps; a nap lets a holder of lower priority run.
   errno is the program's: what calls the system, or a hook, puts it back.              */
static ZS__UNUSED void zs__thread_exited(void); /* >>heap: park what this thread owns */
#if ZSLAB_NO_OS
static inline int zs__errno(void) { return 0; }
static inline void zs__errno_back(int saved) { (void)saved; }
#else
#include <errno.h>
static inline int zs__errno(void) { return errno; }
static inline void zs__errno_back(int saved) { errno = saved; }
#endif

#if defined(ZS__PLATFORM_INCLUDE) /* the interleaving checker: a system of its own */
#include ZS__PLATFORM_INCLUDE
#elif ZSLAB_NO_OS

/* A buffer is all there is; nothing can be asked for, so nothing is refused. */
static size_t zs__os_page_bytes(void) { return 4096; }
static void *zs__os_reserve(void *user, size_t bytes, size_t alignment)
{
    (void)user, (void)bytes, (void)alignment;
    return NULL;
}
static int zs__os_commit(void *user, void *p, size_t bytes) { return (void)user, (void)p, (void)bytes, 0; }
static int zs__os_purge(void *user, void *p, size_t bytes) { return (void)user, (void)p, (void)bytes, -1; }
static int zs__os_uncommit(void *p, size_t bytes) { return (void)p, (void)bytes, -1; }
static void zs__os_release(void *user, void *p, size_t bytes) { (void)user, (void)p, (void)bytes; }
static int zs__os_huge(void *p, size_t bytes) { return (void)p, (void)bytes, -1; }
static int zs__os_numa_local(void *p, size_t bytes) { return (void)p, (void)bytes, -1; }
static int zs__os_lock(void *p, size_t bytes) { return (void)p, (void)bytes, -1; }
static int zs__os_fence_ready(void) { return -1; }
static void zs__os_fence(void) {}
static int zs__os_on_thread_exit(int on) { return (void)on, 0; }
static ZS__UNUSED int zs__os_arm_thread_exit(void) { return 0; }
static uint32_t *zs__os_fork_word(int on) { return (void)on, (uint32_t *)NULL; }
static uint64_t zs__os_process_id(void) { return 1; }
static void zs__os_yield(void) {}
static uint64_t zs__os_now_ns(void) { return 0; }
static uint64_t zs__os_rss(void) { return 0; }
static uint64_t zs__os_random(void) { return UINT64_C(0x9e3779b97f4a7c15); }
static void zs__os_wait(uint32_t *word, uint32_t value) { (void)word, (void)value; }

#elif defined(_WIN32)

/* As little as it offers, and without its min and max; what was not defined before is not afterwards. */
#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#define ZS__UNDO_LEAN
#endif
#ifndef NOMINMAX
#define NOMINMAX
#define ZS__UNDO_NOMINMAX
#endif
#include <windows.h>
#include <psapi.h>
#ifdef ZS__UNDO_LEAN
#undef WIN32_LEAN_AND_MEAN
#endif
#ifdef ZS__UNDO_NOMINMAX
#undef NOMINMAX
#endif
#include <string.h>

static size_t zs__os_page_bytes(void)
{
    SYSTEM_INFO info;
    GetSystemInfo(&info);
    return info.dwPageSize;
}

/* VirtualAlloc aligns to 64 KiB; a larger alignment reserves, looks and reserves again at a fitting place. */
static void *zs__os_reserve(void *user, size_t bytes, size_t alignment)
{
    int tries;
    (void)user;
    for (tries = 0; tries < 16 && bytes + alignment > bytes; tries++) {
        char *p = (char *)VirtualAlloc(NULL, bytes + alignment, MEM_RESERVE, PAGE_NOACCESS);
        char *fit;
        if (!p) return NULL;
        fit = (char *)zs__round_up((size_t)p, alignment);
        VirtualFree(p, 0, MEM_RELEASE);
        p = (char *)VirtualAlloc(fit, bytes, MEM_RESERVE, PAGE_NOACCESS);
        if (p) return p;
    }
    return NULL;
}

static int zs__os_commit(void *user, void *p, size_t bytes)
{
    (void)user;
    return VirtualAlloc(p, bytes, MEM_COMMIT, PAGE_READWRITE) ? 0 : -1;
}

/* MEM_RESET keeps the range readable with old or zero contents; unlocking takes it out of the working set. */
static int zs__os_purge(void *user, void *p, size_t bytes)
{
    (void)user;
    if (!VirtualAlloc(p, bytes, MEM_RESET, PAGE_READWRITE)) return -1;
    VirtualUnlock(p, bytes);
    return 0;
}

static void zs__os_release(void *user, void *p, size_t bytes)
{
    (void)user, (void)bytes;
    VirtualFree(p, 0, MEM_RELEASE);
}

static int zs__os_uncommit(void *p, size_t bytes) { return (void)p, (void)bytes, -1; }
static int zs__os_huge(void *p, size_t bytes) { return (void)p, (void)bytes, -1; }
static int zs__os_numa_local(void *p, size_t bytes) { return (void)p, (void)bytes, 0; } /* first touch is the rule */
static int zs__os_lock(void *p, size_t bytes) { return VirtualLock(p, bytes) ? 0 : -1; }
static int zs__os_fence_ready(void) { return 0; }
static void zs__os_fence(void) { FlushProcessWriteBuffers(); }

static DWORD zs__fls_slot = FLS_OUT_OF_INDEXES;
static void NTAPI zs__fls_exit(void *value)
{
    if (value) zs__thread_exited();
}
static int zs__os_on_thread_exit(int on)
{
    if (on) return (zs__fls_slot = FlsAlloc(zs__fls_exit)) == FLS_OUT_OF_INDEXES ? -1 : 0;
    FlsSetValue(zs__fls_slot, NULL); /* FlsFree calls back for every value still set */
    FlsFree(zs__fls_slot);
    return 0;
}
static ZS__UNUSED int zs__os_arm_thread_exit(void) { return FlsSetValue(zs__fls_slot, (void *)1) ? 0 : -1; }
static uint32_t *zs__os_fork_word(int on) { return (void)on, (uint32_t *)NULL; }
static uint64_t zs__os_process_id(void) { return 1; } /* there is no fork */
static void zs__os_yield(void) { SwitchToThread(); }
static void zs__os_wait(uint32_t *word, uint32_t value) { (void)word, (void)value, Sleep(1); }
static uint64_t zs__os_now_ns(void)
{
    LARGE_INTEGER now, per_second;
    QueryPerformanceCounter(&now);
    QueryPerformanceFrequency(&per_second);
    return (uint64_t)((double)now.QuadPart * 1e9 / (double)per_second.QuadPart);
}

/* By name, since what it is called and which library has it depends on the version that is built for. */
static uint64_t zs__os_rss(void)
{
    typedef BOOL(WINAPI * zs__memory_info)(HANDLE, PROCESS_MEMORY_COUNTERS *, DWORD);
    PROCESS_MEMORY_COUNTERS counters;
    zs__memory_info ask =
        (zs__memory_info)(void (*)(void))GetProcAddress(GetModuleHandleA("kernel32"), "K32GetProcessMemoryInfo");
    return ask && ask(GetCurrentProcess(), &counters, sizeof counters) ? counters.WorkingSetSize : 0;
}

static uint64_t zs__os_random(void)
{
    LARGE_INTEGER now;
    QueryPerformanceCounter(&now);
    return (uint64_t)now.QuadPart ^ ((uint64_t)GetCurrentProcessId() << 32) ^ (uint64_t)(uintptr_t)&now;
}

#else /* POSIX: Linux first */

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/syscall.h>
#endif
#if defined(__APPLE__)
#include <mach/mach.h>
#endif
/* Strict -std=c11 hides these from the headers above; C may declare them again. */
#if defined(__linux__) && !defined(__cplusplus) && defined(__STRICT_ANSI__)
extern long syscall(long number, ...);
extern int madvise(void *p, size_t bytes, int advice);
#endif
#if (defined(__linux__) || defined(__EMSCRIPTEN__)) && !defined(__cplusplus) && defined(__STRICT_ANSI__)
extern int clock_gettime(int clock, struct timespec *out);
#endif
#ifdef CLOCK_MONOTONIC
#define ZS__CLOCK_MONOTONIC CLOCK_MONOTONIC
#else
#define ZS__CLOCK_MONOTONIC 1
#endif
#if defined(MAP_ANONYMOUS)
#define ZS__MAP_ANON MAP_ANONYMOUS
#elif defined(MAP_ANON)
#define ZS__MAP_ANON MAP_ANON
#elif defined(__mips__) || defined(__xtensa__)
#define ZS__MAP_ANON 0x800
#else
#define ZS__MAP_ANON 0x20
#endif
#ifdef MAP_NORESERVE
#define ZS__MAP_NORESERVE MAP_NORESERVE
#else
#define ZS__MAP_NORESERVE 0
#endif

static size_t zs__os_page_bytes(void)
{
    int saved = errno;
    long n = sysconf(_SC_PAGESIZE);
    errno = saved;
    return n > 0 ? (size_t)n : 4096;
}

#if defined(__EMSCRIPTEN__)

#include <emscripten/heap.h>

/* emscripten's default malloc has these, others not. mallopt is called for what any of it does first: its setup. */
#if defined(__cplusplus)
extern "C" {
#endif
size_t malloc_footprint(void) __attribute__((weak));
size_t malloc_footprint_limit(void) __attribute__((weak));
size_t malloc_set_footprint_limit(size_t bytes) __attribute__((weak));
int mallopt(int parameter, int value) __attribute__((weak));
#if defined(__cplusplus)
}
#endif

/* WebAssembly has no address space but its memory, which never shrinks: reserved is committed and a purge is
   refused. What the memory grew by reads as zero and costs nothing until it is written, so only what the heap
   had used before is cleared. By default a malloc that would have to grow beyond its memory ends the program: with a
   limit it answers NULL. */
static void *zs__os_reserve(void *user, size_t bytes, size_t alignment)
{
    const size_t left = emscripten_get_heap_max() - *emscripten_get_sbrk_ptr(), need = zs__round_up(bytes, alignment);
    const int limited = malloc_footprint && malloc_footprint_limit && malloc_set_footprint_limit && mallopt;
    const size_t limit = limited ? malloc_footprint_limit() : 0;
    uint64_t *p = NULL;
    size_t i;
    (void)user;
    if (limited && !mallopt(0, 0) && limit > malloc_footprint() + left)
        malloc_set_footprint_limit(malloc_footprint() + left);
    if (need >= bytes && (limited || need < left / 2 - alignment)) p = (uint64_t *)(aligned_alloc)(alignment, need);
    if (limited) malloc_set_footprint_limit(limit);
    for (i = 0; p && i < bytes / sizeof *p; i++)
        if (p[i]) p[i] = 0;
    return p;
}
static int zs__os_commit(void *user, void *p, size_t bytes) { return (void)user, (void)p, (void)bytes, 0; }
static int zs__os_purge(void *user, void *p, size_t bytes) { return (void)user, (void)p, (void)bytes, -1; }
static int zs__os_uncommit(void *p, size_t bytes) { return (void)p, (void)bytes, -1; }
static void zs__os_release(void *user, void *p, size_t bytes) { (void)user, (void)bytes, (free)(p); }
static int zs__os_huge(void *p, size_t bytes) { return (void)p, (void)bytes, -1; }
static int zs__os_numa_local(void *p, size_t bytes) { return (void)p, (void)bytes, -1; }
static int zs__os_lock(void *p, size_t bytes) { return (void)p, (void)bytes, -1; }
static uint32_t *zs__os_fork_word(int on) { return (void)on, (uint32_t *)NULL; }
#if defined(__EMSCRIPTEN_PTHREADS__)
static int zs__os_fence_ready(void) { return -1; }
#else /* one thread: nobody to be ordered with */
static int zs__os_fence_ready(void) { return 0; }
#endif
static void zs__os_fence(void) {}

#else /* systems with pages */

/* Address space only: no access, so nothing counts against overcommit until it is committed. */
static void *zs__os_reserve(void *user, size_t bytes, size_t alignment)
{
    char *p = (char *)mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | ZS__MAP_ANON | ZS__MAP_NORESERVE, -1, 0);
    size_t head;
    (void)user;
    if ((void *)p == MAP_FAILED) return NULL;
    if (((size_t)p & (alignment - 1)) == 0) /* mostly: Linux aligns what is large by itself */
        return p;
    munmap(p, bytes);
    if (bytes + alignment < bytes) return NULL;
    p = (char *)mmap(NULL, bytes + alignment, PROT_NONE, MAP_PRIVATE | ZS__MAP_ANON | ZS__MAP_NORESERVE, -1, 0);
    if ((void *)p == MAP_FAILED) return NULL;
    head = zs__round_up((size_t)p, alignment) - (size_t)p;
    if (head) munmap(p, head);
    if (alignment - head) munmap(p + head + bytes, alignment - head);
    return p + head;
}

static int zs__os_commit(void *user, void *p, size_t bytes)
{
    (void)user;
    return mprotect(p, bytes, PROT_READ | PROT_WRITE);
}

static int zs__os_uncommit(void *p, size_t bytes)
{
#if defined(__linux__)
    return mprotect(p, bytes, PROT_NONE);
#else
    return (void)p, (void)bytes, -1;
#endif
}

/* Linux: MADV_DONTNEED (4) gives the pages back at once and they read as zero. macOS: MADV_FREE_REUSABLE (7)
   is the one that leaves the resident size. */
static int zs__os_purge(void *user, void *p, size_t bytes)
{
    (void)user;
#if defined(__APPLE__)
    return madvise(p, bytes, 7);
#else
    return madvise(p, bytes, 4);
#endif
}

static void zs__os_release(void *user, void *p, size_t bytes)
{
    (void)user;
    munmap(p, bytes);
}

/* MADV_HUGEPAGE (14). */
static int zs__os_huge(void *p, size_t bytes)
{
#if defined(__linux__)
    return madvise(p, bytes, 14);
#else
    return (void)p, (void)bytes, -1;
#endif
}

/* mbind(MPOL_LOCAL = 4): pages come from the node of the thread that touches them first, also under a
   process-wide interleave policy. */
static int zs__os_numa_local(void *p, size_t bytes)
{
#if defined(__linux__) && defined(SYS_mbind)
    return (int)syscall(SYS_mbind, p, bytes, 4, (void *)NULL, 0, 0);
#else
    return (void)p, (void)bytes, -1;
#endif
}

static int zs__os_lock(void *p, size_t bytes)
{
    int saved = errno, refused = mlock(p, bytes);
    errno = saved;
    return refused;
}

/* membarrier(2): PRIVATE_EXPEDITED is 8, its registration 16. */
static int zs__os_fence_ready(void)
{
#if defined(__linux__) && defined(SYS_membarrier)
    int saved = errno, refused = (int)syscall(SYS_membarrier, 16, 0, 0);
    errno = saved;
    return refused;
#else
    return -1;
#endif
}

static void zs__os_fence(void)
{
#if defined(__linux__) && defined(SYS_membarrier)
    int saved = errno;
    syscall(SYS_membarrier, 8, 0, 0);
    errno = saved;
#endif
}

/* MADV_WIPEONFORK (18), Linux 4.14. */
static uint32_t *zs__os_fork_word(int on)
{
#if defined(__linux__)
    static uint32_t *page;
    uint32_t *was = page;
    if (on && !was) {
        void *p = mmap(NULL, zs__os_page_bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | ZS__MAP_ANON, -1, 0);
        if (p != MAP_FAILED && madvise(p, zs__os_page_bytes(), 18) == 0)
            page = (uint32_t *)p;
        else if (p != MAP_FAILED)
            munmap(p, zs__os_page_bytes());
    } else if (!on && was) {
        page = NULL; /* a fork that comes here finds no word, not one that is gone */
        munmap(was, zs__os_page_bytes());
    }
    return page;
#else
    return (void)on, (uint32_t *)NULL;
#endif
}

#endif /* systems with pages */

static pthread_key_t zs__exit_key;
static void zs__exit_call(void *armed)
{
    if (armed) zs__thread_exited();
}
static int zs__os_on_thread_exit(int on)
{
    return on ? pthread_key_create(&zs__exit_key, zs__exit_call) : pthread_key_delete(zs__exit_key);
}
static ZS__UNUSED int zs__os_arm_thread_exit(void)
{
    int saved = errno, refused = pthread_setspecific(zs__exit_key, (void *)1);
    errno = saved;
    return refused;
}

#if defined(__linux__) && defined(SYS_gettid) && defined(SYS_tgkill)
#define ZS__OS_THREADS 1
static ZS__UNUSED uint64_t zs__os_thread(void) { return (uint64_t)syscall(SYS_gettid); }
static ZS__UNUSED int zs__os_thread_lives(uint64_t thread) /* signal 0 only asks */
{
    int saved = errno, gone = syscall(SYS_tgkill, (long)getpid(), (long)thread, 0L) && errno == ESRCH;
    errno = saved;
    return !gone;
}
#endif

static uint64_t zs__os_process_id(void) { return (uint64_t)getpid(); }

/* futex(2): FUTEX_WAIT_PRIVATE is 128; nobody wakes us, the timeout does. */
#if defined(__linux__) && defined(SYS_futex) && defined(SYS_sched_getscheduler)
static ZS__NOINLINE void zs__os_nap(uint32_t *word, uint32_t value, long ns)
{
    struct {
        long seconds, nanoseconds;
    } nap = {0, ns};
    int saved = errno;
    syscall(SYS_futex, word, 128, value, &nap, (void *)NULL, 0);
    errno = saved;
}
static void zs__os_wait(uint32_t *word, uint32_t value) { zs__os_nap(word, value, 1000000); }

/* SCHED_FIFO, _RR, _DEADLINE: 1, 2, 6. Not every libc asks. */
static ZS__NOINLINE int zs__os_real_time(void)
{
    int saved = errno, policy = (int)syscall(SYS_sched_getscheduler, 0);
    errno = saved;
    return 0x46 >> (policy & 31) & 1;
}

static void zs__os_yield(void) /* sched_yield serves no thread of lower priority */
{
    static uint32_t word;
    if (zs__os_real_time())
        zs__os_nap(&word, 0, 50000);
    else
        sched_yield();
}
#else
static void zs__os_yield(void) { sched_yield(); }
static void zs__os_wait(uint32_t *word, uint32_t value) { (void)word, (void)value, sched_yield(); }
#endif

/* For timestamps and timeouts. Linux: CLOCK_MONOTONIC_COARSE (6), a few milliseconds coarse and 5 ns cheap. */
static uint64_t zs__os_clock(clockid_t clock)
{
    struct timespec t;
    int saved = errno;
    if (clock_gettime(clock, &t)) {
        errno = saved;
        return 0;
    }
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
#if defined(__linux__)
static uint64_t zs__os_now_ns(void) { return zs__os_clock(6); }
#else
static uint64_t zs__os_now_ns(void) { return zs__os_clock(ZS__CLOCK_MONOTONIC); }
#endif
#define ZS__OS_EXACT_NS() zs__os_clock(ZS__CLOCK_MONOTONIC)

/* Linux: the second number of /proc/self/statm, in pages. macOS: task_info. */
static uint64_t zs__os_rss(void)
{
#if defined(__linux__)
    char text[64];
    uint64_t pages = 0;
    int i = 0, saved = errno, fd = (open)("/proc/self/statm", O_RDONLY);
    ssize_t n = fd < 0 ? 0 : (read)(fd, text, sizeof text - 1);
    if (fd >= 0) (close)(fd);
    errno = saved;
    if (n <= 0) return 0;
    text[n] = 0;
    while (text[i] && text[i] != ' ') i++;
    while (text[i] == ' ') i++;
    for (; text[i] >= '0' && text[i] <= '9'; i++) pages = pages * 10 + (uint64_t)(text[i] - '0');
    return pages * zs__os_page_bytes();
#elif defined(__APPLE__)
    mach_task_basic_info_data_t info;
    mach_msg_type_number_t count = MACH_TASK_BASIC_INFO_COUNT;
    if (task_info(mach_task_self(), MACH_TASK_BASIC_INFO, (task_info_t)&info, &count) != KERN_SUCCESS) return 0;
    return info.resident_size;
#else
    return 0;
#endif
}

/* Key material for shuffling: address-space layout, time and process id, mixed. */
static uint64_t zs__os_random(void)
{
    uint64_t x = zs__os_now_ns() ^ ((uint64_t)getpid() << 32) ^ (uint64_t)(uintptr_t)&x;
#if defined(__linux__) && defined(SYS_getrandom)
    uint64_t r = 0; /* MemorySanitizer does not see what the kernel writes */
    int saved = errno;
    if (syscall(SYS_getrandom, &r, sizeof r, 1) == (long)sizeof r) x ^= r;
    errno = saved;
#endif
    return x;
}
#endif

/* MADV_NOHUGEPAGE (15): a page that was given back is not filled in again with its neighbours. */
static void zs__os_small(void *p, size_t bytes)
{
#if defined(__linux__) && !defined(ZS__PLATFORM_INCLUDE) && !ZSLAB_NO_OS
    int saved = errno;
    madvise(p, bytes, 15);
    errno = saved;
#else
    (void)p, (void)bytes;
#endif
}

#ifndef ZS__OS_THREADS
static ZS__UNUSED uint64_t zs__os_thread(void) { return 0; }
static ZS__UNUSED int zs__os_thread_lives(uint64_t thread) { return (void)thread, 1; }
#endif

#ifndef ZS__PLATFORM_INCLUDE
static inline void zs__pause(void)
{
#if (defined(__GNUC__) || defined(__clang__)) && (defined(__x86_64__) || defined(__i386__))
    __builtin_ia32_pause();
#elif (defined(__GNUC__) || defined(__clang__)) && defined(__aarch64__)
    __asm__ __volatile__("isb" ::: "memory");
#elif defined(_MSC_VER) && (defined(_M_IX86) || defined(_M_X64))
    _mm_pause();
#endif
}
#endif

/* Address range of an allocator whose configuration names none. */
#if defined(ZS__RESERVE_BYTES)
#elif defined(__EMSCRIPTEN__)
#define ZS__RESERVE_BYTES ((size_t)1 << 26)
#elif UINTPTR_MAX <= 0xffffffffu
#define ZS__RESERVE_BYTES ((size_t)1 << 28)
#else
#define ZS__RESERVE_BYTES ((size_t)1 << 36)
#endif

/* Does a page that was purged read as zeros? Only Linux says so. */
#if defined(__linux__) && !ZSLAB_NO_OS && !defined(ZS__PLATFORM_INCLUDE)
#define ZS__PURGE_ZEROS 1
#else
#define ZS__PURGE_ZEROS 0
#endif

/* ---- >>lock ----------------------------------------------------------------
   Locks of one word, their order, and how a thread waits. */

#ifndef ZS__LOCK_SPINS
#define ZS__LOCK_SPINS 4000000 /* 50 to 200 ms: a preempted holder is back by then */
#endif
#define ZS__SPINS_ALONE 32768 /* some ms; between yields: a holder that this thread has preempted goes on by one */

typedef struct zs__lock {
    uint32_t word;
} zs__lock;

/* The order of locks: who holds one takes only later ones, of bins any number. No callback runs, and no claim is waited
   for, under any of them (a hook of config.os may run under one of `arena`, `bin`, `close`: it makes no call). */
typedef enum zs__rank {
    ZS__LOCK_SETUP,  /* zs__global.setup: the system's hooks */
    ZS__LOCK_GLOBAL, /* zs__global.lock: the lists of allocators and of pools, thread numbers */
    ZS__LOCK_GROUPS, /* groups_lock: live_bytes of groups, one walk that counts them at a time */
    ZS__LOCK_CLOSE,  /* close_next, close_turn: marks of chunks; one purge of an epoch or of the pool at a time */
    ZS__LOCK_EPOCHS, /* epoch_lock: places, states, the list of heaps, parked heaps and their rows */
    ZS__LOCK_ROWS,   /* place->rows_lock: the place's list of rows, the opening and shutting of their gates */
    ZS__LOCK_BIN,    /* shared mode, bin_cold->lock: that struct and its chunks' cold records */
    ZS__LOCK_ROW,    /* row->lock: the chunk lists against closers */
    ZS__LOCK_ARENA,  /* arena_lock: fresh chunks, the pool, spans, the meta arena, registry ids */
    ZS__LOCK_SAMPLES /* samples->lock: the arrays of >>advice */
} zs__rank;

/* Debug builds check the order: a bit for each rank that this thread holds. */
#ifndef ZS__LOCK_ORDER
#if defined(NDEBUG) || defined(__OPTIMIZE__) || ZSLAB_NO_OS
#define ZS__LOCK_ORDER 0
#else
#define ZS__LOCK_ORDER 1
#endif
#endif
#if ZS__LOCK_ORDER && !ZSLAB_NO_TLS
#ifndef ZS__TLS_INCLUDE
static ZS__THREAD uint32_t zs__held_word ZS__TLS_ATTRIBUTE;
static inline uint32_t *zs__held(void) { return &zs__held_word; }
#endif
static inline void zs__rank_take(zs__rank rank, int waits)
{
    uint32_t *held = zs__held();
    ZSLAB_ASSERT((!waits || !(*held >> rank >> (rank == ZS__LOCK_BIN))) && "locks in their order");
    (void)waits;
    *held |= (uint32_t)1 << rank;
}
static inline void zs__rank_drop(zs__rank rank) /* of bins any number share a bit */
{
    uint32_t *held = zs__held();
    ZSLAB_ASSERT((rank == ZS__LOCK_BIN || *held >> rank & 1) && "who drops a lock holds it");
    *held &= ~((uint32_t)1 << rank);
}
static inline void zs__rank_none(void) { ZSLAB_ASSERT(*zs__held() == 0 && "a callback or a wait under no lock"); }
static inline void zs__rank_forget(void) { *zs__held() = 0; } /* in a forked child no lock is held */
#else
static inline void zs__rank_take(zs__rank rank, int waits) { (void)rank, (void)waits; }
static inline void zs__rank_drop(zs__rank rank) { (void)rank; }
static inline void zs__rank_none(void) {}
static inline void zs__rank_forget(void) {}
#endif

/* This thread as locks have it, not 0: an address of its own. Threads whose words lie 256 GiB apart, to the byte, would
   look the same; then an allocation that meets the other's lock may be refused as in a signal handler. */
static inline uint32_t zs__here(void)
{
#if !ZSLAB_NO_TLS
    return (uint32_t)((uintptr_t)zs__tls() >> 6);
#elif defined(ZS__PLATFORM_INCLUDE) || ZSLAB_NO_OS
    return 1;
#elif defined(_WIN32)
    return (uint32_t)GetCurrentThreadId();
#else
    return (uint32_t)((uintptr_t)pthread_self() >> 4) | 1;
#endif
}

static int zs__lock_try(zs__lock *l)
{
    uint32_t was = 0; /* acquire on success: pairs with the store in zs__lock_drop */
    return zs__load_u32(&l->word) == 0 && zs__cas_u32(&l->word, &was, zs__here());
}

/* Does this thread hold it? In a signal handler: does what it interrupted? Without a system nobody can say. */
static inline int zs__lock_mine(const uint32_t *word)
{
    return !ZSLAB_NO_OS && zs__load_u32(word) == zs__here(); /* relaxed: what this thread stored, it sees */
}

static uint32_t zs__sealed_count; /* atomic: sealed allocators of the process: meanwhile no wait calls the system */

static void zs__yield(void)
{
    if (zs__load_u32(&zs__sealed_count))
        zs__pause();
    else
        zs__os_yield();
}

/* One turn of waiting for another thread that will not be long: spin, then yield, then nap while *word is value. */
static void zs__wait_turn(uint32_t *word, uint32_t value, int turn)
{
    if (zs__load_u32(&zs__sealed_count) || (turn < ZS__LOCK_SPINS && (turn + 1) % ZS__SPINS_ALONE))
        zs__pause();
    else if (turn < ZS__LOCK_SPINS + 64)
        zs__os_yield();
    else
        zs__os_wait(word, value);
}

/* The same for another thread that may be in a system call, and for long: the spin is short. */
static void zs__wait_long(uint32_t *word, uint32_t value, int turn)
{
    zs__wait_turn(word, value, turn < 1000 ? turn : ZS__LOCK_SPINS + (turn - 1000));
}

static ZS__NOINLINE void zs__lock_wait(zs__lock *l)
{
    int turn;
    for (turn = 0; !zs__lock_try(l); turn += turn < INT_MAX) {
        uint32_t held = zs__load_u32(&l->word);
        if (held) /* 0: it was dropped since, and nothing would change while we wait */
            zs__wait_turn(&l->word, held, turn);
    }
}

static inline void zs__lock_take(zs__lock *l)
{
    uint32_t was = 0; /* acquire: pairs with the store in zs__lock_drop */
    if (ZS__UNLIKELY(!zs__cas_u32(&l->word, &was, zs__here()))) zs__lock_wait(l);
}

static inline void zs__lock_drop(zs__lock *l)
{
    zs__store_rel_u32(&l->word, 0); /* release: pairs with the CAS of zs__lock_take and _try */
}

/* The allocator's own locks have a rank; the store's stand alone. */
static inline int zs__ranked_try(zs__lock *l, zs__rank rank)
{
    if (!zs__lock_try(l)) return 0;
    zs__rank_take(rank, 0);
    return 1;
}

static inline void zs__ranked_take(zs__lock *l, zs__rank rank)
{
    zs__rank_take(rank, 1);
    zs__lock_take(l);
}

static inline void zs__ranked_drop(zs__lock *l, zs__rank rank)
{
    zs__rank_drop(rank);
    zs__lock_drop(l);
}

/* Not memset: a freestanding build has none to include. */
static inline void zs__zero(void *p, size_t bytes)
{
#if ZSLAB_NO_OS
    unsigned char *to = (unsigned char *)p;
    while (bytes--) *to++ = 0;
#else
    memset(p, 0, bytes);
#endif
}

static inline void zs__copy(void *to, const void *from, size_t bytes)
{
#if ZSLAB_NO_OS
    unsigned char *t = (unsigned char *)to;
    const unsigned char *f = (const unsigned char *)from;
    while (bytes--) *t++ = *f++;
#else
    memcpy(to, from, bytes);
#endif
}

/* ---- >>guard ---------------------------------------------------------------
   Last error, misuse reports and what this process shares between its allocators. */
#if ZSLAB_NO_TLS
static uint32_t zs__error_word;
static uint32_t *zs__error(void) { return &zs__error_word; }
ZSLAB_API void **zslab_thread_slot(void)
{
    static void *slot;
    return &slot;
}
#else
#if !ZSLAB_STATIC && !defined(ZS__TLS_INCLUDE)
#ifdef __cplusplus
extern "C" {
#endif
ZS__THREAD zs__tls_block zs__tls_words ZS__TLS_ATTRIBUTE;
#ifdef __cplusplus
}
#endif
#endif
static uint32_t *zs__error(void) { return &zs__tls()->error; }
ZSLAB_API void **zslab_thread_slot(void) { return &zs__tls()->slot; }
#endif

static void zs__fail(zslab_result r)
{
    zs__store_u32(zs__error(), (uint32_t)r); /* relaxed: the thread's own; without TLS the last writer stays */
}

/* Why a configuration was refused: what zslab_config_error says, its number beside the result in the error word. */
#define ZS__REFUSALS(X)                                                                                                \
    X(NONE, "")                                                                                                        \
    X(MEMORY, "memory: goes with memory_bytes, and without reserve_bytes, os, and the flags that ask the system")      \
    X(MEMORY_BYTES, "memory_bytes: too small, or without memory; zslab_buffer_bytes_min() says how much is needed, "   \
                    "a lower ZSLAB_CHUNK_SHIFT needs less")                                                            \
    X(NO_OS, "memory: a build with ZSLAB_NO_OS needs a buffer, or os")                                                 \
    X(RESERVE, "reserve_bytes: less than two chunks or more than 2^24 of them")                                        \
    X(RESERVE_NOMEM, "reserve_bytes: the system does not grant as much")                                               \
    X(CLASSES, "class_bytes, class_count: set together, 1 to 255 classes")                                             \
    X(CLASS_SIZE, "class_bytes: a size is no multiple of 8 (of 16 above 16), or more than a chunk or 65,536 bytes")    \
    X(CLASS_ORDER, "class_bytes: sizes do not ascend")                                                                 \
    X(EPOCHS, "epoch_count: not a power of two from 2 to 65,536")                                                      \
    X(RECLAIM, "reclaim: not one of zslab_reclaim")                                                                    \
    X(FLAGS, "flags: a bit that no ZSLAB_FLAG_* has")                                                                  \
    X(FLAG_LOCK, "flags: ZSLAB_FLAG_LOCK_PAGES does not go with ZSLAB_RECLAIM_RSS")                                    \
    X(FLAG_NOMEM, "flags: the system refused ZSLAB_FLAG_PREFAULT or ZSLAB_FLAG_LOCK_PAGES (ulimit -l?)")               \
    X(OS, "os: reserve, commit, purge and release are set together or not at all")                                     \
    X(LIMIT, "limit_bytes: less than a chunk")                                                                         \
    X(COUNTS, "thread_count: more than 65,533; handle_count: more than 2^28")                                          \
    X(FALLBACK, "fallback: alloc and free are set together, usable_size and owns only with them")                      \
    X(EXIT_HOOK, "no configuration: the process has no thread-exit hook left")                                         \
    X(SLOTS, "slot_bytes, slot_count: too large together, or 2^32 - 1 slots and more")                                 \
    X(QUEUE, "queue_capacity: more than 2^24")                                                                         \
    X(BATCH, "batch: not one of zslab_batch")                                                                          \
    X(POOL_MEMORY, "memory: a pool's buffer goes without os and grow_count")
#define ZS__REFUSAL_NAME(name, text) ZS__REFUSED_##name,
#define ZS__REFUSAL_TEXT(name, text) text,
typedef enum zs__refusal { ZS__REFUSALS(ZS__REFUSAL_NAME) ZS__REFUSED_END } zs__refusal;
static const char *const zs__refusals[] = {ZS__REFUSALS(ZS__REFUSAL_TEXT)};

static void *zs__refuse(zslab_result r, zs__refusal why)
{
    zs__store_u32(zs__error(), (uint32_t)r | (uint32_t)why << 8); /* relaxed: as above */
    return NULL;
}

static void *zs__fail_null(zslab_result r)
{
    zs__fail(r);
    return NULL;
}

/* Asked for an object of ZSLAB_EPOCH_NONE: a size that none can have comes first, as with an epoch that ended. */
static void *zs__fail_no_epoch(size_t size) { return zs__fail_null(size ? ZSLAB_E_CLOSED : ZSLAB_E_INVALID); }

/* Count a misuse, tell the hook, answer the code. No lock is held here. */
static ZS__NOINLINE zslab_result zs__misuse(const zs__allocator *z, zslab_result what, const void *p, zslab_handle h)
{
    zs__add_u64((uint64_t *)(uintptr_t)&z->misuse[what], 1); /* a counter: ordered with nothing */
    zs__rank_none();
    if (z->config.on_misuse) {
        int saved = zs__errno();
        z->config.on_misuse(z->config.misuse_user, what, p, h);
        zs__errno_back(saved);
    }
    return what;
}

#define ZS__THREADS_MAX 65536u
static struct {
    zs__lock setup; /* guards the next two and the system's hooks; taken before `lock`. Making or ending a
                       hook may wait for callbacks that take `lock`, so it never happens under that one */
    uint32_t allocator_count;
    uint32_t *fork_word;
    zs__u64 process_id; /* atomic: of the process that first made an allocator, or of its child that did */
    zs__lock lock;      /* guards what follows */
    zs__allocator *allocators;
    zslab_pool *pools;
    uint32_t pool_number;                  /* the newest one's */
    zs__u64 era;                           /* of the next allocator's first epoch: ids of two allocators do not meet */
    zs__u64 allocators_made;               /* so far [ID-6] */
    zs__u64 threads[ZS__THREADS_MAX / 64]; /* thread numbers in use; bit 0 of word 0 stays set */
} zs__global;

static void zs__forked(void);

/* In the child of a fork: once, before any lock is taken and before the call holds a slot whose state does not say so.
   Relaxed: no other thread is there to be ordered with. */
static inline void zs__fork_check(void)
{
    uint32_t *word = zs__global.fork_word;
    if (word ? ZS__UNLIKELY(zs__load_u32(word) == 0) : zs__os_process_id() != zs__load_u64(&zs__global.process_id))
        zs__forked();
}

/* The same where there may be no allocator, and so no word, but another thread that makes the first one. */
static void zs__fork_check_process(void)
{
    uint64_t id = zs__os_process_id(), was = 0;
    if (!zs__cas_u64(&zs__global.process_id, &was, id) && was != id) /* ordered with nothing: of this process or not */
        zs__forked();
}

/* ---- >>count ---------------------------------------------------------------
   Counters have one writer, the heap's owner; a snapshot adds them up. With ZSLAB_STATS 0 nothing is kept. */
static inline void zs__count(uint64_t *counter)
{
#if ZSLAB_STATS
    zs__store_u64(counter, zs__load_u64(counter) + 1); /* relaxed: one writer, readers want a recent value */
#else
    (void)counter;
#endif
}

static inline zs__lock *zs__as_lock(uint32_t *word) { return (zs__lock *)(void *)word; }

/* A counter that threads share in shared mode, where bins of several epochs count in one heap. */
static inline void zs__count_any(const zs__allocator *z, uint64_t *counter, uint64_t by)
{
#if ZSLAB_STATS
    if (z->shared)
        zs__add_u64(counter, by); /* a counter: ordered with nothing */
    else
        zs__store_u64(counter, zs__load_u64(counter) + by); /* as zs__count */
#else
    (void)z, (void)counter, (void)by;
#endif
}

/* A slow path begins: the bin has no slab, or has used up the one it has. */
static inline void zs__count_dry(zslab_heap *heap, uint32_t cls, uint32_t current)
{
    zs__counters *n = &heap->counters[cls];
    zs__count_any(heap->z, &n->slow, 1);
    zs__count_any(heap->z, current ? &n->current_full : &n->partial_null, 1);
}

/* An allocation is refused. */
static ZS__NOINLINE void zs__count_refused(zslab_heap *heap, size_t cls, zslab_result why)
{
    zs__counters *n = &heap->counters[cls];
    uint64_t *of = why == ZSLAB_E_CLOSED ? &n->epoch_closed : why == ZSLAB_E_LIMIT ? &n->limit : &n->no_memory;
    zs__count_any(heap->z, of, 1);
}

static inline uint32_t zs__sample_step(size_t size) /* 1 to the largest class */
{
    return size <= 8 ? 0 : (uint32_t)((size + 15) / 16);
}

/* the class that ends a step */
static inline uint32_t zs__sample_top(uint32_t step) { return step ? 16 * step : 8; }

/* The one sampler: remember the size of a request, or pass it over; and how many bytes its object is to stand for in a
   profile, 0: it is not sampled. Which ones are picked follows from their number and bytes alone, and no period of the
   program's meets it (the mixer is splitmix64's, Steele et al. 2014). */
static ZS__NOINLINE uint64_t zs__sample_take(zslab_heap *heap, size_t size)
{
    const zs__allocator *z = heap->z;
    zs__samples *s = z->samples;
    uint64_t x = z->shared ? zs__add_u64(&heap->requests, 1) : heap->requests++;
    uint64_t mean = z->config.sample_bytes, points = 0;
    x = (x + 1) * UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    x ^= x >> 31;
    if (s && size <= z->classes[z->class_count - 1].size && x % z->config.sample_every == 0) {
        zs__add_u64(&s->count[zs__sample_step(size)], 1); /* counters: ordered with nothing */
        zs__add_u64(&s->bytes, size);
    }
    if (!z->profile) return 0;
    if (size / 64 >= mean) /* as good as exact */
        return size;
    if (z->shared) /* each by itself */
        return (size + x % mean) / mean * mean;
    heap->sample_left += heap->lent, heap->lent = 0;
    if (!heap->sample_left) /* the first time */
        heap->sample_left = 1 + x % mean;
    for (; heap->sample_left <= size; points++) /* on average `mean` from one to the next */
        heap->sample_left += mean - mean / 2 + x % (2 * (mean / 2) + 1);
    heap->sample_left -= size;
    return points * mean;
}

static inline uint64_t zs__sample(zslab_heap *heap, size_t size)
{
    return ZS__UNLIKELY(heap->z->samples || heap->z->profile) ? zs__sample_take(heap, size) : 0;
}

/* A free that is not the owner's into its own bin; heap: the freeing thread's, NULL: it has none any more. */
static inline void zs__count_away(zs__allocator *z, zslab_heap *heap, uint32_t cls)
{
#if ZSLAB_STATS > 1
    if (heap)
        zs__count_any(z, &heap->counters[cls].frees, 1);
    else /* acquire: pairs with zs__heap_new; a chunk in use means that there is a heap */
        zs__add_u64(&((zslab_heap *)zs__load_acq_ptr((uintptr_t *)(void *)&z->heaps))->counters[cls].stray_frees, 1);
#else
    (void)z, (void)heap, (void)cls;
#endif
}

/* zs__ranked_take, counting when it has to wait. */
static inline void zs__count_lock(zs__allocator *z, uint32_t *word, zs__rank rank)
{
    uint32_t was = 0; /* acquire: pairs with the store in zs__lock_drop */
    zs__rank_take(rank, 1);
    if (ZS__UNLIKELY(!zs__cas_u32(word, &was, zs__here()))) {
#if ZSLAB_STATS
        zs__add_u64(&z->lock_waits, 1); /* a counter: ordered with nothing */
#else
        (void)z;
#endif
        zs__lock_wait(zs__as_lock(word));
    }
}

static inline int zs__sealed(const zs__allocator *z) /* relaxed: calls at work end as they began */
{
    return zs__load_u32(&z->sealed) != 0;
}

#ifndef ZS__SEALED_SPINS
#define ZS__SEALED_SPINS 100000 /* a sealed allocator's look at a held lock, some 2 ms; then ZSLAB_E_BUSY */
#endif

/* zs__count_lock for a call that may answer ZSLAB_E_BUSY: 0, when the allocator is sealed and it is held. */
static inline int zs__count_enter(zs__allocator *z, uint32_t *word, zs__rank rank)
{
    uint32_t turn;
    for (turn = 0; zs__sealed(z); turn++) {
        if (zs__ranked_try(zs__as_lock(word), rank)) return 1;
        if (turn == ZS__SEALED_SPINS) return 0;
        zs__pause();
    }
    zs__count_lock(z, word, rank);
    return 1;
}

/* ---- >>class ---------------------------------------------------------------
   The size-class table: 8, 16, 32, 48, 64 ... 128 by 16, then four per doubling up to 8192. */
static size_t zs__default_class(size_t i) /* bytes of default class i, 0 past the end */
{
    if (i < 2) return i ? 16 : 8;
    if (i < 9) return 16 * i;
    i -= 9;
    return i < 24 ? ((size_t)(5 + i % 4) << 5) << (i / 4) : 0;
}

static uint32_t zs__region_lines(uint32_t lines) /* rounded up to four steps per doubling */
{
    uint32_t step = 1;
    while (lines > step * 8) step *= 2;
    return (lines + step - 1) / step * step;
}

/* Size classes of a configuration, and bytes of class i. */
static uint32_t zs__class_count(const zslab_config *c)
{
    uint32_t n = (uint32_t)c->class_count;
    while (!c->class_bytes && zs__default_class(n) && zs__default_class(n) <= ZS__CHUNK_BYTES) n++;
    return n;
}

static uint32_t zs__class_bytes(const zslab_config *c, size_t i)
{
    return c->class_bytes ? c->class_bytes[i] : (uint32_t)zs__default_class(i);
}

/* Entries of a class's magazine: a chunk's worth of slots, so that little memory waits there. */
static uint32_t zs__magazine_entries(const zslab_config *c, size_t size)
{
    size_t n = ZS__CHUNK_BYTES / size;
    size_t most = c->memory && ZS__MAGAZINE > 63 ? 63 : ZS__MAGAZINE;
    return (uint32_t)(n < most ? n : most);
}

static void zs__class_fill(zs__class *k, uint32_t size)
{
    uint32_t rest;
    k->size = size;
    k->recip = (zs__recip)((((uint64_t)1 << ZS__RECIP_BITS) + size - 1) / size);
    k->slots = (uint32_t)(ZS__CHUNK_BYTES / size);
    k->slabs = (k->slots + 63) / 64;
    rest = k->slots - (k->slabs - 1) * 64;
    k->last_full = rest == 64 ? ~(uint64_t)0 : ((uint64_t)1 << rest) - 1;
    /* a tail too short for a slot has a state of its own, always zero, so that no pointer reads beyond */
    k->lines = (uint32_t)((ZS__CHUNK_BYTES - 1) / size / 64 + 1);
}

/* Valid: multiples of 8 from 8, ascending, of 16 above 16, none larger than a chunk. */
static zs__refusal zs__class_table_refusal(const uint32_t *bytes, size_t count)
{
    size_t i;
    if (!bytes || !count || count > ZS__CLASS_MAX) return ZS__REFUSED_CLASSES;
    for (i = 0; i < count; i++) {
        if (bytes[i] < 8 || bytes[i] % (bytes[i] > 16 ? 16 : 8) || bytes[i] > ZS__CLASS_BYTES_MAX)
            return ZS__REFUSED_CLASS_SIZE;
        if (i && bytes[i] <= bytes[i - 1]) return ZS__REFUSED_CLASS_ORDER;
    }
    return ZS__REFUSED_NONE;
}

/* Class of a size from 1 on, class_count when there is none. */
static inline size_t zs__class_of(const zs__allocator *z, size_t size)
{
    size_t at = size - 1 < ZS__CLASS_BYTES_MAX ? z->bin_of[(size - 1) >> 3] / sizeof(zs__bin) : 0;
    return at ? at - 1 : z->class_count;
}

/* Largest power of two dividing the class, at least what its size promises. */
static size_t zs__class_alignment(size_t bytes)
{
    size_t a = bytes & (~bytes + 1);
    return a < ZS__CHUNK_BYTES ? a : ZS__CHUNK_BYTES;
}

static void zs__class_setup(zs__allocator *z)
{
    size_t i, unit, cls = 0;
    uint32_t r;
    for (i = 0; i < z->class_count; i++) zs__class_fill(&z->classes[i], zs__class_bytes(&z->config, i));
    for (unit = 0; cls < z->class_count; cls++) /* sizes 8 * unit + 1 to 8 * unit + 8 */
        for (; unit < z->classes[cls].size / 8; unit++) z->bin_of[unit] = (uint16_t)((1 + cls) * sizeof(zs__bin));
    zs__class_fill(&z->classes[ZSLAB_CLASS_LARGE], (uint32_t)ZS__CHUNK_BYTES); /* one slot */
    z->classes[ZSLAB_CLASS_LARGE].recip--; /* no class has this one; all but the chunk's first byte is misaligned too */
    z->region_count = 0;
    for (i = z->class_count + 1; i-- > 0;) { /* ascending lines: from the largest class down */
        zs__class *k = &z->classes[i < z->class_count ? i : ZSLAB_CLASS_LARGE];
        uint32_t lines = z->config.memory ? z->classes[0].lines : zs__region_lines(k->lines);
        for (r = 0; r < z->region_count && z->regions[r].lines != lines; r++)
            ;
        if (r == z->region_count) z->regions[z->region_count++].lines = lines;
        k->region = r;
    }
}

/* ---- >>budget --------------------------------------------------------------
   What counts for a limit, and who hears of it.

   [BUDGET-1] charged_bytes is committed_bytes and metadata_bytes together (used_bytes) and what every group is short of
              its guarantee. It rises by one compare-and-swap that finds it within the hard limit, or not at all: of two
              that fit one by one and not both, one is refused. What a group takes within its guarantee leaves it as
              it is, so that no other can be in the way; an end of a group's epoch may lift it beyond the limit: until
              what that left is given back, no other is charged with it. Metadata counts by what its owners use: the
              allocator and its places, a heap, a row and its magazines, an id, a chunk's records, and its lines of each
              region that it served since they were last given back.
   [BUDGET-2] A soft limit is crossed by the one compare-and-swap that leaves used_bytes, or a group's charge, beyond
              it. The thread that did it notes that in words_due, and tells when it holds no lock and is in no slow
              path; so does a thread whose allocation was refused, if it is the heap's first since its last success: a
              refusal shuts the gates of the heap's rows, so that the next success passes a slow path, which looks at
              heap->dry.
   [BUDGET-3] A place that is counted (its epoch has a group, or may be discarded) has the committed bytes of the chunks
              bound in its round, in `charge`, beside a mark of that round: who binds, frees or purges changes it by an
              exchange that finds its own round's mark. The end of a round takes all of it at once.
   [BUDGET-4] A group is charged before a place that is its own, and discharged after. Its compare-and-swap finds it
              within its hard limit. charged_bytes rises before the group's charge does and falls after used_bytes has:
              at no instant is it less than [BUDGET-1] says.
   [BUDGET-5] A guarantee covers chunks and metadata: heaps, rows, ids, records and lines that come into use for an
              epoch of the group are taken from it (`covered`) until the round ends or their memory goes back. Then they
              are nobody's, as the chunks are.   */
static int zs__word_note(zs__allocator *z, zslab_result what, zslab_group *group, size_t bytes, size_t limit,
                         zslab_epoch e)
{
    uint32_t i;
    for (i = 0; i < ZS__WORDS_DUE; i++) {
        zs__word_due *w = &z->words_due[i];
        uint32_t was = 0;
        if (zs__load_u32(&w->here) || !zs__cas_u32(&w->here, &was, zs__here())) /* acquire: pairs with zs__words_told */
            continue;
        w->what = what;
        w->group = group;
        w->bytes = bytes;
        w->limit = limit;
        w->epoch = e;
        zs__add_u32(&z->word_count, 1);
        return 1;
    }
    return 0; /* as many threads are about to tell */
}

static ZS__NOINLINE void zs__words_told(zs__allocator *z)
{
    uint32_t i;
    for (i = 0; i < ZS__WORDS_DUE; i++)
        if (zs__load_u32(&z->words_due[i].here) == zs__here()) { /* relaxed: what this thread stored, it sees */
            const zs__word_due w = z->words_due[i];
            uint32_t error = zs__load_u32(zs__error());
            int saved = zs__errno();
            zs__sub_u32(&z->word_count, 1);
            zs__store_rel_u32(&z->words_due[i].here, 0); /* release: it was read. Pairs with zs__word_note */
            zs__rank_none();
            if (w.what == ZSLAB_OK)
                z->config.on_pressure(z->config.pressure_user, z, w.group, w.bytes, w.limit);
            else
                z->config.on_dry(z->config.dry_user, z, w.bytes, w.epoch, w.what);
            zs__errno_back(saved);
            zs__store_u32(zs__error(), error);
        }
}

/* The end of a call: what its thread has to tell. heap: NULL, or one that may be in a slow path of an outer call. */
static inline void zs__words_tell(zs__allocator *z, const zslab_heap *heap)
{
    if (ZS__UNLIKELY(zs__load_u32(&z->word_count)) && !(heap && zs__load_u32(&heap->busy))) zs__words_told(z);
}

static size_t zs__group_short(const zslab_group *g, size_t covered) /* of its guarantee */
{
    return g->guaranteed > covered ? g->guaranteed - covered : 0;
}

/* An atomic count rises, if it stays within a limit that may be set meanwhile. *was: before. */
static int zs__count_within(uintptr_t *count, size_t bytes, const uintptr_t *limit, size_t *was)
{
    size_t most;
    *was = zs__load_ptr(count);
    do {
        most = zs__load_seq_ptr(limit);
        if (*was > most || bytes > most - *was) return 0;
    } while (!zs__cas_ptr(count, was, *was + bytes)); /* seq_cst: before the look at a limit set since */
    if (zs__load_seq_ptr(limit) < most && *was + bytes > zs__load_seq_ptr(limit)) {
        zs__sub_ptr(count, bytes);
        return 0;
    }
    return 1;
}

static void zs__soft_look(zs__allocator *z, zslab_group *g, size_t was, size_t now) /* [BUDGET-2] */
{
    size_t soft = zs__load_ptr(g ? &g->soft : &z->soft_limit);
    if (ZS__LIKELY(was > soft || now <= soft)) return;
    if (!g) zs__add_u64(&z->soft_crossings, 1);
    if (z->config.on_pressure) zs__word_note(z, ZSLAB_OK, g, now, soft, ZSLAB_EPOCH_NONE);
}

static void zs__budget_give(zs__allocator *z, size_t object, size_t metadata) /* they are in use no more */
{
    zs__sub_ptr(&z->committed_bytes, object); /* counters: ordered with nothing */
    zs__sub_ptr(&z->metadata_bytes, metadata);
    zs__sub_ptr(&z->used_bytes, object + metadata);
    zs__sub_ptr(&z->charged_bytes, object + metadata); /* after used_bytes [BUDGET-4] */
}

/* Bytes, and metadata, are the group's no more; they may be in use. [BUDGET-4] [BUDGET-5] */
static void zs__group_give(zs__allocator *z, zslab_group *g, size_t bytes, size_t metadata)
{
    size_t was, all = bytes + metadata;
    if (!g || !all) return;
    zs__sub_ptr(&g->charged, bytes);
    if (!g->guaranteed) return;
    zs__add_ptr(&z->charged_bytes, all); /* what it may come to be short of */
    was = zs__sub_ptr(&g->covered, all);
    zs__sub_ptr(&z->charged_bytes, all - (zs__group_short(g, was - all) - zs__group_short(g, was)));
}

/* May memory that is in use already, and nobody's, be charged to whom no guarantee covers? Not where the guarantees of
   others would then be beyond the limit: it has to go back first. */
static inline int zs__idle_free(const zs__allocator *z)
{
    size_t charged = zs__load_ptr(&z->charged_bytes);
    return ZS__LIKELY(charged <= zs__load_ptr(&z->hard_limit)) || charged == zs__load_ptr(&z->used_bytes);
}

/* The group is charged so many bytes, and metadata; `more` of both come into use. 0 = within the limits, also z's. */
static int zs__group_take(zs__allocator *z, zslab_group *g, size_t bytes, size_t metadata, size_t more)
{
    const size_t all = bytes + metadata;
    size_t was = zs__load_ptr(&g->covered), held = 0, unused, before;
    if (!zs__count_within(&g->charged, bytes, &g->hard, &before) && bytes) /* 0: metadata alone, which it may have */
        return -1;
    for (;;) {
        size_t less = zs__group_short(g, was) - zs__group_short(g, was + all), rise = more > less ? more - less : 0;
        if ((less < all && !zs__idle_free(z)) ||
            (rise > held && !zs__count_within(&z->charged_bytes, rise - held, &z->hard_limit, &unused)))
            break;
        if (rise < held) zs__sub_ptr(&z->charged_bytes, held - rise);
        held = rise;
        if (!g->guaranteed || zs__cas_ptr(&g->covered, &was, was + all)) { /* seq_cst: as in zs__count_within */
            if (less > more) zs__sub_ptr(&z->charged_bytes, less - more);
            zs__soft_look(z, g, before, before + bytes);
            return 0;
        }
    }
    zs__sub_ptr(&g->charged, bytes);
    zs__sub_ptr(&z->charged_bytes, held);
    return -1;
}

/* Bytes of object memory and of metadata come into use, and a group, or NULL, is charged `bytes`; 0 = within the
   limits. [BUDGET-1] */
static int zs__budget_take(zs__allocator *z, zslab_group *g, size_t bytes, size_t object, size_t metadata)
{
    size_t more = object + metadata, was;
    if (object && zs__sealed(z) && !z->config.memory) return -1;
    if (g      ? zs__group_take(z, g, bytes, metadata, more)
        : more ? !zs__count_within(&z->charged_bytes, more, &z->hard_limit, &was)
               : bytes && !zs__idle_free(z))
        return -1;
    if (!more) return 0;
    if (!g) {
        was = zs__add_ptr(&z->used_bytes, more); /* after charged_bytes, and so within the limit */
    } else if (!zs__count_within(&z->used_bytes, more, &z->hard_limit, &was)) {
        zs__group_give(z, g, bytes, metadata);
        zs__sub_ptr(&z->charged_bytes, more);
        return -1;
    }
    zs__add_ptr(&z->committed_bytes, object); /* counters: ordered with nothing */
    zs__add_ptr(&z->metadata_bytes, metadata);
    zs__soft_look(z, NULL, was, was + more);
    return 0;
}

/* What marks a round in a place's charge. */
#define ZS__CHARGE_BYTES (((uint64_t)1 << 48) - 1)
static inline uint64_t zs__charge_mark(uint64_t stamp) { return (stamp >> 22 << 1 | 1) << 48; }

/* Is it the charge of this round? A place that is not counted has none. */
static inline int zs__charge_of(uint64_t charge, uint64_t stamp)
{
    return charge && (charge ^ zs__charge_mark(stamp)) <= ZS__CHARGE_BYTES;
}

static inline int zs__place_counts(const zs__allocator *z, uint64_t stamp) /* chunks of the round are counted */
{
    return ZS__UNLIKELY(zs__load_u64(&z->places[zs__stamp_place(stamp)].charge) != 0) &&
           zs__charge_of(zs__load_u64(&z->places[zs__stamp_place(stamp)].charge), stamp);
}

static int zs__charge_change(uint64_t *charge, uint64_t stamp, uint64_t by) /* 0: the round is over [BUDGET-3] */
{
    uint64_t was = zs__load_u64(charge);
    do {
        if (!zs__charge_of(was, stamp)) return 0;
    } while (!zs__cas_u64(charge, &was, was + by)); /* a counter: ordered with nothing */
    return 1;
}

/* Relaxed: under the epoch lock; or by who then finds the charge of a round in which the group was the place's. */
static inline zslab_group *zs__place_group(const zs__place *place)
{
    return (zslab_group *)zs__load_ptr((const uintptr_t *)(const void *)&place->group);
}

/* Committed bytes of a round's chunks are its own no more. */
static void zs__uncharge(zs__allocator *z, uint64_t stamp, size_t bytes)
{
    zs__place *place = &z->places[zs__stamp_place(stamp)];
    zslab_group *g = zs__place_group(place);
    if (zs__place_counts(z, stamp) && bytes && zs__charge_change(&place->charge, stamp, (uint64_t)0 - bytes))
        zs__group_give(z, g, bytes, 0);
}

/* Metadata is about to go back that may have come into use for the round. [BUDGET-5] */
static void zs__aside_give(zs__allocator *z, uint64_t stamp, size_t metadata)
{
    uint64_t *aside = &zs__round_at(z, stamp)->aside, was = zs__load_u64(aside);
    zslab_group *g = was ? zs__place_group(&z->places[zs__stamp_place(stamp)]) : NULL;
    size_t less;
    do {
        less = zs__charge_of(was, stamp) ? (size_t)(was & ZS__CHARGE_BYTES) : 0;
        less = less < metadata ? less : metadata;
    } while (less && !zs__cas_u64(aside, &was, was - less)); /* a counter: ordered with nothing */
    zs__group_give(z, g, 0, less);
}

/* zs__budget_take for a round: its chunks come to hold `bytes` with what is new. */
static int zs__charge_take(zs__allocator *z, uint64_t stamp, size_t bytes, size_t object, size_t metadata)
{
    zs__place *place = &z->places[zs__stamp_place(stamp)];
    zslab_group *g = NULL;
    const int counts = zs__place_counts(z, stamp);
    if (counts) g = zs__place_group(place);
    if (zs__budget_take(z, g, bytes, object, metadata)) return -1;
    if (counts && !zs__charge_change(&place->charge, stamp, bytes))
        zs__group_give(z, g, bytes, 0); /* the round ended since */
    if (g && g->guaranteed && !zs__charge_change(&zs__round_at(z, stamp)->aside, stamp, metadata))
        zs__group_give(z, g, 0, metadata);
    return 0;
}

/* The round of a place's epoch ends: all that was charged is so no longer. next: the mark of the next; 0: none. Epoch
   lock held. */
static size_t zs__charge_end(zs__allocator *z, zs__place *place, uint64_t next)
{
    uint64_t *aside = &zs__round_of(z, (uint64_t)(place - z->places))->aside;
    uint64_t was = zs__load_u64(&place->charge), metadata = zs__load_u64(aside);
    if (was) was = zs__exchange_u64(&place->charge, next); /* counters, both: ordered with nothing */
    if (metadata) metadata = zs__exchange_u64(aside, next);
    zs__group_give(z, place->group, (size_t)(was & ZS__CHARGE_BYTES), (size_t)(metadata & ZS__CHARGE_BYTES));
    return (size_t)(was & ZS__CHARGE_BYTES);
}

/* Would they be taken for the round, at a glance? */
static int zs__budget_fits(const zs__allocator *z, uint64_t stamp, size_t object, size_t metadata)
{
    size_t charged = zs__load_ptr(&z->charged_bytes), limit = zs__load_ptr(&z->hard_limit), more = object + metadata;
    const zslab_group *g = zs__place_counts(z, stamp) ? zs__place_group(&z->places[zs__stamp_place(stamp)]) : NULL;
    size_t own = g ? zs__group_short(g, zs__load_ptr(&g->covered)) : 0;
    return !(object && zs__sealed(z) && !z->config.memory) &&
           (more <= own || (charged <= limit && more - own <= limit - charged));
}

ZSLAB_API zslab_result zslab_seal(zslab *self, int sealed)
{
    zs__allocator *z = zs__own(self);
    uint32_t was = !sealed;
    if (zs__cas_u32(&z->sealed, &was, !was)) /* ordered with nothing: other threads' calls see it soon */
        zs__add_u32(&zs__sealed_count, was ? ~(uint32_t)0 : 1);
    return ZSLAB_OK;
}

ZSLAB_API zslab_result zslab_set_limits(zslab *self, size_t soft_bytes, size_t hard_bytes)
{
    zs__allocator *z = zs__own(self);
    zs__exchange_ptr(&z->soft_limit, soft_bytes ? soft_bytes : SIZE_MAX); /* ordered with nothing */
    zs__exchange_ptr(&z->hard_limit, hard_bytes ? hard_bytes : SIZE_MAX); /* read again after each take [BUDGET-1] */
    return ZSLAB_OK;
}

static inline size_t zs__region_slab(const zs__region *r, size_t chunk) /* index of the chunk's first slab there */
{
    return (chunk < ZS__HEAD_CHUNKS ? r->head : r->first) + chunk * r->lines;
}

/* Metadata of a chunk's records, and of its lines of a region. */
#define ZS__RECORD_BYTES (sizeof(zs__chunk) + sizeof(zs__chunk_cold))
static inline size_t zs__lines_bytes(const zs__allocator *z, uint32_t region)
{
    return z->config.memory ? 0 /* a buffer's were taken with it */
                            : z->regions[region].lines * (64 + ZS__TAG_BYTES + sizeof(uint64_t) + sizeof(zs__hint));
}

static size_t zs__chunk_lines(const zs__allocator *z, const zs__chunk_cold *x) /* of all regions it served */
{
    uint64_t served = zs__load_u64(&x->regions);
    size_t bytes = 0;
    for (; served; served &= served - 1) bytes += zs__lines_bytes(z, zs__ctz(served));
    return bytes;
}

/* What a chunk's metadata comes to more when it serves a class of the region. Its owner asks, or its one holder. */
static size_t zs__chunk_metadata_more(const zs__allocator *z, uint32_t chunk, uint32_t region)
{
    size_t more = zs__load_recip(&z->chunks[chunk].recip) ? 0 : ZS__RECORD_BYTES;
    return more + (zs__load_u64(&z->cold[chunk].regions) >> region & 1 ? 0 : zs__lines_bytes(z, region));
}

/* ---- >>arena ---------------------------------------------------------------
   Address range to chunks. One reservation holds the objects, one the metadata: this struct and the rounds,
   chunk records, cold records, words, hints, states, then the meta arena (heaps, rows, domains). Both are
   committed in steps as chunks come into use. A caller's buffer holds all of it and is committed from the
   start. The arena lock guards fresh chunks, the pool and the meta arena.

   [ARENA-1] A chunk is fresh (never used), in the pool, or in one bin's list of all its chunks.
   [ARENA-2] committed_bytes counts chunks that were used, less what was purged of them.
   [ARENA-3] A chunk is used once its records and its metadata for all classes are committed, so that each class is
             served from the chunks there are when the system grants no more.                        */
#define ZS__COMMIT_STEP ((size_t)1 << 21)
#define ZS__RECORDS_STEP ((size_t)1024) /* chunks */

static void zs__arena_take(zs__allocator *z) { zs__count_lock(z, &z->arena_lock, ZS__LOCK_ARENA); }
static void zs__arena_drop(zs__allocator *z) { zs__ranked_drop(zs__as_lock(&z->arena_lock), ZS__LOCK_ARENA); }

static int zs__commit(zs__allocator *z, void *p, size_t bytes)
{
    int saved = zs__errno(), refused;
    ZSLAB_ASSERT(!z->config.memory && bytes); /* a buffer is committed as it comes */
    if (zs__sealed(z)) return -1;
    refused = z->config.os.commit(z->config.os.user, p, bytes);
    zs__errno_back(saved);
    return refused;
}

/* Commit [base + *done, base + upto), which is not empty, and some more, in page steps, never past limit. 0 = done. */
static int zs__commit_upto(zs__allocator *z, char *base, size_t *done, size_t upto, size_t limit, size_t step)
{
    size_t to = zs__round_up(upto, z->page_bytes), more = *done / 4;
    char *from = base + *done;
    if (more < step) more = step;
    if (to < *done + more) to = zs__round_up(*done + more, z->page_bytes);
    limit = limit / z->page_bytes * z->page_bytes;
    if (to > limit) to = limit;
    if (zs__commit(z, from, to - *done)) {
        to = zs__round_up(upto, z->page_bytes); /* the step may be what did not fit */
        if (zs__commit(z, from, to - *done)) return -1;
    }
    *done = to;
    return 0;
}

static void zs__cached(zs__allocator *z, zs__chunk_cold *x, int on);
static void zs__ids_leave(zs__allocator *z, uint32_t chunk, int all);
static int zs__chunk_at_rest(const zs__allocator *z, uint32_t chunk);
static uint32_t zs__span_lend(zs__allocator *z, uint32_t count);
static int zs__spans_unreserve(zs__allocator *z);
static void zs__large_gather(zs__allocator *z, uint32_t most);
static void zs__large_sweep(zs__allocator *z, uint32_t most, int purge);
static int zs__large_unkeep(zs__allocator *z, const zs__place *place, int purge);

static uint32_t zs__chunks_known(const zs__allocator *z) /* that have a cold record. Arena lock, or no other thread */
{
    return z->config.memory || z->fresh_chunk < z->record_committed ? z->fresh_chunk : (uint32_t)z->record_committed;
}

/* Neighbours of the pool, taken out of it: never again objects. 1 + the first; 0: there are none. Arena lock held. */
static uint32_t zs__pool_lend(zs__allocator *z, uint32_t chunks)
{
    uint32_t first = 0, run = 0, chunk, *at;
    for (chunk = z->pool; chunk; chunk = z->cold[chunk - 1].all_next)
        z->cold[chunk - 1].pooled = (uint8_t)zs__chunk_at_rest(z, chunk - 1);
    for (chunk = 0; run < chunks && chunk < zs__chunks_known(z); chunk++) {
        run = z->cold[chunk].pooled ? run + 1 : 0;
        first = chunk + 2 - run;
    }
    for (chunk = z->pool; chunk; chunk = z->cold[chunk - 1].all_next) z->cold[chunk - 1].pooled = 0;
    if (run < chunks) return 0;
    for (at = &z->pool; (chunk = *at) != 0;) {
        zs__chunk_cold *x = &z->cold[chunk - 1];
        if (chunk < first || chunk >= first + chunks) {
            at = &x->all_next;
            continue;
        }
        zs__ids_leave(z, chunk - 1, 1);
        x->flags = ZS__CHUNK_LENT; /* before it leaves the pool: zs__fork_strays */
        zs__compiler_barrier();
        zs__store_u32(at, x->all_next);
        z->pool_count--;
        zs__store_u64(&z->chunks[chunk - 1].stamp, 0);
        zs__store_recip(&z->chunks[chunk - 1].recip, 0); /* as if never used: a pointer into it is foreign */
        zs__cached(z, x, 0);
        zs__budget_give(z, ZS__CHUNK_BYTES - zs__load_u32(&x->purged_bytes), ZS__RECORD_BYTES + zs__chunk_lines(z, x));
        zs__store_u64(&x->regions, 0);
        zs__store_u32(&x->purged_bytes, (uint32_t)ZS__CHUNK_BYTES);
    }
    return first;
}

/* Chunks become metadata: a buffer's top fresh ones, else what pool and free spans have, also where the system gives no
   more. NULL: there are none. Arena lock held. */
static char *zs__chunks_lend(zs__allocator *z, uint32_t chunks)
{
    char *from;
    if (z->config.memory && z->chunk_limit - z->fresh_chunk >= chunks) {
        z->chunk_limit -= chunks;
        from = z->base + (size_t)z->chunk_limit * ZS__CHUNK_BYTES;
    } else {
        uint32_t first = zs__pool_lend(z, chunks);
        if (!first) {
            zs__large_gather(z, ~(uint32_t)0); /* neighbours of both kinds are one span */
            if (zs__span_lend(z, chunks) || (zs__spans_unreserve(z) && zs__span_lend(z, chunks)))
                first = zs__pool_lend(z, chunks);
        }
        if (!first) return NULL;
        from = z->base + (size_t)(first - 1) * ZS__CHUNK_BYTES;
    }
    zs__mem_show(from, (size_t)chunks * ZS__CHUNK_BYTES);
    return from;
}

/* A buffer's bump space goes on there. At whichever instruction a fork comes, the child finds the old space, the new
   one, or no room at all: the range's end is beyond either. Arena lock held. */
static void zs__meta_move(zs__allocator *z, char *from, size_t bytes)
{
    z->meta_top = z->base + z->range_bytes;
    zs__compiler_barrier();
    z->meta = from;
    z->meta_end = z->meta_committed = from + bytes;
    zs__compiler_barrier();
    z->meta_top = from;
}

#define ZS__META_PAGE ((size_t)4096)

/* Bump space from the top on, committed; NULL: there is none. Arena lock held. */
static char *zs__meta_room_for(zs__allocator *z, size_t bytes, size_t alignment)
{
    char *p = (char *)zs__round_up((size_t)z->meta_top, alignment);
    size_t done = (size_t)(z->meta_committed - z->meta);
    if ((size_t)(z->meta_end - z->meta) < bytes || p > z->meta_end - bytes) return NULL;
    if (p + bytes > z->meta_committed) {
        if (zs__commit_upto(z, z->meta, &done, (size_t)(p - z->meta) + bytes, (size_t)(z->meta_end - z->meta),
                            (size_t)1 << 18))
            return NULL;
        z->meta_committed = z->meta + done;
    }
    return p;
}

/* Metadata of a heap, a row or a domain, zeroed: bump, never freed; their owners keep spare lists. What the bump space
   has not, chunks lend: a reservation's goes on when the system gives again. Arena lock held. */
static void *zs__meta_alloc(zs__allocator *z, size_t bytes, size_t alignment)
{
    char *p = zs__meta_room_for(z, bytes, alignment);
    if (!p) {
        uint32_t chunks = (uint32_t)((bytes + alignment + ZS__CHUNK_MASK) >> ZSLAB_CHUNK_SHIFT);
        char *from = zs__chunks_lend(z, chunks);
        if (!from) return NULL;
        if (!z->config.memory) {
            zs__zero(from, bytes);
            return from;
        }
        zs__meta_move(z, from, (size_t)chunks * ZS__CHUNK_BYTES);
        p = zs__meta_room_for(z, bytes, alignment);
    }
    z->meta_top = p + bytes;
    if (z->config.memory) zs__zero(p, bytes);
    return p;
}

/* Make the metadata of slabs [from, to) usable. Arena lock held. */
static int zs__lines_commit(zs__allocator *z, size_t from, size_t to)
{
    size_t page = z->page_bytes, bytes[3 + ZSLAB_TAGS];
    char *area[3 + ZSLAB_TAGS];
    int i;
    bytes[0] = 64, bytes[1] = sizeof *z->words, bytes[2] = sizeof *z->hints;
    area[0] = (char *)z->states, area[1] = (char *)z->words, area[2] = (char *)z->hints;
#if ZSLAB_TAGS
    bytes[3] = ZS__TAG_BYTES, area[3] = (char *)z->tags;
#endif
    for (i = 0; i < 3 + ZSLAB_TAGS; i++) {
        size_t at = bytes[i] * from / page * page;
        if (zs__commit(z, area[i] + at, zs__round_up(bytes[i] * to, page) - at)) return -1;
    }
    return 0;
}

/* Make the slab metadata of a chunk usable for every class: of the whole head at once if the system grants it, else and
   behind it by steps that fill pages. [ARENA-3] Arena lock held. */
static int zs__chunk_metadata(zs__allocator *z, uint32_t chunk)
{
    const size_t head = ZS__HEAD_CHUNKS < z->chunk_count ? ZS__HEAD_CHUNKS : z->chunk_count, upto = (size_t)chunk + 1;
    uint32_t i;
    if (z->config.memory) return 0;
    if (!z->regions[0].committed && !zs__lines_commit(z, 0, z->head_slabs))
        for (i = 0; i < z->region_count; i++) z->regions[i].committed = head;
    for (i = 0; i < z->region_count; i++) {
        zs__region *r = &z->regions[i];
        while (r->committed < upto) {
            const size_t from = zs__region_slab(r, r->committed), most = r->committed < head ? head : z->chunk_count;
            size_t more = upto / 4, to; /* it may be what did not fit */
            int refused;
            do {
                to = zs__round_up(upto + more, r->lines <= 4 ? 64 : 16);
                to = to < most ? to : most;
                refused = zs__lines_commit(z, from, from + (to - r->committed) * r->lines);
            } while (refused && (more >>= 2) != 0);
            if (refused) return -1;
            r->committed = to;
        }
    }
    return 0;
}

/* Prefault and lock what was just committed. */
static int zs__range_prepare(zs__allocator *z, char *p, size_t bytes)
{
    size_t i;
    if ((z->config.flags & ZSLAB_FLAG_LOCK_PAGES) && !z->config.memory && zs__os_lock(p, bytes)) return -1;
    if (z->config.flags & ZSLAB_FLAG_PREFAULT)
        for (i = 0; i < bytes; i += z->page_bytes) *(volatile char *)(p + i) = 0;
    return 0;
}

static int zs__range_commit(zs__allocator *z, uint32_t chunk)
{
    size_t upto = ((size_t)chunk + 1) * ZS__CHUNK_BYTES, was = z->range_committed;
    if (z->config.memory || upto <= was) return 0;
    if (zs__commit_upto(z, z->base, &z->range_committed, upto, z->range_bytes, ZS__COMMIT_STEP)) return -1;
    if (zs__range_prepare(z, z->base + was, z->range_committed - was)) {
        z->range_committed = was;
        return -1;
    }
    zs__mem_hide(z->base + was, z->range_committed - was);
    return 0;
}

/* Cold records; the records that frees read are committed from the start, so that any pointer finds one. */
static int zs__records_commit(zs__allocator *z, uint32_t chunk)
{
    size_t upto = (size_t)chunk + 1;
    if (z->config.memory || upto <= z->record_committed) return 0;
    upto = zs__round_up(upto, ZS__RECORDS_STEP);
    if (upto > z->chunk_count) upto = z->chunk_count;
    if (zs__commit(z, z->cold, zs__round_up(upto * sizeof *z->cold, z->page_bytes))) return -1;
    z->record_committed = upto;
    return 0;
}

/* A chunk never used, next to others of the same metadata density when there is room. Arena lock held. */
static uint32_t zs__chunk_fresh(zs__allocator *z, const zs__class *k) /* 1 + chunk, 0: none */
{
    zs__region *r = &z->regions[k->region];
    int dense = r->lines < 64 && !z->config.memory && !(z->config.flags & ZSLAB_FLAG_PREFAULT);
    uint32_t i, group = dense ? 64 / r->lines : 1;
    if (r->group_next == r->group_end) {
        if (z->fresh_chunk < z->chunk_limit) {
            if (group > z->chunk_limit - z->fresh_chunk) group = z->chunk_limit - z->fresh_chunk;
            z->fresh_chunk += group; /* in this order: zs__fork_strays */
            zs__store_u32(&r->group_next, z->fresh_chunk - group);
            zs__store_u32(&r->group_end, z->fresh_chunk);
        } else { /* the range is used up: what other regions set aside serves too */
            for (i = 0; i < z->region_count && z->regions[i].group_next == z->regions[i].group_end; i++)
                ;
            if (i == z->region_count) return 0;
            r = &z->regions[i];
        }
    }
    if (zs__chunk_metadata(z, r->group_next) || zs__records_commit(z, r->group_next) ||
        zs__range_commit(z, r->group_next))
        return 0;
    zs__store_u64(&z->chunks[r->group_next].stamp, 0); /* it is: a page that is read first is faulted in twice */
    return ++r->group_next;
}

/* A purge in the range, counted for the class of each stretch of chunks it covers, in the first heap's counters. */
static void zs__purge_counted(zs__allocator *z, const char *p, size_t bytes, int failed)
{
#if ZSLAB_STATS
    zslab_heap *heap = (zslab_heap *)zs__load_acq_ptr((uintptr_t *)(void *)&z->heaps); /* pairs with zs__heap_new */
    size_t at = (size_t)((uintptr_t)p - (uintptr_t)z->base), end = at + bytes;
    uint32_t last = ~(uint32_t)0;
    while (heap && at < end && at < z->range_bytes) {
        size_t next = (at | ZS__CHUNK_MASK) + 1, part = (next < end ? next : end) - at;
        uint32_t cls = zs__load_u16(&z->chunks[at >> ZSLAB_CHUNK_SHIFT].cls);
        zs__counters *n = &heap->counters[cls < z->class_count ? cls : z->class_count];
        if (cls != last) { /* counters: ordered with nothing */
            zs__add_u64(&n->purge_calls, 1);
            zs__add_u64(&n->purge_failures, (uint64_t)failed);
        }
        zs__add_u64(&n->purge_bytes, failed ? 0 : part);
        last = cls;
        at = next;
    }
#else
    (void)z, (void)p, (void)bytes, (void)failed;
#endif
}

/* Give pages of a chunk back; the caller has made sure that nothing lives there. A buffer's stay as they are, and count
   as given back. */
static size_t zs__purge_pages(zs__allocator *z, char *p, size_t bytes)
{
    int saved = zs__errno(), failed;
    if (zs__sealed(z)) return 0;
    if (z->config.memory) return bytes;
    failed = z->config.os.purge(z->config.os.user, p, bytes) != 0;
    zs__errno_back(saved);
    zs__purge_counted(z, p, bytes, failed);
    zs__add_u64(&z->purge_calls, 1);
    if (failed) {
        zs__add_u64(&z->purge_failures, 1);
        return 0;
    }
    zs__add_u64(&z->purge_bytes, bytes);
    return bytes;
}

/* ---- >>span ----------------------------------------------------------------
   Free space for what is larger than a chunk: spans of neighbouring chunks, found by size, cut, and joined again with
   their neighbours. A class takes single chunks from here when the pool has none. The arena lock guards all of it.

   [SPAN-1] A chunk is in a free span iff its bit in span_free is set. Two free spans never touch.
   [SPAN-2] The first chunk of a free span says how many it has (all_next) and stands in the list of that many; the last
            one names the first (all_prev).
   [SPAN-3] What rows keep for later, idle ones too, joins no span; the pool's chunks do when a span is wanted.
   [SPAN-4] What a reservation touched for large objects of an epoch stands in a list of the epoch's place when no
            object of it has it: no other epoch's, until the epoch ends or the alternative is a refusal. A reset leaves
            it there, but where it gives the pages back. One for each length and touched end is in the list, by `next`;
            the others like it are behind it, by `prev`.
   [SPAN-5] What no object uses may be without access, where the alternative was a refusal: of a chunk in span_bare the
            bytes that are not counted, its last purged_bytes. They are committed again before they are counted. */
#define ZS__BARE_MOST 8192u /* stretches without access that divide the range's mapping */

static inline int zs__bit(const uint64_t *map, uint32_t i) /* relaxed: under the lock, or a look at what may change */
{
    return (int)(zs__load_u64(&map[i >> 6]) >> (i & 63) & 1);
}

static void zs__bits_put(uint64_t *map, uint32_t from, uint32_t count, int on)
{
    uint32_t end = from + count;
    if (ZS__LIKELY(count == 1)) {
        uint64_t bit = (uint64_t)1 << (from & 63), was = zs__load_u64(&map[from >> 6]);
        zs__store_u64(&map[from >> 6], on ? was | bit : was & ~bit); /* relaxed: as above */
        return;
    }
    while (from < end) {
        uint32_t in = 64 - (from & 63), part = end - from < in ? end - from : in;
        uint64_t bits = (part == 64 ? ~(uint64_t)0 : ((uint64_t)1 << part) - 1) << (from & 63);
        uint64_t was = zs__load_u64(&map[from >> 6]);
        zs__store_u64(&map[from >> 6], on ? was | bits : was & ~bits); /* relaxed: as above */
        from += part;
    }
}

static uint32_t zs__bits_find(const uint64_t *map, uint32_t from, uint32_t to, int on) /* the first; to: none */
{
    while (from < to) {
        uint64_t word = zs__load_u64(&map[from >> 6]);
        word = (on ? word : ~word) >> (from & 63);
        if (word) {
            from += zs__ctz(word);
            break;
        }
        from = (from | 63) + 1;
    }
    return from < to ? from : to;
}

static uint32_t zs__bits_back(const uint64_t *map, uint32_t from) /* 1 + the last bit set up to from; 0: none */
{
    uint32_t w = from >> 6;
    uint64_t word = zs__load_u64(&map[w]) << (63 - (from & 63)) >> (63 - (from & 63));
    while (!word && w) word = zs__load_u64(&map[--w]);
    return word ? w * 64 + zs__top_bit(word) + 1 : 0;
}

static uint32_t zs__span_bin(uint32_t count) /* rising with the chunks */
{
    unsigned log = count < 64 ? 6 : zs__top_bit(count);
    return count < 64 ? count : 64 + (log - 6) * 4 + (count >> (log - 2) & 3);
}

static uint32_t zs__span_next(const zs__allocator *z, uint32_t bin) /* the first list from bin on that is not empty */
{
    uint32_t w = bin >> 6;
    uint64_t left = w < sizeof z->span_filled / sizeof *z->span_filled ? z->span_filled[w] >> (bin & 63) : 0;
    if (left) return bin + zs__ctz(left);
    for (w++; w < sizeof z->span_filled / sizeof *z->span_filled; w++)
        if (z->span_filled[w]) return w * 64 + zs__ctz(z->span_filled[w]);
    return ZS__SPAN_BINS;
}

static void zs__span_link(zs__allocator *z, uint32_t first, uint32_t count) /* [SPAN-2] */
{
    uint32_t bin = zs__span_bin(count), next = z->span_list[bin];
    z->cold[first].prev = 0;
    z->cold[first].next = next;
    if (next) z->cold[next - 1].prev = first + 1;
    z->span_list[bin] = first + 1;
    z->span_filled[bin >> 6] |= (uint64_t)1 << (bin & 63);
    zs__store_u32(&z->cold[first].all_next, count);
    z->cold[first + count - 1].all_prev = first + 1;
}

static void zs__span_unlink(zs__allocator *z, uint32_t first)
{
    const zs__chunk_cold *x = &z->cold[first];
    uint32_t bin = zs__span_bin(x->all_next);
    if (x->prev)
        z->cold[x->prev - 1].next = x->next;
    else if (!(z->span_list[bin] = x->next))
        z->span_filled[bin >> 6] &= ~((uint64_t)1 << (bin & 63));
    if (x->next) z->cold[x->next - 1].prev = x->prev;
}

static size_t zs__span_counted(const zs__allocator *z, uint32_t first, uint32_t count) /* its committed bytes */
{
    size_t bytes = (size_t)count * ZS__CHUNK_BYTES;
    uint32_t i, end = first + count;
    for (i = zs__bits_find(z->span_short, first, end, 1); i < end; i = zs__bits_find(z->span_short, i + 1, end, 1))
        bytes -= z->cold[i].purged_bytes;
    return bytes;
}

static void zs__span_give(zs__allocator *z, uint32_t first, uint32_t count) /* [SPAN-1] */
{
    size_t counted = zs__span_counted(z, first, count);
    z->span_idle += counted;
    zs__add_ptr(&z->cached_bytes, counted); /* a counter: ordered with nothing */
    zs__bits_put(z->span_free, first, count, 1);
    if (first && zs__bit(z->span_free, first - 1)) {
        uint32_t before = z->cold[first - 1].all_prev - 1;
        zs__span_unlink(z, before);
        count += first - before;
        first = before;
    }
    if (first + count < z->chunk_count && zs__bit(z->span_free, first + count)) {
        uint32_t more = z->cold[first + count].all_next;
        zs__span_unlink(z, first + count);
        count += more;
    }
    zs__span_link(z, first, count);
}

/* `count` chunks of the free span at `first`, after `skip` of them, come out of it. */
static void zs__span_cut(zs__allocator *z, uint32_t first, uint32_t skip, uint32_t count)
{
    uint32_t rest = z->cold[first].all_next - skip - count;
    size_t counted = zs__span_counted(z, first + skip, count);
    zs__span_unlink(z, first);
    if (skip) zs__span_link(z, first, skip);
    if (rest) zs__span_link(z, first + skip + count, rest);
    zs__bits_put(z->span_free, first + skip, count, 0);
    z->span_idle -= counted;
    zs__sub_ptr(&z->cached_bytes, counted);
}

static void zs__span_reserve(zs__allocator *z, uint32_t *reserved, uint32_t first) /* [SPAN-4] */
{
    zs__chunk_cold *x = &z->cold[first], *same;
    uint32_t at;
    for (at = *reserved; at; at = same->next) {
        same = &z->cold[at - 1];
        if (same->all_next != x->all_next || same->held != x->held) continue;
        x->prev = same->prev;
        same->prev = first + 1;
        return;
    }
    x->prev = 0;
    x->next = *reserved;
    *reserved = first + 1;
}

static uint32_t zs__span_reserved_pop(zs__allocator *z, uint32_t *at) /* one of a kind */
{
    zs__chunk_cold *x = &z->cold[*at - 1];
    uint32_t first = x->prev;
    if (first) {
        x->prev = z->cold[first - 1].prev;
        return first;
    }
    first = *at;
    *at = x->next;
    return first;
}

/* 1 + the first chunk of one of that length, touched as far as `bytes` and little farther; 0: none. */
static uint32_t zs__span_take_reserved(zs__allocator *z, uint32_t *reserved, uint32_t count, size_t bytes)
{
    const size_t last = bytes - (size_t)(count - 1) * ZS__CHUNK_BYTES;
    uint32_t *at, *best = NULL;
    for (at = reserved; *at; at = &z->cold[*at - 1].next) {
        const zs__chunk_cold *x = &z->cold[*at - 1];
        if (x->all_next == count && (size_t)x->held * 64 >= last && (!best || x->held < z->cold[*best - 1].held))
            best = at;
    }
    return best ? zs__span_reserved_pop(z, best) : 0;
}

static void zs__span_unreserve(zs__allocator *z, uint32_t *reserved) /* all of them are free spans */
{
    while (*reserved) {
        uint32_t first = zs__span_reserved_pop(z, reserved) - 1;
        z->cold[first].flags &= ~ZS__CHUNK_RESERVED;
        zs__span_give(z, first, z->cold[first].all_next);
    }
}

/* Every epoch's: the alternative is a refusal. Arena lock held. 0: there are none. */
static int zs__spans_unreserve(zs__allocator *z)
{
    uint32_t q;
    int any = 0;
    for (q = 0; q < zs__places_known(z); q++) {
        any |= zs__round_of(z, q)->reserved != 0;
        zs__span_unreserve(z, &zs__round_of(z, q)->reserved);
    }
    return any;
}

/* Bytes of a span that are not counted as committed and will be, when `bytes` of it are used; and count them so. */
static size_t zs__span_uncounted(const zs__allocator *z, uint32_t first, uint32_t end, size_t bytes, int count)
{
    size_t more = 0;
    uint32_t i;
    for (i = zs__bits_find(z->span_short, first, end, 1); i < end; i = zs__bits_find(z->span_short, i + 1, end, 1)) {
        size_t have = ZS__CHUNK_BYTES - z->cold[i].purged_bytes, used = bytes - (size_t)(i - first) * ZS__CHUNK_BYTES;
        if (used > ZS__CHUNK_BYTES) used = ZS__CHUNK_BYTES;
        if (used <= have) continue;
        more += used - have;
        if (!count) continue;
        zs__store_u32(&z->cold[i].purged_bytes, (uint32_t)(ZS__CHUNK_BYTES - used));
        if (used == ZS__CHUNK_BYTES) {
            zs__bits_put(z->span_short, i, 1, 0);
            if (z->stripped) zs__bits_put(z->span_bare, i, 1, 0);
        }
    }
    return more;
}

/* [SPAN-5] A span is about to be used as far as `bytes`. 0 = done. */
static int zs__span_commit(zs__allocator *z, uint32_t first, uint32_t end, size_t bytes)
{
    char *from = NULL, *to = NULL;
    uint32_t i;
    if (!z->stripped) return 0;
    for (i = zs__bits_find(z->span_bare, first, end, 1); i < end; i = zs__bits_find(z->span_bare, i + 1, end, 1)) {
        char *at = z->base + (size_t)i * ZS__CHUNK_BYTES;
        char *have = at + (ZS__CHUNK_BYTES - z->cold[i].purged_bytes) / z->page_bytes * z->page_bytes;
        size_t used = bytes - (size_t)(i - first) * ZS__CHUNK_BYTES;
        char *upto = at + (used < ZS__CHUNK_BYTES ? used : ZS__CHUNK_BYTES);
        if (bytes <= (size_t)(i - first) * ZS__CHUNK_BYTES || upto <= have) continue;
        if (from && have != to) {
            if (zs__commit(z, from, (size_t)(to - from))) return -1;
            from = NULL;
        }
        from = from ? from : have;
        to = upto;
    }
    if (from && zs__commit(z, from, (size_t)(to - from))) return -1;
    for (i = first; from && i < end; i++) z->cold[i].flags &= ~ZS__CHUNK_BARE;
    return 0;
}

/* Before a refusal: what is not counted loses its access, and counts for no limit of the system's any more: behind
   objects, and in free spans. 0: there was nothing. Arena lock held. [SPAN-5] */
static int zs__spans_strip(zs__allocator *z)
{
    uint32_t i, to, holes = 0, end = z->fresh_chunk;
    int any = 0, saved = zs__errno();
    for (i = zs__bits_find(z->span_short, 0, end, 1); i < end; i = zs__bits_find(z->span_short, to, end, 1)) {
        size_t bytes = z->cold[i].purged_bytes / z->page_bytes * z->page_bytes;
        const int whole = bytes == ZS__CHUNK_BYTES && zs__bit(z->span_free, i);
        int bare = 1;
        for (to = i;
             to == i || (whole && to < end && zs__bit(z->span_free, to) && z->cold[to].purged_bytes == ZS__CHUNK_BYTES);
             to++)
            bare &= whole ? (z->cold[to].flags & ZS__CHUNK_BARE) != 0 : zs__bit(z->span_bare, to);
        if (++holes > ZS__BARE_MOST || bare || !bytes) continue;
        bytes += (size_t)(to - 1 - i) * ZS__CHUNK_BYTES;
        if (zs__os_uncommit(z->base + (size_t)to * ZS__CHUNK_BYTES - bytes, bytes)) break;
        z->stripped = 1;
        zs__bits_put(z->span_bare, i, to - i, 1);
        for (any = 1; whole && i < to; i++) z->cold[i].flags |= ZS__CHUNK_BARE;
    }
    zs__errno_back(saved);
    return any;
}

static uint32_t zs__span_skip(const zs__allocator *z, uint32_t first, size_t alignment) /* chunks to a multiple */
{
    uintptr_t at = (uintptr_t)z->base + (uintptr_t)first * ZS__CHUNK_BYTES;
    return alignment <= ZS__CHUNK_BYTES ? 0 : (uint32_t)((zs__round_up(at, alignment) - at) >> ZSLAB_CHUNK_SHIFT);
}

/* The best of the first few free spans of each length, with room for so many chunks at a multiple of the alignment: a
   chunk left over weighs as much as 64 chunks of distance from the range's begin. Sealed, all of them, for what was
   counted as far as `bytes`. 1 + its first chunk, and the chunks to skip; 0: there is none. */
static uint32_t zs__span_find(const zs__allocator *z, uint32_t count, size_t bytes, size_t alignment, uint32_t most,
                              uint32_t *skip)
{
    const int counted = zs__sealed(z) && !z->config.memory;
    const uint32_t step = alignment <= ZS__CHUNK_BYTES ? 1 : (uint32_t)(alignment >> ZSLAB_CHUNK_SHIFT);
    const uint32_t used = (uint32_t)((bytes - 1) >> ZSLAB_CHUNK_SHIFT) + 1;
    uint32_t bin, tries, at, best = 0;
    uint64_t least = ~(uint64_t)0;
    if (counted) most = ~(uint32_t)0;
    for (bin = zs__span_next(z, zs__span_bin(count)); bin < ZS__SPAN_BINS && !(best && most == 1);
         bin = zs__span_next(z, bin + 1)) {
        at = z->span_list[bin];
        if (best && (uint64_t)z->cold[at - 1].all_next / 4 * 3 > count + least / 64) /* longer ones are no better */
            break;
        for (tries = 0; at && tries < most; at = z->cold[at - 1].next, tries++) {
            uint32_t have = z->cold[at - 1].all_next, from = zs__span_skip(z, at - 1, alignment);
            uint64_t cost = (uint64_t)(have - count) * 64 + at;
            if (have < count || have - count < from || cost >= least) continue;
            while (counted && have - count >= from &&
                   zs__span_uncounted(z, at - 1 + from, at - 1 + from + used, bytes, 0))
                from += step;
            if (have - count < from) continue;
            least = cost;
            best = at;
            *skip = from;
        }
    }
    return best;
}

/* Chunks never used join the free space: as many as it takes to have that many at its end. 0 = done. */
static int zs__span_grow(zs__allocator *z, uint32_t count, size_t alignment)
{
    uint32_t first = z->fresh_chunk, from = first, upto, i;
    uint64_t to;
    if (from && zs__bit(z->span_free, from - 1)) from = z->cold[from - 1].all_prev - 1;
    to = (uint64_t)from + zs__span_skip(z, from, alignment) + count;
    if (to > z->chunk_limit || to <= first || (zs__sealed(z) && !z->config.memory)) return -1;
    upto = (uint32_t)to;
    if (zs__chunk_metadata(z, upto - 1) || zs__records_commit(z, upto - 1) || zs__range_commit(z, upto - 1)) return -1;
    for (i = first; i < upto; i++) {
        zs__store_u32(&z->cold[i].purged_bytes, (uint32_t)ZS__CHUNK_BYTES); /* counted when taken */
        z->cold[i].flags = z->config.memory ? 0 : ZS__CHUNK_ZERO;
    }
    zs__bits_put(z->span_short, first, upto - first, 1);
    z->fresh_chunk = upto;
    zs__span_give(z, first, upto - first);
    return 0;
}

/* A chunk leaves the spans for good. */
static void zs__span_leave(zs__allocator *z, uint32_t chunk)
{
    zs__chunk_cold *x = &z->cold[chunk];
    if (zs__bit(z->span_kind, chunk)) {
        zs__store_u64(&z->chunks[chunk].stamp, 0);
        zs__store_u8(&x->touched, 64); /* all of it. Statistics */
        zs__bits_put(z->span_head, chunk, 1, 0);
        zs__bits_put(z->span_kind, chunk, 1, 0);
    }
    zs__bits_put(z->span_short, chunk, 1, 0);
    x->flags = 0;
}

/* Chunks for a class or for metadata: neighbours, out of the smallest free span that has them, go to the pool's front.
   1 + the first, which is its head; 0: there are none. */
static uint32_t zs__span_lend(zs__allocator *z, uint32_t count)
{
    const uint32_t tries = count < 64 ? 1 : ~(uint32_t)0; /* lists of that many hold spans of one length */
    uint32_t at, i, skip = 0;
    while ((at = zs__span_find(z, count, count * ZS__CHUNK_BYTES, 1, tries, &skip)) == 0) {
        if (!z->large_dead && !zs__load_u32(&z->large_freed) && /* relaxed: what comes later is the next search's */
            !(zs__sealed(z) && zs__large_unkeep(z, NULL, 0)))   /* no trim will look for what is kept */
            return 0;
        zs__large_sweep(z, ZS__DRAIN_MAX, 0);
    }
    zs__span_cut(z, at - 1, skip, count);
    at += skip;
    if (zs__span_commit(z, at - 1, at - 1 + count, count * ZS__CHUNK_BYTES)) {
        zs__span_give(z, at - 1, count);
        return 0;
    }
    zs__bits_put(z->span_bare, at - 1, count, 0);
    for (i = at + count - 1; i >= at; i--) {
        zs__span_leave(z, i - 1);
        zs__store_u32(&z->cold[i - 1].all_next, z->pool);
        zs__store_u32(&z->pool, i);
        z->pool_count++;
    }
    return at;
}

/* Pages of a span in hand go back to the system. The caller holds no lock. */
static size_t zs__span_purge(zs__allocator *z, uint32_t first, uint32_t count)
{
    const uint32_t zero =
        z->config.os.purge == zs__os_purge && ZS__PURGE_ZEROS && !z->config.memory ? ZS__CHUNK_ZERO : 0;
    uint32_t i, to, end = first + count;
    size_t given = 0;
    for (i = first; i < end; i = to + 1) {
        uintptr_t from, upto;
        for (to = i; to < end && z->cold[to].purged_bytes != ZS__CHUNK_BYTES; to++)
            ;
        from = zs__round_up((uintptr_t)z->base + (uintptr_t)i * ZS__CHUNK_BYTES, z->page_bytes);
        upto = ((uintptr_t)z->base + (uintptr_t)to * ZS__CHUNK_BYTES) & ~(uintptr_t)(z->page_bytes - 1);
        if (upto <= from || !zs__purge_pages(z, (char *)from, upto - from)) continue;
        for (; i < to; i++) {
            uintptr_t at = (uintptr_t)z->base + (uintptr_t)i * ZS__CHUNK_BYTES;
            if (at < from || at + ZS__CHUNK_BYTES > upto) continue;
            given += ZS__CHUNK_BYTES - z->cold[i].purged_bytes;
            zs__store_u32(&z->cold[i].purged_bytes, (uint32_t)ZS__CHUNK_BYTES);
            z->cold[i].flags = (z->cold[i].flags & ~ZS__CHUNK_ZERO) | zero;
        }
    }
    zs__budget_give(z, given, 0);
    return given;
}

/* ---- >>slab ----------------------------------------------------------------
   Slab words and the life of a chunk: bound to a bin, carved slab by slab, its slots taken and coming home,
   empty, given up. All by the chunk's owner.

   [SLAB-1] word != 0 iff the slab's bit is set in its chunk's mask; mask != 0 iff the chunk is listed.
   [SLAB-2] home counts carved slabs whose word is full; home == carved: the chunk is empty.
   [SLAB-3] The current slab's slots are split between bin->avail and its word.                       */
static inline zs__row *zs__row_of_bin(zs__bin *bin)
{
    return (zs__row *)((char *)(bin - bin->cls - 1) - sizeof(zs__row));
}

static inline zs__bin_cold *zs__cold_of(const zs__allocator *z, zs__bin *bin)
{
    return (zs__bin_cold *)((char *)zs__row_of_bin(bin) + z->cold_offset) + bin->cls;
}

static inline void zs__place_used(zs__place *place)
{
    zs__store_u64(&place->last_used_ns, zs__os_now_ns()); /* relaxed: a figure */
}

static inline zslab_heap *zs__bin_heap(zs__bin *bin) { return zs__row_of_bin(bin)->heap; }

/* The bin that has the chunk, NULL while it drains. acquire: the record. Pairs with zs__chunk_bind */
static inline zs__bin *zs__chunk_bin(const zs__allocator *z, const zs__chunk *c)
{
    zs__row *row = (zs__row *)zs__load_acq_ptr(&c->row);
    return row == &z->drain_row ? NULL : (zs__bin *)((char *)row + zs__load_u16(&c->bin_at));
}

static inline uint32_t zs__chunk_slab(const zs__allocator *z, const zs__chunk *c) /* index of its first slab */
{
    return (uint32_t)(((uint8_t *)zs__load_ptr(&c->states) - z->states) >> 6);
}

static inline size_t zs__slab_at(const zs__allocator *z, uint32_t chunk, const zs__class *k)
{
    return zs__region_slab(&z->regions[k->region], chunk);
}

static inline uint32_t zs__slab_chunk(const zs__allocator *z, uint32_t slab) /* the chunk of a slab, for ever */
{
    const uint32_t lowest = slab < z->head_slabs ? 0 : ZS__HEAD_CHUNKS;
    const zs__region *r = &z->regions[z->region_count - 1];
    while (zs__region_slab(r, lowest) > slab) r--;
    return lowest + (slab - (uint32_t)zs__region_slab(r, lowest)) / r->lines;
}

static inline const zs__class *zs__chunk_class(const zs__allocator *z, const zs__chunk *c)
{
    return &z->classes[zs__load_u16(&c->cls)]; /* relaxed: who needs it stable holds an object, a claim or the chunk */
}

static inline uint64_t zs__slab_full(const zs__class *k, uint32_t number)
{
    return number + 1 == k->slabs ? k->last_full : ~(uint64_t)0;
}

/* offset: of its slot 0 in the chunk */
static inline uint64_t zs__slab_full_at(const zs__allocator *z, uint32_t cls, size_t offset)
{
    const zs__class *k = &z->classes[cls];
    return offset == (size_t)(k->slabs - 1) * 64 * k->size ? k->last_full : ~(uint64_t)0;
}

static inline char *zs__chunk_base(const zs__allocator *z, size_t chunk) { return z->base + chunk * ZS__CHUNK_BYTES; }

static void zs__list_push(zs__allocator *z, zs__bin_cold *b, uint32_t chunk)
{
    zs__chunk_cold *x = &z->cold[chunk];
    x->next = b->partial;
    x->prev = 0;
    if (b->partial) z->cold[b->partial - 1].prev = chunk + 1;
    b->partial = chunk + 1;
    x->flags |= ZS__CHUNK_LISTED;
}

static void zs__list_remove(zs__allocator *z, zs__bin_cold *b, uint32_t chunk)
{
    zs__chunk_cold *x = &z->cold[chunk];
    if (!(x->flags & ZS__CHUNK_LISTED)) return;
    if (x->prev)
        z->cold[x->prev - 1].next = x->next;
    else
        b->partial = x->next;
    if (x->next) z->cold[x->next - 1].prev = x->prev;
    x->flags &= ~ZS__CHUNK_LISTED;
}

/* A chunk joins its bin: the list of all is also read by closers, under the row's lock or after the gate. */
static void zs__all_push(zs__allocator *z, zs__bin_cold *b, uint32_t chunk)
{
    zs__chunk_cold *x = &z->cold[chunk];
    x->all_prev = 0;
    zs__store_u32(&x->all_next, b->all);
    if (b->all)
        z->cold[b->all - 1].all_prev = chunk + 1;
    else
        b->all_tail = chunk + 1;
    b->all_count++;
    zs__store_rel_u32(&b->all, chunk + 1); /* release: the links before the head. Pairs with zs__row_each */
}

static void zs__all_remove(zs__allocator *z, zs__row *row, zs__bin_cold *b, uint32_t chunk) /* row lock held */
{
    zs__chunk_cold *x = &z->cold[chunk];
    if (row->cursor_chunk == chunk + 1) /* zs__place_empty begins the class again */
        row->cursor_chunk = 0;
    if (x->all_prev)
        zs__store_u32(&z->cold[x->all_prev - 1].all_next, x->all_next);
    else
        zs__store_u32(&b->all, x->all_next);
    if (x->all_next)
        z->cold[x->all_next - 1].all_prev = x->all_prev;
    else
        b->all_tail = x->all_prev;
    b->all_count--;
}

/* Whole lists of chunks, linked by all_next, go to the pool in one splice. Arena lock taken here. */
static void zs__chunks_give(zs__allocator *z, uint32_t head, uint32_t tail, uint32_t count)
{
    zs__arena_take(z);
    zs__store_u32(&z->cold[tail - 1].all_next, z->pool);
    z->pool = head;
    z->pool_count += count;
    zs__arena_drop(z);
}

/* Is the chunk empty and resident? Its owner says the first, who purges it the second: whichever of them comes last
   finds it purged, and it does not count. */
static void zs__cached(zs__allocator *z, zs__chunk_cold *x, int on)
{
    if (zs__load_u8(&x->cached) == (uint8_t)on) /* relaxed: a figure */
        return;
    if (on && !zs__exchange_u8(&x->cached, 1)) {
        zs__add_ptr(&z->cached_bytes, ZS__CHUNK_BYTES);             /* a counter: ordered with nothing */
        on = zs__load_seq_u32(&x->purged_bytes) != ZS__CHUNK_BYTES; /* pairs with the exchange of zs__purged */
    }
    if (!on && zs__exchange_u8(&x->cached, 0)) zs__sub_ptr(&z->cached_bytes, ZS__CHUNK_BYTES);
}

/* What zslab_reserve set aside in an epoch counts there and in the allocator: until the chunk leaves its epoch, or the
   epoch ends. */
static void zs__reserved_chunk(zs__allocator *z, zs__chunk_cold *x, uint32_t place) /* it leaves */
{
    uintptr_t *of = &zs__round_of(z, place)->reserved_bytes, was = zs__load_ptr(of); /* counters, without order */
    if (!(x->flags & ZS__CHUNK_RESERVED)) return;
    x->flags &= ~ZS__CHUNK_RESERVED;
    do {
        if (was < ZS__CHUNK_BYTES) return;
    } while (!zs__cas_ptr(of, &was, was - ZS__CHUNK_BYTES));
    zs__sub_ptr(&z->reserved_bytes, ZS__CHUNK_BYTES);
}

static void zs__reserved_epoch(zs__allocator *z, zs__place *place) /* it ends, or begins */
{
    uintptr_t *of = &zs__round_of(z, (uint64_t)(place - z->places))->reserved_bytes;
    uint32_t *reserved = &zs__round_of(z, (uint64_t)(place - z->places))->reserved;
    if (ZS__UNLIKELY(zs__load_ptr(of))) /* relaxed, both: what joins meanwhile is the next epoch's to give */
        zs__sub_ptr(&z->reserved_bytes, zs__exchange_ptr(of, 0));
    if (ZS__LIKELY(!zs__load_u32(reserved))) return;
    zs__arena_take(z);
    zs__span_unreserve(z, reserved);
    zs__arena_drop(z);
}

/* The whole chunk's pages; no other thread may reach it (taken from the pool, or emptied by its owner). */
static size_t zs__purge_chunk(zs__allocator *z, uint32_t chunk)
{
    zs__chunk_cold *x = &z->cold[chunk];
    size_t rest = ZS__CHUNK_BYTES - zs__load_u32(&x->purged_bytes);
    if (!rest || ZS__CHUNK_BYTES < z->page_bytes || !zs__purge_pages(z, zs__chunk_base(z, chunk), ZS__CHUNK_BYTES))
        return 0;
    zs__store_u32(&x->purged_bytes, (uint32_t)ZS__CHUNK_BYTES);
    zs__budget_give(z, rest, 0);
    zs__cached(z, x, 0);
    return rest;
}

static void zs__chunk_loose(zs__allocator *z, uint32_t chunk) /* it leaves a bin, in a round that lives */
{
    zs__chunk_cold *x = &z->cold[chunk];
    zs__uncharge(z, zs__load_u64(&z->chunks[chunk].stamp), ZS__CHUNK_BYTES - zs__load_u32(&x->purged_bytes));
    zs__store_u8(&x->touched, (uint8_t)(zs__load_u8(&x->touched) | ZS__CHUNK_LOOSE));
}

/* An empty chunk leaves its bin for the pool, unless a closer is reading the row's lists. */
static int zs__chunk_leave(zs__allocator *z, zs__bin *bin, uint32_t chunk)
{
    zs__row *row = zs__row_of_bin(bin);
    zs__bin_cold *b = zs__cold_of(z, bin);
    if (!zs__ranked_try(zs__as_lock(&row->lock), ZS__LOCK_ROW)) return 0;
    if (zs__load_acq_u32(&z->places[row->place].purging)) { /* [EPOCH-5]; acquire: pairs with zs__purge_end */
        zs__ranked_drop(zs__as_lock(&row->lock), ZS__LOCK_ROW);
        return 0;
    }
    zs__all_remove(z, row, b, chunk);
    zs__ranked_drop(zs__as_lock(&row->lock), ZS__LOCK_ROW);
    zs__list_remove(z, b, chunk);
    zs__reserved_chunk(z, &z->cold[chunk], row->place);
    zs__chunk_loose(z, chunk);
    if (b->fresh == chunk + 1) b->fresh = 0;
    return 1;
}

/* [SLAB-2] became true. Within the cache the chunk stays where it is hot; beyond, any class may have it. */
static ZS__NOINLINE void zs__chunk_emptied(zs__allocator *z, zs__bin *bin, uint32_t chunk)
{
    zs__chunk_cold *x = &z->cold[chunk];
    zs__cached(z, x, 1);
    if (zs__load_ptr(&z->cached_bytes) <= z->config.cache_bytes + zs__load_ptr(&z->reserved_bytes)) return;
    zs__fork_check(); /* a free may be the child's first call */
    if (!zs__chunk_leave(z, bin, chunk)) return;
    zs__count_any(z, &zs__bin_heap(bin)->counters[bin->cls].overflowed, x->carved);
    if (z->rss_policy) zs__purge_chunk(z, chunk);
    zs__chunks_give(z, chunk + 1, chunk + 1, 1);
}

/* A slab's bit in its chunk's mask. Relaxed: pairs with nothing. A walk that takes the chunk for a large object's still
   (zs__large_bytes) drops what it read; all others hold what the mask is guarded by. */
static inline void zs__mask_put(zs__chunk_cold *x, uint32_t number, int on)
{
    uint64_t bit = (uint64_t)1 << (number & 63), was = x->mask[number >> 6];
    zs__store_u64(&x->mask[number >> 6], on ? was | bit : was & ~bit);
}

/* Slots come home: set their bits, keep [SLAB-1] and [SLAB-2]. */
static void zs__slab_put(zs__allocator *z, zs__bin *bin, uint32_t chunk, uint32_t slab, uint64_t was, uint64_t bits)
{
    const zs__class *k = &z->classes[bin->cls];
    zs__chunk_cold *x = &z->cold[chunk];
    uint32_t number = slab - zs__chunk_slab(z, &z->chunks[chunk]);
    uint64_t now = was | bits;
    z->words[slab] = now;
    if (!was) {
        zs__row_of_bin(bin)->plain[bin->cls >> 6] &= ~((uint64_t)1 << (bin->cls & 63));
        zs__mask_put(x, number, 1);
        if (!(x->flags & ZS__CHUNK_LISTED)) {
            zs__list_push(z, zs__cold_of(z, bin), chunk);
            zs__count(&zs__bin_heap(bin)->counters[bin->cls].full_to_partial);
        }
    }
    if (now == zs__slab_full(k, number) && now != was && ++x->home == x->carved) zs__chunk_emptied(z, bin, chunk);
}

static void zs__bin_current(const zs__allocator *z, zs__bin *bin, uint32_t chunk, uint32_t number, uint64_t avail)
{
    const zs__class *k = &z->classes[bin->cls];
    uint32_t slab = zs__chunk_slab(z, &z->chunks[chunk]) + number;
    bin->slots = zs__chunk_base(z, chunk) + (size_t)number * 64 * k->size;
    bin->states = z->states + (size_t)slab * 64;
    zs__store_u32(&bin->current, slab + 1);
    zs__store_u64(&bin->avail, avail);
}

/* The last chunk that got slots back gives its lowest slab. */
static int zs__take_partial(zs__allocator *z, zs__bin *bin)
{
    zs__bin_cold *b = zs__cold_of(z, bin);
    uint32_t chunk = b->partial - 1, w = 0, number, slab;
    zs__chunk_cold *x;
    uint64_t word;
    if (!b->partial) return 0;
    x = &z->cold[chunk];
    while (!x->mask[w]) w++;
    number = w * 64 + zs__ctz(x->mask[w]);
    zs__mask_put(x, number, 0);
    slab = zs__chunk_slab(z, &z->chunks[chunk]) + number;
    word = z->words[slab];
    z->words[slab] = 0;
    if (word == zs__slab_full(&z->classes[bin->cls], number)) {
        if (x->home-- == x->carved) zs__cached(z, x, 0);
        zs__count(&zs__bin_heap(bin)->counters[bin->cls].recycled);
    }
    while (w < ZS__MASK_WORDS && !x->mask[w]) w++;
    if (w == ZS__MASK_WORDS) {
        zs__list_remove(z, b, chunk);
        zs__count(&zs__bin_heap(bin)->counters[bin->cls].partial_to_full);
    }
    zs__bin_current(z, bin, chunk, number, word);
    return 1;
}

/* The next slab of the bin's newest chunk that this binding has not used. */
static int zs__take_fresh(zs__allocator *z, zs__bin *bin)
{
    zs__bin_cold *b = zs__cold_of(z, bin);
    const zs__class *k = &z->classes[bin->cls];
    uint32_t chunk = b->fresh - 1, number;
    uint64_t *plain = &zs__row_of_bin(bin)->plain[bin->cls >> 6], bit = (uint64_t)1 << (bin->cls & 63);
    zs__chunk_cold *x;
    if (!b->fresh) return 0;
    x = &z->cold[chunk];
    *plain = !x->carved && b->all_count == 1 && !b->stale ? *plain | bit : *plain & ~bit;
    number = x->start + x->carved;
    if (number >= k->slabs) number -= k->slabs;
    if (x->home == x->carved) /* true also for a chunk just bound: it is not empty from here on */
        zs__cached(z, x, 0);
    zs__store_u32(&x->carved, x->carved + 1);
    if (x->carved == k->slabs) b->fresh = 0;
    zs__count(&zs__bin_heap(bin)->counters[bin->cls].new_slab);
    zs__bin_current(z, bin, chunk, number, zs__slab_full(k, number));
    return 1;
}

static inline void zs__states_clear(uint8_t *states) /* of a slab; relaxed: a stale free may be looking */
{
    uint64_t *eight = (uint64_t *)(void *)states;
    zs__store_u64(eight + 0, 0);
    zs__store_u64(eight + 1, 0);
    zs__store_u64(eight + 2, 0);
    zs__store_u64(eight + 3, 0);
    zs__store_u64(eight + 4, 0);
    zs__store_u64(eight + 5, 0);
    zs__store_u64(eight + 6, 0);
    zs__store_u64(eight + 7, 0);
}

static inline int zs__states_zero(const uint8_t *states) /* as zs__states_clear leaves them */
{
    const uint64_t *eight = (const uint64_t *)(const void *)states;
    uint64_t any = 0;
    uint32_t i;
    for (i = 0; i < 8; i++) any |= zs__load_u64(eight + i);
    return !any;
}

/* Forget what the last binding used: states and words of its carved slabs. What was swept is looked at first, since it
   is zero but for a late store, and writing zeros would bring its pages back. [META-1] */
static void zs__chunk_clear(zs__allocator *z, uint32_t chunk)
{
    zs__chunk *c = &z->chunks[chunk];
    zs__chunk_cold *x = &z->cold[chunk];
    uint32_t i, number = x->start, first, w;
    if (x->carved) {
        first = zs__chunk_slab(z, c);
        for (i = 0; i < x->carved; i++) {
            uint8_t *states = z->states + (size_t)(first + number) * 64;
            if (!zs__load_u8(&x->swept) || !zs__states_zero(states)) zs__states_clear(states);
            if (zs__load_u64(&z->words[first + number])) /* most are never written: their page stays untouched */
                zs__store_u64(&z->words[first + number], 0);
            if (++number == z->classes[c->cls].slabs) number = 0;
        }
    }
    for (w = 0; w < ZS__MASK_WORDS; w++)
        zs__store_u64(&x->mask[w], 0); /* relaxed: a walk may take it for a large object's still, and drops it then */
    zs__store_u32(&x->carved, 0);
    x->home = 0;
}

/* ---- >>bind ----------------------------------------------------------------
   A chunk gets its row and class, and leaves those it had: the row's dead ones first, then the pool's, then fresh. */

/* [SHARED-4] Take every free bit of a dead chunk, so that no late claim can begin; 0 when a slot is in transit. The
   slots taken are ours and yet not live: the chunk may stay as it is, and their pointers have been freed. */
static int zs__dead_settled(zs__allocator *z, uint32_t chunk)
{
    const zs__chunk *c = &z->chunks[chunk];
    const zs__class *k = &z->classes[c->cls];
    uint32_t i, first = zs__chunk_slab(z, c);
    int settled = 1;
    for (i = 0; i < zs__load_u32(&z->cold[chunk].carved); i++) {
        uint64_t free_bits = zs__exchange_u64(&z->words[first + i], 0), left; /* acq_rel: pairs with claims */
        uint8_t *states = z->states + (size_t)(first + i) * 64;
        for (left = zs__slab_full(k, i); left; left &= left - 1) {
            unsigned slot = zs__ctz(left);
            if (free_bits >> slot & 1)
                zs__store_u8(states + slot, ZS__REMOTE); /* ours now: a second look finds it settled */
            else {
                uint8_t s = zs__load_acq_u8(states + slot); /* acquire: its object's last use. Pairs with a free's */
                settled &= s == ZS__REMOTE || s == ZS__GUARDED || s == ZS__HANDLE || s == ZS__RETIRED;
            }
        }
    }
    return settled;
}

/* The binding that ends has touched the slabs it carved: for the statistics. Bindings to one class begin at the same
   slab, so the longer one counts; another class's may lie elsewhere. */
static void zs__chunk_worn(zs__allocator *z, uint32_t chunk, const zs__class *next)
{
    zs__chunk_cold *x = &z->cold[chunk];
    const zs__class *k = &z->classes[z->chunks[chunk].cls];
    size_t unit = ZS__CHUNK_BYTES / 64, carved = ((size_t)x->carved * 64 * k->size + unit - 1) / unit;
    size_t was = zs__load_u8(&x->touched) & 127, left = (ZS__CHUNK_BYTES - zs__load_u32(&x->purged_bytes)) / unit;
    was = k == next ? was > carved ? was : carved : was + carved;
    zs__store_u8(&x->touched, (uint8_t)(was < left ? was : left));
}

static inline int zs__bin_used(const zs__row *row, uint32_t cls) /* has it had a chunk? */
{
    return (int)(zs__load_u64(&row->used[cls >> 6]) >> (cls & 63) & 1);
}

static inline size_t zs__magazine_bytes(const zs__allocator *z, uint32_t cls)
{
    return z->shared ? 0 : zs__magazine_entries(&z->config, z->classes[cls].size) * sizeof(zs__entry);
}

/* What metadata comes to more when the bin gets the chunk: the bin's first one fills its magazine. [BUDGET-1] */
static size_t zs__bind_metadata(const zs__allocator *z, zs__bin *bin, uint32_t chunk)
{
    return zs__chunk_metadata_more(z, chunk, z->classes[bin->cls].region) +
           (zs__bin_used(zs__row_of_bin(bin), bin->cls) ? 0 : zs__magazine_bytes(z, bin->cls));
}

/* Bind an empty or dead chunk to a bin. ZSLAB_E_BUSY: another thread may be purging its old place. ZSLAB_E_LIMIT.
   The stamp goes first and comes last: a stale free meanwhile finds no round that equals 0. [OWN-1] */
static zslab_result zs__chunk_bind(zs__allocator *z, zs__bin *bin, uint32_t chunk)
{
    const zs__class *k = &z->classes[bin->cls];
    zs__row *row = zs__row_of_bin(bin);
    zs__chunk *c = &z->chunks[chunk];
    zs__chunk_cold *x = &z->cold[chunk];
    uint64_t old = c->stamp;
    if (zs__load_u32(&x->lent)) /* relaxed: mostly so; zs__chunk_at_rest looks again */
        return ZSLAB_E_BUSY;
    if (old) {
        zs__store_u64(&c->stamp, 0);
        if (z->rss_policy || !z->fence_ready)
            zs__fence_seq(); /* pairs with purging++ in zs__drain_free: it sees 0, or we see its claim */
        else
            zs__compiler_barrier(); /* pairs with the asymmetric fence after purging++ in zs__epoch_tell */
        if (zs__load_seq_u32(&z->places[zs__stamp_place(old)].purging)) {
            zs__store_u64(&c->stamp, old);
            return ZSLAB_E_BUSY;
        }
    }
    if (!zs__chunk_at_rest(z, chunk) || (z->shared && old && !zs__dead_settled(z, chunk))) {
        zs__store_u64(&c->stamp, old);
        return ZSLAB_E_BUSY;
    }
    if (zs__charge_take(z, zs__load_u64(&row->stamp), ZS__CHUNK_BYTES, zs__load_u32(&x->purged_bytes),
                        zs__bind_metadata(z, bin, chunk))) {
        zs__store_u64(&c->stamp, old);
        return ZSLAB_E_LIMIT;
    }
    zs__chunk_worn(z, chunk, k);
    zs__store_u32(&x->purged_bytes, 0);
    if (x->ids && zs__load_u16(&c->cls) != bin->cls) {
        zs__arena_take(z);
        zs__ids_leave(z, chunk, 1);
        zs__arena_drop(z);
    }
    zs__chunk_clear(z, chunk);
    zs__mem_clear(zs__chunk_base(z, chunk), zs__chunk_base(z, chunk), ZS__CHUNK_BYTES);
    zs__store_u32(&x->start, k->slabs > 1 ? (uint32_t)((chunk * UINT64_C(0x9e3779b9) >> 7) % k->slabs) : 0);
    zs__cached(z, x, 0);
    if (!old || zs__stamp_place(old) != row->place) /* a reset keeps what was reserved */
        zs__reserved_chunk(z, x, zs__stamp_place(old));
    x->flags &= ZS__CHUNK_RESERVED;
    zs__store_u8(&x->swept, 0);
    x->drained = 0;
    zs__store_u64(&x->regions, zs__load_u64(&x->regions) | (uint64_t)1 << k->region); /* the owner's, as carved */
    zs__store_ptr(&c->states, (uintptr_t)(z->states + zs__slab_at(z, chunk, k) * 64));
    zs__store_recip(&c->recip, k->recip);
    zs__store_u16(&c->bin_at, (uint16_t)((char *)bin - (char *)row));
    zs__store_u16(&c->cls, (uint16_t)bin->cls);
    zs__store_rel_ptr(&c->row, (uintptr_t)row); /* release: a row just made. Pairs with zs__inbox_push */
    if (z->shared)                              /* before the chunk can be found: 0 means swept there */
        zs__store_u32(&x->carved, k->slabs);
    zs__store_rel_u64(&c->stamp, zs__load_u64(&row->stamp)); /* release: the record before the stamp, for acquirers */
    return ZSLAB_OK;
}

/* A chunk from the pool, else of a free span, else a fresh one; ready to be bound to the bin. 1 + chunk; 0 with the
   reason. */
static uint32_t zs__chunk_get(zs__allocator *z, zs__bin *bin, int fresh, zslab_result *why)
{
    const zs__class *k = &z->classes[bin->cls];
    const uint64_t stamp = zs__load_u64(&zs__row_of_bin(bin)->stamp);
    uint32_t chunk, *at = &z->pool;
    *why = ZSLAB_E_BUSY;
    if (!zs__count_enter(z, &z->arena_lock, ZS__LOCK_ARENA)) return 0;
    while (*at && (zs__load_u32(&z->cold[*at - 1].lent) || /* to one that the limit counts already */
                   !zs__budget_fits(z, stamp, zs__load_u32(&z->cold[*at - 1].purged_bytes),
                                    zs__bind_metadata(z, bin, *at - 1))))
        at = &z->cold[*at - 1].all_next;
    chunk = fresh ? 0 : *at;
    *why = zs__load_u32(&z->pool_out) ? ZSLAB_E_BUSY : ZSLAB_E_NOMEM; /* relaxed: set under this lock */
    if (!chunk && !fresh && (chunk = zs__span_lend(z, 1)) != 0) at = &z->pool;
    if (chunk) {
        zs__store_u32(at, z->cold[chunk - 1].all_next);
        z->pool_count--;
    } else if (!zs__budget_fits(z, stamp, ZS__CHUNK_BYTES, 0)) {
        *why = *why == ZSLAB_E_BUSY ? *why : ZSLAB_E_LIMIT;
    } else if ((chunk = zs__chunk_fresh(z, k)) != 0) {
        zs__store_u32(&z->cold[chunk - 1].purged_bytes, (uint32_t)ZS__CHUNK_BYTES); /* counted when bound */
    }
    zs__arena_drop(z);
    return chunk;
}

/* A bound chunk joins the bin as the one to carve from. */
static void zs__bin_adopt(zs__allocator *z, zs__bin *bin, uint32_t chunk)
{
    zs__bin_cold *b = zs__cold_of(z, bin);
    zs__row *row = zs__row_of_bin(bin);
    zs__all_push(z, b, chunk);
    b->fresh = chunk + 1;
    if (!zs__bin_used(row, bin->cls))
        zs__or_u64(&row->used[bin->cls >> 6], (uint64_t)1 << (bin->cls & 63)); /* shared mode: bins lock apart */
}

/* The first chunk of the row's dead rounds serves again; one that is lent waits behind the others. [LEND-1] */
static zslab_result zs__take_stale(zs__allocator *z, zs__bin *bin)
{
    zs__bin_cold *b = zs__cold_of(z, bin);
    uint32_t chunk = b->stale - 1;
    zslab_result why;
    if (zs__load_u32(&z->cold[chunk].lent)) {
        zs__store_u32(&z->cold[b->stale_tail - 1].all_next, chunk + 1);
        b->stale_tail = chunk + 1;
        b->stale = z->cold[chunk].all_next;
        zs__store_u32(&z->cold[chunk].all_next, 0);
        return ZSLAB_E_NOMEM;
    }
    why = zs__chunk_bind(z, bin, chunk);
    if (why == ZSLAB_OK) {
        b->stale = z->cold[chunk].all_next;
        b->stale_count--;
        zs__bin_adopt(z, bin, chunk);
        zs__count_any(z, &zs__bin_heap(bin)->counters[bin->cls].rebind, 1);
    }
    return why;
}

/* Chunks of the row's dead rounds first, then the pool, then the range. One that cannot be bound at the moment is
   passed over; ZSLAB_E_BUSY: there is no other. */
static zslab_result zs__take_chunk(zs__allocator *z, zs__bin *bin)
{
    zslab_heap *heap = zs__bin_heap(bin);
    zslab_result why = ZSLAB_E_NOMEM;
    uint32_t chunk, tries, held = 0, tail = 0, count = 0;
    int busy;
    if (zs__cold_of(z, bin)->all) /* more than its first chunk */
        zs__place_used(&z->places[zs__row_of_bin(bin)->place]);
    if (zs__cold_of(z, bin)->stale && (why = zs__take_stale(z, bin)) == ZSLAB_OK) return ZSLAB_OK;
    busy = why == ZSLAB_E_BUSY;
    for (tries = 0; tries < 4; tries++) {
        chunk = zs__chunk_get(z, bin, tries == 3, &why);
        if (!chunk) break;
        why = zs__chunk_bind(z, bin, chunk - 1);
        if (why == ZSLAB_OK) {
            zs__bin_adopt(z, bin, chunk - 1);
            zs__count_any(z, &heap->counters[bin->cls].cache_miss, 1);
            break;
        }
        busy |= why == ZSLAB_E_BUSY;
        z->cold[chunk - 1].all_next = held;
        held = chunk;
        if (!count++) tail = chunk;
        if (why == ZSLAB_E_LIMIT) break;
    }
    if (held) zs__chunks_give(z, held, tail, count);
    return busy && why != ZSLAB_OK ? ZSLAB_E_BUSY : why;
}

/* What zs__take_chunk could not have may be had soon: a trim purges the pool, or a call claims the place where a
   chunk served. Waits for one of these. 0: for a thousand turns on end it was nobody's. *turn begins as 0. No lock. */
static int zs__chunks_wait(zs__allocator *z, int *turn)
{
    uint32_t *word = &z->pool_out, value = zs__load_u32(word), q;
    for (q = 0; !value && q < zs__places_known(z); q++) {
        word = &z->places[q].purging;
        value = zs__load_u32(word); /* relaxed, as above: who tries again acquires */
    }
    zs__rank_none();
    if (zs__sealed(z)) return 0;
    if (!value) {
        zs__pause();
        *turn = *turn > 0 ? -1 : *turn - 1;
        return *turn > -1000;
    }
    *turn = *turn < 0 ? 1 : *turn + 1;
    zs__wait_long(word, value, *turn);
    return 1;
}

/* ---- >>handle --------------------------------------------------------------
   The registry of slabs that serve handles, and the generations of their slots. A slab gets an id with its first
   handle and keeps it while its chunk keeps its class; only then is any of this touched. The arena lock guards who has
   which id.

   Why nothing stale resolves: a handle dies by its word (a free) or by its round (release, reset). Words rise; rounds
   rise; and an id that serves a new round, or another slab, has all words raised and marked free before its new stamp
   shows (zs__id_bind). So whatever mixture of old and new a racing get reads, the sum is beyond a handle that was stale
   at its call, or the stamp is not the round's.

   Why a free by handle meets no other object when its epoch ends meanwhile, as a discard by any allocation may end it.
   F frees, B binds the slot's chunk for another round [ID-7]. F: word from live to free, by exchange; read the round.
   B: see the round over; fence; read states and words. Either B reads F's word and leaves the chunk until F has stored
   the state, or F reads that the round is over: it writes no state, and takes the exchange back where it still stands.
   A live word is raised by two, so that what F stored never is a word of the new round, and F's own exchange, begun
   before, fails once it is raised. F's own chunks, which no other thread but a taker binds, stay while F is busy
   [TAKE-1]: it pushes the slot after its state says free.

   Assume F has found h live and stops; the epoch is discarded, its owner binds the chunk again and gives the slot the
   handle g. Had only the name risen, the slot's word were the same for g as for h: F's exchange would free g's object.
   Assume F stops after its exchange instead: without B's look F would store REMOTE to the slot that is g's by then. */
static ZS__ALWAYS_INLINE zs__id *zs__id_at(const zs__allocator *z, size_t id)
{
    return (zs__id *)zs__load_ptr(&z->ids) + id; /* relaxed: set before there is any id; growing stores the same */
}

static ZS__ALWAYS_INLINE uint32_t *zs__id_words(const zs__allocator *z, size_t id)
{
    return (uint32_t *)zs__load_ptr(&z->generations) + id * 64; /* relaxed: as z->ids */
}

static inline size_t zs__id_index(const zs__allocator *z, uint64_t field) /* of an id as handles have it */
{
    return (size_t)(field - (z->id_start >> 5)) & ZS__ID_FIELD;
}

static inline size_t zs__id_number(const zs__allocator *z, const zs__id *e)
{
    return zs__id_index(z, (zs__load_u64(&e->name) + (ZS__WORD << 10)) >> 42);
}

static inline uint32_t zs__word_free(uint32_t generation, uint32_t slot)
{
    return generation << 8 | ZS__WORD | (slot ^ 1);
}

static inline int zs__word_live(uint32_t word, uint32_t slot) { return !((word ^ slot) & 1); }

/* Free, and beyond the word, and beyond what a free that was begun makes of a live one [ID-7] */
static inline uint32_t zs__word_raised(uint32_t word, uint32_t slot)
{
    return zs__word_free((word >> 8) + 1 + (uint32_t)zs__word_live(word, slot), slot);
}

static inline uint32_t zs__slab_id(const zs__allocator *z, uint32_t slab) /* 1 + id; torn while it moves, see [ID-2] */
{
    const uint8_t *b = z->hints[slab].id;
    return zs__load_u8(b) | (uint32_t)zs__load_u8(b + 1) << 8 | (uint32_t)zs__load_u8(b + 2) << 16;
}

static void zs__slab_id_set(zs__allocator *z, uint32_t slab, uint32_t id)
{
    uint8_t *b = z->hints[slab].id; /* relaxed: the entry confirms it */
    zs__store_u8(b, (uint8_t)id);
    zs__store_u8(b + 1, (uint8_t)(id >> 8));
    zs__store_u8(b + 2, (uint8_t)(id >> 16));
}

static inline char *zs__slab_slots(const zs__allocator *z, uint32_t chunk, uint32_t slab) /* its slot 0 */
{
    const zs__chunk *c = &z->chunks[chunk];
    return zs__chunk_base(z, chunk) +
           (size_t)(slab - zs__chunk_slab(z, c)) * 64 * z->classes[zs__load_u16(&c->cls)].size;
}

/* The entry that serves a slab in its chunk's round, else NULL. */
static zs__id *zs__id_of(const zs__allocator *z, uint32_t chunk, uint32_t slab)
{
    uint32_t id = zs__slab_id(z, slab);
    zs__id *e;
    if (!id || id > zs__load_acq_u32(&z->id_count)) /* acquire: pairs with zs__id_new */
        return NULL;
    e = zs__id_at(z, id - 1);
    if (zs__load_acq_u64(&e->stamp) != zs__load_u64(&z->chunks[chunk].stamp) || /* acquire: pairs with zs__id_bind */
        (char *)zs__load_ptr(&e->slots) != zs__slab_slots(z, chunk, slab))
        return NULL;
    return e;
}

static uint32_t zs__id_slots(const zs__class *k) /* slots of the class's fullest slab */
{
    return k->slots < 64 ? k->slots : 64;
}

static inline uint32_t zs__id_class(const zs__allocator *z, uint32_t id)
{
    return (uint32_t)(zs__id_at(z, id)->name >> 2) & 255;
}

static inline uint32_t zs__id_page_ids(const zs__allocator *z) /* entries of a page */
{
    return (uint32_t)(z->page_bytes / sizeof(zs__id));
}

static inline void zs__id_page_list(zs__allocator *z, uint32_t *list, uint32_t page, uint32_t state)
{
    z->id_pages[page].state = state;
    z->id_pages[page].next = *list;
    *list = page + 1;
}

/* The id is spare: no slab's. Its class's list is linked by stamps, and back by slots. Arena lock held. */
static void zs__id_spare(zs__allocator *z, uint32_t id, uint32_t cls)
{
    uint32_t head = z->class_ids[cls], page = id / zs__id_page_ids(z);
    zs__id *e = zs__id_at(z, id);
    zs__store_rel_u64(&e->stamp, ZS__ID_SPARE | (uint64_t)head << 22);
    zs__store_rel_ptr(&e->slots, 0); /* release, as below: the stamp before. Pairs with zs__handle_get_fast */
    if (head) zs__store_rel_ptr(&zs__id_at(z, head - 1)->slots, id + 1);
    z->class_ids[cls] = id + 1;
    if (z->id_pages && ++z->id_pages[page].spare == zs__id_page_ids(z) && z->id_pages[page].state == ZS__PAGE_USED)
        zs__id_page_list(z, &z->spare_pages, page, ZS__PAGE_SPARE);
}

/* A spare id leaves its class's list. Arena lock held. */
static void zs__id_unlink(zs__allocator *z, uint32_t id)
{
    zs__id *e = zs__id_at(z, id);
    uint32_t next = (uint32_t)(e->stamp >> 22) & 0x7fffff, before = (uint32_t)e->slots;
    if (before) /* release, as in zs__id_spare */
        zs__store_rel_u64(&zs__id_at(z, before - 1)->stamp, ZS__ID_SPARE | (uint64_t)next << 22);
    else
        z->class_ids[zs__id_class(z, id)] = next;
    if (next) zs__store_rel_ptr(&zs__id_at(z, next - 1)->slots, before); /* release: as in zs__id_spare */
}

/* No slot of the slab is in transit. [ID-7] */
static int zs__slab_at_rest(const zs__allocator *z, uint32_t slab, const uint32_t *words)
{
    const uint8_t *states = z->states + (size_t)slab * 64;
    uint32_t i, j;
    for (i = 0; i < 64; i += 8) /* acquire, both: pair with zs__handle_issue, and the store that ends a free */
        for (j = i; zs__load_acq_u64((const uint64_t *)(const void *)(states + i)) && j < i + 8; j++)
            if (zs__load_acq_u8(states + j) == ZS__HANDLE && !zs__word_live(zs__load_acq_u32(words + j), j)) return 0;
    return 1;
}

/* Does no thread write to a slot of the chunk any more, whose round is over or which is empty? By who may bind it. */
static int zs__chunk_at_rest(const zs__allocator *z, uint32_t chunk)
{
    const zs__chunk_cold *x = &z->cold[chunk];
    uint32_t left = zs__load_u32(&x->ids); /* relaxed: shared mode: one that comes is CLAIMED meanwhile */
    uint32_t slabs = zs__chunk_class(z, &z->chunks[chunk])->slabs, number = x->start, i, id, slab;
    if (left) zs__fence_seq(); /* the round's end before the words. Pairs with the exchange of zs__handle_drop [ID-7] */
    for (i = 0; left && i < slabs; i++, number = number + 1 == slabs ? 0 : number + 1) {
        slab = zs__chunk_slab(z, &z->chunks[chunk]) + number;
        if ((id = zs__slab_id(z, slab)) == 0) continue;
        if (!zs__slab_at_rest(z, slab, zs__id_words(z, id - 1))) return 0;
        left--;
    }
    return !zs__load_acq_u32(&x->lent); /* last: who frees by handle may lend it; acquire: pairs with zs__bin_unlend */
}

/* A chunk leaves its class: its ids stay behind. Its slots are home or dead; `all`: and the caller's alone. Arena lock
   held. */
static void zs__ids_leave(zs__allocator *z, uint32_t chunk, int all)
{
    uint32_t cls = zs__load_u16(&z->chunks[chunk].cls), i, first = zs__chunk_slab(z, &z->chunks[chunk]);
    for (i = 0; z->cold[chunk].ids && i < z->classes[cls].slabs; i++) {
        uint32_t id = zs__slab_id(z, first + i);
        if (id && (all || zs__slab_at_rest(z, first + i, zs__id_words(z, id - 1)))) {
            zs__id_spare(z, id - 1, cls);
            zs__slab_id_set(z, first + i, 0);
            zs__store_u32(&z->cold[chunk].ids, z->cold[chunk].ids - 1);
        }
    }
}

static inline size_t zs__id_pages_bytes(size_t ids, size_t page) /* of the records of pages for so many ids */
{
    return (ids * sizeof(zs__id) + page - 1) / page * sizeof(zs__id_page);
}

/* Memory for twice the ids: a reservation commits some more, a buffer finds place for all when it needs the first. */
static int zs__registry_grow(zs__allocator *z)
{
    size_t have = z->id_mask ? z->id_mask / sizeof(zs__id) + 1 : 32, want = z->config.memory ? z->id_limit : 2 * have;
    char *ids = z->id_area, *words = z->generation_area;
    if (want > z->id_limit) want = z->id_limit;
    if (z->config.memory) {
        size_t least = z->id_limit < 64 ? z->id_limit : 64;
        ids = NULL;
        for (; !z->id_mask && !ids && want >= least; want /= 2) /* as many as there is place for, once for all */
            ids = (char *)zs__meta_alloc(z, want * (sizeof(zs__id) + 256), 64);
        if (!ids) return -1;
        want *= 2;
        words = ids + want * sizeof(zs__id);
    } else if (zs__commit(z, ids, zs__round_up(want * sizeof(zs__id), z->page_bytes)) ||
               zs__commit(z, words, zs__round_up(want * 256, z->page_bytes)) ||
               zs__commit(z, z->id_pages, zs__round_up(zs__id_pages_bytes(want, z->page_bytes), z->page_bytes))) {
        return -1;
    }
    zs__store_ptr(&z->generations, (uintptr_t)words);
    zs__store_rel_ptr(&z->ids, (uintptr_t)ids); /* release, both: pair with zs__handle_get_fast. The first mask is 0 */
    zs__store_rel_ptr(&z->id_mask, (want - 1) * sizeof(zs__id));
    return 0;
}

/* An id that is no slab's and on no list: of a blank page, or never given out. 1 + id, 0 with the reason. Arena lock
   held. */
static uint32_t zs__id_new(zs__allocator *z, uint32_t chunk, uint32_t cls, zslab_result *why)
{
    uint32_t id = z->id_count, word = 0, page, i;
    zs__id *e;
    if (!z->blank_next && z->blank_pages) {
        *why = ZSLAB_E_LIMIT;
        if (zs__charge_take(z, z->chunks[chunk].stamp, 0, 0, zs__id_page_ids(z) * ZS__ID_BYTES)) return 0;
        page = z->blank_pages - 1;
        z->blank_pages = z->id_pages[page].next; /* in this order: zs__fork_ids */
        zs__store_u32(&z->blank_ids, z->blank_ids - zs__id_page_ids(z));
        z->blank_next = page * zs__id_page_ids(z) + 1;
        z->id_pages[page].state = ZS__PAGE_USED;
        z->id_pages[page].spare = 0;
    }
    if (z->blank_next) {
        id = z->blank_next - 1;
        word = z->id_pages[id / zs__id_page_ids(z)].word + 2; /* as if each were raised */
    } else {
        *why = id < z->id_limit ? ZSLAB_E_NOMEM : ZSLAB_E_LIMIT;
        if (id == z->id_limit ||
            ((id ? id == z->id_mask / sizeof(zs__id) + 1 : z->ids == (uintptr_t)&z->no_id) && zs__registry_grow(z)))
            return 0;
        *why = ZSLAB_E_LIMIT;
        if (zs__charge_take(z, z->chunks[chunk].stamp, 0, 0, ZS__ID_BYTES)) return 0;
    }
    e = zs__id_at(z, id); /* relaxed, all: before the release stores of zs__id_bind */
    zs__store_u64(&e->stamp, 0);
    zs__store_u64(&e->name, ((((uint64_t)id + (z->id_start >> 5)) & ZS__ID_FIELD) << 42 |
                             (uint64_t)z->first_part << 18 | (uint64_t)cls << 2 | ZSLAB_HANDLE_VERSION) -
                                (ZS__WORD << 10));
    for (i = 0; i < 64; i++) zs__store_u32(zs__id_words(z, id) + i, zs__word_free(word, i));
    zs__store_u32(&e->size, z->classes[cls].size);
    if (z->blank_next)
        z->blank_next = (id + 1) % zs__id_page_ids(z) ? id + 2 : 0;
    else
        zs__store_rel_u32(&z->id_count, id + 1); /* release: the entry before it. Pairs with zs__id_of */
    return id + 1;
}

/* Would a raise leave some slot without a generation? */
static int zs__id_used_up(const zs__allocator *z, uint32_t id, const zs__class *k)
{
    const uint32_t *words = zs__id_words(z, id);
    uint32_t i, highest = 0;
    for (i = 0; i < zs__id_slots(k); i++) {
        uint32_t generation = zs__word_raised(zs__load_u32(words + i), i) >> 8;
        if (generation > highest) highest = generation;
    }
    return z->first_part + highest >= ZS__GENERATION_END;
}

static void zs__id_retire(zs__allocator *z, uint32_t id) /* it is nobody's, for ever. Arena lock held */
{
    zs__store_rel_u64(&zs__id_at(z, id)->stamp, ZS__ID_SPARE); /* release: as in zs__id_spare */
    z->retired_ids++;
}

/* Raise every word and mark it free, so that no handle of the id is or comes alive again; 0: some slot's generations
   would be used up, the id retires. Arena lock held. */
static int zs__id_raise(zs__allocator *z, uint32_t id, const zs__class *k)
{
    uint32_t *words = zs__id_words(z, id), i;
    if (zs__id_used_up(z, id, k)) {
        zs__id_retire(z, id);
        return 0;
    }
    for (i = 0; i < zs__id_slots(k); i++) /* relaxed: before the release stores of zs__id_bind */
        zs__store_u32(words + i, zs__word_raised(zs__load_u32(words + i), i));
    return 1;
}

/* An id of the class for a slab of the chunk `owner` that has none; 1 + id, 0 with the reason. What chunks of the pool
   still hold comes back when no new one is left. Arena lock held. */
static uint32_t zs__id_take(zs__allocator *z, uint32_t owner, uint32_t cls, zslab_result *why)
{
    int swept;
    for (swept = 0;; swept = 1) {
        uint32_t id, chunk;
        while ((id = z->class_ids[cls]) != 0) {
            zs__id_unlink(z, id - 1);
            if (z->id_pages) z->id_pages[(id - 1) / zs__id_page_ids(z)].spare--;
            if (zs__id_raise(z, id - 1, &z->classes[cls])) return id;
        }
        if ((id = zs__id_new(z, owner, cls, why)) != 0 || swept) return id;
        for (chunk = z->pool; chunk; chunk = z->cold[chunk - 1].all_next)
            if (z->cold[chunk - 1].ids && zs__chunk_at_rest(z, chunk - 1)) zs__ids_leave(z, chunk - 1, 1);
    }
}

/* A slab's first handle in its chunk's round: an id, new or its own raised. NULL with the reason. Arena lock held. */
static zs__id *zs__id_bind_in(zs__allocator *z, uint32_t chunk, uint32_t slab, zslab_result *why)
{
    uint32_t cls = zs__load_u16(&z->chunks[chunk].cls), id;
    zs__id *e = zs__id_of(z, chunk, slab); /* shared mode: another thread was first */
    if (!e) {
        id = zs__slab_id(z, slab);
        if (id && !zs__id_raise(z, id - 1, &z->classes[cls])) {
            zs__slab_id_set(z, slab, 0);
            zs__store_u32(&z->cold[chunk].ids, z->cold[chunk].ids - 1);
            id = 0;
        }
        if (!id && (id = zs__id_take(z, chunk, cls, why)) != 0) {
            zs__store_u32(&z->cold[chunk].ids, z->cold[chunk].ids + 1);
            zs__compiler_barrier(); /* a chunk that counts none has none: zs__fork_ids */
            zs__slab_id_set(z, slab, id);
        }
        if (id) {
            /* relaxed: ours; shared mode: or of a dead round, 0 while a bind that will be refused looks at the chunk */
            uint64_t stamp = zs__load_u64(&z->chunks[chunk].stamp);
            e = zs__id_at(z, id - 1);
            zs__store_rel_u64(&z->id_binds, z->id_binds + 1); /* release: that it left the other slab, or round */
            zs__store_u32(&e->round, zs__stamp_place(stamp) << ZS__ROUND_SHIFT);
            /* release, both: what was written before. Pair with zs__handle_get_fast and zs__id_of */
            zs__store_rel_ptr(&e->slots, (uintptr_t)zs__slab_slots(z, chunk, slab));
            zs__store_rel_u64(&e->stamp, stamp);
        }
    }
    return e;
}

static ZS__NOINLINE zslab_result zs__id_bind(zs__allocator *z, uint32_t chunk, uint32_t slab, zs__id **out)
{
    zslab_result why = ZSLAB_OK;
    *out = NULL;
    if (!zs__count_enter(z, &z->arena_lock, ZS__LOCK_ARENA)) return ZSLAB_E_BUSY;
    *out = zs__id_bind_in(z, chunk, slab, &why);
    zs__arena_drop(z);
    return *out ? ZSLAB_OK : why;
}

/* The handle of a slot in state HANDLE; 0: it has none at the moment. */
static zslab_handle zs__handle_at(const zs__allocator *z, uint32_t chunk, uint32_t slab, uint32_t slot)
{
    const zs__id *e = zs__id_of(z, chunk, slab);
    uint32_t word = e ? zs__load_u32(zs__id_words(z, zs__id_number(z, e)) + slot) : zs__word_free(0, slot);
    return zs__word_live(word, slot) ? zs__load_u64(&e->name) + ((uint64_t)word << 10) : 0;
}

static int zs__interrupts(const zs__allocator *z, zs__row *row);

/* The handle of a slot in state HANDLE, from its entry: its word is live from here on. */
static inline zslab_handle zs__handle_word(const zs__allocator *z, const zs__id *e, size_t id, uint32_t slot)
{
    uint32_t *word = zs__id_words(z, id) + slot, now = zs__load_u32(word) ^ 1;
    uint64_t name = zs__load_u64(&e->name);
    ZSLAB_ASSERT(zs__word_live(now, slot) && (now >> 8) + z->first_part < ZS__GENERATION_END);
    zs__store_rel_u32(word, now); /* release: the name is read. Pairs with zs__slab_at_rest */
    return name + ((uint64_t)now << 10);
}

/* Give a slot in state HANDLE, passed the gate, its handle: its owner is in a slow path, and so its chunk stays. Shared
   mode: the slot is CLAIMED until it has it, for the same [SHARED-4]. */
static zslab_result zs__handle_issue(zs__allocator *z, void *p, zslab_handle *out)
{
    uint32_t chunk = (uint32_t)((size_t)((char *)p - z->base) >> ZSLAB_CHUNK_SHIFT);
    size_t at = (size_t)(zs__slot_state(z, p) - z->states);
    zs__id *e = zs__id_of(z, chunk, (uint32_t)(at >> 6));
    zslab_result r;
    if (ZS__UNLIKELY(!e)) {
        if (z->shared && zs__interrupts(z, NULL)) /* [SHARED-5] */
            return ZSLAB_E_BUSY;
        if (!z->shared) {
            zs__fork_check(); /* may take the slot for one whose maker is gone: it is ours again */
            zs__store_rel_u8(z->states + at, ZS__HANDLE); /* release: as it was first stored */
            /* relaxed: a plain bin's owner has to look at the chunk [ID-7]; a lent one's says so already */
            zs__store_u32(&((zs__row *)zs__load_ptr(&z->chunks[chunk].row))->swept, 1);
        }
        if ((r = zs__id_bind(z, chunk, (uint32_t)(at >> 6), &e)) != ZSLAB_OK) return r;
    }
    *out = zs__handle_word(z, e, zs__id_number(z, e), (uint32_t)(at & 63));
    if (z->shared) zs__store_rel_u8(z->states + at, ZS__HANDLE); /* release: the word. Pairs with zs__dead_settled */
    return ZSLAB_OK;
}

/* A slot taken for a handle that did not come to be is a plain object again. */
static void zs__slot_plain(zs__allocator *z, const void *p)
{
    uint8_t *state = zs__slot_state(z, p);
    const int guarded =
        z->guarded || z->chunks[(size_t)((const char *)p - z->base) >> ZSLAB_CHUNK_SHIFT].cls == ZSLAB_CLASS_LARGE;
    if (zs__load_u8(state) == ZS__HANDLE)
        zs__store_rel_u8(state, guarded ? ZS__GUARDED : ZS__LIVE); /* release: as for ZS__FREE */
}

static uint64_t zs__slab_in_state(const zs__allocator *z, uint32_t slab, uint8_t state) /* slots, as bits */
{
    const uint8_t *states = z->states + (size_t)slab * 64;
    uint64_t bits = 0;
    unsigned i;
    for (i = 0; i < 64; i++)
        bits |= (uint64_t)(zs__load_acq_u8(states + i) == state) << i; /* acquire: pairs with who stored it */
    return bits;
}

/* [ID-1] of one slab: words are live exactly where a state says HANDLE. Nobody else uses the allocator. */
static int zs__handles_right(const zs__allocator *z, uint32_t chunk, uint32_t slab)
{
    uint64_t handles = zs__slab_in_state(z, slab, ZS__HANDLE), live = 0;
    const zs__id *e = zs__id_of(z, chunk, slab);
    uint32_t i;
    for (i = 0; e && i < 64; i++)
        live |= (uint64_t)zs__word_live(zs__load_u32(zs__id_words(z, zs__id_number(z, e)) + i), i) << i;
    return live == handles;
}

/* In the child of a fork: who was about to make or free these objects is gone; they stay, as plain ones. */
static void zs__handles_settle(zs__allocator *z, uint32_t chunk, uint32_t slab)
{
    uint64_t handles = zs__slab_in_state(z, slab, ZS__CLAIMED);
    for (; handles; handles &= handles - 1) /* it has its handle, but not its state */
        if (zs__handle_at(z, chunk, slab, zs__ctz(handles)))
            zs__store_u8(z->states + (size_t)slab * 64 + zs__ctz(handles), ZS__HANDLE);
    handles = zs__slab_in_state(z, slab, ZS__HANDLE);
    for (; handles; handles &= handles - 1) {
        unsigned slot = zs__ctz(handles);
        if (!zs__handle_at(z, chunk, slab, slot))
            zs__slot_plain(z,
                           zs__slab_slots(z, chunk, slab) + (size_t)slot * zs__chunk_class(z, &z->chunks[chunk])->size);
    }
}

/* ---- >>epoch ---------------------------------------------------------------
   Ring places, eras and rounds; rows attached to heaps; closing, releasing, purging. The epoch lock guards places
   and the list of heaps; a row's lock guards its chunk lists against closers that read them.

   Lemmas, for an epoch e in place q, a closer C, an owner O with a row for e, a freer F:
   [EPOCH-1] Gate. O: state = LIVE; barrier; read gate. C: gate = 0 (CAS); asymmetric fence; read states. If O read
       the gate open, its read came before the fence on O, so its LIVE came before too, and C sees it. If not,
       O undoes. So after the fence the set of live objects only shrinks, and every chunk that ever handed out a
       slot is in the row's lists: O pushes it there first. A chunk pushed later never hands one out.
   [EPOCH-2] Opening. q's rows and their gates change under its rows_lock. O, under it: e is ACTIVE in the round that
       the row was made ready for; list the row; gate open. C: state or round first; then, under it, every gate shut.
       The thread that comes second sees the first: C finds the row, or O the state or the round, and does not open.
   [EPOCH-3] Draining row. C points every chunk at the draining row, then fences a second time. A free that
       loaded the old row stored its state before, so the scan after the fence sees it; a free that loads the
       new row goes to zs__drain_free and looks at the pages itself. No empty page is missed.
   [EPOCH-4] Purge claim. P (closer, draining free, trim): purging++; fence (a closer's and a trim's is asymmetric,
       a free's is real and so is the owner's under the RSS policy); check the chunk's stamp; purge; purging--.
       O, before rebinding: stamp = 0; fence; read purging. If P saw the old stamp, O sees the claim and leaves
       the chunk for later. So no page is purged under a new binding.
   [EPOCH-5] Lists stand still. Under a claim, rows of the epoch keep their lists: an owner changes them under the
       row's lock, and leaves the place's list under rows_lock, after reading purging == 0; a claimer passes every such
       lock once after purging++. Claims that read lists begin under the epoch lock while the epoch's rows are listed,
       so an owner who holds that one needs no row lock (zs__row_retire). A row leaves the list when its epoch is over.
   [EPOCH-6] CLOSED is said when no object lives. Under the latency policy C may ask before O's LIVE has left O's
       store buffer. So states count only when every row's owner has passed a slow path since the gate shut (row->acked)
       and they are visible through acked's release, or when who asks has fenced all threads since (place->seen): once
       a close. A close and a release ask nothing; without such a fence an epoch is CLOSING until they have passed. */
static void zs__epochs_take(zs__allocator *z)
{
    zs__fork_check();
    zs__count_lock(z, &z->epoch_lock, ZS__LOCK_EPOCHS);
}

/* For calls that may answer ZSLAB_E_BUSY: 0, when the allocator is sealed and another thread keeps the lock. */
static int zs__epochs_enter(zs__allocator *z)
{
    zs__fork_check();
    return zs__count_enter(z, &z->epoch_lock, ZS__LOCK_EPOCHS);
}

static void zs__news_tell(zs__allocator *z, const zs__news *n) /* no lock held */
{
#if ZS__HOOKS
    uint32_t i;
    for (i = 0; i < n->count; i++) {
        zs__rank_none();
        ZSLAB_ON_EPOCH(z, n->epoch[i], n->event[i]);
    }
#else
    (void)n;
#endif
    (void)z;
}

/* Without telling what happened: it is the caller's to tell, later. */
static void zs__epochs_leave(zs__allocator *z, zs__news *news)
{
    news->count = 0;
#if ZS__HOOKS
    *news = z->news;
    z->news.count = 0;
#endif
    zs__ranked_drop(zs__as_lock(&z->epoch_lock), ZS__LOCK_EPOCHS);
}

static void zs__epochs_drop(zs__allocator *z)
{
    zs__news news;
    zs__epochs_leave(z, &news);
    zs__news_tell(z, &news);
}

/* Every thread passes a full barrier; where the system has none to offer, owners and freers fence for themselves
   and the closer needs its own. */
static void zs__fence_all(const zs__allocator *z)
{
    zs__fence_seq();
    if (z->fence_ready) zs__os_fence();
}

/* The place of an epoch that still lives (ACTIVE or CLOSING), else NULL. */
static zs__place *zs__place_find(const zs__allocator *z, zslab_epoch e)
{
    uint32_t q = (uint32_t)(e & ZS__PLACE_MASK);
    zs__place *place = z->places + q;
    if (!e || q >= z->epoch_count || zs__load_acq_u64(&place->id) != e || /* acquire: pairs with zs__epoch_open */
        zs__load_acq_u32(&place->state) == ZSLAB_EPOCH_CLOSED)            /* acquire: and with zs__place_end */
        return NULL;
    return place;
}

static inline uint32_t zs__block_count(uint32_t epoch_count)
{
    return (epoch_count + ZS__ROW_BLOCK - 1) / ZS__ROW_BLOCK;
}

static inline size_t zs__block_bytes(uint32_t epoch_count)
{
    return (epoch_count < ZS__ROW_BLOCK ? epoch_count : ZS__ROW_BLOCK) * sizeof(uintptr_t);
}

/* What a heap is made with of them: the names of blocks, and the only block where there is one. Counters follow. */
static inline size_t zs__names_bytes(uint32_t epoch_count)
{
    size_t blocks = zs__block_count(epoch_count);
    return zs__round_up(blocks * sizeof(uintptr_t) + (blocks > 1 ? 0 : zs__block_bytes(epoch_count)), sizeof(uint64_t));
}

/* Where the heap names its row of a place: in a block of neighbours, which is made for the first of them, the only one
   with the heap. NULL: not made yet. acquire: an empty block. Pairs with zs__row_block */
static inline uintptr_t *zs__row_name(const zslab_heap *heap, uint32_t place)
{
    uintptr_t *block = (uintptr_t *)zs__load_acq_ptr(&heap->row_blocks[place / ZS__ROW_BLOCK]);
    return block ? block + place % ZS__ROW_BLOCK : NULL;
}

/* NULL also for a place past the ring, as a malformed id may say. */
static inline zs__row *zs__row_at(const zslab_heap *heap, uint32_t place)
{
    const uintptr_t *name = ZS__LIKELY(place < heap->z->epoch_count) ? zs__row_name(heap, place) : NULL;
    return name ? (zs__row *)zs__load_acq_ptr(name) : NULL; /* acquire: pairs with zs__row_attach */
}

/* The row of an epoch that is open to this heap: what every allocation in a given epoch tests first. */
static inline zs__row *zs__row_open(const zslab_heap *heap, zslab_epoch e)
{
    zs__row *row = zs__row_at(heap, (uint32_t)(e & ZS__PLACE_MASK));
    return row && e && zs__load_u64(&row->gate) == e ? row : NULL;
}

#if !ZSLAB_NO_TLS
static inline int zs__tls_is(const zs__tls_block *tls, const zs__allocator *z) /* its row stands there */
{
    return zs__load_ptr(&tls->z) == (uintptr_t)z + z->counted;
}

static zslab_heap *zs__heap_of_thread(const zs__allocator *z, uint32_t thread) /* NULL: it has none here */
{
    zslab_heap *heap;
    if (!thread || z->home != ZS__HOME) /* none yet; or such a number is another thread's there */
        return NULL;
    if (thread < z->heap_of_count)
        return (zslab_heap *)zs__load_acq_ptr(zs__heap_entry(z, thread)); /* with zs__heap_attach_try */
    heap = (zslab_heap *)zs__load_acq_ptr((uintptr_t *)(uintptr_t)&z->heaps);
    while (heap && zs__load_u32(&heap->thread) != thread) heap = heap->next;
    return heap;
}

static zslab_heap *zs__heap_peek(const zs__allocator *z) /* this thread's heap, if it has one */
{
    uint32_t thread = zs__load_u32(&zs__tls()->thread);
    return z->shared ? z->shared_heap : thread ? zs__heap_of_thread(z, thread) : NULL;
}
#else
static zslab_heap *zs__heap_peek(const zs__allocator *z) { return z->shared_heap; }
#endif

static inline zslab_heap *zs__heap_here(const zs__allocator *z) /* the same, mostly without a look at the table */
{
#if !ZSLAB_NO_TLS
    if (ZS__LIKELY(zs__load_ptr(&zs__tls()->z) == (uintptr_t)z)) return zs__tls()->row->heap;
#endif
    return zs__heap_peek(z);
}

static void zs__event(zs__allocator *z) /* owners look at their rows when they next pass a slow path. Epoch lock held */
{
    zs__store_rel_u32(&z->events, z->events + 1); /* release: what changed before it. Pairs with zs__heap_housekeep */
}

static inline zs__row *zs__row_beside(const zs__row *row)
{
    return (zs__row *)zs__load_ptr(&row->beside); /* relaxed: the head's acquire, or the lock */
}

/* First of a place's rows: those of its latest epoch, then those of older ones whose owners have not passed by. */
static inline zs__row *zs__rows_first(const zs__place *place)
{
    return (zs__row *)zs__load_acq_ptr(&place->rows); /* acquire: the row. Pairs with zs__row_list */
}

/* The first of an epoch's rows from `row` on, in a place's list; NULL: none. */
static inline zs__row *zs__rows_of(zs__row *row, zslab_epoch e)
{
    while (row && zs__load_u64(&row->epoch) > e) row = zs__row_beside(row);
    return row && zs__load_u64(&row->epoch) == e ? row : NULL;
}

/* Is the caller's the only heap, and itself no row's but its own? Epoch lock held, so none is made meanwhile. */
static inline int zs__heap_alone(const zs__allocator *z)
{
    return !z->shared && z->heaps && !z->heaps->next && z->heaps == zs__heap_peek(z);
}

static void zs__rows_take(zs__place *place) { zs__ranked_take(zs__as_lock(&place->rows_lock), ZS__LOCK_ROWS); }
static void zs__rows_drop(zs__place *place) { zs__ranked_drop(zs__as_lock(&place->rows_lock), ZS__LOCK_ROWS); }

/* rows_lock held, or no other thread there. */
static void zs__row_list(zs__place *place, zs__row *row)
{
    zs__row *next = zs__rows_first(place), *prev = NULL;
    for (; next && next->epoch > row->epoch; next = zs__row_beside(next)) /* in the child of a fork only */
        prev = next;
    row->beside_prev = prev;
    zs__store_ptr(&row->beside, (uintptr_t)next);
    if (next) next->beside_prev = row;
    zs__store_rel_ptr(prev ? &prev->beside : &place->rows, (uintptr_t)row); /* release: pairs with zs__rows_first */
}

static void zs__row_unlist(zs__place *place, zs__row *row) /* rows_lock held */
{
    zs__row *next = zs__row_beside(row);
    if (next) next->beside_prev = row->beside_prev;
    zs__store_ptr(row->beside_prev ? &row->beside_prev->beside : &place->rows, (uintptr_t)next); /* relaxed: as read */
}

/* Shut every row of an epoch, whose state or round says so already; its owners go to their slow paths. [EPOCH-2]
   Epoch lock held. */
static void zs__gates_shut(zs__allocator *z, zs__place *place)
{
    zslab_epoch e = place->id;
    const int alone = zs__heap_alone(z);
    zs__row *row;
    if (!alone) zs__rows_take(place);
    for (row = zs__rows_of(zs__rows_first(place), e); row; row = zs__rows_of(zs__row_beside(row), e))
        zs__store_u64(&row->gate, 0); /* relaxed: pairs with the fence of who looks at states [EPOCH-1] */
    if (!alone) zs__rows_drop(place);
    if (z->shared) zs__fence_seq(); /* the gate before the words. Pairs with the claim and its look at the gate */
    zs__event(z);
}

/* Call fn for every chunk of the epoch's rows, under a claim or the row's lock. */
typedef int zs__chunk_fn(zs__allocator *z, uint32_t chunk, void *user); /* non-zero stops */
static int zs__row_each(zs__allocator *z, zs__row *row, zs__chunk_fn *fn, void *user)
{
    uint32_t cls, chunk, next;
    for (cls = 0; cls < z->class_count; cls++) {
        zs__bin_cold *b = zs__cold_of(z, zs__bin_at(row, cls));
        if (!(zs__load_u64(&row->used[cls >> 6]) >> (cls & 63) & 1)) continue;
        for (chunk = zs__load_acq_u32(&b->all); chunk; chunk = next) { /* acquire: pairs with zs__all_push */
            next = zs__load_u32(&z->cold[chunk - 1].all_next);
            if (fn(z, chunk - 1, user)) return 1;
        }
    }
    return 0;
}

static int zs__epoch_each(zs__allocator *z, zslab_epoch e, zs__chunk_fn *fn, void *user)
{
    zs__row *row = zs__rows_of(zs__rows_first(&z->places[e & ZS__PLACE_MASK]), e);
    for (; row; row = zs__rows_of(zs__row_beside(row), e))
        if (zs__row_each(z, row, fn, user)) return 1;
    return 0;
}

/* Slots of a slab that hold an object. Owned heaps: states. Shared mode: what is not home, since a claimer's state
   may come late but its bit does not. [SHARED-1] */
static uint64_t zs__slab_live(const zs__allocator *z, uint32_t slab, uint64_t full)
{
    uint64_t live = 0;
    unsigned i, j;
    const uint8_t *states = z->states + (size_t)slab * 64;
    if (z->shared) {                                      /* uncarved slabs do not exist there */
        live = ~zs__load_acq_u64(&z->words[slab]) & full; /* acquire: pairs with the OR of a free */
        return live && zs__load_u64(&z->retired_slots) ? live & ~zs__slab_in_state(z, slab, ZS__RETIRED) : live;
    }
    for (i = 0; i < 64; i += 8) {
        if (zs__load_acq_u64((const uint64_t *)(const void *)(states + i)) == 0) /* pairs with a free's store */
            continue;
        for (j = i; j < i + 8; j++) {
            uint8_t s = zs__load_acq_u8(states + j);
            live |= (uint64_t)(s == ZS__LIVE || s == ZS__HANDLE || s == ZS__GUARDED || s == ZS__FREEING) << j;
        }
    }
    return live;
}

/* Does a slot with number in [from, to) of the chunk hold an object? */
static int zs__slots_live(const zs__allocator *z, uint32_t chunk, uint32_t from, uint32_t to)
{
    const zs__chunk *c = &z->chunks[chunk];
    const zs__class *k = zs__chunk_class(z, c);
    uint32_t slab, first = zs__chunk_slab(z, c);
    if (z->shared && !zs__load_u32(&z->cold[chunk].carved)) return 0; /* swept */
    for (slab = from / 64; slab * 64 < to; slab++) {
        uint64_t mask = ~(uint64_t)0;
        if (slab == from / 64) mask <<= from & 63;
        if (to - slab * 64 < 64) mask &= ((uint64_t)1 << (to & 63)) - 1;
        if (zs__slab_live(z, first + slab, zs__slab_full(k, slab)) & mask) return 1;
    }
    return 0;
}

static int zs__chunk_live(zs__allocator *z, uint32_t chunk, void *user)
{
    (void)user;
    return zs__slots_live(z, chunk, 0, zs__chunk_class(z, &z->chunks[chunk])->slots);
}

/* [SHARED-5] In a signal handler: does the call that was interrupted hold a lock that a slow path may want, this row's
   (NULL: none) included? Then that path answers ZSLAB_E_BUSY before it takes any. A call sees none of its own there. */
static int zs__interrupts(const zs__allocator *z, zs__row *row)
{
    uint32_t cls, i;
#if ZS__LOCK_ORDER && !ZSLAB_NO_TLS
    if (*zs__held()) /* as exact as the order that is checked */
        return 1;
#endif
    if (zs__lock_mine(&z->epoch_lock) || zs__lock_mine(&z->arena_lock)) return 1;
    for (i = 0; i < ZS__CLOSERS; i++)
        if (zs__lock_mine(&z->close_line[i])) return 1;
    for (cls = 0; row && cls < z->class_count; cls++)
        if (zs__lock_mine(&zs__cold_of(z, zs__bin_at(row, cls))->lock)) return 1;
    return row && zs__lock_mine(&row->lock);
}

/* As zs__interrupts, with every row: what a search for memory wants. */
static int zs__interrupts_any(const zs__allocator *z)
{
    uint32_t at;
    for (at = 0; at < zs__places_known(z); at++)
        if (zs__lock_mine(&z->places[at].rows_lock) || zs__interrupts(z, zs__row_at(z->shared_heap, at))) return 1;
    return 0;
}

/* Take or drop what guards a row's chunk lists: its lock, and in shared mode every bin's before it. */
static void zs__row_take(zs__allocator *z, zs__row *row)
{
    uint32_t cls;
    for (cls = 0; z->shared && cls < z->class_count; cls++)
        zs__ranked_take(zs__as_lock(&zs__cold_of(z, zs__bin_at(row, cls))->lock), ZS__LOCK_BIN);
    zs__ranked_take(zs__as_lock(&row->lock), ZS__LOCK_ROW);
}

static void zs__row_drop(zs__allocator *z, zs__row *row)
{
    uint32_t cls;
    zs__ranked_drop(zs__as_lock(&row->lock), ZS__LOCK_ROW);
    for (cls = 0; z->shared && cls < z->class_count; cls++)
        zs__ranked_drop(zs__as_lock(&zs__cold_of(z, zs__bin_at(row, cls))->lock), ZS__LOCK_BIN);
}

static int zs__large_left(zs__allocator *z, const zs__place *place);

/* Does a chunk of the row hold an object? What was seen without one is not looked at again: live slots only go once
   [EPOCH-6] lets states count. A chunk of a dead round holds nothing, whatever its states say. [STAMP-1] */
static int zs__row_live(zs__allocator *z, zs__row *row, uint64_t round)
{
    uint32_t cls = row->cursor_cls, chunk = row->cursor_chunk;
    for (; cls < z->class_count; cls++, chunk = 0) {
        if (!chunk) chunk = zs__load_acq_u32(&zs__cold_of(z, zs__bin_at(row, cls))->all); /* pairs with zs__all_push */
        while (chunk && (zs__load_u64(&z->chunks[chunk - 1].stamp) != round || !zs__chunk_live(z, chunk - 1, NULL)))
            chunk = zs__load_u32(&z->cold[chunk - 1].all_next);
        if (chunk) break;
    }
    row->cursor_cls = cls, row->cursor_chunk = chunk;
    return chunk != 0;
}

/* No live slot in any row of a closing place? Its list stands: none attaches, none is retired. Epoch lock held; row
   locks keep owners from taking empty chunks out. */
static int zs__place_empty(zs__allocator *z, zs__place *place)
{
    uint64_t round = zs__load_u64(&zs__round_of(z, place->id)->word);
    zs__row *row = zs__rows_of(place->look, place->id);
    int live = zs__large_left(z, place);
    while (row && !live) {
        zs__row_take(z, row); /* shared mode: a refiller has pushed its chunk, or finds the gate shut under its lock */
        live = zs__row_live(z, row, round);
        zs__row_drop(z, row);
        place->look = row;
        row = zs__rows_of(zs__row_beside(row), place->id);
    }
    return !live;
}

/* ---- >>place ---------------------------------------------------------------
   An epoch's way through its ring place: opened, closing, found empty, CLOSED, the place free again; the lists of those
   that live, close, or are children. All under the epoch lock. */

/* How many owners have not passed by since the gates shut, `most` at most. Who asks sees its own states. [EPOCH-6]
   Epoch lock held. */
static uint32_t zs__place_late(zs__allocator *z, const zs__place *place, uint32_t most)
{
    zs__row *row = zs__rows_of(zs__rows_first(place), place->id);
    zslab_heap *mine = NULL;
    uint32_t late = 0;
    if (z->shared) return 0; /* claims are seq_cst: what was handed out before the gate shut is visible */
#if !ZSLAB_NO_TLS
    mine = zs__heap_of_thread(z, zs__tls()->thread);
#endif
    for (; row && late < most; row = zs__rows_of(zs__row_beside(row), place->id)) /* acquire: with zs__heap_housekeep */
        late += row->heap != mine && !row->heap->is_parked && !zs__load_acq_u32(&row->acked);
    return late;
}

/* The place joins the free ones, at the end. Epoch lock held. */
static void zs__place_free(zs__allocator *z, zs__place *place)
{
    uint32_t q = (uint32_t)(place - z->places) + 1;
    place->next = 0;
    if (z->place_tail)
        z->places[z->place_tail - 1].next = q;
    else
        z->place_head = q;
    z->place_tail = q;
}

static void zs__closing_remove(zs__allocator *z, zs__place *place)
{
    uint32_t q = (uint32_t)(place - z->places) + 1;
    if (!place->prev_closing && z->closing_head != q) return;
    *(place->prev_closing ? &z->places[place->prev_closing - 1].next_closing : &z->closing_head) = place->next_closing;
    *(place->next_closing ? &z->places[place->next_closing - 1].prev_closing : &z->closing_tail) = place->prev_closing;
    place->prev_closing = 0;
}

static void zs__closing_append(zs__allocator *z, zs__place *place)
{
    uint32_t q = (uint32_t)(place - z->places) + 1;
    place->next_closing = 0;
    place->prev_closing = z->closing_tail;
    if (z->closing_tail)
        z->places[z->closing_tail - 1].next_closing = q;
    else
        z->closing_head = q;
    z->closing_tail = q;
}

/* The place's epoch is the youngest that lives. Epoch lock held. */
static void zs__living_append(zs__allocator *z, zs__place *place)
{
    uint32_t q = (uint32_t)(place - z->places) + 1;
    place->younger = 0;
    place->older = z->newest;
    zs__compiler_barrier(); /* [FORK-4] */
    *(z->newest ? &z->places[z->newest - 1].younger : &z->oldest) = q;
    z->newest = q;
}

static void zs__living_remove(zs__allocator *z, const zs__place *place)
{
    *(place->older ? &z->places[place->older - 1].younger : &z->oldest) = place->younger;
    *(place->younger ? &z->places[place->younger - 1].older : &z->newest) = place->older;
}

/* The place becomes a child of its parent's, the first or the last; or is none any more. Epoch lock held, all. */
static void zs__child_link(zs__allocator *z, zs__place *place, int last)
{
    uint32_t q = (uint32_t)(place - z->places) + 1, *first = place->parent ? &z->places[place->parent - 1].child : NULL;
    if (!first) return;
    place->sibling = last ? 0 : *first;
    place->sibling_prev = *first ? z->places[*first - 1].sibling_prev : q;
    if (last && *first) z->places[place->sibling_prev - 1].sibling = q;
    if (*first) z->places[*first - 1].sibling_prev = q;
    if (!last || !*first) *first = q;
}

static void zs__child_unlink(zs__allocator *z, const zs__place *place)
{
    uint32_t q = (uint32_t)(place - z->places) + 1, *first = place->parent ? &z->places[place->parent - 1].child : NULL;
    if (!first) return;
    if (place->sibling)
        z->places[place->sibling - 1].sibling_prev = place->sibling_prev;
    else if (*first != q)
        z->places[*first - 1].sibling_prev = place->sibling_prev;
    *(*first == q ? first : &z->places[place->sibling_prev - 1].sibling) = place->sibling;
}

static void zs__child_last(zs__allocator *z, zs__place *place) /* it is not ACTIVE any more */
{
    zs__child_unlink(z, place);
    zs__child_link(z, place, 1);
}

/* What was registered for a drained epoch is due. Linked before it is unlinked, for zs__fork_ends. [END-3] */
static void zs__ends_append(zs__allocator *z, zs__place *place)
{
    zs__ending *last = place->ends;
    if (!last) return;
    *(z->due ? &z->due_last->next : &z->due) = last->next;
    zs__compiler_barrier();
    last->next = NULL;
    z->due_last = last;
    zs__compiler_barrier();
    place->ends = NULL;
}

/* An epoch of the group comes (was 0) or goes (now 0); 1 + its place. Epoch lock held. */
static void zs__group_place(zslab_group *g, uint32_t was, uint32_t now)
{
    uint32_t i = 0;
    g->epochs += now ? 1u : ~0u;
    while (i < ZS__GROUP_PLACES && g->places[i] != was) i++;
    if (i < ZS__GROUP_PLACES) g->places[i] = now;
}

static void zs__rows_end(zs__allocator *z, zs__place *place);

/* CLOSED, and free for a new epoch. Epoch lock held. */
static void zs__place_end(zs__allocator *z, zs__place *place, int drained)
{
    if (drained) zs__happens(z, place->id, ZSLAB_EPOCH_EVENT_DRAINED);
    place->drained = (uint8_t)(drained && z->rss_policy ? 2 : drained);
    if (place->drained == 2)
        zs__store_u32(&z->late, z->late ? ~(uint32_t)0 : (uint32_t)(place - z->places) + 1); /* relaxed: a hint */
    zs__store_rel_u32(&place->state, ZSLAB_EPOCH_CLOSED); /* release: pairs with zs__place_find */
    zs__charge_end(z, place, 0);
    if (place->group) zs__group_place(place->group, (uint32_t)(place - z->places) + 1, 0);
    zs__living_remove(z, place);
    zs__child_unlink(z, place);
    zs__ends_append(z, place);
    place->ending = 0;
    zs__place_free(z, place);
    zs__event(z);
    if (z->shared || z->parked) zs__rows_end(z, place);
}

/* All threads have passed a fence: states count in every closing epoch. [EPOCH-6] Epoch lock held. */
static void zs__places_seen(zs__allocator *z)
{
    uint32_t q;
    zs__fence_all(z);
    for (q = z->closing_head; q; q = z->places[q - 1].next_closing) z->places[q - 1].seen = 1;
}

/* Has a closing epoch lost its last object? ask: a fence may stand for owners that have not passed by. Epoch lock. */
static int zs__place_try_end_one(zs__allocator *z, zs__place *place, int ask)
{
    if (place->state != ZSLAB_EPOCH_CLOSING || place->child || place->ending) /* [END-1] */
        return 0;
    if (z->rss_policy && !z->shared && !place->latent) {
        if (zs__load_acq_u32(&place->draining) || zs__large_left(z, place))
            return 0; /* acquire: pairs with the countdown in zs__chunk_drained */
    } else {
        if (z->shared && zs__load_acq_u32(&place->purging)) /* a sweep hides bits. Pairs with zs__purge_end */
            return 0;
        if (!place->seen && zs__place_late(z, place, 1)) {
            if (!ask || !z->fence_ready || zs__sealed(z)) return 0;
            zs__places_seen(z);
        }
        place->seen = 1;
        if (!zs__place_empty(z, place)) return 0;
    }
    zs__closing_remove(z, place);
    zs__place_end(z, place, 1);
    return 1;
}

static int zs__place_try_end(zs__allocator *z, zs__place *place, int ask) /* those above may have waited for it */
{
    int ended = zs__place_try_end_one(z, place, ask), more = ended;
    while (more && place->parent && zs__news_room(z)) {
        place = &z->places[place->parent - 1];
        more = zs__place_try_end_one(z, place, ask);
    }
    return ended;
}

/* An epoch below a place that no call is ending yet, children first: what follows `at` (NULL: the first). One that is
   being reset goes with those above. Epoch lock held. [END-1] */
static zs__place *zs__below(zs__allocator *z, zs__place *root, zs__place *at)
{
    uint32_t q;
    if (at == root) return NULL;
    for (q = at ? at->sibling : root->child, at = at ? &z->places[at->parent - 1] : root;;) {
        while (q && z->places[q - 1].ending) q = z->places[q - 1].sibling;
        if (!q) return at;
        at = &z->places[q - 1];
        q = at->child;
    }
}

/* Every closing epoch that has lost its last object ends. Epoch lock held; it may be dropped in between. */
static void zs__places_try_end(zs__allocator *z)
{
    uint32_t q, next;
    for (q = z->closing_head; q; q = next) {
        if (!zs__news_room(z)) {
            zs__epochs_drop(z);
            zs__epochs_take(z);
            if ((q = z->closing_head) == 0) break;
        }
        next = z->places[q - 1].next_closing;
        zs__place_try_end(z, &z->places[q - 1], 1);
    }
}

static void zs__label_copy(char to[32], const char *label) /* cut within a UTF-8 sequence, it ends before that */
{
    size_t n = 0, cut = 0, i;
    while (label && n < 31 && label[n]) n++;
    while (n && cut < 3 && (label[n - cut] & 0xc0) == 0x80) cut++;
    if (cut && (label[n - cut] & 0xc0) == 0xc0) n -= cut;
    zs__zero(to, 32);
    for (i = 0; i < n; i++) to[i] = label[i];
}

static void zs__label_set(zs__place *place, const char *label) { zs__label_copy(place->label, label); }

/* The next place that never had an epoch. Epoch lock held. */
static zs__place *zs__place_first(zs__allocator *z)
{
    uint32_t q = z->place_count;
    zs__store_u64(&zs__round_of(z, q)->word, ZS__ROUND_STEP | (uint64_t)q << ZS__ROUND_SHIFT);
    z->places[q].state = ZSLAB_EPOCH_CLOSED;
    zs__store_rel_u32(&z->place_count, q + 1); /* release: word and state. Pairs with zs__places_known */
    return &z->places[q];
}

/* A place for a new epoch: one that had none, else the one free for longest, skipping those still being purged. Epoch
   lock held. */
static zs__place *zs__place_pop(zs__allocator *z)
{
    uint32_t tries;
    if (z->place_count < z->epoch_count) return zs__place_first(z);
    for (tries = 0; z->place_head && tries < z->epoch_count; tries++) {
        zs__place *place = &z->places[z->place_head - 1];
        z->place_head = place->next;
        if (!z->place_head) z->place_tail = 0;
        if (!zs__load_acq_u32(&place->purging)) /* acquire: pairs with zs__purge_end */
            return place;
        zs__place_free(z, place);
    }
    return NULL;
}

/* A place without an epoch that a claim keeps; shared mode: also one that drains, where a sweep hides what is left. */
static zs__place *zs__place_purging(zs__allocator *z)
{
    uint32_t q;
    if (z->place_head) return &z->places[z->place_head - 1];
    for (q = z->shared ? z->closing_head : 0; q; q = z->places[q - 1].next_closing)
        if (zs__load_u32(&z->places[q - 1].purging)) return &z->places[q - 1];
    return NULL;
}

/* A place for a new epoch; NULL: every one is open or drains. The end of a claim on the last one is waited for without
   the epoch lock, which is held before and after. */
static zs__place *zs__place_get(zs__allocator *z)
{
    for (;;) {
        zs__place *place = zs__place_pop(z), *held;
        uint32_t q, next, claims;
        int turn;
        for (q = z->closing_head; q && !place && zs__news_room(z); q = next) {
            next = z->places[q - 1].next_closing;
            if (zs__place_try_end(z, &z->places[q - 1], 1)) place = zs__place_pop(z);
        }
        if (place || zs__sealed(z) || (held = zs__place_purging(z)) == NULL) return place;
        held->wanted++;
        zs__epochs_drop(z);
        zs__rank_none();
        for (turn = 0; (claims = zs__load_acq_u32(&held->purging)) != 0; turn++) /* pairs with zs__purge_end */
            zs__wait_long(&held->purging, claims, turn);
        zs__epochs_take(z);
        held->wanted--;
    }
}

static void zs__closing_try_end(zs__allocator *z, uint32_t tries) /* of so many, in turn. Epoch lock held */
{
    zs__place *place;
    for (; z->closing_head && tries && zs__news_room(z); tries--) {
        place = &z->places[z->closing_head - 1];
        if (!zs__place_try_end(z, place, 0)) { /* to the end of the queue */
            zs__closing_remove(z, place);
            zs__closing_append(z, place);
        }
    }
}

/* The group that an epoch is opened for: the one it names, else its parent's. Epoch lock held. */
static zslab_group *zs__config_group(const zs__allocator *z, const zslab_epoch_config *c)
{
    const zs__place *parent = c->group || !c->parent ? NULL : zs__place_find(z, c->parent);
    return parent ? parent->group : c->group;
}

static zslab_result zs__parent_right(const zs__allocator *z, const zslab_epoch_config *c)
{
    const zs__place *parent;
    const zslab_group *g;
    if (ZS__LIKELY(!c->parent && !c->group)) return ZSLAB_OK;
    parent = zs__place_find(z, c->parent);
    g = zs__config_group(z, c);
    return g && g->z != z                                       ? ZSLAB_E_INVALID
           : g && g->epoch_count && g->epochs >= g->epoch_count ? ZSLAB_E_LIMIT
           : !c->parent                                         ? ZSLAB_OK
           : !parent || parent->state != ZSLAB_EPOCH_ACTIVE     ? ZSLAB_E_CLOSED
           : parent->ending                                     ? ZSLAB_E_BUSY
           : parent->depth == ZS__DEPTH_MAX                     ? ZSLAB_E_LIMIT
                                                                : ZSLAB_OK;
}

/* Open an epoch; 0 with the reason. Epoch lock held; it may be dropped in between. */
static zslab_epoch zs__epoch_open(zs__allocator *z, const zslab_epoch_config *c, zslab_result *why)
{
    zs__place *place;
    zslab_epoch e;
    uint32_t q;
    zs__closing_try_end(z, 2);
    if ((*why = zs__parent_right(z, c)) != ZSLAB_OK) return ZSLAB_EPOCH_NONE;
    place = z->era < ((uint64_t)1 << 48) - 1 ? zs__place_get(z) : NULL;
    *why = place ? zs__parent_right(z, c) : ZSLAB_E_BUSY;
    if (place && *why != ZSLAB_OK) zs__place_free(z, place);
    if (*why != ZSLAB_OK) return ZSLAB_EPOCH_NONE;
    if (place->left) zs__rows_end(z, place);
    q = (uint32_t)(place - z->places);
    e = ++z->era << 16 | q;
    zs__label_set(place, c->label);
    zs__store_ptr((uintptr_t *)(void *)&place->group, (uintptr_t)zs__config_group(z, c)); /* zs__place_group */
    if (place->group) zs__group_place(place->group, 0, q + 1);
    place->flags = (uint8_t)c->flags;
    place->parent = c->parent ? (uint32_t)(c->parent & ZS__PLACE_MASK) + 1 : 0;
    place->depth = (uint8_t)(c->parent ? z->places[place->parent - 1].depth + 1 : 0);
    place->child = place->ending = place->later = 0;
    zs__reserved_epoch(z, place); /* a reservation that met the end of the epoch before */
    place->opened_ns = zs__os_now_ns();
    zs__store_u64(&place->last_used_ns, place->opened_ns);
    place->rss_before_close = place->rss_after_close = 0;
    zs__round_of(z, q)->visits = 0;
    place->domains = 0;                 /* those over an epoch that was here before find it gone */
    zs__store_u32(&place->draining, 0); /* relaxed: published by id */
    place->latent = 0;
    place->drained = 0;
    zs__store_u64(&zs__round_of(z, q)->word, zs__load_u64(&zs__round_of(z, q)->word) + ZS__ROUND_STEP);
    zs__store_u64(&zs__round_of(z, q)->opened, zs__load_u64(&zs__round_of(z, q)->word));
    if (c->flags & ZSLAB_EPOCH_DISCARDABLE)
        zs__store_u32(&z->discardable, 1);                    /* relaxed: who allocates in it sees it */
    if (place->group || (c->flags & ZSLAB_EPOCH_DISCARDABLE)) /* before the first row is made ready [BUDGET-3] */
        zs__store_u64(&place->charge, zs__charge_mark(zs__load_u64(&zs__round_of(z, q)->word)));
    if (place->group && place->group->guaranteed)
        zs__store_u64(&zs__round_of(z, q)->aside, zs__load_u64(&place->charge));
    zs__store_rel_u64(&place->id, e); /* release, both: pair with zs__place_find. With the old id it was never ACTIVE */
    zs__living_append(z, place);
    zs__child_link(z, place, 0);
    zs__store_rel_u32(&place->state, ZSLAB_EPOCH_ACTIVE);
    zs__happens(z, e, ZSLAB_EPOCH_EVENT_OPEN);
    return e;
}

/* ---- >>row -----------------------------------------------------------------
   Rows: a heap's bins for one epoch. Made on first use, retired by their owner when the epoch is over (by the holder of
   the epoch lock where it has no owner), idle ones used again last in first out. */

/* Shared mode: the slabs that were given slots back are no longer listed. Bin lock held. */
static void zs__listed_drop(zs__allocator *z, zs__bin_cold *b)
{
    uint32_t head = zs__exchange_u32(&b->listed, 0); /* acquire: pairs with zs__shared_list */
    while (head) {
        uint32_t slab = head - 1;
        head = zs__load_u32(&z->hints[slab].next);
        zs__exchange_u8(&z->hints[slab].queued, 0);
    }
}

/* The bin's chunks are dead: it forgets their slots, and they wait in `stale` until they are bound again. */
static void zs__bin_forget(zs__allocator *z, zs__bin *bin)
{
    zs__bin_cold *b = zs__cold_of(z, bin);
    zs__bin_top(bin, bin->bottom);
    zs__store_u64(&bin->avail, 0);
    zs__store_u32(&bin->current, 0);
    zs__listed_drop(z, b);
    b->partial = b->fresh = 0;
    if (!b->all) return;
    if (b->stale)
        zs__store_u32(&z->cold[b->all_tail - 1].all_next, b->stale);
    else
        b->stale_tail = b->all_tail;
    b->stale = b->all;
    b->stale_count += b->all_count;
    zs__store_u32(&b->all, 0);
    b->all_tail = b->all_count = 0;
}

/* The bin writes no slot of the chunk lent to it any more: none is in its magazine. [LEND-1] */
static void zs__bin_unlend(zs__allocator *z, zs__bin *bin)
{
    uint32_t chunk = bin->lent & ~ZS__LENT_ANY;
    zs__store_u32(&bin->lent, 0);                        /* relaxed: zs__free_lent has a first look */
    if (chunk) zs__sub_u32(&z->cold[chunk - 1].lent, 1); /* release: what was stored to it. Pairs with zs__chunk_bind */
}

static void zs__row_unlend(zs__allocator *z, zs__row *row) /* in a dead round: the magazines are empty as well */
{
    uint32_t cls;
    for (cls = 0; row->borrows && cls < z->class_count; cls++) {
        zs__bin *bin = zs__bin_at(row, cls);
        if (!(bin->lent & ~ZS__LENT_ANY)) continue;
        zs__bin_top(bin, bin->bottom);
        zs__bin_unlend(z, bin);
    }
    zs__store_u32(&row->borrows, 0);
}

/* The round of the row's chunks is over. Plain bins wait for zs__row_wake if `keep_plain`. Row or epoch lock. */
static uint32_t zs__row_forget(zs__allocator *z, zs__row *row, int keep_plain) /* the longest list of dead chunks */
{
    uint32_t w, longest = 0;
    zs__row_unlend(z, row);
    for (w = 0; w < z->mask_words; w++) {
        uint64_t left;
        if (!keep_plain) row->plain[w] = 0;
        for (left = row->used[w] & ~row->plain[w]; left; left &= left - 1) {
            zs__bin *bin = zs__bin_at(row, w * 64 + zs__ctz(left));
            zs__bin_forget(z, bin);
            if (zs__cold_of(z, bin)->stale_count > longest) longest = zs__cold_of(z, bin)->stale_count;
        }
    }
    row->cursor_cls = row->cursor_chunk = 0;
    return longest;
}

/* Was the chunk of a plain bin purged, is it lent, in use, or does it drain? Then it has to be bound again. */
static int zs__plain_lost(zs__allocator *z, zs__bin *bin)
{
    uint32_t chunk = zs__cold_of(z, bin)->all - 1;
    return zs__load_u32(&z->cold[chunk].purged_bytes) || !zs__chunk_at_rest(z, chunk) ||
           zs__chunk_bin(z, &z->chunks[chunk]) != bin;
}

/* A plain bin's slab as if never used: `avail`, all of it, and states. Where it was used in order and little, what was
   taken is what lies below the lowest bit left, within eight states. Relaxed: a stale free may be looking. */
static inline void zs__plain_rewind(const zs__allocator *z, zs__bin *bin, size_t at)
{
    if (ZS__LIKELY((bin->avail & 255) && !z->always_slow)) {
        zs__store_u64(&bin->avail, bin->avail | (bin->avail - 1));
        zs__store_u64((uint64_t *)(void *)bin->states, 0);
        return;
    }
    zs__store_u64(&bin->avail, zs__slab_full_at(z, bin->cls, at & ZS__CHUNK_MASK));
    zs__states_clear(bin->states);
}

/* A new round of the row begins. Its plain bins, the common case of small epochs, start again in place: the chunk needs
   but the new stamp. */
static void zs__row_wake(zs__allocator *z, zs__row *row)
{
    uint32_t w, swept = zs__load_u32(&row->swept); /* relaxed: no claim is left, seen by who forgot the row */
    uint64_t stamp = zs__load_u64(&row->stamp), left;
    const int counts = zs__place_counts(z, stamp); /* then a chunk is charged as it is bound */
    for (w = 0; w < z->mask_words; w++) {
        for (left = row->plain[w]; left; left &= left - 1) {
            zs__bin *bin = zs__bin_at(row, w * 64 + zs__ctz(left));
            size_t at = (size_t)(bin->slots - z->base);
            if (ZS__UNLIKELY(swept || counts) && (counts || zs__plain_lost(z, bin))) {
                row->plain[w] &= ~(left & (0 - left));
                zs__bin_forget(z, bin);
                continue;
            }
            zs__bin_top(bin, bin->bottom);
            zs__plain_rewind(z, bin, at);
            zs__store_rel_u64(&z->chunks[at >> ZSLAB_CHUNK_SHIFT].stamp, stamp); /* as in zs__chunk_bind */
        }
    }
    zs__store_u32(&row->swept, 0);
}

/* An idle row keeps a few chunks of each class; the rest go to the pool, a splice per class. */
static void zs__row_strip(zs__allocator *z, zs__row *row, uint32_t keep)
{
    uint32_t w, cls, i, last;
    if (!keep && !row->epoch) zs__row_forget(z, row, 0);
    for (w = 0; w < z->mask_words; w++) {
        uint64_t used = row->used[w];
        for (; used; used &= used - 1) {
            zs__bin_cold *b;
            uint32_t head, tail, count;
            cls = w * 64 + zs__ctz(used);
            b = zs__cold_of(z, zs__bin_at(row, cls));
            if (b->stale_count <= keep) continue;
            head = b->stale, tail = b->stale_tail, count = b->stale_count - keep;
            for (last = 0, i = 0; i < keep; i++) {
                last = head;
                head = z->cold[last - 1].all_next;
            }
            if (last)
                zs__store_u32(&z->cold[last - 1].all_next, 0);
            else
                b->stale = 0;
            b->stale_tail = last;
            b->stale_count = keep;
            zs__compiler_barrier(); /* [FORK-2] */
            zs__chunks_give(z, head, tail, count);
        }
    }
}

static void zs__row_unlink(zs__row **list, zs__row *row)
{
    if (row->prev)
        row->prev->next = row->next;
    else
        *list = row->next;
    if (row->next) row->next->prev = row->prev;
}

static void zs__row_link(zs__row **list, zs__row *row)
{
    row->prev = NULL;
    row->next = *list;
    if (*list) (*list)->prev = row;
    *list = row;
}

#define ZS__ROWS_KEEP 8u /* idle rows of a heap that keep chunks */
#define ZS__ROW_CHUNKS_KEEP 1u

/* A dead epoch's row forgets its chunks and leaves the place's list; 0: a claim is held on it. rows_lock held. `lock`:
   the row's is needed. */
static int zs__row_end(zslab_heap *heap, zs__row *row, int lock, uint32_t *longest)
{
    zs__allocator *z = heap->z;
    zs__place *place = &z->places[row->place];
    int claimed;
    if (lock) zs__row_take(z, row);
    claimed = zs__load_seq_u32(&place->purging) != 0; /* [EPOCH-5] */
    if (!claimed) {
        *longest = zs__row_forget(z, row, !z->shared);
        zs__store_u64(&row->stamp, 0); /* a late hint finds no round that its chunks belong to */
        zs__store_u64(&row->epoch, 0);
        zs__store_u64(&row->gate, 0);
        if (zs__row_at(heap, row->place) == row)
            zs__store_rel_ptr(zs__row_name(heap, row->place), 0); /* release: pairs with zs__row_at */
        zs__row_unlist(place, row);
    }
    if (lock) zs__row_drop(z, row);
    return !claimed;
}

/* A row that is in no place's list becomes idle. By its owner, or under the epoch lock. */
static void zs__row_idle(zslab_heap *heap, zs__row *row, uint32_t longest)
{
    zs__allocator *z = heap->z;
    uint32_t keep = heap->idle_count < ZS__ROWS_KEEP ? ZS__ROW_CHUNKS_KEEP : 0;
    if (longest > keep || !keep) zs__row_strip(z, row, keep);
    if (heap->next_unseen == row) heap->next_unseen = row->next;
    zs__row_unlink(&heap->attached, row);
    heap->attached_count--;
    zs__row_link(&heap->idle, row);
    heap->idle_count++;
    if (heap->row == row) heap->row = NULL;
#if !ZSLAB_NO_TLS
    if (heap->tls) { /* a row that was rewound has slots ready, but no stamp: no fast path may find it */
        zs__tls_block *tls = (zs__tls_block *)heap->tls;
        if (zs__tls_is(tls, z) && tls->row == row) zs__store_ptr(&tls->z, 0);
    }
#endif
}

/* The row of a dead epoch becomes idle, by its owner. 0: a closer holds a claim, later. Who reads the lists of other
   heaps' rows got its claim under the epoch lock: a caller who holds that one needs no row lock. */
static int zs__row_retire(zslab_heap *heap, zs__row *row, int epochs_held)
{
    zs__allocator *z = heap->z;
    zs__place *place = &z->places[row->place];
    const int alone = epochs_held && zs__heap_alone(z);
    uint32_t longest = 0;
    int ended;
    if (!alone) zs__rows_take(place);
    ended = zs__row_end(heap, row, !epochs_held || z->shared, &longest);
    if (!alone) zs__rows_drop(place);
    if (ended) zs__row_idle(heap, row, longest);
    return ended;
}

static inline int zs__row_over(const zs__allocator *z, const zs__row *row) /* its epoch takes no place any more */
{
    const zs__place *place = &z->places[row->place];
    return zs__load_acq_u64(&place->id) != row->epoch ||          /* acquire, both: pair with zs__epoch_open, */
           zs__load_acq_u32(&place->state) == ZSLAB_EPOCH_CLOSED; /* zs__place_end */
}

/* Rows of a place's dead epochs whose owner will not pass by: parked heaps' and the shared one's. What a claim keeps is
   seen to by who ends it, or when the place serves again. Epoch lock held. */
static void zs__rows_end(zs__allocator *z, zs__place *place)
{
    zs__row *row, *next, *ended = NULL;
    uint32_t longest = 0, most = 0;
    place->left = 0;
    zs__rows_take(place);
    for (row = zs__rows_first(place); row; row = next) {
        next = zs__row_beside(row);
        if (!(z->shared || row->heap->is_parked) || !zs__row_over(z, row)) continue;
        if (zs__row_end(row->heap, row, z->shared != 0, &longest)) {
            row->beside_prev = ended;
            ended = row;
            most = longest > most ? longest : most;
        } else {
            place->left = 1;
        }
    }
    zs__rows_drop(place);
    for (; ended; ended = next) {
        next = ended->beside_prev;
        zs__row_idle(ended->heap, ended, most);
    }
}

/* Metadata, charged to a round (0: to none) as far as it is written at once; a heap and a row begin a page, since their
   first few KiB are all that a first object needs. NULL with the reason. */
static void *zs__meta_take(zs__allocator *z, uint64_t stamp, size_t bytes, size_t charged, zslab_result *why)
{
    void *p;
    if (zs__charge_take(z, stamp, 0, 0, charged)) {
        *why = ZSLAB_E_LIMIT;
        return NULL;
    }
    zs__arena_take(z);
    p = zs__meta_alloc(z, bytes, bytes < ZS__META_PAGE || z->config.memory ? 64 : ZS__META_PAGE);
    zs__arena_drop(z);
    if (!p) {
        zs__aside_give(z, stamp, charged);
        zs__budget_give(z, 0, charged);
        *why = ZSLAB_E_NOMEM;
    }
    return p;
}

/* A row never used, for a round: bins point at their magazines, all empty. NULL with the reason. */
static zs__row *zs__row_new(zslab_heap *heap, uint64_t stamp, zslab_result *why)
{
    zs__allocator *z = heap->z;
    zs__row *row = (zs__row *)zs__meta_take(z, stamp, z->row_bytes, z->magazine_offset, why);
    uint32_t cls;
    zs__entry *entries;
    if (!row) return NULL;
    row->z = z;
    row->heap = heap;
    entries = (zs__entry *)(void *)((char *)row + z->magazine_offset);
    (zs__bin_at(row, 0) - 1)->cls = z->class_count;
    for (cls = 0; cls < z->class_count; cls++) {
        zs__bin *bin = zs__bin_at(row, cls);
        bin->top = bin->bottom = bin->limit = entries;
        bin->cls = cls;
        bin->size = z->classes[cls].size;
        zs__cold_of(z, bin)->partial = 0; /* no page of it is touched later for the first time, when it was reserved */
        if (!z->shared) bin->limit = entries += zs__magazine_entries(&z->config, z->classes[cls].size);
    }
    row->made = heap->made;
    zs__store_rel_ptr((uintptr_t *)(void *)&heap->made, (uintptr_t)row); /* with zs__stats_counters, zs__heaps_take */
    return row;
}

/* The row, made ready for a round of its epoch, serves it from here on. 0: closed, released or reset meanwhile. */
static int zs__row_serve(zs__allocator *z, zs__row *row, zslab_epoch e, int attach) /* [EPOCH-2] */
{
    zs__place *place = &z->places[row->place];
    int open;
    zs__rows_take(place);
    open = zs__load_u64(&place->id) == e && zs__load_u32(&place->state) == ZSLAB_EPOCH_ACTIVE &&
           zs__load_u64(&zs__round_of(z, e)->word) == zs__load_u64(&row->stamp);
    if (open) {
        zs__store_u32(&row->acked, 0);
        zs__store_u64(&row->epoch, e);
        zs__store_u64(&row->gate, z->no_membarrier ? 0 : e);
        if (attach && zs__rows_of(zs__rows_first(place), e)) /* not the first thread there */
            zs__place_used(place);
        if (attach) zs__row_list(place, row);
    }
    zs__rows_drop(place);
    return open;
}

/* The block that names the row of a place, made if it is not there. 0: it is; else *why says why not. */
static int zs__row_block(zslab_heap *heap, uint32_t place, zslab_result *why)
{
    zs__allocator *z = heap->z;
    uint64_t stamp = zs__load_u64(&zs__round_of(z, place)->word);
    const size_t bytes = zs__block_bytes(z->epoch_count);
    void *block;
    if (zs__row_name(heap, place)) return 0;
    block = zs__meta_take(z, stamp, bytes, bytes, why);
    if (block) /* release: pairs with zs__row_name */
        zs__store_rel_ptr(&heap->row_blocks[place / ZS__ROW_BLOCK], (uintptr_t)block);
    return !block;
}

/* All of them, so that a row in an epoch takes nothing beside it. */
static zslab_result zs__row_blocks(zslab_heap *heap)
{
    zslab_result why = ZSLAB_OK;
    uint32_t q;
    for (q = 0; q < heap->z->epoch_count && !zs__row_block(heap, q, &why); q += ZS__ROW_BLOCK)
        ;
    return why;
}

/* Give the heap a row for a live epoch. NULL: memory is out, or the epoch has changed. */
static zs__row *zs__row_attach(zslab_heap *heap, zslab_epoch e, zslab_result *why)
{
    zs__allocator *z = heap->z;
    uint32_t q = (uint32_t)(e & ZS__PLACE_MASK);
    zs__row *row = zs__row_at(heap, q);
    if (!row && zs__row_block(heap, q, why)) return NULL;
    if (row && !zs__row_retire(heap, row, 0)) /* of an epoch that had the place before; under a claim it waits aside */
        heap->seen_events--;
    row = heap->idle;
    if (row) {
        zs__row_unlink(&heap->idle, row);
        heap->idle_count--;
    } else if (!(row = zs__row_new(heap, zs__load_u64(&zs__round_of(z, q)->word), why))) {
        return NULL;
    }
    if (row->owner != heap->thread)
        zs__store_u32(&row->owner, heap->thread); /* relaxed: only equality with oneself counts */
    zs__store_u32(&row->place, q);                /* relaxed: statistics may look [STATS-1] */
    zs__store_u64(&row->stamp, zs__load_u64(&zs__round_of(z, q)->word));
    zs__row_wake(z, row);
    if (!zs__row_serve(z, row, e, 1)) {
        zs__store_u64(&row->stamp, 0);
        zs__row_link(&heap->idle, row);
        heap->idle_count++;
        return NULL;
    }
    zs__row_link(&heap->attached, row);
    heap->attached_count++;
    zs__store_rel_ptr(zs__row_name(heap, q), (uintptr_t)row); /* release: pairs with zs__row_at */
    return row;
}

/* A reset shut the gate: the row starts its epoch's new round. Its chunks are dead, by the owner or nobody. NULL: the
   epoch has changed, or *why is ZSLAB_E_BUSY: under a claim the row keeps its lists. */
static zs__row *zs__row_renew(zslab_heap *heap, zs__row *row, zslab_result *why)
{
    zs__allocator *z = heap->z;
    uint64_t round = zs__load_acq_u64(&zs__round_of(z, row->place)->word); /* pairs with zs__epoch_apply */
    if (row->stamp != round) {
        zs__row_take(z, row);
        if (zs__load_seq_u32(&z->places[row->place].purging)) { /* [EPOCH-5] */
            zs__row_drop(z, row);
            *why = ZSLAB_E_BUSY;
            return NULL;
        }
        zs__row_forget(z, row, !z->shared);
        zs__store_u64(&row->stamp, round);
        zs__row_wake(z, row);
        zs__row_drop(z, row);
    }
    if (z->no_membarrier || zs__row_serve(z, row, row->epoch, 0)) return row;
    zs__store_rel_u32(&row->acked, 1); /* release: as in zs__heap_housekeep */
    return NULL;
}

/* The heap's open row for an epoch, made when there is none; NULL with the reason. ZSLAB_E_BUSY: a call resets the
   epoch at this moment, and may be purging the row's chunks. */
static zs__row *zs__row_try(zslab_heap *heap, zslab_epoch e, zslab_result *why)
{
    for (;;) {
        zs__row *row = zs__row_at(heap, (uint32_t)(e & ZS__PLACE_MASK));
        zs__place *place;
        if (row && row->epoch == e && zs__load_u64(&row->gate) == e) return row;
        place = zs__place_find(heap->z, e);
        *why = ZSLAB_E_CLOSED;
        if (!place || zs__load_acq_u32(&place->state) != ZSLAB_EPOCH_ACTIVE) /* pairs with zs__epoch_apply */
            return NULL;
        row = row && row->epoch == e ? zs__row_renew(heap, row, why) : zs__row_attach(heap, e, why);
        if (row || *why != ZSLAB_E_CLOSED) return row;
    }
}

static void zs__purge_wait(const zs__allocator *z, zslab_epoch e, int turn) /* for claims on a place, under no lock */
{
    uint32_t *word = &z->places[e & ZS__PLACE_MASK].purging, claims = zs__load_u32(word);
    zs__rank_none();
    if (claims) /* relaxed: who asked again acquires */
        zs__wait_long(word, claims, turn);
}

/* As zs__row_try, but for claims, which it waits for. */
static zs__row *zs__row_for(zslab_heap *heap, zslab_epoch e, zslab_result *why)
{
    zs__row *row;
    int turn = 0;
    *why = ZSLAB_E_CLOSED;
    if (!e || (e & ZS__PLACE_MASK) >= heap->z->epoch_count) return NULL;
    while ((row = zs__row_try(heap, e, why)) == NULL && *why == ZSLAB_E_BUSY &&
           !(zs__sealed(heap->z) && turn > ZS__SEALED_SPINS))
        zs__purge_wait(heap->z, e, turn++);
    return row;
}

/* ---- >>purge ---------------------------------------------------------------
   Pages back to the system: claims, runs of empty pages, what a close, a release, a draining free and a trim give back.
   [EPOCH-3] to [EPOCH-5] say why this needs no lock of those who allocate. */

static void zs__purge_begin(zs__place *place) /* [EPOCH-4] */
{
    zs__add_u32(&place->purging, 1);
    zs__fence_seq(); /* pairs with the owner's fence in zs__chunk_bind */
}

static void zs__purge_end(zs__place *place)
{
    zs__sub_u32(&place->purging, 1); /* release: the purge before it. Pairs with loads of purging */
}

/* After a claim by an asymmetric fence: pass every row's lock once, so that its owner's last change is done; and the
   list's first, so that it stands. [EPOCH-5] */
static void zs__lists_settle(zs__place *place)
{
    zs__row *row;
    zs__rows_take(place);
    row = zs__rows_first(place);
    zs__rows_drop(place);
    for (; row; row = zs__row_beside(row)) {
        zs__ranked_take(zs__as_lock(&row->lock), ZS__LOCK_ROW);
        zs__ranked_drop(zs__as_lock(&row->lock), ZS__LOCK_ROW);
    }
}

/* One closer or trim at a time, in the order in which they come. A caller says that it stands in the line before it
   draws a number, and until it is done: a handler that interrupts it must not draw the next one [SHARED-5]. */
static void zs__closing_take(zs__allocator *z)
{
    uint32_t mine, now, i, was;
    int turn;
    zs__rank_take(ZS__LOCK_CLOSE, 1);
    for (turn = 0, i = 0, was = 0; !zs__cas_u32(&z->close_line[i], &was, zs__here()); turn++, was = 0)
        if ((i = (i + 1) % ZS__CLOSERS) == 0) /* the word orders nothing: a handler on this thread reads it */
            zs__wait_long(&z->close_line[0], zs__load_u32(&z->close_line[0]), turn);
    mine = zs__add_u32(&z->close_next, 1);
    for (turn = 0; (now = zs__load_acq_u32(&z->close_turn)) != mine; turn++) /* acquire: pairs with zs__closing_drop */
        zs__wait_long(&z->close_turn, now, turn);
    zs__store_u32(&z->close_here, zs__here());
}

static void zs__closing_drop(zs__allocator *z)
{
    uint32_t i = 0;
    zs__rank_drop(ZS__LOCK_CLOSE);
    zs__store_u32(&z->close_here, 0);
    zs__store_rel_u32(&z->close_turn, z->close_turn + 1); /* release: pairs with zs__closing_take */
    while (zs__load_u32(&z->close_line[i]) != zs__here()) /* relaxed: what this thread stored, it sees */
        i++;
    zs__store_u32(&z->close_line[i], 0); /* relaxed: after the turn has passed on, and no others wait for more */
}

/* Runs of empty pages, merged while they touch. */
typedef struct zs__runs {
    char *from, *to; /* the run being grown */
} zs__runs;

static void zs__run_flush(zs__allocator *z, zs__runs *runs) /* whole pages only */
{
    uintptr_t from = zs__round_up((uintptr_t)runs->from, z->page_bytes);
    uintptr_t to = (uintptr_t)runs->to & ~(uintptr_t)(z->page_bytes - 1);
    if (to > from) zs__purge_pages(z, (char *)from, to - from);
    runs->from = runs->to = NULL;
}

static void zs__run_add(zs__allocator *z, zs__runs *runs, char *from, char *to)
{
    if (from == runs->to)
        runs->to = to;
    else if (to == runs->from)
        runs->from = from;
    else {
        zs__run_flush(z, runs);
        runs->from = from;
        runs->to = to;
    }
}

/* At least so many bytes of the chunk are back with the system. [ARENA-2] */
static size_t zs__purged(zs__allocator *z, zs__chunk_cold *x, size_t bytes) /* how many more than before */
{
    uint32_t was = zs__load_u32(&x->purged_bytes);
    do {
        if (bytes <= was || zs__sealed(z)) return 0;
    } while (!zs__cas_u32(&x->purged_bytes, &was, (uint32_t)bytes)); /* a counter: ordered with nothing */
    if (!(zs__load_u8(&x->touched) & ZS__CHUNK_LOOSE))               /* of the pool: nobody's */
        zs__uncharge(z, zs__load_u64(&z->chunks[x - z->cold].stamp), bytes - was);
    zs__budget_give(z, bytes - was, 0);
    if (bytes == ZS__CHUNK_BYTES) zs__cached(z, x, 0);
    return bytes - was;
}

/* A draining chunk without live slots: counted once, by the first to exchange. The last one ends the epoch. */
static int zs__chunk_drained(zs__allocator *z, zs__place *place, zs__chunk_cold *x)
{
    if (!z->shared && zs__exchange_u8(&x->drained, 1)) return 0;
    zs__purged(z, x, ZS__CHUNK_BYTES);
    if (z->shared) return 1; /* chunks keep their bins there; the thread that empties one looks at the whole place */
    return zs__sub_u32(&place->draining, 1) == 1; /* acq_rel: all scans before the last. Pairs with zs__place_try_end */
}

/* ---- >>sweep ---------------------------------------------------------------
   What a purge gives back of an epoch or of the pool: runs of object pages, and the metadata that served them alone. */

typedef struct zs__sweep {
    zs__runs pages;
    uint32_t from, to; /* neighbours, all of whose metadata no other thread uses: see zs__sweep_lines */
    zs__place *place;
    uint64_t stamp;           /* of the chunks meant */
    int dead;                 /* their round is over: every page goes, live or not */
    uint32_t lowest, highest; /* chunks marked */
    size_t count, bytes;      /* chunks; bytes given back */
} zs__sweep;

static int zs__sweep_mark(zs__allocator *z, uint32_t chunk, void *user)
{
    zs__sweep *s = (zs__sweep *)user;
    z->cold[chunk].mark = 1;
    if (!s->count++ || chunk < s->lowest) s->lowest = chunk;
    if (chunk > s->highest) s->highest = chunk;
    return 0;
}

/* What zs__dead_settled took of a chunk without a live slot, given back: one is in transit, and its epoch ends when all
   are home. */
static void zs__settle_undo(zs__allocator *z, uint32_t chunk)
{
    uint32_t i, first = zs__chunk_slab(z, &z->chunks[chunk]);
    for (i = 0; i < zs__load_u32(&z->cold[chunk].carved); i++) {
        uint64_t ours = zs__slab_in_state(z, first + i, ZS__REMOTE), left;
        for (left = ours; left; left &= left - 1)
            zs__store_u8(z->states + (size_t)(first + i) * 64 + zs__ctz(left), ZS__FREE);
        zs__or_u64(&z->words[first + i], ours); /* release: the states before. Pairs with claims and zs__slab_live */
    }
}

/* Where the whole pages of a run's lines end, which end there; behind the head's last chunk there is nobody else's. */
static uintptr_t zs__sweep_high(const zs__allocator *z, uint32_t chunk, uintptr_t end)
{
    const int whole = chunk == ZS__HEAD_CHUNKS && chunk < z->chunk_count && !z->config.memory;
    return (whole ? end + z->page_bytes - 1 : end) & ~(uintptr_t)(z->page_bytes - 1);
}

/* Give back what the run's chunks used of a region's lines, `bytes` each. Pages that it shares with chunks outside the
   run stay. `last`: a chunk that serves another region by now, and of which nothing is left here, leaves this one. */
static void zs__sweep_area(zs__allocator *z, const zs__sweep *s, uint32_t region, char *area, size_t bytes, int last)
{
    size_t page = z->page_bytes, unit = bytes * z->regions[region].lines;
    uintptr_t at = (uintptr_t)area + bytes * zs__region_slab(&z->regions[region], s->from), from, to;
    uintptr_t low = zs__round_up(at, page), high = zs__sweep_high(z, s->to, at + (s->to - s->from) * unit);
    zs__runs used = {NULL, NULL};
    uint32_t chunk;
    for (chunk = s->from; low < high && chunk < s->to; chunk++) {
        uint64_t *served = &z->cold[chunk].regions; /* relaxed: no other thread writes it now */
        if (!(zs__load_u64(served) >> region & 1)) continue;
        from = at + (chunk - s->from) * unit;
        to = from + unit;
        if (last && from >= low && to <= high) {
            if (region == zs__chunk_class(z, &z->chunks[chunk])->region)
                zs__store_u8(&z->cold[chunk].swept, ZS__SWEPT_WHOLE);
            zs__store_u64(served, zs__load_u64(served) & ~((uint64_t)1 << region));
            zs__aside_give(z, zs__load_u64(&z->chunks[chunk].stamp), zs__lines_bytes(z, region));
            zs__budget_give(z, 0, zs__lines_bytes(z, region));
        }
        from &= ~(uintptr_t)(page - 1);
        to = zs__round_up(to, page);
        from = from < low ? low : from < (uintptr_t)used.to ? (uintptr_t)used.to : from; /* the last one's page */
        to = to > high ? high : to;
        if (from < to) zs__run_add(z, &used, (char *)from, (char *)to);
    }
    zs__run_flush(z, &used);
}

/* Queue hints of the run: a page goes when none of its slabs is in an inbox, or can come there. The flags are taken
   first, and go with the page. [HINT-1] Lines are committed in the order of chunks: past the last chunk that served the
   region there may be none. */
static ZS__NOINLINE void zs__sweep_hints(zs__allocator *z, const zs__sweep *s, uint32_t region)
{
    size_t page = z->page_bytes, unit = sizeof *z->hints * z->regions[region].lines, n = page / sizeof *z->hints;
    uintptr_t at = (uintptr_t)(z->hints + zs__region_slab(&z->regions[region], s->from));
    uintptr_t low = zs__round_up(at, page), high;
    uint32_t to = s->to;
    while (to > s->from && !(zs__load_u64(&z->cold[to - 1].regions) >> region & 1)) /* relaxed: as in zs__sweep_area */
        to--;
    high = zs__sweep_high(z, to, at + (to - s->from) * unit);
    for (; low < high; low += page) {
        size_t slab = (size_t)((zs__hint *)low - z->hints), i, used = 0;
        for (i = 0; i < n; i++) { /* relaxed, all: a look; most pages were never written */
            if (zs__slab_id(z, (uint32_t)(slab + i))) break;
            used += zs__load_u32(&z->hints[slab + i].next) || zs__load_u8(&z->hints[slab + i].queued);
        }
        if (i < n || !used) continue;
        for (i = 0; i < n && !zs__exchange_u8(&z->hints[slab + i].queued, 1); i++) /* pairs with zs__inbox_push */
            ;
        if (i < n || !zs__purge_pages(z, (char *)low, page))
            while (i--) zs__exchange_u8(&z->hints[slab + i].queued, 0);
    }
}

/* Zero is the free state and the empty word, so whole pages of metadata may go: of every region that a chunk of the run
   has served, since chunks of several classes lie in turn and few fill a page alone. */
static void zs__sweep_lines(zs__allocator *z, zs__sweep *s)
{
    uint64_t served = 0;
    uint32_t chunk;
    for (chunk = s->from; chunk < s->to; chunk++) served |= zs__load_u64(&z->cold[chunk].regions);
    for (; served; served &= served - 1) {
        uint32_t region = zs__ctz(served);
        zs__sweep_area(z, s, region, (char *)z->states, 64, 0);
#if ZSLAB_TAGS
        zs__sweep_area(z, s, region, (char *)z->tags, ZS__TAG_BYTES, 0);
#endif
        if (!z->config.memory) /* a buffer's pages keep what they hold */
            zs__sweep_hints(z, s, region);
        zs__sweep_area(z, s, region, (char *)z->words, sizeof *z->words, 1); /* most chunks to a page */
    }
    s->from = s->to = 0;
}

/* A chunk without live slots, which no owner takes meanwhile: its metadata may go with its neighbours'. */
static void zs__sweep_metadata(zs__allocator *z, zs__sweep *s, uint32_t chunk)
{
    const zs__chunk *c = &z->chunks[chunk];
    size_t lines = z->regions[zs__chunk_class(z, c)->region].lines, slab = zs__chunk_slab(z, c), i;
    const uint32_t *ids = &z->cold[chunk].ids;                        /* relaxed: as in zs__chunk_at_rest */
    if (s->dead && zs__load_u32(ids) && !zs__chunk_at_rest(z, chunk)) /* [ID-7]; a plain one lent gets late stores */
        return;
    if (z->shared && zs__load_u32(&z->cold[chunk].carved)) { /* a zero word means held there: nothing counts any more */
        if (!zs__dead_settled(z, chunk)) {
            if (!s->dead) zs__settle_undo(z, chunk);
            return;
        }
        for (i = 0; i < lines; i++) zs__states_clear(z->states + (slab + i) * 64);
        zs__store_u32(&z->cold[chunk].carved, 0);
    }
    if (z->id_pages && zs__load_u32(ids)) {
        zs__arena_take(z);
        zs__ids_leave(z, chunk, 0);
        zs__arena_drop(z);
    }
    zs__store_u8(&z->cold[chunk].swept, 1);
    if (chunk != s->to || chunk == ZS__HEAD_CHUNKS) { /* the lines of a run are neighbours */
        zs__sweep_lines(z, s);
        s->from = chunk;
    }
    s->to = chunk + 1;
}

/* A page of spare ids becomes blank, if what begins beyond its generations has some left. Arena lock held. */
static int zs__id_page_clear(zs__allocator *z, uint32_t page)
{
    uint32_t first = page * zs__id_page_ids(z), id, i;
    zs__id_page *g = &z->id_pages[page];
    for (id = first, g->word = 0; id < first + zs__id_page_ids(z); id++) {
        const uint32_t *words = zs__id_words(z, id);
        for (i = 0; i < 64; i++)
            if (zs__load_u32(words + i) >> 8 > g->word) g->word = zs__load_u32(words + i) >> 8;
    }
    if (z->first_part + g->word + 2 >= ZS__GENERATION_END) return 0;
    for (id = first; id < first + zs__id_page_ids(z); id++) {
        zs__id_unlink(z, id);
        zs__aside_give(z, zs__load_u64(&zs__round_at(z, zs__id_at(z, id)->round)->word), ZS__ID_BYTES);
    }
    return 1;
}

/* Pages of entries whose ids are all spare, and their words, go back to the system. [ID-5] */
static void zs__sweep_ids(zs__allocator *z)
{
    uint32_t page, next, blank = 0, ids = zs__id_page_ids(z);
    zs__runs entries = {NULL, NULL}, words = {NULL, NULL};
    zs__arena_take(z);
    for (page = z->spare_pages, z->spare_pages = 0; page; page = next) {
        next = z->id_pages[page - 1].next;
        z->id_pages[page - 1].state = ZS__PAGE_USED;
        if (z->id_pages[page - 1].spare == ids && zs__id_page_clear(z, page - 1))
            zs__id_page_list(z, &blank, page - 1, ZS__PAGE_BLANK);
    }
    zs__arena_drop(z);
    for (page = blank; page; page = z->id_pages[page - 1].next) {
        char *e = (char *)zs__id_at(z, (size_t)(page - 1) * ids);
        char *w = (char *)zs__id_words(z, (size_t)(page - 1) * ids);
        zs__run_add(z, &entries, e, e + ids * sizeof(zs__id));
        zs__run_add(z, &words, w, w + ids * (size_t)256);
    }
    zs__run_flush(z, &entries);
    zs__run_flush(z, &words);
    for (page = blank; page; page = next) {
        next = z->id_pages[page - 1].next;
        zs__arena_take(z);
        zs__id_page_list(z, &z->blank_pages, page - 1, ZS__PAGE_BLANK);
        zs__store_u32(&z->blank_ids, z->blank_ids + ids);
        zs__budget_give(z, 0, ids * ZS__ID_BYTES);
        zs__arena_drop(z);
    }
}

static void zs__sweep_chunk(zs__allocator *z, zs__sweep *s, uint32_t chunk)
{
    const zs__chunk *c = &z->chunks[chunk];
    const zs__class *k = zs__chunk_class(z, c);
    char *base = zs__chunk_base(z, chunk);
    size_t page = z->page_bytes, at, gone = 0;
    if (zs__load_u64(&c->stamp) != s->stamp) /* [EPOCH-4] its owner was here first */
        return;
    if (!s->dead && !z->shared && zs__load_ptr(&c->row) != (uintptr_t)&z->drain_row)
        return; /* bound by an owner that then met the shut gate: it never handed a slot out, nobody counted it */
    if (s->dead || !zs__chunk_live(z, chunk, NULL)) {
        zs__run_add(z, &s->pages, base, base + ZS__CHUNK_BYTES);
        zs__sweep_metadata(z, s, chunk);
        s->bytes += zs__purged(z, &z->cold[chunk], ZS__CHUNK_BYTES);
        if (!s->dead) zs__chunk_drained(z, s->place, &z->cold[chunk]);
        return;
    }
    for (at = 0; page < ZS__CHUNK_BYTES && at < ZS__CHUNK_BYTES; at += page) {
        uint32_t to = (uint32_t)((at + page - 1) / k->size) + 1;
        if (!zs__slots_live(z, chunk, (uint32_t)(at / k->size), to > k->slots ? k->slots : to)) {
            zs__run_add(z, &s->pages, base + at, base + at + page);
            gone += page;
        }
    }
    s->bytes += zs__purged(z, &z->cold[chunk], gone);
}

static void zs__sweep_flush(zs__allocator *z, zs__sweep *s)
{
    zs__run_flush(z, &s->pages);
    zs__sweep_lines(z, s);
    if (z->id_pages) zs__sweep_ids(z);
}

/* What waits to go home to a heap in rounds that are over waits no more: the owner may sleep, and these hints keep
   their pages. The rest goes back to the inbox in one piece. */
static void zs__hints_drop(zs__allocator *z, zslab_heap *heap)
{
    uint32_t turn, slab, next, kept = 0, tail = 0, head;
    for (turn = 0; turn < 2; turn++) /* acq_rel: pair with zs__inbox_push and zs__inbox_drain */
        for (slab = zs__exchange_u32(turn ? &heap->todo : &heap->inbox, 0); slab; slab = next) {
            const zs__chunk *c = &z->chunks[zs__slab_chunk(z, slab - 1)];
            uint64_t stamp = zs__load_u64(&c->stamp);
            next = zs__load_u32(&z->hints[slab - 1].next);
            if (zs__load_ptr(&c->row) == (uintptr_t)&z->drain_row ||
                stamp != zs__load_u64(&zs__round_at(z, stamp)->word)) {
                zs__exchange_u8(&z->hints[slab - 1].queued, 0); /* as in zs__inbox_drain; binding clears the states */
                continue;
            }
            zs__store_u32(&z->hints[slab - 1].next, kept);
            tail = kept ? tail : slab;
            kept = slab;
        }
    head = zs__load_u32(&heap->inbox);
    if (kept) do
            zs__store_u32(&z->hints[tail - 1].next, head);
        while (!zs__cas_u32(&heap->inbox, &head, kept)); /* release: as in zs__inbox_push */
}

/* Give back the empty pages of an epoch's chunks, in address order so that runs merge. Under a claim and the
   close lock. */
static size_t zs__sweep_epoch(zs__allocator *z, zslab_epoch e, uint64_t stamp, int dead)
{
    zs__sweep s;
    uint32_t chunk;
    zs__row *row = zs__rows_of(zs__rows_first(&z->places[e & ZS__PLACE_MASK]), e);
    for (; row; row = zs__rows_of(zs__row_beside(row), e)) {
        zs__store_u32(&row->swept, 1); /* relaxed: its owner reads it once the claim is gone [EPOCH-5] */
        if (!z->shared) zs__hints_drop(z, row->heap);
    }
    zs__zero(&s, sizeof s);
    s.place = &z->places[e & ZS__PLACE_MASK];
    s.stamp = stamp;
    s.dead = dead;
    zs__epoch_each(z, e, zs__sweep_mark, &s);
    for (chunk = s.lowest; s.count && chunk <= s.highest; chunk++)
        if (z->cold[chunk].mark) {
            z->cold[chunk].mark = 0;
            zs__sweep_chunk(z, &s, chunk);
        }
    zs__sweep_flush(z, &s);
    return s.bytes;
}

static int zs__chunk_clean(const zs__chunk_cold *x) /* of the pool */
{
    return zs__load_u32(&x->purged_bytes) == ZS__CHUNK_BYTES && !zs__load_u32(&x->carved);
}

/* Purge the pool down to `keep` resident bytes, runs of neighbours together, and the metadata that goes with them.
   The chunks are out of the pool, and so no other thread's, while their pages go. */
static size_t zs__chunks_trim(zs__allocator *z, size_t keep)
{
    zs__sweep s;
    uint32_t chunk, list, tail, count = 0, worn = 0;
    size_t kept = 0;
    zs__zero(&s, sizeof s);
    s.dead = 1;
    zs__closing_take(z); /* marks */
    zs__arena_take(z);
    kept = z->span_idle;                                            /* free spans are of the same cache */
    for (list = z->pool; list; list = z->cold[list - 1].all_next) { /* the hottest are kept */
        int clean = zs__chunk_clean(&z->cold[list - 1]);
        if (zs__load_u32(&z->cold[list - 1].lent)) /* relaxed: as in zs__chunk_bind */
            continue;
        if (!clean && kept + ZS__CHUNK_BYTES <= keep) {
            kept += ZS__CHUNK_BYTES;
        } else { /* clean ones too: between others they let a page of metadata go */
            worn += !clean;
            zs__sweep_mark(z, list - 1, &s);
        }
    }
    list = worn ? z->pool : 0;
    if (list) {
        z->pool = 0;
        z->pool_count = 0;
        zs__store_u32(&z->pool_out, 1); /* relaxed: under the lock. An allocation that needs them waits */
    }
    zs__arena_drop(z);
    for (chunk = s.lowest; s.count && chunk <= s.highest; chunk++)
        if (z->cold[chunk].mark) {
            zs__chunk_cold *x = &z->cold[chunk];
            x->mark = 0;
            if (!worn || !zs__chunk_at_rest(z, chunk)) continue;
            if (!zs__chunk_clean(x))
                zs__run_add(z, &s.pages, zs__chunk_base(z, chunk), zs__chunk_base(z, chunk) + ZS__CHUNK_BYTES);
            if (!z->shared) zs__chunk_clear(z, chunk); /* [META-1] where a page stays because it is shared */
            zs__sweep_metadata(z, &s, chunk);
            if (ZS__CHUNK_BYTES >= z->page_bytes) {
                s.bytes += zs__purged(z, x, ZS__CHUNK_BYTES);
            }
        }
    zs__sweep_flush(z, &s);
    for (tail = list; list && (count++, z->cold[tail - 1].all_next); tail = z->cold[tail - 1].all_next)
        ;
    if (list) {
        zs__chunks_give(z, list, tail, count);
        zs__store_rel_u32(&z->pool_out, 0); /* release: the pool. Pairs with the lock of who tries again */
    }
    zs__closing_drop(z);
    return s.bytes;
}

static size_t zs__large_trim(zs__allocator *z, size_t keep);
static int zs__large_strip(zs__allocator *z);

/* Before a refusal: what is set aside for large objects is free. 0: nothing is. No lock held. */
static int zs__large_unreserve(zs__allocator *z)
{
    int any;
    zs__arena_take(z);
    any = zs__spans_unreserve(z);
    zs__arena_drop(z);
    return any;
}

/* All that is empty goes back: the pool's chunks and free spans. */
static size_t zs__empty_trim(zs__allocator *z)
{
    size_t given = zs__chunks_trim(z, 0);
    return given + zs__large_trim(z, 0);
}

/* Every object of the epoch is about to be stale: a memory checker hears of it. Under a checker only does a release
   take a claim without purging, and time by the chunk. Epoch lock held. [MEM-3] */
static void zs__epoch_tell(zs__allocator *z, zs__place *place, zslab_epoch e)
{
    uint64_t stamp;
    uint32_t chunk, count;
    if (!ZS__MEMCHECK) return;
    stamp = zs__load_u64(&zs__round_of(z, e)->word);
    zs__add_u32(&place->purging, 1);
    zs__fence_all(z); /* [EPOCH-4] */
    zs__lists_settle(place);
    zs__arena_take(z);
    count = z->fresh_chunk;
    zs__arena_drop(z);
    for (chunk = 0; chunk < count; chunk++)
        if (zs__load_u64(&z->chunks[chunk].stamp) == stamp)
            zs__mem_clear(zs__chunk_base(z, chunk), zs__chunk_base(z, chunk),
                          zs__load_u16(&z->chunks[chunk].cls) == ZSLAB_CLASS_LARGE ? (size_t)z->cold[chunk].mask[0]
                                                                                   : ZS__CHUNK_BYTES);
    zs__purge_end(place);
}

static int zs__chunk_drains(zs__allocator *z, uint32_t chunk, void *user) /* [EPOCH-3] */
{
    zs__sweep *s = (zs__sweep *)user;
    if (zs__load_u64(&z->chunks[chunk].stamp) != s->stamp) /* of a round that a reset ended: nothing to wait for */
        return 0;
    zs__store_ptr(&z->chunks[chunk].row, (uintptr_t)&z->drain_row);
    zs__add_u32(&s->place->draining, 1);
    return 0;
}

/* Give an ended, closing or reset epoch's pages back. The caller holds a claim on the place, and no lock. */
static void zs__epoch_purge(zs__allocator *z, zs__place *place, zslab_epoch e, uint64_t stamp, int drain, int dead)
{
    zs__sweep s;
    zs__closing_take(z);
    zs__store_u64(&place->rss_before_close, zs__os_rss()); /* a figure: ordered with nothing */
    zs__fence_all(z);                                      /* [EPOCH-1]; also makes the claim visible [EPOCH-4] */
    zs__lists_settle(place);
    if (drain) {
        zs__zero(&s, sizeof s);
        s.place = place;
        s.stamp = stamp;
        zs__epoch_each(z, e, zs__chunk_drains, &s);
        zs__fence_all(z); /* [EPOCH-3] */
        zs__arena_take(z);
        zs__large_unkeep(z, place, 1);
        zs__arena_drop(z);
    }
    zs__sweep_epoch(z, e, stamp, dead);
    zs__store_u64(&place->rss_after_close, zs__os_rss());
    zs__closing_drop(z);
}

/* A claim ends, which kept rows without an owner from being retired. Epoch lock held. */
static void zs__purge_end_rows(zs__allocator *z, zs__place *place)
{
    zs__purge_end(place);
    if (place->left) zs__rows_end(z, place);
}

/* A slot of a closing epoch's chunk was freed: its pages, then the chunk, may have lost their last object. Who sees
   that purges; the fence of the claim lets one of the last two frees of a page see both. */
static int zs__drain_look(zs__allocator *z, zs__place *place, const zs__chunk *c, uint32_t slot, uint64_t stamp)
{
    uint32_t chunk = (uint32_t)(c - z->chunks);
    const zs__class *k;
    size_t page = z->page_bytes, at, end;
    int any = page >= ZS__CHUNK_BYTES, last = 0;
    zs__purge_begin(place);
    if (zs__load_u64(&c->stamp) == stamp) { /* [EPOCH-4] */
        k = zs__chunk_class(z, c);
        at = (size_t)slot * k->size / page * page;
        end = ((size_t)slot + 1) * k->size;
        for (; page < ZS__CHUNK_BYTES && at < end; at += page) {
            uint32_t to = (uint32_t)((at + page - 1) / k->size) + 1;
            if (!zs__slots_live(z, chunk, (uint32_t)(at / k->size), to > k->slots ? k->slots : to)) {
                zs__purge_pages(z, zs__chunk_base(z, chunk) + at, page);
                any = 1;
            }
        }
        if (any && !zs__chunk_live(z, chunk, NULL)) {
            if (page == ZS__CHUNK_BYTES) zs__purge_pages(z, zs__chunk_base(z, chunk), page);
            last = zs__chunk_drained(z, place, &z->cold[chunk]);
        }
    }
    zs__purge_end(place);
    return last;
}

static void zs__place_last(zs__allocator *z, zs__place *place)
{
    zs__epochs_take(z);
    zs__place_try_end(z, place, 0);
    zs__epochs_drop(z);
}

/* The state is stored already; the stamp was loaded before that, while the object still held the chunk. */
static zslab_result zs__drain_free(zs__allocator *z, const zs__chunk *c, uint32_t slot, uint64_t stamp)
{
    zs__place *place = &z->places[zs__stamp_place(stamp)];
    if (zs__drain_look(z, place, c, slot, stamp)) zs__place_last(z, place);
    return ZSLAB_OK;
}

/* Shared mode, RSS policy: after a free. No lock: this may be a signal handler that interrupted a holder. That the
   place has drained is found by the next epoch call. */
static void zs__shared_drain(zs__allocator *z, const zs__chunk *c, uint32_t slot, uint64_t stamp)
{
    zs__place *place = &z->places[zs__stamp_place(stamp)];
    if (zs__load_acq_u32(&place->state) == ZSLAB_EPOCH_CLOSING) /* acquire: pairs with zs__epoch_apply */
        zs__drain_look(z, place, c, slot, stamp);
}
/* ---- >>remote --------------------------------------------------------------
   Frees from other threads. The freeing heap stores the state and remembers the slab, one per class; turning to
   another slab it tells the owner: the slab goes on the owner's inbox, a push-only stack that is taken whole, so
   there is no ABA. The owner takes home exactly the slots whose state says so. [HINT-1]

   A hint may be late, repeated, for an older epoch, class or owner: it brings nothing home that its state does not
   show, and a slab found to belong to another heap is passed on.

   Threads that free each other's objects as they allocate need not send each home: a chunk is lent to a bin of another
   heap, of its class and round. What that heap frees of it goes into that bin's magazine, and is handed out again.

   [LEND-1] Chunk. x->lent counts the bins that it is lent to. While it is not 0 nobody binds the chunk, starts it again
       in place (zs__row_wake), makes it a span's, clears its states or takes its ids: in the pool all pass over it. Its
       record stays but for the row, which may become the draining one. A bin counts itself in while it frees an object
       of the chunk: its round lives, as a release and a reset wait for such frees, so who sees the round ended sees the
       count. It counts itself out (release) when its magazine has nothing of the chunk; who reads 0 (acquire) sees all
       that was stored.
   [LEND-2] Slot. In another's magazine it is FREE and in no word: neither live nor home, as in its owner's. A pop marks
       it LIVE and reads the gate of its own row, which is one of the same epoch: [EPOCH-1], [EPOCH-2] and [EPOCH-6] ask
       all of these. A free stores FREE and then looks at the chunk's row, as an owner's does [EPOCH-3].
   [LEND-3] Bounds. A bin has one chunk lent, and asks for one, or for another, when it has run dry: a thread that only
       frees has none. Its slots are among the lowest ZS__LENT_MOST of the magazine. They go home when the bin's owner
       passes by a closing epoch, trims, detaches or exits, and end with their round; when the bin asks for another
       chunk, none is left.
   [LEND-4] Who takes chunks [TAKE-1] sends home what sleeping heaps have of others', unless one may be on its way out
       [TAKE-2] [TAKE-5]: then that chunk is the one that its bin holds, and none of its own is. In a round that lives,
       a chunk with an object stays lent: the object may be a pop's that has not read the gate yet, and its undo frees
       it.

   Assume F is about to store LIVE to slot s of O's chunk c; the epoch is released, and O passes by: it forgets the row,
   finds c lent and binds another. F stores LIVE, finds the gate shut and undoes: the round is over, nothing is written.
   F forgets its row: c is free to be bound, and binding clears s. Did O look at s alone, which is FREE until F's store
   is visible, that store would mark a slot of c's next epoch live. */
static void zs__inbox_push(zs__allocator *z, uint32_t slab, uint32_t chunk)
{
    zs__hint *hint = &z->hints[slab];
    zs__row *row;
    zslab_heap *heap;
    uint32_t head;
    /* acq_rel: the states before the flag. If it was set, the owner's exchange to 0 comes later and acquires from
       this one; pairs with zs__inbox_drain. */
    if (zs__exchange_u8(&hint->queued, 1)) return;
    row = (zs__row *)zs__load_acq_ptr(&z->chunks[chunk].row); /* acquire: pairs with zs__chunk_bind */
    if (row == &z->drain_row) {                               /* draining: frees look after themselves */
        zs__exchange_u8(&hint->queued, 0);
        return;
    }
    heap = row->heap;
    head = zs__load_u32(&heap->inbox);
    do zs__store_u32(&hint->next, head);
    while (!zs__cas_u32(&heap->inbox, &head, slab + 1)); /* release: next before the head. Pairs with zs__inbox_drain */
}

/* Tell owners of every slab this heap remembers; at most `most` of them. */
static void zs__gather_flush(zslab_heap *heap, uint32_t most)
{
    uint32_t w, cls;
    for (w = 0; w < heap->z->mask_words; w++)
        while (heap->gathered[w] && most) {
            zs__gather *g;
            cls = w * 64 + zs__ctz(heap->gathered[w]);
            heap->gathered[w] &= heap->gathered[w] - 1;
            g = &heap->gather[cls];
            zs__inbox_push(heap->z, g->slab - 1, g->chunk);
            zs__count(&heap->counters[cls].remote_flushes);
            g->slab = 0;
            most--;
        }
}

/* Slots of one slab that others freed, as bits; their states become FREE. */
static uint64_t zs__take_remote(zs__allocator *z, uint32_t slab)
{
    uint8_t *states = z->states + (size_t)slab * 64;
    uint64_t bits = 0, eight;
    unsigned i, j;
    for (i = 0; i < 64; i += 8) {
        eight = zs__load_u64((const uint64_t *)(const void *)(states + i)); /* a first look: acquired below */
        if (!(eight & UINT64_C(0x0202020202020202))) continue;
        for (j = i; j < i + 8; j++)
            /* acquire: the freeing thread's last use of the object. Pairs with the store in zs__free_remote */
            if (zs__load_acq_u8(states + j) == ZS__REMOTE) {
                zs__store_u8(states + j, ZS__FREE);
                bits |= (uint64_t)1 << j;
            }
    }
    return bits;
}

static void zs__entry_copy(zs__entry *to, const zs__entry *from) /* relaxed, both: statistics may look [STATS-1] */
{
    zs__store_ptr((uintptr_t *)(void *)&to->p, (uintptr_t)from->p);
    zs__store_ptr((uintptr_t *)(void *)&to->state, (uintptr_t)from->state);
}

static void zs__entry_give_back(zs__allocator *z, const zs__entry *entry, uint32_t chunk)
{
    zs__store_rel_u8(entry->state, ZS__REMOTE); /* release: as in zs__free_to_owner */
    zs__inbox_push(z, (uint32_t)((size_t)(entry->state - z->states) >> 6), chunk);
}

/* What the bin has of a chunk that is lent to it goes home. By the bin's owner. */
static void zs__bin_return(zs__allocator *z, zs__bin *bin)
{
    uint32_t chunk = (bin->lent & ~ZS__LENT_ANY) - 1;
    zs__entry *from, *to = bin->bottom;
    for (from = to; from != bin->top; from++)
        if ((size_t)((char *)from->p - z->base) >> ZSLAB_CHUNK_SHIFT == chunk)
            zs__entry_give_back(z, from, chunk);
        else
            zs__entry_copy(to++, from);
    zs__bin_top(bin, to);
    zs__bin_unlend(z, bin);
}

static void zs__row_return(zs__allocator *z, zs__row *row)
{
    uint32_t cls;
    for (cls = 0; row->borrows && cls < z->class_count; cls++)
        if (zs__bin_at(row, cls)->lent) zs__bin_return(z, zs__bin_at(row, cls));
    zs__store_u32(&row->borrows, 0);
}

static void zs__inbox_drain_slab(zslab_heap *heap, uint32_t slab)
{
    zs__allocator *z = heap->z;
    uint32_t chunk = zs__slab_chunk(z, slab);
    zs__chunk *c = &z->chunks[chunk];
    zs__bin *bin = zs__chunk_bin(z, c);
    uint64_t bits, stamp = zs__load_u64(&c->stamp);
    if (!bin) return;
    if (zs__bin_heap(bin) != heap) {
        zs__inbox_push(z, slab, chunk); /* it moved: its owner must hear of it, we cleared the flag */
        return;
    }
    if (stamp != zs__load_u64(&zs__row_of_bin(bin)->stamp) || stamp != zs__load_u64(&zs__round_at(z, stamp)->word))
        return; /* a dead round: binding the chunk again clears it */
    if (slab - zs__chunk_slab(z, c) >= zs__chunk_class(z, c)->slabs)
        return; /* it served another class when the hint was given */
    bits = zs__take_remote(z, slab);
    if (bits) zs__slab_put(z, bin, chunk, slab, z->words[slab], bits);
}

/* Take home what others gave back: some slabs of the inbox, the rest waits. */
static int zs__inbox_drain(zslab_heap *heap, uint32_t most)
{
    zs__allocator *z = heap->z;
    uint32_t n, todo = zs__load_u32(&heap->todo) ? zs__exchange_u32(&heap->todo, 0) : 0; /* with zs__hints_drop */
    for (n = 0; n < most; n++) {
        uint32_t slab;
        if (!todo) {
            if (!zs__load_u32(&heap->inbox)) /* relaxed: a hint; the next slow path looks again */
                break;
            if (!(todo = zs__exchange_u32(&heap->inbox, 0))) /* acquire: pairs with the push */
                break;
        }
        slab = todo - 1;
        todo = zs__load_u32(&z->hints[slab].next); /* read before the flag lets others write it */
        /* the flag first, the states after: a free that finds it still set stored its state before. Pairs with
           the exchange in zs__inbox_push */
        zs__exchange_u8(&z->hints[slab].queued, 0);
        zs__inbox_drain_slab(heap, slab);
    }
    if (todo) zs__store_rel_u32(&heap->todo, todo); /* release: what was read of it. Pairs with zs__hints_drop */
    return n != 0;
}

/* ---- >>take ----------------------------------------------------------------
   Chunks out of the rows of heaps whose owners have not passed a slow path, for an allocation that would be refused and
   for zslab_trim. Who takes holds the epoch lock; the owner's fast paths pay nothing.

   [TAKE-1] Owner: busy++; barrier; wait while a taker is at work; touch lists, masks, words by list, magazines; busy--
       (release). Taker: taker = at work; shut gates; asymmetric fence; a heap with busy == 0 is the taker's until its
       word is cleared, one with busy != 0 is left alone. If the owner's look at `taker` came before the fence, its
       busy++ did too, and the taker sees it; if after, the owner sees the taker and waits. Where no fence reaches other
       threads, owners fence for themselves (no_membarrier) or nothing is taken. A holder of the epoch lock is no
       taker's prey: the waits of [TAKE-1] begin under no lock.
   [TAKE-2] A pop stores LIVE, then the magazine's top or `avail`, then reads the gate. After the fence every slot that
       is out of both shows LIVE; and the owner pops once more at most: the gate is shut, and zs__malloc_undo waits. So
       the only slot it may yet mark is the magazine's top entry or, with an empty magazine, one of `avail`: the
       chunk of that one stays, in the rows of [TAKE-5]. A push stores its entry before the top, above what the taker
       reads.
   [TAKE-3] In a round that lives a chunk may go iff each of its carved slots is in its word, the magazine, in `avail`
       or REMOTE, and mask and home count agree with the words: an object, a slot that is being freed, and one whose
       zs__free_listed waits for the taker all keep it. The taker writes no word: the owner's frees OR bits in.
       In a dead round each chunk may go but that of [TAKE-2].
   [TAKE-4] A chunk that went is out of the row's lists and names the draining row, until it is bound again; the row
       says `taken`. Its owner, on the way out of the wait, drops what its magazines and `avail` still hold of such
       chunks, before it binds one. An undo writes nothing when the chunk's stamp is not the row's any more.

   [TAKE-5] Outside slow paths the owner pops from one of two rows: the one of plain allocations, and the one that it
       named last. heap->pops says which; they change in slow paths, before the first pop. So a taker that finds busy 0
       knows both, and the owner takes no slot of another row before it has seen the taker. Of other rows each chunk
       may go.
   [TAKE-6] When no bin of a row has a chunk, its magazines may go back, the row is bare: nothing in them is read until
       the owner, on the way out of the wait, empties them by their tops and forgets the classes, so that the next chunk
       is charged with its magazine again. Of the rows of [TAKE-5] they stay. In a dead round an owner that was about
       to push a slot still may: above what is read.

   Assume O popped s of chunk c in epoch e and stopped between LIVE and the gate; e is released; T takes. c may go: s
   shows LIVE and the round is dead. T binds c to an epoch f, hands s out; O wakes, finds the gate shut and undoes: the
   stamp of c is not its row's, so it leaves s alone. Had O stopped before LIVE, s would be the top entry: c stays. */
static int zs__entry_kept(const zs__allocator *z, zs__bin *bin, const zs__entry *entry)
{
    size_t chunk = (size_t)((char *)entry->p - z->base) >> ZSLAB_CHUNK_SHIFT;
    return zs__chunk_bin(z, &z->chunks[chunk]) == bin || chunk + 1 == (bin->lent & ~ZS__LENT_ANY);
}

static void zs__row_dress(zs__allocator *z, zs__row *row) /* a bare row is as new [TAKE-6] */
{
    uint32_t cls, w;
    for (cls = 0; cls < z->class_count; cls++) {
        zs__bin *bin = zs__bin_at(row, cls);
        zs__bin_top(bin, bin->bottom);
        zs__store_u64(&bin->avail, 0);
    }
    for (w = 0; w < z->mask_words; w++) {
        row->plain[w] = 0;
        zs__store_u64(&row->used[w], 0); /* relaxed, both: to others without a chunk it is the same */
    }
    zs__store_u32(&row->bare, 0);
}

static void zs__row_sift(zs__allocator *z, zs__row *row) /* [TAKE-4] by the owner, or for a parked heap */
{
    uint32_t cls;
    row->taken = 0;
    if (zs__load_u32(&row->bare)) {
        zs__row_dress(z, row);
        return;
    }
    for (cls = 0; cls < z->class_count; cls++) { /* also one that has had slots of others' chunks only */
        zs__bin *bin = zs__bin_at(row, cls);
        zs__entry *from, *to = bin->bottom;
        for (from = bin->bottom; from != bin->top; from++)
            if (zs__entry_kept(z, bin, from)) zs__entry_copy(to++, from);
        zs__bin_top(bin, to);
        if (bin->avail && zs__chunk_bin(z, &z->chunks[zs__slab_chunk(z, bin->current - 1)]) != bin)
            zs__store_u64(&bin->avail, 0);
    }
}

static void zs__heap_sift(zslab_heap *heap)
{
    zs__row *row;
    if (!(zs__load_u32(&heap->taker) & ZS__TAKER_WAS_HERE)) /* relaxed: the caller has acquired */
        return;
    for (row = heap->made; row; row = row->made)
        if (row->taken) zs__row_sift(heap->z, row);
    zs__sub_u32(&heap->taker, ZS__TAKER_WAS_HERE);
}

static ZS__NOINLINE void zs__taker_wait(zslab_heap *heap)
{
    uint32_t seen, tries;
    zs__fork_check(); /* in a child the taker may be gone */
    for (tries = 0;; tries += tries < INT_MAX) {
        seen = zs__load_acq_u32(&heap->taker); /* acquire: what was taken. Pairs with the end of zs__heaps_take */
        if (!(seen & ZS__TAKER_AT_WORK)) break;
        zs__wait_turn(&heap->taker, seen, (int)tries);
    }
    zs__heap_sift(heap);
}

/* A slow path of the owner begins, ends. [TAKE-1] */
static inline uint32_t zs__heap_enter(zslab_heap *heap) /* how deep it was, for zs__heap_exit */
{
    uint32_t depth = heap->busy;
    zs__store_u32(&heap->busy, depth + 1); /* relaxed: the fence of zs__heaps_take orders it, or ours */
    if (depth) return depth;
    if (heap->z->no_membarrier)
        zs__fence_seq(); /* pairs with the one in zs__fence_all */
    else
        zs__compiler_barrier();
    if (ZS__UNLIKELY(zs__load_acq_u32(&heap->taker) != 0)) /* acquire: as in zs__taker_wait */
        zs__taker_wait(heap);
    return 0;
}

static inline void zs__heap_exit(zslab_heap *heap, uint32_t depth)
{
    zs__store_rel_u32(&heap->busy, depth); /* release: pairs with the load in zs__heaps_take */
}

/* The row that the owner's fast path for epochs named by hand pops from next. [TAKE-5] */
static ZS__NOINLINE void zs__row_named(zs__row *row)
{
    uint32_t depth = zs__heap_enter(row->heap);
    zs__store_ptr(&row->heap->pops[1], (uintptr_t)row); /* relaxed, as busy: the fence of zs__heaps_take orders it */
    zs__heap_exit(row->heap, depth);
}

static inline int zs__row_popped(const zs__row *row) /* may its owner be taking a slot of it, in no slow path? */
{
    return zs__load_ptr(&row->heap->pops[0]) == (uintptr_t)row || zs__load_ptr(&row->heap->pops[1]) == (uintptr_t)row;
}

/* The same for a call that may come from a shared heap: it keeps the chunk of what it has just allocated in place. */
#define ZS__NOT_HELD 0xffffffffu
static inline uint32_t zs__heap_hold(zslab_heap *heap)
{
    if (heap->z->shared) return ZS__NOT_HELD;
#if !ZSLAB_NO_TLS
    if (ZS__UNLIKELY(zs__tls()->passing) && heap->tls) /* an inner call may let go of the heap [THREAD-2] */
        return ZS__NOT_HELD;
#endif
    zs__fork_check();
    return zs__heap_enter(heap);
}

static inline void zs__heap_let(zslab_heap *heap, uint32_t depth)
{
    if (depth == ZS__NOT_HELD) return;
    zs__heap_exit(heap, depth);
    zs__words_tell(heap->z, heap);
}

/* Empty chunks on their way to the pool, linked by all_next. */
typedef struct zs__chain {
    uint32_t head, tail, count;
} zs__chain;

static void zs__chain_end(zs__allocator *z, const zs__chain *chain)
{
    if (chain->count) zs__chunks_give(z, chain->head, chain->tail, chain->count);
}

/* 1 + chunk that an owner may be taking a slot of, 0: none. [TAKE-2] */
static uint32_t zs__bin_held(const zs__allocator *z, const zs__bin *bin)
{
    /* acquire: the entry before the top. Pairs with zs__bin_top */
    const zs__entry *top = (const zs__entry *)zs__load_acq_ptr((const uintptr_t *)(const void *)&bin->top);
    uint32_t current = zs__load_u32(&bin->current);
    if (z->always_slow && !z->counted) return 0; /* no slot is handed out but under `busy` */
    if (top != bin->bottom)
        return (uint32_t)((zs__load_ptr((const uintptr_t *)(const void *)&top[-1].p) - (uintptr_t)z->base) >>
                          ZSLAB_CHUNK_SHIFT) +
               1;
    return current && zs__load_u64(&bin->avail) ? zs__slab_chunk(z, current - 1) + 1 : 0;
}

/* Count the bin's slots in its magazine, chunk by chunk. */
static void zs__bin_count_held(zs__allocator *z, zs__bin *bin)
{
    /* acquire: the entries below. Pairs with zs__bin_top */
    const zs__entry *entry, *top = (const zs__entry *)zs__load_acq_ptr((const uintptr_t *)(const void *)&bin->top);
    uint32_t chunk;
    for (chunk = zs__cold_of(z, bin)->all; chunk; chunk = z->cold[chunk - 1].all_next) z->cold[chunk - 1].held = 0;
    for (entry = bin->bottom; entry != top; entry++) {
        chunk = (uint32_t)(((uintptr_t)entry->p - (uintptr_t)z->base) >> ZSLAB_CHUNK_SHIFT);
        if (zs__chunk_bin(z, &z->chunks[chunk]) == bin) /* others went before [TAKE-4] */
            z->cold[chunk].held++;
    }
}

/* [TAKE-3] */
static int zs__chunk_unused(const zs__allocator *z, const zs__bin *bin, uint32_t chunk)
{
    const zs__chunk_cold *x = &z->cold[chunk];
    const zs__class *k = &z->classes[bin->cls];
    uint32_t i, number = x->start, first = zs__chunk_slab(z, &z->chunks[chunk]), home = 0, out = 0;
    if (!zs__chunk_bin(z, &z->chunks[chunk]))
        return (int)zs__load_acq_u8(&x->drained); /* acquire: the looks of who counted it. With zs__chunk_drained */
    for (i = 0; i < x->carved && out <= x->held; i++, number = number + 1 == k->slabs ? 0 : number + 1) {
        uint64_t full = zs__slab_full(k, number), word = zs__load_u64(&z->words[first + number]), away = full & ~word;
        if ((word != 0) != (x->mask[number >> 6] >> (number & 63) & 1)) return 0;
        if (bin->current == first + number + 1) away &= ~zs__load_u64(&bin->avail);
        if (away) out += zs__popcount(away & ~zs__slab_in_state(z, first + number, ZS__REMOTE));
        home += word == full;
    }
    return out == x->held && home == x->home;
}

/* What may go of a bin. held: 1 + chunk that may not; dead: the round is. Row lock held. */
static void zs__bin_give(zs__allocator *z, zs__row *row, zs__bin *bin, uint32_t held, int dead, zs__chain *chain)
{
    zs__bin_cold *b = zs__cold_of(z, bin);
    uint32_t chunk, next;
    if (!dead) zs__bin_count_held(z, bin);
    for (chunk = b->all; chunk; chunk = next) {
        zs__chunk_cold *x = &z->cold[chunk - 1];
        next = x->all_next;
        if (chunk == held || zs__load_acq_u32(&x->lent) || /* acquire: pairs with zs__bin_unlend */
            (!dead && !zs__chunk_unused(z, bin, chunk - 1)))
            continue;
        zs__all_remove(z, row, b, chunk - 1);
        zs__list_remove(z, b, chunk - 1);
        if (b->fresh == chunk) b->fresh = 0;
        row->plain[bin->cls >> 6] &= ~((uint64_t)1 << (bin->cls & 63));
        zs__store_ptr(&z->chunks[chunk - 1].row, (uintptr_t)&z->drain_row);
        zs__reserved_chunk(z, x, row->place);
        if (!dead) {
            zs__cached(z, x, 1);
            zs__chunk_loose(z, chunk - 1);
        }
        zs__store_u32(&x->all_next, chain->head);
        chain->head = chunk;
        if (!chain->count++) chain->tail = chunk;
    }
}

static int zs__row_dead(const zs__allocator *z, const zs__row *row) /* its objects are, for ever */
{
    const uint32_t q = zs__load_u32(&row->place);
    const zs__place *place = &z->places[q];
    return zs__load_u64(&place->id) != zs__load_u64(&row->epoch) || zs__load_u32(&place->state) == ZSLAB_EPOCH_CLOSED ||
           zs__load_u64(&row->stamp) != zs__load_u64(&zs__round_of(z, q)->word);
}

/* The magazines of a row that is not bare go back if it has no chunk; 0: it has, or they hold no whole page. By its
   owner, or a taker. [TAKE-6] */
static int zs__row_bare(zs__allocator *z, zs__row *row, int taken)
{
    const uint64_t stamp = zs__load_u64(&row->stamp);
    char *from = (char *)zs__round_up((size_t)row + z->magazine_offset, z->page_bytes);
    char *to = (char *)(((size_t)row + z->row_bytes) / z->page_bytes * z->page_bytes);
    size_t bytes = 0;
    uint32_t cls;
    if (z->shared || z->config.memory || from >= to || (taken && zs__row_popped(row))) return 0;
    for (cls = 0; cls < z->class_count; cls++) {
        zs__bin *bin = zs__bin_at(row, cls);
        const zs__bin_cold *b = zs__cold_of(z, bin);
        if (b->all || b->stale || (bin->lent & ~ZS__LENT_ANY)) return 0;
        bytes += zs__bin_used(row, cls) ? zs__magazine_bytes(z, cls) : 0;
    }
    if (!bytes || !zs__purge_pages(z, from, (size_t)(to - from))) return 0;
    if (taken) {
        row->taken = 1;
        zs__store_u32(&row->bare, 1); /* relaxed: a figure to all but owner and taker */
    } else {
        zs__row_dress(z, row);
    }
    if (stamp) zs__aside_give(z, stamp, bytes);
    zs__budget_give(z, 0, bytes);
    return 1;
}

/* What a row holds empty goes to the pool: how many chunks. By its owner, who has put home what could; or, `taken`, by
   another thread. bare: magazines go to the system, too. *again: they did; or a call has a claim on the row's place, or
   its gate is open. */
static uint32_t zs__row_give(zs__allocator *z, zs__row *row, int taken, int bare, int *again)
{
    zs__chain chain = {0, 0, 0};
    uint32_t w;
    int dead;
    if (zs__load_u32(&row->bare)) /* to another taker; the owner has sifted it */
        return 0;
    if (!row->epoch) {
        zs__row_strip(z, row, 0);
        *again |= bare && zs__row_bare(z, row, taken);
        return 0;
    }
    zs__ranked_take(zs__as_lock(&row->lock), ZS__LOCK_ROW);
    dead = zs__row_dead(z, row);
    if (zs__load_seq_u32(&z->places[row->place].purging) || (taken && zs__load_u64(&row->gate))) { /* [EPOCH-5] */
        *again |= !taken || dead || row->worth; /* worth is the taker's */
        zs__ranked_drop(zs__as_lock(&row->lock), ZS__LOCK_ROW);
        return 0;
    }
    if (dead && !taken) zs__row_forget(z, row, 0);
    for (w = 0; w < z->mask_words; w++) {
        uint64_t left;
        for (left = row->used[w]; left; left &= left - 1) {
            zs__bin *bin = zs__bin_at(row, w * 64 + zs__ctz(left));
            uint32_t held = taken && zs__row_popped(row) ? zs__bin_held(z, bin) : 0; /* [TAKE-5] */
            zs__bin_give(z, row, bin, held, dead, &chain);
        }
    }
    zs__ranked_drop(zs__as_lock(&row->lock), ZS__LOCK_ROW);
    zs__row_strip(z, row, 0);
    if (chain.count && taken)
        row->taken = 1;
    else if (chain.count && !dead)
        zs__row_sift(z, row);
    zs__compiler_barrier(); /* [FORK-2] */
    zs__chain_end(z, &chain);
    *again |= bare && zs__row_bare(z, row, taken);
    return chain.count;
}

static void zs__row_worth(zs__row *row)
{
    uint64_t open = zs__load_u64(&row->gate);
    if (!open) return;
    row->worth = 1;
    zs__cas_u64(&row->gate, &open, 0); /* as in zs__gates_shut */
}

/* Rows of the heaps at hand with a chunk that seems to hold no object, or with one lent: their gates are shut, their
   owners open them again at their next allocation. A glance, without a lock. [STATS-1] Epoch lock held. */
static void zs__rows_worth(zs__allocator *z)
{
    zslab_heap *heap;
    zs__row *made;
    uint32_t chunk, i, count;
    zs__arena_take(z);
    count = zs__chunks_known(z);
    zs__arena_drop(z);
    for (chunk = 0; chunk < count; chunk++) {
        const zs__chunk *c = &z->chunks[chunk];
        uint64_t stamp = zs__load_acq_u64(&c->stamp); /* acquire: pairs with zs__chunk_bind */
        const zs__class *k = zs__chunk_class(z, c);
        zs__row *row = (zs__row *)zs__load_acq_ptr(&c->row); /* acquire: as in zs__chunk_bin */
        size_t first = zs__slab_at(z, chunk, k);
        if (!stamp || stamp != zs__load_u64(&zs__round_at(z, stamp)->word) || row == &z->drain_row || row->worth ||
            !(zs__load_u32(&row->heap->taker) & ZS__TAKER_AT_WORK))
            continue;
        for (i = 0; i < k->slabs && !zs__slab_live(z, (uint32_t)first + i, zs__slab_full(k, i)); i++)
            ;
        if (i == k->slabs) zs__row_worth(row);
    }
    for (heap = z->heaps; heap; heap = heap->next) {
        made = (zs__row *)zs__load_acq_ptr((uintptr_t *)(uintptr_t)&heap->made); /* acquire: with zs__row_new */
        for (; made && (zs__load_u32(&heap->taker) & ZS__TAKER_AT_WORK); made = made->made)
            if (zs__load_u32(&made->borrows)) zs__row_worth(made);
    }
}

/* What a bin whose owner is stopped has of a chunk lent to it goes home, unless a pop may yet store to it [TAKE-2], or
   it has an object: then an undo may free that, and nothing is lost. [LEND-4] */
static void zs__bin_recall(zs__allocator *z, zs__row *row, zs__bin *bin)
{
    uint32_t chunk = (bin->lent & ~ZS__LENT_ANY) - 1;
    /* acquire: the entries below; a push comes above. Pairs with zs__bin_top */
    zs__entry *entry, *top = (zs__entry *)zs__load_acq_ptr((const uintptr_t *)(const void *)&bin->top);
    if ((zs__row_popped(row) && zs__bin_held(z, bin) == chunk + 1) ||
        (!zs__row_dead(z, row) && zs__chunk_live(z, chunk, NULL)))
        return;
    for (entry = bin->bottom; entry != top; entry++)
        if ((size_t)((char *)entry->p - z->base) >> ZSLAB_CHUNK_SHIFT == chunk) zs__entry_give_back(z, entry, chunk);
    zs__bin_unlend(z, bin);
    row->taken = 1;
}

static void zs__taker_was_here(zslab_heap *heap) /* its owner sifts the rows that say `taken`, before all else */
{
    if (!(zs__load_u32(&heap->taker) & ZS__TAKER_WAS_HERE))
        zs__add_u32(&heap->taker, ZS__TAKER_WAS_HERE); /* before the taker's own word goes: zs__heaps_take */
}

/* Chunks that are lent to the heap of a thread. 0: its owner is in a slow path. Epoch lock held, the gates are shut. */
static int zs__heap_recall(zslab_heap *heap)
{
    zs__row *row;
    uint32_t cls;
    if (zs__load_acq_u32(&heap->busy)) /* acquire: all it did before. Pairs with zs__heap_exit */
        return 0;
    for (row = heap->made; row; row = row->made) {
        for (cls = 0; row->borrows && !zs__load_u64(&row->gate) && cls < heap->z->class_count; cls++)
            if (zs__bin_at(row, cls)->lent & ~ZS__LENT_ANY) zs__bin_recall(heap->z, row, zs__bin_at(row, cls));
        if (row->taken) /* the owner may begin to wait before zs__heaps_take is back at the heap */
            zs__taker_was_here(heap);
    }
    return 1;
}

/* Take what the heaps of other threads, and explicit ones, hold empty. bare, *again: as in zs__row_give; not all could
   be looked at. Epoch lock held. */
static uint32_t zs__heaps_take(zs__allocator *z, const zslab_heap *mine, int bare, int *again)
{
    zslab_heap *heap;
    uint32_t given = 0, others = 0;
    if ((!z->fence_ready && !z->no_membarrier) || zs__sealed(z)) return 0;
    for (heap = z->heaps; heap; heap = heap->next)
        if (heap != mine && !heap->is_parked) {
            zs__add_u32(&heap->taker, ZS__TAKER_AT_WORK);
            others++;
        }
    if (!others) return 0;
    zs__rows_worth(z);
    zs__fence_all(z); /* [TAKE-1] */
    for (heap = z->heaps; heap; heap = heap->next)
        if (heap != mine && !heap->is_parked) *again |= !zs__heap_recall(heap);
    for (heap = z->heaps; heap; heap = heap->next) {
        zs__row *row;
        if (heap == mine || heap->is_parked) continue;
        if (zs__load_acq_u32(&heap->busy)) { /* acquire: all it did before. Pairs with zs__heap_exit */
            *again = 1;
        } else {
            for (row = heap->made; row; row = row->made) {
                if (row->worth || !zs__load_u64(&row->gate)) given += zs__row_give(z, row, 1, bare, again);
                if (row->taken) zs__taker_was_here(heap);
            }
        }
        row = (zs__row *)zs__load_acq_ptr((uintptr_t *)(uintptr_t)&heap->made); /* acquire: with zs__row_new */
        for (; row; row = row->made) row->worth = 0;
        zs__sub_u32(&heap->taker, ZS__TAKER_AT_WORK); /* release: what was taken. Pairs with zs__taker_wait */
    }
    return given;
}

/* ---- >>heap ----------------------------------------------------------------
   Heaps and their owners: a thread's number, attaching, passing a slow path, parking; then the slow paths right
   below each other: allocation, free.

   [THREAD-1] A thread has a number iff it has a heap in some allocator; it has armed the exit hook for it, that of the
              allocators there are now: the last destroy ends the hook, and all numbers with it. Global lock.
   [THREAD-2] Where no hook will run (it ran already, and a destructor of the program's allocates; or it was refused) a
              heap is parked at the end of the call that needed it, outside domains: none is lost, and no destroy later
              writes to a thread's memory that is gone. Who enters a domain there arms the hook again: it runs in the
              next round of destructors.
   [THREAD-3] What a hook may miss (a thread's first use, or a domain entered, in its last round of destructors) the
              system is asked for: the heap of a thread that is gone is taken over, its domains are left, and its words
              are not written. A join may return a moment before the system has let the thread's name go. */
#if !ZSLAB_NO_TLS
static uint32_t zs__thread_number_new(void) /* 0: none left */
{
    uint32_t w, bit;
    for (w = 0; w < ZS__THREADS_MAX / 64; w++) {
        uint64_t left = ~zs__global.threads[w];
        if (w == 0) left &= ~(uint64_t)1;
        if (w == ZS__THREADS_MAX / 64 - 1) left &= ~((uint64_t)3 << 62);
        if (left) {
            bit = zs__ctz(left);
            zs__global.threads[w] |= (uint64_t)1 << bit;
            return w * 64 + bit;
        }
    }
    return 0;
}

/* The number serves another thread if its own has no heap but that of z. Global lock held. [THREAD-1] */
static int zs__thread_number_end(const zs__allocator *z, uint32_t thread)
{
    const zs__allocator *other;
    for (other = zs__global.allocators; other; other = other->next_allocator)
        if (other != z && zs__heap_of_thread(other, thread)) return 0;
    zs__global.threads[thread / 64] &= ~((uint64_t)1 << (thread & 63));
    return 1;
}
#endif

static void zs__heap_owner(zslab_heap *heap, uint32_t thread)
{
    zs__row *row;
    zs__store_u32(&heap->thread, thread);
    for (row = heap->attached; row; row = row->next)
        zs__store_u32(&row->owner, thread); /* relaxed: only equality with oneself counts */
}

/* What the owner does when it next passes a slow path: flush, and look at rows whose epochs ended, some at a time:
   rows_unseen of them are still to be seen since the last event. */
static void zs__heap_housekeep(zslab_heap *heap)
{
    zs__allocator *z = heap->z;
    uint32_t events, rows;
    zs__gather_flush(heap, ZS__DRAIN_MAX);
    events = zs__load_acq_u32(&z->events); /* acquire: pairs with zs__event */
    if (events != heap->seen_events) {
        heap->seen_events = events;
        heap->rows_unseen = heap->attached_count;
    }
    for (rows = 0; heap->rows_unseen && rows < ZS__DRAIN_MAX; rows++, heap->rows_unseen--) {
        zs__row *row = heap->next_unseen ? heap->next_unseen : heap->attached;
        zs__place *place;
        if (!row) break;
        heap->next_unseen = row->next;
        place = &z->places[row->place];
        if (zs__row_over(z, row))
            heap->seen_events -= !zs__row_retire(heap, row, 0); /* a closer is at work: look again next time */
        else if (zs__load_u32(&place->state) == ZSLAB_EPOCH_CLOSING && !zs__load_u64(&row->gate)) {
            zs__row_return(z, row);
            zs__store_rel_u32(&row->acked, 1); /* release: states before. Pairs with zs__place_late [EPOCH-6] */
        }
    }
}

/* Magazines and current slabs go home, so that empty chunks show. */
static void zs__row_flush(zs__allocator *z, zs__row *row)
{
    uint32_t cls;
    zs__row_return(z, row);
    for (cls = 0; cls < z->class_count; cls++) {
        zs__bin *bin = zs__bin_at(row, cls);
        while (bin->top != bin->bottom) {
            zs__entry *entry = bin->top - 1;
            size_t at = (size_t)(entry->state - z->states), slab = at >> 6;
            zs__slab_put(z, bin, (uint32_t)((size_t)((char *)entry->p - z->base) >> ZSLAB_CHUNK_SHIFT), (uint32_t)slab,
                         z->words[slab], (uint64_t)1 << (at & 63));
            zs__bin_top(bin, entry);
        }
        if (bin->avail) {
            uint32_t slab = bin->current - 1;
            uint64_t avail = bin->avail;
            zs__store_u64(&bin->avail, 0);
            zs__slab_put(z, bin, zs__slab_chunk(z, slab), slab, z->words[slab], avail);
        }
    }
}

static int zs__kept_drop(zslab_heap *heap);

/* The heap puts home and gives to the pool what it can, by its owner; a parked one's by who holds the epoch lock. What
   others gave back comes home first. bare, *again: as in zs__row_give. */
static void zs__heap_empty(zslab_heap *heap, int bare, int *again)
{
    zs__allocator *z = heap->z;
    zs__row *row;
    uint32_t turns;
    zs__heap_sift(heap);
    zs__arena_take(z);
    zs__kept_drop(heap);
    zs__arena_drop(z);
    zs__gather_flush(heap, ~(uint32_t)0);
    turns = heap->attached_count / ZS__DRAIN_MAX + 1; /* each row once: one that a closer is at is no reason to wait */
    do zs__heap_housekeep(heap);
    while (heap->rows_unseen && --turns);
    zs__inbox_drain(heap, ~(uint32_t)0);
    for (row = heap->attached; row; row = row->next)
        if (!zs__row_dead(z, row) && !(z->rss_policy && zs__load_u32(&z->places[row->place].state)))
            zs__row_flush(z, row); /* drained frees look after themselves, in a dead round nothing does */
    for (row = heap->made; row; row = row->made) zs__row_give(z, row, 0, bare, again);
}

/* What an allocation does, and zslab_trim, before it is refused for want of memory: places that have drained end, rows
   of ended epochs retire, parked heaps and those of sleeping threads give what they hold empty. bare, *again: as in
   zs__heaps_take. Epoch lock held. */
static uint32_t zs__others_empty(zs__allocator *z, const zslab_heap *mine, int bare, int *again)
{
    zslab_heap *heap;
    zs__places_try_end(z);
    zs__arena_take(z);
    zs__large_unkeep(z, NULL, 0);
    zs__arena_drop(z);
    for (heap = z->parked; heap; heap = heap->next_parked) zs__heap_empty(heap, bare, again);
    return zs__heaps_take(z, mine, bare, again);
}

#ifndef ZS__RECLAIM_TRIES
#define ZS__RECLAIM_TRIES 50u /* looks at heaps whose owners are in slow paths */
#endif

/* An allocation found no memory: make some, its own heap's, then others', then by purging what the limit counts; 0:
   there is none. The owner is in a slow path and holds no slot. [TAKE-1] */
static int zs__heap_reclaim(zslab_heap *heap, zslab_result why, uint32_t tries)
{
    zs__allocator *z = heap->z;
    uint32_t depth = heap->busy, given = 0;
    const int last = why == ZSLAB_E_LIMIT && tries > 1; /* now for what counts, and is no chunk */
    int again = 0;
    if (zs__sealed(z)) return 0;
    if (!tries || last) zs__heap_empty(heap, last, &again);
    if (!tries) return 1;
    if (tries > ZS__RECLAIM_TRIES) return 0;
    zs__store_rel_u32(&heap->busy, 0); /* release: as in zs__heap_exit; what it has is there for others */
    zs__epochs_take(z);
    given = zs__others_empty(z, heap, last, &again);
    zs__epochs_drop(z);
    if (tries > 1) again |= zs__large_unreserve(z);
    if (last)
        again |= zs__empty_trim(z) != 0;
    else if (tries > 1 && zs__large_strip(z))
        again = 1;
    else if (!given && again)
        zs__os_yield(); /* who is busy may be about to leave, or waits for us */
    zs__heap_enter(heap);
    zs__store_u32(&heap->busy, depth); /* relaxed: the same as far as a taker sees */
    return tries == 1 || given || again;
}

/* Bookkeeping of a heap or a domain, for an epoch or none, by who holds the epoch lock; NULL with the reason. What the
   limit refuses may be had when the caller has dropped its locks and trimmed. */
static void *zs__meta_get(zs__allocator *z, zslab_epoch e, size_t bytes, int search, zslab_result *why)
{
    const uint64_t stamp = zs__place_find(z, e) ? zs__load_u64(&zs__round_of(z, e)->word) : 0;
    void *p = NULL;
    int again = 0, tries;
    for (tries = 0; !p && tries <= search; tries++) {
        if (tries && !z->shared) zs__others_empty(z, NULL, *why == ZSLAB_E_LIMIT, &again);
        p = zs__meta_take(z, stamp, bytes, bytes, why);
    }
    if (!p && zs__sealed(z)) *why = ZSLAB_E_LIMIT;
    return p;
}

/* The limit refused what zs__meta_get wants: memory that it counts goes back; 0: there is none. No lock held. */
static int zs__limit_search(zs__allocator *z, zslab_result why)
{
    if (why != ZSLAB_E_LIMIT) return why == ZSLAB_E_NOMEM && zs__large_strip(z);
    return !zs__sealed(z) && (zs__large_unreserve(z) | (zs__empty_trim(z) != 0));
}

/* For an epoch, or none; NULL with the reason. Epoch lock held. */
static zslab_heap *zs__heap_new(zs__allocator *z, zslab_epoch e, int search, zslab_result *why)
{
    zslab_heap *heap;
    char *p;
    heap = (zslab_heap *)zs__meta_get(z, e, z->heap_bytes, search, why);
    if (!heap) return NULL;
    p = (char *)(heap + 1);
    heap->z = z;
    heap->row_blocks = (uintptr_t *)(void *)p;
    if (zs__block_count(z->epoch_count) == 1) heap->row_blocks[0] = (uintptr_t)(heap->row_blocks + 1);
    p += zs__names_bytes(z->epoch_count);
    ZSLAB_ASSERT(((uintptr_t)p & 7) == 0 && "counters are words of 8 bytes");
    heap->counters = (zs__counters *)(void *)p;
    p += (z->class_count + 1) * sizeof(zs__counters);
    heap->gather = (zs__gather *)(void *)p;
    heap->random = z->key ^ (uint64_t)(uintptr_t)heap;
    heap->thread = ZS__NOBODY;
    heap->next = z->heaps;
    zs__store_u32(&z->heap_count, z->heap_count + 1);                   /* relaxed: read by zs__kept_fits as a figure */
    zs__store_rel_ptr((uintptr_t *)(void *)&z->heaps, (uintptr_t)heap); /* pairs with the acquire loads of heaps */
    return heap;
}

/* The owner lets go: nothing stays in its magazines or unflushed. */
static void zs__heap_settle(zslab_heap *heap)
{
    uint32_t depth;
    int again = 0;
    zs__fork_check();
    depth = zs__heap_enter(heap);
    zs__heap_empty(heap, 0, &again);
    zs__heap_exit(heap, depth);
}

/* Dead epochs' rows go before their heap has no owner. What a claim keeps is seen to as in zs__rows_end. Epoch lock. */
static void zs__heap_over(zslab_heap *heap)
{
    zs__row *row, *next;
    for (row = heap->attached; row; row = next) {
        next = row->next;
        if (zs__row_over(heap->z, row) && !zs__row_retire(heap, row, 1)) heap->z->places[row->place].left = 1;
    }
}

/* The heap waits for its next owner. Epoch lock held. */
static void zs__heap_shelve(zslab_heap *heap)
{
    zs__heap_owner(heap, ZS__NOBODY);
    heap->tls = 0;
    heap->row = NULL;
    heap->scope_count = 0;
    zs__store_rel_u32(&heap->is_parked, 1); /* release: states before. Pairs with zs__place_late */
    heap->next_parked = heap->z->parked;
    heap->z->parked = heap;
}

#if !ZSLAB_NO_TLS
/* The visits of a thread that is gone end; what a domain's policy asks for then, the next call for the domain does.
   Epoch lock held. */
static void zs__scopes_end(zslab_heap *heap)
{
    for (; heap->scope_count; heap->scope_count--) {
        zslab_domain *d = heap->scopes[heap->scope_count - 1].domain;
        d->inside -= heap->scopes[heap->scope_count - 1].entered;
        d->forsaken |= !d->inside;
    }
}

/* A heap whose thread is gone without a word; a few are looked at each time. Global and epoch lock held. [THREAD-3] */
static zslab_heap *zs__heap_forsaken(zs__allocator *z)
{
    uint32_t looks;
    for (looks = 0; looks < 4 && looks < z->heap_count; looks++) {
        zslab_heap *heap = z->looked_at && z->looked_at->next ? z->looked_at->next : z->heaps;
        z->looked_at = heap;
        if (!heap->tls || zs__os_thread_lives(heap->os_thread)) continue;
        if (heap->thread < z->heap_of_count)
            zs__store_rel_ptr(zs__heap_entry(z, heap->thread), 0); /* pairs with zs__heap_of_thread */
        zs__thread_number_end(z, heap->thread);
        heap->row = NULL;
        zs__scopes_end(heap);
        return heap;
    }
    return NULL;
}

/* The thread becomes a heap's owner: a parked one's, or a new one's, made for the epoch. NULL with the reason. */
static zslab_heap *zs__heap_attach_try(zs__allocator *z, zslab_epoch e, int search, zslab_result *why)
{
    zs__tls_block *tls = zs__tls();
    zslab_heap *heap;
    uint32_t thread, had;
    *why = ZSLAB_E_FOREIGN;
    if (z->home != ZS__HOME) /* thread numbers are another file's here */
        return NULL;
    zs__fork_check();
    *why = ZSLAB_E_LIMIT;
    if (zs__sealed(z)) return NULL;
    /* under it a destroy that frees numbers sees the heap, or we see the number gone */
    zs__ranked_take(&zs__global.lock, ZS__LOCK_GLOBAL);
    thread = had = zs__load_u32(&tls->thread);
    if (!had && !(thread = zs__thread_number_new())) {
        zs__ranked_drop(&zs__global.lock, ZS__LOCK_GLOBAL);
        return NULL;
    }
    zs__epochs_take(z);
    heap = z->parked;
    if (heap)
        z->parked = heap->next_parked;
    else if (!(heap = zs__heap_forsaken(z)))
        heap = zs__heap_new(z, e, search, why);
    if (heap) {
        heap->tls = (uintptr_t)tls;
        heap->os_thread = zs__os_thread();
        zs__store_u32(&heap->is_parked, 0);
        zs__heap_owner(heap, thread);
        if (thread < z->heap_of_count) /* release: pairs with zs__heap_of_thread */
            zs__store_rel_ptr(zs__heap_entry(z, thread), (uintptr_t)heap);
    }
    zs__epochs_drop(z);
    if (heap)
        zs__store_u32(&tls->thread, thread);
    else if (!had)
        zs__global.threads[thread / 64] &= ~((uint64_t)1 << (thread & 63));
    zs__ranked_drop(&zs__global.lock, ZS__LOCK_GLOBAL);
    /* under no lock: the C library may allocate for it, and that may lead here */
    if (heap && !had && !tls->passing && zs__os_arm_thread_exit()) tls->passing = 1;
    return heap;
}

static ZS__NOINLINE zslab_heap *zs__heap_attach(zs__allocator *z, zslab_epoch e)
{
    zslab_result why;
    zslab_heap *heap = zs__heap_attach_try(z, e, 1, &why);
    if (!heap && zs__limit_search(z, why)) heap = zs__heap_attach_try(z, e, 1, &why);
    return heap ? heap : (zslab_heap *)zs__fail_null(why);
}

static zslab_heap *zs__heap_mine(zs__allocator *z, zslab_epoch e) /* wanted for an epoch, or none */
{
    zslab_heap *heap = z->home == ZS__HOME ? zs__heap_peek(z) : NULL;
    return heap ? heap : zs__heap_attach(z, e);
}

/* For frees: where no exit hook will run, none is taken, since each would park one [THREAD-2]. A free does without, and
   so looks for no memory. */
static zslab_heap *zs__heap_freeing(zs__allocator *z)
{
    zslab_heap *heap = zs__heap_peek(z);
    zslab_result why;
    return heap || zs__tls()->passing ? heap : zs__heap_attach_try(z, ZSLAB_EPOCH_NONE, 0, &why);
}

static void zs__heap_park(zslab_heap *heap)
{
    zs__allocator *z = heap->z;
    zs__tls_block *tls = (zs__tls_block *)heap->tls;
    zs__heap_settle(heap);
    zs__epochs_take(z);
    if (heap->thread < z->heap_of_count)
        zs__store_rel_ptr(zs__heap_entry(z, heap->thread), 0); /* pairs with zs__heap_of_thread */
    zs__heap_over(heap);
    zs__heap_shelve(heap);
    zs__epochs_drop(z);
    if (zs__tls_is(tls, z)) zs__store_ptr(&tls->z, 0);
}

/* Park this thread's heap, which is in no domain, and let the number go with the last one. */
static void zs__heap_leave(zslab_heap *heap)
{
    zs__tls_block *tls = zs__tls();
    zs__heap_park(heap);
    zs__ranked_take(&zs__global.lock, ZS__LOCK_GLOBAL);
    if (zs__thread_number_end(NULL, zs__load_u32(&tls->thread))) zs__store_u32(&tls->thread, 0);
    zs__ranked_drop(&zs__global.lock, ZS__LOCK_GLOBAL);
}

/* The end of a call that may have taken a heap. [THREAD-2] */
static inline void zs__heap_done(zslab_heap *heap)
{
    if (ZS__UNLIKELY(zs__tls()->passing) && heap && heap->tls && !heap->scope_count) zs__heap_leave(heap);
    if (heap) zs__words_tell(heap->z, heap);
}

/* An exiting thread leaves the domains that it is inside of: under no lock, since a last exit calls on_leak. Nobody
   destroys an allocator meanwhile. */
static void zs__scopes_leave(void)
{
    zs__allocator *z;
    zslab_heap *heap = NULL;
    do {
        uint32_t thread;
        zs__ranked_take(&zs__global.lock, ZS__LOCK_GLOBAL);
        thread = zs__load_u32(&zs__tls()->thread); /* relaxed: under the lock; a destroy may have taken it */
        for (z = thread ? zs__global.allocators : NULL; z; z = z->next_allocator)
            if ((heap = zs__heap_of_thread(z, thread)) != NULL && heap->scope_count) break;
        zs__ranked_drop(&zs__global.lock, ZS__LOCK_GLOBAL);
        while (z && heap->scope_count) zslab_domain_exit(heap->scopes[heap->scope_count - 1].domain);
    } while (z);
}

static void zs__thread_exited(void)
{
    zs__tls_block *tls = zs__tls();
    zs__allocator *z;
    zslab_heap *heap;
    uint32_t thread = zs__load_u32(&tls->thread); /* relaxed: only 0 comes from elsewhere, and then nothing is ours */
    if (!thread) return;
    zs__fork_check_process(); /* the word may be gone: a destroy may end the last allocator now */
    zs__scopes_leave();
    zs__ranked_take(&zs__global.lock, ZS__LOCK_GLOBAL);
    thread = zs__load_u32(&tls->thread); /* relaxed: under the lock; a destroy may have given the number away */
    if (!thread) {
        zs__ranked_drop(&zs__global.lock, ZS__LOCK_GLOBAL);
        return;
    }
    for (z = zs__global.allocators; z; z = z->next_allocator)
        if ((heap = zs__heap_of_thread(z, thread)) != NULL) zs__heap_park(heap);
    zs__global.threads[thread / 64] &= ~((uint64_t)1 << (thread & 63));
    zs__store_u32(&tls->thread, 0);
    tls->passing = 1; /* frees from later destructors go straight to the owners */
    zs__store_ptr(&tls->z, 0);
    zs__ranked_drop(&zs__global.lock, ZS__LOCK_GLOBAL);
}
#else
static void zs__thread_exited(void) {}
static zslab_heap *zs__heap_mine(zs__allocator *z, zslab_epoch e) { return (void)e, z->shared_heap; }
static inline void zs__heap_done(zslab_heap *heap) { zs__words_tell(heap->z, heap); }
static zslab_heap *zs__heap_freeing(zs__allocator *z) { return z->shared_heap; }
#endif

#if !ZSLAB_NO_TLS
/* The fast paths serve this allocator's row from here on. The owner is in a slow path. [TAKE-5] */
static inline void zs__tls_set(zslab_heap *heap, zs__row *row)
{
    zs__tls_block *tls = zs__tls();
    zs__store_ptr(&heap->pops[0], (uintptr_t)row); /* relaxed, both: as in zs__row_named */
    zs__store_ptr(&heap->pops[1], (uintptr_t)row);
    tls->row = tls->given = row;
    zs__store_ptr(&tls->z, (uintptr_t)heap->z + heap->z->counted);
}
#endif

/* The epoch a plain allocation of this heap goes to: the innermost domain's, else the current one. */
static zslab_epoch zs__heap_epoch(const zslab_heap *heap)
{
    if (heap->scope_count) return heap->scopes[heap->scope_count - 1].domain->epoch;
    return zs__load_acq_u64(&heap->z->current); /* acquire: pairs with zslab_epoch_advance */
}

/* An open row for a plain allocation; an advance meanwhile means the next current epoch. */
static zslab_result zs__heap_row(zslab_heap *heap, zs__row **out)
{
    for (;;) {
        zslab_result why = ZSLAB_E_CLOSED;
        zslab_epoch e = zs__heap_epoch(heap);
        zs__row *row = zs__row_for(heap, e, &why);
        if (row) {
            *out = row;
            heap->row = heap->z->always_slow && !heap->z->counted ? NULL : row;
#if !ZSLAB_NO_TLS
            if (!heap->is_explicit && heap->row) zs__tls_set(heap, row);
#endif
            return ZSLAB_OK;
        }
        if (why != ZSLAB_E_CLOSED || e == zs__heap_epoch(heap)) return why;
    }
}

/* ---- >>large ---------------------------------------------------------------
   Objects larger than every class: spans of whole chunks [LARGE-1], held by their epoch's ring place and by no thread's
   row, so that no sleeper holds them. The arena lock guards spans and lists; who frees an object is decided by the
   exchange of its state, before the lock.

   [LARGE-2] A place's ring has its live objects, all of the place's round. Who allocates looks at the place under the
       lock under which it joins the ring: a close finds the object there, or the object finds the epoch closed. A
       release or a reset raises the round and joins the ring with large_dead's under the same lock.
   [LARGE-3] Objects of large_dead are given back some at a time, by the next allocations; all of them by a release
       under the RSS policy, by trim, and before a refusal.
   [LARGE-4] A free pushes the object on large_freed when the lock is held, and in shared mode always, since a signal
       handler may free there: it never waits. Who
       looks at rings takes that stack home first.
   [LARGE-5] A tail is told from a head by a bit of span_head; what it is follows from the last head before it. A head's
       record outlives its object until the chunk serves again, so that a second free or a stale one is known.
   [LARGE-6] A span may stay in its place's ring, kept, when its object is freed: one exchange of its state, GUARDED to
       KEPT, frees the object, and one back to live makes the next as long, under no lock. The thread that takes it from
       KEPT to FREEING gives it back: who frees, when its place has begun to close, and who holds the arena lock and
       sweeps a dead round, asks whether a place has drained, or looks for space. A close under the RSS policy does
       after its second fence: either it finds the span kept, or who keeps it finds the place closing. A heap lists
       what it kept: the state is the truth, the list a hint, and who follows it looks at the head again when its
       state is live. If A frees an object and makes a longer one in its span while a trim gives back what stood behind
       the first, the second loses its end; prevented by a mark before a fence of all threads: A finds the mark, or the
       trim finds the second's length. */
#define ZS__LARGE_SOME 16u                     /* dead objects that an allocation gives back */
#define ZS__LARGE_POOL 64u                     /* chunks of the pool that it moves to the spans */
#define ZS__LARGE_TAILS 8u                     /* live objects that a trim looks behind at once */
#define ZS__LARGE_TRIES 16u                    /* free spans of a list that it looks at */
#define ZS__LARGE_WAIT (ZS__LOCK_SPINS + 1064) /* turns of waiting for a purge; it may be this thread's, in a hook */
#define ZS__LARGE_ALIGNMENT_MAX ((size_t)1 << 30)

typedef struct zs__large_ask {
    size_t size, alignment; /* alignment: a power of two */
    uint8_t zero;           /* the object shall read as zeros */
    uint8_t room;           /* it may grow: with free space behind it */
    uint8_t all;            /* look everywhere: the alternative is a refusal */
    uint8_t reserve;        /* its span is set aside for the epoch [SPAN-4] */
    zslab_handle *handle;   /* to be filled in; NULL: none, GUARDED */
} zs__large_ask;

static inline size_t zs__large_bytes(const zs__allocator *z, uint32_t head)
{
    return (size_t)zs__load_u64(&z->cold[head].mask[0]); /* relaxed: the object's holder, or a snapshot */
}

static inline uint32_t zs__large_chunks(size_t size) { return (uint32_t)((size - 1) >> ZSLAB_CHUNK_SHIFT) + 1; }

static inline size_t zs__large_usable(const zs__allocator *z, size_t size) /* whole pages */
{
    size_t bytes = zs__round_up(size, z->page_bytes), most = (size_t)zs__large_chunks(size) * ZS__CHUNK_BYTES;
    return bytes < most ? bytes : most;
}

static inline uint8_t *zs__large_state(const zs__allocator *z, uint32_t head)
{
    return (uint8_t *)zs__load_ptr(&z->chunks[head].states);
}

static inline int zs__large_live(uint8_t state) { return state == ZS__GUARDED || state == ZS__HANDLE; }

static inline int zs__large_held(uint8_t state) /* its span is its place's */
{
    return zs__large_live(state) || state == ZS__KEPT;
}

/* An object joins its place's ring, or leaves the ring it is in. Arena lock held. */
static void zs__large_list(zs__allocator *z, uint32_t *ring, uint32_t head)
{
    zs__chunk_cold *x = &z->cold[head];
    x->next = *ring ? *ring : head + 1;
    x->prev = *ring ? z->cold[*ring - 1].prev : head + 1;
    z->cold[x->prev - 1].next = head + 1;
    z->cold[x->next - 1].prev = head + 1;
    *ring = head + 1;
}

static void zs__large_unlist(zs__allocator *z, uint32_t head)
{
    const zs__chunk_cold *x = &z->cold[head];
    uint64_t stamp = z->chunks[head].stamp;
    uint32_t *ring = stamp == zs__load_u64(&zs__round_at(z, stamp)->word) /* [LARGE-2] */
                         ? &z->places[zs__stamp_place(stamp)].large
                         : &z->large_dead;
    if (x->flags & ZS__CHUNK_TAKEN) return;
    z->cold[x->prev - 1].next = x->next;
    z->cold[x->next - 1].prev = x->prev;
    if (*ring == head + 1) *ring = x->next == head + 1 ? 0 : x->next;
}

/* Give the pages of a span in hand back. Arena lock held, but not while the system is asked: who finds no space then
   waits until the span is back (zs__large_take). */
static size_t zs__large_purge(zs__allocator *z, uint32_t first, uint32_t count)
{
    uint32_t i;
    size_t given;
    zs__store_u32(&z->span_hands, z->span_hands + 1);
    zs__arena_drop(z);
    given = zs__span_purge(z, first, count);
    zs__arena_take(z);
    zs__store_u32(&z->span_hands, z->span_hands - 1);
    for (i = first; i < first + count; i++)
        if (z->cold[i].purged_bytes) zs__bits_put(z->span_short, i, 1, 1);
    return given;
}

/* The span of an object that the caller took, in no list, is free; its pages go back where the policy says so and
   `purge` allows it. Arena lock held, see zs__large_purge. */
static void zs__large_give(zs__allocator *z, uint32_t head, int purge)
{
    const zs__place *place = &z->places[zs__stamp_place(z->chunks[head].stamp)];
    uint32_t count = z->cold[head].all_next;
    if (zs__place_counts(z, z->chunks[head].stamp))
        zs__uncharge(z, z->chunks[head].stamp, zs__span_counted(z, head, count));
    if (z->cold[head].ids) zs__ids_leave(z, head, 1);
    zs__store_rel_u8(zs__large_state(z, head), ZS__FREE); /* release: the object's last use. Pairs with zs__locate */
    if (z->cold[head].flags & ZS__CHUNK_RESERVED) {
        zs__round *round = zs__round_at(z, z->chunks[head].stamp);
        /* acquire: opened. Pairs with zs__epoch_open */
        int kept = zs__load_acq_u32(&place->state) == ZSLAB_EPOCH_ACTIVE;
        if (!z->rss_policy || zs__sealed(z)) /* a reset keeps what was reserved, and its pages */
            kept = kept && z->chunks[head].stamp >= zs__load_u64(&round->opened);
        else
            kept = kept && z->chunks[head].stamp == zs__load_u64(&round->word);
        if (kept) {
            zs__span_reserve(z, &round->reserved, head);
            return;
        }
        z->cold[head].flags &= ~ZS__CHUNK_RESERVED;
    }
    if (purge && z->rss_policy && !zs__sealed(z) &&
        (zs__load_u32(&place->state) != ZSLAB_EPOCH_ACTIVE ||
         zs__load_ptr(&z->cached_bytes) + zs__span_counted(z, head, count) >
             z->config.cache_bytes + zs__load_ptr(&z->reserved_bytes)))
        zs__large_purge(z, head, count);
    zs__span_give(z, head, count);
}

/* [LARGE-4] Arena lock held. */
static void zs__large_collect(zs__allocator *z, int purge)
{
    uint32_t at = zs__load_u32(&z->large_freed);
    if (at) at = zs__exchange_u32(&z->large_freed, 0); /* acquire: the links. Pairs with zs__large_free */
    while (at) {
        uint32_t head = at - 1;
        at = z->cold[head].home;
        zs__large_unlist(z, head);
        zs__large_give(z, head, purge);
    }
}

static void zs__large_push(zs__allocator *z, uint32_t head) /* [LARGE-4] */
{
    uint32_t top = zs__load_u32(&z->large_freed);
    if (ZS__HOOKS) /* FREEING no longer: zs__locate_told. release: the object's last use */
        zs__store_rel_u8(zs__large_state(z, head), ZS__REMOTE);
    do z->cold[head].home = top;
    while (!zs__cas_u32(&z->large_freed, &top, head + 1)); /* release: the link. Pairs with zs__large_collect */
}

/* [LARGE-6] A span that is kept joins the freed ones; 0: it is not kept. Arena lock held. */
static int zs__large_unkeep_at(zs__allocator *z, uint32_t head)
{
    uint8_t was = ZS__KEPT, *state = zs__large_state(z, head);
    if (zs__load_u8(state) != ZS__KEPT || !zs__cas_u8(state, &was, ZS__FREEING))
        return 0; /* seq_cst: of this and zs__large_reuse one succeeds */
    zs__large_push(z, head);
    return 1;
}

/* Spans kept in a place, NULL: in all, are free; 0: there were none. Arena lock held. */
static int zs__large_unkeep(zs__allocator *z, const zs__place *place, int purge)
{
    int any = 0;
    uint32_t at;
    if (place && (at = place->large) != 0) do {
            any |= zs__large_unkeep_at(z, at - 1);
            at = z->cold[at - 1].next;
        } while (at != place->large);
    for (at = place ? z->fresh_chunk : zs__bits_find(z->span_head, 0, z->fresh_chunk, 1); at < z->fresh_chunk;
         at = zs__bits_find(z->span_head, at + 1, z->fresh_chunk, 1))
        any |= zs__large_unkeep_at(z, at);
    zs__large_collect(z, purge);
    return any;
}

static int zs__kept_drop(zslab_heap *heap) /* the same for what its owner, or the parked heap, lists */
{
    zs__allocator *z = heap->z;
    int any = 0;
    while (heap->kept_count) any |= zs__large_unkeep_at(z, (uint32_t)heap->kept[--heap->kept_count]);
    heap->kept_bytes = 0;
    zs__large_collect(z, 0);
    return any;
}

/* No thread frees a large object of a dead round by its handle, or it will find the round over. Arena lock held. */
static int zs__large_at_rest(const zs__allocator *z, uint32_t head)
{
    const zs__id *e = zs__id_of(z, head, zs__chunk_slab(z, &z->chunks[head]));
    zs__fence_seq(); /* as in zs__chunk_at_rest */
    return !e || zs__word_live(zs__load_acq_u32(zs__id_words(z, zs__id_number(z, e))), 0);
}

/* [LARGE-3] Arena lock held. */
static void zs__large_sweep(zs__allocator *z, uint32_t most, int purge)
{
    zs__large_collect(z, purge);
    for (; z->large_dead && most; most--) {
        uint32_t head = z->large_dead - 1;
        uint8_t *state = zs__large_state(z, head), was = zs__load_u8(state);
        int rest = was != ZS__HANDLE || zs__large_at_rest(z, head);
        zs__large_unlist(z, head);
        while (rest && zs__large_held(was) && !zs__cas_u8(state, &was, ZS__FREEING))
            ; /* seq_cst: of this and a free one succeeds; kept or made again meanwhile: once more */
        if (rest && zs__large_held(was))
            zs__large_give(z, head, purge);
        else
            zs__store_u32(&z->cold[head].flags, z->cold[head].flags | ZS__CHUNK_TAKEN); /* relaxed: a look */
    }
}

/* Does a place have live objects? Later ones find its state as it is now, or later. Epoch lock held. */
static int zs__large_left(zs__allocator *z, const zs__place *place)
{
    int left;
    zs__arena_take(z);
    zs__large_collect(z, 0);
    while (place->large && zs__large_unkeep_at(z, place->large - 1)) /* what lives stays in front */
        zs__large_collect(z, 0);
    left = place->large != 0;
    zs__arena_drop(z);
    return left;
}

/* The round of a place ends, for all of its objects [STAMP-1]. `shut`: so does the epoch, which takes none from here
   on. Epoch lock held. */
static void zs__large_end(zs__allocator *z, zs__place *place, uint64_t round, int shut)
{
    zs__arena_take(z);
    zs__large_collect(z, 0);
    /* every object is stale. release: with the acquire loads of rounds */
    zs__store_rel_u64(&zs__round_of(z, (uint64_t)(place - z->places))->word, round);
    if (place->large && z->large_dead) { /* two rings become one */
        uint32_t last = z->cold[place->large - 1].prev, end = z->cold[z->large_dead - 1].prev;
        z->cold[last - 1].next = z->large_dead;
        z->cold[z->large_dead - 1].prev = last;
        z->cold[end - 1].next = place->large;
        z->cold[place->large - 1].prev = end;
    }
    if (place->large) z->large_dead = place->large;
    place->large = 0;
    if (shut) zs__store_rel_u32(&place->state, ZSLAB_EPOCH_CLOSING); /* release: pairs with zs__place_find */
    zs__arena_drop(z);
}

/* Chunks of the pool join the spans, but for those lent. Arena lock held. */
static void zs__large_gather(zs__allocator *z, uint32_t most)
{
    uint32_t *at = &z->pool;
    for (; *at && most; most--) {
        uint32_t chunk = *at - 1;
        zs__chunk_cold *x = &z->cold[chunk];
        if (!zs__chunk_at_rest(z, chunk)) { /* [LEND-1] [ID-7] */
            at = &x->all_next;
            continue;
        }
        *at = x->all_next;
        z->pool_count--;
        zs__cached(z, x, 0);
        x->flags = 0; /* what a purge left is not known to be zeros */
        zs__bits_put(z->span_short, chunk, 1, x->purged_bytes != 0);
        zs__span_give(z, chunk, 1);
    }
}

/* Chunks that served classes leave them, as in zs__chunk_bind: no claim is held on their places [EPOCH-4], and in
   shared mode no slot of them is in transit. 0 = done; else 1 + a chunk in the way, and all are as they were. */
static uint32_t zs__large_unbind(zs__allocator *z, uint32_t first, uint32_t end)
{
    uint32_t i, any = 0, bad = 0, other = zs__bits_find(z->span_kind, first, end, 0);
    if (ZS__LIKELY(other == end)) return 0;
    for (i = other; i < end; i = zs__bits_find(z->span_kind, i + 1, end, 0)) {
        uint64_t old = z->chunks[i].stamp;
        z->cold[i].next = (uint32_t)old;
        z->cold[i].prev = (uint32_t)(old >> 32);
        any |= old != 0;
        zs__store_u64(&z->chunks[i].stamp, 0);
    }
    if (any && (z->rss_policy || !z->fence_ready)) zs__fence_seq(); /* as in zs__chunk_bind */
    for (i = other; i < end && any && !bad; i = zs__bits_find(z->span_kind, i + 1, end, 0)) {
        uint64_t old = (uint64_t)z->cold[i].prev << 32 | z->cold[i].next;
        if (old &&
            (zs__load_seq_u32(&z->places[zs__stamp_place(old)].purging) || (z->shared && !zs__dead_settled(z, i))))
            bad = i + 1;
    }
    for (i = other; i < end && bad; i = zs__bits_find(z->span_kind, i + 1, end, 0))
        zs__store_u64(&z->chunks[i].stamp, (uint64_t)z->cold[i].prev << 32 | z->cold[i].next);
    return bad;
}

/* What the records of tails come to more, where zs__large_convert makes them. Arena lock held. */
static size_t zs__large_metadata(const zs__allocator *z, uint32_t first, uint32_t end)
{
    uint32_t region = z->classes[ZSLAB_CLASS_LARGE].region, i;
    size_t more = 0;
    for (i = zs__bits_find(z->span_kind, first, end, 0); i < end; i = zs__bits_find(z->span_kind, i + 1, end, 0))
        more += zs__chunk_metadata_more(z, i, region);
    return more;
}

/* Chunks that zs__large_unbind let go have records of tails. Arena lock held. */
static void zs__large_convert(zs__allocator *z, uint32_t first, uint32_t end)
{
    const zs__class *k = &z->classes[ZSLAB_CLASS_LARGE];
    uint32_t i;
    for (i = zs__bits_find(z->span_kind, first, end, 0); i < end; i = zs__bits_find(z->span_kind, i + 1, end, 0)) {
        zs__chunk *c = &z->chunks[i];
        zs__chunk_cold *x = &z->cold[i];
        if (x->ids) zs__ids_leave(z, i, 1);
        zs__chunk_clear(z, i);
        zs__store_u32(&x->start, 0);
        x->drained = 0;
        zs__store_u8(&x->touched, 0);
        zs__store_u64(&x->regions, zs__load_u64(&x->regions) | (uint64_t)1 << k->region);
        zs__store_ptr(&c->states, (uintptr_t)(z->states + zs__slab_at(z, i, k) * 64));
        zs__store_ptr(&c->row, (uintptr_t)&z->drain_row); /* nobody's: hints that come late mean nothing */
        zs__store_u16(&c->cls, ZSLAB_CLASS_LARGE);
        zs__store_recip(&c->recip, k->recip);
        zs__bits_put(z->span_kind, i, 1, 1);
    }
    for (i = zs__bits_find(z->span_head, first, end, 1); i < end; i = zs__bits_find(z->span_head, i + 1, end, 1)) {
        zs__store_u64(&z->chunks[i].stamp, 0);
        zs__bits_put(z->span_head, i, 1, 0);
    }
}

/* The first and the end of a span's chunks that may hold other bytes than zeros. */
static void zs__large_dirt(const zs__allocator *z, uint32_t *first, uint32_t *end)
{
    uint32_t i, from = *end, to = *first;
    for (i = *first; i < *end; i++)
        if (z->cold[i].purged_bytes != ZS__CHUNK_BYTES || !(z->cold[i].flags & ZS__CHUNK_ZERO)) {
            from = i < from ? i : from;
            to = i + 1;
        }
    *first = from;
    *end = to > from ? to : from;
}

/* ---- >>large-take ----------------------------------------------------------
   Large objects made, freed, kept for the next one as long, resized in place; what a trim or a search takes of them. */

/* A span of so many chunks, out of the free space: what was used before goes before what was never. 1 + its first; 0:
   there is none. Arena lock held. */
static uint32_t zs__large_span(zslab_heap *heap, uint32_t count, const zs__large_ask *ask)
{
    zs__allocator *z = heap->z;
    const size_t bytes = zs__large_usable(z, ask->size);
    const uint32_t tries = ask->all ? ~(uint32_t)0 : ZS__LARGE_TRIES;
    const uint32_t wide = ask->room && count <= (z->chunk_limit - z->fresh_chunk) / 4 ? 2 * count : count;
    int from_pool = 1, kept = 1; /* not looked there yet */
    for (;;) {
        uint32_t skip = 0, found = zs__span_find(z, wide, bytes, ask->alignment, tries, &skip), first, bad, i;
        if (!found && wide > count && !zs__span_grow(z, count, ask->alignment))
            continue; /* at the end of what is used: room to grow into */
        if (!found && wide > count) found = zs__span_find(z, count, bytes, ask->alignment, tries, &skip);
        if (!found && !z->shared && zs__kept_drop(heap)) continue;
        if (!found && kept && zs__sealed(z)) { /* no trim will look for what others keep */
            kept = 0;
            if (zs__large_unkeep(z, NULL, 0)) continue;
        }
        if (!found && from_pool && z->pool) {
            zs__large_gather(z, ask->all ? ~(uint32_t)0 : ZS__LARGE_POOL);
            from_pool = 0;
            continue;
        }
        if (!found && zs__span_grow(z, count, ask->alignment)) {
            if (!kept || !zs__large_unkeep(z, NULL, 0)) return 0;
            kept = 0;
            continue;
        }
        if (!found) found = zs__span_find(z, count, bytes, ask->alignment, ~(uint32_t)0, &skip);
        if (!found) return 0;
        first = found - 1 + skip;
        zs__span_cut(z, found - 1, skip, count);
        if (zs__span_commit(z, first, first + count, bytes)) {
            zs__span_give(z, first, count);
            return 0;
        }
        bad = zs__large_unbind(z, first, first + count);
        if (!bad) return first + 1;
        i = bad - 1; /* it waits in the pool; the rest is free again */
        if (zs__span_commit(z, i, i + 1, ZS__CHUNK_BYTES)) {
            zs__span_give(z, first, count);
            return 0;
        }
        if (i > first) zs__span_give(z, first, i - first);
        if (i + 1 < first + count) zs__span_give(z, i + 1, first + count - i - 1);
        zs__bits_put(z->span_short, i, 1, 0);
        zs__bits_put(z->span_bare, i, 1, 0);
        z->cold[i].all_next = z->pool;
        z->pool = i + 1;
        z->pool_count++;
        from_pool = 0;
    }
}

static void zs__large_tell(const zs__allocator *z, uint32_t head, size_t was, size_t bytes) /* an object is resized */
{
    char *p;
    if (!ZS__MEMCHECK) return;
    p = zs__chunk_base(z, head);
    zs__mem_free_object(p, was);
    zs__mem_alloc_object(p, bytes);
    zs__mem_show(p, was < bytes ? was : bytes);
}

/* An object in an epoch. Refused: NULL with the reason, and nothing changed. */
static void *zs__large_take(zslab_heap *heap, zslab_epoch e, const zs__large_ask *ask, zslab_result *why)
{
    zs__allocator *z = heap->z;
    zs__place *place = &z->places[e & ZS__PLACE_MASK];
    uint32_t count = zs__large_chunks(ask->size), first, had, from, to;
    uint32_t *reserved = &zs__round_of(z, e)->reserved;
    size_t bytes = zs__large_usable(z, ask->size), more = 0;
    zs__chunk_cold *x;
    char *p;
    *why = ZSLAB_E_BUSY;
    if (!zs__count_enter(z, &z->arena_lock, ZS__LOCK_ARENA)) return NULL;
    zs__large_sweep(z, ask->all ? ~(uint32_t)0 : ZS__LARGE_SOME, 1);
    if (zs__load_u64(&place->id) != e || zs__load_u32(&place->state) != ZSLAB_EPOCH_ACTIVE) {
        zs__arena_drop(z); /* [LARGE-2] */
        *why = ZSLAB_E_CLOSED;
        return NULL;
    }
    *why = ZSLAB_E_NOMEM;
    for (;;) {
        first = had =
            ask->alignment <= ZS__CHUNK_BYTES && !ask->reserve ? zs__span_take_reserved(z, reserved, count, bytes) : 0;
        if (!first && z->fresh_chunk == z->chunk_limit) { /* space is short: nothing kept or pooled divides it */
            zs__kept_drop(heap);
            zs__large_gather(z, ZS__LARGE_POOL);
        }
        if (!first) first = zs__large_span(heap, count, ask);
        if (first || !z->large_dead || !zs__sealed(z)) break;
        zs__large_sweep(z, ~(uint32_t)0, 0); /* no trim will look for what ended */
    }
    if (first--) {
        more = zs__span_uncounted(z, first, first + count, bytes, 0);
        if (zs__charge_take(z, zs__load_u64(&zs__round_of(z, e)->word), zs__span_counted(z, first, count) + more, more,
                            zs__large_metadata(z, first, first + count))) {
            *why = ZSLAB_E_LIMIT;
            if (had && z->cold[first].flags & ZS__CHUNK_RESERVED)
                zs__span_reserve(z, reserved, first);
            else
                zs__span_give(z, first, count);
            first = ~(uint32_t)0;
        }
    }
    if (first == ~(uint32_t)0) {
        uint32_t *out = z->span_hands ? &z->span_hands : &z->pool_out;
        const uint32_t hands = zs__load_u32(out);
        int turn;
        zs__arena_drop(z);
        for (turn = 0; hands && turn < ZS__LARGE_WAIT && !zs__sealed(z) && zs__load_acq_u32(out) == hands; turn++)
            zs__wait_turn(out, hands, turn); /* acquire: pairs with zs__large_purge and zs__chunks_trim */
        return hands && turn < ZS__LARGE_WAIT && !zs__sealed(z) ? zs__large_take(heap, e, ask, why) : NULL;
    }
    from = first, to = first + count;
    if (ask->zero) zs__large_dirt(z, &from, &to);
    if (more) zs__span_uncounted(z, first, first + count, bytes, 1);
    if (!had) {
        zs__large_convert(z, first, first + count);
        zs__place_used(place);
    }
    p = zs__chunk_base(z, first);
    x = &z->cold[first];
    zs__store_u32(&x->all_next, count);
    zs__store_u64(&x->mask[0], bytes);
    zs__store_u32(&x->carved, 1);
    x->flags &= ~ZS__CHUNK_TAKEN;
    if (ask->reserve) {
        x->flags |= ZS__CHUNK_RESERVED;
        x->held = (uint16_t)((bytes - (size_t)(count - 1) * ZS__CHUNK_BYTES) / 64);
    }
    zs__bits_put(z->span_head, first, 1, 1);
    zs__mem_clear(p, p, (size_t)count * ZS__CHUNK_BYTES);
    zs__mem_alloc_object(p, bytes);
    zs__large_list(z, &place->large, first);
    /* release, both: the record. Pair with zs__locate */
    zs__store_rel_u64(&z->chunks[first].stamp, zs__load_u64(&zs__round_of(z, e)->word));
    zs__store_rel_u8(zs__large_state(z, first), ask->handle ? ZS__HANDLE : ZS__GUARDED);
    if (ask->handle) { /* under the same hold: after it a release may give the span to another [LARGE-2] */
        uint32_t slab = zs__chunk_slab(z, &z->chunks[first]);
        zs__id *id = zs__id_bind_in(z, first, slab, why);
        if (!id) {
            zs__store_u8(zs__large_state(z, first), ZS__FREEING); /* relaxed: whoever looks has the lock */
            zs__large_unlist(z, first);
            zs__large_give(z, first, 0);
            zs__arena_drop(z);
            return NULL;
        }
        *ask->handle = zs__handle_word(z, id, zs__id_number(z, id), 0);
    }
    zs__arena_drop(z);
    if (ask->zero) {
        size_t at = (size_t)(from - first) * ZS__CHUNK_BYTES, end = (size_t)(to - first) * ZS__CHUNK_BYTES;
        zs__mem_show(p, bytes);
        if (from < to) zs__zero(p + at, (end < bytes ? end : bytes) - at);
    }
    return p;
}

/* An object that its caller took (state FREEING) goes. No lock held. */
static zslab_result zs__large_free(zs__allocator *z, uint32_t head)
{
    uint64_t stamp = z->chunks[head].stamp;
    zs__place *place = &z->places[zs__stamp_place(stamp)];
    int last;
    if (z->shared || !zs__ranked_try(zs__as_lock(&z->arena_lock), ZS__LOCK_ARENA)) {
        zs__large_push(z, head);
        return ZSLAB_OK;
    }
    zs__large_unlist(z, head);
    last = !place->large && zs__load_u32(&place->state) == ZSLAB_EPOCH_CLOSING;
    zs__large_give(z, head, 1);
    zs__arena_drop(z);
    if (last && z->rss_policy && !zs__sealed(z)) zs__place_last(z, place);
    return ZSLAB_OK;
}

#if !ZSLAB_NO_TLS
/* May a heap keep so many bytes? A small part of the range, whose space it divides. Heaps together: a 32nd of what is
   committed; RSS: what the cache has room for. */
static inline int zs__kept_fits(const zs__allocator *z, size_t bytes)
{
    size_t most, cached;
    if (bytes > z->range_bytes / ZS__KEPT_OF) return 0;
    if (bytes <= ZS__KEPT_BYTES && !z->rss_policy) return 1;
    if (!z->rss_policy) {
        most = zs__load_ptr(&z->committed_bytes) / 32; /* relaxed, all: figures */
    } else {
        cached = zs__load_ptr(&z->cached_bytes);
        most = cached < z->config.cache_bytes ? z->config.cache_bytes - cached : 0;
    }
    return bytes <= most / zs__load_u32(&z->heap_count);
}

/* The common free of a large object: its span stays kept. 0: not this one. [LARGE-6] */
static int zs__large_keep(zs__allocator *z, zslab_heap *heap, const void *p)
{
    size_t offset = (size_t)((uintptr_t)p - (uintptr_t)z->base);
    uint32_t head = (uint32_t)(offset >> ZSLAB_CHUNK_SHIFT), count;
    uint8_t *state, was = ZS__GUARDED;
    zs__place *place;
    uint64_t stamp;
    if (offset >= z->range_bytes || (offset & ZS__CHUNK_MASK) || z->always_slow ||
        zs__load_recip(&z->chunks[head].recip) != z->classes[ZSLAB_CLASS_LARGE].recip)
        return 0;
    stamp = zs__load_acq_u64(&z->chunks[head].stamp); /* acquire, both: as in zs__large_locate */
    state = zs__large_state(z, head);
    place = &z->places[zs__stamp_place(stamp)];
    heap = heap ? heap : zs__heap_here(z);
    if (zs__load_acq_u8(state) != ZS__GUARDED || stamp != zs__load_u64(&zs__round_at(z, stamp)->word) || !heap ||
        zs__load_u32(&place->state) != ZSLAB_EPOCH_ACTIVE || (zs__load_u32(&z->cold[head].flags) & ZS__CHUNK_RESERVED))
        return 0;
    count = zs__load_u32(&z->cold[head].all_next);
    while (heap->kept_count == ZS__KEPT_MOST || !zs__kept_fits(z, heap->kept_bytes + (size_t)count * ZS__CHUNK_BYTES)) {
        uint64_t oldest = heap->kept[0];
        uint8_t kept = ZS__KEPT;
        uint32_t i;
        if (!heap->kept_count) return 0;
        for (i = 1, heap->kept_count--; i <= heap->kept_count; i++) heap->kept[i - 1] = heap->kept[i];
        heap->kept_bytes -= (size_t)(oldest >> 32) * ZS__CHUNK_BYTES;
        if (zs__cas_u8(zs__large_state(z, (uint32_t)oldest), &kept, ZS__FREEING)) /* seq_cst, as the next ones */
            zs__large_free(z, (uint32_t)oldest);
    }
    if (!zs__cas_u8(state, &was, ZS__KEPT)) /* seq_cst: the object's last use */
        return 0;
    zs__compiler_barrier(); /* pairs with the second fence of a close */
    heap->kept[heap->kept_count++] = (uint64_t)count << 32 | head;
    heap->kept_bytes += (size_t)count * ZS__CHUNK_BYTES;
    zs__count_away(z, heap, z->class_count);
    was = ZS__KEPT;
    if (ZS__UNLIKELY(zs__load_u32(&place->state) != ZSLAB_EPOCH_ACTIVE) && zs__cas_u8(state, &was, ZS__FREEING))
        zs__large_free(z, head);
    return 1;
}
#endif

/* An object in a span that the heap keeps; NULL: it has none as long. [LARGE-6] */
static void *zs__large_reuse(zslab_heap *heap, const zs__large_ask *ask, zslab_epoch e)
{
    zs__allocator *z = heap->z;
    const zs__place *place = &z->places[e & ZS__PLACE_MASK];
    const uint32_t count = zs__large_chunks(ask->size);
    const size_t bytes = zs__large_usable(z, ask->size);
    const uint64_t round = zs__load_acq_u64(&zs__round_of(z, e)->word); /* acquire: a new round comes before a new id */
    uint32_t i;
    if (zs__load_u64(&place->id) != e || zs__load_u32(&place->state) != ZSLAB_EPOCH_ACTIVE) return NULL;
    for (i = heap->kept_count; i-- > 0;) {
        uint32_t head = (uint32_t)heap->kept[i];
        char *p = zs__chunk_base(z, head);
        uint8_t was = ZS__KEPT, *state = zs__large_state(z, head);
        int ours;
        if (heap->kept[i] >> 32 != count || zs__load_u64(&z->chunks[head].stamp) != round ||
            ((uintptr_t)p & (ask->alignment - 1)))
            continue;
        heap->kept[i] = heap->kept[--heap->kept_count];
        heap->kept_bytes -= (size_t)count * ZS__CHUNK_BYTES;
        if (zs__load_u8(state) != ZS__KEPT || !zs__cas_u8(state, &was, ZS__GUARDED)) /* seq_cst: as in zs__large_keep */
            continue;
        /* ours; yet it may be another's, since it was listed. relaxed: the span itself says who has it */
        ours = zs__load_u64(&z->chunks[head].stamp) == round && zs__load_u32(&z->cold[head].all_next) == count;
        if (ours) {
            zs__store_u64(&z->cold[head].mask[0], bytes); /* before the look behind it. Pairs with zs__large_tails */
            zs__compiler_barrier();
            if (!z->fence_ready) zs__fence_seq();
        }
        /* relaxed: as above. A part of it may never have been used, or is being given back */
        if (!ours || zs__load_u32(&z->cold[head + count - 1].purged_bytes) > (size_t)count * ZS__CHUNK_BYTES - bytes ||
            zs__load_u32(&place->state) != ZSLAB_EPOCH_ACTIVE) {
            was = ZS__GUARDED;
            if (zs__cas_u8(state, &was, ZS__FREEING)) zs__large_free(z, head);
            continue;
        }
        if (ask->zero) zs__zero(p, bytes);
#if ZSLAB_STATS > 1
        zs__count_any(z, &heap->counters[z->class_count].allocs, 1);
#endif
        return p;
    }
    return NULL;
}

/* The object at a head becomes larger or smaller where it is; 0: it cannot. */
static int zs__large_resize(zs__allocator *z, uint32_t head, size_t size)
{
    uint32_t count = zs__large_chunks(size), have, next, end = head + count;
    size_t bytes = zs__large_usable(z, size), was, more;
    int done = 0;
    if (z->shared && zs__interrupts(z, NULL)) /* [SHARED-5] */
        return 0;
    zs__arena_take(z);
    have = z->cold[head].all_next;
    was = zs__large_bytes(z, head);
    next = head + have;
    if (count > have) {
        if (next < z->fresh_chunk && zs__bit(z->span_head, next) && zs__large_unkeep_at(z, next))
            zs__large_collect(z, 0);
        if (next == z->fresh_chunk ||
            (zs__bit(z->span_free, next) && next + z->cold[next].all_next == z->fresh_chunk)) {
            uint32_t room = z->fresh_chunk - next, need = count - have;
            if (room < need) zs__span_grow(z, need, ZS__CHUNK_BYTES);
        }
        if (next >= z->chunk_count || !zs__bit(z->span_free, next) || z->cold[next].all_next < count - have) goto out;
        zs__span_cut(z, next, 0, count - have);
        if (zs__large_unbind(z, next, end)) {
            zs__span_give(z, next, count - have);
            goto out;
        }
    }
    more = zs__span_uncounted(z, head, end, bytes, 0);
    if (zs__span_commit(z, head, end, bytes) ||
        zs__charge_take(z, z->chunks[head].stamp, more + (count > have ? zs__span_counted(z, next, count - have) : 0),
                        more, count > have ? zs__large_metadata(z, next, end) : 0)) {
        if (count > have) zs__span_give(z, next, count - have);
        goto out;
    }
    zs__span_uncounted(z, head, end, bytes, 1);
    if (count > have) zs__large_convert(z, next, end);
    zs__large_tell(z, head, was, bytes);
    if (count != have) z->cold[head].flags &= ~ZS__CHUNK_RESERVED;
    zs__store_u64(&z->cold[head].mask[0], bytes);
    zs__store_u32(&z->cold[head].all_next, count);
    if (count < have) {
        zs__uncharge(z, z->chunks[head].stamp, zs__span_counted(z, end, have - count));
        zs__span_give(z, end, have - count);
    }
    done = 1;
out:
    zs__arena_drop(z);
    return done;
}

/* Pages behind live objects that what was there before had committed. They are marked before it is asked what lives:
   either who makes an object in a kept span finds the mark, or that object's length is found here [LARGE-6]. Under the
   arena lock, which other frees take. */
static size_t zs__large_tails(zs__allocator *z)
{
    struct {
        uint32_t head, rest, was;
    } some[ZS__LARGE_TAILS];
    uint32_t head, next = 0, n, i, end = z->fresh_chunk;
    size_t given = 0;
    if (zs__sealed(z)) return 0;
    do {
        for (n = 0; n < ZS__LARGE_TAILS && (head = zs__bits_find(z->span_head, next, end, 1)) < end; next = head + 1) {
            zs__chunk_cold *last = &z->cold[head + z->cold[head].all_next - 1];
            some[n].head = head;
            some[n].rest = (uint32_t)((size_t)z->cold[head].all_next * ZS__CHUNK_BYTES - zs__large_bytes(z, head));
            some[n].was = zs__load_u32(&last->purged_bytes);
            if (zs__large_live(zs__load_u8(zs__large_state(z, head))) && some[n].rest > some[n].was)
                zs__store_u32(&last->purged_bytes, some[n++].rest);
        }
        if (n) zs__fence_all(z); /* pairs with zs__large_reuse */
        for (i = 0; i < n; i++) {
            uint32_t count = z->cold[some[i].head].all_next, last = some[i].head + count - 1;
            size_t bytes = (size_t)count * ZS__CHUNK_BYTES - some[i].rest, more = some[i].rest - some[i].was;
            head = some[i].head;
            if (!zs__large_live(zs__load_u8(zs__large_state(z, head))) || zs__large_bytes(z, head) != bytes ||
                !zs__purge_pages(z, zs__chunk_base(z, head) + bytes, more)) {
                zs__store_u32(&z->cold[last].purged_bytes, some[i].was);
                continue;
            }
            z->cold[head].held = (uint16_t)((ZS__CHUNK_BYTES - some[i].rest) / 64); /* if it is set aside */
            zs__bits_put(z->span_short, last, 1, 1);
            zs__uncharge(z, z->chunks[head].stamp, more);
            zs__budget_give(z, more, 0);
            given += more;
        }
    } while (n == ZS__LARGE_TAILS);
    return given;
}

/* Free spans, dead objects and what stands behind live ones give their pages back, free spans down to `keep` resident
   bytes; the pool's chunks are its own. */
static size_t zs__large_trim(zs__allocator *z, size_t keep)
{
    size_t given = 0;
    uint32_t at, count;
    zs__arena_take(z);
    zs__large_sweep(z, ~(uint32_t)0, 0);
    for (at = zs__bits_find(z->span_free, 0, z->fresh_chunk, 1); at < z->fresh_chunk && z->span_idle > keep;
         at = zs__bits_find(z->span_free, at + count, z->fresh_chunk, 1)) {
        if (at && zs__bit(z->span_free, at - 1)) { /* what was given back meanwhile joined it: the next trim's */
            count = zs__bits_find(z->span_free, at, z->fresh_chunk, 0) - at;
            continue;
        }
        count = z->cold[at].all_next;
        if (!zs__span_counted(z, at, count)) continue;
        zs__span_cut(z, at, 0, count);
        given += zs__large_purge(z, at, count);
        zs__span_give(z, at, count);
    }
    given += zs__large_tails(z);
    zs__arena_drop(z);
    return given;
}

/* [SPAN-5] Before a refusal of the system's. 0: nothing changed. No lock held. */
static int zs__large_strip(zs__allocator *z)
{
    int any;
    if (z->config.memory || z->config.os.commit != zs__os_commit || z->page_bytes > ZS__CHUNK_BYTES || zs__sealed(z) ||
        (z->config.flags & (ZSLAB_FLAG_LOCK_PAGES | ZSLAB_FLAG_PREFAULT)))
        return 0;
    zs__arena_take(z);
    zs__large_gather(z, ~(uint32_t)0);
    zs__arena_drop(z);
    zs__large_trim(z, 0);
    zs__arena_take(z);
    any = !zs__load_u32(&z->span_hands) && zs__spans_strip(z);
    zs__arena_drop(z);
    return any;
}

/* Before a refusal: what trim does, and no memory is kept. */
static ZS__NOINLINE void zs__large_search(zs__allocator *z, zslab_result why)
{
    zs__large_unreserve(z);
    zslab_trim(z);
    zs__empty_trim(z);
    if (why == ZSLAB_E_NOMEM) zs__large_strip(z);
}

static size_t zs__discard(zs__allocator *z, const zslab_group *g, int any, zslab_epoch but, size_t bytes);

/* An allocation found no memory, and there is none to be found: the oldest epoch of its group that may be discarded
   goes; 0: there is none. */
static int zs__heap_discard(zslab_heap *heap, zslab_epoch e, zslab_result why)
{
    zs__allocator *z = heap->z;
    zslab_epoch in = e ? e : zs__heap_epoch(heap);
    zs__place *place = zs__place_find(z, in);
    uint32_t depth = heap->busy;
    size_t bytes;
    if ((why != ZSLAB_E_LIMIT && why != ZSLAB_E_NOMEM) || !place || zs__sealed(z) || !zs__load_u32(&z->discardable))
        return 0;
    if (!z->shared)
        zs__store_rel_u32(&heap->busy, 0); /* release: as in zs__heap_exit; callbacks run, and nothing is held */
    bytes = zs__discard(z, zs__place_group(place), 0, in, 1);
    if (!z->shared) {
        zs__heap_enter(heap);
        zs__store_u32(&heap->busy, depth); /* relaxed: as in zs__heap_reclaim */
    }
    return bytes != 0;
}

/* An object in an epoch, 0: the heap's own. NULL with the reason. */
static void *zs__large_alloc(zslab_heap *heap, zs__large_ask ask, zslab_epoch e, zslab_result *why)
{
    zs__allocator *z = heap->z;
    zs__fork_check();
    if (!z->shared) zs__heap_housekeep(heap);
    for (;;) {
        zslab_epoch in = e ? e : zs__heap_epoch(heap);
        void *p;
        *why = ZSLAB_E_BUSY;
        if (z->shared && zs__interrupts(z, NULL)) return NULL;
        *why = ZSLAB_E_CLOSED;
        p = NULL;
        if (in && (in & ZS__PLACE_MASK) < z->epoch_count) {
            if (heap->kept_count && !ask.room && !ask.reserve && !ask.handle &&
                (p = zs__large_reuse(heap, &ask, in)) != NULL)
                return p;
            p = zs__large_take(heap, in, &ask, why);
        }
        if (p) {
#if ZSLAB_STATS > 1
            zs__count_any(z, &heap->counters[z->class_count].allocs, 1);
#endif
            return p;
        }
        if (*why == ZSLAB_E_CLOSED ? e || in == zs__heap_epoch(heap)
                                   : (ask.all && !zs__heap_discard(heap, in, *why)) || zs__sealed(z))
            return NULL;
        if (*why != ZSLAB_E_CLOSED) {
            if (z->shared && zs__interrupts_any(z)) {
                *why = ZSLAB_E_BUSY;
                return NULL;
            }
            zs__large_search(z, *why);
            ask.all = 1;
        }
    }
}

/* Commit and touch memory for so many objects, which the free space keeps. */
static zslab_result zs__large_reserve(zslab_heap *heap, zslab_epoch e, size_t size, size_t count)
{
    zs__allocator *z = heap->z;
    zs__large_ask ask = {size, 1, 0, 0, 0, 1, NULL};
    zslab_result why = ZSLAB_OK;
    uint32_t made = 0, next; /* 1 + head: a list by `home` */
    for (; count && why == ZSLAB_OK; count--) {
        char *p = (char *)zs__large_alloc(heap, ask, e, &why);
        size_t at, bytes = zs__large_usable(z, size);
        if (!p) break;
        why = ZSLAB_OK;
        for (at = 0; at < bytes; at += z->page_bytes) *(volatile char *)(p + at) = 0;
        next = (uint32_t)((size_t)(p - z->base) >> ZSLAB_CHUNK_SHIFT);
        z->cold[next].start = made;
        made = next + 1;
    }
    for (; made; made = next) {
        uint8_t was = ZS__GUARDED;
        next = z->cold[made - 1].start;
        z->cold[made - 1].start = 0;
        if (zs__cas_u8(zs__large_state(z, made - 1), &was, ZS__FREEING)) {
            zs__mem_free_object(zs__chunk_base(z, made - 1), zs__large_bytes(z, made - 1));
            zs__large_free(z, made - 1);
        }
    }
    return why;
}

/* ---- >>alloc ---------------------------------------------------------------
   The slow paths of allocation and of frees of others' objects, in the order in which a bin is filled again: the
   inbox, partial slabs, fresh slabs, chunks of dead rounds, the pool, the range. */
/* The bin has run dry: it is one that allocates, and may have a chunk lent, or another one. */
static inline void zs__bin_lendable(const zslab_heap *heap, zs__bin *bin)
{
    if (bin->lent & ZS__LENT_ANY) zs__bin_unlend(heap->z, bin);
    if (!bin->lent && !heap->z->always_slow) bin->lent = ZS__LENT_ANY;
}

/* Something to allocate from, in the order of its heat. */
static zslab_result zs__bin_refill(zslab_heap *heap, zs__bin *bin)
{
    zs__allocator *z = heap->z;
    zslab_result why;
    int turn = 0;
    zs__bin_lendable(heap, bin);
    /* at every turn, or what others gave back would pile up behind partial slabs */
    if (zs__inbox_drain(heap, ZS__DRAIN_MAX)) zs__count(&heap->counters[bin->cls].inbox);
    if (zs__take_partial(z, bin)) return ZSLAB_OK;
    if (zs__take_fresh(z, bin)) return ZSLAB_OK;
    why = zs__take_chunk(z, bin);
    while (why == ZSLAB_E_BUSY && zs__chunks_wait(z, &turn)) why = zs__take_chunk(z, bin);
    if (why == ZSLAB_OK) zs__take_fresh(z, bin);
    return why == ZSLAB_E_BUSY && !zs__sealed(z) ? ZSLAB_E_NOMEM : why;
}

/* One slot of the bin as the fast path takes it, marked `state`; NULL: refill first. */
static void *zs__bin_take(zslab_heap *heap, zs__bin *bin, uint8_t state)
{
    unsigned slot;
    if (bin->top != bin->bottom) {
        zs__entry *top = bin->top - 1;
        zs__total_alloc(bin);
        zs__mem_alloc_object(top->p, bin->size);
        zs__store_rel_u8(top->state, state); /* release: as in zs__row_malloc */
        zs__bin_top(bin, top);
        return top->p;
    }
    if (!bin->avail) return NULL;
    zs__total_alloc(bin);
    slot = zs__ctz(bin->avail);
    if (heap->z->config.flags & ZSLAB_FLAG_HARDENED) { /* xorshift64, Marsaglia 2003 */
        heap->random ^= heap->random << 13;
        heap->random ^= heap->random >> 7;
        heap->random ^= heap->random << 17;
        slot = zs__any_bit(bin->avail, heap->random);
    }
    zs__mem_alloc_object(bin->slots + (size_t)slot * bin->size, bin->size);
    zs__store_rel_u8(bin->states + slot, state);
    zs__store_rel_u64(&bin->avail, bin->avail & ~((uint64_t)1 << slot)); /* release: as zs__bin_top */
    return bin->slots + (size_t)slot * bin->size;
}

static void zs__free_unseen(zs__allocator *z, void *p);

/* Undo an allocation: a free, also in a chunk that drains by now, that nobody is told of [HOOK-1]. In a dead round
   there is nothing to undo, but that the slot would look as if in transit [ID-7]. The owner is in a slow path. */
static void zs__undo_slot(zs__allocator *z, void *p)
{
    const zs__chunk *c = &z->chunks[(size_t)((char *)p - z->base) >> ZSLAB_CHUNK_SHIFT];
    uint64_t stamp = zs__load_u64(&c->stamp);
    zs__slot_plain(z, p);
    if (stamp == zs__load_u64(&zs__round_at(z, stamp)->word))
        zs__free_unseen(z, p);
    else if (ZS__MEMCHECK)
        zs__mem_hide(p, zs__chunk_class(z, c)->size);
}

/* The same for a slot of the row that the gate, or a call in another epoch, refuses. The chunk of a dead round may be
   another's by now [TAKE-4]. */
static void zs__undo(zs__row *row, void *p)
{
    zs__allocator *z = row->z;
    const zs__chunk *c = &z->chunks[(size_t)((char *)p - z->base) >> ZSLAB_CHUNK_SHIFT];
    uint32_t depth;
    zs__fork_check();
    depth = zs__heap_enter(row->heap);
    if (zs__load_u64(&c->stamp) == zs__load_u64(&row->stamp)) zs__undo_slot(z, p);
    zs__heap_exit(row->heap, depth);
}

/* Allocate from an open row: live first, gate after. Refused: *why is ZSLAB_E_CLOSED and nothing is held. again: the
   same allocation was here before and is counted. */
static void *zs__row_alloc(zslab_heap *heap, zs__row *row, size_t cls, uint8_t state, int again, zslab_result *why)
{
    zs__allocator *z = heap->z;
    zs__bin *bin = zs__bin_at(row, cls);
    zs__place *place = &z->places[row->place];
    void *p;
    for (; (p = zs__bin_take(heap, bin, state)) == NULL; again = 1) {
        if (!again) zs__count_dry(heap, bin->cls, bin->current);
        if ((*why = zs__bin_refill(heap, bin)) != ZSLAB_OK) return NULL;
    }
    if (z->no_membarrier) {
        zs__fence_seq(); /* [EPOCH-1] with the owner's own fence; pairs with the one in zs__gates_shut */
        if (zs__load_u64(&place->id) == row->epoch && zs__load_u32(&place->state) == ZSLAB_EPOCH_ACTIVE &&
            zs__load_u64(&zs__round_of(z, row->place)->word) == zs__load_u64(&row->stamp))
            return p;
    } else {
        zs__compiler_barrier(); /* [GATE-1] */
        if (zs__load_u64(&row->gate)) return p;
    }
    zs__undo(row, p);
    *why = ZSLAB_E_CLOSED;
    return NULL;
}

/* An allocation of the heap's is refused. e 0: in its own epoch. [BUDGET-2] */
static ZS__NOINLINE void zs__dry(zslab_heap *heap, size_t size, zslab_epoch e, zslab_result why)
{
    zs__allocator *z = heap->z;
    zs__row *row;
    const zs__place *place = why == ZSLAB_E_LIMIT ? zs__place_find(z, e ? e : zs__heap_epoch(heap)) : NULL;
    if (place && zs__place_group(place))
        zs__add_u64(&zs__place_group(place)->refused, 1); /* a counter: ordered with nothing */
    if ((why != ZSLAB_E_LIMIT && why != ZSLAB_E_NOMEM) || !z->config.on_dry) return;
    for (row = z->shared ? NULL : heap->attached; row; row = row->next)
        zs__store_u64(&row->gate, 0); /* relaxed: the owner opens it again, by zs__row_renew */
    if (!(zs__load_u32(&heap->dry) >> why & 1) && zs__word_note(z, why, NULL, size, 0, e ? e : zs__heap_epoch(heap)))
        zs__or_u32(&heap->dry, (uint32_t)1 << why); /* ordered with nothing */
}

static inline zslab_result zs__why(const zs__allocator *z, zslab_result why) /* sealed: the system was not asked */
{
    return why == ZSLAB_E_NOMEM && zs__sealed(z) ? ZSLAB_E_LIMIT : why;
}

static inline void *zs__served(zslab_heap *heap, void *p)
{
    if (ZS__UNLIKELY(zs__load_u32(&heap->dry))) zs__store_u32(&heap->dry, 0);
    return p;
}

static void *zs__fallback_alloc(zs__allocator *z, size_t size, size_t alignment)
{
    int saved = zs__errno();
    void *p;
    if (!z->config.fallback.alloc) return zs__fail_null(ZSLAB_E_TOO_BIG);
    p = (z->config.fallback.alloc)(z->config.fallback.user, size, alignment);
    zs__errno_back(saved);
    return p ? p : zs__fail_null(ZSLAB_E_NOMEM);
}

static void zs__profile_put(zs__allocator *z, const void *p, size_t size, uint64_t bytes);

/* An object is about to be given out; bytes: what it stands for, 0: it is not sampled. Its frees go the cold path. */
static inline void zs__profile_add(zs__allocator *z, const void *p, size_t size, uint64_t bytes)
{
    if (ZS__UNLIKELY(bytes)) zs__profile_put(z, p, size, bytes);
}

/* Larger than every class: an object of its epoch up to large_bytes_max, else the fallback's, which is no allocation
   for an epoch or a domain. e 0 means the heap's own epoch. A closed epoch refuses first. */
static void *zs__heap_large(zslab_heap *heap, zs__large_ask ask, zslab_epoch e)
{
    zs__allocator *z = heap->z;
    zslab_result why = ZSLAB_E_CLOSED;
    zslab_epoch in = e;
    void *p;
    if (ask.size <= z->config.large_bytes_max && ask.alignment <= ZS__LARGE_ALIGNMENT_MAX) {
        p = zs__large_alloc(heap, ask, e, &why);
    } else {
        const zs__place *place;
        p = NULL;
        do {
            in = e ? e : zs__heap_epoch(heap);
            place = zs__place_find(z, in);
        } while (!place && !e && in != zs__heap_epoch(heap));
        if (place && zs__load_acq_u32(&place->state) == ZSLAB_EPOCH_ACTIVE) { /* acquire: pairs with zs__epoch_apply */
            if (!e && !heap->scope_count) return zs__fallback_alloc(z, ask.size, ask.alignment);
            why = ZSLAB_E_TOO_BIG;
        }
    }
    if (p) {
        zs__profile_add(z, p, ask.size, zs__sample(heap, ask.size));
        return zs__served(heap, p);
    }
    why = zs__why(z, why);
    if (why != ZSLAB_E_TOO_BIG) {
        zs__count_refused(heap, z->class_count, why);
        zs__dry(heap, ask.size, e, why);
    }
    return zs__fail_null(why);
}

static void *zs__shared_alloc(zslab_heap *heap, zslab_epoch e, size_t cls, uint8_t as, zslab_result *why);

/* Has the epoch's group no chunk left? Then a purge of what is nobody's helps it not. */
static int zs__group_full(const zslab_heap *heap, zslab_epoch e)
{
    const zs__place *place = zs__place_find(heap->z, e ? e : zs__heap_epoch(heap));
    const zslab_group *g = place ? zs__place_group(place) : NULL;
    return g && zs__load_ptr(&g->charged) + ZS__CHUNK_BYTES > zs__load_ptr(&g->hard);
}

typedef struct zs__slack {
    zslab_heap *heap;
    uint32_t cls; /* in a row of one's own a free slot of this class helps, too */
    int own;
} zs__slack;

/* Eight states at once: a bit for each, and where the first one's is. */
#define ZS__STATES_ONE UINT64_C(0x0101010101010101)
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define ZS__STATES_SWAPPED 7u
#else
#define ZS__STATES_SWAPPED 0u
#endif

/* zs__slab_live at a glance, for who goes by nothing that it tells: eight states by one relaxed load. */
static uint64_t zs__slab_seems_live(const zs__allocator *z, uint32_t slab, uint64_t full)
{
    const uint64_t gather = ZS__STATES_SWAPPED ? UINT64_C(0x8040201008040201) : UINT64_C(0x0102040810204080);
    const uint8_t *states = z->states + (size_t)slab * 64;
    uint64_t live = 0;
    uint32_t i;
    if (z->shared) return zs__slab_live(z, slab, full);
    for (i = 0; i < 64; i += 8) {
        uint64_t eight = zs__load_u64((const uint64_t *)(const void *)(states + i));
        eight = (eight | eight >> 2) & ~(eight >> 1 & eight >> 2) & ZS__STATES_ONE; /* not FREE, REMOTE and 6 to 8 */
        live |= (eight * gather >> 56) << i;
    }
    return live;
}

static int zs__chunk_slack(zs__allocator *z, uint32_t chunk, void *user)
{
    const zs__slack *look = (const zs__slack *)user;
    uint32_t cls = zs__load_u16(&z->chunks[chunk].cls), other = !look->own || cls != look->cls, i, lives = 0;
    const zs__class *k = &z->classes[cls];
    size_t first = zs__slab_at(z, chunk, k);
    for (i = 0; i < k->slabs && !(lives && other); i++) {
        uint64_t full = zs__slab_full(k, i), live = zs__slab_seems_live(z, (uint32_t)first + i, full);
        if (live != full && !other) return 1;
        lives |= live != 0;
    }
    return !lives;
}

static int zs__place_slack(zs__allocator *z, const zs__place *place, zs__slack *look) /* epoch lock held */
{
    zslab_epoch e = zs__load_u64(&place->id);
    zs__row *row;
    int found = 0;
    for (row = zs__rows_of(zs__rows_first(place), e); row && !found; row = zs__rows_of(zs__row_beside(row), e)) {
        look->own = row->heap == look->heap;
        zs__ranked_take(zs__as_lock(&row->lock), ZS__LOCK_ROW);
        found = zs__row_each(z, row, zs__chunk_slack, look);
        zs__ranked_drop(zs__as_lock(&row->lock), ZS__LOCK_ROW);
    }
    return found;
}

/* A group's limit is in the way: has it a chunk without an object, or this heap a free slot for this one? Else whatever
   anybody gave up would not help, and others, whose groups have done nothing, are left alone. */
static int zs__group_slack(zslab_heap *heap, zslab_epoch e, size_t cls)
{
    zs__allocator *z = heap->z;
    zs__slack look = {heap, (uint32_t)cls, 0};
    const zs__place *place;
    const zslab_group *g;
    uint32_t i, q, known = 0;
    int found = 0;
    zs__epochs_take(z);
    place = zs__place_find(z, e ? e : zs__heap_epoch(heap));
    g = place ? place->group : NULL;
    for (i = 0; g && !found && i < ZS__GROUP_PLACES; i++) {
        place = g->places[i] ? &z->places[g->places[i] - 1] : NULL;
        if (place && place->group == g && place->state != ZSLAB_EPOCH_CLOSED) {
            known++;
            found = zs__place_slack(z, place, &look);
        }
    }
    for (q = g && !found && known != g->epochs ? z->oldest : 0; q && !found; q = z->places[q - 1].younger)
        found = z->places[q - 1].group == g && zs__place_slack(z, &z->places[q - 1], &look);
    zs__epochs_drop(z);
    return found || !g;
}

/* A slot, marked `state`, of the heap's row for an epoch (0: the heap's own); NULL with the reason. The owner is in a
   slow path. */
static void *zs__heap_slot(zslab_heap *heap, zslab_epoch e, size_t cls, uint8_t state, zslab_result *why)
{
    uint32_t tries = 0;
    int full;
    zs__heap_housekeep(heap);
    for (;;) {
        zs__row *row = NULL;
        void *p;
        if (e)
            row = zs__row_for(heap, e, why);
        else
            *why = zs__heap_row(heap, &row);
        p = row ? zs__row_alloc(heap, row, cls, state, tries != 0, why) : NULL;
        if (p || (*why == ZSLAB_E_CLOSED && !row)) return p;
        full = *why != ZSLAB_E_CLOSED && zs__group_full(heap, e);
        if (*why == ZSLAB_E_CLOSED ||
            ((!full || zs__group_slack(heap, e, cls)) && zs__heap_reclaim(heap, full ? ZSLAB_E_NOMEM : *why, tries++)))
            continue;
        if (!zs__heap_discard(heap, e, *why)) {
            if (e && !zs__place_find(heap->z, e))
                *why = ZSLAB_E_CLOSED; /* another thread's discard has met this epoch */
            return NULL;
        }
        tries = 0;
    }
}

/* A class's slot, as zs__heap_alloc wants it. */
static void *zs__heap_small(zslab_heap *heap, size_t cls, size_t size, zslab_epoch e)
{
    zs__allocator *z = heap->z;
    zslab_result why = ZSLAB_E_INVALID;
    uint32_t depth;
    uint64_t sampled = zs__sample(heap, size);
    void *p;
    if (z->shared) {
        p = zs__shared_alloc(heap, e, cls, ZS__GUARDED, &why);
    } else {
        zs__fork_check();
        depth = zs__heap_enter(heap);
        p = zs__heap_slot(heap, e, cls, z->guarded || sampled ? ZS__GUARDED : ZS__LIVE, &why);
        zs__heap_exit(heap, depth);
    }
    if (p) {
        zs__profile_add(z, p, size, sampled);
        return zs__served(heap, p);
    }
    why = zs__why(z, why);
    zs__count_refused(heap, cls, why);
    zs__dry(heap, size, e, why);
    return zs__fail_null(why);
}

/* Every allocation that is not the fast path's: e 0 means the heap's own epoch. */
static void *zs__heap_alloc(zslab_heap *heap, size_t size, zslab_epoch e)
{
    zs__allocator *z = heap->z;
    zs__large_ask ask = {size, sizeof(void *) * 2, 0, 0, 0, 0, NULL};
    size_t cls;
    void *p;
    if (!size) return zs__fail_null(ZSLAB_E_INVALID);
    cls = zs__class_of(z, size);
    p = cls == z->class_count ? zs__heap_large(heap, ask, e) : zs__heap_small(heap, cls, size, e);
    if (heap->is_explicit || z->shared) /* others' calls end in zs__heap_done */
        zs__words_tell(z, heap);
    return p;
}

/* A slot of another owner's chunk, live, freed into the magazine of the row's own bin, if the chunk is lent to that; 0:
   it is not, or the magazine has enough of it. [LEND-2] */
static ZS__ALWAYS_INLINE int zs__free_lent(zs__row *row, const zs__chunk *c, uint8_t *state)
{
    zs__allocator *z = row->z;
    zslab_heap *heap = row->heap;
    zs__bin *bin = (zs__bin *)((char *)row + zs__load_u16(&c->bin_at));
    uint32_t chunk = (uint32_t)(c - z->chunks), depth;
    size_t slot = (size_t)(state - (uint8_t *)zs__load_ptr(&c->states));
    int done = 0;
    if ((zs__load_u32(&bin->lent) & ~ZS__LENT_ANY) != chunk + 1) /* relaxed: a taker may be at it; asked again below */
        return 0;
    depth = zs__heap_enter(heap);
    if (ZS__LIKELY(bin->top < bin->bottom + ZS__LENT_MOST && bin->top != bin->limit && zs__load_u64(&row->gate) &&
                   (bin->lent & ~ZS__LENT_ANY) == chunk + 1)) { /* a taker may have been here */
        zs__entry *top = bin->top;
        zs__count(&heap->counters[bin->cls].remote_frees);
        zs__total_free(bin);
        zs__store_u8(state, ZS__FREE);
        zs__compiler_barrier(); /* [EPOCH-3] as in zs__free_fast */
        if (ZS__LIKELY(zs__load_ptr(&c->row) != (uintptr_t)&z->drain_row)) {
            zs__store_ptr((uintptr_t *)(void *)&top->p, (uintptr_t)(zs__chunk_base(z, chunk) + slot * bin->size));
            zs__store_ptr((uintptr_t *)(void *)&top->state, (uintptr_t)state);
            zs__bin_top(bin, top + 1);
        } else {
            zs__drain_free(z, c, (uint32_t)slot, zs__load_u64(&row->stamp));
        }
        done = 1;
    }
    zs__heap_exit(heap, depth);
    return done;
}

/* The bin asks for a chunk, and its heap is about to free a slot of this one. [LEND-1] */
static ZS__NOINLINE int zs__lend(zs__row *row, const zs__chunk *c)
{
    zs__allocator *z = row->z;
    zs__bin *bin = (zs__bin *)((char *)row + zs__load_u16(&c->bin_at));
    uint32_t chunk = (uint32_t)(c - z->chunks), depth = zs__heap_enter(row->heap);
    zs__row *from;
    int lent;
    if (bin->lent != ZS__LENT_ANY || !zs__load_u64(&row->gate)) {
        bin->lent |= bin->lent ? ZS__LENT_ANY : 0;
        zs__heap_exit(row->heap, depth);
        return 0;
    }
    zs__add_u32(&z->cold[chunk].lent, 1); /* relaxed would do: the object holds the chunk while it is stored */
    from = (zs__row *)zs__load_ptr(&c->row);
    lent = from != &z->drain_row && from != row && /* a thread that detached gets its own heap again, to free by */
           zs__load_u64(&c->stamp) == zs__load_u64(&row->stamp);
    if (lent) {
        zs__store_u32(&from->swept, 1); /* relaxed: as the count. Its plain bins have to look [LEND-1] */
        zs__store_u32(&row->borrows, 1);
        bin->lent = chunk + 1;
    } else {
        zs__sub_u32(&z->cold[chunk].lent, 1);
    }
    zs__heap_exit(row->heap, depth);
    return lent;
}

/* A slot of another heap's bin: one store says freed, and its owner is told by way of the heap's gathered slabs.
   What is needed of the chunk is read before the store: with its last object gone it may serve another epoch at
   any time. */
static zslab_result zs__free_to_owner(zs__allocator *z, zslab_heap *heap, zs__chunk *c, uint8_t *state, uint64_t stamp)
{
    uint32_t slab = (uint32_t)((size_t)(state - z->states) >> 6), chunk = (uint32_t)(c - z->chunks);
    uint32_t slot = (uint32_t)(state - (uint8_t *)zs__load_ptr(&c->states)), cls = zs__load_u16(&c->cls);
    zs__gather *g;
    zs__row *row = heap ? zs__row_at(heap, zs__stamp_place(stamp)) : NULL;
    if (row && zs__load_u64(&row->stamp) == stamp &&
        (zs__free_lent(row, c, state) || (zs__lend(row, c) && zs__free_lent(row, c, state))))
        return ZSLAB_OK;
    zs__count_away(z, heap, cls);
    zs__store_rel_u8(state, ZS__REMOTE); /* release: the object's last use. Pairs with zs__take_remote */
    if (z->no_membarrier)
        zs__fence_seq(); /* [EPOCH-3] where no other thread can fence for us; pairs with zs__fence_all */
    else
        zs__compiler_barrier();
    if (ZS__UNLIKELY(zs__load_ptr(&c->row) == (uintptr_t)&z->drain_row)) return zs__drain_free(z, c, slot, stamp);
    if (ZS__UNLIKELY(!heap)) {
        zs__inbox_push(z, slab, chunk);
        return ZSLAB_OK;
    }
    zs__count(&heap->counters[cls].remote_frees);
    g = &heap->gather[cls];
    if (g->slab != slab + 1) {
        uint32_t old = g->slab, old_chunk = g->chunk;
        g->slab = slab + 1;
        g->chunk = chunk;
        if (old) {
            zs__inbox_push(z, old - 1, old_chunk);
            zs__count(&heap->counters[cls].remote_flushes);
        } else {
            heap->gathered[cls >> 6] |= (uint64_t)1 << (cls & 63);
        }
    }
    return ZSLAB_OK;
}

#if !ZSLAB_NO_TLS
/* The common slow path: nothing waits for this heap, and the bin has a slab left. NULL: the general one. */
static void *zs__refill_quick(zs__row *row, size_t size)
{
    zslab_heap *heap = row->heap;
    zs__allocator *z = row->z;
    zs__bin *bin = zs__bin_for(z, row, size);
    uint32_t depth;
    void *p;
    if (!zs__load_u64(&row->gate) || bin->cls == z->class_count || heap->seen_events != zs__load_u32(&z->events) ||
        heap->rows_unseen || (heap->gathered[0] | heap->gathered[1] | heap->gathered[2] | heap->gathered[3]))
        return NULL;
    depth = zs__heap_enter(heap);
    p = zs__bin_take(heap, bin, ZS__LIVE);
    if (!p && zs__load_u64(&row->gate) && !zs__load_u32(&heap->todo) && !zs__load_u32(&heap->inbox)) {
        uint32_t current = bin->current;
        if (zs__take_partial(z, bin) || zs__take_fresh(z, bin)) {
            zs__count_dry(heap, bin->cls, current);
            zs__bin_lendable(heap, bin);
            p = zs__bin_take(heap, bin, ZS__LIVE);
        }
    }
    zs__compiler_barrier(); /* [GATE-1] */
    if (p && !zs__load_u64(&row->gate)) {
        zs__undo(row, p);
        p = NULL;
    }
    zs__heap_exit(heap, depth);
    return p;
}

/* The common large allocation, e 0: in the heap's own epoch. Nothing waits for the heap, and it keeps a span as long.
   NULL: the general way. */
static void *zs__large_quick(zs__allocator *z, size_t size, zslab_epoch e)
{
    zslab_heap *heap = zs__heap_here(z);
    const zs__large_ask ask = {size, sizeof(void *) * 2, 0, 0, 0, 0, NULL};
    if (!heap || !heap->kept_count || size > z->config.large_bytes_max || z->always_slow || zs__load_u32(&heap->dry) ||
        heap->seen_events != zs__load_u32(&z->events) || heap->rows_unseen ||
        (heap->gathered[0] | heap->gathered[1] | heap->gathered[2] | heap->gathered[3]))
        return NULL;
    e = e ? e : zs__heap_epoch(heap);
    return (e & ZS__PLACE_MASK) < z->epoch_count ? zs__large_reuse(heap, &ask, e) : NULL;
}

/* This thread's open row in an allocator other than the one its words name; NULL: none. */
static inline zs__row *zs__row_elsewhere(const zs__allocator *z)
{
    uint32_t thread = zs__load_u32(&zs__tls()->thread);
    zslab_heap *heap = thread < z->heap_of_count ? zs__heap_of_thread(z, thread) : NULL;
    return heap ? heap->row : NULL;
}

/* A profile is taken: from an open row, while what is lent of the bytes to the next sampled object lasts; it is lent
   anew first. NULL: the slow way. */
static ZS__NOINLINE void *zs__row_counted(zs__allocator *z, zs__row *row, size_t size, zslab_epoch e)
{
    zslab_heap *heap = row->heap;
    uint64_t gate, left = heap->sample_left + heap->lent;
    void *p;
    heap->lent = left > ZS__CLASS_BYTES_MAX ? ZS__CLASS_BYTES_MAX : (size_t)(left - (left != 0)); /* one stays */
    heap->sample_left = left - heap->lent;
    if (size - 1 >= heap->lent) return NULL;
    p = zs__bin_pop(zs__bin_for(z, row, size));
    gate = zs__load_u64(&row->gate);
    if (ZS__UNLIKELY(p && (e ? gate != e : !gate))) {
        zs__undo(row, p);
        return NULL;
    }
    p = p ? p : zs__refill_quick(row, size);
    heap->lent -= p ? size : 0;
    return p;
}

/* A thread that uses two allocators in turn comes here for one of them: the words change only when a bin runs dry. */
static ZS__NOINLINE void *zs__malloc_slower(zs__allocator *z, size_t size)
{
    zslab_heap *heap;
    uint32_t depth;
    void *p;
    if (ZS__LIKELY(size - 1 < ZS__CLASS_BYTES_MAX)) {
        zs__row *row = zs__tls()->row;
        if (z->always_slow) {
            if (z->counted && (row = zs__tls_is(zs__tls(), z) ? row : zs__row_elsewhere(z)) != NULL &&
                (p = zs__row_counted(z, row, size, ZSLAB_EPOCH_NONE)) != NULL)
                return p;
            row = NULL;
        } else if (zs__load_ptr(&zs__tls()->z) != (uintptr_t)z && (row = zs__row_elsewhere(z)) != NULL) {
            if (ZS__LIKELY((p = zs__bin_pop(zs__bin_for(z, row, size))) != NULL)) {
                if (ZS__LIKELY(zs__load_u64(&row->gate) != 0)) return p;
                zs__undo(row, p);
            }
            depth = zs__heap_enter(row->heap);
            zs__tls_set(row->heap, row);
            zs__heap_exit(row->heap, depth);
        }
        if (row && row->z == z && (p = zs__refill_quick(row, size)) != NULL) return p;
    }
    if (size > z->classes[z->class_count - 1].size && (p = zs__large_quick(z, size, ZSLAB_EPOCH_NONE)) != NULL)
        return p;
    heap = zs__heap_mine(z, ZSLAB_EPOCH_NONE);
    p = heap ? zs__heap_alloc(heap, size, ZSLAB_EPOCH_NONE) : NULL;
    zs__heap_done(heap);
    return p;
}

/* The fast paths serve this epoch, too, which the thread has named. */
static void zs__tls_give(zslab_heap *heap, zslab_epoch e)
{
    zs__allocator *z = heap->z;
    zs__tls_block *tls = zs__tls();
    zs__row *row = zs__row_at(heap, (uint32_t)(e & ZS__PLACE_MASK)), *current;
    if ((z->always_slow && !z->counted) || !row) return;
    if (!zs__tls_is(tls, z)) {
        uint32_t depth = zs__heap_enter(heap);
        zs__heap_row(heap, &current); /* refused: the next call comes this way again */
        zs__heap_exit(heap, depth);
    }
    if (zs__tls_is(tls, z)) {
        zs__row_named(row);
        tls->given = row;
    }
}

static ZS__NOINLINE void *zs__malloc_epoch_slower(zs__allocator *z, size_t size, zslab_epoch e)
{
    zs__tls_block *tls = zs__tls();
    zslab_heap *heap;
    zs__row *row;
    void *p;
    if (!e) return zs__fail_no_epoch(size);
    if (zs__load_ptr(&tls->z) == (uintptr_t)z + 1) {
        row = tls->given;
        if (zs__load_u64(&row->gate) != e && (row = zs__row_open(row->heap, e)) != NULL) {
            zs__row_named(row);
            tls->given = row;
        }
        if (row && (p = zs__row_counted(z, row, size, e)) != NULL) return p;
    }
    if (size - 1 < ZS__CLASS_BYTES_MAX && zs__load_ptr(&tls->z) == (uintptr_t)z) {
        if (zs__load_u64(&tls->given->gate) == e) {
            if ((p = zs__refill_quick(tls->given, size)) != NULL) return p;
        } else if ((row = zs__row_open(tls->row->heap, e)) != NULL) { /* another epoch's turn */
            zs__row_named(row);
            tls->given = row;
            return zs__row_malloc(z, row, size, e);
        }
    }
    if (size > z->classes[z->class_count - 1].size && (p = zs__large_quick(z, size, e)) != NULL) return p;
    heap = zs__heap_mine(z, e);
    if (!heap) return NULL;
    p = zs__heap_alloc(heap, size, e);
    if (p) zs__tls_give(heap, e);
    zs__heap_done(heap);
    return p;
}

/* zs__row_malloc with a profile: less of what is lent is no larger than a class, so one comparison sees to both. */
static ZS__ALWAYS_INLINE void *zs__row_malloc_counted(zs__allocator *z, zs__row *row, size_t size, zslab_epoch e)
{
    zslab_heap *heap = row->heap;
    void *p;
    uint64_t gate;
    if (ZS__UNLIKELY(size - 1 >= heap->lent) || (p = zs__bin_pop(zs__bin_for(z, row, size))) == NULL)
        return e ? zs__malloc_epoch_slower(z, size, e) : zs__malloc_slower(z, size);
    gate = zs__load_u64(&row->gate);
    if (ZS__UNLIKELY(e ? gate != e : !gate)) return zs__malloc_undo(z, size, e, p);
    heap->lent -= size;
    return p;
}

/* What the fast paths leave: all that an allocator with a profile does, first. */
ZSLAB_API void *zs__malloc_slow(zs__allocator *z, size_t size)
{
    if (zs__load_ptr(&zs__tls()->z) == (uintptr_t)z + 1)
        return zs__row_malloc_counted(z, zs__tls()->row, size, ZSLAB_EPOCH_NONE);
    return zs__malloc_slower(z, size);
}

ZSLAB_API void *zs__malloc_epoch_slow(zs__allocator *z, size_t size, zslab_epoch e)
{
    zs__tls_block *tls = zs__tls();
    if (zs__load_ptr(&tls->z) == (uintptr_t)z + 1 && e && zs__load_u64(&tls->given->gate) == e)
        return zs__row_malloc_counted(z, tls->given, size, e);
    return zs__malloc_epoch_slower(z, size, e);
}

ZSLAB_API void *zs__malloc_undo(zs__allocator *z, size_t size, zslab_epoch e, void *p)
{
    zs__row *row = e ? zs__tls()->given : zs__tls()->row; /* it came from there */
    zslab_heap *heap = row->heap;
    (void)z;
    zs__undo(row, p);
    p = zs__heap_alloc(heap, size, e);
    zs__heap_done(heap);
    return p;
}

/* The bin is the one the free loaded: a closer may have pointed the chunk elsewhere since. */
ZSLAB_API zslab_result zs__free_listed(zs__allocator *z, zs__bin *bin, void *p, uint64_t was)
{
    size_t offset = (size_t)((char *)p - z->base);
    uint32_t chunk = (uint32_t)(offset >> ZSLAB_CHUNK_SHIFT);
    uint32_t first = zs__chunk_slab(z, &z->chunks[chunk]);
    uint32_t slab = first + (uint32_t)((offset & ZS__CHUNK_MASK) / ((size_t)bin->size * 64));
    zslab_heap *heap = zs__bin_heap(bin);
    uint64_t process = zs__load_u64(&zs__global.process_id); /* relaxed: changes in a child alone */
    uint32_t depth = zs__heap_enter(heap);
    if (ZS__LIKELY(process == zs__load_u64(&zs__global.process_id))) /* else all lists are made anew already */
        zs__slab_put(z, bin, chunk, slab, was, z->words[slab]);
    zs__heap_exit(heap, depth);
    return ZSLAB_OK;
}

ZSLAB_API zslab_result zs__free_remote(zs__allocator *z, zslab_heap *heap, zs__chunk *c, uint8_t *state, uint64_t stamp)
{
    zs__row *row;
    if (ZS__MEMCHECK) {
        size_t slot = (size_t)(state - (uint8_t *)zs__load_ptr(&c->states)), size = zs__chunk_class(z, c)->size;
        zs__mem_free_object(zs__chunk_base(z, (size_t)(c - z->chunks)) + slot * size, size);
    }
    row = heap ? NULL : zs__tls()->row;
    if (ZS__LIKELY(row && zs__load_ptr(&zs__tls()->z) == (uintptr_t)z && zs__load_u64(&row->stamp) == stamp &&
                   zs__free_lent(row, c, state)))
        return ZSLAB_OK;
    return zs__free_to_owner(z, heap ? heap : zs__heap_freeing(z), c, state, stamp);
}

/* Our own slot, in a chunk that a closer has pointed at the draining row meanwhile. */
ZSLAB_API zslab_result zs__free_drained(zs__allocator *z, zslab_heap *heap, zs__chunk *c, uint8_t *state,
                                        uint64_t stamp)
{
    zs__count_away(z, heap ? heap : zs__heap_freeing(z), zs__load_u16(&c->cls));
    return zs__drain_free(z, c, (uint32_t)(state - (uint8_t *)zs__load_ptr(&c->states)), stamp);
}
#endif /* !ZSLAB_NO_TLS */

/* ---- >>shared --------------------------------------------------------------
   Shared mode: one heap for everybody, no owner, no thread-local state. Slots are claimed by compare-and-swap on
   the slab's word and given back by an atomic OR. A bin's lock guards its chunk lists and masks; allocation takes
   it only when the current slab is used up. free takes no lock and is async-signal-safe.

   [SHARED-1] A clear bit of a bound slab's word means: a thread holds the slot, or is about to.
   [SHARED-2] A slab with free slots is the bin's current one, or in its chunk's mask, or on the bin's `listed`
              stack: the thread that turns a word from 0 puts the slab there, once (queued), also while it is current.
   [SHARED-3] A chunk is bound stamp first, bits last, and unbound by taking all bits, full to 0, each by CAS: a
              claimer that comes late finds no bit, or a bit of the new binding, and checks bin, stamp and gate
              after its claim.
   [SHARED-4] A dead chunk is bound again when no slot is in transit: every clear bit's state is GUARDED, HANDLE
              or RETIRED, or REMOTE where the thread that binds it took the bit.
              A claim holds CLAIMED until its checks are done, a free FREE until its bit is set.           */
static void zs__shared_list(zs__allocator *z, zs__bin *bin, uint32_t slab)
{
    zs__bin_cold *b = zs__cold_of(z, bin);
    uint32_t head;
    if (zs__exchange_u8(&z->hints[slab].queued, 1)) /* acq_rel: the bit before. Pairs with zs__shared_collect */
        return;
    head = zs__load_u32(&b->listed);
    do zs__store_u32(&z->hints[slab].next, head);
    while (!zs__cas_u32(&b->listed, &head, slab + 1)); /* release: next before the head. Pairs as above */
}

/* Give a slot's bit back; 0 when it was there already. */
static int zs__shared_put(zs__allocator *z, zs__bin *bin, uint32_t slab, uint64_t bit)
{
    uint64_t was = zs__or_u64(&z->words[slab], bit); /* release: the object's last use. Pairs with the claim */
    if (was & bit) return 0;
    if (!was) zs__shared_list(z, bin, slab);
    return 1;
}

/* Slabs that were given slots back join their chunks' masks. Bin lock held. */
static void zs__shared_collect(zs__allocator *z, zs__bin *bin)
{
    zs__bin_cold *b = zs__cold_of(z, bin);
    uint32_t head = zs__exchange_u32(&b->listed, 0); /* acquire: pairs with the push in zs__shared_list */
    while (head) {
        uint32_t slab = head - 1, chunk = zs__slab_chunk(z, slab), number;
        zs__chunk *c = &z->chunks[chunk];
        zs__chunk_cold *x = &z->cold[chunk];
        uint64_t stamp = zs__load_acq_u64(&c->stamp); /* acquire: whose it is. Pairs with zs__chunk_bind */
        head = zs__load_u32(&z->hints[slab].next);
        zs__exchange_u8(&z->hints[slab].queued, 0); /* acquire: the bits of who found it set. Pairs with _list */
        number = slab - zs__chunk_slab(z, c);
        if (zs__chunk_bin(z, c) != bin) { /* bound elsewhere since: there it is listed */
            if (zs__load_u64(&z->words[slab])) zs__shared_list(z, zs__chunk_bin(z, c), slab);
            continue;
        }
        if (number >= z->classes[bin->cls].slabs) continue; /* of a class it served before */
        if (stamp != zs__load_u64(&zs__row_of_bin(bin)->stamp) || (zs__load_u8(&x->touched) & ZS__CHUNK_LOOSE))
            continue; /* it left the bin between the put and its listing: who binds it begins anew */
        zs__mask_put(x, number, 1);
        if (zs__load_u64(&z->words[slab]) == zs__slab_full(&z->classes[bin->cls], number))
            zs__count_any(z, &z->shared_heap->counters[bin->cls].recycled, 1);
        if (!(x->flags & ZS__CHUNK_LISTED)) {
            zs__list_push(z, b, chunk);
            zs__count_any(z, &z->shared_heap->counters[bin->cls].full_to_partial, 1);
        }
    }
}

static int zs__shared_next(zs__allocator *z, zs__bin *bin) /* a slab with free slots becomes current. Bin lock held */
{
    zs__bin_cold *b = zs__cold_of(z, bin);
    while (b->partial) {
        uint32_t chunk = b->partial - 1, w;
        zs__chunk_cold *x = &z->cold[chunk];
        for (w = 0; w < ZS__MASK_WORDS; w++)
            while (x->mask[w]) {
                uint32_t number = w * 64 + zs__ctz(x->mask[w]);
                uint32_t slab = zs__chunk_slab(z, &z->chunks[chunk]) + number;
                zs__mask_put(x, number, 0);
                if (zs__load_u64(&z->words[slab])) {            /* relaxed: a claim acquires */
                    zs__store_rel_u32(&bin->current, slab + 1); /* release: pairs with zs__shared_claim */
                    return 1;
                }
            }
        zs__list_remove(z, b, chunk);
        zs__count_any(z, &z->shared_heap->counters[bin->cls].partial_to_full, 1);
    }
    return 0;
}

static void zs__shared_bound(zs__allocator *z, zs__bin *bin, uint32_t chunk) /* [SHARED-3] bits last. Bin lock held */
{
    const zs__class *k = &z->classes[bin->cls];
    zs__chunk_cold *x = &z->cold[chunk];
    uint32_t i, first = zs__chunk_slab(z, &z->chunks[chunk]);
    zs__count_any(z, &z->shared_heap->counters[bin->cls].new_slab, k->slabs);
    for (i = 0; i < k->slabs; i++) {
        zs__mask_put(x, i, 1);
        zs__store_rel_u64(&z->words[first + i], zs__slab_full(k, i)); /* release: pairs with the claim */
    }
    zs__list_push(z, zs__cold_of(z, bin), chunk);
}

/* Take an empty chunk out of its bin; 0 when a slot is held, or a claim keeps the row's lists. One that a sweep took
   the bits of, as `carved` says, is empty. Bin and row lock held. */
static int zs__shared_unbind(zs__allocator *z, zs__bin *bin, uint32_t chunk)
{
    const zs__class *k = &z->classes[bin->cls];
    zs__row *row = zs__row_of_bin(bin);
    zs__chunk_cold *x = &z->cold[chunk];
    uint32_t i, first = zs__chunk_slab(z, &z->chunks[chunk]), current = zs__load_u32(&bin->current);
    uint32_t slabs = zs__load_u32(&x->carved) ? k->slabs : 0;
    if (zs__load_seq_u32(&z->places[row->place].purging) || /* [EPOCH-5] */
        (slabs && !(x->flags & ZS__CHUNK_LISTED)))
        return 0;
    for (i = 0; i < slabs; i++)
        if (zs__load_u64(&z->words[first + i]) != zs__slab_full(k, i)) return 0;
    if (current > first && current <= first + k->slabs) zs__store_u32(&bin->current, 0);
    for (i = 0; i < slabs; i++) {
        uint64_t full = zs__slab_full(k, i);
        if (!zs__cas_u64(&z->words[first + i], &full, 0)) break;
    }
    if (i == slabs) {
        zs__all_remove(z, row, zs__cold_of(z, bin), chunk);
        zs__list_remove(z, zs__cold_of(z, bin), chunk);
        zs__reserved_chunk(z, x, row->place);
        zs__chunk_loose(z, chunk);
        zs__store_u8(&x->touched, slabs ? 64 | ZS__CHUNK_LOOSE : ZS__CHUNK_LOOSE);
        zs__store_u32(&x->carved, 0); /* all bits are ours: nothing to clear */
        return 1;
    }
    while (i--) /* put back and list: their mask bits may have gone */
        zs__shared_put(z, bin, first + i, zs__slab_full(k, i));
    return 0;
}

/* Empty chunks of a row's bins to the pool, up to `most`. The caller holds no bin lock. */
static uint32_t zs__shared_give(zs__allocator *z, zs__row *row, uint32_t most)
{
    uint32_t cls, chunk, next, given = 0;
    for (cls = 0; cls < z->class_count && given < most; cls++) {
        zs__bin *bin = zs__bin_at(row, cls);
        zs__bin_cold *b = zs__cold_of(z, bin);
        zs__count_lock(z, &b->lock, ZS__LOCK_BIN);
        zs__shared_collect(z, bin);
        zs__ranked_take(zs__as_lock(&row->lock), ZS__LOCK_ROW);
        for (chunk = b->all; chunk && given < most; chunk = next) {
            next = z->cold[chunk - 1].all_next;
            if (zs__shared_unbind(z, bin, chunk - 1)) {
                zs__cached(z, &z->cold[chunk - 1], 1);
                zs__chunks_give(z, chunk, chunk, 1);
                given++;
            }
        }
        zs__ranked_drop(zs__as_lock(&row->lock), ZS__LOCK_ROW);
        zs__ranked_drop(zs__as_lock(&b->lock), ZS__LOCK_BIN);
    }
    return given;
}

/* Has another thread found a current slab meanwhile? One that a late seeker published may be bound elsewhere by now. */
static int zs__shared_serves(const zs__allocator *z, const zs__row *row, const zs__bin *bin, uint32_t current)
{
    const zs__chunk *c;
    if (!current || !zs__load_u64(&z->words[current - 1])) return 0;
    c = &z->chunks[zs__slab_chunk(z, current - 1)];
    return zs__chunk_bin(z, c) == bin &&
           zs__load_acq_u64(&c->stamp) == zs__load_u64(&row->stamp); /* acquire: pairs with zs__chunk_bind */
}

static zslab_result zs__shared_refill(zs__allocator *z, zs__row *row, zs__bin *bin, zslab_epoch e)
{
    zs__bin_cold *b = zs__cold_of(z, bin);
    zslab_result why = ZSLAB_OK;
    uint32_t current, tries;
    int turn = 0;
    if (zs__interrupts(z, NULL) || zs__lock_mine(&b->lock) || zs__lock_mine(&row->lock)) return ZSLAB_E_BUSY;
    zs__fork_check();
    for (tries = 0; tries < 2; tries += why != ZSLAB_E_BUSY) {
        zs__count_lock(z, &b->lock, ZS__LOCK_BIN);
        current = zs__load_u32(&bin->current);
        if (!tries && !turn) zs__count_dry(z->shared_heap, bin->cls, current);
        if (zs__load_u64(&row->gate) != e || zs__load_u64(&row->stamp) != zs__load_u64(&zs__round_of(z, e)->word))
            why = ZSLAB_E_CLOSED;
        else if (!zs__shared_serves(z, row, bin, current)) {
            zs__shared_collect(z, bin);
            why = ZSLAB_OK;
            if (!zs__shared_next(z, bin) && (why = zs__take_chunk(z, bin)) == ZSLAB_OK) {
                zs__shared_bound(z, bin, b->fresh - 1);
                b->fresh = 0;
                zs__shared_next(z, bin);
            }
        }
        zs__ranked_drop(zs__as_lock(&b->lock), ZS__LOCK_BIN);
        if (why == ZSLAB_E_BUSY && turn > 1100 && !zs__load_u32(&z->close_here))
            break; /* as in zs__shared_row: the claim may be that of the call that was interrupted */
        if (why == ZSLAB_E_BUSY && zs__chunks_wait(z, &turn)) continue;
        if (why == ZSLAB_E_BUSY) why = ZSLAB_E_NOMEM;
        if ((why != ZSLAB_E_NOMEM && why != ZSLAB_E_LIMIT) || !zs__shared_give(z, row, 4)) break;
    }
    return why;
}

/* The everybody's row of an epoch. `again`: it was just found in a round that is past; who resets it holds the epoch
   lock until the gate says so too. */
static zs__row *zs__shared_row(zs__allocator *z, zslab_epoch e, int again, zslab_result *why)
{
    int turn, idle = 0; /* turns in which no closer had the close lock: it may be the one that was interrupted */
    for (turn = 0;; turn++) {
        zs__row *row = zs__row_at(z->shared_heap, (uint32_t)(e & ZS__PLACE_MASK));
        if (!again && row && zs__load_u64(&row->gate) == e) /* relaxed: checked again after the claim */
            return row;
        *why = ZSLAB_E_CLOSED;
        if (!zs__place_find(z, e)) return NULL;
        *why = ZSLAB_E_BUSY;
        idle = zs__load_u32(&z->close_here) ? 0 : idle + 1;
        if (zs__interrupts(z, row) || zs__lock_mine(&z->places[e & ZS__PLACE_MASK].rows_lock) ||
            idle > 1100) /* the last ones slept */
            return NULL;
        zs__epochs_take(z);
        row = zs__row_try(z->shared_heap, e, why);
        zs__epochs_drop(z);
        if (row || *why != ZSLAB_E_BUSY) return row;
        zs__purge_wait(z, e, turn);
    }
}

/* A slab of the bin with free slots, found without the lock: a neighbour of the current one, or one given slots back
   lately. What is read may be old; a claim checks. [SHARED-2] holds: a slab is not taken out of mask or stack here. */
static uint32_t zs__shared_seek(const zs__allocator *z, zs__bin *bin, uint32_t slab) /* 1 + slab, 0: none */
{
    const zs__class *k = &z->classes[bin->cls];
    const zs__region *r = &z->regions[k->region];
    uint32_t i, next, number = (slab - (slab < z->head_slabs ? r->head : r->first)) % r->lines;
    for (i = 1; i < k->slabs && i <= ZS__DRAIN_MAX; i++) {
        uint32_t other = slab - number + (number + i) % k->slabs;
        if (zs__load_u64(&z->words[other])) /* relaxed: a claim acquires */
            return other + 1;
    }
    next = zs__load_acq_u32(&zs__cold_of(z, bin)->listed); /* acquire: pairs with zs__shared_list */
    for (i = 0; next && i < ZS__DRAIN_MAX; i++, next = zs__load_u32(&z->hints[next - 1].next))
        if (zs__load_u64(&z->words[next - 1])) return next;
    return 0;
}

static inline void zs__total_shared(zs__allocator *z, uint64_t *counter) /* ZSLAB_STATS 2: an atomic add */
{
#if ZSLAB_STATS > 1
    zs__count_any(z, counter, 1);
#else
    (void)z, (void)counter;
#endif
}

static void zs__shared_unclaim(zs__allocator *z, uint32_t slab, unsigned slot) /* a slot that is CLAIMED goes home */
{
    const zs__chunk *c = &z->chunks[zs__slab_chunk(z, slab)];
    zs__store_rel_u8(z->states + (size_t)slab * 64 + slot, ZS__FREE); /* release: as a free's */
    zs__shared_put(z, zs__chunk_bin(z, c), slab, (uint64_t)1 << slot);
    if (z->rss_policy) /* the undo of a refused allocation is a free */
        zs__shared_drain(z, c, (slab - zs__chunk_slab(z, c)) * 64 + slot, zs__load_u64(&c->stamp));
}

/* Claim a slot of the bin's current slab, to be in state `as`. NULL: refill. */
static void *zs__shared_claim(zs__allocator *z, zs__row *row, zs__bin *bin, zslab_epoch e, uint8_t as)
{
    for (;;) {
        uint32_t current = zs__load_acq_u32(&bin->current), chunk, slab; /* pairs with zs__shared_next */
        const zs__chunk *c;
        uint64_t word, bit;
        uint8_t *state;
        unsigned slot;
        if (!current) return NULL;
        slab = current - 1;
        word = zs__load_u64(&z->words[slab]);
        if (!word) {
            if ((current = zs__shared_seek(z, bin, slab)) == 0) return NULL;
            zs__store_rel_u32(&bin->current, current); /* release: pairs with the load above */
            slab = current - 1;
            if ((word = zs__load_u64(&z->words[slab])) == 0) continue;
        }
        slot = zs__ctz(word);
        if (z->config.flags & ZSLAB_FLAG_HARDENED) {
            uint64_t mix = (slab + word + z->key) * UINT64_C(0x9e3779b97f4a7c15);
            mix = (mix ^ mix >> 32) * z->key;
            slot = zs__any_bit(word, mix ^ mix >> 32);
        }
        bit = (uint64_t)1 << slot;
        /* seq_cst: the claim before the look at the gate. Pairs with zs__gates_shut and zs__slab_live */
        if (!zs__cas_u64(&z->words[slab], &word, word & ~bit)) {
            zs__count_any(z, &z->shared_heap->counters[bin->cls].cas_retries, 1);
            continue;
        }
        chunk = zs__slab_chunk(z, slab);
        c = &z->chunks[chunk];
        state = z->states + (size_t)slab * 64 + slot;
        zs__store_rel_u8(state, ZS__CLAIMED); /* release: with zs__dead_settled; the gate is read after it */
        /* acquire: the record, and with it the round; both pair with zs__chunk_bind and an epoch's end */
        if (ZS__LIKELY(zs__load_seq_u64(&row->gate) == e && zs__chunk_bin(z, c) == bin &&
                       zs__load_acq_u64(&c->stamp) == zs__load_acq_u64(&zs__round_of(z, e)->word))) {
            size_t size = z->classes[bin->cls].size;
            char *p = zs__chunk_base(z, chunk) + ((size_t)(slab - zs__chunk_slab(z, c)) * 64 + slot) * size;
            zs__mem_alloc_object(p, size);
            zs__store_rel_u8(state, as); /* release: what the checker was told. Pairs with zs__locate */
            zs__total_shared(z, &z->shared_heap->counters[bin->cls].allocs);
            return p;
        }
        zs__shared_unclaim(z, slab, slot);
        return NULL;
    }
}

static int zs__place_open(const zs__allocator *z, zslab_epoch e)
{
    zs__place *place = zs__place_find(z, e);
    return place && zs__load_acq_u32(&place->state) == ZSLAB_EPOCH_ACTIVE; /* pairs with zs__epoch_apply */
}

/* As zs__others_empty, where the one heap is everybody's. Epoch lock held. */
static void zs__shared_empty(zs__allocator *z)
{
    zslab_heap *heap = z->shared_heap;
    zs__row *row;
    zs__places_try_end(z);
    zs__heap_over(heap);
    for (row = heap->attached; row; row = row->next) {
        zs__row_take(z, row);
        if (!zs__load_seq_u32(&z->places[row->place].purging)) { /* [EPOCH-5] */
            if (zs__row_dead(z, row)) zs__row_forget(z, row, 0);
            zs__row_strip(z, row, 0); /* what earlier rounds left with their classes */
        }
        zs__row_drop(z, row);
        zs__shared_give(z, row, ~(uint32_t)0);
    }
    for (row = heap->idle; row; row = row->next) zs__row_strip(z, row, 0);
}

/* An allocation found no memory: make some; 0: there is none. */
static int zs__memory_make(zslab_heap *heap, zslab_result *why, uint32_t tries)
{
    zs__allocator *z = heap->z;
    if (zs__sealed(z)) return 0;
    if (!z->shared) return zs__heap_reclaim(heap, *why, tries);
    if (zs__interrupts_any(z)) *why = ZSLAB_E_BUSY;
    if (tries > 1 || *why == ZSLAB_E_BUSY) return 0;
    zs__epochs_take(z);
    zs__shared_empty(z);
    zs__epochs_drop(z);
    zs__large_unreserve(z);
    if (tries && *why == ZSLAB_E_LIMIT)
        zs__empty_trim(z);
    else if (tries)
        zs__large_strip(z);
    return 1;
}

static void *zs__shared_alloc(zslab_heap *heap, zslab_epoch e, size_t cls, uint8_t as, zslab_result *why)
{
    zs__allocator *z = heap->z;
    uint32_t tries = 0;
    int again;
    for (again = 0;; again = 1) {
        zslab_epoch in = e ? e : zs__load_acq_u64(&z->current); /* acquire: pairs with zslab_epoch_advance */
        zs__row *row = zs__shared_row(z, in, again, why);
        void *p;
        if (row) *why = ZSLAB_OK;
        while (*why == ZSLAB_OK) {
            if ((p = zs__shared_claim(z, row, zs__bin_at(row, cls), in, as)) != NULL) return p;
            *why = zs__shared_refill(z, row, zs__bin_at(row, cls), in);
        }
        /* acquire: the epoch's place. Pairs with the store of current */
        if (*why == ZSLAB_E_CLOSED ? !zs__place_open(z, in) && (e || in == zs__load_acq_u64(&z->current))
                                   : !zs__memory_make(heap, why, tries++) && !zs__heap_discard(heap, in, *why))
            return NULL;
    }
}

/* ---- >>visit ---------------------------------------------------------------
   Live objects shown one by one: to zslab_check's visitor in a quiet allocator, to the hook that hears of leaks and to
   zslab_epoch_visit while others may go on. Chunks are walked by address, without a lock or a claim; [STATS-1] holds
   here as for snapshots.
   [VISIT-1] An object keeps its chunk, with its stamp and class [OWN-1], and its slab's id and name [ID-2]: what lives
       throughout is in a chunk known at the start, which is never passed over, and in a slot that is looked at once. */

static uint32_t zs__chunks_bound(zs__allocator *z) /* chunks that may ever have been bound */
{
    uint32_t chunks;
    zs__fork_check();
    zs__arena_take(z);
    chunks = zs__chunks_known(z);
    zs__arena_drop(z);
    return chunks;
}

/* By class alone [STATS-1]. */
/* Shared mode: who has claimed a slot says soon what becomes of it; past the gate by then, perhaps. */
static uint8_t zs__state_settled(const uint8_t *state)
{
    uint8_t s = zs__load_acq_u8(state); /* acquire: pairs with who stored it */
    while (s == ZS__CLAIMED) {
        zs__yield();
        s = zs__load_acq_u8(state);
    }
    return s;
}

/* Objects of one slab, which `v` tells of but for what is each one's own, while its chunk has this stamp and class.
   Non-zero: the visitor has seen enough. */
static int zs__visit_slab(const zs__allocator *z, uint32_t chunk, uint64_t stamp, uint32_t number, zslab_visit *v,
                          zslab_visit_fn *visit, void *user)
{
    const zs__chunk *c = &z->chunks[chunk];
    const zs__class *k = &z->classes[v->class_idx];
    size_t slab = zs__slab_at(z, chunk, k) + number;
    const uint8_t *states = z->states + slab * 64;
    const char *base = zs__chunk_base(z, chunk) + (size_t)number * 64 * k->size;
    const zs__id *id = zs__id_of(z, chunk, (uint32_t)slab);
    const uint32_t *words = id ? zs__id_words(z, zs__id_number(z, id)) : NULL;
    const uint64_t *round = &zs__round_at(z, stamp)->word;
    const size_t size = k->size;
    uint32_t at, slots = number + 1 == k->slabs ? k->slots - number * 64 : 64;
    for (at = 0; at < slots; at += 8) { /* relaxed: what lives throughout is seen; zeros behind the last slot */
        uint64_t some = zs__load_u64((const uint64_t *)(const void *)(states + at));
        for (some = (some ^ some >> 2) & ZS__STATES_ONE; some; some &= some - 1) { /* LIVE, HANDLE, GUARDED, CLAIMED */
            uint32_t slot = at + ((zs__ctz(some) >> 3) ^ ZS__STATES_SWAPPED), word;
            uint8_t s = zs__state_settled(states + slot);
            if (s != ZS__HANDLE && s != ZS__LIVE && s != ZS__GUARDED) continue;
            v->p = base + (size_t)slot * size;
            ZS__PREFETCH_WRITE((const char *)v->p + 8 * size); /* the system's guess ends at each metadata line */
            word = words ? zs__load_u32(words + slot) : zs__word_free(0, slot);
            v->handle = zs__word_live(word, slot) ? zs__load_u64(&id->name) + ((uint64_t)word << 10) : 0;
            if (s == ZS__HANDLE && !v->handle) continue; /* being made, or freed */
            if (ZSLAB_TAGS) v->tag = zs__tag_at(z, states + slot);
            if (zs__load_u64(round) != stamp || zs__load_u64(&c->stamp) != stamp ||
                zs__load_u16(&c->cls) != v->class_idx || (id && zs__load_ptr(&id->slots) != (uintptr_t)base))
                return 0; /* relaxed: the visitor, whose stores show, or another thread has ended or freed them all */
            if (visit(user, v)) return 1;
        }
    }
    return 0;
}

/* A walk over an epoch, or over all, while others go on. */
typedef struct zs__walk {
    const zs__allocator *z;
    zslab_epoch epoch;   /* 0: every one that lives */
    uint64_t stamp, era; /* its round; the last epoch opened */
    uint32_t cls;
    zslab_leak when; /* for on_leak */
    zslab_visit_fn *visit;
    void *user;
} zs__walk;

static int zs__leak_show(void *user, const zslab_visit *v)
{
    const zs__walk *w = (const zs__walk *)user;
    return w->z->config.on_leak(w->z->config.leak_user, w->when, v);
}

static int zs__walk_chunk(const zs__walk *w, uint32_t chunk)
{
    const zs__allocator *z = w->z;
    const zs__chunk *c = &z->chunks[chunk];
    uint64_t stamp = zs__load_acq_u64(&c->stamp); /* acquire: pairs with zs__chunk_bind */
    uint32_t cls = zs__load_u16(&c->cls), number;
    const zs__class *k = &z->classes[cls];
    zslab_visit v;
    if (!stamp || (w->stamp && stamp != w->stamp) || (w->cls != ZSLAB_CLASS_ANY && cls != w->cls)) return 0;
    zs__zero(&v, sizeof v);
    v.usable_bytes = cls == ZSLAB_CLASS_LARGE ? zs__large_bytes(z, chunk) : k->size;
    v.class_idx = cls;
    v.epoch = w->epoch ? w->epoch : zs__load_u64(&z->places[zs__stamp_place(stamp)].id);
    v.age_epochs = w->era - (v.epoch >> 16);
    for (number = 0; number < k->slabs; number++) {
        if (stamp != zs__load_u64(&zs__round_at(z, stamp)->word) || zs__load_acq_u64(&c->stamp) != stamp ||
            zs__load_u16(&c->cls) != cls)
            return 0; /* acquire: pairs with zs__chunk_bind. Another epoch's by now, or none's */
        if (zs__visit_slab(z, chunk, stamp, number, &v, w->visit, w->user)) return 1;
    }
    return 0;
}

static void zs__walk_all(const zs__walk *w) /* no lock held */
{
    uint32_t chunk, chunks = zs__chunks_bound((zs__allocator *)(uintptr_t)w->z);
    int saved = zs__errno();
    zs__rank_none();
    for (chunk = 0; chunk < chunks && !zs__walk_chunk(w, chunk); chunk++)
        ;
    zs__errno_back(saved);
}

static void zs__leaks_walk(const zs__allocator *z, zslab_leak when, zslab_epoch e, uint64_t stamp, uint64_t era)
{
    zs__walk w;
    w.z = z;
    w.when = when;
    w.epoch = e;
    w.stamp = stamp;
    w.era = era;
    w.cls = ZSLAB_CLASS_ANY;
    w.visit = zs__leak_show;
    w.user = &w;
    zs__walk_all(&w);
}

/* An epoch's round and the last era; ZSLAB_OK when it lives and the class is one. */
static zslab_result zs__walk_begin(zs__allocator *z, zslab_epoch e, size_t class_idx, uint64_t *stamp, uint64_t *era)
{
    int there;
    if (class_idx >= z->class_count && class_idx != ZSLAB_CLASS_LARGE && class_idx != ZSLAB_CLASS_ANY)
        return ZSLAB_E_INVALID;
    zs__epochs_take(z);
    there = zs__place_find(z, e) != NULL;
    *stamp = there ? zs__load_u64(&zs__round_of(z, e)->word) : 0;
    *era = z->era;
    zs__epochs_drop(z);
    return there ? ZSLAB_OK : ZSLAB_E_CLOSED;
}

ZSLAB_API zslab_result zslab_epoch_visit(zslab *self, zslab_epoch e, size_t class_idx, zslab_visit_fn *visit,
                                         void *user)
{
    zs__allocator *z = zs__own(self);
    zs__walk w;
    zslab_result result = visit ? zs__walk_begin(z, e, class_idx, &w.stamp, &w.era) : ZSLAB_E_INVALID;
    w.z = z;
    w.epoch = e;
    w.cls = (uint32_t)class_idx;
    w.visit = visit;
    w.user = user;
    if (result == ZSLAB_OK) zs__walk_all(&w);
    return result;
}

ZSLAB_API zslab_result zslab_slab_first(zslab *self, zslab_epoch e, size_t class_idx, zslab_slab_view *at)
{
    zs__allocator *z = zs__own(self);
    uint64_t era;
    int saved = zs__errno();
    zslab_result result = zs__walk_begin(z, e, class_idx, &at->stamp, &era);
    at->round = result == ZSLAB_OK ? &zs__round_of(z, e)->word : NULL;
    at->z = z;
    at->binds = &z->id_binds;
    at->cls = (uint32_t)class_idx;
    at->chunk = at->number = 0;
    at->chunks = result == ZSLAB_OK ? zs__chunks_bound(z) : 0;
    zs__errno_back(saved);
    return result;
}

/* Has the slab of the chunk objects with handles? Then it is the view's. */
static inline int zs__view_slab(const zs__allocator *z, uint32_t chunk, const zs__class *k, uint32_t number,
                                zslab_slab_view *at)
{
    uint32_t slab = (uint32_t)zs__slab_at(z, chunk, k) + number, i;
    uint32_t id = zs__slab_id(z, slab), ids = zs__load_acq_u32(&z->id_count); /* acquire: pairs with zs__id_new */
    const uint64_t *states = (const uint64_t *)(const void *)(z->states + (size_t)slab * 64);
    char *base = zs__chunk_base(z, chunk) + (size_t)number * 64 * k->size;
    uint64_t some = 0;
    const zs__id *e = zs__id_at(z, id - 1);
    if (!id || id > ids || zs__load_acq_u64(&e->stamp) != at->stamp || /* acquire: pairs with zs__id_bind_in */
        zs__load_ptr(&e->slots) != (uintptr_t)base)
        return 0;
    for (i = 0; i < 8; i++) some |= zs__load_u64(states + i);
    at->words = zs__id_words(z, id - 1);
    at->name = zs__load_u64(&e->name);
    at->size = k->size;
    at->base = base;
    at->start = (uintptr_t)base;
    at->serves = &e->stamp;
    at->slots = &e->slots;
    at->count = number + 1 == k->slabs ? k->slots - number * 64 : 64;
    return some != 0;
}

ZSLAB_API int zslab_slab_next(zslab_slab_view *at)
{
    const zs__allocator *z = zs__own_const(at->z);
    for (; at->chunk < at->chunks; at->chunk++, at->number = 0) {
        const zs__chunk *c = &z->chunks[at->chunk];
        for (;;) {
            uint64_t bound = zs__load_acq_u64(&z->id_binds), stamp = zs__load_acq_u64(&c->stamp); /* acquire: pair */
            uint32_t cls = zs__load_u16(&c->cls); /* with zs__id_bind_in, and zs__chunk_bind, which came before it */
            const zs__class *k = &z->classes[cls];
            at->bound = bound;
            if (stamp != at->stamp || stamp != zs__load_u64(at->round) || at->number == k->slabs ||
                (at->cls != ZSLAB_CLASS_ANY && cls != at->cls))
                break; /* a round that has ended has no slab of its own: see zs__walk_chunk */
            if (zs__view_slab(z, at->chunk, k, at->number++, at)) return 1;
        }
    }
    return 0;
}

/* After a close has shut the gates; no lock held. The fence: what other threads were given before then shows. */
static void zs__leaks_at_close(const zs__allocator *z, zslab_epoch e, uint64_t stamp, uint64_t era)
{
    if (!zs__sealed(z)) zs__fence_all(z); /* [EPOCH-1] */
    zs__leaks_walk(z, ZSLAB_LEAK_AT_CLOSE, e, stamp, era);
}

/* ---- >>ending --------------------------------------------------------------
   How epochs end: closes, releases and resets of one epoch; of those below it; what is called then.

   [END-1] An epoch is CLOSED after its children: a place with a child, or one that a call is ending, is not found
       drained. Who releases marks all below under one hold of the epoch lock (`ending`, gates shut), then ends them
       one by one, children first. What another call marked before stays that one's; a place that has such a child is
       left to it (`later`).
   [END-2] Of a place's records one is called at a time, by who marked it: `calling` is what there was to be called when
       it began, what a reset's callbacks register waits in `ends` for the next end.
   [END-3] Records of a drained epoch join `due` as it becomes CLOSED, behind those of epochs that drained before, its
       children among them. One thread calls them, one after another (`due_by`); others, and what is called, go on.
   [END-4] A record leaves its list before it is called: once each, also where a thread forks meanwhile: what the child
       finds is its own to call, an end that a thread it does not have had begun included (zs__fork_ends). */
typedef enum zs__action { ZS__CLOSE, ZS__RELEASE, ZS__RESET } zs__action;

/* Without a purge: the caller's own row, and the shared one, need no pass of a slow path to see what happened. Epoch
   lock held. */
static void zs__apply_mine(zs__allocator *z, zslab_heap *mine, zslab_epoch e, zs__action action)
{
    zs__row *row = mine ? zs__row_at(mine, (uint32_t)(e & ZS__PLACE_MASK)) : NULL;
    zslab_result why;
    if (!row || zs__load_u64(&row->epoch) != e) return;
    if (action == ZS__CLOSE)
        zs__store_u32(&row->acked, 1); /* relaxed: under the lock */
    else if (action == ZS__RELEASE)
        zs__row_retire(mine, row, 1);
    else if (z->shared)
        zs__row_renew(mine, row, &why); /* an owned row starts its new round at its next allocation */
}

/* Whether the epoch a close has begun with is still there to be purged, after on_leak ran: then a claim. */
static int zs__close_claim(zs__allocator *z, zs__place *place, zslab_epoch e, zs__news *news)
{
    int there;
    zs__epochs_take(z);
    there = place->id == e && place->state != ZSLAB_EPOCH_CLOSED;
    if (there) zs__add_u32(&place->purging, 1);
    zs__epochs_leave(z, news);
    return there;
}

/* End or empty an epoch. Epoch lock held, dropped here: purging needs none. */
static zslab_result zs__epoch_apply(zs__allocator *z, zslab_epoch e, zs__action action)
{
    zs__place *place = zs__place_find(z, e);
    zs__round *round = zs__round_of(z, place ? e : 0);
    uint64_t stamp = zs__load_u64(&round->word), era = z->era;
    int first = place && place->state == ZSLAB_EPOCH_ACTIVE;
    int tell = first && action == ZS__CLOSE && z->config.on_leak, purge = z->rss_policy && !zs__sealed(z);
    zs__news news, later;
    if (!place || (action == ZS__RESET && !first)) {
        zs__place *was = (e & ZS__PLACE_MASK) < z->epoch_count ? &z->places[e & ZS__PLACE_MASK] : NULL;
        int again = action == ZS__CLOSE && e && was && was->id == e && was->drained; /* close it again */
        zs__epochs_drop(z);
        return again ? ZSLAB_OK : ZSLAB_E_CLOSED;
    }
    if (first || action != ZS__CLOSE)
        zs__happens(z, e,
                    action == ZS__CLOSE   ? ZSLAB_EPOCH_EVENT_CLOSE
                    : action == ZS__RESET ? ZSLAB_EPOCH_EVENT_RESET
                                          : ZSLAB_EPOCH_EVENT_RELEASE);
    if (action != ZS__CLOSE) zs__epoch_tell(z, place, e);
    if (purge && !tell) zs__add_u32(&place->purging, 1); /* the claim; its fence follows [EPOCH-4] */
    if (action != ZS__CLOSE)
        zs__large_end(z, place, stamp + ZS__ROUND_STEP, action == ZS__RELEASE); /* every object is stale. [STAMP-1] */
    if (action == ZS__RESET) zs__charge_end(z, place, zs__charge_mark(stamp + ZS__ROUND_STEP));
    if (first && action == ZS__CLOSE) zs__child_last(z, place);
    if (first && action != ZS__RESET)
        zs__store_rel_u32(&place->state, ZSLAB_EPOCH_CLOSING); /* release: pairs with zs__place_open */
    if (first) zs__gates_shut(z, place);
    if (first && action != ZS__RESET) zs__reserved_epoch(z, place);
    if (first && action == ZS__CLOSE) {
        zs__store_u32(&place->draining, 1); /* the closer's own count keeps it from ending */
        place->look = zs__rows_first(place);
        place->seen = 0;
        place->latent = (uint8_t)!purge;
        zs__closing_append(z, place);
    } else if (action == ZS__RELEASE) {
        if (!first) zs__closing_remove(z, place);
        zs__place_end(z, place, 0);
    }
    if (!purge) {
        zs__apply_mine(z, zs__heap_peek(z), e, action);
        if (action == ZS__CLOSE) zs__place_try_end(z, place, 0);
        zs__epochs_drop(z);
        if (tell) zs__leaks_at_close(z, e, stamp, era);
        return ZSLAB_OK;
    }
    zs__epochs_leave(z, &news);
    if (tell) {
        zs__news_tell(z, &news);
        zs__leaks_at_close(z, e, stamp, era);
        if (!zs__close_claim(z, place, e, &news)) return ZSLAB_OK;
    }
    zs__epoch_purge(z, place, e, stamp, first && action == ZS__CLOSE && !z->shared, action != ZS__CLOSE);
    zs__epochs_take(z);
    if (first && action == ZS__CLOSE) zs__sub_u32(&place->draining, 1); /* the closer's own */
    zs__purge_end_rows(z, place);                                       /* nobody has had the place meanwhile */
    if (zs__place_try_end(z, place, 0)) {                               /* it was swept just now */
        place->drained = 1;
        zs__store_u32(&z->late, z->late == (uint32_t)(place - z->places) + 1 ? 0 : z->late);
    }
    zs__epochs_leave(z, &later);
    zs__empty_trim(z); /* what the epoch's chunks left empty before: a close keeps no cache */
    zs__news_tell(z, &news);
    zs__news_tell(z, &later);
    return ZSLAB_OK;
}

/* One record is called, which is in no list any more [END-4]; its memory serves again. Epoch lock held, but then. */
static void zs__ending_call(zs__allocator *z, zs__ending *r, zslab_end why)
{
    int saved = zs__errno();
    zs__epochs_drop(z);
    zs__rank_none();
    r->fn(r->user, z, r->epoch, why);
    zs__errno_back(saved);
    zs__epochs_take(z);
    zs__store_u32(&z->endings, z->endings - 1); /* relaxed: under the lock */
    r->next = z->endings_spare;
    z->endings_spare = r;
}

/* All that is registered for a place that is ending. Epoch lock held, not meanwhile. [END-2] */
static void zs__ends_call(zs__allocator *z, zs__place *place)
{
    do {
        if (place->ending == 1 + ZSLAB_END_RESET && place->state != ZSLAB_EPOCH_ACTIVE)
            place->ending = 1 + ZSLAB_END_RELEASE; /* closed by one that was called */
        if (!place->calling) {
            place->calling = place->ends;
            zs__compiler_barrier();
            place->ends = NULL;
        }
        while (place->calling) {
            zs__ending *last = place->calling, *r = last->next;
            if (r == last)
                place->calling = NULL;
            else
                last->next = r->next;
            zs__ending_call(z, r, (zslab_end)(place->ending - 1));
        }
    } while (place->ends && place->state != ZSLAB_EPOCH_ACTIVE);
}

/* A place that is ending is ended; and each above that waited for it. Epoch lock held, not meanwhile. */
static void zs__ends_up(zs__allocator *z, zs__place *place)
{
    for (;;) {
        zs__place *parent = place->parent ? &z->places[place->parent - 1] : NULL; /* it outlives this one */
        int reset;
        if (place->child) {
            place->later = 1;
            return;
        }
        zs__ends_call(z, place);
        reset = place->state == ZSLAB_EPOCH_ACTIVE;
        if (reset) place->ending = 0;
        zs__epoch_apply(z, place->id, reset ? ZS__RESET : ZS__RELEASE);
        zs__epochs_take(z);
        if (reset || !parent || !parent->later || parent->child) return;
        parent->later = 0;
        parent->next = zs__here();
        place = parent;
    }
}

/* RSS policy: large objects freed where the lock was not to be had, and epochs that drained after their close, give the
   rest of their pages back at the next epoch call, metadata's too. No lock held. */
static void zs__late_purge(zs__allocator *z)
{
    uint32_t q, last;
    int any = 0;
    if (!z->rss_policy || zs__sealed(z)) return;
    if (zs__load_u32(&z->large_freed)) { /* relaxed, both: what comes later is the next call's */
        zs__arena_take(z);
        zs__large_collect(z, 1);
        zs__arena_drop(z);
    }
    if (ZS__LIKELY(!zs__load_u32(&z->late))) return;
    zs__epochs_take(z);
    q = z->late == ~(uint32_t)0 ? z->place_count : z->late;
    last = z->late == ~(uint32_t)0 ? 0 : q - (q != 0);
    zs__store_u32(&z->late, 0);
    for (; q > last; q--) {
        zs__place *place = &z->places[q - 1];
        zslab_epoch e = place->id;
        uint64_t stamp = zs__load_u64(&zs__round_of(z, q - 1)->word);
        if (place->drained != 2) /* or another epoch has it */
            continue;
        place->drained = 1;
        zs__add_u32(&place->purging, 1); /* the claim; its fence follows [EPOCH-4] */
        zs__epochs_drop(z);
        zs__epoch_purge(z, place, e, stamp, 0, 1);
        zs__epochs_take(z);
        zs__purge_end_rows(z, place);
        any = 1;
    }
    zs__epochs_drop(z);
    if (any) zs__empty_trim(z);
}

/* What is due is called, by one thread at a time; no lock held. [END-3] */
static void zs__ends_due(zs__allocator *z)
{
    uint32_t q;
    zs__late_purge(z);
    if (ZS__LIKELY(!zs__load_u32(&z->endings))) /* relaxed: who registers it, or drained the epoch, sees it */
        return;
    zs__epochs_take(z);
    zs__closing_try_end(z, ZS__DRAIN_MAX);
    q = z->ends_left ? z->place_count : 0;
    z->endings -= z->ends_left;
    for (z->ends_left = 0; q; q--)
        if (z->places[q - 1].later && !z->places[q - 1].child) {
            z->places[q - 1].later = 0;
            z->places[q - 1].next = zs__here();
            zs__ends_up(z, &z->places[q - 1]);
        }
    if (!z->due_by) {
        z->due_by = zs__here();
        while (z->due) {
            zs__ending *r = z->due;
            z->due = r->next;
            zs__ending_call(z, r, ZSLAB_END_DRAINED);
        }
        z->due_by = 0;
    }
    zs__epochs_drop(z);
}

/* Allocations are refused from here on. Epoch lock held. */
static void zs__place_shut(zs__allocator *z, zs__place *place)
{
    zs__closing_remove(z, place);
    if (place->state != ZSLAB_EPOCH_ACTIVE) return;
    zs__store_rel_u32(&place->state, ZSLAB_EPOCH_CLOSING); /* release: pairs with zs__place_open */
    zs__gates_shut(z, place);
    zs__reserved_epoch(z, place);
}

/* Mark an epoch and those below, and end them. Epoch lock held, not meanwhile. */
static void zs__ends_all(zs__allocator *z, zs__place *root, zslab_end why)
{
    uint32_t first = 0, *link = &first, q;
    zs__place *at;
    for (at = zs__below(z, root, NULL); at; at = zs__below(z, root, at)) {
        for (q = at->child; q; q = z->places[q - 1].sibling) /* those of others */
            if (z->places[q - 1].state == ZSLAB_EPOCH_ACTIVE && z->places[q - 1].ending == 1 + ZSLAB_END_RESET) {
                zs__place_shut(z, &z->places[q - 1]);
                z->places[q - 1].ending = 1 + ZSLAB_END_PARENT;
            }
        if (at != root || why != ZSLAB_END_RESET) zs__place_shut(z, at);
        if (at == root && why != ZSLAB_END_RESET) zs__child_last(z, at);
        at->ending = (uint8_t)(1 + (at == root ? why : ZSLAB_END_PARENT));
        at->next = zs__here();
        *link = (uint32_t)(at - z->places) + 1;
        link = &at->next_closing;
        *link = 0;
    }
    for (; first; first = q) {
        q = z->places[first - 1].next_closing;
        zs__ends_up(z, &z->places[first - 1]);
    }
}

/* Does another call end an epoch below this one? Epoch lock held. */
static int zs__below_ending(zs__allocator *z, zs__place *root)
{
    zs__place *at;
    uint32_t q;
    for (at = zs__below(z, root, NULL); at; at = zs__below(z, root, at))
        for (q = at->child; q; q = z->places[q - 1].sibling)
            if (z->places[q - 1].ending) return 1;
    return 0;
}

/* Close those below an epoch that was closed: no child joins them any more. No lock held. */
static void zs__close_below(zs__allocator *z, zslab_epoch e)
{
    zslab_epoch path[ZS__DEPTH_MAX + 1];
    uint32_t depth = 0;
    path[0] = e;
    zs__epochs_take(z);
    for (;;) {
        zs__place *place = zs__place_find(z, path[depth]);
        zs__place *child = place && place->child ? &z->places[place->child - 1] : NULL;
        if (child && child->state == ZSLAB_EPOCH_ACTIVE) {
            path[++depth] = child->id;
            zs__epoch_apply(z, child->id, ZS__CLOSE);
            zs__epochs_take(z);
        } else if (!depth--) {
            break;
        }
    }
    zs__epochs_drop(z);
}

/* End or empty an epoch and those below it, and call what is registered. Epoch lock held, dropped here. */
static zslab_result zs__epoch_end(zs__allocator *z, zslab_epoch e, zs__action action, zslab_end why)
{
    zs__place *place = zs__place_find(z, e);
    zslab_result r = ZSLAB_OK;
    int active = place && place->state == ZSLAB_EPOCH_ACTIVE, below = place && place->child;
    if (!place || action == ZS__CLOSE || !(below || place->ends || place->ending)) {
        r = zs__epoch_apply(z, e, action);
        if (below) zs__close_below(z, e);
        zs__ends_due(z);
        return r;
    }
    if (!active && (place->ending || action == ZS__RESET))
        r = ZSLAB_E_CLOSED;
    else if (action == ZS__RESET && (place->ending || zs__below_ending(z, place)))
        r = ZSLAB_E_BUSY;
    else if (place->ending) { /* who resets it goes on to the end */
        zs__place_shut(z, place);
        zs__child_last(z, place);
        place->ending = (uint8_t)(1 + why);
    } else {
        zs__ends_all(z, place, why);
    }
    zs__epochs_drop(z);
    zs__ends_due(z);
    return r;
}

/* Nobody else uses the allocator. Children are younger than their parents. */
static void zs__ends_at_destroy(zs__allocator *z)
{
    uint32_t q;
    zs__ends_due(z);
    if (!z->endings) return;
    zs__epochs_take(z);
    for (q = z->newest; q; q = z->places[q - 1].older) {
        zs__place *place = &z->places[q - 1];
        zs__place_shut(z, place);
        place->ending = 1 + ZSLAB_END_DESTROY;
        zs__ends_call(z, place);
    }
    zs__epochs_drop(z);
}

/* Memory for a record of domains or endings, as zs__meta_get; by who holds the epoch lock, which may be dropped in
   between. */
static void *zs__record_get(zs__allocator *z, zslab_epoch e, size_t bytes, zslab_result *why)
{
    void *p = zs__meta_get(z, e, bytes, 1, why);
    if (!p && z->shared) {
        zs__shared_empty(z);
        p = zs__meta_get(z, e, bytes, 1, why);
    }
    zs__store_ptr(&z->metadata_fixed, z->metadata_fixed + (p ? bytes : 0)); /* relaxed: read as a figure */
    return p;
}

static zs__ending *zs__ending_new(zs__allocator *z, zslab_epoch e, zslab_result *why) /* as zs__record_get */
{
    zs__ending *r = z->endings_spare;
    if (r)
        z->endings_spare = r->next;
    else if ((r = (zs__ending *)zs__record_get(z, e, 2 * sizeof *r, why)) != NULL)
        r[1].next = NULL, z->endings_spare = r + 1;
    return r;
}

ZSLAB_API zslab_result zslab_epoch_on_end(zslab *self, zslab_epoch e, zslab_end_fn *fn, void *user)
{
    zs__allocator *z = zs__own(self);
    zslab_result why = ZSLAB_OK;
    zs__ending *r;
    zs__place *place;
    if (!fn) return ZSLAB_E_INVALID;
    do {
        zs__epochs_take(z);
        r = zs__ending_new(z, e, &why);
        place = zs__place_find(z, e);
        if (r && place && (!place->ending || place->state == ZSLAB_EPOCH_ACTIVE)) {
            zs__ending *last = place->ends;
            r->fn = fn;
            r->user = user;
            r->epoch = e;
            r->next = last ? last->next : r;
            zs__store_u32(&z->endings, z->endings + 1); /* relaxed: see zs__ends_due */
            zs__compiler_barrier();                     /* a forked child finds it whole */
            *(last ? &last->next : &place->ends) = r;
            why = ZSLAB_OK;
        } else if (r) {
            r->next = z->endings_spare;
            z->endings_spare = r;
            why = ZSLAB_E_CLOSED;
        }
        zs__epochs_drop(z);
    } while (!r && zs__limit_search(z, why));
    zs__words_tell(z, zs__heap_peek(z));
    return why;
}

/* ---- >>profile -------------------------------------------------------------
   Which sites live bytes come from: sampled objects, by address, and the text that pprof reads.
   [PROFILE-1] Records stay in their bucket for ever. One is given to an object before its pointer is out, under the
       epoch lock, its address last; who frees the object takes the address out, by compare-and-swap and without a
       lock, since a signal handler may free it. What a release or a reset drops shows by the round [STAMP-1]. */
static uintptr_t *zs__profile_bucket(const zs__allocator *z, const void *p)
{
    return &z->profile->sampled[((uint64_t)(uintptr_t)p >> 3) * UINT64_C(0x9e3779b97f4a7c15) >> 52];
}

static inline zs__sampled *zs__sampled_at(const uintptr_t *head) /* acquire: pairs with zs__profile_put */
{
    return (zs__sampled *)zs__load_acq_ptr(head);
}

/* Does the record's object live? Its address, 0: none. */
static uintptr_t zs__sampled_live(const zs__allocator *z, const zs__sampled *r)
{
    uintptr_t p = zs__load_acq_ptr(&r->p); /* acquire: the rest. Pairs with zs__profile_put */
    uint64_t stamp = zs__load_u64(&r->stamp);
    return p && stamp == zs__load_u64(&zs__round_at(z, stamp)->word) ? p : 0;
}

static void zs__profile_gone(zs__allocator *z, const void *p)
{
    zs__sampled *r = ZS__UNLIKELY(z->profile != NULL) ? zs__sampled_at(zs__profile_bucket(z, p)) : NULL;
    uintptr_t was = (uintptr_t)p;
    while (r && zs__load_ptr(&r->p) != (uintptr_t)p) r = r->next;
    if (r) zs__cas_ptr(&r->p, &was, 0); /* seq_cst; who frees is one [STATE-1] */
}

/* The site of a stack, NULL: none, or no memory. Epoch lock held. */
static zs__site *zs__site_of(zs__allocator *z, void *const *pcs, size_t depth)
{
    uint64_t hash = depth;
    zs__site *site;
    zslab_result why;
    size_t i;
    if (!depth) return NULL;
    for (i = 0; i < depth; i++) hash = (hash ^ (uintptr_t)pcs[i]) * UINT64_C(0x9e3779b97f4a7c15), hash ^= hash >> 29;
    for (site = z->profile->sites[hash & 255]; site; site = site->next) {
        for (i = 0; site->depth == depth && i < depth && site->pc[i] == (uintptr_t)pcs[i]; i++)
            ;
        if (site->depth == depth && i == depth) return site;
    }
    site = (zs__site *)zs__record_get(z, ZSLAB_EPOCH_NONE, sizeof *site + depth * sizeof site->pc[0], &why);
    if (!site) return NULL;
    site->depth = depth;
    for (i = 0; i < depth; i++) site->pc[i] = (uintptr_t)pcs[i];
    site->next = z->profile->sites[hash & 255];
    z->profile->sites[hash & 255] = site;
    return site;
}

static void zs__profile_put(zs__allocator *z, const void *p, size_t size, uint64_t bytes)
{
    uint64_t stamp = zs__load_u64(&z->chunks[(size_t)((const char *)p - z->base) >> ZSLAB_CHUNK_SHIFT].stamp);
    const zs__place *place = &z->places[zs__stamp_place(stamp)];
    uintptr_t *head = zs__profile_bucket(z, p);
    void *pcs[ZS__SITE_DEPTH];
    int saved = zs__errno();
    size_t depth = 0;
    zs__sampled *r, *spare = NULL;
    zslab_result why;
    if (z->shared && zs__interrupts_any(z)) /* who has the epoch lock may wait for what is held here */
        return;                             /* a sample less */
    zs__rank_none();
    if (z->config.capture) depth = z->config.capture(z->config.capture_user, pcs, ZS__SITE_DEPTH);
    zs__errno_back(saved);
    zs__epochs_take(z);
    for (r = zs__sampled_at(head); r && zs__load_ptr(&r->p) != (uintptr_t)p; r = r->next)
        spare = zs__sampled_live(z, r) ? spare : r;
    r = r ? r : spare;
    if (!r && (r = (zs__sampled *)zs__record_get(z, ZSLAB_EPOCH_NONE, sizeof *r, &why)) != NULL) {
        r->next = zs__sampled_at(head);
        zs__store_rel_ptr(head, (uintptr_t)r); /* release: the record. Pairs with zs__sampled_at */
    }
    if (r) {
        zs__store_ptr(&r->p, 0); /* relaxed, all: figures, published by the address */
        zs__store_u64(&r->stamp, stamp);
        zs__store_u64(&r->epoch, zs__load_u64(&place->id));
        zs__store_u64(&r->opened_ns, place->opened_ns);
        zs__store_u64(&r->bytes, bytes);
        zs__store_u64(&r->size, size);
        zs__store_ptr(&r->site, (uintptr_t)zs__site_of(z, pcs, depth < ZS__SITE_DEPTH ? depth : ZS__SITE_DEPTH));
        zs__store_rel_ptr(&r->p, (uintptr_t)p); /* release: pairs with zs__sampled_live */
    }
    zs__epochs_drop(z);
}

/* ---- >>group ---------------------------------------------------------------
   Groups: records under the epoch lock; what counts for them is >>budget's. Epochs that go when memory is short. */
ZSLAB_API zslab_group *zslab_group_create(zslab *self, const zslab_group_config *c)
{
    static const zslab_group_config none = {NULL, 0, 0, 0, 0};
    zs__allocator *z = zs__own(self);
    zslab_group *g;
    zslab_result why = ZSLAB_OK;
    size_t was, tries;
    c = c ? c : &none;
    if (c->hard_bytes && c->guaranteed_bytes > c->hard_bytes) return (zslab_group *)zs__fail_null(ZSLAB_E_INVALID);
    for (tries = 0; !zs__count_within(&z->charged_bytes, c->guaranteed_bytes, &z->hard_limit, &was); tries++) {
        if (tries || zs__sealed(z)) return (zslab_group *)zs__fail_null(ZSLAB_E_LIMIT);
        zslab_trim(z); /* what nobody has is in the way of no guarantee */
        zs__empty_trim(z);
    }
    do {
        if (!zs__epochs_enter(z)) {
            g = NULL, why = ZSLAB_E_BUSY;
            break;
        }
        g = z->groups_spare;
        if (g)
            z->groups_spare = g->next;
        else
            g = (zslab_group *)zs__record_get(z, ZSLAB_EPOCH_NONE, sizeof *g, &why);
        if (g) {
            zs__zero(g, sizeof *g);
            g->soft = c->soft_bytes ? c->soft_bytes : SIZE_MAX;
            g->hard = c->hard_bytes ? c->hard_bytes : SIZE_MAX;
            g->guaranteed = c->guaranteed_bytes;
            g->epoch_count = c->epoch_count;
            g->number = ++z->group_number;
            zs__label_copy(g->label, c->label);
            g->next = z->groups;
            if (g->next) g->next->before = g;
            z->groups = g;
            z->group_count++;
            g->z = z;
        }
        zs__epochs_drop(z);
    } while (!g && zs__limit_search(z, why));
    if (!g) zs__sub_ptr(&z->charged_bytes, c->guaranteed_bytes);
    zs__words_tell(z, zs__heap_peek(z));
    return g ? g : (zslab_group *)zs__fail_null(why);
}

ZSLAB_API zslab_result zslab_group_destroy(zslab_group *g)
{
    zs__allocator *z = g ? g->z : NULL;
    zslab_result r = ZSLAB_OK;
    if (!z) return ZSLAB_E_INVALID;
    zs__ends_due(z);
    if (!zs__epochs_enter(z)) return ZSLAB_E_BUSY;
    zs__places_try_end(z);
    if (g->epochs) {
        r = ZSLAB_E_BUSY;
    } else {
        zs__sub_ptr(&z->charged_bytes, g->guaranteed); /* nothing of it is charged */
        if (g->before)
            g->before->next = g->next;
        else
            z->groups = g->next;
        if (g->next) g->next->before = g->before;
        z->group_count--;
        g->z = NULL;
        g->guaranteed = 0;
        g->next = z->groups_spare;
        z->groups_spare = g;
    }
    zs__epochs_drop(z);
    return r;
}

ZSLAB_API zslab_result zslab_group_set_limits(zslab_group *g, size_t soft_bytes, size_t hard_bytes)
{
    if (!g || !g->z || (hard_bytes && hard_bytes < g->guaranteed)) return ZSLAB_E_INVALID;
    zs__exchange_ptr(&g->soft, soft_bytes ? soft_bytes : SIZE_MAX); /* as in zslab_set_limits */
    zs__exchange_ptr(&g->hard, hard_bytes ? hard_bytes : SIZE_MAX);
    return ZSLAB_OK;
}

static int zs__place_entered(const zs__allocator *z, const zs__place *place) /* is a domain inside? Epoch lock held */
{
    const zslab_heap *heap;
    uint32_t i;
    if (z->shared) return zs__round_of(z, place->id)->visits != 0;
    for (heap = z->heaps; heap && place->domains; heap = heap->next)
        for (i = 0; i < heap->scope_count; i++)
            if (heap->scopes[i].domain->epoch == place->id) return 1;
    return 0;
}

/* Bytes that go with an epoch, and all below it, if it may be discarded for an allocation in the epoch `but`. Epoch
   lock held. */
static size_t zs__place_discards(zs__allocator *z, zs__place *root, zslab_epoch but)
{
    zs__place *at;
    size_t bytes = 0;
    if (!(root->flags & ZSLAB_EPOCH_DISCARDABLE) || root->ending) return 0;
    for (at = zs__below(z, root, NULL); at; at = zs__below(z, root, at)) {
        if (at->id == but || zs__place_entered(z, at)) return 0;
        bytes += (size_t)(zs__load_u64(&at->charge) & ZS__CHARGE_BYTES);
    }
    return bytes;
}

/* Discard the group's, or any's, until so many bytes are charged no longer; how many are not. No lock held. */
static size_t zs__discard(zs__allocator *z, const zslab_group *g, int any, zslab_epoch but, size_t bytes)
{
    size_t freed = 0, charge = 0;
    while (freed < bytes) {
        zs__place *place;
        zslab_group *of = NULL;
        uint32_t q;
        if (!zs__epochs_enter(z)) break;
        for (q = z->oldest; q; q = place->younger) {
            place = &z->places[q - 1];
            of = place->group;
            if ((any || g == of) && (charge = zs__place_discards(z, place, but)) != 0) break;
        }
        if (!q) {
            zs__epochs_drop(z);
            break;
        }
        place = &z->places[q - 1];
        if (place->child || place->ends) {
            zs__ends_all(z, place, ZSLAB_END_DISCARDED);
            zs__epochs_drop(z);
        } else {
            zs__epoch_apply(z, place->id, ZS__RELEASE);
        }
        zs__ends_due(z);
        freed += charge;
        if (of) {
            zs__add_u64(&of->discarded_epochs, 1); /* counters: ordered with nothing */
            zs__add_u64(&of->discarded_bytes, charge);
        }
    }
    return freed;
}

ZSLAB_API size_t zslab_discard_oldest(zslab *self, zslab_group *group, size_t bytes)
{
    return zs__discard(zs__own(self), group, !group, ZSLAB_EPOCH_NONE, bytes);
}

/* ---- >>domain --------------------------------------------------------------
   Scopes over epochs. Who is inside is counted under the epoch lock; the last exit anywhere applies the policy in
   the same step. Nesting is each thread's own stack of scopes. */

/* Point the thread at the row of its innermost epoch, when it has one; else its next allocation finds it. */
static void zs__heap_switch(zslab_heap *heap)
{
#if !ZSLAB_NO_TLS
    zs__allocator *z = heap->z;
    zslab_epoch e = zs__heap_epoch(heap);
    zs__row *row = zs__row_at(heap, (uint32_t)(e & ZS__PLACE_MASK));
    zs__tls_block *tls = zs__tls();
    uint32_t depth;
    heap->row = row && (!z->always_slow || z->counted) && zs__load_u64(&row->gate) == e ? row : NULL;
    if (heap->is_explicit) return;
    if (heap->row) {
        depth = zs__heap_enter(heap);
        zs__tls_set(heap, heap->row);
        zs__heap_exit(heap, depth);
    } else if (zs__tls_is(tls, z)) {
        zs__store_ptr(&tls->z, 0);
    }
#else
    (void)heap;
#endif
}

/* A record for a domain over the epoch, NULL with the reason; lock held. */
static zslab_domain *zs__domain_new(zs__allocator *z, zslab_epoch e, zslab_result *why)
{
    zslab_domain *d = z->domains_spare;
    if (d) {
        z->domains_spare = d->next;
    } else {
        d = (zslab_domain *)zs__record_get(z, e, sizeof *d, why);
    }
    if (d) zs__zero(d, sizeof *d);
    return d;
}

static void zs__domain_spare(zs__allocator *z, zslab_domain *d)
{
    d->z = NULL; /* a use after destroy is told from a live domain until the record serves again */
    d->next = z->domains_spare;
    z->domains_spare = d;
}

static const zslab_epoch_config zs__epoch_plain = {NULL, NULL, ZSLAB_EPOCH_NONE, 0}; /* all defaults */

static int zs__epoch_config_right(const zslab_epoch_config *c) { return !(c->flags & ~ZSLAB_EPOCH_DISCARDABLE); }

ZSLAB_API zslab_domain *zslab_domain_create(zslab *z) { return zslab_domain_create_with(z, NULL); }

ZSLAB_API zslab_domain *zslab_domain_create_with(zslab *self, const zslab_epoch_config *c)
{
    zs__allocator *z = zs__own(self);
    zslab_domain *d = NULL;
    zslab_epoch e;
    zslab_result why = ZSLAB_E_NOMEM;
    c = c ? c : &zs__epoch_plain;
    if (!zs__epoch_config_right(c)) return (zslab_domain *)zs__fail_null(ZSLAB_E_INVALID);
    if (!zs__epochs_enter(z)) return (zslab_domain *)zs__fail_null(ZSLAB_E_BUSY);
    while ((e = zs__epoch_open(z, c, &why)) != 0 && (d = zs__domain_new(z, e, &why)) == NULL) {
        zs__epochs_drop(z);
        zslab_epoch_release(z, e);
        if (!zs__limit_search(z, why)) return (zslab_domain *)zs__fail_null(why);
        zs__epochs_take(z);
    }
    if (e) {
        d->z = z;
        d->epoch = e;
        d->policy = ZSLAB_ON_EXIT_RELEASE;
        d->owns_epoch = 1;
        z->places[e & ZS__PLACE_MASK].domains = 1;
    }
    zs__epochs_drop(z);
    zs__words_tell(z, zs__heap_peek(z));
    zs__ends_due(z);
    return e ? d : (zslab_domain *)zs__fail_null(why);
}

ZSLAB_API zslab_domain *zslab_domain_wrap(zslab *self, zslab_epoch e, zslab_on_exit policy)
{
    zs__allocator *z = zs__own(self);
    zslab_domain *d = NULL;
    zslab_result why;
    zs__place *place;
    if ((unsigned)policy > ZSLAB_ON_EXIT_RELEASE) return (zslab_domain *)zs__fail_null(ZSLAB_E_INVALID);
    do {
        if (!zs__epochs_enter(z)) return (zslab_domain *)zs__fail_null(ZSLAB_E_BUSY);
        place = zs__place_find(z, e);
        why = ZSLAB_E_CLOSED;
        if (place && place->state == ZSLAB_EPOCH_ACTIVE && (d = zs__domain_new(z, e, &why)) != NULL) {
            d->z = z;
            d->epoch = e;
            d->policy = policy;
            place->domains++;
        }
        zs__epochs_drop(z);
    } while (!d && zs__limit_search(z, why));
    zs__words_tell(z, zs__heap_peek(z));
    return d ? d : (zslab_domain *)zs__fail_null(why);
}

/* One entry more on the thread's stack of scopes, which has room. Before d->inside counts it, as an exit takes it off
   after: each that is counted inside is on a stack (zs__fork_scopes). Epoch lock held. */
static void zs__scope_push(zslab_heap *heap, zslab_domain *d)
{
    zs__scope *top = &heap->scopes[heap->scope_count];
    if (heap->scope_count && top[-1].domain == d) {
        top[-1].entered++;
        return;
    }
    top->domain = d;
    top->entered = 1;
    zs__compiler_barrier();
    heap->scope_count++;
}

/* The domain is left by its last visitor, or ended by force. Lock held, dropped here. */
static zslab_result zs__domain_end(zslab_domain *d, zslab_on_exit policy)
{
    zs__allocator *z = d->z;
    zs__place *place = zs__place_find(z, d->epoch);
    zslab_result r;
    d->forsaken = 0;
    if (d->owns_epoch) d->ended = 1;
    if (policy == ZSLAB_ON_EXIT_KEEP || !place) {
        zs__epochs_drop(z);
        return ZSLAB_OK;
    }
    if (policy == ZSLAB_ON_EXIT_RELEASE) place->domains = 0;
    r = policy == ZSLAB_ON_EXIT_RESET   ? zs__epoch_end(z, d->epoch, ZS__RESET, ZSLAB_END_RESET)
        : policy == ZSLAB_ON_EXIT_CLOSE ? zs__epoch_end(z, d->epoch, ZS__CLOSE, ZSLAB_END_DRAINED)
                                        : zs__epoch_end(z, d->epoch, ZS__RELEASE, ZSLAB_END_RELEASE);
    return r == ZSLAB_E_CLOSED || r == ZSLAB_E_BUSY ? ZSLAB_OK : r; /* ended directly: nothing is left */
}

/* Threads that are gone were the last inside: the policy is applied. Lock held; in between it may be dropped. */
static void zs__domain_forsaken(zslab_domain *d)
{
    if (ZS__LIKELY(!d->forsaken || d->inside)) return;
    zs__domain_end(d, d->policy);
    zs__epochs_take(d->z);
}

/* Is anybody inside? Threads that are gone leave first [THREAD-3], but where the system may not be asked. Lock held, as
   above. */
static int zs__domain_entered(zslab_domain *d)
{
#if !ZSLAB_NO_TLS
    zslab_heap *heap;
    for (heap = zs__sealed(d->z) ? NULL : d->z->heaps; heap && d->inside; heap = heap->next)
        if (heap->tls && heap->scope_count && !zs__os_thread_lives(heap->os_thread)) zs__scopes_end(heap);
#endif
    zs__domain_forsaken(d);
    return d->inside != 0;
}

static zslab_result zs__domain_enter(zslab_domain *d, zslab_heap *heap)
{
    zs__allocator *z = heap->z;
    zs__scope *top;
    zslab_result r = ZSLAB_OK;
    if (!zs__epochs_enter(z)) return ZSLAB_E_BUSY;
    zs__domain_forsaken(d);
    top = heap->scope_count ? &heap->scopes[heap->scope_count - 1] : NULL;
    if (d->ended || !zs__place_open(z, d->epoch))
        r = ZSLAB_E_CLOSED;
    else if (z->places[d->epoch & ZS__PLACE_MASK].ending)
        r = ZSLAB_E_BUSY;
    else if (!z->shared && (!top || top->domain != d) && heap->scope_count == ZS__SCOPES_MAX)
        r = ZSLAB_E_LIMIT;
    if (r == ZSLAB_OK) {
        if (z->shared) {
            zs__store_rel_ptr(&z->shared_domain, (uintptr_t)d); /* release: pairs with zslab_domain_current */
            zs__round_of(z, d->epoch)->visits++;
        } else {
            zs__scope_push(heap, d);
        }
        d->inside++;
    }
    zs__epochs_drop(z);
    if (r == ZSLAB_OK && !z->shared && heap->scopes[heap->scope_count - 1].entered == 1) zs__heap_switch(heap);
    zs__heap_done(heap);
    return r;
}

ZSLAB_API zslab_result zslab_domain_enter(zslab_domain *d)
{
    zslab_heap *heap;
    zslab_result r;
    if (!d || !d->z) return ZSLAB_E_INVALID;
    heap = zs__heap_mine(d->z, d->epoch);
    if (!heap) return zslab_last_error();
    r = zs__domain_enter(d, heap);
#if !ZSLAB_NO_TLS
    if (r == ZSLAB_OK && zs__tls()->passing && !d->z->shared)
        zs__os_arm_thread_exit(); /* under no lock, as in zs__heap_attach_try [THREAD-2] */
#endif
    return r;
}

static int zs__heap_fits(const zslab_domain *d, const zslab_heap *heap)
{
    return d && d->z && heap && heap->z == d->z && (heap->is_explicit || d->z->shared);
}

ZSLAB_API zslab_result zslab_domain_enter_heap(zslab_domain *d, zslab_heap *heap)
{
    return zs__heap_fits(d, heap) ? zs__domain_enter(d, heap) : ZSLAB_E_INVALID;
}

static zslab_result zs__domain_exit(zslab_domain *d, zslab_heap *heap)
{
    zs__allocator *z = heap->z;
    zs__scope *top = heap->scope_count ? &heap->scopes[heap->scope_count - 1] : NULL;
    const int nested = !z->shared;
    zs__place *place;
    uint32_t others;
    if (nested && (!top || top->domain != d)) return ZSLAB_E_INVALID;
    zs__ends_due(z);
    if (!zs__epochs_enter(z)) return ZSLAB_E_BUSY;
    if (!d->inside) {
        zs__epochs_drop(z);
        return ZSLAB_E_INVALID;
    }
    others = --d->inside;
    if ((place = zs__place_find(z, d->epoch)) != NULL) {
        if (!others && d->policy != ZSLAB_ON_EXIT_RELEASE) zs__place_used(place);
        zs__round_of(z, d->epoch)->visits -= !nested;
    }
    if (nested && --top->entered == 0) heap->scope_count--;
    if (others) {
        zs__epochs_drop(z);
    } else {
        zslab_result r;
        if (zs__load_ptr(&z->shared_domain) == (uintptr_t)d)
            zs__store_ptr(&z->shared_domain, 0); /* relaxed: nothing is read behind it */
        if ((r = zs__domain_end(d, d->policy)) != ZSLAB_OK) return r;
    }
    if (nested && (!heap->scope_count || top->domain != d || !top->entered)) zs__heap_switch(heap);
    zs__heap_done(heap);
    return ZSLAB_OK;
}

ZSLAB_API zslab_result zslab_domain_exit(zslab_domain *d)
{
    zslab_heap *heap = d && d->z ? zs__heap_peek(d->z) : NULL;
    return heap ? zs__domain_exit(d, heap) : ZSLAB_E_INVALID;
}

ZSLAB_API zslab_result zslab_domain_exit_heap(zslab_domain *d, zslab_heap *heap)
{
    return zs__heap_fits(d, heap) ? zs__domain_exit(d, heap) : ZSLAB_E_INVALID;
}

ZSLAB_API zslab_result zslab_domain_force_close(zslab_domain *d)
{
    zs__allocator *z = d ? d->z : NULL;
    if (!z) return ZSLAB_E_INVALID;
    if (!zs__epochs_enter(z)) return ZSLAB_E_BUSY;
    if (zs__domain_entered(d)) {
        zs__epochs_drop(z);
        return ZSLAB_E_BUSY;
    }
    d->ended = 1;
    return zs__domain_end(d, d->policy == ZSLAB_ON_EXIT_KEEP ? ZSLAB_ON_EXIT_CLOSE : d->policy);
}

ZSLAB_API zslab_result zslab_domain_destroy(zslab_domain *d)
{
    zs__allocator *z = d ? d->z : NULL;
    zs__place *place;
    zslab_epoch e;
    if (!z) return ZSLAB_E_INVALID;
    if (!zs__epochs_enter(z)) return ZSLAB_E_BUSY;
    if (zs__domain_entered(d)) {
        zs__epochs_drop(z);
        return ZSLAB_E_BUSY;
    }
    place = zs__place_find(z, d->epoch);
    if (place && place->domains) place->domains--;
    e = d->owns_epoch && !d->ended ? d->epoch : ZSLAB_EPOCH_NONE;
    zs__domain_spare(z, d);
    if (e)
        zs__epoch_end(z, e, ZS__RELEASE, ZSLAB_END_RELEASE);
    else
        zs__epochs_drop(z);
    return ZSLAB_OK;
}

ZSLAB_API zslab_domain *zslab_domain_current(const zslab *self)
{
    const zs__allocator *z = zs__own_const(self);
    const zslab_heap *heap;
    if (z->shared)
        return (zslab_domain *)zs__load_acq_ptr(&z->shared_domain); /* acquire: pairs with zslab_domain_enter */
    heap = zs__heap_peek(z);
    return heap && heap->scope_count ? heap->scopes[heap->scope_count - 1].domain : NULL;
}

ZSLAB_API zslab_epoch zslab_domain_epoch(const zslab_domain *d) { return d && d->z ? d->epoch : ZSLAB_EPOCH_NONE; }

/* ---- >>pool ----------------------------------------------------------------
   Slots of one size with one owner, in one block: the pool, a state byte per slot, the queue's
   cells, then the slots. Free slots form a list through their own first 8 bytes; nothing else is
   kept in a slot. Other threads give slots back through a bounded queue of slot indices.

   [POOL-1] A slot's state tells where it is: FREE, LIVE (a thread holds it), QUEUED (a remote gave
            it back, the owner has not seen it), LOST (its link was damaged; never used again). Only
            a remote makes LIVE QUEUED, and takes that back when the queue refuses; every other
            change is the owner's.
   [POOL-2] Slots from `fresh` up were never handed out. Below it, each FREE slot is exactly once
            either `top` or on the list that begins at `head`.
   [POOL-3] head <= tail <= head + capacity, and a cell outside [head, tail) holds 0. A cell inside
            holds 0 until its pusher has stored slot index + 1.
   [POOL-4] The thread that turns LIVE into QUEUED, one thread by the CAS, pushes that slot: a slot is in
            the queue at most once, and the owner takes home QUEUED slots only.
   [POOL-5] tail carries CLOSED in its top bit. A push is a CAS on tail that expects it without
            CLOSED, so a push comes wholly before the close, and is counted by it, or is refused.
   [POOL-6] refs counts the owner and every remote; the thread that takes it to 0 releases the block.
   [POOL-7] fresh <= grown <= slot_count, and slots below grown have memory. The owner alone grows. A remote never
            asks: the slots it is given are below fresh, and a state, which all slots have, answers for the others.

   Why the newest free slot stays out of the list (`top`): a free followed by an allocation would
   store a link and load it back, 5 cycles in the one chain that a hot pair cannot overlap, besides
   the arithmetic of packing it.                                                    */
#define ZS__POOL_LINE 128 /* two cache lines: prefetchers fetch pairs, and some CPUs have lines of 128 */
#define ZS__POOL_NONE UINT32_C(0xffffffff)
#define ZS__POOL_CLOSED (UINT64_C(1) << 63)
#define ZS__POOL_COOLDOWN 16
enum { ZS__POOL_FREE = 0, ZS__POOL_LIVE = 1, ZS__POOL_QUEUED = 2, ZS__POOL_LOST = 3 };

#if defined(__GNUC__) || defined(__clang__)
typedef uint64_t __attribute__((__may_alias__)) zs__pool_link; /* user types lived where it is stored */
#else
typedef uint64_t zs__pool_link;
#endif

/* Written by zslab_pool_create, then only read. */
typedef struct zs__pool_fixed {
    char *base;        /* first slot */
    uint8_t *states;   /* slot_count bytes */
    uint32_t *cells;   /* the queue: a power of two of them, at least its capacity */
    uintptr_t inverse; /* of the odd part of stride, modulo the word: see zs__pool_index_of */
    size_t stride;
    size_t capacity_bytes;
    uint32_t slot_count;
    uint32_t shift; /* stride = odd part << shift */
    zs__u64 cell_mask;
    zs__u64 queue_capacity; /* 0: refuses everything */
    uint32_t grow_count;
    zslab_fallback fallback;
    zslab_os os;
    void *block; /* what the system gave, to be released; NULL: the caller's buffer */
    size_t block_bytes;
    int adaptive;
} zs__pool_fixed;

/* Written by remotes. */
typedef struct zs__pool_inbox {
    zs__u64 tail; /* pushes so far, and CLOSED */
    zs__u64 remote_full;
    uint32_t refs;
} zs__pool_inbox;

struct zslab_remote {
    zs__pool_fixed fixed;
    char pad_fixed[ZS__POOL_LINE - sizeof(zs__pool_fixed) % ZS__POOL_LINE];
    zs__pool_inbox inbox;
    char pad_inbox[ZS__POOL_LINE - sizeof(zs__pool_inbox) % ZS__POOL_LINE];
    zs__u64 head; /* taken home so far; the owner writes it once a drain, pushers read it */
    char pad_head[ZS__POOL_LINE - sizeof(uint64_t)];
};

struct zslab_pool {
    zslab_remote r;
    /* The owner's; statistics read the counters. The first line serves the fast paths. */
    uintptr_t top_state; /* address of the newest free slot's state; 0: top is empty, see head */
    char *top;
    zs__u64 drain_at; /* drain when tail reaches this */
    zs__u64 returns;  /* slots that came home; what is not home any more was reused */
    zs__u64 key;      /* of the links */
    uint32_t head;    /* index of the first slot on the list, or ZS__POOL_NONE */
    uint32_t listed;  /* slots on the list */
    uint32_t fresh;   /* slots from here up were never used */
    uint32_t busy;    /* debug: the owner is inside */
    uint32_t lost;
    uint32_t high_water;
    uint32_t threshold;
    uint32_t cooldown; /* checks until the adaptive policy may step again */
    uint32_t grown;    /* slots from here up have no memory yet */
    zs__u64 fallbacks;
    zs__u64 drains;
    zs__u64 corruption_events;
    zs__u64 growths;
    zslab_pool *next, *before; /* all pools, newest first. zs__global.lock, as number */
    uint32_t number;           /* not 0, what statistics tell it by */
    char label[32];
};

/* Who writes a line does not share it: fixed (nobody), inbox (remotes), head (owner), the rest (owner). */
ZS__STATIC_ASSERT(pool_fixed_apart, offsetof(zslab_remote, inbox) % ZS__POOL_LINE == 0 &&
                                        offsetof(zslab_remote, inbox) >= sizeof(zs__pool_fixed));
ZS__STATIC_ASSERT(pool_inbox_apart,
                  offsetof(zslab_remote, head) % ZS__POOL_LINE == 0 &&
                      offsetof(zslab_remote, head) - offsetof(zslab_remote, inbox) >= sizeof(zs__pool_inbox));
ZS__STATIC_ASSERT(pool_head_apart, sizeof(zslab_remote) - offsetof(zslab_remote, head) == ZS__POOL_LINE);
ZS__STATIC_ASSERT(pool_owner_apart, offsetof(zslab_pool, top_state) == sizeof(zslab_remote));
ZS__STATIC_ASSERT(pool_fast_line, offsetof(zslab_pool, busy) - offsetof(zslab_pool, top_state) <= 64);

/* Debug: two threads at once in the owner's calls, or a fallback hook calling back into its pool. A plain
   load and store: nothing is guarded by it. */
static inline ZS__MAYBE_UNUSED int zs__pool_enter(zslab_pool *p)
{
    uint32_t was = zs__load_u32(&p->busy);
    zs__store_u32(&p->busy, 1); /* relaxed, like the load: a missed overlap is met at a later call */
    return !was;
}

static inline ZS__MAYBE_UNUSED int zs__pool_leave(zslab_pool *p)
{
    zs__store_u32(&p->busy, 0); /* relaxed: see zs__pool_enter */
    return 1;
}

/* The owner is the one writer of its counters; relaxed, since statistics want a recent value and no more. */
static inline void zs__pool_count(uint64_t *counter) { zs__store_u64(counter, *counter + 1); }

/* Index of the slot that begins at `slot`; anything not below slot_count means that none does. Multiplying
   by the inverse of an odd number is a bijection of the machine's words and divides its multiples exactly;
   the rotation is the same for a power of two. So below slot_count lie exactly the images of the slots'
   offsets, and one comparison tells bounds and alignment. */
static inline uintptr_t zs__pool_index_of(const zs__pool_fixed *f, const void *slot)
{
    uintptr_t t = ((uintptr_t)slot - (uintptr_t)f->base) * f->inverse;
    return t >> f->shift | t << ((0 - f->shift) & (sizeof t * 8 - 1));
}

static inline char *zs__pool_slot_at(const zs__pool_fixed *f, uint32_t idx)
{
    ZSLAB_ASSERT(idx < f->slot_count && "slot index");
    ZSLAB_ASSERT(idx <= SIZE_MAX / f->stride && "offset overflow");
    ZSLAB_ASSERT(idx * f->stride <= f->capacity_bytes - f->stride && "offset in capacity");
    return f->base + idx * f->stride;
}

/* A link is the next index, and a tag made of it and of the place it stands in, under the pool's key. */
static inline uint32_t zs__pool_tag(uint32_t idx, uint32_t next) { return (next << 11 | next >> 21) + idx; }

static inline void zs__pool_list_push(zslab_pool *p, char *slot, uint32_t idx)
{
    const uint32_t next = p->head;
    ZSLAB_ASSERT(idx < p->fresh && "freed slot in bounds");
    ZSLAB_ASSERT(zs__pool_index_of(&p->r.fixed, slot) == idx && "alignment");
    zs__mem_show(slot, sizeof(zs__pool_link));
    *(zs__pool_link *)(void *)slot = ((uint64_t)zs__pool_tag(idx, next) << 32 | next) ^ p->key;
    zs__mem_hide(slot, sizeof(zs__pool_link));
    p->head = idx;
    zs__store_u32(&p->listed, p->listed + 1); /* relaxed: a count */
}

/* Is the link in the free slot `idx` as it was stored? Then *next is the slot behind it. */
static inline int zs__pool_link_read(const zslab_pool *p, const char *slot, uint32_t idx, uint32_t *next)
{
    uint64_t link;
    zs__mem_show(slot, sizeof link);
    link = *(const zs__pool_link *)(const void *)slot ^ p->key;
    zs__mem_hide(slot, sizeof link);
    *next = (uint32_t)link;
    /* NONE + 1 is 0: one comparison for "none, or a slot that was used" */
    return (uint32_t)(link >> 32) == zs__pool_tag(idx, *next) && (uint32_t)(*next + 1) <= p->fresh;
}

/* The first slot on the list, now LIVE; NULL: there is none (head is NONE), or its link is damaged. */
static inline char *zs__pool_list_pop(zslab_pool *p)
{
    const uint32_t idx = p->head;
    uint32_t next;
    char *slot;
    int intact;
    ZSLAB_ASSERT((idx < p->fresh || idx == ZS__POOL_NONE) && "list head");
    if (ZS__UNLIKELY(idx >= p->fresh)) return NULL; /* NONE is the greatest number */
    slot = zs__pool_slot_at(&p->r.fixed, idx);
    intact = zs__pool_link_read(p, slot, idx, &next);
    ZSLAB_ASSERT(intact && "next link");
    if (ZS__UNLIKELY(!intact)) return NULL;
    p->head = next;
    zs__store_u32(&p->listed, p->listed - 1);                       /* relaxed: a count */
    ZS__PREFETCH_WRITE(p->r.fixed.base + next * p->r.fixed.stride); /* behind the end it does nothing */
    zs__mem_alloc(p, slot, p->r.fixed.stride);
    zs__store_u8(&p->r.fixed.states[idx], ZS__POOL_LIVE); /* relaxed: see zslab_pool_alloc */
    return slot;
}

/* The newest free slot, now LIVE; top is not empty. */
static inline char *zs__pool_take_top(zslab_pool *p)
{
    uint8_t *state = (uint8_t *)p->top_state;
    zs__store_ptr(&p->top_state, 0); /* relaxed: only statistics read it elsewhere */
    /* relaxed: who is given the pointer synchronises with the owner, and so its CAS comes after [POOL-1] */
    zs__mem_alloc(p, p->top, p->r.fixed.stride);
    zs__store_u8(state, ZS__POOL_LIVE);
    return p->top;
}

static ZS__NOINLINE void *zs__pool_alloc_list(zslab_pool *p);
static ZS__NOINLINE void *zs__pool_alloc_slow(zslab_pool *p);

/* With a slot in `top`: 4 loads, 2 stores, 3 branches. */
void *zslab_pool_alloc(zslab_pool *p)
{
    char *slot;
    /* relaxed: a hint; the drain it leads to looks again */
    if (ZS__UNLIKELY(!p || zs__load_u64(&p->r.inbox.tail) >= p->drain_at)) return zs__pool_alloc_slow(p);
    if (!p->top_state) return zs__pool_alloc_list(p);
    ZSLAB_ASSERT(zs__pool_enter(p) && "one owner at a time");
    slot = zs__pool_take_top(p);
    ZSLAB_ASSERT(zs__pool_leave(p));
    return slot;
}

static ZS__NOINLINE void *zs__pool_alloc_list(zslab_pool *p)
{
    char *slot;
    ZSLAB_ASSERT(zs__pool_enter(p) && "one owner at a time");
    slot = zs__pool_list_pop(p);
    ZSLAB_ASSERT(zs__pool_leave(p));
    return ZS__LIKELY(slot != NULL) ? slot : zs__pool_alloc_slow(p);
}

/* A slot that is its own again goes on top, and the one that was there on the list. */
static inline void zs__pool_take_home(zslab_pool *p, char *slot, uint8_t *state)
{
    /* relaxed: a remote that still names this slot gets ZSLAB_E_DOUBLE_FREE now or, once the slot was handed
       out again, frees the new object: it raced with this free. [POOL-1] */
    zs__store_u8(state, ZS__POOL_FREE);
    if (p->top_state) zs__pool_list_push(p, p->top, (uint32_t)(p->top_state - (uintptr_t)p->r.fixed.states));
    zs__store_ptr(&p->top_state, (uintptr_t)state); /* relaxed: see zs__pool_take_top */
    p->top = slot;
    zs__pool_count(&p->returns);
}

/* Takes out of use the free slots whose links are damaged, and links the rest anew: the states know which
   are free [POOL-2], and none is in `top`, or nobody would have looked at the list. O(slots used). */
static ZS__NOINLINE void zs__pool_mend(zslab_pool *p)
{
    uint32_t idx = p->fresh, next, head = ZS__POOL_NONE;
    zs__store_u32(&p->listed, 0); /* relaxed: a count */
    while (idx--) {
        uint8_t *state = &p->r.fixed.states[idx];
        char *slot = p->r.fixed.base + idx * p->r.fixed.stride;
        if (zs__load_u8(state) != ZS__POOL_FREE) continue; /* relaxed: the owner writes it */
        if (zs__pool_link_read(p, slot, idx, &next)) {
            p->head = head;
            zs__pool_list_push(p, slot, idx);
            head = idx;
        } else {
            zs__store_u8(state, ZS__POOL_LOST);   /* relaxed: a remote refuses LOST as it refuses FREE */
            zs__store_u32(&p->lost, p->lost + 1); /* relaxed: a count */
            zs__pool_count(&p->corruption_events);
        }
    }
    p->head = head;
}

/* The threshold in force: what the policy says, and never more than the queue holds. */
static uint64_t zs__pool_threshold(const zslab_pool *p)
{
    /* relaxed: statistics read it from other threads, and want a recent one */
    const uint64_t capacity = p->r.fixed.queue_capacity, wait = zs__load_u32(&p->threshold);
    return wait < capacity ? wait : capacity;
}

static void zs__pool_set_drain_at(zslab_pool *p)
{
    p->drain_at = p->r.fixed.queue_capacity ? p->r.head + zs__pool_threshold(p) : UINT64_MAX;
}

/* One check of the adaptive policy: `filled` slots waited in the queue. */
static void zs__pool_adapt(zslab_pool *p, uint64_t filled)
{
    const uint64_t capacity = p->r.fixed.queue_capacity;
    if (p->cooldown) {
        p->cooldown--;
    } else if (filled * 4 > capacity * 3 && p->threshold > 8) {
        zs__store_u32(&p->threshold, p->threshold / 2); /* relaxed: statistics read it */
        p->cooldown = ZS__POOL_COOLDOWN;
    } else if (filled * 4 < capacity && p->threshold < 128) {
        zs__store_u32(&p->threshold, p->threshold * 2); /* relaxed: as above */
        p->cooldown = ZS__POOL_COOLDOWN;
    }
}

/* Empties the queue as it is now. A cell that is still 0 belongs to a pusher between its CAS and its store:
   the drain ends there, and a later one goes on. */
static size_t zs__pool_drain_now(zslab_pool *p)
{
    const zs__pool_fixed *f = &p->r.fixed;
    /* relaxed: a count; the cells carry the order */
    const uint64_t tail = zs__load_u64(&p->r.inbox.tail) & ~ZS__POOL_CLOSED, begin = p->r.head;
    uint64_t at;
    size_t home = 0;
    if (tail == begin) return 0;
    for (at = begin; at != tail; at++) {
        uint32_t *cell = &f->cells[at & f->cell_mask], ahead, idx;
        /* acquire: the slot's bytes as the pusher left them. Pairs with the store in zs__pool_push. */
        if ((idx = zs__load_acq_u32(cell)) == 0) break;
        zs__store_u32(cell, 0); /* relaxed: published by the release of head below [POOL-3] */
        ahead = zs__load_u32(&f->cells[(at + 4) & f->cell_mask]); /* relaxed: only prefetched */
        if (ahead) ZS__PREFETCH_WRITE(f->base + (ahead - 1) * f->stride);
        idx--;
        /* relaxed: QUEUED becomes FREE by the owner alone [POOL-4]. Another state: two threads freed the slot
           at the same instant, and the slot is home already, or the cell was overwritten. */
        if (ZS__UNLIKELY(idx >= p->fresh || zs__load_u8(&f->states[idx]) != ZS__POOL_QUEUED))
            zs__pool_count(&p->corruption_events);
        else
            zs__pool_take_home(p, zs__pool_slot_at(f, idx), &f->states[idx]), home++;
    }
    if (at == begin) return 0;
    /* release: the cells are 0 before a pusher may use them again. Pairs with the acquire in zs__pool_push */
    zs__store_rel_u64(&p->r.head, at);
    if (f->adaptive) zs__pool_adapt(p, tail - begin);
    zs__pool_set_drain_at(p);
    zs__pool_count(&p->drains);
    return home;
}

/* Memory for the next grow_count slots; 0: there are none, or the system refuses. */
static int zs__pool_grow(zslab_pool *p)
{
    const zs__pool_fixed *f = &p->r.fixed;
    const uint32_t left = f->slot_count - p->grown, more = left < f->grow_count ? left : f->grow_count;
    const size_t page = zs__os_page_bytes(), from = zs__round_up(p->grown * f->stride, page);
    const size_t upto = zs__round_up((p->grown + more) * f->stride, page);
    int saved = zs__errno(), refused;
    if (!more) return 0;
    refused = upto > from && (f->os.commit)(f->os.user, f->base + from, upto - from);
    zs__errno_back(saved);
    if (refused) return 0;
    zs__store_u32(&p->grown, p->grown + more); /* relaxed: for statistics [POOL-7] */
    zs__pool_count(&p->growths);
    return 1;
}

/* A slot that was never used; NULL when all were. */
static char *zs__pool_take_fresh(zslab_pool *p)
{
    const uint32_t idx = p->fresh;
    if (idx == p->grown && !zs__pool_grow(p)) return NULL;
    zs__store_u32(&p->fresh, idx + 1); /* relaxed: for statistics, like high_water */
    /* here every used slot is out: the list is empty. Between two such moments no more can be. */
    if (idx + 1 - p->lost > p->high_water) zs__store_u32(&p->high_water, idx + 1 - p->lost);
    zs__mem_alloc(p, zs__pool_slot_at(&p->r.fixed, idx), p->r.fixed.stride);
    zs__store_u8(&p->r.fixed.states[idx], ZS__POOL_LIVE); /* relaxed: see zslab_pool_alloc */
    return zs__pool_slot_at(&p->r.fixed, idx);
}

static void *zs__pool_alloc_fallback(zslab_pool *p)
{
    const zslab_fallback *b = &p->r.fixed.fallback;
    int saved = zs__errno();
    void *object;
    if (!b->alloc) {
        zs__fail(p->grown < p->r.fixed.slot_count ? ZSLAB_E_NOMEM : ZSLAB_E_FULL);
        return NULL;
    }
    object = (b->alloc)(b->user, p->r.fixed.stride, p->r.fixed.stride >= 16 ? 16 : 8);
    zs__errno_back(saved);
    if (object)
        zs__pool_count(&p->fallbacks);
    else
        zs__fail(ZSLAB_E_NOMEM);
    return object;
}

/* Queue, list, unused slots, fallback, in this order: a slot that is warm before one that is not. */
static ZS__NOINLINE void *zs__pool_alloc_slow(zslab_pool *p)
{
    void *object;
    if (!p) {
        zs__fail(ZSLAB_E_INVALID);
        return NULL;
    }
    ZSLAB_ASSERT(zs__pool_enter(p) && "one owner at a time");
    zs__pool_drain_now(p);
    object = p->top_state ? zs__pool_take_top(p) : NULL;
    while (!object && p->head != ZS__POOL_NONE)
        if (!(object = zs__pool_list_pop(p))) zs__pool_mend(p);
    if (!object) object = zs__pool_take_fresh(p);
    if (!object) object = zs__pool_alloc_fallback(p);
    ZSLAB_ASSERT(zs__pool_leave(p));
    return object;
}

/* What an address is that no slot begins at: an object of the fallback goes there. */
static zslab_result zs__pool_free_elsewhere(const zs__pool_fixed *f, void *p)
{
    const zslab_fallback *b = &f->fallback;
    int saved = zs__errno();
    if ((uintptr_t)p - (uintptr_t)f->base < f->capacity_bytes) return ZSLAB_E_MISALIGNED;
    if (!b->free || (b->owns && !b->owns(b->user, p))) return ZSLAB_E_FOREIGN;
    (b->free)(b->user, p);
    zs__errno_back(saved);
    return ZSLAB_OK;
}

static ZS__NOINLINE zslab_result zs__pool_free_slow(zslab_pool *p, void *slot);

/* With `top` empty: 10 loads, 4 stores, 5 branches. */
zslab_result zslab_pool_free(zslab_pool *p, void *slot)
{
    uintptr_t idx;
    uint8_t *state;
    /* relaxed: a hint, as in zslab_pool_alloc */
    if (ZS__UNLIKELY(!p || zs__load_u64(&p->r.inbox.tail) >= p->drain_at)) return zs__pool_free_slow(p, slot);
    idx = zs__pool_index_of(&p->r.fixed, slot);
    if (ZS__UNLIKELY(idx >= p->r.fixed.slot_count)) return zs__pool_free_slow(p, slot);
    state = p->r.fixed.states + idx;
    /* relaxed: the thread that holds the slot got it from the owner, after this LIVE was stored [POOL-1] */
    if (ZS__UNLIKELY(zs__load_u8(state) != ZS__POOL_LIVE)) return zs__pool_free_slow(p, slot);
    ZSLAB_ASSERT(zs__pool_enter(p) && "one owner at a time");
    zs__mem_free(p, slot, p->r.fixed.stride);
    zs__pool_take_home(p, (char *)slot, state);
    ZSLAB_ASSERT(zs__pool_leave(p));
    return ZSLAB_OK;
}

static ZS__NOINLINE zslab_result zs__pool_free_slow(zslab_pool *p, void *slot)
{
    zslab_result result = ZSLAB_OK;
    uintptr_t idx;
    if (!p) return ZSLAB_E_INVALID;
    ZSLAB_ASSERT(zs__pool_enter(p) && "one owner at a time");
    if (zs__load_u64(&p->r.inbox.tail) >= p->drain_at) zs__pool_drain_now(p); /* relaxed: a hint */
    idx = zs__pool_index_of(&p->r.fixed, slot);
    if (!slot)
        ;
    else if (idx >= p->r.fixed.slot_count)
        result = zs__pool_free_elsewhere(&p->r.fixed, slot);
    else if (zs__load_u8(&p->r.fixed.states[idx]) != ZS__POOL_LIVE) /* relaxed: as in zslab_pool_free */
        result = ZSLAB_E_DOUBLE_FREE;
    else {
        zs__mem_free(p, slot, p->r.fixed.stride);
        zs__pool_take_home(p, (char *)slot, &p->r.fixed.states[idx]);
    }
    ZSLAB_ASSERT(zs__pool_leave(p));
    return result;
}

size_t zslab_pool_drain(zslab_pool *p)
{
    size_t n;
    if (!p) return 0;
    ZSLAB_ASSERT(zs__pool_enter(p) && "one owner at a time");
    n = zs__pool_drain_now(p);
    ZSLAB_ASSERT(zs__pool_leave(p));
    return n;
}

/* Takes a place in the queue and names the slot there. Why a place by CAS and not by an unconditional
   addition: an addition cannot be refused, and a full queue, like a closed one, must leave the slot with its
   caller. Why the state first (zs__pool_remote_free) and the place second: the other way round a second free
   of the slot would be found with a place already taken, which nobody may leave empty. Between the CAS and
   the store the owner sees an empty cell and comes back later: it waits for nobody, and neither does a close.
   Why the owner looks at tail and not at a flag that the push reaching the threshold would raise: the flag
   has a line of its own but needs a fence a drain and a second look at head a push, and gained nothing. */
static zslab_result zs__pool_push(zslab_remote *r, uint32_t idx)
{
    uint64_t tail = zs__load_u64(&r->inbox.tail); /* relaxed: the CAS decides */
    do {
        if (tail & ZS__POOL_CLOSED) return ZSLAB_E_CLOSED; /* [POOL-5] */
        /* acquire: the owner has emptied the cell. Pairs with the release in zs__pool_drain_now. */
        const uint64_t head = zs__load_acq_u64(&r->head);
        /* signed: head may be younger than tail, and the CAS fails */
        if ((int64_t)(tail - head) >= (int64_t)r->fixed.queue_capacity) return ZSLAB_E_FULL;
    } while (!zs__cas_u64(&r->inbox.tail, &tail, tail + 1)); /* pairs with the OR in zslab_pool_destroy */
    zs__mem_free(r, r->fixed.base + idx * r->fixed.stride, r->fixed.stride);
    /* release: the slot's bytes before its index. Pairs with the acquire in zs__pool_drain_now. [POOL-3] */
    zs__store_rel_u32(&r->fixed.cells[tail & r->fixed.cell_mask], idx + 1);
    return ZSLAB_OK;
}

static zslab_result zs__pool_remote_free(zslab_remote *r, void *slot, int wait)
{
    uint8_t state = ZS__POOL_LIVE;
    zslab_result result;
    uintptr_t idx;
    if (!r) return ZSLAB_E_INVALID;
    if (!slot) return ZSLAB_OK;
    idx = zs__pool_index_of(&r->fixed, slot);
    if (ZS__UNLIKELY(idx >= r->fixed.slot_count)) return zs__pool_free_elsewhere(&r->fixed, slot);
    /* acq_rel, relaxed would do: it only elects one of several frees [POOL-4] */
    if (ZS__UNLIKELY(!zs__cas_u8(&r->fixed.states[idx], &state, ZS__POOL_QUEUED))) return ZSLAB_E_DOUBLE_FREE;
    result = zs__pool_push(r, (uint32_t)idx);
    if (ZS__LIKELY(result == ZSLAB_OK)) return ZSLAB_OK;
    if (result == ZSLAB_E_FULL) zs__add_u64(&r->inbox.remote_full, 1); /* a count; its order is not used */
    while (wait && result == ZSLAB_E_FULL && r->fixed.queue_capacity) {
        zs__os_yield();
        result = zs__pool_push(r, (uint32_t)idx);
    }
    /* relaxed: the caller keeps the slot, and the order it already has with it [POOL-1] */
    if (result != ZSLAB_OK) zs__store_u8(&r->fixed.states[idx], ZS__POOL_LIVE);
    return result;
}

zslab_result zslab_remote_try_free(zslab_remote *r, void *slot) { return zs__pool_remote_free(r, slot, 0); }

zslab_result zslab_remote_free(zslab_remote *r, void *slot) { return zs__pool_remote_free(r, slot, 1); }

zslab_remote *zslab_remote_clone(zslab_remote *r)
{
    if (!r) {
        zs__fail(ZSLAB_E_INVALID);
        return NULL;
    }
    /* acq_rel, relaxed would do: the caller holds a reference, so the count is not 0 [POOL-6] */
    if (zs__add_u32(&r->inbox.refs, 1) < UINT32_C(0x80000000)) return r;
    zs__sub_u32(&r->inbox.refs, 1); /* undone; the range's upper half is room for threads that stand here */
    zs__fail(ZSLAB_E_LIMIT);
    return NULL;
}

zslab_remote *zslab_pool_remote(zslab_pool *p) { return zslab_remote_clone(p ? &p->r : NULL); }

void zslab_remote_drop(zslab_remote *r)
{
    zslab_os os;
    int saved;
    if (!r) return;
    /* acq_rel: whatever others did here comes before the release of the block. Pairs with itself. [POOL-6] */
    if (zs__sub_u32(&r->inbox.refs, 1) != 1) return;
    zs__mem_forget(r);
    zs__mem_show(r->fixed.base, r->fixed.capacity_bytes);
    if (!r->fixed.block) return;
    zs__mem_roots(r->fixed.base, r->fixed.capacity_bytes, 0);
    saved = zs__errno();
    os = r->fixed.os; /* it lies in the block */
    (os.release)(os.user, r->fixed.block, r->fixed.block_bytes);
    zs__errno_back(saved);
}

/* ---- >>pool-create ---------------------------------------------------------
   Pools made and destroyed, on a caller's block or on one of the system's. */

/* The list of pools; there may be no allocator. */
static void zs__pools_take(void)
{
    if (!zs__load_u32(&zs__sealed_count)) /* else the system is not asked, and whatever else the child does finds out */
        zs__fork_check_process();
    zs__ranked_take(&zs__global.lock, ZS__LOCK_GLOBAL);
}
static void zs__pools_drop(void) { zs__ranked_drop(&zs__global.lock, ZS__LOCK_GLOBAL); }

void zslab_pool_destroy(zslab_pool *p)
{
    if (!p) return;
    ZSLAB_ASSERT(zs__pool_enter(p) && "one owner at a time");
    /* acq_rel: in the order of tail's changes each push is before this, or refused. Pairs with the CAS in
       zs__pool_push. [POOL-5] */
    zs__or_u64(&p->r.inbox.tail, ZS__POOL_CLOSED);
    zs__pool_drain_now(p);
    ZSLAB_ASSERT(zs__pool_leave(p));
    zs__pools_take();
    *(p->before ? &p->before->next : &zs__global.pools) = p->next;
    if (p->next) p->next->before = p->before;
    zs__pools_drop();
    zslab_remote_drop(&p->r);
}

/* Where the parts of a pool lie, from a beginning on a ZS__POOL_LINE boundary. */
typedef struct zs__pool_plan {
    zslab_pool_config c; /* defaults filled in, sizes rounded */
    size_t cell_count, states_at, cells_at, slots_at, slots_bytes, bytes;
} zs__pool_plan;

static void zs__pool_defaults(zslab_pool_config *c, const zslab_pool_config *given)
{
    zs__zero(c, sizeof *c);
    if (given) *c = *given;
    if (!c->slot_bytes) c->slot_bytes = 1024;
    if (!c->slot_count) c->slot_count = 100000;
    if (!c->queue_capacity) c->queue_capacity = 1024;
    if (c->queue_capacity == ZSLAB_POOL_NO_QUEUE) c->queue_capacity = 0;
    if (!c->batch_count || c->batch == ZSLAB_BATCH_ADAPTIVE) c->batch_count = 64;
    if (!c->grow_count || c->grow_count > c->slot_count) c->grow_count = c->slot_count;
}

static int zs__os_hooks(const zslab_os *os) /* how many are set */
{
    return (os->reserve != NULL) + (os->commit != NULL) + (os->purge != NULL) + (os->release != NULL);
}

static zs__refusal zs__pool_config_refusal(const zslab_pool_config *c)
{
    const zslab_fallback *b = &c->fallback;
    const int hooks = zs__os_hooks(&c->os);
    if (c->slot_bytes > SIZE_MAX / 4 || c->slot_count >= ZS__POOL_NONE) return ZS__REFUSED_SLOTS;
    if (c->queue_capacity > (size_t)1 << 24) return ZS__REFUSED_QUEUE;
    if (c->batch != ZSLAB_BATCH_FIXED && c->batch != ZSLAB_BATCH_ADAPTIVE) return ZS__REFUSED_BATCH;
    if (!c->memory != !c->memory_bytes) return ZS__REFUSED_MEMORY_BYTES;
    if (!b->alloc != !b->free || (!b->alloc && (b->owns || b->usable_size))) return ZS__REFUSED_FALLBACK;
    if (hooks && hooks != 4) return ZS__REFUSED_OS;
    if (c->memory && (hooks || c->grow_count != c->slot_count)) return ZS__REFUSED_POOL_MEMORY;
    return ZS__REFUSED_NONE;
}

/* Lays a pool out; 0 when the configuration makes no sense. From the system, a page without access lies
   before the slots and one behind them, so that an overrun ends there. */
static int zs__pool_lay_out(zs__pool_plan *plan, const zslab_pool_config *given, size_t page) /* 0: refused, and why */
{
    zslab_pool_config *c = &plan->c;
    zs__refusal why;
    const size_t align = page ? page : ZS__POOL_LINE;
    zs__pool_defaults(c, given);
    if ((why = zs__pool_config_refusal(c)) != ZS__REFUSED_NONE) {
        zs__refuse(ZSLAB_E_INVALID, why);
        return 0;
    }
    c->slot_bytes = zs__round_up(c->slot_bytes, c->slot_bytes >= 16 ? 16 : 8);
    plan->slots_bytes = zs__mul_clamp(c->slot_bytes, c->slot_count);
    if (plan->slots_bytes > SIZE_MAX / 4 || c->slot_count > SIZE_MAX / 4) {
        zs__refuse(ZSLAB_E_INVALID, ZS__REFUSED_SLOTS);
        return 0;
    }
    for (plan->cell_count = 1; plan->cell_count < c->queue_capacity;) plan->cell_count *= 2;
    plan->states_at = zs__round_up(sizeof(zslab_pool), ZS__POOL_LINE);
    plan->cells_at = zs__round_up(plan->states_at + c->slot_count, ZS__POOL_LINE);
    plan->slots_at = zs__round_up(plan->cells_at + plan->cell_count * sizeof(uint32_t), align) + page;
    plan->bytes = zs__round_up(plan->slots_at + plan->slots_bytes, align) + page;
    return 1;
}

size_t zslab_pool_bytes(const zslab_pool_config *c)
{
    zs__pool_plan plan;
    zslab_pool_config bare;
    zs__pool_defaults(&bare, c);
    bare.memory = NULL, bare.memory_bytes = 0;
    zs__zero(&bare.os, sizeof bare.os);
    if (!bare.queue_capacity) bare.queue_capacity = ZSLAB_POOL_NO_QUEUE;
    return zs__pool_lay_out(&plan, &bare, 0) ? plan.bytes + ZS__POOL_LINE - 1 : 0;
}

/* The block from the system, without access but for the metadata; NULL when it refuses. */
static char *zs__pool_map(zs__pool_plan *plan, size_t page)
{
    static const zslab_os system = {zs__os_reserve, zs__os_commit, zs__os_purge, zs__os_release, NULL};
    zslab_os *os = &plan->c.os;
    int saved = zs__errno();
    char *block;
    if (!os->reserve) *os = system;
    block = (char *)(os->reserve)(os->user, plan->bytes, page);
    if (block && (os->commit)(os->user, block, plan->slots_at - page)) {
        (os->release)(os->user, block, plan->bytes);
        block = NULL;
    }
    zs__errno_back(saved);
    return block;
}

/* The first aligned address of the caller's buffer, its metadata zeroed; NULL when it is too short. */
static char *zs__pool_place(const zs__pool_plan *plan)
{
    char *begin = (char *)plan->c.memory;
    const size_t skip = (0 - (size_t)(uintptr_t)begin) & (ZS__POOL_LINE - 1);
    if (plan->c.memory_bytes < skip || plan->c.memory_bytes - skip < plan->bytes) return NULL;
    zs__zero(begin + skip, plan->cells_at + plan->cell_count * sizeof(uint32_t));
    return begin + skip;
}

/* Writes a pool into zeroed metadata. */
static void zs__pool_init(zslab_pool *p, const zs__pool_plan *plan)
{
    zs__pool_fixed *f = &p->r.fixed;
    const zslab_pool_config *c = &plan->c;
    uintptr_t odd, x;
    f->base = (char *)p + plan->slots_at;
    f->states = (uint8_t *)p + plan->states_at;
    f->cells = (uint32_t *)(void *)((char *)p + plan->cells_at);
    f->stride = c->slot_bytes;
    f->capacity_bytes = plan->slots_bytes;
    f->slot_count = (uint32_t)c->slot_count;
    f->shift = zs__ctz(f->stride);
    odd = x = (uintptr_t)f->stride >> f->shift; /* correct to 3 bits; each step of Newton's doubles them */
    while (odd * x != 1) x *= 2 - odd * x;
    f->inverse = x;
    f->cell_mask = plan->cell_count - 1;
    f->queue_capacity = c->queue_capacity;
    f->fallback = c->fallback;
    f->adaptive = c->batch == ZSLAB_BATCH_ADAPTIVE;
    f->grow_count = (uint32_t)c->grow_count;
    f->os = c->os;
    if (!c->memory) f->block = p, f->block_bytes = plan->bytes;
    p->grown = c->memory ? f->slot_count : 0;
    p->head = ZS__POOL_NONE;
    p->key = zs__os_random() * UINT64_C(0x9e3779b97f4a7c15) ^ (uintptr_t)p;
    p->threshold = c->batch_count < UINT32_MAX ? (uint32_t)c->batch_count : UINT32_MAX;
    p->r.inbox.refs = 1; /* the owner's */
    zs__pool_set_drain_at(p);
    zs__mem_clear(p, f->base, f->capacity_bytes);
    if (f->block) zs__mem_roots(f->base, f->capacity_bytes, 1);
}

zslab_pool *zslab_pool_create(const zslab_pool_config *c)
{
    const int ours = !c || !c->memory;
    const size_t page = ours ? zs__os_page_bytes() : 0;
    zs__pool_plan plan;
    zslab_pool *p;
    if (!zs__pool_lay_out(&plan, c, page)) return NULL;
    p = (zslab_pool *)(void *)(ours ? zs__pool_map(&plan, page) : zs__pool_place(&plan));
    if (!p) {
        zs__refuse(ours ? ZSLAB_E_NOMEM : ZSLAB_E_INVALID, ours ? ZS__REFUSED_NONE : ZS__REFUSED_MEMORY_BYTES);
        return NULL;
    }
    zs__pool_init(p, &plan);
    if (ours && !zs__pool_grow(p)) {
        zslab_remote_drop(&p->r);
        zs__refuse(ZSLAB_E_NOMEM, ZS__REFUSED_NONE);
        return NULL;
    }
    p->growths = 0;
    zs__label_copy(p->label, c ? c->label : NULL);
    zs__pools_take();
    p->number = ++zs__global.pool_number;
    p->next = zs__global.pools;
    if (p->next) p->next->before = p;
    zs__global.pools = p;
    zs__pools_drop();
    return p;
}

size_t zslab_pool_usable_size(const zslab_pool *p) { return p ? p->r.fixed.stride : 0; }

int zslab_pool_owns(const zslab_pool *p, const void *slot)
{
    return p && (uintptr_t)slot - (uintptr_t)p->r.fixed.base < p->r.fixed.capacity_bytes;
}

/* Relaxed loads throughout: each figure by itself. */
void zslab_stats_pool(const zslab_pool *p, zslab_pool_stats *out)
{
    uint64_t tail, head, home, fresh, returns, used;
    if (!out) return;
    zs__zero(out, sizeof *out);
    if (!p) return;
    out->base = p->r.fixed.base;
    out->capacity_bytes = p->r.fixed.capacity_bytes;
    out->slot_bytes = p->r.fixed.stride;
    home = (uint64_t)zs__load_u32(&p->listed) + zs__load_u32(&p->lost) + (zs__load_ptr(&p->top_state) != 0);
    fresh = zs__load_u32(&p->fresh);
    returns = zs__load_u64(&p->returns);
    out->reuses = returns > home ? returns - home : 0;
    out->hits = out->reuses + fresh;
    out->fallbacks = zs__load_u64(&p->fallbacks);
    out->allocs = out->hits + out->fallbacks;
    head = zs__load_u64(&p->r.head);
    tail = zs__load_u64(&p->r.inbox.tail) & ~ZS__POOL_CLOSED;
    used = fresh > home ? fresh - home : 0;
    out->queued = tail > head ? (size_t)(tail - head) : 0;
    out->live = used > out->queued ? (size_t)(used - out->queued) : 0;
    out->high_water = zs__load_u32(&p->high_water);
    out->drain_threshold = p->r.fixed.adaptive ? (size_t)zs__pool_threshold(p) : 0;
    out->drains = zs__load_u64(&p->drains);
    out->remote_full = zs__load_u64(&p->r.inbox.remote_full);
    out->corruption_events = zs__load_u64(&p->corruption_events);
    out->usable_bytes = zs__load_u32(&p->grown) * p->r.fixed.stride;
    out->growths = zs__load_u64(&p->growths);
    zs__copy(out->label, p->label, sizeof out->label);
}

/* ---- >>tally ---------------------------------------------------------------
   Snapshots. Live figures come from the slot states and chunk records, read while their owners go on; counters are
   each heap's own, added up. No lock is held while states are read; the epoch lock is, briefly, for ring places.

   [STATS-1] A chunk's record is read between two looks at its stamp: when they differ, the chunk is left out. What the
             class says bounds what is read, and slab metadata that was committed once stays readable.
   [STATS-2] A chunk counts for its class and epoch while its stamp is its place's round, the place's epoch has not
             ended and the chunk is not in the pool (ZS__CHUNK_LOOSE).                                            */

/* What a walk over chunks adds up. Bytes are of object memory. */
typedef struct zs__tally {
    uint64_t live, live_bytes, slots, slabs, full, empty, remote, committed, resident, live_pages, reclaimable;
    uint64_t large, large_bytes; /* of live, live_bytes */
    uint64_t kept;               /* of resident */
} zs__tally;

static uint64_t zs__stats_range(zs__allocator *z) /* bytes of chunks ever bound, not of what regions set aside */
{
    uint32_t chunks, i;
    zs__arena_take(z);
    chunks = z->fresh_chunk;
    for (i = 0; i < z->region_count; i++) chunks -= z->regions[i].group_end - z->regions[i].group_next;
    zs__arena_drop(z);
    return (uint64_t)chunks * ZS__CHUNK_BYTES;
}

/* A bit for each of eight states that holds an object, in the order of memory. */
static uint64_t zs__states_eight(uint64_t x)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t b0 = x & ones, b1 = x >> 1 & ones, b2 = x >> 2 & ones;
    uint64_t live = (b0 | b2) & ~(b1 & b2) & ~(b1 & ~b0); /* LIVE 1, HANDLE 3, GUARDED 4, FREEING 5 */
    union {
        uint32_t word;
        uint8_t first;
    } order = {1};
    return (live * (order.first ? UINT64_C(0x0102040810204080) : UINT64_C(0x8040201008040201))) >> 56;
}

/* How many of eight states say: freed by another thread, not yet home. */
static uint32_t zs__states_remote(uint64_t x)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    return x & ones << 1 ? zs__popcount(x >> 1 & ~x & ~(x >> 2) & ones) : 0; /* REMOTE 2 */
}

/* Slots of a slab that hold an object, as bits; adds those that wait to be taken home. Relaxed: a snapshot. */
static uint64_t zs__states_live(const zs__allocator *z, size_t slab, uint64_t *remote)
{
    uint64_t live = 0;
    unsigned i;
    for (i = 0; i < 64; i += 8) {
        uint64_t eight = zs__load_u64((const uint64_t *)(const void *)(z->states + slab * 64 + i));
        live |= zs__states_eight(eight) << i;
        *remote += zs__states_remote(eight);
    }
    return live;
}

/* Slots of a slab from the first to the highest whose state is not 0. */
static uint32_t zs__states_used(const zs__allocator *z, size_t slab)
{
    uint32_t i = 64;
    while (i && !zs__load_u64((const uint64_t *)(const void *)(z->states + slab * 64 + i - 8))) i -= 8;
    while (i && !zs__load_u8(z->states + slab * 64 + i - 1)) i--;
    return i;
}

/* Bytes of the pages that [from, to) touches. */
static size_t zs__pages_over(const zs__allocator *z, size_t from, size_t to)
{
    size_t page = z->page_bytes < ZS__CHUNK_BYTES ? z->page_bytes : ZS__CHUNK_BYTES;
    return from < to ? zs__round_up(to, page) - from / page * page : 0;
}

/* Bytes of pages this binding touched: the slabs it carved, of its bin's current one the slots handed out. Shared mode
   carves all at once: its chunks count whole. */
static size_t zs__chunk_carved(const zs__allocator *z, uint32_t chunk, const zs__class *k)
{
    const zs__chunk *c = &z->chunks[chunk];
    const zs__bin *bin = zs__chunk_bin(z, c);
    uint32_t start = zs__load_u32(&z->cold[chunk].start), carved = zs__load_u32(&z->cold[chunk].carved);
    uint32_t last, used = 64;
    size_t first = zs__slab_at(z, chunk, k), unit = (size_t)64 * k->size;
    if (!carved || carved > k->slabs || start >= k->slabs) return 0;
    last = (start + carved - 1) % k->slabs;
    if (!z->shared && bin && zs__load_u32(&bin->current) == first + last + 1) used = zs__states_used(z, first + last);
    if (last >= start) return zs__pages_over(z, start * unit, last * unit + (size_t)used * k->size);
    return zs__pages_over(z, start * unit, ZS__CHUNK_BYTES) +
           zs__pages_over(z, 0, last * unit + (size_t)used * k->size);
}

/* Resident bytes of a chunk that was bound once. */
static size_t zs__chunk_resident(const zs__allocator *z, uint32_t chunk, const zs__class *k)
{
    const zs__chunk_cold *x = &z->cold[chunk];
    const uint32_t whole = ZSLAB_FLAG_PREFAULT | ZSLAB_FLAG_LOCK_PAGES | ZSLAB_FLAG_HUGE_PAGES;
    size_t left = ZS__CHUNK_BYTES - zs__load_u32(&x->purged_bytes), worn;
    size_t carved;
    if (!left || (z->flags_in_effect & whole)) return left;
    worn = (size_t)(zs__load_u8(&x->touched) & 127) * (ZS__CHUNK_BYTES / 64);
    carved = zs__chunk_carved(z, chunk, k);
    if (carved < worn) carved = worn;
    return carved < left ? carved : left;
}

/* Bytes [from, to) of a chunk are live: their pages count, once. `upto`: what was counted before. */
static size_t zs__tally_live(const zs__allocator *z, zs__tally *t, size_t from, size_t to, size_t upto)
{
    size_t page = z->page_bytes < ZS__CHUNK_BYTES ? z->page_bytes : ZS__CHUNK_BYTES;
    from = from / page * page;
    to = zs__round_up(to, page);
    t->live_pages += to - (from < upto ? upto : from);
    return to;
}

/* States of a bound chunk: objects, slabs; if asked for, pages with live objects. */
static void zs__tally_slabs(const zs__allocator *z, uint32_t chunk, const zs__class *k, int pages, zs__tally *t)
{
    uint32_t start = zs__load_u32(&z->cold[chunk].start), carved = zs__load_u32(&z->cold[chunk].carved), number;
    size_t first = zs__slab_at(z, chunk, k), unit = (size_t)64 * k->size, upto = 0;
    uint64_t remote = 0;
    if (carved > k->slabs || start >= k->slabs) return;
    for (number = 0; number < k->slabs; number++) {
        uint64_t full = zs__slab_full(k, number), live, left;
        if ((number >= start ? number - start : number + k->slabs - start) >= carved) continue; /* never used */
        live = zs__states_live(z, first + number, &remote) & full;
        t->slabs++;
        t->slots += zs__popcount(full);
        t->live += zs__popcount(live);
        t->full += live == full;
        t->empty += !live;
        if (live == full)
            upto = zs__tally_live(z, t, number * unit, number * unit + zs__popcount(full) * (size_t)k->size, upto);
        for (left = live == full || !pages ? 0 : live; left; left &= left - 1) {
            size_t at = number * unit + (size_t)zs__ctz(left) * k->size;
            upto = zs__tally_live(z, t, at, at + k->size, upto);
        }
    }
    if (zs__chunk_bin(z, &z->chunks[chunk])) /* draining: nobody takes them home */
        t->remote += remote;
}

static int zs__stamp_counts(const zs__allocator *z, uint32_t chunk, uint64_t stamp) /* [STATS-2] */
{
    const zs__place *place = &z->places[zs__stamp_place(stamp)];
    return stamp == zs__load_u64(&zs__round_at(z, stamp)->word) && zs__load_u32(&place->state) != ZSLAB_EPOCH_CLOSED &&
           !(zs__load_u8(&z->cold[chunk].touched) & ZS__CHUNK_LOOSE);
}

static void zs__tally_add(zs__tally *to, const zs__tally *t, size_t object_bytes)
{
    to->live += t->live;
    to->live_bytes += t->live * object_bytes;
    to->large += t->large;
    to->large_bytes += t->large_bytes;
    to->slots += t->slots;
    to->slabs += t->slabs;
    to->full += t->full;
    to->empty += t->empty;
    to->remote += t->remote;
    to->committed += t->committed;
    to->resident += t->resident;
    to->live_pages += t->live_pages;
    to->kept += t->kept;
    to->reclaimable += t->resident > t->live_pages ? t->resident - t->live_pages : 0;
}

/* A large object, a slab of one slot; of its pages none is known to be untouched. */
static void zs__tally_large(const zs__allocator *z, uint32_t head, zs__tally *t)
{
    uint32_t count = zs__load_u32(&z->cold[head].all_next), i; /* relaxed: a snapshot */
    uint8_t state = zs__load_u8(zs__large_state(z, head));
    if (!zs__large_held(state) || count > z->chunk_count - head) return;
    for (i = head; i < head + count; i++) t->committed += ZS__CHUNK_BYTES - zs__load_u32(&z->cold[i].purged_bytes);
    t->resident = t->committed;
    if (state == ZS__KEPT) {
        t->kept = t->committed;
        return;
    }
    t->live_pages = t->committed;
    t->large_bytes = zs__large_bytes(z, head);
    t->live = t->large = t->slots = t->slabs = t->full = 1;
}

/* What chunks are told apart by: nothing, their class, their ring place, its group. */
typedef enum zs__tally_by { ZS__BY_ALLOCATOR, ZS__BY_CLASS, ZS__BY_PLACE, ZS__BY_GROUP } zs__tally_by;

static uint32_t zs__tally_key(const zs__allocator *z, zs__tally_by by, uint64_t stamp, uint32_t cls)
{
    const zslab_group *g = by == ZS__BY_GROUP ? zs__place_group(&z->places[zs__stamp_place(stamp)]) : NULL;
    if (g) return g->number;
    return by == ZS__BY_CLASS ? cls : by == ZS__BY_PLACE ? zs__stamp_place(stamp) : 0;
}

/* A chunk's own tally; 0: it is not the one of that stamp and class, or not any more. */
static int zs__tally_chunk(const zs__allocator *z, uint32_t chunk, uint64_t stamp, uint32_t of, int pages, zs__tally *t)
{
    const zs__chunk *c = &z->chunks[chunk];
    if (!zs__stamp_counts(z, chunk, stamp)) return 0;
    zs__zero(t, sizeof *t);
    if (of == ZSLAB_CLASS_LARGE) {
        zs__tally_large(z, chunk, t);
    } else {
        t->committed = ZS__CHUNK_BYTES - zs__load_u32(&z->cold[chunk].purged_bytes);
        t->resident = zs__chunk_resident(z, chunk, &z->classes[of]);
        zs__tally_slabs(z, chunk, &z->classes[of], pages, t);
    }
    return zs__load_acq_u64(&c->stamp) == stamp && zs__load_u16(&c->cls) == of; /* [STATS-1] */
}

static size_t zs__tally_size(const zs__allocator *z, uint32_t of, const zs__tally *t) /* bytes an object has */
{
    return of == ZSLAB_CLASS_LARGE ? (size_t)t->large_bytes : z->classes[of].size;
}

/* Add up the chunks whose class or ring place is one of `keys`, each to its own tally. cls: only this class,
   ZSLAB_CLASS_ANY: any. */
static void zs__tally_walk(const zs__allocator *z, zs__tally_by by, const uint32_t *keys, uint32_t count, uint32_t cls,
                           zs__tally *out)
{
    uint32_t chunk, chunks = zs__chunks_bound((zs__allocator *)(uintptr_t)z);
    zs__zero(out, count * sizeof *out);
    for (chunk = 0; chunk < chunks; chunk++) {
        const zs__chunk *c = &z->chunks[chunk];
        uint64_t stamp = zs__load_acq_u64(&c->stamp); /* acquire: pairs with zs__chunk_bind */
        uint32_t of = zs__load_u16(&c->cls), key = 0;
        zs__tally t;
        while (key < count && keys[key] != zs__tally_key(z, by, stamp, of)) key++;
        if (!stamp || key == count || (cls != ZSLAB_CLASS_ANY && cls != of)) continue;
        if (zs__tally_chunk(z, chunk, stamp, of, by == ZS__BY_PLACE, &t))
            zs__tally_add(&out[key], &t, zs__tally_size(z, of, &t));
    }
}

/* Bytes of pages that [from, to) of an array touches; pages below *upto were counted before. */
static size_t zs__pages_more(const zs__allocator *z, const void *array, size_t from, size_t to, uint32_t *upto)
{
    uintptr_t first = (uintptr_t)z / z->page_bytes; /* pages are counted from z's, which is before every array */
    uint32_t begin = (uint32_t)(((uintptr_t)array + from) / z->page_bytes - first);
    uint32_t end = (uint32_t)(zs__round_up((uintptr_t)array + to, z->page_bytes) / z->page_bytes - first);
    size_t pages;
    if (begin < *upto) begin = *upto;
    pages = end > begin ? end - begin : 0;
    *upto = end > *upto ? end : *upto;
    return pages * z->page_bytes;
}

typedef struct zs__lines {
    uint32_t states, words, hints; /* of a region: pages below these are counted */
#if ZSLAB_TAGS
    uint32_t tags;
#endif
} zs__lines;

/* Pages of the metadata of slabs [from, to), less what chunks before this one share. Hints are written where slabs
   are listed, in shared mode soon all of them; else few are, and they count by the byte. */
static size_t zs__lines_more(const zs__allocator *z, size_t from, size_t to, zs__lines *at)
{
    size_t bytes = 0;
    if (from >= to) return 0;
#if ZSLAB_TAGS
    bytes = zs__pages_more(z, z->tags, from * ZS__TAG_BYTES, to * ZS__TAG_BYTES, &at->tags);
#endif
    return bytes + zs__pages_more(z, z->states, from * 64, to * 64, &at->states) +
           zs__pages_more(z, z->words, from * sizeof *z->words, to * sizeof *z->words, &at->words) +
           (z->shared ? zs__pages_more(z, z->hints, from * sizeof *z->hints, to * sizeof *z->hints, &at->hints)
                      : (to - from) * sizeof *z->hints);
}

/* Metadata of a chunk: of its binding's region the slabs carved; of those it served before, and once it was
   swept, the lines that share pages with other chunks', since a purge seldom has such a page to itself. */
static size_t zs__lines_of_chunk(const zs__allocator *z, uint32_t chunk, const zs__class *k, zs__lines *at)
{
    size_t first = zs__slab_at(z, chunk, k), bytes = 0;
    uint32_t start = zs__load_u32(&z->cold[chunk].start), carved = zs__load_u32(&z->cold[chunk].carved);
    const int swept = zs__load_u8(&z->cold[chunk].swept);
    uint64_t before = zs__load_u64(&z->cold[chunk].regions);
    if (swept ? swept == ZS__SWEPT_WHOLE : carved != 0) before &= ~((uint64_t)1 << k->region);
    for (; before; before &= before - 1) {
        uint32_t region = zs__ctz(before);
        size_t lines = z->regions[region].lines, slab = zs__region_slab(&z->regions[region], chunk);
        if (lines * 64 < z->page_bytes) bytes += zs__lines_more(z, slab, slab + lines, &at[region]);
    }
    if (swept || carved > k->slabs || start >= k->slabs) return bytes;
    if (start + carved > k->slabs) /* around the end */
        bytes += zs__lines_more(z, first, first + start + carved - k->slabs, &at[k->region]);
    return bytes + zs__lines_more(z, first + start, first + (start + carved < k->slabs ? start + carved : k->slabs),
                                  &at[k->region]);
}

/* Resident object memory, whichever heap holds it, and the slab metadata of chunks in use. */
static ZS__NOINLINE uint64_t zs__stats_resident(zs__allocator *z, uint64_t *metadata)
{
    uint32_t chunk, chunks = zs__chunks_bound(z);
    uint64_t bytes = 0, lines = 0;
    zs__lines at[ZS__REGIONS_MAX];
    zs__zero(at, sizeof at);
    for (chunk = 0; chunk < chunks; chunk++) {
        const zs__class *k = &z->classes[zs__load_u16(&z->chunks[chunk].cls)];
        if (k == &z->classes[ZSLAB_CLASS_LARGE]) {
            bytes += ZS__CHUNK_BYTES - zs__load_u32(&z->cold[chunk].purged_bytes);
        } else if (zs__load_acq_u64(&z->chunks[chunk].stamp)) { /* acquire: pairs with zs__chunk_bind */
            bytes += zs__chunk_resident(z, chunk, k);
            lines += zs__lines_of_chunk(z, chunk, k, at);
        } else {
            continue;
        }
        lines += sizeof(zs__chunk) + sizeof(zs__chunk_cold);
    }
    *metadata = lines;
    return bytes;
}

/* Chunks without a live object that nobody can take from the heaps that have them. [TAKE-2] */
static uint64_t zs__stats_held(const zs__allocator *z)
{
    const zslab_heap *heap = (zslab_heap *)zs__load_acq_ptr((uintptr_t *)(uintptr_t)&z->heaps); /* with zs__heap_new */
    uint64_t bytes = 0;
    for (; heap && !z->shared; heap = heap->next) {
        zs__row *row = (zs__row *)zs__load_acq_ptr((uintptr_t *)(uintptr_t)&heap->made); /* with zs__row_new */
        for (; row && !zs__load_u32(&heap->is_parked); row = row->made) {
            uint32_t cls;
            for (cls = 0; zs__load_u64(&row->epoch) && zs__row_popped(row) && cls < z->class_count; cls++) {
                const zs__class *k = &z->classes[cls];
                uint32_t chunk = zs__bin_held(z, zs__bin_at(row, cls)), i = 0;
                while (chunk && i < k->slabs && !zs__row_dead(z, row) &&
                       !zs__slab_live(z, (uint32_t)zs__slab_at(z, chunk - 1, k) + i, zs__slab_full(k, i)))
                    i++;
                bytes += chunk && (i == k->slabs || zs__row_dead(z, row)) ? ZS__CHUNK_BYTES : 0;
            }
        }
    }
    return bytes;
}

/* ---- >>stats ---------------------------------------------------------------
   The structs of >>api-stats, filled: each heap's counters added up, and tallies of chunks beside them. */

/* Every heap's counters of a class, added up; with totals of its rows. */
static void zs__stats_counters(const zs__allocator *z, uint32_t cls, zs__counters *sum)
{
    const zslab_heap *heap = (zslab_heap *)zs__load_acq_ptr((uintptr_t *)(uintptr_t)&z->heaps); /* with zs__heap_new */
    size_t i;
    uint64_t *to = (uint64_t *)(void *)sum;
    zs__zero(sum, sizeof *sum);
    for (; heap; heap = heap->next) {
        const uint64_t *from =
            (const uint64_t *)(const void *)&heap->counters[cls < z->class_count ? cls : z->class_count];
        for (i = 0; i < sizeof *sum / sizeof *to; i++)
            to[i] += zs__load_u64(from + i); /* relaxed: one writer each, or atomic adds; a recent value will do */
#if ZSLAB_STATS > 1
        {
            zs__row *row = (zs__row *)zs__load_acq_ptr((uintptr_t *)(uintptr_t)&heap->made); /* with zs__row_new */
            for (; row; row = row->made) {
                sum->allocs += cls < z->class_count ? zs__load_u64(&zs__bin_at(row, cls)->allocs) : 0;
                sum->frees += cls < z->class_count ? zs__load_u64(&zs__bin_at(row, cls)->frees) : 0;
            }
        }
#endif
    }
    sum->frees += sum->stray_frees;
}

/* Metadata of heaps and rows: what was written of it; a magazine once its class was used. */
static uint64_t zs__stats_heaps(const zs__allocator *z)
{
    const zslab_heap *heap = (zslab_heap *)zs__load_acq_ptr((uintptr_t *)(uintptr_t)&z->heaps); /* with zs__heap_new */
    uint64_t bytes = 0;
    for (; heap; heap = heap->next) {
        zs__row *row = (zs__row *)zs__load_acq_ptr((uintptr_t *)(uintptr_t)&heap->made); /* with zs__row_new */
        uint32_t i, blocks = zs__block_count(z->epoch_count);
        bytes += z->heap_bytes;
        for (i = 0; blocks > 1 && i < blocks; i++)
            bytes += zs__load_ptr(&heap->row_blocks[i]) ? zs__block_bytes(z->epoch_count) : 0;
        for (; row; row = row->made) {
            uint32_t cls;
            bytes += z->magazine_offset;
            for (cls = 0; !z->shared && !zs__load_u32(&row->bare) && cls < z->class_count; cls++)
                if (zs__load_u64(&row->used[cls >> 6]) >> (cls & 63) & 1) bytes += zs__magazine_bytes(z, cls);
        }
    }
    return bytes;
}

/* Metadata that is no chunk's. Under no lock a snapshot. */
static uint64_t zs__stats_own(const zs__allocator *z)
{
    return zs__stats_heaps(z) + zs__load_ptr(&z->metadata_fixed) +
           (zs__load_u32(&z->id_count) - zs__load_u32(&z->blank_ids)) * ZS__ID_BYTES;
}

static uint64_t zs__stats_limit(const zs__allocator *z, const uintptr_t *limit)
{
    uintptr_t bytes = zs__load_ptr(limit);
    return bytes < z->range_bytes ? bytes : 0;
}

/* Committed bytes that a chunk's place is charged with; a large object's by its head. Nobody else uses it. */
static size_t zs__chunk_charge(const zs__allocator *z, uint32_t chunk)
{
    uint64_t stamp = z->chunks[chunk].stamp;
    if (!stamp || !zs__place_counts(z, stamp) || (z->cold[chunk].touched & ZS__CHUNK_LOOSE)) return 0;
    return z->chunks[chunk].cls != ZSLAB_CLASS_LARGE    ? ZS__CHUNK_BYTES - z->cold[chunk].purged_bytes
           : zs__large_held(*zs__large_state(z, chunk)) ? zs__span_counted(z, chunk, z->cold[chunk].all_next)
                                                        : 0;
}

static uint64_t zs__place_covered(const zs__allocator *z, uint32_t q) /* by its group's guarantee [BUDGET-5] */
{
    return (z->places[q].charge & ZS__CHARGE_BYTES) + (zs__round_of(z, q)->aside & ZS__CHARGE_BYTES);
}

/* What [BUDGET-1] counts, from records alone; and [BUDGET-3], all places together. Nobody else uses the allocator. */
static void zs__budget_count(const zs__allocator *z, size_t *object, size_t *metadata, size_t *charged)
{
    uint32_t chunk;
    *object = *charged = 0;
    *metadata = (size_t)zs__stats_own(z);
    for (chunk = 0; chunk < zs__chunks_known(z); chunk++) {
        *charged += zs__chunk_charge(z, chunk);
        *metadata += zs__chunk_lines(z, &z->cold[chunk]);
        if (!z->chunks[chunk].recip) continue;
        *metadata += ZS__RECORD_BYTES;
        *object += ZS__CHUNK_BYTES - z->cold[chunk].purged_bytes;
    }
}

static void zs__stats_perf(const zs__counters *n, zslab_perf *out)
{
    out->slow_path_hits = n->slow;
    out->new_slab_count = n->new_slab;
    out->list_move_partial_to_full = n->partial_to_full;
    out->list_move_full_to_partial = n->full_to_partial;
    out->current_partial_null = n->partial_null;
    out->current_partial_full = n->current_full;
    out->empty_slab_recycled = n->recycled;
    out->empty_slab_overflowed = n->overflowed;
}

/* Everything about a class but what its tally says. */
static void zs__stats_class_fill(const zs__allocator *z, uint32_t cls, const zs__tally *t, zslab_class_stats *out)
{
    zs__counters n;
    uint64_t used;
    zs__stats_counters(z, cls, &n);
    zs__zero(out, sizeof *out);
    out->version = ZSLAB_STATS_VERSION;
    out->class_idx = cls;
    out->object_bytes = cls < z->class_count ? z->classes[cls].size : 0;
    zs__stats_perf(&n, &out->perf);
    out->slow_path_cache_miss = n.cache_miss;
    out->slow_path_epoch_closed = n.epoch_closed;
    out->slow_path_inbox = n.inbox;
    out->slow_path_rebind = n.rebind;
    out->purge_calls = n.purge_calls;
    out->purge_bytes = n.purge_bytes;
    out->purge_failures = n.purge_failures;
    out->slabs = t->slabs;
    out->full_slabs = t->full;
    out->empty_slabs = t->empty;
    out->net_slabs = t->slabs - t->empty;
    out->partial_slabs = t->slabs - t->empty - t->full;
    out->live_objects = t->live;
    out->total_objects = t->slots;
    out->committed_bytes = t->committed;
    out->estimated_rss_bytes = t->resident;
    out->allocs = n.allocs;
    out->frees = n.frees;
    used = n.new_slab + n.recycled;
    out->recycle_rate_pct = used ? 100.0 * (double)n.recycled / (double)used : 0;
    out->fast_path_pct = n.allocs > n.slow ? 100.0 * (double)(n.allocs - n.slow) / (double)n.allocs : 0;
    out->slow_path_limit = n.limit;
    out->slow_path_no_memory = n.no_memory;
    out->cas_retries = n.cas_retries;
    out->remote_frees = n.remote_frees;
    out->remote_flushes = n.remote_flushes;
    out->remote_waiting = t->remote;
}

static void zs__stats_samples(const zs__allocator *z, zslab_global_stats *out)
{
    const zs__samples *s = z->samples;
    uint32_t step;
    out->sampled_request_bytes = s ? zs__load_u64(&s->bytes) : 0; /* relaxed: counters, as the next */
    for (step = 0; s && step < s->steps; step++) {
        uint64_t n = zs__load_u64(&s->count[step]);
        out->sampled_requests += n;
        out->sampled_slot_bytes += n * z->classes[zs__class_of(z, zs__sample_top(step))].size;
    }
}

static ZS__NOINLINE void zs__stats_sum(const zs__allocator *z, zslab_global_stats *out) /* counters of every class */
{
    uint32_t cls, kind;
    zs__counters n;
    for (cls = 0; cls <= z->class_count; cls++) { /* the last one: ZSLAB_CLASS_LARGE */
        zs__stats_counters(z, cls, &n);
        out->slabs_allocated += n.new_slab;
        out->slabs_recycled += n.recycled;
        out->slow_path_hits += n.slow;
        out->slow_path_cache_miss += n.cache_miss;
        out->slow_path_epoch_closed += n.epoch_closed;
        out->slow_path_inbox += n.inbox;
        out->slow_path_rebind += n.rebind;
        out->slow_path_limit += n.limit;
        out->slow_path_no_memory += n.no_memory;
        out->cache_overflows += n.overflowed;
        out->remote_frees += n.remote_frees;
        out->remote_flushes += n.remote_flushes;
        out->cas_retries += n.cas_retries;
        out->allocs += n.allocs;
        out->frees += n.frees;
    }
    for (kind = 0; kind <= ZSLAB_E_CORRUPT; kind++)
        out->misuse_count += out->misuse[kind] = zs__load_u64(&z->misuse[kind]); /* relaxed: a counter, as the next */
    out->purge_calls = zs__load_u64(&z->purge_calls);
    out->purge_bytes = zs__load_u64(&z->purge_bytes);
    out->purge_failures = zs__load_u64(&z->purge_failures);
    out->lock_waits = zs__load_u64(&z->lock_waits);
    zs__stats_samples(z, out);
}

/* How many epochs take objects, how many drain; those that have drained are closed on the way. Epoch lock held. */
static void zs__stats_places(zs__allocator *z, zslab_global_stats *out)
{
    uint32_t q;
    zs__places_try_end(z);
    for (q = 0; q < zs__places_known(z); q++) {
        out->active_epoch_count += z->places[q].state == ZSLAB_EPOCH_ACTIVE;
        out->closing_epoch_count += z->places[q].state == ZSLAB_EPOCH_CLOSING;
    }
}

ZSLAB_API void zslab_stats_global(const zslab *self, zslab_global_stats *out)
{
    const zs__allocator *z = zs__own_const(self);
    zs__allocator *w = (zs__allocator *)(uintptr_t)z; /* takes its locks; a drained epoch's state may move forward */
    zs__tally t;
    uint64_t lines;
    const uint32_t all = 0;
    zs__zero(out, sizeof *out);
    out->version = ZSLAB_STATS_VERSION;
    out->class_count = z->class_count;
    out->flags_in_effect = z->flags_in_effect;
    zs__epochs_take(w);
    zs__stats_places(w, out);
    out->heap_count = z->heap_count;
    out->current_epoch = zs__load_u64(&z->current);
    out->newest_era = z->era;
    zs__epochs_drop(w);
    zs__tally_walk(z, ZS__BY_ALLOCATOR, &all, 1, ZSLAB_CLASS_ANY, &t);
    out->net_slabs = t.slabs - t.empty;
    out->live_objects = t.live;
    out->live_bytes = t.live_bytes;
    out->large_objects = t.large;
    out->large_bytes = t.large_bytes;
    out->remote_waiting = t.remote;
    out->retired_slots = zs__load_u64(&z->retired_slots);
    out->committed_bytes = zs__load_ptr(&z->committed_bytes); /* relaxed: figures */
    out->cached_bytes = zs__load_ptr(&z->cached_bytes) + t.kept;
    out->limit_bytes = zs__stats_limit(z, &z->hard_limit);
    out->soft_limit_bytes = zs__stats_limit(z, &z->soft_limit);
    out->soft_crossings = zs__load_u64(&z->soft_crossings);
    out->metadata_bytes = zs__load_ptr(&z->metadata_bytes);
    out->cache_limit_bytes = z->config.cache_bytes < z->range_bytes ? z->config.cache_bytes : z->range_bytes;
    out->range_bytes = zs__stats_range(w);
    out->created_ns = z->created_ns;
    out->taken_ns = zs__os_now_ns();
    out->range_reserved_bytes = z->range_bytes;
    out->thread_held_bytes = zs__stats_held(z);
    out->estimated_rss_bytes = zs__stats_resident(w, &lines);
    out->estimated_rss_bytes += lines + zs__stats_own(z);
    out->rss_bytes = zs__sealed(z) ? 0 : zs__os_rss();
    zs__stats_sum(z, out);
}

ZSLAB_API zslab_result zslab_stats_class(const zslab *self, size_t class_idx, zslab_class_stats *out)
{
    const zs__allocator *z = zs__own_const(self);
    zs__tally t;
    uint32_t cls = (uint32_t)class_idx;
    if ((class_idx >= z->class_count && class_idx != ZSLAB_CLASS_LARGE) || !out) return ZSLAB_E_INVALID;
    zs__tally_walk(z, ZS__BY_CLASS, &cls, 1, ZSLAB_CLASS_ANY, &t);
    zs__stats_class_fill(z, cls, &t, out);
    return ZSLAB_OK;
}

static void zs__group_fill(const zslab_group *g, int walk, zslab_group_stats *out) /* walk: for live_bytes, its own */
{
    zs__tally t;
    zs__zero(out, sizeof *out);
    out->version = ZSLAB_STATS_VERSION;
    if (!g->z) return;
    zs__copy(out->label, g->label, sizeof out->label);
    out->epochs = g->epochs; /* figures, all: ordered with nothing */
    out->committed_bytes = zs__load_ptr(&g->charged);
    out->live_bytes = zs__load_u64(&g->live_bytes);
    if (walk) {
        zs__tally_walk(g->z, ZS__BY_GROUP, &g->number, 1, ZSLAB_CLASS_ANY, &t);
        out->live_bytes = t.live_bytes;
    }
    out->soft_bytes = zs__load_ptr(&g->soft) == SIZE_MAX ? 0 : zs__load_ptr(&g->soft);
    out->hard_bytes = zs__load_ptr(&g->hard) == SIZE_MAX ? 0 : zs__load_ptr(&g->hard);
    out->guaranteed_bytes = g->guaranteed;
    out->refused = zs__load_u64(&g->refused);
    out->discarded_epochs = zs__load_u64(&g->discarded_epochs);
    out->discarded_bytes = zs__load_u64(&g->discarded_bytes);
}

ZSLAB_API void zslab_stats_group(const zslab_group *g, zslab_group_stats *out) { zs__group_fill(g, 1, out); }

/* live_bytes of every group, in one walk. */
static void zs__groups_walk(zs__allocator *z)
{
    uint32_t chunk, chunks;
    zslab_group *g;
    zs__tally t;
    zs__ranked_take(zs__as_lock(&z->groups_lock), ZS__LOCK_GROUPS);
    zs__epochs_take(z);
    for (g = z->groups; g; g = g->next) g->counting = 0;
    zs__epochs_drop(z);
    chunks = zs__chunks_bound(z);
    for (chunk = 0; chunk < chunks; chunk++) {
        uint64_t stamp = zs__load_acq_u64(&z->chunks[chunk].stamp); /* acquire: as zs__tally_walk */
        uint32_t of = zs__load_u16(&z->chunks[chunk].cls);
        g = stamp ? zs__place_group(&z->places[zs__stamp_place(stamp)]) : NULL;
        if (g && zs__tally_chunk(z, chunk, stamp, of, 0, &t)) g->counting += t.live * zs__tally_size(z, of, &t);
    }
    zs__epochs_take(z);
    for (g = z->groups; g; g = g->next) zs__store_u64(&g->live_bytes, g->counting); /* relaxed: a figure */
    zs__epochs_drop(z);
    zs__ranked_drop(zs__as_lock(&z->groups_lock), ZS__LOCK_GROUPS);
}

/* The group made before the one with a number, of those there are; ~0: the newest. NULL: none. */
static const zslab_group *zs__group_before(zs__allocator *z, const zslab_group *g, uint32_t number)
{
    zs__epochs_take(z);
    if (!g || !g->z || g->number != number) /* it has gone since */
        g = z->groups;
    while (g && g->number >= number) /* newest first */
        g = g->next;
    zs__epochs_drop(z);
    return g;
}

ZSLAB_API zslab_result zslab_perf_counters(const zslab *self, size_t class_idx, zslab_perf *out)
{
    const zs__allocator *z = zs__own_const(self);
    zs__counters n;
    if ((class_idx >= z->class_count && class_idx != ZSLAB_CLASS_LARGE) || !out) return ZSLAB_E_INVALID;
    zs__stats_counters(z, (uint32_t)class_idx, &n);
    zs__stats_perf(&n, out);
    return ZSLAB_OK;
}

static uint64_t zs__stats_ring(const zs__ending *last) /* records in a ring */
{
    const zs__ending *r = last;
    uint64_t n = 0;
    while (r && (n++, (r = r->next) != last))
        ;
    return n;
}

/* What keeps the place's epoch. Epoch lock held. */
static void zs__stats_waits(zs__allocator *z, const zs__place *place, zslab_epoch_stats *out)
{
    const zslab_heap *heap;
    uint32_t q, i;
    for (q = place->child; q; q = z->places[q - 1].sibling) out->children++;
    for (heap = z->heaps; heap; heap = heap->next)
        for (i = 0; i < heap->scope_count; i++)
            out->visits += heap->scopes[i].domain->epoch == place->id ? heap->scopes[i].entered : 0;
    out->visits += zs__round_of(z, place->id)->visits;
    if (place->state == ZSLAB_EPOCH_CLOSING && !place->seen && !z->rss_policy)
        out->owners_late = zs__place_late(z, place, ~(uint32_t)0);
    out->purges = zs__load_u32(&place->purging); /* relaxed: a figure */
    out->endings = zs__stats_ring(place->ends) + zs__stats_ring(place->calling);
}

/* What a ring place says of the epoch that has it, or had it last. Epoch lock held. */
static void zs__stats_place(zs__allocator *z, zs__place *place, zslab_epoch_stats *out)
{
    uint64_t now;
    size_t i;
    zs__zero(out, sizeof *out);
    if (place->state != ZSLAB_EPOCH_CLOSED) zs__stats_waits(z, place, out); /* as things were; the look may end it */
    if (zs__place_try_end(z, place, 1)) out->owners_late = 0;
    out->version = ZSLAB_STATS_VERSION;
    out->epoch = place->id;
    out->state = (zslab_epoch_state)place->state;
    for (i = 0; i + 1 < sizeof out->label && place->label[i]; i++) out->label[i] = place->label[i];
    out->era = place->id >> 16;
    out->opened_ns = place->opened_ns;
    now = zs__os_now_ns();
    out->age_ns = now - place->opened_ns;
    out->last_used_ns = out->visits ? now : zs__load_u64(&place->last_used_ns); /* relaxed: a figure */
    out->domain_count = out->state == ZSLAB_EPOCH_CLOSED ? 0 : place->domains;
    out->rss_before_close = zs__load_u64(&place->rss_before_close); /* relaxed: figures of who closed it */
    out->rss_after_close = zs__load_u64(&place->rss_after_close);
}

static void zs__stats_epoch_fill(const zs__tally *t, zslab_epoch_stats *out)
{
    if (out->state == ZSLAB_EPOCH_CLOSED) return;
    out->live_objects = t->live;
    out->live_bytes = t->live_bytes;
    out->slabs = t->slabs;
    out->reclaimable_slabs = t->empty;
    out->reclaimable_bytes = t->reclaimable;
    out->estimated_rss_bytes = t->resident;
}

ZSLAB_API zslab_result zslab_stats_epoch(const zslab *self, size_t class_idx, zslab_epoch e, zslab_epoch_stats *out)
{
    const zs__allocator *z = zs__own_const(self);
    zs__allocator *w = (zs__allocator *)(uintptr_t)z; /* its lock is taken; a drained epoch's state may move forward */
    uint32_t q = (uint32_t)(e & ZS__PLACE_MASK);
    int known;
    zs__tally t;
    if ((class_idx >= z->class_count && class_idx != ZSLAB_CLASS_LARGE) || !out) return ZSLAB_E_INVALID;
    if (!e || q >= z->epoch_count) return ZSLAB_E_CLOSED;
    zs__epochs_take(w);
    known = z->places[q].id == e;
    if (known) zs__stats_place(w, &w->places[q], out);
    zs__epochs_drop(w);
    if (!known) return ZSLAB_E_CLOSED;
    out->class_idx = (uint32_t)class_idx;
    out->object_bytes = class_idx < z->class_count ? z->classes[class_idx].size : 0;
    zs__tally_walk(z, ZS__BY_PLACE, &q, 1, (uint32_t)class_idx, &t);
    zs__stats_epoch_fill(&t, out);
    return ZSLAB_OK;
}

/* ---- >>advice --------------------------------------------------------------
   The best table of size classes for the sizes asked for, by dynamic programming. A class ends at a size that was
   asked for, or it could be smaller. With the sizes in order, top[0] < top[1] ..., and sum[j] requests for those before
   j, sizes i to j - 1 in one class of top[j - 1] bytes take top[j - 1] * (sum[j] - sum[i]); what k classes take for the
   sizes before j is the least, over all i, of what k - 1 take before i and one from there.

   [ADVICE-1] The best i rises with j (the cost is a Monge array), so a row is found by halving: j in the middle by a
              scan, the lower half at or below its i, the upper half at or above.
   [ADVICE-2] Instead of a table of all best i, a row remembers where the first half of its classes end. That splits
              the sizes and the classes in two smaller tasks of the same kind: twice the time, no memory.   */

static size_t zs__samples_bytes(const zslab_config *c) /* of both, sizes and objects; 0: nothing is sampled */
{
    size_t steps = zs__sample_step(zs__class_bytes(c, zs__class_count(c) - 1)) + (size_t)1;
    return (c->sample_every ? zs__round_up(sizeof(zs__samples) + (steps + 1) * (4 * 8 + 4 + 2 * 2), 64) : 0) +
           (c->sample_bytes ? sizeof(zs__profile) : 0);
}

static int zs__samples_new(zs__allocator *z) /* 0 = done */
{
    size_t bytes = zs__samples_bytes(&z->config), n;
    zs__samples *s;
    if (!bytes) return 0;
    zs__arena_take(z);
    s = (zs__samples *)zs__meta_alloc(z, bytes, 64);
    zs__arena_drop(z);
    if (!s) return -1;
    if (z->config.sample_bytes) z->profile = (zs__profile *)(void *)((char *)s + bytes - sizeof(zs__profile));
    if (!z->config.sample_every) return 0;
    s->steps = zs__sample_step(z->classes[z->class_count - 1].size) + 1;
    n = s->steps + (size_t)1;
    s->count = (uint64_t *)(void *)(s + 1);
    s->sum = s->count + n;
    s->cost = s->sum + n;
    s->next = s->cost + n;
    s->top = (uint32_t *)(void *)(s->next + n);
    s->mid = (uint16_t *)(void *)(s->top + n);
    s->mid_next = s->mid + n;
    z->samples = s;
    return 0;
}

static uint64_t zs__advice_cost(const zs__samples *s, uint32_t i, uint32_t j) /* sizes i to j - 1 in one class */
{
    return s->top[j - 1] * (s->sum[j] - s->sum[i]);
}

/* The row after cost, for j from `low` to `high`, the best i from `from` to `to`. [ADVICE-1] half: mid is set here. */
static void zs__advice_row(zs__samples *s, uint32_t low, uint32_t high, uint32_t from, uint32_t to, int half)
{
    while (low <= high) {
        uint32_t j = low + (high - low) / 2, i, best = from;
        for (i = from + 1; i <= to && i < j; i++)
            if (s->cost[i] + zs__advice_cost(s, i, j) < s->cost[best] + zs__advice_cost(s, best, j)) best = i;
        s->next[j] = s->cost[best] + zs__advice_cost(s, best, j);
        s->mid_next[j] = half ? (uint16_t)j : s->mid[best];
        if (j > low) zs__advice_row(s, low, j - 1, from, best, half);
        low = j + 1;
        from = best;
    }
}

/* The best `classes` classes for sizes [begin, end), at most as many as these; returns what they take. */
static uint64_t zs__advice_table(zs__samples *s, uint32_t begin, uint32_t end, uint32_t classes, uint32_t *out)
{
    uint32_t j, k;
    uint64_t least;
    uint32_t split;
    if (classes == 1) {
        *out = s->top[end - 1];
        return zs__advice_cost(s, begin, end);
    }
    for (j = begin + 1; j <= end; j++) {
        s->cost[j] = zs__advice_cost(s, begin, j);
        s->mid[j] = (uint16_t)j;
    }
    for (k = 2; k <= classes; k++) {
        uint64_t *row = s->cost;
        uint16_t *mid = s->mid;
        zs__advice_row(s, begin + k, end, begin + k - 1, end - 1, k == classes / 2);
        s->cost = s->next, s->next = row;
        s->mid = s->mid_next, s->mid_next = mid;
    }
    least = s->cost[end];
    split = s->mid[end]; /* [ADVICE-2] */
    zs__advice_table(s, begin, split, classes / 2, out);
    zs__advice_table(s, split, end, classes - classes / 2, out + classes / 2);
    return least;
}

/* As zslab_suggest_classes; what the table would have taken for the requests remembered. */
static size_t zs__advise(const zs__allocator *z, uint32_t *out, size_t most, uint64_t *slot_bytes)
{
    zs__samples *s = z->samples;
    uint32_t step, sizes = 0, classes = most < ZS__CLASS_MAX ? (uint32_t)most : ZS__CLASS_MAX;
    *slot_bytes = 0;
    if (!s || !out) return 0;
    zs__fork_check();
    zs__ranked_take(zs__as_lock(&s->lock), ZS__LOCK_SAMPLES);
    s->sum[0] = 0;
    for (step = 0; step < s->steps; step++) {
        uint64_t n = zs__load_u64(&s->count[step]); /* relaxed: a counter */
        if (n) {
            s->top[sizes] = zs__sample_top(step);
            s->sum[sizes + 1] = s->sum[sizes] + n;
            sizes++;
        }
    }
    if (classes > sizes) classes = sizes;
    if (classes) *slot_bytes = zs__advice_table(s, 0, sizes, classes, out);
    zs__ranked_drop(zs__as_lock(&s->lock), ZS__LOCK_SAMPLES);
    return classes;
}

ZSLAB_API size_t zslab_suggest_classes(const zslab *self, uint32_t *out_class_bytes, size_t max_classes)
{
    const zs__allocator *z = zs__own_const(self);
    uint64_t slot_bytes;
    return zs__advise(z, out_class_bytes, max_classes, &slot_bytes);
}

/* ---- >>text ----------------------------------------------------------------
   Snapshots as text: an appender that counts what does not fit, and one table for each visible struct, which both
   formats follow. No C library, no memory but the caller's buffer and the stack.                              */

typedef struct zs__text {
    char *buf;
    size_t cap, length; /* length counts what did not fit as well */
} zs__text;

static void zs__put_byte(zs__text *t, char byte)
{
    if (t->length + 1 < t->cap) t->buf[t->length] = byte;
    t->length++;
}

static void zs__put(zs__text *t, const char *s)
{
    while (*s) zs__put_byte(t, *s++);
}

static void zs__put_u64(zs__text *t, uint64_t n)
{
    char digits[20];
    int i = 0;
    do digits[i++] = (char)('0' + n % 10);
    while ((n /= 10) != 0);
    while (i) zs__put_byte(t, digits[--i]);
}

static void zs__put_pct(zs__text *t, double x) /* 0 to 100, two digits after the point */
{
    uint64_t n = (uint64_t)(x * 100 + 0.5);
    zs__put_u64(t, n / 100);
    zs__put_byte(t, '.');
    zs__put_byte(t, (char)('0' + n / 10 % 10));
    zs__put_byte(t, (char)('0' + n % 10));
}

/* Bytes of the UTF-8 sequence that begins here; 0: none does (RFC 3629, section 4). */
static size_t zs__utf8(const unsigned char *s)
{
    size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0, i;
    for (i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80) return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
        (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return n;
}

/* A label between quotes; backslash, quote, line feed (and in JSON every control byte) escaped. */
static void zs__put_label(zs__text *t, const char *label, int json)
{
    static const char hex[] = "0123456789abcdef";
    const unsigned char *s = (const unsigned char *)label;
    zs__put_byte(t, '"');
    while (*s) {
        size_t n = zs__utf8(s);
        if (*s == '"' || *s == '\\') {
            zs__put_byte(t, '\\');
            zs__put_byte(t, (char)*s++);
        } else if (*s == '\n') {
            zs__put(t, "\\n");
            s++;
        } else if (*s < 0x20 && json) {
            zs__put(t, "\\u00");
            zs__put_byte(t, hex[*s >> 4]);
            zs__put_byte(t, hex[*s++ & 15]);
        } else if (!n) {
            zs__put(t, "\xef\xbf\xbd");
            s++;
        } else {
            while (n--) zs__put_byte(t, (char)*s++);
        }
    }
    zs__put_byte(t, '"');
}

/* A field of a visible struct: its name, where it stands, and what it is to Prometheus. */
typedef enum zs__field_kind { ZS__U32, ZS__U64, ZS__PCT } zs__field_kind;
typedef struct zs__field {
    const char *name, *help; /* help NULL: in JSON only */
    uint16_t offset;
    uint8_t kind, counter;
} zs__field;
/* clang-format off */
#define ZS__FIELD(type, member, kind, counter, help) {#member, help, (uint16_t)offsetof(type, member), kind, counter}
/* clang-format on */
#define ZS__GLOBAL(member, counter, help) ZS__FIELD(zslab_global_stats, member, ZS__U64, counter, help)
#define ZS__CLASS(member, counter, help) ZS__FIELD(zslab_class_stats, member, ZS__U64, counter, help)
#define ZS__PERF(member, help) ZS__FIELD(zslab_perf, member, ZS__U64, 1, help)
#define ZS__EPOCH(member, help) ZS__FIELD(zslab_epoch_stats, member, ZS__U64, 0, help)
#define ZS__GROUP(member, counter, help) ZS__FIELD(zslab_group_stats, member, ZS__U64, counter, help)
#define ZS__POOL(member, counter, help)                                                                                \
    ZS__FIELD(zslab_pool_stats, member, sizeof(((zslab_pool_stats *)0)->member) == 8 ? ZS__U64 : ZS__U32, counter, help)

static const zs__field zs__group_fields[] = {
    ZS__GROUP(epochs, 0, "Epochs of the group that take objects or drain."),
    ZS__GROUP(committed_bytes, 0, "Committed memory of the group's epochs."),
    ZS__GROUP(live_bytes, 0, "Bytes of live objects of the group, each as large as its class."),
    ZS__GROUP(soft_bytes, 0, "The group's soft limit; 0 for none."),
    ZS__GROUP(hard_bytes, 0, "The group's hard limit; 0 for none."),
    ZS__GROUP(guaranteed_bytes, 0, "What is the group's own."),
    ZS__GROUP(refused, 1, "Allocations of the group refused: a limit."),
    ZS__GROUP(discarded_epochs, 1, "Epochs of the group that were discarded."),
    ZS__GROUP(discarded_bytes, 1, "Committed memory that these held.")};

static const zs__field zs__pool_fields[] = {ZS__POOL(slot_bytes, 0, "A slot of the pool."),
                                            ZS__POOL(capacity_bytes, 0, "All slots of the pool together."),
                                            ZS__POOL(usable_bytes, 0, "Slots of the pool that have memory."),
                                            ZS__POOL(live, 0, "Slots handed out, without the queued ones."),
                                            ZS__POOL(high_water, 0, "Most slots out at once."),
                                            ZS__POOL(queued, 0, "Slots given back that wait for the owner."),
                                            ZS__POOL(drain_threshold, 0, NULL),
                                            ZS__POOL(allocs, 1, "Objects of the pool handed out."),
                                            ZS__POOL(fallbacks, 1, "Of these, from its fallback."),
                                            ZS__POOL(reuses, 1, "Of these, slots used before."),
                                            ZS__POOL(drains, 1, "Times the owner took waiting slots home."),
                                            ZS__POOL(remote_full, 1, "Remote frees refused or made to wait for room."),
                                            ZS__POOL(corruption_events, 1, "Damaged free slots and queue entries."),
                                            ZS__POOL(growths, 1, "Times the pool got memory for more slots.")};

static const zs__field zs__global_fields[] = {
    ZS__FIELD(zslab_global_stats, class_count, ZS__U32, 0, NULL),
    ZS__FIELD(zslab_global_stats, heap_count, ZS__U32, 0, "Heaps ever made."),
    ZS__FIELD(zslab_global_stats, active_epoch_count, ZS__U32, 0, "Epochs that take objects."),
    ZS__FIELD(zslab_global_stats, closing_epoch_count, ZS__U32, 0, "Epochs that drain."),
    ZS__GLOBAL(slabs_allocated, 1, "Slabs taken into use for the first time since their chunk was bound."),
    ZS__GLOBAL(slabs_recycled, 1, "Slabs taken into use again with every slot free."),
    ZS__GLOBAL(net_slabs, 0, "Slabs that hold live objects."),
    ZS__GLOBAL(live_objects, 0, "Live objects."),
    ZS__GLOBAL(live_bytes, 0, "Bytes of live objects, each as large as its class."),
    ZS__GLOBAL(committed_bytes, 0, "Object memory taken from the system and not purged since."),
    ZS__GLOBAL(estimated_rss_bytes, 0, "Object pages touched and not purged since, and metadata."),
    ZS__GLOBAL(rss_bytes, 0, "Resident memory of the process; 0 where unknown."),
    ZS__GLOBAL(slow_path_hits, 1, "Allocations that found their slab used up or had none."),
    ZS__GLOBAL(slow_path_cache_miss, 1, "Slow paths that took a chunk from the pool or the range."),
    ZS__GLOBAL(slow_path_epoch_closed, 1, "Allocations refused because their epoch was closing or closed."),
    ZS__GLOBAL(cache_overflows, 1, "Slabs of empty chunks given to the pool, the cache being full."),
    ZS__GLOBAL(purge_calls, 1, "Times memory was given back to the system."),
    ZS__GLOBAL(purge_bytes, 1, "Memory given back to the system."),
    ZS__GLOBAL(purge_failures, 1, "Times the system refused to take memory back."),
    ZS__GLOBAL(remote_frees, 1, "Objects freed by a heap other than their owner's."),
    ZS__GLOBAL(remote_flushes, 1, "Slabs whose owner was told of remote frees."),
    ZS__GLOBAL(misuse_count, 0, NULL),
    ZS__GLOBAL(retired_slots, 0, "Slots never used again."),
    ZS__FIELD(zslab_global_stats, flags_in_effect, ZS__U32, 0, NULL),
    ZS__GLOBAL(slow_path_inbox, 1, "Slow paths that first took home what other threads freed."),
    ZS__GLOBAL(slow_path_rebind, 1, "Slow paths that took a chunk of an ended round of their own."),
    ZS__GLOBAL(slow_path_limit, 1, "Allocations refused because of the configured limit."),
    ZS__GLOBAL(slow_path_no_memory, 1, "Allocations refused for want of memory."),
    ZS__GLOBAL(cas_retries, 1, "Claims of shared mode that another thread's crossed."),
    ZS__GLOBAL(lock_waits, 1, "Takes of an internal lock that found it held."),
    ZS__GLOBAL(cached_bytes, 0, "Empty chunks kept resident."),
    ZS__GLOBAL(allocs, 1, "Objects handed out; ZSLAB_STATS 2 only."),
    ZS__GLOBAL(frees, 1, "Objects freed one by one; ZSLAB_STATS 2 only."),
    ZS__GLOBAL(created_ns, 0, NULL),
    ZS__GLOBAL(taken_ns, 0, NULL),
    ZS__GLOBAL(limit_bytes, 0, "The limit in force; 0 for none."),
    ZS__GLOBAL(cache_limit_bytes, 0, "Empty memory that may be kept."),
    ZS__GLOBAL(range_bytes, 0, "Address range ever taken into use."),
    ZS__GLOBAL(remote_waiting, 0, "Objects freed by other threads that their owners have not taken home."),
    ZS__GLOBAL(newest_era, 0, NULL),
    ZS__GLOBAL(sampled_requests, 1, "Requests whose size was remembered."),
    ZS__GLOBAL(sampled_request_bytes, 1, "Bytes these asked for."),
    ZS__GLOBAL(sampled_slot_bytes, 1, "Bytes they got, each as large as its class."),
    ZS__GLOBAL(large_objects, 0, "Live objects larger than the largest class."),
    ZS__GLOBAL(large_bytes, 0, "Bytes of these, in whole pages."),
    ZS__GLOBAL(range_reserved_bytes, 0, "Address space there is for objects."),
    ZS__GLOBAL(metadata_bytes, 0, "The allocator's own memory in use."),
    ZS__GLOBAL(thread_held_bytes, 0, "Chunks without an object that stay with threads that have not passed by."),
    ZS__GLOBAL(soft_limit_bytes, 0, "The soft limit; 0 for none."),
    ZS__GLOBAL(soft_crossings, 1, "Times that more memory came to count than the soft limit.")};

static const zs__field zs__perf_fields[] = {
    ZS__PERF(slow_path_hits, "Allocations that found their slab used up or had none."),
    ZS__PERF(new_slab_count, "Slabs taken into use for the first time since their chunk was bound."),
    ZS__PERF(list_move_partial_to_full, "Chunks that left the list of those with free slots."),
    ZS__PERF(list_move_full_to_partial, "Chunks that came back to the list of those with free slots."),
    ZS__PERF(current_partial_null, "Slow paths that found no current slab."),
    ZS__PERF(current_partial_full, "Slow paths that found the current slab used up."),
    ZS__PERF(empty_slab_recycled, "Slabs taken into use again with every slot free."),
    ZS__PERF(empty_slab_overflowed, "Slabs of empty chunks given to the pool, the cache being full.")};

static const zs__field zs__class_fields[] = {
    ZS__FIELD(zslab_class_stats, class_idx, ZS__U32, 0, NULL),
    ZS__FIELD(zslab_class_stats, object_bytes, ZS__U32, 0, NULL),
    ZS__CLASS(slow_path_cache_miss, 1, "Slow paths that took a chunk from the pool or the range."),
    ZS__CLASS(slow_path_epoch_closed, 1, "Allocations refused because their epoch was closing or closed."),
    ZS__CLASS(slow_path_inbox, 1, "Slow paths that first took home what other threads freed."),
    ZS__CLASS(slow_path_rebind, 1, "Slow paths that took a chunk of an ended round of their own."),
    ZS__CLASS(purge_calls, 1, "Purges of pages of this class."),
    ZS__CLASS(purge_bytes, 1, "Memory of this class given back to the system."),
    ZS__CLASS(purge_failures, 1, "Purges of pages of this class that the system refused."),
    ZS__CLASS(slabs, 0, "Slabs in use or waiting in their epoch."),
    ZS__CLASS(partial_slabs, 0, "Slabs with a live object and room for another."),
    ZS__CLASS(full_slabs, 0, "Slabs without room."),
    ZS__CLASS(empty_slabs, 0, "Slabs without a live object."),
    ZS__CLASS(live_objects, 0, "Live objects."),
    ZS__CLASS(total_objects, 0, "Objects the slabs have room for."),
    ZS__CLASS(committed_bytes, 0, "Chunks of the class, less what was purged of them."),
    ZS__CLASS(estimated_rss_bytes, 0, "Pages of the class touched and not purged since."),
    ZS__CLASS(net_slabs, 0, NULL),
    ZS__CLASS(allocs, 1, "Objects handed out; ZSLAB_STATS 2 only."),
    ZS__CLASS(frees, 1, "Objects freed one by one; ZSLAB_STATS 2 only."),
    ZS__FIELD(zslab_class_stats, recycle_rate_pct, ZS__PCT, 0, NULL),
    ZS__FIELD(zslab_class_stats, fast_path_pct, ZS__PCT, 0, NULL),
    ZS__CLASS(slow_path_limit, 1, "Allocations refused because of the configured limit."),
    ZS__CLASS(slow_path_no_memory, 1, "Allocations refused for want of memory."),
    ZS__CLASS(cas_retries, 1, "Claims of shared mode that another thread's crossed."),
    ZS__CLASS(remote_frees, 1, "Objects freed by a heap other than their owner's."),
    ZS__CLASS(remote_flushes, 1, "Slabs whose owner was told of remote frees."),
    ZS__CLASS(remote_waiting, 0, "Objects freed by other threads that their owners have not taken home.")};

static const zs__field zs__epoch_fields[] = {
    ZS__EPOCH(era, NULL),
    ZS__EPOCH(opened_ns, NULL),
    ZS__EPOCH(domain_count, "Domains over the epoch."),
    ZS__EPOCH(live_objects, "Live objects of the epoch."),
    ZS__EPOCH(slabs, "Slabs that hold or held them."),
    ZS__EPOCH(reclaimable_slabs, "Slabs of the epoch without a live object."),
    ZS__EPOCH(reclaimable_bytes, "Resident pages of the epoch without a live object."),
    ZS__EPOCH(estimated_rss_bytes, "Pages of the epoch touched and not purged since."),
    ZS__EPOCH(rss_before_close, NULL),
    ZS__EPOCH(rss_after_close, NULL),
    ZS__EPOCH(live_bytes, "Bytes of live objects of the epoch, each as large as its class."),
    ZS__EPOCH(age_ns, "Nanoseconds since the epoch was opened."),
    ZS__EPOCH(last_used_ns, NULL),
    ZS__EPOCH(children, "Epochs below the epoch that live."),
    ZS__EPOCH(visits, "Entries into domains over the epoch that were not left."),
    ZS__EPOCH(owners_late, "Threads that have passed no slow path since the epoch was closed."),
    ZS__EPOCH(purges, "Calls that give memory of the epoch back at the moment."),
    ZS__EPOCH(endings, "Calls of zslab_epoch_on_end for the epoch that were not answered.")};

#define ZS__COUNT_OF(table) (sizeof(table) / sizeof *(table))
static const char *const zs__state_names[] = {"active", "closing", "closed"};

static void zs__put_value(zs__text *t, const zs__field *f, const void *base)
{
    const char *at = (const char *)base + f->offset;
    uint32_t half;
    uint64_t large;
    double pct;
    if (f->kind == ZS__U32) {
        zs__copy(&half, at, sizeof half);
        zs__put_u64(t, half);
    } else if (f->kind == ZS__U64) {
        zs__copy(&large, at, sizeof large);
        zs__put_u64(t, large);
    } else {
        zs__copy(&pct, at, sizeof pct);
        zs__put_pct(t, pct);
    }
}

/* Tallies by class or by place, of the ZS__TALLIES next keys that have chunks: both formats go through them in order,
   as often as there are figures, and keys without chunks cost no walk. */
#define ZS__TALLIES 6u /* all on the stack */
typedef struct zs__page {
    const zs__allocator *z;
    zs__tally_by by;
    uint32_t first, last;             /* keys it answers for; first > last: none yet */
    uint32_t count, key[ZS__TALLIES]; /* ascending: those of them with chunks */
    zs__tally tally[ZS__TALLIES];
} zs__page;

static void zs__page_init(zs__page *page, const zs__allocator *z, zs__tally_by by)
{
    page->z = z;
    page->by = by;
    page->first = 1;
    page->last = page->count = 0;
}

static void zs__page_add(zs__page *page, uint32_t key) /* the lowest stay */
{
    uint32_t at = page->count, i;
    while (at && page->key[at - 1] > key) at--;
    if (at == ZS__TALLIES || (at && page->key[at - 1] == key)) return;
    page->count += page->count < ZS__TALLIES;
    for (i = page->count - 1; i > at; i--) page->key[i] = page->key[i - 1];
    page->key[at] = key;
}

static void zs__page_turn(zs__page *page, uint32_t first)
{
    const zs__allocator *z = page->z;
    uint32_t chunk, chunks = zs__chunks_bound((zs__allocator *)(uintptr_t)z);
    page->first = first;
    page->count = 0;
    for (chunk = 0; chunk < chunks; chunk++) {
        uint64_t stamp = zs__load_u64(&z->chunks[chunk].stamp); /* relaxed: the walk looks again */
        uint32_t key = zs__tally_key(z, page->by, stamp, zs__load_u16(&z->chunks[chunk].cls));
        if (stamp && key >= first) zs__page_add(page, key);
    }
    page->last = page->count < ZS__TALLIES ? ~(uint32_t)0 : page->key[ZS__TALLIES - 1];
    zs__tally_walk(z, page->by, page->key, page->count, ZSLAB_CLASS_ANY, page->tally);
}

static const zs__tally *zs__page_at(zs__page *page, uint32_t key)
{
    static const zs__tally none = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    uint32_t i;
    if (key < page->first || key > page->last) zs__page_turn(page, key);
    for (i = 0; i < page->count; i++)
        if (page->key[i] == key) return &page->tally[i];
    return &none;
}

/* ---- >>json ----------------------------------------------------------------
   The snapshot as one JSON object. */

static int zs__class_seen(zs__page *page, uint32_t cls, zslab_class_stats *out) /* 0: the class was never used */
{
    zs__stats_class_fill(page->z, cls, zs__page_at(page, cls), out);
    return out->slabs || out->perf.slow_path_hits || out->slow_path_epoch_closed || out->slow_path_limit ||
           out->slow_path_no_memory || out->remote_frees || out->allocs;
}

/* The epoch of a place, sums over classes. 0: it has none, or one that ended without figures of its close. */
static int zs__epoch_seen(zs__page *page, uint32_t q, zslab_epoch_stats *out)
{
    zs__allocator *w = (zs__allocator *)(uintptr_t)page->z;
    zs__epochs_take(w);
    if (w->places[q].id)
        zs__stats_place(w, &w->places[q], out);
    else
        out->epoch = ZSLAB_EPOCH_NONE;
    zs__epochs_drop(w);
    if (!out->epoch || (out->state == ZSLAB_EPOCH_CLOSED && !out->rss_before_close)) return 0;
    if (out->state != ZSLAB_EPOCH_CLOSED) zs__stats_epoch_fill(zs__page_at(page, q), out);
    return 1;
}

/* ---- JSON ---- */

static void zs__json_fields(zs__text *t, const zs__field *fields, size_t count, const void *base, int first)
{
    size_t i;
    for (i = 0; i < count; i++) {
        zs__put(t, i || !first ? ", \"" : "\"");
        zs__put(t, fields[i].name);
        zs__put(t, "\": ");
        zs__put_value(t, &fields[i], base);
    }
}

static void zs__json_epoch_id(zs__text *t, const char *key, zslab_epoch e)
{
    zs__put_byte(t, '"');
    zs__put(t, key);
    zs__put(t, "\": \"");
    zs__put_u64(t, e);
    zs__put_byte(t, '"');
}

static ZS__NOINLINE void zs__json_global(zs__text *t, const zs__allocator *z)
{
    zslab_global_stats g;
    uint32_t kind;
    const char *comma = "";
    zslab_stats_global(z, &g);
    zs__put(t, "\"global\": {");
    zs__json_epoch_id(t, "current_epoch", g.current_epoch);
    zs__json_fields(t, zs__global_fields, ZS__COUNT_OF(zs__global_fields), &g, 0);
    zs__put(t, ", \"misuse\": {");
    for (kind = 0; kind <= ZSLAB_E_CORRUPT; kind++)
        if (g.misuse[kind]) {
            zs__put(t, comma);
            zs__put_label(t, zslab_result_name((zslab_result)kind), 1);
            zs__put(t, ": ");
            zs__put_u64(t, g.misuse[kind]);
            comma = ", ";
        }
    zs__put(t, "}}");
}

static void zs__json_number(zs__text *t, const char *key, uint64_t n) /* after another */
{
    zs__put(t, ", \"");
    zs__put(t, key);
    zs__put(t, "\": ");
    zs__put_u64(t, n);
}

/* A frame of its own, 1 KiB: the table is on the stack. */
static ZS__NOINLINE void zs__json_advice(zs__text *t, const zs__allocator *z)
{
    uint32_t table[ZS__CLASS_MAX];
    uint64_t slot_bytes;
    size_t i, count = zs__advise(z, table, z->class_count, &slot_bytes);
    zs__json_number(t, "suggested_slot_bytes", slot_bytes);
    zs__put(t, ", \"suggested_class_bytes\": [");
    for (i = 0; i < count; i++) {
        zs__put(t, i ? ", " : "");
        zs__put_u64(t, table[i]);
    }
    zs__put(t, "]},\n ");
}

static ZS__NOINLINE int zs__json_samples(zs__text *t, const zs__allocator *z) /* 0: there are none */
{
    zslab_global_stats g;
    zs__zero(&g, sizeof g);
    zs__stats_samples(z, &g);
    if (!g.sampled_requests) return 0;
    zs__put(t, "\"samples\": {\"requests\": ");
    zs__put_u64(t, g.sampled_requests);
    zs__json_number(t, "request_bytes", g.sampled_request_bytes);
    zs__json_number(t, "slot_bytes", g.sampled_slot_bytes);
    return 1;
}

static ZS__NOINLINE void zs__json_classes(zs__text *t, zs__page *page)
{
    zslab_class_stats c;
    uint32_t cls;
    const char *comma = "";
    zs__put(t, "\"classes\": [");
    for (cls = 0; cls <= page->z->class_count; cls++) {
        if (!zs__class_seen(page, cls < page->z->class_count ? cls : ZSLAB_CLASS_LARGE, &c)) continue;
        zs__put(t, comma);
        zs__put(t, "\n  {");
        zs__json_fields(t, zs__class_fields, ZS__COUNT_OF(zs__class_fields), &c, 1);
        zs__put(t, ", \"perf\": {");
        zs__json_fields(t, zs__perf_fields, ZS__COUNT_OF(zs__perf_fields), &c.perf, 1);
        zs__put(t, "}}");
        comma = ",";
    }
    zs__put_byte(t, ']');
}

static ZS__NOINLINE void zs__json_epochs(zs__text *t, zs__page *page)
{
    zslab_epoch_stats e;
    uint32_t q;
    const char *comma = "";
    zs__put(t, "\"epochs\": [");
    for (q = 0; q < zs__places_known(page->z); q++) {
        if (!zs__epoch_seen(page, q, &e)) continue;
        zs__put(t, comma);
        zs__put(t, "\n  {");
        zs__json_epoch_id(t, "epoch", e.epoch);
        zs__put(t, ", \"state\": \"");
        zs__put(t, zs__state_names[e.state]);
        zs__put(t, "\", \"label\": ");
        zs__put_label(t, e.label, 1);
        zs__json_fields(t, zs__epoch_fields, ZS__COUNT_OF(zs__epoch_fields), &e, 0);
        if (zs__place_group(&page->z->places[q]))
            zs__json_number(t, "group", zs__place_group(&page->z->places[q])->number);
        zs__put_byte(t, '}');
        comma = ",";
    }
    zs__put_byte(t, ']');
}

static ZS__NOINLINE void zs__json_groups(zs__text *t, zs__allocator *z)
{
    zslab_group_stats s;
    const zslab_group *g = NULL;
    uint32_t number = ~(uint32_t)0;
    const char *comma = "";
    zs__groups_walk(z);
    zs__put(t, ",\n \"groups\": [");
    while ((g = zs__group_before(z, g, number)) != NULL) {
        number = g->number;
        zs__group_fill(g, 0, &s);
        zs__put(t, comma);
        zs__put(t, "\n  {\"label\": ");
        zs__put_label(t, s.label, 1);
        zs__json_number(t, "group", number);
        zs__json_fields(t, zs__group_fields, ZS__COUNT_OF(zs__group_fields), &s, 0);
        zs__put_byte(t, '}');
        comma = ",";
    }
    zs__put_byte(t, ']');
}

/* Those of the process, newest first: a pool is no allocator's. The lock keeps each where it is. */
static ZS__NOINLINE void zs__json_pools(zs__text *t)
{
    zslab_pool_stats s;
    const zslab_pool *p;
    zs__pools_take();
    for (p = zs__global.pools; p; p = p->next) {
        zslab_stats_pool(p, &s);
        zs__put(t, p->before ? ",\n  {\"label\": " : ",\n \"pools\": [\n  {\"label\": ");
        zs__put_label(t, s.label, 1);
        zs__json_number(t, "pool", p->number);
        zs__json_fields(t, zs__pool_fields, ZS__COUNT_OF(zs__pool_fields), &s, 0);
        zs__put(t, p->next ? "}" : "}]");
    }
    zs__pools_drop();
}

static size_t zs__text_end(zs__text *t)
{
    if (t->cap) t->buf[t->length < t->cap ? t->length : t->cap - 1] = 0;
    return t->length;
}

/* Frames of their own: a page stands on the stack. */
static ZS__NOINLINE void zs__json_lists(zs__text *t, const zs__allocator *z)
{
    zs__page page;
    zs__page_init(&page, z, ZS__BY_CLASS);
    zs__json_classes(t, &page);
    zs__put(t, ",\n ");
    zs__page_init(&page, z, ZS__BY_PLACE);
    zs__json_epochs(t, &page);
}

ZSLAB_API size_t zslab_stats_json(const zslab *self, char *buf, size_t cap)
{
    const zs__allocator *z = zs__own_const(self);
    zs__text t = {NULL, 0, 0};
    t.buf = buf;
    t.cap = buf ? cap : 0;
    zs__put(&t, "{\"version\": ");
    zs__put_u64(&t, ZSLAB_STATS_VERSION);
    zs__put(&t, ",\n ");
    zs__json_global(&t, z);
    zs__put(&t, ",\n ");
    if (zs__json_samples(&t, z)) zs__json_advice(&t, z);
    zs__json_lists(&t, z);
    if (z->group_count) zs__json_groups(&t, (zs__allocator *)(uintptr_t)z); /* takes its lock */
    zs__json_pools(&t);
    zs__put(&t, "}\n");
    return zs__text_end(&t);
}

/* ---- >>prometheus ----------------------------------------------------------
   The same snapshot in Prometheus' text format. */

/* The prefix and the field's name; by convention only histograms end in _count, so heap_count becomes heaps. */
static void zs__prom_name(zs__text *t, const char *prefix, const char *name, int counter)
{
    size_t length = 0, i;
    while (name[length]) length++;
    i = length;
    if (length > 6 && name[length - 6] == '_' && name[length - 5] == 'c' && name[length - 1] == 't') i -= 6;
    zs__put(t, prefix);
    for (; i; i--) zs__put_byte(t, *name++);
    zs__put(t, *name ? "s" : "");
    zs__put(t, counter ? "_total" : "");
}

static void zs__prom_head(zs__text *t, const char *prefix, const char *name, int counter, const char *help)
{
    zs__put(t, "# HELP ");
    zs__prom_name(t, prefix, name, counter);
    zs__put_byte(t, ' ');
    zs__put(t, help);
    zs__put(t, "\n# TYPE ");
    zs__prom_name(t, prefix, name, counter);
    zs__put(t, counter ? " counter\n" : " gauge\n");
}

static ZS__NOINLINE void zs__prom_global(zs__text *t, const zs__allocator *z)
{
    zslab_global_stats g;
    uint32_t kind;
    size_t i;
    zslab_stats_global(z, &g);
    for (i = 0; i < ZS__COUNT_OF(zs__global_fields); i++) {
        const zs__field *f = &zs__global_fields[i];
        if (!f->help) continue;
        zs__prom_head(t, "zslab_", f->name, f->counter, f->help);
        zs__prom_name(t, "zslab_", f->name, f->counter);
        zs__put_byte(t, ' ');
        zs__put_value(t, f, &g);
        zs__put_byte(t, '\n');
    }
    zs__prom_head(t, "zslab_", "misuse", 1, "Wrong calls answered, by kind.");
    for (kind = ZSLAB_E_INVALID; kind <= ZSLAB_E_CORRUPT; kind++)
        if (g.misuse[kind] || kind == ZSLAB_E_DOUBLE_FREE) {
            zs__put(t, "zslab_misuse_total{kind=");
            zs__put_label(t, zslab_result_name((zslab_result)kind), 0);
            zs__put(t, "} ");
            zs__put_u64(t, g.misuse[kind]);
            zs__put_byte(t, '\n');
        }
}

static void zs__prom_classes(zs__text *t, zs__page *page, const zs__field *f, size_t base)
{
    zslab_class_stats c;
    uint32_t cls;
    zs__prom_head(t, "zslab_class_", f->name, f->counter, f->help);
    for (cls = 0; cls <= page->z->class_count; cls++) {
        if (!zs__class_seen(page, cls < page->z->class_count ? cls : ZSLAB_CLASS_LARGE, &c)) continue;
        zs__prom_name(t, "zslab_class_", f->name, f->counter);
        zs__put(t, "{class=\"");
        zs__put_u64(t, c.class_idx);
        zs__put(t, "\",bytes=\"");
        zs__put_u64(t, c.object_bytes);
        zs__put(t, "\"} ");
        zs__put_value(t, f, (const char *)&c + base);
        zs__put_byte(t, '\n');
    }
}

static void zs__prom_epochs(zs__text *t, zs__page *page, const zs__field *f) /* NULL: the state, as a label */
{
    zslab_epoch_stats e;
    uint32_t q;
    const char *name = f ? f->name : "info";
    zs__prom_head(t, "zslab_epoch_", name, 0, f ? f->help : "State of an epoch; always 1.");
    for (q = 0; q < zs__places_known(page->z); q++) {
        if (!zs__epoch_seen(page, q, &e) || e.state == ZSLAB_EPOCH_CLOSED) continue;
        zs__prom_name(t, "zslab_epoch_", name, 0);
        zs__put(t, "{epoch=\"");
        zs__put_u64(t, e.epoch);
        zs__put(t, "\",label=");
        zs__put_label(t, e.label, 0);
        if (!f) {
            zs__put(t, ",state=\"");
            zs__put(t, zs__state_names[e.state]);
            zs__put_byte(t, '"');
        }
        zs__put(t, "} ");
        if (f)
            zs__put_value(t, f, &e);
        else
            zs__put_byte(t, '1');
        zs__put_byte(t, '\n');
    }
}

static ZS__NOINLINE void zs__prom_groups(zs__text *t, zs__allocator *z, const zs__field *f)
{
    zslab_group_stats s;
    const zslab_group *g = NULL;
    uint32_t number = ~(uint32_t)0;
    zs__prom_head(t, "zslab_group_", f->name, f->counter, f->help);
    while ((g = zs__group_before(z, g, number)) != NULL) {
        number = g->number;
        zs__group_fill(g, 0, &s);
        zs__prom_name(t, "zslab_group_", f->name, f->counter);
        zs__put(t, "{group=\"");
        zs__put_u64(t, number);
        zs__put(t, "\",label=");
        zs__put_label(t, s.label, 0);
        zs__put(t, "} ");
        zs__put_value(t, f, &s);
        zs__put_byte(t, '\n');
    }
}

static ZS__NOINLINE void zs__prom_pools(zs__text *t)
{
    zslab_pool_stats s;
    const zslab_pool *p;
    const zs__field *f;
    zs__pools_take();
    for (f = zs__pool_fields; zs__global.pools && f < zs__pool_fields + ZS__COUNT_OF(zs__pool_fields); f++) {
        if (!f->help) continue;
        zs__prom_head(t, "zslab_pool_", f->name, f->counter, f->help);
        for (p = zs__global.pools; p; p = p->next) {
            zslab_stats_pool(p, &s);
            zs__prom_name(t, "zslab_pool_", f->name, f->counter);
            zs__put(t, "{pool=\"");
            zs__put_u64(t, p->number);
            zs__put(t, "\",label=");
            zs__put_label(t, s.label, 0);
            zs__put(t, "} ");
            zs__put_value(t, f, &s);
            zs__put_byte(t, '\n');
        }
    }
    zs__pools_drop();
}

static ZS__NOINLINE void zs__prom_lists(zs__text *t, const zs__allocator *z)
{
    zs__page page;
    size_t i;
    zs__page_init(&page, z, ZS__BY_CLASS);
    for (i = 0; i < ZS__COUNT_OF(zs__perf_fields); i++)
        zs__prom_classes(t, &page, &zs__perf_fields[i], offsetof(zslab_class_stats, perf));
    for (i = 0; i < ZS__COUNT_OF(zs__class_fields); i++)
        if (zs__class_fields[i].help) zs__prom_classes(t, &page, &zs__class_fields[i], 0);
    zs__page_init(&page, z, ZS__BY_PLACE);
    zs__prom_epochs(t, &page, NULL);
    for (i = 0; i < ZS__COUNT_OF(zs__epoch_fields); i++)
        if (zs__epoch_fields[i].help) zs__prom_epochs(t, &page, &zs__epoch_fields[i]);
    if (z->group_count) zs__groups_walk((zs__allocator *)(uintptr_t)z); /* takes its lock */
    for (i = 0; z->group_count && i < ZS__COUNT_OF(zs__group_fields); i++)
        zs__prom_groups(t, (zs__allocator *)(uintptr_t)z, &zs__group_fields[i]);
}

ZSLAB_API size_t zslab_stats_prometheus(const zslab *self, char *buf, size_t cap)
{
    const zs__allocator *z = zs__own_const(self);
    zs__text t = {NULL, 0, 0};
    t.buf = buf;
    t.cap = buf ? cap : 0;
    zs__prom_global(&t, z);
    zs__prom_lists(&t, z);
    zs__prom_pools(&t);
    return zs__text_end(&t);
}

/* ---- >>pprof ---------------------------------------------------------------
   The samples of >>profile in gperftools' heap format, which pprof reads. */

static void zs__put_counts(zs__text *t, uint64_t objects, uint64_t bytes)
{
    uint32_t turn;
    for (turn = 0; turn < 2; turn++) {
        zs__put(t, turn ? " [" : "");
        zs__put_u64(t, objects);
        zs__put(t, ": ");
        zs__put_u64(t, bytes);
    }
    zs__put(t, "] @");
}

static void zs__put_hex(zs__text *t, uint64_t n)
{
    int shift = 60;
    zs__put(t, " 0x");
    while (shift && !(n >> shift)) shift -= 4;
    for (; shift >= 0; shift -= 4) zs__put_byte(t, "0123456789abcdef"[n >> shift & 15]);
}

/* One sampled object, in the text and in the sums; 0: it does not live. Two looks at its address: the record did not
   serve another meanwhile. */
static int zs__put_sampled(zs__text *t, const zs__allocator *z, const zs__sampled *r, uint64_t *objects,
                           uint64_t *bytes)
{
    uintptr_t p = zs__sampled_live(z, r);
    uint64_t stands = zs__load_u64(&r->bytes), size = zs__load_u64(&r->size), n; /* relaxed, all: as published */
    const zs__site *site = (const zs__site *)zs__load_ptr(&r->site);
    uint64_t epoch = zs__load_u64(&r->epoch), opened = zs__load_u64(&r->opened_ns);
    uint16_t tag = p ? zs__tag_at(z, zs__slot_state(z, (const void *)p)) : 0;
    size_t i;
    if (!p || zs__load_ptr(&r->p) != p) return 0;
    n = (stands + size / 2) / size;
    n = n ? n : 1;
    *objects += n;
    *bytes += stands;
    zs__put(t, "# epoch ");
    zs__put_u64(t, epoch);
    zs__put(t, " age_ns ");
    zs__put_u64(t, zs__os_now_ns() - opened);
    zs__put(t, " size ");
    zs__put_u64(t, size);
    zs__put(t, " tag ");
    zs__put_u64(t, tag);
    zs__put(t, "\n");
    zs__put_counts(t, n, stands);
    for (i = 0; site && i < site->depth; i++) zs__put_hex(t, site->pc[i]);
    if (!site) zs__put_hex(t, tag);
    zs__put(t, "\n");
    return 1;
}

/* pprof finds the functions by it. */
static int zs__put_libraries(zslab_write_fn *write, void *user, char *buf, size_t cap)
{
    static const char title[] = "\nMAPPED_LIBRARIES:\n";
    int stop = (write)(user, title, sizeof title - 1);
#if defined(__linux__) && !ZSLAB_NO_OS && !defined(ZS__PLATFORM_INCLUDE)
    int fd = (open)("/proc/self/maps", O_RDONLY);
    ssize_t n;
    while (!stop && fd >= 0 && (n = (read)(fd, buf, cap)) > 0) stop = (write)(user, buf, (size_t)n);
    if (fd >= 0) (close)(fd);
#endif
    (void)buf, (void)cap;
    return stop;
}

ZSLAB_API zslab_result zslab_profile(zslab *self, zslab_write_fn *write, void *user)
{
    const zs__allocator *z = zs__own(self);
    char buf[1024];
    zs__text t = {buf, sizeof buf, 0};
    uint64_t objects = 0, bytes = 0;
    int saved = zs__errno(), stop = 0, turn;
    size_t i;
    if (!write || !z->profile) return ZSLAB_E_INVALID;
    for (turn = 0; turn < 2; turn++) { /* the sums stand first */
        for (i = 0; i < sizeof z->profile->sampled / sizeof z->profile->sampled[0]; i++) {
            const zs__sampled *r = zs__sampled_at(&z->profile->sampled[i]);
            for (; r && !stop; r = r->next) {
                t.length = 0;
                if (zs__put_sampled(&t, z, r, &objects, &bytes) && turn) stop = (write)(user, buf, t.length);
            }
        }
        if (turn) break;
        t.length = 0;
        zs__put(&t, "heap profile: ");
        zs__put_counts(&t, objects, bytes);
        zs__put(&t, " heapprofile\n");
        stop = (write)(user, buf, t.length);
    }
    stop = stop || zs__put_libraries(write, user, buf, sizeof buf);
    zs__errno_back(saved);
    return stop ? ZSLAB_E_FULL : ZSLAB_OK;
}

/* ---- >>free ----------------------------------------------------------------
   From any pointer to the object it names, or to what is wrong with it; then the free that every path above ends in. */

/* Where a pointer points. OK: a live object; else the code that names what is wrong. */
typedef struct zs__spot {
    zs__chunk *c;
    const zs__class *k;
    uint8_t *state;
    uint32_t chunk, slot;
    uint64_t stamp; /* of the chunk, when it was looked at */
    size_t bytes;   /* of the object */
    uint8_t was;    /* the state seen */
} zs__spot;

static inline int zs__spot_large(const zs__allocator *z, const zs__spot *at)
{
    return at->k == &z->classes[ZSLAB_CLASS_LARGE];
}

/* The last head up to a chunk whose record is a span's, if its span reaches that chunk. [LARGE-5] */
static zslab_result zs__large_locate(const zs__allocator *z, size_t offset, zs__spot *out)
{
    uint32_t head = zs__bits_back(z->span_head, out->chunk);
    const zs__chunk *c = z->chunks + head - 1;
    uint64_t stamp;
    if (!head || head - 1 + zs__load_u32(&z->cold[head - 1].all_next) <= out->chunk)
        return ZSLAB_E_STALE;            /* what was here is gone, and nothing is */
    stamp = zs__load_acq_u64(&c->stamp); /* acquire, both: pair with zs__large_take and _sweep; the round comes last */
    out->state = (uint8_t *)zs__load_ptr(&c->states);
    out->was = zs__load_acq_u8(out->state);
    if (stamp != zs__load_u64(&zs__round_at(z, stamp)->word)) return ZSLAB_E_STALE;
    out->bytes = zs__large_bytes(z, head - 1);
    offset -= (size_t)(head - 1) * ZS__CHUNK_BYTES;
    if (offset) return offset < out->bytes ? ZSLAB_E_MISALIGNED : ZSLAB_E_FOREIGN;
    out->slot = 0;
    out->stamp = stamp;
    return zs__large_live(out->was) ? ZSLAB_OK : ZSLAB_E_DOUBLE_FREE;
}

static zslab_result zs__locate(const zs__allocator *z, const void *p, zs__spot *out)
{
    size_t offset = (size_t)((uintptr_t)p - (uintptr_t)z->base), in = offset & ZS__CHUNK_MASK;
    uint64_t recip, t;
    if (offset >= z->range_bytes) return ZSLAB_E_FOREIGN;
    out->chunk = (uint32_t)(offset >> ZSLAB_CHUNK_SHIFT);
    out->c = z->chunks + out->chunk;
    out->stamp = zs__load_acq_u64(&out->c->stamp); /* acquire: pairs with zs__chunk_bind; the round comes last */
    recip = zs__load_recip(&out->c->recip);
    if (!recip) return ZSLAB_E_FOREIGN; /* the chunk was never used */
    out->k = zs__chunk_class(z, out->c);
    out->bytes = out->k->size;
    if (zs__spot_large(z, out)) return zs__large_locate(z, offset, out);
    if (in >= (size_t)out->k->slots * out->k->size) return ZSLAB_E_FOREIGN; /* the tail behind the last slot */
    t = in * recip;
    if ((t & ZS__RECIP_MASK) >= recip) return ZSLAB_E_MISALIGNED;
    out->slot = (uint32_t)(t >> ZS__RECIP_BITS);
    out->state = (uint8_t *)zs__load_ptr(&out->c->states) + out->slot;
    out->was = zs__load_acq_u8(out->state);      /* acquire: a free's last use. Pairs with its store */
    if (zs__load_recip(&out->c->recip) != recip) /* bound anew meanwhile: see zs__free_fast */
        return zs__locate(z, p, out);
    if (out->stamp != zs__load_u64(&zs__round_at(z, out->stamp)->word)) return ZSLAB_E_STALE;
    if (out->was == ZS__LIVE || out->was == ZS__GUARDED || out->was == ZS__HANDLE) return ZSLAB_OK;
    return ZSLAB_E_DOUBLE_FREE;
}

/* Not a pointer into the range: the fallback's, or nobody's. */
static int zs__is_fallback(const zs__allocator *z, const void *p)
{
    const zslab_fallback *f = &z->config.fallback;
    if ((size_t)((uintptr_t)p - (uintptr_t)z->base) < z->range_bytes || !f->free) return 0;
    return !f->owns || f->owns(f->user, p);
}

/* The object at a located slot goes; its state still counts as live. The heap is an explicit one, or NULL. */
static zslab_result zs__free_slot(zs__allocator *z, zslab_heap *explicit_heap, zs__spot *at, void *p)
{
    zs__bin *bin = zs__chunk_bin(z, at->c);
    uint8_t handle = ZS__HANDLE;
    /* seq_cst: who frees by handle and who sweeps a dead place: one of them. Pairs with zs__large_sweep [LARGE-1] */
    if (zs__spot_large(z, at) && at->was == ZS__HANDLE && !z->shared && !zs__cas_u8(at->state, &handle, ZS__FREEING))
        return ZSLAB_E_STALE;
    zs__mem_free_object(p, at->bytes);
    zs__profile_gone(z, p);
    if (zs__spot_large(z, at)) {
        zs__count_away(z, explicit_heap, z->class_count);
        return zs__large_free(z, at->chunk);
    }
    if (z->shared) {
        zs__store_rel_u8(at->state, ZS__FREE); /* in transit until the bit is set [SHARED-4] */
        if (!zs__shared_put(z, bin, (uint32_t)((size_t)(at->state - z->states) >> 6), (uint64_t)1 << (at->slot & 63)))
            return zs__misuse(z, ZSLAB_E_DOUBLE_FREE, p, 0);
        zs__total_shared(z, &z->shared_heap->counters[at->k - z->classes].frees);
        if (z->rss_policy) zs__shared_drain(z, at->c, at->slot, at->stamp);
        return ZSLAB_OK;
    }
#if !ZSLAB_NO_TLS
    if (bin && (explicit_heap ? zs__bin_heap(bin) == explicit_heap
                              : zs__load_u32(&zs__row_of_bin(bin)->owner) == zs__load_u32(&zs__tls()->thread))) {
        zs__store_rel_u8(at->state, ZS__FREE);
        if (z->no_membarrier)
            zs__fence_seq();    /* [EPOCH-3] where no other thread can fence for us; pairs with zs__fence_all */
        zs__compiler_barrier(); /* as in zs__free_fast */
        if (zs__chunk_bin(z, at->c) == bin) return zs__free_own(z, bin, p, at->state);
        zs__count_away(z, explicit_heap ? explicit_heap : zs__heap_freeing(z), (uint32_t)(at->k - z->classes));
        return zs__drain_free(z, at->c, at->slot, at->stamp);
    }
#endif
    return zs__free_to_owner(z, explicit_heap ? explicit_heap : zs__heap_freeing(z), at->c, at->state, at->stamp);
}

/* A slot's last generation went with this object: it holds nothing, for good. */
static zslab_result zs__slot_retire(zs__allocator *z, zs__spot *at, const void *p)
{
    zs__mem_free_object(p, at->k->size);
    zs__profile_gone(z, p);
    zs__store_rel_u8(at->state, ZS__RETIRED); /* release: the object's last use. Pairs with zs__slab_live */
    if (z->no_membarrier)
        zs__fence_seq(); /* [EPOCH-3] as in zs__free_to_owner */
    else
        zs__compiler_barrier();
    zs__add_u64(&z->retired_slots, 1); /* a counter: ordered with nothing */
    zs__count_away(z, NULL, (uint32_t)(at->k - z->classes));
    if (z->shared && z->rss_policy)
        zs__shared_drain(z, at->c, at->slot, at->stamp);
    else if (!zs__chunk_bin(z, at->c))
        return zs__drain_free(z, at->c, at->slot, at->stamp);
    return ZSLAB_OK;
}

/* A word from live to free, in a round that lives; 0: it was another, or the round is over. [ID-7] */
static inline int zs__word_drop(zs__allocator *z, uint32_t *word, uint32_t was, uint32_t now, uint32_t slot,
                                uint64_t stamp)
{
    /* seq_cst, both: of two frees one exchanges [ID-3]; and the round after it. Pair with zs__chunk_at_rest */
    if (!zs__word_live(was, slot) || !zs__cas_u32(word, &was, now)) return 0;
    if (ZS__LIKELY(zs__load_seq_u64(&zs__round_at(z, stamp)->word) == stamp)) return 1;
    zs__cas_u32(word, &now, was); /* it is raised by now, or else as it was */
    return 0;
}

#if !ZSLAB_NO_TLS
/* The common case of a free by handle: the thread's own slot, whose word is `was`. As zs__handle_drop and zs__free_slot
   do it, with what the entry says; -1: they have to. */
static inline int zs__handle_drop_own(zs__allocator *z, zslab_handle h, uint64_t stamp, const zs__id *e, uint32_t *word,
                                      uint32_t was, char *p)
{
    zs__chunk *c = &z->chunks[(size_t)(p - z->base) >> ZSLAB_CHUNK_SHIFT];
    zs__row *row = (zs__row *)zs__load_acq_ptr(&c->row); /* acquire: as in zs__chunk_bin */
    uint8_t *state;
    uint32_t depth;
    if (zs__load_ptr(&zs__tls()->z) != (uintptr_t)z || zs__load_u32(&row->owner) != zs__load_u32(&zs__tls()->thread) ||
        z->no_membarrier || (h >> 2 & 255) == ZSLAB_CLASS_LARGE || (was >> 8) + z->first_part + 1 >= ZS__GENERATION_END)
        return -1;
    state = zs__slot_state(z, p);
    depth = zs__heap_enter(row->heap); /* no taker has the chunk before the slot is pushed [ID-7] */
    if (!zs__word_drop(z, word, was, (was + 256) ^ 1, (uint32_t)(h >> 10) & 63, stamp)) {
        zs__heap_exit(row->heap, depth);
        return 0;
    }
    zs__hook_free(z, p);
    zs__mem_free_object(p, zs__load_u32(&e->size));
    zs__store_rel_u8(state, ZS__FREE); /* release, and the barrier: as in zs__free_slot */
    zs__compiler_barrier();
    if (ZS__LIKELY(zs__load_ptr(&c->row) == (uintptr_t)row))
        zs__free_own(z, (zs__bin *)((char *)row + zs__load_u16(&c->bin_at)), p, state);
    else
        zs__free_drained(z, NULL, c, state, stamp);
    zs__heap_exit(row->heap, depth);
    return 1;
}
#endif

/* Free an object with a handle, if its word still is `was`: raise the generation, then give the slot back. 0: another
   thread did. */
static int zs__handle_drop(zs__allocator *z, zslab_heap *explicit_heap, zs__spot *at, void *p, zs__id *e, uint32_t was,
                           zslab_result *out)
{
    uint32_t slot = at->slot & 63, *word = zs__id_words(z, zs__id_number(z, e)) + slot, depth = ZS__NOT_HELD;
    int last = (was >> 8) + z->first_part + 1 >= ZS__GENERATION_END, done;
    zslab_heap *heap = explicit_heap ? explicit_heap : zs__heap_here(z);
    uint8_t handle = ZS__HANDLE;
    if (heap) depth = zs__heap_hold(heap); /* as in zs__handle_drop_own */
    done = zs__word_drop(z, word, was, (last ? was : was + 256) ^ 1, slot, at->stamp) &&
           (!z->shared || zs__cas_u8(at->state, &handle, ZS__FREEING)); /* seq_cst: in transit, see [SHARED-4] */
    if (done) {
        zs__hook_free(z, p);
        if (z->config.flags & ZSLAB_FLAG_HARDENED) zs__zero(p, at->bytes);
        *out = last && !zs__spot_large(z, at) ? zs__slot_retire(z, at, p) : zs__free_slot(z, explicit_heap, at, p);
    }
    if (depth != ZS__NOT_HELD) zs__heap_exit(heap, depth);
    return done;
}

static zslab_result zs__handle_drop_pointer(zs__allocator *z, zslab_heap *explicit_heap, zs__spot *at, void *p)
{
    zs__id *e = zs__id_of(z, at->chunk, (uint32_t)((size_t)(at->state - z->states) >> 6));
    uint32_t *word = e ? zs__id_words(z, zs__id_number(z, e)) + (at->slot & 63) : NULL;
    zslab_result r = ZSLAB_OK;
    if (e && zs__handle_drop(z, explicit_heap, at, p, e, zs__load_u32(word), &r)) /* relaxed: the exchange confirms */
        return r;
    return zs__misuse(z, ZSLAB_E_DOUBLE_FREE, p, 0); /* a thread frees the object, or makes it */
}

/* The caller frees the plain object of a spot, and no other thread does. */
static int zs__spot_claim(zs__allocator *z, zs__spot *at, void *p)
{
    uint8_t was = at->was;
    if (was == ZS__LIVE) return 1;
    /* simultaneous frees: the exchange lets one through. seq_cst */
    if (!zs__cas_u8(at->state, &was, ZS__FREEING)) return 0;
    if (z->config.flags & ZSLAB_FLAG_HARDENED) zs__zero(p, at->bytes);
    return 1;
}

/* Free with every check, from any state. The heap is an explicit one, or NULL for the thread's. */
static zslab_result zs__free_checked(zs__allocator *z, zslab_heap *explicit_heap, void *p)
{
    zs__spot at;
    zslab_result r;
    if (!p) return ZSLAB_OK;
    if ((z->guarded || z->profile) && !z->shared && !explicit_heap)
        zs__heap_freeing(z); /* before the claim: in a child a first call repairs, and takes FREEING for nobody's */
    if (zs__is_fallback(z, p)) {
        int saved = zs__errno();
        zs__hook_free(z, p);
        (z->config.fallback.free)(z->config.fallback.user, p);
        zs__errno_back(saved);
        return ZSLAB_OK;
    }
    r = zs__locate(z, p, &at);
    if (r == ZSLAB_OK && !z->shared && zs__spot_large(z, &at)) { /* as above: before the claim */
        zs__fork_check();
        if (zs__load_u8(at.state) != at.was) r = zs__locate(z, p, &at);
    }
    if (r != ZSLAB_OK) return zs__misuse(z, r, p, 0);
    if (at.was == ZS__HANDLE) return zs__handle_drop_pointer(z, explicit_heap, &at, p);
    if (!zs__spot_claim(z, &at, p)) /* it was freed, or its epoch ended */
        return zs__misuse(
            z, at.stamp == zs__load_u64(&zs__round_at(z, at.stamp)->word) ? ZSLAB_E_DOUBLE_FREE : ZSLAB_E_STALE, p, 0);
    zs__hook_free(z, p);
    return zs__free_slot(z, explicit_heap, &at, p);
}

/* The same for an object that was never given out. */
static void zs__free_unseen(zs__allocator *z, void *p)
{
    zs__spot at;
    if (zs__locate(z, p, &at) == ZSLAB_OK && zs__spot_claim(z, &at, p)) zs__free_slot(z, NULL, &at, p);
}

/* ---- >>public --------------------------------------------------------------
   Entry points of >>api-alloc: check arguments, find the heap, call one function of a room above. Those of handles,
   epochs and heaps follow in rooms of their own. */

#if ZSLAB_NO_TLS
static void *zs__malloc_unseen(zs__allocator *z, size_t size)
{
    return zs__heap_alloc(z->shared_heap, size, ZSLAB_EPOCH_NONE);
}

ZSLAB_API void *zslab_malloc(zslab *self, size_t size)
{
    zs__allocator *z = zs__own(self);
    return zs__hook_alloc(z, zs__malloc_unseen(z, size), size);
}

ZSLAB_API void *zslab_malloc_epoch(zslab *self, size_t size, zslab_epoch epoch)
{
    zs__allocator *z = zs__own(self);
    return epoch ? zs__hook_alloc(z, zs__heap_alloc(z->shared_heap, size, epoch), size) : zs__fail_no_epoch(size);
}

static zslab_result zs__free_by(zs__allocator *z, zslab_heap *heap, void *p) { return zs__free_checked(z, heap, p); }

ZSLAB_API zslab_result zslab_free(zslab *z, void *p) { return zs__free_by(zs__own(z), NULL, p); }
#else
static ZS__ALWAYS_INLINE zslab_result zs__free_by(zs__allocator *z, zslab_heap *heap, void *p)
{
    return zs__free_fast(z, heap, p);
}

ZSLAB_API zslab_result zs__free_cold(zs__allocator *z, zslab_heap *heap, void *p)
{
    if (ZS__MEMCHECK + ZS__HOOKS + ZSLAB_PROBES == 0 && zs__large_keep(z, heap, p)) return ZSLAB_OK;
    return zs__free_checked(z, heap, p);
}

static ZS__ALWAYS_INLINE void *zs__malloc_unseen(zs__allocator *z, size_t size) { return zs__malloc_fast(z, size); }

ZSLAB_API void *(zslab_malloc)(zslab *z, size_t size) { return zs__malloc_public(zs__own(z), size); }

ZSLAB_API void *(zslab_malloc_epoch)(zslab *z, size_t size, zslab_epoch epoch)
{
    return zs__malloc_epoch_public(zs__own(z), size, epoch);
}

/* clang-format off */
ZSLAB_API zslab_result (zslab_free)(zslab *z, void *p) { return zs__free_fast(zs__own(z), NULL, p); }
/* clang-format on */
#endif

/* Allocation by a given heap, in a given epoch (0: the heap's own): as zs__malloc_fast, from the row of that epoch. */
static inline void *zs__malloc_in(zslab_heap *heap, size_t size, zslab_epoch e)
{
    zslab_epoch in = e ? e : zs__heap_epoch(heap);
    zs__row *row = heap->z->always_slow ? NULL : zs__row_open(heap, in);
    if (ZS__LIKELY(row != NULL && size - 1 < ZS__CLASS_BYTES_MAX)) {
        void *p;
        if (ZS__UNLIKELY(zs__load_ptr(&heap->pops[1]) != (uintptr_t)row) && !heap->busy) zs__row_named(row);
        p = zs__bin_pop(zs__bin_for(heap->z, row, size));
        if (ZS__LIKELY(p != NULL)) {
            if (ZS__LIKELY(zs__load_u64(&row->gate) == in)) return p;
            zs__undo(row, p);
        }
    }
    return zs__heap_alloc(heap, size, e);
}

/* What the calls of a thread and those of an explicit heap share: `own` is that heap, NULL the thread's. */
static ZS__ALWAYS_INLINE void *zs__malloc_by(zs__allocator *z, zslab_heap *own, size_t size)
{
    return own ? zs__malloc_in(own, size, ZSLAB_EPOCH_NONE) : zs__malloc_unseen(z, size);
}

static inline zslab_heap *zs__heap_freed_by(zslab_heap *own) /* for frees: shared mode has none of its own */
{
    return own && !own->z->shared ? own : NULL;
}

/* The class of a plain live object; 0: look closer. The same look as zs__free_fast's, and pairs as there. */
static inline size_t zs__usable_fast(const zs__allocator *z, const void *p)
{
    size_t offset = (size_t)((uintptr_t)p - (uintptr_t)z->base);
    if (ZS__LIKELY(offset < z->range_bytes)) {
        const zs__chunk *c = z->chunks + (offset >> ZSLAB_CHUNK_SHIFT);
        uint64_t stamp = zs__load_acq_u64(&c->stamp); /* acquire: the record it stands for. Pairs with zs__chunk_bind */
        zs__recip recip = zs__load_recip(&c->recip);
        uint64_t t = (uint64_t)(offset & ZS__CHUNK_MASK) * recip;
        const uint8_t *state = (const uint8_t *)(zs__load_ptr(&c->states) + (uintptr_t)(t >> ZS__RECIP_BITS));
        size_t bytes = zs__chunk_class(z, c)->size;
        /* acquire: before the second look at the record, as in zs__free_fast */
        if (ZS__LIKELY((zs__recip)(t & ZS__RECIP_MASK) < recip && zs__load_acq_u8(state) == ZS__LIVE &&
                       stamp == zs__load_u64(&zs__round_at(z, stamp)->word) && zs__load_recip(&c->recip) == recip))
            return bytes;
    }
    return 0;
}

/* Zeros for a small object, in stores of a known size: a call of memset costs more than they do. */
static inline void zs__zero_small(void *p, size_t bytes)
{
    char *to = (char *)p, *end = to + bytes;
    if (ZS__UNLIKELY(bytes < 16 || bytes > 512)) {
        zs__zero(p, bytes);
        return;
    }
    for (; end - to >= 64; to += 64) zs__zero(to, 64);
    for (; end - to >= 16; to += 16) zs__zero(to, 16);
    zs__zero(end - 16, 16);
}

static inline int zs__size_large(const zs__allocator *z, size_t size) /* larger than every class, and in an epoch */
{
    return size > z->classes[z->class_count - 1].size && size <= z->config.large_bytes_max;
}

static inline zslab_heap *zs__heap_near(zs__allocator *z) /* this thread's, by the row it uses when it can */
{
    zslab_heap *heap = zs__heap_here(z);
    return ZS__LIKELY(heap != NULL) ? heap : zs__heap_mine(z, ZSLAB_EPOCH_NONE);
}

static ZS__ALWAYS_INLINE void *zs__calloc(zs__allocator *z, zslab_heap *own, size_t count, size_t size)
{
    size_t bytes = zs__mul_clamp(count, size);
    zslab_heap *heap = own ? own : zs__heap_near(z); /* NULL: only the fallback may serve it */
    uint32_t depth = heap ? zs__heap_hold(heap) : 0; /* no other thread's object is zeroed, whatever ends meanwhile */
    void *p;
    if (ZS__UNLIKELY(zs__size_large(z, bytes))) {
        zs__large_ask ask = {bytes, 1, 1, 0, 0, 0, NULL};
        p = heap ? zs__hook_alloc(z, zs__heap_large(heap, ask, ZSLAB_EPOCH_NONE), bytes) : NULL;
        zs__heap_done(heap);
    } else {
        p = bytes == SIZE_MAX ? zs__fail_null(ZSLAB_E_TOO_BIG) : zs__hook_alloc(z, zs__malloc_by(z, own, bytes), bytes);
        if (ZS__LIKELY(p != NULL)) zs__zero_small(p, bytes);
    }
    if (heap) zs__heap_let(heap, depth);
    return p;
}

ZSLAB_API void *zslab_calloc(zslab *z, size_t count, size_t size) { return zs__calloc(zs__own(z), NULL, count, size); }

static zslab_epoch zs__epoch_of_chunk(const zs__allocator *z, const zs__chunk *c)
{
    return zs__load_u64(&z->places[zs__stamp_place(zs__load_u64(&c->stamp))].id);
}

static void *zs__realloc_fallback(zs__allocator *z, zslab_heap *own, void *p, size_t size)
{
    const zslab_fallback *f = &z->config.fallback;
    size_t have = f->usable_size ? f->usable_size(f->user, p) : 0;
    int saved = zs__errno();
    void *q;
    if (!have) return zs__fail_null(ZSLAB_E_INVALID); /* how much to copy is not known */
    q = zs__hook_alloc(z, zs__malloc_by(z, own, size), size);
    if (q) {
        zs__copy(q, p, have < size ? have : size);
        zs__hook_free(z, p);
        (f->free)(f->user, p);
        zs__errno_back(saved);
    }
    return q;
}

static ZS__ALWAYS_INLINE void *zs__realloc(zs__allocator *z, zslab_heap *own, void *p, size_t size)
{
    zs__spot at;
    zslab_result r;
    zslab_heap *heap;
    uint32_t depth;
    void *q;
    size_t have = zs__usable_fast(z, p);
    if (ZS__LIKELY(have != 0 && size - 1 < have) && have == z->classes[zs__class_of(z, size)].size) return p;
    if (!p) return zs__hook_alloc(z, zs__malloc_by(z, own, size), size);
    if (!size) return zs__fail_null(ZSLAB_E_INVALID);
    if (zs__is_fallback(z, p)) return zs__realloc_fallback(z, own, p, size);
    r = zs__locate(z, p, &at);
    if (r != ZSLAB_OK) return zs__fail_null(zs__misuse(z, r, p, 0));
    if (zs__size_large(z, size)
            ? zs__spot_large(z, &at) && (zs__large_usable(z, size) == at.bytes || zs__large_resize(z, at.chunk, size))
            : zs__class_of(z, size) == (size_t)(at.k - z->classes)) {
        zs__words_tell(z, zs__heap_peek(z));
        return p;
    }
    if (at.was == ZS__HANDLE) return zs__fail_null(ZSLAB_E_INVALID);
    heap = own ? own : zs__heap_mine(z, zs__epoch_of_chunk(z, at.c));
    if (!heap) return NULL;
    depth = zs__heap_hold(heap); /* as in zs__calloc */
    if (zs__size_large(z, size)) {
        zs__large_ask ask = {size, 1, 0, 1, 0, 0, NULL};
        q = zs__hook_alloc(z, zs__heap_large(heap, ask, zs__epoch_of_chunk(z, at.c)), size);
    } else {
        q = zs__hook_alloc(z, zs__malloc_in(heap, size, zs__epoch_of_chunk(z, at.c)), size);
    }
    if (q) {
        zs__tag_set(z, q, zs__tag_at(z, at.state));
        zs__copy(q, p, at.bytes < size ? at.bytes : size);
        zs__free_by(z, zs__heap_freed_by(own), p);
    }
    zs__heap_let(heap, depth);
    zs__heap_done(heap);
    return q;
}

ZSLAB_API void *zslab_realloc(zslab *z, void *p, size_t size) { return zs__realloc(zs__own(z), NULL, p, size); }

static void *zs__aligned_alloc(zs__allocator *z, zslab_heap *own, size_t alignment, size_t size, zslab_epoch e)
{
    size_t cls;
    zs__large_ask ask = {size, alignment, 0, 0, 0, 0, NULL};
    zslab_heap *heap;
    void *p = NULL;
    if (!zs__is_pow2(alignment) || !size) return zs__fail_null(ZSLAB_E_INVALID);
    for (cls = zs__class_of(z, size); cls < z->class_count; cls++)
        if (zs__class_alignment(z->classes[cls].size) >= alignment) break;
    if (cls < z->class_count && !e) return zs__hook_alloc(z, zs__malloc_by(z, own, z->classes[cls].size), size);
    heap = own ? own : zs__heap_mine(z, e);
    if (heap) p = cls < z->class_count ? zs__malloc_in(heap, z->classes[cls].size, e) : zs__heap_large(heap, ask, e);
    p = zs__hook_alloc(z, p, size);
    zs__heap_done(heap);
    return p;
}

ZSLAB_API void *zslab_aligned_alloc(zslab *z, size_t alignment, size_t size)
{
    return zs__aligned_alloc(zs__own(z), NULL, alignment, size, ZSLAB_EPOCH_NONE);
}

ZSLAB_API void *zslab_aligned_alloc_epoch(zslab *z, size_t alignment, size_t size, zslab_epoch epoch)
{
    return epoch ? zs__aligned_alloc(zs__own(z), NULL, alignment, size, epoch) : zs__fail_no_epoch(size);
}

ZSLAB_API zslab_result zslab_free_sized(zslab *self, void *p, size_t size)
{
    zs__allocator *z = zs__own(self);
    size_t have = zs__usable_fast(z, p);
    zs__spot at;
    zslab_result r;
    if (ZS__LIKELY(have != 0 && size - 1 < have) && have == z->classes[zs__class_of(z, size)].size)
        return zs__free_by(z, NULL, p);
    if (!p || zs__is_fallback(z, p)) return zslab_free(z, p);
    r = zs__locate(z, p, &at);
    if (r == ZSLAB_OK && (!size || (zs__spot_large(z, &at) ? size > at.bytes || zs__large_usable(z, size) != at.bytes
                                                           : zs__class_of(z, size) != (size_t)(at.k - z->classes))))
        r = ZSLAB_E_INVALID;
    return r == ZSLAB_OK ? zslab_free(z, p) : zs__misuse(z, r, p, 0);
}

#if !ZSLAB_NO_TLS
/* What the row's bin has at hand, each object as zs__row_malloc takes one; how many. */
static size_t zs__row_malloc_batch(zs__allocator *z, zs__row *row, size_t size, size_t count, void **out)
{
    zs__bin *bin = zs__bin_for(z, row, size);
    size_t i;
    for (i = 0; i < count; i++) {
        void *p = zs__bin_pop(bin);
        if (!p) break;
        if (ZS__UNLIKELY(!zs__load_u64(&row->gate))) {
            zs__undo(row, p);
            break;
        }
        out[i] = zs__hook_alloc(z, p, size);
    }
    return i;
}
#endif

static ZS__ALWAYS_INLINE size_t zs__malloc_batch(zs__allocator *z, zslab_heap *own, size_t size, size_t count,
                                                 void **out)
{
    size_t i = 0;
    while (i < count) {
#if !ZSLAB_NO_TLS
        if (!own && zs__load_ptr(&zs__tls()->z) == (uintptr_t)z && size - 1 < ZS__CLASS_BYTES_MAX)
            i += zs__row_malloc_batch(z, zs__tls()->row, size, count - i, out + i);
        if (i == count) break;
#endif
        if ((out[i] = zs__hook_alloc(z, zs__malloc_by(z, own, size), size)) == NULL) break;
        i++;
    }
    return i;
}

ZSLAB_API size_t zslab_malloc_batch(zslab *z, size_t size, size_t count, void **out)
{
    return zs__malloc_batch(zs__own(z), NULL, size, count, out);
}

static ZS__ALWAYS_INLINE size_t zs__free_batch(zs__allocator *z, zslab_heap *heap, void *const *p, size_t count)
{
    size_t i, freed = 0;
    for (i = 0; i < count; i++) freed += p[i] && zs__free_by(z, heap, p[i]) == ZSLAB_OK;
    return freed;
}

ZSLAB_API size_t zslab_free_batch(zslab *z, void *const *p, size_t count)
{
    return zs__free_batch(zs__own(z), NULL, p, count);
}

/* ---- >>public-handle -------------------------------------------------------
   Queries about pointers, and handles: made, resolved, freed, packed. */

/* For queries, which ZSLAB_ON_FREE may make: what a free has claimed is there until its hook returns. */
static zslab_result zs__locate_told(const zs__allocator *z, const void *p, zs__spot *at)
{
    zslab_result r;
    at->was = ZS__FREE;
    r = zs__locate(z, p, at);
    return ZS__HOOKS && r == ZSLAB_E_DOUBLE_FREE && at->was == ZS__FREEING ? ZSLAB_OK : r;
}

ZSLAB_API size_t zslab_usable_size(const zslab *self, const void *p)
{
    const zs__allocator *z = zs__own_const(self);
    const zslab_fallback *f = &z->config.fallback;
    zs__spot at;
    size_t bytes = zs__usable_fast(z, p);
    if (ZS__LIKELY(bytes != 0)) return bytes;
    if (!p) return 0;
    if (zs__is_fallback(z, p)) return f->usable_size ? f->usable_size(f->user, p) : 0;
    return zs__locate_told(z, p, &at) == ZSLAB_OK ? at.bytes : 0;
}

ZSLAB_API int zslab_owns(const zslab *self, const void *p)
{
    const zs__allocator *z = zs__own_const(self);
    zs__spot at;
    zslab_result r;
    if (!p) return 0;
    r = zs__locate(z, p, &at);
    if (r == ZSLAB_E_FOREIGN) return z->config.fallback.owns && zs__is_fallback(z, p);
    return 1;
}

ZSLAB_API zslab_epoch zslab_epoch_of(const zslab *self, const void *p)
{
    const zs__allocator *z = zs__own_const(self);
    zs__spot at;
    zslab_result r = zs__locate_told(z, p, &at);
    if (r != ZSLAB_OK) {
        zs__fail(r);
        return ZSLAB_EPOCH_NONE;
    }
    return zs__epoch_of_chunk(z, at.c);
}

/* A slot for a handle: marked HANDLE before the gate is read, its word still says free. NULL with the reason. */
static void *zs__handle_slot(zslab_heap *heap, size_t cls, zslab_epoch e, zslab_result *why)
{
    zs__allocator *z = heap->z;
    zs__row *row = z->always_slow ? NULL : zs__row_open(heap, e);
    void *p = row ? zs__bin_take(heap, zs__bin_at(row, cls), ZS__HANDLE) : NULL;
    zs__compiler_barrier(); /* [GATE-1] */
    if (ZS__UNLIKELY(p && zs__load_u64(&row->gate) != e)) {
        zs__undo(row, p);
        p = NULL;
    }
    if (p) return p;
    if (!z->shared) return zs__heap_slot(heap, e, cls, ZS__HANDLE, why);
    if (!zs__interrupts(z, NULL)) zs__fork_check(); /* a repair takes a slot in transit for nobody's */
    return zs__shared_alloc(heap, e, cls, ZS__CLAIMED, why);
}

/* A slot that did not get its handle. */
static void zs__handle_undo(zs__allocator *z, void *p, size_t cls)
{
    size_t at = (size_t)(zs__slot_state(z, p) - z->states);
    if (!z->shared) {
        zs__undo_slot(z, p);
    } else {
        zs__mem_hide(p, z->classes[cls].size);
        zs__total_shared(z, &z->shared_heap->counters[cls].frees);
        zs__shared_unclaim(z, (uint32_t)(at >> 6), (unsigned)(at & 63));
    }
}

/* An object and its handle; NULL with the reason. */
static void *zs__handle_object(zslab_heap *heap, size_t size, size_t cls, zslab_epoch e, zslab_handle *h,
                               zslab_result *why)
{
    zs__allocator *z = heap->z;
    uint32_t tries;
    for (tries = 0;; tries++) {
        zs__large_ask ask = {size, 1, 0, 0, 0, 0, h};
        const int large = cls == z->class_count;
        void *p = large ? zs__large_alloc(heap, ask, e, why) : zs__handle_slot(heap, cls, e, why);
        if (!p) zs__count_refused(heap, cls, *why);
        if (!p || large || (*why = zs__handle_issue(z, p, h)) == ZSLAB_OK) return p;
        zs__handle_undo(z, p, cls);
        if (!zs__memory_make(heap, why, tries) && !zs__heap_discard(heap, e, *why)) return NULL;
    }
}

static zslab_handle zs__handle_make(zslab_heap *heap, size_t size, zslab_epoch e, void **out_p)
{
    zs__allocator *z = heap->z;
    zslab_result why = ZSLAB_E_CLOSED;
    zslab_handle h = 0;
    void *p = NULL;
    size_t cls = size ? zs__class_of(z, size) : 0;
    uint32_t depth = zs__heap_hold(heap); /* from the slot to its handle: an object of a dead round keeps no chunk */
    uint64_t sampled = size ? zs__sample(heap, size) : 0;
    if (out_p) *out_p = NULL;
    if (!size)
        why = ZSLAB_E_INVALID;
    else if (cls == z->class_count && !zs__size_large(z, size))
        why = e && zs__place_open(z, e) ? ZSLAB_E_TOO_BIG : ZSLAB_E_CLOSED;
    else if (e)
        p = zs__handle_object(heap, size, cls, e, &h, &why);
    zs__heap_let(heap, depth);
    if (!p) {
        why = zs__why(z, why);
        zs__dry(heap, size, e, why);
        zs__fail(why);
    } else {
        zs__profile_add(z, p, size, sampled);
        zs__served(heap, p);
        if (out_p) *out_p = p;
    }
    zs__hook_alloc(z, p, size);
    return h;
}

#if !ZSLAB_NO_TLS
/* The common case: the thread's open row has a slot, of a slab that serves handles. As zs__handle_make, with what is
   known of the slot at its pop; 0: that one, and nothing is held. */
static inline zslab_handle zs__handle_quick(zs__allocator *z, size_t size, zslab_epoch e, void **out_p)
{
    zs__tls_block *tls = zs__tls();
    zs__row *row = tls->given;
    zslab_heap *heap;
    zs__bin *bin;
    uint8_t *state;
    uint32_t depth;
    zslab_handle h = 0;
    char *p;
    if (zs__load_ptr(&tls->z) != (uintptr_t)z || size - 1 >= ZS__CLASS_BYTES_MAX || !e) return 0;
    if (zs__load_u64(&row->gate) != e && zs__load_u64(&(row = tls->row)->gate) != e) return 0;
    heap = row->heap;
    bin = zs__bin_for(z, row, size);
    depth = zs__heap_enter(heap); /* as in zs__handle_make */
    p = (char *)zs__bin_pop_as(bin, ZS__HANDLE, &state);
    if (ZS__LIKELY(p != NULL)) {
        size_t at = (size_t)(state - z->states);
        uint32_t id = zs__slab_id(z, (uint32_t)(at >> 6));
        const zs__id *entry = zs__id_at(z, id - 1);
        int open = zs__load_u64(&row->gate) == e;
        /* acquire, both: as in zs__id_of */
        if (ZS__LIKELY(open && id && id <= zs__load_acq_u32(&z->id_count) &&
                       zs__load_acq_u64(&entry->stamp) == zs__load_u64(&row->stamp) &&
                       (char *)zs__load_ptr(&entry->slots) == p - (at & 63) * bin->size))
            h = zs__handle_word(z, entry, id - 1, (uint32_t)(at & 63));
        else if (!open || zs__handle_issue(z, p, &h) != ZSLAB_OK)
            zs__undo(row, p);
    }
    zs__heap_exit(heap, depth);
    if (ZS__UNLIKELY(!h)) return 0;
    zs__served(heap, p);
    if (out_p) *out_p = p;
    zs__hook_alloc(z, p, size);
    return h;
}
#endif

static ZS__NOINLINE zslab_handle zs__handle_alloc_slow(zs__allocator *z, size_t size, zslab_epoch e, void **out_p)
{
    zslab_heap *heap = zs__heap_mine(z, e);
    zslab_handle h = heap ? zs__handle_make(heap, size, e, out_p) : 0;
    if (!heap && out_p) *out_p = NULL;
#if !ZSLAB_NO_TLS
    if (h && !z->shared) zs__tls_give(heap, e);
#endif
    zs__heap_done(heap);
    return h;
}

ZSLAB_API zslab_handle zslab_handle_alloc(zslab *self, size_t size, zslab_epoch e, void **out_p)
{
    zs__allocator *z = zs__own(self);
#if !ZSLAB_NO_TLS
    zslab_handle h = zs__handle_quick(z, size, e, out_p);
    if (ZS__LIKELY(h != 0)) return h;
#endif
    return zs__handle_alloc_slow(z, size, e, out_p);
}

/* Why 64 bits are no live handle here. */
static zslab_result zs__handle_reason(const zs__allocator *z, zslab_handle h)
{
    uint32_t cls = (uint32_t)(h >> 2) & 255;
    if ((h & 3) != ZSLAB_HANDLE_VERSION || zs__id_index(z, h >> 42) >= zs__load_u32(&z->id_count) ||
        (cls >= z->class_count && cls != ZSLAB_CLASS_LARGE) ||
        (uint32_t)(h >> 10 & 255) >= zs__id_slots(&z->classes[cls]))
        return ZSLAB_E_INVALID;
    return ZSLAB_E_STALE;
}

ZSLAB_API void *zs__handle_miss(const zs__allocator *z, zslab_handle h)
{
    return zs__fail_null(zs__handle_reason(z, h));
}

ZSLAB_API void *(zslab_handle_get)(const zslab *z, zslab_handle h) { return zs__handle_get_fast(zs__own_const(z), h); }

/* Free the live object of a handle: that of entry e, whose word was `was` then. */
static ZS__NOINLINE zslab_result zs__handle_free_slow(zs__allocator *z, zslab_handle h, uint64_t stamp, zs__id *e,
                                                      uint32_t was, char *p)
{
    zslab_result r = ZSLAB_OK;
    zs__spot at;
    at.chunk = (uint32_t)((size_t)(p - z->base) >> ZSLAB_CHUNK_SHIFT);
    at.c = &z->chunks[at.chunk];
    at.k = &z->classes[(h >> 2) & 255];
    at.state = zs__slot_state(z, p);
    at.slot = (uint32_t)(at.state - (uint8_t *)zs__load_ptr(&at.c->states));
    at.stamp = stamp;
    at.bytes = zs__spot_large(z, &at) ? zs__large_bytes(z, at.chunk) : at.k->size;
    at.was = ZS__HANDLE;
    return zs__handle_drop(z, NULL, &at, p, e, was, &r) ? r : zs__misuse(z, ZSLAB_E_STALE, NULL, h);
}

ZSLAB_API zslab_result zslab_handle_free(zslab *self, zslab_handle h)
{
    zs__allocator *z = zs__own(self);
    size_t id = zs__id_index(z, h >> 42);
    zs__id *e;
    size_t size;
    uint64_t stamp;
    uint32_t was;
    char *p;
#if !ZSLAB_NO_TLS
    int dropped;
#endif
    if (id >= zs__load_acq_u32(&z->id_count)) /* acquire: pairs with zs__id_new */
        return zs__misuse(z, ZSLAB_E_INVALID, NULL, h);
    e = zs__id_at(z, id);
    size = zs__load_acq_u32(&e->size); /* acquire, both: as in zs__handle_get_fast */
    p = (char *)(zs__load_acq_ptr(&e->slots) + (size_t)(h >> 10 & 63) * size); /* of 0 where no slab has the id */
    if (!zs__handle_live(z, h, e, zs__id_words(z, id))) return zs__misuse(z, zs__handle_reason(z, h), NULL, h);
    was = (uint32_t)(h >> 10) - (z->first_part << 8) + ZS__WORD;
    stamp = zs__load_acq_u64(&e->stamp); /* acquire: with another come its raised words. Pairs with zs__id_bind */
#if !ZSLAB_NO_TLS
    dropped = zs__handle_drop_own(z, h, stamp, e, zs__id_words(z, id) + (h >> 10 & 63), was, p);
    if (ZS__LIKELY(dropped >= 0)) return dropped ? ZSLAB_OK : zs__misuse(z, ZSLAB_E_STALE, NULL, h);
#endif
    return zs__handle_free_slow(z, h, stamp, e, was, p);
}

ZSLAB_API zslab_handle zslab_handle_of(const zslab *self, const void *p)
{
    const zs__allocator *z = zs__own_const(self);
    zs__spot at;
    zslab_result r = zs__locate(z, p, &at);
    zslab_handle h = 0;
    if (r == ZSLAB_OK && at.was != ZS__HANDLE) r = ZSLAB_E_INVALID;
    if (r == ZSLAB_OK) {
        size_t state = (size_t)(at.state - z->states);
        h = zs__handle_at(z, at.chunk, (uint32_t)(state >> 6), (uint32_t)(state & 63));
        r = h ? ZSLAB_OK : ZSLAB_E_DOUBLE_FREE; /* freed since the look */
    }
    if (!h) zs__fail(r);
    return h;
}

ZSLAB_API zslab_handle zslab_handle_pack(zslab_handle_fields f)
{
    if (f.slab_id >> 22 || f.generation >> 24 || f.slot >> 8 || f.size_class >> 8 || f.version >> 2) {
        zs__fail(ZSLAB_E_INVALID);
        return 0;
    }
    return (uint64_t)f.slab_id << 42 | (uint64_t)f.generation << 18 | (uint64_t)f.slot << 10 |
           (uint64_t)f.size_class << 2 | f.version;
}

ZSLAB_API zslab_handle_fields zslab_handle_unpack(zslab_handle h)
{
    zslab_handle_fields f;
    f.slab_id = (uint32_t)(h >> 42);
    f.generation = (uint32_t)(h >> 18) & 0xffffff;
    f.slot = (uint32_t)(h >> 10) & 255;
    f.size_class = (uint32_t)(h >> 2) & 255;
    f.version = (uint32_t)h & 3;
    return f;
}

ZSLAB_API size_t zslab_size_class_of(const zslab *self, size_t size)
{
    const zs__allocator *z = zs__own_const(self);
    return !size ? z->class_count : zs__size_large(z, size) ? ZSLAB_CLASS_LARGE : zs__class_of(z, size);
}

ZSLAB_API size_t zslab_size_class_bytes(const zslab *self, size_t index)
{
    const zs__allocator *z = zs__own_const(self);
    return index < z->class_count ? z->classes[index].size : 0;
}

/* ---- >>reserve -------------------------------------------------------------
   Memory made ready ahead for a heap, an epoch and a size, registry included; and a trim, which undoes it. */

/* One chunk more in the bin with every page touched and every slab home. */
static zslab_result zs__bin_stock(zs__allocator *z, zs__bin *bin)
{
    zs__chunk_cold *x;
    const zs__class *k = &z->classes[bin->cls];
    zs__bin_cold *b = zs__cold_of(z, bin);
    uint32_t fresh = b->fresh, chunk, i, first;
    zslab_result r = zs__take_chunk(z, bin);
    size_t at;
    if (r != ZSLAB_OK) return r;
    chunk = b->fresh - 1;
    zs__store_u8(&z->cold[chunk].touched, 64); /* all of it. Statistics */
    zs__mem_show(zs__chunk_base(z, chunk), ZS__CHUNK_BYTES);
    for (at = 0; at < ZS__CHUNK_BYTES; at += z->page_bytes) *(volatile char *)(zs__chunk_base(z, chunk) + at) = 0;
    zs__mem_hide(zs__chunk_base(z, chunk), ZS__CHUNK_BYTES);
    first = zs__chunk_slab(z, &z->chunks[chunk]);
    for (i = 0; i < k->slabs; i++) { /* touch what frees, also remote ones, will write */
        zs__store_u8(z->states + (size_t)(first + i) * 64, ZS__FREE);
        z->hints[first + i].next = 0;
    }
    b->fresh = fresh;
    if (z->shared) {
        zs__shared_bound(z, bin, chunk);
        return ZSLAB_OK;
    }
    zs__row_of_bin(bin)->plain[bin->cls >> 6] &= ~((uint64_t)1 << (bin->cls & 63));
    x = &z->cold[chunk];
    zs__store_u32(&x->carved, k->slabs);
    x->home = k->slabs; /* empty, but meant to be: not one for the cache */
    for (i = 0; i < k->slabs; i++) {
        z->words[first + i] = zs__slab_full(k, i);
        zs__mask_put(x, i, 1);
    }
    zs__list_push(z, b, chunk);
    if (!(x->flags & ZS__CHUNK_RESERVED)) {
        x->flags |= ZS__CHUNK_RESERVED;
        zs__add_ptr(&z->reserved_bytes, ZS__CHUNK_BYTES); /* counters: ordered with nothing */
        zs__add_ptr(&zs__round_of(z, zs__row_of_bin(bin)->place)->reserved_bytes, ZS__CHUNK_BYTES);
    }
    return ZSLAB_OK;
}

/* Pages that a range of bytes is on, by swapping a byte of each for itself: what is there stays, also when another
   thread has been given it meanwhile (shared mode). */
static void zs__touch(const zs__allocator *z, void *from, size_t bytes)
{
    uint8_t *p = (uint8_t *)from, *end = p + bytes;
    while (p < end) {
        uint8_t was = zs__load_u8(p); /* relaxed, both: nothing is told by it */
        zs__cas_u8(p, &was, was);
        p += z->page_bytes - ((uintptr_t)p & (z->page_bytes - 1));
    }
}

/* Memory for a first handle, or for handles in so many slabs more that were set aside (zslab_reserve), in all no more
   than chunks have: touched where pages stay, charged as it serves. What the system refuses is refused to a handle
   later. A buffer's registry waits for the first. */
static void zs__registry_ready(zs__allocator *z, size_t slabs)
{
    size_t most = 0, to;
    uint32_t chunk, chunks = 0;
    if (z->config.memory || zs__sealed(z)) return;
    if (slabs) chunks = zs__chunks_bound(z);
    for (chunk = 0; chunk < chunks; chunk++)
        most += z->classes[zs__load_u16(&z->chunks[chunk].cls)].slabs; /* relaxed: as a bound */
    zs__arena_take(z);
    most += z->id_count;
    if (most > z->id_limit) most = z->id_limit;
    if (z->id_ready < z->id_count) z->id_ready = z->id_count;
    to = z->id_ready + slabs < most ? z->id_ready + slabs : most;
    while ((z->ids == (uintptr_t)&z->no_id || to > z->id_mask / sizeof(zs__id) + 1) && !zs__registry_grow(z))
        ;
    if (to > z->id_ready && z->ids != (uintptr_t)&z->no_id && to <= z->id_mask / sizeof(zs__id) + 1) {
        if (!z->rss_policy) {
            zs__touch(z, zs__id_at(z, z->id_ready), (to - z->id_ready) * sizeof(zs__id));
            zs__touch(z, zs__id_words(z, z->id_ready), (to - z->id_ready) * 256);
        }
        z->id_ready = (uint32_t)to;
    }
    zs__arena_drop(z);
}

/* Free slots that the bin has go out first: their pages, and what frees will write, are touched as well. By its owner;
   shared mode: under its lock. */
static void zs__bin_touch(zs__allocator *z, zs__bin *bin)
{
    const zs__class *k = &z->classes[bin->cls];
    uint32_t at = zs__cold_of(z, bin)->all, slot;
    zs__entry *entry;
    if (ZS__MEMCHECK) /* a checker counts no faults, and minds */
        return;
    for (entry = bin->bottom; entry != bin->top; entry++) /* some may be of a chunk that is lent */
        zs__touch(z, entry->p, k->size);
    for (; at; at = z->cold[at - 1].all_next) {
        const zs__chunk *c = &z->chunks[at - 1];
        uint8_t *states = (uint8_t *)zs__load_ptr(&c->states);
        uint32_t first = zs__chunk_slab(z, c);
        if (z->cold[at - 1].flags & ZS__CHUNK_RESERVED) /* it was, when it was stocked */
            continue;
        zs__touch(z, states, (size_t)k->slabs * 64);
        zs__touch(z, z->hints + first, k->slabs * sizeof *z->hints);
        zs__touch(z, z->words + first, k->slabs * sizeof *z->words);
        for (slot = 0; slot < k->slots; slot++)
            if (zs__load_acq_u8(states + slot) == ZS__FREE) /* acquire: the last use. Pairs with the free's store */
                zs__touch(z, zs__chunk_base(z, at - 1) + (size_t)slot * k->size, k->size);
    }
}

/* A plain allocation, in the innermost domain or outside of all, finds a row: so does the first one in another epoch,
   which points the thread's words at it (zs__malloc_epoch_slow). ZSLAB_OK, also where the epoch is closed. */
static zslab_result zs__rows_at_hand(zslab_heap *heap)
{
    zslab_result own, outer = ZSLAB_OK;
    zs__row *row;
    if (!zs__row_for(heap, zs__load_acq_u64(&heap->z->current), &outer)) /* acquire: pairs with zslab_epoch_advance */
        outer = outer == ZSLAB_E_CLOSED ? ZSLAB_OK : outer;
    else
        outer = ZSLAB_OK;
    own = zs__heap_row(heap, &row);
    return outer != ZSLAB_OK || own == ZSLAB_E_CLOSED ? outer : own;
}

/* So many chunks more in the class's bin of an epoch (0: the heap's own), and the pages of its magazine. */
static zslab_result zs__reserve(zslab_heap *heap, zslab_epoch e, size_t cls, size_t chunks)
{
    zs__allocator *z = heap->z;
    size_t left = chunks;
    uint32_t tries = 0;
    int turn = 0;
    for (;;) {
        zslab_result r = ZSLAB_E_CLOSED;
        zs__row *row = NULL;
        zs__bin *bin;
        zs__entry *entry;
        if (z->shared)
            row = zs__shared_row(z, e ? e : zs__heap_epoch(heap), 0, &r);
        else if (e)
            row = zs__row_for(heap, e, &r);
        else
            r = zs__heap_row(heap, &row);
        if (row) {
            bin = zs__bin_at(row, cls);
            if (z->shared) zs__ranked_take(zs__as_lock(&zs__cold_of(z, bin)->lock), ZS__LOCK_BIN);
            zs__bin_touch(z, bin);
            for (r = ZSLAB_OK; left && (r = zs__bin_stock(z, bin)) == ZSLAB_OK; left--)
                ;
            if (z->shared) zs__ranked_drop(zs__as_lock(&zs__cold_of(z, bin)->lock), ZS__LOCK_BIN);
            if (!left && !z->shared) {
                for (entry = bin->bottom; entry != bin->limit; entry++)
                    zs__store_ptr((uintptr_t *)(void *)&entry->p, (uintptr_t)entry->p);
                r = zs__rows_at_hand(heap);
            }
        }
        if (r == ZSLAB_E_BUSY && zs__chunks_wait(z, &turn)) continue;
        r = r == ZSLAB_E_BUSY ? ZSLAB_E_NOMEM : r;
        if (r == ZSLAB_OK || r == ZSLAB_E_CLOSED || !zs__memory_make(heap, &r, tries)) return r;
        if (!tries++) left = chunks; /* what was set aside went with all that is empty */
    }
}

static zslab_result zs__reserve_by(zs__allocator *z, zslab_heap *own, zslab_epoch e, size_t size, size_t count)
{
    size_t cls = size ? zs__class_of(z, size) : 0;
    zslab_heap *heap;
    zslab_result r;
    uint32_t depth;
    size_t slots, chunks;
    if (!size) return ZSLAB_E_INVALID;
    if (cls == z->class_count && !zs__size_large(z, size)) return ZSLAB_E_TOO_BIG;
    slots = z->classes[cls < z->class_count ? cls : ZSLAB_CLASS_LARGE].slots;
    chunks = count / slots + (count % slots != 0);
    /* before the whole range is touched: a large object has chunks of its own. relaxed: the limit there is */
    if (chunks > z->chunk_count / (cls < z->class_count ? 1 : ((size - 1) >> ZSLAB_CHUNK_SHIFT) + 1))
        return zs__load_ptr(&z->hard_limit) == SIZE_MAX ? zs__why(z, ZSLAB_E_NOMEM) : ZSLAB_E_LIMIT;
    zs__fork_check(); /* the way to a shared row that is open may take no lock */
    heap = own ? own : zs__heap_mine(z, e);
    if (!heap) return zslab_last_error();
    depth = zs__heap_hold(heap);
    zs__touch(z, heap, z->heap_bytes);
    if (cls == z->class_count)
        r = zs__large_reserve(heap, e, size, count);
    else
        r = zs__reserve(heap, e, cls, chunks);
    if (r == ZSLAB_OK)
        zs__registry_ready(z, (chunks + 1) * z->classes[cls < z->class_count ? cls : ZSLAB_CLASS_LARGE].slabs);
    zs__heap_let(heap, depth);
    zs__heap_done(heap);
    return zs__why(z, r);
}

ZSLAB_API zslab_result zslab_reserve(zslab *z, size_t size, size_t count)
{
    return zs__reserve_by(zs__own(z), NULL, ZSLAB_EPOCH_NONE, size, count);
}

ZSLAB_API zslab_result zslab_reserve_for(zslab *z, zslab_heap *heap, zslab_epoch epoch, size_t size, size_t count)
{
    return zs__reserve_by(zs__own(z), heap, epoch, size, count);
}

ZSLAB_API size_t zslab_trim(zslab *self)
{
    zs__allocator *z = zs__own(self);
    zslab_heap *heap = zs__heap_peek(z);
    uint32_t depth, tries;
    size_t bytes;
    int again = !z->shared;
    if (zs__sealed(z)) return 0;
    if (z->shared) {
        zs__epochs_take(z);
        zs__shared_empty(z);
        zs__epochs_drop(z);
    } else if (heap) {
        depth = zs__heap_hold(heap);
        zs__heap_empty(heap, 1, &again);
        zs__heap_let(heap, depth);
    }
    for (tries = 0; again && tries < 4; tries++) {
        if (tries) zs__os_yield(); /* who was in a slow path leaves it */
        again = 0;
        zs__epochs_take(z);
        zs__others_empty(z, heap, 1, &again);
        zs__epochs_drop(z);
    }
    bytes = zs__large_trim(z, z->config.cache_bytes);
    bytes += zs__chunks_trim(z, z->config.cache_bytes);
    zs__ends_due(z);
    return z->config.memory ? 0 : bytes;
}

/* ---- >>public-epoch --------------------------------------------------------
   Entry points of >>api-epoch. */

ZSLAB_API zslab_epoch zslab_epoch_current(const zslab *z)
{
    return zs__load_acq_u64(&zs__own_const(z)->current); /* acquire: pairs with zslab_epoch_advance */
}

ZSLAB_API zslab_epoch zslab_epoch_open(zslab *z, const char *label)
{
    zslab_epoch_config c = zs__epoch_plain;
    c.label = label;
    return zslab_epoch_open_with(z, &c);
}

ZSLAB_API zslab_epoch zslab_epoch_open_with(zslab *self, const zslab_epoch_config *c)
{
    zs__allocator *z = zs__own(self);
    zslab_result why = ZSLAB_E_INVALID;
    zslab_epoch e = ZSLAB_EPOCH_NONE;
    c = c ? c : &zs__epoch_plain;
    if (zs__epoch_config_right(c)) {
        why = ZSLAB_E_BUSY;
        if (zs__epochs_enter(z)) {
            e = zs__epoch_open(z, c, &why);
            zs__epochs_drop(z);
            zs__ends_due(z);
        }
    }
    if (!e) zs__fail(why);
    return e;
}

ZSLAB_API zslab_epoch zslab_epoch_next(const zslab *self, zslab_epoch after)
{
    zs__allocator *w = (zs__allocator *)(uintptr_t)zs__own_const(self); /* its lock is taken */
    zslab_epoch e = ZSLAB_EPOCH_NONE;
    uint32_t at;
    zs__epochs_take(w);
    if (zs__place_find(w, after)) {
        at = w->places[after & ZS__PLACE_MASK].younger;
    } else { /* ids rise in the order of opening */
        for (at = w->oldest; at && w->places[at - 1].id >> 16 <= after >> 16;) at = w->places[at - 1].younger;
    }
    if (at) e = w->places[at - 1].id;
    zs__epochs_drop(w);
    return e;
}

ZSLAB_API zslab_epoch zslab_epoch_advance(zslab *self)
{
    zs__allocator *z = zs__own(self);
    zslab_epoch e, old;
    zslab_result why;
    if (!zs__epochs_enter(z)) {
        zs__fail(ZSLAB_E_BUSY);
        return ZSLAB_EPOCH_NONE;
    }
    e = zs__epoch_open(z, &zs__epoch_plain, &why);
    if (!e) {
        zs__epochs_drop(z);
        zs__ends_due(z);
        zs__fail(why);
        return ZSLAB_EPOCH_NONE;
    }
    old = z->current;
    zs__store_rel_u64(&z->current, e); /* release: pairs with zs__heap_epoch */
    zs__epoch_end(z, old, ZS__CLOSE, ZSLAB_END_DRAINED);
    return e;
}

ZSLAB_API zslab_result zslab_epoch_close(zslab *self, zslab_epoch e)
{
    zs__allocator *z = zs__own(self);
    if (!zs__epochs_enter(z)) return ZSLAB_E_BUSY;
    return zs__epoch_end(z, e, ZS__CLOSE, ZSLAB_END_DRAINED);
}

ZSLAB_API zslab_result zslab_epoch_release(zslab *self, zslab_epoch e)
{
    zs__allocator *z = zs__own(self);
    zs__ends_due(z); /* of children that have drained */
    if (!zs__epochs_enter(z)) return ZSLAB_E_BUSY;
    return zs__epoch_end(z, e, ZS__RELEASE, ZSLAB_END_RELEASE);
}

ZSLAB_API zslab_result zslab_epoch_reset(zslab *self, zslab_epoch e)
{
    zs__allocator *z = zs__own(self);
    zs__ends_due(z); /* of children that have drained */
    if (!zs__epochs_enter(z)) return ZSLAB_E_BUSY;
    return zs__epoch_end(z, e, ZS__RESET, ZSLAB_END_RESET);
}

ZSLAB_API zslab_epoch_state zslab_epoch_state_of(const zslab *self, zslab_epoch e)
{
    const zs__allocator *z = zs__own_const(self);
    zs__allocator *w = (zs__allocator *)(uintptr_t)z; /* the state may move forward */
    zslab_epoch_state state = ZSLAB_EPOCH_CLOSED;
    zs__place *place, *at;
    if ((place = zs__place_find(z, e)) == NULL) return ZSLAB_EPOCH_CLOSED;
    if (!zs__epochs_enter(w))
        return zs__load_u32(&place->state) == ZSLAB_EPOCH_ACTIVE ? ZSLAB_EPOCH_ACTIVE : ZSLAB_EPOCH_CLOSING;
    place = zs__place_find(w, e);
    if (place && place->state == ZSLAB_EPOCH_CLOSING)
        for (at = zs__below(w, place, NULL); at && zs__news_room(w); at = zs__below(w, place, at))
            zs__place_try_end(w, at, 1);
    if (place) state = (zslab_epoch_state)place->state;
    zs__epochs_drop(w);
    return state;
}

ZSLAB_API zslab_result zslab_epoch_set_label(zslab *self, zslab_epoch e, const char *label)
{
    zs__allocator *z = zs__own(self);
    zs__place *place;
    if (!zs__epochs_enter(z)) return ZSLAB_E_BUSY;
    place = zs__place_find(z, e);
    if (place) zs__label_set(place, label);
    zs__epochs_drop(z);
    return place ? ZSLAB_OK : ZSLAB_E_CLOSED;
}

/* ---- >>public-heap ---------------------------------------------------------
   Entry points of >>api-heap, and of threads that come and go. */

ZSLAB_API zslab_heap *zslab_heap_create(zslab *self)
{
    zs__allocator *z = zs__own(self);
    zslab_heap *heap;
    zslab_result why = ZSLAB_OK;
    if (z->shared) return z->shared_heap;
    do {
        if (!zs__epochs_enter(z)) return (zslab_heap *)zs__fail_null(ZSLAB_E_BUSY);
        heap = z->parked;
        if (heap)
            z->parked = heap->next_parked;
        else
            heap = zs__heap_new(z, ZSLAB_EPOCH_NONE, 1, &why);
        if (heap) {
            heap->is_explicit = 1;
            zs__store_u32(&heap->is_parked, 0);
        }
        zs__epochs_drop(z);
    } while (!heap && zs__limit_search(z, why));
    zs__words_tell(z, zs__heap_peek(z));
    return heap ? heap : (zslab_heap *)zs__fail_null(why);
}

ZSLAB_API void zslab_heap_destroy(zslab_heap *heap)
{
    if (!heap || heap->z->shared) return;
    while (heap->scope_count) zs__domain_exit(heap->scopes[heap->scope_count - 1].domain, heap);
    zs__heap_settle(heap);
    zs__epochs_take(heap->z);
    heap->is_explicit = 0;
    zs__heap_over(heap);
    zs__heap_shelve(heap);
    zs__epochs_drop(heap->z);
}

ZSLAB_API void *zslab_heap_malloc(zslab_heap *heap, size_t size)
{
    return zs__hook_alloc(heap->z, zs__malloc_in(heap, size, ZSLAB_EPOCH_NONE), size);
}

ZSLAB_API void *zslab_heap_calloc(zslab_heap *heap, size_t count, size_t size)
{
    return zs__calloc(heap->z, heap, count, size);
}

ZSLAB_API void *zslab_heap_realloc(zslab_heap *heap, void *p, size_t size)
{
    return zs__realloc(heap->z, heap, p, size);
}

ZSLAB_API void *zslab_heap_aligned_alloc(zslab_heap *heap, size_t alignment, size_t size)
{
    return zs__aligned_alloc(heap->z, heap, alignment, size, ZSLAB_EPOCH_NONE);
}

ZSLAB_API void *zslab_heap_aligned_alloc_epoch(zslab_heap *heap, size_t alignment, size_t size, zslab_epoch e)
{
    return e ? zs__aligned_alloc(heap->z, heap, alignment, size, e) : zs__fail_no_epoch(size);
}

ZSLAB_API size_t zslab_heap_malloc_batch(zslab_heap *heap, size_t size, size_t count, void **out)
{
    return zs__malloc_batch(heap->z, heap, size, count, out);
}

ZSLAB_API zslab_result zslab_heap_reserve(zslab_heap *heap, size_t size, size_t count)
{
    return zs__reserve_by(heap->z, heap, ZSLAB_EPOCH_NONE, size, count);
}

ZSLAB_API void *zslab_heap_malloc_epoch(zslab_heap *heap, size_t size, zslab_epoch e)
{
    return e ? zs__hook_alloc(heap->z, zs__malloc_in(heap, size, e), size) : zs__fail_no_epoch(size);
}

ZSLAB_API zslab_result zslab_heap_free(zslab_heap *heap, void *p)
{
    return zs__free_by(heap->z, zs__heap_freed_by(heap), p);
}

ZSLAB_API size_t zslab_heap_free_batch(zslab_heap *heap, void *const *p, size_t count)
{
    return zs__free_batch(heap->z, zs__heap_freed_by(heap), p, count);
}

ZSLAB_API zslab_handle zslab_heap_handle_alloc(zslab_heap *heap, size_t size, zslab_epoch e, void **out_p)
{
    zslab_handle h = zs__handle_make(heap, size, e, out_p);
    zs__words_tell(heap->z, heap);
    return h;
}

ZSLAB_API zslab_result zslab_thread_attach(zslab *self)
{
    zs__allocator *z = zs__own(self);
    zslab_heap *heap = zs__heap_mine(z, ZSLAB_EPOCH_NONE);
    zslab_result r = heap ? zs__row_blocks(heap) : zslab_last_error();
    if (r == ZSLAB_OK) zs__touch(z, heap, z->heap_bytes);
    zs__heap_done(heap);
    if (r != ZSLAB_OK)
        zs__fail(r);
    else
        zs__registry_ready(z, 0);
    return r;
}

ZSLAB_API void zslab_thread_detach(zslab *self)
{
    zs__allocator *z = zs__own(self);
#if !ZSLAB_NO_TLS
    zslab_heap *heap = z->shared ? NULL : zs__heap_peek(z);
    if (heap && !heap->scope_count) zs__heap_leave(heap);
#else
    (void)z;
#endif
}

/* ---- >>config-check --------------------------------------------------------
   Configurations: defaults filled in, and the first thing wrong with one named. */

static zslab_config zs__config_defaults(const zslab_config *given)
{
    zslab_config c;
    zs__zero(&c, sizeof c);
    if (given) c = *given;
    if (!c.epoch_count) c.epoch_count = ZSLAB_EPOCH_COUNT;
    if (!c.reclaim) c.reclaim = ZSLAB_ENABLE_RSS_RECLAMATION ? ZSLAB_RECLAIM_RSS : ZSLAB_RECLAIM_LATENCY;
    c.cache_bytes = c.cache_bytes == ZSLAB_CACHE_NONE ? 0 : c.cache_bytes ? c.cache_bytes : (size_t)1 << 20;
#if ZSLAB_HARDENED
    c.flags |= ZSLAB_FLAG_HARDENED;
#endif
#if ZSLAB_NO_TLS
    c.flags |= ZSLAB_FLAG_SHARED;
#endif
    if (!c.os.reserve) {
        c.os.reserve = zs__os_reserve;
        c.os.commit = zs__os_commit;
        c.os.purge = zs__os_purge;
        c.os.release = zs__os_release;
    }
    return c;
}

/* The first field that cannot be; ZS__REFUSED_NONE: the configuration is valid. */
static zs__refusal zs__config_refusal(const zslab_config *c)
{
    const uint32_t all = ZSLAB_FLAG_SHARED | ZSLAB_FLAG_HARDENED | ZSLAB_FLAG_PREFAULT | ZSLAB_FLAG_HUGE_PAGES |
                         ZSLAB_FLAG_LOCK_PAGES | ZSLAB_FLAG_NUMA_LOCAL;
    const uint32_t os_only = ZSLAB_FLAG_HUGE_PAGES | ZSLAB_FLAG_LOCK_PAGES | ZSLAB_FLAG_NUMA_LOCAL;
    int hooks = zs__os_hooks(&c->os);
    size_t count = c->epoch_count;
    zs__refusal table = ZS__REFUSED_NONE;
    if (!c->memory != !c->memory_bytes) return ZS__REFUSED_MEMORY_BYTES;
    if (c->memory && (c->reserve_bytes || hooks || (c->flags & os_only))) return ZS__REFUSED_MEMORY;
    if (ZSLAB_NO_OS && !c->memory && !hooks) return ZS__REFUSED_NO_OS;
    if (c->reserve_bytes &&
        (c->reserve_bytes < 2 * ZS__CHUNK_BYTES || c->reserve_bytes >> ZSLAB_CHUNK_SHIFT > 1u << 24))
        return ZS__REFUSED_RESERVE;
    if (c->class_bytes || c->class_count) table = zs__class_table_refusal(c->class_bytes, c->class_count);
    if (table) return table;
    if (count && (!zs__is_pow2(count) || count < 2 || count > 65536)) return ZS__REFUSED_EPOCHS;
    if ((unsigned)c->reclaim > ZSLAB_RECLAIM_RSS) return ZS__REFUSED_RECLAIM;
    if (c->flags & ~all) return ZS__REFUSED_FLAGS;
    if (hooks && hooks != 4) return ZS__REFUSED_OS;
    if (c->limit_bytes && c->limit_bytes < ZS__CHUNK_BYTES) return ZS__REFUSED_LIMIT;
    if (c->thread_count > ZS__THREADS_MAX - 3 || c->handle_count > 1u << 28) return ZS__REFUSED_COUNTS;
    if ((c->fallback.alloc == NULL) != (c->fallback.free == NULL) ||
        (!c->fallback.alloc && (c->fallback.usable_size || c->fallback.owns)))
        return ZS__REFUSED_FALLBACK;
    if ((c->flags & ZSLAB_FLAG_LOCK_PAGES) && zs__config_defaults(c).reclaim == ZSLAB_RECLAIM_RSS)
        return ZS__REFUSED_FLAG_LOCK;
    return ZS__REFUSED_NONE;
}

/* ---- >>plan ----------------------------------------------------------------
   Where each part of the metadata lies, in a range of the system's or a caller's buffer, and what it takes. */

/* What the plan of the metadata needs to know of a valid configuration: its class table added up. */
typedef struct zs__shape {
    const zslab_config *config; /* defaults filled in */
    size_t lines, slabs;        /* of a chunk: metadata lines in all regions, slabs in all classes */
    size_t regions;
    size_t row_bytes, heap_bytes;
    size_t blocks_bytes; /* of all names of rows that a heap makes later; 0: they are in it */
    size_t cold_offset, magazine_offset;
    int scarce; /* address space is: of metadata the least that serves */
} zs__shape;

static zs__shape zs__shape_of(const zslab_config *config)
{
    zs__shape s;
    uint32_t cls, count = zs__class_count(config), last = config->memory ? 0 : 1;
    const uint32_t blocks = zs__block_count(config->epoch_count);
    s.config = config;
    s.scarce = config->memory || UINTPTR_MAX <= 0xffffffffu;
    s.lines = last; /* ZSLAB_CLASS_LARGE has one */
    s.regions = 1;
    s.slabs = 1;
    s.cold_offset = sizeof(zs__row) + (count + 1) * sizeof(zs__bin);
    s.magazine_offset = zs__round_up(s.cold_offset + count * sizeof(zs__bin_cold), 64);
    s.row_bytes = s.magazine_offset;
    s.heap_bytes = sizeof(zslab_heap) + zs__names_bytes(config->epoch_count) + (count + 1) * sizeof(zs__counters) +
                   count * sizeof(zs__gather);
    s.blocks_bytes = blocks > 1 ? blocks * zs__block_bytes(config->epoch_count) : 0;
    for (cls = count; cls-- > 0;) { /* as zs__class_setup makes regions: a new one where lines differ from the last */
        zs__class k;
        uint32_t lines;
        zs__class_fill(&k, zs__class_bytes(config, config->memory ? 0 : cls));
        lines = config->memory ? k.lines : zs__region_lines(k.lines);
        s.lines += lines != last ? lines : 0;
        s.regions += lines != last;
        last = lines;
        zs__class_fill(&k, zs__class_bytes(config, cls));
        s.slabs += k.slabs;
        if (!(config->flags & ZSLAB_FLAG_SHARED))
            s.row_bytes += zs__magazine_entries(config, k.size) * sizeof(zs__entry);
    }
    return s;
}

/* Where everything stands in the metadata block for a number of chunks; the same for a reservation and a buffer. */
typedef struct zs__plan {
    /* offsets */
    size_t rounds, places, heap_of, chunks, spans, cold, words, hints, states, tags, ids, generations, id_pages, meta;
    size_t bytes;
    uint32_t chunk_count, heap_of_count, id_limit;
} zs__plan;

/* Registry ids that a buffer keeps for zslab_config.handle_count, a power of two: a slab of the largest class has the
   fewest slots, and each class may have a slab that is not full. 0: none. */
static uint32_t zs__ids_wanted(const zslab_config *c)
{
    uint32_t count = zs__class_count(c), ids = 1;
    zs__class k;
    if (!c->memory || !c->handle_count) return 0;
    zs__class_fill(&k, zs__class_bytes(c, count - 1));
    while (ids < ZS__IDS_MAX && ids < c->handle_count / zs__id_slots(&k) + count + 1) ids *= 2;
    return ids;
}

/* Registry ids there may be: one for every slab of every class, which is address space alone; where that is scarce, or
   a buffer's own, the registry takes an eighth of the object memory at most (28 slabs for a chunk of 64 KiB). */
static uint32_t zs__id_limit(const zs__shape *s, uint32_t chunk_count)
{
    uint64_t ids = (uint64_t)s->slabs * chunk_count, most = ZS__IDS_MAX;
    uint32_t wanted = zs__ids_wanted(s->config);
    uint64_t room = (uint64_t)chunk_count * ZS__CHUNK_BYTES / 8 / (sizeof(zs__id) + 256);
    if (s->scarce && most > room) most = room;
    if (wanted) return wanted;
    for (room = 1; room * 2 <= most && room < ids; room *= 2) /* a power of two: z->id_mask */
        ;
    return (uint32_t)room;
}

static size_t zs__map_bytes(uint32_t chunk_count) /* a bit for each chunk */
{
    return (size_t)(chunk_count / 64 + 1) * sizeof(uint64_t);
}

static zs__plan zs__plan_for(const zs__shape *s, uint32_t chunk_count, size_t align, size_t meta_bytes)
{
    zs__plan p;
    size_t at = zs__round_up(sizeof(zs__allocator), 64), slabs = s->lines * chunk_count;
    if (!s->config->memory && chunk_count > ZS__HEAD_CHUNKS) /* zs__place_all begins a page for each region, twice */
        slabs += 2 * s->regions * (align / sizeof(uint64_t));
    p.chunk_count = chunk_count;
    p.heap_of_count = s->config->memory ? 64 : 4096;
    p.rounds = at;
    at += s->config->epoch_count * sizeof(zs__round) + p.heap_of_count * sizeof(zslab_heap *);
    p.heap_of = at - sizeof(zslab_heap *); /* of thread 0, on one page with the first place; the others below */
    p.places = at;
    p.chunks = at = zs__round_up(at + s->config->epoch_count * sizeof(zs__place), align);
    p.spans = at = zs__round_up(at + chunk_count * sizeof(zs__chunk), 64);
    p.cold = at = zs__round_up(at + 5 * zs__map_bytes(chunk_count), align);
    p.words = at = zs__round_up(at + chunk_count * sizeof(zs__chunk_cold), align);
    p.hints = at = zs__round_up(at + slabs * sizeof(uint64_t), align);
    p.states = at = zs__round_up(at + slabs * sizeof(zs__hint), align);
    p.tags = at = zs__round_up(at + slabs * 64, align);
    p.ids = at = zs__round_up(at + slabs * ZS__TAG_BYTES, align);
    p.id_limit = zs__id_limit(s, chunk_count);
    p.generations = at = zs__round_up(at + (s->config->memory ? 0 : p.id_limit * sizeof(zs__id)), align);
    p.id_pages = at = zs__round_up(at + (s->config->memory ? 0 : p.id_limit * (size_t)256), align);
    p.meta = at = zs__round_up(at + (s->config->memory ? 0 : zs__id_pages_bytes(p.id_limit, align)), align);
    p.bytes = zs__round_up(at + meta_bytes, align);
    return p;
}

/* Meta arena of a buffer from the start: one heap, two rows (one in shared mode), a few domains; or as many heaps and
   rows as thread_count says, and the registry. */
static size_t zs__meta_minimum(const zs__shape *s)
{
    const zslab_config *c = s->config;
    uint64_t heaps = c->thread_count && !(c->flags & ZSLAB_FLAG_SHARED) ? c->thread_count : 1;
    uint64_t rows = heaps * (c->thread_count ? c->epoch_count : 2);
    uint64_t blocks = s->blocks_bytes && !c->thread_count && !(c->flags & ZSLAB_FLAG_SHARED)
                          ? 2 * zs__block_bytes(c->epoch_count)
                          : s->blocks_bytes;
    uint64_t bytes =
        heaps * (s->heap_bytes + 64 + blocks) + rows * (s->row_bytes + 64) + (uint64_t)zs__ids_wanted(c) * ZS__ID_BYTES;
    return (size_t)(bytes < SIZE_MAX / 4 ? bytes : SIZE_MAX / 4) + 4 * zs__round_up(sizeof(zslab_domain), 64) + 128 +
           zs__round_up(zs__samples_bytes(s->config), 64);
}

static void zs__place_all(zs__allocator *z, const zs__plan *p, char *meta)
{
    uint32_t i, head;
    size_t slab, page; /* lines of a page of words */
    z->places = (zs__place *)(void *)(meta + p->places);
    z->heap_of = (zslab_heap **)(void *)(meta + p->heap_of);
    z->heap_of_count = p->heap_of_count;
    z->chunks = (zs__chunk *)(void *)(meta + p->chunks);
    z->span_free = (uint64_t *)(void *)(meta + p->spans);
    z->span_kind = z->span_free + zs__map_bytes(p->chunk_count) / sizeof(uint64_t);
    z->span_short = z->span_kind + zs__map_bytes(p->chunk_count) / sizeof(uint64_t);
    z->span_head = z->span_short + zs__map_bytes(p->chunk_count) / sizeof(uint64_t);
    z->span_bare = z->span_head + zs__map_bytes(p->chunk_count) / sizeof(uint64_t);
    z->cold = (zs__chunk_cold *)(void *)(meta + p->cold);
    z->words = (uint64_t *)(void *)(meta + p->words);
    z->hints = (zs__hint *)(void *)(meta + p->hints);
    z->states = (uint8_t *)(meta + p->states);
#if ZSLAB_TAGS
    z->tags = (uint16_t *)(void *)(meta + p->tags);
#endif
    z->ids = (uintptr_t)&z->no_id;
    z->id_area = meta + p->ids;
    z->generation_area = meta + p->generations;
    z->id_pages = z->config.memory ? NULL : (zs__id_page *)(void *)(meta + p->id_pages);
    z->id_limit = p->id_limit;
    z->meta = z->meta_top = z->meta_committed = meta + p->meta;
    z->meta_end = meta + p->bytes;
    z->chunk_count = z->chunk_limit = p->chunk_count;
    z->range_bytes = (size_t)p->chunk_count * ZS__CHUNK_BYTES;
    if (!z->config.large_bytes_max ||
        (z->config.large_bytes_max > z->range_bytes && z->config.large_bytes_max != ZSLAB_LARGE_NONE))
        z->config.large_bytes_max = z->config.large_bytes_max ? z->range_bytes : z->range_bytes / 2;
    if (z->config.large_bytes_max == ZSLAB_LARGE_NONE) z->config.large_bytes_max = 0;
    head = ZS__HEAD_CHUNKS < p->chunk_count ? ZS__HEAD_CHUNKS : p->chunk_count;
    page = head < p->chunk_count && !z->config.memory ? z->page_bytes / sizeof *z->words : 1; /* see zs__sweep_high */
    for (i = 0, slab = 0; i < z->region_count; i++, slab += z->regions[i - 1].lines * head) {
        slab = zs__round_up(slab, page);
        z->regions[i].head = (uint32_t)slab;
    }
    z->head_slabs = (uint32_t)slab;
    for (i = 0; i < z->region_count; i++, slab += z->regions[i - 1].lines * (p->chunk_count - head)) {
        slab = zs__round_up(slab, page);
        z->regions[i].first = (uint32_t)slab - z->regions[i].lines * head;
    }
}

/* What follows from a valid configuration alone. z reads as zeros. */
static void zs__derive(zs__allocator *z, const zs__shape *s)
{
    const zslab_config *config = s->config;
    z->config = *config;
    z->epoch_count = config->epoch_count;
    z->class_count = zs__class_count(config);
    z->mask_words = (z->class_count + 63) / 64;
    zs__class_setup(z);
    z->home = ZS__HOME;
    z->row_bytes = s->row_bytes;
    z->heap_bytes = s->heap_bytes;
    z->cold_offset = s->cold_offset;
    z->magazine_offset = s->magazine_offset;
    z->page_bytes = zs__os_page_bytes();
    z->key = zs__os_random() | 1;
    z->fence_ready = zs__os_fence_ready() == 0;
    z->shared = (config->flags & ZSLAB_FLAG_SHARED) != 0;
    z->rss_policy = config->reclaim == ZSLAB_RECLAIM_RSS;
    z->no_membarrier = z->rss_policy && !z->fence_ready && !z->shared;
    z->guarded = (config->flags & (ZSLAB_FLAG_SHARED | ZSLAB_FLAG_HARDENED)) != 0;
    z->guarded |= z->no_membarrier; /* frees fence for themselves too, on the cold path */
    z->always_slow = z->guarded || config->sample_every || config->sample_bytes;
    z->counted = z->always_slow && !z->guarded && !config->sample_every && !z->shared;
}

/* The largest number of chunks a buffer holds beside its metadata; 0: too small. */
static uint32_t zs__buffer_chunks(const zs__shape *s, uintptr_t from, size_t bytes, zs__plan *p)
{
    uintptr_t start = zs__round_up(from, 64), end = (from + bytes) & ~(uintptr_t)ZS__CHUNK_MASK;
    size_t n = end > start ? (end - start) >> ZSLAB_CHUNK_SHIFT : 0;
    if (n > (size_t)1 << 24) n = (size_t)1 << 24;
    for (; n; n--) {
        *p = zs__plan_for(s, (uint32_t)n, 64, zs__meta_minimum(s));
        if (p->bytes <= end - start && n * ZS__CHUNK_BYTES <= end - start - p->bytes) return (uint32_t)n;
    }
    return 0;
}

ZSLAB_API size_t zslab_buffer_bytes_min(const zslab_config *given)
{
    zslab_config config = zs__config_defaults(given);
    zs__shape s;
    config.memory = &config; /* any buffer */
    config.memory_bytes = 1;
    config.reserve_bytes = 0;
    zs__zero(&config.os, sizeof config.os);
    if (zs__config_refusal(&config)) {
        zs__refuse(ZSLAB_E_INVALID, zs__config_refusal(&config));
        return 0;
    }
    s = zs__shape_of(&config);
    return 64 + zs__plan_for(&s, 1, 64, zs__meta_minimum(&s)).bytes + 2 * ZS__CHUNK_BYTES; /* wherever it begins */
}

/* ---- >>create --------------------------------------------------------------
   Allocators created and destroyed. */

static zs__allocator *zs__create_buffer(const zs__shape *s)
{
    const zslab_config *c = s->config;
    uintptr_t start = zs__round_up((uintptr_t)c->memory, 64);
    zs__plan p;
    zs__allocator *z = (zs__allocator *)start;
    if (!zs__buffer_chunks(s, (uintptr_t)c->memory, c->memory_bytes, &p))
        return (zs__allocator *)zs__refuse(ZSLAB_E_INVALID, ZS__REFUSED_MEMORY_BYTES);
    zs__zero((void *)start, p.bytes);
    zs__derive(z, s);
    zs__place_all(z, &p, (char *)start);
    z->meta_committed = z->meta_end;
    z->base = (char *)((((uintptr_t)c->memory + c->memory_bytes) & ~(uintptr_t)ZS__CHUNK_MASK) - z->range_bytes);
    if (c->flags & ZSLAB_FLAG_PREFAULT) zs__range_prepare(z, z->base, z->range_bytes);
    zs__mem_hide(z->base, z->range_bytes);
    return z;
}

static size_t zs__data_room(void) /* bytes that the process may have writable; SIZE_MAX: no limit is known */
{
#if defined(RLIMIT_DATA) && !defined(__EMSCRIPTEN__) /* there it says on stderr that it is not known */
    struct rlimit most;
    if (!getrlimit(RLIMIT_DATA, &most) && most.rlim_cur < SIZE_MAX) return (size_t)most.rlim_cur;
#endif
    return SIZE_MAX;
}

static int zs__addresses_limited(void)
{
#if defined(RLIMIT_AS) && !defined(__EMSCRIPTEN__) /* as above */
    struct rlimit most;
    return !getrlimit(RLIMIT_AS, &most) && most.rlim_cur != RLIM_INFINITY;
#else
    return 0;
#endif
}

/* Address space for what is made as it is needed: a thread may have a row in every epoch there is, as long as all that
   takes no more than a quarter of the range; where addresses are plenty eight threads in 64 epochs, however small it
   is. What more there come to be takes chunks. */
static size_t zs__meta_room(const zs__shape *s, size_t range, int refused)
{
    const int plenty = UINTPTR_MAX > 0xffffffffu && s->config->os.reserve == zs__os_reserve && !zs__addresses_limited();
    const size_t least = refused ? 4 : plenty ? 512 : 64;
    const size_t most = range >> 31 > 1 ? ZS__THREADS_MAX : 64; /* a row and a heap each */
    const size_t heap = s->heap_bytes + s->blocks_bytes + 2 * ZS__META_PAGE, row = s->row_bytes + ZS__META_PAGE;
    size_t rows = most + s->config->epoch_count, each = row + (most > 64 ? heap : 0);
    size_t fit = range / 4 / each;
    rows = rows < fit ? rows : fit;
    rows = rows > least ? rows : least;
    return range / 32 + heap * 16 + each * rows + zs__samples_bytes(s->config);
}

/* Metadata and range reserved, the fixed part of the metadata and the first cold records committed; or nothing. Where
   the whole default range is not to be had it is half of what is; its fixed metadata a sixteenth of a limit on data at
   most. A range that the program asked for is had with the least metadata that serves, or not at all. */
static zs__allocator *zs__create_reserved(zs__shape *s)
{
    const zslab_config *c = s->config;
    const int asked = c->reserve_bytes != 0;
    const size_t room = asked ? SIZE_MAX : zs__data_room();
    int refused = 0;
    size_t range = asked ? c->reserve_bytes : ZS__RESERVE_BYTES, less;
    size_t page = zs__os_page_bytes(), align = page > ZS__CHUNK_BYTES ? page : ZS__CHUNK_BYTES;
    size_t meta_bytes, align_range, records = 0;
    char *meta = NULL, *base = NULL;
    zs__plan p;
    zs__allocator *z;
    if (range > SIZE_MAX - align) return (zs__allocator *)zs__refuse(ZSLAB_E_INVALID, ZS__REFUSED_RESERVE);
    range = zs__round_up(range, align);
    if (range >> ZSLAB_CHUNK_SHIFT > (size_t)1 << 24)
        range = (size_t)((uint64_t)1 << (24 + ZSLAB_CHUNK_SHIFT)); /* never so on 32 bits */
    zs__zero(&p, sizeof p);
    for (; range >= 2 * ZS__CHUNK_BYTES; range = asked ? range : less / align * align) {
        less = refused ? range / 4 * 3 : range / 2;
        meta_bytes = zs__meta_room(s, range, refused);
        p = zs__plan_for(s, (uint32_t)(range >> ZSLAB_CHUNK_SHIFT), page, meta_bytes);
        if (p.cold > room / 16 && range > 64 * align) continue;
        align_range = range >= (size_t)1 << 21 && align < (size_t)1 << 21 && !refused ? (size_t)1 << 21 : align;
        base = refused && !asked ? (char *)c->os.reserve(c->os.user, 2 * range, page) : NULL; /* is there that? */
        if (base) c->os.release(c->os.user, base, 2 * range);
        meta = base || !refused || asked ? (char *)c->os.reserve(c->os.user, p.bytes, page) : NULL;
        base = meta ? (char *)c->os.reserve(c->os.user, range, align_range) : NULL;
        records = p.chunk_count < ZS__RECORDS_STEP ? p.chunk_count : ZS__RECORDS_STEP;
        if (base && !c->os.commit(c->os.user, meta, p.cold + zs__round_up(records * sizeof(zs__chunk_cold), page)))
            break;
        if (base) c->os.release(c->os.user, base, range);
        base = NULL;
        if (meta) c->os.release(c->os.user, meta, p.bytes);
        if (asked && refused) break;
        refused = s->scarce = 1;
        less = range / 4 * 3;
    }
    if (!base) return (zs__allocator *)zs__refuse(ZSLAB_E_NOMEM, ZS__REFUSED_RESERVE_NOMEM);
    z = (zs__allocator *)(void *)meta;
    zs__derive(z, s);
    zs__place_all(z, &p, meta);
    z->base = base;
    zs__os_small(meta, p.bytes);
    z->reserved_meta = meta;
    z->reserved_meta_bytes = p.bytes;
    z->record_committed = records;
    if (c->flags & ZSLAB_FLAG_HUGE_PAGES) z->flags_in_effect |= zs__os_huge(base, range) ? 0 : ZSLAB_FLAG_HUGE_PAGES;
    if (c->flags & ZSLAB_FLAG_NUMA_LOCAL)
        z->flags_in_effect |= zs__os_numa_local(base, range) ? 0 : ZSLAB_FLAG_NUMA_LOCAL;
    zs__mem_roots(base, range, 1);
    return z;
}

/* Process-wide part: the thread-exit hook and the fork word exist while an allocator does. 0 = joined. */
static int zs__global_join(zs__allocator *z)
{
    int failed = 0;
    zs__ranked_take(&zs__global.setup, ZS__LOCK_SETUP);
    if (!zs__global.allocator_count) {
        failed = zs__os_on_thread_exit(1);
        if (!failed) {
            uint32_t *word = zs__os_fork_word(1);
            if (word) zs__store_u32(word, 1);
            zs__global.fork_word = word;
        }
    }
    if (!failed) {
        zs__global.allocator_count++;
        zs__ranked_take(&zs__global.lock, ZS__LOCK_GLOBAL);
        z->next_allocator = zs__global.allocators;
        zs__global.allocators = z;
        zs__ranked_drop(&zs__global.lock, ZS__LOCK_GLOBAL);
    }
    zs__ranked_drop(&zs__global.setup, ZS__LOCK_SETUP);
    return failed;
}

static void zs__unreserve(zs__allocator *z)
{
    zslab_os os = z->config.os;
    char *base = z->base, *meta = z->reserved_meta;
    size_t range = z->range_bytes, meta_bytes = z->reserved_meta_bytes;
    uint32_t chunk;
    /* NOLINTNEXTLINE(clang-analyzer-deadcode.DeadStores): read where a memory checker is told */
    for (chunk = 0; ZS__MEMCHECK && chunk < z->fresh_chunk; chunk++) zs__mem_forget(zs__chunk_base(z, chunk));
    zs__mem_show(base, z->config.memory ? range : z->range_committed);
    if (z->config.memory) return;
    zs__mem_roots(base, range, 0);
    os.release(os.user, base, range);
    os.release(os.user, meta, meta_bytes);
}

static zs__allocator *zs__create_failed(zs__allocator *z, zslab_result r, zs__refusal why)
{
    zs__unreserve(z);
    return (zs__allocator *)zs__refuse(r, why);
}

static zs__allocator *zs__create(const zslab_config *given)
{
    zslab_config config = zs__config_defaults(given);
    zs__shape shape;
    zs__allocator *z;
    zslab_epoch_config first = zs__epoch_plain;
    zslab_result r;
    uint64_t number;
    zs__refusal why = given ? zs__config_refusal(given) : ZSLAB_NO_OS ? ZS__REFUSED_NO_OS : ZS__REFUSED_NONE;
    if (why) return (zs__allocator *)zs__refuse(ZSLAB_E_INVALID, why);
    zs__fork_check_process();
    shape = zs__shape_of(&config);
    z = config.memory ? zs__create_buffer(&shape) : zs__create_reserved(&shape);
    if (!z) return NULL;
    z->flags_in_effect |= config.flags & ~(ZSLAB_FLAG_HUGE_PAGES | ZSLAB_FLAG_NUMA_LOCAL);
    zslab_set_limits(z, 0, 0); /* until its own metadata is counted */
    z->drain_row.owner = ZS__NOBODY;
    z->metadata_fixed =
        sizeof *z + z->epoch_count * (sizeof(zs__round) + sizeof(zs__place)) + zs__samples_bytes(&z->config);
    zs__budget_take(z, NULL, 0, 0, z->metadata_fixed);
    if ((z->shared &&
         (!(z->shared_heap = zs__heap_new(z, ZSLAB_EPOCH_NONE, 1, &r)) || zs__row_blocks(z->shared_heap))) ||
        zs__samples_new(z))
        return zs__create_failed(z, ZSLAB_E_NOMEM, ZS__REFUSED_RESERVE_NOMEM);
    if (zs__ids_wanted(&config) && zs__registry_grow(z))
        return zs__create_failed(z, ZSLAB_E_INVALID, ZS__REFUSED_MEMORY_BYTES);
    zslab_set_limits(z, config.soft_limit_bytes, config.limit_bytes);
    zs__ranked_take(&zs__global.lock, ZS__LOCK_GLOBAL);
    z->era = zs__global.era;
    number = zs__global.allocators_made++ + (uint64_t)(uintptr_t)&zs__global * UINT64_C(0x9e3779b97f4a7c15);
    z->id_start = (uintptr_t)(number * UINT64_C(0xc13fa9a902a6328f) >> 42) << 5; /* [ID-6] */
    z->first_part = (uint32_t)(number * UINT64_C(0x91e10da5c79e7b1d) >> 44);
    zs__global.era = (zs__global.era + ((uint64_t)1 << 28)) & (((uint64_t)1 << 47) - 1);
    zs__ranked_drop(&zs__global.lock, ZS__LOCK_GLOBAL);
    z->created_ns = zs__os_now_ns();
    zs__epochs_take(z);
    first.label = "first";
    z->current = zs__epoch_open(z, &first, &r);
    zs__epochs_drop(z);
    if ((config.flags & (ZSLAB_FLAG_PREFAULT | ZSLAB_FLAG_LOCK_PAGES)) && !config.memory && zs__range_commit(z, 0))
        return zs__create_failed(z, ZSLAB_E_NOMEM, ZS__REFUSED_FLAG_NOMEM);
    return zs__global_join(z) ? zs__create_failed(z, ZSLAB_E_LIMIT, ZS__REFUSED_EXIT_HOOK) : z;
}

ZSLAB_API zslab *zslab_create(const zslab_config *given)
{
    int saved = zs__errno();
    zs__allocator *z = zs__create(given);
    zs__errno_back(saved);
    return z;
}

#if !ZSLAB_NO_TLS
/* A thread leaves the allocator that goes: its words here are cleared, and its number when it has no other heap. */
static void zs__thread_leave(zs__allocator *z, zslab_heap *heap)
{
    zs__tls_block *tls = (zs__tls_block *)heap->tls;
    uintptr_t here = (uintptr_t)z + z->counted;
    int last = tls && zs__thread_number_end(z, heap->thread);
    if (!tls || (tls != zs__tls() && !zs__os_thread_lives(heap->os_thread))) /* [THREAD-3] */
        return;
    zs__cas_ptr(&tls->z, &here, 0);
    if (last) zs__store_u32(&tls->thread, 0);
}
#endif

ZSLAB_API void zslab_destroy(zslab *self)
{
    zs__allocator *z = self ? zs__own(self) : NULL;
    zs__allocator **at;
    int saved = zs__errno();
    if (!z) return;
    zs__fork_check();
    zs__ends_at_destroy(z);
    if (z->config.on_leak) zs__leaks_walk(z, ZSLAB_LEAK_AT_DESTROY, ZSLAB_EPOCH_NONE, 0, z->era);
    zs__ranked_take(&zs__global.setup, ZS__LOCK_SETUP);
    zs__ranked_take(&zs__global.lock, ZS__LOCK_GLOBAL);
#if !ZSLAB_NO_TLS
    {
        zslab_heap *heap;
        for (heap = z->heaps; heap; heap = heap->next) zs__thread_leave(z, heap);
    }
#endif
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): a live allocator is on the list */
    for (at = &zs__global.allocators; *at != z; at = &(*at)->next_allocator)
        ;
    *at = z->next_allocator;
    zs__ranked_drop(&zs__global.lock, ZS__LOCK_GLOBAL);
    if (!--zs__global.allocator_count) {
        zs__os_on_thread_exit(0);
        zs__global.fork_word = NULL;
        zs__os_fork_word(0);
    }
    zs__ranked_drop(&zs__global.setup, ZS__LOCK_SETUP);
    zslab_seal(self, 0); /* zs__sealed_count: other allocators' waits may call the system again */
    zs__unreserve(z);
    zs__errno_back(saved);
}

/* ---- >>fork ----------------------------------------------------------------
   The child of a fork starts from whatever the other threads were in the middle of, at any instruction
   (tests/unit/test_fork_step.c). One thread is left, the one that forked, and it was in no call.

   [FORK-1] Slot states are the truth [STATE-1]; words, masks, counts and lists of free slots are made from them again.
            What was in transit is free. An object that was being made or freed may stay as one that nobody knows.
   [FORK-2] Chunks leave one list before they join another, but for a bin's own two (zs__bin_forget), where the first
            look finds them; and links are right at every point of a change. What nobody finds was on its way and goes
            to the pool, unless it was never used: a group of fresh chunks that was being set aside is lost.
   [FORK-3] A row serves its epoch iff its place says so; every other row the heap made is idle. A gate is open iff the
            place is ACTIVE and in the row's round: a close, a release or a reset that was begun is as if done.
   [FORK-4] A place joins the living before it is ACTIVE and leaves them after it is CLOSED, each by one store of
            `oldest` or of a `younger`: the child's list is theirs, less what is CLOSED. */

/* Does the slab that an id's entry names name the id? [ID-2] */
static int zs__fork_id_serves(const zs__allocator *z, uint32_t id)
{
    const zs__id *e = zs__id_at(z, id);
    size_t at = (size_t)(e->slots - (uintptr_t)z->base), number = (at & ZS__CHUNK_MASK) / ((size_t)e->size * 64);
    const zs__chunk *c;
    if (!e->slots || (e->stamp & ZS__ID_SPARE)) return 0;
    c = &z->chunks[at >> ZSLAB_CHUNK_SHIFT];
    return number < zs__chunk_class(z, c)->slabs && zs__slab_id(z, zs__chunk_slab(z, c) + (uint32_t)number) == id + 1;
}

/* Registry ids: each is a slab's, spare or used up. Where hint and entry disagree, it was on its way to the slab. */
static void zs__fork_ids(zs__allocator *z)
{
    uint32_t id, chunk, i, page, pages = z->id_pages && z->id_count ? (z->id_count - 1) / zs__id_page_ids(z) + 1 : 0;
    zs__zero(z->class_ids, sizeof z->class_ids);
    z->retired_ids = z->spare_pages = z->blank_pages = z->blank_ids = 0;
    for (page = pages; page-- > 0;) {
        z->id_pages[page].spare = 0;
        if (z->id_pages[page].state == ZS__PAGE_BLANK &&
            (!z->blank_next || (z->blank_next - 1) / zs__id_page_ids(z) != page))
            zs__id_page_list(z, &z->blank_pages, page, ZS__PAGE_BLANK), z->blank_ids += zs__id_page_ids(z);
        else
            z->id_pages[page].state = ZS__PAGE_USED;
    }
    for (chunk = 0; chunk < zs__chunks_known(z); chunk++) {
        zs__chunk_cold *x = &z->cold[chunk];
        const zs__class *k = zs__chunk_class(z, &z->chunks[chunk]);
        uint32_t first = zs__chunk_slab(z, &z->chunks[chunk]), slabs = x->ids ? k->slabs : 0;
        for (i = 0, x->ids = 0; i < slabs; i++) {
            uint32_t hint = zs__slab_id(z, first + i);
            const zs__id *e = hint && hint <= z->id_count ? zs__id_at(z, hint - 1) : NULL;
            if (e && !(e->stamp & ZS__ID_SPARE) && (char *)e->slots == zs__slab_slots(z, chunk, first + i))
                x->ids++, zs__handles_settle(z, chunk, first + i); /* also of a dead round [ID-7] */
            else
                zs__slab_id_set(z, first + i, 0);
        }
    }
    for (id = z->id_count; id-- > 0;) {
        uint32_t cls = zs__id_class(z, id);
        if ((pages && z->id_pages[id / zs__id_page_ids(z)].state == ZS__PAGE_BLANK) ||
            (z->blank_next && id + 1 >= z->blank_next &&
             id / zs__id_page_ids(z) == (z->blank_next - 1) / zs__id_page_ids(z)) ||
            zs__fork_id_serves(z, id))
            continue;
        if (zs__id_used_up(z, id, &z->classes[cls]))
            zs__id_retire(z, id);
        else
            zs__id_spare(z, id, cls);
    }
}

/* Words, mask, home count and listing of a chunk of the bin, from the states. */
static void zs__fork_chunk(zs__allocator *z, zs__bin *bin, uint32_t chunk)
{
    zs__chunk_cold *x = &z->cold[chunk];
    const zs__class *k = &z->classes[bin->cls];
    uint32_t i, w, number = x->start, first = zs__chunk_slab(z, &z->chunks[chunk]), listed = 0;
    for (w = 0; w < ZS__MASK_WORDS; w++) x->mask[w] = 0;
    x->home = 0;
    x->flags &= ~ZS__CHUNK_LISTED;
    for (i = 0; i < x->carved; i++, number = number + 1 == k->slabs ? 0 : number + 1) {
        uint32_t slab = first + number;
        uint64_t full = zs__slab_full(k, number), held, word, left;
        zs__handles_settle(z, chunk, slab);
        zs__take_remote(z, slab);
        held = zs__slab_in_state(z, slab, ZS__LIVE) | zs__slab_in_state(z, slab, ZS__HANDLE) |
               zs__slab_in_state(z, slab, ZS__GUARDED) | zs__slab_in_state(z, slab, ZS__RETIRED);
        word = full & ~held;
        z->words[slab] = word;
        for (left = word; left; left &= left - 1) zs__store_u8(z->states + (size_t)slab * 64 + zs__ctz(left), ZS__FREE);
        if (word) zs__mask_put(x, number, 1);
        listed |= word != 0;
        x->home += word == full;
    }
    if (listed) zs__list_push(z, zs__cold_of(z, bin), chunk);
    if (!z->shared && x->carved < k->slabs) zs__cold_of(z, bin)->fresh = chunk + 1;
}

/* A chunk of the row's round is the bin's, any other waits to be bound again. [FORK-2] */
static void zs__fork_bin_chunks(zs__allocator *z, zs__row *row, zs__bin *bin, uint32_t head)
{
    zs__bin_cold *b = zs__cold_of(z, bin);
    uint32_t chunk, next;
    for (chunk = head; chunk && !z->cold[chunk - 1].mark; chunk = next) {
        zs__chunk_cold *x = &z->cold[chunk - 1];
        next = x->all_next;
        x->mark = 1;
        if (row->stamp && z->chunks[chunk - 1].stamp == row->stamp) {
            zs__all_push(z, b, chunk - 1);
            zs__fork_chunk(z, bin, chunk - 1);
            continue;
        }
        z->chunks[chunk - 1].stamp = 0; /* nobody is in the middle of anything there [SHARED-4] */
        x->all_next = b->stale;
        b->stale = chunk;
        b->stale_tail = b->stale_count++ ? b->stale_tail : chunk;
    }
}

static void zs__fork_bin(zs__allocator *z, zs__row *row, zs__bin *bin)
{
    zs__bin_cold *b = zs__cold_of(z, bin);
    uint32_t all = b->all, stale = b->stale;
    bin->top = bin->bottom;
    bin->avail = 0;
    bin->current = bin->lent = 0; /* what was lent is free, and found by its states */
    zs__zero(b, sizeof *b);       /* the lock too */
    zs__fork_bin_chunks(z, row, bin, all);
    zs__fork_bin_chunks(z, row, bin, stale);
    if (b->all || b->stale) row->used[bin->cls >> 6] |= (uint64_t)1 << (bin->cls & 63);
}

/* [FORK-3] */
static void zs__fork_row(zs__allocator *z, zslab_heap *heap, zs__row *row)
{
    const zs__place *place = &z->places[row->place];
    uint32_t cls;
    if (zs__row_at(heap, row->place) == row && row->epoch) {
        int open = place->id == row->epoch && place->state == ZSLAB_EPOCH_ACTIVE &&
                   row->stamp == zs__round_of(z, row->place)->word;
        row->gate = open && !z->no_membarrier ? row->epoch : 0;
        row->acked = !row->gate; /* one thread sees all states [EPOCH-6] */
        zs__row_list(&z->places[row->place], row);
        if (zs__row_over(z, row)) z->places[row->place].left = 1;
        zs__row_link(&heap->attached, row);
        heap->attached_count++;
    } else {
        if (zs__row_at(heap, row->place) == row) *zs__row_name(heap, row->place) = 0;
        row->gate = row->epoch = row->stamp = 0;
        zs__row_link(&heap->idle, row);
        heap->idle_count++;
    }
    row->taken = row->worth = row->borrows = row->bare = 0;
    row->lock = row->swept = row->cursor_cls = row->cursor_chunk = 0;
    zs__zero(row->plain, sizeof row->plain);
    zs__zero(row->used, sizeof row->used);
    for (cls = 0; cls < z->class_count; cls++) zs__fork_bin(z, row, zs__bin_at(row, cls));
}

static void zs__fork_heap(zs__allocator *z, zslab_heap *heap)
{
    zs__row *row;
    heap->busy = heap->taker = 0;
    heap->pops[0] = heap->pops[1] = 0;
    heap->inbox = heap->todo = 0; /* whatever was given back, or is about to be, is found by its state */
    zs__zero(heap->gather, z->class_count * sizeof *heap->gather);
    zs__zero(heap->gathered, sizeof heap->gathered);
    heap->row = heap->attached = heap->idle = heap->next_unseen = NULL;
    heap->attached_count = heap->idle_count = 0;
    for (row = heap->made; row; row = row->made) zs__fork_row(z, heap, row);
    heap->seen_events = z->events - 1; /* look at all of them */
}

/* Nobody but the thread `mine`, whose scopes are its own, is inside of a domain any more. */
static void zs__fork_scopes(zs__allocator *z, uint32_t mine)
{
    zslab_heap *heap;
    uint32_t i, turn;
    for (turn = 0; turn < 2; turn++)
        for (heap = z->heaps; heap; heap = heap->next)
            for (i = 0; i < heap->scope_count; i++)
                if (!turn)
                    heap->scopes[i].domain->inside = 0;
                else if (heap->thread == mine || heap->is_explicit)
                    heap->scopes[i].domain->inside += heap->scopes[i].entered;
}

/* Free places and those that drain, from their states. */
/* The lists of children, made again; records that were on their way from one list to another; what threads that are
   gone had begun to end is left to the next call. [END-4] */
static void zs__fork_ends(zs__allocator *z)
{
    uint32_t q, turn;
    zs__ending *r;
    z->due_by = z->due_by == zs__here() ? z->due_by : 0;
    for (q = 0; q < z->place_count; q++) z->places[q].child = 0;
    for (q = 0, z->endings = 0; q < z->place_count; q++) {
        zs__place *place = &z->places[q];
        if (place->calling == place->ends) place->ends = NULL;
        if (place->state == ZSLAB_EPOCH_CLOSED) {
            place->ending = place->later = 0;
            for (r = z->due; r && place->ends && r != place->ends; r = r->next)
                ;
            if (r && place->ends) { /* it was joining what is due */
                r->next = NULL;
                z->due_last = r;
                place->ends = NULL;
            }
            zs__ends_append(z, place);
            continue;
        }
        zs__child_link(z, place, place->state != ZSLAB_EPOCH_ACTIVE);
        if (place->ending && place->next != zs__here()) z->ends_left = place->later = 1;
        for (turn = 0; turn < 2; turn++)
            if ((r = turn ? place->calling : place->ends) != NULL) do
                    z->endings++;
                while ((r = r->next) != (turn ? place->calling : place->ends));
    }
    for (r = z->due; r; r = r->next) z->endings++;
    z->endings += z->ends_left; /* so that the next call looks */
}

static void zs__fork_places(zs__allocator *z)
{
    uint32_t q, next;
    z->place_head = z->place_tail = z->closing_head = z->closing_tail = 0;
    for (q = z->oldest, z->oldest = z->newest = 0; q; q = next) { /* [FORK-4] */
        next = z->places[q - 1].younger;
        if (z->places[q - 1].state != ZSLAB_EPOCH_CLOSED) zs__living_append(z, &z->places[q - 1]);
    }
    for (q = 0; q < z->place_count; q++) {
        zs__place *place = &z->places[q];
        place->purging = place->draining = place->rows_lock = place->wanted = place->left = 0;
        place->rows = 0;
        if (place->state == ZSLAB_EPOCH_CLOSED) {
            zs__place_free(z, place);
        } else if (place->state == ZSLAB_EPOCH_CLOSING && !place->ending) {
            zs__closing_append(z, place);
        } else {
            place->prev_closing = 0;
        }
    }
    zs__fork_ends(z);
}

/* What a close that was in the middle of it had yet to do, or had counted. [EPOCH-3] */
static int zs__fork_drains(zs__allocator *z, uint32_t chunk, void *user)
{
    zs__place *place = (zs__place *)user;
    if (z->chunks[chunk].stamp != zs__round_of(z, place->id)->word) return 0;
    z->cold[chunk].drained = !zs__chunk_live(z, chunk, NULL);
    place->draining += !z->cold[chunk].drained;
    z->chunks[chunk].row = (uintptr_t)&z->drain_row;
    return 0;
}

/* A slab of an inbox that is gone is in none. */
static void zs__fork_hints(zs__allocator *z, uint32_t chunk)
{
    uint64_t served = z->cold[chunk].regions | (uint64_t)1 << zs__chunk_class(z, &z->chunks[chunk])->region;
    for (; served; served &= served - 1) {
        const zs__region *r = &z->regions[zs__ctz(served)];
        uint32_t slab = (uint32_t)zs__region_slab(r, chunk), end = slab + r->lines;
        if (!z->config.memory && chunk >= r->committed)
            continue; /* a chunk that was being bound for the first time has its class last */
        for (; slab < end; slab++)
            if (z->hints[slab].queued) /* most pages were never written */
                z->hints[slab].queued = 0;
    }
}

static void zs__fork_charges(zs__allocator *z) /* [BUDGET-3], [BUDGET-4] and [BUDGET-5] once more */
{
    uint32_t chunk, q;
    zslab_group *g;
    for (q = 0; q < z->place_count; q++) { /* of a round that was ending, none is left */
        zs__place *place = &z->places[q];
        uint64_t stamp = zs__round_of(z, q)->word, *aside = &zs__round_of(z, q)->aside;
        place->charge = place->charge && place->state != ZSLAB_EPOCH_CLOSED ? zs__charge_mark(stamp) : 0;
        if (!place->charge || !zs__charge_of(*aside, stamp))
            *aside = place->group && place->group->guaranteed ? place->charge : 0;
    }
    for (chunk = 0; chunk < zs__chunks_known(z); chunk++)
        z->places[zs__stamp_place(z->chunks[chunk].stamp)].charge += zs__chunk_charge(z, chunk);
    for (g = z->groups; g; g = g->next) {
        g->charged = g->covered = g->epochs = 0;
        zs__zero(g->places, sizeof g->places);
    }
    for (q = z->oldest; q; q = z->places[q - 1].younger)
        if ((g = z->places[q - 1].group) != NULL) {
            g->charged += (size_t)(z->places[q - 1].charge & ZS__CHARGE_BYTES);
            g->covered += g->guaranteed ? (size_t)zs__place_covered(z, q - 1) : 0;
            zs__group_place(g, 0, q);
        }
    for (g = z->groups; g; g = g->next) z->charged_bytes += zs__group_short(g, g->covered);
}

/* Chunks that nobody has go to the pool, unbound; counts of bytes. [FORK-2] */
static void zs__fork_strays(zs__allocator *z)
{
    uint32_t chunk, r, taken = 0;
    size_t object;
    z->cached_bytes = 0;
    for (r = 0; r < z->region_count; r++) {
        if (z->regions[r].group_end < z->regions[r].group_next) /* a group half set aside */
            z->regions[r].group_end = z->regions[r].group_next;
        for (chunk = z->regions[r].group_next; chunk < z->regions[r].group_end && chunk < zs__chunks_known(z); chunk++)
            z->cold[chunk].mark = 1;
    }
    for (chunk = 0; chunk < zs__chunks_known(z); chunk++) {
        zs__chunk_cold *x = &z->cold[chunk];
        const int used = z->chunks[chunk].recip != 0;
        if (used) zs__fork_hints(z, chunk);
        if (!x->mark && !(x->flags & ZS__CHUNK_LENT) &&
            (z->config.memory || ((size_t)chunk + 1) * ZS__CHUNK_BYTES <= z->range_committed)) {
            z->chunks[chunk].stamp = 0;
            x->purged_bytes = used ? x->purged_bytes : (uint32_t)ZS__CHUNK_BYTES;
            x->flags = 0;
            if (zs__bit(z->span_bare, chunk)) { /* [SPAN-5] */
                zs__bits_put(z->span_short, chunk, 1, 1);
                zs__span_give(z, chunk, 1);
            } else {
                zs__chunk_loose(z, chunk);
                x->all_next = z->pool;
                z->pool = chunk + 1;
                taken++;
            }
        }
        x->mark = 0;
        z->cached_bytes += x->cached ? ZS__CHUNK_BYTES : 0;
    }
    z->pool_count += taken;
    zs__budget_count(z, &z->committed_bytes, &z->metadata_bytes, &object);
    z->charged_bytes = z->used_bytes = z->committed_bytes + z->metadata_bytes;
    zs__fork_charges(z);
    z->word_count = 0;
    zs__zero(z->words_due, sizeof z->words_due);
}

/* Large objects that live, and what is set aside, keep their spans and join their places' lists; every other chunk of a
   span is a stray. What was being made has no live state yet, what was being freed none any more. [LARGE-1] */
static void zs__fork_large(zs__allocator *z)
{
    uint32_t chunk, known = zs__chunks_known(z), q;
    int live;
    zs__zero(z->span_free, zs__map_bytes(z->chunk_count));
    zs__zero(z->span_list, sizeof z->span_list);
    zs__zero(z->span_filled, sizeof z->span_filled);
    z->span_idle = z->span_hands = z->large_dead = z->large_freed = 0;
    for (q = 0; q < z->place_count; q++) z->places[q].large = zs__round_of(z, q)->reserved = 0;
    for (chunk = 0; chunk < known; chunk++) {
        uint64_t stamp = z->chunks[chunk].stamp;
        zs__place *place = &z->places[zs__stamp_place(stamp)];
        uint32_t count = z->cold[chunk].all_next;
        if (!zs__bit(z->span_kind, chunk)) continue;
        if (zs__bit(z->span_head, chunk) && *zs__large_state(z, chunk) == ZS__KEPT)
            *zs__large_state(z, chunk) = ZS__FREE;
        live = zs__bit(z->span_head, chunk) && zs__large_live(*zs__large_state(z, chunk));
        if (!zs__bit(z->span_head, chunk) || (!live && !(z->cold[chunk].flags & ZS__CHUNK_RESERVED)) ||
            (live ? stamp != zs__round_at(z, stamp)->word : stamp < zs__round_at(z, stamp)->opened) ||
            place->state == ZSLAB_EPOCH_CLOSED) {
            zs__span_leave(z, chunk);
            continue;
        }
        zs__handles_settle(z, chunk, zs__chunk_slab(z, &z->chunks[chunk]));
        z->cold[chunk].flags &= ~ZS__CHUNK_TAKEN;
        if (live)
            zs__large_list(z, &place->large, chunk);
        else /* [SPAN-4] */
            *zs__large_state(z, chunk) = ZS__FREE, zs__span_reserve(z, &zs__round_at(z, stamp)->reserved, chunk);
        for (q = 0; q < count; q++) z->cold[chunk + q].mark = 1;
        chunk += count - 1;
    }
}

static void zs__fork_allocator(zs__allocator *z, uint32_t mine)
{
    zslab_heap *heap;
    uint32_t chunk, q;
    z->arena_lock = z->epoch_lock = z->groups_lock = z->close_next = z->close_turn = z->close_here = z->pool_out = 0;
    zs__zero(z->close_line, sizeof z->close_line);
#if ZS__HOOKS
    z->news.count = 0;
#endif
    if (z->samples) z->samples->lock = 0;
    if (z->fence_ready) z->fence_ready = zs__os_fence_ready() == 0;
    zs__fork_places(z);
    zs__fork_ids(z);
    for (chunk = 0; chunk < zs__chunks_known(z); chunk++)
        z->cold[chunk].lent = z->cold[chunk].mark = 0; /* of a sweep that nobody ends */
    for (chunk = z->pool, z->pool_count = 0; chunk; chunk = z->cold[chunk - 1].all_next, z->pool_count++) {
        z->cold[chunk - 1].mark = 1;
        if (z->shared) z->chunks[chunk - 1].stamp = 0; /* as in zs__fork_bin_chunks */
    }
    zs__fork_scopes(z, mine);
    z->parked = NULL;
    for (heap = z->heaps, z->heap_count = 0; heap; heap = heap->next, z->heap_count++) {
        zs__fork_heap(z, heap);
        if (heap == z->shared_heap || heap->is_explicit || (mine && heap->thread == mine)) {
            heap->os_thread = zs__os_thread();
            continue;
        }
        if (heap->thread < z->heap_of_count) *zs__heap_entry(z, heap->thread) = 0;
        zs__heap_shelve(heap);
    }
    for (q = z->closing_head; q; q = z->places[q - 1].next_closing) {
        zs__place *place = &z->places[q - 1];
        place->look = zs__rows_first(place);
        if (z->rss_policy && !z->shared) zs__epoch_each(z, place->id, zs__fork_drains, place);
    }
    zs__fork_large(z);
    zs__fork_strays(z);
}

/* The child has one thread: locks are free, other threads' heaps are parked. */
static void zs__forked(void)
{
    zs__allocator *z;
    uint32_t mine = 0;
    if (zs__global.fork_word) zs__store_u32(zs__global.fork_word, 1);
    zs__store_u64(&zs__global.process_id, zs__os_process_id());
    zs__global.setup.word = zs__global.lock.word = 0;
    zs__rank_forget();
    zs__zero(zs__global.threads, sizeof zs__global.threads);
#if !ZSLAB_NO_TLS
    zs__store_ptr(&zs__tls()->z, 0); /* its rows may have been put aside */
    mine = zs__tls()->thread;
    if (mine) zs__global.threads[mine / 64] |= (uint64_t)1 << (mine & 63);
#endif
    for (z = zs__global.allocators; z; z = z->next_allocator) zs__fork_allocator(z, mine);
}

/* ---- >>check ---------------------------------------------------------------
   Names of results, resident bytes, the walk over live objects. */

ZSLAB_API zslab_result zslab_last_error(void)
{
    return (zslab_result)(zs__load_u32(zs__error()) & 0xff); /* relaxed: as in zs__fail */
}

ZSLAB_API size_t zslab_config_error(char *buf, size_t cap)
{
    zs__text t = {NULL, 0, 0};
    uint32_t why = zs__load_u32(zs__error()) >> 8;
    t.buf = buf;
    t.cap = buf ? cap : 0;
    zs__put(&t, zs__refusals[why < ZS__REFUSED_END ? why : 0]);
    return zs__text_end(&t);
}

ZSLAB_API uint32_t zslab_version(void) { return ZSLAB_VERSION; }

ZSLAB_API const char *zslab_result_name(zslab_result r)
{
    static const char *const names[] = {"ok",
                                        "invalid argument",
                                        "no memory",
                                        "limit reached",
                                        "closed",
                                        "stale",
                                        "double free",
                                        "misaligned pointer",
                                        "foreign pointer",
                                        "full",
                                        "busy",
                                        "spilled",
                                        "too big",
                                        "corrupt",
                                        "I/O error",
                                        "read only",
                                        "offline",
                                        "permission denied",
                                        "device gone",
                                        "geometry mismatch",
                                        "no active zone",
                                        "no space"};
    return (unsigned)r < sizeof names / sizeof *names ? names[r] : "unknown result";
}

ZSLAB_API uint64_t zslab_rss_bytes(void) { return zs__os_rss(); }

ZSLAB_API uint64_t zslab_now_ns(void)
{
#ifdef ZS__OS_EXACT_NS
    return ZS__OS_EXACT_NS();
#else
    return zs__os_now_ns();
#endif
}

ZSLAB_API uint32_t zslab_flags_in_effect(const zslab *z) { return zs__own_const(z)->flags_in_effect; }

/* One bound chunk's live objects to the visitor; invariants checked as they pass. */
static zslab_result zs__check_chunk(const zs__allocator *z, uint32_t chunk, zslab_visit_fn *visit, void *user,
                                    int *stop)
{
    const zs__chunk *c = &z->chunks[chunk];
    const zs__class *k = &z->classes[c->cls];
    const zs__chunk_cold *x = &z->cold[chunk];
    uint32_t i, number = x->start, home = 0, first = zs__chunk_slab(z, c);
    /* words of an ended epoch may have been swept, and its owner has not passed a slow path since [EPOCH-5] */
    const int listed = !z->shared && c->row != (uintptr_t)&z->drain_row &&
                       zs__load_u32(&z->places[zs__stamp_place(c->stamp)].state) != ZSLAB_EPOCH_CLOSED;
    zslab_visit v;
    zs__zero(&v, sizeof v);
    if (c->cls >= z->class_count || c->recip != k->recip || x->carved > k->slabs) return ZSLAB_E_CORRUPT;
    v.usable_bytes = k->size;
    v.class_idx = c->cls;
    v.epoch = zs__epoch_of_chunk(z, c);
    v.age_epochs = z->era - (v.epoch >> 16);
    for (i = 0; i < x->carved && !*stop; i++, number = number + 1 == k->slabs ? 0 : number + 1) {
        uint64_t full = zs__slab_full(k, number), word = zs__load_u64(&z->words[first + number]), live = 0;
        uint64_t retired = zs__slab_in_state(z, first + number, ZS__RETIRED);
        uint32_t slot;
        for (slot = 0; slot < 64; slot++) {
            uint8_t s = zs__load_u8(z->states + (size_t)(first + number) * 64 + slot);
            if (s > ZS__RETIRED || (s && !(full >> slot & 1))) return ZSLAB_E_CORRUPT;
            live |= (uint64_t)(s == ZS__LIVE || s == ZS__HANDLE || s == ZS__GUARDED) << slot;
        }
        if (((live | retired) & word) || (word & ~full)) return ZSLAB_E_CORRUPT;                          /* [WORD-1] */
        if (!zs__handles_right(z, chunk, first + number)) return ZSLAB_E_CORRUPT;                         /* [ID-1] */
        if (listed && (word != 0) != (x->mask[number >> 6] >> (number & 63) & 1)) return ZSLAB_E_CORRUPT; /* [SLAB-1] */
        home += word == full;
        if (live && visit) *stop = zs__visit_slab(z, chunk, zs__load_u64(&c->stamp), number, &v, visit, user);
    }
    if (!*stop && listed && home != x->home) return ZSLAB_E_CORRUPT; /* [SLAB-2] */
    return ZSLAB_OK;
}

/* A large object to the visitor; what its head says, checked. */
static zslab_result zs__check_large(const zs__allocator *z, uint32_t head, zslab_visit_fn *visit, void *user, int *stop)
{
    const zs__chunk *c = &z->chunks[head];
    uint32_t count = z->cold[head].all_next, end = head + count, slab = zs__chunk_slab(z, c);
    uint8_t s = zs__load_u8(zs__large_state(z, head));
    zslab_visit v;
    if (!zs__large_held(s) || !zs__bit(z->span_head, head)) /* freed; [LARGE-5] */
        return zs__large_held(s) || !zs__handles_right(z, head, slab) ? ZSLAB_E_CORRUPT : ZSLAB_OK;
    if (!count || count > z->chunk_count - head || zs__large_bytes(z, head) > (size_t)count * ZS__CHUNK_BYTES ||
        zs__bits_find(z->span_kind, head, end, 0) != end || zs__bits_find(z->span_free, head, end, 1) != end ||
        zs__bits_find(z->span_head, head + 1, end, 1) != end || !zs__handles_right(z, head, slab))
        return ZSLAB_E_CORRUPT;                                               /* [SPAN-1] [LARGE-1] */
    if (s == ZS__KEPT) return z->cold[head].ids ? ZSLAB_E_CORRUPT : ZSLAB_OK; /* [LARGE-6] */
    zs__zero(&v, sizeof v);
    v.usable_bytes = zs__large_bytes(z, head);
    v.class_idx = ZSLAB_CLASS_LARGE;
    v.epoch = zs__epoch_of_chunk(z, c);
    v.age_epochs = z->era - (v.epoch >> 16);
    if (visit) *stop = zs__visit_slab(z, head, zs__load_u64(&c->stamp), 0, &v, visit, user);
    return ZSLAB_OK;
}

/* Free spans are as their records say; places' lists have what lives there. [SPAN-1] [SPAN-2] [LARGE-2] */
static zslab_result zs__check_spans(zs__allocator *z)
{
    uint32_t bin, at, q, chunks = 0, bits = 0, left;
    size_t idle = 0, objects;
    zs__arena_take(z);
    zs__large_collect(z, 0);
    for (bin = 0; bin < ZS__SPAN_BINS; bin++)
        for (at = z->span_list[bin]; at && chunks <= z->chunk_count; at = z->cold[at - 1].next) {
            uint32_t first = at - 1, count = z->cold[first].all_next, end = first + count;
            chunks += count;
            idle += zs__span_counted(z, first, count);
            if (zs__span_bin(count) != bin || end > z->fresh_chunk || z->cold[end - 1].all_prev != at ||
                zs__bits_find(z->span_free, first, end, 0) != end || (first && zs__bit(z->span_free, first - 1)) ||
                (end < z->chunk_count && zs__bit(z->span_free, end)))
                chunks = ~(uint32_t)0 / 2;
        }
    for (at = 0; at < z->chunk_count / 64 + 1; at++) bits += zs__popcount(z->span_free[at]);
    for (at = 0; at < z->chunk_count / 64 + 1; at++)
        chunks += (z->span_bare[at] & ~z->span_short[at]) != 0; /* [SPAN-5] */
    left = chunks != bits || idle != z->span_idle;
    for (q = 0; q < zs__places_known(z) && !left; q++)
        for (objects = 0, at = z->places[q].large; at && (!objects || at != z->places[q].large); objects++) {
            left |= z->chunks[at - 1].stamp != zs__round_of(z, q)->word || !zs__bit(z->span_head, at - 1) ||
                    z->cold[z->cold[at - 1].next - 1].prev != at || objects > z->chunk_count;
            at = left ? 0 : z->cold[at - 1].next;
        }
    zs__arena_drop(z);
    return left ? ZSLAB_E_CORRUPT : ZSLAB_OK;
}

/* As many bins have a chunk lent as chunks count. [LEND-1] */
static zslab_result zs__check_lent(const zs__allocator *z)
{
    const zslab_heap *heap;
    uint32_t chunk, cls, count = 0;
    for (chunk = 0; chunk < zs__chunks_known(z); chunk++) count += z->cold[chunk].lent;
    for (heap = z->heaps; heap; heap = heap->next) {
        zs__row *row;
        for (row = heap->made; row; row = row->made)
            for (cls = 0; cls < z->class_count; cls++) {
                chunk = zs__bin_at(row, cls)->lent & ~ZS__LENT_ANY;
                if (chunk && (!z->cold[chunk - 1].lent || !row->borrows)) return ZSLAB_E_CORRUPT;
                count -= chunk != 0;
            }
    }
    return count ? ZSLAB_E_CORRUPT : ZSLAB_OK;
}

/* [BUDGET-1] [BUDGET-3] [BUDGET-4] [BUDGET-5] */
static int zs__check_budget(const zs__allocator *z)
{
    size_t object, metadata, charged, of_groups = 0, covered = 0, missing = 0;
    const zslab_group *g;
    uint32_t q;
    zs__budget_count(z, &object, &metadata, &charged);
    for (g = z->groups; g; g = g->next) {
        of_groups += g->charged;
        covered += g->covered;
        missing += zs__group_short(g, g->covered);
    }
    for (q = z->oldest; q; q = z->places[q - 1].younger) {
        charged -= (size_t)(z->places[q - 1].charge & ZS__CHARGE_BYTES);
        g = z->places[q - 1].group;
        of_groups -= g ? (size_t)(z->places[q - 1].charge & ZS__CHARGE_BYTES) : 0;
        covered -= g && g->guaranteed ? (size_t)zs__place_covered(z, q - 1) : 0;
    }
    return object == z->committed_bytes && metadata == z->metadata_bytes && object + metadata == z->used_bytes &&
           object + metadata + missing == z->charged_bytes && !charged && !of_groups && !covered;
}

ZSLAB_API void zslab_set_tag(zslab *self, void *p, uint16_t tag)
{
    zs__allocator *z = zs__own(self);
    zs__spot at;
    zslab_result r;
    if (!ZSLAB_TAGS || !p || zs__is_fallback(z, p)) return;
    r = zs__locate_told(z, p, &at);
    if (r == ZSLAB_OK)
        zs__tag_set(z, p, tag);
    else
        zs__misuse(z, r, p, 0);
}

ZSLAB_API zslab_result zslab_check(const zslab *self, zslab_visit_fn *visit, void *user)
{
    const zs__allocator *z = zs__own_const(self);
    uint32_t chunk;
    int stop = 0;
    zs__fork_check();
    for (chunk = 0; chunk < zs__chunks_known(z) && !stop; chunk++) {
        const zs__chunk *c = &z->chunks[chunk];
        zslab_result r;
        if (!c->recip || !c->stamp || c->stamp != zs__load_u64(&zs__round_at(z, c->stamp)->word)) continue;
        r = c->cls == ZSLAB_CLASS_LARGE ? zs__check_large(z, chunk, visit, user, &stop)
                                        : zs__check_chunk(z, chunk, visit, user, &stop);
        if (r != ZSLAB_OK) return zs__misuse(z, r, zs__chunk_base(z, chunk), 0);
    }
    if (zs__check_spans((zs__allocator *)(uintptr_t)z) != ZSLAB_OK || zs__check_lent(z) != ZSLAB_OK ||
        !zs__check_budget(z))
        return zs__misuse(z, ZSLAB_E_CORRUPT, NULL, 0);
    return ZSLAB_OK;
}

#endif /* ZSLAB_IMPLEMENTATION */
#if defined(ZSLAB_IMPLEMENTATION) || ZSLAB_INLINE
ZS__QUIET_END
#endif

/* ---- >>licence -------------------------------------------------------------
zslab is available under two licences; choose the one you like better.

------------------------------------------------------------------------------
ALTERNATIVE A - MIT License

Copyright (c) 2026 the zslab authors

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.

------------------------------------------------------------------------------
ALTERNATIVE B - Public Domain (www.unlicense.org)

This is free and unencumbered software released into the public domain.

Anyone is free to copy, modify, publish, use, compile, sell, or distribute this
software, either in source code form or as a compiled binary, for any purpose,
commercial or non-commercial, and by any means.

In jurisdictions that recognize copyright laws, the author or authors of this
software dedicate any and all copyright interest in the software to the public
domain. We make this dedication for the benefit of the public at large and to
the detriment of our heirs and successors. We intend this dedication to be an
overt act of relinquishment in perpetuity of all present and future rights to
this software under copyright law.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN
ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION
WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
*/
#endif /* C11 or C++11 */
