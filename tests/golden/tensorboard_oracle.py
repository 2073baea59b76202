#!/usr/bin/env python3
"""Reads a run's event files with TensorBoard's own package and compares them with metrics.jsonl and
eval.json: the same curves, the same steps, the same numbers as float32, nothing twice.

  tensorboard_oracle.py RUN [STEP ...]      STEP: the steps that dho eval evaluated
"""
import json
import struct
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def float32(value):
    return struct.unpack("f", struct.pack("f", value))[0]


def read(folder):
    events = EventAccumulator(folder, size_guidance={"scalars": 0, "tensors": 0})
    events.Reload()
    return {tag: {e.step: e.value for e in events.Scalars(tag)} for tag in events.Tags()["scalars"]}, {
        tag: len(events.Scalars(tag)) for tag in events.Tags()["scalars"]}


def flatten(value, name, out):
    if isinstance(value, dict):
        for key, inner in value.items():
            flatten(inner, f"{name}/{key}", out)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        out[name] = value


def expected_of(run):
    """{name: {step: value}}; names as in metrics.jsonl, inner ones behind a slash."""
    curves = {}
    for line in open(f"{run}/metrics.jsonl"):
        line = json.loads(line)
        step, flat = line.pop("step"), {}
        of_a_set = line.pop("evaluated", None)
        for key, value in line.items():
            flatten(value, f"eval/{of_a_set}/{key.removeprefix('eval_')}" if of_a_set else key, flat)
        for name, value in flat.items():
            if name != "gradient_norm" or value >= 0:
                curves.setdefault(name, {})[step] = value
    return curves


def main():
    run, steps = sys.argv[1], [int(step) for step in sys.argv[2:]]
    curves, counts = read(run)
    groups = {"training", "schedule", "speed"}
    named = {}
    for tag, points in curves.items():
        group, rest = tag.split("/", 1)
        named[rest if group in groups else tag] = points
        assert len(points) == counts[tag], f"{tag}: a step is there twice"
    expected = expected_of(run)
    assert named.keys() == expected.keys(), (sorted(named), sorted(expected))
    compared = 0
    for name, points in expected.items():
        assert list(named[name]) == sorted(points), (name, list(named[name]), list(points))
        for step, value in points.items():
            # The line has 9 digits of the number whose float32 the event has.
            assert abs(named[name][step] - value) <= 2**-23 * abs(value), (name, step, value, named[name][step])
            compared += 1
    if steps:
        accuracies, _ = read(f"{run}/eval")
        for tag, points in accuracies.items():
            assert list(points) == steps, (tag, list(points))
        evaluation = json.load(open(f"{run}/eval.json"))
        for a_set in evaluation["sets"]:
            for head in ("combined", "ce_head", "kd_head", "exact"):
                for key, end in (("top1", ""), ("top5", "_top5")):
                    tag = f"eval/{a_set['name']}/{head}{end}"
                    assert (head in a_set) == (tag in accuracies), tag
                    if head in a_set:
                        assert accuracies[tag][evaluation["step"]] == float32(a_set[head][key]), tag
                        compared += 1
    print(f"{compared} numbers of {len(expected)} curves")


main()
