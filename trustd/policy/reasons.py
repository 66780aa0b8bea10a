"""The reason codes of decisions: stable words that other programs may compare."""

PERMIT = "permit"
UNKNOWN_ACTION = "unknown-action"
UNKNOWN_SUBJECT = "unknown-subject"
UNKNOWN_TYPE = "unknown-type"
FORBID = "forbid"
WALL = "wall"
TYPE = "type"
NO_ROLE = "no-role"
NO_GRANT = "no-grant"
MATCH = "match"
BAND_CAP = "band-cap"
BAND_KEEP = "band-keep"
BAND_DROP = "band-drop"

REASONS = (
    PERMIT, UNKNOWN_ACTION, UNKNOWN_SUBJECT, UNKNOWN_TYPE, FORBID, WALL, TYPE,
    NO_ROLE, NO_GRANT, MATCH, BAND_CAP, BAND_KEEP, BAND_DROP,
)  # fmt: skip
"""Every reason code, in the order of the gates."""
