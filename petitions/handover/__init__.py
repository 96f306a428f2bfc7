"""Data export for the Government: CSV exports, and later the hand-in pack.

Front door: `exports`. Writes only the columns that a purpose needs, and logs who took them.
"""
