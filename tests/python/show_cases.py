"""Writes arrays of many dtypes and shapes, and prints how NumPy prints each, as JSON.

    python show_cases.py DIR     prints {"FILE::/DATASET": text, ..}; the files are in DIR
"""

import json
import os
import sys

import h5py
import numpy as np

SHAPES = [(), (1,), (7,), (60,), (1001,), (5000,), (3, 4), (2, 600), (40, 50), (1, 2000), (2000, 1), (2, 3, 4), (5, 30, 20), (2, 2, 2, 200)]
NUMBERS = ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "c8", "c16"]
PAIR = np.dtype([("id", "i2"), ("x", "f8"), ("name", "S3"), ("grid", "f4", (2, 2))])


def cases():
    """Names and arrays."""
    rng = np.random.default_rng(1)
    for dtype in NUMBERS:
        for number, shape in enumerate(SHAPES):
            yield f"{np.dtype(dtype).name}-{number}", numbers(rng, np.dtype(dtype), shape)
    yield from floats(rng)
    yield from texts(rng)
    yield "empty", np.zeros((0, 3))
    records = np.zeros(5, PAIR)
    records["id"], records["x"] = [1, -20, 300, 4, 5], [0.5, 1, np.nan, -2.25, 1e3]
    records["name"], records["grid"] = [b"a", b"bc", b"", b"def", b"'"], rng.integers(0, 9, (5, 2, 2)) / 4
    yield "records", records
    yield "records-many", np.tile(records, 300)
    yield "record", records[1]


def numbers(rng, dtype, shape):
    size = int(np.prod(shape))
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    real = np.round(rng.standard_normal(size), int(rng.integers(1, 12)))
    if dtype.kind == "c":
        return (real + 1j * rng.standard_normal(size)).astype(dtype).reshape(shape)
    return real.astype(dtype).reshape(shape)


def floats(rng):
    """Floats that need exponents, that are ties when rounded, that are not finite, of every magnitude."""
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.5]
    for width in ("f2", "f4", "f8"):
        kind = np.dtype(width)
        limits = np.finfo(kind)
        edges = [limits.max, limits.min, limits.tiny, limits.smallest_subnormal, limits.eps, 1, 1000, 999, 1e6 - 1, 99999999.0]
        with np.errstate(over="ignore"):
            yield f"{kind.name}-edges", np.array(edges).astype(kind)
            for number in range(12):
                exponents = rng.uniform(-8, 9, 40) if number % 2 else rng.uniform(-1, 2, 40)
                yield f"{kind.name}-magnitudes-{number}", (10**exponents).astype(kind)
        for number in range(1, len(special) + 1):
            yield f"{kind.name}-special-{number}", np.array(special[:number], kind)
            yield f"{kind.name}-special-last-{number}", np.array(special[-number:], kind)
        yield f"{kind.name}-nan", np.array(np.nan, kind)
        yield f"{kind.name}-ties", (np.arange(1, 64, 2) / 512).astype(kind)
        yield f"{kind.name}-powers", (2.0 ** -np.arange(-9, 13)).astype(kind)
    bits = np.random.default_rng(2).integers(0, 1 << 63, 400, np.uint64)
    yield "float64-bits", bits.view("f8")
    yield "float32-bits", bits.view("f4")[:900]
    halves = np.arange(1 << 15, dtype=np.uint16).view("f2")
    for begin in range(0, halves.size, 1000):
        yield f"float16-all-{begin}", halves[begin : begin + 1000]
    yield "complex-special", np.array([complex(re, im) for re in special for im in special])


def texts(rng):
    words = [b"", b"a", b"it's", b'"', b"\\ \n\t\r", b"\x00b", b"\xff\x7f", b"long enough text " * 4]
    yield "bytes", np.array(words)
    yield "bytes-many", np.array(words * 200)
    yield "bytes-matrix", np.array(words).reshape(2, 4)
    yield "opaque", rng.integers(0, 255, 24, np.uint8).view("V6")


def main(folder):
    expected = {}
    path = os.path.join(folder, "cases.h5")
    with h5py.File(path, "w") as file:
        for name, array in cases():
            file.create_dataset(name, data=array)
            expected[f"{path}::/{name}"] = np.array2string(np.asarray(array))
    json.dump(expected, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
