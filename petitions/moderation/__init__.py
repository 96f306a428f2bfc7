"""Moderation: decisions about signatures, with their audit trail and undo.

Front door: `decisions` (remove, hold, restore, approve, erase, undo), `bulk` (the same about a
whole `selection`, in the background), `cockpit` (what happens right now, from the rollup of
`activity`), `rescan` (re-run the fraud rules) and `reindex` (recompute blind indexes). Knows
nothing of the admin's screens.
"""
