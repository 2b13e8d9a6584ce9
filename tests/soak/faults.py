# SPDX-License-Identifier: Apache-2.0
"""Sudden deaths and full disks at random moments. To be called by the main thread: it starts what it killed."""
import random
import time

KINDS = ["responder", "daemon", "compiler", "full disk", "both"]
PAUSE_S = 1.0, 5.0


class Faults:
    def __init__(self, world, seed):
        self.world, self.rng = world, random.Random("%s faults" % seed)
        self.made = dict.fromkeys(KINDS, 0)

    def live_until(self, end):
        """Hurts something again and again."""
        while True:
            pause = self.rng.uniform(*PAUSE_S)
            if time.monotonic() + pause > end:
                time.sleep(max(0, end - time.monotonic()))
                return
            time.sleep(pause)
            self.hurt(self.rng.choice(KINDS))

    def hurt(self, kind):
        world = self.world
        with world.trouble():
            if kind == "responder":
                world.kill_responder()
            elif kind == "daemon":
                world.kill_daemon()
            elif kind == "both":
                world.daemon.process.kill()
                world.kill_responder()
                world.kill_daemon()
            elif kind == "full disk":
                with world.full_disk():
                    time.sleep(self.rng.uniform(0.5, 3))
            elif not world.kill_compiler(self.rng):
                return
        self.made[kind] += 1
