#!/usr/bin/env python3
"""Line and branch coverage of the headers, merged over every program that ran.

A header is compiled into many programs with different switches: a line or a branch counts as run when any of them ran
it (gcovr merges). tests/ci/uncovered.txt names each function of zslab.h with lines that no test runs, and why; it must
be complete, and hold nothing else. The output directory gets index.html (line by line) and uncovered.txt (each line not
run, each line with a branch not taken)."""
import argparse
import bisect
import collections
import json
import os
import re
import subprocess
import sys

BOUNDS = {"zslab.h": (95, 90)}  # per cent of lines, of branches
HEADERS = ("zslab.h", "zslab_zns.h")
LISTED = "tests/ci/uncovered.txt"


def measure(out, directories):
    """What gcovr makes of the data, by header."""
    filters = [word for header in HEADERS for word in ("--filter", header + "$")]
    # gcovr 5.2 asserts that a function stands at one line; some of ours stand at two, with and without a switch
    subprocess.run(["gcovr", "-r", ".", *filters, "--exclude-unreachable-branches", "--exclude-throw-branches",
                    "--gcov-ignore-parse-errors",  # a longjmp of interleave.h leaves counts that do not add up
                    "--exclude-lines-by-pattern", r".*ZSLAB_ASSERT\(",  # in some tests they are on
                    "--json", out + "/coverage.json", "--html-details", out + "/index.html", *directories],
                   check=True, env=dict(os.environ, PYTHONOPTIMIZE="1"))
    with open(out + "/coverage.json") as data:
        return {f["file"]: f for f in json.load(data)["files"]}


def functions(source):
    """The line where each begins and its name, in the order of the source."""
    begin = re.compile(r"^(?!typedef|#)[A-Za-z].*?\b(zs__\w+|zslab_\w+)\)?\((?!.*;$)")
    return [(n, begin.match(line).group(1)) for n, line in enumerate(source, 1) if begin.match(line)]


def look(header, data, report):
    """Its figures; the functions with lines that nothing ran. Writes them all to the report."""
    source = open(header).read().split("\n")
    begins = functions(source)
    lines = [line for line in data["lines"] if not line["gcovr/noncode"] and not line["gcovr/excluded"]]
    missed = collections.Counter()
    branches = [0, 0]
    for line in sorted(lines, key=lambda line: line["line_number"]):
        n = line["line_number"]
        at = bisect.bisect(begins, (n, "~")) - 1
        name = begins[at][1] if at >= 0 else "?"
        taken = sum(b["count"] > 0 for b in line["branches"])
        branches[0] += taken
        branches[1] += len(line["branches"])
        if not line["count"]:
            missed[name] += 1
            report.write("%s:%d: %s: not run: %s\n" % (header, n, name, source[n - 1].strip()))
        elif taken < len(line["branches"]):
            report.write("%s:%d: %s: %d of %d branches: %s\n" % (header, n, name, taken, len(line["branches"]),
                                                                 source[n - 1].strip()))
    return (sum(line["count"] > 0 for line in lines), len(lines)), branches, missed


def listed():
    """The functions of the list; those marked ~ are run or not as threads meet."""
    names, by_chance = set(), set()
    for line in open(LISTED):
        if line.strip() and not line.startswith("#"):
            name, _, reason = line.strip().partition(" ")
            if not reason.strip():
                sys.exit("%s: %s has no reason" % (LISTED, name))
            (by_chance if name.startswith("~") else names).add(name.lstrip("~"))
    return names, by_chance


def main():
    ask = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ask.add_argument("-n", "--no-bounds", action="store_true", help="only some of the tests ran: no bounds, no list")
    ask.add_argument("out", help="directory for what is found")
    ask.add_argument("directories", nargs="+", help="where the .gcda files are")
    asked = ask.parse_args()
    out = asked.out
    os.makedirs(out, exist_ok=True)
    data = measure(out, asked.directories)
    bad = 0
    with open(out + "/uncovered.txt", "w") as report:
        for header in HEADERS:
            if header not in data:
                continue
            lines, branches, missed = look(header, data[header], report)
            figures = [100 * of[0] / max(of[1], 1) for of in (lines, branches)]
            if header in BOUNDS and not asked.no_bounds:
                names, by_chance = listed()
                for name in sorted(set(missed) - names - by_chance):
                    print("%s: %s: %d lines not run, and %s gives no reason" % (header, name, missed[name], LISTED))
                    bad += 1
                for name in sorted(names - set(missed)):
                    print("%s: %s is run whole, but %s has it" % (header, name, LISTED))
                    bad += 1
                for figure, bound, what in zip(figures, BOUNDS[header], ("lines", "branches")):
                    if figure < bound:
                        print("%s: %.1f %% of %s, to be at least %d" % (header, figure, what, bound))
                        bad += 1
            print("%s: %.1f %% of %d lines, %.1f %% of %d branches"
                  % (header, figures[0], lines[1], figures[1], branches[1]))
    print("what is not run: %s/uncovered.txt, index.html" % out)
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())
