"""What every peer of the comparison offers, and how a process is timed."""

import os
import resource
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

PREFILL_TOKENS = 512
DECODE_TOKENS = 128
# 32 tokens of SmolLM2's tokenizer, and as ids for the peers that take none of our text.
PROMPT = (
    "The lighthouse keeper climbed the stairs every evening, lit the lamp, and wrote one line in a small book about"
    " the weather, the ships and the birds he saw"
)
PROMPT_IDS = (
    "504,33059,40061,30324,260,24224,897,9053,28,1150,260,17559,28,284,4150,582,1761,281,253,1165,1863,563,260,3947,28,"
    "260,7761,284,260,4255,384,3680"
)


@dataclass(frozen=True)
class Sample:
    decode: float  # tokens per second, 128 tokens after an empty or short prompt
    prefill: float  # tokens per second, 512 tokens at once
    first_token: float  # seconds from process start to the first token of a 32-token prompt; the model is in page cache


class Peer:
    """One program with one form of the model. `prepare` may build and download; `measure` takes one sample."""

    name: str
    bytes_per_token: int | None = None  # weights read for each decoded token

    def prepare(self) -> None:
        raise NotImplementedError

    def measure(self, threads: int) -> Sample:
        raise NotImplementedError


def run(command: list, **options) -> str:
    """Runs a command in a session of its own (the scheduler groups by session); returns stdout."""
    done = subprocess.run(
        [str(c) for c in command], capture_output=True, text=True, check=False, start_new_session=True, **options
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stderr[-2000:]}")
    return done.stdout


def seconds_to_first_byte(command: list) -> float:
    """From starting the process to the first byte on its stdout; it is then left to end by itself."""
    start = time.perf_counter()
    with subprocess.Popen(
        [str(c) for c in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as child:
        first = os.read(child.stdout.fileno(), 1)
        elapsed = time.perf_counter() - start
        child.stdout.read()
    if not first or child.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: exit {child.returncode}, no token on stdout")
    return elapsed


class ForeignShare:
    """Which share of this machine's processors others used since the start: above a few percent, measure again."""

    def __init__(self):
        self._start = self._now()

    def share(self) -> float:
        capacity, busy, own = (b - a for a, b in zip(self._start, self._now(), strict=True))
        return max(0.0, busy - own) / capacity

    @staticmethod
    def _now() -> tuple[float, float, float]:
        fields = [int(v) for v in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        tick = os.sysconf("SC_CLK_TCK")
        idle = fields[3] + fields[4]
        usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        own = sum(u.ru_utime + u.ru_stime for u in usages)
        return sum(fields) / tick, (sum(fields) - idle) / tick, own
