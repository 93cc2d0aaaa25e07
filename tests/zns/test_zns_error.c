/* zslab_zns_error says what failed: the call and its result, the field that was refused, the operation of the device
   with its zone, block and errno. */
#define _GNU_SOURCE
#include "tests/lib/test_zns.h"
#include <signal.h>
#include <sys/resource.h>

static const zslab_zns_geometry little = {262144, 196608, 24, 4096, 0, 0, 32768, 0};

/* Does the text of the last failure have all of these, up to a NULL? */
static int says(const zslab_zns *s, const char *const *part)
{
    char text[512];
    size_t n = zslab_zns_error(s, text, sizeof text);
    int all = n == strlen(text);
    for (; *part; part++) all &= strstr(text, *part) != NULL;
    if (!all) printf("it says: %s\n", text);
    return all;
}
#define SAYS(s, ...) EXPECT(says(s, (const char *const[]){__VA_ARGS__, NULL}))

static zslab_zns *fresh(const char *path, const zslab_zns_fault *fault)
{
    zslab_zns_config c;
    zslab_zns *s;
    memset(&c, 0, sizeof c);
    c.faults = fault;
    c.fault_count = fault != NULL;
    remove(path);
    s = zslab_zns_open_file(path, &little, &c);
    EXPECT(s != NULL);
    if (!s) exit(test_summary("test_zns_error"));
    return s;
}

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "wb");
    EXPECT(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0);
}

static void a_refused_open_names_the_field(void)
{
    const char *path = test_path("error");
    zslab_zns_geometry g = little;
    zslab_zns_config c = {0};
    zslab_zns *s;
    EXPECT(zslab_zns_error(NULL, NULL, 0) == 0); /* nothing has failed yet */
    EXPECT(zslab_zns_open_file("/there/is/no/such/place", NULL, NULL) == NULL);
    SAYS(NULL, "zslab_zns_open_file: invalid argument; path", "errno 2 (");
    EXPECT(zslab_zns_open_file(NULL, NULL, NULL) == NULL);
    SAYS(NULL, "path: NULL");
    EXPECT(zslab_zns_open_file("/dev/null", NULL, NULL) == NULL);
    SAYS(NULL, "neither a regular file nor a block device");
    EXPECT(zslab_zns_open_ops(NULL, NULL, NULL) == NULL);
    SAYS(NULL, "zslab_zns_open_ops: invalid argument; ops");
    g.block_bytes = 1000;
    EXPECT(zslab_zns_open_file(path, &g, NULL) == NULL);
    SAYS(NULL, "geometry mismatch; geometry.block_bytes: not a power of two");
    c.max_active = 1;
    EXPECT(zslab_zns_open_file(path, NULL, &c) == NULL);
    SAYS(NULL, "geometry mismatch; config.max_active: 1");
    c.max_active = 0;
    s = fresh(path, NULL);
    EXPECT(zslab_zns_open_file(path, NULL, NULL) == NULL);
    SAYS(NULL, "busy; path: another store has it open");
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    g = little;
    g.zone_bytes = 524288;
    EXPECT(zslab_zns_open_file(path, &g, NULL) == NULL);
    SAYS(NULL, "geometry.zone_bytes is 262144 there, asked for was 524288");
    write_text(path, "something else, and long enough to be read as a superblock: 64 bytes");
    EXPECT(zslab_zns_open_file(path, NULL, NULL) == NULL);
    SAYS(NULL, "superblock, bytes 0-7");
    remove(path);
    c.flags = ZSLAB_ZNS_FLAG_NO_FORMAT;
    write_text(path, "");
    EXPECT(zslab_zns_open_file(path, NULL, &c) == NULL);
    SAYS(NULL, "foreign", "not to be formatted");
    remove(path);
}

static void the_text_is_cut_like_snprintf(void)
{
    char text[8] = "xxxxxxx";
    size_t n;
    EXPECT(zslab_zns_open_file(NULL, NULL, NULL) == NULL);
    n = zslab_zns_error(NULL, NULL, 0);
    EXPECT(n > 20 && zslab_zns_error(NULL, text, 5) == n && !strcmp(text, "zsla") && text[5] == 'x');
}

static void a_call_that_is_refused_names_itself(void)
{
    const char *path = test_path("error");
    zslab_zns *s = fresh(path, NULL);
    zslab_zns_config c = {0};
    zslab_zns_epoch e = zslab_zns_epoch_begin(s, NULL);
    zslab_handle h;
    EXPECT(zslab_zns_error(s, NULL, 0) == 0);
    EXPECT_IS(zslab_zns_epoch_seal(s, e), ZSLAB_OK);
    EXPECT_IS(object_put(s, e, 1, 100, &h), ZSLAB_E_CLOSED);
    SAYS(s, "zslab_zns_append: closed");
    EXPECT_IS(zslab_zns_list(s, e + 1, NULL, NULL), ZSLAB_E_INVALID);
    SAYS(s, "zslab_zns_list: invalid argument");
    EXPECT_IS(zslab_zns_copy_out(s, "/there/is/no/such/place"), ZSLAB_E_INVALID);
    SAYS(s, "zslab_zns_copy_out: invalid argument");
    SAYS(NULL, "zslab_zns_open_file: invalid argument; path");
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    c.flags = ZSLAB_ZNS_FLAG_READ_ONLY;
    s = zslab_zns_open_file(path, NULL, &c);
    EXPECT(s && !zslab_zns_epoch_begin(s, NULL));
    SAYS(s, "zslab_zns_epoch_begin: read only; opened read-only");
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    remove(path);
}

/* One kind of operation fails from now on: the zone, and of a read the block, are in the sentence. */
static void an_operation_that_fails_is_named(void)
{
    static const struct {
        uint32_t op;
        const char *words;
    } row[] = {{ZSLAB_ZNS_OP_APPEND, "append to zone "},
               {ZSLAB_ZNS_OP_FLUSH, "flush: I/O error"},
               {ZSLAB_ZNS_OP_READ, "read of zone "},
               {ZSLAB_ZNS_OP_RESET, "reset of zone "}};
    size_t i;
    for (i = 0; i < sizeof row / sizeof row[0]; i++) {
        const char *path = test_path("error");
        zslab_zns_fault fault = {ZSLAB_ZNS_FAULT_ERROR, row[i].op, UINT64_MAX, UINT64_MAX, 0, 0, 0};
        zslab_zns *s = fresh(path, &fault);
        zslab_zns_epoch e = zslab_zns_epoch_begin(s, NULL);
        zslab_handle h;
        EXPECT_IS(object_put(s, e, 1, 30000, &h), ZSLAB_OK);
        EXPECT_IS(zslab_zns_sync(s, 0), ZSLAB_OK);
        EXPECT_IS(object_put(s, e, 2, 100, NULL), ZSLAB_OK);
        ((zs__zns_file *)s->dev.user)->faults[0].at = 1;
        errno = 5; /* of some other time: no part of it */
        if (row[i].op == ZSLAB_ZNS_OP_READ) {
            EXPECT_IS(object_get(s, h, 1, 30000), ZSLAB_E_IO);
            SAYS(s, "zslab_zns_read: I/O error; the device's last failure: ", row[i].words, ", block ");
        } else if (row[i].op == ZSLAB_ZNS_OP_RESET) {
            EXPECT_IS(zslab_zns_epoch_release(s, e), ZSLAB_OK); /* it holds: the zone is reset later */
            SAYS(s, "the device's last failure, made good: ", row[i].words, ": I/O error");
        } else {
            EXPECT(zslab_zns_sync(s, 0) != ZSLAB_OK);
            SAYS(s, "zslab_zns_sync: ", "; the device's last failure: ", row[i].words);
        }
        {
            char text[512];
            (void)zslab_zns_error(s, text, sizeof text);
            EXPECT(!strstr(text, "errno"));
        }
        (void)zslab_zns_close(s);
        remove(path);
    }
}

/* The system refuses a write: its errno is in the sentence, also when the store is closed with that. */
static void the_errno_is_told(void)
{
    const char *path = test_path("error");
    zslab_zns *s = fresh(path, NULL);
    zslab_zns_epoch e = zslab_zns_epoch_begin(s, NULL);
    struct rlimit was, none;
    signal(SIGXFSZ, SIG_IGN);
    EXPECT_IS(object_put(s, e, 1, 3000, NULL), ZSLAB_OK);
    EXPECT(getrlimit(RLIMIT_FSIZE, &was) == 0);
    none = was;
    none.rlim_cur = 0;
    EXPECT(setrlimit(RLIMIT_FSIZE, &none) == 0);
    EXPECT(zslab_zns_sync(s, e) != ZSLAB_OK);
    SAYS(s, "zslab_zns_sync: ", ", errno 27 (");
    EXPECT(zslab_zns_close(s) != ZSLAB_OK);
    SAYS(NULL, "zslab_zns_close: ", ", errno 27 (");
    remove(path);
    EXPECT(zslab_zns_open_file(path, &little, NULL) == NULL);
    SAYS(NULL, "zslab_zns_open_file: no space; geometry: there is no room", ", errno 27 (");
    EXPECT(setrlimit(RLIMIT_FSIZE, &was) == 0);
    remove(path);
}

static void a_damaged_object_says_where(void)
{
    const char *path = test_path("error");
    zslab_zns *s = fresh(path, NULL);
    zslab_zns_epoch e = zslab_zns_epoch_begin(s, NULL);
    zslab_handle h;
    zs__zns_file *f = (zs__zns_file *)s->dev.user;
    const zs__zns_frame *frame;
    char want[64];
    unsigned char byte;
    off_t at;
    EXPECT_IS(object_put(s, e, 1, 5000, &h), ZSLAB_OK);
    EXPECT_IS(zslab_zns_sync(s, e), ZSLAB_OK);
    frame = zs__zns_frame_of(s, (uint32_t)(h >> 38));
    at = (off_t)zs__zns_file_place(f, frame->zone, frame->block) + (off_t)frame->payload_at + 100;
    EXPECT(pread(f->fd, &byte, 1, at) == 1);
    byte ^= 4;
    EXPECT(pwrite(f->fd, &byte, 1, at) == 1);
    EXPECT_IS(object_get(s, h, 1, 5000), ZSLAB_E_CORRUPT);
    snprintf(want, sizeof want, "zone %u, block %u: corrupt", frame->zone, frame->block);
    SAYS(s, "zslab_zns_read: corrupt", "crc of an object", want);
    EXPECT_IS(zslab_zns_close(s), ZSLAB_OK);
    remove(path);
}

int main(void)
{
    a_refused_open_names_the_field();
    the_text_is_cut_like_snprintf();
    a_call_that_is_refused_names_itself();
    an_operation_that_fails_is_named();
    the_errno_is_told();
    a_damaged_object_says_where();
    return test_summary("test_zns_error");
}
