"""What every form of a Llama decoder shares: weights, embedding, head and the feed-forward network, on one writer.

The forms (llama_genai.py, llama_optimum.py, llama_opset23.py) add glue, norms and attention in their dialect.

int4 keeps the file's own grid, nothing is re-rounded; it is written in one of two ways:
  nbits     MatMulNBits and GatherBlockQuantized. Q4_1's w = d*q + m becomes w = (q - zp) * s with s = d and the float
            zero point zp = -m/d, rounded to float32. A reader that wants the minimum back computes f32(-zp * s): within
            one unit in the last place of float32 of m (relative 1.2e-7), and rounding that to float16 gives m itself,
            since m is a float16. A block with d = 0 and m != 0 has no such zero point; it is refused (SmolLM2 has none).
  blocked   DequantizeLinear of [N, K/32, 32] uint4 with one scale a block, the minima added. d*q is exact in float32
            (11 + 4 bits), so d*q + m is the file's value. The embedding is a DequantizeLinear of int8 with block_size.
"""

from typing import Literal

import numpy as np
from gguf_weights import BLOCK, Affine4, GgufLlama, ModelError
from onnx import TensorProto, helper
from onnx_folder import OnnxFolder

CONTRIB = "com.microsoft"
ACCURACY_LEVEL = 4  # a runtime may quantise the activations to 8 bits

Weights = Literal["fp32", "fp16", "int4"]
Int4 = Literal["nbits", "blocked"]


def float_zero_points(weight: Affine4, name: str) -> np.ndarray:
    if np.any((weight.scale == 0) & (weight.minimum != 0)):
        raise ModelError(f"{name}: a block has scale 0 and a minimum; no zero point can express it, use --weights fp32")
    return -weight.minimum / np.where(weight.scale == 0, np.float32(1), weight.scale)


def pack_nibbles(q: np.ndarray) -> np.ndarray:
    """[N, K] values 0..15 -> [N, K/32, 16] bytes, even k in the low nibble."""
    return (q[:, 0::2] | q[:, 1::2] << 4).reshape(q.shape[0], -1, BLOCK // 2)


def concatenated(parts: list[Affine4]) -> Affine4:
    return Affine4(*(np.concatenate([getattr(p, field) for p in parts]) for field in ("q", "scale", "minimum")))


class LlamaGraph:
    opset = 21
    int4: Int4 = "nbits"

    def __init__(self, model: GgufLlama, folder: OnnxFolder, weights: Weights):
        self.model, self.config, self.folder = model, model.config, folder
        self.weights = weights
        self.dtype = np.dtype(np.float16 if weights == "fp16" else np.float32)

    def build(self) -> int:
        """Writes the whole graph; returns the number of nodes."""
        raise NotImplementedError

    # -- inputs and outputs

    def _signature(self, position_ids: bool = False) -> tuple[list, list]:
        kind, c = helper.np_dtype_to_tensor_dtype(self.dtype), self.config
        info = helper.make_tensor_value_info
        inputs = [
            info("input_ids", TensorProto.INT64, ["batch_size", "sequence_length"]),
            info("attention_mask", TensorProto.INT64, ["batch_size", "total_sequence_length"]),
        ]
        if position_ids:
            inputs.append(info("position_ids", TensorProto.INT64, ["batch_size", "sequence_length"]))
        outputs = [info("logits", TensorProto.FLOAT, ["batch_size", "sequence_length", c.vocabulary])]
        for layer in range(c.layers):
            for half in ("key", "value"):
                past = ["batch_size", c.kv_heads, "past_sequence_length", c.head_dim]
                present = ["batch_size", c.kv_heads, "total_sequence_length", c.head_dim]
                inputs.append(info(f"past_key_values.{layer}.{half}", kind, past))
                outputs.append(info(f"present.{layer}.{half}", kind, present))
        return inputs, outputs

    # -- embedding and head: one tensor

    def _embed(self) -> str:
        c, chunks = self.config, self.model.embedding_chunks
        if self.weights != "int4":
            dense = (chunk.dequantised() for chunk in chunks())
            self.folder.streamed_tensor("embed.weight", self.dtype, [c.vocabulary, c.hidden], dense)
            return self.folder.node("Gather", ["embed.weight", "input_ids"], "embedded")
        blocks = c.hidden // BLOCK
        if self.int4 == "blocked":
            q = (chunk.q for chunk in chunks())
            self.folder.streamed_tensor("embed.weight_Q8", np.int8, [c.vocabulary, c.hidden], q)
        else:
            q = ((chunk.q.astype(np.int16) + 128).astype(np.uint8) for chunk in chunks())
            self.folder.streamed_tensor("embed.weight_Q8", np.uint8, [c.vocabulary, blocks, BLOCK], q)
        scales = (chunk.scale for chunk in chunks())
        self.folder.streamed_tensor("embed.weight_scales", np.float32, [c.vocabulary, blocks], scales)
        if self.int4 == "blocked":
            parts = ["embed.weight_Q8", "embed.weight_scales"]
            weight = self.folder.node("DequantizeLinear", parts, "embed.weight", axis=1, block_size=BLOCK)
            return self.folder.node("Gather", [weight, "input_ids"], "embedded")
        shape = self.folder.tensor("embed.shape", np.array([c.vocabulary, c.hidden], np.int64))
        rows = self.folder.node("Reshape", ["embed.weight_Q8", shape], "embed.rows")
        return self.folder.node(
            "GatherBlockQuantized", [rows, "input_ids", "embed.weight_scales"], "embedded", CONTRIB,
            bits=8, block_size=BLOCK, gather_axis=0, quantize_axis=1,
        )  # fmt: skip

    def _head(self, hidden: str) -> None:
        c = self.config
        if self.weights == "int4" and self.int4 == "nbits":
            inputs = [hidden, "embed.weight_Q8", "embed.weight_scales"]
            self._matmul_nbits(inputs, "logits", k=c.hidden, n=c.vocabulary, bits=8)
            return
        weight = self.folder.node("Transpose", ["embed.weight"], "head.weight", perm=[1, 0])
        if self.weights == "fp16":
            half = self.folder.node("MatMul", [hidden, weight], "logits_fp16")
            self.folder.node("Cast", [half], "logits", to=TensorProto.FLOAT)
        else:
            self.folder.node("MatMul", [hidden, weight], "logits")

    # -- parts of a layer

    def _gain(self, name: str) -> str:
        return self.folder.tensor(name, self.model.vector(name).astype(self.dtype))

    def _mlp(self, hidden: str, layer: int) -> str:
        name = f"layer{layer}.mlp"
        gate = self._linear(hidden, [f"blk.{layer}.ffn_gate.weight"], f"{name}.gate_proj")
        up = self._linear(hidden, [f"blk.{layer}.ffn_up.weight"], f"{name}.up_proj")
        sigmoid = self.folder.node("Sigmoid", [gate], f"{name}.sigmoid")
        silu = self.folder.node("Mul", [gate, sigmoid], f"{name}.silu")
        product = self.folder.node("Mul", [silu, up], f"{name}.product")
        return self._linear(product, [f"blk.{layer}.ffn_down.weight"], f"{name}.down_proj")

    def _linear(self, x: str, sources: list[str], name: str) -> str:
        """x @ W^T; W is the sources' rows, one matrix after the other."""
        weight = concatenated([self.model.affine4(source) for source in sources])
        if self.weights != "int4":
            dense = np.ascontiguousarray(weight.dequantised().T.astype(self.dtype))
            return self.folder.node("MatMul", [x, self.folder.tensor(f"{name}.weight", dense)], name)
        if self.int4 == "blocked":
            return self.folder.node("MatMul", [x, self._dequantised(weight, name)], name)
        inputs = [
            x,
            self.folder.tensor(f"{name}.weight_Q4", pack_nibbles(weight.q)),
            self.folder.tensor(f"{name}.weight_scales", weight.scale),
            self.folder.tensor(f"{name}.weight_zero_points", float_zero_points(weight, name)),
        ]
        n, k = weight.q.shape
        return self._matmul_nbits(inputs, name, k=k, n=n, bits=4)

    def _dequantised(self, weight: Affine4, name: str) -> str:
        """[K, N] of the file's grid in operators of ONNX."""
        n, k = weight.q.shape
        node, blocks = self.folder.node, [n, k // BLOCK, 1]
        q = self.folder.packed_tensor(f"{name}.weight_Q4", [n, k // BLOCK, BLOCK], pack_nibbles(weight.q))
        scale = self.folder.tensor(f"{name}.weight_scales", weight.scale.reshape(blocks))
        minimum = self.folder.tensor(f"{name}.weight_minima", weight.minimum.reshape(blocks))
        steps = node("DequantizeLinear", [q, scale], f"{name}.weight_steps", axis=2, block_size=BLOCK)
        values = node("Add", [steps, minimum], f"{name}.weight_values")
        shape = self.folder.tensor(f"shape.{n}.{k}", np.array([n, k], np.int64))
        rows = node("Reshape", [values, shape], f"{name}.weight_rows")
        return node("Transpose", [rows], f"{name}.weight", perm=[1, 0])

    def _matmul_nbits(self, inputs: list[str], name: str, k: int, n: int, bits: int) -> str:
        level = ACCURACY_LEVEL
        return self.folder.node(
            "MatMulNBits", inputs, name, CONTRIB, K=k, N=n, bits=bits, block_size=BLOCK, accuracy_level=level
        )
