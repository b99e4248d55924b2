/**
 * What software for the DMP would ask of the agent, with ids and a patient that do not exist.
 * SPDX-License-Identifier: Apache-2.0
 */

import { toBase64 } from "./cps-agent.js";

export const NAMES = { vihf: "vihf.xml", insi: "insi.xml", submission: "signature.xml" };

/** Ask for what the form says. @param {{kind: string, ins: string, structure: string, file?: File}} wanted */
export async function makeForDmp(agent, { kind, ins, structure, file }, signal) {
  if (kind === "insi") return agent.assertion("insi", {}, { signal });
  if (kind === "vihf") {
    const patient = ins ? { ins, kind: "test" } : undefined;
    return agent.assertion("vihf", { mode: "direct", structure: structure ? { id: structure } : undefined, patient }, { signal });
  }
  const mediaType = /\.xml$/i.test(file.name) ? "text/xml" : "application/octet-stream";
  const documents = [{ id: newOid(), name: file.name, mediaType, content: await toBase64(file) }];
  return agent.submissionSignature({ submissionSetId: newOid(), documents }, { signal });
}

/** An OID that nobody has yet (ITU-T X.667: a UUID as a number below 2.25). */
function newOid() {
  return `2.25.${BigInt(`0x${crypto.randomUUID().replaceAll("-", "")}`)}`;
}
