"""llama.cpp, built natively from the source in the PyPI package llama-cpp-python (MIT)."""

import json
import subprocess
import sys
import tarfile
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

PACKAGE = "llama-cpp-python==0.3.36"
CMAKE_OPTIONS = [
    "-GNinja", "-DCMAKE_BUILD_TYPE=Release", "-DGGML_NATIVE=ON", "-DGGML_OPENMP=OFF", "-DBUILD_SHARED_LIBS=OFF",
    "-DLLAMA_CURL=OFF", "-DLLAMA_OPENSSL=OFF", "-DLLAMA_BUILD_TESTS=OFF", "-DLLAMA_BUILD_EXAMPLES=OFF",
    "-DLLAMA_BUILD_SERVER=OFF", "-DCMAKE_C_COMPILER=clang-19", "-DCMAKE_CXX_COMPILER=clang++-19",
]  # fmt: skip
TARGETS = ["llama-bench", "llama-quantize", "llama-completion"]


def build(folder: Path, jobs: int) -> Path:
    """The folder of the three programs; builds them (some minutes) unless they are there."""
    programs = folder / "llama-build" / "bin"
    if all((programs / target).exists() for target in TARGETS):
        return programs
    folder.mkdir(parents=True, exist_ok=True)
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "-d", folder, PACKAGE]
    subprocess.run(pip, check=True)
    with tarfile.open(next(folder.glob("llama_cpp_python-*.tar.gz"))) as archive:
        archive.extractall(folder, filter="data")
    source = next(folder.glob("llama_cpp_python-*/vendor/llama.cpp"))
    subprocess.run(["cmake", "-S", source, "-B", folder / "llama-build", *CMAKE_OPTIONS], check=True)
    subprocess.run(["ninja", "-C", folder / "llama-build", f"-j{jobs}", *TARGETS], check=True)
    return programs


class Llama(Peer):
    """`kind` is Q4_1, the file's own grid, or Q4_0, requantised from it: lossy, llama.cpp's fastest form."""

    def __init__(self, folder: Path, gguf: Path, kind: str, jobs: int):
        self.name = f"llama.cpp {kind}"
        self._folder, self._gguf, self._kind, self._jobs = folder, gguf, kind, jobs

    def prepare(self) -> None:
        self._programs = build(self._folder, self._jobs)
        self._model = self._gguf
        if self._kind != "Q4_1":
            self._model = self._folder / f"smollm2-{self._kind}.gguf"
        if not self._model.exists():
            run([self._programs / "llama-quantize", "--allow-requantize", self._gguf, self._model, self._kind])
        self.bytes_per_token = self._model.stat().st_size  # embedding and head are one table: all of it is read

    def measure(self, threads: int) -> Sample:
        bench = [self._programs / "llama-bench", "-m", self._model, "-t", threads, "-r", 1, "-o", "json"]
        runs = json.loads(run([*bench, "-p", PREFILL_TOKENS, "-n", DECODE_TOKENS]))
        speed = {r["n_gen"]: r["avg_ts"] for r in runs}
        complete = [self._programs / "llama-completion", "-m", self._model, "-t", threads, "-no-cnv", "--temp", 0]
        complete += ["--no-warmup", "--no-display-prompt", "-c", 512, "-n", 1, "-p", PROMPT]
        return Sample(speed[DECODE_TOKENS], speed[0], seconds_to_first_byte(complete))
