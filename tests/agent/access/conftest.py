"""A clock that stands still until told, and a database that is closed after use."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from agent.access.database import Database


class StillClock:
    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, **duration: float) -> None:
        self.now += timedelta(**duration)


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
async def database(tmp_path):
    opened = Database(tmp_path / "data" / "agent.sqlite")
    await opened.open()
    yield opened
    await opened.close()
