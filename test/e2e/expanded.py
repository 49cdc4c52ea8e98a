#!/usr/bin/env python3
"""The `*_expanded` twins of the ONNX node suite: an operator and its function body must become the same decoder IR.

Each test of a family is put into a decoder (embedding in front, logits behind, its weights constant, a causal mask where
it takes one), once with the operator and once with the body, and both are read by `ingotc --check --dump-ir`. What a
decoder cannot hold (a norm over the sequence, attention that is not causal) is refused both times and not counted.
"""

import functools
import tarfile
from pathlib import Path

import numpy as np
import onnx
from decoder_ir import decoder_ir
from harness import Skipped, Tools, main, shared_folder
from onnx import TensorProto, helper, numpy_helper

# Family -> (prefix of its tests, the decoder op it must become, how many pairs must agree).
FAMILIES = {
    "LayerNormalization": ("test_layer_normalization", "decoder.norm", 14),
    "RMSNormalization": ("test_rms_normalization", "decoder.norm", 7),
    "Gelu": ("test_gelu", "decoder.act", 4),
    "Swish": ("test_swish", "decoder.act", 1),
    "RotaryEmbedding": ("test_rotary_embedding", "decoder.rope", 7),
    "Attention": ("test_attention", "decoder.attention", 41),
}
VOCABULARY, POSITIONS = 7, 50
REAL = {TensorProto.FLOAT: np.float32, TensorProto.FLOAT16: np.float16}


class Decoder:
    """A decoder around the nodes of one test."""

    def __init__(self, test: onnx.ModelProto, constants: list[np.ndarray]):
        self.graph, self.opset = test.graph, test.opset_import
        self.constants = dict(zip((value.name for value in test.graph.input), constants, strict=False))
        self.nodes: list = []
        self.tensors: list = []
        self.inputs = [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "seq"])]
        self.outputs: list = []

    # -- building

    def node(self, kind: str, inputs: list[str], output: str, **attributes) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], name=f"wrap/{output}", **attributes))
        return output

    def tensor(self, name: str, value) -> str:
        self.tensors.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def integers(self, *values: int) -> str:
        name = "i" + "_".join(map(str, values))
        return name if any(t.name == name for t in self.tensors) else self.tensor(name, np.array(values, np.int64))

    def size(self, value: str, axis: int) -> str:
        """One element: the length of an axis."""
        shape = self.node("Shape", [value], f"{value}/shape{axis}")
        return self.node("Gather", [shape, self.integers(axis)], f"{value}/size{axis}")

    def hidden(self, name: str, width: int, real: int) -> str:
        """[batch, seq, width] looked up by the tokens."""
        seed = sum(map(ord, name))
        table = np.random.default_rng(seed).standard_normal((VOCABULARY, width)).astype(REAL[real])
        return self.node("Gather", [self.tensor(f"{name}/table", table), "input_ids"], f"{name}/hidden")

    # -- the operands

    def row(self, value: onnx.ValueInfoProto) -> None:
        """An operand whose last axis is a row of the hidden state; a second one of four is in between."""
        dims = [d.dim_value for d in value.type.tensor_type.shape.dim]
        between = dims[2:-1] if len(dims) > 3 else []
        flat = self.hidden(value.name, int(np.prod([*between, dims[-1]])), value.type.tensor_type.elem_type)
        shape = [-1, dims[-1]] if len(dims) < 3 else [1, -1, *between, dims[-1]]
        self.node("Reshape", [flat, self.integers(*shape)], value.name)

    def heads(self, value: onnx.ValueInfoProto) -> None:
        """[B, H, S, d] or [B, S, H * d]."""
        dims = [d.dim_value for d in value.type.tensor_type.shape.dim]
        real = value.type.tensor_type.elem_type
        if len(dims) == 3:
            self.node("Identity", [self.hidden(value.name, dims[2], real)], value.name)
            return
        flat = self.hidden(value.name, dims[1] * dims[3], real)
        split = self.node("Reshape", [flat, self.integers(0, 0, dims[1], dims[3])], f"{value.name}/split")
        self.node("Transpose", [split], value.name, perm=[0, 2, 1, 3])

    def past(self, value: onnx.ValueInfoProto) -> None:
        dims = [d.dim_value for d in value.type.tensor_type.shape.dim]
        info = helper.make_tensor_value_info
        self.inputs.append(info(value.name, value.type.tensor_type.elem_type, ["batch", dims[1], "past", dims[3]]))

    def mask(self, value: onnx.ValueInfoProto) -> None:
        """Key j is seen by query i if j <= past + i."""
        zero, one = self.tensor("zero", np.int64(0)), self.tensor("one", np.int64(1))
        has_past = any(v.name == "past_key" for v in self.graph.input)
        past = self.size("past_key", 2) if has_past else self.integers(0)
        new = self.size("input_ids", 1)
        total = self.node("Squeeze", [self.node("Add", [past, new], "total1"), self.integers(0)], "total")
        new = self.node("Squeeze", [new, self.integers(0)], "new")
        rows = self.node("Range", [zero, new, one], "rows")
        rows = self.node("Unsqueeze", [self.node("Add", [rows, past], "queries"), self.integers(1)], "queries2")
        columns = self.node("Range", [zero, total, one], "columns")
        sees = self.node("LessOrEqual", [columns, rows], "sees")
        real = REAL.get(value.type.tensor_type.elem_type)
        if real:
            no = self.tensor("no", real(-np.inf))
            sees = self.node("Where", [sees, self.tensor("yes", real(0)), no], "bias")
        rank = len(value.type.tensor_type.shape.dim)
        if rank > 2:
            sees = self.node("Unsqueeze", [sees, self.integers(*range(rank - 2))], "ranked")
        self.node("Identity", [sees], value.name)

    def rotary(self, value: onnx.ValueInfoProto, half: int) -> None:
        """The cosines or sines of all positions, or (rank 3) of this step's."""
        real = value.type.tensor_type.elem_type
        angles = np.arange(POSITIONS)[:, None] * 10000.0 ** (-np.arange(half) / half)
        table = (np.cos if value.name.startswith("cos") else np.sin)(angles).astype(REAL[real])
        if len(value.type.tensor_type.shape.dim) == 2:
            self.tensor(value.name, table)
        else:
            self.positions()
            self.node("Gather", [self.tensor(f"{value.name}/table", table), "position_ids"], value.name)

    def positions(self) -> None:
        if all(v.name != "position_ids" for v in self.inputs):
            self.inputs.append(helper.make_tensor_value_info("position_ids", TensorProto.INT64, ["batch", "seq"]))

    # -- the whole

    def operand(self, family: str, index: int, value: onnx.ValueInfoProto) -> None:
        dims = value.type.tensor_type.shape.dim
        if value.name in ("Q", "K", "V") or (family == "RotaryEmbedding" and index == 0):
            self.heads(value)
        elif value.name.startswith("past_"):
            self.past(value)
        elif value.name == "attn_mask":
            self.mask(value)
        elif family == "RotaryEmbedding" and value.name.startswith(("cos", "sin")):
            self.rotary(value, dims[-1].dim_value)
        elif value.name == "position_ids":
            self.positions()
        elif index == 0:
            self.row(value)
        elif value.name in self.constants:
            self.tensor(value.name, self.constants[value.name])
        else:
            raise Skipped(f"operand {value.name} has no place in a decoder")

    def body(self, results: set[str]) -> None:
        """The test's nodes, without results that nothing needs."""
        needed = results | {name for node in self.graph.node for name in node.input}
        for original in self.graph.node:
            names = [name if name in needed else "" for name in original.output]
            while names and not names[-1]:
                names.pop()
            if names:
                self.nodes.append(original)
                self.nodes[-1].output[:] = names

    def logits(self, family: str, y: onnx.ValueInfoProto) -> None:
        """[batch, seq, width] of the first result."""
        dims = [d.dim_value for d in y.type.tensor_type.shape.dim]
        by_heads = family in ("Attention", "RotaryEmbedding") and len(dims) == 4  # [B, H, S, d]
        if by_heads:
            self.node("Transpose", [y.name], "logits/rows", perm=[0, 2, 1, 3])
        width = dims[-1] if len(dims) < 4 else dims[3] * dims[1 if by_heads else 2]
        self.node("Reshape", ["logits/rows" if by_heads else y.name, self.integers(1, -1, width)], "logits")
        self.output("logits", y, ["batch", "seq", width])

    def output(self, name: str, like: onnx.ValueInfoProto, shape: list) -> None:
        self.outputs.append(helper.make_tensor_value_info(name, like.type.tensor_type.elem_type, shape))

    def finish(self, family: str) -> onnx.ModelProto:
        y, *others = self.graph.output
        presents = [value for value in others if "present" in value.name]
        for index, value in enumerate(self.graph.input):
            self.operand(family, index, value)
        self.body({value.name for value in (y, *presents)})
        self.logits(family, y)
        for value in presents:
            dims = value.type.tensor_type.shape.dim
            self.output(value.name, value, ["batch", dims[1].dim_value, "total", dims[3].dim_value])
        graph = helper.make_graph(self.nodes, "decoder", self.inputs, self.outputs, self.tensors)
        return helper.make_model(graph, opset_imports=self.opset, ir_version=10)


@functools.cache
def suite(tools: Tools) -> Path:
    """The folder of the tests of all families."""
    archive = shared_folder() / "data" / "onnx-node-tests-1.22.0.tar.xz"
    if not archive.exists():
        raise Skipped(f"needs {archive.name}")
    prefixes = tuple(f"node/{prefix}" for prefix, _, _ in FAMILIES.values())
    with tarfile.open(archive) as tar:
        wanted = [member for member in tar if member.name.startswith(prefixes)]
        tar.extractall(tools.scratch, wanted, filter="data")
    return tools.scratch / "node"


def load_test(folder: Path) -> tuple[onnx.ModelProto, list[np.ndarray]]:
    """The model, and its inputs."""
    model, constants = onnx.load(folder / "model.onnx"), []
    for k in range(len(model.graph.input)):
        tensor = onnx.TensorProto.FromString((folder / f"test_data_set_0/input_{k}.pb").read_bytes())
        constants.append(numpy_helper.to_array(tensor))
    return model, constants


def read(tools: Tools, family: str, test: tuple, name: str) -> list[str] | str:
    """The decoder IR of a test in a decoder, or why it is refused."""
    folder = tools.scratch / name
    folder.mkdir()
    (folder / "model.onnx").write_bytes(Decoder(*test).finish(family).SerializeToString())
    done = tools.run("ingotc", folder, "--check", "--max-context", 32, "--dump-ir", folder / "ir", "--progress", "none")
    assert done.returncode in (0, 1), f"{name}: exit {done.returncode}\n{done.stderr}"
    if done.returncode and "has no attention" not in done.stderr:  # rows alone are no model, but they have an IR
        return done.stderr.strip().splitlines()[0]
    (dump,) = (folder / "ir").glob("*-infer.mlir")
    return decoder_ir(dump, folder)


def difference(fused: list[str], body: list[str]) -> str:
    return "\n".join(
        [f"  - {line}" for line in fused if line not in body] + [f"  + {line}" for line in body if line not in fused]
    )


def agrees(tools: Tools, family: str, name: str) -> bool:
    """Whether the test and its expanded twin are the same decoder, with the family's op in it; else it is told why not."""
    try:
        fused, body = (
            read(tools, family, load_test(suite(tools) / test), f"{name}-{kind}")
            for test, kind in ((name.split("_expanded")[0], "operator"), (name, "body"))
        )
    except Skipped as reason:
        print(f"{name}: {reason}")
        return False
    if isinstance(fused, str) or isinstance(body, str):
        reasons = [text if isinstance(text, str) else "read" for text in (fused, body)]
        if "read" in reasons:
            print(f"{name}: operator: {reasons[0]}; body: {reasons[1]}")
        return False
    if not any(f"{FAMILIES[family][1]} " in line for line in fused):
        return False  # a norm over several axes, say: rows
    if sorted(fused) != sorted(body):
        print(f"{name}: the decoders differ\n{difference(fused, body)}")
        return False
    return True


def count(tools: Tools, family: str) -> None:
    prefix, _, least = FAMILIES[family]
    twins = sorted(path.name for path in suite(tools).glob(f"{prefix}*_expanded*"))
    agreeing = [name for name in twins if agrees(tools, family, name)]
    print(f"{family}: {len(agreeing)} of {len(twins)} expanded twins are recognised")
    assert len(agreeing) >= least, f"{family}: {len(agreeing)} twins are recognised, at least {least} were"


def test_layer_normalization(tools: Tools) -> None:
    count(tools, "LayerNormalization")


def test_rms_normalization(tools: Tools) -> None:
    count(tools, "RMSNormalization")


def test_gelu(tools: Tools) -> None:
    count(tools, "Gelu")


def test_swish(tools: Tools) -> None:
    count(tools, "Swish")


def test_rotary_embedding(tools: Tools) -> None:
    count(tools, "RotaryEmbedding")


def test_attention(tools: Tools) -> None:
    count(tools, "Attention")


if __name__ == "__main__":
    main(globals())
