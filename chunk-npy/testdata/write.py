"""Writes the files beside it with NumPy. Run it in this folder; it needs NumPy 2 and nothing else.

members.npz: the same array, x[i] = i * i % 10007 as 120 x 80 uint32, stored, deflated, and deflated in column-major
order; a text, a Python object, and a member that is no array.
"""

import io
import zipfile

import numpy as np

numbers = np.arange(120 * 80, dtype=np.uint32)
numbers = (numbers * numbers % 10007).reshape(120, 80)
names = np.array(["one", "zwei", "trois"])


def npy(array):
    file = io.BytesIO()
    np.lib.format.write_array(file, array)
    return file.getvalue()


with zipfile.ZipFile("members.npz", "w") as archive:
    for name, array, method in [
        ("stored", numbers, zipfile.ZIP_STORED),
        ("deflated", numbers, zipfile.ZIP_DEFLATED),
        ("deflated_fortran", np.asfortranarray(numbers), zipfile.ZIP_DEFLATED),
        ("group/names", names, zipfile.ZIP_DEFLATED),
        ("objects", np.array([None, 1], dtype=object), zipfile.ZIP_DEFLATED),
    ]:
        information = zipfile.ZipInfo(f"{name}.npy")  # of a fixed date: the same bytes each time
        information.compress_type = method
        with archive.open(information, "w", force_zip64=True) as member:
            member.write(npy(array))
    archive.writestr(zipfile.ZipInfo("README"), "not an array")
