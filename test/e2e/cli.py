#!/usr/bin/env python3
"""The tools' contract (design, section 11): exit codes, streams, options, one clear error for bad input.

Exit codes: 0 done, 1 bad input (diagnostics on stderr), 2 usage, 3 our own bug.
"""

import json
import shutil
from pathlib import Path

import numpy as np
from harness import STORIES, Tools, main, parse_ids, same_bytes

TOOLS = ("ingotc", "ingot-run", "ingot-bench", "ingot-inspect", "ingot-ref", "ingot-opt")
PROMPT = [1, 403, 407, 261, 378]
IDS = ",".join(map(str, PROMPT))


def stories(tools: Tools):
    return tools.compile(STORIES / "genai_fp32", "fp32")


def refused(tools: Tools, code: int, words: tuple[str, ...], tool: str, *args, **options) -> None:
    """The tool must exit with `code` and name all `words` on stderr."""
    done = tools.run(tool, *args, **options)
    command = f"{tool} {' '.join(map(str, args))}"
    assert done.returncode == code, f"{command}: exit {done.returncode}, expected {code}\n{done.stderr[-800:]}"
    assert done.stderr.strip(), f"{command}: no diagnostic on stderr"
    said = done.stderr + done.stderr.replace("-", "_")  # --top-p on the command line is top_p in the library
    missing = [word for word in words if word not in said]
    assert not missing, f"{command}: stderr does not name {missing}:\n{done.stderr[-800:]}"


def test_every_tool_has_help_and_version(tools: Tools) -> None:
    for tool in TOOLS:
        assert len(tools.check(tool, "--help")) > 100, tool
        assert any(c.isdigit() for c in tools.check(tool, "--version")), tool


def test_an_unknown_option_is_a_usage_error(tools: Tools) -> None:
    for tool in TOOLS:
        refused(tools, 2, (), tool, "--no-such-option")


def test_missing_arguments_are_usage_errors(tools: Tools) -> None:
    for tool in ("ingotc", "ingot-run", "ingot-bench", "ingot-inspect", "ingot-ref"):
        refused(tools, 2, (), tool)


def test_values_that_no_option_takes_are_usage_errors(tools: Tools) -> None:
    model, artifact = STORIES / "genai_fp32", stories(tools)
    out = tools.scratch / "none.ingot"
    for pair in ("--quantize int3", "--quantize int4:48x", "--activations f64", "--kv-cache int2", "--cpu v9",
                 "--max-context -1", "--jobs many", "--progress loud", "--target tpu", "--target cpu,tpu"):  # fmt: skip
        option, value = pair.split()
        refused(tools, 2, (option,), "ingotc", model, "-o", out, option, value)
    for pair in ("-n many", "--temperature hot", "--top-p x", "--threads 0", "--chunk 0", "--seed s", "--device tpu",
                 "--kv-memory lots", "-n -5", "--seed -1", "--top-k -1", "--temperature nan", "--top-p 0",
                 "--min-p 2", "--repetition-penalty 0"):  # fmt: skip
        option, value = pair.split()
        refused(tools, 2, (option.strip("-").replace("-", "_"),), "ingot-run", artifact, "--tokens", IDS, option, value)
    # fmt: off
    for options in (("--target", "cuda", "--sm", "75"), ("--target", "cuda", "--sm", "80,x"), ("--sm", "80"),
                    ("--target", "cuda", "--cpu", "v3"), ("--ptxas", "ptxas")):
        refused(tools, 2, (options[-2],), "ingotc", model, "-o", out, *options)
    # fmt: on
    assert not out.exists()


def test_missing_files_are_named(tools: Tools) -> None:
    gone = tools.scratch / "gone"
    refused(tools, 1, ("gone",), "ingotc", gone, "-o", tools.scratch / "x.ingot")
    for tool, args in (("ingot-run", ["--tokens", IDS]), ("ingot-bench", []), ("ingot-inspect", [])):
        refused(tools, 1, ("gone",), tool, gone, *args)
    refused(tools, 1, ("gone",), "ingot-run", stories(tools), "--prompt-file", gone)
    refused(tools, 1, ("gone",), "ingot-ref", gone, "--tokens", IDS, "--logits", tools.scratch / "x.npy")


def test_a_path_that_no_file_system_takes_is_refused(tools: Tools) -> None:
    for tool, args in (("ingotc", []), ("ingot-run", ["--tokens", IDS]), ("ingot-inspect", []), ("ingot-bench", [])):
        refused(tools, 1, ("aaaa",), tool, "a" * 5000, *args)


def test_ids_outside_the_vocabulary_are_forgotten(tools: Tools) -> None:
    folder = tools.scratch / "foreign-ids"
    shutil.copytree(STORIES / "genai_fp32", folder)
    (folder / "generation_config.json").write_text('{"eos_token_id": [2, 99999], "pad_token_id": 512}')
    artifact = tools.scratch / "foreign-ids.ingot"
    done = tools.run("ingotc", folder, "-o", artifact, "--progress", "none")
    assert done.returncode == 0 and "99999" in done.stderr and "512" in done.stderr, done.stderr
    assert tools.generate(artifact, PROMPT, 3) == tools.generate(stories(tools), PROMPT, 3)


def test_files_of_another_kind_are_refused(tools: Tools) -> None:
    text = tools.scratch / "text"
    text.write_text("this is no model\n" * 1000)
    out = tools.scratch / "text.ingot"
    refused(tools, 1, ("text",), "ingotc", text, "-o", out)
    assert not out.exists()
    for tool, args in (("ingot-run", ["--tokens", IDS]), ("ingot-inspect", [])):
        refused(tools, 1, ("text",), tool, text, *args)
        refused(tools, 1, ("model.onnx",), tool, STORIES / "genai_fp32" / "model.onnx", *args)


def test_a_broken_companion_file_is_named(tools: Tools) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        folder = tools.scratch / f"broken-{name}"
        shutil.copytree(STORIES / "genai_fp32", folder)
        (folder / name).write_text('{"model": ')
        refused(tools, 1, (name,), "ingotc", folder, "-o", tools.scratch / "broken.ingot")


def test_check_compiles_nothing(tools: Tools) -> None:
    before = set(tools.scratch.iterdir())
    tools.check("ingotc", STORIES / "genai_int4", "--check")
    json.loads(tools.check("ingotc", STORIES / "genai_int4", "--check", "--json"))
    assert set(tools.scratch.iterdir()) == before


def test_a_model_without_tokenizer_runs_on_tokens_only(tools: Tools) -> None:
    folder = tools.scratch / "bare"
    folder.mkdir()
    for name in ("model.onnx", "model.onnx.data"):
        shutil.copy(STORIES / "genai_fp32" / name, folder)
    artifact = tools.compile(folder / "model.onnx", "bare")
    assert tools.generate(artifact, PROMPT, 5) == tools.generate(stories(tools), PROMPT, 5)
    refused(tools, 1, ("tokenizer",), "ingot-run", artifact, "-p", "Once upon a time", "-n", 5)


def test_the_prompt_is_checked(tools: Tools) -> None:
    artifact = stories(tools)
    refused(tools, 2, ("--tokens",), "ingot-run", artifact, "--tokens", "1,x")
    refused(tools, 1, ("512",), "ingot-run", artifact, "--tokens", "1,512")
    refused(tools, 2, ("--tokens",), "ingot-run", artifact, "--tokens", "1,-3")
    too_long = ",".join(["5"] * 600)
    refused(tools, 1, ("600", "512"), "ingot-run", artifact, "--tokens", too_long, "-n", 1)
    refused(tools, 1, (), "ingot-run", artifact, "--chat", "-p", "hello", "-n", 1)  # it has no chat template


def test_max_context_holds(tools: Tools) -> None:
    artifact = tools.compile(STORIES / "genai_fp32", "short", "--max-context", 64)
    refused(tools, 1, ("65", "64"), "ingot-run", artifact, "--tokens", ",".join(["5"] * 65), "-n", 1)
    refused(tools, 1, ("--max-context", "512"), "ingotc", STORIES / "genai_fp32", "-o", tools.scratch / "long.ingot",
            "--max-context", 5000)  # fmt: skip


def test_a_full_context_stops_with_the_reason(tools: Tools) -> None:
    args = [
        stories(tools),
        "--tokens",
        ",".join(["5"] * 500),
        "-n",
        100,
        "--ignore-eos",
        "--print-tokens",
        "--temperature",
        0,
    ]
    done = tools.run("ingot-run", *args)
    assert done.returncode == 0, done.stderr
    assert "context" in done.stderr, done.stderr
    # 512 positions: 12 tokens can still be fed, and the logits of the last one choose one more.
    assert len(parse_ids(done.stdout)) in (12, 13), done.stdout


def test_nothing_but_the_answer_goes_to_stdout(tools: Tools) -> None:
    args = [stories(tools), "--tokens", IDS, "-n", 7, "--temperature", 0, "--stats"]
    assert len(parse_ids(tools.check("ingot-run", *args, "--print-tokens"))) == 7
    text = tools.check("ingot-run", *args)
    assert text.strip().startswith(", there was a"), text
    assert "tok/s" not in text
    assert tools.check("ingot-run", stories(tools), "--tokens", IDS, "-n", 0).strip() == ""


def test_logits_have_a_row_for_every_token_fed(tools: Tools) -> None:
    file = tools.scratch / "rows.npy"
    tools.check("ingot-run", stories(tools), "--tokens", IDS, "-n", 6, "--temperature", 0, "--logits", file)
    rows = np.load(file)
    assert rows.shape == (len(PROMPT) + 5, 512), rows.shape  # the last generated token is not fed
    refused(tools, 1, ("nowhere",), "ingot-run", stories(tools), "--tokens", IDS, "--logits", "/nowhere/x.npy")


def test_statistics_as_json(tools: Tools) -> None:
    done = tools.run("ingot-run", stories(tools), "--tokens", IDS, "-n", 7, "--stats", "--json")
    lines = [line for line in (done.stderr + done.stdout).splitlines() if line.startswith("{")]
    assert done.returncode == 0 and len(lines) == 1, done.stderr
    assert json.loads(lines[0])


def test_sampling_is_seeded(tools: Tools) -> None:
    args = [stories(tools), "--tokens", IDS, "-n", 40, "--temperature", 1, "--print-tokens", "--ignore-eos"]
    first = tools.check("ingot-run", *args, "--seed", 7)
    assert tools.check("ingot-run", *args, "--seed", 7) == first
    assert tools.check("ingot-run", *args, "--seed", 7, "--threads", 1) == first
    assert tools.check("ingot-run", *args, "--seed", 8) != first
    greedy = tools.generate(stories(tools), PROMPT, 40)
    assert parse_ids(tools.check("ingot-run", *args, "--seed", 7, "--top-k", 1)) == greedy


def test_a_stop_string_ends_the_text(tools: Tools) -> None:
    text = tools.check(
        "ingot-run", stories(tools), "-p", "Once upon a time", "-n", 100, "--temperature", 0, "--stop", "Lily"
    )
    assert "little girl" in text and "Lily" not in text, text


def test_inspect(tools: Tools) -> None:
    artifact = stories(tools)
    assert "512" in tools.check("ingot-inspect", artifact)
    json.loads(tools.check("ingot-inspect", artifact, "--json"))
    assert tools.check("ingot-inspect", artifact, "--mlir").strip()
    tools.check("ingot-inspect", artifact, "--verify")
    int4 = tools.check("ingot-inspect", tools.compile(STORIES / "genai_int4", "int4"), "--mlir")
    assert 'layout = "int4.sym.g' in int4 and 'layout = "rows.f32"' in int4  # the names of docs/weights.md


def test_bench(tools: Tools) -> None:
    out = tools.check("ingot-bench", stories(tools), "-p", 8, "-n", 4, "-r", 1, "-t", 1, "--json", timeout=300)
    assert json.loads(out)


def test_a_model_without_weights_is_benched_with_random_ones(tools: Tools) -> None:
    for form in ("genai_fp32", "genai_int4"):
        folder = tools.scratch / f"hollow-{form}"
        shutil.copytree(STORIES / form, folder, ignore=shutil.ignore_patterns("*.data"))
        refused(tools, 1, ("model.onnx.data",), "ingotc", folder, "-o", tools.scratch / "hollow.ingot")
        artifact = tools.compile(folder, f"hollow-{form}", "--no-weights")
        assert "left out" in tools.check("ingot-inspect", artifact)
        refused(tools, 1, ("--no-weights",), "ingot-run", artifact, "--tokens", IDS, "-n", 1)
        refused(tools, 1, ("--no-weights",), "ingot-bench", artifact)
        args = ("--random-weights", "-p", 8, "-n", 4, "-r", 1, "-t", 1, "--json")
        cases = json.loads(tools.check("ingot-bench", artifact, *args, timeout=300))["cases"]
        assert len(cases) == 2 and all(case["tokens_per_second"] > 0 for case in cases), cases


def test_the_reference_evaluator_agrees(tools: Tools) -> None:
    file = tools.scratch / "reference.npy"
    tools.check("ingot-ref", STORIES / "genai_fp32" / "model.onnx", "--tokens", IDS, "--logits", file)
    error = np.abs(np.load(file) - tools.logits(stories(tools), PROMPT)).max()
    assert error <= 1e-4, error


def test_an_unknown_cpu_level_is_refused(tools: Tools) -> None:
    refused(tools, 1, ("INGOT_CPU",), "ingot-run", stories(tools), "--tokens", IDS, "-n", 1, env={"INGOT_CPU": "v9"})


def cuda_stories(tools: Tools, target: str) -> Path:
    """PTX only: no ptxas is needed."""
    return tools.compile(STORIES / "genai_fp32", target, "--target", target, "--sm", "none")


def test_cubins_need_ptxas_and_ptx_does_not(tools: Tools) -> None:
    out = tools.scratch / "no-ptxas.ingot"
    model = STORIES / "genai_fp32"
    refused(tools, 1, ("ptxas", "/none"), "ingotc", model, "-o", out, "--target", "cuda", "--ptxas", "/none")
    assert not out.exists()
    bare = {"PATH": "/none", "INGOT_PTXAS": "/none", "CUDA_HOME": "/none"}
    tools.check("ingotc", model, "-o", out, "--target", "cuda", "--sm", "none", env=bare)


def test_an_artifact_holds_a_program_for_every_target(tools: Tools) -> None:
    for target in ("cpu,cuda", "cuda"):
        described = json.loads(tools.check("ingot-inspect", cuda_stories(tools, target), "--json"))
        assert [program["target"] for program in described["programs"]] == target.split(",")
        cuda = described["programs"][-1]
        assert [described["segments"][code["segment"]]["kind"] for code in cuda["code"]] == ["PTX", "PTX"]
        assert [code["level"] for code in cuda["code"]] == [80, 90]
        assert all(1 <= kernel["block_threads"] <= 1024 for kernel in cuda["kernels"])
        for form in ("--mlir", "--verify"):
            assert tools.check("ingot-inspect", cuda_stories(tools, target), form)
    assert "plan.program cuda" in tools.check("ingot-inspect", cuda_stories(tools, "cpu,cuda"), "--mlir")


def test_an_inspected_plan_is_a_valid_plan(tools: Tools) -> None:
    for artifact in (stories(tools), cuda_stories(tools, "cuda")):
        plan = tools.scratch / "plan.mlir"
        plan.write_text(tools.check("ingot-inspect", artifact, "--mlir"))
        assert "plan.step" in tools.check("ingot-opt", plan, "-verify-plan")


def test_the_cpu_program_is_the_same_beside_cuda(tools: Tools) -> None:
    both = cuda_stories(tools, "cpu,cuda")
    assert same_bytes(tools.logits(both, PROMPT), tools.logits(stories(tools), PROMPT))
    assert tools.generate(both, PROMPT, 5) == tools.generate(stories(tools), PROMPT, 5)


def test_code_for_another_machine_is_refused_by_name(tools: Tools) -> None:
    run = ("--tokens", IDS, "-n", 1)
    refused(tools, 1, ("--target cpu",), "ingot-run", cuda_stories(tools, "cuda"), *run, "--device", "cpu")
    refused(tools, 1, ("--target cuda",), "ingot-run", stories(tools), *run, "--device", "cuda")
    none = {"INGOT_CUDA_DRIVER": "/none"}
    refused(tools, 1, ("/none",), "ingot-run", cuda_stories(tools, "cuda"), *run, "--device", "cuda", env=none)
    refused(tools, 2, ("gpu", "cuda:N"), "ingot-run", stories(tools), *run, "--device", "gpu")


def test_devices_are_listed_without_a_model(tools: Tools) -> None:
    lines = tools.check("ingot-run", "--device", "list", env={"INGOT_CUDA_DRIVER": "/none"}).splitlines()
    assert lines[0].startswith("cpu ") and lines[1].startswith("cuda ") and "/none" in lines[1], lines


if __name__ == "__main__":
    main(globals())
