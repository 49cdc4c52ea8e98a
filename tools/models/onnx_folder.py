"""Writes model.onnx and model.onnx.data, streaming: a tensor goes to the data file as soon as it is known.

Tensors below INLINE_BYTES stay in model.onnx; all others lie in model.onnx.data at page-aligned offsets (the ONNX
specification asks for it, so that a reader can map them).
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from onnx import TensorProto, ValueInfoProto, helper

INLINE_BYTES = 1024
PAGE = 4096


class OnnxFolder:
    """A graph under construction. Names given to `tensor` and `node` are the names in the file."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._data = open(folder / "model.onnx.data", "wb")
        self._nodes: list = []
        self._tensors: dict[str, TensorProto] = {}

    def tensor(self, name: str, value: np.ndarray) -> str:
        if name not in self._tensors:
            if value.nbytes < INLINE_BYTES:
                kind = helper.np_dtype_to_tensor_dtype(value.dtype)
                self._tensors[name] = helper.make_tensor(name, kind, value.shape, value.tobytes(), raw=True)
            else:
                self.streamed_tensor(name, value.dtype, value.shape, [value])
        return name

    def streamed_tensor(self, name: str, dtype, shape: Iterable[int], chunks: Iterable[np.ndarray]) -> str:
        """The chunks, one after the other in row-major order, are the tensor."""
        self._data.write(bytes(-self._data.tell() % PAGE))
        offset = self._data.tell()
        for chunk in chunks:
            self._data.write(np.ascontiguousarray(chunk, dtype=dtype).data)
        proto = TensorProto(name=name, data_type=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), dims=shape)
        proto.data_location = TensorProto.EXTERNAL
        length = self._data.tell() - offset
        for key, value in (("location", "model.onnx.data"), ("offset", offset), ("length", length)):
            proto.external_data.add(key=key, value=str(value))
        if length != int(np.prod(proto.dims)) * np.dtype(dtype).itemsize:
            raise AssertionError(f"tensor {name}: chunks hold {length} bytes, shape {list(proto.dims)} needs others")
        self._tensors[name] = proto
        return name

    def packed_tensor(self, name: str, shape: Iterable[int], nibbles: np.ndarray) -> str:
        """A uint4 tensor; `nibbles` holds two elements a byte, the first in the low half."""
        if name not in self._tensors:
            self.streamed_tensor(name, np.uint8, [nibbles.size], [nibbles])
            self._tensors[name].data_type = TensorProto.UINT4
            self._tensors[name].dims[:] = shape
        return name

    @staticmethod
    def tensor_value(name: str, value: np.ndarray) -> TensorProto:
        """A tensor as an attribute holds it."""
        return helper.make_tensor(
            name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape, value.tobytes(), True
        )

    def node(self, kind: str, inputs: list[str], outputs: list[str] | str, domain: str = "", **attributes) -> str:
        """Adds a node named after its first output and returns that output."""
        outputs = [outputs] if isinstance(outputs, str) else outputs
        self._nodes.append(helper.make_node(kind, inputs, outputs, name=outputs[0], domain=domain, **attributes))
        return outputs[0]

    def close(self, inputs: list[ValueInfoProto], outputs: list[ValueInfoProto], opset: int) -> int:
        """Writes model.onnx; returns how many nodes it has."""
        self._data.close()
        graph = helper.make_graph(self._nodes, "decoder", inputs, outputs, list(self._tensors.values()))
        opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=10, producer_name="ingot smollm2.py")
        (self._folder / "model.onnx").write_bytes(model.SerializeToString())
        return len(self._nodes)
