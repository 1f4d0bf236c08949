"""Why a migration cannot go on."""


class MigrationError(Exception):
    """The schema cannot be migrated; the message says why."""


class UnknownMigrationError(MigrationError):
    """The database has a migration that is newer than this version's."""
