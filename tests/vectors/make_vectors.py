#!/usr/bin/python3
"""Makes the conformance vectors beside this file.

Needs Debian's python3-numpy, python3-torch and python3-onnx, and nothing else:

    /usr/bin/python3 tests/vectors/make_vectors.py

  onnx/      the node tests of QuantizeLinear, DequantizeLinear, QLinearMatMul and MatMulInteger that
             python3-onnx comes with, and those of Cast between float32, float16 and float64
  onnx_ref/  the first three of these operators, computed here with numpy as the operators' text (opset 25) says,
             for what that onnx is too old for: blocks, 16, 4 and 2 bits, precision. Half-width
             results are converted by PyTorch.
  torch/     tensors that PyTorch quantized and dequantized
  ieee/      conversions between real types by numpy and PyTorch, bit patterns in and out

Each case is a .safetensors file: arrays, and a JSON string under __metadata__.meta. Arrays of 4 and 2
bits are there twice, one element a byte and packed, first element in the low bits. The
same packages make the same bytes, so `git diff` shows what a change of this file changes.
"""
import importlib
import json
import os
import struct

import numpy as np
import onnx
import torch

HERE = os.path.dirname(os.path.abspath(__file__))

SAFETENSORS = {"float32": "F32", "float16": "F16", "int8": "I8", "uint8": "U8", "int16": "I16",
               "uint16": "U16", "int32": "I32", "int64": "I64", "float64": "F64",
               "uint32": "U32"}

# name: bits, lowest, highest, numpy type of one element
CODES = {"int8": (8, -128, 127, np.int8), "uint8": (8, 0, 255, np.uint8),
         "int16": (16, -32768, 32767, np.int16), "uint16": (16, 0, 65535, np.uint16),
         "int4": (4, -8, 7, np.int8), "uint4": (4, 0, 15, np.uint8),
         "int2": (2, -2, 1, np.int8), "uint2": (2, 0, 3, np.uint8)}

# ONNX's numbers for types, where an attribute needs them.
ONNX_TYPES = {"float32": 1, "uint8": 2, "int8": 3, "uint16": 4, "int16": 5, "float16": 10,
              "bfloat16": 16, "uint4": 21, "int4": 22, "uint2": 25, "int2": 26}


def write(folder, name, arrays, meta):
    """Writes one safetensors file."""
    header = {"__metadata__": {"meta": json.dumps(meta)}}
    data = b""
    for key, array in arrays.items():
        array = np.asarray(array)
        raw = array.astype(array.dtype.newbyteorder("<")).tobytes()
        header[key] = {"dtype": SAFETENSORS[array.dtype.name], "shape": list(array.shape),
                       "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    os.makedirs(os.path.join(HERE, folder), exist_ok=True)
    with open(os.path.join(HERE, folder, name + ".safetensors"), "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


# ---------------------------------------------------------------------------------- ONNX

def pack(array, bits):
    """Narrow codes, the first in the low bits of a byte; the last byte ends in zeros."""
    per_byte = 8 // bits
    flat = np.asarray(array).reshape(-1).astype(np.int64) & ((1 << bits) - 1)
    flat = np.concatenate([flat, np.zeros(-len(flat) % per_byte, np.int64)])
    shifts = np.arange(per_byte) * bits
    return (flat.reshape(-1, per_byte) << shifts).sum(axis=1).astype(np.uint8)


def bfloat16(array):
    """Bits and values of float32 rounded to bfloat16, by PyTorch."""
    rounded = torch.from_numpy(np.array(array, np.float32)).to(torch.bfloat16)
    bits = rounded.view(torch.int16).numpy().view(np.uint16)
    return bits, rounded.to(torch.float32).numpy()


class Case:
    """Operands of one node, in the form that the README of the vectors describes."""

    def __init__(self):
        self.arrays = {}
        self.inputs = []
        self.outputs = []

    def add(self, operands, kind, name, dtype, array):
        key = "%s_%d" % (kind, len(operands))
        array = np.asarray(array)
        operands.append({"name": name, "key": key, "dtype": dtype, "shape": list(array.shape)})
        if dtype == "bfloat16":
            self.arrays[key], self.arrays[key + "_f32"] = bfloat16(array)
        elif dtype in CODES and CODES[dtype][0] < 8:
            self.arrays[key] = array.astype(CODES[dtype][3])
            self.arrays[key + "_packed"] = pack(array, CODES[dtype][0])
        else:
            self.arrays[key] = array.astype(dtype)

    def input(self, name, dtype, array):
        self.add(self.inputs, "in", name, dtype, array)

    def output(self, name, dtype, array):
        self.add(self.outputs, "out", name, dtype, array)

    def write(self, folder, name, op, attrs, **more):
        meta = {"name": name, "op": op, "opset": 25, "attrs": attrs, "inputs": self.inputs,
                "outputs": self.outputs}
        meta.update(more)
        write(folder, name, self.arrays, meta)


def spread(parameter, x, attrs):
    """A scale or zero point for every element of x."""
    parameter = np.asarray(parameter)
    if parameter.size == 1 and "block_size" not in attrs:
        return parameter.reshape(())
    axis = attrs.get("axis", 1) % x.ndim
    if "block_size" in attrs:
        repeated = np.repeat(parameter, attrs["block_size"], axis=axis)
        return np.take(repeated, np.arange(x.shape[axis]), axis=axis)
    return parameter.reshape([-1 if i == axis else 1 for i in range(x.ndim)])


def quantize(x, scale, zero_point, dtype, attrs):
    """y = saturate(round(x / y_scale) + y_zero_point), halves to even, in float32."""
    _, low, high, _ = CODES[dtype]
    quotient = x.astype(np.float32) / spread(scale, x, attrs).astype(np.float32)
    assert quotient.dtype == np.float32
    rounded = np.clip(np.rint(quotient).astype(np.float64), -1e9, 1e9)
    return np.clip(rounded + spread(zero_point, x, attrs), low, high).astype(np.int64)


def dequantize(x, scale, zero_point, attrs):
    """y = (x - x_zero_point) * x_scale, in float32."""
    difference = (x.astype(np.int64) - spread(zero_point, x, attrs)).astype(np.float32)
    return difference * spread(scale, x, attrs).astype(np.float32)


def parameter_shape(shape, attrs):
    if "block_size" in attrs:
        axis = attrs["axis"] % len(shape)
        return [-(-n // attrs["block_size"]) if i == axis else n for i, n in enumerate(shape)]
    return [shape[attrs["axis"]]] if "axis" in attrs else []


def random_parameters(random, shape, dtype):
    """Scales, a third of them powers of two, and zero points."""
    _, low, high, _ = CODES[dtype]
    scale = np.exp(random.uniform(-3.0, 3.0, shape)).astype(np.float32)
    powers = np.ldexp(np.float32(1), random.randint(-4, 4, shape)).astype(np.float32)
    scale = np.where(random.randint(0, 3, shape) == 0, powers, scale)
    return scale.astype(np.float32), random.randint(low, high + 1, shape)


def random_values(random, shape, scale, dtype):
    """Values over the code range and a little beyond; a third of them exact halves of the scale."""
    _, low, high, _ = CODES[dtype]
    span = high - low
    steps = random.uniform(-0.6 * span, 0.6 * span, shape)
    steps = np.where(random.randint(0, 3, shape) == 0, np.floor(steps) + 0.5, steps)
    x = (steps * scale).astype(np.float32)
    specials = np.array([0.0, -0.0, 1e-45, -1e-45, 1e-38, 1e30, -1e30], np.float32)
    flat = x.reshape(-1)
    flat[: min(len(specials), len(flat))] = specials[: len(flat)]
    return x


def ref_quantize(random, name, dtype, shape, attrs, with_zero_point=True, real="float32"):
    attrs = dict(attrs)
    scale, zero_point = random_parameters(random, parameter_shape(shape, attrs), dtype)
    x = random_values(random, shape, spread(scale, np.empty(shape), attrs), dtype)
    if real == "float16":
        x, scale = np.clip(x, -6e4, 6e4).astype(np.float16), scale.astype(np.float16)
    if real == "bfloat16":
        x, scale = bfloat16(x)[1], bfloat16(scale)[1]
    case = Case()
    case.input("x", real, x)
    case.input("y_scale", real, scale)
    if with_zero_point:
        case.input("y_zero_point", dtype, zero_point)
    else:
        zero_point = np.zeros_like(zero_point)
        attrs["output_dtype"] = ONNX_TYPES[dtype]
    if real != "float32":
        attrs["precision"] = 1
    case.output("y", dtype, quantize(x, scale, zero_point, dtype, attrs))
    case.write("onnx_ref", name, "QuantizeLinear", attrs, source="numpy")


def ref_dequantize(random, name, dtype, shape, attrs, with_zero_point=True, real="float32"):
    attrs = dict(attrs)
    _, low, high, _ = CODES[dtype]
    scale, zero_point = random_parameters(random, parameter_shape(shape, attrs), dtype)
    x = random.randint(low, high + 1, shape)
    case = Case()
    case.input("x", dtype, x)
    case.input("x_scale", "float32", scale)
    if with_zero_point:
        case.input("x_zero_point", dtype, zero_point)
    else:
        zero_point = np.zeros_like(zero_point)
    y = dequantize(x, scale, zero_point, attrs)
    if real != "float32":
        attrs["output_dtype"] = ONNX_TYPES[real]
    if real == "float16":
        y = torch.from_numpy(y).to(torch.float16).numpy()
    case.output("y", real, y)
    case.write("onnx_ref", name, "DequantizeLinear", attrs, source="numpy")


def ref_qlinear_matmul(random, name, dtype, shapes, real, powers):
    """y = saturate(round((a - za) @ (b - zb) * (sa * sb / sy) + zy)), the factor in the type of the
    scales, the product with it in double, halves to even after the zero point is added."""
    _, low, high, _ = CODES[dtype]
    a, b = (random.randint(low, high + 1, shape) for shape in shapes)
    za, zb, zy = (random.randint(low, high + 1, [1]) for _ in range(3))
    acc = (a - za) @ (b - zb)
    spread_of_y = np.float64(max(1, np.abs(acc).max())) / (high - low)
    sa, sb = (np.exp(random.uniform(-5.0, -2.0, [1])).astype(real) for _ in range(2))
    sy = (sa.astype(np.float64) * sb * spread_of_y).astype(real)
    if powers:
        sa, sb = np.array([2.0 ** -4]).astype(real), np.array([2.0 ** -3]).astype(real)
        sy = np.array([2.0 ** (np.ceil(np.log2(spread_of_y)) - 7)]).astype(real)
    factor = sa * sb / sy
    assert factor.dtype == np.dtype(real) and np.isfinite(factor) and factor > 0
    exact = acc.astype(np.float64) * factor.astype(np.float64) + zy
    case = Case()
    for key, kind, array in (("a", dtype, a), ("a_scale", real, sa), ("a_zero_point", dtype, za),
                             ("b", dtype, b), ("b_scale", real, sb), ("b_zero_point", dtype, zb),
                             ("y_scale", real, sy), ("y_zero_point", dtype, zy)):
        case.input(key, kind, array)
    case.output("y", dtype, np.clip(np.rint(exact), low, high).astype(np.int64))
    case.write("onnx_ref", name, "QLinearMatMul", {}, source="numpy")


def make_qlinear_matmul():
    random = np.random.RandomState(3)
    shapes = {"2d": ([7, 16], [16, 9]), "3d": ([2, 5, 12], [2, 12, 6])}
    for dtype in ("int8", "uint8"):
        for real in ("float32", "float16"):
            for dims, pair in shapes.items():
                for kind, powers in (("any", False), ("ties", True)):
                    name = "qmm_%s_%s_%s_%s" % (dtype, real, dims, kind)
                    ref_qlinear_matmul(random, name, dtype, pair, real, powers)


def make_onnx_ref():
    random = np.random.RandomState(1)
    blocks = [{"axis": 0, "block_size": 2}, {"axis": 1, "block_size": 3},
              {"axis": -1, "block_size": 5}, {"axis": 2, "block_size": 32}]
    for i, dtype in enumerate(CODES):
        for op, make in (("q", ref_quantize), ("dq", ref_dequantize)):
            make(random, "%s_%s_pt" % (op, dtype), dtype, [3, 37], {})
            make(random, "%s_%s_nozp" % (op, dtype), dtype, [41], {}, with_zero_point=False)
            axis = [0, 1, 2, -1][i % 4]
            make(random, "%s_%s_axis%d" % (op, dtype, axis), dtype, [3, 5, 7], {"axis": axis})
            for block in (blocks[i % 4], blocks[(i + 1) % 4]):
                name = "%s_%s_blk_ax%d_b%d" % (op, dtype, block["axis"], block["block_size"])
                make(random, name, dtype, [3, 4, 33], block)
    for real in ("float16", "bfloat16"):
        ref_quantize(random, "q_%s_int8_axis0_precF32" % real, "int8", [5, 33], {"axis": 0},
                     real=real)
        ref_quantize(random, "q_%s_uint4_pt_precF32" % real, "uint4", [65], {}, real=real)
        ref_dequantize(random, "dq_uint16_pt_%s" % real, "uint16", [257], {}, real=real)
        ref_dequantize(random, "dq_int4_axis1_%s" % real, "int4", [3, 9], {"axis": 1}, real=real)


CASTS = ["test_cast_%s_to_%s" % pair for pair in (
    ("FLOAT", "FLOAT16"), ("FLOAT", "DOUBLE"), ("FLOAT16", "FLOAT"), ("FLOAT16", "DOUBLE"),
    ("DOUBLE", "FLOAT"), ("DOUBLE", "FLOAT16"))]


def make_onnx():
    """The node tests: values from the package, not from here."""
    from onnx.backend.test.case import node as node_tests
    # Importing a module registers its tests; others of this version do not import with this numpy.
    for module in ("quantizelinear", "dequantizelinear", "qlinearmatmul", "matmulinteger", "cast"):
        importlib.import_module("onnx.backend.test.case.node." + module)
    for test in sorted(node_tests._NodeTestCases, key=lambda t: t.name):
        graph = test.model.graph if test.model is not None else None
        if graph is None or len(graph.node) != 1:
            continue
        op = graph.node[0].op_type
        operators = ("QuantizeLinear", "DequantizeLinear", "QLinearMatMul", "MatMulInteger")
        if op not in operators and test.name not in CASTS:
            continue
        inputs, outputs = test.data_sets[0]
        case = Case()
        for value, array in zip(graph.input, inputs):
            case.input(value.name, np.asarray(array).dtype.name, array)
        for value, array in zip(graph.output, outputs):
            case.output(value.name, np.asarray(array).dtype.name, array)
        attrs = {a.name: onnx.helper.get_attribute_value(a) for a in graph.node[0].attribute}
        case.write("onnx", test.name, op, attrs, source="onnx " + onnx.__version__)


# ------------------------------------------------------------------------------- PyTorch

TORCH_TYPES = {"qint8": (torch.qint8, -128, 127), "quint8": (torch.quint8, 0, 255)}


def torch_case(family, name, arrays, **more):
    meta = {"name": name, "family": family, "source": "pytorch", "version": torch.__version__}
    meta.update(more)
    write("torch", family + "__" + name, arrays, meta)


def torch_per_tensor(random, name, dtype, scale, zero_point):
    kind, low, high = TORCH_TYPES[dtype]
    scale = np.float32(scale)
    steps = np.concatenate([random.uniform(low - zero_point - 9, high - zero_point + 9, 40),
                            np.arange(-20, 21) + 0.5])
    x = (steps * np.float64(scale)).astype(np.float32)
    q = torch.quantize_per_tensor(torch.from_numpy(x), float(scale), zero_point, kind)
    torch_case("qpt", "%s_%s" % (dtype, name),
               {"x": x, "scale": scale, "zero_point": np.int32(zero_point),
                "q": q.int_repr().numpy(), "dq": q.dequantize().numpy()},
               op="quantize_per_tensor", dtype=dtype)


def torch_all_codes(name, dtype, scale, zero_point):
    kind, low, high = TORCH_TYPES[dtype]
    codes = np.arange(low, high + 1).astype(np.int8 if low else np.uint8)
    scale = np.float32(scale)
    q = torch._make_per_tensor_quantized_tensor(torch.from_numpy(codes), float(scale), zero_point)
    torch_case("dq", "%s_%s" % (dtype, name),
               {"q": codes, "scale": scale, "zero_point": np.int32(zero_point),
                "dq": q.dequantize().numpy()}, op="dequantize per tensor, all codes", dtype=dtype)


def torch_per_channel(random, name, dtype, axis, powers):
    kind, low, high = TORCH_TYPES[dtype]
    shape = [3, 4, 2, 5]
    n = shape[axis]
    scale = np.exp(random.uniform(-3, 3, n)).astype(np.float32)
    if powers:
        scale = np.ldexp(np.float32(1), random.randint(-5, 5, n)).astype(np.float32)
    zero_point = random.randint(low, high + 1, n).astype(np.int64)
    wide = scale.reshape([-1 if i == axis else 1 for i in range(4)])
    x = (np.floor(random.uniform(-200, 200, shape)) * 0.5 * wide).astype(np.float32)
    q = torch.quantize_per_channel(torch.from_numpy(x), torch.from_numpy(scale),
                                   torch.from_numpy(zero_point), axis, kind)
    torch_case("qpc", "%s_ax%d_%s" % (dtype, axis, name),
               {"x": x, "scale": scale, "zero_point": zero_point, "q": q.int_repr().numpy(),
                "dq": q.dequantize().numpy()}, op="quantize_per_channel", dtype=dtype, axis=axis)


def make_torch():
    random = np.random.RandomState(2)
    for dtype, (_, low, high) in TORCH_TYPES.items():
        for i, scale in enumerate([1.0, 0.5, 2.0 ** -7, 2.0 ** 20, 2.0 ** -40, 0.1, 1.0 / 127]):
            zero_point = [low, high, (low + high + 1) // 2, 3][i % 4]
            torch_per_tensor(random, str(i), dtype, scale, zero_point)
        for i, scale in enumerate([1.0 / 127, 0.1, 1e-38, 1e-44, 1e36]):
            torch_all_codes(str(i), dtype, scale, [low, 7, high][i % 3])
        for axis in range(4):
            torch_per_channel(random, "pow2", dtype, axis, True)
            torch_per_channel(random, "any", dtype, axis, False)


# ------------------------------------------------------------------------- conversions

def midpoints(random, values, wide, count):
    """Halfway between finite neighbors of a narrow type, and what lies next to that; both signs."""
    values = np.unique(values[np.isfinite(values)].astype(np.float64))
    i = np.sort(random.choice(len(values) - 1, count, replace=False))
    i[:4], i[-4:] = np.arange(len(values) // 2 - 2, len(values) // 2 + 2), len(values) - 2
    middle = ((values[i] + values[i + 1]) / 2).astype(wide)
    up = np.nextafter(middle, wide(np.inf))
    down = np.nextafter(middle, wide(-np.inf))
    return np.concatenate([middle, up, down])


def bits_of(array):
    array = np.ascontiguousarray(array)
    return array.view({2: np.uint16, 4: np.uint32, 8: np.uint64}[array.dtype.itemsize])


def torch_bits(array, dtype):
    rounded = torch.from_numpy(np.array(array)).to(dtype)
    if dtype == torch.bfloat16:
        return rounded.view(torch.int16).numpy().view(np.uint16)
    return bits_of(rounded.numpy())


def ieee_case(name, op, arrays):
    write("ieee", name, arrays, {"name": name, "op": op, "source": "numpy %s, torch %s"
                                 % (np.__version__, torch.__version__),
                                 "nan_note": "payloads are implementation defined"})


def make_ieee():
    random = np.random.RandomState(3)
    every = np.arange(1 << 16).astype(np.uint16)
    f16 = every.view(np.float16).astype(np.float32)
    bf16 = (every.astype(np.uint32) << 16).view(np.float32)
    with np.errstate(all="ignore"):
        edges = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 65504, 65519.996, 65520, -65520, 65536,
                          3.3895314e38, 3.3961775e38, 3.4028235e38, 1e-45, -1e-45, 1.1754944e-38,
                          5.9604645e-08, 2.9802322e-08, 2.980233e-08, 6.1035156e-05],
                         np.float32)
        noise = random.randint(0, 1 << 32, 600, dtype=np.uint64).astype(np.uint32)
        x = np.concatenate([edges, midpoints(random, f16, np.float32, 400),
                            midpoints(random, bf16, np.float32, 400), noise.view(np.float32)])
        ieee_case("f32_to_f16_bf16", "f32 -> f16 / bf16, round to nearest even",
                  {"x_bits": bits_of(x), "f16_numpy": bits_of(x.astype(np.float16)),
                   "f16_torch": torch_bits(x, torch.float16),
                   "bf16_torch": torch_bits(x, torch.bfloat16)})
        some = np.unique(np.concatenate([random.randint(0, 1 << 16, 700), np.arange(0, 1 << 16, 1023),
                                         [0x7bff, 0x7c00, 0xfc00, 0x7f7f, 0x7f80, 0xff80]]))
        some = some.astype(np.uint16)
        h = some.view(np.float16)
        ieee_case("f16_to_f32_bf16_f64", "f16 -> f32 / bf16 / f64",
                  {"x_bits": some, "f32_numpy": bits_of(h.astype(np.float32)),
                   "bf16_torch": torch_bits(h, torch.bfloat16), "f64_numpy": h.astype(np.float64)})
        b = (some.astype(np.uint32) << 16).view(np.float32)
        ieee_case("bf16_to_f32_f16_f64", "bf16 -> f32 / f16 / f64",
                  {"x_bits": some, "f32_numpy": bits_of(b), "f16_numpy": bits_of(b.astype(np.float16)),
                   "f64_numpy": b.astype(np.float64)})
        tiny = np.array([1e300, -1e300, 1e-300, 2.0 ** -25, 2.0 ** -150, 2.0 ** -1074, 2.0 ** 128])
        floats = random.randint(0, 0x7f800000, 400).astype(np.uint32).view(np.float32)
        between = np.nextafter(floats, np.float32(np.inf)).astype(np.float64)
        between = (between + floats.astype(np.float64)) / 2
        d = np.concatenate([edges.astype(np.float64), tiny, between,
                            np.nextafter(between, np.inf), np.nextafter(between, -np.inf),
                            midpoints(random, f16, np.float64, 400)])
        # PyTorch goes from double to 16 bits through float32, so numpy alone speaks here.
        ieee_case("f64_to_f16_f32", "f64 -> f16 / f32, directly",
                  {"x": d, "f16_numpy": bits_of(d.astype(np.float16)),
                   "f32_numpy": bits_of(d.astype(np.float32)),
                   "f32_torch": torch_bits(d, torch.float32)})


if __name__ == "__main__":
    make_onnx()
    make_onnx_ref()
    make_qlinear_matmul()
    make_torch()
    make_ieee()
