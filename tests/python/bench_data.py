"""The data of the benchmarks: makes it, warms it, verifies transforms of it.

    python bench_data.py make FILE --rows N --cols N
    python bench_data.py make-windows FILE
    python bench_data.py make-contiguous FILE
    python bench_data.py make-npy FILE
    python bench_data.py make-parts FOLDER
    python bench_data.py warm FILE
    python bench_data.py verify IN OUT --axis N

Complex noise quantised to 1/1024, so that Blosc LZ4 level 5 with shuffle stores about a third, in an EArray `/data`
with chunks of 1024 rows, written by PyTables as chunkiter writes it.
"""

import argparse
import os
import sys

CHUNK_ROWS = 1024
SAMPLES = 8
TOLERANCE = 1e-12


def noise(rows, columns, seed):
    """Standard normal complex128, each part a multiple of 1/1024."""
    import numpy as np

    values = np.random.default_rng(seed).standard_normal((rows, columns, 2))
    values *= 1024
    np.rint(values, out=values)
    values /= 1024
    return values.view(np.complex128)[..., 0]


def slabs(rows):
    """Start and end of each slab of one chunk's rows."""
    return [(start, min(start + CHUNK_ROWS, rows)) for start in range(0, rows, CHUNK_ROWS)]


def create_earray(file, columns, chunk_rows):
    """An empty EArray as chunkiter creates it: chunks of the first slab's shape, Blosc LZ4 level 5, shuffle."""
    import tables

    filters = tables.Filters(complevel=5, complib="blosc:lz4", shuffle=True)
    return file.create_earray(
        "/", "data", tables.ComplexAtom(16), (0, columns), filters=filters, chunkshape=(chunk_rows, columns)
    )


def wait_for_disk(path):
    """Returns when the file's content is on the disk."""
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def make(path, rows, columns):
    """Writes the input, in bounded memory and under its name only when it is whole."""
    import tables

    if os.path.exists(path):
        print(f"{path} is there")
        return
    partial = f"{path}.partial"
    with tables.open_file(partial, "w") as file:
        data = create_earray(file, columns, min(CHUNK_ROWS, rows))
        for start, end in slabs(rows):
            data.append(noise(end - start, columns, seed=start))
    os.replace(partial, path)
    logical, stored = rows * columns * 16, os.path.getsize(path)
    print(f"{path}: {logical / 2**20:.0f} MiB in {stored / 2**20:.0f} MiB, {logical / stored:.2f}:1")


def make_windows(path):
    """8192 x 8192 float64 noise in chunks of 256 x 2048, Blosc LZ4 level 5 with shuffle."""
    import hdf5plugin
    import numpy as np

    def fill(file):
        blosc = hdf5plugin.Blosc(cname="lz4", clevel=5, shuffle=hdf5plugin.Blosc.SHUFFLE)
        data = file.create_dataset("data", (8192, 8192), np.float64, chunks=(256, 2048), **blosc)
        for start in range(0, 8192, 256):
            data[start : start + 256] = noise(256, 8192, seed=start).real

    make_h5py(path, fill)


def make_contiguous(path):
    """2 GiB of float64 in one piece."""
    import numpy as np

    def fill(file):
        data = file.create_dataset("data", (32768, 8192), np.float64)
        for start in range(0, 32768, 1024):
            data[start : start + 1024] = noise(1024, 8192, seed=start).real

    make_h5py(path, fill)


def make_npy(path):
    """2 GiB of float64 as `.npy`."""
    import numpy as np

    if os.path.exists(path):
        return
    partial = f"{path}.partial.npy"
    array = np.lib.format.open_memmap(partial, "w+", np.float64, (4 << 20, 64))
    for start in range(0, len(array), 1 << 18):
        array[start : start + (1 << 18)] = 0.5
    array.flush()
    os.replace(partial, path)


def make_parts(folder):
    """1000 HDF5 files with `/data` of 200 x 128 float32."""
    import h5py
    import numpy as np

    os.makedirs(folder, exist_ok=True)
    values = np.arange(200 * 128, dtype=np.float32).reshape(200, 128)
    for number in range(1000):
        make_h5py(os.path.join(folder, f"part-{number:04}.h5"), lambda file: file.create_dataset("data", data=values + number))


def make_h5py(path, fill):
    """Lets `fill` write the file, under its name only when it is whole."""
    import h5py

    if os.path.exists(path):
        return
    partial = f"{path}.partial"
    with h5py.File(partial, "w") as file:
        fill(file)
    os.replace(partial, path)


def warm(path):
    """Reads the file, or all of the folder, once, so that it is in the page cache."""
    if os.path.isdir(path):
        for name in os.listdir(path):
            warm(os.path.join(path, name))
        return
    with open(path, "rb", buffering=0) as file:
        while file.read(1 << 24):
            pass


MAKE = {
    "make-windows": make_windows,
    "make-contiguous": make_contiguous,
    "make-npy": make_npy,
    "make-parts": make_parts,
}


def verify(source, result, axis):
    """Compares sampled lines along `axis` with numpy.fft of the input's."""
    import h5py
    import hdf5plugin  # noqa: F401  registers Blosc
    import numpy as np

    with h5py.File(source) as given, h5py.File(result) as made:
        given, made = given["data"], made["data"]
        if (given.shape, made.dtype) != (made.shape, np.dtype(np.complex128)):
            sys.exit(f"{result}: {made.shape} {made.dtype}, expected {given.shape} complex128")
        across = 1 - axis
        lines = np.unique(np.linspace(0, given.shape[across] - 1, SAMPLES).astype(int))
        expected = np.fft.fft(sample(given, lines, axis), axis=axis)
        error = np.abs(sample(made, lines, axis) - expected).max() / np.abs(expected).max()
    if not error <= TOLERANCE:
        sys.exit(f"{result}: wrong along axis {axis}: relative error {error:.3g} in lines {lines.tolist()}")
    print(f"axis {axis}: relative error {error:.3g} in {len(lines)} lines")


def sample(dataset, lines, axis):
    """Whole lines along `axis`, slab by slab: each chunk is read once."""
    import numpy as np

    if axis == 1:
        return np.stack([dataset[line] for line in lines])
    return np.concatenate([dataset[start:end][:, lines] for start, end in slabs(dataset.shape[0])])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("make")
    command.add_argument("file")
    command.add_argument("--rows", type=int, required=True)
    command.add_argument("--cols", type=int, required=True)
    for name in MAKE:
        command = commands.add_parser(name)
        command.add_argument("file")
        command.add_argument("--rows", help="no choice here")
        command.add_argument("--cols", help="no choice here")
    commands.add_parser("warm").add_argument("file")
    command = commands.add_parser("verify")
    command.add_argument("source")
    command.add_argument("result")
    command.add_argument("--axis", type=int, required=True)
    arguments = parser.parse_args()
    if arguments.command == "make":
        make(arguments.file, arguments.rows, arguments.cols)
    elif arguments.command in MAKE:
        MAKE[arguments.command](arguments.file)
    elif arguments.command == "warm":
        warm(arguments.file)
    else:
        verify(arguments.source, arguments.result, arguments.axis)


if __name__ == "__main__":
    main()
