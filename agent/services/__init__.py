"""French health services that the agent asks on the workstation's behalf."""
