"""Prints what numpy.ndarray.astype makes of edge values, as JSON: for the tests of our conversions.

    [["i2", [["u1", "00ff..", "ff.."], ..]], ..]    dtype; another dtype, elements, and what they become

Values that the target has no number for are left out: what NumPy makes of them differs from machine to machine.
"""

import json
import sys
import warnings

import numpy as np

NUMBERS = ["bool", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"]
TEXTS = ["S3", "S5", "U3", "U5"]


def values(name):
    dtype = np.dtype(name)
    if dtype.kind == "b":
        return np.array([False, True])
    if dtype.kind in "iu":
        bounds = np.iinfo(dtype)
        small = [0, 1, 2, 3, 100, 127]
        return np.array([bounds.min, bounds.max, bounds.max // 2, bounds.min // 3, *small], dtype)
    special = [0.0, -0.0, 1.0, -1.0, 0.5, -0.75, 1.9999, 100.7, 1 / 3, np.nan, np.inf, -np.inf, 6.1e-5, 5.9e-8]
    large = [65504.0, 65519.0, 65520.0, 3.4e38, 1e300, 2.0**63, 2.0**64, -(2.0**63), 2.0**31, 1e-310, 1e-45, 1e-50]
    with np.errstate(all="ignore"):
        return (np.array(special + large) * (1 if dtype.kind == "f" else 1 - 2j)).astype(dtype)


def representable(source, target):
    """Which elements the target has a value for, by our rule."""
    if source.dtype.kind in "fc" and target.kind in "iu":
        bounds = np.iinfo(target)
        real = [float(x) for x in source.real]
        return np.array([np.isfinite(x) and bounds.min <= int(x) <= bounds.max for x in real])
    if source.dtype.kind in "iu" and target.kind in "iu":
        bounds = np.iinfo(target)
        return np.array([bounds.min <= int(x) <= bounds.max for x in source])
    if target.kind in "fc":
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            made = source.astype(target)
        kept = source if target.kind == "c" else source.real
        return ~(np.isinf(made) & ~np.isinf(kept))
    return np.ones(source.shape, bool)


def number_rows():
    for name in NUMBERS:
        source = values(name)
        targets = []
        for target in map(np.dtype, NUMBERS):
            kept = source[representable(source, target)]
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                made = kept.astype(target)
            targets.append([target.str.lstrip("<|"), kept.tobytes().hex(), made.tobytes().hex()])
        yield [source.dtype.str.lstrip("<|"), targets]


def text_rows():
    for name in TEXTS:
        source = np.array(["", "a", "abc", "b c"], name)
        targets = [[target, source.tobytes().hex(), source.astype(target).tobytes().hex()] for target in TEXTS]
        yield [name, targets]


json.dump([*number_rows(), *text_rows()], sys.stdout)
