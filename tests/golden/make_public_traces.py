"""Writes tests/golden/public_traces/*.json: what one epoch of each training script of the method's public code
(github.com/erjui/DHO, read at the commits below) draws, steps by and loses, on few images.

The facts are the scripts'; the classes they call are PyTorch's and transformers' own: DistributedSampler,
DataLoader, the learning rate's schedulers, AdamW, cross_entropy, kl_div. Processes are simulated one after the
other; a step's loss is the mean over them, as DistributedDataParallel averages gradients. Nothing is dho's.

    script                                 sampling                     schedule, by step         loss
    train_imgnet_semi.py                   8 processes, labelled cycled LinearLR x Cosine         CE + KL_l + KL_u
    train_imgnet_semi_mixed_precision.py   the same, 4 batches a step   the same                  the same
    train_imgnet.py                        4 processes, labelled cycled Cosine                    1/2 of each
    train_imgnet_pc_grad.py                the same                     the same, one head, PCGrad
    train_others.py                        1 process, zipped            linear, 10 % warm-up      1/2 of each

No loader drops its last batch. "Cycled": an exhausted labelled loader is opened again within the epoch, without a
set_epoch, so in the same order; each epoch opens it anew. Logits are a formula (value), which the test has, too.
tests/unit/train/test_public_traces.c and tests/unit/weights/test_public_checkpoint.c compare;
tests/oracle/public_traces.sh writes the files again.

    python3 tests/golden/make_public_traces.py [FOLDER]      (torch, torchvision, transformers, numpy)"""
import itertools
import json
import os
import sys
from collections import Counter
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torchvision
import transformers
from torch.optim.lr_scheduler import ChainedScheduler, CosineAnnealingLR, LinearLR
from torch.utils.data import DataLoader
from torch.utils.data.distributed import DistributedSampler

HERE = os.path.dirname(os.path.abspath(__file__))
CLASSES, TEMPERATURE, LABELLED, TEST_IMAGES, WEIGHTS = 10, 2.0, 250, 200, 16
CE, KD, TEACHER, GRADIENT, WEIGHT = 1, 2, 3, 4, 5  # whose values
IMAGENET = 1281167
# Training images, classes: CoOp's splits.
FINE_GRAINED = {"caltech101": (4128, 100), "dtd": (2820, 47), "eurosat": (13500, 10), "fgvc": (3334, 100),
                "food101": (50500, 101), "oxford_flowers": (4093, 102), "oxford_pets": (2944, 37),
                "stanford_cars": (6509, 196), "sun397": (15880, 397), "ucf101": (7639, 101)}


@dataclass
class Script:
    file: str
    commit: str
    processes: int
    published: dict    # what the script runs with
    batch: int         # of the trace: of all processes and accumulated batches together
    epochs: int
    warmup: int = 0
    unlabelled: int = 1003
    accumulated: int = 1
    zipped: bool = False
    single_head: bool = False
    halves: bool = True
    decay: float = None  # None: AdamW's own
    grid: tuple = None  # alpha and beta; None: the script searches

    @property
    def micro(self):
        return self.batch // (self.processes * self.accumulated)


SEMI = {"batch": 256, "epochs": 32, "warmup": 5000, "lr": 5e-5}
SHOTS = {"batch": 256, "epochs": 20, "warmup": 0, "lr": 1e-3}
SCRIPTS = {
    "imagenet_semi": Script("train_imgnet_semi.py", "125734ba", 8, SEMI, 48, 4, 20, halves=False, decay=0.05,
                            grid=(0.5, 0.5)),
    "imagenet_semi_mixed_precision": Script("train_imgnet_semi_mixed_precision.py", "125734ba", 8, SEMI, 128, 4, 10,
                                            1024, 4, halves=False, decay=0.05, grid=(0.5, 0.5)),
    "imagenet_fewshot": Script("train_imgnet.py", "f74da67f", 4, SHOTS, 80, 5),
    "imagenet_fewshot_pcgrad": Script("train_imgnet_pc_grad.py", "103f009d", 4, SHOTS, 80, 5, single_head=True,
                                      grid=(1.0, 1.0)),
    "fine_grained": Script("train_others.py", "f74da67f", 1, {"batch": 64, "epochs": 200, "lr": 1e-3}, 64, 10,
                           zipped=True),
}


def value(step, row, column, whose):
    """In [-4, 4), a multiple of 2^-13: exact in float32."""
    h = (step * 7919 + row * 104729 + column * 1299709 + whose * 15485863) % 2**32
    h = h * 2654435761 % 2**32
    h = (h ^ h >> 15) * 2246822519 % 2**32
    return ((h >> 16) - 32768) / 8192


def values(step, rows, whose, columns=CLASSES):
    return torch.tensor([[value(step, r, c, whose) for c in range(columns)] for r in rows], dtype=torch.float64)


def label(step, row):
    return int((value(step, row, 0, 0) + 4) * 8192) % CLASSES


# --- sampling ---


def open_loaders(script, count, micro):
    """One of each process, over the numbers of the images."""
    images = range(count)
    if script.zipped:
        return [DataLoader(images, batch_size=micro, shuffle=True, drop_last=False, collate_fn=list)]
    return [DataLoader(images, batch_size=micro, collate_fn=list,
                       sampler=DistributedSampler(images, num_replicas=script.processes, rank=r))
            for r in range(script.processes)]


def zipped_batches(labelled, unlabelled):
    for l, u in zip(labelled, unlabelled):
        yield l, u, 0


def cycled_batches(labelled, unlabelled):
    iterator, number = iter(labelled), 0
    for u in unlabelled:
        try:
            l = next(iterator)
        except StopIteration:
            iterator, number = iter(labelled), number + 1
            l = next(iterator)
        yield l, u, number


def epoch_steps(script, labelled, unlabelled, epoch):
    """Steps of microbatches (labelled, unlabelled, pass of the labelled): of each accumulated batch each
    process's."""
    batches = []
    for l, u in zip(labelled, unlabelled):
        if not script.zipped:
            l.sampler.set_epoch(epoch)
            u.sampler.set_epoch(epoch)
        batches.append(list((zipped_batches if script.zipped else cycled_batches)(l, u)))
    together = list(zip(*batches))
    groups = [together[i:i + script.accumulated] for i in range(0, len(together), script.accumulated)]
    return [[micro for batch in group for micro in batch] for group in groups]


def seen(steps, which, count):
    """How many images are drawn how often."""
    times = Counter(i for step in steps for micro in step for i in micro[which])
    return {str(n): k for n, k in sorted(Counter(times[i] for i in range(count)).items())}


def order_of_pass(steps, number):
    return [sorted(i for micro in step for i in micro[0]) for step in steps if step[0][2] == number]


def sampling(script, steps, following):
    first, second = order_of_pass(steps, 0), order_of_pass(steps, 1)
    return {"rows": [[sum(len(m[0]) for m in s), sum(len(m[1]) for m in s)] for s in steps],
            "pass": [s[0][2] for s in steps],
            "seen": {"labelled": seen(steps, 0, LABELLED), "unlabelled": seen(steps, 1, script.unlabelled)},
            "same_order_within_epoch": bool(second) and first[:len(second)] == second[:len(first)],
            "same_order_next_epoch": first == order_of_pass(following, 0)}


# --- schedule ---


def make_optimizer(script, parameters, lr):
    decay = {} if script.decay is None else {"weight_decay": script.decay}
    return torch.optim.AdamW(parameters, lr=lr, **decay)


def make_scheduler(script, optimizer, epochs, warmup, labelled, unlabelled):
    if script.zipped:
        steps = epochs * len(labelled)
        return transformers.get_linear_schedule_with_warmup(
            optimizer, num_warmup_steps=0.1 * epochs * len(labelled), num_training_steps=steps)
    steps = epochs * len(unlabelled) // script.accumulated
    if script.halves:
        return CosineAnnealingLR(optimizer, steps)
    return ChainedScheduler([LinearLR(optimizer, start_factor=0.01, end_factor=1.0, total_iters=warmup),
                             CosineAnnealingLR(optimizer, steps - warmup)])


def course(script, labelled, unlabelled, steps):
    """Learning rates, and what AdamW makes of given gradients."""
    weights = nn.Parameter(values(0, [0], WEIGHT, WEIGHTS)[0])
    optimizer = make_optimizer(script, [weights], script.published["lr"])
    scheduler = make_scheduler(script, optimizer, script.epochs, script.warmup, labelled, unlabelled)
    rates = []
    for step in range(script.epochs * steps):
        rates.append(optimizer.param_groups[0]["lr"])
        weights.grad = values(step, [0], GRADIENT, WEIGHTS)[0]
        optimizer.step()
        scheduler.step()
    group = optimizer.param_groups[0]
    return {"lr": rates, "weights": weights.tolist(),
            "optimizer": {"weight_decay": group["weight_decay"], "beta1": group["betas"][0],
                          "beta2": group["betas"][1], "eps": group["eps"]}}


def published_lengths(script):
    """Labelled and unlabelled images; the optimiser's steps an epoch and in all; steps of the schedule in all."""
    if script.zipped:
        pairs = [(shots * classes, images - shots * classes)
                 for images, classes in FINE_GRAINED.values() for shots in (1, 8, 16)]
    elif script.halves:
        pairs = [(1000 * shots, IMAGENET - 1000 * shots) for shots in (1, 2, 4, 8, 16)]
    else:
        pairs = [(n, IMAGENET - n) for n in (13000, 128286)]
    micro = script.published["batch"] // (script.processes * script.accumulated)
    epochs, out = script.published["epochs"], []
    for counts in pairs:
        labelled, unlabelled = (len(open_loaders(script, n, micro)[0]) for n in counts)
        batches = min(labelled, unlabelled) if script.zipped else unlabelled
        steps = -(-batches // script.accumulated)
        scheduled = epochs * labelled if script.zipped else epochs * (batches // script.accumulated)
        out.append([*counts, steps, epochs * steps, scheduled])
    return out


# --- losses ---


def kl(student, teacher):
    return F.kl_div(F.log_softmax(student / TEMPERATURE, dim=1), F.softmax(teacher / TEMPERATURE, dim=1),
                    reduction="batchmean") * (TEMPERATURE * TEMPERATURE)


def pcgrad_mean(a, b):
    """The published class of this name (github.com/WeiChengTseng/Pytorch-PCGrad): the mean of the projections."""
    grads = [a, b]
    projected = [g.clone() for g in grads]
    for g, other in zip(projected, reversed(grads)):
        dot = torch.dot(g, other)
        if dot < 0:
            g -= dot * other / other.norm()**2
    return torch.stack(projected).mean(dim=0)


def step_losses(script, number, step):
    """ce, kl of the labelled, of the unlabelled, total: means over the microbatches; norms of the gradient of that
    total at the logits of each head."""
    heads, terms = ([], []), []
    for v, (labelled, unlabelled, _) in enumerate(step):
        rows = [1000 * v + i for i in range(len(labelled))] + [1000 * v + 500 + i for i in range(len(unlabelled))]
        n, teacher = len(labelled), 3 * values(number, rows, TEACHER)
        ce = values(number, rows, CE).requires_grad_()
        kd = ce if script.single_head else values(number, rows, KD).requires_grad_()
        labels = torch.tensor([label(number, r) for r in rows[:n]])
        terms.append((F.cross_entropy(ce[:n], labels), kl(kd[:n], teacher[:n]), kl(kd[n:], teacher[n:])))
        heads[0].append(ce)
        heads[1].append(kd)
    ce, kd_labelled, kd_unlabelled = (sum(t) / len(step) for t in zip(*terms))
    share = 0.5 if script.halves else 1.0
    total = share * ce + share * (kd_labelled + kd_unlabelled)
    total.backward()
    norms = [torch.cat([leaf.grad.flatten() for leaf in head]).norm() for head in heads]
    return [x.item() for x in (ce, kd_labelled, kd_unlabelled, total, *norms[:1 if script.single_head else 2])]


def joined_gradients():
    """Of one step's two losses, by the published class of PCGrad's name. They conflict."""
    a, b = values(1, [0], GRADIENT, WEIGHTS)[0], values(2, [0], GRADIENT, WEIGHTS)[0]
    return pcgrad_mean(a, b - a).tolist()


# --- alpha and beta ---


def choice(script):
    """Hits of the combination on logits of a test set (alpha 1: of the only head), and what the script's search
    takes of its grid."""
    labels = torch.tensor([label(0, r) for r in range(TEST_IMAGES)])
    bonus = F.one_hot(labels, CLASSES)
    ce, kd = (values(0, range(TEST_IMAGES), w) + k * bonus for w, k in ((CE, 2), (KD, 1)))
    alphas, betas = np.arange(0, 1.05, 0.05), np.array([0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 4.0])
    if script.grid is not None:
        alphas, betas = (np.array([x]) for x in script.grid)
    hits, best, margin = {}, (0, 0, 1.0), 1.0
    for beta, alpha in itertools.product(betas, alphas):
        p = alpha * F.softmax(ce, dim=1) + (1 - alpha) * F.softmax(kd / beta, dim=1)
        hits[beta, alpha] = (p.argmax(dim=1) == labels).sum().item()
        top = p.topk(2, dim=1).values
        margin = min(margin, (top[:, 0] - top[:, 1]).min().item())
        if hits[beta, alpha] > best[0]:  # the first of equals
            best = hits[beta, alpha], alpha, beta
    assert margin > 1e-6, f"a prediction is too close to call: {margin}"
    return {"images": TEST_IMAGES, "alphas": alphas.tolist(), "betas": betas.tolist(),
            "hits": [[hits[beta, alpha] for alpha in alphas] for beta in betas],
            "best": {"hits": best[0], "alpha": float(best[1]), "beta": float(best[2])}}


# --- checkpoints ---


def wrapped(backbone, features, heads):
    """A StudentModel of the scripts: the network without its last child as a Sequential, and heads."""
    model = nn.Module()
    model.backbone = nn.Sequential(*list(backbone.children())[:-1])
    for head in heads:
        setattr(model, head, nn.Linear(features, CLASSES))
    return model


def checkpoints():
    """What torch.save writes: keys beside the state dict, and its names (DINO's network is torchvision's; a
    DistributedDataParallel model saves "module." unless the script unwraps it)."""
    both, models = ("ce_head", "kd_head"), torchvision.models
    beside = ["model_state_dict", "epoch", "acc", "alpha", "beta"]
    return {
        "train_imgnet_semi.py": {"keys": beside, "prefix": "module."},
        "train_imgnet_semi_mixed_precision.py": {"keys": beside, "prefix": "module."},
        "train_imgnet.py": {"keys": beside, "prefix": "", "models": {
            "resnet50": list(wrapped(models.resnet50(), 2048, both).state_dict())}},
        "train_imgnet_pc_grad.py": {"keys": beside[:3], "prefix": "", "models": {
            "resnet50": list(wrapped(models.resnet50(), 2048, ["head"]).state_dict())}},
        "train_others.py": {"keys": [beside[0], *beside[3:]], "prefix": "", "models": {
            "resnet18": list(wrapped(models.resnet18(), 512, both).state_dict()),
            "mobilenet_v2": list(wrapped(models.mobilenet_v2(), 1280, both).state_dict())}}}


def save_small(path):
    """A file as train_others.py saves it, whose alpha and beta are NumPy's; the last block has no tensors."""
    network = SimpleNamespace(children=lambda: [nn.Conv2d(3, 2, 1, bias=False), nn.BatchNorm2d(2), nn.ReLU()])
    torch.save({"model_state_dict": wrapped(network, 2, ("ce_head", "kd_head")).state_dict(),
                "alpha": np.arange(0, 1.05, 0.05)[7], "beta": np.array([0.5, 0.75])[1]}, path)


def rounded(x):
    """12 digits: what no version of the libraries changes."""
    if isinstance(x, float):
        return float(f"{x:.12g}")
    if isinstance(x, dict):
        return {k: rounded(v) for k, v in x.items()}
    return [rounded(v) for v in x] if isinstance(x, (list, tuple)) else x


def write(folder, name, content):
    path = os.path.join(folder, name + ".json")
    lines = ",\n".join(f'"{k}": {json.dumps(rounded(v), separators=(",", ":"))}' for k, v in content.items())
    with open(path, "w") as file:
        file.write("{" + lines + "}\n")
    print(path, os.path.getsize(path), "bytes")


def trace(script):
    labelled = open_loaders(script, LABELLED, script.micro)
    unlabelled = open_loaders(script, script.unlabelled, script.micro)
    steps, following = (epoch_steps(script, labelled, unlabelled, e) for e in (0, 1))
    return {"script": script.file, "commit": script.commit, "labelled": LABELLED, "unlabelled": script.unlabelled,
            "classes": CLASSES, "microbatches": script.processes * script.accumulated, "batch": script.batch,
            "epochs": script.epochs, "warmup": script.warmup, "temperature": TEMPERATURE,
            "forward": "separate" if script.zipped else "stacked",
            "published": {**script.published, "lambda": 0.5 if script.halves else 1.0},
            "published_lengths": published_lengths(script), "sampling": sampling(script, steps, following),
            "losses": [step_losses(script, i, s) for i, s in enumerate(steps)],
            **course(script, labelled[0], unlabelled[0], len(steps)), "choice": choice(script),
            **({"joined": joined_gradients()} if script.single_head else {})}


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "public_traces")
    os.makedirs(folder, exist_ok=True)
    torch.manual_seed(1)
    for name, script in SCRIPTS.items():
        write(folder, name, trace(script))
    write(folder, "checkpoints", checkpoints())
    save_small(os.path.join(folder, "small.pt"))


if __name__ == "__main__":
    main()
