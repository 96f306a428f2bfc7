"""Localised formatting: numbers, dates, Markdown, and charts as SVG.

Front door: `languages`, `sanitising`, `charts`, `differences`. Uses no table and no request.
"""
