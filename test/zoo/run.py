#!/usr/bin/env python3
"""Compiles every case of the zoo, runs it and judges it against its goldens.

    run.py ../shared/zoo [--bin build/dev/bin] [--only GLOB] [--jobs 2] [--write docs/zoo.md] [--at-least 265]
                         [--cuda 1,2,3] [--sample]

A case matches when logits of the whole prompt, of 9 tokens and then single ones, and of two sequences in one step lie
within the case's own tolerance, the greedy continuation is the golden one (where case.json calls that safe), and the
chunk law holds bit for bit. A case is refused when the compiler names a reason of the list below. Everything else - a
wrong answer, a refusal for another reason, a crash - fails the run. Exit: 0 good, 1 not, 77 no zoo.

With --cuda, cases run on the emulated card instead, under each of the seeds (schedules); the bits must not change.
"""

import argparse
import fnmatch
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[2]

# Why a graph may be refused: a part of the message -> what the table says. Short on purpose.
REASONS = {
    "embeddings": "takes embeddings (inputs_embeds); export with input_ids",
    "recurrent": "recurrent or convolutional state",
    "not causal": "decode-only by nature: its mask is not causal beyond one new token",
    "no axis that grows with the cached tokens": "a cache of fixed capacity",
    "inside attention, which is computed on reals": "static quantisation of attention's products",
}


class Case:
    def __init__(self, folder: Path):
        self.folder, self.name = folder, folder.name
        self.facts = json.loads((folder / "case.json").read_text())
        self.golden = dict(np.load(folder / "golden.npz"))
        # A graph alone seldom tells its length. LongRoPE: --max-context chooses the side of the switch; this is the short one.
        self.context = 24 if "LongRoPE" in (self.facts.get("peculiar") or "") else 40
        self.ids = self.golden["ids"].reshape(-1)
        self.stepped = "logits_step" in self.golden
        self.greedy = self.golden["greedy_step" if self.stepped else "greedy"].reshape(-1)
        self.greedy = self.greedy[: self.context - len(self.ids)]

    def job(self, out: Path) -> dict:
        return {
            "case": self.name,
            "model": str(self.folder),
            "out": str(out),
            "ids": self.ids.tolist(),
            "batch": self.batch_rows(),
            "greedy": len(self.greedy),
            "max_context": self.context,
        }

    def batch_rows(self) -> list[list[int]]:
        """The rows of the left-padded batch without their pads: Ingot's sequences need none."""
        if "b2_ids" not in self.golden:
            return []
        ids, mask = self.golden["b2_ids"], self.golden["b2_mask"]
        return [row[keep.astype(bool)].tolist() for row, keep in zip(ids, mask)]

    def judge(self, answer: dict, out: Path) -> tuple[str, str]:
        """(verdict, detail): verdict is match, refused, wrong or broken."""
        if answer["errors"]:
            text = "; ".join(answer["errors"])
            known = [reason for part, reason in REASONS.items() if part in text]
            return ("refused", known[0]) if known else ("broken", text)
        if not answer["compiled"] or "failure" in answer:
            return "broken", answer.get("failure", "not compiled, and no reason given")
        if answer["law"]:
            return "wrong", "the chunk law: " + ", ".join(answer["law"])
        logits = np.fromfile(out / "full.f32", np.float32).reshape(len(self.ids), -1)
        worst = 0.0
        for what, golden in self.expected(out):
            rows = np.fromfile(out / "batch.f32", np.float32).reshape(2, -1) if what == "batch" else logits
            rows, golden = rows[-len(golden) :], golden[-len(rows) :]
            if rows.shape != golden.shape:
                return "wrong", f"{what}: shape {rows.shape}, expected {golden.shape}"
            difference = float(np.abs(rows - golden).max())
            if not difference <= self.facts["tolerance_max_abs"]:
                return "wrong", f"{what}: off by {difference:.3g}, tolerance {self.facts['tolerance_max_abs']:.3g}"
            worst = max(worst, difference)
        if self.facts["greedy_check"] and answer["greedy"] != self.greedy.tolist():
            return "wrong", f"greedy: {answer['greedy']}, expected {self.greedy.tolist()}"
        return "match", f"{worst:.1e}"

    def expected(self, out: Path) -> list[tuple[str, np.ndarray]]:
        vocabulary = self.golden["logits_full"].shape[-1]
        wanted = []

        def add(what: str, key: str):
            if key in self.golden:
                wanted.append((what, self.golden[key].astype(np.float32).reshape(-1, vocabulary)))

        if self.stepped:
            add("one by one", "logits_step")
            return wanted
        add("prompt", "logits_full")
        # Where it has other rows than the prompt's (a pruned head) the first of the nine steps is one row.
        if "logits_inc" in self.golden:
            wanted.append(("incremental", self.golden["logits_inc"].astype(np.float32).reshape(-1, vocabulary)))
        if self.batch_is_ours() and (out / "batch.f32").exists():
            add("batch", "b2_logits_last")
        return wanted

    def batch_is_ours(self) -> bool:
        """Without position_ids the padded row's positions begin at the pads: another prompt than ours. And of quantised
        graphs the batch (alone) was made by ONNX Runtime with int8 activations. The law holds batches to the rows anyway."""
        return any("position" in name for name in self.facts["inputs"]) and self.facts["quantisation"] == "none"


def sample(cases: list[Case]) -> list[Case]:
    """One case a family and exporter, and one a quantisation."""
    chosen = {}
    for case in cases:
        family, exporter = case.facts["family"], case.facts["exporter"].split(" (")[0]
        chosen.setdefault((family, exporter), case)
        chosen.setdefault(case.facts["quantisation"], case)
    return [case for case in cases if case in chosen.values()]


def run_worker(
    worker: Path, cases: list[Case], scratch: Path, jobs: int, machine: list[str]
) -> dict[str, dict]:
    """Answers by case. A case that kills the process gets the answer of a crash, and the others go on without it."""
    answers: dict[str, dict] = {}
    left = cases
    while left:
        for case in left:
            (scratch / case.name).mkdir(exist_ok=True)
        lines = "\n".join(json.dumps(case.job(scratch / case.name)) for case in left)
        command = [worker, str(jobs), *machine]
        done = subprocess.run(command, input=lines, capture_output=True, text=True, check=False)
        begun = set()
        for line in done.stdout.splitlines():
            answer = json.loads(line)
            if "begin" in answer:
                begun.add(answer["begin"])
            elif "case" in answer:
                answers[answer["case"]] = answer
            else:
                print(f"kernels: {answer['objects']} made, {answer['hits']} found made already", flush=True)
        if done.returncode:
            for name in begun - answers.keys():
                reason = f"the compiler or runtime died (exit {done.returncode}): {done.stderr.strip()[-300:]}"
                answers[name] = {"case": name, "errors": [], "compiled": False, "failure": reason, "crash": True}
        left = [case for case in left if case.name not in answers]
        if not done.returncode and left:
            raise SystemExit(f"zoo-worker gave no answer for {left[0].name}")
    return answers


def run_all(worker: Path, cases: list[Case], scratch: Path, jobs: int, machine: list[str]) -> dict[str, dict]:
    """One process with threads - or, on the emulated card, of which a process has only one, a process a job."""
    if machine[0] != "cuda":
        return run_worker(worker, cases, scratch, jobs, machine)
    with ThreadPoolExecutor(jobs) as pool:
        shards = [cases[k::jobs] for k in range(jobs)]
        parts = list(pool.map(lambda shard: run_worker(worker, shard, scratch, 1, machine), shards))
    return {name: answer for part in parts for name, answer in part.items()}


def table(cases: list[Case], verdicts: dict[str, tuple[str, str]]) -> str:
    count = {kind: sum(v[0] == kind for v in verdicts.values()) for kind in ("match", "refused", "wrong", "broken")}
    lines = [
        "# The zoo",
        "Tiny decoders of many families, written by many exporters, compiled with `--activations f32` and held against",
        "ONNX Runtime's goldens: whole prompt, incremental, greedy, two sequences in a step, and the chunk law bit for bit.",
        "Generated by `test/zoo/run.py ../shared/zoo --write docs/zoo.md`; CI fails when it is not true any more.",
        "",
        f"{count['match']} of {len(cases)} match, {count['refused']} are refused with a reason"
        + (f", {count['wrong']} are wrong, {count['broken']} fail otherwise" if count["wrong"] + count["broken"] else "")
        + ".",
        "",
        "| case | family | exporter | opset | quantisation | result |",
        "|---|---|---|---|---|---|",
    ]
    for case in cases:
        facts, (verdict, detail) = case.facts, verdicts[case.name]
        opset = facts["opset"].get("ai.onnx", "") if isinstance(facts["opset"], dict) else facts["opset"]
        result = "match" if verdict == "match" else f"{verdict}: {detail}".replace("|", "/")[:200]
        exporter = facts["exporter"].split(" (")[0]
        lines.append(f"| {case.name} | {facts['family']} | {exporter} | {opset} | {facts['quantisation']} | {result} |")
    return "\n".join(lines) + "\n"


def unpack(zoo: Path, scratch: Path) -> Path:
    """The folder of cases: ZOO itself if it holds them, else its archive unpacked."""
    if list(zoo.glob("*/case.json")):
        return zoo
    with tarfile.open(zoo / "cases.tar.xz") as archive:
        archive.extractall(scratch, filter="data")
    return next(scratch.glob("*/*/case.json")).parents[1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("zoo", type=Path)
    parser.add_argument("--bin", type=Path, default=REPOSITORY / "build/dev/bin")
    parser.add_argument("--only", default="*", help="cases by name, e.g. 'a-*'")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--cuda", metavar="SEEDS", help="on the emulated card, under these seeds")
    parser.add_argument("--sample", action="store_true", help="one case a family and exporter, one a quantisation")
    parser.add_argument("--write", type=Path, help="write the table here")
    parser.add_argument("--table", type=Path, help="the committed table, which must be true")
    parser.add_argument("--at-least", type=int, default=0, help="how many must match")
    options = parser.parse_args()
    if os.environ.get("INGOT_SHARED") == "none" or not options.zoo.is_dir():
        print(f"skipped: needs {options.zoo} (INGOT_SHARED is {os.environ.get('INGOT_SHARED', 'not set')})")
        return 77
    begin = time.time()
    machine = ["v4" if "avx512_vnni" in Path("/proc/cpuinfo").read_text() else "v3"]
    if options.cuda:
        machine = ["cuda", *options.cuda.split(",")]
        os.environ.setdefault("INGOT_CUDA_DRIVER", str((options.bin.parent / "lib/libingot-cuda-emulator.so").absolute()))
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        folders = sorted(path.parent for path in unpack(options.zoo, scratch).glob("*/case.json"))
        cases = [Case(path) for path in folders if fnmatch.fnmatch(path.name, options.only)]
        cases = sample(cases) if options.sample else cases
        answers = run_all(options.bin / "zoo-worker", cases, scratch, options.jobs, machine)
        verdicts = {case.name: case.judge(answers[case.name], scratch / case.name) for case in cases}
    for case in cases:
        verdict, detail = verdicts[case.name]
        if verdict != "match":
            print(f"{verdict:8} {case.name}: {detail[:600]}")
    text = table(cases, verdicts)
    if options.write:
        options.write.write_text(text)
    matches = sum(verdict == "match" for verdict, _ in verdicts.values())
    bad = [name for name, (verdict, _) in verdicts.items() if verdict in ("wrong", "broken")]
    crashed = [name for name, answer in answers.items() if answer.get("crash")]
    refused = len(cases) - matches - len(bad)
    print(
        f"{matches} of {len(cases)} match, {refused} refused, {len(bad)} wrong or broken ({len(crashed)} crashed), "
        f"{time.time() - begin:.0f} s, {' '.join(machine)}"
    )
    good = not bad and matches >= options.at_least
    if options.table and options.table.read_text() != text:
        print(f"{options.table} is not true any more: run.py --write it")
        good = False
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
