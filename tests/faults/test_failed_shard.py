"""A shard that failed is told of everywhere while mail waits in it, and nowhere when it is drained."""

from __future__ import annotations

import json
import re
import smtplib
import time
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.service import PATIENCE, Service, free_ports, smarthost
from tests.support.sink import marked, sink
from tests.support.strace import IS_THERE, Injection, failing

pytestmark = [
    pytest.mark.real,
    pytest.mark.faults,
    pytest.mark.long,
    pytest.mark.skipif(not IS_THERE, reason="strace is missing: make system"),
]
LARGE = (b"y" * 76 + b"\r\n") * 4_000


def send(client: smtplib.SMTP, mark: str, body: bytes = b"small\r\n") -> None:
    client.sendmail("alice@example.org", ["x@example.net"], marked(mark, "alice@example.org", body))


def metrics(service: Service) -> dict[str, float]:
    """Those without a label, as Prometheus reads them."""
    families = text_string_to_metric_families(service.sams("metrics").stdout)
    return {
        sample.name: sample.value for family in families for sample in family.samples if not sample.labels
    }


def health(service: Service) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(service.sams("health", "--json", check=False).stdout)
    return found


def test_log_alarm_health_and_metrics_say_so_until_it_is_drained(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    service = Service(tmp_path / "service", route=smarthost(port), workers=0)
    service.add_account("alice")
    with service.running():
        assert service.process is not None
        shard = service.folder / "data/spool/shard-0000"
        with service.signed_in("alice") as client:
            send(client, "before")
            send(client, "large", LARGE)
            sick = Injection("fdatasync,fsync", "EIO", "1")
            with failing(service.process.pid, tmp_path, sick, paths=(shard / "queue.db-wal",)):
                with pytest.raises(smtplib.SMTPDataError) as refused:
                    send(client, "during")
                assert refused.value.smtp_code == 451
        until = time.monotonic() + PATIENCE
        while not (found := health(service))["workers"][0]["failed_shards"]:
            assert time.monotonic() < until, found
        [failed] = found["workers"][0]["failed_shards"]
        assert (failed["shard"], failed["folder"]) == (0, str(shard))
        assert not found["healthy"]
        text = service.sams("health", check=False).stdout
        assert re.search(r"shard 0 failed .*leave it there until this line is gone", text)
        assert '"alarm":"disk","text":"shard 0 is no longer written' in service.log
        while metrics(service)["sams_shards_failed"] != 1:
            assert time.monotonic() < until
        numbers = metrics(service)
        assert numbers["sams_shard_failures_total"] == 1
        assert numbers["sams_shards_stuck"] == 0
        with service.signed_in("alice") as client:
            send(client, "after")
        with sink(port) as hop:
            while not {"before", "large", "after"} <= set(hop.marks):
                assert time.monotonic() < until + PATIENCE, hop.marks
                service.sams("queue", "retry", "--all", check=False)
                time.sleep(0.1)
            assert hop.broken == []
            while (found := health(service))["workers"][0]["failed_shards"]:
                assert time.monotonic() < until + PATIENCE, found
        assert '"what":"shard drained"' in service.log
        while metrics(service)["sams_shards_failed"]:
            assert time.monotonic() < until + 2 * PATIENCE
        assert metrics(service)["sams_messages_accepted_total"] == 3
