#!/usr/bin/env python3
"""Single-line changes of zslab.h, drawn by a seed, each built and run against the tests that touch its room.

   tests/ci/mutate.py [--seed S] [--count N] [--jobs J] [--out tests/ci/mutants.txt] [--work build/mutate] [--list]

A change is one of five kinds: an operator, a constant, an ordering, a dropped statement, a dropped check (KINDS says
how often each). It is drawn from the lines that the default build compiles, in the rooms >>layout to >>fork; one that
does not compile is drawn again. Then, of its room's programs (ROOMS below, those that kill most for their time first),
each is built with it and run, up to the first that fails, or takes too long: killed. One that none fails with is
equivalent when tests/ci/mutants_equivalent.txt gives the reason, else it survived. What was found is kept in --work for
the same header and tests, so that a run that was stopped goes on where it was.
"""

import argparse
import concurrent.futures
import glob
import hashlib
import json
import os
import random
import re
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time

HEADER = "zslab.h"
FIRST_ROOM, LAST_ROOM = "layout", "fork"
REASONS = "tests/ci/mutants_equivalent.txt"
VARIANTS = "tests/ci/variants.txt"
CC = os.environ.get("MUTATE_CC", "clang")  # at -O0 it compiles in a third of gcc's time
FLAGS = ["-std=c11", "-w", "-O0", "-g0", "-pthread", "-DTEST_BRIEF=1"]
RACE = ["-std=c11", "-w", "-O1", "-g0", "-pthread", "-fsanitize=thread", "-fno-sanitize-link-runtime"]

# Programs of one room or several, besides those of ALL; a number behind @ is what one is told to do, instead of its
# usual amount.
ALL = "test_alloc test_epoch test_handle test_remote test_domain test_exact test_model@60000 stress_oracle@-n_25"
RACES = "race_close race_release race_remote race_handle race_domain race_shared"
ROOMS = {
    "layout": "test_class test_stats@1 " + RACES,
    "memcheck": "test_visit",
    "hooks": "test_hooks test_visit",
    "fast": "test_hardened " + RACES,
    "platform lock": "test_config fault_os@2 fault_system test_reclaim test_threads test_steady test_quiet "
              "test_limits",
    "guard": "test_hardened misuse_damaged_state misuse_damaged_word misuse_double_free test_config",
    "count": "test_stats@1 test_stats_totals@1",
    "class": "test_class test_class_shift12 test_class_shift20 test_config test_advice",
    "budget": "test_budget test_group test_limits test_sealed race_budget",
    "arena": "fault_os@2 test_buffer test_limits test_reclaim test_config test_stats@1 race_release race_shared",
    "slab bind": "test_small_epochs test_reclaim test_stats@1 test_hardened test_buffer race_release race_close "
              "race_remote",
    "handle": "fault_os@2 test_buffer test_stats@1 race_handle",
    "epoch place": "test_small_epochs test_hooks test_reclaim test_stats@1 race_close race_release race_domain",
    "row": "test_small_epochs test_buffer test_threads race_release race_close",
    "purge sweep": "test_reclaim test_stats@1 test_small_epochs race_close race_release race_remote race_shared",
    "remote": "test_lend test_hooks test_stats@1 test_threads race_remote race_lend race_release",
    "take": "test_take test_lend test_budget race_take race_lend",
    "heap": "test_threads test_stats@1 test_small_epochs test_buffer race_remote race_release",
    "alloc": "test_hooks test_realloc test_threads test_buffer test_stats@1 test_hardened race_release race_close",
    "shared": "test_shared test_signal test_hardened test_stats@1 race_shared",
    "span": "test_large test_buffer test_limits fault_os@2 test_shared",
    "large large-take": "test_large test_hooks test_shared test_stats@1 test_limits fault_os@2 test_buffer "
              "race_large",
    "visit": "test_visit test_visit_untagged test_walk",
    "ending": "test_lifetime test_discard race_ending",
    "profile": "test_profile",
    "group": "test_group test_discard test_lifetime test_budget",
    "domain": "test_threads test_hooks test_small_epochs test_reclaim fault_os@2 test_buffer test_visit "
              "race_domain race_close race_release",
    "pool pool-create": "test_pool test_pool_damage test_pool_threads test_pool_bare misuse_pool_two_owners "
              "race_pool race_pool_close",
    "tally stats": "test_stats@1 test_stats_totals@1 test_stats_crossed test_stats_none@1 test_group test_lifetime",
    "advice": "test_advice fault_os@2",
    "text json prometheus pprof": "test_stats@1 test_stats_totals@1 test_stats_none@1 test_profile test_group",
    "free public public-handle reserve public-epoch public-heap": "test_realloc test_config test_buffer fault_os@2 "
              "test_threads test_hardened test_visit test_hooks test_stats@1 race_handle",
    "config-check plan create": "test_config test_buffer test_limits fault_os@2 fault_system test_hardened "
              "test_threads",
    "fork": "test_fork test_fork_step",
}
ROOMS = {room: programs for rooms, programs in ROOMS.items() for room in rooms.split()}
# without the programs of ALL
ONLY_OWN = {"memcheck", "profile", "count", "pool", "stats", "advice", "text", "class", "fork"}
RACE_AMOUNT = "--operations_750000"
OPTIMISED = {"test_reclaim"}  # touches so much memory that compiling it with -O1 is paid back
LIMIT = 10  # seconds of processor time, or eight times what it takes unchanged; by the clock three times that

# ---- the header: rooms, lines that are compiled, their code ----


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def rooms_of(lines):
    """The room of each line, from FIRST_ROOM to LAST_ROOM; None elsewhere."""
    room, inside, out = None, False, []
    for line in lines:
        banner = re.match(r"/\* ---- >>([a-z-]+) -", line)
        if banner:
            room = banner.group(1)
            inside = (inside or room == FIRST_ROOM) and out_of(room, lines)
        out.append(room if inside else None)
    return out


def out_of(room, lines):
    """Does the room stand no later than LAST_ROOM?"""
    names = re.findall(r"^/\* ---- >>([a-z-]+) -", "\n".join(lines), re.M)
    return names.index(room) <= names.index(LAST_ROOM)


def compiled_lines():
    """Numbers of the lines of which the preprocessor leaves something."""
    text = subprocess.run([CC, "-E", "-std=c11", "-DZSLAB_IMPLEMENTATION", "-x", "c", HEADER], check=True,
                          capture_output=True, text=True).stdout
    at, here, lines = 0, False, set()
    for line in text.split("\n"):
        mark = re.match(r'# (\d+) "([^"]*)"', line)
        if mark:
            at, here = int(mark.group(1)), mark.group(2).endswith(HEADER)
            continue
        if here and line.strip():
            lines.add(at)
        at += 1
    return lines


def blank_comments(text):
    """The text with comments, strings and characters as blanks: the same length."""
    def blank(m):
        return re.sub(r"[^\n]", " ", m.group(0))
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text, flags=re.S)


TOKEN = re.compile(r"0[xX][0-9a-fA-F]+[uUlL]*|\d+\.\d+|\d+[uUlL]*|[A-Za-z_]\w*|->|\+\+|--|<<=|>>=|<<|>>|<=|>=|==|!=|&&|"
                   r"\|\||\+=|-=|\*=|/=|\|=|&=|\^=|[^\s\w]")
OPERATORS = {"==": "!=", "!=": "==", "<": "<=", "<=": "<", ">": ">=", ">=": ">", "&&": "||", "||": "&&", "+": "-",
             "-": "+", "&": "|", "|": "&", "<<": ">>", ">>": "<<", "+=": "-=", "-=": "+=", "|=": "&=", "&=": "|=",
             "++": "--", "--": "++", "!": "", "~": "", "%": "/", "^": "|"}
NAMES = {"ZSLAB_E_NOMEM": "ZSLAB_E_LIMIT", "ZSLAB_E_LIMIT": "ZSLAB_E_NOMEM", "ZSLAB_E_CLOSED": "ZSLAB_E_STALE",
         "ZSLAB_E_STALE": "ZSLAB_E_DOUBLE_FREE", "ZSLAB_E_DOUBLE_FREE": "ZSLAB_E_STALE",
         "ZSLAB_E_INVALID": "ZSLAB_E_FOREIGN", "ZSLAB_E_FOREIGN": "ZSLAB_E_MISALIGNED",
         "ZSLAB_E_MISALIGNED": "ZSLAB_E_FOREIGN", "ZSLAB_E_BUSY": "ZSLAB_E_FULL", "ZSLAB_E_FULL": "ZSLAB_E_BUSY",
         "ZSLAB_EPOCH_CLOSED": "ZSLAB_EPOCH_CLOSING", "ZSLAB_EPOCH_CLOSING": "ZSLAB_EPOCH_CLOSED",
         "ZSLAB_EPOCH_ACTIVE": "ZSLAB_EPOCH_CLOSING", "ZS__FREE": "ZS__LIVE", "ZS__LIVE": "ZS__FREE",
         "ZS__REMOTE": "ZS__FREE", "ZS__HANDLE": "ZS__LIVE", "ZS__GUARDED": "ZS__LIVE", "ZS__FREEING": "ZS__FREE",
         "ZS__CLAIMED": "ZS__FREE", "ZS__RETIRED": "ZS__FREE", "NULL": None}
KINDS = {"operator": 25, "constant": 20, "ordering": 10, "statement": 25, "check": 20}  # percent of those drawn


def number_after(text):
    digits = re.match(r"(0[xX][0-9a-fA-F]+|\d+)([uUlL]*)$", text)
    value = int(digits.group(1), 0)
    as_hex = digits.group(1).lower().startswith("0x")
    return [("%#x" % v if as_hex else "%d" % v) + digits.group(2) for v in ([value + 1, value - 1] if value else [1])]


def balanced(code):
    return code.count("(") == code.count(")") and code.count("[") == code.count("]")


def closing(code, at):
    """Index of the parenthesis that closes the one at `at`; -1: on another line."""
    depth = 0
    for i in range(at, len(code)):
        depth += (code[i] == "(") - (code[i] == ")")
        if depth == 0:
            return i
    return -1


def changes_of(raw, code, before):
    """(kind, changed line) for a line of code; `before` is the end of the code before it."""
    out = []
    tokens = [(m.group(0), m.start(), m.end()) for m in TOKEN.finditer(code)]
    declares = re.match(r"\s*(?:static |const |struct |typedef |unsigned )|"
                        r"\s*[A-Za-z_]\w*(?:\s+\**|\s*\*+\s*)[A-Za-z_]\w*\s*(?:[=;,\[]|:\s*\d)", code)
    declares = declares and not re.match(r"\s*(?:return|goto|else|case)\b", code)

    def put(kind, start, end, text):
        changed = raw[:start] + text + raw[end:]
        if changed.split() != raw.split():
            out.append((kind, changed.rstrip()))
    for i, (text, start, end) in enumerate(tokens):
        left = tokens[i - 1][0] if i else before[-1:]
        right = tokens[i + 1][0] if i + 1 < len(tokens) else ""
        operand = bool(re.match(r"[\w)\]]$|\w+$", left)) and left not in ("return", "case", "sizeof")
        if text in OPERATORS:
            if text in ("&", "+", "-") and not operand:
                continue
            if text == "&" and declares and re.match(r"[A-Za-z_]", right) and left == ")":
                continue
            put("operator", start, end, OPERATORS[text])
        elif re.match(r"\d", text) and "." not in text:
            for other in number_after(text):
                put("constant", start, end, other)
        elif NAMES.get(text):
            put("constant", start, end, NAMES[text])
        elif re.match(r"zs__load_acq_|zs__store_rel_|zs__load_seq_", text):
            relaxed = re.sub(r"_(acq|rel)_", "_", text) if "_seq_" not in text else text.replace("_seq_", "_acq_")
            put("ordering", start, end, relaxed)
        elif text == "zs__fence_seq":
            put("ordering", start, end, "zs__compiler_barrier")
    for m in re.finditer(r"\bif \(", code):
        end = closing(code, m.end() - 1)
        if end > 0:
            put("check", m.end(), end, "0")
            put("check", m.end(), end, "1")
            inner = code[m.end():end]
            for sign in ("&&", "||"):
                for at in re.finditer(re.escape(sign), inner):
                    head, tail = inner[:at.start()], inner[at.end():]
                    if balanced(head) and balanced(tail):
                        put("check", m.end(), m.end() + at.start(), "1 " if sign == "&&" else "0 ")
                        put("check", m.end() + at.end(), end, " 1" if sign == "&&" else " 0")
    whole = code.strip()
    begins = before == "" or before[-1] in ";{}:)" or before.endswith(("else", "do"))
    if whole.endswith(";") and begins and balanced(code) and not declares and re.match(r"[A-Za-z_*+(-]", whole) and \
            not re.match(r"(?:return|goto|if|for|while|else|do|case|default)\b", whole):
        start = len(code) - len(code.lstrip())
        put("statement", start, len(code.rstrip()), ";")
    return out


def all_changes(text):
    """Every change there is: (kind, line number, room, old line, new line)."""
    lines = text.split("\n")
    codes = blank_comments(text).split("\n")
    rooms, live = rooms_of(lines), compiled_lines()
    out, before, continued = [], "", False
    for i, (raw, code) in enumerate(zip(lines, codes)):
        directive, was = code.lstrip().startswith("#") or continued, before
        continued = directive and raw.endswith("\\")
        if not directive and code.strip():
            before = code.strip()
        if directive or not rooms[i] or i + 1 not in live:
            continue
        if re.search(r"ZSLAB_ASSERT|STATIC_ASSERT|\bpad\d*\[|^\s*\(void\)", code):
            continue
        out += [(kind, i + 1, rooms[i], raw, new) for kind, new in changes_of(raw, code, was)]
    return out


def drawn(text, seed):
    """Changes in the order in which they are drawn: a kind, a line that has it, a change of it; no line twice."""
    rng = random.Random(seed)
    by_kind = {kind: {} for kind in KINDS}
    for change in all_changes(text):
        by_kind[change[0]].setdefault(change[1], []).append(change)
    used = set()
    while any(by_kind.values()):
        kinds = [k for k in KINDS if by_kind[k]]
        kind = rng.choices(kinds, [KINDS[k] for k in kinds])[0]
        line = rng.choice(sorted(by_kind[kind]))
        change = rng.choice(by_kind[kind].pop(line))
        if line not in used:
            used.add(line)
            yield change


# ---- running ----


def run(command, cpu, wall):
    """(status, seconds of processor time, what it printed); status None: no end."""
    def limits():
        os.setsid()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_DATA, (3 << 30, 3 << 30))
        resource.setrlimit(resource.RLIMIT_CPU, (int(cpu + 1), int(cpu + 1)))
    with tempfile.TemporaryFile() as out:
        p = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, preexec_fn=limits)
        begin, nap, done = time.time(), 0.001, (0, 0, None)
        while not done[0] and time.time() - begin < wall:
            time.sleep(nap)
            nap = min(nap * 1.5, 0.05)
            done = os.wait4(p.pid, os.WNOHANG)
        try:
            os.killpg(p.pid, signal.SIGKILL)  # its children too
        except ProcessLookupError:
            pass
        status = os.waitstatus_to_exitcode(done[1]) if done[0] else None
        if not done[0]:
            done = os.wait4(p.pid, 0)
        p.returncode = -1 if status is None else status  # subprocess need not wait
        out.seek(0)
        used = done[2].ru_utime + done[2].ru_stime
        text = out.read().decode(errors="replace")
        return None if status in (-signal.SIGXCPU, -signal.SIGKILL) else status, used, text


def source_of(name):
    """A program's source, and the flags that its row in the table of variants gives it."""
    row = re.search(r"^%s *\| *(\w+) *\| *([^|]*[^ |]) *\|" % name, read(VARIANTS), re.M)
    found = glob.glob("tests/*/%s.c" % (row.group(1) if row else name))
    if not found:
        sys.exit("mutate.py: no program %s in tests" % name)
    return found[0], row.group(2).split() if row else []


def comment(source, word):
    with open(source, encoding="utf-8") as f:
        head = "".join(f.readline() for _ in range(10))
    m = re.search(r"^/\* %s: (.*[^ ]) *\*/" % word, head, re.M)
    return m.group(1) if m else ""


def specs_of(room):
    return ROOMS.get(room, "").split() + ([] if room in ONLY_OWN else ALL.split())


class Program:
    """A test, with what it is told to do."""

    def __init__(self, spec):
        self.name, _, amount = spec.partition("@")
        if self.name.startswith("race_"):
            amount = amount or RACE_AMOUNT
        self.args = amount.split("_") if amount else []
        self.source, flags = source_of(self.name)
        self.extra = flags + comment(self.source, "build").split()
        self.expect = comment(self.source, "expect")
        self.usual, self.kills = None, 0

    def build(self, folder, out):
        flags = RACE if self.name.startswith("race_") else FLAGS + (["-O1"] if self.name in OPTIMISED else [])
        status, took, text = run([CC] + flags + ["-I" + folder, "-I.", self.source, "-o", out] + self.extra, 120, 600)
        return status == 0, took, text

    def play(self, out, usual):
        cpu = max(LIMIT, 8 * usual)
        status, took, text = run([os.path.abspath(out)] + self.args, cpu, 3 * cpu)
        if status == 0 and self.expect and text.rstrip("\n").split("\n")[-1] != self.expect:
            status = 1
        return status, took, text

    def worth(self):
        return (self.kills + 0.3) / (self.usual + (5 if self.name in OPTIMISED or self.name[:5] == "race_" else 0.8))


class Board:
    """The programs, and what is known so far."""

    def __init__(self, work, text):
        self.work, self.text = work, text
        self.programs, self.lock = {}, threading.Lock()
        tests = hashlib.sha256()
        for path in sorted(glob.glob("tests/**/*.[ch]", recursive=True)) + [VARIANTS, __file__]:
            tests.update(read(path).encode())
        tests.update(text.encode())
        self.key = tests.hexdigest()[:16]
        self.known_at = os.path.join(work, "known-%s.jsonl" % self.key)
        self.known = {}
        os.makedirs(work, exist_ok=True)
        if os.path.exists(self.known_at):
            for line in read(self.known_at).splitlines():
                entry = json.loads(line)
                self.known[entry["what"]] = entry["result"]

    def remember(self, what, result):
        with self.lock:
            self.known[what] = result
            with open(self.known_at, "a", encoding="utf-8") as f:
                f.write(json.dumps({"what": what, "result": result}) + "\n")

    def room(self, room):
        return [self.programs[s] for s in dict.fromkeys(specs_of(room))]

    def unchanged(self, spec):
        """Each program passes as it is, and how long that takes; else it is left out, and said."""
        program = Program(spec)
        what = "unchanged %s" % spec
        if what not in self.known:
            out = os.path.join(self.work, "unchanged-" + program.name)
            built, _, text = program.build(".", out)
            status, took, text = program.play(out, 15) if built else (1, 0, text)
            self.remember(what, took if status == 0 else -1)
            if status != 0:
                last = text.strip().split("\n")[-1][:150]
                print("left out, as it fails unchanged: %s: %s" % (spec, last), flush=True)
            if os.path.exists(out):
                os.remove(out)
        program.usual = self.known[what]
        return spec, program

    def begin(self, pool, rooms):
        specs = dict.fromkeys(s for r in rooms for s in specs_of(r))
        self.programs = dict(pool.map(self.unchanged, specs))

    def compiles(self, change):
        """Does the implementation compile, with a different result for the preprocessor?"""
        what = "compiles %d %s" % (change[1], change[4])
        if what not in self.known:
            folder = self.changed(change)
            c = os.path.join(folder, "alone.c")
            with open(c, "w", encoding="utf-8") as f:
                f.write('#define ZSLAB_IMPLEMENTATION\n#include "zslab.h"\n')
            status, _, _ = run([CC, "-std=c11", "-w", "-fsyntax-only", "-I" + folder, c], 60, 300)
            self.remember(what, status == 0)
        return self.known[what]

    def changed(self, change):
        """A folder with the header so changed."""
        _, number, _, _, new = change
        name = hashlib.sha256(("%d %s" % (number, new)).encode()).hexdigest()[:12]
        folder = os.path.join(self.work, name)
        os.makedirs(folder, exist_ok=True)
        lines = self.text.split("\n")
        lines[number - 1] = new
        with open(os.path.join(folder, HEADER), "w", encoding="utf-8") as f:
            f.write("\n".join(lines))
        return folder

    def judge(self, change):
        """(killed by, how) or None: nobody noticed."""
        what = "judged %d %s" % (change[1], change[4])
        if what in self.known:
            return self.known[what]
        folder = self.changed(change)
        result = None
        left = [p for p in self.room(change[2]) if p.usual >= 0]
        while left and not result:
            with self.lock:
                left.sort(key=Program.worth, reverse=True)
            program = left.pop(0)
            out = os.path.join(folder, program.name)
            built, _, _ = program.build(folder, out)
            if not built:
                result = (program.name, "does not build")
            else:
                status, _, text = program.play(out, program.usual)
                if status != 0:
                    said = [t for t in text.split("\n") if "not so" in t or "ssert" in t or "after" in t][:1]
                    how = "no end" if status is None else "signal %d" % -status if status < 0 else "exit %d" % status
                    result = (program.name, how + (": " + said[0].strip()[:110] if said else ""))
                os.remove(out)
            if result:
                program.kills += 1
        for f in glob.glob(os.path.join(folder, "*")):
            os.remove(f)
        os.rmdir(folder)
        self.remember(what, result)
        return result


def reasons():
    """(line, changed line) -> why it is no change: blocks of "line", "=> changed line", "   reason"."""
    out = {}
    if os.path.exists(REASONS):
        for block in read(REASONS).split("\n\n"):
            lines = [line for line in block.strip("\n").split("\n") if not line.startswith("#")]
            if len(lines) >= 3:
                out[(lines[0].strip(), lines[1].strip()[2:].strip())] = " ".join(t.strip() for t in lines[2:])
    return out


def write_table(path, seed, found, took):
    count = {v: sum(f[1] == v for f in found) for v in ("killed", "equivalent", "survived")}
    kinds = {k: [f[1] for f in found if f[0][0] == k] for k in KINDS}
    others = max(1, len(found) - count["equivalent"])
    head = "seed %d: %d changes: %d killed, %d equivalent, %d survived: %.1f %% of those not equivalent are killed" % (
        seed, len(found), count["killed"], count["equivalent"], count["survived"], 100.0 * count["killed"] / others)
    with open(path, "w", encoding="utf-8") as f:
        f.write("# make mutate: single-line changes of zslab.h, drawn by a seed, and the test that fails with each.\n")
        f.write("# %s\n" % head)
        f.write("# killed of drawn: %s\n" % ", ".join("%s %d of %d" % (k, v.count("killed"), len(v))
                                                    for k, v in kinds.items()))
        for i, (change, verdict, why) in enumerate(found, 1):
            kind, number, room, old, new = change
            f.write("\n%d %s | %s | >>%s, line %d | %s\n" % (i, verdict, kind, room, number, why))
            f.write("  - %s\n  + %s\n" % (old.strip(), new.strip()))
    print("%s (%d s)" % (head, took))
    return count["killed"] >= 0.95 * others and count["equivalent"] <= 0.10 * len(found)


def main():
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--seed", type=int, default=20261130)
    ask.add_argument("--count", type=int, default=200)
    ask.add_argument("--jobs", type=int, default=2)
    ask.add_argument("--out", default="build/mutate/mutants.txt")
    ask.add_argument("--work", default="build/mutate")
    ask.add_argument("--list", action="store_true", help="print the changes and do nothing")
    asked = ask.parse_args()
    begin = time.time()
    text = read(HEADER)
    board = Board(asked.work, text)
    why_equivalent = reasons()
    order = drawn(text, asked.seed)
    if asked.list:
        for _, change in zip(range(asked.count), order):
            print("%s >>%s %d\n  - %s\n  + %s" % (change[:1] + change[2:0:-1] + tuple(c.strip() for c in change[3:])))
        return 0
    with concurrent.futures.ThreadPoolExecutor(asked.jobs) as pool:
        chosen = []
        while len(chosen) < asked.count:
            some = [c for _, c in zip(range(asked.count - len(chosen)), order)]
            if not some:
                break
            chosen += [c for c, good in zip(some, pool.map(board.compiles, some)) if good]
        print("%d changes of seed %d" % (len(chosen), asked.seed), flush=True)
        board.begin(pool, sorted({c[2] for c in chosen}))
        found, jobs = {}, {pool.submit(board.judge, c): i for i, c in enumerate(chosen)}
        for job in concurrent.futures.as_completed(jobs):
            i, result = jobs[job], job.result()
            change = chosen[i]
            reason = why_equivalent.get((change[3].strip(), change[4].strip()))
            if result:
                found[i] = (change, "killed", "%s: %s" % tuple(result))
            elif reason:
                found[i] = (change, "equivalent", reason)
            else:
                found[i] = (change, "survived", "")
            if not result:
                print("%s: %s >>%s %d\n  - %s\n  + %s" % (found[i][1], change[0], change[2], change[1],
                                                         change[3].strip(), change[4].strip()), flush=True)
    good = write_table(asked.out, asked.seed, [found[i] for i in range(len(chosen))], time.time() - begin)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
