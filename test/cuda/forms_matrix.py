"""Forms of the tensor cores: ldmatrix and mma.sync. Fragment layouts are written down from the ISA's figures.

Sums of products of small integers are exact in every order, so those programs are compared bit for bit; drawn numbers
show rounding, which the ISA leaves open for floating accumulators, and are compared within a bound.
"""
from forms_warp import Program, PROGRAMS, at, program, words, W
from numbers_ptx import *
import random

# ---- ldmatrix -------------------------------------------------------------------------------------------------------

FILL = ('mov.u32 r1, sm; mad.lo.s32 r2, tid, 16, r1; mul.wide.u32 rd0, tid, 16; add.s64 rd0, rd0, pa; '
        'ld.global.v4.b32 {r4, r5, r6, r7}, [rd0]; st.shared.v4.b32 [r2], {r4, r5, r6, r7}; bar.warp.sync -1;')


def half(row, column):
    return W[row * 4 + column // 2] >> 16 * (column & 1) & 0xffff


for count in (1, 2, 4):
    for transposed in (False, True):
        registers = ', '.join(f'r{4 + k}' for k in range(count))
        stores = ' '.join(f'st.global.b32 [rd1+{4 * k}], r{4 + k};' for k in range(count))
        expected = []
        for lane in range(32):
            for k in range(count):
                pair = [(2 * (lane % 4) + e, lane // 4) if transposed else (lane // 4, 2 * (lane % 4) + e)
                        for e in (0, 1)]
                expected.append(half(8 * k + pair[0][0], pair[0][1]) | half(8 * k + pair[1][0], pair[1][1]) << 16)
        program(f'ldmatrix_x{count}{"_trans" * transposed}', [W[:128]], 32 * count,
                f'{FILL} ldmatrix.sync.aligned.m8n8.x{count}{".trans" * transposed}.shared.b16 {{{registers}}}, [r2]; '
                f'{at("rd1", "po", 4 * count)} {stores}', expected)

# ---- mma.sync -------------------------------------------------------------------------------------------------------

# Position in the matrix of element i of a lane's fragment; g = lane / 4, t = lane % 4.
LAYOUTS = {
    'm16n8k16': (lambda g, t, i: (g + 8 * (i >> 1 & 1), 2 * t + (i & 1) + 8 * (i >> 2)), 8,
                 lambda g, t, i: (2 * t + (i & 1) + 8 * (i >> 1), g), 4, 16),
    'm16n8k8': (lambda g, t, i: (g + 8 * (i >> 1), 2 * t + (i & 1)), 4, lambda g, t, i: (2 * t + (i & 1), g), 2, 8),
    'm16n8k32b': (lambda g, t, i: (g + 8 * (i >> 2 & 1), 4 * t + (i & 3) + 16 * (i >> 3)), 16,
                  lambda g, t, i: (4 * t + (i & 3) + 16 * (i >> 2), g), 8, 32),
    'm16n8k16b': (lambda g, t, i: (g + 8 * (i >> 2), 4 * t + (i & 3)), 8, lambda g, t, i: (4 * t + i, g), 4, 16),
    'm16n8k8t': (lambda g, t, i: (g + 8 * (i & 1), t + 4 * (i >> 1)), 4, lambda g, t, i: (t + 4 * i, g), 2, 8),
}


def accumulator(g, t, i):
    return g + 8 * (i >> 1), 2 * t + (i & 1)


def gather(matrix, layout, count, bits):
    """A matrix of bit patterns as the words that the lanes hold, lane by lane."""
    result = []
    for lane in range(32):
        items = [matrix[row][column] for row, column in (layout(lane // 4, lane % 4, i) for i in range(count))]
        per = 32 // bits
        result += [sum((items[j + k] & ((1 << bits) - 1)) << bits * k for k in range(per))
                   for j in range(0, count, per)]
    return result


def matrix(rows, columns, draw):
    return [[draw() for _ in range(columns)] for _ in range(rows)]


def vector(count, first=0):
    names = [f'r{first + k}' for k in range(count)]
    return '{' + ', '.join(names) + '}' if count > 1 else names[0]


def load(base, register, count, first):
    suffix = {1: '', 2: '.v2', 4: '.v4'}[count]
    return f'{at(register, base, 4 * count)} ld.global{suffix}.b32 {vector(count, first)}, [{register}];'


def mma(name, instruction, layout, bits, a, b, c, result, acc_bits, compare):
    """`a`, `b`, `c` and `result` are matrices of bit patterns."""
    place_a, count_a, place_b, count_b, _ = LAYOUTS[layout]
    regs_a, regs_b, regs_c = count_a * bits // 32, count_b * bits // 32, 4 * acc_bits // 32
    group = lambda n, first: '{' + ', '.join(f'r{first + k}' for k in range(n)) + '}'
    store = {2: '.v2', 4: '.v4'}[regs_c]
    floats = acc_bits == 32 and compare.startswith('f32')
    spread = group(regs_c, 8)
    if floats:  # f32 accumulators live in .f32 registers
        moves = ' '.join(f'mov.b32 f{k}, r{8 + k};' for k in range(4))
        spread, back = '{f0, f1, f2, f3}', ' '.join(f'mov.b32 r{8 + k}, f{k};' for k in range(4))
    else:
        moves = back = ''
    body = (f'{load("pa", "rd0", regs_a, 0)} {load("pb", "rd1", regs_b, 4)} {load("pc", "rd2", regs_c, 8)} {moves} '
            f'mma.sync.aligned.{instruction} {spread}, {group(regs_a, 0)}, {group(regs_b, 4)}, {spread}; {back} '
            f'{at("rd3", "po", 4 * regs_c)} st.global{store}.b32 [rd3], {vector(regs_c, 8)};')
    program(name, [gather(a, place_a, count_a, bits), gather(b, place_b, count_b, bits),
                   gather(c, accumulator, 4, acc_bits)], 32 * regs_c, body, gather(result, accumulator, 4, acc_bits),
            compare)


def product(a, b, c, view_a, view_b, view_c):
    depth = len(b)
    return [[view_c(c[i][j]) + sum(view_a(a[i][k]) * view_b(b[k][j]) for k in range(depth)) for j in range(8)]
            for i in range(16)]


def float_mma(name, instruction, layout, fmt, acc, exact):
    draw = random.Random(name)
    depth = LAYOUTS[layout][4]
    number = (lambda: float(draw.randrange(-8, 9))) if exact else (lambda: draw.uniform(-1, 1))
    narrow = (lambda x: fmt.of_float(x) & ~0x1fff) if fmt is f32 else fmt.of_float  # tf32: the low 13 bits are unread
    a, b = matrix(16, depth, lambda: narrow(number())), matrix(depth, 8, lambda: narrow(number()))
    c = matrix(16, 8, lambda: acc.of_float(number()))
    sums = product(a, b, c, fmt.fraction, fmt.fraction, acc.fraction)
    kind = 'f32' if acc is f32 else 'f16'
    bound = '' if exact else (' rel 1e-6 abs 1e-5' if acc is f32 else ' rel 2e-3 abs 4e-3')
    mma(name + ('_exact' if exact else '_drawn'), instruction, layout, fmt.bits, a, b, c,
        [[acc.round(x) for x in row] for row in sums], acc.bits, kind + bound)


for exact in (True, False):
    for kind, fmt in (('f16', f16), ('bf16', bf16)):
        for shape in ('m16n8k16', 'm16n8k8'):
            float_mma(f'mma_{shape}_{kind}', f'{shape}.row.col.f32.{kind}.{kind}.f32', shape, fmt, f32, exact)
    float_mma('mma_m16n8k16_f16_f16', 'm16n8k16.row.col.f16.f16.f16.f16', 'm16n8k16', f16, f16, exact)
    float_mma('mma_m16n8k8_tf32', 'm16n8k8.row.col.f32.tf32.tf32.f32', 'm16n8k8t', f32, f32, exact)

for shape, layout in (('m16n8k32', 'm16n8k32b'), ('m16n8k16', 'm16n8k16b')):
    for left, right in (('s8', 's8'), ('u8', 's8'), ('u8', 'u8')):
        draw = random.Random(shape + left + right)
        depth = LAYOUTS[layout][4]
        a, b = (matrix(*size, lambda: draw.choice([0, 127, 128, 255, draw.randrange(256)]))
                for size in ((16, depth), (depth, 8)))
        c = matrix(16, 8, lambda: draw.getrandbits(31))
        view = {'s8': lambda x: signed(x, 8), 'u8': lambda x: x}
        mma(f'mma_{shape}_{left}_{right}', f'{shape}.row.col.s32.{left}.{right}.s32', layout, 8, a, b, c,
            product(a, b, c, view[left], view[right], lambda x: signed(x, 32)), 32, 'bits')
