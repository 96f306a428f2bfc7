"""What leaves the site for the Government: exports, and later the hand-in pack.

Front door: `exports`. Writes only the columns that a purpose needs, and records who took them.
"""
