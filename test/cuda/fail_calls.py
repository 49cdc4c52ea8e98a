#!/usr/bin/env python3
"""Lets each driver call of whole processes fail once, and asks whether they end as promised.

    fail_calls.py MODEL --bin BIN [--most 6] [--only greedy,bench] [--hangs 3] [--jobs 2]

MODEL is a folder to compile, or an artifact with CUDA code. ingot-run (greedy, sampled, all logits, with a profile) and
ingot-bench load, prefill in chunks, capture graphs, decode, copy and close under the emulated driver; a trace tells the
calls they make. Then the N-th call of each name fails, the first, the last and others up to --most of each name, with
each class of error: the typical one of the call, one that nobody expects (999), out of memory (2), and a lost card
(719, which stays). Then each kernel hangs, and the watchdog has to notice.

Clean: the output is the right one and the exit code 0 (calls that only give something back, or have another way); or the
exit code is 1 (4 if the card is lost), standard error is one line behind the progress, and nothing is left alive: the
emulator ends a process that leaks with 97. A hang ends with 4. Never a signal, a bug (3) or silence. Prints calls failed
/ clean by tool and class of error, and what was not clean. Exit: 0 if all are clean.
"""

import argparse
import collections
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PROMPT = "1,5,9,20,3,7,11"
ERRORS = {"typical": "", "unknown": ":999", "memory": ":2", "lost": ":719"}
HANG_SECONDS = 1


class Command:
    def __init__(self, name: str, arguments: list[str], environment: dict[str, str], output: str = ""):
        self.name, self.arguments, self.output = name, arguments, output
        self.environment = {**os.environ, **environment}

    def run(self, settings: str, folder: Path, patience: float = 120):
        """Exit code (None: it hangs), what it answers, standard error."""
        own = Path(tempfile.mkdtemp(dir=folder))
        arguments = [argument.replace("OUT", str(own / "out")) for argument in self.arguments]
        environment = {**self.environment, "INGOT_EMULATOR": f"sm=90,threads=1,memory=1g,strict_exit=1{settings}"}
        try:
            done = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=patience)
        except subprocess.TimeoutExpired:
            return None, "", ""
        answer = (own / "out").read_bytes() if self.output and (own / "out").exists() else done.stdout
        return done.returncode, answer if self.output != "unlike" else "", done.stderr

    def calls(self, folder: Path) -> collections.Counter:
        log = folder / f"{self.name}.log"
        self.run(f",trace=1,log={log}", folder)
        return collections.Counter(re.findall(r"^call: (\w+) =", log.read_text(), re.MULTILINE))


def commands(tools: Path, artifact: Path, driver: Path) -> list[Command]:
    environment = {"INGOT_CUDA_DRIVER": str(driver), "INGOT_CUDA_WATCHDOG": "60"}
    run = [tools / "ingot-run", artifact, "--device", "cuda", "--tokens", PROMPT, "--print-tokens"]

    def command(name, arguments, output=""):
        return Command(name, [str(argument) for argument in arguments], environment, output)

    return [
        command("greedy", [*run, "--chunk", 3, "-n", 4]),
        command("sampled", [*run, "-n", 3, "--temperature", 0.8, "--top-k", 5, "--repetition-penalty", 1.1]),
        command("logits", [*run, "--chunk", 4, "-n", 0, "--logits", "OUT"], "file"),
        command("profile", [*run, "-n", 2, "--profile", "OUT"]),
        command("bench", [tools / "ingot-bench", artifact, "--device", "cuda", "-p", 8, "-n", 2, "-r", 1], "unlike"),
    ]


def drawn(count: int, most: int) -> list[int]:
    """Up to `most` of 1 .. count, the first and the last among them."""
    if count <= most:
        return list(range(1, count + 1))
    return sorted({1 + round(k * (count - 1) / max(1, most - 1)) for k in range(most)})


def complaint(code, answer, errors: str, right, lost: bool) -> str:
    """What is wrong with how a process has ended; "": nothing."""
    lines = [line for line in errors.splitlines() if line.strip()]
    if code == 0:
        return "" if answer == right else "ends well with another answer"
    if code is None:
        return "hangs"
    if code not in (1, 4) or (lost and code != 4):
        return f"exit code {code}: {' | '.join(lines[-2:])}"
    told = [line for line in lines if re.match(r"ingot-\w+: ", line)]
    return "" if len(told) == 1 else f"exit code {code} with {len(told)} lines of its own: {' | '.join(lines)}"


def compiled(model: Path, tools: Path, folder: Path) -> Path:
    if not model.is_dir():
        return model
    artifact = folder / "model.ingot"
    command = [tools / "ingotc", model, "-o", artifact, "--target", "cuda", "--sm", "none", "--progress", "none"]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return artifact


def kernels_of(artifact: Path) -> list[str]:
    return sorted(set(re.findall(rb"\.visible \.entry (\w+)", artifact.read_bytes())))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--bin", type=Path, default=REPOSITORY / "build/dev/bin")
    parser.add_argument("--most", type=int, default=6, help="calls of one name that fail, in turn (0: every one)")
    parser.add_argument("--hangs", type=int, default=None, help="so many kernels hang (default: each)")
    parser.add_argument("--only", default="greedy,sampled,logits,profile,bench", help="of these")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    tried, clean, names = collections.Counter(), collections.Counter(), set()
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(options.jobs) as pool:
        folder = Path(scratch)
        artifact = compiled(options.model, options.bin, folder)
        driver = options.bin.parent / "lib/libingot-cuda-emulator.so"
        for command in commands(options.bin, artifact, driver):
            if command.name not in options.only.split(","):
                continue
            code, right, errors = command.run("", folder)
            if code:
                raise SystemExit(f"{command.name}: {code}: {errors}")
            trials = []
            calls = command.calls(folder)
            names |= set(calls)
            for call, count in sorted(calls.items()):
                for n in drawn(count, options.most or count):
                    trials += [(kind, f"{call}:{n}{error}") for kind, error in ERRORS.items()]

            def attempt(trial, command=command, right=right):
                return complaint(*command.run(f",fail={trial[1]}", folder), right, lost=False)

            for (kind, failure), wrong in zip(trials, pool.map(attempt, trials), strict=True):
                tried[command.name, kind] += 1
                clean[command.name, kind] += not wrong
                if wrong:
                    print(f"  not clean: {command.name}, fail={failure}: {wrong}")
            for kind in ERRORS:
                key = command.name, kind
                print(f"{command.name}, {kind}: {tried[key]} calls failed, {clean[key]} clean", flush=True)
            command.environment["INGOT_CUDA_WATCHDOG"] = str(HANG_SECONDS)

            def hang(kernel, command=command, right=right):
                code, answer, errors = command.run(f",hang={kernel.decode()}", folder)
                if code == 0 and answer == right:
                    return "not run"
                return complaint(code, answer, errors, right, lost=True)

            stuck = kernels_of(artifact)[: options.hangs] if command.name in ("greedy", "logits") else []
            for kernel, wrong in zip(stuck, pool.map(hang, stuck), strict=True):
                if wrong == "not run":
                    continue
                tried["hang", command.name] += 1
                clean["hang", command.name] += not wrong
                if wrong:
                    print(f"  not clean: {command.name}, hang={kernel.decode()}: {wrong}")
            if stuck:
                key = "hang", command.name
                print(f"{command.name}, hang: {tried[key]} kernels hung, {clean[key]} clean", flush=True)
    print(f"all: {clean.total()} clean / {tried.total()} failed, of {len(names)} calls' names, emulated")
    return 0 if tried and clean == tried else 1


if __name__ == "__main__":
    sys.exit(main())
