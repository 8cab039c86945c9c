"""The matrix of files that other software writes, for the interoperability tests.

`make(folder)` writes one small file for each case, and `manifest.json` with what is in them. Data repeats from run to
run. Where a case is about filters that HDF5 skips, the skipping is checked: a file that does not test it is an error.
"""

import json
import os
from dataclasses import dataclass

import h5py
import hdf5plugin
import numpy as np
import tables

from hashes import hash_dataset

DOUBLE, SINGLE = 1e-12, 1e-5
SHUFFLES = ("shuffle", "bitshuffle", "noshuffle")
PLUGIN_SHUFFLES = {
    "noshuffle": hdf5plugin.Blosc.NOSHUFFLE,
    "shuffle": hdf5plugin.Blosc.SHUFFLE,
    "bitshuffle": hdf5plugin.Blosc.BITSHUFFLE,
}


@dataclass
class Case:
    """One dataset in one file. `filter` is `none`, `contiguous`, `gzip:N[:shuffle][:fletcher32]`, `lzf` or
    `blosc:CODEC:LEVEL:SHUFFLE`."""

    name: str
    writer: str
    dtype: str
    shape: tuple
    chunks: tuple | None
    filter: str
    note: str = ""
    dataset: str = "/data"
    kind: str = "smooth"  # which values; see `values`
    growing: int = 1  # so many leading axes may grow (h5py)
    fill: complex | None = None  # h5py: only a part is written, the rest is this
    libver: str = "earliest"
    skips: bool = False  # some chunk must have a filter skipped


def pytables_cases():
    lz4 = "blosc:lz4:5:shuffle"
    yield Case("chunkiter", "pytables", "c16", (1100, 8192), (1024, 8192), lz4, "as chunkiter writes it", kind="wide")
    for codec in tables.blosc_compressor_list():
        for shuffle in SHUFFLES:
            yield Case(f"blosc_{codec}_{shuffle}", "pytables", "c16", (150, 256), (64, 256), f"blosc:{codec}:5:{shuffle}")
    for level in (0, 1, 9):
        yield Case(f"blosc_level_{level}", "pytables", "f8", (100, 128), (32, 128), f"blosc:lz4:{level}:shuffle")
    for options in ("", ":shuffle", ":fletcher32", ":shuffle:fletcher32"):
        name = "gzip" + options.replace(":", "_")
        yield Case(name, "pytables", "c16", (100, 128), (32, 128), f"gzip:6{options}")
    yield Case("blosc_fletcher32", "pytables", "c16", (100, 128), (32, 128), lz4 + ":fletcher32", "checksum after Blosc")
    yield Case("none", "pytables", "c16", (100, 128), (32, 128), "none")
    for dtype in ("c8", "f4", "f8", "f2", "i2", "i4", "i8", "u1", "u8"):
        yield Case(f"type_{dtype}", "pytables", dtype, (100, 96), (32, 96), lz4)
    yield Case("bitfield", "pytables", "bool", (100, 96), (32, 96), lz4, "bool as PyTables stores it: an 8-bit bitfield")
    yield Case("big_chunk", "pytables", "c16", (10, 64), (1024, 64), lz4, "the chunk is larger than the array")
    yield Case("zero_rows", "pytables", "c16", (0, 64), (16, 64), lz4, "nothing was appended")
    yield Case("one_row", "pytables", "c16", (1, 64), (16, 64), lz4)
    yield Case("odd_edges", "pytables", "c16", (37, 211), (8, 50), lz4, "prime lengths, partial chunks on both axes")
    yield Case("prime_line", "pytables", "c16", (13, 1009), (4, 1009), lz4, "lines of prime length")
    yield Case("one_axis", "pytables", "c16", (10007,), (1000,), lz4)
    yield Case("three_axes", "pytables", "c16", (7, 11, 13), (3, 4, 5), lz4)
    yield Case("nested", "pytables", "c16", (40, 32), (16, 32), lz4, "in nested groups", dataset="/a/b/data")
    random = "stored raw: Blosc gives up"
    yield Case("raw_noshuffle", "pytables", "c16", (100, 256), (32, 256), "blosc:lz4:5:noshuffle", random, kind="random", skips=True)
    yield Case("raw_integers", "pytables", "i8", (100, 256), (32, 256), lz4, random, kind="random", skips=True)
    yield Case("raw_some", "pytables", "i8", (100, 256), (16, 256), lz4, "every other chunk raw", kind="mixed", skips=True)
    yield Case("raw_gzip", "pytables", "i8", (100, 256), (32, 256), "gzip:6:shuffle:fletcher32", "larger when compressed", kind="random")


def h5py_cases():
    full = "gzip:4:shuffle:fletcher32"
    yield Case("gzip", "h5py", "c16", (100, 128), (32, 50), full)
    yield Case("lzf", "h5py", "f8", (100, 128), (32, 50), "lzf")
    yield Case("none", "h5py", "c16", (100, 128), (32, 50), "none")
    yield Case("contiguous", "h5py", "c16", (100, 128), None, "contiguous")
    yield Case("contiguous_zero_rows", "h5py", "c16", (0, 128), None, "contiguous")
    yield Case("zero_rows", "h5py", "c16", (0, 64), (16, 64), "gzip:4")
    for dtype in (">f8", ">c16", ">f4", ">c8", ">i2"):
        name = "big_endian_" + dtype[1:]
        yield Case(name, "h5py", dtype, (50, 96), (16, 40), full, "big-endian")
        yield Case(name + "_contiguous", "h5py", dtype, (50, 96), None, "contiguous", "big-endian")
    for shuffle in SHUFFLES:
        yield Case(f"blosc_lz4_{shuffle}", "h5py", "c16", (150, 256), (64, 100), f"blosc:lz4:5:{shuffle}", "hdf5plugin")
    yield Case("blosc_zstd_f4", "h5py", "f4", (150, 256), (64, 100), "blosc:zstd:5:shuffle", "hdf5plugin")
    for dtype in ("bool", "f2", "f4", "c8", "i1", "u2", "u4", "i8"):
        yield Case(f"type_{dtype}", "h5py", dtype, (50, 96), (16, 40), full)
    sparse = "most chunks are not allocated"
    yield Case("fill_f8", "h5py", "f8", (90, 100), (16, 30), full, sparse, fill=-1.5)
    yield Case("fill_c16", "h5py", "c16", (90, 100), (16, 30), "blosc:lz4:5:shuffle", sparse, fill=1 - 2j)
    yield Case("fill_default", "h5py", "f4", (90, 100), (16, 30), "none", sparse, fill=0)
    yield Case("odd_edges", "h5py", "c16", (37, 211), (8, 50), full, "prime lengths, partial chunks on both axes")
    yield Case("one_axis", "h5py", "f8", (10007,), (1000,), full)
    yield Case("three_axes", "h5py", "c8", (7, 11, 13), (3, 4, 5), full)
    yield Case("nested", "h5py", "c16", (40, 32), (16, 32), full, "spaces, umlauts", dataset="/a/größe b/data")
    yield Case("raw_some", "h5py", "c16", (100, 256), (32, 256), full, "chunks that skip all filters, or deflate alone", skips=True)
    yield Case("column_chunks", "h5py", "c16", (300, 64), (300, 1), full, "one chunk is one column")
    yield Case("tiny_chunks", "h5py", "c16", (30, 20), (1, 1), "none", "one chunk is one element")
    # HDF5's chunk indexes beside the version 1 B-tree of all files above
    latest = {"libver": "latest"}
    yield Case("index_fixed", "h5py", "c16", (100, 128), (32, 50), full, "fixed array index", growing=0, **latest)
    yield Case("index_extensible", "h5py", "c16", (100, 128), (32, 50), full, "extensible array index", growing=1, **latest)
    yield Case("index_btree2", "h5py", "c16", (100, 128), (32, 50), full, "version 2 B-tree index", growing=2, **latest)
    yield Case("index_single", "h5py", "c16", (100, 128), (100, 128), full, "single chunk index", growing=0, **latest)


def make(folder):
    """Writes every case and the manifest; returns the number of files and their bytes."""
    os.makedirs(folder, exist_ok=True)
    entries = [make_one(folder, case, seed) for seed, case in enumerate([*pytables_cases(), *h5py_cases()])]
    with open(os.path.join(folder, "manifest.json"), "w") as manifest:
        json.dump(entries, manifest, indent=1)
    return len(entries), sum(os.path.getsize(os.path.join(folder, entry["file"])) for entry in entries)


def make_one(folder, case, seed):
    name = f"{case.writer}_{case.name}.h5"
    path = os.path.join(folder, name)
    data = values(case, np.random.default_rng(seed))
    (write_pytables if case.writer == "pytables" else write_h5py)(path, case, data)
    with h5py.File(path) as file:
        dataset = file[case.dataset]
        check_written(name, case, dataset, data)
        digest = hash_dataset(dataset)
    return {
        "file": name,
        "dataset": case.dataset,
        "dtype": np.dtype(case.dtype).newbyteorder("=").name,
        "big_endian": case.dtype.startswith(">"),
        "shape": list(case.shape),
        "chunks": case.chunks and list(case.chunks),
        "writer": case.writer,
        "filter": case.filter,
        "tolerance": SINGLE if np.dtype(case.dtype).newbyteorder("=").char in "efF" else DOUBLE,
        "sha256": digest,
        "note": case.note,
    }


def values(case, rng):
    """Numbers of the case's kind: `smooth` ones compress, `random` ones do not, `mixed` alternates by chunk row."""
    dtype = np.dtype(case.dtype)
    if case.kind == "wide":
        return wide_rows(case.shape, rng)
    if case.kind == "mixed":
        data = whole_range(case.shape, dtype, rng)
        data[(np.arange(case.shape[0]) // case.chunks[0]) % 2 == 0] = 7
        return data
    if dtype.kind == "b":
        return rng.integers(0, 2, case.shape).astype(bool)
    if dtype.kind in "iu":
        return whole_range(case.shape, dtype, rng) if case.kind == "random" else small_integers(case.shape, dtype, rng)
    quantum = 0 if case.kind == "random" else 64
    data = normal(case.shape, quantum, rng)
    return (data + 1j * normal(case.shape, quantum, rng) if dtype.kind == "c" else data).astype(dtype)


def normal(shape, quantum, rng):
    data = rng.standard_normal(shape)
    return np.rint(data * quantum) / quantum if quantum else data


def whole_range(shape, dtype, rng):
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, shape, dtype.newbyteorder("="), endpoint=True)


def small_integers(shape, dtype, rng):
    """Small numbers and, where there is room, the smallest and the largest."""
    limits = np.iinfo(dtype)
    data = rng.integers(max(limits.min, -100), 100, shape).astype(dtype)
    if data.size >= 2:
        data.flat[0], data.flat[-1] = limits.min, limits.max
    return data


def wide_rows(shape, rng):
    """Long complex rows that compress well, and whose transform has no zero bin: a quarter is noise, the rest repeats."""
    rows, columns = shape
    noise = normal((rows, columns // 4), 64, rng) + 1j * normal((rows, columns // 4), 64, rng)
    period = normal((rows, 64), 64, rng) + 1j * normal((rows, 64), 64, rng)
    return np.concatenate([noise, np.tile(period, 3 * columns // 4 // 64)], axis=1)


def write_pytables(path, case, data):
    """An EArray, appended chunk by chunk."""
    group, name = os.path.split(case.dataset)
    with tables.open_file(path, "w") as file:
        array = file.create_earray(
            group,
            name,
            tables.Atom.from_dtype(np.dtype(case.dtype)),
            (0, *case.shape[1:]),
            filters=pytables_filters(case.filter),
            chunkshape=case.chunks,
            createparents=True,
        )
        for start in range(0, case.shape[0], case.chunks[0]):
            array.append(data[start : start + case.chunks[0]])


def pytables_filters(text):
    if text == "none":
        return tables.Filters(complevel=0)
    library, *options = text.split(":")
    codec = "zlib" if library == "gzip" else f"blosc:{options.pop(0)}"
    return tables.Filters(
        complib=codec,
        complevel=int(options[0]),
        shuffle="shuffle" in options,
        bitshuffle="bitshuffle" in options,
        fletcher32="fletcher32" in options,
    )


def write_h5py(path, case, data):
    settings = h5py_filters(case.filter)
    if case.chunks:
        maxshape = tuple(None if axis < case.growing else extent for axis, extent in enumerate(case.shape))
        settings |= {"chunks": case.chunks, "maxshape": maxshape}
    with h5py.File(path, "w", libver=case.libver) as file:
        if case.fill is None:
            dataset = file.create_dataset(case.dataset, data=data, dtype=case.dtype, **settings)
            if case.skips:
                skip_filters(dataset, data)
            return
        dataset = file.create_dataset(case.dataset, case.shape, case.dtype, fillvalue=case.fill, **settings)
        dataset[20:25, 35:70] = data[20:25, 35:70]
        data[:20], data[25:], data[:, :35], data[:, 70:] = case.fill, case.fill, case.fill, case.fill


def skip_filters(dataset, data):
    """Stores the first chunk as it is and the second only shuffled, as a writer may where compressing does not pay."""
    rows = dataset.chunks[0]
    first, second = data[:rows].tobytes(), data[rows : 2 * rows].tobytes()
    pipeline = dataset.id.get_create_plist()
    filters = [pipeline.get_filter(index)[0] for index in range(pipeline.get_nfilters())]
    all_but_shuffle = sum(1 << index for index, code in enumerate(filters) if code != h5py.h5z.FILTER_SHUFFLE)
    shuffled = np.frombuffer(second, np.uint8).reshape(-1, dataset.dtype.itemsize).T.tobytes()
    dataset.id.write_direct_chunk((0, 0), first, (1 << len(filters)) - 1)
    dataset.id.write_direct_chunk((rows, 0), shuffled, all_but_shuffle)


def h5py_filters(text):
    library, *options = text.split(":")
    if library in ("none", "contiguous"):
        return {}
    if library == "lzf":
        return {"compression": "lzf"}
    if library == "blosc":
        codec, level, shuffle = options
        return dict(hdf5plugin.Blosc(cname=codec, clevel=int(level), shuffle=PLUGIN_SHUFFLES[shuffle]))
    return {
        "compression": "gzip",
        "compression_opts": int(options[0]),
        "shuffle": "shuffle" in options,
        "fletcher32": "fletcher32" in options,
    }


def check_written(name, case, dataset, data):
    """The file holds what the case says, as h5py reads it."""
    if dataset.shape != case.shape or dataset.chunks != case.chunks:
        raise SystemExit(f"{name}: has shape {dataset.shape} and chunks {dataset.chunks}, not {case.shape} and {case.chunks}")
    if not np.array_equal(dataset[()], data):
        raise SystemExit(f"{name}: h5py reads something else than was written")
    if case.skips and not skips_filters(dataset):
        raise SystemExit(f"{name}: no chunk skips a filter")


def skips_filters(dataset):
    """Whether some chunk's filter mask says that a filter was not applied."""
    chunks = range(dataset.id.get_num_chunks())
    return any(dataset.id.get_chunk_info(index).filter_mask for index in chunks)
