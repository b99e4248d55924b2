"""Chains are found among known authorities alone, and only through those that may issue."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from agent.certificates import anchors
from agent.certificates.anchors import (
    PINNED,
    Anchors,
    AnchorsDamagedError,
    igc_sante,
    read_anchors,
    require_pinned,
)
from agent.certificates.authority_files import MAX_FILES, MAX_SIZE, read_authorities
from agent.certificates.chains import MAX_CHECKS, MAX_KEPT, MAX_LENT, Chains, TrustTerms
from drivers.card import issuing
from drivers.card.certificate import Certificate, parse_certificate

NOW = datetime.now(UTC)
SHIPPED = resources.files("agent.certificates").joinpath("igc-sante")


class Made:
    """A certificate with the key that it names."""

    def __init__(self, name: str, issuer: Made | None = None, **details: object) -> None:
        self.key = details.pop("key", None) or ec.generate_private_key(ec.SECP256R1())
        self.x509 = build(name, self, issuer or self, **details)
        self.certificate = parse_certificate(self.x509.public_bytes(Encoding.DER))

    @property
    def der(self) -> bytes:
        return self.certificate.der

    @property
    def pem(self) -> bytes:
        return self.x509.public_bytes(Encoding.PEM)


def build(
    name: str,
    subject: Made,
    issuer: Made,
    *,
    ca: bool | None = True,
    length: int | None = None,
    usage: str | None = "key_cert_sign",
    days: tuple[int, int] = (-100, 100),
    issuer_name: str | None = None,
    string: type = str,
) -> x509.Certificate:
    issuer_dn = dn(issuer_name) if issuer_name else (issuer.x509.subject if issuer is not subject else dn(name))
    builder = (
        x509.CertificateBuilder()
        .subject_name(dn(name))
        .issuer_name(issuer_dn)
        .public_key(subject.key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + timedelta(days=days[0]))
        .not_valid_after(NOW + timedelta(days=days[1]))
    )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca, length if ca else None), critical=True)
    if usage is not None:
        names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
                 "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")  # fmt: skip
        builder = builder.add_extension(x509.KeyUsage(**{each: each == usage for each in names}), critical=True)
    return builder.sign(issuer.key, hashes.SHA256())


def dn(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "FR"), x509.NameAttribute(NameOID.COMMON_NAME, name)])


def leaf(issuer: Made, **details: object) -> Certificate:
    return Made("CARTE", issuer, **{"ca": None, "usage": "content_commitment", **details}).certificate


@pytest.fixture
def trusting(tmp_path: Path) -> Callable[..., Chains]:
    """Chains that trust what is given, as files that the settings name."""

    def make(*roots: Made, links: tuple[Made, ...] = ()) -> Chains:
        named = []
        for number, made in enumerate((*roots, *links)):
            path = tmp_path / f"{number}.pem"
            path.write_bytes(made.pem)
            named.append(path)
        return Chains(terms=TrustTerms(False, tuple(named[: len(roots)]), tuple(named[len(roots) :])))

    return make


def test_the_nine_authorities_are_those_of_the_fingerprints() -> None:
    shipped = igc_sante()
    assert (len(shipped.authorities), shipped.refused) == (9, ())
    assert {file.name for file in SHIPPED.iterdir() if file.name.endswith(".pem")} == PINNED.keys()
    require_pinned()


def test_each_leads_to_its_root() -> None:
    lengths = {each.subject.rfc4514(): len(Chains().find(each) or ()) for each in igc_sante().authorities}
    assert set(lengths.values()) == {1}, lengths  # each is issued by a root, which issued itself


def test_attack_a_file_that_differs_is_no_anchor(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "igc-sante"
    shutil.copytree(Path(str(SHIPPED)), folder)
    (folder / "acr-fort.pem").write_bytes(Made("AC RACINE IGC-SANTE FORT").pem)
    (folder / "acr-standard.pem").unlink()
    (folder / "mine.pem").write_bytes(Made("AC DE PLUS").pem)
    found = read_anchors(folder)
    assert found.refused == ("acr-fort.pem", "acr-standard.pem")
    assert len(found.authorities) == 7
    assert "acr-fort.pem" in caplog.text


def test_nothing_is_built_with_a_damaged_authority(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anchors, "igc_sante", lambda: Anchors((), ("acr-fort.pem",)))
    with pytest.raises(AnchorsDamagedError, match=r"acr-fort\.pem"):
        require_pinned()
    assert "\nrequire_pinned()" in (Path(__file__).parents[3] / "agent.spec").read_text()


def test_test_authorities_count_only_when_they_are_named(trusting: Callable[..., Chains]) -> None:
    root = Made("RACINE")
    issuing_ca = Made("AC", root)
    card = leaf(issuing_ca)
    assert Chains().find(card) is None
    assert trusting(root).find(card) is None  # the link is missing, and nobody is asked for it
    assert trusting(root, links=(issuing_ca,)).find(card) == (issuing_ca.der, root.der)
    assert trusting(root).find(card, [issuing_ca.der, b"no certificate"]) == (issuing_ca.der, root.der)


def test_what_a_token_lends_is_a_link_if_it_leads_to_a_root(trusting: Callable[..., Chains]) -> None:
    root, stranger = Made("RACINE"), Made("INCONNUE")
    first = Made("AC 1", root)
    second = Made("AC 2", first)
    chains = trusting(root)
    chains.lend([second.der, first.der, stranger.der, Made("AC 3", stranger).der, b"nothing"])
    assert chains.find(leaf(second)) == (second.der, first.der, root.der)
    assert chains.find(leaf(stranger)) is None
    assert set(chains._lent) == {first.der, second.der}


def test_attack_tokens_that_lend_without_end(trusting: Callable[..., Chains]) -> None:
    root = Made("RACINE")
    chains = trusting(root)
    made = [Made("AC", root, key=root.key).der for _ in range(MAX_KEPT + MAX_LENT)]
    for start in range(0, len(made), MAX_LENT):
        chains.lend(made[start : start + MAX_LENT])
    assert len(chains._lent) == MAX_KEPT
    chains.lend(Made(f"AC {number}", Made("X")).der for number in range(100))
    assert len(chains._lent) == MAX_KEPT


def test_intermediate_authorities_are_never_roots(trusting: Callable[..., Chains]) -> None:
    root = Made("RACINE")
    assert trusting(links=(root,)).find(leaf(root)) is None
    assert Chains().find(leaf(root), [root.der]) is None


def test_a_root_named_as_a_link_too_stays_a_root(trusting: Callable[..., Chains]) -> None:
    root = Made("RACINE")
    assert trusting(root, links=(root,)).find(leaf(root)) == (root.der,)


def test_the_test_root_counts_only_where_it_is_trusted() -> None:
    root = Made("RACINE")
    card = leaf(root)
    assert Chains(lambda: [root.der]).find(card) is None
    assert Chains(lambda: [root.der], TrustTerms(test_root=True)).find(card) == (root.der,)
    assert Chains(lambda: [root.der]).is_of_test_root((root.der,))


@pytest.mark.parametrize(
    "details",
    [
        {"ca": None},
        {"ca": False},
        {"usage": "digital_signature"},
        {"days": (-100, -1)},
        {"days": (1, 100)},
    ],
)
def test_attack_who_may_not_issue_issues_nothing(trusting: Callable[..., Chains], details: dict[str, object]) -> None:
    root = Made("RACINE")
    issuing_ca = Made("AC", root, **details)
    assert trusting(root).find(leaf(issuing_ca), [issuing_ca.der]) is None


def test_attack_a_holder_issues_a_certificate_with_the_key_of_the_card(trusting: Callable[..., Chains]) -> None:
    root = Made("RACINE")
    holder = Made("CARTE", root, ca=None, usage="content_commitment")
    assert trusting(root).find(leaf(holder), [holder.der]) is None


def test_path_lengths_are_kept(trusting: Callable[..., Chains]) -> None:
    root = Made("RACINE", length=1)
    first = Made("AC 1", root, length=0)
    second = Made("AC 2", first)
    chains = trusting(root)
    assert chains.find(leaf(first), [first.der]) == (first.der, root.der)
    assert chains.find(leaf(second), [first.der, second.der]) is None


def test_an_authority_without_key_usage_may_issue(trusting: Callable[..., Chains]) -> None:
    root = Made("RACINE", usage=None)
    assert trusting(root).find(leaf(root)) == (root.der,)


def test_attack_a_namesake_of_an_issuer(trusting: Callable[..., Chains]) -> None:
    root = Made("RACINE")
    assert trusting(root).find(leaf(Made("RACINE"))) is None


def test_names_are_compared_as_people_read_them(trusting: Callable[..., Chains]) -> None:
    root = Made("Racine  de Test")
    assert trusting(root).find(leaf(root, issuer_name="RACINE de test")) == (root.der,)


def test_attack_authorities_that_issue_one_another(trusting: Callable[..., Chains]) -> None:
    first, second = Made("A"), Made("B")
    a_by_b = Made("A", second, key=first.key)
    b_by_a = Made("B", first, key=second.key)
    assert Chains().find(leaf(a_by_b), [a_by_b.der, b_by_a.der]) is None


def test_attack_a_maze_ends_the_search(trusting: Callable[..., Chains], monkeypatch: pytest.MonkeyPatch) -> None:
    root, key = Made("RACINE"), ec.generate_private_key(ec.SECP256R1())
    looks: list[Certificate] = []
    real = issuing.require_issued
    monkeypatch.setattr(issuing, "require_issued", lambda *pair: (looks.append(pair[0]), real(*pair)))
    maze = [Made("M", Made("M", key=key), key=key) for _ in range(100)]
    chains = trusting(root, *maze[:0], links=tuple(maze))
    assert chains.find(leaf(maze[0])) is None
    assert 0 < len(looks) <= MAX_CHECKS


def test_files_of_authorities(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first, second, person = Made("A"), Made("B"), Made("P", ca=None, usage=None)
    (tmp_path / "both.pem").write_bytes(b"words\n" + first.pem + second.pem)
    (tmp_path / "c.CRT").write_bytes(first.der)
    (tmp_path / "person.pem").write_bytes(person.pem)
    (tmp_path / "notes.txt").write_bytes(second.pem)
    (tmp_path / "empty.pem").write_bytes(b"")
    (tmp_path / "broken.cer").write_bytes(first.der[:-1])
    (tmp_path / "huge.pem").write_bytes(b" " * (MAX_SIZE + 1))
    found = read_authorities([tmp_path, tmp_path / "absent.pem"])
    assert [each.der for each in found] == [first.der, second.der, first.der]
    for name in ("person.pem", "empty.pem", "broken.cer", "huge.pem", "absent.pem"):
        assert name in caplog.text


def test_attack_a_folder_of_many_files(tmp_path: Path) -> None:
    made = Made("A")
    for number in range(MAX_FILES + 5):
        (tmp_path / f"{number:03}.pem").write_bytes(made.pem)
    assert len(read_authorities([tmp_path])) == MAX_FILES
