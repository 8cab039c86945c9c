"""netCDF-4 files by those who define them.

    sources FOLDER              files `part-N.h5` with the dataset `/data` of shape (4, 3), elements counted through
    made FILE                   a netCDF-4 file with the dimensions `x` (3, coordinates) and `time` (12), and a variable
    read FILE                   checks that all readers agree; prints {"GROUP/NAME": [dims, values, units]}, and "dimensions"
    extend FILE                 opens it with netCDF4 to write: adds a variable along `time`, and an attribute
"""

import json
import sys

import h5netcdf
import h5py
import netCDF4
import numpy as np
import xarray


def sources(folder):
    for number in range(3):
        with h5py.File(f"{folder}/part-{number}.h5", "w") as file:
            file["data"] = np.arange(12, dtype="i4").reshape(4, 3) + 12 * number


def made(path):
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("x", 3)
        file.createDimension("time", 12)
        file.createVariable("x", "f8", ("x",))[:] = [0, 0.5, 1]
        file.createVariable("theirs", "i2", ("time",))[:] = np.arange(12)


def by_netcdf4(group, prefix=""):
    """Variables with their dimensions and values, all groups."""
    group.set_auto_maskandscale(False)
    found = {
        prefix + name: [list(variable.dimensions), variable[...].tolist(), getattr(variable, "units", None)]
        for name, variable in group.variables.items()
    }
    for name, inner in group.groups.items():
        found.update(by_netcdf4(inner, f"{prefix}{name}/"))
    return found


def by_h5netcdf(group, prefix=""):
    found = {
        prefix + name: [list(variable.dimensions), variable[...].tolist(), variable.attrs.get("units")]
        for name, variable in group.variables.items()
    }
    for name, inner in group.groups.items():
        found.update(by_h5netcdf(inner, f"{prefix}{name}/"))
    return found


def lengths(group, prefix="", length=len):
    found = {prefix + name: length(dimension) for name, dimension in group.dimensions.items()}
    for name, inner in group.groups.items():
        found.update(lengths(inner, f"{prefix}{name}/", length))
    return found


def read(path):
    with netCDF4.Dataset(path) as file:
        found, dimensions = by_netcdf4(file), lengths(file)
        groups = list(file.groups)
    with h5netcdf.File(path, "r") as file:
        assert by_h5netcdf(file) == found, (by_h5netcdf(file), found)
        assert lengths(file, length=lambda dimension: dimension.size) == dimensions
    for engine in ("netcdf4", "h5netcdf"):
        for group in [None, *groups]:
            with xarray.open_dataset(path, engine=engine, group=group, decode_cf=False) as data:
                prefix = f"{group}/" if group else ""
                names = [name for name in found if name.startswith(prefix) and "/" not in name[len(prefix):]]
                assert sorted(data.variables) == sorted(name[len(prefix):] for name in names), data
                for name in names:
                    variable = data[name[len(prefix):]]
                    assert [list(variable.dims), variable.values.tolist()] == found[name][:2], variable
    return found | {"dimensions": dimensions}


def extend(path):
    with netCDF4.Dataset(path, "a") as file:
        file.createVariable("later", "f4", ("time",))[:] = 7
        file.title = "extended"


COMMANDS = {"sources": sources, "made": made, "read": read, "extend": extend}

if __name__ == "__main__":
    print(json.dumps(COMMANDS[sys.argv[1]](*sys.argv[2:])))
