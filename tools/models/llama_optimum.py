"""A Llama decoder in primitive operators, node for node as Optimum exports it through TorchScript (eager attention).

Inputs   input_ids, position_ids i64 [batch, S], attention_mask i64 [batch, P+S]; past_key_values.<layer>.{key,value}
         [batch, kv heads, P, head dim]
Outputs  logits f32 [batch, S, vocabulary]; present.<layer>.{key,value} [batch, kv heads, P+S, head dim]

Shapes are computed (Shape, Gather, Concat) although they are known; `expand` sizes go through the Equal/Where pair that
TorchScript writes for -1; the mask is a LessOrEqual of ranges and a gather of attention_mask, as floats; rotate_half is
Slice, Neg and Concat; grouped keys and values are repeated by Expand and Reshape; norms are Pow, ReduceMean, Sqrt, Div.
Opset 17; 21 where int4 needs a blocked DequantizeLinear (ReduceMean then takes its axes as an operand).
"""

import numpy as np
from llama_graph import LlamaGraph
from onnx import TensorProto

END = np.iinfo(np.int64).max


class OptimumLlama(LlamaGraph):
    int4 = "blocked"

    def build(self) -> int:
        self.opset = 21 if self.weights == "int4" else 17
        hidden = self._embed()
        self._mask(hidden)
        self._rotary_tables()
        for layer in range(self.config.layers):
            name, block = f"layers.{layer}", f"blk.{layer}"
            normed = self._norm(hidden, f"{block}.attn_norm.weight", f"{name}.input_layernorm")
            hidden = self._node("Add", [hidden, self._attention(normed, layer)], f"{name}.residual")
            normed = self._norm(hidden, f"{block}.ffn_norm.weight", f"{name}.post_attention_layernorm")
            hidden = self._node("Add", [hidden, self._mlp(normed, layer)], f"{name}.output")
        self._head(self._norm(hidden, "output_norm.weight", "norm"))
        return self.folder.close(*self._signature(position_ids=True), self.opset)

    # -- what TorchScript writes all over

    def _node(self, kind: str, inputs: list[str], output: str, **attributes) -> str:
        return self.folder.node(kind, inputs, output, **attributes)

    def _scalar(self, value: int) -> str:
        return self.folder.tensor(f"scalar.{value}", np.array(value, np.int64))

    def _vector(self, *values: int) -> str:
        return self.folder.tensor("vector." + ".".join(map(str, values)), np.array(values, np.int64))

    def _real(self, value: float) -> str:
        return self.folder.tensor(f"real.{value!r}", np.array(value, self.dtype))

    def _size(self, value: str, axis: int, name: str) -> str:
        shape = self._node("Shape", [value], f"{name}.shape")
        return self._node("Gather", [shape, self._scalar(axis)], name, axis=0)

    def _unsqueeze(self, value: str, axis: int, name: str) -> str:
        return self._node("Unsqueeze", [value, self._vector(axis)], name)

    def _joined(self, sizes: list[str | int], name: str) -> str:
        """A shape out of computed sizes and known ones."""
        parts = [
            self._vector(size) if isinstance(size, int) else self._unsqueeze(size, 0, f"{name}.{k}")
            for k, size in enumerate(sizes)
        ]
        return self._node("Concat", parts, name, axis=0)

    def _expand(self, value: str, sizes: list[str | int], name: str) -> str:
        """torch's expand: -1 keeps a size, so TorchScript asks which sizes are -1."""
        flat = self._node("Reshape", [self._joined(sizes, f"{name}.sizes"), self._vector(-1)], f"{name}.flat")
        length = self._node("Shape", [flat], f"{name}.length")
        one = self.folder.tensor_value("ones", np.array([1], np.int64))
        ones = self._node("ConstantOfShape", [length], f"{name}.ones", value=one)
        kept = self._node("Mul", [ones, self._scalar(-1)], f"{name}.kept")
        keeps = self._node("Equal", [flat, kept], f"{name}.keeps")
        shape = self._node("Where", [keeps, ones, flat], f"{name}.to")
        return self._node("Expand", [value, shape], name)

    # -- glue

    def _mask(self, embedded: str) -> None:
        """mask f32 [batch, 1, S, P+S]: 0 where key j <= P + i and attention_mask[j], the least float elsewhere."""
        past, new = self._size("past_key_values.0.key", 2, "past"), self._size(embedded, 1, "new")
        batch = self._size(embedded, 0, "batch")
        total = self._node("Add", [past, new], "total")
        queries = self._node("Range", [past, total, self._scalar(1)], "queries")
        keys = self._node("Range", [self._scalar(0), total, self._scalar(1)], "keys")
        rows = self._node("Range", [self._scalar(0), batch, self._scalar(1)], "batches")
        for axis in (0, 1):
            queries = self._unsqueeze(queries, axis, f"queries.{axis}")
        queries = self._unsqueeze(queries, 3, "queries.3")
        for axis in (0, 1, 2):
            keys = self._unsqueeze(keys, axis, f"keys.{axis}")
        for axis in (1, 2, 3):
            rows = self._unsqueeze(rows, axis, f"batches.{axis}")
        causal = self._node("LessOrEqual", [keys, queries], "causal")
        padding = self._node("Cast", ["attention_mask"], "padding", to=TensorProto.BOOL)
        width = self._node(
            "Gather", [self._node("Shape", [padding], "padding.shape"), self._vector(1)], "padding.width"
        )
        flat = self._node("Reshape", [padding, self._vector(-1)], "padding.flat")
        places = self._node("Add", [keys, self._node("Mul", [rows, width], "padding.rows")], "padding.places")
        seen = self._node("Gather", [flat, places], "padding.seen", axis=0)
        both = self._node("And", [causal, seen], "visible")
        whole = self._expand(both, [batch, -1, new, total], "visible.whole")
        hidden = self._real(float(np.finfo(self.dtype).min))
        self._node("Where", [whole, self._real(0.0), hidden], "mask")

    def _rotary_tables(self) -> None:
        """cos and sin [batch, 1, S, head dim] of position_ids times the inverse frequencies."""
        exponents = np.arange(0, self.config.head_dim, 2) / self.config.head_dim
        frequencies = (1.0 / self.config.rope_base**exponents).astype(np.float32)
        inverse = self.folder.tensor("rotary.inv_freq", frequencies.reshape(1, -1, 1))
        rows = self._expand(inverse, [self._size("position_ids", 0, "rotary.batch"), -1, 1], "rotary.frequencies")
        places = self._unsqueeze("position_ids", 1, "rotary.positions")
        places = self._node("Cast", [places], "rotary.positions_real", to=TensorProto.FLOAT)
        angles = self._node("MatMul", [rows, places], "rotary.products")
        angles = self._node("Transpose", [angles], "rotary.angles", perm=[0, 2, 1])
        angles = self._node("Concat", [angles, angles], "rotary.both", axis=-1)
        for kind in ("Cos", "Sin"):
            table = self._node(kind, [angles], f"rotary.{kind}")
            table = self._node("Mul", [table, self._real(1.0)], f"rotary.{kind}.scaled")
            self._unsqueeze(table, 1, kind.lower())

    # -- one layer

    def _norm(self, x: str, gain: str, name: str) -> str:
        square = self._node("Pow", [x, self._real(2.0)], f"{name}.square")
        if self.opset < 18:
            mean = self._node("ReduceMean", [square], f"{name}.mean", axes=[-1], keepdims=1)
        else:
            mean = self._node("ReduceMean", [square, self._vector(-1)], f"{name}.mean", keepdims=1)
        shifted = self._node("Add", [mean, self._real(self.config.norm_epsilon)], f"{name}.shifted")
        root = self._node("Sqrt", [shifted], f"{name}.root")
        inverse = self._node("Div", [self._real(1.0), root], f"{name}.inverse")
        normed = self._node("Mul", [x, inverse], f"{name}.normed")
        return self._node("Mul", [self._gain(gain), normed], name)

    def _heads(self, x: str, layer: int, part: str, batch: str, new: str) -> str:
        """[batch, heads, S, head dim] of one projection."""
        name = f"layers.{layer}.{part}"
        flat = self._linear(x, [f"blk.{layer}.attn_{part}.weight"], f"{name}_proj")
        shape = self._joined([batch, new, -1, self.config.head_dim], f"{name}.shape")
        split = self._node("Reshape", [flat, shape], f"{name}.split")
        return self._node("Transpose", [split], f"{name}.heads", perm=[0, 2, 1, 3])

    def _rotated(self, x: str, name: str) -> str:
        """x cos + rotate_half(x) sin."""
        half = self._node("Div", [self._size(x, 3, f"{name}.dim"), self._scalar(2)], f"{name}.half")
        half = self._unsqueeze(half, 0, f"{name}.half.vector")
        axes = [self._vector(3), self._vector(1)]
        low = self._node("Slice", [x, self._vector(0), half, *axes], f"{name}.low")
        high = self._node("Slice", [x, half, self._vector(END), *axes], f"{name}.high")
        turned = self._node("Concat", [self._node("Neg", [high], f"{name}.neg"), low], f"{name}.turned", axis=-1)
        straight = self._node("Mul", [x, "cos"], f"{name}.cos")
        return self._node("Add", [straight, self._node("Mul", [turned, "sin"], f"{name}.sin")], f"{name}.rotated")

    def _repeated(self, cache: str, name: str) -> str:
        """repeat_kv: every kv head stands for `group` heads."""
        group = self.config.heads // self.config.kv_heads
        batch, heads, total, dim = (self._size(cache, axis, f"{name}.size{axis}") for axis in range(4))
        wide = self._unsqueeze(cache, 2, f"{name}.wide")
        wide = self._expand(wide, [batch, heads, group, total, dim], f"{name}.copies")
        all_heads = self._node("Mul", [heads, self._scalar(group)], f"{name}.heads")
        return self._node("Reshape", [wide, self._joined([batch, all_heads, total, dim], f"{name}.to")], name)

    def _attention(self, x: str, layer: int) -> str:
        name = f"layers.{layer}"
        batch, new = self._size(x, 0, f"{name}.batch"), self._size(x, 1, f"{name}.new")
        q, k, v = (self._heads(x, layer, part, batch, new) for part in "qkv")
        q, k = self._rotated(q, f"{name}.q"), self._rotated(k, f"{name}.k")
        past = f"past_key_values.{layer}"
        k = self._node("Concat", [f"{past}.key", k], f"present.{layer}.key", axis=-2)
        v = self._node("Concat", [f"{past}.value", v], f"present.{layer}.value", axis=-2)
        k, v = self._repeated(k, f"{name}.keys"), self._repeated(v, f"{name}.values")
        turned = self._node("Transpose", [k], f"{name}.keys.turned", perm=[0, 1, 3, 2])
        scores = self._node("MatMul", [q, turned], f"{name}.products")
        scores = self._node("Mul", [scores, self._real(self.config.head_dim**-0.5)], f"{name}.scores")
        total = self._unsqueeze(self._size(k, 2, f"{name}.total"), 0, f"{name}.total.vector")
        mask = [self._vector(0), total, self._vector(3), self._vector(1)]
        mask = self._node("Slice", ["mask", *mask], f"{name}.mask")
        scores = self._node("Add", [scores, mask], f"{name}.masked")
        weights = self._node("Softmax", [scores], f"{name}.probabilities", axis=-1)
        heads = self._node("MatMul", [weights, v], f"{name}.mixed")
        heads = self._node("Transpose", [heads], f"{name}.mixed.tokens", perm=[0, 2, 1, 3])
        flat = self._node("Reshape", [heads, self._joined([batch, new, -1], f"{name}.flat")], f"{name}.attended")
        return self._linear(flat, [f"blk.{layer}.attn_output.weight"], f"{name}.o_proj")
