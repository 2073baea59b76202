"""timm, onnxruntime or open_clip over a list of images: images a second, decoding included, and their classes.

    predict_peers.py ENGINE STUDENT LIST tune            tries the ways of running it on the first images
    predict_peers.py ENGINE STUDENT LIST MODE:WORKERS:THREADS:BATCH [--dtype bf16] [--out FILE]
    predict_peers.py open_clip FOLDER LIST export CLASSES

ENGINE: timm or onnxruntime; STUDENT: a folder of dho export; LIST: a file of paths, one a line. Images go
through a DataLoader of WORKERS processes (Pillow, timm's or open_clip's own evaluation transform), the model
through THREADS threads. MODE: of timm and open_clip eager, channels_last or compile (channels_last, too), in
inference_mode; of onnxruntime spin or sleep (what its threads do while they wait for the next batch). Prints
"WAY images/s", of tune the best way; the time begins when the workers run, the model is loaded, compiled
and has seen a batch. --out gets the index of each image's class, in the order of the list. --dtype bf16 is
autocast's. open_clip: STUDENT is a folder named as the model; its image tower has random weights, `export` writes
them, and a random head of so many classes, as safetensors.
"""
import argparse
import os
import sys
import time

parser = argparse.ArgumentParser()
parser.add_argument("engine", choices=["timm", "onnxruntime", "open_clip"])
parser.add_argument("student")
parser.add_argument("list")
parser.add_argument("way")
parser.add_argument("classes", nargs="?", type=int)
parser.add_argument("--dtype", choices=["fp32", "bf16"], default="fp32")
parser.add_argument("--out")
args = parser.parse_args()

import torch
from PIL import Image

if args.engine == "open_clip":
    import open_clip

    torch.manual_seed(0)
    clip, _, transform = open_clip.create_model_and_transforms(os.path.basename(args.student), pretrained=None,
                                                               force_quick_gelu=True)
    model = clip.visual.eval()
    if args.way == "export":
        import safetensors.torch

        os.makedirs(args.student, exist_ok=True)
        safetensors.torch.save_file({k: v.contiguous() for k, v in clip.state_dict().items()},
                                    os.path.join(args.student, "model.safetensors"))
        safetensors.torch.save_file({"weight": torch.randn(args.classes, clip.visual.output_dim)},
                                    os.path.join(args.student, "head.safetensors"))
        sys.exit()
else:
    import timm
    import timm.data

    model = timm.create_model("local-dir:" + args.student, pretrained=True).eval()
    transform = timm.data.create_transform(**timm.data.resolve_data_config(model=model))
with open(args.list) as file:
    paths = file.read().splitlines()


class Images(torch.utils.data.Dataset):
    def __len__(self):
        return len(paths)

    def __getitem__(self, i):
        with Image.open(paths[i]) as image:
            return transform(image.convert("RGB"))


def start_worker(_):
    torch.set_num_threads(1)


def torch_run(mode, threads):
    torch.set_num_threads(threads)
    if mode == "eager":
        return model.to(memory_format=torch.contiguous_format)
    model.to(memory_format=torch.channels_last)
    inner = torch.compile(model, dynamic=False) if mode == "compile" else model
    return lambda x: inner(x.to(memory_format=torch.channels_last))


def onnxruntime_run(mode, threads):
    import onnxruntime

    file = os.path.join(args.student, "timm.onnx")
    if not os.path.exists(file):
        torch.onnx.export(model, torch.zeros(2, 3, 224, 224), file, input_names=["x"], output_names=["y"],
                          dynamic_axes={"x": {0: "n"}, "y": {0: "n"}}, dynamo=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(mode == "spin")))
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return lambda x: torch.from_numpy(session.run(None, {"x": x.numpy()})[0])


def measure(way, images):
    """Images a second and the classes of the first `images`."""
    mode, workers, threads, batch = [int(v) if v.isdigit() else v for v in way.split(":")]
    run = (onnxruntime_run if args.engine == "onnxruntime" else torch_run)(mode, threads)
    order = list(range(2 * max(workers, 1)))  # a first pass starts the workers
    loader = torch.utils.data.DataLoader(Images(), batch, sampler=order, num_workers=workers,
                                         worker_init_fn=start_worker, persistent_workers=workers > 0)
    classes = []
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=args.dtype == "bf16"):
        for size in {batch, images % batch or batch}:
            run(torch.zeros(size, 3, 224, 224))
        for _ in loader:
            pass
        order[:] = range(images)
        start = time.perf_counter()
        for x in loader:
            classes += run(x).argmax(1).tolist()
        return images / (time.perf_counter() - start), classes


def tune():
    """One choice after another: processes and threads, then the mode, then the batch."""
    images = min(128, len(paths) // 2)
    first = "spin" if args.engine == "onnxruntime" else "channels_last"
    ways = [f"{first}:{layout}:32" for layout in ("0:2", "1:1", "1:2", "2:1", "2:2")]
    seen = {way: measure(way, images)[0] for way in ways}
    rest = max(seen, key=seen.get).split(":", 1)[1]
    for mode in ("sleep",) if args.engine == "onnxruntime" else ("eager", "compile"):
        seen[f"{mode}:{rest}"] = measure(f"{mode}:{rest}", images)[0]
    most = max(seen, key=seen.get)
    for batch in (1, 4, 16, 64):
        way = f"{most.rsplit(':', 1)[0]}:{batch}"
        seen[way] = measure(way, images)[0]
    for way, speed in seen.items():
        print(f"  {args.engine} {way}: {speed:.1f}", file=sys.stderr)
    way = max(seen, key=seen.get)
    print(way, f"{seen[way]:.2f}")


if args.way == "tune":
    tune()
else:
    speed, found = measure(args.way, len(paths))
    print(args.way, f"{speed:.2f}")
    if args.out:
        with open(args.out, "w") as file:
            file.write("".join(f"{c}\n" for c in found))
