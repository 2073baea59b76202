"""Writes tests/golden/resnet18_dho.safetensors: one DHO training trajectory in PyTorch, float64.

A narrow ResNet-18 (torchvision's blocks and names, base width 4) with two heads, labelled and
unlabelled rows stacked in one forward. Kept: initial weights, inputs, the first step's logits,
losses and gradients, and the weights and running statistics after ten AdamW steps.

    python3 tests/golden/make_resnet18_golden.py      (torch, torchvision, safetensors)
"""
import os

import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import save_file
from torchvision.models.resnet import BasicBlock

WIDTH, SIZE, CLASSES, LABELLED, ROWS, STEPS, TEMPERATURE = 4, 40, 5, 3, 7, 10, 2.0


class Student(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, WIDTH, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(WIDTH)
        planes = WIDTH
        for stage in range(4):
            out, stride = WIDTH << stage, 1 if stage == 0 else 2
            down = None
            if stage > 0:
                down = nn.Sequential(nn.Conv2d(planes, out, 1, stride, bias=False), nn.BatchNorm2d(out))
            blocks = nn.Sequential(BasicBlock(planes, out, stride, down), BasicBlock(out, out))
            setattr(self, f"layer{stage + 1}", blocks)
            planes = out
        self.head_ce = nn.Linear(planes, CLASSES)
        self.head_kd = nn.Linear(planes, CLASSES)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        for stage in range(4):
            x = getattr(self, f"layer{stage + 1}")(x)
        x = x.mean(dim=(2, 3))
        return self.head_ce(x), self.head_kd(x)


def kl(student, teacher):
    """T^2 * batchmean KL(teacher || student), as the method has it."""
    return TEMPERATURE**2 * F.kl_div(F.log_softmax(student / TEMPERATURE, 1),
                                     F.softmax(teacher / TEMPERATURE, 1), reduction="batchmean")


def main():
    torch.manual_seed(7)
    torch.set_default_dtype(torch.float64)
    model = Student()
    # float32 holds the initial state and the inputs exactly.
    for p in model.parameters():
        p.data = p.data.float().double()
    images = torch.randn(2, ROWS, 3, SIZE, SIZE).float().double()
    labels = torch.randint(0, CLASSES, (2, LABELLED))
    teacher = (3 * torch.randn(2, ROWS, CLASSES)).float().double()
    out = {f"initial.{k}": v.float().contiguous() for k, v in model.named_parameters()}
    out["images"] = images.permute(0, 1, 3, 4, 2).float().contiguous()  # NHWC
    out["labels"] = labels
    out["teacher"] = teacher.float()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)
    totals = []
    for step in range(STEPS):
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
                out[f"gradient.{k}"] = v.grad.float().contiguous()
        optimizer.step()
    out["totals"] = torch.tensor(totals).float()
    for k, v in model.named_parameters():
        out[f"final.{k}"] = v.detach().float().contiguous()
    for k, v in model.named_buffers():
        if "num_batches" not in k:
            out[f"final.{k}"] = v.float().contiguous()
    path = os.path.join(os.path.dirname(__file__), "resnet18_dho.safetensors")
    save_file(out, path)
    print(path, os.path.getsize(path), "bytes, losses", [round(t, 4) for t in totals])


main()
