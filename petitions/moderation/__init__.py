"""Moderation: decisions about signatures, with their audit trail and undo.

Start with `decisions` (remove, hold, restore, approve, erase, undo) and `bulk`, which applies them
to a whole `selection` in the background. `cockpit` reads current activity from the rollup that
`activity` writes. `rescan` re-runs the fraud rules, and `reindex` recomputes blind indexes. The
package knows nothing of the admin's screens.
"""
