#!/usr/bin/env python3
"""Which instruction forms of some PTX has no program of the conformance pack?

    coverage.py PACK_FOLDER FILE.ptx...    lists them with how often they occur; exit code 1 if there are any

A form is the opcode with all its modifiers. Parameters cannot be loaded by a form's program alone; the kernels of nvcc
load them by every type.
"""
from pathlib import Path
import re
import sys
from collections import Counter


def forms(text):
    found = Counter()
    for statement in re.split(r'[;{}\n]', re.sub(r'//.*', '', text)):
        statement = re.sub(r'^\s*([$\w]+:\s*)?(@!?[%$\w]+\s+)?', '', statement)
        opcode = re.match(r'([a-z][a-z0-9]*(?:\.[a-zA-Z0-9_:]+)*)(\s|$)', statement)
        if opcode and not opcode.group(1).startswith('ld.param'):
            found[opcode.group(1)] += 1
    return found


if __name__ == '__main__':
    known = forms('\n'.join(path.read_text() for path in Path(sys.argv[1]).glob('forms_*.ptx')))
    used = Counter()
    for path in sys.argv[2:]:
        used += forms(Path(path).read_text())
    missing = {form: count for form, count in used.items() if form not in known}
    for form, count in sorted(missing.items()):
        print(f'{form}: {count} times, no program in the conformance pack')
    print(f'{len(used)} forms in {len(sys.argv) - 2} files, {len(missing)} without a program')
    sys.exit(1 if missing or not used else 0)
