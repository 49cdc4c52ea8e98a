#!/usr/bin/env python3
"""Changes graphs of the zoo at random and holds what Ingot makes of them against ONNX Runtime.

    mutate.py ../shared/zoo [--bin build/dev/bin] [--count 200] [--seed 0] [--jobs 2] [--keep FOLDER]

A mutant is a good graph with one node bypassed, duplicated, retyped, rewired, or with another constant. ONNX Runtime, in
a child process, runs it twice: the prompt whole, and as 9 tokens and then single ones. Where both runs are finite and
agree, the graph means something, and Ingot must refuse it or give the same logits. Where they disagree, the graph breaks
the chunk law, and Ingot must refuse it (or give the answer of the whole prompt where only the shorter pieces are not
finite). Where ONNX Runtime cannot run it, or the last bits of its weights move the logits as far as the answers are
apart, anything but a crash is right. Exit: 0 good, 1 not, 77 no zoo.
"""

import argparse
import copy
import importlib.util
import json
import multiprocessing
import os
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from run import Case, run_worker, unpack

# Every exporter, many families; none whose arithmetic depends on the chunk by design.
GRAPHS = """a-llama-gqa a-gpt2 a-bloom a-gemma2-eager a-phi2 a-mistral-swa a-falcon-mqa b-llama-wide-nbits-32
c-gemma2-fp32-cpu c-qwen3-fp32-cpu c08-phi3-fp32-cpu d-llama-gqa-op18-flat d-gpt2-op23-flat d-qwen3-op20-nomask
e-llama-gqa-op23-attn4d e-qwen2-op23-boolmask f-llama-gqa-op23-plain o-gpt2-ort-ext o-qwen3-slim p-gpt-neox""".split()

# Operators that take each other's place without the types changing.
KINS = [
    ["Add", "Sub", "Mul", "Div"],
    ["Sqrt", "Exp", "Neg", "Tanh", "Sigmoid", "Relu", "Reciprocal", "Abs"],
    ["Sin", "Cos"],
    ["Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Equal"],
    ["And", "Or"],
    ["ReduceMean", "ReduceMax", "ReduceSum"],
    ["SimplifiedLayerNormalization", "RMSNormalization"],
]


def types_of(model: onnx.ModelProto) -> dict[str, tuple]:
    """(element type, rank) of each value, as far as shape inference knows them."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    known = {}
    for value in [*graph.value_info, *graph.input, *graph.output]:
        tensor = value.type.tensor_type
        known[value.name] = (tensor.elem_type, len(tensor.shape.dim) if tensor.HasField("shape") else None)
    for tensor in graph.initializer:
        known[tensor.name] = (tensor.data_type, len(tensor.dims))
    return known


def bypass(model, pick, types):
    node = pick.choice([n for n in model.graph.node if n.input and n.output])
    source = pick.choice([name for name in node.input if name] or [""])
    target = node.output[0]
    for user in model.graph.node:
        for k, name in enumerate(user.input):
            if name == target and user is not node:
                user.input[k] = source
    return f"bypass {node.op_type} {node.name}"


def duplicate(model, pick, types):
    at = pick.randrange(len(model.graph.node))
    node = model.graph.node[at]
    twin = copy.deepcopy(node)
    twin.name += "_twin"
    twin.output[:] = [name and name + "_twin" for name in node.output]
    users = [(u, k) for u in model.graph.node for k, name in enumerate(u.input) if name and name in node.output]
    if users:
        user, k = pick.choice(users)
        user.input[k] += "_twin"
    model.graph.node.insert(at + 1, twin)
    return f"duplicate {node.op_type} {node.name}"


def retype(model, pick, types):
    kin = {op: group for group in KINS for op in group}
    node = pick.choice([n for n in model.graph.node if n.op_type in kin])
    old = node.op_type
    node.op_type = pick.choice([op for op in kin[old] if op != old])
    return f"retype {old} {node.name} to {node.op_type}"


def rewire(model, pick, types):
    at = pick.randrange(1, len(model.graph.node))
    node = model.graph.node[at]
    k = pick.randrange(len(node.input)) if node.input else 0
    if not node.input or not node.input[k]:
        return None
    before = [name for n in list(model.graph.node)[:at] for name in n.output if name]
    before += [value.name for value in model.graph.input] + [tensor.name for tensor in model.graph.initializer]
    alike = [name for name in before if name != node.input[k] and types.get(name) == types.get(node.input[k])]
    if not alike:
        return None
    old = node.input[k]
    node.input[k] = pick.choice(alike)
    return f"rewire {node.op_type} {node.name} input {k}: {old} -> {node.input[k]}"


def constant(model, pick, types):
    small = [t for t in model.graph.initializer if np.prod(t.dims, dtype=int) <= 8]
    small += [a.t for n in model.graph.node if n.op_type == "Constant" for a in n.attribute if a.name == "value"]
    small = [t for t in small if np.prod(t.dims, dtype=int) <= 8]
    if not small:
        return None
    tensor = pick.choice(small)
    value = numpy_helper.to_array(tensor).copy()
    if value.size == 0 or value.dtype == bool:
        return None
    flat, k = value.reshape(-1), pick.randrange(value.size)
    old = flat[k]
    with np.errstate(all="ignore"):
        flat[k] = pick.choice([flat[k] + 1, flat[k] - 1, -flat[k], 0, flat[k] * 2])
    tensor.CopyFrom(numpy_helper.from_array(value.reshape(tuple(tensor.dims)), tensor.name))
    return f"constant {tensor.name}: {old} -> {flat[k]}"


def attribute(model, pick, types):
    found = [(n, a) for n in model.graph.node for a in n.attribute if a.type in (onnx.AttributeProto.INT, 7)]
    if not found:
        return None
    node, a = pick.choice(found)
    if a.type == onnx.AttributeProto.INT:
        old, a.i = a.i, a.i + pick.choice([-1, 1])
        return f"attribute {a.name} of {node.op_type} {node.name}: {old} -> {a.i}"
    old = list(a.ints)
    pick.shuffle(a_new := list(old))
    a.ints[:] = a_new
    return f"attribute {a.name} of {node.op_type} {node.name}: {old} -> {a_new}"


MUTATIONS = [bypass, duplicate, retype, rewire, rewire, constant, attribute]


def mutant(case: Case, model: onnx.ModelProto, types, seed: int) -> tuple[onnx.ModelProto, str]:
    pick = random.Random(f"{case.name} {seed}")
    while True:
        changed = copy.deepcopy(model)
        what = pick.choice(MUTATIONS)(changed, pick, types)
        if what:
            return changed, what


# ---- the oracle: runs in a child process, because a mutant may take ONNX Runtime down ----


def feeds(case: Case, ids, past, total):
    """The inputs of one call, as ../shared/zoo/README.md describes them."""
    kinds = {"float": np.float32, "float16": np.float16, "int64": np.int64, "int32": np.int32, "bool": np.bool_}
    made = {}
    for name, (kind, shape, role) in case.facts["inputs"].items():
        dtype = kinds[kind]
        if role == "input_ids":
            made[name] = ids.astype(dtype)
        elif role == "attention_mask":
            made[name] = np.ones((1, total), dtype)
        elif role == "position_ids":
            made[name] = np.arange(total - ids.shape[1], total)[None].astype(dtype)
        elif past is not None:
            made[name] = past[name]
        else:
            fixed = case.facts.get("symbolic_dims_fixed") or {}
            sizes = [n if isinstance(n, int) else 1 if k == 0 else fixed.get(n, 0) for k, n in enumerate(shape)]
            made[name] = np.zeros(sizes, dtype)
    return made


def oracle(case: Case, path: str):
    """(logits of the prompt, logits of 9 tokens and then single ones), either None where it is not defined."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    pairs = case.facts["kv_pairs"]
    ids = case.ids[None]

    def call(session, tokens, past, total):
        out = session.run([case.facts["logits"]] + [present for _, present in pairs], feeds(case, tokens, past, total))
        return out[0].astype(np.float32)[0], {name: value for (name, _), value in zip(pairs, out[1:])}

    whole = pieces = None
    try:
        session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        whole, _ = call(session, ids, None, ids.shape[1])
        rows, past = call(session, ids[:, :9], None, 9)
        parts = [rows]
        for t in range(9, ids.shape[1]):
            rows, past = call(session, ids[:, t : t + 1], past, t + 1)
            parts.append(rows)
        pieces = np.concatenate(parts)
    except Exception:  # whatever ONNX Runtime says: the mutant has no meaning at this chunking
        pass
    return whole, pieces


def makes_nan(case: Case, path: str) -> bool:
    """Whether any value of the prompt's run is NaN. Attention's guards (IsNaN -> 0) mean "no key is seen" to Ingot, which
    never happens; a graph that computes NaN by other ways (0/0, inf - inf) and hides it behind a guard is none of ours."""
    import onnxruntime as ort

    model = onnx.load(path)
    names = {name for node in model.graph.node for name in node.output if name}
    for name in sorted(names - {value.name for value in model.graph.output}):
        model.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))  # the type is ONNX Runtime's to know
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    values = session.run(sorted(names), feeds(case, case.ids[None], None, len(case.ids)))
    return any(np.isnan(v).any() for v in values if isinstance(v, np.ndarray) and v.dtype.kind == "f")


def rounding(case: Case, path: str) -> float:
    """How far the logits move when float32 weights move by half a unit in the last place: some mutants (w / x for x near
    0) are so ill-conditioned that every order of operations has its own answer."""
    model, pick, furthest = onnx.load(path), np.random.default_rng(0), 0.0
    whole, _ = oracle(case, path)
    tensors = [t for t in model.graph.initializer if t.data_type == onnx.TensorProto.FLOAT]
    values = [numpy_helper.to_array(tensor) for tensor in tensors]
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(4):
            for tensor, value in zip(tensors, values):
                moved = (value * (1 + 2.0**-23 * pick.uniform(-1, 1, value.shape))).astype(np.float32)
                tensor.CopyFrom(numpy_helper.from_array(moved, tensor.name))
            onnx.save(model, Path(folder) / "model.onnx")
            logits, _ = oracle(case, f"{folder}/model.onnx")
            if logits is not None and np.isfinite(logits).all():
                furthest = max(furthest, float(np.abs(logits - whole).max()))
    return furthest


class Oracle:
    """A child that answers one mutant after the other; a new one when it dies or hangs."""

    def __init__(self):
        self.child = None

    def ask(self, case: Case, path: str):
        if self.child is None:
            self.pipe, there = multiprocessing.Pipe()
            self.child = multiprocessing.Process(target=self.serve, args=(there,), daemon=True)
            self.child.start()
        self.pipe.send((case.folder, path))
        try:
            if self.pipe.poll(60):
                return self.pipe.recv()
        except EOFError:
            pass
        self.child.kill()
        self.child = None
        return None, None

    @staticmethod
    def serve(pipe):
        while True:
            folder, path = pipe.recv()
            pipe.send(oracle(Case(folder), path))


# ---- the verdict ----


def distance(a, b) -> float:
    return float(np.abs(a - b).max()) if a.shape == b.shape and np.isfinite(a).all() else float("inf")


def close(a, b) -> bool:
    """Equal up to what float32 in another order of operations gives on nonsense of this size."""
    return distance(a, b) <= 2e-3 * (1 + np.abs(b).max())


def judge(answer: dict, out: Path, case: Case, whole, pieces) -> str:
    if answer.get("crash"):
        return "CRASH"
    if answer["errors"]:
        return "refused"
    if "outside the vocabulary" in answer.get("failure", ""):
        return "refused"  # the mutant's logits are narrower than its token ids: the runtime says so
    if "failure" in answer or not answer["compiled"]:
        return "FAILED: " + answer.get("failure", "no reason")
    if answer["law"]:
        return "LAW: " + ", ".join(answer["law"])
    if whole is None or not np.isfinite(whole).all():
        return "undefined"
    logits = np.fromfile(out / "full.f32", np.float32).reshape(len(case.ids), -1)
    if np.isnan(logits).any() and makes_nan(case, str(case.folder / "model.onnx")):
        return "undefined"
    pairs = [("off by", logits[-len(whole) :], whole)]
    if pieces is not None and np.isfinite(pieces).all():
        text = "the graph gives other logits in pieces, which must be refused: off by"
        pairs.append((text, pieces[-len(whole) :], whole[-len(pieces) :]))
    for text, a, b in pairs:
        if close(a, b):
            continue
        if distance(a, b) <= 2 * rounding(case, str(case.folder / "model.onnx")):
            return "undefined"
        return f"WRONG: {text} {distance(a, b):.3g} of {np.abs(b).max():.3g}"
    return "same"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("zoo", type=Path)
    parser.add_argument("--bin", type=Path, default=Path(__file__).resolve().parents[2] / "build/dev/bin")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="one graph of the list")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="where mutants that went wrong are put")
    options = parser.parse_args()
    if os.environ.get("INGOT_SHARED") == "none" or not options.zoo.is_dir():
        print(f"skipped: needs {options.zoo} (INGOT_SHARED is {os.environ.get('INGOT_SHARED', 'not set')})")
        return 77
    if importlib.util.find_spec("onnxruntime") is None:
        print(f"{sys.executable} has no onnxruntime: run `build/venv/bin/pip install -r test/requirements.txt`")
        return 1
    begin, counts, bad, oracle_child = time.time(), Counter(), 0, Oracle()
    level = "v4" if "avx512_vnni" in Path("/proc/cpuinfo").read_text() else "v3"
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        zoo = unpack(options.zoo, scratch)
        names = [options.only] if options.only else GRAPHS
        cases, whats = [], {}
        for k, name in enumerate(names):
            original = Case(zoo / name)
            model = onnx.load(zoo / name / "model.onnx")
            types = types_of(model)
            for seed in range(options.seed + k, options.seed + options.count, len(names)):
                changed, what = mutant(original, model, types, seed)
                path = scratch / "mutants" / f"{name}.{seed}"
                path.mkdir(parents=True)
                onnx.save(changed, path / "model.onnx")
                for file in ("case.json", "golden.npz"):
                    (path / file).symlink_to(zoo / name / file)
                cases.append(Case(path))
                whats[path.name] = what
        outs = scratch / "outs"
        outs.mkdir()
        answers = run_worker(options.bin / "zoo-worker", cases, outs, options.jobs, level)
        for case in cases:
            answer = answers[case.name]
            refused = bool(answer["errors"])
            expected = (None, None) if refused else oracle_child.ask(case, str(case.folder / "model.onnx"))
            verdict = judge(answer, outs / case.name, case, *expected)
            counts[verdict.split(":")[0]] += 1
            if verdict.split(":")[0] in ("refused", "same", "undefined"):
                continue
            bad += 1
            print(f"{case.name}: {whats[case.name]}: {verdict} {answer.get('failure', '')[-300:]}", flush=True)
            if options.keep:
                kept = options.keep / case.name
                kept.mkdir(parents=True, exist_ok=True)
                (kept / "model.onnx").write_bytes((case.folder / "model.onnx").read_bytes())
                (kept / "what.json").write_text(json.dumps({"what": whats[case.name], "verdict": verdict}))
    print(f"{len(cases)} mutants of {len(names)} graphs: {dict(counts)}, {time.time() - begin:.0f} s")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
