"""Proofs of identity with the card's authentication key."""
