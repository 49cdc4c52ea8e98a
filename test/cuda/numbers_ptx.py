"""Number formats as the PTX ISA defines them, from exact rational arithmetic: the base of the instruction models.

Nothing here calls code of Ingot. A value is an integer of its bits; numpy arrays of uint32, uint64 or uint16 hold them.
"""
from dataclasses import dataclass
from fractions import Fraction
import math


@dataclass(frozen=True)
class Format:
    bits: int
    exponent: int  # bits of the exponent field
    mantissa: int  # bits of the fraction field

    @property
    def bias(self):
        return (1 << (self.exponent - 1)) - 1

    @property
    def infinity(self):
        return ((1 << self.exponent) - 1) << self.mantissa

    @property
    def sign(self):
        return 1 << (self.bits - 1)

    @property
    def nan(self):
        return self.sign - 1  # the canonical NaN of the ISA: all ones but the sign

    def is_nan(self, x):
        return (x & (self.sign - 1)) > self.infinity

    def is_inf(self, x):
        return (x & (self.sign - 1)) == self.infinity

    def is_subnormal(self, x):
        return 0 < (x & (self.sign - 1)) < (1 << self.mantissa)

    def flush(self, x):
        return x & self.sign if self.is_subnormal(x) else x

    def fraction(self, x):
        """The exact value of a finite number."""
        field, rest = (x >> self.mantissa) & ((1 << self.exponent) - 1), x & ((1 << self.mantissa) - 1)
        significand = rest + ((1 << self.mantissa) if field else 0)
        value = Fraction(significand) * Fraction(2) ** (max(field, 1) - self.bias - self.mantissa)
        return -value if x & self.sign else value

    def real(self, x):
        """As a Python float (f64): exact for every format of at most 64 bits."""
        if self.is_nan(x):
            return math.nan
        if self.is_inf(x):
            return -math.inf if x & self.sign else math.inf
        return float(self.fraction(x)) if x & (self.sign - 1) else math.copysign(0.0, -1.0 if x & self.sign else 1.0)

    def round(self, value, negative_zero=False, mode='rn'):
        """The number nearest to a Fraction; ties to even ('rn'), towards zero ('rz') or down ('rm')."""
        if value == 0:
            return self.sign if negative_zero else 0
        sign, magnitude = (self.sign if value < 0 else 0), abs(value)
        exponent = magnitude.numerator.bit_length() - magnitude.denominator.bit_length()
        if magnitude < Fraction(2) ** exponent:
            exponent -= 1
        exponent = max(exponent, 1 - self.bias)
        scaled = magnitude / Fraction(2) ** (exponent - self.mantissa)
        whole = scaled.numerator // scaled.denominator
        if mode == 'rn':
            rest = scaled - whole
            whole += rest > Fraction(1, 2) or (rest == Fraction(1, 2) and whole & 1)
        elif mode == 'rm' and sign:
            whole += scaled > whole
        field = exponent + self.bias - 1 if whole >> self.mantissa else 0
        bits = (field << self.mantissa) + whole  # a carry moves into the exponent as it should
        if bits >= self.infinity:
            return sign | (self.infinity if mode == 'rn' or (mode == 'rm' and sign) else self.infinity - 1)
        return sign | bits

    def of_float(self, value, mode='rn'):
        """A Python float, infinities and NaN included, rounded once."""
        if math.isnan(value):
            return self.nan
        if math.isinf(value):
            return self.infinity | (self.sign if value < 0 else 0)
        return self.round(Fraction(value), math.copysign(1, value) < 0, mode)


f16, bf16, f32, f64 = Format(16, 5, 10), Format(16, 8, 7), Format(32, 8, 23), Format(64, 11, 52)


def signed(x, bits):
    x &= (1 << bits) - 1
    return x - (1 << bits) if x >> (bits - 1) else x


def add(fmt, a, b, mode='rn'):
    if fmt.is_nan(a) or fmt.is_nan(b) or (fmt.is_inf(a) and fmt.is_inf(b) and (a ^ b) & fmt.sign):
        return fmt.nan
    if fmt.is_inf(a) or fmt.is_inf(b):
        return a if fmt.is_inf(a) else b
    return fmt.round(fmt.fraction(a) + fmt.fraction(b), bool(a & b & fmt.sign), mode)


def mul(fmt, a, b, mode='rn'):
    sign = (a ^ b) & fmt.sign
    if fmt.is_nan(a) or fmt.is_nan(b):
        return fmt.nan
    if fmt.is_inf(a) or fmt.is_inf(b):
        zero = not (a & (fmt.sign - 1)) or not (b & (fmt.sign - 1))
        return fmt.nan if zero else sign | fmt.infinity
    return fmt.round(fmt.fraction(a) * fmt.fraction(b), bool(sign), mode)


def fma(fmt, a, b, c, mode='rn'):
    product = mul(fmt, a, b)
    if fmt.is_nan(product) or fmt.is_nan(c):
        return fmt.nan
    if fmt.is_inf(a) or fmt.is_inf(b):
        return add(fmt, product, c)
    if fmt.is_inf(c):
        return c
    exact = fmt.fraction(a) * fmt.fraction(b)
    negative = bool((a ^ b) & c & fmt.sign)
    if mode == 'rm' and exact + fmt.fraction(c) == 0 and (exact or ((a ^ b) ^ c) & fmt.sign):
        negative = True  # rounding down, an exact difference of zero is negative
    return fmt.round(exact + fmt.fraction(c), negative, mode)


def negate(fmt, a):
    return fmt.nan if fmt.is_nan(a) else a ^ fmt.sign


def divide(fmt, a, b):
    sign = (a ^ b) & fmt.sign
    zero_a, zero_b = not a & (fmt.sign - 1), not b & (fmt.sign - 1)
    if fmt.is_nan(a) or fmt.is_nan(b) or (fmt.is_inf(a) and fmt.is_inf(b)) or (zero_a and zero_b):
        return fmt.nan
    if fmt.is_inf(a) or zero_b:
        return sign | fmt.infinity
    if fmt.is_inf(b) or zero_a:
        return sign
    return fmt.round(fmt.fraction(a) / fmt.fraction(b), bool(sign))


def square_root(fmt, a):
    if fmt.is_nan(a) or (a & fmt.sign and a != fmt.sign):
        return fmt.nan
    if fmt.is_inf(a) or a in (0, fmt.sign):
        return a
    # An integer root with far more bits than the format has; the sticky remainder breaks false ties.
    value, scale = fmt.fraction(a), 1 << 800
    scaled = value * scale * scale
    root = math.isqrt(scaled.numerator // scaled.denominator)
    sticky = root * root != scaled
    return fmt.round(Fraction(2 * root + sticky, 2 * scale))


def minimum(fmt, a, b, largest=False, propagate=False):
    if fmt.is_nan(a) or fmt.is_nan(b):
        if propagate or (fmt.is_nan(a) and fmt.is_nan(b)):
            return fmt.nan
        return b if fmt.is_nan(a) else a
    def order(x):
        return (-1 if x & fmt.sign else 1) * ((x & (fmt.sign - 1)) + (0.5 if not x & (fmt.sign - 1) else 0))
    return (max if largest else min)((a, b), key=order)


def to_integer(fmt, x, bits, is_signed, mode):
    """cvt from a float: rounded by `mode` (rni, rzi, rmi, rpi), saturated; NaN as the ISA's cvt section says."""
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if is_signed else (0, (1 << bits) - 1)
    mask = (1 << bits) - 1
    if fmt.is_nan(x):
        return 0 if fmt.bits != 64 and bits != 64 else 1 << (bits - 1)
    if fmt.is_inf(x):
        return (low if x & fmt.sign else high) & mask
    return min(max(to_whole(fmt.fraction(x), mode), low), high) & mask


def to_whole(value, mode):
    if mode == 'rzi':
        return math.trunc(value)
    if mode == 'rmi':
        return math.floor(value)
    if mode == 'rpi':
        return math.ceil(value)
    return round(value)  # Python rounds halves of a Fraction to even


def to_integral(fmt, x, mode):
    """cvt.rni.f32.f32 and its kin: an integral float; the sign of a zero stays."""
    if fmt.is_nan(x):
        return fmt.nan
    if fmt.is_inf(x):
        return x
    whole = to_whole(fmt.fraction(x), mode)
    return fmt.round(Fraction(whole), bool(x & fmt.sign))
