/* What the benches share: clocks, spreads, the line that says where a figure comes from, a plot of curves. */
#ifndef MEASURE_H
#define MEASURE_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

static inline void die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

static inline double clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

typedef struct spread {
    double median, best, low, high; /* low, high: 5 and 95 % */
} spread;

static inline int ascending(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

static inline double quantile(const double *sorted, int n, double q)
{
    double at = q * (n - 1);
    int i = (int)at;
    return i + 1 < n ? sorted[i] + (sorted[i + 1] - sorted[i]) * (at - i) : sorted[i];
}

static inline spread spread_of(const double *values, int n)
{
    double v[1024];
    if (n > 1024) n = 1024;
    memcpy(v, values, (size_t)n * sizeof *v);
    qsort(v, (size_t)n, sizeof *v, ascending);
    return (spread){quantile(v, n, 0.5), v[0], quantile(v, n, 0.05), quantile(v, n, 0.95)};
}

static inline void first_line_of(const char *command, char *text, size_t cap)
{
    FILE *p = popen(command, "r");
    text[0] = 0;
    if (p && !fgets(text, (int)cap, p)) text[0] = 0;
    if (p) pclose(p);
    text[strcspn(text, "\n")] = 0;
}

/* ---- what the kernel says of this process's memory, read without an allocation ---- */

static inline double kib_of(const char *field) /* of /proc/self/status; 0 where there is none */
{
    char text[4096];
    int fd = open("/proc/self/status", O_RDONLY);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0) close(fd);
    text[n > 0 ? n : 0] = 0;
    const char *at = strstr(text, field);
    return at ? strtod(at + strlen(field), NULL) : 0;
}

static inline double peak_kib(void) { return kib_of("VmHWM:"); }

/* What peak_kib says later is above this: what is resident now, or the peak so far where that cannot be reset. */
static inline double peak_reset(void)
{
    int fd = open("/proc/self/clear_refs", O_WRONLY);
    if (fd >= 0) {
        if (write(fd, "5", 1) != 1) fputs("the peak of resident memory cannot be reset here\n", stderr);
        close(fd);
    }
    return peak_kib();
}

/* command, machine, versions, commit; the caller ends the line */
static inline void provenance(FILE *f, int argc, char **argv)
{
    struct utsname u;
    char cpu[200], commit[64], dirty[64], thp[100];
    const char *name = strrchr(argv[0], '/');
    uname(&u);
    first_line_of("sed -n 's/^model name[^:]*: //p' /proc/cpuinfo 2>/dev/null", cpu, sizeof cpu);
    first_line_of("git rev-parse --short HEAD 2>/dev/null", commit, sizeof commit);
    first_line_of("git status --porcelain --untracked-files=no 2>/dev/null", dirty, sizeof dirty);
    first_line_of("cat /sys/kernel/mm/transparent_hugepage/enabled 2>/dev/null", thp, sizeof thp);
    fprintf(f, "# command: %s", name ? name + 1 : argv[0]);
    for (int i = 1; i < argc; i++) { /* a path is named by its last part: where it lay says nothing */
        const char *slash = strchr(argv[i], '/') ? strrchr(argv[i], '/') + 1 : argv[i];
        fprintf(f, " %s", strchr(argv[i], '=') ? "<peers>" : slash);
    }
    fprintf(f, "; machine: %s, %ld cpus, %s %s, huge pages %s; compiler: %s; commit: %s%s", cpu[0] ? cpu : u.machine,
            sysconf(_SC_NPROCESSORS_ONLN), u.sysname, u.release, thp, __VERSION__, commit[0] ? commit : "none",
            dirty[0] ? "+changes" : "");
}

/* ---- curves over a common axis, as SVG ---- */

typedef struct curve {
    const char *name, *color;
    const double *x, *y;
    size_t count;
} curve;

enum { CURVE_W = 900, CURVE_H = 380, CURVE_L = 70, CURVE_R = 150, CURVE_T = 70, CURVE_B = 50 };

static inline double round_step(double range, int steps) /* 1, 2 or 5 times a power of ten */
{
    double s = 1e-6;
    while (range / s > steps) {
        if (range / s / 2 <= steps) return s * 2;
        if (range / s / 5 <= steps) return s * 5;
        s *= 10;
    }
    return s;
}

static inline void write_curves(const char *file, const char *title, const char *x_name, const char *y_name,
                                const curve *c, size_t curves)
{
    FILE *f = fopen(file, "w");
    double x_end = 0, y_end = 0;
    if (!f) die(file);
    for (size_t i = 0; i < curves; i++) {
        for (size_t k = 0; k < c[i].count; k++) {
            if (c[i].x[k] > x_end) x_end = c[i].x[k];
            if (c[i].y[k] > y_end) y_end = c[i].y[k];
        }
    }
    x_end = x_end > 0 ? x_end : 1;
    y_end = y_end > 0 ? y_end * 1.1 : 1;
    double xs = (CURVE_W - CURVE_L - CURVE_R) / x_end, ys = (CURVE_H - CURVE_T - CURVE_B) / y_end;
    int bottom = CURVE_H - CURVE_B;
    fprintf(f,
            "<svg xmlns='http://www.w3.org/2000/svg' width='%d' height='%d'><style>text{font-family:system-ui,"
            "sans-serif;font-size:12px;fill:#444}</style><rect width='100%%' height='100%%' fill='white'/>"
            "<text x='16' y='26' style='font-size:16px;font-weight:600'>%s</text>"
            "<text x='16' y='52'>%s</text><text x='%d' y='%d' text-anchor='middle'>%s</text>\n",
            CURVE_W, CURVE_H, title, y_name, (CURVE_L + CURVE_W - CURVE_R) / 2, CURVE_H - 10, x_name);
    for (double y = 0, dy = round_step(y_end, 6); y <= y_end; y += dy) {
        fprintf(f, "<path d='M%d %.1fH%d' stroke='#e6e6e6'/><text x='%d' y='%.1f' text-anchor='end'>%g</text>\n",
                CURVE_L, bottom - y * ys, CURVE_W - CURVE_R, CURVE_L - 8, bottom - y * ys + 4, y);
    }
    for (double x = 0, dx = round_step(x_end, 8); x <= x_end; x += dx) {
        fprintf(f, "<text x='%.1f' y='%d' text-anchor='middle'>%g</text>\n", CURVE_L + x * xs, bottom + 18, x);
    }
    for (size_t i = 0; i < curves; i++) {
        double last = bottom;
        fprintf(f, "<path fill='none' stroke='%s' stroke-width='2' d='", c[i].color);
        for (size_t k = 0; k < c[i].count; k++) {
            last = bottom - c[i].y[k] * ys;
            fprintf(f, "%c%.1f %.1f", k ? 'L' : 'M', CURVE_L + c[i].x[k] * xs, last);
        }
        fprintf(f, "'/><text x='%d' y='%.1f' style='fill:%s;font-weight:600'>%s</text>\n", CURVE_W - CURVE_R + 8,
                last + 4, c[i].color, c[i].name);
    }
    fputs("</svg>\n", f);
    if (fclose(f)) die(file);
}

#endif
