"""The gate: who calls (peer, Host, Origin, local token), what was granted to them, and the journal of what they did."""
