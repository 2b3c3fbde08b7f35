#!/usr/bin/python3
"""Makes layouts/ beside this file: codes and zero points, and the bytes that other systems keep them in.

Plain Python, nothing else:

    python3 tests/vectors/make_layouts.py

Each system's bytes follow from the words or bytes that its documentation or source defines, as sums of shifted
codes; W is the matrix of codes [rows = outputs][columns = inputs], Z that of zero points [rows][blocks].

  rows                ONNX's and OCP MX's packing of each row, first element in the low bits; of signed
                      codes the two's complement
  mlx                 mlx.core.quantize: uint32 along the row, for 3 and 6 bits bytes, 8 and 4 codes to three
  bitsandbytes        quantize_4bit: pairs of the flat tensor, the first in the high bits
  matmulnbits         com.microsoft.MatMulNBits: B [rows][blocks][block * bits / 8], zero points
                      [rows][ceil(blocks * bits / 8)]
  gptq, gptq_v2       AutoGPTQ's qweight [columns * bits / 32][rows] and qzeros [blocks][rows * bits / 32]; 3 bits
                      as its pack() has them, by hand; the first version stores zero points less 1
  awq                 AutoAWQ's qweight [columns][rows / 8], qzeros [blocks][rows / 8]
  compressed-tensors  pack_to_int32: codes + 2^(bits - 1), 32 / bits (rounded down) to an int32 along the
                      rows of the matrix, zero points along its columns
  hqq                 BitPack.pack_4bit_u8 of the matrix with a row for each group

A case is a .safetensors file of codes, zero points (one a byte), bytes and zero_bytes, with a JSON string under
__metadata__.meta: system, layout, bits, block, signed. Run again, it makes the same bytes.
"""
import json
import os
import struct

HERE = os.path.dirname(os.path.abspath(__file__))


class Random:
    """Numbers that are the same in every Python."""

    def __init__(self, seed):
        self.state = seed

    def below(self, n):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) % n


def words(values):
    """int32 words, little-endian."""
    return b"".join(struct.pack("<I", v) for v in values)


def combine(codes, bits):
    """One number of several codes, the first in its low bits."""
    return sum(code << bits * i for i, code in enumerate(codes))


def chunks(values, n):
    return [values[i:i + n] for i in range(0, len(values), n)]


def columns_of(matrix):
    return [list(column) for column in zip(*matrix)]


def row_bytes(row, bits):
    return combine(row, bits).to_bytes((len(row) * bits + 7) // 8, "little")


# ------------------------------------------------------------------------------- systems

def rows(w, z, bits, block):
    return b"".join(row_bytes(r, bits) for r in w), b"".join(row_bytes(r, bits) for r in z)


def mlx(w, z, bits, block):
    """Its zero points are real biases."""
    if bits in (3, 6):
        each = {3: 8, 6: 4}[bits]
        return b"".join(combine(c, bits).to_bytes(3, "little") for r in w for c in chunks(r, each)), None
    return b"".join(words(combine(c, bits) for c in chunks(r, 32 // bits)) for r in w), None


def bitsandbytes(w, z, bits, block):
    flat = [code for row in w for code in row]
    flat += [0] * (len(flat) % 2)
    return bytes(first << 4 | second for first, second in zip(flat[::2], flat[1::2])), None


def matmulnbits(w, z, bits, block):
    each = 8 // bits
    out = []
    for row in w:
        padded = row + [0] * (-len(row) % block)
        out += [combine(c, bits) for c in chunks(padded, each)]
    return bytes(out), b"".join(bytes(combine(c, bits) for c in chunks(r, each)) for r in z)


def gptq_words(codes, bits):
    if bits != 3:
        return [combine(c, bits) for c in chunks(codes, 32 // bits)]
    out = []
    for c in chunks(codes, 32):
        out.append(sum(c[j] << 3 * j for j in range(10)) | (c[10] & 3) << 30)
        out.append(c[10] >> 2 | sum(c[11 + j] << 3 * j + 1 for j in range(10)) | (c[21] & 1) << 31)
        out.append(c[21] >> 1 | sum(c[22 + j] << 3 * j + 2 for j in range(10)))
    return out


def gptq_v2(w, z, bits, block):
    by_row = [gptq_words(row, bits) for row in w]
    qweight = [word for line in columns_of(by_row) for word in line]
    qzeros = [word for block_zeros in columns_of(z) for word in gptq_words(block_zeros, bits)]
    return words(qweight), words(qzeros)


def gptq(w, z, bits, block):
    less = [[(zero - 1) % 2**bits for zero in row] for row in z]
    return gptq_v2(w, less, bits, block)


def awq_words(matrix):
    order = [0, 2, 4, 6, 1, 3, 5, 7]
    out = []
    for outputs in columns_of(matrix):
        for eight in chunks(outputs, 8):
            out.append(combine([eight[i] for i in order], 4))
    return words(out)


def awq(w, z, bits, block):
    return awq_words(w), awq_words(z)


def compressed_tensors(w, z, bits, block):
    each = 32 // bits
    packed = [combine(c, bits) for row in w for c in chunks(row, each)]
    by_block = [[combine(c, bits) for c in chunks(column, each)] for column in columns_of(z)]
    return words(packed), words(word for line in columns_of(by_block) for word in line)


def hqq(w, z, bits, block):
    """Its zero points are real."""
    groups = chunks([code for row in w for code in row], block)
    half = len(groups) // 2
    return bytes(a << 4 | b for top, low in zip(groups[:half], groups[half:])
                 for a, b in zip(top, low)), None


# ---------------------------------------------------------------------------------- cases

# system, its formula, layout, bits, rows, columns, block, signed
CASES = [
    ("onnx", rows, "rows", 4, 5, 37, 8, True), ("onnx", rows, "rows", 2, 3, 21, 8, True),
    ("onnx", rows, "rows", 4, 3, 33, 32, False), ("mx", rows, "rows", 6, 4, 64, 32, False),
    ("mx", rows, "rows", 8, 2, 32, 32, False), ("onnx", rows, "rows", 1, 3, 19, 7, False),
    ("mlx", mlx, "rows", 2, 3, 64, 32, False), ("mlx", mlx, "rows", 3, 3, 64, 32, False),
    ("mlx", mlx, "rows", 4, 3, 64, 32, False), ("mlx", mlx, "rows", 6, 3, 64, 32, False),
    ("mlx", mlx, "rows", 8, 3, 64, 32, False),
    ("bitsandbytes", bitsandbytes, "high-first", 4, 4, 64, 64, False),
    ("bitsandbytes", bitsandbytes, "high-first", 4, 3, 5, 5, False),
    ("matmulnbits", matmulnbits, "matmulnbits", 4, 3, 80, 32, False),
    ("matmulnbits", matmulnbits, "matmulnbits", 2, 3, 33, 16, False),
    ("matmulnbits", matmulnbits, "matmulnbits", 8, 2, 40, 16, False),
    ("gptq", gptq, "gptq", 4, 32, 64, 32, False), ("gptq", gptq, "gptq", 3, 32, 64, 32, False),
    ("gptq", gptq, "gptq", 2, 32, 32, 16, False), ("gptq", gptq, "gptq", 8, 32, 32, 32, False),
    ("gptq_v2", gptq_v2, "gptq-v2", 4, 32, 96, 64, False),
    ("gptq_v2", gptq_v2, "gptq-v2", 3, 64, 32, 32, False),
    ("awq", awq, "awq", 4, 24, 40, 8, False), ("awq", awq, "awq", 4, 136, 33, 33, False),
    ("compressed-tensors", compressed_tensors, "compressed-tensors", 4, 11, 36, 12, True),
    ("compressed-tensors", compressed_tensors, "compressed-tensors", 8, 5, 18, 6, True),
    ("compressed-tensors", compressed_tensors, "compressed-tensors", 3, 13, 35, 7, True),
    ("compressed-tensors", compressed_tensors, "compressed-tensors", 2, 17, 33, 33, True),
    ("hqq", hqq, "hqq", 4, 6, 32, 16, False), ("hqq", hqq, "hqq", 4, 3, 32, 16, False),
]


def tensor(values, dtype, shape):
    raw = bytes(v % 256 for v in values)
    return dtype, shape, raw


def write(name, tensors, meta):
    header = {"__metadata__": {"meta": json.dumps(meta)}}
    data = b""
    for key, (dtype, shape, raw) in tensors.items():
        header[key] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    folder = os.path.join(HERE, "layouts")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name + ".safetensors"), "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def main():
    for number, (system, formula, layout, bits, height, width, block, signed) in enumerate(CASES):
        source = Random(number + 1)
        blocks = (width + block - 1) // block
        w = [[source.below(2**bits) for _ in range(width)] for _ in range(height)]
        z = [[source.below(2**bits) for _ in range(blocks)] for _ in range(height)]
        packed, packed_zeros = formula(w, z, bits, block)
        # Two's complement keeps the bits of a field, an offset makes 0 the lowest code.
        def code(field):
            if not signed:
                return field
            half = 2**(bits - 1)
            return (field ^ half) - half if layout == "rows" else field - half
        dtype = "I8" if signed else "U8"
        tensors = {"codes": tensor([code(v) for row in w for v in row], dtype, [height, width]),
                   "bytes": tensor(packed, "U8", [len(packed)])}
        if packed_zeros is not None:
            tensors["zero_point"] = tensor([code(v) for row in z for v in row], dtype, [height, blocks])
            tensors["zero_bytes"] = tensor(packed_zeros, "U8", [len(packed_zeros)])
        meta = {"family": "layouts", "system": system, "layout": layout, "bits": bits, "block": block}
        write(f"{system}_{bits}_{height}x{width}_{block}" + ("_signed" if signed else ""), tensors, meta)


main()
