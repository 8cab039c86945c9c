"""Text and sequences of variable length.

    python variable.py check FILE.h5     whether h5py reads what the test wrote
    python variable.py make DIR          writes text, and prints {PLACE: what NumPy prints of it, ..} as JSON
"""

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


if __name__ == "__main__":
    {"check": check}[sys.argv[1]](*sys.argv[2:])
