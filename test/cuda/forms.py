"""Scalar instruction forms: what our kernels, LLVM and nvcc use of the sm_80 set, one program a form.

`FORMS` is the table. A form is a name, operand types, the type of the result, the PTX between loading the operands and
storing the result, and a model of the result in exact arithmetic (numbers.py). In the PTX `a`, `b`, `c` are operands,
`d` the result, p q predicates, r0.. rd0.. f0.. h0.. fd0.. scratch registers of 32 and 64 bits, f32, 16 bits and f64.
"""
from dataclasses import dataclass
import math
import random
from numbers_ptx import *

LANES = 96
REGISTER = {'i16': '.b16', 'i32': '.b32', 'i64': '.b64', 'f16': '.b16', 'bf16': '.b16', 'f32': '.f32', 'f64': '.f64'}
SIZE = {'i16': 2, 'i32': 4, 'i64': 8, 'f16': 2, 'bf16': 2, 'f32': 4, 'f64': 8}
FORMAT = {'f16': f16, 'bf16': bf16, 'f32': f32, 'f64': f64}
ULP = 2.0 ** -23


@dataclass
class Form:
    name: str
    operands: list  # of a type, or of type:set
    result: str
    body: str
    model: callable  # bits of the operands -> bits of the result
    compare: str     # how results are compared: see README.md
    sm: int = 80


FORMS = []


def form(name, operands, result, body, model, compare=None, sm=80):
    assert all(name != other.name for other in FORMS), name
    compare = compare or (result if result in FORMAT else 'bits')
    FORMS.append(Form(name, operands.split(), result, body, model, compare, sm))


# ---- operands -------------------------------------------------------------------------------------------------------

EDGES = {
    'i16': [0, 1, 2, 3, 7, 8, 15, 16, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0x8001, 0xfffe, 0xffff],
    'i32': [0, 1, 2, 3, 31, 32, 33, 0xff, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0x80000001, 0xfffffffe, 0xffffffff,
            0x12345678],
    'i64': [0, 1, 2, 63, 64, 0xffffffff, 0x100000000, 0x7fffffff, 0x80000000, 0xffffffff80000000, (1 << 63) - 1,
            1 << 63, (1 << 63) + 1, (1 << 64) - 2, (1 << 64) - 1, 0x123456789abcdef0],
    'f16': [0, 0x8000, 0x3c00, 0xbc00, 0x7c00, 0xfc00, 0x7fff, 1, 0x83ff, 0x0400, 0x7bff, 0x3555, 0xc200, 0x6400, 0x3800,
            0xb801],
    'bf16': [0, 0x8000, 0x3f80, 0xbf80, 0x7f80, 0xff80, 0x7fff, 1, 0x807f, 0x0080, 0x7f7f, 0x3eab, 0xc040, 0x4b80,
             0x3f00, 0xbf01],
    'f32': [0, 0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000, 0x7fffffff, 1, 0x807fffff, 0x00800000,
            0x7f7fffff, 0x3eaaaaab, 0xc0200000, 0x4b800001, 0x3f000000, 0xcf000000],
    'f64': [0, 1 << 63, 0x3ff0 << 48, 0xbff0 << 48, 0x7ff0 << 48, 0xfff0 << 48, (1 << 63) - 1, 1, 0x800fffffffffffff,
            0x0010 << 48, 0x7fefffffffffffff, 0x3fd5555555555555, 0xc004 << 48, 0x4330000000000001, 0x3fe0 << 48,
            0xc1e0000000000000],
}


def values(spec, index):
    """The values of operand `index`: 48 lanes of edges against edges, 48 drawn."""
    kind, _, which = spec.partition(':')
    draw = random.Random(f'{spec} {index}')
    bits = SIZE[kind] * 8
    edges = EDGES[kind]
    edge = [edges[(lane * (1, 5, 11)[index] + lane // 16 * (0, 3, 7)[index]) % 16] for lane in range(48)]
    if which in ('f16x2', 'bf16x2'):
        low, high = values(which[:-2], index), values(which[:-2], (index + 1) % 3)
        return [x | y << 16 for x, y in zip(low, high)]
    if which == 'shift':
        return [lane % 70 if lane < 70 else draw.choice([0, 1, 31, 32, 64, 255, 0xffffffff]) for lane in range(LANES)]
    if which == 'nonzero':
        return [x or 7 for x in values(kind, index)]
    if which == 'bfe':  # a position or a length
        return [draw.choice([0, 1, 3, 4, 8, 16, 24, 31, 32, 40, 255]) for _ in range(LANES)]
    if which == 'prmt':
        return [draw.randrange(1 << 16) for _ in range(LANES)]
    if which == 'real':  # numbers that functions are made for: (1/16, 16) and some edges
        return edges + [FORMAT[kind].of_float(draw.uniform(-1, 1) * 2.0 ** draw.randrange(-4, 5)) for _ in range(80)]
    if which == 'normal':
        return [x if not FORMAT[kind].is_subnormal(x) else 0x3fc00000 for x in values(kind + ':real', index)]
    if which == 'angle':
        return [FORMAT[kind].of_float(draw.uniform(-math.pi, math.pi)) for _ in range(LANES)]
    if which == 'integer':  # floats near integers, halves and the ends of the integer types
        near = [draw.randrange(-40, 40) / 4 for _ in range(40)]
        ends = [s * (2.0 ** e) * f for e in (7, 8, 15, 16, 31, 32, 63) for s in (1, -1) for f in (1, 0.99999994)]
        return [FORMAT[kind].of_float(x) for x in near + ends][:68] + (edges + edges)[:LANES - 68]
    if which == 'bytes':
        return [draw.choice([0, 0x7f, 0x80, 0xff, draw.randrange(256)]) * (0x01010101 if lane < 16 else 1)
                | draw.getrandbits(32) * (lane >= 16) for lane in range(LANES)]
    if kind in FORMAT:
        wide = [draw.getrandbits(bits) for _ in range(16)]
        near = [FORMAT[kind].of_float(draw.gauss(0, 1) * 2.0 ** draw.randrange(-3, 4)) for _ in range(32)]
        return edge + wide + near
    return edge + [draw.getrandbits(draw.choice([bits, bits, bits // 2, 5])) for _ in range(48)]


# ---- integers -------------------------------------------------------------------------------------------------------

def masked(bits, function):
    return lambda *x: function(*x) & ((1 << bits) - 1)


def on_signed(bits, function):
    return lambda *x: function(*(signed(v, bits) for v in x)) & ((1 << bits) - 1)


def truncated(a, b):
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def shift_left(bits):
    return masked(bits, lambda a, n: a << n if n < bits else 0)


def shift_right(bits, is_signed):
    if is_signed:
        return lambda a, n: (signed(a, bits) >> min(n, bits - 1)) & ((1 << bits) - 1)
    return lambda a, n: a >> n if n < bits else 0


for bits in (16, 32, 64):
    t = f'i{bits}'
    add_type = {16: 's16', 32: 's32', 64: 's64'}[bits]
    form(f'add_{add_type}', f'{t} {t}', t, f'add.{add_type} d, a, b;', masked(bits, lambda a, b: a + b))
    form(f'sub_{add_type}', f'{t} {t}', t, f'sub.{add_type} d, a, b;', masked(bits, lambda a, b: a - b))
    form(f'mul_lo_{add_type}', f'{t} {t}', t, f'mul.lo.{add_type} d, a, b;', masked(bits, lambda a, b: a * b))
    form(f'min_s{bits}', f'{t} {t}', t, f'min.s{bits} d, a, b;', on_signed(bits, min))
    form(f'max_s{bits}', f'{t} {t}', t, f'max.s{bits} d, a, b;', on_signed(bits, max))
    form(f'min_u{bits}', f'{t} {t}', t, f'min.u{bits} d, a, b;', min)
    form(f'max_u{bits}', f'{t} {t}', t, f'max.u{bits} d, a, b;', max)
    form(f'and_b{bits}', f'{t} {t}', t, f'and.b{bits} d, a, b;', lambda a, b: a & b)
    form(f'or_b{bits}', f'{t} {t}', t, f'or.b{bits} d, a, b;', lambda a, b: a | b)
    form(f'xor_b{bits}', f'{t} {t}', t, f'xor.b{bits} d, a, b;', lambda a, b: a ^ b)
    form(f'not_b{bits}', t, t, f'not.b{bits} d, a;', masked(bits, lambda a: ~a))
    form(f'neg_s{bits}', t, t, f'neg.s{bits} d, a;', masked(bits, lambda a: -a))
    form(f'shl_b{bits}', f'{t} i32:shift', t, f'shl.b{bits} d, a, b;', shift_left(bits))
    form(f'shr_s{bits}', f'{t} i32:shift', t, f'shr.s{bits} d, a, b;', shift_right(bits, True))
    form(f'shr_u{bits}', f'{t} i32:shift', t, f'shr.u{bits} d, a, b;', shift_right(bits, False))
    form(f'selp_b{bits}', f'{t} {t}', t, f'setp.lt.s{bits} p, a, b; selp.b{bits} d, a, b, p;', on_signed(bits, min))

for bits in (32, 64):
    t = f'i{bits}'
    form(f'abs_s{bits}', t, t, f'abs.s{bits} d, a;', on_signed(bits, abs))
    form(f'div_s{bits}', f'{t} {t}:nonzero', t, f'div.s{bits} d, a, b;', on_signed(bits, truncated))
    form(f'div_u{bits}', f'{t} {t}:nonzero', t, f'div.u{bits} d, a, b;', lambda a, b: a // b)
    form(f'rem_s{bits}', f'{t} {t}:nonzero', t, f'rem.s{bits} d, a, b;',
         on_signed(bits, lambda a, b: a - truncated(a, b) * b))
    form(f'rem_u{bits}', f'{t} {t}:nonzero', t, f'rem.u{bits} d, a, b;', lambda a, b: a % b)
    form(f'mul_hi_u{bits}', f'{t} {t}', t, f'mul.hi.u{bits} d, a, b;', lambda a, b, n=bits: (a * b) >> n)
    form(f'mul_hi_s{bits}', f'{t} {t}', t, f'mul.hi.s{bits} d, a, b;',
         on_signed(bits, lambda a, b, n=bits: (a * b) >> n))
    form(f'mad_lo_s{bits}', f'{t} {t} {t}', t, f'mad.lo.s{bits} d, a, b, c;', masked(bits, lambda a, b, c: a * b + c))
    form(f'popc_b{bits}', t, 'i32', f'popc.b{bits} d, a;', lambda a: a.bit_count())
    form(f'clz_b{bits}', t, 'i32', f'clz.b{bits} d, a;', lambda a, n=bits: n - a.bit_length())
    form(f'brev_b{bits}', t, t, f'brev.b{bits} d, a;', lambda a, n=bits: int(f'{a:0{n}b}'[::-1], 2))

form('mul_wide_s16', 'i16 i16', 'i32', 'mul.wide.s16 d, a, b;', masked(32, lambda a, b: signed(a, 16) * signed(b, 16)))
form('mul_wide_u16', 'i16 i16', 'i32', 'mul.wide.u16 d, a, b;', lambda a, b: a * b)
form('mul_wide_s32', 'i32 i32', 'i64', 'mul.wide.s32 d, a, b;', masked(64, lambda a, b: signed(a, 32) * signed(b, 32)))
form('mul_wide_u32', 'i32 i32', 'i64', 'mul.wide.u32 d, a, b;', lambda a, b: a * b)
form('mad_wide_u32', 'i32 i32 i64', 'i64', 'mad.wide.u32 d, a, b, c;', masked(64, lambda a, b, c: a * b + c))
form('mad_wide_s32', 'i32 i32 i64', 'i64', 'mad.wide.s32 d, a, b, c;',
     masked(64, lambda a, b, c: signed(a, 32) * signed(b, 32) + c))
form('mad_hi_u32', 'i32 i32 i32', 'i32', 'mad.hi.u32 d, a, b, c;', masked(32, lambda a, b, c: ((a * b) >> 32) + c))
form('sad_u32', 'i32 i32 i32', 'i32', 'sad.u32 d, a, b, c;', masked(32, lambda a, b, c: abs(a - b) + c))


def extract_signed(bits):
    def model(a, p, n):
        p, n = p & 255, n & 255
        if n == 0:
            return 0
        sign = (a >> min(p + n - 1, bits - 1)) & 1
        taken = max(0, min(n, bits - p))
        return ((a >> p) & ((1 << taken) - 1) | (~0 << taken if sign else 0)) & ((1 << bits) - 1)
    return model


for bits in (32, 64):
    t = f'i{bits}'
    form(f'bfe_u{bits}', f'{t} i32:bfe i32:bfe', t, f'bfe.u{bits} d, a, b, c;',
         lambda a, p, n: (a >> (p & 255)) & ((1 << (n & 255)) - 1))
    form(f'bfe_s{bits}', f'{t} i32:bfe i32:bfe', t, f'bfe.s{bits} d, a, b, c;', extract_signed(bits))


def insert(a, b, p, n):
    p, n = p & 255, n & 255
    mask = (((1 << n) - 1) << p) & 0xffffffff
    return (b & ~mask) | ((a << p) & mask)


form('bfi_b32', 'i32 i32 i32:bfe', 'i32', 'bfi.b32 d, a, b, c, 8;', lambda a, b, p: insert(a, b, p, 8))
form('bfind_u32', 'i32', 'i32', 'bfind.u32 d, a;', masked(32, lambda a: a.bit_length() - 1))


def permute(a, b, selector):
    data, result = a | b << 32, 0
    for i in range(4):
        nibble = selector >> 4 * i & 15
        byte = data >> 8 * (nibble & 7) & 255
        result |= ((255 if byte & 128 else 0) if nibble & 8 else byte) << 8 * i
    return result


form('prmt_b32', 'i32 i32 i32:prmt', 'i32', 'prmt.b32 d, a, b, c;', permute)
form('lop3_b32', 'i32 i32 i32', 'i32', 'lop3.b32 d, a, b, c, 0xE8;',
     lambda a, b, c: (a & b) | (a & c) | (b & c))  # 0xE8 is the majority
form('shf_l_wrap', 'i32 i32 i32:shift', 'i32', 'shf.l.wrap.b32 d, a, b, c;',
     lambda a, b, n: ((b << 32 | a) << (n & 31)) >> 32 & 0xffffffff)
form('shf_r_wrap', 'i32 i32 i32:shift', 'i32', 'shf.r.wrap.b32 d, a, b, c;',
     lambda a, b, n: (b << 32 | a) >> (n & 31) & 0xffffffff)
form('shf_l_clamp', 'i32 i32 i32:shift', 'i32', 'shf.l.clamp.b32 d, a, b, c;',
     lambda a, b, n: ((b << 32 | a) << min(n, 32)) >> 32 & 0xffffffff)


def dot4(signs):
    def model(a, b, c):
        total = c
        for i in range(4):
            x, y = a >> 8 * i & 255, b >> 8 * i & 255
            total += (signed(x, 8) if signs[0] == 's' else x) * (signed(y, 8) if signs[1] == 's' else y)
        return total & 0xffffffff
    return model


for pair in ('ss', 'uu', 'us', 'su'):
    form(f'dp4a_{pair}', 'i32:bytes i32:bytes i32', 'i32', f'dp4a.{pair[0]}32.{pair[1]}32 d, a, b, c;', dot4(pair))

# ---- comparisons ----------------------------------------------------------------------------------------------------

ORDER = {'eq': lambda a, b: a == b, 'ne': lambda a, b: a != b, 'lt': lambda a, b: a < b, 'le': lambda a, b: a <= b,
         'gt': lambda a, b: a > b, 'ge': lambda a, b: a >= b}
PICK = ' selp.b32 d, 1, 0, p;'


def setp(name, kind, spec, view):
    relation = ORDER[name.removesuffix('u') if name not in ORDER else name]
    form(f'setp_{name}_{kind}', f'{spec} {spec}', 'i32', f'setp.{name}.{kind} p, a, b;{PICK}',
         lambda a, b: int(relation(view(a), view(b))))


for relation in ORDER:
    setp(relation, 's32', 'i32', lambda x: signed(x, 32))
for relation in ('lt', 'le', 'gt', 'ge'):
    setp(relation, 'u32', 'i32', lambda x: x)
S64 = ' '.join(f'{relation}.s64' for relation in ORDER)
for bits, kinds in ((16, 'lt.s16 gt.u16 eq.s16 eq.b16 ne.b16'), (32, 'eq.b32 ne.b32'),
                    (64, S64 + ' lt.u64 le.u64 gt.u64 ge.u64 eq.b64 ne.b64')):
    for item in kinds.split():
        relation, kind = item.split('.')
        setp(relation, kind, f'i{bits}', (lambda x, n=bits: signed(x, n)) if kind[0] == 's' else lambda x: x)


def setp_float(name, kind, spec):
    """Ordered relations are false on NaN, the unordered ones (suffix u) true."""
    fmt = FORMAT[spec]

    def model(a, b):
        if fmt.is_nan(a) or fmt.is_nan(b):
            return int(name == 'nan' or name.endswith('u'))
        if name in ('num', 'nan'):
            return int(name == 'num')
        x, y = fmt.real(a), fmt.real(b)
        return int(ORDER[name if name in ORDER else name[:-1]](x, y))
    form(f'setp_{name}_{kind}', f'{spec} {spec}', 'i32', f'setp.{name}.{kind} p, a, b;{PICK}', model)


for relation in 'eq ne lt le gt ge equ neu ltu leu gtu geu num nan'.split():
    setp_float(relation, 'f32', 'f32')
for relation, kind in (('lt', 'f64'), ('neu', 'f64'), ('lt', 'f16'), ('equ', 'f16')):
    setp_float(relation, kind, kind)

form('setp_and', 'i32 i32', 'i32', 'setp.lt.s32 q, a, b; setp.gt.and.s32 p, a, 0, q;' + PICK,
     lambda a, b: int(0 < signed(a, 32) < signed(b, 32)))
form('setp_two', 'i32 i32', 'i32', 'setp.lt.s32 p|q, a, b; selp.b32 r0, 1, 0, p; selp.b32 r1, 2, 0, q; or.b32 d, r0, r1;',
     lambda a, b: 1 if signed(a, 32) < signed(b, 32) else 2)
form('pred_logic', 'i32 i32', 'i32', 'setp.lt.s32 p, a, b; setp.lt.u32 q, a, b; and.pred %p0, p, q; or.pred %p1, p, q; '
     'xor.pred %p2, p, q; not.pred %p3, %p0; selp.b32 r0, 1, 0, %p0; selp.b32 r1, 2, 0, %p1; selp.b32 r2, 4, 0, %p2; '
     'selp.b32 r3, 8, 0, %p3; or.b32 r0, r0, r1; or.b32 r2, r2, r3; or.b32 d, r0, r2;',
     lambda a, b: (lambda p, q: (p & q) | (p | q) << 1 | (p ^ q) << 2 | (1 - (p & q)) << 3)(
         int(signed(a, 32) < signed(b, 32)), int(a < b)))
form('guarded', 'i32 i32', 'i32', 'setp.lt.s32 p, a, b; mov.b32 d, 7; @p mov.b32 d, a; @!p add.s32 d, d, b;',
     lambda a, b: a if signed(a, 32) < signed(b, 32) else (b + 7) & 0xffffffff)
form('mov_pred', 'i32 i32', 'i32', 'setp.lt.s32 q, a, b; mov.pred p, q; @!p mov.pred p, -1; @q mov.pred p, 0;' + PICK,
     lambda a, b: int(signed(a, 32) >= signed(b, 32)))
for kind in ('u16', 'u32', 'u64', 's32'):
    form(f'selp_{kind}', f'i{kind[1:]} i{kind[1:]}', f'i{kind[1:]}',
         f'setp.gt.u{kind[1:]} p, a, b; selp.{kind} d, a, b, p;', max)
form('selp_f32', 'f32 f32', 'f32', 'setp.lt.f32 p, a, b; selp.f32 d, a, b, p;',
     lambda a, b: a if setp_lt(a, b) else b)


def setp_lt(a, b):
    return not f32.is_nan(a) and not f32.is_nan(b) and f32.real(a) < f32.real(b)


# ---- floating point -------------------------------------------------------------------------------------------------

def flushed(model):
    """.ftz: subnormal operands and results become zeroes of their sign."""
    return lambda *x: f32.flush(model(*(f32.flush(v) for v in x)))


OPERATIONS = {'add': (2, add), 'sub': (2, lambda f, a, b: add(f, a, b ^ f.sign)), 'mul': (2, mul), 'fma': (3, fma)}
for operation, (count, model) in OPERATIONS.items():
    operands = ', '.join('abc'[:count])
    for kind in ('f32', 'f64', 'f16'):
        form(f'{operation}_rn_{kind}', ' '.join([kind] * count), kind, f'{operation}.rn.{kind} d, {operands};',
             lambda *x, m=model, f=FORMAT[kind]: m(f, *x))
    form(f'{operation}_rn_ftz_f32', ' '.join(['f32'] * count), 'f32', f'{operation}.rn.ftz.f32 d, {operands};',
         flushed(lambda *x, m=model: m(f32, *x)))

form('add_rz_f32', 'f32 f32', 'f32', 'add.rz.f32 d, a, b;', lambda a, b: add(f32, a, b, 'rz'))
form('fma_rz_f32', 'f32 f32 f32', 'f32', 'fma.rz.f32 d, a, b, c;', lambda a, b, c: fma(f32, a, b, c, 'rz'))
form('fma_rm_f32', 'f32 f32 f32', 'f32', 'fma.rm.f32 d, a, b, c;', lambda a, b, c: fma(f32, a, b, c, 'rm'))
for kind in ('f32', 'f64'):  # without a modifier: .rn, and ptxas may contract, which a lone operation does not show
    for operation in ('add', 'sub', 'mul'):
        form(f'{operation}_{kind}', f'{kind} {kind}', kind, f'{operation}.{kind} d, a, b;',
             lambda a, b, m=OPERATIONS[operation][1], f=FORMAT[kind]: m(f, a, b))
form('fma_rn_bf16', 'bf16 bf16 bf16', 'bf16', 'fma.rn.bf16 d, a, b, c;', lambda a, b, c: fma(bf16, a, b, c))
form('fma_rn_relu_f16', 'f16 f16 f16', 'f16', 'fma.rn.relu.f16 d, a, b, c;',
     lambda a, b, c: (lambda x: x if f16.is_nan(x) else 0 if x & f16.sign else x)(fma(f16, a, b, c)))
form('add_sat_f32', 'f32 f32', 'f32', 'add.sat.f32 d, a, b;', lambda a, b: saturate(add(f32, a, b)))


def saturate(x):
    if f32.is_nan(x) or x & f32.sign:
        return 0
    return min(x, 0x3f800000)


def halves(model, count):
    def both(*x):
        return model(*(v & 0xffff for v in x)) | model(*(v >> 16 for v in x)) << 16
    return both


for operation, (count, model) in OPERATIONS.items():
    operands = ', '.join('abc'[:count])
    form(f'{operation}_rn_f16x2', ' '.join(['i32:f16x2'] * count), 'i32', f'{operation}.rn.f16x2 d, {operands};',
         halves(lambda *x, m=model: m(f16, *x), count), 'f16')
form('fma_rn_bf16x2', 'i32:bf16x2 i32:bf16x2 i32:bf16x2', 'i32', 'fma.rn.bf16x2 d, a, b, c;',
     halves(lambda *x: fma(bf16, *x), 3), 'bf16')
form('max_f16x2', 'i32:f16x2 i32:f16x2', 'i32', 'max.f16x2 d, a, b;',
     halves(lambda a, b: minimum(f16, a, b, True), 2), 'f16')
form('max_bf16x2', 'i32:bf16x2 i32:bf16x2', 'i32', 'max.bf16x2 d, a, b;',
     halves(lambda a, b: minimum(bf16, a, b, True), 2), 'bf16')
form('neg_f16x2', 'i32:f16x2', 'i32', 'neg.f16x2 d, a;', halves(lambda a: negate(f16, a), 1), 'f16')

for kind in ('f32', 'f64', 'f16', 'bf16'):
    fmt = FORMAT[kind]
    form(f'min_{kind}', f'{kind} {kind}', kind, f'min.{kind} d, a, b;', lambda a, b, f=fmt: minimum(f, a, b))
    form(f'max_{kind}', f'{kind} {kind}', kind, f'max.{kind} d, a, b;', lambda a, b, f=fmt: minimum(f, a, b, True))
    form(f'neg_{kind}', kind, kind, f'neg.{kind} d, a;', lambda a, f=fmt: negate(f, a))
    form(f'abs_{kind}', kind, kind, f'abs.{kind} d, a;', lambda a, f=fmt: f.nan if f.is_nan(a) else a & (f.sign - 1))
form('min_nan_f32', 'f32 f32', 'f32', 'min.NaN.f32 d, a, b;', lambda a, b: minimum(f32, a, b, False, True))
form('max_nan_f32', 'f32 f32', 'f32', 'max.NaN.f32 d, a, b;', lambda a, b: minimum(f32, a, b, True, True))
form('max_ftz_f32', 'f32 f32', 'f32', 'max.ftz.f32 d, a, b;', flushed(lambda a, b: minimum(f32, a, b, True)))
form('max_nan_f16', 'f16 f16', 'f16', 'max.NaN.f16 d, a, b;', lambda a, b: minimum(f16, a, b, True, True))
form('copysign_f32', 'f32 f32', 'f32', 'copysign.f32 d, a, b;', lambda a, b: (b & ~f32.sign) | (a & f32.sign))

for kind in ('f32', 'f64'):
    fmt = FORMAT[kind]
    form(f'div_rn_{kind}', f'{kind} {kind}', kind, f'div.rn.{kind} d, a, b;', lambda a, b, f=fmt: divide(f, a, b))
    form(f'rcp_rn_{kind}', kind, kind, f'rcp.rn.{kind} d, a;', lambda a, f=fmt: divide(f, f.of_float(1.0), a))
    form(f'sqrt_rn_{kind}', kind, kind, f'sqrt.rn.{kind} d, a;', lambda a, f=fmt: square_root(f, a))
for test, model in (('finite', lambda a: not f32.is_nan(a) and not f32.is_inf(a)), ('infinite', f32.is_inf),
                    ('notanumber', f32.is_nan), ('subnormal', f32.is_subnormal)):
    form(f'testp_{test}_f32', 'f32', 'i32', f'testp.{test}.f32 p, a;{PICK}', lambda a, m=model: int(m(a)))

# ---- approximations: the bounds are the ISA's -----------------------------------------------------------------------

def real(function, flush=False):
    """A model through f64: the true value rounded to f32."""
    def model(*x):
        x = [f32.flush(v) if flush else v for v in x]
        result = f32.of_float(function(*(f32.real(v) for v in x)))
        return f32.flush(result) if flush else result
    return model


def power_of_two(x):
    if x > 128 or math.isinf(x):
        return math.inf if x > 0 else 0.0
    return math.nan if math.isnan(x) else 2.0 ** max(x, -1070)


def logarithm(x):
    if math.isnan(x) or x < 0:
        return math.nan
    return -math.inf if x == 0 else math.inf if math.isinf(x) else math.log2(x)


def reciprocal(x):
    return math.copysign(math.inf, x) if x == 0 else 1.0 / x


def reciprocal_root(x):
    if math.isnan(x) or x < 0:
        return math.nan
    return math.copysign(math.inf, x) if x == 0 else 0.0 if math.isinf(x) else 1.0 / math.sqrt(x)


def root(x):
    return math.nan if x < 0 else x if math.isinf(x) or x == 0 else math.sqrt(x)


for ftz, dot in ((False, ''), (True, '.ftz')):
    suffix = '_ftz' if ftz else ''
    form(f'ex2_approx{suffix}_f32', 'f32:real', 'f32', f'ex2.approx{dot}.f32 d, a;', real(power_of_two, ftz),
         'f32 rel 2.4e-7 abs 3e-45')
    form(f'lg2_approx{suffix}_f32', 'f32:real', 'f32', f'lg2.approx{dot}.f32 d, a;', real(logarithm, ftz),
         'f32 rel 2.4e-7 abs 2.4e-7')
    form(f'rcp_approx{suffix}_f32', 'f32', 'f32', f'rcp.approx{dot}.f32 d, a;', real(reciprocal, ftz),
         'f32 rel 1.3e-7 abs 3e-45')
    form(f'rsqrt_approx{suffix}_f32', 'f32', 'f32', f'rsqrt.approx{dot}.f32 d, a;', real(reciprocal_root, ftz),
         'f32 rel 1.9e-7')
    form(f'sqrt_approx{suffix}_f32', 'f32', 'f32', f'sqrt.approx{dot}.f32 d, a;', real(root, ftz),
         'f32 rel 1.9e-7 abs 3e-45')
    form(f'div_full{suffix}_f32', 'f32:real f32:real', 'f32', f'div.full{dot}.f32 d, a, b;', real(
        lambda a, b: quotient(a, b), ftz), 'f32 rel 2.4e-7 abs 3e-45')
    form(f'div_approx{suffix}_f32', 'f32:normal f32:normal', 'f32', f'div.approx{dot}.f32 d, a, b;', real(
        lambda a, b: quotient(a, b, approximate=True), ftz), 'f32 rel 2.4e-7 abs 3e-45')


def quotient(a, b, approximate=False):
    if approximate and 2.0 ** 126 < abs(b) < math.inf:  # a * (1/b) with a flushed reciprocal: the ISA says so
        return math.nan if math.isinf(a) else math.copysign(0.0, a) * math.copysign(1, b)
    if math.isnan(a) or math.isnan(b) or (math.isinf(a) and math.isinf(b)) or (a == 0 and b == 0):
        return math.nan
    sign = math.copysign(1, a) * math.copysign(1, b)
    return sign * math.inf if b == 0 or math.isinf(a) else a / b


form('sin_approx_f32', 'f32:angle', 'f32', 'sin.approx.f32 d, a;', real(math.sin), 'f32 abs 6.8e-7')
form('cos_approx_f32', 'f32:angle', 'f32', 'cos.approx.f32 d, a;', real(math.cos), 'f32 abs 6.8e-7')
form('tanh_approx_f32', 'f32:real', 'f32', 'tanh.approx.f32 d, a;', real(math.tanh), 'f32 rel 5e-4 abs 3e-45')

# ---- conversions ----------------------------------------------------------------------------------------------------

for kind in ('f16', 'bf16'):
    fmt = FORMAT[kind]
    form(f'cvt_f32_{kind}', kind, 'f32', f'cvt.f32.{kind} d, a;', lambda a, f=fmt: f32.of_float(f.real(a)))
    form(f'cvt_rn_{kind}_f32', 'f32:real', kind, f'cvt.rn.{kind}.f32 d, a;', lambda a, f=fmt: f.of_float(f32.real(a)))
    form(f'cvt_rz_{kind}_f32', 'f32:real', kind, f'cvt.rz.{kind}.f32 d, a;',
         lambda a, f=fmt: f.of_float(f32.real(a), 'rz'))
    form(f'cvt_rn_{kind}x2_f32', 'f32 f32', 'i32', f'cvt.rn.{kind}x2.f32 d, a, b;',
         lambda a, b, f=fmt: f.of_float(f32.real(a)) << 16 | f.of_float(f32.real(b)), kind)
form('cvt_rn_relu_bf16x2_f32', 'f32 f32', 'i32', 'cvt.rn.relu.bf16x2.f32 d, a, b;',
     lambda a, b: relu_bf16(a) << 16 | relu_bf16(b), 'bf16')


def relu_bf16(a):
    x = bf16.of_float(f32.real(a))
    return x if bf16.is_nan(x) else 0 if x & bf16.sign else x


form('cvt_f64_f32', 'f32', 'f64', 'cvt.f64.f32 d, a;', lambda a: f64.of_float(f32.real(a)))
form('cvt_rn_f32_f64', 'f64', 'f32', 'cvt.rn.f32.f64 d, a;', lambda a: f32.of_float(f64.real(a)))
form('cvt_ftz_f32_f16', 'f16', 'f32', 'cvt.ftz.f32.f16 d, a;', lambda a: f32.of_float(f16.real(a)))
form('cvt_sat_f32_f32', 'f32', 'f32', 'cvt.sat.f32.f32 d, a;', saturate)
for mode in ('rni', 'rzi', 'rmi', 'rpi'):
    form(f'cvt_{mode}_s32_f32', 'f32:integer', 'i32', f'cvt.{mode}.s32.f32 d, a;',
         lambda a, m=mode: to_integer(f32, a, 32, True, m))
    form(f'cvt_{mode}_f32_f32', 'f32:integer', 'f32', f'cvt.{mode}.f32.f32 d, a;',
         lambda a, m=mode: to_integral(f32, a, m))
form('cvt_rzi_u32_f32', 'f32:integer', 'i32', 'cvt.rzi.u32.f32 d, a;', lambda a: to_integer(f32, a, 32, False, 'rzi'))
form('cvt_rzi_s64_f32', 'f32:integer', 'i64', 'cvt.rzi.s64.f32 d, a;', lambda a: to_integer(f32, a, 64, True, 'rzi'))
form('cvt_rzi_u64_f32', 'f32:integer', 'i64', 'cvt.rzi.u64.f32 d, a;', lambda a: to_integer(f32, a, 64, False, 'rzi'))
form('cvt_rzi_s32_f64', 'f64:integer', 'i32', 'cvt.rzi.s32.f64 d, a;', lambda a: to_integer(f64, a, 32, True, 'rzi'))
form('cvt_rni_s16_f32', 'f32:integer', 'i16', 'cvt.rni.s16.f32 d, a;', lambda a: to_integer(f32, a, 16, True, 'rni'))
form('cvt_rni_sat_s8_f32', 'f32:integer', 'i32', 'cvt.rni.sat.s8.f32 r0, a; cvt.s32.s8 d, r0;',
     lambda a: signed(to_integer(f32, a, 8, True, 'rni'), 8) & 0xffffffff)
for bits, is_signed in ((16, True), (16, False), (32, True), (32, False), (64, True), (64, False)):
    kind = f'{"s" if is_signed else "u"}{bits}'
    form(f'cvt_rn_f32_{kind}', f'i{bits}', 'f32', f'cvt.rn.f32.{kind} d, a;',
         lambda a, n=bits, s=is_signed: f32.round(Fraction(signed(a, n) if s else a)))
form('cvt_rn_f16_s32', 'i32', 'f16', 'cvt.rn.f16.s32 d, a;', lambda a: f16.round(Fraction(signed(a, 32))))
form('cvt_rn_f64_s32', 'i32', 'f64', 'cvt.rn.f64.s32 d, a;', lambda a: f64.round(Fraction(signed(a, 32))))
form('cvt_rn_f64_u64', 'i64', 'f64', 'cvt.rn.f64.u64 d, a;', lambda a: f64.round(Fraction(a)))
for name, source, result, model in (
        ('s32_s8', 'i32', 'i32', lambda a: signed(a, 8)), ('u32_u8', 'i32', 'i32', lambda a: a & 255),
        ('s32_s16', 'i16', 'i32', lambda a: signed(a, 16)), ('u32_u16', 'i16', 'i32', lambda a: a),
        ('u16_u32', 'i32', 'i16', lambda a: a), ('s64_s32', 'i32', 'i64', lambda a: signed(a, 32)),
        ('u64_u32', 'i32', 'i64', lambda a: a), ('u32_u64', 'i64', 'i32', lambda a: a),
        ('s64_s16', 'i16', 'i64', lambda a: signed(a, 16)), ('u16_u64', 'i64', 'i16', lambda a: a),
        ('s16_s8', 'i16', 'i16', lambda a: signed(a, 8))):
    to, of = name.split('_')
    form(f'cvt_{name}', source, result, f'cvt.{to}.{of} d, a;', masked(SIZE[result] * 8, model))
form('cvt_sat_s8_s32', 'i32', 'i32', 'cvt.sat.s8.s32 r0, a; cvt.s32.s8 d, r0;',
     lambda a: min(max(signed(a, 32), -128), 127) & 0xffffffff)
form('cvt_sat_u8_s32', 'i32', 'i32', 'cvt.sat.u8.s32 r0, a; cvt.u32.u8 d, r0;', lambda a: min(max(signed(a, 32), 0), 255))

# ---- moves ----------------------------------------------------------------------------------------------------------

form('mov_pack_b32', 'i16 i16', 'i32', 'mov.b32 d, {a, b};', lambda a, b: a | b << 16)
form('mov_unpack_b32', 'i32', 'i16', 'mov.b32 {h0, h1}, a; xor.b16 d, h0, h1;', lambda a: (a ^ a >> 16) & 0xffff)
form('mov_pack_b64', 'i32 i32', 'i64', 'mov.b64 d, {a, b};', lambda a, b: a | b << 32)
form('mov_unpack_b64', 'i64', 'i32', 'mov.b64 {r0, r1}, a; sub.s32 d, r1, r0;',
     masked(32, lambda a: (a >> 32) - (a & 0xffffffff)))
form('mov_unpack_v4', 'i64', 'i16', 'mov.b64 {h0, h1, h2, h3}, a; xor.b16 d, h1, h3;',
     lambda a: (a >> 16 ^ a >> 48) & 0xffff)
form('mov_u16', 'i16', 'i16', 'mov.u16 h0, 4660; mov.u16 h1, a; sub.s16 d, h1, h0;', masked(16, lambda a: a - 4660))
form('mov_u32', 'i32', 'i32', 'mov.u32 r0, -5; mov.u32 r1, a; add.s32 d, r1, r0;', masked(32, lambda a: a - 5))
form('mov_u64', 'i64', 'i64', 'mov.u64 rd0, -5; mov.u64 rd1, a; add.s64 d, rd1, rd0;', masked(64, lambda a: a - 5))
form('mov_f64', 'f64', 'f64', 'mov.f64 fd0, 0d3FF8000000000000; mov.f64 fd1, a; add.f64 d, fd1, fd0;',
     lambda a: add(f64, a, 0x3ff8 << 48))
form('add_u64', 'i64 i64', 'i64', 'add.u64 d, a, b;', masked(64, lambda a, b: a + b))
form('mov_bits_f32', 'f32', 'i32', 'mov.b32 d, a;', lambda a: a)
form('mov_immediate_f32', 'f32', 'f32', 'mov.f32 f0, 0f3FC00000; fma.rn.f32 d, a, f0, 0f40000000;',
     lambda a: fma(f32, a, 0x3fc00000, 0x40000000))
form('mov_immediate_i64', 'i64', 'i64', 'mov.b64 rd0, -81985529216486896; add.s64 d, a, rd0;',
     masked(64, lambda a: a - 81985529216486896))
