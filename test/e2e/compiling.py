#!/usr/bin/env python3
"""What a build pipeline relies on: the same bytes every time, bounded memory, a small artifact, a report."""

import json
import os

from harness import STORIES, Tools, main

MEBIBYTE = 1 << 20


def peak_memory(tools: Tools, *args) -> int:
    """Runs ingotc in a process of its own; returns its peak resident bytes."""
    log = tools.scratch / "ingotc.log"
    command = [str(tools.path("ingotc")), *map(str, args)]
    stream = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    child = os.posix_spawn(command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, stream, 2)])
    os.close(stream)
    _, status, usage = os.wait4(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0, log.read_text()
    return usage.ru_maxrss * 1024


def check_reproducible(tools: Tools, model, *options) -> None:
    artifacts = []
    for i, jobs in enumerate((1, 2)):
        out = tools.scratch / f"again-{i}.ingot"
        tools.check("ingotc", model, "-o", out, "--jobs", jobs, "--progress", "none", *options)
        artifacts.append(out.read_bytes())
    assert artifacts[0] == artifacts[1], "compiles differ"


def test_two_compiles_give_the_same_bytes(tools: Tools) -> None:
    check_reproducible(tools, STORIES / "genai_fp32")
    check_reproducible(tools, STORIES / "genai_fp32", "--quantize", "int4")
    check_reproducible(tools, STORIES / "genai_int4")
    check_reproducible(tools, STORIES / "genai_fp32", "--target", "cpu,cuda", "--sm", "none")
    check_reproducible(tools, STORIES / "genai_int4", "--target", "cuda", "--sm", "80,90")


def test_another_folder_and_time_give_the_same_bytes(tools: Tools) -> None:
    copy = tools.scratch / "elsewhere"
    copy.mkdir()
    for file in (STORIES / "genai_int4").iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    here, there = (tools.compile(folder, name) for folder, name in ((STORIES / "genai_int4", "here"), (copy, "there")))
    assert here.read_bytes() == there.read_bytes()


def test_the_report_has_every_phase(tools: Tools) -> None:
    report = tools.scratch / "report.json"
    tools.check("ingotc", STORIES / "genai_fp32", "-o", tools.scratch / "r.ingot", "--report", report)
    text = json.dumps(json.loads(report.read_text()))
    for phase in ("import", "infer", "fuse", "quantize", "specialize", "lower", "plan", "write"):
        assert f'"{phase}"' in text, f"{phase} is not in the report"


def test_the_report_has_every_cuda_kernel_on_every_architecture(tools: Tools) -> None:
    report, out = tools.scratch / "kernels.json", tools.scratch / "kernels.ingot"
    tools.check("ingotc", STORIES / "genai_fp32", "-o", out, "--target", "cuda", "--sm", "80,90", "--report", report)
    text = json.loads(report.read_text())
    assert {"lower-cuda", "plan-cuda", "code-cuda"} <= {phase["name"] for phase in text["phases"]}
    program = json.loads(tools.check("ingot-inspect", out, "--json"))["programs"][0]
    launched = {kernel["name"]: kernel for kernel in program["kernels"]}
    for sm in (80, 90):
        reported = {kernel["name"]: kernel for kernel in text["kernels"] if kernel["sm"] == sm}
        assert reported.keys() == launched.keys(), reported.keys() ^ launched.keys()
        for name, kernel in reported.items():
            assert kernel["threads"] == launched[name]["block_threads"]
            assert kernel["registers"] > 0 and kernel["blocks_per_sm"] > 0
            assert kernel["spill_bytes"] == kernel["stack_bytes"] == 0


def test_dumped_kernels_are_there_for_every_target(tools: Tools) -> None:
    folder = tools.scratch / "asm"
    options = ("--target", "cpu,cuda", "--sm", "90", "--dump-asm", folder)
    tools.check("ingotc", STORIES / "genai_fp32", "-o", tools.scratch / "asm.ingot", *options)
    kinds = {file.name.split(".", 1)[1] for file in folder.iterdir()}
    expected = {"v3.s", "v4.s", "sm_80.ptx", "sm_90.ptx", "sm_80.ll", "sm_90.mlir"}
    assert expected <= kinds, expected - kinds


def test_smollm2_to_int4_stays_under_300_megabytes(tools: Tools) -> None:
    out = tools.scratch / "rtn.ingot"
    peak = peak_memory(tools, tools.smollm2("fp32"), "-o", out, "--quantize", "int4", "--progress", "none")
    print(f"fp32 (540 MB) to int4: peak {peak / MEBIBYTE:.0f} MiB, artifact {out.stat().st_size / 1e6:.1f} MB")
    assert peak < 300e6, f"peak {peak / 1e6:.0f} MB"


def test_smollm2_compiles_reproducibly(tools: Tools) -> None:
    check_reproducible(tools, tools.smollm2("fp32"), "--quantize", "int4")


def test_the_int4_artifact_is_as_small_as_its_weights(tools: Tools) -> None:
    """4-bit matrices, float16 scale and minimum a block of 32; 8-bit table, float16 scale; float32 gains."""
    config = json.loads((tools.smollm2("int4") / "config.json").read_text())
    hidden, layers, ff = config["hidden_size"], config["num_hidden_layers"], config["intermediate_size"]
    kv = config["num_key_value_heads"] * config["head_dim"]
    matrices = layers * (2 * hidden * hidden + 2 * hidden * kv + 3 * hidden * ff)
    table, gains = config["vocab_size"] * hidden, (2 * layers + 1) * hidden
    packed = matrices * (4 + 32 / 32) / 8 + table * (8 + 16 / 32) / 8 + 4 * gains
    size = tools.compile(tools.smollm2("int4"), "smollm2-int4").stat().st_size
    print(f"artifact {size / 1e6:.2f} MB, packed weights {packed / 1e6:.2f} MB, ratio {size / packed:.4f}")
    assert size <= 1.03 * packed


if __name__ == "__main__":
    main(globals())
