"""What the public may see of a petition: its phases, texts and names, and permanent changes.

Front door: `life` (the buttons and the phases in which each is possible), `opening` and `readiness`
(the checks before a petition opens), `texts` (drafts, corrections, versions), `changes` (address,
name of the organisation), `visibility` (which text to show), `name_list`, `organisation` and
`timeline`. `warm_cache` is a TTL cache of these for signing. Of signatures it knows only their
number, and the names on the list.
"""
