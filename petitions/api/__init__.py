"""The public JSON API. Version 1 only ever gains fields."""
