"""What the gate and its stores refuse or fail to do; `code` is the stable word that a caller reads."""

from __future__ import annotations

from typing import ClassVar


class AccessError(Exception):
    """The gate says no."""

    code: ClassVar[str]

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (self.__doc__ or "").strip())


class PeerRefusedError(AccessError):
    """The connection does not come from a program of this user, or nobody can tell."""

    code = "peer-refused"


class HostRefusedError(AccessError):
    """The Host header is not one of the agent's own names."""

    code = "host-refused"


class OriginRefusedError(AccessError):
    """The Origin header is not that of an https page, nor of an http page on loopback."""

    code = "origin-refused"


class TokenRefusedError(AccessError):
    """The local token is absent or wrong."""

    code = "token-refused"


class GrantRequiredError(AccessError):
    """The caller was not granted this ability, or no longer is."""

    code = "grant-required"

    def __init__(self, ability: str, message: str = "") -> None:
        super().__init__(message or f"{ability} is not granted to this caller; ask with POST /v1/grants")
        self.ability = ability


class GrantRefusedError(AccessError):
    """The person refused to grant what the caller asked for."""

    code = "grant-refused"


class GrantNotFoundError(AccessError):
    """No such grant that this caller may see."""

    code = "not-found"


class AbilityRefusedError(AccessError):
    """Such a caller can never have this ability, whatever the person says."""

    code = "not-supported"


class StoreError(Exception):
    """A file of the data folder cannot be read or written: full, locked, damaged, closed, or not ours."""
