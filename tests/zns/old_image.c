/* Writes a small store in the format of the code it is built against, and its bytes that are not zero as text: the
   header of test_zns_old.c. Three epochs, one open, one sealed, one released, each with two small objects and one in
   pieces; closed in order. Built with -I and a folder that holds the headers of that version. */
#define ZSLAB_IMPLEMENTATION
#include "zslab.h"
#define ZSLAB_ZNS_IMPLEMENTATION
#include "zslab_zns.h"
#include <stdio.h>
#include <string.h>

int main(void)
{
    zslab_zns_geometry g = {8192, 8192, 12, 512, 0, 0, 2048, 0};
    zslab_zns_epoch_config c;
    unsigned char data[3000], *p;
    zslab_zns *s;
    zslab_zns_epoch e[3];
    zslab_handle h;
    long bytes, at, from, end;
    int i, k;
    FILE *f;
    memset(data, 0, sizeof data);
    for (i = 0; i < 3000; i += 100) data[i] = (unsigned char)(i / 100 + 1);
    memset(&c, 0, sizeof c);
    c.label = "old";
    c.lifetime_class = 3;
    remove("old.zns");
    s = zslab_zns_open_file("old.zns", &g, NULL);
    if (!s) return 1;
    printf("/* Written by old_image.c with the format of version 1. */\nstatic const uint64_t old_epoch[3] = {");
    for (i = 0; i < 3; i++) {
        e[i] = zslab_zns_epoch_begin(s, &c);
        printf("0x%llxu%s", (unsigned long long)e[i], i < 2 ? ", " : "};\n");
    }
    printf("static const uint64_t old_handle[3][3] = {\n");
    for (i = 0; i < 3; i++)
        for (k = 0; k < 3; k++) {
            if (zslab_zns_append(s, e[i], data + k * 100, k == 2 ? 2800 : 100 + (size_t)k, &h)) return 2;
            printf("%s0x%llxu%s", k ? "" : "    {", (unsigned long long)h, k < 2 ? ", " : i < 2 ? "},\n" : "}};\n");
        }
    if (zslab_zns_sync(s, 0) || zslab_zns_epoch_seal(s, e[1]) || zslab_zns_epoch_release(s, e[2])) return 3;
    if (zslab_zns_close(s)) return 4;
    f = fopen("old.zns", "rb");
    fseek(f, 0, SEEK_END);
    bytes = ftell(f);
    rewind(f);
    p = (unsigned char *)malloc((size_t)bytes);
    if (!p || fread(p, 1, (size_t)bytes, f) != (size_t)bytes) return 5;
    printf("enum { OLD_BYTES = %ld };\n", bytes);
    printf("static const struct {\n    long at;\n    const char *hex;\n} old_run[] = {\n");
    for (at = 0; at < bytes; at++) {
        if (!p[at]) continue;
        for (end = from = at; at < bytes && at - from < 50 && at - end < 5; at++) /* with short gaps */
            if (p[at]) end = at + 1;
        printf("    {%ld, \"", from);
        for (; from < end; from++) printf("%02x", p[from]);
        printf("\"},\n");
        at = end - 1;
    }
    printf("};\n");
    return 0;
}
