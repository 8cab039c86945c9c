"""Prints how NumPy prints datasets of the corpora, as JSON: every fifth of those that h5py reads and that are not large.

    python show_corpora.py FOLDER     prints {"FILE::/DATASET": text, ..}

Left out is what the program shows otherwise on purpose: PyTables' bitfields are bools, h5py's fixed UTF-8 is text, and
tagged opaque elements are opaque.
"""

import csv
import json
import os
import sys

import h5py
import hdf5plugin  # noqa: F401  registers the filters with h5py
import numpy as np

MOST_BYTES = 5_000_000


def shown_otherwise(kind):
    """Whether an HDF5 type, or one inside of it, is one of those."""
    if isinstance(kind, h5py.h5t.TypeCompoundID):
        return any(shown_otherwise(kind.get_member_type(member)) for member in range(kind.get_nmembers()))
    if isinstance(kind, h5py.h5t.TypeArrayID):
        return True  # h5py makes axes of it
    if isinstance(kind, h5py.h5t.TypeStringID):
        return kind.is_variable_str() or kind.get_cset() == h5py.h5t.CSET_UTF8
    return isinstance(kind, (h5py.h5t.TypeBitfieldID, h5py.h5t.TypeOpaqueID, h5py.h5t.TypeVlenID, h5py.h5t.TypeReferenceID))


def main(folder):
    with open(os.path.join(folder, "MANIFEST.tsv")) as manifest:
        rows = list(csv.DictReader(manifest, delimiter="\t"))
    valid = [row for row in rows if row["tier"] == "A-valid" and row["kind"] == "fixed" and len(row["sha256_c_order_le"]) == 64]
    small = [row for row in valid if row["file"].endswith((".h5", ".hdf5", ".nc", ".h5ad")) and int(row["nbytes"]) <= MOST_BYTES]
    found = {}
    for row in small[::5]:
        path = os.path.join(folder, row["file"])
        with h5py.File(path) as file:
            dataset = file[row["dataset"]]
            if not shown_otherwise(dataset.id.get_type()):
                found[f"{path}::{row['dataset']}"] = np.array2string(np.asarray(dataset[()]))
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
