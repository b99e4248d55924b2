"""Whether the person is still at the workstation: the signals of the system that end PIN sessions."""

from agent.people.presence.opening import open_presence
from agent.people.presence.seam import AwayReason, NoPresence, OnAway, Presence

__all__ = ["AwayReason", "NoPresence", "OnAway", "Presence", "open_presence"]
