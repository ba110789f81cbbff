"""Errors that a user can act on: each message names the thing, the value and the next step."""

from __future__ import annotations


class PgvitalsError(Exception):
    """Base of every error that ends as one line on the terminal and an exit code."""

    exit_code = 2


class SuiteError(PgvitalsError):
    """The suite directory or one of its files cannot be used."""


class QueryHeaderError(SuiteError):
    """A query file has a bad header."""


class FactError(SuiteError):
    """A file of facts about a dataset, or of a picture of it, cannot be used."""


class ProfileError(SuiteError):
    """A profile is unknown or its sizes make no sense."""


class LabError(PgvitalsError):
    """No PostgreSQL to measure on: it cannot be found, started or reached."""


class GuardError(LabError):
    """Refused: the database was not made by pgvitals."""


class MigrationError(PgvitalsError):
    """A migration failed or a revision is unknown."""


class DatasetError(PgvitalsError):
    """A dataset could not be made or loaded."""


class RowsRefusedError(DatasetError):
    """A recipe's rows do not fit the tables: the same load would fail in the same place again."""


class LoadInterruptedError(DatasetError):
    """A load was interrupted, and goes on when it is started again."""

    exit_code = 130


class UlidError(PgvitalsError):
    """No further ULID can be made that sorts after the last one."""


class MeasureError(PgvitalsError):
    """A query could not be measured."""


class LoadTestError(PgvitalsError):
    """The load test could not be run."""


class AuditError(PgvitalsError):
    """A rule folder is malformed, or the audit cannot reach what it needs."""


class ChecklistError(SuiteError):
    """A checklist is unknown, or its file cannot be used."""


class WaiverError(SuiteError):
    """A file of waivers cannot be used."""


class ResultsError(PgvitalsError):
    """A run directory is missing, unreadable, or of another format."""


class ReportError(PgvitalsError):
    """A report could not be made."""


class EncryptionError(PgvitalsError):
    """A value cannot be sealed or opened; the message never holds the value or a key."""


class NotSealableError(EncryptionError):
    """What is to be sealed, or what it is to be sealed with, is not of the right kind."""


class SealFormatError(EncryptionError):
    """The bytes are not a sealed value of a known format."""


class BrokenSealError(EncryptionError):
    """A sealed value was altered, cut, or moved from another row, column, table or tenant."""


class UnknownKeyError(EncryptionError):
    """There is no key of this version."""


class RetiredKeyError(EncryptionError):
    """The key of this version was retired: it opens nothing any more."""


class KeyProviderError(EncryptionError):
    """A key-encryption key cannot be read, or does not unwrap a data key."""


class NotSealedError(EncryptionError):
    """Plain text was about to be stored in, or compared with, a sealed column."""


class KeyRingMissingError(EncryptionError):
    """A session has no key ring to seal or open with."""


class RotationError(EncryptionError):
    """A key rotation could not go on; running it again continues it."""
