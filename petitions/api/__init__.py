"""The public JSON API. Version 1 is backward compatible: fields are only added."""
