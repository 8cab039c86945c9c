"""Appending with npy-append-array.

    python bench_npy.py append FILE APPENDS ROWS

Blocks of ROWS x 64 float64, each written through with its header. Prints `seconds N` for its own work.
"""

import sys
import time

import numpy as np
from npy_append_array import NpyAppendArray


def append(path, appends, rows):
    block = np.full((rows, 64), 0.5)
    with NpyAppendArray(path, delete_if_exists=True) as file:
        for _ in range(appends):
            file.append(block)


if __name__ == "__main__":
    _, command, path, appends, rows = sys.argv
    assert command == "append"
    start = time.perf_counter()
    append(path, int(appends), int(rows))
    print(f"seconds {time.perf_counter() - start:.6f}")
