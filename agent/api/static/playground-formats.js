/**
 * What the agent's formats can do, the usual first, and what the file of a signature is called.
 * SPDX-License-Identifier: Apache-2.0
 */

const ALL = ["B", "T", "LT", "LTA"];
const ANYWHERE = ["enveloped", "enveloping", "detached"];

export const FORMATS = {
  cms: { levels: ALL, packagings: ["detached", "enveloping"], endings: { detached: ".p7s", enveloping: ".p7m" } },
  cades: { levels: ALL, packagings: ["detached", "enveloping"], endings: { detached: ".p7s", enveloping: ".p7m" } },
  pades: { levels: ALL, packagings: ["enveloped"] },
  xades: { levels: ["B", "T", "LT"], packagings: ANYWHERE, endings: { enveloping: ".xml", detached: ".xml" } },
  xmldsig: { levels: ["B"], packagings: ANYWHERE, endings: { enveloping: ".xml", detached: ".xml" } },
  "asic-e": { levels: ["B", "T", "LT"], packagings: ["enveloping"], endings: { enveloping: ".asice" } },
  jws: { levels: ["B"], packagings: ["enveloping", "detached"], endings: { enveloping: ".jws", detached: ".jws" } },
  jades: { levels: ["B"], packagings: ["enveloping", "detached"], endings: { enveloping: ".jws", detached: ".jws" } },
};

/** The name of the file: the document's own, marked as signed, where the signature stands in it. */
export function nameResult(name, { format, packaging }) {
  if (packaging !== "enveloped") return name + FORMATS[format].endings[packaging];
  const dot = name.lastIndexOf(".");
  return dot > 0 ? `${name.slice(0, dot)}-signed${name.slice(dot)}` : `${name}-signed`;
}
