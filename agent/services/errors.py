"""Why a service is not asked what a caller wants to ask it; light, since the table of refusals has them all."""

from __future__ import annotations


class CatalogError(Exception):
    """The file of services cannot be used; the message names it and the member at fault."""


class BrowserUnavailableError(Exception):
    """No browser can be opened on this workstation."""


class BrowserBusyError(Exception):
    """The browser was opened too often for one caller a moment ago."""


class LinkError(ValueError):
    """There is no such page of the DMP: it needs a patient, or takes none."""


class PortalUnsetError(Exception):
    """Nobody has said where the DMP of the web is."""


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
