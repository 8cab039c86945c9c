"""Writes arrays, and prints what their minimum, maximum, mean and standard deviation are, as JSON.

    python stats_cases.py DIR     prints {"FILE::/DATASET": {"min": .., "max": .., "mean": .., "std": .., "nan": ..}, ..}

Minimum and maximum are NumPy's. Mean and deviation are exact fractions, rounded at the end, for small arrays, and NumPy's
in extended precision for large ones. What is not a number is left out; a complex number is a pair.
"""

import json
import math
import os
import sys
from fractions import Fraction

import h5py
import numpy as np

NUMBERS = ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "c8", "c16"]


def cases():
    rng = np.random.default_rng(3)
    for dtype in NUMBERS:
        kind = np.dtype(dtype)
        for number, shape in enumerate([(), (1,), (40, 25), (3, 4, 50)]):
            yield f"{kind.name}-{number}", values(rng, kind, shape)
    yield "large", values(rng, np.dtype("f8"), (300, 4000)) * 1e3 + 1e9
    yield "large-single", values(rng, np.dtype("f4"), (300, 4000))
    yield "large-integers", values(rng, np.dtype("i4"), (300, 4000))
    yield "near", 1e15 + rng.integers(0, 9, 500).astype("f8")
    yield "far", rng.standard_normal(500) * 10.0 ** rng.integers(-150, 150, 500)
    yield "subnormal", rng.integers(0, 1000, 50).astype("f8") * 5e-324
    yield "empty", np.zeros((0, 4))
    holes = values(rng, np.dtype("f8"), (20, 20))
    holes[holes > 1] = np.nan
    yield "holes", holes
    yield "all-nan", np.full(7, np.nan, "f4")
    yield "complex-holes", np.array([1 + 2j, complex(np.nan, 1), complex(1, np.nan), -3j])
    yield "ties", np.array([1 + 2j, 1 - 2j, -1 + 5j, -1 + 4j])


def values(rng, kind, shape):
    if kind.kind in "iu":
        limits = np.iinfo(kind)
        return rng.integers(limits.min, limits.max, shape, kind, endpoint=True)
    if kind.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    real = rng.standard_normal(shape)
    return np.asarray(real + 1j * rng.standard_normal(shape) if kind.kind == "c" else real).astype(kind)


def expected(array):
    known = array[~np.isnan(array)]
    found = {"nan": array.size - known.size, "count": known.size}
    if known.size == 0:
        return found | {"min": None, "max": None, "mean": None, "std": None}
    mean, deviation = moments(known) if known.size <= 2000 else large_moments(known)
    return found | {"min": plain(known.min()), "max": plain(known.max()), "mean": mean, "std": deviation}


def moments(known):
    parts = [known.real, known.imag] if known.dtype.kind == "c" else [known]
    means, variance = [], 0
    for part in parts:
        exact = [Fraction(int(x)) if part.dtype.kind in "iub" else Fraction(float(x)) for x in part]
        mean = sum(exact) / len(exact)
        means.append(float(mean))
        variance += sum((x - mean) ** 2 for x in exact) / len(exact)
    return means[0] if len(means) == 1 else means, root(variance)


def root(fraction):
    """The square root with far more digits than a double."""
    scale = 1 << 3000
    return float(Fraction(math.isqrt(fraction.numerator * scale * scale // fraction.denominator), scale))


def large_moments(known):
    wide = known.astype(np.longdouble)
    return float(wide.mean()), float(wide.std())


def plain(x):
    if isinstance(x, np.complexfloating):
        return [plain(x.real), plain(x.imag)]
    # The shortest text of the dtype itself: 0.1 of a float32 is 0.1.
    return float(str(x)) if isinstance(x, np.floating) else x.item()


def main(folder):
    path = os.path.join(folder, "cases.h5")
    found = {}
    with h5py.File(path, "w") as file:
        for name, array in cases():
            file.create_dataset(name, data=array)
            found[f"{path}::/{name}"] = expected(np.asarray(array))
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
