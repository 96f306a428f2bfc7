"""Localised formatting: numbers, dates, Markdown, and charts as SVG.

Front door: `languages`, `markdown.render_markdown`, `charts`. No table, no request.
"""
