"""The life of a signature, from the submitted form to its withdrawal.

Front door: `submit` (somebody sent a form), `check_email` (the page that follows), `confirm` (the
button behind the mailed link), `find` and `self_service` (the signer comes back), `withdraw`.
Use cases take keyword arguments, never a request, and know nothing of views, forms or the admin.
"""
