"""The Python side of tests/oracle/clip_weights.sh: open_clip, transformers and timm as references.

make DIR:              small CLIP towers with random weights: vit_{openai,bare,huggingface,timm} and
                       rn50{,_timm} as .safetensors, after a check that the libraries agree on them,
                       and a few PNGs of 64 pixels in class folders DIR/images/<class>/; public_dho.pt,
                       a checkpoint as the method's public code saves its ViTs.
check DIR:             the lines of DIR/checks, with files in DIR:
  compare FILE FORM:          FILE (an export) loads strictly into FORM's model and is DIR's tower, bit
                              for bit.
  classifies OURS TIMM FORM:  timm's model of two classes loads TIMM strictly and has the logits of OURS,
                              the same export under OpenAI's names: FORM's tower and a linear head.
  resized FILE SIDE:          FILE's position embeddings are those that open_clip makes for a grid of
                              SIDE.
  public FILE:                FILE (stored outputs of an evaluation of the images) has the logits of
                              public_dho.pt, by the public code's formula.
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


def timm_vit(classes=EMBED):
    from timm.models.vision_transformer import VisionTransformer
    return VisionTransformer(img_size=SIZE, patch_size=PATCH, embed_dim=WIDTH, depth=LAYERS,
                             num_heads=WIDTH // 64, num_classes=classes, pre_norm=True,
                             act_layer="quick_gelu", norm_layer=lambda n, **_: torch.nn.LayerNorm(n))


def rn50():
    from open_clip.modified_resnet import ModifiedResNet
    return ModifiedResNet([3, 4, 6, 3], 128, 32, SIZE, 8)


def timm_rn50(classes=128):
    """timm's resnet50_clip of an eighth of the width, whose heads of attention are narrow as well."""
    from dataclasses import replace
    from timm.models.byobnet import ByobNet, model_cfgs
    published = model_cfgs["resnet50_clip"]
    config = replace(published, stem_chs=(4, 4, 8),
                     blocks=tuple(replace(block, c=block.c // 8) for block in published.blocks))
    model = ByobNet(config, num_classes=classes, img_size=SIZE)
    model.head.num_heads, model.head.head_dim, model.head.scale = 32, 8, 8 ** -0.5
    return model


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
    if hasattr(model, "stages"):
        from timm.models.byobnet import _convert_openai_clip
    else:
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


class PublicStudent(torch.nn.Module):
    """A student as the method's public code has its ViTs."""

    def __init__(self, tower):
        super().__init__()
        self.backbone = tower
        self.ce_head, self.kd_head = torch.nn.Linear(EMBED, 2), torch.nn.Linear(EMBED, 2)

    def forward(self, images):
        f = self.backbone(images)
        return self.ce_head(f), self.kd_head(torch.nn.functional.normalize(f, dim=1)) * 100


def save_public(folder, tower):
    state = PublicStudent(tower).state_dict()
    torch.save({"model_state_dict": {f"module.{k}": v for k, v in state.items()}, "epoch": 31,
                "acc": 81.6, "alpha": 0.5, "beta": 0.5}, os.path.join(folder, "public_dho.pt"))


def public(folder, path):
    from torchvision import datasets, transforms
    model = PublicStudent(open_clip_vit())
    state = torch.load(os.path.join(folder, "public_dho.pt"))["model_state_dict"]
    model.load_state_dict({k.removeprefix("module."): v for k, v in state.items()}, strict=True)
    images = datasets.ImageFolder(os.path.join(folder, "images"), transforms.Compose([
        transforms.ToTensor(),
        transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))]))
    with torch.no_grad():
        ce, kd = model.eval()(torch.stack([image for image, _ in images]))
    found, errors = load_file(os.path.join(folder, path)), []
    for name, expected in (("logits_ce", ce), ("logits_kd", kd)):
        errors.append(((found[name] - expected).abs().max() / expected.abs().max()).item())
        assert errors[-1] < 1e-5, (name, errors)
    return f"the public code's checkpoint: largest differences {errors[0]:.1e}, {errors[1]:.1e} of the logits"


def make(folder):
    torch.manual_seed(1)
    tower, huggingface, timm = open_clip_vit(), huggingface_vit(), timm_vit()
    resnet, timm_resnet = rn50(), timm_rn50()
    randomise(tower)
    randomise(resnet)
    state = tower.state_dict()
    files = {"vit_openai": {f"visual.{k}": v for k, v in state.items()} | {"logit_scale": torch.ones([])},
             "vit_bare": state, "vit_huggingface": to_huggingface(state, huggingface),
             "vit_timm": to_timm(state, timm),
             "rn50": {f"visual.{k}": v for k, v in resnet.state_dict().items()},
             "rn50_timm": to_timm(resnet.state_dict(), timm_resnet)}
    images = torch.randn(2, 3, SIZE, SIZE)
    with torch.no_grad():
        expected = tower.eval()(images)
        pairs = [(huggingface.eval()(pixel_values=images).image_embeds, expected),
                 (timm.eval()(images), expected),
                 (timm_resnet.eval()(images), resnet.eval()(images))]
    for other, one in pairs:
        assert (other - one).abs().max() < 1e-4 * one.abs().max()
    for name, tensors in files.items():
        tensors = {k: v.contiguous() for k, v in tensors.items()}
        save_file(tensors, os.path.join(folder, f"{name}.safetensors"))
    save_public(folder, tower)
    random = np.random.default_rng(2)
    for name in ["ant", "bee"]:
        os.makedirs(os.path.join(folder, "images", name))
        for i in range(4):
            pixels = random.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(os.path.join(folder, "images", name, f"{i}.png"))


def compare(folder, path, form):
    ours = load_file(os.path.join(folder, path))
    theirs = load_file(os.path.join(folder, f"{form}.safetensors"))
    for name, value in theirs.items():
        if name == "logit_scale" or name.endswith(("running_mean", "running_var", "num_batches_tracked")):
            continue
        assert torch.equal(ours[name], value), name
    if form in ("vit_openai", "rn50"):
        model, ours = open_clip_vit() if form == "vit_openai" else rn50(), {
            k.removeprefix("visual."): v for k, v in ours.items()}
    elif form == "vit_bare":
        model = open_clip_vit()
    else:
        model = {"vit_huggingface": huggingface_vit, "vit_timm": timm_vit, "rn50_timm": timm_rn50}[form]()
    model.load_state_dict(ours, strict=True)
    return f"{form}: the export loads strictly and is the tower, bit for bit"


def classifies(folder, ours, theirs, form):
    tower, model = (open_clip_vit(), timm_vit(2)) if form == "vit" else (rn50(), timm_rn50(2))
    ours = load_file(os.path.join(folder, ours))
    head = torch.nn.Linear(ours["head.weight"].shape[1], 2)
    head.load_state_dict({k: ours.pop(f"head.{k}") for k in ("weight", "bias")})
    tower.load_state_dict({k.removeprefix("visual."): v for k, v in ours.items()}, strict=True)
    model.load_state_dict(load_file(os.path.join(folder, theirs)), strict=True)
    images = torch.randn(4, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        expected, logits = head(tower.eval()(images)), model.eval()(images)
    error = ((logits - expected).abs().max() / expected.abs().max()).item()
    assert error < 1e-5, (form, error)
    return f"timm's {form} as a classifier: largest difference {error:.1e}"


def resized(folder, path, side):
    from open_clip.model import resize_pos_embed
    state = load_file(os.path.join(folder, "vit_openai.safetensors"))
    side = int(side)
    resize_pos_embed(state, SimpleNamespace(visual=SimpleNamespace(grid_size=(side, side))))
    expected = state["visual.positional_embedding"]
    ours = load_file(os.path.join(folder, path))["visual.positional_embedding"]
    assert ours.shape == expected.shape, (ours.shape, expected.shape)
    error = (ours - expected).abs().max().item() / expected.abs().max().item()
    assert error < 1e-6, (side, error)
    return f"grid {SIZE // PATCH} to {side}: largest difference {error:.1e}"


def check(folder):
    with open(os.path.join(folder, "checks")) as file:
        for line in file:
            command, *arguments = line.split()
            function = {"compare": compare, "classifies": classifies, "resized": resized,
                        "public": public}[command]
            print("ok:", function(folder, *arguments), flush=True)


if __name__ == "__main__":
    {"make": make, "check": check}[sys.argv[1]](*sys.argv[2:])
