"""The flags of `cps-agent dmp` and its verbs."""

from __future__ import annotations

from argparse import ArgumentParser

from agent.commands.verbs import Lazy, add_verb, add_verbs
from agent.patients import PatientKind
from agent.people.translations import translator
from agent.services.dmp_links import Page
from agent.signing.dmp.words import Hash, Mode

EXAMPLES = (
    "cps-agent dmp sign 1.2.250.1.999.3.1 1.2.250.1.999.4.1=cda.xml 1.2.250.1.999.4.2=scanner.dcm -o signature.xml",
    "cps-agent dmp vihf --ins 207058575627097 --ins-kind test --structure 499700002712005 -o vihf.xml",
    "cps-agent dmp vihf --mode air --card S0A1B2C3D4E5F607 --members vihf.json",
    "cps-agent dmp insi --billing 991130972",
    "cps-agent dmp open DossierPatient --ins '2 69 05 49 588 157 80'",
)


def add_dmp(parser: ArgumentParser, lazy: Lazy) -> None:
    """Give the command its verbs; without one it says which there are. `lazy` makes a runner of module:function."""
    _ = translator()
    verbs = add_verbs(parser, EXAMPLES)
    parser.set_defaults(usage=parser.format_help)
    sign = add_verb(verbs, "sign", _("sign a submission set and its documents"), lazy("dmp:run_sign"))
    sign.add_argument("set", metavar="OID", help=_("the id of the submission set"))
    sign.add_argument("documents", nargs="+", metavar="OID=FILE", help=_("a document by its id; .xml is a CDA"))
    vihf = add_verb(verbs, "vihf", _("make a VIHF: who asks the DMP, and for which patient"), lazy("dmp:run_vihf"))
    _add_vihf(vihf)
    insi = add_verb(verbs, "insi", _("make an assertion for the INSi service"), lazy("dmp:run_insi"))
    insi.add_argument("--billing", metavar="NUMBER", help=_("the number that is billed with"))
    page = add_verb(verbs, "open", _("open a page of the DMP in your browser"), lazy("dmp:run_open"))
    page.add_argument("page", metavar=_("PAGE"), choices=list(map(str, Page)), help=", ".join(Page))
    page.add_argument("--no-browser", dest="browser", action="store_false", help=_("print its address instead"))
    _add_patient(page)
    for verb in (sign, vihf, insi):
        verb.add_argument("--hash", choices=list(map(str, Hash)), help=_("default: as the service documents it"))
        verb.add_argument("--card", metavar="NUMBER", help=_("which card, when there are several"))
        verb.add_argument("-o", "--output", metavar="FILE", help=_("a new file for it (default: print it)"))
    for verb in (vihf, insi):
        verb.add_argument("--members", metavar="FILE", help=_("further members of the call, in JSON"))


def _add_patient(parser: ArgumentParser) -> None:
    _ = translator()
    parser.add_argument("--ins", metavar="NUMBER", help=_("the patient; blanks between digits do not matter"))
    parser.add_argument("--ins-kind", choices=list(map(str, PatientKind)), default=str(PatientKind.NIR))


def _add_vihf(parser: ArgumentParser) -> None:
    _ = translator()
    parser.add_argument("--mode", choices=list(map(str, Mode)), help=_("direct (default): the card signs"))
    parser.add_argument("--structure", metavar="ID", help=_("which of the card's structures"))
    parser.add_argument("--sector", metavar="CODE", help=_("which of its sectors"))
    _add_patient(parser)
    parser.add_argument("--reason", help=_("why, in words"))
