#!/usr/bin/python3
"""Unmodified programs under the malloc shim, libc and the peers: same output? time? memory?

Every program runs once with each allocator in every round, in an order that turns from round to round. The output
must be libc's, byte for byte. Time is processor time, user and system, of the program and its children; memory is the
peak resident size. A ratio is zslab's figure over another's of the same round: its median and the span from 5 to
95 %. Faster or slower is said only when the whole span is on one side of 1.
"""
import argparse
import csv
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
LIBRARIES = "/usr/lib/" + platform.machine() + "-linux-gnu/"
LIBC = "/lib/" + platform.machine() + "-linux-gnu/libc.so.6"
PEERS = {
    "mimalloc": LIBRARIES + "libmimalloc.so.2",
    "jemalloc": LIBRARIES + "libjemalloc.so.2",
    "tcmalloc": LIBRARIES + "libtcmalloc_minimal.so.4",
}


def spent(argv, preload, env=None, stdin=None):
    """Start argv under GNU time; returns the process and the file that will hold its peak."""
    peak = tempfile.NamedTemporaryFile("r", dir=work, delete=False)
    launch = ["/usr/bin/time", "-q", "-f", "%M", "-o", peak.name, "env", "LD_PRELOAD=" + preload]
    launch += [f"{k}={v}" for k, v in (env or {}).items()]
    process = subprocess.Popen(launch + argv, stdin=stdin or subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, cwd=work)
    return process, peak


def ended(process, peak, begin):
    """Wait; processor ms, wall ms, peak KiB. A failed program ends everything."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = (time.monotonic() - begin) * 1e3
    kib = int(peak.read().split()[-1])
    peak.close()
    os.unlink(peak.name)
    return (usage.ru_utime + usage.ru_stime) * 1e3, wall, kib


def plain(argv, env=None, stdin=None, output=None):
    """A program that reads, writes and ends: a function from a library to (digest, cpu, wall, peak)."""
    def once(preload):
        begin = time.monotonic()
        source = open(stdin, "rb") if stdin else None
        process, peak = spent(argv, preload, env, source)
        text = process.stdout.read()
        figures = ended(process, peak, begin)
        if source:
            source.close()
        if process.returncode or b"cannot be preloaded" in text:
            sys.exit(f"{' '.join(argv)} under {preload}: exit status {process.returncode}\n{text.decode()[-2000:]}")
        if output:
            with open(os.path.join(work, output), "rb") as f:
                text += f.read()
        return (hashlib.sha256(text).hexdigest(),) + figures
    return once


def redis_work(socket, cli):
    """What the server is asked to do; the digest of its data after the fixed part."""
    for _ in range(1500):
        if subprocess.run(cli + ["ping"], capture_output=True).stdout == b"PONG\n":
            break
        time.sleep(0.02)
    with open(os.path.join(work, "commands"), "rb") as f:
        subprocess.run(cli + ["--pipe"], stdin=f, check=True, capture_output=True)
    text = subprocess.run(cli + ["debug", "digest"], check=True, capture_output=True).stdout
    subprocess.run(["redis-benchmark", "-s", socket, "-q", "-n", "30000", "-r", "100000", "-P", "16", "-d", "64",
                    "-t", "set,get,incr,lpush,lpop,sadd,hset,zadd"], check=True, capture_output=True)
    subprocess.run(cli + ["bgsave"], check=True, capture_output=True)
    while b"rdb_bgsave_in_progress:1" in subprocess.run(cli + ["info", "persistence"], capture_output=True).stdout:
        time.sleep(0.01)
    os.unlink(os.path.join(work, "dump.rdb"))
    subprocess.run(cli + ["flushall"], check=True, capture_output=True)
    return text


def redis(preload):
    """A server: filled by a fixed list of commands, its digest taken, then redis-benchmark, a save in a child."""
    socket = os.path.join(work, "redis.sock")
    cli = ["redis-cli", "-s", socket]
    begin = time.monotonic()
    process, peak = spent(["redis-server", "--port", "0", "--unixsocket", socket, "--save", "", "--dir", work,
                           "--enable-debug-command", "yes", "--logfile", "redis.log"], preload)
    try:
        text = redis_work(socket, cli)
    finally: # also when a step failed: no server stays behind
        subprocess.run(cli + ["shutdown", "nosave"], capture_output=True)
    text += process.stdout.read()
    return (hashlib.sha256(text).hexdigest(),) + ended(process, peak, begin)


def redis_commands(path):
    with open(path, "w") as f:
        for i in range(40000):
            f.write(f"SET key:{i} {'v' * (1 + i * 7919 % 200)}\r\nHSET hash:{i % 3000} field{i} {i}\r\n")
            f.write(f"RPUSH list:{i % 500} item{i}\r\nZADD zset:{i % 50} {i} member{i}\r\n")
            if i % 3 == 0:
                f.write(f"DEL key:{i // 2}\r\nAPPEND key:{i} {'w' * (1 + i % 300)}\r\n")


def prepare():
    """Programs to run, by name; what they need is made in the work directory."""
    script = lambda name: os.path.join(HERE, name)
    subprocess.run(["g++", "-O2", "-pthread", script("threads.cc"), "-o", work + "/threads"], check=True)
    redis_commands(work + "/commands")
    shutil.copy(os.path.join(HERE, "../../zslab.h"), work)
    with open(work + "/zslab.c", "w") as f:
        f.write("#define ZSLAB_IMPLEMENTATION\n#include \"zslab.h\"\n")
    with open(work + "/git.sh", "w") as f: # a repository of its own: a dozen commits
        f.write("rm -rf repo && git init -q repo && cd repo || exit 1\n"
                "i=0; while [ $i -lt 120 ]; do seq $i $((i * 13 + 400)) >f$i; i=$((i + 1)); done\n"
                "git add . && git commit -qm first\n"
                "i=1; while [ $i -lt 12 ]; do seq $i 7 9000 >f$i; git commit -qam $i; i=$((i + 1)); done\n"
                "git log -p --stat; git gc -q; git blame f3 | tail; git grep -c 77; git fsck --full 2>&1\n")
    git = {"GIT_AUTHOR_DATE": "2020-01-01T00:00:00Z", "GIT_COMMITTER_DATE": "2020-01-01T00:00:00Z", "HOME": work,
           "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b",
           "GIT_CONFIG_NOSYSTEM": "1"}
    return {
        "lua5.4": plain(["lua5.4", script("work.lua")]),
        "sqlite3": plain(["sqlite3", ":memory:"], stdin=script("work.sql")),
        "python3": plain(["/usr/bin/python3", "-S", script("work.py")]),
        "python3, malloc": plain(["/usr/bin/python3", "-S", script("work.py")], {"PYTHONMALLOC": "malloc"}),
        "redis-server": redis,
        "gcc -O1": plain(["gcc", "-O1", "-c", "zslab.c", "-o", "zslab.o"], output="zslab.o"),
        "g++ -O1": plain(["g++", "-O1", "-c", script("threads.cc"), "-o", "threads.o"], output="threads.o"),
        "git": plain(["sh", "git.sh"], git),
        "threads": plain(["./threads"]),
    }


def cpu_model():
    with open("/proc/cpuinfo") as f:
        names = [line.split(":", 1)[1].strip() for line in f if line.startswith("model name")]
    return names[0] if names else platform.machine()


def quantile(values, q):
    v = sorted(values)
    at = q * (len(v) - 1)
    low = int(at)
    return v[low] + (v[min(low + 1, len(v) - 1)] - v[low]) * (at - low)


def span(values):
    return quantile(values, 0.5), quantile(values, 0.05), quantile(values, 0.95)


def verdict(rounds, low, high, less, more):
    if rounds < 5: # a span of so few says nothing
        return ""
    return less if high < 1 else more if low > 1 else "level"


def show(results, allocators, names):
    """The tables: time, then memory; zslab over each other allocator."""
    for title, column, unit, less, more in (("processor time", 1, "ms", "faster", "slower"),
                                            ("peak resident", 3, "KiB", "less", "more")):
        print(f"\n{title}: zslab's, and its ratio to each other's, median (5 % to 95 %)")
        print(f"{'program':16} {'zslab':>10}  " + "  ".join(f"{a:^24}" for a in allocators if a != "zslab"))
        for program in names:
            figures = {a: [r[column] for r in results[program][a]] for a in allocators}
            line = f"{program:16} {quantile(figures['zslab'], 0.5):7.0f} {unit:3}"
            for other in allocators:
                if other == "zslab":
                    continue
                m, low, high = span([x / y for x, y in zip(figures["zslab"], figures[other])])
                says = verdict(len(results[program][other]), low, high, less, more)
                line += f"  {m:4.2f} ({low:4.2f}-{high:4.2f}) {says:6}"
            print(line)


def main():
    global work
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("shim")
    parser.add_argument("-r", "--rounds", type=int, default=9)
    parser.add_argument("-p", "--peers", default="", help="name=library,...")
    parser.add_argument("-o", "--out", default="real.csv")
    parser.add_argument("-n", "--only", default="", help="programs whose names contain one of these, by commas")
    args = parser.parse_args()
    work = tempfile.mkdtemp(prefix="zslab-real-")
    allocators = {"libc": LIBC, "zslab": os.path.abspath(args.shim)}
    for name, library in list(PEERS.items()) + [p.split("=", 1) for p in args.peers.split(",") if p]:
        if os.path.exists(library):
            allocators[name] = os.path.abspath(library)
        else:
            print(f"missing: {name} ({os.path.basename(library)})")
    try:
        programs = {k: v for k, v in prepare().items() if any(part in k for part in args.only.split(","))}
        results = {p: {a: [] for a in allocators} for p in programs}
        differ = 0
        for n in range(args.rounds):
            for program, once in programs.items():
                order = list(allocators)
                for a in order[n % len(order):] + order[:n % len(order)]:
                    results[program][a].append(once(allocators[a]))
                wanted = results[program]["libc"][n][0]
                for a in allocators:
                    if results[program][a][n][0] != wanted:
                        print(f"DIFFERENT OUTPUT: {program} under {a}, round {n + 1}")
                        differ += a == "zslab"
            print(f"round {n + 1} of {args.rounds}", flush=True)
        commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=HERE)
        with open(args.out, "w", newline="") as f:
            f.write(f"# real programs: {args.rounds} rounds; {cpu_model()}, {os.cpu_count()} cpus, Linux "
                    f"{platform.release()}; commit {commit.stdout.strip()}\n")
            table = csv.writer(f)
            table.writerow(["program", "allocator", "round", "cpu_ms", "wall_ms", "peak_kib"])
            for program in programs:
                for a in allocators:
                    for n, (_, cpu, wall, kib) in enumerate(results[program][a]):
                        table.writerow([program, a, n + 1, f"{cpu:.3f}", f"{wall:.3f}", kib])
        show(results, list(allocators), list(programs))
        same = len(programs) - differ
        print(f"\n{same} passed, {differ} failed")
        return differ != 0
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
