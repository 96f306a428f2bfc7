"""The count: stored tallies, daily snapshots with their breakdowns, goals, and sources of links.

Front door: `tallies.total` and `tallies.move`. Knows nothing of people: it counts rows by place,
day and source.
"""
