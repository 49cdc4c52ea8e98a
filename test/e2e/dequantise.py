#!/usr/bin/env python3
"""Rewrites an ONNX folder's MatMulNBits and GatherBlockQuantized nodes to MatMul and Gather on float32 weights.

The tolerance-free oracle of every integer path: integer weights with float32 activations give the bits of this model.
A weight is w = (q - zp) * s, rounded once to float32. Usage: dequantise.py IN_FOLDER OUT_FOLDER
"""

import shutil
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper


def unpacked(data: np.ndarray, bits: int) -> np.ndarray:
    """Packed bytes, low bits first -> one value a byte, along the last axis."""
    if bits == 8:
        return data
    assert bits == 4, f"{bits}-bit weights"
    return np.stack([data & 15, data >> 4], axis=-1).reshape(*data.shape[:-1], -1)


def dequantised(q: np.ndarray, scales: np.ndarray, zero_points: np.ndarray | None, bits: int, block: int) -> np.ndarray:
    """q u8 [N, blocks*block], scales [N, blocks] -> float32 [N, blocks*block]; rounded once, from float64."""
    n = q.shape[0]
    scales = scales.reshape(n, -1, 1).astype(np.float64)
    if zero_points is None:
        zero_points = np.float64(1 << bits - 1)
    elif zero_points.dtype == np.uint8:
        zero_points = unpacked(zero_points.reshape(n, -1), bits)[:, : scales.shape[1], None].astype(np.float64)
    else:
        zero_points = zero_points.reshape(n, -1, 1).astype(np.float64)
    blocks = q.reshape(n, -1, block).astype(np.float64)
    return ((blocks - zero_points) * scales).astype(np.float32).reshape(n, -1)


class Dequantiser:
    def __init__(self, model: onnx.ModelProto):
        self.model = model
        self.values = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
        self.weights: dict[str, np.ndarray] = {}
        for node in model.graph.node:
            if node.op_type == "Reshape" and node.input[0] in self.values:
                shape = self.values[node.input[1]]
                self.values[node.output[0]] = self.values[node.input[0]].reshape(shape)
            elif node.op_type == "Constant":
                self.values[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)

    def run(self) -> onnx.ModelProto:
        graph = self.model.graph
        nodes = [self.rewritten(node) for node in graph.node]
        nodes = [n for n in nodes if not (n.op_type == "Reshape" and n.input[0] in self.values)]
        used = {name for node in nodes for name in node.input}
        kept = [t for t in graph.initializer if t.name in used]
        kept += [numpy_helper.from_array(value, name) for name, value in self.weights.items()]
        del graph.node[:], graph.initializer[:]
        graph.node.extend(nodes)
        graph.initializer.extend(kept)
        return self.model

    def rewritten(self, node: onnx.NodeProto) -> onnx.NodeProto:
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        if node.op_type == "MatMulNBits":
            k, bits, block = attributes["K"], attributes["bits"], attributes["block_size"]
            assert len(node.input) < 5, f"{node.name}: g_idx and bias are not handled here"
            zero_points = self.values[node.input[3]] if len(node.input) > 3 and node.input[3] else None
            q = unpacked(self.values[node.input[1]], bits).reshape(attributes["N"], -1)
            weight = dequantised(q, self.values[node.input[2]], zero_points, bits, block)[:, :k]
            name = self.weight(f"{node.input[1]}.columns", np.ascontiguousarray(weight.T))
            return helper.make_node("MatMul", [node.input[0], name], node.output, node.name)
        if node.op_type == "GatherBlockQuantized":
            bits, block = attributes.get("bits", 4), attributes["block_size"]
            assert attributes.get("gather_axis", 0) == 0 and len(node.input) < 4, (
                f"{node.name}: a form not handled here"
            )
            table = self.values[node.input[0]]
            scales = self.values[node.input[2]]
            weight = dequantised(unpacked(table, bits).reshape(table.shape[0], -1), scales, None, bits, block)
            name = self.weight(f"{node.input[0]}.rows", weight)
            return helper.make_node("Gather", [name, node.input[1]], node.output, node.name)
        return node

    def weight(self, name: str, value: np.ndarray) -> str:
        self.weights.setdefault(name, value)
        return name


def dequantise_folder(source: Path, target: Path) -> Path:
    """Writes the float32 twin of `source` with its companion files; returns `target`."""
    target.mkdir(parents=True)
    for file in source.iterdir():
        if not file.name.startswith("model.onnx"):
            shutil.copy(file, target)
    model = Dequantiser(onnx.load(source / "model.onnx")).run()
    onnx.save(model, target / "model.onnx", save_as_external_data=True, location="model.onnx.data")
    return target


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    dequantise_folder(Path(sys.argv[1]), Path(sys.argv[2]))
