"""Writes tests/golden/trajectory_<case>.safetensors for the methods that the paper (arXiv 2505.07675) compares
with: twenty training steps in PyTorch, float64, gradients by automatic differentiation, from the formulas of

    SSKD   arXiv 2108.05045    CE(h_ce) + KL_labelled(h_ce) + KL_unlabelled(h_kd)
    DHKD   arXiv 2411.08937    CE(h_ce) + BinaryKL-Norm(h_kd)
    DKD    arXiv 2203.08679    alpha TCKD + beta NCKD of the labelled images
    WKD-L  arXiv 2412.08139    target loss + gamma * transport cost after 10 Sinkhorn iterations
    PCGrad arXiv 2001.06782    each loss's gradient without its part against the other

The start, images, labels and teacher are those of trajectory_inputs (make_trajectory_golden.py). The
classes' prototypes of WKD are the first rows of its embeddings.
tests/unit/train/test_trajectory.c has the same table of cases.

A ReLU that float32 and float64 decide differently changes a trajectory by more than rounding. The weights
of the cases are such that this does not happen.

    python3 tests/golden/make_baseline_golden.py        (torch, torchvision, safetensors)"""
import os

import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from make_trajectory_golden import (CLASSES, LABELLED, STEPS, TEMPERATURE, LR, WEIGHT_DECAY, EPS, HERE, Student,
                                    kl, schedule, slot)

DKD_ALPHA, DKD_BETA, WKD_WEIGHT, SHARPEN, ENTROPY, ITERATIONS = 1.0, 2.0, 30.0, 1.0, 0.05, 10

# name: method, divergence, separate forward, lambda_ce, lambda_kd, schedule, shares of the steps
# from which the cross-entropy counts and up to which the teacher's losses do
CASES = {
    "dkd": ("single_head", "dkd", True, 1, 0.5, "cosine", 0, 1),
    "dkd_dho": ("dho", "dkd", False, 0.5, 0.5, "cosine", 0, 1),
    "wkd": ("single_head", "wkd", False, 1, 0.5, "cosine", 0, 1),
    "wkd_dho": ("dho", "wkd", False, 0.5, 0.5, "cosine", 0, 1),
    "sskd": ("sskd", "kl", True, 1, 0.5, "linear", 0, 1),
    "dhkd": ("dhkd", "kl", False, 1, 0.5, "cosine", 0, 1),
    "pcgrad": ("pcgrad", "kl", True, 1, 0.75, "cosine", 0, 1),
    "staged": ("dho", "kl", False, 1, 1, "cosine", 0.25, 0.75),
    "hidden_kd": ("dho", "kl", False, 0.5, 0.5, "cosine", 0, 1),
    "hidden_both": ("dho", "kl", True, 1, 0.5, "cosine", 0, 1),
}
# Channels of the heads' hidden layers (the paper's section F.1, without dropout).
HIDDEN = {"hidden_kd": {"head_kd": 7}, "hidden_both": {"head_ce": 6, "head_kd": 9}}


class HiddenHead(nn.Linear):
    """A head with a hidden layer; each weight starts from a formula that the test has, too."""

    def __init__(self, name, features, channels):
        super().__init__(channels, CLASSES)
        self.hidden, self.norm = nn.Linear(features, channels), nn.LayerNorm(channels)
        for key, p in self.named_parameters():
            if not key.startswith("norm."):
                i = torch.arange(p.numel()) * 7919 + len(f"{name}.{key}")
                p.data = ((i % 1013) / 1013 - 0.5).float().double().view(p.shape)

    def forward(self, f):
        return super().forward(F.gelu(self.norm(self.hidden(f))))


def dkd(student, teacher, labels):
    hot = F.one_hot(labels, CLASSES).bool()
    p, q = F.softmax(teacher / TEMPERATURE, 1), F.softmax(student / TEMPERATURE, 1)
    p_y, q_y = p[hot], q[hot]
    tckd = p_y * (p_y / q_y).log() + (1 - p_y) * ((1 - p_y) / (1 - q_y)).log()
    rest = (~hot)
    p_rest = F.softmax(teacher[rest].view(len(labels), -1) / TEMPERATURE, 1)
    q_rest = F.log_softmax(student[rest].view(len(labels), -1) / TEMPERATURE, 1)
    nckd = (p_rest * (p_rest.log() - q_rest)).sum(1)
    return TEMPERATURE**2 * (DKD_ALPHA * tckd + DKD_BETA * nckd).mean()


def wkd(student, teacher, labels, prototypes):
    w = F.normalize(prototypes, dim=1)
    cost = (1 - torch.exp(-SHARPEN * (1 - w @ w.T))).clamp(min=0)
    cost = cost.fill_diagonal_(0) + 1e-8
    total = 0
    for s, t, y in zip(student, teacher, labels):
        others = [c for c in range(CLASSES) if c != y]
        a, b = F.softmax(s[others] / TEMPERATURE, 0), F.softmax(t[others] / TEMPERATURE, 0)
        c = cost[others][:, others]
        k = torch.exp(-c / ENTROPY)
        u = torch.full_like(a, 1 / len(others))
        for _ in range(ITERATIONS):
            v = b / (k.T @ u + 1e-8)
            u = a / (k @ v + 1e-8)
        distance = (u[:, None] * k * v[None] * c).sum()
        target = -F.softmax(t, 0)[y] * F.log_softmax(s, 0)[y]
        total = total + target + WKD_WEIGHT * distance
    return total / len(labels)


def binary(student, teacher):
    q = torch.sigmoid((student - teacher) / TEMPERATURE)
    half = torch.full_like(q, 0.5)
    each = half * (half / q).log() + half * (half / (1 - q)).log()
    return TEMPERATURE**2 * each.sum(1).mean()


def terms_of(model, case, images, labels, teacher, prototypes):
    """CE, and what comes from the teacher of the labelled and of the unlabelled images."""
    method, divergence, separate = case[:3]
    if separate:
        f = torch.cat([model.features(images[:LABELLED]), model.features(images[LABELLED:])])
    else:
        f = model.features(images)
    single = method in ("single_head", "pcgrad")
    first = model.head(f) if single else model.head_ce(f)
    second = first if single else model.head_kd(f)
    t_l, t_u = teacher[:LABELLED], teacher[LABELLED:]
    ce = F.cross_entropy(first[:LABELLED], labels)
    if method == "dhkd":
        return ce, binary(second[:LABELLED], t_l), binary(second[LABELLED:], t_u)
    extra = {"kl": lambda: kl(first[:LABELLED], t_l), "dkd": lambda: dkd(first[:LABELLED], t_l, labels),
             "wkd": lambda: wkd(first[:LABELLED], t_l, labels, prototypes)}[divergence]
    labelled = torch.zeros(())
    if method == "dho":
        labelled = kl(second[:LABELLED], t_l)
    if method != "dho" or divergence != "kl":
        labelled = labelled + extra()
    return ce, labelled, kl(second[LABELLED:], t_u)


def flat(loss, parameters):
    found = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    return torch.cat([(torch.zeros_like(p) if g is None else g).flatten() for p, g in zip(parameters, found)])


def pcgrad(losses, parameters):
    """Sets the gradients; returns the product of the two losses' own."""
    a, b = (flat(loss, parameters) for loss in losses)
    joined = a + b
    if a @ b < 0:
        joined = a - (a @ b) / (b @ b) * b + b - (a @ b) / (a @ a) * a
    at = 0
    for p in parameters:
        p.grad = joined[at:at + p.numel()].view_as(p).clone()
        at += p.numel()
    return (a @ b).item()


def trajectory(case, hidden, initial, inputs, prototypes):
    method, _, _, lambda_ce, lambda_kd, kind, ce_from, kd_until = case
    model = Student()
    model.load_state_dict(initial, strict=False)
    for name, channels in hidden.items():
        setattr(model, name, HiddenHead(name, model.net.feature_dim, channels))
    single = method in ("single_head", "pcgrad")
    heads = ("head.",) if single else ("head_ce.", "head_kd.")
    parameters = {k: v for k, v in model.named_parameters() if not k.startswith("head") or k.startswith(heads)}
    optimizer = torch.optim.AdamW(parameters.values(), lr=LR, eps=EPS, weight_decay=WEIGHT_DECAY)
    history, conflicts = [], 0
    for step in range(STEPS):
        ce, labelled, unlabelled = terms_of(model, case, *(x[step % 2] for x in inputs), prototypes)
        first = lambda_ce * (step >= ce_from * STEPS) * ce
        second = lambda_kd * (step < kd_until * STEPS) * (labelled + unlabelled)
        optimizer.zero_grad()
        if method == "pcgrad":
            conflicts += pcgrad((first, second), list(parameters.values())) < 0
        else:
            (first + second).backward()
        optimizer.param_groups[0]["lr"] = LR * schedule(kind, step)
        optimizer.step()
        history.append([ce.item(), labelled.item(), unlabelled.item(), 0, 0, (first + second).item()])
    out = {slot(k): v.detach().float().contiguous() for k, v in parameters.items()}
    out.update({slot(k): v.float().contiguous() for k, v in model.named_buffers() if "num_batches" not in k})
    return out, torch.tensor(history).float(), conflicts


def main():
    torch.set_default_dtype(torch.float64)
    shared = load_file(os.path.join(HERE, "trajectory_inputs.safetensors"))
    names = {slot(k): k for k, _ in Student().named_parameters()}
    initial = {names[k]: v.double() for k, v in shared.items() if k in names}
    images = shared["images"].double().permute(0, 1, 4, 2, 3)
    inputs = (images, shared["labels"], shared["teacher"].double())
    prototypes = shared["embedding"][0, :CLASSES].double()
    for name, case in CASES.items():
        final, history, conflicts = trajectory(case, HIDDEN.get(name, {}), initial, inputs, prototypes)
        print(name, "losses", [round(t, 4) for t in history[:, -1].tolist()][::5],
              f"{conflicts} steps in conflict" if case[0] == "pcgrad" else "")
        save_file({**final, "losses": history}, os.path.join(HERE, f"trajectory_{name}.safetensors"))


if __name__ == "__main__":
    main()
