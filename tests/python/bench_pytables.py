"""Reading and writing with PyTables, slab by slab.

    python bench_pytables.py read FILE
    python bench_pytables.py write FILE --rows N --cols N [--durable]
    python bench_pytables.py append FILE [--durable]   (10,000 rows of 64 float64, one by one)

`write` appends one slab again and again, so that making data costs little. Prints `seconds N` for its own work.
"""

import argparse
import time

import numpy as np
import tables

import bench_data


def read(path):
    with tables.open_file(path) as file:
        data = file.root.data
        for start, end in bench_data.slabs(data.shape[0]):
            data[start:end]


def write(path, rows, slab):
    with tables.open_file(path, "w") as file:
        data = bench_data.create_earray(file, slab.shape[1], slab.shape[0])
        for start, end in bench_data.slabs(rows):
            data.append(slab[: end - start])


def append(path):
    filters = tables.Filters(complevel=5, complib="blosc:lz4", shuffle=True)
    row = np.full((1, 64), 0.5)
    with tables.open_file(path, "w") as file:
        atom = tables.Float64Atom()
        data = file.create_earray("/", "data", atom, (0, 64), filters=filters, chunkshape=(1024, 64))
        for _ in range(10_000):
            data.append(row)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["read", "write", "append"])
    parser.add_argument("file")
    parser.add_argument("--rows", type=int, default=16384)
    parser.add_argument("--cols", type=int, default=8192)
    parser.add_argument("--durable", action="store_true")
    arguments = parser.parse_args()
    if arguments.command == "write":
        slab = bench_data.noise(min(bench_data.CHUNK_ROWS, arguments.rows), arguments.cols, seed=0)
    start = time.perf_counter()
    if arguments.command == "read":
        read(arguments.file)
    elif arguments.command == "append":
        append(arguments.file)
    else:
        write(arguments.file, arguments.rows, slab)
    if arguments.durable:
        bench_data.wait_for_disk(arguments.file)
    print(f"seconds {time.perf_counter() - start:.6f}")


if __name__ == "__main__":
    main()
