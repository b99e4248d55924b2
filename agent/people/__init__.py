"""The people at the workstation: the prompt seam, its implementations, and the agent's own words."""
