"""Look up a patient's INS by the traits of identity (INSi, rechercherInsAvecTraitsIdentite).

The structure's software certificate opens TLS, the professional's card signs the assertion that goes with the message.
"""

import argparse
import uuid
from xml.sax.saxutils import escape, quoteattr

from local_agent import Agent, add_folder, run
from soap import now, read_body, write_envelope

ACTION = "urn:ServiceIdentiteCertifiee:1.0.0:rechercherInsAvecTraitsIdentite"
ASKED, ANSWERED = "http://www.cnamts.fr/INSiRecSans", "http://www.cnamts.fr/INSiResultat"
OUTCOMES = {"00": "one identity", "01": "no identity", "02": "several identities"}


def write_contexts(arguments):
    """Who asks, and with which authorised software: the headers of Assurance Maladie's teleservices."""
    sender = f"<Id>{uuid.uuid4()}</Id><Temps>{now()}</Temps><Emetteur>{escape(arguments.emitter)}</Emetteur>"
    software = (
        f'<IDAM R="4">{escape(arguments.software)}</IDAM><Version>1.0</Version>'
        f"<Instance>{uuid.uuid4()}</Instance><Nom>Example</Nom>"
    )
    return (
        f'<ContexteBAM xmlns="urn:siram:bam:ctxbam" Version="01_02">{sender}<COUVERTURE/></ContexteBAM>'
        f'<ContexteLPS xmlns="urn:siram:lps:ctxlps" Nature="CTXLPS" Version="01_00">{sender}<LPS>{software}</LPS></ContexteLPS>'
    )


def write_traits(arguments):
    """RECSANSVITALE; each given name is a member of its own."""
    traits = [("NomNaissance", arguments.name), *(("Prenom", each) for each in arguments.given_names)]
    traits += [("Sexe", arguments.sex), ("DateNaissance", arguments.born), ("LieuNaissance", arguments.place)]
    members = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in traits if value)
    return f"<RECSANSVITALE xmlns={quoteattr(ASKED)}>{members}</RECSANSVITALE>"


def work(arguments):
    """Ask, and print what INSi says."""
    agent = Agent(arguments.data_dir)
    envelope = write_envelope(ACTION, write_traits(arguments), write_contexts(arguments))
    assertion = {"cardNumber": arguments.card} if arguments.card else {}
    content = agent.post_soap(
        arguments.service, arguments.path, ACTION, envelope, assertion, card=arguments.certificate
    )
    answer = read_body(content)
    code = answer.findtext(f"{{{ANSWERED}}}CR/{{{ANSWERED}}}CodeCR")
    print("outcome:", OUTCOMES.get(code, code))
    for each in answer.iterfind(f"{{{ANSWERED}}}INDIVIDU/{{{ANSWERED}}}INSACTIF"):
        parts = [each.findtext(f".//{{{ANSWERED}}}{name}") for name in ("NumIdentifiant", "Cle", "OID")]
        print("ins:", "".join(parts[:2]), "of", parts[2])


def main():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_folder(parser)
    parser.add_argument("--service", default="insi-qualification", help="name in `cps-agent services` (%(default)s)")
    parser.add_argument("--path", default="", help="below its address, if anything")
    parser.add_argument("--certificate", metavar="S…", help="software certificate that opens TLS")
    parser.add_argument("--card", metavar="NUMBER", help="card that signs the assertion, when there are several")
    parser.add_argument("--software", required=True, metavar="IDAM", help="number of your software's authorisation")
    parser.add_argument("--emitter", default="", help="billing number of the professional")
    parser.add_argument("--name", required=True, help="family name at birth")
    parser.add_argument("--given-name", dest="given_names", action="append", required=True, help="may be repeated")
    parser.add_argument("--sex", choices=("M", "F"), required=True)
    parser.add_argument("--born", required=True, metavar="YYYY-MM-DD")
    parser.add_argument("--place", default="", metavar="INSEE", help="code of the place of birth")
    arguments = parser.parse_args()
    run(lambda: work(arguments))


if __name__ == "__main__":
    main()
