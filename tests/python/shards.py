"""Files that were made of shards.

    python shards.py FILE [FILE ..]     /g/x is right, and the file can be changed
"""
import sys

import h5py
import hdf5plugin  # the filters
import numpy as np


def change(path):
    with h5py.File(path, "r+") as file:
        data = file["g/x"]
        expected = np.arange(data.size, dtype="f8").reshape(data.shape) ** 2
        assert data.attrs["units"] == "m/s", path
        assert (data[()] == expected).all(), path
        file["more"] = np.arange(1000)
        file["g"].attrs["seen"] = True
        if data.ndim and data.maxshape[0] is None:
            data.resize(len(data) + 50, axis=0)
            data[-50:] = 7
    return expected


def check(path):
    expected = change(path)
    with h5py.File(path, "r") as file:
        data = file["g/x"][()]
        assert ((data[:len(expected)] if expected.ndim else data) == expected).all(), path
        assert (file["more"][:] == np.arange(1000)).all(), path


for path in sys.argv[1:]:
    check(path)
