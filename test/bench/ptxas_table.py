#!/usr/bin/env python3
"""What ptxas makes of every CUDA kernel of a few well-known shapes: needs neither a GPU nor weights.

    ptxas_table.py INGOTC [--shapes smollm2,llama-1b,llama-8b] [--forms f16,bf16,int8,int4] [--sm 80,90] [--json FILE] [--brief]

Writes decoders of two layers in those shapes whose weights are not there (equal layers share their kernels), compiles them with
`--target cuda --no-weights --report`, and prints a row a kernel: threads of a block, registers, shared memory, bytes spilled, bytes of
stack, blocks and occupancy of an SM, instructions, and how many of them are LDG.128 (of all LDG), LDGSTS, HMMA and IMMA. `*` marks
what should not be: a spill, a stack frame, fewer than 8 warps on an SM. The last row sums up; exits 1 on spills, stack frames, and
where a shape does not compile (the others do all the same). `--brief` prints a row a form and kind of kernel, in Markdown.
Needs the packages onnx and ml_dtypes."""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import check_large
import ml_dtypes
import numpy as np
import onnx

SHAPES = {  # hidden, heads, key-value heads, head size, inner, vocabulary
    "smollm2": (576, 9, 3, 64, 1536, 49152),
    "llama-1b": (2048, 32, 8, 64, 8192, 128256),
    "llama-8b": (4096, 32, 8, 128, 14336, 128256),
}
FORMS = {
    "f16": [],
    "bf16": [],
    "f16-f32": ["--activations", "f32"],
    "int8": ["--quantize", "int8"],
    "int8-f32": ["--quantize", "int8", "--activations", "f32"],
    "int4": ["--quantize", "int4"],
    "int4-f32": ["--quantize", "int4", "--activations", "f32"],
}
WARPS = {80: 64, 86: 48, 87: 48, 89: 48, 90: 64, 100: 64, 120: 48}  # that an SM holds at most


def write_shape(shape: str, form: str, path: Path, layers: int = 2):
    """A decoder in that shape, its weights in an external file that does not exist."""
    brain = form == "bf16"
    check_large.HALF = onnx.TensorProto.BFLOAT16 if brain else onnx.TensorProto.FLOAT16
    check_large.ARRAY = ml_dtypes.bfloat16 if brain else np.float16
    sizes = ("HIDDEN", "HEADS", "KV_HEADS", "SIZE", "INNER", "VOCABULARY")
    for name, size in zip(sizes, SHAPES[shape]):
        setattr(check_large, name, size)
    onnx.save(check_large.decoder(layers), path)


def compile_shape(ingotc: str, shape: str, form: str, sm: str, scratch: Path) -> list[dict]:
    path, report = scratch / "model.onnx", scratch / "report.json"
    write_shape(shape, form, path)
    command = [ingotc, str(path), "-o", str(scratch / "model.ingot"), "--target", "cuda", "--sm", sm, "--no-weights",
               "--max-context", "8192", "--report", str(report), "--progress", "none", *FORMS[form]]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        print(f"{shape} {form}: ingotc exits {done.returncode}\n{done.stderr[:4000]}", file=sys.stderr, flush=True)
        return []
    return [{"shape": shape, "form": form, **kernel} for kernel in json.loads(report.read_text())["kernels"]]


def short(name: str) -> str:
    """A kernel's name without the hash of its region."""
    return "_".join(part for part in name.split("_") if not (len(part) == 16 and set(part) <= set("0123456789abcdef")))


def row(kernel: dict) -> list[str]:
    warps = kernel["blocks_per_sm"] * ((kernel["threads"] + 31) // 32)
    mark = lambda bad, text: f"{text}{'*' if bad else ' '}"
    counts = [f"{kernel.get('ldg_128', '-')}/{kernel.get('ldg', '-')}"]
    counts += [str(kernel.get(key, "-")) for key in ("ldgsts", "hmma", "imma")]
    return [kernel["shape"], kernel["form"], short(kernel["name"]), str(kernel["sm"]), str(kernel["threads"]),
            str(kernel["registers"]), str(kernel["shared_bytes"]), mark(kernel["spill_bytes"], kernel["spill_bytes"]),
            mark(kernel["stack_bytes"], kernel["stack_bytes"]), str(kernel["blocks_per_sm"]),
            mark(warps < 8, f"{100 * warps // WARPS[kernel['sm']]}%"), str(kernel.get("instructions", "-")), *counts]


def print_table(kernels: list[dict]):
    head = "shape form kernel sm thr regs shared spill stack blk occ instr ldg128 ldgsts hmma imma".split()
    rows = [head] + [row(kernel) for kernel in kernels]
    widths = [max(len(line[i]) for line in rows) for i in range(len(head))]
    for line in rows:
        cells = [cell.ljust(width) if i < 3 else cell.rjust(width) for i, (cell, width) in enumerate(zip(line, widths))]
        print("  ".join(cells))


def span(values, unit: int = 1) -> str:
    """The least and the most of them."""
    least, most = min(values) // unit, max(values) // unit
    return str(least) if least == most else f"{least}-{most}"


def print_brief(kernels: list[dict]):
    """Kinds of kernels over all shapes, steps and architectures: t1, t8, t32, panel64 of the linears, prepare, attend, ..."""
    kinds = {}
    for kernel in kernels:
        kinds.setdefault((kernel["form"], short(kernel["name"]).rsplit("_", 1)[-1]), []).append(kernel)
    print("| form | kernel | of them | threads | registers | shared KiB | warps an SM | LDG.128 of LDG | LDGSTS | HMMA | IMMA |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for (form, kind), members in sorted(kinds.items()):
        of = lambda key, unit=1: span([member.get(key, 0) for member in members], unit)
        warps = span([member["blocks_per_sm"] * ((member["threads"] + 31) // 32) for member in members])
        wide = f"{of('ldg_128')} of {of('ldg')}"
        cells = [form, kind, str(len(members)), of("threads"), of("registers"), of("shared_bytes", 1024), warps, wide]
        print("| " + " | ".join(cells + [of("ldgsts"), of("hmma"), of("imma")]) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("ingotc")
    parser.add_argument("--shapes", default=",".join(SHAPES), help="of " + ", ".join(SHAPES))
    parser.add_argument("--forms", default="f16,bf16,int8,int4,int4-f32", help="of " + ", ".join(FORMS))
    parser.add_argument("--sm", default="80,90", help="architectures")
    parser.add_argument("--json", type=Path, help="write the rows there, too")
    parser.add_argument("--brief", action="store_true", help="kinds of kernels only")
    options = parser.parse_args()
    kernels, missing = [], False
    with tempfile.TemporaryDirectory() as scratch:
        for shape in options.shapes.split(","):
            for form in options.forms.split(","):
                found = compile_shape(options.ingotc, shape, form, options.sm, Path(scratch))
                kernels, missing = kernels + found, missing or not found
    if not kernels:
        return True
    (print_brief if options.brief else print_table)(kernels)
    bad = [kernel for kernel in kernels if kernel["spill_bytes"] or kernel["stack_bytes"]]
    print(f"{len(kernels)} kernels, {len(bad)} with spills or a stack frame, most registers "
          f"{max(kernel['registers'] for kernel in kernels)}, most shared memory {max(k['shared_bytes'] for k in kernels)} bytes")
    if options.json:
        options.json.write_text(json.dumps(kernels, indent=1) + "\n")
    return bool(bad) or missing


if __name__ == "__main__":
    sys.exit(main())
