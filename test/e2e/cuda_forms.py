#!/usr/bin/env python3
"""Every instruction form in the PTX that we generate has a program in the conformance pack (test/cuda)."""

import subprocess
import sys

from harness import REPOSITORY, STORIES, Tools, main

CUDA = REPOSITORY / "test" / "cuda"


def uncovered(tools: Tools, model: str, *options: str) -> str:
    """Compiles a model to PTX and returns what coverage.py says of it; empty when all is covered."""
    asm = tools.scratch / f"{model}{''.join(options)}"
    tools.check("ingotc", STORIES / model, "-o", tools.scratch / "x.ingot", "--progress", "none", "--target", "cuda",
                "--sm", "none", "--dump-asm", asm, *options)
    files = sorted(map(str, asm.rglob("*.ptx")))
    assert files, f"--dump-asm wrote no PTX into {asm}"
    pack = tools.bin.parent / "test" / "cuda" / "pack"
    assert (pack / "forms.data").exists(), f"{pack} is empty: build cuda_conformance_pack"
    done = subprocess.run([sys.executable, "-B", CUDA / "coverage.py", pack, *files], capture_output=True, text=True)
    print(done.stdout.splitlines()[-1])
    return done.stdout if done.returncode else ""


def test_float_kernels_use_no_unproved_form(tools: Tools) -> None:
    assert not (said := uncovered(tools, "genai_fp32")), said


def test_int4_kernels_use_no_unproved_form(tools: Tools) -> None:
    for activations in ("f32", "int8"):
        assert not (said := uncovered(tools, "genai_int4", "--activations", activations)), said


def test_quantised_kernels_use_no_unproved_form(tools: Tools) -> None:
    assert not (said := uncovered(tools, "genai_fp32", "--quantize", "int8", "--activations", "int8")), said


if __name__ == "__main__":
    main(globals())
