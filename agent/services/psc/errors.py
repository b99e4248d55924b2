"""Why there is no login, or no token: each a problem of its own, with something else to do about it."""

from __future__ import annotations

from agent.services.psc.oauth import PscError


class ClientRefusedError(PscError):
    """No client of that name, or none that this program may use: a program learns no more than that."""


class LoginOpenError(PscError):
    """The program already waits for a login of this client."""


class LoginRefusedError(PscError):
    """The person, or the issuer on their behalf, said no; the message has the issuer's word."""


class LoginTimeoutError(PscError):
    """Nobody finished the login in time."""


class CibaAbsentError(PscError):
    """The issuer offers no login on another device."""


class NobodyNamedError(PscError):
    """The card in the reader names no person: whom to ask has to be said."""


class LoginAbandonedError(PscError):
    """The person left the desk before they had logged in."""


class AudienceRefusedError(PscError):
    """The client is not set up for that API: its `audiences` do not list it."""


class SecretAbsentError(PscError):
    """No secret is kept for this client: `cps-agent psc secret NAME` keeps one."""


class SecretUnreadableError(PscError):
    """The system's key store does not give the secret of this client now."""


class ClientUnsetError(PscError):
    """The client names no software certificate, and its way to prove who it is needs one."""


class RedirectPortError(PscError):
    """The port that the issuer sends the browser back to is another program's."""


class MixUpError(PscError):
    """The answer names another issuer than was asked (RFC 9207)."""


class TokenCheckError(PscError):
    """A token that is not what was asked for; the message names the claim, never its value."""


class AcrTooLowError(TokenCheckError):
    """The login is weaker than was asked for."""


class StaleLoginError(TokenCheckError):
    """The issuer has used a login that the browser had made before this one was asked for."""


class OtherPersonError(PscError):
    """The login names somebody other than the card in a reader does."""


class LoginCardGoneError(PscError):
    """The login was made with a card, and that card is in no reader now."""


class SessionGoneError(PscError):
    """The session has ended, or never was this program's. `reason`: why, in a word, where it was."""

    def __init__(self, reason: str | None = None) -> None:
        super().__init__(reason or "no such session")
        self.reason = reason
