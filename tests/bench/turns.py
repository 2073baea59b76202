"""Jobs in turns: each computes for some seconds while all others are stopped, again and again, so that what
disturbs the machine disturbs all of them alike. Prints for each job, in its order, its steps a second of the time
in which it ran, added up over its files.

usage: turns.py [--period STEPS] [--lockstep] SECONDS TURN FILES COMMAND [FILES COMMAND ...]

Each job runs SECONDS, in turns of TURN. FILES: separated by commas; COMMAND, for the shell, appends a line to each of
them at the end of each step. The first two steps of a file do not count; of the others as many as are whole periods
do, for jobs that do something more once in so many steps. With --lockstep there stands behind each number what it would be if no
step of a file began before all its job's files have ended theirs: the most that a synchronous job can reach whose ranks are
disturbed as these."""

import argparse
import os
import signal
import subprocess
import sys
import time

PAUSE = 0.01
SKIPPED = 2


class Job:
    def __init__(self, files, command):
        self.files = files.split(",")
        self.process = subprocess.Popen(["bash", "-c", command], stdin=subprocess.DEVNULL, stdout=sys.stderr,
                                        start_new_session=True)
        self.active = 0.0  # seconds
        self.steps = {name: [] for name in self.files}  # the active second in which each ended

    def send(self, number):
        found = subprocess.run(["pgrep", "-s", str(self.process.pid)], capture_output=True, text=True, check=False)
        for pid in map(int, found.stdout.split()):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def look(self, now):
        for name, ends in self.steps.items():
            try:
                with open(name, "rb") as file:
                    count = file.read().count(b"\n")
            except FileNotFoundError:
                continue
            ends.extend([now] * (count - len(ends)))

    def run(self, enough):
        start = time.monotonic()
        self.send(signal.SIGCONT)
        while not enough(time.monotonic() - start):
            time.sleep(PAUSE)
            self.look(self.active + time.monotonic() - start)
            if self.process.poll() is not None:
                sys.exit(f"turns.py: a job has ended too early, with exit code {self.process.returncode}")
        self.send(signal.SIGSTOP)
        self.active += time.monotonic() - start

    def has_begun(self):
        return all(len(ends) > SKIPPED for ends in self.steps.values())

    def counted(self, period):
        """Of each file the ends of the steps that count, and of the one before them."""
        out = []
        for ends in self.steps.values():
            count = (len(ends) - 1 - SKIPPED) // period * period
            if count == 0 or ends[SKIPPED + count] == ends[SKIPPED]:
                sys.exit("turns.py: a job has not done the steps that count: it needs more SECONDS")
            out.append(ends[SKIPPED:SKIPPED + count + 1])
        return out

    def rate(self, period):
        return sum((len(ends) - 1) / (ends[-1] - ends[0]) for ends in self.counted(period))

    def lockstep_rate(self, period):
        durations = [[b - a for a, b in zip(ends, ends[1:])] for ends in self.counted(period)]
        slowest = [max(together) for together in zip(*durations)]
        return len(durations) * len(slowest) / sum(slowest)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--period", type=int, default=1)
    parser.add_argument("--lockstep", action="store_true")
    parser.add_argument("seconds", type=float)
    parser.add_argument("turn", type=float)
    parser.add_argument("jobs", nargs="+")
    args = parser.parse_args()
    jobs = []
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # no job stays behind, stopped
    try:
        for files, command in zip(args.jobs[::2], args.jobs[1::2]):
            jobs.append(Job(files, command))
            jobs[-1].run(lambda _, job=jobs[-1]: job.has_begun())
        for _ in range(round(args.seconds / args.turn)):
            for job in jobs:
                job.run(lambda passed: passed >= args.turn)
        for job in jobs:
            lockstep = f" {job.lockstep_rate(args.period):.5f}" if args.lockstep else ""
            print(f"{job.rate(args.period):.5f}{lockstep}", end="\n" if job is jobs[-1] else " ")
    finally:
        for job in jobs:
            job.send(signal.SIGKILL)


if __name__ == "__main__":
    main()
