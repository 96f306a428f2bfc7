"""Constituencies and postcodes: published files taken in, looked up, and put to use."""
