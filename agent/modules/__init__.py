"""Which programs of this workstation use the card through the agent's door, and how to set them up and back (Linux)."""
