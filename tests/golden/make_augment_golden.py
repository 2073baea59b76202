"""Writes tests/golden/augment.safetensors: the operations of torchvision's RandAugment and ColorJitter,
by Pillow, on three small images.

    python3 tests/golden/make_augment_golden.py        (torch, torchvision, Pillow, numpy, safetensors)

"image.I" are the inputs; "I.OPERATION.K" what the K-th of MAGNITUDES[OPERATION] makes of it; the
magnitudes are "magnitudes.OPERATION". tests/unit/image/test_augment.c compares, pixel by pixel.
"""
import math
import os

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torchvision.transforms import functional as F
from torchvision.transforms.autoaugment import _apply_op
from torchvision.transforms.functional import InterpolationMode

HERE = os.path.dirname(os.path.abspath(__file__))
FACTORS = [0.1, 0.55, 1.0, 1.45, 1.9, 3.0]
SIGNED = [-0.3, -0.17, 0.01, 0.09, 0.3]
# In the order of dho_operation.
MAGNITUDES = {
    "identity": [0.0], "shear_x": SIGNED, "shear_y": SIGNED,
    "translate_x": [-14.6, -3.0, 0.4, 5.9], "translate_y": [-8.2, 1.0, 7.999],
    "rotate": [-30.0, -9.0, 0.0, 1.0, 13.5, 30.0],
    "brightness": [0.0] + FACTORS, "saturation": [0.0] + FACTORS, "contrast": FACTORS, "sharpness": FACTORS,
    "posterize": [8.0, 7.0, 5.0, 4.0], "solarize": [255.0, 178.5, 127.5, 0.0],
    "auto_contrast": [0.0], "equalize": [0.0], "hue": [-0.5, -0.31, -0.001, 0.0, 0.06, 0.2, 0.5],
}
THEIRS = {"shear_x": "ShearX", "shear_y": "ShearY", "translate_x": "TranslateX", "translate_y": "TranslateY",
          "rotate": "Rotate", "posterize": "Posterize", "solarize": "Solarize", "auto_contrast": "AutoContrast",
          "equalize": "Equalize", "identity": "Identity"}
ADJUST = {"brightness": F.adjust_brightness, "saturation": F.adjust_saturation, "contrast": F.adjust_contrast,
          "sharpness": F.adjust_sharpness, "hue": F.adjust_hue}


def images():
    """Noise, smooth colours of a small range, and an image of few values, one channel constant."""
    rng = np.random.default_rng(3)
    noise = rng.integers(0, 256, (15, 19, 3))
    y, x = np.mgrid[0:24, 0:24]
    smooth = np.stack([60 + 2 * x + y, 200 - 4 * y + x // 2, 90 + 30 * np.sin(x / 5) * np.cos(y / 7)], -1)
    few = np.stack([rng.choice([10, 11, 200], (21, 18)), rng.choice([0, 255], (21, 18)), np.full((21, 18), 77)], -1)
    return [a.round().clip(0, 255).astype(np.uint8) for a in (noise, smooth, few)]


def main():
    out = {"magnitudes." + k: torch.tensor(v, dtype=torch.float64) for k, v in MAGNITUDES.items()}
    for i, pixels in enumerate(images()):
        image = Image.fromarray(pixels)
        out[f"image.{i}"] = torch.from_numpy(pixels.copy())
        for name, magnitudes in MAGNITUDES.items():
            for k, m in enumerate(magnitudes):
                made = (ADJUST[name](image, m) if name in ADJUST
                        else _apply_op(image, THEIRS[name], m, InterpolationMode.NEAREST, None))
                out[f"{i}.{name}.{k}"] = torch.from_numpy(np.array(made))
    path = os.path.join(HERE, "augment.safetensors")
    save_file(out, path)
    print(path, os.path.getsize(path), "bytes,", len(out), "tensors")


if __name__ == "__main__":
    main()
