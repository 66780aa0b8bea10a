"""What somebody who may define a guest could call it, or write into its title or labels."""

from __future__ import annotations

NAMES = {
    "markup": "<script>alert(1)</script>\"'><img src=x onerror=a()>&amp;[b]x[/b]",
    "markdown": "[l](javascript:a()) ![i](http://evil.example/x) | **b** `c`\n# h",
    "escape sequences": "\x1b[2J\x1b]0;owned\x07\x9b1mred\x1b[0m",
    "control characters": "a\x00b\x07c\x08d\x0ce\x7ff\x85g",
    "line breaks": "a\r\nb\nc\u2028d\u2029e\x0bf",
    "right to left": "\u202egnp.exe\u2066x\u200f\u061c",
    "no width": "we\u200bb\ufeff-\u00ad1\u2060",
    "surrogates": "x\udcff\ud800y",
    "long": "long-" + "x" * 10_000,
    "long and wide": "\U0001f600" * 5_000,
    "formula =": "=cmd|'/C calc'!A0",
    "formula +": "+1+cmd|'/C calc'!A0",
    "formula -": "-2+3",
    "formula @": "@SUM(1+1)*cmd",
    "formula after a tab": "\t=1+1",
    "wide formula": "\uff1d1+1",
    "metrics": 'x"} 1\ntrustd_guest_trust_ratio{uuid="forged"} 1\nx{y="',
    "shell": "$(touch /pwned) `id`; rm -rf / #",
    "path": "../../etc/passwd",
    "format": "%s%n {0} {{7*7}} ${jndi:x}",
    "json": '"}, {"forged": true, "x": "',
    "option": "--help",
    "another's identity": "00000000-0000-4000-8000-000000000099",
    "empty": "",
    "blank": "   ",
}
