"""Writes tests/golden/trajectory_clip_*.safetensors: twenty AdamW steps of the method with a student
like CLIP's image tower, in plain PyTorch, float64.

The formulas are those of the paper (arXiv 2505.07675) and its public code, from which it was written:

    f     = image tower (a vision transformer with QuickGELU, class token, projection)
    h_ce  = W_ce f + b_ce
    h_kd  = 100 (W_kd f/|f| + b_kd)             b_kd is inside the factor, and starts at 0
    L     = lambda_ce CE(h_ce, y) + lambda_kd (KL_labelled + KL_unlabelled)
    KL_S  = T^2 / |S| sum over S of KL(softmax(t/T) || softmax(h_kd/T))

trajectory_clip_inputs has the initial weights, images, labels and teacher logits; trajectory_clip_semi
(weights 1, 1) and trajectory_clip_shots (1/2, 1/2) the losses of each step and all weights after the
last. tests/unit/train/test_trajectory.c compares.

torch/public_dho.pt is that student after the first of these, saved as the public code saves its ViTs;
public_dho.safetensors its logits (tests/unit/weights/test_public_checkpoint.c).

    python3 tests/golden/make_clip_trajectory_golden.py      (torch, safetensors)
"""
import math
import os

import torch
from safetensors.torch import save_file

HERE = os.path.dirname(os.path.abspath(__file__))
CLASSES, LABELLED, ROWS, STEPS = 5, 4, 10, 20
WIDTH, LAYERS, HEADS, PATCH, SIZE, EMBED = 16, 2, 2, 14, 28, 12
# eps: the biases of attention's keys have no gradient but rounding, of which AdamW makes steps.
LR, WEIGHT_DECAY, EPS, WARMUP, T = 1e-3, 0.05, 1e-3, 4, 2.0


def initial_weights():
    """As CLIP names and spreads them, biases aside, which would start at 0."""
    tokens = (SIZE // PATCH) ** 2 + 1
    w = {"visual.class_embedding": torch.randn(WIDTH) * WIDTH**-0.5,
         "visual.positional_embedding": torch.randn(tokens, WIDTH) * WIDTH**-0.5,
         "visual.conv1.weight": torch.randn(WIDTH, 3, PATCH, PATCH) * (3 * PATCH**2) ** -0.5,
         "visual.proj": torch.randn(WIDTH, EMBED) * WIDTH**-0.5}

    def linear(name, out, inner, weight=".weight", bias=".bias"):
        w[name + weight] = torch.randn(out, inner) * inner**-0.5
        w[name + bias] = torch.randn(out) * 0.1

    def norm(name):
        w[name + ".weight"] = 1 + 0.2 * torch.randn(WIDTH)
        w[name + ".bias"] = 0.1 * torch.randn(WIDTH)

    norm("visual.ln_pre")
    norm("visual.ln_post")
    for i in range(LAYERS):
        block = f"visual.transformer.resblocks.{i}."
        norm(block + "ln_1")
        norm(block + "ln_2")
        linear(block + "attn", 3 * WIDTH, WIDTH, ".in_proj_weight", ".in_proj_bias")
        linear(block + "attn.out_proj", WIDTH, WIDTH)
        linear(block + "mlp.c_fc", 4 * WIDTH, WIDTH)
        linear(block + "mlp.c_proj", WIDTH, 4 * WIDTH)
    for head in ("head_ce", "head_kd"):  # from text, of length about 1
        w[head + ".weight"] = torch.randn(CLASSES, EMBED) * EMBED**-0.5 * 0.3
        w[head + ".bias"] = torch.zeros(CLASSES)
    return {name: value.half().double() for name, value in w.items()}


def layer_norm(w, name, x):
    mean = x.mean(-1, keepdim=True)
    var = ((x - mean) ** 2).mean(-1, keepdim=True)
    return (x - mean) / torch.sqrt(var + 1e-5) * w[name + ".weight"] + w[name + ".bias"]


def attention(w, name, x):
    """x: [image][token][WIDTH]"""
    images, tokens, _ = x.shape
    qkv = x @ w[name + ".in_proj_weight"].T + w[name + ".in_proj_bias"]
    q, k, v = (part.reshape(images, tokens, HEADS, -1).transpose(1, 2) for part in qkv.chunk(3, -1))
    p = torch.softmax(q @ k.transpose(2, 3) / math.sqrt(WIDTH // HEADS), -1)
    out = (p @ v).transpose(1, 2).reshape(images, tokens, WIDTH)
    return out @ w[name + ".out_proj.weight"].T + w[name + ".out_proj.bias"]


def tower(w, images):
    x = torch.nn.functional.conv2d(images, w["visual.conv1.weight"], stride=PATCH)
    x = x.flatten(2).transpose(1, 2)
    x = torch.cat([w["visual.class_embedding"].expand(len(x), 1, WIDTH), x], 1)
    x = layer_norm(w, "visual.ln_pre", x + w["visual.positional_embedding"])
    for i in range(LAYERS):
        block = f"visual.transformer.resblocks.{i}."
        x = x + attention(w, block + "attn", layer_norm(w, block + "ln_1", x))
        h = layer_norm(w, block + "ln_2", x) @ w[block + "mlp.c_fc.weight"].T + w[block + "mlp.c_fc.bias"]
        h = h * torch.sigmoid(1.702 * h)
        x = x + h @ w[block + "mlp.c_proj.weight"].T + w[block + "mlp.c_proj.bias"]
    return layer_norm(w, "visual.ln_post", x[:, 0]) @ w["visual.proj"]


def forward(w, images):
    f = tower(w, images)
    ce = f @ w["head_ce.weight"].T + w["head_ce.bias"]
    unit = f / f.norm(dim=1, keepdim=True)
    return ce, 100 * (unit @ w["head_kd.weight"].T + w["head_kd.bias"])


def kl(teacher, student):
    p, q = torch.log_softmax(teacher / T, 1), torch.log_softmax(student / T, 1)
    return T**2 * (p.exp() * (p - q)).sum() / len(teacher)


def losses(w, images, labels, teacher):
    ce, kd = forward(w, images)
    cross = -torch.log_softmax(ce[:LABELLED], 1)[torch.arange(LABELLED), labels].mean()
    return cross, kl(teacher[:LABELLED], kd[:LABELLED]), kl(teacher[LABELLED:], kd[LABELLED:])


def warmup_times_cosine(step):
    warm = 0.01 + 0.99 * min(step, WARMUP) / WARMUP
    return warm * (1 + math.cos(math.pi * step / (STEPS - WARMUP))) / 2


def cosine(step):
    if step < WARMUP:
        return 0.01 + 0.99 * step / WARMUP
    return (1 + math.cos(math.pi * (step - WARMUP) / (STEPS - WARMUP))) / 2


def trajectory(initial, batches, weight_ce, weight_kd, schedule):
    w = {name: value.clone().requires_grad_() for name, value in initial.items()}
    optimizer = torch.optim.AdamW(w.values(), lr=LR, eps=EPS, weight_decay=WEIGHT_DECAY)
    history = []
    for step in range(STEPS):
        ce, kd_labelled, kd_unlabelled = losses(w, *batches[step % 2])
        loss = weight_ce * ce + weight_kd * (kd_labelled + kd_unlabelled)
        optimizer.zero_grad()
        loss.backward()
        optimizer.param_groups[0]["lr"] = LR * schedule(step)
        optimizer.step()
        history.append([ce.item(), kd_labelled.item(), kd_unlabelled.item(), 0, 0, loss.item()])
    out = {name: value.detach().float().contiguous() for name, value in w.items()}
    out["losses"] = torch.tensor(history).float()
    return out


def public_names(state):
    """As the public code names its tensors: the tower is `backbone`, heads are ce_head and kd_head, all
    of it behind DistributedDataParallel's prefix."""
    names = {"head_ce": "ce_head", "head_kd": "kd_head"}
    out = {}
    for name, value in state.items():
        first, rest = name.split(".", 1)
        out[f"module.{names[first] if first in names else 'backbone'}.{rest}"] = value
    return out


def write_public(state, images):
    """The file and what it says of the images; both heads have a bias that counts."""
    torch.manual_seed(2)
    state = {name: value.float() for name, value in state.items() if name != "losses"}
    for head in ("head_ce", "head_kd"):
        state[head + ".bias"] = torch.randn(CLASSES, dtype=torch.float32) * (3 if head == "head_ce" else 0.03)
    torch.save({"model_state_dict": public_names(state), "epoch": 31, "acc": 81.6, "alpha": 0.5,
                "beta": 0.5}, os.path.join(HERE, "torch", "public_dho.pt"))
    ce, kd = forward({name: value.double() for name, value in state.items()}, images)
    save_file({"ce": ce.float(), "kd": kd.float()}, os.path.join(HERE, "public_dho.safetensors"))
    print("public_dho: logits of the first image", ce[0].tolist(), kd[0].tolist())


def main():
    torch.manual_seed(1)
    torch.set_default_dtype(torch.float64)
    initial = initial_weights()
    images = torch.randn(2, ROWS, 3, SIZE, SIZE).half().double()
    labels = torch.randint(0, CLASSES, (2, LABELLED))
    teacher = (3 * torch.randn(2, ROWS, CLASSES)).half().double()
    batches = list(zip(images, labels, teacher))
    files = {"inputs": {name: value.half() for name, value in initial.items()}}
    files["inputs"].update(images=images.permute(0, 1, 3, 4, 2).half().contiguous(),  # NHWC
                           labels=labels, teacher=teacher.half())
    files["semi"] = trajectory(initial, batches, 1, 1, warmup_times_cosine)
    files["shots"] = trajectory(initial, batches, 0.5, 0.5, cosine)
    write_public(files["semi"], images[0])
    for name, tensors in files.items():
        path = os.path.join(HERE, f"trajectory_clip_{name}.safetensors")
        save_file(tensors, path)
        print(path, os.path.getsize(path), "bytes")
        if name != "inputs":
            print("  losses", [round(x, 4) for x in tensors["losses"][::5, -1].tolist()], "head_kd.bias",
                  [round(x, 5) for x in tensors["head_kd.bias"].tolist()])


if __name__ == "__main__":
    main()
