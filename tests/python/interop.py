"""What the interoperability tests ask of Python: files that others write, and reading what we write.

    python interop.py make DIR
    python interop.py compare-fft IN DATASET OUT DATASET --axis N [--inverse] [--real] --rtol T
    python interop.py read-back FILE DATASET --npy REFERENCE.npy
    python interop.py hash FILE DATASET
    python interop.py batch                   (commands as above on stdin, one a line: one start of Python for all)

Says on stdout what it found and ends with 0; ends with 1 and a line on stderr where something differs.
"""

import argparse
import shlex
import sys

import h5py
import hdf5plugin  # noqa: F401  registers the filters with h5py
import numpy as np
import tables

import hashes


class Mismatch(Exception):
    """What was read is not what must be there."""


def main():
    try:
        run(parser().parse_args())
    except Mismatch as reason:
        sys.exit(f"interop: {reason}")


def run(arguments):
    try:
        arguments.run(arguments)
    except (OSError, KeyError, tables.NoSuchNodeError) as error:
        raise Mismatch(" ".join(str(error).split())) from error


def parser():
    main = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = main.add_subparsers(dest="command", required=True)

    def command(name, function, *positional):
        added = commands.add_parser(name)
        added.set_defaults(run=function)
        for argument in positional:
            added.add_argument(argument)
        return added

    command("make", make, "folder")
    compare = command("compare-fft", compare_fft, "source", "source_dataset", "result", "result_dataset")
    compare.add_argument("--axis", type=int, required=True)
    compare.add_argument("--inverse", action="store_true")
    compare.add_argument("--real", action="store_true")
    compare.add_argument("--rtol", type=float, required=True)
    command("read-back", read_back, "file", "dataset").add_argument("--npy", required=True)
    command("hash", print_hash, "file", "dataset")
    command("batch", batch)
    return main


def batch(_):
    """Each line of stdin is a command with its arguments, quoted as for a shell."""
    failures = 0
    lines = [line for line in sys.stdin.read().splitlines() if line.strip()]
    for line in lines:
        try:
            run(parser().parse_args(shlex.split(line)))
        except Mismatch as reason:
            failures += 1
            print(f"interop: {reason}", file=sys.stderr)
    if failures:
        fail(f"{failures} of {len(lines)} commands failed")


def make(arguments):
    import interop_files

    count, size = interop_files.make(arguments.folder)
    print(f"{count} files, {size / 1e6:.1f} MB in {arguments.folder}")


def compare_fft(arguments):
    """Both readers find numpy.fft of the input: its shape, its dtype, its values within the tolerance."""
    source = read_h5py(arguments.source, arguments.source_dataset)
    found = read_both(arguments.result, arguments.result_dataset)
    transform = choose_transform(arguments, found.shape)
    check_type(arguments.result, found, transform(source))
    expected = transform(widen(source))
    if found.shape != expected.shape:
        fail(f"{arguments.result}: shape {found.shape}, NumPy gives {expected.shape}")
    error = relative_error(found, expected)
    if not error <= arguments.rtol:
        worst = np.unravel_index(np.argmax(np.abs(found - expected)), found.shape)
        worst = tuple(int(index) for index in worst)
        fail(
            f"{arguments.result}: relative error {error:.3g} is above {arguments.rtol:g}; "
            f"at {worst} it has {found[worst]}, NumPy {expected[worst]}"
        )
    print(f"{arguments.result}: {found.shape} {found.dtype}, relative error {error:.3g}")


def choose_transform(arguments, result_shape):
    """NumPy's function for the options. An inverse real transform is as long as the result, if that is possible."""
    axis = arguments.axis
    if not arguments.real:
        function = np.fft.ifft if arguments.inverse else np.fft.fft
        return lambda x: function(x, axis=axis)
    if not arguments.inverse:
        return lambda x: np.fft.rfft(x, axis=axis)

    def inverse_real(x):
        shortest = max(1, 2 * (x.shape[axis] - 1))
        length = result_shape[axis] if len(result_shape) == x.ndim else shortest
        return np.fft.irfft(x, n=length if length in (shortest, shortest + 1) else shortest, axis=axis)

    return inverse_real


def check_type(name, found, numpy_result):
    """NumPy's rule: half and single precision give single, everything else double."""
    if found.dtype != numpy_result.dtype:
        fail(f"{name}: dtype {found.dtype}, NumPy gives {numpy_result.dtype}")


def widen(x):
    return x.astype(np.complex128 if x.dtype.kind == "c" else np.float64)


def relative_error(found, expected):
    """The largest difference, relative to the largest expected magnitude."""
    if expected.size == 0:
        return 0.0
    peak = np.abs(expected).max()
    return np.abs(found - expected).max() / (peak if peak > 0 else 1)


def read_back(arguments):
    """Both readers return exactly the reference: shape, dtype and every bit, NaN payloads included."""
    file = arguments.file
    expected = native(np.load(arguments.npy, allow_pickle=False))
    readers = [read_h5py] if is_h5pys_own(file, arguments.dataset) else [read_h5py, read_pytables]
    for reader in readers:
        found = as_bool(reader(file, arguments.dataset), expected)
        if (found.shape, found.dtype) != (expected.shape, expected.dtype):
            fail(f"{file}: {reader.__name__} gives {found.shape} {found.dtype}, not {expected.shape} {expected.dtype}")
        different = count_different(found, expected)
        if different:
            fail(f"{file}: {reader.__name__} gives {different} of {expected.size} elements with other bytes")
    print(f"{file}: {expected.shape} {expected.dtype}, the same bytes from {', '.join(reader.__name__ for reader in readers)}")


def is_h5pys_own(file, dataset):
    """Whether a filter is one that PyTables lacks: LZF, and Zstandard outside Blosc."""
    with h5py.File(file) as opened:
        filters = opened[dataset].id.get_create_plist()
        return any(filters.get_filter(i)[0] in (32000, 32015) for i in range(filters.get_nfilters()))


def count_different(found, expected):
    if expected.size == 0:
        return 0
    bytes_of = [np.ascontiguousarray(x).reshape(-1).view(np.uint8).reshape(x.size, -1) for x in (found, expected)]
    return int((bytes_of[0] != bytes_of[1]).any(axis=1).sum())


def as_bool(found, expected):
    """PyTables reads h5py's bool as int8, h5py reads PyTables' as uint8: the values are 0 and 1 all the same."""
    is_byte = found.dtype in (np.int8, np.uint8)
    if expected.dtype == np.bool_ and is_byte and ((found == 0) | (found == 1)).all():
        return found.astype(np.bool_)
    return found


def print_hash(arguments):
    try:
        with h5py.File(arguments.file) as opened:
            print(hashes.hash_dataset(opened[arguments.dataset]))
    except hashes.NoValue as reason:
        fail(f"{arguments.file}::{arguments.dataset}: {reason}")


def read_both(file, dataset):
    """The array, once h5py and PyTables agree on it."""
    found = read_h5py(file, dataset)
    other = read_pytables(file, dataset)
    if (found.shape, found.dtype) != (other.shape, other.dtype) or count_different(found, other):
        fail(f"{file}::{dataset}: h5py and PyTables disagree: {found.shape} {found.dtype}, {other.shape} {other.dtype}")
    return found


def read_h5py(file, dataset):
    with h5py.File(file) as opened:
        return native(opened[dataset][()])


def read_pytables(file, dataset):
    with tables.open_file(file) as opened:
        return native(opened.get_node(dataset).read())


def native(x):
    return np.ascontiguousarray(x).reshape(np.shape(x)).astype(x.dtype.newbyteorder("="), copy=False)


def fail(message):
    raise Mismatch(message)


if __name__ == "__main__":
    main()
