"""The Python side of tests/oracle/clip_embeddings.sh: open_clip and transformers as references.

make DIR [full]:          models with random weights, DIR/<form>.{safetensors,pt}, images in class folders
                          DIR/images, texts DIR/texts.txt, and what the references make of them. full:
                          RN50 and ViT-B/16 at their published size.
compare DIR FORM KIND FILE: FILE's `features` are the reference's (KIND texts or images).
head DIR FORM FILE:       FILE is the zero-shot head of DIR/classes.txt and DIR/templates.txt.
cache DIR FORM FILE KIND: records of tests/tools/dump_cache: the reference's logits on the same crops (KIND
                          center: on its own evaluation transform).
Several of these may be given, with -- between them.
"""
import os
import sys

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

MEAN, STD = (.48145466, .4578275, .40821073), (.26862954, .26130258, .27577711)
# form: model of dho, kind of reference, image size, resize mode, arguments
FORMS = {
    "vit_b16": ("clip_vit_b16", "open_clip", 64, "shortest",
                dict(width=128, layers=2, patch=16, embed=48, text_width=64, text_layers=2)),
    "vit_l14": ("clip_vit_l14", "open_clip", 56, "shortest",
                dict(width=64, layers=1, patch=14, embed=40, text_width=128, text_layers=3)),
    "vit_l14_336": ("clip_vit_l14_336", "open_clip", 84, "shortest",
                    dict(width=192, layers=2, patch=14, embed=64, text_width=64, text_layers=1)),
    "vit_h14": ("clip_vit_h14_378", "open_clip", 70, "squash",
                dict(width=160, layers=2, patch=14, embed=56, text_width=64, text_layers=2, head_width=80)),
    "rn50": ("clip_rn50", "open_clip", 96, "shortest",
             dict(width=8, layers=[3, 4, 6, 3], embed=32, text_width=64, text_layers=2, head_width=8)),
    "huggingface": ("clip_vit_b16", "transformers", 64, "shortest",
                    dict(width=128, layers=2, patch=16, embed=48, text_width=64, text_layers=2)),
}
FULL = {
    "full_vit_b16": ("clip_vit_b16", "open_clip", 224, "shortest",
                     dict(width=768, layers=12, patch=16, embed=512, text_width=512, text_layers=12)),
    "full_rn50": ("clip_rn50", "open_clip", 224, "shortest",
                  dict(width=64, layers=[3, 4, 6, 3], embed=1024, text_width=512, text_layers=12)),
}
TEXTS = ["a photo of a tench.", "itap of a Great White Shark!", "a", "", "  two   blanks & <html>  ",
         "art of the déjà vu, 日本語 🎉", "a bad photo of the " + "very " * 30 + "long name.",
         "a photo of " + "word " * 100 + "that is cut."]
TEMPLATES = ["itap of a {}.", "a bad photo of the {}.", "a origami {}.", "a photo of the large {}.",
             "a {} in a video game.", "art of the {}.", "a photo of the small {}."]
CLASSES = ["T-shirt", "crane bird", "great_white_shark", "potter's wheel", "tench"]


def build(form):
    _, kind, size, _, a = (FORMS | FULL)[form]
    if kind == "transformers":
        from transformers import CLIPConfig, CLIPModel
        heads = dict(hidden_act="quick_gelu", projection_dim=a["embed"])
        return CLIPModel(CLIPConfig(
            projection_dim=a["embed"],
            text_config=dict(hidden_size=a["text_width"], intermediate_size=4 * a["text_width"],
                             num_hidden_layers=a["text_layers"], eos_token_id=49407, bos_token_id=49406,
                             num_attention_heads=a["text_width"] // 64, vocab_size=49408, **heads),
            vision_config=dict(hidden_size=a["width"], intermediate_size=4 * a["width"],
                               num_hidden_layers=a["layers"], num_attention_heads=a["width"] // 64,
                               image_size=size, patch_size=a["patch"], **heads))).eval()
    from open_clip.model import CLIP
    return CLIP(a["embed"],
                dict(image_size=size, layers=a["layers"], width=a["width"], patch_size=a.get("patch"),
                     head_width=a.get("head_width", 64), timm_model_name=None),
                dict(context_length=77, vocab_size=49408, width=a["text_width"],
                     heads=max(a["text_width"] // 64, 1), layers=a["text_layers"]),
                quick_gelu=True).eval()


def randomise(model):
    with torch.no_grad():
        for name, p in model.named_parameters():
            if name.endswith("logit_scale"):
                p.fill_(np.log(80))
            elif p.dim() == 1 and "embedding" not in name:
                p.uniform_(.5, 1) if name.endswith("weight") else p.normal_(0, .1)
            elif "embedding" in name:
                p.normal_(0, .5)
        for name, b in model.named_buffers():
            if name.endswith("running_mean"):
                b.normal_(0, .1)
            elif name.endswith("running_var"):
                b.uniform_(.5, 1.5)


def seeded(form):
    torch.manual_seed(sorted(FORMS | FULL).index(form))
    model = build(form)
    randomise(model)
    return model


def text_features(model, texts):
    from open_clip import tokenize
    ids = tokenize(list(texts))
    if hasattr(model, "encode_text"):
        return model.encode_text(ids)
    return model.text_projection(model.text_model(input_ids=ids)[1])


def image_features(model, pixels):
    if hasattr(model, "encode_image"):
        return model.encode_image(pixels)
    return model.visual_projection(model.vision_model(pixel_values=pixels)[1])


def squash(picture, size):
    """In two steps: Pillow 13 does the vertical pass first where that is cheaper."""
    return picture.resize((size, picture.height), Image.BICUBIC).resize((size, size), Image.BICUBIC)


def transform(form):
    from open_clip.transform import image_transform
    from torchvision.transforms import Compose, Lambda
    _, _, size, mode, _ = (FORMS | FULL)[form]
    if mode == "squash":
        tool = image_transform(size, is_train=False, mean=MEAN, std=STD, resize_mode=mode)
        return Compose([Lambda(lambda picture: squash(picture, size))] + tool.transforms[1:])
    return image_transform(size, is_train=False, mean=MEAN, std=STD, resize_mode=mode,
                           interpolation="bicubic")


def paths(folder):
    root = os.path.join(folder, "images")
    return [os.path.join(root, c, n) for c in sorted(os.listdir(root))
            for n in sorted(os.listdir(os.path.join(root, c)))]


def images_of(form, folder):
    tool = transform(form)
    return torch.stack([tool(Image.open(p)) for p in paths(folder)])


def make_images(folder):
    random = np.random.default_rng(7)
    for i, name in enumerate(CLASSES):
        os.makedirs(os.path.join(folder, "images", name), exist_ok=True)
        for j, (w, h) in enumerate([(120, 90), (75, 130)]):
            coarse = random.integers(0, 256, (9, 11, 3), dtype=np.uint8)
            picture = Image.fromarray(coarse).resize((w, h), Image.BICUBIC)
            picture.save(os.path.join(folder, "images", name, f"{j}.png"))


def make(folder, full=None):
    make_images(folder)
    write = lambda name, lines: open(os.path.join(folder, name), "w").write("\n".join(lines) + "\n")
    write("texts.txt", TEXTS)
    write("templates.txt", ["# the seven best", ""] + TEMPLATES)
    write("classes.txt", CLASSES)
    for form in FULL if full else FORMS:
        model = seeded(form)
        state = {k: v.contiguous() for k, v in model.state_dict().items()
                 if not k.endswith(("num_batches_tracked", "position_ids", "attn_mask"))}
        save_file(state, os.path.join(folder, f"{form}.safetensors"))
        if form == "vit_l14":
            torch.save(model.state_dict(), os.path.join(folder, f"{form}.pt"))
        with torch.no_grad():
            expected = {"texts": text_features(model, TEXTS),
                        "images": image_features(model, images_of(form, folder))}
        save_file({k: v.contiguous() for k, v in expected.items()},
                  os.path.join(folder, f"{form}.expected"))
    print(" ".join(f"{form}:{(FORMS | FULL)[form][0]}" for form in (FULL if full else FORMS)))


def check(name, ours, theirs):
    assert ours.shape == theirs.shape, (name, ours.shape, theirs.shape)
    ours, theirs = ours.double(), theirs.double()
    cosine = torch.nn.functional.cosine_similarity(ours, theirs, dim=-1).min().item()
    error = ((ours - theirs).norm(dim=-1) / theirs.norm(dim=-1)).max().item()
    print(f"{name}: least cosine 1 - {1 - cosine:.1e}, largest relative error {error:.1e}")
    assert cosine >= .99999 and error < 1e-4, name


def compare(folder, form, kind, path):
    expected = load_file(os.path.join(folder, f"{form}.expected"))[kind]
    if kind == "images":
        labels = load_file(path)["labels"]
        assert labels.tolist() == [i // 2 for i in range(2 * len(CLASSES))], labels
    check(f"{form} {kind}", load_file(path)["features"], expected)


def zero_shot(model):
    weight, means = [], []
    with torch.no_grad():
        for name in CLASSES:
            e = text_features(model, [t.format(name.replace("_", " ")) for t in TEMPLATES]).double()
            unit = (e / e.norm(dim=-1, keepdim=True)).mean(0)
            weight.append(unit / unit.norm())
            means.append(e.mean(0))
    return torch.stack(weight), torch.stack(means)


def head(folder, form, path):
    model, ours = seeded(form), load_file(path)
    weight, means = zero_shot(model)
    check(f"{form} head", ours["weight"], weight)
    check(f"{form} text means", ours["text_means"], means)
    assert abs(ours["scale"].item() - 80) < 1e-3, ours["scale"]
    if hasattr(model, "encode_text"):
        from open_clip import build_zero_shot_classifier, tokenize
        theirs = build_zero_shot_classifier(model, tokenize, [c.replace("_", " ") for c in CLASSES],
                                            [lambda c, t=t: t.format(c) for t in TEMPLATES])
        check(f"{form} head of open_clip", ours["weight"], theirs.T)


def cache(folder, form, path, center):
    """Records: id, view, box x y w h, flip as int32, then a float32 logit of each class."""
    from torchvision.transforms.functional import hflip, normalize, to_tensor
    model, size = seeded(form), (FORMS | FULL)[form][2]
    weight, _ = zero_shot(model)
    files, tool = paths(folder), transform(form)
    words = np.fromfile(path, dtype=np.int32).reshape(-1, 7 + len(CLASSES))
    logits = torch.from_numpy(words[:, 7:].copy().view(np.float32))
    rows = []
    for i, view, x, y, w, h, flip in words[:, :7]:
        picture = Image.open(files[i])
        if center == "center":
            assert (w, h) == (0, 0)
            rows.append(tool(picture))
            continue
        picture = squash(picture.crop((x, y, x + w, y + h)), size)
        pixels = normalize(to_tensor(picture), MEAN, STD)
        rows.append(hflip(pixels) if flip else pixels)
    with torch.no_grad():
        f = image_features(model, torch.stack(rows)).double()
    expected = 80 * (f / f.norm(dim=-1, keepdim=True)) @ weight.T
    error = (logits.double() - expected).abs().max().item()
    spread = (expected.max() - expected.min()).item()
    print(f"{form} cache, {center}: {len(words)} records, largest difference {error:.1e} of logits "
          f"that spread over {spread:.1f}")
    assert len(words) % len(files) == 0 and error < 0.05, (error, spread)


if __name__ == "__main__":
    tools = {"make": make, "compare": compare, "head": head, "cache": cache}
    line = []
    for word in sys.argv[1:] + ["--"]:
        if word != "--":
            line.append(word)
        elif line:
            tools[line[0]](*line[1:])
            line = []
