"""xdas 0.2.10 and dask on 1,000 HDF5 files of 200 x 128 float32, the counterpart of chunk-virtual's `stack_speed`.

    make FOLDER              makes the files
    xdas | dask FOLDER       prints seconds for making the stack, reading 100 rows, 20,000 rows with step 2 on the other axis,
                             and the whole, as JSON

xdas and dask are not among the packages of the tests: `pip install xdas==0.2.10 dask`.
"""

import json
import os
import sys
import time

import h5py
import numpy as np

FILES, SHAPE = 1000, (200, 128)


def path(folder, number):
    return os.path.join(folder, f"part-{number:04}.h5")


def make(folder):
    os.makedirs(folder, exist_ok=True)
    for number in range(FILES):
        with h5py.File(path(folder, number), "w") as file:
            values = np.arange(SHAPE[0] * SHAPE[1], dtype="f4").reshape(SHAPE)
            file["data"] = values + number


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
        """Opened for each read, as none of 1,000 can stay open."""

        shape, dtype, ndim = SHAPE, np.dtype("f4"), 2

        def __init__(self, name):
            self.name = name
            with h5py.File(name) as file:
                self.shape, self.dtype = file["data"].shape, file["data"].dtype

        def __getitem__(self, key):
            with h5py.File(self.name) as file:
                return file["data"][key]

    parts = [dask.array.from_array(File(path(folder, number)), chunks=SHAPE, meta=np.empty((0, 0), "f4")) for number in range(FILES)]
    return dask.array.concatenate(parts)


def seconds(work):
    begun = time.perf_counter()
    result = work()
    return time.perf_counter() - begun, result


def measure(make_stack, folder):
    made, stack = seconds(lambda: make_stack(folder))
    told = {"make": made}
    told["rows"], rows = seconds(lambda: np.asarray(stack[100_050:100_150]))
    assert rows.shape == (100, 128) and rows[0, 0] == 50 * 128 + 500
    # Not at a bound between files: xdas keeps an empty source there, which HDF5 then refuses to read.
    told["stepped"], stepped = seconds(lambda: np.asarray(stack[20_050:40_050, ::2]))
    assert stepped.shape == (20_000, 64)
    told["whole"], whole = seconds(lambda: np.asarray(stack))
    assert whole.shape == (200_000, 128)
    print(json.dumps(told))


if __name__ == "__main__":
    what, folder = sys.argv[1:]
    if what == "make":
        make(folder)
    else:
        measure({"xdas": stack_of_xdas, "dask": stack_of_dask}[what], folder)
