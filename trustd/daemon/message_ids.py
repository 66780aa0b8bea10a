"""The journal's numbers of what a person looks for: ``journalctl MESSAGE_ID=...`` finds each.

``contrib/systemd/trustd.catalog`` says of each what it means (``journalctl -x``).
"""

from __future__ import annotations

MESSAGE_IDS = {
    "listening": "e036bc274db8487abe026232940bed8d",
    "stopped": "1ebfd1bd691e4984bf080f99abd880ef",
    "guests stay narrowed": "fbf6e03508784dddb3c40059b90f88d6",
    "policy loaded": "df320b052c774e4fb874b44349ef40f4",
    "policy refused": "760ee37d083d4031958936cbfcc433d1",
    "labels changed": "46887c699dc344aeb6c5723cb9c9afcc",
    "a change was refused": "8d3932f9a7a843ba838a666f843c7ddb",
    "an order of an operator": "1015e12569184b7e9f3919c9597c415b",
    "an order has ended": "bfdcd02d1b644d67aaa25b174eaf8ffe",
    "narrowing is held back": "11beb5cce1fe4f2099267d5f60d7283c",
    "nothing is held back any more": "188e9297f7b94748aa2a0da9f191cd53",
    "enforce.changed_by_somebody_else": "3156452d4d87499c92d41a22923f83d4",
    "the repository takes no writes": "b85834040a884f54bebe0bc6110351c7",
    "the repository takes writes again": "395892302a9b4b248b95eeeb70cc8368",
    "collector fails": "6dd6b1a6d60041ae83197f022fed880d",
    "collector works again": "51b2e3012c6246f48674e2444d5a8180",
    "admission": "a37fb791657a4a9eaa665697d1742896",
    "incident": "c24347ab196d4176ba7a9dbfd278ba78",
    "gate.added": "e6de4d7a968348918ad213092e37225e",
    "gate.removed": "079e044799b44911ade32c66419c7d21",
    "audit anchor": "84d2bce590d04395aea3771f4ca301db",
}
"""By the name of the event."""
