"""The life of a signature, from the submitted form to its withdrawal.

Front door: `submit` (the form), `check_email` (resend, correct, one-time code), `confirm` (the
button behind the mailed link), `find` and `self_service` (the magic link and its page), `withdraw`.
`signing_sql` has the SQL that stores and confirms. Use cases take keyword arguments, never a
request, and know nothing of views, forms or the admin.
"""
