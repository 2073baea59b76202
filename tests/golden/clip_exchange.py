"""The Python side of tests/e2e/clip_weights.sh: open_clip, transformers and timm as references.

make DIR:              small CLIP towers with random weights: vit_{openai,bare,huggingface,timm} and rn50
                       as .safetensors, after a check that the three libraries agree on them, and a
                       few PNGs of 64 pixels in class folders DIR/images/<class>/.
compare DIR FILE FORM: FILE (an export) loads strictly into FORM's model and is DIR's tower, bit for bit.
resized DIR FILE SIDE: FILE's position embeddings are those that open_clip makes for a grid of SIDE.
"""
import os
import sys
from types import SimpleNamespace

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

WIDTH, LAYERS, EMBED, SIZE, PATCH = 128, 2, 85, 64, 16


def open_clip_vit():
    from open_clip.transformer import QuickGELU, VisionTransformer
    return VisionTransformer(image_size=SIZE, patch_size=PATCH, width=WIDTH, layers=LAYERS,
                             heads=WIDTH // 64, mlp_ratio=4.0, output_dim=EMBED,
                             act_layer=QuickGELU)


def huggingface_vit():
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection
    return CLIPVisionModelWithProjection(
        CLIPVisionConfig(hidden_size=WIDTH, intermediate_size=4 * WIDTH, projection_dim=EMBED,
                         num_hidden_layers=LAYERS, num_attention_heads=WIDTH // 64,
                         image_size=SIZE, patch_size=PATCH, hidden_act="quick_gelu"))


def timm_vit():
    from timm.models.vision_transformer import VisionTransformer
    return VisionTransformer(img_size=SIZE, patch_size=PATCH, embed_dim=WIDTH, depth=LAYERS,
                             num_heads=WIDTH // 64, num_classes=EMBED, pre_norm=True,
                             act_layer="quick_gelu", norm_layer=lambda n, **_: torch.nn.LayerNorm(n))


def rn50():
    from open_clip.modified_resnet import ModifiedResNet
    return ModifiedResNet([3, 4, 6, 3], 128, 32, SIZE, 8)


def to_huggingface(state, model):
    """transformers' names, from its conversion script's description of OpenAI's."""
    out = {}
    for k, v in state.items():
        k = (k.replace("conv1.", "vision_model.embeddings.patch_embedding.")
             .replace("ln_pre.", "vision_model.pre_layrnorm.")
             .replace("ln_post.", "vision_model.post_layernorm.")
             .replace("transformer.resblocks.", "vision_model.encoder.layers.")
             .replace("ln_1.", "layer_norm1.").replace("ln_2.", "layer_norm2.")
             .replace("mlp.c_fc.", "mlp.fc1.").replace("mlp.c_proj.", "mlp.fc2.")
             .replace("attn.out_proj.", "self_attn.out_proj."))
        if k == "class_embedding":
            k = "vision_model.embeddings.class_embedding"
        elif k == "positional_embedding":
            k = "vision_model.embeddings.position_embedding.weight"
        elif k == "proj":
            k, v = "visual_projection.weight", v.T
        if "attn.in_proj_" in k:
            for letter, part in zip("qkv", v.chunk(3)):
                out[k.replace("attn.in_proj_", f"self_attn.{letter}_proj.")] = part.contiguous()
        else:
            out[k] = v.contiguous()
    model.load_state_dict(out, strict=True)
    return model.state_dict()


def to_timm(state, model):
    from timm.models.vision_transformer import _convert_openai_clip
    out = _convert_openai_clip({f"visual.{k}": v for k, v in state.items()}, model)
    model.load_state_dict(out, strict=True)
    return model.state_dict()


def randomise(model):
    with torch.no_grad():
        for p in model.parameters():  # zeros would not stay zeros at the least rate
            if p.dim() == 1:
                p.uniform_(0.5, 1)
        for name, buffer in model.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_(0, 0.1)
            elif name.endswith("running_var"):
                buffer.uniform_(0.5, 1.5)


def make(folder):
    torch.manual_seed(1)
    tower, huggingface, timm, resnet = open_clip_vit(), huggingface_vit(), timm_vit(), rn50()
    randomise(tower)
    randomise(resnet)
    state = tower.state_dict()
    files = {"vit_openai": {f"visual.{k}": v for k, v in state.items()} | {"logit_scale": torch.ones([])},
             "vit_bare": state, "vit_huggingface": to_huggingface(state, huggingface),
             "vit_timm": to_timm(state, timm),
             "rn50": {f"visual.{k}": v for k, v in resnet.state_dict().items()}}
    images = torch.randn(2, 3, SIZE, SIZE)
    with torch.no_grad():
        expected = tower.eval()(images)
        others = [huggingface.eval()(pixel_values=images).image_embeds, timm.eval()(images)]
    for other in others:
        assert (other - expected).abs().max() < 1e-4 * expected.abs().max()
    for name, tensors in files.items():
        tensors = {k: v.contiguous() for k, v in tensors.items()}
        save_file(tensors, os.path.join(folder, f"{name}.safetensors"))
    random = np.random.default_rng(2)
    for name in ["ant", "bee"]:
        os.makedirs(os.path.join(folder, "images", name))
        for i in range(4):
            pixels = random.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(os.path.join(folder, "images", name, f"{i}.png"))


def compare(folder, path, form):
    ours = load_file(path)
    theirs = load_file(os.path.join(folder, f"{form}.safetensors"))
    for name, value in theirs.items():
        if name == "logit_scale" or name.endswith(("running_mean", "running_var", "num_batches_tracked")):
            continue
        if name == "head.bias":
            continue  # timm's, zero
        assert torch.equal(ours[name], value), name
    if form in ("vit_openai", "rn50"):
        model, ours = open_clip_vit() if form == "vit_openai" else rn50(), {
            k.removeprefix("visual."): v for k, v in ours.items()}
    elif form == "vit_bare":
        model = open_clip_vit()
    else:
        model = huggingface_vit() if form == "vit_huggingface" else timm_vit()
        if form == "vit_timm":
            ours["head.bias"] = torch.zeros(EMBED)
    model.load_state_dict(ours, strict=True)


def resized(folder, path, side):
    from open_clip.model import resize_pos_embed
    state = load_file(os.path.join(folder, "vit_openai.safetensors"))
    side = int(side)
    resize_pos_embed(state, SimpleNamespace(visual=SimpleNamespace(grid_size=(side, side))))
    expected = state["visual.positional_embedding"]
    ours = load_file(path)["visual.positional_embedding"]
    assert ours.shape == expected.shape, (ours.shape, expected.shape)
    error = (ours - expected).abs().max().item() / expected.abs().max().item()
    print(f"grid {SIZE // PATCH} to {side}: largest difference {error:.1e}")
    assert error < 1e-6


if __name__ == "__main__":
    {"make": make, "compare": compare, "resized": resized}[sys.argv[1]](*sys.argv[2:])
