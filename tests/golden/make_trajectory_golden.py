"""Writes tests/golden/trajectory_*.safetensors: twenty training steps of the method and its feature
baselines in PyTorch, float64, written from the paper's formulas (arXiv 2505.07675):

    L = lambda_ce CE(h_ce, y) + lambda_kd (KL_labelled + KL_unlabelled) + lambda_f (D_l + D_u)
    KL_S = T^2 mean over S of KL(softmax(t / T) || softmax(h / T))

trajectory_inputs has what all cases share: initial weights, images, labels, teacher logits and
embeddings; trajectory_<case> the losses of each step and all weights and running statistics after
the last. tests/unit/train/test_trajectory.c has the same table of cases.

    python3 tests/golden/make_trajectory_golden.py [seed]        (torch, torchvision, safetensors)

A ReLU or maximum that float32 and float64 decide differently changes a trajectory by more than
rounding. The seed is such that this does not happen; with another version of torch another may be
needed."""
import math
import os
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import save_file

from make_student_golden import ResNet, BasicBlock

CLASSES, LABELLED, ROWS, STEPS, SIZE, WIDTH, EMBEDDING = 5, 4, 10, 20, 40, 2, 6
TEMPERATURE, LR, WEIGHT_DECAY, EPS, WARMUP, SCALE = 2.0, 1e-3, 0.05, 1e-5, 4, 20.0
HERE = os.path.dirname(os.path.abspath(__file__))

# name: heads (two: ce, kd; one: single), cosine form of the kd head, separate forward,
# lambda_ce, lambda_kd, lambda_feature, feature loss, schedule
CASES = {
    "semi": ("dual", True, False, 1, 1, 0, None, "warmup_times_cosine"),
    "shots": ("dual", False, False, 0.5, 0.5, 0, None, "cosine"),
    "semi_separate": ("dual", True, True, 1, 1, 0, None, "warmup_times_cosine"),
    "fine_grained": ("dual", False, True, 0.5, 0.5, 0, None, "linear"),
    "single_head": ("single", False, True, 0.5, 0.5, 0, None, "constant"),
    "feature": ("single", False, False, 1, 0, 2, "cosine", "cosine"),
    "logit_feature": ("single", False, True, 1, 0.5, 2, "mse", "cosine"),
}


class Student(nn.Module):
    """All the heads that any case has."""

    def __init__(self):
        super().__init__()
        self.net = ResNet(BasicBlock, [2, 2, 2, 2], WIDTH)
        for name, out in (("head", CLASSES), ("head_ce", CLASSES), ("head_kd", CLASSES),
                          ("head_feature", EMBEDDING)):
            setattr(self, name, nn.Linear(self.net.feature_dim, out))

    def features(self, images):
        return self.net.backbone(images).mean(dim=(2, 3))


def kl(student, teacher):
    p = F.softmax(teacher / TEMPERATURE, 1)
    q = F.log_softmax(student / TEMPERATURE, 1)
    return TEMPERATURE**2 * (p * (p.log() - q)).sum(1).mean()


def distance(kind, projected, embedding):
    if kind == "mse":
        return F.mse_loss(projected, embedding)
    return (1 - F.cosine_similarity(projected, embedding)).mean()


def schedule(kind, step):
    """The learning rate's factor at a step, each as its experiment has it."""
    warm = 0.01 + 0.99 * min(step, WARMUP) / WARMUP
    if kind == "warmup_times_cosine":
        return warm * 0.5 * (1 + math.cos(math.pi * step / (STEPS - WARMUP)))
    if step < WARMUP:
        return warm
    u = (step - WARMUP) / (STEPS - WARMUP)
    return {"cosine": 0.5 * (1 + math.cos(math.pi * u)), "linear": 1 - u, "constant": 1}[kind]


def losses(model, case, images, labels, teacher, embedding):
    """CE, KL_l, KL_u, D_l, D_u of a batch, labelled rows first."""
    heads, cosine, separate, _, _, _, feature_loss, _ = case
    if separate:
        f = torch.cat([model.features(images[:LABELLED]), model.features(images[LABELLED:])])
    else:
        f = model.features(images)
    ce_logits = model.head_ce(f) if heads == "dual" else model.head(f)
    kd_logits = ce_logits
    if heads == "dual":
        kd_logits = SCALE * model.head_kd(F.normalize(f)) if cosine else model.head_kd(f)
    out = [F.cross_entropy(ce_logits[:LABELLED], labels)]
    parts = (slice(0, LABELLED), slice(LABELLED, None))
    out += [kl(kd_logits[s], teacher[s]) for s in parts]
    if feature_loss is None:
        return out + [torch.zeros(()), torch.zeros(())]
    projected = model.head_feature(f)
    return out + [distance(feature_loss, projected[s], embedding[s]) for s in parts]


def used(name, case):
    if name.startswith("head_feature."):
        return case[6] is not None
    if name.startswith("head."):
        return case[0] == "single"
    return case[0] == "dual" or not name.startswith("head_")


def slot(name):
    return name.removeprefix("net.")


def trajectory(case, initial, inputs):
    model = Student()
    model.load_state_dict(initial)
    if case[1]:  # as the method starts its cosine heads
        model.head_kd.bias.data.zero_()
    _, _, _, lambda_ce, lambda_kd, lambda_feature, _, kind = case
    parameters = {k: v for k, v in model.named_parameters() if used(k, case)}
    optimizer = torch.optim.AdamW(parameters.values(), lr=LR, eps=EPS, weight_decay=WEIGHT_DECAY)
    history = []
    for step in range(STEPS):
        b = step % 2
        terms = losses(model, case, *(x[b] for x in inputs))
        loss = (lambda_ce * terms[0] + lambda_kd * (terms[1] + terms[2])
                + lambda_feature * (terms[3] + terms[4]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.param_groups[0]["lr"] = LR * schedule(kind, step)
        optimizer.step()
        history.append([t.item() for t in terms] + [loss.item()])
    out = {slot(k): v.detach().float().contiguous() for k, v in parameters.items()}
    out.update({slot(k): v.float().contiguous() for k, v in model.named_buffers()
                if "num_batches" not in k})
    return out, torch.tensor(history).float()


def main():
    torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
    torch.set_default_dtype(torch.float64)
    model = Student()
    for p in model.parameters():
        p.data = p.data.half().double()
    images = torch.randn(2, ROWS, 3, SIZE, SIZE).half().double()
    labels = torch.randint(0, CLASSES, (2, LABELLED))
    teacher = (3 * torch.randn(2, ROWS, CLASSES)).half().double()
    embedding = F.normalize(torch.randn(2, ROWS, EMBEDDING), dim=2).half().double()
    initial = {k: v.clone() for k, v in model.state_dict().items()}
    shared = {slot(k): v.half().contiguous() for k, v in model.named_parameters()}
    shared["images"] = images.permute(0, 1, 3, 4, 2).half().contiguous()  # NHWC
    shared.update(labels=labels, teacher=teacher.half(), embedding=embedding.half())
    files = {"inputs": shared}
    for name, case in CASES.items():
        final, history = trajectory(case, initial, (images, labels, teacher, embedding))
        files[name] = {**final, "losses": history}
        print(name, "losses", [round(t, 4) for t in history[:, -1].tolist()][::5])
    for name, tensors in files.items():
        path = os.path.join(HERE, f"trajectory_{name}.safetensors")
        save_file(tensors, path)
        print(path, os.path.getsize(path), "bytes")


if __name__ == "__main__":
    main()
