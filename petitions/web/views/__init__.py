"""Views of the public site: parse the request, call a use case, respond."""
