"""Hostile and honest values of Host and Origin."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent.access.errors import HostRefusedError, OriginRefusedError
from agent.access.origin import MAX_ORIGIN_CHARS, Origin, parse_origin, require_own_host

PORT = 27710


@pytest.mark.parametrize("host", ["127.0.0.1:27710", "[::1]:27710", "localhost:27710"])
def test_own_names_pass(host):
    require_own_host(host, PORT)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost", "localhost:80"])
def test_the_port_may_be_left_out_on_port_80_only(host):
    require_own_host(host, 80)
    with pytest.raises(HostRefusedError):
        require_own_host(host, PORT)


HOSTILE_HOSTS = {
    "absent": None,
    "empty": "",
    "rebinding name": "attacker.example:27710",
    "rebinding name that resolves to loopback": "127.0.0.1.nip.io:27710",
    "rebinding name under localhost": "evil.localhost:27710",
    "localtest": "localtest.me:27710",
    "all addresses": "0.0.0.0:27710",
    "all addresses, IPv6": "[::]:27710",
    "trailing dot": "localhost.:27710",
    "trailing dot after an address": "127.0.0.1.:27710",
    "no port": "127.0.0.1",
    "empty port": "127.0.0.1:",
    "another port": "127.0.0.1:27720",
    "port with zero": "127.0.0.1:027710",
    "two ports": "127.0.0.1:27710:27710",
    "upper case": "LOCALHOST:27710",
    "user": "user@127.0.0.1:27710",
    "decimal address": "2130706433:27710",
    "octal address": "0177.0.0.1:27710",
    "hexadecimal address": "0x7f.0.0.1:27710",
    "short address": "127.1:27710",
    "another loopback address": "127.0.0.2:27710",
    "mapped address": "[::ffff:127.0.0.1]:27710",
    "zone": "[::1%lo]:27710",
    "long form": "[0:0:0:0:0:0:0:1]:27710",
    "without brackets": "::1:27710",
    "space": " 127.0.0.1:27710",
    "newline": "127.0.0.1:27710\n",
    "two values": "127.0.0.1:27710, 127.0.0.1:27710",
    "path": "127.0.0.1:27710/",
    "full-width digits": "\uff11\uff12\uff17.0.0.1:27710",
    "address of the network": "192.168.1.10:27710",
}


@pytest.mark.parametrize("host", HOSTILE_HOSTS.values(), ids=HOSTILE_HOSTS)
def test_a_foreign_host_is_refused(host):
    with pytest.raises(HostRefusedError):
        require_own_host(host, PORT)


@pytest.mark.parametrize(
    ("text", "loopback"),
    [
        ("https://dmp.example", False),
        ("https://dmp.example:8443", False),
        ("https://dmp", False),
        ("https://a_b.intranet", False),
        ("https://xn--sant-esa.example", False),
        ("https://10.1.2.3", False),
        ("https://[2001:db8::1]:8443", False),
        ("https://127.0.0.1:8443", False),
        ("https://localhost:8443", False),
        ("http://localhost:27710", True),
        ("http://127.0.0.1:8000", True),
        ("http://[::1]:8000", True),
    ],
)
def test_a_well_formed_origin_is_read(text, loopback):
    assert parse_origin(text) == Origin(text, loopback)


HOSTILE_ORIGINS = {
    "empty": "",
    "null": "null",
    "file": "file://",
    "sandboxed file": "file:///home/user/page.html",
    "data": "data:text/html,x",
    "blob": "blob:https://dmp.example/1",
    "extension of Chromium": "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
    "extension of Firefox": "moz-extension://6f0d3a34-0000-0000-0000-000000000000",
    "extension of Safari": "safari-web-extension://1",
    "websocket": "wss://dmp.example",
    "http elsewhere": "http://dmp.example",
    "http elsewhere with port": "http://dmp.example:8000",
    "http on the network": "http://192.168.1.1:8000",
    "http on all addresses": "http://0.0.0.0:8000",
    "http under localhost": "http://evil.localhost:8000",
    "http that begins like loopback": "http://127.0.0.1.nip.io:8000",
    "http on another loopback address": "http://127.0.0.2:8000",
    "http loopback without port": "http://localhost",
    "http default port": "http://localhost:80",
    "https default port": "https://dmp.example:443",
    "trailing slash": "https://dmp.example/",
    "path": "https://dmp.example/a",
    "query": "https://dmp.example?x",
    "fragment": "https://dmp.example#x",
    "user": "https://user@dmp.example",
    "name as user": "https://dmp.example@evil.example",
    "backslash": "https://dmp.example\\@evil.example",
    "upper case scheme": "HTTPS://dmp.example",
    "upper case host": "https://DMP.example",
    "unicode host": "https://santé.example",
    "letters that look alike": "https://dm\u0440.example",
    "full-width dot": "https://dmp。example",
    "percent": "https://dmp%2eexample",
    "trailing dot": "https://dmp.example.",
    "two dots": "https://dmp..example",
    "leading dot": "https://.example",
    "wildcard": "https://*.example",
    "hyphen at the start": "https://-dmp.example",
    "hyphen at the end": "https://dmp-.example",
    "long label": f"https://{'a' * 64}.example",
    "no host": "https://",
    "no host but a port": "https://:8443",
    "empty port": "https://dmp.example:",
    "port zero": "https://dmp.example:0",
    "port with zero": "https://dmp.example:08443",
    "port too high": "https://dmp.example:65536",
    "port not a number": "https://dmp.example:https",
    "port in Arabic digits": "https://dmp.example:٨٤٤٣",
    "space before": " https://dmp.example",
    "space after": "https://dmp.example ",
    "tab": "https://dmp\t.example",
    "newline": "https://dmp.example\n",
    "NUL": "https://dmp.example\x00",
    "two values": "https://a, https://b",
    "two values without space": "https://a,https://b",
    "two values by space": "https://a https://b",
    "decimal address": "https://2130706433",
    "hexadecimal address": "https://0x7f000001",
    "octal address": "https://0177.0.0.1",
    "short address": "https://127.1",
    "five numbers": "https://1.2.3.4.5",
    "number too high": "https://1.2.3.256",
    "name that ends in a number": "https://dmp.1",
    "IPv6 zone": "https://[fe80::1%25eth0]",
    "IPv6 long form": "https://[2001:db8:0:0:0:0:0:1]",
    "IPv6 upper case": "https://[2001:DB8::1]",
    "IPv6 mapped": "https://[::ffff:7f00:1]",
    "IPv6 without brackets": "https://2001:db8::1",
    "IPv6 empty": "https://[]",
    "IPv6 of colons": "https://[:::]",
    "surrogate": "https://dmp.example\udc80",
    "too long": "https://" + "a." * 124 + "example",
}


@pytest.mark.parametrize("text", HOSTILE_ORIGINS.values(), ids=HOSTILE_ORIGINS)
def test_a_hostile_origin_is_refused(text):
    with pytest.raises(OriginRefusedError):
        parse_origin(text)


def test_the_longest_origin():
    text = "https://" + "a." * 120 + "example"
    assert len(text) == MAX_ORIGIN_CHARS
    assert parse_origin(text).text == text
    with pytest.raises(OriginRefusedError):
        parse_origin(text + "s")


_label = st.from_regex(r"\A[a-z]([a-z0-9-]{0,20}[a-z0-9])?\Z")
_names = st.lists(_label, min_size=1, max_size=5).map(".".join)
_addresses = st.ip_addresses(v=4).map(str) | st.ip_addresses(v=6).filter(lambda ip: not ip.ipv4_mapped).map(
    lambda ip: f"[{ip}]"
)
_ports = st.just("") | st.integers(1, 65535).filter(lambda port: port != 443).map(lambda port: f":{port}")


@given(host=_names | _addresses, port=_ports)
def test_what_a_browser_serialises_is_read_unchanged(host, port):
    text = f"https://{host}{port}"
    assert parse_origin(text) == Origin(text, loopback=False)


@given(st.text() | st.from_regex(r"https?://[^\n]{0,40}") | st.from_regex(r"https://[a-z.:0-9\[\]@/%-]{1,30}"))
@example("https://a\n")
def test_what_is_read_is_exactly_one_scheme_host_and_port(text):
    try:
        origin = parse_origin(text)
    except OriginRefusedError:
        return
    parts = urlsplit(text)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = f":{parts.port}" if parts.port else ""
    assert origin.text == text == f"{parts.scheme}://{host}{port}"
    assert text.isascii()
    assert text == text.lower()
    assert len(text) <= MAX_ORIGIN_CHARS
