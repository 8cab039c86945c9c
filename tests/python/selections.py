"""Writes an array, and prints the SHA-256 of what NumPy selects from it, as JSON.

    python selections.py DIR     prints {"FILE::/DATASET[SELECTION]": "SHA-256", ..}
"""

import hashlib
import json
import os
import sys

import h5py
import numpy as np

SELECTIONS = [
    "[3]", "[-1, 5]", "[10:20]", "[10:20, ::-2]", "[::-1, ..., -1]", "[..., 7:2:-1]", "[100:]", "[5:5]", "[:-3, 2:9:3]",
    "[[4, 0, 0, -1]]", "[:, [30, 1]]", "[1:, 3, ::5]", "[...]", "[0, 0, 0]",
]  # fmt: skip


def main(folder):
    path = os.path.join(folder, "cases.h5")
    found = {}
    with h5py.File(path, "w") as file:
        x = np.arange(41 * 37 * 12, dtype="i4").reshape(41, 37, 12)
        file.create_dataset("g/x", data=x, chunks=(7, 10, 12), compression="gzip")
        for selection in SELECTIONS:
            selected = eval("x" + selection)  # the selections above
            found[f"{path}::/g/x{selection}"] = hashlib.sha256(np.ascontiguousarray(selected).tobytes()).hexdigest()
        file.create_dataset("g/y[0]", data=np.array([7, 8], "i4"))
        found[f"{path}::/g/y[0]"] = hashlib.sha256(np.array([7, 8], "i4").tobytes()).hexdigest()
        found[f"{path}::/g/y[0][1]"] = hashlib.sha256(np.array(8, "i4").tobytes()).hexdigest()
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
