# SPDX-License-Identifier: Apache-2.0
"""What leaves by a port is, byte for byte, what lib/answer composes: the questions that are compared with Knot
and NSD elsewhere, asked over a port by IPv4 and IPv6. Each is asked several times, and the later ones are
answered by the packet cache, which no expected reply has passed through."""
import pytest

import questions
import responder
import stele
import worlds

pytestmark = pytest.mark.usefixtures("namespaces")


AGAIN = 6     # with fewer, some of these questions would be taken for a flood
CHUNK = 400   # questions, before they come again: as many as the cache still knows that it missed


def compare(node, zones, asks, host, client):
    messages = [ask.message for ask in asks]
    expected = zones.ask(messages, client=client)
    # What gets no reply is for the daemon or nobody: it would only be waited for.
    asked = [(message, reply) for message, reply in zip(messages, expected) if reply]
    asked = [each for begin in range(0, len(asked), CHUNK) for each in asked[begin:begin + CHUNK] * AGAIN]
    replies = node.ask([message for message, _ in asked], host=host)
    wrong = [(message.hex(), reply and reply.hex(), mine.hex()) for (message, mine), reply
             in zip(asked, replies) if not reply or reply[2:] != mine[2:]]
    assert not wrong, "%d of %d differ: query, over the port, expected\n%s" % (
        len(wrong), len(asked), "\n".join(map(str, wrong[:3])))
    return len(asked)


@pytest.mark.parametrize("variant", list(worlds.VARIANTS))
def test_same_answers(variant, tmp_path, peers_installed):
    served = worlds.stage(str(tmp_path), variant)
    asks = [ask for name, path in served for ask in questions.questions(name, path, 0, 700)]
    with stele.Stele(served) as zones, responder.Node(zones.image) as node:
        cnt = compare(node, zones, asks, responder.V4, responder.CLIENT4)
        cnt += compare(node, zones, asks, responder.V6, responder.CLIENT6)
        counters = node.counters()
        assert counters["balance"] == 0
        assert counters["answered_udp4"] + counters["answered_udp6"] >= cnt
        assert counters["cached"] > cnt / 5
        assert counters["drop_udp_checksum"] == 0


@pytest.mark.parametrize("port", ["af_packet", "af_xdp"])
def test_same_answers_over_a_veth(port, tmp_path, peers_installed):
    served = worlds.stage(str(tmp_path), "nsec3")
    asks = [ask for name, path in served for ask in questions.questions(name, path, 1, 300)]
    with stele.Stele(served) as zones, responder.Node(zones.image, port=port) as node:
        compare(node, zones, asks, responder.V4, responder.CLIENT4)
        compare(node, zones, asks, responder.V6, responder.CLIENT6)
        counters = node.counters()
        assert counters["balance"] == 0
        assert counters["cached"] > 0
