"""What a client counts.

Must not know: clients.
"""

import attrs

__all__ = ["ClientStatistics"]


@attrs.frozen(kw_only=True)
class ClientStatistics:
    """Totals since the client was made. Round trip and delay are in seconds.

    `inputs_lost` are inputs that had taken effect and that a crash of the server undid.
    """

    bytes_received: int
    messages_received: int
    snapshots: int
    crc_checks: int
    mismatches: int
    inputs: int
    inputs_lost: int
    events: int
    resumes: int
    corrections: int
    rubber_bands: int
    round_trip_s: float
    view_age_s: float
    stalls: int
