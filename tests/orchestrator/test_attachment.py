"""A driver whose own node left the cluster is told so, and seldom asks."""

import pytest

from orchestrator.cluster import LOOK_EVERY_S, Attachment
from orchestrator.errors import RunnerError


def test_it_ends_when_the_node_is_gone_and_asks_every_two_seconds():
    now, asked, lives = [100.0], [], [True]

    def look():
        asked.append(now[0])
        return lives[0]

    attachment = Attachment(lives=look, monotonic=lambda: now[0])
    for _ in range(40):
        attachment.check()
        now[0] += LOOK_EVERY_S / 8
    assert asked == [102.0, 104.0, 106.0, 108.0]
    lives[0] = False
    now[0] += LOOK_EVERY_S
    with pytest.raises(RunnerError, match="got its death. Resume"):
        attachment.check()
