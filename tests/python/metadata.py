"""Attributes, dimension scales and PyTables' nodes, by h5py and PyTables.

    write FILE                  a file with attributes of all kinds; prints {"OBJECT": {"NAME": value}} for `chunk ls --json`
    attributes FILE OBJECT      prints {"NAME": [type, shape, value]} as h5py sees them
    dims FILE OBJECT            prints [[label, [[scale, name], ..]], ..] for each axis
    scales FILE                 makes a file with scales; prints what `dims` prints of its dataset `/v`
    attach FILE                 attaches one more scale to axis 0 of `/v`
    nodes FILE                  prints {"NODE": [class, dtype, shape, extdim, values as text]} as PyTables sees them
    append FILE NODE ROWS       appends rows of ones with PyTables
    damage FILE                 breaks the lists by which scales and datasets refer to each other
    old FILE                    a file without checksums
    copied FILE                 a dataset with attributes to copy: units, scales, PyTables' class
"""

import json
import sys

import h5py
import numpy as np


def as_json(value):
    if isinstance(value, h5py.Empty):
        return None
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, np.ndarray):
        if value.dtype.names:
            return [as_json(element) for element in value]
        return [as_json(element) for element in value]
    if isinstance(value, np.void) and value.dtype.names:
        return {name: as_json(value[name]) for name in value.dtype.names}
    if isinstance(value, (np.complexfloating, complex)):
        return [as_json(value.real), as_json(value.imag)]
    if isinstance(value, np.floating) and not np.isfinite(value):
        return str(float(value))
    if isinstance(value, np.float32):
        return float(str(value))
    if isinstance(value, np.generic):
        return value.item()
    return value


def write(path):
    text = h5py.string_dtype()
    ascii_text = h5py.string_dtype("ascii")
    pair = np.dtype([("n", ">i2"), ("x", "<f4"), ("tag", "S3")])
    values = {
        "int": np.int16(-3),
        "big": np.array([1, 2, 3], ">i4"),
        "float": np.float32(0.1),
        "nan": np.float64("nan"),
        "matrix": np.arange(6, dtype=">f8").reshape(2, 3),
        "bool": np.bool_(True),
        "bools": np.array([True, False]),
        "complex": np.complex64(1 - 2j),
        "fixed": np.bytes_(b"m/s"),
        "fixed list": np.array([b"x", b"yz"]),
        "text": "höhe\nüber NN",
        "empty text": "",
        "texts": np.array(["x", "ÿ", ""], dtype=text),
        "ascii": np.array(["a", "b"], dtype=ascii_text),
        "pair": np.array((7, 0.5, b"ab"), pair),
        "pairs": np.array([(7, 0.5, b"ab"), (-8, 1.5, b"c")], pair),
        "nothing": h5py.Empty("f8"),
        "no text": h5py.Empty(text),
        "unsigned": np.uint64(2**64 - 1),
        "none": np.zeros((0,), "i4"),
        "long": np.arange(20000, dtype="f8"),
    }
    expected = {}
    with h5py.File(path, "w", libver="latest") as file:
        group = file.create_group("g")
        dataset = file.create_dataset("g/d", data=np.zeros(3))
        for owner in (file, group, dataset):
            for name, value in values.items():
                owner.attrs.create(name, value, dtype=getattr(value, "dtype", None))
            expected[owner.name] = {name: as_json(owner.attrs[name]) for name in values}
        colours = h5py.enum_dtype({"RED": 0, "BLUE": 42}, basetype=">i2")
        dataset.attrs.create("colour", 42, dtype=colours)
        expected["/g/d"]["colour"] = "BLUE"
        dataset.attrs["object"] = group.ref
        dataset.attrs["region"] = dataset.regionref[1:]
        dataset.attrs.create("lists", [np.arange(2), np.arange(3)], dtype=h5py.vlen_dtype("i4"))
        # Not UTF-8, as older programs write degrees; padded with spaces, as Fortran does; ended early.
        fixed(dataset, "degrees", b"\xb0C", variable=True)
        fixed(dataset, "fortran", b"m/s   ", padding=h5py.h5t.STR_SPACEPAD)
        fixed(dataset, "ended", b"km\0xyz", padding=h5py.h5t.STR_NULLTERM)
        expected["/g/d"].update({"degrees": "\ufffdC", "fortran": "m/s", "ended": "km"})
        many = file.create_group("many")
        expected["/many"] = {}
        for number in range(100):
            many.attrs[f"a{number}"] = number
            expected["/many"][f"a{number}"] = number
    return expected


def fixed(owner, name, value, padding=None, variable=False):
    kind = h5py.h5t.C_S1.copy()
    kind.set_size(h5py.h5t.VARIABLE if variable else len(value))
    if padding is not None:
        kind.set_strpad(padding)
    attribute = h5py.h5a.create(owner.id, name.encode(), kind, h5py.h5s.create(h5py.h5s.SCALAR))
    if variable:
        attribute.write(np.array(value, dtype=h5py.string_dtype("ascii")))
    else:
        attribute.write(np.array(value, dtype=f"S{len(value)}"), mtype=kind)


def attributes(path, name):
    def described(owner, key):
        kind = owner.attrs.get_id(key).dtype
        string = h5py.check_string_dtype(kind)
        word = f"{string.encoding}:{string.length}" if string else "bool" if kind == bool else str(kind)
        shape = owner.attrs.get_id(key).shape
        return [word, None if shape is None else list(shape), as_json(owner.attrs[key])]

    with h5py.File(path) as file:
        return {key: described(file[name], key) for key in file[name].attrs}


def dims(path, name):
    with h5py.File(path) as file:
        return [[axis.label, [[scale.name, key] for key, scale in axis.items()]] for axis in file[name].dims]


def scales(path):
    with h5py.File(path, "w") as file:
        file["v"] = np.zeros((4, 3, 2))
        for name, extent in (("t", 4), ("other", 4), ("x", 3)):
            file[name] = np.arange(extent, dtype="f8")
        file["t"].make_scale("time")
        file["other"].make_scale()
        file["x"].make_scale("offset")
        for axis, scale in ((0, "t"), (0, "other"), (1, "x")):
            file["v"].dims[axis].attach_scale(file[scale])
        file["v"].dims[1].label = "ø"
    return dims(path, "v")


def attach(path):
    with h5py.File(path, "r+") as file:
        file["late"] = np.arange(4.0)
        file["late"].make_scale("late")
        file["v"].dims[0].attach_scale(file["late"])
        file["v"].dims[2].label = "z"


def damage(path):
    """Each file has the scale `s`, and `v` to attach it to; a list of each is of a kind that scales do not have."""
    kinds = {
        "short": np.zeros(1, "i4"),
        "numbers": np.zeros(2, "i8"),
        "text": np.array(["a", "b"], dtype=h5py.string_dtype()),
        "scalar": np.int32(1),
        "empty": h5py.Empty("i4"),
        "compound": np.zeros(2, [("dataset", "i8"), ("dimension", "i4")]),
        "lists": None,
    }
    for word, value in kinds.items():
        for number, (owner, name) in enumerate((("v", "DIMENSION_LIST"), ("s", "REFERENCE_LIST"), ("v", "DIMENSION_LABELS"))):
            if word == "text" and number == 2:
                continue
            with h5py.File(f"{path}/{word}-{number}.h5", "w") as file:
                file["v"], file["s"] = np.zeros((2, 3)), np.zeros(2)
                if value is None:
                    lists = h5py.vlen_dtype("i4")
                    file[owner].attrs.create(name, [np.arange(2), np.arange(3)], dtype=lists)
                else:
                    file[owner].attrs[name] = value


def nodes(path):
    import tables

    with tables.open_file(path) as file:
        def described(node):
            node_shape = [int(extent) for extent in node.shape]
            return [type(node).__name__, str(node.dtype), node_shape, getattr(node, "extdim", None), str(np.ravel(node[...]).tolist())]

        assert file.root._v_attrs.PYTABLES_FORMAT_VERSION == "2.1"
        for group in file.walk_groups():
            assert group._v_attrs.CLASS == "GROUP" and group._v_attrs.VERSION == "1.0", group
        return {node._v_pathname: described(node) for node in file.walk_nodes("/", "Leaf")}


def append(path, name, rows):
    import tables

    with tables.open_file(path, "a") as file:
        node = file.get_node(name)
        shape = list(node.shape)
        shape[node.extdim] = int(rows)
        node.append(np.ones(shape, node.dtype))


def copied(path):
    import tables

    with tables.open_file(path, "w") as file:
        node = file.create_earray("/", "v", atom=tables.Int16Atom(), shape=(0, 3), title="Velocity")
        node.append(np.arange(12, dtype="i2").reshape(4, 3))
        node.attrs.units = "m/s"
        node.attrs.scale_factor = 0.5
    with h5py.File(path, "r+") as file:
        file["t"] = np.arange(4.0)
        file["t"].make_scale("time")
        file["t"].attrs["units"] = "s"
        file["v"].attrs["_FillValue"] = np.int16(-1)
        file["w"] = np.zeros((4, 3))
        file["w"].dims[0].attach_scale(file["t"])
        file["w"].dims[0].label = "time"
        file["w"].attrs["long_name"] = np.array(["a", "b"], dtype=h5py.string_dtype())
        file["w"].attrs["where"] = file["t"].ref
        file["link"] = h5py.SoftLink("/w")


def old(path):
    """Few attributes in a file without checksums, as most files are."""
    with h5py.File(path, "w", libver="earliest") as file:
        file["v"], file["s"] = np.zeros((2, 3)), np.zeros(2)
        file["s"].make_scale("rows")
        file["v"].dims[0].attach_scale(file["s"])
        file["v"].dims[0].label = "row"
        file["v"].attrs["text"] = "some text"
        file["v"].attrs["texts"] = np.array(["x", "ÿ", ""], dtype=h5py.string_dtype())
        file["v"].attrs["pair"] = np.array([(7, 0.5, b"ab"), (-8, 1.5, b"c")], [("n", ">i2"), ("x", "<f4"), ("tag", "S3")])
        file["v"].attrs["bool"] = np.array([True, False])
        file["v"].attrs.create("lists", [np.arange(2), np.arange(3)], dtype=h5py.vlen_dtype("i4"))
        file["v"].attrs["matrix"] = np.arange(6.0).reshape(2, 3)


COMMANDS = {name: globals()[name] for name in ("write", "attributes", "dims", "scales", "attach", "damage", "nodes", "append", "copied", "old")}

if __name__ == "__main__":
    print(json.dumps(COMMANDS[sys.argv[1]](*sys.argv[2:])))
