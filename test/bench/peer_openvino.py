"""OpenVINO GenAI from PyPI, on the Q4_1 file that everything here comes from: it reads GGUF."""

from pathlib import Path

from peer import DECODE_TOKENS, PREFILL_TOKENS, PROMPT_IDS, Peer, Sample, run, seconds_to_first_byte
from peers_python import environment


class OpenVino(Peer):
    name = "openvino-genai Q4_1"

    def __init__(self, folder: Path, gguf: Path):
        self._folder, self._gguf = folder, gguf

    def prepare(self) -> None:
        self._python = environment(self._folder)
        self.bytes_per_token = self._gguf.stat().st_size

    def measure(self, threads: int) -> Sample:
        worker = [self._python, Path(__file__).with_name("openvino_worker.py"), self._gguf, threads]
        prefill, decode = (float(v) for v in run([*worker, "sample", PREFILL_TOKENS, DECODE_TOKENS]).split())
        return Sample(decode, prefill, seconds_to_first_byte([*worker, "first", PROMPT_IDS]))
