/* zslab_zns.h -- an object store on a zoned device, grouped by lifetime.
   SPDX-License-Identifier: MIT OR Unlicense

   QUICKSTART (one file defines both implementation macros before the includes; C and C++; link with -pthread)

       #define ZSLAB_IMPLEMENTATION
       #include "zslab.h"
       #define ZSLAB_ZNS_IMPLEMENTATION
       #include "zslab_zns.h"

       int main(void)
       {
           zslab_zns *store = zslab_zns_open_file("store.zns", NULL, NULL); // made when missing
           zslab_zns_epoch day = store ? zslab_zns_epoch_begin(store, NULL) : ZSLAB_ZNS_EPOCH_NONE;
           zslab_handle h = 0;
           char back[8];
           size_t bytes = 0;
           int wrong;
           if (!day) // zslab_last_error() says why
               return 1;
           wrong = zslab_zns_append(store, day, "hello", 6, &h) != ZSLAB_OK;
           wrong |= zslab_zns_sync(store, day) != ZSLAB_OK; // from here on it survives a power cut
           wrong |= zslab_zns_read(store, h, back, sizeof back, &bytes) != ZSLAB_OK || bytes != 6;
           wrong |= zslab_zns_epoch_release(store, day) != ZSLAB_OK; // all of the day's objects, gone at once
           return zslab_zns_close(store) != ZSLAB_OK || wrong;
       }

   WHAT YOU GET
     - Objects of any size, appended to epochs. An epoch is dropped whole: its zones are reset.
       Nothing is ever relocated, so there is no garbage collection, in the host or in the device.
     - Every object carries a crc32c that every read checks: a damaged object is an answer
       (ZSLAB_E_CORRUPT), never wrong bytes.
     - After a crash the store is found again from the zones: what was synced is there, nothing of
       a released epoch comes back. zslab_zns_recovery tells what was met.
     - The device is a zoned NVMe drive, a caller's driver, or a regular file that behaves like a
       zoned drive, limits and failures included.

   WHAT AN APPEND PROMISES
     ZSLAB_OK             the object is readable through its handle
     frame written        (buffer full, flush, sync, seal) it survives the process being killed; with io_uring a
                          full buffer is written some time after the append that filled it, at the latest
                          within the next sync or seal
     sync of its epoch    it survives a power cut. On Linux a file is flushed by msync(MS_SYNC) of the appends' range,
                          through a mapping that nobody touches: for the pages of a range POSIX asks of it what it
                          asks of fdatasync, and the kernel does both by vfs_fsync_range, the drive's cache included.
                          What stays behind, zone table and note, an open makes good from the frames' heads [FILE-4].
                          Where that would not do (a zone changes its condition, the log has grown, a pointer passes
                          64 blocks) the flush is fdatasync of the whole file

   THREADS
     open, close                              one thread; nobody uses the store meanwhile
     append, read, sync, iterate, epoch_*     any thread. The append path takes no lock: space in
                                              the packing buffer and in the zone is reserved by one
                                              compare-and-swap each, the device assigns the place
     epoch_release                            any thread; waits for appends, reads and iterations of
                                              that epoch that are under way
     stats, stats_json, zone_at, epoch_next   any thread

   WHEN THINGS FAIL (zslab_zns_error says it in a sentence: the call, the field, the operation, zone and errno)
     a write (media error, with a hole or without, a zone turned read-only or offline, no slot left)
         goes elsewhere, into two fresh zones a call at most; told only when these fail too or there is no
         other place: ZSLAB_E_NO_SPACE, ZSLAB_E_IO, or ZSLAB_E_NO_ACTIVE_ZONE after the timeout. What was
         packed stays readable, the next sync tries again. A zone that failed rests, from 1 ms on to a second,
         and is tried before that only where there is no other: when the cause is gone the store works again
     a reset, a finish     the release or seal holds; the zone rests and is reset later
     an object too large for what is free   ZSLAB_E_NO_SPACE before anything is written
     a flush               sync says so. On a file every later sync fails too, until it is opened again: the
                           host may have dropped what it could not write, and would not say so twice
     a read                ZSLAB_E_IO, ZSLAB_E_OFFLINE, ZSLAB_E_CORRUPT: never wrong bytes
     the device is gone    ZSLAB_E_GONE from every call from then on; open it again when it is back
     found at open         a read-only zone is read and never written. An offline one is skipped and counted:
                           its objects are lost in the report and ZSLAB_E_STALE, those with a piece elsewhere
                           ZSLAB_E_CORRUPT. No whole metadata: ZSLAB_E_CORRUPT, nothing is touched
     damage found at open  a part of the log that is missing or wrong, frames missing that a sync had covered, a
                           file cut short, a zone table that is wrong: the store opens read-only, the report's
                           result is ZSLAB_E_CORRUPT, nothing is reset. zslab_zns_lost says which epochs lost how
                           much. ZSLAB_ZNS_FLAG_REPAIR keeps what can be proven and goes on with that. One
                           flipped bit in superblock, zone table, log or a frame's header is found and mended by
                           its crc. An epoch of which it cannot be known whether it was released is lost
     already open          ZSLAB_E_BUSY, in this process too
     not ours              other data or an unformatted device with NO_FORMAT: ZSLAB_E_FOREIGN. Not zoned,
                           metadata bytes in its blocks, another geometry, a newer format: ZSLAB_E_GEOMETRY

   OPTIONS (define before the include)
     ZSLAB_ZNS_IMPLEMENTATION     this file holds the code; the same file holds ZSLAB_IMPLEMENTATION
     ZSLAB_ZNS_USE_LIBZBD    0    1: zslab_zns_open_device, for zoned block devices; link -lzbd
                                  (libzbd is LGPL-3.0-or-later; link it, it is not part of zslab)
     ZSLAB_ZNS_USE_URING     0    1: frames are appended through io_uring, several under way at once (Linux 5.6 on,
                                  raw system calls, nothing to link). On a file, and by NVMe zone append through
                                  the drive's /dev/ngXnY; the pwrite path stays with one at a time. Where the
                                  kernel refuses a ring the store works without: stats.queue_depth is 0 and
                                  stats.queue_refused the errno. After a kill the kernel completes what was under
                                  way before it lets go of the file: ZSLAB_E_BUSY until then
     ZSLAB_ZNS_LANES   4 or 16    packing buffers an epoch may have under way, 2 to 64 (16 with io_uring)

   LIMITS
     2^26 frames and 4,096 objects a frame live at once; frames are at most 4 MiB; 2^20 live epochs, and as
     many as a snapshot in 3/4 of a zone holds (about 35,000 with zones of 4 MiB). The generation in a
     handle has 24 bits and moves with every begin, release and zone, and with an open after a crash by up
     to 1,024: a handle of a released epoch could be taken for a new one only after 16,777,216 of these.
     A program may crash; two programs may not share a store: the second is ZSLAB_E_BUSY.

   ON THE DEVICE (little-endian; a block is the device's logical block; crc is crc32c)
     Zone header, the first block of every zone in use, written alone and waited for:
         0  8  "ZSLBZONE"          40  8  zone sequence, store-wide, never reused
         8  4  format version: 2   48  8  epoch that owns the zone alone, or 0
        12  4  kind: 1 metadata,   56  4  lifetime class
               2 objects           60  4  zone count
        16 16  store id, random    64  8  zone bytes
        32  4  zone index          72  8  zone capacity in bytes
        36  4  block bytes        124  4  crc of bytes 0-123
     Frame, one append: header block(s), then the payload.
         0  8  "ZSLBFRAM"          64  4  frame id (26 bits)
         8  4  format version      68  4  entries (kind 1) or inline bytes (kinds 2 and 3)
        12  4  kind: 1 objects,    72  8  generation: the store sequence when the id was taken
               2 metadata, 3 index 80  8  all frames up to this frame sequence were synced
        16 16  store id            88  4  header blocks; 0: the payload begins right behind the entries
        32  4  zone index          92  4  payload bytes (without padding)
        36  4  blocks in all       96  4  first pieces: objects that begin here
       100  4  ordinal: the epoch's   104  8  first pieces and payload bytes in the epoch's frames of lower
               frames from 1 on               ordinal, 32 bits of each
       112  4  all of the epoch's     116  4  serial of the last log frame that was flushed, its low 32 bits
               to this ordinal        124  4  crc of bytes 0-123 and of the entries or inline bytes
               were synced
        40  8  zone sequence      128     entries, 16 bytes each, or inline bytes
        48  8  epoch
        56  8  frame sequence
     Entry of an object or of a piece of one: two 64-bit words
         word 0  bits 0-26 bytes, 27 first piece (names the object), 28 more pieces follow,
                 32-63 crc of the bytes: so one object can be checked without reading the frame
         word 1  bits 0-23 place in the payload in units of 8 bytes,
                 24-35 entry and 36-61 frame of the piece that follows
     A zone of version 1 holds no frames with 0 header blocks and takes no further frames.
     An object larger than a frame is written from its end to its beginning, so its first piece,
     which names it, is written last. A frame does not contain its own address.
     Metadata: a log of records {u16 type, u16 bytes incl. these 4, body} padded to 8, in frames of
     kind 2, in one zone at a time. A full zone is followed by a fresh one that begins with a
     snapshot; the old one is reset once the snapshot is flushed.
     A frame of the log has at 72 its serial, without gaps, and as it leaves them at 48 a hash of the living
     epochs (the exclusive or of id x 0x9e3779b97f4a7c15) and at 64 how many they are (2^32-1: not told). It is
     written twice in one append, but for a snapshot: that is what the zone before is kept for.
         1 snapshot   u32 part, parts, then u64 frame sequence
         2 epoch      u32 class, u64 id, expected bytes, u32 state, 32 bytes label, u32 frames, u64 time of expiry,
                      u32 first pieces, payload bytes so far, frames synced    (begin)
         3 seal       u32 0, u64 id
         4 release    u32 0, u64 id
         5 reserve    u32 n, u64 store sequence persisted ahead, n x u32 zones about to be opened
         6 clean      u32 0, u64 frame sequence, u64 store sequence: the store was closed in order
         7 index      u32 zone, u64 zone sequence, u32 block, blocks: the zone ends in an index there;
                      0 blocks: a crash cut the frame at that block, the zone ends before it
         8 doubt      u32 0, u64 from, to: frames of these sequences were not synced when a crash
                      came; what is damaged in them was never acknowledged
         9 frames     u32 frames, u64 id, u32 first pieces, payload bytes, frames synced, then what is accounted
                      for: u32 up to frame, u32 frames, first pieces, bytes missing, u32 objects, u64 bytes lost
     Index frame: for each frame of the zone the header bytes 36-111, u32 bytes of its objects (0: not told), u32 block
     in the zone; 84 at 96 (0: header bytes 36-99 and the block).

   THE MAP (grep -n -e '-- >>' zslab_zns.h)
     >>front >>config >>types >>api-device >>api-store >>api-epoch >>api-recover
     >>base >>seam >>seam-uring >>seam-file >>seam-nvme >>layout >>format >>map >>meta >>zone >>append >>sync
     >>read >>reclaim >>recover >>public >>licence                                                  */

/* ---- >>front ---------------------------------------------------------------
   The text above. From here to >>base stands all that a user reads.               */
#if !defined(ZSLAB_H) && !defined(ZS__TOO_OLD)
#error "zslab_zns.h needs zslab.h: put #include \"zslab.h\" above #include \"zslab_zns.h\""
#endif
#ifndef ZS__TOO_OLD             /* zslab.h has said that the language is; to the end of the file */
#ifdef ZSLAB_ZNS_IMPLEMENTATION /* looked at whenever the file is included */
#if ZS__EMPTY(ZSLAB_ZNS_IMPLEMENTATION)
#undef ZSLAB_ZNS_IMPLEMENTATION
#define ZSLAB_ZNS_IMPLEMENTATION 1
#elif !ZS__SWITCH(ZSLAB_ZNS_IMPLEMENTATION)
#error "ZSLAB_ZNS_IMPLEMENTATION is 0 or 1; empty means 1"
#elif !ZSLAB_ZNS_IMPLEMENTATION
#undef ZSLAB_ZNS_IMPLEMENTATION
#endif
#endif

#ifndef ZSLAB_ZNS_H
#define ZSLAB_ZNS_H

/* ---- >>config --------------------------------------------------------------
   Every switch with its default and its allowed values. Defined empty, a switch means 1, a number its default. */
#ifndef ZSLAB_ZNS_USE_LIBZBD
#define ZSLAB_ZNS_USE_LIBZBD 0
#elif ZS__EMPTY(ZSLAB_ZNS_USE_LIBZBD)
#undef ZSLAB_ZNS_USE_LIBZBD
#define ZSLAB_ZNS_USE_LIBZBD 1
#elif !ZS__SWITCH(ZSLAB_ZNS_USE_LIBZBD)
#error "ZSLAB_ZNS_USE_LIBZBD is 0 or 1; empty means 1"
#endif

#ifndef ZSLAB_ZNS_USE_URING
#define ZSLAB_ZNS_USE_URING 0
#elif ZS__EMPTY(ZSLAB_ZNS_USE_URING)
#undef ZSLAB_ZNS_USE_URING
#define ZSLAB_ZNS_USE_URING 1
#elif !ZS__SWITCH(ZSLAB_ZNS_USE_URING)
#error "ZSLAB_ZNS_USE_URING is 0 or 1; empty means 1"
#endif
#if ZSLAB_ZNS_USE_URING && !defined(__linux__)
#error "ZSLAB_ZNS_USE_URING needs Linux: leave it 0 elsewhere"
#endif

#if !defined(ZSLAB_ZNS_LANES) || ZS__EMPTY(ZSLAB_ZNS_LANES)
#undef ZSLAB_ZNS_LANES
#define ZSLAB_ZNS_LANES (ZSLAB_ZNS_USE_URING ? 16 : 4)
#endif
#if ZSLAB_ZNS_LANES < 2 || ZSLAB_ZNS_LANES > 64
#error "ZSLAB_ZNS_LANES must be 2 to 64: packing buffers an epoch may have under way"
#endif
#define ZSLAB_ZNS_STATS_VERSION 1
#define ZSLAB_ZNS_FORMAT_VERSION 2

/* The file device needs POSIX; elsewhere zslab_zns_open_file answers ZSLAB_E_INVALID. */
#if !defined(_WIN32)
#define ZSLAB_ZNS_HAS_FILE 1
#else
#define ZSLAB_ZNS_HAS_FILE 0
#endif

/* ---- >>types ---------------------------------------------------------------
   Ids, configurations and the structs a program may look into.                    */
typedef struct zslab_zns zslab_zns; /* a store: one device, its zones, its epochs */
typedef uint64_t zslab_zns_epoch;   /* persistent, never reused; 0 is none */
#define ZSLAB_ZNS_EPOCH_NONE UINT64_C(0)

/* zslab_zns_config.flags */
#define ZSLAB_ZNS_FLAG_FORCE 1u           /* format over foreign or damaged data: everything on the device goes */
#define ZSLAB_ZNS_FLAG_READ_ONLY 2u       /* write nothing, not even to finish interrupted releases */
#define ZSLAB_ZNS_FLAG_NO_FORMAT 4u       /* an empty device is ZSLAB_E_FOREIGN instead of being formatted */
#define ZSLAB_ZNS_FLAG_REPAIR 128u        /* of a damaged store keep what can be proven; without, it is read-only */
#define ZSLAB_ZNS_FLAG_VERIFY 8u          /* recovery reads every frame, also where an index spares it */
#define ZSLAB_ZNS_FLAG_NO_APPEND 16u      /* zoned device: pwrite at the write pointer instead of zone append */
#define ZSLAB_ZNS_FLAG_VOLATILE_CACHE 32u /* file device: unflushed blocks live in memory, as in a drive's cache */
#define ZSLAB_ZNS_FLAG_GENERIC_STATUS 64u /* file device: every failed write answers ZSLAB_E_IO, as some drives do */

/* Conditions of a zone, as the device reports them. */
#define ZSLAB_ZNS_EMPTY 0u
#define ZSLAB_ZNS_OPEN 1u   /* holds an active slot and an open slot */
#define ZSLAB_ZNS_CLOSED 2u /* holds an active slot */
#define ZSLAB_ZNS_FULL 3u
#define ZSLAB_ZNS_READ_ONLY 4u
#define ZSLAB_ZNS_OFFLINE 5u
#define ZSLAB_ZNS_NO_POINTER 6u /* conventional zone: never used */

/* What the zones are like. Zero in a field means its default. */
typedef struct zslab_zns_geometry {
    uint64_t zone_bytes;          /* distance of zone starts, a multiple of the block: 4 MiB */
    uint64_t zone_capacity_bytes; /* writable part of a zone: zone_bytes */
    uint32_t zone_count;          /* at least 4: 64 */
    uint32_t block_bytes;         /* 512 to 65,536, a power of two: 4096 */
    uint32_t max_open;            /* 0: no limit */
    uint32_t max_active;          /* 0: no limit, else at least 2 */
    uint32_t max_append_bytes;    /* at least 2 blocks: 128 KiB */
    uint8_t fill;                 /* what reads beyond the write pointer give (file device): 0 */
} zslab_zns_geometry;

/* One thing that goes wrong in the file device (for tests). */
#define ZSLAB_ZNS_FAULT_ERROR 1u     /* write fails, write pointer unchanged; other operations just fail */
#define ZSLAB_ZNS_FAULT_HOLE 2u      /* write fails and the write pointer has moved over it */
#define ZSLAB_ZNS_FAULT_READ_ONLY 3u /* the zone becomes read-only */
#define ZSLAB_ZNS_FAULT_OFFLINE 4u   /* the zone goes offline */
#define ZSLAB_ZNS_FAULT_LIMIT 5u     /* the device says it has no active slot left */
#define ZSLAB_ZNS_FAULT_REORDER 6u   /* the operation completes late, by seed */
#define ZSLAB_ZNS_FAULT_GONE 7u      /* the device is removed: all later operations fail */
#define ZSLAB_ZNS_FAULT_CRASH 8u     /* power cut: unflushed blocks dropped by seed, then GONE */
#define ZSLAB_ZNS_OP_APPEND 1u
#define ZSLAB_ZNS_OP_READ 2u
#define ZSLAB_ZNS_OP_RESET 4u
#define ZSLAB_ZNS_OP_FINISH 8u
#define ZSLAB_ZNS_OP_FLUSH 16u
#define ZSLAB_ZNS_OP_REPORT 32u
typedef struct zslab_zns_fault {
    uint32_t kind;  /* ZSLAB_ZNS_FAULT_* */
    uint32_t ops;   /* mask of ZSLAB_ZNS_OP_* that count: 0 = all */
    uint64_t at;    /* strikes the at-th such operation, counted from 1; 0: the first */
    uint64_t count; /* and this many in all: 1 */
    uint64_t seed;
    uint32_t zone; /* with only_zone: counts operations on this zone only */
    uint32_t only_zone;
} zslab_zns_fault;

/* A store's configuration; zero in a field means its default. */
typedef struct zslab_zns_config {
    uint32_t flags;                /* ZSLAB_ZNS_FLAG_* */
    uint32_t max_active;           /* use at most this many active zones: the device's limit */
    uint64_t wait_timeout_ns;      /* longest wait for an active slot: 1 s */
    size_t buffer_bytes;           /* packing buffer of an epoch: one append, as large as the device takes */
    const zslab_zns_fault *faults; /* file device only */
    size_t fault_count;
    uint32_t queue_depth;     /* with ZSLAB_ZNS_USE_URING: appends under way at once, up to 1024: 32; 1: no queue */
    uint64_t directory_bytes; /* memory for frame directories, 16 bytes an object: no limit. Above it those of some
                                 frames are dropped and read again when asked for: one more device read */
} zslab_zns_config;

typedef struct zslab_zns_epoch_config {
    const char *label;       /* copied, 31 bytes */
    uint32_t lifetime_class; /* 0 to 15, shorter lives first: 0 */
    uint64_t expected_bytes; /* half a zone or more: the epoch gets zones of its own if slots allow. 0, unknown: so
                                does one that outlives a zone it shares, while zones are plenty */
    uint64_t expires_ns;     /* CLOCK_REALTIME; for zslab_zns_release_oldest: never */
} zslab_zns_epoch_config;

/* A zone, as the device reports it; offsets in bytes from the start of the device. */
typedef struct zslab_zns_zone {
    uint64_t start, capacity, write_pointer; /* write_pointer counts when OPEN, CLOSED or EMPTY */
    uint32_t condition;                      /* ZSLAB_ZNS_EMPTY ... */
} zslab_zns_zone;

typedef struct zslab_zns_iov {
    const void *base;
    size_t bytes;
} zslab_zns_iov;

/* A device in seven operations, for callers with a driver of their own. Each returns 0 or a negated
   zslab_result. All may be called by several threads at once. */
typedef struct zslab_zns_ops {
    int (*report)(void *user, uint32_t first_zone, uint32_t count, zslab_zns_zone *out);
    int (*append)(void *user, uint32_t zone, const zslab_zns_iov *iov, size_t iov_count, uint64_t *out_offset);
    int (*read)(void *user, uint64_t offset, void *buffer, size_t bytes); /* whole blocks, buffer 4096-aligned */
    int (*reset)(void *user, uint32_t zone);
    int (*finish)(void *user, uint32_t zone);
    int (*flush)(void *user);
    void (*close)(void *user);
    zslab_zns_geometry geometry; /* zone_bytes, block_bytes, zone_count are required */
} zslab_zns_ops;

typedef struct zslab_zns_visit {
    zslab_handle handle;
    zslab_zns_epoch epoch;
    const void *data;
    size_t bytes;
} zslab_zns_visit;
typedef int zslab_zns_visit_fn(void *user, const zslab_zns_visit *object); /* non-zero stops the walk */

typedef int zslab_zns_lost_fn(void *user, zslab_zns_epoch e, uint64_t objects, uint64_t bytes); /* as above */

typedef struct zslab_zns_store_stats {
    uint32_t version, zones, zones_empty, zones_active, zones_full, zones_read_only, zones_offline;
    uint32_t uses_append;     /* 1: the device assigns the place; 0: pwrite at the write pointer */
    uint64_t epochs, objects; /* live */
    uint64_t user_bytes;      /* appended since open, as far as written out */
    uint64_t device_bytes;    /* moved write pointers since open: headers, metadata and holes included */
    uint64_t live_bytes;      /* in frames of live epochs */
    uint64_t dead_bytes;      /* written, of released epochs, in zones that live epochs pin */
    uint64_t appends, syncs, resets, finishes, retries;
    uint64_t lost_objects;      /* acknowledged objects that recovery or a read found damaged */
    double write_amplification; /* device_bytes / user_bytes */
    double space_amplification; /* capacity of all zones in use / live bytes */
    uint32_t queue_depth;       /* appends under way at once; 0: no queue */
    uint32_t queue_refused;     /* the errno by which the kernel refused io_uring; 0: it did not, or was not asked */
    uint64_t free_bytes;        /* room for frames in zones that are empty or open */
    uint32_t pinned_zones;      /* zones that hold frames of released epochs and cannot be reset yet */
} zslab_zns_store_stats;

typedef struct zslab_zns_recovery_report {
    uint32_t zones_scanned, zones_foreign, zones_skipped;
    uint64_t objects;                 /* found */
    uint64_t unacknowledged_possible; /* of these, written after the last sync that is known of */
    uint64_t lost;                    /* objects damaged although a sync had covered them */
    uint64_t torn;                    /* frames or unreadable places from after the last sync */
    uint64_t epochs;
    uint64_t releases_finished; /* zones of released epochs that were reset now */
    uint64_t bytes_read, duration_ns;
    uint64_t damaged_frames, damaged_bytes; /* unreadable or unprovable although a sync had covered them */
    uint64_t tail_unverified; /* objects and places behind the last sync that is known of: torn or damaged */
    uint32_t result;          /* a zslab_result. ZSLAB_E_CORRUPT: damage; read-only unless opened with _REPAIR */
} zslab_zns_recovery_report;

/* An epoch, as zslab_zns_epoch_next shows it. */
typedef struct zslab_zns_epoch_stats {
    zslab_zns_epoch epoch;
    char label[32];
    uint32_t lifetime_class, sealed, zones, exclusive;
    uint64_t objects, user_bytes, device_bytes;
    uint64_t pinned_bytes; /* capacity of the zones it keeps from being reset, shared ones counted whole */
    uint64_t alone_bytes;  /* capacity of those that no other epoch is in: what its release makes free */
    uint32_t alone_zones;
    uint64_t expires_ns; /* as configured */
} zslab_zns_epoch_stats;

/* A zone with the store's knowledge of it, as zslab_zns_zone_at shows it. */
typedef struct zslab_zns_zone_stats {
    zslab_zns_zone device;
    uint32_t kind; /* 0 unused, 1 metadata, 2 objects, 3 foreign, 4 out of use */
    uint32_t lifetime_class;
    zslab_zns_epoch owner;       /* the epoch that has the zone alone, or 0 */
    zslab_zns_epoch first_epoch; /* one live epoch in it, or 0 */
    uint32_t epochs;             /* live epochs with frames in it */
    uint64_t sequence, live_bytes, dead_bytes;
} zslab_zns_zone_stats;

/* ---- >>api-device ----------------------------------------------------------
   Opening a store on each kind of device.                                         */

/* zslab_zns_open_file -- open or create a store in a regular file that acts as a zoned device.
   in       path      created and preallocated when missing or empty; a block device without zones serves
                      too, the first time with ZSLAB_ZNS_FLAG_FORCE
            geometry  for a new file; NULL: defaults. An existing file keeps its own; fields set to
                      something else are ZSLAB_E_GEOMETRY
            config    NULL: defaults
   returns  the store, or NULL with the reason in zslab_last_error: ZSLAB_E_BUSY (somebody has it open),
            ZSLAB_E_FOREIGN (other data), ZSLAB_E_GEOMETRY (also: a newer format), ZSLAB_E_NO_SPACE,
            ZSLAB_E_PERMISSION, ZSLAB_E_CORRUPT (metadata lost), ZSLAB_E_IO, ZSLAB_E_INVALID, ZSLAB_E_NOMEM
   threads  any thread
   cost     reads what an index does not spare: see zslab_zns_recovery
   source   >>seam-file, >>recover */
ZSLAB_API zslab_zns *zslab_zns_open_file(const char *path, const zslab_zns_geometry *geometry,
                                         const zslab_zns_config *config);

#if ZSLAB_ZNS_USE_LIBZBD
/* zslab_zns_open_device -- open or format a store on a zoned block device.
   in       path      the block node (/dev/nvme0n1); opened O_EXCL: a second opener is ZSLAB_E_BUSY
   returns  as zslab_zns_open_file; ZSLAB_E_GEOMETRY also for a device that is not zoned, that has
            metadata bytes in its blocks, or too few active zones
   note     zone append where the kernel permits it, else pwrite at the write pointer: stats.uses_append
   threads  any thread
   cost     as zslab_zns_open_file
   source   >>seam-nvme */
ZSLAB_API zslab_zns *zslab_zns_open_device(const char *path, const zslab_zns_config *config);
#endif

/* zslab_zns_open_ops -- open or format a store on a caller's driver.
   in       ops       all seven operations; copied. close is called once, also when opening fails
   returns  as zslab_zns_open_file
   threads  any thread
   cost     as zslab_zns_open_file
   source   >>seam */
ZSLAB_API zslab_zns *zslab_zns_open_ops(const zslab_zns_ops *ops, void *user, const zslab_zns_config *config);

/* ---- >>api-store -----------------------------------------------------------
   Objects in, objects out, looking inside.                                        */

/* zslab_zns_close -- sync everything, note the orderly end, free the store.
   returns  ZSLAB_OK, or what the sync said; the store is freed in any case
   threads  one; nobody uses the store meanwhile
   cost     as zslab_zns_sync, and one metadata append */
ZSLAB_API zslab_result zslab_zns_close(zslab_zns *store);

/* zslab_zns_append -- add an object to an epoch.
   in       data, bytes   copied; any size from 1 up
   out      out_handle    valid until the epoch is released, across restarts once written; 0 on failure; may be
                          NULL for objects that only zslab_zns_iterate finds
   returns  ZSLAB_OK, ZSLAB_E_INVALID (size 0), ZSLAB_E_CLOSED (sealed, released or unknown epoch),
            ZSLAB_E_NO_SPACE, ZSLAB_E_NO_ACTIVE_ZONE, ZSLAB_E_READ_ONLY, ZSLAB_E_GONE, ZSLAB_E_IO,
            ZSLAB_E_LIMIT (2^26 frames), ZSLAB_E_NOMEM
   threads  any; no lock; with io_uring a full frame takes that of one of four rings, which it tries for only
   cost     a copy and a crc; a device append when a frame is full, with io_uring only its start
   source   >>append; invariants [BUF-1] [ZONE-1]                                   */
ZSLAB_API zslab_result zslab_zns_append(zslab_zns *store, zslab_zns_epoch e, const void *data, size_t bytes,
                                        zslab_handle *out_handle);

/* zslab_zns_read -- copy an object out, its crc checked.
   in       buffer, capacity   too small: ZSLAB_E_INVALID with out_bytes set; (NULL, 0) asks for the size
   out      out_bytes          the object's size; may be NULL
   returns  ZSLAB_OK, ZSLAB_E_STALE (epoch released), ZSLAB_E_INVALID (malformed handle),
            ZSLAB_E_CORRUPT (crc), ZSLAB_E_OFFLINE, ZSLAB_E_GONE, ZSLAB_E_IO
   threads  any; holds off the release of its epoch while it runs
   cost     one device read, unless the object is still in a packing buffer; a crc
   source   >>read */
ZSLAB_API zslab_result zslab_zns_read(zslab_zns *store, zslab_handle h, void *buffer, size_t capacity,
                                      size_t *out_bytes);

/* zslab_zns_sync -- make durable what was appended before the call.
   in       e   0: all epochs
   returns  ZSLAB_OK: it survives a power cut; else what kept it from that. Buffered objects stay readable
            and the next sync tries again, but see WHEN THINGS FAIL for a file
   threads  any; simultaneous syncs are one: the first writes what all of them wait for, flushes once and wakes them
   cost     one device append for each epoch with new objects, one flush; waiters sleep
   source   >>sync; invariant [SYNC-1]                                              */
ZSLAB_API zslab_result zslab_zns_sync(zslab_zns *store, zslab_zns_epoch e);

/* zslab_zns_sync_begin -- ask for a sync of what was appended before the call, without waiting for it.
   in       e            0: all epochs
   out      out_ticket   for zslab_zns_sync_wait; never 0 on success
   returns  ZSLAB_OK, ZSLAB_E_INVALID, ZSLAB_E_CLOSED, ZSLAB_E_READ_ONLY, ZSLAB_E_GONE
   threads  any; never blocks on the device
   cost     O(1)
   source   >>sync                                                                  */
ZSLAB_API zslab_result zslab_zns_sync_begin(zslab_zns *store, zslab_zns_epoch e, uint64_t *out_ticket);

/* zslab_zns_sync_wait -- wait for a ticket; any number of threads may, in any order.
   in       timeout_ns   UINT64_MAX: as long as it takes. When nobody else is flushing the caller flushes, and
                         that is not cut short
   returns  ZSLAB_OK: it survives a power cut; ZSLAB_E_BUSY: not yet; ZSLAB_E_CLOSED: the epoch was released
            first; ZSLAB_E_INVALID: no ticket of this store; else as zslab_zns_sync
   threads  any
   cost     O(1) when its sync is over, else as zslab_zns_sync
   source   >>sync                                                                  */
ZSLAB_API zslab_result zslab_zns_sync_wait(zslab_zns *store, uint64_t ticket, uint64_t timeout_ns);

/* zslab_zns_flush -- write out what the packing buffers hold: it survives the process being killed, not a power cut.
   in       e   0: all epochs
   returns  as zslab_zns_sync
   threads  any
   cost     one device append for each epoch with new objects; no device flush
   source   >>append                                                                */
ZSLAB_API zslab_result zslab_zns_flush(zslab_zns *store, zslab_zns_epoch e);

/* zslab_zns_iterate -- visit the objects of an epoch, in the order their frames were written.
   in       e      0: all epochs, oldest first
            visit  non-zero stops the walk; may append and read, may not release the epoch it is shown.
                   object->data is valid inside the call
   returns  ZSLAB_OK, ZSLAB_E_CLOSED, ZSLAB_E_CORRUPT (objects were damaged; the others were visited), ...
   threads  any; holds off the release of the epochs it shows
   cost     one device read a frame
   source   >>read                                                                  */
ZSLAB_API zslab_result zslab_zns_iterate(zslab_zns *store, zslab_zns_epoch e, zslab_zns_visit_fn *visit, void *user);

/* zslab_zns_list -- as zslab_zns_iterate, but handles and sizes alone: data is NULL.
   threads  any
   cost     nothing is read where a frame's directory is in memory, else its header
   source   >>read                                                                  */
ZSLAB_API zslab_result zslab_zns_list(zslab_zns *store, zslab_zns_epoch e, zslab_zns_visit_fn *visit, void *user);

/* zslab_zns_copy_out -- a compact image of what lives: epochs and objects with their ids and handles, in a new file
   with as many zones of the store's kind as they need.
   in       path   missing or empty; opened later with zslab_zns_open_file
   returns  ZSLAB_OK: it is durable; ZSLAB_E_FOREIGN (something is there), ZSLAB_E_NO_SPACE, ZSLAB_E_PERMISSION,
            ZSLAB_E_IO, ZSLAB_E_NOMEM, ...; the file is removed then
   threads  any; each epoch as it is when its turn comes, its release waits for that. Damaged objects stay damaged
   cost     reads and writes every live frame once
   source   >>public                                                                */
ZSLAB_API zslab_result zslab_zns_copy_out(zslab_zns *store, const char *path);

/* zslab_zns_stats -- counters and amplification, a snapshot; the zone counts are the device's own.
   threads  any
   cost     one report of all zones */
ZSLAB_API void zslab_zns_stats(zslab_zns *store, zslab_zns_store_stats *out);

/* zslab_zns_stats_json -- the same with all epochs, as JSON.
   returns  bytes needed without the end mark, like snprintf
   threads  any
   cost     as zslab_zns_stats, and the text */
ZSLAB_API size_t zslab_zns_stats_json(zslab_zns *store, char *buf, size_t cap);

/* zslab_zns_zone_at -- one zone, from the device and from the store.
   returns  ZSLAB_OK, ZSLAB_E_INVALID (no such zone), what the device's report said
   threads  any
   cost     one report of a zone */
ZSLAB_API zslab_result zslab_zns_zone_at(zslab_zns *store, uint32_t zone_idx, zslab_zns_zone_stats *out);

/* zslab_zns_error -- the last failure in a sentence: the call and its result, the configuration's or the file's field,
   what the device did not do last: operation, zone, block, errno or NVMe status. "zslab_zns_append: no space; the
   device's last failure: append to zone 7: I/O error, errno 5 (Input/output error)", for example.
   in       store      its last call that failed, or what its device failed since; NULL: the last open or close that did
            buf, cap   filled with at most cap - 1 bytes and a NUL; buf may be NULL when cap is 0
   returns  the length of the whole text without its NUL, like snprintf; 0: nothing has failed
   threads  any; of all threads' failures the last one
   cost     O(cap) */
ZSLAB_API size_t zslab_zns_error(const zslab_zns *store, char *buf, size_t cap);

/* ---- >>api-epoch -----------------------------------------------------------
   Lifetimes.                                                                      */

/* zslab_zns_epoch_begin -- a new epoch.
   in       config   NULL: no label, class 0, size unknown
   returns  its id, or 0: ZSLAB_E_INVALID (class above 15), ZSLAB_E_LIMIT (live epochs),
            ZSLAB_E_READ_ONLY, ZSLAB_E_GONE, ZSLAB_E_IO, ZSLAB_E_NO_SPACE
   threads  any
   cost     one metadata append; durable with the epoch's first sync
   source   >>meta, >>public */
ZSLAB_API zslab_zns_epoch zslab_zns_epoch_begin(zslab_zns *store, const zslab_zns_epoch_config *config);

/* zslab_zns_epoch_seal -- no more appends; stays readable. Twice is ZSLAB_OK.
   returns  ZSLAB_OK, ZSLAB_E_CLOSED (released or unknown), what writing the rest said
   threads  any
   cost     as zslab_zns_flush, and one metadata append */
ZSLAB_API zslab_result zslab_zns_epoch_seal(zslab_zns *store, zslab_zns_epoch e);

/* zslab_zns_epoch_release -- drop all objects of an epoch: drain, record durably, reset its zones.
   returns  ZSLAB_OK: none of its objects will come back, not after a power cut either;
            ZSLAB_E_CLOSED (released or unknown); else the epoch goes on as it was. When it failed at its flush the
            device may have kept the record: a crash before the next sync that succeeds finds the epoch either whole
            or released whole, one after it finds it with all that was synced
   threads  any; waits for operations of that epoch that are under way
   cost     one metadata append, one flush, one reset for each zone that no other epoch uses
   source   >>reclaim; invariants [REL-1] [REL-2]                                   */
ZSLAB_API zslab_result zslab_zns_epoch_release(zslab_zns *store, zslab_zns_epoch e);

/* zslab_zns_release_oldest -- drop epochs by size or by age, whole ones, the oldest first; sealed or not.
   in       bytes      by size: until the frames of those dropped had at least so many; 0: no such rule
            until_ns   by age: all whose expires_ns is not 0 and not later (CLOCK_REALTIME); 0: no such rule
   out      out_count  epochs dropped, also on failure; may be NULL
   returns  ZSLAB_OK, also when there was nothing to drop; else what a release said: the older ones are gone
   threads  any; an epoch that another thread releases meanwhile is not counted
   cost     one step for each epoch older than the last one dropped (by age: for each live one), and the releases
   source   >>public                                                                */
ZSLAB_API zslab_result zslab_zns_release_oldest(zslab_zns *store, uint64_t bytes, uint64_t until_ns, size_t *out_count);

/* zslab_zns_epoch_next -- walk the live epochs by id; how a program finds its epochs after a restart.
   in       after   0 to begin, else the last one seen
   returns  the next epoch's id with its figures in out, or 0 at the end
   threads  any
   cost     O(log n) and one step for each zone of the epoch                        */
ZSLAB_API zslab_zns_epoch zslab_zns_epoch_next(zslab_zns *store, zslab_zns_epoch after, zslab_zns_epoch_stats *out);

/* ---- >>api-recover ---------------------------------------------------------
   What opening the store met.                                                     */

/* zslab_zns_recovery -- the report of the recovery that open made; all zero for a fresh store.
   threads  any
   cost     O(1) */
ZSLAB_API void zslab_zns_recovery(zslab_zns *store, zslab_zns_recovery_report *out);

/* zslab_zns_lost -- which epochs recovery found incomplete, and how much of each a sync had covered.
   in       visit    non-zero stops the walk
   returns  ZSLAB_OK, ZSLAB_E_INVALID (no visitor)
   threads  any
   cost     one visit for each epoch that has lost something
   source   >>recover; invariant [ORD-1]                                            */
ZSLAB_API zslab_result zslab_zns_lost(zslab_zns *store, zslab_zns_lost_fn *visit, void *user);

#endif /* ZSLAB_ZNS_H */

/* ======== the private half begins: nothing below is for users to read or name ======== */
#if defined(ZSLAB_ZNS_IMPLEMENTATION) && !defined(ZS__ZNS_IMPLEMENTED)
#define ZS__ZNS_IMPLEMENTED
ZS__QUIET
#ifndef ZSLAB_IMPLEMENTATION
#error "define ZSLAB_IMPLEMENTATION before zslab.h where ZSLAB_ZNS_IMPLEMENTATION is: one file holds both"
#endif
#if ZSLAB_NO_OS
#error "zslab_zns.h needs an operating system (memory, time, yield): build without ZSLAB_NO_OS"
#endif

/* ---- >>base ----------------------------------------------------------------
   Little-endian words, crc32c, a small random generator, waiting, memory. Atomics and locks are those
   of zslab.h.                                                                      */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if ZSLAB_ZNS_HAS_FILE
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
/* Strict -std=c11 hides these; C may declare them again. */
#if defined(__linux__) && !defined(__cplusplus) && defined(__STRICT_ANSI__)
extern ssize_t pread(int fd, void *buffer, size_t bytes, off_t at);
extern ssize_t pwrite(int fd, const void *buffer, size_t bytes, off_t at);
extern ssize_t pwritev(int fd, const struct iovec *piece, int count, off_t at);
extern int ftruncate(int fd, off_t bytes);
extern int fdatasync(int fd);
extern int posix_fallocate(int fd, off_t at, off_t bytes);
extern ssize_t readlink(const char *path, char *out, size_t bytes);
#endif
#if (defined(__linux__) || defined(__EMSCRIPTEN__)) && !defined(__cplusplus) && defined(__STRICT_ANSI__)
extern int nanosleep(const struct timespec *wanted, struct timespec *left);
#endif
#ifdef O_CLOEXEC
#define ZS__ZNS_CLOEXEC O_CLOEXEC
#else
#define ZS__ZNS_CLOEXEC 0
#endif
#endif

#define ZS__ZNS_NONE 0xffffffffu

static inline void zs__zns_put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}
static inline void zs__zns_put32(uint8_t *p, uint32_t v)
{
    zs__zns_put16(p, v);
    zs__zns_put16(p + 2, v >> 16);
}
static inline void zs__zns_put64(uint8_t *p, uint64_t v)
{
    zs__zns_put32(p, (uint32_t)v);
    zs__zns_put32(p + 4, (uint32_t)(v >> 32));
}
static inline uint32_t zs__zns_get16(const uint8_t *p) { return (uint32_t)p[0] | (uint32_t)p[1] << 8; }
static inline uint32_t zs__zns_get32(const uint8_t *p) { return zs__zns_get16(p) | zs__zns_get16(p + 2) << 16; }
static inline uint64_t zs__zns_get64(const uint8_t *p)
{
    return (uint64_t)zs__zns_get32(p) | (uint64_t)zs__zns_get32(p + 4) << 32;
}

static inline uint64_t zs__zns_mix(uint64_t *state) /* splitmix64 */
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* crc32c, reflected polynomial 0x82f63b78; crc of nothing is 0 and calls chain.
   [CRC-1] crc(A then B) = shift(crc(A), bytes of B) ^ crc(B), both without the final inversion and B begun
           with 0. So three parts of a run are summed side by side (one instruction has a latency of three
           cycles and may start each cycle) and joined by a table for the run's fixed length.
   The tables are made once, at the first use. zs__zns_crc_soft takes eight bytes a step where the processor has no
   instruction for it. */
#define ZS__ZNS_CRC_LONG 2048u /* bytes of one of three parts */
#define ZS__ZNS_CRC_SHORT 256u
#define ZS__ZNS_CRC_PIECE 6144u
static uint32_t zs__zns_crc_table[8][256];
static uint32_t zs__zns_crc_shift[2][4][256]; /* by ZS__ZNS_CRC_LONG and _SHORT zero bytes */
static uint32_t zs__zns_crc_ready;            /* 0 no, 1 being made, 2 yes */

static void zs__zns_crc_make_shift(uint32_t table[4][256], uint32_t bytes)
{
    uint32_t bit, i;
    for (bit = 0; bit < 32; bit++) { /* linear: the image of each bit, then sums of them */
        uint32_t c = (uint32_t)1 << bit;
        for (i = 0; i < bytes; i++) c = c >> 8 ^ zs__zns_crc_table[0][c & 255];
        for (i = 0; i < 256; i++)
            if (i >> (bit & 7) & 1) table[bit >> 3][i] ^= c;
    }
}

static void zs__zns_crc_make(void)
{
    uint32_t was = 0, i, k;
    if (zs__cas_u32(&zs__zns_crc_ready, &was, 1)) {
        for (i = 0; i < 256; i++) {
            uint32_t c = i;
            for (k = 0; k < 8; k++) c = c >> 1 ^ (c & 1 ? 0x82f63b78u : 0);
            zs__zns_crc_table[0][i] = c;
        }
        for (i = 0; i < 256; i++)
            for (k = 1; k < 8; k++)
                zs__zns_crc_table[k][i] =
                    zs__zns_crc_table[k - 1][i] >> 8 ^ zs__zns_crc_table[0][zs__zns_crc_table[k - 1][i] & 255];
        zs__zns_crc_make_shift(zs__zns_crc_shift[0], ZS__ZNS_CRC_LONG);
        zs__zns_crc_make_shift(zs__zns_crc_shift[1], ZS__ZNS_CRC_SHORT);
        zs__store_rel_u32(&zs__zns_crc_ready, 2); /* release: the tables. Pairs with the loads here */
    }
    while (zs__load_acq_u32(&zs__zns_crc_ready) != 2) /* acquire: the tables of the thread that made them */
        zs__os_yield();
}

static uint32_t zs__zns_crc_soft(uint32_t crc, const uint8_t *p, size_t n)
{
    uint32_t c = ~crc;
    for (; n >= 8; n -= 8, p += 8) {
        uint32_t a = c ^ zs__zns_get32(p), b = zs__zns_get32(p + 4);
        c = zs__zns_crc_table[7][a & 255] ^ zs__zns_crc_table[6][a >> 8 & 255] ^ zs__zns_crc_table[5][a >> 16 & 255] ^
            zs__zns_crc_table[4][a >> 24] ^ zs__zns_crc_table[3][b & 255] ^ zs__zns_crc_table[2][b >> 8 & 255] ^
            zs__zns_crc_table[1][b >> 16 & 255] ^ zs__zns_crc_table[0][b >> 24];
    }
    for (; n; n--) c = c >> 8 ^ zs__zns_crc_table[0][(c ^ *p++) & 255];
    return ~c;
}

#if defined(__GNUC__) && defined(__x86_64__)
#define ZS__ZNS_CRC_HW __attribute__((__target__("sse4.2")))
#define ZS__ZNS_CRC64(c, v) __builtin_ia32_crc32di(c, v)
#define ZS__ZNS_CRC8(c, v) __builtin_ia32_crc32qi((uint32_t)(c), v)
#define ZS__ZNS_CRC_HAS_HW (__builtin_cpu_supports("sse4.2") != 0)
#elif defined(__ARM_FEATURE_CRC32) /* compiled for processors that have it, such as armv8.1-a */
#include <arm_acle.h>
#define ZS__ZNS_CRC_HW
#define ZS__ZNS_CRC64(c, v) __crc32cd((uint32_t)(c), v)
#define ZS__ZNS_CRC8(c, v) __crc32cb((uint32_t)(c), v)
#define ZS__ZNS_CRC_HAS_HW 1
#endif

#ifdef ZS__ZNS_CRC_HW
static uint32_t zs__zns_crc_shifted(uint32_t table[4][256], uint64_t c)
{
    return table[0][c & 255] ^ table[1][c >> 8 & 255] ^ table[2][c >> 16 & 255] ^ table[3][c >> 24 & 255];
}

static inline uint64_t zs__zns_crc_word(const uint8_t *p) /* the instruction wants the first byte lowest */
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
#else
    return zs__zns_get64(p);
#endif
}

/* One word of the run: summed, and stored where it is also copied. */
ZS__ZNS_CRC_HW static inline uint64_t zs__zns_crc_step(uint64_t c, uint8_t *to, const uint8_t *p, size_t at)
{
    if (to) memcpy(to + at, p + at, 8);
    return ZS__ZNS_CRC64(c, zs__zns_crc_word(p + at));
}

/* Runs of three parts of `part` bytes each, as many as n holds from *at on. [CRC-1] */
ZS__ZNS_CRC_HW static inline uint64_t zs__zns_crc_runs(uint64_t c, uint8_t *to, const uint8_t *p, size_t n, size_t *at,
                                                       size_t part)
{
    uint32_t(*shift)[256] = zs__zns_crc_shift[part == ZS__ZNS_CRC_SHORT];
    size_t i, k = *at;
    for (; n - k >= 3 * part; k += 3 * part) {
        uint64_t d = 0, e = 0;
        for (i = k; i < k + part; i += 8) {
            c = zs__zns_crc_step(c, to, p, i);
            d = zs__zns_crc_step(d, to, p, i + part);
            e = zs__zns_crc_step(e, to, p, i + 2 * part);
        }
        c = zs__zns_crc_shifted(shift, c) ^ d;
        c = zs__zns_crc_shifted(shift, c) ^ e;
    }
    *at = k;
    return c;
}

/* Sums n bytes, and copies them on the way unless `to` is NULL: inlined once for each. */
ZS__ZNS_CRC_HW static inline uint32_t zs__zns_crc_all(uint32_t crc, uint8_t *to, const uint8_t *p, size_t n)
{
    uint64_t c = (uint32_t)~crc;
    size_t at = 0;
    c = zs__zns_crc_runs(c, to, p, n, &at, ZS__ZNS_CRC_LONG);
    c = zs__zns_crc_runs(c, to, p, n, &at, ZS__ZNS_CRC_SHORT);
    for (; n - at >= 8; at += 8) c = zs__zns_crc_step(c, to, p, at);
    for (; at < n; at++) {
        if (to) to[at] = p[at];
        c = ZS__ZNS_CRC8(c, p[at]);
    }
    return ~(uint32_t)c;
}
ZS__ZNS_CRC_HW static uint32_t zs__zns_crc_hw(uint32_t crc, const uint8_t *p, size_t n)
{
    return zs__zns_crc_all(crc, NULL, p, n);
}
ZS__ZNS_CRC_HW static uint32_t zs__zns_crc_copy_hw(uint8_t *to, const uint8_t *p, size_t n)
{
    return zs__zns_crc_all(0, to, p, n);
}
#endif

static uint32_t zs__zns_crc(uint32_t crc, const void *p, size_t n)
{
    if (zs__load_acq_u32(&zs__zns_crc_ready) != 2) /* acquire: pairs with the store in zs__zns_crc_make */
        zs__zns_crc_make();
#ifdef ZS__ZNS_CRC_HW
    if (ZS__ZNS_CRC_HAS_HW) return zs__zns_crc_hw(crc, (const uint8_t *)p, n);
#endif
    return zs__zns_crc_soft(crc, (const uint8_t *)p, n);
}

/* [CRC-2] Where one bit flipped, `diff` (the crc that stands there ^ the crc of what was read) says which: no two
           bits of less than 2^31 have the same. Two flips look like none of them, nearly always three, too.
   The byte of `a` followed by `b`, with the bit to flip back in *out_bit; NULL: it was more than one. */
static uint8_t *zs__zns_crc_culprit(uint8_t *a, size_t an, uint8_t *b, size_t bn, uint32_t diff, uint8_t *out_bit)
{
    uint32_t seen[8], i;
    size_t n = an + bn;
    for (i = 0; i < 8; i++) seen[i] = zs__zns_crc_table[0][1u << i]; /* a bit of the last byte */
    while (n--) {
        for (i = 0; i < 8; i++) {
            if (seen[i] == diff) {
                *out_bit = (uint8_t)(1u << i);
                return n < an ? a + n : b + (n - an);
            }
            seen[i] = seen[i] >> 8 ^ zs__zns_crc_table[0][seen[i] & 255]; /* and of the byte before */
        }
    }
    return NULL;
}

/* `n` bytes whose crc should be `want`: 0 they are whole, 1 they are again after flipping one bit (of the crc
   itself, too), -1 they are not. */
static int zs__zns_crc_mend(uint8_t *p, size_t n, uint32_t want)
{
    uint32_t diff = zs__zns_crc(0, p, n) ^ want;
    uint8_t bit = 0, *at;
    if (!diff) return 0;
    if (zs__is_pow2(diff)) return 1;
    at = zs__zns_crc_culprit(p, n, NULL, 0, diff, &bit);
    if (at) *at ^= bit;
    return at ? 1 : -1;
}

/* Copies and sums: what an append into a packing buffer costs. Short ones in one pass; of long ones a piece is
   summed while the nearest cache still has it from the copy, which moves whole cache lines. */
static uint32_t zs__zns_crc_copy(uint8_t *to, const uint8_t *from, size_t n)
{
    uint32_t crc = 0;
#ifdef ZS__ZNS_CRC_HW
    if (zs__load_acq_u32(&zs__zns_crc_ready) != 2) /* acquire: as above */
        zs__zns_crc_make();
    if (n < (size_t)2 * ZS__ZNS_CRC_PIECE && ZS__ZNS_CRC_HAS_HW) return zs__zns_crc_copy_hw(to, from, n);
#endif
    while (n) {
        size_t part = n < (size_t)2 * ZS__ZNS_CRC_PIECE ? n : ZS__ZNS_CRC_PIECE;
        memcpy(to, from, part);
        crc = zs__zns_crc(crc, from, part);
        to += part;
        from += part;
        n -= part;
    }
    return crc;
}

/* Wait a little: the first times by yielding, then 50 us at a time. */
static void zs__zns_nap(uint32_t tries)
{
#if ZSLAB_ZNS_HAS_FILE
    struct timespec t;
    if (tries >= 200) {
        t.tv_sec = 0;
        t.tv_nsec = 50000;
        nanosleep(&t, NULL);
        return;
    }
#else
    (void)tries;
#endif
    zs__os_yield();
}

/* Sleeps while *word is `value`, at most ns (UINT64_MAX: no limit), and sometimes less: the caller looks again. */
static void zs__zns_sleep(uint32_t *word, uint32_t value, uint64_t ns)
{
#if defined(__linux__) && defined(SYS_futex)
    struct {
        long seconds, nanoseconds;
    } left;
    left.seconds = (long)(ns / 1000000000u);
    left.nanoseconds = (long)(ns % 1000000000u);
    syscall(SYS_futex, word, 128, value, ns == UINT64_MAX ? NULL : &left, (void *)NULL, 0); /* FUTEX_WAIT_PRIVATE */
#else
    (void)ns;
    if (zs__load_acq_u32(word) == value) zs__zns_nap(200); /* acquire: pairs with who changed it */
#endif
}
static void zs__zns_wake(uint32_t *word, int count)
{
#if defined(__linux__) && defined(SYS_futex)
    syscall(SYS_futex, word, 129, count, (void *)NULL, (void *)NULL, 0); /* FUTEX_WAKE_PRIVATE */
#else
    (void)word, (void)count;
#endif
}

/* Memory for device buffers: 4096-aligned, the allocation's start kept in front. */
static void *zs__zns_pages(size_t bytes)
{
    /* cppcheck-suppress pointerSize; room for the pointer itself */
    uint8_t *raw = (uint8_t *)(malloc)(bytes + 4096 + sizeof(void *)), *p;
    if (!raw) return NULL;
    p = raw + sizeof(void *);
    p += zs__round_up((size_t)p, 4096) - (size_t)p;
    memcpy(p - sizeof(void *), &raw, sizeof(void *)); /* cppcheck-suppress pointerSize; the pointer is what is kept */
    return p;
}
static void zs__zns_pages_free(void *p)
{
    void *raw;
    if (!p) return;
    memcpy(&raw, (uint8_t *)p - sizeof(void *), sizeof(void *));
    (free)(raw);
}

/* ---- >>seam ----------------------------------------------------------------
   A device is zslab_zns_ops plus what only our own devices have. Above it there are results and byte
   offsets; below it errno, sectors and NVMe status are translated once.             */
typedef struct zs__zns_io { /* one append; with a queue it may be under way between begin and wait */
    zslab_zns_iov iov[2];
    size_t iov_count;
    uint64_t at;         /* where the device put it */
    uint64_t place, big; /* the queue's: place in the file, 0: refused; what the command returned */
    uint32_t zone, ring;
    int rc, res;
    uint32_t late; /* file device's cache model: the blocks are taken over when it is waited for */
    uint32_t done; /* rc, or res, is final */
} zs__zns_io;

/* What the device was told last about the store: where recovery may begin to doubt, and what a reader beside the
   writer may show. */
typedef struct zs__zns_note {
    uint64_t synced;       /* frame sequences below this were covered by a flush */
    uint64_t serial;       /* of the last frame of the metadata log that was; 0: no note */
    uint64_t live_hash;    /* of the epochs living then, and how many: see zs__zns_head */
    uint32_t live, resets; /* resets: of all zones, by the device */
} zs__zns_note;

#define ZS__ZNS_SICK_TABLE 1u /* a zone's entry is damaged */
#define ZS__ZNS_SICK_SHORT 2u /* the file is shorter than its zones */
#define ZS__ZNS_SICK_SUPER 4u /* the superblock was damaged and is known all the same */

typedef struct zs__zns_why {       /* what failed last: a call, a field, an operation of the device */
    const char *call, *field, *op; /* texts that stay; NULL: none */
    uint64_t have, want;           /* of the field, when they differ */
    zslab_result result;           /* of the call */
    int rc, error;                 /* of the operation; its errno or 0 */
    uint32_t zone, block, status;  /* ZS__ZNS_NONE: of no zone, of no block; NVMe status or 0 */
} zs__zns_why;
static zs__zns_why zs__zns_refused; /* the last open or close that failed; zs__zns_refused_lock, taken last */
static zs__lock zs__zns_refused_lock;

typedef struct zs__zns_dev {
    zslab_zns_ops ops;
    void *user;
    zs__zns_why why;        /* of an open that failed */
    const uint32_t *status; /* what the drive answered last, for people; NULL: it has no such */
    uint32_t uses_append;
    uint32_t sick;   /* ZS__ZNS_SICK_*: found when the device was opened */
    uint32_t beside; /* another process has it open for writing */
    uint32_t fresh;  /* made by this open: there is nothing in it */
    char **made;     /* its path, by which a close removes it: NULL once the open has succeeded; NULL: there is none */
    int (*note)(void *user, const zs__zns_note *n);
    void (*noted)(void *user, zs__zns_note *out); /* as it is now; NULL both: the device keeps none */
    void (*distrust)(void *user); /* from now on all zones are full of what may be data, none is written */
    int (*mend)(void *user, const uint8_t *keep);  /* ends that: zones to keep are full, others as the table says */
    int (*look)(void *user, uint32_t *out_resets); /* beside a writer: the table anew; each zone's resets */
    int (*reset_range)(void *user, uint32_t first, uint32_t count); /* NULL: zone by zone */
    void (*begin)(void *user, zs__zns_io *io);          /* an append, left under way; NULL: there is no queue */
    int (*wait)(void *user, zs__zns_io *io, int block); /* 1: done, rc and at are set; 0: not yet (block 0) */
    uint32_t queue_depth, queue_refused;                /* 0: no queue; the errno by which the system refused one */
} zs__zns_dev;

static ZS__UNUSED int zs__zns_errno(int e)
{
    switch (e) {
    case 0:
        return 0;
#ifdef EDQUOT
    case EDQUOT:
#endif
    case ENOSPC:
        return -(int)ZSLAB_E_NO_SPACE;
    case EACCES:
    case EPERM:
        return -(int)ZSLAB_E_PERMISSION;
    case EROFS:
        return -(int)ZSLAB_E_READ_ONLY;
    case EBUSY:
        return -(int)ZSLAB_E_BUSY;
    case EAGAIN:
        return -(int)ZSLAB_E_GONE; /* a multipath head without a path left */
    case ENOMEM:
        return -(int)ZSLAB_E_NOMEM;
#ifdef ENXIO
    case ENXIO:
#endif
    case ENODEV:
        return -(int)ZSLAB_E_GONE;
#ifdef EOVERFLOW
    /* NOLINTNEXTLINE(bugprone-branch-clone): systems differ in which of the two names exist */
    case EOVERFLOW:
        return -(int)ZSLAB_E_NO_ACTIVE_ZONE;
#endif
#ifdef ETOOMANYREFS
    case ETOOMANYREFS:
        return -(int)ZSLAB_E_NO_ACTIVE_ZONE;
#endif
    default:
        return -(int)ZSLAB_E_IO;
    }
}

/* The field that makes no sense, or NULL. */
static const char *zs__zns_geometry_wrong(const zslab_zns_geometry *g)
{
    if (g->block_bytes < 512 || g->block_bytes > 65536 || !zs__is_pow2(g->block_bytes))
        return "geometry.block_bytes: not a power of two from 512 to 65,536";
    if (g->zone_count < 4 || g->zone_count >= 1u << 24) return "geometry.zone_count: less than 4, or 2^24 and more";
    if (g->zone_bytes % g->block_bytes || g->zone_bytes > UINT64_MAX / 2 / g->zone_count)
        return "geometry.zone_bytes: no multiple of block_bytes, or too large";
    if (g->zone_capacity_bytes % g->block_bytes || g->zone_capacity_bytes > g->zone_bytes ||
        g->zone_capacity_bytes / g->block_bytes < 16 || g->zone_capacity_bytes / g->block_bytes >= (uint64_t)1 << 32)
        return "geometry.zone_capacity_bytes: no multiple of block_bytes, less than 16 blocks, or more than zone_bytes";
    if (g->max_append_bytes < 2 * g->block_bytes) return "geometry.max_append_bytes: less than two blocks";
    if (g->max_active == 1) return "geometry.max_active: 1 is too few";
    return g->max_open == 1 ? "geometry.max_open: 1 is too few" : NULL;
}

/* Fills defaults and says whether the result makes sense. */
static zslab_result zs__zns_geometry_check(zslab_zns_geometry *g, zs__zns_why *why)
{
    if (!g->block_bytes) g->block_bytes = 4096;
    if (!g->zone_bytes) g->zone_bytes = (uint64_t)4 << 20;
    if (!g->zone_capacity_bytes) g->zone_capacity_bytes = g->zone_bytes;
    if (!g->zone_count) g->zone_count = 64;
    if (!g->max_append_bytes) g->max_append_bytes = 128u << 10;
    why->field = zs__zns_geometry_wrong(g);
    return why->field ? ZSLAB_E_GEOMETRY : ZSLAB_OK;
}

static ZS__UNUSED size_t zs__zns_iov_bytes(const zslab_zns_iov *iov, size_t count)
{
    size_t i, sum = 0;
    for (i = 0; i < count; i++) sum += iov[i].bytes;
    return sum;
}

/* ---- >>seam-uring ----------------------------------------------------------
   A queue: a few io_uring rings, so that threads seldom meet. Each ring's lock guards both of its sides.
   [IO-1] An io belongs to its ring from the push to the completion that sets done; its memory and what it
          writes from stay untouched until then. Exactly one thread asks for its end (zs__zns_queue_done).
   Nothing runs in the background: completions are taken in by whoever waits or pushes.          */
#if ZSLAB_ZNS_USE_URING
#include <linux/io_uring.h>

#define ZS__ZNS_RINGS 4u
#define ZS__ZNS_DEPTH 32u
#define ZS__ZNS_DEPTH_MAX 1024u

typedef struct zs__zns_ring {
    zs__lock lock; /* everything here and the shared rings behind it */
    int fd;
    uint32_t entries, underway, sq_mask, cq_mask;
    uint32_t *sq_head, *sq_tail, *sq_array, *cq_head, *cq_tail; /* shared with the kernel */
    uint8_t *map, *sqe, *cqe;
    size_t map_bytes, sqe_bytes, sqe_size, cqe_size;
} zs__zns_ring;

typedef struct zs__zns_queue {
    zs__zns_ring ring[ZS__ZNS_RINGS];
    uint32_t rings, depth;
    uint32_t turn; /* where the next push begins to look: a hint */
} zs__zns_queue;

static void zs__zns_ring_close(zs__zns_ring *r)
{
    if (r->map) munmap(r->map, r->map_bytes);
    if (r->sqe) munmap(r->sqe, r->sqe_bytes);
    if (r->fd >= 0) (close)(r->fd);
}

/* 0, or the errno of the kernel's refusal. `big`: entries with room for a device command and its result. */
static int zs__zns_ring_open(zs__zns_ring *r, uint32_t entries, int big)
{
    struct io_uring_params p;
    size_t sq_bytes, cq_bytes;
#if defined(__linux__)
    void *map;
#endif
    memset(&p, 0, sizeof p);
#ifdef IORING_SETUP_SQE128
    if (big) p.flags = IORING_SETUP_SQE128 | IORING_SETUP_CQE32;
#endif
    r->fd = (int)syscall(__NR_io_uring_setup, entries, &p);
    if (r->fd < 0) return errno;
    if (!(p.features & IORING_FEAT_SINGLE_MMAP)) return ENOSYS;
    r->sqe_size = sizeof(struct io_uring_sqe) << (big != 0);
    r->cqe_size = sizeof(struct io_uring_cqe) << (big != 0);
    sq_bytes = p.sq_off.array + p.sq_entries * sizeof(uint32_t);
    cq_bytes = p.cq_off.cqes + p.cq_entries * r->cqe_size;
    r->map_bytes = sq_bytes > cq_bytes ? sq_bytes : cq_bytes;
    r->sqe_bytes = p.sq_entries * r->sqe_size;
    map = mmap(NULL, r->map_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, (off_t)IORING_OFF_SQ_RING);
    if (map == MAP_FAILED) return errno;
    r->map = (uint8_t *)map;
    map = mmap(NULL, r->sqe_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, (off_t)IORING_OFF_SQES);
    if (map == MAP_FAILED) return errno;
    r->sqe = (uint8_t *)map;
    r->entries = entries;
    r->sq_head = (uint32_t *)(void *)(r->map + p.sq_off.head);
    r->sq_tail = (uint32_t *)(void *)(r->map + p.sq_off.tail);
    r->sq_array = (uint32_t *)(void *)(r->map + p.sq_off.array);
    r->cq_head = (uint32_t *)(void *)(r->map + p.cq_off.head);
    r->cq_tail = (uint32_t *)(void *)(r->map + p.cq_off.tail);
    r->cqe = r->map + p.cq_off.cqes;
    r->sq_mask = p.sq_entries - 1;
    r->cq_mask = p.cq_entries - 1;
    return 0;
}

static void zs__zns_queue_close(zs__zns_queue *q)
{
    uint32_t i;
    for (i = 0; q && i < q->rings; i++) zs__zns_ring_close(&q->ring[i]);
    (free)(q);
}

/* A queue of `depth` (0: the default), or NULL with the errno; 0 there: none was wanted. */
static zs__zns_queue *zs__zns_queue_open(uint32_t depth, int big, uint32_t *out_refused)
{
    zs__zns_queue *q;
    int refused = 0;
    *out_refused = 0;
    if (!depth) depth = ZS__ZNS_DEPTH;
    if (depth == 1) return NULL;
    if (depth > ZS__ZNS_DEPTH_MAX) depth = ZS__ZNS_DEPTH_MAX;
    q = (zs__zns_queue *)(calloc)(1, sizeof *q);
    *out_refused = q ? 0 : (uint32_t)ENOMEM;
    if (!q) return NULL;
    q->depth = depth;
    while (!refused && q->rings < ZS__ZNS_RINGS && q->rings * 2 < depth) { /* at least two entries each */
        uint32_t most = depth < ZS__ZNS_RINGS * 2 ? depth / 2 : ZS__ZNS_RINGS;
        uint32_t share = depth / most + (q->rings < depth % most);
        if (q->rings == most) break;
        refused = zs__zns_ring_open(&q->ring[q->rings++], share, big);
    }
    if (!refused) return q;
    *out_refused = (uint32_t)refused;
    zs__zns_queue_close(q);
    return NULL;
}

/* Lock held. Takes in what has been completed. */
static void zs__zns_ring_reap(zs__zns_ring *r)
{
    uint32_t head = *r->cq_head;                  /* ours alone to change, under the lock */
    uint32_t tail = zs__load_acq_u32(r->cq_tail); /* acquire: the entries. Pairs with the kernel's store */
    for (; head != tail; head++) {
        const struct io_uring_cqe *c =
            (const struct io_uring_cqe *)(const void *)(r->cqe + (head & r->cq_mask) * r->cqe_size);
        zs__zns_io *io = (zs__zns_io *)(uintptr_t)c->user_data;
        io->res = c->res;
        if (r->cqe_size > sizeof *c) memcpy(&io->big, (const uint8_t *)c + sizeof *c, sizeof io->big);
        r->underway--;
        zs__store_rel_u32(&io->done, 1); /* release: res and big. Pairs with zs__zns_queue_done */
    }
    zs__store_rel_u32(r->cq_head, head); /* release: entries read. Pairs with the kernel's load */
}

/* Lock held. Hands one entry to the kernel; 0: it does not take it now. */
static int zs__zns_ring_push(zs__zns_ring *r, const void *sqe)
{
    uint32_t tail = *r->sq_tail, at = tail & r->sq_mask; /* ours alone to change, under the lock */
    memcpy(r->sqe + at * r->sqe_size, sqe, r->sqe_size);
    r->sq_array[at] = at;
    zs__store_rel_u32(r->sq_tail, tail + 1); /* release: the entry. Pairs with the kernel's load */
    r->underway++;
    if (syscall(__NR_io_uring_enter, r->fd, 1, 0, 0, (void *)NULL, 0) == 1) return 1;
    if (zs__load_acq_u32(r->sq_head) == tail + 1) return 1; /* acquire: taken all the same */
    zs__store_rel_u32(r->sq_tail, tail); /* release: as above; the kernel reads it within the call only */
    r->underway--;
    return 0;
}

/* Starts what `sqe` says for io, on a ring that is free and not full. 1: started. */
static int zs__zns_queue_start(zs__zns_queue *q, zs__zns_io *io, struct io_uring_sqe *sqe)
{
    uint32_t i, from = zs__add_u32(&q->turn, 1);
    int started = 0;
    sqe->user_data = (uint64_t)(uintptr_t)io;
    for (i = 0; i < q->rings && !started; i++) {
        uint32_t at = (from + i) % q->rings;
        zs__zns_ring *r = &q->ring[at];
        if (!zs__lock_try(&r->lock)) continue;
        zs__zns_ring_reap(r);
        io->ring = at + 1;
        io->done = 0;
        started = r->underway < r->entries && zs__zns_ring_push(r, sqe);
        zs__lock_drop(&r->lock);
    }
    if (!started) io->ring = 0;
    return started;
}

/* Is it done? `block` waits for that. */
static int zs__zns_queue_done(zs__zns_queue *q, zs__zns_io *io, int block)
{
    zs__zns_ring *r = &q->ring[io->ring - 1];
    uint32_t tries;
    for (tries = 0; !zs__load_acq_u32(&io->done); tries++) { /* acquire: pairs with zs__zns_ring_reap */
        if (!zs__lock_try(&r->lock)) {
            if (!block) return 0;
            zs__zns_nap(tries);
            continue;
        }
        zs__zns_ring_reap(r);
        if (block && !zs__load_acq_u32(&io->done)) { /* acquire: as above */
            syscall(__NR_io_uring_enter, r->fd, 0, 1, IORING_ENTER_GETEVENTS, (void *)NULL, 0);
            zs__zns_ring_reap(r);
        }
        zs__lock_drop(&r->lock);
        if (!block) break;
    }
    return zs__load_acq_u32(&io->done) != 0; /* acquire: as above */
}
#endif /* ZSLAB_ZNS_USE_URING */

/* ---- >>seam-file -----------------------------------------------------------
   A regular file that behaves like a zoned drive: superblock, zone table, data. The zone table is kept in
   memory, one 64-bit word a zone: blocks written << 8 | condition, moved by compare-and-swap, so that an
   append that meets a reset lands where a drive's would. What changed is written to the file before the
   operation returns: it survives the process being killed, and no page of a mapping can fault.
   [FILE-1] An append owns the blocks between the old and the new write pointer: nobody else writes them.
   [FILE-2] active_count and open_count are changed with the lock held, when a condition changes.
   [FILE-3] an entry is written with table_lock held, from the word as it is then: the file never goes back.
   [FILE-4] a power cut takes a zone's entry back by less than ZS__ZNS_FILE_REACH blocks, and to no other condition:
   what goes further makes the next flush write the whole file. All others write the appends' range alone, and
   an open finds the frames in those blocks by their heads. So a commit is one write of one place.
   Faults strike by operation count. The volatile cache keeps unflushed blocks in memory; a crash keeps
   or drops each by seed and pulls write pointers back to somewhere between flushed and written.     */
#if ZSLAB_ZNS_HAS_FILE

#define ZS__ZNS_FILE_MAGIC "ZSLBFILE"
#define ZS__ZNS_FILE_VERSION 2u /* of superblock and table; 1: entries without crc, no note, no second superblock */
#define ZS__ZNS_FILE_ENTRY 32u  /* bytes a zone: u64 word, u32 resets, u32 crc of these and the zone, rest zero */
#define ZS__ZNS_FILE_ORDER 0x01020304u
#define ZS__ZNS_FILE_NOTE_AT 512u
#define ZS__ZNS_FILE_NOTE 40u     /* bytes: 4 x u64 as in zs__zns_note, u32 living epochs, u32 crc of 0-35 */
#define ZS__ZNS_FILE_REACH 64u    /* blocks: see [FILE-4] */
#define ZS__ZNS_FILE_SEARCH 1024u /* pages behind the first that may hold the second superblock */

typedef struct zs__zns_cache { /* the volatile cache of one zone */
    uint8_t **block;           /* capacity_blocks entries, NULL where flushed */
    zs__u64 flushed;           /* blocks below this are durable */
    zs__u64 undone;            /* the word before an unflushed reset, or 0 */
} zs__zns_cache;

typedef struct zs__zns_file {
    zslab_zns_geometry geometry;
    zs__u64 capacity_blocks, data_at, bytes; /* bytes: of the file; 0: a device without zones */
    zs__u64 *word, *saved;                   /* the table: as it is, as it stands in the file */
    uint32_t *resets;
    size_t table_bytes;
    char *path;          /* of a file made by this open, until that has succeeded: then NULL */
    zs__lock table_lock; /* [FILE-3] saved, resets, dirty_*, whole, flushing; taken with lock held or alone */
    uint8_t *map;        /* the file's places, for msync alone: nobody reads or writes there; NULL: none */
    uint64_t dirty_from, dirty_to, noted_serial; /* the appends' range since a flush began; of the last note */
    uint32_t whole, flushing;                    /* the next flush writes all; how many are under way */
    int fd, writable, generic;
    zs__zns_why why; /* of an open that is refused */
    uint32_t version, sick, distrusted, fresh;
    zs__u64 all_resets;
    zs__lock lock;                     /* conditions' counts; all of the cache */
    uint32_t active_count, open_count; /* [FILE-2] */
    zs__u64 op_count;                  /* operations so far */
    zslab_zns_fault *faults;
    uint64_t *struck; /* matching operations so far, one for each fault */
    size_t fault_count;
    uint32_t dead;        /* removed or crashed: a zslab_result */
    uint32_t unsynced;    /* a flush failed: the host may have forgotten what it could not write */
    zs__zns_cache *cache; /* one a zone; NULL: no volatile cache */
#if ZSLAB_ZNS_USE_URING
    zs__zns_queue *queue; /* NULL: none, or the cache's model of one */
#endif
} zs__zns_file;

static uint64_t *zs__zns_file_word(zs__zns_file *f, uint32_t zone) { return &f->word[zone]; }

static int zs__zns_file_is_active(uint32_t condition)
{
    return condition == ZSLAB_ZNS_OPEN || condition == ZSLAB_ZNS_CLOSED;
}

static int zs__zns_file_pwrite(zs__zns_file *f, const void *p, size_t n, uint64_t at)
{
    const uint8_t *bytes = (const uint8_t *)p;
    while (n) {
        ssize_t did = pwrite(f->fd, bytes, n, (off_t)at);
        if (did < 0 && errno == EINTR) continue;
        if (did <= 0) return did ? zs__zns_errno(errno) : -(int)ZSLAB_E_IO;
        bytes += did;
        n -= (size_t)did;
        at += (uint64_t)did;
    }
    return 0;
}

static uint32_t zs__zns_file_entry(uint8_t *p, uint64_t word, uint32_t resets, uint32_t zone)
{
    uint8_t sum[16];
    memset(p, 0, ZS__ZNS_FILE_ENTRY);
    memcpy(p, &word, 8);
    memcpy(p + 8, &resets, 4);
    memcpy(sum, p, 12);
    zs__zns_put32(sum + 12, zone);
    zs__zns_put32(p + 12, zs__zns_crc(0, sum, sizeof sum));
    return zs__zns_get32(p + 12);
}

/* Writes a zone's entry to the file unless it stands there already. [FILE-3] */
static int zs__zns_file_save(zs__zns_file *f, uint32_t zone)
{
    uint8_t entry[ZS__ZNS_FILE_ENTRY];
    uint64_t word;
    int rc = 0;
    zs__lock_take(&f->table_lock);
    word = zs__load_acq_u64(zs__zns_file_word(f, zone)); /* acquire: pairs with _set, _turn and appends' CAS */
    if (word != f->saved[zone]) {
        if ((word >> 8) < (f->saved[zone] >> 8)) {
            f->resets[zone]++;
            f->all_resets++;
        }
        if (((word ^ f->saved[zone]) & 255) ||
            (word >> 8) / ZS__ZNS_FILE_REACH != (f->saved[zone] >> 8) / ZS__ZNS_FILE_REACH)
            f->whole = 1; /* [FILE-4] */
        (void)zs__zns_file_entry(entry, word, f->resets[zone], zone);
        /* version 1 has no crc: only the word goes out */
        rc = zs__zns_file_pwrite(f, entry, f->version == 1 ? 8 : sizeof entry,
                                 4096 + (uint64_t)zone * ZS__ZNS_FILE_ENTRY);
        if (!rc) f->saved[zone] = word;
    }
    zs__lock_drop(&f->table_lock);
    return rc;
}

/* Lock held. A zone's condition goes from one to another; ZSLAB_ZNS_EMPTY to begin with. [FILE-2] */
static void zs__zns_file_count(zs__zns_file *f, uint64_t was, uint64_t now)
{
    uint32_t a = (uint32_t)(was & 255), b = (uint32_t)(now & 255);
    f->active_count += (uint32_t)zs__zns_file_is_active(b) - (uint32_t)zs__zns_file_is_active(a);
    f->open_count += (uint32_t)(b == ZSLAB_ZNS_OPEN) - (uint32_t)(a == ZSLAB_ZNS_OPEN);
}

/* Lock held. Sets a zone's word and keeps the counts. */
static void zs__zns_file_set(zs__zns_file *f, uint32_t zone, uint64_t was, uint64_t now)
{
    zs__zns_file_count(f, was, now);
    zs__store_rel_u64(zs__zns_file_word(f, zone), now); /* release: pairs with the loads of words */
    (void)zs__zns_file_save(f, zone);
}

/* Lock held. Lets the condition change to `condition`, whatever the write pointer does meanwhile. */
static void zs__zns_file_turn(zs__zns_file *f, uint32_t zone, uint32_t condition)
{
    uint64_t *word = zs__zns_file_word(f, zone), was = zs__load_acq_u64(word), now;
    do /* acquire above and in the CAS: pairs with stores of words by other threads */
        now = (was & ~(uint64_t)255) | condition;
    while (!zs__cas_u64(word, &was, now));
    zs__zns_file_count(f, was, now);
    (void)zs__zns_file_save(f, zone); /* failing that the file has the condition of before: as good at the next open */
}

#define ZS__ZNS_FILE_PIECES 8

/* All pieces one after the other from `at` on: in one call where the system has it. */
static int zs__zns_file_pwrite_all(zs__zns_file *f, const zslab_zns_iov *iov, size_t count, uint64_t at)
{
    size_t i;
    int rc = 0;
#if defined(__linux__) || defined(__FreeBSD__) || defined(__NetBSD__) || defined(__OpenBSD__)
    struct iovec piece[ZS__ZNS_FILE_PIECES];
    if (count > 1 && count <= ZS__ZNS_FILE_PIECES) {
        ssize_t did;
        for (i = 0; i < count; i++) {
            memcpy(&piece[i].iov_base, &iov[i].base, sizeof iov[i].base);
            piece[i].iov_len = iov[i].bytes;
        }
        did = pwritev(f->fd, piece, (int)count, (off_t)at);
        if (did > 0 && (size_t)did == zs__zns_iov_bytes(iov, count)) return 0;
    } /* else piece by piece: what went wrong is told there, and a short write is completed */
#endif
    for (i = 0; i < count && !rc; at += iov[i].bytes, i++) rc = zs__zns_file_pwrite(f, iov[i].base, iov[i].bytes, at);
    return rc;
}

static int zs__zns_file_pread(zs__zns_file *f, void *p, size_t n, uint64_t at)
{
    uint8_t *bytes = (uint8_t *)p;
    while (n) {
        ssize_t did = pread(f->fd, bytes, n, (off_t)at);
        if (did < 0 && errno == EINTR) continue;
        if (did <= 0) /* 0: the file was cut short */
            return did ? zs__zns_errno(errno) : -(int)ZSLAB_E_IO;
        bytes += did;
        n -= (size_t)did;
        at += (uint64_t)did;
    }
    return 0;
}

static uint64_t zs__zns_file_place(const zs__zns_file *f, uint32_t zone, uint64_t block)
{
    return f->data_at + zone * f->geometry.zone_capacity_bytes + block * f->geometry.block_bytes;
}

/* Lock held, volatile cache. Writes a zone's cached blocks out, or drops each by a coin. */
static int zs__zns_file_settle(zs__zns_file *f, uint32_t zone, uint64_t *coin)
{
    zs__zns_cache *c = &f->cache[zone];
    uint64_t i;
    int rc = 0, r;
    for (i = 0; c->block && i < f->capacity_blocks; i++) {
        if (!c->block[i]) continue;
        if (!coin || (zs__zns_mix(coin) & 1)) {
            r = zs__zns_file_pwrite(f, c->block[i], f->geometry.block_bytes, zs__zns_file_place(f, zone, i));
            rc = rc ? rc : r;
        }
        (free)(c->block[i]);
        c->block[i] = NULL;
    }
    c->flushed = zs__load_acq_u64(zs__zns_file_word(f, zone)) >> 8; /* acquire: its append's pointer */
    c->undone = 0;
    return rc;
}

/* Lock held. The power goes: unflushed blocks stay or go by seed, pointers fall back, the device is dead. */
static void zs__zns_file_crash(zs__zns_file *f, uint64_t seed)
{
    uint32_t zone;
    uint64_t coin = seed;
    for (zone = 0; f->cache && zone < f->geometry.zone_count; zone++) {
        uint64_t word = zs__load_acq_u64(zs__zns_file_word(f, zone)), wp = word >> 8, flushed = f->cache[zone].flushed;
        uint64_t undone = f->cache[zone].undone;
        uint32_t condition = (uint32_t)(word & 255); /* acquire above: the pointer of a finished append */
        zs__zns_file_settle(f, zone, &coin);
        if (undone && condition == ZSLAB_ZNS_EMPTY && (zs__zns_mix(&coin) & 1)) {
            zs__zns_file_set(f, zone, word, undone);
        } else if (wp > flushed && condition != ZSLAB_ZNS_READ_ONLY && condition != ZSLAB_ZNS_OFFLINE) {
            uint64_t roll = zs__zns_mix(&coin) % 4, kept = wp;
            if (roll) kept = roll == 1 ? flushed : flushed + zs__zns_mix(&coin) % (wp - flushed + 1);
            if (kept != wp) condition = kept ? ZSLAB_ZNS_CLOSED : ZSLAB_ZNS_EMPTY;
            zs__zns_file_set(f, zone, word, kept << 8 | condition);
        }
    }
    zs__store_rel_u32(&f->dead, (uint32_t)ZSLAB_E_GONE); /* release: what the crash wrote. Pairs with _strike */
}

/* What goes wrong with this operation: the fault, or NULL. Counts operations. */
static const zslab_zns_fault *zs__zns_file_strike(zs__zns_file *f, uint32_t op, uint32_t zone)
{
    const zslab_zns_fault *hit = NULL;
    size_t i;
    zs__add_u64(&f->op_count, 1);
    for (i = 0; i < f->fault_count; i++) {
        const zslab_zns_fault *t = &f->faults[i];
        uint64_t n, at = t->at ? t->at : 1, count = t->count ? t->count : 1;
        if ((t->ops && !(t->ops & op)) || (t->only_zone && t->zone != zone)) continue;
        n = zs__add_u64(&f->struck[i], 1) + 1;
        if (n >= at && n - at < count && !hit) hit = t;
    }
    if (hit && hit->kind == ZSLAB_ZNS_FAULT_REORDER) {
        uint64_t s = hit->seed ^ zs__load_u64(&f->op_count), n = zs__zns_mix(&s) % 16; /* relaxed: any value serves */
        while (n--) zs__os_yield();
        hit = NULL;
    }
    if (hit && hit->kind == ZSLAB_ZNS_FAULT_GONE)
        zs__store_rel_u32(&f->dead, (uint32_t)ZSLAB_E_GONE); /* release: pairs with the loads of dead */
    return hit;
}

static int zs__zns_file_dead(zs__zns_file *f)
{
    return -(int)zs__load_acq_u32(&f->dead); /* acquire: pairs with the stores in _crash and _strike */
}

/* A fault that needs no more than a condition and an answer; the others are the caller's. */
static int zs__zns_file_suffer(zs__zns_file *f, const zslab_zns_fault *t, uint32_t zone)
{
    int rc = -(int)ZSLAB_E_IO;
    switch (t->kind) {
    case ZSLAB_ZNS_FAULT_READ_ONLY:
    case ZSLAB_ZNS_FAULT_OFFLINE:
        zs__lock_take(&f->lock);
        if (zone < f->geometry.zone_count)
            zs__zns_file_turn(f, zone, t->kind == ZSLAB_ZNS_FAULT_OFFLINE ? ZSLAB_ZNS_OFFLINE : ZSLAB_ZNS_READ_ONLY);
        zs__lock_drop(&f->lock);
        rc = -(int)(t->kind == ZSLAB_ZNS_FAULT_OFFLINE ? ZSLAB_E_OFFLINE : ZSLAB_E_READ_ONLY);
        break;
    case ZSLAB_ZNS_FAULT_LIMIT:
        rc = -(int)ZSLAB_E_NO_ACTIVE_ZONE;
        break;
    case ZSLAB_ZNS_FAULT_GONE:
        return -(int)ZSLAB_E_GONE;
    case ZSLAB_ZNS_FAULT_CRASH:
        zs__lock_take(&f->lock);
        zs__zns_file_crash(f, t->seed);
        zs__lock_drop(&f->lock);
        return -(int)ZSLAB_E_GONE;
    default:
        break;
    }
    return f->generic ? -(int)ZSLAB_E_IO : rc;
}

static int zs__zns_file_report(void *user, uint32_t first, uint32_t count, zslab_zns_zone *out)
{
    zs__zns_file *f = (zs__zns_file *)user;
    const zslab_zns_fault *hit = zs__zns_file_strike(f, ZSLAB_ZNS_OP_REPORT, first);
    uint32_t i;
    if (zs__zns_file_dead(f)) return zs__zns_file_dead(f);
    if (hit) return zs__zns_file_suffer(f, hit, first);
    for (i = 0; i < count; i++) {
        uint64_t word = zs__load_acq_u64(zs__zns_file_word(f, first + i)); /* acquire: pairs with _set, CASes */
        out[i].start = (first + i) * f->geometry.zone_bytes;
        out[i].capacity = f->geometry.zone_capacity_bytes;
        out[i].write_pointer = out[i].start + (word >> 8) * f->geometry.block_bytes;
        out[i].condition = (uint32_t)(word & 255);
        if (f->distrusted && out[i].condition < ZSLAB_ZNS_FULL) out[i].condition = ZSLAB_ZNS_FULL;
    }
    return 0;
}

/* Makes a zone writable: EMPTY and CLOSED become OPEN if the limits allow; another zone is closed for it. */
static int zs__zns_file_activate(zs__zns_file *f, uint32_t zone)
{
    const zslab_zns_geometry *g = &f->geometry;
    uint32_t condition, i;
    int rc = 0;
    zs__lock_take(&f->lock);
    condition = (uint32_t)(zs__load_acq_u64(zs__zns_file_word(f, zone)) & 255); /* acquire: pairs with _set */
    if (condition == ZSLAB_ZNS_EMPTY && g->max_active && f->active_count >= g->max_active)
        rc = -(int)ZSLAB_E_NO_ACTIVE_ZONE;
    else if (condition == ZSLAB_ZNS_EMPTY || condition == ZSLAB_ZNS_CLOSED) {
        for (i = 0; g->max_open && f->open_count >= g->max_open && i < g->zone_count; i++)
            if (i != zone && (zs__load_acq_u64(zs__zns_file_word(f, i)) & 255) == ZSLAB_ZNS_OPEN)
                zs__zns_file_turn(f, i, ZSLAB_ZNS_CLOSED); /* acquire above: pairs with _set */
        zs__zns_file_turn(f, zone, ZSLAB_ZNS_OPEN);
    }
    zs__lock_drop(&f->lock);
    return rc;
}

/* Moves the write pointer by n blocks; *out is where it stood. [FILE-1] */
static int zs__zns_file_reserve(zs__zns_file *f, uint32_t zone, uint64_t n, uint64_t *out)
{
    uint64_t *word = zs__zns_file_word(f, zone), was = zs__load_acq_u64(word), now;
    for (;;) { /* acquire above and in the CAS: pairs with other appends, resets and turns */
        uint32_t condition = (uint32_t)(was & 255);
        int rc = condition == ZSLAB_ZNS_READ_ONLY                                     ? -(int)ZSLAB_E_READ_ONLY
                 : condition == ZSLAB_ZNS_OFFLINE                                     ? -(int)ZSLAB_E_OFFLINE
                 : condition == ZSLAB_ZNS_FULL || (was >> 8) + n > f->capacity_blocks ? -(int)ZSLAB_E_NO_SPACE
                                                                                      : 0;
        if (rc) return rc;
        if (condition != ZSLAB_ZNS_OPEN) {
            rc = zs__zns_file_activate(f, zone);
            if (rc) return rc;
            was = zs__load_acq_u64(word); /* acquire: as above */
            continue;
        }
        now = was + (n << 8);
        if (zs__cas_u64(word, &was, now)) break;
    }
    *out = was >> 8;
    if (now >> 8 == f->capacity_blocks) {
        zs__lock_take(&f->lock);
        if (zs__load_acq_u64(word) == now) /* acquire: a reset may have come between */
            zs__zns_file_turn(f, zone, ZSLAB_ZNS_FULL);
        zs__lock_drop(&f->lock);
    }
    return 0;
}

/* Volatile cache: keeps the blocks in memory. */
static int zs__zns_file_keep(zs__zns_file *f, uint32_t zone, uint64_t block, const zslab_zns_iov *iov, size_t count)
{
    zs__zns_cache *c = &f->cache[zone];
    size_t i, done, size = f->geometry.block_bytes, filled = 0;
    int rc = 0;
    zs__lock_take(&f->lock);
    if (!c->block) c->block = (uint8_t **)(calloc)((size_t)f->capacity_blocks, sizeof *c->block);
    c->undone = 0;
    for (i = 0; i < count && c->block && !rc; i++)
        for (done = 0; done < iov[i].bytes && !rc;) {
            size_t part = size - filled < iov[i].bytes - done ? size - filled : iov[i].bytes - done;
            if (!c->block[block] && !(c->block[block] = (uint8_t *)(calloc)(1, size)))
                rc = -(int)ZSLAB_E_NOMEM;
            else
                memcpy(c->block[block] + filled, (const uint8_t *)iov[i].base + done, part);
            done += part;
            filled += part;
            if (filled == size) {
                filled = 0;
                block++;
            }
        }
    rc = c->block ? rc : -(int)ZSLAB_E_NOMEM;
    zs__lock_drop(&f->lock);
    return rc;
}

/* The first half of an append: faults, checks, the place. 0: *block on are to be written; *out_crash: the
   power goes when that is done. */
static int zs__zns_file_claim(zs__zns_file *f, uint32_t zone, size_t bytes, uint64_t *block,
                              const zslab_zns_fault **out_crash)
{
    const zslab_zns_fault *hit = zs__zns_file_strike(f, ZSLAB_ZNS_OP_APPEND, zone);
    uint32_t kind = hit ? hit->kind : 0;
    int rc;
    *out_crash = kind == ZSLAB_ZNS_FAULT_CRASH ? hit : NULL;
    if (zs__zns_file_dead(f)) return zs__zns_file_dead(f);
    if (!bytes || bytes % f->geometry.block_bytes || bytes > f->geometry.max_append_bytes ||
        zone >= f->geometry.zone_count)
        return -(int)ZSLAB_E_INVALID;
    if (!f->writable || f->distrusted) return -(int)ZSLAB_E_READ_ONLY;
    if (hit && kind != ZSLAB_ZNS_FAULT_HOLE && kind != ZSLAB_ZNS_FAULT_CRASH) return zs__zns_file_suffer(f, hit, zone);
    rc = zs__zns_file_reserve(f, zone, bytes / f->geometry.block_bytes, block);
    if (!rc && kind == ZSLAB_ZNS_FAULT_HOLE) {
        (void)zs__zns_file_save(f, zone);
        rc = -(int)ZSLAB_E_IO;
    }
    return rc && f->generic ? -(int)ZSLAB_E_IO : rc;
}

/* The end of an append: what was written counts, and the file says so; what failed gives its blocks back unless
   another append stands behind it. */
static int zs__zns_file_settled(zs__zns_file *f, uint32_t zone, uint64_t block, uint64_t n, int rc)
{
    uint64_t was = (block + n) << 8 | ZSLAB_ZNS_OPEN, from = zs__zns_file_place(f, zone, block),
             to = zs__zns_file_place(f, zone, block + n);
    zs__lock_take(&f->table_lock);
    if (f->dirty_from == f->dirty_to || from < f->dirty_from) f->dirty_from = from;
    if (to > f->dirty_to) f->dirty_to = to;
    zs__lock_drop(&f->table_lock);
    if (!rc) return zs__zns_file_save(f, zone);
    (void)zs__cas_u64(zs__zns_file_word(f, zone), &was, block << 8 | ZSLAB_ZNS_OPEN); /* pairs with _reserve */
    (void)zs__zns_file_save(f, zone);
    return rc;
}

static int zs__zns_file_append(void *user, uint32_t zone, const zslab_zns_iov *iov, size_t iov_count,
                               uint64_t *out_offset)
{
    zs__zns_file *f = (zs__zns_file *)user;
    const zslab_zns_fault *crash;
    uint64_t block = 0;
    int rc = zs__zns_file_claim(f, zone, zs__zns_iov_bytes(iov, iov_count), &block, &crash);
    if (rc) return rc;
    if (f->cache)
        rc = zs__zns_file_keep(f, zone, block, iov, iov_count);
    else
        rc = zs__zns_file_pwrite_all(f, iov, iov_count, zs__zns_file_place(f, zone, block));
    rc = zs__zns_file_settled(f, zone, block, zs__zns_iov_bytes(iov, iov_count) / f->geometry.block_bytes, rc);
    if (crash) return zs__zns_file_suffer(f, crash, zone);
    *out_offset = zone * f->geometry.zone_bytes + block * f->geometry.block_bytes;
    return rc;
}

#if ZSLAB_ZNS_USE_URING
/* Starts an append. The cache's model keeps its blocks back until it is waited for: as late as can be, and
   gone with the power. Where no ring takes it, it is carried out at once. */
static void zs__zns_file_begin(void *user, zs__zns_io *io)
{
    zs__zns_file *f = (zs__zns_file *)user;
    const zslab_zns_fault *crash;
    struct io_uring_sqe sqe;
    uint64_t block = 0;
    io->rc = zs__zns_file_claim(f, io->zone, zs__zns_iov_bytes(io->iov, io->iov_count), &block, &crash);
    if (!io->rc && crash) io->rc = zs__zns_file_suffer(f, crash, io->zone);
    if (io->rc) return;
    io->at = io->zone * f->geometry.zone_bytes + block * f->geometry.block_bytes;
    io->place = zs__zns_file_place(f, io->zone, block);
    io->late = f->cache != NULL;
    if (io->late) return;
    memset(&sqe, 0, sizeof sqe);
    sqe.opcode = IORING_OP_WRITEV; /* iov is laid out as struct iovec: asserted below */
    sqe.fd = f->fd;
    sqe.addr = (uint64_t)(uintptr_t)io->iov;
    sqe.len = (uint32_t)io->iov_count;
    sqe.off = io->place;
    if (!zs__zns_queue_start(f->queue, io, &sqe))
        io->rc = zs__zns_file_pwrite_all(f, io->iov, io->iov_count, io->place);
}
/* The pieces are passed to the kernel as they are. */
ZS__STATIC_ASSERT(zns_iov, sizeof(zslab_zns_iov) == sizeof(struct iovec) &&
                               offsetof(zslab_zns_iov, bytes) == offsetof(struct iovec, iov_len));

/* A write that the ring did not complete is carried out again in the same place: it is this append's own. */
static int zs__zns_file_wait(void *user, zs__zns_io *io, int block)
{
    zs__zns_file *f = (zs__zns_file *)user;
    if (!io->place) return 1; /* refused: no blocks are its own [FILE-1] */
    if (io->late) {
        if (!block) return 0;
        io->late = 0;
        io->rc = zs__zns_file_keep(f, io->zone, io->at % f->geometry.zone_bytes / f->geometry.block_bytes, io->iov,
                                   io->iov_count);
    } else if (io->ring) {
        if (!zs__zns_queue_done(f->queue, io, block)) return 0;
        io->ring = 0;
        if (io->res < 0 || (size_t)io->res != zs__zns_iov_bytes(io->iov, io->iov_count))
            io->rc = zs__zns_file_pwrite_all(f, io->iov, io->iov_count, io->place);
    }
    io->rc = zs__zns_file_settled(f, io->zone, io->at % f->geometry.zone_bytes / f->geometry.block_bytes,
                                  zs__zns_iov_bytes(io->iov, io->iov_count) / f->geometry.block_bytes, io->rc);
    if (!io->rc) io->rc = zs__zns_file_dead(f); /* removed meanwhile: nobody was told that it arrived */
    return 1;
}
#endif

/* One piece inside one zone. Beyond the write pointer a drive gives its fill byte. */
static int zs__zns_file_read_zone(zs__zns_file *f, uint32_t zone, uint64_t from, uint8_t *to, size_t bytes)
{
    uint64_t word = zs__load_acq_u64(zs__zns_file_word(f, zone)); /* acquire: pairs with appends' CAS */
    uint64_t end = (f->distrusted ? f->capacity_blocks : word >> 8) * f->geometry.block_bytes, i;
    size_t have = from >= end ? 0 : (size_t)(end - from < bytes ? end - from : bytes), size = f->geometry.block_bytes;
    int rc = 0;
    if ((word & 255) == ZSLAB_ZNS_OFFLINE) return -(int)ZSLAB_E_OFFLINE;
    memset(to + have, f->geometry.fill, bytes - have);
    if (!have) return 0;
    rc = zs__zns_file_pread(f, to, have, zs__zns_file_place(f, zone, 0) + from);
    if (rc || !f->cache) return rc;
    zs__lock_take(&f->lock);
    for (i = from / size; f->cache[zone].block && i * size < from + have; i++)
        if (f->cache[zone].block[i]) memcpy(to + (i * size - from), f->cache[zone].block[i], size);
    zs__lock_drop(&f->lock);
    return 0;
}

static int zs__zns_file_read(void *user, uint64_t offset, void *buffer, size_t bytes)
{
    zs__zns_file *f = (zs__zns_file *)user;
    const zslab_zns_geometry *g = &f->geometry;
    uint8_t *to = (uint8_t *)buffer;
    const zslab_zns_fault *hit = zs__zns_file_strike(f, ZSLAB_ZNS_OP_READ, (uint32_t)(offset / g->zone_bytes));
    if (zs__zns_file_dead(f)) return zs__zns_file_dead(f);
    if (offset % g->block_bytes || bytes % g->block_bytes || offset + bytes > g->zone_bytes * g->zone_count)
        return -(int)ZSLAB_E_INVALID;
    if (hit) return zs__zns_file_suffer(f, hit, (uint32_t)(offset / g->zone_bytes));
    while (bytes) {
        uint32_t zone = (uint32_t)(offset / g->zone_bytes);
        uint64_t from = offset % g->zone_bytes;
        size_t part = (size_t)(g->zone_bytes - from < bytes ? g->zone_bytes - from : bytes);
        int rc = zs__zns_file_read_zone(f, zone, from, to, part);
        if (rc) return rc;
        offset += part;
        to += part;
        bytes -= part;
    }
    return 0;
}

static int zs__zns_file_manage(zs__zns_file *f, uint32_t zone, uint32_t op)
{
    const zslab_zns_fault *hit = zs__zns_file_strike(f, op, zone);
    uint64_t was;
    uint32_t condition;
    int rc = 0;
    if (zs__zns_file_dead(f)) return zs__zns_file_dead(f);
    if (zone >= f->geometry.zone_count || !f->writable || f->distrusted)
        return -(int)(f->writable && !f->distrusted ? ZSLAB_E_INVALID : ZSLAB_E_READ_ONLY);
    if (hit && !(hit->kind == ZSLAB_ZNS_FAULT_CRASH && (hit->seed & 1))) return zs__zns_file_suffer(f, hit, zone);
    zs__lock_take(&f->lock);
    was = zs__load_acq_u64(zs__zns_file_word(f, zone)); /* acquire: pairs with appends' CAS */
    condition = (uint32_t)(was & 255);
    if (condition == ZSLAB_ZNS_READ_ONLY || condition == ZSLAB_ZNS_OFFLINE) {
        rc = -(int)(condition == ZSLAB_ZNS_OFFLINE ? ZSLAB_E_OFFLINE : ZSLAB_E_READ_ONLY);
    } else if (op == ZSLAB_ZNS_OP_FINISH) {
        while (!zs__cas_u64(zs__zns_file_word(f, zone), &was, f->capacity_blocks << 8 | (was & 255)))
            ;
        zs__zns_file_turn(f, zone, ZSLAB_ZNS_FULL);
    } else if (condition != ZSLAB_ZNS_EMPTY) {
        if (f->cache) {
            zs__zns_cache *c = &f->cache[zone];
            uint64_t i;
            for (i = 0; c->block && i < f->capacity_blocks; i++) {
                (free)(c->block[i]);
                c->block[i] = NULL;
            }
            c->undone = c->flushed
                            ? c->flushed << 8 | (c->flushed == f->capacity_blocks ? ZSLAB_ZNS_FULL : ZSLAB_ZNS_CLOSED)
                            : 0;
            c->flushed = 0;
        }
        while (!zs__cas_u64(zs__zns_file_word(f, zone), &was, was & 255))
            ;
        zs__zns_file_turn(f, zone, ZSLAB_ZNS_EMPTY);
    }
    zs__lock_drop(&f->lock);
    if (hit) return zs__zns_file_suffer(f, hit, zone);
    return rc && f->generic ? -(int)ZSLAB_E_IO : rc;
}

static int zs__zns_file_reset(void *user, uint32_t zone)
{
    return zs__zns_file_manage((zs__zns_file *)user, zone, ZSLAB_ZNS_OP_RESET);
}
static int zs__zns_file_finish(void *user, uint32_t zone)
{
    return zs__zns_file_manage((zs__zns_file *)user, zone, ZSLAB_ZNS_OP_FINISH);
}

/* All that was appended is with the disk afterwards. */
static int zs__zns_file_durable(zs__zns_file *f)
{
    uint64_t from, to;
    int whole, rc;
    zs__lock_take(&f->table_lock);
    from = f->dirty_from & ~(uint64_t)65535; /* whole pages of any size */
    to = (f->dirty_to + 65535) & ~(uint64_t)65535;
    whole = !f->map || f->whole || f->flushing || to > f->bytes; /* one under way has what was appended before it */
    f->dirty_from = f->dirty_to = f->whole = 0;
    f->flushing++;
    zs__lock_drop(&f->table_lock);
#if defined(__APPLE__)
    rc = fsync(f->fd);
#else
    do
        rc = whole ? fdatasync(f->fd) /* msync: on Linux fdatasync of a range */
                   : msync(f->map + (size_t)from, (size_t)(to - from), MS_SYNC);
    while (rc && errno == EINTR);
#endif
    if (rc) rc = zs__zns_errno(errno);
    zs__lock_take(&f->table_lock);
    f->flushing--;
    zs__lock_drop(&f->table_lock);
    return rc;
}

static int zs__zns_file_flush(void *user)
{
    zs__zns_file *f = (zs__zns_file *)user;
    const zslab_zns_fault *hit = zs__zns_file_strike(f, ZSLAB_ZNS_OP_FLUSH, ZS__ZNS_NONE);
    struct stat info;
    uint32_t zone;
    int rc = 0, r;
    if (zs__zns_file_dead(f)) return zs__zns_file_dead(f);
    if (hit) return zs__zns_file_suffer(f, hit, ZS__ZNS_NONE);
    if (f->cache) { /* the model's durable state is the file itself: no fsync, so that tests stay fast */
        zs__lock_take(&f->lock);
        for (zone = 0; zone < f->geometry.zone_count; zone++) {
            r = zs__zns_file_settle(f, zone, NULL);
            rc = rc ? rc : r;
        }
        zs__lock_drop(&f->lock);
        return rc;
    }
    if (!f->writable) return 0;
    if (zs__load_acq_u32(&f->unsynced)) return -(int)ZSLAB_E_IO; /* acquire: pairs with the store below */
    rc = zs__zns_file_durable(f);
    if (!rc && f->bytes && (fstat(f->fd, &info) || (uint64_t)info.st_size < f->bytes))
        rc = -(int)ZSLAB_E_IO;                  /* cut short meanwhile: what was written before may be gone */
    if (rc) zs__store_rel_u32(&f->unsynced, 1); /* release: pairs with the load above */
    return rc;
}

/* A clean close of the model loses nothing: the cache is written out unless the device died. */
static void zs__zns_file_close(void *user)
{
    zs__zns_file *f = (zs__zns_file *)user;
    uint32_t zone;
    for (zone = 0; f->cache && zone < f->geometry.zone_count; zone++) {
        zs__zns_file_settle(f, zone, NULL);
        (free)(f->cache[zone].block);
    }
    if (f->map) (void)munmap(f->map, (size_t)f->bytes);
    if (f->path) (void)unlink(f->path); /* made by an open that was refused */
    if (f->fd >= 0) {
        (void)flock(f->fd, LOCK_UN); /* a child that was forked meanwhile holds it as long as it lives */
        (close)(f->fd);
    }
#if ZSLAB_ZNS_USE_URING
    zs__zns_queue_close(f->queue);
#endif
    (free)(f->path);
    (free)(f->word);
    (free)(f->saved);
    (free)(f->resets);
    (free)(f->cache);
    (free)(f->faults);
    (free)(f->struck);
    (free)(f);
}

/* Superblock: 0 magic, 8 version, 12 byte order, 16 zone bytes, 24 capacity, 32 zones, 36 block, 40 max open,
   44 max active, 48 max append, 52 fill, 53-55 zero, 56 place of the data in units of 512, 60 crc of 0-59. The
   note stands at 512, the table at 4096, a second superblock on the page behind it, the data behind that. Table
   words are in host order: the byte-order field refuses a file from elsewhere. */
static void zs__zns_file_super(const zs__zns_file *f, uint8_t *p)
{
    const zslab_zns_geometry *g = &f->geometry;
    uint32_t order = ZS__ZNS_FILE_ORDER;
    memcpy(p, ZS__ZNS_FILE_MAGIC, 8); /* NOLINT(bugprone-not-null-terminated-result): eight bytes, no string */
    zs__zns_put32(p + 8, f->version);
    memcpy(p + 12, &order, 4);
    zs__zns_put64(p + 16, g->zone_bytes);
    zs__zns_put64(p + 24, g->zone_capacity_bytes);
    zs__zns_put32(p + 32, g->zone_count);
    zs__zns_put32(p + 36, g->block_bytes);
    zs__zns_put32(p + 40, g->max_open);
    zs__zns_put32(p + 44, g->max_active);
    zs__zns_put32(p + 48, g->max_append_bytes);
    zs__zns_put32(p + 52, g->fill);
    zs__zns_put32(p + 56, (uint32_t)(f->data_at / 512));
    zs__zns_put32(p + 60, zs__zns_crc(0, p, 60));
}

/* ZSLAB_E_FOREIGN: no superblock; ZSLAB_E_CORRUPT: not a whole one; one flipped bit is mended. */
static zslab_result zs__zns_file_super_read(zs__zns_file *f, uint8_t *p)
{
    zslab_zns_geometry *g = &f->geometry;
    int mended = zs__zns_crc_mend(p, 60, zs__zns_get32(p + 60));
    uint32_t order;
    memcpy(&order, p + 12, 4);
    f->why.field = "superblock, bytes 0-7: not those of a store";
    if (memcmp(p, ZS__ZNS_FILE_MAGIC, 8) != 0) return ZSLAB_E_FOREIGN;
    f->why.field = "superblock, bytes 60-63: not the crc of what stands before";
    if (mended < 0) return ZSLAB_E_CORRUPT;
    f->why.field = "superblock, bytes 8-15: a newer version, or another byte order";
    f->version = zs__zns_get32(p + 8);
    if (!f->version || f->version > ZS__ZNS_FILE_VERSION || order != ZS__ZNS_FILE_ORDER) return ZSLAB_E_GEOMETRY;
    f->sick |= mended ? ZS__ZNS_SICK_SUPER : 0;
    memset(g, 0, sizeof *g);
    g->zone_bytes = zs__zns_get64(p + 16);
    g->zone_capacity_bytes = zs__zns_get64(p + 24);
    g->zone_count = zs__zns_get32(p + 32);
    g->block_bytes = zs__zns_get32(p + 36);
    g->max_open = zs__zns_get32(p + 40);
    g->max_active = zs__zns_get32(p + 44);
    g->max_append_bytes = zs__zns_get32(p + 48);
    g->fill = p[52];
    f->data_at = (uint64_t)zs__zns_get32(p + 56) * 512;
    return zs__zns_geometry_check(g, &f->why);
}

/* The superblock, or the second one where the first is damaged. */
static zslab_result zs__zns_file_find_super(zs__zns_file *f, uint64_t bytes)
{
    uint8_t p[64];
    uint64_t at;
    zslab_result r = ZSLAB_E_FOREIGN, other;
    if (bytes < sizeof p) return r;
    if (zs__zns_file_pread(f, p, sizeof p, 0)) return ZSLAB_E_IO;
    r = zs__zns_file_super_read(f, p);
    for (at = 4096; (r == ZSLAB_E_FOREIGN || r == ZSLAB_E_CORRUPT) && at + sizeof p <= bytes &&
                    at <= (uint64_t)4096 * ZS__ZNS_FILE_SEARCH;
         at += 4096) {
        if (zs__zns_file_pread(f, p, sizeof p, at)) continue;
        other = zs__zns_file_super_read(f, p);
        if (other != ZSLAB_OK) continue;
        f->sick |= ZS__ZNS_SICK_SUPER;
        return other;
    }
    return r;
}

static int zs__zns_differs(zs__zns_why *why, const char *field, uint64_t have, uint64_t want)
{
    if (!want || want == have) return 0;
    why->field = field;
    why->have = have;
    why->want = want;
    return 1;
}

static int zs__zns_geometry_differs(const zslab_zns_geometry *have, const zslab_zns_geometry *want, zs__zns_why *w)
{
    return zs__zns_differs(w, "geometry.zone_bytes", have->zone_bytes, want->zone_bytes) ||
           zs__zns_differs(w, "geometry.zone_capacity_bytes", have->zone_capacity_bytes, want->zone_capacity_bytes) ||
           zs__zns_differs(w, "geometry.zone_count", have->zone_count, want->zone_count) ||
           zs__zns_differs(w, "geometry.block_bytes", have->block_bytes, want->block_bytes) ||
           zs__zns_differs(w, "geometry.max_open", have->max_open, want->max_open) ||
           zs__zns_differs(w, "geometry.max_active", have->max_active, want->max_active) ||
           zs__zns_differs(w, "geometry.max_append_bytes", have->max_append_bytes, want->max_append_bytes) ||
           zs__zns_differs(w, "geometry.fill", have->fill, want->fill);
}

static zslab_result zs__zns_file_shape(zs__zns_file *f)
{
    f->capacity_blocks = f->geometry.zone_capacity_bytes / f->geometry.block_bytes;
    f->table_bytes = zs__round_up((size_t)f->geometry.zone_count * ZS__ZNS_FILE_ENTRY, 4096);
    f->word = (zs__u64 *)(calloc)(f->geometry.zone_count, sizeof *f->word);
    f->saved = (zs__u64 *)(calloc)(f->geometry.zone_count, sizeof *f->saved);
    f->resets = (uint32_t *)(calloc)(f->geometry.zone_count, sizeof *f->resets);
    return f->word && f->saved && f->resets ? ZSLAB_OK : ZSLAB_E_NOMEM;
}

/* Where the data of a new file begins: the first block behind a zone's header is a multiple of the append size
   (rounded up to a power of two), so that whole frames meet whole large pages of the page cache. */
static uint64_t zs__zns_file_data_at(const zs__zns_file *f)
{
    uint64_t step = 4096;
    while (step < f->geometry.max_append_bytes && step < 512u << 10) step *= 2;
    return (8192 + f->table_bytes + f->geometry.block_bytes + step - 1) / step * step - f->geometry.block_bytes;
}

static uint64_t zs__zns_file_end(const zs__zns_file *f)
{
    return f->data_at + f->geometry.zone_capacity_bytes * f->geometry.zone_count;
}

/* Room for `bytes`, all of it taken now, so that a full host disk is met here and not as a signal later. A block
   device has the room it has. */
static zslab_result zs__zns_file_allocate(zs__zns_file *f, uint64_t bytes, uint64_t block_device)
{
    int rc;
    if (block_device) return bytes > block_device ? ZSLAB_E_NO_SPACE : ZSLAB_OK;
    do rc = (uint64_t)(off_t)bytes == bytes ? posix_fallocate(f->fd, 0, (off_t)bytes) : EFBIG;
    while (rc == EINTR);
    if (rc == EINVAL || rc == EOPNOTSUPP) rc = ftruncate(f->fd, (off_t)bytes) ? errno : 0;
    errno = rc; /* posix_fallocate leaves it alone */
    if (rc) f->why.field = "geometry: there is no room for all of it";
    return rc == EFBIG ? ZSLAB_E_NO_SPACE : (zslab_result)-zs__zns_errno(rc);
}

/* Superblock, second superblock and all of the table as they are known; the first page last. */
static int zs__zns_file_write_all(zs__zns_file *f)
{
    uint8_t *p = (uint8_t *)(calloc)(1, f->table_bytes + 4096);
    uint8_t super[ZS__ZNS_FILE_NOTE_AT];
    uint32_t i;
    int rc = p ? 0 : -(int)ZSLAB_E_NOMEM;
    size_t bytes = f->table_bytes + (f->data_at >= f->table_bytes + 8192 ? 4096 : 0); /* else an old, tight one */
    memset(super, 0, sizeof super);
    f->version = ZS__ZNS_FILE_VERSION;
    zs__zns_file_super(f, super);
    zs__lock_take(&f->table_lock);
    f->whole = 1;
    zs__lock_drop(&f->table_lock);
    for (i = 0; !rc && i < f->geometry.zone_count; i++) {
        f->saved[i] = f->word[i];
        (void)zs__zns_file_entry(p + (size_t)i * ZS__ZNS_FILE_ENTRY, f->word[i], f->resets[i], i);
    }
    if (!rc) memcpy(p + f->table_bytes, super, sizeof super);
    if (!rc) rc = zs__zns_file_pwrite(f, p, bytes, 4096);
    if (!rc) rc = zs__zns_file_pwrite(f, super, sizeof super, 0);
    (free)(p);
    return rc;
}

/* A new store, in a file that is empty by then. */
static zslab_result zs__zns_file_create(zs__zns_file *f, const zslab_zns_geometry *geometry, uint64_t block_device)
{
    uint8_t none[ZS__ZNS_FILE_NOTE];
    zslab_result r;
    int rc;
    memset(none, 0, sizeof none);
    memset(&f->geometry, 0, sizeof f->geometry);
    if (geometry) f->geometry = *geometry;
    r = zs__zns_geometry_check(&f->geometry, &f->why);
    if (r == ZSLAB_OK) r = zs__zns_file_shape(f);
    if (r != ZSLAB_OK) return r;
    f->sick = 0;
    f->fresh = 1;
    f->data_at = zs__zns_file_data_at(f);
    if (!block_device && ftruncate(f->fd, 0)) return (zslab_result)-zs__zns_errno(errno);
    r = zs__zns_file_allocate(f, zs__zns_file_end(f), block_device);
    if (r != ZSLAB_OK) return r;
    rc = zs__zns_file_pwrite(f, none, sizeof none, ZS__ZNS_FILE_NOTE_AT);
    rc = rc ? rc : zs__zns_file_write_all(f);
    return (zslab_result)-rc;
}

/* One entry of the table as it was read; one flipped bit is mended. 0: its crc does not hold, or makes no sense. */
static int zs__zns_file_entry_read(const zs__zns_file *f, const uint8_t *p, uint32_t zone, uint64_t *word,
                                   uint32_t *resets, int *out_mended)
{
    uint8_t sum[16];
    int mended = 0;
    memcpy(sum, p, 12);
    zs__zns_put32(sum + 12, zone);
    if (f->version > 1) mended = zs__zns_crc_mend(sum, sizeof sum, zs__zns_get32(p + 12));
    memcpy(word, sum, 8);
    memcpy(resets, sum + 8, 4);
    *out_mended |= mended;
    return mended >= 0 && zs__zns_get32(sum + 12) == zone && (*word & 255) <= ZSLAB_ZNS_OFFLINE &&
           *word >> 8 <= f->capacity_blocks;
}

/* A zone whose entry is damaged is full, as far as anybody knows. */
static zslab_result zs__zns_file_load_table(zs__zns_file *f)
{
    uint8_t *p = (uint8_t *)(malloc)(f->table_bytes);
    uint32_t i;
    int mended = 0, rc = p ? zs__zns_file_pread(f, p, f->table_bytes, 4096) : -(int)ZSLAB_E_NOMEM;
    f->active_count = f->open_count = 0;
    f->all_resets = 0;
    for (i = 0; !rc && i < f->geometry.zone_count; i++) {
        int good =
            zs__zns_file_entry_read(f, p + (size_t)i * ZS__ZNS_FILE_ENTRY, i, &f->word[i], &f->resets[i], &mended);
        if (!good && f->version == 1) rc = -(int)ZSLAB_E_CORRUPT;
        f->saved[i] = f->word[i];
        if (!good) {
            f->word[i] = f->capacity_blocks << 8 | ZSLAB_ZNS_FULL;
            f->saved[i] = UINT64_MAX; /* the next save writes it */
            f->sick |= ZS__ZNS_SICK_TABLE;
        }
        f->all_resets += f->resets[i];
        zs__zns_file_count(f, ZSLAB_ZNS_EMPTY, f->word[i]);
    }
    if (mended) f->sick |= ZS__ZNS_SICK_SUPER; /* nothing unknown: only to be written again */
    (free)(p);
    return (zslab_result)-rc;
}

/* After a power cut: the frames behind a zone's write pointer. [FILE-4] The zone's header says whether they belong to
   it; whether they are whole is for recovery to find out. */
static void zs__zns_file_reach(zs__zns_file *f, uint32_t zone)
{
    uint8_t head[48], p[48];
    uint64_t word = *zs__zns_file_word(f, zone), at = word >> 8, wp = at;
    uint64_t end = (at / ZS__ZNS_FILE_REACH + 1) * ZS__ZNS_FILE_REACH;
    if (end > f->capacity_blocks) end = f->capacity_blocks;
    if ((word & 255) != ZSLAB_ZNS_OPEN || zs__zns_file_pread(f, head, sizeof head, zs__zns_file_place(f, zone, 0)))
        return;
    for (; at < end && !zs__zns_file_pread(f, p, sizeof p, zs__zns_file_place(f, zone, at)); at++)
        if (!memcmp(p, "ZSLBFRAM", 8) && !memcmp(p + 16, head + 16, 20) && !memcmp(p + 40, head + 40, 8))
            wp = at + (zs__zns_get32(p + 36) ? zs__zns_get32(p + 36) : 1); /* blocks: >>format */
    *zs__zns_file_word(f, zone) = (wp < end ? wp : end) << 8 | (word & 255);
}

/* Reads or makes the superblock and the table. */
static zslab_result zs__zns_file_attach(zs__zns_file *f, const zslab_zns_geometry *geometry, uint32_t flags)
{
    struct stat info;
    zslab_result r;
    uint64_t block_device = 0;
    off_t bytes;
    if (fstat(f->fd, &info)) return (zslab_result)-zs__zns_errno(errno);
    f->why.field = "path: neither a regular file nor a block device";
    if (!S_ISREG(info.st_mode) && !S_ISBLK(info.st_mode)) return ZSLAB_E_INVALID;
    bytes = S_ISREG(info.st_mode) ? info.st_size : lseek(f->fd, 0, SEEK_END);
    if (bytes < 0) return ZSLAB_E_IO;
    if (S_ISBLK(info.st_mode)) block_device = bytes > 0 ? (uint64_t)bytes : 1;
    f->why.field = "path: an empty file, and it is not to be formatted";
    r = zs__zns_file_find_super(f, (uint64_t)bytes);
    if (r == ZSLAB_OK && geometry && zs__zns_geometry_differs(&f->geometry, geometry, &f->why)) return ZSLAB_E_GEOMETRY;
    if (r == ZSLAB_OK) {
        f->why.field = "path: the file ends before its zone table does, or the table is damaged";
        r = zs__zns_file_shape(f);
        if (r == ZSLAB_OK && (f->data_at < f->table_bytes + 4096 || (uint64_t)bytes < f->data_at)) r = ZSLAB_E_CORRUPT;
        if (r == ZSLAB_OK && !block_device) f->bytes = zs__zns_file_end(f);
        if ((uint64_t)bytes < zs__zns_file_end(f)) f->sick |= ZS__ZNS_SICK_SHORT;
        if (r == ZSLAB_OK) r = zs__zns_file_load_table(f);
    }
    if (r != ZSLAB_OK && f->writable && !(flags & ZSLAB_ZNS_FLAG_NO_FORMAT) &&
        (!bytes || (flags & ZSLAB_ZNS_FLAG_FORCE))) {
        (free)(f->word);
        (free)(f->saved);
        (free)(f->resets);
        r = zs__zns_file_create(f, geometry, block_device);
        if (r == ZSLAB_OK && !block_device) f->bytes = zs__zns_file_end(f);
    }
    return r;
}

/* ---- what the store asks of a file beside its zones ---- */

static int zs__zns_file_note(void *user, const zs__zns_note *n)
{
    zs__zns_file *f = (zs__zns_file *)user;
    uint8_t p[ZS__ZNS_FILE_NOTE];
    int rc = zs__zns_file_dead(f);
    if (!rc && f->version == 1) rc = zs__zns_file_write_all(f);
    zs__lock_take(&f->table_lock);
    if (n->serial != f->noted_serial) f->whole = 1; /* of the rest the next frame's head says as much */
    f->noted_serial = n->serial;
    zs__lock_drop(&f->table_lock);
    zs__zns_put64(p, n->synced);
    zs__zns_put64(p + 8, n->serial);
    zs__zns_put64(p + 16, n->live_hash);
    zs__zns_put64(p + 24, 0);
    zs__zns_put32(p + 32, n->live);
    zs__zns_put32(p + 36, zs__zns_crc(0, p, 36));
    return rc ? rc : zs__zns_file_pwrite(f, p, sizeof p, ZS__ZNS_FILE_NOTE_AT);
}

static void zs__zns_file_noted(void *user, zs__zns_note *out)
{
    zs__zns_file *f = (zs__zns_file *)user;
    uint8_t p[ZS__ZNS_FILE_NOTE];
    memset(out, 0, sizeof *out);
    if (f->version == 1 || zs__zns_file_pread(f, p, sizeof p, ZS__ZNS_FILE_NOTE_AT) ||
        zs__zns_crc_mend(p, 36, zs__zns_get32(p + 36)) < 0)
        return;
    out->synced = zs__zns_get64(p);
    out->serial = zs__zns_get64(p + 8);
    out->live_hash = zs__zns_get64(p + 16);
    out->live = zs__zns_get32(p + 32);
}

static void zs__zns_file_distrust(void *user) { ((zs__zns_file *)user)->distrusted = 1; }

static int zs__zns_file_mend(void *user, const uint8_t *keep)
{
    zs__zns_file *f = (zs__zns_file *)user;
    uint32_t i;
    int rc = 0;
    zs__lock_take(&f->lock);
    if (f->sick & ZS__ZNS_SICK_SHORT) rc = -(int)zs__zns_file_allocate(f, f->bytes, 0);
    f->active_count = f->open_count = 0;
    for (i = 0; i < f->geometry.zone_count; i++) {
        if (keep[i] && (f->word[i] & 255) < ZSLAB_ZNS_FULL) f->word[i] = f->capacity_blocks << 8 | ZSLAB_ZNS_FULL;
        zs__zns_file_count(f, ZSLAB_ZNS_EMPTY, f->word[i]);
    }
    rc = rc ? rc : zs__zns_file_write_all(f);
    if (!rc) f->sick = f->distrusted = 0;
    zs__lock_drop(&f->lock);
    return rc;
}

/* Beside a writer: the table as it is by now, and how often each zone was reset. */
static int zs__zns_file_look(void *user, uint32_t *out_resets)
{
    zs__zns_file *f = (zs__zns_file *)user;
    uint32_t i, tries;
    zslab_result r = ZSLAB_OK;
    for (tries = 0; tries < 100; tries++) { /* an entry met while it was written is read again */
        f->sick = 0;
        r = zs__zns_file_load_table(f);
        if (r != ZSLAB_OK || !f->sick) break;
        zs__zns_nap(tries);
    }
    for (i = 0; i < f->geometry.zone_count; i++) out_resets[i] = f->resets[i];
    return -(int)r;
}

static zslab_result zs__zns_file_faults(zs__zns_file *f, const zslab_zns_config *config)
{
    uint32_t i;
    f->generic = (config->flags & ZSLAB_ZNS_FLAG_GENERIC_STATUS) != 0;
    if (config->fault_count) {
        f->faults = (zslab_zns_fault *)(calloc)(config->fault_count, sizeof *f->faults);
        f->struck = (uint64_t *)(calloc)(config->fault_count, sizeof *f->struck);
        if (!f->faults || !f->struck) return ZSLAB_E_NOMEM;
        memcpy(f->faults, config->faults, config->fault_count * sizeof *f->faults);
        f->fault_count = config->fault_count;
    }
    if (config->flags & ZSLAB_ZNS_FLAG_VOLATILE_CACHE) {
        f->cache = (zs__zns_cache *)(calloc)(f->geometry.zone_count, sizeof *f->cache);
        if (!f->cache) return ZSLAB_E_NOMEM;
        for (i = 0; i < f->geometry.zone_count; i++) f->cache[i].flushed = *zs__zns_file_word(f, i) >> 8;
    }
    return ZSLAB_OK;
}

/* Opens the file, or makes it where it is missing and may be made: then f->path says so. */
static zslab_result zs__zns_file_descriptor(zs__zns_file *f, const char *path, uint32_t flags)
{
    int how = f->writable ? O_RDWR | ZS__ZNS_CLOEXEC : O_RDONLY | ZS__ZNS_CLOEXEC;
    size_t bytes = strlen(path) + 1;
    struct stat info;
    /* a block device that is mounted, or that a store has open, refuses O_EXCL; of a file it asks nothing */
    if (!stat(path, &info) && S_ISBLK(info.st_mode)) how |= O_EXCL;
    f->fd = (open)(path, how);
    if (f->fd < 0 && errno == ENOENT && f->writable && !(flags & ZSLAB_ZNS_FLAG_NO_FORMAT)) {
        f->fd = (open)(path, how | O_CREAT | O_EXCL, 0644);
        if (f->fd < 0 && errno == EEXIST) /* a link to nothing; else another open makes it at this moment */
            return stat(path, &info) ? ZSLAB_E_INVALID : ZSLAB_E_BUSY;
        if (f->fd >= 0 && (f->path = (char *)(malloc)(bytes)) != NULL) memcpy(f->path, path, bytes);
    }
    if (f->fd >= 0) return ZSLAB_OK;
    return errno == ENOENT || errno == EISDIR ? ZSLAB_E_INVALID : (zslab_result)-zs__zns_errno(errno);
}

/* Nonzero: another store has it. A reader that looks for a writer has the lock for an instant, so a writer asks again
   for a tenth of a second. */
static int zs__zns_file_lock(int fd, int read_only)
{
    uint32_t tries;
    for (tries = 0; flock(fd, (read_only ? LOCK_SH : LOCK_EX) | LOCK_NB); zs__zns_nap(tries++))
        if (read_only || errno != EWOULDBLOCK || tries == 1000) return -1;
    return 0;
}

static ZS__NOINLINE zslab_result zs__zns_file_open(const char *path, const zslab_zns_geometry *geometry,
                                                   const zslab_zns_config *config, zs__zns_dev *out)
{
    int read_only = (config->flags & ZSLAB_ZNS_FLAG_READ_ONLY) != 0;
    zs__zns_file *f = (zs__zns_file *)(calloc)(1, sizeof *f);
    uint32_t beside = 0, i;
    zslab_result r;
    if (!f) return ZSLAB_E_NOMEM;
    f->writable = !read_only;
    f->whole = 1; /* whoever had the file before may have written what no flush covered */
    memset(out, 0, sizeof *out);
    f->why.field = "path";
    errno = 0;
    r = zs__zns_file_descriptor(f, path, config->flags);
    if (r == ZSLAB_OK && zs__zns_file_lock(f->fd, read_only)) {
        beside = read_only && errno == EWOULDBLOCK;
        (free)(f->path); /* whoever has the lock has the file, too */
        f->path = NULL;
        f->why.field = "path: another store has it open";
        if (!beside) r = errno == EWOULDBLOCK ? ZSLAB_E_BUSY : (zslab_result)-zs__zns_errno(errno);
    } else if (r == ZSLAB_OK && read_only) {
        (void)flock(f->fd, LOCK_UN); /* nobody writes now; a reader keeps no writer out */
    }
    if (r == ZSLAB_OK) r = zs__zns_file_attach(f, geometry, config->flags);
    for (i = 0; r == ZSLAB_OK && !beside && i < f->geometry.zone_count; i++) zs__zns_file_reach(f, i);
    if (r == ZSLAB_OK) r = zs__zns_file_faults(f, config);
    if (r != ZSLAB_OK) {
        out->why = f->why;
        out->why.error = r == ZSLAB_E_GEOMETRY || r == ZSLAB_E_FOREIGN || r == ZSLAB_E_CORRUPT ? 0 : errno;
        zs__zns_file_close(f);
        return r;
    }
#if defined(__linux__)
    if (f->writable && f->bytes && f->bytes < SIZE_MAX / 4) {
        void *map = mmap(NULL, (size_t)f->bytes, PROT_NONE, MAP_SHARED, f->fd, 0);
        if (map != MAP_FAILED && madvise(map, (size_t)f->bytes, 10)) /* MADV_DONTFORK: a child kept the lock by it */
            (void)munmap(map, (size_t)f->bytes);
        else if (map != MAP_FAILED)
            f->map = (uint8_t *)map;
    }
#endif
    out->user = f;
    out->uses_append = 1;
#if ZSLAB_ZNS_USE_URING
    if (!read_only && f->cache)
        out->queue_depth = config->queue_depth == 1 ? 0 : ZSLAB_ZNS_LANES;
    else if (!read_only && (f->queue = zs__zns_queue_open(config->queue_depth, 0, &out->queue_refused)) != NULL)
        out->queue_depth = f->queue->depth;
    out->begin = out->queue_depth ? zs__zns_file_begin : NULL;
    out->wait = zs__zns_file_wait;
#endif
    out->ops.report = zs__zns_file_report;
    out->ops.append = zs__zns_file_append;
    out->ops.read = zs__zns_file_read;
    out->ops.reset = zs__zns_file_reset;
    out->ops.finish = zs__zns_file_finish;
    out->ops.flush = zs__zns_file_flush;
    out->ops.close = zs__zns_file_close;
    out->ops.geometry = f->geometry;
    out->sick = f->sick;
    out->beside = beside;
    out->fresh = f->fresh;
    out->made = &f->path;
    out->note = zs__zns_file_note;
    out->noted = zs__zns_file_noted;
    out->distrust = zs__zns_file_distrust;
    out->mend = zs__zns_file_mend;
    out->look = zs__zns_file_look;
    return ZSLAB_OK;
}
#endif /* ZSLAB_ZNS_HAS_FILE */

/* ---- >>seam-nvme -----------------------------------------------------------
   A zoned block device: libzbd for reports, resets and finishes, NVMe Zone Append by ioctl for writing, and
   pwrite at the write pointer where the kernel does not permit that. The device is read and written past the
   page cache: an append that goes round it would leave stale pages there.
   Status codes are not portable: what matters after a failure is the zone's condition, asked for again.   */
#if ZSLAB_ZNS_USE_LIBZBD
#ifndef __linux__
#error "ZSLAB_ZNS_USE_LIBZBD needs Linux: leave it 0 elsewhere and use zslab_zns_open_ops"
#endif
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <linux/nvme_ioctl.h>
#include <libzbd/zbd.h>

#define ZS__ZNS_O_DIRECT 040000 /* O_DIRECT, which strict C hides */
#if defined(O_DIRECT)
#undef ZS__ZNS_O_DIRECT
#define ZS__ZNS_O_DIRECT O_DIRECT
#elif defined(__aarch64__) || defined(__arm__)
#undef ZS__ZNS_O_DIRECT
#define ZS__ZNS_O_DIRECT 0200000
#elif defined(__powerpc__)
#undef ZS__ZNS_O_DIRECT
#define ZS__ZNS_O_DIRECT 0400000
#endif
#define ZS__ZNS_ZBD_FD_MAX 1024 /* libzbd keeps an unchecked table of this many descriptors */
#define ZS__ZNS_NVME_PIECES 8
#define ZS__ZNS_NVME_COPY 1 /* not a result: results are 0 or negative */

typedef struct zs__zns_nvme {
    zslab_zns_geometry geometry;
    int fd, opened;
    uint32_t nsid, append; /* append: 1 zone append works here */
    uint32_t status;       /* of the last write that was refused, for people: atomic */
    zs__lock *zone;        /* pwrite path: one lock a zone, so that the write pointer is known */
    uint64_t *pointer;     /* pwrite path: byte offset, UINT64_MAX: to be asked for */
#if ZSLAB_ZNS_USE_URING
    zs__zns_queue *queue; /* NULL: none */
    int generic_fd;       /* /dev/ngXnY: the node that takes commands through a ring */
#endif
} zs__zns_nvme;

/* NVMe status of a write, low 11 bits; names after the specification. */
static int zs__zns_nvme_status(zs__zns_nvme *d, int status)
{
    if (status) zs__store_u32(&d->status, (uint32_t)status & 0x7ff); /* relaxed: a figure */
    switch (status & 0x7ff) {
    case 0x000:
        return 0;
    case 0x1b8: /* zone boundary: larger than what is left */
    case 0x1b9:
        return -(int)ZSLAB_E_NO_SPACE; /* full */
    case 0x1ba:
        return -(int)ZSLAB_E_READ_ONLY;
    case 0x1bb:
        return -(int)ZSLAB_E_OFFLINE;
    case 0x1bd:
    case 0x1be:
        return -(int)ZSLAB_E_NO_ACTIVE_ZONE;
    default:
        return -(int)ZSLAB_E_IO;
    }
}

static int zs__zns_nvme_report(void *user, uint32_t first, uint32_t count, zslab_zns_zone *out)
{
    zs__zns_nvme *d = (zs__zns_nvme *)user;
    struct zbd_zone *zone = (struct zbd_zone *)(calloc)(count ? count : 1, sizeof *zone);
    unsigned int n = count, i;
    int rc;
    if (!zone || !count) {
        (free)(zone);
        return -(int)(count ? ZSLAB_E_NOMEM : ZSLAB_E_INVALID);
    }
    errno = 0;
    rc = zbd_report_zones(d->fd, (off_t)(first * d->geometry.zone_bytes), (off_t)(count * d->geometry.zone_bytes),
                          ZBD_RO_ALL, zone, &n);
    rc = rc ? zs__zns_errno(rc < -1 ? -rc : errno ? errno : EIO) : n == count ? 0 : -(int)ZSLAB_E_IO;
    for (i = 0; !rc && i < count; i++) {
        out[i].start = zone[i].start;
        out[i].capacity = zone[i].capacity;
        out[i].write_pointer = zone[i].wp;
        switch (zone[i].cond) {
        case ZBD_ZONE_COND_EMPTY:
            out[i].condition = ZSLAB_ZNS_EMPTY;
            break;
        case ZBD_ZONE_COND_IMP_OPEN:
        case ZBD_ZONE_COND_EXP_OPEN:
            out[i].condition = ZSLAB_ZNS_OPEN;
            break;
        case ZBD_ZONE_COND_CLOSED:
            out[i].condition = ZSLAB_ZNS_CLOSED;
            break;
        case ZBD_ZONE_COND_FULL:
            out[i].condition = ZSLAB_ZNS_FULL;
            break;
        case ZBD_ZONE_COND_READONLY:
            out[i].condition = ZSLAB_ZNS_READ_ONLY;
            break;
        case ZBD_ZONE_COND_OFFLINE:
            out[i].condition = ZSLAB_ZNS_OFFLINE;
            break;
        default:
            out[i].condition = ZSLAB_ZNS_NO_POINTER;
            break;
        }
    }
    (free)(zone);
    return rc;
}

/* Zone Append, opcode 0x7d. Both lengths come from `bytes`: the kernel does not compare them. Pieces go
   out in one command where the kernel knows how; ZS__ZNS_NVME_COPY: it does not, make one of them. */
static int zs__zns_nvme_append_io(zs__zns_nvme *d, uint32_t zone, const zslab_zns_iov *iov, size_t iov_count,
                                  size_t bytes, uint64_t *out_offset)
{
    struct nvme_passthru_cmd64 c;
    struct iovec piece[ZS__ZNS_NVME_PIECES];
    uint64_t start = zone * d->geometry.zone_bytes / d->geometry.block_bytes;
    size_t i;
    int rc;
    memset(&c, 0, sizeof c);
    c.opcode = 0x7d;
    c.nsid = d->nsid;
    c.addr = (uint64_t)(uintptr_t)(iov_count == 1 ? iov[0].base : (const void *)piece);
    c.data_len = (uint32_t)(iov_count == 1 ? bytes : iov_count); /* of pieces the kernel wants the count */
    c.cdw10 = (uint32_t)start;
    c.cdw11 = (uint32_t)(start >> 32);
    c.cdw12 = (uint32_t)(bytes / d->geometry.block_bytes) - 1;
    for (i = 0; i < iov_count; i++) {
        memcpy(&piece[i].iov_base, &iov[i].base, sizeof iov[i].base);
        piece[i].iov_len = iov[i].bytes;
    }
#ifdef NVME_IOCTL_IO64_CMD_VEC
    rc = (ioctl)(d->fd, iov_count == 1 ? NVME_IOCTL_IO64_CMD : NVME_IOCTL_IO64_CMD_VEC, &c);
    if (rc < 0 && iov_count > 1 && (errno == ENOTTY || errno == EINVAL)) return ZS__ZNS_NVME_COPY;
#else
    if (iov_count > 1) return ZS__ZNS_NVME_COPY;
    rc = (ioctl)(d->fd, NVME_IOCTL_IO64_CMD, &c);
#endif
    if (rc) return rc < 0 ? zs__zns_errno(errno) : zs__zns_nvme_status(d, rc);
    *out_offset = c.result * d->geometry.block_bytes;
    return 0;
}

/* pwrite at the write pointer, one writer a zone. */
static int zs__zns_nvme_append_write(zs__zns_nvme *d, uint32_t zone, const uint8_t *data, size_t bytes,
                                     uint64_t *out_offset)
{
    zslab_zns_zone r;
    size_t done = 0;
    int rc = 0;
    zs__lock_take(&d->zone[zone]);
    if (d->pointer[zone] == UINT64_MAX) {
        rc = zs__zns_nvme_report(d, zone, 1, &r);
        rc = rc                                   ? rc
             : r.condition == ZSLAB_ZNS_FULL      ? -(int)ZSLAB_E_NO_SPACE
             : r.condition == ZSLAB_ZNS_READ_ONLY ? -(int)ZSLAB_E_READ_ONLY
             : r.condition == ZSLAB_ZNS_OFFLINE   ? -(int)ZSLAB_E_OFFLINE
                                                  : 0;
        if (!rc) d->pointer[zone] = r.write_pointer;
    }
    if (!rc && d->pointer[zone] + bytes > zone * d->geometry.zone_bytes + d->geometry.zone_capacity_bytes)
        rc = -(int)ZSLAB_E_NO_SPACE;
    while (!rc && done < bytes) {
        ssize_t did = pwrite(d->fd, data + done, bytes - done, (off_t)(d->pointer[zone] + done));
        if (did < 0 && errno == EINTR) continue;
        if (did <= 0 || (size_t)did % d->geometry.block_bytes)
            rc = did < 0 ? zs__zns_errno(errno) : -(int)ZSLAB_E_IO;
        else
            done += (size_t)did;
    }
    *out_offset = d->pointer[zone];
    d->pointer[zone] = rc ? UINT64_MAX : d->pointer[zone] + bytes;
    zs__lock_drop(&d->zone[zone]);
    return rc;
}

/* The pwrite path wants one piece at an aligned address, and so may the kernel. */
static int zs__zns_nvme_append(void *user, uint32_t zone, const zslab_zns_iov *iov, size_t iov_count,
                               uint64_t *out_offset)
{
    zs__zns_nvme *d = (zs__zns_nvme *)user;
    size_t bytes = zs__zns_iov_bytes(iov, iov_count), i, at = 0;
    zslab_zns_iov one;
    uint8_t *copy = NULL;
    int rc = ZS__ZNS_NVME_COPY;
    if (!bytes || bytes % d->geometry.block_bytes || bytes > d->geometry.max_append_bytes ||
        zone >= d->geometry.zone_count)
        return -(int)ZSLAB_E_INVALID;
    if (d->append && iov_count <= ZS__ZNS_NVME_PIECES)
        rc = zs__zns_nvme_append_io(d, zone, iov, iov_count, bytes, out_offset);
    else if (!d->append && iov_count == 1 && (uintptr_t)iov[0].base % 4096 == 0)
        rc = zs__zns_nvme_append_write(d, zone, (const uint8_t *)iov[0].base, bytes, out_offset);
    if (rc != ZS__ZNS_NVME_COPY) return rc;
    copy = (uint8_t *)zs__zns_pages(bytes);
    if (!copy) return -(int)ZSLAB_E_NOMEM;
    for (i = 0; i < iov_count; at += iov[i].bytes, i++) memcpy(copy + at, iov[i].base, iov[i].bytes);
    one.base = copy;
    one.bytes = bytes;
    rc = d->append ? zs__zns_nvme_append_io(d, zone, &one, 1, bytes, out_offset)
                   : zs__zns_nvme_append_write(d, zone, copy, bytes, out_offset);
    zs__zns_pages_free(copy);
    return rc;
}

/* The node's own name, through the links of /dev/disk/by-... and friends; `real` is room for it. */
static const char *zs__zns_nvme_base(const char *path, char *real, size_t room)
{
    const char *base;
    ssize_t len = readlink(path, real, room - 1);
    if (len > 0) real[len] = 0;
    base = strrchr(len > 0 ? real : path, '/');
    return base ? base + 1 : path;
}

#if ZSLAB_ZNS_USE_URING
/* Starts a Zone Append of the pieces; 0: not started. */
static int zs__zns_nvme_start(zs__zns_nvme *d, zs__zns_io *io, uint64_t block, size_t bytes)
{
#ifdef NVME_URING_CMD_IO
    uint64_t entry[2 * sizeof(struct io_uring_sqe) / 8]; /* the command lies in the entry, from byte 48 on */
    struct io_uring_sqe *sqe = (struct io_uring_sqe *)(void *)entry;
    struct nvme_uring_cmd c;
    memset(entry, 0, sizeof entry);
    memset(&c, 0, sizeof c);
    c.opcode = 0x7d;
    c.nsid = d->nsid;
    c.addr = (uint64_t)(uintptr_t)(io->iov_count == 1 ? io->iov[0].base : (const void *)io->iov);
    c.data_len = (uint32_t)(io->iov_count == 1 ? bytes : io->iov_count); /* of pieces the count, as by ioctl */
    c.cdw10 = (uint32_t)block;
    c.cdw11 = (uint32_t)(block >> 32);
    c.cdw12 = (uint32_t)(bytes / d->geometry.block_bytes) - 1;
    sqe->opcode = IORING_OP_URING_CMD;
    sqe->fd = d->generic_fd;
    sqe->off = io->iov_count == 1 ? NVME_URING_CMD_IO : NVME_URING_CMD_IO_VEC; /* cmd_op */
    memcpy((uint8_t *)entry + 48, &c, sizeof c);
    return zs__zns_queue_start(d->queue, io, sqe);
#else
    (void)d, (void)io, (void)block, (void)bytes;
    return 0;
#endif
}

/* Starts an append; where no ring takes it, it is carried out at once. */
static void zs__zns_nvme_begin(void *user, zs__zns_io *io)
{
    zs__zns_nvme *d = (zs__zns_nvme *)user;
    size_t bytes = zs__zns_iov_bytes(io->iov, io->iov_count);
    if (!bytes || bytes % d->geometry.block_bytes || bytes > d->geometry.max_append_bytes ||
        io->zone >= d->geometry.zone_count)
        io->rc = -(int)ZSLAB_E_INVALID;
    else if (!zs__zns_nvme_start(d, io, io->zone * d->geometry.zone_bytes / d->geometry.block_bytes, bytes))
        io->rc = zs__zns_nvme_append(d, io->zone, io->iov, io->iov_count, &io->at);
}

/* An append is never repeated here: it may have arrived. */
static int zs__zns_nvme_wait(void *user, zs__zns_io *io, int block)
{
    zs__zns_nvme *d = (zs__zns_nvme *)user;
    if (!io->ring) return 1;
    if (!zs__zns_queue_done(d->queue, io, block)) return 0;
    io->ring = 0;
    io->rc = io->res < 0 ? zs__zns_errno(-io->res) : zs__zns_nvme_status(d, io->res);
    io->at = io->big * d->geometry.block_bytes;
    return 1;
}

/* A queue on the drive's generic node, tried with an append in two pieces that cannot succeed: to a zone start
   that is not one. Without permission, or in a kernel that does not know the command: none, and the errno. */
static void zs__zns_nvme_queue(zs__zns_nvme *d, const char *path, uint32_t depth, uint32_t *out_refused)
{
    char name[640];
    zs__zns_io io;
    uint8_t *p = (uint8_t *)zs__zns_pages(2 * (size_t)d->geometry.block_bytes);
    const char *base = zs__zns_nvme_base(path, name, sizeof name);
    memset(&io, 0, sizeof io);
    *out_refused = (uint32_t)ENXIO;
    if (p && !strncmp(base, "nvme", 4)) {
        char node[96];
        snprintf(node, sizeof node, "/dev/ng%.80s", base + 4);
        d->generic_fd = (open)(node, O_RDWR | ZS__ZNS_CLOEXEC);
        if (d->generic_fd < 0) *out_refused = (uint32_t)errno;
    }
    if (d->generic_fd >= 0 && (ioctl)(d->generic_fd, NVME_IOCTL_ID) == (int)d->nsid)
        d->queue = zs__zns_queue_open(depth, 1, out_refused);
    if (d->queue) {
        memset(p, 0, 2 * (size_t)d->geometry.block_bytes);
        io.iov_count = 2;
        io.iov[0].base = p;
        io.iov[1].base = p + d->geometry.block_bytes;
        io.iov[0].bytes = io.iov[1].bytes = d->geometry.block_bytes;
        *out_refused = (uint32_t)ENOSYS;
        if (zs__zns_nvme_start(d, &io, 1, 2 * (size_t)d->geometry.block_bytes) && zs__zns_queue_done(d->queue, &io, 1))
            *out_refused = io.res > 0 ? 0 : io.res < 0 ? (uint32_t)-io.res : (uint32_t)ENOSYS;
        if (*out_refused) {
            zs__zns_queue_close(d->queue);
            d->queue = NULL;
        }
    }
    zs__zns_pages_free(p);
}
#endif

static int zs__zns_nvme_read(void *user, uint64_t offset, void *buffer, size_t bytes)
{
    zs__zns_nvme *d = (zs__zns_nvme *)user;
    uint8_t *to = (uint8_t *)buffer;
    while (bytes) {
        ssize_t did = pread(d->fd, to, bytes, (off_t)offset);
        if (did < 0 && errno == EINTR) continue;
        if (did <= 0) return did < 0 ? zs__zns_errno(errno) : -(int)ZSLAB_E_IO;
        to += did;
        offset += (uint64_t)did;
        bytes -= (size_t)did;
    }
    return 0;
}

/* libzbd rounds ranges outward silently and takes length 0 for the whole device: both are exact here. */
static int zs__zns_nvme_manage(zs__zns_nvme *d, enum zbd_zone_op op, uint32_t first, uint32_t count)
{
    uint64_t zone_bytes = d->geometry.zone_bytes;
    uint32_t i;
    int rc;
    if (!count || first >= d->geometry.zone_count || count > d->geometry.zone_count - first)
        return -(int)ZSLAB_E_INVALID;
    for (i = first; i < first + count && !d->append; i++) zs__lock_take(&d->zone[i]);
    errno = 0;
    rc = zbd_zones_operation(d->fd, op, (off_t)(first * zone_bytes), (off_t)(count * zone_bytes));
    if (rc) rc = zs__zns_errno(rc < -1 ? -rc : errno ? errno : EIO);
    for (i = first; i < first + count && !d->append; i++) {
        d->pointer[i] = UINT64_MAX;
        zs__lock_drop(&d->zone[i]);
    }
    return rc;
}

static int zs__zns_nvme_reset(void *user, uint32_t zone)
{
    return zs__zns_nvme_manage((zs__zns_nvme *)user, ZBD_OP_RESET, zone, 1);
}
static int zs__zns_nvme_reset_range(void *user, uint32_t first, uint32_t count)
{
    return zs__zns_nvme_manage((zs__zns_nvme *)user, ZBD_OP_RESET, first, count);
}
static int zs__zns_nvme_finish(void *user, uint32_t zone)
{
    return zs__zns_nvme_manage((zs__zns_nvme *)user, ZBD_OP_FINISH, zone, 1);
}

/* fsync of the node sends NVMe Flush. */
static int zs__zns_nvme_flush(void *user)
{
    zs__zns_nvme *d = (zs__zns_nvme *)user;
    return fdatasync(d->fd) ? zs__zns_errno(errno) : 0;
}

static void zs__zns_nvme_close(void *user)
{
    zs__zns_nvme *d = (zs__zns_nvme *)user;
#if ZSLAB_ZNS_USE_URING
    zs__zns_queue_close(d->queue);
    if (d->generic_fd >= 0) (close)(d->generic_fd);
#endif
    if (d->opened) zbd_close(d->fd);
    (free)(d->zone);
    (free)(d->pointer);
    (free)(d);
}

/* Identify, admin opcode 0x06. 0: done. */
static int zs__zns_nvme_identify(zs__zns_nvme *d, uint32_t cns, uint32_t csi, void *out4096)
{
    struct nvme_passthru_cmd c;
    memset(&c, 0, sizeof c);
    c.opcode = 0x06;
    c.nsid = cns == 0x06 || cns == 0x01 ? 0 : d->nsid;
    c.addr = (uint64_t)(uintptr_t)out4096;
    c.data_len = 4096;
    c.cdw10 = cns;
    c.cdw11 = csi << 24;
    return (ioctl)(d->fd, NVME_IOCTL_ADMIN_CMD, &c);
}

/* A number from the block device's queue directory in sysfs; 0: not there. */
static uint64_t zs__zns_nvme_sysfs(const char *path, const char *what)
{
    char real[512], name[700], text[32];
    const char *base = zs__zns_nvme_base(path, real, sizeof real);
    uint64_t n = 0;
    size_t i, got;
    FILE *f;
    snprintf(name, sizeof name, "/sys/class/block/%s/queue/%s", base, what);
    f = fopen(name, "r");
    if (!f) return 0;
    got = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    for (i = 0; i < got && text[i] >= '0' && text[i] <= '9'; i++) n = n * 10 + (uint64_t)(text[i] - '0');
    return n;
}

/* Limits of the namespace where Identify is permitted: sysfs and libzbd may say 0 on a multipath head. */
static zslab_result zs__zns_nvme_limits(zs__zns_nvme *d, const char *path)
{
    uint8_t *p = (uint8_t *)zs__zns_pages(4096);
    uint64_t append = zs__zns_nvme_sysfs(path, "zone_append_max_bytes");
    uint64_t hw = zs__zns_nvme_sysfs(path, "max_hw_sectors_kb") * 1024;
    uint32_t mar, mor, flbas, ms;
    zslab_result r = ZSLAB_OK;
    if (!p) return ZSLAB_E_NOMEM;
    if (!zs__zns_nvme_identify(d, 0x05, 2, p)) { /* zoned namespace: MAR at 4, MOR at 8; 0's based, all ones: none */
        mar = zs__zns_get32(p + 4);
        mor = zs__zns_get32(p + 8);
        if (mar != UINT32_MAX && (!d->geometry.max_active || mar + 1 < d->geometry.max_active))
            d->geometry.max_active = mar + 1;
        if (mor != UINT32_MAX && (!d->geometry.max_open || mor + 1 < d->geometry.max_open))
            d->geometry.max_open = mor + 1;
    }
    if (!zs__zns_nvme_identify(d, 0x00, 0, p)) { /* namespace: FLBAS at 26, formats of 4 bytes from 128: ms first */
        flbas = (uint32_t)(p[26] & 15) | (uint32_t)(p[26] >> 1 & 0x30);
        ms = zs__zns_get16(p + 128 + 4 * (size_t)flbas);
        if (ms) r = ZSLAB_E_GEOMETRY; /* metadata bytes in each block: the lengths would not agree */
    }
    if (!append && !zs__zns_nvme_identify(d, 0x06, 2, p) && p[0] && p[0] < 20) append = (uint64_t)4096 << p[0];
    if (!append) append = 128u << 10;
    if (hw && append > hw) append = hw;
    append -= append % d->geometry.block_bytes;
    d->geometry.max_append_bytes = append < (64u << 20) ? (uint32_t)append : 64u << 20;
    zs__zns_pages_free(p);
    return r;
}

static zslab_result zs__zns_nvme_shape(zs__zns_nvme *d, const struct zbd_info *info, const char *path, uint32_t flags)
{
    zslab_zns_zone r;
    zslab_result answer = ZSLAB_OK;
    int nsid, rc;
    uint32_t i;
    d->geometry.zone_bytes = info->zone_size;
    d->geometry.zone_count = info->nr_zones;
    d->geometry.block_bytes = info->lblock_size;
    d->geometry.max_open = info->max_nr_open_zones == UINT32_MAX ? 0 : info->max_nr_open_zones;
    d->geometry.max_active = info->max_nr_active_zones == UINT32_MAX ? 0 : info->max_nr_active_zones;
    d->geometry.zone_capacity_bytes = d->geometry.zone_bytes;
    if (info->nr_sectors * 512 % info->zone_size) d->geometry.zone_count--; /* a short last zone is left alone */
    for (i = 0; i < d->geometry.zone_count; i++) {
        rc = zs__zns_nvme_report(d, i, 1, &r);
        if (rc) return (zslab_result)-rc;
        if (r.condition != ZSLAB_ZNS_NO_POINTER && r.condition != ZSLAB_ZNS_OFFLINE) {
            d->geometry.zone_capacity_bytes = r.capacity;
            break;
        }
    }
    nsid = (ioctl)(d->fd, NVME_IOCTL_ID);
    d->nsid = nsid > 0 ? (uint32_t)nsid : 0;
    answer = zs__zns_nvme_limits(d, path);
    d->append = nsid > 0 && !(flags & (ZSLAB_ZNS_FLAG_NO_APPEND | ZSLAB_ZNS_FLAG_READ_ONLY));
    return answer;
}

/* Does the kernel let this process append? Asked with an append that cannot succeed: to a zone start that is
   not one, so that no data moves. Refused permission answers with errno, everything else with a status. */
static int zs__zns_nvme_may_append(zs__zns_nvme *d)
{
    struct nvme_passthru_cmd64 c;
    uint8_t *p = (uint8_t *)zs__zns_pages(d->geometry.block_bytes);
    int rc;
    if (!p) return 0;
    memset(&c, 0, sizeof c);
    memset(p, 0, d->geometry.block_bytes);
    c.opcode = 0x7d;
    c.nsid = d->nsid;
    c.addr = (uint64_t)(uintptr_t)p;
    c.data_len = d->geometry.block_bytes;
    c.cdw10 = 1; /* one block behind the start of zone 0 */
    rc = (ioctl)(d->fd, NVME_IOCTL_IO64_CMD, &c);
    zs__zns_pages_free(p);
    return rc > 0;
}

static zslab_result zs__zns_nvme_open(const char *path, const zslab_zns_config *config, zs__zns_dev *out)
{
    struct zbd_info info;
    int read_only = (config->flags & ZSLAB_ZNS_FLAG_READ_ONLY) != 0;
    zs__zns_nvme *d = (zs__zns_nvme *)(calloc)(1, sizeof *d);
    zslab_result r = ZSLAB_OK;
    uint32_t i;
    if (!d) return ZSLAB_E_NOMEM;
#if ZSLAB_ZNS_USE_URING
    d->generic_fd = -1;
#endif
    memset(&info, 0, sizeof info);
    errno = 0;
    /* O_EXCL on a block node: refused while anybody else holds it that way, or has it mounted */
    d->fd = zbd_open(path, (read_only ? O_RDONLY : O_RDWR) | O_EXCL | ZS__ZNS_CLOEXEC | ZS__ZNS_O_DIRECT, &info);
    if (d->fd < 0) {
        int e = d->fd < -1 ? -d->fd : errno;
        r = e == ENOENT ? ZSLAB_E_INVALID
            : e == ENXIO || e == ENOTTY || e == ENOTBLK || e == EINVAL || e == ENODEV
                ? ZSLAB_E_GEOMETRY
                : (zslab_result)-zs__zns_errno(e ? e : EIO); /* not a zoned device */
    } else {
        d->opened = 1;
        if (d->fd >= ZS__ZNS_ZBD_FD_MAX)
            r = ZSLAB_E_LIMIT;
        else if (flock(d->fd, (read_only ? LOCK_SH : LOCK_EX) | LOCK_NB))
            r = ZSLAB_E_BUSY;
    }
    if (r == ZSLAB_OK) r = zs__zns_nvme_shape(d, &info, path, config->flags);
    if (r == ZSLAB_OK && d->append) d->append = (uint32_t)zs__zns_nvme_may_append(d);
    if (r == ZSLAB_OK && !d->append) {
        d->zone = (zs__lock *)(calloc)(d->geometry.zone_count, sizeof *d->zone);
        d->pointer = (uint64_t *)(calloc)(d->geometry.zone_count, sizeof *d->pointer);
        for (i = 0; d->pointer && i < d->geometry.zone_count; i++) d->pointer[i] = UINT64_MAX;
        if (!d->zone || !d->pointer) r = ZSLAB_E_NOMEM;
    }
    memset(out, 0, sizeof *out);
    if (r != ZSLAB_OK) {
        out->why.field = r == ZSLAB_E_GEOMETRY ? "path: not zoned, or with metadata bytes in its blocks" : "path";
        out->why.error = r == ZSLAB_E_GEOMETRY ? 0 : errno;
        zs__zns_nvme_close(d);
        return r;
    }
    out->user = d;
    out->status = &d->status;
    out->uses_append = d->append;
#if ZSLAB_ZNS_USE_URING
    if (d->append && config->queue_depth != 1) zs__zns_nvme_queue(d, path, config->queue_depth, &out->queue_refused);
    out->queue_depth = d->queue ? d->queue->depth : 0;
    out->begin = d->queue ? zs__zns_nvme_begin : NULL;
    out->wait = zs__zns_nvme_wait;
#endif
    out->reset_range = zs__zns_nvme_reset_range;
    out->ops.report = zs__zns_nvme_report;
    out->ops.append = zs__zns_nvme_append;
    out->ops.read = zs__zns_nvme_read;
    out->ops.reset = zs__zns_nvme_reset;
    out->ops.finish = zs__zns_nvme_finish;
    out->ops.flush = zs__zns_nvme_flush;
    out->ops.close = zs__zns_nvme_close;
    out->ops.geometry = d->geometry;
    return ZSLAB_OK;
}
#endif /* ZSLAB_ZNS_USE_LIBZBD */

/* ---- >>layout --------------------------------------------------------------
   Every private struct and its invariants.
   [ZONE-1] word = blocks reserved | closed | appends under way. Space is taken and the append counted in
            one CAS, so a zone that is closed with none under way gets no append any more: only then is it
            indexed, finished or reset.
   [ZONE-2] refs counts the live epochs that may have frames in the zone; an epoch takes its ref between
            reservation and append, so after the drain of ZONE-1 refs is the truth.
   [ZONE-3] state changes with zone_lock held, except EMPTY -> META, which is a CAS by whoever takes it.
   [BUF-1]  word = payload bytes | entries | sealed | round. A reservation is one CAS; the buffer is written
            out by the one who set sealed, after done equals the entries reserved.
   [BUF-2]  a buffer is reused only when retired and without readers; between uses it stays in its lane or goes to
            s->pool, never to the heap before close, so a late look at one is harmless.
   [BUF-3]  a buffer whose append is under way (FLYING) belongs to whoever turns it to FLUSHING; that thread has
            b->epoch pinned, or is its release. It keeps its zone from being drained (ZONE-1) and counts in
            s->underway until then. A failure makes it FAILED: whoever needs or flushes it writes it again.
   [BUF-4]  a frame counts in s->underway from its ordinal until it is stored or given up, also between two tries: what
            is synced behind it does not prove that it was.
   [BUF-5]  a buffer is opened only where its frame finds room beside all that is promised, and what goes to frames of
            its own leaves that room: what an append took can be written.
   [EP-1]   word = readers | writers | state in one word, so taking part and shutting out cannot miss each
            other: whoever counted in while the state allowed it is waited for.
   [EP-2]   epoch records, frames and buffers of a released epoch are freed only after EP-1's wait; records
            and frames are never given back to the heap before close, so a late look at one is harmless.
   [GEN-1]  a frame's generation is the store sequence at the time its id was taken. The sequence is
            persisted ahead of use and moves at every release and open: no id meets a generation twice.
   [META-1] metadata state (listed, sealed, sequence, window) changes with meta_lock held, together with
            its record.
   [DIR-1]  a directory is dropped by who turns `uses` from 0 to ZS__ZNS_DIR_GOING, or with its frame: nobody reads it
            then. A reader counts itself in before it looks at dir, and again when it met GOING.
   [SYNC-1] batches of syncs end one after the other; one thread leads at a time. Whoever joins a batch finds it in
            sync_open with sync_lock held, and the leader closes it there before it looks at any buffer: what was
            appended before the join is written before the flush.
   [ORD-1]  an epoch's frames have the ordinals 1 to begun, each one frame until it is stored or accounted for as
            gone: so a recovery that finds fewer knows how many are missing, and how many objects in them.
   Lock order: epoch lock, zone_lock, meta_lock. sync_lock, lane_lock, note_lock, ord_lock, why_lock are taken last. */
#define ZS__ZNS_HEAD_BYTES 128u
#define ZS__ZNS_ENTRY_BYTES 16u
#define ZS__ZNS_ENTRIES_MAX 4096u
#define ZS__ZNS_FRAME_MAX (4u << 20)
#define ZS__ZNS_FRAMES_MAX (1u << 26)
#define ZS__ZNS_FRAME_PAGE 2048u
#define ZS__ZNS_EPOCHS_MAX (1u << 20)
#define ZS__ZNS_EPOCH_PAGE 64u
#define ZS__ZNS_CLASSES 16u
#define ZS__ZNS_WINDOW 32u
#define ZS__ZNS_ITEM_BYTES 84u /* a frame in an index */
#define ZS__ZNS_ITEM_OLD 68u   /* before there were ordinals */
#define ZS__ZNS_DOUBTS 32u

#define ZS__ZNS_KIND_META 1u /* of a zone */
#define ZS__ZNS_KIND_OBJECTS 2u
#define ZS__ZNS_FRAME_OBJECTS 1u
#define ZS__ZNS_FRAME_META 2u
#define ZS__ZNS_FRAME_INDEX 3u

#define ZS__ZNS_FIRST 1u /* entry flags */
#define ZS__ZNS_MORE 2u
#define ZS__ZNS_BAD 16u /* in memory only: recovery found the piece damaged */

#define ZS__ZNS_Z_EMPTY 0u /* zone states */
#define ZS__ZNS_Z_OPENING 1u
#define ZS__ZNS_Z_OPEN 2u
#define ZS__ZNS_Z_FULL 3u
#define ZS__ZNS_Z_META 4u
#define ZS__ZNS_Z_SPARE 5u /* empty, kept for the metadata's next zone */
#define ZS__ZNS_Z_READ_ONLY 6u
#define ZS__ZNS_Z_OFFLINE 7u
#define ZS__ZNS_Z_FOREIGN 8u
#define ZS__ZNS_Z_RETIRED 9u /* a reset failed; tried again after a rest, see zs__zns_zone_spare */

#define ZS__ZNS_HARM_LOG 1u   /* recovery: a frame of the log is missing or damaged */
#define ZS__ZNS_HARM_TABLE 2u /* the device's own records are, or contradict the zones */
#define ZS__ZNS_HARM_LOST 4u  /* frames that a sync had covered are missing */

#define ZS__ZNS_CLOSED_BIT ((uint64_t)1 << 32)
#define ZS__ZNS_UNDERWAY ((uint64_t)1 << 33)
#define ZS__ZNS_RESERVED(word) ((uint32_t)(word))

typedef struct zs__zns_zone {
    zs__u64 word;  /* [ZONE-1] */
    zs__u64 start; /* byte offset */
    zs__u64 seq;
    zs__u64 owner; /* epoch that has it alone, or 0 */
    zs__u64 live_blocks;
    uint32_t capacity; /* blocks */
    uint32_t limit;    /* blocks for frames: capacity less the room for an index */
    uint32_t state, refs, lifetime, users, failed;
    uint32_t errors;    /* failures in a row; atomic, like rest_until */
    zs__u64 rest_until; /* zs__os_now_ns: until then it is used only where there is no other */
    uint32_t index_block, index_blocks, index_noted;
    uint32_t *frame; /* ids of its frames for the index, limit of them; NULL: none kept */
    uint32_t frame_count;
    uint32_t met;  /* recovery: frames found, also of epochs that are gone */
    uint32_t dead; /* holds frames of released epochs */
} zs__zns_zone;

typedef struct zs__zns_stream { /* where appends of a class, or of one epoch, go */
    uint32_t cur, next;         /* zones; changed with zone_lock held, cur read without */
    uint32_t preparing, lifetime;
    zs__u64 owner;
} zs__zns_stream;

#define ZS__ZNS_B_FREE 0u /* buffer states */
#define ZS__ZNS_B_OPEN 1u
#define ZS__ZNS_B_FLUSHING 2u
#define ZS__ZNS_B_FAILED 3u
#define ZS__ZNS_B_FLYING 4u /* its append is under way; whoever turns this to FLUSHING waits for it */
#define ZS__ZNS_B_COUNT ((uint64_t)1 << 28)
#define ZS__ZNS_B_SEALED ((uint64_t)1 << 41)
#define ZS__ZNS_B_ROUND ((uint64_t)1 << 42)
#define ZS__ZNS_B_RETIRED ((uint64_t)1 << 63)
#define ZS__ZNS_B_BYTES(word) ((uint32_t)((word) & (ZS__ZNS_B_COUNT - 1)))
#define ZS__ZNS_B_ENTRIES(word) ((uint32_t)((word) >> 28 & 8191))

typedef struct zs__zns_buffer {
    zs__u64 word, done;                  /* [BUF-1] */
    zs__u64 pin;                         /* retired | readers [BUF-2] */
    uint32_t state, frame, limit, dirty; /* limit: blocks, atomic; dirty: entries to clear before reuse */
    uintptr_t epoch;                     /* whose it is: changes only when FREE */
    struct zs__zns_buffer *spare;        /* the next in s->pool */
    uint64_t *entry;                     /* pairs of words */
    uint8_t *pages, *payload;            /* room for the header lies right before the payload */
    struct zs__zns_load *load;           /* its frame being written: whose state is FLUSHING or FLYING */
} zs__zns_buffer;

#define ZS__ZNS_E_FREE 0u /* epoch states */
#define ZS__ZNS_E_OPEN 1u
#define ZS__ZNS_E_SEALED 2u
#define ZS__ZNS_E_RELEASING 3u /* readers and syncs are waited for; syncs may still count in */
#define ZS__ZNS_E_DROPPING 4u  /* nobody is inside; the release is being recorded, or has been */
#define ZS__ZNS_E_STATE(word) ((uint32_t)((word) >> 56))
#define ZS__ZNS_E_WRITER ((uint64_t)1 << 28)
#define ZS__ZNS_E_PINS (((uint64_t)1 << 56) - 1)

typedef struct zs__zns_ep {
    zs__u64 word; /* [EP-1] */
    zs__u64 id, expected, expires;
    zs__zns_stream own;
    uintptr_t stream; /* `own` or its class's; changes with zone_lock held */
    uintptr_t cur;    /* the buffer that takes objects now */
    zs__zns_buffer *lane[ZSLAB_ZNS_LANES];
    zs__lock lock; /* lanes, zones */
    uint32_t *zone;
    uint32_t zone_count, zone_room, last_zone;
    uint32_t frames; /* newest frame id + 1: its list */
    zs__u64 objects, user_bytes, device_blocks;
    uint32_t slot, lifetime, listed, sealed; /* [META-1] */
    uint32_t busy;                           /* place in s->busy + 1; lane_lock */
    uint32_t free_next;                      /* slot + 1 of the next free place; meta_lock */
    uint32_t sync_rc;                        /* why a batch did not cover it, negated */
    zs__u64 sync_in;                         /* the last batch it is in; sync_lock */
    zs__u64 sync_ok;                         /* the last batch that covered it */
    zs__lock ord_lock;                       /* from here to gone_bytes */
    uint32_t begun, landed, heads, bytes;    /* frames with an ordinal, frames stored; sums over these [ORD-1] */
    uint32_t covered, mark;                  /* ordinals synced; those stored when mark_seq was the newest */
    zs__u64 mark_seq;
    uint32_t gone_upto, gone, gone_heads, gone_bytes; /* accounted for: so many frames are missing up to there */
    uint32_t told, lost, pending; /* begun, as the log has it; objects; gone is to be recorded; meta_lock */
    zs__u64 lost_bytes;
    uint32_t proof; /* recovery: the newest serial of the log at which it was alive, low 32 bits */
    char label[32];
} zs__zns_ep;

typedef struct zs__zns_batch { /* what one sync covers */
    zs__zns_ep **epoch;
    uint32_t count, room, all;
} zs__zns_batch;

#define ZS__ZNS_F_NONE 0u /* frame states */
#define ZS__ZNS_F_STORED 1u

typedef struct zs__zns_frame {
    zs__u64 gen; /* 0: free [GEN-1] */
    zs__u64 zone_seq, frame_seq;
    uintptr_t epoch, dir, buffer; /* dir: entry pairs; buffer: while not yet written */
    uint32_t zone, block, blocks, payload_at, payload_bytes, count, heads, state, bad;
    uint32_t next, next_free;               /* ids + 1 */
    uint32_t uses;                          /* readers of dir, or ZS__ZNS_DIR_GOING alone: [DIR-1] */
    uint32_t ordinal, before, before_bytes; /* 0: none yet, or of an image without; sums over lower ones */
    uint32_t user_bytes;                    /* the payload without what fills up to 8 */
} zs__zns_frame;
#define ZS__ZNS_DIR_GOING 0x80000000u

typedef struct zs__zns_log { /* the log as it leaves a frame */
    uint64_t serial, hash;
    uint32_t live;
} zs__zns_log;

typedef struct zs__zns_loss { /* what recovery found missing of an epoch */
    uint64_t epoch, objects, bytes;
} zs__zns_loss;

struct zslab_zns {
    zs__zns_dev dev;
    zslab_zns_config config;
    uint8_t uuid[16];
    uint32_t block_bytes, zone_count, frame_blocks, pack_blocks, owned, read_only;
    uint32_t slots; /* active zones for objects, 0: no limit */
    uint32_t fatal; /* a zslab_result that ends all writing */
    zs__zns_zone *zone;
    zs__zns_stream stream[ZS__ZNS_CLASSES];
    zs__lock zone_lock; /* zone states, streams, exclusive, cursor */
    uint32_t exclusive, cursor;
    uintptr_t frame_page[ZS__ZNS_FRAMES_MAX / ZS__ZNS_FRAME_PAGE];
    zs__u64 frame_free;           /* tag << 32 | id + 1 */
    uint32_t frame_top, dir_hand; /* dir_hand: where the next directory to drop is looked for */
    zs__u64 dir_bytes;
    zs__lock page_lock; /* making pages of frames and epochs */
    uintptr_t epoch_page[ZS__ZNS_EPOCHS_MAX / ZS__ZNS_EPOCH_PAGE];
    uint32_t epoch_top, epoch_limit, epoch_count; /* slots ever used; [META-1] */
    uint32_t epoch_free, epoch_hole;              /* free places: a chain, slot + 1; pages below are all there */
    zs__u64 *order; /* ids, rising: all live ones, and some released since the last sweep; meta_lock */
    uint32_t order_count, order_room;
    zs__lock meta_lock;
    uint32_t meta_zone, meta_used, meta_spare, window_count;
    uint32_t window[ZS__ZNS_WINDOW + 1]; /* zones that may be opened without a further record */
    zs__u64 seq, seq_limit;              /* next sequence; persisted ahead */
    zs__u64 doubt[ZS__ZNS_DOUBTS][2];    /* frame sequences [from, to) that a crash found unsynced */
    uint32_t doubt_count, clean;         /* clean: the log ends with an orderly close */
    zs__u64 clean_seq;                   /* the sequence then; 0: unknown */
    zs__zns_log log, log_flushed;        /* meta_lock and note_lock; note_lock */
    zs__lock note_lock;
    uint32_t log_wrong; /* a record that does not hold may have arrived: no sync succeeds before the log begins anew */
    uint32_t meta_kept; /* the zone of the log before this one, not reset yet; it is the spare, too */
    uint32_t damage;    /* ZS__ZNS_HARM_*: found by recovery */
    zs__u64 log_reach;  /* recovery: the log was flushed up to this serial */
    zs__u64 unproven;   /* epochs that are not known to have lived at this serial of the log are in doubt */
    zs__u64 newest, heard; /* recovery: the newest epoch whose begin was read; that one when the first gap came */
    uint32_t deep;         /* recovery looks at every block, whatever the zone table says */
    zs__zns_note noted;    /* what the device was told last, when it was opened */
    zs__zns_loss *loss;    /* loss_count of them, as recovery found them */
    size_t loss_count;
    uint8_t *meta_pages;
    size_t meta_room, meta_have;
    zs__u64 frame_seq, underway, synced; /* frames begun, being written, covered by a flush */
    zs__u64 promised;                    /* blocks: for buffers that are not FREE, and large objects' rests [BUF-5] */
    zs__lock sync_lock;                  /* the batches, and who leads [SYNC-1] */
    zs__zns_batch batch[2];              /* by the batch's parity: one gathers, one is being written */
    zs__u64 sync_open, sync_done;        /* the batch that gathers; all up to this are over */
    zs__u64 all_ok;                      /* as an epoch's, for syncs of all */
    uint32_t all_rc, leading;
    uint32_t gate[2]; /* where waiters sleep, by the batch's parity: both move when a batch is over */
    zs__lock lane_lock;
    zs__zns_ep **busy;                         /* epochs with buffers */
    uint32_t busy_count, busy_room, busy_hand; /* hand: the next one that the log may hear of */
    zs__zns_buffer *pool;                      /* buffers between epochs [BUF-2] */
    zs__u64 objects, user_bytes, device_blocks, appends, syncs, resets, finishes, retries, lost;
    zslab_zns_recovery_report recovery;
    zs__lock why_lock; /* why */
    zs__zns_why why;
};

/* ---- >>format --------------------------------------------------------------
   Headers of zones and frames, entries and handles, to and from bytes: >>front says what they mean.  */
typedef struct zs__zns_head {
    uint32_t kind, zone, blocks, id, entries, header_blocks, payload_at, payload_bytes, heads;
    uint32_t ordinal, before, before_bytes, covered, serial, user_bytes; /* user_bytes: from an index; 0: not told */
    uint64_t zone_seq, epoch, frame_seq, gen, synced;
} zs__zns_head;

static const uint8_t *zs__zns_magic(int frame) { return (const uint8_t *)(frame ? "ZSLBFRAM" : "ZSLBZONE"); }

static uint32_t zs__zns_blocks(const zslab_zns *s, size_t bytes)
{
    return (uint32_t)((bytes + s->block_bytes - 1) / s->block_bytes);
}
static uint32_t zs__zns_header_blocks(const zslab_zns *s, uint32_t entries)
{
    return zs__zns_blocks(s, ZS__ZNS_HEAD_BYTES + (size_t)entries * ZS__ZNS_ENTRY_BYTES);
}

static void zs__zns_zone_header(const zslab_zns *s, uint8_t *p, uint32_t zone, uint32_t kind)
{
    const zs__zns_zone *z = &s->zone[zone];
    memset(p, 0, s->block_bytes);
    memcpy(p, zs__zns_magic(0), 8);
    zs__zns_put32(p + 8, ZSLAB_ZNS_FORMAT_VERSION);
    zs__zns_put32(p + 12, kind);
    memcpy(p + 16, s->uuid, 16);
    zs__zns_put32(p + 32, zone);
    zs__zns_put32(p + 36, s->block_bytes);
    zs__zns_put64(p + 40, z->seq);
    zs__zns_put64(p + 48, z->owner);
    zs__zns_put32(p + 56, z->lifetime);
    zs__zns_put32(p + 60, s->zone_count);
    zs__zns_put64(p + 64, s->dev.ops.geometry.zone_bytes);
    zs__zns_put64(p + 72, (uint64_t)z->capacity * s->block_bytes);
    zs__zns_put32(p + 124, zs__zns_crc(0, p, 124));
}

/* Writes the fixed part and the crc; `inline_bytes` after it are in place. */
static void zs__zns_head_write(const zslab_zns *s, uint8_t *p, const zs__zns_head *h)
{
    size_t inline_bytes = h->kind == ZS__ZNS_FRAME_OBJECTS ? (size_t)h->entries * ZS__ZNS_ENTRY_BYTES : h->entries;
    memset(p, 0, ZS__ZNS_HEAD_BYTES);
    memcpy(p, zs__zns_magic(1), 8);
    zs__zns_put32(p + 8, ZSLAB_ZNS_FORMAT_VERSION);
    zs__zns_put32(p + 12, h->kind);
    memcpy(p + 16, s->uuid, 16);
    zs__zns_put32(p + 32, h->zone);
    zs__zns_put32(p + 36, h->blocks);
    zs__zns_put64(p + 40, h->zone_seq);
    zs__zns_put64(p + 48, h->epoch);
    zs__zns_put64(p + 56, h->frame_seq);
    zs__zns_put32(p + 64, h->id);
    zs__zns_put32(p + 68, h->entries);
    zs__zns_put64(p + 72, h->gen);
    zs__zns_put64(p + 80, h->synced);
    zs__zns_put32(p + 88, h->payload_at % s->block_bytes ? 0 : h->header_blocks);
    zs__zns_put32(p + 92, h->payload_bytes);
    zs__zns_put32(p + 96, h->heads);
    zs__zns_put32(p + 100, h->ordinal);
    zs__zns_put32(p + 104, h->before);
    zs__zns_put32(p + 108, h->before_bytes);
    zs__zns_put32(p + 112, h->covered);
    zs__zns_put32(p + 116, h->serial);
    zs__zns_put32(p + 124, zs__zns_crc(zs__zns_crc(0, p, 124), p + ZS__ZNS_HEAD_BYTES, inline_bytes));
}

/* Reads the part from byte 36 to 120; in an index `item` bytes say the same, but for the serial. */
static void zs__zns_head_fields(const uint8_t *from36, zs__zns_head *h, uint32_t item)
{
    int old = item == ZS__ZNS_ITEM_OLD;
    const uint8_t *p = from36 - 36;
    h->blocks = zs__zns_get32(p + 36);
    h->zone_seq = zs__zns_get64(p + 40);
    h->epoch = zs__zns_get64(p + 48);
    h->frame_seq = zs__zns_get64(p + 56);
    h->id = zs__zns_get32(p + 64);
    h->entries = zs__zns_get32(p + 68);
    h->gen = zs__zns_get64(p + 72);
    h->synced = zs__zns_get64(p + 80);
    h->header_blocks = zs__zns_get32(p + 88);
    h->payload_bytes = zs__zns_get32(p + 92);
    h->heads = zs__zns_get32(p + 96);
    h->ordinal = old ? 0 : zs__zns_get32(p + 100);
    h->before = old ? 0 : zs__zns_get32(p + 104);
    h->before_bytes = old ? 0 : zs__zns_get32(p + 108);
    h->covered = item ? 0 : zs__zns_get32(p + 112);
    h->user_bytes = item && !old ? zs__zns_get32(p + 112) : 0;
    h->serial = item ? 0 : zs__zns_get32(p + 116);
}

/* Do the lengths agree with each other and with `room` blocks? Finds where the payload begins. */
static int zs__zns_head_sane(const zslab_zns *s, zs__zns_head *h, uint32_t room)
{
    size_t inline_bytes = h->entries;
    uint32_t header = h->header_blocks;
    if (h->kind == ZS__ZNS_FRAME_OBJECTS) {
        if (!h->entries || h->entries > ZS__ZNS_ENTRIES_MAX || h->id >= ZS__ZNS_FRAMES_MAX || !h->gen) return 0;
        inline_bytes *= ZS__ZNS_ENTRY_BYTES;
    }
    h->header_blocks = zs__zns_blocks(s, ZS__ZNS_HEAD_BYTES + inline_bytes);
    h->payload_at = header ? h->header_blocks * s->block_bytes : (uint32_t)(ZS__ZNS_HEAD_BYTES + inline_bytes);
    return h->kind >= ZS__ZNS_FRAME_OBJECTS && h->kind <= ZS__ZNS_FRAME_INDEX && h->blocks && h->blocks <= room &&
           (header == h->header_blocks || (!header && h->kind == ZS__ZNS_FRAME_OBJECTS)) &&
           h->header_blocks <= h->blocks &&
           (uint64_t)h->payload_at + h->payload_bytes <= (uint64_t)h->blocks * s->block_bytes;
}

/* The fixed part of what may be a frame of this zone; the crc is checked by _head_proven. */
static int zs__zns_head_read(const zslab_zns *s, const uint8_t *p, uint32_t zone, uint32_t room, zs__zns_head *h)
{
    if (memcmp(p, zs__zns_magic(1), 8) != 0 || memcmp(p + 16, s->uuid, 16) != 0 ||
        zs__zns_get32(p + 8) > ZSLAB_ZNS_FORMAT_VERSION || zs__zns_get32(p + 32) != zone)
        return 0;
    h->kind = zs__zns_get32(p + 12);
    h->zone = zone;
    zs__zns_head_fields(p + 36, h, 0);
    return h->zone_seq == s->zone[zone].seq && zs__zns_head_sane(s, h, room);
}
static int zs__zns_head_proven(const uint8_t *p, const zs__zns_head *h)
{
    size_t inline_bytes = h->kind == ZS__ZNS_FRAME_OBJECTS ? (size_t)h->entries * ZS__ZNS_ENTRY_BYTES : h->entries;
    return zs__zns_get32(p + 124) == zs__zns_crc(zs__zns_crc(0, p, 124), p + ZS__ZNS_HEAD_BYTES, inline_bytes);
}

static size_t zs__zns_inline_bytes(const uint8_t *p)
{
    size_t n = zs__zns_get32(p + 68);
    return zs__zns_get32(p + 12) == ZS__ZNS_FRAME_OBJECTS ? n * ZS__ZNS_ENTRY_BYTES : n;
}

/* `p` may be a frame's first blocks, of which `room` bytes are here, with one bit flipped: flips it back. [CRC-2]
   What must stand there anyway is compared first; kind and length, which say how far the crc goes, are tried. */
static int zs__zns_head_mend(const zslab_zns *s, uint8_t *p, uint32_t zone, size_t room)
{
    uint8_t want[24], bit = 0, *at;
    uint32_t i, wrong = 0;
    size_t n;
    memcpy(want, zs__zns_magic(1), 8);
    memcpy(want + 8, s->uuid, 16);
    for (i = 0; i < 24; i++) {
        uint32_t x = p[i < 8 ? i : i + 8] ^ want[i];
        for (; x; x &= x - 1) wrong++;
    }
    if (wrong > 1 || zs__zns_get32(p + 32) >> 24 ||
        (!wrong && zs__zns_get32(p + 32) != zone && !zs__is_pow2(zs__zns_get32(p + 32) ^ zone)))
        return 0;
    n = zs__zns_inline_bytes(p);
    if (n <= room - ZS__ZNS_HEAD_BYTES) {
        uint32_t diff = zs__zns_get32(p + 124) ^ zs__zns_crc(zs__zns_crc(0, p, 124), p + ZS__ZNS_HEAD_BYTES, n);
        if (!diff) return 0; /* whole */
        at = zs__zns_crc_culprit(p, 124, p + ZS__ZNS_HEAD_BYTES, n, diff, &bit);
        if (at || zs__is_pow2(diff)) {
            if (at) *at ^= bit;
            zs__zns_put32(p + 124, zs__zns_crc(zs__zns_crc(0, p, 124), p + ZS__ZNS_HEAD_BYTES, n));
            return 1;
        }
    }
    for (i = 0; i < 64; i++) {
        at = p + (i < 32 ? 12 : 68) + (i & 31) / 8;
        *at ^= (uint8_t)(1u << (i & 7));
        n = zs__zns_inline_bytes(p);
        if (n <= room - ZS__ZNS_HEAD_BYTES &&
            zs__zns_get32(p + 124) == zs__zns_crc(zs__zns_crc(0, p, 124), p + ZS__ZNS_HEAD_BYTES, n))
            return 1;
        *at ^= (uint8_t)(1u << (i & 7));
    }
    return 0;
}

static uint64_t zs__zns_entry0(size_t bytes, uint32_t flags, uint32_t crc)
{
    return (uint64_t)bytes | (uint64_t)flags << 27 | (uint64_t)crc << 32;
}
static uint32_t zs__zns_entry_bytes(uint64_t w0) { return (uint32_t)(w0 & 0x7ffffff); }
static uint32_t zs__zns_entry_flags(uint64_t w0) { return (uint32_t)(w0 >> 27 & 31); }
static uint32_t zs__zns_entry_crc(uint64_t w0) { return (uint32_t)(w0 >> 32); }
static uint64_t zs__zns_entry1(size_t offset, uint32_t next_frame, uint32_t next_idx)
{
    return (uint64_t)offset / 8 | (uint64_t)next_idx << 24 | (uint64_t)next_frame << 36;
}
static size_t zs__zns_entry_offset(uint64_t w1) { return (size_t)(w1 & 0xffffff) * 8; }

/* [63:38] frame [37:26] entry [25:2] generation [1:0] version 10 */
static zslab_handle zs__zns_handle(uint32_t frame, uint32_t idx, uint64_t gen)
{
    return (uint64_t)frame << 38 | (uint64_t)idx << 26 | (gen & 0xffffff) << 2 | 2;
}

/* ---- >>map -----------------------------------------------------------------
   From ids to frames and epochs, without a lock: two-level tables whose pages never move; free frame ids
   on a stack; and who is inside an epoch. [EP-1] [EP-2] [GEN-1]                        */
static zs__zns_frame *zs__zns_frame_at(zslab_zns *s, uint32_t id)
{
    uintptr_t page; /* acquire: the page's contents. Pairs with the store in zs__zns_frame_page */
    if (id >= ZS__ZNS_FRAMES_MAX) return NULL;
    page = zs__load_acq_ptr(&s->frame_page[id / ZS__ZNS_FRAME_PAGE]);
    return page ? (zs__zns_frame *)page + id % ZS__ZNS_FRAME_PAGE : NULL;
}

/* The frame of an id that was handed out. */
static zs__zns_frame *zs__zns_frame_of(zslab_zns *s, uint32_t id)
{ /* acquire: as in zs__zns_frame_at */
    return (zs__zns_frame *)zs__load_acq_ptr(&s->frame_page[id / ZS__ZNS_FRAME_PAGE]) + id % ZS__ZNS_FRAME_PAGE;
}

static zs__zns_frame *zs__zns_frame_page(zslab_zns *s, uint32_t id)
{
    zs__zns_frame *f = zs__zns_frame_at(s, id), *page;
    if (f) return f;
    zs__lock_take(&s->page_lock);
    if (!zs__zns_frame_at(s, id)) {
        page = (zs__zns_frame *)(calloc)(ZS__ZNS_FRAME_PAGE, sizeof *page);
        if (page) /* release: zeroed contents. Pairs with the load in zs__zns_frame_at */
            zs__store_rel_ptr(&s->frame_page[id / ZS__ZNS_FRAME_PAGE], (uintptr_t)page);
    }
    zs__lock_drop(&s->page_lock);
    return zs__zns_frame_at(s, id);
}

/* Pushes an id on the free stack. The tag in the upper half rises with every change, so a pop that slept
   meets another word (ABA). */
static void zs__zns_frame_push(zslab_zns *s, uint32_t id)
{
    zs__zns_frame *f = zs__zns_frame_of(s, id);
    uint64_t head = zs__load_acq_u64(&s->frame_free), now; /* acquire: as in the pop */
    do {
        zs__store_u32(&f->next_free, (uint32_t)head); /* relaxed: the CAS publishes it */
        now = ((head >> 32) + 1) << 32 | (id + 1);
    } while (!zs__cas_u64(&s->frame_free, &head, now)); /* release: next_free. Pairs with the pop's loads */
}

/* A fresh id for a frame of e, already in e's list; ZS__ZNS_NONE when all are in use or memory is out. */
static uint32_t zs__zns_frame_take(zslab_zns *s, zs__zns_ep *e)
{
    uint64_t head = zs__load_acq_u64(&s->frame_free), now; /* acquire: next_free of what was pushed */
    uint32_t id = ZS__ZNS_NONE, newest;
    zs__zns_frame *f;
    while ((uint32_t)head) {
        f = zs__zns_frame_of(s, (uint32_t)head - 1);
        now = ((head >> 32) + 1) << 32 | zs__load_u32(&f->next_free); /* relaxed: a stale one fails the CAS */
        if (zs__cas_u64(&s->frame_free, &head, now)) {
            id = (uint32_t)head - 1;
            break;
        }
    }
    if (id == ZS__ZNS_NONE) {
        id = zs__add_u32(&s->frame_top, 1);
        if (id >= ZS__ZNS_FRAMES_MAX || !zs__zns_frame_page(s, id)) {
            zs__sub_u32(&s->frame_top, 1);
            return ZS__ZNS_NONE;
        }
    }
    f = zs__zns_frame_of(s, id);
    zs__store_u32(&f->state, ZS__ZNS_F_NONE);
    f->frame_seq = UINT64_MAX;
    f->ordinal = 0;
    zs__store_ptr(&f->epoch, (uintptr_t)e);
    /* release: epoch and the cleared state. Pairs with zs__zns_pin_handle; acquire of seq: [GEN-1] */
    zs__store_rel_u64(&f->gen, zs__load_acq_u64(&s->seq));
    newest = zs__load_u32(&e->frames); /* relaxed: the CAS decides */
    do zs__store_u32(&f->next, newest);
    while (!zs__cas_u32(&e->frames, &newest, id + 1)); /* release: next. Pairs with the walks' acquire */
    return id;
}

/* Its readers are gone. [DIR-1] */
static void zs__zns_dir_free(zslab_zns *s, zs__zns_frame *f)
{
    void *dir = (void *)zs__exchange_ptr(&f->dir, 0); /* acquire: count. Pairs with who set it */
    if (dir) zs__sub_u64(&s->dir_bytes, (uint64_t)f->count * ZS__ZNS_ENTRY_BYTES);
    (free)(dir);
}

/* Drops directories that nobody reads until they fit, or until it has looked at all. What recovery marked as damaged
   stands in memory only and stays. */
static void zs__zns_dirs_fit(zslab_zns *s)
{
    uint32_t turns = zs__load_u32(&s->frame_top), top = turns; /* relaxed, here and below: any value serves */
    while (s->config.directory_bytes && turns-- && zs__load_u64(&s->dir_bytes) > s->config.directory_bytes) {
        zs__zns_frame *f = zs__zns_frame_at(s, zs__add_u32(&s->dir_hand, 1) % top);
        uint32_t none = 0;
        if (!f || f->bad || !zs__load_ptr(&f->dir) || !zs__cas_u32(&f->uses, &none, ZS__ZNS_DIR_GOING)) continue;
        zs__zns_dir_free(s, f);
        zs__and_u32(&f->uses, ~ZS__ZNS_DIR_GOING); /* release: dir is 0. Pairs with zs__zns_dir_hold */
    }
}

/* Nobody uses the frame any more. [EP-2] */
static void zs__zns_frame_drop(zslab_zns *s, uint32_t id)
{
    zs__zns_frame *f = zs__zns_frame_of(s, id);
    zs__store_rel_u64(&f->gen, 0); /* release: late readers that see a later owner see this too */
    zs__store_ptr(&f->epoch, 0);
    zs__zns_dir_free(s, f);
    zs__store_ptr(&f->buffer, 0);
    zs__zns_frame_push(s, id);
}

static zs__zns_ep *zs__zns_ep_at(zslab_zns *s, uint32_t slot)
{
    uintptr_t page; /* acquire: pairs with the store in zs__zns_ep_page */
    if (slot >= ZS__ZNS_EPOCHS_MAX) return NULL;
    page = zs__load_acq_ptr(&s->epoch_page[slot / ZS__ZNS_EPOCH_PAGE]);
    return page ? (zs__zns_ep *)page + slot % ZS__ZNS_EPOCH_PAGE : NULL;
}

static zs__zns_ep *zs__zns_ep_page(zslab_zns *s, uint32_t slot)
{
    zs__zns_ep *page;
    uint32_t i;
    zs__lock_take(&s->page_lock);
    if (!zs__zns_ep_at(s, slot)) {
        page = (zs__zns_ep *)(calloc)(ZS__ZNS_EPOCH_PAGE, sizeof *page);
        for (i = 0; page && i < ZS__ZNS_EPOCH_PAGE; i++) page[i].slot = slot - slot % ZS__ZNS_EPOCH_PAGE + i;
        if (page) /* release: pairs with zs__zns_ep_at */
            zs__store_rel_ptr(&s->epoch_page[slot / ZS__ZNS_EPOCH_PAGE], (uintptr_t)page);
    }
    zs__lock_drop(&s->page_lock);
    return zs__zns_ep_at(s, slot);
}

/* ---- the live epochs by id; meta_lock held ---- */

/* Where the ids above `after` begin. */
static uint32_t zs__zns_order_above(const zslab_zns *s, uint64_t after)
{
    uint32_t from = 0, to = s->order_count;
    while (from < to) {
        uint32_t mid = from + (to - from) / 2;
        if (s->order[mid] > after)
            to = mid;
        else
            from = mid + 1;
    }
    return from;
}

/* The live epoch at place `at` of the order or behind it, or NULL. */
static zs__zns_ep *zs__zns_order_live(zslab_zns *s, uint32_t at)
{
    for (; at < s->order_count; at++) {
        zs__zns_ep *e = zs__zns_ep_at(s, (uint32_t)(s->order[at] % ZS__ZNS_EPOCHS_MAX));
        if (e && e->listed && zs__load_u64(&e->id) == s->order[at]) return e; /* relaxed: listed says it is set */
    }
    return NULL;
}

/* Room for one more id. An eighth of released ones and they are swept out: each costs some eight moves then. */
static int zs__zns_order_room(zslab_zns *s)
{
    uint32_t i, n = 0;
    if (s->order_count >= s->epoch_count + s->epoch_count / 8 + 64) {
        for (i = 0; i < s->order_count; i++) {
            zs__zns_ep *e = zs__zns_ep_at(s, (uint32_t)(s->order[i] % ZS__ZNS_EPOCHS_MAX));
            if (e && zs__load_u64(&e->id) == s->order[i]) s->order[n++] = s->order[i]; /* relaxed: as above */
        }
        s->order_count = n;
    }
    if (s->order_count == s->order_room) {
        zs__u64 *more = (zs__u64 *)(realloc)(s->order, (s->order_room * 2 + 64) * sizeof *more);
        if (!more) return 0;
        s->order = more;
        s->order_room = s->order_room * 2 + 64;
    }
    return 1;
}

/* Counts this thread in as a reader or writer of an epoch. 1: counted in. [EP-1] */
static int zs__zns_pin(zs__zns_ep *e, int writer)
{
    uint64_t one = writer ? ZS__ZNS_E_WRITER : 1, was = zs__add_u64(&e->word, one);
    uint32_t state = ZS__ZNS_E_STATE(was); /* acq_rel above: pairs with the CAS in zs__zns_ep_turn */
    if (state == ZS__ZNS_E_OPEN || (state == ZS__ZNS_E_SEALED && !writer)) return 1;
    zs__sub_u64(&e->word, one);
    return 0;
}
static void zs__zns_unpin(zs__zns_ep *e, int writer)
{
    zs__sub_u64(&e->word, writer ? ZS__ZNS_E_WRITER : 1); /* release: pairs with zs__zns_ep_wait */
}

/* Counts a sync in as a reader, also when a release waits for others. 0: the epoch is free, or its release durable. */
static int zs__zns_pin_sync(zslab_zns *s, zs__zns_ep *e)
{
    for (;;) {
        uint32_t state = ZS__ZNS_E_STATE(zs__add_u64(&e->word, 1)), listed; /* acq_rel: as in zs__zns_pin */
        if (state && state != ZS__ZNS_E_DROPPING) return 1;
        zs__sub_u64(&e->word, 1);
        if (!state) return 0;
        zs__lock_take(&s->meta_lock); /* held while the release is recorded and flushed */
        listed = e->listed;
        zs__lock_drop(&s->meta_lock);
        if (!listed) return 0;
        zs__zns_nap(0); /* not recorded yet, or the record failed */
    }
}

/* The epoch by id, pinned, or NULL. */
static zs__zns_ep *zs__zns_pin_id(zslab_zns *s, zslab_zns_epoch id, int writer)
{
    zs__zns_ep *e = id ? zs__zns_ep_at(s, (uint32_t)(id % ZS__ZNS_EPOCHS_MAX)) : NULL;
    if (!e || zs__load_acq_u64(&e->id) != id || !zs__zns_pin(e, writer)) /* acquire: pairs with _begin */
        return NULL;
    if (zs__load_acq_u64(&e->id) == id) /* still: the pin holds it now */
        return e;
    zs__zns_unpin(e, writer);
    return NULL;
}

/* state `from` (or `from2`) -> `to`; the state that was, or 0 when it was another. */
static uint32_t zs__zns_ep_turn(zs__zns_ep *e, uint32_t from, uint32_t from2, uint32_t to)
{
    uint64_t was = zs__load_acq_u64(&e->word); /* acquire here and in the CAS: pairs with pins and turns */
    do
        if (ZS__ZNS_E_STATE(was) != from && ZS__ZNS_E_STATE(was) != from2) return 0;
    while (!zs__cas_u64(&e->word, &was, (was & ZS__ZNS_E_PINS) | (uint64_t)to << 56));
    return ZS__ZNS_E_STATE(was);
}

/* Until nobody that `mask` counts is inside. */
static void zs__zns_ep_wait(zs__zns_ep *e, uint64_t mask)
{
    uint32_t tries = 0;
    while (zs__load_acq_u64(&e->word) & mask) /* acquire: what they did. Pairs with zs__zns_unpin */
        zs__zns_nap(tries++);
}

/* ---- >>meta ----------------------------------------------------------------
   The metadata log. meta_lock is held by every function here that is not called _locked by others; the
   zone it writes to is its own, so it needs no zone_lock. [META-1]                   */
#define ZS__ZNS_R_SNAPSHOT 1u
#define ZS__ZNS_R_EPOCH 2u
#define ZS__ZNS_R_SEAL 3u
#define ZS__ZNS_R_RELEASE 4u
#define ZS__ZNS_R_RESERVE 5u
#define ZS__ZNS_R_CLEAN 6u
#define ZS__ZNS_R_INDEX 7u
#define ZS__ZNS_R_DOUBT 8u
#define ZS__ZNS_R_FRAMES 9u
#define ZS__ZNS_HASH UINT64_C(0x9e3779b97f4a7c15)
#define ZS__ZNS_UNHASH UINT64_C(0xf1de83e19937733d) /* their product is 1 */
#define ZS__ZNS_META_KEEP 256u                      /* bytes of records in one write */
#define ZS__ZNS_SEQ_STEP 1024u
#define ZS__ZNS_SEQ_SLACK 64u /* metadata zones may take this many between two reserve records */

static void zs__zns_set_fatal(zslab_zns *s, int rc)
{
    if (-rc == (int)ZSLAB_E_GONE) /* release: pairs with zs__zns_fatal */
        zs__store_rel_u32(&s->fatal, (uint32_t)ZSLAB_E_GONE);
}

/* The answer of an operation: a failure is kept for zslab_zns_error, and a device that is gone remembered. */
static int zs__zns_told(zslab_zns *s, const char *op, uint32_t zone, uint32_t block, int rc)
{
    int error = errno;
    if (!rc) return 0;
    zs__zns_set_fatal(s, rc);
    zs__lock_take(&s->why_lock);
    s->why.call = s->why.field = NULL;
    s->why.op = op;
    s->why.zone = zone;
    s->why.block = block;
    s->why.rc = rc;
    s->why.error = error;
    s->why.status = s->dev.status && !error ? zs__load_u32(s->dev.status) : 0; /* relaxed: a figure */
    zs__lock_drop(&s->why_lock);
    return rc;
}

static int zs__zns_dev_append(zslab_zns *s, uint32_t zone, const zslab_zns_iov *iov, size_t count, uint64_t *at)
{
    errno = 0;
    return zs__zns_told(s, "append to", zone, ZS__ZNS_NONE, s->dev.ops.append(s->dev.user, zone, iov, count, at));
}
static int zs__zns_dev_reset(zslab_zns *s, uint32_t zone)
{
    errno = 0;
    return zs__zns_told(s, "reset of", zone, ZS__ZNS_NONE, s->dev.ops.reset(s->dev.user, zone));
}
static int zs__zns_dev_finish(zslab_zns *s, uint32_t zone)
{
    errno = 0;
    return zs__zns_told(s, "finish of", zone, ZS__ZNS_NONE, s->dev.ops.finish(s->dev.user, zone));
}
static int zs__zns_dev_read(zslab_zns *s, uint32_t zone, uint32_t block, uint32_t count, void *pages)
{
    uint64_t at = s->zone[zone].start + (uint64_t)block * s->block_bytes;
    errno = 0;
    return zs__zns_told(s, "read of", zone, block,
                        (s->dev.ops.read)(s->dev.user, at, pages, (size_t)count * s->block_bytes));
}
static int zs__zns_dev_report(zslab_zns *s, uint32_t zone, zslab_zns_zone *out)
{
    errno = 0;
    return zs__zns_told(s, "report of", zone, ZS__ZNS_NONE, s->dev.ops.report(s->dev.user, zone, 1, out));
}

/* Tells the device how far the last flush reached. A device that keeps no notes is told nothing. */
static int zs__zns_tell(zslab_zns *s)
{
    zs__zns_note n;
    int rc = 0;
    if (!s->dev.note) return 0;
    memset(&n, 0, sizeof n);
    zs__lock_take(&s->note_lock);            /* so that notes do not overtake each other */
    n.synced = zs__load_acq_u64(&s->synced); /* acquire: pairs with zs__zns_flush */
    n.serial = s->log_flushed.serial;
    n.live_hash = s->log_flushed.hash;
    n.live = s->log_flushed.live;
    errno = 0;
    rc = zs__zns_told(s, "note of the sync", ZS__ZNS_NONE, 0, s->dev.note(s->dev.user, &n));
    zs__lock_drop(&s->note_lock);
    return rc;
}

/* A device flush, and what of the log it made durable. */
static int zs__zns_dev_flush(zslab_zns *s)
{
    zs__zns_log log;
    int rc;
    zs__lock_take(&s->note_lock);
    log = s->log;
    zs__lock_drop(&s->note_lock);
    errno = 0;
    rc = zs__zns_told(s, "flush", ZS__ZNS_NONE, 0, s->dev.ops.flush(s->dev.user));
    zs__lock_take(&s->note_lock);
    if (!rc && log.serial > s->log_flushed.serial) s->log_flushed = log;
    zs__lock_drop(&s->note_lock);
    return rc;
}

/* The epoch joins the living ones, or leaves them: meta_lock held, or nobody else is there yet. */
static void zs__zns_list(zslab_zns *s, zs__zns_ep *e, uint32_t listed)
{
    if (e->listed == listed) return;
    e->listed = listed;
    zs__lock_take(&s->note_lock);
    s->log.hash ^= e->id * ZS__ZNS_HASH;
    s->log.live += listed ? 1u : ~0u;
    zs__lock_drop(&s->note_lock);
}

static zslab_result zs__zns_fatal(zslab_zns *s)
{
    if (s->read_only) return ZSLAB_E_READ_ONLY;
    return (zslab_result)zs__load_acq_u32(&s->fatal); /* acquire: pairs with zs__zns_set_fatal */
}

/* Asked after a failure. When even this fails, twice, it is the device that is gone and not a zone. */
static int zs__zns_report_one(zslab_zns *s, uint32_t zone, zslab_zns_zone *out)
{
    int rc = zs__zns_dev_report(s, zone, out);
    if (rc && zs__zns_dev_report(s, zone, out) == 0) return 0;
    rc = rc ? -(int)ZSLAB_E_GONE : 0;
    zs__zns_set_fatal(s, rc);
    return rc;
}

/* What to answer for a failed command: a device that is gone goes before anything else. */
static int zs__zns_or_gone(zslab_zns *s, int rc)
{
    zslab_zns_zone r;
    if (rc == -(int)ZSLAB_E_IO) (void)zs__zns_report_one(s, 0, &r);
    /* acquire: pairs with zs__zns_set_fatal */
    return rc && zs__load_acq_u32(&s->fatal) ? -(int)zs__load_acq_u32(&s->fatal) : rc;
}

static void zs__zns_zone_state(zslab_zns *s, uint32_t zone, uint32_t state)
{
    zs__store_rel_u32(&s->zone[zone].state, state); /* release: the zone's fields. Pairs with zs__zns_state */
}
static uint32_t zs__zns_state(zslab_zns *s, uint32_t zone)
{
    return zs__load_acq_u32(&s->zone[zone].state); /* acquire: pairs with zs__zns_zone_state and the CASes */
}

/* What a report says of a zone. 1: it will take nothing any more. */
static int zs__zns_zone_is_dead(zslab_zns *s, uint32_t zone, uint32_t condition)
{
    if (condition != ZSLAB_ZNS_READ_ONLY && condition != ZSLAB_ZNS_OFFLINE) return 0;
    zs__zns_zone_state(s, zone, condition == ZSLAB_ZNS_OFFLINE ? ZS__ZNS_Z_OFFLINE : ZS__ZNS_Z_READ_ONLY);
    return 1;
}

/* After a failure the device is asked. */
static int zs__zns_zone_dead(zslab_zns *s, uint32_t zone)
{
    zslab_zns_zone r;
    return !zs__zns_report_one(s, zone, &r) && zs__zns_zone_is_dead(s, zone, r.condition);
}

/* What was known of a zone's contents goes. */
static void zs__zns_zone_forget(zslab_zns *s, uint32_t zone, uint32_t state)
{
    zs__zns_zone *z = &s->zone[zone];
    zs__store_rel_u64(&z->word, ZS__ZNS_CLOSED_BIT); /* release: pairs with zs__zns_zone_reserve */
    zs__store_u32(&z->refs, 0);
    zs__store_u64(&z->live_blocks, 0);
    zs__store_u32(&z->frame_count, 0);
    zs__store_u32(&z->failed, 0);
    zs__store_u32(&z->index_noted, 0);
    z->index_blocks = 0;
    z->owner = 0;
    zs__store_u32(&z->dead, 0);
    zs__zns_zone_state(s, zone, state);
}

/* A zone that failed rests: 1 ms, twice as long after each failure, at most a second. */
static void zs__zns_zone_rest(zs__zns_zone *z)
{
    uint32_t errors = zs__add_u32(&z->errors, 1);
    zs__store_u64(&z->rest_until, /* relaxed: a late look rests a little longer, or less */
                  zs__os_now_ns() + (UINT64_C(1000000) << (errors < 10 ? errors : 10)));
}
static int zs__zns_zone_rested(const zs__zns_zone *z)
{
    return !zs__load_u32(&z->errors) || zs__os_now_ns() >= zs__load_u64(&z->rest_until); /* relaxed: as above */
}

/* Resets a zone nobody uses, to `state`; failing that it is out of use, as the device says, or retired: tried
   again later. */
static int zs__zns_zone_reset(zslab_zns *s, uint32_t zone, uint32_t state)
{
    int rc = zs__zns_dev_reset(s, zone);
    if (rc == -(int)ZSLAB_E_IO && !zs__zns_zone_dead(s, zone)) /* once more, before the zone rests */
        rc = zs__zns_dev_reset(s, zone);
    if (!rc) {
        zs__add_u64(&s->resets, 1);
        zs__zns_zone_forget(s, zone, state);
    } else if (!zs__zns_zone_dead(s, zone) && zs__zns_fatal(s) == ZSLAB_OK) {
        zs__zns_zone_rest(&s->zone[zone]);
        zs__zns_zone_state(s, zone, ZS__ZNS_Z_RETIRED);
    }
    return rc;
}

/* A zone that failed before anything of ours was in it: EMPTY is believed, else it is reset. */
static void zs__zns_zone_recheck(zslab_zns *s, uint32_t zone)
{
    zslab_zns_zone r;
    zs__zns_zone_rest(&s->zone[zone]);
    if (zs__zns_report_one(s, zone, &r))
        zs__zns_zone_state(s, zone, ZS__ZNS_Z_RETIRED);
    else if (r.condition == ZSLAB_ZNS_EMPTY)
        zs__zns_zone_forget(s, zone, ZS__ZNS_Z_EMPTY);
    else if (!zs__zns_zone_dead(s, zone))
        zs__zns_zone_reset(s, zone, ZS__ZNS_Z_EMPTY);
}

/* The zone to open next: empty and rested; else a retired one without epochs, to be reset first; else one that
   still rests. ZS__ZNS_NONE: there is none. */
static uint32_t zs__zns_zone_spare(zslab_zns *s)
{
    uint32_t i, best = ZS__ZNS_NONE, best_rank = 4, from = zs__load_u32(&s->cursor); /* relaxed: a hint */
    for (i = 0; i < s->zone_count && best_rank; i++) {
        uint32_t zone = (from + i) % s->zone_count, state = zs__zns_state(s, zone), rank;
        const zs__zns_zone *z = &s->zone[zone];
        if (state != ZS__ZNS_Z_EMPTY && (state != ZS__ZNS_Z_RETIRED || zs__load_u32(&z->refs)))
            continue; /* relaxed above: of a retired zone the refs only fall */
        rank = (state == ZS__ZNS_Z_RETIRED ? 1u : 0u) + (zs__zns_zone_rested(z) ? 0u : 2u);
        if (rank >= best_rank) continue;
        best = zone;
        best_rank = rank;
    }
    return best;
}

/* Takes a zone from zs__zns_zone_spare to `state`, empty; 0: another thread was first, or its reset failed. */
static int zs__zns_zone_take(zslab_zns *s, uint32_t zone, uint32_t state)
{
    uint32_t was = ZS__ZNS_Z_EMPTY;
    if (zs__cas_u32(&s->zone[zone].state, &was, state)) return 1; /* [ZONE-3] */
    return was == ZS__ZNS_Z_RETIRED && zs__cas_u32(&s->zone[zone].state, &was, state) &&
           !zs__zns_zone_reset(s, zone, state);
}

/* Writes a zone header, alone and waited for; the zone's fields are set. It counts only at the zone's start:
   an append still under way from before a reset may have come first. */
static int zs__zns_zone_begin(zslab_zns *s, uint32_t zone, uint32_t kind)
{
    zs__zns_zone *z = &s->zone[zone];
    uint8_t *p = (uint8_t *)zs__zns_pages(s->block_bytes);
    uint64_t at = 0;
    zslab_zns_iov iov;
    int rc = -(int)ZSLAB_E_NOMEM, tries;
    if (!p) return rc;
    zs__zns_zone_header(s, p, zone, kind);
    iov.base = p;
    iov.bytes = s->block_bytes;
    for (tries = 0; tries < 4; tries++) {
        rc = zs__zns_dev_append(s, zone, &iov, 1, &at);
        if (!rc) zs__add_u64(&s->device_blocks, 1);
        if (rc || at == z->start) break;
        rc = zs__zns_dev_reset(s, zone);
        if (rc) break;
        rc = -(int)ZSLAB_E_IO;
    }
    zs__zns_pages_free(p);
    return rc;
}

/* Where the next record goes in meta_pages, `bytes` long; NULL: it does not fit any more. */
static uint8_t *zs__zns_record(zslab_zns *s, uint32_t type, size_t bytes)
{
    uint8_t *p = s->meta_pages + ZS__ZNS_HEAD_BYTES + s->meta_have;
    bytes = zs__round_up(bytes, 8);
    if (ZS__ZNS_HEAD_BYTES + s->meta_have + bytes > s->meta_room) return NULL;
    memset(p, 0, bytes);
    zs__zns_put16(p, type);
    zs__zns_put16(p + 2, (uint32_t)bytes);
    s->meta_have += bytes;
    return p;
}

/* Writes the records gathered in meta_pages as one frame of the metadata zone; `part`: of a snapshot, 2: its last. */
static int zs__zns_meta_emit(zslab_zns *s, int part)
{
    zs__zns_zone *z = &s->zone[s->meta_zone];
    zs__zns_head h;
    zslab_zns_iov iov[2];
    uint64_t at = 0;
    uint32_t copies = part ? 1 : 2;
    int rc;
    memset(&h, 0, sizeof h);
    h.kind = ZS__ZNS_FRAME_META;
    h.zone = s->meta_zone;
    h.zone_seq = z->seq;
    h.entries = (uint32_t)s->meta_have;
    h.blocks = h.header_blocks = zs__zns_blocks(s, ZS__ZNS_HEAD_BYTES + s->meta_have);
    h.frame_seq = zs__add_u64(&s->frame_seq, 1);
    h.synced = zs__load_acq_u64(&s->synced); /* acquire: pairs with zs__zns_flush */
    h.gen = s->log.serial + 1;
    h.epoch = part == 1 ? 0 : s->log.hash;
    h.id = part == 1 ? UINT32_MAX : s->log.live;
    zs__lock_take(&s->note_lock);
    h.serial = (uint32_t)s->log_flushed.serial;
    zs__lock_drop(&s->note_lock);
    if (s->meta_used + copies * h.blocks > z->capacity) return -(int)ZSLAB_E_NO_SPACE;
    memset(s->meta_pages + ZS__ZNS_HEAD_BYTES + s->meta_have, 0,
           (size_t)h.blocks * s->block_bytes - ZS__ZNS_HEAD_BYTES - s->meta_have);
    zs__zns_head_write(s, s->meta_pages, &h);
    iov[0].base = iov[1].base = s->meta_pages;
    iov[0].bytes = iov[1].bytes = (size_t)h.blocks * s->block_bytes;
    rc = zs__zns_dev_append(s, s->meta_zone, iov, copies, &at);
    s->meta_used += copies * h.blocks; /* also on failure: the write pointer may have moved over a hole */
    zs__add_u64(&s->device_blocks, (uint64_t)copies * h.blocks);
    if (rc) return rc;
    zs__lock_take(&s->note_lock);
    s->log.serial++;
    zs__lock_drop(&s->note_lock);
    return 0;
}

/* The zones that may be opened next without a further record: the spare and the next empty ones. */
static void zs__zns_window_fill(zslab_zns *s)
{
    uint32_t i, n = 0, from = zs__load_u32(&s->cursor); /* relaxed: a hint where to begin */
    if (s->meta_spare != ZS__ZNS_NONE) s->window[n++] = s->meta_spare;
    for (i = 0; i < s->zone_count && n <= ZS__ZNS_WINDOW; i++) {
        uint32_t zone = (from + i) % s->zone_count;
        uint32_t state = zs__zns_state(s, zone);
        if (state == ZS__ZNS_Z_EMPTY || state == ZS__ZNS_Z_OPENING) s->window[n++] = zone;
    }
    s->window_count = n;
}

static void zs__zns_record_reserve(zslab_zns *s)
{
    uint32_t i;
    uint8_t *p = zs__zns_record(s, ZS__ZNS_R_RESERVE, 16 + 4 * (size_t)s->window_count);
    zs__zns_put32(p + 4, s->window_count);
    zs__zns_put64(p + 8, s->seq_limit);
    for (i = 0; i < s->window_count; i++) zs__zns_put32(p + 16 + 4 * (size_t)i, s->window[i]);
}

/* ord_lock held. A sync has covered the frames up to the mark by now. */
static uint32_t zs__zns_covered_upto(zslab_zns *s, zs__zns_ep *e)
{
    if (e->mark > e->covered && e->mark_seq < zs__load_acq_u64(&s->synced)) /* acquire: pairs with zs__zns_flush */
        e->covered = e->mark;
    return e->covered;
}

static int zs__zns_record_epoch(zslab_zns *s, zs__zns_ep *e)
{
    uint8_t *p = zs__zns_record(s, ZS__ZNS_R_EPOCH, 84);
    if (!p) return 0;
    zs__zns_put32(p + 4, e->lifetime);
    zs__zns_put64(p + 8, e->id);
    zs__zns_put64(p + 16, e->expected);
    zs__zns_put32(p + 24, e->sealed);
    memcpy(p + 28, e->label, 32);
    zs__zns_put64(p + 64, e->expires);
    zs__lock_take(&e->ord_lock);
    zs__zns_put32(p + 60, e->begun);
    zs__zns_put32(p + 72, e->heads);
    zs__zns_put32(p + 76, e->bytes);
    zs__zns_put32(p + 80, zs__zns_covered_upto(s, e));
    zs__lock_drop(&e->ord_lock);
    return 1;
}

/* How many of the epoch's frames there are, were synced, and are known to be gone. */
#define ZS__ZNS_FRAMES_BYTES 56u /* of that record */
static int zs__zns_record_frames(zslab_zns *s, zs__zns_ep *e)
{
    uint8_t *p = zs__zns_record(s, ZS__ZNS_R_FRAMES, ZS__ZNS_FRAMES_BYTES);
    if (!p) return 0;
    zs__zns_put64(p + 8, e->id);
    zs__lock_take(&e->ord_lock);
    zs__zns_put32(p + 4, e->begun);
    zs__zns_put32(p + 16, e->heads);
    zs__zns_put32(p + 20, e->bytes);
    zs__zns_put32(p + 24, zs__zns_covered_upto(s, e));
    zs__zns_put32(p + 28, e->gone_upto);
    zs__zns_put32(p + 32, e->gone);
    zs__zns_put32(p + 36, e->gone_heads);
    zs__zns_put32(p + 40, e->gone_bytes);
    zs__lock_drop(&e->ord_lock);
    zs__zns_put32(p + 44, e->lost);
    zs__zns_put64(p + 48, e->lost_bytes);
    return 1;
}

static int zs__zns_record_index(zslab_zns *s, zs__zns_zone *z)
{
    uint8_t *p = zs__zns_record(s, ZS__ZNS_R_INDEX, 24);
    if (!p) return 0;
    zs__zns_put32(p + 4, (uint32_t)(z - s->zone));
    zs__zns_put64(p + 8, z->seq);
    zs__zns_put32(p + 16, z->index_block);
    zs__zns_put32(p + 20, z->index_blocks);
    return 1;
}

static int zs__zns_record_doubt(zslab_zns *s, uint32_t i)
{
    uint8_t *p = zs__zns_record(s, ZS__ZNS_R_DOUBT, 24);
    if (!p) return 0;
    zs__zns_put64(p + 8, s->doubt[i][0]);
    zs__zns_put64(p + 16, s->doubt[i][1]);
    return 1;
}

/* A snapshot in parts, each a frame; the last part says how many there are. */
typedef struct zs__zns_snapshot {
    uint8_t *head;
    uint32_t part;
    int rc;
} zs__zns_snapshot;

static void zs__zns_snapshot_part(zslab_zns *s, zs__zns_snapshot *w)
{
    s->meta_have = 0;
    w->head = zs__zns_record(s, ZS__ZNS_R_SNAPSHOT, 20);
    zs__zns_put32(w->head + 4, w->part++);
    zs__zns_put64(w->head + 12, zs__load_acq_u64(&s->synced)); /* acquire: pairs with zs__zns_flush */
}
static void zs__zns_snapshot_emit(zslab_zns *s, zs__zns_snapshot *w, int last)
{
    int tries = 0;
    do /* a failed append leaves a hole; the same part again */
        w->rc = w->rc ? w->rc : zs__zns_meta_emit(s, last ? 2 : 1);
    while (w->rc == -(int)ZSLAB_E_IO && ++tries < 3 && !(w->rc = 0));
}

/* A part is full: the next. 0: the device refused it. */
static int zs__zns_snapshot_next(zslab_zns *s, zs__zns_snapshot *w)
{
    zs__zns_snapshot_emit(s, w, 0);
    zs__zns_snapshot_part(s, w);
    return !w->rc;
}

static int zs__zns_snapshot_write(zslab_zns *s)
{
    zs__zns_snapshot w;
    uint32_t i;
    memset(&w, 0, sizeof w);
    zs__zns_snapshot_part(s, &w);
    zs__zns_record_reserve(s);
    for (i = 0; i < s->doubt_count && !w.rc; i++)
        while (!zs__zns_record_doubt(s, i) && zs__zns_snapshot_next(s, &w))
            ;
    for (i = 0; i < s->epoch_top && !w.rc; i++) {
        zs__zns_ep *e = zs__zns_ep_at(s, i);
        if (!e || !e->listed) continue;
        while (!zs__zns_record_epoch(s, e) && zs__zns_snapshot_next(s, &w))
            ;
        while ((e->gone || e->lost) && !zs__zns_record_frames(s, e) && zs__zns_snapshot_next(s, &w))
            ;
    }
    for (i = 0; i < s->zone_count && !w.rc; i++)
        while (zs__load_acq_u32(&s->zone[i].index_noted) && /* acquire: pairs with zs__zns_zone_index */
               !zs__zns_record_index(s, &s->zone[i]) && zs__zns_snapshot_next(s, &w))
            ;
    zs__zns_put32(w.head + 8, w.part);
    zs__zns_snapshot_emit(s, &w, 1);
    return w.rc;
}

/* Takes a zone for the metadata and writes header and snapshot. */
static int zs__zns_meta_try(zslab_zns *s, uint32_t zone)
{
    zs__zns_zone *z = &s->zone[zone];
    int rc;
    zs__zns_zone_state(s, zone, ZS__ZNS_Z_META);
    z->seq = zs__load_u64(&s->seq);         /* relaxed: meta_lock guards changes */
    zs__store_rel_u64(&s->seq, z->seq + 1); /* release: [GEN-1] pairs with zs__zns_frame_take */
    z->owner = 0;
    z->lifetime = 0;
    rc = zs__zns_zone_begin(s, zone, ZS__ZNS_KIND_META);
    s->meta_zone = zone;
    s->meta_used = 1;
    rc = rc ? rc : zs__zns_snapshot_write(s);
    return rc ? rc : zs__zns_dev_flush(s);
}

/* A retired zone may hold an active slot that somebody needs: 1: one was reset and is empty again. */
static int zs__zns_zone_mend(zslab_zns *s)
{
    uint32_t i;
    for (i = 0; i < s->zone_count; i++) {
        uint32_t was = ZS__ZNS_Z_RETIRED;
        if (!zs__load_u32(&s->zone[i].refs) && zs__cas_u32(&s->zone[i].state, &was, ZS__ZNS_Z_OPENING))
            return !zs__zns_zone_reset(s, i, ZS__ZNS_Z_EMPTY); /* relaxed above: as in zs__zns_zone_spare */
    }
    return 0;
}

/* An empty zone for the metadata: the spare, else any. */
static uint32_t zs__zns_meta_candidate(zslab_zns *s)
{
    uint32_t zone = s->meta_spare, tries;
    s->meta_spare = ZS__ZNS_NONE;
    if (zone != ZS__ZNS_NONE && zone != s->meta_kept) return zone;
    s->meta_kept = ZS__ZNS_NONE;
    if (zone != ZS__ZNS_NONE && !zs__zns_zone_reset(s, zone, ZS__ZNS_Z_META)) return zone;
    for (tries = 0; tries < s->zone_count; tries++) { /* each time another thread took it */
        zone = zs__zns_zone_spare(s);
        if (zone == ZS__ZNS_NONE || zs__zns_zone_take(s, zone, ZS__ZNS_Z_META)) return zone;
        if (zs__zns_state(s, zone) == ZS__ZNS_Z_RETIRED) break; /* its reset failed just now */
    }
    return ZS__ZNS_NONE;
}

static void zs__zns_meta_pick_spare(zslab_zns *s)
{
    uint32_t zone = s->meta_spare == ZS__ZNS_NONE ? zs__zns_meta_candidate(s) : ZS__ZNS_NONE;
    if (zone == ZS__ZNS_NONE) return;
    zs__zns_zone_state(s, zone, ZS__ZNS_Z_SPARE);
    s->meta_spare = zone;
}

/* A fresh metadata zone with a snapshot of the present state. The old one, full or finished, is kept until the next
   roll needs its place: with it the snapshot is not the only one. */
static int zs__zns_meta_roll(zslab_zns *s)
{
    uint32_t old = s->meta_zone, used = s->meta_used, zone, tries;
    int rc = -(int)ZSLAB_E_NO_SPACE, ended = old != ZS__ZNS_NONE && !zs__zns_dev_finish(s, old);
    if (ended && used < s->zone[old].capacity) zs__add_u64(&s->finishes, 1); /* frees its active slot */
    s->seq_limit += ZS__ZNS_SEQ_STEP;
    zs__zns_window_fill(s);
    for (tries = 0; tries < 2 && zs__zns_fatal(s) == ZSLAB_OK; tries++) {
        zone = zs__zns_meta_candidate(s);
        if (zone == ZS__ZNS_NONE) break;
        rc = zs__zns_meta_try(s, zone);
        if (rc == -(int)ZSLAB_E_NO_ACTIVE_ZONE && zs__zns_zone_mend(s)) rc = zs__zns_meta_try(s, zone);
        if (!rc) break;
        zs__zns_zone_recheck(s, zone);
    }
    if (rc) { /* the old one still holds the truth */
        s->meta_zone = old;
        s->meta_used = old == ZS__ZNS_NONE ? 0 : s->zone[old].capacity;
        zs__zns_meta_pick_spare(s);
        return rc;
    }
    if (old != ZS__ZNS_NONE && !zs__zns_zone_dead(s, old)) {
        if (s->meta_spare != ZS__ZNS_NONE || !ended) {
            zs__zns_zone_reset(s, old, ZS__ZNS_Z_EMPTY);
        } else {
            zs__zns_zone_forget(s, old, ZS__ZNS_Z_SPARE);
            s->meta_spare = s->meta_kept = old;
        }
    }
    zs__store_u32(&s->log_wrong, 0); /* relaxed: meta_lock guards changes */
    zs__zns_meta_pick_spare(s);
    (void)zs__zns_tell(s); /* failing that the next flush does */
    return 0;
}

/* Begins a record that goes out with zs__zns_meta_write. */
static uint8_t *zs__zns_meta_record(zslab_zns *s, uint32_t type, uint64_t id)
{
    uint8_t *p;
    s->meta_have = 0;
    p = zs__zns_record(s, type, type == ZS__ZNS_R_CLEAN ? 24 : 16);
    zs__zns_put64(p + 8, id);
    return p;
}

/* What failed may have arrived all the same: a snapshot goes next, before a sync can succeed. */
static void zs__zns_log_wrong(zslab_zns *s)
{
    s->meta_used = s->zone[s->meta_zone].capacity;
    zs__store_rel_u32(&s->log_wrong, 1); /* release: pairs with zs__zns_flush */
}

/* Adds how many frames they have of epochs that are all synced, as many as share the record's block: nothing behind it
   says of an epoch's last frame that it was there. [ORD-1] */
static void zs__zns_record_quiet(zslab_zns *s)
{
    uint32_t n;
    for (n = 0; n < 8 && s->meta_have + ZS__ZNS_FRAMES_BYTES <= ZS__ZNS_META_KEEP &&
                ZS__ZNS_HEAD_BYTES + s->meta_have + ZS__ZNS_FRAMES_BYTES <= s->block_bytes;
         n++) {
        const uint8_t *p = s->meta_pages + ZS__ZNS_HEAD_BYTES + s->meta_have;
        zs__zns_ep *e;
        zs__lock_take(&s->lane_lock);
        e = s->busy_count ? s->busy[s->busy_hand++ % s->busy_count] : NULL;
        zs__lock_drop(&s->lane_lock);
        if (!e) return;
        if (!e->listed || !zs__zns_record_frames(s, e)) continue;
        if (zs__zns_get32(p + 4) == e->told || zs__zns_get32(p + 4) != zs__zns_get32(p + 24))
            s->meta_have -= ZS__ZNS_FRAMES_BYTES; /* the log says so, or not all is synced */
        else
            e->told = zs__zns_get32(p + 4);
    }
}

/* Writes the gathered record, and as many notes of epochs and of new indexes as share its block. A failed append is
   repeated behind the hole, then in a fresh zone. It is kept aside: a snapshot uses its pages. */
static int zs__zns_meta_write(zslab_zns *s)
{
    uint8_t keep[ZS__ZNS_META_KEEP];
    size_t bytes;
    uint32_t i, tries;
    int rc = -(int)ZSLAB_E_IO;
    zs__zns_record_quiet(s);
    bytes = s->meta_have;
    memcpy(keep, s->meta_pages + ZS__ZNS_HEAD_BYTES, bytes);
    for (tries = 0; tries < 3 && rc; tries++) {
        zslab_result fatal = zs__zns_fatal(s);
        if (fatal != ZSLAB_OK) return -(int)fatal;
        if (tries > 1 || rc == -(int)ZSLAB_E_NO_SPACE || rc == -(int)ZSLAB_E_READ_ONLY || rc == -(int)ZSLAB_E_OFFLINE) {
            rc = zs__zns_meta_roll(s);
            if (rc) return zs__zns_or_gone(s, rc);
        }
        memcpy(s->meta_pages + ZS__ZNS_HEAD_BYTES, keep, bytes);
        s->meta_have = bytes;
        for (i = 0; i < s->zone_count; i++) {
            uint32_t fresh = 1; /* noted: 1 to be written, 2 written; acquire: pairs with zs__zns_zone_index */
            if (zs__load_acq_u32(&s->zone[i].index_noted) != 1 ||
                ZS__ZNS_HEAD_BYTES + s->meta_have + 24 > s->block_bytes)
                continue;
            zs__zns_record_index(s, &s->zone[i]);
            zs__cas_u32(&s->zone[i].index_noted, &fresh, 2);
        }
        rc = zs__zns_meta_emit(s, 0);
        if (rc) zs__add_u64(&s->retries, 1);
    }
    if (rc) zs__zns_log_wrong(s);
    return zs__zns_or_gone(s, rc);
}

/* Persists the sequence ahead of use and the zones about to be opened; durable on return. */
static int zs__zns_reserve_ahead(zslab_zns *s)
{
    int rc;
    uint64_t limit = s->seq_limit;
    s->seq_limit = zs__load_u64(&s->seq) + ZS__ZNS_SEQ_STEP; /* relaxed: meta_lock guards changes */
    if (s->seq_limit < limit) s->seq_limit = limit;
    zs__zns_window_fill(s);
    s->meta_have = 0;
    zs__zns_record_reserve(s);
    rc = zs__zns_meta_write(s);
    rc = rc ? rc : zs__zns_dev_flush(s);
    if (rc) {
        s->window_count = 0;
        s->seq_limit = limit;
    }
    return rc;
}

/* meta_lock held: the next store sequence, never met before and never again. */
static int zs__zns_seq_next(zslab_zns *s, uint64_t *out)
{
    uint64_t seq = zs__load_u64(&s->seq); /* relaxed: meta_lock guards changes */
    int rc = seq + ZS__ZNS_SEQ_SLACK >= s->seq_limit ? zs__zns_reserve_ahead(s) : 0;
    if (rc) return rc;
    seq = zs__load_u64(&s->seq);
    *out = seq;
    zs__store_rel_u64(&s->seq, seq + 1); /* release: [GEN-1] pairs with zs__zns_frame_take */
    return 0;
}

/* ---- >>zone ----------------------------------------------------------------
   Which zones are open, for whom, and how one ends. zone_lock is held in every function here but
   zs__zns_zone_reserve, _unreserve and _place.                                       */

/* Takes between min and max blocks of a zone and counts an append in; 0: no room, or closed. [ZONE-1] */
static uint32_t zs__zns_zone_reserve(zs__zns_zone *z, uint32_t min, uint32_t max)
{
    uint64_t was = zs__load_acq_u64(&z->word); /* acquire: the zone's fields. Pairs with zs__zns_zone_open */
    for (;;) {
        uint32_t used = ZS__ZNS_RESERVED(was), left = used < z->limit ? z->limit - used : 0,
                 take = left < max ? left : max;
        if ((was & ZS__ZNS_CLOSED_BIT) || take < min) return 0;
        if (zs__cas_u64(&z->word, &was, was + take + ZS__ZNS_UNDERWAY)) return take;
    }
}

/* Sets the closed bit. 1: nothing is under way, the caller ends the zone. */
static int zs__zns_zone_shut(zs__zns_zone *z)
{
    uint64_t was = zs__or_u64(&z->word, ZS__ZNS_CLOSED_BIT); /* acq_rel: what finished appends wrote [ZONE-1] */
    return was < ZS__ZNS_UNDERWAY;
}

/* An index of the zone's frames at its end, when there is room and it is worth it. */
static int zs__zns_zone_index(zslab_zns *s, uint32_t zone)
{
    zs__zns_zone *z = &s->zone[zone];
    uint32_t used = ZS__ZNS_RESERVED(zs__load_acq_u64(&z->word)), count, i, n = 0; /* acquire: drained [ZONE-1] */
    uint32_t left = z->capacity - used;
    uint64_t at = 0;
    size_t bytes;
    uint8_t *p;
    zs__zns_head h;
    zslab_zns_iov iov;
    int rc;
    count = zs__load_acq_u32(&z->frame_count); /* acquire: the ids. Pairs with zs__zns_frame_stored */
    bytes = ZS__ZNS_HEAD_BYTES + (size_t)count * ZS__ZNS_ITEM_BYTES;
    if (!z->frame || z->failed || !count || count > z->limit || zs__zns_blocks(s, bytes) > left ||
        zs__zns_blocks(s, bytes) > s->frame_blocks)
        return 0;
    memset(&h, 0, sizeof h);
    h.blocks = left <= s->frame_blocks ? left : zs__zns_blocks(s, bytes); /* to the end where it is near */
    p = (uint8_t *)zs__zns_pages((size_t)h.blocks * s->block_bytes);
    if (!p) return 0;
    memset(p, 0, (size_t)h.blocks * s->block_bytes);
    for (i = 0; i < count; i++) {
        zs__zns_frame *f = zs__zns_frame_of(s, z->frame[i]);
        uint8_t *item = p + ZS__ZNS_HEAD_BYTES + (size_t)n * ZS__ZNS_ITEM_BYTES;
        zs__zns_ep *e = (zs__zns_ep *)zs__load_acq_ptr(&f->epoch); /* acquire: pairs with zs__zns_frame_take */
        uint64_t gen = zs__load_acq_u64(&f->gen);                  /* acquire: as above */
        if (!gen || !e || zs__load_acq_u32(&f->state) != ZS__ZNS_F_STORED || f->zone != zone || f->zone_seq != z->seq)
            continue; /* its epoch was released */
        zs__zns_put32(item, f->blocks);
        zs__zns_put64(item + 4, f->zone_seq);
        zs__zns_put64(item + 12, zs__load_acq_u64(&e->id)); /* acquire: pairs with _begin */
        zs__zns_put64(item + 20, f->frame_seq);
        zs__zns_put32(item + 28, z->frame[i]);
        zs__zns_put32(item + 32, f->count);
        zs__zns_put64(item + 36, gen);
        zs__zns_put32(item + 52, f->payload_at % s->block_bytes ? 0 : f->payload_at / s->block_bytes);
        zs__zns_put32(item + 56, f->payload_bytes);
        zs__zns_put32(item + 60, f->heads);
        zs__zns_put32(item + 64, f->ordinal);
        zs__zns_put32(item + 68, f->before);
        zs__zns_put32(item + 72, f->before_bytes);
        zs__zns_put32(item + 76, f->user_bytes);
        zs__zns_put32(item + 80, f->block);
        n++;
    }
    h.kind = ZS__ZNS_FRAME_INDEX;
    h.zone = zone;
    h.zone_seq = z->seq;
    h.heads = ZS__ZNS_ITEM_BYTES;
    h.entries = n * ZS__ZNS_ITEM_BYTES;
    h.header_blocks = zs__zns_blocks(s, ZS__ZNS_HEAD_BYTES + h.entries); /* payload_at 0: none */
    h.frame_seq = zs__add_u64(&s->frame_seq, 1);
    h.synced = zs__load_acq_u64(&s->synced); /* acquire: pairs with zs__zns_flush */
    zs__zns_head_write(s, p, &h);
    iov.base = p;
    iov.bytes = (size_t)h.blocks * s->block_bytes;
    rc = zs__zns_dev_append(s, zone, &iov, 1, &at);
    zs__zns_pages_free(p);
    zs__add_u64(&s->device_blocks, h.blocks);
    zs__add_u64(&z->word, h.blocks);
    if (rc) {
        z->failed = 1;
        return rc;
    }
    z->index_block = (uint32_t)((at - z->start) / s->block_bytes);
    z->index_blocks = h.header_blocks;
    zs__store_rel_u32(&z->index_noted, 1); /* release: place and length. Pairs with zs__zns_meta_write */
    return 0;
}

/* A zone that failed an append: the device says what it is. 1: it goes on taking appends. */
static int zs__zns_zone_resume(zslab_zns *s, uint32_t zone)
{
    zs__zns_zone *z = &s->zone[zone];
    zslab_zns_zone r;
    uint32_t used;
    if (zs__zns_report_one(s, zone, &r) || zs__zns_zone_is_dead(s, zone, r.condition)) return 0;
    used = (uint32_t)((r.write_pointer - z->start) / s->block_bytes);
    if (r.condition == ZSLAB_ZNS_FULL)
        zs__zns_zone_state(s, zone, ZS__ZNS_Z_FULL);
    else if (r.condition == ZSLAB_ZNS_EMPTY) /* somebody else reset it */
        zs__zns_zone_state(s, zone, ZS__ZNS_Z_RETIRED);
    else if (used + s->frame_blocks <= z->limit) {
        z->failed = 0;
        zs__store_rel_u64(&z->word, used); /* release: open again. Pairs with zs__zns_zone_reserve */
        return 1;
    }
    return 0;
}

/* Closed and drained: reset it if nobody needs it, else complete it and free its active slot. */
static void zs__zns_zone_end(zslab_zns *s, uint32_t zone)
{
    zs__zns_zone *z = &s->zone[zone];
    int rc;
    if (zs__zns_state(s, zone) != ZS__ZNS_Z_OPEN || zs__zns_fatal(s) != ZSLAB_OK) return;
    if (!zs__load_acq_u32(&z->refs)) { /* acquire: pairs with zs__zns_zone_ref; drained, so final [ZONE-2] */
        zs__zns_zone_reset(s, zone, ZS__ZNS_Z_EMPTY);
        return;
    }
    if (z->failed && (zs__zns_zone_resume(s, zone) || zs__zns_state(s, zone) != ZS__ZNS_Z_OPEN)) return;
    if (zs__zns_fatal(s) != ZSLAB_OK) return;
    zs__zns_zone_index(s, zone);
    if (ZS__ZNS_RESERVED(zs__load_acq_u64(&z->word)) < z->capacity || z->failed) { /* acquire: drained */
        rc = zs__zns_dev_finish(s, zone);
        if (!rc)
            zs__add_u64(&s->finishes, 1);
        else if (zs__zns_zone_dead(s, zone))
            return;
    }
    zs__zns_zone_state(s, zone, ZS__ZNS_Z_FULL);
}

/* One append is over. The last one out of a closed zone ends it. */
static void zs__zns_zone_unreserve(zslab_zns *s, uint32_t zone, int failed)
{
    zs__zns_zone *z = &s->zone[zone];
    uint64_t was;
    if (failed) {
        zs__zns_zone_rest(z);
        zs__store_u32(&z->failed, 1); /* relaxed: read after the drain, which the next line's RMW orders */
        zs__or_u64(&z->word, ZS__ZNS_CLOSED_BIT);
    }
    was = zs__sub_u64(&z->word, ZS__ZNS_UNDERWAY); /* acq_rel: this append before the end. [ZONE-1] */
    if ((was & ZS__ZNS_CLOSED_BIT) && was < 2 * ZS__ZNS_UNDERWAY) {
        zs__lock_take(&s->zone_lock);
        was = zs__load_acq_u64(&z->word); /* acquire: it may have been reopened meanwhile */
        if ((was & ZS__ZNS_CLOSED_BIT) && was < ZS__ZNS_UNDERWAY) zs__zns_zone_end(s, zone);
        zs__lock_drop(&s->zone_lock);
    }
}

/* The epoch may have frames in this zone from now on. [ZONE-2] Locks only when it meets a new zone. */
static int zs__zns_zone_ref(zslab_zns *s, zs__zns_ep *e, uint32_t zone)
{
    uint32_t i, *more, found = 0;
    if (zs__load_acq_u32(&e->last_zone) == zone) /* acquire: pairs with the store below */
        return 0;
    zs__lock_take(&e->lock);
    for (i = 0; i < e->zone_count; i++) found |= e->zone[i] == zone;
    if (!found && e->zone_count == e->zone_room) {
        more = (uint32_t *)(realloc)(e->zone, (e->zone_room * 2 + 8) * sizeof *more);
        if (!more) {
            zs__lock_drop(&e->lock);
            return -(int)ZSLAB_E_NOMEM;
        }
        e->zone = more;
        e->zone_room = e->zone_room * 2 + 8;
    }
    if (!found) {
        e->zone[e->zone_count++] = zone;
        zs__add_u32(&s->zone[zone].refs, 1); /* release: pairs with zs__zns_zone_end */
    }
    zs__store_rel_u32(&e->last_zone, zone); /* release: the ref before the shortcut. Pairs with the load above */
    zs__lock_drop(&e->lock);
    return 0;
}

static uint32_t zs__zns_zone_left(zslab_zns *s, uint32_t zone)
{
    uint64_t word = zs__load_acq_u64(&s->zone[zone].word); /* acquire: pairs with zs__zns_zone_open */
    uint32_t used = ZS__ZNS_RESERVED(word);
    return (word & ZS__ZNS_CLOSED_BIT) || used >= s->zone[zone].limit ? 0 : s->zone[zone].limit - used;
}

static uint32_t zs__zns_zones_in(zslab_zns *s, uint32_t state)
{
    uint32_t i, n = 0;
    for (i = 0; i < s->zone_count; i++) n += zs__zns_state(s, i) == state;
    return n;
}

static int zs__zns_slot_free(zslab_zns *s) { return !s->slots || zs__zns_zones_in(s, ZS__ZNS_Z_OPEN) < s->slots; }

/* meta_lock is taken inside: the zone must be in the persisted window before its first block is written. The last
   empty zone is the log's: without one nothing could be released any more. */
static int zs__zns_zone_intend(zslab_zns *s, uint32_t zone, uint64_t *seq)
{
    uint32_t i, known = 0;
    int rc = 0;
    zs__lock_take(&s->meta_lock);
    zs__zns_meta_pick_spare(s);
    if (s->meta_spare == ZS__ZNS_NONE) rc = -(int)ZSLAB_E_NO_SPACE;
    for (i = 0; i < s->window_count; i++) known |= s->window[i] == zone;
    if (!rc && !known) rc = zs__zns_reserve_ahead(s);
    rc = rc ? rc : zs__zns_seq_next(s, seq);
    zs__lock_drop(&s->meta_lock);
    return rc;
}

/* Opens an empty zone for a class or an epoch. */
static int zs__zns_zone_open(zslab_zns *s, const zs__zns_stream *st, uint32_t zone)
{
    zs__zns_zone *z = &s->zone[zone];
    uint64_t seq = 0;
    int rc;
    if (!zs__zns_zone_take(s, zone, ZS__ZNS_Z_OPENING)) /* pairs with zs__zns_meta_candidate */
        return -(int)ZSLAB_E_BUSY;
    zs__store_u32(&s->cursor, (zone + 1) % s->zone_count); /* relaxed: a hint */
    rc = zs__zns_zone_intend(s, zone, &seq);
    if (rc) {
        zs__zns_zone_state(s, zone, ZS__ZNS_Z_EMPTY);
        return rc;
    }
    z->seq = seq;
    z->owner = st->owner;
    z->lifetime = st->lifetime;
    zs__store_u32(&z->index_noted, 0);
    zs__store_u32(&z->frame_count, 0);
    z->index_blocks = 0;
    zs__store_u32(&z->failed, 0);
    if (z->limit < z->capacity && !z->frame) /* NULL: no index, a recovery scans the zone */
        z->frame = (uint32_t *)(calloc)(z->limit, sizeof *z->frame);
    rc = zs__zns_zone_begin(s, zone, ZS__ZNS_KIND_OBJECTS);
    if (rc == -(int)ZSLAB_E_NO_ACTIVE_ZONE) {
        zs__zns_zone_state(s, zone, ZS__ZNS_Z_EMPTY);
    } else if (rc) {
        zs__zns_zone_recheck(s, zone);
    } else {
        zs__store_u32(&z->errors, 0);
        zs__store_rel_u64(&z->word, 1); /* release: the fields. Pairs with zs__zns_zone_reserve */
        zs__zns_zone_state(s, zone, ZS__ZNS_Z_OPEN);
    }
    return rc;
}

/* The best zone that is open already: `own` asks for one of this class and owner that no stream uses, `errors`
   for so many failures in a row at most, unless it has rested since. */
static uint32_t zs__zns_zone_find(zslab_zns *s, const zs__zns_stream *st, uint32_t min, int own, uint32_t errors)
{
    uint32_t i, best = ZS__ZNS_NONE, best_gap = UINT32_MAX;
    for (i = 0; i < s->zone_count; i++) {
        zs__zns_zone *z = &s->zone[i];
        uint32_t gap;
        if (zs__zns_state(s, i) != ZS__ZNS_Z_OPEN || zs__zns_zone_left(s, i) < min || (own && z->users) ||
            (zs__load_u32(&z->errors) > errors && !zs__zns_zone_rested(z))) /* relaxed: a hint */
            continue;
        gap = z->lifetime > st->lifetime ? z->lifetime - st->lifetime : st->lifetime - z->lifetime;
        if (own && (gap || z->owner != st->owner)) continue;
        gap = gap * 2 + (z->owner != st->owner);
        if (gap < best_gap) {
            best = i;
            best_gap = gap;
        }
    }
    return best;
}

/* Completes the fullest zone that no stream uses or that has no room for `min` blocks. 1: there was one. */
static int zs__zns_zone_finish_fullest(zslab_zns *s, uint32_t min)
{
    uint32_t i, best = ZS__ZNS_NONE, least = UINT32_MAX;
    for (i = 0; i < s->zone_count; i++) {
        uint32_t left = zs__zns_zone_left(s, i);
        if (zs__zns_state(s, i) == ZS__ZNS_Z_OPEN && (!s->zone[i].users || left < min) && left < least) {
            best = i;
            least = left;
        }
    }
    if (best == ZS__ZNS_NONE || !zs__zns_zone_shut(&s->zone[best])) return 0;
    zs__zns_zone_end(s, best);
    return zs__zns_state(s, best) != ZS__ZNS_Z_OPEN;
}

/* Opens the next empty zone, or a second one when that fails; E_BUSY: there is none to spare. */
static int zs__zns_zone_fresh(zslab_zns *s, const zs__zns_stream *st, uint32_t *out)
{
    uint32_t tries;
    int rc = -(int)ZSLAB_E_BUSY;
    for (tries = 0; tries < 2 && zs__zns_fatal(s) == ZSLAB_OK; tries++) {
        uint32_t zone = zs__zns_zone_spare(s);
        if (zone == ZS__ZNS_NONE) break;
        rc = zs__zns_zone_open(s, st, zone);
        if (!rc) {
            *out = zone;
            return 0;
        }
        if (rc == -(int)ZSLAB_E_NO_ACTIVE_ZONE || rc == -(int)ZSLAB_E_PERMISSION || rc == -(int)ZSLAB_E_NOMEM)
            return rc;
    }
    return zs__zns_fatal(s) != ZSLAB_OK ? -(int)zs__zns_fatal(s) : rc;
}

#define ZS__ZNS_FEW_ERRORS 4u

/* One try at a zone with `min` blocks for a stream: its own idle one, a fresh one, a shared one, and a fresh
   one again after finishing the fullest idle one. One that failed lately comes behind those that did not. */
static int zs__zns_zone_get(zslab_zns *s, const zs__zns_stream *st, uint32_t min, uint32_t *out)
{
    int rc = -(int)ZSLAB_E_BUSY, limited = 0;
    *out = zs__zns_zone_find(s, st, min, 1, 0);
    if (*out != ZS__ZNS_NONE) return 0;
    if (zs__zns_slot_free(s))
        rc = zs__zns_zone_fresh(s, st, out);
    else
        limited = 1;
    limited |= rc == -(int)ZSLAB_E_NO_ACTIVE_ZONE;
    if (!rc || (!limited && rc != -(int)ZSLAB_E_BUSY && rc != -(int)ZSLAB_E_IO && rc != -(int)ZSLAB_E_NO_SPACE))
        return rc;
    *out = zs__zns_zone_find(s, st, min, 0, 0);
    if (*out == ZS__ZNS_NONE) *out = zs__zns_zone_find(s, st, min, 0, ZS__ZNS_FEW_ERRORS);
    if (*out != ZS__ZNS_NONE) return 0;
    if (limited && (zs__zns_zone_mend(s) || zs__zns_zone_finish_fullest(s, min))) {
        rc = zs__zns_zone_fresh(s, st, out);
        if (!rc) return 0;
    }
    *out = zs__zns_zone_find(s, st, min, 0, UINT32_MAX);
    if (*out != ZS__ZNS_NONE) return 0;
    if (zs__zns_fatal(s) != ZSLAB_OK) return -(int)zs__zns_fatal(s);
    return limited && (rc != -(int)ZSLAB_E_BUSY || zs__zns_zones_in(s, ZS__ZNS_Z_EMPTY)) ? -(int)ZSLAB_E_NO_ACTIVE_ZONE
           : rc == -(int)ZSLAB_E_BUSY                                                    ? -(int)ZSLAB_E_NO_SPACE
                                                                                         : rc;
}

static void zs__zns_stream_leave(zslab_zns *s, zs__zns_stream *st, int shut)
{
    uint32_t cur = zs__load_u32(&st->cur); /* relaxed: zone_lock guards changes */
    if (cur != ZS__ZNS_NONE) {
        s->zone[cur].users--;
        if (shut && zs__zns_zone_shut(&s->zone[cur])) zs__zns_zone_end(s, cur);
    }
    zs__store_rel_u32(&st->cur, ZS__ZNS_NONE); /* release: pairs with zs__zns_place */
}

static void zs__zns_stream_drop_next(zslab_zns *s, zs__zns_stream *st)
{
    if (st->next != ZS__ZNS_NONE) s->zone[st->next].users--;
    st->next = ZS__ZNS_NONE;
}

/* zone_lock not held. Moves a stream off zone `old` to one with room. */
static int zs__zns_stream_roll(zslab_zns *s, zs__zns_stream *st, uint32_t old, uint32_t min)
{
    uint32_t zone = ZS__ZNS_NONE;
    int rc = 0;
    zs__lock_take(&s->zone_lock);
    if (zs__load_u32(&st->cur) != old) { /* relaxed: zone_lock guards changes; another thread rolled */
        zs__lock_drop(&s->zone_lock);
        return 0;
    }
    zs__zns_stream_leave(s, st, 1);
    if (st->next != ZS__ZNS_NONE && zs__zns_zone_left(s, st->next) >= min) {
        zone = st->next;
        st->next = ZS__ZNS_NONE;
    } else {
        zs__zns_stream_drop_next(s, st);
        rc = zs__zns_zone_get(s, st, min, &zone);
        if (!rc) s->zone[zone].users++;
    }
    if (!rc) {
        zs__store_u32(&st->preparing, 0);
        zs__store_rel_u32(&st->cur, zone); /* release: the zone's fields. Pairs with zs__zns_place */
    }
    zs__lock_drop(&s->zone_lock);
    return rc;
}

/* Opens the zone after this one ahead of time, while the others go on appending. */
static void zs__zns_stream_prepare(zslab_zns *s, zs__zns_stream *st)
{
    uint32_t no = 0, zone;
    if (!zs__cas_u32(&st->preparing, &no, 1) || !zs__lock_try(&s->zone_lock)) return;
    if (st->next == ZS__ZNS_NONE && zs__zns_zones_in(s, ZS__ZNS_Z_EMPTY) > 2 &&
        (!s->slots || zs__zns_zones_in(s, ZS__ZNS_Z_OPEN) + 1 < s->slots) && !zs__zns_zone_fresh(s, st, &zone)) {
        st->next = zone;
        s->zone[zone].users++;
    }
    zs__lock_drop(&s->zone_lock);
}

/* An epoch of unknown size that would meet another zone of its class has outlived one: it gets its own, so that it
   and the short-lived do not pin each other's, while active slots and empty zones are plenty. */
static zs__zns_stream *zs__zns_stream_own(zslab_zns *s, zs__zns_ep *e)
{
    zs__lock_take(&s->zone_lock);
    if (!e->own.owner && (s->exclusive + 1 < s->slots || !s->slots) && s->exclusive < s->zone_count / 4 &&
        zs__zns_zones_in(s, ZS__ZNS_Z_EMPTY) > s->zone_count / 4) {
        zs__zns_stream *st = (zs__zns_stream *)zs__load_ptr(&e->stream); /* relaxed: zone_lock guards changes */
        s->exclusive++;
        e->own.owner = e->id;
        if (st->next != ZS__ZNS_NONE) { /* opened ahead, of which this epoch was a cause */
            s->zone[st->next].owner = e->id;
            zs__store_u32(&e->own.cur, st->next); /* relaxed: the stream's store publishes it */
            st->next = ZS__ZNS_NONE;
        }
        zs__store_rel_ptr(&e->stream, (uintptr_t)&e->own); /* release: owner. Pairs with zs__zns_place */
    }
    zs__lock_drop(&s->zone_lock);
    return (zs__zns_stream *)zs__load_ptr(&e->stream); /* relaxed: changed once at most, by now */
}

/* Room for a frame of e, counted in: the zone and how many blocks. */
static int zs__zns_place(zslab_zns *s, zs__zns_ep *e, uint32_t min, uint32_t max, uint32_t *out_zone,
                         uint32_t *out_blocks)
{
    zs__zns_stream *st = (zs__zns_stream *)zs__load_acq_ptr(&e->stream); /* acquire: pairs with _stream_own */
    int denied = e->expected != 0;
    for (;;) {
        uint32_t zone = zs__load_acq_u32(&st->cur);  /* acquire: pairs with zs__zns_stream_roll */
        uint32_t last = zs__load_u32(&e->last_zone); /* relaxed: a stale one makes it later */
        int rc, outlived = !denied && st != &e->own && last != ZS__ZNS_NONE;
        *out_blocks =
            zone == ZS__ZNS_NONE || (outlived && last != zone) ? 0 : zs__zns_zone_reserve(&s->zone[zone], min, max);
        if (*out_blocks) {
            *out_zone = zone;
            rc = zs__zns_zone_ref(s, e, zone);
            if (rc)
                zs__zns_zone_unreserve(s, zone, 0);
            else if (zs__zns_zone_left(s, zone) < s->zone[zone].limit / 8 && !zs__load_u32(&st->preparing))
                zs__zns_stream_prepare(s, st); /* relaxed above: the CAS inside decides */
            return rc;
        }
        if (outlived) {
            st = zs__zns_stream_own(s, e);
            denied = st != &e->own;
            continue;
        }
        rc = zs__zns_stream_roll(s, st, zone, min);
        if (rc) return rc;
    }
}

/* ---- >>append --------------------------------------------------------------
   From an object to frames on the device: the packing buffers, whole frames straight from the caller's
   memory, and what a sync waits for.                                                 */
typedef struct zs__zns_load {     /* one frame to be written */
    uint32_t id, count, min, max; /* blocks */
    uint64_t *entry;
    uint8_t *header;       /* room for the header blocks; packed: the payload follows it in memory */
    const uint8_t *object; /* a piece from the end of this, as large as fits; NULL: packed */
    const uint8_t *packed; /* this goes right behind the entries; NULL: the payload begins with a block */
    size_t bytes;          /* of object left, or of the packed payload */
    uint64_t link;         /* entry word 1 of the piece that follows */
    int more;
    size_t taken; /* once begun: bytes of its payload */
    zs__zns_head head;
    zs__zns_io io;
} zs__zns_load;

/* The frame is on the device: from now on it is read from there. */
static void zs__zns_frame_stored(zslab_zns *s, zs__zns_ep *e, const zs__zns_load *l, const zs__zns_head *h, uint64_t at)
{
    zs__zns_frame *f = zs__zns_frame_of(s, l->id);
    zs__zns_zone *z = &s->zone[h->zone];
    uint32_t i;
    uint64_t *dir = (uint64_t *)(malloc)((size_t)l->count * ZS__ZNS_ENTRY_BYTES); /* NULL: read again when asked for */
    f->zone = h->zone;
    f->zone_seq = h->zone_seq;
    f->frame_seq = h->frame_seq;
    f->block = (uint32_t)((at - z->start) / s->block_bytes);
    f->blocks = h->blocks;
    f->payload_at = h->payload_at;
    f->payload_bytes = h->payload_bytes;
    f->count = l->count;
    f->heads = h->heads;
    for (f->user_bytes = i = 0; i < l->count; i++) f->user_bytes += zs__zns_entry_bytes(l->entry[2 * (size_t)i]);
    zs__add_u64(&s->user_bytes, f->user_bytes);
    if (dir) memcpy(dir, l->entry, (size_t)l->count * ZS__ZNS_ENTRY_BYTES);
    if (dir) zs__add_u64(&s->dir_bytes, (uint64_t)l->count * ZS__ZNS_ENTRY_BYTES);
    zs__store_rel_ptr(&f->dir, (uintptr_t)dir); /* release: entries, count. Pairs with zs__zns_frame_dir, _dir_free */
    zs__store_rel_u32(&f->state, ZS__ZNS_F_STORED); /* release: the fields. Pairs with zs__zns_frame_dir */
    zs__add_u64(&z->live_blocks, h->blocks);
    zs__add_u64(&e->device_blocks, h->blocks);
    if (z->frame) {
        uint32_t n = zs__load_u32(&z->frame_count); /* relaxed: the CAS takes the place */
        while (n < z->limit && !zs__cas_u32(&z->frame_count, &n, n + 1))
            ;
        if (n < z->limit) zs__store_u32(&z->frame[n], l->id); /* relaxed: read after the drain [ZONE-1] */
    }
    zs__zns_dirs_fit(s);
}

/* Gives the frame its ordinal, for as often as it is tried, and the header what follows from it. [ORD-1] */
static void zs__zns_ordinal(zslab_zns *s, zs__zns_ep *e, zs__zns_frame *f, zs__zns_head *h)
{
    zs__lock_take(&e->ord_lock);
    if (!f->ordinal) {
        f->ordinal = ++e->begun;
        f->before = e->heads;
        f->before_bytes = e->bytes;
        e->heads += h->heads;
        e->bytes += h->payload_bytes;
    }
    h->ordinal = f->ordinal;
    h->before = f->before;
    h->before_bytes = f->before_bytes;
    h->covered = zs__zns_covered_upto(s, e);
    zs__lock_drop(&e->ord_lock);
    zs__lock_take(&s->note_lock);
    h->serial = (uint32_t)s->log_flushed.serial;
    zs__lock_drop(&s->note_lock);
}

/* Its frame is stored: with all of them stored a later sync covers all. */
static void zs__zns_landed(zslab_zns *s, zs__zns_ep *e, uint64_t frame_seq)
{
    zs__lock_take(&e->ord_lock);
    (void)zs__zns_covered_upto(s, e);
    if (frame_seq > e->mark_seq) e->mark_seq = frame_seq;
    if (++e->landed == e->begun) e->mark = e->begun;
    zs__lock_drop(&e->ord_lock);
}

/* A frame that is given up: the last ordinal is taken back, another one's absence is recorded. */
static void zs__zns_give_up(zslab_zns *s, zs__zns_ep *e, zs__zns_load *l)
{
    zs__zns_frame *f = zs__zns_frame_of(s, l->id);
    uint32_t last;
    int rc = 0;
    if (!f->ordinal) return;
    zs__lock_take(&e->ord_lock);
    last = f->ordinal == e->begun;
    if (last) {
        e->begun--;
        e->heads = f->before;
        e->bytes = f->before_bytes;
        if (e->landed == e->begun) e->mark = e->begun;
    } else {
        e->gone_upto = f->ordinal > e->gone_upto ? f->ordinal : e->gone_upto;
        e->gone++;
        e->gone_heads += l->head.heads;
        e->gone_bytes += l->head.payload_bytes;
    }
    f->ordinal = 0;
    zs__lock_drop(&e->ord_lock);
    if (!last) {
        zs__lock_take(&s->meta_lock);
        s->meta_have = 0;
        (void)zs__zns_record_frames(s, e);
        rc = zs__zns_meta_write(s);
        zs__lock_drop(&s->meta_lock);
        if (!rc) zs__zns_landed(s, e, 0);
    }
    if (!rc) zs__sub_u64(&s->underway, 1); /* else no sync covers what comes behind it */
}

/* Encodes one frame for the reserved place. From here to zs__zns_load_end it counts as under way. */
static void zs__zns_load_begin(zslab_zns *s, zs__zns_ep *e, zs__zns_load *l, uint32_t zone, uint32_t blocks)
{
    zs__zns_head *h = &l->head;
    size_t i;
    memset(h, 0, sizeof *h);
    memset(&l->io, 0, sizeof l->io);
    h->kind = ZS__ZNS_FRAME_OBJECTS;
    h->zone = l->io.zone = zone;
    h->zone_seq = s->zone[zone].seq;
    h->epoch = e->id;
    h->id = l->id;
    h->gen = zs__load_acq_u64(&zs__zns_frame_of(s, l->id)->gen); /* acquire: ours since zs__zns_frame_take */
    h->entries = l->count;
    h->blocks = blocks;
    h->header_blocks = zs__zns_header_blocks(s, l->count);
    h->payload_at = l->packed ? ZS__ZNS_HEAD_BYTES + l->count * ZS__ZNS_ENTRY_BYTES : h->header_blocks * s->block_bytes;
    h->payload_bytes = (uint32_t)l->bytes;
    l->io.iov_count = 1;
    l->io.iov[0].base = l->header;
    l->io.iov[0].bytes = (size_t)blocks * s->block_bytes;
    l->taken = l->bytes;
    if (!zs__zns_frame_of(s, l->id)->ordinal) zs__add_u64(&s->underway, 1); /* before the sequence is taken: [BUF-4] */
    if (l->object) {
        size_t take = (size_t)(blocks - 1) * s->block_bytes;
        const uint8_t *piece = l->object + l->bytes - take;
        l->io.iov_count = 2;
        l->io.iov[0].bytes = s->block_bytes;
        l->io.iov[1].base = piece;
        l->io.iov[1].bytes = take;
        h->payload_bytes = (uint32_t)take;
        l->entry[0] = zs__zns_entry0(take, (take == l->bytes ? ZS__ZNS_FIRST : 0) | (l->more ? ZS__ZNS_MORE : 0),
                                     zs__zns_crc(0, piece, take));
        l->entry[1] = l->link;
        l->taken = take;
    }
    memset(l->header, 0, (size_t)(l->packed ? blocks : h->header_blocks) * s->block_bytes);
    if (l->packed) memcpy(l->header + h->payload_at, l->packed, l->bytes);
    for (i = 0; i < l->count; i++) {
        zs__zns_put64(l->header + ZS__ZNS_HEAD_BYTES + i * ZS__ZNS_ENTRY_BYTES, l->entry[2 * i]);
        zs__zns_put64(l->header + ZS__ZNS_HEAD_BYTES + i * ZS__ZNS_ENTRY_BYTES + 8, l->entry[2 * i + 1]);
        h->heads += zs__zns_entry_flags(l->entry[2 * i]) & ZS__ZNS_FIRST;
    }
    zs__zns_ordinal(s, e, zs__zns_frame_of(s, l->id), h);
    h->frame_seq = zs__add_u64(&s->frame_seq, 1);
    h->synced = zs__load_acq_u64(&s->synced); /* acquire: pairs with zs__zns_flush */
    zs__zns_head_write(s, l->header, h);
}

/* What the device answered is in io: the frame is known from now on, or the zone has failed. */
static void zs__zns_load_end(zslab_zns *s, zs__zns_ep *e, zs__zns_load *l)
{
    zs__add_u64(&s->device_blocks, l->head.blocks);
    if (!zs__zns_told(s, "append to", l->io.zone, ZS__ZNS_NONE, l->io.rc)) {
        if (zs__load_u32(&s->zone[l->io.zone].errors)) /* relaxed: a hint; it works again */
            zs__store_u32(&s->zone[l->io.zone].errors, 0);
        zs__zns_frame_stored(s, e, l, &l->head, l->io.at);
        zs__zns_landed(s, e, l->head.frame_seq);
        zs__add_u64(&s->appends, 1);
        zs__sub_u64(&s->underway, 1);
    } else {
        zs__add_u64(&s->retries, 1);
    }
    zs__zns_zone_unreserve(s, l->io.zone, l->io.rc != 0);
}

/* Starts a frame's append and leaves it under way. */
static int zs__zns_load_fly(zslab_zns *s, zs__zns_ep *e, zs__zns_load *l)
{
    uint32_t zone = 0, blocks = 0;
    int rc = zs__zns_place(s, e, l->min, l->max, &zone, &blocks);
    if (rc) return rc;
    zs__zns_load_begin(s, e, l, zone, blocks);
    s->dev.begin(s->dev.user, &l->io);
    return 0;
}

/* Waits for its end. A failure is not made good here: the caller writes the frame again. */
static int zs__zns_load_land(zslab_zns *s, zs__zns_ep *e, zs__zns_load *l)
{
    errno = 0;
    s->dev.wait(s->dev.user, &l->io, 1);
    zs__zns_load_end(s, e, l);
    return l->io.rc;
}

/* The end of a buffer's append: readers go to the device and the buffer is free, or it is tried again later.
   State is FLUSHING. */
static int zs__zns_buffer_written(zslab_zns *s, zs__zns_buffer *b, int rc)
{
    zs__zns_frame *f = zs__zns_frame_of(s, b->frame);
    uint32_t tries = 0;
    if (rc) {
        zs__store_rel_u32(&b->state, ZS__ZNS_B_FAILED); /* release: pairs with zs__zns_epoch_flush */
        return rc;
    }
    zs__store_rel_ptr(&f->buffer, 0); /* release: stored state first. Pairs with zs__zns_buffer_pin */
    zs__or_u64(&b->pin, ZS__ZNS_B_RETIRED);
    while (zs__load_acq_u64(&b->pin) != ZS__ZNS_B_RETIRED) /* acquire: readers' copies [BUF-2] */
        zs__zns_nap(tries++);
    b->dirty = b->load->count;
    zs__sub_u64(&s->promised, s->pack_blocks);
    zs__store_rel_u32(&b->state, ZS__ZNS_B_FREE); /* release: pairs with zs__zns_buffer_open */
    return 0;
}

/* Turns a buffer that was met in a lane of e from `state` to FLUSHING. It may have gone to another epoch since. */
static int zs__zns_buffer_claim(zs__zns_ep *e, zs__zns_buffer *b, uint32_t state)
{
    uint32_t was = state;
    if (!zs__cas_u32(&b->state, &was, ZS__ZNS_B_FLUSHING)) return 0; /* acquire: pairs with zs__zns_buffer_write */
    if (zs__load_ptr(&b->epoch) == (uintptr_t)e) return 1;           /* relaxed: the CAS orders it */
    zs__store_rel_u32(&b->state, state);                             /* release: as it was */
    return 0;
}

/* Sees to an append under way, if nobody else does: `block` waits for it. */
static void zs__zns_buffer_land(zslab_zns *s, zs__zns_ep *e, zs__zns_buffer *b, int block)
{
    if (!zs__zns_buffer_claim(e, b, ZS__ZNS_B_FLYING)) return;
    if (block || s->dev.wait(s->dev.user, &b->load->io, 0))
        zs__zns_buffer_written(s, b, zs__zns_load_land(s, e, b->load));
    else
        zs__store_rel_u32(&b->state, ZS__ZNS_B_FLYING); /* release: as in zs__zns_buffer_write */
}

static zs__zns_buffer *zs__zns_lane(zs__zns_ep *e, uint32_t i)
{
    zs__zns_buffer *b;
    zs__lock_take(&e->lock);
    b = e->lane[i];
    zs__lock_drop(&e->lock);
    return b;
}

/* The epoch is pinned, or nobody else can reach it. */
static void zs__zns_ep_land(zslab_zns *s, zs__zns_ep *e, int block)
{
    uint32_t i;
    for (i = 0; i < ZSLAB_ZNS_LANES && s->dev.begin; i++) {
        zs__zns_buffer *b = zs__zns_lane(e, i);
        if (b) zs__zns_buffer_land(s, e, b, block);
    }
}

/* The epoch before place *at among those with buffers, or NULL. A walk from the end down meets every one that is
   there all the time: who leaves is replaced by the last. */
static zs__zns_ep *zs__zns_busy_before(zslab_zns *s, uint32_t *at)
{
    zs__zns_ep *e;
    zs__lock_take(&s->lane_lock);
    if (*at > s->busy_count) *at = s->busy_count;
    e = *at ? s->busy[--*at] : NULL;
    zs__lock_drop(&s->lane_lock);
    return e;
}

/* Appends that were left under way hold zones open: those of all epochs are waited for. */
static void zs__zns_land_all(zslab_zns *s)
{
    uint32_t at = UINT32_MAX;
    zs__zns_ep *e;
    while (s->dev.begin && (e = zs__zns_busy_before(s, &at)) != NULL) {
        if (!zs__zns_pin(e, 0)) continue;
        zs__zns_ep_land(s, e, 1);
        zs__zns_unpin(e, 0);
    }
}

/* zs__zns_place, waiting for an active slot up to the timeout. */
static int zs__zns_place_wait(zslab_zns *s, zs__zns_ep *e, const zs__zns_load *l, uint32_t *out_zone,
                              uint32_t *out_blocks)
{
    uint64_t began = 0;
    uint32_t tries;
    for (tries = 0;; tries++) {
        int rc = zs__zns_place(s, e, l->min, l->max, out_zone, out_blocks);
        if (rc != -(int)ZSLAB_E_NO_ACTIVE_ZONE) return rc;
        if (!tries) began = zs__os_now_ns();
        if (tries && zs__os_now_ns() - began >= s->config.wait_timeout_ns) return rc;
        zs__zns_land_all(s);
        zs__zns_nap(tries ? 200 + tries : 0);
    }
}

/* Writes a frame somewhere: a zone that fails it is left, and the frame goes to another; three times in all. */
static int zs__zns_load_write(zslab_zns *s, zs__zns_ep *e, zs__zns_load *l)
{
    uint32_t zone = 0, blocks = 0, tries, failures = 0;
    int rc = -(int)ZSLAB_E_IO;
    for (tries = 0; tries < 24 && failures < 3; tries++) {
        if (zs__zns_fatal(s) != ZSLAB_OK) return -(int)zs__zns_fatal(s);
        rc = zs__zns_place_wait(s, e, l, &zone, &blocks);
        if (rc) return rc;
        zs__zns_load_begin(s, e, l, zone, blocks);
        l->min = l->max = blocks; /* cut once: the sums behind it count on that [ORD-1] */
        errno = 0;
        rc = l->io.rc = s->dev.ops.append(s->dev.user, zone, l->io.iov, l->io.iov_count, &l->io.at);
        zs__zns_load_end(s, e, l);
        if (!rc || rc == -(int)ZSLAB_E_PERMISSION || rc == -(int)ZSLAB_E_NOMEM || rc == -(int)ZSLAB_E_GONE) return rc;
        if (rc == -(int)ZSLAB_E_NO_ACTIVE_ZONE)
            zs__zns_nap(200);
        else
            failures++;
    }
    return rc;
}

static size_t zs__zns_frame_payload(const zslab_zns *s) { return (size_t)(s->frame_blocks - 1) * s->block_bytes; }

/* Header room in front of a packing buffer's payload: for as many entries as it may hold. */
static size_t zs__zns_buffer_front(const zslab_zns *s)
{
    return (size_t)zs__zns_header_blocks(s, ZS__ZNS_ENTRIES_MAX) * s->block_bytes;
}

static void zs__zns_buffer_free(zs__zns_buffer *b)
{
    if (!b) return;
    (free)(b->entry);
    (free)(b->load);
    zs__zns_pages_free(b->pages);
    (free)(b);
}

static zs__zns_buffer *zs__zns_buffer_new(zslab_zns *s)
{
    zs__zns_buffer *b = (zs__zns_buffer *)(calloc)(1, sizeof *b);
    if (!b) return NULL;
    b->entry = (uint64_t *)(calloc)(2 * (size_t)ZS__ZNS_ENTRIES_MAX, sizeof *b->entry);
    b->load = (zs__zns_load *)(calloc)(1, sizeof *b->load);
    b->pages = (uint8_t *)zs__zns_pages(zs__zns_buffer_front(s) + (size_t)s->pack_blocks * s->block_bytes);
    b->pin = ZS__ZNS_B_RETIRED;
    if (b->entry && b->load && b->pages) {
        b->payload = b->pages + zs__zns_buffer_front(s);
        return b;
    }
    zs__zns_buffer_free(b);
    return NULL;
}

/* e->lock held. A buffer for a lane of e, from the pool or new; e is among the busy from now on. */
static zs__zns_buffer *zs__zns_buffer_take(zslab_zns *s, zs__zns_ep *e)
{
    zs__zns_buffer *b = NULL;
    zs__zns_ep **more;
    uint32_t busy;
    zs__lock_take(&s->lane_lock);
    if (!e->busy && s->busy_count == s->busy_room) {
        more = (zs__zns_ep **)(realloc)(s->busy, (s->busy_room * 2 + 16) * sizeof *more); /* NOLINT: pointers */
        if (more) {
            s->busy = more;
            s->busy_room = s->busy_room * 2 + 16;
        }
    }
    if (!e->busy && s->busy_count < s->busy_room) {
        s->busy[s->busy_count++] = e;
        e->busy = s->busy_count;
    }
    busy = e->busy;
    if (busy && s->pool) {
        b = s->pool;
        s->pool = b->spare;
    }
    zs__lock_drop(&s->lane_lock);
    if (!b && busy) b = zs__zns_buffer_new(s);
    if (b) zs__store_ptr(&b->epoch, (uintptr_t)e); /* relaxed: published by its state */
    return b;
}

/* Takes the free buffers, or all of an epoch nobody can reach, out of the lanes and into the pool. */
static void zs__zns_buffers_give(zslab_zns *s, zs__zns_ep *e, int all)
{
    uint32_t i, kept = 0;
    zs__lock_take(&e->lock);
    zs__lock_take(&s->lane_lock);
    for (i = 0; i < ZSLAB_ZNS_LANES; i++) {
        zs__zns_buffer *b = e->lane[i];
        if (!b) continue;
        if (!all && zs__load_acq_u32(&b->state) != ZS__ZNS_B_FREE) { /* acquire: pairs with _written */
            kept = 1;
            continue;
        }
        if (zs__load_acq_u32(&b->state) != ZS__ZNS_B_FREE) { /* acquire: as above. Its objects go with the epoch */
            if (zs__zns_frame_of(s, b->frame)->ordinal) zs__sub_u64(&s->underway, 1); /* it had failed: [BUF-4] */
            b->dirty = ZS__ZNS_B_ENTRIES(zs__load_u64(&b->word));
            zs__sub_u64(&s->promised, s->pack_blocks);
            zs__or_u64(&b->pin, ZS__ZNS_B_RETIRED);
            zs__store_rel_u32(&b->state, ZS__ZNS_B_FREE); /* release: pairs with zs__zns_buffer_open */
        }
        e->lane[i] = NULL;
        b->spare = s->pool;
        s->pool = b;
    }
    if (e->busy && !kept) {
        s->busy[e->busy - 1] = s->busy[--s->busy_count];
        s->busy[e->busy - 1]->busy = e->busy;
        e->busy = 0;
    }
    zs__lock_drop(&s->lane_lock);
    zs__lock_drop(&e->lock);
}

/* Takes `bytes`, or where `split` a tail of them worth splitting off, and an entry. 0: no room. [BUF-1] */
static size_t zs__zns_buffer_reserve(zslab_zns *s, zs__zns_ep *e, zs__zns_buffer *b, size_t bytes, int split,
                                     size_t *out_at, uint32_t *out_idx)
{
    uint64_t was = zs__load_acq_u64(&b->word); /* acquire: frame and limit. Pairs with zs__zns_buffer_open */
    for (;;) {
        size_t used = ZS__ZNS_B_BYTES(was), room, take, whole;
        uint32_t count = ZS__ZNS_B_ENTRIES(was), header = zs__zns_header_blocks(s, count + 1);
        uint32_t limit = zs__load_u32(&b->limit); /* relaxed: of another use only when the word's round is, too */
        if ((was & ZS__ZNS_B_SEALED) || count >= ZS__ZNS_ENTRIES_MAX || header >= limit ||
            zs__load_acq_ptr(&e->cur) != (uintptr_t)b) /* acquire: the word above belongs to this use of b */
            return 0;
        room = (size_t)(limit - header) * s->block_bytes;
        room = room > used ? room - used : 0;
        whole = (size_t)s->pack_blocks * s->block_bytes;
        take = bytes <= room ? bytes : !split || (count && room < whole / 256) ? 0 : room;
        if (!take) return 0;
        if (zs__cas_u64(&b->word, &was, was + zs__round_up(take, 8) + ZS__ZNS_B_COUNT)) {
            *out_at = used;
            *out_idx = count;
            return take;
        }
    }
}

/* Waits for the copies and writes the buffer out; `fly`: with a queue it is only started. State is FLUSHING. */
static int zs__zns_buffer_write(zslab_zns *s, zs__zns_ep *e, zs__zns_buffer *b, int fly)
{
    uint64_t word = zs__load_acq_u64(&b->word); /* acquire: sealed, so final [BUF-1] */
    uint32_t count = ZS__ZNS_B_ENTRIES(word), header, tries = 0;
    size_t bytes = ZS__ZNS_B_BYTES(word), pad;
    size_t close = ZS__ZNS_HEAD_BYTES + (size_t)count * ZS__ZNS_ENTRY_BYTES + bytes;
    zs__zns_load *l = b->load;
    while (zs__load_acq_u64(&b->done) != count) /* acquire: the copies. Pairs with zs__zns_pack */
        zs__zns_nap(tries++);
    header = zs__zns_header_blocks(s, count);
    memset(l, 0, sizeof *l);
    l->id = b->frame;
    l->count = count;
    l->entry = b->entry;
    l->header = b->payload - (size_t)header * s->block_bytes;
    l->bytes = bytes;
    l->min = l->max = header + zs__zns_blocks(s, bytes);
    pad = (size_t)(l->max - header) * s->block_bytes - bytes;
    if (zs__zns_blocks(s, close) < l->max && close <= zs__zns_buffer_front(s)) { /* a copy is less than a block */
        l->header = b->pages;
        l->packed = b->payload;
        l->min = l->max = zs__zns_blocks(s, close);
    }
    memset(b->payload + bytes, 0, pad);
    if (fly && s->dev.begin && !zs__zns_load_fly(s, e, l)) {
        zs__store_rel_u32(&b->state, ZS__ZNS_B_FLYING); /* release: the load. Pairs with zs__zns_buffer_land */
        return 0;
    }
    return zs__zns_buffer_written(s, b, zs__zns_load_write(s, e, l));
}

/* Whoever sets the sealed bit writes the buffer. 1: this thread. */
static int zs__zns_buffer_seal(zs__zns_ep *e, zs__zns_buffer *b)
{
    uint64_t was = zs__load_acq_u64(&b->word); /* acquire: pairs with reservations */
    uintptr_t self = (uintptr_t)b;
    do
        if ((was & ZS__ZNS_B_SEALED) || !ZS__ZNS_B_ENTRIES(was) || zs__load_acq_ptr(&e->cur) != (uintptr_t)b)
            return 0; /* acquire: the word belongs to this use of b */
    while (!zs__cas_u64(&b->word, &was, was | ZS__ZNS_B_SEALED));
    zs__store_rel_u32(&b->state, ZS__ZNS_B_FLUSHING); /* release: pairs with zs__zns_epoch_flush */
    zs__cas_ptr(&e->cur, &self, 0);
    return 1;
}

/* Starts writing the epoch's open buffer, if it holds anything. */
static int zs__zns_epoch_push(zslab_zns *s, zs__zns_ep *e)
{
    zs__zns_buffer *b = (zs__zns_buffer *)zs__load_acq_ptr(&e->cur); /* acquire: pairs with zs__zns_buffer_open */
    return b && zs__zns_buffer_seal(e, b) ? zs__zns_buffer_write(s, e, b, 1) : 0;
}

/* What the epoch's buffers held when this was called is with the device afterwards; else the reason. */
static int zs__zns_epoch_flush(zslab_zns *s, zs__zns_ep *e)
{
    int rc = zs__zns_epoch_push(s, e), r;
    uint32_t i, tries;
    for (i = 0; i < ZSLAB_ZNS_LANES; i++) {
        zs__zns_buffer *b = zs__zns_lane(e, i);
        uint32_t state;
        for (tries = 0; b; tries++) {
            uint64_t sealed = zs__load_acq_u64(&b->word) & ZS__ZNS_B_SEALED; /* acquire: pairs with _seal */
            state = zs__load_acq_u32(&b->state);                             /* acquire: pairs with _write */
            if (state == ZS__ZNS_B_FREE || (state == ZS__ZNS_B_OPEN && !sealed)) break;
            if (state == ZS__ZNS_B_FLYING) {
                zs__zns_buffer_land(s, e, b, 1);
            } else if (state != ZS__ZNS_B_FAILED) {
                zs__zns_nap(tries);
            } else if (zs__zns_buffer_claim(e, b, state)) {
                r = zs__zns_buffer_write(s, e, b, 0);
                rc = rc ? rc : r;
                if (r) break;
            } else if (zs__load_ptr(&b->epoch) != (uintptr_t)e) { /* relaxed: a stale one makes another turn */
                break;
            }
        }
    }
    return rc;
}

/* Writes out what all buffers hold, in two rounds where appends may be under way together. */
static int zs__zns_flush_all(zslab_zns *s)
{
    uint32_t round, at;
    int rc = 0, one;
    zs__zns_ep *e;
    for (round = s->dev.begin ? 0 : 1; round < 2; round++)
        for (at = UINT32_MAX; (e = zs__zns_busy_before(s, &at)) != NULL;) {
            if (!zs__zns_pin_sync(s, e)) continue;
            one = round ? zs__zns_epoch_flush(s, e) : zs__zns_epoch_push(s, e);
            zs__zns_unpin(e, 0);
            if (round && !rc) rc = one; /* what the first round could not write the second tries again */
        }
    return rc;
}

/* Blocks for frames in a zone that is empty, open, or to be reset. */
static uint32_t zs__zns_zone_room(zslab_zns *s, uint32_t zone)
{
    uint32_t state = zs__zns_state(s, zone);
    if (state == ZS__ZNS_Z_OPEN) return zs__zns_zone_left(s, zone);
    return state == ZS__ZNS_Z_EMPTY || (state == ZS__ZNS_Z_RETIRED && !zs__load_u32(&s->zone[zone].refs))
               ? s->zone[zone].limit - 1
               : 0; /* relaxed above: a figure */
}

/* Are there `need` blocks in pieces of `unit`, or, where that is 1, in frames of any size less their headers?
   *out_most: what one zone has, if not. */
static int zs__zns_room(zslab_zns *s, uint64_t need, uint32_t unit, uint32_t *out_most)
{
    uint32_t i, from = zs__load_u32(&s->cursor); /* relaxed: a hint where empty ones are */
    uint64_t room = 0;
    *out_most = 0;
    for (i = 0; i < s->zone_count && room < need; i++) {
        uint32_t left = zs__zns_zone_room(s, (from + i) % s->zone_count);
        if (left > *out_most) *out_most = left;
        room += unit > 1 ? left / unit * unit : left - (left + s->frame_blocks - 1) / s->frame_blocks;
    }
    return room >= need;
}

/* Promises `blocks` where they find room beside what is promised to others, in whole buffers. 0: no room. -1: neither,
   but it is the only promise, and stands: nobody is granted what is left, at most *out_most in one zone. [BUF-5] */
static int zs__zns_promise(zslab_zns *s, uint64_t blocks, uint32_t *out_most)
{
    uint64_t others = zs__add_u64(&s->promised, blocks);
    if (zs__zns_room(s, blocks + others, s->pack_blocks, out_most)) return 1;
    if (!others) return -1;
    zs__sub_u64(&s->promised, blocks);
    return 0;
}

/* An object on its way: what is left of it, the piece written last, and what it is promised. */
typedef struct zs__zns_rest {
    size_t bytes;
    uint64_t link, held;        /* held: blocks of s->promised; 0: none asked for yet, and nothing is written */
    uint32_t frame, idx, limit; /* limit: of the buffer that it opens, 0: a whole one */
    int more, whole;            /* whole: blocks go straight, what is no block is packed or has been */
} zs__zns_rest;

/* From so many bytes on an object goes to frames of its own: more than a buffer, or nearly a frame. */
static size_t zs__zns_large(const zslab_zns *s)
{
    size_t buffer = (size_t)(s->pack_blocks - 1) * s->block_bytes, frame = zs__zns_frame_payload(s) / 4 * 3;
    return buffer < frame ? buffer : frame;
}

/* Promises all that the object can need before any of it is written: a buffer for what is packed, and what goes to
   frames of its own with their headers, in whole buffers. Written buffers give their rest back first. An object that
   is alone gets what is left to the last block. [BUF-5] */
static int zs__zns_put_hold(zslab_zns *s, size_t bytes, zs__zns_rest *r)
{
    uint64_t n = bytes / s->block_bytes, held = s->pack_blocks;
    uint32_t most;
    int sure, packed = bytes < zs__zns_large(s);
    if (!packed) held += n + n / (s->pack_blocks - 1) + s->pack_blocks + 1;
    sure = zs__zns_promise(s, held, &most);
    if (!sure) (void)zs__zns_flush_all(s);
    if (!sure) sure = zs__zns_promise(s, held, &most);
    if (sure < 0) {
        packed &= 1 + zs__zns_blocks(s, bytes) <= most;
        r->limit = packed ? most : 2;
        r->whole = !packed;
        zs__add_u64(&s->promised, n);
        held += n;
        if (!packed && !zs__zns_room(s, n + (bytes % s->block_bytes ? 2 : 0), 1, &most)) {
            zs__sub_u64(&s->promised, held);
            sure = 0;
        }
    }
    r->held = sure ? held : 0;
    return sure ? 0 : -(int)ZSLAB_E_NO_SPACE;
}

/* How many blocks the buffer that is opened for a piece may fill: what is left of the zone where the piece fits into
   that, or one more buffer can be promised for the rest; a whole one. */
static uint32_t zs__zns_buffer_limit(zslab_zns *s, zs__zns_ep *e, size_t bytes, zs__zns_rest *r)
{
    uint32_t cur, left, most;
    int sure;
    if (r->limit) return r->limit;
    /* acquire both: pairs with zs__zns_stream_own, zs__zns_stream_roll */
    cur = zs__load_acq_u32(&((zs__zns_stream *)zs__load_acq_ptr(&e->stream))->cur);
    left = cur == ZS__ZNS_NONE ? 0 : zs__zns_zone_left(s, cur);
    if (left < 4 || left >= s->pack_blocks) return s->pack_blocks;
    if (1 + zs__zns_blocks(s, bytes) <= left) return left;
    sure = zs__zns_promise(s, s->pack_blocks, &most);
    if (!sure) return s->pack_blocks;
    r->held += s->pack_blocks;
    return left;
}

/* A packing buffer for the epoch, out of what the object holds; its first piece, of up to `bytes`, is the object's.
   When all are under way, a failed one is tried again, or one waited for. NULL: look again, unless *out_rc. */
static zs__zns_buffer *zs__zns_buffer_open(zslab_zns *s, zs__zns_ep *e, size_t bytes, zs__zns_rest *r,
                                           size_t *out_taken, int *out_rc)
{
    zs__zns_buffer *b = NULL, *failed = NULL, *flying = NULL;
    uint32_t i, busy = 0, limit;
    *out_rc = 0;
    zs__zns_ep_land(s, e, 0);
    zs__lock_take(&e->lock);
    if (zs__load_acq_ptr(&e->cur)) { /* acquire: another thread opened one */
        zs__lock_drop(&e->lock);
        return NULL;
    }
    for (i = 0; i < ZSLAB_ZNS_LANES && !b; i++) {
        uint32_t state = e->lane[i] ? zs__load_acq_u32(&e->lane[i]->state) : ZS__ZNS_B_FREE; /* acquire: as written */
        if (state == ZS__ZNS_B_FREE && !e->lane[i]) e->lane[i] = zs__zns_buffer_take(s, e);
        if (state == ZS__ZNS_B_FREE)
            b = e->lane[i];
        else if (state == ZS__ZNS_B_FAILED)
            failed = e->lane[i];
        else if (state == ZS__ZNS_B_FLYING)
            flying = e->lane[i];
        else
            busy = 1;
    }
    if (b) {
        b->frame = zs__zns_frame_take(s, e);
        if (b->frame == ZS__ZNS_NONE) {
            zs__lock_drop(&e->lock);
            *out_rc = -(int)ZSLAB_E_LIMIT;
            return NULL;
        }
        limit = zs__zns_buffer_limit(s, e, bytes, r);
        r->held -= s->pack_blocks; /* the buffer's, until it is written */
        r->idx = 0;
        *out_taken = (size_t)(limit - 1) * s->block_bytes;
        if (*out_taken > bytes) *out_taken = bytes;
        zs__store_u32(&b->limit, limit); /* relaxed: published with the word below */
        for (i = 0; i < b->dirty; i++)
            zs__store_u64(&b->entry[2 * (size_t)i], 0); /* relaxed: published with the buffer below */
        b->dirty = 0;
        zs__store_u64(&b->done, 0);
        zs__store_u32(&b->state, ZS__ZNS_B_OPEN);
        zs__and_u64(&b->pin, ~ZS__ZNS_B_RETIRED);
        zs__store_rel_ptr(&zs__zns_frame_of(s, b->frame)->buffer, (uintptr_t)b); /* release: pairs with _pin */
        /* release twice: the fields, then the word of this use. Pairs with zs__zns_buffer_reserve */
        zs__store_rel_u64(&b->word, (zs__load_u64(&b->word) & ~(ZS__ZNS_B_ROUND - 1)) + ZS__ZNS_B_ROUND +
                                        zs__round_up(*out_taken, 8) + ZS__ZNS_B_COUNT);
        zs__store_rel_ptr(&e->cur, (uintptr_t)b);
    }
    zs__lock_drop(&e->lock);
    if (b) return b;
    if (failed && zs__zns_buffer_claim(e, failed, ZS__ZNS_B_FAILED))
        *out_rc = zs__zns_buffer_write(s, e, failed, 0);
    else if (!failed && flying)
        zs__zns_buffer_land(s, e, flying, 1);
    else if (!failed && busy)
        zs__zns_nap(1);
    else if (!failed)
        *out_rc = -(int)ZSLAB_E_NOMEM;
    return NULL;
}

/* Puts what is left of the object, or a piece of at most `most` bytes from its end, into the epoch's packing buffer.
   1: there it would be split, or asks for another buffer: the object is to be promised one. [BUF-5] */
static int zs__zns_pack(zslab_zns *s, zs__zns_ep *e, const uint8_t *data, size_t most, zs__zns_rest *r,
                        size_t *out_taken)
{
    for (;;) {
        zs__zns_buffer *b = (zs__zns_buffer *)zs__load_acq_ptr(&e->cur); /* acquire: pairs with _buffer_open */
        size_t at = 0, take = b ? zs__zns_buffer_reserve(s, e, b, most, r->held != 0, &at, &r->idx) : 0;
        uint64_t *entry;
        uint32_t crc;
        int rc = 0;
        if (!take && !r->held) return 1;
        if (!b) b = zs__zns_buffer_open(s, e, most, r, &take, &rc);
        if (take) {
            data += r->bytes - take;
            crc = zs__zns_crc_copy(b->payload + at, data, take);
            memset(b->payload + at + take, 0, zs__round_up(take, 8) - take);
            entry = b->entry + 2 * (size_t)r->idx;
            zs__store_u64(entry + 1, r->link | (uint64_t)at / 8);
            /* release: payload and word 1. Pairs with zs__zns_piece_buffered */
            zs__store_rel_u64(
                entry,
                zs__zns_entry0(take, (take == r->bytes ? ZS__ZNS_FIRST : 0) | (r->more ? ZS__ZNS_MORE : 0), crc));
            *out_taken = take;
            r->frame = b->frame;
            zs__add_u64(&b->done, 1); /* release: the copy. Pairs with zs__zns_buffer_write [BUF-1] */
            return 0;
        }
        if (b && zs__zns_buffer_seal(e, b))
            rc = zs__zns_buffer_write(s, e, b, 1);
        else if (b)
            zs__os_yield();
        if (rc) return rc;
    }
}

/* A whole frame straight from the caller's memory: a header and a frame id for it. */
static int zs__zns_direct_begin(zslab_zns *s, zs__zns_ep *e, zs__zns_load *l, const uint8_t *data, size_t bytes,
                                uint64_t link, int more)
{
    memset(l, 0, sizeof *l);
    l->header = (uint8_t *)zs__zns_pages(s->block_bytes + 2 * sizeof(uint64_t));
    l->id = l->header ? zs__zns_frame_take(s, e) : ZS__ZNS_NONE;
    if (l->id == ZS__ZNS_NONE) {
        int rc = l->header ? -(int)ZSLAB_E_LIMIT : -(int)ZSLAB_E_NOMEM;
        zs__zns_pages_free(l->header);
        l->header = NULL;
        return rc;
    }
    l->count = 1;
    l->min = 2;
    l->max = bytes / s->block_bytes < s->frame_blocks ? (uint32_t)(bytes / s->block_bytes) + 1 : s->frame_blocks;
    l->entry = (uint64_t *)(void *)(l->header + s->block_bytes);
    l->object = data;
    l->bytes = bytes;
    l->link = link;
    l->more = more;
    return 0;
}

static ZS__NOINLINE int zs__zns_direct(zslab_zns *s, zs__zns_ep *e, const uint8_t *data, size_t bytes, uint64_t link,
                                       int more, size_t *out_taken, uint32_t *out_frame)
{
    zs__zns_load l;
    int rc = zs__zns_direct_begin(s, e, &l, data, bytes, link, more);
    if (rc) return rc;
    rc = zs__zns_load_write(s, e, &l);
    if (rc) zs__zns_give_up(s, e, &l);
    *out_taken = l.taken;
    *out_frame = l.id;
    zs__zns_pages_free(l.header);
    return rc;
}

#define ZS__ZNS_FLEET 16u

/* Waits for one of several pieces; one that failed is written again as it was cut. */
static int zs__zns_fleet_land(zslab_zns *s, zs__zns_ep *e, zs__zns_load *l)
{
    int rc = 0;
    if (!l->header) return 0;
    if (zs__zns_load_land(s, e, l)) {
        l->min = l->max = l->head.blocks;
        rc = zs__zns_load_write(s, e, l);
        if (rc) zs__zns_give_up(s, e, l);
    }
    zs__zns_pages_free(l->header);
    l->header = NULL;
    return rc;
}

/* With a queue: whole pieces from the end of a large object, several under way at once and all on the device
   at return. The piece that names the object is not among them: it is seen only when all the others are. */
static int zs__zns_fleet(zslab_zns *s, zs__zns_ep *e, const uint8_t *data, size_t *rest, uint64_t *link, int *more)
{
    zs__zns_load *fleet = (zs__zns_load *)(calloc)(ZS__ZNS_FLEET, sizeof *fleet);
    size_t full = zs__zns_frame_payload(s);
    uint32_t n, i;
    int rc = fleet ? 0 : -(int)ZSLAB_E_NOMEM, r;
    for (n = 0; !rc && *rest > full; n++) {
        zs__zns_load *l = &fleet[n % ZS__ZNS_FLEET];
        rc = zs__zns_fleet_land(s, e, l);
        rc = rc ? rc : zs__zns_direct_begin(s, e, l, data, *rest, *link, *more);
        if (!rc && zs__zns_load_fly(s, e, l)) { /* no zone at once: the others may be what holds them */
            for (i = 1; i < ZS__ZNS_FLEET && !rc; i++) rc = zs__zns_fleet_land(s, e, &fleet[(n + i) % ZS__ZNS_FLEET]);
            rc = rc ? rc : zs__zns_load_write(s, e, l);
            if (rc) zs__zns_give_up(s, e, l);
            zs__zns_pages_free(l->header);
            l->header = NULL;
        }
        if (rc) break;
        *rest -= l->taken;
        *link = zs__zns_entry1(0, l->id, 0);
        *more = 1;
    }
    for (i = 0; fleet && i < ZS__ZNS_FLEET; i++) {
        r = zs__zns_fleet_land(s, e, &fleet[i]);
        rc = rc ? rc : r;
    }
    (free)(fleet);
    return rc;
}

/* The next piece, from the end; with a queue several. 1: nothing is promised to it yet. */
static int zs__zns_put_piece(zslab_zns *s, zs__zns_ep *e, const uint8_t *data, zs__zns_rest *r)
{
    size_t full = zs__zns_frame_payload(s), tail = r->bytes % s->block_bytes, was = r->bytes, taken = 0;
    int rc, large = was >= zs__zns_large(s), fleet = s->dev.begin && was >= 2 * full;
    if (large && !r->held) return 1;
    /* nearly a frame: the last bytes are packed, whole blocks go straight and fill a zone to its end */
    if (was < full && (!r->whole || was < s->block_bytes) && (!large || tail)) {
        rc = zs__zns_pack(s, e, data, large ? tail : was, r, &taken);
        if (!rc) r->whole |= large;
    } else {
        rc = fleet ? zs__zns_fleet(s, e, data, &r->bytes, &r->link, &r->more)
                   : zs__zns_direct(s, e, data, was, r->link, r->more, &taken, &r->frame);
        r->idx = 0;
        was = (was - r->bytes + taken) / s->block_bytes;
        r->held -= was;
        zs__sub_u64(&s->promised, was);
    }
    if (rc || fleet) return rc;
    r->bytes -= taken;
    r->link = zs__zns_entry1(0, r->frame, r->idx);
    r->more = 1;
    return 0;
}

/* The object, from its end to its beginning; the piece written last names it. */
static int zs__zns_put(zslab_zns *s, zs__zns_ep *e, const uint8_t *data, size_t bytes, zslab_handle *out_handle)
{
    zs__zns_rest r;
    int rc = 0;
    memset(&r, 0, sizeof r);
    for (r.bytes = bytes; r.bytes && !rc;) {
        rc = zs__zns_put_piece(s, e, data, &r);
        if (rc > 0) rc = zs__zns_put_hold(s, bytes, &r);
    }
    zs__sub_u64(&s->promised, r.held);
    if (rc) return rc;
    /* acquire: pinned */
    *out_handle = zs__zns_handle(r.frame, r.idx, zs__load_acq_u64(&zs__zns_frame_of(s, r.frame)->gen));
    zs__add_u64(&e->objects, 1);
    zs__add_u64(&e->user_bytes, bytes);
    zs__add_u64(&s->objects, 1);
    return 0;
}

/* ---- >>sync ----------------------------------------------------------------
   Group commit: whoever comes while nobody leads closes the batch that has gathered, writes the buffers of all
   its epochs, flushes once and wakes who sleeps; one of those who came meanwhile leads the next. [SYNC-1]
   A ticket is batch << 21 | epoch's place + 1, or 0 there for all.                       */
#define ZS__ZNS_TICKET_BITS 21

/* Notes e (NULL: all) for the batch that gathers; the ticket. */
static uint64_t zs__zns_sync_join(zslab_zns *s, zs__zns_ep *e)
{
    zs__zns_batch *b;
    uint64_t batch;
    zs__lock_take(&s->sync_lock);
    batch = zs__load_u64(&s->sync_open); /* relaxed: sync_lock guards changes */
    b = &s->batch[batch & 1];
    if (e && e->sync_in != batch && b->count == b->room) {
        zs__zns_ep **more = (zs__zns_ep **)(realloc)(b->epoch, (b->room * 2 + 8) * sizeof *more); /* NOLINT: pointers */
        if (more) {
            b->epoch = more;
            b->room = b->room * 2 + 8;
        }
    }
    if (!e) {
        b->all = 1;
    } else if (e->sync_in != batch && b->count < b->room) {
        e->sync_in = batch;
        b->epoch[b->count++] = e;
    } else if (e->sync_in != batch) { /* no memory for the list: all are written, and the ticket asks about all */
        b->all = 1;
        e = NULL;
    }
    zs__lock_drop(&s->sync_lock);
    return batch << ZS__ZNS_TICKET_BITS | (e ? e->slot + 1 : 0);
}

/* With no frame under way at the moment, all frames begun before are covered: what a recovery later calls synced. */
static int zs__zns_flush(zslab_zns *s)
{
    uint64_t upto = zs__add_u64(&s->frame_seq, 0);
    int rc = 0;
    if (zs__load_acq_u32(&s->log_wrong)) { /* acquire: pairs with zs__zns_log_wrong */
        zs__lock_take(&s->meta_lock);
        if (zs__load_u32(&s->log_wrong)) rc = zs__zns_meta_roll(s); /* relaxed: meta_lock guards changes */
        zs__lock_drop(&s->meta_lock);
        if (rc) return zs__zns_or_gone(s, rc);
    }
    if (zs__add_u64(&s->underway, 0)) /* acquire: those frames' appends. Pairs with zs__zns_load_end */
        upto = 0;
    rc = zs__zns_or_gone(s, zs__zns_dev_flush(s));
    if (!rc && upto > zs__load_u64(&s->synced)) /* relaxed: the leader alone changes it */
        zs__store_rel_u64(&s->synced, upto);    /* release: pairs with the loads of synced */
    return rc ? rc : zs__zns_tell(s);
}

/* The leader's work for one closed batch. */
static void zs__zns_sync_lead(zslab_zns *s, uint64_t batch)
{
    zs__zns_batch *b = &s->batch[batch & 1];
    int rc = 0, all = 0;
    uint32_t i;
    for (i = 0; i < b->count; i++) {
        zs__zns_ep *e = b->epoch[i];
        int one = -(int)ZSLAB_E_CLOSED;
        if (zs__zns_pin_sync(s, e)) {
            one = zs__zns_epoch_flush(s, e);
            zs__zns_unpin(e, 0);
        }
        zs__store_u32(&e->sync_rc, (uint32_t)-one); /* relaxed, here and below: sync_done publishes them */
        if (one) b->epoch[i] = NULL;
    }
    if (b->all) all = zs__zns_flush_all(s);
    zs__zns_land_all(s); /* so that a recovery knows of all of them: see zs__zns_flush */
    rc = zs__zns_flush(s);
    for (i = 0; i < b->count; i++) {
        if (!b->epoch[i]) continue;
        if (rc)
            zs__store_u32(&b->epoch[i]->sync_rc, (uint32_t)-rc);
        else
            zs__store_u64(&b->epoch[i]->sync_ok, batch);
    }
    if (b->all && (all || rc)) zs__store_u32(&s->all_rc, (uint32_t) - (all ? all : rc));
    if (b->all && !all && !rc) zs__store_u64(&s->all_ok, batch);
    b->count = b->all = 0;
    zs__lock_take(&s->sync_lock);
    s->leading = 0;
    zs__store_rel_u64(&s->sync_done, batch); /* release: the outcome. Pairs with zs__zns_sync_end */
    zs__lock_drop(&s->sync_lock);
    zs__add_u32(&s->gate[0], 1); /* both: who is about to sleep on either has looked at sync_done too early */
    zs__add_u32(&s->gate[1], 1);
    zs__zns_wake(&s->gate[batch & 1], INT_MAX);
    zs__zns_wake(&s->gate[~batch & 1], 1); /* the next leader */
}

/* Waits for a ticket's batch, leading it when nobody does. */
static zslab_result zs__zns_sync_end(zslab_zns *s, uint64_t ticket, uint64_t timeout_ns)
{
    uint64_t batch = ticket >> ZS__ZNS_TICKET_BITS, began = 0, waited = 0;
    uint32_t slot = (uint32_t)(ticket & ((1u << ZS__ZNS_TICKET_BITS) - 1)), *gate = &s->gate[batch & 1];
    zs__zns_ep *e = slot ? zs__zns_ep_at(s, slot - 1) : NULL;
    zs__u64 *ok = e ? &e->sync_ok : &s->all_ok;
    for (;;) {
        uint32_t seen = zs__load_acq_u32(gate); /* acquire: before sync_done. Pairs with zs__zns_sync_lead */
        int lead;
        if (zs__load_acq_u64(&s->sync_done) >= batch) break; /* acquire: the outcome. Pairs with zs__zns_sync_lead */
        zs__lock_take(&s->sync_lock);
        lead = !s->leading && zs__load_u64(&s->sync_done) < batch; /* then this batch is the one that gathers */
        if (lead) {
            s->leading = 1;
            zs__store_u64(&s->sync_open, batch + 1);
        }
        zs__lock_drop(&s->sync_lock);
        if (lead) {
            zs__zns_sync_lead(s, batch);
            break;
        }
        if (timeout_ns != UINT64_MAX) {
            if (!began) began = zs__os_now_ns();
            waited = zs__os_now_ns() - began;
            if (waited >= timeout_ns) {
                zs__zns_wake(gate, 1); /* if the leader's wake came to us, somebody else must have it */
                return ZSLAB_E_BUSY;
            }
        }
        zs__zns_sleep(gate, seen, timeout_ns == UINT64_MAX ? timeout_ns : timeout_ns - waited);
    }
    /* relaxed: sync_done published them; a later batch's outcome is this one's too */
    return zs__load_u64(ok) >= batch ? ZSLAB_OK : (zslab_result)zs__load_u32(e ? &e->sync_rc : &s->all_rc);
}

/* ---- >>read ----------------------------------------------------------------
   From a handle to bytes: the frame, its entries, the pieces, each crc checked.        */

/* Device blocks covering [at, at + bytes) of a frame's payload, or of its header. */
static int zs__zns_read_blocks(zslab_zns *s, const zs__zns_frame *f, uint32_t first, uint32_t count, void *pages)
{
    int rc = zs__zns_dev_read(s, f->zone, f->block + first, count, pages);
    if (rc == -(int)ZSLAB_E_IO) { /* not every device says why: the zone's condition does */
        zs__lock_take(&s->zone_lock);
        if (zs__zns_zone_dead(s, f->zone) && zs__zns_state(s, f->zone) == ZS__ZNS_Z_OFFLINE) rc = -(int)ZSLAB_E_OFFLINE;
        zs__lock_drop(&s->zone_lock);
        rc = zs__zns_or_gone(s, rc);
    }
    return rc;
}

/* A stored frame's entries, read from its header when an index spared that. The epoch is pinned. */
static int zs__zns_frame_dir(zslab_zns *s, uint32_t id, const uint64_t **out)
{
    zs__zns_frame *f = zs__zns_frame_of(s, id);
    uintptr_t dir = zs__load_acq_ptr(&f->dir), none = 0; /* acquire: pairs with the CAS below and _stored */
    zs__zns_head h;
    uint8_t *p;
    uint64_t *made;
    uint32_t i;
    int rc;
    *out = (const uint64_t *)dir;
    if (dir) return 0;
    p = (uint8_t *)zs__zns_pages((size_t)zs__zns_header_blocks(s, f->count) * s->block_bytes);
    made = (uint64_t *)(malloc)((size_t)f->count * ZS__ZNS_ENTRY_BYTES);
    rc = p && made ? zs__zns_read_blocks(s, f, 0, zs__zns_header_blocks(s, f->count), p) : -(int)ZSLAB_E_NOMEM;
    if (!rc && zs__zns_get32(p + 68) == f->count)
        (void)zs__zns_head_mend(s, p, f->zone, (size_t)zs__zns_header_blocks(s, f->count) * s->block_bytes);
    if (!rc && (!zs__zns_head_read(s, p, f->zone, f->blocks, &h) || h.id != id || h.entries != f->count ||
                h.gen != zs__load_acq_u64(&f->gen) || h.payload_at != f->payload_at || /* acquire: pinned */
                h.payload_bytes != f->payload_bytes || !zs__zns_head_proven(p, &h)))
        rc = -(int)ZSLAB_E_CORRUPT;
    for (i = 0; !rc && i < 2 * f->count; i++) made[i] = zs__zns_get64(p + ZS__ZNS_HEAD_BYTES + 8 * (size_t)i);
    zs__zns_pages_free(p);
    if (!rc) zs__add_u64(&s->dir_bytes, (uint64_t)f->count * ZS__ZNS_ENTRY_BYTES); /* before it can be dropped */
    if (!rc && !zs__cas_ptr(&f->dir, &none, (uintptr_t)made)) {
        zs__sub_u64(&s->dir_bytes, (uint64_t)f->count * ZS__ZNS_ENTRY_BYTES);
        rc = 1; /* another thread was first */
    }
    if (rc) (free)(made);                               /* failed, or another thread was first */
    *out = (const uint64_t *)zs__load_acq_ptr(&f->dir); /* acquire: as above */
    return rc > 0 ? 0 : rc;
}

/* Counts in as a reader of the frame's directory. [DIR-1] */
static void zs__zns_dir_hold(zs__zns_frame *f)
{
    while (zs__add_u32(&f->uses, 1) & ZS__ZNS_DIR_GOING) { /* acquire: pairs with zs__zns_dirs_fit */
        zs__sub_u32(&f->uses, 1);
        zs__os_yield();
    }
}

/* The packing buffer a frame is still in, held against reuse, or NULL. [BUF-2] */
static zs__zns_buffer *zs__zns_buffer_pin(zs__zns_frame *f)
{
    zs__zns_buffer *b;
    for (;;) {
        b = (zs__zns_buffer *)zs__load_acq_ptr(&f->buffer); /* acquire: pairs with _open and _write */
        if (!b) return NULL;
        /* acq_rel: not retired means the buffer still holds what f->buffer says after a second look */
        if (!(zs__add_u64(&b->pin, 1) & ZS__ZNS_B_RETIRED) && zs__load_acq_ptr(&f->buffer) == (uintptr_t)b) return b;
        zs__sub_u64(&b->pin, 1);
    }
}

/* Entry words of one piece; rc: ZSLAB_E_STALE when there is no such entry (yet). */
static int zs__zns_entry_of(zslab_zns *s, uint32_t id, uint32_t idx, uint64_t entry[2])
{
    zs__zns_frame *f = zs__zns_frame_of(s, id);
    zs__zns_buffer *b = zs__zns_buffer_pin(f);
    const uint64_t *dir;
    int rc = 0;
    if (b) {
        if (idx < ZS__ZNS_ENTRIES_MAX) {
            entry[0] = zs__load_acq_u64(&b->entry[2 * (size_t)idx]); /* acquire: pairs with zs__zns_pack */
            entry[1] = zs__load_u64(&b->entry[2 * (size_t)idx + 1]);
        }
        rc = idx < ZS__ZNS_ENTRIES_MAX && entry[0] ? 0 : -(int)ZSLAB_E_STALE;
        zs__sub_u64(&b->pin, 1); /* release: pairs with zs__zns_buffer_write */
        return rc;
    }
    /* acquire: pairs with zs__zns_frame_stored */
    if (zs__load_acq_u32(&f->state) != ZS__ZNS_F_STORED || idx >= f->count) return -(int)ZSLAB_E_STALE;
    zs__zns_dir_hold(f);
    rc = zs__zns_frame_dir(s, id, &dir);
    if (!rc) entry[0] = dir[2 * (size_t)idx];
    if (!rc) entry[1] = dir[2 * (size_t)idx + 1];
    zs__sub_u32(&f->uses, 1); /* release: read. Pairs with zs__zns_dirs_fit */
    if (s->config.directory_bytes) zs__zns_dirs_fit(s);
    return rc;
}

/* Copies one piece out of the packing buffer; 1: done. */
static int zs__zns_piece_buffered(zs__zns_frame *f, const uint64_t entry[2], uint8_t *to)
{
    zs__zns_buffer *b = zs__zns_buffer_pin(f);
    if (!b) return 0;
    memcpy(to, b->payload + zs__zns_entry_offset(entry[1]), zs__zns_entry_bytes(entry[0]));
    zs__sub_u64(&b->pin, 1); /* release: pairs with zs__zns_buffer_write */
    return 1;
}

/* Copies one piece to `to`, crc checked. Whole aligned blocks go straight into the caller's memory. */
static int zs__zns_piece(zslab_zns *s, uint32_t id, const uint64_t entry[2], uint8_t *to)
{
    zs__zns_frame *f = zs__zns_frame_of(s, id);
    size_t bytes = zs__zns_entry_bytes(entry[0]), at = zs__zns_entry_offset(entry[1]);
    uint32_t first, count;
    uint8_t *pages;
    int rc;
    if (!zs__zns_piece_buffered(f, entry, to)) {
        if (at + bytes > f->payload_bytes) return -(int)ZSLAB_E_CORRUPT;
        at += f->payload_at;
        first = (uint32_t)(at / s->block_bytes);
        count = zs__zns_blocks(s, at + bytes) - first;
        at -= (size_t)first * s->block_bytes;
        if (!at && !(bytes % s->block_bytes) && !((uintptr_t)to % 4096)) {
            rc = zs__zns_read_blocks(s, f, first, count, to);
        } else {
            pages = (uint8_t *)zs__zns_pages((size_t)count * s->block_bytes);
            rc = pages ? zs__zns_read_blocks(s, f, first, count, pages) : -(int)ZSLAB_E_NOMEM;
            if (!rc) memcpy(to, pages + at, bytes);
            zs__zns_pages_free(pages);
        }
        if (rc) return rc;
    }
    if (zs__zns_crc(0, to, bytes) == zs__zns_entry_crc(entry[0])) return 0;
    errno = 0;
    return zs__zns_told(s, "crc of an object in the frame in", f->zone, f->block, -(int)ZSLAB_E_CORRUPT);
}

/* What a walk keeps: its last two frames as the device has them, and room for an object in pieces. */
typedef struct zs__zns_image {
    uint8_t *pages;
    size_t room;
    uint32_t id; /* + 1; 0: none */
} zs__zns_image;
typedef struct zs__zns_walk {
    zslab_zns_visit_fn *visit;
    void *user;
    int bad, list; /* list: no data */
    zs__zns_image image[2];
    uint32_t turn;
    uint8_t *object;
    size_t room;
} zs__zns_walk;

static const uint8_t *zs__zns_image_of(const zs__zns_walk *w, uint32_t id)
{
    if (w && w->image[0].id == id + 1) return w->image[0].pages;
    return w && w->image[1].id == id + 1 ? w->image[1].pages : NULL;
}

/* The whole frame in one read, its header proven; NULL: object by object, then, and each says what is wrong. */
static const uint8_t *zs__zns_image_read(zslab_zns *s, zs__zns_walk *w, uint32_t id)
{
    zs__zns_frame *f = zs__zns_frame_of(s, id);
    zs__zns_image *m = &w->image[w->turn ^= 1];
    size_t bytes = (size_t)f->blocks * s->block_bytes;
    zs__zns_head h;
    m->id = 0;
    if (m->room < bytes) {
        zs__zns_pages_free(m->pages);
        m->pages = (uint8_t *)zs__zns_pages(bytes);
        m->room = m->pages ? bytes : 0;
    }
    if (!m->pages || zs__zns_read_blocks(s, f, 0, f->blocks, m->pages) ||
        !zs__zns_head_read(s, m->pages, f->zone, f->blocks, &h) || h.kind != ZS__ZNS_FRAME_OBJECTS || h.id != id ||
        h.entries != f->count || h.payload_at != f->payload_at || h.payload_bytes != f->payload_bytes ||
        h.gen != zs__load_acq_u64(&f->gen) || !zs__zns_head_proven(m->pages, &h)) /* acquire: pinned */
        return NULL;
    m->id = id + 1;
    return m->pages;
}

/* An entry, from a walk's image where there is one. */
static int zs__zns_entry_in(zslab_zns *s, const zs__zns_walk *w, uint32_t id, uint32_t idx, uint64_t entry[2])
{
    const uint8_t *p = zs__zns_image_of(w, id);
    if (!p) return zs__zns_entry_of(s, id, idx, entry);
    if (idx >= zs__zns_frame_of(s, id)->count) return -(int)ZSLAB_E_STALE;
    p += ZS__ZNS_HEAD_BYTES + (size_t)idx * ZS__ZNS_ENTRY_BYTES;
    entry[0] = zs__zns_get64(p);
    entry[1] = zs__zns_get64(p + 8);
    return 0;
}

/* The bytes of a piece in a walk's image, crc checked; NULL with rc 0: there is none. */
static const uint8_t *zs__zns_piece_in(zslab_zns *s, const zs__zns_walk *w, uint32_t id, const uint64_t entry[2],
                                       int *out_rc)
{
    const uint8_t *p = zs__zns_image_of(w, id);
    size_t bytes = zs__zns_entry_bytes(entry[0]), at = zs__zns_entry_offset(entry[1]);
    *out_rc = 0;
    if (!p) return NULL;
    p += zs__zns_frame_of(s, id)->payload_at + at;
    if (at + bytes <= zs__zns_frame_of(s, id)->payload_bytes && zs__zns_crc(0, p, bytes) == zs__zns_entry_crc(entry[0]))
        return p;
    *out_rc = -(int)ZSLAB_E_CORRUPT;
    return NULL;
}

/* Follows the pieces of an object in a pinned epoch and copies those that fit `capacity`. to NULL: only its size. */
static int zs__zns_object(zslab_zns *s, zs__zns_ep *e, const zs__zns_walk *w, uint32_t id, uint32_t idx, uint8_t *to,
                          uint64_t capacity, uint64_t *out_bytes)
{
    uint64_t entry[2] = {0, 0}, sum = 0;
    uint32_t expect = ZS__ZNS_FIRST;
    int rc;
    for (;;) {
        zs__zns_frame *f = zs__zns_frame_at(s, id);
        /* acquire both: pairs with zs__zns_frame_take */
        if (!f || !zs__load_acq_u64(&f->gen) || zs__load_acq_ptr(&f->epoch) != (uintptr_t)e)
            return expect ? -(int)ZSLAB_E_STALE : -(int)ZSLAB_E_CORRUPT;
        rc = zs__zns_entry_in(s, w, id, idx, entry);
        if (!rc && (!entry[0] || (zs__zns_entry_flags(entry[0]) & ZS__ZNS_FIRST) != expect)) rc = -(int)ZSLAB_E_STALE;
        if (rc == -(int)ZSLAB_E_STALE && !expect) rc = -(int)ZSLAB_E_CORRUPT; /* a piece is missing */
        if (!rc && to && sum + zs__zns_entry_bytes(entry[0]) <= capacity) {
            const uint8_t *p = zs__zns_piece_in(s, w, id, entry, &rc);
            if (p)
                memcpy(to + sum, p, zs__zns_entry_bytes(entry[0]));
            else if (!rc)
                rc = zs__zns_piece(s, id, entry, to + sum);
        }
        if (rc) return rc;
        sum += zs__zns_entry_bytes(entry[0]);
        if (!(zs__zns_entry_flags(entry[0]) & ZS__ZNS_MORE)) break;
        id = (uint32_t)(entry[1] >> 36);
        idx = (uint32_t)(entry[1] >> 24 & 0xfff);
        expect = 0;
        if (sum > (uint64_t)s->zone_count * s->dev.ops.geometry.zone_bytes)
            return -(int)ZSLAB_E_CORRUPT; /* pieces in a circle */
    }
    *out_bytes = sum;
    return 0;
}

/* A reader beside a writer: 1: the writer has put the frame's zone to another use since. */
static int zs__zns_overtaken(zslab_zns *s, uint32_t id)
{
    const zs__zns_frame *f = zs__zns_frame_of(s, id);
    uint8_t *p = s->read_only && s->owned ? (uint8_t *)zs__zns_pages(s->block_bytes) : NULL;
    int moved = p && f->zone < s->zone_count && !zs__zns_dev_read(s, f->zone, 0, 1, p) &&
                zs__zns_get32(p + 124) == zs__zns_crc(0, p, 124) && zs__zns_get64(p + 40) != f->zone_seq;
    zs__zns_pages_free(p);
    return moved;
}

/* The handle's epoch, pinned. [EP-1] [GEN-1] */
static zslab_result zs__zns_pin_handle(zslab_zns *s, zslab_handle h, zs__zns_ep **out)
{
    uint32_t id = (uint32_t)(h >> 38);
    zs__zns_frame *f = zs__zns_frame_at(s, id);
    uint64_t gen;
    zs__zns_ep *e;
    if ((h & 3) != 2) return ZSLAB_E_INVALID;
    if (!f) return ZSLAB_E_STALE;                  /* an id of before a restart, not given again since */
    gen = zs__load_acq_u64(&f->gen);               /* acquire: pairs with zs__zns_frame_take */
    e = (zs__zns_ep *)zs__load_acq_ptr(&f->epoch); /* acquire: as above */
    if (!gen || (gen & 0xffffff) != (h >> 2 & 0xffffff) || !e || !zs__zns_pin(e, 0)) return ZSLAB_E_STALE;
    if (zs__load_acq_u64(&f->gen) != gen || zs__load_acq_ptr(&f->epoch) != (uintptr_t)e) { /* acquire: now held */
        zs__zns_unpin(e, 0);
        return ZSLAB_E_STALE;
    }
    *out = e;
    return ZSLAB_OK;
}

/* The ids of an epoch's frames in the order they were written; those in a buffer come last. */
typedef struct zs__zns_order {
    uint64_t seq;
    uint32_t id;
} zs__zns_order;
static int zs__zns_order_cmp(const void *a, const void *b)
{
    const zs__zns_order *x = (const zs__zns_order *)a, *y = (const zs__zns_order *)b;
    return x->seq < y->seq ? -1 : x->seq > y->seq;
}

static zs__zns_order *zs__zns_frames_of(zslab_zns *s, zs__zns_ep *e, size_t *out_count)
{
    uint32_t at, newest = zs__load_acq_u32(&e->frames); /* acquire: the list. Pairs with zs__zns_frame_take */
    zs__zns_order *list;
    size_t n = 0;
    for (at = newest; at; at = zs__load_u32(&zs__zns_frame_of(s, at - 1)->next)) n++;
    list = (zs__zns_order *)(malloc)((n + 1) * sizeof *list);
    *out_count = n;
    for (n = 0, at = newest; at && list; at = zs__load_u32(&zs__zns_frame_of(s, at - 1)->next), n++) {
        zs__zns_frame *f = zs__zns_frame_of(s, at - 1);
        /* acquire: pairs with zs__zns_frame_stored */
        list[n].seq = zs__load_acq_u32(&f->state) == ZS__ZNS_F_STORED ? f->frame_seq : UINT64_MAX;
        list[n].id = at - 1;
    }
    if (list) qsort(list, *out_count, sizeof *list, zs__zns_order_cmp);
    return list;
}

/* An object that is in pieces, or whose frame has no image: gathered in the walk's room. */
static int zs__zns_visit_gather(zslab_zns *s, zs__zns_ep *e, zs__zns_walk *w, uint32_t id, uint32_t idx,
                                uint64_t *out_bytes)
{
    int rc = zs__zns_object(s, e, w, id, idx, NULL, 0, out_bytes);
    if (rc || w->list) return rc;
    if (w->room < *out_bytes) {
        (free)(w->object);
        w->object = (uint8_t *)(malloc)((size_t)*out_bytes);
        w->room = w->object ? (size_t)*out_bytes : 0;
    }
    return w->object ? zs__zns_object(s, e, w, id, idx, w->object, *out_bytes, out_bytes) : -(int)ZSLAB_E_NOMEM;
}

/* Visits the objects whose first piece is in this frame. 1: the visitor stopped the walk. */
static int zs__zns_visit_frame(zslab_zns *s, zs__zns_ep *e, zs__zns_walk *w, uint32_t id)
{
    zs__zns_frame *f = zs__zns_frame_of(s, id);
    uint64_t entry[2] = {0, 0}, bytes;
    zslab_zns_visit v;
    uint32_t idx;
    if (zs__load_acq_u32(&f->state) == ZS__ZNS_F_STORED) { /* acquire: pairs with zs__zns_frame_stored */
        if (!f->heads) return 0;
        /* what recovery marked in the entries is not on the device */
        if (!w->list && !f->bad) (void)zs__zns_image_read(s, w, id);
    }
    for (idx = 0; idx < ZS__ZNS_ENTRIES_MAX; idx++) {
        int rc = zs__zns_entry_in(s, w, id, idx, entry);
        if (rc) {
            w->bad = rc == -(int)ZSLAB_E_STALE ? w->bad : rc;
            return 0;
        }
        if (!(zs__zns_entry_flags(entry[0]) & ZS__ZNS_FIRST)) continue;
        bytes = zs__zns_entry_bytes(entry[0]);
        v.data = NULL;
        if (!(zs__zns_entry_flags(entry[0]) & ZS__ZNS_MORE) && !w->list)
            v.data = zs__zns_piece_in(s, w, id, entry, &rc);
        if (!rc && !v.data) {
            rc = zs__zns_visit_gather(s, e, w, id, idx, &bytes);
            v.data = w->list ? NULL : w->object;
        }
        v.handle = zs__zns_handle(id, idx, zs__load_acq_u64(&f->gen)); /* acquire: pinned */
        v.epoch = e->id;
        v.bytes = (size_t)bytes;
        if (rc)
            w->bad = rc == -(int)ZSLAB_E_CORRUPT && zs__zns_overtaken(s, id) ? -(int)ZSLAB_E_STALE : rc;
        else if (w->visit(w->user, &v))
            return 1;
    }
    return 0;
}

static int zs__zns_visit_epoch(zslab_zns *s, zs__zns_ep *e, zs__zns_walk *w)
{
    size_t n = 0, i;
    zs__zns_order *list;
    int stop = 0;
    zs__zns_ep_land(s, e, 1); /* what is under way has no place in the order yet */
    list = zs__zns_frames_of(s, e, &n);
    if (!list) w->bad = -(int)ZSLAB_E_NOMEM;
    w->image[0].id = w->image[1].id = 0; /* of another epoch, whose ids may be in use again */
    for (i = 0; list && i < n && !stop; i++) stop = zs__zns_visit_frame(s, e, w, list[i].id);
    (free)(list);
    return stop;
}

/* ---- >>reclaim -------------------------------------------------------------
   Dropping an epoch.
   [REL-1] Nobody is inside: its state shuts everyone out, then the release waits (EP-1) and sees to what is
           still under way (BUF-3). So no append of the epoch is under way when its zones are looked at, and no
           read sees a reset zone.
   [REL-2] The release is recorded and flushed before anything is reset or forgotten: a crash at any moment
           leaves either the whole epoch or, at the next open, the rest of the work.           */

/* zone_lock held. Resets the full zones of `zone`, sorted and all unused, neighbours in one command. */
static void zs__zns_reset_run(zslab_zns *s, const uint32_t *zone, uint32_t count)
{
    uint32_t i, n;
    for (i = 0; i < count; i += n) {
        for (n = 1; s->dev.reset_range && i + n < count && zone[i + n] == zone[i] + n; n++)
            ;
        if (n > 1 && !s->dev.reset_range(s->dev.user, zone[i], n)) {
            uint32_t k;
            for (k = 0; k < n; k++) zs__zns_zone_forget(s, zone[i + k], ZS__ZNS_Z_EMPTY);
            zs__add_u64(&s->resets, 1);
            continue;
        }
        n = 1; /* one by one: each is answered for itself */
        zs__zns_zone_reset(s, zone[i], ZS__ZNS_Z_EMPTY);
    }
}

static int zs__zns_u32_cmp(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* Gives up the epoch's zones; what nobody else uses is reset, at once or by the last append to leave. */
static void zs__zns_ep_zones_drop(zslab_zns *s, zs__zns_ep *e)
{
    uint32_t i, n = 0;
    zs__lock_take(&s->zone_lock);
    zs__zns_stream_leave(s, &e->own, 0);
    if (e->own.next != ZS__ZNS_NONE && zs__zns_zone_shut(&s->zone[e->own.next])) /* opened ahead, never used */
        zs__zns_zone_end(s, e->own.next);
    zs__zns_stream_drop_next(s, &e->own);
    if (e->own.owner) s->exclusive--;
    e->own.owner = 0;
    if (e->zone_count) qsort(e->zone, e->zone_count, sizeof *e->zone, zs__zns_u32_cmp);
    for (i = 0; i < e->zone_count; i++) {
        uint32_t zone = e->zone[i];
        zs__zns_zone *z = &s->zone[zone];
        zs__store_u32(&z->dead, 1);        /* relaxed: a figure; a reset clears it */
        if (zs__sub_u32(&z->refs, 1) != 1) /* acq_rel: pairs with zs__zns_zone_ref [ZONE-2] */
            continue;
        if (zs__zns_state(s, zone) == ZS__ZNS_Z_OPEN && zs__zns_zone_shut(z))
            zs__zns_zone_end(s, zone);
        else if (zs__zns_state(s, zone) == ZS__ZNS_Z_FULL || zs__zns_state(s, zone) == ZS__ZNS_Z_RETIRED)
            e->zone[n++] = zone;
    }
    zs__zns_reset_run(s, e->zone, n);
    zs__lock_drop(&s->zone_lock);
}

/* Frames, buffers and zones of an epoch nobody can reach any more. */
static void zs__zns_ep_drop(zslab_zns *s, zs__zns_ep *e)
{
    uint32_t at = zs__load_acq_u32(&e->frames), next; /* acquire: pairs with zs__zns_frame_take */
    zs__store_ptr(&e->cur, 0);
    zs__zns_buffers_give(s, e, 1);
    for (; at; at = next) {
        zs__zns_frame *f = zs__zns_frame_of(s, at - 1);
        next = zs__load_u32(&f->next);
        if (zs__load_acq_u32(&f->state) == ZS__ZNS_F_STORED) /* acquire: pairs with zs__zns_frame_stored */
            zs__sub_u64(&s->zone[f->zone].live_blocks, f->blocks);
        zs__zns_frame_drop(s, at - 1);
    }
    zs__zns_ep_zones_drop(s, e);
    zs__sub_u64(&s->objects, zs__load_u64(&e->objects));
    (free)(e->zone);
    e->zone = NULL;
    e->zone_count = e->zone_room = 0;
    zs__store_u32(&e->frames, 0);
    zs__store_u32(&e->last_zone, ZS__ZNS_NONE);
}

static zslab_result zs__zns_release(zslab_zns *s, zs__zns_ep *e, zslab_zns_epoch id)
{
    uint32_t was = zs__zns_ep_turn(e, ZS__ZNS_E_OPEN, ZS__ZNS_E_SEALED, ZS__ZNS_E_RELEASING);
    uint64_t seq, word = (uint64_t)ZS__ZNS_E_RELEASING << 56;
    int rc;
    if (!was) return ZSLAB_E_CLOSED;
    if (zs__load_acq_u64(&e->id) != id) { /* acquire: pairs with _begin; another epoch has the place by now */
        zs__zns_ep_turn(e, ZS__ZNS_E_RELEASING, ZS__ZNS_E_RELEASING, was);
        return ZSLAB_E_CLOSED;
    }
    do zs__zns_ep_wait(e, ZS__ZNS_E_PINS); /* [REL-1] */
    while (!zs__cas_u64(&e->word, &word, (uint64_t)ZS__ZNS_E_DROPPING << 56) &&
           (word = (uint64_t)ZS__ZNS_E_RELEASING << 56) != 0); /* a sync came between: it has to cover this epoch */
    zs__zns_ep_land(s, e, 1);
    zs__lock_take(&s->meta_lock);
    rc = zs__zns_seq_next(s, &seq); /* handles of ids given again carry another generation [GEN-1] */
    if (!rc) {
        zs__zns_meta_record(s, ZS__ZNS_R_RELEASE, id);
        zs__zns_list(s, e, 0);
        rc = zs__zns_meta_write(s);
        rc = rc ? rc : zs__zns_dev_flush(s); /* [REL-2] */
        rc = rc ? rc : zs__zns_tell(s);
        if (rc) zs__zns_list(s, e, 1);
        if (rc && zs__zns_fatal(s) == ZSLAB_OK) zs__zns_log_wrong(s);
    }
    zs__lock_drop(&s->meta_lock);
    if (rc) {
        zs__zns_ep_turn(e, ZS__ZNS_E_DROPPING, ZS__ZNS_E_DROPPING, was);
        return (zslab_result)-rc;
    }
    zs__zns_ep_drop(s, e);
    zs__store_rel_u64(&e->id, 0); /* release: pairs with zs__zns_pin_id */
    zs__lock_take(&s->meta_lock);
    s->epoch_count--;
    e->free_next = s->epoch_free;
    s->epoch_free = e->slot + 1;
    zs__zns_ep_turn(e, ZS__ZNS_E_DROPPING, ZS__ZNS_E_DROPPING, ZS__ZNS_E_FREE);
    zs__lock_drop(&s->meta_lock);
    return ZSLAB_OK;
}

/* ---- >>recover -------------------------------------------------------------
   From zones to a store: report, newest whole metadata snapshot and its log, zone headers, frames. One
   thread; nothing is shared yet.                                                     */

/* A walk over one zone's frames. It resynchronises at every block: a failed append leaves a hole. A zone with
   a frame cut short gets no appends any more, since a later walk would jump over them by that frame's length,
   and its end is noted in the metadata, since that frame would look whole once the zone is full. */
typedef struct zs__zns_scan {
    uint32_t zone, at, end;   /* blocks; at: the next one to look at */
    uint32_t have_from, have; /* blocks in pages */
    uint32_t room;
    uint8_t *pages;
    uint32_t damaged; /* runs of blocks that are no frame */
    uint32_t in_run;
    uint32_t mended, mended_at; /* frames whose header had one flipped bit */
    uint32_t cut; /* where a frame reaches beyond the end: a crash took the write pointer back; 0: nowhere */
} zs__zns_scan;

/* The `count` blocks from `at` on in memory, or NULL. Unreadable blocks read as zero: no crc holds then. */
static const uint8_t *zs__zns_scan_blocks(zslab_zns *s, zs__zns_scan *sc, uint32_t at, uint32_t count)
{
    uint32_t i;
    if (count > sc->end - at) return NULL;
    if (at >= sc->have_from && at + count <= sc->have_from + sc->have)
        return sc->pages + (size_t)(at - sc->have_from) * s->block_bytes;
    if (count > sc->room || !sc->pages) {
        uint32_t room = zs__zns_blocks(s, 1u << 20);
        zs__zns_pages_free(sc->pages);
        sc->room = room > count ? room : count;
        sc->have = 0;
        sc->pages = (uint8_t *)zs__zns_pages((size_t)sc->room * s->block_bytes);
        if (!sc->pages) return NULL;
    }
    sc->have_from = at;
    sc->have = sc->end - at < sc->room ? sc->end - at : sc->room;
    s->recovery.bytes_read += (uint64_t)sc->have * s->block_bytes;
    if (!zs__zns_dev_read(s, sc->zone, at, sc->have, sc->pages)) return sc->pages;
    for (i = 0; i < sc->have; i++) {
        uint8_t *p = sc->pages + (size_t)i * s->block_bytes;
        if (zs__zns_dev_read(s, sc->zone, at + i, 1, p)) memset(p, 0, s->block_bytes);
    }
    return sc->pages;
}

/* Mends the header of a frame at sc->at in memory, where one bit is wrong. */
static int zs__zns_scan_mend(zslab_zns *s, zs__zns_scan *sc)
{
    uint32_t most = zs__zns_header_blocks(s, ZS__ZNS_ENTRIES_MAX), left = sc->end - sc->at;
    uint32_t count = left < most ? left : most;
    if (sc->mended_at == sc->at || !zs__zns_scan_blocks(s, sc, sc->at, count) ||
        !zs__zns_head_mend(s, sc->pages + (size_t)(sc->at - sc->have_from) * s->block_bytes, sc->zone,
                           (size_t)count * s->block_bytes))
        return 0;
    sc->mended_at = sc->at;
    sc->mended++;
    return 1;
}

/* The next frame whose header is whole: its place and its bytes. 0: the zone is at its end. */
static int zs__zns_scan_next(zslab_zns *s, zs__zns_scan *sc, zs__zns_head *h, uint32_t *out_block,
                             const uint8_t **out_header)
{
    for (; sc->at < sc->end && zs__zns_fatal(s) != ZSLAB_E_GONE; sc->at++) {
        const uint8_t *p = zs__zns_scan_blocks(s, sc, sc->at, 1);
        if (!p) return 0;
        if (zs__zns_head_read(s, p, sc->zone, sc->end - sc->at, h) &&
            (p = zs__zns_scan_blocks(s, sc, sc->at, h->blocks)) != NULL && zs__zns_head_proven(p, h)) {
            *out_block = sc->at;
            *out_header = p;
            sc->at += h->blocks;
            sc->in_run = 0;
            sc->cut = 0;
            return 1;
        }
        if (zs__zns_scan_mend(s, sc)) {
            sc->at--; /* look again */
            continue;
        }
        p = zs__zns_scan_blocks(s, sc, sc->at, 1);
        if (!sc->cut && p && zs__zns_head_read(s, p, sc->zone, UINT32_MAX, h) && h->blocks > sc->end - sc->at &&
            (p = zs__zns_scan_blocks(s, sc, sc->at, h->header_blocks)) != NULL && zs__zns_head_proven(p, h))
            sc->cut = sc->at;
        sc->damaged += !sc->in_run;
        sc->in_run = 1;
    }
    return 0;
}

static void zs__zns_scan_begin(zs__zns_scan *sc, uint32_t zone, uint32_t end)
{
    sc->zone = zone;
    sc->at = 1; /* the zone header is block 0 */
    sc->end = end;
    sc->have = 0;
    sc->damaged = sc->in_run = sc->cut = sc->mended = sc->mended_at = 0;
}

/* What mount learns about each zone before it knows which store this is. */
typedef struct zs__zns_found {
    uint32_t kind, used, condition, odd; /* used: blocks to scan; odd: written, but no header of ours */
    uint8_t uuid[16];
} zs__zns_found;

/* A zone whose header is not there: its frames say what it was, if it has any. */
static zslab_result zs__zns_found_frames(zslab_zns *s, uint32_t zone, zs__zns_found *t, uint8_t *p)
{
    zs__zns_zone *z = &s->zone[zone];
    uint32_t at, most = t->used < 256 ? t->used : 256;
    for (at = 1; at < most; at++) {
        int rc = zs__zns_dev_read(s, zone, at, 1, p);
        if (-rc == (int)ZSLAB_E_GONE) return ZSLAB_E_GONE;
        if (rc || memcmp(p, zs__zns_magic(1), 8) != 0 || zs__zns_get32(p + 32) != zone ||
            zs__zns_inline_bytes(p) > s->block_bytes - ZS__ZNS_HEAD_BYTES ||
            zs__zns_get32(p + 124) !=
                zs__zns_crc(zs__zns_crc(0, p, 124), p + ZS__ZNS_HEAD_BYTES, zs__zns_inline_bytes(p)) ||
            zs__zns_get64(p + 40) < z->seq)
            continue;
        t->kind = zs__zns_get32(p + 12) == ZS__ZNS_FRAME_META ? ZS__ZNS_KIND_META : ZS__ZNS_KIND_OBJECTS;
        memcpy(t->uuid, p + 16, 16);
        z->seq = zs__zns_get64(p + 40);
        t->odd = 2; /* ours by its frames */
    }
    return ZSLAB_OK;
}

/* Reads and judges one zone header. */
static zslab_result zs__zns_found_header(zslab_zns *s, uint32_t zone, zs__zns_found *t, uint8_t *p)
{
    zs__zns_zone *z = &s->zone[zone];
    int rc = zs__zns_dev_read(s, zone, 0, 1, p);
    t->odd = 1;
    if (-rc == (int)ZSLAB_E_GONE) return ZSLAB_E_GONE;
    if (rc || zs__zns_crc_mend(p, 124, zs__zns_get32(p + 124)) < 0 || memcmp(p, zs__zns_magic(0), 8) != 0 ||
        zs__zns_get32(p + 32) != zone)
        return zs__zns_found_frames(s, zone, t, p);
    errno = 0;
    if (zs__zns_get32(p + 8) > ZSLAB_ZNS_FORMAT_VERSION || zs__zns_get32(p + 36) != s->block_bytes ||
        zs__zns_get32(p + 60) != s->zone_count || zs__zns_get64(p + 64) != s->dev.ops.geometry.zone_bytes ||
        zs__zns_get64(p + 72) != (uint64_t)z->capacity * s->block_bytes)
        return (zslab_result)-zs__zns_told(s, "version and geometry in the header of", zone, 0, -(int)ZSLAB_E_GEOMETRY);
    t->odd = 0;
    t->kind = zs__zns_get32(p + 12);
    memcpy(t->uuid, p + 16, 16);
    z->seq = zs__zns_get64(p + 40);
    z->owner = zs__zns_get64(p + 48);
    z->lifetime = zs__zns_get32(p + 56) % ZS__ZNS_CLASSES;
    return ZSLAB_OK;
}

/* Asks the device about all zones and reads the headers of those that hold something. */
static zslab_result zs__zns_find_zones(zslab_zns *s, zs__zns_found *found)
{
    uint8_t *p = (uint8_t *)zs__zns_pages(s->block_bytes);
    zslab_result r = p ? ZSLAB_OK : ZSLAB_E_NOMEM;
    uint32_t i;
    for (i = 0; i < s->zone_count && r == ZSLAB_OK; i++) {
        zs__zns_zone *z = &s->zone[i];
        zslab_zns_zone d;
        int rc = zs__zns_dev_report(s, i, &d);
        uint64_t used;
        if (rc) {
            r = (zslab_result)-rc;
            break;
        }
        z->start = d.start;
        z->capacity = (uint32_t)(d.capacity / s->block_bytes);
        z->word = ZS__ZNS_CLOSED_BIT;
        used = d.write_pointer > d.start ? (d.write_pointer - d.start) / s->block_bytes : 0;
        found[i].condition = d.condition;
        found[i].used = used < z->capacity ? (uint32_t)used : z->capacity;
        if (d.condition == ZSLAB_ZNS_FULL || d.condition == ZSLAB_ZNS_READ_ONLY)
            found[i].used = z->capacity; /* the write pointer of these means nothing */
        if (d.condition == ZSLAB_ZNS_EMPTY) found[i].used = 0;
        if (d.condition == ZSLAB_ZNS_OFFLINE || d.condition == ZSLAB_ZNS_NO_POINTER) {
            found[i].used = 0;
            s->recovery.zones_skipped++;
            zs__zns_zone_state(s, i, d.condition == ZSLAB_ZNS_OFFLINE ? ZS__ZNS_Z_OFFLINE : ZS__ZNS_Z_FOREIGN);
        }
        if (z->capacity < 16) {
            found[i].used = 0;
            zs__zns_zone_state(s, i, ZS__ZNS_Z_FOREIGN);
        }
        if (found[i].used) r = zs__zns_found_header(s, i, &found[i], p);
    }
    zs__zns_pages_free(p);
    return r;
}

/* ---- replaying the log ---- */

static void zs__zns_ep_init(zslab_zns *s, zs__zns_ep *e)
{
    e->own.cur = e->own.next = ZS__ZNS_NONE;
    e->own.preparing = 0;
    e->own.owner = 0;
    e->own.lifetime = e->lifetime;
    zs__store_ptr(&e->stream, (uintptr_t)&s->stream[e->lifetime]); /* relaxed: published by its state */
    zs__store_u32(&e->last_zone, ZS__ZNS_NONE);
    zs__store_u32(&e->frames, 0);
    zs__store_ptr(&e->cur, 0);
    zs__store_u64(&e->objects, 0);
    zs__store_u64(&e->user_bytes, 0);
    zs__store_u64(&e->device_blocks, 0);
}

static zs__zns_ep *zs__zns_replay_epoch(zslab_zns *s, uint64_t id)
{
    zs__zns_ep *e = zs__zns_ep_at(s, (uint32_t)(id % ZS__ZNS_EPOCHS_MAX));
    return e && e->id == id && e->listed ? e : NULL;
}

static zslab_result zs__zns_replay_begin(zslab_zns *s, const uint8_t *p, uint32_t bytes)
{
    uint64_t id = zs__zns_get64(p + 8);
    uint32_t slot = (uint32_t)(id % ZS__ZNS_EPOCHS_MAX);
    zs__zns_ep *e = id ? zs__zns_ep_page(s, slot) : NULL;
    if (!e) return id ? ZSLAB_E_NOMEM : ZSLAB_E_CORRUPT;
    if (e->listed && e->id != id && s->unproven) e->listed = 0; /* its release is missing: the sums know of it */
    if (e->listed && e->id != id) zs__zns_list(s, e, 0);        /* the sums are being looked at */
    if (id > s->newest) s->newest = id;
    e->id = id;
    e->lifetime = zs__zns_get32(p + 4) % ZS__ZNS_CLASSES;
    e->expected = zs__zns_get64(p + 16);
    e->sealed = zs__zns_get32(p + 24) != 0;
    e->expires = zs__zns_get16(p + 2) >= 72 ? zs__zns_get64(p + 64) : 0;
    memcpy(e->label, p + 28, 32);
    e->label[31] = 0;
    zs__zns_ep_init(s, e);
    e->begun = e->told = bytes >= 84 ? zs__zns_get32(p + 60) : 0;
    e->heads = bytes >= 84 ? zs__zns_get32(p + 72) : 0;
    e->bytes = bytes >= 84 ? zs__zns_get32(p + 76) : 0;
    e->covered = bytes >= 84 ? zs__zns_get32(p + 80) : 0;
    e->proof = (uint32_t)s->log.serial;
    zs__zns_list(s, e, 1);
    if (slot >= s->epoch_top) s->epoch_top = slot + 1;
    return ZSLAB_OK;
}

/* Takes a frame out of its epoch again. */
static void zs__zns_disown(zslab_zns *s, zs__zns_frame *f, uint32_t id)
{
    zs__zns_ep *e = (zs__zns_ep *)f->epoch;
    uint32_t *link = &e->frames;
    while (*link != id + 1) link = &zs__zns_frame_of(s, *link - 1)->next;
    *link = f->next;
    s->zone[f->zone].live_blocks -= f->blocks;
    e->device_blocks -= f->blocks;
    e->user_bytes -= f->user_bytes;
    zs__zns_dir_free(s, f);
    memset(f, 0, sizeof *f);
}

/* An epoch in doubt goes, with what the zones and the table know of it; its losses have been counted. */
static void zs__zns_drop_doubted(zslab_zns *s, zs__zns_ep *e)
{
    uint32_t i;
    while (e->frames) {
        uint32_t id = e->frames - 1;
        zs__zns_disown(s, zs__zns_frame_of(s, id), id);
    }
    for (i = 0; i < e->zone_count; i++) s->zone[e->zone[i]].refs--;
    e->zone_count = 0;
    zs__zns_list(s, e, 0);
}

/* An epoch whose begin is missing from the log: its id is all that is known. */
static zs__zns_ep *zs__zns_replay_bare(zslab_zns *s, uint64_t id)
{
    uint8_t begin[64];
    memset(begin, 0, sizeof begin);
    zs__zns_put64(begin + 8, id);
    return zs__zns_replay_begin(s, begin, 60) == ZSLAB_OK ? zs__zns_replay_epoch(s, id) : NULL;
}

/* The living epoch of this id, also one whose begin went with a part of the log, so that only frames, its seal or
   counts are left. NULL: it was released. A place keeps the id of its last epoch: a newer one there says so, too. */
static zs__zns_ep *zs__zns_replay_living(zslab_zns *s, uint64_t id)
{
    zs__zns_log log = s->log; /* its sums know of the epoch */
    zs__zns_ep *e = zs__zns_replay_epoch(s, id);
    if (e || !s->unproven || id <= s->heard) return e;
    e = zs__zns_ep_page(s, (uint32_t)(id % ZS__ZNS_EPOCHS_MAX));
    if (!e || e->id >= id) return NULL;
    if (e->listed) zs__zns_drop_doubted(s, e); /* the place was given again: it had been released */
    (void)zs__zns_replay_bare(s, id);
    e->proof = 0;
    s->log = log;
    return e;
}

/* The epoch is gone; its id stays with its place. */
static void zs__zns_replay_release(zslab_zns *s, uint64_t id)
{
    zs__zns_ep *e = zs__zns_replay_epoch(s, id);
    if (e) {
        zs__zns_list(s, e, 0);
    } else if ((e = zs__zns_replay_living(s, id)) != NULL) {
        e->listed = 0;
        s->log.hash ^= id * ZS__ZNS_HASH;
        s->log.live--;
    }
}

/* Notes a range of frame sequences; with no place left the two oldest become one. */
static void zs__zns_doubt(zslab_zns *s, uint64_t from, uint64_t to)
{
    uint32_t i;
    for (i = 0; i < s->doubt_count; i++)
        if (s->doubt[i][0] == from && s->doubt[i][1] <= to) {
            s->doubt[i][1] = to;
            return;
        }
    if (s->doubt_count == ZS__ZNS_DOUBTS) {
        s->doubt[1][0] = s->doubt[0][0];
        memmove(s->doubt[0], s->doubt[1], sizeof s->doubt - sizeof s->doubt[0]);
        s->doubt_count--;
    }
    s->doubt[s->doubt_count][0] = from;
    s->doubt[s->doubt_count++][1] = to;
}

/* Was the frame acknowledged by a sync? */
static int zs__zns_covered(const zslab_zns *s, uint64_t frame_seq)
{
    uint32_t i;
    for (i = 0; i < s->doubt_count; i++)
        if (frame_seq >= s->doubt[i][0] && frame_seq < s->doubt[i][1]) return 0;
    return frame_seq < s->synced;
}

/* All frames of lower sequence were synced; a reader beside the writer goes by what the device was told. */
static void zs__zns_synced_to(zslab_zns *s, uint64_t frame_seq)
{
    if (frame_seq > s->synced && !s->dev.beside) s->synced = frame_seq;
}

static zslab_result zs__zns_replay_record(zslab_zns *s, const uint8_t *p, uint32_t type, uint32_t bytes)
{
    zs__zns_ep *e;
    uint32_t i;
    s->clean = type == ZS__ZNS_R_CLEAN;
    switch (type) {
    case ZS__ZNS_R_SNAPSHOT:
    case ZS__ZNS_R_CLEAN:
        if (bytes >= (type == ZS__ZNS_R_CLEAN ? 16u : 20u))
            zs__zns_synced_to(s, zs__zns_get64(p + (type == ZS__ZNS_R_CLEAN ? 8 : 12)));
        if (type == ZS__ZNS_R_CLEAN) s->clean_seq = bytes >= 24 ? zs__zns_get64(p + 16) : 0;
        for (i = 0; i < s->epoch_top && s->clean; i++)
            if ((e = zs__zns_ep_at(s, i)) != NULL) e->covered = e->begun;
        break;
    case ZS__ZNS_R_EPOCH:
        return bytes >= 60 ? zs__zns_replay_begin(s, p, bytes) : ZSLAB_E_CORRUPT;
    case ZS__ZNS_R_FRAMES:
        e = bytes >= 56 ? zs__zns_replay_living(s, zs__zns_get64(p + 8)) : NULL;
        if (!e) break;
        e->begun = e->told = zs__zns_get32(p + 4);
        e->heads = zs__zns_get32(p + 16);
        e->bytes = zs__zns_get32(p + 20);
        if (zs__zns_get32(p + 24) > e->covered) e->covered = zs__zns_get32(p + 24);
        e->gone_upto = zs__zns_get32(p + 28);
        e->gone = zs__zns_get32(p + 32);
        e->gone_heads = zs__zns_get32(p + 36);
        e->gone_bytes = zs__zns_get32(p + 40);
        e->lost = zs__zns_get32(p + 44);
        e->lost_bytes = zs__zns_get64(p + 48);
        break;
    case ZS__ZNS_R_SEAL:
        e = bytes >= 16 ? zs__zns_replay_living(s, zs__zns_get64(p + 8)) : NULL;
        if (!e) break;
        e->sealed = 1;
        e->proof = (uint32_t)s->log.serial;
        break;
    case ZS__ZNS_R_RELEASE:
        if (bytes >= 16) zs__zns_replay_release(s, zs__zns_get64(p + 8));
        break;
    case ZS__ZNS_R_RESERVE:
        s->window_count = zs__zns_get32(p + 4);
        if (bytes < 16 || s->window_count > ZS__ZNS_WINDOW + 1 || bytes < 16 + 4 * s->window_count)
            return ZSLAB_E_CORRUPT;
        if (zs__zns_get64(p + 8) > s->seq_limit) s->seq_limit = zs__zns_get64(p + 8);
        for (i = 0; i < s->window_count; i++) s->window[i] = zs__zns_get32(p + 16 + 4 * (size_t)i);
        break;
    case ZS__ZNS_R_DOUBT:
        if (bytes >= 24) zs__zns_doubt(s, zs__zns_get64(p + 8), zs__zns_get64(p + 16));
        break;
    case ZS__ZNS_R_INDEX:
        i = bytes >= 24 ? zs__zns_get32(p + 4) : ZS__ZNS_NONE;
        if (i < s->zone_count && s->zone[i].seq == zs__zns_get64(p + 8)) {
            s->zone[i].index_block = zs__zns_get32(p + 16);
            s->zone[i].index_blocks = zs__zns_get32(p + 20);
            s->zone[i].index_noted = 2;
        }
        break;
    default:
        break; /* of a later minor format: skipped by its length */
    }
    return ZSLAB_OK;
}

/* The records of one frame. `apply` 0: only looks for snapshot parts. */
static zslab_result zs__zns_replay_frame(zslab_zns *s, const uint8_t *p, uint32_t bytes, int apply, uint32_t *parts,
                                         uint32_t *total)
{
    uint32_t at = 0;
    zslab_result r = ZSLAB_OK;
    while (at + 8 <= bytes && r == ZSLAB_OK) {
        uint32_t type = zs__zns_get16(p + at), length = zs__zns_get16(p + at + 2);
        if (length < 8 || length > bytes - at || length % 8) return ZSLAB_E_CORRUPT;
        if (apply)
            r = zs__zns_replay_record(s, p + at, type, length);
        else if (type == ZS__ZNS_R_SNAPSHOT && zs__zns_get32(p + at + 4) == *parts) {
            (*parts)++;
            if (zs__zns_get32(p + at + 8)) *total = zs__zns_get32(p + at + 8);
        }
        at += length;
    }
    return r;
}

/* The living epochs should be `live` with that hash. Where one release, or one begin, is missing that tells which
   epoch's: it is made good. 0: more than that is missing, and the difference is nobody's id. */
static int zs__zns_replay_settle(zslab_zns *s, uint64_t hash, uint32_t live)
{
    uint64_t id = (s->log.hash ^ hash) * ZS__ZNS_UNHASH;
    zs__zns_ep *e = zs__zns_ep_at(s, (uint32_t)(id % ZS__ZNS_EPOCHS_MAX));
    if (s->log.hash == hash && s->log.live == live) return 1;
    if (live + 1 == s->log.live && e && e->listed && e->id == id) {
        zs__zns_list(s, e, 0);
        return 1;
    }
    if (live != s->log.live + 1 || (e && (e->listed || e->id >= id)) || !id || id / ZS__ZNS_EPOCHS_MAX >= s->seq_limit)
        return 0;
    return zs__zns_replay_bare(s, id) != NULL;
}

/* What the frames of the log say about themselves; those of old images say nothing. */
typedef struct zs__zns_serials {
    uint64_t last, copies; /* of the frame before, and how often it was there */
    uint32_t single;       /* it was part of a snapshot: once */
    uint32_t torn;         /* a crash cut the log: no frame may follow */
} zs__zns_serials;

/* Something is missing from the log from this serial on: damage where a flush had covered it, else a crash. */
static void zs__zns_replay_missing(zslab_zns *s, zs__zns_serials *t, uint64_t serial)
{
    if (serial <= s->log_reach) {
        s->damage |= ZS__ZNS_HARM_LOG;
        s->recovery.damaged_frames++;
    } else
        t->torn = 1;
}

/* Is the frame to be applied? Counts copies, notes gaps. */
static int zs__zns_replay_serial(zslab_zns *s, zs__zns_serials *t, const zs__zns_head *h, uint32_t single)
{
    if (!h->gen) return 1;
    if (s->dev.beside && h->gen > s->noted.serial) return 0; /* younger than what is shown */
    if (h->gen == t->last) t->copies++;
    if (h->gen <= t->last) return 0;
    if (t->last && t->copies == 1 && !t->single) zs__zns_replay_missing(s, t, t->last);
    if (t->last && h->gen != t->last + 1) zs__zns_replay_missing(s, t, t->last + 1);
    t->last = h->gen;
    t->copies = 1;
    t->single = single;
    return 1;
}

/* Everything that is not proven to have lived at this serial is in doubt. `newest`: of the epochs begun before. */
static void zs__zns_replay_unproven(zslab_zns *s, uint64_t serial, uint64_t newest)
{
    s->damage |= ZS__ZNS_HARM_LOG;
    if (!s->unproven) s->heard = newest;
    if (serial > s->unproven) s->unproven = serial;
}

/* One pass over a metadata zone. Whole: every part of its snapshot is there. */
static zslab_result zs__zns_replay_zone(zslab_zns *s, uint32_t zone, uint32_t used, int apply, int *out_whole)
{
    zs__zns_scan sc;
    zs__zns_head h;
    zs__zns_serials t;
    uint32_t block, parts = 0, total = 0;
    const uint8_t *p;
    zslab_result r = ZSLAB_OK;
    memset(&sc, 0, sizeof sc);
    memset(&t, 0, sizeof t);
    t.last = apply ? s->log.serial : 0;
    zs__zns_scan_begin(&sc, zone, used);
    while (r == ZSLAB_OK && zs__zns_scan_next(s, &sc, &h, &block, &p)) {
        uint32_t single = h.entries >= 8 && zs__zns_get16(p + ZS__ZNS_HEAD_BYTES) == ZS__ZNS_R_SNAPSHOT;
        uint64_t newest = s->newest;
        if (h.frame_seq >= s->frame_seq) s->frame_seq = h.frame_seq + 1;
        if (apply) zs__zns_synced_to(s, h.synced);
        if (!apply && h.kind == ZS__ZNS_FRAME_META && h.serial > s->log_reach) s->log_reach = h.serial;
        if (h.kind != ZS__ZNS_FRAME_META || (apply && !zs__zns_replay_serial(s, &t, &h, single))) continue;
        if (apply && h.gen) s->log.serial = h.gen;
        r = zs__zns_replay_frame(s, p + ZS__ZNS_HEAD_BYTES, h.entries, apply, &parts, &total);
        if (!apply || !h.gen || h.id == UINT32_MAX) continue;
        if (!t.torn && !zs__zns_replay_settle(s, h.epoch, h.id)) zs__zns_replay_unproven(s, h.gen, newest);
        s->log.hash = h.epoch; /* so that later ones are measured from here; zs__zns_resume counts anew */
        s->log.live = h.id;
    }
    zs__zns_pages_free(sc.pages);
    *out_whole = total && parts == total;
    if (!apply) return r;
    if (sc.mended) s->damage |= ZS__ZNS_HARM_LOG;
    if (t.copies == 1 && !t.single) zs__zns_replay_missing(s, &t, t.last);
    if (sc.cut || t.torn) /* the next record goes to a fresh zone */
        s->meta_used = s->zone[zone].capacity;
    return r;
}

/* The end of the log against what the device was told last. */
static void zs__zns_replay_end(zslab_zns *s)
{
    if (!s->noted.serial || s->log.serial >= s->noted.serial) return;
    s->damage |= ZS__ZNS_HARM_LOG;
    s->recovery.damaged_frames += s->noted.serial - s->log.serial;
    s->log.serial = s->noted.serial;
    if (!zs__zns_replay_settle(s, s->noted.live_hash, s->noted.live))
        zs__zns_replay_unproven(s, s->noted.serial, s->newest);
}

/* The metadata zone with the newest whole snapshot, and what later ones have behind theirs; NONE: there is none. */
static zslab_result zs__zns_replay(zslab_zns *s, zs__zns_found *found)
{
    uint64_t below = UINT64_MAX;
    uint32_t broken[2] = {ZS__ZNS_NONE, ZS__ZNS_NONE}; /* newer ones without a whole snapshot */
    s->log_reach = s->noted.serial;
    for (;;) {
        uint32_t i, best = ZS__ZNS_NONE;
        int whole = 0;
        zslab_result r;
        for (i = 0; i < s->zone_count; i++)
            if (found[i].kind == ZS__ZNS_KIND_META && s->zone[i].seq < below &&
                (best == ZS__ZNS_NONE || s->zone[i].seq > s->zone[best].seq))
                best = i;
        if (best == ZS__ZNS_NONE) return ZSLAB_OK;
        below = s->zone[best].seq;
        memcpy(s->uuid, found[best].uuid, 16);
        r = zs__zns_replay_zone(s, best, found[best].used, 0, &whole);
        if (r == ZSLAB_OK && whole) {
            s->meta_zone = best;
            s->meta_used = found[best].condition == ZSLAB_ZNS_READ_ONLY ? s->zone[best].capacity : found[best].used;
            r = zs__zns_replay_zone(s, best, found[best].used, 1, &whole);
            for (i = 2; i-- && r == ZSLAB_OK;)
                if (broken[i] != ZS__ZNS_NONE) r = zs__zns_replay_zone(s, broken[i], found[broken[i]].used, 1, &whole);
            for (i = 0; i < s->zone_count && r == ZSLAB_OK; i++) /* the one before it */
                if (found[i].kind == ZS__ZNS_KIND_META && s->zone[i].seq < below && found[i].used &&
                    !memcmp(found[i].uuid, s->uuid, 16) &&
                    (s->meta_kept == ZS__ZNS_NONE || s->zone[i].seq > s->zone[s->meta_kept].seq))
                    s->meta_kept = i;
            if (r == ZSLAB_OK) zs__zns_replay_end(s);
            return r;
        }
        broken[1] = broken[0];
        broken[0] = best;
        if (zs__zns_fatal(s) == ZSLAB_E_GONE) return ZSLAB_E_GONE;
    }
}

/* ---- taking up frames ---- */

/* Is it not known whether the epoch was released in a part of the log that is missing? */
static int zs__zns_in_doubt(const zslab_zns *s, const zs__zns_ep *e)
{
    return s->unproven && e->proof < (uint32_t)s->unproven;
}

/* Checks every piece of a frame and marks the damaged ones in its entries; how many those are. */
static uint32_t zs__zns_verify(const zs__zns_head *h, const uint8_t *frame, const uint8_t *payload, uint64_t *entry)
{
    uint32_t bad = 0;
    size_t i;
    for (i = 0; i < h->entries; i++) {
        size_t bytes, at;
        entry[2 * i] = zs__zns_get64(frame + ZS__ZNS_HEAD_BYTES + i * ZS__ZNS_ENTRY_BYTES);
        entry[2 * i + 1] = zs__zns_get64(frame + ZS__ZNS_HEAD_BYTES + i * ZS__ZNS_ENTRY_BYTES + 8);
        bytes = zs__zns_entry_bytes(entry[2 * i]);
        at = zs__zns_entry_offset(entry[2 * i + 1]);
        if (at + bytes <= h->payload_bytes && zs__zns_crc(0, payload + at, bytes) == zs__zns_entry_crc(entry[2 * i]))
            continue;
        entry[2 * i] |= (uint64_t)ZS__ZNS_BAD << 27;
        bad++;
    }
    return bad;
}

/* Gives a frame its place in the table. frame: the whole of it; NULL: known from an index only. */
static zslab_result zs__zns_adopt(zslab_zns *s, const zs__zns_head *h, uint32_t zone, uint32_t block,
                                  const uint8_t *frame)
{
    zs__zns_ep *e = NULL;
    zs__zns_frame *f;
    uint64_t *made = NULL;
    uint32_t bad = 0, user_bytes = 0;
    int more = 0;
    size_t i;
    if (h->frame_seq >= s->frame_seq) s->frame_seq = h->frame_seq + 1;
    if (h->gen >= s->seq_limit) s->seq_limit = h->gen + 1;
    if (h->serial > (uint32_t)s->log.serial && !s->dev.beside) {
        s->log.serial = h->serial; /* the log had got further than what is left of it */
        zs__zns_replay_unproven(s, h->serial, s->newest);
    }
    e = zs__zns_replay_living(s, h->epoch);
    if (!e) { /* released, or its begin was never durable */
        s->zone[zone].dead = 1;
        return ZSLAB_OK;
    }
    if (s->dev.beside && h->frame_seq >= s->synced) return ZSLAB_OK; /* younger than what is shown */
    if (h->serial > e->proof) e->proof = h->serial;
    if (h->covered > e->covered) e->covered = h->covered;
    f = zs__zns_frame_page(s, h->id);
    if (!f) return ZSLAB_E_NOMEM;
    if (f->gen > h->gen) return ZSLAB_OK;             /* an earlier recovery missed this one: its id was given again */
    if (f->gen == h->gen && !f->bad) return ZSLAB_OK; /* appended twice: the failed one landed after all */
    if (frame && (made = (uint64_t *)(malloc)((size_t)h->entries * ZS__ZNS_ENTRY_BYTES)) == NULL) return ZSLAB_E_NOMEM;
    for (i = 0; frame && i < h->entries; i++) { /* pieces of objects: recovery follows them */
        uint64_t word = zs__zns_get64(frame + ZS__ZNS_HEAD_BYTES + i * ZS__ZNS_ENTRY_BYTES);
        more |= zs__zns_entry_flags(word) != ZS__ZNS_FIRST;
        user_bytes += zs__zns_entry_bytes(word);
    }
    if (made) bad = zs__zns_verify(h, frame, frame + h->payload_at, made);
    if (f->gen == h->gen && bad) {
        (free)(made);
        return ZSLAB_OK;
    }
    if (f->gen) zs__zns_disown(s, f, h->id);
    f->bad = bad;
    if (made && !bad && !more && s->config.directory_bytes && s->dir_bytes >= s->config.directory_bytes) {
        (free)(made); /* objects in one piece each, all whole: nothing is asked of it before a read */
        made = NULL;
    }
    if (made) s->dir_bytes += (uint64_t)h->entries * ZS__ZNS_ENTRY_BYTES;
    f->dir = (uintptr_t)made;
    f->epoch = (uintptr_t)e;
    f->gen = h->gen;
    f->zone = zone;
    f->zone_seq = h->zone_seq;
    f->frame_seq = h->frame_seq;
    f->block = block;
    f->blocks = h->blocks;
    f->payload_at = h->payload_at;
    f->payload_bytes = h->payload_bytes;
    f->count = h->entries;
    f->heads = h->heads;
    f->user_bytes = frame ? user_bytes : h->user_bytes ? h->user_bytes : h->payload_bytes;
    f->ordinal = h->ordinal;
    f->before = h->before;
    f->before_bytes = h->before_bytes;
    f->state = ZS__ZNS_F_STORED;
    f->next = e->frames;
    e->frames = h->id + 1;
    if (h->id >= s->frame_top) s->frame_top = h->id + 1;
    s->zone[zone].live_blocks += h->blocks;
    e->device_blocks += h->blocks;
    e->user_bytes += f->user_bytes;
    if (zs__zns_zone_ref(s, e, zone)) return ZSLAB_E_NOMEM;
    if (s->zone[zone].frame && s->zone[zone].frame_count < s->zone[zone].limit)
        s->zone[zone].frame[s->zone[zone].frame_count++] = h->id;
    return ZSLAB_OK;
}

static zslab_result zs__zns_take_scan(zslab_zns *s, uint32_t zone, uint32_t used, int unwritten, zs__zns_scan *sc)
{
    zs__zns_head h;
    const uint8_t *p;
    uint32_t block;
    zslab_result r = ZSLAB_OK;
    zs__zns_scan_begin(sc, zone, used);
    while (r == ZSLAB_OK && zs__zns_scan_next(s, sc, &h, &block, &p)) {
        zs__zns_synced_to(s, h.synced);
        if (h.kind != ZS__ZNS_FRAME_OBJECTS) continue;
        s->zone[zone].met++;
        r = zs__zns_adopt(s, &h, zone, block, p);
    }
    if (sc->in_run && unwritten) sc->damaged--; /* the rest of a finished zone was never written */
    s->recovery.damaged_frames += sc->mended;   /* and each of their objects is there */
    if (sc->in_run && ((!unwritten && !s->clean) || s->dev.sick)) {
        sc->damaged -= !unwritten;
        s->recovery.tail_unverified++; /* or torn: nothing behind it says which */
    }
    s->recovery.torn += sc->damaged;
    if (sc->cut) {
        s->zone[zone].failed = 1;
        s->zone[zone].index_block = sc->cut;
        s->zone[zone].index_blocks = 0;
        s->zone[zone].index_noted = 1; /* goes out with the first record */
    }
    return zs__zns_fatal(s) == ZSLAB_E_GONE ? ZSLAB_E_GONE : r;
}

/* The frames of a zone from its index. *out_done 0: the index is not what the log says, scan instead. */
static zslab_result zs__zns_take_index(zslab_zns *s, uint32_t zone, uint32_t used, zs__zns_scan *sc, int *out_done)
{
    zs__zns_zone *z = &s->zone[zone];
    zs__zns_head index, h;
    const uint8_t *p;
    uint32_t i, n, size;
    zslab_result r = ZSLAB_OK;
    *out_done = 0;
    zs__zns_scan_begin(sc, zone, used);
    if (!z->index_blocks || z->index_block >= used || z->index_blocks > used - z->index_block) return ZSLAB_OK;
    sc->end = z->index_block + z->index_blocks; /* reads no further than the index */
    p = zs__zns_scan_blocks(s, sc, z->index_block, z->index_blocks);
    if (!p || !zs__zns_head_read(s, p, zone, used - z->index_block, &index) || index.kind != ZS__ZNS_FRAME_INDEX ||
        index.header_blocks != z->index_blocks || !zs__zns_head_proven(p, &index))
        return ZSLAB_OK;
    size = index.heads == ZS__ZNS_ITEM_BYTES ? ZS__ZNS_ITEM_BYTES : ZS__ZNS_ITEM_OLD;
    if (index.entries % size) return ZSLAB_OK;
    n = index.entries / size;
    z->met = n;
    for (i = 0; i < n; i++)
        if (!zs__zns_covered(s, zs__zns_get64(p + ZS__ZNS_HEAD_BYTES + (size_t)i * size + 20)))
            return ZSLAB_OK; /* it may have gone with the power: look at it */
    for (i = 0; i < n && r == ZSLAB_OK; i++) {
        const uint8_t *item = p + ZS__ZNS_HEAD_BYTES + (size_t)i * size;
        uint32_t block = zs__zns_get32(item + size - 4);
        zs__zns_head_fields(item, &h, size);
        h.kind = ZS__ZNS_FRAME_OBJECTS;
        if (h.zone_seq == z->seq && block < used && zs__zns_head_sane(s, &h, used - block))
            r = zs__zns_adopt(s, &h, zone, block, NULL);
    }
    *out_done = 1;
    return r;
}

/* A data zone of this store. */
static zslab_result zs__zns_take_zone(zslab_zns *s, uint32_t zone, const zs__zns_found *t, zs__zns_scan *sc)
{
    zs__zns_zone *z = &s->zone[zone];
    uint32_t used = t->used;
    int done = 0;
    zslab_result r = ZSLAB_OK;
    if (z->limit < z->capacity && t->condition != ZSLAB_ZNS_FULL && !z->frame)
        z->frame = (uint32_t *)(calloc)(z->limit, sizeof *z->frame);
    if (z->seq >= s->seq_limit) s->seq_limit = z->seq + 1;
    s->recovery.zones_scanned++;
    if (z->index_noted && !z->index_blocks && z->index_block < used) used = z->index_block;
    if (z->index_blocks && !(s->config.flags & ZSLAB_ZNS_FLAG_VERIFY) && !s->deep)
        r = zs__zns_take_index(s, zone, used, sc, &done);
    if (r == ZSLAB_OK && !done)
        r = zs__zns_take_scan(s, zone, used, t->condition == ZSLAB_ZNS_FULL || t->condition == ZSLAB_ZNS_READ_ONLY, sc);
    return r;
}

/* What becomes of a zone of ours once its frames are known. */
static void zs__zns_settle_zone(zslab_zns *s, uint32_t zone, const zs__zns_found *t)
{
    zs__zns_zone *z = &s->zone[zone];
    if (t->condition == ZSLAB_ZNS_READ_ONLY) {
        zs__zns_zone_state(s, zone, ZS__ZNS_Z_READ_ONLY);
    } else if (!z->refs && s->read_only) {
        z->word = t->used | ZS__ZNS_CLOSED_BIT;
        zs__zns_zone_state(s, zone, t->condition == ZSLAB_ZNS_FULL ? ZS__ZNS_Z_FULL : ZS__ZNS_Z_OPEN);
    } else if (!z->refs) {
        s->recovery.releases_finished += z->met != 0;
        zs__zns_zone_reset(s, zone, ZS__ZNS_Z_EMPTY);
    } else if (t->condition == ZSLAB_ZNS_FULL || t->used >= z->limit || z->failed) {
        zs__zns_zone_state(s, zone, t->condition == ZSLAB_ZNS_FULL ? ZS__ZNS_Z_FULL : ZS__ZNS_Z_OPEN);
        if (t->condition != ZSLAB_ZNS_FULL) { /* no room for frames, or none that may be used: complete it */
            z->failed = 0;
            z->word = t->used | ZS__ZNS_CLOSED_BIT;
            if (!s->read_only) zs__zns_zone_end(s, zone);
        }
    } else {
        z->word = t->used;
        zs__zns_zone_state(s, zone, ZS__ZNS_Z_OPEN);
    }
}

/* Takes up the frames of the store's zones. */
static zslab_result zs__zns_take_zones(zslab_zns *s, const zs__zns_found *found)
{
    zs__zns_scan sc;
    uint32_t i, pass;
    zslab_result r = ZSLAB_OK;
    memset(&sc, 0, sizeof sc);
    for (pass = 0; pass < 2; pass++) /* first those to be scanned: they tell how far syncs reached */
        for (i = 0; i < s->zone_count && r == ZSLAB_OK; i++)
            if (found[i].used && found[i].kind == ZS__ZNS_KIND_OBJECTS && !memcmp(found[i].uuid, s->uuid, 16) &&
                (s->zone[i].index_blocks != 0) == (pass != 0))
                r = zs__zns_take_zone(s, i, &found[i], &sc);
    zs__zns_pages_free(sc.pages);
    return zs__zns_fatal(s) == ZSLAB_E_GONE ? ZSLAB_E_GONE : r;
}

/* Decides about every zone but the metadata's. */
static zslab_result zs__zns_settle_zones(zslab_zns *s, const zs__zns_found *found)
{
    uint32_t i, k, ours;
    for (i = 0; i < s->zone_count; i++) {
        if (i == s->meta_zone || (i == s->meta_kept && found[i].condition == ZSLAB_ZNS_FULL)) {
            zs__zns_zone_state(s, i, i == s->meta_zone ? ZS__ZNS_Z_META : ZS__ZNS_Z_SPARE);
            if (i != s->meta_zone) s->meta_spare = i;
            continue;
        }
        if (i == s->meta_kept) s->meta_kept = ZS__ZNS_NONE; /* it holds an active slot: no place for it */
        if (!found[i].used) continue;
        ours = s->owned || (found[i].odd != 1 && !memcmp(found[i].uuid, s->uuid, 16));
        for (k = 0; k < s->window_count && found[i].odd == 1 && !s->clean; k++)
            ours |= s->window[k] == i; /* a crash tore its header: announced before it was opened */
        if (ours) {
            zs__zns_settle_zone(s, i, &found[i]);
        } else if (found[i].odd == 1 && found[i].condition == ZSLAB_ZNS_READ_ONLY) {
            zs__zns_zone_state(s, i, ZS__ZNS_Z_READ_ONLY); /* nobody's any more */
        } else {
            s->recovery.zones_foreign++;
            zs__zns_zone_state(s, i, ZS__ZNS_Z_FOREIGN);
        }
    }
    return zs__zns_fatal(s) == ZSLAB_E_GONE ? ZSLAB_E_GONE : ZSLAB_OK;
}

/* Is every piece of the object known? Frames known from an index only are taken at their word. 1: yes; 0: a piece
   is missing; -1: a piece is damaged, in the frame *out_frame. */
static int zs__zns_whole(zslab_zns *s, zs__zns_ep *e, const uint64_t *entry, zs__zns_frame **out_frame)
{
    uint32_t hops = 0;
    while (!(zs__zns_entry_flags(entry[0]) & ZS__ZNS_BAD) && (zs__zns_entry_flags(entry[0]) & ZS__ZNS_MORE)) {
        uint32_t id = (uint32_t)(entry[1] >> 36), idx = (uint32_t)(entry[1] >> 24 & 0xfff);
        zs__zns_frame *f = zs__zns_frame_at(s, id);
        if (!f || !f->gen || f->epoch != (uintptr_t)e || idx >= f->count || hops++ > s->frame_top) return 0;
        if (!f->dir) return 1;
        *out_frame = f;
        entry = (const uint64_t *)f->dir + 2 * (size_t)idx;
        if (zs__zns_entry_flags(entry[0]) & ZS__ZNS_FIRST) return 0;
    }
    return zs__zns_entry_flags(entry[0]) & ZS__ZNS_BAD ? -1 : 1;
}

/* Counts objects. One with a piece missing or damaged that a sync had covered is lost, and reads say so; of the
   others the entry goes: a piece missing was never there, one damaged may have been, with nothing to tell.
   A missing frame that was covered is known by the ordinals [ORD-1]; `gone`: the epoch has such. */
static void zs__zns_count_frame(zslab_zns *s, zs__zns_ep *e, zs__zns_frame *f, int gone, zs__zns_loss *loss)
{
    uint64_t *dir = (uint64_t *)f->dir, heads = f->heads;
    int covered = zs__zns_covered(s, f->frame_seq);
    uint32_t torn = 0, bad = 0;
    size_t i;
    for (i = 0; dir && i < f->count; i++) {
        zs__zns_frame *where = f;
        uint32_t flags = zs__zns_entry_flags(dir[2 * i]);
        int whole, lost;
        if (flags & ZS__ZNS_BAD) s->recovery.damaged_bytes += covered ? zs__zns_entry_bytes(dir[2 * i]) : 0;
        bad |= flags & ZS__ZNS_BAD;
        whole = flags & ZS__ZNS_FIRST ? zs__zns_whole(s, e, dir + 2 * i, &where) : 1;
        if (whole == 1) continue;
        heads -= heads > 0;
        lost = whole < 0 ? zs__zns_covered(s, where->frame_seq) : f->ordinal ? gone : covered;
        if (lost) {
            loss->objects++;
            loss->bytes += zs__zns_entry_bytes(dir[2 * i]);
            continue;
        }
        if (whole < 0)
            s->recovery.tail_unverified++;
        else
            torn = 1;
        dir[2 * i] = 0;
        f->bad += !f->bad; /* what is struck out here is not on the device */
    }
    s->recovery.torn += torn;
    s->recovery.damaged_frames += bad && covered;
    e->objects += heads;
    s->objects += heads;
    s->recovery.objects += heads;
    if (!covered) s->recovery.unacknowledged_possible += heads;
}

static int zs__zns_u64_cmp(const void *a, const void *b)
{
    zs__u64 x = *(const zs__u64 *)a, y = *(const zs__u64 *)b;
    return x < y ? -1 : x > y;
}

static int zs__zns_ordinal_cmp(const void *a, const void *b)
{
    const zs__zns_frame *x = *(zs__zns_frame *const *)a, *y = *(zs__zns_frame *const *)b;
    return x->ordinal < y->ordinal ? -1 : x->ordinal > y->ordinal;
}

/* What is missing of an epoch: frames, objects and bytes, of these the covered ones. */
typedef struct zs__zns_gap {
    uint32_t frames, heads, bytes, covered, covered_heads, covered_bytes;
} zs__zns_gap;

/* The frames after ordinal `from`, `count` of them, with what they held by the sums beside them. */
static void zs__zns_gap_add(zs__zns_gap *g, uint32_t from, uint32_t count, uint32_t heads, uint32_t bytes,
                            uint32_t covered)
{
    uint32_t part = covered <= from ? 0 : covered - from < count ? covered - from : count;
    g->frames += count;
    g->heads += heads;
    g->bytes += bytes;
    g->covered += part;
    if (!part) return;
    g->covered_heads += heads; /* of a gap across the last sync: all, rather than too few */
    g->covered_bytes += bytes;
}

/* Looks for the epoch's frames that are not there. [ORD-1] The fields are as after a sync of all that is known. */
static zslab_result zs__zns_find_gaps(zslab_zns *s, zs__zns_ep *e, zs__zns_gap *g)
{
    zs__zns_frame **list;
    uint32_t at, n = 0, i, last = 0, heads = 0, bytes = 0, told = e->begun, covered = e->covered;
    for (at = e->frames; at; at = zs__zns_frame_of(s, at - 1)->next) n++;
    list = (zs__zns_frame **)(malloc)((n + 1) * sizeof(zs__zns_frame *));
    if (!list) return ZSLAB_E_NOMEM;
    for (n = 0, at = e->frames; at; at = zs__zns_frame_of(s, at - 1)->next) {
        list[n] = zs__zns_frame_of(s, at - 1);
        if (zs__zns_covered(s, list[n]->frame_seq) && list[n]->ordinal > covered) covered = list[n]->ordinal;
        if (list[n]->frame_seq > e->mark_seq) e->mark_seq = list[n]->frame_seq;
        n += list[n]->ordinal != 0;
    }
    qsort(list, n, sizeof(zs__zns_frame *), zs__zns_ordinal_cmp);
    for (i = 0; i < n; i++) {
        const zs__zns_frame *f = list[i];
        if (f->ordinal == last) continue;
        if (f->ordinal > last + 1)
            zs__zns_gap_add(g, last, f->ordinal - last - 1, f->before - heads, f->before_bytes - bytes, covered);
        last = f->ordinal;
        heads = f->before + f->heads;
        bytes = f->before_bytes + f->payload_bytes;
    }
    if (told > last) {
        zs__zns_gap_add(g, last, told - last, e->heads - heads, e->bytes - bytes, covered);
        last = told;
        heads = e->heads;
        bytes = e->bytes;
    }
    if (covered > last) zs__zns_gap_add(g, last, covered - last, 0, 0, covered);
    e->begun = e->landed = e->mark = covered > last ? covered : last;
    e->heads = heads;
    e->bytes = bytes;
    e->covered = covered;
    (free)(list);
    return ZSLAB_OK;
}

/* The epoch's losses against those of earlier recoveries; new ones are recorded when the store is written again. */
static zslab_result zs__zns_count_epoch(zslab_zns *s, zs__zns_ep *e)
{
    zs__zns_gap g;
    zs__zns_loss loss, *more;
    uint32_t at, lost = 0, torn;
    zslab_result r;
    memset(&g, 0, sizeof g);
    r = zs__zns_find_gaps(s, e, &g);
    if (r != ZSLAB_OK) return r;
    lost = g.covered > e->gone ? g.covered - e->gone : 0;
    torn = g.frames > e->gone + lost ? g.frames - e->gone - lost : 0;
    if (lost) {
        e->lost += g.covered_heads > e->gone_heads ? g.covered_heads - e->gone_heads : 0;
        e->lost_bytes += g.covered_bytes > e->gone_bytes ? g.covered_bytes - e->gone_bytes : 0;
        s->recovery.damaged_frames += lost;
        s->recovery.damaged_bytes += g.covered_bytes > e->gone_bytes ? g.covered_bytes - e->gone_bytes : 0;
        if (!s->recovery.zones_skipped) s->damage |= ZS__ZNS_HARM_LOST; /* else they went with an offline zone */
    }
    if (torn) s->recovery.tail_unverified += torn + (g.heads > g.covered_heads ? g.heads - g.covered_heads : 0);
    e->pending = lost || torn;
    if (e->pending) {
        e->gone = g.frames;
        e->gone_heads = g.heads;
        e->gone_bytes = g.bytes;
        e->gone_upto = e->begun;
    }
    loss.epoch = e->id;
    loss.objects = e->lost;
    loss.bytes = e->lost_bytes;
    for (at = e->frames; at; at = zs__zns_frame_of(s, at - 1)->next)
        zs__zns_count_frame(s, e, zs__zns_frame_of(s, at - 1), e->lost || lost, &loss);
    if (zs__zns_in_doubt(s, e)) { /* whether it was released is not known: nothing of it is shown */
        loss.objects += e->objects;
        loss.bytes += e->user_bytes;
        s->objects -= e->objects;
        s->recovery.objects -= e->objects;
    }
    s->recovery.lost += loss.objects;
    zs__add_u64(&s->lost, loss.objects);
    if (!loss.objects && !loss.bytes) return ZSLAB_OK;
    more = (zs__zns_loss *)(realloc)(s->loss, (s->loss_count + 1) * sizeof *more);
    if (!more) return ZSLAB_E_NOMEM;
    s->loss = more;
    s->loss[s->loss_count++] = loss;
    return ZSLAB_OK;
}

static zslab_result zs__zns_count_epochs(zslab_zns *s)
{
    uint32_t i;
    zslab_result r = ZSLAB_OK;
    for (i = 0; i < s->epoch_top && r == ZSLAB_OK; i++) {
        zs__zns_ep *e = zs__zns_ep_at(s, i);
        if (e && e->listed) r = zs__zns_count_epoch(s, e);
    }
    return r;
}

/* Epochs take up their work, free frame ids are gathered. */
static zslab_result zs__zns_take_epochs(zslab_zns *s)
{
    uint32_t i, id;
    for (i = 0; i < s->epoch_top; i++) {
        zs__zns_ep *e = zs__zns_ep_at(s, s->epoch_top - 1 - i);
        if (e && !e->listed) { /* the lowest comes first in the chain */
            e->id = 0;
            e->free_next = s->epoch_free;
            s->epoch_free = e->slot + 1;
        }
        if (!e || !e->listed || zs__zns_in_doubt(s, e)) continue;
        if (!zs__zns_order_room(s)) return ZSLAB_E_NOMEM;
        s->order[s->order_count++] = e->id;
        s->epoch_count++;
        s->recovery.epochs++;
        e->word = (uint64_t)(e->sealed ? ZS__ZNS_E_SEALED : ZS__ZNS_E_OPEN) << 56;
    }
    if (s->order_count) qsort(s->order, s->order_count, sizeof *s->order, zs__zns_u64_cmp);
    for (i = 0; i < s->zone_count; i++) { /* a zone of one epoch stays that epoch's */
        zs__zns_zone *z = &s->zone[i];
        zs__zns_ep *e = zs__zns_replay_epoch(s, z->owner);
        if (zs__zns_state(s, i) != ZS__ZNS_Z_OPEN) continue;
        if (!e || e->sealed) {
            z->owner = 0;
        } else if (e->own.cur == ZS__ZNS_NONE) {
            s->exclusive += !e->own.owner;
            e->own.owner = z->owner;
            e->own.cur = i;
            e->stream = (uintptr_t)&e->own;
            z->users++;
        }
    }
    for (id = s->frame_top; id; id--) {
        zs__zns_frame *f = zs__zns_frame_page(s, id - 1);
        if (f && !f->gen) zs__zns_frame_push(s, id - 1);
    }
    return ZSLAB_OK;
}

/* ---- opening ---- */

static zslab_result zs__zns_format(zslab_zns *s, const zs__zns_found *found)
{
    uint32_t i;
    int rc;
    uint64_t seed = zs__os_random();
    zs__zns_put64(s->uuid, zs__zns_mix(&seed));
    seed ^= zs__os_random();
    zs__zns_put64(s->uuid + 8, zs__zns_mix(&seed));
    if (s->dev.mend && (s->deep || s->dev.sick)) { /* nothing is kept */
        uint8_t *keep = (uint8_t *)(calloc)(s->zone_count, 1);
        rc = keep ? s->dev.mend(s->dev.user, keep) : -(int)ZSLAB_E_NOMEM;
        (free)(keep);
        if (rc) return (zslab_result)-rc;
    }
    for (i = 0; i < s->zone_count; i++)
        if (found[i].used && found[i].condition != ZSLAB_ZNS_READ_ONLY)
            zs__zns_zone_reset(s, i, ZS__ZNS_Z_EMPTY);
        else if (found[i].condition == ZSLAB_ZNS_READ_ONLY)
            zs__zns_zone_state(s, i, ZS__ZNS_Z_READ_ONLY);
    s->seq = 1;
    s->seq_limit = 0;
    s->epoch_top = 0;
    s->synced = 0;
    rc = zs__zns_meta_roll(s);
    memset(&s->recovery, 0, sizeof s->recovery);
    return (zslab_result)-rc;
}

static zslab_result zs__zns_none(zslab_zns *s, zslab_result r)
{
    s->why.field = r == ZSLAB_E_CORRUPT ? "log: no zone has a whole snapshot, and there was a store"
                                        : "zones: what is there is not a store's, or there is nothing";
    return r;
}

/* There is no whole snapshot: a fresh device, an interrupted format, a foreign one, or a damaged store. */
static zslab_result zs__zns_no_store(zslab_zns *s, const zs__zns_found *found)
{
    uint32_t i, written = 0, headers = 0, objects = 0, metas = 0;
    for (i = 0; i < s->zone_count; i++) {
        written += found[i].used != 0;
        headers += found[i].used && !found[i].odd;
        metas += found[i].kind == ZS__ZNS_KIND_META;
        objects += found[i].kind == ZS__ZNS_KIND_OBJECTS;
    }
    if (s->read_only || ((s->config.flags & ZSLAB_ZNS_FLAG_NO_FORMAT) && !(s->config.flags & ZSLAB_ZNS_FLAG_FORCE)))
        return zs__zns_none(s, objects ? ZSLAB_E_CORRUPT : ZSLAB_E_FOREIGN);
    if (s->config.flags & ZSLAB_ZNS_FLAG_FORCE) return zs__zns_format(s, found);
    if (s->noted.serial) return zs__zns_none(s, ZSLAB_E_CORRUPT); /* there was a store in this file */
    if (!written) return zs__zns_format(s, found);
    if (objects) return zs__zns_none(s, ZSLAB_E_CORRUPT);
    if (s->owned || headers == written) /* a format that did not get to its snapshot */
        return zs__zns_format(s, found);
    return zs__zns_none(s, metas ? ZSLAB_E_CORRUPT : ZSLAB_E_FOREIGN);
}

/* After recovery: the sequence moves past anything ever handed out, and a spare is kept. */
static zslab_result zs__zns_resume(zslab_zns *s)
{
    int rc = 0;
    uint32_t i, notes;
    s->log.hash = s->log.live = 0;
    for (i = 0; i < s->epoch_top; i++) {
        zs__zns_ep *e = zs__zns_ep_at(s, i);
        if (!e || !e->listed) continue;
        s->log.hash ^= e->id * ZS__ZNS_HASH;
        s->log.live++;
    }
    s->log_flushed.serial = s->log_reach;
    zs__store_u64(&s->seq, s->clean && s->clean_seq ? s->clean_seq : s->seq_limit);
    if (s->read_only) return ZSLAB_OK;
    zs__lock_take(&s->meta_lock);
    zs__zns_meta_pick_spare(s);
    if (s->damage) s->meta_used = s->zone[s->meta_zone].capacity; /* the log begins anew, whole */
    if (!s->clean) { /* frames behind a write pointer that fell back show when their zone is finished: not known now */
        s->frame_seq += (uint64_t)1 << 32;
        zs__zns_doubt(s, s->synced, s->frame_seq);
        s->meta_have = 0;
        zs__zns_record_doubt(s, s->doubt_count - 1);
        rc = zs__zns_meta_write(s);
    }
    for (i = 0; i < s->epoch_top && !rc; i++) { /* before anything new is covered: what is missing stays known */
        zs__zns_ep *e = zs__zns_ep_at(s, i);
        if (!e || !e->listed || !e->pending) continue;
        s->meta_have = 0;
        (void)zs__zns_record_frames(s, e);
        rc = zs__zns_meta_write(s);
        e->pending = 0;
    }
    while (!rc) { /* the ends of cut zones are durable before any frame id is given again */
        rc = zs__zns_reserve_ahead(s);
        for (i = 0, notes = 0; i < s->zone_count; i++) notes += s->zone[i].index_noted == 1;
        if (!notes) break;
    }
    zs__lock_drop(&s->meta_lock);
    if (rc == -(int)ZSLAB_E_NO_SPACE || rc == -(int)ZSLAB_E_READ_ONLY || rc == -(int)ZSLAB_E_OFFLINE) {
        s->read_only = 1; /* nothing can be recorded any more; what is there can be read */
        rc = 0;
    }
    return (zslab_result)-rc;
}

static void zs__zns_limits(zslab_zns *s)
{
    uint32_t i;
    for (i = 0; i < s->zone_count; i++) {
        zs__zns_zone *z = &s->zone[i];
        uint32_t frames = z->capacity / s->frame_blocks + 1;
        uint32_t room = zs__zns_blocks(s, ZS__ZNS_HEAD_BYTES + (size_t)(frames + frames / 4) * ZS__ZNS_ITEM_BYTES);
        z->limit = z->capacity; /* an index takes at most 1/1024, and none is kept of a few large frames */
        if (z->capacity / 1024 >= room && frames > 16) z->limit -= room;
    }
}

/* Damage that may be put right by looking at every block: a zone with a wrong entry, frames behind its pointer. */
static int zs__zns_look_deeper(zslab_zns *s)
{
    if (s->deep || s->dev.beside || !s->dev.distrust) return 0;
    if (s->meta_zone == ZS__ZNS_NONE) return !s->dev.fresh && !(s->config.flags & ZSLAB_ZNS_FLAG_FORCE);
    return (s->dev.sick & ZS__ZNS_SICK_TABLE) || (s->damage & ZS__ZNS_HARM_LOST) || s->unproven;
}

/* What recovery found: 1: nothing is changed until the caller asks for that. */
static int zs__zns_hands_off(zslab_zns *s)
{
    if (s->dev.sick || s->deep) s->damage |= ZS__ZNS_HARM_TABLE;
    if (!s->damage) return 0;
    s->recovery.result = (uint32_t)ZSLAB_E_CORRUPT;
    if (!(s->config.flags & ZSLAB_ZNS_FLAG_REPAIR)) s->read_only = 1;
    return s->read_only != 0;
}

/* The device is to be written again: what was found out about it is put right first. */
static zslab_result zs__zns_repair(zslab_zns *s, zs__zns_found *found)
{
    uint8_t *keep = (uint8_t *)(calloc)(s->zone_count, 1);
    uint32_t i;
    int rc = keep ? 0 : -(int)ZSLAB_E_NOMEM;
    for (i = 0; i < s->epoch_top && !rc; i++) {
        zs__zns_ep *e = zs__zns_ep_at(s, i);
        if (e && e->listed && zs__zns_in_doubt(s, e)) zs__zns_drop_doubted(s, e);
    }
    s->unproven = 0;
    for (i = 0; i < s->zone_count && !rc; i++) keep[i] = s->deep && (s->zone[i].refs || i == s->meta_zone);
    if (!rc && s->dev.mend && (s->dev.sick || s->deep)) rc = s->dev.mend(s->dev.user, keep);
    for (i = 0; i < s->zone_count && !rc && s->deep; i++) { /* the device tells the truth again */
        zslab_zns_zone d;
        rc = zs__zns_report_one(s, i, &d);
        found[i].condition = d.condition;
        if (d.condition == ZSLAB_ZNS_EMPTY) found[i].used = 0;
    }
    (free)(keep);
    return (zslab_result)-rc;
}

/* Has a zone that recovery went by been reset since, by the writer beside this reader? */
static int zs__zns_moved(zslab_zns *s, const uint32_t *before, uint32_t *after)
{
    uint32_t i, moved = 0;
    if (s->dev.look(s->dev.user, after)) return 1;
    for (i = 0; i < s->zone_count; i++)
        moved |= before[i] != after[i] && (s->zone[i].refs || i == s->meta_zone || s->damage);
    return (int)moved;
}

/* ZSLAB_E_BUSY: the store is to be looked at again, from the beginning. */
static ZS__NOINLINE zslab_result zs__zns_mount(zslab_zns *s)
{
    uint64_t began = zs__os_now_ns();
    zs__zns_found *found = (zs__zns_found *)(calloc)(s->zone_count, sizeof *found);
    uint32_t *resets = (uint32_t *)(calloc)((size_t)2 * s->zone_count, sizeof *resets), fresh = 0;
    zslab_result r = found && resets ? ZSLAB_OK : ZSLAB_E_NOMEM;
    if (s->dev.noted) s->dev.noted(s->dev.user, &s->noted);
    if (r == ZSLAB_OK && s->dev.beside) {
        s->synced = s->noted.synced;
        r = s->noted.serial ? (zslab_result)-s->dev.look(s->dev.user, resets) : ZSLAB_E_BUSY;
    }
    if (r == ZSLAB_OK && s->deep) s->dev.distrust(s->dev.user);
    if (r == ZSLAB_OK) r = zs__zns_find_zones(s, found);
    zs__zns_limits(s);
    if (r == ZSLAB_OK) r = zs__zns_replay(s, found);
    if (r == ZSLAB_OK && s->noted.synced) zs__zns_synced_to(s, s->noted.synced);
    if (r == ZSLAB_OK && s->meta_zone == ZS__ZNS_NONE) {
        fresh = 1;
        r = zs__zns_look_deeper(s) ? ZSLAB_E_BUSY : zs__zns_no_store(s, found);
    } else if (r == ZSLAB_OK) {
        r = zs__zns_take_zones(s, found);
        if (r == ZSLAB_OK) r = zs__zns_count_epochs(s);
        if (r == ZSLAB_OK && zs__zns_look_deeper(s)) r = ZSLAB_E_BUSY;
        if (r == ZSLAB_OK && s->dev.beside && zs__zns_moved(s, resets, resets + s->zone_count)) r = ZSLAB_E_BUSY;
        if (r == ZSLAB_OK && !zs__zns_hands_off(s) && s->damage) r = zs__zns_repair(s, found);
        if (r == ZSLAB_OK) r = zs__zns_settle_zones(s, found);
        while (r == ZSLAB_OK && !s->read_only && s->slots && zs__zns_zones_in(s, ZS__ZNS_Z_OPEN) > s->slots &&
               zs__zns_zone_finish_fullest(s, 0))
            ; /* a crash took back what had made room for the log's next zone */
        if (r == ZSLAB_OK) r = zs__zns_take_epochs(s);
        if (r == ZSLAB_OK) r = zs__zns_resume(s);
    }
    if (r == ZSLAB_OK && !s->read_only) r = (zslab_result)-zs__zns_tell(s);
    if (!fresh) s->recovery.duration_ns = zs__os_now_ns() - began;
    (free)(resets);
    (free)(found);
    return r;
}

static void zs__zns_free(zslab_zns *s)
{
    uint32_t i, k;
    for (i = 0; i < s->epoch_top; i++) {
        zs__zns_ep *e = zs__zns_ep_at(s, i);
        if (e) zs__zns_ep_land(s, e, 1); /* a device that failed a sync may still have appends under way */
        for (k = 0; e && k < ZSLAB_ZNS_LANES; k++) zs__zns_buffer_free(e->lane[k]);
        if (e) (free)(e->zone);
    }
    while (s->pool) {
        zs__zns_buffer *b = s->pool;
        s->pool = b->spare;
        zs__zns_buffer_free(b);
    }
    (free)(s->busy);
    (free)(s->order);
    (free)(s->batch[0].epoch);
    (free)(s->batch[1].epoch);
    for (i = 0; i < ZS__ZNS_FRAMES_MAX / ZS__ZNS_FRAME_PAGE; i++) {
        zs__zns_frame *page = (zs__zns_frame *)s->frame_page[i];
        for (k = 0; page && k < ZS__ZNS_FRAME_PAGE; k++) (free)((void *)page[k].dir);
        (free)(page);
        if (!page && i > s->frame_top / ZS__ZNS_FRAME_PAGE) break;
    }
    for (i = 0; i < ZS__ZNS_EPOCHS_MAX / ZS__ZNS_EPOCH_PAGE; i++) (free)((void *)s->epoch_page[i]);
    for (i = 0; s->zone && i < s->zone_count; i++) (free)(s->zone[i].frame);
    (free)(s->loss);
    (free)(s->zone);
    zs__zns_pages_free(s->meta_pages);
    if (s->dev.ops.close) (s->dev.ops.close)(s->dev.user);
    (free)(s);
}

/* Limits that follow from the geometry. The metadata keeps one active zone for itself. */
static zslab_result zs__zns_shape(zslab_zns *s)
{
    zslab_zns_geometry *g = &s->dev.ops.geometry;
    uint32_t active = g->max_active, frame_bytes;
    uint64_t per_block;
    zslab_result r = zs__zns_geometry_check(g, &s->why);
    if (r != ZSLAB_OK) return r;
    if (g->max_open && (!active || g->max_open < active))
        active = g->max_open; /* one open zone closed for another costs nothing, one more than open does */
    if (s->config.max_active && (!active || s->config.max_active < active)) active = s->config.max_active;
    s->why.field = "config.max_active: 1 is too few";
    if (active == 1) return ZSLAB_E_GEOMETRY;
    s->why.field = "geometry.zone_capacity_bytes: the log has no room in a zone";
    s->slots = active ? active - 1 : 0;
    s->block_bytes = g->block_bytes;
    s->zone_count = g->zone_count;
    frame_bytes = g->max_append_bytes < ZS__ZNS_FRAME_MAX ? g->max_append_bytes : ZS__ZNS_FRAME_MAX;
    if (frame_bytes > g->zone_capacity_bytes / 4) frame_bytes = (uint32_t)(g->zone_capacity_bytes / 4);
    s->frame_blocks = frame_bytes / s->block_bytes;
    if (s->frame_blocks < 2) s->frame_blocks = 2;
    s->pack_blocks = s->config.buffer_bytes ? zs__zns_blocks(s, s->config.buffer_bytes) : s->frame_blocks;
    s->pack_blocks = s->pack_blocks < 2 ? 2 : s->pack_blocks > s->frame_blocks ? s->frame_blocks : s->pack_blocks;
    s->meta_room = (size_t)s->frame_blocks * s->block_bytes;
    per_block = (s->meta_room - ZS__ZNS_HEAD_BYTES - 32) / 88 * (g->zone_capacity_bytes * 3 / 4 / s->meta_room);
    s->epoch_limit = per_block < ZS__ZNS_EPOCHS_MAX ? (uint32_t)per_block : ZS__ZNS_EPOCHS_MAX;
    if (s->epoch_limit < 4) return ZSLAB_E_GEOMETRY;
    s->why.field = NULL;
    return ZSLAB_OK;
}

static zslab_zns *zs__zns_new(const zs__zns_dev *dev, const zslab_zns_config *config, uint32_t owned)
{
    zslab_zns *s = (zslab_zns *)(calloc)(1, sizeof *s);
    uint32_t i;
    if (!s) return NULL;
    s->dev = *dev;
    s->config = *config;
    s->config.faults = NULL;
    s->owned = owned;
    s->read_only = (config->flags & ZSLAB_ZNS_FLAG_READ_ONLY) != 0;
    if (!s->config.wait_timeout_ns) s->config.wait_timeout_ns = UINT64_C(1000000000);
    s->meta_zone = s->meta_spare = s->meta_kept = ZS__ZNS_NONE;
    s->sync_open = 1;
    for (i = 0; i < ZS__ZNS_CLASSES; i++) {
        s->stream[i].cur = s->stream[i].next = ZS__ZNS_NONE;
        s->stream[i].lifetime = i;
    }
    return s;
}

/* An open's failure outlives what it had opened, a close's the store. */
static zslab_zns *zs__zns_refuse(const char *call, const zs__zns_why *why, zslab_result r)
{
    zs__lock_take(&zs__zns_refused_lock);
    zs__zns_refused = *why;
    zs__zns_refused.call = call;
    zs__zns_refused.result = r;
    zs__lock_drop(&zs__zns_refused_lock);
    zs__fail(r);
    return NULL;
}

#define ZS__ZNS_MOUNTS 1000u /* beside a writer that resets zones all the time */

/* Recovers, and again from the beginning where damage asks for a closer look, or the writer beside has moved on. */
static zslab_zns *zs__zns_open(const char *call, const zs__zns_dev *dev, const zslab_zns_config *config, uint32_t owned)
{
    zslab_result r = ZSLAB_E_BUSY;
    uint32_t tries, deep = 0;
    zslab_zns *s = NULL;
    for (tries = 0; r == ZSLAB_E_BUSY && tries < ZS__ZNS_MOUNTS; tries++) {
        if (s) {
            s->dev.ops.close = NULL; /* the device stays open */
            zs__zns_free(s);
            if (dev->beside) zs__zns_nap(tries < 10 ? 0 : 200);
        }
        r = ZSLAB_E_NOMEM;
        s = zs__zns_new(dev, config, owned);
        if (!s) break;
        s->deep = deep;
        deep = !dev->beside;
        r = zs__zns_shape(s);
        if (r != ZSLAB_OK) break;
        s->zone = (zs__zns_zone *)(calloc)(s->zone_count, sizeof *s->zone);
        s->meta_pages = (uint8_t *)zs__zns_pages(s->meta_room);
        r = s->zone && s->meta_pages ? zs__zns_mount(s) : ZSLAB_E_NOMEM;
    }
    if (r == ZSLAB_OK && dev->made) {
        (free)(*dev->made); /* there is a store in it: the file stays */
        *dev->made = NULL;
    }
    if (r == ZSLAB_OK) return s;
    zs__zns_refuse(call, s ? &s->why : &dev->why, r);
    if (s)
        zs__zns_free(s);
    else
        (dev->ops.close)(dev->user);
    return NULL;
}

/* ---- >>public --------------------------------------------------------------
   Thin entry points: check, resolve, call one private function.                       */
static zslab_result zs__zns_answer(zslab_zns *s, const char *call, zslab_result r)
{
    if (r == ZSLAB_OK) return r;
    zs__fail(r);
    if (!s) return r;
    zs__lock_take(&s->why_lock);
    s->why.call = call;
    s->why.result = r;
    zs__lock_drop(&s->why_lock);
    return r;
}

static zslab_zns_config zs__zns_config(const zslab_zns_config *config)
{
    zslab_zns_config c;
    memset(&c, 0, sizeof c);
    return config ? *config : c;
}

zslab_zns *zslab_zns_open_file(const char *path, const zslab_zns_geometry *geometry, const zslab_zns_config *config)
{
#if ZSLAB_ZNS_HAS_FILE
    zslab_zns_config c = zs__zns_config(config);
    zs__zns_dev dev;
    zslab_result r = ZSLAB_E_INVALID;
    memset(&dev, 0, sizeof dev);
    dev.why.field = path ? "config.faults: NULL, with fault_count" : "path: NULL";
    if (path && (!c.fault_count || c.faults)) r = zs__zns_file_open(path, geometry, &c, &dev);
    return r == ZSLAB_OK ? zs__zns_open("open_file", &dev, &c, 1) : zs__zns_refuse("open_file", &dev.why, r);
#else
    zs__zns_why why = {"open_file", "path: this system has no file device", NULL, 0, 0, ZSLAB_OK, 0, 0, 0, 0, 0};
    (void)path, (void)geometry, (void)config;
    return zs__zns_refuse("open_file", &why, ZSLAB_E_INVALID);
#endif
}

#if ZSLAB_ZNS_USE_LIBZBD
zslab_zns *zslab_zns_open_device(const char *path, const zslab_zns_config *config)
{
    zslab_zns_config c = zs__zns_config(config);
    zs__zns_dev dev;
    zslab_result r = ZSLAB_E_INVALID;
    memset(&dev, 0, sizeof dev);
    dev.why.field = path ? "config.faults: of the file device only" : "path: NULL";
    if (path && !c.fault_count) r = zs__zns_nvme_open(path, &c, &dev);
    return r == ZSLAB_OK ? zs__zns_open("open_device", &dev, &c, 0) : zs__zns_refuse("open_device", &dev.why, r);
}
#endif

zslab_zns *zslab_zns_open_ops(const zslab_zns_ops *ops, void *user, const zslab_zns_config *config)
{
    zslab_zns_config c = zs__zns_config(config);
    zs__zns_dev dev;
    memset(&dev, 0, sizeof dev);
    dev.why.field = "ops: NULL, or one of the seven is";
    if (!ops || !ops->report || !ops->append || !ops->read || !ops->reset || !ops->finish || !ops->flush || !ops->close)
        return zs__zns_refuse("open_ops", &dev.why, ZSLAB_E_INVALID);
    dev.ops = *ops;
    dev.user = user;
    dev.uses_append = 1;
    return zs__zns_open("open_ops", &dev, &c, 0);
}

/* meta_lock held, everything synced. How many frames each epoch has, then the note of an orderly end. */
static int zs__zns_close_log(zslab_zns *s)
{
    uint32_t i;
    int rc = 0;
    s->meta_have = 0;
    for (i = 0; i < s->epoch_top && !rc; i++) {
        zs__zns_ep *e = zs__zns_ep_at(s, i);
        if (!e || !e->listed || e->told == e->begun) continue;
        if (s->meta_have + 56 + 24 > ZS__ZNS_META_KEEP) {
            rc = zs__zns_meta_write(s);
            s->meta_have = 0;
        }
        (void)zs__zns_record_frames(s, e);
        e->told = e->begun;
    }
    if (!rc) {
        uint8_t *p = zs__zns_record(s, ZS__ZNS_R_CLEAN, 24);
        zs__zns_put64(p + 8, zs__load_u64(&s->frame_seq)); /* relaxed both: nobody else is left */
        zs__zns_put64(p + 16, zs__load_u64(&s->seq));
    }
    rc = rc ? rc : zs__zns_meta_write(s);
    rc = rc ? rc : zs__zns_dev_flush(s);
    return rc ? rc : zs__zns_tell(s);
}

zslab_result zslab_zns_close(zslab_zns *s)
{
    zslab_result r;
    if (!s) return zs__zns_answer(s, "close", ZSLAB_E_INVALID);
    r = s->read_only ? ZSLAB_OK : zslab_zns_sync(s, 0);
    if (r == ZSLAB_OK && !s->read_only) {
        zs__lock_take(&s->meta_lock);
        if (zs__zns_close_log(s)) r = ZSLAB_E_IO; /* only the note is missing: everything was synced */
        zs__lock_drop(&s->meta_lock);
    }
    if (r != ZSLAB_OK) (void)zs__zns_refuse("close", &s->why, r);
    zs__zns_free(s);
    return r;
}

/* A free place for an epoch, taken out of the chain; meta_lock held. After a restart whole pages may be missing. */
static zs__zns_ep *zs__zns_ep_free(zslab_zns *s)
{
    zs__zns_ep *e;
    uint32_t i;
    while (!s->epoch_free && s->epoch_hole < s->epoch_top / ZS__ZNS_EPOCH_PAGE) {
        uint32_t first = s->epoch_hole++ * ZS__ZNS_EPOCH_PAGE;
        if (zs__zns_ep_at(s, first)) continue;
        for (i = ZS__ZNS_EPOCH_PAGE; i && zs__zns_ep_page(s, first); i--) {
            e = zs__zns_ep_at(s, first + i - 1);
            e->free_next = s->epoch_free;
            s->epoch_free = e->slot + 1;
        }
    }
    if (s->epoch_free) {
        e = zs__zns_ep_at(s, s->epoch_free - 1);
        s->epoch_free = e->free_next;
        return e;
    }
    if (s->epoch_top >= ZS__ZNS_EPOCHS_MAX || !zs__zns_ep_page(s, s->epoch_top)) return NULL;
    return zs__zns_ep_at(s, s->epoch_top++);
}

/* Zones of its own when it will fill about half of one and slots allow; else those of its class. */
static void zs__zns_ep_choose_stream(zslab_zns *s, zs__zns_ep *e)
{
    zs__lock_take(&s->zone_lock);
    zs__zns_ep_init(s, e);
    if (e->expected >= s->dev.ops.geometry.zone_capacity_bytes / 2 && (!s->slots || s->exclusive + 1 < s->slots)) {
        s->exclusive++;
        e->own.owner = e->id;
        zs__store_ptr(&e->stream, (uintptr_t)&e->own); /* relaxed: published by its state */
    }
    zs__lock_drop(&s->zone_lock);
}

/* meta_lock held. Fills in the record of a free place and writes it down. */
static int zs__zns_begin(zslab_zns *s, zs__zns_ep *e, const zslab_zns_epoch_config *c)
{
    uint64_t seq;
    int rc = zs__zns_seq_next(s, &seq);
    if (rc) return rc;
    e->expected = c->expected_bytes;
    e->lifetime = c->lifetime_class;
    e->expires = c->expires_ns;
    e->sealed = 0;
    zs__label_copy(e->label, c->label);
    zs__store_u64(&e->id, seq * ZS__ZNS_EPOCHS_MAX + e->slot); /* relaxed: shut until the turn below publishes */
    e->begun = e->landed = e->heads = e->bytes = e->covered = e->mark = e->told = 0;
    e->gone_upto = e->gone = e->gone_heads = e->gone_bytes = e->lost = e->pending = 0;
    e->lost_bytes = e->mark_seq = 0;
    s->meta_have = 0;
    zs__zns_record_epoch(s, e);
    zs__zns_list(s, e, 1);
    rc = zs__zns_meta_write(s);
    if (rc) {
        zs__zns_list(s, e, 0);
        zs__store_u64(&e->id, 0);
        return rc;
    }
    s->order[s->order_count++] = e->id;
    s->epoch_count++;
    return 0;
}

zslab_zns_epoch zslab_zns_epoch_begin(zslab_zns *s, const zslab_zns_epoch_config *config)
{
    zslab_zns_epoch_config c;
    zs__zns_ep *e = NULL;
    zslab_result r;
    memset(&c, 0, sizeof c);
    if (config) c = *config;
    r = !s || c.lifetime_class >= ZS__ZNS_CLASSES ? ZSLAB_E_INVALID : zs__zns_fatal(s);
    if (zs__zns_answer(s, "epoch_begin", r) != ZSLAB_OK) return 0;
    zs__lock_take(&s->meta_lock);
    e = s->epoch_count < s->epoch_limit && zs__zns_order_room(s) ? zs__zns_ep_free(s) : NULL;
    r = e ? (zslab_result)-zs__zns_begin(s, e, &c) : ZSLAB_E_LIMIT;
    if (e && r != ZSLAB_OK) { /* its place is free again */
        e->free_next = s->epoch_free;
        s->epoch_free = e->slot + 1;
    }
    zs__lock_drop(&s->meta_lock);
    if (zs__zns_answer(s, "epoch_begin", r) != ZSLAB_OK) return 0;
    zs__zns_ep_choose_stream(s, e);
    zs__zns_ep_turn(e, ZS__ZNS_E_FREE, ZS__ZNS_E_FREE, ZS__ZNS_E_OPEN); /* publishes all of it. Pairs with pins */
    return zs__load_acq_u64(&e->id);                                    /* acquire: our own */
}

/* Writers are shut out and waited for, buffers written, the seal recorded, own zones completed. */
static zslab_result zs__zns_seal(zslab_zns *s, zs__zns_ep *e)
{
    int rc;
    if (!zs__zns_ep_turn(e, ZS__ZNS_E_OPEN, ZS__ZNS_E_OPEN, ZS__ZNS_E_SEALED))
        return ZS__ZNS_E_STATE(zs__load_acq_u64(&e->word)) == ZS__ZNS_E_SEALED ? ZSLAB_OK
                                                                               : ZSLAB_E_CLOSED; /* acquire */
    zs__zns_ep_wait(e, ZS__ZNS_E_PINS & ~(ZS__ZNS_E_WRITER - 1));
    rc = zs__zns_epoch_flush(s, e);
    if (!rc) zs__zns_buffers_give(s, e, 0);
    if (!rc) {
        zs__lock_take(&s->meta_lock);
        zs__zns_meta_record(s, ZS__ZNS_R_SEAL, e->id);
        zs__zns_record_frames(s, e);
        e->sealed = 1;
        e->told = e->begun;
        rc = zs__zns_meta_write(s);
        if (rc) e->sealed = 0;
        zs__lock_drop(&s->meta_lock);
    }
    if (rc) {
        zs__zns_ep_turn(e, ZS__ZNS_E_SEALED, ZS__ZNS_E_SEALED, ZS__ZNS_E_OPEN);
        return (zslab_result)-rc;
    }
    zs__lock_take(&s->zone_lock);
    if (e->own.owner) { /* a zone mostly empty or needed goes to the class, and so does one opened ahead */
        uint32_t cur = zs__load_u32(&e->own.cur), most; /* relaxed: zone_lock guards changes */
        uint32_t left = cur != ZS__ZNS_NONE ? zs__zns_zone_left(s, cur) : 0;
        int spare = zs__zns_promise(s, left, &most); /* else others count on it [BUF-5] */
        int roomy = cur != ZS__ZNS_NONE && (left > s->zone[cur].limit / 2 || (left >= s->pack_blocks && spare <= 0));
        if (roomy) s->zone[cur].owner = 0;
        if (e->own.next != ZS__ZNS_NONE) s->zone[e->own.next].owner = 0;
        zs__zns_stream_leave(s, &e->own, !roomy);
        if (spare) zs__sub_u64(&s->promised, left);
        zs__zns_stream_drop_next(s, &e->own);
        s->exclusive--;
        e->own.owner = 0;
    }
    zs__lock_drop(&s->zone_lock);
    return ZSLAB_OK;
}

zslab_result zslab_zns_epoch_seal(zslab_zns *s, zslab_zns_epoch id)
{
    zs__zns_ep *e = s ? zs__zns_pin_id(s, id, 0) : NULL;
    zslab_result r;
    if (!e) return zs__zns_answer(s, "epoch_seal", s ? ZSLAB_E_CLOSED : ZSLAB_E_INVALID);
    r = zs__zns_fatal(s);
    if (r == ZSLAB_OK) r = zs__zns_seal(s, e);
    zs__zns_unpin(e, 0);
    return zs__zns_answer(s, "epoch_seal", r);
}

zslab_result zslab_zns_epoch_release(zslab_zns *s, zslab_zns_epoch id)
{
    zs__zns_ep *e = s && id ? zs__zns_ep_at(s, (uint32_t)(id % ZS__ZNS_EPOCHS_MAX)) : NULL;
    zslab_result r;
    if (!s) return zs__zns_answer(s, "epoch_release", ZSLAB_E_INVALID);
    r = zs__zns_fatal(s);
    if (r == ZSLAB_OK)
        r = e && zs__load_acq_u64(&e->id) == id ? zs__zns_release(s, e, id) : ZSLAB_E_CLOSED; /* acquire: _begin */
    return zs__zns_answer(s, "epoch_release", r);
}

zslab_result zslab_zns_append(zslab_zns *s, zslab_zns_epoch id, const void *data, size_t bytes,
                              zslab_handle *out_handle)
{
    zs__zns_ep *e;
    zslab_result r;
    zslab_handle h = 0;
    if (out_handle) *out_handle = 0;
    if (!s || !data || !bytes) return zs__zns_answer(s, "append", ZSLAB_E_INVALID);
    r = zs__zns_fatal(s);
    if (r != ZSLAB_OK) return zs__zns_answer(s, "append", r);
    e = zs__zns_pin_id(s, id, 1);
    if (!e) return zs__zns_answer(s, "append", ZSLAB_E_CLOSED);
    r = (zslab_result)-zs__zns_put(s, e, (const uint8_t *)data, bytes, &h);
    if (out_handle) *out_handle = h;
    zs__zns_unpin(e, 1);
    return zs__zns_answer(s, "append", r);
}

zslab_result zslab_zns_read(zslab_zns *s, zslab_handle h, void *buffer, size_t capacity, size_t *out_bytes)
{
    zs__zns_ep *e = NULL;
    uint64_t bytes = 0;
    uint32_t id = (uint32_t)(h >> 38), idx = (uint32_t)(h >> 26 & 0xfff);
    zslab_result r;
    if (out_bytes) *out_bytes = 0;
    if (!s || (!buffer && capacity)) return zs__zns_answer(s, "read", ZSLAB_E_INVALID);
    r = zs__zns_pin_handle(s, h, &e);
    if (r != ZSLAB_OK) return zs__zns_answer(s, "read", r);
    r = (zslab_result)-zs__zns_object(s, e, NULL, id, idx, (uint8_t *)buffer, capacity, &bytes);
    if (r == ZSLAB_OK && out_bytes) *out_bytes = (size_t)bytes;
    if (r == ZSLAB_OK && bytes > capacity && (buffer || !out_bytes)) r = ZSLAB_E_INVALID;
    if (r == ZSLAB_E_CORRUPT && zs__zns_overtaken(s, id)) r = ZSLAB_E_STALE;
    if (r == ZSLAB_E_CORRUPT) zs__add_u64(&s->lost, 1);
    zs__zns_unpin(e, 0);
    return zs__zns_answer(s, "read", r);
}

/* A sync's or flush's epoch, pinned; NULL with ZSLAB_OK: all of them. */
static zslab_result zs__zns_pin_some(zslab_zns *s, zslab_zns_epoch id, zs__zns_ep **out)
{
    zslab_result r = s ? zs__zns_fatal(s) : ZSLAB_E_INVALID;
    *out = NULL;
    if (r != ZSLAB_OK || !id) return r;
    *out = zs__zns_pin_id(s, id, 0);
    return *out ? ZSLAB_OK : ZSLAB_E_CLOSED;
}

zslab_result zslab_zns_sync(zslab_zns *s, zslab_zns_epoch id)
{
    zs__zns_ep *e;
    zslab_result r = zs__zns_pin_some(s, id, &e);
    if (r != ZSLAB_OK) return zs__zns_answer(s, "sync", r);
    r = zs__zns_sync_end(s, zs__zns_sync_join(s, e), UINT64_MAX);
    if (e) zs__zns_unpin(e, 0);
    zs__add_u64(&s->syncs, 1);
    return zs__zns_answer(s, "sync", r);
}

zslab_result zslab_zns_sync_begin(zslab_zns *s, zslab_zns_epoch id, uint64_t *out_ticket)
{
    zs__zns_ep *e;
    zslab_result r = out_ticket ? zs__zns_pin_some(s, id, &e) : ZSLAB_E_INVALID;
    if (out_ticket) *out_ticket = 0;
    if (r != ZSLAB_OK) return zs__zns_answer(s, "sync_begin", r);
    *out_ticket = zs__zns_sync_join(s, e);
    if (e) zs__zns_unpin(e, 0);
    zs__add_u64(&s->syncs, 1);
    return ZSLAB_OK;
}

zslab_result zslab_zns_sync_wait(zslab_zns *s, uint64_t ticket, uint64_t timeout_ns)
{
    uint64_t batch = ticket >> ZS__ZNS_TICKET_BITS;
    uint32_t slot = (uint32_t)(ticket & ((1u << ZS__ZNS_TICKET_BITS) - 1));
    if (!s || !batch || batch > zs__load_acq_u64(&s->sync_open) || /* acquire: pairs with zs__zns_sync_end */
        (slot && !zs__zns_ep_at(s, slot - 1)))
        return zs__zns_answer(s, "sync_wait", ZSLAB_E_INVALID);
    return zs__zns_answer(s, "sync_wait", zs__zns_sync_end(s, ticket, timeout_ns));
}

zslab_result zslab_zns_flush(zslab_zns *s, zslab_zns_epoch id)
{
    zs__zns_ep *e;
    zslab_result r = zs__zns_pin_some(s, id, &e);
    if (r != ZSLAB_OK) return zs__zns_answer(s, "flush", r);
    r = (zslab_result) - (e ? zs__zns_epoch_flush(s, e) : zs__zns_flush_all(s));
    if (e) zs__zns_unpin(e, 0);
    zs__zns_land_all(s);
    return zs__zns_answer(s, "flush", r);
}

static zslab_result zs__zns_walk_all(zslab_zns *s, zslab_zns_epoch id, zslab_zns_visit_fn *visit, void *user, int list)
{
    zslab_zns_epoch at = id;
    zslab_zns_epoch_stats t;
    zs__zns_walk w;
    int stop = 0;
    if (!s || !visit) return zs__zns_answer(s, list ? "list" : "iterate", ZSLAB_E_INVALID);
    memset(&w, 0, sizeof w);
    w.visit = visit;
    w.user = user;
    w.list = list;
    if (!id) at = zslab_zns_epoch_next(s, 0, &t);
    while (at && !stop) {
        zs__zns_ep *e = zs__zns_pin_id(s, at, 0);
        if (!e && id) return zs__zns_answer(s, list ? "list" : "iterate", ZSLAB_E_CLOSED);
        if (e) {
            stop = zs__zns_visit_epoch(s, e, &w);
            zs__zns_unpin(e, 0);
        }
        at = id ? 0 : zslab_zns_epoch_next(s, at, &t);
    }
    zs__zns_pages_free(w.image[0].pages);
    zs__zns_pages_free(w.image[1].pages);
    (free)(w.object);
    return zs__zns_answer(s, list ? "list" : "iterate", (zslab_result)-w.bad);
}

zslab_result zslab_zns_iterate(zslab_zns *s, zslab_zns_epoch id, zslab_zns_visit_fn *visit, void *user)
{
    return zs__zns_walk_all(s, id, visit, user, 0);
}
zslab_result zslab_zns_list(zslab_zns *s, zslab_zns_epoch id, zslab_zns_visit_fn *visit, void *user)
{
    return zs__zns_walk_all(s, id, visit, user, 1);
}

/* ---- copying out ---- */
#if ZSLAB_ZNS_HAS_FILE
/* Writes one frame of s, as it stands, to the epoch of the same id in d. */
static ZS__NOINLINE int zs__zns_copy_frame(zslab_zns *s, zslab_zns *d, zs__zns_ep *to, uint32_t id, uint8_t *pages,
                                           uint64_t *entry, zs__zns_load *l)
{
    const zs__zns_frame *f = zs__zns_frame_of(s, id);
    uint32_t header = zs__zns_header_blocks(s, f->count), i;
    zs__zns_frame *g = zs__zns_frame_page(d, id);
    uint8_t *payload = pages + (size_t)header * s->block_bytes;
    int rc = g ? zs__zns_read_blocks(s, f, 0, f->blocks, pages) : -(int)ZSLAB_E_NOMEM;
    for (i = 0; !rc && i < f->count; i++) rc = zs__zns_entry_of(s, id, i, entry + 2 * (size_t)i);
    for (i = 0; rc == -(int)ZSLAB_E_CORRUPT && i < f->count; i++) { /* its header: all are damaged there, too */
        entry[2 * (size_t)i] = zs__zns_entry0(1, ZS__ZNS_FIRST, ~zs__zns_crc(0, payload, 1));
        entry[2 * (size_t)i + 1] = 0;
    }
    if (rc && rc != -(int)ZSLAB_E_CORRUPT) return rc;
    for (i = 0; i < f->count; i++) entry[2 * (size_t)i] &= ~((uint64_t)ZS__ZNS_BAD << 27);
    if (f->payload_at % s->block_bytes) memmove(payload, pages + f->payload_at, f->payload_bytes);
    memset(payload + f->payload_bytes, 0,
           (size_t)zs__zns_blocks(s, f->payload_bytes) * s->block_bytes - f->payload_bytes);
    memset(l, 0, sizeof *l);
    l->id = id;
    l->count = f->count;
    l->entry = entry;
    l->header = pages;
    l->bytes = f->payload_bytes;
    l->min = l->max = header + zs__zns_blocks(s, f->payload_bytes);
    if (f->payload_at % s->block_bytes) { /* close behind the entries, as it was: put together in the second half */
        l->header = pages + (size_t)l->max * s->block_bytes;
        l->packed = payload;
        l->min = l->max = f->blocks;
    }
    g->gen = zs__zns_frame_of(s, id)->gen;
    g->epoch = (uintptr_t)to;
    g->next = to->frames;
    to->frames = id + 1;
    if (id >= d->frame_top) d->frame_top = id + 1;
    to->objects += f->heads;
    return zs__zns_load_write(d, to, l);
}

static ZS__NOINLINE int zs__zns_copy_epoch(zslab_zns *s, zslab_zns *d, zs__zns_ep *e, uint8_t *pages, uint64_t *entry,
                                           zs__zns_load *l)
{
    zs__zns_ep *to = zs__zns_ep_page(d, e->slot);
    size_t n = 0, i;
    zs__zns_order *list;
    int rc = to && zs__zns_order_room(d) ? zs__zns_epoch_flush(s, e) : -(int)ZSLAB_E_NOMEM;
    if (rc) return rc;
    to->id = e->id;
    to->expected = e->expected;
    to->expires = e->expires;
    to->lifetime = e->lifetime;
    to->sealed = e->sealed;
    memcpy(to->label, e->label, sizeof to->label);
    zs__zns_ep_init(d, to);
    if (e->slot >= d->epoch_top) d->epoch_top = e->slot + 1;
    zs__lock_take(&d->meta_lock);
    d->meta_have = 0;
    zs__zns_record_epoch(d, to);
    zs__zns_list(d, to, 1);
    rc = zs__zns_meta_write(d);
    d->order[d->order_count++] = to->id;
    d->epoch_count++;
    zs__lock_drop(&d->meta_lock);
    to->word = (uint64_t)(e->sealed ? ZS__ZNS_E_SEALED : ZS__ZNS_E_OPEN) << 56;
    list = zs__zns_frames_of(s, e, &n);
    if (!list) rc = -(int)ZSLAB_E_NOMEM;
    for (i = 0; list && !rc && i < n && list[i].seq != UINT64_MAX; i++)
        rc = zs__zns_copy_frame(s, d, to, list[i].id, pages, entry, l);
    (free)(list);
    return rc;
}

/* As many zones as what lives needs: a class leaves part of a frame at each zone's end and part of its last zone. */
static ZS__NOINLINE uint32_t zs__zns_copy_zones(zslab_zns *s)
{
    uint64_t live = 0, fit = s->zone[0].limit > 2 * s->frame_blocks ? s->zone[0].limit - s->frame_blocks : 1, zones;
    uint32_t i, classes = 0;
    zslab_zns_epoch_stats t;
    zslab_zns_epoch id;
    for (id = zslab_zns_epoch_next(s, 0, &t); id; id = zslab_zns_epoch_next(s, id, &t))
        classes |= 1u << t.lifetime_class;
    for (i = 0; i < s->zone_count; i++) live += zs__load_u64(&s->zone[i].live_blocks); /* relaxed: a figure */
    zones = live / fit + 4;
    for (; classes; classes &= classes - 1) zones++;
    return zones < 1u << 20 ? (uint32_t)zones : 1u << 20;
}

static ZS__NOINLINE int zs__zns_copy_into(zslab_zns *s, zslab_zns *d)
{
    size_t room = 2 * ((size_t)s->frame_blocks + zs__zns_header_blocks(s, ZS__ZNS_ENTRIES_MAX)) * s->block_bytes;
    uint8_t *pages = (uint8_t *)zs__zns_pages(room);
    uint64_t *entry = (uint64_t *)(malloc)((size_t)ZS__ZNS_ENTRIES_MAX * ZS__ZNS_ENTRY_BYTES);
    zs__zns_load *l = (zs__zns_load *)(malloc)(sizeof *l);
    zslab_zns_epoch_stats t;
    zslab_zns_epoch id = 0;
    int rc = pages && entry && l ? 0 : -(int)ZSLAB_E_NOMEM;
    d->exclusive = d->zone_count; /* zones are those of the classes, so that they get full */
    zs__lock_take(&d->meta_lock);
    d->seq = zs__load_u64(&s->seq) + ZS__ZNS_SEQ_STEP; /* relaxed: past what any copied frame can have */
    rc = rc ? rc : zs__zns_reserve_ahead(d);
    zs__lock_drop(&d->meta_lock);
    while (!rc && (id = zslab_zns_epoch_next(s, id, &t)) != 0) {
        zs__zns_ep *e = zs__zns_pin_id(s, id, 0);
        if (e) rc = zs__zns_copy_epoch(s, d, e, pages, entry, l);
        if (e) zs__zns_unpin(e, 0);
    }
    zs__zns_pages_free(pages);
    (free)(entry);
    (free)(l);
    return rc;
}
#endif

#if ZSLAB_ZNS_HAS_FILE
static ZS__NOINLINE int zs__zns_copy_taken(const char *path) /* something is there that is no empty file */
{
    struct stat info;
    return !stat(path, &info) && (!S_ISREG(info.st_mode) || info.st_size);
}
#endif

zslab_result zslab_zns_copy_out(zslab_zns *s, const char *path)
{
#if ZSLAB_ZNS_HAS_FILE
    zslab_zns_geometry g;
    zslab_zns *d;
    zslab_result r, closed;
    if (!s || !path) return zs__zns_answer(s, "copy_out", ZSLAB_E_INVALID);
    if (zs__zns_copy_taken(path)) return zs__zns_answer(s, "copy_out", ZSLAB_E_FOREIGN);
    g = s->dev.ops.geometry;
    g.max_active = g.max_open = 0;
    g.zone_count = zs__zns_copy_zones(s);
    d = zslab_zns_open_file(path, &g, NULL);
    if (!d) return zs__zns_answer(s, "copy_out", zslab_last_error()); /* zslab_zns_error(NULL) has the details */
    r = (zslab_result)-zs__zns_copy_into(s, d);
    closed = zslab_zns_close(d);
    r = r != ZSLAB_OK ? r : closed;
    if (r != ZSLAB_OK) (void)remove(path);
    return zs__zns_answer(s, "copy_out", r);
#else
    (void)s, (void)path;
    return zs__zns_answer(s, "copy_out", ZSLAB_E_INVALID);
#endif
}

/* ---- looking inside ---- */

zslab_zns_epoch zslab_zns_epoch_next(zslab_zns *s, zslab_zns_epoch after, zslab_zns_epoch_stats *out)
{
    zs__zns_ep *best = NULL;
    uint32_t i;
    zslab_zns_epoch id = 0;
    if (!s || !out) {
        (void)zs__zns_answer(s, "epoch_next", ZSLAB_E_INVALID);
        return 0;
    }
    memset(out, 0, sizeof *out);
    zs__lock_take(&s->zone_lock); /* before meta_lock: the lock order */
    zs__lock_take(&s->meta_lock);
    best = zs__zns_order_live(s, zs__zns_order_above(s, after));
    id = best ? best->id : 0;
    if (best) {
        out->epoch = id;
        memcpy(out->label, best->label, sizeof out->label);
        out->lifetime_class = best->lifetime;
        out->sealed = best->sealed;
        out->expires_ns = best->expires;
        out->exclusive = best->own.owner != 0;
        out->objects = zs__load_u64(&best->objects); /* relaxed: counters */
        out->user_bytes = zs__load_u64(&best->user_bytes);
        out->device_bytes = zs__load_u64(&best->device_blocks) * s->block_bytes;
    }
    zs__lock_drop(&s->meta_lock);
    zs__lock_drop(&s->zone_lock);
    if (best && zs__zns_pin_id(s, id, 0)) { /* pinned: nobody gives the zones up */
        zs__lock_take(&best->lock);
        out->zones = best->zone_count;
        for (i = 0; i < best->zone_count; i++) {
            const zs__zns_zone *z = &s->zone[best->zone[i]];
            uint32_t alone = zs__load_u32(&z->refs) == 1; /* relaxed: a figure */
            out->pinned_bytes += (uint64_t)z->capacity * s->block_bytes;
            out->alone_bytes += alone ? (uint64_t)z->capacity * s->block_bytes : 0;
            out->alone_zones += alone;
        }
        zs__lock_drop(&best->lock);
        zs__zns_unpin(best, 0);
    }
    return id;
}

zslab_result zslab_zns_release_oldest(zslab_zns *s, uint64_t bytes, uint64_t until_ns, size_t *out_count)
{
    zslab_zns_epoch_stats t;
    zslab_zns_epoch id = 0;
    zslab_result r = s ? zs__zns_fatal(s) : ZSLAB_E_INVALID;
    uint64_t back = 0;
    if (out_count) *out_count = 0;
    while (r == ZSLAB_OK && (back < bytes || until_ns) && (id = zslab_zns_epoch_next(s, id, &t)) != 0) {
        if (back >= bytes && (!t.expires_ns || t.expires_ns > until_ns)) continue;
        r = zslab_zns_epoch_release(s, id);
        if (r == ZSLAB_OK) {
            back += t.device_bytes;
            if (out_count) ++*out_count;
        } else if (r == ZSLAB_E_CLOSED) { /* another thread was first */
            r = ZSLAB_OK;
        }
    }
    return zs__zns_answer(s, "release_oldest", r);
}

/* Blocks written in a zone, as the store knows. */
static uint64_t zs__zns_zone_used(zslab_zns *s, uint32_t zone)
{
    uint32_t state = zs__zns_state(s, zone);
    if (state == ZS__ZNS_Z_FULL || state == ZS__ZNS_Z_READ_ONLY) return s->zone[zone].capacity;
    return state == ZS__ZNS_Z_OPEN ? ZS__ZNS_RESERVED(zs__load_acq_u64(&s->zone[zone].word))
                                   : 0; /* acquire: a figure */
}

zslab_result zslab_zns_zone_at(zslab_zns *s, uint32_t zone, zslab_zns_zone_stats *out)
{
    static const uint32_t kinds[] = {0, 2, 2, 2, 1, 0, 2, 4, 3, 4}; /* by zone state */
    zs__zns_zone *z;
    uint64_t used;
    uint32_t i, k;
    int rc;
    if (!s || !out || zone >= s->zone_count) return zs__zns_answer(s, "zone_at", ZSLAB_E_INVALID);
    memset(out, 0, sizeof *out);
    z = &s->zone[zone];
    rc = zs__zns_dev_report(s, zone, &out->device);
    if (rc) return zs__zns_answer(s, "zone_at", (zslab_result)-rc);
    out->kind = kinds[zs__zns_state(s, zone)];
    used = zs__zns_zone_used(s, zone);
    out->epochs = zs__load_acq_u32(&z->refs); /* acquire: a figure */
    out->live_bytes = zs__load_acq_u64(&z->live_blocks) * s->block_bytes;
    used *= s->block_bytes;
    out->dead_bytes = used > out->live_bytes + s->block_bytes ? used - out->live_bytes - s->block_bytes : 0;
    zs__lock_take(&s->zone_lock);
    zs__lock_take(&s->meta_lock); /* of a metadata zone these change under meta_lock */
    out->lifetime_class = z->lifetime;
    out->owner = z->owner;
    out->sequence = z->seq;
    zs__lock_drop(&s->meta_lock);
    zs__lock_drop(&s->zone_lock);
    for (i = 0; i < zs__load_u32(&s->epoch_top) && out->kind == 2 && !out->first_epoch; i++) {
        zs__zns_ep *e = zs__zns_ep_at(s, i);
        if (!e || !zs__zns_pin(e, 0)) continue;
        zs__lock_take(&e->lock);
        for (k = 0; k < e->zone_count; k++)
            if (e->zone[k] == zone) out->first_epoch = zs__load_acq_u64(&e->id); /* acquire: pinned */
        zs__lock_drop(&e->lock);
        zs__zns_unpin(e, 0);
    }
    return ZSLAB_OK;
}

void zslab_zns_stats(zslab_zns *s, zslab_zns_store_stats *out)
{
    uint32_t i;
    uint64_t in_use = 0;
    zslab_zns_zone *device;
    if (!out) return;
    memset(out, 0, sizeof *out);
    out->version = ZSLAB_ZNS_STATS_VERSION;
    if (!s) return;
    out->zones = s->zone_count;
    out->uses_append = s->dev.uses_append;
    out->queue_depth = s->dev.queue_depth;
    out->queue_refused = s->dev.queue_refused;
    /* What the device says, if it answers: zones may have gone read-only or offline unasked. */
    device = (zslab_zns_zone *)(calloc)(s->zone_count, sizeof *device);
    if (device && s->dev.ops.report(s->dev.user, 0, s->zone_count, device)) {
        (free)(device);
        device = NULL;
    }
    for (i = 0; i < s->zone_count; i++) {
        uint32_t state = zs__zns_state(s, i);
        uint64_t live = zs__load_u64(&s->zone[i].live_blocks), used = zs__zns_zone_used(s, i); /* relaxed: figures */
        if (device) {
            uint32_t c = device[i].condition;
            out->zones_empty += c == ZSLAB_ZNS_EMPTY;
            out->zones_active += c == ZSLAB_ZNS_OPEN || c == ZSLAB_ZNS_CLOSED;
            out->zones_full += c == ZSLAB_ZNS_FULL;
            out->zones_read_only += c == ZSLAB_ZNS_READ_ONLY;
            out->zones_offline += c == ZSLAB_ZNS_OFFLINE;
        } else {
            out->zones_empty += state == ZS__ZNS_Z_EMPTY || state == ZS__ZNS_Z_SPARE;
            out->zones_active += state == ZS__ZNS_Z_OPEN || state == ZS__ZNS_Z_OPENING || state == ZS__ZNS_Z_META;
            out->zones_full += state == ZS__ZNS_Z_FULL || state == ZS__ZNS_Z_RETIRED;
            out->zones_read_only += state == ZS__ZNS_Z_READ_ONLY;
            out->zones_offline += state == ZS__ZNS_Z_OFFLINE;
        }
        out->live_bytes += live * s->block_bytes;
        out->dead_bytes += used > live + 1 ? (used - live - 1) * s->block_bytes : 0;
        in_use += used ? (uint64_t)s->zone[i].capacity * s->block_bytes : 0;
        if (state == ZS__ZNS_Z_EMPTY)
            out->free_bytes += (uint64_t)(s->zone[i].limit - 1) * s->block_bytes;
        else if (state == ZS__ZNS_Z_OPEN)
            out->free_bytes += (uint64_t)zs__zns_zone_left(s, i) * s->block_bytes;
        out->pinned_zones += zs__load_u32(&s->zone[i].dead) && zs__load_u32(&s->zone[i].refs);
    }
    (free)(device);
    zs__lock_take(&s->meta_lock);
    out->epochs = s->epoch_count;
    zs__lock_drop(&s->meta_lock);
    out->objects = zs__load_u64(&s->objects); /* relaxed, here and below: counters */
    out->user_bytes = zs__load_u64(&s->user_bytes);
    out->device_bytes = zs__load_u64(&s->device_blocks) * s->block_bytes;
    out->appends = zs__load_u64(&s->appends);
    out->syncs = zs__load_u64(&s->syncs);
    out->resets = zs__load_u64(&s->resets);
    out->finishes = zs__load_u64(&s->finishes);
    out->retries = zs__load_u64(&s->retries);
    out->lost_objects = zs__load_u64(&s->lost);
    out->write_amplification = out->user_bytes ? (double)out->device_bytes / (double)out->user_bytes : 0;
    out->space_amplification = out->live_bytes ? (double)in_use / (double)out->live_bytes : 0;
}

void zslab_zns_recovery(zslab_zns *s, zslab_zns_recovery_report *out)
{
    if (!out) return;
    memset(out, 0, sizeof *out);
    if (s) *out = s->recovery;
}

zslab_result zslab_zns_lost(zslab_zns *s, zslab_zns_lost_fn *visit, void *user)
{
    size_t i;
    if (!s || !visit) return zs__zns_answer(s, "lost", ZSLAB_E_INVALID);
    for (i = 0; i < s->loss_count; i++)
        if (visit(user, s->loss[i].epoch, s->loss[i].objects, s->loss[i].bytes)) break;
    return ZSLAB_OK;
}

static void zs__zns_say(zs__text *t, const char *name, uint64_t value, const char *after)
{
    zs__put_label(t, name, 1);
    zs__put_byte(t, ':');
    zs__put_u64(t, value);
    zs__put(t, after);
}
/* Thousandths as a decimal number. */
static void zs__zns_say_ratio(zs__text *t, const char *name, double value)
{
    uint64_t k = (uint64_t)(value * 1000 + 0.5), digit;
    zs__zns_say(t, name, k / 1000, ".");
    for (digit = 100; digit; digit /= 10) zs__put_byte(t, (char)('0' + k / digit % 10));
    zs__put_byte(t, ',');
}

/* What a call said, and of which field; then the device's last failure where that may be why, or came later. */
static void zs__zns_say_why(zs__text *t, const zs__zns_why *w, int read_only)
{
    if (w->call) {
        zs__put(t, "zslab_zns_");
        zs__put(t, w->call);
        zs__put(t, ": ");
        zs__put(t, zslab_result_name(w->result));
    }
    if (w->call && w->result == ZSLAB_E_READ_ONLY && read_only) zs__put(t, "; opened read-only");
    if (w->call && w->result == ZSLAB_E_READ_ONLY && read_only > 1)
        zs__put(t, " since damage was found: see ZSLAB_ZNS_FLAG_REPAIR");
    if (w->field) {
        zs__put(t, "; ");
        zs__put(t, w->field);
    }
    if (w->have != w->want) {
        zs__put(t, " is ");
        zs__put_u64(t, w->have);
        zs__put(t, " there, asked for was ");
        zs__put_u64(t, w->want);
    }
    if (w->op && (!w->call || w->result >= ZSLAB_E_CORRUPT)) {
        zs__put(t, w->call ? "; the device's last failure: " : "the device's last failure, made good: ");
        zs__put(t, w->op);
        if (w->zone != ZS__ZNS_NONE) {
            zs__put(t, " zone ");
            zs__put_u64(t, w->zone);
        }
        if (w->zone != ZS__ZNS_NONE && w->block != ZS__ZNS_NONE) {
            zs__put(t, ", block ");
            zs__put_u64(t, w->block);
        }
        zs__put(t, ": ");
        zs__put(t, zslab_result_name((zslab_result)-w->rc));
    }
    if (w->error) {
        zs__put(t, ", errno ");
        zs__put_u64(t, (uint32_t)w->error);
        zs__put(t, " (");
        zs__put(t, strerror(w->error)); /* NOLINT(concurrency-mt-unsafe): of known numbers the text does not move */
        zs__put(t, ")");
    }
    if (w->status) {
        zs__put(t, ", NVMe status ");
        zs__put_u64(t, w->status);
    }
}

size_t zslab_zns_error(const zslab_zns *store, char *buf, size_t cap)
{
    zslab_zns *s = (zslab_zns *)(uintptr_t)store;
    zs__lock *lock = s ? &s->why_lock : &zs__zns_refused_lock;
    zs__text t = {NULL, 0, 0};
    zs__zns_why why;
    zs__lock_take(lock);
    why = s ? s->why : zs__zns_refused;
    zs__lock_drop(lock);
    if (why.call && why.op && why.result < ZSLAB_E_CORRUPT) why.error = 0; /* of an operation that has no part in it */
    t.buf = buf;
    t.cap = buf ? cap : 0;
    zs__zns_say_why(&t, &why, s && s->read_only ? s->damage ? 2 : 1 : 0);
    return zs__text_end(&t);
}

size_t zslab_zns_stats_json(zslab_zns *s, char *buf, size_t cap)
{
    zslab_zns_store_stats t;
    zslab_zns_epoch_stats e;
    zslab_zns_epoch id;
    zs__text o = {NULL, 0, 0};
    const char *separator = "";
    o.buf = buf;
    o.cap = buf ? cap : 0;
    if (!s) return zs__text_end(&o);
    zslab_zns_stats(s, &t);
    zs__put(&o, "{");
    zs__zns_say(&o, "version", t.version, ",");
    zs__zns_say(&o, "zones", t.zones, ",");
    zs__zns_say(&o, "zones_empty", t.zones_empty, ",");
    zs__zns_say(&o, "zones_active", t.zones_active, ",");
    zs__zns_say(&o, "zones_full", t.zones_full, ",");
    zs__zns_say(&o, "zones_read_only", t.zones_read_only, ",");
    zs__zns_say(&o, "zones_offline", t.zones_offline, ",");
    zs__zns_say(&o, "uses_append", t.uses_append, ",");
    zs__zns_say(&o, "queue_depth", t.queue_depth, ",");
    zs__zns_say(&o, "queue_refused", t.queue_refused, ",");
    zs__zns_say(&o, "epochs", t.epochs, ",");
    zs__zns_say(&o, "objects", t.objects, ",");
    zs__zns_say(&o, "user_bytes", t.user_bytes, ",");
    zs__zns_say(&o, "device_bytes", t.device_bytes, ",");
    zs__zns_say(&o, "live_bytes", t.live_bytes, ",");
    zs__zns_say(&o, "dead_bytes", t.dead_bytes, ",");
    zs__zns_say(&o, "free_bytes", t.free_bytes, ",");
    zs__zns_say(&o, "pinned_zones", t.pinned_zones, ",");
    zs__zns_say(&o, "appends", t.appends, ",");
    zs__zns_say(&o, "syncs", t.syncs, ",");
    zs__zns_say(&o, "resets", t.resets, ",");
    zs__zns_say(&o, "finishes", t.finishes, ",");
    zs__zns_say(&o, "retries", t.retries, ",");
    zs__zns_say(&o, "lost_objects", t.lost_objects, ",");
    zs__zns_say_ratio(&o, "write_amplification", t.write_amplification);
    zs__zns_say_ratio(&o, "space_amplification", t.space_amplification);
    zs__put(&o, "\"epoch_list\":[");
    for (id = zslab_zns_epoch_next(s, 0, &e); id; id = zslab_zns_epoch_next(s, id, &e), separator = ",") {
        zs__put(&o, separator);
        zs__put(&o, "{");
        zs__zns_say(&o, "epoch", e.epoch, ",");
        zs__put(&o, "\"label\":");
        zs__put_label(&o, e.label, 1);
        zs__put(&o, ",");
        zs__zns_say(&o, "lifetime_class", e.lifetime_class, ",");
        zs__zns_say(&o, "sealed", e.sealed, ",");
        zs__zns_say(&o, "exclusive", e.exclusive, ",");
        zs__zns_say(&o, "objects", e.objects, ",");
        zs__zns_say(&o, "user_bytes", e.user_bytes, ",");
        zs__zns_say(&o, "device_bytes", e.device_bytes, ",");
        zs__zns_say(&o, "zones", e.zones, ",");
        zs__zns_say(&o, "pinned_bytes", e.pinned_bytes, ",");
        zs__zns_say(&o, "alone_bytes", e.alone_bytes, ",");
        zs__zns_say(&o, "alone_zones", e.alone_zones, ",");
        zs__zns_say(&o, "expires_ns", e.expires_ns, "}");
    }
    zs__put(&o, "]}");
    return zs__text_end(&o);
}
ZS__QUIET_END
#endif /* ZSLAB_ZNS_IMPLEMENTATION */

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
#endif /* ZS__TOO_OLD */
