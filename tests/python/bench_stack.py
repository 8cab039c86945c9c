"""1000 HDF5 files as one array with xdas 0.2.10 or dask, the counterpart of chunk-virtual's example `stack_speed`.

    python bench_stack.py xdas|dask stack|rows|stepped|whole FOLDER

Prints `seconds N` for making the stack, reading 100 of its rows, 20,000 rows with every second column, or all of it. The
folder is that of `bench_data.py make-parts`.
"""

import os
import sys
import time

import h5py
import numpy as np

FILES, SHAPE = 1000, (200, 128)


def path(folder, number):
    return os.path.join(folder, f"part-{number:04}.h5")


def stack_of_xdas(folder):
    from xdas.virtual import VirtualSource, VirtualStack

    sources = []
    for number in range(FILES):
        with h5py.File(path(folder, number)) as file:
            sources.append(VirtualSource(file["data"]))
    return VirtualStack(sources)


def stack_of_dask(folder):
    import dask.array

    class File:
        """Opened for each read, as none of 1000 can stay open."""

        ndim = 2

        def __init__(self, name):
            self.name = name
            with h5py.File(name) as file:
                self.shape, self.dtype = file["data"].shape, file["data"].dtype

        def __getitem__(self, key):
            with h5py.File(self.name) as file:
                return file["data"][key]

    files = [File(path(folder, number)) for number in range(FILES)]
    empty = np.empty((0, 0), np.float32)
    return dask.array.concatenate([dask.array.from_array(file, chunks=SHAPE, meta=empty) for file in files])


# Not at a bound between files: xdas keeps an empty source there, which HDF5 then refuses to read.
PIECES = {
    "rows": (np.s_[100_050:100_150], (100, 128)),
    "stepped": (np.s_[20_050:40_050, ::2], (20_000, 64)),
    "whole": (np.s_[:], (200_000, 128)),
}


def main(library, what, folder):
    make = {"xdas": stack_of_xdas, "dask": stack_of_dask}[library]
    make(folder)  # what is imported, is
    begun = time.perf_counter()
    stack = make(folder)
    if what in PIECES:
        index, shape = PIECES[what]
        begun = time.perf_counter()
        read = np.asarray(stack[index])
        ended = time.perf_counter()
        first = index[0].start if isinstance(index, tuple) else index.start or 0
        assert read.shape == shape and read[0, 0] == first % 200 * 128 + first // 200
    else:
        ended = time.perf_counter()
    print(f"seconds {ended - begun:.6f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
