"""The Python side of tests/oracle/weights.sh: torchvision as the reference.

make DIR:              a ResNet-18 as resnet18.pt and resnet18.safetensors, a ResNet-50 as DINO's two
                       files dino.pth (backbone) and dino_full.pth, a MobileNetV2 as mobilenet_v2.pth
                       (of PyTorch before 1.6) and under timm's names as mobilenet_v2_timm.pth, a
                       ConvNeXt-Tiny of torchvision and a ViT-S/16 of timm, for 64 pixels, and a few
                       PNGs of 64 pixels in class folders DIR/images/<class>/; public_MODEL.pt of three
                       models, as the method's public few-shot code saves its students.
backbone DIR FILE:     FILE's backbone (an export) is DIR's, bit for bit.
logits DIR FILE OUT HEAD: torchvision's resnet18 loads FILE strictly and its logits on DIR/images
                       are those that dho eval wrote into OUT (tensor logits_HEAD).
modern DIR:            the same of convnext_tiny (torchvision) and vit_s16 (timm).
models DIR:            the same for DIR/{resnet50,mobilenet_v2}.safetensors and DIR/MODEL/eval, and timm
                       loads resnet50.safetensors and mobilenet_v2_timm.safetensors strictly, with
                       the same logits.
public DIR:            the logits of both heads of DIR/public_MODEL.pt are those in DIR/public_MODEL/eval.
"""
import argparse
import os
import sys

import numpy as np
import timm
import torch
import torchvision
from PIL import Image
from safetensors.torch import load_file, save_file

CLASSES = ["ant", "bee", "cat"]
FEATURES = {"resnet18": 512, "resnet50": 2048, "mobilenet_v2": 1280}
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def randomise(model):
    with torch.no_grad():
        for name, buffer in model.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_(0, 0.1)
            elif name.endswith("running_var"):
                buffer.uniform_(0.5, 1.5)
        for parameter in model.parameters():  # zeros would not stay zeros at the least rate
            if parameter.dim() == 1:
                parameter.uniform_(0.5, 1)
    return model.state_dict()


def save_dino(folder, state):
    """torch.hub's file is a backbone without fc; the full one is of two wrapped networks."""
    backbone = {k: v for k, v in state.items() if not k.startswith("fc.")}
    torch.save(backbone, os.path.join(folder, "dino.pth"))
    network = {f"module.backbone.{k}": v for k, v in backbone.items()}
    network |= {"module.head.mlp.0.weight": torch.zeros(2, 2048),
                "module.head.last_layer.weight_g": torch.ones(2, 1)}
    torch.save({"student": network, "teacher": network, "epoch": 800,
                "optimizer": {"state": {0: {"momentum_buffer": torch.zeros(2)}},
                              "param_groups": [{"lr": 0.1, "params": [0]}]},
                "args": argparse.Namespace(arch="resnet50", lr=0.03), "dino_loss": {"center": torch.zeros(1, 2)}},
               os.path.join(folder, "dino_full.pth"))


def save_mobilenet(folder, state):
    torch.save(state, os.path.join(folder, "mobilenet_v2.pth"), _use_new_zipfile_serialization=False)
    model = timm.create_model("mobilenetv2_100", num_classes=3)
    renamed = dict(zip(model.state_dict(), state.values(), strict=True))  # both in the order of layers
    model.load_state_dict(renamed, strict=True)
    torch.save(renamed, os.path.join(folder, "mobilenet_v2_timm.pth"))


def public_student(model):
    """A few-shot student of the method's public code: a Sequential of all children but the last, and two heads."""
    network = torchvision.models.get_model(model)
    student = torch.nn.Module()
    student.backbone = torch.nn.Sequential(*list(network.children())[:-1])
    for head in "ce_head", "kd_head":
        setattr(student, head, torch.nn.Linear(FEATURES[model], 3))
    return student


def save_public(folder, model):
    torch.save({"model_state_dict": randomise(public_student(model)), "alpha": np.float64(0.35),
                "beta": np.float64(1.25)}, os.path.join(folder, f"public_{model}.pt"))


def make(folder):
    torch.manual_seed(1)
    state = randomise(torchvision.models.resnet18(num_classes=3))
    torch.save({"epoch": 1, "state_dict": {f"module.{k}": v for k, v in state.items()}},
               os.path.join(folder, "resnet18.pt"))
    save_file(state, os.path.join(folder, "resnet18.safetensors"))
    save_dino(folder, randomise(torchvision.models.resnet50(num_classes=3)))
    save_mobilenet(folder, randomise(torchvision.models.mobilenet_v2(num_classes=3)))
    for model in FEATURES:
        save_public(folder, model)
    for model in "convnext_tiny", "vit_s16":
        torch.save(randomise(build(model)), os.path.join(folder, f"{model}.pth"))
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


def images(folder):
    dataset = torchvision.datasets.ImageFolder(
        os.path.join(folder, "images"), torchvision.transforms.Compose([
            torchvision.transforms.ToTensor(), torchvision.transforms.Normalize(MEAN, STD)]))
    return torch.stack([image for image, _ in dataset]), [label for _, label in dataset]


def run(model, path, pixels):
    model.load_state_dict(load_file(path), strict=True)
    with torch.no_grad():
        return model.eval()(pixels)


def build(model):
    if model == "vit_s16":  # torchvision has no such size
        return timm.create_model("vit_small_patch16_224", img_size=64, num_classes=3)
    return torchvision.models.get_model(model, num_classes=3)


def logits(folder, path, out, head, model="resnet18"):
    pixels, labels = images(folder)
    expected = run(build(model), path, pixels)
    file = load_file(out)
    assert file["labels"].tolist() == labels
    difference = (file[f"logits_{head}"] - expected).abs().max().item()
    print(f"logits_{head}: largest difference {difference:.1e} of {expected.abs().max():.2f}")
    assert difference < 1e-5 * expected.abs().max().item()
    return expected


def modern(folder):
    for model in "convnext_tiny", "vit_s16":
        logits(folder, os.path.join(folder, f"{model}.safetensors"),
               os.path.join(folder, model, "eval", "a.safetensors"), "ce", model)


def models(folder):
    for model, name, file in [("resnet50", "resnet50", "resnet50"),
                              ("mobilenet_v2", "mobilenetv2_100", "mobilenet_v2_timm")]:
        expected = logits(folder, os.path.join(folder, f"{model}.safetensors"),
                          os.path.join(folder, model, "eval", "a.safetensors"), "ce", model)
        other = run(timm.create_model(name, num_classes=3),
                    os.path.join(folder, f"{file}.safetensors"), images(folder)[0])
        difference = (other - expected).abs().max().item() / expected.abs().max().item()
        print(f"{name} of timm: largest difference to torchvision {difference:.1e} of the largest")
        assert difference < 1e-5


def public(folder):
    pixels, _ = images(folder)
    for model in FEATURES:
        student = public_student(model).eval()
        student.load_state_dict(torch.load(os.path.join(folder, f"public_{model}.pt"), weights_only=False)
                                ["model_state_dict"])
        file = load_file(os.path.join(folder, f"public_{model}", "eval", "a.safetensors"))
        with torch.no_grad():
            features = student.backbone(pixels)
            features = torch.nn.functional.adaptive_avg_pool2d(features, (1, 1)).flatten(1)
            for name in "ce", "kd":
                expected = getattr(student, f"{name}_head")(features)
                difference = (file[f"logits_{name}"] - expected).abs().max().item()
                print(f"{model}, {name}: largest difference {difference:.1e} of {expected.abs().max():.2f}")
                assert difference < 1e-5 * expected.abs().max().item()


if __name__ == "__main__":
    {"make": make, "backbone": backbone, "logits": logits, "models": models, "public": public,
     "modern": modern}[sys.argv[1]](*sys.argv[2:])
