// Verifies XML signatures with `xadesjs` from npm: one JSON command a line on standard input, one answer a line on standard output.
import { createInterface } from "node:readline";
import { DOMImplementation, DOMParser, XMLSerializer } from "@xmldom/xmldom";
import { Crypto } from "@peculiar/webcrypto";
import * as xades from "xadesjs";
import xpath from "xpath";

const DS = "http://www.w3.org/2000/09/xmldsig#";

xades.setNodeDependencies({ DOMImplementation, DOMParser, XMLSerializer, xpath });
xades.Application.setEngine("@peculiar/webcrypto", new Crypto());

/** What xadesjs reads of the nth signature of a document, once it has verified; `detached`: what it is about, in base64. */
async function verify({ xml, detached, number }) {
  const document = xades.Parse(xml);
  const element = document.getElementsByTagNameNS(DS, "Signature")[number - 1];
  const signed = new xades.SignedXml(document);
  signed.LoadXml(element);
  if (detached !== null) {
    const content = new Uint8Array(Buffer.from(detached, "base64"));
    signed.contentHandler = async (reference) => (reference.Uri?.startsWith("#") ? null : content);
  }
  if (!(await signed.Verify())) throw new Error("the signature value is wrong");
  return signed.Properties === null ? null : describe(signed.SignedProperties);
}

function describe({ SignedSignatureProperties: own, SignedDataObjectProperties: objects }) {
  return {
    signingTime: own.SigningTime.Value,
    digests: own.SigningCertificateV2.GetIterator().map(({ CertDigest }) => Buffer.from(CertDigest.DigestValue).toString("base64")),
    roles: own.SignerRoleV2?.ClaimedRoles?.GetIterator().map((role) => role.GetXml().textContent) ?? [],
    mediaTypes: objects.DataObjectFormats.GetIterator().map(({ MimeType }) => MimeType),
  };
}

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    answer = { result: await verify(JSON.parse(line)) };
  } catch (error) {
    answer = { error: `${error.name}: ${error.message}` };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
