"""Constituencies and postcodes: imports of published files, look-ups, and counts by country.

Front door: `postcodes` and `constituencies` (imports), and `placing` (sets the constituency of
signatures made before an import). The package knows nothing of mail, nor of how a signature is
submitted, confirmed or moderated.
"""
