"""A login by authorization code and PKCE in the system browser (RFC 6749 §4.1, RFC 7636, RFC 8252, RFC 9207)."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

from agent.services.catalog import Client
from agent.services.psc.callback import open_callback
from agent.services.psc.checking import Asked
from agent.services.psc.encoding import base64url
from agent.services.psc.endpoints import Endpoints
from agent.services.psc.errors import LoginRefusedError, MixUpError
from agent.services.psc.metadata import Metadata
from agent.services.psc.oauth import ERROR, IssuerAnswerError, take_text

SECRET_BYTES: Final = 32
REFUSALS: Final = ("access_denied", "login_required", "consent_required", "interaction_required")

OpenBrowser = Callable[[str], Awaitable[None]]


def make_secret() -> str:
    """43 characters that nobody can foresee (RFC 7636 §4.1)."""
    return secrets.token_urlsafe(SECRET_BYTES)


@dataclass(frozen=True, slots=True)
class CodeRequest:
    """What one login is recognised by, all of it secret until it is used. `since_s`: when it began (1970).

    `fresh` False: a login that the browser has made before will do.
    """

    acr: str
    fresh: bool = True
    state: str = field(default_factory=make_secret, repr=False)
    nonce: str = field(default_factory=make_secret, repr=False)
    verifier: str = field(default_factory=make_secret, repr=False)
    since_s: float = field(default_factory=time.time)

    @property
    def challenge(self) -> str:
        """S256 (RFC 7636 §4.2)."""
        digest = hashlib.sha256(self.verifier.encode("ascii")).digest()
        return base64url(digest)

    def url(self, metadata: Metadata, client: Client, redirect_uri: str) -> str:
        """The address for the browser. A login that it has made before may be a colleague's: `prompt`."""
        parameters = {
            "response_type": "code",
            "client_id": client.client_id,
            "redirect_uri": redirect_uri,
            "scope": client.scope,
            "acr_values": self.acr,
            "state": self.state,
            "nonce": self.nonce,
            "code_challenge": self.challenge,
            "code_challenge_method": "S256",
            **({"prompt": "login"} if self.fresh else {}),
        }
        joint = "&" if "?" in metadata.authorization else "?"
        return f"{metadata.authorization}{joint}{urlencode(parameters)}"

    def form(self, code: str, redirect_uri: str) -> dict[str, str]:
        """What the token endpoint is sent."""
        return {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": self.verifier,
        }

    def asked(self) -> Asked:
        """What the tokens are to be judged by."""
        return Asked(self.acr, self.nonce, self.since_s if self.fresh else None)


def read_code(parameters: Mapping[str, str], metadata: Metadata) -> str:
    """The code in what the browser brought, whose state was right. Raises MixUpError, LoginRefusedError, and more.

    `iss` is required where the issuer announces it, and never another's (RFC 9207 §2.4): an honest issuer's code is not
    taken to a dishonest one's token endpoint.
    """
    named = parameters.get("iss")
    if named != metadata.issuer and (named is not None or metadata.names_itself):
        raise MixUpError
    error = parameters.get("error")
    if error is not None:
        word = error if ERROR.fullmatch(error) else "error"
        raise LoginRefusedError(word) if word in REFUSALS else IssuerAnswerError(f"the issuer answers {word}")
    return take_text(parameters, "code")


@dataclass(frozen=True, slots=True)
class CodeLogin:
    """One login of one client, up to its token answer."""

    client: Client
    metadata: Metadata
    endpoints: Endpoints
    open_browser: OpenBrowser

    async def run(self, request: CodeRequest) -> dict[str, Any]:
        """Have the person log in, and give what the token endpoint answered, which is not judged yet.

        Raises RedirectPortError, BrowserUnavailableError, LoginTimeoutError, MixUpError, LoginRefusedError, and what
        Endpoints.post raises.
        """
        client = self.client
        async with open_callback(client.redirect_port, client.redirect_path, request.state) as callback:
            redirect_uri = callback.place.uri
            await self.open_browser(request.url(self.metadata, client, redirect_uri))
            parameters = await callback.wait()
        code = read_code(parameters, self.metadata)
        return await self.endpoints.post(self.metadata.token, request.form(code, redirect_uri))
