# SPDX-License-Identifier: Apache-2.0
"""Why a target is missed, in numbers of the same folder of results: functions of results and limit to a sentence."""
import statistics

from measuring import engines

READS = "random reads, same memory"


def middle(results, name, column, **wanted):
    return statistics.median(results.values(name, column, **wanted))


def memif(case):
    """What the copies leave for answering, and what answering takes where nothing is copied."""
    def why(results, limit):
        theirs, ours = (1e9 / middle(results, "memif", "qps", case=case, server=server)
                        for server in ("5tswap", "stele"))
        rings = middle(results, "rings", "busy_ns", part="one thread", case=case, server="stele")
        return (f"5tswap moves a packet in {theirs:.0f} ns, with the copies of both ends. {limit:g} of its rate would "
                f"leave {theirs / limit - theirs:.0f} ns to read the frame, look up and answer; Stele takes "
                f"{ours - theirs:.0f}. Between rings, where nothing is copied, its worker takes {rings:.0f} ns in all.")
    return why


def growth(results, _):
    """How what grows most does, beside memory itself."""
    cases = {case: [statistics.median(end) for end in engines.ends(results.rows("growth", case=case))]
             for case in dict.fromkeys(results.values("growth", "case")) if case.startswith("random ")}
    reads = cases.pop(READS)
    most = max(cases, key=lambda case: cases[case][0] / cases[case][1])
    large, small = cases[most]
    return (f"{most} grows most, from {small:.0f} to {large:.0f} ns. One random read of the same memory, many in "
            f"flight, grows from {reads[1]:.1f} to {reads[0]:.1f} ns ({reads[0] / reads[1]:.1f} times): the small image is "
            "in the processor's caches, the large one is not, and an answer reads several lines of it.")


def limits(case):
    def why(results, limit):
        off, on = (middle(results, "rings", "busy_ns", part="one thread", case=case, server=server)
                   for server in ("stele", "stele with limits"))
        return (f"a query takes the worker {off:.0f} ns, of which {limit:g} of the rate would leave "
                f"{off / (1 - limit) - off:.0f} for both. They take {on - off:.0f}: each query here brings the cookie of a "
                "client never seen, whose server cookie is reckoned and whose two prefixes are counted.")
    return why


def memory(results, _):
    ours, mirror = (results.rows("veth-tld-starts", server=server)[0] for server in ("stele", "5tswap"))
    return (f"Stele's process takes {(ours['resident'] + ours['huge']) / 2**20:.0f} MiB, "
            f"{ours['huge'] / 2**20:.0f} of them in huge pages: buffers for packets, the image, and room for changes "
            "beside it. The rest is the program's own, and the image's file as long as it is copied. A program on DPDK "
            "that only sends back packets (5tswap) takes "
            f"{(mirror['resident'] + mirror['huge']) / 2**20:.0f}.")
