"""Which way this workstation tells that the person is away."""

from __future__ import annotations

import os
from collections.abc import Mapping

from agent.people.presence.seam import NoPresence, Presence


def open_presence(platform: str, environment: Mapping[str, str]) -> Presence:
    """Choose by `sys.platform`; of the environment the addresses of the D-Bus buses and XDG_SESSION_ID count."""
    if platform == "linux":
        from agent.people.presence.linux import LinuxPresence, Whereabouts  # noqa: PLC0415 - D-Bus, on Linux alone

        return LinuxPresence(Whereabouts.of(environment, os.getuid(), os.getpid()))
    return NoPresence(f"screen lock, suspend and user switch are not received on {platform} yet")
