"""A model's decoder IR up to names, so that two spellings of one model can be compared.

`decoder_ir` reads the module that `ingotc --dump-ir` writes after infer. Symbols stand for what they name (a weight for
its bytes, a recipe for its ops), values for how they are computed: the order of ops does not matter. Numbers agree in six
digits, since spellings round differently (a scale as the square of its root, say).
"""

import hashlib
import json
import re
from pathlib import Path

import numpy as np

SOURCE = re.compile(
    r'weights\.source @("[^"]*"|[\w.$-]+) \{file = "([^"]*)", length = (\d+) : i64, offset = (\d+) : i64\}(.*)'
)
SYMBOL = re.compile(r'@("[^"]*"|[\w.$-]+)')
REAL = re.compile(r"(?<== )[-+.\de]+(?= : f32)|(?<=array<f32: )[^>]*")
NUMBER = re.compile(r"[-+.\de]+")
SMALL = 65536  # bytes; only smaller tensors may be literals
VALUE = re.compile(r"%[\w$.-]+(#\d+)?")


def _digest(text: str | bytes) -> str:
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()[:12]


def _ops(lines: list[str]) -> list[list[str]]:
    """Groups lines into ops: one line, or a region from its opening to its closing brace."""
    ops, depth = [], 0
    for line in lines:
        if depth == 0:
            ops.append([])
        ops[-1].append(line.strip())
        plain = re.sub(r'"[^"]*"', "", line)
        depth += plain.count("{") - plain.count("}")
    return [op for op in ops if op[0]]


def _renamed(lines: list[str]) -> str:
    """A region with its values numbered in order of appearance."""
    names: dict[str, str] = {}
    return VALUE.sub(lambda m: names.setdefault(m[0], f"%v{len(names)}"), "\n".join(lines))


def _values(lines: list[str], sources: dict[str, bytes]) -> str | None:
    """The digest of a recipe that only moves a tensor of the file, or a literal; None for any other."""
    data = None
    for line in lines:
        if match := re.match(r"%\w+ = weights\.load @(\S+)", line):
            data = sources.get(match[1].strip('"'))
        elif match := re.match(r"%\w+ = weights\.constant dense<(.*)> : tensor<(.*)x?(f32|f16)>", line):
            shape = [int(size) for size in match[2].rstrip("x").split("x") if size]
            if match[1].startswith('"0x'):
                data = bytes.fromhex(match[1][3:-1])
                continue
            literal = np.array(json.loads(match[1]), {"f32": np.float32, "f16": np.float16}[match[3]])
            data = np.broadcast_to(literal, shape).tobytes()
        elif not re.match(r"%\w+ = weights\.reshape|weights\.yield|}", line):
            return None
    kind = next(line for line in lines if line.startswith("weights.yield")).split(" : ")[1]
    return None if data is None else _digest(data + kind.encode())


def _function(lines: list[str]) -> tuple[str, list[str]]:
    """(signature, what every op computes, sorted) of a func.func."""
    env = {name: f"arg{i}" for i, name in enumerate(re.findall(r"(%\w+):", lines[0]))}

    def known(match: re.Match) -> str:
        base, _, index = match[0].partition("#")
        return f"<{env[base]}{'#' + index if index else ''}>"

    computed = []
    for op in _ops(lines[1:-1]):
        results, text = [], op[0]
        if " = " in text and text.startswith("%"):
            left, text = text.split(" = ", 1)
            results = [part.partition(":")[0].strip() for part in left.split(",")]
        head = VALUE.sub(known, text) if len(op) == 1 else VALUE.sub(lambda m: known(m) if m[0] in env else m[0], text)
        body = "" if len(op) == 1 else _renamed(op[1:])
        computed.append(head + body)
        for k, name in enumerate(results):
            env[name] = _digest(head + body) + (f".{k}" if len(results) > 1 else "")
    return VALUE.sub("%", lines[0]), sorted(computed)


def decoder_ir(dump: Path, model: Path, with_weights: bool = True) -> list[str]:
    """What the module says, one line an op; `model` is the folder that its weights lie in. Without weights, a recipe stands
    for the type of its values only."""
    text = REAL.sub(lambda m: NUMBER.sub(lambda n: f"{float(n[0]):.6g}", m[0]), dump.read_text())
    lines = [line for line in text.splitlines() if not line.startswith(("module", "}", "#"))]
    meaning: dict[str, str] = {}
    sources: dict[str, bytes] = {}
    said: list[str] = []

    def named(match: re.Match) -> str:
        return "@" + meaning.get(match[1], match[1])

    for op in _ops(lines):
        if source := SOURCE.match(op[0]):
            name, file, length, offset, kind = source.groups()
            if with_weights:
                with open(model / (file or "model.onnx"), "rb") as data:
                    data.seek(int(offset))
                    read = data.read(int(length))
                if len(read) <= SMALL:
                    sources[name.strip('"')] = read
                meaning[name] = _digest(read + kind.encode())
        elif op[0].startswith("weights.recipe"):
            text = SYMBOL.sub(named, _renamed(op[1:]))
            kind = re.search(r"weights\.yield .*?tensor<([^,>]*)", text)[1]
            meaning[SYMBOL.search(op[0])[1]] = (_values(op[1:], sources) or _digest(text)) if with_weights else kind
        elif op[0].startswith("func.func"):
            signature, computed = _function([SYMBOL.sub(named, line) for line in op])
            said += [signature, *computed]
        else:
            said.append(SYMBOL.sub(named, " ".join(op)))
    return said
