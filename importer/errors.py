"""What can go wrong in an import.

ImportFailedError          nothing was imported
└── BrokenFileError        a file cannot be read as what it should be
UnknownOutcomeError        everything was imported or nothing: the answer to COMMIT was lost
ScoresNotDroppedError      the import stands, but scores from before it are still cached
"""


class ImportFailedError(Exception):
    """Nothing was imported; the message says why."""


class BrokenFileError(ImportFailedError):
    """A file cannot be read, or may be read in more than one way."""


class UnknownOutcomeError(Exception):
    """The connection was lost during COMMIT: everything was imported, or nothing."""


class ScoresNotDroppedError(Exception):
    """The import stands, but scores from before it are cached until the next refresh."""
