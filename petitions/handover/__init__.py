"""Data export: files that organisers download, each for a purpose, on record, with a last day.

Front door: `exports`, and `purposes`, which says what each file contains and may be used for. Knows
no request and no screen.
"""
