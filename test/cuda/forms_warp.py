"""Instruction forms that need more than one thread or more than registers: memory, barriers, warps, tensor cores.

`PROGRAMS` is the table. In the PTX `pa`, `pb`, `pc`, `po` are the buffers' global addresses, `tid` and `lane` the
thread's numbers, `sm` 4096 bytes of static shared memory, `lm` 64 bytes of local memory; scratch registers are those of
forms.py. A model maps the operands (lists of 32-bit words) to the words of the result.
"""
from dataclasses import dataclass
from fractions import Fraction
import random
import struct
from numbers_ptx import *


@dataclass
class Program:
    name: str
    operands: list  # lists of 32-bit words
    words: int      # of the result
    body: str
    expected: list  # words
    compare: str
    block: int = 32
    grid: int = 1
    dynamic: int = 0
    sm: int = 80


PROGRAMS = []


def program(name, operands, words, body, expected, compare='bits', **more):
    assert len(expected) == words, (name, len(expected), words)
    PROGRAMS.append(Program(name, operands, words, body, [x & 0xffffffff for x in expected], compare, **more))


def words(count, seed, draw=None):
    source = random.Random(seed)
    return [draw(source) & 0xffffffff if draw else source.getrandbits(32) for _ in range(count)]


# Where thread `tid` finds element `tid` of `size` bytes.
def at(register, base, size):
    return f'mul.wide.u32 {register}, tid, {size}; add.s64 {register}, {register}, {base};'


STORE = at('rd7', 'po', 4) + ' st.global.b32 [rd7], d;'

# ---- global memory --------------------------------------------------------------------------------------------------

W = words(256, 'memory')
BYTES = b''.join(struct.pack('<I', w) for w in W)
for kind, size, read in (('u8', 1, 'B'), ('s8', 1, 'b'), ('u16', 2, 'H'), ('s16', 2, 'h')):
    program(f'ld_global_{kind}', [W[:32]], 32, f'{at("rd0", "pa", size)} ld.global.{kind} d, [rd0]; {STORE}',
            list(struct.unpack(f'<32{read}', BYTES[:32 * size])))
program('ld_global_offset', [W[:40]], 32, f'{at("rd0", "pa", 4)} ld.global.b32 r0, [rd0+32]; '
        f'ld.global.b32 r1, [rd0+4]; sub.s32 d, r0, r1; {STORE}', [W[i + 8] - W[i + 1] for i in range(32)])
program('ld_global_negative_offset', [W[:40]], 32, f'{at("rd0", "pa", 4)} add.s64 rd0, rd0, 32; '
        f'ld.global.b32 d, [rd0+-16]; {STORE}', [W[i + 4] for i in range(32)])
for space in ('ld.global', 'ld.global.nc', 'ld.global.nc.L1::no_allocate', 'ld.global.L2::128B'):
    tag = space.replace('.', '_').replace('::', '_')
    program(f'{tag}_v4_b32', [W[:128]], 32, f'{at("rd0", "pa", 16)} {space}.v4.b32 {{r0, r1, r2, r3}}, [rd0]; '
            f'sub.s32 r0, r0, r1; xor.b32 r2, r2, r3; add.s32 d, r0, r2; {STORE}',
            [W[4 * i] - W[4 * i + 1] + (W[4 * i + 2] ^ W[4 * i + 3]) for i in range(32)])
program('ld_global_v2_b64', [W[:128]], 32, f'{at("rd0", "pa", 16)} ld.global.v2.b64 {{rd1, rd2}}, [rd0]; '
        f'shr.u64 rd1, rd1, 32; sub.s64 rd1, rd1, rd2; cvt.u32.u64 d, rd1; {STORE}',
        [W[4 * i + 1] - W[4 * i + 2] for i in range(32)])
program('ld_global_v4_u16', [W[:64]], 32, f'{at("rd0", "pa", 8)} ld.global.v4.u16 {{h0, h1, h2, h3}}, [rd0]; '
        f'mov.b32 r0, {{h1, h3}}; mov.b32 r1, {{h0, h2}}; sub.s32 d, r0, r1; {STORE}',
        [(W[2 * i] >> 16 | W[2 * i + 1] >> 16 << 16) - (W[2 * i] & 0xffff | (W[2 * i + 1] & 0xffff) << 16)
         for i in range(32)])
# Loads and stores by every type that compilers spell: `elements` registers of `kind` a lane, through `space`.
for kind, register, size in (('u32', 'r', 4), ('s32', 'r', 4), ('b32', 'r', 4), ('f32', 'f', 4), ('u64', 'rd', 8), ('f64', 'fd', 8)):
    for elements in (1, 2, 4):
        if elements * size > 16 or (kind in ('s32', 'f64') and elements > 1):
            continue
        vector = {1: '', 2: '.v2', 4: '.v4'}[elements]
        names = ', '.join(f'{register}{k}' for k in range(elements))
        names = f'{{{names}}}' if elements > 1 else names
        count = elements * size // 4
        for space in ('global', 'shared', 'global.nc'):
            tag = f'{space}{vector}_{kind}'.replace('.', '_')
            load, store = at('rd6', 'pa', 4 * count), at('rd7', 'po', 4 * count)
            if space == 'shared':
                via = (f'mov.u32 r8, sm; mad.lo.s32 r8, tid, {4 * count}, r8; ld.global{vector}.{kind} {names}, [rd6]; '
                       f'st.shared{vector}.{kind} [r8], {names}; ld.shared{vector}.{kind} {names}, [r8];')
            else:
                via = f'ld.{space}{vector}.{kind} {names}, [rd6];'
            program(f'copy_{tag}', [W[:32 * count]], 32 * count,
                    f'{load} {via} {store} st.global{vector}.{kind} [rd7], {names};', W[:32 * count])
for kind, register in (('u32', 'r'), ('f32', 'f')):
    program(f'local_{kind}', [W[:32]], 32, f'{at("rd6", "pa", 4)} ld.global.{kind} {register}0, [rd6]; mov.u64 rd1, lm; '
            f'st.local.{kind} [rd1+8], {register}0; ld.local.{kind} {register}1, [rd1+8]; {at("rd7", "po", 4)} '
            f'st.global.{kind} [rd7], {register}1;', W[:32])
program('local_v4_u8', [W[:32]], 32, f'{at("rd0", "pa", 4)} ld.global.v4.u8 {{h0, h1, h2, h3}}, [rd0]; mov.u64 rd1, lm; '
        f'st.local.v4.u8 [rd1], {{h3, h2, h1, h0}}; ld.local.b32 d, [rd1]; {STORE}',
        [struct.unpack('>I', struct.pack('<I', w))[0] for w in W[:32]])
program('shared_u8', [W[:32]], 32, f'{at("rd0", "pa", 4)} ld.global.b32 r0, [rd0]; mov.u32 r1, sm; add.s32 r1, r1, tid; '
        f'st.shared.u8 [r1], r0; ld.shared.u8 d, [r1]; {STORE}', [w & 255 for w in W[:32]])
program('st_global_u8_register', [W[:32]], 8, f'{at("rd0", "pa", 4)} ld.global.b32 r0, [rd0]; {at("rd1", "po", 1)} '
        'st.global.u8 [rd1], r0;', [sum((W[4 * i + k] & 255) << 8 * k for k in range(4)) for i in range(8)])
program('ld_volatile_global_f32', [W[:32]], 32, f'{at("rd0", "pa", 4)} ld.volatile.global.f32 f0, [rd0]; mov.b32 d, f0; '
        f'{STORE}', W[:32])
program('st_global_u16', [W[:32]], 16, f'{at("rd0", "pa", 4)} ld.global.b32 r0, [rd0]; cvt.u16.u32 h0, r0; '
        f'{at("rd1", "po", 2)} st.global.u16 [rd1], h0;',
        [(W[2 * i] & 0xffff) | (W[2 * i + 1] & 0xffff) << 16 for i in range(16)])
program('ld_generic', [W[:32]], 32, 'cvta.global.u64 rd1, pa; mul.wide.u32 rd0, tid, 4; add.s64 rd0, rd0, rd1; '
        f'ld.b32 d, [rd0]; {STORE}', W[:32])
program('ld_generic_shared', [W[:32]], 32, f'{at("rd0", "pa", 4)} ld.global.b32 r0, [rd0]; mov.u32 r1, sm; '
        'mad.lo.s32 r1, tid, 4, r1; st.shared.b32 [r1], r0; bar.warp.sync -1; xor.b32 r2, tid, 5; mov.u64 rd2, sm; '
        'cvta.shared.u64 rd1, rd2; mul.wide.u32 rd0, r2, 4; add.s64 rd0, rd0, rd1; '
        f'ld.b32 d, [rd0]; {STORE}', [W[i ^ 5] for i in range(32)])
for order in ('ld.volatile.global', 'ld.relaxed.gpu.global', 'ld.acquire.gpu.global', 'ld.global.ca', 'ld.global.cg'):
    program(order.replace('.', '_'), [W[:32]], 32, f'{at("rd0", "pa", 4)} {order}.b32 d, [rd0]; {STORE}', W[:32])
for order in ('st.volatile.global', 'st.relaxed.gpu.global', 'st.release.gpu.global', 'st.global.wb', 'st.global.cs'):
    program(order.replace('.', '_'), [W[:32]], 32, f'{at("rd0", "pa", 4)} ld.global.b32 d, [rd0]; '
            f'{at("rd1", "po", 4)} {order}.b32 [rd1], d;', W[:32])
program('st_global_u8', [W[:32]], 8, f'{at("rd0", "pa", 4)} ld.global.b32 r0, [rd0]; cvt.u16.u32 h0, r0; '
        f'{at("rd1", "po", 1)} st.global.b8 [rd1], h0;',
        [sum((W[4 * i + k] & 255) << 8 * k for k in range(4)) for i in range(8)])
program('st_global_b16', [W[:32]], 16, f'{at("rd0", "pa", 4)} ld.global.b32 r0, [rd0]; cvt.u16.u32 h0, r0; '
        f'{at("rd1", "po", 2)} st.global.b16 [rd1], h0;',
        [(W[2 * i] & 0xffff) | (W[2 * i + 1] & 0xffff) << 16 for i in range(16)])
program('st_global_v4_b32', [W[:128]], 128, f'{at("rd0", "pa", 16)} ld.global.v4.b32 {{r0, r1, r2, r3}}, [rd0]; '
        f'{at("rd1", "po", 16)} st.global.v4.b32 [rd1], {{r3, r2, r1, r0}};',
        [W[4 * i + 3 - k] for i in range(32) for k in range(4)])
program('st_global_v2_f32', [W[:64]], 64, f'{at("rd0", "pa", 8)} ld.global.v2.f32 {{f0, f1}}, [rd0]; '
        f'{at("rd1", "po", 8)} st.global.v2.f32 [rd1], {{f1, f0}};',
        [W[2 * i + 1 - k] for i in range(32) for k in range(2)])
program('prefetch', [W[:32]], 32, f'{at("rd0", "pa", 4)} prefetch.global.L2 [rd0]; ld.global.b32 d, [rd0]; {STORE}',
        W[:32])

# ---- shared and local memory, barriers ------------------------------------------------------------------------------

TO_SHARED = f'{at("rd0", "pa", 4)} ld.global.b32 r0, [rd0]; mov.u32 r1, sm; mad.lo.s32 r2, tid, 4, r1;'
program('shared_b32', [W[:96]], 96, f'{TO_SHARED} st.shared.b32 [r2], r0; bar.sync 0; xor.b32 r3, tid, 32; '
        f'setp.gt.u32 p, tid, 63; @p mov.u32 r3, tid; mad.lo.s32 r3, r3, 4, r1; ld.shared.b32 d, [r3]; {STORE}',
        [W[i ^ 32 if i < 64 else i] for i in range(96)], block=96)
program('shared_v4', [W[:128]], 128, f'{TO_SHARED} st.shared.b32 [r2], r0; bar.sync 0; mad.lo.s32 r2, lane, 16, r1; '
        f'setp.lt.u32 p, tid, 32; @p ld.shared.v4.b32 {{r4, r5, r6, r7}}, [r2]; '
        f'@p st.shared.v4.b32 [r2+1024], {{r7, r6, r5, r4}}; bar.sync 0; '
        f'mad.lo.s32 r2, tid, 4, r1; ld.shared.b32 d, [r2+1024]; {STORE}',
        [W[i // 4 * 4 + 3 - i % 4] for i in range(128)], block=128)
program('shared_bytes', [W[:32]], 32, f'{TO_SHARED} add.s32 r3, r1, tid; cvt.u16.u32 h0, r0; st.shared.b8 [r3], h0; '
        f'bar.warp.sync -1; xor.b32 r4, tid, 1; add.s32 r3, r1, r4; ld.shared.s8 d, [r3]; {STORE}',
        [signed(W[i ^ 1], 8) for i in range(32)])
program('shared_b16_b64', [W[:32]], 32, f'{TO_SHARED} cvt.u64.u32 rd1, r0; shl.b64 rd1, rd1, 16; '
        f'mad.lo.s32 r3, tid, 8, r1; st.shared.b64 [r3], rd1; bar.warp.sync -1; ld.shared.u16 r4, [r3+2]; '
        f'ld.shared.u16 r5, [r3+4]; shl.b32 r5, r5, 16; or.b32 d, r4, r5; {STORE}', W[:32])
program('dynamic_shared', [W[:96]], 96, f'{at("rd0", "pa", 4)} ld.global.b32 r0, [rd0]; mov.u32 r1, dynamic; '
        f'mad.lo.s32 r2, tid, 4, r1; st.shared.b32 [r2], r0; bar.sync 0; sub.s32 r3, 95, tid; '
        f'mad.lo.s32 r3, r3, 4, r1; ld.shared.b32 d, [r3]; {STORE}', W[95::-1], block=96, dynamic=384)
program('local', [W[:32]], 32, f'{at("rd0", "pa", 4)} ld.global.b32 r0, [rd0]; mov.u32 r3, lm; and.b32 r1, lane, 7; '
        f'mad.lo.s32 r1, r1, 4, r3; st.local.b32 [r1], r0; ld.local.b32 d, [r1]; {STORE}', W[:32])
program('barrier_named', [W[:64]], 64, f'{TO_SHARED} st.shared.b32 [r2], r0; bar.sync 1, 64; xor.b32 r3, tid, 32; '
        f'mad.lo.s32 r3, r3, 4, r1; ld.shared.b32 d, [r3]; {STORE}', [W[i ^ 32] for i in range(64)], block=64)
program('barrier_part', [W[:96]], 96, f'{TO_SHARED} mov.b32 d, r0; setp.gt.u32 p, tid, 63; @p bra DONE; '
        f'st.shared.b32 [r2], r0; barrier.sync 2, 64; xor.b32 r3, tid, 32; mad.lo.s32 r3, r3, 4, r1; '
        f'ld.shared.b32 d, [r3]; DONE: {STORE}', [W[i ^ 32 if i < 64 else i] for i in range(96)], block=96)
program('barrier_arrive', [W[:64]], 64, f'{TO_SHARED} mov.b32 d, r0; setp.gt.u32 p, tid, 31; @p bra SENDS; '
        f'bar.sync 3, 64; ld.shared.b32 d, [r2+128]; bra DONE; SENDS: st.shared.b32 [r2], r0; membar.cta; '
        f'bar.arrive 3, 64; DONE: {STORE}', [W[i + 32 if i < 32 else i] for i in range(64)], block=64)
program('barrier_red_popc', [W[:64]], 64, f'{TO_SHARED} setp.lt.s32 p, r0, 0; barrier.red.popc.u32 d, 0, p; {STORE}',
        [sum(w >> 31 for w in W[:64])] * 64, block=64)
program('fence', [W[:32]], 32, f'{at("rd0", "pa", 4)} ld.global.b32 d, [rd0]; fence.acq_rel.gpu; membar.gl; '
        f'fence.sc.cta; {STORE}', W[:32])

# ---- cp.async -------------------------------------------------------------------------------------------------------

WAIT_ALL = 'cp.async.commit_group; cp.async.wait_group 0;'
for level, size in (('ca', 4), ('ca', 8), ('ca', 16), ('cg', 16)):
    program(f'cp_async_{level}_{size}', [W[:128]], 32, f'mov.u32 r1, sm; mad.lo.s32 r2, tid, {size}, r1; '
            f'{at("rd0", "pa", size)} cp.async.{level}.shared.global [r2], [rd0], {size}; {WAIT_ALL} '
            f'ld.shared.b32 d, [r2+{size - 4}]; {STORE}', [W[(i + 1) * size // 4 - 1] for i in range(32)])
program('cp_async_zfill', [W[:128]], 128, f'mov.u32 r1, sm; mad.lo.s32 r2, tid, 16, r1; {at("rd0", "pa", 16)} '
        f'and.b32 r3, lane, 16; cp.async.cg.shared.global [r2], [rd0], 16, r3; {WAIT_ALL} '
        f'ld.shared.v4.b32 {{r4, r5, r6, r7}}, [r2]; {at("rd1", "po", 16)} st.global.v4.b32 [rd1], {{r4, r5, r6, r7}};',
        [W[4 * i + k] if i & 16 else 0 for i in range(32) for k in range(4)])
program('cp_async_l2_hint', [W[:128]], 32, f'mov.u32 r1, sm; mad.lo.s32 r2, tid, 16, r1; {at("rd0", "pa", 16)} '
        f'cp.async.cg.shared.global.L2::128B [r2], [rd0], 16; {WAIT_ALL} ld.shared.b32 d, [r2+8]; {STORE}',
        [W[4 * i + 2] for i in range(32)])
program('cp_async_wait_group_1', [W[:64], W[64:128]], 64, f'mov.u32 r1, sm; mad.lo.s32 r2, tid, 4, r1; '
        f'{at("rd0", "pa", 4)} {at("rd1", "pb", 4)} cp.async.ca.shared.global [r2], [rd0], 4; cp.async.commit_group; '
        f'cp.async.ca.shared.global [r2+512], [rd1], 4; cp.async.commit_group; cp.async.wait_group 1; bar.sync 0; '
        f'xor.b32 r3, tid, 63; mad.lo.s32 r3, r3, 4, r1; ld.shared.b32 r4, [r3]; cp.async.wait_group 0; bar.sync 0; '
        f'ld.shared.b32 r5, [r3+512]; sub.s32 d, r4, r5; {STORE}', [W[63 - i] - W[127 - i] for i in range(64)], block=64)
program('cp_async_wait_all', [W[:32]], 32, f'mov.u32 r1, sm; mad.lo.s32 r2, tid, 4, r1; {at("rd0", "pa", 4)} '
        f'cp.async.ca.shared.global [r2], [rd0], 4; cp.async.wait_all; ld.shared.b32 d, [r2]; {STORE}', W[:32])

# ---- warps ----------------------------------------------------------------------------------------------------------

LOAD = f'{at("rd0", "pa", 4)} ld.global.b32 a, [rd0];'


def shuffle(mode, b, clamp, values):
    """shfl.sync: pairs of value and predicate; segments from the clamp's upper bits, as the ISA's pseudocode."""
    bval, cval, mask = b & 31, clamp & 31, clamp >> 8 & 31
    result = []
    for lane in range(32):
        least, most = lane & mask, (lane & mask) | (cval & ~mask & 31)
        j = {'up': lane - bval, 'down': lane + bval, 'bfly': lane ^ bval,
             'idx': least | (bval & ~mask & 31)}[mode]
        inside = j >= most if mode == 'up' else j <= most
        result.append((values[j if inside else lane], int(inside)))
    return result


for mode, b, clamp in (('idx', 7, 31), ('idx', 3, 0x181f), ('up', 1, 0), ('up', 4, 0x1800), ('down', 3, 31),
                       ('down', 8, 0x101f), ('bfly', 16, 31), ('bfly', 1, 31), ('bfly', 5, 0x181f)):
    segment = f'_{clamp:x}' if clamp not in (0, 31) else ''
    program(f'shfl_{mode}_{b}{segment}', [W[:32]], 32,
            f'{LOAD} shfl.sync.{mode}.b32 r0|p, a, {b}, {clamp}, -1; selp.b32 r1, 1, 0, p; xor.b32 d, r0, r1; {STORE}',
            [v ^ inside for v, inside in shuffle(mode, b, clamp, W[:32])])
program('shfl_idx_register', [W[:32]], 32, f'{LOAD} and.b32 r0, a, 31; shfl.sync.idx.b32 d, a, r0, 31, -1; {STORE}',
        [W[W[i] & 31] for i in range(32)])
program('shfl_half', [W[:32]], 32, f'{LOAD} mov.b32 d, a; setp.lt.u32 p, lane, 16; '
        f'@p shfl.sync.bfly.b32 d, a, 8, 31, 65535; {STORE}', [W[i ^ 8 if i < 16 else i] for i in range(32)])
HALF = f'{LOAD} setp.lt.u32 p, lane, 16; selp.b32 r1, 65535, -65536, p;'  # two groups, a mask each, one instruction
program('shfl_two_masks', [W[:32]], 32, f'{HALF} shfl.sync.bfly.b32 d, a, 4, 4127, r1; {STORE}',
        [W[i ^ 4] for i in range(32)])
program('warp_barrier_two_masks', [W[:32]], 32, f'{HALF} mov.u32 r2, sm; mad.lo.s32 r3, lane, 4, r2; '
        f'st.shared.b32 [r3], a; bar.warp.sync r1; xor.b32 r4, lane, 15; mad.lo.s32 r4, r4, 4, r2; '
        f'ld.shared.b32 d, [r4]; {STORE}', [W[i ^ 15] for i in range(32)])
program('vote_two_masks', [W[:32]], 32, f'{HALF} setp.lt.s32 q, a, 0; vote.sync.ballot.b32 d, q, r1; {STORE}',
        [sum((W[k] >> 31) << k for k in range(32) if (k < 16) == (i < 16)) for i in range(32)])
program('redux_two_masks', [W[:32]], 32, f'{HALF} redux.sync.add.u32 d, a, r1; {STORE}',
        [sum(W[k] for k in range(32) if (k < 16) == (i < 16)) for i in range(32)])
NEGATIVE = sum((W[i] >> 31) << i for i in range(32))
for mode, value in (('ballot.sync.b32', NEGATIVE), ('any.sync.pred', 1), ('all.sync.pred', 0), ('uni.sync.pred', 0)):
    to, after = ('d', '') if 'ballot' in mode else ('q', 'selp.b32 d, 1, 0, q;')
    program(f'vote_{mode.split(".")[0]}', [W[:32]], 32, f'{LOAD} setp.lt.s32 p, a, 0; '
            f'vote.sync.{mode.replace(".sync", "")} {to}, p, -1; {after} {STORE}', [value] * 32)
program('match_any', [words(32, 'match', lambda r: r.randrange(4))], 32, f'{LOAD} match.any.sync.b32 d, a, -1; {STORE}',
        [sum(1 << k for k, y in enumerate(words(32, 'match', lambda r: r.randrange(4))) if y == x)
         for x in words(32, 'match', lambda r: r.randrange(4))])
for name, kind, model in (('add', 'u32', sum), ('min', 's32', lambda x: min(signed(v, 32) for v in x)),
                          ('max', 's32', lambda x: max(signed(v, 32) for v in x)), ('max', 'u32', max)):
    program(f'redux_{name}_{kind}', [W[:32]], 32, f'{LOAD} redux.sync.{name}.{kind} d, a, -1; {STORE}',
            [model(W[:32])] * 32)
for name, model in (('and', lambda x, y: x & y), ('or', lambda x, y: x | y), ('xor', lambda x, y: x ^ y)):
    total = W[0] | 0x80000000
    ored = [w | 0x80000000 for w in W[:32]]
    for w in ored[1:]:
        total = model(total, w)
    program(f'redux_{name}_b32', [ored], 32, f'{LOAD} redux.sync.{name}.b32 d, a, -1; {STORE}', [total] * 32)
program('activemask', [W[:32]], 32, f'{LOAD} mov.b32 d, 0; setp.gt.u32 p, lane, 19; @p bra DONE; activemask.b32 d; '
        f'DONE: bar.warp.sync -1; {STORE}', [0xfffff] * 20 + [0] * 12)
program('special_registers', [W[:1]], 5 * 64, 'mov.u32 r0, %ntid.x; mov.u32 r1, %ctaid.x; mov.u32 r2, %nctaid.x; '
        'mov.u32 r3, %laneid; mad.lo.s32 r4, r1, r0, tid; mul.wide.u32 rd0, r4, 20; add.s64 rd0, rd0, po; '
        'st.global.b32 [rd0], tid; st.global.b32 [rd0+4], r0; st.global.b32 [rd0+8], r1; st.global.b32 [rd0+12], r2; '
        'st.global.b32 [rd0+16], r3;', [x for i in range(64) for x in (i % 32, 32, i // 32, 2, i % 32)], grid=2)

# ---- control --------------------------------------------------------------------------------------------------------

SMALL = words(32, 'trips', lambda r: r.randrange(20))
program('loop_divergent', [SMALL], 32, f'{LOAD} mov.b32 d, 0; mov.b32 r0, 0; LOOP: setp.ge.s32 p, r0, a; @p bra DONE; '
        f'mad.lo.s32 d, d, 3, r0; add.s32 r0, r0, 1; bra.uni LOOP; DONE: {STORE}',
        [(lambda n: __import__('functools').reduce(lambda d, k: d * 3 + k, range(n), 0))(n) for n in SMALL])
program('branch_nested', [W[:32]], 32, f'{LOAD} setp.lt.s32 p, a, 0; @p bra NEGATIVE; and.b32 r0, a, 1; '
        f'setp.ne.s32 q, r0, 0; @q bra ODD; mov.b32 d, 1; bra DONE; ODD: mov.b32 d, 2; bra DONE; '
        f'NEGATIVE: mov.b32 d, 3; DONE: {STORE}', [3 if w >> 31 else 2 if w & 1 else 1 for w in W[:32]])
program('exit_early', [W[:32]], 32, f'{LOAD} mov.b32 d, 5; {STORE} setp.lt.s32 p, a, 0; @p exit; mov.b32 d, 9; {STORE}',
        [5 if w >> 31 else 9 for w in W[:32]])

# ---- programmatic dependent launch (of a launch that depends on nothing: both instructions pass) -----------------------

program('griddepcontrol', [W[:32]], 32, f'{LOAD} griddepcontrol.launch_dependents; griddepcontrol.wait; mov.b32 d, a; {STORE}',
        W[:32], sm=90)

# ---- atomics --------------------------------------------------------------------------------------------------------

ONE = 'ld.global.b32 a, [rd0];'
INITIAL = [100, 0xfffffff0, 0x40000000, 5, 0, 0, 0, 0]


def atomic(name, instruction, place, expected, operands=None, block=64, compare='bits'):
    program(name, operands or [W[:64]], 8, f'setp.lt.u32 p, tid, 8; {at("rd1", "po", 4)} mov.b32 r0, 0; '
            f'@p st.global.b32 [rd1], r0; bar.sync 0; {at("rd0", "pa", 4)} {ONE} {instruction} ', expected, compare,
            block=block)


def total(model, start=0):
    result = start
    for w in W[:64]:
        result = model(result, w) & 0xffffffff
    return result


atomic('atom_add_u32', 'atom.global.add.u32 r1, [po], a;', 0, [sum(W[:64])] + [0] * 7)
atomic('red_add_u32', 'red.global.add.u32 [po+4], a;', 1, [0, sum(W[:64])] + [0] * 6)
atomic('red_relaxed_add_s32', 'red.relaxed.gpu.global.add.s32 [po+4], a;', 1, [0, sum(W[:64])] + [0] * 6)
atomic('atom_release_add', 'atom.release.gpu.global.add.u32 r1, [po+8], a;', 2, [0, 0, sum(W[:64])] + [0] * 5)
atomic('atom_acq_rel_add', 'atom.acq_rel.gpu.global.add.u32 r1, [po+8], a;', 2, [0, 0, sum(W[:64])] + [0] * 5)
atomic('atom_max_u32', 'atom.global.max.u32 r1, [po], a;', 0, [max(W[:64])] + [0] * 7)
atomic('atom_min_s32', 'atom.global.min.s32 r1, [po], a;', 0, [min(signed(w, 32) for w in W[:64])] + [0] * 7)
atomic('atom_or_b32', 'atom.global.or.b32 r1, [po], a;', 0, [total(lambda x, w: x | w)] + [0] * 7)
atomic('atom_xor_b32', 'atom.global.xor.b32 r1, [po], a;', 0, [total(lambda x, w: x ^ w)] + [0] * 7)
atomic('atom_inc', 'atom.global.inc.u32 r1, [po], 9;', 0, [64 % 10] + [0] * 7)
atomic('atom_add_u64', 'cvt.u64.u32 rd2, a; atom.global.add.u64 rd3, [po], rd2;', 0,
       [sum(W[:64]) & 0xffffffff, sum(W[:64]) >> 32] + [0] * 6)
atomic('atom_exch', 'setp.eq.u32 q, tid, 3; @q atom.global.exch.b32 r1, [po], a;', 0, [W[3]] + [0] * 7)
atomic('atom_cas', 'add.s32 r2, tid, 1; TRY: ld.relaxed.gpu.global.b32 r3, [po]; add.s32 r4, r3, r2; '
       'atom.global.cas.b32 r1, [po], r3, r4; setp.ne.b32 q, r1, r3; @q bra TRY;', 0, [64 * 65 // 2] + [0] * 7)
FLOATS = [struct.unpack('<I', struct.pack('<f', float(k % 9 - 4)))[0] for k in range(64)]
atomic('atom_add_f32', 'mov.b32 f0, a; atom.global.add.f32 f1, [po], f0;', 0,
       [struct.unpack('<I', struct.pack('<f', float(sum(k % 9 - 4 for k in range(64)))))[0]] + [0] * 7, [FLOATS])
program('atom_shared_add', [W[:64]], 64, f'mov.u32 r1, sm; setp.eq.u32 p, tid, 0; @p st.shared.b32 [r1], tid; '
        f'bar.sync 0; {at("rd0", "pa", 4)} {ONE} atom.shared.add.u32 r2, [r1], a; bar.sync 0; ld.shared.b32 d, [r1]; '
        f'{STORE}', [sum(W[:64])] * 64, block=64)
