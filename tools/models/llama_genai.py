"""A Llama decoder as onnxruntime-genai's model builder writes it: GroupQueryAttention with rotary inside,
(Skip)SimplifiedLayerNormalization, and for int4 MatMulNBits and GatherBlockQuantized.

Inputs   input_ids, attention_mask i64 [batch, S] and [batch, P+S]; past_key_values.<layer>.{key,value}
         [batch, kv heads, P, head dim]
Outputs  logits f32 [batch, S, vocabulary]; present.<layer>.{key,value} [batch, kv heads, P+S, head dim]

int4 keeps the file's own grid, nothing is re-rounded. Q4_1's w = d*q + m becomes MatMulNBits's w = (q - zp) * s with
s = d and the float zero point zp = -m/d, rounded to float32. A reader that wants the minimum back computes
f32(-zp * s): within one unit in the last place of float32 of m (relative 1.2e-7), and rounding that to float16 gives m
itself, since m is a float16. A block with d = 0 and m != 0 has no such zero point; it is refused (SmolLM2 has none).
"""

from typing import Literal

import numpy as np
from gguf_weights import BLOCK, Affine4, GgufLlama, ModelError
from onnx import TensorProto, helper
from onnx_folder import OnnxFolder

CONTRIB = "com.microsoft"
OPSET = 21
ACCURACY_LEVEL = 4  # a runtime may quantise the activations to 8 bits

Weights = Literal["fp32", "fp16", "int4"]
Qkv = Literal["packed", "separate"]


def float_zero_points(weight: Affine4, name: str) -> np.ndarray:
    if np.any((weight.scale == 0) & (weight.minimum != 0)):
        raise ModelError(f"{name}: a block has scale 0 and a minimum; no zero point can express it, use --weights fp32")
    return -weight.minimum / np.where(weight.scale == 0, np.float32(1), weight.scale)


def pack_nibbles(q: np.ndarray) -> np.ndarray:
    """[N, K] values 0..15 -> [N, K/32, 16] bytes, even k in the low nibble."""
    return (q[:, 0::2] | q[:, 1::2] << 4).reshape(q.shape[0], -1, BLOCK // 2)


def concatenated(parts: list[Affine4]) -> Affine4:
    return Affine4(*(np.concatenate([getattr(p, field) for p in parts]) for field in ("q", "scale", "minimum")))


class GenaiLlama:
    def __init__(self, model: GgufLlama, folder: OnnxFolder, weights: Weights, qkv: Qkv):
        self.model, self.config, self.folder = model, model.config, folder
        self.weights, self.qkv = weights, qkv
        self.dtype = np.dtype(np.float16 if weights == "fp16" else np.float32)

    def build(self) -> int:
        """Writes the whole graph; returns the number of nodes."""
        self._sequence_lengths()
        self._rotary_tables()
        skip = self._embed()
        hidden = self._first_norm(skip)
        for layer in range(self.config.layers):
            attention = self._attention(hidden, layer)
            skip, hidden = self._add_and_norm(skip, attention, f"blk.{layer}.ffn_norm.weight", f"layer{layer}.mlp")
            mlp = self._mlp(hidden, layer)
            last = layer + 1 == self.config.layers
            gain = "output_norm.weight" if last else f"blk.{layer + 1}.attn_norm.weight"
            skip, hidden = self._add_and_norm(skip, mlp, gain, "final" if last else f"layer{layer + 1}.attention")
        self._head(hidden)
        return self.folder.close(*self._signature(), OPSET)

    # -- glue and tables

    def _sequence_lengths(self) -> None:
        """seqlens_k = (sum of the mask) - 1 and total_sequence_length = the mask's width, both int32."""
        one = self.folder.tensor("one", np.array([1], np.int64))
        axis = self.folder.tensor("axis_1", np.array(1, np.int64))
        total = self.folder.node("ReduceSum", ["attention_mask", one], "mask_sum", keepdims=0)
        last = self.folder.node("Sub", [total, one], "last_position")
        self.folder.node("Cast", [last], "seqlens_k", to=TensorProto.INT32)
        shape = self.folder.node("Shape", ["attention_mask"], "mask_shape")
        width = self.folder.node("Gather", [shape, axis], "mask_width", axis=0)
        self.folder.node("Cast", [width], "total_sequence_length", to=TensorProto.INT32)

    def _rotary_tables(self) -> None:
        """cos and sin of position * base^(-2i/d); frequency and angle are float32, as exporters compute them."""
        exponents = np.arange(0, self.config.head_dim, 2) / self.config.head_dim
        frequencies = (1.0 / self.config.rope_base**exponents).astype(np.float32)
        angles = np.arange(self.config.context, dtype=np.float32)[:, None] * frequencies
        self.folder.tensor("cos_cache", np.cos(angles.astype(np.float64)).astype(self.dtype))
        self.folder.tensor("sin_cache", np.sin(angles.astype(np.float64)).astype(self.dtype))

    def _signature(self) -> tuple[list, list]:
        kind, c = helper.np_dtype_to_tensor_dtype(self.dtype), self.config
        info = helper.make_tensor_value_info
        inputs = [
            info("input_ids", TensorProto.INT64, ["batch_size", "sequence_length"]),
            info("attention_mask", TensorProto.INT64, ["batch_size", "total_sequence_length"]),
        ]
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
        if self.weights == "int4":
            blocks = c.hidden // BLOCK
            q = ((chunk.q.astype(np.int16) + 128).astype(np.uint8) for chunk in chunks())
            self.folder.streamed_tensor("embed.weight_Q8", np.uint8, [c.vocabulary, blocks, BLOCK], q)
            scales = (chunk.scale for chunk in chunks())
            self.folder.streamed_tensor("embed.weight_scales", np.float32, [c.vocabulary, blocks], scales)
            shape = self.folder.tensor("embed.shape", np.array([c.vocabulary, c.hidden], np.int64))
            rows = self.folder.node("Reshape", ["embed.weight_Q8", shape], "embed.rows")
            return self.folder.node(
                "GatherBlockQuantized", [rows, "input_ids", "embed.weight_scales"], "embedded", CONTRIB,
                bits=8, block_size=BLOCK, gather_axis=0, quantize_axis=1,
            )  # fmt: skip
        dense = (chunk.dequantised() for chunk in chunks())
        self.folder.streamed_tensor("embed.weight", self.dtype, [c.vocabulary, c.hidden], dense)
        return self.folder.node("Gather", ["embed.weight", "input_ids"], "embedded")

    def _head(self, hidden: str) -> None:
        c = self.config
        if self.weights == "int4":
            inputs = [hidden, "embed.weight_Q8", "embed.weight_scales"]
            self._matmul_nbits(inputs, "logits", k=c.hidden, n=c.vocabulary, bits=8)
            return
        weight = self.folder.node("Transpose", ["embed.weight"], "head.weight", perm=[1, 0])
        if self.weights == "fp16":
            half = self.folder.node("MatMul", [hidden, weight], "logits_fp16")
            self.folder.node("Cast", [half], "logits", to=TensorProto.FLOAT)
        else:
            self.folder.node("MatMul", [hidden, weight], "logits")

    # -- one layer

    def _gain(self, name: str) -> str:
        return self.folder.tensor(name, self.model.vector(name).astype(self.dtype))

    def _first_norm(self, x: str) -> str:
        inputs = [x, self._gain("blk.0.attn_norm.weight")]
        eps = self.config.norm_epsilon
        return self.folder.node(
            "SimplifiedLayerNormalization", inputs, "layer0.attention.norm", axis=-1, epsilon=eps, stash_type=1
        )

    def _add_and_norm(self, skip: str, x: str, gain: str, name: str) -> tuple[str, str]:
        """(x + skip, its norm); the last sum is used by nobody and left out."""
        outputs = [f"{name}.norm"] if name == "final" else [f"{name}.norm", "", "", f"{name}.residual"]
        inputs = [skip, x, self._gain(gain)]
        self.folder.node("SkipSimplifiedLayerNormalization", inputs, outputs, CONTRIB, epsilon=self.config.norm_epsilon)
        return outputs[-1], outputs[0]

    def _attention(self, hidden: str, layer: int) -> str:
        c, name = self.config, f"layer{layer}.attention"
        sources = [f"blk.{layer}.attn_{part}.weight" for part in "qkv"]
        if self.qkv == "packed":
            query = [self._linear(hidden, sources, f"{name}.qkv_proj"), "", ""]
        else:
            query = [
                self._linear(hidden, [source], f"{name}.{part}_proj")
                for source, part in zip(sources, "qkv", strict=True)
            ]
        past = [f"past_key_values.{layer}.{half}" for half in ("key", "value")]
        present = [f"present.{layer}.{half}" for half in ("key", "value")]
        glue = ["seqlens_k", "total_sequence_length", "cos_cache", "sin_cache"]
        heads = self.folder.node(
            "GroupQueryAttention", query + past + glue, [name, *present], CONTRIB,
            num_heads=c.heads, kv_num_heads=c.kv_heads, scale=c.head_dim**-0.5, do_rotary=1, rotary_interleaved=0,
        )  # fmt: skip
        return self._linear(heads, [f"blk.{layer}.attn_output.weight"], f"{name}.o_proj")

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
        inputs = [
            x,
            self.folder.tensor(f"{name}.weight_Q4", pack_nibbles(weight.q)),
            self.folder.tensor(f"{name}.weight_scales", weight.scale),
            self.folder.tensor(f"{name}.weight_zero_points", float_zero_points(weight, name)),
        ]
        n, k = weight.q.shape
        return self._matmul_nbits(inputs, name, k=k, n=n, bits=4)

    def _matmul_nbits(self, inputs: list[str], name: str, k: int, n: int, bits: int) -> str:
        level = ACCURACY_LEVEL
        return self.folder.node(
            "MatMulNBits", inputs, name, CONTRIB, K=k, N=n, bits=bits, block_size=BLOCK, accuracy_level=level
        )
