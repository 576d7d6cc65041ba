"""Fields of descriptions that do not enter a key: one added after results exist, and the place of a file."""

from __future__ import annotations

from dataclasses import field

ADDED = "left out of the key while it equals its default"
PLACE = "left out of the key where `content` names what lies there"


def added_field(default):
    """A dataclass field added after keys exist: left out of the key (``models.key``) while it equals `default`.

    The default must mean what the class did before the field existed, and must never be changed afterwards.
    """
    return field(default=default, metadata={ADDED: True})


def place(**more):
    """A dataclass field that says where a file lies. It is left out of the key where the property ``content`` of its
    class is not None: that is then a digest of the file, which says more than its place.
    """
    return field(metadata={PLACE: True}, **more)
