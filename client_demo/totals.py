"""What a connection counts.

Must not know: connections.
"""

import attrs

__all__ = ["ConnectionStatistics"]


@attrs.frozen(kw_only=True)
class ConnectionStatistics:
    """Totals since the connection began.

    `disconnects` counts links that were lost without being asked to, `resumes` sessions that went
    on after that, `rejoins` those that had to begin anew; `away_s_max` is the longest time from a
    loss to the next welcome. `stalls` are those that a conditioned link made, both ways. The last
    four are those of all its clients together.
    """

    links: int
    disconnects: int
    resumes: int
    rejoins: int
    away_s_max: float
    bytes_received: int
    bytes_sent: int
    messages_received: int
    stalls: int
    snapshots: int
    crc_checks: int
    mismatches: int
    inputs: int
