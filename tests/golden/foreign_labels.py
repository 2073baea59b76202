"""Soft labels as FKD and TinyViT save them, and what a teacher cache made of them must say.

    foreign_labels.py write IMAGES WORK          writes WORK/{fkd,tinyvit,tinyvit_names}
    foreign_labels.py check IMAGES WORK KIND...  compares WORK/KIND.cache with them
Written from the formats' description (docs/teacher-cache.md), with torch and numpy themselves.
"""
import glob
import json
import math
import os
import struct
import sys

import numpy as np
import torch
from numpy.random import PCG64, Generator
from PIL import Image

VIEWS, TOP = 3, 5


def listing(images):
    """(path, label) in the order of torchvision's ImageFolder."""
    classes = sorted(os.listdir(images))
    return [(os.path.join(images, name, file), label) for label, name in enumerate(classes)
            for file in sorted(os.listdir(os.path.join(images, name)))], len(classes)


def redraw(seed, width, height):
    """Box (x, y, width, height) and flip that TinyViT draws from a seed."""
    rng = Generator(PCG64(seed=seed))
    box = None
    for _ in range(10):
        area = (rng.random() * (1.0 - 0.08) + 0.08) * (width * height)
        low, high = math.log(3 / 4), math.log(4 / 3)
        ratio = math.exp(rng.random() * (high - low) + low)
        w, h = int(round(math.sqrt(area * ratio))), int(round(math.sqrt(area / ratio)))
        if w <= width and h <= height:
            y = min(int(rng.random() * (height - h + 1)), height - h)
            x = min(int(rng.random() * (width - w + 1)), width - w)
            box = (x, y, w, h)
            break
    if box is None:
        w, h = width, height
        if width / height < 3 / 4:
            h = int(round(width / (3 / 4)))
        elif width / height > 4 / 3:
            w = int(round(height * (4 / 3)))
        box = ((width - w) // 2, (height - h) // 2, w, h)
    return box, bool(rng.random() < 0.5)


def probabilities(generator, label, classes):
    logits = torch.randn(VIEWS, classes, generator=generator) * 3
    logits[:, label] += 6
    return torch.softmax(logits, dim=1)


def write(images, work):
    samples, classes = listing(images)
    generator = torch.Generator().manual_seed(1)
    rng = np.random.default_rng(2)
    values = {}
    truth = []
    for position, (path, label) in enumerate(samples):
        width, height = Image.open(path).size
        p = probabilities(generator, label, classes)
        top = torch.topk(p, TOP, dim=1)
        # FKD: torchvision's boxes as fractions, a permuted (not contiguous) array, float indices.
        seeds = rng.integers(0, 1 << 31, VIEWS)
        drawn = [redraw(int(seed), width, height) for seed in seeds]
        coords = torch.stack([torch.FloatTensor((b[1] / height, b[0] / width, b[3] / height,
                                                 b[2] / width)) for b, _ in drawn])
        coords = torch.stack([coords, coords]).permute(1, 0, 2)[:, 0]
        flips = torch.tensor([flip for _, flip in drawn])
        labels = torch.stack([torch.stack([i, v], dim=0) for i, v in zip(top.indices, top.values)])
        target = os.path.join(work, "fkd", os.path.basename(os.path.dirname(path)))
        os.makedirs(target, exist_ok=True)
        name = os.path.basename(path).split(".")[0]
        torch.save([coords.numpy(), flips.numpy(), labels.numpy()],
                   os.path.join(target, name + ".tar"))
        # TinyViT: values of ranks 0 and 1, the first two images again on the other rank.
        for epoch in range(VIEWS):
            record = (np.int32(seeds[epoch]).tobytes()
                      + top.indices[epoch].to(torch.int16).numpy().tobytes()
                      + top.values[epoch].to(torch.float16).numpy().tobytes())
            rank = (position + epoch) % 2
            values.setdefault((epoch, rank), []).append((position, name, record))
            if position < 2:
                values.setdefault((epoch, 1 - rank), []).append((position, name, record))
        truth.append([[list(map(int, b)), f] for b, f in drawn])
    for folder in ("tinyvit", "tinyvit_names"):
        for (epoch, rank), items in values.items():
            target = os.path.join(work, folder, f"logits_top{TOP}_epoch{epoch}")
            os.makedirs(target, exist_ok=True)
            with open(os.path.join(target, f"rank{rank}-keys.txt"), "w") as keys:
                for position, name, _ in items:
                    keys.write((str(position) if folder == "tinyvit" else name) + "\n")
            with open(os.path.join(target, f"rank{rank}-values.bin"), "wb") as file:
                file.write(b"".join(record for _, _, record in items))
    with open(os.path.join(work, "truth.json"), "w") as file:
        json.dump(truth, file)


def saved_labels(work, kind, samples, classes):
    """[image][view]: all classes' probabilities, as the programs that saved them read them back."""
    out = np.zeros((len(samples), VIEWS, classes))
    if kind == "fkd":
        for position, (path, _) in enumerate(samples):
            name = os.path.basename(path).split(".")[0] + ".tar"
            file = os.path.join(work, "fkd", os.path.basename(os.path.dirname(path)), name)
            label = torch.load(file, weights_only=False)[2].astype(np.float64)
            for v in range(VIEWS):
                out[position, v] = (1 - label[v, 1].sum()) / (classes - TOP)
                out[position, v, label[v, 0].astype(int)] = label[v, 1]
        return out
    for epoch in range(VIEWS):
        for rank in (1, 0):
            stem = os.path.join(work, "tinyvit", f"logits_top{TOP}_epoch{epoch}", f"rank{rank}-")
            keys = [int(line) for line in open(stem + "keys.txt")]
            data = open(stem + "values.bin", "rb").read()
            size = 4 + 4 * TOP
            for row, position in enumerate(keys):
                item = data[row * size:(row + 1) * size]
                ids = np.frombuffer(item[4:4 + 2 * TOP], np.int16)
                p = np.frombuffer(item[4 + 2 * TOP:], np.float16).astype(np.float64)
                out[position, epoch] = (1 - p.sum()) / (classes - TOP)
                out[position, epoch, ids] = p
    return out


def cached(folder, classes):
    """{(image, view): (box, flip, logits)} read by the format's description."""
    manifest = json.load(open(os.path.join(folder, "cache.json")))
    views, top, shards = manifest["views"], manifest["top"], manifest["shards"]
    size = 10 + 8 + 4 * top
    out = {}
    for path in sorted(glob.glob(os.path.join(folder, "shard-*"))):
        data = open(path, "rb").read()
        shard, = struct.unpack_from("<I", data, 16)
        records, = struct.unpack_from("<Q", data, 40)
        for r in range(records):
            at = 256 + r * size
            x, y, w, h, flags = struct.unpack_from("<5H", data, at)
            largest, rest = struct.unpack_from("<2f", data, at + 10)
            logits = np.full(classes, largest + rest - math.log(classes - top))
            for k in range(top):
                c, = struct.unpack_from("<H", data, at + 18 + 4 * k)
                logits[c] = largest + struct.unpack_from("<e", data, at + 20 + 4 * k)[0]
            out[shard + r // views * shards, r % views] = ([x, y, w, h], bool(flags), logits)
    return out


def soften(p, temperature):
    powers = np.maximum(p, 0) ** (1 / temperature)
    return powers / powers.sum()


def check(images, work, kind):
    samples, classes = listing(images)
    truth = json.load(open(os.path.join(work, "truth.json")))
    labels = saved_labels(work, kind, samples, classes)
    records = cached(os.path.join(work, kind + ".cache"), classes)
    assert len(records) == len(samples) * VIEWS, len(records)
    worst = {1: 0.0, 2: 0.0}
    for (image, view), (box, flip, logits) in records.items():
        assert [box, flip] == truth[image][view], (image, view, box, flip, truth[image][view])
        p = np.exp(logits)
        for temperature in worst:
            difference = soften(p, temperature) - soften(labels[image, view], temperature)
            worst[temperature] = max(worst[temperature], np.abs(difference).sum() / 2)
    assert worst[1] < 1e-3 and worst[2] < 1e-3, worst
    print(f"{kind}: {len(records)} views: boxes and flips equal, total variation of the labels at most "
          f"{worst[1]:.1e} at T = 1, {worst[2]:.1e} at T = 2")


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write(sys.argv[2], sys.argv[3])
    else:
        for which in sys.argv[4:]:
            check(sys.argv[2], sys.argv[3], which)
