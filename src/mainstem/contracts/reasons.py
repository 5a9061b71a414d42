"""Why a record is in quarantine: one closed list, the same in answers, tables, metrics and docs."""

from __future__ import annotations

import enum

__all__ = ["Reason"]


class Reason(enum.StrEnum):
    """A defect of a record. Codes are never renamed or reused."""

    INVALID_JSON = "invalid_json"
    INVALID_TEXT = "invalid_text"
    NOT_AN_OBJECT = "not_an_object"
    DUPLICATE_KEY = "duplicate_key"
    TOO_DEEP = "too_deep"
    MISSING = "missing"
    WRONG_TYPE = "wrong_type"
    NOT_ALLOWED = "not_allowed"
    OUT_OF_RANGE = "out_of_range"
    INVALID_TIME = "invalid_time"
    NUL_CHARACTER = "nul_character"
    IN_FUTURE = "in_future"
    TOO_OLD = "too_old"
    NO_PARTITION_KEY = "no_partition_key"
    NO_IDENTITY = "no_identity"
    NO_CONTRACT = "no_contract"
    WRONG_OPERATION = "wrong_operation"
    UNPROCESSABLE = "unprocessable"
    OUTSIDE_LIMITS = "outside_limits"
    RULE_FAILED = "rule_failed"
    UNDECLARED = "undeclared"
    LOAD_VOLUME = "load_volume"
    ORPHAN = "orphan"

    def message(self, field: str | None = None) -> str:
        """What is wrong and what to do, as sentences; never holds a value of the record."""
        whole = "A key of the record" if self is Reason.UNDECLARED else "The record"
        subject = f"Field {field!r}" if field else whole
        return _MESSAGES[self].format(subject=subject)


_MESSAGES = {
    Reason.INVALID_JSON: "The payload is not JSON. Send one JSON object (RFC 8259: no comments, trailing commas or NaN).",
    Reason.INVALID_TEXT: "The payload is not valid UTF-8, or escapes half a surrogate pair. Send UTF-8.",
    Reason.NOT_AN_OBJECT: "The payload is JSON, but not an object. Send one JSON object a record.",
    Reason.DUPLICATE_KEY: "The payload has a key twice that the contract reads; which one holds cannot be known. Send it once.",
    Reason.TOO_DEEP: "The payload is nested too deeply. Flatten it.",
    Reason.MISSING: "{subject} is required and missing or null. Send it, or let the contract say that it is optional.",
    Reason.WRONG_TYPE: "{subject} is not of the type the contract declares. Send that type, or change the contract.",
    Reason.NOT_ALLOWED: "{subject} has a value the contract does not allow. Send an allowed one, or allow it.",
    Reason.OUT_OF_RANGE: "{subject} is beyond what its type can hold. Send a smaller number, or declare a string.",
    Reason.INVALID_TIME: "{subject} is not a time. Send ISO 8601 with an offset, or seconds, milli- or microseconds since 1970.",
    Reason.NUL_CHARACTER: "{subject} holds a NUL character, which no store keeps. Remove it.",
    Reason.IN_FUTURE: "{subject} is further in the future than the contract allows. Set the sender's clock, or raise `ahead`.",
    Reason.TOO_OLD: "{subject} is further in the past than the contract allows. Set the sender's clock, or raise `oldest`.",
    Reason.NO_PARTITION_KEY: "{subject} is the partition key and missing or blank. Send it in the envelope or the payload.",
    Reason.NO_IDENTITY: "{subject} is needed to know which entity this is, and missing or blank. Send it.",
    Reason.NO_CONTRACT: "No contract is active for this stream. Activate one, then replay the record.",
    Reason.WRONG_OPERATION: "An event cannot be patched or deleted. Send `op: event`, or declare the stream as `state`.",
    Reason.OUTSIDE_LIMITS: "{subject} is outside the limits of the contract. Correct it, or change the limit.",
    Reason.RULE_FAILED: "{subject} breaks a rule of the contract. Correct it, or change the rule.",
    Reason.UNDECLARED: "{subject} is not declared in the contract, which lets none such pass. Declare it, or stop sending it.",
    Reason.LOAD_VOLUME: "The load has fewer or more rows than the contract expects. Release it if it is right, or dismiss it.",
    Reason.ORPHAN: "{subject} refers to something that is not known yet. Send that, or correct the record.",
    Reason.UNPROCESSABLE: "Mainstem failed on this record. Keep it, and report it with the log's lines of that time.",
}
