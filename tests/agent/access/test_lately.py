"""What is noted once in a while."""

from __future__ import annotations

from agent.access.lately import MAX_KEPT, QUIET_S, Lately


def test_the_same_is_news_again_after_a_while() -> None:
    now = 0.0
    lately = Lately(lambda: now)
    assert lately.is_news("/usr/bin/a", "99900001")
    assert not lately.is_news("/usr/bin/a", "99900001")
    assert lately.is_news("/usr/bin/b", "99900001")
    assert lately.is_news("/usr/bin/a", "99900002")
    now = QUIET_S
    assert lately.is_news("/usr/bin/a", "99900001")


def test_attack_no_caller_fills_the_memory() -> None:
    lately = Lately(lambda: 0.0)
    for number in range(3 * MAX_KEPT):
        assert lately.is_news("/usr/bin/a", str(number))
    assert len(lately._noted) <= MAX_KEPT
