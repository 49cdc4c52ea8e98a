"""Reads a Llama-shaped GGUF file: its configuration and its weights, exactly as the file holds them.

The file is memory-mapped; a weight is read when it is asked for, so peak memory is one matrix, not the model.

Block formats (32 values along K, one block after the other; d, m are float16, products and sums are float32):
  Q4_1  w = d*q + m, q in 0..15: byte j of a block holds value j in its low nibble and value j+16 in its high one
  Q8_0  w = d*q, q in -128..127
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from gguf import GGUFReader

BLOCK = 32
ROWS_PER_CHUNK = 4096  # how many rows of a large matrix are in memory at a time


class ModelError(Exception):
    """The file is not what we can convert; the message names the thing and what to do."""


@dataclass(frozen=True)
class LlamaConfig:
    name: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    feed_forward: int
    context: int
    vocabulary: int
    rope_base: float
    norm_epsilon: float

    @property
    def kv_width(self) -> int:
        return self.kv_heads * self.head_dim


@dataclass(frozen=True)
class Affine4:
    """w[n, k] = scale[n, k/32] * q[n, k] + minimum[n, k/32]; q is uint8 in 0..15, scale and minimum are float32."""

    q: np.ndarray
    scale: np.ndarray
    minimum: np.ndarray

    def dequantised(self) -> np.ndarray:
        blocks = self.q.reshape(*self.scale.shape, BLOCK).astype(np.float32)
        return (blocks * self.scale[..., None] + self.minimum[..., None]).reshape(self.q.shape)


@dataclass(frozen=True)
class Symmetric8:
    """w[n, k] = scale[n, k/32] * q[n, k]; q is int8, scale is float32."""

    q: np.ndarray
    scale: np.ndarray

    def dequantised(self) -> np.ndarray:
        blocks = self.q.reshape(*self.scale.shape, BLOCK).astype(np.float32)
        return (blocks * self.scale[..., None]).reshape(self.q.shape)


def _float16_column(blocks: np.ndarray, first_byte: int) -> np.ndarray:
    halves = np.ascontiguousarray(blocks[..., first_byte : first_byte + 2]).view(np.float16)
    return halves[..., 0].astype(np.float32)


def _unpack_q4_1(rows: np.ndarray) -> Affine4:
    blocks = rows.reshape(rows.shape[0], -1, 4 + BLOCK // 2)
    nibbles = blocks[..., 4:]
    q = np.concatenate([nibbles & 15, nibbles >> 4], axis=-1).reshape(rows.shape[0], -1)
    return Affine4(q, _float16_column(blocks, 0), _float16_column(blocks, 2))


def _unpack_q8_0(rows: np.ndarray) -> Symmetric8:
    blocks = rows.reshape(rows.shape[0], -1, 2 + BLOCK)
    q = np.ascontiguousarray(blocks[..., 2:]).view(np.int8).reshape(rows.shape[0], -1)
    return Symmetric8(q, _float16_column(blocks, 0))


class GgufLlama:
    """The weights and the metadata of one GGUF file. Matrices are [out features, in features]."""

    def __init__(self, path: Path):
        self._reader = GGUFReader(path)
        self._tensors = {tensor.name: tensor for tensor in self._reader.tensors}
        architecture = self.field("general.architecture")
        if architecture != "llama":
            raise ModelError(f"{path}: architecture {architecture!r}; only 'llama' can be converted")
        if "output.weight" in self._tensors:
            raise ModelError(
                f"{path}: has a head of its own; only models that tie it to the embedding can be converted"
            )
        self.config = self._read_config()

    def field(self, key: str, default=None):
        return self._reader.fields[key].contents() if key in self._reader.fields else default

    def vector(self, name: str) -> np.ndarray:
        self._expect(name, "F32")
        return np.array(self._tensors[name].data)

    def affine4(self, name: str) -> Affine4:
        self._expect(name, "Q4_1")
        return _unpack_q4_1(np.asarray(self._tensors[name].data)[self._half_split_rows(name)])

    def embedding_chunks(self) -> Iterator[Symmetric8]:
        """The token embedding (and tied head), some thousand rows at a time."""
        self._expect("token_embd.weight", "Q8_0")
        rows = self._tensors["token_embd.weight"].data
        for first in range(0, rows.shape[0], ROWS_PER_CHUNK):
            yield _unpack_q8_0(np.asarray(rows[first : first + ROWS_PER_CHUNK]))

    def _expect(self, name: str, kind: str) -> None:
        if name not in self._tensors:
            raise ModelError(f"tensor {name!r} is missing from the GGUF file")
        found = self._tensors[name].tensor_type.name
        if found != kind:
            raise ModelError(f"tensor {name!r} has type {found}; expected {kind}")

    def _half_split_rows(self, name: str) -> np.ndarray:
        """Row order that turns GGUF's interleaved rotary pairs (0,1), (2,3), ... of q and k into half-split ones."""
        rows = np.arange(int(self._tensors[name].shape[-1]))
        if not name.endswith(("attn_q.weight", "attn_k.weight")):
            return rows
        return rows.reshape(-1, self.config.head_dim // 2, 2).swapaxes(1, 2).reshape(-1)

    def _read_config(self) -> LlamaConfig:
        def number(key: str):
            value = self.field(f"llama.{key}")
            if value is None:
                raise ModelError(f"llama.{key} is missing from the GGUF file")
            return value

        hidden, heads = number("embedding_length"), number("attention.head_count")
        return LlamaConfig(
            name=str(self.field("general.name", "llama")),
            layers=number("block_count"),
            hidden=hidden,
            heads=heads,
            kv_heads=number("attention.head_count_kv"),
            head_dim=self.field("llama.rope.dimension_count", hidden // heads),
            feed_forward=number("feed_forward_length"),
            context=number("context_length"),
            vocabulary=int(self._tensors["token_embd.weight"].shape[1]),
            rope_base=float(number("rope.freq_base")),
            norm_epsilon=float(number("attention.layer_norm_rms_epsilon")),
        )
