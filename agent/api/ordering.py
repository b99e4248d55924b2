"""Routes about orders of certificates, for programs of this user alone; the person is asked at each step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from agent.access.consents import asker_of
from agent.api.context import services
from agent.api.schemas import LARGE_BODY, DeliveryBody, OrderBody, read_body
from agent.api.software import answer_with_keys, begin, require_program
from agent.api.views import moment
from agent.cards.ordering import Wish

if TYPE_CHECKING:
    from agent.certificates.orders import Order
    from agent.certificates.products import Product
    from agent.certificates.renewals import Renewal
    from agent.certificates.requests import OrderSubject


async def list_products(request: web.Request) -> web.Response:
    """GET /v1/certificate-products: what can be ordered from IGC-Santé."""
    from agent.certificates.products import list_products  # noqa: PLC0415 - where certificates are ordered

    await require_program(request)
    return web.json_response({"products": [product_view(product) for product in list_products()]})


async def list_orders(request: web.Request) -> web.Response:
    """GET /v1/certificate-orders: orders that wait for their certificate, and what is to be renewed within 60 days."""
    await require_program(request)
    waiting = await services(request).software.orderer.list_waiting()
    return web.json_response(
        {
            "orders": [order_view(order) for order in waiting.orders],
            "damaged": list(waiting.damaged),
            "renewals": [renewal_view(renewal) for renewal in waiting.renewals],
        }
    )


async def order_certificate(request: web.Request) -> web.Response:
    """POST /v1/certificate-orders: make a key, and the request that an authority certifies."""
    caller, state = await begin(request)
    body = await read_body(request, OrderBody)
    state.record.subject = body.product
    desk, whom = services(request).software, body.subject
    wish = Wish(
        body.product, whom.place, whom.organisation, whom.structure_id, whom.common_name,
        desk.choose(body.protection), body.replaces,
    )  # fmt: skip
    order = await desk.orderer.place(asker_of(caller), wish)
    state.record.code_given = True
    return web.json_response(order_view(order), status=201)


async def deliver_certificate(request: web.Request) -> web.Response:
    """POST /v1/certificate-orders/{id}/certificate: take in what the authority sent; it becomes a certificate here."""
    caller, state = await begin(request)
    body = await read_body(request, DeliveryBody, LARGE_BODY)
    state.record.subject = body.name
    desk = services(request).software
    entry = await desk.orderer.deliver(asker_of(caller), request.match_info["id"], body.name, body.content)
    state.record.code_given = True
    return answer_with_keys(request, {entry.id}, await desk.keeper.list_kept())


async def cancel_order(request: web.Request) -> web.Response:
    """DELETE /v1/certificate-orders/{id}: forget an order and its key for good; the person is asked."""
    caller, state = await begin(request)
    state.record.subject = request.match_info["id"]
    await services(request).software.orderer.cancel(asker_of(caller), request.match_info["id"])
    state.record.code_given = True
    return web.Response(status=204)


def product_view(product: Product) -> dict[str, Any]:
    """A product; `checked` False: not all of it stands in a public source."""
    return {
        "id": product.id,
        "range": product.range,
        "family": product.family,
        "role": str(product.role),
        "label": product.label("en"),
        "labelFr": product.label("fr"),
        "name": product.name,
        "names": list(product.names),
        "usage": list(product.usage),
        "purposes": list(product.purposes),
        "checked": product.checked,
    }


def order_view(order: Order) -> dict[str, Any]:
    """An order with its request in PEM, as an authority's page takes it."""
    product = order.product
    return {
        "id": order.id,
        "product": order.product_id,
        "label": product.label("en") if product is not None else None,
        "labelFr": product.label("fr") if product is not None else None,
        "subject": subject_view(order.subject),
        "protection": str(order.protection),
        "createdAt": moment(order.created_at),
        "replaces": order.replaces,
        "request": order.request_pem,
    }


def renewal_view(renewal: Renewal) -> dict[str, Any]:
    """A certificate that ends soon, and the order that renews it; `ordered`: the one that was placed already."""
    key = renewal.key
    return {
        "certificate": key.entry.id,
        "cardNumber": key.certificate.group,
        "role": str(key.role),
        "expiresAt": moment(renewal.expires_at),
        "product": renewal.product.id if renewal.product is not None else None,
        "subject": subject_view(renewal.subject),
        "ordered": renewal.ordered.id if renewal.ordered is not None else None,
    }


def subject_view(subject: OrderSubject) -> dict[str, str]:
    """Whom a certificate is for."""
    return {
        "place": subject.place,
        "organisation": subject.organisation,
        "structureId": subject.structure_id,
        "commonName": subject.common_name,
    }
