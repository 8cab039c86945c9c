"""Virtual datasets and links that lead where they must not.

    make FOLDER      reads a JSON list from standard input and makes what it says, each in a file of FOLDER:
                     {"file", "sources": [[file, dataset], ..], "endless"?}   rows of three int64, a source each: `/v`
                     {"file", "link": [file, dataset]}                         an external link `/v`
                     {"file", "external": name}                                three int64 in another file: `/v`
                     {"file", "plain": first}                                  [first, first + 1, first + 2] as `/data`
                     {"file", "numbered": [file, dataset], "blocks"}           so many blocks, a source by its number each
                     {"file", "deep": groups}                                  a dataset in so many groups
"""

import json
import os
import sys

import h5py
import numpy as np

UNLIMITED = h5py.h5s.UNLIMITED


def sources(file, of, endless=False):
    most = (None, 3) if endless else (len(of), 3)
    layout = h5py.VirtualLayout((len(of), 3), "i8", maxshape=most)
    for row, (name, dataset) in enumerate(of):
        if endless:
            source = h5py.VirtualSource(name, dataset, (1, 3), "i8", maxshape=(None, 3))
            layout[row : UNLIMITED] = source[0 : UNLIMITED]
        else:
            layout[row] = h5py.VirtualSource(name, dataset, (3,), "i8")
    file.create_virtual_dataset("v", layout, fillvalue=-1)


def mapped(file, shape, maxshape, mappings):
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    for at, name, dataset, of in mappings:
        plist.set_virtual(at, name.encode(), dataset.encode(), of)
    h5py.h5d.create(file.id, b"v", h5py.h5t.NATIVE_INT64, h5py.h5s.create_simple(shape, maxshape), dcpl=plist)


def numbered(file, of, blocks):
    shape, most = (blocks, 3), (UNLIMITED, 3)
    each = h5py.h5s.create_simple(shape, most)
    each.select_hyperslab((0, 0), (UNLIMITED, 1), (1, 1), (1, 3))
    row = h5py.h5s.create_simple((1, 3))
    mapped(file, shape, most, [(each, *of, row)])


def external(file, name):
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_external(name.encode(), 0, 24)
    h5py.h5d.create(file.id, b"v", h5py.h5t.NATIVE_INT64, h5py.h5s.create_simple((3,)), dcpl=plist)


def deep(file, groups):
    group = file["/"]
    for _ in range(groups):
        group = group.create_group("g")
    group["data"] = np.arange(3)


def make(folder):
    os.chdir(folder)
    for thing in json.load(sys.stdin):
        with h5py.File(thing.pop("file"), "w", libver="latest") as file:
            if "link" in thing:
                file["v"] = h5py.ExternalLink(*thing["link"])
            elif "plain" in thing:
                file["data"] = np.arange(thing["plain"], thing["plain"] + 3)
            elif "external" in thing:
                external(file, thing["external"])
            elif "numbered" in thing:
                numbered(file, thing["numbered"], thing["blocks"])
            elif "deep" in thing:
                deep(file, thing["deep"])
            else:
                sources(file, thing["sources"], thing.get("endless", False))


if __name__ == "__main__":
    {"make": make}[sys.argv[1]](*sys.argv[2:])
