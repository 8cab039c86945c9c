"""Prints NumPy's casting and promotion rules as JSON, for the tests of ours.

    {"numpy": "2.4.6",
     "dtypes": ["bool", "i1", ..],
     "can_cast": {"safe": {"bool": ["bool", "i1", ..], ..}, ..},    from each dtype, those it may become
     "result_type": {"bool": {"i1": "i1", ..}, ..},                 numbers only; null where NumPy refuses
     "fft": {"f4": "c8", ..}}                                       dtype of numpy.fft.fft
"""

import json
import sys

import numpy as np

NUMBERS = ["bool", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"]
OTHERS = ["S4", "S8", "U4", "U8", "M8[s]", "M8[ns]", "m8[s]", "m8[ns]", "V4", "V8"]
CASTINGS = ["no", "equiv", "safe", "same_kind", "unsafe"]


def name(dtype):
    """`bool`, or the type string without its byte order."""
    return "bool" if dtype == np.bool_ else dtype.str.lstrip("<>|=")


def castable(source, casting):
    return [target for target in NUMBERS + OTHERS if np.can_cast(source, target, casting)]


def promoted(left, right):
    try:
        return name(np.result_type(np.dtype(left), np.dtype(right)))
    except TypeError:
        return None


def main():
    rules = {
        "numpy": np.__version__,
        "dtypes": NUMBERS + OTHERS,
        "can_cast": {casting: {source: castable(source, casting) for source in NUMBERS + OTHERS} for casting in CASTINGS},
        "result_type": {left: {right: promoted(left, right) for right in NUMBERS} for left in NUMBERS},
        "fft": {source: name(np.fft.fft(np.ones(2, source)).dtype) for source in NUMBERS},
    }
    json.dump(rules, sys.stdout)
    print()


if __name__ == "__main__":
    main()
