#!/usr/bin/env python3
"""Changes one line at a time of an artifact's PTX and asks whether the emulated card notices.

    mutate_kernels.py MODEL... --bin BIN [--kinds barrier,warp,copy,grid,guard] [--sample N] [--only KERNELS] [--jobs 2]
                      [--at-least 95]

MODEL is a folder to compile (PTX alone, its bounds guards marked), or an artifact made with `ingotc --mark-guards`.

Mutants: a block or a warp barrier goes; a wait for copies (cp.async.wait_*) goes; griddepcontrol.wait goes; a bounds
guard goes. Which instructions are bounds guards the generators say (dialects/ptx/BoundsGuard.h), nothing is guessed:

  a branch    around what is guarded: what is guarded always runs. Which way that is, post-dominance says; where it does
              not (both sides do something), each side is tried alone.
  a minimum   becomes its one operand, and becomes the other.
  a choice    the same.

A mutant of which several forms are tried is caught when each of them is. Caught means that a run faults, hangs or gives
other logits than the artifact as it is. Lines that no run reaches are not tried, and counted. Prints caught / tried by
artifact and kind, and every line that was not caught. Exit: 0 if at least 95 % are caught, of all and of each kind, else
1; small samples may ask less of a kind (--at-least).
"""

import argparse
import collections
import dataclasses
import os
import random
import re
import struct
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
SEGMENT_PTX = 4
KINDS = {
    "barrier": r"\s*(bar|barrier)\.sync",
    "warp": r"\s*bar\.warp\.sync",
    "copy": r"\s*cp\.async\.wait",
    "grid": r"\s*griddepcontrol\.wait",
    "guard": r".*// guard ",
}
BRANCH = re.compile(r"\s*@(!?%p\d+)\s+bra(?:\.uni)?\s+(\$\w+)")
JUMP = re.compile(r"\s*bra(?:\.uni)?\s+(\$\w+)")
CHOICE = re.compile(r"\s*(?:min|selp)\.[a-z](\d+)\s+(%\w+),\s*([^,]+),\s*([^,;]+)")
# What the worker does, and the emulator's settings of each run; what catches most for its time comes first. Few CTAs walk
# the loops that a large card never does, many the guards behind the last item (66 times as many as were asked for come
# behind the 64 rows that buffers have room for); drifting lanes and the race detector see what lockstep hides (the
# detector finds nothing about guards, and is slow); memory that nobody wrote holds NaN.
RUNS = [
    "few seed=4",
    "mixed seed=0",
    "mixed seed=1,drift=1,grid=1",
    "padded seed=2",
    "tight seed=3,times=66",
    "mixed seed=7,races=2,grid=1",
    "long seed=9,drift=1,grid=3",
    "mixed seed=12,drift=1,grid=60",
    "tight seed=2,races=2,drift=1,grid=2",
    "long seed=5,races=2",
]


@dataclasses.dataclass
class Mutant:
    line: int  # from 1
    kind: str
    forms: list[str]  # what the line becomes; more than one: each must be caught
    text: str  # of the line, with its kernel


def ptx_of(artifact: Path, level: int) -> str:
    """The PTX text of a level (runtime/format/abi.h: header, then segment records)."""
    data = artifact.read_bytes()
    count = struct.unpack_from("<I", data, 48)[0]
    for k in range(count):
        kind, tag, offset, size, _ = struct.unpack_from("<IIQQQ", data, 72 + 32 * k)
        if (kind, tag) == (SEGMENT_PTX, level):
            return data[offset : offset + size].decode()
    raise SystemExit(f"{artifact} has no PTX for sm_{level}")


class Flow:
    """The basic blocks of an entry and who post-dominates whom."""

    def __init__(self, lines: list[str], first: int, last: int):
        self.lines, starts = lines, {first}
        self.labels = {m[1]: n for n in range(first, last) if (m := re.match(r"(\$\w+):", lines[n]))}
        starts |= set(self.labels.values())
        starts |= {n + 1 for n in range(first, last) if BRANCH.match(lines[n]) or JUMP.match(lines[n])}
        self.starts = sorted(n for n in starts if n < last)
        self.block = {}  # of each line
        for start, end in zip(self.starts, [*self.starts[1:], last], strict=True):
            for n in range(start, end):
                self.block[n] = start
        ends = dict(zip(self.starts, [*self.starts[1:], last], strict=True))
        self.next = {b: self.successors(b, ends[b], last) for b in self.starts}
        self.after = self.postdominators()

    def successors(self, start: int, end: int, last: int) -> list[int]:
        line = self.lines[end - 1]
        if m := JUMP.match(line):
            return [self.labels[m[1]]]
        if re.match(r"\s*(ret|exit|trap)\b", line) or end >= last:
            return []
        if m := BRANCH.match(line):
            return [self.labels[m[2]], end]
        return [end]

    def postdominators(self) -> dict[int, set[int]]:
        """Every block to those that each way from it passes, itself included."""
        every = set(self.starts)
        after = {b: {b} if not self.next[b] else set(every) for b in self.starts}
        changed = True
        while changed:
            changed = False
            for b in reversed(self.starts):
                if not self.next[b]:
                    continue
                now = {b} | set.intersection(*(after[n] for n in self.next[b]))
                if now != after[b]:
                    after[b], changed = now, True
        return after

    def forms(self, n: int) -> list[str]:
        """What makes the guard that branches at line `n` let everybody in; [] for the end of a loop."""
        predicate, label = BRANCH.match(self.lines[n]).groups()
        taken, through, here = self.block[self.labels[label]], self.block[n + 1], self.block[n]
        if taken <= here:
            return []
        while not self.lines[through].strip().startswith("@") and (m := JUMP.match(self.lines[through])):
            through = self.labels[m[1]]
            if through <= here:
                return []
        skips, enters = "", f"bra {label};"
        if taken in self.after[here]:
            return [skips]
        return [enters] if through in self.after[here] else [skips, enters]


def choice_forms(line: str) -> list[str]:
    bits, to, *operands = CHOICE.match(line).groups()
    return [f"mov.b{bits} {to}/ {operand};" for operand in operands]


def candidates(text: str, kinds: list[str]) -> list[Mutant]:
    lines = text.splitlines()
    found, entry, flow = [], "", None
    for n, line in enumerate(lines):
        if m := re.match(r"\.visible \.entry (\w+)", line):
            entry, flow = m[1], None
            begin = next(k for k in range(n, len(lines)) if lines[k].startswith("{")) + 1
            end = next(k for k in range(n, len(lines)) if lines[k].startswith("}"))
        kind = next((kind for kind in kinds if re.match(KINDS[kind], line)), None)
        if not kind:
            continue
        forms = [""]
        if kind == "guard":
            if BRANCH.match(line):
                flow = flow or Flow(lines, begin, end)
                forms = flow.forms(n)
            else:
                forms = choice_forms(line) if CHOICE.match(line) else []
        if forms:
            found.append(Mutant(n + 1, kind, forms, f"{entry}: {line.strip()}"))
    return found


class Worker:
    """Answers of mutants-worker to its lines, a process after the other."""

    def __init__(self, binary: Path, driver: Path, artifact: Path):
        self.command, self.environment = [binary, artifact], {**os.environ, "INGOT_CUDA_DRIVER": str(driver)}

    def run(self, lines: list[str], patience: float) -> list[str]:
        answers: list[str] = []
        while len(answers) < len(lines):
            text = "\n".join(lines[len(answers) :])
            try:
                done = subprocess.run(
                    self.command,
                    input=text,
                    env={**self.environment, "INGOT_CUDA_WATCHDOG": str(max(2, round(patience)))},
                    capture_output=True,
                    text=True,
                    timeout=60 + 3 * patience * len(lines),
                )
            except subprocess.TimeoutExpired as late:
                answers += (late.stdout or b"").decode().splitlines() + ["fault: hangs"]
                continue
            out = done.stdout.splitlines()
            if done.returncode == 2:
                raise SystemExit(done.stderr)
            answers += out if done.returncode in (0, 1) else [*out, f"fault: died ({done.returncode})"]
        return answers


def compiled(model: Path, tools: Path, folder: str, options: list[str]) -> Path:
    """The artifact, made of a folder if need be; PTX alone."""
    if not model.is_dir():
        return model
    artifact = Path(folder) / f"{model.parent.name}.{model.name}.ingot"
    command = [tools / "ingotc", model, "-o", artifact, "--target", "cuda", "--sm", "none", "--progress", "none"]
    subprocess.run([*command, "--mark-guards", *options], check=True, stderr=subprocess.DEVNULL)
    return artifact


class Trial:
    """All mutants of one artifact."""

    def __init__(self, artifact: Path, options: argparse.Namespace):
        self.artifact, self.options = artifact, options
        driver = options.bin.parent / "lib/libingot-cuda-emulator.so"
        self.worker = Worker(options.bin / "mutants-worker", driver, artifact)
        self.common = f"sm={options.level},threads=1,memory=1g,poison=1"
        self.expected, self.seconds = {}, {}

    def line(self, run: str, more: str = "") -> str:
        what, settings = run.split()
        return f"{what}\t{self.common},{settings}{more}"

    def expect(self, run: str, more: str = "") -> None:
        """What the artifact as it is answers, and how long it takes."""
        begin = time.monotonic()
        (self.expected[run],) = self.worker.run([self.line(run, more)], 60)
        self.seconds[run] = time.monotonic() - begin
        if self.expected[run].startswith("fault"):
            raise SystemExit(f"{self.artifact}, {run}: {self.expected[run]}")

    def whole(self, scratch: Path) -> set[int]:
        """Runs the artifact as it is. Returns the lines that it runs through."""
        coverage = scratch / "coverage"
        for run in RUNS[: self.options.runs]:
            if "races" not in run:  # the same plans go without
                self.expect(run, f",coverage={coverage}")
        return {int(line) for line in coverage.read_text().split()}

    def survivors(self, run: str, forms: list[tuple[int, str]]) -> list[tuple[int, str]]:
        if not forms or self.expected[run] == "none":
            return forms
        lines = [f"{self.line(run, f',mutate={line}:{text}')}\t{self.expected[run]}" for line, text in forms]
        answers = self.worker.run(lines, 3 * self.seconds[run])
        return [form for form, answer in zip(forms, answers, strict=True) if answer == self.expected[run]]

    def uncaught(self, mutants: list[Mutant], kind: str) -> list[Mutant]:
        """Those of which a form is not caught, with these forms."""
        left = [(mutant.line, form) for mutant in mutants for form in mutant.forms]
        jobs = self.options.jobs
        with ThreadPoolExecutor(jobs) as pool:
            for run in RUNS[: self.options.runs]:
                if not left or (kind == "guard" and "races" in run):
                    continue
                if run not in self.expected:
                    self.expect(run)
                shards = pool.map(lambda k, run=run: self.survivors(run, left[k::jobs]), range(jobs))
                left = [form for part in list(shards) for form in part]
                if self.options.verbose:
                    print(f"  after {run}: {len(left)} left", file=sys.stderr, flush=True)
        forms = collections.defaultdict(list)
        for line, form in left:
            forms[line].append(form)
        return [dataclasses.replace(m, forms=forms[m.line]) for m in mutants if m.line in forms]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--bin", type=Path, default=REPOSITORY / "build/dev/bin")
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--sample", type=int, default=0, help="so many mutants of each artifact and kind (0: all)")
    parser.add_argument("--only", default="", help="kernels whose name has this regular expression in it")
    parser.add_argument("--at-least", type=float, default=95, help="percent of each kind")
    parser.add_argument("--level", type=int, default=90, choices=(80, 90))
    parser.add_argument("--runs", type=int, default=len(RUNS), help="only the first so many, the cheap ones")
    parser.add_argument("--verbose", action="store_true", help="how many are left after each run")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--compile", default="", help="more options of ingotc")
    options = parser.parse_args()
    kinds = options.kinds.split(",")
    tried, caught = collections.Counter(), collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        for model in options.models:
            trial = Trial(compiled(model, options.bin, folder, options.compile.split()), options)
            reached = trial.whole(Path(folder))
            (Path(folder) / "coverage").unlink()
            known = candidates(ptx_of(trial.artifact, options.level), kinds)
            known = [mutant for mutant in known if re.search(options.only, mutant.text.split(":")[0])]
            row = []
            for kind in kinds:
                mutants = [mutant for mutant in known if mutant.kind == kind and mutant.line in reached]
                unreached = sum(mutant.kind == kind for mutant in known) - len(mutants)
                if options.sample and len(mutants) > options.sample:
                    mutants = random.Random(1).sample(mutants, options.sample)
                left = trial.uncaught(mutants, kind)
                tried[kind] += len(mutants)
                caught[kind] += len(mutants) - len(left)
                row.append(f"{kind} {len(mutants) - len(left)}/{len(mutants)} ({unreached} not reached)")
                for mutant in sorted(left, key=lambda mutant: mutant.line):
                    print(f"  not caught: {kind}, line {mutant.line}: {mutant.text}")
                    print("".join(f"    becomes {form or 'nothing'}\n" for form in mutant.forms), end="")
            print(f"{trial.artifact.stem}: {', '.join(row)}", flush=True)
    good = 100 * caught.total() >= 95 * tried.total() > 0
    for kind in kinds:
        share = 100 * caught[kind] / max(1, tried[kind])
        good &= share >= options.at_least or not tried[kind]
        print(f"{kind}: {caught[kind]} caught / {tried[kind]} tried ({share:.1f} %)")
    print(f"all: {caught.total()} caught / {tried.total()} tried, emulated")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
