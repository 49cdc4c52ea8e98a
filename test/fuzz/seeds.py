#!/usr/bin/env python3
"""Writes the fuzzer's seeds: graphs of the zoo, of every exporter, and the models of test/data, their weights left out.

    seeds.py OUT [--zoo ../shared/zoo]

An initializer above 1 KiB becomes external data in a file that is not there (the fuzzer imports with allowMissingWeights),
so that a seed is tens of KiB and mutations meet the graph. Without the zoo: the models of test/data only.
"""

import argparse
import os
import tarfile
from pathlib import Path

import onnx

REPOSITORY = Path(__file__).resolve().parents[2]

# Every exporter and quantiser, most families and spellings; small graphs first choice.
CASES = """a-llama-gqa a-gpt2-op14 a-bloom a-gemma2-eager a-phi2 a-falcon-mqa a-opt a-gpt-neo a-mistral-swa a-gpt2-nocache a-qwen3-moe
a16-llama-gqa-ort b-gpt2-dyn b-gpt2-static-perch b-llama-gqa-bnb4 b-llama-wide-nbits-32 b-llama-wide-nbitsqdq-32-asym
c-gemma2-fp16-cuda c-llama-gqa-fp32-cpu-prune c-phi3-lrope-fp32-cpu c-llama-wide-u-int4-cpu-qdq c-qwen3-int4-cpu
c08-phi2-g-fp32-cpu c11-gemma3-fp32-cpu d-llama-gqa-op18-flat d-gpt2-op23-flat d-qwen3-op20-nomask d-llama-rope3-op18-flat
d-mixtral-op20-flat-bmm d-phi3-longrope-op18-flat d29-gpt-neox-op18-nocache e-llama-gqa-op23-attn4d e-llama-gqa-op24-scatter
e-qwen2-op23-boolmask f-llama-gqa-op23-plain f-qwen3-opdef-ort-cpu o-gpt2-ort-ext o-qwen3-slim p-gpt2-merged
p-llama-gqa p2-gpt2-pair t-llama-gqa-op17-flat""".split()


def without_weights(model: onnx.ModelProto) -> bytes:
    for tensor in model.graph.initializer:
        if tensor.HasField("raw_data") and len(tensor.raw_data) > 1024:
            size = len(tensor.raw_data)
            tensor.ClearField("raw_data")
            tensor.data_location = onnx.TensorProto.EXTERNAL
            for key, value in {"location": "missing.data", "offset": "0", "length": str(size)}.items():
                tensor.external_data.add(key=key, value=value)
    del model.graph.value_info[:]
    return model.SerializeToString(deterministic=True)


def models_of(zoo: Path):
    """(name, bytes) of the chosen cases, from the archive or from its unpacked folder."""
    if list(zoo.glob("*/case.json")):
        for path in sorted(zoo.glob("*/*.onnx")):
            if path.parent.name in CASES:
                yield f"{path.parent.name}-{path.name}", path.read_bytes()
        return
    with tarfile.open(zoo / "cases.tar.xz") as archive:
        for member in archive:
            path = Path(member.name)
            if path.suffix == ".onnx" and path.parent.name in CASES:
                yield f"{path.parent.name}-{path.name}", archive.extractfile(member).read()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--zoo", type=Path, default=REPOSITORY / "../shared/zoo")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    found = [(f"{path.parent.name}-{path.name}", path.read_bytes()) for path in (REPOSITORY / "test/data").rglob("*.onnx")]
    if os.environ.get("INGOT_SHARED") == "none" or not options.zoo.is_dir():
        print(f"no zoo at {options.zoo}: seeds from test/data only")
    else:
        found += models_of(options.zoo)
    for name, data in found:
        (options.out / name).write_bytes(without_weights(onnx.load_from_string(data)))
    print(f"{len(found)} seeds in {options.out}")


if __name__ == "__main__":
    main()
