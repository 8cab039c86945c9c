"""FFT along axis 1 as a user of chunkiter writes it: a pipeline of generators over PyTables and numpy.fft.

    python bench_chunkiter.py IN OUT [--durable]

Reads slabs of the dataset's chunk length, transforms each, appends each to an EArray whose chunk shape is the first
slab's, with Blosc LZ4 level 5 and shuffle: chunkiter's own choices. Prints `seconds N` for the pipeline.
"""

import argparse
import time

import numpy as np
import tables

import bench_data


def read_chunks(path):
    """The dataset, slab by slab; a slab has as many rows as its chunks."""
    with tables.open_file(path) as file:
        data = file.root.data
        rows = data.chunkshape[0]
        for start in range(0, data.shape[0], rows):
            yield data[start : start + rows]


def write_chunks(chunks, path):
    """Appends every slab to a new EArray."""
    with tables.open_file(path, "w") as file:
        data = None
        for chunk in chunks:
            if data is None:
                data = bench_data.create_earray(file, chunk.shape[1], chunk.shape[0])
            data.append(chunk)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("source")
    parser.add_argument("result")
    parser.add_argument("--durable", action="store_true")
    arguments = parser.parse_args()
    start = time.perf_counter()
    write_chunks((np.fft.fft(chunk, axis=1) for chunk in read_chunks(arguments.source)), arguments.result)
    if arguments.durable:
        bench_data.wait_for_disk(arguments.result)
    print(f"seconds {time.perf_counter() - start:.6f}")


if __name__ == "__main__":
    main()
