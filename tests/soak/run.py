# SPDX-License-Identifier: Apache-2.0
"""One soak, from the first process to the balance."""
import os
import re
import shutil
import signal
import sys
import time

import changes
import faults
import flood
import load
import logs
import responder
import settle
import soak as options
import watch
import world as soak_world
from balance import Balance, Limit, Line, Nothing

JOURNAL_STEPS = 1, 2, 5, 10, 30, 100, 300, 1000
QUIET_S = 1.5
# What the daemon leaves in an image when nobody waits, and when changes do not cease, with what comes during the copy.
COMPACTED_SZ, GARBAGE_SZ = 20 << 20, 320 << 20


def lacking_of(epoch):
    """(before it had a ring, in its ring): frames of a life that it did not count."""
    lacking = epoch["seen"] - epoch["full"] - epoch["counters"]["rx_packets"]
    ringless = max(0, min(lacking, epoch["ringless"]))
    return ringless, lacking - ringless


def broken_laws(epochs):
    """What lives lost of their own, each by itself: one burst that was being counted, and a ring, if it was killed."""
    broken = []
    for number, epoch in enumerate(epochs, 1):
        left, (ringless, unread) = epoch["counters"]["balance"], lacking_of(epoch)
        if abs(left) > (soak_world.BURST if epoch["killed"] else 0):
            broken.append("life %d: %d packets received and not counted otherwise" % (number, left))
        if not (-soak_world.BURST <= unread <= soak_world.RING if epoch["killed"] else unread == 0):
            broken.append("life %d: %d frames in its ring" % (number, unread))
        if ringless > soak_world.RINGLESS:
            broken.append("life %d: %d frames before it had a ring" % (number, ringless))
    return broken


class Soak:
    def __init__(self, asked):
        self.asked, seed = asked, asked.seed
        # Changers first: they say what their zones hold at the beginning.
        self.updater = changes.Updater(None, seed, soak_world.UPDATED, 0.15)
        self.signing = changes.SigningUpdater(None, seed, soak_world.SIGNED, 0.3)
        self.importer = changes.Importer(None, seed, soak_world.IMPORTED, 2)
        self.editor = changes.PrimaryEditor(None, seed, soak_world.RECEIVED, 1)
        self.signing_editor = changes.SigningEditor(None, seed, soak_world.RECEIVED_SIGNED, 3)
        self.catalog = changes.CatalogChanger(None, seed, 4)
        self.zone_changers = [self.updater, self.signing, self.importer, self.editor]
        self.changers = [*self.zone_changers, self.signing_editor, self.catalog]
        self.world = soak_world.World({changer.zone: changer.text() for changer in
                                       [*self.zone_changers, self.signing_editor]})
        for changer in self.changers:
            changer.world = self.world
        histories = [changer.history for changer in self.zone_changers]
        world = self.world
        self.checkers = [
            load.UdpChecker(world, histories, seed, "udp4", "port", 0.05),
            load.UdpChecker(world, histories, seed, "udp6", "port", 0.1, responder.V6),
            load.StreamChecker(world, histories, seed, "tcp", "tcp", 0.1),
            load.StreamChecker(world, histories, seed, "tcp too", "tcp", 0.2)]
        self.flooder = flood.Flooder(world, [soak_world.UPDATED, soak_world.SIGNED], seed, asked.flood)
        world.kept = lambda: self.flooder.kept
        self.watch, self.faults = watch.Watch(world), faults.Faults(world, seed, self.changers)
        self.balance = Balance(seed=seed, seconds=asked.length, build=asked.sanitized or asked.build,
                               sanitized=bool(asked.sanitized))

    # ---- the run ----

    def run(self):
        world = self.world
        for name, serial in self.first_serials():
            world.daemon.wait(name, serial, 60)
        self.begin_packets()
        self.watch.start()
        if self.asked.plant:
            self.updater.history.values[changes.NAMES[1]][0] = "planted"    # of the first serial
        for thread in [*self.changers, *self.checkers, self.flooder]:
            thread.start()
        begin = time.monotonic()
        steady = begin + self.asked.length * (1 - options.STEADY)
        if self.asked.no_faults:
            time.sleep(max(0, steady - time.monotonic()))
        else:
            self.faults.live_until(steady)
        self.say("faults are over: %s" % self.faults.made)
        end = max(begin + self.asked.length, time.monotonic() + self.asked.length * options.STEADY / 2)
        time.sleep(max(0, end - time.monotonic()))
        self.watch.halt()
        for thread in [*self.changers, *self.checkers, self.flooder]:
            thread.halt()
        self.say("all is quiet")

    def first_serials(self):
        yield from ((changer.zone, 1) for changer in self.zone_changers)
        yield soak_world.RECEIVED_SIGNED, self.world.signer.serial
        yield soak_world.CATALOG, 1

    def say(self, text):
        print("soak: %s" % text, file=sys.stderr, flush=True)

    # ---- packets ----

    def quiet_wire(self):
        """What the kernel and the responder have counted when nothing is under way."""
        end = time.monotonic() + 30
        while True:
            before = self.world.node.wire_counts()
            time.sleep(QUIET_S)
            after = self.world.node.wire_counts()
            if before == after or time.monotonic() > end:
                return after

    def begin_packets(self):
        wire = self.quiet_wire()
        counters = self.world.node.counters_of(self.world.stats_path)
        self.world.rings.look()
        # What had come before the first responder listened.
        self.offset = {"rx": wire["rx"] - self.world.rings.seen,
                       "tx": wire["tx"] - counters["tx_packets"] - counters["return_out"]}

    def add_packets(self):
        wire, world = self.quiet_wire(), self.world
        status = self.world.end_responder()
        total, kills = {}, sum(epoch["killed"] for epoch in self.world.epochs)
        for epoch in self.world.epochs:
            for name, value in epoch["counters"].items():
                if isinstance(value, int):
                    total[name] = total.get(name, 0) + value
        self.total = total
        nobody, unsure, kept = (sum(epoch[key] for epoch in world.epochs) for key in ("nobody", "unsure", "kept"))
        add = self.balance.add
        seen, full = (sum(epoch[key] for epoch in world.epochs) for key in ("seen", "full"))
        ringless = sum(lacking_of(epoch)[0] for epoch in world.epochs)
        unread = sum(lacking_of(epoch)[1] for epoch in world.epochs if epoch["killed"])
        add(Line("frames that came to the port", wire["rx"] - self.offset["rx"], {
            "for the responder": seen, "fragments, which the kernel keeps": self.flooder.kept,
            "with nobody there, in %d deaths" % kills: nobody}, -kept, unsure,
                 "while it was looked whether somebody is there"))
        # The counters of one that died are read from shared memory; only its last burst may be missing.
        add(Line("frames for the responder", seen,
                 {"counted as received": total["rx_packets"], "found the ring full": full,
                  "before there was a ring": ringless, "in the rings of those that died": unread}))
        add(Limit("frames in the rings of those that died", unread, -soak_world.BURST * kills, soak_world.RING * kills))
        kinds = {name: value for name, value in sorted(total.items())
                 if re.match("(answered|local|punt|drop)_", name)}
        # A burst that was being counted when the process died.
        add(Line("packets received", total["rx_packets"], kinds, -soak_world.BURST * kills, soak_world.BURST * kills,
                 "bursts that were being counted"))
        # Replies that are kept have to go with each image, of which there are several a second.
        add(Limit("queries that came again and got a reply that was kept", total["cached"], 1,
                  total["answered_udp4"] + total["answered_udp6"]))
        add(Line("frames that left by the port", wire["tx"] - self.offset["tx"],
                 {"replies": total["tx_packets"], "of the kernel": total["return_out"]},
                 -soak_world.RING * kills, soak_world.RING * kills, "rings of those that died"))
        add(Line("packets of the kernel", total["return_in"],
                 {"sent": total["return_out"], "lost": total["return_lost"]}, -soak_world.BURST * kills,
                 soak_world.BURST * kills, "bursts"))
        add(Nothing("laws that a responder broke", broken_laws(self.world.epochs)))
        self.add_questions(nobody + unsure + ringless + unread + full)
        flooded = sum(self.flooder.sent.values())
        add(Limit("frames of floods", flooded, 1, wire["rx"], "frames"))
        for kind, value in self.flooder.sent.items():
            self.balance.figure("flood: " + kind, value)
        return status

    def add_questions(self, bound):
        total, udp = self.total, [c for c in self.checkers if isinstance(c, load.UdpChecker)]
        streams = [c for c in self.checkers if isinstance(c, load.StreamChecker)]
        counted = sum(total.get(name, 0) for name in ("drop_tx_full", "drop_no_image"))
        self.balance.add(Line(
            "questions over UDP", sum(c.asked for c in udp),
            {"answered": sum(c.answered for c in udp), "answered late": sum(c.late for c in udp)}, 0, bound + counted,
            "nobody there, or no room in a ring"))
        lost = [(cnt, end - begin) for c in udp for begin, end, cnt in c.lost_at
                if not self.world.is_troubled(begin, end)]
        calm, calm_cnt = ["%d questions, %.1f s long" % each for each in lost], sum(cnt for cnt, _ in lost)
        # Each frame that found no room excuses one question.
        missed = total.get("drop_tx_full", 0) + sum(epoch["full"] for epoch in self.world.epochs)
        self.balance.add(Nothing("questions over UDP lost without a reason", calm if calm_cnt > missed else []))
        self.balance.add(Line("questions over TCP and TLS", sum(c.asked for c in streams),
                              {"answered": sum(c.answered for c in streams),
                               "on connections that were cut": sum(c.cut for c in streams)}))
        self.balance.add(Nothing("connections that were cut without a reason", [
            text for c in streams for begin, end, text in c.cuts if not self.world.is_troubled(begin, end)]))
        self.balance.add(Limit("answers that were looked at", sum(c.checked for c in self.checkers), 100))
        self.balance.add(Nothing("wrong answers", [text for c in self.checkers for text in c.wrong]))

    # ---- changes ----

    def add_changes(self):
        add, world = self.balance.add, self.world
        for changer in self.zone_changers:
            add(Line("changes of %s sent" % changer.zone, changer.history.sent - 1,
                     {"acknowledged": changer.history.acknowledged - 1}))
            add(Nothing("%s: store, port, TCP, downstream" % changer.zone,
                        self.attempt(settle.zone_of_ours, world, changer)))
        for changer in self.updater, self.signing:
            back = []

            def look(changer=changer, back=back):
                found, steps = settle.journal(world, changer, JOURNAL_STEPS)
                back.append(steps)
                return found
            add(Nothing("%s: its journal" % changer.zone, self.attempt(look)))
            add(Limit("%s: serials that the journal goes back" % changer.zone, back[0] if back else 0, 1))
        for primary in world.upstream, world.signer:
            add(Nothing("%s: as its primary has it" % primary.zone,
                        self.attempt(settle.received, world, primary.zone, primary)))
        add(Nothing("catalog and its members", self.attempt(settle.catalog, world, self.catalog.members)))
        for changer in self.changers:
            self.balance.figure("changes of %s" % changer.name, changer.changes)
            self.balance.figure("tries beyond the first, %s" % changer.name, changer.tries - changer.changes)

    @staticmethod
    def attempt(function, *arguments):
        try:
            return function(*arguments)
        except Exception as error:    # a look that fails is a fault, and not the end of the balance
            return ["%r" % error]

    # ---- processes and files ----

    def add_processes(self):
        add, sanitized = self.balance.add, bool(self.asked.sanitized)
        judged = self.watch.judged()
        add(Limit("lives of processes that were long enough", len(judged), 2))
        for name in sorted({name for name, _ in judged}):
            lives = [samples for found, samples in judged if found == name]
            for key, high, unit in (("memory", watch.GROWTH_KB[sanitized], "KB"), ("handles", watch.HANDLES, ""),
                                    ("threads", 0, "")):
                add(Limit("%s: most growth of %s in %d lives" % (name, key, len(lives)),
                          max(watch.growth(samples, key) for samples in lives), high=high, unit=unit))
            longest = max(lives, key=lambda samples: samples[-1]["at"] - samples[0]["at"])
            self.balance.figure("%s: growth of memory in its longest life, of %d s, KB" % (
                name, longest[-1]["at"] - longest[0]["at"]), watch.growth(longest, "memory"))
        add(Nothing("zombies, and threads of the soak that failed", self.watch.faults + [
            text for thread in [*self.changers, *self.checkers, self.flooder] for text in thread.faults]))

    def add_files(self):
        add = self.balance.add
        try:
            image, fresh, store = settle.sizes(self.world)
        except Exception as error:
            add(Nothing("images are good", ["%r" % error]))
            return
        # It may have garbage for several times what it reaches when changes do not cease.
        add(Limit("bytes of the image when it is quiet", image, high=2 * fresh + COMPACTED_SZ))
        add(Limit("bytes of the image at most", self.watch.largest["image"], high=8 * fresh + GARBAGE_SZ))
        add(Limit("bytes of the store", store, high=32 << 20))
        self.balance.figure("bytes of an image built anew", fresh)
        self.balance.figure("bytes of the store at most", self.watch.largest["store/data.mdb"])
        add(Nothing("files that are left over", self.attempt(settle.leftovers, self.world)))

    def add_logs(self):
        made = {{"full disk": "full disk"}.get(kind, "killed") for kind, cnt in self.faults.made.items() if cnt}
        if self.watch.starved_s > watch.STARVED_S:
            made.add("starved")
        self.balance.figure("longest wait of a thread for a processor, s", round(self.watch.starved_s, 2))
        unexpected, counted = logs.judge(self.world.logs(), made)
        self.balance.add(Nothing("errors in the logs that nobody provoked", unexpected))
        for what, cnt in sorted(counted.items()):
            self.balance.figure(what, cnt)

    def plant(self):
        """Losses of each kind, for the test that they are found."""
        for kind in filter(None, self.asked.plant.split(",")):
            if kind == "frame":
                self.offset["rx"] -= 1
            elif kind == "change":
                self.updater.history.values[changes.NAMES[0]][-1] = "planted"
            elif kind == "file":
                with open(os.path.join(self.world.disk, "image.new"), "wb"):
                    pass
            elif kind == "log":
                with open(self.world.daemon.log, "a", encoding="utf-8") as log:
                    log.write("<3>planted\n")

    def finish(self):
        self.plant()
        self.add_changes()
        self.add_files()
        statuses = []
        status = self.world.daemon.end(signal.SIGTERM)
        statuses += ["the daemon ended with status %s" % status] * (status != 0)
        status = self.add_packets()
        statuses += ["the responder ended with status %s" % status] * (status != 0)
        self.add_processes()
        self.balance.add(Nothing("ends out of order", statuses))
        self.add_logs()
        self.balance.figure("copies without garbage that were met", self.faults.copies)
        for kind, cnt in self.faults.made.items():
            self.balance.figure("fault: " + kind, cnt)
        for checker in self.checkers:
            self.balance.figure("slowest round of %s, s" % checker.name,
                                round(getattr(checker, "slowest_s", 0), 2))
        return self.balance


def soak(asked):
    run = Soak(asked)
    try:
        run.run()
        return run.finish()
    finally:
        try:
            if asked.keep_logs:
                for name, path in run.world.logs().items():
                    shutil.copy(path, "%s/%s.log" % (asked.keep_logs, name))
        finally:
            run.world.stop()
