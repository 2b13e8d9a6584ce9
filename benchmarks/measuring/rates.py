# SPDX-License-Identifier: Apache-2.0
"""At which rate a server answers most. Asked less than it could, it looks no faster than what it was asked; asked much
more, many answer less."""

STEP = 1.25
KEPT_UP = 0.98      # of what it was asked: it might answer more then, if it were asked more
SENT = 0.98         # of a rate: with less, the generator is at its limit


def best_of(runs):
    return max(runs, key=lambda run: run["replied"])


def kept_up(run):
    return run["replied"] >= KEPT_UP * run["asked"]


def search(ask, rates, down=True):
    """
    The runs, `ask(rate)` each, a dictionary with `rate`, `asked` (what was sent a second) and `replied`: of all
    `rates`, then of higher ones than the highest that the server kept up with, as long as it does and the generator
    too; if it kept up with none, of lower ones than the lowest, as long as less is more.
    """
    runs = [ask(rate) for rate in rates]
    at = max(filter(kept_up, runs), key=lambda run: run["rate"], default=None)
    while at and kept_up(at) and at["asked"] >= SENT * at["rate"]:
        rate = round(at["rate"] * STEP)
        if rate in [run["rate"] for run in runs]:
            break
        at = ask(rate)
        runs.append(at)
    at = min(runs, key=lambda run: run["rate"])
    while down and not any(map(kept_up, runs)):
        run = ask(round(at["rate"] / STEP))
        runs.append(run)
        if run["replied"] <= at["replied"]:
            break
        at = run
    return runs
