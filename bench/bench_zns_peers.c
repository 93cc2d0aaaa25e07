/* build: -ldl */
/* What do generations of objects cost, beside the databases people use for them?
   24 generations of 10,000 objects of 1,000 bytes, the last 5 kept: store, sync every so many, drop the oldest whole
   one. The store, SQLite (WAL, synchronous FULL), LMDB and RocksDB in one run, one process each, on the same file
   system. A peer is loaded from its Debian package (libsqlite3-0, liblmdb0, librocksdb7.8); one that is not there is
   named as missing. Written: what the kernel counts for the process (write_bytes); space: blocks of all its files
   after the last drop.
     bench_zns_peers [-n objects a generation] [-g generations] [-e sync every so many, and no others] [-d folder]
                     [-o file.csv] */
#define _GNU_SOURCE
#define ZSLAB_IMPLEMENTATION
#include "zslab.h"
#define ZSLAB_ZNS_IMPLEMENTATION
#include "zslab_zns.h"
#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { BYTES = 1000, KEEP = 5 };
static int objects = 10000, generations = 24;
static const char *folder = "build/bench/peers";
static FILE *csv;
static unsigned char data[BYTES];

static void die(const char *what)
{
    printf("%s failed\n", what);
    _exit(1);
}

/* ---- the peers, each by five calls ---- */
typedef struct peer {
    const char *name;
    int (*open)(const char *path); /* 0: it is not on this machine */
    void (*put)(int generation, int object);
    void (*sync)(void);
    void (*drop)(int generation);
    void (*close)(void);
} peer;

static void *symbol(void *library, const char *name)
{
    void *p = dlsym(library, name);
    if (!p) die(name);
    return p;
}
/* A function pointer out of an object pointer, as POSIX has it. */
#define LOAD(library, name) *(void **)(void *)&(name) = symbol(library, #name)

static zslab_zns *store;
static zslab_zns_epoch epoch[256];

static int store_open(const char *path)
{
    char file[600];
    snprintf(file, sizeof file, "%s/store.zns", path);
    store = zslab_zns_open_file(file, NULL, NULL);
    return store != NULL;
}
static void store_put(int g, int i)
{
    zslab_handle h;
    zslab_zns_epoch_config c;
    memset(&c, 0, sizeof c);
    c.label = "generation";
    c.expected_bytes = (uint64_t)objects * BYTES;
    (void)i;
    if (!epoch[g]) epoch[g] = zslab_zns_epoch_begin(store, &c);
    if (zslab_zns_append(store, epoch[g], data, BYTES, &h) != ZSLAB_OK) die("append");
}
static void store_sync(void)
{
    if (zslab_zns_sync(store, 0) != ZSLAB_OK) die("sync");
}
static void store_drop(int g)
{
    if (zslab_zns_epoch_release(store, epoch[g]) != ZSLAB_OK) die("release");
}
static void store_close(void)
{
    if (zslab_zns_close(store) != ZSLAB_OK) die("close");
}

static int (*sqlite3_open)(const char *, void **);
static int (*sqlite3_exec)(void *, const char *, void *, void *, void *);
static int (*sqlite3_prepare_v2)(void *, const char *, int, void **, void *);
static int (*sqlite3_bind_int64)(void *, int, long long);
static int (*sqlite3_bind_blob)(void *, int, const void *, int, void *);
static int (*sqlite3_step)(void *);
static int (*sqlite3_reset)(void *);
static int (*sqlite3_finalize)(void *);
static int (*sqlite3_close)(void *);
static void *db, *insert;
static int inside;

static void sql(const char *text)
{
    if (sqlite3_exec(db, text, NULL, NULL, NULL)) die(text);
}
static int sqlite_open(const char *path)
{
    void *l = dlopen("libsqlite3.so.0", RTLD_NOW);
    char file[600];
    if (!l) return 0;
    LOAD(l, sqlite3_open);
    LOAD(l, sqlite3_exec);
    LOAD(l, sqlite3_prepare_v2);
    LOAD(l, sqlite3_bind_int64);
    LOAD(l, sqlite3_bind_blob);
    LOAD(l, sqlite3_step);
    LOAD(l, sqlite3_reset);
    LOAD(l, sqlite3_finalize);
    LOAD(l, sqlite3_close);
    snprintf(file, sizeof file, "%s/sqlite.db", path);
    if (sqlite3_open(file, &db)) die("sqlite3_open");
    sql("PRAGMA journal_mode=WAL");
    sql("PRAGMA synchronous=FULL");
    sql("CREATE TABLE t(g INTEGER, i INTEGER, v BLOB, PRIMARY KEY(g, i)) WITHOUT ROWID");
    if (sqlite3_prepare_v2(db, "INSERT INTO t VALUES(?1, ?2, ?3)", -1, &insert, NULL)) die("prepare");
    return 1;
}
static void sqlite_put(int g, int i)
{
    if (!inside++) sql("BEGIN");
    sqlite3_bind_int64(insert, 1, g);
    sqlite3_bind_int64(insert, 2, i);
    sqlite3_bind_blob(insert, 3, data, BYTES, NULL);
    if (sqlite3_step(insert) != 101) die("insert");
    sqlite3_reset(insert);
}
static void sqlite_sync(void)
{
    if (inside) sql("COMMIT");
    inside = 0;
}
static void sqlite_drop(int g)
{
    char text[80];
    sqlite_sync();
    snprintf(text, sizeof text, "DELETE FROM t WHERE g = %d", g);
    sql(text);
}
static void sqlite_close(void)
{
    sqlite3_finalize(insert);
    if (sqlite3_close(db)) die("sqlite3_close");
}

typedef struct mdb_val {
    size_t size;
    void *data;
} mdb_val;
static int (*mdb_env_create)(void **);
static int (*mdb_env_set_mapsize)(void *, size_t);
static int (*mdb_env_open)(void *, const char *, unsigned, unsigned);
static int (*mdb_txn_begin)(void *, void *, unsigned, void **);
static int (*mdb_txn_commit)(void *);
static int (*mdb_dbi_open)(void *, const char *, unsigned, unsigned *);
static int (*mdb_put)(void *, unsigned, mdb_val *, mdb_val *, unsigned);
static int (*mdb_del)(void *, unsigned, mdb_val *, mdb_val *);
static void (*mdb_env_close)(void *);
static void *env, *txn;
static unsigned dbi;

static int lmdb_open(const char *path)
{
    void *l = dlopen("liblmdb.so.0", RTLD_NOW);
    if (!l) return 0;
    LOAD(l, mdb_env_create);
    LOAD(l, mdb_env_set_mapsize);
    LOAD(l, mdb_env_open);
    LOAD(l, mdb_txn_begin);
    LOAD(l, mdb_txn_commit);
    LOAD(l, mdb_dbi_open);
    LOAD(l, mdb_put);
    LOAD(l, mdb_del);
    LOAD(l, mdb_env_close);
    if (mdb_env_create(&env) || mdb_env_set_mapsize(env, (size_t)1 << 30) || mdb_env_open(env, path, 0, 0644) ||
        mdb_txn_begin(env, NULL, 0, &txn) || mdb_dbi_open(txn, NULL, 0, &dbi))
        die("lmdb");
    return 1;
}
static void key_of(int g, int i, unsigned char key[8])
{
    int k;
    for (k = 0; k < 4; k++) {
        key[k] = (unsigned char)((unsigned)g >> (24 - 8 * k));
        key[4 + k] = (unsigned char)((unsigned)i >> (24 - 8 * k));
    }
}
static void lmdb_put(int g, int i)
{
    unsigned char key[8];
    mdb_val k = {sizeof key, key}, v = {BYTES, data};
    key_of(g, i, key);
    if (!txn && mdb_txn_begin(env, NULL, 0, &txn)) die("txn");
    if (mdb_put(txn, dbi, &k, &v, 0)) die("put");
}
static void lmdb_sync(void)
{
    if (txn && mdb_txn_commit(txn)) die("commit");
    txn = NULL;
}
static void lmdb_drop(int g)
{
    int i;
    for (i = 0; i < objects; i++) {
        unsigned char key[8];
        mdb_val k = {sizeof key, key};
        key_of(g, i, key);
        if (!txn && mdb_txn_begin(env, NULL, 0, &txn)) die("txn");
        if (mdb_del(txn, dbi, &k, NULL)) die("del");
    }
    lmdb_sync();
}
static void lmdb_close(void) { mdb_env_close(env); }

static void *(*rocksdb_options_create)(void);
static void (*rocksdb_options_set_create_if_missing)(void *, unsigned char);
static void *(*rocksdb_open)(void *, const char *, char **);
static void *(*rocksdb_writeoptions_create)(void);
static void (*rocksdb_writeoptions_set_sync)(void *, unsigned char);
static void *(*rocksdb_writebatch_create)(void);
static void (*rocksdb_writebatch_put)(void *, const char *, size_t, const char *, size_t);
static void (*rocksdb_writebatch_clear)(void *);
static void (*rocksdb_write)(void *, void *, void *, char **);
static void (*rocksdb_writebatch_delete_range)(void *, const char *, size_t, const char *, size_t);
static void (*rocksdb_close)(void *);
static void *rocks, *rocks_write, *rocks_batch;

static int rocks_open(const char *path)
{
    void *l = dlopen("librocksdb.so.7.8", RTLD_NOW), *o;
    char *error = NULL;
    if (!l) l = dlopen("librocksdb.so", RTLD_NOW);
    if (!l) return 0;
    LOAD(l, rocksdb_options_create);
    LOAD(l, rocksdb_options_set_create_if_missing);
    LOAD(l, rocksdb_open);
    LOAD(l, rocksdb_writeoptions_create);
    LOAD(l, rocksdb_writeoptions_set_sync);
    LOAD(l, rocksdb_writebatch_create);
    LOAD(l, rocksdb_writebatch_put);
    LOAD(l, rocksdb_writebatch_clear);
    LOAD(l, rocksdb_write);
    LOAD(l, rocksdb_writebatch_delete_range);
    LOAD(l, rocksdb_close);
    o = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(o, 1);
    rocks = rocksdb_open(o, path, &error);
    if (error) die(error);
    rocks_write = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(rocks_write, 1);
    rocks_batch = rocksdb_writebatch_create();
    return 1;
}
static void rocks_put(int g, int i)
{
    unsigned char key[8];
    key_of(g, i, key);
    rocksdb_writebatch_put(rocks_batch, (const char *)key, sizeof key, (const char *)data, BYTES);
}
static void rocks_sync(void)
{
    char *error = NULL;
    rocksdb_write(rocks, rocks_write, rocks_batch, &error);
    if (error) die(error);
    rocksdb_writebatch_clear(rocks_batch);
}
static void rocks_drop(int g)
{
    unsigned char from[8], to[8];
    key_of(g, 0, from);
    key_of(g + 1, 0, to);
    rocksdb_writebatch_delete_range(rocks_batch, (const char *)from, sizeof from, (const char *)to, sizeof to);
    rocks_sync();
}
static void rocks_close(void) { rocksdb_close(rocks); }

static const peer peers[] = {
    {"zslab_zns", store_open, store_put, store_sync, store_drop, store_close},
    {"sqlite (WAL, FULL)", sqlite_open, sqlite_put, sqlite_sync, sqlite_drop, sqlite_close},
    {"lmdb", lmdb_open, lmdb_put, lmdb_sync, lmdb_drop, lmdb_close},
    {"rocksdb", rocks_open, rocks_put, rocks_sync, rocks_drop, rocks_close},
};

/* ---- one peer's run, in a process of its own ---- */

static uint64_t written(void) /* UINT64_MAX: the kernel does not say */
{
    unsigned long long n = UINT64_MAX;
    char line[128];
    FILE *f = fopen("/proc/self/io", "r");
    while (f && fgets(line, sizeof line, f)) (void)sscanf(line, "write_bytes: %llu", &n);
    if (f) fclose(f);
    return n;
}

/* Blocks of all files in the folder; `erase` removes them. */
static uint64_t space(const char *path, int erase)
{
    DIR *d = opendir(path);
    struct dirent *t;
    uint64_t sum = 0;
    char name[900];
    while (d && (t = readdir(d)) != NULL) {
        struct stat info;
        snprintf(name, sizeof name, "%s/%s", path, t->d_name);
        if (stat(name, &info) || !S_ISREG(info.st_mode)) continue;
        sum += (uint64_t)info.st_blocks * 512;
        if (erase) remove(name);
    }
    if (d) closedir(d);
    return sum;
}

static double clock_of(int clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void run(const peer *p, int every, const char *path)
{
    uint64_t before, live = (uint64_t)KEEP * (uint64_t)objects * BYTES, bytes;
    zslab_zns_store_stats stats;
    double began, cpu, seconds;
    int g, i, n = 0;
    double room;
    if (!p->open(path)) {
        fprintf(csv, "%s,%d,missing,,,\n", p->name, every);
        return;
    }
    before = written();
    began = clock_of(CLOCK_MONOTONIC);
    cpu = clock_of(CLOCK_PROCESS_CPUTIME_ID);
    for (g = 0; g < generations; g++) {
        for (i = 0; i < objects; i++) {
            p->put(g, i);
            if (++n % every == 0) p->sync();
        }
        p->sync();
        if (g >= KEEP) p->drop(g - KEEP);
    }
    seconds = clock_of(CLOCK_MONOTONIC) - began;
    cpu = clock_of(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    bytes = written() - before;
    room = (double)space(path, 0);
    if (store) { /* its file is preallocated: what the zones in use take */
        zslab_zns_stats(store, &stats);
        room = stats.space_amplification * (double)stats.live_bytes;
    }
    p->close();
    fprintf(csv, "%s,%d,%.0f,%.2f,%.3f,%.3f\n", p->name, every, (double)n / seconds, cpu / (double)n * 1e6,
            (double)bytes / ((double)n * BYTES), room / (double)live);
}

int main(int argc, char **argv)
{
    static const int every[] = {1000, 20, 1};
    size_t i, k;
    int a, only = 0;
    csv = stdout;
    for (a = 1; a + 1 < argc; a += 2) {
        if (!strcmp(argv[a], "-n")) objects = atoi(argv[a + 1]);
        if (!strcmp(argv[a], "-g")) generations = atoi(argv[a + 1]);
        if (!strcmp(argv[a], "-e")) only = atoi(argv[a + 1]);
        if (!strcmp(argv[a], "-d")) folder = argv[a + 1];
        if (!strcmp(argv[a], "-o") && (csv = fopen(argv[a + 1], "w")) == NULL) die(argv[a + 1]);
    }
    if (objects < 1 || generations < 1 || generations > 256) die("1 to 256 generations of 1 object or more");
    for (i = 0; i < BYTES; i++) data[i] = (unsigned char)(i * i >> 3);
    mkdir(folder, 0755);
    fprintf(csv, "# bench_zns_peers: %d generations of %d x %d bytes, %d kept\n", generations, objects, BYTES, KEEP);
    fprintf(csv, "what,synced every,objects per s,CPU us an object,written / stored,space / live after the drop\n");
    for (k = 0; k < sizeof every / sizeof every[0]; k++)
        for (i = 0; i < sizeof peers / sizeof peers[0]; i++) {
            int status = 0;
            if (only && every[k] != only) continue;
            fflush(csv);
            space(folder, 1);
            if (!fork()) {
                run(&peers[i], every[k], folder);
                fflush(csv);
                _exit(0);
            }
            wait(&status);
            if (status) fprintf(csv, "%s,%d,failed,,,\n", peers[i].name, every[k]);
        }
    space(folder, 1);
    if (csv != stdout) fclose(csv);
    return 0;
}
