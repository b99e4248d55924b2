"""The application: every route in one table, behind the gate."""

from __future__ import annotations

from aiohttp import web

from agent.access.lately import Lately
from agent.api import (
    certificates,
    desk,
    granting,
    means,
    readings,
    situations,
    streaming,
    using,
)
from agent.api.connections import STRANGERS, Strangers
from agent.api.context import SERVICES, Services
from agent.api.lazily import lazily
from agent.api.media import CONTENT_ROUTE, GATEWAY_ROUTE, let_wait
from agent.api.middleware import answer, gate
from agent.api.playground import add_playground
from agent.api.schemas import LARGE_BODY

GATEWAY_PATH = r"/v1/gateway/{service}/{path:[\s\S]*}"

# The names are the journal's words for what was asked.
ROUTES = (
    web.get("/v1/status", readings.read_status, name="read-status"),
    web.get("/v1/readers", readings.list_readers, name="list-readers"),
    web.get("/v1/cards", readings.list_cards, name="read-cards"),
    web.get("/v1/cards/{number}", readings.read_card, name="read-card"),
    web.post("/v1/cards/{number}/situations", situations.use_situations, name="read-situations"),
    web.get("/v1/certificates", certificates.list_certificates, name="list-certificates"),
    web.delete("/v1/certificates/cache", lazily("forgetting.forget_certificates"), name="forget-certificates"),
    web.get("/v1/directory/{rpps}", lazily("directory.read_directory"), name="read-directory"),
    web.get("/v1/means", means.list_means, name="list-means"),
    web.get("/v1/software-certificates", lazily("software.list_software"), name="list-software"),
    web.post("/v1/software-certificates", lazily("software.import_software"), name="keep-certificate"),
    web.delete("/v1/software-certificates/{id}", lazily("software.remove_software"), name="remove-certificate"),
    web.get("/v1/certificate-products", lazily("ordering.list_products"), name="list-products"),
    web.get("/v1/certificate-orders", lazily("ordering.list_orders"), name="list-orders"),
    web.post("/v1/certificate-orders", lazily("ordering.order_certificate"), name="order-certificate"),
    web.post(
        "/v1/certificate-orders/{id}/certificate", lazily("ordering.deliver_certificate"), name="deliver-certificate"
    ),
    web.delete("/v1/certificate-orders/{id}", lazily("ordering.cancel_order"), name="cancel-order"),
    web.get("/v1/journal", readings.list_journal, name="list-journal"),
    web.post("/v1/grants", granting.create_grant, name="grant"),
    web.get("/v1/grants", granting.list_grants, name="list-grants"),
    web.get("/v1/grants/{id}", granting.read_grant, name="read-grant"),
    web.delete("/v1/grants/{id}", granting.delete_grant, name="revoke"),
    web.post("/v1/pin/verify", using.use_pin, name="verify-pin"),
    web.post("/v1/pin/change", using.use_pin, name="change-pin"),
    web.post("/v1/pin/unblock", using.use_pin, name="unblock-pin"),
    web.post("/v1/pin/lock", desk.lock_pin, name="lock-pin"),
    web.get("/v1/denials", desk.read_denials, name="read-denials"),
    web.delete("/v1/denials", desk.lift_denials, name="lift-denials"),
    web.post("/v1/authentications", using.authenticate, name="authenticate"),
    web.post("/v1/signatures", lazily("signing.sign"), name="sign"),
    web.post("/v1/dmp/submission-signature", lazily("dmp.sign_submission"), name="sign-submission"),
    web.post("/v1/assertions/vihf", lazily("dmp.assert_vihf"), name="sign-vihf"),
    web.post("/v1/assertions/insi", lazily("dmp.assert_insi"), name="sign-insi"),
    web.post("/v1/dmp/links", lazily("dmp_links.open_dmp"), name="open-dmp"),
    web.post("/v1/verifications", lazily("verifying.verify"), name="verify"),
    web.post("/v1/batches", lazily("batches.create_batch"), name="make-batch"),
    web.get("/v1/batches", lazily("batches.list_batches"), name="list-batches"),
    web.get("/v1/batches/{id}", lazily("batches.read_batch"), name="read-batch"),
    web.delete("/v1/batches/{id}", lazily("batches.cancel_batch"), name="cancel-batch"),
    web.post("/v1/batches/{id}/start", lazily("batches.start_batch"), name="start-batch"),
    web.post("/v1/batches/{id}/stop", lazily("batches.stop_batch"), name="stop-batch"),
    web.put("/v1/batches/{id}/documents/{n}", lazily("batches.add_content"), name=CONTENT_ROUTE),
    web.get("/v1/batches/{id}/documents/{n}", lazily("batches.read_signature"), name="read-batch-signature"),
    web.get("/v1/gateway", lazily("gateway.list_gateway"), name="list-gateway"),
    web.delete("/v1/gateway/{service}", lazily("gateway.close_channels"), name="close-channels"),
    *(
        web.route(method, GATEWAY_PATH, lazily("gateway.use_gateway"), name=GATEWAY_ROUTE, expect_handler=let_wait)
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE")  # aiohttp adds HEAD to GET
    ),
    web.get("/v1/psc/sessions", lazily("psc.list_sessions"), name="list-psc-sessions"),
    web.post("/v1/psc/sessions/{id}/token", lazily("psc.give_token"), name="psc-token"),
    web.post("/v1/psc/sessions/{id}/exchange", lazily("psc.exchange_token"), name="psc-exchange"),
    web.delete("/v1/psc/sessions/{id}", lazily("psc.log_out"), name="psc-logout"),
    web.get("/v1/mssante", lazily("mssante.read_mail"), name="read-mail"),
    web.post("/v1/mssante/bridge", lazily("mssante.start_bridge"), name="start-mail-bridge"),
    web.delete("/v1/mssante/bridge", lazily("mssante.stop_bridge"), name="stop-mail-bridge"),
    web.post("/v1/mssante/{mailbox}/bearer", lazily("mssante.give_bearer"), name="give-mail-bearer"),
    web.post("/v1/mssante/{mailbox}/password", lazily("mssante.make_password"), name="make-mail-password"),
    web.delete("/v1/mssante/{mailbox}/password", lazily("mssante.forget_password"), name="forget-mail-password"),
    web.get("/v1/events", streaming.stream_events, name="events"),
    web.get("/openapi.json", lazily("openapi.serve_openapi"), name="openapi"),
)


def make_app(served: Services) -> web.Application:
    """Build the application around the daemon's services."""
    app = web.Application(middlewares=[answer, gate], client_max_size=LARGE_BODY)
    app[SERVICES] = served
    app[STRANGERS] = Strangers()
    app[readings.LATELY] = Lately()
    app.add_routes(ROUTES)
    add_playground(app)
    return app
