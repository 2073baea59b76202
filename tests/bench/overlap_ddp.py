"""The PyTorch side of overlap.sh: steps of one rank with DistributedDataParallel over gloo, one thread. Prints the
median seconds of the steps after the second, and of an allreduce of all gradients alone.

usage: overlap_ddp.py --model M --images N --steps N [--ranks N --rank R --master ADDRESS]"""

import argparse
import statistics
import time

import torch
import torch.distributed as dist
import torch.nn.functional as F

from scaling_ddp import build


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--images", type=int, required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--rank", type=int, default=0)
    parser.add_argument("--master", default="127.0.0.1")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = build(options.model)
    floats = sum(p.numel() for p in model.parameters())
    if options.ranks > 1:
        dist.init_process_group("gloo", init_method=f"tcp://{options.master}:29511", rank=options.rank,
                                world_size=options.ranks)
        model = torch.nn.parallel.DistributedDataParallel(model)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4)
    images = torch.rand(options.images, 3, 224, 224)
    labels = torch.randint(0, 512, (options.images,))
    seconds = []
    for _ in range(options.steps):
        start = time.perf_counter()
        loss = F.cross_entropy(model(images), labels)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        seconds.append(time.perf_counter() - start)
    alone = []
    if options.ranks > 1:
        data = torch.zeros(floats)
        for _ in range(3):
            dist.barrier()
            start = time.perf_counter()
            dist.all_reduce(data)
            alone.append(time.perf_counter() - start)
        dist.destroy_process_group()
    print(statistics.median(seconds[2:]), statistics.median(alone) if alone else 0)


if __name__ == "__main__":
    main()
