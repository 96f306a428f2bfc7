"""Data export: what organisers take away, for a purpose, on record, and until a day.

Front door: `exports`, and `purposes`, which says what each file has and may be used for. Knows no
request and no screen.
"""
