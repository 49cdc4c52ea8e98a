#!/usr/bin/env python3
"""stories260k, compiled and run, against recorded answers (test/data/stories260k/README.md)."""

import numpy as np
from dequantise import dequantise_folder
from harness import STORIES, Tools, main, mean_kl, same_bytes, shared_folder

TOLERANCE = 1e-4
GOLDENS = np.load(STORIES / "goldens.npz")


def check_against_goldens(tools: Tools, artifact, form: str) -> None:
    prompt, greedy = GOLDENS["prompt"].tolist(), GOLDENS[f"{form}_greedy"].tolist()
    logits = tools.logits(artifact, prompt + greedy)
    error = np.abs(logits[GOLDENS["rows"]] - GOLDENS[f"{form}_logits"]).max()
    print(f"{form}: logits differ by at most {error:.2e}")
    assert error <= TOLERANCE, f"logits differ by {error}"
    tokens = tools.generate(artifact, prompt, len(greedy))
    agreeing = sum(a == b for a, b in zip(tokens, greedy, strict=False))
    assert tokens == greedy, f"{agreeing} of {len(greedy)} greedy tokens"


def test_fp32_gives_the_recorded_logits_and_tokens(tools: Tools) -> None:
    check_against_goldens(tools, tools.compile(STORIES / "genai_fp32", "fp32"), "fp32")


def test_int4_with_f32_activations_gives_the_recorded_logits_and_tokens(tools: Tools) -> None:
    artifact = tools.compile(STORIES / "genai_int4", "int4-f32", "--activations", "f32")
    check_against_goldens(tools, artifact, "int4_f32act")


def test_int4_with_f32_activations_has_the_bits_of_the_dequantised_model(tools: Tools) -> None:
    twin = dequantise_folder(STORIES / "genai_int4", tools.scratch / "dequantised")
    int4 = tools.compile(STORIES / "genai_int4", "int4-f32", "--activations", "f32")
    tokens = GOLDENS["prompt"].tolist() + GOLDENS["int4_f32act_greedy"].tolist()
    a = tools.logits(int4, tokens)
    b = tools.logits(tools.compile(twin, "int4-dequantised"), tokens)
    assert same_bytes(a, b), f"logits differ by {np.abs(a - b).max()}"


def test_int4_follows_its_accuracy_level_to_int8_activations(tools: Tools) -> None:
    """--activations auto: the graph says accuracy_level 4, so the bits are those of int8, and not those of f32."""
    tokens = GOLDENS["prompt"].tolist() + GOLDENS["int4_f32act_greedy"].tolist()[:20]
    artifacts = {
        a: tools.compile(STORIES / "genai_int4", f"int4-{a}", "--activations", a) for a in ("auto", "int8", "f32")
    }
    logits = {a: tools.logits(artifact, tokens) for a, artifact in artifacts.items()}
    assert same_bytes(logits["auto"], logits["int8"])
    assert not same_bytes(logits["auto"], logits["f32"])
    kl = mean_kl(logits["f32"], logits["int8"])
    print(f"int8 activations against f32: mean KL {kl:.2e}")
    assert kl < 0.05, kl


def test_text_in_text_out(tools: Tools) -> None:
    artifact = tools.compile(STORIES / "genai_fp32", "fp32")
    told = tools.check("ingot-run", artifact, "-p", "Once upon a time", "-n", 40, "--temperature", 0)
    assert "there was a little girl named Lily. She loved to play outside in the park." in told, told
    ids = tools.check("ingot-run", artifact, "-p", "Once upon a time", "-n", 40, "--temperature", 0, "--print-tokens")
    assert ids.strip().split(",") == [str(i) for i in GOLDENS["fp32_greedy"][:40]], ids


def test_every_recorded_row_of_shared(tools: Tools) -> None:
    full = np.load(shared_folder() / "data/stories260k-onnx/goldens.npz")
    options = {"fp32": [], "int4_f32act": ["--activations", "f32"]}
    for form, folder in (("fp32", "genai_fp32"), ("int4_f32act", "genai_int4")):
        artifact = tools.compile(STORIES / folder, f"{form}-all", *options[form])
        logits = tools.logits(artifact, full["prompt"].tolist() + full[f"{form}_greedy"].tolist())
        error = np.abs(logits - full[f"{form}_logits"]).max()
        assert error <= TOLERANCE, f"{form}: logits differ by {error}"


if __name__ == "__main__":
    main(globals())
