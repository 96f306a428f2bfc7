"""What moderators decide about signatures, with its record and its undo.

Front door: `decisions` (remove, hold, restore, approve, erase, undo), `rescan` and `reindex`
(judge or compare stored signatures again). Knows nothing of the admin's screens.
"""
