"""Arrays for the tests of the program's commands on .npy and .npz, and what must have become of them.

    write FOLDER    makes the inputs, and prints what the commands should say of them, as JSON
    check FOLDER    compares what the commands made with NumPy's own results
"""

import hashlib
import json
import pathlib
import sys

import h5py
import hdf5plugin  # noqa: F401, its filters
import numpy as np

ROWS = np.arange(60.0).reshape(20, 3) / 8


def write(folder):
    np.save(folder / "rows.npy", ROWS)
    np.save(folder / "more.npy", ROWS[:7] + 100)
    np.save(folder / "columns.npy", np.asfortranarray(ROWS.astype(">i4")))
    np.save(folder / "times.npy", np.array(["2020-02-29", "NaT"], "M8[D]"))
    np.save(folder / "objects.npy", np.array([{}, None], object), allow_pickle=True)
    np.savez_compressed(folder / "both.npz", a=ROWS, b=np.arange(5, dtype="u2"))
    np.savez(folder / "stored.npz", only=ROWS)
    hashes = {
        "rows.npy": ROWS,
        "columns.npy": ROWS.astype("<i4"),
        "both.npz::b": np.arange(5, dtype="<u2"),
        "stored.npz": ROWS,
    }
    stats = {"min": ROWS.min(), "max": ROWS.max(), "mean": ROWS.mean(), "std": ROWS.std()}
    shown = {
        "columns.npy": str(ROWS.astype("i4")),
        "times.npy": str(np.load(folder / "times.npy")),
        "both.npz::a[::-5, 1]": str(ROWS[::-5, 1]),
    }
    digests = {name: hashlib.sha256(array.tobytes()).hexdigest() for name, array in hashes.items()}
    json.dump({"hash": digests, "stats": stats, "show": shown}, sys.stdout)


def check(folder):
    same = np.testing.assert_array_equal
    with h5py.File(folder / "converted.h5") as file:
        same(file["data"][:], ROWS)
    back = np.load(folder / "back.npy", mmap_mode="r")
    same(back, ROWS.astype("f4"))
    assert back.dtype == "<f4", back.dtype
    with h5py.File(folder / "member.h5") as file:
        same(file["b"][:], np.arange(5))
    same(np.load(folder / "grown.npy", mmap_mode="r"), np.concatenate([ROWS, ROWS[:7] + 100, ROWS]))
    same(np.load(folder / "recovered.npy", mmap_mode="r"), ROWS)


{"write": write, "check": check}[sys.argv[1]](pathlib.Path(sys.argv[2]))
