#!/usr/bin/env python3
"""How long `ingotc --check` takes on a graph of a real model's size whose weights are not there.

    check_large.py INGOTC [--layers 4,8,16,32,36] [--runs 5] [--limit SECONDS]

Writes a decoder of 8B parameters (hidden 4096, 32 heads on 8, feed-forward 12288) in primitive operators, as a tracing
exporter does, with weights in an external file that does not exist. Prints, a row a depth, nodes, file size, seconds and peak
memory: import and infer should be linear in the nodes. Needs the package onnx."""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HALF, ARRAY = TensorProto.FLOAT16, np.float16  # the element type, as ONNX and as NumPy say it
HIDDEN, HEADS, KV_HEADS, SIZE, INNER, VOCABULARY = 4096, 32, 8, 128, 12288, 151936


class Graph:
    def __init__(self):
        self.nodes, self.tensors, self.offset, self.literals = [], [], 0, {}

    def node(self, op, inputs, outputs=None, **attributes):
        name = f"{op}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, outputs or [name + "_out"], name, **attributes))
        return self.nodes[-1].output[0]

    def literal(self, values, kind=np.int64):
        array = np.array(values, kind)
        key = (array.tobytes(), array.shape, array.dtype.str)
        if key not in self.literals:
            self.literals[key] = f"constant_{len(self.literals)}"
            self.tensors.append(numpy_helper.from_array(array, self.literals[key]))
        return self.literals[key]

    def weight(self, name, dims):
        """A tensor whose bytes are said to lie in weights.bin."""
        tensor = TensorProto(name=name, data_type=HALF, dims=dims)
        tensor.data_location = TensorProto.EXTERNAL
        length = 2 * int(np.prod(dims))
        for key, value in (("location", "weights.bin"), ("offset", self.offset), ("length", length)):
            tensor.external_data.add(key=key, value=str(value))
        self.offset += length
        self.tensors.append(tensor)
        return name

    def linear(self, x, name, rows, columns):
        return self.node("MatMul", [x, self.weight(name, [rows, columns])])

    def norm(self, x, name):
        wide = self.node("Cast", [x], to=TensorProto.FLOAT)
        square = self.node("Pow", [wide, self.literal(2, np.float32)])
        mean = self.node("ReduceMean", [square, self.literal([-1])])
        root = self.node("Sqrt", [self.node("Add", [mean, self.literal(1e-6, np.float32)])])
        narrow = self.node("Cast", [self.node("Div", [wide, root])], to=HALF)
        return self.node("Mul", [self.weight(name, [HIDDEN]), narrow])

    def heads(self, x, count):
        split = self.node("Reshape", [x, self.literal([0, 0, count, SIZE])])
        return self.node("Transpose", [split], perm=[0, 2, 1, 3])

    def rotate(self, x, cos, sin):
        half = SIZE // 2
        cut = lambda a, b: self.node("Slice", [x, self.literal([a]), self.literal([b]), self.literal([3])])
        turned = self.node("Concat", [self.node("Neg", [cut(half, SIZE)]), cut(0, half)], axis=3)
        return self.node("Add", [self.node("Mul", [x, cos]), self.node("Mul", [turned, sin])])

    def repeat(self, x):
        wide = self.node("Unsqueeze", [x, self.literal([2])])
        wide = self.node("Expand", [wide, self.literal([1, 1, HEADS // KV_HEADS, 1, 1])])
        return self.node("Reshape", [wide, self.literal([0, HEADS, -1, SIZE])])


def glue(g):
    """Mask [1, 1, S, T], cosines and sines [B, 1, S, d]."""
    ids = g.node("Shape", ["input_ids"], start=1, end=2)
    past = g.node("Shape", ["past_key_values.0.key"], start=2, end=3)
    scalar = lambda x: g.node("Squeeze", [x, g.literal([0])])
    count = lambda x: g.node("Range", [g.literal(0), scalar(x), g.literal(1)])
    row = g.node("Unsqueeze", [g.node("Add", [count(ids), past]), g.literal([1])])
    seen = g.node("LessOrEqual", [count(g.node("Add", [ids, past])), row])
    mask = g.node("Where", [seen, g.literal(0, ARRAY), g.literal(-65504, ARRAY)])
    frequency = (1e6 ** (-np.arange(0, SIZE, 2) / SIZE)).astype(np.float32)
    place = g.node("Unsqueeze", [g.node("Cast", ["position_ids"], to=TensorProto.FLOAT), g.literal([2])])
    angle = g.node("Mul", [place, g.literal(frequency, np.float32)])
    angle = g.node("Unsqueeze", [g.node("Concat", [angle, angle], axis=2), g.literal([1])])
    turn = [g.node("Cast", [g.node(op, [angle])], to=HALF) for op in ("Cos", "Sin")]
    return mask, *turn


def layer(g, x, i, mask, cos, sin):
    name = f"model.layers.{i}."
    n = g.norm(x, name + "input_layernorm.weight")
    q = g.rotate(g.heads(g.linear(n, name + "q_proj", HIDDEN, HEADS * SIZE), HEADS), cos, sin)
    k = g.rotate(g.heads(g.linear(n, name + "k_proj", HIDDEN, KV_HEADS * SIZE), KV_HEADS), cos, sin)
    v = g.heads(g.linear(n, name + "v_proj", HIDDEN, KV_HEADS * SIZE), KV_HEADS)
    k = g.node("Concat", [f"past_key_values.{i}.key", k], [f"present.{i}.key"], axis=2)
    v = g.node("Concat", [f"past_key_values.{i}.value", v], [f"present.{i}.value"], axis=2)
    score = g.node("MatMul", [q, g.node("Transpose", [g.repeat(k)], perm=[0, 1, 3, 2])])
    score = g.node("Add", [g.node("Mul", [score, g.literal(SIZE**-0.5, ARRAY)]), mask])
    y = g.node("MatMul", [g.node("Softmax", [score], axis=-1), g.repeat(v)])
    y = g.node("Reshape", [g.node("Transpose", [y], perm=[0, 2, 1, 3]), g.literal([0, 0, HEADS * SIZE])])
    x = g.node("Add", [x, g.linear(y, name + "o_proj", HEADS * SIZE, HIDDEN)])
    n = g.norm(x, name + "post_attention_layernorm.weight")
    gate = g.linear(n, name + "gate_proj", HIDDEN, INNER)
    gate = g.node("Mul", [gate, g.node("Sigmoid", [gate])])
    inner = g.node("Mul", [gate, g.linear(n, name + "up_proj", HIDDEN, INNER)])
    return g.node("Add", [x, g.linear(inner, name + "down_proj", INNER, HIDDEN)])


def decoder(layers):
    g = Graph()
    x = g.node("Gather", [g.weight("model.embed_tokens.weight", [VOCABULARY, HIDDEN]), "input_ids"])
    parts = glue(g)
    for i in range(layers):
        x = layer(g, x, i, *parts)
    g.node("MatMul", [g.norm(x, "model.norm.weight"), g.weight("lm_head", [HIDDEN, VOCABULARY])], ["logits"])
    value = helper.make_tensor_value_info
    half, whole = HALF, TensorProto.INT64
    inputs = [value(n, whole, ["batch", "sequence"]) for n in ("input_ids", "position_ids")]
    outputs = [value("logits", half, ["batch", "sequence", VOCABULARY])]
    for i in range(layers):
        for part in ("key", "value"):
            inputs.append(value(f"past_key_values.{i}.{part}", half, ["batch", KV_HEADS, "past", SIZE]))
            outputs.append(value(f"present.{i}.{part}", half, ["batch", KV_HEADS, "total", SIZE]))
    graph = helper.make_graph(g.nodes, "decoder", inputs, outputs, g.tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def check(ingotc: str, path: Path) -> tuple[float, int]:
    """Seconds and peak resident MiB of one `ingotc --check`, a process of its own."""
    start = time.perf_counter()
    command = [ingotc, str(path), "--check", "--max-context", "32768"]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    message = child.stderr.read().decode(errors="replace")
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        sys.exit(f"ingotc --check: status {status}\n{message}"[:4000])
    return time.perf_counter() - start, usage.ru_maxrss >> 10


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("ingotc")
    parser.add_argument("--layers", default="4,8,16,32,36", help="numbers of layers, a row each")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--limit", type=float, help="exit 1 where a median is above so many seconds")
    options = parser.parse_args()
    print("layers | nodes |   KiB | seconds (min-max)   | ms a node | peak MiB")
    slow = False
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "model.onnx"
        for layers in map(int, options.layers.split(",")):
            model = decoder(layers)
            onnx.save(model, path)
            runs = [check(options.ingotc, path) for _ in range(options.runs)]
            seconds = [run[0] for run in runs]
            median, nodes = statistics.median(seconds), len(model.graph.node)
            spread = f"{median:.2f} ({min(seconds):.2f}-{max(seconds):.2f})"
            size, peak = path.stat().st_size >> 10, max(run[1] for run in runs)
            print(f"{layers:6} | {nodes:5} | {size:5} | {spread:19} | {1000 * median / nodes:9.3f} | {peak:8}")
            slow |= options.limit is not None and median > options.limit
    return slow


if __name__ == "__main__":
    sys.exit(main())
