"""Writers of h5py that let others read meanwhile (SWMR), and so keep no lock.

    python foreign_writers.py beside FILE PROGRAM    appends 40 rows; after each tenth PROGRAM looks at the file in every way,
                                                     whose exit codes are printed; then all rows must be there
    python foreign_writers.py dead FILE              appends 20 rows and dies
    python foreign_writers.py check FILE             the 20 rows are there
"""

import os
import subprocess
import sys

import h5py

WAYS = (["ls"], ["info"], ["show"], ["verify"], ["hash"], ["append", "--axis", "0"])


def append(path, rows, after_each):
    with h5py.File(path, "w", libver="latest") as file:
        data = file.create_dataset("d", (0,), "i8", maxshape=(None,), chunks=(4,))
        file.swmr_mode = True
        for row in range(rows):
            data.resize((row + 1,))
            data[row] = row + 1
            data.flush()
            after_each(row)


def check(path, rows):
    with h5py.File(path) as file:
        assert file["d"][:].tolist() == list(range(1, rows + 1)), file["d"][:]


def main(command, path, program=None):
    if command == "beside":
        codes = set()

        def look(row):
            if row % 10 == 9:
                for way in WAYS:
                    arguments = [program, *way[:1], path, *([path] if way[0] == "append" else []), *way[1:]]
                    codes.add(subprocess.run(arguments, capture_output=True).returncode)

        append(path, 40, look)
        check(path, 40)
        print(*sorted(codes))
    elif command == "dead":
        append(path, 20, lambda row: os._exit(0) if row == 19 else None)
    else:
        check(path, 20)


if __name__ == "__main__":
    main(*sys.argv[1:])
