"""Writes `filters.h5` beside itself: one array under each filter that this crate decodes but does not write.

    python filters.py        (h5py 3.16, hdf5plugin 7.1, PyTables 3.11)

160 x 70 float64 `i * i % 251 / 8` in chunks of 64 x 30; integers for n-bit and scale-offset.
"""

import pathlib

import h5py
import hdf5plugin
import numpy as np

SHAPE, CHUNKS = (160, 70), (64, 30)
FILTERS = {
    "gzip_fletcher32": dict(compression="gzip", shuffle=True, fletcher32=True),
    "lzf": dict(compression="lzf", shuffle=True),
    "lz4": hdf5plugin.LZ4(nbytes=2048),
    "bitshuffle": hdf5plugin.Bitshuffle(nelems=256, cname="none"),
    "bitshuffle_lz4": hdf5plugin.Bitshuffle(nelems=256, cname="lz4"),
    "zstd": hdf5plugin.Zstd(),
    "blosc": hdf5plugin.Blosc(),
    "blosc2": hdf5plugin.Blosc2(),
}


def main(path):
    values = np.arange(SHAPE[0] * SHAPE[1]) ** 2 % 251
    values = values.reshape(SHAPE)
    with h5py.File(path, "w") as file:
        for name, filters in FILTERS.items():
            file.create_dataset(name, data=values / 8, chunks=CHUNKS, **filters)
        file.create_dataset("big_endian_lzf", data=(values / 8).astype(">f8"), chunks=CHUNKS, compression="lzf")
        file.create_dataset("scale_offset", data=values.astype("i4"), chunks=CHUNKS, scaleoffset=0)
        narrow = h5py.h5t.STD_I32LE.copy()
        narrow.set_size(3)
        narrow.set_precision(20)
        create = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        create.set_chunk(CHUNKS)
        create.set_filter(h5py.h5z.FILTER_NBIT, 0)
        nbit = h5py.h5d.create(file.id, b"nbit", narrow, h5py.h5s.create_simple(SHAPE), create)
        nbit.write(h5py.h5s.ALL, h5py.h5s.ALL, values.astype("i4"))
        rows = np.zeros(SHAPE, [("pad", "S5"), ("value", ">f8"), ("flag", "u1")])
        rows["value"] = values / 8
        file.create_dataset("structures", data=rows, chunks=CHUNKS, compression="lzf", shuffle=True)
        compact = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        compact.set_layout(h5py.h5d.COMPACT)
        small = h5py.h5d.create(file.id, b"compact", h5py.h5t.IEEE_F64LE, h5py.h5s.create_simple((80, 70)), compact)
        small.write(h5py.h5s.ALL, h5py.h5s.ALL, values[:80] / 8)


if __name__ == "__main__":
    main(pathlib.Path(__file__).with_name("filters.h5"))
