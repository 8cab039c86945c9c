"""The SHA-256 of a dataset's values: C order, little-endian, compounds packed (the rule of the test corpora).

Elements of variable length have their length before them, except that of a scalar dataset, as the corpora have it.
"""

import hashlib
import math

import h5py
import numpy as np

SLAB_BYTES = 64 << 20


class NoValue(Exception):
    """The dataset has no bytes of its own: references, null spaces, variable lengths inside compounds."""


def hash_dataset(dataset):
    """Hexadecimal digest of an h5py dataset, read slab by slab."""
    if dataset.shape is None:
        raise NoValue("null dataspace")
    digest = hashlib.sha256()
    if not is_variable(dataset.dtype):
        for slab in slabs(dataset):
            digest.update(fixed_bytes(slab, dataset.dtype))
        return digest.hexdigest()
    content = variable_content(dataset.dtype)
    if dataset.ndim == 0:
        return hashlib.sha256(content(dataset[()])).hexdigest()
    for slab in slabs(dataset):
        for value in slab.flat:
            digest.update(len(value).to_bytes(8, "little") + content(value))
    return digest.hexdigest()


def slabs(dataset):
    """The whole dataset as arrays of whole rows, each of bounded size."""
    if dataset.ndim == 0:
        yield np.asarray(dataset[()], dtype=dataset.dtype)
        return
    row = max(1, math.prod(dataset.shape[1:]) * dataset.dtype.itemsize)
    chunk = dataset.chunks[0] if dataset.chunks else 1
    rows = max(1, SLAB_BYTES // row // chunk) * chunk
    for start in range(0, dataset.shape[0], rows):
        yield dataset[start : start + rows]


def is_variable(dtype):
    return is_variable_string(dtype) or h5py.check_vlen_dtype(dtype) is not None


def is_variable_string(dtype):
    string = h5py.check_string_dtype(dtype)
    return string is not None and string.length is None


def fixed_bytes(values, dtype):
    target = little_endian(dtype)
    return np.ascontiguousarray(values).astype(target.base, copy=False).tobytes()


def variable_content(dtype):
    """The function that gives an element's bytes: UTF-8 of a string, little-endian elements of a sequence."""
    return string_bytes if is_variable_string(dtype) else sequence_bytes(h5py.check_vlen_dtype(dtype))


def string_bytes(value):
    return value.encode() if isinstance(value, str) else bytes(value)


def sequence_bytes(base):
    target = little_endian(base)
    return lambda value: np.asarray(value, dtype=base).astype(target).tobytes()


def little_endian(dtype):
    """The same type with packed fields, each little-endian."""
    if dtype.kind == "O":
        raise NoValue(f"{dtype} has no bytes of its own")
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return np.dtype((little_endian(base), shape))
    if dtype.names is None:
        return dtype.newbyteorder("<")
    return np.dtype([(name, little_endian(dtype.fields[name][0])) for name in dtype.names])
