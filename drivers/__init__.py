"""Hardware and keys: synchronous, with no HTTP, no asyncio, no window and no settings file."""
