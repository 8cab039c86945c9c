"""Virtual datasets as xdas 0.2.10 writes them; needs `pip install xdas==0.2.10`.

    write.py       writes the files beside this script

`day-N.h5` hold /data: [[1000 N + 10 row + column]] of 3, 2 and 4 rows and 5 columns, int32. Of them are made: `stack.h5`, all
rows; `sliced.h5`, rows 1 to 7 and every second column; `layout.h5`, one of them twice with a gap; and `array.nc`, a DataArray of
xdas, whose values are a virtual dataset beside its coordinates.
"""

import os

import h5py
import numpy as np
import xdas
from xdas.virtual import VirtualLayout, VirtualSource, VirtualStack

ROWS = [3, 2, 4]

os.chdir(os.path.dirname(os.path.abspath(__file__)))
for number, rows in enumerate(ROWS):
    with h5py.File(f"day-{number}.h5", "w") as file:
        file["data"] = (1000 * number + 10 * np.arange(rows)[:, None] + np.arange(5)).astype("i4")

sources = [VirtualSource(f"day-{number}.h5", "data", (rows, 5), np.dtype("i4")) for number, rows in enumerate(ROWS)]
stack = VirtualStack(sources)
with h5py.File("stack.h5", "w") as file:
    stack.to_dataset(file, "velocity")
with h5py.File("sliced.h5", "w") as file:
    stack[1:8, ::2].to_dataset(file, "velocity")
with h5py.File("layout.h5", "w") as file:
    layout = VirtualLayout((7, 5), np.dtype("i4"))
    layout[0:3] = sources[0]
    layout[4:7] = sources[0]
    layout.to_dataset(file, "velocity")

array = xdas.DataArray(
    stack,
    {
        "time": {"tie_indices": [0, 8], "tie_values": np.array(["2026-01-01", "2026-01-09"], "M8[ns]")},
        "distance": {"tie_indices": [0, 4], "tie_values": [0.0, 40.0]},
    },
)
array.to_netcdf("array.nc", virtual=True)
for name, dataset in [("stack.h5", "velocity"), ("sliced.h5", "velocity"), ("layout.h5", "velocity"), ("array.nc", "__values__")]:
    with h5py.File(name) as file:
        print(name, list(file), file[dataset][()].tolist() if dataset in file else None)
