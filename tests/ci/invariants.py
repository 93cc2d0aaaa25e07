#!/usr/bin/env python3
"""The lemmas of both headers ([EPOCH-1] and the like): where each stands, which code cites it, which tests do.

   tests/ci/invariants.py          the list: > defined, = asserted, - cited, * a test
   tests/ci/invariants.py check    only what is wrong: cited and not defined, defined and cited by no test

A lemma is defined where it first begins a line of a comment, or else a comment; "[A-1] to [A-3]" cites three. A test
of the store (tests/zns, or by its name) means the store's lemma when both headers have one of that name."""
import collections
import glob
import re
import sys

HEADERS = ("zslab.h", "zslab_zns.h")
TAG = re.compile(r"\[([A-Z]+)-(\d+)\](?: to \[\1-(\d+)\])?")
FUNCTION = re.compile(r"^(?!typedef|#)[A-Za-z].*?\b(zs__\w+|zslab_\w+)\)?\((?!.*;$)")


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read().split("\n")


def tags(line):
    for name, first, last in TAG.findall(line):
        for n in range(int(first), int(last or first) + 1):
            yield "%s-%d" % (name, n)


class Lemma:
    def __init__(self):
        self.at, self.room, self.function, self.says, self.sure = 0, "", "", "", False
        self.code, self.tests = [], collections.Counter()


def lemmas_of(header):
    """Tag -> lemma, with the code that cites it: (line, function, asserted)."""
    found = collections.defaultdict(Lemma)
    room = function = ""
    for n, line in enumerate(read(header), 1):
        banner = re.match(r"/\* ---- >>([a-z-]+) -", line)
        if banner:
            room = function = banner.group(1)
        elif FUNCTION.match(line):
            function = FUNCTION.match(line).group(1)
        begins = re.match(r"(/\*|  ) \[([A-Z]+-\d+)\] +(\S.*)", line)
        if begins and not (found[begins[2]].at and (begins[1] == "/*" or found[begins[2]].sure)):
            lemma = found[begins[2]]
            if lemma.at:
                lemma.code.append((lemma.at, lemma.function, False))
            lemma.at, lemma.room, lemma.function, lemma.says = n, room, function, begins[3]
            lemma.sure, line = begins[1] != "/*", begins[3]
        for tag in tags(line):
            found[tag].code.append((n, function, "ASSERT" in line))
    return found


def main():
    lemmas = {h: lemmas_of(h) for h in HEADERS}
    wrong = []
    for path in sorted(glob.glob("tests/*/*.[ch]") + glob.glob("tests/*/*.cc")):
        own = HEADERS[1] if "zns" in path or path.endswith("fuzz_image.c") else HEADERS[0]
        for n, line in enumerate(read(path), 1):
            for tag in tags(line):
                header = own if lemmas[own][tag].at else HEADERS[0]
                lemmas[header][tag].tests[path.split("/")[-1]] += 1
                if not lemmas[header][tag].at:
                    wrong.append("%s:%d: [%s] is not defined" % (path, n, tag))
    for header in HEADERS:
        for tag, x in sorted(lemmas[header].items(), key=lambda item: item[1].at):
            if not x.at:
                wrong += ["%s:%d: [%s] is not defined" % (header, n, tag) for n, _, _ in x.code]
            elif not x.tests:
                wrong.append("%s:%d: no test cites [%s]" % (header, x.at, tag))
            if x.at and len(sys.argv) == 1:
                print("[%s] %s" % (tag, x.says))
                print("    > %s:%d, >>%s" % (header, x.at, x.room))
                for n, function, asserted in x.code:
                    print("    %s %s:%d, %s" % ("=" if asserted else "-", header, n, function))
                for name in sorted(x.tests):
                    print("    * %s" % name)
    if len(sys.argv) > 1:
        print("\n".join(wrong), end="\n" if wrong else "")


if __name__ == "__main__":
    main()
