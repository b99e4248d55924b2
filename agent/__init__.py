"""What the workstation user and the callers see of the CPS agent."""

__version__ = "0.1.0"
