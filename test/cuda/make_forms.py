#!/usr/bin/env python3
"""Writes forms_sm80.ptx, forms_sm90.ptx and forms.data from the tables of forms*.py. Needs nothing but Python.

    make_forms.py [FOLDER]    writes them into FOLDER; default: beside this file
"""
from pathlib import Path
import struct
import sys
from forms import FORMS, LANES, REGISTER, SIZE, values
from forms_warp import PROGRAMS, Program
import forms_matrix  # noqa: F401 (adds its programs)

HEADER = """// Written by make_forms.py from the tables of forms*.py: one entry an instruction form.
.version 7.8
.target sm_{sm}
.address_size 64
.extern .shared .align 16 .b8 dynamic[];
"""
REGISTERS = ('.reg .pred p, q, %p<4>; .reg .b16 h<8>; .reg .b32 r<16>, tid, lane; .reg .b64 rd<8>, pa, pb, pc, po; '
             '.reg .f32 f<8>; .reg .f64 fd<4>; .shared .align 16 .b8 sm[4096]; .local .align 16 .b8 lm[64];')


def entry(name, parameters, registers, body):
    """PTX of one entry; `parameters` name the pointers that it gets."""
    text = [f'// program {name}', f'.visible .entry {name}(' + ', '.join(f'.param .u64 {p}_p' for p in parameters) + ')',
            '{', registers, 'mov.u32 tid, %tid.x;', 'and.b32 lane, tid, 31;']
    for p in parameters:
        text += [f'ld.param.u64 {p}, [{p}_p];', f'cvta.to.global.u64 {p}, {p};']
    text += [line.strip() + ';' for line in body.replace(': ', ':; ').split(';') if line.strip()]
    return '\n'.join(text).replace(':;', ':') + '\nret;\n}\n'


def scalar(form):
    """A form of registers as a program: operand k of thread i is element i of buffer k."""
    registers, body = REGISTERS, []
    names = 'abc'[:len(form.operands)]
    for name, spec in zip(names, form.operands):
        kind = spec.split(':')[0]
        registers += f' .reg {REGISTER[kind]} {name};'
        body.append(f'mul.wide.u32 rd7, tid, {SIZE[kind]}; add.s64 rd7, rd7, p{name}; '
                    f'ld.global{REGISTER[kind]} {name}, [rd7];')
    registers += f' .reg {REGISTER[form.result]} d;'
    body += [form.body, f'mul.wide.u32 rd7, tid, {SIZE[form.result]}; add.s64 rd7, rd7, po; '
             f'st.global{REGISTER[form.result]} [rd7], d;']
    return entry(form.name, [f'p{name}' for name in names] + ['po'], registers, ' '.join(body))


def pack(numbers, size):
    return struct.pack(f'<{len(numbers)}{ {2: "H", 4: "I", 8: "Q"}[size]}', *numbers).hex()


class Data:
    """forms.data: what to run and what to expect; equal buffers are written once."""

    def __init__(self):
        self.lines, self.sets = [], {}

    def buffer(self, text):
        if text not in self.sets:
            self.sets[text] = f's{len(self.sets)}'
            self.lines.append(f'set {self.sets[text]} {text}')
        return self.sets[text]

    def program(self, name, sm, block, grid, dynamic, operands, expected, compare):
        names = [self.buffer(text) for text in operands]
        self.lines.append(f'program {name} forms_sm{sm}.ptx {name} grid {grid} block {block} shared {dynamic} sm {sm}')
        self.lines += [f'in {n}' for n in names] + [f'out {expected} {compare}']


def generate():
    ptx, data = {sm: [HEADER.format(sm=sm)] for sm in (80, 90)}, Data()
    for form in FORMS:
        operands = [values(spec, index) for index, spec in enumerate(form.operands)]
        expected = [form.model(*x) for x in zip(*operands)]
        ptx[form.sm].append(scalar(form))
        data.program(form.name, form.sm, LANES, 1, 0,
                     [pack(v, SIZE[s.split(':')[0]]) for v, s in zip(operands, form.operands)],
                     pack(expected, SIZE[form.result]), form.compare)
    for p in PROGRAMS:
        registers = REGISTERS + ' .reg .b32 a, d;'
        ptx[p.sm].append(entry(p.name, [f'p{"abc"[k]}' for k in range(len(p.operands))] + ['po'], registers, p.body))
        data.program(p.name, p.sm, p.block, p.grid, p.dynamic, [pack(o, 4) for o in p.operands], pack(p.expected, 4),
                     p.compare)
    head = ['# Written by make_forms.py. Expected values are modelled (numbers_ptx.py), not recorded on hardware.']
    files = {f'forms_sm{sm}.ptx': '\n'.join(entries) for sm, entries in ptx.items()}
    return files | {'forms.data': '\n'.join(head + data.lines) + '\n'}


if __name__ == '__main__':
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent
    for name, text in generate().items():
        (folder / name).write_text(text)
