"""Writes pairs of arrays, and prints how NumPy says that they differ, as JSON.

    python diff_cases.py DIR
        prints [{"a": "FILE::/A", "b": "FILE::/B", "rtol": .., "atol": .., "differences": .., "first": [[..], ..]}, ..]
"""

import json
import os
import sys

import h5py
import numpy as np

NUMBERS = ["?", "i1", "u2", "i4", "u8", "i8", "f2", "f4", "f8", "c8", "c16"]
TOLERANCES = [(0, 0), (0.1, 0), (0, 0.5), (0.05, 2)]


def pairs():
    rng = np.random.default_rng(5)
    for dtype in NUMBERS:
        kind = np.dtype(dtype)
        x = (rng.standard_normal((23, 31)) * 20).astype(kind if kind.kind not in "u" else "i8").astype(kind)
        y = x.copy()
        changed = rng.integers(0, x.size, 40)
        y.flat[changed] = (x.flat[changed] * 1.07 + 1).astype(kind) if kind.kind != "b" else ~x.flat[changed]
        if kind.kind in "fc":
            for values in (x, y):
                values.flat[[3, 5, 7]] = np.nan, np.inf, -np.inf
            y.flat[[5, 9, 11]] = -np.inf, np.nan, np.inf
        yield kind.name, x, y
    yield "same", np.arange(1000.0), np.arange(1000.0)
    x = rng.standard_normal((40, 50))
    yield "across-floats", x, x.astype("f4")
    yield "across-kinds", np.arange(300, dtype="i4"), np.arange(300) + np.where(np.arange(300) % 70 == 0, 0.25, 0)
    yield "empty", np.zeros((0, 3)), np.zeros((0, 3))
    yield "scalar", np.array(1.5), np.array(2.5)
    words = np.array([b"a", b"bc", b"", b"def"] * 5)
    yield "texts", words, np.where(np.arange(20) == 7, b"x", words)
    records = np.zeros(30, [("a", "i4"), ("b", "f8", 2)])
    others = records.copy()
    others["b"][4, 1], records["b"][9, 0], others["b"][9, 0] = 1, np.nan, np.nan
    yield "records", records, others


def differs(x, y, rtol, atol):
    if x.dtype.names:
        parts = [differs(x[name], y[name], rtol, atol).reshape(len(x), -1).any(axis=1) for name in x.dtype.names]
        return np.any(parts, axis=0)
    if x.dtype.kind == "S":
        return x != y
    if rtol == atol == 0:
        return (x != y) & ~(np.isnan(x) & np.isnan(y))
    wide = "c16" if "c" in (x.dtype.kind, y.dtype.kind) else "f8"
    with np.errstate(invalid="ignore"):
        return ~np.isclose(x.astype(wide), y.astype(wide), rtol=rtol, atol=atol, equal_nan=True)


def main(folder):
    path = os.path.join(folder, "cases.h5")
    found = []
    with h5py.File(path, "w") as file:
        for name, x, y in pairs():
            chunks = {"chunks": tuple(min(7, extent) for extent in x.shape)} if x.size > 1 else {}
            file.create_dataset(f"{name}/x", data=x, **chunks)
            file.create_dataset(f"{name}/y", data=y)
            for rtol, atol in TOLERANCES:
                where = np.argwhere(np.atleast_1d(differs(x, y, rtol, atol)))
                first = [index.tolist() if x.ndim else [] for index in where[:10]]
                places = {"a": f"{path}::/{name}/x", "b": f"{path}::/{name}/y"}
                found.append(places | {"rtol": rtol, "atol": atol, "differences": len(where), "first": first})
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
