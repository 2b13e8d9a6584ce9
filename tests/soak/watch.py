# SPDX-License-Identifier: Apache-2.0
"""Looks at the processes and their files once a second: memory, descriptors, threads, children that nobody waits for,
and that nobody ends of its own accord."""
import contextlib
import os
import statistics
import threading
import time

EVERY_S = 0.5
STARVED_S = 0.4       # others have the processor: a worker that waits so long is not to blame
LIFE_MIN_S = 12       # of a life that is long enough to be judged
WARM_UP = 0.35        # of a life: caches and allocators fill
# What an allocator may still take in a life after its warm-up; a leak of one small object a change would be more
# in ten minutes. With a sanitizer the shadow comes on top.
GROWTH_KB = {False: 8 << 10, True: 32 << 10}
HANDLES = 12          # connections that are there in one sample and not in another


def sample(pid):
    """{"memory": KB that are not of a file, "handles": n, "threads": n} of a process."""
    with open("/proc/%d/status" % pid, encoding="ascii") as file:
        fields = dict(line.split(":", 1) for line in file)
    return {"memory": int(fields["RssAnon"].split()[0]), "threads": int(fields["Threads"]),
            "handles": len(os.listdir("/proc/%d/fd" % pid))}


def waited_s(pid):
    """{thread: seconds that it could have run and did not}"""
    waits = {}
    for thread in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/schedstat" % (pid, thread), encoding="ascii") as file:
            waits[pid, thread] = int(file.read().split()[1]) / 1e9
    return waits


def growth(samples, key):
    """By how much the typical value of the last fifth is above that of the first fifth after the warm-up."""
    settled = [entry[key] for entry in samples[int(len(samples) * WARM_UP):]]
    part = max(1, len(settled) // 5)
    return statistics.median(settled[-part:]) - statistics.median(settled[:part])


class Watch(threading.Thread):
    def __init__(self, world):
        super().__init__(daemon=True, name="watch")
        self.world, self.halted, self.faults = world, threading.Event(), []
        self.lives = {}       # (name, pid) -> samples
        self.largest = {"image": 0, "store/data.mdb": 0}
        self.zombies, self.waits, self.starved_s = {}, {}, 0.0

    def run(self):
        while not self.halted.wait(EVERY_S):
            for name, owner in ("stele-mgmtd", self.world.daemon), ("stele-responder", self.world.node):
                process = owner.process
                if process is None:
                    continue
                # One that is dying has no memory any more.
                with contextlib.suppress(OSError, KeyError, ValueError):
                    seen = {**sample(process.pid), "at": time.monotonic()}
                    self.lives.setdefault((name, process.pid), []).append(seen)
                self.look_for_starvation(process.pid)
            self.look_for_starvation(os.getpid())
            for name in self.largest:
                with contextlib.suppress(OSError):
                    size = os.stat(os.path.join(self.world.disk, name)).st_size
                    self.largest[name] = max(self.largest[name], size)
            self.look_for_zombies()

    def look_for_starvation(self, pid):
        """A machine that others use: who waits for a processor for so long may miss its time limits."""
        with contextlib.suppress(OSError, IndexError, ValueError):
            for thread, wait in waited_s(pid).items():
                waited, self.waits[thread] = wait - self.waits.get(thread, wait), wait
                if waited > STARVED_S:
                    self.world.excuse(waited)
                    self.starved_s = max(self.starved_s, waited)

    def look_for_zombies(self):
        with contextlib.suppress(OSError, AttributeError):
            dead = {pid for pid, state in self.world.compilers().items() if state == "Z"}
            self.zombies = {pid: self.zombies.get(pid, 0) + 1 for pid in dead}
            self.faults += ["process %d is dead, and nobody waits for it" % pid
                            for pid, times in self.zombies.items() if times == 10]

    def judged(self):
        """[(name, samples)] of the lives that were long enough."""
        return [(name, samples) for (name, _), samples in sorted(self.lives.items(), key=lambda item: item[1][0]["at"])
                if samples[-1]["at"] - samples[0]["at"] >= LIFE_MIN_S]

    def halt(self):
        self.halted.set()
        self.join(10)
