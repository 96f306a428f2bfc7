"""Stored tallies, daily snapshots with their breakdowns, goals, and the sources of links.

Front door: `tallies.total` and `tallies.move`. The package knows nothing of people: it counts rows
by place, day and source.
"""
