"""Reading, writing and transforming with h5py, hdf5plugin and scipy.fft, slab by slab.

    python bench_h5py.py fft IN OUT [--durable]
    python bench_h5py.py read FILE            (a new array for each slab, as most programs do)
    python bench_h5py.py read-direct FILE     (all slabs into one array)
    python bench_h5py.py windows FILE         (2000 random windows of 64 x 64, a chunk cache of 256 MiB)
    python bench_h5py.py contiguous FILE      (all into one array of 64 MiB)
    python bench_h5py.py write FILE --rows N --cols N [--durable]
    python bench_h5py.py append FILE [--durable]   (10,000 rows of 64 float64, one by one)

Blosc LZ4 level 5 with shuffle, chunks of 1024 rows. Prints `seconds N` for its own work.
"""

import argparse
import time

import h5py
import hdf5plugin
import numpy as np

import bench_data


def create(file, shape):
    """The output: the same chunks and filter as the input."""
    chunks = (min(bench_data.CHUNK_ROWS, shape[0]), shape[1])
    blosc = hdf5plugin.Blosc(cname="lz4", clevel=5, shuffle=hdf5plugin.Blosc.SHUFFLE)
    return file.create_dataset("data", shape, np.complex128, chunks=chunks, maxshape=(None, shape[1]), **blosc)


def fft(source, result, transform):
    with h5py.File(source) as given, h5py.File(result, "w") as made:
        given = given["data"]
        made = create(made, given.shape)
        for start, end in bench_data.slabs(given.shape[0]):
            made[start:end] = transform(given[start:end], axis=1, overwrite_x=True, workers=2)


def read(path):
    with h5py.File(path) as file:
        data = file["data"]
        for start, end in bench_data.slabs(data.shape[0]):
            data[start:end]


def read_direct(path):
    with h5py.File(path) as file:
        data = file["data"]
        slab = np.empty((bench_data.CHUNK_ROWS, data.shape[1]), data.dtype)
        for start, end in bench_data.slabs(data.shape[0]):
            data.read_direct(slab, np.s_[start:end], np.s_[: end - start])


def windows(path):
    """The same windows as the example `reading` reads."""
    state, total = 1, 0.0

    def place(extent):
        nonlocal state
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (state >> 33) % (extent - 64)

    with h5py.File(path, rdcc_nbytes=256 << 20, rdcc_nslots=10007) as file:
        data = file["data"]
        window = np.empty((64, 64), data.dtype)
        for _ in range(2000):
            row, column = place(data.shape[0]), place(data.shape[1])
            data.read_direct(window, np.s_[row : row + 64, column : column + 64])
            total += window[0, 0] + window[-1, -1]
    print(f"sum {total:.6f}")


def contiguous(path):
    with h5py.File(path) as file:
        data = file["data"]
        rows = (64 << 20) // (data.shape[1] * data.dtype.itemsize)
        slab = np.empty((rows, data.shape[1]), data.dtype)
        for start in range(0, data.shape[0], rows):
            data.read_direct(slab, np.s_[start : start + rows])


def write(path, rows, slab):
    with h5py.File(path, "w") as file:
        data = create(file, (rows, slab.shape[1]))
        for start, end in bench_data.slabs(rows):
            data[start:end] = slab[: end - start]


def append(path):
    blosc = hdf5plugin.Blosc(cname="lz4", clevel=5, shuffle=hdf5plugin.Blosc.SHUFFLE)
    row = np.full((1, 64), 0.5)
    with h5py.File(path, "w") as file:
        data = file.create_dataset("data", (0, 64), np.float64, chunks=(1024, 64), maxshape=(None, 64), **blosc)
        for number in range(10_000):
            data.resize(number + 1, axis=0)
            data[number:] = row


def prepare(arguments):
    """The function to time. What it needs is made or imported here: reading and writing start without SciPy."""
    if arguments.command == "fft":
        import scipy.fft

        return lambda source, result: fft(source, result, scipy.fft.fft)
    if arguments.command == "write":
        slab = bench_data.noise(min(bench_data.CHUNK_ROWS, arguments.rows), arguments.cols, seed=0)
        return lambda path: write(path, arguments.rows, slab)
    return ALONE[arguments.command]


ALONE = {"read": read, "read-direct": read_direct, "windows": windows, "contiguous": contiguous, "append": append}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["fft", "write", *ALONE])
    parser.add_argument("files", nargs="+")
    parser.add_argument("--rows", type=int, default=16384)
    parser.add_argument("--cols", type=int, default=8192)
    parser.add_argument("--durable", action="store_true")
    arguments = parser.parse_args()
    work = prepare(arguments)
    start = time.perf_counter()
    work(*arguments.files)
    if arguments.durable:
        bench_data.wait_for_disk(arguments.files[-1])
    print(f"seconds {time.perf_counter() - start:.6f}")


if __name__ == "__main__":
    main()
