"""Signs of the programs that wrote their bounces for people: before RFC 3464, and beside it.

A format is known by words that only it uses; most of what then follows is alike everywhere (an
address, and below or beside it the reason), and is read in one way (:mod:`edge.returns.notices`).
"""

from functools import cache
from typing import Any, Final

import msgspec
import re2


class Format(msgspec.Struct, frozen=True):
    """A program's notice: its name, a sign in its text or its header, who documents it."""

    name: str
    sign: str
    source: str


def _format(name: str, source: str, sign: str) -> Format:
    return Format(name, sign, source)


# In order: a sign that others copy stands behind theirs.
FORMATS: Final = (
    _format(
        "james",
        "Apache James source, DSNBounce and Bounce mailets",
        r"this is the james mail server",
    ),
    _format(
        "yahoo",
        "Yahoo Mail bounce texts",
        r"sorry, we were unable to deliver your message to the following address|we're sorry\. there's a problem with the e-?mail address|unable to deliver message to the following address(?:\(es\))?",
    ),
    _format(
        "opensmtpd",
        "OpenSMTPD source, bounce.c",
        r"this is the mailer-daemon, please do not reply|an error has occurred while attempting to deliver a message for",
    ),
    _format("mmdf", "MMDF, deliver(8)", r"your message begins as follows|\(queue: smtp\)"),
    _format(
        "postfix",
        "Postfix bounce(5)",
        r"this is the (?:mail system|postfix program) at host|i'm sorry to have to inform you that (?:the|your) message|the mail system\s|your message could not be delivered to one or more recipients|delayed mail \(still being retried\)",
    ),
    _format(
        "qmail",
        "qmail-send(8), bounce message format (QSBMF)",
        r"this is the (?:qmail-send|mta|mail delivery|mail transfer|\S{1,40}) program at|hi\. (?:this is|the mta|the mail)|i'm afraid i (?:wasn't|couldn't)|i tried to deliver a bounce message to this address|this is a permanent error; i've given up",
    ),
    _format(
        "gmx-1und1",
        "GMX, WEB.DE and 1&1 bounce texts",
        r"smtp error from remote server (?:after|for|in)|a message that you sent could not be delivered to (?:one or more|some) of its recipients\.\s+(?:the following address|this is a permanent error)[^\n]{0,80}\s+\"?<?\S+@\S+\"?>?:|diese nachricht wurde automatisch (?:erzeugt|generiert)",
    ),
    _format("zoho", "Zoho Mail bounce texts", r"error_code ?:|zoho mail"),
    _format(
        "exim",
        "Exim specification ch. 48 (bounce messages)",
        r"this message was created automatically by (?:the )?mail delivery (?:software|system)|a message that you (?:sent|have sent) (?:could not|has not|contained no|to the following)|message has not been delivered to all of its recipients after more than",
    ),
    _format(
        "gmail",
        "Gmail delivery notices",
        r"the group you tried to contact|delivery to the following recipients? (?:failed|has been delayed)|technical details of (?:permanent|temporary) failure|this is an automatically generated delivery status notification|message (?:blocked|not delivered|wasn't delivered)\s|your message (?:wasn't|couldn't be|to \S+ has been) (?:delivered|blocked)",
    ),
    _format(
        "sendmail",
        "Sendmail source, savemail.c",
        r"the following addresses had (?:permanent|transient|delivery)|transcript of session follows|the original message was received at|this message was undelivered due to|returned mail: (?:user|host|see|service|unable|data|local|return)",
    ),
    _format(
        "exchange",
        "Exchange NDR texts; MS Learn: NDRs in Exchange Online and Server",
        r"resolver\.adr|\n ?#[45]\d\d [45]\.\d\.\d|did not reach the following recipient|delivery has failed to these recipients|diagnostic information for administrators|the following recipient\(s\) (?:could not|cannot) be reached|generating server:|your message (?:to \S+ )?couldn't be delivered|msexch:|fehler bei der nachrichtenzustellung|chec de la remise|diagnosegegevens|diagnoseinformationen|informations? de diagnostic|información de diagnóstico|技術的な詳細|管理者向け診断|管理员诊断",
    ),
    _format(
        "domino",
        "HCL (IBM) Domino, Delivery Failure Report",
        r"delivery failure report|-- failure reasons|was not delivered to:|failed to deliver to|user .{1,80} not listed in (?:public|domino)|zustellbericht|wurde nicht zugestellt weil",
    ),
    _format(
        "groupwise",
        "Novell GroupWise GWIA",
        r"the message that you sent was undeliverable to the following|groupwise",
    ),
    _format(
        "imail",
        "Ipswitch IMail SMTP32",
        r"unknown user: ?\S+@|user mailbox exceeds allowed size|undeliverable (?:mail|to)\s|invalid final delivery user|unknown host: ?\S+@",
    ),
    _format(
        "mailenable",
        "MailEnable postoffice notices",
        r"message could not be delivered to some recipients|the following recipient\(s\) could not be reached|mailenable",
    ),
    _format(
        "mdaemon",
        "MDaemon, Permanent Delivery Failure",
        r"the attached message had (?:permanent|transient) (?:fatal|non-fatal) delivery errors|session transcript:|mdaemon|could not be delivered within",
    ),
    _format(
        "mercury",
        "Mercury/32 notices",
        r"errors occurred while your message|one or more addresses in your message have failed",
    ),
    _format(
        "courier",
        "Courier, courierdsn(8)",
        r"this is a delivery status notification from|unable to deliver your message to the following|your message (?:which was created|has not been delivered)|the courier mail server at",
    ),
    _format(
        "messaging-server",
        "Oracle Messaging Server, notification messages",
        r"this report relates to a message you sent|your message cannot be delivered to the following recipients|recipient address: \S+",
    ),
    _format(
        "intermail",
        "Openwave InterMail notices",
        r"your message has encountered delivery problems|this message was undeliverable due to the following reason|your message was not delivered (?:because|to)|message from (?:yahoo|intermail|inter7)",
    ),
    _format(
        "aol",
        "AOL MTA notices",
        r"your mail to the following recipients could not be delivered|not accepting mail from|member's mailbox is full",
    ),
    _format(
        "mcafee",
        "McAfee WebShield, InterScan notices",
        r"the following addresses? had delivery problems|sent <<<|received <<<|sent >>>|message from interscan",
    ),
    _format(
        "surfcontrol",
        "SurfControl, Websense notices",
        r"your message could not be sent|\ba problem occurred when delivering|failed rcpt to",
    ),
    _format(
        "barracuda", "Barracuda Spam Firewall notices", r"\*\*message you sent blocked|barracuda"
    ),
    _format(
        "mimecast",
        "Mimecast bounce texts",
        r"mimecast|the message that you sent was rejected|delivery to the following recipients was aborted after",
    ),
    _format("proofpoint", "Proofpoint notices", r"proofpoint|pphosted"),
    _format(
        "symantec",
        "MessageLabs notices",
        r"messagelabs|symantec|mail delivery error\s+this report relates",
    ),
    _format(
        "netease",
        "163, 126 and QQ Mail notices",
        r"很抱歉|抱歉，您的|退信|原因[:：]|收件人|您的邮件|无法投递|无法发送|coremail|來信|無法寄達|寄送失敗",
    ),
    _format(
        "mailru",
        "Mail.ru and Yandex notices",
        r"это письмо создано автоматически|это сообщение создано|ваше (?:письмо|сообщение) не|не может быть доставлено|письмо не доставлено|адресат",
    ),
    _format(
        "japanese",
        "Notices of Japanese mobile and other providers (KDDI, NTT, biglobe)",
        r"以下のメール|メールは送信|お送りした|送信先|could not be delivered to mobile|your mail sent on:?|お届け",
    ),
    _format(
        "verizon",
        "Verizon Wireless, vtext notices",
        r"message could not be delivered to mobile|error: \"?invalid user|undelivered message",
    ),
    _format(
        "german",
        "Notices in German",
        r"konnte nicht (?:zugestellt|ausgeliefert|übermittelt|uebermittelt)|unzustellbar|nicht zustellbar|nachricht (?:konnte|wurde)",
    ),
    _format(
        "french",
        "Notices in French",
        r"n'a (?:pas )?pu (?:être|etre) (?:d[ée]livr|remis|distribu|achemin)|non remis|message non d[ée]livr|impossible de (?:remettre|d[ée]livrer)",
    ),
    _format(
        "spanish",
        "Notices in Spanish and Portuguese",
        r"no (?:pudo|ha podido) ser entregad|no se pudo entregar|mensaje no entregado|n[ãa]o (?:foi|p[oô]de) (?:ser )?(?:possível|entreg)",
    ),
    _format(
        "languages",
        "Notices of Exchange and others in many languages",
        r"ihre nachricht (?:hat|ist|konnte|wurde)|fehler bei der (?:nachrichten)?zustellung|folgende(?:n|r)? empf|chec de la remise|remise (?:a échoué|à ces destinataires)|n'a pas pu être remis|n'a pas été remis|error de entrega|no (?:se pudo|llegó)|no se ha podido entregar|recapito non riuscito|non (?:è|e') stato (?:possibile )?recapit|falha na entrega|não pôde ser entregue|не удалось доставить|доставка (?:следующим|не)|получателям|配信(?:が|でき|不能)|次の受信者|宛先|无法(?:传递|送达|投递|将)|傳遞|전달(?:하지|되지|할)|배달|bezorging (?:aan|is)",
    ),
    _format(
        "other",
        "Wordings that many programs share",
        r"(?:could not|cannot|can't|couldn't|was not|wasn't|not|unable to|failed to|has not been|un)[- ]?(?:be )?(?:successfully )?(?:deliver|sent|reach|process|transmit)|deliver(?:y|ed)[^\n]{0,40}(?:fail|error|problem|impossible|refus|abort|unsuccess|delay)|undeliver|returned (?:mail|to sender|message)|bounce|rejected|permanent (?:error|failure|fatal)|following (?:address|recipient|user|error)|failed (?:recipient|address)|user unknown|mailbox (?:full|unavailable|not found)|over quota|no such user|nicht erreich|non deliverable|недостав|не был доставлен|niedostarcz|niet (?:worden )?(?:bezorgd|afgeleverd)|kunde inte|inte (?:levereras|skickas)|ei voitu|ei voida|doručen|nie (?:została|mo[żz]na|mo[żz]e|mog[łl]a?)|kan ikke|kunne ikke|nem (?:lehet|sikerült|kézbes)|gönderilemedi|iletilemedi|teslim edilemedi|δεν (?:ήταν|μπορ|παραδ)|לא (?:ניתן|נמסר)|لم يتم|تعذر|non (?:consegnat|recapitat|è stato)|nicht (?:möglich|ausliefer)",
    ),
)

UNKNOWN: Final = Format(
    "unknown", r"[45]\d\d[ -]", "RFC 5321 § 4.2, RFC 3463: a server's reply is quoted"
)
"""A notice of no known words, in which a server is quoted."""

SUBJECT: Final = re2.compile(
    r"(?i)"
    r"undeliver|un-?deliverable|delivery (?:status|fail|report|problem|error|notif|has|attempt|incomplete|delay|unsuccess|warning|to )|returned (?:mail|e-?mail|message|to sender)|return(?:ed)?: |"
    r"failure (?:notice|notification|delivery|report)|mail (?:delivery|system|error|could not|not delivered|failure|returned|undeliver)|non-?delivery|not delivered|deliver(?:y|ed)? (?:failed|failure)|failed(?: mail|: | delivery| to deliver|$)|"
    r"^(?:warning|alert|error|rejected|bounce|ndn|ndr|failure|fehler|delayed)\b|could ?n[o']t be (?:delivered|sent)|could not (?:be deliver|send|deliver)|message (?:not|undeliver|delivery|delayed|you sent|status|returned|could|error|rejected|blocked)|"
    r"unable to deliver|nondeliverable|not deliverable|cannot be delivered|delivery has failed|user unknown|mailbox (?:full|unavailable)|error (?:delivering|sending|mail|condition)|problem delivering|email (?:error|address|could not|undeliver|delivery|not|bounce)|address (?:unknown|not|change)|host unknown|invalid (?:user|recipient|address)|rejected mail|recipient (?:unknown|not)|"
    r"unzustellbar|nicht (?:zustellbar|zugestellt|übermittelt|ausgeliefert)|zustell|fehlgeschlagen|sendebericht|nachrichtenübermittlung|remise|non remis|non d[ée]livr|[ée]chec|retourn|notification d'[ée]tat|"
    r"no (?:se (?:pudo|puede|ha podido) entregar|entregado|entregable)|devuelto|devolvido|error de entrega|entrega|fall[oó]|não entreg|n[aã]o (?:foi|p[oô]de)|mancat[ao] (?:recapito|consegna)|non recapitabile|impossibile|recapito|"
    r"недостав|не (?:был[ао]?|может быть) доставлен|не доставлен|ошибка|сбой|доставк|возврат|невозможно|niedostarcz|nie (?:można|dostarczon|został)|zwrot|niet (?:bezorgd|bestelbaar|geleverd)|onbestelbaar|kunde inte|ej levererat|kan ikke|ulever|toimittam|doruč|teslim|iletilemedi|"
    r"配信|配送|配達|送信(?:エラー|失敗|でき)|エラー|不達|お届け|戻り|退信|退件|退回|投递|无法|無法|失败|失敗|未送达|未送達|반송|전송 ?실패|배달|실패|כשל|تعذر|فشل",
)
"""Subjects of bounces in the languages of the servers that write them."""

DELAYED: Final = re2.compile(
    r"(?i)"
    r"warning message only|still being retried|will (?:continue|keep) (?:to try|trying|to attempt)|not (?:yet )?been delivered (?:yet|to all)|has not yet been delivered|no action is required|do(?:es)? not need to resend|you do not need to|delivery (?:status notification \(delay\)|is delayed|has been delayed|incomplete|delayed)|"
    r"could not send message for (?:past|the last)|temporar(?:y|ily) (?:problem|delayed|non-fatal)|is delayed|will be retried|we'll keep trying|will try again|transient non-fatal|message delayed|delayed mail|(?:zustellung|nachricht) verzögert|noch nicht zugestellt|versuche? (?:werden )?fortgesetzt|remise (?:du message )?(?:retard|différée)|se ha retrasado|demorad|retrasad|задерж|遅延|遅れ|延迟",
)
"""Notices about what is not yet given up."""


FINAL: Final = re2.compile(
    r"(?i)permanent(?:ly)? (?:error|failure|fail|fatal)|failed permanently|returned to sender|g[ai]v(?:e|ing|en) up"
    r"|no (?:further|more) (?:delivery )?attempts|will not (?:be retried|continue|keep)|not going to try again"
)
"""Notices about what is given up, though they may speak of trying too."""


@cache
def _set() -> Any:
    """All signs, compiled when first asked."""
    options = re2.Options()
    options.case_sensitive = False
    options.max_mem = 128 << 20
    options.log_errors = False
    found = re2.Set.SearchSet(options)
    for one in FORMATS:
        found.Add(one.sign)
    found.Compile()
    return found


MOST_SIGN: Final = 16_000
"""Characters in which a sign is looked for: a program introduces itself at the beginning."""


def recognised(text: str) -> Format | None:
    """The first format whose sign stands in the text; one pass over all signs."""
    cut = text[:MOST_SIGN].encode("utf-8", "replace").decode("utf-8")
    found = _set().Match(cut) or ()
    return FORMATS[min(found)] if found else None
