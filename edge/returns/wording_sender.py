"""Wordings about the sending side and the message, though they may name a mailbox or a domain."""

from typing import Final

from edge.returns.reasons import Reason
from edge.returns.rules import rule

RULES: Final = (
    rule(
        "sender-address",
        Reason.REJECTED,
        "Postfix postconf(5) reject_unknown_sender_domain, reject_sender_login_mismatch; Exim specification ch. 44 (sender verification); Sendmail cf/README; qmail-smtpd(8) badmailfrom",
        r"""
        sender (e?-?mail )?(address )?(rejected|verif|unknown|is invalid|invalid|not (allowed|valid|accepted)|denied|refused|blocked|is not)
        (unknown|invalid|bad|unacceptable|unresolvable|unauthenticated|unqualified|fake|forged) (mail )?(envelope )?sender
        domain of sender|sender('s)? domain (must|does not|doesn't|not|is|has|could)|sender domain
        (could not|cannot|can't|unable to|failed to) verify (the |your )?(sender|return path|envelope from)
        (invalid|bad|illegal|malformed) (mail from|return path|reverse path|envelope from|from address)
        mail from:? ?(address|command|domain|header)[^.;]{0,40}(rejected|not allowed|not exist|does not|doesn't|is not|must)
        your (envelope sender|sender address|return address|from address|envelope) [^.;]{0,60}(not|in my badmailfrom|denied|rejected|invalid|list)
        badmailfrom|bad_mail_from|senders? domain must exist
        sending (address|domain) (is )?(rejected|not accepted|not allowed|blocked)|blocked sender
        (not|isn't|never) accept(ing|ed)? (e?-?mail|messages?) from (this|that|your|the) (sender|domain|address|return)
        we (do not|don't|will not|won't) accept (mail|e-?mail|messages?) from (your|this|that) (domain|sender|address)
        mail from [^ ]{1,100} (not allowed|rejected|denied|prohibited|is not allowed|not accepted)
        (message|mail) (was )?rejected because the (return address|sender|envelope|mail server did not answer the sender)
        (domain|host) (in|of) (the |your )?(sender|from|e-?mail address|mail from)|(host|domain) not found for your|sender address has null mx|(mail|e-?mail|messages?) from (this|that|your|the) (sender|address|domain)( [^ ]{1,80})? (is |are |was |has been )?(not |denied|rejected|refused|blocked|prohibited)
        null sender is not (allowed|accepted)|(empty|null) (envelope )?sender[^.;]{0,30}(not|denied|rejected|refuse)
        sender not (pre-?approved|authorized|authenticated in|found|accepted)|(has|have) not been approved as a sender
        spoofed?[- ](sender|mail|e?-?mail|address)|(sender|from)( address)? (is )?spoof|not allowed to send (as|from)|send as denied|sendasdenied
        can'?t determine (purported responsible|sender)|(return|reply) address (is )?(invalid|rejected|not)
        backscatter[^.;]{0,40}(reject|block)|(absender|sender)(adresse)? (abgelehnt|unbekannt|nicht akzeptiert)
        address of the sender|adresse de l'exp.diteur (rejet|refus)|exp.diteur (inconnu|rejet|refus)
        remitente (rechazado|desconocido|no v.lido)
        user [^ ]{1,100} is not authorized to send|rejected due to sending domain|(account|domain) is not allowed to send
        """,
    ),
    rule(
        "helo-name",
        Reason.BLOCKED,
        "Postfix postconf(5) smtpd_helo_restrictions; Exim helo_verify_hosts; RFC 5321 § 4.1.4",
        r"""
        helo command rejected|(invalid|bad|bogus|forged|unacceptable|illegal) (helo|ehlo)|need fully-qualified hostname
        (helo|ehlo)( name| host| argument)? [^.;]{0,60}(does not|doesn't|not|must|is invalid|rejected|mismatch|denied)
        your (helo|ehlo)|(helo|ehlo) (verification|check)
        """,
    ),
    rule(
        "relay",
        Reason.RELAY_DENIED,
        "Postfix, Sendmail (cf/README FEATURE access_db), Exim and qmail-smtpd sources; Exchange NDR 5.7.54, 5.7.64; Gmail SMTP errors 5.7.1",
        r"""
        relay(ing)? (access |mail |e-?mail |operation |attempt )?(was |is |has been |to [^ ]{1,80} |from [^ ]{1,80} |for [^ ]{1,80} |<[^>]{1,100}> )?(denied|not permitted|not allowed|prohibited|refused|rejected|forbidden|disallowed|restricted|not authorized|blocked|disabled)
        (unable|not permitted|not allowed|refus\w+|not authori[sz]ed|not configured|cannot|can't|won't|will not|do(es)? not|don't|not) (to )?relay
        credentials for relay|allowed rcpthosts|list of allowed|we do not relay|no relay(ing)?\b|relay(ing)? (is )?not|insecure mail relay
        \brelay (not|denied|access|prohibited|from|attempt|restriction)|relayingdenied|relay_denied|nothing to relay|open relay
        (domain|host) (is )?not (hosted|handled|local|served|serviced|accepted|a local|found locally|in my list|here)|not a local domain|non-?local (recipient|domain)
        (not|isn't|is not) (a |one of )?(our|my|the) (local )?(relay )?domains?|do(es)? not (host|handle|serve)( mail for)?( this)? (domain|that)
        (domain|recipient) isn'?t in my list|isn'?t allowed to be relayed|that domain isn'?t|sorry, that domain|mail to this domain is not|not a gateway|not an? mx|not an? (open )?relay
        (authenticate|log ?in|authentication (is )?required|authorize|pop)[^.;]{0,40} (before|for|to) relay|must check for new mail (first|before)|pop before smtp|check (your )?mail first
        relais (refus|interdit|non)|(kein|nicht) (als )?relay|weiterleitung nicht (erlaubt|gestattet)|reenv.o (denegado|no permitido)|verify.your.(server|smtp).requires
        tenantattribution|mailbox not local|not permitted to relay|not our domain|unrouteable mail domain \(relay|recipient domain [^ ]{1,80} (is )?not (allowed|accepted)
        not a (recognized|known|valid) (mail )?(client|domain)|domain is not configured|sender ip (must|is not)|not permitted through this server
        mail server requires authentication when attempting to send to a non-local|(smtp|server) (requires|needs) auth
        """,
    ),
    rule(
        "reverse-dns",
        Reason.BLOCKED,
        "Postfix postconf(5) reject_unknown_client_hostname; Gmail SMTP errors 5.7.25; Comcast and AOL postmaster pages; RFC 1912 § 2.1",
        r"""
        cannot find your (reverse )?hostname|reverse[ -]?dns|\brdns\b|reverse lookup|reverse mapping|reverse name|reverse hostname
        (\bptr\b|pointer)( \(?reverse)?[^.;]{0,20} record|must have a ptr|no ptr |missing ptr|\bptr record|dns ptr|valid ptr|ptr (lookup|name|resource)
        (ip|client|host|server)( address)? (does not|doesn't|must) resolve|unresolvable (relay )?host|no reverse|without a reverse
        (domain|host)name? (of|for) (your|the) (ip|connecting)|ip name (lookup failed|possibly forged)|cannot resolve your (address|ip)
        client host rejected: (cannot find|no reverse|generic)|(dynamic|generic) (ip|hostname|ptr|rdns|address|host|pool)|dynamic/generic|looks like a dynamic
        fix reverse|temporarily rejected\. reverse dns|could not find[^.;]{0,30}hostname for|name or service not known for your|4\.7\.25
        """,
    ),
    rule(
        "authentication",
        Reason.AUTH_FAILURE,
        "RFC 7372; RFC 7489; Gmail SMTP errors 5.7.26, 5.7.27, 5.7.30; Outlook 5.7.509, 5.7.515; Yahoo SMTP error codes; RFC 4954",
        r"""
        \bdmarc\b|\bdkim\b|\bspf\b|sender policy framework|openspf|\barc\b (seal|fail|chain)|sender ?id (check|test|verification|\(pra\))
        unauthenticated|required authentication level|not authenticated\b|authentication (checks?|credentials|required|failed|failure|unsuccessful|is required|information|results)
        domain ?keys|authentication-?results|fails? authentication|failed authentication|does not pass (the )?authentication|auth(entication)? (error|mechanism)
        (username|user name|login|password)[^.;]{0,20} (not accepted|incorrect|invalid|wrong|rejected)|bad (username|user name|password|login|credentials)|invalid (login|credentials|password)
        must (issue|use) (a )?(starttls|authentication|smtp auth|auth)|please (log ?in|authenticate)|requires? authentication|need to authenticate|smtp auth(entication)?
        not (designated|permitted|allowed|authori[sz]ed) (to send|to use|as|a) [^.;]{0,30}(for|from|of|this|the|domain|sender)[^.;]{0,60}(domain|mail|ip|sender)
        does not designate|designated mailer|not a permitted sender|publishes? (a )?policy|alignment (failed|failure|check)|authenticit
        """,
    ),
    rule(
        "sender-domain",
        Reason.REJECTED,
        "Sendmail cf/README; Exim sender_verify",
        r"""
        your (e-?mail |sending |sender )?domain( [^ ]{1,80})? (is |was |has |does |do |cannot |could )*(not|doesn't|unknown|rejected|blocked|invalid|denied)
        """,
    ),
    rule(
        "virus",
        Reason.VIRUS,
        "Exim specification ch. 45 (malware); Gmail SMTP errors 5.7.0; ClamAV and amavisd-new replies; Mimecast 554 codes",
        r"""
        \bvirus|malware|infected|trojan|\bworm\b|phish(ing)? (url|link|attack|message|content|attempt)|ransomware|malicious|potential security issue|security (issue|threat|problem)|\beicar\b
        contains? (a )?(dangerous|harmful|suspicious|executable)|(clamav|sophos|bitdefender|kaspersky)[^.;]{0,40}(found|detected|reject)|heuristics\.|javascript attachment
        contenu (malveillant|dangereux)|schadsoftware|\bvirenscan|viren(befall|gefunden)|v.rus (detectado|encontrado)
        """,
    ),
    rule(
        "too-big",
        Reason.TOO_BIG,
        "RFC 1870; RFC 3463 X.2.3, X.3.4; qmail-smtpd(8) databytes; Exchange NDR 5.2.3, 5.3.4; Exim message_size_limit",
        r"""
        (message|mail|e-?mail|header|attachment|data|file|body) (header )?(content |file |body )?(size|length)\b[^.;]{0,40}(exceed|limit|too|larger|big|over|maximum|greater|violat|than)
        exceed(s|ed|ing)? (the |our |your |my |a |an |this |maximum |fixed |allowed |recipient's |server'?s? |administrative |configured |global |local |remote |system |per-message )*(size|message size|maximum size|size limit|length|limit of \d+ ?(kb|mb|bytes|k|m)|message length|databytes|maximum message|max message|file size|attachment)
        (message|mail|e-?mail|attachments?|file)s?( (is|was|are|of|you sent|that you sent|has been|file|length|size|data|sent))*( way| far| much)? too (large|big|long)\b|too (large|big) (for|a |message|e-?mail|mail)|toolarge|(^|[.;:] ?)too (large|big)
        (message|mail|file|attachment|fixed|imposed|server|maximum|exceeds|exceeded|the|your|our|allowed) size limit|limit of size|max(imum)? (message |mail )?size|message size|databytes|RecipSizeLimit|SendSizeLimit|larger than (the|allowed|\d)|over(sized)? message|message (is )?over[- ]?(size|large)
        (größe|groesse|grösse) der nachricht|nachricht ist zu gro|zu groß|zu gross|trop (gros|volumineux|grand)|taille (maximale|du message|limite)|demasiado grande|tama.o m.ximo|muito grande|слишком (большо|велик)|troppo grande|メール(の)?サイズ|サイズが(大き|超)|超过.{0,6}(大小|限制)|邮件太大|too large to be sent
        bytes? (exceeds|limit|maximum)|\d+ ?(kb|mb|bytes) (is |was )?(over|exceeds|larger)|size of message
        """,
    ),
    rule(
        "null-mx",
        Reason.NOT_ACCEPTING,
        "RFC 7504 (521, 556); RFC 7505 (null MX); Postfix 3.0 release notes",
        r"""
        null ?mx|\bmx\b[^.;]{0,40}\bnull\b|domain (service )?not found or does not accept|(host|domain|server|site|system)[^.;]{0,60} (does not|doesn't|do not|don't|never|no longer|is not) accept(s|ing)? (any |incoming |inbound )?(e-?)?mails?\b
        recipient domain (does not|doesn't) accept|(does not|doesn't|never) accepts? (any )?(e-?)?mail\b
        no mail (service|accepted|server) (here|for this|at this|on this)|is not accepting (any )?(mail|messages|e-?mail)( from anyone)?\.?$|name server: [^ ]{1,80}: host not found or does not accept
        (mailbox|account|address|user|recipient|alias)[^.;]{0,30} (does not|doesn't|do not) accept (any |incoming |external )?(e-?)?(mail|messages)|no(t)? (accept|receiv)\w* (any )?(mail|messages) (at|on|for) this (address|host|domain|mailbox|account)
        this (address|mailbox|account)[^.;]{0,30} (does|can) ?not (be used to )?(receive|accept|read)|send-?only|outgoing mail only|no-?reply (address|mailbox)|unmonitored (mailbox|address)|not (being )?monitored|this (address|mailbox|account) is (no longer|not) (accepting|monitored|read|able to receive) (mail|messages|e-?mail)
        """,
    ),
)
