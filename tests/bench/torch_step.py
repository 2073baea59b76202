"""The PyTorch side of the step benchmark: one training step of a dual-head student.

usage: torch_step.py --model M [--dtype fp32|bf16] [--mode eager|compile] [--steps N] [--threads N]
                     [--labelled N] [--unlabelled N] [--accumulate] [--serve]

Same work as `dho bench step`: images at 224 px in memory, teacher logits in memory, one forward of
labelled and unlabelled rows together, CE + KL (both parts), backward, AdamW. --accumulate: forward
and backward of the labelled rows, then of the others; the gradients add up. Prints one JSON line
with the seconds of each step and the peak memory of the process. --serve: runs one step for each
line read from standard input and answers with its seconds and the peak memory in bytes, so that two
programs can take turns in one run."""

import argparse
import json
import resource
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

CLASSES = 1000
TEMPERATURE = 2.0


class DualHead(nn.Module):
    """Backbone, supervised head on its features, distillation head on the same (normalised and
    times 100 for CLIP students)."""

    def __init__(self, backbone, channels, normalise):
        super().__init__()
        self.backbone = backbone
        self.head_ce = nn.Linear(channels, CLASSES)
        self.head_kd = nn.Linear(channels, CLASSES)
        self.normalise = normalise

    def forward(self, images):
        features = self.backbone(images)
        if not self.normalise:
            return self.head_ce(features), self.head_kd(features)
        return self.head_ce(features), 100 * self.head_kd(F.normalize(features, dim=1))


def build(name):
    if name == "clip_vit_b16":
        import open_clip

        visual = open_clip.create_model("ViT-B-16-quickgelu", pretrained=None).visual
        return DualHead(visual, 512, True)
    import torchvision

    backbone = torchvision.models.get_model(name)
    if name == "mobilenet_v2":
        channels = backbone.classifier[1].in_features
        backbone.classifier = nn.Identity()
    else:
        channels = backbone.fc.in_features
        backbone.fc = nn.Identity()
    return DualHead(backbone, channels, False)


def objective(ce, kd, labels, teacher, first, last):
    """Of the rows first .. last - 1, of which those below len(labels) are labelled: CE + KL over the
    labelled rows + KL over the unlabelled ones, T^2, batchmean."""
    labelled = max(len(labels) - first, 0)
    target = F.log_softmax(teacher[first:last] / TEMPERATURE, dim=1)
    student = F.log_softmax(kd.float() / TEMPERATURE, dim=1)
    loss = F.cross_entropy(ce[:labelled].float(), labels) if labelled else 0
    for rows in (slice(0, labelled), slice(labelled, None)):
        if len(student[rows]):
            loss = loss + TEMPERATURE**2 * F.kl_div(student[rows], target[rows], log_target=True,
                                                    reduction="batchmean")
    return loss


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="resnet18")
    parser.add_argument("--dtype", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--mode", choices=["eager", "compile"], default="eager")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--labelled", type=int, default=16)
    parser.add_argument("--unlabelled", type=int, default=16)
    parser.add_argument("--accumulate", action="store_true")
    parser.add_argument("--serve", action="store_true")
    options = parser.parse_args()

    def peak():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    libraries = peak()  # the interpreter and PyTorch's, which a wheel with CUDA makes larger
    torch.manual_seed(1)
    torch.set_num_threads(options.threads)
    rows = options.labelled + options.unlabelled
    model = build(options.model).train()
    images = torch.randn(rows, 3, 224, 224)
    if options.model != "clip_vit_b16":
        model = model.to(memory_format=torch.channels_last)
        images = images.to(memory_format=torch.channels_last)
    labels = torch.randint(0, CLASSES, (options.labelled,))
    teacher = 5 * torch.randn(rows, CLASSES)
    bounds = [0, options.labelled, rows] if options.accumulate else [0, rows]
    passes = [pair for pair in zip(bounds, bounds[1:]) if pair[0] < pair[1]]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01, fused=True)
    forward = torch.compile(model) if options.mode == "compile" else model

    def step():
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        for first, last in passes:
            with torch.autocast("cpu", torch.bfloat16, enabled=options.dtype == "bf16"):
                ce, kd = forward(images[first:last])
            objective(ce, kd, labels, teacher, first, last).backward()
        optimizer.step()
        return time.perf_counter() - start


    for _ in range(options.warmup):
        step()
    if options.serve:
        print(f"ready {libraries}", flush=True)
        for _ in sys.stdin:
            print(f"{step():.6f} {peak()}", flush=True)
        return
    seconds = [step() for _ in range(options.steps)]
    print(json.dumps({"model": options.model, "dtype": options.dtype, "mode": options.mode,
                      "torch": torch.__version__, "seconds": seconds, "peak_bytes": peak()}))


if __name__ == "__main__":
    main()
