#!/usr/bin/env python3
"""Packs what gpu.sh needs on a machine with a card into one archive: nothing is built or installed there.

    gpu_bundle.py [--bin build/release/bin] [-o build/gpu-bundle.tar.gz] [--most-mib 60]
                  [--shapes llama-1b,llama-8b] [--forms bf16,int8,int4,int4-w16] [--small ...] [--stories ...] [--sm 80,90]

Binaries (glibc alone), the conformance pack and three kinds of artifacts: stories-*, which has its weights, and small-*, whose
random weights are few, hold code for both devices (the card against the CPU); llama-* are for speed, their weights holes in
the file that `ingot-bench --random-weights` fills. `--shapes tiny --sm none` makes a bundle for the emulated driver, of
programs that need no card. Needs the packages onnx and ml_dtypes and, for cubins, ptxas (tools/setup.sh)."""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from ptxas_table import SHAPES, write_shape

REPOSITORY = Path(__file__).resolve().parents[2]
BINARIES = ("ingot-run", "ingot-bench", "ingot-inspect", "cuda-conformance")
SCRIPTS = ("bench/gpu.sh", "bench/gpu_tables.awk", "bench/gpu_torch.py", "cuda/record.sh")
LAYERS = {"llama-1b": 16, "llama-8b": 32}
# Shapes that only a bundle has: what the tensor core kernels serve, with the vocabulary of stories260k's tokenizer.
SHAPES |= {"small64": (256, 4, 2, 64, 512, 512), "small128": (512, 4, 1, 128, 768, 512), "tiny": (128, 2, 1, 64, 256, 512)}
FORMS = {
    "bf16": ["--kv-cache", "f16"],
    "f16": [],
    "int8": ["--quantize", "int8", "--kv-cache", "f16"],
    "int4": ["--quantize", "int4", "--activations", "int8", "--kv-cache", "f16"],
    "int4-w16": ["--quantize", "int4", "--activations", "f32", "--kv-cache", "f16"],
}
STORIES = {"f32": [], "int4": [], "int4-f32": ["--activations", "f32"], "int8": ["--quantize", "int8"]}
DATA = REPOSITORY / "test/data/stories260k"
TEXT = """Once upon a time, there was a little girl named Lily. She had a small dog. One day they went to the park to play with a big
red ball. The dog ran fast and Lily ran after him. They were very happy. Then it began to rain and they went home."""
LIBRARIES = {"libc.so.6", "libm.so.6", "linux-vdso.so.1", "libdl.so.2", "libpthread.so.0"}
NEWEST_GLIBC = 35  # 2.35: Ubuntu 22.04


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
    newest = max(int(minor) for minor in re.findall(rb"GLIBC_2\.(\d+)", binary.read_bytes()))
    if newest > NEWEST_GLIBC:
        sys.exit(f"{binary.name} needs glibc 2.{newest}, and machines with cards have 2.{NEWEST_GLIBC}")


class Models:
    """The bundle's artifacts; `said` describes the decoders for gpu.sh: name, layers, heads, size of a head."""

    def __init__(self, options, folder: Path):
        self.ingotc, self.sm, self.folder, self.said = options.bin / "ingotc", options.sm, folder, ""
        self.missing = False

    def compile(self, source: Path, name: str, target: str, *words):
        """One that does not compile is left out: the others are worth their turn on a card."""
        command = [self.ingotc, source, "-o", self.folder / f"{name}.ingot", "--target", target, "--sm", self.sm]
        done = subprocess.run([*command, "--progress", "none", *words], stdout=subprocess.DEVNULL, check=False)
        print(name if done.returncode == 0 else f"{name}: LEFT OUT, ingotc exits {done.returncode}", flush=True)
        self.missing |= done.returncode != 0
        return done.returncode == 0

    def decoder(self, shape: str, form: str, target: str):
        name = f"{shape}-{form}"
        with tempfile.TemporaryDirectory() as scratch:
            layers = LAYERS.get(shape, 2)
            write_shape(shape, form, Path(scratch) / "model.onnx", layers)
            if target != "cuda":  # compared on a text
                for file in ("tokenizer.json", "tokenizer_config.json"):
                    shutil.copy(DATA / "genai_fp32" / file, scratch)
            if self.compile(Path(scratch), name, target, "--no-weights", "--max-context", "8192", *FORMS[form]):
                self.said += f"{name} {layers} {SHAPES[shape][1]} {SHAPES[shape][3]}\n"

    def story(self, name: str):
        source = DATA / ("genai_int4" if name.startswith("int4") else "genai_fp32")
        self.compile(source, f"stories-{name}", "cpu,cuda", "--kv-cache", "f16", *STORIES[name])

    def all(self, options):
        for name in options.stories:
            self.story(name)
        for form in options.small:
            for shape in ("small64", "small128"):
                self.decoder(shape, form, "cpu,cuda")
        for shape in options.shapes:
            for form in options.forms:
                self.decoder(shape, form, "cuda")
        (self.folder / "decoders.txt").write_text(self.said)
        return not self.missing


def pack(options, scratch: Path):
    bundle = scratch / "gpu-bundle"
    (bundle / "bin").mkdir(parents=True)
    (bundle / "models").mkdir()
    for name in BINARIES:
        check_libraries(options.bin / name)
        shutil.copy(options.bin / name, bundle / "bin")
        run("strip", bundle / "bin" / name)
    shutil.copytree(options.bin.parent / "test/cuda/pack", bundle / "pack")
    for script in SCRIPTS:
        shutil.copy(REPOSITORY / "test" / script, bundle)
    (bundle / "short.txt").write_text(TEXT[:60])
    (bundle / "text.txt").write_text(" ".join([TEXT] * 8))  # long enough for splits of the attention
    whole = Models(options, bundle / "models").all(options)
    run("tar", "--sparse", "-C", scratch, "-czf", options.out, "gpu-bundle")
    return whole


def main():
    words = lambda text: [word for word in text.split(",") if word]
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bin", type=Path, default=REPOSITORY / "build/release/bin")
    parser.add_argument("-o", "--out", type=Path, default=REPOSITORY / "build/gpu-bundle.tar.gz")
    parser.add_argument("--most-mib", type=float, default=60)
    parser.add_argument("--shapes", type=words, default=list(LAYERS), help="for speed, of " + ", ".join(SHAPES))
    parser.add_argument("--forms", type=words, default=["bf16", "int8", "int4", "int4-w16"], help="of " + ", ".join(FORMS))
    parser.add_argument("--small", type=words, default=list(FORMS), help="forms that are compared with the CPU")
    parser.add_argument("--stories", type=words, default=list(STORIES), help="of " + ", ".join(STORIES))
    parser.add_argument("--sm", default="80,90", help="as ingotc's")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.out.parent) as scratch:
        whole = pack(options, Path(scratch))
    size = options.out.stat().st_size / 2**20
    print(f"{options.out}: {size:.1f} MiB")
    if size > options.most_mib:
        sys.exit(f"the bundle is larger than {options.most_mib} MiB")
    sys.exit(0 if whole else "some models are not in the bundle")


if __name__ == "__main__":
    main()
