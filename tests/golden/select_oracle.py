"""What dho select chose, by numpy, for tests/oracle/select.sh.

select_oracle.py RUN LIST BY LABELLED     pcoreset, entropy, margin: from the stored outputs of the
                                          training images, RUN/eval/train.safetensors
select_oracle.py RUN LIST coreset LABELLED IMAGES BACKBONE
                                          from torchvision's ResNet-18 on the images

LIST is what dho select --out wrote: LABELLED lines of labelled images, then the chosen ones. Written
from the formulas of docs/select.md. Every choice must be the best one within a tolerance: dho keeps
predictions as float32, whose rounding (6e-8) moves a distance by less than 1e-6; features are
computed by other kernels, 1e-4.
"""
import json
import sys

import numpy as np
from safetensors.numpy import load_file


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def predictions(run):
    stored = load_file(f"{run}/eval/train.safetensors")
    evaluation = json.load(open(f"{run}/eval.json"))
    alpha, beta = evaluation["alpha"], evaluation["beta"]
    names = bytes(stored["image_names"]).decode().rstrip("\0").split("\0")
    ce, kd = (stored[name].astype(np.float64) for name in ("logits_ce", "logits_kd"))
    return names, alpha * softmax(ce) + (1 - alpha) * softmax(kd / beta)


def features(images, backbone):
    import torch
    import torchvision
    from safetensors.torch import load_file as load_tensors

    transform = torchvision.transforms.Compose([
        torchvision.transforms.Resize(32, torchvision.transforms.InterpolationMode.BICUBIC),
        torchvision.transforms.CenterCrop(32), torchvision.transforms.ToTensor(),
        torchvision.transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])
    data = torchvision.datasets.ImageFolder(images, transform)
    model = torchvision.models.resnet18()
    model.fc = torch.nn.Identity()
    model.load_state_dict(load_tensors(backbone), strict=False)
    model.eval()
    with torch.no_grad():
        rows = torch.cat([model(x) for x, _ in torch.utils.data.DataLoader(data, 60)])
    names = [path[len(images) + 1:] for path, _ in data.samples]
    rows = rows.double().numpy()
    return names, rows / np.linalg.norm(rows, axis=1, keepdims=True)


def check_centres(rows, labelled, chosen, tolerance):
    """How many choices are exactly the first of the largest distances; the radius before and after."""
    nearest = np.full(len(rows), np.inf)
    for centre in labelled:
        nearest = np.minimum(nearest, np.linalg.norm(rows - rows[centre], axis=1))
    nearest[labelled] = -1
    equal, radius = 0, nearest.max()
    for choice in chosen:
        best = nearest.argmax()
        equal += best == choice
        assert nearest[choice] > nearest[best] - tolerance, (choice, nearest[choice], best, nearest[best])
        nearest = np.minimum(nearest, np.linalg.norm(rows - rows[choice], axis=1))
        nearest[choice] = -1
    return equal, radius, nearest.max()


def check_scores(scores, labelled, chosen, tolerance):
    order = np.argsort(-scores, kind="stable")
    order = order[~np.isin(order, labelled)][:len(chosen)]
    assert np.all(np.abs(scores[order] - scores[chosen]) < tolerance)
    return int((order == chosen).sum())


def main():
    run, path, by, count = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    listed = [line.rstrip("\n").split("\t")[0] for line in open(path)]
    names, rows = features(*sys.argv[5:7]) if by == "coreset" else predictions(run)
    place = {name: i for i, name in enumerate(names)}
    ids = np.array([place[name] for name in listed])
    labelled, chosen = ids[:count], ids[count:]
    if by in ("pcoreset", "coreset"):
        tolerance = 1e-6 if by == "pcoreset" else 1e-4
        equal, before, after = check_centres(rows, labelled, chosen, tolerance)
        text = f"; largest distance to a centre {before:.3f} before, {after:.3f} after"
    else:
        if by == "entropy":
            scores = -np.sum(rows * np.log(np.maximum(rows, 1e-300)), axis=1)
        else:
            top = np.sort(rows, axis=1)
            scores = top[:, -2] - top[:, -1]
        equal, text = check_scores(scores, labelled, chosen, 1e-6), ""
    print(f"{by}: numpy's list, {equal} of {len(chosen)} places the same, the others as good{text}")
    assert equal >= 0.9 * len(chosen)


main()
