#!/usr/bin/env python3
"""Runs every bench and every allocator side by side, interleaved, and hands the figures to report.py.

Each figure is a process of its own, so that no allocator inherits another's heap; peers answer plain malloc and free
through LD_PRELOAD, as in a real program. A round runs everything once, nobody always first; rounds follow until the
time is used up. What is written: bench.csv (one line a figure, all its rounds), plots and report.html.
"""
import argparse
import csv
import glob
import io
import os
import subprocess
import sys
import time
from dataclasses import dataclass

sys.dont_write_bytecode = True  # the tree holds sources only
import report  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
DEBIAN_PEERS = [("glibc", ""), ("mimalloc", "libmimalloc.so.2"), ("jemalloc", "libjemalloc.so.2"),
                ("tcmalloc", "libtcmalloc_minimal.so.4")]
MIN_ROUNDS = 3


@dataclass
class Contestant:
    name: str
    form: str
    preload: str = ""
    version: str = ""
    missing: bool = False


@dataclass
class Job:
    question: str
    row: str
    contestant: Contestant
    argv: list
    every: int = 1  # runs in each round, or in every third ...
    parse: object = None


def lines_of(text, row):
    """The answer of most benches: lines "metric value"."""
    for line in text.splitlines():
        metric, value = line.rsplit(" ", 1)
        yield row, metric, float(value)


def table_parser(keys, metrics, allocator_key=None):
    """For benches that answer with a CSV of their own: rows named by `keys`, figures in the columns `metrics`."""
    def parse(text, _):
        body = "\n".join(line for line in text.splitlines() if line and not line.startswith("#"))
        for record in csv.DictReader(io.StringIO(body)):
            row = " ".join(record[k] for k in keys)
            for metric in metrics:
                yield row, metric, float(record[metric]), record.get(allocator_key) if allocator_key else None
    return parse


class Bench:
    def __init__(self, options):
        self.dir = options.bin
        self.quick = options.quick
        self.only = set(options.only.split(",")) if options.only else None
        self.failures, self.peer_failures, self.absent = [], [], []
        self.results = report.Results()
        self.ours = [Contestant("inline", "inline"), Contestant("called", "called"), Contestant("static", "static")]
        self.floor = Contestant("bump", "bump")
        self.peers = [Contestant(name, "malloc", preload) for name, preload in DEBIAN_PEERS + options.peers]
        self.by_lifetime = Contestant("epochs", "inline")
        self.shim = Contestant("shim", "malloc", os.path.abspath("build/libzslab_malloc.so"))
        for c in self.ours + self.peers + [self.shim]:
            self.meet(c)
        self.inline = self.ours[0]

    def meet(self, c):
        """Which allocator answers, and its version. The loader leaves out a library that it cannot find and goes on
        with libc: then the name would answer falsely."""
        try:
            library, c.version = self.answers(f"{self.dir}/pairs_{c.form}", c.preload)
        except (OSError, subprocess.SubprocessError) as e:
            if c.form != "malloc":
                sys.exit(f"bench: {e}")
            c.missing = True
            return
        c.missing = bool(c.preload) and ("/libc.so" in library or "/libc-" in library)

    @staticmethod
    def answers(program, preload):
        """The library whose malloc the program gets, and its version ("": it has none)."""
        library, version = Bench.call([program, "who"], preload).rstrip("\n").rsplit(" ", 1)
        return library, version

    def versions(self):
        return ", ".join(f"{c.name} {'missing' if c.missing else c.version or '(no version)'}"
                         for c in self.ours[:1] + self.peers + [self.shim]) + "".join(f", {a}" for a in self.absent)

    @staticmethod
    def call(argv, preload=""):
        env = dict(os.environ)
        if preload:
            env["LD_PRELOAD"] = preload
        done = subprocess.run(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300,
                              check=False)
        if done.returncode:
            raise subprocess.SubprocessError(f"{' '.join(argv)}: exit {done.returncode} {done.stderr.strip()[-200:]}")
        return done.stdout

    # ---- the questions ----

    def jobs(self):
        everyone = [c for c in self.ours + self.peers if not c.missing]
        compared = [self.inline] + [c for c in self.peers if not c.missing]
        every = []
        for name in report.QUESTIONS:
            if not self.only or name in self.only:
                every += getattr(self, "jobs_" + name)(everyone, compared)
        return every

    def job(self, program, row, c, *args, question=None, every=1):
        return Job(question or program, row, c, [f"{self.dir}/{program}_{c.form}", *map(str, args)], every)

    def jobs_pairs(self, everyone, _):
        ms = 4 if self.quick else 20
        for row in report.PAIR_ROWS:
            for c in everyone + [self.shim, self.floor]:
                if c.missing or c is self.floor and row != "epoch" or c.form == "malloc" and row == "alternate":
                    continue
                yield self.job("pairs", row, c, row, ms, "const")

    def jobs_calls(self, _, compared):
        ms = 4 if self.quick else 20
        for row in report.CALL_ROWS + report.OWN_CALL_ROWS:
            for c in compared[:1] if row in report.OWN_CALL_ROWS else compared:
                yield self.job("calls", row, c, row, ms)

    def jobs_large(self, _, compared):
        ms = 10 if self.quick else 50
        for c in compared + ([] if self.shim.missing else [self.shim]):
            for size in report.LARGE_SIZES:
                for written in (0, 1):
                    for threads in (1, 2):
                        row = f"{size >> 10} KiB" + ", written" * written + ", two threads" * (threads - 1)
                        yield self.job("large", row, c, "pair", size, written, threads, ms, every=2)
            for row in ("double", "steps"):
                yield self.job("large", f"realloc {row}", c, row, ms, every=2)

    def jobs_tails(self, _, compared):
        thousand = 60 if self.quick else 500
        for row in report.TAIL_ROWS + ["quiet"]:
            for c in compared:
                yield self.job("tails", row, c, row, thousand, every=2 if row == "quiet" else 1)
        yield self.job("tails", "steady", Contestant("timer", "malloc"), "nothing", thousand)

    def jobs_threads(self, _, compared):
        cpus = len(os.sched_getaffinity(0))
        some = {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, cpus, 2 * cpus}
        counts = sorted(n for n in some if n <= 2 * cpus)
        slices, ms = (1, 3) if self.quick else (3, 5)
        for shape in report.SHAPES:
            for n in (n for n in counts if shape != "handover" or n % 2 == 0):
                for c in compared:
                    yield self.job("threads", f"{shape} {n}", c, shape, n, slices, ms)

    def jobs_memory(self, _, compared):
        for row in report.MIXES + ["growth"]:
            for c in compared:
                yield self.job("memory", row, c, row)
            if row != "growth":
                yield self.job("memory", row, self.by_lifetime, row, "lifetimes")
        for size in (16, 64, 1024):
            for c in compared:
                yield self.job("memory", f"equal {size}", c, "equal", size)
        for c in compared:
            for row in ("startup", "threads", "return"):
                yield self.job("memory", row, c, row)
        yield self.job("memory", "return_close", self.inline, "return_close")

    def jobs_epochs(self, *_):
        parse = table_parser(["objects"], ["release_ns", "reset_ns", "epoch_ns_per_object", "bump_ns_per_object",
                                           "of_bump"])
        yield self.single("epochs", ["-r", "1" if self.quick else "3"], parse)

    def jobs_handles(self, *_):
        parse = table_parser(["objects", "lookups", "by"], ["ns", "ns_over_pointer"])
        yield self.single("handles", ["-r", "1", "-n", "100000" if self.quick else "1000000"], parse, 3)

    def jobs_pools(self, *_):
        yield self.single("pool", ["-r", "1"], table_parser(["row"], ["median_ns"], "allocator"), 2, "pools")

    def jobs_stats(self, *_):
        yield Job("stats", "us", self.inline, [f"{self.dir}/bench_stats", "3" if self.quick else "10"], every=2)

    def jobs_traces(self, _, compared):
        for name, path in self.traces().items():
            for c in compared + ([] if self.shim.missing else [self.shim]):
                yield self.job("replay", name, c, path, question="traces")
            yield self.job("replay", name, self.by_lifetime, path, "epochs", question="traces")

    def traces(self):
        """Records what real programs do with malloc: the largest process of each. Who is not installed is named."""
        found, folder = {}, f"{self.dir}/trace"
        os.makedirs(folder, exist_ok=True)
        for name, argv in trace_programs(folder, self.quick).items():
            for old in glob.glob(f"{folder}/{name}.*"):
                os.remove(old)
            env = dict(os.environ, LD_PRELOAD=os.path.abspath(f"{self.dir}/trace_record.so"), PYTHONMALLOC="malloc",
                       ZSLAB_TRACE=os.path.abspath(f"{folder}/{name}.%p"))
            try:
                subprocess.run(argv, env=env, stdout=subprocess.DEVNULL, check=True)
                found[name] = max(glob.glob(f"{folder}/{name}.*"), key=os.path.getsize)
            except FileNotFoundError:
                self.absent.append(f"{name} missing")
            except (subprocess.SubprocessError, ValueError) as e:
                self.failures.append(f"recording {name}: {e}")
        return found

    def single(self, program, args, parse, every=1, question=None):
        """A bench that compares inside one process and writes a table of its own."""
        out = f"{self.dir}/{program}-round.csv"
        return Job(question or program, "", self.inline, [f"{self.dir}/bench_{program}", *args, "-o", out], every,
                   lambda _, row: parse(open(out, encoding="utf-8").read(), row))

    # ---- running ----

    def measure(self, job):
        try:
            text = self.call(job.argv, job.contestant.preload)
            for row, metric, value, *who in (job.parse or lines_of)(text, job.row):
                self.results.add(job.question, row, who[0] if who and who[0] else job.contestant.name, metric, value)
        except (OSError, subprocess.SubprocessError, ValueError) as e:
            trouble = f"{job.contestant.name}, {job.question} {job.row}: {e}"
            (self.peer_failures if job.contestant in self.peers else self.failures).append(trouble)

    def run(self, minutes):
        jobs, began, rounds, longest = self.jobs(), time.monotonic(), 0, 0.0
        first = 1 if self.quick else MIN_ROUNDS
        while rounds < first or time.monotonic() - began + longest < minutes * 60:
            at = time.monotonic()
            now = [j for j in jobs if rounds % j.every == 0]
            for group in group_rows(now):
                turn = rounds % len(group)
                for job in group[turn:] + group[:turn]:
                    progress(rounds, (time.monotonic() - began) / 60, minutes, job)
                    self.measure(job)
            rounds += 1
            if rounds == 1 or rounds % 3:
                longest = time.monotonic() - at
        progress(None)
        return rounds


def trace_programs(folder, quick):
    """What the traces are of: the C compiler at work on zslab.h, Python on JSON, SQLite on a table and its index."""
    level, rows = ("-fsyntax-only", 2000) if quick else ("-O0", 30000)
    objects = "[{'a': i, 'b': str(i) * 3} for i in range(%d)]" % rows
    return {
        "cc": ["cc", "-std=c11", level, "-DZSLAB_IMPLEMENTATION", "-x", "c", "-c", "zslab.h", "-o", f"{folder}/cc.o"],
        "python3": ["python3", "-c", f"import json; s = json.dumps({objects}); assert len(json.loads(s)) == {rows}"],
        "sqlite3": ["sqlite3", ":memory:", f"""create table t (a integer primary key, b text, c integer);
            insert into t select value, hex(randomblob(8 + value % 40)), value % 997
                from generate_series(1, {rows * 3});
            create index i on t (c, b); select c, count(*), max(b) from t group by c order by 2 desc limit 5;
            update t set b = b || c where c % 7 = 0; delete from t where c % 3 = 0; select sum(length(b)) from t;"""],
    }


def group_rows(jobs):
    """The same row of every contestant, one group a row, in order."""
    groups = {}
    for job in jobs:
        groups.setdefault((job.question, job.row), []).append(job)
    return list(groups.values())


said_at = 0.0


def progress(rounds, minutes=0.0, of=0.0, job=None):
    """One line that is written over on a terminal; elsewhere a new one every ten seconds."""
    global said_at
    if rounds is None:
        print("\r" + " " * 90 + "\r" if sys.stderr.isatty() else "", end="", file=sys.stderr)
    elif sys.stderr.isatty():
        text = f"round {rounds + 1}, minute {minutes:.1f} of {of:g}: {job.question} {job.row} {job.contestant.name}"
        print(f"\r{text:<90.90}", end="", file=sys.stderr, flush=True)
    elif time.monotonic() - said_at > 10:
        said_at = time.monotonic()
        print(f"round {rounds + 1}, minute {minutes:.1f} of {of:g}: {job.question} {job.row}", file=sys.stderr,
              flush=True)


def first_line(command):
    done = subprocess.run(command, shell=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                          check=False)
    return (done.stdout.splitlines() or [""])[0].strip()


def commit_here():
    changes = "+changes" if first_line("git status --porcelain --untracked-files=no") else ""
    return (first_line("git rev-parse --short HEAD") or "none") + changes


def provenance(command, commit, allocators):
    """The first line of a file of figures: what was run, where, among whom."""
    cpu = first_line("sed -n 's/^model name[^:]*: //p' /proc/cpuinfo") or os.uname().machine
    thp = first_line("cat /sys/kernel/mm/transparent_hugepage/enabled")
    system = f"{os.uname().sysname} {os.uname().release}"
    return (f"command: {command}; machine: {cpu}, {os.cpu_count()} cpus, {system}, "
            f"huge pages {thp}; compiler: {first_line('cc --version')}; commit: {commit}; "
            f"load: {os.getloadavg()[1]:.1f}; allocators: {allocators}")


def peers(text):
    found = [tuple(t.split("=", 1)) for t in text.split(",") if t]
    for t in found:
        if len(t) != 2 or not all(t):
            raise argparse.ArgumentTypeError(f"a peer is name=path.so, not '{'='.join(t)}'")
    return found


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--bin", default="build/bench", help="where the built benches are")
    p.add_argument("--out", default="build/bench", help="where bench.csv, plots and report.html go")
    p.add_argument("--minutes", type=float, default=5)
    p.add_argument("--quick", action="store_true", help="one short round of everything; figures only show that it runs")
    p.add_argument("--only", default="", help="questions, with commas: " + ", ".join(report.QUESTIONS))
    p.add_argument("--peers", type=peers, default=[], help="more allocators: name=path.so,...")
    options = p.parse_args()
    unknown = [q for q in options.only.split(",") if q and q not in report.QUESTIONS]
    if unknown:
        p.error("no such question: " + ", ".join(unknown))
    if options.quick:
        options.minutes = 0
    bench, commit = Bench(options), commit_here()
    rounds = bench.run(options.minutes)
    kind = "quick" if options.quick else f"{options.minutes:g} minutes"
    bench.results.provenance = provenance(f"make bench ({kind}, {rounds} rounds)", commit, bench.versions())
    os.makedirs(options.out, exist_ok=True)
    bench.results.write(f"{options.out}/bench.csv")
    report.write_all(bench.results, options.out, terse=options.quick)
    for f in bench.failures + bench.peer_failures:
        print("failed:", f, file=sys.stderr)
    sys.exit(bool(bench.failures))  # a peer's failure is its own: named, and no figure


if __name__ == "__main__":
    main()
