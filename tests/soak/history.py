# SPDX-License-Identifier: Apache-2.0
"""What a zone says at each of its serials, and whether an answer is one that may be given.

Each change has a serial of its own and is entered before it is sent. So an answer is right if it is that of some
serial between the lowest that may still be served when it was asked for (what an answer of this way has
shown before: serials never go back) and the highest that had been sent when it came.
"""
import bisect
import threading

GONE = None    # the value of a name that is not there


class History:
    """`values`: {key: value} at `serial`; a key is whatever is asked for, a value whatever is compared."""

    def __init__(self, zone, serial, values):
        self.zone, self.lock = zone, threading.Lock()
        self.first = self.sent = self.acknowledged = serial
        self.serials = {key: [serial] for key in values}
        self.values = {key: [value] for key, value in values.items()}
        self.floors = {}

    def send(self, serial, changes):
        """{key: value} that are otherwise from this serial on. Before anybody is told."""
        with self.lock:
            assert serial > self.sent
            for key, value in changes.items():
                if key not in self.serials:
                    self.serials[key], self.values[key] = [self.first], [GONE]
                self.serials[key].append(serial)
                self.values[key].append(value)
            self.sent = serial

    def acknowledge(self, serial):
        with self.lock:
            self.acknowledged = serial

    def keys(self):
        with self.lock:
            return list(self.values)

    def at(self, serial):
        """{key: value} of all that is there."""
        with self.lock:
            found = {key: values[bisect.bisect_right(self.serials[key], serial) - 1]
                     for key, values in self.values.items()}
        return {key: value for key, value in found.items() if value is not GONE}

    def floor(self, way):
        """The lowest serial that may be answered over this way to whoever asks from now on."""
        with self.lock:
            return self.floors.get(way, self.first)

    def check_serial(self, way, floor, serial):
        """A serial that was answered; None, or what is wrong with it."""
        with self.lock:
            if not floor <= serial <= self.sent:
                return "%s: serial %d over %s, where %d to %d are possible" % (
                    self.zone, serial, way, floor, self.sent)
            self.floors[way] = max(self.floors.get(way, self.first), serial)
        return None

    def check(self, way, floor, key, value, same=None):
        """An answer to a question that was asked when `floor` was the floor; None, or what is wrong with it.
        `same(value, other)` compares, where not all of a value has been answered."""
        with self.lock:
            serials, values = self.serials.get(key, [self.first]), self.values.get(key, [GONE])
            at = max(0, bisect.bisect_right(serials, floor) - 1)
            possible = [i for i in range(at, len(values)) if (same(values[i], value) if same else values[i] == value)]
            if not possible:
                return "%s: %s over %s is %s, which no serial from %d to %d has (%s)" % (
                    self.zone, key, way, value, floor, self.sent, values[at:][:4])
            # Later answers are of the first serial with this value at the least.
            least = max(floor, serials[possible[0]])
            self.floors[way] = max(self.floors.get(way, self.first), least)
        return None
