"""Who comes to a visit: somebody who is known by then, long-tailed, and with one practitioner a week.

Client ``c`` is the client of practitioner ``c % among``. Every seventh of them, other ones each week, sees
the next practitioner instead, as when somebody stands in for a colleague. So nobody has visits with two
practitioners in one week, and nobody is in two places at once, without any unit of rows asking another.
"""

from __future__ import annotations

import numpy as np

from pgvitals.dataset.streams import I64, Bool, Stream

_TURNS = 7  # weeks until a client sees the other practitioner again
_STEPS = np.array([1, 4, 16, 64])


def returning(stream: Stream, known: I64, practitioner: I64, among: int, week: I64, others: Bool) -> I64:
    """A client for each visit, as a position below ``known``, the clients there were when it was booked.

    Every fourth client of a practitioner comes twice as often, every sixteenth again, and so on up to 64:
    a Pareto tail, most come a few times and a few every week.

    Args:
        stream: where the choice is drawn from.
        known: how many clients there were, at least 1.
        practitioner: who is visited, from 0 up to ``among``; 0 where it does not matter.
        among: how many practitioners there are. While they outnumber the clients, several share a client.
        week: a number of the visit's week.
        others: where the row before had the same hour, and somebody else shall come if there is anybody;
            never twice in a row.
    """
    n = len(known)
    own = known // among
    place = (stream.uniform(n) * own).astype(np.int64)
    place -= place % _STEPS[stream.geometric(n, 0.5, most=len(_STEPS) - 1)]
    covered = place % _TURNS == week % _TURNS
    client = place * among + (practitioner - covered) % among
    few = own == 0
    if few.any():
        client[few] %= known[few]
    return _somebody_else(client, known, among, others)


def _somebody_else(client: I64, known: I64, among: int, others: Bool) -> I64:
    """Another client of the same practitioner in the same week, seven places on or back."""
    again = np.flatnonzero(others[1:] & (client[1:] == client[:-1])) + 1
    on, back = client[again] + _TURNS * among, client[again] - _TURNS * among
    client[again] = np.where(on < known[again], on, np.where(back >= 0, back, client[again]))
    return client
