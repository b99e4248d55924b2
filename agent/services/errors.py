"""Why a service is not asked what a caller wants to ask it."""

from __future__ import annotations


class ServiceRefusedError(Exception):
    """Nothing was sent; the message says why, in English, for a developer."""


class ServiceUnknownError(ServiceRefusedError):
    """There is no service of that name."""


class TargetRefusedError(ServiceRefusedError):
    """The path or query could be read in two ways, or leads away from the service."""


class HtmlRefusedError(Exception):
    """The service answered with a page, or with something that a browser would take for one. `status`: its own."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the service's own status is {status}")
        self.status = status
