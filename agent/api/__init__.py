"""The local HTTP API; the only place that imports aiohttp's server."""
