"""Orders of certificates, as programs may have them placed, delivered and given up, with the person's leave."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TypeVar

from agent.cards.errors import CertificateMismatchError, KeyRefusedError, OrderNotFoundError, OrderRefusedError
from agent.cards.importing import AUTO, READ_TIMEOUT_S, wants_passphrase
from agent.cards.keeping import SoftwareKeeper, list_kept
from agent.cards.software import SoftwareCards, run_apart
from agent.people.prompt import Asker, Deed, DeedRequest, Prompt
from agent.people.translations import choose_language
from drivers.errors import CardBusyError

if TYPE_CHECKING:
    from agent.certificates.orders import Order, OrderBook
    from agent.certificates.products import Product
    from agent.certificates.renewals import Renewal
    from agent.certificates.requests import OrderSubject
    from drivers.software.certificates import KeyCertificate
    from drivers.software.entries import SoftwareEntry
    from drivers.software.store import SoftwareStore

T = TypeVar("T")

FOLDER: Final = "software-orders"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a program asks to be ordered. `replaces`: id of the entry that it renews."""

    product_id: str
    place: str
    organisation: str
    structure_id: str
    common_name: str
    protection: str = AUTO
    replaces: str | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """Orders that wait for their certificate, the ids of damaged ones, and what is to be renewed."""

    orders: tuple[Order, ...] = ()
    damaged: tuple[str, ...] = ()
    renewals: tuple[Renewal, ...] = ()


class Orderer:
    """Ask the person, then do it, in the store's thread. Each method may raise StoreError besides what it says."""

    def __init__(self, software: SoftwareCards, keeper: SoftwareKeeper, prompt: Prompt) -> None:
        self._software = software
        self._keeper = keeper
        self._prompt = prompt
        self._folder = software.beside(FOLDER)

    async def list_waiting(self) -> Waiting:
        """Orders and renewals."""
        if not self._software.exists and not self._folder.is_dir():
            return Waiting()
        from agent.certificates.orders import OrderBook  # noqa: PLC0415 - where certificates are ordered

        return await self._software.use(lambda store: _list_waiting(OrderBook(self._folder, store), store))

    async def place(self, asker: Asker, wish: Wish) -> Order:
        """Make a key and its request. Raises OrderRefusedError, PromptError, WrappingUnavailableError."""
        from agent.certificates.orders import OrderBook  # noqa: PLC0415 - where certificates are ordered

        product, subject = _require_sound(wish)
        shown = f"{product.label(choose_language())}: {wish.organisation}, {wish.structure_id}, {wish.common_name}"
        protects = await wants_passphrase(wish.protection)
        passphrase = await self._prompt.agree(DeedRequest(Deed.ORDER, asker, shown, protects=protects))

        def place(store: SoftwareStore) -> Order:
            try:
                book = OrderBook(self._folder, store)
                return book.place(product, subject, passphrase, wish.replaces, scripted=self._keeper.unattended)
            finally:
                if passphrase is not None:
                    passphrase.wipe()

        try:
            return await self._software.use(place)
        except BaseException:
            if passphrase is not None:  # the thread may not have begun
                passphrase.wipe()
            raise

    async def deliver(self, asker: Asker, order_id: str, name: str, content: bytes) -> SoftwareEntry:
        """Take in the certificate of an order, out of a file as the authority sends it.

        Raises OrderNotFoundError, CertificateMismatchError, KeyFileError, KeyRefusedError, PromptError.
        """
        order = await self._with_book(lambda book: book.find_order(order_id))
        certificate = await _read_apart(order, content)
        ders = [certificate.parsed.der]
        self._keeper.require_taken(ders)
        described = await self._keeper.describe_new([(certificate.parsed, certificate.role)])
        await self._prompt.agree(DeedRequest(Deed.DELIVER, asker, name, described, test=self._keeper.is_test(ders)))
        entry = await self._with_book(lambda book: book.deliver(order_id, content))
        await self._software.refresh()
        return entry

    async def cancel(self, asker: Asker, order_id: str) -> None:
        """Forget an order and its key. Raises OrderNotFoundError, PromptError, KeyRefusedError."""
        if self._keeper.unattended:
            await self._with_book(lambda book: _require_scripted(book, order_id))
        shown = await self._with_book(lambda book: _describe_order(book, order_id))
        await self._prompt.agree(DeedRequest(Deed.CANCEL_ORDER, asker, shown))
        await self._with_book(lambda book: book.cancel(order_id))

    async def _with_book(self, work: Callable[[OrderBook], T]) -> T:
        """Do something with the orders. Raises OrderNotFoundError, CertificateMismatchError."""
        from agent.certificates.orders import (  # noqa: PLC0415 - where certificates are ordered
            NotTheOrdersError,
            OrderBook,
            OrderGoneError,
        )

        try:
            return await self._software.use(lambda store: work(OrderBook(self._folder, store)))
        except OrderGoneError as error:
            raise OrderNotFoundError from error
        except NotTheOrdersError as error:
            raise CertificateMismatchError from error


def _require_sound(wish: Wish) -> tuple[Product, OrderSubject]:
    """Refuse what no request can be made of, before a person is asked."""
    from agent.certificates.products import find_product  # noqa: PLC0415 - where certificates are ordered
    from agent.certificates.requests import OrderSubject, SubjectRefusedError  # noqa: PLC0415

    product = find_product(wish.product_id)
    if product is None:
        raise OrderRefusedError(f"no product {wish.product_id!r}; GET /v1/certificate-products lists them")
    subject = OrderSubject(wish.place, wish.organisation, wish.structure_id, wish.common_name)
    try:
        subject.require_fit(product)
    except SubjectRefusedError as error:
        raise OrderRefusedError(f"{error.member}: {error}") from error
    return product, subject


async def _read_apart(order: Order, content: bytes) -> KeyCertificate:
    """Look into the file in a thread of its own: it may be made to cost a lot, and nobody has agreed to it yet."""
    from drivers.software.errors import TooCostlyError  # noqa: PLC0415 - where certificates are ordered

    try:
        return await run_apart("certificate file", lambda: _find_certificate(order, content), READ_TIMEOUT_S)
    except CardBusyError as error:
        raise TooCostlyError from error


def _find_certificate(order: Order, content: bytes) -> KeyCertificate:
    """The certificate of an order within a file: nothing is taken in yet."""
    from drivers.software.certificates import read_key_certificate  # noqa: PLC0415 - where certificates are ordered
    from drivers.software.errors import KeyFileError, KeyKindError  # noqa: PLC0415
    from drivers.software.importing import read_certificates  # noqa: PLC0415

    for der in read_certificates(content):
        try:
            certificate = read_key_certificate(der)
        except (KeyFileError, KeyKindError):
            continue  # an authority's
        if certificate.public_key_der == order.public_key_der:
            return certificate
    raise CertificateMismatchError


def _require_scripted(book: OrderBook, order_id: str) -> None:
    """Raise KeyRefusedError for an order that a person has placed, or that cannot be read: no script gives it up."""
    if order_id in book.list_damaged() or not book.find_order(order_id).scripted:
        raise KeyRefusedError("unattended mode gives up only what was ordered in it")


def _describe_order(book: OrderBook, order_id: str) -> str:
    if order_id in book.list_damaged():
        return order_id
    order = book.find_order(order_id)
    product = order.product
    label = product.label(choose_language()) if product is not None else order.product_id
    return f"{label}: {order.subject.organisation}, {order.subject.structure_id}, {order.subject.common_name}"


def _list_waiting(book: OrderBook, store: SoftwareStore) -> Waiting:
    from agent.certificates.renewals import list_renewals  # noqa: PLC0415 - where certificates are ordered

    orders = book.list_orders()
    keys = list_kept(store).keys
    return Waiting(orders, book.list_damaged(), list_renewals(keys, orders, datetime.now(UTC)))
