"""Numbers are told as they are when somebody reads them, in the form that monitoring reads."""

import pytest

pytest.importorskip("prometheus_client", reason="numbers want the extra 'cluster'")

from prometheus_client.parser import text_string_to_metric_families

from server.observe.metrics import Number, Numbers


def read(text: bytes) -> dict[str, tuple[str, str, float]]:
    """By name of the sample what its family says, its kind, and the value."""
    return {
        sample.name: (family.documentation, family.type, sample.value)
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_monitoring_reads_what_is_so_now() -> None:
    players = 3
    numbers = Numbers(
        lambda: [
            Number("shoal_gateway_clients", "Who is here.", players),
            Number("shoal_gateway_joins", "Who came.", 1e9, total=True),
        ]
    )
    assert read(numbers.text()) == {
        "shoal_gateway_clients": ("Who is here.", "gauge", 3.0),
        "shoal_gateway_joins_total": ("Who came.", "counter", 1e9),
    }
    players = 4
    assert read(numbers.text())["shoal_gateway_clients"][2] == 4.0


def test_a_number_that_cannot_be_had_does_not_look_like_nothing() -> None:
    def away() -> list[Number]:
        raise RuntimeError("not running")

    with pytest.raises(RuntimeError):
        Numbers(away).text()
