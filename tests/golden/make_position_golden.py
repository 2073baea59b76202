"""Makes tests/golden/position_embeddings.safetensors for tests/unit/weights/test_position.c.

    python3 tests/golden/make_position_golden.py [FILE]
Position embeddings of a grid of 7, and what open_clip's resize_pos_embed makes of a vision
transformer's and timm's resample_abs_pos_embed of an attention pool's on grids of 3 and 12. The two
agree bit for bit on the same embeddings.
"""
import os
import sys
from types import SimpleNamespace

import torch
from open_clip.model import resize_pos_embed
from safetensors.torch import save_file
from timm.layers import resample_abs_pos_embed

CHANNELS, SIDE = 4, 7


def open_clip(embedding, side):
    state = {"visual.positional_embedding": embedding}
    resize_pos_embed(state, SimpleNamespace(visual=SimpleNamespace(grid_size=(side, side))))
    return state["visual.positional_embedding"].contiguous()


def timm(embedding, side):
    return resample_abs_pos_embed(embedding[None], [side, side], num_prefix_tokens=1)[0].contiguous()


def main():
    torch.manual_seed(1)
    vit, pool = torch.randn(2, 1 + SIDE * SIDE, CHANNELS)
    tensors = {"visual.positional_embedding": vit.clone(), "pos_embed": vit.clone()[None],
               "visual.attnpool.positional_embedding": pool.clone(), "head.pos_embed": pool.clone()}
    for side in (3, 12):
        assert torch.equal(open_clip(vit, side), timm(vit, side))
        tensors[f"open_clip.{side}"] = open_clip(vit, side)
        tensors[f"timm.{side}"] = timm(pool, side)
    default = os.path.join(os.path.dirname(__file__), "position_embeddings.safetensors")
    save_file(tensors, sys.argv[1] if len(sys.argv) > 1 else default)


if __name__ == "__main__":
    main()
