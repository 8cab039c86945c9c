"""Files that grow, for the tests that kill their writer.

    python growing.py make FILE earliest|v108|v110 AXIS WIDTH none|gzip|blosc   an empty dataset /group/log of int32
    python growing.py watch FILE AXIS ROWS STATES       reads until the file has so many rows, and prints how often; STATES,
                                                        numbers with commas, are all that it may have
    python growing.py link FILE OTHER                   a file whose /soft leads through a link to /group/log of OTHER
    python growing.py check FILE AXIS ROWS [FILE AXIS ROWS ..]            the rows are there, or the file is refused
"""
import sys
import time

import h5py
import hdf5plugin
import numpy as np


def make(path, libver, axis, width, filter):
    axis, width = int(axis), int(width)
    shape = (0, width) if axis == 0 else (width, 0)
    most = (None, width) if axis == 0 else (width, None)
    chunks = (8, width) if axis == 0 else (width // 2, 8)
    with h5py.File(path, "w", libver=(libver, "latest" if libver == "earliest" else libver)) as file:
        filters = {"none": {}, "gzip": dict(compression="gzip"), "blosc": hdf5plugin.Blosc()}[filter]
        file.create_dataset("group/log", shape, "i4", maxshape=most, chunks=chunks, fillvalue=-7, **filters)
        file["other"] = np.arange(100)


def check(path, axis, rows):
    axis, rows = int(axis), int(rows)
    with h5py.File(path, "r") as file:
        assert (file["other"][:] == np.arange(100)).all(), path
        log = np.moveaxis(file["group/log"][()], axis, 0)
    assert len(log) == rows, (path, len(log), rows)
    row, column = np.indices(log.shape)
    expected = (row * 1_000_003 + column * 7919).astype("u4").astype("i4")
    assert (log == expected).all(), path


def link(path, other):
    with h5py.File(path, "w") as file:
        file["out"] = h5py.ExternalLink(other, "/group")
        file["soft"] = h5py.SoftLink("/out/log")


def watch(path, axis, rows, states):
    axis, rows, states = int(axis), int(rows), {int(state) for state in states.split(",")}
    reads, refused, seen = 0, 0, [0]
    while seen[-1] < rows:
        try:
            with h5py.File(path, "r") as file:
                log = np.moveaxis(file["group/log"][()], axis, 0)
        except BlockingIOError:
            refused += 1
            time.sleep(0.0005)
            continue
        reads += 1
        assert len(log) in states and len(log) >= seen[-1], (len(log), seen[-1])
        row, column = np.indices(log.shape)
        assert (log == (row * 1_000_003 + column * 7919).astype("u4").astype("i4")).all(), len(log)
        if len(log) > seen[-1]:
            seen.append(len(log))
    print(reads, len(seen), refused)


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    if command == "make":
        make(*arguments)
    elif command == "link":
        link(*arguments)
    elif command == "watch":
        watch(*arguments)
    else:
        for at in range(0, len(arguments), 3):
            check(*arguments[at:at + 3])
