"""The PyTorch side of scaling.sh and overlap.sh: steps of one process, or of several with
DistributedDataParallel over gloo, one thread each. Images at 224 px in memory, cross-entropy, backward,
AdamW. Rank 0 prints the images a second of all ranks together and the seconds of a step, medians of the
steps after the second; with --master also the median seconds of an allreduce of all gradients alone.

usage: ddp_step.py --model M --images N --steps N [--dtype fp32|bf16] [--log FILE] [--ranks N [--rank R --master ADDRESS]]

Without --master it starts all ranks itself, each on a core of its own. --log: rank 0 writes a line at the end of
each step."""

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


def time_allreduce(floats):
    data, seconds = torch.zeros(floats), []
    for _ in range(3):
        dist.barrier()
        start = time.perf_counter()
        dist.all_reduce(data)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def work(rank, options, rendezvous):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = build(options.model).to(memory_format=torch.channels_last)
    floats = sum(p.numel() for p in model.parameters())
    if options.ranks > 1:
        if options.master is None:
            os.sched_setaffinity(0, {rank})
        dist.init_process_group("gloo", init_method=rendezvous, rank=rank, world_size=options.ranks)
        model = torch.nn.parallel.DistributedDataParallel(model)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4)
    images = torch.rand(options.images, 3, 224, 224).to(memory_format=torch.channels_last)
    classes = 512 if options.model == "clip_vit_b16" else 1000
    labels = torch.randint(0, classes, (options.images,))
    cast = torch.autocast("cpu", torch.bfloat16) if options.dtype == "bf16" else contextlib.nullcontext()
    steps = []
    log = open(options.log if rank == 0 and options.log else os.devnull, "w", buffering=1, encoding="utf-8")
    for _ in range(options.steps):
        start = time.perf_counter()
        with cast:
            loss = F.cross_entropy(model(images).float(), labels)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        steps.append(time.perf_counter() - start)
        print(steps[-1], file=log)
    seconds = statistics.median(steps[2:])
    alone = time_allreduce(floats) if options.master is not None else ""
    if rank == 0:
        print(options.ranks * options.images / seconds, seconds, alone)
    if options.ranks > 1:
        dist.destroy_process_group()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--images", type=int, required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--dtype", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--rank", type=int, default=0)
    parser.add_argument("--master")
    parser.add_argument("--log")
    options = parser.parse_args()
    if options.master is not None:
        work(options.rank, options, f"tcp://{options.master}:29511")
        return
    with tempfile.TemporaryDirectory() as folder:
        rendezvous = "file://" + os.path.join(folder, "rendezvous")
        if options.ranks == 1:
            work(0, options, rendezvous)
        else:
            mp.spawn(work, (options, rendezvous), nprocs=options.ranks)


if __name__ == "__main__":
    main()
