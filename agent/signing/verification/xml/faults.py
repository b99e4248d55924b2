"""Why a signature in XML is not accepted, as an exception on the way to its finding."""

from __future__ import annotations

from agent.signing.verification.findings import Reason


class XmlFaultError(Exception):
    """`reason`, with a hint for a developer."""

    def __init__(self, reason: Reason, hint: str) -> None:
        super().__init__(hint)
        self.reason = reason


def malformed(hint: str) -> XmlFaultError:
    """It is not made as the standard demands, or in a way that readers could take differently."""
    return XmlFaultError(Reason.MALFORMED, hint)
