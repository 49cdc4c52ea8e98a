#!/usr/bin/env python3
"""SmolLM2 on the emulated card, held against the CPU: the same tokens, close logits, the same bits however it is fed.

Everything here is *emulated*: the real runtime drives tools/cuda-emulator, which interprets the artifact's own PTX.
INGOT_CUDA_DRIVER, when it is set, names another driver (a real one: then the same tests run on hardware).
"""

import json
import os
from pathlib import Path

from harness import DATA, STORIES, Tools, main, mean_kl, same_bytes

CASES = json.loads((DATA / "smollm2/golden.json").read_text())["cases"]
PROMPT = CASES[0]["prompt_ids"]
TOKENS = 16
MIB = 1 << 20


def card(tools: Tools, **facts) -> dict[str, str]:
    """The environment in which `--device cuda` finds the emulated card."""
    driver = os.environ.get("INGOT_CUDA_DRIVER", str(tools.bin.parent / "lib/libingot-cuda-emulator.so"))
    assert Path(driver).exists(), f"{driver} does not exist: build ingot-cuda-emulator first"
    facts = {"sm": 90, "threads": 2, **facts}
    return {"INGOT_CUDA_DRIVER": driver, "INGOT_EMULATOR": ",".join(f"{k}={v}" for k, v in facts.items())}


def both(tools: Tools, weights: str, *options: str) -> Path:
    """An artifact with code for CPU and card."""
    name = "-".join([f"cuda-{weights}", *(o.strip("-") for o in options)])
    return tools.compile(tools.smollm2(weights), name, "--target", "cpu,cuda", "--sm", "80,90", *options)


def compare(tools: Tools, weights: str, *options: str) -> float:
    """Greedy tokens must agree; returns the mean KL over the prompt and the tokens, against the CPU."""
    artifact, env = both(tools, weights, *options), card(tools)
    expected = tools.generate(artifact, PROMPT, TOKENS, "--device", "cpu")
    made = tools.generate(artifact, PROMPT, TOKENS, "--device", "cuda", env=env)
    assert made == expected, f"{made}, expected {expected}"
    fed = PROMPT + expected[:-1]
    kl = mean_kl(
        tools.logits(artifact, fed, "--device", "cpu"), tools.logits(artifact, fed, "--device", "cuda", env=env)
    )
    print(f"{weights} {' '.join(options)}: {TOKENS} greedy tokens alike, mean KL {kl:.2e}, emulated")
    return kl


def test_fp16_matches_the_cpu(tools: Tools) -> None:
    assert compare(tools, "fp16") < 1e-4


def test_int4_with_f32_activations_matches_the_cpu(tools: Tools) -> None:
    assert compare(tools, "int4", "--activations", "f32") < 1e-4


def test_int8_activations_are_as_good_as_the_cpus(tools: Tools) -> None:
    """Where the last bit of a sum differs a rounding to int8 may, and the error of rounding is drawn anew from there on: the
    two need not pick the same tokens, but both must lie equally near the model with f32 activations (the exact weights')."""
    fed = PROMPT + CASES[0]["greedy_ids"][:16]
    exact = tools.logits(both(tools, "int4", "--activations", "f32"), fed, "--device", "cpu")
    artifact = both(tools, "int4", "--activations", "int8")
    cpu = mean_kl(exact, tools.logits(artifact, fed, "--device", "cpu"))
    gpu = mean_kl(exact, tools.logits(artifact, fed, "--device", "cuda", env=card(tools)))
    print(f"int8 activations: mean KL {cpu:.2e} on the CPU, {gpu:.2e} on the card, emulated")
    assert gpu <= 1.25 * cpu, (cpu, gpu)


def test_the_same_bits_however_the_prompt_is_fed(tools: Tools) -> None:
    artifact, ids = both(tools, "int4", "--activations", "f32"), PROMPT[:24]
    whole = tools.logits(artifact, ids, "--device", "cuda", env=card(tools))
    for seed, chunk in ((1, 1), (2, 5), (3, 9)):
        fed = tools.logits(artifact, ids, "--device", "cuda", "--chunk", chunk, env=card(tools, seed=seed))
        assert same_bytes(whole, fed), f"chunks of {chunk}, schedule {seed}"


def test_a_cards_own_sums_keep_the_law(tools: Tools) -> None:
    """mma=8, 16: products are aligned, cut and added as an A100 and an H100 are known to do it, not one after the other."""
    ids = [1, *range(300, 318)]
    for options in ((), ("--activations", "f32")):
        name = "-".join(["cuda-sums", *(o.strip("-") for o in options)])
        artifact = tools.compile(STORIES / "genai_int4", name, "--target", "cpu,cuda", "--sm", "none", *options)
        exact = tools.logits(artifact, ids, "--device", "cpu")
        for products in (8, 16):
            whole = tools.logits(artifact, ids, "--device", "cuda", env=card(tools, mma=products))
            assert mean_kl(exact, whole) < 1e-4, (options, products)
            for chunk in (1, 7):
                fed = tools.logits(artifact, ids, "--device", "cuda", "--chunk", chunk, env=card(tools, mma=products))
                assert same_bytes(whole, fed), (options, products, chunk)


def refusal(tools: Tools, artifact: Path, *options, env: dict | None = None) -> str:
    """The one line with which ingot-run refuses."""
    done = tools.run("ingot-run", artifact, "--tokens", "1,403", "-n", 2, *options, env=env)
    assert done.returncode == 1, f"exit {done.returncode}: {done.stderr[-500:]}"
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    print(lines[0])
    return lines[0]


def stories(tools: Tools, target: str, *options: str) -> Path:
    return tools.compile(STORIES / "genai_int4", f"stories-{target.replace(',', '-')}", "--target", target, *options)


def test_any_card_runs_its_code_or_the_fallback(tools: Tools) -> None:
    artifact = stories(tools, "cpu,cuda", "--sm", "80,90", "--kv-cache", "f16")
    ids = [1, 403, 407, 261, 378]
    tokens = {sm: tools.generate(artifact, ids, 8, "--device", "cuda", env=card(tools, sm=sm)) for sm in (80, 86, 89, 90, 120)}
    assert all(each == tokens[80] for each in tokens.values()), tokens


def test_sampling_chooses_the_cpus_tokens(tools: Tools) -> None:
    artifact = stories(tools, "cpu,cuda", "--sm", "80,90", "--kv-cache", "f16")
    run = ("ingot-run", artifact, "--tokens", "1,403,407,261,378", "-n", 12, "--ignore-eos", "--print-tokens")
    for how in (
        ("--top-k", 40, "--top-p", 0.9),
        ("--top-k", 20, "--repetition-penalty", 1.3),
        ("--top-k", 0, "--min-p", 0.1),
        ("--top-k", 0, "--top-p", 0.9),
    ):
        how = ("--temperature", 0.9, "--seed", 5, *how)
        cpu, gpu = (tools.check(*run, *how, "--device", device, env=card(tools)) for device in ("cpu", "cuda"))
        assert cpu == gpu, f"{how}: {gpu}, expected {cpu}"


def test_what_cannot_run_says_why(tools: Tools) -> None:
    cuda, cpu = stories(tools, "cuda", "--sm", "90"), stories(tools, "cpu")
    assert "cuda" in refusal(tools, cuda, "--device", "cpu")
    assert "--target" in refusal(tools, cpu, "--device", "cuda", env=card(tools))
    assert "sm_80" in refusal(tools, cuda, "--device", "cuda", env=card(tools, sm=75))
    assert "driver" in refusal(tools, cuda, "--device", "cuda", env=card(tools, driver=10020))
    assert "too small" in refusal(tools, cuda, "--device", "cuda", env=card(tools, memory=MIB))
    crowded = ["--device", "cuda", "--max-sequences", 2000]
    assert "--max-sequences" in refusal(tools, cuda, *crowded, env=card(tools, memory=256 * MIB))
    assert "cuda:0 (Emulated" in refusal(tools, cuda, "--device", "cuda:3", env=card(tools))
    missing = {"INGOT_CUDA_DRIVER": "/nowhere/libcuda.so.1"}
    assert "/nowhere/libcuda.so.1" in refusal(tools, cuda, "--device", "cuda", env=missing)


if __name__ == "__main__":
    main(globals())
