"""Whether a file holds what NumPy makes of another.

    python converted.py IN.h5 DATASET DTYPE OUT.h5 DATASET     DTYPE is `same`, or one for numpy.astype

Ends with 0 and prints shape and dtype; ends with 1 and a line on stderr where something differs.
"""

import sys

import h5py
import hdf5plugin  # noqa: F401  registers the filters with h5py
import numpy as np


def main(source, source_dataset, dtype, result, result_dataset):
    with h5py.File(source) as file:
        expected = file[source_dataset][()]
    if dtype != "same":
        expected = expected.astype(dtype)
    with h5py.File(result) as file:
        found = file[result_dataset][()]
    if found.shape != expected.shape or found.dtype != expected.dtype.newbyteorder("="):
        sys.exit(f"{result}: {found.shape} {found.dtype}, not {expected.shape} {expected.dtype}")
    if not np.array_equal(found, expected, equal_nan=expected.dtype.kind in "fc"):
        sys.exit(f"{result}: other values")
    print(found.shape, found.dtype)


if __name__ == "__main__":
    main(*sys.argv[1:])
