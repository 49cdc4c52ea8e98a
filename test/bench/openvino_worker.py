"""Runs in the peers' virtual environment: one sample of OpenVINO GenAI, or the first token of a prompt.

openvino_worker.py GGUF THREADS sample PREFILL DECODE -> "prefill tok/s, decode tok/s" on stdout
openvino_worker.py GGUF THREADS first ID,ID,...       -> the first token's id on stdout
"""

import sys
import time

import numpy as np
import openvino as ov
import openvino_genai as genai


def seconds(pipeline: genai.LLMPipeline, prompt: list[int], new_tokens: int) -> tuple[float, float, int]:
    """(until the first token, whole time, the first token)."""
    config = genai.GenerationConfig(max_new_tokens=new_tokens, ignore_eos=True, do_sample=False)
    start, first = time.perf_counter(), []

    def note(token: int) -> genai.StreamingStatus:
        if not first:
            first.extend([time.perf_counter() - start, token])
        return genai.StreamingStatus.RUNNING

    class Streamer(genai.StreamerBase):
        def write(self, tokens: int | list[int]) -> genai.StreamingStatus:
            return note(tokens if isinstance(tokens, int) else tokens[0])

        def end(self) -> None:
            pass

    pipeline.generate(ov.Tensor(np.array([prompt], np.int64)), config, Streamer())
    return first[0], time.perf_counter() - start, first[1]


def main() -> None:
    gguf, threads, task, *values = sys.argv[1:]
    pipeline = genai.LLMPipeline(gguf, "CPU", INFERENCE_NUM_THREADS=int(threads))
    if task == "first":
        print(seconds(pipeline, [int(i) for i in values[0].split(",")], 1)[2], flush=True)
        return
    prefill, decode = map(int, values)
    seconds(pipeline, [504] * 16, 4)  # warm up
    until_first, whole, _ = seconds(pipeline, [504], decode + 1)
    print(prefill / seconds(pipeline, [504] * prefill, 1)[0], decode / (whole - until_first))


main()
