"""National Provider Identifiers: ten digits, the last of which checks the others."""

from __future__ import annotations

import numpy as np

from pgvitals.dataset.streams import I64, Text

_ISSUED = 200_000_000  # the first digit is 1 or 2
_STRIDE = 141_650_939  # has no factor in common with it
_PREFIX = 24  # what the prefix 80840 adds to the sum of the digits


def npis(position: I64) -> Text:
    """A valid NPI for each position, ``S10``; none comes twice among 200 million positions in a row.

    The check digit is Luhn's over the prefix 80840 and nine digits (45 CFR 162.406; CMS).
    """
    nine = 100_000_000 + position * _STRIDE % _ISSUED
    digits = nine[:, None] // 10 ** np.arange(8, -1, -1) % 10
    doubled = digits[:, ::2] * 2
    total = _PREFIX + digits[:, 1::2].sum(axis=1) + (doubled - 9 * (doubled > 9)).sum(axis=1)
    return np.asarray(nine * 10 + -total % 10).astype("S10")
