"""Runs in the peers' virtual environment: one sample of onnxruntime-genai, or the first token of a prompt.

genai_worker.py MODEL_FOLDER sample PREFILL DECODE -> "prefill tok/s, decode tok/s" on stdout
genai_worker.py MODEL_FOLDER first ID,ID,...       -> the first token's id on stdout
"""

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


def main() -> None:
    model = og.Model(sys.argv[1])
    if sys.argv[2] == "first":
        prompt = [int(i) for i in sys.argv[3].split(",")]
        fresh = generator(model, len(prompt) + 8)
        fresh.append_tokens(prompt)
        fresh.generate_next_token()
        print(fresh.get_next_tokens()[0], flush=True)
        return
    prefill, decode = int(sys.argv[3]), int(sys.argv[4])
    timed_prefill(model, 16)  # warm up
    print(timed_prefill(model, prefill), timed_decode(model, decode))


main()
