"""`cps-agent call`: one request to a health service through the gateway, from a file into another."""

from __future__ import annotations

import base64
import codecs
import http.client
import json
import sys
import time
from argparse import Namespace
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final
from urllib.parse import quote, unquote

from agent.commands.calling import connect
from agent.commands.exits import Exit
from agent.commands.files import WrongCallError, with_files
from agent.commands.output import complain, one_line, report
from agent.people.translations import choose_language, translator
from agent.sending import PIECE, FileUpload

SOAP: Final = "application/soap+xml; charset=utf-8"
STANDARD: Final = "-"
MAX_SHOWN: Final = 64 * 1024
"""Bytes of an answer that a terminal is shown."""
MEGABYTE: Final = 1_000_000
LOOK_S: Final = 0.2


class AnswerBrokenError(Exception):
    """The answer ended before its end."""


def run_call(arguments: Namespace) -> int:
    """`cps-agent call NAME PATH`."""
    _ = translator()

    def run() -> int:
        if not _is_plain(arguments.path + arguments.name) or " " in arguments.path:
            raise WrongCallError(
                _("The path is written as in a web address, unlike {text}").format(text=arguments.path)
            )
        headers = _read_headers(arguments)
        return report(lambda: _call(arguments, headers), as_json=False)

    try:
        return with_files(run)
    except AnswerBrokenError:
        complain(_("The answer broke off; the request may have been carried out."))
        return Exit.SERVICE


def _read_headers(arguments: Namespace) -> dict[str, str]:
    """What goes along: the caller's own headers, the assertion that the agent is to sign, the card. Raises OSError."""
    _ = translator()
    headers = {} if arguments.data is None else {"Content-Type": arguments.type or SOAP}
    for text in arguments.headers:
        headers |= dict(map(_split_header, _read_lines(text)))
    if arguments.assertion is not None:
        headers["CPS-Agent-Assertion"] = _read_assertion(Path(arguments.assertion))
    if arguments.card is not None:
        headers["CPS-Agent-Card"] = arguments.card
    return headers


def _read_lines(text: str) -> list[str]:
    """A header, or those of a file: what others may see of a command line is no place for a token."""
    if text.startswith("@"):
        return [
            line for line in Path(text[1:]).read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()
        ]
    return [text]


def _split_header(text: str) -> tuple[str, str]:
    _ = translator()
    name, colon, value = text.partition(":")
    if not colon or not name.strip() or not _is_plain(text):
        raise WrongCallError(_("A header is given as NAME:VALUE, unlike {text}").format(text=text))
    return name.strip(), value.strip()


def _is_plain(text: str) -> bool:
    """Whether it can stand in the head of a request."""
    return text.isascii() and text.isprintable()


def _read_assertion(path: Path) -> str:
    _ = translator()
    try:
        members = json.loads(path.read_bytes())
    except ValueError as error:
        raise WrongCallError(_("{path} is not JSON").format(path=path)) from error
    return base64.b64encode(json.dumps(members).encode()).decode()


def _call(arguments: Namespace, headers: dict[str, str]) -> int:
    """Send and receive; whatever ends it, also Ctrl-C, closes the line, and leaves no half of an answer."""
    with _open_output(arguments.output) as output, connect(arguments) as client:
        content, length = _read_content(arguments.data)
        target = f"/v1/gateway/{quote(arguments.name, safe='')}/{arguments.path.removeprefix('/')}"
        counted = {} if length is None else {"Content-Length": str(length)}
        method = arguments.method or ("GET" if content is None else "POST")
        with client.stream(method, target, content, headers | counted) as response:
            if arguments.include:
                _show_head(response)
            _receive(response, output)
    _explain(response)
    return Exit.OK if response.status < 400 else Exit.SERVICE


def _read_content(name: str | None) -> tuple[Iterable[bytes] | None, int | None]:
    """The body and its length, where there is one and it is known. Raises OSError."""
    if name is None:
        return None, None
    if name == STANDARD:
        return _show_progress(iter(lambda: sys.stdin.buffer.read(PIECE), b""), None, sent=True), None
    upload = FileUpload(Path(name))
    return _show_progress(upload, upload.length, sent=True), upload.length


@contextmanager
def _open_output(name: str | None) -> Iterator[BinaryIO | None]:
    """A new file, which is taken away again unless all of the answer is in it. None: the standard output."""
    if name is None:
        yield None
        return
    path = Path(name)
    with path.open("xb") as file:
        try:
            yield file
        except BaseException:
            file.close()
            path.unlink(missing_ok=True)
            raise


def _receive(response: http.client.HTTPResponse, output: BinaryIO | None) -> None:
    pieces = _show_progress(_read_pieces(response), response.length, sent=False)
    if output is None and sys.stdout.isatty():
        _show(pieces)
    else:
        for piece in pieces:
            (output or sys.stdout.buffer).write(piece)


def _read_pieces(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """All of the answer as it comes. Raises AnswerBrokenError."""
    try:
        while piece := response.read1(PIECE):
            yield piece
    except (OSError, http.client.HTTPException) as error:
        raise AnswerBrokenError(str(error)) from error
    if response.length:
        raise AnswerBrokenError("the answer is shorter than it says")


def _show(pieces: Iterable[bytes]) -> None:
    """An answer on a terminal: what would drive it becomes marks, and there is an end to it."""
    _ = translator()
    shown, decoder = 0, codecs.getincrementaldecoder("utf-8")("replace")
    for piece in pieces:
        text = decoder.decode(piece[: max(0, MAX_SHOWN - shown)])
        sys.stdout.write("\n".join(map(one_line, text.split("\n"))))
        shown += len(piece)
    sys.stdout.write("\n")
    if shown > MAX_SHOWN:
        complain(_("… and so on, {count} bytes in all: -o FILE keeps them").format(count=shown))


def _show_head(response: http.client.HTTPResponse) -> None:
    lines = [f"{response.status} {response.reason}", *(f"{name}: {value}" for name, value in response.getheaders())]
    sys.stderr.write("".join(one_line(line) + "\n" for line in lines))


def _show_progress(pieces: Iterable[bytes], length: int | None, *, sent: bool) -> Iterator[bytes]:
    """The same pieces, counted on a terminal."""
    if not sys.stderr.isatty():
        yield from pieces
        return
    _ = translator()
    done, told, words = 0, time.monotonic(), _("sent {done} of {all} MB") if sent else _("received {done} of {all} MB")
    for piece in pieces:
        yield piece
        done += len(piece)
        if time.monotonic() - told > LOOK_S:
            told = time.monotonic()
            of = "?" if length is None else f"{max(length, done) / MEGABYTE:.1f}"
            sys.stderr.write("\r" + words.format(done=f"{done / MEGABYTE:.1f}", all=of) + "\x1b[K")
    sys.stderr.write("\r\x1b[K")


def _explain(response: http.client.HTTPResponse) -> None:
    """What the agent has to say about a fault, and that the service refused."""
    _ = translator()
    fault, told = response.headers["CPS-Agent-Fault"], response.headers[_explanation_name()]
    if fault is not None:
        complain(f"{unquote(told or '')} [{unquote(fault)}]".strip())
    if response.status >= 400:
        complain(_("The service answers {status}.").format(status=f"{response.status} {response.reason}"))


def _explanation_name() -> str:
    return "CPS-Agent-Explanation-Fr" if choose_language() == "fr" else "CPS-Agent-Explanation"
