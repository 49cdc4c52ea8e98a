#!/usr/bin/env python3
"""Bad input and bad weather: one clear error, exit code 1, no partial output, never a crash."""

import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

from harness import STORIES, Skipped, Tools, main

PLACES = 64
FLIPS = 64
COMPILED_FLIPS = 12  # a compile that goes through takes seconds: most flips stop after `--check`
KILLS = 20
ONE_LEVEL = ["--cpu", "v3"]  # half the time; code generation is not what these are about
COMPANIONS = ("tokenizer.json", "tokenizer_config.json", "genai_config.json")


def model_copy(tools: Tools, name: str, form: str = "genai_int4") -> Path:
    folder = tools.scratch / name
    shutil.rmtree(folder, ignore_errors=True)
    return Path(shutil.copytree(STORIES / form, folder))


def problem(done: subprocess.CompletedProcess, must_fail: bool) -> str | None:
    """None if the tool kept the contract: exit 0 (unless it must fail) or 1 with a diagnostic, no sanitizer report."""
    if done.returncode == 0:
        return "accepted" if must_fail else None
    if done.returncode != 1:
        return f"exit {done.returncode}: {done.stderr[-300:]}"
    if "Sanitizer" in done.stderr or "runtime error:" in done.stderr:
        return done.stderr[:600]
    return None if done.stderr.strip() else "no diagnostic"


def compile_damaged(tools: Tools, folder: Path, must_fail: bool, *options: str) -> str | None:
    out = tools.scratch / "damaged.ingot"
    out.unlink(missing_ok=True)
    done = tools.run("ingotc", folder, "-o", out, "--progress", "none", *options)
    found = problem(done, must_fail)
    if found is None and done.returncode and out.exists():
        return "left an output behind"
    return found


def run_damaged(tools: Tools, artifact: Path, must_fail: bool) -> str | None:
    done = tools.run("ingot-run", artifact, "--tokens", "1,403", "-n", 2)
    return problem(done, must_fail)


def fail_on(problems: dict[str, str | None]) -> None:
    bad = {where: found for where, found in problems.items() if found}
    assert not bad, f"{len(bad)} of {len(problems)}: " + "; ".join(f"{k}: {v}" for k, v in list(bad.items())[:5])


def flipped(data: bytes, generator: random.Random) -> bytes:
    copy = bytearray(data)
    copy[generator.randrange(len(copy))] ^= 1 << generator.randrange(8)
    return bytes(copy)


def test_a_truncated_model_is_refused(tools: Tools) -> None:
    for name in ("model.onnx", "model.onnx.data", "tokenizer.json"):
        folder = model_copy(tools, "truncated")
        whole = (folder / name).read_bytes()
        problems = {}
        for i in range(PLACES):
            length = len(whole) * i // PLACES
            (folder / name).write_bytes(whole[:length])
            problems[f"{name} at {length}"] = compile_damaged(tools, folder, must_fail=True)
        fail_on(problems)


def test_flipped_bits_of_a_model_do_no_harm(tools: Tools) -> None:
    generator = random.Random(3)
    for name in ("model.onnx", *COMPANIONS):
        folder = model_copy(tools, "flipped")
        whole = (folder / name).read_bytes()
        problems = {}
        for i in range(FLIPS):
            (folder / name).write_bytes(flipped(whole, generator))
            options = ["--check"] if i >= COMPILED_FLIPS else ONE_LEVEL
            problems[f"{name} flip {i}"] = compile_damaged(tools, folder, False, *options)
        fail_on(problems)


def test_missing_external_data_is_named(tools: Tools) -> None:
    folder = model_copy(tools, "missing")
    (folder / "model.onnx.data").unlink()
    done = tools.run("ingotc", folder, "-o", tools.scratch / "m.ingot")
    assert done.returncode == 1 and "model.onnx.data" in done.stderr, (done.returncode, done.stderr)


def test_external_data_outside_the_folder_is_refused(tools: Tools) -> None:
    """`..` of the same length in the file, then a symlink out of the folder."""
    folder = model_copy(tools, "escape")
    shutil.copy(folder / "model.onnx.data", tools.scratch / "outsideX.data")
    graph = (folder / "model.onnx").read_bytes()
    (folder / "model.onnx").write_bytes(graph.replace(b"model.onnx.data", b"../outsideX.dat"))
    (tools.scratch / "outsideX.dat").write_bytes((folder / "model.onnx.data").read_bytes())
    assert compile_damaged(tools, folder, must_fail=True) is None, "`..` was followed"
    (folder / "model.onnx").write_bytes(graph)
    (folder / "model.onnx.data").unlink()
    (folder / "model.onnx.data").symlink_to(tools.scratch / "outsideX.dat")
    assert compile_damaged(tools, folder, must_fail=True) is None, "a symlink out of the folder was followed"


def test_a_truncated_artifact_is_refused(tools: Tools) -> None:
    whole = tools.compile(STORIES / "genai_int4", "int4").read_bytes()
    damaged, problems = tools.scratch / "truncated.ingot", {}
    for i in range(PLACES):
        length = len(whole) * i // PLACES
        damaged.write_bytes(whole[:length])
        problems[f"at {length}"] = run_damaged(tools, damaged, must_fail=True)
    fail_on(problems)


def test_flipped_bits_of_an_artifact_do_no_harm(tools: Tools) -> None:
    """Weights are hashed by --verify only, so a run may go on; --verify must see every flip but those in padding."""
    whole = tools.compile(STORIES / "genai_int4", "int4").read_bytes()
    generator, damaged, problems, seen = random.Random(4), tools.scratch / "flipped.ingot", {}, 0
    for i in range(FLIPS):
        damaged.write_bytes(flipped(whole, generator))
        problems[f"flip {i}"] = run_damaged(tools, damaged, must_fail=False)
        verified = tools.run("ingot-inspect", damaged, "--verify")
        problems[f"verify of flip {i}"] = problem(verified, must_fail=False)
        seen += verified.returncode == 1
    fail_on(problems)
    print(f"--verify saw {seen} of {FLIPS} flips")
    assert seen >= FLIPS // 2, f"--verify saw {seen} of {FLIPS} flips"


def mounted(folder: Path, *options: str) -> bool:
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", *options, "tmpfs", str(folder)]
    return subprocess.run(mount, check=False, capture_output=True).returncode == 0


def test_a_full_disk(tools: Tools) -> None:
    disk = tools.scratch / "disk"
    if not mounted(disk, "-o", "size=128k"):
        raise Skipped("cannot mount a tmpfs here (needs root)")
    try:
        done = tools.run("ingotc", STORIES / "genai_fp32", "-o", disk / "x.ingot", "--progress", "none")
        assert problem(done, must_fail=True) is None, done.stderr
        assert "x.ingot" in done.stderr or "space" in done.stderr, done.stderr
        assert not (disk / "x.ingot").exists()
        small = tools.compile(STORIES / "genai_fp32", "fp32")
        tokens = ",".join(["5"] * 200)
        done = tools.run("ingot-run", small, "--tokens", tokens, "-n", 0, "--logits", disk / "l.npy")
        assert problem(done, must_fail=True) is None, done.stderr
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_read_only_folder(tools: Tools) -> None:
    disk = tools.scratch / "read-only"
    if not mounted(disk, "-o", "ro"):
        raise Skipped("cannot mount a tmpfs here (needs root)")
    try:
        done = tools.run("ingotc", STORIES / "genai_fp32", "-o", disk / "x.ingot", "--progress", "none")
        assert problem(done, must_fail=True) is None, done.stderr
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_an_output_folder_that_is_not_there(tools: Tools) -> None:
    done = tools.run("ingotc", STORIES / "genai_fp32", "-o", tools.scratch / "absent" / "x.ingot")
    assert done.returncode == 1 and "absent" in done.stderr, (done.returncode, done.stderr)


def test_a_failed_compile_keeps_the_old_artifact(tools: Tools) -> None:
    out = tools.scratch / "kept.ingot"
    out.write_bytes(b"the old file")
    folder = model_copy(tools, "bad-model")
    (folder / "model.onnx").write_bytes(b"\xff" * 100)
    assert tools.run("ingotc", folder, "-o", out).returncode == 1
    assert out.read_bytes() == b"the old file"


def test_kill_leaves_the_old_file_or_the_new_one(tools: Tools) -> None:
    model, folder = STORIES / "genai_fp32", tools.scratch / "killed"
    folder.mkdir()
    out = folder / "x.ingot"
    start = time.monotonic()
    tools.check("ingotc", model, "-o", out, "--progress", "none", *ONE_LEVEL)
    duration, new = time.monotonic() - start, out.read_bytes()
    generator, finished = random.Random(5), 0
    for i in range(KILLS):
        out.unlink(missing_ok=True)
        if i % 2:
            out.write_bytes(b"old")
        child = subprocess.Popen(
            [tools.path("ingotc"), model, "-o", out, "--progress", "none", *ONE_LEVEL], stderr=subprocess.DEVNULL
        )
        time.sleep(duration * generator.uniform(0, 1.05))
        child.send_signal(signal.SIGKILL)
        finished += child.wait() == 0
        left = out.read_bytes() if out.exists() else None
        assert left in (new, b"old" if i % 2 else None), f"kill {i}: {len(left or b'')} bytes are neither old nor new"
    assert finished < KILLS, "no compile was killed in time"
    tools.check("ingotc", model, "-o", out, "--progress", "none", *ONE_LEVEL)
    assert out.read_bytes() == new
    hidden = [name for name in os.listdir(folder) if name != "x.ingot"]
    assert not hidden, f"left behind after a whole compile: {hidden}"


def test_interrupt_ends_a_run_cleanly(tools: Tools) -> None:
    artifact = tools.compile(STORIES / "genai_fp32", "fp32")
    command = [
        tools.path("ingot-run"),
        artifact,
        "-p",
        "Once",
        "-n",
        "500",
        "--ignore-eos",
        "--threads",
        "1",
        "--chunk",
        "1",
    ]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    child.stdout.read(1)
    child.send_signal(signal.SIGINT)
    _, stderr = child.communicate(timeout=20)
    assert child.returncode in (0, 130), (child.returncode, stderr)


if __name__ == "__main__":
    main(globals())
