"""The Python side of tests/oracle/safetensors.sh.

read FILE:   checks with the reference implementation what test_safetensors --write has written.
write FILE:  writes the same tensors with the reference implementation, for --check.
broken DIR:  writes files that the reference refuses, one per line on standard output.
"""
import json
import os
import struct
import sys

import numpy as np
from safetensors import SafetensorError, safe_open, serialize_file

try:
    from safetensors import TensorSpec
except ImportError:
    TensorSpec = None

NOTE = 'h\u00e9 "q"\n'
# dtype, shape, little-endian bytes: as the table `samples` of test_safetensors.c
TENSORS = {
    "i8": ("I8", [5], np.array([-128, -1, 0, 1, 127], "<i1").tobytes()),
    "f32": ("F32", [2, 3], np.array([1, -2.5, 3e-8, 1e30, -0.0, 7], "<f4").tobytes()),
    "f16": ("F16", [1, 3, 1], np.array([0x3C00, 0xC000, 0x0001], "<u2").tobytes()),
    "bf16": ("BF16", [2], np.array([0x3F80, 0xC040], "<u2").tobytes()),
    "u8": ("U8", [3], bytes([0, 128, 255])),
    "f64": ("F64", [2], np.array([1.5, -1e-3], "<f8").tobytes()),
    "i64": ("I64", [2], np.array([-5, 1 << 40], "<i8").tobytes()),
    "bool": ("BOOL", [3], bytes([1, 0, 1])),
    "i32": ("I32", [3], np.array([-1, 0, 70000], "<i4").tobytes()),
    "i16": ("I16", [2], np.array([-300, 300], "<i2").tobytes()),
    "scalar": ("F32", [], np.array(7, "<f4").tobytes()),
    'empty "\u00e9" \\': ("F32", [0, 4], b""),
}
NUMPY = {"I8": "<i1", "F32": "<f4", "F16": "<f2", "U8": "u1", "F64": "<f8", "I64": "<i8",
         "BOOL": "?", "I32": "<i4", "I16": "<i2"}
SERIALIZE = {"I8": "int8", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "U8": "uint8",
             "F64": "float64", "I64": "int64", "BOOL": "bool", "I32": "int32", "I16": "int16"}


def read(path):
    with safe_open(path, framework="numpy") as file:
        assert file.metadata() == {"format": "pt", "note": NOTE}, file.metadata()
        assert set(file.keys()) == set(TENSORS), file.keys()
        for name, (dtype, shape, data) in TENSORS.items():
            piece = file.get_slice(name)
            assert piece.get_dtype() == dtype and list(piece.get_shape()) == shape, name
            if dtype in NUMPY:  # NumPy knows no bfloat16
                array = file.get_tensor(name)
                assert array.dtype == np.dtype(NUMPY[dtype]), name
                assert array.tobytes() == data, name


def write(path):
    buffers = {name: np.frombuffer(data or b"\0", "u1") for name, (_, _, data) in TENSORS.items()}

    def describe(name, dtype, shape, data):
        if TensorSpec is None:  # safetensors before 0.8
            return {"dtype": SERIALIZE[dtype], "shape": shape, "data": data}
        return TensorSpec(dtype=SERIALIZE[dtype], shape=shape,
                          data_ptr=buffers[name].ctypes.data, data_len=len(data))

    serialize_file({name: describe(name, *tensor) for name, tensor in TENSORS.items()},
                   path, {"format": "pt", "note": NOTE})


def broken(folder):
    def entry(begin, end, shape, dtype="F32"):
        return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}
    cases = {
        "hole": ({"a": entry(4, 8, [1])}, 8),
        "overlap": ({"a": entry(0, 8, [2]), "b": entry(4, 12, [2])}, 12),
        "size": ({"a": entry(0, 8, [3])}, 8),
        "trailing": ({"a": entry(0, 4, [1])}, 8),
        "short": ({"a": entry(0, 8, [2])}, 4),
        "negative": ({"a": entry(0, 4, [-1])}, 4),
        "overflow": ({"a": entry(0, 4, [1 << 62, 8])}, 4),
        "dtype": ({"a": entry(0, 4, [1], "f32")}, 4),
        "metadata": ({"__metadata__": {"k": 1}}, 0),
    }
    for name, (header, size) in cases.items():
        text = json.dumps(header).encode()
        path = os.path.join(folder, f"broken_{name}.safetensors")
        with open(path, "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text + bytes(size))
        try:
            with safe_open(path, framework="numpy"):
                pass
        except SafetensorError:
            print(path)
        else:
            raise AssertionError(f"the reference accepts {name}")


if __name__ == "__main__":
    {"read": read, "write": write, "broken": broken}[sys.argv[1]](sys.argv[2])
