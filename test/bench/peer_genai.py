"""onnxruntime-genai from PyPI, on the int4 folder that we compile.

Its fast CPU path takes packed 4-bit zero points only, so our float ones are rounded to them: its text is then lossy.
(With the float ones it dequantises each matrix at each token, 20 times slower.)
"""

import shutil
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from peer import DECODE_TOKENS, PREFILL_TOKENS, PROMPT_IDS, Peer, Sample, run, seconds_to_first_byte
from peers_python import environment


def packed_zero_points(zero_points: np.ndarray) -> np.ndarray:
    """Float zero points [N, blocks] -> rounded to 0..15, two to a byte, rows padded to whole bytes."""
    rounded = np.clip(np.rint(zero_points), 0, 15).astype(np.uint8)
    if rounded.shape[1] % 2:
        rounded = np.pad(rounded, ((0, 0), (0, 1)))
    return rounded[:, 0::2] | rounded[:, 1::2] << 4


def with_packed_zero_points(source: Path, target: Path) -> Path:
    if not (target / "model.onnx").exists():
        shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("model.onnx*"))
        model = onnx.load(source / "model.onnx")
        for tensor in model.graph.initializer:
            if tensor.name.endswith("weight_zero_points"):
                packed = packed_zero_points(numpy_helper.to_array(tensor))
                tensor.CopyFrom(numpy_helper.from_array(packed, tensor.name))
        onnx.save(model, target / "model.onnx", save_as_external_data=True, location="model.onnx.data")
    return target


class Genai(Peer):
    name = "onnxruntime-genai int4"

    def __init__(self, folder: Path, model: Path):
        self._folder, self._source = folder, model

    def prepare(self) -> None:
        self._python = environment(self._folder)
        self._model = with_packed_zero_points(self._source, self._folder / "genai-int4")
        self.bytes_per_token = (self._model / "model.onnx.data").stat().st_size

    def measure(self, threads: int) -> Sample:
        worker = [self._python, Path(__file__).with_name("genai_worker.py"), self._model, threads]
        prefill, decode = (float(v) for v in run([*worker, "sample", PREFILL_TOKENS, DECODE_TOKENS]).split())
        return Sample(decode, prefill, seconds_to_first_byte([*worker, "first", PROMPT_IDS]))
