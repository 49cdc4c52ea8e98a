"""A Llama decoder as onnxruntime-genai's model builder writes it: GroupQueryAttention with rotary inside,
(Skip)SimplifiedLayerNormalization, and for int4 MatMulNBits and GatherBlockQuantized.

Inputs   input_ids, attention_mask i64 [batch, S] and [batch, P+S]; past_key_values.<layer>.{key,value}
         [batch, kv heads, P, head dim]
Outputs  logits f32 [batch, S, vocabulary]; present.<layer>.{key,value} [batch, kv heads, P+S, head dim]
"""

from typing import Literal

import numpy as np
from gguf_weights import GgufLlama
from llama_graph import CONTRIB, LlamaGraph, Weights
from onnx import TensorProto
from onnx_folder import OnnxFolder

Qkv = Literal["packed", "separate"]


class GenaiLlama(LlamaGraph):
    def __init__(self, model: GgufLlama, folder: OnnxFolder, weights: Weights, qkv: Qkv):
        super().__init__(model, folder, weights)
        self.qkv = qkv

    def build(self) -> int:
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
        return self.folder.close(*self._signature(), self.opset)

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

    # -- one layer

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
