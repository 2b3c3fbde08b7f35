#!/usr/bin/python3
"""Makes the conformance vectors beside this file.

Needs Debian's python3-numpy, python3-torch and python3-onnx, and nothing else:

    /usr/bin/python3 tests/vectors/make_vectors.py

  onnx/      the node tests of QuantizeLinear, DequantizeLinear, QLinearMatMul and MatMulInteger that
             python3-onnx comes with, and those of Cast between float32, float16 and float64
  onnx_ref/  the first three of these operators, computed here with numpy as the operators' text (opset 25) says,
             for what that onnx is too old for: blocks, 16, 4 and 2 bits, precision; and
             DynamicQuantizeLinear. Half-width results are converted by PyTorch.
  torch/     tensors that PyTorch quantized, dequantized and fake-quantized (fq_*, with the gradients
             that its autograd gives), and parameters that its observers and choose_qparams found
  ort/       parameters and codes by the formulas of ONNX Runtime's Python tools and ONNX Neural
             Compressor, computed here with numpy
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


def ref_dequantize_int32(random, name, shape, attrs, real="float32"):
    """Accumulators, which have no zero point; beyond 2^24 they are rounded to float32 first."""
    attrs = dict(attrs)
    scale, _ = random_parameters(random, parameter_shape(shape, attrs), "int8")
    x = random.randint(-2 ** 31, 2 ** 31, shape) >> random.randint(0, 31, shape)
    case = Case()
    case.input("x", "int32", x)
    case.input("x_scale", "float32", scale)
    y = dequantize(x, scale, np.zeros_like(x), {}) if "axis" not in attrs else \
        x.astype(np.float32) * spread(scale, x, attrs)
    if real == "float16":
        attrs["output_dtype"] = ONNX_TYPES[real]
        with np.errstate(over="ignore"):
            y = y.astype(np.float16)
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
    random = np.random.RandomState(11)
    ref_dequantize_int32(random, "dq_int32_pt", [101], {})
    ref_dequantize_int32(random, "dq_int32_axis1", [3, 5, 4], {"axis": 1})
    ref_dequantize_int32(random, "dq_int32_axis-1_float16", [4, 7], {"axis": -1}, "float16")


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


def random_fake(random, shape, low, high, scale, zero_point, ties):
    """Values over the range of codes and beyond, a quarter of them ties, and gradients of y."""
    steps = random.uniform(low - zero_point - 6, high - zero_point + 6, shape)
    steps = np.where(ties & (random.randint(0, 4, shape) == 0), np.floor(steps) + 0.5, steps)
    x = (steps * np.float64(scale)).astype(np.float32)
    return x, random.uniform(-1, 1, shape).astype(np.float32)


def torch_fake(random, name, low, high, axis, learnable, ties=True, lowest_zero=-100):
    """Learnable ones round ties to other codes backward than forward, so most have none."""
    shape = [2, 5, 3, 4] if axis is not None else [7, 17]
    n = [] if axis is None else [shape[axis]]
    wide = [-1 if i == axis else 1 for i in range(len(shape))] if n else []
    scale = np.exp(random.uniform(-3, 1, n)).astype(np.float32)
    zero = random.randint(max(low, lowest_zero), min(high, 100) + 1, n).astype(np.float32)
    x, grad_out = random_fake(random, shape, low, high, scale.reshape(wide), zero.reshape(wide), ties)
    tx = torch.from_numpy(x).requires_grad_()
    ts, tz = torch.from_numpy(np.atleast_1d(scale)), torch.from_numpy(np.atleast_1d(zero))
    arrays = {"x": x, "scale": scale}
    more = {"quant_min": low, "quant_max": high}
    if learnable:
        more["grad_factor"] = 0.25
        ts.requires_grad_()
        tz.requires_grad_()
        if axis is None:
            y = torch._fake_quantize_learnable_per_tensor_affine(tx, ts, tz, low, high, 0.25)
        else:
            y = torch._fake_quantize_learnable_per_channel_affine(tx, ts, tz, axis, low, high, 0.25)
    elif axis is None:
        y = torch.fake_quantize_per_tensor_affine(tx, float(scale), int(zero), low, high)
    else:
        y = torch.fake_quantize_per_channel_affine(tx, ts, tz.to(torch.int32), axis, low, high)
    y.backward(torch.from_numpy(grad_out))
    arrays.update({"zero_point": zero if learnable else zero.astype(np.int32),
                   "y": y.detach().numpy(), "grad_out": grad_out, "grad_x": tx.grad.numpy()})
    if learnable:
        arrays.update({"grad_scale": ts.grad.numpy(), "grad_zero_point": tz.grad.numpy()})
    if axis is not None:
        more["axis"] = axis
    family = "fq_" + ("learn_" if learnable else "") + ("pt" if axis is None else "pc")
    torch_case(family, name, arrays, op="fake_quantize", **more)


def make_torch_fakes():
    random = np.random.RandomState(3)
    for learnable in (False, True):
        for i, (low, high) in enumerate([(-128, 127), (0, 255), (-8, 7), (-127, 127)]):
            ties = not learnable or i == 1
            torch_fake(random, "%d_0" % i, low, high, None, learnable, ties)
            if learnable:
                torch_fake(random, "%d_1" % i, low, high, None, True, False, 0)
            torch_fake(random, "ax%d" % i, low, high, i, learnable, ties)


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


# ------------------------------------------------------------------- ranges in bulk

def many_ranges(random, count):
    """Ends of ranges: of every size, one-sided, constant, zero, subnormal, and far apart."""
    a = random.normal(size=count) * 10.0 ** random.uniform(-6, 6, count)
    b = random.normal(size=count) * 10.0 ** random.uniform(-6, 6, count)
    near = random.randint(0, 3, count) == 0
    b = np.where(near, a * random.uniform(0.5, 2.0, count), b)
    ends = [(0, 0), (-1, 1), (0, 3), (-3, 0), (0.5, 2), (-2, -0.5), (5, 5), (-5, -5), (0, 1e-45),
            (-1e-45, 0), (-1e-40, 1e-40), (1e-39, 3e-39), (-1e-38, 3e-38), (1e-38, 1e-38),
            (-1e30, 1e30), (0, 1e37), (-1e37, 0), (-1e-3, 1e30), (-1e30, 1e-3), (-128, 127),
            (-127, 128), (0, 255), (-0.5, 0.5), (0, 2.0 ** -15), (-2.0 ** -15, 2.0 ** -16),
            (0, 6.1e-5 * 255), (0, 6.0e-5 * 255), (-6.1e-5 * 127, 6.1e-5 * 128), (-1e-5, 2e-5),
            (-1e-7, 1e-7), (0, 1e-9), (-1e-9, 0), (0, 2.0 ** -23 * 255), (0, 2.0 ** -24 * 255),
            (-2.5, 253.5 / 2), (-0.1, 25.4), (-7.5, 7.5), (-1, 15)]
    lo = np.minimum(a, b).astype(np.float32)
    hi = np.maximum(a, b).astype(np.float32)
    lo[: len(ends)] = np.array([e[0] for e in ends], np.float64).astype(np.float32)[:count]
    hi[: len(ends)] = np.array([e[1] for e in ends], np.float64).astype(np.float32)[:count]
    return lo, hi


def observer_case(random, family, name, dtype, qscheme, **options):
    """A range for each channel, as a per-channel observer has them."""
    lo, hi = many_ranges(random, 96)
    x = np.stack([lo, hi], axis=1)
    observer = torch.ao.quantization.observer.PerChannelMinMaxObserver(
        ch_axis=0, dtype=getattr(torch, dtype), qscheme=qscheme, **options)
    observer(torch.from_numpy(x))
    scale, zero_point = observer.calculate_qparams()
    torch_case(family, name,
               {"batches": x[np.newaxis], "min_val": observer.min_val.numpy(),
                "max_val": observer.max_val.numpy(), "scale": scale.numpy(),
                "zero_point": zero_point.numpy()},
               op="PerChannelMinMaxObserver", dtype=dtype, qscheme=str(qscheme), ch_axis=0,
               reduce_range=options.get("reduce_range", False), eps=2.0 ** -23,
               quant_min=observer.quant_min, quant_max=observer.quant_max)


def make_observers():
    random = np.random.RandomState(3)
    affine, symmetric = torch.per_channel_affine, torch.per_channel_symmetric
    for dtype in TORCH_TYPES:
        for kind, qscheme in (("ca", affine), ("cs", symmetric)):
            for reduced in (False, True):
                if reduced and dtype == "quint8" and kind == "cs":
                    continue  # PyTorch refuses it
                observer_case(random, "minmax_pc", "%s_%s_rr%d" % (dtype, kind, reduced), dtype,
                              qscheme, reduce_range=reduced)
    for dtype, low, high in (("qint8", -8, 7), ("qint8", -127, 127), ("quint8", 0, 15),
                             ("quint8", 0, 3), ("quint8", 0, 255)):
        for kind, qscheme in (("ca", affine), ("cs", symmetric)):
            observer_case(random, "minmax_pc_range", "%s_%s_%d_%d" % (dtype, kind, low, high),
                          dtype, qscheme, quant_min=low, quant_max=high)
    observer_case(random, "minmax_pc", "floatqparams", "quint8",
                  torch.per_channel_affine_float_qparams)


def make_choose_qparams():
    """One call for each range; the cases have many."""
    random = np.random.RandomState(4)
    for dtype in TORCH_TYPES:
        for reduced in (False, True):
            lo, hi = many_ranges(random, 200)
            # Zero points half way between integers, where the end they come from decides.
            unit = (random.randint(1, 4000, 60) / 1024.0).astype(np.float32)
            parts = np.array([1, 5, 9, 29])[random.randint(0, 4, 60)].astype(np.float32)
            other = random.randint(0, 2, 60) == 0
            lo = np.concatenate([lo, np.where(other, -unit * parts, -unit)])
            hi = np.concatenate([hi, np.where(other, unit, unit * parts)])
            scale, zero_point = [], []
            for ends in zip(lo, hi):
                q = torch.quantize_per_tensor_dynamic(torch.tensor(ends), TORCH_TYPES[dtype][0],
                                                      reduced)
                scale.append(q.q_scale())
                zero_point.append(q.q_zero_point())
                if dtype == "quint8":
                    s, z = torch._choose_qparams_per_tensor(torch.tensor(ends), reduced)
                    assert (float(s), int(z)) == (scale[-1], zero_point[-1])
            torch_case("choose_qparams_ranges", "%s_rr%d" % (dtype, reduced),
                       {"lo": lo, "hi": hi, "scale": np.array(scale, np.float64),
                        "zero_point": np.array(zero_point, np.int32)},
                       op="quantize_per_tensor_dynamic", dtype=dtype, reduce_range=reduced)


# ------------------------------------------------------------------- PyTorch, small cases

def make_dynamic():
    random = np.random.RandomState(5)
    values = {"normal": random.normal(size=33), "relu": np.maximum(random.normal(size=33), 0),
              "tiny": random.normal(size=33) * 1e-6, "const": np.full(33, 0.3),
              "zero": np.zeros(33), "big": random.normal(size=33) * 1e30}
    for name, x in values.items():
        x = x.astype(np.float32)
        for dtype in TORCH_TYPES:
            for reduced in (False, True):
                q = torch.quantize_per_tensor_dynamic(torch.from_numpy(x), TORCH_TYPES[dtype][0],
                                                      reduced)
                torch_case("dynamic", "%s_%s_rr%d" % (name, dtype, reduced),
                           {"x": x, "scale": np.float64(q.q_scale()),
                            "zero_point": np.int32(q.q_zero_point()), "q": q.int_repr().numpy(),
                            "dq": q.dequantize().numpy()},
                           op="quantize_per_tensor_dynamic", dtype=dtype, reduce_range=reduced)


def make_differences():
    """Where systems differ: the quotient, and where the zero point is added."""
    random = np.random.RandomState(6)
    for i, scale in enumerate([0.0577, 0.1976, 0.7]):
        scale, zero_point = np.float32(scale), [4, -8, 0][i]
        steps = (np.arange(-100, 100) + 0.5).astype(np.float32)
        x = (steps * scale).astype(np.float32)
        q = torch.quantize_per_tensor(torch.from_numpy(x), float(scale), zero_point, torch.qint8)
        division = np.clip(np.rint(x / scale) + zero_point, -128, 127).astype(np.int8)
        codes = q.int_repr().numpy()
        torch_case("muldiv", str(i),
                   {"x": x, "scale": scale, "zero_point": np.int32(zero_point), "q": codes,
                    "dq": q.dequantize().numpy(), "q_div": division},
                   op="quantize_per_tensor", dtype="qint8", ndiff=int((codes != division).sum()))
    for zero_point in (-3, 0, 1, 2):
        x = ((np.arange(-40, 40) + 0.5) * 0.25).astype(np.float32)
        q = torch.quantize_per_tensor(torch.from_numpy(x), 0.25, zero_point, torch.qint8)
        inside = np.clip(np.rint(x * np.float32(4) + np.float32(zero_point)), -128, 127)
        torch_case("tiezp", "zp%d" % zero_point,
                   {"x": x, "scale": np.float32(0.25), "zero_point": np.int32(zero_point),
                    "q": q.int_repr().numpy(), "dq": q.dequantize().numpy(),
                    "q_zp_inside": inside.astype(np.int8)},
                   op="quantize_per_tensor", dtype="qint8")
    for dtype in ("quint8", "quint4x2"):
        x = random.normal(size=(7, 10)).astype(np.float32)
        scale = random.uniform(0.01, 0.2, 7).astype(np.float32)
        zero_point = random.uniform(0, 15, 7).astype(np.float32)
        q = torch.quantize_per_channel(torch.from_numpy(x), torch.from_numpy(scale),
                                       torch.from_numpy(zero_point), 0, getattr(torch, dtype))
        torch_case("qpc_floatqp", dtype,
                   {"x": x, "scale": scale, "zero_point": zero_point,
                    "dq": q.dequantize().numpy(), "q_int_repr": q.int_repr().numpy()},
                   op="quantize_per_channel", dtype=dtype, axis=0)


def make_fake():
    random = np.random.RandomState(7)
    for i, (low, high) in enumerate([(-128, 127), (0, 255), (-8, 7), (0, 15)]):
        x = random.normal(size=(3, 4, 7)).astype(np.float32) * np.float32(high - low) / 30
        scale = np.float32(0.0625 if i == 2 else random.uniform(0.05, 0.3))
        zero_point = [3, 130, -2, 7][i]
        y = torch.fake_quantize_per_tensor_affine(torch.from_numpy(x), float(scale), zero_point,
                                                  low, high)
        ends = {"quant_min": low, "quant_max": high}
        torch_case("fq_pt", str(i), {"x": x, "scale": scale, "zero_point": np.int32(zero_point),
                                     "y": y.numpy()},
                   op="fake_quantize_per_tensor_affine", **ends)
        axis = i % 3
        scales = random.uniform(0.05, 0.3, x.shape[axis]).astype(np.float32)
        zeros = random.randint(low, high + 1, x.shape[axis]).astype(np.int32)
        y = torch.fake_quantize_per_channel_affine(torch.from_numpy(x), torch.from_numpy(scales),
                                                   torch.from_numpy(zeros), axis, low, high)
        torch_case("fq_pc", str(i), {"x": x, "scale": scales, "zero_point": zeros,
                                     "y": y.numpy()},
                   op="fake_quantize_per_channel_affine", axis=axis, **ends)
        real_zero = np.float32(zero_point + [0.25, 0.5, -0.5, 0.75][i])
        y = torch._fake_quantize_learnable_per_tensor_affine(
            torch.from_numpy(x), torch.tensor([scale]), torch.tensor([real_zero]), low, high, 1.0)
        torch_case("fq_learn_pt", str(i), {"x": x, "scale": scale, "zero_point": real_zero,
                                           "y": y.numpy()},
                   op="_fake_quantize_learnable_per_tensor_affine", **ends)
        real_zeros = (zeros + random.uniform(-0.9, 0.9, zeros.shape)).astype(np.float32)
        y = torch._fake_quantize_learnable_per_channel_affine(
            torch.from_numpy(x), torch.from_numpy(scales), torch.from_numpy(real_zeros), axis, low,
            high, 1.0)
        torch_case("fq_learn_pc", str(i), {"x": x, "scale": scales, "zero_point": real_zeros,
                                           "y": y.numpy()},
                   op="_fake_quantize_learnable_per_channel_affine", axis=axis, **ends)


def make_batches():
    random = np.random.RandomState(8)
    observers = torch.ao.quantization.observer
    for i, (dtype, qscheme) in enumerate([("qint8", torch.per_tensor_affine),
                                          ("quint8", torch.per_tensor_symmetric),
                                          ("quint8", torch.per_tensor_affine)]):
        batches = (random.normal(size=(4, 17)) * 2.0 ** random.randint(-3, 3, (4, 1)))
        batches = batches.astype(np.float32)
        for family, observer in (
                ("minmax_batches", observers.MinMaxObserver(dtype=getattr(torch, dtype),
                                                            qscheme=qscheme)),
                ("mavg", observers.MovingAverageMinMaxObserver(
                    averaging_constant=0.1, dtype=getattr(torch, dtype), qscheme=qscheme))):
            running = []
            for batch in batches:
                observer(torch.from_numpy(batch))
                running.append([observer.min_val.item(), observer.max_val.item()])
            scale, zero_point = observer.calculate_qparams()
            arrays = {"batches": batches, "min_val": observer.min_val.numpy(),
                      "max_val": observer.max_val.numpy(), "scale": scale.numpy(),
                      "zero_point": zero_point.numpy(), "running": np.array(running, np.float32)}
            more = {"averaging_constant": 0.1} if family == "mavg" else {}
            torch_case(family, "%d_%s" % (i, dtype), arrays, op=type(observer).__name__,
                       dtype=dtype, qscheme=str(qscheme), eps=2.0 ** -23,
                       quant_min=observer.quant_min, quant_max=observer.quant_max, **more)


# -------------------------------------- ONNX Runtime's and Neural Compressor's tools, by formula

ORT_REDUCED = {"int8": (-64, 64), "uint8": (0, 127), "int16": (-16384, 16384),
               "uint16": (0, 32767), "int4": (-4, 3), "uint4": (0, 7)}


def ort_case(family, name, arrays, **more):
    meta = {"name": name, "family": family, "source": "numpy"}
    meta.update(more)
    write("ort", family + "__" + name, arrays, meta)


def ort_range(qtype, symmetric, reduced):
    if reduced:
        return ORT_REDUCED[qtype]
    if symmetric and qtype in ("int8", "int16"):
        return -CODES[qtype][2], CODES[qtype][2]
    return CODES[qtype][1:3]


def ort_parameters(lo, hi, low, high, symmetric):
    """compute_scale_zp: the scale in double from a difference in the values' type."""
    lo = np.minimum(lo, lo.dtype.type(0))
    hi = np.maximum(hi, hi.dtype.type(0))
    if symmetric:
        hi = np.maximum(np.abs(lo), np.abs(hi))
        lo = -hi
    scale = (hi - lo).astype(np.float64) / np.float64(high - low)
    small = scale < np.finfo(lo.dtype).tiny
    middle = np.rint((low + high) / 2.0)
    safe = np.where(small, 1.0, scale)
    zero_point = np.full(lo.shape, middle) if symmetric else np.rint(low - lo / safe)
    zero_point = np.where(small, 0, zero_point)
    return safe.astype(lo.dtype), zero_point.astype(np.int32)


def make_ort():
    random = np.random.RandomState(9)
    for qtype in ORT_REDUCED:
        for symmetric in (False, True):
            for reduced in (False, True):
                kind = "%s_%s_rr%d" % (qtype, "sym" if symmetric else "asym", reduced)
                low, high = ort_range(qtype, symmetric, reduced)
                lo, hi = many_ranges(random, 64)
                scale, zero_point = ort_parameters(lo, hi, low, high, symmetric)
                meta = {"qtype": qtype, "symmetric": symmetric, "reduce_range": reduced}
                ort_case("scale_zp", kind, {"rmin": lo, "rmax": hi, "scale": scale,
                                            "zero_point": zero_point}, qmin=low, qmax=high, **meta)
                x = (random.normal(size=29) * 3).astype(np.float32)
                if random.randint(0, 2):
                    x = np.maximum(x, 0)
                scale, zero_point = ort_parameters(x.min(), x.max(), low, high, symmetric)
                clip = ort_range(qtype, True, False)
                codes = np.clip(np.rint(x / scale) + zero_point, clip[0], clip[1])
                arrays = {"x": x, "rmin": x.min(), "rmax": x.max(), "scale": scale,
                          "zero_point": zero_point, "q": codes.astype(CODES[qtype][3])}
                if CODES[qtype][0] == 4:
                    arrays["packed"] = pack(codes, 4)
                ort_case("quantize_data", kind, arrays, **meta)
    for qtype in ("int8", "uint8"):
        for symmetric in (False, True):
            lo, hi = many_ranges(random, 64)
            keep = np.maximum(np.abs(lo), np.abs(hi)) < 3e4
            lo, hi = lo[keep].astype(np.float16), hi[keep].astype(np.float16)
            low, high = ort_range(qtype, symmetric, False)
            scale, zero_point = ort_parameters(lo, hi, low, high, symmetric)
            ort_case("scale_zp", "%s_%s_f16" % (qtype, "sym" if symmetric else "asym"),
                     {"rmin": lo, "rmax": hi, "scale": scale, "zero_point": zero_point},
                     qtype=qtype, symmetric=symmetric, reduce_range=False, qmin=low, qmax=high)


def make_ort_blocks():
    random = np.random.RandomState(10)
    x = random.normal(size=(3, 48)).astype(np.float32)
    x[0, :16] = 0
    x[1, 16] = 4
    x[1, 20] = -4
    x[2, :16] = 0.5
    x[2, 16:32] *= np.float32(1e-44)
    x[0, 32:] = np.abs(x[0, 32:])
    rows = x.reshape(9, 16)
    greatest, least = rows.max(axis=1, keepdims=True), rows.min(axis=1, keepdims=True)
    extreme = np.where(np.abs(greatest) > np.abs(least), greatest, least)
    with np.errstate(all="ignore"):
        scale = (extreme / np.float32(-8)).astype(np.float32)
        codes = np.clip(np.rint(np.where(scale == 0, 0, rows / scale)), -8, 7).astype(np.int8)
        ort_case("int4_block", "sym", {"x": x, "scale": scale.reshape(3, 3),
                                       "q": codes.reshape(3, 48), "q_packed": pack(codes, 4)},
                 axis=1, block_size=16, symmetric=True)
        least, greatest = np.minimum(least, np.float32(0)), np.maximum(greatest, np.float32(0))
        scale = ((greatest - least) / np.float32(15)).astype(np.float32)
        zero_point = np.clip(np.rint(np.where(scale == 0, 8, -least / scale)), 0, 15)
        quotient = (rows / scale + zero_point.astype(np.float32)).astype(np.float32)
        codes = np.clip(np.rint(np.where(scale == 0, 8, quotient)), 0, 15).astype(np.uint8)
    zero_point = zero_point.astype(np.uint8)
    ort_case("int4_block", "asym",
             {"x": x, "scale": scale.reshape(3, 3), "q": codes.reshape(3, 48),
              "q_packed": pack(codes, 4), "zero_point": zero_point.reshape(3, 3),
              "zero_point_packed": pack(zero_point, 4)}, axis=1, block_size=16, symmetric=False)


def make_compressor():
    random = np.random.RandomState(11)
    ranges = {"int%d" % b: (-1 << (b - 1), (1 << (b - 1)) - 1) for b in range(1, 9)}
    ranges.update({"uint%d" % b: (0, (1 << b) - 1) for b in range(1, 9)})
    for qtype, (low, high) in ranges.items():
        for symmetric in (False, True):
            if symmetric and qtype == "int8":
                low = -127
            x = random.normal(size=(6, 16)).astype(np.float32)
            x[0] = 0
            x[1] *= np.float32(1e-39)
            lo, hi = x.min(axis=1, keepdims=True), x.max(axis=1, keepdims=True)
            ends = (-np.maximum(-lo, hi), np.maximum(-lo, hi)) if symmetric else (lo, hi)
            scale = (ends[1] - ends[0]) / np.float32(high - low)
            scale[scale < np.finfo(np.float32).tiny] = 1
            zero_point = (np.full(lo.shape, np.rint((low + high) / 2.0)) if symmetric
                          else np.rint(np.float32(low) - lo / scale))
            zero_point = zero_point.astype(np.float32)
            codes = np.clip(np.rint(x / scale + zero_point), low, high)
            kind = np.uint8 if qtype[0] == "u" else np.int8
            ort_case("inc_quantize_data", "%s_%s" % (qtype, "sym" if symmetric else "asym"),
                     {"x": x, "rmin": lo, "rmax": hi, "scale": scale,
                      "zero_point": zero_point.astype(kind), "q": codes.astype(kind)},
                     qtype=qtype, symmetric=symmetric, ratio=1.0, axis=1, qmin=low, qmax=high)


# ---------------------------------------------------- ONNX: parameters, and narrow quotients

def make_onnx_dynamic():
    random = np.random.RandomState(12)
    values = [random.normal(size=24), np.abs(random.normal(size=24)), -np.abs(random.normal(size=9)),
              random.normal(size=7) * 1e-6, np.full(5, 0.3), random.normal(size=24) * 1e20]
    for i, x in enumerate(values):
        x = x.astype(np.float32)
        lo, hi = np.minimum(x.min(), np.float32(0)), np.maximum(x.max(), np.float32(0))
        scale = np.float32((hi - lo) / np.float32(255))
        zero_point = np.rint(np.clip((np.float32(0) - lo) / scale, 0, 255))
        case = Case()
        case.input("x", "float32", x)
        case.output("y", "uint8", np.clip(np.rint(x / scale) + zero_point, 0, 255))
        case.output("y_scale", "float32", scale)
        case.output("y_zero_point", "uint8", zero_point)
        case.write("onnx_ref", "dyn_%d" % i, "DynamicQuantizeLinear", {}, source="numpy")


def make_narrow_quotients():
    """The quotient rounded to the operands' type, or to that of `precision`."""
    random = np.random.RandomState(13)
    kinds = {"float16": torch.float16, "bfloat16": torch.bfloat16}
    for real, kind in kinds.items():
        for operands in (real, "float32"):
            for dtype in ("int8", "uint4", "int16"):
                _, low, high, _ = CODES[dtype]
                x = torch.from_numpy(random.uniform(-1.2, 1.2, 60).astype(np.float32))
                scale = torch.tensor(1.0 / [127, 15, 1000][["int8", "uint4", "int16"].index(dtype)])
                zero_point = random.randint(low // 2, high // 2)
                if operands == real:
                    x, scale = x.to(kind).float(), scale.to(kind).float()
                quotient = (x.to(kind).float() / scale.to(kind).float()).to(kind).float().numpy()
                case = Case()
                case.input("x", operands, x.numpy())
                case.input("y_scale", operands, scale.numpy())
                case.input("y_zero_point", dtype, np.array(zero_point))
                case.output("y", dtype, np.clip(np.rint(quotient) + zero_point, low, high)
                            .astype(np.int64))
                attrs = {} if operands == real else {"precision": ONNX_TYPES[real]}
                case.write("onnx_ref", "q_%s_%s_%s" % (real, dtype, operands), "QuantizeLinear",
                           attrs, source="numpy")


if __name__ == "__main__":
    make_onnx()
    make_onnx_ref()
    make_qlinear_matmul()
    make_torch()
    make_ieee()
    make_torch_fakes()
    make_onnx_dynamic()
    make_narrow_quotients()
    make_observers()
    make_choose_qparams()
    make_dynamic()
    make_differences()
    make_fake()
    make_batches()
    make_ort()
    make_ort_blocks()
    make_compressor()
