"""Writes tests/golden/clip_small/: a CLIP model of open_clip with random weights and 16 channels, a
vocabulary for it, and what it makes of some rows of ids and of some pixels (float64, rounded).

    python3 tests/golden/make_clip_golden.py      (torch, open_clip, safetensors)

model.safetensors: OpenAI's names. vocab.json, merges.txt: bytes, two merges and the marks, in Hugging
Face's form. expected.safetensors: ids [4, 40], texts [4, 10], pixels [2, 3, 32, 32], images [2, 10].
"""
import json
import os

import torch
from open_clip.model import CLIP
from safetensors.torch import save_file

EMBED, CONTEXT = 10, 40
MERGES = [("t", "h"), ("th", "e</w>")]
here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "clip_small")


def byte_symbols():
    """GPT-2's printable stand-ins of the 256 bytes."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return [chr(b) for b in plain] + [chr(256 + i) for i in range(256 - len(plain))]


def main():
    os.makedirs(here, exist_ok=True)
    symbols = byte_symbols()
    symbols += [s + "</w>" for s in symbols] + ["".join(m) for m in MERGES]
    symbols += ["<|startoftext|>", "<|endoftext|>"]
    with open(os.path.join(here, "vocab.json"), "w") as f:
        json.dump({s: i for i, s in enumerate(symbols)}, f, ensure_ascii=False)
    with open(os.path.join(here, "merges.txt"), "w") as f:
        f.write("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in MERGES))
    torch.manual_seed(1)
    model = CLIP(EMBED, dict(image_size=32, layers=1, width=16, patch_size=16, head_width=8),
                 dict(context_length=CONTEXT, vocab_size=len(symbols), width=16, heads=2, layers=2),
                 quick_gelu=True).eval()
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.dim() == 1 and name != "logit_scale":
                p.uniform_(.5, 1) if name.endswith("weight") else p.normal_(0, .1)
            elif "embedding" in name:
                p.normal_(0, .5)
    state = {k: v.clone() for k, v in model.state_dict().items() if k != "attn_mask"}
    save_file(state, os.path.join(here, "model.safetensors"))
    model.double()
    start, end = len(symbols) - 2, len(symbols) - 1
    ids = torch.zeros(4, CONTEXT, dtype=torch.long)
    for row, length in enumerate([2, 7, 8, CONTEXT]):
        ids[row, :length] = torch.cat([torch.tensor([start]), torch.randint(0, start, (length - 2,)),
                                       torch.tensor([end])])
    pixels = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        save_file({"ids": ids, "texts": model.encode_text(ids).float(), "pixels": pixels,
                   "images": model.encode_image(pixels.double()).float()},
                  os.path.join(here, "expected.safetensors"))


main()
