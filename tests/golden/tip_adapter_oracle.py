"""Tip-Adapter-F in PyTorch, from the formulas, for tests/oracle/tip_adapter.sh.

make FOLDER       writes random shots, a head, a search and a test set as safetensors
check FOLDER OUT  trains and searches the same in PyTorch and compares with the head file OUT

The order of an epoch is the documented one: Fisher-Yates over Philox 4x32-10 (docs/tip-adapter.md).
"""
import sys

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

CLASSES, SHOTS, DIM, SEED = 7, 6, 48, 123
EPOCHS, BATCH, LR, EPS, DECAY = 5, 12, 5e-3, 1e-4, 0.01  # 42 shots: 4 batches, 20 steps
ALPHA, BETA, SCALE = 1.3, 4.0, 20.0
STEPS_BETA, STEPS_ALPHA, SCALE_BETA, SCALE_ALPHA = 30, 10, 12.0, 5.0
PURPOSE = 9


def unit(x):
    return x / x.norm(dim=-1, keepdim=True)


def make(folder):
    g = torch.Generator().manual_seed(1)
    centres = unit(torch.randn(CLASSES, DIM, generator=g))

    def some(count, noise):
        labels = torch.arange(count) % CLASSES
        return centres[labels] + noise * torch.randn(count, DIM, generator=g), labels

    features, labels = some(CLASSES * SHOTS, 0.25)
    save_file({"features": features, "labels": labels}, f"{folder}/shots.safetensors")
    # The same as another program would leave it.
    save_file({"cache_keys": unit(features).half(),
               "cache_values": torch.nn.functional.one_hot(labels).half()},
              f"{folder}/adapter.safetensors")
    # As its public code saves it: keys as columns, no name.
    torch.save(unit(features).half().permute(1, 0), f"{folder}/keys_16shots.pt")
    torch.save(torch.nn.functional.one_hot(labels).half(), f"{folder}/values_16shots.pt")
    save_file({"weight": unit(centres + 0.2 * torch.randn(CLASSES, DIM, generator=g)),
               "scale": torch.tensor(SCALE)}, f"{folder}/head.safetensors")
    for name, count in (("search", 701), ("test", 300)):
        features, labels = some(count, 0.3)
        save_file({"features": features.half(), "labels": labels}, f"{folder}/{name}.safetensors")
    print(f"--fine-tune --epochs {EPOCHS} --batch {BATCH} --lr {LR} --eps {EPS} --seed {SEED} "
          f"--alpha {ALPHA} --beta {BETA} --search-scale {SCALE_BETA},{SCALE_ALPHA} "
          f"--search-steps {STEPS_BETA},{STEPS_ALPHA}")


MASK = 0xFFFFFFFF


def philox(key, counter):
    key, c = list(key), list(counter)
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(b >> 32) ^ c[1] ^ key[0], b & MASK, (a >> 32) ^ c[3] ^ key[1], a & MASK]
        key = [(key[0] + 0x9E3779B9) & MASK, (key[1] + 0xBB67AE85) & MASK]
    return c


def stream(epoch):
    block = 0
    while True:
        counter = (block, PURPOSE << 24 | epoch, 0, 0)
        yield from philox((SEED & MASK, SEED >> 32), counter)
        block += 1


def order(epoch, count):
    numbers, ids = stream(epoch), list(range(count))
    for i in range(count - 1, 0, -1):
        n = i + 1
        product = next(numbers) * n
        while (product & MASK) < (2**32 - n) % n:
            product = next(numbers) * n
        j = product >> 32
        ids[i], ids[j] = ids[j], ids[i]
    return ids


def logits(f, weight, keys, values, alpha, beta):
    return SCALE * f @ weight.T + alpha * torch.exp(-beta * (1 - f @ keys.T)) @ values


def train(features, labels, weight):
    keys = torch.nn.Parameter(features.clone())
    values = torch.nn.functional.one_hot(labels).float()
    optimizer = torch.optim.AdamW([keys], lr=LR, eps=EPS, weight_decay=DECAY)
    steps = (len(labels) + BATCH - 1) // BATCH
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS * steps)
    for epoch in range(EPOCHS):
        ids = order(epoch, len(labels))
        for first in range(0, len(labels), BATCH):
            rows = ids[first:first + BATCH]
            out = logits(features[rows], weight, keys, values, ALPHA, BETA)
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(out, labels[rows]).backward()
            optimizer.step()
            scheduler.step()
    return keys.detach(), values


def search(folder, weight, keys, values):
    data = load_file(f"{folder}/search.safetensors")
    f, labels = unit(data["features"].float()), data["labels"]
    best = (-1, 0, 0)
    for i in range(STEPS_BETA):
        beta = i * (SCALE_BETA - 0.1) / STEPS_BETA + 0.1
        for k in range(STEPS_ALPHA):
            alpha = k * (SCALE_ALPHA - 0.1) / STEPS_ALPHA + 0.1
            right = (logits(f, weight, keys, values, alpha, beta).argmax(1) == labels).sum().item()
            if right > best[0]:
                best = (right, alpha, beta)
    return best


def check(folder, path):
    shots = load_file(f"{folder}/shots.safetensors")
    weight = load_file(f"{folder}/head.safetensors")["weight"]
    keys, values = train(unit(shots["features"]), shots["labels"], weight)
    rank = torch.sort(shots["labels"], stable=True).indices
    found = load_file(path)
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    error = (found["keys"] - keys[rank]).abs().max().item()
    moved = (found["keys"] - unit(shots["features"])[rank]).abs().max().item()
    right, alpha, beta = search(folder, weight, keys, values)
    assert metadata["kind"] == "Tip-Adapter-F", metadata
    assert torch.equal(found["labels"], shots["labels"][rank])
    assert moved > 0.01, moved
    assert error <= 1e-5, f"keys differ by {error}"
    assert f"{right} right" in metadata["alpha and beta"], (metadata, right)
    assert abs(found["alpha"] - alpha) < 1e-5 and abs(found["beta"] - beta) < 1e-5, (alpha, beta)
    print(f"20 steps of PyTorch: keys moved by up to {moved:.3f}, differ by {error:.1e}; "
          f"alpha {alpha:.3f}, beta {beta:.3f}, {right} right")


if sys.argv[1] == "make":
    make(sys.argv[2])
else:
    check(sys.argv[2], sys.argv[3])
