"""Orders: what is asked for, what comes back, and what is never lost between the two."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from hypothesis import given
from hypothesis import strategies as st
from support.openssl import openssl
from support.organisations import add_key, certify, phrase
from support.wrapping import MemoryKeys

from agent.certificates.identifiers import Key
from agent.certificates.orders import MAX_ORDERS, NotTheOrdersError, OrderBook, OrderGoneError
from agent.certificates.products import find_product, find_renewed, list_products
from agent.certificates.renewals import AHEAD, list_renewals
from agent.certificates.requests import OrderSubject, SubjectRefusedError, build_request
from drivers.base import Deadline
from drivers.errors import PinWrongError
from drivers.software.entries import Protection
from drivers.software.errors import EntryDamagedError, KeyFileError, StoreError, WrappingUnavailableError
from drivers.software.keys import PrivateKey
from drivers.software.roles import Role
from drivers.software.store import SoftwareStore
from drivers.software.token import list_keys, open_tokens
from drivers.virtual.organisations import Offer, Organisation
from drivers.virtual.pki import TestPki
from drivers.virtual.store import pki_folder

SUBJECT = OrderSubject("Rhône (69)", "CABINET DE L'ÉTOILE", "1690000013", "LOGICIEL 1")
NAMES = {"host": "dmp.cabinet.example", "mail": "secretariat@cabinet.example"}
WORDS = "clé 🔑"


def subject_for(product):
    name = product.names[0] if product.names else NAMES.get(product.name, "LOGICIEL 1")
    return OrderSubject(SUBJECT.place, SUBJECT.organisation, SUBJECT.structure_id, name)


@pytest.fixture(scope="module")
def key():
    with PrivateKey.generate() as key:
        yield key.load()


@pytest.fixture
def secrets():
    return MemoryKeys()


@pytest.fixture
def store(tmp_path, secrets):
    return SoftwareStore(tmp_path / "software", secrets)


@pytest.fixture
def book(tmp_path, store):
    return OrderBook(tmp_path / "orders", store)


@pytest.fixture
def product():
    return find_product("elementaire-org-sign")


@pytest.fixture
def issue(made_organisations):
    """A function that has the test authority answer an order."""

    def make(order, product="SIGN"):
        pki = TestPki.load(pki_folder(made_organisations))
        subject = Organisation(
            order.subject.structure_id, order.subject.organisation, order.subject.place, order.subject.common_name
        )
        request = x509.load_pem_x509_csr(order.request_pem.encode())
        assert request.is_signature_valid
        der = pki.issue_to_organisation(Offer(product, subject), request.public_key())
        *_, issuing, root = pki.chain_der()
        return der, issuing, root

    return make


def opens(store, entry, code=None):
    with store.open_key(entry.id, code, Deadline(20)) as key:
        return key.public_der()


def test_there_is_a_product_for_each_range_and_offer():
    products = list_products()
    assert len({product.id for product in products}) == len(products) == 22
    assert {product.role for product in products} == set(Role)
    for product in products:
        assert find_product(product.id) is product
        assert product.label("fr") != product.label("en")
        assert product.label("de") == product.label("fr")
    assert find_product("nothing") is None


@pytest.mark.parametrize("product", list_products(), ids=lambda product: product.id)
def test_openssl_finds_each_request_right(product, key, tmp_path):
    (tmp_path / "request").write_bytes(build_request(product, subject_for(product), key))
    read = ["req", "-in", "request", "-inform", "DER", "-noout", "-verify"]
    shown = openssl(tmp_path, *read, "-text", "-nameopt", "utf8,sep_comma_plus,esc_2253")
    name = subject_for(product).common_name
    assert f"Subject: C=FR,ST=Rhône (69),O=CABINET DE L'ÉTOILE,OU=1690000013,CN={name}" in shown
    assert "RSA Public-Key: (2048 bit)" in shown or "Public-Key: (2048 bit)" in shown
    words = {"nonRepudiation": "Non Repudiation", "clientAuth": "TLS Web Client Authentication"}
    for value in (*product.usage, *product.purposes):
        assert words.get(value, "") in shown
    if product.name == "host":
        assert "DNS:dmp.cabinet.example" in shown


REFUSED = {
    "place": ["", "Rhône", "Rhône (6)", "(69)", "Rhône (69) ", "x" * 130 + " (69)", "Rhône\n(69)", "Rhône (69)\0"],
    "organisation": ["", " ", "x" * 65, "A\u202eB", "A\nB", " A"],
    "structure_id": ["", "99", "169000001", "16900000134", "8" + "1" * 11, "1690000013\n"],
    "common_name": ["", "x" * 65, "a\x00b"],
}


@pytest.mark.parametrize(("member", "text"), [(member, text) for member, texts in REFUSED.items() for text in texts])
def test_subjects_that_no_certificate_has_are_refused_by_name(book, product, member, text):
    values = {name: getattr(SUBJECT, name) for name in REFUSED} | {member: text}
    with pytest.raises(SubjectRefusedError) as raised:
        book.place(product, OrderSubject(**values), None)
    assert raised.value.member == member
    assert not book.list_orders()


@given(st.text(max_size=70), st.text(max_size=70), st.text(max_size=20), st.text(max_size=70))
def test_what_a_subject_passes_with_can_be_encoded(place, organisation, structure, name):
    subject = OrderSubject(place, organisation, structure, name)
    for product in list_products():
        try:
            subject.require_fit(product)
        except SubjectRefusedError:
            continue
        assert subject.name().public_bytes()


@pytest.mark.parametrize(
    ("product", "names", "others"),
    [
        ("elementaire-insi-auth-cli", ["INSI-AUTO", "INSI-MANU"], ["INSI-AUTO ", "insi-auto", "INSI", "X"]),
        (
            "standard-serv-ssl-serv",
            ["a.fr", "a-b.c.example"],
            ["a", "-a.fr", "a..fr", "*.fr", "1.2.3.4", "a.fr/", "é.fr"],
        ),
        ("fort-serv-s-mime", ["a@b.fr"], ["a", "@b.fr", "a@b", "a b@c.fr", "<a@b.fr>"]),
    ],
)
def test_some_products_have_names_of_their_own(product, names, others):
    product = find_product(product)
    assert all(map(product.takes_name, names))
    assert not any(map(product.takes_name, others))


def test_a_check_digit_that_is_wrong_is_told_and_refuses_nothing(product):
    doubtful = OrderSubject(SUBJECT.place, SUBJECT.organisation, "1690000012", "X")
    doubtful.require_fit(product)
    assert {SUBJECT.structure.key, doubtful.structure.key} == {Key.WRONG, Key.RIGHT}


def deliveries(der, issuing, root):
    loaded = [x509.load_der_x509_certificate(each) for each in (root, der, issuing)]
    return {
        "DER": der,
        "PEM": b"".join(each.public_bytes(Encoding.PEM) for each in loaded),
        "P7B": pkcs7.serialize_certificates(loaded, Encoding.DER),
        "P7B in PEM": pkcs7.serialize_certificates(loaded, Encoding.PEM),
    }


@pytest.mark.parametrize("form", ["DER", "PEM", "P7B", "P7B in PEM"])
def test_the_certificate_comes_back_and_is_a_software_key(book, store, product, issue, form):
    order = book.place(product, SUBJECT, None)
    assert book.list_orders() == (order,)
    der, issuing, root = issue(order)
    entry = book.deliver(order.id, deliveries(der, issuing, root)[form])
    assert entry.certificate_der == der
    assert entry.chain_der == (() if form == "DER" else (issuing, root))
    assert entry.protection is Protection.KEY_STORE
    assert opens(store, entry) == order.public_key_der
    assert book.list_orders() == ()
    (token,) = open_tokens(store)
    assert [info.label for info in token.keys] == ["SIGN"]


def test_a_pkcs12_without_a_key_is_taken_too(book, product, issue, tmp_path):
    order = book.place(product, SUBJECT, None)
    (tmp_path / "pem").write_bytes(deliveries(*issue(order))["PEM"])
    openssl(tmp_path, "pkcs12", "-export", "-nokeys", "-in", "pem", "-out", "p12", "-passout", "pass:")
    assert book.deliver(order.id, (tmp_path / "p12").read_bytes())


def test_the_passphrase_of_the_order_is_that_of_the_key(book, store, product, issue):
    order = book.place(product, SUBJECT, phrase(WORDS))
    assert order.protection is Protection.PASSPHRASE
    entry = book.deliver(order.id, issue(order)[0])
    assert opens(store, entry, phrase(WORDS))
    with pytest.raises(PinWrongError):
        opens(store, entry, phrase("another"))


def test_another_certificate_is_refused_and_the_order_waits_on(book, store, product, issue, organisation_keys):
    order, other = book.place(product, SUBJECT, None), book.place(product, SUBJECT, None)
    with pytest.raises(NotTheOrdersError):
        book.deliver(order.id, organisation_keys["SIGN"].certificate_der)
    with pytest.raises(NotTheOrdersError):
        book.deliver(order.id, issue(other)[0])
    for garbage in (b"", b"garbage", order.request_der, issue(order)[0][:-1]):
        with pytest.raises((KeyFileError, NotTheOrdersError)):
            book.deliver(order.id, garbage)
    assert set(book.list_orders()) == {order, other}
    assert book.deliver(order.id, issue(order)[0])


def test_cancelling_forgets_key_and_secret(book, secrets, product):
    order = book.place(product, SUBJECT, None)
    assert len(secrets.secrets) == 1
    book.cancel(order.id)
    assert not secrets.secrets
    for attempt in (book.cancel, book.find_order, lambda order: book.deliver(order, b"")):
        with pytest.raises(OrderGoneError):
            attempt(order.id)
        with pytest.raises(OrderGoneError):
            attempt("../software")


def test_an_order_whose_certificate_was_taken_before_a_death_is_settled(tmp_path, book, store, secrets, product, issue):
    order = book.place(product, SUBJECT, None)
    kept = shutil.copytree(tmp_path / "orders" / order.id, tmp_path / "kept")
    entry = book.deliver(order.id, issue(order)[0])
    shutil.copytree(kept, tmp_path / "orders" / order.id)  # as if the process had been killed between the two
    book.cancel(order.id)
    assert opens(store, entry)
    shutil.copytree(kept, tmp_path / "orders" / order.id)
    assert book.list_orders() == ()
    assert opens(store, entry)
    assert len(secrets.secrets) == 1


def test_without_a_key_store_or_with_a_wiped_passphrase_nothing_is_ordered(book, secrets, product):
    secrets.available = False
    with pytest.raises(WrappingUnavailableError):
        book.place(product, SUBJECT, None)
    assert book.list_orders() == ()


def test_a_store_that_cannot_be_written_keeps_the_order(tmp_path, book, store, product, issue):
    order = book.place(product, SUBJECT, None)
    (tmp_path / "software").symlink_to(tmp_path / "orders")
    with pytest.raises(StoreError):
        book.deliver(order.id, issue(order)[0])
    (tmp_path / "software").unlink()
    assert opens(store, book.deliver(order.id, issue(order)[0]))


@pytest.mark.parametrize("damage", ["order.json", "request.der", "*.p8"])
def test_a_damaged_order_costs_itself_alone(tmp_path, book, product, issue, damage):
    order, other = book.place(product, SUBJECT, None), book.place(product, SUBJECT, None)
    (path,) = (tmp_path / "orders" / order.id).glob(damage)
    path.write_bytes(path.read_bytes()[:-9])
    assert other in book.list_orders()
    with pytest.raises(EntryDamagedError):
        book.deliver(order.id, issue(order)[0])
    if damage != "*.p8":
        assert book.list_damaged() == (order.id,)
    book.cancel(order.id)
    assert book.list_orders() == (other,)
    assert book.list_damaged() == ()


def test_there_is_an_end_to_orders(tmp_path, book, secrets, product):
    (tmp_path / "orders").mkdir(mode=0o700)
    for number in range(MAX_ORDERS):
        (tmp_path / "orders" / f"{number:016x}").mkdir()
    with pytest.raises(StoreError):
        book.place(product, SUBJECT, None)
    assert not secrets.secrets


def test_nothing_of_the_key_is_in_clear(tmp_path, book, product):
    order = book.place(product, SUBJECT, None)
    for path in (tmp_path / "orders" / order.id).iterdir():
        assert path.stat().st_mode & 0o077 == 0
        shown = subprocess.run(
            ["openssl", "pkey", "-inform", "DER", "-in", path, "-passin", "pass:"], capture_output=True, check=False
        )
        assert shown.returncode != 0


# Renewals


def renewals_of(store, book, moment=None):
    return list_renewals(list_keys(store.list_entries()), book.list_orders(), moment or datetime.now(UTC))


def test_renewals_are_proposed_sixty_days_before_the_end(store, book, organisation_keys):
    seal = organisation_keys["SIGN"]
    end = x509.load_der_x509_certificate(seal.certificate_der).not_valid_after_utc
    add_key(store, seal)
    assert renewals_of(store, book, end - AHEAD - timedelta(seconds=1)) == ()
    (renewal,) = renewals_of(store, book, end - AHEAD)
    assert renewal.product.id == "elementaire-org-sign"
    assert renewal.expires_at == end
    assert renewal.subject == OrderSubject("Rhône (69)", "CABINET VIRTUEL", "1990000001", "LOGICIEL VIRTUEL")
    renewal.subject.require_fit(renewal.product)
    assert renewals_of(store, book, end + timedelta(days=400))


def test_a_renewal_that_was_ordered_says_so_and_its_certificate_ends_it(
    store, book, made_organisations, organisation_keys, issue
):
    old = certify(made_organisations, organisation_keys["SIGN"].again("SIGN", days_ago=1060, days=1095))
    entry = add_key(store, old)
    (renewal,) = renewals_of(store, book)
    assert renewal.ordered is None
    order = book.place(renewal.product, renewal.subject, None, replaces=entry.id)
    (renewal,) = renewals_of(store, book)
    assert renewal.ordered == order
    new = book.deliver(order.id, issue(order)[0])
    assert renewals_of(store, book) == ()
    (token,) = open_tokens(store)
    assert [key.entry.id for key in token.held] == [new.id, entry.id]
    assert token.keys[0].key_id == new.key_id


def test_the_product_of_insi_is_renewed_as_such(store, book, made_organisations, organisation_keys):
    auth = organisation_keys["AUTH_CLI"]
    for name in ("INSI-AUTO", "LOGICIEL"):
        add_key(
            store,
            certify(made_organisations, auth.again("AUTH_CLI", days=30, organisation=Organisation(common_name=name))),
        )
    products = {renewal.subject.common_name: renewal.product.id for renewal in renewals_of(store, book)}
    assert products == {"INSI-AUTO": "elementaire-insi-auth-cli", "LOGICIEL": "elementaire-org-auth-cli"}


def test_other_authorities_have_no_product_here():
    assert find_renewed("AC DE QUELQU'UN", Role.SIGN, "X") is None
    assert find_renewed("AC IGC-SANTE FORT ORGANISATIONS", Role.CONF, "X").id == "fort-org-conf"
    assert find_renewed("AC IGC-SANTE FORT ORGANISATIONS", Role.AUTH_CLI, "INSI-AUTO").id == "fort-org-auth-cli"


@pytest.mark.parametrize(
    "name", ["é@clinique.example", "a b@clinique.example", "a@clinique.exämple", "a@b@clinique.example"]
)
def test_attack_addresses_that_no_request_can_have_are_refused_before_a_key_is_made(name):
    product = next(each for each in list_products() if each.name == "mail")
    subject = OrderSubject(SUBJECT.place, SUBJECT.organisation, SUBJECT.structure_id, name)
    with pytest.raises(SubjectRefusedError):
        subject.require_fit(product)
