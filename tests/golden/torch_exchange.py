"""The Python side of tests/e2e/weights.sh: torchvision as the reference.

make DIR:              a ResNet-18 as resnet18.pt and resnet18.safetensors, and a few PNGs of 64
                       pixels in class folders DIR/images/<class>/.
backbone DIR FILE:     FILE's backbone (an export) is DIR's, bit for bit.
logits DIR FILE OUT HEAD: torchvision's resnet18 loads FILE strictly and its logits on DIR/images
                       are those that dho eval wrote into OUT (tensor logits_HEAD).
"""
import os
import sys

import numpy as np
import torch
import torchvision
from PIL import Image
from safetensors.torch import load_file, save_file

CLASSES = ["ant", "bee", "cat"]
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def make(folder):
    torch.manual_seed(1)
    model = torchvision.models.resnet18(num_classes=3)
    with torch.no_grad():
        for name, buffer in model.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_(0, 0.1)
            elif name.endswith("running_var"):
                buffer.uniform_(0.5, 1.5)
        for parameter in model.parameters():  # zeros would not stay zeros at the least rate
            if parameter.dim() == 1:
                parameter.uniform_(0.5, 1)
    state = model.state_dict()
    torch.save({"epoch": 1, "state_dict": {f"module.{k}": v for k, v in state.items()}},
               os.path.join(folder, "resnet18.pt"))
    save_file(state, os.path.join(folder, "resnet18.safetensors"))
    random = np.random.default_rng(2)
    for name in CLASSES:
        os.makedirs(os.path.join(folder, "images", name))
        for i in range(4):
            pixels = random.integers(0, 256, (8, 8, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
            Image.fromarray(pixels).save(os.path.join(folder, "images", name, f"{i}.png"))


def backbone(folder, path):
    ours, theirs = load_file(path), load_file(os.path.join(folder, "resnet18.safetensors"))
    running = ("running_mean", "running_var", "num_batches_tracked")
    for name, value in theirs.items():
        if name.startswith("fc.") or name.endswith(running):
            continue
        assert torch.equal(ours[name], value), name


def logits(folder, path, out, head):
    model = torchvision.models.resnet18(num_classes=3)
    model.load_state_dict(load_file(path), strict=True)
    model.eval()
    dataset = torchvision.datasets.ImageFolder(
        os.path.join(folder, "images"), torchvision.transforms.Compose([
            torchvision.transforms.ToTensor(), torchvision.transforms.Normalize(MEAN, STD)]))
    with torch.no_grad():
        expected = model(torch.stack([image for image, _ in dataset]))
    file = load_file(out)
    assert file["labels"].tolist() == [label for _, label in dataset]
    difference = (file[f"logits_{head}"] - expected).abs().max().item()
    print(f"logits_{head}: largest difference {difference:.1e} of {expected.abs().max():.2f}")
    assert difference < 1e-3


if __name__ == "__main__":
    {"make": make, "backbone": backbone, "logits": logits}[sys.argv[1]](*sys.argv[2:])
