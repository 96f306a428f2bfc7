"""Constituencies and postcodes: import of published files, look-up, and use for signatures."""
