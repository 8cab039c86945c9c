"""Files whose content is edited, for the tests of `Hdf5Editor`.

    python editing.py make FOLDER              files of h5py and PyTables, as KIND.h5, and other.h5 to copy from
    python editing.py check FOLDER KIND..      KIND.h5 is now what h5py makes of KIND-old.h5 by the same changes
    python editing.py new FILE                 what the editor wrote into a new file is there
    python editing.py state FILE..             a line each: a hash of all that h5py reads of the file, or what fails
"""
import hashlib
import shutil
import sys
from pathlib import Path

import h5py
import numpy as np
import tables

ADDED = np.arange(30, dtype="i4").reshape(5, 6)


def fill(file):
    group = file.create_group("g")
    group.attrs["title"] = "a group"
    data = group.create_dataset("x", data=np.arange(40.0).reshape(8, 5), chunks=(3, 5), compression="gzip")
    data.attrs["unit"] = "m/s"
    group["y"] = np.arange(7, dtype=">i2")
    group["h/z"] = np.arange(1000)
    group["h/text"] = ["one", "two"]
    group["h/scalar"] = 5.5
    file["alias"] = file["g/x"]
    file["soft"] = h5py.SoftLink("/g/x")
    file["lost"] = h5py.SoftLink("/nowhere")
    file["elsewhere"] = h5py.ExternalLink("other.h5", "/tree")
    file["kind"] = np.dtype([("a", "i4"), ("b", "f8")])
    file.attrs["root"] = [1, 2, 3]


def make(folder):
    folder = Path(folder)
    for kind in ["earliest", "v108", "v110", "latest"]:
        with h5py.File(folder / f"{kind}.h5", "w", libver=(kind, "latest")) as file:
            fill(file)
    with h5py.File(folder / "ordered.h5", "w", libver="v108", track_order=True) as file:
        fill(file)
    with h5py.File(folder / "persistent.h5", "w", fs_strategy="fsm", fs_persist=True) as file:
        fill(file)
        file["gone"] = np.arange(5000)
        del file["gone"]
    with h5py.File(folder / "paged.h5", "w", fs_strategy="page", fs_page_size=4096) as file:
        fill(file)
    with h5py.File(folder / "user.h5", "w", userblock_size=1024) as file:
        fill(file)
    with open(folder / "user.h5", "r+b") as file:
        file.write(b"the user's own" * 50)
    with tables.open_file(str(folder / "tables.h5"), "w", title="PyTables") as file:
        file.create_group("/", "g", "a group")
        file.create_carray("/g", "x", obj=np.arange(40.0).reshape(8, 5), filters=tables.Filters(5, "zlib"))
        file.create_array("/g", "y", np.arange(7))
        file.create_group("/g", "h")
        file.create_earray("/g/h", "z", obj=np.arange(1000))
        file.create_table("/g/h", "text", obj=np.zeros(4, [("a", "i4"), ("b", "S3")]))
        file.create_soft_link("/", "soft", "/g/x")
    with h5py.File(folder / "other.h5", "w") as file:
        file["tree/a"] = np.arange(10)
        file["tree/b/c"] = np.arange(20.0)
        file["tree/link"] = h5py.SoftLink("b/c")
        file["tree"].attrs["from"] = "another file"
    for path in folder.glob("*.h5"):
        shutil.copy(path, folder / f"{path.stem}-old.h5")


def edit(file, other):
    """The changes that the test makes through the editor, in the same order."""
    file.create_group("new/deep")
    file.create_dataset("g/added", data=ADDED, chunks=(2, 3), compression="gzip")
    file["g/added2"] = ADDED + 1
    file.move("g/h", "moved/there/h")
    file.move("soft", "moved/soft")
    file.copy("g", "copy")
    file.copy("g/x", "g/x2")
    del file["g/y"]
    file["to z"] = h5py.SoftLink("/moved/there/h/z")
    file["g/relative"] = h5py.SoftLink("x")
    file["ü/数"] = h5py.SoftLink("/g")
    other.copy("tree", file, name="from/other")


def tree(group, seen=()):
    """All that is in a group, links as they are, as a list of lines."""
    lines = []
    for name in group:
        link, path = group.get(name, getlink=True), f"{group.name.rstrip('/')}/{name}"
        if isinstance(link, h5py.SoftLink):
            lines.append(f"{path} -> {link.path}")
        elif isinstance(link, h5py.ExternalLink):
            lines.append(f"{path} -> {link.filename}::{link.path}")
        else:
            thing = group[name]
            attributes = sorted((key, repr(value)) for key, value in thing.attrs.items())
            if isinstance(thing, h5py.Group):
                lines += [f"{path}/ {attributes}", *tree(thing)]
            elif isinstance(thing, h5py.Datatype):
                lines.append(f"{path} type {thing.dtype}")
            else:
                value = thing[()]
                content = value.tobytes() if value.dtype != object else repr(value.tolist()).encode()
                digest = hashlib.sha256(content).hexdigest()[:16]
                lines.append(f"{path} {thing.shape} {thing.dtype} {digest} {attributes}")
    return lines


def whole(path):
    with h5py.File(path, "r") as file:
        attributes = sorted((key, repr(value)) for key, value in file.attrs.items())
        return [f"/ {attributes}", *tree(file)]


def check(folder, *kinds):
    folder = Path(folder)
    for kind in kinds:
        edited, old = folder / f"{kind}.h5", folder / f"{kind}-old.h5"
        expected = folder / f"{kind}-expected.h5"
        shutil.copy(old, expected)
        with h5py.File(expected, "r+") as file, h5py.File(folder / "other.h5", "r") as other:
            edit(file, other)
        found, wanted = whole(edited), whole(expected)
        assert len(wanted) > 20, wanted
        different = [pair for pair in zip(found, wanted) if pair[0] != pair[1]]
        assert found == wanted, (kind, set(found) ^ set(wanted), different)
        with h5py.File(edited, "r") as file:
            added = file["g/added"]
            assert (added.chunks, added.compression, added.shuffle) == ((2, 3), "gzip", True), kind
            assert (added[:] == ADDED).all()
            block = file.userblock_size
        with open(edited, "rb") as file, open(old, "rb") as before:
            assert file.read(block) == before.read(block), kind
        with tables.open_file(str(edited)) as file:
            assert (file.get_node("/g/added")[:] == ADDED).all()
            assert (file.get_node("/moved/there/h/z")[:] == np.arange(1000)).all()
        # Another program goes on with it.
        with h5py.File(edited, "r+") as file:
            file["one more"] = np.arange(100)
            del file["moved"]
        assert any(line.startswith("/one more ") for line in whole(edited))


def new(path):
    lines = whole(path)
    assert [line.split()[0] for line in lines] == ["/", "/a/", "/a/b/", "/a/b/x", "/a/y", "/l"], lines
    with h5py.File(path, "r") as file:
        assert (file["a/b/x"][:] == ADDED).all() and (file["a/y"][:] == ADDED * 2).all()
        assert file.get("l", getlink=True).path == "/a"
        assert file.userblock_size == 0


def state(path):
    try:
        return hashlib.sha256("\n".join(whole(path)).encode()).hexdigest()
    except Exception as error:
        return f"{type(error).__name__}: {error}".replace("\n", " ")


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    if command == "state":
        print("\n".join(map(state, arguments)))
    else:
        {"make": make, "check": check, "new": new}[command](*arguments)
