"""The door: p11-kit's remote protocol on a socket of this user, for every PKCS#11 program to use the agent's cards.

From the socket to the card:
- address, listening, opening, server: where it listens; connection: one program; peers, identity, program: who it is;
- keeper (childkeeper with its child bystander, storekeeper), visits, orphans: what outlives a restart, and an end;
- codec: messages, of frames, letters, templates, parameters, read by a cursor; calls, cryptoki, values: their words;
- application: the calls of one program, by chapters of PKCS#11: slotcalls, sessioncalls, objectcalls, signingcalls;
- slots (slotnumbers, watching), tokens, sessions (handles, interruption), objects (attributes, publickeys, texts),
  mechanisms: what the calls are about;
- context, uses (rounds, pulled): from there to the card by consent and code; errors: what goes wrong, as CKR_ numbers.
"""
