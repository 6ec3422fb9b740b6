"""What enhanced status codes (RFC 3463, RFC 5248) and basic codes say of a failure."""

from typing import Final

from edge.returns.reasons import Reason

STATUS: Final = {
    "1.0": Reason.USER_UNKNOWN,
    "1.1": Reason.USER_UNKNOWN,
    "1.2": Reason.HOST_UNKNOWN,
    "1.3": Reason.USER_UNKNOWN,
    "1.4": Reason.USER_UNKNOWN,
    "1.6": Reason.MOVED,
    "1.7": Reason.REJECTED,
    "1.8": Reason.REJECTED,
    "1.10": Reason.NOT_ACCEPTING,
    "2.0": Reason.REJECTED,
    "2.1": Reason.SUSPENDED,
    "2.2": Reason.MAILBOX_FULL,
    "2.3": Reason.TOO_BIG,
    "2.4": Reason.POLICY,
    "3.1": Reason.SYSTEM_FULL,
    "3.2": Reason.SYSTEM,
    "3.4": Reason.TOO_BIG,
    "4.1": Reason.NETWORK,
    "4.4": Reason.HOST_UNKNOWN,
    "4.7": Reason.EXPIRED,
    "5.3": Reason.RATE_LIMITED,
    "6.5": Reason.CONTENT,
    "7.8": Reason.AUTH_FAILURE,
    "7.9": Reason.AUTH_FAILURE,
    "7.13": Reason.SUSPENDED,
    "7.17": Reason.REJECTED,
    "7.20": Reason.AUTH_FAILURE,
    "7.21": Reason.AUTH_FAILURE,
    "7.22": Reason.AUTH_FAILURE,
    "7.23": Reason.AUTH_FAILURE,
    "7.24": Reason.AUTH_FAILURE,
    "7.25": Reason.BLOCKED,
    "7.26": Reason.AUTH_FAILURE,
    "7.27": Reason.REJECTED,
    "7.28": Reason.RATE_LIMITED,
}
"""By subject and detail. 1.0 is "other address status"; 5.1.0 of a bounce means the recipient's."""

SUBJECT: Final = {
    "3": Reason.SYSTEM,
    "4": Reason.NETWORK,
    "5": Reason.MAILER,
    "6": Reason.CONTENT,
    "7": Reason.POLICY,
}
"""By the subject alone (RFC 3463 § 3), where the detail is not in the table."""

CODE: Final = {
    421: Reason.SYSTEM,
    432: Reason.SYSTEM,
    451: Reason.SYSTEM,
    452: Reason.SYSTEM_FULL,
    454: Reason.SYSTEM,
    500: Reason.MAILER,
    501: Reason.MAILER,
    502: Reason.MAILER,
    503: Reason.MAILER,
    504: Reason.MAILER,
    521: Reason.NOT_ACCEPTING,
    530: Reason.AUTH_FAILURE,
    534: Reason.AUTH_FAILURE,
    535: Reason.AUTH_FAILURE,
    538: Reason.AUTH_FAILURE,
    551: Reason.MOVED,
    552: Reason.MAILBOX_FULL,
    556: Reason.NOT_ACCEPTING,
}
"""RFC 5321 §§ 4.2.2, 4.2.3; RFC 7504 for 521 and 556; RFC 4954 for 530, 534, 535 and 538."""

REGISTRY: Final = "RFC 3463 and the IANA registry of enhanced status codes (RFC 5248)"
CODES: Final = "RFC 5321 §§ 4.2.2, 4.2.3; RFC 7504; RFC 4954"
