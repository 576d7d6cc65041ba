"""A field added to a description after results exist, so that what does not use it keeps its key."""

from __future__ import annotations

from dataclasses import field

ADDED = "left out of the key while it equals its default"


def added_field(default):
    """A dataclass field added after keys exist: left out of the key (``studies.key``) while it equals `default`.

    The default must mean what the class did before the field existed, and must never be changed afterwards.
    """
    return field(default=default, metadata={ADDED: True})
