"""The public web site: URLs, views, forms, request guards, cache headers and template context.

Front door: `urls`. Views parse a request, call one use case and map its outcome to a response. They
have no business rules and open no transaction.
"""
