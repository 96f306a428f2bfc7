"""Words that are markup somewhere: in HTML, JSON, XML, typst, URLs, spreadsheets, mail headers."""

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

# Names as somebody may store them: whatever their form refuses may have come another way.
NAMES = (
    "<script>alert(1)</script>",
    "<img src=https://evil.example/x.png onerror=alert(1)>",
    '"><a href="javascript:alert(1)">click</a>',
    "{{ 7|add:7 }}{% now 'Y' %}%(name)s%s{0}",
    "@@confirm@@ \x07\x1b[31m {confirm}",
    '=HYPERLINK("https://evil.example","Amina")',
    "+1+1;=1+1",
    "@SUM(A1)\t=1",
    "-2+3|cmd",
    "＝1+1; ＋1",
    "Amina\r\nBcc: victim@example.net\r\n\r\nread this",
    "Amina\u2028Bcc: victim@example.net",
    "Turned \u202e around",
    "javascript:alert(1)",
)
