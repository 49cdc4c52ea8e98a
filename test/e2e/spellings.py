#!/usr/bin/env python3
"""SmolLM2 in three spellings (onnxruntime-genai's builder, Optimum's primitives, the operators of ONNX 23) is one decoder:
the same IR up to names, the same logits. The same holds of its int4 grid as MatMulNBits and as blocked DequantizeLinear.

The model folders are made in the scratch folder and deleted once compiled: only the package is kept between runs.
"""

import functools
import json
import shutil
from dataclasses import dataclass

import numpy as np
from decoder_ir import decoder_ir
from harness import DATA, Tools, main, same_bytes

CASE = json.loads((DATA / "smollm2/golden.json").read_text())["cases"][0]
FORMS = ("genai", "optimum", "opset23")


@dataclass(frozen=True)
class Compiled:
    ir: list[str]
    logits: np.ndarray
    artifact_bytes: int


@functools.cache
def compiled(tools: Tools, form: str, weights: str) -> Compiled:
    name = f"spelling-{form}-{weights}"
    folder, dump = tools.scratch / name, tools.scratch / f"{name}-ir"
    tools.make_smollm2(folder, "--form", form, "--weights", weights, "--qkv", "separate")
    artifact = tools.compile(folder, name, "--activations", "f32", "--dump-ir", dump)
    (module,) = dump.glob("*-infer.mlir")
    ir = sorted(decoder_ir(module, folder, with_weights=weights != "int4"))
    logits = tools.logits(artifact, CASE["prompt_ids"] + CASE["greedy_ids"][:-1])
    result = Compiled(ir, logits, artifact.stat().st_size)
    shutil.rmtree(folder)
    shutil.rmtree(dump)
    artifact.unlink()
    return result


def assert_same_decoder(form: str, ours: list[str], theirs: list[str]) -> None:
    lines = [f"- {line[:200]}" for line in ours if line not in theirs]
    lines += [f"+ {line[:200]}" for line in theirs if line not in ours]
    assert ours == theirs, f"{form}: the decoder differs from genai's:\n" + "\n".join(lines[:20])


def assert_same_logits(form: str, ours: np.ndarray, theirs: np.ndarray) -> None:
    error = float(np.abs(ours - theirs).max())
    print(f"{form}: logits differ from genai's by at most {error:.1e}; the same bytes: {same_bytes(ours, theirs)}")
    assert error <= 1e-5, error


def test_fp32_spellings_are_one_decoder(tools: Tools) -> None:
    genai = compiled(tools, "genai", "fp32")
    for form in FORMS[1:]:
        assert_same_decoder(form, genai.ir, compiled(tools, form, "fp32").ir)


def test_fp32_spellings_give_the_same_logits(tools: Tools) -> None:
    genai = compiled(tools, "genai", "fp32")
    for form in FORMS[1:]:
        assert_same_logits(form, genai.logits, compiled(tools, form, "fp32").logits)


def test_int4_is_one_decoder_as_matmulnbits_and_as_dequantizelinear(tools: Tools) -> None:
    """Weights may be packed from other bytes of the file; their grid and every value are the same."""
    genai = compiled(tools, "genai", "int4")
    ours = [
        line.replace("accuracy_level = 4 : i64, ", "").replace(" {accuracy_level = 4 : i64}", "") for line in genai.ir
    ]
    for form in FORMS[1:]:
        blocked = compiled(tools, form, "int4")
        assert_same_logits(form, genai.logits, blocked.logits)
        assert abs(blocked.artifact_bytes - genai.artifact_bytes) < genai.artifact_bytes / 100, "the grid was not kept"
        assert len(ours) == len(blocked.ir), f"{form}: {len(blocked.ir)} ops, genai has {len(ours)}"


if __name__ == "__main__":
    main(globals())
