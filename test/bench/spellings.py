#!/usr/bin/env python3
"""One decoder, three spellings: the speed of SmolLM2 must not depend on how its graph was written.

    test/bench/spellings.py --bin build/release/bin [--weights int4] [-t 2] [-r 5]

Compiles the three forms of tools/models/smollm2.py and runs ingot-bench on them in turn. Prints the median prefill and
decode speed of each, its spread over the rounds, and its ratio to the first form. Exits 1 if a ratio leaves 1 by more than
the widest spread seen: then the spellings are not one program.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
FORMS = ("genai", "optimum", "opset23")


def compile_form(options: argparse.Namespace, form: str, scratch: Path) -> Path:
    folder, artifact = scratch / form, scratch / f"{form}.ingot"
    make = [sys.executable, REPOSITORY / "tools/models/smollm2.py", folder, "--form", form]
    make += ["--weights", options.weights, "--qkv", "separate", "--cache", options.models]
    subprocess.run(make, check=True, stderr=subprocess.DEVNULL)
    ingotc = [options.bin / "ingotc", folder, "-o", artifact, "--activations", "f32", "--progress", "none"]
    subprocess.run(ingotc, check=True, stdout=subprocess.DEVNULL)
    return artifact


def measure(options: argparse.Namespace, artifact: Path) -> dict[str, float]:
    """Tokens a second by kind, of one round."""
    bench = [options.bin / "ingot-bench", artifact, "-p", "128", "-n", "64", "-t", str(options.threads), "-r", "1"]
    done = subprocess.run([*bench, "--json"], check=True, stdout=subprocess.PIPE)
    return {case["kind"]: case["tokens_per_second"] for case in json.loads(done.stdout)["cases"]}


def spread(values: list[float]) -> float:
    return (max(values) - min(values)) / statistics.median(values)


def report(samples: dict[str, list[dict[str, float]]]) -> bool:
    """Prints the table; whether all forms are equally fast."""
    equal = True
    for kind in ("prefill", "decode"):
        speeds = {form: [sample[kind] for sample in rounds] for form, rounds in samples.items()}
        noise = max(map(spread, speeds.values()))
        first = statistics.median(speeds[FORMS[0]])
        for form, values in speeds.items():
            ratio = statistics.median(values) / first
            equal &= abs(ratio - 1) <= noise
            print(
                f"{kind:8} {form:8} {statistics.median(values):8.1f} tok/s  spread {spread(values):5.1%}  x{ratio:.3f}"
            )
    return equal


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=Path, required=True, help="folder of ingotc and ingot-bench")
    parser.add_argument("--models", type=Path, default=REPOSITORY / "build/models", help="the downloaded package")
    parser.add_argument("--weights", choices=["fp32", "int4"], default="int4")
    parser.add_argument("-t", "--threads", type=int, default=2)
    parser.add_argument("-r", "--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ingot-spellings-") as scratch:
        artifacts = {form: compile_form(options, form, Path(scratch)) for form in FORMS}
        samples: dict[str, list] = {form: [] for form in FORMS}
        for _ in range(options.rounds):
            for form, artifact in artifacts.items():
                samples[form].append(measure(options, artifact))
    equal = report(samples)
    print("equal within the noise" if equal else "NOT EQUAL: a spelling costs speed")
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())
