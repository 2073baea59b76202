"""Writes tests/golden/regime_*.safetensors: twenty AdamW steps of the method in PyTorch, float64, with
what pretrained students are trained with: frozen batch normalisations, a frozen backbone, weight decay
on matrices alone, layer-wise learning-rate decay, gradient clipping, label smoothing, drop path.

A ResNet (the inputs of make_trajectory_golden.py, with running statistics that are not 0 and 1) and a
ConvNeXt and a vision transformer of their own inputs, whose factors of stochastic depth are kept.
tests/unit/train/test_regime.c has the same table of cases. Beside them regime_groups.txt: for
published models the factor of the learning rate and whether weight decay is on, of each parameter, by
timm's param_groups_layer_decay (of a ViT by BEiT's rule).

    python3 tests/golden/make_regime_golden.py        (torch, torchvision, timm, safetensors)

The formulas: torch's BatchNorm2d.eval(), clip_grad_norm_, cross_entropy(label_smoothing, weight); the
factor of a parameter with k layers above is decay^k (BEiT, arXiv 2106.08254); a branch is multiplied
by 0 or 1 / (1 - p) for each image (arXiv 1603.09382).
"""
import os

import timm
import timm.optim
import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

import make_trajectory_golden as base
from make_student_golden import BasicBlock, ResNet

HERE = os.path.dirname(os.path.abspath(__file__))
CLASSES, LABELLED, ROWS, STEPS = base.CLASSES, base.LABELLED, base.ROWS, base.STEPS
LR, WEIGHT_DECAY = 1e-3, 0.05
WEIGHTS = [0.5, 1.5, 1.0, 0.25, 2.0]

# name: (student, options)
CASES = {
    "frozen_norm": ("resnet", dict(frozen_norm=True)),
    "linear_probe": ("resnet", dict(freeze=True)),
    "frozen_probe": ("resnet", dict(freeze=True, frozen_norm=True)),
    "groups": ("resnet", dict(matrices=True, layer_decay=0.75)),
    "clip": ("resnet", dict(clip=1.5)),
    "smoothing": ("resnet", dict(smoothing=0.3)),
    "smoothing_weighted": ("resnet", dict(smoothing=0.2, weighted=True)),
    "all": ("resnet", dict(frozen_norm=True, matrices=True, layer_decay=0.8, clip=1.0, smoothing=0.1)),
    "vit_drop_path": ("vit", dict(drop_path=0.4, matrices=True, layer_decay=0.8)),
    "convnext_drop_path": ("convnext", dict(drop_path=0.3)),
}
EPS = {"resnet": 1e-5, "vit": 1e-3, "convnext": 1e-3}


class Stages(nn.Module):
    """The ResNet with two linear heads; its layers are its blocks."""

    def __init__(self):
        super().__init__()
        self.net = ResNet(BasicBlock, [2, 2, 2, 2], base.WIDTH)
        self.head_ce = nn.Linear(self.net.feature_dim, CLASSES)
        self.head_kd = nn.Linear(self.net.feature_dim, CLASSES)

    def forward(self, images, drops):
        f = self.net.backbone(images).mean(dim=(2, 3))
        return self.head_ce(f), self.head_kd(f)

    @staticmethod
    def layer(name):  # of 10
        name = name.removeprefix("net.")
        if name.startswith("head"):
            return 9
        if not name.startswith("layer"):
            return 0
        stage, block = int(name[5]) - 1, int(name[7])
        return 1 + 2 * stage + block

    layers = 10


class Vit(nn.Module):
    """timm's vision transformer, whose branches take factors from outside."""
    size, width, depth = 32, 16, 3

    def __init__(self):
        super().__init__()
        self.net = timm.models.vision_transformer.VisionTransformer(
            img_size=self.size, patch_size=16, embed_dim=self.width, depth=self.depth, num_heads=2, num_classes=0)
        self.head_ce = nn.Linear(self.width, CLASSES)
        self.head_kd = nn.Linear(self.width, CLASSES)
        self.drops = 2 * self.depth

    def forward(self, images, drops):
        net = self.net
        x = net.patch_embed(images)
        x = torch.cat([net.cls_token.expand(len(x), -1, -1), x], 1) + net.pos_embed
        for i, block in enumerate(net.blocks):
            x = x + drops[:, 2 * i, None, None] * block.attn(block.norm1(x))
            x = x + drops[:, 2 * i + 1, None, None] * block.mlp(block.norm2(x))
        f = net.norm(x)[:, 0]
        return self.head_ce(f), self.head_kd(f)

    @staticmethod
    def layer(name):  # of depth + 2
        name = name.removeprefix("net.")
        if name.startswith(("patch_embed", "cls_token", "pos_embed")):
            return 0
        return 1 + int(name.split(".")[1]) if name.startswith("blocks") else 4

    layers = 5


class ConvNext(nn.Module):
    """torchvision's ConvNeXt, narrow, likewise."""
    size, width = 32, 4

    def __init__(self):
        super().__init__()
        from torchvision.models.convnext import CNBlockConfig, ConvNeXt
        w = self.width
        setting = [CNBlockConfig(w, 2 * w, 3), CNBlockConfig(2 * w, 4 * w, 3),
                   CNBlockConfig(4 * w, 8 * w, 9), CNBlockConfig(8 * w, None, 3)]
        self.net = ConvNeXt(setting, layer_scale=0.3)
        self.head_ce = nn.Linear(8 * w, CLASSES)
        self.head_kd = nn.Linear(8 * w, CLASSES)
        self.drops = 18

    def forward(self, images, drops):
        x, d = images, 0
        for stage in self.net.features:
            for module in stage:
                if hasattr(module, "layer_scale"):
                    x = x + drops[:, d, None, None, None] * module.layer_scale * module.block(x)
                    d += 1
                else:
                    x = module(x)
        f = self.net.classifier[0](self.net.avgpool(x)).flatten(1)
        return self.head_ce(f), self.head_kd(f)


def is_matrix(name, p):
    return p.dim() >= 2 and not name.endswith(("pos_embed", "cls_token", "layer_scale"))


def groups(model, options):
    """One group a parameter: its factor of the learning rate and its weight decay."""
    out = []
    for name, p in model.named_parameters():
        if options.get("freeze") and not name.startswith("head"):
            p.requires_grad_(False)
            continue
        if name.startswith("net.head") or name.startswith("net.classifier.2"):
            continue
        above = model.layers - 1 - model.layer(name) if "layer_decay" in options else 0
        decay = WEIGHT_DECAY if not options.get("matrices") or is_matrix(name, p) else 0
        out.append(dict(params=[p], factor=options.get("layer_decay", 1.0) ** above, weight_decay=decay, name=name))
    return out


def linspace_factors(drop_path, blocks, drops):
    """[2 batches][ROWS][drops] of 0 and 1 / keep."""
    each = drops // blocks
    keep = 1 - torch.linspace(0, drop_path, blocks).repeat_interleave(each)
    return torch.bernoulli(keep.expand(2, ROWS, drops)) / keep


def slot(name):
    return name.removeprefix("net.")


def trajectory(model, options, inputs, factors, eps):
    images, labels, teacher = inputs
    for p in model.parameters():
        p.requires_grad_(True)
    listed = groups(model, options)
    model.train()
    if options.get("frozen_norm"):
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
    optimizer = torch.optim.AdamW(listed, lr=LR, eps=eps)
    weights = torch.tensor(WEIGHTS) if options.get("weighted") else None
    history = []
    for step in range(STEPS):
        b = step % 2
        ce, kd = model(images[b], factors[b] if factors is not None else None)
        cross = F.cross_entropy(ce[:LABELLED], labels[b], weight=weights, reduction="sum",
                                label_smoothing=options.get("smoothing", 0.0)) / LABELLED
        loss = cross + base.kl(kd[:LABELLED], teacher[b, :LABELLED]) + base.kl(kd[LABELLED:], teacher[b, LABELLED:])
        optimizer.zero_grad()
        loss.backward()
        trained = [p for g in listed for p in g["params"]]
        norm = torch.nn.utils.clip_grad_norm_(trained, options.get("clip", float("inf")))
        for g in optimizer.param_groups:
            g["lr"] = LR * g["factor"]
        optimizer.step()
        history.append([cross.item(), loss.item(), norm.item()])
    out = {slot(k): v.detach().float().contiguous() for k, v in model.named_parameters()}
    out.update({slot(k): v.float().contiguous() for k, v in model.named_buffers() if "num_batches" not in k})
    return out, torch.tensor(history).float()


def resnet_inputs(model):
    """Those of make_trajectory_golden.py; running statistics as after some training."""
    shared = load_file(os.path.join(HERE, "trajectory_inputs.safetensors"))
    state = {}
    for name, value in model.state_dict().items():
        if slot(name) in shared:
            state[name] = shared[slot(name)].double()
        elif "running_mean" in name:
            state[name] = (0.1 * torch.randn(value.shape)).half().double()
        elif "running_var" in name:
            state[name] = torch.empty(value.shape).uniform_(0.5, 2).half().double()
        else:
            state[name] = value
    return state, [shared["images"].double().permute(0, 1, 4, 2, 3), shared["labels"], shared["teacher"].double()]


def own_inputs(model):
    state = {k: v.half().double() for k, v in model.state_dict().items()}
    for k, v in state.items():  # what starts at 0 or 1
        if k.endswith("bias"):
            state[k] = (0.1 * torch.randn(v.shape)).half().double()
        elif "norm" in k:
            state[k] = (1 + 0.2 * torch.randn(v.shape)).half().double()
        elif k.endswith(("qkv.weight", "proj.weight", "fc1.weight", "fc2.weight")):
            state[k] = (torch.randn(v.shape) * v[0].numel() ** -0.5).half().double()
    images = torch.randn(2, ROWS, 3, model.size, model.size).half().double()
    labels = torch.randint(0, CLASSES, (2, LABELLED))
    teacher = (3 * torch.randn(2, ROWS, CLASSES)).half().double()
    return state, [images, labels, teacher]


def convnext_name(name):
    """timm's ConvNeXt in torchvision's names."""
    part = name.split(".")
    if part[0] == "stem":
        return f"features.0.{part[1]}.{part[2]}"
    if part[0] == "head":
        return f"classifier.0.{part[2]}"
    stage = int(part[1])
    if part[2] == "downsample":
        return f"features.{2 * stage}.{part[3]}.{part[4]}"
    inner = {"conv_dw": "block.0.", "norm": "block.2.", "mlp.fc1": "block.3.", "mlp.fc2": "block.5."}
    rest = ".".join(part[4:])
    for theirs, ours in inner.items():
        if rest.startswith(theirs + "."):
            return f"features.{2 * stage + 1}.{part[3]}.{ours}{rest[len(theirs) + 1:]}"
    return f"features.{2 * stage + 1}.{part[3]}.layer_scale"


def beit_factor(name, decay=0.75, depth=12):
    """BEiT's and MAE's rule for a ViT. timm counts the last normalisation as one layer more."""
    if name.startswith(("cls_token", "pos_embed", "patch_embed")):
        layer = 0
    else:
        layer = int(name.split(".")[1]) + 1 if name.startswith("blocks") else depth + 1
    return decay ** (depth + 1 - layer)


def write_groups(path):
    models = {"vit_s16": ("vit_small_patch16_224", str), "resnet18": ("resnet18", str),
              "convnext_tiny": ("convnext_tiny", convnext_name)}
    with open(path, "w") as out:
        for word, (name, rename) in models.items():
            model = timm.create_model(name, num_classes=5)
            listed = timm.optim.param_groups_layer_decay(
                model, weight_decay=0.05, no_weight_decay_list=model.no_weight_decay()
                if hasattr(model, "no_weight_decay") else (), layer_decay=0.75)
            names = {id(p): k for k, p in model.named_parameters()}
            for g in listed:
                for p in g["params"]:
                    k = names[id(p)]
                    if k.startswith(("head.weight", "head.bias", "fc.", "head.fc.")):
                        k = "head." + k.rsplit(".", 1)[1]
                    else:
                        k = rename(k)
                    factor = beit_factor(k) if word == "vit_s16" else g["lr_scale"]
                    out.write(f"{word} {k} {factor:.12g} {g['weight_decay']:g}\n")


def main():
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(11)
    classes = {"resnet": Stages, "vit": Vit, "convnext": ConvNext}
    states, files = {}, {}
    for word, make in classes.items():
        model = make()
        state, inputs = (resnet_inputs if word == "resnet" else own_inputs)(model)
        states[word] = (state, inputs)
        kept = {slot(k): v.half().contiguous() for k, v in state.items() if "num_batches" not in k
                and (word != "resnet" or "running" in k)}
        if word != "resnet":
            images, labels, teacher = inputs
            kept.update(images=images.permute(0, 1, 3, 4, 2).half().contiguous(), labels=labels, teacher=teacher.half())
        files[f"{word}_inputs"] = kept
    for name, (word, options) in CASES.items():
        state, inputs = states[word]
        model = classes[word]()
        model.load_state_dict(state)
        factors = None
        if word != "resnet":
            blocks = model.depth if word == "vit" else model.drops
            factors = linspace_factors(options["drop_path"], blocks, model.drops)
        final, history = trajectory(model, options, inputs, factors, EPS[word])
        files[name] = {**final, "losses": history}
        if factors is not None:
            files[name]["drops"] = factors.float().contiguous()
        print(name, "loss, norm", [[round(x, 4) for x in h[1:].tolist()] for h in history][::5])
    for name, tensors in files.items():
        path = os.path.join(HERE, f"regime_{name}.safetensors")
        save_file(tensors, path)
        print(path, os.path.getsize(path), "bytes")
    write_groups(os.path.join(HERE, "regime_groups.txt"))


if __name__ == "__main__":
    main()
