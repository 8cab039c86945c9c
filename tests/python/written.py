"""Whether h5py and PyTables read what was written as it was written.

    python written.py check FILES.json     a list of files: what is in each, and how it must be stored
    python written.py references FILES.json     the same by h5py, as FILE.reference of each
    python written.py make-text FILE.npy        text of code points
    python written.py check-text FILE.npy FILE.h5       whether it is the same in the other file
    python written.py plugins              the folder of hdf5plugin's filters

Ends with 0 and says how many files it read; ends with 1 and a line on stderr for each difference.
"""

import json
import sys

import h5py
import hdf5plugin
import numpy as np
import tables

import hashes

PLACE = np.dtype([("x", "f8"), ("y", "f4")])
LEVELS = h5py.enum_dtype({"LOW": -1, "MID": 0, "HIGH": 300}, "i2")
#: What h5py must say that a dataset is; other names are NumPy's own.
DTYPES = {
    "bytes": np.dtype("S7"),
    "utf8": h5py.string_dtype("utf-8", 9),
    "levels": LEVELS,
    "states": h5py.enum_dtype({"OFF": 0, "ON": 255}, "u1"),
    "opaque": np.dtype("V5"),
    "tagged": np.dtype("V3"),
    "moment": h5py.opaque_dtype(np.dtype("M8[ns]")),
    "duration": h5py.opaque_dtype(np.dtype("m8[10us]")),
    "nested": np.dtype([("id", "i4"), ("where", PLACE), ("tag", "S3")]),
    "padded": np.dtype([("a", "u1"), ("b", "f8"), ("c", "i2", (2, 3))], align=True),
    "mixed": np.dtype([("flag", "?"), ("level", LEVELS), ("z", "c8"), ("half", "f2"), ("when", h5py.opaque_dtype(np.dtype("M8[ms]")))]),
    "matrix": np.dtype(("f4", (2, 3))),
    "places": np.dtype((PLACE, (2,))),
}
TAGS = {"tagged": b"chunk's", "opaque": b"", "moment": b"NUMPY:<M8[ns]", "duration": b"NUMPY:<m8[10us]"}
COMPRESSORS = {"none": [], "gzip": [1], "lzf": [32000], "zstd": [32015], "blosc": [32001]}
#: What PyTables has no class for: opaque bytes, filters of h5py alone, structures of more axes than a table.
OPAQUE = ("opaque", "tagged", "moment", "duration", "mixed", "places")
STRUCTURES = ("nested", "padded")
NOT_IN_PYTABLES = (32000, 32015)


def check(path):
    records = read(path)
    failures = 0
    for record in records:
        for reason in told(record):
            failures += 1
            print(f"{record['file']}: {reason}", file=sys.stderr)
    if failures:
        sys.exit(f"{failures} differences in {len(records)} files")
    print(f"{len(records)} files are as they must be")


def read(path):
    with open(path) as file:
        return json.load(file)


def references(path):
    """h5py's files of the same values, dtypes and extents, without filters."""
    for record in read(path):
        dtype, expected = expectation(record)
        with h5py.File(record["file"] + ".reference", "w") as file:
            kind = h5py.h5t.py_create(dtype, logical=True)
            if record["dtype"] in TAGS:
                kind.set_tag(TAGS[record["dtype"]])
            most = [h5py.h5s.UNLIMITED] * len(record["shape"]) if record["max_shape"] else record["shape"]
            shape = tuple(record["shape"])
            space = h5py.h5s.create_simple(shape, tuple(most)) if shape else h5py.h5s.create(h5py.h5s.SCALAR)
            plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            if shape:
                plist.set_chunk(shape)
            name = record["dataset"].strip("/").encode()
            links = h5py.h5p.create(h5py.h5p.LINK_CREATE)
            links.set_create_intermediate_group(True)
            dataset = h5py.h5d.create(file.id, name, kind, space, plist, lcpl=links)
            dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, expected, mtype=kind)


def expectation(record):
    """The dtype and the values that must be found."""
    dtype = DTYPES.get(record["dtype"]) or np.dtype(record["dtype"])
    raw = np.fromfile(record["raw"], "u1")
    return dtype, raw.view(dtype.base).reshape((*record["shape"], *dtype.shape))


def told(record):
    try:
        return list(differences(record))
    except (OSError, tables.HDF5ExtError) as error:
        return [" ".join(str(error).split())]


def differences(record):
    expected_dtype, expected = expectation(record)
    with h5py.File(record["file"]) as file:
        dataset = file[record["dataset"]]
        yield from description(dataset, expected_dtype, record)
        if digest(values(dataset, record["dtype"]), expected_dtype) != digest(expected, expected_dtype):
            yield "h5py reads other values"
        ids = filters(dataset)
    if set(ids) & set(NOT_IN_PYTABLES) or record["dtype"] in OPAQUE:
        return
    if record["dtype"] in STRUCTURES and len(record["shape"]) != 1:
        return
    with tables.open_file(record["file"]) as file:
        node = file.get_node(record["dataset"])
        if isinstance(node, tables.UnImplemented):
            yield f"PyTables does not know {record['dtype']}"
            return
        found = np.asarray(node.read())
        if digest(found.astype(expected_dtype.base), expected_dtype) != digest(expected, expected_dtype):
            yield "PyTables reads other values"


def values(dataset, name):
    if name != "tagged":
        return dataset[()]
    # h5py's dtypes have no tags: it reads tagged bytes as what the file says that they are, or not at all.
    out = np.zeros(dataset.shape, "V3")
    dataset.id.read(h5py.h5s.ALL, h5py.h5s.ALL, out, mtype=dataset.id.get_type())
    return out


def description(dataset, dtype, record):
    """What h5py says of the dataset beside its values."""
    name = record["dtype"]
    if dataset.dtype != dtype:
        yield f"dtype {dataset.dtype}, not {dtype}"
    if h5py.check_enum_dtype(dataset.dtype) != h5py.check_enum_dtype(dtype):
        yield f"members {h5py.check_enum_dtype(dataset.dtype)}"
    if h5py.check_string_dtype(dataset.dtype) != h5py.check_string_dtype(dtype):
        yield f"text {h5py.check_string_dtype(dataset.dtype)}"
    if name in TAGS and dataset.id.get_type().get_tag() != TAGS[name]:
        yield f"tag {dataset.id.get_type().get_tag()}"
    if list(dataset.shape) != record["shape"]:
        yield f"shape {dataset.shape}"
    chunks = None if dataset.chunks is None else list(dataset.chunks)
    if chunks != record["chunks"]:
        yield f"chunks {chunks}"
    if list(dataset.maxshape) != (record["max_shape"] or record["shape"]):
        yield f"maxshape {dataset.maxshape}"
    if filters(dataset) != expected_filters(record["filter"]):
        yield f"filters {filters(dataset)}, not {expected_filters(record['filter'])}"


def filters(dataset):
    plist = dataset.id.get_create_plist()
    return [plist.get_filter(number)[0] for number in range(plist.get_nfilters())]


def expected_filters(text):
    """HDF5's numbers for a filter's text: shuffle first, the checksum last, Blosc shuffling by itself."""
    text, plus, _ = text.partition("+fletcher32")
    kind, *options = text.split(":")
    shuffles = kind in ("gzip", "lzf", "zstd") and "noshuffle" not in options or kind == "none" and "shuffle" in options
    return [2] * shuffles + COMPRESSORS[kind] + [3] * bool(plus)


def make_text(path):
    np.save(path, np.array([["größe", ""], ["x", "日本語"]]))


def check_text(npy, path):
    with h5py.File(path) as file:
        found = file["data"].asstr()[()]
    if not (found == np.load(npy)).all():
        sys.exit(f"{path}: {found}")


def digest(values, dtype):
    return hashes.hashlib.sha256(hashes.fixed_bytes(values, dtype)).hexdigest()


if __name__ == "__main__":
    commands = {"check": check, "references": references, "make-text": make_text, "check-text": check_text}
    commands["plugins"] = lambda: print(hdf5plugin.PLUGIN_PATH)
    commands[sys.argv[1]](*sys.argv[2:])
