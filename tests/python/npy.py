"""What the tests of .npy files ask of NumPy and npy-append-array.

    python npy.py write DIR            (a matrix of arrays, each as NumPy saves it, and its elements in a .bin file)
    python npy.py append-array DIR     (files of npy-append-array 0.9.19, and of 0.9.8's layout)
    python npy.py rows FILE...         (each holds rows [i, i] of float64; prints how many, as np.load sees them)
    python npy.py append-rows FILE N   (npy-append-array adds rows up to N)
    python npy.py same MANIFEST        (lines of two files: np.load sees the same in both, mapped too)
    python npy.py odd DIR              (headers that NumPy no longer writes, and its elements in a .bin file)

`manifest.json` in DIR lists the files.
"""

import json
import os
import struct
import sys
import warnings

import numpy as np

SIMPLE = ["?", "i1", "u1", "<i2", ">i2", "<u2", "<i4", ">i4", "<u4", "<i8", ">i8", "<u8", "<f2", ">f2", "<f4", ">f4"]
SIMPLE += ["<f8", ">f8", "<c8", ">c8", "<c16", ">c16", "S1", "S7", "<U1", "<U3", ">U3", "V5", "<M8[ns]", ">M8[s]"]
SIMPLE += ["<M8", "<m8[25us]", "<M8[7D]", "<m8"]
NESTED = np.dtype([("x", "<f4"), ("when", "<M8[ms]")])
STRUCTURES = [
    [("a", "<i2"), ("b", "<f8")],
    [("a", ">i2"), ("b", "<f8"), ("c", "S3")],
    [("grid", "<u2", (2, 3)), ("line", "<f4", (4,)), ("text", "<U2", 2)],
    [("inner", NESTED), ("several", NESTED, (2,))],
    [("mixed", [("p", ">i4"), ("q", "<i4")], 2), ("z", "<c8")],
    np.dtype([("flag", "?"), ("number", "<i4"), ("last", "i1")], align=True),
    np.dtype({"names": ["a", "b"], "formats": ["<i2", "<f8"], "offsets": [4, 16], "itemsize": 32}),
    np.dtype([("outer", np.dtype([("u", "i1"), ("v", "<i8")], align=True)), ("w", "i1")], align=True),
    [(("a title", "x"), "<i4"), ("y", "<i4")],
    [("naïve", "<f4"), ("it's", "i1"), ('"both\'', "i1")],
    [("速度", "<f4"), ("π", "i1")],
    [(f"field{number}", "<f4") for number in range(300)],
    [],
]
SHAPES = [(), (1,), (7,), (0,), (3, 5), (0, 4), (4, 0), (1, 1), (2, 3, 4), (2, 1, 3, 2), (12345,)]


def fill(array, seed=0):
    """Values that depend on the position only, whatever the byte order; padding stays zero."""
    if array.dtype.names is not None:
        for number, name in enumerate(array.dtype.names):
            fill(array[name], seed + number + 1)
        return
    count = int(np.prod(array.shape, dtype=np.int64))
    numbers = (np.arange(count, dtype=np.int64) * 7 + seed).reshape(array.shape)
    kind = array.dtype.kind
    if kind in "iu":
        array[...] = numbers % 120
    elif kind == "b":
        array[...] = numbers % 2 == 0
    elif kind == "f":
        array[...] = numbers % 1000 / 8 - 3
    elif kind == "c":
        array[...] = numbers % 1000 / 8 - 3j * (numbers % 5)
    elif kind in "mM":
        array[...] = numbers.astype(array.dtype.newbyteorder("="))
    elif kind == "S":
        array[...] = [str(number).encode() for number in numbers.flat] if array.ndim == 1 else b"ab"
    elif kind == "U":
        array[...] = [f"é{number}" for number in numbers.flat] if array.ndim == 1 else "π"
    elif kind == "V" and array.dtype.itemsize and array.ndim and count:
        size = array.dtype.itemsize
        array[...] = np.frombuffer(b"".join(bytes([n % 256] * size) for n in numbers.flat), array.dtype).reshape(array.shape)


def made(dtype, shape, order):
    array = np.zeros(shape, dtype, order=order)
    fill(array)
    return array


def native(dtype):
    """The same dtype in native byte order."""
    return dtype.newbyteorder("=")


def save(folder, entries, dtype, shape, order):
    dtype = np.dtype(dtype)
    path = os.path.join(folder, f"{len(entries)}.npy")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that older NumPys cannot read it
        np.save(path, made(dtype, shape, order))
    made(native(dtype), shape, "C").tofile(os.path.join(folder, f"{len(entries)}.bin"))
    titled = dtype.names is not None and any(len(field) > 2 for field in dtype.fields.values())
    whole = native(dtype) == dtype and not titled
    fortran = order == "F" and np.load(path, mmap_mode="r" if 0 not in shape and dtype.itemsize else None).flags.fnc
    entries.append({"file": f"{len(entries)}.npy", "dtype": str(dtype), "shape": shape, "fortran": bool(fortran), "ours": whole})


def write(folder):
    entries = []
    for dtype in SIMPLE:
        for shape in SHAPES:
            save(folder, entries, dtype, shape, "C")
        for shape in [(3, 5), (2, 3, 4), (7,)]:
            save(folder, entries, dtype, shape, "F")
    for dtype in STRUCTURES:
        for shape, order in [((), "C"), ((3,), "C"), ((2, 3), "C"), ((2, 3), "F"), ((0, 2), "C")]:
            save(folder, entries, dtype, shape, order)
    manifest(folder, entries)


def manifest(folder, entries):
    with open(os.path.join(folder, "manifest.json"), "w") as file:
        json.dump(entries, file)


def rows(start, end):
    return np.repeat(np.arange(start, end, dtype=np.float64), 2).reshape(-1, 2)


def append_array(folder):
    from npy_append_array import NpyAppendArray

    entries = []
    for order in "CF":
        name = f"new-{order}.npy"
        with NpyAppendArray(os.path.join(folder, name)) as file:
            for start in range(0, 12, 3):
                part = rows(start, start + 3)
                file.append(part if order == "C" else np.asfortranarray(part.T))
        entries.append({"file": name, "fortran": order == "F", "rows": 12})
    for count in [3, 9]:
        name = f"old-{count}.npy"
        with open(os.path.join(folder, name), "wb") as file:
            file.write(old_header((count, 2)) + rows(0, count).tobytes())
        entries.append({"file": name, "fortran": False, "rows": count})
    # Killed before it updated its header: the rows are there, the header lags.
    with open(os.path.join(folder, "killed.npy"), "wb") as file:
        np.save(file, rows(0, 5))
        file.write(rows(5, 9).tobytes())
    entries.append({"file": "killed.npy", "fortran": False, "rows": 5})
    manifest(folder, entries)


def old_header(shape):
    """As 0.9.8 wrote it: version 2, NumPy's header of that time, and 64 spaces more."""
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}"
    padding = 64 - (12 + len(text) + 1) % 64 + 64
    text = (text + " " * padding + "\n").encode("latin1")
    return b"\x93NUMPY\x02\x00" + struct.pack("<I", len(text)) + text


def count_rows(paths):
    for path in paths:
        counts = []
        for mode in [None, "r"]:
            # An empty array cannot be mapped.
            array = np.load(path, mmap_mode=mode if counts != [0] else None)
            if array.shape[1:] != (2,) or array.flags.fnc:  # column-major: rows are its last axis
                array = array.T
            if array.dtype != np.float64 or not np.array_equal(array, rows(0, len(array))):
                sys.exit(f"{path}: {array.shape} {array.dtype}, other rows")
            counts.append(len(array))
        if counts[0] != counts[1]:
            sys.exit(f"{path}: {counts}")
        print(counts[0])


def append_rows(path, end):
    from npy_append_array import NpyAppendArray, is_appendable

    if not is_appendable(path):
        sys.exit(f"{path}: npy-append-array cannot append to it")
    count = len(np.load(path))
    with NpyAppendArray(path) as file:
        file.append(rows(count, int(end)))


def same(path):
    with open(path) as lines:
        pairs = json.load(lines)
    for ours, theirs in pairs:
        expected = np.load(theirs)
        for mode in [None, "r"]:
            empty = expected.size == 0 or expected.dtype.itemsize == 0
            found = np.load(ours, mmap_mode=None if empty else mode)
            alike = (found.dtype, found.shape) == (expected.dtype, expected.shape)
            if not alike or (expected.dtype.itemsize and not np.array_equal(found, expected)):
                sys.exit(f"{ours}: {found.shape} {found.dtype}, not {expected.shape} {expected.dtype} of {theirs}")
    print(len(pairs))


def odd(folder):
    entries = []

    def add(version, text, data, shape):
        prefix = b"\x93NUMPY" + bytes([version, 0])
        text = text.encode("utf8" if version == 3 else "latin1") + b"\n"
        name = f"odd-{len(entries)}"
        with open(os.path.join(folder, f"{name}.npy"), "wb") as file:
            file.write(prefix + struct.pack("<H" if version == 1 else "<I", len(text)) + text + data.tobytes())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            array = np.load(os.path.join(folder, f"{name}.npy"))
        assert array.shape == shape, array.shape
        array.astype(native(array.dtype)).tofile(os.path.join(folder, f"{name}.bin"))
        entries.append({"file": f"{name}.npy", "dtype": str(array.dtype), "shape": shape, "fortran": False, "ours": False})

    numbers = np.arange(6, dtype="<i4")
    add(1, "{'descr': '<i4', 'fortran_order': False, 'shape': (2L, 3L), }", numbers, (2, 3))
    add(1, "{'shape': (6,), 'fortran_order': False, 'descr': '<i4'}", numbers, (6,))
    add(1, '{"descr": "i4", "fortran_order": False, "shape": (6,)}', numbers, (6,))
    add(2, "{'descr': '<i4', 'fortran_order': False, 'shape': (6,), }" + " " * 4000, numbers, (6,))
    add(2, "{'descr': [('n\xe4me', '<i4')], 'fortran_order': False, 'shape': (6,), }", numbers, (6,))
    add(3, "{'descr': [('名', '<i4')], 'fortran_order': False, 'shape': (6,), }", numbers, (6,))
    add(1, "  {'descr': '=i4', 'fortran_order': True, 'shape': (2,3)}  ", numbers, (2, 3))
    add(1, "{'descr': [('a\\x62', u'<i4')], 'fortran_order': False, 'shape': (6,), }", numbers, (6,))
    add(1, "{'descr': '<i4', 'fortran_order': False, 'shape': (), }", numbers[:1], ())
    manifest(folder, entries)


COMMANDS = {
    "write": write,
    "append-array": append_array,
    "rows": lambda *paths: count_rows(paths),
    "append-rows": append_rows,
    "same": same,
    "odd": odd,
}

if __name__ == "__main__":
    COMMANDS[sys.argv[1]](*sys.argv[2:])
