"""Files like those that crashed libhdf5, kept it busy without end, or filled memory.

    python hostile.py FOLDER     writes them, and prints a line for each: file, dataset, and what must come of reading it:
                                 the SHA-256 of its values, `error`, or `large` for what is too much to be read

h5py writes sound files, whose bytes are then changed.
"""

import hashlib
import os
import struct
import sys

import h5py
import numpy as np

DATA = np.arange(64, dtype="<i4")
TEXT = np.array(["a", "größe", "", "x" * 300] * 16, object)


def sha256(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


class Folder:
    def __init__(self, folder):
        self.folder = folder

    def write(self, name, fill, change=None, result="error", dataset="/x", libver="earliest"):
        path = os.path.join(self.folder, name + ".h5")
        with h5py.File(path, "w", libver=libver) as file:
            fill(file)
        if change is not None:
            with open(path, "r+b") as file:
                data = bytearray(file.read())
                change(data)
                file.seek(0)
                file.write(data)
        print(name + ".h5", dataset, result, sep="\t")


def chunked(dtype="<i4", data=DATA, **options):
    return lambda file: file.create_dataset("x", data=data, dtype=dtype, chunks=(16,), **options)


def direct(stored, dtype="<i4", **options):
    """A chunk that is stored as these bytes."""
    def fill(file):
        dataset = file.create_dataset("x", DATA.shape, dtype, chunks=(16,), **options)
        dataset.id.write_direct_chunk((0,), stored)
    return fill


def other_filter(number, parameters=0):
    """Makes deflate another filter, with so many of its one parameter."""
    def change(data):
        at = data.index(b"deflate\0") - 8
        assert struct.unpack_from("<HHHH", data, at) == (1, 8, 1, 1)
        struct.pack_into("<HHHH", data, at, number, 8, 0, parameters)
    return change


def sequences(file):
    dataset = file.create_dataset("x", (64,), h5py.vlen_dtype("i4"), chunks=(16,), compression="gzip")
    dataset[0] = [1, 2]


def nbit(file):
    kind = h5py.h5t.STD_I32LE.copy()
    kind.set_precision(20)
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((16,))
    plist.set_filter(h5py.h5z.FILTER_NBIT, 0)
    dataset = h5py.h5d.create(file.id, b"x", kind, h5py.h5s.create_simple(DATA.shape), plist)
    dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, DATA)


def short_nbit(file):
    nbit(file)
    file["x"].id.write_direct_chunk((0,), b"abc")


def parameter(name, number, value):
    """Changes a parameter of the filter of this name."""
    def change(data):
        at = data.index(name)
        at += (len(name) + 8) // 8 * 8 + 4 * number
        data[at : at + 4] = struct.pack("<I", value)
    return change


def virtual(file):
    file.create_dataset("source", data=DATA)
    layout = h5py.VirtualLayout(DATA.shape, DATA.dtype)
    layout[3:40] = h5py.VirtualSource(".", "source", DATA.shape)[10:47]
    file.create_virtual_dataset("x", layout)


def points(data):
    """Makes the selections of a mapping, of one block each, lists of two points."""
    heap = data.index(b"GCOL")
    begin = data.index(b".\0source\0", heap) - 9  # a version and the number of mappings
    (size,) = struct.unpack_from("<Q", data, begin - 8)
    block = struct.pack("<II", 2, 1)
    at, changed = begin, 0
    while (at := data.find(block, at, begin + size)) >= 0:
        data[at : at + 4] = struct.pack("<I", 1)
        data[at + 20 : at + 24] = struct.pack("<I", 2)
        changed += 1
    assert changed == 2, changed
    data[begin + size - 4 : begin + size] = struct.pack("<I", lookup3(data[begin : begin + size - 4]))


def lookup3(data):
    """Bob Jenkins' hash, HDF5's checksum of metadata."""
    mask = 0xFFFFFFFF
    rotate = lambda x, k: ((x << k) | (x >> (32 - k))) & mask
    a = b = c = (0xDEADBEEF + len(data)) & mask
    words = bytes(data) + bytes(12)
    at, left = 0, len(data)
    while left > 12:
        x, y, z = struct.unpack_from("<III", words, at)
        a, b, c = (a + x) & mask, (b + y) & mask, (c + z) & mask
        for k in (4, 6, 8, 16, 19, 4):
            a = ((a - c) & mask) ^ rotate(c, k)
            c = (c + b) & mask
            a, b, c = b, c, a
        at, left = at + 12, left - 12
    if left == 0:
        return c
    x, y, z = struct.unpack("<III", (words[at : at + left] + bytes(12))[:12])
    a, b, c = (a + x) & mask, (b + y) & mask, (c + z) & mask
    c = ((c ^ b) - rotate(b, 14)) & mask
    a = ((a ^ c) - rotate(c, 11)) & mask
    b = ((b ^ a) - rotate(a, 25)) & mask
    c = ((c ^ b) - rotate(b, 16)) & mask
    a = ((a ^ c) - rotate(c, 4)) & mask
    b = ((b ^ a) - rotate(a, 14)) & mask
    return ((c ^ b) - rotate(b, 24)) & mask


def circles(file):
    file["x"] = DATA
    file["group/inner/x"] = DATA
    file["group/inner/outer"] = file["group"]
    file["root"] = file["/"]
    file["soft"] = h5py.SoftLink("/soft")
    file["there"] = h5py.SoftLink("/back")
    file["back"] = h5py.SoftLink("/there")
    file["elsewhere"] = h5py.ExternalLink("circles.h5", "/elsewhere")


FEW = ["a", "größe", "", "x" * 40]


def few(file):
    file.create_dataset("x", data=FEW, dtype=h5py.string_dtype())


def text_sha256(texts):
    encoded = [text.encode() for text in texts]
    return hashlib.sha256(b"".join(len(text).to_bytes(8, "little") + text for text in encoded)).hexdigest()


def in_heap(offset, kind, value):
    """Changes a number in the heap: 8 is its size. libhdf5 puts the last text first: the empty one at 16, that of 40
    bytes at 32, each as number, .., size from the eighth byte on, text. Free space is at 136."""
    return lambda data: struct.pack_into(kind, data, data.index(b"GCOL") + offset, value)


def in_place(number, offset, kind, value):
    """Changes where an element is: 0 is its count, 4 the address of the collection, 12 the number in it."""
    def change(data):
        places = data.index(struct.pack("<IQI", 1, data.index(b"GCOL"), 4))
        struct.pack_into(kind, data, places + 16 * number + offset, value)
    return change


def heap_in_heap(data):
    """Another heap in the free space of the first, with an object for the second element."""
    heap = data.index(b"GCOL")
    in_place(1, 4, "<Q", heap + 1024)(data)
    in_place(1, 12, "<I", 1)(data)
    data.extend(bytes(4096))
    struct.pack_into("<4sB3xQHH4xQ7s", data, heap + 1024, b"GCOL", 1, 4096, 1, 1, 7, "größe".encode())


def heaps(put):
    for size in (0, 8, 2**63, 2**64 - 1):
        put(f"heap_free_{size}", few, in_heap(136 + 8, "<Q", size), text_sha256(FEW))
    for size in (0, 16, 4095, 2**32, 2**63, 2**64 - 1):
        put(f"heap_size_{size}", few, in_heap(8, "<Q", size))
    for size in (0, 4090, 2**40, 2**63, 2**64 - 16, 2**64 - 8, 2**64 - 1):
        put(f"heap_object_{size}", few, in_heap(32 + 8, "<Q", size))
    put("heap_no_object", few, in_heap(32, "<H", 0))
    put("heap_same_object", few, in_heap(32, "<H", 3))
    put("heap_signature", few, in_heap(0, "B", 0))
    put("heap_version", few, in_heap(4, "B", 2))
    for count in (2, 2**31, 2**32 - 1):
        put(f"heap_count_{count}", few, in_place(0, 0, "<I", count))
    for address in (1, 48, 2**40, 2**63, 2**64 - 1):
        put(f"heap_address_{address}", few, in_place(0, 4, "<Q", address))
    for number in (0, 9, 2**16 + 1, 2**32 - 1):
        put(f"heap_number_{number}", few, in_place(1, 12, "<I", number))
    put("heap_in_heap", few, heap_in_heap)
    # What is nowhere is empty.
    put("heap_count_0", few, in_place(1, 0, "<I", 0), text_sha256(["a", "", "", FEW[3]]))
    put("heap_address_0", few, in_place(1, 4, "<Q", 0), text_sha256(["a", "", "", FEW[3]]))


def main(folder):
    put = Folder(folder).write
    put("fletcher32", chunked(fletcher32=True), result=sha256(DATA))
    for length in (1, 2, 3):
        put(f"fletcher32_{length}", direct(b"abc"[:length], fletcher32=True))
        put(f"fletcher32_text_{length}", direct(b"abc"[:length], h5py.string_dtype(), compression="gzip"), other_filter(3))
    put("fletcher32_gzip", direct(b"abc", fletcher32=True, compression="gzip"))

    put("nbit", nbit, result=sha256(DATA))
    put("nbit_no_parameters", chunked(compression="gzip"), other_filter(5))
    put("nbit_short", short_nbit)
    for number in range(8):
        for value in (0, 1, 7, 0x7FFFFFFF, 0xFFFFFFFF):
            put(f"nbit_{number}_{value}", nbit, parameter(b"nbit", number, value), result="any")

    for number in (2, 3, 4, 5, 6, 32001, 32008):
        for parameters in (0, 1):
            change = other_filter(number, parameters)
            put(f"text_filter_{number}_{parameters}", chunked(h5py.string_dtype(), TEXT, compression="gzip"), change)
            put(f"sequences_filter_{number}_{parameters}", sequences, change)

    heaps(put)

    whole = np.zeros_like(DATA)
    whole[3:40] = DATA[10:47]
    put("virtual", virtual)
    put("virtual_points", virtual, points)

    for name in ("/x", "/group/inner/x"):
        put("circles", circles, result=sha256(DATA), dataset=name)

    huge = (2**60,)
    put("huge_chunked", lambda file: file.create_dataset("x", huge, "u1", chunks=(2**20,)), result="large")
    put("huge_growing", lambda file: file.create_dataset("x", (2**62, 3), "u1", maxshape=(None, 3), chunks=(2**20, 3)), result="large", libver="latest")
    put("huge_chunk", lambda file: file.create_dataset("x", huge, "u1", chunks=(2**32 - 1,)), result="large")
    put("huge_contiguous", lambda file: file.create_dataset("x", huge, "u1"), result="large")
    put("huge_text", lambda file: file.create_dataset("x", huge, h5py.string_dtype(), chunks=(2**20,)), result="large")
    put("huge_many_axes", lambda file: file.create_dataset("x", (2,) * 32, "u1", chunks=(1,) * 32), result="large")


if __name__ == "__main__":
    main(sys.argv[1])
