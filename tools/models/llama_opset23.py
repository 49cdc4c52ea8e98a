"""A Llama decoder in the operators of ai.onnx 23: Attention (which appends to the cache), RMSNormalization and
RotaryEmbedding, as dynamo's exporter and ONNX's own tools write them.

Inputs   input_ids, position_ids i64 [batch, S], attention_mask i64 [batch, P+S]; past_key_values.<layer>.{key,value}
         [batch, kv heads, P, head dim]
Outputs  logits f32 [batch, S, vocabulary]; present.<layer>.{key,value} [batch, kv heads, P+S, head dim]

Queries, keys and values are rank 3 and rotary tables hold all positions; attention is causal by a float mask that is
made of attention_mask and position_ids.
"""

import numpy as np
from llama_graph import LlamaGraph
from onnx import TensorProto


class Opset23Llama(LlamaGraph):
    opset = 23
    int4 = "blocked"

    def build(self) -> int:
        self._tables()
        hidden = self._embed()
        self._mask()
        for layer in range(self.config.layers):
            name, block = f"layers.{layer}", f"blk.{layer}"
            normed = self._norm(hidden, f"{block}.attn_norm.weight", f"{name}.input_layernorm")
            hidden = self.folder.node("Add", [hidden, self._attention(normed, layer)], f"{name}.residual")
            normed = self._norm(hidden, f"{block}.ffn_norm.weight", f"{name}.post_attention_layernorm")
            hidden = self.folder.node("Add", [hidden, self._mlp(normed, layer)], f"{name}.output")
        self._head(self._norm(hidden, "output_norm.weight", "norm"))
        return self.folder.close(*self._signature(position_ids=True), self.opset)

    def _tables(self) -> None:
        """cos and sin of position * base^(-2i/d); frequency and angle are float32, as exporters compute them."""
        exponents = np.arange(0, self.config.head_dim, 2) / self.config.head_dim
        frequencies = (1.0 / self.config.rope_base**exponents).astype(np.float32)
        angles = np.arange(self.config.context, dtype=np.float32)[:, None] * frequencies
        self.folder.tensor("cos_cache", np.cos(angles.astype(np.float64)).astype(self.dtype))
        self.folder.tensor("sin_cache", np.sin(angles.astype(np.float64)).astype(self.dtype))

    def _mask(self) -> None:
        """mask [batch, 1, S, P+S]: true where key j <= the query's position and attention_mask[j]."""
        node, vector = self.folder.node, lambda name, *v: self.folder.tensor(name, np.array(v, np.int64))
        total = node("Shape", ["attention_mask"], "total", start=1, end=2)
        total = node("Squeeze", [total, vector("axis.0", 0)], "total.scalar")
        zero, one = (self.folder.tensor(f"scalar.{v}", np.array(v, np.int64)) for v in (0, 1))
        keys = node("Range", [zero, total, one], "keys")
        queries = node("Unsqueeze", ["position_ids", vector("axes.1.3", 1, 3)], "queries")
        causal = node("LessOrEqual", [keys, queries], "causal")
        padding = node("Cast", ["attention_mask"], "padding", to=TensorProto.BOOL)
        padding = node("Unsqueeze", [padding, vector("axes.1.2", 1, 2)], "padding.wide")
        node("And", [causal, padding], "mask")

    def _norm(self, x: str, gain: str, name: str) -> str:
        eps = self.config.norm_epsilon
        return self.folder.node("RMSNormalization", [x, self._gain(gain)], name, axis=-1, epsilon=eps)

    def _attention(self, x: str, layer: int) -> str:
        c, name, node = self.config, f"layers.{layer}", self.folder.node
        q, k, v = (self._linear(x, [f"blk.{layer}.attn_{part}.weight"], f"{name}.{part}_proj") for part in "qkv")
        tables = ["cos_cache", "sin_cache", "position_ids"]
        q = node("RotaryEmbedding", [q, *tables], f"{name}.q", num_heads=c.heads)
        k = node("RotaryEmbedding", [k, *tables], f"{name}.k", num_heads=c.kv_heads)
        past = [f"past_key_values.{layer}.{half}" for half in ("key", "value")]
        present = [f"present.{layer}.{half}" for half in ("key", "value")]
        heads = node(
            "Attention", [q, k, v, "mask", *past], [f"{name}.attended", *present],
            q_num_heads=c.heads, kv_num_heads=c.kv_heads, scale=c.head_dim**-0.5,
        )  # fmt: skip
        return self._linear(heads, [f"blk.{layer}.attn_output.weight"], f"{name}.o_proj")
