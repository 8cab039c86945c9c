"""Arrays to be put end to end, and whether they are.

    python appended.py write DIR     day-1.h5 .. day-3.h5, grown.h5 with what is there before, other.h5 of another shape
    python appended.py check DIR     whether grown.h5, new.h5 and parts.h5 hold what NumPy concatenates
"""

import os
import sys

import h5py
import hdf5plugin  # noqa: F401  registers the filters with h5py
import numpy as np

ROWS = (11, 1, 30)


def arrays():
    rng = np.random.default_rng(6)
    return [rng.integers(0, 99, (rows, 7)).astype("f4") for rows in (9, *ROWS)]


def write(folder):
    before, *days = arrays()
    for number, day in enumerate(days, 1):
        with h5py.File(os.path.join(folder, f"day-{number}.h5"), "w") as file:
            file.create_dataset("g/x", data=day, chunks=(min(4, len(day)), 7))
    with h5py.File(os.path.join(folder, "grown.h5"), "w") as file:
        file.create_dataset("g/x", data=before, chunks=(4, 3), maxshape=(None, 7), compression="gzip", shuffle=True)
    with h5py.File(os.path.join(folder, "other.h5"), "w") as file:
        file.create_dataset("g/x", data=np.zeros((2, 6), "f4"))


def check(folder):
    before, *days = arrays()
    new = np.concatenate(days)
    expected = {"grown.h5": np.concatenate([before, new]), "new.h5": new, "parts.h5": new}
    for name, array in expected.items():
        with h5py.File(os.path.join(folder, name)) as file:
            dataset = file["g/x"]
            if dataset.maxshape != (None, 7):
                sys.exit(f"{name}: cannot grow further: {dataset.maxshape}")
            if dataset.dtype != array.dtype or not np.array_equal(dataset[()], array):
                sys.exit(f"{name}: {dataset.shape} {dataset.dtype}, other values than {array.shape} {array.dtype}")


if __name__ == "__main__":
    {"write": write, "check": check}[sys.argv[1]](sys.argv[2])
