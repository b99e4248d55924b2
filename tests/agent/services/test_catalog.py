"""The list of services: what is shipped, what a file adds, and what such a file may not say."""

from __future__ import annotations

import pytest

from agent.services.catalog import ClientCertificate, load_catalog
from agent.services.errors import CatalogError

MAILBOX = (
    'address = "a@b.example"\nholder = "810000000001"\nclient = "nobody"\nimap = "i.example:993"\nsmtp = "s.example"'
)


def test_shipped_services_are_plain_https_addresses():
    catalog = load_catalog()
    assert {"dmp", "dmp-formation", "dmp-development", "insi", "psc", "esante-api"} <= catalog.services.keys()
    assert catalog.services["dmp"].host == "lps2.dmp.gouv.fr"
    assert catalog.services["dmp"].path == "/si-dmp-server/v2/services"
    assert catalog.services["dmp"].port == 443
    assert not catalog.services["insi"].confirmed
    assert catalog.issuers["psc"].discovery.endswith("/wallet-openid-configuration")


def test_file_adds_services_and_replaces_them(tmp_path):
    path = tmp_path / "services.toml"
    path.write_text(
        '[services.ours]\ntitle = "Ours"\nurl = "https://[::1]:8443/api/"\ncertificate = "card"\n'
        '[services.dmp]\ntitle = "Stand-in"\nurl = "https://localhost:8444"\n'
        '[clients.ours]\nclient_id = "x"\nissuer = "psc"\nprograms = ["/usr/bin/ours"]\n'
    )
    catalog = load_catalog(path)
    ours = catalog.services["ours"]
    assert (ours.host, ours.port, ours.path, ours.certificate) == ("::1", 8443, "/api", ClientCertificate.CARD)
    assert catalog.services["dmp"].title == "Stand-in"
    assert catalog.services["psc"].title == "Pro Santé Connect"
    assert catalog.clients["ours"].acr == "eidas1"


@pytest.mark.parametrize(
    "text",
    [
        '[services.x]\ntitle = "X"\nurl = "http://plain.example"',
        '[services.x]\ntitle = "X"\nurl = "https://user@host.example"',
        '[services.x]\ntitle = "X"\nurl = "https://host.example/a/../b"',
        '[services.x]\ntitle = "X"\nurl = "https://host.example/?q"',
        '[services.x]\ntitle = "X"\nurl = "https://host.example:0/"',
        '[services.x]\ntitle = "X"\nurl = "https://host.example"\nmethods = ["TRACE"]',
        '[services.x]\ntitle = "X"\nurl = "https://host.example"\ncolour = "red"',
        '[services.X]\ntitle = "X"\nurl = "https://host.example"',
        '[services."../x"]\ntitle = "X"\nurl = "https://host.example"',
        '[services.x]\ntitle = "X\\u0000"\nurl = "https://host.example"',
        '[services.x]\ntitle = "X"\nurl = "https://host.example"\nlocal_port = 80',
        '[clients.x]\nclient_id = "x"\nissuer = "nobody"\nprograms = ["/x"]',
        '[clients.x]\nclient_id = "x"\nissuer = "psc"\nprograms = []',
        f"[mailboxes.x]\n{MAILBOX}",
        '[services.x]\ntitle = "X"\nurl = "https://x"\nlocal_port = 27741\n[services.y]\ntitle = "Y"\nurl = "https://y"\nlocal_port = 27741',
        '[portals.dmp]\ntitle = "DMP"\nurl = "https://user@dmp.example"',
        "no toml at all",
        "\x00",
    ],
)
def test_file_that_says_anything_else_is_refused(tmp_path, text):
    path = tmp_path / "services.toml"
    path.write_text(text)
    with pytest.raises(CatalogError):
        load_catalog(path)


def test_file_that_is_missing_or_endless_is_refused(tmp_path):
    with pytest.raises(CatalogError, match="cannot be read"):
        load_catalog(tmp_path / "none.toml")
    (tmp_path / "large.toml").write_bytes(b"#" * 300_000)
    with pytest.raises(CatalogError, match="larger"):
        load_catalog(tmp_path / "large.toml")
