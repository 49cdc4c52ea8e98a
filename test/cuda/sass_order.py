#!/usr/bin/env python3
"""What ptxas did to programmatic dependent launch: the emulator runs PTX, and a card runs SASS.

    sass_order.py INGOTC MODEL...

Compiles each model for sm_90 and reads the disassembly. Every kernel must let its dependents start (PREEXIT) and wait for
what is ahead of it (ACQBULK), and before the wait do nothing to global memory but copy weights into shared memory (LDGSTS)
and read what no kernel writes (LDG.CONSTANT). Exit code: 0 so it is, 1 not, 77 no ptxas or nvdisasm (skipped)."""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

GLOBAL_MEMORY = re.compile(r"^(?:LDG|STG|LD|ST|LDGSTS|ATOM|ATOMG|RED|REDG)\b")
ALLOWED = re.compile(r"^(?:LDGSTS\.|LDG\.(?:\w+\.)*CONSTANT\b)")


def kernels(sass: str):
    """Names and instructions, without their predicates."""
    name, found = None, {}
    for line in sass.splitlines():
        if section := re.search(r"\.text\.(\w+):", line):
            name = section[1]
            found[name] = []
        elif name and (instruction := re.search(r"/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+ )?(\S[^;]*);", line)):
            found[name].append(instruction[1])
    return found.items()


def complaint(instructions):
    opcodes = [words.split()[0] for words in instructions]
    if "PREEXIT" not in opcodes:
        return "never lets its dependents start"
    if "ACQBULK" not in opcodes:
        return "never waits for the grid ahead of it"
    before = opcodes[: opcodes.index("ACQBULK")]
    if "PREEXIT" not in before:
        return "waits before it lets its dependents start"
    odd = [words for words in before if GLOBAL_MEMORY.match(words) and not ALLOWED.match(words)]
    return f"{odd[0]} stands before the wait" if odd else ""


def disassemble(ingotc, model):
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([ingotc, model, "-o", f"{folder}/x.ingot", "--target", "cuda", "--sm", "90", "--dump-asm", folder,
                               "--progress", "none"], capture_output=True, text=True, check=False)
        if "no ptxas" in done.stderr:
            return None
        if done.returncode:
            sys.exit(done.stderr)
        sass = Path(folder) / "kernels.sm_90.sass"
        return sass.read_text() if sass.exists() else None


def main(ingotc, *models):
    count = bad = 0
    for model in models:
        sass = disassemble(ingotc, model)
        if sass is None:
            print("skipped: no ptxas or no nvdisasm")
            return 77
        for name, instructions in kernels(sass):
            count += 1
            if what := complaint(instructions):
                bad += 1
                print(f"{Path(model).name}: {name} {what}")
    print(f"{count} kernels, {bad} of them wrong")
    return 0 if count and not bad else 1


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
