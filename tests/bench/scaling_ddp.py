"""The PyTorch side of scaling.sh: steps of one process, or of two with DistributedDataParallel over gloo,
one thread each. Images at 224 px in memory, cross-entropy, backward, AdamW. Prints the images a second of
all ranks together: the median of the steps after the second.

usage: scaling_ddp.py --model M --images N --steps N [--ranks N] [--dtype fp32|bf16]"""

import argparse
import contextlib
import os
import statistics
import tempfile
import time

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
import torch.nn.functional as F


def build(name):
    if name == "clip_vit_b16":
        import open_clip

        return open_clip.create_model("ViT-B-16-quickgelu", pretrained=None).visual
    import torchvision

    return torchvision.models.get_model(name)


def work(rank, options, rendezvous):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = build(options.model).to(memory_format=torch.channels_last)
    if options.ranks > 1:
        os.sched_setaffinity(0, {rank})
        dist.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=options.ranks)
        model = torch.nn.parallel.DistributedDataParallel(model)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4)
    images = torch.rand(options.images, 3, 224, 224).to(memory_format=torch.channels_last)
    classes = 512 if options.model == "clip_vit_b16" else 1000
    labels = torch.randint(0, classes, (options.images,))
    cast = torch.autocast("cpu", torch.bfloat16) if options.dtype == "bf16" else contextlib.nullcontext()
    rates = []
    for _ in range(options.steps):
        start = time.perf_counter()
        with cast:
            loss = F.cross_entropy(model(images).float(), labels)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        rates.append(options.ranks * options.images / (time.perf_counter() - start))
    if rank == 0:
        print(statistics.median(rates[2:]))
    if options.ranks > 1:
        dist.destroy_process_group()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--images", type=int, required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--dtype", choices=["fp32", "bf16"], default="fp32")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rendezvous = os.path.join(folder, "rendezvous")
        if options.ranks == 1:
            work(0, options, rendezvous)
        else:
            mp.spawn(work, (options, rendezvous), nprocs=options.ranks)


if __name__ == "__main__":
    main()
