#!/usr/bin/env python3
"""The law: the bits of every logit depend on the model, its options and the tokens, not on how the work was cut.

Every combination of chunk, threads and CPU level must write the same bytes as the first one. (Sequences mixed in one
step are tested through the C API, in test/unit.)
"""

import itertools
import json
from pathlib import Path

import numpy as np
from harness import DATA, STORIES, Skipped, Tools, main, same_bytes

CHUNKS = (None, 1, 7, 64)  # None: the whole prompt at once
THREADS = (1, 2, 3)
LEVELS = ("v3", "v4")
REQUIRED_V4 = {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl", "avx512_vnni"}


def levels_here() -> tuple[str, ...]:
    flags = set(
        next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags")).split()
    )
    return LEVELS if flags >= REQUIRED_V4 else LEVELS[:1]


def check_law(tools: Tools, artifact: Path, tokens: list[int]) -> None:
    first, broken, count = None, [], 0
    for level, threads, chunk in itertools.product(levels_here(), THREADS, CHUNKS):
        options = ["--threads", threads, *(["--chunk", chunk] if chunk else [])]
        logits = tools.logits(artifact, tokens, *options, env={"INGOT_CPU": level})
        first = logits if first is None else first
        count += 1
        if not same_bytes(first, logits):
            broken.append(f"{level} threads={threads} chunk={chunk or 'whole'}: {differing_rows(first, logits)}")
    print(f"{artifact.stem}: {count - len(broken)} of {count} runs have the same bytes ({', '.join(levels_here())})")
    assert np.isfinite(first).all(), "logits are not finite"
    assert not broken, "\n".join(broken)


def differing_rows(a: np.ndarray, b: np.ndarray) -> str:
    rows = np.flatnonzero((a.view(np.uint32) != b.view(np.uint32)).any(axis=1))
    return f"{len(rows)} rows differ, first {rows[0]}, by at most {np.abs(a - b).max()}"


def story_tokens() -> list[int]:
    """205 tokens: attention crosses a tile of 128 positions."""
    goldens = np.load(STORIES / "goldens.npz")
    return goldens["prompt"].tolist() + goldens["fp32_greedy"].tolist()


def smollm2_tokens() -> list[int]:
    cases = json.loads((DATA / "smollm2/golden.json").read_text())["cases"]
    return [token for case in cases for token in case["prompt_ids"] + case["greedy_ids"]][:150]


def test_stories_fp32(tools: Tools) -> None:
    check_law(tools, tools.compile(STORIES / "genai_fp32", "fp32"), story_tokens())


def test_stories_int4_f32_activations(tools: Tools) -> None:
    check_law(tools, tools.compile(STORIES / "genai_int4", "int4-f32", "--activations", "f32"), story_tokens())


def test_stories_int4_int8_activations(tools: Tools) -> None:
    check_law(tools, tools.compile(STORIES / "genai_int4", "int4-int8", "--activations", "int8"), story_tokens())


def test_stories_quantised_by_us(tools: Tools) -> None:
    for bits in ("int8", "int4", "int4:64", "int4:128"):
        artifact = tools.compile(STORIES / "genai_fp32", f"rtn-{bits.replace(':', '-g')}", "--quantize", bits)
        check_law(tools, artifact, story_tokens())


def test_stories_f16_cache(tools: Tools) -> None:
    check_law(tools, tools.compile(STORIES / "genai_fp32", "kv-f16", "--kv-cache", "f16"), story_tokens())


def test_smollm2_fp32(tools: Tools) -> None:
    check_law(tools, tools.compile(tools.smollm2("fp32"), "smollm2-fp32"), smollm2_tokens())


def test_smollm2_int4_f32_activations(tools: Tools) -> None:
    artifact = tools.compile(tools.smollm2("int4"), "smollm2-int4-f32", "--activations", "f32")
    check_law(tools, artifact, smollm2_tokens())


def test_smollm2_int4_int8_activations(tools: Tools) -> None:
    artifact = tools.compile(tools.smollm2("int4"), "smollm2-int4-int8", "--activations", "int8")
    check_law(tools, artifact, smollm2_tokens())


def test_both_cpu_levels_were_run(tools: Tools) -> None:
    if levels_here() != LEVELS:
        raise Skipped("this CPU has no AVX-512 VNNI: v4 was not compared")


if __name__ == "__main__":
    main(globals())
