"""The root part of multipart/related, however the bytes arrive; what could be read in two ways is refused."""

from __future__ import annotations

import pytest

from agent.api.mime_roots import MimeError, Root, find_root, read_related

TYPE = 'multipart/related; boundary="uuid:a"; type="application/xop+xml"; start="<root@x>"; start-info="application/soap+xml"'
ROOT = b'Content-Type: application/xop+xml; charset=UTF-8; type="application/soap+xml"\r\nContent-ID: <root@x>\r\n'
PLAIN = b"--uuid:a\r\n" + ROOT + b"\r\n<e/>\r\n--uuid:a\r\nContent-ID: <b>\r\n\r\n\0\r\n-\r\n--uuid:a--\r\n"
PREAMBLE = b"This is MIME.\r\n" + PLAIN
LAST = b"--uuid:a\r\nContent-ID: <b>\r\n\r\n\r\n--uuid:a \t\r\n" + ROOT + b"\r\n<e/>\r\n--uuid:a--"
NO_HEADERS_FIRST = b"--uuid:a\r\n\r\nx\r\n--uuid:a\r\n" + ROOT + b"\r\n<e/>\r\n--uuid:a--"
WITH_LENGTH = PLAIN.replace(b"Content-ID: <root", b"content-length:  4\r\nContent-ID: <root")
BODIES = [PLAIN, PREAMBLE, LAST, NO_HEADERS_FIRST, WITH_LENGTH]


def root_of(body: bytes, content_type: str = TYPE) -> Root:
    root = find_root(body, read_related(content_type), is_all=True)
    assert root is not None
    return root


@pytest.mark.parametrize("body", BODIES)
def test_it_is_found_once_it_is_there(body: bytes) -> None:
    related = read_related(TYPE)
    whole = root_of(body)
    assert body[whole.body_start : whole.body_end] == b"<e/>"
    assert whole.media_type == "application/xop+xml"
    found = [find_root(body[:end], related, is_all=False) for end in range(len(body))]
    first = next(each for each in found if each is not None)
    assert first == whole
    assert found.index(first) == whole.body_end + len("\r\n--uuid:a")


@pytest.mark.parametrize("body", BODIES)
def test_another_root_leaves_all_else_as_it_was(body: bytes) -> None:
    before, after = root_of(body).replace(body, b"<envelope/>")
    assert before + b"<e/>" + after == body.replace(b"length:  4", b"length:  11")


def test_without_a_start_the_first_part_is_the_root() -> None:
    content_type = "multipart/related; boundary=uuid:a"
    assert root_of(PLAIN, content_type) == root_of(PLAIN)
    assert root_of(LAST, content_type).media_type == "text/plain"
    assert root_of(PLAIN, TYPE.replace("<root@x>", "root@x")) == root_of(PLAIN)


REFUSED = {
    "no-part": b"hello",
    "cut": PLAIN[:80],
    "no-such-part": PLAIN.replace(b"<root@x>", b"<other>"),
    "only-the-end": b"--uuid:a--\r\n",
    "longer-line": PLAIN.replace(b"--uuid:a\r\nContent-Type", b"--uuid:ab\r\nContent-Type"),
    "base64": PLAIN.replace(b"\r\n\r\n<e/>", b"\r\nContent-Transfer-Encoding: base64\r\n\r\n<e/>"),
    "quoted": PLAIN.replace(b"\r\n\r\n<e/>", b"\r\nContent-Transfer-Encoding: Quoted-Printable\r\n\r\n<e/>"),
    "id-twice": PLAIN.replace(b"\r\n\r\n<e/>", b"\r\nContent-ID: <other>\r\n\r\n<e/>"),
    "type-twice": PLAIN.replace(b"\r\n\r\n<e/>", b"\r\nContent-Type: text/html\r\n\r\n<e/>"),
    "headers-run-on": b"--uuid:a\r\nX: y\r\n" + PLAIN,
    "bare-lf": PLAIN.replace(b"\r\nContent-ID: <root", b"\nContent-ID: <root"),
    "bare-cr": PLAIN.replace(b"\r\nContent-ID: <root", b"\rContent-ID: <root"),
    "nul": PLAIN.replace(b"<root@x>", b"<root@x>\0"),
    "long-headers": PLAIN.replace(b"\r\n\r\n<e/>", b"\r\nX: " + b"x" * 9000 + b"\r\n\r\n<e/>"),
    "headers-without-end": b"--uuid:a\r\n" + b"X: y\r\n" * 2000,
}


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED)
def test_what_has_no_one_root_is_refused(body: bytes) -> None:
    with pytest.raises(MimeError):
        root_of(body)


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/related",
        'multipart/related; boundary=""',
        'multipart/related; boundary="a b "',
        'multipart/related; boundary="a\r\nb"',
        f"multipart/related; boundary={'a' * 71}",
        'multipart/related; boundary="é"',
        "multipart/related; boundary=a; boundary=b",
    ],
)
def test_a_boundary_that_is_none_is_refused(content_type: str) -> None:
    with pytest.raises(MimeError):
        read_related(content_type)
