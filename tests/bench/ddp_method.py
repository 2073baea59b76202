"""The PyTorch side of method_step.sh: Dual-Head Optimization from JPEGs to the update, two processes of one thread
each with DistributedDataParallel over gloo (or one process alone).

Labelled and unlabelled images (the same folder) come from two DataLoaders of WORKERS processes each (0: in the process itself) through
torchvision's RandomResizedCrop, flip and Normalize, on Pillow or (tensor) on uint8 tensors from decode_jpeg; the
teacher's logits from a memory-mapped file of float16. One forward of all rows, CE + KL (torch_step.objective),
backward, AdamW. Prints the images a second of all ranks together: the median of the steps after the third.

usage: ddp_method.py ROOT --model M --images N --steps N [--ranks N] [--dtype fp32|bf16] [--workers N] [--decode pillow|tensor]
N images of each kind a rank and step."""

import argparse
import os
import statistics
import tempfile
import time

import numpy
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
import torch_step
from PIL import Image
from torchvision import io as tvio
from torchvision.transforms import v2

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


class Folder(torch.utils.data.Dataset):
    def __init__(self, root, decode):
        names = sorted(os.listdir(root))
        self.files = [(os.path.join(root, n, f), i) for i, n in enumerate(names) for f in sorted(os.listdir(os.path.join(root, n)))]
        self.classes = len(names)
        self.decode = decode
        crop = [v2.RandomResizedCrop(224, antialias=True), v2.RandomHorizontalFlip()]
        start = [] if decode == "tensor" else [v2.PILToTensor()]
        self.transform = v2.Compose(crop + start + [v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)])

    def __len__(self):
        return len(self.files)

    def __getitem__(self, i):
        path, label = self.files[i]
        if self.decode == "tensor":
            return self.transform(tvio.decode_jpeg(tvio.read_file(path), mode=tvio.ImageReadMode.RGB)), label, i
        with Image.open(path) as image:
            return self.transform(image.convert("RGB")), label, i


def endless(data, options, seed):
    generator = torch.Generator().manual_seed(seed)
    sampler = torch.utils.data.RandomSampler(data, replacement=True, num_samples=1 << 30, generator=generator)
    return iter(torch.utils.data.DataLoader(data, options.images, sampler=sampler, num_workers=options.workers,
                                            worker_init_fn=lambda _: torch.set_num_threads(1), drop_last=True))


def work(rank, options, folder):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    data = Folder(options.root, options.decode)
    torch_step.CLASSES = data.classes
    model = torch_step.build(options.model)
    if options.model != "clip_vit_b16":
        model = model.to(memory_format=torch.channels_last)
    if options.ranks > 1:
        os.sched_setaffinity(0, {rank})
        dist.init_process_group("gloo", init_method="file://" + os.path.join(folder, "rendezvous"), rank=rank, world_size=options.ranks)
        model = torch.nn.parallel.DistributedDataParallel(model)
    teacher = numpy.memmap(os.path.join(folder, "teacher"), numpy.float16, "r", shape=(len(data), data.classes))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01, fused=True)
    labelled, unlabelled = endless(data, options, 2 * rank), endless(data, options, 2 * rank + 1)
    steps = []
    for _ in range(options.steps):
        start = time.perf_counter()
        (x, labels, i), (u, _, j) = next(labelled), next(unlabelled)
        images = torch.cat([x, u])
        if options.model != "clip_vit_b16":
            images = images.to(memory_format=torch.channels_last)
        logits = torch.from_numpy(teacher[torch.cat([i, j]).numpy()].astype(numpy.float32))
        with torch.autocast("cpu", torch.bfloat16, enabled=options.dtype == "bf16"):
            ce, kd = model(images)
        optimizer.zero_grad(set_to_none=True)
        torch_step.objective(ce, kd, labels, logits, 0, len(images)).backward()
        optimizer.step()
        steps.append(time.perf_counter() - start)
    if rank == 0:
        print(2 * options.ranks * options.images / statistics.median(steps[3:]), flush=True)
    if options.ranks > 1:
        dist.barrier()
        os._exit(0)  # the loaders' processes would be asked for the rest of an endless stream


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("root")
    parser.add_argument("--model", required=True)
    parser.add_argument("--images", type=int, required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--dtype", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--decode", choices=["pillow", "tensor"], default="pillow")
    options = parser.parse_args()
    data = Folder(options.root, options.decode)
    with tempfile.TemporaryDirectory() as folder:
        rng = numpy.random.default_rng(0)
        rng.normal(0, 5, (len(data), data.classes)).astype(numpy.float16).tofile(os.path.join(folder, "teacher"))
        if options.ranks == 1:
            work(0, options, folder)
        else:
            mp.spawn(work, (options, folder), nprocs=options.ranks)


if __name__ == "__main__":
    main()
