#!/usr/bin/env python3
"""Writes kernels.data: inputs for the kernels in kernels/*.ptx (made by nvcc from CUDA C++) and what they should give,
computed in f64 or in exact integers by plain Python that shares nothing with the kernels.

    make_kernels.py [FOLDER]    writes FOLDER/kernels.data; default: beside this file
"""
from pathlib import Path
import math
import random
import struct
import sys
from make_forms import Data
from numbers_ptx import bf16, f16, f32, signed

draw = random.Random('kernels')


def floats(x):
    return struct.pack(f'<{len(x)}f', *x)


def ints(x):
    return struct.pack(f'<{len(x)}i', *(signed(v, 32) for v in x))


def shorts(x):
    return struct.pack(f'<{len(x)}H', *x)


def single(x):
    return struct.unpack('<f', struct.pack('<f', x))[0]


def normal(count, scale=1.0):
    return [single(draw.gauss(0, scale)) for _ in range(count)]


def narrow(fmt, count):
    """Bits of `count` numbers of a 16-bit format, and their values."""
    bits = [fmt.of_float(draw.gauss(0, 1)) for _ in range(count)]
    return bits, [fmt.real(x) for x in bits]


class Kernels(Data):
    def kernel(self, file, name, grid, block, arguments, shared=0):
        """Arguments: ('in', bytes), ('out', bytes, compare), ('inout', bytes, bytes, compare), ('scalar', bytes)."""
        lines = [f'program {name} {file}.ptx {name} grid {grid} block {block} shared {shared}']
        for kind, *rest in arguments:
            if kind == 'in':
                lines.append(f'in {self.buffer(rest[0].hex())}')
            elif kind == 'out':
                lines.append(f'out {rest[0].hex()} {rest[1]}')
            elif kind == 'inout':
                lines.append(f'inout {self.buffer(rest[0].hex())} {rest[1].hex()} {rest[2]}')
            else:
                lines.append(f'scalar {rest[0].hex()}')
        self.lines += lines


K = Kernels()


def size(n):
    return 'scalar', struct.pack('<i', n)


def real(x):
    return 'scalar', struct.pack('<f', x)


def elementwise():
    n = 300
    x, y = normal(n), normal(n)
    K.kernel('elementwise', 'saxpy', 2, 96, [
        ('in', floats(x)), ('inout', floats(y), floats([1.5 * a + b for a, b in zip(x, y)]), 'f32 rel 1e-6 abs 1e-7'),
        real(1.5), size(n)])
    silu = [g / (1 + math.exp(-g)) * u for g, u in zip(x, y)]
    K.kernel('elementwise', 'silu_mul', 3, 128, [('in', floats(x)), ('in', floats(y)),
                                                 ('out', floats(silu), 'f32 rel 3e-6 abs 1e-6'), size(n)])
    gelu = [0.5 * v * (1 + math.tanh(0.7978845608 * (v + 0.044715 * v ** 3))) for v in x]
    K.kernel('elementwise', 'gelu', 3, 128, [('in', floats(x)), ('out', floats(gelu), 'f32 rel 3e-6 abs 1e-6'), size(n)])
    tokens, heads, half = 3, 2, 24
    values, angles = normal(tokens * heads * 2 * half), [draw.uniform(0, 6) for _ in range(tokens * half)]
    cosine, sine = [single(math.cos(a)) for a in angles], [single(math.sin(a)) for a in angles]
    turned = list(values)
    for t in range(tokens):
        for h in range(heads):
            for d in range(half):
                row, c, s = (t * heads + h) * 2 * half, cosine[t * half + d], sine[t * half + d]
                low, high = values[row + d], values[row + half + d]
                turned[row + d], turned[row + half + d] = low * c - high * s, low * s + high * c
    K.kernel('elementwise', 'rope', f'{tokens},{heads}', 32, [
        ('in', floats(values)), ('in', floats(cosine)), ('in', floats(sine)), ('out', floats(turned), 'f32 abs 1e-6'),
        size(heads), size(half)])
    bits, numbers = narrow(bf16, 10 * 40)
    ids = [7, 0, 9, 7]
    K.kernel('elementwise', 'embed', len(ids), 32, [
        ('in', shorts(bits)), ('in', ints(ids)), ('out', floats([v for t in ids for v in numbers[t * 40:t * 40 + 40]]),
                                                  'f32'), size(40)])
    a, va = narrow(f16, 400)
    b, vb = narrow(f16, 400)
    c, vc = narrow(f16, 400)
    fused = [f16.round(f16.fraction(p) * f16.fraction(q) + f16.fraction(r)) for p, q, r in zip(a, b, c)]
    K.kernel('elementwise', 'half2_fma', 2, 128, [('in', shorts(a)), ('in', shorts(b)),
                                                  ('inout', shorts(c), shorts(fused), 'f16'), size(200)])
    mixed = [math.exp(v) + math.log1p(abs(v)) / math.sqrt(1 + v * v) for v in x]
    K.kernel('elementwise', 'exponentials', 3, 128, [('in', floats(x)), ('out', floats(mixed), 'f32 rel 2e-6'), size(n)])


def reduction():
    rows, width = 3, 200
    x, weight = normal(rows * width), normal(width)
    matrix = [x[r * width:(r + 1) * width] for r in range(rows)]
    norm = [v / math.sqrt(sum(u * u for u in row) / width + 1e-5) * w for row in matrix for v, w in zip(row, weight)]
    K.kernel('reduction', 'rms_norm', rows, 128, [('in', floats(x)), ('in', floats(weight)),
                                                  ('out', floats(norm), 'f32 rel 3e-6 abs 1e-7'), size(width), real(1e-5)])
    soft = []
    for row in matrix:
        weights = [math.exp(v - max(row)) for v in row]
        soft += [w / sum(weights) for w in weights]
    K.kernel('reduction', 'softmax', rows, 96, [('in', floats(x)), ('out', floats(soft), 'f32 rel 5e-6'), size(width)],
             width * 4)
    tied = [single(round(v, 1)) for v in x]
    best = [max(range(width), key=lambda i: (tied[r * width + i], -i)) for r in range(rows)]
    K.kernel('reduction', 'argmax', rows, 128, [('in', floats(tied)), ('out', ints(best), 'bits'), size(width)])
    numbers = [draw.randrange(-1000, 1000) for _ in range(256)]
    K.kernel('reduction', 'prefix_sum', 1, 256, [
        ('in', ints(numbers)), ('out', ints([sum(numbers[:i + 1]) for i in range(256)]), 'bits')])
    data = bytes(min(255, int(draw.expovariate(0.02))) for _ in range(1500))
    K.kernel('reduction', 'histogram', 3, 128, [
        ('in', data), ('inout', bytes(1024), ints([data.count(v) for v in range(256)]), 'bits'), size(len(data))])
    blocks, each = 5, 100
    whole = [float(draw.randrange(-50, 50)) for _ in range(blocks * each)]
    sums = [sum(whole[b * each:(b + 1) * each]) for b in range(blocks)]
    K.kernel('reduction', 'last_block', blocks, 64, [
        ('in', floats(whole)), ('out', floats(sums), 'f32'), ('inout', bytes(4), bytes(4), 'bits'),
        ('out', floats([sum(sums)]), 'f32'), size(each)])
    keys = [draw.getrandbits(32) for _ in range(200)] + [draw.randrange(4) for _ in range(56)]
    K.kernel('reduction', 'bitonic_sort', 1, 256, [('inout', ints(keys), ints(sorted(keys)), 'bits')])


def matrix():
    rows, k = 8, 320
    x = normal(k)
    bits, numbers = narrow(bf16, rows * k)
    out = [sum(numbers[r * k + i] * x[i] for i in range(k)) for r in range(rows)]
    K.kernel('matrix', 'gemv_bf16', 2, 128, [('in', shorts(bits)), ('in', floats(x)),
                                             ('out', floats(out), 'f32 rel 1e-5 abs 1e-4'), size(k)])
    codes = [draw.randrange(16) for _ in range(rows * k)]
    scales, values = narrow(f16, rows * k // 32)
    packed = bytes(codes[i] | codes[i + 1] << 4 for i in range(0, rows * k, 2))
    out = [sum((codes[r * k + i] - 8) * values[(r * k + i) // 32] * x[i] for i in range(k)) for r in range(rows)]
    K.kernel('matrix', 'gemv_int4', 2, 128, [('in', packed), ('in', shorts(scales)), ('in', floats(x)),
                                             ('out', floats(out), 'f32 rel 1e-5 abs 1e-3'), size(k)])
    weights, vector = ([draw.randrange(-128, 128) for _ in range(n)] for n in (64 * 48, 48))
    out = [sum(weights[r * 48 + i] * vector[i] for i in range(48)) for r in range(64)]
    K.kernel('matrix', 'gemv_dp4a', 2, 32, [('in', struct.pack('<3072b', *weights)), ('in', struct.pack('<48b', *vector)),
                                            ('out', ints(out), 'bits'), size(48)])
    # Rounding to int8 must not hang on the last bit of a quotient: amax is 127 and the values are quarters.
    values = [draw.randrange(-400, 400) / 4 + (0.125 if draw.random() < .5 else 0) for _ in range(256)]
    for group in range(8):
        values[group * 32 + draw.randrange(32)] = draw.choice([-127.0, 127.0])
    K.kernel('matrix', 'quantise', 2, 128, [('in', floats(values)), ('out', struct.pack('<256b', *(round(v) for v in values)),
                                            'bits'), ('out', floats([1.0] * 8), 'f32')])
    rows, columns = 40, 70
    x = normal(rows * columns)
    K.kernel('matrix', 'transpose', f'{(columns + 31) // 32},{(rows + 31) // 32}', '32,8', [
        ('in', floats(x)), ('out', floats([x[r * columns + c] for c in range(columns) for r in range(rows)]), 'f32'),
        size(rows), size(columns)])
    k = 80
    a, va = narrow(bf16, 16 * k)
    b, vb = narrow(bf16, 8 * k)
    out = [sum(va[i * k + d] * vb[j * k + d] for d in range(k)) for i in range(16) for j in range(8)]
    K.kernel('matrix', 'gemm_mma', 1, 32, [('in', shorts(a)), ('in', shorts(b)),
                                           ('out', floats(out), 'f32 rel 1e-5 abs 5e-5'), size(k)])
    heads, n, scale = 2, 19, 0.125
    query = normal(heads * 64)
    kb, kv = narrow(f16, heads * n * 64)
    vb, vv = narrow(f16, heads * n * 64)
    out = []
    for h in range(heads):
        q = query[h * 64:h * 64 + 64]
        score = [scale * sum(q[d] * kv[(h * n + t) * 64 + d] for d in range(64)) for t in range(n)]
        weight = [math.exp(s - max(score)) for s in score]
        out += [sum(w * vv[(h * n + t) * 64 + d] for t, w in enumerate(weight)) / sum(weight) for d in range(64)]
    K.kernel('matrix', 'attend', heads, 32, [('in', floats(query)), ('in', shorts(kb)), ('in', shorts(vb)),
                                             ('out', floats(out), 'f32 rel 1e-5 abs 1e-5'), size(n), real(scale)])


def steps(v):
    count = 0
    while v != 1:
        v, count = (3 * v + 1 if v & 1 else v // 2), count + 1
    return count


def toward_zero(a, b):
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def permuted(v):
    data = [(v >> 8 * i) & 255 for i in range(4)] + [(~v >> 8 * i) & 255 for i in range(4)]
    return sum(data[s] << 8 * i for i, s in enumerate((0, 2, 4, 6)))


DISPATCH = [lambda v: v * 3, lambda v: toward_zero(v, 7), lambda v: v - 11 * toward_zero(v, 11),
            lambda v: (v & 0xffffffff).bit_count(), lambda v: 32 - (v & 0xffffffff).bit_length(),
            lambda v: int(f'{v & 0xffffffff:032b}'[::-1], 2), permuted, lambda v: abs(v) >> 3,
            lambda v: (~v & 0xffffffff) << 9 | (v & 0xffffffff) >> 23, lambda v: -1]


def control():
    n = 100
    x = [draw.randrange(1, 5000) for _ in range(n)]
    K.kernel('control', 'collatz', 2, 64, [('in', ints(x)), ('out', ints([steps(v) for v in x]), 'bits'), size(n)])
    ops, values = [draw.randrange(10) for _ in range(64)], [draw.randrange(-2 ** 31 + 1, 2 ** 31) for _ in range(64)]
    K.kernel('control', 'dispatch', 1, 64, [('in', ints(ops)), ('in', ints(values)),
                                            ('out', ints([DISPATCH[o](v) for o, v in zip(ops, values)]), 'bits')])
    wide, divisor = [draw.randrange(-2 ** 62, 2 ** 62) >> draw.randrange(60) for _ in range(50)], -1234567
    out = [v for x in wide for v in (toward_zero(x, divisor), x - divisor * toward_zero(x, divisor))]
    K.kernel('control', 'wide_index', 1, 64, [('in', struct.pack('<50q', *wide)), ('scalar', struct.pack('<q', divisor)),
                                              ('out', struct.pack('<100q', *out), 'bits'), size(50)])
    x = normal(100)
    mean = math.sqrt(sum(v * v for v in x) / 100)
    K.kernel('control', 'mean_f64', 1, 32, [('in', floats(x)), ('out', struct.pack('<d', mean), 'f64 rel 1e-14'), size(100)])
    scale = [single(v) for v in (0.5, -1.25, 3.1)]
    out = [single(scale[i % 3] * (i // 7)) for i in range(35)]
    K.kernel('control', 'by_value', 1, 64, [('scalar', struct.pack('<ii3fB3x', 5, 7, *scale, 1)),
                                            ('out', floats(out), 'f32')])
    x = [draw.randrange(-100, 100) for _ in range(32 * 12)]
    out = [v for lane in range(32) for v in sorted(x[lane * 12:lane * 12 + 12])]
    K.kernel('control', 'insertion_sort', 1, 32, [('in', ints(x)), ('out', ints(out), 'bits')])


if __name__ == '__main__':
    for room in (elementwise, reduction, matrix, control):
        room()
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent
    head = '# Written by make_kernels.py. Expected values are computed on the host (f64, integers), not recorded.'
    (folder / 'kernels.data').write_text('\n'.join([head] + K.lines) + '\n')
