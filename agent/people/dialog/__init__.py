"""The window that asks: runs in a child process of the agent, and is the only place that imports PySide6."""
