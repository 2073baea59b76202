"""Compares dump_image with Pillow and torchvision on every file of a folder.

usage: compare_corpus.py DUMP_IMAGE FOLDER [most levels of difference, default 1]

Every file that Pillow opens must be decoded, and after Resize + CenterCrop no pixel may differ by
more than the given number of levels. Files that the decoders treat differently on purpose are
listed below. Exit status 1 when anything fails."""

import os
import subprocess
import sys
import warnings

import numpy as np
from PIL import Image
from torchvision import transforms
from torchvision.transforms import InterpolationMode

warnings.simplefilter("ignore")
# Lossless JPEG: read by libjpeg-turbo 3 (in Pillow's wheels) but by no earlier version.
MAY_FAIL = {"jpeg_lossless_sel1-8bit.jpg"}
TRANSFORMS = [(256, 224, "bilinear"), (224, 224, "bicubic"), (48, 33, "bicubic")]


def run(tool, arguments, paths):
    """(pixels or None) for every path."""
    result = subprocess.run([tool, *map(str, arguments)], input=("\n".join(paths) + "\n").encode(),
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if result.returncode != 0:
        sys.exit(f"dump_image failed: {result.returncode}\n{result.stderr.decode()}")
    data, images, offset = result.stdout, [], 0
    for _ in paths:
        status, width, height = np.frombuffer(data, np.int32, 3, offset)
        offset += 12
        if status != 0:
            images.append(None)
            continue
        size = int(width) * int(height) * 3
        pixels = np.frombuffer(data, np.uint8, size, offset).reshape(height, width, 3)
        images.append(pixels)
        offset += size
    return images


def pillow(path):
    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except Exception:
        return None


def difference(ours, theirs):
    theirs = np.asarray(theirs)
    if ours.shape != theirs.shape:
        return 256
    return int(np.abs(ours.astype(int) - theirs.astype(int)).max())


def main():
    tool, folder = sys.argv[1:3]
    allowed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    paths = sorted(os.path.join(top, f) for top, _, files in os.walk(folder) for f in files)
    expected = [pillow(p) for p in paths]
    failures = 0
    runs = [("decode", [], lambda image: image)]
    for short, crop, filter_name in TRANSFORMS:
        mode = InterpolationMode.BICUBIC if filter_name == "bicubic" else InterpolationMode.BILINEAR
        transform = transforms.Compose(
            [transforms.Resize(short, interpolation=mode), transforms.CenterCrop(crop)])
        runs.append(("eval", [short, crop, filter_name], transform))
    for command, arguments, transform in runs:
        label = " ".join(map(str, [command, *arguments]))
        most = compared = only_ours = 0
        for path, ours, image in zip(paths, run(tool, [command, *arguments], paths), expected):
            if image is None:
                only_ours += ours is not None
                continue
            if ours is None:
                if os.path.basename(path) not in MAY_FAIL:
                    print(f"{label}: {path}: Pillow reads it, dho does not")
                    failures += 1
                continue
            levels = difference(ours, transform(image))
            compared += 1
            most = max(most, levels)
            if levels > allowed:
                print(f"{label}: {path}: differs by {levels} levels")
                failures += 1
        print(f"{label}: {compared} of {len(paths)} files compared, largest difference {most}"
              f" ({only_ours} more decoded that Pillow refuses)")
    sys.exit(1 if failures else 0)


main()
