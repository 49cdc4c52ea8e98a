"""Runs in the peers' virtual environment: one sample of onnxruntime-genai, or the first token of a prompt.

genai_worker.py MODEL_FOLDER THREADS sample PREFILL DECODE -> "prefill tok/s, decode tok/s" on stdout
genai_worker.py MODEL_FOLDER THREADS first ID,ID,...       -> the first token's id on stdout
"""

import json
import sys
import time

import onnxruntime_genai as og


def generator(model: og.Model, length: int) -> og.Generator:
    parameters = og.GeneratorParams(model)
    parameters.set_search_options(max_length=length, min_length=length, do_sample=False)
    return og.Generator(model, parameters)


def timed_prefill(model: og.Model, tokens: int) -> float:
    fresh = generator(model, tokens + 8)
    start = time.perf_counter()
    fresh.append_tokens([504] * tokens)
    fresh.generate_next_token()
    return tokens / (time.perf_counter() - start)


def timed_decode(model: og.Model, tokens: int) -> float:
    fresh = generator(model, tokens + 8)
    fresh.append_tokens([504])
    fresh.generate_next_token()
    start = time.perf_counter()
    for _ in range(tokens):
        fresh.generate_next_token()
    return tokens / (time.perf_counter() - start)


def model_on_threads(folder: str, threads: int) -> og.Model:
    config = og.Config(folder)
    config.overlay(json.dumps({"model": {"decoder": {"session_options": {"intra_op_num_threads": threads}}}}))
    return og.Model(config)


def main() -> None:
    folder, threads, task, *values = sys.argv[1:]
    model = model_on_threads(folder, int(threads))
    if task == "first":
        prompt = [int(i) for i in values[0].split(",")]
        fresh = generator(model, len(prompt) + 8)
        fresh.append_tokens(prompt)
        fresh.generate_next_token()
        print(fresh.get_next_tokens()[0], flush=True)
        return
    timed_prefill(model, 16)  # warm up
    print(timed_prefill(model, int(values[0])), timed_decode(model, int(values[1])))


main()
