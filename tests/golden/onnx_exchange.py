"""The Python side of tests/oracle/onnx.sh: onnx's checker, ONNX Runtime, timm and transformers as
references. EVAL is a file of outputs that dho eval wrote, of images below ROOT.

same (FILE EVAL ROOT) ...: onnx.checker takes FILE; ONNX Runtime's logits are dho's within 1e-4, and its
                           probabilities have the same first class; the images are prepared as FILE's
                           metadata say.
accuracy FILE EVAL ROOT:   prints how many images ONNX Runtime has right, and their number.
masked FILE EVAL ROOT CLASSES: FILE gives the classes that are not in the list probability 0.
folder DIR EVAL ROOT:      timm and transformers load DIR, the second Python block of docs/export.md
                           gives dho's prediction with it.
snippet FILE EVAL ROOT:    the first block gives dho's prediction with FILE.
"""
import contextlib
import io
import json
import os
import re
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
from PIL import Image
from safetensors import safe_open


def outputs_of(path):
    with safe_open(path, "np") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    names = bytes(tensors["image_names"]).decode().split("\0")[:-1]
    return tensors, names


def open_model(path):
    onnx.checker.check_model(onnx.load(path), full_check=True)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return session, session.get_modelmeta().custom_metadata_map


def prepare(image, about):
    size, resize = int(about["image_size"]), int(about["resize"])
    filters = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
    image = image.convert("RGB")
    short, scale = min(image.size), filters[about["interpolation"]]
    # torchvision's Resize and CenterCrop
    sides = [resize if side == short else int(resize * side / short) for side in image.size]
    image = image.resize(sides, scale)
    left, top = (int(round((side - size) / 2)) for side in image.size)
    image = image.crop((left, top, left + size, top + size))
    mean, std = (np.array(about[key].split(), np.float32) for key in ("mean", "std"))
    return ((np.asarray(image, np.float32) / 255 - mean) / std).transpose(2, 0, 1)


def run_all(session, about, names, root, batch=16):
    found = {output.name: [] for output in session.get_outputs()}
    for start in range(0, len(names), batch):
        images = np.stack([prepare(Image.open(f"{root}/{name}"), about)
                           for name in names[start:start + batch]])
        for key, value in zip(found, session.run(None, {"images": images})):
            found[key].append(value)
    return {key: np.concatenate(value) for key, value in found.items()}


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def probabilities(tensors, about):
    """dho's, from its outputs."""
    p = softmax(tensors["logits_ce"].astype(np.float64))
    if "logits_kd" in tensors:
        alpha, beta = float(about["alpha"]), float(about["beta"])
        p = alpha * p + (1 - alpha) * softmax(tensors["logits_kd"].astype(np.float64) / beta)
    q = p ** (1 / float(about["temperature"]))
    return q / q.sum(-1, keepdims=True)


def same(path, evaluation, root):
    session, about = open_model(path)
    tensors, names = outputs_of(evaluation)
    found = run_all(session, about, names, root)
    pairs = [(key, key if key in found else "logits") for key in ("logits_ce", "logits_kd")
             if key in tensors]
    error = max(np.abs(tensors[own] - found[theirs]).max() for own, theirs in pairs)
    largest = max(np.abs(tensors[own]).max() for own, _ in pairs)
    p = probabilities(tensors, about)
    equal = p.argmax(-1) == found["probabilities"].argmax(-1)
    if np.abs(p - found["probabilities"]).max() > 1e-5:
        sys.exit("other probabilities")
    print(f"{about['model']}: largest error of a logit {error:.1e} (logits up to {largest:.1f}), "
          f"top-1 equal on {equal.sum()} of {len(names)} images")
    # The batch is the caller's.
    one = session.run(["probabilities"], {"images": np.stack(
        [prepare(Image.open(f"{root}/{names[0]}"), about)])})[0]
    if one.shape != (1, len(json.loads(about["class_names"]))) or \
            abs(one - found["probabilities"][:1]).max() > 1e-5:
        sys.exit("a batch of one image gives something else")
    if not error < 1e-4 or not equal.all():
        sys.exit("not the same")


def all_same(*groups):
    for start in range(0, len(groups), 3):
        same(*groups[start:start + 3])


def accuracy(path, evaluation, root):
    session, about = open_model(path)
    tensors, names = outputs_of(evaluation)
    found = run_all(session, about, names, root)
    print((found["probabilities"].argmax(-1) == tensors["labels"]).sum(), len(names))


def masked(path, evaluation, root, classes):
    session, about = open_model(path)
    tensors, names = outputs_of(evaluation)
    with open(classes) as file:
        wanted = np.isin(json.loads(about["class_names"]), file.read().split("\n"))
    p = run_all(session, about, names, root)["probabilities"]
    without = {key: np.where(wanted, value, -np.inf) if key.startswith("logits") else value
               for key, value in tensors.items()}
    if p[:, ~wanted].any() or np.abs(p - probabilities(without, about)).max() > 1e-5:
        sys.exit("the mask is another")
    print(f"{wanted.sum()} of {len(wanted)} classes take part")


def run_block(number, folder, evaluation, root, about):
    """Runs a block of the page in a folder, on the first image; compares p with dho's."""
    with open(f"{os.path.dirname(__file__)}/../../docs/export.md") as file:
        block = re.findall(r"```python\n(.*?)```", file.read(), re.S)[number]
    tensors, names = outputs_of(evaluation)
    with Image.open(f"{root}/{names[0]}") as image:
        image.convert("RGB").save(f"{folder}/image.png")
    os.chdir(folder)
    space = {}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(block.replace("image.jpg", "image.png"), space)
    p = space["p"].detach() if hasattr(space["p"], "detach") else space["p"]
    p = np.asarray(p).reshape(-1)
    error = np.abs(p - probabilities(tensors, about)[0]).max()
    if not error < 1e-5:
        sys.exit(f"the page's block gives other probabilities: {error}")
    return len(block.strip().split("\n")), error


def snippet(path, evaluation, root):
    _, about = open_model(path)
    with tempfile.TemporaryDirectory() as folder:
        os.symlink(os.path.abspath(path), f"{folder}/student.onnx")
        lines, error = run_block(0, folder, os.path.abspath(evaluation), os.path.abspath(root), about)
    print(f"the page's {lines} lines for ONNX Runtime: probabilities within {error:.0e}")


def folder(path, evaluation, root):
    import torch
    import transformers
    with safe_open(f"{path}/heads.safetensors", "pt") as file:
        about = file.metadata()
    with tempfile.TemporaryDirectory() as place:
        os.symlink(os.path.abspath(path), f"{place}/student")
        lines, error = run_block(1, place, os.path.abspath(evaluation), os.path.abspath(root), about)
        import timm
        mine = timm.create_model(f"local-dir:{place}/student", pretrained=True).eval()
        other = transformers.AutoModelForImageClassification.from_pretrained(f"{place}/student").eval()
        x = torch.rand(2, 3, int(about["image_size"]), int(about["image_size"]))
        with torch.no_grad():
            difference = (mine(x) - other(pixel_values=x).logits).abs().max()
    config = mine.pretrained_cfg
    if difference > 1e-5:
        sys.exit("timm and transformers load different models")
    if list(other.config.id2label.values()) != json.loads(about["class_names"]):
        sys.exit("the classes have other names")
    resize = int(np.floor(int(about["image_size"]) / config["crop_pct"]))
    if (resize, config["interpolation"]) != (int(about["resize"]), about["interpolation"]):
        sys.exit("timm resizes otherwise")
    print(f"{config['architecture']}: timm and transformers load it; the page's {lines} lines: "
          f"probabilities within {error:.0e}")


if __name__ == "__main__":
    {"same": all_same, "accuracy": accuracy, "masked": masked, "folder": folder,
     "snippet": snippet}[sys.argv[1]](*sys.argv[2:])
