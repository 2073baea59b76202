"""Runs `dho bench step` and torch_step.py in turns, step by step, in one run, and writes a table.

usage: compare_step.py DHO [--models M,M] [--dtypes fp32,bf16] [--modes eager,compile] [--rounds N]
                       [--threads N] [--accumulate M,M] [--out FILE.md]

Both programs stay in memory and answer one step at a time, so that what else the machine does
hits both alike. PyTorch's time is the better of its modes' medians; the ratio is that over dho's
median, and its memory stands beside dho's: the peak resident set, in which its libraries' part,
larger in a wheel that has CUDA, is told apart (dho's own stay in). dho runs labelled and unlabelled images of a student
without batch normalisation one after the other; --accumulate has PyTorch do so, too, for the models
that it names. Exit status 1 when a program fails."""

import argparse
import os
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))


class Peer:
    def __init__(self, name, command, environment):
        self.name, self.seconds, self.peak = name, [], 0
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True, env=environment)
        line = self.process.stdout.readline()
        word, *libraries = line.split() or [""]
        self.libraries = int(libraries[0]) if libraries else 0
        if word != "ready":
            raise RuntimeError(f"{name}: {command} did not start: {line!r}")

    def step(self):
        self.process.stdin.write("step\n")
        self.process.stdin.flush()
        seconds, peak = self.process.stdout.readline().split()
        self.seconds.append(float(seconds))
        self.peak = int(peak)

    def median(self):
        return statistics.median(self.seconds)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def compare(options, model, dtype):
    environment = dict(os.environ, OMP_NUM_THREADS=str(options.threads))
    peers = [Peer("dho", [options.dho, "bench", "step", "--serve", "--model", model, "--dtype",
                          dtype, "--threads", str(options.threads)], environment)]
    accumulate = model in options.accumulate.split(",")
    for mode in options.modes.split(","):
        try:
            peers.append(Peer(mode + (" accumulated" if accumulate else ""),
                              [sys.executable, os.path.join(HERE, "torch_step.py"), "--serve",
                               "--model", model, "--dtype", dtype, "--mode", mode, "--threads",
                               str(options.threads)] + (["--accumulate"] if accumulate else []),
                              environment))
        except (RuntimeError, ValueError) as error:
            print(f"{model} {dtype}: {error}", file=sys.stderr)
    for _ in range(options.rounds):
        for peer in peers:
            time.sleep(0.1)  # until the threads of the one before no longer wait actively
            peer.step()
    for peer in peers:
        peer.close()
    best = min(peers[1:], key=Peer.median)
    return peers[0], best, peers[1:]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("dho")
    parser.add_argument("--models", default="resnet18,resnet50,clip_vit_b16,mobilenet_v2")
    parser.add_argument("--dtypes", default="fp32,bf16")
    parser.add_argument("--modes", default="eager,compile")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--accumulate", default="")
    parser.add_argument("--out")
    options = parser.parse_args()
    lines = ["| model | dtype | dho s | PyTorch s | its modes | speed-up | dho GiB | PyTorch GiB | "
             "its libraries' | memory | without them |",
             "|---|---|---|---|---|---|---|---|---|---|---|"]
    print("\n".join(lines), flush=True)
    ratios = {}
    for dtype in options.dtypes.split(","):
        for model in options.models.split(","):
            ours, best, others = compare(options, model, dtype)
            ratio = best.median() / ours.median()
            ratios.setdefault(dtype, []).append(ratio)
            modes = ", ".join(f"{p.name} {p.median():.3f}" for p in others)
            line = (f"| {model} | {dtype} | {ours.median():.3f} | {best.median():.3f} | {modes} | "
                    f"{ratio:.2f} | {ours.peak / 2**30:.2f} | {best.peak / 2**30:.2f} | "
                    f"{best.libraries / 2**30:.2f} | {ours.peak / best.peak:.2f} | "
                    f"{ours.peak / (best.peak - best.libraries):.2f} |")
            lines.append(line)
            print(line, flush=True)
    for dtype, values in ratios.items():
        line = f"\ngeometric mean of the speed-ups, {dtype}: {statistics.geometric_mean(values):.2f}"
        lines.append(line)
        print(line)
    if options.out:
        with open(options.out, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
