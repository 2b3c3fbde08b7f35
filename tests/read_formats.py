"""Reads quantized files by the definitions of their formats alone, and compares the values.

    read_formats.py FILE BACK [FILE BACK]...

FILE is what 'lquant quantize --format' wrote, GGUF or .safetensors; BACK what 'lquant dequantize'
made of it. Shares nothing with lquant: GGUF from the text of its specification and ggml's formats
from their definitions, the others from the field names and configurations of the software that
reads them. Values must be equal bit for bit. Exit status 1 where one is not.
"""

import json
import struct
import sys

import numpy as np

f4, f2 = np.float32, np.float16

# --------------------------------------------------------------------------- files

PLAIN = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U8": "u1", "U16": "<u2", "U32": "<u4", "U64": "<u8", "BOOL": "u1", "BF16": "<u2",
    "F8_E4M3": "u1", "F8_E5M2": "u1", "F8_E8M0": "u1",
}


class Tensor:
    def __init__(self, dtype, shape, raw):
        self.dtype, self.shape, self.raw = dtype, tuple(shape), raw

    def array(self):
        return np.frombuffer(self.raw, PLAIN[self.dtype]).reshape(self.shape)

    def reals(self):
        if self.dtype == "BF16":
            return (self.array().astype(np.uint32) << 16).view(f4)
        return self.array().astype(f4)


def read_safetensors(data):
    (size,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + size])
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, t in header.items():
        begin, end = t["data_offsets"]
        tensors[name] = Tensor(t["dtype"], t["shape"], data[8 + size + begin : 8 + size + end])
    return tensors, metadata


GGUF_SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q",
                11: "<q", 12: "<d"}
GGUF_PLAIN = {0: "F32", 1: "F16", 24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64", 30: "BF16"}


class Gguf:
    def __init__(self, data):
        self.data, self.at = data, 0
        assert data[:4] == b"GGUF"
        self.at = 4
        assert self.take("<I") in (2, 3)
        tensors, pairs = self.take("<Q"), self.take("<Q")
        self.pairs = {}
        for _ in range(pairs):
            key = self.text()
            self.pairs[key] = self.value(self.take("<I"))
        infos = []
        for _ in range(tensors):
            name = self.text()
            ne = [self.take("<Q") for _ in range(self.take("<I"))]
            infos.append((name, ne[::-1], self.take("<I"), self.take("<Q")))
        alignment = self.pairs.get("general.alignment", 32)
        start = (self.at + alignment - 1) // alignment * alignment
        self.tensors = {}
        for name, shape, number, offset in infos:
            assert offset % alignment == 0
            block, size, _ = BLOCKS.get(number) or (1, np.dtype(PLAIN[GGUF_PLAIN[number]]).itemsize, 0)
            count = int(np.prod(shape, dtype=np.int64))
            raw = data[start + offset : start + offset + count // block * size]
            assert len(raw) == count // block * size
            self.tensors[name] = Tensor(GGUF_PLAIN.get(number, number), shape, raw)

    def take(self, form):
        (value,) = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return value

    def text(self):
        size = self.take("<Q")
        self.at += size
        return self.data[self.at - size : self.at].decode()

    def value(self, kind):
        if kind == 8:
            return self.text()
        if kind == 9:
            kind, count = self.take("<I"), self.take("<Q")
            return [self.value(kind) for _ in range(count)]
        return self.take(GGUF_SCALARS[kind])


# ------------------------------------------------------------------- small numbers

def small_float(codes, exponent_bits, mantissa_bits, bias, nan=()):
    """Values of floats of a sign, an exponent and a mantissa, in float32, where all are exact."""
    codes = np.asarray(codes, np.int64)
    top = exponent_bits + mantissa_bits
    exponent = codes >> mantissa_bits & ((1 << exponent_bits) - 1)
    mantissa = codes & ((1 << mantissa_bits) - 1)
    value = np.where(exponent == 0, np.ldexp(mantissa * 1.0, 1 - bias - mantissa_bits),
                     np.ldexp(mantissa + float(1 << mantissa_bits), exponent - bias - mantissa_bits))
    value = np.where(codes >> top & 1, -value, value)
    for code in nan:
        value = np.where(codes == code, np.nan, value)
    return value.astype(f4)


def e4m3(codes):
    return small_float(codes, 4, 3, 7, (0x7F, 0xFF))


def e5m2(codes):
    return small_float(codes, 5, 2, 15)


def e2m3(codes):
    return small_float(codes, 2, 3, 1)


def e3m2(codes):
    return small_float(codes, 3, 2, 3)


def e2m1(codes):
    return small_float(codes, 2, 1, 1)


def e8m0(codes):
    return np.ldexp(1.0, np.asarray(codes, np.int64) - 127).astype(f4)


def stream(raw, bits, count):
    """`count` codes of a row each, the first in the lowest bits; rows begin at bytes."""
    rows = np.unpackbits(np.asarray(raw, np.uint8), axis=-1, bitorder="little")
    fields = rows[..., : count * bits].reshape(*rows.shape[:-1], count, bits).astype(np.int64)
    return (fields << np.arange(bits)).sum(-1)


# --------------------------------------------------------------- ggml's formats
# Each takes records as rows of bytes, and gives their values as rows.

def half(b, at):
    return np.ascontiguousarray(b[:, at : at + 2]).view("<f2").astype(f4)


def nibbles(b):
    return np.concatenate([b & 15, b >> 4], axis=1).astype(np.int64)


def steps(q, d):
    return q.astype(f4) * d


def steps_from(q, d, m):
    return q.astype(f4) * d + m


def fifth_bits(b):
    return np.unpackbits(b, axis=1, bitorder="little").astype(np.int64) << 4


def q4_0(b):
    return steps(nibbles(b[:, 2:]) - 8, half(b, 0))


def q4_1(b):
    return steps_from(nibbles(b[:, 4:]), half(b, 0), half(b, 2))


def q5_0(b):
    return steps((nibbles(b[:, 6:]) | fifth_bits(b[:, 2:6])) - 16, half(b, 0))


def q5_1(b):
    return steps_from(nibbles(b[:, 8:]) | fifth_bits(b[:, 4:8]), half(b, 0), half(b, 2))


def q8_0(b):
    return steps(b[:, 2:].view(np.int8), half(b, 0))


def two_bits(b):
    """Halves of 128: 32 bytes hold four runs of 32 elements, each 2 bits higher than the last."""
    return np.concatenate(
        [b[:, 32 * h : 32 * h + 32] >> 2 * j & 3 for h in range(2) for j in range(4)], axis=1
    ).astype(np.int64)


def q2_k(b):
    q = two_bits(b[:, 16:80])
    s = np.repeat(half(b, 80) * (b[:, :16] & 15).astype(f4), 16, axis=1)
    m = np.repeat(half(b, 82) * (b[:, :16] >> 4).astype(f4), 16, axis=1)
    return q.astype(f4) * s - m


def q3_k(b):
    mask, codes, packed = b[:, :32], b[:, 32:96], b[:, 96:108].astype(np.int64)
    high = np.concatenate([mask >> i & 1 for i in range(8)], axis=1).astype(np.int64)
    q = two_bits(codes) - 4 * (1 - high)
    low = np.concatenate([packed[:, :8] & 15, packed[:, :8] >> 4], axis=1)
    top = np.concatenate([packed[:, 8:] >> 2 * i & 3 for i in range(4)], axis=1)
    s = half(b, 108) * ((low | top << 4) - 32).astype(f4)
    return q.astype(f4) * np.repeat(s, 16, axis=1)


def scales_and_minimums(packed):
    p = packed.astype(np.int64)
    low, middle, mixed = p[:, :4], p[:, 4:8], p[:, 8:]
    s = np.concatenate([low & 63, mixed & 15 | low >> 6 << 4], axis=1)
    m = np.concatenate([middle & 63, mixed >> 4 | middle >> 6 << 4], axis=1)
    return s.astype(f4), m.astype(f4)


def four_bits(b):
    """Runs of 64: 32 bytes, the low nibbles first."""
    return np.concatenate([nibbles(b[:, 32 * c : 32 * c + 32]) for c in range(4)], axis=1)


def by_scales_and_minimums(q, b):
    s, m = scales_and_minimums(b[:, 4:16])
    s, m = half(b, 0) * s, half(b, 2) * m
    return q.astype(f4) * np.repeat(s, 32, axis=1) - np.repeat(m, 32, axis=1)


def q4_k(b):
    return by_scales_and_minimums(four_bits(b[:, 16:]), b)


def q5_k(b):
    high = np.concatenate([b[:, 16:48] >> i & 1 for i in range(8)], axis=1).astype(np.int64)
    return by_scales_and_minimums(four_bits(b[:, 48:]) | high << 4, b)


def q6_k(b):
    parts = []
    for c in range(2):
        low = b[:, 64 * c : 64 * c + 64].astype(np.int64)
        high = b[:, 128 + 32 * c : 160 + 32 * c].astype(np.int64)
        low = [low[:, :32] & 15, low[:, 32:] & 15, low[:, :32] >> 4, low[:, 32:] >> 4]
        parts += [l | (high >> 2 * i & 3) << 4 for i, l in enumerate(low)]
    q = np.concatenate(parts, axis=1) - 32
    s = half(b, 208) * b[:, 192:208].view(np.int8).astype(f4)
    return q.astype(f4) * np.repeat(s, 16, axis=1)


IQ4 = np.array([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113], f4)


def iq4_nl(b):
    return IQ4[nibbles(b[:, 2:])] * half(b, 0)


def iq4_xs(b):
    top = b[:, 2].astype(np.int64) | b[:, 3].astype(np.int64) << 8
    low = np.stack([b[:, 4 + i // 2].astype(np.int64) >> 4 * (i % 2) & 15 for i in range(8)], axis=1)
    top = np.stack([top >> 2 * i & 3 for i in range(8)], axis=1)
    s = half(b, 0) * ((low | top << 4) - 32).astype(f4)
    codes = np.concatenate([nibbles(b[:, 8 + 16 * i : 24 + 16 * i]) for i in range(8)], axis=1)
    return IQ4[codes] * np.repeat(s, 32, axis=1)


def trits(b, count):
    """Digits of base 3, the first the highest, of bytes that are fractions of 256."""
    return [(b.astype(np.int64) * 3**i % 256) * 3 >> 8 for i in range(count)]


def tq1_0(b):
    q = np.concatenate(trits(b[:, :32], 5) + trits(b[:, 32:48], 5) + trits(b[:, 48:52], 4), axis=1)
    return steps(q - 1, half(b, 52))


def tq2_0(b):
    return steps(two_bits(b[:, :64]) - 1, half(b, 64))


def mxfp4(b):
    return e2m1(nibbles(b[:, 1:])) * e8m0(b[:, :1])


def nvfp4(b):
    codes = np.concatenate([nibbles(b[:, 4 + 8 * i : 12 + 8 * i]) for i in range(4)], axis=1)
    return e2m1(codes) * np.repeat(e4m3(b[:, :4]), 16, axis=1)


# GGUF's number: elements and bytes of a record, and how it is read.
BLOCKS = {
    2: (32, 18, q4_0), 3: (32, 20, q4_1), 6: (32, 22, q5_0), 7: (32, 24, q5_1), 8: (32, 34, q8_0),
    10: (256, 84, q2_k), 11: (256, 110, q3_k), 12: (256, 144, q4_k), 13: (256, 176, q5_k),
    14: (256, 210, q6_k), 20: (32, 18, iq4_nl), 23: (256, 136, iq4_xs), 34: (256, 54, tq1_0),
    35: (256, 66, tq2_0), 39: (32, 17, mxfp4), 40: (64, 36, nvfp4),
}


def gguf_values(t):
    _, size, read = BLOCKS[t.dtype]
    return read(np.frombuffer(t.raw, np.uint8).reshape(-1, size)).reshape(t.shape)


# ------------------------------------------------------- formats of .safetensors
# Each takes the file, the name of the tensor and its shape, and gives its values.

def spread(s, columns, group):
    return np.repeat(s, group, axis=1)[:, :columns]


def weights_of(config):
    return config["config_groups"]["group_0"]["weights"]


def mx_scaled(values, scale):
    return values * np.repeat(e8m0(scale), 32, axis=1)


def read_mxfp4(f, name, config, shape):
    codes = stream(f[name + "_packed"].array(), 4, 2 * f[name + "_packed"].shape[1])
    return mx_scaled(e2m1(codes), f[name + "_scale"].array())


def read_mx(f, name, config, shape):
    t = f[name]
    if t.dtype.startswith("F6"):
        rows, columns = t.shape
        raw = np.frombuffer(t.raw, np.uint8).reshape(rows, columns * 6 // 8)
        values = (e2m3 if t.dtype == "F6_E2M3" else e3m2)(stream(raw, 6, columns))
    elif t.dtype == "I8":
        values = t.array().astype(f4) * f4(2**-6)
    else:
        values = (e4m3 if t.dtype == "F8_E4M3" else e5m2)(t.array())
    return mx_scaled(values, f[name + "_scale"].array())


def read_fp8(f, name, config, shape):
    return e4m3(f[name].array()) * f[name + "_scale"].reals()


def read_nvfp4(f, name, config, shape):
    codes = stream(f[name].array(), 4, 2 * f[name].shape[1])
    scale = e4m3(f[name + "_scale"].array()) * f[name + "_scale_2"].reals()
    return e2m1(codes) * np.repeat(scale, config["group_size"], axis=1)


def read_nf4(f, name, config, shape):
    state = json.loads(f[name + ".quant_state.bitsandbytes__nf4"].raw)
    codes = f[name].array().reshape(-1)
    codes = np.stack([codes >> 4, codes & 15], axis=1).reshape(-1)
    count = int(np.prod(state["shape"]))
    scale = np.repeat(f[name + ".absmax"].reals(), state["blocksize"])[:count]
    return (f[name + ".quant_map"].reals()[codes[:count]] * scale).reshape(state["shape"])


def read_matmulnbits(f, name, config, shape):
    bits, block = config["bits"], config["block_size"]
    rows, columns = shape[0], int(np.prod(shape[1:]))  # the node's attributes N and K
    blocks = -(-columns // block)  # the last one may be short

    def shaped(suffix, *wanted):
        t = f[name + suffix]
        if t.shape != wanted:
            sys.exit("%s: the shape of %s is %s, not %s" % (name, suffix, t.shape, wanted))
        return t

    raw = shaped("_Q%d" % bits, rows, blocks, -(-block * bits // 8)).array()
    scale = shaped("_scales", rows, blocks).reals()
    q = stream(raw, bits, block).reshape(rows, -1)
    zero = np.full((rows, blocks), 1 << bits - 1)
    if name + "_zero_points" in f:
        zero = stream(shaped("_zero_points", rows, -(-blocks * bits // 8)).array(), bits, blocks)
    values = (q - np.repeat(zero, block, axis=1)).astype(f4) * np.repeat(scale, block, axis=1)
    return values[:, :columns]


def stem_of(name):
    """What GPTQ's and AWQ's words are added to."""
    return name[: -len("weight")] if ("." + name).endswith(".weight") else name + "."


def words(t):
    return np.frombuffer(t.raw, np.uint8).reshape(t.shape[0], -1)


def read_gptq(f, name, config, shape):
    stem, bits = stem_of(name), config["bits"]
    weight, scale = f[stem + "qweight"], f[stem + "scales"].reals()
    columns, rows = len(f[stem + "g_idx"].array()), weight.shape[1]
    # Words follow each other down the first axis.
    down = np.ascontiguousarray(weight.array().T).view(np.uint8)
    q = stream(down, bits, columns)
    zero = stream(words(f[stem + "qzeros"]), bits, rows)
    zero = (zero + 1) % (1 << bits)
    group = f[stem + "g_idx"].array()
    return (q - zero.T[:, group]).astype(f4) * scale.T[:, group]


def read_awq(f, name, config, shape):
    stem, group = stem_of(name), config["group_size"]
    order = np.array([0, 4, 1, 5, 2, 6, 3, 7])  # where in a word element i is
    def unpack(t):
        fields = stream(words(t), 4, 8 * t.shape[1]).reshape(t.shape[0], -1, 8)
        return fields[:, :, order].reshape(t.shape[0], -1)
    q, zero = unpack(f[stem + "qweight"]), unpack(f[stem + "qzeros"])
    scale = f[stem + "scales"].reals()
    return ((q - np.repeat(zero, group, axis=0)).astype(f4) * np.repeat(scale, group, axis=0)).T


def read_pack_quantized(f, name, config, shape):
    w = weights_of(config)
    bits, group = w["num_bits"], w["group_size"]
    shape = f[name + "_shape"].array()
    rows, columns = int(shape[0]), int(np.prod(shape[1:]))
    middle = 1 << bits - 1
    q = stream(words(f[name + "_packed"]), bits, columns) - middle
    zero = np.zeros((rows, columns // group), np.int64)
    if not w["symmetric"]:
        t = f[name + "_zero_point"]
        down = np.ascontiguousarray(t.array().T).view(np.uint8)
        zero = stream(down, bits, rows).T - middle
    scale = f[name + "_scale"].reals()
    return (q - np.repeat(zero, group, axis=1)).astype(f4) * np.repeat(scale, group, axis=1)


def reader_of(config):
    method = config["quant_method"]
    if method == "compressed-tensors":
        return {"mxfp4-pack-quantized": ("_packed", read_mxfp4), "mxfp8-quantized": ("", read_mx),
                "float-quantized": ("", read_fp8),
                "pack-quantized": ("_packed", read_pack_quantized)}[config["format"]]
    return {"modelopt": ("", read_nvfp4), "bitsandbytes": ("", read_nf4), "mx": ("", read_mx),
            "matmulnbits": ("_Q%d" % config.get("bits", 0), read_matmulnbits),
            "gptq": ("qweight", read_gptq), "awq": ("qweight", read_awq)}[method]


# ------------------------------------------------------------------------ comparing

def in_type(values, dtype):
    """Float32 in the type of the original: the bits."""
    if dtype == "F32":
        return np.ascontiguousarray(values, f4).view(np.uint32)
    if dtype == "F16":
        with np.errstate(over="ignore"):
            return values.astype(f2).view(np.uint16)
    bits = np.ascontiguousarray(values, f4).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def compare(name, values, back):
    got = np.frombuffer(back.raw, np.uint32 if back.dtype == "F32" else np.uint16)
    expected = in_type(values, back.dtype).reshape(-1)
    if got.size != expected.size:
        sys.exit("%s: %d values, not %d" % (name, got.size, expected.size))
    wrong = np.flatnonzero(got != expected)
    if wrong.size:
        i = wrong[0]
        sys.exit("%s: %d of %d values differ; [%d] is %#x, not %#x"
                 % (name, wrong.size, got.size, i, got[i], expected[i]))
    return got.size


def check(path, back_path):
    data = open(path, "rb").read()
    back, _ = read_safetensors(open(back_path, "rb").read())
    count = 0
    if data[:4] == b"GGUF":
        tensors, quantized = Gguf(data).tensors, lambda name: tensors[name].dtype in BLOCKS
        read = lambda name: gguf_values(tensors[name])
    else:
        tensors, metadata = read_safetensors(data)
        config = json.loads(metadata["quantization_config"])
        suffix, reader = reader_of(config)
        def codes(name):
            return (stem_of(name) if suffix == "qweight" else name) + suffix
        # Those that keep their name have something beside it.
        companions = ("_scale", ".absmax") if not suffix else ("",)
        quantized = lambda name: any(codes(name) + c in tensors for c in companions)
        read = lambda name: reader(tensors, name, config, back[name].shape)
    for name, t in back.items():
        if quantized(name):
            count += compare(name, read(name), t)
        elif tensors[name].dtype != t.dtype or tensors[name].raw != t.raw:
            sys.exit("%s: is not as it was" % name)
    return count


def main(paths):
    np.seterr(all="ignore")
    total = sum(check(paths[i], paths[i + 1]) for i in range(0, len(paths), 2))
    print("%d values equal" % total)


main(sys.argv[1:])
