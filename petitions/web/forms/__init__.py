"""Django forms of the public site."""
