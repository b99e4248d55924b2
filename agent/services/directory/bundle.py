"""A page of answers (FHIR R4 Bundle, type searchset) out of any bytes: its resources, and the link to the next page."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

import msgspec

from agent.services.directory.errors import DirectoryAnswerError

Resource = dict[str, Any]

MAX_ENTRIES: Final = 500
MAX_LIST: Final = 64
MAX_TEXT: Final = 300
MAX_LINK: Final = 8192
ISSUE_CODE: Final = re.compile(r"[a-z-]{1,40}")


@dataclass(frozen=True, slots=True)
class Page:
    """The resources that a page holds, and where the next one is, as the answer has it: not to be trusted."""

    resources: tuple[Resource, ...]
    next_link: str | None


def parse_page(body: bytes) -> Page:
    """Parse one answer. Raises DirectoryAnswerError for all that is no bundle of search results."""
    bundle = _decode(body)
    if bundle.get("resourceType") != "Bundle" or bundle.get("type") != "searchset":
        raise DirectoryAnswerError(f"no bundle of search results but {str(bundle.get('resourceType'))[:40]!r}")
    entries = list_members(bundle, "entry", MAX_ENTRIES + 1)
    if len(entries) > MAX_ENTRIES:
        raise DirectoryAnswerError("an endless page")
    resources = (entry.get("resource") for entry in entries)
    links = (link.get("url") for link in list_members(bundle, "link") if link.get("relation") == "next")
    return Page(
        tuple(one for one in resources if isinstance(one, dict)),
        next((link for link in links if isinstance(link, str)), None),
    )


def explain_outcome(body: bytes) -> str:
    """The codes of an OperationOutcome, for the log; its sentences are left out, which may quote the key."""
    try:
        issues = list_members(_decode(body), "issue")
    except DirectoryAnswerError:
        return ""
    codes = (read_text(issue, "code") or "" for issue in issues)
    return ", ".join(code for code in codes if ISSUE_CODE.fullmatch(code))


def follow(link: str, base_url: str) -> str:
    """Give the next page's address if it lies below the directory's own; raise DirectoryAnswerError otherwise."""
    if len(link) > MAX_LINK or not link.isascii() or not link.isprintable() or " " in link or "\\" in link:
        raise DirectoryAnswerError("the next page has no address")
    try:
        target, base = urlsplit(link), urlsplit(base_url)
        is_ours = _place(target) == _place(base)
    except ValueError as error:
        raise DirectoryAnswerError("the next page has no address") from error
    below = target.path == base.path or target.path.startswith(base.path.rstrip("/") + "/")
    if not is_ours or not below or "@" in target.netloc or _climbs(target.path):
        raise DirectoryAnswerError("the next page is elsewhere")
    return link


def _place(url: SplitResult) -> tuple[str, str | None, int | None]:
    return url.scheme, url.hostname, url.port or {"https": 443, "http": 80}.get(url.scheme)


def _climbs(path: str) -> bool:
    lowered = path.lower().replace("%2e", ".").replace("%2f", "/").replace("%5c", "/")
    return ".." in lowered.split("/")


def _decode(body: bytes) -> Resource:
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise DirectoryAnswerError("no JSON") from error
    if not isinstance(value, dict):
        raise DirectoryAnswerError("no JSON object")
    return value


def list_members(resource: Resource, name: str, limit: int = MAX_LIST) -> list[Resource]:
    """The objects of a repeating element, the first `limit` of them; whatever else stands there is passed over."""
    values = resource.get(name)
    return [value for value in values[:limit] if isinstance(value, dict)] if isinstance(values, list) else []


def read_text(resource: Resource, name: str) -> str | None:
    """A text, cut at MAX_TEXT characters; None when it is absent, empty or no text."""
    value = resource.get(name)
    text = " ".join(value[: MAX_TEXT * 4].split())[:MAX_TEXT] if isinstance(value, str) else ""
    return text or None


def list_texts(resource: Resource, name: str) -> list[str]:
    """The texts of a repeating element."""
    values = resource.get(name)
    found = (read_text({name: value}, name) for value in values[:MAX_LIST]) if isinstance(values, list) else ()
    return [text for text in found if text is not None]
