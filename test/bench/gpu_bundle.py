#!/usr/bin/env python3
"""Packs what gpu.sh needs on a machine with a card into one archive: nothing is built or installed there.

    gpu_bundle.py [--bin build/release/bin] [-o build/gpu-bundle.tar.gz] [--most-mib 60]

Binaries (glibc alone), the conformance pack, small artifacts with weights (stories260k) for correctness, and artifacts of 1B and
8B shapes without weights (holes in the file: `ingot-bench --random-weights` fills them) for speed. Needs the package onnx and,
for cubins, ptxas (tools/setup.sh)."""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import check_large
import onnx
from ptxas_table import SHAPES

REPOSITORY = Path(__file__).resolve().parents[2]
BINARIES = ("ingot-run", "ingot-bench", "ingot-inspect", "cuda-conformance")
LAYERS = {"llama-1b": 16, "llama-8b": 32}
FORMS = {
    "f16": [],
    "int8": ["--quantize", "int8", "--kv-cache", "f16"],
    "int4": ["--quantize", "int4", "--activations", "int8", "--kv-cache", "f16"],
    "int4-w16": ["--quantize", "int4", "--activations", "f32", "--kv-cache", "f16"],
}
TEXT = """Once upon a time, there was a little girl named Lily. She had a small dog. One day they went to the park to play with a big
red ball. The dog ran fast and Lily ran after him. They were very happy. Then it began to rain and they went home."""
LIBRARIES = {"libc.so.6", "libm.so.6", "linux-vdso.so.1", "libdl.so.2", "libpthread.so.0"}


def run(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stderr[-2000:]}")
    return done.stdout


def check_libraries(binary: Path):
    for line in run("ldd", binary).splitlines():
        library = line.split()[0]
        if library not in LIBRARIES and "ld-linux" not in library:
            sys.exit(f"{binary.name} needs {library}: link it statically")


def shapes(ingotc: Path, models: Path):
    """Decoders of well-known shapes whose weights are not there."""
    sizes = ("HIDDEN", "HEADS", "KV_HEADS", "SIZE", "INNER", "VOCABULARY")
    for shape, layers in LAYERS.items():
        for name, size in zip(sizes, SHAPES[shape]):
            setattr(check_large, name, size)
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / "model.onnx"
            onnx.save(check_large.decoder(layers), path)
            for form, options in FORMS.items():
                out = models / f"{shape}-{form}.ingot"
                fixed = ["--target", "cuda", "--sm", "80,90", "--no-weights", "--max-context", 8192, "--progress", "none"]
                run(ingotc, path, "-o", out, *fixed, *options)
                print(out.name, flush=True)


def stories(ingotc: Path, models: Path):
    data = REPOSITORY / "test/data/stories260k"
    for name, options in {"int4": [], "int4-f32": ["--activations", "f32"], "int8": ["--quantize", "int8"]}.items():
        source = data / ("genai_int4" if name.startswith("int4") else "genai_fp32")
        run(ingotc, source, "-o", models / f"stories-{name}.ingot", "--target", "cpu,cuda", "--sm", "80,90",
            "--kv-cache", "f16", "--progress", "none", *options)
        print(f"stories-{name}.ingot", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bin", type=Path, default=REPOSITORY / "build/release/bin")
    parser.add_argument("-o", "--out", type=Path, default=REPOSITORY / "build/gpu-bundle.tar.gz")
    parser.add_argument("--most-mib", type=float, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.out.parent) as scratch:
        bundle = Path(scratch) / "gpu-bundle"
        (bundle / "bin").mkdir(parents=True)
        (bundle / "models").mkdir()
        for name in BINARIES:
            check_libraries(options.bin / name)
            shutil.copy(options.bin / name, bundle / "bin")
            run("strip", bundle / "bin" / name)
        shutil.copytree(options.bin.parent / "test/cuda/pack", bundle / "pack")
        for script in ("test/bench/gpu.sh", "test/bench/gpu_torch.py", "test/cuda/record.sh"):
            shutil.copy(REPOSITORY / script, bundle)
        (bundle / "text.txt").write_text(TEXT)
        stories(options.bin / "ingotc", bundle / "models")
        shapes(options.bin / "ingotc", bundle / "models")
        run("tar", "--sparse", "-C", scratch, "-czf", options.out, "gpu-bundle")
    size = options.out.stat().st_size / 2**20
    print(f"{options.out}: {size:.1f} MiB")
    if size > options.most_mib:
        sys.exit(f"the bundle is larger than {options.most_mib} MiB")


if __name__ == "__main__":
    main()
