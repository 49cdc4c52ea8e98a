#!/usr/bin/env python3
"""The shapes of gpu.sh through PyTorch with CUDA graphs, for a peer on the same card: decode of one token and a prompt of 512, bf16.

A plain decoder of torch ops (rms_norm, linear, scaled_dot_product_attention) with a static cache, captured once."""

import statistics

import torch
import torch.nn.functional as F

SHAPES = {"llama-1b": (2048, 32, 8, 64, 8192, 128256, 16), "llama-8b": (4096, 32, 8, 128, 14336, 128256, 32)}
CONTEXT, ROUNDS = 4608, 5


class Decoder:
    def __init__(self, hidden, heads, kv_heads, size, inner, vocabulary, layers):
        random = lambda *dims: torch.randn(*dims, device="cuda", dtype=torch.bfloat16) * 0.02
        self.heads, self.kv_heads, self.size = heads, kv_heads, size
        self.embed = random(vocabulary, hidden)
        wide = (heads + 2 * kv_heads) * size
        self.layers = [
            (random(wide, hidden), random(hidden, heads * size), random(2 * inner, hidden), random(hidden, inner))
            for _ in range(layers)
        ]
        self.norm = torch.ones(hidden, device="cuda", dtype=torch.bfloat16)
        self.cache = [random(2, kv_heads, CONTEXT, size) for _ in range(layers)]

    def __call__(self, tokens, past):
        count = len(tokens)
        x = self.embed[tokens]
        for (qkv, out, gate_up, down), cache in zip(self.layers, self.cache):
            y = F.linear(F.rms_norm(x, x.shape[-1:], self.norm), qkv).view(count, -1, self.size).transpose(0, 1)
            q, k, v = y.split([self.heads, self.kv_heads, self.kv_heads])
            cache[0, :, past : past + count], cache[1, :, past : past + count] = k, v
            keys, values = cache[0, :, : past + count], cache[1, :, : past + count]
            a = F.scaled_dot_product_attention(q[None], keys[None], values[None], is_causal=count > 1, enable_gqa=True)
            x = x + F.linear(a[0].transpose(0, 1).reshape(count, -1), out)
            g, u = F.linear(F.rms_norm(x, x.shape[-1:], self.norm), gate_up).chunk(2, -1)
            x = x + F.linear(F.silu(g) * u, down)
        return F.linear(F.rms_norm(x[-1:], x.shape[-1:], self.norm), self.embed)


def seconds(model, count, past):
    tokens = torch.zeros(count, device="cuda", dtype=torch.long)
    with torch.inference_mode():
        for _ in range(3):
            model(tokens, past)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            model(tokens, past)
    times = []
    for _ in range(ROUNDS):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        for _ in range(20):
            graph.replay()
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end) / 20 / 1000)
    return statistics.median(times)


def main():
    print(f"torch {torch.__version__}, {torch.cuda.get_device_name()}")
    for name, shape in SHAPES.items():
        model = Decoder(*shape)
        for past in (0, 4096):
            print(f"{name} bf16 decode at depth {past}: {1 / seconds(model, 1, past):.1f} tok/s", flush=True)
        print(f"{name} bf16 prefill 512: {512 / seconds(model, 512, 0):.0f} tok/s", flush=True)
        del model
        torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
