#!/usr/bin/env python3
"""Doxygen's input filter: the public part of a header with its comments in Doxygen's form.
   tests/ci/docs.py header"""
import re
import sys

KEYS = 'in|out|returns|threads|cost|after|source'


def escaped(text): # Markdown is off: what is left are commands, HTML and links
    return re.sub(r'([\\@<>#&%"$])', r'\\\1', text).replace('::', '\\::')


def block(comment, mark):
    """A comment's text as /** */: what follows a keyword at column 4 becomes a paragraph named by it."""
    lines, out = comment[2:-2].rstrip().split('\n'), []
    for line in lines:
        key = re.match(r'   (' + KEYS + r')\s+(.*)', line)
        if key:
            out.append('\n@par %s\n%s' % (key[1], escaped(key[2])))
        else:
            out.append(escaped(line.strip()))
    return mark + '\n'.join(out) + ' */'


def options(manual):
    """The switches' lines of the front: what each is."""
    found, name = {}, None
    part = re.search(r'\n  (?: OPTIONS|10\. SWITCHES).*?\n\n', manual, re.S)
    for line in part[0].strip().split('\n')[1:]:
        new = re.match(r'     (ZSLAB_[A-Z_]+)(\([^)]*\))?,?(.*)', line)
        if new:
            name = new[1]
            found[name] = re.sub(r'^ +(\d[\dor ]*?)  +', r'default \1; ', new[3]).strip()
        elif name:
            found[name] += ' ' + line.strip()
    return found


def main(path):
    text = open(path).read()
    text = re.split(r'/\* =+ the private half|\n#ifdef ZSLAB_ZNS_IMPLEMENTATION|\n#if defined\(ZSLAB_ZNS_IMPL', text)[0]
    first = re.match(r'/\*.*?\*/', text, re.S)[0]
    known = options(first)
    rest = re.sub(r'(?m)^ *#error .*$', '', text[len(first):])
    # a macro's own comment stands before it; a field's or member's stays behind it
    rest = re.sub(r'(?m)^(#define ZSLAB_\w+(?:\([^)]*\))? .*?\S) */\* (.*?) *\*/$',
                  lambda m: '/** ' + escaped(m[2]) + ' */\n' + m[1], rest)
    rest = re.sub(r'(?m)^( +\S.*?[;,]|    \w+(?: = \w+)?) +(/\*.*?\*/)', lambda m: m[1] + ' ' + re.sub(
        r'\s+', ' ', block(m[2], '/**< ')), rest, flags=re.S)
    rest = re.sub(r'(?m)^/\*[^*].*?\*/', lambda m: '' if '-- >>' in m[0] or '/**' in rest[m.end():m.end() + 5] else
                  block(m[0], '/** '), rest, flags=re.S)
    for name, what in known.items():
        rest = re.sub(r'(?m)^( *#define %s\b(?!_))' % name, lambda m: '/** ' + escaped(what) + ' */\n' + m[1],
                      rest, count=1)
    manual = '@verbatim\n' + first[2:-2] + '\n@endverbatim */\n'
    place = '/** @file */\n/** @mainpage zslab\n' if path.endswith('zslab.h') else '/** @file\n'
    sys.stdout.write(place + manual + rest)


main(sys.argv[1])
