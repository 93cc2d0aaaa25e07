#!/usr/bin/env python3
"""Keeps the measured parts of README and of bench/results/README.md equal to bench.csv and real.csv there.

    readme.py take bench.csv    takes over what they and the plots need of a run's bench.csv, and draws the plots
    readme.py take real.csv     takes over the figures of real programs
    readme.py write             writes the parts between the marks <!-- measured: name --> and <!-- end --> again
    readme.py check             says whether they are what the figures give, and no two contestants share a colour;
                                the exit status too
"""
import os
import re
import sys

sys.dont_write_bytecode = True  # the tree holds sources only
import report  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
RESULTS = os.path.join(HERE, "results")
FRONT, FIGURES = os.path.join(HERE, "..", "README.md"), os.path.join(RESULTS, "README.md")
MEANING = ("*faster* or *less* means that all of it is below 1, *behind* that all is above, *level* that it is within "
           f"{report.LEVEL:.0%} of 1 but on both sides, *unresolved* none of these".replace("%", " %"))


def said(r, what):
    """A field of the first line: "machine: ..." """
    found = re.search(rf"(?:^|; ){what}: ([^;]*)", r.provenance)
    return found.group(1).strip() if found else ""


def versioned(r, allocator):
    found = re.search(rf"(?:^|, ){re.escape(allocator)} ([0-9][^,]*)", said(r, "allocators"))
    return allocator if not found or re.search(r"\d", allocator) else f"{allocator} {found.group(1)}"


def where(r):
    cpu, cpus, *_ = said(r, "machine").split(", ")
    missing = re.findall(r"(\S+) missing", said(r, "allocators"))
    absent = f"; missing: {', '.join(missing)}" if missing else ""
    return (f"{cpu.replace('(R)', '')}, {cpus.replace('cpus', 'processors')}, load {said(r, 'load')}; "
            f"{said(r, 'compiler')}; `{said(r, 'command')}` at {said(r, 'commit')}{absent}.")


def machine(r):
    return f"{where(r)}\nEvery zslab free is checked, none of the others'."


def markdown(rows):
    head, *rest = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rest])


def pairs(r):
    yield ["ns per pair", "inlined", "called", "best of the others", "glibc", "inlined / best (5-95 %)", ""]
    for row in report.PAIR_ROWS[:10]:
        x = report.compare(r, "pairs", row, "ns", "inline")
        inlined, called, best, glibc = (report.figure(r.median("pairs", row, a, "ns"))
                                        for a in ("inline", "called", x.peer, "glibc"))
        yield [f"{row}: {report.ROW_SAYS[row]}", inlined, called, f"{best} ({versioned(r, x.peer)})", glibc, str(x),
               x.verdict]


def measured(r):
    found = report.targets(r)
    met = sum(t.met is True for t in found)
    return "\n\n".join([
        f"{report.summary(report.all_ratios(r))}.\nAn interval holds 5 to 95 % over the rounds: "
        f"{MEANING}.",
        markdown(pairs(r)),
        f"The marks zslab is held to, {met} of {len(found)} met in this run:",
        markdown(report.table_of_targets(found))])


def real(r):
    head, *rows = report.table_of_real(r)
    return "\n\n".join([f"{report.summary(report.real_ratios(r), 'ratios')}. {where(r)}\n{MEANING}.",
                        markdown([[versioned(r, a) for a in head], *rows])])


PARTS = {"machine": (machine, "bench.csv", FRONT), "results": (measured, "bench.csv", FIGURES),
         "real": (real, "real.csv", FIGURES)}


def filled_in(page, text):
    for name, (make, source, at) in PARTS.items():
        if at != page:
            continue
        mark = re.compile(rf"(<!-- measured: {name} -->\n).*?(<!-- end -->)", re.S)
        if not mark.search(text):
            sys.exit(f"{page} has no part <!-- measured: {name} -->")
        content = make(report.Results.read(f"{RESULTS}/{source}"))
        text = mark.sub(lambda m, c=content: f"{m.group(1)}{c}\n{m.group(2)}", text)
    return text


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def take(path):
    r, name = report.Results.read(path), os.path.basename(path)
    for make, source, _ in PARTS.values():
        if source == name:
            make(r)
    if name == "bench.csv":
        report.draw(r, RESULTS)
    r.write(f"{RESULTS}/{name}", only=r.used)


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "take" and os.path.basename(sys.argv[2]) in ("bench.csv", "real.csv"):
        take(sys.argv[2])
        return
    if len(sys.argv) != 2 or sys.argv[1] not in ("write", "check"):
        sys.exit(__doc__)
    same = [pair for name in ("bench.csv", "real.csv")
            for pair in report.same_colors(report.Results.read(f"{RESULTS}/{name}"))]
    wrong = int(bool(same))
    print("".join(f"one colour for {pair}\n" for pair in same), end="")
    for page in (FRONT, FIGURES):
        have = read(page)
        want = filled_in(page, have)
        if sys.argv[1] == "write":
            with open(page, "w", encoding="utf-8") as f:
                f.write(want)
        elif want != have:
            different = [line for line in want.splitlines() if line not in have.splitlines()]
            print("\n".join([f"{page} is not what bench/results gives:"] + different[:5]))
            wrong = 1
    sys.exit(wrong)


if __name__ == "__main__":
    main()
