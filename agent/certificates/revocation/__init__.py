"""Whether a certificate is revoked: asked in the background, in a child process, of the hosts that settings allow."""
