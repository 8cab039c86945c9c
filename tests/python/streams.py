"""Files that were written as streams of chunks.

    python streams.py one FILE.h5 ROWS CHUNK     whether /data is as chunkiter writes streams, and holds 0, 1, 2, ..
    python streams.py contiguous FILE.h5         writes 0, 1, 2, .. without chunks
    python streams.py names FILE.h5:FILE.h5..    prints the datasets of each
"""

import sys

import h5py
import hdf5plugin  # noqa: F401  registers the filters with h5py
import numpy as np
import tables


def one(path, rows, chunk):
    rows, chunk = int(rows), int(chunk)
    expected = np.arange(3 * rows, dtype="i4").reshape(rows, 3)
    with h5py.File(path) as file:
        data = file["data"]
        assert data.maxshape == (None, 3) and data.chunks == (chunk, 3), (data.maxshape, data.chunks)
        plist = data.id.get_create_plist()
        code, flags, values, _ = plist.get_filter(0)
        assert plist.get_nfilters() == 1 and code == 32001 and flags == h5py.h5z.FLAG_OPTIONAL, (code, flags)
        # Filter and format revision, bytes of an element and of a chunk, level 5, byte shuffle, LZ4.
        assert values == (2, 2, 4, 12 * chunk, 5, 1, 1), values
        assert data.dtype == np.dtype("i4") and (data[()] == expected).all()
    with tables.open_file(path) as file:
        node = file.root.data
        assert isinstance(node, tables.EArray) and node.extdim == 0, node
        assert (node.read() == expected).all()


def contiguous(path):
    with h5py.File(path, "w") as file:
        file["x"] = np.arange(21, dtype="i4").reshape(7, 3)


def names(paths):
    found = []
    for path in paths.split(":"):
        with h5py.File(path) as file:
            inside = []
            file.visititems(lambda name, item: inside.append(name) if isinstance(item, h5py.Dataset) else None)
            found.append(" ".join(inside))
    print(" : ".join(found))


if __name__ == "__main__":
    {"one": one, "contiguous": contiguous, "names": names}[sys.argv[1]](*sys.argv[2:])
