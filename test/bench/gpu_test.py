#!/usr/bin/env python3
"""gpu.sh runs from end to end on a small bundle under the emulated driver, so that it works the day a card is lent.

    gpu_test.py --bin BUILD/bin"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PARTS = ("machine", "correctness", "conformance", "speed", "steps", "batch", "tables", "torch")


def make_bundle(binaries: Path, folder: Path) -> Path:
    bundle = folder / "bundle.tar.gz"
    subprocess.run([sys.executable, HERE / "gpu_bundle.py", "--bin", binaries, "-o", bundle, "--shapes", "tiny", "--forms",
                    "bf16,int4-w16", "--small", "bf16", "--stories", "int4", "--sm", "none"], check=True)
    return bundle


def run(binaries: Path, bundle: Path, out: Path, **environment) -> tuple[int, dict[str, str]]:
    """Its exit code, and its results by file name."""
    driver = binaries.parent / "lib/libingot-cuda-emulator.so"
    settings = {"INGOT_GPU_QUICK": "1", "INGOT_GPU_SECONDS": "1000", "INGOT_CUDA_DRIVER": str(driver), "INGOT_EMULATOR": "checks=0", **environment}
    done = subprocess.run([HERE / "gpu.sh", bundle, out], env={**os.environ, **settings}, stdout=subprocess.DEVNULL)
    return done.returncode, {path.name: path.read_text() for path in out.iterdir()}


def check_whole(code: int, files: dict[str, str]):
    states = [line.split()[:2] for line in files["summary.txt"].splitlines()]
    expect(states == [[part, "ok,"] for part in PARTS] and code == 0, f"exit {code}: {files['summary.txt']}{files}")
    expect("recordings.txt" in files and len(files) == 7, f"files: {sorted(files)}")
    tables = files["tables.txt"]
    for text in ("tiny-int4-w16 rows 40", "tiny-bf16 rows 1 depth 40", "batch 3", "tokens 16 depth 40"):
        words = " +".join(text.split())
        expect(re.search(words, tables), f"the tables lack '{text}':\n{tables}")
    expect(" - " not in tables and "-nan" not in tables, f"the tables have gaps:\n{tables}")


def check_short(code: int, files: dict[str, str]):
    """Without a driver every part says so, the tables come all the same, and the exit code tells."""
    expect(code == 1, f"exit {code} without a driver")
    expect("no CUDA driver" in files["speed.txt"] and "tables       ok" in files["summary.txt"], f"{files}")
    expect("not done: machine correctness conformance speed steps batch" in files["summary.txt"], files["summary.txt"])


def expect(condition, otherwise: str):
    if not condition:
        sys.exit(otherwise)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bin", type=Path, required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder, binaries = Path(scratch), options.bin.resolve()
        bundle = make_bundle(binaries, folder)
        check_whole(*run(binaries, bundle, folder / "out"))
        check_short(*run(binaries, bundle, folder / "none", INGOT_CUDA_DRIVER="/nowhere/libcuda.so.1"))
    print("gpu.sh: all parts run")


if __name__ == "__main__":
    main()
