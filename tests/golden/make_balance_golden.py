"""Writes tests/golden/balance.safetensors: cross-entropies with class weights and logit adjustment in
PyTorch, float64. tests/unit/distill/test_class_balance.c has the same table of cases.

    inverse    w_c ~ 1 / n_c
    effective  w_c ~ (1 - beta) / (1 - beta^n_c)        (Cui et al. 2019)
    adjust     logits + tau log(n_c / N)                (Menon et al. 2021)

w is scaled so that its mean over the labelled images is 1. The loss is divided by the rows.

    python3 tests/golden/make_balance_golden.py        (torch, safetensors)"""
import os

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

COUNTS = [1, 2, 5, 10, 40, 7]
ROWS = 12
# name: class weights, beta, tau
CASES = {
    "none": (None, 0, 0),
    "inverse": ("inverse", 0, 0),
    "effective": ("effective", 0.9, 0),
    "adjust": (None, 0, 1.5),
    "both": ("effective", 0.999, 1.0),
}


def main():
    torch.manual_seed(5)
    torch.set_default_dtype(torch.float64)
    n = torch.tensor(COUNTS).double()
    logits = (3 * torch.randn(ROWS, len(COUNTS))).half().double().requires_grad_()
    labels = torch.randint(0, len(COUNTS), (ROWS,))
    out = {"logits": logits.detach().half(), "labels": labels}
    for name, (kind, beta, tau) in CASES.items():
        weights = {None: torch.ones_like(n), "inverse": 1 / n,
                   "effective": (1 - beta) / (1 - beta**n)}[kind]
        weights = weights * n.sum() / (n * weights).sum()
        shifted = logits + tau * (n / n.sum()).log()
        loss = F.cross_entropy(shifted, labels, weight=weights, reduction="sum") / ROWS
        (gradient,) = torch.autograd.grad(loss, logits)
        out[f"{name}.loss"] = loss.detach().reshape(1)
        out[f"{name}.gradient"] = gradient
        print(name, loss.item(), weights.tolist())
    save_file(out, os.path.join(os.path.dirname(os.path.abspath(__file__)), "balance.safetensors"))


if __name__ == "__main__":
    main()
