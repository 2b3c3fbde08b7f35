#!/usr/bin/python3
"""Makes the conformance vectors of calibration: ranges from histograms and from batches.

Needs what make_vectors.py beside it needs:

    /usr/bin/python3 tests/vectors/make_calibration.py

  torch/     hist: what PyTorch's HistogramObserver makes of its own histograms; mavg_pc: its moving
             averages by channel
  ort/       percentile, entropy, distribution: the formulas of ONNX Runtime's Python tools
  modelopt/  percentile, entropy, mse, fake_quant: those of NVIDIA Model Optimizer
  sums/      sums by numpy and PyTorch, whose order of additions decides between near equals

The formulas are computed here with numpy, which has the two systems' own order of additions; sums
of float32 that PyTorch would do are done by it. PyTorch's order hangs on the processor: it is told
to do as on one with AVX2.
"""
import os

os.environ["ATEN_CPU_CAPABILITY"] = "avx2"  # before PyTorch is loaded

import numpy as np
import torch

from make_vectors import TORCH_TYPES, ort_case, ort_parameters, ort_range, torch_case, write

torch.set_num_threads(1)
F32 = np.float32


def values(random, kind, count):
    x = random.normal(size=count)
    if kind == "relu":
        x = np.maximum(x, 0)
    if kind == "outlier":
        x[:2] = 9, -7
    if kind == "far":
        x = np.abs(x) + 6
    if kind == "one":
        x[:] = 1.5
    return x.astype(F32)


def histogram(x, bins, low, high):
    counts, edges = np.histogram(x, bins, range=(low, high))
    return counts, edges.astype(F32)


def around_zero(x, bins):
    return histogram(x, bins, -np.abs(x).max(), np.abs(x).max())


def magnitudes(x, bins):
    return histogram(np.abs(x), bins, 0, np.abs(x).max())


def divergence_terms(p, q):
    """p log(p / q) in double, and what SciPy has where one is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = p * np.log(p / q)
    terms = np.where((p > 0) & (q == 0), np.inf, terms)
    return np.where((p == 0) & (q >= 0), 0, terms)


def edge_at(counts, edges, share):
    return edges[np.searchsorted(np.cumsum(counts / counts.sum()), share)]


# --------------------------------------------------------------------------- ONNX Runtime

def ort_histogram_case(family, name, counts, edges, ends, x_ends, **more):
    low, high = max(ends[0], x_ends[0]), min(ends[1], x_ends[1])
    arrays = {"hist": counts.astype(np.int32), "hist_edges": edges, "min_value": x_ends[0],
              "max_value": x_ends[1], "thr_low": F32(low), "thr_high": F32(high)}
    for qtype in ("uint8", "int8"):
        for symmetric in (False, True):
            codes = ort_range(qtype, symmetric, False)
            scale, zero = ort_parameters(F32(low), F32(high), *codes, symmetric)
            kind = "%s_%s" % (qtype, "sym" if symmetric else "asym")
            arrays["scale_" + kind] = scale
            arrays["zp_" + kind] = zero
    ort_case(family, name, arrays, **more)


def make_ort_percentiles():
    random = np.random.RandomState(20)
    # Running sums that meet a percentile exactly, and one that ends below 1.
    exact = np.array([1, 1, 2, 4, 0, 0, 8, 8, 4, 4, 0, 0], np.int64)
    tenths = np.full(10, 1, np.int64)
    for kind in ("normal", "relu", "outlier", "one", "exact", "tenths"):
        for percent in (50.0, 75.0, 99.5, 99.99, 100.0):
            for symmetric in (False, True):
                x = values(random, kind, 300)
                own = {"exact": exact, "tenths": tenths}.get(kind)
                counts, edges = (magnitudes if symmetric else around_zero)(
                    x, 64 if own is None else len(own))
                counts = counts if own is None else own
                if symmetric:
                    t = edge_at(counts, edges, percent / 100.0)
                    ends = (-t, t)
                else:
                    cut = (100.0 - percent) / 200.0
                    ends = (edge_at(counts, edges, cut), edge_at(counts, edges, 1.0 - cut))
                ort_histogram_case("percentile", "%s_%s_%s" % (kind, "sym" if symmetric else "asym",
                                                               percent),
                                   counts, edges, ends, (x.min(), x.max()), symmetric=symmetric,
                                   percentile=percent)


def smooth(counts):
    """Empty bins get 0.0001, for which all others give equally; None where there is none."""
    empty = counts == 0
    if empty.all():
        return None
    taken = 0.0001 * float(empty.sum()) / float((~empty).sum())
    return np.where(empty, F32(0.0001), counts.astype(F32) - F32(taken))


def ort_divergence(counts, begin, end, runs, real):
    p = counts[begin:end].copy()
    p[0] += counts[:begin].sum()
    p[-1] += counts[end:].sum()
    q = np.zeros_like(p)
    inside = counts[begin:end]
    length = len(p) // runs
    for run in range(runs):
        mine = slice(run * length, (run + 1) * length)
        filled = np.count_nonzero(p[mine])
        behind = inside[runs * length:].sum() if run == runs - 1 else 0
        if filled:
            q[mine] = (inside[mine].sum() + behind) // filled
    p, q = smooth(p), smooth(q)
    if q is None:
        return np.inf
    p, q = p.astype(real), q.astype(real)
    p, q = p / p.sum(), q / q.sum()
    return divergence_terms(p.astype(np.float64), q.astype(np.float64)).astype(real).sum()


def ort_entropy_ends(counts, edges, runs, real):
    zero, bins = len(counts) // 2, len(counts)
    slices = [(zero - i, min(zero + i + 1, bins)) for i in range(runs // 2, zero + 1)]
    best = int(np.argmin([ort_divergence(counts, a, b, runs, real) for a, b in slices]))
    return edges[slices[best][0]], edges[slices[best][1]]


def make_ort_entropy(seed, kind, count, bins, runs):
    x = values(np.random.RandomState(seed), kind, count)
    counts, edges = around_zero(x, bins)
    if kind == "center":  # nothing is lost: several slices with a divergence of 0
        counts[:] = 0
        counts[28:37] = np.arange(1, 10)
    ends = [ort_entropy_ends(counts, edges, runs, real) for real in (F32, np.float64)]
    ort_histogram_case("entropy", "%d_%s_%d_%d" % (seed, kind, bins, runs), counts, edges, ends[0],
                       (x.min(), x.max()), num_quantized_bins=runs,
                       kl_precision_sensitive=ends[0] != ends[1])


def make_ort_entropies():
    # The seeds of the first four are such that little things decide.
    for case in ((102, "outlier", 300, 150, 64), (132, "outlier", 300, 150, 64),
                 (158, "normal", 900, 96, 16), (104, "normal", 900, 96, 16),
                 (1, "normal", 900, 96, 32), (2, "normal", 20000, 201, 32), (3, "relu", 900, 128, 32),
                 (4, "outlier", 900, 160, 33), (5, "outlier", 20000, 300, 64),
                 (6, "far", 900, 90, 25), (7, "normal", 900, 48, 48), (8, "normal", 900, 50, 51),
                 (9, "center", 9, 64, 16)):
        make_ort_entropy(*case)


def make_ort_distributions():
    random = np.random.RandomState(22)
    for kind in ("normal", "relu", "far"):
        counts, edges = around_zero(values(random, kind, 5000), 512)
        middles = (edges[:-1] + edges[1:]) * F32(0.5)
        mean = (counts * middles).sum() / counts.sum()
        variance = (counts * middles ** 2).sum() / counts.sum() - mean ** 2
        ort_case("distribution", kind, {"hist": counts.astype(np.int32), "hist_edges": edges,
                                        "avg": F32(mean), "std": F32(variance ** 0.5)})


# ------------------------------------------------------------------------ Model Optimizer

def modelopt_case(family, name, counts, edges, amax, **more):
    meta = {"name": name, "family": family, "source": "numpy"}
    meta.update(more)
    write("modelopt", family + "__" + name,
          {"hist": counts.astype(np.int32), "edges": edges, "amax": F32(amax)}, meta)


def last_least(divergences):
    """With a NaN the last NaN."""
    d = np.array(divergences)
    return len(d) - 1 - int(np.argmin(d[::-1]))


def modelopt_divergence(counts, bins, levels):
    level = np.arange(bins) * levels // bins
    filled = counts[:bins] != 0
    sums = np.bincount(level, counts[:bins], levels)
    numbers = np.bincount(level, filled, levels)
    means = np.divide(sums, numbers, out=np.zeros(levels), where=numbers != 0)
    q = np.where(filled, means[level], 0)
    p = counts[:bins].astype(np.float64)
    p[-1] += counts[bins:].sum()
    with np.errstate(invalid="ignore"):
        return divergence_terms(p / p.sum(), q / q.sum()).sum()


def make_modelopt_entropy(kind, bins, bits, is_unsigned, start, stride, seed=23):
    counts, edges = magnitudes(values(np.random.RandomState(seed), kind, 4000), bins)
    if kind == "few":  # nothing is lost in the first candidates
        counts[14:] = 0
    used = counts.copy()
    used[0] = used[1]
    ends = np.arange(start, bins + 1, stride)
    levels = 1 << (bits - (not is_unsigned))
    best = last_least([modelopt_divergence(used, end, levels) for end in ends])
    modelopt_case("entropy", "%s_%d_b%d_%s_st%d" % (kind, bins, bits, "su"[is_unsigned], stride),
                  counts, edges, edges[ends[best]], num_bits=bits, unsigned=is_unsigned,
                  start_bin=start, stride=stride)


def make_modelopt_entropies():
    for case in (("normal", 200, 4, False, 16, 1), ("normal", 200, 4, True, 20, 3),
                 ("outlier", 300, 4, False, 16, 1), ("relu", 300, 6, False, 64, 4),
                 ("far", 200, 3, False, 8, 1), ("few", 120, 5, False, 16, 1)):
        make_modelopt_entropy(*case)


def modelopt_error(counts, middles, amax, top):
    scale = top / amax
    error = np.minimum(np.rint(middles * scale), top) / scale - middles
    terms = error * error * counts.astype(F32)
    return torch.from_numpy(terms).mean().item()


def make_modelopt_mse(seed, kind, bins, bits, is_unsigned, start, stride):
    random = np.random.RandomState(seed)
    counts, edges = magnitudes(values(random, kind, 4000), bins)
    if kind == "first":  # all candidates are as good
        counts[1:] = 0
    if kind == "exact":  # several candidates have codes of just these values: rounding decides
        counts[:] = 0
        counts[52] = 1000
    middles = (edges[1:] + edges[:-1]) / F32(2)
    top = F32((1 << (bits - (not is_unsigned))) - 1)
    tried = np.arange(start, bins, stride)
    errors = [modelopt_error(counts, middles, middles[i], top) for i in tried]
    name = "%d_%s_%d_b%d_%s_st%d" % (seed, kind, bins, bits, "su"[is_unsigned], stride)
    modelopt_case("mse", name, counts, edges, middles[tried[int(np.argmin(errors))]],
                  num_bits=bits, unsigned=is_unsigned, start_bin=start, stride=stride)


def make_modelopt_errors():
    for case in ((1, "normal", 256, 8, False, 128, 1), (2, "normal", 250, 4, False, 16, 3),
                 (3, "outlier", 256, 8, True, 128, 1), (4, "outlier", 301, 4, False, 16, 1),
                 (5, "relu", 300, 4, True, 20, 1), (6, "first", 200, 8, False, 150, 1),
                 (101, "exact", 500, 8, False, 53, 1), (117, "exact", 500, 8, False, 53, 1)):
        make_modelopt_mse(*case)


def make_modelopt_percentiles():
    random = np.random.RandomState(25)
    for kind in ("normal", "relu", "exact"):
        counts, edges = magnitudes(values(random, kind, 700), 100)
        if kind == "exact":
            counts[:] = 0
            counts[10:90:20] = 1, 1, 2, 4
        for percent in (50.0, 99.0, 99.99, 100.0):
            modelopt_case("percentile", "%s_%s" % (kind, percent), counts, edges,
                          edge_at(counts, edges, percent / 100), percentile=percent)


def make_modelopt_fakes():
    random = np.random.RandomState(29)
    for bits, is_unsigned, narrow in ((8, False, True), (8, False, False), (8, True, True),
                                      (4, False, True), (4, True, True)):
        top = F32((1 << (bits - (not is_unsigned))) - 1)
        bottom = F32(0) if is_unsigned else -top - F32(not narrow)
        amax = F32(random.uniform(1, 3))
        steps = np.arange(-140, 141) / F32(2) * (amax / top)  # about the ties
        x = np.concatenate([random.normal(size=200) * 2, steps, [0.0, -0.0, 1e-30]]).astype(F32)
        if is_unsigned:
            x = np.abs(x)
        scale = top / amax
        y = np.clip(np.rint(x * scale), bottom, top) / scale
        meta = {"family": "fake_quant", "source": "numpy", "num_bits": bits,
                "unsigned": is_unsigned, "narrow_range": narrow}
        write("modelopt", "fake_quant__b%d_%s_%d" % (bits, "su"[is_unsigned], narrow),
              {"x": x, "amax": amax, "y": y}, meta)


# -------------------------------------------------------------------------------- PyTorch

TORCH_SCHEMES = {"qint8": torch.per_tensor_symmetric, "quint8": torch.per_tensor_affine}


def histogram_observer(bins, dtype):
    return torch.ao.quantization.observer.HistogramObserver(
        bins=bins, dtype=getattr(torch, dtype), qscheme=TORCH_SCHEMES[dtype])


def torch_histogram_case(name, observer, dtype):
    low, high = observer._non_linear_param_search()
    scale, zero_point = observer.calculate_qparams()
    torch_case("hist", name,
               {"histogram": observer.histogram.numpy(), "min_val": observer.min_val.numpy(),
                "max_val": observer.max_val.numpy(), "new_min": low.numpy(),
                "new_max": high.numpy(), "scale": scale.numpy(), "zero_point": zero_point.numpy()},
               op="HistogramObserver", dtype=dtype, qscheme=str(TORCH_SCHEMES[dtype]),
               eps=2.0 ** -23)


def make_observed_histogram(kind, bins, dtype):
    random = np.random.RandomState(112)
    observer = histogram_observer(bins, dtype)
    for growth in (1.5, 1.5, 2.0):
        x = values(random, kind, 500) * F32(growth)
        if kind == "constant":
            x[:] = 3
        observer(torch.from_numpy(x))
    torch_histogram_case("%s_%d_%s" % (kind, bins, dtype), observer, dtype)


def make_given_histogram(seed, bins, most, dtype, unit=1.0):
    """100000 values, few of them outside the middle: running sums meet the search's quantiles."""
    random = np.random.RandomState(seed)
    counts = random.randint(0, most + 1, bins)
    counts[bins // 2] += 100000 - counts.sum()
    observer = histogram_observer(bins, dtype)
    observer.histogram.copy_(torch.from_numpy(counts.astype(F32)))
    observer.min_val.copy_(torch.tensor(random.uniform(-3, 0) * unit))
    observer.max_val.copy_(torch.tensor(random.uniform(1, 3) * unit))
    torch_histogram_case("%d_given_%d_%d_%s" % (seed, bins, most, dtype), observer, dtype)


def make_torch_histograms():
    for dtype in TORCH_SCHEMES:
        for kind in ("normal", "relu", "outlier", "constant"):
            make_observed_histogram(kind, 300, dtype)
        for seed, bins, most in ((105, 100, 2), (105, 100, 20), (116, 100, 2), (110, 41, 2),
                                 (139, 41, 2), (135, 7, 2), (1, 1100, 5)):
            make_given_histogram(seed, bins, most, dtype)
        make_given_histogram(1, 40, 3, dtype, unit=1e20)  # infinite errors


def make_channel_averages():
    random = np.random.RandomState(27)
    for dtype in TORCH_TYPES:
        for axis, qscheme in ((0, torch.per_channel_affine), (2, torch.per_channel_symmetric)):
            observer = torch.ao.quantization.observer.MovingAveragePerChannelMinMaxObserver(
                averaging_constant=0.03, ch_axis=axis, dtype=getattr(torch, dtype), qscheme=qscheme)
            batches = random.normal(size=(4, 3, 2, 5)).astype(F32)
            for batch in batches:
                observer(torch.from_numpy(batch))
            scale, zero_point = observer.calculate_qparams()
            torch_case("mavg_pc", "%s_ax%d" % (dtype, axis),
                       {"batches": batches, "min_val": observer.min_val.numpy(),
                        "max_val": observer.max_val.numpy(), "scale": scale.numpy(),
                        "zero_point": zero_point.numpy()},
                       op=type(observer).__name__, dtype=dtype, qscheme=str(qscheme), ch_axis=axis,
                       averaging_constant=0.03, eps=2.0 ** -23, quant_min=observer.quant_min,
                       quant_max=observer.quant_max)


def make_sums():
    """Of the first elements of an array: float32 by both systems, float64 by numpy."""
    random = np.random.RandomState(28)
    x = (random.normal(size=20000) ** 3 * np.exp(random.normal(size=20000) * 3)).astype(F32)
    counts = np.array([1, 2, 7, 8, 9, 31, 32, 33, 63, 127, 128, 129, 255, 500, 512, 545, 1000, 1024,
                       2048, 4099, 8191, 8192, 8193, 9000, 16384, 20000], np.int32)
    write("sums", "sums",
          {"x": x, "counts": counts,
           "pytorch": np.array([torch.from_numpy(x[:n]).sum().item() for n in counts], F32),
           "numpy_f32": np.array([x[:n].sum() for n in counts], F32),
           "numpy_f64": np.array([(1.1 * x.astype(np.float64))[:n].sum() for n in counts])},
          {"name": "sums", "family": "sums", "source": "pytorch and numpy"})


if __name__ == "__main__":
    make_sums()
    make_ort_percentiles()
    make_ort_entropies()
    make_ort_distributions()
    make_modelopt_percentiles()
    make_modelopt_entropies()
    make_modelopt_errors()
    make_modelopt_fakes()
    make_torch_histograms()
    make_channel_averages()
