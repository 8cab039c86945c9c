"""Datasets of every dtype, filter and layout, as h5py and PyTables write them, for the tests of reading.

`reading_files.py FOLDER` writes the files, and prints a line for each dataset: file, name, the SHA-256 of its values
(see `hashes.py`), separated by tabs. The values are those that h5py reads back, or NumPy's where h5py reads others.
"""

import hashlib
import os
import sys

import h5py
import hdf5plugin
import numpy as np
import tables

from hashes import hash_dataset

SHAPE, CHUNKS = (61, 30), (16, 13)
FILTERS = {
    "none": {},
    "gzip": dict(compression="gzip"),
    "gzip_shuffle_fletcher": dict(compression="gzip", shuffle=True, fletcher32=True),
    "fletcher": dict(fletcher32=True),
    "lzf": dict(compression="lzf", shuffle=True),
    "lzf_fletcher": dict(compression="lzf", fletcher32=True),
    "lz4": hdf5plugin.LZ4(),
    "lz4_blocks": hdf5plugin.LZ4(nbytes=256),
    "bitshuffle": hdf5plugin.Bitshuffle(cname="none"),
    "bitshuffle_lz4": hdf5plugin.Bitshuffle(cname="lz4"),
    "bitshuffle_lz4_blocks": hdf5plugin.Bitshuffle(nelems=64, cname="lz4"),
    "bitshuffle_zstd": hdf5plugin.Bitshuffle(cname="zstd"),
    "bitshuffle_fletcher": dict(**hdf5plugin.Bitshuffle(cname="lz4"), fletcher32=True),
    "zstd": hdf5plugin.Zstd(),
    "zstd_shuffle_fletcher": dict(**hdf5plugin.Zstd(), shuffle=True, fletcher32=True),
    "blosc": hdf5plugin.Blosc(),
    "blosc_fletcher": dict(**hdf5plugin.Blosc(), fletcher32=True),
    "blosc2": hdf5plugin.Blosc2(),
    "blosc2_bits": hdf5plugin.Blosc2(cname="zstd", filters=hdf5plugin.Blosc2.BITSHUFFLE),
    "blosc2_fletcher": dict(**hdf5plugin.Blosc2(), fletcher32=True),
}
NUMBERS = ["?", "i1", "u1", *(order + code for order in "<>" for code in ("i2 i4 i8 u2 u4 u8 f2 f4 f8 c8 c16").split())]
LAYOUTS = {
    "contiguous": dict(libver="earliest"),
    "btree1": dict(libver="earliest", chunks=CHUNKS),
    "btree1_growing": dict(libver="earliest", chunks=CHUNKS, maxshape=(None, None)),
    "fixed_array": dict(libver="latest", chunks=CHUNKS),
    "extensible_array": dict(libver="latest", chunks=CHUNKS, maxshape=(None, SHAPE[1])),
    "btree2": dict(libver="latest", chunks=CHUNKS, maxshape=(None, None)),
    "single_chunk": dict(libver="latest", chunks=SHAPE),
}


def numbers(dtype, shape=SHAPE):
    """Numbers that compress in the first half and do not in the second."""
    rng = np.random.default_rng(7)
    count = int(np.prod(shape))
    smooth = np.arange(count) // 5 % 100
    values = np.where(np.arange(count) < count // 2, smooth, rng.integers(0, 100, count))
    if np.dtype(dtype).kind == "c":
        values = values + 1j * values[::-1]
    return (values % 2 if np.dtype(dtype).kind == "b" else values).astype(dtype).reshape(shape)


def structures():
    """Compounds, each with a name."""
    nested = np.dtype([("id", "<i4"), ("where", [("x", "<f8"), ("y", "<f4")]), ("tag", "S3")])
    yield "nested", nested
    yield "padded", np.dtype([("a", "u1"), ("b", "<f8"), ("c", "<i2", (2, 3))], align=True)
    yield "mixed_orders", np.dtype([("a", ">i4"), ("b", "<f8"), ("c", [("d", ">u2", (3,)), ("e", "u1")]), ("f", ">c8")])
    yield "big", np.dtype([("a", ">i4"), ("b", ">f8"), ("z", ">c16")])
    yield "enum_inside", np.dtype([("state", h5py.enum_dtype({"OFF": 0, "ON": 1}, "i2")), ("ok", "?")])


def others():
    """Arrays of other dtypes, each with a name and what h5py stores it as."""
    text = np.array([b"", b"a", b"seven c", b"x\0y"] * 5, "S7")
    yield "bytes", text, text.dtype
    yield "utf8", np.array(["größe", "x", ""] * 4, object), h5py.string_dtype("utf-8", 9)
    yield "enum", numbers("i4") % 3 - 1, h5py.enum_dtype({"LOW": -1, "MID": 0, "HIGH": 1}, "i4")
    yield "enum_big", numbers(">i2") % 3 - 1, h5py.enum_dtype({"LOW": -1, "MID": 0, "HIGH": 1}, ">i2")
    yield "opaque", np.frombuffer(bytes(range(250)), "V5"), np.dtype("V5")
    for code in ("<M8[s]", "<M8[ns]", "<m8[10us]", ">M8[ms]"):
        dtype = h5py.opaque_dtype(np.dtype(code))
        times = np.arange(-5, 100).astype(np.dtype(code).byteorder.replace("=", "<") + "i8").view(code)
        yield "time_" + code, times.astype(dtype), dtype
    for name, dtype in structures():
        data = np.zeros(50, dtype)
        data.view("u1")[:] = np.arange(data.nbytes) % 2
        yield name, data, dtype
    yield "subarray", numbers("<f4", (20, 2, 3)).reshape(20, 2, 3), np.dtype(("<f4", (2, 3)))


def write_h5py(folder, put):
    for layout, options in LAYOUTS.items():
        options = dict(options)
        path = os.path.join(folder, f"h5py_{layout}.h5")
        with h5py.File(path, "w", libver=options.pop("libver"), userblock_size=1024 if "1" in layout else 0) as file:
            for code in NUMBERS:
                file.create_dataset("number_" + code.replace("<", "le_").replace(">", "be_"), data=numbers(code), **options)
            for name, filters in FILTERS.items():
                if layout != "contiguous":
                    for code in ("<i4", ">f8", "u1"):
                        file.create_dataset(f"{name}_{code[1:]}", data=numbers(code), **options, **filters)
            if "chunks" in options:
                sparse = file.create_dataset("sparse", SHAPE, "f8", fillvalue=-1.5, **options, compression="lzf")
                sparse[20:40, 5:9] = 2
                late = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
                late.set_chunk(options["chunks"])
                late.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
                space = h5py.h5s.create_simple(SHAPE)
                h5py.h5d.create(file.id, b"never_filled", h5py.h5t.STD_I32LE, space, late)
            if layout == "fixed_array":
                write_implicit(file)
        put(path)
    path = os.path.join(folder, "h5py_others.h5")
    with h5py.File(path, "w") as file:
        for name, data, dtype in others():
            shape = data.shape[:1] if name == "subarray" else data.shape
            for filter, options in FILTERS.items():
                suffix = "" if filter == "none" else "_" + filter
                if name.startswith("time"):
                    file.create_dataset(name + suffix, data=data, **options)
                else:
                    file.create_dataset(name + suffix, shape, dtype, **options)[...] = data
        write_padded(file)
        write_bitfields(file)
        write_complex(file)
        write_compact(file)
        write_scalars(file)
        write_variable(file)
        write_masked(file)
    put(path)


def write_implicit(file):
    """Chunks without an index: all of them were allocated at the start, one after another."""
    for code in ("<i4", ">f8", "u1"):
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk(CHUNKS)
        plist.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        data = numbers(code)
        create(file, "implicit_" + code[1:], h5py.h5t.py_create(data.dtype), data, plist)


def create(file, name, kind, data, plist=None, most=None):
    """A dataset of a type that NumPy has not; `data` are its bytes."""
    dataset = h5py.h5d.create(file.id, name.encode(), kind, h5py.h5s.create_simple(data.shape, most), plist)
    dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, data, mtype=kind)


def write_padded(file):
    """Text that ends with a zero, is filled up with zeros, or with spaces."""
    paddings = {"terminated": h5py.h5t.STR_NULLTERM, "zeros": h5py.h5t.STR_NULLPAD, "spaces": h5py.h5t.STR_SPACEPAD}
    for name, padding in paddings.items():
        for code in (h5py.h5t.CSET_ASCII, h5py.h5t.CSET_UTF8):
            kind = h5py.h5t.C_S1.copy()
            kind.set_size(6)
            kind.set_strpad(padding)
            kind.set_cset(code)
            fill = b" " if name == "spaces" else b"\0"
            text = np.frombuffer(b"".join(word.ljust(6, fill) for word in (b"", b"a b", b" x", b"a\0b", b"sixsix", b"gr\xc3\xbc")), "S6")
            create(file, f"padded_{name}_{code}", kind, text)
            plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            plist.set_chunk((4,))
            create(file, f"padded_{name}_{code}_growing", kind, text, plist, most=(h5py.h5s.UNLIMITED,))


def write_bitfields(file):
    for name in ("STD_B8LE", "STD_B16LE", "STD_B32BE", "STD_B64LE"):
        kind = getattr(h5py.h5t, name)
        data = numbers(("<" if name.endswith("LE") else ">") + f"u{kind.get_size()}")
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        create(file, "bits_" + name, kind, data)
        plist.set_chunk(CHUNKS)
        plist.set_shuffle()
        plist.set_deflate(4)
        create(file, f"bits_{name}_gzip", kind, data, plist)


def write_complex(file):
    """HDF5 2's own complex numbers."""
    for name, code in (("F32LE", "<c8"), ("F32BE", ">c8"), ("F64LE", "<c16"), ("F64BE", ">c16")):
        kind = getattr(h5py.h5t, "COMPLEX_IEEE_" + name)
        create(file, "complex_" + name, kind, numbers(code))


def write_compact(file):
    for code in ("<i4", ">f8", "S3"):
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_layout(h5py.h5d.COMPACT)
        data = np.arange(12).astype(code).reshape(3, 4)
        space = h5py.h5s.create_simple(data.shape)
        name = f"compact_{code.strip('<>')}".encode()
        dataset = h5py.h5d.create(file.id, name, h5py.h5t.py_create(data.dtype), space, plist)
        h5py.Dataset(dataset)[...] = data


def write_scalars(file):
    file["scalar"] = 1.25
    file["scalar_text"] = np.bytes_(b"text")
    file.create_dataset("empty", (0, 3), "f4")


def write_variable(file):
    text = np.array(["", "a", "größe", "x" * 5000] * 10, object).reshape(20, 2)
    file.create_dataset("variable_utf8", data=text, dtype=h5py.string_dtype())
    file.create_dataset("variable_chunked", data=text, dtype=h5py.string_dtype(), chunks=(3, 2), compression="gzip")
    ascii_text = [b"one", b"", b"three"]
    file.create_dataset("variable_ascii", data=ascii_text, dtype=h5py.string_dtype("ascii"))
    file.create_dataset("variable_unwritten", (5,), h5py.string_dtype())
    for code in ("<i4", "u1", "<f8"):
        sequences = file.create_dataset("sequences_" + code.strip("<"), (7,), h5py.vlen_dtype(np.dtype(code)))
        for row in range(6):
            sequences[row] = np.arange(row * row).astype(code)


def write_heaps(folder, put):
    """Elements of variable length under every filter, in files that lay their heaps in different ways."""
    kinds = {"earliest": (0, 8, 8), "latest": (0, 8, 8), "user_block": (1024, 8, 8), "small": (0, 4, 4), "mixed": (512, 8, 4)}
    for name, (user_block, address, length) in kinds.items():
        path = os.path.join(folder, f"heaps_{name}.h5")
        creation = h5py.h5p.create(h5py.h5p.FILE_CREATE)
        creation.set_userblock(user_block)
        creation.set_sizes(address, length)
        access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
        if name == "latest":
            access.set_libver_bounds(h5py.h5f.LIBVER_LATEST, h5py.h5f.LIBVER_LATEST)
        with h5py.File(h5py.h5f.create(path.encode(), h5py.h5f.ACC_TRUNC, creation, access)) as file:
            expected = write_heap(file)
        put(path, expected)


def write_heap(file):
    """Gives the hashes of what h5py does not read right."""
    text = np.array(["", "a", "größe", "x" * 300, "\u65e5" * 7] * 200, object)
    sequences = np.empty(200, object)
    for row in range(len(sequences)):
        sequences[row] = np.arange(row % 23)
    expected = {}
    for name, options in FILTERS.items():
        if "fletcher" in name or "blosc" in name:
            continue  # libhdf5 refuses it; hdf5plugin divides by zero: see below
        file.create_dataset("text_" + name, data=text, dtype=h5py.string_dtype(), **(options and dict(options, chunks=(96,))))
        file.create_dataset("sequences_" + name, data=sequences, dtype=h5py.vlen_dtype("<i2"), **(options and dict(options, chunks=(64,))))
    for name in ("blosc", "blosc2", "blosc2_bits"):
        for twin, chunk in (("text_none", 96), ("sequences_none", 64)):
            write_encoded(file, twin, chunk, name)
    file.create_dataset("filled", (60,), h5py.string_dtype(), chunks=(16,), fillvalue="größe")[20:30] = "b"
    file.create_dataset("filled_contiguous", (5,), h5py.string_dtype(), fillvalue="größe")
    file.create_dataset("partly", (60, 3), h5py.string_dtype(), chunks=(16, 2), maxshape=(None, 3))[20:30] = "b"
    file.create_dataset("long", data=["a", "x" * (3 << 20), "b", "y" * (1 << 20)], dtype=h5py.string_dtype())
    file.create_dataset("scalar_text", data="größe", dtype=h5py.string_dtype())
    file.create_dataset("big_endian", data=[sequence.astype(">i4") for sequence in sequences], dtype=h5py.vlen_dtype(">i4"))
    # h5py does not swap the one, and needs to write to the file to read the others.
    expected["/big_endian"] = hash_bytes((sequence.astype("<i4").tobytes() for sequence in sequences), 4)
    pair = np.dtype([("a", "<i2"), ("b", "<f8")])
    pairs = [np.array([(number, row / 7) for number in range(row % 7)], pair) for row in range(20)]
    dataset = file.create_dataset("pairs", (30,), h5py.vlen_dtype(pair), chunks=(8,), compression="gzip")
    for row, value in enumerate(pairs):
        dataset[row] = value
    expected["/pairs"] = hash_bytes([value.tobytes() for value in pairs] + [b""] * 10, pair.itemsize)
    # Integers of three bytes, written by conversion from four.
    three = h5py.h5t.vlen_create(h5py_type(24, 0, 3, h5py.h5t.STD_I32BE))
    dataset = h5py.h5d.create(file.id, b"three_bytes", three, h5py.h5s.create_simple(sequences.shape))
    dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, sequences, mtype=h5py.h5t.py_create(h5py.vlen_dtype(sequences[0].dtype)))
    expected["/three_bytes"] = hash_bytes((sequence.astype("<i4").tobytes() for sequence in sequences), 4)
    fill = "größe".encode()
    expected["/filled"] = hash_bytes([fill] * 20 + [b"b"] * 10 + [fill] * 30)
    expected["/scalar_text"] = hash_bytes([fill])  # behind its length, as the program has it
    expected["/filled_contiguous"] = hash_bytes([fill] * 5)
    file.create_dataset("unwritten", (5,), "<i4", fillvalue=7)
    for ordered in (False, True):
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_layout(h5py.h5d.COMPACT)
        if ordered:
            plist.set_attr_creation_order(h5py.h5p.CRT_ORDER_TRACKED)
        kind = h5py.h5t.py_create(h5py.string_dtype(), logical=True)
        name = f"compact_{ordered}"
        h5py.h5d.create(file.id, name.encode(), kind, h5py.h5s.create_simple((20, 5)), plist)
        file[name][...] = text[:100].reshape(20, 5)
    return expected


def hash_bytes(elements, size=1):
    digest = hashlib.sha256()
    for element in elements:
        digest.update((len(element) // size).to_bytes(8, "little") + element)
    return digest.hexdigest()


def write_encoded(file, twin, chunk, name):
    """The elements of a dataset, where they are, in chunks that the filter encoded as numbers."""
    twin = file[twin]
    with open(file.filename, "rb") as stored:
        file.flush()
        stored.seek(twin.id.get_offset())
        places = np.frombuffer(stored.read(twin.id.get_storage_size()), "<u4")
    size = len(places) // len(twin)
    places = np.concatenate([places, np.zeros(-len(twin) % chunk * size, "<u4")])
    with h5py.File("encoded", "w", driver="core", backing_store=False) as other:
        encoded = other.create_dataset("x", data=places, chunks=(chunk * size,), **FILTERS[name])
        target = file.create_dataset(f"{twin.name}_{name}", twin.shape, twin.dtype, chunks=(chunk,), **FILTERS[name])
        for number in range(len(places) // (chunk * size)):
            mask, stored = encoded.id.read_direct_chunk((number * chunk * size,))
            target.id.write_direct_chunk((number * chunk,), stored, mask)


def write_masked(file):
    """Chunks that skip some of their filters."""
    data = numbers("<i4", (32, 26))
    masked = file.create_dataset("masked", data.shape, "<i4", chunks=CHUNKS, compression="gzip", shuffle=True)
    masked[...] = data
    masked.id.write_direct_chunk((0, 0), np.ascontiguousarray(data[:16, :13]).tobytes(), filter_mask=3)


def write_pytables(folder, put):
    path = os.path.join(folder, "pytables.h5")
    description = np.dtype([("a", "<i4"), ("flag", "?"), ("inner", [("x", "<f8"), ("t", "S4")]), ("v", "<f4", (3,))])
    rows = np.zeros(40, description)
    rows["a"], rows["flag"], rows["inner"]["x"] = np.arange(40), np.arange(40) % 3 == 0, np.arange(40) / 7
    with tables.open_file(path, "w") as file:
        for codec in ("none", "zlib", "blosc:lz4", "blosc:zstd", "blosc2:blosclz", "blosc2:lz4", "blosc2:zlib", "blosc2:zstd"):
            for checksum in (False, True):
                filters = tables.Filters(0 if codec == "none" else 5, codec if codec != "none" else "zlib", fletcher32=checksum)
                name = codec.replace(":", "_") + ("_fletcher" if checksum else "")
                file.create_carray("/", name, obj=numbers("<f8"), chunkshape=CHUNKS, filters=filters)
                file.create_carray("/", name + "_3d", obj=numbers("<i2", (20, 31, 9)), chunkshape=(8, 7, 5), filters=filters)
                file.create_table("/", "table_" + name, obj=rows, chunkshape=16, filters=filters)
                if not checksum and "blosc2" not in codec:  # PyTables has no such
                    ragged = file.create_vlarray("/", "ragged_" + name, tables.Int16Atom(), filters=filters, chunkshape=64)
                    texts = file.create_vlarray("/", "texts_" + name, tables.VLStringAtom(), filters=filters, chunkshape=64)
                    for row in range(200):
                        ragged.append(np.arange(row % 23, dtype="<i2"))
                        texts.append(b"abc" * (row % 7))
        file.create_array("/", "bool", obj=numbers("?"))
        file.create_array("/", "complex", obj=numbers("<c16"))
        file.create_array("/", "half", obj=numbers("<f2"))
    put(path)


def h5py_type(precision, offset, size, kind=h5py.h5t.STD_I32LE):
    kind = kind.copy()
    kind.set_size(size)
    kind.set_precision(precision)
    kind.set_offset(offset)
    return kind


def write_odd(folder, put):
    """Types that NumPy has not: written by conversion from a wider type, so that the values are known."""
    path = os.path.join(folder, "odd.h5")
    expected = {}
    bfloat = h5py.h5t.IEEE_F32LE.copy()
    bfloat.set_fields(15, 7, 8, 0, 7)
    bfloat.set_size(2)
    cases = {
        "three_bytes": (h5py_type(24, 0, 3), "<i4"),
        "three_bytes_big": (h5py_type(24, 0, 3, h5py.h5t.STD_I32BE), "<i4"),
        "seven_bytes": (h5py_type(56, 0, 7, h5py.h5t.STD_I64LE), "<i8"),
        "twenty_bits": (h5py_type(20, 3, 4), "<i4"),
        "unsigned_twelve": (h5py_type(12, 0, 2, h5py.h5t.STD_U16LE), "<u2"),
        "bfloat16": (bfloat, "<f4"),
    }
    with h5py.File(path, "w") as file:
        for name, (kind, code) in cases.items():
            for suffix, filters in (("", ()), ("_gzip", ("deflate",)), ("_nbit", ("nbit",))):
                plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
                if filters:
                    plist.set_chunk(CHUNKS)
                if "deflate" in filters:
                    plist.set_deflate(4)
                if "nbit" in filters:
                    plist.set_filter(h5py.h5z.FILTER_NBIT, 0)
                space = h5py.h5s.create_simple(SHAPE)
                dataset = h5py.h5d.create(file.id, (name + suffix).encode(), kind, space, plist)
                data = numbers(code)
                data = data - 50 if name != "bfloat16" and "unsigned" not in name else data
                dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, data.astype(code))
                expected["/" + name + suffix] = hashlib.sha256(data.astype(code).tobytes()).hexdigest()
        for code in ("<i4", ">u2", "<i8"):
            file.create_dataset("scale_offset_" + code[1:], data=numbers(code), chunks=CHUNKS, scaleoffset=0)
        file.create_dataset("scale_offset_fill", SHAPE, "<i4", chunks=CHUNKS, scaleoffset=0, fillvalue=-7)[3:40] = 5
        file.create_dataset("scale_offset_f8", data=numbers("<f8") / 4, chunks=CHUNKS, scaleoffset=2)
    put(path, expected)


def write_szip(folder, put):
    """Both ways of coding, with scan lines that are filled up and that are not, of numbers of every width."""
    path = os.path.join(folder, "h5py_szip.h5")
    with h5py.File(path, "w") as file:
        for code in [code for code in NUMBERS if code != "?" and "c" not in code]:
            for coding in ("nn", "ec"):
                for block, chunks in ((2, (4, 30)), (8, (16, 13)), (16, (16, 16)), (32, (61, 30))):
                    name = f"{code}_{coding}_{block}".replace("<", "le_").replace(">", "be_")
                    options = dict(compression="szip", compression_opts=(coding, block), chunks=chunks)
                    file.create_dataset(name, data=numbers(code), **options)
        options = dict(compression="szip", compression_opts=("nn", 8), shuffle=True, fletcher32=True)
        file.create_dataset("with_others", data=numbers("<f4"), chunks=CHUNKS, **options)
        noise = np.random.default_rng(3).integers(0, 2**32, SHAPE, np.uint32)
        file.create_dataset("noise", data=noise, chunks=CHUNKS, compression="szip", compression_opts=("ec", 16))
    put(path)


def write_references(folder):
    with h5py.File(os.path.join(folder, "references.h5"), "w") as file:
        data = file.create_dataset("group/data", data=[1, 2, 3])
        links = file.create_dataset("links", (3,), h5py.ref_dtype)
        links[0], links[2] = data.ref, file["group"].ref


def main(folder):
    def put(path, expected=None):
        with h5py.File(path) as file:
            def visit(name, item):
                if isinstance(item, h5py.Dataset):
                    digest = (expected or {}).get("/" + name) or hash_dataset(item)
                    print(os.path.basename(path), "/" + name, digest, sep="\t")
            file.visititems(visit)

    write_h5py(folder, put)
    write_pytables(folder, put)
    write_odd(folder, put)
    write_szip(folder, put)
    write_heaps(folder, put)
    write_references(folder)


if __name__ == "__main__":
    main(sys.argv[1])
