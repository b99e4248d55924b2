"""Ask the DMP whether a patient has a record (transaction TD0.2), in the name of the card's holder.

The agent opens TLS with the card's authentication key, signs the VIHF with its signature key, and puts it into the
message on the way: this program holds no key and sees no code.
"""

import argparse
import uuid
from datetime import UTC, datetime
from xml.sax.saxutils import quoteattr

from local_agent import Agent, add_folder, run
from soap import read_body, write_envelope

HL7 = "urn:hl7-org:v3"
ACTION = f"{HL7}:PRPA_IN201307UV02"
OIDS = {"nir": "1.2.250.1.213.1.4.8", "nia": "1.2.250.1.213.1.4.9", "test": "1.2.250.1.213.1.4.10"}
DMP_OID = "1.2.250.1.213.4.1.1.1"


def write_query(arguments):
    """PRPA_IN201307UV02, an existence test."""
    device = '<device classCode="DEV" determinerCode="INSTANCE"><id root={}/><softwareName>{}</softwareName></device>'
    oid, ins = quoteattr(arguments.software_oid), quoteattr(arguments.ins)
    patient = f'<value root="{OIDS[arguments.ins_kind]}" extension={ins}/><semanticsText>Patient.id</semanticsText>'
    return (
        f'<PRPA_IN201307UV02 xmlns="{HL7}" ITSVersion="XML_1.0">'
        f'<id root={oid} extension="{uuid.uuid4()}"/>'
        f'<creationTime value="{datetime.now(UTC):%Y%m%d%H%M%S}"/>'
        '<interactionId root="2.16.840.1.113883.1.6" extension="PRPA_IN201307UV02"/>'
        '<processingCode code="D"/><processingModeCode code="T"/><acceptAckCode code="AL"/>'
        f'<receiver typeCode="RCV">{device.format(quoteattr(DMP_OID), "DMP")}</receiver>'
        f'<sender typeCode="SND">{device.format(oid, "Example")}</sender>'
        '<controlActProcess classCode="CACT" moodCode="EVN">'
        '<reasonCode code="TEST_EXST" codeSystem="1.2.250.1.213.1.1.4.11"/>'
        f'<queryByParameter><queryId root={oid} extension="{uuid.uuid4()}"/><statusCode code="new"/>'
        f"<parameterList><patientIdentifier>{patient}</patientIdentifier></parameterList>"
        "</queryByParameter></controlActProcess></PRPA_IN201307UV02>"
    )


def write_vihf(arguments):
    """What the agent is to say of the caller; the card says who and, unless chosen, where."""
    vihf = {
        "mode": "direct",
        "patient": {"ins": arguments.ins, "kind": arguments.ins_kind},
        "software": {"name": "Example", "version": "1.0"},
    }
    if arguments.structure is not None:
        vihf["structure"] = {"id": arguments.structure}
    return vihf


def work(arguments):
    """Ask, and print what the DMP says."""
    agent = Agent(arguments.data_dir)
    envelope = write_envelope(ACTION, write_query(arguments))
    content = agent.post_soap(arguments.service, arguments.path, ACTION, envelope, write_vihf(arguments))
    answer = read_body(content)
    code = answer.find(f".//{{{HL7}}}queryResponseCode")
    status = answer.find(f".//{{{HL7}}}patient/{{{HL7}}}statusCode")
    print("answer:", answer.tag.rpartition("}")[2])
    print("record:", {"OK": "exists", "NF": "does not exist"}.get(code.get("code"), code.get("code")))
    print("status:", "-" if status is None else status.get("code"))


def main():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_folder(parser)
    parser.add_argument("--service", default="dmp-development", help="name in `cps-agent services` (%(default)s)")
    parser.add_argument("--path", default="patient", help="the web service below its address (%(default)s)")
    parser.add_argument("--ins", required=True, help="the patient's INS")
    parser.add_argument("--ins-kind", choices=OIDS, default="nir", help="(%(default)s)")
    parser.add_argument("--structure", metavar="ID", help="which of the card's structures, when there are several")
    parser.add_argument("--software-oid", default="1.2.250.1.999", help="root of your software's own identifiers")
    arguments = parser.parse_args()
    run(lambda: work(arguments))


if __name__ == "__main__":
    main()
