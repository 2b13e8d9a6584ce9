# SPDX-License-Identifier: Apache-2.0
"""Sudden deaths and full disks at random moments. To be called by the main thread: it starts what it killed."""
import random
import time

# Of "both" the one that is started first is chosen too. "quiet": nobody changes anything for so long that the daemon
# copies its image without garbage, and the copy is killed, if there is one.
KINDS = ["responder", "daemon", "compiler", "full disk", "both", "quiet"]
PAUSE_S = 0.5, 4.0
QUIET_S = 12
QUIET_FROM_S = 90     # in shorter runs it would be most of the time


class Faults:
    def __init__(self, world, seed, changers):
        self.world, self.rng, self.changers = world, random.Random("%s faults" % seed), changers
        self.made, self.copies = dict.fromkeys(KINDS, 0), 0

    def live_until(self, end):
        """Hurts something again and again: each kind once, in some order, and all over again."""
        kinds = KINDS if end - time.monotonic() > QUIET_FROM_S else KINDS[:-1]
        while True:
            for kind in self.rng.sample(kinds, len(kinds)):
                pause = self.rng.uniform(*PAUSE_S)
                if time.monotonic() + pause > end:
                    time.sleep(max(0, end - time.monotonic()))
                    return
                time.sleep(pause)
                self.hurt(kind)

    def hurt(self, kind):
        world = self.world
        with world.trouble():
            if kind == "responder":
                world.kill_responder()
            elif kind == "daemon":
                world.kill_daemon()
            elif kind == "both":
                world.kill_both(self.rng.random() < 0.5)
            elif kind == "quiet":
                self.be_quiet()
            elif kind == "full disk":
                with world.full_disk():
                    time.sleep(self.rng.uniform(0.5, 3))
            elif not world.kill_compiler(self.rng):
                return
        self.made[kind] += 1

    def be_quiet(self):
        for changer in self.changers:
            changer.paused.set()
        end = time.monotonic() + QUIET_S
        while time.monotonic() < end:
            if self.world.is_copying():
                self.copies += 1
                if self.rng.random() < 0.5:
                    self.world.kill_compiler(self.rng, 0)
                    break
            time.sleep(0.01)
        for changer in self.changers:
            changer.paused.clear()
