#!/usr/bin/env python3
"""Stack of each public call and all it calls in the header, from gcc -fcallgraph-info=su: those above a limit.
   tests/ci/stack.py file.ci limit"""
import re
import sys


def main(path, limit):
    text = open(path).read()
    size, name, calls, known = {}, {}, {}, {}
    for m in re.finditer(r'node: \{ title: "([^"]+)" label: "([^"\\]+)\\n[^"]*?\\n(\d+) bytes', text):
        size[m[1]], name[m[1]] = int(m[3]), m[2]
    for m in re.finditer(r'edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"', text):
        calls.setdefault(m[1], set()).add(m[2])

    def deepest(node, above):
        if node in known:
            return known[node]
        below = [deepest(c, above | {node}) for c in calls.get(node, ()) if c in size and c not in above]
        most, way = max(below, default=(0, []))
        known[node] = most + size[node], ['%s %d' % (name[node], size[node])] + way
        return known[node]

    public = [n for n in size if re.match(r'zslab_(?!impl_)', name[n])]
    if len(public) < 90:
        print('only %d public calls: is this the implementation of both headers?' % len(public))
    for most, way in sorted((deepest(n, frozenset()) for n in public), reverse=True):
        if most > limit:
            print('%d bytes: %s' % (most, ', '.join(way)))


sys.setrecursionlimit(10000)
main(sys.argv[1], int(sys.argv[2]))
