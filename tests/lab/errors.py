"""What can go wrong in the lab."""


class LabError(Exception):
    """The lab could not do what was asked; the text says why and shows the log that knows."""
