"""The flags of `cps-agent sign`, and of whatever else makes signatures."""

from __future__ import annotations

import argparse
from argparse import ArgumentParser

from agent.commands.verbs import example_words
from agent.people.translations import translator
from agent.signing.words import Format, Level, Packaging, Scheme, Serialization

EXAMPLES = (
    "cps-agent sign ordonnance.pdf                                  # ordonnance.pdf.p7s",
    "cps-agent sign ordonnance.pdf --format pades --visible         # ordonnance-signed.pdf",
    "cps-agent sign lettre.pdf --format pades --place 1,350,40,200,70 --reason 'Compte rendu validé' --location Lyon",
    "cps-agent sign cda.xml --format xades --role Médecin --level T # cda-signed.xml",
    "cps-agent sign a.pdf b.pdf --format asic-e --output dossier.asice",
    "cps-agent sign ordonnance.json --format jws --serialization json",
    "cps-agent sign scanner.dcm --format jades --packaging detached --digest-only",
)

BATCH_EXAMPLES = (
    "cps-agent batch --from-dir comptes-rendus --output signatures",
    "cps-agent batch *.pdf --format pades --visible --output signed",
    "cps-agent batch --manifest list.txt --format jades --packaging detached --digest-only",
)


def add_signing(parser: ArgumentParser) -> None:
    """Give `sign` its flags and examples."""
    _ = translator()
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = example_words(EXAMPLES)
    parser.add_argument("files", nargs="+", metavar="FILE")
    add_form(parser)
    parser.add_argument(
        "--digest-only",
        action="store_true",
        help=_("send the agent hashes of the files alone; it says so when it asks"),
    )
    parser.add_argument(
        "--output", metavar="PATH", help=_("file for the only signature, or folder (default: beside each file)")
    )
    parser.add_argument("--force", action="store_true", help=_("replace existing signature files"))


def add_batch(parser: ArgumentParser) -> None:
    """Give `batch` its flags and examples."""
    _ = translator()
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = example_words(BATCH_EXAMPLES)
    parser.add_argument("files", nargs="*", metavar="FILE")
    parser.add_argument("--from-dir", metavar="DIR", help=_("all files of a folder, by name"))
    parser.add_argument("--manifest", metavar="FILE", help=_("a text file with the path of a document in each line"))
    add_form(parser)
    parser.add_argument(
        "--digest-only",
        action="store_true",
        help=_("send the agent hashes where they are enough; it says so when it asks"),
    )
    parser.add_argument("--output", metavar="DIR", help=_("folder for the signatures (default: beside each file)"))
    parser.add_argument("--force", action="store_true", help=_("replace existing signature files"))


def add_form(parser: ArgumentParser) -> None:
    """Add what says how a signature is to be."""
    _ = translator()
    parser.add_argument("--format", choices=list(map(str, Format)), default=str(Format.CMS), help=_("default: cms"))
    parser.add_argument(
        "--level", choices=list(map(str, Level)), help=_("B, or with a time-stamp (T), evidence (LT, LTA)")
    )
    packaging = parser.add_mutually_exclusive_group()
    packaging.add_argument(
        "--packaging", choices=list(map(str, Packaging)), help=_("where the document is: beside, inside or around it")
    )
    packaging.add_argument(
        "--enveloping",
        dest="packaging",
        action="store_const",
        const=str(Packaging.ENVELOPING),
        help=_("put the document inside the signature"),
    )
    parser.add_argument("--scheme", choices=list(map(str, Scheme)), help=_("PS256 for cards that can (CPS4)"))
    parser.add_argument(
        "--serialization", choices=list(map(str, Serialization)), help=_("JWS and JAdES (default: compact)")
    )
    _add_claims(parser)
    _add_appearance(parser)


def _add_claims(parser: ArgumentParser) -> None:
    _ = translator()
    parser.add_argument("--role", metavar=_("TEXT"), help=_("as what you sign: CAdES, XAdES, JAdES"))
    parser.add_argument(
        "--policy",
        nargs=2,
        metavar=("ID", "FILE"),
        help=_("signature policy: its identifier (an OID or a URI), and the file with its text"),
    )
    parser.add_argument("--policy-uri", metavar="URI", help=_("where the text of the policy stands"))


def _add_appearance(parser: ArgumentParser) -> None:
    _ = translator()
    parser.add_argument("--reason", metavar=_("TEXT"), help=_("why, in a PDF"))
    parser.add_argument("--location", metavar=_("TEXT"), help=_("where, in a PDF"))
    parser.add_argument(
        "--field", metavar=_("NAME"), help=_("empty signature field of the PDF to fill, or name of a new one")
    )
    parser.add_argument("--visible", action="store_true", help=_("show the signature in the PDF, on its last page"))
    parser.add_argument(
        "--place",
        metavar="PAGE,X,Y,W,H",
        help=_("show it there: page (or last), lower left corner and size in points"),
    )
