"""Text and sequences of variable length.

    python variable.py check FILE.h5     whether h5py reads what the test wrote
    python variable.py few FILE.h5       writes a small heap, and prints where it is
    python variable.py make DIR          writes text, and prints {PLACE: what NumPy prints of it, ..} as JSON
"""

import json
import os
import sys

import h5py
import numpy as np

TEXTS = [["größe", "", "日本", "a"][number % 4] * (number % 7) for number in range(10_000)]


def check(path):
    with h5py.File(path) as file:
        texts = file["group/texts"]
        assert tuple(h5py.check_string_dtype(texts.dtype)) == ("utf-8", None), texts.dtype
        assert texts.maxshape == (None,) and texts.chunks == (4096,), (texts.maxshape, texts.chunks)
        assert texts.asstr()[()].tolist() == TEXTS
        rows = file["rows"]
        assert rows.shape == (1000, 2, 5) and rows.maxshape == (None, 2, 5), rows
        assert rows.asstr()[()].ravel().tolist() == TEXTS
        lengths = [len(text) for text in file["long"]]
        assert lengths == [9 << 20, 18 << 20, 36 << 20], lengths
        assert file["none"].shape == (0,)
        hits = file["hits"]
        assert h5py.check_vlen_dtype(hits.dtype) == np.dtype("i4"), hits.dtype
        assert all(hit.tolist() == list(range(number % 11)) for number, hit in enumerate(hits[()]))
        assert h5py.check_vlen_dtype(file["pairs"].dtype) == np.dtype(("f8", (2,)))


def few(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=["abc", "größe", "", "x" * 40], dtype=h5py.string_dtype())
    with open(path, "rb") as file:
        data = file.read()
    print(data.index(b"GCOL"))


def make(folder):
    """Text in several shapes, and selections of it, as Python prints the same of an array of str."""
    path = os.path.join(folder, "texts.h5")
    arrays = {
        "few": np.array(["a", "", "größe", "it's", '"', "\\ \n\t", "日本"], object),
        "rows": np.array(TEXTS[:40], object).reshape(4, 10),
        "many": np.array(TEXTS, object),
        "matrix": np.array(TEXTS[:3000], object).reshape(30, 100),
        "none": np.array([], object),
        "long": np.array(["x" * 600] * 3, object),
    }
    expected = {}
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array, dtype=h5py.string_dtype(), chunks=True if array.ndim > 1 else None)
            expected[f"{path}::/{name}"] = np.array2string(array)
        file.create_dataset("scalar", data="größe", dtype=h5py.string_dtype())
        expected[f"{path}::/scalar"] = np.array2string(np.array("größe", object))
    for name, selection in {
        "many": np.s_[5:9],
        "rows": np.s_[::-2, 3:],
        "matrix": np.s_[[7, 2], -1],
        "few": np.s_[2],
    }.items():
        array = np.asarray(arrays[name][selection], object)
        text = {"many": "5:9", "rows": "::-2, 3:", "matrix": "[7, 2], -1", "few": "2"}[name]
        expected[f"{path}::/{name}[{text}]"] = np.array2string(array)
    json.dump(expected, sys.stdout)


if __name__ == "__main__":
    {"check": check, "few": few, "make": make}[sys.argv[1]](*sys.argv[2:])
