/* build: -lm */
/* How many nanoseconds does an allocate+free pair take, against the allocators people use?
   Every figure is a process of its own (pairs_<form>), so that no allocator inherits another's heap; rounds
   are interleaved row by row, so that a slow minute hits everyone. Peers answer plain malloc and free through
   LD_PRELOAD, as in a real program; on row epoch mimalloc destroys a heap, jemalloc resets an arena, the
   others free one by one, and "bump" is the floor: a pointer that moves up. A peer that is not there is named
   as missing.
     bench_pairs [-r rounds] [-m milliseconds] [-s const|var] [-n row,row] [-p name=path.so,...] [-o file.csv]
     bench_pairs -t [-r rounds] [-p ...]      tails instead: row mixed with each call timed
   The file's first line says command, machine, versions and commit; the table goes to standard output. */
#define _GNU_SOURCE
#include <libgen.h>
#include <math.h>
#include <sys/wait.h>
#include <unistd.h>
#include "bench/measure.h"

enum { MAX_PEERS = 32, MAX_ROWS = 16, MAX_ROUNDS = 101, CELL = 21 };

static const char *const row_names[] = {"hot",       "batch", "lifo",  "random",  "churn10k", "mixed",
                                        "churn100k", "cross", "epoch", "request", "alternate"};
enum {
    ROWS = sizeof row_names / sizeof row_names[0],
    ROW_CROSS = 7,
    ROW_EPOCH = 8,
    ROW_ALTERNATE = 10,
    ROWS_PAIRS = 8,    /* in the means: what every allocator does alike */
    ROWS_COMPARED = 10 /* alternate is ours alone */
};

typedef struct contestant {
    char name[32], program[512], preload[512], version[96];
    int ours, floor, missing;
    double ns[ROWS][MAX_ROUNDS];
    int got[ROWS];
} contestant;

static contestant all[MAX_PEERS];
static int count;
static int chosen[ROWS];
static struct {
    int rounds;
    double ms;
    const char *sizes, *out;
    int tails;
    char dir[400];
} opt = {9, 60, "const", NULL, 0, "."};

/* Runs a program with its preload and returns its first line of output in `line`; 0 if it failed. */
static int run(const contestant *c, char *const argv[], char *line, size_t cap)
{
    int fd[2], status = 0;
    if (pipe(fd)) die("pipe");
    pid_t pid = fork();
    if (pid < 0) die("fork");
    if (pid == 0) {
        dup2(fd[1], 1);
        close(fd[0]);
        if (!strcmp(argv[1], "--who"))
            close(2); /* the loader's word about a missing peer: the table says it */
        if (c->preload[0]) setenv("LD_PRELOAD", c->preload, 1);
        execv(c->program, argv);
        _exit(127);
    }
    close(fd[1]);
    FILE *in = fdopen(fd[0], "r");
    if (!in) die("fdopen");
    int ok = fgets(line, (int)cap, in) != NULL;
    fclose(in);
    waitpid(pid, &status, 0);
    line[ok ? strcspn(line, "\n") : 0] = 0;
    return ok && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void add(const char *name, const char *form, const char *preload)
{
    if (count == MAX_PEERS) return;
    contestant *c = &all[count++];
    snprintf(c->name, sizeof c->name, "%s", name);
    snprintf(c->program, sizeof c->program, "%s/pairs_%s", opt.dir, form);
    snprintf(c->preload, sizeof c->preload, "%s", preload);
    c->floor = !strcmp(form, "bump");
    c->ours = !c->floor && strcmp(form, "malloc") != 0;
    char *argv[] = {c->program, (char *)"--who", NULL}, line[600];
    if (!run(c, argv, line, sizeof line)) {
        c->missing = 1;
        return;
    }
    char *space = strrchr(line, ' ');
    snprintf(c->version, sizeof c->version, "%.90s", space ? space + 1 : "");
    if (space) *space = 0;
    /* The loader leaves out what it cannot find and goes on with libc: then the name answers falsely. */
    if (preload[0] && (strstr(line, "/libc.so") || strstr(line, "/libc-"))) c->missing = 1;
}

static void add_all(char *peers)
{
    add("static", "static", "");
    add("inline", "inline", "");
    add("called", "called", "");
    add("bump", "bump", "");
    add("glibc", "malloc", "");
    add("mimalloc", "malloc", "libmimalloc.so.2");
    add("jemalloc", "malloc", "libjemalloc.so.2");
    add("tcmalloc", "malloc", "libtcmalloc_minimal.so.4");
    for (char *p = strtok(peers, ","); p; p = strtok(NULL, ",")) {
        char *path = strchr(p, '=');
        if (!path) {
            fprintf(stderr, "bench_pairs: a peer is name=path.so, not '%s'\n", p);
            exit(2);
        }
        *path++ = 0;
        add(p, "malloc", path);
    }
}

static void measure(contestant *c, int row)
{
    char ms[32], line[64];
    snprintf(ms, sizeof ms, "%g", opt.ms);
    char *argv[] = {c->program, (char *)row_names[row], ms, (char *)opt.sizes, NULL};
    if (run(c, argv, line, sizeof line))
        c->ns[row][c->got[row]++] = atof(line);
    else
        fprintf(stderr, "bench_pairs: %s failed on row %s\n", c->name, row_names[row]);
}

/* The floor drops groups and nothing else; alternating wants two of our allocators. */
static int takes_part(const contestant *c, int row)
{
    if (c->missing || !chosen[row]) return 0;
    return c->floor ? row == ROW_EPOCH : c->ours || row != ROW_ALTERNATE;
}

static int measured(const contestant *c, int row)
{
    return takes_part(c, row) && c->got[row] == opt.rounds;
}

static void where_from(FILE *f, int argc, char **argv)
{
    provenance(f, argc, argv);
    for (int c = 0; c < count; c++) {
        const char *version = all[c].missing      ? "missing"
                              : all[c].version[0] ? all[c].version
                                                  : "(no version)";
        fprintf(f, "%s %s %s", c ? "," : ";", all[c].name, version);
    }
    fputs("\n", f);
}

static void write_csv(FILE *f, int argc, char **argv)
{
    where_from(f, argc, argv);
    fputs("row,allocator,sizes,rounds,median_ns,best_ns,p5_ns,p95_ns,each_round_ns\n", f);
    for (int r = 0; r < ROWS; r++) {
        for (int c = 0; c < count; c++) {
            if (!measured(&all[c], r)) continue;
            spread s = spread_of(all[c].ns[r], opt.rounds);
            fprintf(f, "%s,%s,%s,%d,%.3f,%.3f,%.3f,%.3f,", row_names[r], all[c].name, opt.sizes, opt.rounds,
                    s.median, s.best, s.low, s.high);
            for (int i = 0; i < opt.rounds; i++) fprintf(f, "%s%.3f", i ? " " : "", all[c].ns[r][i]);
            fputs("\n", f);
        }
    }
}

static void table_of_times(void)
{
    printf("\nns per allocate+free pair, median of %d interleaved rounds (5 to 95 %%)\n%-10s", opt.rounds,
           "");
    for (int c = 0; c < count; c++) {
        if (!all[c].missing) printf(" %*s", CELL, all[c].name);
    }
    for (int r = 0; r < ROWS; r++) {
        if (!chosen[r]) continue;
        printf("\n%-10s", row_names[r]);
        for (int c = 0; c < count; c++) {
            if (all[c].missing) continue;
            if (!measured(&all[c], r)) {
                printf(" %*s", CELL, "-");
                continue;
            }
            char cell[64];
            spread s = spread_of(all[c].ns[r], opt.rounds);
            snprintf(cell, sizeof cell, "%.2f (%.2f-%.2f)", s.median, s.low, s.high);
            printf(" %*s", CELL, cell);
        }
    }
    puts("");
}

/* One of ours against the best single peer of each row; the ratio's interval is over the rounds. */
static void table_of_ratios(void)
{
    for (int c = 0; c < count; c++) {
        if (!all[c].ours || all[c].missing) continue;
        printf("\n%s: against the best peer of each row\n", all[c].name);
        for (int r = 0; r < ROWS_COMPARED; r++) {
            int best = -1;
            double least = 0;
            if (!measured(&all[c], r)) continue;
            for (int p = 0; p < count; p++) {
                if (all[p].ours || all[p].floor || !measured(&all[p], r)) continue;
                double m = spread_of(all[p].ns[r], opt.rounds).median;
                if (best < 0 || m < least) best = p, least = m;
            }
            if (best < 0) continue;
            double ratio[MAX_ROUNDS];
            for (int i = 0; i < opt.rounds; i++) ratio[i] = all[c].ns[r][i] / all[best].ns[r][i];
            spread q = spread_of(ratio, opt.rounds), mine = spread_of(all[c].ns[r], opt.rounds);
            spread theirs = spread_of(all[best].ns[r], opt.rounds);
            const char *verdict = mine.high < theirs.low   ? "ahead"
                                  : theirs.high < mine.low ? "BEHIND"
                                                           : "tie";
            printf("  %-10s %.2f of %s (%.2f-%.2f)  %s\n", row_names[r], q.median, all[best].name, q.low,
                   q.high, verdict);
        }
    }
}

/* exp(mean(log(ours / theirs))) over the rows both have. */
static double geometric_mean(const contestant *ours, const contestant *theirs, int without_cross)
{
    double sum = 0;
    int n = 0;
    for (int r = 0; r < ROWS_PAIRS; r++) {
        if (!measured(ours, r) || !measured(theirs, r) || (without_cross && r == ROW_CROSS)) continue;
        sum += log(spread_of(ours->ns[r], opt.rounds).median / spread_of(theirs->ns[r], opt.rounds).median);
        n++;
    }
    return n ? exp(sum / n) : NAN;
}

static void table_of_means(void)
{
    puts("\ngeometric mean of the ratios against each single peer: first eight rows (without cross)");
    for (int p = 0; p < count; p++) {
        if (all[p].ours || all[p].floor || all[p].missing) continue;
        printf("  %-12s", all[p].name);
        for (int c = 0; c < count; c++) {
            if (!all[c].ours || all[c].missing) continue;
            printf("  %s %.3f (%.3f)", all[c].name, geometric_mean(&all[c], &all[p], 0),
                   geometric_mean(&all[c], &all[p], 1));
        }
        puts("");
    }
    for (int c = 0; c < count; c++) {
        if (!measured(&all[c], ROW_ALTERNATE) || !measured(&all[c], 0)) continue;
        printf("%s: alternating between two allocators costs %+.2f ns a pair\n", all[c].name,
               spread_of(all[c].ns[ROW_ALTERNATE], opt.rounds).median -
                   spread_of(all[c].ns[0], opt.rounds).median);
    }
    for (int c = 0; c < count; c++) {
        for (int p = 0; p < count && all[c].ours; p++) {
            if (!all[p].floor || !measured(&all[p], ROW_EPOCH) || !measured(&all[c], ROW_EPOCH)) continue;
            printf("%s: an epoch's objects cost %.2f of a bump arena\n", all[c].name,
                   spread_of(all[c].ns[ROW_EPOCH], opt.rounds).median /
                       spread_of(all[p].ns[ROW_EPOCH], opt.rounds).median);
        }
    }
    for (int c = 0; c < count; c++) {
        const contestant *m = &all[c];
        if (m->missing) printf("missing: %s (%s)\n", m->name, m->preload[0] ? m->preload : m->program);
    }
}

/* ---- the plot: a line per row, a dot per allocator, on a logarithmic axis ---- */

enum { PLOT_W = 900, PLOT_L = 96, PLOT_R = 24, PLOT_T = 106, PLOT_ROW = 40 };

static const char *const plot_color[] = {"#0b6e99", "#1f9d8f", "#7a5cc4", "#8c8c8c", "#d1602b",
                                         "#b8323f", "#c9971c", "#5d7a35", "#a0522d", "#c2568f",
                                         "#444444", "#6b8fb3", "#9a9a3c"};
enum { PLOT_COLORS = sizeof plot_color / sizeof plot_color[0] };

static double plot_x(double ns, double from, double to)
{
    return PLOT_L + (log(ns) - log(from)) / (log(to) - log(from)) * (PLOT_W - PLOT_L - PLOT_R);
}

static void plot_axis(FILE *f, double from, double to, int bottom)
{
    static const double ticks[] = {1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 300, 500, 1000};
    for (size_t i = 0; i < sizeof ticks / sizeof ticks[0]; i++) {
        if (ticks[i] < from || ticks[i] > to) continue;
        double x = plot_x(ticks[i], from, to);
        fprintf(f, "<path d='M%.1f %dV%d' stroke='#e6e6e6'/>", x, PLOT_T - 12, bottom);
        fprintf(f, "<text x='%.1f' y='%d' text-anchor='middle' class='t'>%g</text>\n", x, bottom + 18,
                ticks[i]);
    }
    fprintf(f, "<text x='%d' y='%d' class='t' text-anchor='end'>ns per pair, logarithmic</text>\n",
            PLOT_W - PLOT_R, bottom + 36);
}

static void plot_legend(FILE *f)
{
    int x = 22, y = 68;
    for (int c = 0; c < count; c++) {
        if (all[c].missing) continue;
        char label[160];
        snprintf(label, sizeof label, "%s%.31s", all[c].ours ? "zslab " : "", all[c].name);
        int width = 24 + (int)strlen(label) * 8;
        if (x + width > PLOT_W) x = 22, y += 18;
        fprintf(f, "<circle cx='%d' cy='%d' r='5' fill='%s'/>", x, y - 4, plot_color[c % PLOT_COLORS]);
        fprintf(f, "<text x='%d' y='%d' class='t'>%s</text>\n", x + 9, y, label);
        x += width;
    }
}

static void write_plot(FILE *f)
{
    double from = 1e9, to = 0;
    int lines = 0, y = PLOT_T;
    for (int r = 0; r < ROWS_COMPARED; r++) {
        int any = 0;
        for (int c = 0; c < count; c++) {
            if (!measured(&all[c], r)) continue;
            spread s = spread_of(all[c].ns[r], opt.rounds);
            if (s.low < from) from = s.low;
            if (s.high > to) to = s.high;
            any = 1;
        }
        lines += any;
    }
    from *= 0.85, to *= 1.15;
    fprintf(
        f,
        "<svg xmlns='http://www.w3.org/2000/svg' width='%d' height='%d'><style>text{font-family:system-ui,"
        "sans-serif}.t{font-size:12px;fill:#444}.n{font-size:13px;fill:#222}</style>"
        "<rect width='100%%' height='100%%' fill='white'/>"
        "<text x='16' y='26' font-size='16' font-weight='600' fill='#222'>allocate + free, median of %d "
        "rounds; "
        "bars: 5 to 95 %%</text>\n",
        PLOT_W, PLOT_T + lines * PLOT_ROW + 44, opt.rounds);
    char cpu[200], commit[64];
    first_line_of("sed -n 's/^model name[^:]*: //p' /proc/cpuinfo 2>/dev/null", cpu, sizeof cpu);
    first_line_of("git rev-parse --short HEAD 2>/dev/null", commit, sizeof commit);
    fprintf(f, "<text x='16' y='46' class='t'>%s, %ld cpus; zslab at %s, every free checked</text>\n", cpu,
            sysconf(_SC_NPROCESSORS_ONLN), commit);
    plot_legend(f);
    plot_axis(f, from, to, PLOT_T + lines * PLOT_ROW);
    for (int r = 0; r < ROWS_COMPARED && to > 0; r++) {
        int any = 0;
        for (int c = count - 1; c >= 0; c--) { /* ours on top */
            if (!measured(&all[c], r)) continue;
            spread s = spread_of(all[c].ns[r], opt.rounds);
            double up = y + PLOT_ROW / 2.0 - (all[c].ours ? 9 : -3); /* ours above the line, peers below */
            const char *color = plot_color[c % PLOT_COLORS];
            fprintf(f, "<path d='M%.1f %.1fH%.1f' stroke='%s' stroke-width='2' opacity='.5'/>",
                    plot_x(s.low, from, to), up, plot_x(s.high, from, to), color);
            fprintf(f, "<circle cx='%.1f' cy='%.1f' r='5' fill='%s' stroke='white'/>\n",
                    plot_x(s.median, from, to), up, color);
            any = 1;
        }
        if (any) fprintf(f, "<text x='16' y='%d' class='n'>%s</text>\n", y + PLOT_ROW / 2 + 2, row_names[r]);
        y += any * PLOT_ROW;
    }
    fputs("</svg>\n", f);
}

/* name.csv and beside it name.svg */
static void write_files(int argc, char **argv)
{
    char svg[512];
    size_t stem = strlen(opt.out);
    if (stem > 4 && !strcmp(opt.out + stem - 4, ".csv")) stem -= 4;
    snprintf(svg, sizeof svg, "%.*s.svg", (int)stem, opt.out);
    FILE *f = fopen(opt.out, "w");
    if (!f) die(opt.out);
    write_csv(f, argc, argv);
    if (fclose(f) || !(f = fopen(svg, "w"))) die(svg);
    write_plot(f);
    if (fclose(f)) die(svg);
}

/* ---- tails ---- */

enum { TAILS = 8 }; /* p50, p99, p99.9, p99.99 of allocate, then of free */

static void table_of_tails(int argc, char **argv)
{
    static double tail[MAX_PEERS][TAILS][MAX_ROUNDS];
    int got[MAX_PEERS] = {0};
    for (int i = 0; i < opt.rounds * count; i++) {
        int c = i % count;
        char *of[] = {all[c].program, (char *)"tails", (char *)"2", NULL}, line[256];
        if (all[c].missing || all[c].floor || !run(&all[c], of, line, sizeof line)) continue;
        char *next = line;
        for (int t = 0; t < TAILS; t++) tail[c][t][got[c]] = strtod(next, &next);
        got[c]++;
    }
    where_from(stdout, argc, argv);
    printf("\nns, timer subtracted; median of %d rounds  allocate p50   p99  p99.9 p99.99      free p50   "
           "p99  p99.9 p99.99",
           opt.rounds);
    for (int c = 0; c < count; c++) {
        if (!got[c]) continue;
        printf("\n%-45s", all[c].name);
        for (int t = 0; t < TAILS; t++) {
            printf("%s%6.0f",
                   t == 4   ? "         "
                   : t == 0 ? "     "
                            : " ",
                   spread_of(tail[c][t], got[c]).median);
        }
    }
    puts("");
}

static void choose_rows(char *names)
{
    for (char *p = strtok(names, ","); p; p = strtok(NULL, ",")) {
        int found = 0;
        for (int r = 0; r < ROWS; r++) {
            if (!strcmp(p, row_names[r])) found = chosen[r] = 1;
        }
        if (!found) {
            fprintf(stderr, "bench_pairs: no row '%s'\n", p);
            exit(2);
        }
    }
}

int main(int argc, char **argv)
{
    char *peers = NULL, *names = NULL, self[400];
    int o;
    while ((o = getopt(argc, argv, "r:m:s:n:p:o:t")) != -1) {
        switch (o) {
        case 'r': opt.rounds = atoi(optarg); break;
        case 'm': opt.ms = atof(optarg); break;
        case 's': opt.sizes = optarg; break;
        case 'n': names = strdup(optarg); break;
        case 'p': peers = strdup(optarg); break;
        case 'o': opt.out = optarg; break;
        case 't': opt.tails = 1; break;
        default: return 2;
        }
    }
    if (opt.rounds < 1 || opt.rounds > MAX_ROUNDS || !(opt.ms > 0) ||
        (strcmp(opt.sizes, "const") && strcmp(opt.sizes, "var"))) {
        fprintf(stderr, "bench_pairs: rounds 1 to %d, milliseconds above 0, sizes const or var\n",
                MAX_ROUNDS);
        return 2;
    }
    for (int r = 0; r < ROWS; r++) chosen[r] = names == NULL;
    if (names) choose_rows(names);
    snprintf(self, sizeof self, "%s", argv[0]);
    snprintf(opt.dir, sizeof opt.dir, "%s", dirname(self));
    add_all(peers ? peers : (char[]){""});
    if (opt.tails) {
        table_of_tails(argc, argv);
        return 0;
    }
    for (int round = 0; round < opt.rounds; round++) {
        for (int r = 0; r < ROWS; r++) {
            for (int i = 0; chosen[r] && i < count; i++) {
                contestant *c = &all[(i + round) % count]; /* nobody is always first */
                if (takes_part(c, r)) measure(c, r);
            }
        }
        if (isatty(2)) fprintf(stderr, "\rround %d of %d ", round + 1, opt.rounds);
    }
    if (isatty(2)) fputs("\r                 \r", stderr);
    if (opt.out) write_files(argc, argv);
    where_from(stdout, argc, argv);
    table_of_times();
    table_of_ratios();
    table_of_means();
    int complete = 1; /* everyone present has every row */
    for (int c = 0; c < count; c++) {
        for (int r = 0; r < ROWS; r++) {
            if (takes_part(&all[c], r)) complete &= measured(&all[c], r);
        }
    }
    return !complete;
}
