"""Wordings of reputation, of policy and of what looks at the message itself."""

from typing import Final

from edge.returns.reasons import Reason
from edge.returns.rules import rule

FIRST: Final = (
    rule(
        "blocked-address",
        Reason.BLOCKED,
        "Gmail SMTP errors 5.7.1; Outlook 5.7.606",
        r"""
        ip address( [^ ]{3,45})? (is|has been|was) (blocked|banned|blacklisted)|access denied, banned (sending ip|sender)
        """,
    ),
    rule(
        "server-temporarily",
        Reason.SYSTEM,
        "Gmail SMTP errors 4.3.0",
        r"""
        mail server temporarily rejected message|temporary lookup failure|unknown mailer error|database is corrupt
        """,
    ),
    rule(
        "host-not-found-for-now",
        Reason.NETWORK,
        "Postfix smtp(8): a temporary failure of DNS",
        r"""
        host not found, try again
        """,
    ),
    rule(
        "expired-surely",
        Reason.EXPIRED,
        "RFC 3463 X.4.7",
        r"""
        delivery time (has )?expired|message (has )?expired|queue\.expired
        """,
    ),
    rule(
        "storage-of-system",
        Reason.SYSTEM_FULL,
        "RFC 3463 X.3.1; RFC 5321 § 4.2.3 (452)",
        r"""
        insufficient disk space|insufficient system (storage|resources)|mail system full
        """,
    ),
    rule(
        "transport-error",
        Reason.MAILER,
        "Postfix: a transport that master(5) does not know",
        r"""
        unknown mail transport error
        """,
    ),
    rule(
        "client-denied",
        Reason.BLOCKED,
        "Cloudmark and IronPort gateways; Mail.ru; Exchange Online 4.7.550",
        r"""
        mail from \[?[0-9a-f.:]{3,45}\]? (is |was )?(rejected|refused|denied|blocked)|not allowed to connect|rejected by reputation|denied \[client|your access to (submit messages to )?this (e-?mail|mail) system (has been|was)|too many spams? from your ip|sender ip on list
        """,
    ),
    rule(
        "spam-url",
        Reason.SPAM,
        "SURBL and URIBL; 163 DT:SPM",
        r"""
        (contains?|contained|include)[^.;]{0,30} (url|link|uri|domain)s?[^.;]{0,40} (list|block|uribl|surbl)|dt:spm|virus or spam|spam or virus
        """,
    ),
    rule(
        "blocked-by-recipient",
        Reason.FILTERED,
        "Facebook RCP-P3; Exchange NDR 5.7.1",
        r"""
        (recipient|user|account|mailbox owner) has blocked|(does|do) not accept (e-?)?mail from (you|this sender|the sender|your address)\b|rcp-p3
        """,
    ),
    rule(
        "not-from-there",
        Reason.BLOCKED,
        "Postfix access(5); Exim ACL texts; Comcast and T-Online pages",
        r"""
        (does not|doesn't|do not|don't|not|never|no longer) accept(s|ing)? (any |incoming |inbound )?(e-?mails?|mails?|messages|connections) (directly )?from
        \bip( address)?( [0-9a-f.:]{3,45})? (is |was |has been )?(not (found|registered|valid|known|allowed|authori[sz]ed|listed|permitted)|unknown|invalid|removed)
        """,
    ),
    rule(
        "verizon-blocked",
        Reason.BLOCKED,
        "Verizon Online 571",
        r"""
        e?mail from \[?[0-9a-f.:]{3,45}\]? is (currently )?blocked
        """,
    ),
    rule(
        "spam-detected",
        Reason.SPAM,
        "SpamAssassin and amavisd-new replies",
        r"""
        (identified|rejected|classified|detected|marked|flagged|considered|recogni[sz]ed) as (a )?(spam|junk|unsolicited)
        """,
    ),
    rule(
        "header-syntax",
        Reason.MAILER,
        "Exim verify = header_syntax",
        r"""
        header not valid syntax
        """,
    ),
)
"""Exact texts that other rules would misread; they go before all others."""

RULES: Final = (
    rule(
        "rate",
        Reason.RATE_LIMITED,
        "Gmail SMTP errors 4.7.28; Yahoo TSS04; Outlook RP-001 to RP-003; Comcast RL000001 to RL000003; Orange OFR; Postfix anvil(8); Exim smtp_ratelimit",
        r"""
        unusual rate of[^.;]{0,60}(temporarily|rate limited|originating from your ip address\.?( please|$))|rate[- ]limit|ratelimit|throttl|\btss0[45]\b|\brp-00\d|message temporarily deferred|\brl0000|try again later, closing|has been (temporarily )?rate limited|4\.7\.28
        maximum (smtp |number of |concurrent )*(sessions?|connections?)|too many (concurrent|simultaneous|connections?|recipients?|messages?|sessions?|smtp|commands|invalid|bad|unknown|errors|mails|e-?mails|rcpt|hosts|requests|domains|open)|excessive (number|volume|connections?|rate)|(connection|concurrent|concurrency|session)s? (rate|limit|count|number|from)[^.;]{0,30} (exceed|limit|reached)|exceed(ed|s)?( the)? (maximum |allowed |max |number of )*(connections?|concurrent|message rate|sessions|rate)|(slow|slowing) down|slow down|unexpected volume|user complaints - 4|deferred due to (unexpected|excessive|user)|mail ?volume|reduce (your )?(rate|speed|volume)|over (the )?(rate|volume) limit|\bofr_?(10[0-9]|99\d)|\blpn(00)?\d|max(imum)? (connections|recipients|number of (connections|recipients|messages))|connection limit|domain .{0,60} has exceeded the max (emails|defers)|too frequent|so viele (verbindungen|empfänger)|trop de (connexions|destinataires|messages)|demasiad[oa]s (conexiones|mensajes|destinatarios)|слишком много|频率|发送过于频繁|連線.{0,6}過多|接続数
        """,
    ),
    rule(
        "blocked",
        Reason.BLOCKED,
        "Postfix reject_rbl_client; Outlook SC/OU/DY-001, S3140, S3150, 5.7.606 to 5.7.649, 5.7.511; Yahoo BL21 and TSS09; Proofpoint PDR and CSI; Cloudmark CSI; GMX; T-Online; Cisco SBRS; Barracuda; Trend Micro ERS; Spamhaus, SORBS, SpamCop, UCEPROTECT pages",
        r"""
        \b(block|black|deny)[- ]?list|\b(spamhaus|spamcop|sorbs|dnsbl|rbl|rbls|uceprotect|surbl|uribl|invaluement|barracudacentral|bl\.|cbl\.|zen\.|xbl|sbl\b|pbl\b|abuseat|senderbase|senderscore|njabl|mail-abuse|maps\b.{0,10}(rbl|dul)|dul\b|backscatterer|mailspike|manitu|rats-|lashback|cloudmark|trustedsource|talosintel|brightmail)|blocked using|blocked - see|\bip blocked|blocked by (your |our |the )?(ip|rbl|server|admin)|blacklisted|blocklisted
        \b(s3140|s3150|s3115|s775|s844|s776|s77719)\b|\b(sc|ou|dy)-00\d|\btss09|\btss11|\bbl0000|\bbl0\d\b|\bbl2[13]\b|\[bl\d\d?\]|\bnowl\b|ipcheck|black listed|no smtp service|\bpdr\d{4}|csi\.(proofpoint|cloudmark)|\bhvu:|\brly:|\bdyn:|\bcon:b\d|(b|c|d)l0000\d|5\.7\.(60[6-9]|6[1-4]\d)|spfbl|5\.7\.511|\bhme1\b.{0,0}
        (your|sending|sender'?s?|client|the|this|source|remote|connecting|mail|originating)( mail| smtp| sending| source| server| ip| client)* (ip|ip address|ip addresses|host|server|address|network|mta|domain|isp|relay|machine)( [^ ]{1,60})? (is |was |has been |have been |are |being |currently |temporarily |permanently )*(blocked|block|banned|blacklist|listed|rejected|denied|on our|in our|on a|refused|not allowed|poor|bad|low|barred|prohibited|deferred|restricted|untrusted|suspicious)
        (from|of) your ip address has been blocked|from your (ip|host|server|network|domain|address)[^.;]{0,60} (blocked|rejected|denied|refused|not accepted|banned)|(ip|host|client|connection|sender|address|server|network)[^.;]{0,30} (reputation|score)|(poor|bad|low|negative) (ip |domain |sender |email |mail )*(reputation|score)|reputation (too|is|of|filter|score|data)|\bbanned\b|banned (ip|sending|for)|^(smtp; )?([45]\d\d[ -])?([45]\.\d{1,3}\.\d{1,3} )?blocked\.?$
        (connection|access|session|transaction|client|client host|host|relay|server|smtp|mail|e-?mail|service)s? (from [^ ]{1,60} )?(was |is |has been |have been |to [^ ]{1,40} )*(blocked|refused|rejected|denied|dropped|not accepted|prohibited|restricted)( by| for| from| to| due to| because| \[|,| at)?( your| the| our| this| \[?\d+\.)|connections? (will )?not (be )?accept(ed)?|(refus|reject|den|block)(ing|ed|es|ied|e|y)( all| any| your| the)? (smtp )?(connections?|clients?|traffic|mail from (your|ip|\[?\d)|e-?mail from (your|ip|\[?\d)|messages from (your|ip|\[?\d))|not accept(ing)? (mail|e-?mail|messages|connections) from (\[?\d|your (ip|server|host|network|isp|mail server))|unfortunately, messages from|weren't sent\. please contact your internet
        all messages from [^ ]{1,60} will be permanently|part of their network is on|sender blocked|your (mail )?(server|ip|network|host)[^.;]{0,80} (list|block|reject)|client (host )?(ip )?(rejected|blocked|denied)|access from ip address|ip addr(ess)? [^ ]{3,45} (is|was|has|on|not)|client host \[?[0-9a-f.:]{3,45}\]? (rejected|blocked)|rejected\. see |in [a-z.]{0,20}(dnsbl|rbl)|http[^ ]{0,60}(blocked|lookup|delist|unblock|removal|query/ip|rbl|dnsbl|blacklist)|listed (in|on|by|at) |delist|abuse from|not (on|in) our (white|allow)list|mail server ip|dul list|dialup|residential (ip|address|customer)|open (proxy|relay)|a problem occurred\. \(?ask your postmaster|adresse ip .{0,40}(bloqu|liste)|ip-adresse .{0,40}(gesperrt|blockiert|geblockt)|ip .{0,30}(bloqueada|lista negra)|ваш\w* ip|ip被|黑名单|封禁|ブラックリスト|ブロック|拒绝.{0,8}ip
        """,
    ),
    rule(
        "spam",
        Reason.SPAM,
        "Gmail SMTP errors 5.7.1; Yandex, Mail.ru, QQ, 163, GMX, Comcast and Apple (CS01, HM08) pages; SpamAssassin, amavisd-new, Barracuda, Cisco IronPort, Mimecast and Exchange content filter replies",
        r"""
        \bspam\b|spam[- ]?(like|score|content|filter|message|mail|detect|check|assassin|trap|ness|rejected)|spammy|anti-?spam|unsolicited|junk ?(mail|e-?mail)?\b|\bu[cb]e\b|\bube\b|bulk (e-?mail|mail)|mass mail|suspicion of|mail content denied|considered (as )?(spam|unsolicited)|looks like (spam|unsolicited|a )|likely (unsolicited|spam|suspicious)|appears to be (spam|unsolicited|junk|un)|high probability of|bayes|rspamd|dspam|\bdcc\b|razor|pyzor|cloudmark|content (was )?rejected|blocked by (bulk|content|message|spam)|message content rejected|rejected (due to|by|because of|for) (the )?(spam|content|antispam|message content|suspicious)|suspicious (content|message|mail|url|link|due|activity)|message refused by|scored? (too high|\d|above)|exceeds? (the )?(spam|junk)|message (has been |was )?(blocked|quarantined) (by|due|because)[^.;]{0,30}(content|filter|spam)|(advertis\w+|marketing) (mail|message)|nous (avons )?d.tect|pourriel|ind.sirable|correo (no deseado|basura)|спам|垃圾|迷惑メール|スパム|스팸|werbe|(contains|contained|include)[^.;]{0,30}\b(url|link|domain)[^.;]{0,40}(list|block|blacklist|surbl)|denied by (content|spam)|unacceptable content|message (contains|contained) (unwanted|suspicious|prohibited|forbidden)|mxthunder|5\.7\.1 content
        """,
    ),
    rule(
        "greylisted",
        Reason.ON_HOLD,
        "RFC 6647; Postgrey; SQLgrey; Outlook 4.7.500; Exim; Mimecast; Symantec",
        r"""
        gr[ea]y-?\s?list|server (is )?(too )?busy|please come back later|please try later|please (try|retry|resend)( again| it)? (in|after)|try again (in|after) \d|come back (in|later)|temporarily (deferred|greylisted|delayed)|deferred (for|by|due to) (policy|greylist)|quarantin|held for|on hold|awaiting (approval|moderation|review)|pending (approval|review|moderation)|message (has been |is being )?held|retry (in \d|after)|you have been greylisted|first time sender|initial attempt|too (early|soon)|not yet (accepted|authorized)|spter|später (noch|erneut|wieder)|r.essayer plus tard|int.ntelo (m.s tarde|de nuevo)|повторите|попробуйте|请稍后|稍后再试|後で(もう|再)
        """,
    ),
    rule(
        "content",
        Reason.CONTENT,
        "Gmail SMTP errors 5.7.1 (RFC 5322); Postfix header_checks(5), mime_header_checks, strict_7bit_headers; RFC 3463 X.6; RFC 2045; Exim acl_smtp_mime; amavisd-new banned; Exchange 5.6.0, 5.6.1",
        r"""
        rfc ?5?[23]22( |-)?(compliant|compliance|format|violat)|not rfc|rfc[- ](compliant|compliance)|8-?bit (characters?|data|mime) (in|not|transfer)|improper use of 8-bit|\bmedia error|non-?ascii|conversion (required|not|failed|error|prohibited)|(invalid|bad|malformed|illegal|missing|duplicate|multiple|improper|forged|incorrect|unparse?able|no)( or missing)? (message |mail |mime |from |to |date |subject |rfc822 |message-id |address in |encoding |content |character |recipient )*(headers?|mime|date|subject|message-?id|from|to:|content-type|charset|boundary|encoding|line (length|ending)s?|structure|body|bare (lf|cr|linefeed|newline)|format)\b|header (error|syntax|is|lines?|too|field|was|missing)[^.;]{0,30}|bare (lf|cr|linefeed|newline|line ?feed)|\bmime\b[^.;]{0,30}(error|invalid|malformed|not|depth|header)|message (format|headers?|body|structure) (is |was |not |error|invalid|malformed|fail)|message not compliant|message-?id[^.;]{0,20} (invalid|missing|malformed)|missing (a )?(valid )?(from|date|message-id|to|subject)\b|(attachment|file)( type| name| extension)?[^;]{0,40} (not (allowed|permitted|accepted)|blocked|prohibited|forbidden|rejected|banned|denied|removed)|(banned|blocked|prohibited|forbidden|dangerous|disallowed|restricted|executable) (attachment|file|content|extension|filename)|(password[- ]protected|encrypted) (archive|attachment|zip|file)|line (is )?too long|blank (subject|body)|empty (message|body|subject)|smtputf8|(eai|internationali[sz]ed) (address|mail|e-?mail)|content (is )?not (accept|allow|permitt|support)|content-?type|transfer[- ]encoding|character set|null character|contains (an? )?(invalid|illegal|null|forbidden|prohibited)|lacks? (a |the )?(required|valid|from|date|message-id|subject)|subject (line )?(is |was )?(missing|empty|blocked|not|contains)|too many (hops in|header|mime|attachments?|nested)|anhang|pi.ce jointe|archivo adjunto|вложени|附件|添付ファイル|5\.6\.[0-9]+ (message|content|stored?rv)|cat\.?content|invalidcontent|contentconversion|mapi(exception)?content
        """,
    ),
    rule(
        "permission",
        Reason.POLICY,
        "Exchange NDR 5.7.124, 5.7.133; iCloud CS01, HM08",
        r"""
        NotAuthenticatedForGroup|allowed-?senders|permission to post|not be open to posting|\[(cs01|hm08)\]
        """,
    ),
    rule(
        "protocol",
        Reason.MAILER,
        "RFC 5321 § 4.2.3; Exim verify = header_syntax; RFC 3463 X.5",
        r"""
        not valid syntax|syntax error|bad (sequence|command)|command (not |un|is not )(recognized|recognised|implemented|known|supported|found)|unrecogni[sz]ed (command|parameter|address)|unknown command|(invalid|illegal|wrong) (command|parameter|argument|protocol|sequence)|command (unrecogni|out of sequence|parameter|rejected|timeout)|protocol (error|violation)|improper command|unexpected (command|response|reply)|pipelining|synchronization error|must (have|send|say|issue) (helo|ehlo|mail|rcpt|at least)|need (mail|rcpt)|nested mail|no recipients?( have| specified| given)|invalid response from|(greeting|banner) (error|delay)|before (helo|ehlo|greeting)|starttls|tls (handshake|negotiation|required|error|not)|ssl (handshake|error|routines)|certificate (verif|expired|not)|encryption (is )?(required|needed)|must use tls
        """,
        weak=True,
    ),
    rule(
        "policy",
        Reason.POLICY,
        "RFC 3463 X.7.1; Yahoo PH01 and PF01; iCloud CS01, HM08; Exchange NDR 5.7.1, 5.7.124, 5.7.133; Postfix access(5); Mimecast, Proofpoint, Cisco policies; Gmail 5.7.1",
        r"""
        polic(y|ies)|not authori[sz]ed|un-?authori[sz]ed|NotAuthenticatedForGroup|allowed-?senders|permission to post|not be open to posting|administrative(ly)? (prohibit|den|reject|block|refus)|(delivery|message|mail|e-?mail|transaction|recipient|access|request|command) (is |was |has been |to [^ ]{1,60} )*(prohibited|denied|forbidden|disallowed|not (allowed|permitted|authorized))|access denied|permission denied|prohibited by|restricted (by|to)|(local|site|security|company|admin\w*) (policy|rule|restriction)|rejected by (the |our |a |an |your )?(rule|admin|firewall|gateway|filter|custom|acl|recipient policy|transport rule|policy|domain)|transport\.rules|rejected by transport|\[p[hf]\d\d\]|not accept(ed|able) for|security (reason|violation|restrict)|company rule|violat(es|ion|ed|ing)|does not comply|(message|mail) (was |is )?(refused|rejected|blocked) (by|due|because|for|per)|richtlinie|aus sicherheitsgründen|règle|politique|pol.tica|политик|ポリシー|策略|정책|organi[sz]ation('s)? (rules|polic)|compliance|submission (is )?(denied|not)
        """,
        weak=True,
    ),
)
