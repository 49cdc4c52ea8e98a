"""Ingot itself: the int4 folder compiled with the default options (so int8 activations: the graph's accuracy level)."""

import json
from pathlib import Path

from peer import (
    DECODE_TOKENS,
    PREFILL_TOKENS,
    PROMPT,
    Peer,
    Sample,
    run,
    seconds_to_first_byte,
)


class Ingot(Peer):
    """`probe` holds the read probe's bytes per second after each sample, from the same run of ingot-bench."""

    name = "ingot int4"
    probe: float | None = None

    def __init__(self, bin_folder: Path, folder: Path, model: Path):
        self._bin, self._folder, self._source = bin_folder, folder, model

    def prepare(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._artifact = self._folder / "smollm2-int4.ingot"
        run([self._bin / "ingotc", self._source, "-o", self._artifact, "--progress", "none"])

    def measure(self, threads: int) -> Sample:
        bench = [self._bin / "ingot-bench", self._artifact, "-p", PREFILL_TOKENS, "-n", DECODE_TOKENS, "-t", threads]
        report = json.loads(run([*bench, "-r", 1, "--json"]))
        speed = {case["kind"]: case["tokens_per_second"] for case in report["cases"]}
        self.probe = report["probes"][0]["bytes_per_second"]
        self.bytes_per_token = report["weight_bytes_per_token"]
        first = [
            self._bin / "ingot-run",
            self._artifact,
            "-p",
            PROMPT,
            "-n",
            1,
            "--temperature",
            0,
            "--threads",
            threads,
        ]
        return Sample(speed["decode"], speed["prefill"], seconds_to_first_byte(first))
