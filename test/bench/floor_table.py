#!/usr/bin/env python3
"""How far the CUDA kernels of a decode step are from their floor, counted by the emulated driver (no card, no speed).

    floor_table.py --bin build/release/bin [--shapes smollm2,llama-1b,llama-8b] [--forms f16,int8,int4] [--tokens 1]

Decoders of two layers in those shapes with random weights decode one token; a row a kernel that has a weight: bytes of its packed weight,
bytes that its lanes ask of global memory (cp.async included) as a multiple of them, multiply-adds of `--tokens` rows, lane instructions a
multiply-add, and the part of the tensor core's multiply-adds that were asked for. What lanes ask for together and what the caches
serve are not told apart, so the second column is an upper bound of traffic. `emulated` in every sense. Needs the packages onnx
and ml_dtypes."""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from ptxas_table import FORMS, SHAPES, short, write_shape

MMA = {"int8": 16 * 8 * 32, "int4": 16 * 8 * 32}  # multiply-adds of an instruction; others 16 * 8 * 16
COUNTS = re.compile(r"kernel: (\S+) (\d+) ctas (\d+) lane_instructions (\d+) mmas (\d+) loaded (\d+)")


def run(command: list[str], **environment) -> str:
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment})
    if done.returncode:
        sys.exit(f"{command[0]} exits {done.returncode}\n{(done.stderr + done.stdout)[:4000]}")
    return done.stdout


def measure(options, shape: str, form: str, scratch: Path) -> list[list[str]]:
    model, artifact, report, log = (scratch / name for name in ("model.onnx", "model.ingot", "report.json", "log"))
    write_shape(shape, form, model)
    log.unlink(missing_ok=True)
    run([str(options.bin / "ingotc"), str(model), "-o", str(artifact), "--target", "cuda", "--sm", "none", "--no-weights",
         "--max-context", "2048", "--report", str(report), "--progress", "none", *FORMS[form]])
    run([str(options.bin / "ingot-bench"), str(artifact), "--device", "cuda", "--random-weights", "-p", "", "-n", "1", "-r", "1",
         "-b", str(options.tokens)],
        INGOT_CUDA_DRIVER=str(options.bin.parent / "lib" / "libingot-cuda-emulator.so"),
        INGOT_EMULATOR=f"profile=1,checks=0,threads=0,log={log}")
    steps = {step["name"]: step for step in json.loads(report.read_text())["steps"] if step["weight_bytes"]}
    rows = []
    for name, *counts in COUNTS.findall(log.read_text()):
        launches, ctas, lanes, mmas, loaded = map(int, counts)
        step = steps.get(short(name).rsplit("_", 1)[0])
        if not step or not mmas:
            continue
        macs = step["operations_per_row"] * options.tokens
        rows.append([shape, form, short(name), str(ctas // launches), str(step["weight_bytes"]),
                     f"{loaded / launches / step['weight_bytes']:.2f}", str(macs), f"{lanes / launches / macs:.2f}",
                     f"{100 * macs * launches / mmas / MMA.get(form, 16 * 8 * 16):.0f}%"])
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bin", type=Path, required=True, help="where ingotc and ingot-bench are; the driver is in ../lib")
    parser.add_argument("--shapes", default="smollm2", help="of " + ", ".join(SHAPES))
    parser.add_argument("--forms", default="f16,int8,int4", help="of " + ", ".join(FORMS))
    parser.add_argument("--tokens", type=int, default=1, help="sequences that decode side by side")
    options = parser.parse_args()
    rows = ["shape form kernel ctas weights asked macs lanes/mac mma".split()]
    with tempfile.TemporaryDirectory() as scratch:
        for shape in options.shapes.split(","):
            for form in options.forms.split(","):
                rows += measure(options, shape, form, Path(scratch))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(w) if i < 3 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths))))


if __name__ == "__main__":
    main()
