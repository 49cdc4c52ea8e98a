#!/usr/bin/env python3
"""Takes one line at a time out of an artifact's PTX and asks whether the emulated card notices.

    mutate_kernels.py MODEL... --bin BIN [--kinds barrier,warp,copy,grid,guard] [--sample N] [--jobs 2]

MODEL is an artifact, or a folder to compile first.

Mutants: a block or a warp barrier goes; a wait for copies (cp.async.wait_*) goes; griddepcontrol.wait goes;
a bounds guard - a branch forwards over a store on a comparison of integers - is never taken. A mutant is caught when
one of the runs faults, hangs, or gives other logits than the artifact as it is. Lines that no run reaches are not
tried. Prints caught / tried by kind and every line that was not caught. Exit: 0 if at least 95 % are caught, else 1.

What does nothing cannot be caught: a warp barrier that orders no accesses (distribute-lanes places them conservatively),
a guard that is a short cut for what the code behind it would find as well, the wait of a step's first kernel. Guards
over loads alone are no mutants: a value that nobody uses does no harm, and the emulator checks the address.
"""

import argparse
import collections
import os
import random
import re
import struct
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
SEGMENT_PTX = 4
KINDS = {
    "barrier": r"\s*(bar|barrier)\.sync",
    "warp": r"\s*bar\.warp\.sync",
    "copy": r"\s*cp\.async\.wait",
    "grid": r"\s*griddepcontrol\.wait",
    "guard": r"\s*@!?%p\d+\s+bra",
}
COMPARISON = re.compile(r"\s*setp\.(?:lt|le|gt|ge)\.[su](?:32|64)\s+(%p\d+),")
STORE = re.compile(r"\s*(?:@!?%p\d+\s+)?(?:st|red|atom|cp\.async)\.(?!wait|commit)")
# The emulator's settings of each run, the cheapest first. Few CTAs walk the loops that a large card never does, many
# the guards behind the last item; drifting lanes and the race detector see what lockstep hides.
RUNS = [
    "seed=0",
    "seed=3,grid=700",
    "seed=1,drift=1,grid=1",
    "seed=2,races=2,drift=1",
    "seed=7,races=2,grid=1",
    "seed=12,drift=1,grid=60",
]


def is_guard(lines: list[str], branch: int, target: int, compared: set[str]) -> bool:
    """Two-way branches, which an unconditional one follows, steer loops and are none."""
    condition = re.match(r"\s*@!?(%p\d+)", lines[branch])[1]
    return (
        target > branch
        and condition in compared
        and not lines[branch + 1].lstrip().startswith("bra")
        and any(STORE.match(line) for line in lines[branch + 1 : target])
    )


def ptx_of(artifact: Path, level: int) -> str:
    """The PTX text of a level (runtime/format/abi.h: header, then segment records)."""
    data = artifact.read_bytes()
    count = struct.unpack_from("<I", data, 48)[0]
    for k in range(count):
        kind, tag, offset, size, _ = struct.unpack_from("<IIQQQ", data, 72 + 32 * k)
        if (kind, tag) == (SEGMENT_PTX, level):
            return data[offset : offset + size].decode()
    raise SystemExit(f"{artifact} has no PTX for sm_{level}")


def candidates(text: str, kinds: list[str]) -> list[tuple[int, str, str]]:
    """(line, kind, text of the line); lines count from 1."""
    lines = text.splitlines()
    labels = {m[1]: n for n, line in enumerate(lines) if (m := re.match(r"(\$\w+):", line))}
    entry, place = "", {}
    for n, line in enumerate(lines):
        if m := re.match(r"\.visible \.entry (\w+)", line):
            entry, labels = m[1], {}
            for k in range(n, len(lines)):  # labels are an entry's own
                if lines[k].startswith("}"):
                    break
                if m := re.match(r"(\$\w+):", lines[k]):
                    labels[m[1]] = k
        place[n] = (entry, labels)
    found, compared = [], set()
    for n, line in enumerate(lines):
        if line.startswith(".visible .entry"):
            compared = set()
        if m := COMPARISON.match(line):
            compared.add(m[1])
        for kind in kinds:
            if not re.match(KINDS[kind], line):
                continue
            entry, labels = place[n]
            if kind == "guard":
                target = labels.get(re.search(r"bra\S*\s+(\$\w+)", line)[1], 0)
                if not is_guard(lines, n, target, compared):
                    continue
            found.append((n + 1, kind, f"{entry}: {line.strip()}"))
    return found


class Worker:
    """Answers of mutants-worker to settings, a process after the other."""

    def __init__(self, binary: Path, driver: Path, artifact: Path):
        self.command, self.environment = [binary, artifact], {**os.environ, "INGOT_CUDA_DRIVER": str(driver)}

    def run(self, settings: list[str]) -> list[str]:
        answers: list[str] = []
        while len(answers) < len(settings):
            text = "\n".join(settings[len(answers) :])
            try:
                done = subprocess.run(
                    self.command, input=text, env=self.environment, capture_output=True, text=True, timeout=600
                )
            except subprocess.TimeoutExpired as late:
                answers += (late.stdout or b"").decode().splitlines() + ["fault: hangs"]
                continue
            lines = done.stdout.splitlines()
            if done.returncode == 2:
                raise SystemExit(done.stderr)
            answers += lines if done.returncode in (0, 1) else [*lines, f"fault: died ({done.returncode})"]
        return answers


def reached(worker: Worker, common: str, scratch: Path) -> set[int]:
    """Lines that the unchanged kernels run through."""
    file = scratch / "coverage"
    for settings in RUNS[:3]:
        worker.run([f"{common},{settings},coverage={file}"])
    return {int(line) for line in file.read_text().split()}


def compiled(model: Path, tools: Path, folder: str) -> Path:
    """The artifact, made of a folder if need be; PTX alone."""
    if not model.is_dir():
        return model
    artifact = Path(folder) / f"{model.name}.ingot"
    command = [tools / "ingotc", model, "-o", artifact, "--target", "cuda", "--sm", "none", "--progress", "none"]
    subprocess.run(command, check=True)
    return artifact


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artifacts", type=Path, nargs="+")
    parser.add_argument("--bin", type=Path, default=REPOSITORY / "build/dev/bin")
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--sample", type=int, default=0, help="so many mutants of each artifact, drawn (0: all)")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    driver = options.bin.parent / "lib/libingot-cuda-emulator.so"
    common = "sm=90,threads=1,memory=1g"
    tried, caught = collections.Counter(), collections.Counter()
    built = tempfile.TemporaryDirectory()
    for model in options.artifacts:
        artifact = compiled(model, options.bin, built.name)
        worker = Worker(options.bin / "mutants-worker", driver, artifact)
        with tempfile.TemporaryDirectory() as scratch:
            lines = reached(worker, common, Path(scratch))
        mutants = [m for m in candidates(ptx_of(artifact, 90), options.kinds.split(",")) if m[0] in lines]
        if options.sample and len(mutants) > options.sample:
            mutants = random.Random(1).sample(mutants, options.sample)
        left = mutants
        for settings in RUNS:
            if not left:
                break
            (expected,) = worker.run([f"{common},{settings}"])
            if expected.startswith("fault"):
                raise SystemExit(f"{artifact}, {settings}: {expected}")
            shards = [left[k :: options.jobs] for k in range(options.jobs)]

            def survivors(shard, settings=settings, expected=expected):
                answers = worker.run([f"{common},{settings},mutate={line}" for line, _, _ in shard])
                return [m for m, answer in zip(shard, answers, strict=True) if answer == expected]

            with ThreadPoolExecutor(options.jobs) as pool:
                left = [m for part in pool.map(survivors, shards) for m in part]
            print(f"{artifact.name}: after {settings} {len(left)} of {len(mutants)} are not caught", flush=True)
        for _, kind, _ in mutants:
            tried[kind] += 1
        for _, kind, _ in left:
            caught[kind] -= 1
        for line, kind, text in sorted(left):
            print(f"  not caught: {kind}, line {line}: {text}")
    caught.update(tried)
    for kind in tried:
        print(f"{kind}: {caught[kind]} caught / {tried[kind]} tried")
    total, good = sum(tried.values()), sum(caught.values())
    print(f"all: {good} caught / {total} tried ({good / max(total, 1):.1%}), emulated")
    return 0 if total and good >= 0.95 * total else 1


if __name__ == "__main__":
    sys.exit(main())
