#!/usr/bin/env python3
"""The C API by C programs: the example continues prompts as ingot-run does; sequences that share steps keep their bits."""

import random
import subprocess

from harness import STORIES, Tools, main, parse_ids

PROMPTS = ([1, 403, 407, 261, 378], [1, 317, 285, 263], [1, 9, 410, 345, 300, 270, 294, 286])


def ids(tokens) -> str:
    return ",".join(map(str, tokens))


def run(tools: Tools, program: str, *args) -> str:
    done = subprocess.run([tools.path(program), *map(str, args)], capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, f"{program}: exit {done.returncode}\n{done.stderr}"
    return done.stdout


def test_the_example_continues_prompts_as_ingot_run_does(tools: Tools) -> None:
    artifact = tools.compile(STORIES / "genai_fp32", "fp32")
    together = run(tools, "example_c", artifact, 30, *map(ids, PROMPTS)).splitlines()
    for prompt, line in zip(PROMPTS, together, strict=True):
        assert parse_ids(line) == tools.generate(artifact, prompt, 30), prompt


def test_the_example_names_what_is_wrong(tools: Tools) -> None:
    done = subprocess.run([tools.path("example_c"), "gone.ingot", "3", "1"], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "gone.ingot" in done.stderr, done.stderr


def test_sequences_that_share_steps_with_pads_keep_their_bits(tools: Tools) -> None:
    draw = random.Random(3)
    texts = [ids(draw.randrange(512) for _ in range(count)) for count in (200, 37, 121)]
    for name, options in (("fp32", []), ("int4", ["--quantize", "int4"]), ("int4-f32", ["--quantize", "int4", "--activations", "f32"])):
        run(tools, "mixing", tools.compile(STORIES / "genai_fp32", name, *options), *texts)


if __name__ == "__main__":
    main(globals())
