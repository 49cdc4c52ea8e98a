#!/usr/bin/env python3
"""The shapes of gpu.sh through PyTorch with CUDA graphs, for a peer on the same card: decode alone and in batches, prompts, bf16.

    gpu_torch.py [--shapes llama-1b,llama-8b] [--device cuda]     tiny on cpu tries the script itself

A plain decoder of torch ops (rms_norm, linear, scaled_dot_product_attention) with a static cache, captured once a case. A case
that PyTorch cannot do is named and makes the exit code 1; the others still run."""

import argparse
import statistics
import sys
import time

import torch
import torch.nn.functional as F

SHAPES = {  # hidden, heads, key-value heads, head size, inner, vocabulary, layers
    "llama-1b": (2048, 32, 8, 64, 8192, 128256, 16),
    "llama-8b": (4096, 32, 8, 128, 14336, 128256, 32),
    "tiny": (128, 2, 1, 64, 256, 512, 2),
}
CASES = [(1, 1, 0), (1, 1, 4096)] + [(2**i, 1, 0) for i in range(1, 7)] + [(1, 512, 0), (1, 2048, 0)]  # batch, tokens, depth
CONTEXT, ROUNDS, REPLAYS = 64, 5, 10  # CONTEXT: what a cache holds besides the depth, for shorter cases


class Decoder:
    def __init__(self, device, hidden, heads, kv_heads, size, inner, vocabulary, layers):
        self.random = lambda *dims: torch.empty(*dims, device=device, dtype=torch.bfloat16).normal_(std=0.02)
        self.heads, self.kv_heads, self.size = heads, kv_heads, size
        self.embed, self.head = self.random(vocabulary, hidden), self.random(vocabulary, hidden)
        wide = (heads + 2 * kv_heads) * size
        self.layers = [
            (self.random(wide, hidden), self.random(hidden, heads * size), self.random(2 * inner, hidden),
             self.random(hidden, inner))
            for _ in range(layers)
        ]
        self.scale = torch.ones(hidden, device=device, dtype=torch.bfloat16)
        self.cache = []

    def reserve(self, batch, tokens):
        self.cache = []
        self.cache = [self.random(2, batch, self.kv_heads, tokens, self.size) for _ in self.layers]

    def norm(self, x):
        return F.rms_norm(x, x.shape[-1:], self.scale)

    def attend(self, y, cache, past):
        batch, count, _ = y.shape
        heads = y.view(batch, count, -1, self.size).transpose(1, 2)
        q, k, v = heads.split([self.heads, self.kv_heads, self.kv_heads], dim=1)
        cache[0, :, :, past : past + count] = k
        cache[1, :, :, past : past + count] = v
        keys, values = cache[:, :, :, : past + count]
        a = F.scaled_dot_product_attention(q, keys, values, is_causal=count > 1, enable_gqa=True)
        return a.transpose(1, 2).reshape(batch, count, -1)

    def __call__(self, tokens, past):
        x = self.embed[tokens]
        for (qkv, out, gate_up, down), cache in zip(self.layers, self.cache):
            x = x + F.linear(self.attend(F.linear(self.norm(x), qkv), cache, past), out)
            gate, up = F.linear(self.norm(x), gate_up).chunk(2, -1)
            x = x + F.linear(F.silu(gate) * up, down)
        return F.linear(self.norm(x[:, -1:]), self.head)


def captured(step):
    """A replay of what `step` launches: warmed up on a stream of its own, as PyTorch's notes on CUDA graphs ask."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def seconds(device, step):
    """The median time of one step."""
    on_gpu = device == "cuda"
    run = captured(step) if on_gpu else step
    times = []
    for _ in range(ROUNDS if on_gpu else 1):
        begin = time.perf_counter()
        for _ in range(REPLAYS if on_gpu else 1):
            run()
        if on_gpu:
            torch.cuda.synchronize()
        times.append((time.perf_counter() - begin) / (REPLAYS if on_gpu else 1))
    return statistics.median(times)


def measure(name, model, device, batch, count, past):
    model.reserve(batch, past + max(count, CONTEXT))
    tokens = torch.zeros(batch, count, device=device, dtype=torch.long)
    speed = batch * count / seconds(device, lambda: model(tokens, past))
    kind = "decode" if count == 1 else "prompt"
    print(f"{name}-bf16 torch {kind}: batch {batch} tokens {count} depth {past}: {speed:.1f} tok/s", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--shapes", default="llama-1b,llama-8b", help="of " + ", ".join(SHAPES))
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        sys.exit(f"torch {torch.__version__} finds no GPU")
    print(f"torch {torch.__version__}, {torch.cuda.get_device_name() if options.device == 'cuda' else 'cpu'}", flush=True)
    failed = False
    with torch.inference_mode():
        for name in options.shapes.split(","):
            model = Decoder(options.device, *SHAPES[name])
            for case in CASES:
                try:
                    measure(name, model, options.device, *case)
                except (RuntimeError, TypeError, AttributeError) as error:
                    failed = True
                    print(f"{name}: batch, tokens, depth {case}: {str(error).splitlines()[0]}", flush=True)
            del model
            if options.device == "cuda":
                torch.cuda.empty_cache()
    return failed


if __name__ == "__main__":
    sys.exit(main())
