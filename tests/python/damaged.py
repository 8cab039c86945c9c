"""Writes HDF5 files, damages some of their chunks, and prints which, as JSON.

    python damaged.py DIR     prints [{"file": .., "dataset": .., "chunks": [[row, column], ..]}, ..]
"""

import json
import os
import sys

import h5py
import hdf5plugin
import numpy as np

FILTERS = {
    "fletcher32": {"fletcher32": True},
    "gzip": {"compression": "gzip"},
    "gzip_fletcher32": {"compression": "gzip", "shuffle": True, "fletcher32": True},
    "blosc_fletcher32": dict(hdf5plugin.Blosc(cname="lz4"), fletcher32=True),
}
DAMAGED = [(0, 1), (3, 0), (4, 2)]


def make(path, filters):
    data = np.random.default_rng(4).integers(0, 50, (90, 70)).astype("f8")
    with h5py.File(path, "w") as file:
        file["sound"] = data
        file["texts"] = ["of", "variable", "length"]
        dataset = file.create_dataset("g/data", data=data, chunks=(20, 30), **filters)
        chunks = [dataset.id.get_chunk_info_by_coord((20 * row, 30 * column)) for row, column in DAMAGED]
    with open(path, "r+b") as file:
        for chunk in chunks:
            file.seek(chunk.byte_offset + chunk.size // 2)
            before = file.read(4)
            file.seek(-4, os.SEEK_CUR)
            file.write(bytes(byte ^ 0x5A for byte in before))


def main(folder):
    found = []
    for name, filters in FILTERS.items():
        path = os.path.join(folder, name + ".h5")
        make(path, filters)
        found.append({"file": path, "dataset": "/g/data", "chunks": DAMAGED})
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
