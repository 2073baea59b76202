"""eval.json's calibration, classes and temperatures against torchmetrics and PyTorch, from the stored
head outputs alone:  calibration_oracle.py RUN ...
calibration_oracle.py --paired A B SET ONLY_B ONLY_A P: McNemar's exact test, P to two digits."""
import csv
import json
import math
import sys

import torch
import torchmetrics.functional.classification as tm
from safetensors.torch import load_file

TOLERANCE = 1e-6


def outputs(run, name):
    file = load_file(f"{run}/eval/{name}.safetensors")
    heads = [file[k].double() for k in ("logits_ce", "logits_kd") if k in file]
    return heads, file["labels"].long(), file["classes"].bool()


def log_p(heads, mask, alpha, beta):
    """log of the combination over the classes that take part."""
    ce = heads[0][:, mask].log_softmax(1)
    if len(heads) == 1:
        return ce
    kd = (heads[1][:, mask] / beta).log_softmax(1)
    parts = [math.log(w) + x for w, x in ((alpha, ce), (1 - alpha, kd)) if w > 0]
    return torch.logsumexp(torch.stack(parts), 0)


def adaptive(confidence, right):
    """15 bins of equally many images."""
    order = confidence.argsort(stable=True)
    n, total = len(order), 0.0
    for b in range(15):
        rows = order[n * b // 15:n * (b + 1) // 15]
        if len(rows):
            total += abs(right[rows].sum() - confidence[rows].sum()).item()
    return total / n


def numbers(z, labels, temperature):
    q = (z / temperature).softmax(1)
    right = (q.argmax(1) == labels).double()
    one_hot = torch.nn.functional.one_hot(labels, q.shape[1])
    return {
        "ece": tm.multiclass_calibration_error(q, labels, q.shape[1], n_bins=15, norm="l1").item(),
        "ece_adaptive": adaptive(q.max(1).values, right),
        "nll": torch.nn.functional.cross_entropy(z / temperature, labels).item(),
        "brier": ((q - one_hot) ** 2).sum(1).mean().item(),
    }


def best_temperature(z, labels):
    log_t = torch.zeros(1, dtype=torch.double, requires_grad=True)
    optimizer = torch.optim.LBFGS([log_t], max_iter=200, tolerance_grad=1e-12,
                                  tolerance_change=1e-15, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(z / log_t.exp(), labels)
        loss.backward()
        return loss

    optimizer.step(closure)
    return min(max(log_t.exp().item(), 0.05), 20)  # the bounds of dho/calibration.h


def near(what, found, expected, tolerance=TOLERANCE):
    if not abs(found - expected) <= tolerance:
        sys.exit(f"{what}: {found}, expected {expected}")
    return abs(found - expected)


def check_classes(run, name, z, labels, mask):
    """The table of the classes, by torchmetrics' recall and precision."""
    classes = int(mask.sum())
    recall = tm.multiclass_recall(z, labels, classes, average=None)
    precision = tm.multiclass_precision(z, labels, classes, average=None)
    with open(f"{run}/eval/{name}.classes.csv", newline="", encoding="utf-8") as f:
        rows = list(csv.DictReader(f))
    assert len(rows) == classes, (len(rows), classes)
    for c, row in enumerate(rows):
        assert int(row["images"]) == int((labels == c).sum())
        near(f"{name} recall {c}", float(row["recall_percent"]), 100 * recall[c].item(), 1e-4)
        if int(row["predicted"]) > 0:
            near(f"{name} precision {c}", float(row["precision_percent"]),
                 100 * precision[c].item(), 1e-4)


def check(run):
    with open(f"{run}/eval.json", encoding="utf-8") as f:
        record = json.load(f)
    ways = {"combined": (record.get("alpha", 1), record.get("beta", 1)), "ce_head": (1, 1),
            "kd_head": (0, 1)}
    worst, checked = 0.0, 0
    for entry in record["sets"]:
        heads, labels, mask = outputs(run, entry["name"])
        if entry["classes"] == len(mask):
            mask = torch.ones_like(mask)
        labels = (mask.cumsum(0) - 1)[labels]
        for kind, way in ways.items():
            if kind not in entry:
                continue
            z = log_p(heads, mask, *way)
            found, t = entry[kind], record["temperature"][kind]
            macro = tm.multiclass_accuracy(z, labels, z.shape[1], average="macro").item()
            near(f"{entry['name']} {kind} macro", found["macro_top1"], 100 * macro, 1e-4)
            for key, temperature in (("calibration", 1), ("calibration_scaled", t)):
                for what, expected in numbers(z, labels, temperature).items():
                    worst = max(worst, near(f"{entry['name']} {kind} {key} {what}",
                                            found[key][what], expected))
                    checked += 1
            if entry["name"] == record["temperature"]["chosen_on"]:
                near(f"{kind} temperature", t, best_temperature(z, labels), 1e-5 * t)
        check_classes(run, entry["name"], log_p(heads, mask, *ways["combined"]), labels, mask)
    print(f"{run}: {checked} numbers, largest difference {worst:.1e}")


def hits(run, name):
    with open(f"{run}/eval.json", encoding="utf-8") as f:
        record = json.load(f)
    heads, labels, mask = outputs(run, name)
    z = log_p(heads, mask, record.get("alpha", 1), record.get("beta", 1))
    return (mask.cumsum(0) - 1)[labels] == z.argmax(1)


def paired(a, b, name, *found):
    x, y = hits(a, name), hits(b, name)
    only_a, only_b = int((x & ~y).sum()), int((y & ~x).sum())
    n, k = only_a + only_b, min(only_a, only_b)
    p = min(1, 2 * sum(math.comb(n, i) for i in range(k + 1)) / 2**n)
    print(f"{name}: only {only_b} and {only_a}, p {p:.6g}")
    assert (only_b, only_a) == (int(found[0]), int(found[1])), found
    near("p", float(found[2]), p, 0.051 * p)


if sys.argv[1] == "--paired":
    paired(*sys.argv[2:])
else:
    for folder in sys.argv[1:]:
        check(folder)
