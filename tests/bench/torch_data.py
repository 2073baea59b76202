#!/usr/bin/env python3
"""Images a second of torchvision's training transform, one process and one thread.

The peer of `dho bench data`: the same files, RandomResizedCrop, flip, normalise to float.
  pillow:  PIL.Image.open -> RGB -> RandomResizedCrop -> flip -> ToTensor -> Normalize
  tensor:  torchvision.io.decode_jpeg -> the same on uint8 tensors (v2), then float and Normalize
           (files that decode_jpeg refuses go by Pillow)
Both are run in turns for --seconds each; one line of JSON with both and the better one.

  torch_data.py ROOT [--seconds S] [--size 224] [--scale LOW HIGH] [--interpolation bicubic]
  torch_data.py --make OUT PHOTOS [--count N]   writes ImageNet-like JPEGs (see make_photos)
"""
import argparse
import io
import json
import os
import random
import time

import numpy
import torch
from PIL import Image
from torchvision import io as tvio
from torchvision.transforms import InterpolationMode, v2
from torchvision import transforms as v1

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def list_images(root):
    found = []
    for folder, _, names in os.walk(root):
        found += [os.path.join(folder, n) for n in names if n.lower().endswith((".jpg", ".jpeg"))]
    return sorted(found)


def make_photos(out, photos, count):
    """500 x 375 at quality 75 to 95, 4:2:0, from smaller photographs: enlarged (Lanczos), with grain of
    3 levels so that the entropy decoder has as much to do as on files of ImageNet's size (~110 KB)."""
    rng = numpy.random.default_rng(1)
    os.makedirs(os.path.join(out, "photo"), exist_ok=True)
    candidates = [p for p in list_images(photos)]
    random.Random(1).shuffle(candidates)
    made = total = 0
    for path in candidates:
        image = Image.open(path).convert("RGB")
        if image.width < 250 or image.height < 180:
            continue
        size = (500, 375) if image.width >= image.height else (375, 500)
        pixels = numpy.asarray(image.resize(size, Image.Resampling.LANCZOS), numpy.float32)
        grain = rng.normal(0, 7, pixels.shape[:2] + (1,)) + rng.normal(0, 2, pixels.shape)
        pixels = numpy.clip(pixels + grain, 0, 255).astype(numpy.uint8)
        name = os.path.join(out, "photo", f"{made:05d}.jpg")
        Image.fromarray(pixels).save(name, quality=int(rng.integers(75, 96)), subsampling="4:2:0")
        total += os.path.getsize(name)
        made += 1
        if made == count:
            break
    print(f"{made} files, {total / max(made, 1) / 1024:.0f} KiB each")


def pipelines(options):
    mode = InterpolationMode(options.interpolation)
    scale = tuple(options.scale)
    pillow = v1.Compose([
        v1.RandomResizedCrop(options.size, scale=scale, interpolation=mode),
        v1.RandomHorizontalFlip(),
        v1.ToTensor(),
        v1.Normalize(MEAN, STD),
    ])
    tensor = v2.Compose([
        v2.RandomResizedCrop(options.size, scale=scale, interpolation=mode, antialias=True),
        v2.RandomHorizontalFlip(),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize(MEAN, STD),
    ])

    def by_pillow(path):
        with open(path, "rb") as file:
            return pillow(Image.open(file).convert("RGB"))

    def by_tensor(path):
        try:
            pixels = tvio.decode_jpeg(tvio.read_file(path), mode=tvio.ImageReadMode.RGB)
        except RuntimeError:
            with open(path, "rb") as file:
                pixels = v2.functional.pil_to_tensor(Image.open(io.BytesIO(file.read())).convert("RGB"))
        return tensor(pixels)

    return {"pillow": by_pillow, "tensor": by_tensor}


def measure(run, paths, seconds, batch):
    """Copies into a batch, as a collate function does."""
    out = None
    done, start = 0, time.perf_counter()
    while True:
        image = run(paths[done % len(paths)])
        if out is None:
            out = torch.empty((batch,) + tuple(image.shape))
        out[done % batch].copy_(image)
        done += 1
        elapsed = time.perf_counter() - start
        if elapsed >= seconds:
            return done / elapsed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("root", nargs="?")
    parser.add_argument("--make", nargs=2, metavar=("OUT", "PHOTOS"))
    parser.add_argument("--count", type=int, default=256)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--scale", type=float, nargs=2, default=[0.08, 1.0])
    parser.add_argument("--interpolation", default="bilinear", choices=["bilinear", "bicubic"])
    options = parser.parse_args()
    if options.make:
        make_photos(*options.make, options.count)
        return
    if options.root is None:
        parser.error("ROOT is missing")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    paths = list_images(options.root)
    random.Random(0).shuffle(paths)
    result = {}
    with torch.inference_mode():
        for name, run in pipelines(options).items():
            for path in paths[:32]:
                run(path)
            result[name] = round(measure(run, paths, options.seconds, 64), 1)
    result["best"] = max(result.values())
    print(json.dumps(result))


if __name__ == "__main__":
    main()
