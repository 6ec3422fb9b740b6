"""Mail that a program sends for a person: auto-replies, read receipts, challenges. Never a bounce."""

from typing import Final

import re2

from edge.returns.mime import Headers
from edge.returns.report import Kind

SOURCE: Final = "RFC 3834 §§ 2, 3.1.7, 5"

_AWAY = re2.compile(
    r"(?i)"
    r"out[ -]of[ -](?:the[ -])?(?:office|town)|^\W{0,3}(?:auto(?:matic|mated)?[ -]?(?:re(?:ply|sponse)|answer|respond)|auto:)|auto-?repl(?:y|ied)|"
    r"autom?atic reply|automated (?:reply|response)|on vacation|vacation (?:reply|response|notice|message|auto)|"
    r"^\W{0,3}away (?:from|message|notification)|(?:is|am|i'm) (?:currently )?(?:away|out of|on (?:leave|holiday|vacation))|on (?:annual |maternity |parental )?leave\b|"
    r"holiday (?:notice|reply)|abwesenheit|automatische (?:antwort|r.ckantwort)|nicht im (?:b.ro|haus)|"
    r"r.ponse automatique|absen(?:t|ce) du bureau|message d'absence|en cong|respuesta autom|fuera de (?:la )?oficina|"
    r"risposta automatica|fuori (?:sede|ufficio)|resposta autom|aus.ncia|automatisch antwoord|afwezig|"
    r"autosvar|frånvar|automaattinen|automatyczna odpowied|poza biurem|automatick. odpov|otomatik (?:yan|cevap)|"
    r"автоответ|автоматический ответ|вне офиса|нет на рабочем месте|自動(?:応答|返信|送信)|不在(?:通知|のお知らせ|応答)|自动(?:回复|答复)|自動(?:回覆|回復)|"
    r"부재중|자동 ?(?:응답|회신)|thank you for (?:contacting|your (?:e-?mail|message|enquiry|inquiry))|we (?:have )?received your (?:e-?mail|message|request)|ticket (?:#|id|received|created)|\[ticket|case (?:#|number)",
)
_CHALLENGE = re2.compile(
    r"(?i)"
    r"(?:please )?(?:confirm|verify) (?:your|that you|you are|the|delivery)[^\n]{0,60}(?:message|mail|e-?mail|human|sender|address|delivery|request)|"
    r"verification (?:required|request|needed)|requires? (?:your )?(?:confirmation|verification|approval)|challenge[- ]response|"
    r"spam ?arrest|boxbe|mailblocks|earthlink spamblocker|spamblocker|sender verification|tmda|\[?action required\]?[^\n]{0,60}(?:messag|deliver|e-?mail)|"
    r"(?:unknown|unrecognized|new) sender[^\n]{0,30}(?:verif|confirm)|antispam (?:uol|question)|uol antispam|bestätigen sie (?:ihre|dass)|confirm(?:ez|ation) (?:votre|de votre)[^\n]{0,30}(?:message|envoi|mail)|"
    r"your (?:message|e-?mail) (?:is (?:being )?(?:held|waiting|awaiting)|awaits|has been (?:held|quarantined))",
)
_DAEMON = re2.compile(
    r"(?i)"
    r"mailer-?daemon|mail[ -]?delivery|postmaster|maildelivery|<>|^\s*$|mail administrator|mail[ _-]?router|mmdf|"
    r"delivery[- ](?:subsystem|system|agent|status)|mdaemon|majordomo-bounce|mailmaster|bounces?@|"
    r"system administrator|systemadministrator|administrateur syst|microsoft outlook|microsoftexchange|email delivery|"
    r"undeliver|non-?delivery|postmeister|noreply-maildelivery|mail system|mail server|dienst für",
)


def from_daemon(headers: Headers) -> bool:
    """Whether the mail's author is a mail system."""
    return bool(_DAEMON.search(headers.get("from"))) or null_path(headers)


def null_path(headers: Headers) -> bool:
    """Whether the envelope's sender was empty, where the header tells it (RFC 5321 § 4.5.5)."""
    return headers.has("return-path") and headers.get("return-path").strip() in {"<>", ""}


def kind_of(headers: Headers, *, daemon: bool, report: str = "") -> tuple[Kind, str] | None:
    """An auto-reply, a receipt or a challenge, and the sign that says so; None for none of them.

    ``report`` is the report-type of a multipart/report. RFC 3834 § 5: Auto-Submitted says
    auto-replied; before it Precedence: auto_reply, X-Autoreply and the like.
    """
    subject = headers.get("subject")
    if report == "disposition-notification":
        return Kind.READ_RECEIPT, "disposition-notification (RFC 8098)"
    if _CHALLENGE.search(subject) or headers.has("x-boxbe-response") or headers.has("x-spamarrest"):
        return Kind.CHALLENGE, subject[:80]
    submitted = headers.get("auto-submitted").lower()
    for name in (
        "x-autoreply",
        "x-autorespond",
        "x-autoresponder",
        "x-auto-reply",
        "x-vacation",
        "x-mail-autoreply",
        "x-autoreply-from",
        "x-autoreply-domain",
    ):
        value = headers.get(name).lower()
        if headers.has(name) and value not in {"no", "false", "0"}:
            return Kind.AUTO_REPLY, name
    if headers.get("precedence").lower() in {"auto_reply", "auto-reply", "autoreply"}:
        return Kind.AUTO_REPLY, "precedence: auto_reply"
    if "vacation" in submitted or (
        headers.get("x-auto-response-suppress") and _AWAY.search(subject)
    ):
        return Kind.AUTO_REPLY, "auto-submitted"
    if _AWAY.search(subject):
        return Kind.AUTO_REPLY, subject[:80]
    if submitted.startswith("auto-replied") and not daemon:
        return Kind.AUTO_REPLY, "auto-submitted: auto-replied"
    return None
