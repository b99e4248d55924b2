"""What a health card says: bytes to values, and the command dialects of the CPS family over any Connection."""
