"""`dominoes broker`: mosquitto's configuration and access list, written anew when more is registered."""

from __future__ import annotations

from pathlib import Path

from ledger_service.record import Record
from ledger_service.registry import queries
from oracle.brokers.mosquitto import Identity, access_list, configuration
from scripts.serving.needs import given, given_path
from scripts.serving.settings import Settings

CONFIGURATION_FILE, ACCESS_FILE = "mosquitto.conf", "acl"


def write_broker(settings: Settings, folder: Path) -> Path:
    """Write both files and return the configuration's path; settings must have passed `require`.

    The access list names each registered meter and attester of every area. mosquitto reads it again on SIGHUP.
    Raises UnsafeCode where a code is no part of an MQTT topic.
    """
    record = Record.open(given(settings.database.url))
    try:
        with record.read() as connection:
            lists = [
                access_list(
                    area=area.area,
                    meters=sorted({meter.meter for meter in queries.meters(connection, area=area.area)}),
                    attesters=[attester.name for attester in area.attesters],
                )
                for area in queries.areas(connection)
            ]
    finally:
        record.close()
    mqtt = settings.mqtt
    folder.mkdir(parents=True, exist_ok=True)
    text = configuration(
        folder=folder,
        host=given(mqtt.host),
        port=mqtt.port,
        authority=given_path(mqtt.ca),
        server=Identity(certificate=given_path(mqtt.certificate), key=given_path(mqtt.key)),
        acl=folder / ACCESS_FILE,
    )
    _write(folder / ACCESS_FILE, "\n".join(lists))
    _write(folder / CONFIGURATION_FILE, text)
    return folder / CONFIGURATION_FILE


def _write(path: Path, text: str) -> None:
    """Whole or not at all: mosquitto may read it at any moment."""
    partial = path.with_suffix(".partial")
    partial.touch(mode=0o640)
    partial.write_text(text, encoding="utf-8")
    partial.rename(path)
