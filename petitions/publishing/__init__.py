"""What the public may see of a petition: its phases, texts, names, and what changes for good.

Front door: `life` (the buttons, and in which phases each is there), `opening` and `readiness` (what
is checked before it opens), `texts` (drafts, corrections, versions), `changes` (address, name of
the organisation), `visibility` (which text to show), `name_list`, `organisation` and `timeline`;
`warm_cache` is a TTL cache of these for the signing path. Knows nothing of signatures but their
number, and the names on the list.
"""
