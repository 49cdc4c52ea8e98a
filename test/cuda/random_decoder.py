#!/usr/bin/env python3
"""Writes a decoder with random weights for mutate_kernels.py: rows long enough for several stages of every ring, more
positions than a split has, and heads that tensor cores serve, which no small model that is at hand has together.

    random_decoder.py OUT [--hidden 1024] [--inner 512] [--heads 2] [--kv-heads 1] [--size 64] [--vocabulary 96]
                      [--layers 1]

f16, in primitive operators (test/bench/check_large.py); OUT becomes a folder. Needs the packages onnx and numpy."""

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench"))
import check_large
import onnx


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    for name, size in {"hidden": 1024, "inner": 512, "heads": 2, "kv-heads": 1, "size": 64, "vocabulary": 96}.items():
        parser.add_argument(f"--{name}", type=int, default=size)
    parser.add_argument("--layers", type=int, default=1)
    options = parser.parse_args()
    for name in ("hidden", "inner", "heads", "kv_heads", "size", "vocabulary"):
        setattr(check_large, name.upper(), getattr(options, name))
    model = check_large.decoder(options.layers)
    options.out.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(1)
    with open(options.out / "weights.bin", "wb") as file:
        for tensor in model.graph.initializer:
            if tensor.data_location == onnx.TensorProto.EXTERNAL:
                scale = 1 if len(tensor.dims) == 1 else tensor.dims[0] ** -0.5
                file.write((random.standard_normal(tensor.dims) * scale).astype(np.float16).tobytes())
    onnx.save(model, options.out / "model.onnx")


if __name__ == "__main__":
    main()
