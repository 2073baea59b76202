"""Makes tests/golden/torch/*: small PyTorch checkpoints for tests/unit/weights/test_torch_file.c.

    python3 tests/golden/make_torch_golden.py [FOLDER]
Values are chosen so that the test can compute them: element i of tensor k is k + i / 4.
"""
import argparse
import collections
import os
import pickle
import sys

import numpy
import torch


def ramp(k, *shape, dtype=torch.float32):
    count = 1
    for extent in shape:
        count *= extent
    return (k + torch.arange(count, dtype=torch.float64) / 4).reshape(shape).to(dtype)


class Evil:
    def __reduce__(self):
        return os.system, ("echo owned",)


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "torch")
    os.makedirs(folder, exist_ok=True)

    def save(name, value, **options):
        torch.save(value, os.path.join(folder, name), **options)

    plain = collections.OrderedDict([
        ("f32", ramp(1, 2, 3)),
        ("f16", ramp(2, 4, dtype=torch.float16)),
        ("bf16", ramp(3, 1, 4, dtype=torch.bfloat16)),
        ("f64", ramp(4, 3, dtype=torch.float64)),
        ("i64", torch.tensor([-5, 1 << 40])),
        ("i32", torch.tensor([-1, 70000], dtype=torch.int32)),
        ("i16", torch.tensor([-300], dtype=torch.int16)),
        ("i8", torch.tensor([-128, 127], dtype=torch.int8)),
        ("u8", torch.tensor([0, 255], dtype=torch.uint8)),
        ("bool", torch.tensor([True, False, True])),
        ("bn.num_batches_tracked", torch.tensor(7)),
        ("empty", torch.zeros(0, 4)),
    ])
    save("plain.pt", plain)
    linear = torch.nn.Linear(3, 2)
    with torch.no_grad():
        linear.weight.copy_(ramp(5, 2, 3))
        linear.bias.copy_(ramp(6, 2))
    save("module.pt", linear.state_dict())  # with _metadata
    save("nested.pt", {
        "epoch": 3, "best": 0.5, "name": "x", "none": None, "flags": [True, 1 << 70], "loss": {1, 2},
        "args": argparse.Namespace(lr=0.1, device=torch.device("cpu")), "dtype": torch.float16,
        "state_dict": {"module.w": torch.nn.Parameter(ramp(5, 2, 3)), "shape": torch.Size([2, 3])},
        "optimizer": {"state": {0: {"exp_avg": ramp(9, 2)}}, "param_groups": [{"lr": 0.1}]},
    })
    save("two.pt", {"student": {"backbone.w": ramp(1, 2)}, "teacher": {"backbone.w": ramp(2, 2)}})
    save("only.pt", {"epoch": 1, "weights.v1": {"w": ramp(7, 2)}})
    base = ramp(0, 2, 3, 4)
    strided = {
        "transposed": ramp(1, 2, 3).t(), "permuted": base.permute(2, 0, 1),
        "column": base[:, 1, ::2], "row": base[1], "whole": base, "flat": base.view(24),
    }
    save("strided.pt", strided)
    save("expanded.pt", {"w": torch.ones(1, 2).expand(1000, 2)})
    save("evil.pt", {"state_dict": {"w": ramp(1, 2)}, "x": Evil()})
    save("legacy_plain.pt", plain, _use_new_zipfile_serialization=False)
    save("legacy_strided.pt", {"epoch": 1, "state_dict": strided}, _use_new_zipfile_serialization=False)
    save("protocol4.pt", {"w": ramp(1, 2)}, pickle_protocol=4)
    save("tensor.pt", ramp(1, 2))
    # Tip-Adapter's keys [D, N] and one-hot values [N, C]; and the weight [N, D] of its adapter.
    save("tip_keys.pt", ramp(1, 5, 6, dtype=torch.float16).permute(1, 0))
    save("tip_values.pt", torch.nn.functional.one_hot(torch.tensor([0, 1, 2, 3, 0]), 4).half())
    save("tip_adapter.pt", torch.nn.Parameter(ramp(1, 5, 6)))
    # NumPy arrays, as FKD's labels have them: bytes over 127 and zeros, an array that is not contiguous
    rows = numpy.arange(12, dtype=numpy.float32).reshape(3, 4) / 4
    arrays = [rows[:, ::2], numpy.array([True, False, True]), ramp(3, 2, 2),
              numpy.array([[-1.5, 255], [65504, -0.0]], numpy.float16),
              numpy.array([-1, 1 << 40]), numpy.array([200, 0], numpy.uint8)]
    save("list.pt", arrays)
    save("legacy_list.pt", arrays, _use_new_zipfile_serialization=False)
    save("tuple.pt", tuple(arrays[:2]))
    save("fortran.pt", [rows.T])
    save("big_endian.pt", [rows.astype(">f4")])
    save("complex.pt", [rows.astype(numpy.complex64)])
    save("texts.pt", ["a", "b"])
    with open(os.path.join(folder, "bare.pkl"), "wb") as file:
        pickle.dump({"w": 1}, file, protocol=2)
    module = torch.jit.trace(linear, torch.zeros(1, 3))
    torch.jit.save(module, os.path.join(folder, "script.pt"))


if __name__ == "__main__":
    main()
