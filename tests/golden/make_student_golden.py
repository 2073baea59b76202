"""Writes tests/golden/<model>_dho.safetensors: one DHO training trajectory per student in PyTorch,
float64.

Narrow students (torchvision's blocks and names) with two heads, labelled and unlabelled rows
stacked in one forward. Kept: initial weights, inputs, the first step's logits, losses and
gradients, and the weights and running statistics after ten AdamW steps.

    python3 tests/golden/make_student_golden.py [model ...]      (torch, torchvision, safetensors;
                                                                  open_clip for CLIP's towers)
    python3 tests/golden/make_student_golden.py --full DIR [model ...]

The second writes one step of CLIP's towers at their published size into DIR, for
DHO_GOLDEN_FULL=DIR build/release/tests/test_golden; 1.4 GB, and 10 GB of memory.

    python3 tests/golden/make_student_golden.py --wide

writes the first step of a ResNet-18 of 32 channels, which goes Winograd's way: 40 pixels for fp32,
112 for bf16. Of a gradient only some elements are kept; the weights are drawn from their names, by
the test again (tests/unit/train/test_golden_wide.c).

A ReLU, ReLU6 or maximum that float32 and float64 decide differently changes gradients by a percent,
and in the deep students everything after it. The seeds are such that this happens with none of the
ways that the backends have of rounding (BLIS's haswell and generic kernels, oneDNN's AVX-512, AVX2
and SSE4.1 ones); another version of torch may draw other numbers and need others.
"""
import copy
import os
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import save_file
from torchvision.models import MobileNetV2
from torchvision.models.mobilenetv2 import InvertedResidual
from torchvision.models.resnet import BasicBlock, Bottleneck

CLASSES, LABELLED, ROWS, STEPS, TEMPERATURE = 5, 3, 7, 10, 2.0
# Scale of the last normalisation of a block in the deep students: fifty random layers at scale 1
# make the gradient at the image a hundred times that at the heads, and rounding errors with it.
CALM = (0.1, 0.4)


class ResNet(nn.Module):
    """torchvision's ResNet, whose stem has a fixed width, with another width."""

    def __init__(self, block, blocks, width):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        planes = width
        for stage in range(4):
            inner, stride = width << stage, 1 if stage == 0 else 2
            out = inner * block.expansion
            down = None
            if stride != 1 or planes != out:
                down = nn.Sequential(nn.Conv2d(planes, out, 1, stride, bias=False), nn.BatchNorm2d(out))
            layers = [block(planes, inner, stride, down)]
            layers += [block(out, inner) for _ in range(1, blocks[stage])]
            setattr(self, f"layer{stage + 1}", nn.Sequential(*layers))
            planes = out
        self.feature_dim = planes
        for module in self.modules():
            if isinstance(module, Bottleneck):
                nn.init.uniform_(module.bn3.weight, *CALM)

    def backbone(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        for stage in range(4):
            x = getattr(self, f"layer{stage + 1}")(x)
        return x


class MobileNet(nn.Module):
    def __init__(self, width):
        super().__init__()
        model = MobileNetV2(width_mult=width / 32)
        self.features = model.features
        self.feature_dim = model.last_channel
        # With scale 1, hardly any number would pass 6.
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.weight, 1, 3)
                nn.init.uniform_(module.bias, -1, 2)
        for module in self.modules():
            if isinstance(module, InvertedResidual):
                nn.init.uniform_(module.conv[-1].weight, *CALM)
                nn.init.uniform_(module.conv[-1].bias, -0.2, 0.2)

    def backbone(self, x):
        return self.features(x)


class Clip(nn.Module):
    """An image tower of open_clip; its features are the embedding."""

    def __init__(self, tower, feature_dim):
        super().__init__()
        self.visual = tower
        self.feature_dim = feature_dim


def clip_vit(width, layers, patch, size, embed, head=8):
    from open_clip.transformer import QuickGELU, VisionTransformer
    tower = VisionTransformer(image_size=size, patch_size=patch, width=width, layers=layers,
                              heads=width // head, mlp_ratio=4.0, output_dim=embed, act_layer=QuickGELU)
    for k, p in tower.named_parameters():  # what torch starts at 0 or 1
        if k.endswith("bias"):
            nn.init.normal_(p, 0, 0.1)
        elif "ln_" in k:
            nn.init.normal_(p, 1, 0.2)
    return Clip(tower, embed)


def clip_rn50(width, size, head=8):
    from open_clip.modified_resnet import ModifiedResNet
    tower = ModifiedResNet([3, 4, 6, 3], 16 * width, 32 * width // head, size, width)
    for k, p in tower.named_parameters():
        if k.startswith("layer") and k.endswith("bn3.weight"):
            nn.init.uniform_(p, *CALM)
        elif k.endswith("bias"):  # at 0, the one channel's scale would have no gradient
            nn.init.uniform_(p, -0.3, 0.3)
    return Clip(tower, 16 * width)


class Vit(nn.Module):
    """timm's vision transformer; its features are the class token behind the last normalisation."""

    def __init__(self, width, layers, patch, size, head=8):
        super().__init__()
        from timm.models.vision_transformer import VisionTransformer
        self.vit = VisionTransformer(img_size=size, patch_size=patch, num_classes=0, embed_dim=width,
                                     depth=layers, num_heads=width // head)
        self.feature_dim = width
        for k, p in self.named_parameters():  # what timm starts at 0, 1 or 1e-6
            if k.endswith("bias") or k.endswith("token"):
                nn.init.normal_(p, 0, 0.1)
            elif "norm" in k:
                nn.init.normal_(p, 1, 0.2)

    def features(self, x):
        return self.vit(x)


class ConvNeXt(nn.Module):
    """torchvision's ConvNeXt-Tiny of another width; the classifier's normalisation is the backbone's."""

    def __init__(self, width):
        super().__init__()
        from torchvision.models.convnext import CNBlockConfig, ConvNeXt
        widths = [width << stage for stage in range(4)]
        settings = [CNBlockConfig(w, n, d) for w, n, d in zip(widths, widths[1:] + [None], [3, 3, 9, 3])]
        model = ConvNeXt(settings, stochastic_depth_prob=0.0, num_classes=1)
        self.features_ = model.features
        self.classifier = nn.Sequential(model.classifier[0])
        self.feature_dim = widths[-1]
        for k, p in self.named_parameters():  # as published 1e-6, which hides the blocks
            if "layer_scale" in k:
                nn.init.uniform_(p, *CALM)
            elif k.endswith("bias"):
                nn.init.normal_(p, 0, 0.1)
            elif p.dim() == 1:
                nn.init.normal_(p, 1, 0.2)
            else:
                nn.init.normal_(p, 0, (p[0].numel()) ** -0.5)

    def features(self, x):
        return self.classifier(self.features_(x).mean(dim=(2, 3), keepdim=True)).flatten(1)


class Student(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net
        self.head_ce = nn.Linear(net.feature_dim, CLASSES)
        self.head_kd = nn.Linear(net.feature_dim, CLASSES)
        if isinstance(net, Clip):  # not to start with a scale of 100
            self.head_kd.weight.data /= 10
            self.head_kd.bias.data /= 100

    def forward(self, x):
        if isinstance(self.net, Clip):
            x = self.net.visual(x)
            return self.head_ce(x), 100 * self.head_kd(F.normalize(x, dim=1))
        if isinstance(self.net, (Vit, ConvNeXt)):
            x = self.net.features(x)
        else:
            x = self.net.backbone(x).mean(dim=(2, 3))
        return self.head_ce(x), self.head_kd(x)


# model -> (constructor, image size, AdamW's lr and eps, whether the initial weights are drawn in
# float16, which keeps the file small, seed). tests/unit/train/test_golden.c has the same numbers.
#
# MobileNetV2's eps: what follows a linear bottleneck is a 1x1 convolution and a normalisation, which
# removes the bottleneck's bias again: its gradient is zero but for rounding. With the usual eps,
# AdamW would make whole steps of that noise. The deep students' lr: larger steps make them chaotic
# on so few pixels.
MODELS = {
    "resnet18": (lambda: ResNet(BasicBlock, [2, 2, 2, 2], 4), 40, 1e-3, 1e-8, False, 7),
    "resnet50": (lambda: ResNet(Bottleneck, [3, 4, 6, 3], 3), 33, 1e-4, 1e-8, True, 2),
    "mobilenet_v2": (lambda: MobileNet(2), 33, 5e-5, 1e-2, True, 4),
    # The biases of keys have no gradient but rounding: eps again.
    "clip_vit_l14": (lambda: clip_vit(16, 3, 14, 28, 12), 28, 1e-3, 1e-2, True, 1),
    "clip_rn50": (lambda: clip_rn50(2, 32), 32, 1e-4, 1e-2, True, 3),
    "vit_s16": (lambda: Vit(16, 3, 16, 32), 32, 1e-3, 1e-2, True, 1),
    "convnext_tiny": (lambda: ConvNeXt(4), 64, 1e-3, 1e-4, True, 1),
}


# Published sizes: one step only. RN50's last normalisations start at 0 as published, which hides the
# blocks, so that they are drawn here, too.
FULL = {
    "clip_vit_b16": (lambda: clip_vit(768, 12, 16, 224, 512, 64), 224, 1e-3, 1e-2, False, 1),
    "clip_rn50": (lambda: clip_rn50(64, 224, 64), 224, 1e-4, 1e-2, False, 1),
}


def kl(student, teacher):
    """T^2 * batchmean KL(teacher || student), as the method has it."""
    return TEMPERATURE**2 * F.kl_div(F.log_softmax(student / TEMPERATURE, 1),
                                     F.softmax(teacher / TEMPERATURE, 1), reduction="batchmean")


def name(key):
    return key.removeprefix("net.").removeprefix("vit.").replace("features_.", "features.")


def relative(a, b):
    """|a - b| / |b| over lists of tensors."""
    a, b = (torch.cat([t.double().flatten() for t in x]) for x in (a, b))
    return (torch.linalg.vector_norm(a - b) / torch.linalg.vector_norm(b)).item()


def bf16_errors(model, out, images, labels, teacher, kept=lambda t: t):
    """How far PyTorch's own bf16 (autocast) is from float64 in the first step: relative errors of
    both heads' logits, of all gradients, and of each one; of what is kept of them. What dho's bf16 is
    measured against."""
    model = copy.deepcopy(model).float()
    with torch.autocast("cpu", torch.bfloat16):
        ce_logits, kd_logits = model(images.float())
    loss = F.cross_entropy(ce_logits[:LABELLED].float(), labels)
    for rows in (slice(0, LABELLED), slice(LABELLED, None)):
        loss = loss + kl(kd_logits[rows].float(), teacher[rows].float())
    model.zero_grad()
    loss.backward()
    gradients = {name(k): kept(v.grad) for k, v in model.named_parameters()}
    errors = [relative([ce_logits, kd_logits], [out["logits_ce"], out["logits_kd"]]),
              relative(gradients.values(), [out[f"gradient.{k}"] for k in gradients])]
    out["bf16_errors"] = torch.tensor(errors).float()
    for k, v in gradients.items():
        out[f"bf16_error.{k}"] = torch.tensor([relative([v], [out[f"gradient.{k}"]])]).float()


def fp32_error(model, out, images, labels, teacher):
    """The relative error of the gradients in PyTorch's own float32: at this size some ReLUs are always
    decided otherwise than in float64."""
    model = copy.deepcopy(model).float()
    ce_logits, kd_logits = model(images.float())
    loss = F.cross_entropy(ce_logits[:LABELLED], labels)
    for rows in (slice(0, LABELLED), slice(LABELLED, None)):
        loss = loss + kl(kd_logits[rows], teacher[rows].float())
    model.zero_grad()
    loss.backward()
    gradients = {name(k): v.grad for k, v in model.named_parameters()}
    return relative(gradients.values(), [out[f"gradient.{k}"] for k in gradients])


def trajectory(build, size, lr, eps, half, seed, steps=STEPS):
    torch.manual_seed(seed)
    torch.set_default_dtype(torch.float64)
    model = Student(build())
    # The file's type holds the initial state exactly, float32 the inputs.
    kept = torch.float16 if half else torch.float32
    for p in model.parameters():
        p.data = p.data.to(kept).double()
    images = torch.randn(2, ROWS, 3, size, size).to(kept).double()
    labels = torch.randint(0, CLASSES, (2, LABELLED))
    teacher = (3 * torch.randn(2, ROWS, CLASSES)).float().double()
    out = {f"initial.{name(k)}": v.to(kept).contiguous() for k, v in model.named_parameters()}
    out["images"] = images.permute(0, 1, 3, 4, 2).to(kept).contiguous()  # NHWC
    out["labels"] = labels
    out["teacher"] = teacher.float()
    initial = copy.deepcopy(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, eps=eps, weight_decay=0.05)
    totals = []
    for step in range(steps):
        b = step % 2
        ce_logits, kd_logits = model(images[b])
        ce = F.cross_entropy(ce_logits[:LABELLED], labels[b])
        kd_l = kl(kd_logits[:LABELLED], teacher[b, :LABELLED])
        kd_u = kl(kd_logits[LABELLED:], teacher[b, LABELLED:])
        loss = ce + kd_l + kd_u
        optimizer.zero_grad()
        loss.backward()
        totals.append(loss.item())
        if step == 0:
            out["logits_ce"], out["logits_kd"] = ce_logits.detach().float(), kd_logits.detach().float()
            out["losses"] = torch.tensor([ce.item(), kd_l.item(), kd_u.item()]).float()
            for k, v in model.named_parameters():
                out[f"gradient.{name(k)}"] = v.grad.float().contiguous()
        optimizer.step()
    out["totals"] = torch.tensor(totals).float()
    bf16_errors(initial, out, images[0], labels[0], teacher[0])
    if steps == 1:
        error = fp32_error(initial, out, images[0], labels[0], teacher[0])
        out["fp32_error"] = torch.tensor([error]).float()
    for k, v in model.named_parameters():
        out[f"final.{name(k)}"] = v.detach().float().contiguous()
    for k, v in model.named_buffers():
        if "num_batches" not in k:
            out[f"final.{name(k)}"] = v.float().contiguous()
    return out, totals


# --- a ResNet-18 wide enough for Winograd's convolutions: one step, and little of it is kept ---

SAMPLES = 1024  # elements of each gradient
# image size, seed: such that no ReLU of the small one is within 1e-5 of 0, for which see above.
WIDE = {"resnet18_wide": (40, 87), "resnet18_wide_bf16": (112, 0)}


def drawn(key, seed, count):
    """`count` float32 numbers in [-0.5, 0.5) from a parameter's name (FNV-1a, then a mixer)."""
    x = 2166136261 ^ seed
    for c in key.encode():
        x = (x ^ c) * 16777619 % 2**32
    x = np.uint32(x) + np.arange(count, dtype=np.uint32)
    x = (x ^ (x >> 16)) * np.uint32(0x7FEB352D)
    x = (x ^ (x >> 15)) * np.uint32(0x846CA68B)
    return ((x ^ (x >> 16)) >> 8).astype(np.float32) / np.float32(2**24) - np.float32(0.5)


def draw_parameter(key, p, seed):
    """Convolutions and linear layers as torch spreads them; scales about 1."""
    v = drawn(key, seed, p.numel())
    if p.dim() == 4:  # in dho's order
        out, inner, height, width = p.shape
        v *= np.float32(np.sqrt(24 / (out * height * width)))
        return torch.from_numpy(v).reshape(out, height, width, inner).permute(0, 3, 1, 2)
    if p.dim() == 2:
        v *= np.float32(2 / np.sqrt(p.shape[1]))
    elif key.endswith("weight"):
        v += np.float32(1)
    return torch.from_numpy(v).reshape(p.shape)


def sampled(t):
    """SAMPLES elements, evenly from all over the tensor as dho has it in memory."""
    flat = (t.permute(0, 2, 3, 1) if t.dim() == 4 else t).flatten()
    count = min(SAMPLES, flat.numel())
    return flat[torch.arange(count) * flat.numel() // count].clone()


def wide_model(seed):
    torch.set_default_dtype(torch.float64)
    model = Student(ResNet(BasicBlock, [2, 2, 2, 2], 32))
    for k, p in model.named_parameters():
        p.data = draw_parameter(name(k), p, seed).double()
    return model


def wide_inputs(size, seed):
    torch.manual_seed(seed)
    images = torch.randn(ROWS, 3, size, size).half().double()
    labels = torch.randint(0, CLASSES, (LABELLED,))
    return images, labels, (3 * torch.randn(ROWS, CLASSES)).float().double()


def wide(size, seed):
    model = wide_model(seed)
    images, labels, teacher = wide_inputs(size, seed)
    ce_logits, kd_logits = model(images)
    losses = [F.cross_entropy(ce_logits[:LABELLED], labels),
              kl(kd_logits[:LABELLED], teacher[:LABELLED]), kl(kd_logits[LABELLED:], teacher[LABELLED:])]
    sum(losses).backward()
    out = {"seed": torch.tensor([seed]), "labels": labels, "teacher": teacher.float(),
           "images": images.permute(0, 2, 3, 1).half().contiguous(),
           "logits_ce": ce_logits.detach().float(), "logits_kd": kd_logits.detach().float(),
           "losses": torch.stack(losses).detach().float()}
    for k, p in model.named_parameters():
        out[f"gradient.{name(k)}"] = sampled(p.grad).float()
    bf16_errors(model, out, images, labels, teacher, sampled)
    return out


def main():
    if sys.argv[1:2] == ["--wide"]:
        for model, (size, seed) in WIDE.items():
            out = wide(size, seed)
            path = os.path.join(os.path.dirname(__file__), f"{model}.safetensors")
            save_file(out, path)
            print(path, os.path.getsize(path), "bytes, losses", out["losses"].tolist(),
                  "bf16 errors", out["bf16_errors"].tolist())
        return
    if sys.argv[1:2] == ["--full"]:
        for model in sys.argv[3:] or FULL:
            out, totals = trajectory(*FULL[model], steps=1)
            out = {k: v for k, v in out.items() if not k.startswith("final.")}
            save_file(out, os.path.join(sys.argv[2], f"{model}_full.safetensors"))
            print(model, "loss", totals, "PyTorch's fp32:", out["fp32_error"].item())
        return
    for model in sys.argv[1:] or MODELS:
        out, totals = trajectory(*MODELS[model])
        path = os.path.join(os.path.dirname(__file__), f"{model}_dho.safetensors")
        save_file(out, path)
        print(path, os.path.getsize(path), "bytes, losses", [round(t, 4) for t in totals],
              "bf16 errors", out["bf16_errors"].tolist())


if __name__ == "__main__":
    main()
