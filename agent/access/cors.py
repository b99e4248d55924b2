"""What a browser wants to read before a page may see an answer (Fetch, CORS protocol): one exact origin, never `*`."""

from __future__ import annotations

from agent.access.origin import Origin

ALLOWED_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
ALLOWED_HEADERS = ("content-type", "soapaction", "cps-agent-card", "cps-agent-authorization", "cps-agent-assertion")
PREFLIGHT_MAX_AGE_S = 60  # short, so that a change of the agent is felt


def cors_headers(origin: Origin | None) -> dict[str, str]:
    """Make the headers of any answer; `Vary` also goes to callers without Origin, for a cache could mix them up."""
    headers = {"Vary": "Origin"}
    if origin is not None:
        headers["Access-Control-Allow-Origin"] = origin.text
    return headers


def preflight_headers(origin: Origin) -> dict[str, str]:
    """Make the headers of the answer to OPTIONS: the same for every page, so it tells nothing about grants."""
    return cors_headers(origin) | {
        "Access-Control-Allow-Methods": ", ".join(ALLOWED_METHODS),
        "Access-Control-Allow-Headers": ", ".join(ALLOWED_HEADERS),
        "Access-Control-Max-Age": str(PREFLIGHT_MAX_AGE_S),
    }
