#!/usr/bin/env python3
"""SmolLM2-135M-Instruct, compiled and run, against test/data/smollm2/golden.json (ONNX Runtime's answers).

Teacher forced: each prompt with its 64 recorded greedy tokens is fed, and row n-1+i must pick token i. KL is the mean
over all rows fed, against our own fp32 logits, which the first test ties to ONNX Runtime's.
"""

import functools
import json

import numpy as np
from harness import DATA, Skipped, Tools, log_softmax, main, mean_kl, same_bytes

GOLDEN = json.loads((DATA / "smollm2/golden.json").read_text())
CASES = GOLDEN["cases"]


def fed(case: dict) -> list[int]:
    return case["prompt_ids"] + case["greedy_ids"][:-1]


@functools.cache
def case_logits(tools: Tools, weights: str, *options: str) -> list[np.ndarray]:
    """One array a case, of the model with these weights compiled with these options."""
    name = "-".join([f"smollm2-{weights}", *(o.strip("-") for o in options)])
    artifact = tools.compile(tools.smollm2(weights), name, *options)
    logits = [tools.logits(artifact, fed(case)) for case in CASES]
    if weights != "fp32" or options:
        artifact.unlink()
    return logits


def compare(tools: Tools, weights: str, *options: str) -> tuple[float, float]:
    """(mean KL, top-1 agreement) against the fp32 model, printed."""
    reference = np.concatenate(case_logits(tools, "fp32"))
    other = np.concatenate(case_logits(tools, weights, *options))
    kl = mean_kl(reference, other)
    agreement = float((reference.argmax(-1) == other.argmax(-1)).mean())
    print(f"{weights} {' '.join(options)}: mean KL {kl:.2e}, top-1 agreement {agreement:.4f}")
    return kl, agreement


def test_fp32_gives_the_recorded_log_probabilities(tools: Tools) -> None:
    for case, logits in zip(CASES, case_logits(tools, "fp32"), strict=True):
        n, log_p = len(case["prompt_ids"]), log_softmax(logits)
        steps = np.take_along_axis(log_p[n - 1 :], np.array(case["top5_ids"]), axis=1)
        assert np.abs(steps - case["top5_logprobs"]).max() <= 1e-3
        nll = -log_p[np.arange(n - 1), case["prompt_ids"][1:]]
        assert np.abs(nll - case["prompt_nll"]).max() <= 1e-3


def test_fp32_gives_the_logits_of_onnxruntime(tools: Tools) -> None:
    """Of all tokens, where onnxruntime is installed; the recorded five a step are always compared."""
    try:
        import onnxruntime
    except ImportError:
        raise Skipped("onnxruntime is not installed in this python") from None
    session = onnxruntime.InferenceSession(tools.smollm2("fp32") / "model.onnx", providers=["CPUExecutionProvider"])
    for case, logits in zip(CASES, case_logits(tools, "fp32"), strict=True):
        ids = np.array([fed(case)])
        feed = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        for value in session.get_inputs()[2:]:
            feed[value.name] = np.zeros((1, value.shape[1], 0, value.shape[3]), np.float32)
        error = np.abs(session.run(["logits"], feed)[0][0] - logits).max()
        print(f"{case['prompt'][:20]!r}: logits differ from onnxruntime's by at most {error:.2e}")
        assert error <= 1e-3, error


def test_fp32_generates_the_recorded_tokens(tools: Tools) -> None:
    artifact = tools.compile(tools.smollm2("fp32"), "smollm2-fp32")
    for case, logits in zip(CASES, case_logits(tools, "fp32"), strict=True):
        forced = logits[len(case["prompt_ids"]) - 1 :].argmax(-1).tolist()
        assert forced == case["greedy_ids"], "teacher forced"
        assert tools.generate(artifact, case["prompt_ids"], 64) == case["greedy_ids"], "generated"


def test_fp16_is_close(tools: Tools) -> None:
    assert compare(tools, "fp16")[0] <= 5e-5


def test_int4_with_f32_activations_is_the_fp32_model(tools: Tools) -> None:
    assert compare(tools, "int4", "--activations", "f32")[0] <= 1e-5
    pairs = zip(case_logits(tools, "fp32"), case_logits(tools, "int4", "--activations", "f32"), strict=True)
    print("the same bits as fp32:", all(same_bytes(a, b) for a, b in pairs))


def test_int4_with_int8_activations_is_close(tools: Tools) -> None:
    kl, agreement = compare(tools, "int4", "--activations", "int8")
    assert kl <= 0.006, kl
    assert agreement >= 0.95, agreement


def test_requantised_forms_for_information(tools: Tools) -> None:
    """A 4-bit grid quantised twice: no verdict on quality, but the text must not be noise."""
    for bits in ("int8", "int4"):
        kl, _ = compare(tools, "fp32", "--quantize", bits)
        assert np.isfinite(kl) and kl < 3, kl


def test_tokenizer_cases(tools: Tools) -> None:
    """26 texts as prompts: `--logits` has one row a token, and the rows are those of the recorded ids."""
    artifact = tools.compile(tools.smollm2("int4"), "smollm2-int4")
    file = tools.scratch / "text.npy"
    wrong = []
    for case in GOLDEN["tokenizer_cases"]:
        if not case["ids"]:
            assert tools.run("ingot-run", artifact, "-p", case["text"], "-n", 0).returncode < 3
            continue
        tools.check("ingot-run", artifact, "-p", case["text"], "-n", 0, "--logits", file)
        if not same_bytes(np.load(file), tools.logits(artifact, case["ids"])):
            wrong.append(case["text"])
    assert not wrong, wrong


def test_chat_answers_in_words(tools: Tools) -> None:
    """--chat renders the model's template: the recorded prompt is the rendering of this turn."""
    artifact = tools.compile(tools.smollm2("int4"), "smollm2-int4")
    case, question = CASES[2], "Why is the sky blue? Answer in two sentences."
    fixed = ["-n", 20, "--temperature", 0]
    chat = tools.check("ingot-run", artifact, "--chat", "-p", question, *fixed, "--print-tokens")
    tokens = tools.generate(artifact, case["prompt_ids"], 20)
    assert chat.strip() == ",".join(map(str, tokens)), chat
    assert "sky" in tools.check("ingot-run", artifact, "--chat", "-p", question, *fixed)


if __name__ == "__main__":
    main(globals())
