#!/usr/bin/env python3
"""From bench.csv to ratios with their intervals, the table of targets, plots (gnuplot) and one HTML page.

    report.py bench.csv [folder]      writes the plots and report.html again from figures already there

A ratio is ours / the best peer's, round by round; its interval holds 90 % of 1,000 medians of rounds drawn again.
'faster' (or 'less') is said only when the whole interval is below 1, 'behind' when it is above; else 'level' when it
is all within 2 % of 1, else 'unresolved'.
"""
import csv
import html
import math
import os
import random
import re
import statistics
import subprocess
import sys
from dataclasses import dataclass

# What is asked, and what a good answer looks like.
QUESTIONS = {
    "pairs": ("How many nanoseconds does an allocate+free pair take?", "fewer than any general-purpose allocator's"),
    "calls": ("What do the calls beside malloc and free take?", "at most what the best peer's same call takes"),
    "large": ("What do objects larger than every class cost?", "at most the best general-purpose allocator's time and "
              "memory in the same run"),
    "tails": ("How long can a single allocation or free take?",
              "p99.9 at most 100 ns above the median, no system call and no page fault once memory is reserved"),
    "threads": ("Do threads get in each other's way?",
                "n threads gain what n private integer loops gain, and none more lowers the total"),
    "memory": ("How much memory is held for what the program holds, and when does it come back?",
               "a peak no higher than the leanest peer's; at most 2 % left after a release under the RSS policy"),
    "epochs": ("What does it cost to drop every object of an epoch?",
               "under 1 us for 100,000 objects; allocate + release at most 1.2 of a bump arena"),
    "handles": ("What does a handle cost over a raw pointer?", "at most 1.5 ns a lookup, random over 10,000"),
    "pools": ("What does a fixed pool with remotes save over malloc?", "a multiple, more across threads"),
    "traces": ("What would real programs have paid with another allocator?",
               "less processor time and a lower peak than any general-purpose allocator"),
    "stats": ("What does it cost to look?", "milliseconds for a million objects, so that once a second is nothing"),
}
PAIR_ROWS = ["hot", "batch", "lifo", "random", "churn10k", "mixed", "churn100k", "cross", "epoch", "request",
             "alternate"]
NINE_ROWS = PAIR_ROWS[:9]
CALL_ROWS = ["calloc64", "calloc1024", "steps", "grow", "aligned", "sized"]
OWN_CALL_ROWS = ["batch", "heap", "turns", "one", "keep", "reset", "created"]
LARGE_SIZES = [16384, 65536, 262144, 1048576, 4194304, 26214400]
TAIL_ROWS = ["steady", "touched", "growth", "warm"]
SHAPES = ["private", "handover", "all"]
MIXES = ["short", "mixed", "shift"]
QUANTILES = ["min", "p50", "p90", "p99", "p99.9", "p99.99", "p99.999", "max"]
FEW = "too few rounds"
VERDICTS = ("faster", "less", "level", "behind", "unresolved")
LEVEL = 0.02  # how far from 1 an interval may reach on either side and still be called level
LEAN = ("mimalloc", "jemalloc", "tcmalloc")  # whose peak is the mark, in any version

OURS = {"inline": "zslab inlined", "called": "zslab called", "static": "zslab in one file",
        "epochs": "zslab by lifetime", "shim": "zslab as malloc"}
ASIDE = {"bump": "a bump pointer", "timer": "the timer alone"}
ROW_SAYS = {
    "hot": "one object again and again", "batch": "1,000 made, freed in order", "lifo": "1,000 made, freed backwards",
    "random": "1,000 made, freed at random", "churn10k": "10,000 alive, a random one replaced",
    "mixed": "the same, sizes 16 to 511", "churn100k": "100,000 alive, a random one replaced",
    "cross": "made by one thread, freed by another", "epoch": "100,000 in an epoch, released at once",
    "request": "30 of mixed sizes in a domain of their own", "alternate": "two allocators in turn",
}


class Results:
    """figures[question, row, allocator, metric] = the value of each round; used: the keys somebody asked for"""

    def __init__(self):
        self.figures = {}
        self.used = set()
        self.provenance = ""

    def add(self, question, row, allocator, metric, value):
        self.figures.setdefault((question, row, allocator, metric), []).append(value)

    def write(self, path, only=None):
        """All figures, or those whose keys are in `only`."""
        with open(path, "w", encoding="utf-8", newline="") as f:
            f.write(f"# {self.provenance}\n")
            rows = csv.writer(f, lineterminator="\n")  # names of rows have commas
            rows.writerow(["question", "row", "allocator", "metric", "median", "each_round"])
            for key, values in self.figures.items():
                if only is None or key in only:
                    rows.writerow([*key, f"{statistics.median(values):.5g}", " ".join(f"{v:.5g}" for v in values)])

    @staticmethod
    def read(path):
        r = Results()
        with open(path, encoding="utf-8", newline="") as f:
            r.provenance = f.readline().lstrip("# ").strip()
            rows = csv.reader(f)
            next(rows)
            for question, row, allocator, metric, _, values in rows:
                r.figures[question, row, allocator, metric] = [float(v) for v in values.split()]
        return r

    def has(self, *key):
        return key in self.figures

    def rounds(self, *key):
        self.used.add(key)
        return self.figures[key]

    def median(self, *key):
        return statistics.median(self.rounds(*key)) if key in self.figures else math.nan

    def rows(self, question):
        return list(dict.fromkeys(k[1] for k in self.figures if k[0] == question))

    def allocators(self, question, row=None):
        return list(dict.fromkeys(k[2] for k in self.figures if k[0] == question and row in (None, k[1])))

    def peers(self, question, row, metric):
        return [a for a in self.allocators(question, row)
                if a not in OURS and a not in ASIDE and self.has(question, row, a, metric)]

    def best_peer(self, question, row, metric, higher=False):
        peers = self.peers(question, row, metric)
        pick = max if higher else min
        return pick(peers, key=lambda a: self.median(question, row, a, metric)) if peers else None


@dataclass
class Ratio:
    """Ours over theirs; below 1 is better (inverted where more is better)."""
    question: str
    row: str
    metric: str
    ours: str
    peer: str
    value: float
    low: float
    high: float
    verdict: str

    def __str__(self):
        return f"{self.value:.2f} ({self.low:.2f}-{self.high:.2f})"


def interval(values, draws=1000):
    """5 and 95 % of the medians of rounds drawn again (bootstrap, seeded: the same figures give the same answer)."""
    rng = random.Random(1)
    n = len(values)
    medians = sorted(statistics.median(rng.choices(values, k=n)) for _ in range(draws))
    return medians[int(0.05 * draws)], medians[int(0.95 * draws) - 1]


def verdict_of(low, high, metric):
    if high < 1:
        return "less" if metric.endswith(("_mib", "_kib", "_pct")) else "faster"
    if low > 1:
        return "behind"
    return "level" if low >= 1 - LEVEL and high <= 1 + LEVEL else "unresolved"


def compare(r, question, row, metric, ours, higher=False, peer=None):
    peer = peer or r.best_peer(question, row, metric, higher)
    if peer is None or not r.has(question, row, ours, metric):
        return None
    mine, theirs = r.rounds(question, row, ours, metric), r.rounds(question, row, peer, metric)
    pairs = [(b, a) if higher else (a, b) for a, b in zip(mine, theirs)]
    if not all(a >= 0 and b > 0 for a, b in pairs):
        return None
    ratios = [a / b for a, b in pairs]
    low, high = interval(ratios)
    verdict = FEW if len(ratios) < 3 else verdict_of(low, high, metric)
    return Ratio(question, row, metric, ours, peer, statistics.median(ratios), low, high, verdict)


def all_ratios(r):
    """Every row on which ours meets the best peer of that row."""
    asked = [("pairs", row, "ns", form, False) for row in PAIR_ROWS for form in ("inline", "called", "shim")]
    asked += [("calls", row, "ns", "inline", False) for row in CALL_ROWS]
    asked += [("large", row, m, form, False) for row in r.rows("large") for form in ("inline", "shim")
              for m in ("ns", "peak_mib")]
    asked += [("tails", row, f"{what}_{q}", "inline", False) for row in TAIL_ROWS
              for what in ("allocate", "free") for q in ("p50", "p99", "p99.9", "p99.99")]
    asked += [("threads", row, "pairs", "inline", True) for row in r.rows("threads")]
    asked += [("memory", row, "peak_mib", form, False) for row in r.rows("memory") for form in ("inline", "epochs")]
    asked += [("memory", row, "asked_mib", form, False) for row in MIXES[1:] for form in ("inline", "epochs")]
    asked += [("memory", row, "ns", "inline", False) for row in MIXES]
    asked += [("memory", row, metric, "inline", False)
              for row, metric in (("return", "back_ms"), ("return", "stays_pct"), ("startup", "process_kib"),
                                  ("threads", "thread_kib"))]
    asked += [("traces", row, m, form, False) for row in r.rows("traces") for form in ("inline", "epochs", "shim")
              for m in ("ns", "allocate_p99.9", "free_p99.9", "peak_mib")]
    return [x for x in (compare(r, q, row, m, who, up) for q, row, m, who, up in asked) if x]


# ---- real programs: real/real.py's figures, the shim against each other allocator ----

REAL = {"cpu_ms": ("time", 1, "ms"), "peak_kib": ("peak", 1024, "MiB")}  # title; what the unit is of the metric's


def real_ratios(r):
    return [compare(r, "real", row, metric, "shim", peer=a) for row in r.rows("real") for metric in REAL
            for a in r.peers("real", row, metric)]


def table_of_real(r):
    ratios = real_ratios(r)
    yield ["", "zslab"] + [a for a in r.allocators("real") if a not in OURS]
    for row in r.rows("real"):
        for metric, (title, of, unit) in REAL.items():
            yield ([f"{row}, {title}", f"{figure(r.median('real', row, 'shim', metric) / of)} {unit}"]
                   + [f"{x} {x.verdict}" for x in ratios if (x.row, x.metric) == (row, metric)])


# ---- the targets ----

@dataclass
class Target:
    text: str
    measured: str
    met: object  # True, False, None: not measured


def geometric_mean(r, ours, peer, rows):
    logs = [math.log(r.median("pairs", row, ours, "ns") / r.median("pairs", row, peer, "ns")) for row in rows
            if r.has("pairs", row, ours, "ns") and r.has("pairs", row, peer, "ns")]
    return math.exp(sum(logs) / len(logs)) if logs else math.nan


def named(ratios):
    return ", ".join(f"{x.row} {x.value:.2f}" for x in ratios)


def time_of(ns):
    return f"{ns / 1e6:.3g} ms" if ns >= 1e6 else f"{ns / 1e3:.3g} us" if ns >= 1000 else f"{ns:.3g} ns"


def limit(text, value, most, unit="", note=""):
    if math.isnan(value):
        return Target(text, "not measured", None)
    return Target(text, (time_of(value) if unit == " ns" else f"{value:.3g}{unit}") + note, value <= most)


def met_unless(behind, ratios):
    return None if any(x.verdict == FEW for x in ratios) else not behind


def targets_pairs(r):
    rows = [x for x in (compare(r, "pairs", row, "ns", "inline") for row in NINE_ROWS) if x]
    if not rows:
        return
    behind = [x for x in rows if x.verdict == "behind"]
    count = ", ".join(f"{v} on {sum(x.verdict == v for x in rows)}" for v in ("faster", "level", "unresolved"))
    yield Target("inlined: the fastest on each of the nine rows, or level", f"{count}, behind on {len(behind)}"
                 + (f" ({named(behind)})" if behind else ""), met_unless(behind, rows))
    peers = r.peers("pairs", "hot", "ns")
    for text, ours, most, nine in (
            ("inlined: geometric mean at most 0.6 of the best single peer", "inline", 0.6, NINE_ROWS),
            ("the same without the cross-thread row: at most 0.75", "inline", 0.75,
             [x for x in NINE_ROWS if x != "cross"]),
            ("called: geometric mean ahead of every single peer", "called", 0.999, NINE_ROWS)):
        value, peer = max((geometric_mean(r, ours, p, nine), p) for p in peers)
        yield limit(text, value, most, note=f" of {peer}'s")
    called = [x for x in (compare(r, "pairs", row, "ns", "called") for row in NINE_ROWS) if x]
    worst = max(called, key=lambda x: x.value)
    yield limit("called: never more than 1.1 of the best on a row", worst.value, 1.1, note=f" on {worst.row}")


def targets_tails(r):
    for what in ("allocate", "free"):
        at = {q: r.median("tails", "steady", "inline", f"{what}_{q}") for q in QUANTILES}
        yield limit(f"{what}: p99.9 at most 100 ns above p50", at["p99.9"] - at["p50"], 100, " ns")
        ratios = [compare(r, "tails", "steady", f"{what}_{q}", "inline") for q in ("p99", "p99.9", "p99.99")]
        behind = [x for x in ratios if x and x.verdict == "behind"]
        if all(ratios):
            yield Target(f"{what}: at or below every peer at p99, p99.9 and p99.99",
                         ", ".join(f"{x.metric.split('_')[1]} {x} of {x.peer}'s" for x in ratios),
                         met_unless(behind, ratios))
        for q, most in (("p50", 100), ("p99", 200), ("p99.9", 1000), ("max", 10000)):
            alone = r.median("tails", "steady", "timer", f"allocate_{q}")
            yield limit(f"{what}: {'longest' if q == 'max' else q} at most {time_of(most)}", at[q], most, " ns",
                        f" (the timer alone: {time_of(alone)})")
    for what in ("system_calls", "page_faults"):
        yield limit(f"no {what.replace('_', ' ')} once zslab_reserve covers the working set",
                    r.median("tails", "quiet", "inline", what), 0)


def totals(r, shape, allocator):
    """threads -> million pairs a second of each round"""
    return {int(row.split()[1]): r.rounds("threads", row, allocator, "pairs") for row in r.rows("threads")
            if row.split()[0] == shape and r.has("threads", row, allocator, "pairs")}


def targets_threads(r):
    counts = sorted(totals(r, "private", "inline"))
    if len(counts) < 2:
        return
    cores = counts[-1] // 2
    share = r.median("threads", f"private {cores}", "inline", "share")
    text = f"{cores} threads on {cores} cores: at least 0.95 of what as many integer loops gain"
    yield Target(text, *(("not measured", None) if math.isnan(share) else (f"{share:.2f}", share >= 0.95)))
    lower = []
    for shape in SHAPES:
        by_count = totals(r, shape, "inline")
        for less, more in zip(sorted(by_count), sorted(by_count)[1:]):
            ratios = [b / a for a, b in zip(by_count[less], by_count[more]) if a > 0]
            if len(ratios) > 2 and interval(ratios)[1] < 1:
                lower.append(f"{shape} {less} to {more}: {statistics.median(ratios):.2f}")
    yield Target("no thread more lowers the total", "; ".join(lower) or "none does", not lower)


def targets_memory(r):
    for row in MIXES + ["growth"]:
        lean = [a for a in r.peers("memory", row, "peak_mib") if a.startswith(LEAN)]
        if not lean:
            continue
        peer = min(lean, key=lambda a: r.median("memory", row, a, "peak_mib"))
        x = compare(r, "memory", row, "peak_mib", "inline", peer=peer)
        more = compare(r, "memory", row, "peak_mib", "epochs", peer=peer)
        by = f"; by lifetime {more.value:.3f}" if more else ""
        yield Target(f"peak on {row}: at most that of the leanest of mimalloc, jemalloc, tcmalloc",
                     f"{x.value:.3f} of {peer}'s{by}", x.value <= 1)
    for row, text in (("return", "after a release"), ("return_close", "after a close")):
        left, kib = (r.median("memory", row, "inline", m) for m in ("stays_pct", "stays_kib"))
        if not math.isnan(left):
            yield Target(f"{text} under the RSS policy at most 2 % (or 128 KiB) stays", f"{left:.2f} % ({kib:.0f} KiB)",
                         left <= 2 or kib <= 128)
    worst = max(((r.median("memory", f"equal {n}", "inline", "over_limit"), n) for n in (16, 64, 1024)))
    yield limit("metadata at most 1.5 bytes a slot and 1 %", worst[0], 1, note=f" of that at {worst[1]} bytes")


def targets(r):
    found = list(targets_pairs(r))
    found.append(limit("an epoch's objects: allocate + release at most 1.2 of a bump arena",
                       r.median("epochs", "100000", "inline", "of_bump"), 1.2))
    found.append(limit("release of 100,000 objects under 1 us", r.median("epochs", "100000", "inline", "release_ns"),
                       999, " ns"))
    found.append(limit("a handle's lookup at most 1.5 ns over a pointer's, random over 10,000",
                       r.median("handles", "10000 independent handle", "inline", "ns_over_pointer"), 1.5, " ns"))
    return found + list(targets_tails(r)) + list(targets_threads(r)) + list(targets_memory(r))


# ---- plots: each a gnuplot script with its data, one SVG ----

# Ours are red, and nothing else is. A family of peers has a colour, one not listed a spare; versions are its shades.
OUR_COLORS = {"inline": "#c1121f", "called": "#ef5a64", "static": "#6d0a12", "epochs": "#ff8c61", "shim": "#f5a9b0"}
FAMILY_COLORS = {"glibc": "#6b6b6b", "mimalloc": "#1c5f9e", "jemalloc": "#2c7d43", "tcmalloc": "#b98a12",
                 "rpmalloc": "#6f4fc0", "snmalloc": "#2bb3c0", "bump": "#1a1a1a", "timer": "#b5b5b5"}
SPARE_COLORS = ["#7d5230", "#8f8a00", "#4e6b7c", "#8c3f8c"]


def label(allocator):
    return OURS.get(allocator) or ASIDE.get(allocator) or allocator


def family(allocator):
    return allocator.split("-")[0]


def color(r, allocator):
    if allocator in OUR_COLORS:
        return OUR_COLORS[allocator]
    peers = sorted({k[2] for k in r.figures} - set(OURS))
    others = list(dict.fromkeys(family(a) for a in peers if family(a) not in FAMILY_COLORS))
    name = family(allocator)
    base = FAMILY_COLORS.get(name) or SPARE_COLORS[others.index(name) % len(SPARE_COLORS)]
    versions = [a for a in peers if family(a) == name]
    white = 0.66 * versions.index(allocator) / len(versions)
    return "#" + "".join(f"{round(int(base[i:i + 2], 16) * (1 - white) + 255 * white):02x}" for i in (1, 3, 5))


def same_colors(r):
    """Contestants of whom a plot does not show which is which."""
    by_color = {}
    for a in sorted({k[2] for k in r.figures}):
        by_color.setdefault(color(r, a), []).append(a)
    return [" and ".join(who) for who in by_color.values() if len(who) > 1]


def gnuplot(path, size, script, blocks):
    """blocks: name -> rows of values, sent as $name"""
    data = "".join(f"${name} << EOD\n" + "\n".join(" ".join(map(str, row)) for row in rows) + "\nEOD\n"
                   for name, rows in blocks.items())
    head = (f"set terminal svg size {size[0]},{size[1]} dynamic font 'sans-serif,12' background '#ffffff'\n"
            f"set output '{path}'\nset border 3 lc '#666666'\nset tics nomirror\nset grid y lc '#e4e4e4' lt 1\n")
    try:
        subprocess.run(["gnuplot"], input=head + data + script, text=True, check=True)
        return True
    except FileNotFoundError:
        return False


def plot_families(r, path):
    """For the first screen: a bar for each family of peers, on each row its fastest version."""
    groups = {"zslab called": ["called"]}
    for a in sorted(set(r.allocators("pairs")) - set(OURS) - set(ASIDE)):
        groups.setdefault(family(a), []).append(a)
    return plot_ratios(r, path, {f"{name} (best of {len(who)})" if len(who) > 1 else name: who
                                 for name, who in groups.items()})


def plot_ratios(r, path, groups=None):
    """Speed against zslab inlined: a bar above 1 is faster than zslab. groups: title -> whose fastest it shows."""
    groups = groups or {label(a): [a] for a in r.allocators("pairs") if a not in ("bump", "static", "inline")}
    rows = [row for row in PAIR_ROWS[:10] if r.has("pairs", row, "inline", "ns")]
    best = {(row, t): min(r.median("pairs", row, a, "ns") for a in who) for row in rows for t, who in groups.items()}
    data = [[f'"{row}"'] + [f"{r.median('pairs', row, 'inline', 'ns') / best[row, t]:.3f}" for t in groups]
            for row in rows]
    plots = ", ".join(f"$d using {i + 2}:xtic(1) title '{t}' lc rgb '{color(r, who[0])}'"
                      for i, (t, who) in enumerate(groups.items()))
    return gnuplot(path, (1000, 400), f"""
set style data histogram
set style histogram clustered gap 1.5
set style fill solid 0.9
set boxwidth 0.95
set yrange [0:*]
set title "Allocate + free: speed, zslab inlined = 1 (a bar above the line is faster than zslab)"
set key outside bottom center horizontal
set arrow 1 from graph 0, first 1 to graph 1, first 1 nohead lc '{OUR_COLORS['inline']}' lw 2 front
plot {plots}
""", {"d": data})


def plot_tails(r, path):
    who = [a for a in r.allocators("tails", "steady")]
    script, blocks = "set multiplot layout 1,2\nset logscale y\nset xtics rotate by 30 right\nset yrange [1:*]\n", {}
    for n, what in enumerate(("allocate", "free")):
        script += f"set title '{what}, ns (16 to 511 bytes, 10,000 alive)'\n"
        script += "unset key\n" if n == 0 else "set key outside right\n"
        for i, a in enumerate(who):
            blocks[f"d{n}_{i}"] = [[k, f'"{q}"', max(1, r.median("tails", "steady", a, f"{what}_{q}"))]
                                   for k, q in enumerate(QUANTILES)]
        script += "plot " + ", ".join(f"$d{n}_{i} using 1:3:xtic(2) with lines lw {3 if a in OURS else 1.5} "
                                      f"lc rgb '{color(r, a)}' title '{label(a)}'" for i, a in enumerate(who)) + "\n"
    return gnuplot(path, (1100, 420), script, blocks)


def plot_threads(r, path):
    who = r.allocators("threads")
    script, blocks = "set multiplot layout 1,3\nset yrange [0:*]\nset xtics 1\nset xlabel 'threads'\n", {}
    for n, shape in enumerate(SHAPES):
        script += f"set title '{shape}, million pairs a second'\n"
        script += "set key outside right\n" if n == 2 else "unset key\n"
        for i, a in enumerate(who):
            blocks[f"d{n}_{i}"] = [[t, statistics.median(v)] for t, v in sorted(totals(r, shape, a).items())]
        script += "plot " + ", ".join(f"$d{n}_{i} with linespoints pt 7 ps 0.6 lw {3 if a in OURS else 1.5} "
                                      f"lc rgb '{color(r, a)}' title '{label(a)}'" for i, a in enumerate(who)) + "\n"
    return gnuplot(path, (1200, 380), script, blocks)


def plot_rss(r, path):
    who = r.allocators("memory", "shift")
    script, blocks = ("set multiplot layout 1,2\nset yrange [0:*]\nset xlabel "
                      "'million allocations; then all but the long-lived dropped, then asked back'\n"), {}
    for n, row in enumerate(("mixed", "shift")):
        script += f"set title 'resident MiB, {row}'\n" + ("set key outside right\n" if n == 1 else "unset key\n")
        for i, a in enumerate(who):
            at = [k for k in r.figures if k[:3] == ("memory", row, a) and k[3].startswith("at_")]
            blocks[f"d{n}_{i}"] = [[(int(k[3][3:]) + 1) * 1.5 / (len(at) - 2), r.median(*k)] for k in at]
        script += "plot " + ", ".join(f"$d{n}_{i} with lines lw {3 if a in OURS else 1.5} lc rgb '{color(r, a)}' "
                                      f"title '{label(a)}'" for i, a in enumerate(who)) + "\n"
    return gnuplot(path, (1100, 380), script, blocks)


PLOTS = [("pairs", "front.svg", plot_families), ("pairs", "pairs.svg", plot_ratios), ("tails", "tails.svg", plot_tails),
         ("threads", "threads.svg", plot_threads), ("memory", "rss.svg", plot_rss)]


def draw(r, folder):
    """question -> the text of its SVG, the last one's if it has two"""
    drawn = {}
    for question, name, plot in PLOTS:
        if not r.rows(question):
            continue
        path = f"{folder}/{name}"
        if not plot(r, path):
            print("gnuplot is missing: no plots", file=sys.stderr)
            break
        with open(path, encoding="utf-8") as f:
            drawn[question] = re.sub(r"^.*?(?=<svg)", "", f.read(), flags=re.S)  # without the XML declaration
    return drawn


# ---- tables: lists of rows of text, the first is the head ----

def figure(x):
    return "-" if math.isnan(x) else f"{x:.0f}" if abs(x) >= 100 else f"{x:.1f}" if abs(x) >= 10 else f"{x:.2f}"


def table_by_allocator(r, question, lines):
    """A line for each (title, row, metric), a column for each allocator."""
    who = r.allocators(question)
    yield [""] + [label(a) for a in who]
    for title, row, metric in lines:
        if any(r.has(question, row, a, metric) for a in who):
            yield [title] + [figure(r.median(question, row, a, metric)) for a in who]


def table_of_rows(r, question):
    """For benches that compare inside: a line for each row and allocator, a column for each metric."""
    metrics = list(dict.fromkeys(k[3] for k in r.figures if k[0] == question))
    yield [""] + metrics
    for row in r.rows(question):
        for a in r.allocators(question, row):
            name = row if a == "inline" else f"{row}, {label(a)}"
            yield [name] + [figure(r.median(question, row, a, m)) for m in metrics]


def tables(r, question):
    if question == "pairs":
        return table_by_allocator(r, question, [(f"{row}: {ROW_SAYS[row]}, ns", row, "ns") for row in PAIR_ROWS])
    if question == "tails":
        lines = [(f"{row}, {what} {q}, ns", row, f"{what}_{q}") for row in TAIL_ROWS
                 for what in ("allocate", "free") for q in QUANTILES]
        lines += [(m.replace("_", " "), "quiet", m) for m in ("page_faults", "system_calls")]
        return table_by_allocator(r, question, lines)
    if question == "threads":
        lines = [(f"{row}, million pairs a second", row, "pairs") for row in r.rows(question)]
        return table_by_allocator(r, question, lines + [(f"{row}, share of the loops' gain", row, "share")
                                                        for row in r.rows(question)])
    if question in ("calls", "large", "memory", "traces"):
        keys = dict.fromkeys((k[1], k[3]) for k in r.figures if k[0] == question and not k[3].startswith("at_"))
        return table_by_allocator(r, question, [(f"{row}, {metric}", row, metric) for row, metric in keys])
    return table_of_rows(r, question)


def table_of_ratios(ratios):
    yield ["", "of the best peer", "5-95 %", "best peer", ""]
    for x in ratios:
        yield [f"{x.question} {x.row}, {x.metric}, {label(x.ours)}", f"{x.value:.2f}", f"{x.low:.2f}-{x.high:.2f}",
               x.peer, x.verdict]


def table_of_targets(found):
    yield ["target", "measured", "met"]
    for t in found:
        yield [t.text, t.measured, {True: "yes", False: "NO", None: "-"}[t.met]]


def summary(ratios, what="rows against the best peer of each"):
    count = {v: sum(x.verdict == v for x in ratios) for v in VERDICTS + (FEW,)}
    text = (f"{len(ratios)} {what}: ahead on {count['faster'] + count['less']}, level on {count['level']}, behind on "
            f"{count['behind']}, unresolved {count['unresolved']}")
    return text + (f", too few rounds for {count[FEW]}" if count[FEW] else "")


# ---- the page ----

STYLE = """body{font:14px/1.45 system-ui,sans-serif;color:#222;max-width:1250px;margin:24px auto;padding:0 16px}
table{border-collapse:collapse;margin:12px 0;font-size:13px}
th,td{padding:2px 8px;border-bottom:1px solid #e4e4e4;text-align:right}
th:first-child,td:first-child{text-align:left}.scroll{overflow-x:auto}.behind,.NO{color:#b8323f;font-weight:600}
.faster,.less,.level,.yes{color:#2c7a3f}.unresolved{color:#8a6d00}"""


def html_table(rows, left=1):
    out = []
    for n, row in enumerate(rows):
        cell = "th" if n == 0 else "td"
        style = [f' class="{c}"' if c in VERDICTS + ("yes", "NO") else
                 ' style="text-align:left"' if i < left else "" for i, c in enumerate(row)]
        out.append("<tr>" + "".join(f"<{cell}{s}>{html.escape(c)}</{cell}>" for s, c in zip(style, row)) + "</tr>")
    return '<div class="scroll"><table>' + "\n".join(out) + "</table></div>"


def write_page(r, ratios, found, drawn, path):
    part = [f"<!doctype html><meta charset=utf-8><title>zslab: bench</title><style>{STYLE}</style>",
            "<h1>zslab, measured</h1>",
            f"<p>{html.escape(r.provenance)}</p><p>{html.escape(summary(ratios))}.</p>",
            f"<h2>Targets: {sum(t.met is True for t in found)} of {len(found)} met</h2>",
            html_table(table_of_targets(found), left=2)]
    for question, (asks, good) in QUESTIONS.items():
        if not r.rows(question):
            continue
        part.append(f"<h2>{html.escape(asks)}</h2><p>Good: {html.escape(good)}.</p>{drawn.get(question, '')}")
        part.append(html_table(tables(r, question)))
    part.append("<h2>Every row against the best peer</h2><p>Ratios below 1 are better; the interval is over the "
                "rounds. 'Faster' and 'less' are said only when all of it is below 1, 'behind' when all is above, "
                "'level' when it is within 2 % of 1 without being either.</p>")
    part.append(html_table(table_of_ratios(ratios)))
    with open(path, "w", encoding="utf-8") as f:
        f.write("\n".join(part))


def text_table(rows):
    rows = list(rows)
    width = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join([row[0].ljust(width[0])] + [c.rjust(w) for c, w in zip(row[1:], width[1:])]).rstrip()
                     for row in rows)


def write_all(r, folder, terse=False):
    ratios, found = all_ratios(r), targets(r)
    write_page(r, ratios, found, draw(r, folder), f"{folder}/report.html")
    print(f"# {r.provenance}\n")
    if terse:
        print(text_table(tables(r, "pairs")) if r.rows("pairs") else "")
        print(f"\n{folder}/bench.csv, {folder}/report.html")
        return
    for question, (asks, good) in QUESTIONS.items():
        if r.rows(question) and question in ("pairs", "epochs", "handles", "pools", "stats"):
            print(f"{asks} Good: {good}.\n{text_table(tables(r, question))}\n")
    print(text_table(table_of_ratios(ratios)) + "\n")
    print(text_table(table_of_targets(found)) + f"\n\n{summary(ratios)}\n{folder}/bench.csv, {folder}/report.html")


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    folder = sys.argv[2] if len(sys.argv) == 3 else os.path.dirname(sys.argv[1]) or "."
    write_all(Results.read(sys.argv[1]), folder)


if __name__ == "__main__":
    main()
