"""Kept connections to one health service: of one caller, with one card."""
