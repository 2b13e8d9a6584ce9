# SPDX-License-Identifier: Apache-2.0
"""At which rate a server answers most, whatever rates one began with."""
from measuring import rates


class Server:
    """Answers up to `most` queries a second, and less of more; the generator sends up to `limit`."""

    def __init__(self, most, limit=700_000, loss=0.2):
        self.most, self.limit, self.loss, self.asked = most, limit, loss, []

    def ask(self, rate):
        self.asked.append(rate)
        sent = min(rate, self.limit)
        replied = sent if sent <= self.most else max(self.most - self.loss * (sent - self.most), 0)
        return {"rate": rate, "asked": sent, "replied": replied}


def found(server, begin=(200_000, 1_000_000), **more):
    return max(run["replied"] for run in rates.search(server.ask, begin, **more))


def test_a_server_that_keeps_up_is_asked_more():
    """Asked 200,000 and 1,000,000 alone it would have come to 200,000."""
    server = Server(310_000)
    assert found(server) >= 0.8 * 310_000 and found(server) > 250_000


def test_what_the_generator_cannot_send_is_not_tried():
    server = Server(2_000_000)
    assert found(server) == 700_000 and server.asked == [200_000, 1_000_000]


def test_a_slow_server_is_asked_less():
    server = Server(90_000)
    assert found(server) > 80_000


def test_later_rounds_begin_where_it_answered_most_and_only_go_up():
    server = Server(90_000)
    rates.search(server.ask, [200_000], down=False)
    assert server.asked == [200_000]
    server = Server(240_000)
    assert found(server, [200_000], down=False) >= 0.95 * 240_000


def test_each_rate_is_tried_once():
    for most in range(20_000, 900_000, 30_000):
        server = Server(most)
        rates.search(server.ask, [200_000, 1_000_000])
        assert len(server.asked) == len(set(server.asked)) < 20
