"""timm or onnxruntime over a folder of images: images a second, decoding included, and their classes.

    predict_peers.py timm|onnxruntime FOLDER MODEL WEIGHTS --classes N [--workers W] [--threads T] ...

MODEL: timm's name; WEIGHTS: a file of dho export. Images go through a DataLoader of W processes (Pillow,
timm's own evaluation transform), the model through T threads. Prints "images/s X" and, with --out,
writes the index of each image's class, in the order of the sorted paths.
"""
import argparse
import os
import time

parser = argparse.ArgumentParser()
parser.add_argument("engine", choices=["timm", "onnxruntime"])
parser.add_argument("folder")
parser.add_argument("model")
parser.add_argument("weights")
parser.add_argument("--classes", type=int, required=True)
parser.add_argument("--workers", type=int, default=2)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--batch", type=int, default=64)
parser.add_argument("--out")
args = parser.parse_args()

import safetensors.torch
import timm
import timm.data
import torch
from PIL import Image

torch.set_num_threads(args.threads)
model = timm.create_model(args.model, num_classes=args.classes).eval()
model.load_state_dict(safetensors.torch.load_file(args.weights), strict=True)
transform = timm.data.create_transform(
    (3, 224, 224), interpolation="bicubic", crop_pct=224 / 256, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
paths = sorted(os.path.join(root, name) for root, _, names in os.walk(args.folder) for name in names)


class Images(torch.utils.data.Dataset):
    def __len__(self):
        return len(paths)

    def __getitem__(self, i):
        with Image.open(paths[i]) as image:
            return transform(image.convert("RGB"))


def start_worker(_):
    torch.set_num_threads(1)


loader = torch.utils.data.DataLoader(Images(), args.batch, num_workers=args.workers, worker_init_fn=start_worker)
if args.engine == "onnxruntime":
    import onnxruntime

    file = args.weights + ".onnx"
    if not os.path.exists(file):
        torch.onnx.export(model, torch.zeros(2, 3, 224, 224), file, input_names=["x"], output_names=["y"],
                          dynamic_axes={"x": {0: "n"}, "y": {0: "n"}}, dynamo=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = args.threads
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    run = lambda x: torch.from_numpy(session.run(None, {"x": x.numpy()})[0])
else:
    run = model
with torch.inference_mode():
    run(torch.zeros(args.batch, 3, 224, 224))
    classes = []
    start = time.perf_counter()
    for batch in loader:
        classes += run(batch).softmax(1).argmax(1).tolist()
    seconds = time.perf_counter() - start
if args.out:
    with open(args.out, "w") as file:
        file.write("".join(f"{c}\n" for c in classes))
print(f"images/s {len(paths) / seconds:.2f}")
