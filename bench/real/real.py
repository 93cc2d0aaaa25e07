#!/usr/bin/python3
"""Unmodified programs under the malloc shim, libc and the peers: same output? time? memory?

In every round each program runs some times (--best, 3) with each allocator, in an order that turns from run to run,
and the least of them is the round's figure: what other work on the machine adds to a run says nothing about an
allocator. Time is processor time, user and system, of the program and its children; memory is the peak resident size.
The output must be libc's, byte for byte, in every run. Ratios, intervals and verdicts are report.py's: zslab's figure
over another's of the same round, and the median of the rounds.
"""
import argparse
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True  # the tree holds sources only
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import report  # noqa: E402
import run  # noqa: E402

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
    seed = {"PYTHONHASHSEED": "0"}  # the same collisions for everyone
    return {
        "lua5.4": plain(["lua5.4", script("work.lua")]),
        "sqlite3": plain(["sqlite3", ":memory:"], stdin=script("work.sql")),
        "python3": plain(["/usr/bin/python3", "-S", script("work.py")], seed),
        "python3 on malloc": plain(["/usr/bin/python3", "-S", script("work.py")], {"PYTHONMALLOC": "malloc", **seed}),
        "redis-server": redis,
        "gcc -O1": plain(["gcc", "-O1", "-c", "zslab.c", "-o", "zslab.o"], output="zslab.o"),
        "g++ -O1": plain(["g++", "-O1", "-c", script("threads.cc"), "-o", "threads.o"], output="threads.o"),
        "git": plain(["sh", "git.sh"], git),
        "threads": plain(["./threads"]),
    }


def present(peers, shim, who):
    """The allocators that answer when they are preloaded: name -> library; and a line that names them all."""
    found, said = {}, []
    for name, library in [("libc", LIBC), ("shim", shim)] + list(PEERS.items()) + peers:
        try:
            answers, version = run.Bench.answers(who, os.path.abspath(library))
        except (OSError, subprocess.SubprocessError):
            answers = ""
        if answers and os.path.realpath(answers) == os.path.realpath(library):
            found[name] = os.path.abspath(library)
            said.append(f"{name} {version or '(no version)'}")
        else:
            said.append(f"{name} missing")
    return found, ", ".join(said)


def one_round(turn, best, programs, allocators, results):
    """Every program with every allocator, some times; what the runs have in common goes to the results. How many
    outputs of zslab differ from libc's."""
    differ = 0
    for program, once in programs.items():
        runs = {a: [] for a in allocators}
        for _ in range(best):
            order = list(allocators)[turn % len(allocators):] + list(allocators)[:turn % len(allocators)]
            for a in order:
                runs[a].append(once(allocators[a]))
            turn += 1
        wanted = runs["libc"][0][0]
        for a in allocators:
            if any(output != wanted for output, *_ in runs[a]):
                print(f"DIFFERENT OUTPUT: {program} under {a}")
                differ += a == "shim"
            for metric, values in zip(("cpu_ms", "wall_ms", "peak_kib"), list(zip(*runs[a]))[1:]):
                results.add("real", program, a, metric, min(values))
    return differ


def main():
    global work
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shim")
    parser.add_argument("-r", "--rounds", type=int, default=9)
    parser.add_argument("-b", "--best", type=int, default=3, help="runs in a round, of which the least counts")
    parser.add_argument("-p", "--peers", type=run.peers, default=[], help="more allocators: name=path.so,...")
    parser.add_argument("-o", "--out", default="build/bench/real.csv")
    parser.add_argument("-n", "--only", default="", help="programs whose names contain one of these, by commas")
    parser.add_argument("-w", "--who", default="build/bench/pairs_malloc", help="what tells whose malloc it got")
    args = parser.parse_args()
    allocators, said = present(args.peers, args.shim, args.who)
    if not {"libc", "shim"} <= set(allocators):
        sys.exit(f"real: {said}")
    results, commit, differ = report.Results(), run.commit_here(), 0
    work = tempfile.mkdtemp(prefix="zslab-real-")
    try:
        programs = {k: v for k, v in prepare().items() if any(part in k for part in args.only.split(","))}
        for n in range(args.rounds):
            differ += one_round(n, args.best, programs, allocators, results)
            print(f"round {n + 1} of {args.rounds}", flush=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    results.provenance = run.provenance(f"make real ({args.rounds} rounds, best of {args.best})", commit, said)
    results.write(args.out)
    print(f"\n{report.text_table(report.table_of_real(results))}\n\n# {results.provenance}")
    print(f"{report.summary(report.real_ratios(results), 'ratios')}\n")
    print(f"{len(programs) * args.rounds - differ} passed, {differ} failed")
    return differ != 0


if __name__ == "__main__":
    sys.exit(main())
