"""Virtual datasets by h5py, and what NumPy makes of selections.

    write FOLDER              source and virtual files; prints {"FILE": {"shape": .., "values": [..]}}, each dataset `/v`
    read FILE NAME            prints shape, dtype, values, fill value and the sources of a dataset
    irregular FOLDER          as `write`, mappings whose blocks are not evenly spaced
    growing FOLDER COUNT      files `growing-N.h5`: `/data` of 2 x 3 int32 that may grow along both axes
    grow FILE ROWS COLUMNS    lets `/data` grow by so many, numbered on
    partial FILE NAME         that rows, columns, steps, points and chunks of a dataset are what they are in all of it
    select SEED COUNT         prints [[shape, [text, ..], result shape, [element numbers]], ..]; null where NumPy refuses
"""

import json
import os
import random
import sys

import h5py
import numpy as np

ROWS, COLUMNS, FILES = 4, 6, 5


def source_name(number):
    return f"source-{number}.h5"


def part(number):
    return (np.arange(ROWS * COLUMNS, dtype="i4") + 1000 * number).reshape(ROWS, COLUMNS)


def virtual(file, shape, fill, dtype="i4", maxshape=None):
    layout = h5py.VirtualLayout(shape, dtype, maxshape=maxshape)
    fill(layout)
    file.create_virtual_dataset("v", layout, fillvalue=-1)


def source(number, **options):
    return h5py.VirtualSource(source_name(number), "data", (ROWS, COLUMNS), "i4", **options)


def end_to_end(layout):
    for number in range(FILES):
        layout[number * ROWS : (number + 1) * ROWS] = source(number)


def interleaved(layout):
    for number in range(FILES):
        layout[number::FILES] = source(number)


def planes(layout):
    for number in range(FILES):
        layout[number, :, ::2] = source(number)[:, 1::2]
        layout[number, :, 1::2] = source(number)[:, ::2]


def overlapping(layout):
    layout[0:4] = source(0)
    layout[2:6] = source(1)
    layout[3, 1:3] = source(2)[0, 4:6]


def blocks(file):
    """Blocks of two columns out of three, by the low level: stride 3, block 2."""
    of = h5py.h5s.create_simple((ROWS, COLUMNS))
    of.select_hyperslab((0, 0), (1, 2), (1, 3), (ROWS, 2))
    at = h5py.h5s.create_simple((ROWS, 8))
    at.select_hyperslab((0, 1), (1, 2), (1, 4), (ROWS, 2))
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_fill_value(np.array(-1, "i4"))
    plist.set_virtual(at, source_name(3).encode(), b"data", of)
    space = h5py.h5s.create_simple((ROWS, 8))
    h5py.h5d.create(file.id, b"v", h5py.h5t.NATIVE_INT32, space, dcpl=plist)


def numbered(file):
    """A source for each block, by its number."""
    unlimited = h5py.h5s.UNLIMITED
    space = h5py.h5s.create_simple((FILES * ROWS, COLUMNS), (unlimited, COLUMNS))
    at = space.copy()
    at.select_hyperslab((0, 0), (unlimited, 1), (ROWS, 1), (ROWS, COLUMNS))
    of = h5py.h5s.create_simple((ROWS, COLUMNS))
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_virtual(at, b"source-%b.h5", b"data", of)
    h5py.h5d.create(file.id, b"v", h5py.h5t.NATIVE_INT32, space, dcpl=plist)


def unlimited(file):
    """The rows of a dataset that grew after it was mapped."""
    with h5py.File("growing.h5", "w") as growing:
        growing.create_dataset("data", data=part(7), maxshape=(None, COLUMNS))
    layout = h5py.VirtualLayout((ROWS, COLUMNS), "i4", maxshape=(None, COLUMNS))
    source = h5py.VirtualSource("growing.h5", "data", (ROWS, COLUMNS), "i4", maxshape=(None, COLUMNS))
    layout[: h5py.h5s.UNLIMITED] = source[: h5py.h5s.UNLIMITED]
    file.create_virtual_dataset("v", layout)
    with h5py.File("growing.h5", "a") as growing:
        growing["data"].resize((2 * ROWS, COLUMNS))
        growing["data"][ROWS:] = part(8)


def same_file(file):
    file["data"] = part(9)
    layout = h5py.VirtualLayout((2 * ROWS, COLUMNS), "i4")
    for half in range(2):
        layout[half * ROWS : (half + 1) * ROWS] = h5py.VirtualSource(file["data"])
    file.create_virtual_dataset("v", layout)


def nested(layout):
    for half in range(2):
        inner = h5py.VirtualSource("end-to-end.h5", "v", (FILES * ROWS, COLUMNS), "i4")
        layout[half * 10 : (half + 1) * 10] = inner[half * 10 : (half + 1) * 10]


def written(made):
    """Writes each file, and what h5py then reads of its `v`."""
    values = {}
    for name, make in made.items():
        with h5py.File(name, "w") as file:
            make(file)
        with h5py.File(name, "r") as file:
            values[name] = {"shape": file["v"].shape, "values": file["v"][()].ravel().tolist()}
    return values


def write(folder):
    os.chdir(folder)
    for number in range(FILES):
        with h5py.File(source_name(number), "w") as file:
            chunks = (3, 4) if number % 2 else None
            file.create_dataset("data", data=part(number), chunks=chunks, compression="gzip" if chunks else None)
    made = {
        "end-to-end.h5": lambda file: virtual(file, (FILES * ROWS, COLUMNS), end_to_end),
        "interleaved.h5": lambda file: virtual(file, (FILES * ROWS, COLUMNS), interleaved),
        "planes.h5": lambda file: virtual(file, (FILES, ROWS, COLUMNS), planes),
        "overlapping.h5": lambda file: virtual(file, (6, COLUMNS), overlapping),
        "blocks.h5": blocks,
        "numbered.h5": numbered,
        "unlimited.h5": unlimited,
        "same-file.h5": same_file,
        "nested.h5": lambda file: virtual(file, (20, COLUMNS), nested),
        "gap.h5": lambda file: virtual(file, (FILES * ROWS + 2, COLUMNS), end_to_end),
    }
    values = written(made)
    cycles()
    json.dump(values, sys.stdout)


def unions(folder):
    os.chdir(folder)
    for number in range(FILES):
        with h5py.File(source_name(number), "w") as file:
            file["data"] = part(number)

    def rows(layout):
        layout[[0, 2, 3, 7]] = source(0)
        layout[[1, 4, 5, 6]] = source(1)

    def columns(layout):
        layout[:, [0, 1, 4, 6, 7, 9]] = source(2)
        layout[:, [2, 3, 5, 8]] = source(3)[:, [0, 1, 2, 5]]

    def taken(layout):
        layout[1:4] = source(4)[[0, 1, 3]]
        layout[0] = source(1)[2]

    def planes_of_rows(layout):
        layout[[0, 1, 3], 0] = source(0)[:3]
        layout[[0, 1, 3], 1] = source(1)[[0, 2, 3]]
        layout[2] = source(2)[::3]

    def staggered(file):
        """A union of three blocks in the dataset, one block of the source."""
        at = h5py.h5s.create_simple((4, 8))
        at.select_hyperslab((0, 0), (1, 1), (1, 1), (2, 3))
        at.select_hyperslab((0, 5), (1, 1), (1, 1), (2, 3), op=h5py.h5s.SELECT_OR)
        at.select_hyperslab((3, 1), (1, 1), (1, 1), (1, 6), op=h5py.h5s.SELECT_OR)
        of = h5py.h5s.create_simple((ROWS, COLUMNS))
        of.select_hyperslab((1, 0), (1, 1), (1, 1), (3, COLUMNS))
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_fill_value(np.array(-1, "i4"))
        plist.set_virtual(at, source_name(3).encode(), b"data", of)
        space = h5py.h5s.create_simple((4, 8))
        h5py.h5d.create(file.id, b"v", h5py.h5t.NATIVE_INT32, space, dcpl=plist)

    made = {
        "rows.h5": lambda file: virtual(file, (8, COLUMNS), rows),
        "columns.h5": lambda file: virtual(file, (ROWS, 10), columns),
        "taken.h5": lambda file: virtual(file, (4, COLUMNS), taken),
        "planes.h5": lambda file: virtual(file, (4, 2, COLUMNS), planes_of_rows),
        "staggered.h5": staggered,
    }
    json.dump(written(made), sys.stdout)


def growing(folder, count):
    for number in range(int(count)):
        with h5py.File(os.path.join(folder, f"growing-{number}.h5"), "w") as file:
            data = 100 * number + np.arange(6, dtype="i4").reshape(2, 3)
            file.create_dataset("data", data=data, maxshape=(None, None), chunks=(2, 2))


def grow(path, rows, columns):
    with h5py.File(path, "a") as file:
        data = file["data"]
        old = data.shape
        data.resize((old[0] + int(rows), old[1] + int(columns)))
        data[old[0] :] = -np.arange(int(rows) * data.shape[1]).reshape(-1, data.shape[1])
        data[: old[0], old[1] :] = 7777


def partial(path, name):
    with h5py.File(path, "r") as file:
        dataset = file[name]
        whole = dataset[()]
        assert whole.shape == dataset.shape and dataset.is_virtual
        for axis, extent in enumerate(dataset.shape):
            before = (slice(None),) * axis
            for start in range(extent):
                assert np.array_equal(dataset[before + (start,)], whole[before + (start,)])
                for step in (1, 2, 3):
                    key = before + (slice(start, None, step),)
                    assert np.array_equal(dataset[key], whole[key])
            points = sorted({0, extent // 2, extent - 1})
            assert np.array_equal(dataset[before + (points,)], whole[before + (points,)])
        assert all(np.array_equal(row, expected) for row, expected in zip(dataset, whole))
        out = np.empty_like(whole)
        dataset.read_direct(out)
        assert np.array_equal(out, whole)
        print(dataset.ndim)


def cycles():
    """Two virtual datasets that are each other's source."""
    for own, other in [("cycle-a.h5", "cycle-b.h5"), ("cycle-b.h5", "cycle-a.h5")]:
        with h5py.File(own, "w") as file:
            layout = h5py.VirtualLayout((3,), "i4")
            layout[:] = h5py.VirtualSource(other, "v", (3,), "i4")
            file.create_virtual_dataset("v", layout)


def read(path, name):
    with h5py.File(path, "r") as file:
        dataset = file[name]
        mappings = [
            {"file": mapping.file_name, "dataset": mapping.dset_name}
            for mapping in dataset.virtual_sources()
        ]
        told = {
            "shape": dataset.shape,
            "dtype": dataset.dtype.name,
            "values": dataset[()].ravel().tolist(),
            "fill": float(dataset.fillvalue),
            "mappings": mappings,
        }
        json.dump(told, sys.stdout)


def index(extent, draw):
    kind = draw.random()
    bound = lambda: draw.choice([None, draw.randint(-extent - 2, extent + 2)])
    if kind < 0.6:
        step = draw.choice([None, None, -1, 2, -2, 3, -3])
        parts = [bound(), bound(), step]
        text = ":".join("" if part is None else str(part) for part in parts)
        return text, slice(*parts)
    if kind < 0.8:
        position = draw.randint(-extent, max(extent - 1, -extent))
        return str(position), position
    if kind < 0.9:
        positions = [draw.randint(-extent, extent - 1) for _ in range(draw.randint(0, 4))] if extent else []
        return str(positions), np.array(positions, "i8")
    mask = [draw.random() < 0.5 for _ in range(extent)]
    # An empty mask cannot be told from an empty list, nor must it.
    return str(mask), np.array(mask, "?") if mask else np.array([], "i8")


def indices(shape, draw):
    items = [index(extent, draw) for extent in shape[: draw.randint(0, len(shape))]]
    for text, item in [("...", Ellipsis), ("newaxis", None)]:
        if draw.random() < 0.3:
            items.insert(draw.randint(0, len(items)), (text, item))
    if not items:
        items = [("...", Ellipsis)]
    return "[" + ", ".join(text for text, _ in items) + "]", tuple(item for _, item in items)


def select(seed, count):
    draw = random.Random(int(seed))
    chains = []
    for _ in range(int(count)):
        shape = [draw.randint(0, 6) for _ in range(draw.randint(0, 4))]
        array = np.arange(int(np.prod(shape))).reshape(shape)
        texts = []
        for _ in range(draw.randint(1, 4)):
            text, key = indices(array.shape, draw)
            texts.append(text)
            several = sum(isinstance(item, np.ndarray) for item in key) > 1
            try:
                array = None if several else np.asarray(array[key])
            except IndexError:
                array = None
            if array is None:
                break
        result = [None, None] if array is None else [array.shape, array.ravel().tolist()]
        chains.append([shape, texts, *result])
    json.dump(chains, sys.stdout)


if __name__ == "__main__":
    commands = {"write": write, "irregular": unions, "growing": growing, "grow": grow, "partial": partial}
    commands |= {"read": read, "select": select}
    commands[sys.argv[1]](*sys.argv[2:])
