"""Titles that are markup somewhere: in HTML, in JSON, in XML, in typst, in URLs."""

TITLES = (
    """Quotes " and ' and ` and \\ here""",
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "]]> &amp; &lt;b&gt; <b>bold</b>",
    '#import "@preview/x:0.1.0": *',
    '#read("/etc/passwd") #panic()',
    "[a] *b* _c_ $d$ `e` ~f @g <h> = i",
    "/* comment */ // comment",
    "{{ 7|add:7 }} {% now 'Y' %} %(title)s %s",
    "Turned \u202e around \u2066 and isolated",
    "Line\u2028separators\u2029here",
    "Bell\x07 and escape\x1b[31m",
    "x" * 150,
    "ب" * 150,
    "سوريا Syria 2020 حلب (Aleppo)!",
    "&#x27; %27 %00 + ? # /",
)
