"""The flags of `cps-agent software` and its verbs."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import TYPE_CHECKING

from agent.commands.verbs import Lazy, add_verb, add_verbs
from agent.people.translations import translator

if TYPE_CHECKING:
    from agent.commands.verbs import Verbs

EXAMPLES = (
    "cps-agent software import cabinet.p12",
    "cps-agent software import cle.pem certificat.pem --passphrase",
    "cps-agent software list",
    "cps-agent sign lettre.pdf --card S0A1B2C3D4E5F607",
    "cps-agent pin change --card S0A1B2C3D4E5F607",
    "cps-agent software remove S0A1B2C3D4E5F607",
    "cps-agent software order elementaire-org-sign --place 'Rhône (69)' \\",
    "    --organisation 'CABINET DES TILLEULS' --structure 1690000001 --name LOGICIEL",
    "cps-agent software deliver 0123456789abcdef certificat.p7b",
)


def add_software(parser: ArgumentParser, lazy: Lazy) -> None:
    """Give the command its verbs; without one it lists. `lazy` makes a runner of module:function."""
    _ = translator()
    verbs = add_verbs(parser, EXAMPLES)
    add_verb(verbs, "list", _("show the certificates that are kept here"), lazy("software:run_list"))
    take = add_verb(verbs, "import", _("keep a certificate with its key"), lazy("software:run_import"))
    take.add_argument("files", nargs="+", metavar="FILE", help=_("one PKCS#12 file (.p12, .pfx), or PEM files"))
    _add_protection(take)
    remove = add_verb(verbs, "remove", _("delete a certificate and its key"), lazy("software:run_remove"))
    remove.add_argument("target", metavar="NUMBER", help=_("the number S…, or the id of a single certificate"))
    elsewhere = _("show the certificates whose keys Windows, macOS or a browser keeps")
    add_verb(verbs, "elsewhere", elsewhere, lazy("software_elsewhere:run_elsewhere"))
    _add_orders(verbs, lazy)


def _add_orders(verbs: Verbs, lazy: Lazy) -> None:
    _ = translator()
    add_verb(verbs, "products", _("show what can be ordered from IGC-Santé"), lazy("ordering:run_products"))
    order = add_verb(verbs, "order", _("make a key and the request for a certificate"), lazy("ordering:run_order"))
    order.add_argument("product", metavar="PRODUCT", help=_("such as elementaire-org-sign: see products"))
    order.add_argument("--place", help=_("department and number, such as: Rhône (69)"))
    order.add_argument("--organisation", metavar="NAME", help=_("name of the structure, as it is registered"))
    order.add_argument(
        "--structure", metavar="ID", help=_("its identifier: 1 and the FINESS, 2 and the SIREN, 3 and the SIRET")
    )
    order.add_argument("--name", help=_("what the certificate is called (CN): the software, or the server"))
    order.add_argument("--renew", metavar="ID", help=_("take all this from a certificate that ends: see renewals"))
    order.add_argument("--request", metavar="FILE", help=_("where to write the request (default: PRODUCT.csr.pem)"))
    order.add_argument("--force", action="store_true", help=_("replace an existing file"))
    _add_protection(order)
    add_verb(verbs, "orders", _("show the orders that wait for their certificate"), lazy("ordering:run_orders"))
    deliver = add_verb(verbs, "deliver", _("take in the certificate of an order"), lazy("ordering:run_deliver"))
    deliver.add_argument("id", metavar="ID", help=_("the order"))
    deliver.add_argument("file", metavar="FILE", help=_("the file that was delivered (.cer, .pem, .p7b, .p12)"))
    cancel = add_verb(verbs, "cancel", _("give up an order and delete its key"), lazy("ordering:run_cancel"))
    cancel.add_argument("id", metavar="ID", help=_("the order"))
    add_verb(verbs, "renewals", _("show which certificates are to be ordered again"), lazy("ordering:run_renewals"))


def _add_protection(parser: ArgumentParser) -> None:
    _ = translator()
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--passphrase",
        dest="protection",
        action="store_const",
        const="passphrase",
        help=_("protect the key by a passphrase that you choose in the agent's window"),
    )
    how.add_argument(
        "--key-store",
        dest="protection",
        action="store_const",
        const="key-store",
        help=_("have this workstation's key store keep what opens the key"),
    )
